/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_POLICY_CHECK_H
#define CH_CLI_POLICY_CHECK_H

#include "cli/cmd.h"

/* chainhold policy check: needs no server, so it is in both programs. */
int cmd_policy_check(int argc, char **argv);

#endif
