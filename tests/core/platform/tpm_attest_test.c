/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/tpm_attest.h"

#include "tests/core/platform/tpm_build.h"
#include "tests/unit.h"

#define MAGIC_OFF   0
#define TYPE_OFF    4
#define SAFE_OFF    80
#define COUNT_OFF   89
#define SELECT_OFF  93
#define BYTES_MAX   512
#define QUOTE_BYTES 139

static uint8_t buf[BYTES_MAX];

/* A quote of sha256:0-7,10 and sha1:0. */
static struct ch_span quote(void)
{
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	put_attest_head(&w, CH_TPM_ST_ATTEST_QUOTE);
	ch_wr_be32(&w, 2);
	put_select(&w, CH_HASH_SHA256, 0x4ff);
	put_select(&w, CH_HASH_SHA1, 1);
	put_2b(&w, 32, 0xdd);
	return ch_wr_span(&w);
}

static struct ch_span certify(void)
{
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	put_attest_head(&w, CH_TPM_ST_ATTEST_CERTIFY);
	put_2b(&w, 34, 0x11);
	put_2b(&w, 34, 0x22);
	return ch_wr_span(&w);
}

static enum ch_err refused(struct ch_span in, size_t off)
{
	struct ch_tpm_attest a;
	struct ch_diag d;
	enum ch_err err = ch_tpm_attest_parse(&a, in, &d);
	assert_int_not_equal(err, CH_OK);
	assert_int_equal(d.off, off);
	assert_non_null(d.rule);
	assert_int_equal(a.type, 0);
	assert_int_equal(a.select_count, 0);
	assert_int_equal(a.extra_data.n, 0);
	return err;
}

static void a_quote_is_read(void **state)
{
	(void)state;
	struct ch_tpm_attest a;
	struct ch_span in = quote();
	assert_int_equal(in.n, QUOTE_BYTES);
	assert_int_equal(ch_tpm_attest_parse(&a, in, NULL), CH_OK);
	assert_int_equal(a.type, CH_TPM_ST_ATTEST_QUOTE);
	assert_int_equal(a.qualified_signer.n, 34);
	assert_int_equal(a.extra_data.n, 20);
	assert_int_equal(a.clock, 123456789);
	assert_int_equal(a.reset_count, 7);
	assert_int_equal(a.restart_count, 3);
	assert_true(a.safe);
	assert_true(a.firmware_version == 0x2019102300163636);
	assert_int_equal(a.select_count, 2);
	assert_int_equal(a.select[0].alg, CH_HASH_SHA256);
	assert_int_equal(a.select[0].mask, 0x4ff);
	assert_int_equal(a.select[1].alg, CH_HASH_SHA1);
	assert_int_equal(a.select[1].mask, 1);
	assert_int_equal(a.pcr_digest.n, 32);
	assert_int_equal(a.name.n, 0);
}

static void a_certification_is_read(void **state)
{
	(void)state;
	struct ch_tpm_attest a;
	assert_int_equal(ch_tpm_attest_parse(&a, certify(), NULL), CH_OK);
	assert_int_equal(a.type, CH_TPM_ST_ATTEST_CERTIFY);
	assert_int_equal(a.name.n, 34);
	assert_int_equal(a.name.p[0], 0x11);
	assert_int_equal(a.qualified_name.p[0], 0x22);
	assert_int_equal(a.select_count, 0);
	assert_int_equal(a.pcr_digest.n, 0);
}

static void every_cut_is_truncated(void **state)
{
	(void)state;
	struct ch_tpm_attest a;
	struct ch_diag d;
	struct ch_span both[] = { quote(), CH_SPAN_EMPTY };
	for (size_t n = 0; n < both[0].n; n++) {
		assert_int_equal(ch_tpm_attest_parse(&a, ch_span(buf, n), &d), CH_ERR_TRUNCATED);
		assert_true(d.off <= n);
	}
	both[1] = certify();
	for (size_t n = 0; n < both[1].n; n++)
		assert_int_equal(ch_tpm_attest_parse(&a, ch_span(buf, n), &d), CH_ERR_TRUNCATED);
}

static void a_trailing_byte_is_refused(void **state)
{
	(void)state;
	struct ch_span in = quote();
	buf[in.n] = 0;
	assert_int_equal(refused(ch_span(buf, in.n + 1), in.n), CH_ERR_TRAILING);
	in = certify();
	buf[in.n] = 0;
	assert_int_equal(refused(ch_span(buf, in.n + 1), in.n), CH_ERR_TRAILING);
}

static void every_other_magic_is_refused(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 32; bit++) {
		struct ch_span in = quote();
		buf[MAGIC_OFF + bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(refused(in, MAGIC_OFF), CH_ERR_MALFORMED);
	}
}

static void other_attestations_are_unsupported(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 0x10000; type++) {
		if (type == CH_TPM_ST_ATTEST_QUOTE || type == CH_TPM_ST_ATTEST_CERTIFY)
			continue;
		struct ch_span in = quote();
		buf[TYPE_OFF] = (uint8_t)(type >> 8);
		buf[TYPE_OFF + 1] = (uint8_t)type;
		assert_int_equal(refused(in, TYPE_OFF), CH_ERR_UNSUPPORTED);
	}
}

static void safe_is_yes_or_no(void **state)
{
	(void)state;
	struct ch_tpm_attest a;
	struct ch_span in = quote();
	buf[SAFE_OFF] = 0;
	assert_int_equal(ch_tpm_attest_parse(&a, in, NULL), CH_OK);
	assert_false(a.safe);
	for (unsigned v = 2; v < 256; v++) {
		buf[SAFE_OFF] = (uint8_t)v;
		assert_int_equal(refused(in, SAFE_OFF), CH_ERR_RANGE);
	}
}

/* A name or nonce of the largest size is read; one byte more is refused where its size is. */
static void sizes_have_a_limit(void **state)
{
	(void)state;
	for (size_t n = CH_TPM_HA_MAX; n <= CH_TPM_HA_MAX + 1; n++) {
		struct ch_wr w = ch_wr(buf, sizeof(buf));
		ch_wr_be32(&w, CH_TPM_GENERATED_VALUE);
		ch_wr_be16(&w, CH_TPM_ST_ATTEST_QUOTE);
		put_2b(&w, 0, 0);
		put_2b(&w, n, 1);
		struct ch_span in = { buf, w.len };
		assert_int_equal(refused(in, n > CH_TPM_HA_MAX ? 8 : in.n),
				 n > CH_TPM_HA_MAX ? CH_ERR_RANGE : CH_ERR_TRUNCATED);
	}
	struct ch_span in = quote();
	buf[in.n - 33] = CH_DIGEST_MAX + 1;
	assert_int_equal(refused(in, in.n - 34), CH_ERR_RANGE);
}

static void a_bank_twice_is_refused(void **state)
{
	(void)state;
	struct ch_span in = quote();
	buf[SELECT_OFF + 7] = CH_HASH_SHA256;
	assert_int_equal(refused(in, SELECT_OFF + 6), CH_ERR_DUPLICATE);
}

static void an_unknown_bank_is_unsupported(void **state)
{
	(void)state;
	struct ch_span in = quote();
	buf[SELECT_OFF + 1] = 0x10;
	assert_int_equal(refused(in, SELECT_OFF), CH_ERR_UNSUPPORTED);
}

/* Selections of 1 to 4 bytes, of registers up to 23. */
static void selections_have_limits(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 6; size++) {
		struct ch_wr w = ch_wr(buf, sizeof(buf));
		put_attest_head(&w, CH_TPM_ST_ATTEST_QUOTE);
		ch_wr_be32(&w, 1);
		ch_wr_be16(&w, CH_HASH_SHA384);
		ch_wr_u8(&w, (uint8_t)size);
		for (size_t i = 0; i < size; i++)
			ch_wr_u8(&w, i < 3 ? 0xff : 0);
		put_2b(&w, 48, 0xdd);
		struct ch_tpm_attest a;
		if (size == 0 || size > 4) {
			assert_int_equal(refused(ch_wr_span(&w), SELECT_OFF + 2), CH_ERR_RANGE);
			continue;
		}
		assert_int_equal(ch_tpm_attest_parse(&a, ch_wr_span(&w), NULL), CH_OK);
		assert_int_equal(a.select[0].mask, size >= 3 ? 0xffffffu : size == 2 ? 0xffffu : 0xffu);
		if (size == 4) {
			buf[SELECT_OFF + 6] = 1;
			assert_int_equal(refused(ch_wr_span(&w), SELECT_OFF + 3), CH_ERR_RANGE);
		}
	}
}

static void at_most_sixteen_selections(void **state)
{
	(void)state;
	struct ch_span in = quote();
	buf[COUNT_OFF + 3] = CH_TPM_SELECTIONS_MAX + 1;
	assert_int_equal(refused(in, COUNT_OFF), CH_ERR_LIMIT);
	buf[COUNT_OFF] = 0xff;
	assert_int_equal(refused(in, COUNT_OFF), CH_ERR_LIMIT);
}

/* Every flipped bit either is refused or changes what was read: no byte of a quote is without meaning. */
static void no_bit_is_ignored(void **state)
{
	(void)state;
	struct ch_tpm_attest a;
	assert_int_equal(ch_tpm_attest_parse(&a, quote(), NULL), CH_OK);
	static uint8_t other[BYTES_MAX];
	for (size_t bit = 0; bit < 8 * QUOTE_BYTES; bit++) {
		ch_span_copy(other, sizeof(other), ch_span(buf, QUOTE_BYTES));
		other[bit / 8] ^= (uint8_t)(1u << bit % 8);
		struct ch_tpm_attest b;
		if (ch_tpm_attest_parse(&b, ch_span(other, QUOTE_BYTES), NULL) != CH_OK)
			continue;
		bool same = a.type == b.type && ch_span_eq(a.qualified_signer, b.qualified_signer) &&
			    ch_span_eq(a.extra_data, b.extra_data) && a.clock == b.clock &&
			    a.reset_count == b.reset_count && a.restart_count == b.restart_count && a.safe == b.safe &&
			    a.firmware_version == b.firmware_version && a.select_count == b.select_count &&
			    memcmp(a.select, b.select, sizeof(a.select)) == 0 && ch_span_eq(a.pcr_digest, b.pcr_digest);
		assert_false(same);
	}
}

static void the_digest_is_over_the_selection(void **state)
{
	(void)state;
	struct ch_tpm_attest a;
	struct ch_pcrs pcrs;
	struct ch_digest digest, want;
	assert_int_equal(ch_tpm_attest_parse(&a, quote(), NULL), CH_OK);
	ch_pcrs_init(&pcrs);
	assert_int_equal(ch_tpm_pcr_digest(&a, &pcrs, CH_HASH_SHA256, &digest), CH_ERR_UNSUPPORTED);
	assert_int_equal(digest.n, 0);
	struct ch_pcr_bank *sha256 = ch_pcrs_add(&pcrs, CH_HASH_SHA256);
	assert_non_null(ch_pcrs_add(&pcrs, CH_HASH_SHA1));
	sha256->value[10][0] = 0x5a;
	sha256->value[9][0] = 0xff; /* not selected */
	uint8_t all[9 * 32 + 20] = { 0 };
	all[8 * 32] = 0x5a;
	assert_int_equal(ch_hash_once(CH_HASH_SHA256, CH_SPAN_OF(all), &want), CH_OK);
	assert_int_equal(ch_tpm_pcr_digest(&a, &pcrs, CH_HASH_SHA256, &digest), CH_OK);
	assert_memory_equal(digest.b, want.b, 32);
	assert_int_equal(ch_tpm_pcr_digest(&a, &pcrs, CH_HASH_SM3_256, &digest), CH_ERR_UNSUPPORTED);
}

static void an_empty_bank_needs_no_values(void **state)
{
	(void)state;
	struct ch_tpm_attest a = { .select_count = 1, .select = { { CH_HASH_SM3_256, 0 } } };
	struct ch_pcrs pcrs;
	ch_pcrs_init(&pcrs);
	struct ch_digest digest, want;
	assert_int_equal(ch_tpm_pcr_digest(&a, &pcrs, CH_HASH_SHA256, &digest), CH_OK);
	assert_int_equal(ch_hash_once(CH_HASH_SHA256, CH_SPAN_EMPTY, &want), CH_OK);
	assert_memory_equal(digest.b, want.b, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quote_is_read),
		cmocka_unit_test(a_certification_is_read),
		cmocka_unit_test(every_cut_is_truncated),
		cmocka_unit_test(a_trailing_byte_is_refused),
		cmocka_unit_test(every_other_magic_is_refused),
		cmocka_unit_test(other_attestations_are_unsupported),
		cmocka_unit_test(safe_is_yes_or_no),
		cmocka_unit_test(sizes_have_a_limit),
		cmocka_unit_test(a_bank_twice_is_refused),
		cmocka_unit_test(an_unknown_bank_is_unsupported),
		cmocka_unit_test(selections_have_limits),
		cmocka_unit_test(at_most_sixteen_selections),
		cmocka_unit_test(no_bit_is_ignored),
		cmocka_unit_test(the_digest_is_over_the_selection),
		cmocka_unit_test(an_empty_bank_needs_no_values),
	};
	return cmocka_run_group_tests_name("tpm_attest", tests, NULL, NULL);
}
