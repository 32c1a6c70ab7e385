/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_CERT_H
#define CH_OPERATOR_CERT_H

#include "core/base/err.h"
#include "host/base/mem.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* The keys and certificates of a new server (RFC 5280): ECDSA P-256 with SHA-256. Afterwards the signer issues; this is not used. */

enum op_key_kind { OP_KEY_P256, OP_KEY_ED25519 };

/* A new key; NULL if OpenSSL fails. The caller frees it. */
EVP_PKEY *op_key_new(enum op_key_kind kind);
/* Appends it as PEM: PKCS#8, not encrypted; or its SubjectPublicKeyInfo. False if OpenSSL fails. */
CH_MUST_USE bool op_key_pem(struct ch_buf *to, EVP_PKEY *key);
CH_MUST_USE bool op_pub_pem(struct ch_buf *to, EVP_PKEY *key);

enum op_profile { OP_PROFILE_CA, OP_PROFILE_SERVER, OP_PROFILE_OPERATOR };

struct op_cert_ask {
	enum op_profile profile;
	EVP_PKEY *key;          /* whose certificate it is */
	const char *name;       /* common name; server: also the first alternative name */
	const char *const *alt; /* further names and addresses of a server */
	size_t alt_count;
	X509 *issuer; /* NULL: signed by itself */
	EVP_PKEY *issuer_key;
	long days;
};

/* A new certificate, valid from an hour ago: clocks differ. NULL if OpenSSL fails or a name is none. The caller frees it. */
X509 *op_cert_new(const struct op_cert_ask *ask);
CH_MUST_USE bool op_cert_pem(struct ch_buf *to, X509 *cert);

#endif
