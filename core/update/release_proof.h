/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_RELEASE_PROOF_H
#define CH_UPDATE_RELEASE_PROOF_H

#include "core/trust/proof.h"
#include "core/update/release.h"

/*
 * What shows that a release is in the log: {"record": …, "salt": …, "proof": …}, as the server gives it at
 * GET /v1/releases/{sha256}/proof and as a file. docs/protocol/release.md.
 */

/* Escapes may double every newline of the proof; the checkpoint and the hashes have no others. */
#define CH_RELEASE_PROOF_MAX (2 * CH_PROOF_TEXT_MAX)

/* `record` and `proof` point into `room`, or into what was parsed: not to be copied. About 70 KiB. */
struct ch_release_proof {
	struct ch_span record; /* what the leaf commits to, byte for byte */
	uint8_t salt[CH_LEAF_SALT];
	struct ch_span proof; /* C2SP tlog-proof, with the leaf in its line "extra" and its checkpoint */
	uint8_t room[CH_RELEASE_RECORD_MAX + CH_PROOF_TEXT_MAX];
};

/* Reads all of `in`, at most CH_RELEASE_PROOF_MAX bytes; the three members, once, and no other. `p` is zeroed on failure. */
CH_MUST_USE enum ch_err ch_release_proof_parse(struct ch_release_proof *p, struct ch_span in, struct ch_diag *d);
void ch_release_proof_put(struct ch_wr *w, struct ch_span record, const uint8_t salt[static CH_LEAF_SALT],
			  struct ch_span proof);

/*
 * The judge: the record is that of `r`, whose whole file has this SHA-256; the leaf is a release's and commits to the record; the leaf is
 * in the tree of a checkpoint that one of the `count` logs signed. The checkpoint is told in `c`. CH_ERR_MISMATCH for another record or
 * leaf, CH_ERR_UNTRUSTED if no log of these signed the checkpoint, else as ch_proof_check.
 */
CH_MUST_USE enum ch_err ch_release_proof_check(const struct ch_release_proof *p, const struct ch_release *r,
					       const uint8_t sha256[static 32], const struct ch_note_key *log,
					       size_t count, struct ch_checkpoint *c, struct ch_diag *d);

#endif
