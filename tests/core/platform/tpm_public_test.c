/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/tpm_public.h"

#include "host/base/file.h"
#include "tests/core/platform/tpm_build.h"
#include "tests/unit.h"

#define AK_ATTRIBUTES 0x00050072u
#define EK_ATTRIBUTES 0x000300b2u

static uint8_t buf[2048];

/* What a TPMT_PUBLIC is made of; a test changes one thing. */
struct area {
	uint16_t type, name_alg;
	uint32_t attributes;
	size_t policy;
	uint16_t symmetric, scheme, scheme_hash;
	uint16_t bits; /* or curve */
	uint32_t exponent;
	uint16_t kdf;
	size_t x, y;
	uint8_t fill;
};

static const struct area ecc_ak = { 0x0023, 0x000b, AK_ATTRIBUTES, 0,  0x0010, 0x0018, 0x000b,
				    0x0003, 0,      0x0010,        32, 32,     0x77 };
static const struct area rsa_ak = { 0x0001, 0x000b, AK_ATTRIBUTES, 0,   0x0010, 0x0014, 0x000b,
				    2048,   0,      0x0010,        256, 0,      0x87 };
static const struct area rsa_ek = {
	0x0001, 0x000b, EK_ATTRIBUTES, 32, 0x0006, 0x0010, 0, 2048, 0, 0x0010, 256, 0, 0x87
};

static struct ch_span build(const struct area *a)
{
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	ch_wr_be16(&w, a->type);
	ch_wr_be16(&w, a->name_alg);
	ch_wr_be32(&w, a->attributes);
	put_2b(&w, a->policy, 0x99);
	ch_wr_be16(&w, a->symmetric);
	if (a->symmetric != CH_TPM_ALG_NULL) {
		ch_wr_be16(&w, 128);
		ch_wr_be16(&w, 0x0043);
	}
	ch_wr_be16(&w, a->scheme);
	if (a->scheme != CH_TPM_ALG_NULL && a->scheme != CH_TPM_ALG_RSAES)
		ch_wr_be16(&w, a->scheme_hash);
	if (a->scheme == CH_TPM_ALG_ECDAA)
		ch_wr_be16(&w, 1);
	ch_wr_be16(&w, a->bits);
	if (a->type == CH_TPM_ALG_RSA) {
		ch_wr_be32(&w, a->exponent);
		put_2b(&w, a->x, a->fill);
		return ch_wr_span(&w);
	}
	ch_wr_be16(&w, a->kdf);
	if (a->kdf != CH_TPM_ALG_NULL)
		ch_wr_be16(&w, 0x000b);
	put_2b(&w, a->x, a->fill);
	put_2b(&w, a->y, a->fill);
	return ch_wr_span(&w);
}

static enum ch_err parse(const struct area *a, struct ch_tpm_public *p)
{
	struct ch_diag d;
	enum ch_err err = ch_tpm_public_parse(p, build(a), &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	if (err != CH_OK) {
		assert_int_equal(p->area.n, 0);
		assert_int_equal(p->key.type, CH_KEY_NONE);
	}
	return err;
}

static void keys_are_read(void **state)
{
	(void)state;
	struct ch_tpm_public p;
	assert_int_equal(parse(&ecc_ak, &p), CH_OK);
	assert_int_equal(p.key.type, CH_KEY_P256);
	assert_int_equal(p.key.a.n, 32);
	assert_int_equal(p.key.b.n, 32);
	assert_int_equal(p.scheme, CH_TPM_ALG_ECDSA);
	assert_int_equal(p.scheme_hash, CH_HASH_SHA256);
	assert_int_equal(p.attributes, AK_ATTRIBUTES);
	assert_int_equal(p.symmetric, CH_TPM_ALG_NULL);
	assert_int_equal(parse(&rsa_ak, &p), CH_OK);
	assert_int_equal(p.key.type, CH_KEY_RSA);
	assert_int_equal(ch_pub_bits(&p.key), 2048);
	assert_span_equal(p.key.b, "\x01\x00\x01", 3);
	assert_int_equal(parse(&rsa_ek, &p), CH_OK);
	assert_int_equal(p.policy.n, 32);
	assert_int_equal(p.symmetric, CH_TPM_ALG_AES);
	assert_int_equal(p.symmetric_bits, 128);
}

static void both_forms_are_read(void **state)
{
	(void)state;
	struct ch_tpm_public p;
	struct ch_span area = build(&ecc_ak);
	uint8_t sized[512];
	struct ch_wr w = ch_wr(sized, sizeof(sized));
	ch_wr_be16(&w, (uint16_t)area.n);
	ch_wr_put(&w, area);
	assert_int_equal(ch_tpm_public_parse(&p, ch_wr_span(&w), NULL), CH_OK);
	assert_true(ch_span_eq(p.area, area));
	ch_wr_u8(&w, 0);
	assert_int_not_equal(ch_tpm_public_parse(&p, ch_wr_span(&w), NULL), CH_OK);
	sized[1]++;
	assert_int_equal(ch_tpm_public_parse(&p, ch_wr_span(&w), NULL), CH_ERR_TRAILING);
}

static void every_cut_is_truncated(void **state)
{
	(void)state;
	struct ch_tpm_public p;
	const struct area *const all[] = { &ecc_ak, &rsa_ak, &rsa_ek };
	for (size_t i = 0; i < CH_COUNT_OF(all); i++) {
		struct ch_span in = build(all[i]);
		for (size_t n = 0; n < in.n; n++)
			assert_int_equal(ch_tpm_public_parse(&p, ch_span(buf, n), NULL), CH_ERR_TRUNCATED);
		assert_int_equal(ch_tpm_public_parse(&p, ch_span(buf, in.n + 1), NULL), CH_ERR_TRAILING);
	}
}

static enum ch_err changed(const struct area *base, size_t field, uint16_t value)
{
	struct area a = *base;
	struct ch_tpm_public p;
	uint16_t *const to[] = { &a.type, &a.name_alg, &a.symmetric, &a.scheme, &a.scheme_hash, &a.bits, &a.kdf };
	*to[field] = value;
	return parse(&a, &p);
}

static void unknown_algorithms_are_unsupported(void **state)
{
	(void)state;
	assert_int_equal(changed(&ecc_ak, 0, 0x0008), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&ecc_ak, 0, 0x0025), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&ecc_ak, 1, 0x0010), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&rsa_ek, 2, 0x000a), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&rsa_ak, 3, 0x0018), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&ecc_ak, 3, 0x0014), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&ecc_ak, 3, 0x0001), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&ecc_ak, 4, 0x0099), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&ecc_ak, 5, 0x0020), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&rsa_ak, 5, 1016), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&rsa_ak, 5, 2049), CH_ERR_UNSUPPORTED);
	assert_int_equal(changed(&rsa_ak, 5, 8200), CH_ERR_UNSUPPORTED);
}

static void known_schemes_are_read(void **state)
{
	(void)state;
	static const uint16_t rsa[] = { 0x0010, 0x0014, 0x0015, 0x0016, 0x0017 };
	static const uint16_t ecc[] = { 0x0010, 0x0018, 0x0019, 0x001a, 0x001b, 0x001c, 0x001d };
	for (size_t i = 0; i < CH_COUNT_OF(rsa); i++)
		assert_int_equal(changed(&rsa_ak, 3, rsa[i]), CH_OK);
	for (size_t i = 0; i < CH_COUNT_OF(ecc); i++)
		assert_int_equal(changed(&ecc_ak, 3, ecc[i]), CH_OK);
	assert_int_equal(changed(&ecc_ak, 6, 0x0020), CH_OK);
	static const uint16_t ciphers[] = { 0x0003, 0x0006, 0x0013, 0x0026 };
	for (size_t i = 0; i < CH_COUNT_OF(ciphers); i++)
		assert_int_equal(changed(&rsa_ek, 2, ciphers[i]), CH_OK);
}

static void reserved_attributes_are_refused(void **state)
{
	(void)state;
	static const uint32_t known = 0x000f0ff6;
	for (size_t bit = 0; bit < 32; bit++) {
		struct area a = ecc_ak;
		struct ch_tpm_public p;
		a.attributes ^= (uint32_t)1 << bit;
		assert_int_equal(parse(&a, &p), (known >> bit & 1) != 0 ? CH_OK : CH_ERR_UNKNOWN);
	}
}

static void a_policy_is_a_digest(void **state)
{
	(void)state;
	struct ch_tpm_public p;
	struct area a = rsa_ek;
	for (a.policy = 0; a.policy <= 65; a.policy++)
		assert_int_equal(parse(&a, &p), a.policy == 0 || a.policy == 32 ? CH_OK : CH_ERR_RANGE);
}

static void numbers_have_their_size(void **state)
{
	(void)state;
	struct ch_tpm_public p;
	struct area a = ecc_ak;
	a.x = 33;
	assert_int_equal(parse(&a, &p), CH_ERR_RANGE);
	a.x = 0;
	assert_int_equal(parse(&a, &p), CH_ERR_RANGE);
	a.x = 31; /* a TPM may leave out leading zeros */
	assert_int_equal(parse(&a, &p), CH_OK);
	a = rsa_ak;
	a.x = 255;
	assert_int_equal(parse(&a, &p), CH_ERR_RANGE);
	a.x = 0; /* a template, not a key */
	assert_int_equal(parse(&a, &p), CH_ERR_RANGE);
	a.x = 256;
	a.fill = 0x77; /* 2047 bits */
	assert_int_equal(parse(&a, &p), CH_ERR_RANGE);
}

static void exponents(void **state)
{
	(void)state;
	struct ch_tpm_public p;
	struct area a = rsa_ak;
	a.exponent = 65538;
	assert_int_equal(parse(&a, &p), CH_ERR_RANGE);
	a.exponent = 3;
	assert_int_equal(parse(&a, &p), CH_OK);
	assert_span_equal(p.key.b, "\x03", 1);
	a.exponent = 0xffffffff;
	assert_int_equal(parse(&a, &p), CH_OK);
	assert_int_equal(p.key.b.n, 4);
}

static void an_attestation_key_is_told_from_others(void **state)
{
	(void)state;
	struct ch_tpm_public p;
	struct ch_diag d;
	static const uint32_t needed[] = { CH_TPMA_FIXED_TPM,  CH_TPMA_FIXED_PARENT, CH_TPMA_SENSITIVE_DATA_ORIGIN,
					   CH_TPMA_RESTRICTED, CH_TPMA_SIGN,         CH_TPMA_DECRYPT };
	assert_int_equal(parse(&rsa_ak, &p), CH_OK);
	assert_int_equal(ch_tpm_public_check_ak(&p, &d), CH_OK);
	assert_null(d.rule);
	assert_int_equal(parse(&ecc_ak, &p), CH_OK);
	assert_int_equal(ch_tpm_public_check_ak(&p, &d), CH_OK);
	for (size_t i = 0; i < CH_COUNT_OF(needed); i++) {
		p.attributes = AK_ATTRIBUTES ^ needed[i];
		assert_int_equal(ch_tpm_public_check_ak(&p, &d), CH_ERR_UNTRUSTED);
		assert_non_null(d.rule);
	}
	p.attributes = AK_ATTRIBUTES;
	p.scheme = CH_TPM_ALG_ECDAA;
	assert_int_equal(ch_tpm_public_check_ak(&p, &d), CH_ERR_UNTRUSTED);
	p.scheme = CH_TPM_ALG_NULL;
	assert_int_equal(ch_tpm_public_check_ak(&p, &d), CH_ERR_UNTRUSTED);
	p.scheme = CH_TPM_ALG_ECDSA;
	p.scheme_hash = CH_HASH_SM3_256;
	assert_int_equal(ch_tpm_public_check_ak(&p, &d), CH_ERR_UNTRUSTED);
	p.scheme_hash = CH_HASH_SHA1;
	assert_int_equal(ch_tpm_public_check_ak(&p, &d), CH_ERR_UNTRUSTED);
}

/* The TPM computed the Names of the recorded keys itself. */
static void names_are_those_of_the_tpm(void **state)
{
	(void)state;
	static const char *const file[][2] = {
		{ "tests/fixtures/sbon-good/ak-ecc.tpm2b_public", "tests/fixtures/sbon-good/ak-ecc.name" },
		{ "tests/fixtures/sbon-good/ak-rsa.tpm2b_public", "tests/fixtures/sbon-good/ak-rsa.name" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(file); i++) {
		CH_AUTO_BUF struct ch_buf pub = { 0 };
		CH_AUTO_BUF struct ch_buf want = { 0 };
		assert_int_equal(ch_file_read(&pub, file[i][0]), CH_OK);
		assert_int_equal(ch_file_read(&want, file[i][1]), CH_OK);
		struct ch_tpm_public p;
		assert_int_equal(ch_tpm_public_parse(&p, ch_buf_span(&pub), NULL), CH_OK);
		uint8_t name[2 + CH_DIGEST_MAX];
		size_t n;
		assert_int_equal(ch_tpm_name(&p, name, &n), CH_OK);
		assert_span_equal(ch_buf_span(&want), name, n);
		assert_int_equal(ch_tpm_public_check_ak(&p, NULL), CH_OK);
		p.name_alg = CH_HASH_SM3_256;
		assert_int_equal(ch_tpm_name(&p, name, &n), CH_ERR_UNSUPPORTED);
		assert_int_equal(n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_read),
		cmocka_unit_test(both_forms_are_read),
		cmocka_unit_test(every_cut_is_truncated),
		cmocka_unit_test(unknown_algorithms_are_unsupported),
		cmocka_unit_test(known_schemes_are_read),
		cmocka_unit_test(reserved_attributes_are_refused),
		cmocka_unit_test(a_policy_is_a_digest),
		cmocka_unit_test(numbers_have_their_size),
		cmocka_unit_test(exponents),
		cmocka_unit_test(an_attestation_key_is_told_from_others),
		cmocka_unit_test(names_are_those_of_the_tpm),
	};
	return cmocka_run_group_tests_name("tpm_public", tests, NULL, NULL);
}
