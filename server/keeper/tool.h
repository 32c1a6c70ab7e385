/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_KEEPER_TOOL_H
#define CH_KEEPER_TOOL_H

#include <stdbool.h>

struct ch_tool_args {
	const char *first, *second, *third, *mirror, *checkpoint;
	bool dry_run;
};

/* chainhold-keeper with arguments: a person's work on a store, described in chainhold-keeper(8). Returns the exit status. */
int ch_keeper_tool(int argc, char **argv);

#endif
