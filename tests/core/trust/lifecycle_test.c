/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/lifecycle.h"

#include "tests/unit.h"

static enum ch_state after(enum ch_state from, enum ch_life life)
{
	enum ch_state to;
	return ch_lifecycle_next(from, life, &to) == CH_OK ? to : CH_STATE_COUNT;
}

static void a_decommissioned_device_has_no_way_back(void **state)
{
	(void)state;
	for (unsigned life = 0; life < CH_LIFE_COUNT; life++)
		assert_int_equal(after(CH_STATE_DECOMMISSIONED, (enum ch_life)life), CH_STATE_COUNT);
}

static void nothing_but_mend_and_release_lifts_a_quarantine(void **state)
{
	(void)state;
	for (unsigned life = 0; life < CH_LIFE_COUNT; life++) {
		enum ch_state to = after(CH_STATE_QUARANTINED, (enum ch_life)life);
		bool lifts = to == CH_STATE_TRUSTED || to == CH_STATE_ENROLLED;
		assert_int_equal(lifts, life == CH_LIFE_MEND || life == CH_LIFE_RELEASE);
	}
}

static void a_revoked_certificate_comes_back_by_activation_only(void **state)
{
	(void)state;
	for (unsigned life = 0; life < CH_LIFE_COUNT; life++) {
		enum ch_state to = after(CH_STATE_REVOKED, (enum ch_life)life);
		if (life == CH_LIFE_ENROL)
			assert_int_equal(to, CH_STATE_ENROLLED);
		else if (life == CH_LIFE_DECOMMISSION)
			assert_int_equal(to, CH_STATE_DECOMMISSIONED);
		else
			assert_int_equal(to, CH_STATE_COUNT);
	}
}

static void trust_comes_from_evidence_only(void **state)
{
	(void)state;
	for (unsigned s = 0; s < CH_STATE_COUNT; s++) {
		for (unsigned life = 0; life < CH_LIFE_COUNT; life++) {
			if (after((enum ch_state)s, (enum ch_life)life) == CH_STATE_TRUSTED)
				assert_true(life == CH_LIFE_AFFIRM || life == CH_LIFE_MEND);
		}
	}
}

static void the_ordinary_life_is_legal(void **state)
{
	(void)state;
	static const enum ch_life life[] = { CH_LIFE_PREAUTHORISE, CH_LIFE_ENROL, CH_LIFE_AFFIRM,      CH_LIFE_BREAK,
					     CH_LIFE_MEND,         CH_LIFE_BREAK, CH_LIFE_RELEASE,     CH_LIFE_AFFIRM,
					     CH_LIFE_REVOKE,       CH_LIFE_ENROL, CH_LIFE_DECOMMISSION };
	static const char *const expected[] = { "pre-authorised", "enrolled",    "trusted",       "quarantined",
						"trusted",        "quarantined", "enrolled",      "trusted",
						"revoked",        "enrolled",    "decommissioned" };
	enum ch_state s = CH_STATE_NONE;
	for (size_t i = 0; i < CH_COUNT_OF(life); i++) {
		assert_int_equal(ch_lifecycle_next(s, life[i], &s), CH_OK);
		assert_string_equal(ch_state_str(s), expected[i]);
	}
}

static void an_illegal_step_leaves_the_state(void **state)
{
	(void)state;
	enum ch_state to = CH_STATE_TRUSTED;
	assert_int_equal(ch_lifecycle_next(CH_STATE_NONE, CH_LIFE_AFFIRM, &to), CH_ERR_MISMATCH);
	assert_int_equal(to, CH_STATE_NONE);
	assert_int_equal(ch_lifecycle_next(CH_STATE_COUNT, CH_LIFE_ENROL, &to), CH_ERR_MISMATCH);
	assert_int_equal(ch_lifecycle_next(CH_STATE_NONE, CH_LIFE_COUNT, &to), CH_ERR_MISMATCH);
}

static void a_state_admits_what_the_table_says(void **state)
{
	(void)state;
	for (unsigned s = 0; s < 256; s++) {
		bool lives = s == CH_STATE_ENROLLED || s == CH_STATE_TRUSTED;
		bool proves = lives || s == CH_STATE_QUARANTINED;
		assert_int_equal(ch_state_admits((enum ch_state)s, CH_ACCESS_ATTEST), proves);
		assert_int_equal(ch_state_admits((enum ch_state)s, CH_ACCESS_RENEW), proves);
		assert_int_equal(ch_state_admits((enum ch_state)s, CH_ACCESS_FULL), lives);
		assert_false(ch_state_admits((enum ch_state)s, CH_ACCESS_COUNT));
	}
}

static void names_go_both_ways(void **state)
{
	(void)state;
	for (unsigned s = 0; s < CH_STATE_COUNT; s++) {
		enum ch_state back = CH_STATE_COUNT;
		assert_int_equal(ch_state_by_name(ch_span_str(ch_state_str((enum ch_state)s)), &back), CH_OK);
		assert_int_equal(back, s);
	}
	enum ch_state kept = CH_STATE_TRUSTED;
	assert_int_equal(ch_state_by_name(CH_SPAN_LIT("Trusted"), &kept), CH_ERR_UNKNOWN);
	assert_int_equal(kept, CH_STATE_TRUSTED);
	assert_string_equal(ch_state_str(CH_STATE_COUNT), "unknown");
	assert_string_equal(ch_life_str(CH_LIFE_DECOMMISSION), "decommission");
	assert_string_equal(ch_life_str(CH_LIFE_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_decommissioned_device_has_no_way_back),
		cmocka_unit_test(nothing_but_mend_and_release_lifts_a_quarantine),
		cmocka_unit_test(a_revoked_certificate_comes_back_by_activation_only),
		cmocka_unit_test(trust_comes_from_evidence_only),
		cmocka_unit_test(the_ordinary_life_is_legal),
		cmocka_unit_test(an_illegal_step_leaves_the_state),
		cmocka_unit_test(a_state_admits_what_the_table_says),
		cmocka_unit_test(names_go_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
