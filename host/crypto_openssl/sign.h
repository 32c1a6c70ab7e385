/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_OPENSSL_SIGN_H
#define CH_CRYPTO_OPENSSL_SIGN_H

#include "host/base/mem.h"
#include "host/crypto_openssl/pubkey.h"

/*
 * Private keys and what they sign. A program that links this can sign: it is a library of its own (chainhold-sign), and a gate looks
 * at who links it. Private numbers stay inside OpenSSL's key object; nothing hands them out but ch_sign_key_pem and ch_sign_pem_decrypt,
 * which are in an object of their own that the signer does not link.
 */

/* A key ready for many signatures: one thread at a time. Owned by the caller, who calls _clear. */
struct ch_sign_key {
	enum ch_key_type type;
	void *state;
};

#define CH_SIGN_BYTES 64 /* r and s of P-256, 32 bytes each; or all of an Ed25519 signature */

/* Makes a new key: P-256 or Ed25519. CH_ERR_UNSUPPORTED for another type. */
CH_MUST_USE enum ch_err ch_sign_key_make(struct ch_sign_key *k, enum ch_key_type type);
/*
 * Takes a private key from a "PRIVATE KEY" text block (PKCS #8, RFC 5958; not encrypted). CH_ERR_NOTFOUND without one,
 * CH_ERR_DUPLICATE with several, CH_ERR_KEY if it is none, CH_ERR_UNSUPPORTED for a type other than P-256 and Ed25519.
 */
CH_MUST_USE enum ch_err ch_sign_key_from_pem(struct ch_sign_key *k, struct ch_span pem);
void ch_sign_key_clear(struct ch_sign_key *k);
/* Appends the key as such a text block: for the program that makes keys. The caller wipes it. */
CH_MUST_USE enum ch_err ch_sign_key_pem(const struct ch_sign_key *k, struct ch_buf *pem);
/*
 * Opens the one "ENCRYPTED PRIVATE KEY" text block (PKCS #8, RFC 5958, 3) with its passphrase and appends the key as a "PRIVATE KEY" block,
 * which the caller wipes. CH_ERR_NOTFOUND without one, CH_ERR_KEY if it is none, CH_ERR_UNTRUSTED if the passphrase does not open it.
 */
CH_MUST_USE enum ch_err ch_sign_pem_decrypt(struct ch_buf *to, struct ch_span pem, struct ch_span passphrase);
/* Its public half. */
CH_MUST_USE enum ch_err ch_sign_key_pub(const struct ch_sign_key *k, struct ch_pubkey *pub);

/*
 * Signs a message: ECDSA over P-256 with SHA-256 (FIPS 186-5) as r ‖ s, or Ed25519 (RFC 8032). CH_ERR_CRYPTO if OpenSSL fails; `sig` is
 * zeroed then.
 */
CH_MUST_USE enum ch_err ch_sign_message(const struct ch_sign_key *k, struct ch_span msg,
					uint8_t sig[static CH_SIGN_BYTES]);

#endif
