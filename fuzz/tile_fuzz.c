/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path that is taken is the only one of its tile; a bundle is used up to its last byte. A tree whose tiles are the input proves
 * every entry and every smaller tree against the root that its frontier has.
 */
#include "core/trust/tile.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct ch_span path)
{
	struct ch_tile t;
	uint8_t again[CH_TILE_PATH_MAX];
	if (ch_tile_path_parse(&t, path) != CH_OK) {
		CHECK(t.width == 0);
		return;
	}
	struct ch_wr w = ch_wr(again, sizeof(again));
	ch_tile_path_put(&w, &t);
	CHECK(ch_span_eq(ch_wr_span(&w), path));
	CHECK(t.width >= 1 && t.width <= CH_BUNDLE_ENTRIES && t.level <= CH_TILE_LEVEL_MAX);
}

static void check_bundle(struct ch_span in)
{
	struct ch_rd r = ch_rd(in);
	struct ch_span entry;
	size_t bytes = 0;
	while (ch_bundle_next(&r, &entry))
		bytes += 2 + entry.n;
	CHECK(bytes <= in.n && (bytes == in.n) == ch_rd_done(&r));
}

/* The input, repeated, as the hashes of the lowest level. */
struct log {
	struct ch_span seed;
};

static enum ch_err get(void *ctx, const struct ch_tile *t, uint8_t to[static CH_TILE_BYTES])
{
	const struct log *log = ctx;
	CHECK(t->level == 0 && t->width > 0);
	for (size_t i = 0; i < (size_t)t->width * CH_MERKLE_HASH; i++)
		to[i] = log->seed.p[((size_t)t->index * CH_TILE_BYTES + i) % log->seed.n];
	return CH_OK;
}

static void check_proofs(struct ch_span in)
{
	struct log log = { in };
	static struct ch_tile_src tiles;
	const struct ch_tree_src src = { ch_tile_node, &tiles };
	struct ch_tree_hash proof[CH_MERKLE_DEPTH_MAX];
	struct ch_tree_hash root, part, leaf;
	struct ch_frontier f;
	size_t count;
	uint64_t size = 1 + in.p[0] % 200;
	uint64_t index = in.p[in.n - 1] % size;
	tiles = (struct ch_tile_src){ .get = get, .ctx = &log, .size = size };
	CHECK(ch_frontier_load(&f, &src, size) == CH_OK && ch_frontier_root(&f, &root) == CH_OK);
	CHECK(ch_tile_node(&tiles, 0, index, &leaf) == CH_OK);
	CHECK(ch_merkle_inclusion_prove(&src, index, size, proof, &count) == CH_OK);
	CHECK(ch_merkle_inclusion_check(index, size, &leaf, proof, count, &root) == CH_OK);
	CHECK(ch_frontier_load(&f, &src, index + 1) == CH_OK && ch_frontier_root(&f, &part) == CH_OK);
	CHECK(ch_merkle_consistency_prove(&src, index + 1, size, proof, &count) == CH_OK);
	CHECK(ch_merkle_consistency_check(index + 1, &part, size, &root, proof, count) == CH_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_span in = ch_span(data, size);
	check_path(in);
	check_bundle(in);
	if (size > 0)
		check_proofs(in);
	return 0;
}
