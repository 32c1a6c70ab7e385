/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/policy.h"

#include "tests/unit.h"

static struct ch_policy policy;
static uint8_t image[CH_POLICY_IMAGE_MAX + 1];

static int setup(void **state)
{
	(void)state;
	policy = (struct ch_policy){
		.class = CH_SPAN_LIT("gateway"),
		.required = 1u << CH_LINK_PLATFORM | 1u << CH_LINK_BOOT,
		.release = CH_RELEASE_AUTOMATIC,
		.on_stale = CH_RESPONSE_ALERT,
		.interval = 600,
		.lifetime = 30 * 24 * 3600,
		.two_signatures = 1u << CH_VERB_DEVICE_REVOKE,
		.ek = CH_EK_ANY_ROOT,
		.token = true,
		.daily_mib = 64,
		.mend = true,
	};
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		policy.on_break[i] = (enum ch_response)(1 + i % 4);
		policy.max_age[i] = 3600 + (uint32_t)i;
	}
	return 0;
}

static struct ch_span put(void)
{
	struct ch_wr w = ch_wr(image, CH_POLICY_IMAGE_MAX);
	assert_int_equal(ch_policy_put(&w, &policy), CH_OK);
	return ch_wr_span(&w);
}

static enum ch_err refused(struct ch_span in)
{
	struct ch_policy p;
	struct ch_diag d;
	enum ch_err err = ch_policy_parse(&p, in, &d);
	assert_int_not_equal(err, CH_OK);
	assert_non_null(d.rule);
	assert_true(d.off <= in.n);
	assert_int_equal(p.required, 0);
	assert_int_equal(p.class.n, 0);
	return err;
}

static void what_was_written_is_read(void **state)
{
	(void)state;
	struct ch_policy p;
	struct ch_span in = put();
	assert_int_equal(in.n, 68 + 7);
	assert_int_equal(ch_policy_parse(&p, in, NULL), CH_OK);
	assert_true(ch_span_eq(p.class, policy.class));
	assert_int_equal(p.required, policy.required);
	assert_int_equal(p.release, policy.release);
	assert_memory_equal(p.on_break, policy.on_break, sizeof(p.on_break));
	assert_memory_equal(p.max_age, policy.max_age, sizeof(p.max_age));
	assert_int_equal(p.on_stale, policy.on_stale);
	assert_int_equal(p.interval, 600);
	assert_int_equal(p.lifetime, policy.lifetime);
	assert_int_equal(p.two_signatures, policy.two_signatures);
	assert_int_equal(p.ek, CH_EK_ANY_ROOT);
	assert_true(p.token);
	assert_int_equal(p.daily_mib, 64);
	assert_true(p.mend);
}

/* What older stores have: an image of version 3 without what came between byte `from` and the class. */
static void an_image_of_an_older_version_is_read(void **state)
{
	(void)state;
	static const struct {
		uint8_t version;
		size_t from;
		uint32_t daily_mib;
	} row[] = { { 1, 62, CH_POLICY_DAILY_DEFAULT }, { 2, 66, 7 } };
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct ch_policy p;
		uint8_t old[CH_POLICY_IMAGE_MAX];
		policy.daily_mib = 7;
		policy.mend = true;
		struct ch_span in = put();
		struct ch_wr w = ch_wr(old, sizeof(old));
		ch_wr_put(&w, ch_span_sub(in, 0, row[i].from));
		ch_wr_put(&w, ch_span_sub(in, 67, in.n - 67));
		old[9] = row[i].version;
		assert_int_equal(ch_policy_parse(&p, ch_wr_span(&w), NULL), CH_OK);
		assert_true(ch_span_eq(p.class, policy.class));
		assert_int_equal(p.daily_mib, row[i].daily_mib);
		assert_false(p.mend);
		for (size_t n = 0; n < w.len; n++)
			assert_int_equal(refused(ch_span(old, n)), CH_ERR_TRUNCATED);
	}
}

static void the_longest_fits(void **state)
{
	(void)state;
	static const char name[CH_NAME_MAX + 2] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	policy.class = ch_span(name, CH_NAME_MAX);
	assert_int_equal(put().n, CH_POLICY_IMAGE_MAX);
	policy.class = ch_span(name, CH_NAME_MAX + 1);
	struct ch_wr w = ch_wr(image, sizeof(image));
	assert_int_equal(ch_policy_put(&w, &policy), CH_ERR_RANGE);
	assert_int_equal(w.len, 0);
}

static void every_cut_is_truncated_and_a_trailing_byte_refused(void **state)
{
	(void)state;
	struct ch_span in = put();
	for (size_t n = 0; n < in.n; n++)
		assert_int_equal(refused(ch_span(in.p, n)), CH_ERR_TRUNCATED);
	image[in.n] = 0;
	assert_int_equal(refused(ch_span(image, in.n + 1)), CH_ERR_TRAILING);
}

static void no_flipped_bit_reads_as_the_same(void **state)
{
	(void)state;
	struct ch_span in = put();
	for (size_t bit = 0; bit < in.n * 8; bit++) {
		struct ch_policy p;
		uint8_t again[CH_POLICY_IMAGE_MAX];
		image[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (ch_policy_parse(&p, in, NULL) == CH_OK) {
			struct ch_wr w = ch_wr(again, sizeof(again));
			assert_int_equal(ch_policy_put(&w, &p), CH_OK);
			assert_true(ch_span_eq(ch_wr_span(&w), in));
		}
		image[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void another_magic_or_version_is_refused(void **state)
{
	(void)state;
	struct ch_span in = put();
	image[0] ^= 1;
	assert_int_equal(refused(in), CH_ERR_MALFORMED);
	image[0] ^= 1;
	image[9] = 4;
	assert_int_equal(refused(in), CH_ERR_UNSUPPORTED);
	image[9] = 0;
	assert_int_equal(refused(in), CH_ERR_UNSUPPORTED);
}

/* Offsets of the fields that hold a choice, and their largest value. */
static void a_choice_that_is_none_is_refused(void **state)
{
	(void)state;
	static const struct {
		size_t off;
		uint8_t max;
	} choice[] = { { 11, 2 }, { 12, 4 }, { 18, 4 }, { 19, 4 }, { 60, 2 }, { 61, 2 } };
	struct ch_span in = put();
	for (size_t i = 0; i < CH_COUNT_OF(choice); i++) {
		uint8_t kept = image[choice[i].off];
		for (unsigned v = 0; v < 256; v++) {
			struct ch_policy p;
			image[choice[i].off] = (uint8_t)v;
			bool good = v >= 1 && v <= choice[i].max;
			assert_int_equal(ch_policy_parse(&p, in, NULL), good ? CH_OK : CH_ERR_RANGE);
		}
		image[choice[i].off] = kept;
	}
}

#define REFUSED(change)                                                      \
	do {                                                                 \
		setup(NULL);                                                 \
		change;                                                      \
		struct ch_wr w_ = ch_wr(image, sizeof(image));               \
		assert_int_equal(ch_policy_put(&w_, &policy), CH_ERR_RANGE); \
		assert_int_equal(w_.len, 0);                                 \
	} while (0)

static void a_policy_without_meaning_is_not_written(void **state)
{
	(void)state;
	REFUSED(policy.class = CH_SPAN_EMPTY);
	REFUSED(policy.class = CH_SPAN_LIT("Gateway"));
	REFUSED(policy.class = CH_SPAN_LIT("-gateway"));
	REFUSED(policy.class = CH_SPAN_LIT("gate way"));
	REFUSED(policy.required = 0);
	REFUSED(policy.required = 0x81);
	REFUSED(policy.interval = CH_POLICY_AGE_MIN - 1);
	REFUSED(policy.interval = 3601);
	REFUSED(policy.max_age[CH_LINK_SBOM] = CH_POLICY_AGE_MIN - 1);
	REFUSED(policy.max_age[CH_LINK_SBOM] = CH_POLICY_AGE_MAX + 1);
	REFUSED(policy.lifetime = CH_POLICY_LIFETIME_MIN - 1);
	REFUSED(policy.lifetime = CH_POLICY_LIFETIME_MAX + 1);
	REFUSED(policy.daily_mib = 0);
	REFUSED(policy.daily_mib = CH_POLICY_DAILY_MAX + 1);
	REFUSED(policy.two_signatures = 1u << CH_VERB_COUNT);
	REFUSED((void)memset(&policy, 0, sizeof(policy)));
}

static void two_signatures_where_the_policy_says_so(void **state)
{
	(void)state;
	assert_int_equal(ch_policy_signatures(&policy, CH_VERB_DEVICE_REVOKE), 2);
	assert_int_equal(ch_policy_signatures(&policy, CH_VERB_DEVICE_QUARANTINE), 1);
	assert_int_equal(ch_policy_signatures(&policy, CH_VERB_DEVICE_RELEASE), 1);
	policy.release = CH_RELEASE_TWO_OPERATORS;
	assert_int_equal(ch_policy_signatures(&policy, CH_VERB_DEVICE_RELEASE), 2);
	assert_int_equal(ch_policy_signatures(&policy, CH_VERB_COUNT), 2);
}

static void response_names_go_both_ways(void **state)
{
	(void)state;
	for (unsigned i = CH_RESPONSE_OBSERVE; i <= CH_RESPONSE_QUARANTINE; i++) {
		enum ch_response back;
		assert_int_equal(ch_response_by_name(ch_span_str(ch_response_str((enum ch_response)i)), &back), CH_OK);
		assert_int_equal(back, i);
	}
	enum ch_response kept = CH_RESPONSE_ALERT;
	assert_int_equal(ch_response_by_name(CH_SPAN_LIT("unknown"), &kept), CH_ERR_UNKNOWN);
	assert_int_equal(kept, CH_RESPONSE_ALERT);
	assert_string_equal(ch_response_str((enum ch_response)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_written_is_read, setup),
		cmocka_unit_test_setup(an_image_of_an_older_version_is_read, setup),
		cmocka_unit_test_setup(the_longest_fits, setup),
		cmocka_unit_test_setup(every_cut_is_truncated_and_a_trailing_byte_refused, setup),
		cmocka_unit_test_setup(no_flipped_bit_reads_as_the_same, setup),
		cmocka_unit_test_setup(another_magic_or_version_is_refused, setup),
		cmocka_unit_test_setup(a_choice_that_is_none_is_refused, setup),
		cmocka_unit_test(a_policy_without_meaning_is_not_written),
		cmocka_unit_test_setup(two_signatures_where_the_policy_says_so, setup),
		cmocka_unit_test(response_names_go_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
