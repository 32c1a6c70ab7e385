/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "tests/unit.h"

static struct ch_span escaped(struct ch_span in)
{
	static uint8_t buf[256];
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	ch_text_escape(&w, in);
	assert_false(w.bad);
	return ch_wr_span(&w);
}

static void plain_text_stays(void **state)
{
	(void)state;
	assert_true(ch_span_eq(escaped(CH_SPAN_LIT("gr\xc3\xb6\xc3\x9f"
						   "e 1")),
			       CH_SPAN_LIT("gr\xc3\xb6\xc3\x9f"
					   "e 1")));
}

static void what_moves_a_terminal_is_escaped(void **state)
{
	(void)state;
	assert_true(ch_span_eq(escaped(CH_SPAN_LIT("\033[2J")), CH_SPAN_LIT("\\x1b[2J")));
	assert_true(ch_span_eq(escaped(CH_SPAN_LIT("\xe2\x80\xae"
						   "x")),
			       CH_SPAN_LIT("\\u{202e}x")));
	assert_true(ch_span_eq(escaped(CH_SPAN_LIT("\xff\\")), CH_SPAN_LIT("\\xff\\\\")));
	assert_true(ch_span_eq(escaped(CH_SPAN_LIT("\xc0\x80")), CH_SPAN_LIT("\\xc0\\x80")));
	assert_true(ch_span_eq(escaped(CH_SPAN_LIT("\xc2\x85")), CH_SPAN_LIT("\\u{85}")));
}

static void invalid_utf8_is_not_valid(void **state)
{
	(void)state;
	assert_true(ch_utf8_valid(CH_SPAN_LIT("\xf0\x9f\x94\x92")));
	assert_false(ch_utf8_valid(CH_SPAN_LIT("\xed\xa0\x80")));
	assert_false(ch_utf8_valid(CH_SPAN_LIT("\xf4\x90\x80\x80")));
	assert_false(ch_utf8_valid(CH_SPAN_LIT("\xe2\x82")));
	assert_false(ch_utf8_valid(CH_SPAN_LIT("\x80")));
	assert_false(ch_utf8_valid(CH_SPAN_LIT("\xe0\x9f\xbf")));
}

static void utf16_becomes_utf8(void **state)
{
	(void)state;
	uint8_t buf[32];
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	ch_utf16le_put(&w, CH_SPAN_LIT("d\0b\0\x3d\xd8\x12\xdd\0\xd8\0\0x\0"));
	assert_true(ch_span_eq(ch_wr_span(&w), CH_SPAN_LIT("db\xf0\x9f\x94\x92\xef\xbf\xbd")));
}

static void hex_is_exact(void **state)
{
	(void)state;
	uint8_t b[2];
	assert_int_equal(ch_hex_decode(b, 2, CH_SPAN_LIT("aB01")), CH_OK);
	assert_int_equal(b[0], 0xab);
	assert_int_equal(ch_hex_decode(b, 2, CH_SPAN_LIT("aB0")), CH_ERR_RANGE);
	assert_int_equal(ch_hex_decode(b, 2, CH_SPAN_LIT("aB0102")), CH_ERR_RANGE);
	assert_int_equal(ch_hex_decode(b, 2, CH_SPAN_LIT("aB0g")), CH_ERR_ENCODING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_stays),
		cmocka_unit_test(what_moves_a_terminal_is_escaped),
		cmocka_unit_test(invalid_utf8_is_not_valid),
		cmocka_unit_test(utf16_becomes_utf8),
		cmocka_unit_test(hex_is_exact),
	};
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
