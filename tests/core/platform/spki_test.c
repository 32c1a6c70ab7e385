/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/spki.h"

#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/pubkey.h"
#include "tests/unit.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static EVP_PKEY *keys[5];
static struct {
	uint8_t *p;
	size_t n;
} der[5];

static int setup(void **state)
{
	(void)state;
	keys[0] = EVP_EC_gen("P-256");
	keys[1] = EVP_EC_gen("P-384");
	keys[2] = EVP_EC_gen("P-521");
	keys[3] = EVP_RSA_gen(2048);
	keys[4] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	for (size_t i = 0; i < CH_COUNT_OF(keys); i++) {
		unsigned char *out = NULL;
		int n = i2d_PUBKEY(keys[i], &out);
		if (n <= 0)
			return 1;
		der[i].p = out;
		der[i].n = (size_t)n;
	}
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(keys); i++) {
		EVP_PKEY_free(keys[i]);
		OPENSSL_free(der[i].p);
	}
	return 0;
}

static struct ch_span in(size_t i)
{
	return ch_span(der[i].p, der[i].n);
}

static void what_openssl_writes_is_read_and_written_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(keys); i++) {
		struct ch_pub pub;
		struct ch_pubkey theirs;
		assert_int_equal(ch_spki_parse(&pub, in(i), NULL), CH_OK);
		assert_int_equal(ch_pubkey_from_der(&theirs, in(i)), CH_OK);
		assert_int_equal(pub.type, theirs.pub.type);
		assert_true(ch_span_eq(pub.a, theirs.pub.a) && ch_span_eq(pub.b, theirs.pub.b));
		uint8_t out[CH_SPKI_MAX];
		struct ch_wr w = ch_wr(out, sizeof(out));
		assert_true(ch_spki_put(&w, &pub));
		assert_true(ch_span_eq(ch_wr_span(&w), in(i)));
		struct ch_digest want;
		uint8_t got[32];
		assert_int_equal(ch_spki_sha256(&pub, got), CH_OK);
		assert_int_equal(ch_hash_once(CH_HASH_SHA256, in(i), &want), CH_OK);
		assert_memory_equal(got, want.b, 32);
	}
}

static void every_cut_and_every_byte_more_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(keys); i++) {
		struct ch_pub pub;
		struct ch_diag d;
		for (size_t n = 0; n < der[i].n; n++) {
			assert_int_not_equal(ch_spki_parse(&pub, ch_span(der[i].p, n), &d), CH_OK);
			assert_non_null(d.rule);
			assert_int_equal(pub.type, CH_KEY_NONE);
		}
		uint8_t more[CH_SPKI_MAX] = { 0 };
		memcpy(more, der[i].p, der[i].n);
		assert_int_equal(ch_spki_parse(&pub, ch_span(more, der[i].n + 1), &d), CH_ERR_TRAILING);
	}
}

/* The bytes before the key: a changed one is another form or another algorithm. */
static void no_bit_of_the_frame_is_free(void **state)
{
	(void)state;
	static const size_t frame[] = { 27, 24, 25, 28, 12 };
	for (size_t i = 0; i < CH_COUNT_OF(keys); i++) {
		uint8_t bad[CH_SPKI_MAX];
		memcpy(bad, der[i].p, der[i].n);
		for (size_t bit = 0; bit < 8 * frame[i]; bit++) {
			struct ch_pub pub;
			bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
			bool same = ch_spki_parse(&pub, ch_span(bad, der[i].n), NULL) == CH_OK;
			bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_false(same);
		}
	}
}

static void other_forms_of_a_key_are_refused(void **state)
{
	(void)state;
	/* P-256 with a compressed point (RFC 5480, 2.2). */
	EVP_PKEY_set_utf8_string_param(keys[0], "point-format", "compressed");
	unsigned char *out = NULL;
	int n = i2d_PUBKEY(keys[0], &out);
	EVP_PKEY_set_utf8_string_param(keys[0], "point-format", "uncompressed");
	struct ch_pub pub;
	assert_true(n > 0);
	assert_int_equal(ch_spki_parse(&pub, ch_span(out, (size_t)n), NULL), CH_ERR_UNSUPPORTED);
	OPENSSL_free(out);
}

static void short_coordinates_are_the_same_key(void **state)
{
	(void)state;
	uint8_t x[32] = { 0, 7 }, y[32] = { 0, 0, 9 };
	struct ch_pub full = { CH_KEY_P256, CH_SPAN_OF(x), CH_SPAN_OF(y) };
	struct ch_pub cut = { CH_KEY_P256, ch_span(x + 1, 31), ch_span(y + 2, 30) };
	struct ch_pub other = { CH_KEY_P256, ch_span(x + 1, 31), CH_SPAN_OF(x) };
	assert_true(ch_spki_same(&full, &cut));
	assert_false(ch_spki_same(&full, &other));
	uint8_t a[32], b[32];
	assert_int_equal(ch_spki_sha256(&full, a), CH_OK);
	assert_int_equal(ch_spki_sha256(&cut, b), CH_OK);
	assert_memory_equal(a, b, 32);
}

static void what_is_no_key_has_no_encoding(void **state)
{
	(void)state;
	static const uint8_t big[CH_SPKI_MAX] = { 1 };
	const struct ch_pub none[] = {
		{ CH_KEY_NONE, CH_SPAN_EMPTY, CH_SPAN_EMPTY },
		{ CH_KEY_P256, ch_span(big, 33), ch_span(big, 32) },
		{ CH_KEY_P256, ch_span(big, 32), CH_SPAN_EMPTY },
		{ CH_KEY_RSA, ch_span(big, 1025), ch_span(big, 1) },
		{ CH_KEY_RSA, ch_span(big + 1, 256), ch_span(big, 1) },
		{ CH_KEY_RSA, ch_span(big, 256), CH_SPAN_EMPTY },
		{ CH_KEY_ED25519, ch_span(big, 31), CH_SPAN_EMPTY },
	};
	for (size_t i = 0; i < CH_COUNT_OF(none); i++) {
		uint8_t out[CH_SPKI_MAX], digest[32];
		struct ch_wr w = ch_wr(out, sizeof(out));
		assert_false(ch_spki_put(&w, &none[i]));
		assert_int_equal(w.len, 0);
		assert_int_equal(ch_spki_sha256(&none[i], digest), CH_ERR_UNSUPPORTED);
		assert_false(ch_spki_same(&none[i], &none[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_openssl_writes_is_read_and_written_the_same),
		cmocka_unit_test(every_cut_and_every_byte_more_is_refused),
		cmocka_unit_test(no_bit_of_the_frame_is_free),
		cmocka_unit_test(other_forms_of_a_key_are_refused),
		cmocka_unit_test(short_coordinates_are_the_same_key),
		cmocka_unit_test(what_is_no_key_has_no_encoding),
	};
	return cmocka_run_group_tests_name("spki", tests, setup, teardown);
}
