/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct cli_cmd command[] = {
	{ "inspect", "show and check one piece of evidence", cmd_inspect },
	{ "appraise", "judge one boot against reference values", cmd_appraise },
	{ "reference", "make and compare reference values", cmd_reference },
};

int main(int argc, char **argv)
{
	char name[] = "chainhold";
	if (argc < 1)
		return CLI_USAGE;
	argv[0] = name;
	/* A reader that went away is an output error like any other: exit 4, not death by a signal. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)cli_colour(); /* asks the terminal while it still may */
	int code = CLI_HOLDS;
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		puts("chainhold " CH_VERSION);
	else
		code = cli_dispatch("Chainhold judges the evidence of a device's chain of trust.", command,
				    CH_COUNT_OF(command), argc, argv);
	/* Help goes through stdio; nothing else does. */
	if (fflush(stdout) == 0)
		return code;
	cli_say("standard output: %s", strerror(errno));
	return CLI_IO;
}
