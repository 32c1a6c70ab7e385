/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "host/sys/log.h"

/*
 * The log's sequence. A leaf gets its index in the transaction of what it records. Afterwards, at most every CH_KEEPER_BATCH_MS, the
 * new hashes go to the signer, which extends its own frontier and signs; the keeper computes the same root itself and stores
 * checkpoint and tiles in one transaction. A crash between any two of these steps leaves leaves unsigned or a checkpoint not
 * stored: the signer's size tells which, when the keeper asks for it at start.
 */

#define ASK_SIZE      0 /* leaves in a LEAVES that only asks */
#define SIGNER_FAILED 2 /* status of CHECKPOINT */

uint64_t ch_kp_leaf(struct ch_keeper *k, enum ch_leaf_type type, int64_t device, struct ch_span record)
{
	uint8_t salt[CH_LEAF_SALT];
	uint8_t entry[CH_LEAF_BYTES];
	struct ch_leaf leaf = { .type = type, .time = k->now };
	struct ch_tree_hash hash;
	ch_kp_random(salt, sizeof(salt));
	struct ch_wr w = ch_wr(entry, sizeof(entry));
	enum ch_err err = ch_leaf_commit(leaf.commitment, salt, record);
	ch_leaf_put(&w, &leaf);
	if (err == CH_OK)
		err = ch_merkle_leaf(&hash, ch_wr_span(&w));
	if (err != CH_OK || w.bad) {
		k->env.fatal(k->env.ctx, "a leaf cannot be hashed");
		return 0;
	}
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_LEAF_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->log.next), ch_int((int64_t)type),
			  ch_int((int64_t)k->now), ch_int(device), ch_bytes(CH_SPAN_OF(salt)), ch_text(record),
			  ch_bytes(CH_SPAN_OF(entry)), ch_bytes(ch_tree_hash_span(&hash))));
	ch_buf_append(&k->log.hashes, ch_tree_hash_span(&hash));
	k->clock.last = k->now;
	return k->log.next++;
}

/* --- tiles --- */

static enum ch_err tile_get(void *ctx, const struct ch_tile *t, uint8_t to[static CH_TILE_BYTES])
{
	struct ch_keeper *k = ctx;
	struct ch_query q = ch_sql_query(
		k->st, CH_SQL_TILE_GET, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(t->level), ch_int((int64_t)t->index)));
	struct ch_span bytes = ch_sql_next(&q) ? ch_sql_bytes(&q, 1) : CH_SPAN_EMPTY;
	bool ok = bytes.n >= (size_t)t->width * CH_MERKLE_HASH && bytes.n <= CH_TILE_BYTES;
	if (ok)
		(void)ch_span_copy(to, CH_TILE_BYTES, bytes);
	return ch_sql_end(&q) != CH_OK ? CH_ERR_IO : ok ? CH_OK : CH_ERR_NOTFOUND;
}

/* Where the open tile of a level stands for a tree of `size`: hashes at this level. */
static uint64_t level_hashes(uint64_t size, unsigned level)
{
	return level < 8 ? size >> (8 * level) : 0;
}

static void tile_store(struct ch_keeper *k, unsigned level, uint64_t index, size_t width)
{
	ch_sql_do(k->st, CH_SQL_TILE_SET,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)level), ch_int((int64_t)index),
			  ch_int((int64_t)width), ch_bytes(ch_span(k->log.tile[level], width * CH_MERKLE_HASH))));
}

/* The root of a full tile: a hash of the level above. */
static enum ch_err tile_root(const uint8_t bytes[static CH_TILE_BYTES], struct ch_tree_hash *root)
{
	struct ch_tree_hash node[CH_BUNDLE_ENTRIES];
	for (size_t i = 0; i < CH_BUNDLE_ENTRIES; i++)
		(void)ch_span_copy(node[i].b, CH_MERKLE_HASH, ch_span(bytes + i * CH_MERKLE_HASH, CH_MERKLE_HASH));
	for (size_t n = CH_BUNDLE_ENTRIES; n > 1; n /= 2) {
		for (size_t i = 0; i < n / 2; i++) {
			enum ch_err err = ch_merkle_node(&node[i], &node[2 * i], &node[2 * i + 1]);
			if (err != CH_OK)
				return err;
		}
	}
	*root = node[0];
	return CH_OK;
}

/* Puts leaf hash number `size` into the open tiles; full ones are stored and their roots go up. */
static enum ch_err tiles_append(struct ch_keeper *k, uint64_t size, const struct ch_tree_hash *leaf)
{
	struct ch_tree_hash hash = *leaf;
	for (unsigned level = 0; level < CH_KEEPER_TILE_LEVELS; level++) {
		uint64_t n = level_hashes(size, level);
		size_t at = (size_t)(n % CH_BUNDLE_ENTRIES);
		(void)ch_span_copy(k->log.tile[level] + at * CH_MERKLE_HASH, CH_MERKLE_HASH, ch_tree_hash_span(&hash));
		if (at + 1 < CH_BUNDLE_ENTRIES)
			return CH_OK;
		tile_store(k, level, n / CH_BUNDLE_ENTRIES, CH_BUNDLE_ENTRIES);
		enum ch_err err = tile_root(k->log.tile[level], &hash);
		if (err != CH_OK)
			return err;
	}
	return CH_ERR_LIMIT;
}

/* Stores the tiles that are not full; `before` is the size that the stored ones are of. */
static void tiles_flush(struct ch_keeper *k, uint64_t before, uint64_t size)
{
	for (unsigned level = 0; level < CH_KEEPER_TILE_LEVELS; level++) {
		uint64_t n = level_hashes(size, level);
		size_t width = (size_t)(n % CH_BUNDLE_ENTRIES);
		if (width > 0 && n != level_hashes(before, level))
			tile_store(k, level, n / CH_BUNDLE_ENTRIES, width);
	}
}

/* --- at start --- */

static enum ch_err tiles_load(struct ch_keeper *k)
{
	for (unsigned level = 0; level < CH_KEEPER_TILE_LEVELS; level++) {
		uint64_t n = level_hashes(k->log.signed_size, level);
		struct ch_tile t = { .level = (uint8_t)level,
				     .index = n / CH_BUNDLE_ENTRIES,
				     .width = (uint16_t)(n % CH_BUNDLE_ENTRIES) };
		enum ch_err err = t.width > 0 ? tile_get(k, &t, k->log.tile[level]) : CH_OK;
		if (err != CH_OK)
			return err;
	}
	struct ch_tile_src src = { .get = tile_get, .ctx = k, .size = k->log.signed_size };
	const struct ch_tree_src tree = { .node = ch_tile_node, .ctx = &src };
	return k->log.signed_size > 0 ? ch_frontier_load(&k->log.frontier, &tree, k->log.signed_size) : CH_OK;
}

/* True if the stored root is the one that the stored tiles have. */
static bool root_holds(struct ch_keeper *k, struct ch_span stored)
{
	struct ch_tree_hash root;
	return ch_frontier_root(&k->log.frontier, &root) == CH_OK && ch_span_eq(stored, ch_tree_hash_span(&root));
}

enum ch_err ch_kp_log_load(struct ch_keeper *k)
{
	uint8_t root[CH_MERKLE_HASH] = { 0 };
	k->log.next = (uint64_t)(ch_sql_number(k->st, CH_SQL_MAX_LEAF, CH_ARGS(ch_int(CH_KEEPER_TENANT)), -1) + 1);
	struct ch_query q = ch_sql_query(k->st, CH_SQL_CHECKPOINT_LAST, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	if (ch_sql_next(&q)) {
		k->log.signed_size = (uint64_t)ch_sql_int(&q, 0);
		(void)ch_sql_copy(&q, 1, root, sizeof(root));
	}
	if (ch_sql_end(&q) != CH_OK)
		return CH_ERR_IO;
	if (k->log.signed_size > k->log.next)
		return CH_ERR_MALFORMED;
	enum ch_err err = tiles_load(k);
	if (err != CH_OK)
		return err;
	if (k->log.signed_size > 0 && !root_holds(k, CH_SPAN_OF(root)))
		return CH_ERR_MISMATCH;
	q = ch_sql_query(
		k->st, CH_SQL_LEAF_HASHES,
		CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->log.signed_size), ch_int((int64_t)k->log.next)));
	while (ch_sql_next(&q))
		ch_buf_append(&k->log.hashes, ch_sql_bytes(&q, 0));
	err = ch_sql_end(&q);
	uint64_t open = k->log.next - k->log.signed_size;
	return err != CH_OK ? err : k->log.hashes.n == open * CH_MERKLE_HASH ? CH_OK : CH_ERR_MALFORMED;
}

/* --- with the signer --- */

static void leaves_send(struct ch_keeper *k, uint64_t count)
{
	const struct ch_msg_leaves m = {
		.first = k->log.signed_size,
		.hashes = ch_span_sub(ch_buf_span(&k->log.hashes), 0, (size_t)count * CH_MERKLE_HASH),
	};
	k->log.in_flight = count;
	k->log.in_flight_id = ++k->ids;
	k->log.sent = k->mono;
	ch_kp_send(k, CH_ROLE_SIGNER, 0, CH_MSG_LEAVES, k->log.in_flight_id, &m);
}

void ch_kp_log_sync(struct ch_keeper *k)
{
	k->log.synced = false;
	leaves_send(k, ASK_SIZE);
}

void ch_kp_log_send(struct ch_keeper *k)
{
	uint64_t open = k->log.next - k->log.signed_size;
	if (!k->signer || k->log.behind || k->log.in_flight_id != 0 || ch_store_busy(k->st))
		return;
	if ((open == 0 && k->log.synced) || (k->log.sent != 0 && k->mono - k->log.sent < CH_KEEPER_BATCH_MS))
		return;
	if (!k->log.synced)
		leaves_send(k, ASK_SIZE);
	else
		leaves_send(k, open < CH_KEEPER_LEAVES_MAX ? open : CH_KEEPER_LEAVES_MAX);
}

/* Moves on to `size`, if the leaves up to there have the root that was signed. */
static bool advance(struct ch_keeper *k, const struct ch_msg_checkpoint *m)
{
	uint64_t before = k->log.signed_size;
	size_t count = (size_t)(m->size - before);
	struct ch_frontier f = k->log.frontier;
	struct ch_tree_hash root;
	for (size_t i = 0; i < count; i++) {
		struct ch_tree_hash leaf = { 0 };
		(void)ch_span_copy(leaf.b, sizeof(leaf.b),
				   ch_span(k->log.hashes.p + i * CH_MERKLE_HASH, CH_MERKLE_HASH));
		if (ch_frontier_append(&f, &leaf) != CH_OK)
			return false;
	}
	if (ch_frontier_root(&f, &root) != CH_OK || !ch_span_eq(ch_tree_hash_span(&root), CH_SPAN_OF(m->root)))
		return false;
	ch_kp_write(k);
	for (size_t i = 0; i < count; i++) {
		struct ch_tree_hash leaf = { 0 };
		(void)ch_span_copy(leaf.b, sizeof(leaf.b),
				   ch_span(k->log.hashes.p + i * CH_MERKLE_HASH, CH_MERKLE_HASH));
		if (tiles_append(k, before + i, &leaf) != CH_OK)
			return false;
	}
	tiles_flush(k, before, m->size);
	ch_sql_do(k->st, CH_SQL_CHECKPOINT_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.checkpoint++), ch_int((int64_t)m->size),
			  ch_bytes(CH_SPAN_OF(m->root)), ch_text(m->note), ch_int((int64_t)k->now)));
	k->log.frontier = f;
	k->log.signed_size = m->size;
	ch_buf_drop(&k->log.hashes, count * CH_MERKLE_HASH);
	return true;
}

/*
 * Signer and store are not of one history. The signer has more: the store is a restored backup, and a leaf written now would fork
 * the log. It has less: its frontier was lost, and it would sign the past again, perhaps another one. Either way nothing is
 * written: devices are admitted by the view as it is, and an operator decides (docs/store.md).
 */
static void stop_writing(struct ch_keeper *k, uint64_t size, const char *what)
{
	k->log.behind = true;
	ch_log(CH_LOG_ERROR,
	       "the log's signer is at size %llu, the store at %llu (%llu signed): %s; nothing is written",
	       (unsigned long long)size, (unsigned long long)k->log.next, (unsigned long long)k->log.signed_size, what);
}

void ch_kp_checkpoint(struct ch_keeper *k, uint64_t id, const struct ch_msg_checkpoint *m)
{
	if (id != k->log.in_flight_id)
		return;
	k->log.in_flight_id = 0;
	/* Its disk or its key failed, nothing was signed: it is asked again with the next batch. */
	if (m->status == SIGNER_FAILED)
		return;
	if (m->size > k->log.next) {
		stop_writing(k, m->size, "an older copy of the store was restored");
		return;
	}
	if (m->size < k->log.signed_size || (m->status != 0 && k->log.synced)) {
		stop_writing(k, m->size, "the signer lost its state, or it is another log's");
		return;
	}
	k->log.synced = true;
	k->log.behind = false;
	if (m->size > k->log.signed_size && !advance(k, m)) {
		k->env.fatal(k->env.ctx, "the root that was signed is not the root of the leaves in the store");
		return;
	}
	if (!k->log.known) {
		k->log.known = true;
		ch_kp_generation_compose(k);
	}
}
