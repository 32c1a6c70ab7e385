/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/clock.h"
#include "tests/unit.h"

#include <time.h>

/* The clocks of a device, in place of the C library's. */
static time_t wall, up;

int clock_gettime(clockid_t id, struct timespec *t)
{
	*t = (struct timespec){ .tv_sec = id == CLOCK_REALTIME ? wall : up };
	return 0;
}

#define BUILT 1790000000
#define DAY   86400

static struct ag_clock c;

static int setup(void **state)
{
	(void)state;
	wall = 0; /* 1970 */
	up = 20;
	ag_clock_init(&c, 0, BUILT);
	return 0;
}

static void a_clock_at_1970_counts_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(ag_clock_now(&c), BUILT);
	wall = BUILT + 5;
	assert_int_equal(ag_clock_now(&c), BUILT + 5);
}

static void what_a_server_said_counts_more_than_the_clock(void **state)
{
	(void)state;
	wall = BUILT + 1000 * DAY; /* a clock that is far ahead */
	(void)ag_clock_tell(&c, BUILT + 10 * DAY);
	up += 60;
	assert_int_equal(ag_clock_now(&c), BUILT + 10 * DAY + 60);
}

static void the_floor_never_moves_back(void **state)
{
	(void)state;
	(void)ag_clock_tell(&c, BUILT + 10 * DAY);
	(void)ag_clock_tell(&c, BUILT + 5 * DAY);
	assert_int_equal(c.floor, BUILT + 10 * DAY);
	assert_int_equal(ag_clock_now(&c), BUILT + 10 * DAY);
}

static void what_somebody_trusted_says_raises_the_floor_and_is_no_clock(void **state)
{
	(void)state;
	ag_clock_raise(&c, BUILT + 400 * DAY);
	assert_int_equal(ag_clock_now(&c), BUILT + 400 * DAY);
	assert_false(c.told);
	ag_clock_raise(&c, BUILT);
	assert_int_equal(c.floor, BUILT + 400 * DAY);
	wall = BUILT + 401 * DAY;
	assert_int_equal(ag_clock_now(&c), BUILT + 401 * DAY);
}

static void a_day_past_what_is_kept_is_worth_a_write(void **state)
{
	(void)state;
	assert_true(ag_clock_tell(&c, BUILT + 5));
	c.kept = c.floor;
	for (uint64_t t = BUILT + 10; t < BUILT + DAY; t += DAY / 7)
		assert_false(ag_clock_tell(&c, t));
	assert_true(ag_clock_tell(&c, BUILT + 5 + DAY));
}

static void what_is_kept_is_the_floor_after_a_power_cut(void **state)
{
	(void)state;
	ag_clock_init(&c, BUILT + 300 * DAY, BUILT);
	assert_int_equal(ag_clock_now(&c), BUILT + 300 * DAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_clock_at_1970_counts_for_nothing, setup),
		cmocka_unit_test_setup(what_a_server_said_counts_more_than_the_clock, setup),
		cmocka_unit_test_setup(the_floor_never_moves_back, setup),
		cmocka_unit_test_setup(what_somebody_trusted_says_raises_the_floor_and_is_no_clock, setup),
		cmocka_unit_test_setup(a_day_past_what_is_kept_is_worth_a_write, setup),
		cmocka_unit_test_setup(what_is_kept_is_the_floor_after_a_power_cut, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
