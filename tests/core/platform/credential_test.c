/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/credential.h"

#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

/* What a TPM makes of the result is tests/system/test_credential.py; here is what is refused, and the shape. */

#define EK_ATTRIBUTES 0x000300b2u

static struct {
	uint8_t a[256], b[66];
	struct ch_pub pub;
} rsa, p256, p384;

static const uint8_t name[34] = { 0x00, 0x0b, 0x11 };
static const struct ch_span secret = CH_SPAN_LIT("0123456789abcdef0123456789abcdef");

static size_t number(EVP_PKEY *pkey, const char *field, uint8_t *to)
{
	BIGNUM *bn = NULL;
	assert_int_equal(EVP_PKEY_get_bn_param(pkey, field, &bn), 1);
	int n = BN_bn2bin(bn, to);
	BN_free(bn);
	return (size_t)n;
}

/* A coordinate with a leading zero comes out shorter, as some TPMs write it. */
static void curve(const char *group, enum ch_key_type type, uint8_t *a, uint8_t *b, struct ch_pub *pub)
{
	EVP_PKEY *pkey = EVP_EC_gen(group);
	size_t x = number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, a);
	size_t y = number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, b);
	*pub = (struct ch_pub){ type, ch_span(a, x), ch_span(b, y) };
	EVP_PKEY_free(pkey);
}

static int setup(void **state)
{
	(void)state;
	if (ch_crypto_openssl_init_seal() != CH_OK)
		return 1;
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	size_t n = number(pkey, OSSL_PKEY_PARAM_RSA_N, rsa.a);
	size_t e = number(pkey, OSSL_PKEY_PARAM_RSA_E, rsa.b);
	rsa.pub = (struct ch_pub){ CH_KEY_RSA, ch_span(rsa.a, n), ch_span(rsa.b, e) };
	EVP_PKEY_free(pkey);
	curve("P-256", CH_KEY_P256, p256.a, p256.b, &p256.pub);
	curve("P-384", CH_KEY_P384, p384.a, p384.b, &p384.pub);
	return 0;
}

static struct ch_tpm_public ek(const struct ch_pub *key, enum ch_hash_alg alg, uint16_t bits)
{
	return (struct ch_tpm_public){
		.name_alg = alg,
		.attributes = EK_ATTRIBUTES,
		.symmetric = CH_TPM_ALG_AES,
		.symmetric_bits = bits,
		.symmetric_mode = 0x0043,
		.scheme = CH_TPM_ALG_NULL,
		.key = *key,
	};
}

static enum ch_err make(const struct ch_tpm_public *pub, struct ch_span value, struct ch_credential *c)
{
	struct ch_diag d;
	enum ch_err err = ch_credential_make(c, pub, CH_SPAN_OF(name), value, &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	if (err != CH_OK)
		assert_true(ch_span_all(ch_span(c, sizeof(*c)), 0));
	return err;
}

static void assert_shape(const struct ch_tpm_public *pub, size_t digest, size_t sealed)
{
	struct ch_credential c, again;
	assert_int_equal(make(pub, secret, &c), CH_OK);
	struct ch_rd id = ch_rd(ch_span(c.id, c.id_size));
	assert_int_equal(ch_rd_be16(&id), c.id_size - 2);
	assert_int_equal(ch_rd_be16(&id), digest);
	(void)ch_rd_take(&id, digest);
	assert_int_equal(ch_rd_left(&id), 2 + secret.n);
	struct ch_rd s = ch_rd(ch_span(c.secret, c.secret_size));
	assert_int_equal(ch_rd_be16(&s), sealed);
	assert_int_equal(c.secret_size, 2 + sealed);
	/* A seed is never used twice. */
	assert_int_equal(make(pub, secret, &again), CH_OK);
	assert_memory_not_equal(c.id, again.id, c.id_size);
	assert_memory_not_equal(c.secret, again.secret, c.secret_size);
}

static void each_kind_of_key_has_its_shape(void **state)
{
	(void)state;
	struct ch_tpm_public pub = ek(&rsa.pub, CH_HASH_SHA256, 128);
	assert_shape(&pub, 32, 256);
	pub = ek(&p256.pub, CH_HASH_SHA256, 128);
	assert_shape(&pub, 32, 2 * (2 + 32));
	pub = ek(&p384.pub, CH_HASH_SHA384, 256);
	assert_shape(&pub, 48, 2 * (2 + 48));
}

static void a_key_that_is_no_endorsement_key_is_refused(void **state)
{
	(void)state;
	static const uint32_t bit[] = { CH_TPMA_FIXED_TPM,  CH_TPMA_FIXED_PARENT, CH_TPMA_SENSITIVE_DATA_ORIGIN,
					CH_TPMA_RESTRICTED, CH_TPMA_DECRYPT,      CH_TPMA_SIGN };
	struct ch_credential c;
	for (size_t i = 0; i < CH_COUNT_OF(bit); i++) {
		struct ch_tpm_public pub = ek(&p256.pub, CH_HASH_SHA256, 128);
		pub.attributes ^= bit[i];
		assert_int_equal(make(&pub, secret, &c), CH_ERR_UNTRUSTED);
	}
}

static void parameters_that_are_not_ours_are_refused(void **state)
{
	(void)state;
	struct ch_credential c;
	struct ch_tpm_public pub = ek(&p256.pub, CH_HASH_SHA1, 128);
	assert_int_equal(make(&pub, secret, &c), CH_ERR_UNSUPPORTED);
	pub = ek(&p256.pub, CH_HASH_SHA3_256, 128);
	assert_int_equal(make(&pub, secret, &c), CH_ERR_UNSUPPORTED);
	pub = ek(&p256.pub, CH_HASH_SHA256, 64);
	assert_int_equal(make(&pub, secret, &c), CH_ERR_UNSUPPORTED);
	pub.symmetric_bits = 128;
	pub.symmetric = CH_TPM_ALG_SM4;
	assert_int_equal(make(&pub, secret, &c), CH_ERR_UNSUPPORTED);
	pub.symmetric = CH_TPM_ALG_AES;
	pub.symmetric_mode = 0x0042;
	assert_int_equal(make(&pub, secret, &c), CH_ERR_UNSUPPORTED);
	pub = ek(&p256.pub, CH_HASH_SHA256, 128);
	pub.key.type = CH_KEY_P521;
	assert_int_equal(make(&pub, secret, &c), CH_ERR_UNSUPPORTED);
	pub = ek(&rsa.pub, CH_HASH_SHA256, 128);
	pub.key.a.n = 128; /* 1024 bits */
	assert_int_equal(make(&pub, secret, &c), CH_ERR_UNSUPPORTED);
}

static void a_point_off_its_curve_is_refused(void **state)
{
	(void)state;
	struct ch_credential c;
	struct ch_tpm_public pub = ek(&p256.pub, CH_HASH_SHA256, 128);
	uint8_t y[32];
	memcpy(y, p256.b, p256.pub.b.n);
	y[p256.pub.b.n - 1] ^= 1;
	pub.key.b.p = y;
	assert_int_equal(make(&pub, secret, &c), CH_ERR_KEY);
}

static void sizes_are_checked(void **state)
{
	(void)state;
	struct ch_credential c;
	static const uint8_t zeros[2 + CH_DIGEST_MAX + 1];
	struct ch_tpm_public pub = ek(&p256.pub, CH_HASH_SHA256, 128);
	assert_int_equal(make(&pub, ch_span(zeros, 32), &c), CH_OK);
	assert_int_equal(make(&pub, ch_span(zeros, 33), &c), CH_ERR_RANGE);
	assert_int_equal(make(&pub, CH_SPAN_EMPTY, &c), CH_ERR_RANGE);
	assert_int_equal(ch_credential_make(&c, &pub, ch_span(zeros, 1), secret, NULL), CH_ERR_RANGE);
	assert_int_equal(ch_credential_make(&c, &pub, ch_span(zeros, sizeof(zeros)), secret, NULL), CH_ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_key_has_its_shape),
		cmocka_unit_test(a_key_that_is_no_endorsement_key_is_refused),
		cmocka_unit_test(parameters_that_are_not_ours_are_refused),
		cmocka_unit_test(a_point_off_its_curve_is_refused),
		cmocka_unit_test(sizes_are_checked),
	};
	return cmocka_run_group_tests_name("credential", tests, setup, NULL);
}
