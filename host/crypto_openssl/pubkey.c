/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/pubkey.h"

#include "core/wire/base64.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define DER_MAX 4096 /* a key of RSA-8192 takes about 1100 bytes */

static const struct {
	const char *group;
	enum ch_key_type type;
} curve[] = {
	{ "prime256v1", CH_KEY_P256 },
	{ "secp384r1", CH_KEY_P384 },
	{ "secp521r1", CH_KEY_P521 },
};

/* Writes the number `name` of the key, padded to `width` bytes; width 0: as many as it needs. */
static bool take_number(EVP_PKEY *pkey, const char *name, size_t width, uint8_t *to, size_t cap, struct ch_span *out)
{
	BIGNUM *bn = NULL;
	bool ok = EVP_PKEY_get_bn_param(pkey, name, &bn) == 1;
	size_t n = width != 0 ? width : ok ? (size_t)BN_num_bytes(bn) : 0;
	ok = ok && n > 0 && n <= cap && BN_bn2binpad(bn, to, (int)n) == (int)n;
	BN_free(bn);
	if (ok)
		*out = ch_span(to, n);
	return ok;
}

static enum ch_err take_ec(struct ch_pubkey *k, EVP_PKEY *pkey)
{
	char group[32];
	if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1)
		return CH_ERR_UNSUPPORTED;
	for (size_t i = 0; i < CH_COUNT_OF(curve); i++) {
		if (strcmp(group, curve[i].group) != 0)
			continue;
		size_t coord = ch_key_coord(curve[i].type);
		if (!take_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, coord, k->a, sizeof(k->a), &k->pub.a) ||
		    !take_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, coord, k->b, sizeof(k->b), &k->pub.b))
			return CH_ERR_KEY;
		k->pub.type = curve[i].type;
		return CH_OK;
	}
	return CH_ERR_UNSUPPORTED;
}

static enum ch_err take_rsa(struct ch_pubkey *k, EVP_PKEY *pkey)
{
	if (!take_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0, k->a, sizeof(k->a), &k->pub.a) ||
	    !take_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0, k->b, sizeof(k->b), &k->pub.b))
		return CH_ERR_KEY;
	k->pub.type = CH_KEY_RSA;
	return CH_OK;
}

static enum ch_err take_ed25519(struct ch_pubkey *k, EVP_PKEY *pkey)
{
	size_t n = sizeof(k->a);
	if (EVP_PKEY_get_raw_public_key(pkey, k->a, &n) != 1)
		return CH_ERR_KEY;
	k->pub.a = ch_span(k->a, n);
	k->pub.type = CH_KEY_ED25519;
	return CH_OK;
}

static enum ch_err take(struct ch_pubkey *k, EVP_PKEY *pkey)
{
	if (EVP_PKEY_is_a(pkey, "EC"))
		return take_ec(k, pkey);
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return take_rsa(k, pkey);
	if (EVP_PKEY_is_a(pkey, "ED25519"))
		return take_ed25519(k, pkey);
	return CH_ERR_UNSUPPORTED;
}

/* A key has one DER encoding; that the input is this one rules out BER, trailing bytes and unusual forms at once. */
static bool encodes_to(EVP_PKEY *pkey, struct ch_span der)
{
	unsigned char *again = NULL;
	int n = i2d_PUBKEY(pkey, &again);
	bool same = n > 0 && ch_span_eq(ch_span(again, (size_t)n), der);
	OPENSSL_free(again);
	return same;
}

enum ch_err ch_pubkey_from_der(struct ch_pubkey *k, struct ch_span der)
{
	*k = (struct ch_pubkey){ .pub = { .type = CH_KEY_NONE } };
	if (der.n == 0 || der.n > DER_MAX)
		return CH_ERR_MALFORMED;
	const unsigned char *p = der.p;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)der.n);
	enum ch_err err = CH_ERR_MALFORMED;
	if (pkey != NULL)
		err = take(k, pkey);
	if (err == CH_OK && !encodes_to(pkey, der))
		err = CH_ERR_ENCODING;
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	if (err != CH_OK)
		*k = (struct ch_pubkey){ .pub = { .type = CH_KEY_NONE } };
	return err;
}

enum ch_err ch_pubkey_from_pem(struct ch_pubkey *k, struct ch_span pem)
{
	*k = (struct ch_pubkey){ .pub = { .type = CH_KEY_NONE } };
	uint8_t der[DER_MAX];
	uint8_t other[DER_MAX];
	size_t off = 0;
	size_t n;
	enum ch_err err = ch_pem_next(pem, &off, "PUBLIC KEY", der, sizeof(der), &n, NULL);
	if (err != CH_OK)
		return err;
	/* Another block makes it unclear which key is meant, even if that one is broken. */
	size_t more;
	if (ch_pem_next(pem, &off, "PUBLIC KEY", other, sizeof(other), &more, NULL) != CH_ERR_NOTFOUND)
		return CH_ERR_DUPLICATE;
	return ch_pubkey_from_der(k, ch_span(der, n));
}
