/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_CHILDREN_H
#define CH_AGENT_CHILDREN_H

#include "agent/ipc/messages.h"
#include "agent/main/config.h"

#include <sys/types.h>

/*
 * The children, started together and ended together: what one of them has in flight concerns the others, and everything that
 * matters is on the disk.
 */
struct children {
	pid_t pid[AG_ROLE_COUNT];           /* 0: not running */
	struct ch_chan chan[AG_ROLE_COUNT]; /* to each of them */
	unsigned ready;                     /* how many said READY */
};

/* False with a line if anything of it fails; what was started is ended then. */
bool children_start(struct children *c, const struct config *cfg, bool once);
/*
 * apply alone, with `collect` as our end of its channel to collect: for an installation by hand. False with a line.
 */
bool children_start_apply(struct children *c, const struct config *cfg, struct ch_chan *collect);
/* Closes the channels, which is how they are told to end; kills what is still there after `grace_ms`. */
void children_stop(struct children *c, int grace_ms);
/* Collects those that ended: true if one of ours did, and says which and why. */
bool children_reap(struct children *c);

#endif
