/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/scene.h"

/* Who may have a certificate, and who not. */

/* --- enrolment --- */

static void the_secret_admits_once(void **state)
{
	(void)state;
	uint8_t secret[32] = { 1 };
	uint64_t id = unit_pending(&w, &a, CH_TIER_AFFIRMING, secret);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	id = unit_finish(&w, &a, secret);
	uint64_t again = unit_finish(&w, &a, secret);
	world_turn(&w);
	struct ch_span body;
	assert_int_equal(world_answer(&w, id, &body), 201);
	assert_int_equal(world_answer(&w, again, NULL), 403);
	unit_take(&a, body);
	assert_int_equal(seen(a.cert).state, CH_STATE_ENROLLED);
	assert_int_equal(seen(a.cert).kind, CH_VIEW_DEVICE);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf WHERE type = 1"), 1);
}

static void a_wrong_secret_ends_the_attempt(void **state)
{
	(void)state;
	uint8_t secret[32] = { 1 }, wrong[32] = { 2 };
	(void)unit_pending(&w, &a, CH_TIER_AFFIRMING, secret);
	uint64_t id = unit_finish(&w, &a, wrong);
	uint64_t late = unit_finish(&w, &a, secret);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 403);
	assert_int_equal(world_answer(&w, late, NULL), 403);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM device"), 0);
}

static void a_secret_lives_five_minutes(void **state)
{
	(void)state;
	uint8_t secret[32] = { 1 };
	(void)unit_pending(&w, &a, CH_TIER_AFFIRMING, secret);
	world_pass(&w, 300000);
	uint64_t id = unit_finish(&w, &a, secret);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 403);
}

static void one_enrolment_waits_for_an_ek(void **state)
{
	(void)state;
	uint8_t first[32] = { 1 }, second[32] = { 2 };
	(void)unit_pending(&w, &a, CH_TIER_AFFIRMING, first);
	(void)unit_pending(&w, &a, CH_TIER_AFFIRMING, second);
	uint64_t old = unit_finish(&w, &a, first);
	world_turn(&w);
	assert_int_equal(world_answer(&w, old, NULL), 403);
}

static void an_ek_that_nobody_vouches_for_is_refused(void **state)
{
	(void)state;
	uint8_t secret[32] = { 1 };
	struct ch_span body;
	uint64_t id = unit_pending(&w, &a, CH_TIER_WARNING, secret);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 403);
	assert_has(body, "ek-untrusted");
}

static const char ek_one[] = "0101010101010101010101010101010101010101010101010101010101010101";

static void an_operator_may_vouch_for_it_or_deny_it(void **state)
{
	(void)state;
	uint8_t secret[32] = { 1 };
	struct boss *by[] = { &other };
	uint64_t act = boss_say(&w, CH_VERB_EK_ALLOW, ek_one, CH_SPAN_EMPTY, by, 1);
	uint64_t id = unit_pending(&w, &a, CH_TIER_WARNING, secret);
	world_turn(&w);
	assert_int_equal(world_answer(&w, act, NULL), 200);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	(void)boss_say(&w, CH_VERB_EK_DENY, ek_one, CH_SPAN_EMPTY, by, 1);
	id = unit_pending(&w, &a, CH_TIER_AFFIRMING, secret);
	world_turn(&w);
	struct ch_span body;
	assert_int_equal(world_answer(&w, id, &body), 403);
	assert_has(body, "ek-denied");
}

static uint64_t bind_class(const char *line, struct boss *const *by)
{
	uint64_t act = boss_say(&w, CH_VERB_EK_ALLOW, ek_one, ch_span_str(line), by, 1);
	world_turn(&w);
	return act;
}

static void an_allowed_ek_binds_its_class(void **state)
{
	(void)state;
	uint8_t secret[32] = { 1 };
	struct ch_span body;
	struct boss *by[] = { &other };
	const struct ch_policy camera = world_policy("camera");
	world_policy_add(&w, &camera);
	restart();
	assert_int_equal(world_answer(&w, bind_class("class: toaster\n", by), NULL), 404);
	assert_int_equal(world_answer(&w, bind_class("class: gateway", by), NULL), 400);
	assert_int_equal(world_answer(&w, bind_class("class: gateway\nclass: camera\n", by), NULL), 400);
	assert_int_equal(world_answer(&w, bind_class("class: gateway\n", by), NULL), 200);
	(void)strcpy(a.class, "camera");
	uint64_t id = unit_pending(&w, &a, CH_TIER_AFFIRMING, secret);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 403);
	assert_has(body, "ek-class");
	assert_has(body, "for another class");
	/* Who claims nothing gets the class that was bound. */
	a.class[0] = '\0';
	assert_int_equal(unit_enrol(&w, &a, &body), 201);
	assert_has(body, "\"class\":\"gateway\"");
	/* Bound otherwise while the secret is out. */
	id = unit_pending(&w, &a, CH_TIER_AFFIRMING, secret);
	assert_int_equal(world_answer(&w, bind_class("class: camera\n", by), NULL), 200);
	id = unit_finish(&w, &a, secret);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 403);
	assert_has(body, "ek-class");
}

static void another_ek_of_a_tpm_is_its_device(void **state)
{
	(void)state;
	uint8_t id[16], second[32];
	struct ch_span body;
	struct boss *by[] = { &other };
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	memcpy(id, a.id, sizeof(id));
	memset(a.ek_sha256, 0x77, sizeof(a.ek_sha256));
	memcpy(second, a.ek_sha256, sizeof(second));
	assert_int_equal(unit_enrol(&w, &a, &body), 201);
	assert_memory_equal(a.id, id, sizeof(id));
	assert_has(body, "\"device\"");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM device"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM ek"), 2);
	/* Denied is the TPM, whichever of its keys comes. */
	(void)boss_say(&w, CH_VERB_EK_DENY, ek_one, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(unit_enrol(&w, &a, &body), 403);
	assert_has(body, "ek-denied");
}

static void a_class_without_a_policy_is_refused(void **state)
{
	(void)state;
	struct ch_span body;
	(void)strcpy(a.class, "toaster");
	assert_int_equal(unit_enrol(&w, &a, &body), 400);
	assert_has(body, "\"class\"");
}

static void a_returning_ek_is_the_same_device(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	uint8_t id[16], cert[32];
	memcpy(id, a.id, sizeof(id));
	memcpy(cert, a.cert, sizeof(cert));
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_memory_equal(a.id, id, sizeof(id));
	assert_memory_not_equal(a.cert, cert, sizeof(cert));
	assert_true((seen(cert).pending & CH_VIEW_REVOKED) != 0);
	assert_int_equal(seen(a.cert).state, CH_STATE_ENROLLED);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM device"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM ak WHERE until = 0"), 1);
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM device"), 2);
}

static void without_the_signer_enrolment_waits_for_another_time(void **state)
{
	(void)state;
	uint8_t secret[32] = { 1 };
	w.signer_deaf = true;
	(void)unit_pending(&w, &a, CH_TIER_AFFIRMING, secret);
	uint64_t id = unit_finish(&w, &a, secret);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 0);
	ch_keeper_peer(w.keeper, CH_ROLE_SIGNER, 0, false);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 503);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM device"), 0);
}

/* --- tokens --- */

static void a_token_is_good_once(void **state)
{
	(void)state;
	uint8_t payload[40] = { 9 };
	uint64_t expires = w.wall / 1000 + 3600;
	for (size_t i = 0; i < 8; i++)
		payload[39 - i] = (uint8_t)(expires >> (8 * i));
	struct boss *by[] = { &admin };
	uint64_t act = boss_say(&w, CH_VERB_TOKEN_CREATE, "gateway", CH_SPAN_OF(payload), by, 1);
	struct ch_msg_enrol_token m = { .key_spki = CH_SPAN_LIT("spki"), .hostname = CH_SPAN_LIT("board") };
	memcpy(m.token_sha256, payload, 32);
	uint64_t first = world_say(&w, CH_ROLE_VERIFY, CH_MSG_ENROL_TOKEN, &m);
	uint64_t meanwhile = world_say(&w, CH_ROLE_VERIFY, CH_MSG_ENROL_TOKEN, &m);
	world_turn(&w);
	uint64_t second = world_say(&w, CH_ROLE_VERIFY, CH_MSG_ENROL_TOKEN, &m);
	world_turn(&w);
	assert_int_equal(world_answer(&w, act, NULL), 200);
	assert_int_equal(world_answer(&w, first, NULL), 201);
	assert_int_equal(world_answer(&w, meanwhile, NULL), 409);
	assert_int_equal(world_answer(&w, second, NULL), 403);
	assert_int_equal(world_number(&w, "SELECT platform FROM device"), CH_TIER_WARNING);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM token WHERE used > 0 AND device = 1"), 1);
	/* It has no attestation key, so nothing that it sends is evidence, and nothing of it is a lie. */
	struct ch_span body;
	assert_int_equal(world_answer(&w, first, &body), 201);
	unit_take(&a, body);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, &body), 403);
	assert_has(body, "no-ak");
	assert_int_equal(seen(a.cert).state, CH_STATE_ENROLLED);
}

static uint64_t renew_soft(struct ch_span spki)
{
	struct ch_msg_renew m = { .key_spki = spki };
	memcpy(m.device, a.id, sizeof(m.device));
	memcpy(m.cert_sha256, a.cert, sizeof(m.cert_sha256));
	uint64_t id = world_say(&w, CH_ROLE_VERIFY, CH_MSG_RENEW, &m);
	world_turn(&w);
	return id;
}

static void without_a_tpm_the_key_is_all_there_is_to_show(void **state)
{
	(void)state;
	uint8_t payload[40] = { 9 };
	struct boss *by[] = { &admin };
	struct ch_span body;
	struct ch_policy p = world_policy("sensor");
	p.required = 1u << CH_LINK_PLATFORM;
	world_policy_add(&w, &p);
	restart();
	uint64_t expires = w.wall / 1000 + 3600;
	for (size_t i = 0; i < 8; i++)
		payload[39 - i] = (uint8_t)(expires >> (8 * i));
	(void)boss_say(&w, CH_VERB_TOKEN_CREATE, "sensor", CH_SPAN_OF(payload), by, 1);
	struct ch_msg_enrol_token m = { .key_spki = CH_SPAN_LIT("spki") };
	memcpy(m.token_sha256, payload, 32);
	uint64_t id = world_say(&w, CH_ROLE_VERIFY, CH_MSG_ENROL_TOKEN, &m);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 201);
	unit_take(&a, body);
	assert_int_equal(seen(a.cert).state, CH_STATE_TRUSTED);
	assert_int_equal(seen(a.cert).tier, CH_TIER_WARNING);
	/* Silence is silence; the key that it has ends it, without another certificate. */
	world_pass(&w, 3602 * 1000);
	assert_int_equal(seen(a.cert).state, CH_STATE_QUARANTINED);
	assert_int_equal(world_answer(&w, renew_soft(CH_SPAN_LIT("spki")), &body), 409);
	char hex[33];
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", a.id[i]);
	(void)boss_say(&w, CH_VERB_DEVICE_RELEASE, hex, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, renew_soft(CH_SPAN_LIT("spki")), &body), 200);
	assert_int_equal(seen(a.cert).state, CH_STATE_TRUSTED);
	for (unsigned i = 0; i < 4; i++) {
		world_pass(&w, 1800 * 1000);
		assert_int_equal(world_answer(&w, renew_soft(CH_SPAN_LIT("spki")), NULL), 200);
		assert_int_equal(seen(a.cert).state, CH_STATE_TRUSTED);
	}
	assert_int_equal(world_number(&w, "SELECT count(*) FROM certificate"), 1);
	/* Another key is another certificate, and an old one is never taken again. */
	uint8_t old[32];
	memcpy(old, a.cert, sizeof(old));
	assert_int_equal(world_answer(&w, renew_soft(CH_SPAN_LIT("next")), &body), 201);
	unit_take(&a, body);
	assert_int_equal(seen(a.cert).state, CH_STATE_TRUSTED);
	assert_int_equal(world_answer(&w, renew_soft(CH_SPAN_LIT("spki")), NULL), 409);
}

static void a_device_with_a_tpm_does_not_renew_without_it(void **state)
{
	(void)state;
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(world_answer(&w, renew_soft(CH_SPAN_OF(a.spki)), &body), 403);
	assert_int_equal(world_answer(&w, renew_soft(CH_SPAN_LIT("other")), &body), 403);
	assert_has(body, "signature");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM certificate"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_secret_admits_once),
		TEST(a_wrong_secret_ends_the_attempt),
		TEST(a_secret_lives_five_minutes),
		TEST(one_enrolment_waits_for_an_ek),
		TEST(an_ek_that_nobody_vouches_for_is_refused),
		TEST(an_operator_may_vouch_for_it_or_deny_it),
		TEST(an_allowed_ek_binds_its_class),
		TEST(another_ek_of_a_tpm_is_its_device),
		TEST(a_class_without_a_policy_is_refused),
		TEST(a_returning_ek_is_the_same_device),
		TEST(without_the_signer_enrolment_waits_for_another_time),
		TEST(a_token_is_good_once),
		TEST(without_a_tpm_the_key_is_all_there_is_to_show),
		TEST(a_device_with_a_tpm_does_not_renew_without_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
