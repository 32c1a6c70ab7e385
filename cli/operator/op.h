/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_OP_H
#define CH_OPERATOR_OP_H

#include "cli/cmd.h"

/* The commands of chainhold-operator: each a file, and a row in main.c. */

int cmd_init(int argc, char **argv);

#endif
