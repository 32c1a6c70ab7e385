/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/tpm_pcrs.h"

#include "host/base/file.h"
#include "tests/unit.h"

#define HEAD 136
#define SET  532

#define DUMP  "tests/fixtures/sbon-good/quote-ecc.pcrs"
#define WHOLE "tests/fixtures/sbon-good/pcrs-all-sha256.bin"

static struct ch_buf dump, whole;
static struct ch_pcrs pcrs;
/* What the recorded quote selects. */
static struct ch_tpm_attest quote = { .select_count = 1, .select = { { CH_HASH_SHA256, 0x7fff } } };

static int load(void **state)
{
	(void)state;
	return ch_file_read(&dump, DUMP) != CH_OK || ch_file_read(&whole, WHOLE) != CH_OK;
}

static int unload(void **state)
{
	(void)state;
	ch_buf_free(&dump);
	ch_buf_free(&whole);
	return 0;
}

static enum ch_err parse(struct ch_span in)
{
	struct ch_diag d;
	enum ch_err err = ch_tpm_pcrs_parse(&pcrs, &quote, in, &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	assert_true(err == CH_OK || pcrs.count == 0);
	return err;
}

/* Parses the dump with one byte changed. */
static enum ch_err parse_with(size_t off, uint8_t value)
{
	uint8_t was = dump.p[off];
	dump.p[off] = value;
	enum ch_err err = parse(ch_buf_span(&dump));
	dump.p[off] = was;
	return err;
}

static void all_forms_give_the_same_values(void **state)
{
	(void)state;
	static struct ch_pcrs from_dump;
	assert_int_equal(parse(ch_buf_span(&dump)), CH_OK);
	assert_int_equal(pcrs.bank[0].touched, 0x7fff);
	assert_true(ch_tpm_pcrs_cover(&pcrs, &quote));
	from_dump = pcrs;
	assert_int_equal(parse(ch_span(whole.p, 15 * 32)), CH_OK);
	assert_int_equal(pcrs.bank[0].touched, 0x7fff);
	assert_memory_equal(pcrs.bank[0].value, from_dump.bank[0].value, 15 * CH_DIGEST_MAX);
	assert_int_equal(parse(ch_buf_span(&whole)), CH_OK);
	assert_int_equal(pcrs.bank[0].touched, 0xffffff);
	assert_memory_equal(pcrs.bank[0].value, from_dump.bank[0].value, 15 * CH_DIGEST_MAX);
}

static void other_sizes_are_neither_form(void **state)
{
	(void)state;
	for (size_t n = 0; n <= whole.n; n++) {
		if (n == 15 * 32 || n == whole.n)
			continue;
		assert_int_equal(parse(ch_span(whole.p, n)), CH_ERR_MALFORMED);
	}
	for (size_t n = 0; n < dump.n; n++) {
		if (n != 15 * 32 && n != 24 * 32)
			assert_int_equal(parse(ch_span(dump.p, n)), CH_ERR_MALFORMED);
	}
	ch_buf_append(&dump, CH_SPAN_LIT("\0"));
	assert_int_equal(parse(ch_buf_span(&dump)), CH_ERR_MALFORMED);
	dump.n--;
}

static void values_follow_the_selection(void **state)
{
	(void)state;
	struct ch_tpm_attest two = {
		.select_count = 3,
		.select = { { CH_HASH_SHA1, 0x2 }, { CH_HASH_SHA384, 0 }, { CH_HASH_SHA256, 0x800001 } }
	};
	uint8_t in[20 + 64];
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i + 1);
	assert_int_equal(ch_tpm_pcrs_parse(&pcrs, &two, CH_SPAN_OF(in), NULL), CH_OK);
	assert_int_equal(pcrs.count, 2);
	assert_int_equal(pcrs.bank[0].value[1][0], 1);
	assert_int_equal(pcrs.bank[1].value[0][0], 21);
	assert_int_equal(pcrs.bank[1].value[23][0], 53);
	assert_int_equal(pcrs.bank[1].touched, 0x800001);
	two.select[0].alg = CH_HASH_SM3_256;
	uint8_t sm3[32 + 64] = { 0 };
	assert_int_equal(ch_tpm_pcrs_parse(&pcrs, &two, CH_SPAN_OF(sm3), NULL), CH_ERR_UNSUPPORTED);
}

static void a_quote_of_nothing_needs_nothing(void **state)
{
	(void)state;
	static const struct ch_tpm_attest none = { 0 };
	assert_int_equal(ch_tpm_pcrs_parse(&pcrs, &none, CH_SPAN_EMPTY, NULL), CH_OK);
	assert_true(ch_tpm_pcrs_cover(&pcrs, &none));
	assert_false(ch_tpm_pcrs_cover(&pcrs, &quote));
}

static void a_file_may_hold_more_or_less_than_was_quoted(void **state)
{
	(void)state;
	struct ch_tpm_attest less = { .select_count = 1, .select = { { CH_HASH_SHA256, 0x3 } } };
	struct ch_tpm_attest more = { .select_count = 1, .select = { { CH_HASH_SHA256, 0xffff } } };
	assert_int_equal(ch_tpm_pcrs_parse(&pcrs, &less, ch_buf_span(&dump), NULL), CH_OK);
	assert_true(ch_tpm_pcrs_cover(&pcrs, &less));
	assert_int_equal(ch_tpm_pcrs_parse(&pcrs, &more, ch_buf_span(&dump), NULL), CH_OK);
	assert_false(ch_tpm_pcrs_cover(&pcrs, &more));
}

static void the_head_of_a_dump_has_limits(void **state)
{
	(void)state;
	assert_int_equal(parse_with(0, 17), CH_ERR_RANGE); /* count of selections */
	assert_int_equal(parse_with(6, 5), CH_ERR_RANGE);  /* sizeofSelect */
	assert_int_equal(parse_with(4, 0x12), CH_ERR_UNSUPPORTED);
	assert_int_equal(parse_with(4, 0x99), CH_ERR_UNSUPPORTED);
	assert_int_equal(parse_with(9, 0x01), CH_ERR_MISSING);  /* one register more */
	assert_int_equal(parse_with(7, 0x7f), CH_ERR_TRAILING); /* one less */
	assert_int_equal(parse_with(7, 0x00), CH_ERR_TRAILING); /* eight less: a whole list */
	assert_int_equal(parse_with(0, 0), CH_ERR_TRAILING);
	dump.p[6] = 4;
	assert_int_equal(parse_with(10, 0x01), CH_ERR_RANGE); /* PCR 24 */
	dump.p[6] = 3;
	assert_int_equal(parse_with(10, 0x01), CH_OK); /* not in use */
}

static void a_bank_twice_in_a_dump_is_refused(void **state)
{
	(void)state;
	ch_span_copy(dump.p + 12, 4, ch_span(dump.p + 4, 4));
	assert_int_equal(parse_with(0, 2), CH_ERR_DUPLICATE);
	for (size_t i = 12; i < 16; i++)
		dump.p[i] = 0;
}

static void the_lists_of_a_dump_have_limits(void **state)
{
	(void)state;
	assert_int_equal(parse_with(HEAD, 9), CH_ERR_RANGE); /* digests in the first list */
	assert_int_equal(parse_with(HEAD, 7), CH_ERR_MISSING);
	assert_int_equal(parse_with(HEAD + 4, 31), CH_ERR_RANGE); /* size of the first digest */
	assert_int_equal(parse_with(HEAD + 4, 65), CH_ERR_RANGE);
	assert_int_equal(parse_with(HEAD + SET, 8), CH_ERR_TRAILING);
	assert_int_equal(parse_with(HEAD - 4, 1), CH_ERR_MALFORMED);
	assert_int_equal(parse_with(HEAD - 4, 0), CH_ERR_MALFORMED);
}

/* What is not in use does not matter: tools leave there what was in memory. */
static void unused_bytes_are_ignored(void **state)
{
	(void)state;
	static struct ch_pcrs before;
	assert_int_equal(parse(ch_buf_span(&dump)), CH_OK);
	before = pcrs;
	static const size_t unused[] = { 11, 12, HEAD - 5, HEAD + 4 + 2 + 32, HEAD + SET - 1, 2 * SET + HEAD - 1 };
	for (size_t i = 0; i < CH_COUNT_OF(unused); i++) {
		assert_int_equal(parse_with(unused[i], 0xee), CH_OK);
		assert_memory_equal(&pcrs, &before, sizeof(pcrs));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms_give_the_same_values),
		cmocka_unit_test(other_sizes_are_neither_form),
		cmocka_unit_test(values_follow_the_selection),
		cmocka_unit_test(a_quote_of_nothing_needs_nothing),
		cmocka_unit_test(a_file_may_hold_more_or_less_than_was_quoted),
		cmocka_unit_test(the_head_of_a_dump_has_limits),
		cmocka_unit_test(a_bank_twice_in_a_dump_is_refused),
		cmocka_unit_test(the_lists_of_a_dump_have_limits),
		cmocka_unit_test(unused_bytes_are_ignored),
	};
	return cmocka_run_group_tests_name("tpm_pcrs", tests, load, unload);
}
