/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/base64.h"
#include "host/crypto_openssl/sign_state.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#define PKCS8_MAX 4096
#define LINE      48 /* bytes of a line of 64 characters */

enum ch_err ch_sign_key_make(struct ch_sign_key *k, enum ch_key_type type)
{
	*k = (struct ch_sign_key){ .type = CH_KEY_NONE };
	if (type != CH_KEY_P256 && type != CH_KEY_ED25519)
		return CH_ERR_UNSUPPORTED;
	EVP_PKEY *pkey = type == CH_KEY_P256 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
					     : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	ERR_clear_error();
	return pkey == NULL ? CH_ERR_CRYPTO : ch_sign_adopt(k, pkey);
}

/* Appends a PEM block; the memory that it was made in is wiped. */
static void pem_append(struct ch_buf *pem, const char *label, struct ch_span der)
{
	char line[96];
	struct ch_wr w = ch_wr(line, sizeof(line));
	ch_wr_str(&w, "-----BEGIN ");
	ch_wr_str(&w, label);
	ch_wr_str(&w, "-----\n");
	ch_buf_append(pem, ch_wr_span(&w));
	for (size_t off = 0; off < der.n; off += LINE) {
		w.len = 0;
		ch_base64_put(&w, CH_BASE64_STD, ch_span_sub(der, off, der.n - off < LINE ? der.n - off : LINE));
		ch_wr_u8(&w, '\n');
		ch_buf_append(pem, ch_wr_span(&w));
	}
	w.len = 0;
	ch_wr_str(&w, "-----END ");
	ch_wr_str(&w, label);
	ch_wr_str(&w, "-----\n");
	ch_buf_append(pem, ch_wr_span(&w));
	ch_wipe(line, sizeof(line));
}

static enum ch_err put_key(struct ch_buf *pem, const PKCS8_PRIV_KEY_INFO *info)
{
	unsigned char *der = NULL;
	int n = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	if (n > 0) {
		pem_append(pem, "PRIVATE KEY", ch_span(der, (size_t)n));
		ch_wipe(der, (size_t)n);
	}
	OPENSSL_free(der);
	return n > 0 ? CH_OK : CH_ERR_CRYPTO;
}

enum ch_err ch_sign_key_pem(const struct ch_sign_key *k, struct ch_buf *pem)
{
	const struct ch_sign_state *s = k->state;
	if (s == NULL)
		return CH_ERR_KEY;
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(s->pkey);
	enum ch_err err = put_key(pem, info);
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	return err;
}

enum ch_err ch_sign_pem_decrypt(struct ch_buf *to, struct ch_span pem, struct ch_span passphrase)
{
	uint8_t der[PKCS8_MAX];
	size_t off = 0, n = 0;
	enum ch_err err = ch_pem_next(pem, &off, "ENCRYPTED PRIVATE KEY", der, sizeof(der), &n, NULL);
	if (err != CH_OK)
		return err == CH_ERR_NOTFOUND ? err : CH_ERR_KEY;
	const unsigned char *p = der;
	X509_SIG *sealed = d2i_X509_SIG(NULL, &p, (long)n);
	bool whole = sealed != NULL && p == der + n && passphrase.n <= INT_MAX;
	PKCS8_PRIV_KEY_INFO *info = whole ? PKCS8_decrypt(sealed, (const char *)passphrase.p, (int)passphrase.n) : NULL;
	if (info == NULL)
		err = whole ? CH_ERR_UNTRUSTED : CH_ERR_KEY;
	else
		err = put_key(to, info);
	PKCS8_PRIV_KEY_INFO_free(info);
	X509_SIG_free(sealed);
	ERR_clear_error();
	return err;
}
