/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/seal.h"

#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/pkey.h"

#include <limits.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#define RSA_BYTES_MAX 1024 /* 8192 bits, as pkey.c takes them */

static const struct {
	size_t key;
	const char *name;
} cipher_name[] = { { 16, "AES-128-CFB" }, { 24, "AES-192-CFB" }, { 32, "AES-256-CFB" } };

static EVP_CIPHER *cipher[CH_COUNT_OF(cipher_name)];

static enum ch_err fetch(void)
{
	static EVP_ASYM_CIPHER *rsa;
	static EVP_KEYEXCH *ecdh;
	if (rsa == NULL)
		rsa = EVP_ASYM_CIPHER_fetch(NULL, "RSA", NULL);
	if (ecdh == NULL)
		ecdh = EVP_KEYEXCH_fetch(NULL, "ECDH", NULL);
	for (size_t i = 0; i < CH_COUNT_OF(cipher_name); i++) {
		if (cipher[i] == NULL)
			cipher[i] = EVP_CIPHER_fetch(NULL, cipher_name[i].name, NULL);
		if (cipher[i] == NULL)
			return CH_ERR_CRYPTO;
	}
	/* The first bytes make the generators and fetch what they are built from. */
	uint8_t first[8];
	return rsa != NULL && ecdh != NULL ? ch_random(first, sizeof(first)) : CH_ERR_CRYPTO;
}

enum ch_err ch_crypto_openssl_init_seal(void)
{
	enum ch_err err = ch_crypto_openssl_init();
	return err == CH_OK ? fetch() : err;
}

enum ch_err ch_random(void *to, size_t n)
{
	if (n <= INT_MAX && RAND_priv_bytes(to, (int)n) == 1)
		return CH_OK;
	ERR_clear_error();
	ch_wipe(to, n);
	return CH_ERR_CRYPTO;
}

/* OpenSSL wants a buffer that it may call its own for the label, and both digests by name. */
static bool oaep_init(EVP_PKEY_CTX *ctx, const char *md, struct ch_span label)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, (char *)OSSL_PKEY_RSA_PAD_MODE_OAEP,
						 0),
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, (char *)(uintptr_t)md, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, (char *)(uintptr_t)md, 0),
		OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, (void *)(uintptr_t)label.p,
						  label.n),
		OSSL_PARAM_construct_end(),
	};
	return EVP_PKEY_encrypt_init_ex(ctx, params) == 1;
}

static enum ch_err oaep(EVP_PKEY *pkey, const EVP_MD *md, struct ch_span label, struct ch_span msg, struct ch_wr *to)
{
	uint8_t out[RSA_BYTES_MAX];
	size_t n = sizeof(out);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	enum ch_err err = ctx != NULL && oaep_init(ctx, EVP_MD_get0_name(md), label) ? CH_OK : CH_ERR_CRYPTO;
	if (err == CH_OK && EVP_PKEY_encrypt(ctx, out, &n, msg.p, msg.n) != 1)
		err = CH_ERR_RANGE; /* the key was taken before, so what is left is the length */
	EVP_PKEY_CTX_free(ctx);
	if (err != CH_OK)
		return err;
	ch_wr_put(to, ch_span(out, n));
	return to->bad ? CH_ERR_NOSPACE : CH_OK;
}

enum ch_err ch_rsa_oaep(const struct ch_pub *pub, enum ch_hash_alg hash, struct ch_span label, struct ch_span msg,
			struct ch_wr *to)
{
	const EVP_MD *md = ch_openssl_md(hash);
	if (md == NULL)
		return CH_ERR_UNSUPPORTED;
	EVP_PKEY *pkey = pub->type == CH_KEY_RSA ? ch_openssl_pkey(pub) : NULL;
	if (pkey == NULL)
		return CH_ERR_KEY;
	enum ch_err err = oaep(pkey, md, label, msg, to);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return err;
}

static bool coordinate(EVP_PKEY *pkey, const char *name, uint8_t *to, size_t n)
{
	BIGNUM *bn = NULL;
	bool ok = EVP_PKEY_get_bn_param(pkey, name, &bn) == 1 && BN_bn2binpad(bn, to, (int)n) == (int)n;
	BN_free(bn);
	return ok;
}

/* OpenSSL gives the x coordinate in the size of the field. */
static bool agree(struct ch_ecdh *e, EVP_PKEY *mine, EVP_PKEY *theirs)
{
	size_t n = e->n;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL);
	bool ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
		  EVP_PKEY_derive(ctx, e->z, &n) == 1 && n == e->n;
	EVP_PKEY_CTX_free(ctx);
	return ok && coordinate(mine, OSSL_PKEY_PARAM_EC_PUB_X, e->x, n) &&
	       coordinate(mine, OSSL_PKEY_PARAM_EC_PUB_Y, e->y, n);
}

enum ch_err ch_ecdh_ephemeral(struct ch_ecdh *e, const struct ch_pub *pub)
{
	*e = (struct ch_ecdh){ .n = 0 };
	bool curve = pub->type == CH_KEY_P256 || pub->type == CH_KEY_P384 || pub->type == CH_KEY_P521;
	if (!curve)
		return CH_ERR_UNSUPPORTED;
	EVP_PKEY *theirs = ch_openssl_pkey(pub);
	if (theirs == NULL)
		return CH_ERR_KEY;
	struct ch_ecdh out = { .n = ch_key_coord(pub->type) };
	/* Bound to the same group: keys that only share parameters are made from it. */
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, theirs, NULL);
	EVP_PKEY *mine = NULL;
	bool ok = ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_generate(ctx, &mine) == 1 &&
		  agree(&out, mine, theirs);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(mine);
	EVP_PKEY_free(theirs);
	ERR_clear_error();
	if (ok)
		*e = out;
	ch_wipe(&out, sizeof(out));
	return ok ? CH_OK : CH_ERR_CRYPTO;
}

enum ch_err ch_aes_cfb(struct ch_span key, struct ch_span msg, struct ch_wr *to)
{
	static const uint8_t iv[16];
	size_t i = 0;
	while (i < CH_COUNT_OF(cipher_name) && cipher_name[i].key != key.n)
		i++;
	if (i == CH_COUNT_OF(cipher_name) || cipher[i] == NULL)
		return CH_ERR_UNSUPPORTED;
	if (to->bad || msg.n > INT_MAX || msg.n > to->cap - to->len)
		return CH_ERR_NOSPACE;
	int n = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx != NULL && EVP_EncryptInit_ex2(ctx, cipher[i], key.p, iv, NULL) == 1 &&
		  EVP_EncryptUpdate(ctx, to->p + to->len, &n, msg.p, (int)msg.n) == 1 && (size_t)n == msg.n;
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	if (!ok)
		return CH_ERR_CRYPTO;
	to->len += msg.n;
	return CH_OK;
}
