/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_MERKLE_H
#define CH_TRUST_MERKLE_H

#include "core/base/wr.h"
#include "core/crypto/hash.h"

/*
 * The Merkle tree of a transparency log (RFC 6962, 2.1; RFC 9162, 2.1) over SHA-256: hashes, the growing edge of a tree, and
 * inclusion and consistency proofs, made and verified. Sizes and indexes count entries and are below 2^63. Nothing is allocated;
 * every loop is bounded by CH_MERKLE_DEPTH_MAX.
 *
 * CH_ERR_UNSUPPORTED and CH_ERR_CRYPTO, from every function that hashes, mean that the backend cannot.
 */

#define CH_MERKLE_HASH     32
#define CH_MERKLE_SIZE_MAX (((uint64_t)1 << 63) - 1)

struct ch_tree_hash {
	uint8_t b[CH_MERKLE_HASH];
};

static inline struct ch_span ch_tree_hash_span(const struct ch_tree_hash *h)
{
	return CH_SPAN_OF(h->b);
}

/* SHA-256(0x00 ‖ entry) (RFC 9162, 2.1.1). */
CH_MUST_USE enum ch_err ch_merkle_leaf(struct ch_tree_hash *out, struct ch_span entry);
/* SHA-256(0x01 ‖ left ‖ right). `out` may be one of them. */
CH_MUST_USE enum ch_err ch_merkle_node(struct ch_tree_hash *out, const struct ch_tree_hash *left,
				       const struct ch_tree_hash *right);
bool ch_tree_hash_eq(const struct ch_tree_hash *a, const struct ch_tree_hash *b);

/*
 * The growing edge: the roots of the complete subtrees that a tree of `size` entries consists of, from left (largest) to right,
 * one for each bit of `size` that is 1. It is all that appending needs. A zeroed struct is the empty tree.
 */
struct ch_frontier {
	uint64_t size;
	size_t count;
	struct ch_tree_hash node[CH_MERKLE_DEPTH_MAX];
};

/* Appends one leaf. CH_ERR_LIMIT at CH_MERKLE_SIZE_MAX. After a failure `f` is as it was. */
CH_MUST_USE enum ch_err ch_frontier_append(struct ch_frontier *f, const struct ch_tree_hash *leaf);
/* The root of the whole tree; of the empty one SHA-256 of nothing. */
CH_MUST_USE enum ch_err ch_frontier_root(const struct ch_frontier *f, struct ch_tree_hash *root);

/* The frontier's bytes: size (u64, big-endian), then its hashes. */
#define CH_FRONTIER_BYTES_MAX (8 + CH_MERKLE_DEPTH_MAX * CH_MERKLE_HASH)
void ch_frontier_put(struct ch_wr *w, const struct ch_frontier *f);
/* Reads them, all of `in`: CH_ERR_RANGE for a size of 2^63 or more, CH_ERR_TRUNCATED or CH_ERR_TRAILING for another count. */
CH_MUST_USE enum ch_err ch_frontier_parse(struct ch_frontier *f, struct ch_span in, struct ch_diag *d);

/*
 * Verifies that `leaf` is entry `index` of the tree (`size`, `root`) (RFC 9162, 2.1.3.2): CH_OK, CH_ERR_RANGE if there is no such
 * entry or the proof has another length than this place needs, CH_ERR_MISMATCH if it leads to another root.
 */
CH_MUST_USE enum ch_err ch_merkle_inclusion_check(uint64_t index, uint64_t size, const struct ch_tree_hash *leaf,
						  const struct ch_tree_hash *proof, size_t count,
						  const struct ch_tree_hash *root);

/*
 * Verifies that the tree (size2, root2) extends the tree (size1, root1) (RFC 9162, 2.1.4.2): CH_OK, CH_ERR_RANGE if size1 is 0 (every
 * tree extends the empty one: there is nothing to prove), greater than size2, or the proof has another length than it must,
 * CH_ERR_MISMATCH if it does not hold.
 */
CH_MUST_USE enum ch_err ch_merkle_consistency_check(uint64_t size1, const struct ch_tree_hash *root1, uint64_t size2,
						    const struct ch_tree_hash *root2, const struct ch_tree_hash *proof,
						    size_t count);

/* --- proofs out of stored hashes --- */

/*
 * Where hashes come from: `node` gives the root of the complete subtree over the entries [index << level, (index + 1) << level).
 * Only subtrees that lie within the tree's size are asked for. Whatever error it returns ends what asked.
 */
struct ch_tree_src {
	enum ch_err (*node)(void *ctx, unsigned level, uint64_t index, struct ch_tree_hash *out);
	void *ctx;
};

/* Hashes of entry `index` up to the root of the tree of `size` (RFC 9162, 2.1.3.1). CH_ERR_RANGE if index >= size. */
CH_MUST_USE enum ch_err ch_merkle_inclusion_prove(const struct ch_tree_src *src, uint64_t index, uint64_t size,
						  struct ch_tree_hash proof[static CH_MERKLE_DEPTH_MAX], size_t *count);
/* RFC 9162, 2.1.4.1; empty for equal sizes. CH_ERR_RANGE if size1 is 0 or greater than size2. */
CH_MUST_USE enum ch_err ch_merkle_consistency_prove(const struct ch_tree_src *src, uint64_t size1, uint64_t size2,
						    struct ch_tree_hash proof[static CH_MERKLE_DEPTH_MAX],
						    size_t *count);
/* The frontier of the first `size` entries: what a follower starts from. */
CH_MUST_USE enum ch_err ch_frontier_load(struct ch_frontier *f, const struct ch_tree_src *src, uint64_t size);

#endif
