/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/restore.h"

#include "core/trust/checkpoint.h"
#include "core/trust/leaf.h"
#include "core/trust/tile.h"
#include "host/base/file.h"
#include "host/store/schema.h"
#include "server/keeper/sql.h"

#include <stdio.h>

#define PATH_MAX_BYTES 4096

static enum ch_err mirror_read(struct ch_buf *b, const char *dir, const char *name)
{
	char path[PATH_MAX_BYTES];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	return n > 0 && (size_t)n < sizeof(path) ? ch_file_read(b, path) : CH_ERR_RANGE;
}

/* Size and root of the mirror's checkpoint. */
static enum ch_err head_read(const char *dir, uint64_t *size, struct ch_tree_hash *root)
{
	CH_AUTO_BUF struct ch_buf file = { 0 };
	struct ch_note note;
	struct ch_checkpoint c;
	enum ch_err err = mirror_read(&file, dir, "checkpoint");
	if (err == CH_OK)
		err = ch_note_parse(&note, ch_buf_span(&file), NULL);
	if (err == CH_OK)
		err = ch_checkpoint_parse(&c, note.text, NULL);
	if (err != CH_OK)
		return err;
	*size = c.size;
	*root = c.root;
	return CH_OK;
}

/* The tree of what the store has. */
static enum ch_err tree_load(struct ch_store *st, struct ch_frontier *f)
{
	enum ch_err err = CH_OK;
	*f = (struct ch_frontier){ 0 };
	struct ch_query q =
		ch_sql_query(st, CH_SQL_LEAF_HASHES, CH_ARGS(ch_int(CH_TENANT_DEFAULT), ch_int(0), ch_int(INT64_MAX)));
	while (err == CH_OK && ch_sql_next(&q)) {
		struct ch_tree_hash h;
		err = ch_sql_copy(&q, 0, h.b, sizeof(h.b)) ? ch_frontier_append(f, &h) : CH_ERR_MALFORMED;
	}
	enum ch_err end = ch_sql_end(&q);
	return end != CH_OK ? end : err;
}

static enum ch_err entry_add(struct ch_store *st, struct ch_frontier *f, struct ch_span entry, struct ch_restored *out)
{
	struct ch_tree_hash h;
	struct ch_leaf leaf = { 0 };
	enum ch_err err = ch_merkle_leaf(&h, entry);
	if (err != CH_OK)
		return err;
	/* A leaf of a later version is an entry like any other; its meaning is with whoever has its record. */
	if (ch_leaf_parse(&leaf, entry, NULL) != CH_OK)
		leaf = (struct ch_leaf){ 0 };
	out->type[(size_t)leaf.type < CH_COUNT_OF(out->type) ? (size_t)leaf.type : 0]++;
	ch_sql_do(st, CH_SQL_LEAF_ADD,
		  CH_ARGS(ch_int(CH_TENANT_DEFAULT), ch_int((int64_t)f->size), ch_int((int64_t)leaf.type),
			  ch_int((int64_t)leaf.time), ch_int(0), ch_null(), ch_null(), ch_bytes(entry),
			  ch_bytes(ch_tree_hash_span(&h))));
	err = ch_frontier_append(f, &h);
	return err != CH_OK ? err : ch_store_err(st);
}

/* Adds what one bundle has from the tree's size on. */
static enum ch_err bundle_add(struct ch_store *st, const char *dir, uint64_t size, struct ch_frontier *f,
			      struct ch_restored *out)
{
	char name[CH_TILE_PATH_MAX + 1] = "";
	CH_AUTO_BUF struct ch_buf file = { 0 };
	struct ch_tile t = { .entries = true, .index = f->size / CH_BUNDLE_ENTRIES };
	t.width = ch_tile_width(size, 0, t.index);
	struct ch_wr w = ch_wr(name, CH_TILE_PATH_MAX);
	ch_tile_path_put(&w, &t);
	enum ch_err err = mirror_read(&file, dir, name);
	struct ch_rd r = ch_rd(ch_buf_span(&file));
	struct ch_span entry;
	uint64_t at = t.index * CH_BUNDLE_ENTRIES, end = at + t.width;
	while (err == CH_OK && at < end) {
		if (!ch_bundle_next(&r, &entry))
			return CH_ERR_TRUNCATED;
		if (at++ == f->size)
			err = entry_add(st, f, entry, out);
	}
	return err == CH_OK && !ch_rd_done(&r) ? CH_ERR_TRAILING : err;
}

static enum ch_err all_add(struct ch_store *st, const char *dir, struct ch_restored *out)
{
	uint64_t size = 0;
	struct ch_tree_hash want, root;
	struct ch_frontier f;
	enum ch_err err = head_read(dir, &size, &want);
	if (err == CH_OK)
		err = tree_load(st, &f);
	if (err == CH_OK && f.size > size)
		err = CH_ERR_RANGE;
	if (err != CH_OK)
		return err;
	out->before = f.size;
	while (err == CH_OK && f.size < size)
		err = bundle_add(st, dir, size, &f, out);
	if (err == CH_OK)
		err = ch_frontier_root(&f, &root);
	if (err == CH_OK && !ch_tree_hash_eq(&root, &want))
		err = CH_ERR_MISMATCH;
	out->after = f.size;
	return err;
}

enum ch_err ch_restore_log(struct ch_store *st, const char *mirror, struct ch_restored *out)
{
	*out = (struct ch_restored){ 0 };
	ch_store_begin(st);
	enum ch_err err = all_add(st, mirror, out);
	if (err != CH_OK) {
		ch_store_rollback(st);
		return err;
	}
	ch_sql_do(st, CH_SQL_DEVICE_ASK_ALL, CH_ARGS(ch_int(CH_TENANT_DEFAULT)));
	return ch_store_commit(st);
}
