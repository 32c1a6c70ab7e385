/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_SPKI_H
#define CH_PLATFORM_SPKI_H

#include "core/base/wr.h"
#include "core/crypto/sig.h"

/*
 * SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in one form a key: rsaEncryption with NULL parameters, or id-ecPublicKey with a named
 * curve and an uncompressed point, or id-Ed25519. One key has one encoding, so its SHA-256 names the key, whatever a
 * certificate or a TPM puts around it.
 */

#define CH_SPKI_MAX 1100 /* RSA of 8192 bits */

/* Appends the encoding. Coordinates without their leading zeros get them back. False (nothing appended) if `pub` is none of these. */
CH_MUST_USE bool ch_spki_put(struct ch_wr *w, const struct ch_pub *pub);

/*
 * Reads all of `in`; the spans of `pub` borrow from it. CH_ERR_UNSUPPORTED for a key of another kind or in another form,
 * CH_ERR_ENCODING for anything that ch_spki_put() would have written otherwise, else what the DER breaks.
 */
CH_MUST_USE enum ch_err ch_spki_parse(struct ch_pub *pub, struct ch_span in, struct ch_diag *d);

/* SHA-256 of the encoding: the identity of a key. CH_ERR_UNSUPPORTED if it has none. */
CH_MUST_USE enum ch_err ch_spki_sha256(const struct ch_pub *pub, uint8_t to[static 32]);

/* True if both are the same key, leading zeros of coordinates aside. */
bool ch_spki_same(const struct ch_pub *a, const struct ch_pub *b);

#endif
