/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/audit.h"
#include "cli/operator/client.h"
#include "cli/operator/log.h"
#include "cli/operator/op.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct cli_cmd command[] = {
	{ "init", "make the folder of a new server", cmd_init },
	{ "status", "show how the fleet and the server are", cmd_status },
	{ "device", "show devices and decide about them", cmd_device },
	{ "baseline", "make, compare and approve reference values", cmd_baseline },
	{ "policy", "check, apply and show policies", cmd_policy },
	{ "action", "what operators decided, and what waits for a signature", cmd_action },
	{ "operator", "who may decide what", cmd_operator },
	{ "token", "enrolment without a TPM", cmd_token },
	{ "ek", "which endorsement keys may enrol", cmd_ek },
	{ "enrolment", "certificates by EST that wait for an operator", cmd_enrolment },
	{ "fleet-root", "the document that says whom a fleet trusts", cmd_fleet_root },
	{ "release", "what devices are to run, signed offline", cmd_release },
	{ "update", "which device is offered which release", cmd_update },
	{ "rollout", "one release for many devices, in phases", cmd_rollout },
	{ "ca", "certification authorities: ceremonies, rollover, taking one over", cmd_ca },
	{ "export", "one signed archive for the other side of an air gap", cmd_export },
	{ "import", "put the files of an archive in place", cmd_import },
	{ "clock", "accept the server's clock after it jumped", cmd_clock },
	{ "backup", "copy the store of a server in use", cmd_backup },
	{ "restore", "put a copy back, without forking the log", cmd_restore },
	{ "audit", "compute every verdict and the log of a backup again", op_audit },
	{ "log", "verify, prove, mirror and watch a transparency log", op_log },
};

/* --config FILE, before the command. Returns how many arguments it took, or -1. */
static int take_config(int argc, char **argv)
{
	static const char option[] = "--config";
	size_t n = sizeof(option) - 1;
	if (argc < 2 || strncmp(argv[1], option, n) != 0)
		return 0;
	if (argv[1][n] == '=' && argv[1][n + 1] != '\0') {
		op_config_path = argv[1] + n + 1;
		return 1;
	}
	if (argv[1][n] != '\0' || argc < 3)
		return -1;
	op_config_path = argv[2];
	return 2;
}

int main(int argc, char **argv)
{
	/* The name by which people call it: chainhold runs this program for the commands that need a network or a key. */
	char name[] = "chainhold";
	if (argc < 1)
		return CLI_USAGE;
	int taken = take_config(argc, argv);
	if (taken < 0) {
		cli_say("--config needs the name of a file");
		return CLI_USAGE;
	}
	argc -= taken;
	argv += taken;
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
