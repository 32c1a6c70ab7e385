/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/elsewhere.h"
#include "cli/fleet_root.h"
#include "cli/import.h"
#include "cli/policy_check.h"
#include "cli/release.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* A command of which a part is here, where there is no key and no network, and the rest there. */
static int here_or_there(const struct cli_cmd *here, size_t count, int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && i < count; i++) {
		if (strcmp(argv[1], here[i].name) == 0)
			return cli_dispatch("", here, count, argc, argv);
	}
	return cli_elsewhere(argc, argv);
}

static int cmd_policy_here(int argc, char **argv)
{
	static const struct cli_cmd here[] = { { "check", "check policy files", cmd_policy_check } };
	return here_or_there(here, CH_COUNT_OF(here), argc, argv);
}

static int cmd_fleet_root_here(int argc, char **argv)
{
	static const struct cli_cmd here[] = {
		{ "verify", "walk from one version to another", cmd_fleet_root_verify },
		{ "show", "show a fleet root", cmd_fleet_root_show },
	};
	return here_or_there(here, CH_COUNT_OF(here), argc, argv);
}

/* All of its names are here, so that --help shows them. */
static int cmd_release_here(int argc, char **argv)
{
	static const struct cli_cmd row[] = {
		{ "create", "make a release of artefacts", cmd_release_create },
		{ "ostree", "make an artefact of a commit of OSTree", cmd_release_ostree },
		{ "sign", "add your signature", cli_elsewhere },
		{ "verify", "check a release as a device does, offline", cmd_release_verify },
		{ "diff", "what changed from one release to another", cmd_release_diff },
		{ "show", "show a release", cmd_release_show },
		{ "publish", "give it to the server", cli_elsewhere },
		{ "upload", "give an artefact to the server", cli_elsewhere },
		{ "list", "releases that were published", cli_elsewhere },
		{ "withdraw", "offer it to nobody any more", cli_elsewhere },
	};
	return cli_dispatch("Releases: what devices are to run, signed offline, and what it will measure.", row,
			    CH_COUNT_OF(row), argc, argv);
}

static const struct cli_cmd command[] = {
	/* files: this program */
	{ "inspect", "show and check one piece of evidence", cmd_inspect },
	{ "appraise", "judge one boot against reference values", cmd_appraise },
	{ "reference", "make and compare reference values", cmd_reference },
	/* a server: chainhold-operator */
	{ "init", "make the folder of a new server", cli_elsewhere },
	{ "status", "show how the fleet and the server are", cli_elsewhere },
	{ "device", "show devices and decide about them", cli_elsewhere },
	{ "baseline", "make, compare and approve reference values", cli_elsewhere },
	{ "policy", "check, apply and show policies", cmd_policy_here },
	{ "action", "what operators decided, and what waits for a signature", cli_elsewhere },
	{ "operator", "who may decide what", cli_elsewhere },
	{ "token", "enrolment without a TPM", cli_elsewhere },
	{ "ek", "which endorsement keys may enrol", cli_elsewhere },
	{ "enrolment", "certificates by EST that wait for an operator", cli_elsewhere },
	{ "fleet-root", "the document that says whom a fleet trusts", cmd_fleet_root_here },
	{ "release", "what devices are to run, signed offline", cmd_release_here },
	{ "update", "which device is offered which release", cli_elsewhere },
	{ "rollout", "one release for many devices, in phases", cli_elsewhere },
	{ "export", "one signed archive for the other side of an air gap", cli_elsewhere },
	{ "import", "verify an archive, and put its files in place", cmd_import },
	{ "clock", "accept the server's clock after it jumped", cli_elsewhere },
	{ "ca", "certification authorities: ceremonies, rollover, taking one over", cli_elsewhere },
	{ "backup", "copy the store of a server in use", cli_elsewhere },
	{ "restore", "put a copy back, without forking the log", cli_elsewhere },
	{ "audit", "compute every verdict and the log of a backup again", cli_elsewhere },
	{ "log", "verify, prove, mirror and watch a transparency log", cli_elsewhere },
};

static int run(int argc, char **argv)
{
	char name[] = "chainhold";
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("chainhold " CH_VERSION);
		return CLI_HOLDS;
	}
	/* Only commands that talk to a server have a configuration. */
	if (argc >= 2 && strncmp(argv[1], "--config", sizeof("--config") - 1) == 0)
		return cli_elsewhere(argc, argv);
	argv[0] = name;
	return cli_dispatch("Chainhold judges the chain of trust of IoT devices, from boot to cloud.", command,
			    CH_COUNT_OF(command), argc, argv);
}

int main(int argc, char **argv)
{
	if (argc < 1)
		return CLI_USAGE;
	char *copy[CLI_ARGS_MAX + 1] = { NULL };
	if (argc > CLI_ARGS_MAX) {
		cli_say("more than %d arguments", CLI_ARGS_MAX);
		return CLI_USAGE;
	}
	/* The table rewrites names in place; what another program gets is what came. */
	for (int i = 0; i < argc; i++)
		copy[i] = argv[i];
	cli_elsewhere_init(copy);
	/* A reader that went away is an output error like any other: exit 4, not death by a signal. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)cli_colour(); /* asks the terminal while it still may */
	int code = run(argc, argv);
	/* Help goes through stdio; nothing else does. */
	if (fflush(stdout) == 0)
		return code;
	cli_say("standard output: %s", strerror(errno));
	return CLI_IO;
}
