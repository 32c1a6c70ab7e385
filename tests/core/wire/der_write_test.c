/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/der_write.h"
#include "tests/unit.h"

static uint8_t out[70000];
static struct ch_wr w;

static struct ch_der_wr begin(void)
{
	w = ch_wr(out, sizeof(out));
	return ch_der_wr(&w);
}

#define assert_bytes(literal) assert_span_equal(ch_wr_span(&w), literal, sizeof(literal) - 1)

static void numbers_have_their_shortest_form(void **state)
{
	struct ch_der_wr d = begin();
	(void)state;
	ch_der_put_small(&d, 0);
	ch_der_put_small(&d, 127);
	ch_der_put_small(&d, 128);
	ch_der_put_small(&d, 0xffffffff);
	ch_der_put_unsigned(&d, CH_SPAN_LIT("\0\0\x7f\x01"));
	ch_der_put_unsigned(&d, CH_SPAN_EMPTY);
	assert_bytes("\x02\x01\x00"
		     "\x02\x01\x7f"
		     "\x02\x02\x00\x80"
		     "\x02\x05\x00\xff\xff\xff\xff"
		     "\x02\x02\x7f\x01"
		     "\x02\x01\x00");
	assert_true(ch_der_wr_done(&d));
	assert_int_equal(ch_der_check(ch_span(out, 3), NULL), CH_OK);
}

static void booleans_and_bits(void **state)
{
	struct ch_der_wr d = begin();
	(void)state;
	ch_der_put_boolean(&d, true);
	ch_der_put_boolean(&d, false);
	ch_der_put_bits(&d, CH_SPAN_LIT("\xa5"));
	ch_der_put_named_bits(&d, 1u << 0);
	ch_der_put_named_bits(&d, 1u << 5 | 1u << 6);
	ch_der_put_named_bits(&d, 1u << 8);
	ch_der_put_named_bits(&d, 0);
	assert_bytes("\x01\x01\xff"
		     "\x01\x01\x00"
		     "\x03\x02\x00\xa5"
		     "\x03\x02\x07\x80"
		     "\x03\x02\x01\x06"
		     "\x03\x03\x07\x00\x80"
		     "\x03\x01\x00");
}

static void times_are_utc_up_to_2049(void **state)
{
	struct ch_der_wr d = begin();
	(void)state;
	ch_der_put_time(&d, 0);
	ch_der_put_time(&d, 2524607999);
	ch_der_put_time(&d, 2524608000);
	assert_bytes("\x17\x0d"
		     "700101000000Z"
		     "\x17\x0d"
		     "491231235959Z"
		     "\x18\x0f"
		     "20500101000000Z");
	ch_der_put_time(&d, INT64_MAX);
	assert_true(w.bad);
}

/* Every length around the places where its form changes, nested in another value. */
static void lengths_have_their_shortest_form(void **state)
{
	static const size_t lengths[] = { 0, 1, 126, 127, 128, 129, 254, 255, 256, 257, 65535, 65536, 65537 };
	static uint8_t contents[65537];
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(lengths); i++) {
		struct ch_der_wr d = begin();
		ch_der_put_begin(&d, CH_DER_SEQUENCE);
		ch_der_put_begin(&d, CH_DER_OCTET_STRING);
		ch_wr_put(&w, ch_span(contents, lengths[i]));
		ch_der_put_end(&d);
		ch_der_put(&d, CH_DER_OCTET_STRING, ch_span(contents, 1));
		ch_der_put_end(&d);
		assert_true(ch_der_wr_done(&d));
		struct ch_der_rd r = ch_der_rd(ch_wr_span(&w), 0);
		struct ch_der_rd in = ch_der_enter(&r, CH_DER_SEQUENCE, "");
		assert_int_equal(ch_der_octets(&in, "").n, lengths[i]);
		assert_int_equal(ch_der_octets(&in, "").n, 1);
		ch_der_leave(&r, &in, "");
		assert_int_equal(ch_der_end(&r, NULL, ""), CH_OK);
	}
}

static void failure_is_sticky(void **state)
{
	struct ch_der_wr d = begin();
	(void)state;
	ch_der_put_end(&d);
	assert_true(w.bad);
	d = begin();
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	assert_false(ch_der_wr_done(&d));
	d = begin();
	for (size_t i = 0; i <= CH_DER_DEPTH_MAX; i++)
		ch_der_put_begin(&d, CH_DER_SEQUENCE);
	assert_true(w.bad);
	/* Room for the contents, but not for a longer length. */
	for (size_t cap = 0; cap < 2 + 128 + 1; cap++) {
		static const uint8_t contents[128];
		w = ch_wr(out, cap);
		d = ch_der_wr(&w);
		ch_der_put_begin(&d, CH_DER_SEQUENCE);
		ch_wr_put(&w, CH_SPAN_OF(contents));
		ch_der_put_end(&d);
		assert_false(ch_der_wr_done(&d));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_their_shortest_form),
		cmocka_unit_test(booleans_and_bits),
		cmocka_unit_test(times_are_utc_up_to_2049),
		cmocka_unit_test(lengths_have_their_shortest_form),
		cmocka_unit_test(failure_is_sticky),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
