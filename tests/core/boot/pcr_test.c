/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/pcr.h"
#include "tests/unit.h"

static struct ch_pcrs pcrs;

static void reset_values_are_zeros_and_ones_for_drtm(void **state)
{
	(void)state;
	ch_pcrs_init(&pcrs);
	struct ch_pcr_bank *bank = ch_pcrs_add(&pcrs, CH_HASH_SHA384);
	assert_non_null(bank);
	assert_int_equal(bank->size, 48);
	for (uint32_t i = 0; i < CH_PCR_COUNT; i++) {
		uint8_t byte = i >= CH_PCR_DRTM_FIRST && i <= CH_PCR_DRTM_LAST ? 0xff : 0;
		assert_int_equal(ch_pcr_value(bank, i).n, 48);
		assert_true(ch_span_all(ch_pcr_value(bank, i), byte));
	}
	assert_int_equal(bank->touched, 0);
	assert_int_equal(bank->started, 0);
	assert_int_equal(ch_pcr_value(bank, CH_PCR_COUNT).n, 0);
}

static void a_bank_is_added_once_and_found_again(void **state)
{
	(void)state;
	ch_pcrs_init(&pcrs);
	struct ch_pcr_bank *bank = ch_pcrs_add(&pcrs, CH_HASH_SHA1);
	assert_ptr_equal(ch_pcrs_add(&pcrs, CH_HASH_SHA1), bank);
	assert_ptr_equal(ch_pcrs_get(&pcrs, CH_HASH_SHA1), bank);
	assert_ptr_equal(ch_pcrs_find(&pcrs, CH_HASH_SHA1), bank);
	assert_int_equal(pcrs.count, 1);
	assert_null(ch_pcrs_get(&pcrs, CH_HASH_SHA256));
	assert_null(ch_pcrs_find(&pcrs, CH_HASH_SHA256));
}

static void what_cannot_be_computed_is_not_added(void **state)
{
	(void)state;
	ch_pcrs_init(&pcrs);
	assert_null(ch_pcrs_add(&pcrs, CH_HASH_NONE));
	assert_null(ch_pcrs_add(&pcrs, (enum ch_hash_alg)0x1234));
	assert_int_equal(pcrs.count, 0);
	pcrs.count = CH_TCG_BANKS_MAX;
	for (size_t i = 0; i < pcrs.count; i++)
		pcrs.bank[i].alg = CH_HASH_NONE;
	assert_null(ch_pcrs_add(&pcrs, CH_HASH_SHA256));
}

static void extend_hashes_old_value_and_digest(void **state)
{
	(void)state;
	ch_pcrs_init(&pcrs);
	struct ch_pcr_bank *bank = ch_pcrs_add(&pcrs, CH_HASH_SHA256);
	uint8_t message[64] = { 0 };
	struct ch_digest want;
	memset(message + 32, 0x5a, 32);
	assert_int_equal(ch_hash_once(CH_HASH_SHA256, CH_SPAN_OF(message), &want), CH_OK);
	assert_true(ch_pcr_bank_extend(bank, 7, ch_span(message + 32, 32)));
	assert_span_equal(ch_pcr_value(bank, 7), want.b, 32);
	assert_int_equal(bank->touched, 1 << 7);
	assert_true(ch_span_all(ch_pcr_value(bank, 6), 0));
}

static void extend_refuses_what_does_not_fit(void **state)
{
	(void)state;
	uint8_t digest[CH_DIGEST_MAX] = { 0 };
	ch_pcrs_init(&pcrs);
	struct ch_pcr_bank *bank = ch_pcrs_add(&pcrs, CH_HASH_SHA256);
	assert_false(ch_pcr_bank_extend(bank, CH_PCR_COUNT, ch_span(digest, 32)));
	assert_false(ch_pcr_bank_extend(bank, UINT32_MAX, ch_span(digest, 32)));
	assert_false(ch_pcr_bank_extend(bank, 0, ch_span(digest, 31)));
	assert_false(ch_pcr_bank_extend(bank, 0, ch_span(digest, 33)));
	assert_false(ch_pcr_bank_extend(bank, 0, CH_SPAN_EMPTY));
	bank->alg = CH_HASH_SM3_256; /* known, but no backend of ours computes it */
	assert_false(ch_pcr_bank_extend(bank, 0, ch_span(digest, 32)));
	assert_int_equal(bank->touched, 0);
	assert_true(ch_span_all(ch_pcr_value(bank, 0), 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_values_are_zeros_and_ones_for_drtm),
		cmocka_unit_test(a_bank_is_added_once_and_found_again),
		cmocka_unit_test(what_cannot_be_computed_is_not_added),
		cmocka_unit_test(extend_hashes_old_value_and_digest),
		cmocka_unit_test(extend_refuses_what_does_not_fit),
	};
	return cmocka_run_group_tests_name("pcr", tests, NULL, NULL);
}
