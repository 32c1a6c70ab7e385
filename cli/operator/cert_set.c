/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates that are there: read, compared, named. */
#include "cli/cmd.h"
#include "cli/operator/cert.h"

#include "core/base/text.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define DIGEST 32

/* --- several --- */

void op_certs_clear(struct op_certs *c)
{
	for (size_t i = 0; i < c->count; i++)
		X509_free(c->v[i]);
	*c = (struct op_certs){ 0 };
}

bool op_certs_add(struct op_certs *c, X509 *x)
{
	for (size_t i = 0; i < c->count; i++) {
		if (X509_cmp(c->v[i], x) == 0)
			return true;
	}
	if (c->count == OP_CERTS_MAX || X509_up_ref(x) != 1)
		return false;
	c->v[c->count++] = x;
	return true;
}

static int no_password(char *to, int size, int rwflag, void *own)
{
	(void)to;
	(void)size;
	(void)rwflag;
	(void)own;
	return -1;
}

int op_certs_take(struct op_certs *c, struct ch_span pem, const char *path)
{
	BIO *in = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	bool good = in != NULL, end = false;
	while (good && !end) {
		X509 *x = PEM_read_bio_X509(in, NULL, no_password, NULL);
		end = x == NULL && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
		good = end || (x != NULL && op_certs_add(c, x));
		X509_free(x);
		ERR_clear_error();
	}
	BIO_free(in);
	if (good && c->count > 0)
		return -1;
	cli_say("%s: no certificates in PEM, 1 to %d", path, OP_CERTS_MAX);
	return CLI_FAILS;
}

int op_certs_read(struct op_certs *c, const char *path)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	int code = cli_read(&pem, path);
	return code < 0 ? op_certs_take(c, ch_buf_span(&pem), path) : code;
}

bool op_certs_pem(struct ch_buf *to, const struct op_certs *c)
{
	bool good = true;
	for (size_t i = 0; i < c->count && good; i++)
		good = op_cert_pem(to, c->v[i]);
	return good;
}

/* --- what they are --- */

bool op_cert_is_by(X509 *x, X509 *issuer)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	bool good = key != NULL && X509_check_ca(issuer) == 1 &&
		    X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(issuer)) == 0 &&
		    X509_verify(x, key) == 1;
	ERR_clear_error();
	return good;
}

bool op_cert_is_root(X509 *x)
{
	return op_cert_is_by(x, x);
}

static void put_hex(char *to, const uint8_t *p, size_t n)
{
	struct ch_wr w = ch_wr(to, 2 * n);
	ch_wr_hex(&w, ch_span(p, n));
	to[w.len] = '\0';
}

void op_cert_fingerprint(char to[static 65], X509 *x)
{
	uint8_t digest[DIGEST];
	unsigned n = 0;
	to[0] = '\0';
	if (X509_digest(x, EVP_sha256(), digest, &n) == 1 && n == DIGEST)
		put_hex(to, digest, DIGEST);
}

void op_key_fingerprint(char to[static 65], EVP_PKEY *key)
{
	uint8_t digest[DIGEST], *der = NULL;
	unsigned n = 0;
	int der_n = i2d_PUBKEY(key, &der);
	to[0] = '\0';
	if (der_n > 0 && EVP_Digest(der, (size_t)der_n, digest, &n, EVP_sha256(), NULL) == 1 && n == DIGEST)
		put_hex(to, digest, DIGEST);
	OPENSSL_free(der);
}

void op_cert_kid(char to[static 41], X509 *x)
{
	const ASN1_OCTET_STRING *kid = X509_get0_subject_key_id(x);
	to[0] = '\0';
	if (kid != NULL && ASN1_STRING_length(kid) > 0 && ASN1_STRING_length(kid) <= 20)
		put_hex(to, ASN1_STRING_get0_data(kid), (size_t)ASN1_STRING_length(kid));
}

void op_cert_name(char to[static 300], X509 *x)
{
	char text[70] = "";
	struct ch_wr w = ch_wr(to, 299);
	(void)X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, text, sizeof(text));
	ch_text_escape(&w, ch_span_str(text));
	to[w.len] = '\0';
}
