/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_MAIN_SPAWN_H
#define CH_MAIN_SPAWN_H

#include "server/main/children.h"

/* One descriptor that a child is given. */
struct main_gift {
	uint8_t kind; /* enum ch_fd_kind */
	uint8_t index;
	int fd; /* closed here once the child has it, if `ours` is false */
	bool ours;
};

/*
 * Starts the program of a process with its control channel as descriptor 3 and the gifts from 4 on, and sends START. Nothing else
 * is open in it but standard error. False after a line.
 */
CH_MUST_USE bool main_spawn(struct main_process *p, const struct main_gift *gift, size_t count);

#endif
