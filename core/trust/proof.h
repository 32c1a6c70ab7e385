/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_PROOF_H
#define CH_TRUST_PROOF_H

#include "core/trust/checkpoint.h"
#include "core/trust/leaf.h"

/*
 * A proof of inclusion as a file (C2SP tlog-proof): everything that a third party needs besides the log's key. Ours carry the
 * entry in the line "extra", so that they can be checked without asking anybody.
 */

#define CH_PROOF_EXTRA_MAX 1024 /* bytes */
/* A file: head, extra, index, hashes, empty line, note. */
#define CH_PROOF_TEXT_MAX (CH_NOTE_MAX + 2 * CH_PROOF_EXTRA_MAX + (CH_MERKLE_DEPTH_MAX + 4) * 64)

struct ch_proof {
	uint8_t extra[CH_PROOF_EXTRA_MAX];
	size_t extra_n;
	uint64_t index;
	struct ch_tree_hash hash[CH_MERKLE_DEPTH_MAX];
	size_t count;
	struct ch_span checkpoint; /* the signed note; borrowed */
};

/*
 * Reads all of `in`; the note is not looked at. CH_ERR_MALFORMED, CH_ERR_TRUNCATED, CH_ERR_RANGE (index of 2^63 or more), CH_ERR_LIMIT
 * (too long, too many hashes). `p` is zeroed on failure.
 */
CH_MUST_USE enum ch_err ch_proof_parse(struct ch_proof *p, struct ch_span in, struct ch_diag *d);
void ch_proof_put(struct ch_wr *w, const struct ch_proof *p);

/*
 * Checks a proof of `entry`: the checkpoint is signed by `key` (ch_checkpoint_open) and the entry is in its tree
 * (ch_merkle_inclusion_check). The checkpoint is told in `c` on success.
 */
CH_MUST_USE enum ch_err ch_proof_check(const struct ch_proof *p, struct ch_span entry, const struct ch_note_key *key,
				       const struct ch_verify_key *vk, struct ch_checkpoint *c, struct ch_diag *d);

/*
 * The same by any of `count` logs. CH_ERR_UNTRUSTED if none of them signed the checkpoint; else what was wrong under a key that did.
 */
CH_MUST_USE enum ch_err ch_proof_check_any(const struct ch_proof *p, struct ch_span entry,
					   const struct ch_note_key *log, size_t count, struct ch_checkpoint *c,
					   struct ch_diag *d);

#endif
