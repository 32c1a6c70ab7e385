/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_BOOTED_H
#define CH_AGENT_BOOTED_H

#include "agent/ipc/messages.h"

/*
 * The commit of OSTree that this system was booted from, by the kernel's command line and the link that it names, beneath `root`. Zeros, after a
 * line that says why if it is not because there is no ostree= at all.
 */
void booted_read(const char *root, uint8_t commit[static AG_DIGEST]);

#endif
