/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_CERT_H
#define CH_OPERATOR_CERT_H

#include "core/base/err.h"
#include "core/base/span.h"
#include "host/base/mem.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/*
 * Keys and certificates (RFC 5280) that are made where no server runs: of a new server, and in key ceremonies. ECDSA P-256 with SHA-256. Devices and
 * operators get theirs from the signer, which has a builder of its own.
 */

enum op_key_kind { OP_KEY_P256, OP_KEY_ED25519 };

/* A new key; NULL if OpenSSL fails. The caller frees it. */
EVP_PKEY *op_key_new(enum op_key_kind kind);
/* Appends it as PEM: PKCS#8, not encrypted; or its SubjectPublicKeyInfo. False if OpenSSL fails. */
CH_MUST_USE bool op_key_pem(struct ch_buf *to, EVP_PKEY *key);
/* The same, encrypted (PKCS #8, PBES2: AES-256, PBKDF2 with SHA-256). */
CH_MUST_USE bool op_key_pem_sealed(struct ch_buf *to, EVP_PKEY *key, struct ch_span passphrase);
CH_MUST_USE bool op_pub_pem(struct ch_buf *to, EVP_PKEY *key);

enum op_profile { OP_PROFILE_CA, OP_PROFILE_ROOT, OP_PROFILE_SERVER, OP_PROFILE_OPERATOR };

struct op_cert_ask {
	enum op_profile profile;
	EVP_PKEY *key;          /* whose certificate it is */
	const char *name;       /* common name; server: also the first alternative name */
	const char *const *alt; /* further names and addresses of a server */
	size_t alt_count;
	X509 *issuer; /* NULL: signed by itself */
	EVP_PKEY *issuer_key;
	long days;
	const char *crl_url; /* where the list of the issuer is got (RFC 5280, 4.2.1.13); NULL: it does not say */
};

/* A new certificate, valid from an hour ago: clocks differ. NULL if OpenSSL fails or a name is none. The caller frees it. */
X509 *op_cert_new(const struct op_cert_ask *ask);
/*
 * The certificate `of` once more, by how->issuer: the same subject and extensions, another serial number, authority key identifier and time: `days`, or
 * (0) to the same end, but never past the issuer's own. The new certificate of a server under another CA, or of a root under another root. For how->key, or (NULL)
 * the same key; with how->crl_url, if there is one. NULL if OpenSSL fails.
 */
X509 *op_cert_again(X509 *of, const struct op_cert_ask *how);
/* True for "http://HOST[:PORT]" and a path, none of whose characters could be taken for syntax, without a slash at its end. */
bool op_crl_url_valid(const char *url);
/* True if one of the places where it says that its issuer's list is got is below this URL. */
bool op_cert_list_at(X509 *x, const char *url);

/* Appends a certification request (PKCS #10) in PEM: a common name and the key, which signs it. */
CH_MUST_USE bool op_csr_pem(struct ch_buf *to, const char *name, EVP_PKEY *key);

#define OP_CERTS_MAX 32
/* Certificates of one PEM file, in their order. */
struct op_certs {
	size_t count;
	X509 *v[OP_CERTS_MAX];
};
void op_certs_clear(struct op_certs *c);
#define OP_AUTO_CERTS __attribute__((cleanup(op_certs_clear)))
/* Reads all that are in the file, one at least, each one a certificate whose signature fits what it is; errors are told. -1 to go on. */
int op_certs_read(struct op_certs *c, const char *path);
/* The same of a text that was read; `path` is its name in messages. */
int op_certs_take(struct op_certs *c, struct ch_span pem, const char *path);
/* Puts one at the end, with a reference of its own, unless it is there already. False if there is no room. */
CH_MUST_USE bool op_certs_add(struct op_certs *c, X509 *x);
CH_MUST_USE bool op_certs_pem(struct ch_buf *to, const struct op_certs *c);
/* True if its subject is its issuer's name and its own key signed it. */
bool op_cert_is_root(X509 *x);
/* True if the name and the key of `issuer` are those that signed `x`. */
bool op_cert_is_by(X509 *x, X509 *issuer);
/* SHA-256 of the certificate, of its key (SubjectPublicKeyInfo), as 64 digits and a NUL. */
void op_cert_fingerprint(char to[static 65], X509 *x);
void op_key_fingerprint(char to[static 65], EVP_PKEY *key);
/* Its subject key identifier in hexadecimal, as server and devices name a CA; empty if it has none. At most 40 digits and a NUL. */
void op_cert_kid(char to[static 41], X509 *x);
/* The common name, escaped for people. */
void op_cert_name(char to[static 300], X509 *x);

CH_MUST_USE bool op_cert_pem(struct ch_buf *to, X509 *cert);

#endif
