/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/artifact.h"

#include "host/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 0x40000

int cli_artifact_open(struct cli_artifact *a, const char *path)
{
	struct stat st;
	const char *slash = strrchr(path, '/');
	*a = (struct cli_artifact){ .path = path, .name = ch_span_str(slash != NULL ? slash + 1 : path), .fd = -1 };
	a->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (a->fd < 0 || fstat(a->fd, &st) != 0) {
		cli_say("%s: %s", path, strerror(errno));
		return CLI_IO;
	}
	if (!S_ISREG(st.st_mode)) {
		cli_say("%s: it is no regular file", path);
		return CLI_IO;
	}
	return -1;
}

/* Fills `to` unless the file ends before. */
static ssize_t read_piece(int fd, uint8_t *to, size_t cap)
{
	size_t n = 0;
	while (n < cap) {
		ssize_t got = read(fd, to + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int read_all(struct cli_artifact *a, uint8_t *piece, bool (*take)(void *ctx, struct ch_span piece), void *ctx)
{
	struct ch_hash h;
	struct ch_digest d;
	ssize_t n = 0;
	if (ch_hash_init(&h, CH_HASH_SHA256) != CH_OK) {
		cli_say("SHA-256 cannot be computed");
		return CLI_IO;
	}
	while ((n = read_piece(a->fd, piece, PIECE)) > 0 && a->size <= CH_ARTIFACT_MAX) {
		if (a->size == 0)
			a->seems = ch_artifact_kind_of(
				ch_span(piece, n < CLI_ARTIFACT_HEAD ? (size_t)n : CLI_ARTIFACT_HEAD));
		ch_hash_update(&h, ch_span(piece, (size_t)n));
		a->size += (uint64_t)n;
		if (take != NULL && !take(ctx, ch_span(piece, (size_t)n)))
			return CLI_IO;
	}
	if (n < 0) {
		cli_say("%s: %s", a->path, strerror(errno));
		return CLI_IO;
	}
	if (a->size == 0 || a->size > CH_ARTIFACT_MAX) {
		cli_say("%s: an artefact has 1 byte to 1 TiB", a->path);
		return CLI_FAILS;
	}
	ch_hash_final(&h, &d);
	(void)ch_span_copy(a->sha256, sizeof(a->sha256), ch_digest_span(&d));
	return -1;
}

int cli_artifact_copy(struct cli_artifact *a, bool (*take)(void *ctx, struct ch_span piece), void *ctx)
{
	CH_AUTO_FREE uint8_t *piece = ch_calloc(PIECE, 1);
	return read_all(a, piece, take, ctx);
}

int cli_artifact_read(struct cli_artifact *a)
{
	return cli_artifact_copy(a, NULL, NULL);
}

void cli_artifact_close(struct cli_artifact *a)
{
	if (a->fd >= 0)
		(void)close(a->fd);
	a->fd = -1;
}
