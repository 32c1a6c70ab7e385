/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/rollout_scene.h"

/* Rollouts: they advance on proof, halt by failures and by proof that does not come, and go on after a restart of the keeper at any moment. */

/* --- the ordinary way --- */

static void it_advances_on_proof_and_finishes(void **state)
{
	(void)state;
	struct unit *first[UNITS], *rest[UNITS];
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	assert_state(CH_ROLLOUT_PLANNED);
	seconds(3);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(number("SELECT members FROM rollout"), UNITS);
	assert_int_equal(offered(first), 2);
	/* Nobody goes on because devices say so. */
	assert_int_equal(says(first[0], "downloading"), 200);
	assert_int_equal(says(first[0], "installed"), 200);
	updates(first[1]);
	seconds(5);
	assert_int_equal(number("SELECT phase FROM rollout"), 0);
	assert_int_equal(offered(rest), 0);
	boots(first[0], true);
	seconds(3);
	assert_int_equal(number("SELECT phase FROM rollout"), 1);
	assert_int_equal(offered(rest), UNITS - 2);
	for (size_t i = 0; i < UNITS - 2; i++)
		updates(rest[i]);
	seconds(2);
	assert_state(CH_ROLLOUT_FINISHED);
	assert_int_equal(number("SELECT settled FROM rollout"), 1);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 4"), UNITS);
	/* Each step was told. */
	assert_int_equal(number("SELECT count(*) FROM event WHERE kind = 'rollout'"), 4);
}

static void the_same_with_a_restart_between_any_two_steps(void **state)
{
	restarts = true;
	it_advances_on_proof_and_finishes(state);
	restarts = false;
}

/* --- halts --- */

static void failures_halt_it_and_it_says_who(void **state)
{
	(void)state;
	struct unit *list[UNITS], *none[UNITS];
	assert_int_equal(
		create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"count\":5},{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 5);
	assert_int_equal(says(list[0], "refused"), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_RUNNING);
	/* One that boots, and shows what nobody expected. */
	assert_int_equal(says(list[1], "installed"), 200);
	boots(list[1], false);
	seconds(1);
	assert_state(CH_ROLLOUT_HALTED);
	struct ch_query q = ch_sql_query_text(w.store, "SELECT reason FROM rollout", CH_NO_ARGS);
	assert_true(ch_sql_next(&q));
	assert_has(ch_sql_bytes(&q, 0), "2 of 5 devices failed: ");
	assert_has(ch_sql_bytes(&q, 0), "(refused: so it is)");
	assert_has(ch_sql_bytes(&q, 0), "(not-proven: PCR 4: nobody endorsed this event)");
	assert_int_equal(ch_sql_end(&q), CH_OK);
	q = ch_sql_query_text(w.store, "SELECT body FROM event WHERE kind = 'rollout' ORDER BY seq DESC LIMIT 1",
			      CH_NO_ARGS);
	assert_true(ch_sql_next(&q));
	assert_has(ch_sql_bytes(&q, 0), "\"state\":\"halted\",\"phase\":1");
	assert_int_equal(ch_sql_end(&q), CH_OK);
	/* Nobody new begins: what was not taken up is taken back. */
	seconds(2);
	assert_int_equal(offered(none), 0);
	assert_int_equal(number("SELECT count(*) FROM rollout_member WHERE status = 0"), UNITS - 2);
	/* Resumed, what was is forgiven; the next two count. */
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(offered(list), 3);
	assert_int_equal(says(list[0], "refused"), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(says(list[1], "downloading"), 200);
	assert_int_equal(says(list[1], "fell-back"), 200);
	seconds(1);
	assert_state(CH_ROLLOUT_HALTED);
}

static void proof_that_does_not_come_halts_it(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	/* A device that takes nothing up is no failure: it may be switched off. */
	assert_int_equal(says(list[0], "downloading"), 200);
	pass(4 * 60000);
	assert_int_equal(says(list[1], "installed"), 200);
	pass(61000);
	assert_state(CH_ROLLOUT_RUNNING);
	/* To say it again is no proof. */
	assert_int_equal(says(list[1], "installed"), 200);
	pass(4 * 60000);
	assert_state(CH_ROLLOUT_HALTED);
	struct ch_query q = ch_sql_query_text(w.store, "SELECT reason FROM rollout", CH_NO_ARGS);
	assert_true(ch_sql_next(&q));
	assert_has(ch_sql_bytes(&q, 0), "(no proof, downloading)");
	assert_has(ch_sql_bytes(&q, 0), "(no proof, installed)");
	assert_int_equal(ch_sql_end(&q), CH_OK);
}

static void proof_that_comes_late_is_proof(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	assert_int_equal(says(list[0], "installed"), 200);
	pass(6 * 60000);
	assert_state(CH_ROLLOUT_RUNNING);
	boots(list[0], true);
	assert_int_equal(says(list[1], "installed"), 200);
	pass(6 * 60000);
	assert_state(CH_ROLLOUT_RUNNING);
}

/* --- who cannot prove --- */

static void a_word_counts_only_if_the_document_says_so(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	struct ch_span body;
	assert_int_equal(create("r1", "\"release\":\"" RAW "\",\"phases\":[{\"percent\":100}]," RULES, &body), 409);
	assert_has(body, "claimed: count");
	assert_int_equal(create("r1",
				"\"release\":\"" RAW "\",\"phases\":[{\"percent\":100}],\"claimed\":\"count\"," RULES,
				NULL),
			 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	for (size_t i = 0; i < UNITS; i++)
		assert_int_equal(says(list[i], "installed"), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_FINISHED);
	/* They stay what they are. */
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 3"), UNITS);
}

static void the_word_of_a_device_that_could_prove_it_never_counts(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", "\"claimed\":\"count\"," TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 2);
	assert_int_equal(says(list[0], "installed"), 200);
	assert_int_equal(says(list[1], "installed"), 200);
	seconds(3);
	assert_int_equal(number("SELECT phase FROM rollout"), 0);
	/* One of them loses its TPM: it is another device now, whose word is all there is. */
	ch_store_begin(w.store);
	ch_sql_text(w.store, "UPDATE ak SET until = 1");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	seconds(3);
	assert_int_equal(number("SELECT phase FROM rollout"), 1);
}

/* --- operators --- */

static void paused_nobody_new_begins(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	assert_int_equal(act(CH_VERB_ROLLOUT_PAUSE, "r1"), 409);
	seconds(3);
	assert_int_equal(act(CH_VERB_ROLLOUT_PAUSE, "r1"), 200);
	assert_int_equal(act(CH_VERB_ROLLOUT_PAUSE, "r1"), 409);
	seconds(3);
	assert_int_equal(offered(list), 0);
	assert_int_equal(number("SELECT settled FROM rollout"), 1);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 200);
	seconds(2);
	assert_int_equal(offered(list), 2);
	/* What was begun goes on while it stands still, and counts. */
	assert_int_equal(says(list[0], "installed"), 200);
	assert_int_equal(says(list[1], "installed"), 200);
	assert_int_equal(act(CH_VERB_ROLLOUT_PAUSE, "r1"), 200);
	seconds(2);
	boots(list[0], true);
	boots(list[1], true);
	seconds(2);
	assert_int_equal(number("SELECT phase FROM rollout"), 0);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 200);
	seconds(2);
	assert_int_equal(offered(list), UNITS - 2);
}

static void aborted_all_that_is_not_installed_is_taken_back(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	assert_int_equal(says(list[0], "downloading"), 200);
	assert_int_equal(says(list[1], "installed"), 200);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r1"), 200);
	seconds(4);
	assert_state(CH_ROLLOUT_ABORTED);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 8"), UNITS - 1);
	assert_int_equal(number("SELECT settled FROM rollout"), 1);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 409);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r1"), 409);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r2"), 404);
	/* What was installed is proven all the same. */
	boots(list[1], true);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 4"), 1);
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	struct ch_span body;
	static const char bare[] = "{\"type\":\"chainhold-rollout/v1\",\"name\":\"r1\"," TWO_PHASES "}";
	uint64_t id = boss_say(&w, CH_VERB_ROLLOUT_CREATE, "r1", ch_span_str(bare), by, 1);
	uint64_t nonsense = boss_say(&w, CH_VERB_ROLLOUT_CREATE, "r1", CH_SPAN_LIT("{}"), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 400);
	assert_has(body, "its one text");
	assert_int_equal(world_answer(&w, nonsense, NULL), 400);
	assert_int_equal(create("r1",
				"\"release\":\"4444444444444444444444444444444444444444444444444444444444444444\","
				"\"phases\":[{\"percent\":1}]," RULES,
				NULL),
			 404);
	assert_int_equal(create("r1", "\"filter\":{\"class\":\"sensor\"}," TWO_PHASES, &body), 409);
	assert_has(body, "other classes");
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	assert_int_equal(create("r1", TWO_PHASES, &body), 409);
	assert_has(body, "there is, or was");
	assert_int_equal(number("SELECT count(*) FROM rollout"), 1);
}

static void going_back_is_said_and_ends_at_the_floor(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	struct ch_span body;
	static const char back[] = "\"release\":\"" OLD "\",\"phases\":[{\"percent\":100}]," RULES;
	static const char said[] = "\"rollback\":true,\"release\":\"" OLD "\",\"phases\":[{\"percent\":100}]," RULES;
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"count\":1}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	updates(list[0]);
	seconds(2);
	assert_int_equal(create("r2", back, &body), 409);
	assert_has(body, "rollback: true");
	/* The floor of what was proven is 1, and the older one has sequence 1. */
	assert_int_equal(create("r2", said, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r2"), 200);
	seconds(4);
	ch_store_begin(w.store);
	ch_sql_text(w.store, "UPDATE release SET floor = 2 WHERE seq = 2");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	assert_int_equal(create("r3", said, &body), 409);
	assert_has(body, "floor");
}

static void a_rollout_needs_what_an_assignment_needs(void **state)
{
	(void)state;
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct ch_wr t = ch_wr(image, sizeof(image));
	struct ch_policy p = world_policy("gateway");
	p.two_signatures = 1u << CH_VERB_UPDATE_ASSIGN;
	assert_int_equal(ch_policy_put(&t, &p), CH_OK);
	uint64_t id = boss_say(&w, CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(create("r1", TWO_PHASES, NULL), 202);
	assert_int_equal(number("SELECT count(*) FROM rollout"), 0);
}

/* --- the one release of a device in quarantine --- */

static void say_done(enum ch_verb verb, const char *subject, struct ch_span payload)
{
	uint64_t id = boss_say(&w, verb, subject, payload, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
}

static void apply_mend(bool mend)
{
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct ch_wr t = ch_wr(image, sizeof(image));
	struct ch_policy p = world_policy("gateway");
	p.mend = mend;
	assert_int_equal(ch_policy_put(&t, &p), CH_OK);
	say_done(CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t));
}

static bool mends(void)
{
	return (seen(u[0].cert).pending & CH_VIEW_MENDS) != 0;
}

static void in_quarantine_only_what_was_assigned_is_fetched_and_only_by_the_policy(void **state)
{
	(void)state;
	char device[33];
	for (size_t i = 0; i < sizeof(u[0].id); i++)
		(void)snprintf(device + 2 * i, 3, "%02x", u[0].id[i]);
	apply_mend(true);
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	say_done(CH_VERB_DEVICE_QUARANTINE, device, CH_SPAN_EMPTY);
	assert_false(mends());
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r1"), 200);
	seconds(3);
	say_done(CH_VERB_UPDATE_ASSIGN, device, CH_SPAN_LIT("release: " NEW "\nmode: soft\n"));
	assert_true(mends());
	apply_mend(false);
	assert_false(mends());
	apply_mend(true);
	assert_true(mends());
	say_done(CH_VERB_UPDATE_CANCEL, device, CH_SPAN_EMPTY);
	assert_false(mends());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_quarantine_only_what_was_assigned_is_fetched_and_only_by_the_policy),
		TEST(it_advances_on_proof_and_finishes),
		TEST(the_same_with_a_restart_between_any_two_steps),
		TEST(failures_halt_it_and_it_says_who),
		TEST(proof_that_does_not_come_halts_it),
		TEST(proof_that_comes_late_is_proof),
		TEST(a_word_counts_only_if_the_document_says_so),
		TEST(the_word_of_a_device_that_could_prove_it_never_counts),
		TEST(paused_nobody_new_begins),
		TEST(aborted_all_that_is_not_installed_is_taken_back),
		TEST(what_cannot_be_is_refused),
		TEST(going_back_is_said_and_ends_at_the_floor),
		TEST(a_rollout_needs_what_an_assignment_needs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
