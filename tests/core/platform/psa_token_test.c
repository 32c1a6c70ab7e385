/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/psa_token.h"
#include "core/wire/cbor.h"
#include "tests/unit.h"

static const uint8_t zeros[65];
static const uint8_t ueid[34] = { 0x01 };

/* What a token is made of; each test changes one thing of a good one. */
struct make {
	enum ch_psa_profile profile;
	unsigned without; /* claims left out */
	size_t nonce, instance, implementation, seed, measurement, signer;
	int64_t client;
	uint64_t lifecycle;
	const char *reference;
	size_t components;
	unsigned with; /* optional claims put in */
	bool seed_2397;
};

static const struct make good = { CH_PSA_PROFILE_TFM,    0, 32, 33,   32, 32, 32, 48, -1, 0x3000,
				  "1234567890123-12345", 1, 0,  false };

static int64_t key(const struct make *m, enum ch_psa_claim claim)
{
	static const int32_t private_key[] = { -75000, -75008, -75009, -75003, -75001, -75002,
					       -75004, -75005, -75006, -75007, -75010 };
	static const int32_t eat_key[] = { 265, 10, 256, 2396, 2394, 2395, 268, 2398, 2399, 0, 2400 };
	return m->profile == CH_PSA_PROFILE_1 ? private_key[claim] : eat_key[claim];
}

static void put_components(struct ch_wr *w, const struct make *m)
{
	ch_cbor_put_array(w, m->components);
	for (size_t i = 0; i < m->components; i++) {
		ch_cbor_put_map(w, 2);
		ch_cbor_put_uint(w, 2);
		ch_cbor_put_bstr(w, ch_span(zeros, m->measurement));
		ch_cbor_put_uint(w, 5);
		ch_cbor_put_bstr(w, ch_span(zeros, m->signer));
	}
}

static void put_claim(struct ch_wr *w, const struct make *m, enum ch_psa_claim claim)
{
	ch_cbor_put_int(w, claim == CH_PSA_BOOT_SEED && m->seed_2397 ? 2397 : key(m, claim));
	switch (claim) {
	case CH_PSA_PROFILE:
		ch_cbor_put_tstr(w, ch_span_str(ch_psa_profile_str(m->profile)));
		break;
	case CH_PSA_NONCE:
		ch_cbor_put_bstr(w, ch_span(zeros, m->nonce));
		break;
	case CH_PSA_INSTANCE_ID:
		ch_cbor_put_bstr(w, ch_span(ueid, m->instance));
		break;
	case CH_PSA_IMPLEMENTATION_ID:
		ch_cbor_put_bstr(w, ch_span(zeros, m->implementation));
		break;
	case CH_PSA_CLIENT_ID:
		ch_cbor_put_int(w, m->client);
		break;
	case CH_PSA_LIFECYCLE:
		ch_cbor_put_uint(w, m->lifecycle);
		break;
	case CH_PSA_BOOT_SEED:
		ch_cbor_put_bstr(w, ch_span(zeros, m->seed));
		break;
	case CH_PSA_CERTIFICATION_REFERENCE:
		ch_cbor_put_tstr(w, ch_span_str(m->reference));
		break;
	case CH_PSA_SOFTWARE_COMPONENTS:
		put_components(w, m);
		break;
	case CH_PSA_NO_SOFTWARE_MEASUREMENTS:
		ch_cbor_put_uint(w, 1);
		break;
	default:
		ch_cbor_put_tstr(w, CH_SPAN_LIT("https://v"));
	}
}

static struct ch_span make(const struct make *m)
{
	static uint8_t buf[4096];
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	unsigned claims = ((1u << CH_PSA_CLAIM_COUNT) - 1) & ~(1u << CH_PSA_NO_SOFTWARE_MEASUREMENTS);
	claims = (claims & ~m->without) | m->with;
	size_t count = 0;
	for (size_t i = 0; i < CH_PSA_CLAIM_COUNT; i++)
		count += claims >> i & 1;
	ch_cbor_put_map(&w, count);
	for (size_t i = 0; i < CH_PSA_CLAIM_COUNT; i++) {
		if ((claims >> i & 1) != 0)
			put_claim(&w, m, (enum ch_psa_claim)i);
	}
	assert_false(w.bad);
	return ch_wr_span(&w);
}

static size_t judge(const struct make *m, struct ch_psa_fault *fault)
{
	struct ch_psa_token t;
	struct ch_diag d;
	assert_int_equal(ch_psa_token_parse(&t, make(m), &d), CH_OK);
	return ch_psa_token_check(&t, fault, 1);
}

static void breaks(const struct make *m, enum ch_psa_claim claim)
{
	struct ch_psa_fault fault = { 0 };
	assert_int_equal(judge(m, &fault), 1);
	assert_int_equal(fault.claim, claim);
	assert_non_null(fault.rule);
}

static enum ch_err parse(struct ch_span in)
{
	struct ch_psa_token t;
	struct ch_diag d;
	enum ch_err err = ch_psa_token_parse(&t, in, &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	assert_true(d.off <= in.n);
	assert_true(err == CH_OK || t.present == 0);
	return err;
}
#define PARSE(s) parse(CH_SPAN_LIT(s))

static void good_tokens_of_each_profile_hold(void **state)
{
	(void)state;
	struct make m = good;
	for (unsigned p = CH_PSA_PROFILE_1; p <= CH_PSA_PROFILE_TFM; p++) {
		m.profile = (enum ch_psa_profile)p;
		assert_int_equal(judge(&m, &(struct ch_psa_fault){ 0 }), 0);
	}
	m.profile = CH_PSA_PROFILE_2;
	m.seed_2397 = true;
	struct ch_psa_token t;
	assert_int_equal(ch_psa_token_parse(&t, make(&m), NULL), CH_OK);
	assert_true(ch_psa_has(&t, CH_PSA_BOOT_SEED));
	assert_int_equal(t.other_count, 0);
}

static void every_cut_and_a_trailing_byte_are_refused(void **state)
{
	(void)state;
	struct ch_span in = make(&good);
	for (size_t n = 0; n < in.n; n++)
		assert_int_not_equal(parse(ch_span(in.p, n)), CH_OK);
	assert_int_equal(parse(ch_span(in.p, in.n + 1)), CH_ERR_TRAILING);
}

static void flipped_bits_never_harm(void **state)
{
	(void)state;
	struct ch_span in = make(&good);
	uint8_t b[1024];
	struct ch_psa_fault fault[CH_PSA_FAULTS_MAX];
	for (size_t bit = 0; bit < 8 * in.n; bit++) {
		struct ch_psa_token t;
		size_t n = ch_span_copy(b, sizeof(b), in);
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (ch_psa_token_parse(&t, ch_span(b, n), NULL) == CH_OK)
			(void)ch_psa_token_check(&t, fault, CH_PSA_FAULTS_MAX);
	}
}

static void mandatory_claims_are_missed(void **state)
{
	(void)state;
	static const enum ch_psa_claim mandatory[] = {
		CH_PSA_PROFILE,   CH_PSA_NONCE,     CH_PSA_INSTANCE_ID,        CH_PSA_IMPLEMENTATION_ID,
		CH_PSA_CLIENT_ID, CH_PSA_LIFECYCLE, CH_PSA_SOFTWARE_COMPONENTS
	};
	for (size_t i = 0; i < CH_COUNT_OF(mandatory); i++) {
		struct make m = good;
		m.without = 1u << mandatory[i];
		breaks(&m, mandatory[i]);
	}
	struct make m = good;
	m.without = 1u << CH_PSA_BOOT_SEED | 1u << CH_PSA_CERTIFICATION_REFERENCE | 1u << CH_PSA_VERIFICATION_SERVICE;
	assert_int_equal(judge(&m, &(struct ch_psa_fault){ 0 }), 0);
	m.profile = CH_PSA_PROFILE_1;
	breaks(&m, CH_PSA_BOOT_SEED);
	m.without = 1u << CH_PSA_PROFILE;
	assert_int_equal(judge(&m, &(struct ch_psa_fault){ 0 }), 0);
}

static void lengths_are_exact(void **state)
{
	(void)state;
	static const size_t hash[] = { 31, 33, 47, 49, 63, 65 };
	for (size_t i = 0; i < CH_COUNT_OF(hash); i++) {
		struct make m = good;
		m.nonce = hash[i];
		breaks(&m, CH_PSA_NONCE);
		m = good;
		m.measurement = hash[i];
		breaks(&m, CH_PSA_SOFTWARE_COMPONENTS);
		m = good;
		m.signer = hash[i];
		breaks(&m, CH_PSA_SOFTWARE_COMPONENTS);
	}
	struct make m = good;
	m.instance = 32;
	breaks(&m, CH_PSA_INSTANCE_ID);
	m = good;
	m.implementation = 33;
	breaks(&m, CH_PSA_IMPLEMENTATION_ID);
	m = good;
	m.seed = 7;
	breaks(&m, CH_PSA_BOOT_SEED);
	m.seed = 8;
	assert_int_equal(judge(&m, &(struct ch_psa_fault){ 0 }), 0);
	m.profile = CH_PSA_PROFILE_1;
	breaks(&m, CH_PSA_BOOT_SEED);
}

static void values_are_of_their_range(void **state)
{
	(void)state;
	static const int64_t client[] = { 0, (int64_t)INT32_MAX + 1, (int64_t)INT32_MIN - 1 };
	static const uint64_t lifecycle[] = { 0x0100, 0x1100, 0x6100, 0x7000, 0x13000, UINT64_MAX };
	static const char *const reference[] = { "", "1234567890123", "123456789012-123456", "12345678901a3-12345",
						 "1234567890123-123456" };
	for (size_t i = 0; i < CH_COUNT_OF(client); i++) {
		struct make m = good;
		m.client = client[i];
		breaks(&m, CH_PSA_CLIENT_ID);
	}
	for (size_t i = 0; i < CH_COUNT_OF(lifecycle); i++) {
		struct make m = good;
		m.lifecycle = lifecycle[i];
		breaks(&m, CH_PSA_LIFECYCLE);
	}
	for (size_t i = 0; i < CH_COUNT_OF(reference); i++) {
		struct make m = good;
		m.reference = reference[i];
		breaks(&m, CH_PSA_CERTIFICATION_REFERENCE);
	}
	struct make m = good;
	m.profile = CH_PSA_PROFILE_1;
	m.reference = "1234567890123";
	assert_int_equal(judge(&m, &(struct ch_psa_fault){ 0 }), 0);
}

static void software_is_measured_or_not_in_profile_1(void **state)
{
	(void)state;
	struct make m = good;
	m.components = 0;
	breaks(&m, CH_PSA_SOFTWARE_COMPONENTS);
	m = good;
	m.profile = CH_PSA_PROFILE_1;
	m.with = 1u << CH_PSA_NO_SOFTWARE_MEASUREMENTS;
	breaks(&m, CH_PSA_SOFTWARE_COMPONENTS);
	m.without = 1u << CH_PSA_SOFTWARE_COMPONENTS;
	assert_int_equal(judge(&m, &(struct ch_psa_fault){ 0 }), 0);
	m.with = 0;
	breaks(&m, CH_PSA_SOFTWARE_COMPONENTS);
}

static void faults_past_the_room_are_counted(void **state)
{
	(void)state;
	struct ch_psa_token t;
	struct make m = good;
	m.components = 8;
	m.measurement = 1;
	m.signer = 1;
	assert_int_equal(ch_psa_token_parse(&t, make(&m), NULL), CH_OK);
	struct ch_psa_fault fault[2] = { 0 };
	assert_int_equal(ch_psa_token_check(&t, fault, 1), 16);
	assert_int_equal(fault[0].component, 0);
	assert_null(fault[1].rule);
}

static void other_profiles_are_unsupported(void **state)
{
	(void)state;
	assert_int_equal(PARSE("\xa1\x19\x01\x09\x61x"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xa1\x19\x01\x09\x41x"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xa0"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xa1\x0a\x40"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xc1\xa0"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\x80"), CH_ERR_MALFORMED);
}

static void claims_have_their_types_and_are_there_once(void **state)
{
	(void)state;
	assert_int_equal(PARSE("\xa2\x0a\x81\x40\x19\x09\x5a\x01"), CH_ERR_MALFORMED); /* an array of nonces */
	assert_int_equal(PARSE("\xa1\x19\x09\x5a\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xa1\x19\x09\x5b\x20"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xa1\x19\x09\x60\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xa1\x19\x09\x5f\xa0"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xa1\x19\x09\x5f\x81\x80"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xa1\x19\x09\x5f\x81\xa2\x02\x40\x02\x40"), CH_ERR_DUPLICATE);
	assert_int_equal(PARSE("\xa2\x19\x09\x5a\x01\x19\x09\x5a\x01"), CH_ERR_DUPLICATE);
	assert_int_equal(PARSE("\xa2\x19\x09\x5a\x01\x1a\x00\x00\x09\x5a\x01"), CH_ERR_DUPLICATE);
	assert_int_equal(PARSE("\xa2\x61x\x00\x61x\x00"), CH_ERR_DUPLICATE);
	assert_int_equal(PARSE("\xa2\x40\x00\x19\x09\x5a\x01"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xbf\x19\x09\x5a\x01\xff"), CH_ERR_ENCODING);
	/* Both keys of the boot seed of profile 2. */
	assert_int_equal(PARSE("\xa3\x19\x01\x09\x78\x18http://arm.com/psa/2.0.0\x19\x01\x0c\x40\x19\x09\x5d\x40"),
			 CH_ERR_DUPLICATE);
}

static void counts_are_limited(void **state)
{
	(void)state;
	struct make m = good;
	m.measurement = 0;
	m.signer = 0;
	m.components = CH_PSA_SW_MAX;
	assert_int_equal(parse(make(&m)), CH_OK);
	m.components = CH_PSA_SW_MAX + 1;
	assert_int_equal(parse(make(&m)), CH_ERR_LIMIT);
	uint8_t b[512];
	for (size_t count = CH_PSA_CLAIMS_MAX; count <= CH_PSA_CLAIMS_MAX + 1; count++) {
		struct ch_wr w = ch_wr(b, sizeof(b));
		ch_cbor_put_map(&w, count);
		for (size_t i = 0; i < count; i++) {
			ch_cbor_put_uint(&w, 2400 + i);
			ch_cbor_put_tstr(&w, CH_SPAN_LIT(""));
		}
		assert_int_equal(parse(ch_wr_span(&w)), count > CH_PSA_CLAIMS_MAX ? CH_ERR_LIMIT : CH_OK);
		w = ch_wr(b, sizeof(b));
		ch_cbor_put_map(&w, 1);
		ch_cbor_put_uint(&w, 2399);
		ch_cbor_put_array(&w, 1);
		ch_cbor_put_map(&w, count);
		for (size_t i = 0; i < count; i++) {
			ch_cbor_put_uint(&w, 100 + i);
			ch_cbor_put_uint(&w, 0);
		}
		assert_int_equal(parse(ch_wr_span(&w)), CH_ERR_LIMIT);
	}
}

static void unknown_claims_are_passed_over_and_kept(void **state)
{
	(void)state;
	struct ch_psa_token t;
	struct ch_span k;
	struct ch_span v;
	struct ch_span in = CH_SPAN_LIT("\xa4\x19\x09\x5a\x01\x06\x82\x01\x02\x61n\xf5\x19\x09\x5f\x81\xa1\x03\x00");
	assert_int_equal(ch_psa_token_parse(&t, in, NULL), CH_OK);
	assert_int_equal(t.other_count, 2);
	assert_int_equal(t.sw_count, 1);
	assert_true(ch_psa_token_other(&t, 0, &k, &v));
	assert_span_equal(v, "\x82\x01\x02", 3);
	assert_true(ch_psa_token_other(&t, 1, &k, &v));
	assert_span_equal(k, "\x61n", 2);
	assert_false(ch_psa_token_other(&t, 2, &k, &v));
	assert_int_equal(k.n, 0);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(ch_psa_claim_str(CH_PSA_NONCE), "nonce");
	assert_string_equal(ch_psa_claim_str(CH_PSA_CLAIM_COUNT), "");
	assert_string_equal(ch_psa_sw_field_str(CH_PSA_SW_SIGNER_ID), "signer_id");
	assert_string_equal(ch_psa_sw_field_str(CH_PSA_SW_FIELD_COUNT), "");
	assert_string_equal(ch_psa_profile_str((enum ch_psa_profile)9), "");
	assert_string_equal(ch_psa_state_str(ch_psa_lifecycle_state(0x30ff)), "secured");
	assert_string_equal(ch_psa_state_str(ch_psa_lifecycle_state(0x3100)), "invalid");
	assert_string_equal(ch_psa_state_str((enum ch_psa_state)99), "invalid");
	assert_true(ch_psa_state_trusted(ch_psa_lifecycle_state(0x4000)));
	assert_false(ch_psa_state_trusted(ch_psa_lifecycle_state(0x5000)));
	assert_false(ch_psa_state_trusted((enum ch_psa_state)99));
	assert_string_equal(ch_eat_claim_str(263), "dbgstat");
	assert_null(ch_eat_claim_str(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_tokens_of_each_profile_hold),
		cmocka_unit_test(every_cut_and_a_trailing_byte_are_refused),
		cmocka_unit_test(flipped_bits_never_harm),
		cmocka_unit_test(mandatory_claims_are_missed),
		cmocka_unit_test(lengths_are_exact),
		cmocka_unit_test(values_are_of_their_range),
		cmocka_unit_test(software_is_measured_or_not_in_profile_1),
		cmocka_unit_test(faults_past_the_room_are_counted),
		cmocka_unit_test(other_profiles_are_unsupported),
		cmocka_unit_test(claims_have_their_types_and_are_there_once),
		cmocka_unit_test(counts_are_limited),
		cmocka_unit_test(unknown_claims_are_passed_over_and_kept),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests_name("psa_token", tests, NULL, NULL);
}
