/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/keys.h"

#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

static struct {
	uint8_t x[32], y[32];
	struct ch_pub pub;
} one, two;

static void make(uint8_t x[static 32], uint8_t y[static 32], struct ch_pub *pub)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	BIGNUM *bn = NULL;
	assert_int_equal(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &bn), 1);
	assert_int_equal(BN_bn2binpad(bn, x, 32), 32);
	assert_int_equal(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &bn), 1);
	assert_int_equal(BN_bn2binpad(bn, y, 32), 32);
	BN_free(bn);
	EVP_PKEY_free(pkey);
	*pub = (struct ch_pub){ CH_KEY_P256, ch_span(x, 32), ch_span(y, 32) };
}

static int setup(void **state)
{
	(void)state;
	make(one.x, one.y, &one.pub);
	make(two.x, two.y, &two.pub);
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

static void a_key_is_made_ready_once(void **state)
{
	(void)state;
	struct ch_keys k = { NULL };
	static const uint8_t a[16] = { 1 }, b[16] = { 2 };
	const struct ch_verify_key *first = ch_keys_get(&k, a, &one.pub);
	assert_non_null(first);
	void *ready = first->state;
	assert_non_null(ch_keys_get(&k, b, &two.pub));
	assert_ptr_equal(ch_keys_get(&k, a, &one.pub)->state, ready);
	ch_keys_clear(&k);
}

static void another_key_of_the_device_is_another_key(void **state)
{
	(void)state;
	struct ch_keys k = { NULL };
	static const uint8_t a[16] = { 1 };
	assert_non_null(ch_keys_get(&k, a, &one.pub));
	/* The same bytes, cut elsewhere, are no key; and the old one is not given out for them. */
	struct ch_pub cut = { CH_KEY_P256, ch_span(one.x, 31), ch_span(one.y, 32) };
	assert_null(ch_keys_get(&k, a, &cut));
	const struct ch_verify_key *now = ch_keys_get(&k, a, &two.pub);
	assert_non_null(now);
	assert_int_equal(now->type, CH_KEY_P256);
	ch_keys_clear(&k);
}

static void devices_of_one_place_do_not_share_a_key(void **state)
{
	(void)state;
	struct ch_keys k = { NULL };
	static const uint8_t a[16] = { 1 }, b[16] = { 1, 0, 9 };
	static const uint8_t digest[32] = { 7 };
	assert_non_null(ch_keys_get(&k, a, &one.pub));
	const struct ch_verify_key *other = ch_keys_get(&k, b, &two.pub);
	assert_non_null(other);
	struct ch_sig sig = { CH_SIG_ECDSA, CH_HASH_SHA256, CH_SPAN_OF(digest), CH_SPAN_OF(digest),
			      CH_PSS_SALT_DIGEST };
	assert_int_equal(ch_verify_digest(other, &sig, CH_SPAN_OF(digest)), CH_ERR_SIGNATURE);
	assert_ptr_equal(ch_keys_get(&k, b, &two.pub), other);
	ch_keys_clear(&k);
	ch_keys_clear(&k);
}

static void what_is_no_key_is_none(void **state)
{
	(void)state;
	struct ch_keys k = { NULL };
	static const uint8_t a[16] = { 1 };
	struct ch_pub off = { CH_KEY_P256, CH_SPAN_OF(one.x), CH_SPAN_OF(two.y) };
	assert_null(ch_keys_get(&k, a, &off));
	assert_null(ch_keys_get(&k, a, &off));
	assert_non_null(ch_keys_get(&k, a, &one.pub));
	ch_keys_clear(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_made_ready_once),
		cmocka_unit_test(another_key_of_the_device_is_another_key),
		cmocka_unit_test(devices_of_one_place_do_not_share_a_key),
		cmocka_unit_test(what_is_no_key_is_none),
	};
	return cmocka_run_group_tests_name("keys", tests, setup, NULL);
}
