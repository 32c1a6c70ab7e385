/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/json.h"
#include "tests/unit.h"

static uint8_t buf[2048];
static struct ch_wr w;

static struct ch_json_wr begin(bool pretty)
{
	w = ch_wr(buf, sizeof(buf));
	return ch_json_wr(&w, pretty);
}

static void assert_written(const struct ch_json_wr *j, const char *want)
{
	assert_true(ch_json_wr_done(j));
	assert_int_equal(w.len, strlen(want));
	assert_memory_equal(w.p, want, w.len);
}

static void put_sample(struct ch_json_wr *j)
{
	static const uint8_t bytes[] = { 0, 0xab };
	ch_json_object_begin(j);
	ch_json_named_str(j, "s", "text");
	ch_json_named_str(j, "none", NULL);
	ch_json_named_span(j, "span", CH_SPAN_LIT("x"));
	ch_json_named_hex(j, "hex", CH_SPAN_OF(bytes));
	ch_json_named_u64(j, "u", UINT64_MAX);
	ch_json_named_bool(j, "b", true);
	ch_json_name(j, "list");
	ch_json_array_begin(j);
	ch_json_put_i64(j, INT64_MIN);
	ch_json_put_u64(j, 0);
	ch_json_put_null(j);
	ch_json_put_bool(j, false);
	ch_json_put_str(j, "");
	ch_json_put_number(j, CH_SPAN_LIT("-1.5e3"));
	ch_json_put_hex(j, CH_SPAN_EMPTY);
	ch_json_array_begin(j);
	ch_json_array_end(j);
	ch_json_object_begin(j);
	ch_json_object_end(j);
	ch_json_array_end(j);
	ch_json_name_span(j, CH_SPAN_LIT("o"));
	ch_json_object_begin(j);
	ch_json_named_u64(j, "k", 1);
	ch_json_object_end(j);
	ch_json_object_end(j);
}

static void writes_without_a_byte_too_many(void **state)
{
	(void)state;
	struct ch_json_wr j = begin(false);
	put_sample(&j);
	assert_written(
		&j,
		"{\"s\":\"text\",\"none\":null,\"span\":\"x\",\"hex\":\"00ab\",\"u\":18446744073709551615,\"b\":true,"
		"\"list\":[-9223372036854775808,0,null,false,\"\",-1.5e3,\"\",[],{}],\"o\":{\"k\":1}}");
}

static void writes_for_a_person(void **state)
{
	(void)state;
	struct ch_json_wr j = begin(true);
	put_sample(&j);
	assert_written(
		&j, "{\n  \"s\": \"text\",\n  \"none\": null,\n  \"span\": \"x\",\n  \"hex\": \"00ab\",\n"
		    "  \"u\": 18446744073709551615,\n  \"b\": true,\n  \"list\": [\n    -9223372036854775808,\n    0,\n"
		    "    null,\n    false,\n    \"\",\n    -1.5e3,\n    \"\",\n    [],\n    {}\n  ],\n  \"o\": {\n"
		    "    \"k\": 1\n  }\n}");
}

static void a_lone_value_is_a_text(void **state)
{
	(void)state;
	struct ch_json_wr j = begin(true);
	assert_false(ch_json_wr_done(&j));
	ch_json_put_str(&j, "a");
	assert_written(&j, "\"a\"");
	j = begin(true);
	ch_json_array_begin(&j);
	assert_false(ch_json_wr_done(&j));
	ch_json_array_end(&j);
	assert_written(&j, "[]");
}

static void escapes_what_json_or_a_terminal_would_obey(void **state)
{
	(void)state;
	struct ch_json_wr j = begin(false);
	static const char text[] =
		"\"\\/\b\f\n\r\t\x01\x1f\x7f\xc2\x9b\xe2\x80\xae\xef\xbb\xbf\xf3\xa0\x81\x81 \xc3\xa9\xf0\x9d\x84\x9e";
	ch_json_put_span(&j, ch_span(text, sizeof(text) - 1));
	assert_written(
		&j,
		"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u009b\\u202e\\ufeff\\udb40\\udc41 \xc3\xa9\xf0\x9d\x84\x9e\"");
	j = begin(false);
	ch_json_put_span(&j, ch_span("a\0b", 3));
	assert_written(&j, "\"a\\u0000b\"");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
	(void)state;
	struct ch_json_wr j = begin(false);
	ch_json_put_span(&j, CH_SPAN_LIT("a\xff\xed\xa0\x80z\xc3"));
	assert_written(&j, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\"");
}

/* Each breaks one rule of nesting. */
static void value_without_name(struct ch_json_wr *j)
{
	ch_json_object_begin(j);
	ch_json_put_null(j);
	ch_json_object_end(j);
}

static void name_without_value(struct ch_json_wr *j)
{
	ch_json_object_begin(j);
	ch_json_name(j, "a");
	ch_json_object_end(j);
}

static void name_after_name(struct ch_json_wr *j)
{
	ch_json_object_begin(j);
	ch_json_name(j, "a");
	ch_json_name(j, "b");
	ch_json_put_null(j);
	ch_json_object_end(j);
}

static void name_in_array(struct ch_json_wr *j)
{
	ch_json_array_begin(j);
	ch_json_named_u64(j, "a", 1);
	ch_json_array_end(j);
}

static void name_at_the_top(struct ch_json_wr *j)
{
	ch_json_named_u64(j, "a", 1);
}

static void other_end(struct ch_json_wr *j)
{
	ch_json_array_begin(j);
	ch_json_object_end(j);
}

static void end_without_begin(struct ch_json_wr *j)
{
	ch_json_put_null(j);
	ch_json_array_end(j);
}

static void two_values(struct ch_json_wr *j)
{
	ch_json_put_null(j);
	ch_json_put_null(j);
}

static void too_deep(struct ch_json_wr *j)
{
	for (size_t i = 0; i <= CH_JSON_DEPTH_MAX; i++)
		ch_json_array_begin(j);
	for (size_t i = 0; i <= CH_JSON_DEPTH_MAX; i++)
		ch_json_array_end(j);
}

static void no_such_value(struct ch_json_wr *j)
{
	struct ch_json_node node;
	struct ch_json from;
	if (ch_json_parse(&from, CH_SPAN_LIT("1"), &node, 1, NULL) == CH_OK)
		ch_json_put_value(j, &from, 1);
}

static void copy_too_deep(struct ch_json_wr *j)
{
	struct ch_json_node node[2];
	struct ch_json from;
	for (size_t i = 0; i < CH_JSON_DEPTH_MAX - 1; i++)
		ch_json_array_begin(j);
	if (ch_json_parse(&from, CH_SPAN_LIT("[[]]"), node, 2, NULL) == CH_OK)
		ch_json_put_value(j, &from, 0);
	for (size_t i = 0; i < CH_JSON_DEPTH_MAX - 1; i++)
		ch_json_array_end(j);
}

static void refuses_calls_that_make_no_json(void **state)
{
	(void)state;
	static void (*const wrong[])(struct ch_json_wr *) = {
		value_without_name, name_without_value, name_after_name, name_in_array, name_at_the_top, other_end,
		end_without_begin,  two_values,         too_deep,        no_such_value, copy_too_deep,
	};
	for (size_t i = 0; i < CH_COUNT_OF(wrong); i++) {
		struct ch_json_wr j = begin(i % 2 == 0);
		wrong[i](&j);
		if (!w.bad)
			fail_msg("wrong[%zu] was taken", i);
		assert_false(ch_json_wr_done(&j));
		assert_int_equal(ch_wr_span(&w).n, 0);
	}
}

static void a_number_is_a_number_and_nothing_else(void **state)
{
	(void)state;
	static const char *const bad[] = { "", " 1", "1 ", "1,2", "01", "NaN", "\"1\"", "null", "-", "[1]" };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		struct ch_json_wr j = begin(false);
		ch_json_put_number(&j, ch_span_str(bad[i]));
		assert_true(w.bad);
	}
}

static void a_buffer_that_is_too_small_is_said(void **state)
{
	(void)state;
	struct ch_json_wr j = begin(true);
	put_sample(&j);
	size_t need = w.len;
	for (size_t cap = 0; cap <= need; cap++) {
		w = ch_wr(buf, cap);
		j = ch_json_wr(&w, true);
		put_sample(&j);
		assert_int_equal(ch_json_wr_done(&j), cap == need);
	}
}

static void a_value_that_was_read_is_written_into_another(void **state)
{
	(void)state;
	static struct ch_json_node node[64];
	struct ch_json from;
	struct ch_span in = CH_SPAN_LIT("{\"a\":[1.50,{\"\\u0062\":\"\\u00e9\\u0000\"},[]],\"c\":{},\"d\":\"\\/\"}");
	assert_int_equal(ch_json_parse(&from, in, node, 64, NULL), CH_OK);
	struct ch_json_wr j = begin(false);
	ch_json_object_begin(&j);
	ch_json_name(&j, "copy");
	ch_json_put_value(&j, &from, 0);
	ch_json_name(&j, "again");
	ch_json_put_value(&j, &from, 2);
	ch_json_object_end(&j);
	assert_written(&j, "{\"copy\":{\"a\":[1.50,{\"b\":\"\xc3\xa9\\u0000\"},[]],\"c\":{},\"d\":\"/\"},"
			   "\"again\":[1.50,{\"b\":\"\xc3\xa9\\u0000\"},[]]}");
}

static void every_level_to_the_limit_can_be_written(void **state)
{
	(void)state;
	struct ch_json_wr j = begin(false);
	for (size_t i = 0; i < CH_JSON_DEPTH_MAX; i++) {
		if (i % 2 == 0) {
			ch_json_object_begin(&j);
			ch_json_name(&j, "k");
		} else {
			ch_json_array_begin(&j);
		}
	}
	ch_json_array_end(&j);
	for (size_t i = CH_JSON_DEPTH_MAX - 1; i > 0; i--) {
		if (i % 2 == 1)
			ch_json_object_end(&j);
		else
			ch_json_array_end(&j);
	}
	assert_true(ch_json_wr_done(&j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_without_a_byte_too_many),
		cmocka_unit_test(writes_for_a_person),
		cmocka_unit_test(a_lone_value_is_a_text),
		cmocka_unit_test(escapes_what_json_or_a_terminal_would_obey),
		cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
		cmocka_unit_test(refuses_calls_that_make_no_json),
		cmocka_unit_test(a_number_is_a_number_and_nothing_else),
		cmocka_unit_test(a_buffer_that_is_too_small_is_said),
		cmocka_unit_test(a_value_that_was_read_is_written_into_another),
		cmocka_unit_test(every_level_to_the_limit_can_be_written),
	};
	return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
