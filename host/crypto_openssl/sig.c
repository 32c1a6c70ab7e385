/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/sig.h"

#include "core/base/wr.h"
#include "host/base/mem.h"
#include "host/crypto_openssl/fetch.h"
#include "host/crypto_openssl/pkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#define COORD_MAX   66 /* P-521 */
#define ED25519_SIG 64

/* SEQUENCE of two INTEGERs, each with a possible leading zero. */
#define ECDSA_DER_MAX (3 + 2 * (2 + 1 + COORD_MAX))

/*
 * What ch_verify_key.state points to. A context that was initialised for a scheme verifies any number of signatures, so the
 * fetches and parameter calls of OpenSSL 3 are paid once.
 */
struct state {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *ctx;         /* EC and RSA */
	EVP_MD_CTX *md_ctx;        /* Ed25519 */
	enum ch_sig_scheme scheme; /* what `ctx` is initialised for */
	enum ch_hash_alg hash;
	enum ch_pss_salt salt;
	size_t bytes; /* RSA: of the modulus; EC: of a coordinate */
};

static const struct {
	enum ch_hash_alg alg;
	const char *name;
} hash_name[] = {
	{ CH_HASH_SHA1, "SHA1" },
	{ CH_HASH_SHA256, "SHA256" },
	{ CH_HASH_SHA384, "SHA384" },
	{ CH_HASH_SHA512, "SHA512" },
};

static EVP_MD *hash_md[CH_COUNT_OF(hash_name)];

enum ch_err ch_openssl_fetch_sig(void)
{
	static const char *const keys[] = { "EC", "RSA", "ED25519" };
	static const char *const sigs[] = { "ECDSA", "RSA", "ED25519" };
	static EVP_KEYMGMT *keymgmt[CH_COUNT_OF(keys)];
	static EVP_SIGNATURE *signature[CH_COUNT_OF(sigs)];
	for (size_t i = 0; i < CH_COUNT_OF(keys); i++) {
		if (keymgmt[i] == NULL)
			keymgmt[i] = EVP_KEYMGMT_fetch(NULL, keys[i], NULL);
		if (signature[i] == NULL)
			signature[i] = EVP_SIGNATURE_fetch(NULL, sigs[i], NULL);
		if (keymgmt[i] == NULL || signature[i] == NULL)
			return CH_ERR_CRYPTO;
	}
	for (size_t i = 0; i < CH_COUNT_OF(hash_name); i++) {
		if (hash_md[i] == NULL)
			hash_md[i] = EVP_MD_fetch(NULL, hash_name[i].name, NULL);
		if (hash_md[i] == NULL)
			return CH_ERR_CRYPTO;
	}
	return CH_OK;
}

const EVP_MD *ch_openssl_md(enum ch_hash_alg alg)
{
	for (size_t i = 0; i < CH_COUNT_OF(hash_name); i++) {
		if (hash_name[i].alg == alg)
			return hash_md[i];
	}
	return NULL;
}

static void state_free(struct state *s)
{
	EVP_PKEY_CTX_free(s->ctx);
	EVP_MD_CTX_free(s->md_ctx);
	EVP_PKEY_free(s->pkey);
	ch_free(s);
}

enum ch_err ch_verify_key_init(struct ch_verify_key *k, const struct ch_pub *pub)
{
	*k = (struct ch_verify_key){ .type = CH_KEY_NONE };
	if (!ch_openssl_has(pub->type))
		return CH_ERR_UNSUPPORTED;
	EVP_PKEY *pkey = ch_openssl_pkey(pub);
	if (pkey == NULL)
		return CH_ERR_KEY;
	struct state *s = ch_calloc(1, sizeof(*s));
	s->pkey = pkey;
	s->bytes = pub->type == CH_KEY_RSA ? pub->a.n : ch_key_coord(pub->type);
	if (pub->type == CH_KEY_ED25519)
		s->md_ctx = EVP_MD_CTX_new();
	else
		s->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if ((s->ctx == NULL && s->md_ctx == NULL) || ch_openssl_fetch_sig() != CH_OK) {
		state_free(s);
		return CH_ERR_CRYPTO;
	}
	k->type = pub->type;
	k->state = s;
	return CH_OK;
}

void ch_verify_key_clear(struct ch_verify_key *k)
{
	if (k->state != NULL)
		state_free(k->state);
	*k = (struct ch_verify_key){ .type = CH_KEY_NONE };
}

static bool scheme_fits(enum ch_key_type type, enum ch_sig_scheme scheme)
{
	switch (type) {
	case CH_KEY_P256:
	case CH_KEY_P384:
	case CH_KEY_P521:
		return scheme == CH_SIG_ECDSA;
	case CH_KEY_RSA:
		return scheme == CH_SIG_RSASSA || scheme == CH_SIG_RSAPSS;
	case CH_KEY_ED25519:
		return scheme == CH_SIG_ED25519;
	case CH_KEY_NONE:
		break;
	}
	return false;
}

/* Makes the context ready for a scheme and hash, unless it is. */
static enum ch_err prepare(struct state *s, const struct ch_sig *sig)
{
	if (s->scheme == sig->scheme && s->hash == sig->hash && s->salt == sig->salt)
		return CH_OK;
	const EVP_MD *md = ch_openssl_md(sig->hash);
	if (md == NULL)
		return CH_ERR_UNSUPPORTED;
	s->scheme = CH_SIG_NONE;
	int salt = sig->salt == CH_PSS_SALT_ANY ? RSA_PSS_SALTLEN_AUTO : RSA_PSS_SALTLEN_DIGEST;
	bool ok = EVP_PKEY_verify_init(s->ctx) == 1;
	if (sig->scheme == CH_SIG_RSASSA)
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(s->ctx, RSA_PKCS1_PADDING) == 1;
	if (sig->scheme == CH_SIG_RSAPSS)
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(s->ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(s->ctx, salt) == 1;
	ok = ok && EVP_PKEY_CTX_set_signature_md(s->ctx, md) == 1;
	if (!ok)
		return CH_ERR_CRYPTO;
	s->scheme = sig->scheme;
	s->hash = sig->hash;
	s->salt = sig->salt;
	return CH_OK;
}

static struct ch_span without_zeros(struct ch_span s)
{
	size_t skip = 0;
	while (skip < s.n && s.p[skip] == 0)
		skip++;
	return ch_span_sub(s, skip, s.n - skip);
}

/* Appends an INTEGER (X.690, 8.3): a zero byte first if it would else be negative. `v` has no leading zeros. */
static void put_integer(struct ch_wr *w, struct ch_span v)
{
	bool zero = (v.p[0] & 0x80) != 0;
	ch_wr_u8(w, 0x02);
	ch_wr_u8(w, (uint8_t)(v.n + (zero ? 1 : 0)));
	if (zero)
		ch_wr_u8(w, 0);
	ch_wr_put(w, v);
}

/* Ecdsa-Sig-Value (RFC 5480, appendix A). Empty if r or s cannot belong to a signature: zero, or longer than a coordinate. */
static struct ch_span ecdsa_der(uint8_t buf[static ECDSA_DER_MAX], const struct ch_sig *sig, size_t coord)
{
	struct ch_span r = without_zeros(sig->a);
	struct ch_span s = without_zeros(sig->b);
	if (r.n == 0 || s.n == 0 || r.n > coord || s.n > coord)
		return CH_SPAN_EMPTY;
	size_t body = 2 + r.n + (r.p[0] >> 7) + 2 + s.n + (s.p[0] >> 7);
	struct ch_wr w = ch_wr(buf, ECDSA_DER_MAX);
	ch_wr_u8(&w, 0x30);
	if (body > 127)
		ch_wr_u8(&w, 0x81);
	ch_wr_u8(&w, (uint8_t)body);
	put_integer(&w, r);
	put_integer(&w, s);
	return ch_wr_span(&w);
}

static enum ch_err verify_ed25519(struct state *s, const struct ch_sig *sig, struct ch_span msg)
{
	if (sig->a.n != ED25519_SIG || sig->b.n != 0)
		return CH_ERR_SIGNATURE;
	if (EVP_DigestVerifyInit_ex(s->md_ctx, NULL, NULL, NULL, NULL, s->pkey, NULL) != 1)
		return CH_ERR_CRYPTO;
	return EVP_DigestVerify(s->md_ctx, sig->a.p, sig->a.n, msg.p, msg.n) == 1 ? CH_OK : CH_ERR_SIGNATURE;
}

static enum ch_err verify_digest(struct state *s, const struct ch_sig *sig, struct ch_span digest)
{
	enum ch_err err = prepare(s, sig);
	if (err != CH_OK)
		return err;
	uint8_t der[ECDSA_DER_MAX];
	struct ch_span bytes = sig->scheme == CH_SIG_ECDSA ? ecdsa_der(der, sig, s->bytes) : sig->a;
	if (bytes.n == 0 || (sig->scheme != CH_SIG_ECDSA && bytes.n != s->bytes))
		return CH_ERR_SIGNATURE;
	return EVP_PKEY_verify(s->ctx, bytes.p, bytes.n, digest.p, digest.n) == 1 ? CH_OK : CH_ERR_SIGNATURE;
}

enum ch_err ch_verify_digest(const struct ch_verify_key *k, const struct ch_sig *sig, struct ch_span digest)
{
	struct state *s = k->state;
	if (s == NULL || !scheme_fits(k->type, sig->scheme))
		return CH_ERR_KEY;
	if (sig->scheme != CH_SIG_ED25519 && digest.n != ch_hash_size(sig->hash))
		return CH_ERR_RANGE;
	enum ch_err err =
		sig->scheme == CH_SIG_ED25519 ? verify_ed25519(s, sig, digest) : verify_digest(s, sig, digest);
	if (err != CH_OK)
		ERR_clear_error();
	return err;
}
