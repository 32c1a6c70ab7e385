/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_ROOT_H
#define CH_AGENT_ROOT_H

#include "core/trust/fleet_root.h"
#include "host/base/mem.h"

/* The fleet root on a device: kept, walked from version to version, and what follows from it for net and clock. */

struct collect;

#define AG_ROOT_STEPS_MAX 1024 /* versions in one walk; the next attempt goes on */

/* A document and its bytes, to which it points. */
struct ag_root {
	struct ch_buf note;
	struct ch_fleet_root r; /* version 0: there is none */
};

CH_MUST_USE enum ch_err ag_root_parse(struct ag_root *to, struct ch_span note, struct ch_diag *d);
void ag_root_clear(struct ag_root *root);

/*
 * Takes the newest of what is kept and what was provisioned, and tells net whom to trust. Without a provisioned one nothing is done:
 * servers and anchors are those of the configuration. The process ends if the provisioned one does not hold.
 */
void ag_root_open(struct collect *c);
/*
 * Walks to the newest version that any server has, over channels that need not be trusted; each is durable before it is used. True
 * if there is another version now. A document that does not hold is noted as the problem.
 */
bool ag_root_walk(struct collect *c);
/* Why nobody may be trusted now: the newest version that is known has expired, or this agent is too old for it. NULL: go on. */
const char *ag_root_refuses(const struct collect *c);

#endif
