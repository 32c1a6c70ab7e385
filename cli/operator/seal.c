/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/seal.h"

#include <limits.h>
#include <openssl/pem.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#define ROUNDS 600000 /* of PBKDF2, as for key files */

/* The recipient: whoever knows the passphrase. OpenSSL keeps and wipes its copy. */
static bool add_passphrase(CMS_ContentInfo *cms, struct ch_span passphrase)
{
	unsigned char *own = OPENSSL_memdup(passphrase.p, passphrase.n);
	if (own != NULL && CMS_add0_recipient_password(cms, ROUNDS, NID_id_alg_PWRI_KEK, NID_id_pbkdf2, own,
						       (ossl_ssize_t)passphrase.n, EVP_aes_256_cbc()) != NULL)
		return true;
	OPENSSL_clear_free(own, passphrase.n);
	return false;
}

static bool take_bytes(struct ch_buf *to, BIO *from)
{
	char *p = NULL;
	long n = BIO_get_mem_data(from, &p);
	if (n < 0)
		return false;
	ch_buf_append(to, ch_span(p, (size_t)n));
	return true;
}

bool op_seal(struct ch_buf *to, struct ch_span content, struct ch_span passphrase)
{
	if (passphrase.n == 0 || passphrase.n > INT_MAX || content.n > INT_MAX)
		return false;
	BIO *in = BIO_new_mem_buf(content.p, (int)content.n), *out = BIO_new(BIO_s_mem());
	CMS_ContentInfo *cms = CMS_AuthEnvelopedData_create(EVP_aes_256_gcm());
	bool good = in != NULL && out != NULL && cms != NULL && CMS_set_detached(cms, 0) == 1 &&
		    add_passphrase(cms, passphrase) && CMS_final(cms, in, NULL, CMS_BINARY) == 1 &&
		    PEM_write_bio_CMS(out, cms) == 1 && take_bytes(to, out);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	BIO_free(out);
	ERR_clear_error();
	return good;
}

static int no_password(char *to, int size, int rwflag, void *own)
{
	(void)to;
	(void)size;
	(void)rwflag;
	(void)own;
	return -1;
}

/* One block of PEM, and nothing behind it. */
static CMS_ContentInfo *read_cms(struct ch_span sealed)
{
	BIO *in = sealed.n <= INT_MAX ? BIO_new_mem_buf(sealed.p, (int)sealed.n) : NULL;
	CMS_ContentInfo *cms = in != NULL ? PEM_read_bio_CMS(in, NULL, no_password, NULL) : NULL;
	if (cms != NULL &&
	    (OBJ_obj2nid(CMS_get0_type(cms)) != NID_id_smime_ct_authEnvelopedData || BIO_pending(in) != 0)) {
		CMS_ContentInfo_free(cms);
		cms = NULL;
	}
	BIO_free(in);
	return cms;
}

enum ch_err op_unseal(struct ch_buf *to, struct ch_span sealed, struct ch_span passphrase, size_t max)
{
	CMS_ContentInfo *cms = read_cms(sealed);
	BIO *out = BIO_new(BIO_s_mem());
	unsigned char *own = OPENSSL_memdup(passphrase.p, passphrase.n);
	enum ch_err err = cms == NULL                                                            ? CH_ERR_MALFORMED
			  : out == NULL || own == NULL                                           ? CH_ERR_CRYPTO
			  : passphrase.n > INT_MAX                                               ? CH_ERR_LIMIT
			  : CMS_decrypt_set1_password(cms, own, (ossl_ssize_t)passphrase.n) != 1 ? CH_ERR_UNTRUSTED
			  : CMS_decrypt(cms, NULL, NULL, NULL, out, CMS_BINARY) != 1             ? CH_ERR_SIGNATURE
			  : (size_t)BIO_pending(out) > max                                       ? CH_ERR_LIMIT
												 : CH_OK;
	if (err == CH_OK && !take_bytes(to, out))
		err = CH_ERR_CRYPTO;
	OPENSSL_clear_free(own, passphrase.n);
	CMS_ContentInfo_free(cms);
	/* A memory BIO wipes what it held. */
	BIO_free(out);
	ERR_clear_error();
	return err;
}
