/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/ca_key.h"
#include "tests/unit.h"

/* The CA's key in a token, which the test plays: what waits, waits until a signature holds. */

static struct ch_sign_key token;
static struct ch_ca_key ca;
static struct {
	uint64_t id;
	uint8_t digest[32];
} asked[8];
static size_t asked_count;
static bool token_runs;

static struct {
	size_t count;
	bool signed_;
	char tbs[16];
} done[2];

static void ask(void *ctx, uint64_t id, const uint8_t digest[static 32])
{
	assert_ptr_equal(ctx, &token);
	if (!token_runs)
		return;
	asked[asked_count].id = id;
	(void)memcpy(asked[asked_count++].digest, digest, 32);
}

static void take(void *own, struct ch_span tbs, const uint8_t *sig)
{
	size_t i = (size_t)(uintptr_t)own;
	done[i].count++;
	done[i].signed_ = sig != NULL;
	done[i].tbs[ch_span_copy(done[i].tbs, sizeof(done[i].tbs) - 1, tbs)] = '\0';
}

static int setup(void **state)
{
	struct ch_pubkey pub;
	(void)state;
	assert_int_equal(ch_sign_key_make(&token, CH_KEY_P256), CH_OK);
	assert_int_equal(ch_sign_key_pub(&token, &pub), CH_OK);
	ca = (struct ch_ca_key){ .ask = ask, .ctx = &token };
	assert_int_equal(ch_ca_key_init(&ca, &pub.pub), CH_OK);
	asked_count = 0;
	token_runs = true;
	(void)memset(done, 0, sizeof(done));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ch_ca_key_clear(&ca);
	ch_sign_key_clear(&token);
	return 0;
}

static void sign_first(void)
{
	ch_ca_sign(&ca, CH_SPAN_LIT("first"), take, (void *)(uintptr_t)0);
}

static void a_signature_comes_later(void **state)
{
	uint8_t sig[64];
	(void)state;
	sign_first();
	assert_int_equal(asked_count, 1);
	assert_int_equal(done[0].count, 0);
	assert_int_equal(ch_sign_message(&token, CH_SPAN_LIT("first"), sig), CH_OK);
	assert_int_equal(ch_ca_signed(&ca, asked[0].id, sig), CH_OK);
	assert_int_equal(done[0].count, 1);
	assert_true(done[0].signed_);
	assert_string_equal(done[0].tbs, "first");
	/* Answered twice, as after a restart: once is enough. */
	assert_int_equal(ch_ca_signed(&ca, asked[0].id, sig), CH_OK);
	assert_int_equal(done[0].count, 1);
	assert_int_equal(ca.count, 0);
}

static void what_does_not_hold_is_not_taken(void **state)
{
	uint8_t sig[64];
	(void)state;
	sign_first();
	assert_int_equal(ch_sign_message(&token, CH_SPAN_LIT("other"), sig), CH_OK);
	assert_int_equal(ch_ca_signed(&ca, asked[0].id, sig), CH_ERR_SIGNATURE);
	assert_int_equal(done[0].count, 0);
	assert_int_equal(ch_sign_message(&token, CH_SPAN_LIT("first"), sig), CH_OK);
	sig[63] ^= 1;
	assert_int_equal(ch_ca_signed(&ca, asked[0].id, sig), CH_ERR_SIGNATURE);
	sig[63] ^= 1;
	assert_int_equal(ch_ca_signed(&ca, asked[0].id + 1, sig), CH_OK);
	assert_int_equal(done[0].count, 0);
	assert_int_equal(ch_ca_signed(&ca, asked[0].id, sig), CH_OK);
	assert_true(done[0].signed_);
}

static void a_new_token_is_asked_for_all_in_their_order(void **state)
{
	uint8_t sig[64];
	(void)state;
	token_runs = false;
	sign_first();
	ch_ca_sign(&ca, CH_SPAN_LIT("second"), take, (void *)(uintptr_t)1);
	assert_int_equal(asked_count, 0);
	assert_int_equal(ca.count, 2);
	token_runs = true;
	ch_ca_ask_again(&ca);
	assert_int_equal(asked_count, 2);
	assert_true(asked[0].id < asked[1].id);
	assert_int_equal(ch_sign_message(&token, CH_SPAN_LIT("second"), sig), CH_OK);
	assert_int_equal(ch_ca_signed(&ca, asked[1].id, sig), CH_OK);
	assert_int_equal(done[1].count, 1);
	assert_int_equal(done[0].count, 0);
	ch_ca_ask_again(&ca);
	assert_int_equal(asked_count, 3);
	assert_int_equal(asked[2].id, asked[0].id);
	assert_memory_equal(asked[2].digest, asked[0].digest, 32);
}

static void too_many_are_refused_and_none_is_forgotten(void **state)
{
	(void)state;
	token_runs = false;
	for (size_t i = 0; i < CH_CA_WAITING_MAX; i++)
		sign_first();
	assert_int_equal(done[0].count, 0);
	ch_ca_sign(&ca, CH_SPAN_LIT("one more"), take, (void *)(uintptr_t)1);
	assert_int_equal(done[1].count, 1);
	assert_false(done[1].signed_);
	ch_ca_key_clear(&ca);
	assert_int_equal(done[0].count, CH_CA_WAITING_MAX);
	assert_false(done[0].signed_);
}

static void a_key_of_this_process_signs_at_once(void **state)
{
	(void)state;
	assert_int_equal(ch_sign_key_make(&ca.key, CH_KEY_P256), CH_OK);
	sign_first();
	assert_int_equal(done[0].count, 1);
	assert_true(done[0].signed_);
	assert_int_equal(asked_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_signature_comes_later, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_hold_is_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_token_is_asked_for_all_in_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_are_refused_and_none_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_of_this_process_signs_at_once, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
