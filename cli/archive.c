/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/archive.h"

#include "core/crypto/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 0x40000

static int refuse(const struct cli_archive *c, const char *rule)
{
	cli_say("%s: %s", c->path, rule);
	return CLI_FAILS;
}

int cli_archive_open(struct cli_archive *c, const char *path)
{
	struct stat st;
	*c = (struct cli_archive){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) };
	if (c->fd < 0 || fstat(c->fd, &st) != 0) {
		cli_say("%s: %s", path, strerror(errno));
		return CLI_IO;
	}
	if (!S_ISREG(st.st_mode)) {
		cli_say("%s: it is no regular file", path);
		return CLI_IO;
	}
	return -1;
}

void cli_archive_close(struct cli_archive *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	ch_free(c->file);
	ch_free(c->at);
	ch_buf_free(&c->note);
	*c = (struct cli_archive){ .fd = -1 };
}

/* Exactly `n` bytes from where the file is. */
static int read_bytes(const struct cli_archive *c, uint8_t *to, size_t n)
{
	for (size_t off = 0; off < n;) {
		ssize_t got = read(c->fd, to + off, n - off);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			cli_say("%s: %s", c->path, strerror(errno));
			return CLI_IO;
		}
		if (got == 0)
			return refuse(c, "it ends early");
		off += (size_t)got;
	}
	return -1;
}

static int seek(const struct cli_archive *c, uint64_t at)
{
	if (at <= INT64_MAX && lseek(c->fd, (off_t)at, SEEK_SET) >= 0)
		return -1;
	cli_say("%s: %s", c->path, strerror(errno));
	return CLI_IO;
}

/* The header of a file of this name, whose size is told. */
static int read_header(const struct cli_archive *c, struct ch_span want, uint64_t *size)
{
	uint8_t block[CH_USTAR_BLOCK];
	struct ch_span name;
	int code = read_bytes(c, block, sizeof(block));
	if (code >= 0)
		return code;
	if (ch_ustar_parse(CH_SPAN_OF(block), &name, size) != CH_OK || !ch_span_eq(name, want))
		return refuse(c, "an entry is not the one that belongs here, or is none of an archive of ours "
				 "(docs/protocol/archive.md)");
	return -1;
}

static int read_padding(const struct cli_archive *c, uint64_t size)
{
	uint8_t zeros[CH_USTAR_BLOCK];
	size_t n = ch_ustar_padding(size);
	int code = read_bytes(c, zeros, n);
	if (code < 0 && !ch_span_all(ch_span(zeros, n), 0))
		code = refuse(c, "what fills up a block is not zero");
	return code;
}

/* A small file: index or signatures. */
static int read_small(struct cli_archive *c, const char *name, size_t max)
{
	uint64_t size = 0;
	int code = read_header(c, ch_span_str(name), &size);
	if (code < 0 && size > max)
		code = refuse(c, "index or signatures are longer than they may be (core/base/limits.h)");
	if (code >= 0)
		return code;
	uint8_t *to = ch_buf_room(&c->note, (size_t)size);
	code = read_bytes(c, to, (size_t)size);
	c->note.n += code < 0 ? (size_t)size : 0;
	return code < 0 ? read_padding(c, size) : code;
}

/* Two blocks of zeros, and the end of the file. */
static int read_end(const struct cli_archive *c)
{
	uint8_t zeros[2 * CH_USTAR_BLOCK], more;
	int code = read_bytes(c, zeros, sizeof(zeros));
	if (code < 0 && (!ch_span_all(CH_SPAN_OF(zeros), 0) || read(c->fd, &more, 1) != 0))
		code = refuse(c, "it does not end with two blocks of zeros");
	return code;
}

static int parse_index(struct cli_archive *c)
{
	struct ch_diag d;
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(CH_ARCHIVE_NODES_MAX, sizeof(*node));
	enum ch_err err = ch_archive_parse(&c->a, ch_buf_span(&c->note), c->file, node, &d);
	return err == CH_OK ? -1 : cli_refused(c->path, NULL, err, &d);
}

int cli_archive_read(struct cli_archive *c)
{
	struct ch_digest index;
	c->file = ch_calloc(CH_ARCHIVE_FILES_MAX, sizeof(*c->file));
	c->at = ch_calloc(CH_ARCHIVE_FILES_MAX, sizeof(*c->at));
	int code = read_small(c, CH_ARCHIVE_INDEX, CH_ARCHIVE_INDEX_MAX + 1);
	size_t n = c->note.n;
	if (code < 0)
		code = parse_index(c);
	if (code >= 0)
		return code;
	if (ch_hash_once(CH_HASH_SHA256, ch_buf_span(&c->note), &index) != CH_OK)
		return refuse(c, "SHA-256 cannot be computed");
	(void)ch_span_copy(c->sha256, sizeof(c->sha256), ch_digest_span(&index));
	uint64_t at = CH_USTAR_BLOCK + n + ch_ustar_padding(n);
	for (size_t i = 0; i < c->a.count; i++) {
		c->at[i] = at;
		at += CH_USTAR_BLOCK + c->a.file[i].size + ch_ustar_padding(c->a.file[i].size);
	}
	c->signatures = at;
	code = seek(c, at);
	if (code < 0)
		code = read_small(c, CH_ARCHIVE_SIGNATURES, CH_ROLE_SIGS_MAX);
	if (code < 0)
		code = read_end(c);
	/* Again, with the signatures, in memory that may have moved: the same text, so the same files. */
	return code < 0 ? parse_index(c) : code;
}

int cli_archive_stream(struct cli_archive *c, size_t i, bool (*take)(void *ctx, struct ch_span piece), void *ctx)
{
	const struct ch_archive_file *f = &c->a.file[i];
	CH_AUTO_FREE uint8_t *piece = ch_calloc(PIECE, 1);
	struct ch_hash h;
	struct ch_digest d;
	uint64_t size = 0;
	if (ch_hash_init(&h, CH_HASH_SHA256) != CH_OK)
		return refuse(c, "SHA-256 cannot be computed");
	int code = seek(c, c->at[i]);
	if (code < 0)
		code = read_header(c, f->path, &size);
	if (code < 0 && size != f->size)
		code = refuse(c, "a file has another size than the index says");
	for (uint64_t left = f->size; code < 0 && left > 0;) {
		size_t n = left < PIECE ? (size_t)left : PIECE;
		code = read_bytes(c, piece, n);
		if (code < 0 && take != NULL && !take(ctx, ch_span(piece, n)))
			code = CLI_IO;
		ch_hash_update(&h, ch_span(piece, n));
		left -= n;
	}
	ch_hash_final(&h, &d);
	if (code < 0 && !ch_span_eq(ch_digest_span(&d), CH_SPAN_OF(f->sha256)))
		code = refuse(c, "a file has another SHA-256 than the index says");
	return code < 0 ? read_padding(c, size) : code;
}

static bool keep(void *ctx, struct ch_span piece)
{
	ch_buf_append(ctx, piece);
	return true;
}

int cli_archive_load(struct cli_archive *c, size_t i, size_t max, struct ch_buf *b)
{
	b->n = 0;
	if (c->a.file[i].size > max) {
		cli_say("%s: %.*s is longer than it may be", c->path, (int)c->a.file[i].path.n,
			(const char *)c->a.file[i].path.p);
		return CLI_FAILS;
	}
	return cli_archive_stream(c, i, keep, b);
}
