/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

int cmd_appraise(int argc, char **argv)
{
	(void)argc;
	cli_say("%s: not built yet", argv[0]);
	return CLI_UNSUPPORTED;
}
