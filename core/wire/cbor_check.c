/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/cbor.h"

#include <string.h>

/*
 * One pass over an item with an explicit stack. In a map `left` is even when a key comes next, whether it counts down (definite
 * length) or up (indefinite).
 */
struct frame {
	enum ch_cbor_type type;
	bool indefinite;
	uint64_t left;
	uint64_t tag;
	size_t key;          /* where the current key starts */
	struct ch_span last; /* the key before */
};

struct scan {
	bool order; /* map keys in bytewise order, bignums preferred */
	bool text;  /* text strings are UTF-8 */
	size_t depth;
	struct frame f[CH_CBOR_DEPTH_MAX];
};

static bool opens(const struct ch_cbor_item *it)
{
	if (it->type == CH_CBOR_TAG || it->indefinite)
		return true;
	return (it->type == CH_CBOR_ARRAY || it->type == CH_CBOR_MAP) && it->value > 0;
}

static void push(struct ch_cbor *r, struct scan *s, const struct ch_cbor_item *it)
{
	if (s->depth == CH_CBOR_DEPTH_MAX) {
		ch_cbor_refuse(r, CH_ERR_LIMIT, it->off, "arrays, maps and tags nest deeper than CH_CBOR_DEPTH_MAX");
		return;
	}
	struct frame *f = &s->f[s->depth++];
	*f = (struct frame){ .type = it->type, .indefinite = it->indefinite };
	if (it->type == CH_CBOR_TAG) {
		f->left = 1;
		f->tag = it->value;
	} else if (!it->indefinite) {
		f->left = it->type == CH_CBOR_MAP ? it->value * 2 : it->value;
	}
}

/* Bytewise lexicographic order of the encodings (RFC 8949, 4.2.1). */
static bool key_before(struct ch_span a, struct ch_span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n != 0 ? memcmp(a.p, b.p, n) : 0;
	return c != 0 ? c < 0 : a.n < b.n;
}

static void key_done(struct ch_cbor *r, struct frame *f)
{
	struct ch_span key = ch_span_sub(r->in, f->key, r->off - f->key);
	if (f->last.n != 0 && !key_before(f->last, key))
		ch_cbor_refuse(r, ch_span_eq(f->last, key) ? CH_ERR_DUPLICATE : CH_ERR_ENCODING, f->key,
			       "map keys are not in bytewise order (RFC 8949, 4.2.1)");
	f->last = key;
}

/* An item is complete: so may be those around it. */
static void complete(struct ch_cbor *r, struct scan *s)
{
	while (s->depth > 0) {
		struct frame *f = &s->f[s->depth - 1];
		if (s->order && f->type == CH_CBOR_MAP && f->left % 2 == 0)
			key_done(r, f);
		if (f->indefinite) {
			f->left++;
			return;
		}
		f->left--;
		if (f->left > 0)
			return;
		s->depth--;
	}
}

static void close_indefinite(struct ch_cbor *r, struct scan *s, size_t off)
{
	struct frame *f = s->depth > 0 ? &s->f[s->depth - 1] : NULL;
	if (f == NULL || !f->indefinite)
		ch_cbor_refuse(r, CH_ERR_MALFORMED, off,
			       "a break outside of an item of indefinite length (RFC 8949, 3.2.1)");
	else if (f->type == CH_CBOR_MAP && f->left % 2 != 0)
		ch_cbor_refuse(r, CH_ERR_MALFORMED, off, "a break between a key and its value (RFC 8949, 3.2.2)");
	else
		s->depth--;
}

static void check_in_frame(struct ch_cbor *r, const struct scan *s, const struct ch_cbor_item *it)
{
	if (s->depth == 0)
		return;
	const struct frame *f = &s->f[s->depth - 1];
	bool string = f->type == CH_CBOR_BSTR || f->type == CH_CBOR_TSTR;
	if (string && (it->type != f->type || it->indefinite))
		ch_cbor_refuse(r, CH_ERR_MALFORMED, it->off,
			       "a chunk of a string is a definite string of the same type (RFC 8949, 3.2.3)");
	if (s->order && f->type == CH_CBOR_TAG && (f->tag == 2 || f->tag == 3) && it->type == CH_CBOR_BSTR &&
	    (it->str.n <= 8 || it->str.p[0] == 0))
		ch_cbor_refuse(r, CH_ERR_ENCODING, it->off,
			       "a bignum that fits an integer or starts with zero (RFC 8949, 3.4.3)");
}

static bool scan_next(struct ch_cbor *r, const struct scan *s, struct ch_cbor_item *it)
{
	return s->text ? ch_cbor_next(r, it) : ch_cbor_next_raw(r, it);
}

static void scan(struct ch_cbor *r, struct scan *s)
{
	do { /* each turn takes at least one byte or fails */
		if (s->depth > 0)
			s->f[s->depth - 1].key = s->f[s->depth - 1].left % 2 == 0 ? r->off : s->f[s->depth - 1].key;
		struct ch_cbor_item it;
		if (!scan_next(r, s, &it))
			return;
		if (it.type == CH_CBOR_BREAK)
			close_indefinite(r, s, it.off);
		else
			check_in_frame(r, s, &it);
		if (r->err != CH_OK)
			return;
		if (it.type != CH_CBOR_BREAK && opens(&it))
			push(r, s, &it);
		else
			complete(r, s);
	} while (s->depth > 0 && r->err == CH_OK);
}

struct ch_span ch_cbor_skip(struct ch_cbor *r)
{
	struct scan s = { .text = true };
	size_t from = r->off;
	scan(r, &s);
	return r->err == CH_OK ? ch_span_sub(r->in, from, r->off - from) : CH_SPAN_EMPTY;
}

enum ch_err ch_cbor_wellformed(struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	struct ch_cbor r = ch_cbor(in, CH_CBOR_ANY);
	struct scan s = { .text = false };
	scan(&r, &s);
	return ch_cbor_end(&r, d);
}

bool ch_cbor_key_eq(struct ch_span a, struct ch_span b)
{
	struct ch_cbor ra = ch_cbor(a, CH_CBOR_ANY);
	struct ch_cbor rb = ch_cbor(b, CH_CBOR_ANY);
	struct ch_cbor_item x;
	struct ch_cbor_item y;
	if (!ch_cbor_next(&ra, &x) || !ch_cbor_next(&rb, &y) || x.type != y.type)
		return ch_span_eq(a, b);
	if (x.indefinite || y.indefinite || x.type == CH_CBOR_ARRAY || x.type == CH_CBOR_MAP || x.type == CH_CBOR_TAG)
		return ch_span_eq(a, b);
	if (x.type == CH_CBOR_FLOAT)
		return ch_cbor_float64(x.value, x.width) == ch_cbor_float64(y.value, y.width);
	return x.value == y.value && ch_span_eq(x.str, y.str);
}

/* The keys of one map, which starts behind its head at `r`; r is a copy. */
static enum ch_err map_unique(struct ch_cbor r, const struct ch_cbor_item *map, struct ch_diag *d)
{
	struct ch_span key[CH_CBOR_PAIRS_MAX];
	for (size_t n = 0; map->indefinite ? ch_cbor_peek(&r) != CH_CBOR_BREAK : n < map->value; n++) {
		if (n == CH_CBOR_PAIRS_MAX)
			return ch_fail(d, CH_ERR_LIMIT, map->off, "a map has more pairs than CH_CBOR_PAIRS_MAX");
		size_t at = r.off;
		key[n] = ch_cbor_skip(&r);
		(void)ch_cbor_skip(&r);
		for (size_t i = 0; i < n; i++) {
			if (ch_cbor_key_eq(key[i], key[n]))
				return ch_fail(d, CH_ERR_DUPLICATE, at, "a key is twice in a map (RFC 8949, 5.6)");
		}
	}
	return CH_OK;
}

enum ch_err ch_cbor_check(struct ch_span in, enum ch_cbor_mode mode, struct ch_diag *d)
{
	ch_diag_clear(d);
	struct ch_cbor r = ch_cbor(in, mode);
	struct scan s = { .order = mode == CH_CBOR_DETERMINISTIC, .text = true };
	scan(&r, &s);
	enum ch_err err = ch_cbor_end(&r, d);
	if (err != CH_OK || s.order)
		return err;
	/* The heads stand one after the other whatever their nesting, so a flat pass meets every map. */
	r = ch_cbor(in, mode);
	struct ch_cbor_item it;
	while (r.off < in.n && ch_cbor_next(&r, &it)) {
		err = it.type == CH_CBOR_MAP ? map_unique(r, &it, d) : CH_OK;
		if (err != CH_OK)
			return err;
	}
	return CH_OK;
}
