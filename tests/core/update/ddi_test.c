/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ddi.h"

#include "core/base/text.h"
#include "tests/unit.h"

#include <stdio.h>

/* Bodies in the form that the clients give them (docs/protocol/ddi.md), written by hand: none is a recording. */

static const char zephyr_feedback[] = "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"success\"}}}";
static const char rauc_feedback[] =
	"{\"id\":\"1007\",\"time\":\"20260821T120000\",\"status\":{\"result\":{\"finished\":\"none\"},"
	"\"execution\":\"proceeding\",\"details\":[\"File checksum OK.\"]}}";
static const char swupdate_feedback[] =
	"{\"id\": 1007, \"time\": \"20260821T120000\", \"status\": {\"result\": {\"progress\": {\"cnt\": 1, \"of\": 4},"
	" \"finished\": \"none\"}, \"execution\": \"proceeding\", \"details\": [\"Installed Chunk.\", \"b\"]}}";

static struct ch_ddi_feedback feedback;
static struct ch_ddi_config config;
static struct ch_diag diag;

static enum ch_err take(const char *text)
{
	enum ch_err err = ch_ddi_feedback_parse(&feedback, ch_span_str(text), &diag);
	assert_int_equal(err == CH_OK, diag.rule == NULL);
	if (err != CH_OK)
		assert_true(ch_span_all(CH_SPAN_OF(&feedback.text), 0));
	return err;
}

static enum ch_err configure(const char *text)
{
	enum ch_err err = ch_ddi_config_parse(&config, ch_span_str(text), &diag);
	assert_int_equal(err == CH_OK, diag.rule == NULL);
	if (err != CH_OK)
		assert_int_equal(config.count, 0);
	return err;
}

static void each_client_is_understood(void **state)
{
	(void)state;
	assert_int_equal(take(zephyr_feedback), CH_OK);
	assert_int_equal(ch_ddi_action_outcome(&feedback), CH_DDI_SUCCEEDED);
	assert_int_equal(feedback.progress, CH_DDI_NO_PROGRESS);
	assert_int_equal(feedback.text_n, 0);
	assert_int_equal(take(rauc_feedback), CH_OK);
	assert_int_equal(ch_ddi_action_outcome(&feedback), CH_DDI_PROCEEDS);
	assert_span_equal(ch_span(feedback.text, feedback.text_n), "File checksum OK.", 17);
	assert_int_equal(take(swupdate_feedback), CH_OK);
	assert_int_equal(feedback.progress, 25);
	assert_span_equal(ch_span(feedback.text, feedback.text_n), "Installed Chunk.\nb", 18);
	assert_false(feedback.cut);
}

static void every_cut_is_refused(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(swupdate_feedback) - 1; n++)
		assert_int_not_equal(ch_ddi_feedback_parse(&feedback, ch_span(swupdate_feedback, n), &diag), CH_OK);
}

static void words_decide(void **state)
{
	static const struct {
		const char *execution, *finished;
		enum ch_ddi_outcome action, cancel;
	} row[] = {
		{ "closed", "success", CH_DDI_SUCCEEDED, CH_DDI_SUCCEEDED },
		{ "closed", "none", CH_DDI_SUCCEEDED, CH_DDI_SUCCEEDED },
		{ "closed", "failure", CH_DDI_FAILED, CH_DDI_FAILED },
		{ "canceled", "success", CH_DDI_DECLINED, CH_DDI_PROCEEDS },
		{ "rejected", "success", CH_DDI_PROCEEDS, CH_DDI_DECLINED },
		{ "proceeding", "failure", CH_DDI_PROCEEDS, CH_DDI_PROCEEDS },
		{ "scheduled", "none", CH_DDI_PROCEEDS, CH_DDI_PROCEEDS },
		{ "resumed", "none", CH_DDI_PROCEEDS, CH_DDI_PROCEEDS },
		{ "download", "none", CH_DDI_PROCEEDS, CH_DDI_PROCEEDS },
		{ "downloaded", "success", CH_DDI_PROCEEDS, CH_DDI_PROCEEDS },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		char text[256];
		struct ch_wr w = ch_wr(text, sizeof(text) - 1);
		ch_wr_str(&w, "{\"status\":{\"execution\":\"");
		ch_wr_str(&w, row[i].execution);
		ch_wr_str(&w, "\",\"result\":{\"finished\":\"");
		ch_wr_str(&w, row[i].finished);
		ch_wr_str(&w, "\"}}}");
		text[w.len] = '\0';
		assert_int_equal(take(text), CH_OK);
		assert_int_equal(ch_ddi_action_outcome(&feedback), row[i].action);
		assert_int_equal(ch_ddi_cancel_outcome(&feedback), row[i].cancel);
	}
}

static void what_is_no_feedback_is_refused(void **state)
{
	(void)state;
	assert_int_equal(take("[]"), CH_ERR_MALFORMED);
	assert_int_equal(take("{}"), CH_ERR_MISSING);
	assert_int_equal(take("{\"status\":1}"), CH_ERR_MISSING);
	assert_int_equal(take("{\"status\":{\"result\":{\"finished\":\"none\"}}}"), CH_ERR_MISSING);
	assert_int_equal(take("{\"status\":{\"execution\":\"closed\"}}"), CH_ERR_MISSING);
	assert_int_equal(take("{\"status\":{\"execution\":\"Closed\",\"result\":{\"finished\":\"none\"}}}"),
			 CH_ERR_UNKNOWN);
	assert_int_equal(take("{\"status\":{\"execution\":0,\"result\":{\"finished\":\"none\"}}}"), CH_ERR_UNKNOWN);
	assert_int_equal(take("{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"maybe\"}}}"),
			 CH_ERR_UNKNOWN);
	/* which of the two would count? */
	assert_int_equal(take("{\"status\":{\"execution\":\"closed\",\"execution\":\"proceeding\","
			      "\"result\":{\"finished\":\"none\"}}}"),
			 CH_ERR_DUPLICATE);
	assert_int_equal(take("{\"status\":{\"execution\":\"closed\",\"details\":\"x\","
			      "\"result\":{\"finished\":\"none\"}}}"),
			 CH_ERR_MALFORMED);
	assert_int_equal(take("{\"status\":{\"execution\":\"closed\",\"details\":[1],"
			      "\"result\":{\"finished\":\"none\"}}}"),
			 CH_ERR_MALFORMED);
}

static void progress_that_makes_no_sense_is_none(void **state)
{
	static const char *const bad[] = { "5",
					   "{\"cnt\":2,\"of\":0}",
					   "{\"cnt\":3,\"of\":2}",
					   "{\"cnt\":-1,\"of\":2}",
					   "{\"cnt\":1.5,\"of\":2}",
					   "{\"cnt\":\"1\",\"of\":2}",
					   "{\"of\":2}",
					   "{\"cnt\":184467440737095517,\"of\":18446744073709551615}" };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		char text[256];
		struct ch_wr w = ch_wr(text, sizeof(text) - 1);
		ch_wr_str(&w, "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"none\",\"progress\":");
		ch_wr_str(&w, bad[i]);
		ch_wr_str(&w, "}}}");
		text[w.len] = '\0';
		assert_int_equal(take(text), CH_OK);
		assert_int_equal(feedback.progress, CH_DDI_NO_PROGRESS);
	}
}

/* `count` details of `n` times `unit` each. */
static size_t many(uint8_t *to, size_t cap, size_t count, size_t n, const char *unit)
{
	struct ch_wr w = ch_wr(to, cap);
	ch_wr_str(&w, "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"none\"},\"details\":[");
	for (size_t i = 0; i < count; i++) {
		ch_wr_str(&w, i == 0 ? "\"" : ",\"");
		for (size_t k = 0; k < n; k++)
			ch_wr_str(&w, unit);
		ch_wr_u8(&w, '"');
	}
	ch_wr_str(&w, "]}}");
	assert_false(w.bad);
	return w.len;
}

static void details_are_kept_to_their_limit(void **state)
{
	static uint8_t text[CH_DDI_BODY_MAX + 1];
	(void)state;
	size_t n = many(text, sizeof(text), CH_DDI_DETAILS_MAX, 1, "x");
	assert_int_equal(ch_ddi_feedback_parse(&feedback, ch_span(text, n), &diag), CH_OK);
	assert_int_equal(feedback.text_n, 2 * CH_DDI_DETAILS_MAX - 1);
	n = many(text, sizeof(text), CH_DDI_DETAILS_MAX + 1, 1, "x");
	assert_int_equal(ch_ddi_feedback_parse(&feedback, ch_span(text, n), &diag), CH_ERR_LIMIT);
	n = many(text, sizeof(text), 1, CH_DDI_TEXT_MAX, "x");
	assert_int_equal(ch_ddi_feedback_parse(&feedback, ch_span(text, n), &diag), CH_OK);
	assert_int_equal(feedback.text_n, CH_DDI_TEXT_MAX);
	assert_false(feedback.cut);
	/* a character is kept whole or not at all, and nothing comes after the first that is not */
	n = many(text, sizeof(text), 2, CH_DDI_TEXT_MAX / 3 + 1, "\xe2\x82\xac");
	assert_int_equal(ch_ddi_feedback_parse(&feedback, ch_span(text, n), &diag), CH_OK);
	assert_int_equal(feedback.text_n, CH_DDI_TEXT_MAX / 3 * 3);
	assert_true(feedback.cut);
	assert_true(ch_utf8_valid(ch_span(feedback.text, feedback.text_n)));
	n = many(text, sizeof(text), 1, CH_DDI_BODY_MAX - 96, "x");
	assert_int_equal(ch_ddi_feedback_parse(&feedback, ch_span(text, sizeof(text)), &diag), CH_ERR_LIMIT);
}

static void log_lines_are_mended(void **state)
{
	uint8_t text[] = "{\"status\":{\"execution\":\"proceeding\",\"result\":{\"finished\":\"none\"},"
			 "\"details\":[\"a\x01\xff\tb\xc3\",\"\\\"\x1b\"]}}";
	const size_t n = sizeof(text) - 1;
	(void)state;
	assert_int_not_equal(ch_ddi_feedback_parse(&feedback, ch_span(text, n), &diag), CH_OK);
	assert_int_equal(ch_ddi_mend(text, n), 5);
	assert_int_equal(ch_ddi_feedback_parse(&feedback, ch_span(text, n), &diag), CH_OK);
	assert_span_equal(ch_span(feedback.text, feedback.text_n), "a ? b?\n\" ", 9);
	assert_int_equal(ch_ddi_mend(text, n), 0);
}

static void what_is_no_string_is_not_mended(void **state)
{
	uint8_t outside[] = "{\"status\":\x01{}}";
	uint8_t escape[] = "{\"status\":\"\\\x01\"}";
	uint8_t open[] = "{\"status";
	uint8_t last[] = "\"\\";
	(void)state;
	assert_int_equal(ch_ddi_mend(outside, sizeof(outside) - 1), 0);
	assert_int_equal(ch_ddi_mend(escape, sizeof(escape) - 1), 0);
	assert_int_equal(ch_ddi_mend(open, sizeof(open) - 1), 0);
	assert_int_equal(ch_ddi_mend(last, sizeof(last) - 1), 0);
	assert_int_equal(ch_ddi_mend(last, 0), 0);
}

static void attributes_are_read(void **state)
{
	(void)state;
	assert_int_equal(configure("{\"mode\":\"merge\",\"data\":{\"VIN\":\"d1\"}}"), CH_OK); /* Zephyr */
	assert_int_equal(config.mode, CH_DDI_MERGE);
	assert_int_equal(config.count, 1);
	assert_int_equal(
		configure("{\"id\":\"\",\"time\":\"x\",\"status\":{\"result\":{\"finished\":\"success\"},"
			  "\"execution\":\"closed\",\"details\":[\"\"]},\"data\":{\"a\":\"\",\"b\":\"\\u0041\"}}"),
		CH_OK); /* SWUpdate */
	assert_int_equal(config.count, 2);
	assert_span_equal(config.attr[1].value, "A", 1);
	assert_int_equal(configure("{\"mode\":\"replace\",\"data\":{\"a\":\"b\"}}"), CH_OK);
	assert_int_equal(config.mode, CH_DDI_REPLACE);
}

static void attributes_have_limits(void **state)
{
	static char text[CH_DDI_NAME_MAX + CH_DDI_VALUE_MAX + 64];
	(void)state;
	assert_int_equal(configure("{\"data\":{}}"), CH_ERR_MISSING);
	assert_int_equal(configure("{}"), CH_ERR_MISSING);
	assert_int_equal(configure("{\"data\":[]}"), CH_ERR_MALFORMED);
	assert_int_equal(configure("{\"data\":{\"a\":1}}"), CH_ERR_MALFORMED);
	assert_int_equal(configure("{\"data\":{\"\":\"x\"}}"), CH_ERR_LIMIT);
	assert_int_equal(configure("{\"data\":{\"a\":\"x\",\"\\u0061\":\"y\"}}"), CH_ERR_DUPLICATE);
	assert_int_equal(configure("{\"mode\":\"erase\",\"data\":{\"a\":\"x\"}}"), CH_ERR_UNKNOWN);
	assert_int_equal(configure("{\"mode\":\"merge\",\"mode\":\"merge\",\"data\":{\"a\":\"x\"}}"), CH_ERR_DUPLICATE);
	for (size_t over = 0; over < 2; over++) {
		struct ch_wr w = ch_wr(text, sizeof(text) - 1);
		ch_wr_str(&w, "{\"data\":{\"");
		for (size_t i = 0; i < CH_DDI_NAME_MAX; i++)
			ch_wr_u8(&w, 'n');
		ch_wr_str(&w, "\":\"");
		for (size_t i = 0; i < CH_DDI_VALUE_MAX + over; i++)
			ch_wr_u8(&w, 'v');
		ch_wr_str(&w, "\"}}");
		text[w.len] = '\0';
		assert_int_equal(configure(text), over == 0 ? CH_OK : CH_ERR_LIMIT);
	}
}

static void numbers_of_actions(void **state)
{
	static const char *const bad[] = { "",      "0",     "1",     "999",   "1000",       "2000",       "20000",
					   "01001", "+1001", "1001 ", "1001x", "2147483649", "99999999999" };
	uint64_t v;
	(void)state;
	assert_int_equal(ch_ddi_action_parse(&v, CH_SPAN_LIT("1001")), CH_OK);
	assert_int_equal(v, 1001);
	assert_int_equal(ch_ddi_action_parse(&v, CH_SPAN_LIT("2147483647")), CH_OK);
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		assert_int_not_equal(ch_ddi_action_parse(&v, ch_span_str(bad[i])), CH_OK);
		assert_int_equal(v, 0);
	}
}

static void names_lead_nowhere(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "a%2f", "a b", "a\"", "\xc3\xa4" };
	(void)state;
	assert_true(ch_ddi_name_valid(CH_SPAN_LIT("DEFAULT")));
	assert_true(ch_ddi_name_valid(CH_SPAN_LIT("nucleo_f767zi-00.a_~")));
	assert_true(ch_ddi_name_valid(CH_SPAN_LIT("...")));
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++)
		assert_false(ch_ddi_name_valid(ch_span_str(bad[i])));
}

/* --- out --- */

static const struct ch_ddi_place place = {
	.origin = { (const uint8_t *)"https://updates.example.com:8443", 32 },
	.tenant = { (const uint8_t *)"DEFAULT", 7 },
	.controller = { (const uint8_t *)"gw-7", 4 },
};

static void assert_text(const struct ch_wr *w, const char *want)
{
	assert_false(w->bad);
	assert_span_equal(ch_wr_span(w), want, strlen(want));
}

#define BASE "https://updates.example.com:8443/DEFAULT/controller/v1/gw-7/"

static void polls_are_written(void **state)
{
	uint8_t text[1000];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_ddi_poll p = { .sleep = 300 };
	(void)state;
	assert_int_equal(ch_ddi_poll_put(&w, &place, &p), CH_OK);
	assert_text(&w, "{\"config\":{\"polling\":{\"sleep\":\"00:05:00\"}},\"_links\":{}}");
	w = ch_wr(text, sizeof(text));
	p = (struct ch_ddi_poll){ .action = 1007, .installed = 1006, .attributes = true };
	assert_int_equal(ch_ddi_poll_put(&w, &place, &p), CH_OK);
	assert_text(&w, "{\"config\":{\"polling\":{\"sleep\":\"00:00:05\"}},\"_links\":{"
			"\"deploymentBase\":{\"href\":\"" BASE "deploymentBase/1007\"},"
			"\"installedBase\":{\"href\":\"" BASE "installedBase/1006\"},"
			"\"configData\":{\"href\":\"" BASE "configData\"}}}");
	/* a cancellation comes alone, and its link has no query */
	w = ch_wr(text, sizeof(text));
	p = (struct ch_ddi_poll){ .sleep = UINT32_MAX, .action = 1007, .cancel = 1007 };
	assert_int_equal(ch_ddi_poll_put(&w, &place, &p), CH_OK);
	assert_text(&w, "{\"config\":{\"polling\":{\"sleep\":\"23:59:59\"}},\"_links\":{"
			"\"cancelAction\":{\"href\":\"" BASE "cancelAction/1007\"}}}");
	w = ch_wr(text, sizeof(text));
	assert_int_equal(ch_ddi_cancel_put(&w, 1007), CH_OK);
	assert_text(&w, "{\"id\":\"1007\",\"cancelAction\":{\"stopId\":\"1007\"}}");
}

static void a_deployment_has_what_each_client_needs(void **state)
{
	uint8_t text[1000];
	struct ch_json_node node[128];
	struct ch_json j;
	struct ch_wr w = ch_wr(text, sizeof(text));
	const struct ch_ddi_artifact a = { CH_SPAN_LIT("gateway-1.4.0.swu"), 4096, { 1 }, { 2 } };
	const struct ch_ddi_deployment d = { 1007, true, CH_SPAN_LIT("gateway-os"), CH_SPAN_LIT("1.4.0"), &a, 1 };
	(void)state;
	assert_int_equal(ch_ddi_deployment_put(&w, &place, &d), CH_OK);
	assert_int_equal(ch_json_parse(&j, ch_wr_span(&w), node, CH_COUNT_OF(node), NULL), CH_OK);
	assert_text(
		&w,
		"{\"id\":\"1007\",\"deployment\":{\"download\":\"forced\",\"update\":\"forced\",\"chunks\":[{"
		"\"part\":\"bApp\",\"version\":\"1.4.0\",\"name\":\"gateway-os\",\"artifacts\":[{"
		"\"filename\":\"gateway-1.4.0.swu\",\"hashes\":{\"sha1\":\"0100000000000000000000000000000000000000\","
		"\"sha256\":\"0200000000000000000000000000000000000000000000000000000000000000\"},\"size\":4096,"
		"\"_links\":{\"download\":{\"href\":\"" BASE "softwaremodules/1007/artifacts/gateway-1.4.0.swu\"},"
		"\"download-http\":{\"href\":\"" BASE "softwaremodules/1007/artifacts/gateway-1.4.0.swu\"}}}]}]}}");
}

/* 100 bytes for origin, tenant and controllerId, names as long as they are in practice, twice. */
static void zephyr_has_room_for_it(void **state)
{
	static uint8_t ninety[90];
	uint8_t text[999];
	struct ch_ddi_place p = place;
	struct ch_wr w = ch_wr(text, sizeof(text));
	const struct ch_ddi_artifact a = {
		CH_SPAN_LIT("a-rather-long-name-of-a-product-1.4.0-rc1.signed.bin"), 0xffffffff, { 1 }, { 2 }
	};
	const struct ch_ddi_deployment d = {
		INT32_MAX, true, CH_SPAN_LIT("a-rather-long-name-of-a-product"), CH_SPAN_LIT("1.4.0-rc1+20260821"),
		&a,        1
	};
	(void)state;
	memset(ninety, 'x', sizeof(ninety));
	p.controller = ch_span(ninety, 100 - p.origin.n - p.tenant.n);
	assert_int_equal(ch_ddi_deployment_put(&w, &p, &d), CH_OK);
	w = ch_wr(text, sizeof(text));
	assert_int_equal(
		ch_ddi_poll_put(&w, &p,
				&(struct ch_ddi_poll){ .action = INT32_MAX, .installed = 1001, .attributes = true }),
		CH_OK);
}

static void what_could_not_be_meant_is_not_written(void **state)
{
	uint8_t text[1000], small[40];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_ddi_place p = place;
	struct ch_ddi_poll poll = { .action = 1000 };
	(void)state;
	assert_int_equal(ch_ddi_poll_put(&w, &place, &poll), CH_ERR_RANGE);
	assert_int_equal(ch_ddi_cancel_put(&w, 0), CH_ERR_RANGE);
	assert_int_equal(ch_ddi_deployment_put(&w, &place, &(struct ch_ddi_deployment){ .action = 1007 }),
			 CH_ERR_RANGE);
	poll.action = 1007;
	p.controller = CH_SPAN_LIT("a/b");
	assert_int_equal(ch_ddi_poll_put(&w, &p, &poll), CH_ERR_RANGE);
	p = place;
	p.origin = CH_SPAN_LIT("http://plain");
	assert_int_equal(ch_ddi_poll_put(&w, &p, &poll), CH_ERR_RANGE);
	w = ch_wr(small, sizeof(small));
	assert_int_equal(ch_ddi_poll_put(&w, &place, &poll), CH_ERR_NOSPACE);
}

/* --- tokens --- */

#define HEX_A "00000000000000000000000000000000000000000000000000000000000000aa"
#define HEX_B "BB00000000000000000000000000000000000000000000000000000000000000"

static void tokens_are_lines(void **state)
{
	const struct ch_span file = CH_SPAN_LIT("# who\n\ngw-7 " HEX_A "\nBoard-01 " HEX_B);
	struct ch_ddi_token t;
	struct ch_diag d;
	size_t off = 0;
	(void)state;
	assert_int_equal(ch_ddi_token_next(&t, file, &off, &d), CH_OK);
	assert_span_equal(t.controller, "gw-7", 4);
	assert_int_equal(t.sha256[31], 0xaa);
	assert_int_equal(ch_ddi_token_next(&t, file, &off, &d), CH_OK);
	assert_span_equal(t.controller, "Board-01", 8);
	assert_int_equal(t.sha256[0], 0xbb);
	assert_int_equal(ch_ddi_token_next(&t, file, &off, &d), CH_ERR_NOTFOUND);
	assert_int_equal(off, file.n);
}

static void what_is_no_line_is_refused_with_its_place(void **state)
{
	static const char *const bad[] = { "gw-7",
					   "gw-7 ",
					   "gw-7 " HEX_A "0",
					   "gw-7  " HEX_A,
					   "gw-7\t" HEX_A,
					   " gw-7 " HEX_A,
					   "a/b " HEX_A,
					   "gw-7 " HEX_A "\r\n",
					   "gw-7 0g00000000000000000000000000000000000000000000000000000000000000" };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		char text[256];
		struct ch_ddi_token t;
		struct ch_diag d;
		size_t off = 0;
		(void)snprintf(text, sizeof(text), "#\n%s", bad[i]);
		assert_int_equal(ch_ddi_token_next(&t, ch_span_str(text), &off, &d), CH_ERR_MALFORMED);
		assert_true(d.rule != NULL && d.off == 2 && t.controller.n == 0);
	}
}

static void a_token_follows_its_scheme(void **state)
{
	enum ch_ddi_token_kind kind;
	struct ch_span token;
	(void)state;
	assert_true(ch_ddi_authorization(CH_SPAN_LIT("TargetToken abc"), &kind, &token));
	assert_int_equal(kind, CH_DDI_TARGET);
	assert_span_equal(token, "abc", 3);
	assert_true(ch_ddi_authorization(CH_SPAN_LIT("GatewayToken  a"), &kind, &token));
	assert_int_equal(kind, CH_DDI_GATEWAY);
	assert_span_equal(token, " a", 2);
	assert_false(ch_ddi_authorization(CH_SPAN_LIT("targettoken abc"), &kind, &token) ||
		     ch_ddi_authorization(CH_SPAN_LIT("TargetToken "), &kind, &token) ||
		     ch_ddi_authorization(CH_SPAN_LIT("TargetToken"), &kind, &token) ||
		     ch_ddi_authorization(CH_SPAN_LIT("Basic YTpi"), &kind, &token) ||
		     ch_ddi_authorization(CH_SPAN_EMPTY, &kind, &token));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_client_is_understood),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(words_decide),
		cmocka_unit_test(what_is_no_feedback_is_refused),
		cmocka_unit_test(progress_that_makes_no_sense_is_none),
		cmocka_unit_test(details_are_kept_to_their_limit),
		cmocka_unit_test(log_lines_are_mended),
		cmocka_unit_test(what_is_no_string_is_not_mended),
		cmocka_unit_test(attributes_are_read),
		cmocka_unit_test(attributes_have_limits),
		cmocka_unit_test(numbers_of_actions),
		cmocka_unit_test(names_lead_nowhere),
		cmocka_unit_test(polls_are_written),
		cmocka_unit_test(a_deployment_has_what_each_client_needs),
		cmocka_unit_test(zephyr_has_room_for_it),
		cmocka_unit_test(what_could_not_be_meant_is_not_written),
		cmocka_unit_test(tokens_are_lines),
		cmocka_unit_test(what_is_no_line_is_refused_with_its_place),
		cmocka_unit_test(a_token_follows_its_scheme),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
