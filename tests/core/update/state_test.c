/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/state.h"

#include "tests/unit.h"

static enum ch_update_state after(enum ch_update_state from, enum ch_update_step step)
{
	enum ch_update_state to;
	return ch_update_next(from, step, &to) == CH_OK ? to : CH_UPDATE_COUNT;
}

static void nothing_leads_out_of_what_is_over(void **state)
{
	(void)state;
	static const enum ch_update_state over[] = { CH_UPDATE_PROVEN, CH_UPDATE_FELL_BACK, CH_UPDATE_REFUSED,
						     CH_UPDATE_CANCELLED };
	for (size_t i = 0; i < CH_COUNT_OF(over); i++) {
		assert_true(ch_update_over(over[i]));
		assert_false(ch_update_wanted(over[i]));
		for (unsigned step = 0; step < CH_UPDATE_STEP_COUNT; step++)
			assert_int_equal(after(over[i], (enum ch_update_step)step), CH_UPDATE_COUNT);
	}
	assert_true(ch_update_over((enum ch_update_state)99));
}

static void only_evidence_proves(void **state)
{
	(void)state;
	for (unsigned s = 0; s < CH_UPDATE_COUNT; s++) {
		for (unsigned step = 0; step < CH_UPDATE_STEP_COUNT; step++) {
			enum ch_update_state to = after((enum ch_update_state)s, (enum ch_update_step)step);
			if (to == CH_UPDATE_PROVEN)
				assert_int_equal(step, CH_UPDATE_STEP_PROVE);
			if (to == CH_UPDATE_NOT_PROVEN)
				assert_int_equal(step, CH_UPDATE_STEP_DISPROVE);
		}
	}
}

static void what_was_only_offered_is_not_disproven(void **state)
{
	(void)state;
	assert_int_equal(after(CH_UPDATE_OFFERED, CH_UPDATE_STEP_DISPROVE), CH_UPDATE_COUNT);
	assert_int_equal(after(CH_UPDATE_DOWNLOADING, CH_UPDATE_STEP_DISPROVE), CH_UPDATE_COUNT);
	assert_int_equal(after(CH_UPDATE_INSTALLED, CH_UPDATE_STEP_DISPROVE), CH_UPDATE_NOT_PROVEN);
}

static void a_device_does_not_take_back_that_it_installed(void **state)
{
	(void)state;
	assert_int_equal(after(CH_UPDATE_INSTALLED, CH_UPDATE_STEP_DOWNLOAD), CH_UPDATE_COUNT);
	assert_int_equal(after(CH_UPDATE_INSTALLED, CH_UPDATE_STEP_REFUSE), CH_UPDATE_COUNT);
	assert_int_equal(after(CH_UPDATE_INSTALLED, CH_UPDATE_STEP_FALL_BACK), CH_UPDATE_FELL_BACK);
	assert_int_equal(after(CH_UPDATE_NOT_PROVEN, CH_UPDATE_STEP_FALL_BACK), CH_UPDATE_FELL_BACK);
	assert_int_equal(after(CH_UPDATE_NOT_PROVEN, CH_UPDATE_STEP_INSTALL), CH_UPDATE_COUNT);
}

static void the_ordinary_way_is_legal(void **state)
{
	(void)state;
	static const enum ch_update_step step[] = { CH_UPDATE_STEP_OFFER,    CH_UPDATE_STEP_DOWNLOAD,
						    CH_UPDATE_STEP_DOWNLOAD, CH_UPDATE_STEP_INSTALL,
						    CH_UPDATE_STEP_DISPROVE, CH_UPDATE_STEP_PROVE };
	enum ch_update_state s = CH_UPDATE_NONE;
	for (size_t i = 0; i < CH_COUNT_OF(step); i++)
		assert_int_equal(ch_update_next(s, step[i], &s), CH_OK);
	assert_int_equal(s, CH_UPDATE_PROVEN);
}

static void numbers_that_are_none_go_nowhere(void **state)
{
	(void)state;
	enum ch_update_state to = CH_UPDATE_PROVEN;
	assert_int_equal(ch_update_next((enum ch_update_state)9, CH_UPDATE_STEP_OFFER, &to), CH_ERR_MISMATCH);
	assert_int_equal(to, 9);
	assert_int_equal(ch_update_next(CH_UPDATE_NONE, CH_UPDATE_STEP_COUNT, &to), CH_ERR_MISMATCH);
	assert_int_equal(to, CH_UPDATE_NONE);
}

static void words_and_numbers_are_the_same(void **state)
{
	(void)state;
	for (unsigned s = 0; s < CH_UPDATE_COUNT; s++) {
		enum ch_update_state back = CH_UPDATE_COUNT;
		assert_int_equal(
			ch_update_state_by_name(ch_span_str(ch_update_state_str((enum ch_update_state)s)), &back),
			CH_OK);
		assert_int_equal(back, s);
	}
	enum ch_update_state untouched = CH_UPDATE_REFUSED;
	assert_int_equal(ch_update_state_by_name(CH_SPAN_LIT("Proven"), &untouched), CH_ERR_UNKNOWN);
	assert_int_equal(untouched, CH_UPDATE_REFUSED);
	assert_string_equal(ch_update_state_str(CH_UPDATE_COUNT), "unknown");
}

static void a_device_claims_four_things(void **state)
{
	(void)state;
	static const char *const word[] = { "downloading", "installed", "refused", "fell-back" };
	static const char *const no[] = { "", "offered", "proven", "not-proven", "cancelled", "installed ", "none" };
	enum ch_update_step step;
	for (size_t i = 0; i < CH_COUNT_OF(word); i++) {
		assert_int_equal(ch_update_claim(ch_span_str(word[i]), &step), CH_OK);
		assert_true(step == CH_UPDATE_STEP_DOWNLOAD || step == CH_UPDATE_STEP_INSTALL ||
			    step == CH_UPDATE_STEP_REFUSE || step == CH_UPDATE_STEP_FALL_BACK);
	}
	for (size_t i = 0; i < CH_COUNT_OF(no); i++)
		assert_int_equal(ch_update_claim(ch_span_str(no[i]), &step), CH_ERR_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_leads_out_of_what_is_over),
		cmocka_unit_test(only_evidence_proves),
		cmocka_unit_test(what_was_only_offered_is_not_disproven),
		cmocka_unit_test(a_device_does_not_take_back_that_it_installed),
		cmocka_unit_test(the_ordinary_way_is_legal),
		cmocka_unit_test(numbers_that_are_none_go_nowhere),
		cmocka_unit_test(words_and_numbers_are_the_same),
		cmocka_unit_test(a_device_claims_four_things),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
