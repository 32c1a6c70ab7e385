/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ostree.h"

#include "core/base/rd.h"
#include "core/update/archive.h"

#define CLAUSE " (OSTree object, GVariant)"

#define MODE_TYPE 0170000u
#define MODE_FILE 0100000u
#define MODE_LINK 0120000u

/* --- GVariant (GVariant specification, 2.5): containers whose framing offsets stand at their end, little-endian --- */

static size_t offset_bytes(uint64_t n)
{
	return n <= 0xff ? 1 : n <= 0xffff ? 2 : n <= 0xffffffff ? 4 : 8;
}

/* The framing offset that begins at `at`. */
static size_t offset_at(struct ch_span in, size_t at)
{
	uint64_t v = 0;
	for (size_t i = offset_bytes(in.n); i > 0; i--)
		v = v << 8 | in.p[at + i - 1];
	return v <= in.n ? (size_t)v : in.n + 1;
}

/* A tuple that is read member by member. `ends` offsets follow it, the first member's last. */
struct tuple {
	struct ch_span in;
	size_t at;      /* end of the member before */
	size_t body;    /* where the offsets begin */
	size_t offsets; /* read so far */
	bool bad;
};

static struct tuple tuple_of(struct ch_span in, size_t ends)
{
	size_t table = in.n == 0 ? 0 : ends * offset_bytes(in.n);
	return (struct tuple){ .in = in,
			       .body = in.n - (table < in.n ? table : in.n),
			       .bad = in.n == 0 || in.n < table };
}

static void align(struct tuple *t, size_t to)
{
	for (; !t->bad && t->at % to != 0; t->at++) {
		if (t->at >= t->body || t->in.p[t->at] != 0)
			t->bad = true;
	}
}

static struct ch_span take_to(struct tuple *t, size_t end)
{
	if (t->bad || end < t->at || end > t->body) {
		t->bad = true;
		return CH_SPAN_EMPTY;
	}
	struct ch_span s = ch_span(t->in.p + t->at, end - t->at);
	t->at = end;
	return s;
}

/* The next member, which has an offset. */
static struct ch_span take_framed(struct tuple *t)
{
	if (t->bad)
		return CH_SPAN_EMPTY;
	return take_to(t, offset_at(t->in, t->in.n - ++t->offsets * offset_bytes(t->in.n)));
}

static struct ch_span take_last(struct tuple *t)
{
	return take_to(t, t->body);
}

static uint64_t take_be(struct tuple *t, size_t n)
{
	align(t, n);
	struct ch_rd r = ch_rd(take_to(t, t->at + n));
	return n == 4 ? ch_rd_be32(&r) : ch_rd_be64(&r);
}

static struct ch_span take_string(struct tuple *t)
{
	struct ch_span s = take_framed(t);
	if (s.n == 0 || s.p[s.n - 1] != 0) {
		t->bad = true;
		return CH_SPAN_EMPTY;
	}
	s.n--;
	for (size_t i = 0; i < s.n; i++)
		t->bad = t->bad || s.p[i] == 0;
	return s;
}

static void take_id(struct tuple *t, struct ch_span s, uint8_t id[static 32])
{
	if (s.n != 32)
		t->bad = true;
	else
		(void)ch_span_copy(id, 32, s);
}

/* An array of members of any size: where its table of ends begins, and how many there are. */
static bool array_of(struct ch_span in, size_t *table, size_t *count)
{
	*table = *count = 0;
	if (in.n == 0)
		return true;
	size_t width = offset_bytes(in.n);
	if (in.n < width)
		return false;
	*table = offset_at(in, in.n - width);
	if (*table >= in.n || (in.n - *table) % width != 0)
		return false;
	*count = (in.n - *table) / width;
	return true;
}

static struct ch_span array_get(struct ch_span in, size_t table, size_t i)
{
	size_t width = offset_bytes(in.n);
	size_t from = i == 0 ? 0 : offset_at(in, table + (i - 1) * width), to = offset_at(in, table + i * width);
	return from <= to && to <= table ? ch_span(in.p + from, to - from) : CH_SPAN_EMPTY;
}

/* --- names --- */

void ch_ostree_path_put(struct ch_wr *w, enum ch_ostree_type type, const uint8_t id[static 32])
{
#define CH_OSTREE_TEXT(name, text) text,
	static const char *const text[] = { CH_OSTREE_TYPES(CH_OSTREE_TEXT) };
#undef CH_OSTREE_TEXT
	ch_wr_str(w, "objects/");
	ch_wr_hex(w, ch_span(id, 1));
	ch_wr_str(w, "/");
	ch_wr_hex(w, ch_span(id + 1, 31));
	ch_wr_str(w, ".");
	ch_wr_str(w, text[type]);
}

static bool name_valid(struct ch_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '/')
			return false;
	}
	return s.n > 0 && !ch_span_eq(s, CH_SPAN_LIT(".")) && !ch_span_eq(s, CH_SPAN_LIT(".."));
}

/* --- commit: (a{sv} ay a(say) s s t ay ay) --- */

enum ch_err ch_ostree_commit_parse(struct ch_ostree_commit *c, struct ch_span in, struct ch_diag *d)
{
	struct ch_ostree_commit all = { .time = 0 };
	struct tuple t = tuple_of(in, 6);
	ch_diag_clear(d);
	*c = all;
	(void)take_framed(&t); /* metadata */
	all.parent = take_framed(&t);
	(void)take_framed(&t); /* related objects */
	all.subject = take_string(&t);
	(void)take_string(&t); /* body */
	all.time = take_be(&t, 8);
	take_id(&t, take_framed(&t), all.tree);
	take_id(&t, take_last(&t), all.meta);
	if (t.bad || (all.parent.n != 0 && all.parent.n != 32))
		return ch_fail(d, CH_ERR_MALFORMED, t.at < in.n ? t.at : 0, "no commit" CLAUSE);
	*c = all;
	return CH_OK;
}

/* --- dirtree: (a(say) a(sayay)) --- */

static bool entry_parse(struct ch_ostree_entry *e, struct ch_span in, bool folder)
{
	struct tuple t = tuple_of(in, folder ? 2 : 1);
	*e = (struct ch_ostree_entry){ .folder = folder, .name = take_string(&t) };
	take_id(&t, folder ? take_framed(&t) : take_last(&t), e->id);
	if (folder)
		take_id(&t, take_last(&t), e->meta);
	return !t.bad && name_valid(e->name);
}

/* Members touch each other, names are in order, none is there twice. */
static bool entries_valid(struct ch_span in, bool folder, size_t *count)
{
	size_t table, end = 0;
	struct ch_ostree_entry e;
	struct ch_span last = CH_SPAN_EMPTY;
	if (!array_of(in, &table, count))
		return false;
	for (size_t i = 0; i < *count; i++) {
		struct ch_span one = array_get(in, table, i);
		end += one.n;
		if (one.n == 0 || !entry_parse(&e, one, folder) || (i > 0 && ch_archive_path_order(last, e.name) >= 0))
			return false;
		last = e.name;
	}
	return end == table;
}

enum ch_err ch_ostree_tree_parse(struct ch_ostree_tree *tree, struct ch_span in, struct ch_diag *d)
{
	struct ch_ostree_tree all = { .file_count = 0 };
	struct tuple t = tuple_of(in, 1);
	ch_diag_clear(d);
	*tree = all;
	all.files = take_framed(&t);
	all.folders = take_last(&t);
	if (t.bad || !entries_valid(all.files, false, &all.file_count) ||
	    !entries_valid(all.folders, true, &all.folder_count))
		return ch_fail(d, CH_ERR_MALFORMED, 0, "no dirtree, or names that are not in order" CLAUSE);
	*tree = all;
	return CH_OK;
}

bool ch_ostree_tree_entry(const struct ch_ostree_tree *t, size_t i, struct ch_ostree_entry *e)
{
	size_t table, count;
	bool folder = i >= t->file_count;
	struct ch_span in = folder ? t->folders : t->files;
	i -= folder ? t->file_count : 0;
	return array_of(in, &table, &count) && i < count && entry_parse(e, array_get(in, table, i), folder);
}

/* --- filez: length, padding, (t u u u u s a(ayay)), deflated content --- */

enum ch_err ch_ostree_file_parse(struct ch_ostree_file *f, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	struct ch_ostree_file all = { .size = 0 };
	ch_diag_clear(d);
	*f = all;
	uint32_t n = ch_rd_be32(&r), zero = ch_rd_be32(&r);
	struct tuple t = tuple_of(ch_rd_take(&r, n), 1);
	all.deflated = ch_rd_rest(&r);
	all.size = take_be(&t, 8);
	all.uid = (uint32_t)take_be(&t, 4);
	all.gid = (uint32_t)take_be(&t, 4);
	all.mode = (uint32_t)take_be(&t, 4);
	uint32_t device = (uint32_t)take_be(&t, 4);
	all.link = take_string(&t);
	all.xattrs = take_last(&t);
	if (r.bad || zero != 0 || t.bad || device != 0)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "no file header" CLAUSE);
	bool link = (all.mode & MODE_TYPE) == MODE_LINK;
	if (!link && (all.mode & MODE_TYPE) != MODE_FILE)
		return ch_fail(d, CH_ERR_MALFORMED, 24, "neither a regular file nor a symbolic link" CLAUSE);
	if (link != (all.link.n > 0) || (link && (all.size != 0 || all.deflated.n != 0)))
		return ch_fail(d, CH_ERR_MALFORMED, 32, "a symbolic link has a target and no content" CLAUSE);
	*f = all;
	return CH_OK;
}

/* The header without the size, which is what is hashed: (u u u u s a(ayay)). */
enum ch_err ch_ostree_file_hash(const struct ch_ostree_file *f, struct ch_hash *h)
{
	uint8_t head[24], end[8];
	struct ch_wr w = ch_wr(head, sizeof(head)), e = ch_wr(end, sizeof(end));
	uint64_t link_end = 16 + (uint64_t)f->link.n + 1, body = link_end + f->xattrs.n;
	size_t width = 1;
	while (width < 8 && body + width > (width == 1 ? 0xffu : width == 2 ? 0xffffu : 0xffffffffu))
		width *= 2;
	ch_wr_be32(&w, (uint32_t)(body + width));
	ch_wr_be32(&w, 0);
	ch_wr_be32(&w, f->uid);
	ch_wr_be32(&w, f->gid);
	ch_wr_be32(&w, f->mode);
	ch_wr_be32(&w, 0);
	for (size_t i = 0; i < width; i++)
		ch_wr_u8(&e, (uint8_t)(link_end >> (8 * i)));
	enum ch_err err = ch_hash_init(h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	ch_hash_update(h, ch_wr_span(&w));
	ch_hash_update(h, f->link);
	ch_hash_update(h, CH_SPAN_LIT("\0"));
	ch_hash_update(h, f->xattrs);
	ch_hash_update(h, ch_wr_span(&e));
	return CH_OK;
}
