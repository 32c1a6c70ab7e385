/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_RELEASE_H
#define CH_CLI_RELEASE_H

#include "cli/cmd.h"
#include "core/update/release.h"

/* Releases as files: made, shown, verified and compared here, without network or key; signed and published by chainhold-operator. */

struct cli_release {
	const char *path;
	struct ch_buf file;
	struct ch_release r;
	uint8_t sha256[32]; /* of the whole file: its name in the log and on the server */
};

/* Reads the document that was read into `file`; a refusal names the file. -1 to go on. */
int cli_release_parse(struct cli_release *c);
/* What a person must see of it, before they sign as well. */
void cli_release_show(struct ch_wr *w, const struct cli_release *c);

int cmd_release_create(int argc, char **argv);
int cmd_release_ostree(int argc, char **argv);
int cmd_release_verify(int argc, char **argv);
int cmd_release_diff(int argc, char **argv);
int cmd_release_show(int argc, char **argv);

#endif
