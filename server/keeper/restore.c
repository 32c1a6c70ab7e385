/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/restore.h"

#include "core/trust/checkpoint.h"
#include "core/trust/leaf.h"
#include "core/trust/tile.h"
#include "core/wire/json.h"
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

/* --- a new origin --- */

struct head {
	struct ch_buf note;
	uint64_t size;
	struct ch_tree_hash root;
};

static enum ch_err head_of_note(struct head *h, struct ch_span text, struct ch_span origin)
{
	struct ch_note note;
	struct ch_checkpoint c;
	enum ch_err err = ch_note_parse(&note, text, NULL);
	if (err == CH_OK)
		err = ch_checkpoint_parse(&c, note.text, NULL);
	if (err == CH_OK && !ch_span_eq(c.origin, origin))
		err = CH_ERR_MISMATCH;
	if (err != CH_OK)
		return err;
	h->note.n = 0;
	ch_buf_append(&h->note, text);
	h->size = c.size;
	h->root = c.root;
	return CH_OK;
}

/* The signer knows it best; a store that was put back knows less. */
static enum ch_err head_known(struct ch_store *st, struct head *h, const struct ch_new_origin *o)
{
	CH_AUTO_BUF struct ch_buf stored = { 0 };
	struct ch_query q = ch_sql_query(st, CH_SQL_CHECKPOINT_NOTE, CH_ARGS(ch_int(CH_TENANT_DEFAULT)));
	if (ch_sql_next(&q))
		ch_buf_append(&stored, ch_sql_bytes(&q, 2));
	enum ch_err err = ch_sql_end(&q);
	if (err == CH_OK && o->note.n > 0)
		return head_of_note(h, o->note, o->old);
	if (err == CH_OK && stored.n == 0)
		err = CH_ERR_NOTFOUND;
	return err == CH_OK ? head_of_note(h, ch_buf_span(&stored), o->old) : err;
}

static enum ch_err first_leaf(struct ch_store *st, const struct head *h, const struct ch_new_origin *o)
{
	static const uint8_t salt[CH_LEAF_SALT];
	uint8_t text[CH_NOTE_MAX * 2 + 2048], entry[CH_LEAF_BYTES];
	struct ch_leaf leaf = { .type = CH_LEAF_ORIGIN, .time = (uint64_t)o->time };
	struct ch_tree_hash hash;
	struct ch_wr w = ch_wr(text, sizeof(text)), e = ch_wr(entry, sizeof(entry));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", "origin");
	ch_json_named_span(&j, "origin", o->next);
	ch_json_named_span(&j, "previous", o->old);
	ch_json_named_u64(&j, "size", h->size);
	ch_json_named_hex(&j, "root", ch_tree_hash_span(&h->root));
	ch_json_named_u64(&j, "kept", o->kept);
	ch_json_named_span(&j, "checkpoint", ch_buf_span(&h->note));
	ch_json_named_u64(&j, "time", (uint64_t)o->time);
	ch_json_object_end(&j);
	enum ch_err err = w.bad ? CH_ERR_NOSPACE : ch_leaf_commit(leaf.commitment, salt, ch_wr_span(&w));
	ch_leaf_put(&e, &leaf);
	if (err == CH_OK)
		err = ch_merkle_leaf(&hash, ch_wr_span(&e));
	if (err != CH_OK)
		return err;
	ch_sql_do(st, CH_SQL_LEAF_ADD,
		  CH_ARGS(ch_int(CH_TENANT_DEFAULT), ch_int(0), ch_int(CH_LEAF_ORIGIN), ch_int(o->time), ch_int(0),
			  ch_bytes(CH_SPAN_OF(salt)), ch_text(ch_wr_span(&w)), ch_bytes(CH_SPAN_OF(entry)),
			  ch_bytes(ch_tree_hash_span(&hash))));
	return ch_store_err(st);
}

/* The log that begins so is there already: the command was given twice. */
static bool has_begun(struct ch_store *st, const struct ch_new_origin *o)
{
	struct ch_json_node node[32];
	struct ch_json j;
	size_t at;
	char name[CH_NOTE_NAME_MAX + 1] = "";
	(void)ch_span_copy(name, sizeof(name) - 1, o->next);
	struct ch_query q = ch_sql_query(st, CH_SQL_LEAF_FIRST, CH_ARGS(ch_int(CH_TENANT_DEFAULT)));
	bool begun = ch_sql_next(&q) && ch_sql_int(&q, 0) == CH_LEAF_ORIGIN &&
		     ch_json_parse(&j, ch_sql_bytes(&q, 1), node, CH_COUNT_OF(node), NULL) == CH_OK &&
		     ch_json_member(&j, 0, "origin", &at) == CH_OK && ch_json_str_eq(&j, at, name);
	return ch_sql_end(&q) == CH_OK && begun;
}

static enum ch_err begin(struct ch_store *st, struct ch_new_origin *o, struct head *h)
{
	struct ch_frontier f;
	enum ch_err err = head_known(st, h, o);
	if (err == CH_OK)
		err = tree_load(st, &f);
	if (err != CH_OK)
		return err;
	o->size = h->size;
	o->kept = f.size;
	const struct ch_val tenant = ch_int(CH_TENANT_DEFAULT);
	int64_t number = ch_sql_number(st, CH_SQL_PAST_MAX, CH_ARGS(tenant), 0) + 1;
	ch_sql_do(st, CH_SQL_PAST_ADD,
		  CH_ARGS(tenant, ch_int(number), ch_text(o->old), ch_int((int64_t)h->size),
			  ch_bytes(ch_tree_hash_span(&h->root)), ch_text(ch_buf_span(&h->note)), ch_int(o->time)));
	ch_sql_do(st, CH_SQL_PAST_LEAVES, CH_ARGS(tenant, ch_int(number)));
	ch_sql_do(st, CH_SQL_PAST_CHECKPOINTS, CH_ARGS(tenant, ch_int(number)));
	static const enum ch_keeper_sql end[] = { CH_SQL_LEAF_END, CH_SQL_TILE_END, CH_SQL_CHECKPOINT_END,
						  CH_SQL_DEVICE_ERASED_NONE, CH_SQL_DEVICE_ASK_ALL };
	for (size_t i = 0; i < CH_COUNT_OF(end); i++)
		ch_sql_do(st, end[i], CH_ARGS(tenant));
	return first_leaf(st, h, o);
}

enum ch_err ch_restore_origin(struct ch_store *st, struct ch_new_origin *o)
{
	struct head h = { .size = 0 };
	if (!ch_note_name_valid(o->next) || ch_span_eq(o->old, o->next))
		return CH_ERR_RANGE;
	o->done = has_begun(st, o);
	if (o->done)
		return CH_OK;
	ch_store_begin(st);
	enum ch_err err = begin(st, o, &h);
	ch_buf_free(&h.note);
	if (err == CH_OK)
		return ch_store_commit(st);
	ch_store_rollback(st);
	return err;
}
