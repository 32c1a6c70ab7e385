/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/op.h"

#include "cli/operator/audit.h"
#include "cli/operator/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct cli_cmd command[] = {
	{ "init", "make the folder of a new server", cmd_init },
	{ "audit", "compute every verdict and the log of a backup again", op_audit },
	{ "log", "verify, prove, mirror and watch a transparency log", op_log },
};

int main(int argc, char **argv)
{
	/* The name by which people call it: chainhold runs this program for the commands that need a network or a key. */
	char name[] = "chainhold";
	if (argc < 1)
		return CLI_USAGE;
	argv[0] = name;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)cli_colour();
	int code = CLI_HOLDS;
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		puts("chainhold " CH_VERSION);
	else
		code = cli_dispatch("Operates a Chainhold server.", command, CH_COUNT_OF(command), argc, argv);
	if (fflush(stdout) == 0)
		return code;
	cli_say("standard output: %s", strerror(errno));
	return CLI_IO;
}
