/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/generation.h"

#define MAGIC   0x6368474eu /* "chGN" */
#define VERSION 1

/* Whether items of the kind belong to a class; 0 is no kind. */
static const enum {
	NO_KIND,
	NAMED,
	UNNAMED
} naming[] = {
	[CH_GENERATION_POLICY] = NAMED,
	[CH_GENERATION_REFERENCE] = NAMED,
	[CH_GENERATION_EK_ROOT] = UNNAMED,
};

static bool kind_known(unsigned kind)
{
	return kind < CH_COUNT_OF(naming) && naming[kind] != NO_KIND;
}

static bool name_fits(unsigned kind, size_t n)
{
	return naming[kind] == UNNAMED ? n == 0 : n >= 1 && n <= CH_GENERATION_NAME_MAX;
}

static void item_read(struct ch_rd *r, struct ch_generation_item *item)
{
	item->kind = (enum ch_generation_kind)ch_rd_u8(r);
	size_t n = ch_rd_u8(r);
	item->name = ch_rd_take(r, n);
	item->bytes = ch_rd_take(r, ch_rd_be32(r));
}

static enum ch_err items_check(struct ch_rd *r, uint32_t count, struct ch_diag *d)
{
	for (uint32_t i = 0; i < count; i++) {
		struct ch_generation_item item;
		size_t at = r->off;
		if (d != NULL)
			d->item = i;
		item_read(r, &item);
		if (r->bad)
			return ch_fail(d, CH_ERR_TRUNCATED, at, "the item is cut off");
		if (!kind_known(item.kind))
			return ch_fail(d, CH_ERR_UNKNOWN, at, "kind is none of those that we know");
		if (!name_fits(item.kind, item.name.n))
			return ch_fail(d, CH_ERR_MALFORMED, at, "the name does not go with the kind of the item");
	}
	if (d != NULL)
		d->item = CH_ITEM_NONE;
	return CH_OK;
}

enum ch_err ch_generation_parse(struct ch_generation *g, struct ch_span in, struct ch_diag *d)
{
	*g = (struct ch_generation){ 0 };
	ch_diag_clear(d);
	struct ch_rd r = ch_rd(in);
	uint32_t magic = ch_rd_be32(&r);
	uint16_t version = ch_rd_be16(&r);
	uint64_t number = ch_rd_be64(&r);
	uint32_t count = ch_rd_be32(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "the head is cut off");
	if (magic != MAGIC)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "this is no generation");
	if (version != VERSION)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 4, "version is not 1");
	if (number == 0)
		return ch_fail(d, CH_ERR_RANGE, 6, "generations count from 1");
	if (count > CH_GENERATION_ITEMS_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 14, "more items than CH_GENERATION_ITEMS_MAX");
	size_t start = r.off;
	enum ch_err err = items_check(&r, count, d);
	if (err != CH_OK)
		return err;
	if (!ch_rd_done(&r))
		return ch_fail(d, CH_ERR_TRAILING, r.off, "bytes after the last item");
	*g = (struct ch_generation){ .number = number, .count = count, .items = ch_span_sub(in, start, in.n - start) };
	return CH_OK;
}

bool ch_generation_next(struct ch_rd *items, struct ch_generation_item *item)
{
	*item = (struct ch_generation_item){ 0 };
	if (ch_rd_left(items) == 0)
		return false;
	item_read(items, item);
	return !items->bad;
}

bool ch_generation_find(struct ch_rd *items, enum ch_generation_kind kind, struct ch_span name,
			struct ch_generation_item *item)
{
	while (ch_generation_next(items, item)) {
		if (item->kind == kind && (name.n == 0 || ch_span_eq(item->name, name)))
			return true;
	}
	return false;
}

void ch_generation_begin(struct ch_wr *w, uint64_t number, uint32_t count)
{
	ch_wr_be32(w, MAGIC);
	ch_wr_be16(w, VERSION);
	ch_wr_be64(w, number);
	ch_wr_be32(w, count);
}

void ch_generation_put(struct ch_wr *w, const struct ch_generation_item *item)
{
	if (!kind_known(item->kind) || !name_fits(item->kind, item->name.n) || item->bytes.n > UINT32_MAX) {
		w->bad = true;
		return;
	}
	ch_wr_u8(w, (uint8_t)item->kind);
	ch_wr_u8(w, (uint8_t)item->name.n);
	ch_wr_put(w, item->name);
	ch_wr_be32(w, (uint32_t)item->bytes.n);
	ch_wr_put(w, item->bytes);
}
