/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_WIRE_JWK_H
#define CH_WIRE_JWK_H

#include "core/crypto/sig.h"

#define CH_JWK_TEXT_MAX 8192
#define CH_JWK_A_MAX    1024 /* bytes of an RSA modulus: 8192 bits */
#define CH_JWK_B_MAX    66   /* bytes of y on P-521 */

/* One key of RFC 7517. It owns its bytes: the spans point into `a` and `b`, so a struct copy is not a key. */
struct ch_jwk {
	struct ch_pub pub;     /* type CH_KEY_NONE for a shared key */
	struct ch_span secret; /* "oct": the key's bytes; else empty */
	uint8_t a[CH_JWK_A_MAX];
	uint8_t b[CH_JWK_B_MAX];
};

/*
 * Reads a JSON Web Key: EC with P-256, P-384 or P-521 (RFC 7518, 6.2), RSA (6.3), oct (6.4), OKP with Ed25519 (RFC 8037, 2).
 * Members that do not say which key it is are passed over, and private ones are not read. CH_ERR_UNSUPPORTED for another kty or
 * crv, CH_ERR_MISSING, CH_ERR_DUPLICATE or CH_ERR_RANGE for a member that is absent, twice or of the wrong length, CH_ERR_LIMIT
 * past CH_JWK_TEXT_MAX bytes. Whether the point lies on its curve is for ch_verify_key_init. `k` is a key on success only; the
 * caller wipes it if it is secret.
 */
CH_MUST_USE enum ch_err ch_jwk_parse(struct ch_jwk *k, struct ch_span text, struct ch_diag *d);

#endif
