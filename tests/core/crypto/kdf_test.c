/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/kdf.h"

#include "core/base/text.h"
#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

/*
 * The wanted bytes are from `openssl kdf`: KBKDF (HMAC, counter) is KDFa, SSKDF is KDFe with label, NUL and both parties' information
 * as its one info.
 */
static uint8_t key[32], name[34], u[48], v[48];

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	memset(name, 0xaa, sizeof(name));
	name[0] = 0;
	name[1] = 0x0b;
	memset(u, 0x11, sizeof(u));
	memset(v, 0x22, sizeof(v));
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

static void assert_hex(const uint8_t *bytes, size_t n, const char *hex)
{
	uint8_t want[CH_KDF_MAX];
	assert_int_equal(ch_hex_decode(want, n, ch_span_str(hex)), CH_OK);
	assert_memory_equal(bytes, want, n);
}

static void kdfa(enum ch_hash_alg alg, const char *label, struct ch_span context, size_t n, const char *hex)
{
	uint8_t out[CH_KDF_MAX];
	assert_int_equal(ch_kdfa(alg, CH_SPAN_OF(key), label, context, CH_SPAN_EMPTY, out, n), CH_OK);
	assert_hex(out, n, hex);
}

static void kdfa_is_the_counter_mode(void **state)
{
	(void)state;
	kdfa(CH_HASH_SHA256, "STORAGE", CH_SPAN_OF(name), 16, "0415b32b6f43896a87e7b29be8f2ac14");
	kdfa(CH_HASH_SHA256, "INTEGRITY", CH_SPAN_EMPTY, 32,
	     "bacf689f634ece301e1f1b15b072d9c87db6a69585db42b1a0cb8f73ebe2692e");
	kdfa(CH_HASH_SHA384, "INTEGRITY", CH_SPAN_LIT("\x01\x02\x03\x04"), 48,
	     "8782a42db381efcbe050182587f7ce1ada7d544838e34a24db0df7ddd0da26b4ec9a347f01484e2da4c12bb97e7b388e");
	kdfa(CH_HASH_SHA256, "STORAGE", CH_SPAN_OF(name), 80,
	     "7a8367072f496198819a34101c826908afd931e43ad15eaf1985e10756e85573ffa52a54852d3d306dd2fce495c80022"
	     "032f6ee88901d2220edfd4a954f3ae4d09c093776d8b281c3073ab1a8275f8c1");
}

static void kdfa_takes_both_contexts(void **state)
{
	(void)state;
	uint8_t one[16], two[16];
	assert_int_equal(
		ch_kdfa(CH_HASH_SHA256, CH_SPAN_OF(key), "STORAGE", CH_SPAN_OF(name), CH_SPAN_EMPTY, one, sizeof(one)),
		CH_OK);
	assert_int_equal(ch_kdfa(CH_HASH_SHA256, CH_SPAN_OF(key), "STORAGE", ch_span(name, 20), ch_span(name + 20, 14),
				 two, sizeof(two)),
			 CH_OK);
	assert_memory_equal(one, two, sizeof(one));
}

static void kdfe(enum ch_hash_alg alg, size_t party, size_t n, const char *hex)
{
	uint8_t out[CH_KDF_MAX];
	assert_int_equal(ch_kdfe(alg, CH_SPAN_OF(key), "IDENTITY", ch_span(u, party), ch_span(v, party), out, n),
			 CH_OK);
	assert_hex(out, n, hex);
}

static void kdfe_is_the_concatenation(void **state)
{
	(void)state;
	kdfe(CH_HASH_SHA256, 32, 32, "cbce7a80e1b35da754dc24ec97f8c9ef9281bf9944c930765256ae6ea7d59f0e");
	kdfe(CH_HASH_SHA384, 48, 48,
	     "15c4a8e4e5ee67480032c8fcd69ea0f8c9dbe33f30b48b160afc63dc3e1b27bb8be0bebb26e730aef333496c31329d08");
	kdfe(CH_HASH_SHA256, 1, 70,
	     "87d73aa346cb93f39bef6c5edcf02937bf2ccd56af4195363578138db45eab0c2b112d6eef0dfb60532d39106a423de7"
	     "4fbad8d7a5eeb74ce6144bb25fb477f5b2aba718b426");
}

static void what_cannot_be_derived_leaves_nothing(void **state)
{
	(void)state;
	uint8_t out[CH_KDF_MAX + 1];
	memset(out, 0x55, sizeof(out));
	assert_int_equal(ch_kdfa(CH_HASH_SHA3_256, CH_SPAN_OF(key), "STORAGE", CH_SPAN_EMPTY, CH_SPAN_EMPTY, out, 16),
			 CH_ERR_UNSUPPORTED);
	assert_true(ch_span_all(ch_span(out, 16), 0));
	memset(out, 0x55, sizeof(out));
	assert_int_equal(ch_kdfe(CH_HASH_NONE, CH_SPAN_OF(key), "IDENTITY", CH_SPAN_EMPTY, CH_SPAN_EMPTY, out, 16),
			 CH_ERR_UNSUPPORTED);
	assert_true(ch_span_all(ch_span(out, 16), 0));
	assert_int_equal(
		ch_kdfa(CH_HASH_SHA256, CH_SPAN_OF(key), "STORAGE", CH_SPAN_EMPTY, CH_SPAN_EMPTY, out, sizeof(out)),
		CH_ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kdfa_is_the_counter_mode),
		cmocka_unit_test(kdfa_takes_both_contexts),
		cmocka_unit_test(kdfe_is_the_concatenation),
		cmocka_unit_test(what_cannot_be_derived_leaves_nothing),
	};
	return cmocka_run_group_tests_name("kdf", tests, setup, NULL);
}
