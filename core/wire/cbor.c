/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/cbor.h"

#include "core/base/text.h"

#define RULE_TYPE       "an item of another type is required here"
#define RULE_INDEFINITE "item of indefinite length where definite lengths are required (RFC 8949, 4.2.1)"

struct ch_cbor ch_cbor(struct ch_span in, enum ch_cbor_mode mode)
{
	return (struct ch_cbor){ .in = in, .mode = mode };
}

void ch_cbor_refuse(struct ch_cbor *r, enum ch_err err, size_t off, const char *rule)
{
	if (r->err != CH_OK)
		return;
	r->err = err;
	r->at = off;
	r->rule = rule;
}

enum ch_err ch_cbor_end(const struct ch_cbor *r, struct ch_diag *d)
{
	if (r->err != CH_OK)
		return ch_fail(d, r->err, r->at, r->rule);
	if (r->off != r->in.n)
		return ch_fail(d, CH_ERR_TRAILING, r->off, "bytes after the CBOR item");
	return CH_OK;
}

enum ch_cbor_type ch_cbor_peek(const struct ch_cbor *r)
{
	if (r->err != CH_OK || r->off == r->in.n)
		return CH_CBOR_END;
	uint8_t first = r->in.p[r->off];
	if (first == 0xff)
		return CH_CBOR_BREAK;
	if (first >= 0xf9 && first <= 0xfb)
		return CH_CBOR_FLOAT;
	return (enum ch_cbor_type)(first >> 5);
}

/* One step down: exponent and fraction of a wider binary float, tried in the next narrower one. */
struct float_step {
	unsigned fraction;        /* bits of the wider */
	unsigned exponent;        /* bits of the wider */
	unsigned narrow_fraction; /* bits of the narrower */
	int emin;                 /* smallest normal exponent of the narrower */
	int emax;
};

static const struct float_step from_binary64 = { 52, 11, 23, -126, 127 };
static const struct float_step from_binary32 = { 23, 8, 10, -14, 15 };

/* True if the narrower format holds exactly this value (for a NaN: this payload), so that it had to be used. */
static bool float_fits(uint64_t bits, const struct float_step *s)
{
	uint64_t fraction = bits & (((uint64_t)1 << s->fraction) - 1);
	unsigned all = (1u << s->exponent) - 1;
	unsigned biased = (unsigned)(bits >> s->fraction) & all;
	uint64_t cut = ((uint64_t)1 << (s->fraction - s->narrow_fraction)) - 1;
	if (biased == all)
		return (fraction & cut) == 0;
	if (biased == 0)
		return fraction == 0; /* zero fits; a subnormal of the wider is far below the narrower's least */
	int e = (int)biased - (int)(all >> 1);
	if (e > s->emax || e < s->emin - (int)s->narrow_fraction)
		return false;
	if (e >= s->emin)
		return (fraction & cut) == 0;
	/* A subnormal of the narrower: its least bit is 2^(emin - narrow_fraction). */
	unsigned lost = s->fraction - s->narrow_fraction + (unsigned)(s->emin - e);
	return ((fraction | (uint64_t)1 << s->fraction) & (((uint64_t)1 << lost) - 1)) == 0;
}

uint64_t ch_cbor_float64(uint64_t bits, uint8_t width)
{
	if (width == 8)
		return bits;
	const struct float_step *s = width == 4 ? &from_binary64 : &from_binary32;
	unsigned fraction_bits = s->narrow_fraction;
	unsigned exponent_bits = width == 4 ? 8 : 5;
	uint64_t sign = bits >> (fraction_bits + exponent_bits) & 1;
	unsigned all = (1u << exponent_bits) - 1;
	unsigned biased = (unsigned)(bits >> fraction_bits) & all;
	uint64_t fraction = bits & (((uint64_t)1 << fraction_bits) - 1);
	uint64_t e = biased - (uint64_t)(all >> 1) + 1023;
	if (biased == all)
		e = 0x7ff;
	if (biased == 0) {
		e = fraction == 0 ? 0 : e + 1;
		for (unsigned i = 0; i < fraction_bits && fraction != 0 && fraction >> fraction_bits == 0; i++) {
			fraction <<= 1;
			e--;
		}
		fraction &= ((uint64_t)1 << fraction_bits) - 1;
	}
	return sign << 63 | e << 52 | fraction << (52 - fraction_bits);
}

/* Reads the head at the cursor. `off` of the reader moves only on success. */
static bool head(struct ch_cbor *r, struct ch_cbor_item *item)
{
	struct ch_rd rd = { r->in, r->off, false };
	uint8_t first = ch_rd_u8(&rd);
	unsigned info = first & 31;
	item->off = r->off;
	item->type = (enum ch_cbor_type)(first >> 5);
	item->value = info;
	if (info >= 24 && info <= 27) {
		item->width = (uint8_t)(1u << (info - 24));
		item->value = item->width == 1   ? ch_rd_u8(&rd)
			      : item->width == 2 ? ch_rd_be16(&rd)
			      : item->width == 4 ? ch_rd_be32(&rd)
						 : ch_rd_be64(&rd);
	}
	if (rd.bad) {
		ch_cbor_refuse(r, CH_ERR_TRUNCATED, r->off, "the input ends within the head of an item (RFC 8949, 3)");
		return false;
	}
	if (info >= 28 && info <= 30) {
		ch_cbor_refuse(r, CH_ERR_MALFORMED, r->off,
			       "additional information 28 to 30 is reserved (RFC 8949, 3)");
		return false;
	}
	item->indefinite = info == 31;
	r->off = rd.off;
	return true;
}

/* Major type 7: simple values, floats and the break. */
static bool simple(struct ch_cbor *r, struct ch_cbor_item *item)
{
	if (item->indefinite) {
		item->type = CH_CBOR_BREAK;
		item->indefinite = false;
	} else if (item->width >= 2) {
		item->type = CH_CBOR_FLOAT;
		if (r->mode == CH_CBOR_DETERMINISTIC &&
		    ((item->width == 8 && float_fits(item->value, &from_binary64)) ||
		     (item->width == 4 && float_fits(item->value, &from_binary32))))
			ch_cbor_refuse(r, CH_ERR_ENCODING, item->off,
				       "a shorter float holds the same value (RFC 8949, 4.2.1)");
	} else if (item->width == 1 && item->value < 32) {
		ch_cbor_refuse(r, CH_ERR_MALFORMED, item->off,
			       "a simple value below 32 takes one byte only (RFC 8949, 3.3)");
	}
	return r->err == CH_OK;
}

static bool shortest(const struct ch_cbor_item *item)
{
	switch (item->width) {
	case 1:
		return item->value >= 24;
	case 2:
		return item->value > 0xff;
	case 4:
		return item->value > 0xffff;
	case 8:
		return item->value > 0xffffffff;
	default:
		return true;
	}
}

/* What follows a head of definite length must be able to fit into what is left, so that no count is ever trusted. */
static bool content(struct ch_cbor *r, struct ch_cbor_item *item)
{
	size_t left = r->in.n - r->off;
	bool string = item->type == CH_CBOR_BSTR || item->type == CH_CBOR_TSTR;
	if (string || item->type == CH_CBOR_ARRAY || item->type == CH_CBOR_MAP) {
		size_t most = item->type == CH_CBOR_MAP ? left / 2 : left;
		if (item->value > most) {
			ch_cbor_refuse(
				r, CH_ERR_TRUNCATED, item->off,
				string ? "a string is longer than the input (RFC 8949, 3)"
				       : "an array or map has more items than the input has bytes (RFC 8949, 3)");
			return false;
		}
	}
	if (string) {
		item->str = ch_span_sub(r->in, r->off, (size_t)item->value);
		r->off += (size_t)item->value;
	}
	return true;
}

static bool indefinite_ok(struct ch_cbor *r, const struct ch_cbor_item *item)
{
	if (item->type < CH_CBOR_BSTR || item->type > CH_CBOR_MAP)
		ch_cbor_refuse(r, CH_ERR_MALFORMED, item->off,
			       "integers and tags have no indefinite length (RFC 8949, 3.2)");
	else if (r->mode != CH_CBOR_ANY)
		ch_cbor_refuse(r, CH_ERR_ENCODING, item->off, RULE_INDEFINITE);
	return r->err == CH_OK;
}

bool ch_cbor_next_raw(struct ch_cbor *r, struct ch_cbor_item *item)
{
	*item = (struct ch_cbor_item){ .type = CH_CBOR_END };
	if (r->err != CH_OK)
		return false;
	if (r->off == r->in.n) {
		ch_cbor_refuse(r, CH_ERR_TRUNCATED, r->off, "the input ends where an item is required (RFC 8949, 3)");
		return false;
	}
	struct ch_cbor_item it = { 0 };
	if (!head(r, &it))
		return false;
	if ((unsigned)it.type == 7) {
		if (!simple(r, &it))
			return false;
	} else if (it.indefinite) {
		if (!indefinite_ok(r, &it))
			return false;
		it.value = 0;
	} else {
		if (r->mode == CH_CBOR_DETERMINISTIC && !shortest(&it)) {
			ch_cbor_refuse(r, CH_ERR_ENCODING, it.off, "the head is not the shortest (RFC 8949, 4.2.1)");
			return false;
		}
		if (!content(r, &it))
			return false;
	}
	*item = it;
	return true;
}

bool ch_cbor_next(struct ch_cbor *r, struct ch_cbor_item *item)
{
	if (!ch_cbor_next_raw(r, item))
		return false;
	if (item->type == CH_CBOR_TSTR && !ch_utf8_valid(item->str)) {
		ch_cbor_refuse(r, CH_ERR_ENCODING, item->off, "a text string is not UTF-8 (RFC 8949, 3.1)");
		*item = (struct ch_cbor_item){ .type = CH_CBOR_END };
		return false;
	}
	return true;
}

/* One definite item of `type`; on another one fails at its head. */
static bool typed(struct ch_cbor *r, enum ch_cbor_type type, struct ch_cbor_item *item)
{
	if (!ch_cbor_next(r, item))
		return false;
	if (item->type == type && !item->indefinite)
		return true;
	ch_cbor_refuse(r, CH_ERR_MALFORMED, item->off, item->type == type ? RULE_INDEFINITE : RULE_TYPE);
	return false;
}

uint64_t ch_cbor_uint(struct ch_cbor *r)
{
	struct ch_cbor_item it;
	return typed(r, CH_CBOR_UINT, &it) ? it.value : 0;
}

int64_t ch_cbor_int(struct ch_cbor *r)
{
	struct ch_cbor_item it;
	bool negative = ch_cbor_peek(r) == CH_CBOR_NINT;
	if (!typed(r, negative ? CH_CBOR_NINT : CH_CBOR_UINT, &it))
		return 0;
	if (it.value > INT64_MAX) {
		ch_cbor_refuse(r, CH_ERR_RANGE, it.off, "an integer does not fit 64 bits with sign");
		return 0;
	}
	return negative ? -1 - (int64_t)it.value : (int64_t)it.value;
}

struct ch_span ch_cbor_bstr(struct ch_cbor *r)
{
	struct ch_cbor_item it;
	return typed(r, CH_CBOR_BSTR, &it) ? it.str : CH_SPAN_EMPTY;
}

struct ch_span ch_cbor_tstr(struct ch_cbor *r)
{
	struct ch_cbor_item it;
	return typed(r, CH_CBOR_TSTR, &it) ? it.str : CH_SPAN_EMPTY;
}

size_t ch_cbor_array(struct ch_cbor *r)
{
	struct ch_cbor_item it;
	return typed(r, CH_CBOR_ARRAY, &it) ? (size_t)it.value : 0;
}

size_t ch_cbor_map(struct ch_cbor *r)
{
	struct ch_cbor_item it;
	return typed(r, CH_CBOR_MAP, &it) ? (size_t)it.value : 0;
}

uint64_t ch_cbor_tag(struct ch_cbor *r)
{
	struct ch_cbor_item it;
	return typed(r, CH_CBOR_TAG, &it) ? it.value : 0;
}

bool ch_cbor_bool(struct ch_cbor *r)
{
	struct ch_cbor_item it;
	if (!typed(r, CH_CBOR_SIMPLE, &it))
		return false;
	if (it.value != 20 && it.value != 21)
		ch_cbor_refuse(r, CH_ERR_MALFORMED, it.off, "neither true nor false (RFC 8949, 3.3)");
	return it.value == 21;
}

void ch_cbor_null(struct ch_cbor *r)
{
	struct ch_cbor_item it;
	if (typed(r, CH_CBOR_SIMPLE, &it) && it.value != 22)
		ch_cbor_refuse(r, CH_ERR_MALFORMED, it.off, "not null (RFC 8949, 3.3)");
}
