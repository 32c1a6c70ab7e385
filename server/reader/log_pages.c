/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/ask.h"

#include "core/trust/leaf.h"
#include "core/trust/tile.h"

/*
 * The transparency log as files (C2SP tlog-tiles): the last checkpoint, tiles of hashes, bundles of entries. What is served lies
 * under the last checkpoint: entries that no checkpoint covers yet are not there.
 */

#define TENANT ch_int(CH_READER_TENANT)

void ch_page_checkpoint(struct ch_ask *a)
{
	if (!ch_ask_params(a, NULL, 0))
		return;
	struct ch_query q = ch_sql_query(a->st, CH_READ_CHECKPOINT, CH_ARGS(TENANT));
	if (ch_sql_next(&q))
		ch_ask_bytes(a, "text/plain; charset=utf-8", ch_sql_bytes(&q, 1));
	else
		ch_ask_refuse(a, 404, "checkpoint", "nothing was logged yet");
	(void)ch_sql_end(&q);
}

/* Which log this one took the place of: the record of its first leaf, whose salt is zeros. */
void ch_page_origin(struct ch_ask *a)
{
	if (!ch_ask_params(a, NULL, 0))
		return;
	struct ch_query q = ch_sql_query(a->st, CH_READ_ORIGIN, CH_ARGS(TENANT, ch_int(CH_LEAF_ORIGIN)));
	if (ch_sql_next(&q) && !ch_sql_is_null(&q, 0))
		ch_ask_bytes(a, "application/json", ch_sql_bytes(&q, 0));
	else
		ch_ask_refuse(a, 404, "origin", "this log took no other's place");
	(void)ch_sql_end(&q);
}

static void put_hashes(struct ch_ask *a, const struct ch_tile *t)
{
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_TILE, CH_ARGS(TENANT, ch_int(t->level), ch_int((int64_t)t->index)));
	size_t want = (size_t)t->width * CH_MERKLE_HASH;
	if (ch_sql_next(&q) && ch_sql_bytes(&q, 0).n >= want)
		ch_ask_bytes(a, "application/octet-stream", ch_span_sub(ch_sql_bytes(&q, 0), 0, want));
	else
		ch_ask_refuse(a, 404, "tile", "the log has no such tile yet");
	(void)ch_sql_end(&q);
}

static void put_entries(struct ch_ask *a, const struct ch_tile *t)
{
	CH_AUTO_BUF struct ch_buf bundle = { 0 };
	int64_t first = (int64_t)(t->index * CH_BUNDLE_ENTRIES);
	size_t count = 0;
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_ENTRIES, CH_ARGS(TENANT, ch_int(first), ch_int(first + t->width)));
	while (ch_sql_next(&q)) {
		struct ch_span entry = ch_sql_bytes(&q, 0);
		const uint8_t length[2] = { (uint8_t)(entry.n >> 8), (uint8_t)entry.n };
		ch_buf_append(&bundle, CH_SPAN_OF(length));
		ch_buf_append(&bundle, entry);
		count++;
	}
	(void)ch_sql_end(&q);
	if (count == t->width)
		ch_ask_bytes(a, "application/octet-stream", ch_buf_span(&bundle));
	else
		ch_ask_refuse(a, 404, "tile", "the log has no such tile yet");
}

enum ch_err ch_ask_tile(void *ctx, const struct ch_tile *t, uint8_t to[static CH_TILE_BYTES])
{
	struct ch_ask *a = ctx;
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_TILE, CH_ARGS(TENANT, ch_int(t->level), ch_int((int64_t)t->index)));
	struct ch_span bytes = ch_sql_next(&q) ? ch_sql_bytes(&q, 0) : CH_SPAN_EMPTY;
	bool ok = bytes.n >= (size_t)t->width * CH_MERKLE_HASH && bytes.n <= CH_TILE_BYTES;
	if (ok)
		(void)ch_span_copy(to, CH_TILE_BYTES, bytes);
	return ch_sql_end(&q) != CH_OK ? CH_ERR_IO : ok ? CH_OK : CH_ERR_NOTFOUND;
}

/* The tile must be one of the tree under the last checkpoint, with at most its width there. */
static bool is_covered(struct ch_ask *a, const struct ch_tile *t)
{
	uint64_t size = (uint64_t)ch_sql_number(a->st, CH_READ_CHECKPOINT, CH_ARGS(TENANT), 0);
	return t->width > 0 && t->width <= ch_tile_width(size, t->level, t->index);
}

void ch_page_tile(struct ch_ask *a)
{
	static const char prefix[] = "/log/";
	struct ch_tile t;
	struct ch_span path = a->m->path;
	if (!ch_ask_params(a, NULL, 0))
		return;
	path = ch_span_sub(path, sizeof(prefix) - 1, path.n - (sizeof(prefix) - 1));
	if (ch_tile_path_parse(&t, path) != CH_OK)
		ch_ask_refuse(a, 404, "tile", "no path of a tile (C2SP tlog-tiles)");
	else if (!is_covered(a, &t))
		ch_ask_refuse(a, 404, "tile", "the log has no such tile yet");
	else if (t.entries)
		put_entries(a, &t);
	else
		put_hashes(a, &t);
}
