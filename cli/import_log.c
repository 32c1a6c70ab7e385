/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import.h"

#include "core/trust/tile.h"

/* The transparency log in an archive: its entries lead to the signed root, and its tiles are those of these entries. */

struct log {
	struct import *m;
	struct ch_checkpoint head, seen;
	struct ch_frontier tree;
	struct ch_buf bundle, hashes, below;
	size_t tiles; /* that were looked at */
};

static const struct ch_archive_file *tile_file(const struct import *m, const struct ch_tile *t)
{
	uint8_t path[CH_TILE_PATH_MAX];
	struct ch_wr w = ch_wr(path, sizeof(path));
	ch_tile_path_put(&w, t);
	return import_find(m, "log/", ch_wr_span(&w), "");
}

/* The one tile of this place that a tree of the head's size has. */
static int load(struct log *l, bool entries, uint8_t level, uint64_t index, struct ch_buf *to)
{
	const struct ch_tile t = {
		.entries = entries, .level = level, .index = index, .width = ch_tile_width(l->head.size, level, index)
	};
	const struct ch_archive_file *f = tile_file(l->m, &t);
	if (f == NULL) {
		cli_say("%s: a tile of the log is not in the archive: level %u, number %llu", l->m->archive.path,
			(unsigned)level, (unsigned long long)index);
		return CLI_FAILS;
	}
	if (!entries && f->size != (uint64_t)t.width * CH_MERKLE_HASH)
		return import_refused(l->m, f, "a tile is longer or shorter than its name says");
	return cli_archive_load(&l->m->archive, (size_t)(f - l->m->archive.a.file),
				entries ? CH_BUNDLE_MAX : CH_TILE_BYTES, to);
}

static int differs(const struct log *l, const char *what)
{
	cli_say("%s: the log: %s", l->m->archive.path, what);
	return CLI_FAILS;
}

static struct ch_span hash_at(const struct ch_buf *tile, size_t i)
{
	return ch_span_sub(ch_buf_span(tile), i * CH_MERKLE_HASH, CH_MERKLE_HASH);
}

/* What was seen is the beginning of this log. */
static int check_seen(const struct log *l)
{
	struct ch_tree_hash root;
	if (l->tree.size != l->seen.size || l->seen.size == 0)
		return -1;
	if (ch_frontier_root(&l->tree, &root) == CH_OK && ch_tree_hash_eq(&root, &l->seen.root))
		return -1;
	return differs(l, "it is FORKED: it does not extend the checkpoint that was seen last");
}

static int check_bundle(struct log *l, uint64_t index)
{
	struct ch_span entry;
	size_t n = 0, want = ch_tile_width(l->head.size, 0, index);
	int code = load(l, true, 0, index, &l->bundle);
	if (code < 0)
		code = load(l, false, 0, index, &l->hashes);
	struct ch_rd r = ch_rd(ch_buf_span(&l->bundle));
	for (; code < 0 && n < want && ch_bundle_next(&r, &entry); n++) {
		struct ch_tree_hash leaf;
		if (ch_merkle_leaf(&leaf, entry) != CH_OK || ch_frontier_append(&l->tree, &leaf) != CH_OK)
			return differs(l, "a hash cannot be computed");
		if (!ch_span_eq(ch_tree_hash_span(&leaf), hash_at(&l->hashes, n)))
			return differs(l, "a tile does not have the hash of its entry");
		code = check_seen(l);
	}
	if (code < 0 && (n != want || !ch_rd_done(&r)))
		code = differs(l, "a bundle has more or fewer entries than its name says");
	return code;
}

/* The root of a full tile, computed as a tree of its own. */
static bool tile_root(const struct ch_buf *tile, struct ch_tree_hash *root)
{
	struct ch_frontier f = { 0 };
	for (size_t i = 0; i < CH_BUNDLE_ENTRIES; i++) {
		struct ch_tree_hash h;
		(void)ch_span_copy(h.b, sizeof(h.b), hash_at(tile, i));
		if (ch_frontier_append(&f, &h) != CH_OK)
			return false;
	}
	return ch_frontier_root(&f, root) == CH_OK;
}

/* Each hash of it is the root of the full tile below. */
static int check_tile(struct log *l, uint8_t level, uint64_t index)
{
	int code = load(l, false, level, index, &l->hashes);
	for (size_t i = 0; code < 0 && i < ch_tile_width(l->head.size, level, index); i++) {
		struct ch_tree_hash root;
		code = load(l, false, (uint8_t)(level - 1), index * CH_BUNDLE_ENTRIES + i, &l->below);
		if (code < 0 &&
		    (!tile_root(&l->below, &root) || !ch_span_eq(ch_tree_hash_span(&root), hash_at(&l->hashes, i))))
			code = differs(l, "a tile does not have the root of the tile below it");
	}
	return code;
}

static int check_tiles(struct log *l)
{
	int code = -1;
	for (uint8_t level = 0; code < 0 && level <= CH_TILE_LEVEL_MAX; level++) {
		uint64_t hashes = ch_tile_hashes(l->head.size, level);
		for (uint64_t i = 0; code < 0 && i * CH_BUNDLE_ENTRIES < hashes; i++) {
			code = level == 0 ? check_bundle(l, i) : check_tile(l, level, i);
			l->tiles += level == 0 ? 2 : 1;
		}
	}
	return code;
}

static int open_head(struct log *l, const struct ch_archive_file *f, struct ch_buf *note)
{
	const struct ch_fleet_root *r = &l->m->root->r;
	struct ch_diag d;
	int code = cli_archive_load(&l->m->archive, (size_t)(f - l->m->archive.a.file), CH_NOTE_MAX, note);
	for (size_t i = 0; code < 0 && i < r->log_count; i++) {
		struct ch_verify_key vk;
		const struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(r->log[i].pub) };
		if (ch_verify_key_init(&vk, &pub) != CH_OK)
			continue;
		enum ch_err err = ch_checkpoint_open(&l->head, ch_buf_span(note), &r->log[i], &vk, &d);
		ch_verify_key_clear(&vk);
		if (err == CH_OK)
			return -1;
	}
	return code < 0 ? import_refused(l->m, f, "no log that is trusted signed it") : code;
}

static int open_seen(struct log *l)
{
	struct ch_note note;
	struct ch_diag d;
	if (l->m->seen.n == 0)
		return -1;
	enum ch_err err = ch_note_parse(&note, ch_buf_span(&l->m->seen), &d);
	if (err == CH_OK)
		err = ch_checkpoint_parse(&l->seen, note.text, &d);
	if (err != CH_OK)
		return cli_refused(l->m->seen_path, NULL, err, &d);
	if (!ch_span_eq(l->seen.origin, l->head.origin))
		return differs(l, "it is another one than the checkpoint that was seen last is of");
	return l->head.size < l->seen.size ? differs(l, "it has fewer entries than were seen") : -1;
}

static size_t count_tiles(const struct import *m)
{
	size_t count = 0;
	for (size_t i = 0; i < m->archive.a.count; i++) {
		struct ch_archive_path p;
		count += ch_archive_path_parse(&p, m->archive.a.file[i].path) == CH_OK && p.kind == CH_ARCHIVE_TILE;
	}
	return count;
}

int import_log(struct import *m)
{
	static struct log l;
	struct ch_tree_hash root;
	CH_AUTO_BUF struct ch_buf note = { 0 };
	const struct ch_archive_file *f = import_find(m, "log/checkpoint", CH_SPAN_EMPTY, "");
	l = (struct log){ .m = m };
	if (f == NULL)
		return count_tiles(m) == 0 ? -1 : differs(&l, "there are tiles and no checkpoint");
	int code = open_head(&l, f, &note);
	if (code < 0)
		code = open_seen(&l);
	if (code < 0)
		code = check_tiles(&l);
	if (code < 0 && (ch_frontier_root(&l.tree, &root) != CH_OK || !ch_tree_hash_eq(&root, &l.head.root)))
		code = differs(&l, "its entries do not have the root that was signed");
	if (code < 0 && l.tiles != count_tiles(m))
		code = differs(&l, "there are tiles that a log of this size does not have");
	if (code < 0 && !m->quiet) {
		struct ch_wr *w = cli_out();
		cli_put(w, CLI_GOOD, "holds ");
		ch_wr_str(w, " log of ");
		ch_wr_dec(w, l.head.size);
		ch_wr_str(w, l.seen.size > 0 ? " entries; extends what was seen\n" : " entries\n");
	}
	ch_buf_free(&l.bundle);
	ch_buf_free(&l.hashes);
	ch_buf_free(&l.below);
	return code;
}
