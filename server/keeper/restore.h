/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_KEEPER_RESTORE_H
#define CH_KEEPER_RESTORE_H

#include "host/store/store.h"

/* What came back from a mirror, by type of leaf (core/trust/leaf.h; 0: of a type we do not know). */
struct ch_restored {
	uint64_t before, after; /* entries in the store */
	uint64_t type[8];
};

/*
 * Puts the entries that a mirror of the log (its folder, as `chainhold log mirror` makes it) has and the store lacks into the store,
 * without salt and record, and asks every device for fresh evidence; all in one transaction. The root of everything must be that
 * of the mirror's checkpoint, whose signature is not looked at here: the signer compares the root with its own at the next start.
 * CH_ERR_MISMATCH if the mirror is of another log or the store is not its beginning, CH_ERR_RANGE if the mirror has less than the
 * store; CH_ERR_NOTFOUND if it lacks a file.
 */
CH_MUST_USE enum ch_err ch_restore_log(struct ch_store *st, const char *mirror, struct ch_restored *out);

/* How a log ended, and where the next began. */
struct ch_new_origin {
	struct ch_span old, next; /* their origins */
	struct ch_span note; /* the last checkpoint of the old one that its signer knows; empty: that in the store */
	int64_t time;        /* ms */
	/* what was made */
	uint64_t size, kept; /* entries of that checkpoint, and how many of them the store has */
	bool done;           /* it had begun before */
};

/*
 * Begins a log of another origin on a store: what it has of the old log goes aside, and the first leaf names old origin and checkpoint.
 * Its salt is zeros, for its record is public. Every device is asked for fresh evidence. One transaction. CH_ERR_MISMATCH if the note
 * is of another origin, CH_ERR_NOTFOUND if nobody knows a checkpoint.
 */
CH_MUST_USE enum ch_err ch_restore_origin(struct ch_store *st, struct ch_new_origin *o);

#endif
