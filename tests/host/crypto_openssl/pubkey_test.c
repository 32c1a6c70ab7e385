/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/pubkey.h"

#include "core/platform/tpm_public.h"
#include "host/base/file.h"
#include "tests/unit.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define DIR "tests/fixtures/sbon-good/"

static struct ch_pubkey key;

/* The recorded keys exist in both forms: each must give the same numbers. */
static void pem_and_tpm_agree(void **state)
{
	(void)state;
	static const char *const file[][2] = {
		{ DIR "ak-ecc.pem", DIR "ak-ecc.tpm2b_public" },
		{ DIR "ak-rsa.pem", DIR "ak-rsa.tpm2b_public" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(file); i++) {
		CH_AUTO_BUF struct ch_buf pem = { 0 };
		CH_AUTO_BUF struct ch_buf tpm = { 0 };
		struct ch_tpm_public p;
		assert_int_equal(ch_file_read(&pem, file[i][0]), CH_OK);
		assert_int_equal(ch_file_read(&tpm, file[i][1]), CH_OK);
		assert_int_equal(ch_tpm_public_parse(&p, ch_buf_span(&tpm), NULL), CH_OK);
		assert_int_equal(ch_pubkey_from_pem(&key, ch_buf_span(&pem)), CH_OK);
		assert_int_equal(key.pub.type, p.key.type);
		assert_true(ch_span_eq(key.pub.a, p.key.a));
		assert_true(ch_span_eq(key.pub.b, p.key.b));
		for (size_t n = 0; n + 2 < pem.n; n++) {
			assert_int_not_equal(ch_pubkey_from_pem(&key, ch_span(pem.p, n)), CH_OK);
			assert_int_equal(key.pub.type, CH_KEY_NONE);
		}
		struct ch_buf twice = { 0 };
		ch_buf_append(&twice, ch_buf_span(&pem));
		ch_buf_append(&twice, ch_buf_span(&pem));
		assert_int_equal(ch_pubkey_from_pem(&key, ch_buf_span(&twice)), CH_ERR_DUPLICATE);
		ch_buf_free(&twice);
	}
	assert_int_equal(ch_pubkey_from_pem(&key, CH_SPAN_EMPTY), CH_ERR_NOTFOUND);
}

static size_t spki(EVP_PKEY *pkey, uint8_t *out, size_t cap)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(pkey, &der);
	assert_true(n > 0 && (size_t)n <= cap);
	ch_span_copy(out, cap, ch_span(der, (size_t)n));
	OPENSSL_free(der);
	EVP_PKEY_free(pkey);
	return (size_t)n;
}

static void every_kind_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *group;
		enum ch_key_type type;
	} curve[] = { { "P-256", CH_KEY_P256 }, { "P-384", CH_KEY_P384 }, { "P-521", CH_KEY_P521 } };
	uint8_t der[1200];
	for (size_t i = 0; i < CH_COUNT_OF(curve); i++) {
		size_t n = spki(EVP_EC_gen(curve[i].group), der, sizeof(der));
		assert_int_equal(ch_pubkey_from_der(&key, ch_span(der, n)), CH_OK);
		assert_int_equal(key.pub.type, curve[i].type);
		assert_int_equal(key.pub.a.n, ch_key_coord(curve[i].type));
		assert_int_equal(key.pub.b.n, ch_key_coord(curve[i].type));
	}
	size_t n = spki(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), der, sizeof(der));
	assert_int_equal(ch_pubkey_from_der(&key, ch_span(der, n)), CH_OK);
	assert_int_equal(key.pub.type, CH_KEY_ED25519);
	assert_span_equal(key.pub.a, der + n - 32, 32);
	assert_int_equal(key.pub.b.n, 0);
}

static void other_kinds_are_unsupported(void **state)
{
	(void)state;
	uint8_t der[1200];
	size_t n = spki(EVP_EC_gen("secp256k1"), der, sizeof(der));
	assert_int_equal(ch_pubkey_from_der(&key, ch_span(der, n)), CH_ERR_UNSUPPORTED);
	n = spki(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), der, sizeof(der));
	assert_int_equal(ch_pubkey_from_der(&key, ch_span(der, n)), CH_ERR_UNSUPPORTED);
	assert_int_equal(key.pub.type, CH_KEY_NONE);
}

static void only_its_own_der_is_taken(void **state)
{
	(void)state;
	uint8_t der[1200];
	size_t n = spki(EVP_EC_gen("P-256"), der, sizeof(der) - 1);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(ch_pubkey_from_der(&key, ch_span(der, cut)), CH_ERR_MALFORMED);
	der[n] = 0;
	assert_int_equal(ch_pubkey_from_der(&key, ch_span(der, n + 1)), CH_ERR_ENCODING);
	der[n - 1] ^= 1; /* off the curve */
	assert_int_not_equal(ch_pubkey_from_der(&key, ch_span(der, n)), CH_OK);
}

static void a_compressed_point_is_the_same_key(void **state)
{
	(void)state;
	uint8_t plain[200], packed[200];
	EVP_PKEY *pkey = EVP_EC_gen("P-384");
	assert_int_equal(EVP_PKEY_up_ref(pkey), 1);
	size_t n = spki(pkey, plain, sizeof(plain));
	assert_int_equal(EVP_PKEY_set_utf8_string_param(pkey, "point-format", "compressed"), 1);
	size_t m = spki(pkey, packed, sizeof(packed));
	assert_true(m < n);
	assert_int_equal(ch_pubkey_from_der(&key, ch_span(packed, m)), CH_OK);
	assert_span_equal(key.pub.a, plain + n - 96, 48);
	assert_span_equal(key.pub.b, plain + n - 48, 48);
}

static void points_lie_on_their_curve(void **state)
{
	static const char *const group[] = { "P-256", "P-384", "P-521" };
	static uint8_t zeros[66];
	uint8_t der[200], off[66];
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(group); i++) {
		size_t n = spki(EVP_EC_gen(group[i]), der, sizeof(der));
		assert_int_equal(ch_pubkey_from_der(&key, ch_span(der, n)), CH_OK);
		assert_true(ch_pub_point_valid(&key.pub));
		struct ch_pub bad = key.pub;
		(void)ch_span_copy(off, sizeof(off), key.pub.b);
		off[key.pub.b.n - 1] ^= 1;
		bad.b.p = off;
		assert_false(ch_pub_point_valid(&bad));
		bad = key.pub;
		bad.a.n--;
		assert_false(ch_pub_point_valid(&bad));
		bad = (struct ch_pub){ key.pub.type, ch_span(zeros, key.pub.a.n), ch_span(zeros, key.pub.b.n) };
		assert_false(ch_pub_point_valid(&bad));
		bad.type = CH_KEY_ED25519;
		assert_false(ch_pub_point_valid(&bad));
	}
}

static void oversized_input_is_refused(void **state)
{
	(void)state;
	static uint8_t big[5000];
	assert_int_equal(ch_pubkey_from_der(&key, CH_SPAN_OF(big)), CH_ERR_MALFORMED);
	assert_int_equal(ch_pubkey_from_der(&key, CH_SPAN_EMPTY), CH_ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pem_and_tpm_agree),
		cmocka_unit_test(every_kind_is_read),
		cmocka_unit_test(other_kinds_are_unsupported),
		cmocka_unit_test(only_its_own_der_is_taken),
		cmocka_unit_test(a_compressed_point_is_the_same_key),
		cmocka_unit_test(points_lie_on_their_curve),
		cmocka_unit_test(oversized_input_is_refused),
	};
	return cmocka_run_group_tests_name("pubkey", tests, NULL, NULL);
}
