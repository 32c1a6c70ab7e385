/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_KDF_H
#define CH_CRYPTO_KDF_H

#include "core/crypto/hash.h"

/*
 * The key derivations of a TPM (TPM 2.0 Part 1, 11.4.10). `label` is text whose terminating NUL is hashed too; u and v are
 * what the standard calls PartyUInfo and PartyVInfo or contextU and contextV. Both write `n` bytes, at most CH_KDF_MAX; on
 * failure these are zero. CH_ERR_UNSUPPORTED if the backend does not compute `alg`, CH_ERR_RANGE for more bytes.
 */

#define CH_KDF_MAX 128 /* two SHA-512 digests: above every key that is derived here */

/* KDFa (11.4.10.2): SP 800-108 in counter mode over HMAC. */
CH_MUST_USE enum ch_err ch_kdfa(enum ch_hash_alg alg, struct ch_span key, const char *label, struct ch_span u,
				struct ch_span v, void *to, size_t n);

/* KDFe (11.4.10.3): SP 800-56A, concatenation of hashes over the shared coordinate `z`. */
CH_MUST_USE enum ch_err ch_kdfe(enum ch_hash_alg alg, struct ch_span z, const char *label, struct ch_span u,
				struct ch_span v, void *to, size_t n);

#endif
