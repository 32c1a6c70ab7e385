/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/pkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#define COORD_MAX    66 /* P-521 */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define RSA_EXP_MAX \
	8 /* bytes: a longer exponent only makes verification slow (SP 800-56B, 6.2 allows up to 256 bits) */

static const struct {
	enum ch_key_type type;
	const char *alg;
	const char *group;
} key_alg[] = {
	{ CH_KEY_P256, "EC", "prime256v1" }, { CH_KEY_P384, "EC", "secp384r1" },  { CH_KEY_P521, "EC", "secp521r1" },
	{ CH_KEY_RSA, "RSA", NULL },         { CH_KEY_ED25519, "ED25519", NULL },
};

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

static EVP_PKEY *make_rsa(const struct ch_pub *pub)
{
	BIGNUM *n = NULL, *e = NULL;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = bld != NULL && push_rsa(bld, pub, &n, &e) ? pkey_make("RSA", bld) : NULL;
	OSSL_PARAM_BLD_free(bld);
	BN_free(n);
	BN_free(e);
	return pkey;
}

static EVP_PKEY *ec_from_params(const char *group, struct ch_span point)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;
	if (bld != NULL && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.n) == 1)
		pkey = pkey_make("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

/*
 * The first public key of a curve that was made, of which others are copies with another point: from parameters OpenSSL makes the group
 * anew, which takes four times as long as all the rest.
 */
static EVP_PKEY *curve_key(size_t alg, struct ch_span point)
{
	static EVP_PKEY *first[CH_COUNT_OF(key_alg)];
	if (first[alg] == NULL)
		first[alg] = ec_from_params(key_alg[alg].group, point);
	return first[alg];
}

/* OpenSSL refuses a point that is not on its curve when it takes the octets in; cofactors are 1, so that is all (SP 800-56A, 5.6.2.3.4). */
static EVP_PKEY *make_ec(const struct ch_pub *pub, size_t alg)
{
	uint8_t point[1 + 2 * COORD_MAX] = { POINT_CONVERSION_UNCOMPRESSED };
	size_t coord = ch_key_coord(pub->type);
	if (pub->a.n == 0 || pub->a.n > coord || pub->b.n == 0 || pub->b.n > coord)
		return NULL;
	ch_span_copy(point + 1 + coord - pub->a.n, pub->a.n, pub->a);
	ch_span_copy(point + 1 + 2 * coord - pub->b.n, pub->b.n, pub->b);
	EVP_PKEY *from = curve_key(alg, ch_span(point, 1 + 2 * coord));
	EVP_PKEY *pkey = from != NULL ? EVP_PKEY_dup(from) : NULL;
	if (pkey != NULL && EVP_PKEY_set1_encoded_public_key(pkey, point, 1 + 2 * coord) == 1)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

static EVP_PKEY *make(const struct ch_pub *pub, size_t alg)
{
	if (pub->type == CH_KEY_ED25519)
		return pub->a.n == 32 && pub->b.n == 0
			       ? EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, pub->a.p, pub->a.n)
			       : NULL;
	return pub->type == CH_KEY_RSA ? make_rsa(pub) : make_ec(pub, alg);
}

static size_t alg_of(enum ch_key_type type)
{
	size_t alg = 0;
	while (alg < CH_COUNT_OF(key_alg) && key_alg[alg].type != type)
		alg++;
	return alg;
}

bool ch_openssl_has(enum ch_key_type type)
{
	return alg_of(type) < CH_COUNT_OF(key_alg);
}

EVP_PKEY *ch_openssl_pkey(const struct ch_pub *pub)
{
	size_t alg = alg_of(pub->type);
	EVP_PKEY *pkey = alg < CH_COUNT_OF(key_alg) ? make(pub, alg) : NULL;
	ERR_clear_error();
	return pkey;
}
