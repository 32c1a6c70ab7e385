/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/cbor.h"
#include "tests/unit.h"

static enum ch_err wellformed(struct ch_span in)
{
	struct ch_diag d;
	enum ch_err err = ch_cbor_wellformed(in, &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	assert_true(d.off <= in.n);
	return err;
}

static enum ch_err check(struct ch_span in, enum ch_cbor_mode mode)
{
	struct ch_diag d;
	enum ch_err err = ch_cbor_check(in, mode, &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	return err;
}

#define WELLFORMED(s)    wellformed(CH_SPAN_LIT(s))
#define VALID(s)         check(CH_SPAN_LIT(s), CH_CBOR_ANY)
#define DEFINITE(s)      check(CH_SPAN_LIT(s), CH_CBOR_DEFINITE)
#define DETERMINISTIC(s) check(CH_SPAN_LIT(s), CH_CBOR_DETERMINISTIC)

/* {"a": [1, -2, h'00', (_ "x", "y")], 2: {_ 1.5: null}, 3: 24("t")} with a tag and every kind of length. */
static const uint8_t all_kinds[] = {
	0xa3, 0x61, 'a',  0x84, 0x01, 0x21, 0x41, 0x00, 0x7f, 0x61, 'x',  0x61, 'y', 0xff,
	0x02, 0xbf, 0xf9, 0x3e, 0x00, 0xf6, 0xff, 0x03, 0xd8, 0x18, 0x78, 0x01, 't',
};

static void what_is_cut_is_refused(void **state)
{
	(void)state;
	assert_int_equal(wellformed(CH_SPAN_OF(all_kinds)), CH_OK);
	for (size_t n = 0; n < sizeof(all_kinds); n++)
		assert_int_equal(wellformed(ch_span(all_kinds, n)), CH_ERR_TRUNCATED);
}

static void a_trailing_byte_is_refused(void **state)
{
	(void)state;
	assert_int_equal(WELLFORMED("\x01\x01"), CH_ERR_TRAILING);
	assert_int_equal(WELLFORMED("\x80\xff"), CH_ERR_TRAILING);
	assert_int_equal(VALID("\xa0\x00"), CH_ERR_TRAILING);
}

static void flipped_bits_never_harm(void **state)
{
	(void)state;
	uint8_t b[sizeof(all_kinds)];
	for (size_t bit = 0; bit < 8 * sizeof(b); bit++) {
		(void)ch_span_copy(b, sizeof(b), CH_SPAN_OF(all_kinds));
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		(void)wellformed(CH_SPAN_OF(b));
		(void)check(CH_SPAN_OF(b), CH_CBOR_ANY);
		(void)check(CH_SPAN_OF(b), CH_CBOR_DETERMINISTIC);
	}
}

static void reserved_heads_are_refused(void **state)
{
	(void)state;
	for (unsigned major = 0; major < 8; major++) {
		for (unsigned info = 28; info < 31; info++) {
			uint8_t b = (uint8_t)(major << 5 | info);
			assert_int_equal(wellformed(ch_span(&b, 1)), CH_ERR_MALFORMED);
		}
	}
	assert_int_equal(WELLFORMED("\x1f"), CH_ERR_MALFORMED);
	assert_int_equal(WELLFORMED("\x3f"), CH_ERR_MALFORMED);
	assert_int_equal(WELLFORMED("\xdf\x00"), CH_ERR_MALFORMED);
	assert_int_equal(WELLFORMED("\xf8\x1f"), CH_ERR_MALFORMED);
	assert_int_equal(WELLFORMED("\xf8\x20"), CH_OK);
}

static void breaks_stand_only_where_they_end_something(void **state)
{
	(void)state;
	assert_int_equal(WELLFORMED("\xff"), CH_ERR_MALFORMED);
	assert_int_equal(WELLFORMED("\x81\xff"), CH_ERR_MALFORMED);
	assert_int_equal(WELLFORMED("\xbf\x01\xff"), CH_ERR_MALFORMED);
	assert_int_equal(WELLFORMED("\xbf\xff"), CH_OK);
	assert_int_equal(WELLFORMED("\x9f\x9f\xff\xff"), CH_OK);
	assert_int_equal(WELLFORMED("\xc0\xff"), CH_ERR_MALFORMED);
}

static void chunks_are_definite_strings_of_the_same_type(void **state)
{
	(void)state;
	assert_int_equal(WELLFORMED("\x5f\x41\x00\x40\xff"), CH_OK);
	assert_int_equal(WELLFORMED("\x5f\x61x\xff"), CH_ERR_MALFORMED);
	assert_int_equal(WELLFORMED("\x5f\x5f\x41\x00\xff\xff"), CH_ERR_MALFORMED);
	assert_int_equal(WELLFORMED("\x7f\x01\xff"), CH_ERR_MALFORMED);
	/* Each chunk is UTF-8 by itself (RFC 8949, 3.2.3). */
	assert_int_equal(VALID("\x7f\x61\xc3\x61\xa9\xff"), CH_ERR_ENCODING);
}

static void counts_are_never_trusted(void **state)
{
	(void)state;
	assert_int_equal(WELLFORMED("\x9b\xff\xff\xff\xff\xff\xff\xff\xff"), CH_ERR_TRUNCATED);
	assert_int_equal(WELLFORMED("\xbb\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00"), CH_ERR_TRUNCATED);
	assert_int_equal(WELLFORMED("\x5b\xff\xff\xff\xff\xff\xff\xff\xff\x00"), CH_ERR_TRUNCATED);
	assert_int_equal(WELLFORMED("\xa2\x01\x02\x03"), CH_ERR_TRUNCATED);
}

static void nesting_is_bounded(void **state)
{
	(void)state;
	uint8_t b[CH_CBOR_DEPTH_MAX + 2];
	(void)memset(b, 0x81, sizeof(b));
	b[CH_CBOR_DEPTH_MAX] = 0x80;
	assert_int_equal(wellformed(ch_span(b, CH_CBOR_DEPTH_MAX + 1)), CH_OK);
	b[CH_CBOR_DEPTH_MAX] = 0x81;
	b[CH_CBOR_DEPTH_MAX + 1] = 0x80;
	assert_int_equal(wellformed(ch_span(b, CH_CBOR_DEPTH_MAX + 2)), CH_ERR_LIMIT);
	(void)memset(b, 0xc1, sizeof(b));
	assert_int_equal(wellformed(CH_SPAN_OF(b)), CH_ERR_LIMIT);
}

static void keys_are_there_once(void **state)
{
	(void)state;
	assert_int_equal(VALID("\xa2\x01\x02\x01\x03"), CH_ERR_DUPLICATE);
	assert_int_equal(VALID("\xa2\x01\x02\x18\x01\x03"), CH_ERR_DUPLICATE);
	assert_int_equal(VALID("\xa2\x61x\x02\x78\x01x\x03"), CH_ERR_DUPLICATE);
	assert_int_equal(VALID("\xa2\xf9\x3c\x00\x02\xfa\x3f\x80\x00\x00\x03"), CH_ERR_DUPLICATE);
	assert_int_equal(VALID("\xa2\x81\x01\x02\x81\x01\x03"), CH_ERR_DUPLICATE);
	assert_int_equal(VALID("\xbf\x01\x02\x01\x03\xff"), CH_ERR_DUPLICATE);
	assert_int_equal(VALID("\x81\xa1\x00\xa2\x01\x02\x01\x03"), CH_ERR_DUPLICATE);
	assert_int_equal(VALID("\xa2\x01\x02\x20\x03"), CH_OK);
	assert_int_equal(VALID("\xa2\x41x\x02\x61x\x03"), CH_OK);
	assert_int_equal(WELLFORMED("\xa2\x01\x02\x01\x03"), CH_OK);
}

static void large_maps_are_not_compared(void **state)
{
	(void)state;
	uint8_t b[3 + 3 * (CH_CBOR_PAIRS_MAX + 1)];
	struct ch_wr w = ch_wr(b, sizeof(b));
	ch_cbor_put_map(&w, CH_CBOR_PAIRS_MAX + 1);
	for (size_t i = 0; i <= CH_CBOR_PAIRS_MAX; i++) {
		ch_cbor_put_uint(&w, i);
		ch_cbor_put_uint(&w, 0);
	}
	assert_int_equal(check(ch_wr_span(&w), CH_CBOR_ANY), CH_ERR_LIMIT);
	assert_int_equal(check(ch_wr_span(&w), CH_CBOR_DETERMINISTIC), CH_OK);
}

static void text_is_utf8(void **state)
{
	(void)state;
	assert_int_equal(VALID("\x61\xff"), CH_ERR_ENCODING);
	assert_int_equal(WELLFORMED("\x61\xff"), CH_OK);
}

static void definite_mode_takes_no_indefinite_length(void **state)
{
	(void)state;
	assert_int_equal(DEFINITE("\x9f\xff"), CH_ERR_ENCODING);
	assert_int_equal(DEFINITE("\x5f\xff"), CH_ERR_ENCODING);
	assert_int_equal(DEFINITE("\x98\x01\x18\x00"), CH_OK);
}

static void deterministic_heads_are_shortest(void **state)
{
	(void)state;
	assert_int_equal(DETERMINISTIC("\x17"), CH_OK);
	assert_int_equal(DETERMINISTIC("\x18\x17"), CH_ERR_ENCODING);
	assert_int_equal(DETERMINISTIC("\x18\x18"), CH_OK);
	assert_int_equal(DETERMINISTIC("\x19\x00\xff"), CH_ERR_ENCODING);
	assert_int_equal(DETERMINISTIC("\x19\x01\x00"), CH_OK);
	assert_int_equal(DETERMINISTIC("\x1a\x00\x00\xff\xff"), CH_ERR_ENCODING);
	assert_int_equal(DETERMINISTIC("\x1a\x00\x01\x00\x00"), CH_OK);
	assert_int_equal(DETERMINISTIC("\x1b\x00\x00\x00\x00\xff\xff\xff\xff"), CH_ERR_ENCODING);
	assert_int_equal(DETERMINISTIC("\x1b\x00\x00\x00\x01\x00\x00\x00\x00"), CH_OK);
	assert_int_equal(DETERMINISTIC("\x58\x01x"), CH_ERR_ENCODING);
	assert_int_equal(DETERMINISTIC("\x9f\xff"), CH_ERR_ENCODING);
	assert_int_equal(DETERMINISTIC("\xd8\x01\x00"), CH_ERR_ENCODING);
}

static void deterministic_keys_are_in_order(void **state)
{
	(void)state;
	assert_int_equal(DETERMINISTIC("\xa3\x0a\x00\x18\x64\x00\x20\x00"), CH_OK);
	assert_int_equal(DETERMINISTIC("\xa2\x20\x00\x0a\x00"), CH_ERR_ENCODING);
	assert_int_equal(DETERMINISTIC("\xa2\x61z\x00\x62"
				       "aa\x00"),
			 CH_OK);
	assert_int_equal(DETERMINISTIC("\xa2\x01\x00\x01\x00"), CH_ERR_DUPLICATE);
	assert_int_equal(DETERMINISTIC("\xa2\x81\x01\xa1\x01\x02\x81\x02\x00"), CH_OK);
	assert_int_equal(DETERMINISTIC("\xa2\x81\x02\xa1\x01\x02\x81\x01\x00"), CH_ERR_ENCODING);
}

static void deterministic_floats_are_shortest(void **state)
{
	(void)state;
	assert_int_equal(DETERMINISTIC("\xf9\x3c\x00"), CH_OK);
	assert_int_equal(DETERMINISTIC("\xfa\x3f\x80\x00\x00"), CH_ERR_ENCODING); /* 1.0 */
	assert_int_equal(DETERMINISTIC("\xfa\x7f\x80\x00\x00"), CH_ERR_ENCODING); /* infinity */
	assert_int_equal(DETERMINISTIC("\xfa\x33\x80\x00\x00"), CH_ERR_ENCODING); /* 2^-24, least of binary16 */
	assert_int_equal(DETERMINISTIC("\xfa\x33\x00\x00\x00"), CH_OK);           /* 2^-25 */
	assert_int_equal(DETERMINISTIC("\xfa\x33\xc0\x00\x00"), CH_OK);           /* 1.5 * 2^-24 */
	assert_int_equal(DETERMINISTIC("\xfa\x47\x7f\xe0\x00"), CH_ERR_ENCODING); /* 65504, most of binary16 */
	assert_int_equal(DETERMINISTIC("\xfa\x47\x80\x00\x00"), CH_OK);           /* 65536 */
	assert_int_equal(DETERMINISTIC("\xfa\x00\x00\x00\x01"), CH_OK);
	assert_int_equal(DETERMINISTIC("\xfa\x80\x00\x00\x00"), CH_ERR_ENCODING); /* -0 */
	assert_int_equal(DETERMINISTIC("\xfa\x7f\xc0\x00\x01"), CH_OK);           /* a NaN whose payload is long */
	assert_int_equal(DETERMINISTIC("\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"), CH_ERR_ENCODING);
	assert_int_equal(DETERMINISTIC("\xfb\x3f\xf0\x00\x00\x00\x00\x00\x01"), CH_OK);
	assert_int_equal(DETERMINISTIC("\xfb\x36\xa0\x00\x00\x00\x00\x00\x00"), CH_ERR_ENCODING); /* 2^-149 */
	assert_int_equal(DETERMINISTIC("\xfb\x36\x90\x00\x00\x00\x00\x00\x00"), CH_OK);           /* 2^-150 */
	assert_int_equal(DETERMINISTIC("\xfb\x47\xf0\x00\x00\x00\x00\x00\x00"), CH_OK);           /* 2^128 */
}

static void deterministic_bignums_are_preferred(void **state)
{
	(void)state;
	assert_int_equal(DETERMINISTIC("\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00"), CH_OK);
	assert_int_equal(DETERMINISTIC("\xc2\x49\x00\x01\x00\x00\x00\x00\x00\x00\x00"), CH_ERR_ENCODING);
	assert_int_equal(DETERMINISTIC("\xc3\x48\x01\x00\x00\x00\x00\x00\x00\x00"), CH_ERR_ENCODING);
	assert_int_equal(VALID("\xc3\x48\x01\x00\x00\x00\x00\x00\x00\x00"), CH_OK);
}

static void floats_widen_exactly(void **state)
{
	(void)state;
	assert_true(ch_cbor_float64(0x3c00, 2) == 0x3ff0000000000000);
	assert_true(ch_cbor_float64(0x0001, 2) == 0x3e70000000000000);
	assert_true(ch_cbor_float64(0x8000, 2) == 0x8000000000000000);
	assert_true(ch_cbor_float64(0xfc00, 2) == 0xfff0000000000000);
	assert_true(ch_cbor_float64(0x7e00, 2) == 0x7ff8000000000000);
	assert_true(ch_cbor_float64(0x47c35000, 4) == 0x40f86a0000000000);
	assert_true(ch_cbor_float64(0x00000001, 4) == 0x36a0000000000000);
	assert_true(ch_cbor_float64(0x123456789abcdef0, 8) == 0x123456789abcdef0);
}

static void typed_reads_take_their_type_only(void **state)
{
	(void)state;
	struct ch_cbor r = ch_cbor(CH_SPAN_LIT("\x01\x21\x41x\x61y\x81\xa1\xc5\xf5\xf6"), CH_CBOR_DETERMINISTIC);
	assert_int_equal(ch_cbor_peek(&r), CH_CBOR_UINT);
	assert_int_equal(ch_cbor_uint(&r), 1);
	assert_int_equal(ch_cbor_int(&r), -2);
	assert_true(ch_span_eq(ch_cbor_bstr(&r), CH_SPAN_LIT("x")));
	assert_true(ch_span_eq(ch_cbor_tstr(&r), CH_SPAN_LIT("y")));
	assert_int_equal(ch_cbor_array(&r), 1);
	assert_int_equal(ch_cbor_map(&r), 1);
	assert_int_equal(ch_cbor_tag(&r), 5);
	assert_true(ch_cbor_bool(&r));
	ch_cbor_null(&r);
	assert_int_equal(ch_cbor_peek(&r), CH_CBOR_END);
	assert_int_equal(ch_cbor_end(&r, NULL), CH_OK);
}

static void a_read_of_another_type_fails_for_good(void **state)
{
	(void)state;
	struct ch_diag d;
	struct ch_cbor r = ch_cbor(CH_SPAN_LIT("\x01\x41x"), CH_CBOR_ANY);
	assert_int_equal(ch_cbor_uint(&r), 1);
	assert_int_equal(ch_cbor_uint(&r), 0);
	assert_int_equal(ch_cbor_bstr(&r).n, 0);
	assert_int_equal(ch_cbor_tstr(&r).n, 0);
	assert_int_equal(ch_cbor_array(&r), 0);
	assert_int_equal(ch_cbor_map(&r), 0);
	assert_int_equal(ch_cbor_tag(&r), 0);
	assert_int_equal(ch_cbor_int(&r), 0);
	assert_false(ch_cbor_bool(&r));
	ch_cbor_null(&r);
	assert_int_equal(ch_cbor_skip(&r).n, 0);
	ch_cbor_refuse(&r, CH_ERR_RANGE, 0, "later");
	assert_int_equal(ch_cbor_end(&r, &d), CH_ERR_MALFORMED);
	assert_int_equal(d.off, 1);
}

static void values_out_of_range_fail(void **state)
{
	(void)state;
	struct ch_cbor r = ch_cbor(CH_SPAN_LIT("\x1b\x80\x00\x00\x00\x00\x00\x00\x00"), CH_CBOR_ANY);
	assert_int_equal(ch_cbor_int(&r), 0);
	assert_int_equal(ch_cbor_end(&r, NULL), CH_ERR_RANGE);
	r = ch_cbor(CH_SPAN_LIT("\x3b\x7f\xff\xff\xff\xff\xff\xff\xff"), CH_CBOR_ANY);
	assert_true(ch_cbor_int(&r) == INT64_MIN);
	assert_int_equal(ch_cbor_end(&r, NULL), CH_OK);
	r = ch_cbor(CH_SPAN_LIT("\xf7"), CH_CBOR_ANY);
	assert_false(ch_cbor_bool(&r));
	assert_int_equal(ch_cbor_end(&r, NULL), CH_ERR_MALFORMED);
	r = ch_cbor(CH_SPAN_LIT("\xf7"), CH_CBOR_ANY);
	ch_cbor_null(&r);
	assert_int_equal(ch_cbor_end(&r, NULL), CH_ERR_MALFORMED);
	r = ch_cbor(CH_SPAN_LIT("\x9f\xff"), CH_CBOR_ANY);
	assert_int_equal(ch_cbor_array(&r), 0);
	assert_int_equal(ch_cbor_end(&r, NULL), CH_ERR_MALFORMED);
}

static void keys_are_equal_by_value(void **state)
{
	(void)state;
	assert_true(ch_cbor_key_eq(CH_SPAN_LIT("\x01"), CH_SPAN_LIT("\x18\x01")));
	assert_false(ch_cbor_key_eq(CH_SPAN_LIT("\x01"), CH_SPAN_LIT("\x20")));
	assert_false(ch_cbor_key_eq(CH_SPAN_LIT("\xc1\x01"), CH_SPAN_LIT("\xc1\x02")));
	assert_false(ch_cbor_key_eq(CH_SPAN_LIT(""), CH_SPAN_LIT("\x01")));
}

static void what_is_written_is_deterministic(void **state)
{
	(void)state;
	static const uint64_t edges[] = {
		0, 23, 24, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff, 0x100000000, UINT64_MAX
	};
	for (size_t i = 0; i < CH_COUNT_OF(edges); i++) {
		uint8_t b[32];
		struct ch_wr w = ch_wr(b, sizeof(b));
		ch_cbor_put_array(&w, 2);
		ch_cbor_put_uint(&w, edges[i]);
		ch_cbor_put_nint(&w, edges[i]);
		assert_int_equal(check(ch_wr_span(&w), CH_CBOR_DETERMINISTIC), CH_OK);
		struct ch_cbor r = ch_cbor(ch_wr_span(&w), CH_CBOR_DETERMINISTIC);
		struct ch_cbor_item it;
		assert_int_equal(ch_cbor_array(&r), 2);
		assert_true(ch_cbor_uint(&r) == edges[i]);
		assert_true(ch_cbor_next(&r, &it));
		assert_true(it.type == CH_CBOR_NINT && it.value == edges[i]);
	}
}

static void every_kind_is_written(void **state)
{
	(void)state;
	uint8_t b[64];
	struct ch_wr w = ch_wr(b, sizeof(b));
	ch_cbor_put_map(&w, 2);
	ch_cbor_put_int(&w, 1);
	ch_cbor_put_bstr(&w, CH_SPAN_LIT("x"));
	ch_cbor_put_int(&w, -1);
	ch_cbor_put_array(&w, 7);
	ch_cbor_put_tstr(&w, CH_SPAN_LIT("y"));
	ch_cbor_put_tag(&w, 1);
	ch_cbor_put_bool(&w, false);
	ch_cbor_put_null(&w);
	ch_cbor_put_bstr_head(&w, 0);
	ch_cbor_put_float(&w, 0x3c00, 2);
	ch_cbor_put_float(&w, 0x47c35000, 4);
	ch_cbor_put_float(&w, 0x3ff199999999999a, 8);
	static const char want[] = "\xa2\x01\x41x\x20\x87\x61y\xc1\xf4\xf6\x40\xf9\x3c\x00\xfa\x47\xc3\x50\x00"
				   "\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a";
	assert_span_equal(ch_wr_span(&w), want, sizeof(want) - 1);
	assert_int_equal(check(ch_wr_span(&w), CH_CBOR_DETERMINISTIC), CH_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_cut_is_refused),
		cmocka_unit_test(a_trailing_byte_is_refused),
		cmocka_unit_test(flipped_bits_never_harm),
		cmocka_unit_test(reserved_heads_are_refused),
		cmocka_unit_test(breaks_stand_only_where_they_end_something),
		cmocka_unit_test(chunks_are_definite_strings_of_the_same_type),
		cmocka_unit_test(counts_are_never_trusted),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(keys_are_there_once),
		cmocka_unit_test(large_maps_are_not_compared),
		cmocka_unit_test(text_is_utf8),
		cmocka_unit_test(definite_mode_takes_no_indefinite_length),
		cmocka_unit_test(deterministic_heads_are_shortest),
		cmocka_unit_test(deterministic_keys_are_in_order),
		cmocka_unit_test(deterministic_floats_are_shortest),
		cmocka_unit_test(deterministic_bignums_are_preferred),
		cmocka_unit_test(floats_widen_exactly),
		cmocka_unit_test(typed_reads_take_their_type_only),
		cmocka_unit_test(a_read_of_another_type_fails_for_good),
		cmocka_unit_test(values_out_of_range_fail),
		cmocka_unit_test(keys_are_equal_by_value),
		cmocka_unit_test(what_is_written_is_deterministic),
		cmocka_unit_test(every_kind_is_written),
	};
	return cmocka_run_group_tests_name("cbor", tests, NULL, NULL);
}
