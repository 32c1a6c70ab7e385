/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIGNER_EAR_H
#define CH_SIGNER_EAR_H

#include "host/crypto_openssl/sign.h"

/*
 * Attestation results as JSON Web Tokens (RFC 7519) in compact serialization: ES256 (RFC 7518, 3.4), typ "eat+jwt" (RFC 9782, 6.1; the
 * "application/" is left out as RFC 7515, 4.1.9 wants), kid the key's thumbprint (RFC 7638).
 */
struct ch_ear_signer {
	struct ch_sign_key key;
	char kid[44];     /* base64url of SHA-256, with its NUL */
	char header[160]; /* the protected header, base64url, with the dot behind it */
	char jwk[256];    /* the public key as JSON */
};

/* Takes the key over on success; CH_ERR_KEY if it is not of P-256. */
CH_MUST_USE enum ch_err ch_ear_signer_init(struct ch_ear_signer *e, struct ch_sign_key *key);
void ch_ear_signer_clear(struct ch_ear_signer *e);

/* Appends the token of a claims set to `jwt`. CH_ERR_MALFORMED if it does not look like one JSON object. */
CH_MUST_USE enum ch_err ch_ear_sign(const struct ch_ear_signer *e, struct ch_span claims, struct ch_buf *jwt);

#endif
