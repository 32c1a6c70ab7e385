/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_FLEET_ROOT_H
#define CH_CLI_FLEET_ROOT_H

#include "cli/cmd.h"
#include "core/trust/fleet_root.h"

/* Fleet roots as files: shown and verified here, without network or key; made and signed by chainhold-operator. */

struct cli_root {
	const char *path;
	struct ch_buf file;
	struct ch_fleet_root r;
};

/* Reads the document that was read into `file`; a refusal names the file. -1 to go on. */
int cli_root_parse(struct cli_root *c);
/*
 * The same of a document that the user trusts for where it came from, when its keys are to be used: its own threshold signed it and it has
 * not expired by the local clock. Needs the crypto backend. -1 to go on.
 */
int cli_root_trust(struct cli_root *c);
/* What a person must see of it, before they sign as well. */
void cli_root_show(struct ch_wr *w, const struct ch_fleet_root *r);

int cmd_fleet_root_show(int argc, char **argv);
int cmd_fleet_root_verify(int argc, char **argv);

#endif
