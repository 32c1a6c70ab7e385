/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_ROLE_H
#define CH_TRUST_ROLE_H

#include "core/trust/checkpoint.h"

/*
 * Who signs a document, and how many of them it takes: the keys of a fleet root and of its release roles. What they sign is a note
 * (C2SP signed-note) whose signatures are named by the SHA-256 of a key's SubjectPublicKeyInfo: docs/protocol/fleet-root.md.
 */

/* A key of P-256 or Ed25519, by value. */
struct ch_root_key {
	enum ch_key_type type;
	uint8_t raw[64]; /* x and y; or 32 bytes of Ed25519, then zeros */
	uint8_t id[32];  /* SHA-256 of its SubjectPublicKeyInfo */
};

/* A number of keys, and how many of them it takes. No key is in it twice. */
struct ch_root_role {
	struct ch_span name; /* of a release role; empty for the root role */
	uint64_t threshold;  /* 1 to count */
	size_t count;
	struct ch_root_key key[CH_ROOT_KEYS_MAX];
};

/* The key as the backend wants it; borrows from `k`. */
struct ch_pub ch_root_key_pub(const struct ch_root_key *k);
/* CH_ERR_UNSUPPORTED for a key that is neither P-256 nor Ed25519. */
CH_MUST_USE enum ch_err ch_root_key_make(struct ch_root_key *k, const struct ch_pub *pub);
/* The key of this id; NULL if the role does not have it. */
const struct ch_root_key *ch_root_role_find(const struct ch_root_role *role, const uint8_t id[static 32]);

/*
 * Reads a note whose text has at most `text_max` bytes, with signatures at most CH_ROLE_SIGS_MAX more; or such a text and an empty line
 * that nobody has signed yet (count 0). Errors as ch_note_parse.
 */
CH_MUST_USE enum ch_err ch_role_note(struct ch_note *n, struct ch_span in, size_t text_max, struct ch_diag *d);

/*
 * CH_OK if a threshold of distinct keys of `role` signed the note; else CH_ERR_UNTRUSTED, or CH_ERR_SIGNATURE if a signature that
 * claims to be of one of these keys does not hold. Signatures of other keys are passed over.
 */
CH_MUST_USE enum ch_err ch_role_signed(const struct ch_root_role *role, const struct ch_note *n, struct ch_diag *d);

/* Appends a signature line: 64 bytes over the text, as ch_action_verify has them. CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_role_sig_put(struct ch_wr *w, const struct ch_root_key *k, const uint8_t sig[static 64]);

#endif
