/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_ROOT_FILE_H
#define CH_AGENT_ROOT_FILE_H

#include "core/trust/fleet_root.h"
#include "host/base/mem.h"

/* The fleet root as a process of the agent keeps it: the newest version that was verified, in the file "root" of its folder. */

/* A document and its bytes, to which it points. */
struct ag_root {
	struct ch_buf note;
	struct ch_fleet_root r; /* version 0: there is none */
};

CH_MUST_USE enum ch_err ag_root_parse(struct ag_root *to, struct ch_span note, struct ch_diag *d);
void ag_root_clear(struct ag_root *root);

/*
 * Reads what was kept and believes it if it holds by itself. CH_ERR_NOTFOUND: there is none; CH_ERR_IO with errno; anything else: it
 * is damaged, `d` may say how.
 */
CH_MUST_USE enum ch_err ag_root_read(struct ag_root *to, int dir, struct ch_diag *d);
/* Durable on CH_OK. */
CH_MUST_USE enum ch_err ag_root_keep(int dir, struct ch_span note);

#endif
