/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/world.h"

#include "core/trust/checkpoint.h"
#include "core/trust/leaf.h"
#include "host/crypto_openssl/backend.h"
#include "server/keeper/restore.h"
#include "tests/unit.h"

#include <sys/stat.h>

static struct world w;
static struct unit a, b;
static struct boss admin, other;

static int setup(void **state)
{
	(void)state;
	const struct ch_policy gateway = world_policy("gateway");
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	world_init(&w);
	world_policy_add(&w, &gateway);
	boss_init(&admin, "admin");
	boss_init(&other, "other");
	boss_add(&w, &admin, "admin");
	boss_add(&w, &other, "operator");
	unit_init(&a, 1);
	unit_init(&b, 2);
	return world_start(&w) ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	unit_clear(&a);
	unit_clear(&b);
	boss_clear(&admin);
	boss_clear(&other);
	world_clear(&w);
	return 0;
}

static void assert_has(struct ch_span body, const char *text)
{
	char own[65536];
	own[ch_span_copy(own, sizeof(own) - 1, body)] = '\0';
	if (strstr(own, text) == NULL)
		fail_msg("%s is not in %s", text, own);
}

static struct ch_view_record seen(const uint8_t cert[static 32])
{
	struct ch_view_record r = { 0 };
	assert_int_equal(ch_view_find(w.view, cert, &r, NULL), CH_OK);
	return r;
}

static void restart(void)
{
	world_kill(&w);
	world_forget(&w);
	assert_true(world_start(&w));
}

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
}

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

static void only_the_tail_of_a_list_is_stored(void **state)
{
	(void)state;
	uint8_t nonce[32];
	struct ch_msg_context c;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING, .eventlog = CH_SPAN_LIT("boot one") };
	e.ima = CH_SPAN_LIT("one two ");
	assert_true(unit_challenge(&w, &a, nonce));
	(void)unit_say(&w, &a, &e);
	assert_true(unit_challenge(&w, &a, nonce));
	e.ima = CH_SPAN_LIT("one two three ");
	e.ima_from = 8;
	(void)unit_say(&w, &a, &e);
	assert_true(unit_challenge(&w, &a, nonce));
	e.ima_from = 14;
	(void)unit_say(&w, &a, &e);
	world_turn(&w);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM chunk"), 2);
	assert_int_equal(world_number(&w, "SELECT size FROM chunk WHERE start = 8"), 6);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM blob"), 3);
	restart();
	struct ch_msg_context_ask ask;
	memcpy(ask.device, a.id, sizeof(ask.device));
	(void)world_say(&w, CH_ROLE_VERIFY, CH_MSG_CONTEXT_ASK, &ask);
	world_turn(&w);
	const struct sent *s = world_last(&w, CH_ROLE_VERIFY, CH_MSG_CONTEXT);
	assert_non_null(s);
	assert_int_equal(ch_msg_parse(CH_MSG_CONTEXT, &c, ch_buf_span(&s->payload), NULL), CH_OK);
	assert_int_equal(c.status, 0);
	assert_int_equal(c.state, CH_STATE_TRUSTED);
	assert_span_equal(c.class_name, "gateway", 7);
	assert_span_equal(c.eventlog, "boot one", 8);
	assert_span_equal(c.ima, "one two three ", 14);
	assert_span_equal(c.ak_public, a.ak_public, a.ak_public_n);
	assert_int_equal(c.has_last, 1);
	assert_int_equal(c.last_clock, a.clock);
}

static void a_full_disk_keeps_verdicts_and_drops_logs(void **state)
{
	(void)state;
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
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
	w.disk_free = w.disk_total / 2;
	world_pass(&w, 20000);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, &body), 200);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM blob"), 1);
	assert_true(w.reserve);
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

static struct ch_msg_cut last_cut(void)
{
	struct ch_msg_cut m;
	const struct sent *s = world_last(&w, CH_ROLE_EDGE, CH_MSG_CUT);
	assert_non_null(s);
	assert_int_equal(ch_msg_parse(CH_MSG_CUT, &m, ch_buf_span(&s->payload), NULL), CH_OK);
	return m;
}

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

/* --- the log --- */

static void checkpoints_follow_and_a_restart_goes_on(void **state)
{
	(void)state;
	for (uint8_t i = 10; i < 90; i++) {
		struct unit u;
		unit_init(&u, i);
		assert_int_equal(unit_enrol(&w, &u, NULL), 201);
		assert_int_equal(unit_attest(&w, &u, CH_TIER_AFFIRMING, NULL), 200);
		unit_clear(&u);
		world_pass(&w, 20);
		world_forget(&w);
		if (i % 30 == 0)
			restart();
	}
	world_pass(&w, 200);
	int64_t leaves = world_number(&w, "SELECT count(*) FROM leaf");
	/* 80 units: enrolled, enrolment to enrolled, verdict, trusted; and the generation. */
	assert_true(leaves > 256);
	assert_int_equal(w.frontier.size, leaves);
	assert_int_equal(world_number(&w, "SELECT size FROM checkpoint ORDER BY seq DESC LIMIT 1"), leaves);
	assert_int_equal(world_number(&w, "SELECT width FROM tile WHERE level = 0 AND number = 0"), 256);
	assert_int_equal(world_number(&w, "SELECT width FROM tile WHERE level = 0 AND number = 1"), leaves - 256);
	assert_int_equal(world_number(&w, "SELECT width FROM tile WHERE level = 1 AND number = 0"), 1);
	restart();
	assert_true(world_number(&w, "SELECT count(*) FROM checkpoint") < 200);
}

static void a_checkpoint_that_was_signed_and_not_stored_is_taken_up(void **state)
{
	(void)state;
	world_pass(&w, 200);
	assert_int_equal(w.frontier.size, 1);
	w.signer_deaf = true;
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 403);
	struct boss *by[] = { &admin };
	(void)boss_say(&w, CH_VERB_BASELINE_APPROVE, "gateway", CH_SPAN_LIT("{}"), by, 1);
	world_turn(&w);
	world_pass(&w, 200);
	/* The signer has signed, and the keeper died before it heard of it. */
	const struct sent *s = world_last(&w, CH_ROLE_SIGNER, CH_MSG_LEAVES);
	struct ch_msg_leaves m;
	assert_int_equal(ch_msg_parse(CH_MSG_LEAVES, &m, ch_buf_span(&s->payload), NULL), CH_OK);
	assert_int_equal(m.first, 1);
	for (size_t at = 0; at < m.hashes.n; at += 32) {
		struct ch_tree_hash h;
		memcpy(h.b, m.hashes.p + at, 32);
		assert_int_equal(ch_frontier_append(&w.frontier, &h), CH_OK);
	}
	w.signer_deaf = false;
	restart();
	assert_int_equal(world_number(&w, "SELECT size FROM checkpoint ORDER BY seq DESC LIMIT 1"), w.frontier.size);
	assert_int_equal(w.frontier.size, 3);
}

static void a_signer_that_fails_is_asked_again(void **state)
{
	(void)state;
	world_pass(&w, 200);
	w.signer_fails = true;
	restart();
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 200);
	world_pass(&w, 200);
	assert_int_equal(w.frontier.size, 1);
	w.signer_fails = false;
	world_pass(&w, 200);
	world_pass(&w, 200);
	assert_true(w.frontier.size > 1);
	assert_int_equal(world_number(&w, "SELECT size FROM checkpoint ORDER BY seq DESC LIMIT 1"), w.frontier.size);
}

static void a_restored_backup_cannot_fork_the_log(void **state)
{
	(void)state;
	char copy[256];
	struct ch_span body;
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", w.dir);
	world_pass(&w, 200);
	assert_int_equal(ch_keeper_backup(w.keeper, copy), CH_OK);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 200);
	uint64_t size = w.frontier.size;
	world_kill(&w);
	world_forget(&w);
	(void)snprintf(w.path, sizeof(w.path), "%s", copy);
	assert_true(world_start(&w));
	assert_int_equal(unit_enrol(&w, &b, &body), 503);
	assert_has(body, "\"log\"");
	world_pass(&w, 5000);
	assert_int_equal(w.frontier.size, size);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf"), 1);
}

/* A mirror's folder with one bundle of entries, as `chainhold log mirror` leaves it. */
static void mirror_write(const char *dir, size_t from_cut)
{
	char path[600], folder[560];
	uint8_t bytes[8192];
	struct ch_tree_hash root;
	struct ch_wr t = ch_wr(bytes, sizeof(bytes));
	size_t n = 0;
	struct ch_query q = ch_sql_query_text(w.store, "SELECT entry FROM leaf ORDER BY seq", CH_NO_ARGS);
	while (ch_sql_next(&q)) {
		struct ch_span e = ch_sql_bytes(&q, 0);
		ch_wr_be16(&t, (uint16_t)e.n);
		ch_wr_put(&t, e);
		n++;
	}
	assert_int_equal(ch_sql_end(&q), CH_OK);
	assert_int_equal(n, w.frontier.size);
	(void)snprintf(folder, sizeof(folder), "%s/tile/entries/000.p", dir);
	char part[600];
	for (char *p = folder + strlen(dir); p != NULL; p = strchr(p + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(p - folder), folder);
		(void)mkdir(part, 0700);
	}
	assert_int_equal(mkdir(folder, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/%zu", folder, n);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, t.len - from_cut, f), t.len - from_cut);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(ch_frontier_root(&w.frontier, &root), CH_OK);
	(void)snprintf(path, sizeof(path), "%s/checkpoint", dir);
	struct ch_wr c = ch_wr(bytes, sizeof(bytes));
	ch_checkpoint_put(&c, CH_SPAN_LIT("origin"), w.frontier.size, &root);
	ch_wr_str(&c, "\n\u2014 origin AAAAAAAA\n");
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, c.len, f), c.len);
	assert_int_equal(fclose(f), 0);
}

static void with_a_mirror_a_backup_goes_on(void **state)
{
	(void)state;
	char copy[256], mirror[300], cut[300];
	struct ch_restored r;
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", w.dir);
	(void)snprintf(mirror, sizeof(mirror), "%s-mirror", w.dir);
	(void)snprintf(cut, sizeof(cut), "%s-mirror-cut", w.dir);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 200);
	assert_int_equal(ch_keeper_backup(w.keeper, copy), CH_OK);
	uint64_t before = w.frontier.size;
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	world_pass(&w, 200);
	mirror_write(mirror, 0);
	mirror_write(cut, 1);
	world_kill(&w);
	world_forget(&w);
	(void)snprintf(w.path, sizeof(w.path), "%s", copy);
	char why[CH_STORE_WHY];
	struct ch_store *st;
	const struct ch_store_config c = {
		.path = copy, .mode = CH_STORE_WRITE, .sql = ch_keeper_sql, .sql_count = ch_keeper_sql_count
	};
	assert_int_equal(ch_store_open(&st, &c, why), CH_OK);
	assert_int_equal(ch_restore_log(st, w.dir, &r), CH_ERR_NOTFOUND);
	assert_int_equal(ch_restore_log(st, cut, &r), CH_ERR_TRUNCATED);
	assert_int_equal(ch_restore_log(st, mirror, &r), CH_OK);
	assert_int_equal(r.before, before);
	assert_int_equal(r.after, w.frontier.size);
	assert_int_equal(r.type[CH_LEAF_ENROLMENT], 1);
	ch_store_close(st);
	assert_true(world_start(&w));
	assert_int_equal(world_number(&w, "SELECT reattest FROM device"), 1);
	/* The unit that enrolled after the backup is unknown, and may enrol: the log goes on. */
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	world_pass(&w, 200);
	assert_int_equal(world_number(&w, "SELECT size FROM checkpoint ORDER BY seq DESC LIMIT 1"), w.frontier.size);
	assert_true(w.frontier.size > r.after);
	world_remove(mirror);
	world_remove(cut);
}

static void a_signer_of_another_history_stops_the_log(void **state)
{
	(void)state;
	world_pass(&w, 200);
	struct ch_tree_hash h = { { 1 } };
	w.frontier = (struct ch_frontier){ 0 };
	assert_int_equal(ch_frontier_append(&w.frontier, &h), CH_OK);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 200);
	assert_true(w.fatal[0] != '\0');
}

/* --- the view after a restart --- */

static void a_new_keeper_publishes_what_the_old_one_did(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	struct ch_view_record before = seen(a.cert);
	restart();
	struct ch_view_record after = seen(a.cert);
	assert_int_equal(before.state, after.state);
	assert_int_equal(before.tier, after.tier);
	assert_true(before.not_after == after.not_after && before.device_row == after.device_row);
	assert_memory_equal(before.id, after.id, 16);
	assert_int_equal(seen(admin.id).role, CH_OPERATOR_ADMIN);
}

static void old_evidence_is_swept_and_the_last_stays(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	for (int i = 0; i < 5; i++)
		assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	world_pass(&w, 91ull * 86400 * 1000);
	world_pass(&w, 2000);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence e, device d WHERE e.seq = d.evidence"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM blob"), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_secret_admits_once),
		TEST(a_wrong_secret_ends_the_attempt),
		TEST(a_secret_lives_five_minutes),
		TEST(one_enrolment_waits_for_an_ek),
		TEST(an_ek_that_nobody_vouches_for_is_refused),
		TEST(an_operator_may_vouch_for_it_or_deny_it),
		TEST(a_class_without_a_policy_is_refused),
		TEST(a_returning_ek_is_the_same_device),
		TEST(without_the_signer_enrolment_waits_for_another_time),
		TEST(a_token_is_good_once),
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
		TEST(a_full_disk_keeps_verdicts_and_drops_logs),
		TEST(a_broken_boot_is_cut_and_mended_by_a_new_key),
		TEST(a_healthy_renewal_leaves_the_old_key_until_the_new_is_seen),
		TEST(a_key_that_the_ak_did_not_certify_is_refused),
		TEST(a_cut_is_asked_again_until_it_is_done),
		TEST(an_edge_that_is_gone_has_no_sessions),
		TEST(nothing_leaves_before_it_is_durable),
		TEST(an_operator_quarantines_and_releases),
		TEST(an_action_needs_a_signature_that_holds),
		TEST(a_role_may_sign_its_verbs_only),
		TEST(an_old_action_and_one_of_the_future_are_refused),
		TEST(what_the_policy_marks_needs_two),
		TEST(the_way_back_from_revocation_is_activation),
		TEST(a_decommissioned_device_does_not_come_back),
		TEST(an_operator_gets_a_certificate_and_loses_it),
		TEST(a_wish_for_evidence_shows_until_it_comes),
		TEST(a_baseline_makes_a_generation_and_a_restart_none),
		TEST(a_stricter_policy_is_applied_to_those_that_are_there),
		TEST(checkpoints_follow_and_a_restart_goes_on),
		TEST(a_checkpoint_that_was_signed_and_not_stored_is_taken_up),
		TEST(a_signer_that_fails_is_asked_again),
		TEST(a_restored_backup_cannot_fork_the_log),
		TEST(with_a_mirror_a_backup_goes_on),
		TEST(a_signer_of_another_history_stops_the_log),
		TEST(a_new_keeper_publishes_what_the_old_one_did),
		TEST(old_evidence_is_swept_and_the_last_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
