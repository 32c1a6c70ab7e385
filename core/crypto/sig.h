/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_SIG_H
#define CH_CRYPTO_SIG_H

#include "core/crypto/hash.h"

/* Public keys as raw numbers, and the verification of signatures over a digest. */

enum ch_key_type { CH_KEY_NONE = 0, CH_KEY_P256, CH_KEY_P384, CH_KEY_P521, CH_KEY_RSA, CH_KEY_ED25519 };

enum ch_sig_scheme {
	CH_SIG_NONE = 0,
	CH_SIG_ECDSA,   /* FIPS 186-5; signature is r and s */
	CH_SIG_RSASSA,  /* RFC 8017, 8.2 */
	CH_SIG_RSAPSS,  /* RFC 8017, 8.1; MGF1 with the same hash */
	CH_SIG_ED25519, /* RFC 8032; over the message, not a digest */
};

/*
 * A public key. The spans are borrowed. EC: `a` is x and `b` is y, big-endian, each exactly the field size
 * (some TPMs leave out leading zeros; a backend takes a shorter coordinate as if they were there). RSA: `a` is the
 * modulus without leading zeros, `b` the exponent without leading zeros. Ed25519: `a` has 32 bytes, `b` is empty.
 */
struct ch_pub {
	enum ch_key_type type;
	struct ch_span a;
	struct ch_span b;
};

/* Bits of an RSA modulus, or of the curve's field; 0 for no key. */
size_t ch_pub_bits(const struct ch_pub *pub);
/* "P-256", "P-384", "P-521", "RSA", "Ed25519" or "none". */
const char *ch_key_type_str(enum ch_key_type type);
/* Bytes of one coordinate: 32, 48 or 66; 0 if the type has none. */
size_t ch_key_coord(enum ch_key_type type);

/*
 * The length of the salt that RSAPSS takes: the digest's, as JOSE, COSE and certificates have it (RFC 8230, 2), or any that fits,
 * for TPMs, which use the largest (TPM 2.0 Part 1, B.7) or in FIPS mode the digest's.
 */
enum ch_pss_salt { CH_PSS_SALT_DIGEST = 0, CH_PSS_SALT_ANY = 0x5a };

/* A signature. The spans are borrowed. ECDSA: `a` is r and `b` is s, big-endian, of any length; RSA and Ed25519: `a` is all. */
struct ch_sig {
	enum ch_sig_scheme scheme;
	enum ch_hash_alg hash;
	struct ch_span a;
	struct ch_span b;
	enum ch_pss_salt salt;
};

/* --- the backend --- */

/*
 * A key made ready for many verifications. Owned by the caller, who calls _clear; the state is the backend's, and verifying may
 * change it: one thread at a time.
 */
struct ch_verify_key {
	enum ch_key_type type;
	void *state;
};

/*
 * Prepares `pub`. CH_ERR_KEY if it is not a valid key (point not on its curve, exponent even or 1, modulus < 2048 or > 8192
 * bits), CH_ERR_UNSUPPORTED if the backend does not have the type. `k` need not be cleared after a failure. Copies what it needs.
 */
CH_MUST_USE enum ch_err ch_verify_key_init(struct ch_verify_key *k, const struct ch_pub *pub);
void ch_verify_key_clear(struct ch_verify_key *k);

/*
 * Verifies `sig` over `digest`, which is sig->hash of the message (for Ed25519: the message). CH_ERR_SIGNATURE if it does not
 * hold, CH_ERR_KEY if scheme and key do not go together, CH_ERR_RANGE if `digest` has not the size of sig->hash. r and s of
 * 0 or of the group order and above do not hold.
 */
CH_MUST_USE enum ch_err ch_verify_digest(const struct ch_verify_key *k, const struct ch_sig *sig,
					 struct ch_span digest);

/* Hashes `msg` with sig->hash and verifies. */
CH_MUST_USE enum ch_err ch_verify_message(const struct ch_verify_key *k, const struct ch_sig *sig, struct ch_span msg);

#endif
