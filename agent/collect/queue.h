/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_QUEUE_H
#define CH_AGENT_QUEUE_H

#include "agent/collect/record.h"

/*
 * Evidence that the server has not acknowledged, oldest first: files "q-00000001", … in the state folder. An entry is durable when
 * ag_queue_add returns. Bounded: what is oldest goes first, with a line in the log.
 */
#define AG_QUEUE_ENTRIES_MAX 32
#define AG_QUEUE_BYTES_MAX   (AG_BODY_MAX + ((size_t)8 << 20))

struct ag_queue {
	int dir;
	size_t count;
	struct {
		uint32_t number;
		uint64_t bytes;
	} entry[AG_QUEUE_ENTRIES_MAX];
};

/* Finds what is in the folder (and removes halves that a power cut left). CH_ERR_IO with errno. */
CH_MUST_USE enum ch_err ag_queue_open(struct ag_queue *q, int dir);
CH_MUST_USE enum ch_err ag_queue_add(struct ag_queue *q, const struct ag_record_evidence *r, uint32_t *number);
/* Reads the oldest entry into `file` (the caller frees it), to which `r` points. An entry that is damaged is removed, with a line. */
CH_MUST_USE enum ch_err ag_queue_first(struct ag_queue *q, struct ch_buf *file, struct ag_record_evidence *r,
				       uint32_t *number);
/* The server has it, or will never take it. */
void ag_queue_remove(struct ag_queue *q, uint32_t number);

#endif
