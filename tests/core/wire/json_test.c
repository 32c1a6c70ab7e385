/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/json.h"
#include "tests/unit.h"

static struct ch_json_node nodes[4096];

static enum ch_err parse(struct ch_json *j, const char *text, struct ch_diag *d)
{
	struct ch_span in = ch_span_str(text);
	return ch_json_parse(j, in, nodes, ch_json_nodes_max(in.n), d);
}

static struct ch_json good(const char *text)
{
	struct ch_json j;
	assert_int_equal(parse(&j, text, NULL), CH_OK);
	return j;
}

static size_t member(const struct ch_json *j, const char *name)
{
	size_t i;
	assert_int_equal(ch_json_member(j, 0, name, &i), CH_OK);
	return i;
}

/* A text with every kind of value, every escape and UTF-8 of each length. */
static const char rich[] =
	" {\"name\" : \"caf\xc3\xa9 \xe2\x82\xac \xf0\x9d\x84\x9e\",\r\n\t\"list\":[ 1,-2 ,[],{}, [null ,true,false]],"
	"\"n\":-10.25E+3,\"\":0,\"esc\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u20ac\\ud834\\uDD1E\",\"o\":{\"k\":{\"k\":\"v\"}}} ";

struct refusal {
	const char *text;
	enum ch_err err;
	size_t off;
};

static const struct refusal refusals[] = {
	{ "", CH_ERR_TRUNCATED, 0 },
	{ " \n", CH_ERR_TRUNCATED, 2 },
	{ "[", CH_ERR_TRUNCATED, 1 },
	{ "[[", CH_ERR_TRUNCATED, 2 },
	{ "{\"a\"", CH_ERR_TRUNCATED, 4 },
	{ "{\"a\":", CH_ERR_TRUNCATED, 5 },
	{ "tru", CH_ERR_TRUNCATED, 3 },
	{ "-", CH_ERR_TRUNCATED, 1 },
	{ "1.", CH_ERR_TRUNCATED, 2 },
	{ "1e+", CH_ERR_TRUNCATED, 3 },
	{ "\"\\", CH_ERR_TRUNCATED, 2 },
	{ "\"\\u00", CH_ERR_TRUNCATED, 5 },
	{ "[1,]", CH_ERR_MALFORMED, 3 },
	{ "[,1]", CH_ERR_MALFORMED, 1 },
	{ "[1 2]", CH_ERR_MALFORMED, 3 },
	{ "[1}", CH_ERR_MALFORMED, 2 },
	{ "{\"a\":1]", CH_ERR_MALFORMED, 6 },
	{ "{\"a\":1,}", CH_ERR_MALFORMED, 7 },
	{ "{\"a\" 1}", CH_ERR_MALFORMED, 5 },
	{ "{\"a\"}", CH_ERR_MALFORMED, 4 },
	{ "{a:1}", CH_ERR_MALFORMED, 1 },
	{ "{1:1}", CH_ERR_MALFORMED, 1 },
	{ "'a'", CH_ERR_MALFORMED, 0 },
	{ "nul1", CH_ERR_MALFORMED, 3 },
	{ "True", CH_ERR_MALFORMED, 0 },
	{ "NaN", CH_ERR_MALFORMED, 0 },
	{ "+1", CH_ERR_MALFORMED, 0 },
	{ ".5", CH_ERR_MALFORMED, 0 },
	{ "-a", CH_ERR_MALFORMED, 1 },
	{ "[1.]", CH_ERR_MALFORMED, 3 },
	{ "[1e]", CH_ERR_MALFORMED, 3 },
	{ "[01]", CH_ERR_MALFORMED, 2 },
	{ "\"a\nb\"", CH_ERR_MALFORMED, 2 },
	{ "\"01234567\x1f\"", CH_ERR_MALFORMED, 9 },
	{ "\"\\x41\"", CH_ERR_MALFORMED, 1 },
	{ "\"\\U0041\"", CH_ERR_MALFORMED, 1 },
	{ "\"\\u00g0\"", CH_ERR_MALFORMED, 1 },
	{ "\"\\ud834\"", CH_ERR_ENCODING, 1 },
	{ "\"\\udd1e\"", CH_ERR_ENCODING, 1 },
	{ "\"\\ud834\\ud834\"", CH_ERR_ENCODING, 1 },
	{ "\"\\ud834\\n\"", CH_ERR_ENCODING, 1 },
	{ "\"\xff\"", CH_ERR_ENCODING, 1 },
	{ "\"\xc0\xaf\"", CH_ERR_ENCODING, 1 },
	{ "\"\xed\xa0\x80\"", CH_ERR_ENCODING, 1 },
	{ "\"\xf4\x90\x80\x80\"", CH_ERR_ENCODING, 1 },
	{ "\xef\xbb\xbf{}", CH_ERR_MALFORMED, 0 },
	{ "1 1", CH_ERR_TRAILING, 2 },
	{ "01", CH_ERR_TRAILING, 1 },
	{ "[]]", CH_ERR_TRAILING, 2 },
	{ "{}x", CH_ERR_TRAILING, 2 },
	{ "[\v]", CH_ERR_MALFORMED, 1 },
};

static void refuses_what_is_no_json_and_says_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(refusals); i++) {
		struct ch_json j;
		struct ch_diag d;
		enum ch_err err = parse(&j, refusals[i].text, &d);
		if (err != refusals[i].err || d.off != refusals[i].off)
			fail_msg("%s: %s at %zu", refusals[i].text, ch_err_str(err), d.off);
		assert_non_null(d.rule);
		assert_int_equal(j.count, 0);
		assert_null(j.node);
	}
}

static void a_nul_byte_is_no_end(void **state)
{
	(void)state;
	struct ch_json j;
	struct ch_diag d;
	static const char after[] = "1\0";
	static const char before[] = "\0001";
	assert_int_equal(ch_json_parse(&j, CH_SPAN_OF(after), nodes, 8, &d), CH_ERR_TRAILING);
	assert_int_equal(ch_json_parse(&j, CH_SPAN_OF(before), nodes, 8, &d), CH_ERR_MALFORMED);
	assert_int_equal(d.off, 0);
	assert_int_equal(ch_json_parse(&j, CH_SPAN_EMPTY, nodes, 8, &d), CH_ERR_TRUNCATED);
}

static void refuses_every_cut_and_every_byte_behind(void **state)
{
	(void)state;
	struct ch_json j;
	char text[sizeof(rich) + 1] = { 0 };
	for (size_t n = 0; n < sizeof(rich) - 2; n++) {
		struct ch_span cut = ch_span(rich, n);
		assert_int_not_equal(ch_json_parse(&j, cut, nodes, ch_json_nodes_max(n), NULL), CH_OK);
	}
	(void)ch_span_copy(text, sizeof(text), ch_span(rich, sizeof(rich) - 1));
	for (int c = 0; c < 256; c++) {
		bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
		text[sizeof(rich) - 1] = (char)c;
		enum ch_err err = ch_json_parse(&j, ch_span(text, sizeof(rich)), nodes, 100, NULL);
		assert_int_equal(err, space ? CH_OK : CH_ERR_TRAILING);
	}
}

/* Writes `j` and reads that again: the same values in the same order, and writing them again changes nothing. */
static void assert_survives_writing(const struct ch_json *j)
{
	static uint8_t buf[2][4096];
	static struct ch_json_node again_nodes[512];
	struct ch_json again;
	struct ch_wr w = ch_wr(buf[0], sizeof(buf[0]));
	struct ch_json_wr jw = ch_json_wr(&w, false);
	ch_json_put_value(&jw, j, 0);
	assert_true(ch_json_wr_done(&jw));
	assert_int_equal(ch_json_parse(&again, ch_wr_span(&w), again_nodes, 512, NULL), CH_OK);
	assert_int_equal(again.count, j->count);
	for (size_t i = 0; i < j->count; i++) {
		assert_int_equal(ch_json_type(&again, i), ch_json_type(j, i));
		assert_int_equal(again.node[i].next, j->node[i].next);
	}
	struct ch_wr w2 = ch_wr(buf[1], sizeof(buf[1]));
	jw = ch_json_wr(&w2, false);
	ch_json_put_value(&jw, &again, 0);
	assert_true(ch_span_eq(ch_wr_span(&w), ch_wr_span(&w2)));
}

static void a_flipped_bit_is_refused_or_another_sound_text(void **state)
{
	(void)state;
	uint8_t text[sizeof(rich) - 1];
	size_t sound = 0;
	for (size_t bit = 0; bit < 8 * sizeof(text); bit++) {
		struct ch_json j;
		(void)ch_span_copy(text, sizeof(text), ch_span(rich, sizeof(rich) - 1));
		text[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (ch_json_parse(&j, CH_SPAN_OF(text), nodes, 100, NULL) != CH_OK)
			continue;
		assert_survives_writing(&j);
		sound++;
	}
	assert_true(sound > 0 && sound < 8 * sizeof(text));
}

static void depth_is_bounded(void **state)
{
	(void)state;
	char text[2 * CH_JSON_DEPTH_MAX + 2];
	struct ch_json j;
	struct ch_diag d;
	size_t n = CH_JSON_DEPTH_MAX;
	for (size_t i = 0; i < n; i++) {
		text[i] = '[';
		text[n + i] = ']';
	}
	assert_int_equal(ch_json_parse(&j, ch_span(text, 2 * n), nodes, n, &d), CH_OK);
	assert_int_equal(j.count, n);
	assert_int_equal(j.node[0].len, 2 * n);
	assert_survives_writing(&j);
	n++;
	for (size_t i = 0; i < n; i++) {
		text[i] = '[';
		text[n + i] = ']';
	}
	assert_int_equal(ch_json_parse(&j, ch_span(text, 2 * n), nodes, n, &d), CH_ERR_LIMIT);
	assert_int_equal(d.off, CH_JSON_DEPTH_MAX);
}

static void length_is_bounded(void **state)
{
	(void)state;
	struct ch_json j;
	struct ch_diag d;
	struct ch_span in = ch_span("1", (size_t)CH_JSON_BYTES_MAX + 1);
	assert_int_equal(ch_json_parse(&j, in, nodes, 1, &d), CH_ERR_LIMIT);
	assert_int_equal(d.off, CH_JSON_BYTES_MAX);
}

static void nodes_max_always_suffices(void **state)
{
	(void)state;
	static const char *const dense[] = {
		"1", "[1]", "[1,1]", "[[[1]]]", "{\"\":1}", "[[],[]]", "{\"\":{\"\":[1,1]}}"
	};
	for (size_t i = 0; i < CH_COUNT_OF(dense); i++) {
		struct ch_json j = good(dense[i]);
		struct ch_json less;
		struct ch_span in = ch_span_str(dense[i]);
		assert_int_equal(ch_json_parse(&less, in, nodes, j.count, NULL), CH_OK);
		enum ch_err err = ch_json_parse(&less, in, nodes, less.count - 1, NULL);
		assert_int_equal(err, CH_ERR_NOSPACE);
	}
	struct ch_json j;
	assert_int_equal(ch_json_parse(&j, CH_SPAN_LIT("1"), NULL, 0, NULL), CH_ERR_NOSPACE);
}

static void walks_in_document_order(void **state)
{
	(void)state;
	struct ch_json j = good(rich);
	assert_int_equal(ch_json_type(&j, 0), CH_JSON_OBJECT);
	assert_int_equal(ch_json_count(&j, 0), 6);
	size_t list = member(&j, "list");
	static const enum ch_json_type types[] = { CH_JSON_NUMBER, CH_JSON_NUMBER, CH_JSON_ARRAY, CH_JSON_OBJECT,
						   CH_JSON_ARRAY };
	size_t n = 0;
	for (size_t i = ch_json_first(&j, list); i != CH_JSON_NONE; i = ch_json_next(&j, list, i)) {
		assert_true(n < CH_COUNT_OF(types));
		assert_int_equal(ch_json_type(&j, i), types[n++]);
	}
	assert_int_equal(n, CH_COUNT_OF(types));
	assert_int_equal(ch_json_count(&j, list), n);
	struct ch_span raw = ch_json_raw(&j, list);
	assert_span_equal(raw, "[ 1,-2 ,[],{}, [null ,true,false]]", 34);
	assert_span_equal(ch_json_raw(&j, member(&j, "n")), "-10.25E+3", 9);
}

static void an_index_past_the_end_has_nothing(void **state)
{
	(void)state;
	struct ch_json j = good("[1]");
	size_t value;
	uint64_t u;
	struct ch_span s;
	uint8_t byte[1] = { 7 };
	for (size_t i = j.count; i != 0; i = i == CH_JSON_NONE ? 0 : CH_JSON_NONE) {
		assert_true(ch_json_first(&j, i) == CH_JSON_NONE);
		assert_true(ch_json_next(&j, 0, i) == CH_JSON_NONE);
		assert_true(ch_json_next(&j, i, 1) == CH_JSON_NONE);
		assert_int_equal(ch_json_count(&j, i), 0);
		assert_int_equal(ch_json_raw(&j, i).n, 0);
		assert_int_equal(ch_json_member(&j, i, "a", &value), CH_ERR_NOTFOUND);
		assert_int_equal(ch_json_u64(&j, i, &u), CH_ERR_MALFORMED);
		assert_int_equal(ch_json_str(&j, i, NULL, 0, &s), CH_ERR_MALFORMED);
		assert_int_equal(ch_json_hex(&j, i, byte, 1), CH_ERR_MALFORMED);
		assert_int_equal(byte[0], 0);
		assert_false(ch_json_str_eq(&j, i, ""));
	}
	assert_true(ch_json_first(&j, 1) == CH_JSON_NONE);
	assert_int_equal(ch_json_member(&j, 0, "a", &value), CH_ERR_NOTFOUND);
}

static void a_name_that_occurs_twice_is_refused(void **state)
{
	(void)state;
	struct ch_json j = good("{\"a\":1,\"b\":{\"a\":2},\"c\":3,\"\\u0061\":4}");
	size_t value = 9;
	assert_int_equal(ch_json_member(&j, 0, "a", &value), CH_ERR_DUPLICATE);
	assert_true(value == CH_JSON_NONE);
	assert_int_equal(ch_json_member(&j, 0, "b", &value), CH_OK);
	assert_int_equal(ch_json_member(&j, value, "a", &value), CH_OK);
	assert_span_equal(ch_json_raw(&j, value), "2", 1);
	assert_int_equal(ch_json_member(&j, 0, "d", &value), CH_ERR_NOTFOUND);
	assert_int_equal(ch_json_member(&j, 0, "", &value), CH_ERR_NOTFOUND);
}

static void strings_are_decoded_only_where_they_must(void **state)
{
	(void)state;
	static const char want[] = "\"\\/\b\f\n\r\tA\xe2\x82\xac\xf0\x9d\x84\x9e";
	struct ch_json j = good(rich);
	struct ch_span s;
	uint8_t buf[64];
	assert_int_equal(ch_json_str(&j, member(&j, "name"), NULL, 0, &s), CH_OK);
	assert_true(s.p == ch_json_raw(&j, member(&j, "name")).p);
	size_t esc = member(&j, "esc");
	assert_int_equal(ch_json_str(&j, esc, buf, sizeof(buf), &s), CH_OK);
	assert_span_equal(s, want, sizeof(want) - 1);
	for (size_t cap = 0; cap < sizeof(want) - 1; cap++) {
		assert_int_equal(ch_json_str(&j, esc, buf, cap, &s), CH_ERR_NOSPACE);
		assert_int_equal(s.n, 0);
	}
	assert_true(ch_json_str_eq(&j, esc, want));
	assert_false(ch_json_str_eq(&j, esc, "\"\\/\b\f\n\r\tA"));
	assert_false(ch_json_str_eq(&j, esc, "\"\\/\b\f\n\r\tB\xe2\x82\xac\xf0\x9d\x84\x9e"));
	assert_false(ch_json_str_eq(&j, esc, ""));
	assert_int_equal(ch_json_str(&j, 0, buf, sizeof(buf), &s), CH_ERR_MALFORMED);
}

static void an_escaped_nul_ends_no_comparison(void **state)
{
	(void)state;
	struct ch_json j = good("\"a\\u0000b\"");
	assert_false(ch_json_str_eq(&j, 0, "a"));
	struct ch_span s;
	uint8_t buf[8];
	assert_int_equal(ch_json_str(&j, 0, buf, sizeof(buf), &s), CH_OK);
	assert_span_equal(s, "a\0b", 3);
}

static void characters_can_be_taken_one_by_one(void **state)
{
	(void)state;
	struct ch_rd r = ch_rd(CH_SPAN_LIT("a\\u00e9\xc3\xa9\\ud834\\udd1e"));
	static const uint32_t want[] = { 'a', 0xe9, 0xe9, 0x1d11e };
	uint32_t code;
	for (size_t i = 0; i < CH_COUNT_OF(want); i++) {
		assert_true(ch_json_char(&r, &code));
		assert_int_equal(code, want[i]);
	}
	assert_false(ch_json_char(&r, &code));
	assert_true(ch_rd_done(&r));
	static const char *const bad[] = { "\"",    "\n",      "\xff",           "\\",     "\\x",
					   "\\u12", "\\ud800", "\\ud800\\u0041", "\\udc00" };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		r = ch_rd(ch_span_str(bad[i]));
		assert_false(ch_json_char(&r, &code));
		assert_true(r.bad);
		assert_int_equal(code, 0);
	}
}

static void a_table_that_no_parser_made_is_refused(void **state)
{
	(void)state;
	struct ch_json_node node = { .off = 0, .len = 6, .next = 1, .type = CH_JSON_STRING, .escaped = 1 };
	struct ch_json j = { .in = CH_SPAN_LIT("\\ud800"), .node = &node, .count = 1 };
	struct ch_span s;
	uint8_t buf[16];
	assert_int_equal(ch_json_str(&j, 0, buf, sizeof(buf), &s), CH_ERR_ENCODING);
	assert_false(ch_json_str_eq(&j, 0, ""));
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	struct ch_json_wr jw = ch_json_wr(&w, false);
	ch_json_put_value(&jw, &j, 0);
	assert_true(w.bad);
}

struct integer {
	const char *text;
	enum ch_err u_err;
	uint64_t u;
	enum ch_err i_err;
	int64_t i;
};

static void integers_are_exact_or_refused(void **state)
{
	(void)state;
	static const struct integer cases[] = {
		{ "0", CH_OK, 0, CH_OK, 0 },
		{ "-0", CH_OK, 0, CH_OK, 0 },
		{ "7", CH_OK, 7, CH_OK, 7 },
		{ "-7", CH_ERR_RANGE, 0, CH_OK, -7 },
		{ "9223372036854775807", CH_OK, INT64_MAX, CH_OK, INT64_MAX },
		{ "9223372036854775808", CH_OK, (uint64_t)INT64_MAX + 1, CH_ERR_RANGE, 0 },
		{ "-9223372036854775808", CH_ERR_RANGE, 0, CH_OK, INT64_MIN },
		{ "-9223372036854775809", CH_ERR_RANGE, 0, CH_ERR_RANGE, 0 },
		{ "18446744073709551615", CH_OK, UINT64_MAX, CH_ERR_RANGE, 0 },
		{ "18446744073709551616", CH_ERR_RANGE, 0, CH_ERR_RANGE, 0 },
		{ "99999999999999999999999", CH_ERR_RANGE, 0, CH_ERR_RANGE, 0 },
		{ "1.0", CH_ERR_MALFORMED, 0, CH_ERR_MALFORMED, 0 },
		{ "1e2", CH_ERR_MALFORMED, 0, CH_ERR_MALFORMED, 0 },
		{ "\"1\"", CH_ERR_MALFORMED, 0, CH_ERR_MALFORMED, 0 },
		{ "true", CH_ERR_MALFORMED, 0, CH_ERR_MALFORMED, 0 },
	};
	for (size_t k = 0; k < CH_COUNT_OF(cases); k++) {
		struct ch_json j = good(cases[k].text);
		uint64_t u = 1;
		int64_t i = 1;
		assert_int_equal(ch_json_u64(&j, 0, &u), cases[k].u_err);
		assert_true(u == cases[k].u);
		assert_int_equal(ch_json_i64(&j, 0, &i), cases[k].i_err);
		assert_true(i == cases[k].i);
	}
}

static void hex_is_of_the_length_that_is_asked_for(void **state)
{
	(void)state;
	uint8_t b[3];
	struct ch_json j = good("\"00fFa5\"");
	assert_int_equal(ch_json_hex(&j, 0, b, 3), CH_OK);
	assert_memory_equal(b, "\x00\xff\xa5", 3);
	assert_int_equal(ch_json_hex(&j, 0, b, 2), CH_ERR_RANGE);
	assert_memory_equal(b, "\0\0", 2);
	j = good("\"00fg\"");
	assert_int_equal(ch_json_hex(&j, 0, b, 2), CH_ERR_ENCODING);
	j = good("1234");
	assert_int_equal(ch_json_hex(&j, 0, b, 2), CH_ERR_MALFORMED);
}

static void position_counts_lines_and_bytes(void **state)
{
	(void)state;
	static const struct {
		size_t off, line, column;
	} want[] = { { 0, 1, 1 }, { 1, 1, 2 }, { 2, 2, 1 }, { 3, 3, 1 },
		     { 4, 3, 2 }, { 6, 4, 1 }, { 7, 4, 2 }, { 99, 4, 2 } };
	for (size_t i = 0; i < CH_COUNT_OF(want); i++) {
		size_t line, column;
		ch_json_position(CH_SPAN_LIT("a\n\nb\r\nc"), want[i].off, &line, &column);
		if (want[i].off == 4)
			assert_int_equal(column, 2);
		assert_int_equal(line, want[i].line);
		assert_int_equal(column, want[i].column);
	}
	size_t line, column;
	ch_json_position(CH_SPAN_LIT("a\rb"), 2, &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_no_json_and_says_where),
		cmocka_unit_test(a_nul_byte_is_no_end),
		cmocka_unit_test(refuses_every_cut_and_every_byte_behind),
		cmocka_unit_test(a_flipped_bit_is_refused_or_another_sound_text),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(length_is_bounded),
		cmocka_unit_test(nodes_max_always_suffices),
		cmocka_unit_test(walks_in_document_order),
		cmocka_unit_test(an_index_past_the_end_has_nothing),
		cmocka_unit_test(a_name_that_occurs_twice_is_refused),
		cmocka_unit_test(strings_are_decoded_only_where_they_must),
		cmocka_unit_test(an_escaped_nul_ends_no_comparison),
		cmocka_unit_test(characters_can_be_taken_one_by_one),
		cmocka_unit_test(a_table_that_no_parser_made_is_refused),
		cmocka_unit_test(integers_are_exact_or_refused),
		cmocka_unit_test(hex_is_of_the_length_that_is_asked_for),
		cmocka_unit_test(position_counts_lines_and_bytes),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
