/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/chain.h"

#include "tests/unit.h"

#define NOW      1000000u
#define PLATFORM (1u << CH_LINK_PLATFORM)
#define BOOT     (1u << CH_LINK_BOOT)
#define OS       (1u << CH_LINK_OS)

static struct ch_policy policy;
static struct ch_link_result result[CH_LINK_COUNT];

/* platform and boot are required and affirming; nobody judged the others. */
static int setup(void **state)
{
	(void)state;
	policy = (struct ch_policy){ .required = PLATFORM | BOOT, .on_stale = CH_RESPONSE_ALERT, .interval = 600 };
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		policy.on_break[i] = CH_RESPONSE_QUARANTINE;
		policy.max_age[i] = 3600;
		result[i] = (struct ch_link_result){ 0 };
	}
	result[CH_LINK_PLATFORM] = (struct ch_link_result){ CH_TIER_AFFIRMING, NOW - 100 };
	result[CH_LINK_BOOT] = (struct ch_link_result){ CH_TIER_AFFIRMING, NOW - 10 };
	return 0;
}

static struct ch_chain judged(uint64_t now)
{
	struct ch_chain c;
	ch_chain_judge(&c, result, &policy, now);
	return c;
}

static void all_that_is_required_affirms(void **state)
{
	(void)state;
	struct ch_chain c = judged(NOW);
	assert_int_equal(c.tier, CH_TIER_AFFIRMING);
	assert_int_equal(c.response, 0);
	assert_int_equal(c.broken | c.missing | c.stale, 0);
	assert_int_equal(c.stale_at, NOW - 100 + 3600);
}

static void the_worst_required_link_decides(void **state)
{
	(void)state;
	result[CH_LINK_PLATFORM].tier = CH_TIER_WARNING;
	assert_int_equal(judged(NOW).tier, CH_TIER_WARNING);
	assert_int_equal(judged(NOW).response, 0);
	result[CH_LINK_BOOT].tier = CH_TIER_CONTRAINDICATED;
	struct ch_chain c = judged(NOW);
	assert_int_equal(c.tier, CH_TIER_CONTRAINDICATED);
	assert_int_equal(c.broken, BOOT);
	assert_int_equal(c.response, CH_RESPONSE_QUARANTINE);
}

static void a_required_link_that_nobody_judged_contraindicates(void **state)
{
	(void)state;
	policy.required |= OS;
	struct ch_chain c = judged(NOW);
	assert_int_equal(c.tier, CH_TIER_CONTRAINDICATED);
	assert_int_equal(c.missing, OS);
	assert_int_equal(c.broken, 0);
	assert_int_equal(c.response, CH_RESPONSE_ALERT);
	assert_int_equal(c.stale_at, 0);
	/* A tier without a time is no evidence. */
	result[CH_LINK_OS].tier = CH_TIER_AFFIRMING;
	assert_int_equal(judged(NOW).missing, OS);
}

static void evidence_ages(void **state)
{
	(void)state;
	assert_int_equal(judged(NOW - 100 + 3600).tier, CH_TIER_AFFIRMING);
	struct ch_chain c = judged(NOW - 100 + 3601);
	assert_int_equal(c.tier, CH_TIER_CONTRAINDICATED);
	assert_int_equal(c.stale, PLATFORM);
	assert_int_equal(c.response, CH_RESPONSE_ALERT);
	policy.max_age[CH_LINK_PLATFORM] = 7200;
	assert_int_equal(judged(NOW - 100 + 3601).tier, CH_TIER_AFFIRMING);
}

static void a_clock_set_back_makes_nothing_stale(void **state)
{
	(void)state;
	assert_int_equal(judged(1).tier, CH_TIER_AFFIRMING);
}

static void other_links_never_raise_and_never_lower_it(void **state)
{
	(void)state;
	result[CH_LINK_OS] = (struct ch_link_result){ CH_TIER_CONTRAINDICATED, NOW };
	policy.on_break[CH_LINK_OS] = CH_RESPONSE_OBSERVE;
	struct ch_chain c = judged(NOW);
	assert_int_equal(c.tier, CH_TIER_AFFIRMING);
	assert_int_equal(c.broken, OS);
	assert_int_equal(c.response, CH_RESPONSE_OBSERVE);
	result[CH_LINK_BOOT].tier = CH_TIER_WARNING;
	result[CH_LINK_OS].tier = CH_TIER_AFFIRMING;
	assert_int_equal(judged(NOW).tier, CH_TIER_WARNING);
}

static void the_strongest_response_counts(void **state)
{
	(void)state;
	result[CH_LINK_OS] = (struct ch_link_result){ CH_TIER_CONTRAINDICATED, NOW };
	result[CH_LINK_MONITOR] = (struct ch_link_result){ CH_TIER_CONTRAINDICATED, NOW };
	policy.on_break[CH_LINK_OS] = CH_RESPONSE_HOLD_UPDATES;
	policy.on_break[CH_LINK_MONITOR] = CH_RESPONSE_ALERT;
	assert_int_equal(judged(NOW).response, CH_RESPONSE_HOLD_UPDATES);
}

static void what_is_no_tier_contraindicates(void **state)
{
	(void)state;
	for (unsigned t = 0; t < 256; t++) {
		result[CH_LINK_BOOT].tier = (enum ch_tier)t;
		bool good = t == CH_TIER_AFFIRMING || t == CH_TIER_WARNING;
		assert_int_equal(judged(NOW).tier, good ? t : CH_TIER_CONTRAINDICATED);
	}
}

static void a_policy_that_requires_nothing_trusts_nobody(void **state)
{
	(void)state;
	policy.required = 0;
	assert_int_equal(judged(NOW).tier, CH_TIER_CONTRAINDICATED);
	policy.required = 0x80;
	assert_int_equal(judged(NOW).tier, CH_TIER_CONTRAINDICATED);
}

static void names_go_both_ways(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CH_LINK_COUNT; i++) {
		enum ch_link link = CH_LINK_COUNT;
		assert_int_equal(ch_link_by_name(ch_span_str(ch_link_str((enum ch_link)i)), &link), CH_OK);
		assert_int_equal(link, i);
	}
	enum ch_link kept = CH_LINK_OS;
	assert_int_equal(ch_link_by_name(CH_SPAN_LIT("kernel"), &kept), CH_ERR_UNKNOWN);
	assert_int_equal(kept, CH_LINK_OS);
	assert_string_equal(ch_link_str(CH_LINK_COUNT), "unknown");
	assert_string_equal(ch_tier_str((enum ch_tier)1), "contraindicated");
	assert_string_equal(ch_tier_str(CH_TIER_NONE), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_that_is_required_affirms, setup),
		cmocka_unit_test_setup(the_worst_required_link_decides, setup),
		cmocka_unit_test_setup(a_required_link_that_nobody_judged_contraindicates, setup),
		cmocka_unit_test_setup(evidence_ages, setup),
		cmocka_unit_test_setup(a_clock_set_back_makes_nothing_stale, setup),
		cmocka_unit_test_setup(other_links_never_raise_and_never_lower_it, setup),
		cmocka_unit_test_setup(the_strongest_response_counts, setup),
		cmocka_unit_test_setup(what_is_no_tier_contraindicates, setup),
		cmocka_unit_test_setup(a_policy_that_requires_nothing_trusts_nobody, setup),
		cmocka_unit_test(names_go_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
