/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_OPENSSL_SIGN_LIST_H
#define CH_CRYPTO_OPENSSL_SIGN_LIST_H

#include "host/base/mem.h"
#include "host/crypto_openssl/pubkey.h"

/*
 * The private key of a CA that was another's before it was ours, of whatever kind that had: it signs that CA's revocation lists. RSA of 2048 bits or
 * more (PKCS #1 v1.5, SHA-256), ECDSA on P-256, P-384, P-521 (with the SHA-2 of its size), Ed25519.
 */

struct ch_list_key {
	void *state;
	struct ch_span alg; /* AlgorithmIdentifier of its signatures, encoded; static */
};

/* From a "PRIVATE KEY" text block (PKCS #8, not encrypted), as ch_sign_key_from_pem. CH_ERR_UNSUPPORTED for a key of another kind. */
CH_MUST_USE enum ch_err ch_list_key_from_pem(struct ch_list_key *k, struct ch_span pem);
void ch_list_key_clear(struct ch_list_key *k);
/* Its public half. */
CH_MUST_USE enum ch_err ch_list_key_pub(const struct ch_list_key *k, struct ch_pubkey *pub);
/* Appends the signature over a message, as it stands in the BIT STRING of a list. CH_ERR_CRYPTO; nothing is appended then. */
CH_MUST_USE enum ch_err ch_list_sign(const struct ch_list_key *k, struct ch_span msg, struct ch_buf *sig);

#endif
