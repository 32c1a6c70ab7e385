/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/der.h"

#define LONG_FORM   0x80
#define HIGH_NUMBER 0x1f

struct ch_der_rd ch_der_rd(struct ch_span in, size_t base)
{
	return (struct ch_der_rd){ .r = ch_rd(in), .base = base };
}

static void fail(struct ch_der_rd *d, enum ch_err err, size_t at, const char *rule)
{
	if (d->err != CH_OK)
		return;
	d->err = err;
	d->at = at;
	d->rule = rule;
	d->r.bad = true;
}

void ch_der_require(struct ch_der_rd *d, bool holds, enum ch_err err, const char *rule)
{
	if (!holds)
		fail(d, err, d->at, rule);
}

uint8_t ch_der_peek(const struct ch_der_rd *d)
{
	return ch_der_more(d) ? d->r.in.p[d->r.off] : 0;
}

/* The length octets (8.1.3, 10.1). */
static size_t take_length(struct ch_der_rd *d)
{
	if (ch_rd_left(&d->r) == 0)
		fail(d, CH_ERR_TRUNCATED, d->base + d->r.off, "a value ends before its length (X.690, 8.1.3)");
	uint8_t first = ch_rd_u8(&d->r);
	if (first < LONG_FORM)
		return first;
	size_t count = first & 0x7f;
	if (count == 0 || count > 4) {
		fail(d, CH_ERR_MALFORMED, d->at,
		     count == 0 ? "indefinite length (X.690, 10.1)" : "a length of more than four octets");
		return 0;
	}
	struct ch_span s = ch_rd_take(&d->r, count);
	if (s.n == 0) {
		fail(d, CH_ERR_TRUNCATED, d->base + d->r.off, "a value ends inside its length (X.690, 8.1.3)");
		return 0;
	}
	uint32_t n = 0;
	for (size_t i = 0; i < count; i++)
		n = n << 8 | s.p[i];
	ch_der_require(d, s.p[0] != 0 && n >= LONG_FORM, CH_ERR_ENCODING,
		       "a length not in its shortest form (X.690, 10.1)");
	return n;
}

struct ch_der ch_der_any(struct ch_der_rd *d)
{
	struct ch_der v = { 0 };
	if (!ch_der_ok(d))
		return v;
	size_t start = d->r.off;
	d->at = d->base + start;
	if (ch_rd_left(&d->r) == 0) {
		fail(d, CH_ERR_TRUNCATED, d->at, "a value is missing");
		return v;
	}
	uint8_t tag = ch_rd_u8(&d->r);
	ch_der_require(d, (tag & HIGH_NUMBER) != HIGH_NUMBER, CH_ERR_UNSUPPORTED,
		       "a tag number above 30 (X.690, 8.1.2.4)");
	ch_der_require(d, tag != 0 && tag != CH_DER_IS_CONSTRUCTED, CH_ERR_MALFORMED,
		       "end-of-contents octets (X.690, 10.1)");
	size_t n = take_length(d);
	if (ch_der_ok(d) && n > ch_rd_left(&d->r))
		fail(d, CH_ERR_TRUNCATED, d->at, "a value is longer than what it lies in (X.690, 8.1.3)");
	struct ch_span body = ch_rd_take(&d->r, n);
	if (!ch_der_ok(d))
		return v;
	v.tag = tag;
	v.off = d->at;
	v.body = body;
	v.whole = ch_span_sub(d->r.in, start, d->r.off - start);
	return v;
}

struct ch_der ch_der_take(struct ch_der_rd *d, uint8_t tag, const char *rule)
{
	if (ch_der_ok(d) && ch_der_peek(d) != tag) {
		d->at = d->base + d->r.off;
		fail(d, ch_der_more(d) ? CH_ERR_MALFORMED : CH_ERR_MISSING, d->at, rule);
	}
	return ch_der_any(d);
}

struct ch_der_rd ch_der_inside(struct ch_der_rd *d, struct ch_der v)
{
	struct ch_der_rd child = ch_der_rd(v.body, v.off + (v.whole.n - v.body.n));
	child.depth = d->depth + 1;
	child.at = child.base;
	if (child.depth > CH_DER_DEPTH_MAX)
		fail(d, CH_ERR_LIMIT, v.off, "nested deeper than CH_DER_DEPTH_MAX");
	if (!ch_der_ok(d)) {
		child.err = d->err;
		child.at = d->at;
		child.rule = d->rule;
		child.r.bad = true;
	}
	return child;
}

struct ch_der_rd ch_der_enter(struct ch_der_rd *d, uint8_t tag, const char *rule)
{
	return ch_der_inside(d, ch_der_take(d, tag, rule));
}

void ch_der_leave(struct ch_der_rd *d, const struct ch_der_rd *child, const char *trailing_rule)
{
	if (!ch_der_ok(child))
		fail(d, child->err, child->at, child->rule);
	else if (!ch_rd_done(&child->r))
		fail(d, CH_ERR_TRAILING, child->base + child->r.off, trailing_rule);
}

enum ch_err ch_der_end(struct ch_der_rd *d, struct ch_diag *diag, const char *trailing_rule)
{
	if (ch_der_ok(d) && !ch_rd_done(&d->r))
		fail(d, CH_ERR_TRAILING, d->base + d->r.off, trailing_rule);
	return ch_der_ok(d) ? CH_OK : ch_fail(diag, d->err, d->at, d->rule);
}

/* --- the types --- */

static bool integer_minimal(struct ch_span s)
{
	if (s.n == 0)
		return false;
	return s.n == 1 || (s.p[0] != 0 && s.p[0] != 0xff) || (s.p[0] == 0) == (s.p[1] >= 0x80);
}

struct ch_span ch_der_integer(struct ch_der_rd *d, const char *rule)
{
	struct ch_span s = ch_der_take(d, CH_DER_INTEGER, rule).body;
	ch_der_require(d, integer_minimal(s), CH_ERR_ENCODING, "an INTEGER not in its shortest form (X.690, 8.3.2)");
	return ch_der_ok(d) ? s : CH_SPAN_EMPTY;
}

struct ch_span ch_der_unsigned(struct ch_der_rd *d, const char *rule)
{
	struct ch_span s = ch_der_integer(d, rule);
	if (s.n == 0)
		return s;
	ch_der_require(d, s.p[0] < 0x80, CH_ERR_RANGE, "a negative INTEGER where none may be");
	if (!ch_der_ok(d))
		return CH_SPAN_EMPTY;
	return s.n > 1 && s.p[0] == 0 ? ch_span(s.p + 1, s.n - 1) : s;
}

uint32_t ch_der_small(struct ch_der_rd *d, uint32_t max, const char *rule)
{
	struct ch_span s = ch_der_unsigned(d, rule);
	uint32_t v = 0;
	ch_der_require(d, s.n <= sizeof(v), CH_ERR_RANGE, rule);
	for (size_t i = 0; ch_der_ok(d) && i < s.n; i++)
		v = v << 8 | s.p[i];
	ch_der_require(d, v <= max, CH_ERR_RANGE, rule);
	return ch_der_ok(d) ? v : 0;
}

bool ch_der_boolean(struct ch_der_rd *d, const char *rule)
{
	struct ch_span s = ch_der_take(d, CH_DER_BOOLEAN, rule).body;
	ch_der_require(d, s.n == 1 && (s.p[0] == 0 || s.p[0] == 0xff), CH_ERR_ENCODING,
		       "a BOOLEAN other than 00 and ff (X.690, 11.1)");
	return ch_der_ok(d) && s.p[0] != 0;
}

bool ch_oid_valid(struct ch_span oid)
{
	if (oid.n == 0 || oid.p[oid.n - 1] >= 0x80)
		return false;
	for (size_t i = 0; i < oid.n; i++) {
		if (oid.p[i] == 0x80 && (i == 0 || oid.p[i - 1] < 0x80))
			return false;
	}
	return true;
}

struct ch_span ch_der_oid(struct ch_der_rd *d, const char *rule)
{
	struct ch_span s = ch_der_take(d, CH_DER_OID, rule).body;
	ch_der_require(d, ch_oid_valid(s), CH_ERR_ENCODING,
		       "an OBJECT IDENTIFIER not in its shortest form (X.690, 8.19.2)");
	return ch_der_ok(d) ? s : CH_SPAN_EMPTY;
}

static bool bits_valid(struct ch_span s)
{
	if (s.n == 0 || s.p[0] > 7 || (s.n == 1 && s.p[0] != 0))
		return false;
	return (s.p[s.n - 1] & ((1u << s.p[0]) - 1)) == 0 || s.n == 1;
}

struct ch_span ch_der_bits_as(struct ch_der_rd *d, uint8_t tag, uint8_t *unused, const char *rule)
{
	if (unused != NULL)
		*unused = 0;
	struct ch_span s = ch_der_take(d, tag, rule).body;
	ch_der_require(
		d, bits_valid(s), CH_ERR_ENCODING,
		"a BIT STRING with a wrong count of unused bits, or with one of them set (X.690, 8.6.2, 11.2.1)");
	if (!ch_der_ok(d))
		return CH_SPAN_EMPTY;
	ch_der_require(d, unused != NULL || s.p[0] == 0, CH_ERR_RANGE, "a BIT STRING that is not whole bytes");
	if (!ch_der_ok(d))
		return CH_SPAN_EMPTY;
	if (unused != NULL)
		*unused = s.p[0];
	return ch_span(s.p + 1, s.n - 1);
}

struct ch_span ch_der_bits(struct ch_der_rd *d, uint8_t *unused, const char *rule)
{
	return ch_der_bits_as(d, CH_DER_BIT_STRING, unused, rule);
}

struct ch_span ch_der_octets(struct ch_der_rd *d, const char *rule)
{
	return ch_der_take(d, CH_DER_OCTET_STRING, rule).body;
}

void ch_der_null(struct ch_der_rd *d, const char *rule)
{
	ch_der_require(d, ch_der_take(d, CH_DER_NULL, rule).body.n == 0, CH_ERR_MALFORMED,
		       "a NULL with contents (X.690, 8.8.2)");
}

/* --- the walk --- */

static bool universal_is_constructed(uint8_t tag)
{
	uint8_t number = tag & HIGH_NUMBER;
	/* EXTERNAL, EMBEDDED PDV, SEQUENCE, SET, unrestricted CHARACTER STRING */
	return number == 8 || number == 11 || number == 16 || number == 17 || number == 29;
}

/* What a universal type may hold, apart from what is nested in it. */
static void check_universal(struct ch_der_rd *d, struct ch_der v)
{
	struct ch_der_rd one = ch_der_rd(v.whole, v.off);
	uint8_t unused;
	ch_der_require(d, ((v.tag & CH_DER_IS_CONSTRUCTED) != 0) == universal_is_constructed(v.tag), CH_ERR_ENCODING,
		       "a string in pieces, or a SEQUENCE or SET that is primitive (X.690, 8.9.1, 10.2)");
	switch (v.tag) {
	case CH_DER_BOOLEAN:
		(void)ch_der_boolean(&one, NULL);
		break;
	case CH_DER_INTEGER:
		(void)ch_der_integer(&one, NULL);
		break;
	case CH_DER_ENUMERATED:
		ch_der_require(d, integer_minimal(v.body), CH_ERR_ENCODING,
			       "an ENUMERATED not in its shortest form (X.690, 8.4)");
		break;
	case CH_DER_BIT_STRING:
		(void)ch_der_bits(&one, &unused, NULL);
		break;
	case CH_DER_NULL:
		ch_der_null(&one, NULL);
		break;
	case CH_DER_OID:
		(void)ch_der_oid(&one, NULL);
		break;
	case CH_DER_UTC_TIME:
	case CH_DER_GENERAL_TIME:
		(void)ch_der_time(&one, NULL);
		break;
	case CH_DER_UTF8_STRING:
	case CH_DER_NUMERIC_STRING:
	case CH_DER_PRINTABLE_STRING:
	case CH_DER_IA5_STRING:
	case CH_DER_VISIBLE_STRING:
	case CH_DER_UNIVERSAL_STRING:
	case CH_DER_BMP_STRING:
		ch_der_require(d, ch_der_string_valid(v.tag, v.body), CH_ERR_ENCODING,
			       "a string with a character that its type does not have (X.690, 8.23)");
		break;
	default:
		break;
	}
	if (one.err != CH_OK)
		fail(d, one.err, one.at, one.rule);
}

/*
 * Everything in `v`, which was taken from `d`. Each turn takes a value of at least two bytes or leaves a level, so that there
 * are at most as many turns as bytes.
 */
static void walk(struct ch_der_rd *d, struct ch_der v)
{
	struct ch_der_rd level[CH_DER_DEPTH_MAX + 1];
	size_t depth = 0;
	level[0] = *d;
	for (;;) {
		struct ch_der_rd *at = &level[depth];
		if ((v.tag & 0xc0) == 0)
			check_universal(at, v);
		if ((v.tag & CH_DER_IS_CONSTRUCTED) != 0) {
			struct ch_der_rd child = ch_der_inside(at, v);
			if (ch_der_ok(at))
				level[++depth] = child;
		}
		while (depth > 0 && ch_der_ok(&level[depth]) && !ch_der_more(&level[depth]))
			depth--;
		if (depth > 0)
			v = ch_der_any(&level[depth]);
		if (depth == 0 || !ch_der_ok(&level[depth]))
			break;
	}
	if (!ch_der_ok(&level[depth]))
		fail(d, level[depth].err, level[depth].at, level[depth].rule);
}

struct ch_der ch_der_skip(struct ch_der_rd *d)
{
	struct ch_der v = ch_der_any(d);
	if (ch_der_ok(d))
		walk(d, v);
	return v;
}

enum ch_err ch_der_check(struct ch_span in, struct ch_diag *diag)
{
	ch_diag_clear(diag);
	struct ch_der_rd d = ch_der_rd(in, 0);
	(void)ch_der_skip(&d);
	return ch_der_end(&d, diag, "bytes after the value");
}
