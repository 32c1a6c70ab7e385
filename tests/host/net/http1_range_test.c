/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/http1_range.h"

#include "tests/unit.h"

static enum ch_err range(const char *value, uint64_t size, uint64_t *from, uint64_t *to)
{
	return ch_http_range(ch_span_str(value), size, from, to);
}

static void what_is_asked_for_is_within_the_file(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		uint64_t size, from, to;
	} row[] = {
		{ "bytes=0-", 10, 0, 10 },   { "bytes=0-0", 10, 0, 1 }, { "bytes=9-9", 10, 9, 10 },
		{ "bytes=3-99", 10, 3, 10 }, { "bytes=-1", 10, 9, 10 }, { "bytes=-10", 10, 0, 10 },
		{ "bytes=-11", 10, 0, 10 },  { "ByTeS=1-2", 10, 1, 3 }, { "bytes=0-999999999999999999", 1, 0, 1 },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		uint64_t from, to;
		assert_int_equal(range(row[i].value, row[i].size, &from, &to), CH_OK);
		assert_int_equal(from, row[i].from);
		assert_int_equal(to, row[i].to);
	}
}

static void what_is_behind_the_end_is_not_satisfiable(void **state)
{
	(void)state;
	static const char *const value[] = { "bytes=10-", "bytes=10-20", "bytes=-0" };
	uint64_t from, to;
	for (size_t i = 0; i < CH_COUNT_OF(value); i++)
		assert_int_equal(range(value[i], 10, &from, &to), CH_ERR_RANGE);
	assert_int_equal(range("bytes=0-", 0, &from, &to), CH_ERR_RANGE);
	assert_int_equal(range("bytes=-1", 0, &from, &to), CH_ERR_RANGE);
}

static void anything_else_is_ignored(void **state)
{
	(void)state;
	static const char *const value[] = { "",
					     "bytes",
					     "bytes=",
					     "bytes=-",
					     "bytes=1",
					     "bytes=2-1",
					     "bytes=1-2,4-5",
					     "bytes=1-2 ",
					     "bytes= 1-2",
					     "bytes=a-b",
					     "lines=1-2",
					     "bytes=--1",
					     "bytes=+1-2",
					     "bytes=1234567890123456789-" };
	for (size_t i = 0; i < CH_COUNT_OF(value); i++) {
		uint64_t from, to;
		assert_int_equal(range(value[i], 10, &from, &to), CH_ERR_UNSUPPORTED);
	}
}

static void tags_are_compared_whole(void **state)
{
	(void)state;
	const struct ch_span tag = CH_SPAN_LIT("\"abc\"");
	assert_true(ch_http_tag_listed(CH_SPAN_LIT("\"abc\""), tag, false));
	assert_true(ch_http_tag_listed(CH_SPAN_LIT("\"x\", \"abc\""), tag, false));
	assert_true(ch_http_tag_listed(CH_SPAN_LIT("*"), tag, false));
	assert_true(ch_http_tag_listed(CH_SPAN_LIT("W/\"abc\""), tag, true));
	assert_false(ch_http_tag_listed(CH_SPAN_LIT("W/\"abc\""), tag, false));
	assert_false(ch_http_tag_listed(CH_SPAN_LIT("abc"), tag, true));
	assert_false(ch_http_tag_listed(CH_SPAN_LIT("\"abc"), tag, true));
	assert_false(ch_http_tag_listed(CH_SPAN_LIT("\"ab\""), tag, true));
	assert_false(ch_http_tag_listed(CH_SPAN_LIT("**"), tag, true));
	assert_false(ch_http_tag_listed(CH_SPAN_LIT(""), tag, true));
	assert_false(ch_http_tag_listed(CH_SPAN_LIT("\"x\" y \"abc\""), tag, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_for_is_within_the_file),
		cmocka_unit_test(what_is_behind_the_end_is_not_satisfiable),
		cmocka_unit_test(anything_else_is_ignored),
		cmocka_unit_test(tags_are_compared_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
