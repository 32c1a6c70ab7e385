/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ostree_pack.h"

#include "core/base/rd.h"
#include "core/base/text.h"
#include "core/update/archive.h"

#define PATH_ROOM (CH_OSTREE_RECORD - 16)
#define END_BYTES 1024 /* POSIX.1-2017, pax: two blocks of zeros */
#define CLAUSE    " (OSTree pack)"

static void put_zeros(struct ch_wr *w, size_t until)
{
	while (!w->bad && w->len < until)
		ch_wr_u8(w, 0);
}

/* --- records --- */

void ch_ostree_head_put(struct ch_wr *w, const uint8_t commit[static 32], uint64_t count)
{
	uint8_t b[CH_OSTREE_RECORD];
	struct ch_wr r = ch_wr(b, sizeof(b));
	ch_wr_str(&r, CH_OSTREE_PACK_TYPE);
	put_zeros(&r, 32);
	ch_wr_put(&r, ch_span(commit, 32));
	ch_wr_be64(&r, count);
	put_zeros(&r, sizeof(b));
	ch_wr_put(w, CH_SPAN_OF(b));
}

void ch_ostree_place_put(struct ch_wr *w, const struct ch_ostree_place *p)
{
	uint8_t b[CH_OSTREE_RECORD];
	struct ch_wr r = ch_wr(b, sizeof(b));
	if (p->path.n == 0 || p->path.n > CH_ARCHIVE_PATH_MAX) {
		w->bad = true;
		return;
	}
	ch_wr_put(&r, p->path);
	put_zeros(&r, PATH_ROOM);
	ch_wr_be64(&r, p->off);
	ch_wr_be64(&r, p->size);
	ch_wr_put(w, CH_SPAN_OF(b));
}

enum ch_err ch_ostree_head_parse(struct ch_span record, uint8_t commit[static 32], uint64_t *count)
{
	uint8_t again[CH_OSTREE_RECORD];
	struct ch_wr w = ch_wr(again, sizeof(again));
	struct ch_rd r = ch_rd(record);
	(void)ch_rd_take(&r, 32);
	struct ch_span id = ch_rd_take(&r, 32);
	*count = ch_rd_be64(&r);
	if (!r.bad) {
		(void)ch_span_copy(commit, 32, id);
		ch_ostree_head_put(&w, commit, *count);
	}
	if (!r.bad && *count > 0 && *count <= CH_OSTREE_FILES_MAX && ch_span_eq(ch_wr_span(&w), record))
		return CH_OK;
	static const uint8_t none[32];
	(void)ch_span_copy(commit, 32, CH_SPAN_OF(none));
	*count = 0;
	return CH_ERR_MALFORMED;
}

enum ch_err ch_ostree_place_parse(struct ch_ostree_place *p, struct ch_span record)
{
	uint8_t again[CH_OSTREE_RECORD];
	struct ch_wr w = ch_wr(again, sizeof(again));
	struct ch_rd r = ch_rd(record);
	struct ch_ostree_place all = { .path = ch_rd_take(&r, PATH_ROOM) };
	while (all.path.n > 0 && all.path.p[all.path.n - 1] == 0)
		all.path.n--;
	all.off = ch_rd_be64(&r);
	all.size = ch_rd_be64(&r);
	ch_ostree_place_put(&w, &all);
	*p = (struct ch_ostree_place){ .off = 0 };
	if (r.bad || w.bad || !ch_span_eq(ch_wr_span(&w), record))
		return CH_ERR_MALFORMED;
	*p = all;
	return CH_OK;
}

/* --- one path --- */

enum ch_err ch_ostree_find(const struct ch_ostree_source *s, const uint8_t commit[static 32], struct ch_span path,
			   uint64_t *off, uint64_t *size)
{
	uint8_t record[CH_OSTREE_RECORD], id[32];
	uint64_t count, low = 0, high;
	*off = *size = 0;
	if (s->size < CH_OSTREE_HEAD_AT + CH_OSTREE_RECORD)
		return CH_ERR_MALFORMED;
	if (!s->get(s->ctx, CH_OSTREE_HEAD_AT, record))
		return CH_ERR_IO;
	if (ch_ostree_head_parse(CH_SPAN_OF(record), id, &count) != CH_OK ||
	    !ch_span_eq(CH_SPAN_OF(id), ch_span(commit, 32)) || ch_ostree_pack_body(count) > s->size)
		return CH_ERR_MALFORMED;
	for (high = count; low < high;) {
		struct ch_ostree_place p;
		uint64_t middle = low + (high - low) / 2;
		if (!s->get(s->ctx, CH_OSTREE_HEAD_AT + (1 + middle) * CH_OSTREE_RECORD, record))
			return CH_ERR_IO;
		if (ch_ostree_place_parse(&p, CH_SPAN_OF(record)) != CH_OK || p.off > s->size ||
		    p.size > s->size - p.off)
			return CH_ERR_MALFORMED;
		int o = ch_archive_path_order(path, p.path);
		if (o == 0) {
			*off = p.off;
			*size = p.size;
			return CH_OK;
		}
		if (o < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return CH_ERR_NOTFOUND;
}

/* --- all of it --- */

/* One entry: it is where it has to be, with the header that it has to have. */
static enum ch_err check_entry(struct ch_span file, const struct ch_ostree_place *p, uint64_t *at, struct ch_diag *d)
{
	struct ch_span name;
	uint64_t size;
	if (p->off != *at + CH_USTAR_BLOCK || p->off > file.n || p->size > file.n - p->off)
		return ch_fail(d, CH_ERR_RANGE, (size_t)*at, "a file is not where the index says" CLAUSE);
	struct ch_span block = ch_span_sub(file, (size_t)*at, CH_USTAR_BLOCK);
	if (ch_ustar_parse(block, &name, &size) != CH_OK || !ch_span_eq(name, p->path) || size != p->size)
		return ch_fail(d, CH_ERR_MALFORMED, (size_t)*at, "a header is not as the index says" CLAUSE);
	*at = p->off + p->size;
	struct ch_span pad = ch_span_sub(file, (size_t)*at, ch_ustar_padding(size));
	if (pad.n != ch_ustar_padding(size) || !ch_span_all(pad, 0))
		return ch_fail(d, CH_ERR_MALFORMED, (size_t)*at, "padding is zeros up to a block of 512 bytes" CLAUSE);
	*at += pad.n;
	return CH_OK;
}

static enum ch_err check_files(const struct ch_ostree_pack *p, struct ch_diag *d)
{
	uint64_t at = ch_ostree_pack_body(p->count);
	struct ch_span last = CH_SPAN_EMPTY;
	for (uint64_t i = 0; i < p->count; i++) {
		struct ch_ostree_place place;
		size_t record = CH_OSTREE_HEAD_AT + (size_t)(1 + i) * CH_OSTREE_RECORD;
		if (ch_ostree_place_parse(&place, ch_span_sub(p->file, record, CH_OSTREE_RECORD)) != CH_OK ||
		    (i > 0 && ch_archive_path_order(last, place.path) >= 0))
			return ch_fail(d, CH_ERR_MALFORMED, record, "paths are in order, none is there twice" CLAUSE);
		enum ch_err err = check_entry(p->file, &place, &at, d);
		if (err != CH_OK)
			return err;
		last = place.path;
	}
	struct ch_span end = ch_span_sub(p->file, (size_t)at, p->file.n - (size_t)at);
	if (end.n != END_BYTES || !ch_span_all(end, 0))
		return ch_fail(d, CH_ERR_TRAILING, (size_t)at, "it ends with 1024 zeros" CLAUSE);
	return CH_OK;
}

enum ch_err ch_ostree_pack_parse(struct ch_ostree_pack *p, struct ch_span file, struct ch_diag *d)
{
	struct ch_ostree_pack all = { .file = file };
	struct ch_span name;
	uint64_t size;
	ch_diag_clear(d);
	*p = (struct ch_ostree_pack){ .count = 0 };
	if (ch_ustar_parse(ch_span_sub(file, 0, CH_USTAR_BLOCK), &name, &size) != CH_OK ||
	    !ch_span_eq(name, CH_SPAN_LIT(CH_OSTREE_INDEX)))
		return ch_fail(d, CH_ERR_MALFORMED, 0, "no index: not an OSTree pack");
	if (ch_ostree_head_parse(ch_span_sub(file, CH_OSTREE_HEAD_AT, CH_OSTREE_RECORD), all.commit, &all.count) !=
	    CH_OK)
		return ch_fail(d, CH_ERR_MALFORMED, CH_OSTREE_HEAD_AT, "the head of the index" CLAUSE);
	size_t used = (size_t)(1 + all.count) * CH_OSTREE_RECORD, body = (size_t)ch_ostree_pack_body(all.count);
	struct ch_span pad = ch_span_sub(file, CH_OSTREE_HEAD_AT + used, body - CH_OSTREE_HEAD_AT - used);
	if (size != used || body > file.n || !ch_span_all(pad, 0))
		return ch_fail(d, CH_ERR_MALFORMED, 124, "the index is as long as its files need" CLAUSE);
	enum ch_err err = check_files(&all, d);
	if (err == CH_OK)
		*p = all;
	return err;
}

void ch_ostree_pack_get(const struct ch_ostree_pack *p, uint64_t i, struct ch_span *path, struct ch_span *content)
{
	struct ch_ostree_place place;
	size_t record = CH_OSTREE_HEAD_AT + (size_t)(1 + i) * CH_OSTREE_RECORD;
	*path = *content = CH_SPAN_EMPTY;
	if (ch_ostree_place_parse(&place, ch_span_sub(p->file, record, CH_OSTREE_RECORD)) != CH_OK)
		return;
	*path = place.path;
	*content = ch_span_sub(p->file, (size_t)place.off, (size_t)place.size);
}

static bool get_record(void *ctx, uint64_t off, uint8_t to[static CH_OSTREE_RECORD])
{
	const struct ch_ostree_pack *p = ctx;
	return ch_span_copy(to, CH_OSTREE_RECORD, ch_span_sub(p->file, (size_t)off, CH_OSTREE_RECORD)) ==
	       CH_OSTREE_RECORD;
}

bool ch_ostree_pack_find(const struct ch_ostree_pack *p, struct ch_span path, struct ch_span *content)
{
	struct ch_ostree_pack copy = *p;
	const struct ch_ostree_source s = { get_record, &copy, p->file.n };
	uint64_t off, size;
	*content = CH_SPAN_EMPTY;
	if (ch_ostree_find(&s, p->commit, path, &off, &size) != CH_OK)
		return false;
	*content = ch_span_sub(p->file, (size_t)off, (size_t)size);
	return true;
}

enum ch_err ch_ostree_name_parse(struct ch_span name, uint8_t commit[static 32])
{
	uint8_t again[64];
	struct ch_wr w = ch_wr(again, sizeof(again));
	static const struct ch_span end = CH_SPAN_LIT(".ostree");
	if (name.n != sizeof(again) + end.n || !ch_span_eq(ch_span_sub(name, sizeof(again), end.n), end) ||
	    ch_hex_decode(commit, 32, ch_span_sub(name, 0, sizeof(again))) != CH_OK)
		return CH_ERR_MALFORMED;
	ch_wr_hex(&w, ch_span(commit, 32));
	return ch_span_starts(name, ch_wr_span(&w)) ? CH_OK : CH_ERR_MALFORMED;
}
