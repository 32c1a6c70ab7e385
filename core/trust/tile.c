/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/tile.h"

#include "core/base/rd.h"

#define FAN_BITS 8

/* --- paths --- */

/* Takes a decimal number of 1 to 3 digits without leading zeros. */
static uint32_t take_small(struct ch_rd *r)
{
	uint32_t v = 0;
	size_t n = 0;
	while (n < 3 && ch_rd_left(r) > 0 && r->in.p[r->off] >= '0' && r->in.p[r->off] <= '9') {
		uint32_t digit = (uint32_t)(ch_rd_u8(r) - '0');
		if (n > 0 && v == 0)
			r->bad = true;
		v = v * 10 + digit;
		n++;
	}
	if (n == 0)
		r->bad = true;
	return v;
}

static void expect(struct ch_rd *r, struct ch_span text)
{
	if (!ch_span_eq(ch_rd_take(r, text.n), text))
		r->bad = true;
}

static bool next_is(const struct ch_rd *r, struct ch_span text)
{
	return !r->bad && ch_span_starts(ch_span_sub(r->in, r->off, ch_rd_left(r)), text);
}

/* "x001/x234/067": groups of three digits, all but the last behind an x. */
static uint64_t take_index(struct ch_rd *r)
{
	uint64_t v = 0;
	bool last = false;
	/* 2^48 / 256 tiles have at most five groups. */
	for (size_t groups = 0; groups < 5 && !last && !r->bad; groups++) {
		last = !next_is(r, CH_SPAN_LIT("x"));
		if (!last)
			expect(r, CH_SPAN_LIT("x"));
		struct ch_span digits = ch_rd_take(r, 3);
		uint64_t group = 0;
		for (size_t i = 0; i < digits.n; i++) {
			if (digits.p[i] < '0' || digits.p[i] > '9')
				r->bad = true;
			group = group * 10 + (uint64_t)(digits.p[i] - '0');
		}
		/* The first of several groups is not 000: one path for one index. */
		if (groups == 0 && !last && group == 0)
			r->bad = true;
		v = v * 1000 + group;
		if (!last)
			expect(r, CH_SPAN_LIT("/"));
	}
	if (!last)
		r->bad = true;
	return v;
}

enum ch_err ch_tile_path_parse(struct ch_tile *t, struct ch_span path)
{
	struct ch_rd r = ch_rd(path);
	struct ch_tile out = { .width = CH_BUNDLE_ENTRIES };
	uint32_t level = 0;
	uint32_t width = CH_BUNDLE_ENTRIES;
	*t = (struct ch_tile){ 0 };
	expect(&r, CH_SPAN_LIT("tile/"));
	out.entries = next_is(&r, CH_SPAN_LIT("entries/"));
	if (out.entries)
		expect(&r, CH_SPAN_LIT("entries"));
	else
		level = take_small(&r);
	expect(&r, CH_SPAN_LIT("/"));
	out.index = take_index(&r);
	bool partial = ch_rd_left(&r) > 0;
	if (partial) {
		expect(&r, CH_SPAN_LIT(".p/"));
		width = take_small(&r);
	}
	if (!ch_rd_done(&r))
		return CH_ERR_MALFORMED;
	if (level > CH_TILE_LEVEL_MAX || width == 0 || width > CH_BUNDLE_ENTRIES ||
	    (partial && width == CH_BUNDLE_ENTRIES) || out.index >> (48 - FAN_BITS * (level + 1)) != 0)
		return CH_ERR_RANGE;
	out.level = (uint8_t)level;
	out.width = (uint16_t)width;
	*t = out;
	return CH_OK;
}

static void put_group(struct ch_wr *w, uint64_t group)
{
	ch_wr_u8(w, (uint8_t)('0' + group / 100 % 10));
	ch_wr_u8(w, (uint8_t)('0' + group / 10 % 10));
	ch_wr_u8(w, (uint8_t)('0' + group % 10));
}

void ch_tile_path_put(struct ch_wr *w, const struct ch_tile *t)
{
	ch_wr_str(w, "tile/");
	if (t->entries)
		ch_wr_str(w, "entries");
	else
		ch_wr_dec(w, t->level);
	ch_wr_u8(w, '/');
	uint64_t unit = 1;
	while (t->index / unit >= 1000)
		unit *= 1000;
	for (; unit > 1; unit /= 1000) {
		ch_wr_u8(w, 'x');
		put_group(w, t->index / unit % 1000);
		ch_wr_u8(w, '/');
	}
	put_group(w, t->index % 1000);
	if (t->width < CH_BUNDLE_ENTRIES) {
		ch_wr_str(w, ".p/");
		ch_wr_dec(w, t->width);
	}
}

/* --- hashes --- */

uint64_t ch_tile_hashes(uint64_t size, uint8_t level)
{
	return level > CH_TILE_LEVEL_MAX ? 0 : size >> (FAN_BITS * level);
}

uint16_t ch_tile_width(uint64_t size, uint8_t level, uint64_t index)
{
	uint64_t hashes = ch_tile_hashes(size, level);
	uint64_t full = hashes / CH_BUNDLE_ENTRIES;
	if (index < full)
		return CH_BUNDLE_ENTRIES;
	return index == full ? (uint16_t)(hashes % CH_BUNDLE_ENTRIES) : 0;
}

static enum ch_err tile_load(struct ch_tile_src *src, uint8_t level, uint64_t index)
{
	const struct ch_tile want = { .level = level, .index = index, .width = ch_tile_width(src->size, level, index) };
	if (want.width == 0)
		return CH_ERR_RANGE;
	if (src->at.width == want.width && src->at.level == level && src->at.index == index)
		return CH_OK;
	src->at = (struct ch_tile){ 0 };
	enum ch_err err = src->get(src->ctx, &want, src->bytes);
	if (err == CH_OK)
		src->at = want;
	return err;
}

enum ch_err ch_tile_node(void *ctx, unsigned level, uint64_t index, struct ch_tree_hash *out)
{
	struct ch_tile_src *src = ctx;
	/* A subtree of 2^inside hashes side by side in one tile of the level below or at it. */
	unsigned inside = level % FAN_BITS;
	*out = (struct ch_tree_hash){ 0 };
	if (level / FAN_BITS > CH_TILE_LEVEL_MAX)
		return CH_ERR_RANGE;
	uint64_t first = index << inside;
	size_t count = (size_t)1 << inside;
	size_t at = (size_t)(first % CH_BUNDLE_ENTRIES);
	enum ch_err err = tile_load(src, (uint8_t)(level / FAN_BITS), first / CH_BUNDLE_ENTRIES);
	if (err == CH_OK && at + count > src->at.width)
		err = CH_ERR_RANGE;
	struct ch_frontier f = { 0 };
	for (size_t i = 0; i < count && err == CH_OK; i++) {
		struct ch_tree_hash h;
		ch_span_copy(h.b, sizeof(h.b),
			     ch_span_sub(CH_SPAN_OF(src->bytes), (at + i) * CH_MERKLE_HASH, CH_MERKLE_HASH));
		err = ch_frontier_append(&f, &h);
	}
	return err == CH_OK ? ch_frontier_root(&f, out) : err;
}

bool ch_bundle_next(struct ch_rd *r, struct ch_span *entry)
{
	*entry = CH_SPAN_EMPTY;
	if (ch_rd_left(r) == 0)
		return false;
	*entry = ch_rd_take(r, ch_rd_be16(r));
	return !r->bad;
}
