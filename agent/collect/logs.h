/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_LOGS_H
#define CH_AGENT_LOGS_H

#include "agent/ipc/messages.h"

/*
 * A log that only grows while the machine runs: the firmware's event log, the IMA list. The descriptor was opened by main, which
 * may; the kernel makes the file anew for every reading from byte 0.
 */

/* What the other side has: the first `size` bytes, whose digest is `sha256`. */
struct ag_log_have {
	uint64_t size;
	uint8_t sha256[AG_DIGEST];
};

struct ag_log_tail {
	uint64_t from;          /* bytes before `data` that the other side has */
	struct ch_buf data;     /* the caller frees it */
	struct ag_log_have all; /* the whole log as it was read */
};

/*
 * Reads the log behind what `have` holds; from 0 if it is another log (another boot). At most `max` bytes are kept: CH_ERR_LIMIT.
 * CH_ERR_IO with errno. `fd` -1 is an empty log.
 */
CH_MUST_USE enum ch_err ag_log_read(struct ag_log_tail *t, int fd, const struct ag_log_have *have, size_t max);

#endif
