/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_LEAF_H
#define CH_TRUST_LEAF_H

#include "core/base/wr.h"
#include "core/crypto/hash.h"

/*
 * What Chainhold's log holds (docs/protocol/log-leaf.md): not what happened, but a salted commitment to it. Record and salt live
 * in the store; erasing them leaves the proof and takes the meaning.
 */

#define CH_LEAF_BYTES 42
#define CH_LEAF_SALT  32
#define CH_LEAF_V1    1

/* The number stands in the leaf and never changes its meaning. */
#define CH_LEAF_TYPES(X)                   \
	X(1, ENROLMENT, "enrolment")       \
	X(2, VERDICT, "verdict")           \
	X(3, ACTION, "action")             \
	X(4, LIFECYCLE, "lifecycle")       \
	X(5, GENERATION, "generation")     \
	X(6, DECOMMISSION, "decommission") \
	X(7, RELEASE, "release")           \
	X(8, FLEET_ROOT, "fleet-root")     \
	X(9, ORIGIN, "origin")

#define CH_LEAF_ENUM(number, name, text) CH_LEAF_##name = (number),
enum ch_leaf_type { CH_LEAF_TYPES(CH_LEAF_ENUM) };
#undef CH_LEAF_ENUM

struct ch_leaf {
	enum ch_leaf_type type;
	uint64_t time; /* milliseconds since 1970 */
	uint8_t commitment[32];
};

/* "enrolment", …; NULL for a number that is no type. */
const char *ch_leaf_type_str(unsigned type);

/* SHA-256(salt ‖ record): `record` is the canonical JSON as it is stored. */
CH_MUST_USE enum ch_err ch_leaf_commit(uint8_t commitment[static 32], const uint8_t salt[static CH_LEAF_SALT],
				       struct ch_span record);
void ch_leaf_put(struct ch_wr *w, const struct ch_leaf *leaf);
/* Reads all of `in`. CH_ERR_UNSUPPORTED for another version, CH_ERR_UNKNOWN for another type, else what is wrong of its length. */
CH_MUST_USE enum ch_err ch_leaf_parse(struct ch_leaf *leaf, struct ch_span in, struct ch_diag *d);
/* CH_ERR_MISMATCH if the leaf does not commit to this record under this salt. */
CH_MUST_USE enum ch_err ch_leaf_check(const struct ch_leaf *leaf, const uint8_t salt[static CH_LEAF_SALT],
				      struct ch_span record);

#endif
