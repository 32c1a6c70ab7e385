/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/op.h"
#include "cli/operator/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* On the server's machine: the keeper's program knows its store, and does the work. */

#define STORE_PATH_MAX 4096

/* The store of a server's folder, or the file itself. False if neither is there and it must be. */
static bool store_of(const char *where, char to[static STORE_PATH_MAX])
{
	struct stat s;
	(void)snprintf(to, STORE_PATH_MAX, "%.4000s", where);
	if (stat(where, &s) != 0)
		return false;
	if (S_ISDIR(s.st_mode))
		(void)snprintf(to, STORE_PATH_MAX, "%.4000s/state/store/chainhold.db", where);
	return true;
}

static int not_there(const char *where)
{
	cli_say("%s: no folder of a server and no store", where);
	return CLI_IO;
}

int cmd_backup(int argc, char **argv)
{
	static char option[] = "--backup";
	const char *file[2] = { NULL };
	char store[STORE_PATH_MAX], copy[STORE_PATH_MAX];
	const struct cli_usage u = {
		.args = "DIR COPY",
		.about =
			"Copies the store of the server whose folder is DIR (or the store DIR itself), while it is in\n"
			"use, to the new file COPY. The keys in state/signer are not in it: back them up, offline.",
		.file = file,
		.file_min = 2,
		.file_max = 2
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (!store_of(file[0], store))
		return not_there(file[0]);
	(void)snprintf(copy, sizeof(copy), "%.4000s", file[1]);
	char *args[] = { NULL, option, store, copy, NULL };
	return op_become("chainhold-keeper", args);
}

int cmd_restore(int argc, char **argv)
{
	static char option[] = "--restore", mirror_option[] = "--mirror";
	const char *file[2] = { NULL }, *mirror = NULL;
	char copy[STORE_PATH_MAX], store[STORE_PATH_MAX], folder[STORE_PATH_MAX];
	const struct cli_opt opt[] = {
		{ "mirror", "DIR", "a mirror of the log (chainhold log mirror), which has what came after the copy",
		  CLI_VALUE, &mirror },
	};
	const struct cli_usage u = {
		.args = "[--mirror DIR] COPY DIR",
		.about =
			"Puts a copy of the store back into the folder DIR of a server that does not run (or makes the\n"
			"store DIR of it). The log goes on without a fork: with the mirror of what came after the copy, or\n"
			"not at all. Every device is asked for fresh evidence.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = file,
		.file_min = 2,
		.file_max = 2
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	/* A store that is lost is not there; its folder is. */
	(void)store_of(file[1], store);
	(void)snprintf(copy, sizeof(copy), "%.4000s", file[0]);
	char *args[] = { NULL, option, copy, store, mirror != NULL ? mirror_option : NULL, folder, NULL };
	(void)snprintf(folder, sizeof(folder), "%.4000s", mirror != NULL ? mirror : "");
	return op_become("chainhold-keeper", args);
}
