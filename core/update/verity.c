/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/verity.h"

#include "core/base/rd.h"

#define DIGEST 32
#define CLAUSE " (dm-verity superblock)"

static const uint8_t zero[DIGEST];

static bool block_size_valid(uint32_t n)
{
	return n >= 512 && n <= 65536 && (n & (n - 1)) == 0;
}

/* --- the superblock --- */

static enum ch_err check(const struct ch_verity *v, struct ch_span algorithm, struct ch_diag *d)
{
	static const struct ch_span sha256 = CH_SPAN_LIT("sha256");
	if (!ch_span_starts(algorithm, sha256) ||
	    !ch_span_all(ch_span_sub(algorithm, sha256.n, algorithm.n - sha256.n), 0))
		return ch_fail(d, CH_ERR_UNSUPPORTED, 32, "a hash other than sha256" CLAUSE);
	if (!block_size_valid(v->data_block) || !block_size_valid(v->hash_block))
		return ch_fail(d, CH_ERR_RANGE, 64, "a block has 512 to 65536 bytes, a power of 2" CLAUSE);
	if (v->blocks == 0 || v->blocks > UINT64_MAX / v->data_block / 2)
		return ch_fail(d, CH_ERR_RANGE, 72, "no data, or more than there can be" CLAUSE);
	return CH_OK;
}

enum ch_err ch_verity_parse(struct ch_verity *v, struct ch_span super, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(super);
	ch_diag_clear(d);
	*v = (struct ch_verity){ 0 };
	struct ch_span magic = ch_rd_take(&r, 8);
	uint32_t version = ch_rd_le32(&r), type = ch_rd_le32(&r);
	(void)ch_rd_take(&r, 16); /* a UUID */
	struct ch_span algorithm = ch_rd_take(&r, 32);
	uint32_t data_block = ch_rd_le32(&r), hash_block = ch_rd_le32(&r);
	uint64_t blocks = ch_rd_le64(&r);
	size_t salt_n = ch_rd_le16(&r);
	struct ch_span free1 = ch_rd_take(&r, 6), salt = ch_rd_take(&r, CH_VERITY_SALT_MAX),
		       free2 = ch_rd_take(&r, 168);
	if (!ch_rd_done(&r))
		return ch_fail(d, CH_ERR_TRUNCATED, super.n, "a superblock has 512 bytes" CLAUSE);
	if (!ch_span_eq(magic, CH_SPAN_LIT("verity\0\0")))
		return ch_fail(d, CH_ERR_MALFORMED, 0, "no dm-verity superblock");
	if (version != 1 || type != 1)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 8, "version and hash type 1 are known" CLAUSE);
	if (salt_n > salt.n)
		return ch_fail(d, CH_ERR_RANGE, 80, "a salt of more than 256 bytes" CLAUSE);
	if (!ch_span_all(free1, 0) || !ch_span_all(free2, 0) ||
	    !ch_span_all(ch_span_sub(salt, salt_n, salt.n - salt_n), 0))
		return ch_fail(d, CH_ERR_MALFORMED, 82, "bytes that are free are not zero" CLAUSE);
	const struct ch_verity all = {
		.data_block = data_block, .hash_block = hash_block, .blocks = blocks, .salt_n = salt_n
	};
	enum ch_err err = check(&all, algorithm, d);
	if (err != CH_OK)
		return err;
	*v = all;
	(void)ch_span_copy(v->salt, sizeof(v->salt), ch_span_sub(salt, 0, salt_n));
	return CH_OK;
}

/* --- the tree --- */

/* Levels of hash blocks over the data: the last has one. None over a single block of data. */
static unsigned levels_of(const struct ch_verity *v)
{
	unsigned levels = 0;
	for (uint64_t n = v->blocks; n > 1; levels++)
		n = (n - 1) / (v->hash_block / DIGEST) + 1;
	return levels;
}

uint64_t ch_verity_tree_size(const struct ch_verity *v)
{
	uint64_t sum = 0;
	for (uint64_t n = v->blocks; n > 1;) {
		n = (n - 1) / (v->hash_block / DIGEST) + 1;
		sum += n;
	}
	return sum * v->hash_block;
}

/* A hash block of each level that is not whole yet: its hash as far as it goes. */
struct tree {
	const struct ch_verity *v;
	unsigned levels;
	uint32_t filled[CH_VERITY_LEVELS_MAX]; /* digests in it; 0: it has not begun */
	struct ch_hash hash[CH_VERITY_LEVELS_MAX];
	struct ch_digest top;
};

static enum ch_err hash_begin(const struct tree *t, struct ch_hash *h)
{
	enum ch_err err = ch_hash_init(h, CH_HASH_SHA256);
	if (err == CH_OK)
		ch_hash_update(h, ch_span(t->v->salt, t->v->salt_n));
	return err;
}

/* The block of this level is whole: `digest` gets its hash. */
static void close_block(struct tree *t, unsigned level, struct ch_digest *digest)
{
	for (; t->filled[level] < t->v->hash_block / DIGEST; t->filled[level]++)
		ch_hash_update(&t->hash[level], CH_SPAN_OF(zero));
	ch_hash_final(&t->hash[level], digest);
	t->filled[level] = 0;
}

/* A digest of what lies below goes in at `level`, and what it completes goes up. */
static enum ch_err add(struct tree *t, unsigned level, struct ch_digest digest)
{
	for (; level < t->levels; level++) {
		if (t->filled[level] == 0 && hash_begin(t, &t->hash[level]) != CH_OK)
			return CH_ERR_CRYPTO;
		ch_hash_update(&t->hash[level], ch_digest_span(&digest));
		if (++t->filled[level] < t->v->hash_block / DIGEST)
			return CH_OK;
		close_block(t, level, &digest);
	}
	t->top = digest;
	return CH_OK;
}

static enum ch_err hash_all(struct tree *t, struct ch_span data)
{
	enum ch_err err = CH_OK;
	for (size_t at = 0; err == CH_OK && at < data.n; at += t->v->data_block) {
		struct ch_hash h;
		struct ch_digest digest;
		err = hash_begin(t, &h);
		if (err != CH_OK)
			break;
		ch_hash_update(&h, ch_span_sub(data, at, t->v->data_block));
		ch_hash_final(&h, &digest);
		err = add(t, 0, digest);
	}
	/* What is not whole is filled with zeros, from below. */
	for (unsigned level = 0; err == CH_OK && level < t->levels; level++) {
		struct ch_digest digest;
		if (t->filled[level] == 0)
			continue;
		close_block(t, level, &digest);
		err = add(t, level + 1, digest);
	}
	return err;
}

enum ch_err ch_verity_root(const struct ch_verity *v, struct ch_span data, uint8_t root[static 32], struct ch_diag *d)
{
	struct tree t = { .v = v };
	ch_diag_clear(d);
	(void)ch_span_copy(root, DIGEST, CH_SPAN_OF(zero));
	if (!block_size_valid(v->data_block) || !block_size_valid(v->hash_block) || v->salt_n > CH_VERITY_SALT_MAX)
		return ch_fail(d, CH_ERR_RANGE, 0, "a block has 512 to 65536 bytes, a power of 2 (dm-verity)");
	if (v->blocks == 0 || data.n % v->data_block != 0 || data.n / v->data_block != v->blocks)
		return ch_fail(d, CH_ERR_RANGE, data.n, "the data is not as long as its hash tree says (dm-verity)");
	t.levels = levels_of(v);
	if (t.levels > CH_VERITY_LEVELS_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "a hash tree of more than CH_VERITY_LEVELS_MAX levels");
	enum ch_err err = hash_all(&t, data);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "a hash cannot be computed");
	(void)ch_span_copy(root, DIGEST, ch_digest_span(&t.top));
	return CH_OK;
}
