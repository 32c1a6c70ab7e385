/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_ROOT_H
#define CH_AGENT_ROOT_H

#include "agent/ipc/root_file.h"

/* The fleet root on a device: kept, walked from version to version, and what follows from it for net and clock. */

struct collect;

#define AG_ROOT_STEPS_MAX 1024 /* versions in one walk; the next attempt goes on */

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
