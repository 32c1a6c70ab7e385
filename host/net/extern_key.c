/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key whose private half is elsewhere. OpenSSL 3 has two ways to hook a signature: a whole provider, or the method of an EC_KEY,
 * which is marked as deprecated and is in every 3.x. The second is a tenth of the code, so it is used in this one file.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "host/net/extern_key.h"

#include "host/base/mem.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

struct signer {
	ch_tls_sign_fn *sign;
	void *ctx;
};

static EC_KEY_METHOD *method; /* one for the process: a key borrows it for as long as it lives */
static int slot = -1;

static void signer_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	ch_free(ptr);
}

static int sign_der(int type, const unsigned char *digest, int digest_n, unsigned char *der, unsigned *der_n,
		    const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	const struct signer *s = EC_KEY_get_ex_data(key, slot);
	uint8_t rs[64];
	(void)type;
	(void)kinv;
	(void)r;
	if (s == NULL || digest_n != 32 || !s->sign(s->ctx, digest, rs))
		return 0;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *a = BN_bin2bn(rs, 32, NULL);
	BIGNUM *b = BN_bin2bn(rs + 32, 32, NULL);
	int n = -1;
	if (sig != NULL && a != NULL && b != NULL && ECDSA_SIG_set0(sig, a, b) == 1) {
		a = b = NULL; /* now the signature's */
		n = i2d_ECDSA_SIG(sig, &der);
	}
	BN_free(a);
	BN_free(b);
	ECDSA_SIG_free(sig);
	*der_n = n > 0 ? (unsigned)n : 0;
	return n > 0;
}

/* Everything but a signature over a digest is refused. */
static ECDSA_SIG *sign_raw(const unsigned char *digest, int n, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	(void)digest;
	(void)n;
	(void)kinv;
	(void)r;
	(void)key;
	return NULL;
}

static bool prepare(void)
{
	if (slot < 0)
		slot = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, signer_free);
	if (method == NULL)
		method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	if (slot < 0 || method == NULL)
		return false;
	EC_KEY_METHOD_set_sign(method, sign_der, NULL, sign_raw);
	return true;
}

void ch_extern_key_cleanup(void)
{
	EC_KEY_METHOD_free(method);
	method = NULL;
}

/* A key that holds the point of `public` and signs by `sign`. */
static EC_KEY *make(const EVP_PKEY *public, ch_tls_sign_fn *sign, void *sign_ctx)
{
	uint8_t point[65];
	size_t n = 0;
	EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	struct signer *s = ch_calloc(1, sizeof(*s));
	*s = (struct signer){ sign, sign_ctx };
	if (key != NULL && EVP_PKEY_get_octet_string_param(public, "pub", point, sizeof(point), &n) == 1 &&
	    EC_KEY_oct2key(key, point, n, NULL) == 1 && EC_KEY_set_method(key, method) == 1 &&
	    EC_KEY_set_ex_data(key, slot, s) == 1)
		return key;
	EC_KEY_free(key);
	ch_free(s);
	return NULL;
}

static bool is_p256(const EVP_PKEY *public)
{
	char group[32];
	size_t n;
	return public != NULL && EVP_PKEY_get_group_name(public, group, sizeof(group), &n) == 1 &&
	       ch_span_eq(ch_span(group, n), CH_SPAN_LIT("prime256v1"));
}

struct evp_pkey_st *ch_extern_key_new(const struct evp_pkey_st *public, ch_tls_sign_fn *sign, void *sign_ctx)
{
	EC_KEY *ec = is_p256(public) && prepare() ? make(public, sign, sign_ctx) : NULL;
	EVP_PKEY *key = ec != NULL ? EVP_PKEY_new() : NULL;
	if (key != NULL && EVP_PKEY_assign_EC_KEY(key, ec) == 1)
		return key;
	EC_KEY_free(ec);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return NULL;
}

enum ch_err ch_extern_key_use(struct ssl_ctx_st *ctx, ch_tls_sign_fn *sign, void *sign_ctx)
{
	X509 *cert = SSL_CTX_get0_certificate(ctx);
	EVP_PKEY *public = cert != NULL ? X509_get0_pubkey(cert) : NULL;
	if (!is_p256(public))
		return CH_ERR_KEY;
	EVP_PKEY *key = ch_extern_key_new(public, sign, sign_ctx);
	bool ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ok ? CH_OK : CH_ERR_CRYPTO;
}
