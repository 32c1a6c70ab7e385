/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/merkle.h"

#include "core/base/rd.h"
#include "core/base/wr.h"

static enum ch_err hash_parts(struct ch_tree_hash *out, const struct ch_span *part, size_t count)
{
	struct ch_hash h;
	struct ch_digest digest;
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	for (size_t i = 0; i < count; i++)
		ch_hash_update(&h, part[i]);
	ch_hash_final(&h, &digest);
	ch_span_copy(out->b, sizeof(out->b), ch_digest_span(&digest));
	return CH_OK;
}

enum ch_err ch_merkle_leaf(struct ch_tree_hash *out, struct ch_span entry)
{
	const struct ch_span part[] = { CH_SPAN_LIT("\x00"), entry };
	*out = (struct ch_tree_hash){ 0 };
	return hash_parts(out, part, CH_COUNT_OF(part));
}

enum ch_err ch_merkle_node(struct ch_tree_hash *out, const struct ch_tree_hash *left, const struct ch_tree_hash *right)
{
	const struct ch_span part[] = { CH_SPAN_LIT("\x01"), ch_tree_hash_span(left), ch_tree_hash_span(right) };
	return hash_parts(out, part, CH_COUNT_OF(part));
}

bool ch_tree_hash_eq(const struct ch_tree_hash *a, const struct ch_tree_hash *b)
{
	return ch_span_eq(ch_tree_hash_span(a), ch_tree_hash_span(b));
}

/* --- the growing edge --- */

enum ch_err ch_frontier_append(struct ch_frontier *f, const struct ch_tree_hash *leaf)
{
	if (f->size >= CH_MERKLE_SIZE_MAX)
		return CH_ERR_LIMIT;
	/* Each bit of the size that carries joins the last subtree with what grew beside it. */
	struct ch_tree_hash node = *leaf;
	size_t count = f->count;
	for (uint64_t bits = f->size; (bits & 1) != 0; bits >>= 1) {
		enum ch_err err = ch_merkle_node(&node, &f->node[--count], &node);
		if (err != CH_OK)
			return err;
	}
	f->node[count] = node;
	f->count = count + 1;
	f->size++;
	return CH_OK;
}

enum ch_err ch_frontier_root(const struct ch_frontier *f, struct ch_tree_hash *root)
{
	*root = (struct ch_tree_hash){ 0 };
	if (f->count == 0)
		return hash_parts(root, NULL, 0);
	struct ch_tree_hash node = f->node[f->count - 1];
	for (size_t i = f->count - 1; i > 0; i--) {
		enum ch_err err = ch_merkle_node(&node, &f->node[i - 1], &node);
		if (err != CH_OK)
			return err;
	}
	*root = node;
	return CH_OK;
}

static size_t ones(uint64_t v)
{
	size_t n = 0;
	for (; v != 0; v &= v - 1)
		n++;
	return n;
}

void ch_frontier_put(struct ch_wr *w, const struct ch_frontier *f)
{
	ch_wr_be64(w, f->size);
	for (size_t i = 0; i < f->count; i++)
		ch_wr_put(w, ch_tree_hash_span(&f->node[i]));
}

enum ch_err ch_frontier_parse(struct ch_frontier *f, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	struct ch_frontier out = { .size = ch_rd_be64(&r) };
	*f = (struct ch_frontier){ 0 };
	ch_diag_clear(d);
	if (out.size > CH_MERKLE_SIZE_MAX)
		return ch_fail(d, CH_ERR_RANGE, 0, "a tree has less than 2^63 entries");
	out.count = r.bad ? 0 : ones(out.size);
	for (size_t i = 0; i < out.count; i++)
		ch_span_copy(out.node[i].b, CH_MERKLE_HASH, ch_rd_take(&r, CH_MERKLE_HASH));
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, in.n, "the frontier has fewer hashes than its size has bits");
	if (!ch_rd_done(&r))
		return ch_fail(d, CH_ERR_TRAILING, r.off, "the frontier has more hashes than its size has bits");
	*f = out;
	return CH_OK;
}

/* --- verifying --- */

/* Moves up past the levels where the node is the last and has no sibling. */
static void skip_single(uint64_t *fn, uint64_t *sn)
{
	while ((*fn & 1) == 0 && *fn != 0) {
		*fn >>= 1;
		*sn >>= 1;
	}
}

enum ch_err ch_merkle_inclusion_check(uint64_t index, uint64_t size, const struct ch_tree_hash *leaf,
				      const struct ch_tree_hash *proof, size_t count, const struct ch_tree_hash *root)
{
	if (size > CH_MERKLE_SIZE_MAX || index >= size || count > CH_MERKLE_DEPTH_MAX)
		return CH_ERR_RANGE;
	/* The names fn, sn and r are those of RFC 9162, 2.1.3.2. */
	uint64_t fn = index;
	uint64_t sn = size - 1;
	struct ch_tree_hash r = *leaf;
	for (size_t i = 0; i < count; i++) {
		bool right = (fn & 1) != 0 || fn == sn;
		if (sn == 0)
			return CH_ERR_RANGE;
		enum ch_err err = right ? ch_merkle_node(&r, &proof[i], &r) : ch_merkle_node(&r, &r, &proof[i]);
		if (err != CH_OK)
			return err;
		if (right)
			skip_single(&fn, &sn);
		fn >>= 1;
		sn >>= 1;
	}
	if (sn != 0)
		return CH_ERR_RANGE;
	return ch_tree_hash_eq(&r, root) ? CH_OK : CH_ERR_MISMATCH;
}

/* The common part of a proof between different sizes; `fr` starts as the largest subtree that both trees hold. */
static enum ch_err consistency_walk(uint64_t fn, uint64_t sn, struct ch_tree_hash *fr, struct ch_tree_hash *sr,
				    const struct ch_tree_hash *proof, size_t count)
{
	enum ch_err err = CH_OK;
	for (size_t i = 0; i < count && err == CH_OK; i++) {
		bool right = (fn & 1) != 0 || fn == sn;
		if (sn == 0)
			return CH_ERR_RANGE;
		if (right) {
			err = ch_merkle_node(fr, &proof[i], fr);
			if (err == CH_OK)
				err = ch_merkle_node(sr, &proof[i], sr);
			skip_single(&fn, &sn);
		} else {
			err = ch_merkle_node(sr, sr, &proof[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return err == CH_OK && sn != 0 ? CH_ERR_RANGE : err;
}

enum ch_err ch_merkle_consistency_check(uint64_t size1, const struct ch_tree_hash *root1, uint64_t size2,
					const struct ch_tree_hash *root2, const struct ch_tree_hash *proof,
					size_t count)
{
	if (size1 == 0 || size1 > size2 || size2 > CH_MERKLE_SIZE_MAX || count > CH_MERKLE_DEPTH_MAX)
		return CH_ERR_RANGE;
	if (size1 == size2) {
		if (count != 0)
			return CH_ERR_RANGE;
		return ch_tree_hash_eq(root1, root2) ? CH_OK : CH_ERR_MISMATCH;
	}
	if (count == 0)
		return CH_ERR_RANGE;
	uint64_t fn = size1 - 1;
	uint64_t sn = size2 - 1;
	while ((fn & 1) != 0) {
		fn >>= 1;
		sn >>= 1;
	}
	/* A first tree that is complete is itself the subtree that a proof else begins with. */
	bool complete = (size1 & (size1 - 1)) == 0;
	struct ch_tree_hash fr = complete ? *root1 : proof[0];
	struct ch_tree_hash sr = fr;
	size_t skip = complete ? 0 : 1;
	enum ch_err err = consistency_walk(fn, sn, &fr, &sr, proof + skip, count - skip);
	if (err != CH_OK)
		return err;
	return ch_tree_hash_eq(&fr, root1) && ch_tree_hash_eq(&sr, root2) ? CH_OK : CH_ERR_MISMATCH;
}

/* --- making --- */

/* A range of entries that begins where a subtree of its size, rounded up, begins. */
struct range {
	uint64_t begin;
	uint64_t end;
};

/* The largest power of two below n; n > 1. */
static uint64_t split_of(uint64_t n)
{
	uint64_t k = 1;
	while (k < n - k)
		k <<= 1;
	return k;
}

/* The complete subtrees of a range, from the left. */
static enum ch_err range_load(struct ch_frontier *f, const struct ch_tree_src *src, struct range in)
{
	*f = (struct ch_frontier){ 0 };
	uint64_t left = in.end - in.begin;
	for (unsigned level = CH_MERKLE_DEPTH_MAX; level-- > 0;) {
		uint64_t width = (uint64_t)1 << level;
		if ((left & width) == 0)
			continue;
		enum ch_err err = src->node(src->ctx, level, (in.begin + f->size) >> level, &f->node[f->count]);
		if (err != CH_OK)
			return err;
		f->count++;
		f->size += width;
	}
	return CH_OK;
}

static enum ch_err range_root(const struct ch_tree_src *src, struct range in, struct ch_tree_hash *out)
{
	struct ch_frontier f;
	enum ch_err err = range_load(&f, src, in);
	return err == CH_OK ? ch_frontier_root(&f, out) : err;
}

/* Hashes the ranges that a walk from the root met, in the reverse order: a proof begins at the bottom. */
static enum ch_err ranges_hash(const struct ch_tree_src *src, const struct range *met, size_t n,
			       struct ch_tree_hash *proof, size_t *count)
{
	for (size_t i = 0; i < n; i++) {
		enum ch_err err = range_root(src, met[n - 1 - i], &proof[i]);
		if (err != CH_OK)
			return err;
	}
	*count = n;
	return CH_OK;
}

enum ch_err ch_merkle_inclusion_prove(const struct ch_tree_src *src, uint64_t index, uint64_t size,
				      struct ch_tree_hash proof[static CH_MERKLE_DEPTH_MAX], size_t *count)
{
	struct range met[CH_MERKLE_DEPTH_MAX];
	struct range at = { 0, size };
	size_t n = 0;
	*count = 0;
	if (size > CH_MERKLE_SIZE_MAX || index >= size)
		return CH_ERR_RANGE;
	while (at.end - at.begin > 1) {
		uint64_t mid = at.begin + split_of(at.end - at.begin);
		bool left = index < mid;
		met[n++] = left ? (struct range){ mid, at.end } : (struct range){ at.begin, mid };
		at = left ? (struct range){ at.begin, mid } : (struct range){ mid, at.end };
	}
	return ranges_hash(src, met, n, proof, count);
}

enum ch_err ch_merkle_consistency_prove(const struct ch_tree_src *src, uint64_t size1, uint64_t size2,
					struct ch_tree_hash proof[static CH_MERKLE_DEPTH_MAX], size_t *count)
{
	struct range met[CH_MERKLE_DEPTH_MAX];
	struct range at = { 0, size2 };
	size_t n = 0;
	*count = 0;
	if (size1 == 0 || size1 > size2 || size2 > CH_MERKLE_SIZE_MAX)
		return CH_ERR_RANGE;
	while (at.end != size1) {
		uint64_t mid = at.begin + split_of(at.end - at.begin);
		bool left = size1 <= mid;
		met[n++] = left ? (struct range){ mid, at.end } : (struct range){ at.begin, mid };
		at = left ? (struct range){ at.begin, mid } : (struct range){ mid, at.end };
	}
	/* The subtree in which the walk ended is known to the verifier only if it is the whole first tree. */
	if (at.begin != 0)
		met[n++] = at;
	return ranges_hash(src, met, n, proof, count);
}

enum ch_err ch_frontier_load(struct ch_frontier *f, const struct ch_tree_src *src, uint64_t size)
{
	*f = (struct ch_frontier){ 0 };
	if (size > CH_MERKLE_SIZE_MAX)
		return CH_ERR_RANGE;
	struct ch_frontier out;
	enum ch_err err = range_load(&out, src, (struct range){ 0, size });
	if (err == CH_OK)
		*f = out;
	return err;
}
