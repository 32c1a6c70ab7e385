/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_IMPORT_H
#define CH_CLI_IMPORT_H

#include "cli/archive.h"
#include "cli/fleet_root.h"
#include "cli/reference.h"
#include "cli/release.h"

/* chainhold import --check: an archive is verified, confined; chainhold-operator runs it before it puts anything in place. */

struct import {
	struct cli_archive archive;
	struct cli_root roots[2]; /* the first is the one that is trusted */
	struct cli_root *root;    /* the newest that it leads to */
	uint64_t trusted_version;
	struct ch_buf trusted;
	struct ch_span trusted_text;
	struct ch_buf seen; /* the checkpoint that was seen last; may be empty */
	const char *seen_path;
	uint64_t time;
	bool has_index; /* the index must have this SHA-256 */
	uint8_t index[32];
	bool *named; /* artefacts and proofs that a release vouches for */
	bool quiet;
};

/* All of it. -1 if everything holds, else an exit code after a message. */
int import_check(struct import *m);
/* The log: every entry, every tile, and that it extends the one that was seen. -1 to go on, also without a log. */
int import_log(struct import *m);
/* Reference values compile. -1 to go on. */
int import_reference(struct import *m, const struct ch_archive_file *f, struct ch_span text);

/* The file of this name; NULL if there is none. */
const struct ch_archive_file *import_find(const struct import *m, const char *prefix, struct ch_span middle,
					  const char *suffix);
int import_refused(const struct import *m, const struct ch_archive_file *f, const char *rule);

int cmd_import(int argc, char **argv);

#endif
