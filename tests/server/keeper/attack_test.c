/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/scene.h"

#include "core/boot/reference.h"

/* Ways around a verdict that were tried (docs/attacks.md): each ends where it should. */

static void subject(const struct unit *u, char hex[static 33])
{
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", u->id[i]);
}

static unsigned act(enum ch_verb verb, const char *what, struct ch_span payload, struct boss *const *by, size_t count)
{
	uint64_t id = boss_say(&w, verb, what, payload, by, count);
	world_turn(&w);
	return world_answer(&w, id, NULL);
}

static unsigned act_on(enum ch_verb verb, const struct unit *u)
{
	char hex[33];
	struct boss *by[] = { &admin };
	subject(u, hex);
	return act(verb, hex, CH_SPAN_EMPTY, by, 1);
}

static unsigned policy_apply(const struct ch_policy *p, struct boss *const *by, size_t count)
{
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct ch_wr t = ch_wr(image, sizeof(image));
	assert_int_equal(ch_policy_put(&t, p), CH_OK);
	return act(CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t), by, count);
}

/* --- a device that wants out of its quarantine --- */

static void a_new_key_does_not_lift_what_an_operator_decided(void **state)
{
	(void)state;
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	world_pass(&w, 1000);
	assert_int_equal(act_on(CH_VERB_DEVICE_QUARANTINE, &a), 200);
	uint64_t id = unit_renew(&w, &a, 0x77);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 409);
	assert_has(body, "not-affirmed");
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	id = unit_renew(&w, &a, 0x78);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 409);
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
	world_pass(&w, 1000);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	id = unit_renew(&w, &a, 0x79);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 201);
}

static void a_key_that_was_asked_for_before_the_quarantine_does_not_end_it(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	world_pass(&w, 1000);
	uint64_t id = unit_renew(&w, &a, 0x77);
	assert_int_equal(act_on(CH_VERB_DEVICE_QUARANTINE, &a), 200);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 409);
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
}

static void a_broken_device_that_was_revoked_comes_back_into_quarantine(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_CONTRAINDICATED, NULL), 200);
	assert_int_equal(act_on(CH_VERB_DEVICE_REVOKE, &a), 200);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
}

/* --- a device that falls silent --- */

static void an_hour_without_evidence(void)
{
	for (unsigned i = 0; i < 62; i++)
		world_pass(&w, 60000);
}

static void silence_after_a_wish_for_evidence_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	assert_int_equal(act_on(CH_VERB_DEVICE_REATTEST, &a), 200);
	an_hour_without_evidence();
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
}

static void silence_after_a_mended_quarantine_is_noticed(void **state)
{
	(void)state;
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_CONTRAINDICATED, NULL), 200);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	uint64_t id = unit_renew(&w, &a, 0x77);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 201);
	unit_take(&a, body);
	assert_int_equal(seen(a.cert).state, CH_STATE_TRUSTED);
	an_hour_without_evidence();
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
}

static void silence_after_a_release_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	an_hour_without_evidence();
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
	assert_int_equal(act_on(CH_VERB_DEVICE_RELEASE, &a), 200);
	assert_int_equal(seen(a.cert).state, CH_STATE_ENROLLED);
	an_hour_without_evidence();
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
}

static void a_clock_that_is_set_back_does_not_keep_evidence_fresh(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	w.wall -= 30ull * 86400 * 1000;
	an_hour_without_evidence();
	an_hour_without_evidence();
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
}

static void old_evidence_does_not_fill_the_store(void **state)
{
	(void)state;
	uint8_t none[32] = { 0 };
	unsigned status = 200, taken = 0;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	for (; taken < 1000 && status == 200; taken++) {
		const struct evidence e = { .nonce = none, .boot = CH_TIER_AFFIRMING, .history = true };
		uint64_t id = unit_say(&w, &a, &e);
		world_turn(&w);
		status = world_answer(&w, id, NULL);
		world_forget(&w);
	}
	assert_int_equal(status, 429);
	/* Evidence that answers a challenge is taken as before. */
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	/* And what came after the last fresh piece is swept, too. */
	world_line_add(&w, "retention * 90 20");
	restart();
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	for (unsigned i = 0; i < 100; i++) {
		const struct evidence e = { .nonce = none, .boot = CH_TIER_AFFIRMING, .history = true };
		(void)unit_say(&w, &a, &e);
		world_pass(&w, 60000);
	}
	for (unsigned i = 0; i < 20; i++)
		world_pass(&w, 3600000);
	assert_true(world_number(&w, "SELECT count(*) FROM evidence") <= 21);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence e JOIN device d ON d.evidence = e.seq"), 1);
}

/* --- enrolment --- */

static void an_ek_denied_while_its_secret_is_out_gets_nothing(void **state)
{
	(void)state;
	static const char ek[] = "0101010101010101010101010101010101010101010101010101010101010101";
	uint8_t secret[32] = { 1 };
	struct boss *by[] = { &admin };
	(void)unit_pending(&w, &a, CH_TIER_AFFIRMING, secret);
	assert_int_equal(act(CH_VERB_EK_DENY, ek, CH_SPAN_EMPTY, by, 1), 200);
	uint64_t id = unit_finish(&w, &a, secret);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 403);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM device"), 0);
}

static void one_device_cannot_fill_the_view(void **state)
{
	(void)state;
	struct ch_span body = CH_SPAN_EMPTY;
	unsigned status = 201;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	for (unsigned i = 0; i < 200 && status == 201; i++) {
		uint64_t id = unit_renew(&w, &a, (uint8_t)(i + 16));
		world_turn(&w);
		status = world_answer(&w, id, &body);
		world_forget(&w);
	}
	assert_int_equal(status, 429);
	assert_int_equal(unit_enrol(&w, &a, NULL), 429);
	/* Others are served, and it again in an hour. */
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	world_pass(&w, 3601000);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
}

/* --- operators --- */

static void the_signature_of_one_who_was_removed_does_not_count(void **state)
{
	(void)state;
	char hex[33];
	uint8_t text[1024], payload[128] = { CH_OPERATOR_OPERATOR };
	struct boss third, *by_admin[] = { &admin }, *by_other[] = { &other }, *by_third[] = { &third };
	struct ch_policy p = world_policy("gateway");
	boss_init(&third, "third");
	memcpy(payload + 1, third.spki, third.spki_n);
	assert_int_equal(act(CH_VERB_OPERATOR_ADD, "third", ch_span(payload, third.spki_n + 1), by_admin, 1), 200);
	p.two_signatures = 1u << CH_VERB_DEVICE_REVOKE;
	assert_int_equal(policy_apply(&p, by_admin, 1), 200);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	subject(&a, hex);
	size_t n = boss_text(&w, text, sizeof(text), CH_VERB_DEVICE_REVOKE, hex, CH_SPAN_EMPTY);
	uint64_t id = boss_say_text(&w, ch_span(text, n), CH_SPAN_EMPTY, by_other, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 202);
	assert_int_equal(act(CH_VERB_OPERATOR_REMOVE, "other", CH_SPAN_EMPTY, by_admin, 1), 200);
	id = boss_say_text(&w, ch_span(text, n), CH_SPAN_EMPTY, by_third, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 202);
	assert_int_equal(seen(a.cert).state, CH_STATE_ENROLLED);
	id = boss_say_text(&w, ch_span(text, n), CH_SPAN_EMPTY, by_admin, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	boss_clear(&third);
}

static void one_of_two_admins_cannot_make_himself_two(void **state)
{
	(void)state;
	uint8_t payload[128] = { CH_OPERATOR_ADMIN };
	struct boss second, third, *one[] = { &admin };
	struct ch_policy p = world_policy("gateway");
	boss_init(&second, "second");
	boss_init(&third, "third");
	struct boss *both[] = { &admin, &second };
	p.two_signatures = 1u << CH_VERB_DEVICE_REVOKE;
	assert_int_equal(policy_apply(&p, one, 1), 200);
	memcpy(payload + 1, second.spki, second.spki_n);
	assert_int_equal(act(CH_VERB_OPERATOR_ADD, "second", ch_span(payload, second.spki_n + 1), one, 1), 200);
	/* From now on there are two, and the rules are of both. */
	memcpy(payload + 1, third.spki, third.spki_n);
	assert_int_equal(act(CH_VERB_OPERATOR_ADD, "third", ch_span(payload, third.spki_n + 1), one, 1), 202);
	assert_int_equal(act(CH_VERB_OPERATOR_REMOVE, "second", CH_SPAN_EMPTY, one, 1), 202);
	p.two_signatures = 0;
	assert_int_equal(policy_apply(&p, one, 1), 202);
	assert_int_equal(policy_apply(&p, both, 2), 200);
	assert_int_equal(act(CH_VERB_OPERATOR_ADD, "third", ch_span(payload, third.spki_n + 1), one, 1), 200);
	boss_clear(&second);
	boss_clear(&third);
}

static void more_reference_documents_than_can_be_judged_by_are_refused(void **state)
{
	(void)state;
	char text[64];
	struct boss *by[] = { &admin };
	/* One place is for what is pinned for a device. */
	for (unsigned i = 0; i < CH_REF_DOCS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "{\"values\":%u}", i);
		assert_int_equal(act(CH_VERB_BASELINE_APPROVE, "gateway", ch_span_str(text), by, 1),
				 i < CH_REF_DOCS_MAX - 1 ? 200 : 409);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_key_does_not_lift_what_an_operator_decided),
		TEST(a_key_that_was_asked_for_before_the_quarantine_does_not_end_it),
		TEST(a_broken_device_that_was_revoked_comes_back_into_quarantine),
		TEST(silence_after_a_wish_for_evidence_is_noticed),
		TEST(silence_after_a_mended_quarantine_is_noticed),
		TEST(silence_after_a_release_is_noticed),
		TEST(a_clock_that_is_set_back_does_not_keep_evidence_fresh),
		TEST(old_evidence_does_not_fill_the_store),
		TEST(an_ek_denied_while_its_secret_is_out_gets_nothing),
		TEST(one_device_cannot_fill_the_view),
		TEST(the_signature_of_one_who_was_removed_does_not_count),
		TEST(one_of_two_admins_cannot_make_himself_two),
		TEST(more_reference_documents_than_can_be_judged_by_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
