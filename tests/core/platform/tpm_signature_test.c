/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/tpm_signature.h"

#include "tests/core/platform/tpm_build.h"
#include "tests/unit.h"

static uint8_t buf[2048];

static struct ch_span rsa(uint16_t scheme, uint16_t hash, size_t n)
{
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	ch_wr_be16(&w, scheme);
	ch_wr_be16(&w, hash);
	put_2b(&w, n, 0x5a);
	return ch_wr_span(&w);
}

static struct ch_span ecdsa(size_t r, size_t s)
{
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	ch_wr_be16(&w, CH_TPM_ALG_ECDSA);
	ch_wr_be16(&w, CH_HASH_SHA384);
	put_2b(&w, r, 0x11);
	put_2b(&w, s, 0x22);
	return ch_wr_span(&w);
}

static enum ch_err refused(struct ch_span in, size_t off)
{
	struct ch_sig sig;
	struct ch_diag d;
	enum ch_err err = ch_tpm_signature_parse(&sig, in, &d);
	assert_int_not_equal(err, CH_OK);
	assert_int_equal(d.off, off);
	assert_non_null(d.rule);
	assert_int_equal(sig.scheme, CH_SIG_NONE);
	assert_int_equal(sig.a.n, 0);
	return err;
}

static void the_three_schemes_are_read(void **state)
{
	(void)state;
	struct ch_sig sig;
	assert_int_equal(ch_tpm_signature_parse(&sig, rsa(CH_TPM_ALG_RSASSA, CH_HASH_SHA256, 256), NULL), CH_OK);
	assert_int_equal(sig.scheme, CH_SIG_RSASSA);
	assert_int_equal(sig.hash, CH_HASH_SHA256);
	assert_int_equal(sig.a.n, 256);
	assert_int_equal(sig.b.n, 0);
	assert_int_equal(ch_tpm_signature_parse(&sig, rsa(CH_TPM_ALG_RSAPSS, CH_HASH_SHA512, 384), NULL), CH_OK);
	assert_int_equal(sig.scheme, CH_SIG_RSAPSS);
	assert_int_equal(ch_tpm_signature_parse(&sig, ecdsa(48, 47), NULL), CH_OK);
	assert_int_equal(sig.scheme, CH_SIG_ECDSA);
	assert_int_equal(sig.a.n, 48);
	assert_int_equal(sig.b.n, 47);
	assert_int_equal(sig.b.p[0], 0x22);
}

static void every_cut_is_truncated(void **state)
{
	(void)state;
	struct ch_sig sig;
	struct ch_span in = ecdsa(48, 48);
	for (size_t n = 0; n < in.n; n++)
		assert_int_equal(ch_tpm_signature_parse(&sig, ch_span(buf, n), NULL), CH_ERR_TRUNCATED);
	in = rsa(CH_TPM_ALG_RSASSA, CH_HASH_SHA1, 256);
	for (size_t n = 0; n < in.n; n++)
		assert_int_equal(ch_tpm_signature_parse(&sig, ch_span(buf, n), NULL), CH_ERR_TRUNCATED);
}

static void a_trailing_byte_is_refused(void **state)
{
	(void)state;
	struct ch_span in = ecdsa(48, 48);
	assert_int_equal(refused(ch_span(buf, in.n + 1), in.n), CH_ERR_TRAILING);
	in = rsa(CH_TPM_ALG_RSAPSS, CH_HASH_SHA256, 256);
	assert_int_equal(refused(ch_span(buf, in.n + 1), in.n), CH_ERR_TRAILING);
}

static void other_schemes_are_unsupported(void **state)
{
	(void)state;
	for (unsigned alg = 0; alg < 0x10000; alg++) {
		if (alg == CH_TPM_ALG_ECDSA || alg == CH_TPM_ALG_RSASSA || alg == CH_TPM_ALG_RSAPSS)
			continue;
		assert_int_equal(refused(rsa((uint16_t)alg, CH_HASH_SHA256, 32), 0), CH_ERR_UNSUPPORTED);
	}
}

static void other_hashes_are_unsupported(void **state)
{
	(void)state;
	for (unsigned alg = 0; alg < 0x100; alg++) {
		if (alg == CH_HASH_SHA1 || alg == CH_HASH_SHA256 || alg == CH_HASH_SHA384 || alg == CH_HASH_SHA512)
			continue;
		assert_int_equal(refused(rsa(CH_TPM_ALG_RSASSA, (uint16_t)alg, 32), 2), CH_ERR_UNSUPPORTED);
	}
}

static void sizes_have_limits(void **state)
{
	(void)state;
	struct ch_sig sig;
	assert_int_equal(ch_tpm_signature_parse(&sig, rsa(CH_TPM_ALG_RSASSA, CH_HASH_SHA256, CH_TPM_RSA_MAX), NULL),
			 CH_OK);
	assert_int_equal(refused(rsa(CH_TPM_ALG_RSASSA, CH_HASH_SHA256, CH_TPM_RSA_MAX + 1), 4), CH_ERR_RANGE);
	assert_int_equal(refused(rsa(CH_TPM_ALG_RSASSA, CH_HASH_SHA256, 0), 4), CH_ERR_RANGE);
	assert_int_equal(ch_tpm_signature_parse(&sig, ecdsa(CH_TPM_ECC_MAX, CH_TPM_ECC_MAX), NULL), CH_OK);
	assert_int_equal(refused(ecdsa(CH_TPM_ECC_MAX + 1, 48), 4), CH_ERR_RANGE);
	assert_int_equal(refused(ecdsa(48, CH_TPM_ECC_MAX + 1), 54), CH_ERR_RANGE);
	assert_int_equal(refused(ecdsa(0, 48), 4), CH_ERR_RANGE);
	assert_int_equal(refused(ecdsa(48, 0), 54), CH_ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_schemes_are_read),   cmocka_unit_test(every_cut_is_truncated),
		cmocka_unit_test(a_trailing_byte_is_refused),   cmocka_unit_test(other_schemes_are_unsupported),
		cmocka_unit_test(other_hashes_are_unsupported), cmocka_unit_test(sizes_have_limits),
	};
	return cmocka_run_group_tests_name("tpm_signature", tests, NULL, NULL);
}
