/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_REFERENCE_H
#define CH_CLI_REFERENCE_H

#include "cli/cmd.h"
#include "core/boot/reference.h"

int cmd_reference_capture(int argc, char **argv);
int cmd_reference_diff(int argc, char **argv);

/* Reference documents as files: read, parsed, compiled. */
struct cli_reference {
	struct cli_values paths;
	struct ch_buf in[CH_REF_DOCS_MAX];
	struct ch_json doc[CH_REF_DOCS_MAX];
	struct ch_reference ref;
	void *arena;
};

/* Reads the files of `paths`. -1 to go on, else an exit code after a message. */
int cli_reference_read(struct cli_reference *r);
/* Parses and compiles; a refusal names file, line, column and rule. -1 to go on. */
int cli_reference_compile(struct cli_reference *r);
void cli_reference_clear(struct cli_reference *r);

/* What changed from `a` to `b`: lines of a page, or with `j` elements of the array that was begun. Returns their number. */
size_t cli_reference_diff(struct ch_wr *w, struct ch_json_wr *j, const struct ch_reference *a,
			  const struct ch_reference *b);

#endif
