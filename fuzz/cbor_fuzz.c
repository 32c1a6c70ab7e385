/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the CBOR reader takes, written again head by head, must be the same item with shortest heads: it reads as the same heads,
 * a second writing changes nothing, and what was deterministic comes out byte for byte. The three modes only ever narrow.
 */
#include "core/wire/cbor.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct ch_wr *w, const struct ch_cbor_item *it)
{
	if (it->indefinite) {
		ch_wr_u8(w, (uint8_t)(it->type << 5 | 31));
		return;
	}
	switch (it->type) {
	case CH_CBOR_UINT:
		ch_cbor_put_uint(w, it->value);
		break;
	case CH_CBOR_NINT:
		ch_cbor_put_nint(w, it->value);
		break;
	case CH_CBOR_BSTR:
		ch_cbor_put_bstr(w, it->str);
		break;
	case CH_CBOR_TSTR:
		ch_cbor_put_tstr(w, it->str);
		break;
	case CH_CBOR_ARRAY:
		ch_cbor_put_array(w, (size_t)it->value);
		break;
	case CH_CBOR_MAP:
		ch_cbor_put_map(w, (size_t)it->value);
		break;
	case CH_CBOR_TAG:
		ch_cbor_put_tag(w, it->value);
		break;
	case CH_CBOR_SIMPLE:
		ch_cbor_put_simple(w, (uint8_t)it->value);
		break;
	case CH_CBOR_FLOAT:
		ch_cbor_put_float(w, it->value, it->width);
		break;
	default:
		ch_wr_u8(w, 0xff);
	}
}

static struct ch_span write_again(struct ch_span in, uint8_t *to, size_t cap)
{
	struct ch_wr w = ch_wr(to, cap);
	struct ch_cbor r = ch_cbor(in, CH_CBOR_ANY);
	struct ch_cbor_item it;
	while (r.off < in.n && ch_cbor_next_raw(&r, &it)) {
		CHECK(it.off < r.off && r.off <= in.n);
		if (it.type == CH_CBOR_FLOAT)
			(void)ch_cbor_float64(it.value, it.width);
		put(&w, &it);
	}
	CHECK(r.err == CH_OK && !w.bad);
	return ch_wr_span(&w);
}

static void check_same_heads(struct ch_span a, struct ch_span b)
{
	struct ch_cbor ra = ch_cbor(a, CH_CBOR_ANY);
	struct ch_cbor rb = ch_cbor(b, CH_CBOR_ANY);
	struct ch_cbor_item x;
	struct ch_cbor_item y;
	while (ra.off < a.n) {
		CHECK(ch_cbor_next_raw(&ra, &x) && ch_cbor_next_raw(&rb, &y));
		CHECK(x.type == y.type && x.value == y.value && x.indefinite == y.indefinite);
		CHECK(ch_span_eq(x.str, y.str));
	}
	CHECK(ch_cbor_end(&rb, NULL) == CH_OK);
}

static enum ch_err told(struct ch_span in, enum ch_cbor_mode mode)
{
	struct ch_diag d;
	enum ch_err err = ch_cbor_check(in, mode, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= in.n);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_span in = ch_span(data, size);
	struct ch_diag d;
	enum ch_err err = ch_cbor_wellformed(in, &d);
	enum ch_err valid = told(in, CH_CBOR_ANY);
	enum ch_err definite = told(in, CH_CBOR_DEFINITE);
	enum ch_err strict = told(in, CH_CBOR_DETERMINISTIC);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	CHECK(valid != CH_OK || err == CH_OK);
	CHECK(definite != CH_OK || valid == CH_OK);
	CHECK(strict != CH_OK || definite == CH_OK || definite == CH_ERR_LIMIT);
	if (err != CH_OK)
		return 0;
	uint8_t *one = malloc(size + 1);
	uint8_t *two = malloc(size + 1);
	CHECK(one != NULL && two != NULL);
	struct ch_span a = write_again(in, one, size);
	struct ch_span b = write_again(a, two, size);
	CHECK(ch_cbor_wellformed(a, NULL) == CH_OK);
	check_same_heads(in, a);
	CHECK(ch_span_eq(a, b));
	CHECK(strict != CH_OK || ch_span_eq(in, a));
	CHECK((told(a, CH_CBOR_ANY) == CH_OK) == (valid == CH_OK) || valid == CH_ERR_DUPLICATE ||
	      told(a, CH_CBOR_ANY) == CH_ERR_DUPLICATE);
	free(one);
	free(two);
	return 0;
}
