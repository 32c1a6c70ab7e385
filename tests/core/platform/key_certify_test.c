/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/key_certify.h"

#include "core/platform/tpm_attest.h"
#include "host/crypto_openssl/backend.h"
#include "tests/core/platform/tpm_build.h"
#include "tests/unit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

/* A certification as a TPM would sign it; each test changes one thing of it. A live TPM's: tests/system/test_enrolment.py. */

#define AK_ATTRIBUTES  0x00050072u
#define KEY_ATTRIBUTES 0x00040072u

static EVP_PKEY *ak_pkey, *other_pkey;
static uint8_t ak_area[128], key_area[128], ek_area[128], attest_bytes[512], signature[256];

static size_t area(uint8_t *to, uint32_t attributes, uint16_t name_alg, uint16_t scheme, EVP_PKEY *pkey)
{
	uint8_t point[65];
	size_t n = 0;
	assert_int_equal(
		EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof(point), &n), 1);
	struct ch_wr w = ch_wr(to, 128);
	ch_wr_be16(&w, CH_TPM_ALG_ECC);
	ch_wr_be16(&w, name_alg);
	ch_wr_be32(&w, attributes);
	ch_wr_be16(&w, 0);
	ch_wr_be16(&w, CH_TPM_ALG_NULL);
	ch_wr_be16(&w, scheme);
	if (scheme != CH_TPM_ALG_NULL)
		ch_wr_be16(&w, CH_HASH_SHA256);
	ch_wr_be16(&w, 3); /* P-256 */
	ch_wr_be16(&w, CH_TPM_ALG_NULL);
	ch_wr_be16(&w, 32);
	ch_wr_put(&w, ch_span(point + 1, 32));
	ch_wr_be16(&w, 32);
	ch_wr_put(&w, ch_span(point + 33, 32));
	return ch_wr_span(&w).n;
}

/* What a test may change. */
struct made {
	EVP_PKEY *signer;
	uint16_t type;
	uint32_t key_attributes;
	uint16_t key_name_alg, key_scheme;
	uint32_t ak_attributes;
	const uint8_t *qualifying;
	bool other_name;
	struct ch_tpm_public ak, key, ek;
	struct ch_key_certify certify;
	uint8_t wanted[32];
};

static struct ch_span sign(EVP_PKEY *pkey, struct ch_span msg)
{
	uint8_t der[80];
	size_t n = sizeof(der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &n, msg.p, msg.n), 1);
	EVP_MD_CTX_free(ctx);
	const unsigned char *p = der;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
	struct ch_wr w = ch_wr(signature, sizeof(signature));
	ch_wr_be16(&w, CH_TPM_ALG_ECDSA);
	ch_wr_be16(&w, CH_HASH_SHA256);
	uint8_t number[32];
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(s), number, 32), 32);
	ch_wr_be16(&w, 32);
	ch_wr_put(&w, CH_SPAN_OF(number));
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(s), number, 32), 32);
	ch_wr_be16(&w, 32);
	ch_wr_put(&w, CH_SPAN_OF(number));
	ECDSA_SIG_free(s);
	return ch_wr_span(&w);
}

static enum ch_err check(struct made *m, struct ch_diag *d)
{
	size_t n = area(ak_area, m->ak_attributes, CH_HASH_SHA256, CH_TPM_ALG_ECDSA, ak_pkey);
	assert_int_equal(ch_tpm_public_parse(&m->ak, ch_span(ak_area, n), NULL), CH_OK);
	n = area(key_area, m->key_attributes, m->key_name_alg, m->key_scheme, other_pkey);
	assert_int_equal(ch_tpm_public_parse(&m->key, ch_span(key_area, n), NULL), CH_OK);
	n = area(ek_area, 0x000300b2u, CH_HASH_SHA256, CH_TPM_ALG_NULL, ak_pkey);
	assert_int_equal(ch_tpm_public_parse(&m->ek, ch_span(ek_area, n), NULL), CH_OK);
	assert_int_equal(ch_key_qualifying(m->wanted, &m->ek), CH_OK);
	uint8_t name[2 + CH_DIGEST_MAX];
	assert_int_equal(ch_tpm_name(m->other_name ? &m->ak : &m->key, name, &n), CH_OK);
	struct ch_wr w = ch_wr(attest_bytes, sizeof(attest_bytes));
	ch_wr_be32(&w, CH_TPM_GENERATED_VALUE);
	ch_wr_be16(&w, m->type);
	put_2b(&w, 34, 0x0b);
	ch_wr_be16(&w, 32);
	ch_wr_put(&w, ch_span(m->qualifying != NULL ? m->qualifying : m->wanted, 32));
	ch_wr_be64(&w, 1);
	ch_wr_be32(&w, 1);
	ch_wr_be32(&w, 1);
	ch_wr_u8(&w, 1);
	ch_wr_be64(&w, 1);
	if (m->type == CH_TPM_ST_ATTEST_CERTIFY) {
		ch_wr_be16(&w, (uint16_t)n);
		ch_wr_put(&w, ch_span(name, n));
		put_2b(&w, 34, 0x0b);
	} else {
		ch_wr_be32(&w, 0);
		put_2b(&w, 32, 0);
	}
	m->certify = (struct ch_key_certify){
		.attest = ch_wr_span(&w),
		.signature = sign(m->signer, ch_wr_span(&w)),
		.key = &m->key,
		.ak = &m->ak,
		.qualifying = CH_SPAN_OF(m->wanted),
	};
	enum ch_err err = ch_key_certify_check(&m->certify, d);
	assert_true((err == CH_OK) == (d->rule == NULL));
	return err;
}

static struct made good(void)
{
	return (struct made){ .signer = ak_pkey,
			      .type = CH_TPM_ST_ATTEST_CERTIFY,
			      .key_attributes = KEY_ATTRIBUTES,
			      .key_name_alg = CH_HASH_SHA256,
			      .key_scheme = CH_TPM_ALG_NULL,
			      .ak_attributes = AK_ATTRIBUTES };
}

static int setup(void **state)
{
	(void)state;
	ak_pkey = EVP_EC_gen("P-256");
	other_pkey = EVP_EC_gen("P-256");
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(ak_pkey);
	EVP_PKEY_free(other_pkey);
	return 0;
}

static void a_certified_key_holds(void **state)
{
	(void)state;
	struct ch_diag d;
	struct made m = good();
	assert_int_equal(check(&m, &d), CH_OK);
	m.key_scheme = CH_TPM_ALG_ECDSA;
	assert_int_equal(check(&m, &d), CH_OK);
}

static void a_key_of_the_wrong_kind_does_not(void **state)
{
	(void)state;
	static const uint32_t bit[] = { CH_TPMA_FIXED_TPM, CH_TPMA_FIXED_PARENT, CH_TPMA_SENSITIVE_DATA_ORIGIN,
					CH_TPMA_SIGN,      CH_TPMA_DECRYPT,      CH_TPMA_RESTRICTED };
	struct ch_diag d;
	for (size_t i = 0; i < CH_COUNT_OF(bit); i++) {
		struct made m = good();
		m.key_attributes ^= bit[i];
		assert_int_equal(check(&m, &d), CH_ERR_UNTRUSTED);
		assert_non_null(strstr(d.rule, "device's key"));
	}
	struct made m = good();
	m.key_name_alg = CH_HASH_SHA1;
	assert_int_equal(check(&m, &d), CH_ERR_UNTRUSTED);
	m = good();
	m.key_scheme = CH_TPM_ALG_ECSCHNORR;
	assert_int_equal(check(&m, &d), CH_ERR_UNSUPPORTED);
}

static void a_software_key_is_no_attestation_key(void **state)
{
	(void)state;
	static const uint32_t bit[] = { CH_TPMA_RESTRICTED, CH_TPMA_FIXED_TPM, CH_TPMA_SENSITIVE_DATA_ORIGIN };
	struct ch_diag d;
	for (size_t i = 0; i < CH_COUNT_OF(bit); i++) {
		struct made m = good();
		m.ak_attributes ^= bit[i];
		assert_int_equal(check(&m, &d), CH_ERR_UNTRUSTED);
		assert_non_null(strstr(d.rule, "attestation key"));
	}
}

static void another_signer_does_not_certify(void **state)
{
	(void)state;
	struct ch_diag d;
	struct made m = good();
	m.signer = other_pkey;
	assert_int_equal(check(&m, &d), CH_ERR_SIGNATURE);
}

static void another_purpose_object_or_type_is_a_mismatch(void **state)
{
	(void)state;
	static const uint8_t zeros[32];
	struct ch_diag d;
	struct made m = good();
	m.qualifying = zeros;
	assert_int_equal(check(&m, &d), CH_ERR_MISMATCH);
	assert_non_null(strstr(d.rule, "qualifyingData"));
	m = good();
	m.other_name = true;
	assert_int_equal(check(&m, &d), CH_ERR_MISMATCH);
	assert_non_null(strstr(d.rule, "another object"));
	m = good();
	m.type = CH_TPM_ST_ATTEST_QUOTE;
	assert_int_equal(check(&m, &d), CH_ERR_MISMATCH);
	assert_non_null(strstr(d.rule, "not a certification"));
}

static void qualifying_data_name_purpose_and_ek(void **state)
{
	(void)state;
	uint8_t got[32];
	struct ch_digest want;
	struct ch_tpm_public ek = { .area = CH_SPAN_LIT("area") };
	assert_int_equal(ch_key_qualifying(got, &ek), CH_OK);
	assert_int_equal(ch_hash_once(CH_HASH_SHA256, CH_SPAN_LIT("chainhold-key/v1\0area"), &want), CH_OK);
	assert_memory_equal(got, want.b, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certified_key_holds),
		cmocka_unit_test(a_key_of_the_wrong_kind_does_not),
		cmocka_unit_test(a_software_key_is_no_attestation_key),
		cmocka_unit_test(another_signer_does_not_certify),
		cmocka_unit_test(another_purpose_object_or_type_is_a_mismatch),
		cmocka_unit_test(qualifying_data_name_purpose_and_ek),
	};
	return cmocka_run_group_tests_name("key_certify", tests, setup, teardown);
}
