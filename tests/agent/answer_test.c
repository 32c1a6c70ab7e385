/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/net/answer.h"
#include "core/wire/json.h"
#include "tests/unit.h"

static struct ch_json_node node[256];
static uint8_t text[8192];
static struct ag_answer a;
static struct ch_diag d;

static enum ch_err parse(enum ag_route route, unsigned status, const char *body)
{
	struct ch_wr w = ch_wr(text, sizeof(text));
	return ag_answer_parse(&a, route, status, ch_span_str(body), node, CH_COUNT_OF(node), &w, &d);
}

#define NONCE "0001020304050607000102030405060700010203040506070001020304050607"

static void a_challenge(void **state)
{
	(void)state;
	assert_int_equal(
		parse(AG_ROUTE_CHALLENGE, 200,
		      "{\"nonce\":\"" NONCE
		      "\",\"expires\":1300,\"time\":1000,\"have\":{\"eventlog\":{\"size\":5,\"sha256\":\"" NONCE
		      "\"},\"ima\":{\"size\":0,\"sha256\":null}},\"interval\":60,\"new\":[1]}"),
		CH_OK);
	assert_int_equal(a.challenged.status, 200);
	assert_int_equal(a.challenged.nonce[9], 1);
	assert_int_equal(a.challenged.expires, 1300);
	assert_int_equal(a.challenged.log_size, 5);
	assert_int_equal(a.challenged.log_sha256[31], 7);
	assert_int_equal(a.challenged.interval, 60);
}

static void what_must_be_there_is_missed_by_name(void **state)
{
	(void)state;
	static const struct {
		enum ag_route route;
		const char *body;
		enum ch_err err;
		const char *rule;
	} bad[] = {
		{ AG_ROUTE_CHALLENGE, "{\"expires\":1,\"time\":1}", CH_ERR_MISSING, "nonce" },
		{ AG_ROUTE_CHALLENGE, "{\"nonce\":null,\"expires\":1,\"time\":1}", CH_ERR_MISSING, "nonce" },
		{ AG_ROUTE_CHALLENGE, "{\"nonce\":\"00\",\"expires\":1,\"time\":1}", CH_ERR_RANGE, "nonce" },
		{ AG_ROUTE_CHALLENGE, "{\"nonce\":\"" NONCE "\",\"expires\":\"1\",\"time\":1}", CH_ERR_MALFORMED,
		  "expires" },
		{ AG_ROUTE_CHALLENGE, "{\"nonce\":\"" NONCE "\",\"expires\":1,\"time\":-1}", CH_ERR_RANGE, "time" },
		{ AG_ROUTE_CHALLENGE, "{\"nonce\":\"" NONCE "\",\"expires\":1,\"time\":1,\"interval\":4294967296}",
		  CH_ERR_RANGE, "interval" },
		{ AG_ROUTE_CHALLENGE, "{\"nonce\":\"" NONCE "\",\"expires\":1,\"time\":1,\"have\":3}", CH_ERR_MALFORMED,
		  "have.eventlog.size" },
		{ AG_ROUTE_CHALLENGE, "{\"nonce\":\"" NONCE "\",\"nonce\":\"" NONCE "\",\"expires\":1,\"time\":1}",
		  CH_ERR_DUPLICATE, "nonce" },
		{ AG_ROUTE_EVIDENCE, "{\"chain\":\"affirming\"}", CH_ERR_MISSING, "state" },
		{ AG_ROUTE_EVIDENCE, "{\"chain\":\"affirming\",\"state\":\"TRUSTED\",\"renew\":1}", CH_ERR_MALFORMED,
		  "renew" },
		{ AG_ROUTE_EVIDENCE, "{\"chain\":\"a tier that is longer than any of them is\",\"state\":\"x\"}",
		  CH_ERR_LIMIT, "chain" },
		{ AG_ROUTE_ENROL,
		  "{\"enrol\":\"00112233445566778899aabbccddeeff\",\"credential_blob\":\"+\",\"encrypted_secret\":\"\"}",
		  CH_ERR_ENCODING, "credential_blob" },
		{ AG_ROUTE_ENROL, "[]", CH_ERR_MALFORMED, "enrol" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		assert_int_equal(parse(bad[i].route, 200, bad[i].body), bad[i].err);
		assert_string_equal(d.rule, bad[i].rule);
		assert_int_equal(a.challenged.status, 0);
	}
	assert_int_not_equal(parse(AG_ROUTE_STATUS, 200, "{\"chain\":"), CH_OK);
}

static void reasons_are_lines_without_anything_to_obey(void **state)
{
	(void)state;
	assert_int_equal(
		parse(AG_ROUTE_EVIDENCE, 200,
		      "{\"chain\":\"contraindicated\",\"state\":\"QUARANTINED\",\"renew\":true,\"reattest_in\":5,\"reasons\":["
		      "{\"link\":\"boot\",\"text\":\"nobody endorsed\\u001b[2J this\\nevent\"},7,{\"link\":\"os\",\"text\":\"t\",\"measured\":\"/bin/x\",\"event\":3,\"pcr\":10,\"digest\":null}]}"),
		CH_OK);
	static const char want[] = "boot: nobody endorsed\\x1b[2J this\\x0aevent\nos: t: /bin/x, event 3, PCR 10\n";
	assert_span_equal(a.judged.reasons, want, sizeof(want) - 1);
	assert_int_equal(a.judged.renew, 1);
	assert_int_equal(a.judged.reattest_in, 5);
}

static void a_refusal_says_why_with_and_without_json(void **state)
{
	(void)state;
	assert_int_equal(parse(AG_ROUTE_RENEW, 409,
			       "{\"error\":{\"code\":\"not-affirmed\",\"rule\":\"r\\u0007\",\"detail\":\"\"}}"),
			 CH_OK);
	static const char want[] = "the server answers 409 not-affirmed: r\\x07";
	assert_span_equal(a.certified.error, want, sizeof(want) - 1);
	assert_int_equal(a.certified.status, 409);
	assert_int_equal(parse(AG_ROUTE_RENEW, 502, "<html>"), CH_OK);
	assert_span_equal(a.certified.error, "the server answers 502", 22);
	assert_int_equal(parse(AG_ROUTE_RENEW, 301, ""), CH_OK);
	assert_int_equal(a.certified.status, 301);
}

static void a_certificate(void **state)
{
	(void)state;
	assert_int_equal(
		parse(AG_ROUTE_FINISH, 201,
		      "{\"device\":\"00112233445566778899aabbccddeeff\",\"class\":\"gateway\",\"certificate\":\"A\\nB\",\"chain\":\"C\\n\",\"not_after\":5}"),
		CH_OK);
	assert_span_equal(a.certified.certificate, "A\nB", 3);
	assert_span_equal(a.certified.chain, "C\n", 2);
	assert_span_equal(a.certified.class_name, "gateway", 7);
	assert_int_equal(a.certified.device[15], 0xff);
}

static void an_answer_that_did_not_come(void **state)
{
	(void)state;
	ag_answer_none(&a, AG_ROUTE_CHALLENGE, CH_SPAN_LIT("no server answers"));
	assert_int_equal(a.challenged.status, 0);
	assert_span_equal(a.challenged.error, "no server answers", 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_challenge),
		cmocka_unit_test(what_must_be_there_is_missed_by_name),
		cmocka_unit_test(reasons_are_lines_without_anything_to_obey),
		cmocka_unit_test(a_refusal_says_why_with_and_without_json),
		cmocka_unit_test(a_certificate),
		cmocka_unit_test(an_answer_that_did_not_come),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
