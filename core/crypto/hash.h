/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_HASH_H
#define CH_CRYPTO_HASH_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"

/*
 * Hashing over state that the caller owns. Declared here, implemented by one backend a program links: host/crypto_openssl on
 * a host, a null backend in the freestanding lint, Mbed TLS or wolfSSL on a microcontroller.
 */

/* TCG algorithm identifiers (TCG Algorithm Registry, table 3) are used as they stand in quotes and logs. */
enum ch_hash_alg {
	CH_HASH_NONE = 0x0000,
	CH_HASH_SHA1 = 0x0004,
	CH_HASH_SHA256 = 0x000b,
	CH_HASH_SHA384 = 0x000c,
	CH_HASH_SHA512 = 0x000d,
	CH_HASH_SM3_256 = 0x0012,
	CH_HASH_SHA3_256 = 0x0027,
	CH_HASH_SHA3_384 = 0x0028,
	CH_HASH_SHA3_512 = 0x0029,
};

struct ch_hash {
	enum ch_hash_alg alg;
	uint64_t state[32]; /* the backend's; 256 bytes hold SHA-512's with room */
};

struct ch_digest {
	uint8_t n; /* bytes used */
	uint8_t b[CH_DIGEST_MAX];
};

/* Digest size in bytes of an algorithm that is registered, whether or not a backend can compute it; 0 if it is not known. */
size_t ch_hash_size(enum ch_hash_alg alg);
/* "sha1", "sha256", "sha384", "sha512", "sm3_256", "sha3_256", …; NULL if it is not known. */
const char *ch_hash_name(enum ch_hash_alg alg);
/* The reverse of ch_hash_name, also with "sm3-256" and "sm3"; CH_HASH_NONE if the name is not known. */
enum ch_hash_alg ch_hash_by_name(struct ch_span name);

static inline struct ch_span ch_digest_span(const struct ch_digest *d)
{
	return ch_span(d->b, d->n);
}

/* --- the backend --- */

/* True if the backend computes `alg`. Every backend has SHA-256; a host has SHA-1, SHA-256, SHA-384 and SHA-512. */
bool ch_hash_available(enum ch_hash_alg alg);

/* Starts a hash. CH_ERR_UNSUPPORTED if the backend does not compute `alg`. `h` may be reused by another _init at any time. */
CH_MUST_USE enum ch_err ch_hash_init(struct ch_hash *h, enum ch_hash_alg alg);
void ch_hash_update(struct ch_hash *h, struct ch_span data);
/* Writes ch_hash_size(h->alg) bytes. The state is finished: only _init may follow. */
void ch_hash_final(struct ch_hash *h, struct ch_digest *out);

/* init, update, final. `out` is zeroed on failure. */
CH_MUST_USE enum ch_err ch_hash_once(enum ch_hash_alg alg, struct ch_span data, struct ch_digest *out);

/*
 * TPM 2.0 Part 1, 17.3: new = H(old ‖ digest). `pcr` holds and receives ch_hash_size(alg) bytes, `digest` has that size.
 */
CH_MUST_USE enum ch_err ch_pcr_extend(enum ch_hash_alg alg, uint8_t pcr[static CH_DIGEST_MAX], struct ch_span digest);

/* HMAC (RFC 2104). */
CH_MUST_USE enum ch_err ch_hmac(enum ch_hash_alg alg, struct ch_span key, struct ch_span data, struct ch_digest *out);

/* The same over the concatenation of `count` spans, each taken where it lies. */
CH_MUST_USE enum ch_err ch_hmac_parts(enum ch_hash_alg alg, struct ch_span key, const struct ch_span *part,
				      size_t count, struct ch_digest *out);

#endif
