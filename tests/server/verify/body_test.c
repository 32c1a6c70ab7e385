/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/body.h"

#include "tests/unit.h"

#include <stdio.h>

struct body {
	struct ch_span bytes, text;
	uint8_t hex[4];
	uint64_t number;
	bool flag;
	size_t value;
};

static const struct ch_body_field fields[] = {
	{ "bytes", CH_BODY_BYTES, true, offsetof(struct body, bytes), 4 },
	{ "text", CH_BODY_TEXT, false, offsetof(struct body, text), 5 },
	{ "hex", CH_BODY_HEX, false, offsetof(struct body, hex), 4 },
	{ "number", CH_BODY_U64, false, offsetof(struct body, number), 0 },
	{ "flag", CH_BODY_BOOL, false, offsetof(struct body, flag), 0 },
	{ "value", CH_BODY_VALUE, false, offsetof(struct body, value), 0 },
};

static uint8_t memory[1 << 17];
static char text[65536]; /* the body, overwritten once it was read */
static struct ch_body_fault fault;

static enum ch_err read_body(struct body *to, const char *json)
{
	struct ch_body b;
	struct ch_arena arena = ch_arena(memory, sizeof(memory));
	size_t n = strlen(json);
	assert_true(n < sizeof(text) && ch_body_arena_size(n) <= sizeof(memory));
	memcpy(text, json, n);
	*to = (struct body){ .number = 77 };
	enum ch_err err = ch_body_parse(&b, ch_span(text, n), &arena, &fault);
	if (err == CH_OK)
		err = ch_body_read(&b, 0, fields, CH_COUNT_OF(fields), to, &fault);
	memset(text, 0xee, n);
	assert_true((err == CH_OK) == (fault.rule == NULL));
	return err;
}

static void every_kind_is_read_and_outlives_the_body(void **state)
{
	(void)state;
	struct body b;
	assert_int_equal(read_body(&b, "{\"bytes\":\"AQIDBA\",\"text\":\"gr\\u00fc\\u00df\",\"hex\":\"01ABcdef\","
				       "\"number\":18446744073709551615,\"flag\":true,\"value\":[1]}"),
			 CH_ERR_LIMIT); /* 6 bytes of text */
	assert_int_equal(read_body(&b, "{\"bytes\":\"AQIDBA\",\"text\":\"gr\\u00fcn\",\"hex\":\"01ABcdef\","
				       "\"number\":18446744073709551615,\"flag\":true,\"value\":[1]}"),
			 CH_OK);
	assert_span_equal(b.bytes, "\x01\x02\x03\x04", 4);
	assert_span_equal(b.text, "gr\xc3\xbcn", 5);
	assert_memory_equal(b.hex, "\x01\xab\xcd\xef", 4);
	assert_true(b.number == UINT64_MAX && b.flag && b.value != CH_JSON_NONE);
}

static void what_is_absent_or_null_keeps_its_place(void **state)
{
	(void)state;
	struct body b;
	assert_int_equal(read_body(&b, "{\"bytes\":\"\",\"text\":null,\"number\":null,\"value\":null}"), CH_OK);
	assert_int_equal(b.bytes.n, 0);
	assert_true(b.number == 77 && !b.flag && b.value == CH_JSON_NONE && b.text.n == 0);
	assert_int_equal(read_body(&b, "{\"bytes\":null}"), CH_ERR_MISSING);
	assert_string_equal(fault.member, "bytes");
	assert_int_equal(read_body(&b, "{}"), CH_ERR_MISSING);
}

static void a_member_means_one_thing(void **state)
{
	(void)state;
	struct body b;
	assert_int_equal(read_body(&b, "{\"bytes\":\"\",\"other\":1}"), CH_ERR_UNKNOWN);
	assert_int_equal(read_body(&b, "{\"bytes\":\"\",\"bytes\":\"\"}"), CH_ERR_DUPLICATE);
	assert_int_equal(read_body(&b, "{\"bytes\":null,\"bytes\":\"\"}"), CH_ERR_DUPLICATE);
	assert_int_equal(read_body(&b, "{\"bytes\":\"\",\"b\\u0079tes\":\"\"}"), CH_ERR_DUPLICATE);
}

static void each_kind_has_its_form(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		enum ch_err err;
		const char *member;
	} bad[] = {
		{ "{\"bytes\":1}", CH_ERR_MALFORMED, "bytes" },
		{ "{\"bytes\":\"AQ==\"}", CH_ERR_ENCODING, "bytes" },
		{ "{\"bytes\":\"AR\"}", CH_ERR_ENCODING, "bytes" },
		{ "{\"bytes\":\"A\"}", CH_ERR_TRUNCATED, "bytes" },
		{ "{\"bytes\":\"A\\u0051\"}", CH_ERR_ENCODING, "bytes" },
		{ "{\"bytes\":\"AQIDBAU\"}", CH_ERR_LIMIT, "bytes" },
		{ "{\"bytes\":\"AQIDBAUGBwgJCgsMDQ4P\"}", CH_ERR_LIMIT, "bytes" },
		{ "{\"bytes\":\"\",\"text\":[]}", CH_ERR_MALFORMED, "text" },
		{ "{\"bytes\":\"\",\"text\":\"123456\"}", CH_ERR_LIMIT, "text" },
		{ "{\"bytes\":\"\",\"hex\":\"01\"}", CH_ERR_RANGE, "hex" },
		{ "{\"bytes\":\"\",\"hex\":\"0102030g\"}", CH_ERR_ENCODING, "hex" },
		{ "{\"bytes\":\"\",\"number\":-1}", CH_ERR_RANGE, "number" },
		{ "{\"bytes\":\"\",\"number\":1.0}", CH_ERR_MALFORMED, "number" },
		{ "{\"bytes\":\"\",\"flag\":\"true\"}", CH_ERR_MALFORMED, "flag" },
		{ "{\"bytes\":\"\",\"flag\":1}", CH_ERR_MALFORMED, "flag" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		struct body b;
		assert_int_equal(read_body(&b, bad[i].json), bad[i].err);
		assert_string_equal(fault.member, bad[i].member);
	}
}

static void only_one_object_of_few_values_is_a_body(void **state)
{
	(void)state;
	struct body b;
	static const char *const bad[] = { "", "[]", "1", "null", "{", "{\"bytes\":\"\"}x", "\"{}\"" };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++)
		assert_int_not_equal(read_body(&b, bad[i]), CH_OK);
	static char many[2 * CH_BODY_NODES_MAX + 64];
	size_t n = 0;
	n += (size_t)snprintf(many, sizeof(many), "{\"bytes\":\"\",\"value\":[");
	for (size_t i = 0; i < CH_BODY_NODES_MAX; i++) {
		many[n++] = '0';
		many[n++] = i + 1 < CH_BODY_NODES_MAX ? ',' : ']';
	}
	many[n++] = '}';
	assert_int_equal(read_body(&b, many), CH_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_read_and_outlives_the_body),
		cmocka_unit_test(what_is_absent_or_null_keeps_its_place),
		cmocka_unit_test(a_member_means_one_thing),
		cmocka_unit_test(each_kind_has_its_form),
		cmocka_unit_test(only_one_object_of_few_values_is_a_body),
	};
	return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
