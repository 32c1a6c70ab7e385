/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/cose.h"

struct alg {
	int32_t id;
	enum ch_sig_scheme scheme; /* CH_SIG_NONE: a MAC */
	enum ch_hash_alg hash;
	enum ch_key_type key; /* CH_KEY_NONE: any that the scheme takes */
	uint8_t tag;          /* bytes of a MAC */
	const char *name;
};

static const struct alg algs[] = {
	{ CH_COSE_ES256, CH_SIG_ECDSA, CH_HASH_SHA256, CH_KEY_NONE, 0, "ES256" },
	{ CH_COSE_ES384, CH_SIG_ECDSA, CH_HASH_SHA384, CH_KEY_NONE, 0, "ES384" },
	{ CH_COSE_ES512, CH_SIG_ECDSA, CH_HASH_SHA512, CH_KEY_NONE, 0, "ES512" },
	{ CH_COSE_ESP256, CH_SIG_ECDSA, CH_HASH_SHA256, CH_KEY_P256, 0, "ESP256" },
	{ CH_COSE_ESP384, CH_SIG_ECDSA, CH_HASH_SHA384, CH_KEY_P384, 0, "ESP384" },
	{ CH_COSE_ESP512, CH_SIG_ECDSA, CH_HASH_SHA512, CH_KEY_P521, 0, "ESP512" },
	{ CH_COSE_EDDSA, CH_SIG_ED25519, CH_HASH_NONE, CH_KEY_ED25519, 0, "EdDSA" },
	{ CH_COSE_ED25519, CH_SIG_ED25519, CH_HASH_NONE, CH_KEY_ED25519, 0, "Ed25519" },
	{ CH_COSE_PS256, CH_SIG_RSAPSS, CH_HASH_SHA256, CH_KEY_RSA, 0, "PS256" },
	{ CH_COSE_PS384, CH_SIG_RSAPSS, CH_HASH_SHA384, CH_KEY_RSA, 0, "PS384" },
	{ CH_COSE_PS512, CH_SIG_RSAPSS, CH_HASH_SHA512, CH_KEY_RSA, 0, "PS512" },
	{ CH_COSE_RS256, CH_SIG_RSASSA, CH_HASH_SHA256, CH_KEY_RSA, 0, "RS256" },
	{ CH_COSE_RS384, CH_SIG_RSASSA, CH_HASH_SHA384, CH_KEY_RSA, 0, "RS384" },
	{ CH_COSE_RS512, CH_SIG_RSASSA, CH_HASH_SHA512, CH_KEY_RSA, 0, "RS512" },
	{ CH_COSE_HMAC256_64, CH_SIG_NONE, CH_HASH_SHA256, CH_KEY_NONE, 8, "HMAC 256/64" },
	{ CH_COSE_HMAC256, CH_SIG_NONE, CH_HASH_SHA256, CH_KEY_NONE, 32, "HMAC 256/256" },
	{ CH_COSE_HMAC384, CH_SIG_NONE, CH_HASH_SHA384, CH_KEY_NONE, 48, "HMAC 384/384" },
	{ CH_COSE_HMAC512, CH_SIG_NONE, CH_HASH_SHA512, CH_KEY_NONE, 64, "HMAC 512/512" },
};

static const struct alg *alg_find(int64_t id)
{
	for (size_t i = 0; i < CH_COUNT_OF(algs); i++) {
		if (algs[i].id == id)
			return &algs[i];
	}
	return NULL;
}

const char *ch_cose_alg_str(int64_t alg)
{
	const struct alg *a = alg_find(alg);
	return a != NULL ? a->name : NULL;
}

/* The structure that is signed, in pieces, so that a payload is hashed where it lies. */
struct tbs {
	uint8_t head[3][24];
	struct ch_span part[6];
};

static void tbs_make(struct tbs *t, const struct ch_cose *m, const struct ch_cose_context *c)
{
	const char *purpose = m->kind == CH_COSE_SIGN1 ? "Signature1" : "MAC0";
	const struct ch_span body[3] = { m->protected_, c->external_aad, m->detached ? c->payload : m->payload };
	for (size_t i = 0; i < 3; i++) {
		struct ch_wr w = ch_wr(t->head[i], sizeof(t->head[i]));
		if (i == 0) {
			ch_cbor_put_array(&w, 4);
			ch_cbor_put_tstr(&w, ch_span_str(purpose));
		}
		ch_cbor_put_bstr_head(&w, body[i].n);
		t->part[2 * i] = ch_wr_span(&w);
		t->part[2 * i + 1] = body[i];
	}
}

size_t ch_cose_tbs_size(const struct ch_cose *m, const struct ch_cose_context *c)
{
	struct tbs t;
	tbs_make(&t, m, c);
	size_t n = 0;
	for (size_t i = 0; i < CH_COUNT_OF(t.part); i++)
		n += t.part[i].n;
	return n;
}

void ch_cose_put_tbs(struct ch_wr *w, const struct ch_cose *m, const struct ch_cose_context *c)
{
	struct tbs t;
	tbs_make(&t, m, c);
	for (size_t i = 0; i < CH_COUNT_OF(t.part); i++)
		ch_wr_put(w, t.part[i]);
}

/* Which algorithm holds: the protected header's, and the caller's where there is one. */
static enum ch_err alg_choose(const struct ch_cose *m, const struct ch_cose_context *c, const struct alg **alg,
			      struct ch_diag *d)
{
	if (!m->h.has_alg && c->alg == CH_COSE_ALG_NONE)
		return ch_fail(d, CH_ERR_MISSING, 0, "the protected header names no algorithm (RFC 9052, 3.1)");
	if (m->h.has_alg && c->alg != CH_COSE_ALG_NONE && m->h.alg != c->alg)
		return ch_fail(d, CH_ERR_MISMATCH, 0, "the protected header names another algorithm than is accepted");
	*alg = alg_find(m->h.has_alg ? m->h.alg : c->alg);
	if (*alg == NULL || ((*alg)->scheme == CH_SIG_NONE) != (m->kind == CH_COSE_MAC0))
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the algorithm is not supported for this kind of message");
	if (m->detached ? c->payload.p == NULL : c->payload.n != 0)
		return ch_fail(d, CH_ERR_MISSING, 0,
			       m->detached ? "the payload is detached and was not given (RFC 9052, 4.1)"
					   : "a payload was given, but the message holds its own (RFC 9052, 4.1)");
	return CH_OK;
}

static enum ch_err verify_message(const struct ch_cose *m, const struct ch_cose_context *c,
				  const struct ch_verify_key *key, const struct ch_sig *sig, struct ch_diag *d)
{
	struct ch_wr w = ch_wr(c->scratch, c->scratch_size);
	ch_cose_put_tbs(&w, m, c);
	if (w.bad)
		return ch_fail(d, CH_ERR_NOSPACE, 0, "the scratch memory is too small for the Sig_structure");
	return ch_verify_digest(key, sig, ch_wr_span(&w));
}

static enum ch_err verify_hashed(const struct ch_cose *m, const struct ch_cose_context *c,
				 const struct ch_verify_key *key, const struct ch_sig *sig)
{
	struct ch_hash h;
	struct ch_digest digest;
	enum ch_err err = ch_hash_init(&h, sig->hash);
	if (err != CH_OK)
		return err;
	struct tbs t;
	tbs_make(&t, m, c);
	for (size_t i = 0; i < CH_COUNT_OF(t.part); i++)
		ch_hash_update(&h, t.part[i]);
	ch_hash_final(&h, &digest);
	return ch_verify_digest(key, sig, ch_digest_span(&digest));
}

static enum ch_err told(struct ch_diag *d, enum ch_err err)
{
	if (err == CH_OK || (d != NULL && d->rule != NULL))
		return err;
	return ch_fail(d, err, 0,
		       err == CH_ERR_SIGNATURE
			       ? "the signature or MAC does not hold over this message and key (RFC 9052, 4.4)"
		       : err == CH_ERR_KEY ? "the key is not one for this algorithm (RFC 9053, 2)"
					   : "the cryptographic backend cannot verify this");
}

enum ch_err ch_cose_verify(const struct ch_cose *m, const struct ch_cose_context *c, const struct ch_verify_key *key,
			   struct ch_diag *d)
{
	ch_diag_clear(d);
	if (m->kind != CH_COSE_SIGN1)
		return ch_fail(d, CH_ERR_KEY, 0, "a COSE_Mac0 is verified with a shared key");
	const struct alg *alg = NULL;
	enum ch_err err = alg_choose(m, c, &alg, d);
	if (err != CH_OK)
		return err;
	size_t coord = ch_key_coord(key->type);
	bool ec = key->type == CH_KEY_P256 || key->type == CH_KEY_P384 || key->type == CH_KEY_P521;
	if (alg->key != CH_KEY_NONE ? alg->key != key->type : !ec)
		return told(d, CH_ERR_KEY);
	struct ch_sig sig = { .scheme = alg->scheme, .hash = alg->hash, .a = m->signature };
	if (alg->scheme == CH_SIG_ECDSA) {
		/* RFC 9053, 2.1: r and s, each as long as the order of the curve. */
		if (m->signature.n != 2 * coord)
			return told(d, CH_ERR_SIGNATURE);
		sig.a = ch_span_sub(m->signature, 0, coord);
		sig.b = ch_span_sub(m->signature, coord, coord);
	}
	if (alg->scheme == CH_SIG_ED25519)
		err = verify_message(m, c, key, &sig, d);
	else
		err = verify_hashed(m, c, key, &sig);
	return told(d, err);
}

enum ch_err ch_cose_verify_mac(const struct ch_cose *m, const struct ch_cose_context *c, struct ch_span key,
			       struct ch_diag *d)
{
	ch_diag_clear(d);
	if (m->kind != CH_COSE_MAC0)
		return ch_fail(d, CH_ERR_KEY, 0, "a COSE_Sign1 is verified with a public key");
	if (key.n == 0)
		return told(d, CH_ERR_KEY);
	const struct alg *alg = NULL;
	enum ch_err err = alg_choose(m, c, &alg, d);
	if (err != CH_OK)
		return err;
	struct tbs t;
	struct ch_digest mac;
	tbs_make(&t, m, c);
	err = ch_hmac_parts(alg->hash, key, t.part, CH_COUNT_OF(t.part), &mac);
	if (err == CH_OK && !ch_ct_eq(ch_span(mac.b, alg->tag), m->signature))
		err = CH_ERR_SIGNATURE;
	ch_wipe(&mac, sizeof(mac));
	return told(d, err);
}
