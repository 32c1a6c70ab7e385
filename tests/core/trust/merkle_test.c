/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/merkle.h"
#include "tests/unit.h"

#define LEAVES 70

static struct ch_tree_hash leaf[LEAVES];

static int make_leaves(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEAVES; i++) {
		uint8_t entry[] = { 'e', (uint8_t)i };
		assert_int_equal(ch_merkle_leaf(&leaf[i], CH_SPAN_OF(entry)), CH_OK);
	}
	return 0;
}

/* MTH of RFC 9162, 2.1.1, word by word: the other implementation. */
static struct ch_tree_hash mth(size_t begin, size_t end)
{
	size_t k = 1;
	if (end - begin == 1)
		return leaf[begin];
	while (2 * k < end - begin)
		k *= 2;
	struct ch_tree_hash left = mth(begin, begin + k);
	struct ch_tree_hash right = mth(begin + k, end);
	struct ch_tree_hash out;
	assert_int_equal(ch_merkle_node(&out, &left, &right), CH_OK);
	return out;
}

static enum ch_err node_of(void *ctx, unsigned level, uint64_t index, struct ch_tree_hash *out)
{
	size_t begin = (size_t)(index << level);
	size_t end = (size_t)((index + 1) << level);
	assert_true(end <= *(size_t *)ctx);
	*out = mth(begin, end);
	return CH_OK;
}

static void agrees_with_the_standard(void **state)
{
	static const uint8_t empty_root[] = { 0xe3, 0xb0, 0xc4, 0x42 };
	static const uint8_t empty_leaf[] = { 0x6e, 0x34, 0x0b, 0x9c };
	struct ch_frontier f = { 0 };
	struct ch_tree_hash h;
	(void)state;
	assert_int_equal(ch_frontier_root(&f, &h), CH_OK);
	assert_memory_equal(h.b, empty_root, 4);
	assert_int_equal(ch_merkle_leaf(&h, CH_SPAN_EMPTY), CH_OK);
	assert_memory_equal(h.b, empty_leaf, 4);
}

static void appending_gives_the_root_of_every_size(void **state)
{
	struct ch_frontier f = { 0 };
	(void)state;
	for (size_t n = 1; n <= LEAVES; n++) {
		struct ch_tree_hash root;
		struct ch_tree_hash want = mth(0, n);
		assert_int_equal(ch_frontier_append(&f, &leaf[n - 1]), CH_OK);
		assert_int_equal(f.size, n);
		assert_int_equal(ch_frontier_root(&f, &root), CH_OK);
		assert_true(ch_tree_hash_eq(&root, &want));
		struct ch_frontier loaded;
		const struct ch_tree_src src = { node_of, &n };
		assert_int_equal(ch_frontier_load(&loaded, &src, n), CH_OK);
		assert_int_equal(loaded.count, f.count);
		assert_memory_equal(loaded.node, f.node, f.count * sizeof(f.node[0]));
	}
}

static void a_full_tree_takes_no_leaf(void **state)
{
	struct ch_frontier f = { .size = CH_MERKLE_SIZE_MAX, .count = 63 };
	(void)state;
	assert_int_equal(ch_frontier_append(&f, &leaf[0]), CH_ERR_LIMIT);
	assert_int_equal(f.size, CH_MERKLE_SIZE_MAX);
	f.size = CH_MERKLE_SIZE_MAX - 1;
	f.count = 62;
	assert_int_equal(ch_frontier_append(&f, &leaf[0]), CH_OK);
	assert_int_equal(f.count, 63);
}

static void every_inclusion_proof_holds_and_no_other(void **state)
{
	struct ch_tree_hash proof[CH_MERKLE_DEPTH_MAX];
	size_t count;
	(void)state;
	for (size_t size = 1; size <= LEAVES; size++) {
		const struct ch_tree_src src = { node_of, &size };
		struct ch_tree_hash root = mth(0, size);
		for (size_t i = 0; i < size; i++) {
			assert_int_equal(ch_merkle_inclusion_prove(&src, i, size, proof, &count), CH_OK);
			assert_int_equal(ch_merkle_inclusion_check(i, size, &leaf[i], proof, count, &root), CH_OK);
			assert_int_not_equal(ch_merkle_inclusion_check(i ^ 1, size, &leaf[i], proof, count, &root),
					     CH_OK);
			assert_int_not_equal(ch_merkle_inclusion_check(i, size, &leaf[i ^ 1], proof, count, &root),
					     CH_OK);
			if (count == 0)
				continue;
			assert_int_equal(ch_merkle_inclusion_check(i, size, &leaf[i], proof, count - 1, &root),
					 CH_ERR_RANGE);
			proof[count] = leaf[0];
			assert_int_equal(ch_merkle_inclusion_check(i, size, &leaf[i], proof, count + 1, &root),
					 CH_ERR_RANGE);
			proof[count / 2].b[i % 32] ^= 1;
			assert_int_equal(ch_merkle_inclusion_check(i, size, &leaf[i], proof, count, &root),
					 CH_ERR_MISMATCH);
		}
		assert_int_equal(ch_merkle_inclusion_prove(&src, size, size, proof, &count), CH_ERR_RANGE);
	}
}

static void every_consistency_proof_holds_and_no_other(void **state)
{
	struct ch_tree_hash proof[CH_MERKLE_DEPTH_MAX];
	size_t count;
	(void)state;
	for (size_t two = 1; two <= LEAVES; two++) {
		const struct ch_tree_src src = { node_of, &two };
		struct ch_tree_hash root2 = mth(0, two);
		for (size_t one = 1; one <= two; one++) {
			struct ch_tree_hash root1 = mth(0, one);
			struct ch_tree_hash other = mth(0, one == 1 ? 2 : one - 1);
			assert_int_equal(ch_merkle_consistency_prove(&src, one, two, proof, &count), CH_OK);
			assert_int_equal(ch_merkle_consistency_check(one, &root1, two, &root2, proof, count), CH_OK);
			assert_int_not_equal(ch_merkle_consistency_check(one, &other, two, &root2, proof, count),
					     CH_OK);
			assert_int_not_equal(ch_merkle_consistency_check(one, &root1, two, &root1, proof, count),
					     one == two ? CH_ERR_INTERNAL : CH_OK);
			proof[count] = leaf[0];
			assert_int_not_equal(ch_merkle_consistency_check(one, &root1, two, &root2, proof, count + 1),
					     CH_OK);
			if (count == 0)
				continue;
			assert_int_not_equal(ch_merkle_consistency_check(one, &root1, two, &root2, proof, count - 1),
					     CH_OK);
			proof[one % count].b[two % 32] ^= 1;
			assert_int_not_equal(ch_merkle_consistency_check(one, &root1, two, &root2, proof, count),
					     CH_OK);
		}
	}
}

static void sizes_that_prove_nothing_are_refused(void **state)
{
	struct ch_tree_hash proof[CH_MERKLE_DEPTH_MAX] = { 0 };
	size_t count = 9;
	size_t size = 4;
	const struct ch_tree_src src = { node_of, &size };
	(void)state;
	assert_int_equal(ch_merkle_consistency_check(0, &leaf[0], 0, &leaf[0], proof, 0), CH_ERR_RANGE);
	assert_int_equal(ch_merkle_consistency_check(0, &leaf[0], 1, &leaf[0], proof, 0), CH_ERR_RANGE);
	assert_int_equal(ch_merkle_consistency_check(2, &leaf[0], 1, &leaf[0], proof, 0), CH_ERR_RANGE);
	assert_int_equal(ch_merkle_consistency_check(1, &leaf[0], CH_MERKLE_SIZE_MAX + 1, &leaf[0], proof, 1),
			 CH_ERR_RANGE);
	assert_int_equal(ch_merkle_inclusion_check(0, 2, &leaf[0], proof, CH_MERKLE_DEPTH_MAX + 1, &leaf[0]),
			 CH_ERR_RANGE);
	assert_int_equal(ch_merkle_inclusion_check(0, 0, &leaf[0], proof, 0, &leaf[0]), CH_ERR_RANGE);
	assert_int_equal(ch_merkle_consistency_prove(&src, 0, 4, proof, &count), CH_ERR_RANGE);
	assert_int_equal(count, 0);
	assert_int_equal(ch_merkle_consistency_prove(&src, 5, 4, proof, &count), CH_ERR_RANGE);
}

static void the_frontier_survives_its_bytes(void **state)
{
	uint8_t bytes[CH_FRONTIER_BYTES_MAX + 1];
	struct ch_frontier f = { 0 };
	struct ch_frontier again;
	struct ch_diag d;
	(void)state;
	for (size_t n = 0; n <= LEAVES; n++) {
		struct ch_wr w = ch_wr(bytes, sizeof(bytes));
		ch_frontier_put(&w, &f);
		assert_int_equal(ch_frontier_parse(&again, ch_wr_span(&w), &d), CH_OK);
		assert_int_equal(again.size, f.size);
		assert_int_equal(again.count, f.count);
		assert_memory_equal(again.node, f.node, f.count * sizeof(f.node[0]));
		for (size_t cut = 0; cut < w.len; cut++) {
			assert_int_equal(ch_frontier_parse(&again, ch_span(bytes, cut), &d), CH_ERR_TRUNCATED);
			assert_int_equal(again.size, 0);
		}
		ch_wr_u8(&w, 0);
		assert_int_equal(ch_frontier_parse(&again, ch_wr_span(&w), &d), CH_ERR_TRAILING);
		assert_int_equal(d.off, w.len - 1);
		if (n < LEAVES)
			assert_int_equal(ch_frontier_append(&f, &leaf[n]), CH_OK);
	}
	bytes[0] = 0x80;
	assert_int_equal(ch_frontier_parse(&again, CH_SPAN_OF(bytes), &d), CH_ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_standard),
		cmocka_unit_test(appending_gives_the_root_of_every_size),
		cmocka_unit_test(a_full_tree_takes_no_leaf),
		cmocka_unit_test(every_inclusion_proof_holds_and_no_other),
		cmocka_unit_test(every_consistency_proof_holds_and_no_other),
		cmocka_unit_test(sizes_that_prove_nothing_are_refused),
		cmocka_unit_test(the_frontier_survives_its_bytes),
	};
	return cmocka_run_group_tests(tests, make_leaves, NULL);
}
