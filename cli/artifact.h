/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_ARTIFACT_H
#define CH_CLI_ARTIFACT_H

#include "cli/cmd.h"
#include "core/update/release.h"

/* Artefacts as files: they may be larger than memory, so they are read once, piece by piece. */

#define CLI_ARTIFACT_HEAD 65536

struct cli_artifact {
	const char *path;
	struct ch_span name;         /* the last part of the path */
	int fd;                      /* after _open; -1 otherwise */
	uint64_t size;               /* after _read */
	uint8_t sha256[32];          /* likewise */
	enum ch_artifact_kind seems; /* likewise: what its first bytes look like */
};

/* Opens a regular file. -1 to go on, CLI_IO after a message. */
int cli_artifact_open(struct cli_artifact *a, const char *path);
/* Reads it whole, from where it is: works confined. An empty file, and one over CH_ARTIFACT_MAX, is refused. -1 to go on. */
int cli_artifact_read(struct cli_artifact *a);
/* The same, and gives every piece to `take`, false from which ends with CLI_IO. */
int cli_artifact_copy(struct cli_artifact *a, bool (*take)(void *ctx, struct ch_span piece), void *ctx);
void cli_artifact_close(struct cli_artifact *a);

#endif
