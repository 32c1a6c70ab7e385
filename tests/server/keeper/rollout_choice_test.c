/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/rollout_scene.h"

/* Rollouts: whom they choose, in which order, whom they leave out, and when devices may begin. */

/* --- who is chosen --- */

static void who_is_first_can_be_computed(void **state)
{
	(void)state;
	struct unit *first[UNITS];
	uint8_t sha256[32];
	int64_t place[UNITS];
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	seconds(3);
	struct ch_query q = ch_sql_query_text(w.store, "SELECT sha256 FROM rollout", CH_NO_ARGS);
	assert_true(ch_sql_next(&q) && ch_sql_copy(&q, 0, sha256, sizeof(sha256)));
	assert_int_equal(ch_sql_end(&q), CH_OK);
	for (size_t i = 0; i < UNITS; i++)
		assert_int_equal(ch_rollout_place(&place[i], &doc, sha256, u[i].id), CH_OK);
	assert_int_equal(offered(first), 2);
	for (size_t i = 0; i < UNITS; i++) {
		size_t before = 0;
		for (size_t n = 0; n < UNITS; n++)
			before += place[n] < place[i];
		assert_int_equal(before < 2, &u[i] == first[0] || &u[i] == first[1]);
	}
}

static void canaries_are_first(void **state)
{
	(void)state;
	struct unit *first[UNITS];
	char members[1024], hex[33];
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", u[7].id[i]);
	(void)snprintf(members, sizeof(members),
		       "\"release\":\"" NEW "\",\"phases\":[{\"devices\":[\"%s\"]},{\"percent\":100}]," RULES, hex);
	assert_int_equal(create("r1", members, NULL), 200);
	seconds(3);
	assert_int_equal(offered(first), 1);
	assert_ptr_equal(first[0], &u[7]);
	updates(&u[7]);
	seconds(2);
	assert_int_equal(offered(first), UNITS - 1);
}

static void devices_are_chosen_by_what_they_tell_of_themselves(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	ch_store_begin(w.store);
	ch_sql_text(w.store,
		    "INSERT INTO attribute (tenant, device, name, value, time) VALUES (0, 3, 'site', 'north', 1)");
	ch_sql_text(w.store,
		    "INSERT INTO attribute (tenant, device, name, value, time) VALUES (0, 4, 'site', 'south', 1)");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	assert_int_equal(create("r1", "\"filter\":{\"attributes\":{\"site\":\"north\"}}," TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	assert_int_equal(number("SELECT device FROM rollout_member"), 3);
}

static void devices_are_chosen_by_their_tier_and_told_how_it_is_meant(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	ch_store_begin(w.store);
	ch_sql_text(w.store, "UPDATE device SET chain = 96");
	ch_sql_text(w.store, "UPDATE device SET chain = 2 WHERE seq = 3");
	ch_sql_text(w.store, "UPDATE device SET chain = 32 WHERE seq = 4");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	assert_int_equal(create("r1", "\"mode\":\"forced\",\"filter\":{\"tier\":\"affirming\"}," TWO_PHASES, NULL),
			 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	assert_int_equal(number("SELECT device FROM rollout_member"), 3);
	assert_int_equal(number("SELECT forced FROM deployment"), 1);
	assert_int_equal(create("r2", "\"filter\":{\"tier\":\"warning\"}," TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(number("SELECT count(*) FROM rollout_member WHERE rollout = 2"), 2);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE rollout = 2 AND forced <> 0"), 0);
}

static void devices_are_chosen_by_what_they_run(void **state)
{
	(void)state;
	struct unit *list[UNITS], *first;
	assert_int_equal(create("r1", "\"release\":\"" OLD "\",\"phases\":[{\"count\":1}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	first = list[0];
	ch_store_begin(w.store);
	ch_sql_text(w.store, "UPDATE deployment SET state = 4");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	assert_int_equal(create("r2", "\"filter\":{\"running\":{\"name\":\"os\",\"version\":\"1\"}}," TWO_PHASES, NULL),
			 200);
	assert_int_equal(create("r3", "\"filter\":{\"running\":{\"name\":\"os\",\"version\":\"7\"}}," TWO_PHASES, NULL),
			 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	assert_ptr_equal(list[0], first);
	/* Nobody at all: nothing is shown by it. */
	assert_state(CH_ROLLOUT_HALTED);
}

/* --- who is left out --- */

static void who_cannot_have_it_is_left_out_with_the_reason(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	char hex[UNITS][33];
	static const uint8_t assign[] = "release: " OLD "\nmode: soft\n";
	for (size_t n = 0; n < UNITS; n++) {
		for (size_t i = 0; i < 16; i++)
			(void)snprintf(hex[n] + 2 * i, 3, "%02x", u[n].id[i]);
	}
	(void)boss_say(&w, CH_VERB_DEVICE_QUARANTINE, hex[0], CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	/* In quarantine before it begins: not chosen. */
	assert_int_equal(create("r1", "\"start\":\"2100-01-01T00:00:00Z\"," TWO_PHASES, NULL), 200);
	seconds(3);
	assert_state(CH_ROLLOUT_PLANNED);
	assert_int_equal(create("r2", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	(void)boss_say(&w, CH_VERB_UPDATE_ASSIGN, hex[1], ch_span(assign, sizeof(assign) - 1), by, 1);
	seconds(2);
	assert_int_equal(number("SELECT count(*) FROM rollout_member WHERE rollout = 2"), UNITS - 1);
	(void)boss_say(&w, CH_VERB_DEVICE_QUARANTINE, hex[2], CH_SPAN_EMPTY, by, 1);
	(void)boss_say(&w, CH_VERB_DEVICE_REVOKE, hex[3], CH_SPAN_EMPTY, by, 1);
	seconds(2);
	assert_int_equal(number("SELECT count(*) FROM rollout_member WHERE status = 6"), 1);
	assert_int_equal(offered(list) + (size_t)number("SELECT count(*) FROM rollout_member WHERE status > 1"), UNITS);
}

static void what_a_policy_holds_back_is_left_out(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct ch_wr t = ch_wr(image, sizeof(image));
	struct ch_policy p = world_policy("gateway");
	p.on_break[CH_LINK_UPDATE] = CH_RESPONSE_HOLD_UPDATES;
	assert_int_equal(ch_policy_put(&t, &p), CH_OK);
	uint64_t id = boss_say(&w, CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"count\":1}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	assert_int_equal(says(list[0], "installed"), 200);
	boots(list[0], false);
	assert_int_equal(create("r2", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS - 1);
	assert_int_equal(number("SELECT count(*) FROM rollout_member WHERE rollout = 2 AND status = 7"), 1);
}

static void a_phase_of_nobody_halts_it(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	/* The canary is no device of this fleet. */
	assert_int_equal(create("r1",
				"\"release\":\"" NEW
				"\",\"phases\":[{\"devices\":[\"000000000000000000000000000000ff\"]},"
				"{\"percent\":100}]," RULES,
				NULL),
			 200);
	seconds(3);
	assert_state(CH_ROLLOUT_HALTED);
	assert_int_equal(offered(list), 0);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 200);
	seconds(3);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(offered(list), UNITS);
}

static void percentages_of_few_devices_may_add_none(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1",
				"\"release\":\"" NEW
				"\",\"phases\":[{\"percent\":1},{\"percent\":2},{\"percent\":11}]," RULES,
				NULL),
			 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	updates(list[0]);
	seconds(3);
	assert_int_equal(number("SELECT phase FROM rollout"), 2);
	assert_int_equal(offered(list), 1);
	updates(list[0]);
	seconds(2);
	assert_state(CH_ROLLOUT_FINISHED);
}

/* --- time --- */

static void downloads_do_not_come_all_at_once(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1",
				"\"release\":\"" NEW
				"\",\"phases\":[{\"percent\":100}],\"halt\":{\"failures\":{\"count\":1}},"
				"\"advance\":{\"proven\":90},\"spread\":60",
				NULL),
			 200);
	seconds(2);
	size_t before = offered(list);
	for (size_t i = 0; i < 5; i++) {
		seconds(1);
		size_t now = offered(list);
		assert_in_range(now - before, 1, 2);
		before = now;
	}
	seconds(5);
	assert_int_equal(offered(list), UNITS);
}

static void outside_of_its_window_nobody_begins(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	char members[1024];
	/* Two minutes from the next whole one on, every day. */
	unsigned minute = (unsigned)(w.wall / 60000 % 1440 + 1) % 1440, end = (minute + 2) % 1440;
	(void)snprintf(
		members, sizeof(members),
		"\"window\":{\"days\":[\"mon\",\"tue\",\"wed\",\"thu\",\"fri\",\"sat\",\"sun\"],\"from\":\"%02u:%02u\",\"to\":"
		"\"%02u:%02u\"}," TWO_PHASES,
		minute / 60, minute % 60, end / 60, end % 60);
	assert_int_equal(create("r1", members, NULL), 200);
	w.wall -= w.wall % 60000;
	seconds(3);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(offered(list), 0);
	pass(60000);
	assert_int_equal(offered(list), 2);
	assert_int_equal(says(list[0], "downloading"), 200);
	pass(2 * 60000);
	assert_int_equal(offered(list), 0);
	/* What was begun goes on. */
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 2"), 1);
	assert_state(CH_ROLLOUT_RUNNING);
}

static void the_next_phase_waits_as_long_as_it_says(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1",
				"\"release\":\"" NEW
				"\",\"phases\":[{\"count\":2},{\"percent\":100}],\"halt\":{\"failures\":{"
				"\"count\":1},\"proof_minutes\":60},\"advance\":{\"proven\":50,\"wait_minutes\":2}",
				NULL),
			 200);
	seconds(4);
	assert_int_equal(offered(list), 2);
	updates(list[0]);
	seconds(1);
	restart();
	pass(118000);
	assert_int_equal(number("SELECT phase FROM rollout"), 0);
	pass(3000);
	assert_int_equal(number("SELECT phase FROM rollout"), 1);
}

static void nobody_waits_for_a_device_that_is_gone(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	char hex[33];
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 2);
	updates(list[0]);
	assert_int_equal(says(list[1], "installed"), 200);
	seconds(2);
	assert_int_equal(number("SELECT phase FROM rollout"), 0);
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", list[1]->id[i]);
	assert_int_equal(act(CH_VERB_DEVICE_DECOMMISSION, hex), 200);
	seconds(2);
	assert_int_equal(number("SELECT phase FROM rollout"), 1);
	/* What was proven before stays proven. */
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", list[0]->id[i]);
	assert_int_equal(act(CH_VERB_DEVICE_REVOKE, hex), 200);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 4"), 1);
}

static void a_release_that_is_withdrawn_halts_it(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 2);
	assert_int_equal(act(CH_VERB_RELEASE_WITHDRAW, NEW), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_HALTED);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 409);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r1"), 200);
}

/* The kernel of two commits may be the same: then the boot alone does not tell them apart, and the device's own word counts against it. */
static void who_booted_another_commit_is_not_proven(void **state)
{
	(void)state;
	static const uint8_t right[32] = { 0xab }, wrong[32] = { 0xac };
	struct unit *first[UNITS];
	ch_store_begin(w.store);
	ch_sql_text(w.store,
		    "INSERT INTO artifact (tenant, sha256, size, have, complete, time) VALUES (0, X'77', 1, 1, 1, 1)");
	ch_sql_text(w.store,
		    "INSERT INTO release_artifact (tenant, release, sha256, size, name, kind) VALUES (0, 2, X'77', 1, "
		    "'ab00000000000000000000000000000000000000000000000000000000000000.ostree', 'ostree')");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(first), 2);
	booted = wrong;
	updates(first[0]);
	booted = right;
	updates(first[1]);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 4"), 1);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE reason LIKE '%another commit%'"), 1);
	assert_int_equal(number("SELECT count(*) FROM evidence WHERE substr(ostree, 1, 1) IN (X'AB', X'AC')"), 2);
	boots(first[0], true);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 4"), 2);
	booted = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_first_can_be_computed),
		TEST(canaries_are_first),
		TEST(devices_are_chosen_by_what_they_tell_of_themselves),
		TEST(devices_are_chosen_by_their_tier_and_told_how_it_is_meant),
		TEST(devices_are_chosen_by_what_they_run),
		TEST(who_cannot_have_it_is_left_out_with_the_reason),
		TEST(what_a_policy_holds_back_is_left_out),
		TEST(a_phase_of_nobody_halts_it),
		TEST(percentages_of_few_devices_may_add_none),
		TEST(downloads_do_not_come_all_at_once),
		TEST(outside_of_its_window_nobody_begins),
		TEST(the_next_phase_waits_as_long_as_it_says),
		TEST(nobody_waits_for_a_device_that_is_gone),
		TEST(a_release_that_is_withdrawn_halts_it),
		TEST(who_booted_another_commit_is_not_proven),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
