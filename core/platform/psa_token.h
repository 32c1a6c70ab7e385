/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_PSA_TOKEN_H
#define CH_PLATFORM_PSA_TOKEN_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"

/*
 * The claims of a PSA attestation token (RFC 9783): what the payload of its COSE_Sign1 or COSE_Mac0 says, and whether it keeps
 * the rules of its profile. The envelope is core/wire/cose.h; nothing here is authenticated unless that was verified.
 */

enum ch_psa_profile {
	CH_PSA_PROFILE_NONE = 0,
	CH_PSA_PROFILE_1, /* PSA_IOT_PROFILE_1: private keys -75000 to -75010 (draft-tschofenig-rats-psa-token-07) */
	CH_PSA_PROFILE_2, /* http://arm.com/psa/2.0.0, what TF-M signs: the keys of RFC 9783, but boot seed may be 2397 */
	CH_PSA_PROFILE_TFM, /* tag:psacertified.org,2023:psa#tfm (RFC 9783, 5.2) */
};
/* The profile's own text, "" for none. */
const char *ch_psa_profile_str(enum ch_psa_profile profile);

/* Claims of the three profiles under one name each; a bit of ch_psa_token.present. */
enum ch_psa_claim {
	CH_PSA_PROFILE,
	CH_PSA_NONCE,
	CH_PSA_INSTANCE_ID,
	CH_PSA_IMPLEMENTATION_ID,
	CH_PSA_CLIENT_ID,
	CH_PSA_LIFECYCLE,
	CH_PSA_BOOT_SEED,
	CH_PSA_CERTIFICATION_REFERENCE,
	CH_PSA_SOFTWARE_COMPONENTS,
	CH_PSA_NO_SOFTWARE_MEASUREMENTS, /* profile 1 only */
	CH_PSA_VERIFICATION_SERVICE,
	CH_PSA_CLAIM_COUNT,
};
/* "nonce", "instance_id", "client_id", …: the names that `chainhold inspect psa` prints. */
const char *ch_psa_claim_str(enum ch_psa_claim claim);

/* One entry of the software components claim (RFC 9783, 4.4.1). An absent field is an empty span and its bit is not set. */
enum ch_psa_sw_field {
	CH_PSA_SW_TYPE,        /* 1 */
	CH_PSA_SW_MEASUREMENT, /* 2 */
	CH_PSA_SW_VERSION,     /* 4 */
	CH_PSA_SW_SIGNER_ID,   /* 5 */
	CH_PSA_SW_DESCRIPTION, /* 6: the hash algorithm by name */
	CH_PSA_SW_FIELD_COUNT,
};
struct ch_psa_sw {
	unsigned present;
	struct ch_span field[CH_PSA_SW_FIELD_COUNT];
};
/* "measurement_type", "measurement_value", "version", "signer_id", "measurement_description". */
const char *ch_psa_sw_field_str(enum ch_psa_sw_field field);

/* A token's claims. The spans borrow from the parser's input. */
struct ch_psa_token {
	enum ch_psa_profile profile; /* whose rules hold: never NONE after a parse */
	unsigned present;
	struct ch_span bytes[CH_PSA_CLAIM_COUNT]; /* of byte and text claims */
	int64_t client_id;
	uint64_t lifecycle;
	uint64_t no_software_measurements;
	size_t sw_count;
	struct ch_psa_sw sw[CH_PSA_SW_MAX];
	size_t other_count; /* claims that the profile does not know */
	struct ch_span claims;
};

static inline bool ch_psa_has(const struct ch_psa_token *t, enum ch_psa_claim claim)
{
	return (t->present >> claim & 1) != 0;
}

/*
 * Parses a claims-set, all of `in`. The profile is what eat_profile (265) says; without it, profile 1 if there is a key
 * -75000 to -75010, else the rules of #tfm if there is a key 2394 to 2400. CH_ERR_UNSUPPORTED for another profile and for a
 * claims-set that is none of these. Refused: indefinite lengths, a key twice, keys that are neither integers nor text, a known
 * claim of another CBOR type than its own (an array of nonces too: RFC 9783, 4.1.1), more than CH_PSA_CLAIMS_MAX claims or
 * CH_PSA_SW_MAX components. Claims that the profile does not know are counted and passed over (RFC 9711, 7.2.5).
 */
CH_MUST_USE enum ch_err ch_psa_token_parse(struct ch_psa_token *t, struct ch_span in, struct ch_diag *d);

/* A rule that a claim breaks. */
struct ch_psa_fault {
	enum ch_psa_claim claim;
	size_t component; /* of the software components, from 0; CH_ITEM_NONE otherwise */
	const char *rule; /* static text with its clause */
};

/*
 * Judges the claims by the rules of t->profile. Returns how many are broken and writes the first `cap` of them to `fault`. 0
 * means that the token is valid, not that its device is good.
 */
size_t ch_psa_token_check(const struct ch_psa_token *t, struct ch_psa_fault *fault, size_t cap);

/* RFC 9783, 4.3.1: by the high byte. */
enum ch_psa_state {
	CH_PSA_STATE_INVALID, /* a value of no state */
	CH_PSA_STATE_UNKNOWN,
	CH_PSA_STATE_ASSEMBLY_AND_TEST,
	CH_PSA_STATE_PROVISIONING,
	CH_PSA_STATE_SECURED,
	CH_PSA_STATE_NON_PSA_ROT_DEBUG,
	CH_PSA_STATE_RECOVERABLE_DEBUG,
	CH_PSA_STATE_DECOMMISSIONED,
};
enum ch_psa_state ch_psa_lifecycle_state(uint64_t lifecycle);
/* "secured", "non-psa-rot-debug", …; "invalid". */
const char *ch_psa_state_str(enum ch_psa_state state);
/* True for the two states in which a token may be relied on: secured and non-PSA-RoT debug. */
bool ch_psa_state_trusted(enum ch_psa_state state);

/*
 * A claim of the token that its profile does not know, by number from 0 to other_count - 1: its key and its value as encoded
 * (both well-formed CBOR, definite lengths). False past the end.
 */
bool ch_psa_token_other(const struct ch_psa_token *t, size_t index, struct ch_span *key, struct ch_span *value);
/* Name of a claim of CWT or EAT (RFC 8392, RFC 9711) by its key; NULL if it is not one. */
const char *ch_eat_claim_str(int64_t key);

#endif
