/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/tls_pem.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

static void bio_cleanup(BIO **b)
{
	BIO_free(*b);
}

static void x509_cleanup(X509 **x)
{
	X509_free(*x);
}

static void pkey_cleanup(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

static BIO *memory(struct ch_span s)
{
	return s.n > 0 && s.n <= INT_MAX ? BIO_new_mem_buf(s.p, (int)s.n) : NULL;
}

/* A password is never asked for: nobody sits here. */
static int no_password(char *to, int cap, int writing, void *ctx)
{
	(void)to;
	(void)cap;
	(void)writing;
	(void)ctx;
	return -1;
}

/* CH_ERR_NOTFOUND at the end of the text, CH_ERR_MALFORMED for what does not parse. */
static enum ch_err next_cert(BIO *in, X509 **x)
{
	*x = PEM_read_bio_X509(in, NULL, no_password, NULL);
	if (*x != NULL)
		return CH_OK;
	bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	return end ? CH_ERR_NOTFOUND : CH_ERR_MALFORMED;
}

enum ch_err ch_tls_use_chain(struct ssl_ctx_st *ctx, struct ch_span cert_pem)
{
	__attribute__((cleanup(bio_cleanup))) BIO *in = memory(cert_pem);
	if (in == NULL)
		return CH_ERR_MALFORMED;
	for (size_t i = 0;; i++) {
		__attribute__((cleanup(x509_cleanup))) X509 *x = NULL;
		enum ch_err err = next_cert(in, &x);
		if (err == CH_ERR_NOTFOUND && i > 0)
			return CH_OK;
		if (err != CH_OK)
			return CH_ERR_MALFORMED;
		int rc = i == 0 ? SSL_CTX_use_certificate(ctx, x) : SSL_CTX_add1_chain_cert(ctx, x) == 1;
		if (rc != 1)
			return CH_ERR_CRYPTO;
	}
}

enum ch_err ch_tls_use_identity(struct ssl_ctx_st *ctx, struct ch_span cert_pem, struct ch_span key_pem)
{
	enum ch_err err = ch_tls_use_chain(ctx, cert_pem);
	if (err != CH_OK)
		return err;
	__attribute__((cleanup(bio_cleanup))) BIO *in = memory(key_pem);
	__attribute__((cleanup(pkey_cleanup))) EVP_PKEY *key =
		in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
	if (key == NULL)
		return CH_ERR_MALFORMED;
	return SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1 ? CH_OK : CH_ERR_KEY;
}

enum ch_err ch_tls_trust(struct ssl_ctx_st *ctx, struct ch_span pem, bool names)
{
	__attribute__((cleanup(bio_cleanup))) BIO *in = memory(pem);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	if (in == NULL)
		return CH_ERR_MALFORMED;
	(void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	for (size_t i = 0;; i++) {
		__attribute__((cleanup(x509_cleanup))) X509 *x = NULL;
		enum ch_err err = next_cert(in, &x);
		if (err == CH_ERR_NOTFOUND && i > 0)
			return CH_OK;
		if (err != CH_OK)
			return CH_ERR_MALFORMED;
		if (X509_STORE_add_cert(store, x) != 1 || (names && SSL_CTX_add_client_CA(ctx, x) != 1))
			return CH_ERR_CRYPTO;
	}
}
