/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/scene.h"

/* What operators decide, and the generations that follow. */

/* --- operators --- */

static void subject(const struct unit *u, char hex[static 33])
{
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", u->id[i]);
}

static void an_operator_quarantines_and_releases(void **state)
{
	(void)state;
	char hex[33];
	struct ch_span body;
	struct boss *by[] = { &other };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	subject(&a, hex);
	uint64_t id = boss_say(&w, CH_VERB_DEVICE_QUARANTINE, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 200);
	assert_has(body, "\"state\":\"done\"");
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
	assert_int_equal(world_count(&w, CH_ROLE_EDGE, CH_MSG_CUT), 1);
	id = boss_say(&w, CH_VERB_DEVICE_RELEASE, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(seen(a.cert).state, CH_STATE_ENROLLED);
	id = boss_say(&w, CH_VERB_DEVICE_RELEASE, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 409);
}

static void an_action_needs_a_signature_that_holds(void **state)
{
	(void)state;
	char hex[33];
	uint8_t text[1024];
	struct boss stranger, *by[] = { &stranger }, *twice[] = { &admin, &admin }, *good[] = { &admin };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	subject(&a, hex);
	boss_init(&stranger, "stranger");
	uint64_t id = boss_say(&w, CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY, by, 1);
	uint64_t two = boss_say(&w, CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY, twice, 2);
	uint64_t none = boss_say(&w, CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY, by, 0);
	memcpy(stranger.id, admin.id, sizeof(stranger.id));
	uint64_t stolen = boss_say(&w, CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY, by, 1);
	size_t n = boss_text(&w, text, sizeof(text), CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY);
	uint64_t payload = boss_say_text(&w, ch_span(text, n), CH_SPAN_LIT("x"), good, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 403);
	assert_int_equal(world_answer(&w, two, NULL), 400);
	assert_int_equal(world_answer(&w, none, NULL), 400);
	assert_int_equal(world_answer(&w, stolen, NULL), 403);
	assert_int_equal(world_answer(&w, payload, NULL), 400);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM action"), 0);
	assert_int_equal(seen(a.cert).state, CH_STATE_ENROLLED);
	boss_clear(&stranger);
}

static void a_role_may_sign_its_verbs_only(void **state)
{
	(void)state;
	struct boss *by[] = { &other };
	uint64_t id = boss_say(&w, CH_VERB_OPERATOR_REMOVE, "admin", CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 403);
}

static void an_old_action_and_one_of_the_future_are_refused(void **state)
{
	(void)state;
	char hex[33];
	uint8_t text[1024];
	struct boss *by[] = { &admin };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	subject(&a, hex);
	size_t n = boss_text(&w, text, sizeof(text), CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY);
	w.wall += 86402000;
	uint64_t old = boss_say_text(&w, ch_span(text, n), CH_SPAN_EMPTY, by, 1);
	w.wall += 1000000;
	n = boss_text(&w, text, sizeof(text), CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY);
	w.wall -= 1000000;
	uint64_t early = boss_say_text(&w, ch_span(text, n), CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, old, NULL), 400);
	assert_int_equal(world_answer(&w, early, NULL), 400);
}

static void what_the_policy_marks_needs_two(void **state)
{
	(void)state;
	char hex[33];
	uint8_t text[1024], image[CH_POLICY_IMAGE_MAX];
	struct ch_span body;
	struct boss *one[] = { &admin }, *two[] = { &other };
	struct ch_policy p = world_policy("gateway");
	p.two_signatures = 1u << CH_VERB_DEVICE_REVOKE;
	struct ch_wr t = ch_wr(image, sizeof(image));
	assert_int_equal(ch_policy_put(&t, &p), CH_OK);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	uint64_t id = boss_say(&w, CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t), one, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	subject(&a, hex);
	size_t n = boss_text(&w, text, sizeof(text), CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY);
	id = boss_say_text(&w, ch_span(text, n), CH_SPAN_EMPTY, one, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 202);
	assert_has(body, "\"signatures\":1,\"needed\":2");
	assert_int_equal(seen(a.cert).state, CH_STATE_ENROLLED);
	/* The same operator again is still one. */
	id = boss_say_text(&w, ch_span(text, n), CH_SPAN_EMPTY, one, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 202);
	id = boss_say_text(&w, ch_span(text, n), CH_SPAN_EMPTY, two, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_true((seen(a.cert).pending & CH_VIEW_REVOKED) != 0);
	assert_int_equal(world_number(&w, "SELECT state FROM device"), CH_STATE_REVOKED);
	/* And once done it is done: the first answer. */
	struct ch_span again;
	uint64_t repeat = boss_say_text(&w, ch_span(text, n), CH_SPAN_EMPTY, two, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, repeat, &again), 200);
	assert_int_equal(world_answer(&w, id, &body), 200);
	assert_true(ch_span_eq(body, again));
}

static void the_way_back_from_revocation_is_activation(void **state)
{
	(void)state;
	char hex[33];
	uint8_t nonce[32], old[32];
	struct boss *by[] = { &admin };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	subject(&a, hex);
	memcpy(old, a.cert, sizeof(old));
	(void)boss_say(&w, CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_false(unit_challenge(&w, &a, nonce));
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(seen(a.cert).state, CH_STATE_ENROLLED);
	assert_true((seen(old).pending & CH_VIEW_REVOKED) != 0);
}

static void a_decommissioned_device_does_not_come_back(void **state)
{
	(void)state;
	char hex[33];
	struct ch_span body;
	struct boss *by[] = { &admin };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	subject(&a, hex);
	(void)boss_say(&w, CH_VERB_DEVICE_DECOMMISSION, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(unit_enrol(&w, &a, &body), 403);
	assert_has(body, "decommissioned");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf WHERE type = 6"), 1);
	restart();
	assert_int_equal(unit_enrol(&w, &a, &body), 403);
}

static void an_operator_gets_a_certificate_and_loses_it(void **state)
{
	(void)state;
	uint8_t payload[128] = { CH_OPERATOR_VIEWER }, cert[32] = { 0 };
	struct boss fresh, *by[] = { &admin };
	struct ch_span body;
	boss_init(&fresh, "fresh");
	memcpy(payload + 1, fresh.spki, fresh.spki_n);
	uint64_t id = boss_say(&w, CH_VERB_OPERATOR_ADD, "fresh", ch_span(payload, fresh.spki_n + 1), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 200);
	assert_has(body, "BEGIN CERTIFICATE");
	struct ch_query q =
		ch_sql_query_text(w.store, "SELECT certificate FROM operator WHERE name = 'fresh'", CH_NO_ARGS);
	assert_true(ch_sql_next(&q) && ch_sql_copy(&q, 0, cert, 32));
	assert_int_equal(ch_sql_end(&q), CH_OK);
	assert_int_equal(seen(cert).kind, CH_VIEW_OPERATOR);
	assert_int_equal(seen(cert).role, CH_OPERATOR_VIEWER);
	assert_memory_equal(seen(cert).operator_key, fresh.id, 32);
	id = boss_say(&w, CH_VERB_OPERATOR_REMOVE, "fresh", CH_SPAN_EMPTY, by, 1);
	uint64_t last = boss_say(&w, CH_VERB_OPERATOR_REMOVE, "admin", CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(world_answer(&w, last, NULL), 409);
	assert_true((seen(cert).pending & CH_VIEW_REVOKED) != 0);
	assert_memory_equal(last_cut().cert_sha256, cert, 32);
	restart();
	assert_true((seen(cert).pending & CH_VIEW_REVOKED) != 0);
	boss_clear(&fresh);
}

static void a_wish_for_evidence_shows_until_it_comes(void **state)
{
	(void)state;
	char hex[33];
	struct boss *by[] = { &other };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	subject(&a, hex);
	(void)boss_say(&w, CH_VERB_DEVICE_REATTEST, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(seen(a.cert).pending, CH_VIEW_PENDING_REATTEST);
	restart();
	assert_int_equal(seen(a.cert).pending, CH_VIEW_PENDING_REATTEST);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	assert_int_equal(seen(a.cert).pending, 0);
}

/* --- values of one device --- */

static struct ch_msg_context context_of(const struct unit *u)
{
	struct ch_msg_context c;
	struct ch_msg_context_ask ask;
	memcpy(ask.device, u->id, sizeof(ask.device));
	(void)world_say(&w, CH_ROLE_VERIFY, CH_MSG_CONTEXT_ASK, &ask);
	world_turn(&w);
	const struct sent *s = world_last(&w, CH_ROLE_VERIFY, CH_MSG_CONTEXT);
	assert_non_null(s);
	assert_int_equal(ch_msg_parse(CH_MSG_CONTEXT, &c, ch_buf_span(&s->payload), NULL), CH_OK);
	return c;
}

static void what_is_pinned_is_told_and_the_device_is_asked(void **state)
{
	(void)state;
	char hex[33];
	struct boss *by[] = { &admin }, *no[] = { &other };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	subject(&a, hex);
	uint64_t refused = boss_say(&w, CH_VERB_DEVICE_PIN, hex, CH_SPAN_LIT("{\"first\":1}"), no, 1);
	uint64_t none = boss_say(&w, CH_VERB_DEVICE_UNPIN, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, refused, NULL), 403);
	assert_int_equal(world_answer(&w, none, NULL), 409);
	assert_int_equal(context_of(&a).pinned_number, 0);
	uint64_t id = boss_say(&w, CH_VERB_DEVICE_PIN, hex, CH_SPAN_LIT("{\"first\":1}"), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(seen(a.cert).pending, CH_VIEW_PENDING_REATTEST);
	assert_span_equal(context_of(&a).pinned, "{\"first\":1}", 11);
	id = boss_say(&w, CH_VERB_DEVICE_PIN, hex, CH_SPAN_LIT("{\"second\":1}"), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	restart();
	struct ch_msg_context c = context_of(&a);
	assert_int_equal(c.pinned_number, 2);
	assert_span_equal(c.pinned, "{\"second\":1}", 12);
	assert_int_equal(context_of(&b).pinned.n, 0);
	id = boss_say(&w, CH_VERB_DEVICE_UNPIN, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(context_of(&a).pinned_number, 0);
	/* What judged before stays for the auditor. */
	assert_int_equal(world_number(&w, "SELECT count(*) FROM pinned"), 2);
}

static void a_verdict_by_values_that_changed_meanwhile_does_not_count(void **state)
{
	(void)state;
	char hex[33];
	uint8_t nonce[32];
	struct ch_span body;
	struct boss *by[] = { &admin };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	subject(&a, hex);
	assert_true(unit_challenge(&w, &a, nonce));
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING };
	(void)boss_say(&w, CH_VERB_DEVICE_PIN, hex, CH_SPAN_LIT("{}"), by, 1);
	uint64_t id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 503);
	assert_has(body, "\"code\":\"pinned\"");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence"), 0);
	/* The challenge still stands: sent again, it is judged by what is in force. */
	e.pinned = 1;
	id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(world_number(&w, "SELECT pinned FROM evidence"), 1);
}

/* --- generations --- */

static uint64_t generation_sent(void)
{
	struct ch_msg_generation m;
	const struct sent *s = world_last(&w, CH_ROLE_VERIFY, CH_MSG_GENERATION);
	assert_non_null(s);
	assert_int_equal(ch_msg_parse(CH_MSG_GENERATION, &m, ch_buf_span(&s->payload), NULL), CH_OK);
	return m.number;
}

static void a_baseline_makes_a_generation_and_a_restart_none(void **state)
{
	(void)state;
	struct boss *by[] = { &admin };
	assert_int_equal(generation_sent(), 1);
	restart();
	assert_int_equal(generation_sent(), 1);
	uint64_t id = boss_say(&w, CH_VERB_BASELINE_APPROVE, "gateway", CH_SPAN_LIT("{\"values\":1}"), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(generation_sent(), 2);
	assert_int_equal(ch_view_generation(w.view), 2);
	/* The same document again changes nothing. */
	id = boss_say(&w, CH_VERB_BASELINE_APPROVE, "gateway", CH_SPAN_LIT("{\"values\":1}"), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(generation_sent(), 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf WHERE type = 5"), 2);
}

static void a_generation_that_is_refused_is_an_alarm(void **state)
{
	(void)state;
	uint8_t nonce[32];
	struct boss *by[] = { &admin };
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	struct ch_msg_generation_taken m = { .number = 1, .status = 1, .rule = CH_SPAN_LIT("too many roots") };
	(void)world_say(&w, CH_ROLE_VERIFY, CH_MSG_GENERATION_TAKEN, &m);
	world_turn(&w);
	assert_int_equal(
		world_number(&w, "SELECT count(*) FROM generation WHERE refused > 0 AND rule = 'too many roots'"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM event WHERE kind = 'generation-refused'"), 1);
	/* Another one is mended; what is said of the first means nothing any more. */
	(void)boss_say(&w, CH_VERB_BASELINE_APPROVE, "gateway", CH_SPAN_LIT("{}"), by, 1);
	world_turn(&w);
	(void)world_say(&w, CH_ROLE_VERIFY, CH_MSG_GENERATION_TAKEN, &m);
	m = (struct ch_msg_generation_taken){ .number = 2 };
	(void)world_say(&w, CH_ROLE_VERIFY, CH_MSG_GENERATION_TAKEN, &m);
	world_turn(&w);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM generation WHERE number = 2 AND refused = 0"), 1);
	/* A verdict by the old one does not count, and costs no challenge. */
	assert_true(unit_challenge(&w, &a, nonce));
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING, .generation = 1 };
	uint64_t id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 503);
	assert_has(body, "\"code\":\"generation\"");
	e.generation = 2;
	id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
}

static void retired_values_leave_the_generation_and_everybody_is_asked(void **state)
{
	(void)state;
	struct boss *by[] = { &admin };
	const struct ch_span document = CH_SPAN_LIT("{\"values\":1}");
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	(void)boss_say(&w, CH_VERB_BASELINE_APPROVE, "gateway", document, by, 1);
	world_turn(&w);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	uint64_t other_one = boss_say(&w, CH_VERB_BASELINE_RETIRE, "gateway", CH_SPAN_LIT("{\"values\":2}"), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, other_one, NULL), 404);
	uint64_t id = boss_say(&w, CH_VERB_BASELINE_RETIRE, "gateway", document, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(generation_sent(), 3);
	world_pass(&w, 2000);
	assert_int_equal(seen(a.cert).pending, CH_VIEW_PENDING_REATTEST);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM reference WHERE retired > 0 AND retired_by = 2"), 1);
	/* Approved again, it is another row. */
	(void)boss_say(&w, CH_VERB_BASELINE_APPROVE, "gateway", document, by, 1);
	world_turn(&w);
	assert_int_equal(generation_sent(), 4);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM reference"), 2);
}

static void a_stricter_policy_is_applied_to_those_that_are_there(void **state)
{
	(void)state;
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct boss *by[] = { &admin };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	struct ch_policy p = world_policy("gateway");
	p.required |= 1u << CH_LINK_OS;
	struct ch_wr t = ch_wr(image, sizeof(image));
	assert_int_equal(ch_policy_put(&t, &p), CH_OK);
	(void)boss_say(&w, CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t), by, 1);
	world_turn(&w);
	world_pass(&w, 2000);
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_operator_quarantines_and_releases),
		TEST(an_action_needs_a_signature_that_holds),
		TEST(a_role_may_sign_its_verbs_only),
		TEST(an_old_action_and_one_of_the_future_are_refused),
		TEST(what_the_policy_marks_needs_two),
		TEST(the_way_back_from_revocation_is_activation),
		TEST(a_decommissioned_device_does_not_come_back),
		TEST(an_operator_gets_a_certificate_and_loses_it),
		TEST(a_wish_for_evidence_shows_until_it_comes),
		TEST(what_is_pinned_is_told_and_the_device_is_asked),
		TEST(a_verdict_by_values_that_changed_meanwhile_does_not_count),
		TEST(a_baseline_makes_a_generation_and_a_restart_none),
		TEST(a_generation_that_is_refused_is_an_alarm),
		TEST(retired_values_leave_the_generation_and_everybody_is_asked),
		TEST(a_stricter_policy_is_applied_to_those_that_are_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
