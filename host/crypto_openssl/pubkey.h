/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_OPENSSL_PUBKEY_H
#define CH_CRYPTO_OPENSSL_PUBKEY_H

#include "core/base/wr.h"
#include "core/crypto/sig.h"

#define CH_PUBKEY_RSA_MAX 1024 /* bytes of a modulus: 8192 bits */
#define CH_PUBKEY_B_MAX   66   /* bytes of y on P-521; an RSA exponent has at most 8 */

/* A public key that owns its numbers: the spans of `pub` point into `a` and `b`, so a struct copy is not a key. */
struct ch_pubkey {
	struct ch_pub pub;
	uint8_t a[CH_PUBKEY_RSA_MAX];
	uint8_t b[CH_PUBKEY_B_MAX];
};

/*
 * Reads a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7): P-256, P-384 and P-521 by name, RSA, Ed25519.
 * CH_ERR_MALFORMED if it is not one, CH_ERR_ENCODING if it is not the DER that the key itself encodes to (trailing bytes,
 * BER, explicit curve parameters), CH_ERR_UNSUPPORTED for another kind of key. `k` is a key on success only.
 */
CH_MUST_USE enum ch_err ch_pubkey_from_der(struct ch_pubkey *k, struct ch_span der);

/*
 * The same from a "PUBLIC KEY" text block (RFC 7468, 13; see ch_pem_decode for what is allowed around it). CH_ERR_NOTFOUND if
 * there is none, CH_ERR_DUPLICATE if there are several.
 */
CH_MUST_USE enum ch_err ch_pubkey_from_pem(struct ch_pubkey *k, struct ch_span pem);

/*
 * True if the coordinates, each of the field's size, are a point of their curve (SP 800-56A, 5.6.2.3.4: cofactors are 1). A tenth of
 * what ch_verify_key_init costs, for who only passes a key on. False for any other kind of key. One thread at a time.
 */
CH_MUST_USE bool ch_pub_point_valid(const struct ch_pub *pub);

#endif
