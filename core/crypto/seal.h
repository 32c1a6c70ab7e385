/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_SEAL_H
#define CH_CRYPTO_SEAL_H

#include "core/base/wr.h"
#include "core/crypto/sig.h"

/*
 * Encryption to a public key and with a block cipher, as far as sealing a secret for a TPM needs it, and random bytes.
 * Declared here, implemented by the backend that a program links.
 */

#define CH_ECC_COORD_MAX 66 /* P-521 */

/* `n` bytes from the backend's generator, which the system seeds. CH_ERR_CRYPTO if there are none: nothing may be done then. */
CH_MUST_USE enum ch_err ch_random(void *to, size_t n);

/*
 * Appends the RSAES-OAEP encryption of `msg` (RFC 8017, 7.1.1) with `hash` for the label and for MGF1, as long as the modulus.
 * `label` is taken as it is. CH_ERR_KEY as ch_verify_key_init() has it, or if `pub` is not RSA; CH_ERR_UNSUPPORTED for a hash
 * that the backend does not compute; CH_ERR_RANGE if `msg` is too long for the key; CH_ERR_NOSPACE if `to` has no room.
 */
CH_MUST_USE enum ch_err ch_rsa_oaep(const struct ch_pub *pub, enum ch_hash_alg hash, struct ch_span label,
				    struct ch_span msg, struct ch_wr *to);

/* What an ephemeral key gives: its public point and the x coordinate of the shared one, each `n` bytes. */
struct ch_ecdh {
	size_t n;
	uint8_t x[CH_ECC_COORD_MAX];
	uint8_t y[CH_ECC_COORD_MAX];
	uint8_t z[CH_ECC_COORD_MAX]; /* secret: the caller wipes it */
};

/*
 * Makes an ephemeral key on the curve of `pub` and agrees with it (SP 800-56A, 6.2.2.2, one pass). CH_ERR_KEY for a point that
 * is not on its curve, CH_ERR_UNSUPPORTED for a key of another kind than P-256, P-384, P-521.
 */
CH_MUST_USE enum ch_err ch_ecdh_ephemeral(struct ch_ecdh *e, const struct ch_pub *pub);

/*
 * Appends the encryption of `msg` with AES in CFB mode of 128 bits (SP 800-38A, 6.3), the initial vector zero: a key must be used
 * once only. `key` has 16, 24 or 32 bytes: else CH_ERR_UNSUPPORTED. CH_ERR_NOSPACE if `to` has no room.
 */
CH_MUST_USE enum ch_err ch_aes_cfb(struct ch_span key, struct ch_span msg, struct ch_wr *to);

#endif
