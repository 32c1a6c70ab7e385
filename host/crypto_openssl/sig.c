/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/sig.h"

#include "core/base/wr.h"
#include "host/base/mem.h"
#include "host/crypto_openssl/fetch.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#define COORD_MAX    66 /* P-521 */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define RSA_EXP_MAX \
	8 /* bytes: a longer exponent only makes verification slow (SP 800-56B, 6.2 allows up to 256 bits) */
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
	enum ch_key_type type;
	const char *alg;
	const char *group;
} key_alg[] = {
	{ CH_KEY_P256, "EC", "prime256v1" }, { CH_KEY_P384, "EC", "secp384r1" },  { CH_KEY_P521, "EC", "secp521r1" },
	{ CH_KEY_RSA, "RSA", NULL },         { CH_KEY_ED25519, "ED25519", NULL },
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

static const EVP_MD *md_of(enum ch_hash_alg alg)
{
	for (size_t i = 0; i < CH_COUNT_OF(hash_name); i++) {
		if (hash_name[i].alg == alg)
			return hash_md[i];
	}
	return NULL;
}

/* FIPS 186-5, 5.1 and our limits; the header names them. */
static bool rsa_key_fits(const struct ch_pub *pub)
{
	size_t bits = ch_pub_bits(pub);
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || pub->a.p[0] == 0 || (pub->a.p[pub->a.n - 1] & 1) == 0)
		return false;
	if (pub->b.n == 0 || pub->b.n > RSA_EXP_MAX || pub->b.p[0] == 0 || (pub->b.p[pub->b.n - 1] & 1) == 0)
		return false;
	return pub->b.n > 1 || pub->b.p[0] > 1;
}

static bool push_rsa(OSSL_PARAM_BLD *bld, const struct ch_pub *pub, BIGNUM **n, BIGNUM **e)
{
	if (!rsa_key_fits(pub))
		return false;
	*n = BN_bin2bn(pub->a.p, (int)pub->a.n, NULL);
	*e = BN_bin2bn(pub->b.p, (int)pub->b.n, NULL);
	return *n != NULL && *e != NULL && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, *n) == 1 &&
	       OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, *e) == 1;
}

/* OpenSSL refuses a point that is not on its curve when it takes the octets in; cofactors are 1, so that is all (SP 800-56A, 5.6.2.3.4). */
static bool push_ec(OSSL_PARAM_BLD *bld, const struct ch_pub *pub, const char *group, uint8_t *point)
{
	size_t coord = ch_key_coord(pub->type);
	if (pub->a.n == 0 || pub->a.n > coord || pub->b.n == 0 || pub->b.n > coord)
		return false;
	point[0] = POINT_CONVERSION_UNCOMPRESSED;
	ch_span_copy(point + 1 + coord - pub->a.n, pub->a.n, pub->a);
	ch_span_copy(point + 1 + 2 * coord - pub->b.n, pub->b.n, pub->b);
	return OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
	       OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * coord) == 1;
}

static EVP_PKEY *pkey_make(const char *alg, OSSL_PARAM_BLD *bld)
{
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, alg, NULL);
	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *pkey_from(const struct ch_pub *pub, size_t alg)
{
	if (pub->type == CH_KEY_ED25519)
		return pub->a.n == 32 && pub->b.n == 0
			       ? EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, pub->a.p, pub->a.n)
			       : NULL;
	uint8_t point[1 + 2 * COORD_MAX] = { 0 };
	BIGNUM *n = NULL;
	BIGNUM *e = NULL;
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	if (bld != NULL &&
	    (pub->type == CH_KEY_RSA ? push_rsa(bld, pub, &n, &e) : push_ec(bld, pub, key_alg[alg].group, point)))
		pkey = pkey_make(key_alg[alg].alg, bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(n);
	BN_free(e);
	return pkey;
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
	size_t alg = 0;
	while (alg < CH_COUNT_OF(key_alg) && key_alg[alg].type != pub->type)
		alg++;
	if (alg == CH_COUNT_OF(key_alg))
		return CH_ERR_UNSUPPORTED;
	EVP_PKEY *pkey = pkey_from(pub, alg);
	ERR_clear_error();
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
	const EVP_MD *md = md_of(sig->hash);
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
