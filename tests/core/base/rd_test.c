/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rd.h"
#include "tests/unit.h"

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void reads_both_byte_orders(void **state)
{
	(void)state;
	struct ch_rd r = ch_rd(CH_SPAN_OF(bytes));
	assert_int_equal(ch_rd_u8(&r), 1);
	assert_int_equal(ch_rd_be16(&r), 0x0203);
	assert_int_equal(ch_rd_le16(&r), 0x0504);
	assert_int_equal(ch_rd_be32(&r), 0x06070809);
	assert_int_equal(ch_rd_le32(&r), 0x0d0c0b0a);
	assert_false(ch_rd_done(&r));
	assert_int_equal(ch_rd_left(&r), 2);
	assert_int_equal(ch_rd_rest(&r).n, 2);
	assert_true(ch_rd_done(&r));
}

static void shortage_is_sticky_and_moves_nothing(void **state)
{
	(void)state;
	struct ch_rd r = ch_rd(ch_span(bytes, 3));
	assert_int_equal(ch_rd_be32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(r.off, 0);
	assert_int_equal(ch_rd_u8(&r), 0);
	assert_int_equal(ch_rd_left(&r), 0);
	assert_false(ch_rd_done(&r));
}

static void a_length_near_the_largest_does_not_wrap(void **state)
{
	(void)state;
	struct ch_rd r = ch_rd(CH_SPAN_OF(bytes));
	(void)ch_rd_take(&r, 4);
	assert_int_equal(ch_rd_take(&r, SIZE_MAX - 2).n, 0);
	assert_true(r.bad);
}

static void every_cut_of_a_64_bit_word_is_bad(void **state)
{
	(void)state;
	for (size_t n = 0; n < 8; n++) {
		struct ch_rd r = ch_rd(ch_span(bytes, n));
		assert_int_equal(ch_rd_be64(&r), 0);
		assert_int_equal(ch_rd_le64(&r), 0);
		assert_false(ch_rd_done(&r));
	}
	struct ch_rd r = ch_rd(ch_span(bytes, 8));
	assert_true(ch_rd_be64(&r) == 0x0102030405060708u);
	assert_true(ch_rd_done(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_both_byte_orders),
		cmocka_unit_test(shortage_is_sticky_and_moves_nothing),
		cmocka_unit_test(a_length_near_the_largest_does_not_wrap),
		cmocka_unit_test(every_cut_of_a_64_bit_word_is_bad),
	};
	return cmocka_run_group_tests_name("rd", tests, NULL, NULL);
}
