/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_SPOOL_H
#define CH_AGENT_SPOOL_H

#include "agent/ipc/messages.h"

/*
 * The bytes of one artefact, as they come, in a file of the spool. They survive a restart and a power cut as far as the disk kept
 * them: what is there is not believed, it is hashed whole before anything is done by it.
 */

#define AG_SPOOL_FILE "artifact"

struct ag_spool {
	int dir;
	int fd;          /* -1: there is no artefact */
	uint64_t size;   /* of the artefact */
	uint64_t offset; /* bytes that are there */
	uint64_t synced; /* bytes that are certain to be on the disk */
	bool resumed; /* some of them are from before this process: a power cut may have left others than were written */
};

/* `dir`: the folder, which stays the caller's. */
void ag_spool_init(struct ag_spool *s, int dir);
/*
 * An artefact of this size, from what is there of it on; `fresh`: whatever is there is of another one. Room for all of it is taken
 * at once: CH_ERR_NOSPACE if there is none. CH_ERR_IO with errno.
 */
CH_MUST_USE enum ch_err ag_spool_begin(struct ag_spool *s, uint64_t size, bool fresh);
/* Appends. CH_ERR_MISMATCH if `offset` is not where they belong, CH_ERR_LIMIT past the size, CH_ERR_IO with errno. */
CH_MUST_USE enum ch_err ag_spool_put(struct ag_spool *s, uint64_t offset, struct ch_span bytes);
/*
 * Makes all of it durable and compares. CH_ERR_TRUNCATED if bytes are missing, CH_ERR_MISMATCH if it is not this artefact; then
 * nothing of it is kept. CH_ERR_IO with errno.
 */
CH_MUST_USE enum ch_err ag_spool_check(struct ag_spool *s, const uint8_t sha256[static AG_DIGEST]);
/* Lets go of the file, which stays: RAUC takes a bundle only if nobody else has it open. */
void ag_spool_close(struct ag_spool *s);
/* Removes it. */
void ag_spool_remove(struct ag_spool *s);

#endif
