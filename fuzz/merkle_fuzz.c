/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frontier that is taken is written as the same bytes, and appending to it agrees with reading it again. A proof of any bytes
 * holds for at most one root: the one that it leads to.
 */
#include "core/base/rd.h"
#include "core/trust/merkle.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frontier(struct ch_span in)
{
	struct ch_diag d;
	struct ch_frontier f;
	struct ch_frontier again;
	uint8_t bytes[CH_FRONTIER_BYTES_MAX];
	struct ch_wr w = ch_wr(bytes, sizeof(bytes));
	enum ch_err err = ch_frontier_parse(&f, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= in.n);
	if (err != CH_OK) {
		CHECK(f.size == 0 && f.count == 0);
		return;
	}
	ch_frontier_put(&w, &f);
	CHECK(!w.bad && ch_span_eq(ch_wr_span(&w), in));
	const struct ch_tree_hash leaf = { { 1 } };
	if (f.size == CH_MERKLE_SIZE_MAX)
		return;
	CHECK(ch_frontier_append(&f, &leaf) == CH_OK);
	w.len = 0;
	ch_frontier_put(&w, &f);
	CHECK(!w.bad && ch_frontier_parse(&again, ch_wr_span(&w), &d) == CH_OK && again.count == f.count);
}

/* Index, size, leaf, root, proof. */
static void check_proof(struct ch_span in)
{
	struct ch_rd r = ch_rd(in);
	uint64_t one = ch_rd_be64(&r);
	uint64_t two = ch_rd_be64(&r);
	struct ch_tree_hash leaf = { 0 };
	struct ch_tree_hash root = { 0 };
	ch_span_copy(leaf.b, sizeof(leaf.b), ch_rd_take(&r, sizeof(leaf.b)));
	ch_span_copy(root.b, sizeof(root.b), ch_rd_take(&r, sizeof(root.b)));
	size_t count = ch_rd_left(&r) / CH_MERKLE_HASH;
	struct ch_tree_hash *proof = malloc((count + 1) * sizeof(*proof));
	CHECK(proof != NULL);
	for (size_t i = 0; i < count; i++)
		ch_span_copy(proof[i].b, sizeof(proof[i].b), ch_rd_take(&r, sizeof(proof[i].b)));
	bool holds = ch_merkle_inclusion_check(one, two, &leaf, proof, count, &root) == CH_OK;
	bool extends = ch_merkle_consistency_check(one, &leaf, two, &root, proof, count) == CH_OK;
	root.b[0] ^= 1;
	CHECK(!holds || ch_merkle_inclusion_check(one, two, &leaf, proof, count, &root) == CH_ERR_MISMATCH);
	CHECK(!extends || ch_merkle_consistency_check(one, &leaf, two, &root, proof, count) == CH_ERR_MISMATCH);
	free(proof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_frontier(ch_span(data, size));
	check_proof(ch_span(data, size));
	return 0;
}
