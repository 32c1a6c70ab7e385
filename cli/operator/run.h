/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_RUN_H
#define CH_OPERATOR_RUN_H

#include "cli/cmd.h"

/*
 * Hostile files are parsed by chainhold, which has no key, no network and a sandbox, never here: evidence that was fetched is
 * written into a folder of its own, and chainhold, found beside this program, is run on it.
 */

struct op_folder {
	char path[64];
	int fd;
};

/* A new folder under TMPDIR or /tmp, its owner's only. -1 to go on. */
int op_temp_make(struct op_folder *f);
/* Removes it and the files in it. */
void op_temp_remove(struct op_folder *f);
#define OP_AUTO_FOLDER __attribute__((cleanup(op_temp_remove)))

/* Runs chainhold with these arguments (argv[0] is set; ends with NULL) and returns its exit code. Output goes where ours goes. */
int op_run_chainhold(char **argv);

/*
 * Runs a program of ours, found as op_become() does, and takes what it prints. -1 if it ends with 0; else its exit code, after what it
 * said on its standard error.
 */
int op_run_program(const char *name, char **argv, struct ch_buf *out);

/*
 * Becomes a program of ours, beside this one or where the server's processes are installed (../libexec/chainhold). argv[0] is set.
 * Returns only if it is not there: CLI_IO.
 */
int op_become(const char *name, char **argv);

#endif
