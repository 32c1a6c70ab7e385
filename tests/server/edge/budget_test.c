/* SPDX-License-Identifier: Apache-2.0 */
#include "server/edge/budget.h"
#include "tests/unit.h"

static void a_bucket_runs_dry_and_fills_again(void **state)
{
	const struct budget_rate r = { .rate = 2, .burst = 5 };
	struct bucket b = { 0 };
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(bucket_take(&b, &r, 1000, BUDGET_REQUEST));
	assert_false(bucket_take(&b, &r, 1000, BUDGET_REQUEST));
	assert_false(bucket_take(&b, &r, 1499, BUDGET_REQUEST));
	assert_true(bucket_take(&b, &r, 1500, BUDGET_REQUEST));
	assert_false(bucket_take(&b, &r, 1501, BUDGET_REQUEST));
	/* Never more than the burst, however long it was quiet. */
	for (int i = 0; i < 5; i++)
		assert_true(bucket_take(&b, &r, 900000, BUDGET_REQUEST));
	assert_false(bucket_take(&b, &r, 900000, BUDGET_REQUEST));
	/* What is refused costs nothing. */
	assert_false(bucket_take(&b, &r, 901000, 3 * BUDGET_REQUEST));
	assert_true(bucket_take(&b, &r, 901000, 2 * BUDGET_REQUEST));
	assert_false(bucket_take(&b, &r, 901000, 6 * BUDGET_REQUEST));
}

static void the_clock_may_wrap(void **state)
{
	const struct budget_rate r = { .rate = 1, .burst = 1 };
	struct bucket b = { 0 };
	(void)state;
	assert_true(bucket_take(&b, &r, 0xfffffff0u, BUDGET_REQUEST));
	assert_false(bucket_take(&b, &r, 0x100000010u, BUDGET_REQUEST));
	assert_true(bucket_take(&b, &r, 0x1000003f0u, BUDGET_REQUEST));
}

static void no_rate_is_no_limit(void **state)
{
	const struct budget_rate r = { 0 };
	struct bucket b = { 0 };
	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(bucket_take(&b, &r, 1, 1000 * BUDGET_REQUEST));
}

static void every_device_has_its_own(void **state)
{
	const struct budget_rate r = { .rate = 1, .burst = 1 };
	struct budgets *b = ch_calloc(1, sizeof(*b));
	(void)state;
	assert_true(bucket_take(budget_device(b, 0), &r, 5000, BUDGET_REQUEST));
	assert_true(bucket_take(budget_device(b, 100000), &r, 5000, BUDGET_REQUEST));
	assert_false(bucket_take(budget_device(b, 0), &r, 5000, BUDGET_REQUEST));
	assert_false(bucket_take(budget_device(b, 100000), &r, 5000, BUDGET_REQUEST));
	assert_true(bucket_take(budget_device(b, 99999), &r, 5000, BUDGET_REQUEST));
	ch_free(b->device);
	ch_free(b);
}

static void addresses(void **state)
{
	uint8_t a[16] = { 0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5 };
	uint8_t b[16] = { 0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 6 };
	uint8_t four[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 };
	(void)state;
	assert_int_equal(budget_address(a), budget_address(b));
	b[7]++;
	assert_int_not_equal(budget_address(a), budget_address(b));
	size_t one = budget_address(four);
	four[15]++;
	assert_int_not_equal(one, budget_address(four));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_runs_dry_and_fills_again),
		cmocka_unit_test(the_clock_may_wrap),
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(every_device_has_its_own),
		cmocka_unit_test(addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
