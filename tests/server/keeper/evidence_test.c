/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/scene.h"

/* What evidence does to a device, and how a cut is carried out. */

/* --- evidence --- */

static void good_evidence_makes_it_trusted(void **state)
{
	(void)state;
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, &body), 200);
	assert_has(body, "\"chain\":\"affirming\",\"state\":\"trusted\"");
	assert_has(body, "\"platform\":\"affirming\",\"boot\":\"affirming\",\"os\":\"none\"");
	assert_has(body, "\"reasons\":[],\"evidence\":1,\"renew\":false,\"reattest_in\":600");
	assert_int_equal(seen(a.cert).state, CH_STATE_TRUSTED);
	assert_int_equal(seen(a.cert).tier, CH_TIER_AFFIRMING);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf WHERE type = 2"), 1);
	/* The same again is no new verdict. */
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, &body), 200);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf WHERE type = 2"), 1);
}

static void a_nonce_is_good_once_and_for_its_device(void **state)
{
	(void)state;
	uint8_t nonce[32], made_up[32] = { 3 };
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	assert_true(unit_challenge(&w, &a, nonce));
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING };
	uint64_t foreign = unit_say(&w, &b, &e);
	e.nonce = made_up;
	uint64_t unknown = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, foreign, NULL), 409);
	assert_int_equal(world_answer(&w, unknown, &body), 409);
	assert_has(body, "\"nonce\"");
	e.nonce = nonce;
	uint64_t good = unit_say(&w, &a, &e);
	uint64_t replay = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, good, NULL), 200);
	assert_int_equal(world_answer(&w, replay, &body), 200);
	assert_has(body, "\"code\":\"replayed\"");
	assert_has(body, "\"state\":\"quarantined\"");
}

static void a_nonce_lives_five_minutes_and_a_newer_one_replaces_it(void **state)
{
	(void)state;
	uint8_t nonce[32], newer[32];
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_true(unit_challenge(&w, &a, nonce));
	assert_true(unit_challenge(&w, &a, newer));
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING };
	uint64_t old = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, old, NULL), 409);
	world_pass(&w, 300000);
	e.nonce = newer;
	old = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, old, NULL), 409);
}

static void many_devices_have_many_nonces(void **state)
{
	(void)state;
	uint8_t first[32], nonce[32];
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_true(unit_challenge(&w, &a, first));
	for (uint8_t i = 10; i < 210; i++) {
		struct unit u;
		unit_init(&u, i);
		assert_int_equal(unit_enrol(&w, &u, NULL), 201);
		assert_true(unit_challenge(&w, &u, nonce));
		unit_clear(&u);
		world_forget(&w);
	}
	struct evidence e = { .nonce = first, .boot = CH_TIER_AFFIRMING };
	uint64_t id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
}

static void another_key_is_a_lie(void **state)
{
	(void)state;
	uint8_t nonce[32];
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	assert_true(unit_challenge(&w, &a, nonce));
	const struct evidence e = {
		.nonce = nonce, .boot = CH_TIER_AFFIRMING, .other_ak = b.ak, .reasons = "[{\"x\":1}]"
	};
	uint64_t id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 200);
	assert_has(body, "\"chain\":\"contraindicated\",\"state\":\"quarantined\"");
	assert_has(body, "\"code\":\"forged\"");
	assert_has(body, "},{\"x\":1}]");
}

static void the_same_key_gets_the_first_answer(void **state)
{
	(void)state;
	uint8_t nonce[32];
	struct ch_span first, again;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_true(unit_challenge(&w, &a, nonce));
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING, .key = "k1" };
	uint64_t one = unit_say(&w, &a, &e);
	e.boot = CH_TIER_CONTRAINDICATED;
	uint64_t two = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, one, &first), 200);
	assert_int_equal(world_answer(&w, two, &again), 200);
	assert_true(ch_span_eq(first, again));
	restart();
	uint64_t three = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, three, &again), 200);
	assert_has(again, "\"chain\":\"affirming\"");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence"), 1);
}

static void history_lowers_and_never_raises(void **state)
{
	(void)state;
	static const uint8_t none[32];
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	struct evidence e = { .nonce = none, .boot = CH_TIER_AFFIRMING, .history = true };
	uint64_t id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 200);
	assert_has(body, "\"boot\":\"none\"");
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	e.boot = CH_TIER_WARNING;
	id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 200);
	assert_has(body, "\"boot\":\"warning\"");
	e.boot = CH_TIER_AFFIRMING;
	id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 200);
	assert_has(body, "\"boot\":\"warning\"");
	e.boot = CH_TIER_CONTRAINDICATED;
	id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 200);
	assert_has(body, "\"state\":\"quarantined\"");
}

static void silence_about_a_link_that_was_judged_is_not_kept_as_good(void **state)
{
	(void)state;
	uint8_t nonce[32];
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_true(unit_challenge(&w, &a, nonce));
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING, .os = CH_TIER_AFFIRMING };
	(void)unit_say(&w, &a, &e);
	assert_true(unit_challenge(&w, &a, nonce));
	e.os = CH_TIER_NONE;
	uint64_t id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 200);
	assert_has(body, "\"os\":\"none\"");
}

static void evidence_that_grows_old_breaks_the_chain(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	world_pass(&w, 3600 * 1000);
	assert_int_equal(seen(a.cert).state, CH_STATE_TRUSTED);
	world_pass(&w, 3000);
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
	assert_int_equal(seen(a.cert).tier, CH_TIER_CONTRAINDICATED);
	assert_int_equal(world_count(&w, CH_ROLE_EDGE, CH_MSG_CUT), 1);
}

static void a_device_that_never_attests_is_cut_too(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 3603 * 1000);
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
}

/* What the keeper has of the device's logs. */
static struct ch_msg_context context(uint64_t log_from, uint64_t ima_from)
{
	struct ch_msg_context c;
	struct ch_msg_context_ask ask = { .log_from = log_from, .ima_from = ima_from };
	(void)ch_span_copy(ask.device, sizeof(ask.device), CH_SPAN_OF(a.id));
	(void)world_say(&w, CH_ROLE_VERIFY, CH_MSG_CONTEXT_ASK, &ask);
	world_turn(&w);
	const struct sent *s = world_last(&w, CH_ROLE_VERIFY, CH_MSG_CONTEXT);
	assert_non_null(s);
	assert_int_equal(ch_msg_parse(CH_MSG_CONTEXT, &c, ch_buf_span(&s->payload), NULL), CH_OK);
	assert_int_equal(c.status, 0);
	return c;
}

/* A fresh challenge, and the evidence with it. */
static unsigned say(struct evidence *e)
{
	uint8_t nonce[32];
	e->nonce = nonce;
	assert_true(unit_challenge(&w, &a, nonce));
	uint64_t id = unit_say(&w, &a, e);
	world_turn(&w);
	return world_answer(&w, id, NULL);
}

static void only_the_tail_of_a_list_is_stored(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	struct evidence e = { .boot = CH_TIER_AFFIRMING, .eventlog = CH_SPAN_LIT("boot one") };
	e.ima = CH_SPAN_LIT("one two ");
	assert_int_equal(say(&e), 200);
	e.after = 1;
	e.ima = CH_SPAN_LIT("one two three ");
	e.ima_from = 8;
	assert_int_equal(say(&e), 200);
	e.after = 2;
	e.ima_from = 14;
	e.log_from = 8;
	assert_int_equal(say(&e), 200);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM chunk"), 2);
	assert_int_equal(world_number(&w, "SELECT size FROM chunk WHERE start = 8"), 6);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM blob"), 3);
	assert_int_equal(world_number(&w, "SELECT count(DISTINCT eventlog) FROM evidence"), 1);
	restart();
	struct ch_msg_context c = context(1000, 1000);
	assert_int_equal(c.state, CH_STATE_TRUSTED);
	assert_int_equal(c.evidence, 3);
	assert_span_equal(c.class_name, "gateway", 7);
	assert_span_equal(c.eventlog, "boot one", 8);
	assert_span_equal(c.ima, "one two three ", 14);
	assert_span_equal(c.ak_public, a.ak_public, a.ak_public_n);
	assert_int_equal(c.has_last, 1);
	assert_int_equal(c.last_clock, a.clock);
}

static void no_more_of_a_log_is_given_than_was_asked_for(void **state)
{
	(void)state;
	struct ch_msg_context c;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	struct evidence e = { .boot = CH_TIER_AFFIRMING, .eventlog = CH_SPAN_LIT("boot one") };
	e.ima = CH_SPAN_LIT("one two ");
	assert_int_equal(say(&e), 200);
	c = context(0, 0);
	assert_int_equal(c.eventlog.n + c.ima.n, 0);
	c = context(4, 3);
	assert_span_equal(c.eventlog, "boot", 4);
	assert_span_equal(c.ima, "one", 3);
}

static void a_log_that_goes_on_otherwise_is_put_together(void **state)
{
	(void)state;
	struct ch_msg_context c;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	struct evidence e = { .boot = CH_TIER_AFFIRMING, .eventlog = CH_SPAN_LIT("boot one") };
	e.ima = CH_SPAN_LIT("one two ");
	assert_int_equal(say(&e), 200);
	/* The event log grew; the list is another from its middle on. */
	e = (struct evidence){ .boot = CH_TIER_AFFIRMING, .after = 1, .log_from = 8, .ima_from = 4 };
	e.eventlog = CH_SPAN_LIT("boot one, kexec two");
	e.ima = CH_SPAN_LIT("one other ");
	assert_int_equal(say(&e), 200);
	c = context(1000, 1000);
	assert_span_equal(c.eventlog, "boot one, kexec two", 19);
	assert_span_equal(c.ima, "one other ", 10);
	/* History goes beside it, and what comes afterwards goes on from what was fresh. */
	e.history = true;
	e.after = 2;
	e.ima_from = 10;
	e.ima = CH_SPAN_LIT("one other history ");
	assert_int_equal(say(&e), 200);
	e.history = false;
	e.ima = CH_SPAN_LIT("one other three ");
	assert_int_equal(say(&e), 200);
	c = context(0, 1000);
	assert_int_equal(c.evidence, 4);
	assert_span_equal(c.ima, "one other three ", 16);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence WHERE length(ima) = 32"), 4);
}

static void what_other_evidence_came_before_does_not_continue(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	struct evidence e = { .boot = CH_TIER_AFFIRMING, .eventlog = CH_SPAN_LIT("boot one") };
	assert_int_equal(say(&e), 200);
	assert_int_equal(say(&e), 200);
	e.log_from = 8;
	e.after = 1;
	assert_int_equal(say(&e), 409);
	/* More than there is. */
	e.after = 2;
	e.eventlog = CH_SPAN_LIT("boot one two");
	e.log_from = 9;
	assert_int_equal(say(&e), 409);
	e.log_from = 0;
	e.ima = CH_SPAN_LIT("one");
	e.ima_from = 1;
	assert_int_equal(say(&e), 409);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence"), 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM blob"), 1);
	e.ima_from = 0;
	assert_int_equal(say(&e), 200);
}

static void a_full_disk_keeps_verdicts_and_drops_logs(void **state)
{
	(void)state;
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 20000);
	assert_true(w.reserve);
	w.disk_free = w.disk_total / 11;
	world_pass(&w, 20000);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_CONTRAINDICATED, &body), 200);
	assert_has(body, "\"state\":\"quarantined\"");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM blob"), 0);
	assert_int_equal(world_number(&w, "SELECT kept FROM evidence"), 0);
	assert_true(w.reserve);
	w.disk_free = 1 << 20;
	world_pass(&w, 20000);
	assert_false(w.reserve);
	/* What was given up is room now, and not taken again for a reserve. */
	w.disk_free = 33 << 20;
	world_pass(&w, 20000);
	assert_false(w.reserve);
	w.disk_free = w.disk_total / 2;
	world_pass(&w, 20000);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, &body), 200);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM blob"), 1);
	assert_true(w.reserve);
}

/* --- what a device may send --- */

static uint32_t retry_after(uint64_t id)
{
	struct ch_msg_answer m = { 0 };
	for (size_t i = 0; i < w.sent_count; i++) {
		const struct sent *s = &w.sent[i];
		if (s->type == CH_MSG_ANSWER && s->id == id)
			assert_int_equal(ch_msg_parse(CH_MSG_ANSWER, &m, ch_buf_span(&s->payload), NULL), CH_OK);
	}
	return m.retry_after;
}

static uint64_t say_challenge(struct unit *u)
{
	struct ch_msg_request m = { .route = 0, .path = CH_SPAN_LIT("/v1/challenge") };
	memcpy(m.device, u->id, sizeof(m.device));
	uint64_t id = world_say(&w, CH_ROLE_EDGE, CH_MSG_REQUEST, &m);
	world_turn(&w);
	return id;
}

#define MIB ((size_t)1 << 20)

static void a_device_has_a_daily_amount_of_evidence(void **state)
{
	(void)state;
	static uint8_t log[2 * MIB];
	uint8_t nonce[32], image[CH_POLICY_IMAGE_MAX];
	struct ch_span body;
	struct boss *by[] = { &admin };
	struct ch_policy p = world_policy("gateway");
	p.daily_mib = 1;
	p.on_stale = CH_RESPONSE_ALERT;
	struct ch_wr t = ch_wr(image, sizeof(image));
	assert_int_equal(ch_policy_put(&t, &p), CH_OK);
	(void)boss_say(&w, CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t), by, 1);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	/* The first piece of a day is taken, however large. */
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING, .key = "one" };
	e.eventlog = ch_span(log, sizeof(log));
	assert_true(unit_challenge(&w, &a, nonce));
	uint64_t id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	/* What was acknowledged stays so. */
	id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	id = say_challenge(&a);
	assert_int_equal(world_answer(&w, id, &body), 429);
	assert_has(body, "\"code\":\"quota\"");
	assert_in_range(retry_after(id), 86000, 86401);
	restart();
	id = say_challenge(&a);
	assert_int_equal(world_answer(&w, id, NULL), 429);
	/* Nobody else pays for it. */
	assert_int_equal(unit_attest(&w, &b, CH_TIER_AFFIRMING, NULL), 200);
	world_pass(&w, 86400 * 1000);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence"), 3);
}

static void what_comes_between_challenge_and_evidence_counts(void **state)
{
	(void)state;
	static uint8_t log[65 * MIB / 4];
	uint8_t nonce[32];
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING };
	e.eventlog = ch_span(log, sizeof(log));
	for (unsigned i = 0; i < 4; i++) {
		log[0] = (uint8_t)i;
		assert_true(unit_challenge(&w, &a, nonce));
		uint64_t id = unit_say(&w, &a, &e);
		world_turn(&w);
		assert_int_equal(world_answer(&w, id, &body), i < 3 ? 200 : 429);
	}
	assert_has(body, "\"code\":\"quota\"");
	/* The challenge was not used up: something smaller answers it. */
	e.eventlog = CH_SPAN_LIT("boot");
	uint64_t id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	/* History may take half of it. */
	e.history = true;
	e.eventlog = ch_span(log, MIB);
	id = unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 429);
}

static void records_past_their_days_are_erased_and_their_leaves_stay(void **state)
{
	(void)state;
	char hex[33];
	struct boss *by[] = { &admin };
	world_line_add(&w, "retention gateway 1 10 3");
	restart();
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", b.id[i]);
	(void)boss_say(&w, CH_VERB_DEVICE_DECOMMISSION, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	int64_t leaves = world_number(&w, "SELECT count(*) FROM leaf");
	for (unsigned hour = 0; hour < 49; hour++)
		world_pass(&w, 3600 * 1000);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf WHERE record IS NULL"), 0);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	int64_t late = world_number(&w, "SELECT count(*) FROM leaf");
	assert_true(late > leaves);
	for (unsigned hour = 0; hour < 25; hour++)
		world_pass(&w, 3600 * 1000);
	/* Those of devices, but for the statement that one's life ended; what came later is not due yet. */
	assert_int_equal(world_number(&w,
				      "SELECT count(*) FROM leaf WHERE device > 0 AND seq < 7 AND record IS NOT NULL "
				      "AND type <> 6"),
			 0);
	assert_true(world_number(&w, "SELECT count(*) FROM leaf WHERE record IS NULL") >= 5);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf WHERE (record IS NULL) <> (salt IS NULL)"), 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf WHERE type = 6 AND record IS NOT NULL"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf WHERE device = 0 AND record IS NULL"), 0);
	assert_true(world_number(&w, "SELECT count(*) FROM leaf WHERE type = 2 AND record IS NOT NULL") >= 1);
	/* The log is what it was. */
	restart();
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
}

/* --- quarantine and its end --- */

static void a_broken_boot_is_cut_and_mended_by_a_new_key(void **state)
{
	(void)state;
	struct ch_span body;
	uint8_t old[32];
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	memcpy(old, a.cert, sizeof(old));
	assert_int_equal(unit_attest(&w, &a, CH_TIER_CONTRAINDICATED, &body), 200);
	assert_has(body, "\"state\":\"quarantined\"");
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
	uint64_t early = unit_renew(&w, &a, 0x77);
	world_turn(&w);
	assert_int_equal(world_answer(&w, early, &body), 409);
	assert_has(body, "not-affirmed");
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, &body), 200);
	assert_has(body, "\"chain\":\"affirming\",\"state\":\"quarantined\"");
	assert_has(body, "\"renew\":true");
	uint64_t id = unit_renew(&w, &a, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 409);
	assert_has(body, "\"key\"");
	id = unit_renew(&w, &a, 0x78);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 201);
	unit_take(&a, body);
	assert_int_equal(seen(a.cert).state, CH_STATE_TRUSTED);
	assert_true((seen(old).pending & CH_VIEW_REVOKED) != 0);
	assert_int_equal(world_number(&w, "SELECT state FROM certificate WHERE seq = 1"), 2);
}

static void a_healthy_renewal_leaves_the_old_key_until_the_new_is_seen(void **state)
{
	(void)state;
	struct ch_span body;
	uint8_t old[32];
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	memcpy(old, a.cert, sizeof(old));
	uint64_t id = unit_renew(&w, &a, 0x79);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 201);
	assert_int_equal(seen(old).pending & CH_VIEW_REVOKED, 0);
	unit_take(&a, body);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	assert_true((seen(old).pending & CH_VIEW_REVOKED) != 0);
	assert_int_equal(seen(a.cert).pending, 0);
}

static void a_key_that_the_ak_did_not_certify_is_refused(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	struct unit c = a;
	c.ak = b.ak;
	uint64_t id = unit_renew(&w, &c, 0x7a);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 403);
	assert_int_equal(w.issued, 1);
}

/* --- cuts --- */

static void a_cut_is_asked_again_until_it_is_done(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_CONTRAINDICATED, NULL), 200);
	assert_int_equal(world_count(&w, CH_ROLE_EDGE, CH_MSG_CUT), 1);
	assert_memory_equal(last_cut().device, a.id, 16);
	world_pass(&w, 1000);
	assert_int_equal(world_count(&w, CH_ROLE_EDGE, CH_MSG_CUT), 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM intent WHERE done = 0"), 1);
	restart();
	assert_int_equal(world_count(&w, CH_ROLE_EDGE, CH_MSG_CUT), 1);
	const struct ch_msg_cut_done done = { .intent = last_cut().intent, .closed = 3, .done_ms = w.wall };
	(void)world_say(&w, CH_ROLE_EDGE, CH_MSG_CUT_DONE, &done);
	world_turn(&w);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM intent WHERE done = 0"), 0);
	assert_int_equal(world_number(&w, "SELECT done - decided FROM intent"), 1000);
	assert_int_equal(world_number(&w, "SELECT sessions FROM intent"), 3);
	world_pass(&w, 5000);
	assert_int_equal(world_count(&w, CH_ROLE_EDGE, CH_MSG_CUT), 1);
	/* Once more does nothing. */
	(void)world_say(&w, CH_ROLE_EDGE, CH_MSG_CUT_DONE, &done);
	world_turn(&w);
	assert_int_equal(world_number(&w, "SELECT sessions FROM intent"), 3);
}

static void an_edge_that_is_gone_has_no_sessions(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_CONTRAINDICATED, NULL), 200);
	ch_keeper_peer(w.keeper, CH_ROLE_EDGE, 0, false);
	world_turn(&w);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM intent WHERE done = 0"), 0);
}

static void nothing_leaves_before_it_is_durable(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	uint8_t nonce[32];
	assert_true(unit_challenge(&w, &a, nonce));
	world_forget(&w);
	const struct evidence e = { .nonce = nonce, .boot = CH_TIER_CONTRAINDICATED };
	(void)unit_say(&w, &a, &e);
	assert_int_equal(w.sent_count, 0);
	world_turn(&w);
	assert_true(w.sent_count > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_evidence_makes_it_trusted),
		TEST(a_nonce_is_good_once_and_for_its_device),
		TEST(a_nonce_lives_five_minutes_and_a_newer_one_replaces_it),
		TEST(many_devices_have_many_nonces),
		TEST(another_key_is_a_lie),
		TEST(the_same_key_gets_the_first_answer),
		TEST(history_lowers_and_never_raises),
		TEST(silence_about_a_link_that_was_judged_is_not_kept_as_good),
		TEST(evidence_that_grows_old_breaks_the_chain),
		TEST(a_device_that_never_attests_is_cut_too),
		TEST(only_the_tail_of_a_list_is_stored),
		TEST(no_more_of_a_log_is_given_than_was_asked_for),
		TEST(a_log_that_goes_on_otherwise_is_put_together),
		TEST(what_other_evidence_came_before_does_not_continue),
		TEST(a_full_disk_keeps_verdicts_and_drops_logs),
		TEST(a_device_has_a_daily_amount_of_evidence),
		TEST(what_comes_between_challenge_and_evidence_counts),
		TEST(records_past_their_days_are_erased_and_their_leaves_stay),
		TEST(a_broken_boot_is_cut_and_mended_by_a_new_key),
		TEST(a_healthy_renewal_leaves_the_old_key_until_the_new_is_seen),
		TEST(a_key_that_the_ak_did_not_certify_is_refused),
		TEST(a_cut_is_asked_again_until_it_is_done),
		TEST(an_edge_that_is_gone_has_no_sessions),
		TEST(nothing_leaves_before_it_is_durable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
