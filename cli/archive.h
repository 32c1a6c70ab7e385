/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_ARCHIVE_H
#define CH_CLI_ARCHIVE_H

#include "cli/cmd.h"
#include "core/update/archive.h"

/*
 * Archives as files (core/update/archive.h), read where they lie: first the index, then by its order whatever is asked for. Every byte that
 * is given out was hashed, or is refused at the end of its file.
 */

struct cli_archive {
	const char *path;
	int fd;
	struct ch_archive a;
	struct ch_archive_file *file;
	uint64_t *at;        /* where each file's header begins */
	uint64_t signatures; /* where that of the signatures begins */
	struct ch_buf note;  /* index and signatures */
	uint8_t sha256[32];  /* of the index alone: it stands for all content */
};

/* Opens the file. -1 to go on; cli_archive_close in any case. */
int cli_archive_open(struct cli_archive *c, const char *path);
/* Reads index, signatures and the end, and nothing between them; works confined. -1 to go on. */
int cli_archive_read(struct cli_archive *c);
void cli_archive_close(struct cli_archive *c);

/* Gives file `i` piece by piece to `take` (NULL: nobody), false from which ends with CLI_IO. -1 if it is what the index says. */
int cli_archive_stream(struct cli_archive *c, size_t i, bool (*take)(void *ctx, struct ch_span piece), void *ctx);
/* File `i` whole, at most `max` bytes, in place of what `b` has. -1 to go on. */
int cli_archive_load(struct cli_archive *c, size_t i, size_t max, struct ch_buf *b);

#endif
