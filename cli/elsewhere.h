/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_ELSEWHERE_H
#define CH_CLI_ELSEWHERE_H

#include "cli/cmd.h"

/*
 * Commands that need a network or a key are another program's: chainhold-operator, found beside this one, takes the place of this
 * process before it has read anything (docs/decisions/0010-operator-commands-are-another-program.md).
 */

#define CLI_ARGS_MAX 1024

/* Keeps the arguments as they came, for cli_elsewhere. */
void cli_elsewhere_init(char **argv);
/* Becomes chainhold-operator with these arguments; returns only if that fails: CLI_IO. Fits a row of commands. */
int cli_elsewhere(int argc, char **argv);

#endif
