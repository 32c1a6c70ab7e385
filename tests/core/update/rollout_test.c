/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/rollout.h"

#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <stdlib.h>

static struct ch_rollout r, again;
static struct ch_json_node node[CH_ROLLOUT_NODES_MAX];

#define HEX  "abababababababababababababababababababababababababababababababab"
#define HEAD "{\"type\":\"chainhold-rollout/v1\",\"name\":\"os-14\",\"release\":\"" HEX "\""
#define ONE  "\"00000000000000000000000000000001\""
#define TWO  "\"00000000000000000000000000000002\""

static const char small[] = HEAD ",\"phases\":[{\"percent\":100}],\"halt\":{\"failures\":{\"count\":1}},"
				 "\"advance\":{\"proven\":90}}";
static const char whole[] = HEAD
	",\"mode\":\"forced\",\"rollback\":true,\"filter\":{\"class\":\"gateway\",\"running\":{\"name\":\"os\",\"version\":"
	"\"1.3\"},\"tier\":\"warning\",\"hostname\":\"edge-*\",\"attributes\":{\"site\":\"N 1\"},\"devices\":[" ONE
	"," TWO "]},"
	"\"phases\":[{\"devices\":[" ONE "]},{\"percent\":10},{\"count\":100},{\"percent\":100}],"
	"\"start\":\"2026-11-26T16:00:00Z\",\"window\":{\"days\":[\"mon\",\"thu\"],\"from\":\"22:00\",\"to\":\"04:30\"},"
	"\"halt\":{\"failures\":{\"percent\":5},\"proof_minutes\":45},\"advance\":{\"proven\":90,\"wait_minutes\":30},"
	"\"claimed\":\"count\",\"spread\":120}";

static enum ch_err parse(const char *text, struct ch_diag *d)
{
	return ch_rollout_parse(&r, ch_span_str(text), node, CH_COUNT_OF(node), d);
}

/* --- the document --- */

static void every_member_is_read(void **state)
{
	(void)state;
	struct ch_diag d;
	assert_int_equal(parse(whole, &d), CH_OK);
	assert_true(ch_span_eq(r.name, CH_SPAN_LIT("os-14")));
	assert_true(r.forced && r.rollback && r.filter.has_devices);
	assert_int_equal(r.filter.devices.count, 2);
	assert_int_equal(r.canary.count, 1);
	assert_int_equal(r.phase_count, 4);
	assert_int_equal(r.phase[1].unit, CH_ROLLOUT_PERCENT);
	assert_int_equal(r.phase[2].n, 100);
	assert_int_equal(r.start, 1795708800);
	assert_int_equal(r.window.days, 1 << 0 | 1 << 3);
	assert_int_equal(r.window.from, 22 * 60);
	assert_int_equal(r.window.to, 4 * 60 + 30);
	assert_int_equal(r.proof_minutes, 45);
	assert_int_equal(r.wait_minutes, 30);
	assert_int_equal(r.claimed, CH_CLAIMED_COUNT);
	assert_int_equal(r.spread, 120);
	assert_true(ch_rollout_canonical(&r, ch_span_str(whole)));
}

static void what_is_missing_has_a_default(void **state)
{
	(void)state;
	static uint8_t text[2048];
	struct ch_wr w = ch_wr(text, sizeof(text));
	assert_int_equal(parse(small, NULL), CH_OK);
	assert_false(r.forced || r.rollback || r.filter.has_devices);
	assert_int_equal(r.claimed, CH_CLAIMED_WAIT);
	assert_int_equal(r.proof_minutes, 60);
	assert_int_equal(r.spread, 600);
	assert_int_equal(r.window.days, 0);
	/* It is written with them, and only that is what is signed. */
	assert_false(ch_rollout_canonical(&r, ch_span_str(small)));
	assert_int_equal(ch_rollout_put(&w, &r), CH_OK);
	assert_int_equal(ch_rollout_parse(&again, ch_wr_span(&w), node, CH_COUNT_OF(node), NULL), CH_OK);
	assert_true(ch_rollout_canonical(&again, ch_wr_span(&w)));
}

static void a_text_that_is_cut_is_none(void **state)
{
	(void)state;
	struct ch_span all = ch_span_str(whole);
	for (size_t n = 0; n < all.n; n++) {
		struct ch_diag d;
		uint8_t *own = malloc(n + 1);
		(void)ch_span_copy(own, n, all);
		assert_int_not_equal(ch_rollout_parse(&r, ch_span(own, n), node, CH_COUNT_OF(node), &d), CH_OK);
		assert_non_null(d.rule);
		assert_int_equal(r.phase_count, 0);
		free(own);
	}
	assert_int_equal(ch_rollout_parse(&r, ch_span(whole, all.n + 1), node, CH_COUNT_OF(node), NULL),
			 CH_ERR_TRAILING);
	assert_int_equal(ch_rollout_parse(&r, all, node, 8, NULL), CH_ERR_NOSPACE);
}

#define TAIL ",\"halt\":{\"failures\":{\"count\":1}},\"advance\":{\"proven\":90}}"
#define REST ",\"phases\":[{\"percent\":100}]" TAIL

struct refusal {
	const char *text;
	enum ch_err err;
};

static void assert_refused(const struct refusal *row, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct ch_diag d;
		enum ch_err err = parse(row[i].text, &d);
		if (err != row[i].err)
			fail_msg("%s: %s, %s", row[i].text, ch_err_str(err), d.rule);
		assert_non_null(d.rule);
		assert_true(d.off <= strlen(row[i].text));
	}
}

static void what_is_not_so_is_refused_with_its_place(void **state)
{
	(void)state;
	static const struct refusal row[] = {
		{ "[]", CH_ERR_MALFORMED },
		{ HEAD "}", CH_ERR_MISSING },
		{ HEAD ",\"phases\":[]" TAIL, CH_ERR_MISSING },
		{ HEAD ",\"phases\":[{\"percent\":0}]" TAIL, CH_ERR_RANGE },
		{ HEAD ",\"phases\":[{\"percent\":101}]" TAIL, CH_ERR_RANGE },
		{ HEAD ",\"phases\":[{\"count\":0}]" TAIL, CH_ERR_RANGE },
		{ HEAD ",\"phases\":[{\"count\":4294967296}]" TAIL, CH_ERR_RANGE },
		{ HEAD ",\"phases\":[{}]" TAIL, CH_ERR_MISSING },
		{ HEAD ",\"phases\":[{\"percent\":1,\"count\":1}]" TAIL, CH_ERR_MISSING },
		{ HEAD ",\"phases\":[{\"percent\":10},{\"percent\":10}]" TAIL, CH_ERR_RANGE },
		{ HEAD ",\"phases\":[{\"count\":9},{\"percent\":10},{\"count\":8}]" TAIL, CH_ERR_RANGE },
		{ HEAD ",\"phases\":[{\"percent\":10},{\"devices\":[" ONE "]}]" TAIL, CH_ERR_MISMATCH },
		{ HEAD ",\"phases\":[{\"devices\":[" ONE "],\"percent\":1}]" TAIL, CH_ERR_MISMATCH },
		{ HEAD ",\"phases\":[{\"devices\":[]}]" TAIL, CH_ERR_MISSING },
		{ HEAD ",\"phases\":[{\"devices\":[" ONE "," ONE "]}]" TAIL, CH_ERR_DUPLICATE },
		{ HEAD ",\"phases\":[{\"devices\":[\"0A\"]}]" TAIL, CH_ERR_ENCODING },
		{ HEAD ",\"phases\":[7]" TAIL, CH_ERR_MALFORMED },
		{ HEAD ",\"mode\":\"hard\"" REST, CH_ERR_UNKNOWN },
		{ HEAD ",\"rollback\":1" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"colour\":1" REST, CH_ERR_UNKNOWN },
		{ HEAD ",\"mode\":\"soft\",\"mode\":\"soft\"" REST, CH_ERR_DUPLICATE },
		{ HEAD ",\"claimed\":true" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"claimed\":\"yes\"" REST, CH_ERR_UNKNOWN },
		{ HEAD ",\"spread\":0" REST, CH_ERR_RANGE },
		{ HEAD ",\"spread\":60001" REST, CH_ERR_RANGE },
		{ HEAD ",\"phases\":[{\"percent\":1}],\"halt\":{},\"advance\":{\"proven\":90}}", CH_ERR_MISSING },
		{ HEAD ",\"phases\":[{\"percent\":1}],\"halt\":{\"failures\":{\"count\":1}},\"advance\":{}}",
		  CH_ERR_MISSING },
		{ HEAD ",\"phases\":[{\"percent\":1}],\"halt\":{\"failures\":{\"count\":1},\"proof_minutes\":0},"
		       "\"advance\":{\"proven\":9}}",
		  CH_ERR_RANGE },
		{ HEAD
		  ",\"phases\":[{\"percent\":1}],\"halt\":{\"failures\":{\"count\":1}},\"advance\":{\"proven\":0}}",
		  CH_ERR_RANGE },
	};
	assert_refused(row, CH_COUNT_OF(row));
}

static void devices_and_times_that_cannot_be_are_refused(void **state)
{
	(void)state;
	static const struct refusal row[] = {
		{ HEAD ",\"filter\":{\"tier\":\"none\"}" REST, CH_ERR_UNKNOWN },
		{ HEAD ",\"filter\":{\"class\":\"A\"}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"filter\":{\"hostname\":\"a*b\"}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"filter\":{\"hostname\":\"\"}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"filter\":{\"running\":{\"version\":\"1\"}}" REST, CH_ERR_MISSING },
		{ HEAD ",\"filter\":{\"running\":{\"name\":\"os\",\"version\":\"a b\"}}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"filter\":{\"attributes\":{}}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"filter\":{\"attributes\":[]}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"filter\":{\"attributes\":{\"\":\"b\"}}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"filter\":{\"attributes\":{\"a\":\"\"}}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"filter\":{\"attributes\":{\"a\":1}}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"filter\":{\"attributes\":{\"a\":\"b\\n\"}}" REST, CH_ERR_ENCODING },
		{ HEAD ",\"filter\":{\"attributes\":{\"a\":\"b\",\"a\":\"b\"}}" REST, CH_ERR_DUPLICATE },
		{ HEAD
		  ",\"filter\":{\"attributes\":{\"1\":\"b\",\"2\":\"b\",\"3\":\"b\",\"4\":\"b\",\"5\":\"b\",\"6\":\"b\",\"7\":\"b\","
		  "\"8\":\"b\",\"9\":\"b\"}}" REST,
		  CH_ERR_LIMIT },
		{ HEAD ",\"start\":\"2026-02-30T00:00:00Z\"" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"start\":\"1970-01-01T00:00:00Z\"" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"window\":{\"days\":[\"mon\"],\"from\":\"22:00\",\"to\":\"22:00\"}" REST, CH_ERR_RANGE },
		{ HEAD ",\"window\":{\"days\":[\"mon\"],\"from\":\"24:00\",\"to\":\"22:00\"}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"window\":{\"days\":[\"mon\"],\"from\":\"2:000\",\"to\":\"22:00\"}" REST, CH_ERR_MALFORMED },
		{ HEAD ",\"window\":{\"days\":[\"mon\",\"mon\"],\"from\":\"21:00\",\"to\":\"22:00\"}" REST,
		  CH_ERR_DUPLICATE },
		{ HEAD ",\"window\":{\"days\":[\"Mon\"],\"from\":\"21:00\",\"to\":\"22:00\"}" REST, CH_ERR_UNKNOWN },
		{ HEAD ",\"window\":{\"from\":\"21:00\",\"to\":\"22:00\"}" REST, CH_ERR_MISSING },
	};
	assert_refused(row, CH_COUNT_OF(row));
}

/* --- who, and in which order --- */

static void a_device_matches_all_that_is_asked(void **state)
{
	(void)state;
	const struct ch_rollout_device good = { .id = { [15] = 1 },
						.class = CH_SPAN_LIT("gateway"),
						.hostname = CH_SPAN_LIT("edge-7"),
						.running = CH_SPAN_LIT("os"),
						.running_version = CH_SPAN_LIT("1.3"),
						.tier = CH_TIER_WARNING,
						.attribute = { CH_SPAN_LIT("N 1") } };
	struct ch_rollout_device d = good;
	assert_int_equal(parse(whole, NULL), CH_OK);
	assert_true(ch_rollout_matches(&r, &d));
	d.tier = CH_TIER_AFFIRMING;
	assert_true(ch_rollout_matches(&r, &d));
	d.tier = CH_TIER_NONE;
	assert_false(ch_rollout_matches(&r, &d));
	d.tier = CH_TIER_CONTRAINDICATED;
	assert_false(ch_rollout_matches(&r, &d));
	d = good;
	d.class = CH_SPAN_LIT("sensor");
	assert_false(ch_rollout_matches(&r, &d));
	d = good;
	d.hostname = CH_SPAN_LIT("edge");
	assert_false(ch_rollout_matches(&r, &d));
	d = good;
	d.running_version = CH_SPAN_LIT("1.2");
	assert_false(ch_rollout_matches(&r, &d));
	d = good;
	d.running = CH_SPAN_EMPTY;
	assert_false(ch_rollout_matches(&r, &d));
	d = good;
	d.attribute[0] = CH_SPAN_LIT("N 2");
	assert_false(ch_rollout_matches(&r, &d));
	d.attribute[0] = CH_SPAN_EMPTY;
	assert_false(ch_rollout_matches(&r, &d));
	d = good;
	d.id[15] = 3;
	assert_false(ch_rollout_matches(&r, &d));
	assert_int_equal(parse(small, NULL), CH_OK);
	assert_true(ch_rollout_matches(&r, &d));
}

static void the_order_is_that_of_a_hash_with_canaries_first(void **state)
{
	(void)state;
	const uint8_t rollout[32] = { 1 }, other[32] = { 2 };
	uint8_t id[16] = { 0 };
	int64_t place = 0, same = 0;
	assert_int_equal(ch_crypto_openssl_init(), CH_OK);
	assert_int_equal(parse(whole, NULL), CH_OK);
	id[15] = 1;
	assert_int_equal(ch_rollout_place(&place, &r, rollout, id), CH_OK);
	assert_true(place < 0 && ch_rollout_is_canary(&r, id));
	id[15] = 2;
	assert_int_equal(ch_rollout_place(&place, &r, rollout, id), CH_OK);
	/* printf 'chainhold-rollout-place/v1\n' and the bytes | sha256sum, its first eight bytes halved */
	assert_int_equal(place, 3352062575229804290);
	assert_int_equal(ch_rollout_place(&same, &r, rollout, id), CH_OK);
	assert_int_equal(place, same);
	assert_int_equal(ch_rollout_place(&same, &r, other, id), CH_OK);
	assert_int_not_equal(place, same);
}

static void phases_end_where_the_document_says(void **state)
{
	(void)state;
	assert_int_equal(parse(whole, NULL), CH_OK);
	/* canaries, 10 percent, 100 devices, all */
	assert_int_equal(ch_rollout_phase_end(&r, 0, 500, 1), 1);
	assert_int_equal(ch_rollout_phase_end(&r, 1, 500, 1), 50);
	assert_int_equal(ch_rollout_phase_end(&r, 1, 501, 1), 51);
	assert_int_equal(ch_rollout_phase_end(&r, 2, 500, 1), 100);
	assert_int_equal(ch_rollout_phase_end(&r, 3, 500, 1), 500);
	/* A later phase is never smaller than what came before. */
	assert_int_equal(ch_rollout_phase_end(&r, 1, 5000, 600), 600);
	assert_int_equal(ch_rollout_phase_end(&r, 2, 5000, 600), 600);
	assert_int_equal(ch_rollout_phase_end(&r, 2, 40, 1), 40);
	assert_int_equal(ch_rollout_phase_end(&r, 3, 0, 0), 0);
	assert_int_equal(ch_rollout_phase_end(&r, 3, UINT64_MAX, 1), UINT64_MAX);
	assert_int_equal(parse(small, NULL), CH_OK);
	assert_int_equal(ch_rollout_phase_end(&r, 0, 7, 0), 7);
}

/* --- when --- */

static int64_t at(const char *time)
{
	char text[] = HEAD ",\"start\":\"2026-11-26T16:00:00Z\"" REST;
	(void)ch_span_copy(strstr(text, "2026-"), 20, ch_span_str(time));
	assert_int_equal(ch_rollout_parse(&again, ch_span_str(text), node, CH_COUNT_OF(node), NULL), CH_OK);
	return again.start;
}

static void a_window_over_midnight_belongs_to_the_day_it_begins_on(void **state)
{
	(void)state;
	/* Monday and Thursday, 22:00 to 04:30; from Thursday, 26 November 2026 on */
	assert_int_equal(parse(whole, NULL), CH_OK);
	assert_false(ch_rollout_open(&r, at("2026-11-23T22:00:00Z"))); /* before the start */
	assert_false(ch_rollout_open(&r, at("2026-11-26T21:59:59Z")));
	assert_true(ch_rollout_open(&r, at("2026-11-26T22:00:00Z")));
	assert_true(ch_rollout_open(&r, at("2026-11-27T04:29:59Z")));
	assert_false(ch_rollout_open(&r, at("2026-11-27T04:30:00Z")));
	assert_false(ch_rollout_open(&r, at("2026-11-27T22:00:00Z")));
	assert_false(ch_rollout_open(&r, at("2026-11-30T04:00:00Z"))); /* Monday's night begins in the evening */
	assert_int_equal(ch_rollout_opens(&r, 0), at("2026-11-26T22:00:00Z"));
	assert_int_equal(ch_rollout_opens(&r, at("2026-11-26T23:00:00Z")), at("2026-11-26T23:00:00Z"));
	assert_int_equal(ch_rollout_opens(&r, at("2026-11-27T04:30:00Z")), at("2026-11-30T22:00:00Z"));
	/* A whole week later on the same day. */
	r.window = (struct ch_rollout_window){ .days = 1 << 3, .from = 60, .to = 120 };
	assert_int_equal(ch_rollout_opens(&r, at("2026-11-26T16:00:00Z")), at("2026-12-03T01:00:00Z"));
	assert_true(ch_rollout_open(&r, at("2026-12-03T01:00:00Z")));
	assert_false(ch_rollout_open(&r, at("2026-12-03T02:00:00Z")));
	assert_int_equal(parse(small, NULL), CH_OK);
	assert_true(ch_rollout_open(&r, 0));
}

/* --- states --- */

static void every_pair_of_state_and_step(void **state)
{
	(void)state;
	static const struct {
		enum ch_rollout_state from;
		enum ch_rollout_step step;
		enum ch_rollout_state to;
	} legal[] = {
		{ CH_ROLLOUT_NONE, CH_ROLLOUT_STEP_CREATE, CH_ROLLOUT_PLANNED },
		{ CH_ROLLOUT_PLANNED, CH_ROLLOUT_STEP_START, CH_ROLLOUT_RUNNING },
		{ CH_ROLLOUT_PLANNED, CH_ROLLOUT_STEP_ABORT, CH_ROLLOUT_ABORTED },
		{ CH_ROLLOUT_RUNNING, CH_ROLLOUT_STEP_PAUSE, CH_ROLLOUT_PAUSED },
		{ CH_ROLLOUT_RUNNING, CH_ROLLOUT_STEP_HALT, CH_ROLLOUT_HALTED },
		{ CH_ROLLOUT_RUNNING, CH_ROLLOUT_STEP_FINISH, CH_ROLLOUT_FINISHED },
		{ CH_ROLLOUT_RUNNING, CH_ROLLOUT_STEP_ABORT, CH_ROLLOUT_ABORTED },
		{ CH_ROLLOUT_PAUSED, CH_ROLLOUT_STEP_RESUME, CH_ROLLOUT_RUNNING },
		{ CH_ROLLOUT_PAUSED, CH_ROLLOUT_STEP_ABORT, CH_ROLLOUT_ABORTED },
		{ CH_ROLLOUT_HALTED, CH_ROLLOUT_STEP_RESUME, CH_ROLLOUT_RUNNING },
		{ CH_ROLLOUT_HALTED, CH_ROLLOUT_STEP_ABORT, CH_ROLLOUT_ABORTED },
	};
	size_t found = 0;
	for (unsigned s = 0; s <= CH_ROLLOUT_STATES; s++) {
		for (unsigned step = 0; step <= CH_ROLLOUT_STEP_COUNT; step++) {
			enum ch_rollout_state to = CH_ROLLOUT_STATES, want = (enum ch_rollout_state)s;
			enum ch_err err = CH_ERR_MISMATCH;
			for (size_t i = 0; i < CH_COUNT_OF(legal); i++) {
				if (legal[i].from == s && legal[i].step == step) {
					want = legal[i].to;
					err = CH_OK;
					found++;
				}
			}
			assert_int_equal(ch_rollout_next((enum ch_rollout_state)s, (enum ch_rollout_step)step, &to),
					 err);
			assert_int_equal(to, want);
		}
	}
	assert_int_equal(found, CH_COUNT_OF(legal));
	assert_true(ch_rollout_over(CH_ROLLOUT_FINISHED) && ch_rollout_over(CH_ROLLOUT_ABORTED));
	assert_false(ch_rollout_over(CH_ROLLOUT_HALTED) || ch_rollout_over(CH_ROLLOUT_PAUSED));
	assert_string_equal(ch_rollout_state_str(CH_ROLLOUT_HALTED), "halted");
	assert_string_equal(ch_rollout_state_str(CH_ROLLOUT_STATES), "unknown");
	assert_string_equal(ch_rollout_member_str(CH_MEMBER_WAITS), "waits");
	assert_string_equal(ch_rollout_member_str(CH_MEMBER_COUNT), "unknown");
}

/* --- what is to be done --- */

static void proof_advances_and_failures_halt(void **state)
{
	(void)state;
	const uint64_t ms = 1000000;
	assert_int_equal(parse(whole, NULL), CH_OK); /* 5 % halt, 90 % advance after 30 minutes */
	struct ch_rollout_tally t = { .waiting = 1, .offered = 19, .proven = 19, .devices = 20 };
	assert_int_equal(ch_rollout_judge(&r, &t, ms), CH_ROLLOUT_WAIT);
	t = (struct ch_rollout_tally){ .offered = 20, .proven = 17, .devices = 20 };
	assert_int_equal(ch_rollout_judge(&r, &t, ms), CH_ROLLOUT_WAIT);
	t.proven = 18;
	assert_int_equal(ch_rollout_judge(&r, &t, ms), CH_ROLLOUT_REACHED);
	t.reached = ms;
	assert_int_equal(ch_rollout_judge(&r, &t, ms + 30 * 60000 - 1), CH_ROLLOUT_WAIT);
	assert_int_equal(ch_rollout_judge(&r, &t, ms + 30 * 60000), CH_ROLLOUT_ADVANCE);
	t.failed = 1;
	assert_int_equal(ch_rollout_judge(&r, &t, ms + 30 * 60000), CH_ROLLOUT_HALT);
	t.devices = 21;
	assert_int_equal(ch_rollout_judge(&r, &t, ms + 30 * 60000), CH_ROLLOUT_ADVANCE);
	r.failures = (struct ch_rollout_amount){ CH_ROLLOUT_COUNT, 2 };
	t.devices = 2;
	assert_int_equal(ch_rollout_judge(&r, &t, ms + 30 * 60000), CH_ROLLOUT_ADVANCE);
	t.failed = 2;
	assert_int_equal(ch_rollout_judge(&r, &t, ms + 30 * 60000), CH_ROLLOUT_HALT);
}

static void a_phase_that_showed_nothing_is_not_passed_by_itself(void **state)
{
	(void)state;
	assert_int_equal(parse(small, NULL), CH_OK);
	struct ch_rollout_tally t = { .devices = 3 };
	assert_int_equal(ch_rollout_judge(&r, &t, 1), CH_ROLLOUT_HALT_EMPTY);
	t.empty_is_fine = true;
	assert_int_equal(ch_rollout_judge(&r, &t, 1), CH_ROLLOUT_ADVANCE);
	/* No time of waiting: at once. */
	t = (struct ch_rollout_tally){ .offered = 1, .proven = 1, .devices = 1 };
	assert_int_equal(ch_rollout_judge(&r, &t, 1), CH_ROLLOUT_ADVANCE);
}

static void downloads_are_spread(void **state)
{
	(void)state;
	assert_int_equal(parse(small, NULL), CH_OK); /* 600 a minute: 10 a second */
	assert_int_equal(ch_rollout_spread(&r, 0, 1000000), 20);
	assert_int_equal(ch_rollout_spread(&r, 1000000, 1001000), 10);
	assert_int_equal(ch_rollout_spread(&r, 1000000, 1000099), 0);
	assert_int_equal(ch_rollout_spread(&r, 1000000, 999999), 0);
	r.spread = 1;
	assert_int_equal(ch_rollout_spread(&r, 1000000, 1059999), 0);
	assert_int_equal(ch_rollout_spread(&r, 1000000, 1060000), 1);
	assert_int_equal(ch_rollout_spread(&r, 0, UINT64_MAX), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_is_read),
		cmocka_unit_test(what_is_missing_has_a_default),
		cmocka_unit_test(a_text_that_is_cut_is_none),
		cmocka_unit_test(what_is_not_so_is_refused_with_its_place),
		cmocka_unit_test(devices_and_times_that_cannot_be_are_refused),
		cmocka_unit_test(a_device_matches_all_that_is_asked),
		cmocka_unit_test(the_order_is_that_of_a_hash_with_canaries_first),
		cmocka_unit_test(phases_end_where_the_document_says),
		cmocka_unit_test(a_window_over_midnight_belongs_to_the_day_it_begins_on),
		cmocka_unit_test(every_pair_of_state_and_step),
		cmocka_unit_test(proof_advances_and_failures_halt),
		cmocka_unit_test(a_phase_that_showed_nothing_is_not_passed_by_itself),
		cmocka_unit_test(downloads_are_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
