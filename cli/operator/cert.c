/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/cert.h"

#include "core/base/wr.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define SERIAL_BYTES 16
#define EARLIER      3600 /* seconds */
#define ALT_MAX      2048
#define URL_MAX      200
#define SEAL_ROUNDS  600000 /* of PBKDF2 */

EVP_PKEY *op_key_new(enum op_key_kind kind)
{
	return kind == OP_KEY_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
				      : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

/* --- PEM --- */

static bool take(struct ch_buf *to, BIO *bio, bool good)
{
	char *p = NULL;
	long n = good ? BIO_get_mem_data(bio, &p) : 0;
	if (n > 0)
		ch_buf_append(to, ch_span(p, (size_t)n));
	BIO_free(bio);
	return n > 0;
}

bool op_key_pem(struct ch_buf *to, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	return take(to, bio, bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
}

bool op_key_pem_sealed(struct ch_buf *to, EVP_PKEY *key, struct ch_span passphrase)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	X509_ALGOR *how = PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), SEAL_ROUNDS, NULL, 0, NULL, NID_hmacWithSHA256);
	X509_SIG *sealed = info != NULL && how != NULL && passphrase.n <= INT_MAX
				   ? PKCS8_set0_pbe((const char *)passphrase.p, (int)passphrase.n, info, how)
				   : NULL;
	if (sealed == NULL)
		X509_ALGOR_free(how);
	PKCS8_PRIV_KEY_INFO_free(info);
	BIO *bio = BIO_new(BIO_s_mem());
	bool good = take(to, bio, bio != NULL && sealed != NULL && PEM_write_bio_PKCS8(bio, sealed) == 1);
	X509_SIG_free(sealed);
	return good;
}

bool op_pub_pem(struct ch_buf *to, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	return take(to, bio, bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1);
}

bool op_cert_pem(struct ch_buf *to, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	return take(to, bio, bio != NULL && PEM_write_bio_X509(bio, cert) == 1);
}

/* --- certificates --- */

static bool set_serial(X509 *x)
{
	uint8_t b[SERIAL_BYTES];
	if (RAND_bytes(b, sizeof(b)) != 1)
		return false;
	/* Positive and of full length (RFC 5280, 4.1.2.2). */
	b[0] = (uint8_t)((b[0] & 0x7f) | 0x40);
	BIGNUM *n = BN_bin2bn(b, sizeof(b), NULL);
	bool good = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
	BN_free(n);
	return good;
}

static bool set_name(X509 *x, const char *name, X509 *issuer)
{
	X509_NAME *subject = X509_get_subject_name(x);
	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, issuer != NULL ? X509_get_subject_name(issuer) : subject) == 1;
}

static bool add(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer != NULL ? issuer : x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool good = e != NULL && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return good;
}

static bool is_address(const char *name)
{
	uint8_t b[16];
	return inet_pton(AF_INET, name, b) == 1 || inet_pton(AF_INET6, name, b) == 1;
}

/* Letters, digits, dot, dash, colon: nothing that OpenSSL's configuration syntax would read otherwise. */
static bool is_host(const char *name)
{
	return name[0] != '\0' && strlen(name) <= 253 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") == strlen(name) &&
	       (strchr(name, ':') == NULL || is_address(name));
}

static bool add_names(X509 *x, const struct op_cert_ask *ask)
{
	char text[ALT_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	for (size_t i = 0; i <= ask->alt_count; i++) {
		const char *name = i == 0 ? ask->name : ask->alt[i - 1];
		if (!is_host(name))
			return false;
		ch_wr_str(&w, i == 0 ? "" : ",");
		ch_wr_str(&w, is_address(name) ? "IP:" : "DNS:");
		ch_wr_str(&w, name);
	}
	if (w.bad)
		return false;
	text[w.len] = '\0';
	return add(x, ask->issuer, NID_subject_alt_name, text);
}

bool op_crl_url_valid(const char *url)
{
	size_t n = strlen(url);
	return n > 7 && n <= URL_MAX && strncmp(url, "http://", 7) == 0 && url[n - 1] != '/' &&
	       strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~:/[]%") == n;
}

/* URL/crl/KEYID.crl: as a server gives it out. */
static bool add_list(X509 *x, const struct op_cert_ask *ask)
{
	char kid[41], text[URL_MAX + 64];
	if (ask->crl_url == NULL)
		return true;
	op_cert_kid(kid, ask->issuer);
	(void)snprintf(text, sizeof(text), "URI:%s/crl/%s.crl", ask->crl_url, kid);
	return op_crl_url_valid(ask->crl_url) && kid[0] != '\0' &&
	       add(x, ask->issuer, NID_crl_distribution_points, text);
}

static bool add_extensions(X509 *x, const struct op_cert_ask *ask)
{
	static const struct {
		const char *constraints, *usage, *purpose;
	} row[] = {
		[OP_PROFILE_CA] = { "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign", NULL },
		/* Without a limit: under it are a root of later years and its issuing CA. */
		[OP_PROFILE_ROOT] = { "critical,CA:TRUE", "critical,keyCertSign,cRLSign", NULL },
		[OP_PROFILE_SERVER] = { "critical,CA:FALSE", "critical,digitalSignature", "serverAuth" },
		[OP_PROFILE_OPERATOR] = { "critical,CA:FALSE", "critical,digitalSignature", "clientAuth" },
	};
	return add(x, ask->issuer, NID_basic_constraints, row[ask->profile].constraints) &&
	       add(x, ask->issuer, NID_key_usage, row[ask->profile].usage) &&
	       (row[ask->profile].purpose == NULL ||
		add(x, ask->issuer, NID_ext_key_usage, row[ask->profile].purpose)) &&
	       add(x, ask->issuer, NID_subject_key_identifier, "hash") &&
	       add(x, ask->issuer, NID_authority_key_identifier, "keyid:always") &&
	       (ask->profile != OP_PROFILE_SERVER || add_names(x, ask)) && add_list(x, ask);
}

/* `days` from now, 0: as it is; but never past the issuer's own end. */
static bool set_times(X509 *x, X509 *issuer, long days)
{
	if (X509_gmtime_adj(X509_getm_notBefore(x), -EARLIER) == NULL ||
	    (days > 0 && X509_time_adj_ex(X509_getm_notAfter(x), (int)days, 0, NULL) == NULL))
		return false;
	return issuer == NULL || ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(issuer)) <= 0 ||
	       X509_set1_notAfter(x, X509_get0_notAfter(issuer)) == 1;
}

X509 *op_cert_new(const struct op_cert_ask *ask)
{
	X509 *x = X509_new();
	bool good = x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
		    set_name(x, ask->name, ask->issuer) && set_times(x, ask->issuer, ask->days) &&
		    X509_set_pubkey(x, ask->key) == 1 && add_extensions(x, ask) &&
		    X509_sign(x, ask->issuer_key != NULL ? ask->issuer_key : ask->key, EVP_sha256()) > 0;
	if (good)
		return x;
	X509_free(x);
	return NULL;
}

/* --- one by another issuer --- */

/* In the place of the one that is there, if there is one. */
static bool replace(X509 *x, X509 *issuer, int nid, const char *value)
{
	int at = X509_get_ext_by_NID(x, nid, -1);
	if (at >= 0)
		X509_EXTENSION_free(X509_delete_ext(x, at));
	return add(x, issuer, nid, value);
}

static bool set_key(X509 *x, EVP_PKEY *key)
{
	return X509_set_pubkey(x, key) == 1 && replace(x, NULL, NID_subject_key_identifier, "hash");
}

X509 *op_cert_again(X509 *of, const struct op_cert_ask *how)
{
	X509 *x = X509_dup(of);
	bool good = x != NULL && set_serial(x) && X509_set_issuer_name(x, X509_get_subject_name(how->issuer)) == 1 &&
		    set_times(x, how->issuer, how->days) && (how->key == NULL || set_key(x, how->key)) &&
		    replace(x, how->issuer, NID_authority_key_identifier, "keyid:always") && add_list(x, how) &&
		    X509_sign(x, how->issuer_key, EVP_sha256()) > 0;
	ERR_clear_error();
	if (good)
		return x;
	X509_free(x);
	return NULL;
}

static bool is_below(const DIST_POINT *p, const char *url)
{
	size_t n = strlen(url);
	if (p->distpoint == NULL || p->distpoint->type != 0)
		return false;
	for (int i = 0; i < sk_GENERAL_NAME_num(p->distpoint->name.fullname); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(p->distpoint->name.fullname, i);
		const ASN1_IA5STRING *uri = name->type == GEN_URI ? name->d.uniformResourceIdentifier : NULL;
		if (uri != NULL && (size_t)ASN1_STRING_length(uri) > n &&
		    memcmp(ASN1_STRING_get0_data(uri), url, n) == 0 && ASN1_STRING_get0_data(uri)[n] == '/')
			return true;
	}
	return false;
}

bool op_cert_list_at(X509 *x, const char *url)
{
	CRL_DIST_POINTS *all = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
	bool found = false;
	for (int i = 0; i < sk_DIST_POINT_num(all); i++)
		found = found || is_below(sk_DIST_POINT_value(all, i), url);
	CRL_DIST_POINTS_free(all);
	return found;
}

/* --- requests --- */

bool op_csr_pem(struct ch_buf *to, const char *name, EVP_PKEY *key)
{
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	bool good = req != NULL && bio != NULL && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
		    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8,
					       (const unsigned char *)name, -1, -1, 0) == 1 &&
		    X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0 &&
		    PEM_write_bio_X509_REQ(bio, req) == 1;
	X509_REQ_free(req);
	ERR_clear_error();
	return take(to, bio, good);
}
