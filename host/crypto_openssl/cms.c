/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/cms.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

static void bio_cleanup(BIO **b)
{
	BIO_free(*b);
}

static void store_cleanup(X509_STORE **s)
{
	X509_STORE_free(*s);
}

static void cms_cleanup(CMS_ContentInfo **c)
{
	CMS_ContentInfo_free(*c);
}

#define AUTO(cleanup_) __attribute__((cleanup(cleanup_)))

static BIO *bio_of(struct ch_span s)
{
	return s.n > INT32_MAX ? NULL : BIO_new_mem_buf(s.n > 0 ? (const void *)s.p : "", (int)s.n);
}

/* How many there are. */
static size_t add_anchors(X509_STORE *store, struct ch_span pem)
{
	AUTO(bio_cleanup) BIO *in = bio_of(pem);
	size_t n = 0;
	X509 *x;
	while (in != NULL && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, x) == 1;
		X509_free(x);
	}
	ERR_clear_error();
	return n;
}

static void put_signer(CMS_ContentInfo *cms, struct ch_wr *w)
{
	STACK_OF(X509) *signers = CMS_get0_signers(cms);
	char *text = NULL;
	if (sk_X509_num(signers) > 0)
		text = X509_NAME_oneline(X509_get_subject_name(sk_X509_value(signers, 0)), NULL, 0);
	if (text != NULL)
		ch_wr_str(w, text);
	OPENSSL_free(text);
	sk_X509_free(signers);
}

/* OpenSSL compares times by gmtime, which reads the zone of the system once. */
void ch_cms_init(void)
{
	tzset();
}

enum ch_err ch_cms_verify(struct ch_span content, struct ch_span der, struct ch_span anchors, struct ch_wr *signer,
			  struct ch_diag *d)
{
	const unsigned char *p = der.p;
	AUTO(bio_cleanup) BIO *in = bio_of(content);
	AUTO(store_cleanup) X509_STORE *store = X509_STORE_new();
	AUTO(cms_cleanup) CMS_ContentInfo *cms = der.n > INT32_MAX ? NULL : d2i_CMS_ContentInfo(NULL, &p, (long)der.n);
	ch_diag_clear(d);
	if (in == NULL || store == NULL)
		return ch_fail(d, CH_ERR_CRYPTO, 0, "OpenSSL has no memory");
	if (cms == NULL || p != der.p + der.n || CMS_is_detached(cms) != 1) {
		ERR_clear_error();
		return ch_fail(d, CH_ERR_MALFORMED, 0, "no detached signature (RFC 5652)");
	}
	if (add_anchors(store, anchors) == 0)
		return ch_fail(d, CH_ERR_KEY, 0, "no certificate in PEM to trust");
	if (CMS_verify(cms, NULL, store, in, NULL, CMS_BINARY) != 1) {
		ERR_clear_error();
		return ch_fail(d, CH_ERR_SIGNATURE, 0,
			       "no signature of a signer that is trusted, with a certificate for signing (RFC 5652)");
	}
	put_signer(cms, signer);
	return CH_OK;
}
