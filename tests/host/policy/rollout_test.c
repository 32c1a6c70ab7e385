/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/rollout.h"

#include "tests/unit.h"

#include <string.h>

static struct ch_rollout_file file, other;
static struct ch_yaml_error e;

#define HEX "abababababababababababababababababababababababababababababababab"

static const char yaml[] = "type: chainhold-rollout/v1\n"
			   "name: os-14\n"
			   "release: " HEX "\n"
			   "filter:\n"
			   "  class: gateway # of these only\n"
			   "  running: {name: os, version: \"13\"}\n"
			   "  tier: affirming\n"
			   "phases:\n"
			   "  - devices: [00000000000000000000000000000001]\n"
			   "  - percent: 10\n"
			   "  - percent: 100\n"
			   "window: {days: [mon, tue], from: 22:00, to: 04:00}\n"
			   "start: 2026-11-26T16:00:00Z\n"
			   "halt:\n"
			   "  failures: {percent: 5}\n"
			   "  proof_minutes: 45\n"
			   "advance: {proven: 90, wait_minutes: 30}\n";

static const char json[] =
	"{\"type\":\"chainhold-rollout/v1\",\"name\":\"os-14\",\"release\":\"" HEX
	"\",\"mode\":\"soft\",\"rollback\":false,\"filter\":{\"class\":\"gateway\",\"running\":{\"name\":\"os\",\"version\":"
	"\"13\"},\"tier\":\"affirming\",\"hostname\":null,\"attributes\":null,\"devices\":null},\"phases\":[{\"devices\":["
	"\"00000000000000000000000000000001\"]},{\"percent\":10},{\"percent\":100}],\"start\":\"2026-11-26T16:00:00Z\","
	"\"window\":{\"days\":[\"mon\",\"tue\"],\"from\":\"22:00\",\"to\":\"04:00\"},\"halt\":{\"failures\":{\"percent\":5},"
	"\"proof_minutes\":45},\"advance\":{\"proven\":90,\"wait_minutes\":30},\"claimed\":\"wait\",\"spread\":600}";

static void yaml_and_json_become_one_text(void **state)
{
	(void)state;
	assert_int_equal(ch_rollout_read(&file, ch_span_str(yaml), &e), CH_OK);
	assert_true(ch_span_eq(ch_buf_span(&file.text), ch_span_str(json)));
	assert_string_equal(file.name, "os-14");
	assert_int_equal(ch_rollout_read(&other, ch_span_str(json), &e), CH_OK);
	assert_true(ch_span_eq(ch_buf_span(&other.text), ch_span_str(json)));
	ch_rollout_file_clear(&file);
	ch_rollout_file_clear(&other);
}

/* The file with one piece of it in the place of another. */
static enum ch_err with(const char *piece, const char *instead)
{
	static char text[4096];
	struct ch_wr w = ch_wr(text, sizeof(text));
	const char *at = strstr(yaml, piece);
	assert_non_null(at);
	ch_wr_put(&w, ch_span(yaml, (size_t)(at - yaml)));
	ch_wr_str(&w, instead);
	ch_wr_str(&w, at + strlen(piece));
	enum ch_err err = ch_rollout_read(&file, ch_wr_span(&w), &e);
	assert_int_equal(file.text.n, 0);
	return err;
}

static void a_refusal_names_line_and_column(void **state)
{
	(void)state;
	static const struct {
		const char *piece, *instead;
		enum ch_err err;
		uint32_t line, column;
		const char *text;
	} row[] = {
		{ "percent: 10\n", "percent: 0\n", CH_ERR_RANGE, 10, 14, "too small or too large" },
		{ "percent: 10\n", "percent: ten\n", CH_ERR_MALFORMED, 10, 14, "a whole number" },
		{ "percent: 10\n", "share: 10\n", CH_ERR_UNKNOWN, 10, 5, "none that this document has" },
		{ "percent: 10\n", "percent: 100\n", CH_ERR_RANGE, 11, 5, "more than the one before" },
		{ "tier: affirming", "tier: good", CH_ERR_UNKNOWN, 7, 9, "affirming, warning or any" },
		{ "from: 22:00", "from: 25:00", CH_ERR_MALFORMED, 12, 34, "HH:MM" },
		{ "version: \"13\"", "version: 13", CH_ERR_MALFORMED, 6, 32, "a string is wanted" },
		{ "name: os-14\n", "name: Os-14\n", CH_ERR_MALFORMED, 2, 7, "a-z 0-9" },
		{ "release: " HEX "\n", "", CH_ERR_MISSING, 1, 1, "\"release\" is missing" },
		{ "class: gateway", "class: \"a\\\"b\"", CH_ERR_ENCODING, 5, 10,
		  "no string of this document has escapes" },
		{ "type:", "- type:", CH_ERR_MALFORMED, 2, 1, "" },
		{ "name: os-14\n", "name: os-14\nname: os-14\n", CH_ERR_DUPLICATE, 3, 1, "twice" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		enum ch_err err = with(row[i].piece, row[i].instead);
		if (err != row[i].err || e.line != row[i].line || e.column != row[i].column ||
		    strstr(e.text, row[i].text) == NULL)
			fail_msg("%s: %s, line %u, column %u: %s", row[i].instead, ch_err_str(err), e.line, e.column,
				 e.text);
	}
}

static void what_is_no_rollout_is_refused(void **state)
{
	(void)state;
	static char text[CH_ROLLOUT_MAX + 64];
	assert_int_equal(ch_rollout_read(&file, CH_SPAN_LIT(""), &e), CH_ERR_MISSING);
	assert_int_equal(ch_rollout_read(&file, CH_SPAN_LIT("a"), &e), CH_ERR_MALFORMED);
	assert_int_equal(ch_rollout_read(&file, CH_SPAN_LIT("[[]]"), &e), CH_ERR_MALFORMED);
	assert_int_equal(ch_rollout_read(&file, CH_SPAN_LIT("{a: {b: [~, null, true, 1, x]}}"), &e), CH_ERR_UNKNOWN);
	memset(text, 'a', sizeof(text));
	(void)ch_span_copy(text, 6, CH_SPAN_LIT("name: "));
	assert_int_equal(ch_rollout_read(&file, CH_SPAN_OF(text), &e), CH_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_and_json_become_one_text),
		cmocka_unit_test(a_refusal_names_line_and_column),
		cmocka_unit_test(what_is_no_rollout_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
