/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tile.h"
#include "tests/unit.h"

static void assert_path(const char *text, struct ch_tile want)
{
	uint8_t out[CH_TILE_PATH_MAX];
	struct ch_wr w = ch_wr(out, sizeof(out));
	struct ch_tile t;
	assert_int_equal(ch_tile_path_parse(&t, ch_span_str(text)), CH_OK);
	assert_int_equal(t.entries, want.entries);
	assert_int_equal(t.level, want.level);
	assert_int_equal(t.index, want.index);
	assert_int_equal(t.width, want.width);
	ch_tile_path_put(&w, &t);
	assert_span_equal(ch_wr_span(&w), text, strlen(text));
}

static void a_tile_has_one_path(void **state)
{
	(void)state;
	assert_path("tile/0/000", (struct ch_tile){ .width = 256 });
	assert_path("tile/0/x001/x234/067", (struct ch_tile){ .index = 1234067, .width = 256 });
	assert_path("tile/3/123.p/255", (struct ch_tile){ .level = 3, .index = 123, .width = 255 });
	assert_path("tile/5/000.p/1", (struct ch_tile){ .level = 5, .width = 1 });
	assert_path("tile/entries/x001/000.p/8", (struct ch_tile){ .entries = true, .index = 1000, .width = 8 });
	assert_path("tile/0/x001/x099/x511/x627/775",
		    (struct ch_tile){ .index = ((uint64_t)1 << 40) - 1, .width = 256 });
}

static void refuses_every_other_path(void **state)
{
	static const struct {
		const char *path;
		enum ch_err err;
	} bad[] = {
		{ "", CH_ERR_MALFORMED },
		{ "tile", CH_ERR_MALFORMED },
		{ "tile/0", CH_ERR_MALFORMED },
		{ "tile/0/", CH_ERR_MALFORMED },
		{ "tile/0/00", CH_ERR_MALFORMED },
		{ "tile/0/0000", CH_ERR_MALFORMED },
		{ "tile/00/000", CH_ERR_MALFORMED },
		{ "tile/01/000", CH_ERR_MALFORMED },
		{ "tile/-1/000", CH_ERR_MALFORMED },
		{ "tile//000", CH_ERR_MALFORMED },
		{ "tile/0/x000/000", CH_ERR_MALFORMED },
		{ "tile/0/x001", CH_ERR_MALFORMED },
		{ "tile/0/x001/", CH_ERR_MALFORMED },
		{ "tile/0/001/000", CH_ERR_MALFORMED },
		{ "tile/0/X001/000", CH_ERR_MALFORMED },
		{ "tile/0/00a", CH_ERR_MALFORMED },
		{ "tile/0/000.p", CH_ERR_MALFORMED },
		{ "tile/0/000.p/", CH_ERR_MALFORMED },
		{ "tile/0/000.p/01", CH_ERR_MALFORMED },
		{ "tile/0/000.p/1000", CH_ERR_MALFORMED },
		{ "tile/0/000/", CH_ERR_MALFORMED },
		{ "tile/0/../../etc", CH_ERR_MALFORMED },
		{ "tile/data/000", CH_ERR_MALFORMED },
		{ "tile/entriesx/000", CH_ERR_MALFORMED },
		{ "tile/0/x001/x001/x001/x001/x001/000", CH_ERR_MALFORMED },
		{ "tile/0/000.p/0", CH_ERR_RANGE },
		{ "tile/0/000.p/256", CH_ERR_RANGE },
		{ "tile/0/000.p/999", CH_ERR_RANGE },
		{ "tile/6/000", CH_ERR_RANGE },
		{ "tile/999/000", CH_ERR_RANGE },
		{ "tile/5/001", CH_ERR_RANGE },
		{ "tile/0/x001/x099/x511/x627/776", CH_ERR_RANGE },
	};
	struct ch_tile t;
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		assert_int_equal(ch_tile_path_parse(&t, ch_span_str(bad[i].path)), bad[i].err);
		assert_int_equal(t.width, 0);
	}
}

static void widths_follow_the_size(void **state)
{
	(void)state;
	assert_int_equal(ch_tile_width(0, 0, 0), 0);
	assert_int_equal(ch_tile_width(1, 0, 0), 1);
	assert_int_equal(ch_tile_width(255, 0, 0), 255);
	assert_int_equal(ch_tile_width(256, 0, 0), 256);
	assert_int_equal(ch_tile_width(256, 0, 1), 0);
	assert_int_equal(ch_tile_width(256, 1, 0), 1);
	assert_int_equal(ch_tile_width(255, 1, 0), 0);
	assert_int_equal(ch_tile_width(70000, 0, 273), 112);
	assert_int_equal(ch_tile_width(70000, 1, 1), 17);
	assert_int_equal(ch_tile_width(70000, 2, 0), 1);
	assert_int_equal(ch_tile_width(70000, 6, 0), 0);
	assert_int_equal(ch_tile_hashes(70000, 1), 273);
}

/* A log of some entries as tiles: level 0 by leaf hashes, each level above by roots of 256. */
#define ENTRIES 66000
static struct ch_tree_hash level0[ENTRIES];
static struct ch_tree_hash level1[ENTRIES / 256];
static struct ch_tree_hash level2[1];
static size_t reads;

static enum ch_err get(void *ctx, const struct ch_tile *t, uint8_t to[static CH_TILE_BYTES])
{
	static const struct ch_tree_hash *const level[] = { level0, level1, level2 };
	(void)ctx;
	assert_true(t->level < CH_COUNT_OF(level));
	assert_true(t->width > 0);
	ch_span_copy(to, CH_TILE_BYTES,
		     ch_span(level[t->level] + t->index * 256, t->width * sizeof(struct ch_tree_hash)));
	reads++;
	return CH_OK;
}

static void above(struct ch_tree_hash *to, const struct ch_tree_hash *from)
{
	struct ch_frontier f = { 0 };
	for (size_t i = 0; i < 256; i++)
		assert_int_equal(ch_frontier_append(&f, &from[i]), CH_OK);
	assert_int_equal(ch_frontier_root(&f, to), CH_OK);
}

static int make_log(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENTRIES; i++) {
		uint8_t entry[] = { (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
		assert_int_equal(ch_merkle_leaf(&level0[i], CH_SPAN_OF(entry)), CH_OK);
	}
	for (size_t i = 0; i < ENTRIES / 256; i++)
		above(&level1[i], &level0[i * 256]);
	above(&level2[0], level1);
	return 0;
}

static void proofs_come_out_of_tiles(void **state)
{
	static struct ch_tile_src tiles;
	static const uint64_t sizes[] = { 1, 2, 255, 256, 257, 511, 65535, 65536, 65537, 66000 };
	struct ch_tree_hash root[CH_COUNT_OF(sizes)];
	struct ch_frontier f = { 0 };
	size_t k = 0;
	(void)state;
	for (size_t n = 1; n <= ENTRIES; n++) {
		assert_int_equal(ch_frontier_append(&f, &level0[n - 1]), CH_OK);
		if (n == sizes[k])
			assert_int_equal(ch_frontier_root(&f, &root[k++]), CH_OK);
	}
	for (k = 0; k < CH_COUNT_OF(sizes); k++) {
		const struct ch_tree_src src = { ch_tile_node, &tiles };
		struct ch_tree_hash proof[CH_MERKLE_DEPTH_MAX];
		struct ch_frontier loaded;
		struct ch_tree_hash h;
		size_t count;
		tiles = (struct ch_tile_src){ .get = get, .size = sizes[k] };
		assert_int_equal(ch_frontier_load(&loaded, &src, sizes[k]), CH_OK);
		assert_int_equal(ch_frontier_root(&loaded, &h), CH_OK);
		assert_true(ch_tree_hash_eq(&h, &root[k]));
		for (uint64_t i = 0; i < sizes[k]; i += sizes[k] / 7 + 1) {
			assert_int_equal(ch_merkle_inclusion_prove(&src, i, sizes[k], proof, &count), CH_OK);
			assert_int_equal(ch_merkle_inclusion_check(i, sizes[k], &level0[i], proof, count, &root[k]),
					 CH_OK);
		}
		for (size_t one = 0; one <= k; one++) {
			assert_int_equal(ch_merkle_consistency_prove(&src, sizes[one], sizes[k], proof, &count), CH_OK);
			assert_int_equal(
				ch_merkle_consistency_check(sizes[one], &root[one], sizes[k], &root[k], proof, count),
				CH_OK);
		}
	}
}

static void a_tile_is_read_once_in_a_row(void **state)
{
	static struct ch_tile_src tiles = { .get = get, .size = ENTRIES };
	struct ch_tree_hash h;
	(void)state;
	reads = 0;
	for (uint64_t i = 0; i < 256; i++)
		assert_int_equal(ch_tile_node(&tiles, 0, i, &h), CH_OK);
	assert_int_equal(reads, 1);
	assert_int_equal(ch_tile_node(&tiles, 0, ENTRIES, &h), CH_ERR_RANGE);
	assert_int_equal(ch_tile_node(&tiles, 4, ENTRIES / 16, &h), CH_ERR_RANGE);
	assert_int_equal(ch_tile_node(&tiles, 48, 0, &h), CH_ERR_RANGE);
	assert_int_equal(ch_tile_node(&tiles, 8, ENTRIES / 256, &h), CH_ERR_RANGE);
}

static void bundles_are_read_entry_by_entry(void **state)
{
	static const uint8_t bundle[] = { 0, 3, 'o', 'n', 'e', 0, 0, 0, 1, 'x' };
	struct ch_span entry;
	struct ch_rd r = ch_rd(CH_SPAN_OF(bundle));
	(void)state;
	assert_true(ch_bundle_next(&r, &entry));
	assert_span_equal(entry, "one", 3);
	assert_true(ch_bundle_next(&r, &entry));
	assert_int_equal(entry.n, 0);
	assert_true(ch_bundle_next(&r, &entry));
	assert_span_equal(entry, "x", 1);
	assert_false(ch_bundle_next(&r, &entry));
	assert_true(ch_rd_done(&r));
	for (size_t cut = 1; cut < sizeof(bundle); cut++) {
		r = ch_rd(ch_span(bundle, cut));
		while (ch_bundle_next(&r, &entry)) {
		}
		assert_int_equal(ch_rd_done(&r), cut == 5 || cut == 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tile_has_one_path),          cmocka_unit_test(refuses_every_other_path),
		cmocka_unit_test(widths_follow_the_size),       cmocka_unit_test(proofs_come_out_of_tiles),
		cmocka_unit_test(a_tile_is_read_once_in_a_row), cmocka_unit_test(bundles_are_read_entry_by_entry),
	};
	return cmocka_run_group_tests(tests, make_log, NULL);
}
