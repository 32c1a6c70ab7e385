/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/child.h"

/* What is installed has no break-out attempts in it: EVIL is a message that nobody may send. */
bool ch_child_evil(struct ch_child *c, const struct ch_frame *f)
{
	(void)c;
	(void)f;
	return false;
}
