/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/leaf.h"

#include "core/base/rd.h"

const char *ch_leaf_type_str(unsigned type)
{
	switch (type) {
#define CASE(number, name, text) \
	case number:             \
		return text;
		CH_LEAF_TYPES(CASE)
#undef CASE
	default:
		return NULL;
	}
}

enum ch_err ch_leaf_commit(uint8_t commitment[static 32], const uint8_t salt[static CH_LEAF_SALT],
			   struct ch_span record)
{
	struct ch_hash h;
	struct ch_digest digest;
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, ch_span(salt, CH_LEAF_SALT));
	ch_hash_update(&h, record);
	ch_hash_final(&h, &digest);
	ch_span_copy(commitment, 32, ch_digest_span(&digest));
	return CH_OK;
}

void ch_leaf_put(struct ch_wr *w, const struct ch_leaf *leaf)
{
	ch_wr_u8(w, CH_LEAF_V1);
	ch_wr_u8(w, (uint8_t)leaf->type);
	ch_wr_be64(w, leaf->time);
	ch_wr_put(w, CH_SPAN_OF(leaf->commitment));
}

enum ch_err ch_leaf_parse(struct ch_leaf *leaf, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	uint8_t version = ch_rd_u8(&r);
	uint8_t type = ch_rd_u8(&r);
	struct ch_leaf out = { .type = (enum ch_leaf_type)type, .time = ch_rd_be64(&r) };
	struct ch_span commitment = ch_rd_take(&r, sizeof(out.commitment));
	*leaf = (struct ch_leaf){ 0 };
	ch_diag_clear(d);
	if (in.n > 0 && version != CH_LEAF_V1)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the version of a leaf is 1");
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, in.n, "a leaf has 42 bytes");
	if (!ch_rd_done(&r))
		return ch_fail(d, CH_ERR_TRAILING, r.off, "a leaf has 42 bytes");
	if (ch_leaf_type_str(type) == NULL)
		return ch_fail(d, CH_ERR_UNKNOWN, 1, "the type of a leaf is 1 to 8");
	ch_span_copy(out.commitment, sizeof(out.commitment), commitment);
	*leaf = out;
	return CH_OK;
}

enum ch_err ch_leaf_check(const struct ch_leaf *leaf, const uint8_t salt[static CH_LEAF_SALT], struct ch_span record)
{
	uint8_t commitment[32];
	enum ch_err err = ch_leaf_commit(commitment, salt, record);
	if (err != CH_OK)
		return err;
	return ch_ct_eq(CH_SPAN_OF(commitment), CH_SPAN_OF(leaf->commitment)) ? CH_OK : CH_ERR_MISMATCH;
}
