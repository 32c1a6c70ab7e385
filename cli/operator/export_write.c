/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/export.h"

#include "cli/operator/note_sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes archives: header, content, zeros; and their signatures, which are the last entry, so that one more is a new end. */

struct out {
	const char *path;
	int fd;
	uint8_t block[CH_USTAR_BLOCK];
};

static bool put(void *ctx, struct ch_span s)
{
	struct out *o = ctx;
	while (s.n > 0) {
		ssize_t n = write(o->fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			cli_say("%s: %s", o->path, strerror(errno));
			return false;
		}
		s = ch_span_sub(s, (size_t)n, s.n - (size_t)n);
	}
	return true;
}

static bool put_header(struct out *o, struct ch_span name, uint64_t size)
{
	struct ch_wr w = ch_wr(o->block, sizeof(o->block));
	ch_ustar_put(&w, name, size);
	return !w.bad && put(o, ch_wr_span(&w));
}

static bool put_zeros(struct out *o, size_t n)
{
	static const uint8_t zeros[2 * CH_USTAR_BLOCK];
	return put(o, ch_span(zeros, n));
}

static bool put_file(struct out *o, struct ch_span name, struct ch_span bytes)
{
	return put_header(o, name, bytes.n) && put(o, bytes) && put_zeros(o, ch_ustar_padding(bytes.n));
}

/* The last entry, and the end. */
static bool put_end(struct out *o, struct ch_span signatures)
{
	return put_file(o, ch_span_str(CH_ARCHIVE_SIGNATURES), signatures) && put_zeros(o, 2 * CH_USTAR_BLOCK);
}

/* A source is read again; if it is no longer what the index says, there is no archive. */
static int put_source(struct out *o, const struct export_item *i)
{
	struct cli_artifact a;
	int code = cli_artifact_open(&a, i->source);
	if (code < 0 && !put_header(o, ch_span_str(i->name), i->size))
		code = CLI_IO;
	if (code < 0)
		code = cli_artifact_copy(&a, put, o);
	cli_artifact_close(&a);
	if (code < 0 && (a.size != i->size || !ch_span_eq(CH_SPAN_OF(a.sha256), CH_SPAN_OF(i->sha256)))) {
		cli_say("%s: it changed meanwhile", i->source);
		code = CLI_FAILS;
	}
	return code < 0 && !put_zeros(o, ch_ustar_padding(i->size)) ? CLI_IO : code;
}

static int order(const void *a, const void *b)
{
	const struct export_item *x = a, *y = b;
	return ch_archive_path_order(ch_span_str(x->name), ch_span_str(y->name));
}

/* The index, and read again: what an importer would refuse is said here. */
static int put_index(struct export *x, struct ch_buf *index)
{
	struct ch_diag d;
	struct ch_archive again;
	CH_AUTO_FREE struct ch_archive_file *file = ch_calloc(CH_ARCHIVE_FILES_MAX, sizeof(*file));
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(CH_ARCHIVE_NODES_MAX, sizeof(*node));
	struct ch_wr w = ch_wr(ch_buf_room(index, CH_ARCHIVE_INDEX_MAX + 1), CH_ARCHIVE_INDEX_MAX + 1);
	for (size_t i = 0; i < x->count; i++) {
		file[i] = (struct ch_archive_file){ .path = ch_span_str(x->item[i].name), .size = x->item[i].size };
		(void)ch_span_copy(file[i].sha256, sizeof(file[i].sha256), CH_SPAN_OF(x->item[i].sha256));
	}
	x->a.file = file;
	x->a.count = x->count;
	enum ch_err err = ch_archive_put(&w, &x->a);
	ch_wr_u8(&w, '\n');
	x->a.file = NULL;
	if (err != CH_OK || w.bad) {
		cli_say("the index is longer than it may be");
		return CLI_FAILS;
	}
	index->n = w.len;
	err = ch_archive_parse(&again, ch_buf_span(index), file, node, &d);
	return err == CH_OK ? -1 : cli_refused("the index", NULL, err, &d);
}

static int write_all(struct export *x, struct out *o, struct ch_span index)
{
	if (!put_file(o, ch_span_str(CH_ARCHIVE_INDEX), index))
		return CLI_IO;
	int code = -1;
	for (size_t i = 0; code < 0 && i < x->count; i++) {
		const struct export_item *e = &x->item[i];
		if (e->source != NULL)
			code = put_source(o, e);
		else if (!put_file(o, ch_span_str(e->name), ch_buf_span(&e->bytes)))
			code = CLI_IO;
	}
	if (code < 0 && (!put_end(o, CH_SPAN_EMPTY) || fsync(o->fd) != 0))
		code = CLI_IO;
	return code;
}

int export_write(struct export *x, const char *path)
{
	struct out o = { .path = path };
	CH_AUTO_BUF struct ch_buf index = { 0 };
	qsort(x->item, x->count, sizeof(*x->item), order);
	int code = put_index(x, &index);
	if (code >= 0)
		return code;
	o.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (o.fd < 0) {
		cli_say("%s: %s", path, strerror(errno));
		return CLI_IO;
	}
	code = write_all(x, &o, ch_buf_span(&index));
	if (close(o.fd) != 0 && code < 0) {
		cli_say("%s: %s", path, strerror(errno));
		code = CLI_IO;
	}
	/* Half an archive is none. */
	if (code >= 0)
		(void)unlink(path);
	return code;
}

static int replace_end(const struct cli_archive *c, struct ch_span signatures)
{
	struct out o = { .path = c->path, .fd = open(c->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW) };
	bool good = o.fd >= 0 && lseek(o.fd, (off_t)c->signatures, SEEK_SET) >= 0 && put_end(&o, signatures) &&
		    ftruncate(o.fd, lseek(o.fd, 0, SEEK_CUR)) == 0 && fsync(o.fd) == 0;
	if (!good)
		cli_say("%s: %s", c->path, strerror(errno));
	if (o.fd >= 0)
		(void)close(o.fd);
	return good ? -1 : CLI_IO;
}

int export_sign(const char *path, const char *key_name, const char *passphrase)
{
	struct cli_archive c;
	struct op_signer key = { .name = key_name };
	struct ch_root_key pub;
	CH_AUTO_BUF struct ch_buf lines = { 0 };
	int code = cli_archive_open(&c, path);
	if (code < 0)
		code = cli_archive_read(&c);
	if (code < 0)
		code = op_signer_open(&key, key_name, passphrase);
	if (code < 0)
		code = op_note_key(&key, &pub);
	if (code < 0) {
		ch_buf_append(&lines, c.a.note.signatures);
		code = op_note_line(&key, &pub, path, &c.a.note, &lines);
	}
	if (code < 0)
		code = replace_end(&c, ch_buf_span(&lines));
	op_signer_clear(&key);
	cli_archive_close(&c);
	return code;
}
