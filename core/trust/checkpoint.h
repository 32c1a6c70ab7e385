/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_CHECKPOINT_H
#define CH_TRUST_CHECKPOINT_H

#include "core/base/rd.h"
#include "core/crypto/sig.h"
#include "core/trust/merkle.h"

/*
 * Signed notes (C2SP signed-note) and the checkpoints of a transparency log that they carry (C2SP tlog-checkpoint). Rules and
 * limits: docs/protocol/tlog.md. The spans of everything that is read borrow from the text.
 */

/* A key that signs notes, by its text NAME+ID+BASE64: only Ed25519 (type 0x01). */
struct ch_note_key {
	struct ch_span name;
	uint8_t id[4]; /* the first bytes of SHA-256(name ‖ LF ‖ type ‖ key) */
	uint8_t pub[32];
};

#define CH_NOTE_KEY_TEXT_MAX (CH_NOTE_NAME_MAX + 1 + 8 + 1 + 44)

/*
 * Reads a verifier key. CH_ERR_UNSUPPORTED for another type of key, CH_ERR_MISMATCH if the id is not the one of name and key, else
 * what is malformed. `k` is zeroed on failure.
 */
CH_MUST_USE enum ch_err ch_note_key_parse(struct ch_note_key *k, struct ch_span text, struct ch_diag *d);
/* The key of `pub` under a name, with its id. CH_ERR_MALFORMED if the name is none. Borrows the name. */
CH_MUST_USE enum ch_err ch_note_key_make(struct ch_note_key *k, struct ch_span name, const uint8_t pub[static 32]);
/* Appends the text of a key. */
void ch_note_key_put(struct ch_wr *w, const struct ch_note_key *k);
/* True for a name that a note may carry: 1 to CH_NOTE_NAME_MAX bytes of UTF-8 without white space, controls and '+'. */
bool ch_note_name_valid(struct ch_span name);

struct ch_note {
	struct ch_span text;       /* what is signed, with its last newline */
	struct ch_span signatures; /* lines after the empty one */
	size_t count;
};

/*
 * Splits a note, all of `in`: CH_ERR_LIMIT past CH_NOTE_MAX bytes or CH_NOTE_SIGS_MAX signatures, CH_ERR_ENCODING for bytes that are
 * not UTF-8 or a control other than LF, CH_ERR_MISSING without a signature, CH_ERR_MALFORMED for another form. Nothing is verified.
 */
CH_MUST_USE enum ch_err ch_note_parse(struct ch_note *n, struct ch_span in, struct ch_diag *d);
/* The same of a note of at most `max` bytes: for documents that are larger than a checkpoint. */
CH_MUST_USE enum ch_err ch_note_split(struct ch_note *n, struct ch_span in, size_t max, struct ch_diag *d);

struct ch_note_sig {
	struct ch_span name;
	uint8_t id[4];
	struct ch_span base64; /* of id and signature */
};

/* Takes the next signature line; start with ch_rd(n->signatures). False at the end. */
CH_MUST_USE bool ch_note_sig_next(struct ch_rd *lines, struct ch_note_sig *sig);

/*
 * Verifies every signature that claims to be of `key`, which was prepared as `vk`. CH_ERR_UNTRUSTED if there is none,
 * CH_ERR_SIGNATURE if one does not hold. Signatures of other keys are passed over.
 */
CH_MUST_USE enum ch_err ch_note_verify(const struct ch_note *n, const struct ch_note_key *key,
				       const struct ch_verify_key *vk);

/* Appends a signature line: the whole note is its text, LF, and such lines. */
void ch_note_sig_put(struct ch_wr *w, const struct ch_note_key *key, const uint8_t sig[static 64]);

struct ch_checkpoint {
	struct ch_span origin;
	uint64_t size;
	struct ch_tree_hash root;
	struct ch_span extensions; /* further lines, each with its newline; may be empty */
};

/* Reads the text of a note as a checkpoint. CH_ERR_RANGE for a size of 2^63 or more, CH_ERR_MALFORMED for another form. */
CH_MUST_USE enum ch_err ch_checkpoint_parse(struct ch_checkpoint *c, struct ch_span text, struct ch_diag *d);
/* Appends the text of a checkpoint without extensions. */
void ch_checkpoint_put(struct ch_wr *w, struct ch_span origin, uint64_t size, const struct ch_tree_hash *root);

/*
 * Parses, verifies and reads in one: the note is signed by `key`, and its origin is the key's name (C2SP tlog-checkpoint asks the
 * client to compare them). CH_ERR_MISMATCH for another origin; else as the functions above.
 */
CH_MUST_USE enum ch_err ch_checkpoint_open(struct ch_checkpoint *c, struct ch_span in, const struct ch_note_key *key,
					   const struct ch_verify_key *vk, struct ch_diag *d);

#endif
