/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/scene.h"

/* A clock that jumps: nothing is issued before an operator accepts it, everything else goes on. */

#define MINUTE 60000u

static unsigned enrolled(struct unit *u)
{
	uint8_t secret[32] = { 1 };
	(void)unit_pending(&w, u, CH_TIER_AFFIRMING, secret);
	uint64_t id = unit_finish(&w, u, secret);
	world_turn(&w);
	return world_answer(&w, id, NULL);
}

static int64_t open_alarms(void)
{
	return world_number(&w, "SELECT count(*) FROM alarm WHERE accepted = 0");
}

static unsigned accept(const char *alarm)
{
	struct boss *const by[] = { &admin };
	uint64_t id = boss_say(&w, CH_VERB_CLOCK_ACCEPT, alarm, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	return world_answer(&w, id, NULL);
}

/* Somebody sets the clock; no time goes by. */
static void set_clock(int64_t ms)
{
	w.wall = (uint64_t)((int64_t)w.wall + ms);
	world_pass(&w, 0);
}

static void a_clock_that_goes_with_the_other_is_believed(void **state)
{
	(void)state;
	world_pass(&w, 60 * MINUTE);
	set_clock(9 * (int64_t)MINUTE);
	assert_int_equal(enrolled(&a), 201);
	assert_int_equal(open_alarms(), 0);
	assert_int_equal(accept("clock-1"), 409);
}

static void after_a_jump_nothing_is_issued_until_an_operator_accepts(void **state)
{
	(void)state;
	set_clock(11 * (int64_t)MINUTE);
	assert_int_equal(open_alarms(), 1);
	assert_int_equal(enrolled(&a), 503);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM certificate"), 0);
	/* Setting it back does not take the doubt away, and a new process keeps it. */
	set_clock(-11 * (int64_t)MINUTE);
	assert_int_equal(enrolled(&a), 503);
	world_kill(&w);
	assert_true(world_start(&w));
	world_turn(&w);
	assert_int_equal(enrolled(&a), 503);
	assert_int_equal(accept("clock-2"), 409);
	assert_int_equal(accept("clock-1"), 200);
	assert_int_equal(enrolled(&a), 201);
	assert_int_equal(open_alarms(), 0);
}

static void small_steps_add_up(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		set_clock(4 * (int64_t)MINUTE);
	assert_int_equal(open_alarms(), 1);
}

static void a_clock_behind_the_log_is_doubted_at_the_start(void **state)
{
	(void)state;
	assert_int_equal(enrolled(&a), 201);
	world_kill(&w);
	w.wall -= 3600000;
	assert_true(world_start(&w));
	world_turn(&w);
	world_pass(&w, 1000);
	assert_int_equal(open_alarms(), 1);
	assert_int_equal(enrolled(&a), 503);
	/* Signed by a clock that is right, an hour ahead of this one. */
	assert_int_equal(accept("clock-1"), 200);
	world_pass(&w, 1000);
	assert_int_equal(open_alarms(), 0);
	assert_int_equal(enrolled(&a), 201);
	world_pass(&w, 1000);
	assert_int_equal(open_alarms(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_clock_that_goes_with_the_other_is_believed),
		TEST(after_a_jump_nothing_is_issued_until_an_operator_accepts),
		TEST(small_steps_add_up),
		TEST(a_clock_behind_the_log_is_doubted_at_the_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
