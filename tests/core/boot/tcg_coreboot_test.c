/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/core/boot/log_maker.h"

static const uint8_t mark_tpm2[15] = { 0, 1, 0, 'C', 'B', 'T', '2', 50, 0, 2, 0, 58, 0, 0, 0 };
static const uint8_t mark_tpm1[15] = { 0, 1, 0, 'C', 'B', 'T', '1', 50, 0, 2, 0, 37, 0, 0, 0 };

static void coreboots_capture_has_its_padding(void **state)
{
	(void)state;
	struct ch_buf CH_AUTO_BUF b = load(COREBOOT);
	assert_int_equal(parse(ch_buf_span(&b)), CH_OK);
	assert_int_equal(log_.format, CH_TCG_COREBOOT_TPM2);
	assert_int_equal(log_.event_count, 7);
	assert_int_equal(log_.promised, 6);
	assert_int_equal(log_.padding, 4400);
	assert_int_equal(count_events(), 7);
	/* Any number of zeros will do, but nothing else. */
	for (size_t n = 680; n < b.n; n++)
		assert_int_equal(parse(ch_span(b.p, n)), CH_OK);
	assert_int_equal(parse(ch_span(b.p, 580)), CH_OK);
	assert_int_equal(log_.event_count, 6);
	for (size_t n = 580 + 1; n < 680; n++)
		assert_int_equal(parse(ch_span(b.p, n)), CH_ERR_TRUNCATED);
	for (size_t i = 680; i < b.n; i += 7) {
		b.p[i] = 1;
		assert_int_equal(parse(ch_buf_span(&b)), CH_ERR_TRAILING);
		b.p[i] = 0;
	}
}

static void coreboots_vendor_mark_is_checked(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint8_t value;
		enum ch_err err;
	} row[] = {
		{ 0, 1, CH_ERR_UNSUPPORTED },
		{ 1, 2, CH_ERR_UNSUPPORTED },
		{ 2, 9, CH_OK },
		{ 6, '1', CH_OK }, /* the mark of the other log has no meaning here */
		{ 7, 1, CH_ERR_RANGE },
		{ 9, 1, CH_ERR_TRAILING },
		{ 9, 3, CH_OK },
		{ 11, 0, CH_ERR_RANGE },
		{ 11, 59, CH_ERR_MALFORMED },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		uint8_t mark[15];
		(void)ch_span_copy(mark, sizeof(mark), CH_SPAN_OF(mark_tpm2));
		mark[row[i].at] = row[i].value;
		begin();
		spec_id(sha256, 1, CH_SPAN_OF(mark));
		event(2, CH_EV_ACTION, CH_SPAN_LIT("FMAP\0\0\0\0"));
		event(2, CH_EV_ACTION, CH_SPAN_LIT("CBFS: x\0"));
		assert_int_equal(parse_made(), row[i].err);
		if (row[i].err == CH_OK)
			assert_int_equal(log_.format, row[i].at == 6 ? CH_TCG_AGILE : CH_TCG_COREBOOT_TPM2);
	}
}

static void coreboots_tpm_1_2_log(void **state)
{
	(void)state;
	uint8_t data[40] = "Spec ID Event00";
	data[24] = sizeof(mark_tpm1);
	(void)ch_span_copy(data + 25, 15, CH_SPAN_OF(mark_tpm1));
	begin();
	sha1_event(0, CH_EV_NO_ACTION, CH_SPAN_OF(data));
	sha1_event(2, CH_EV_ACTION, CH_SPAN_LIT("FMAP\0"));
	sha1_event(3, CH_EV_ACTION, CH_SPAN_LIT("CBFS\0"));
	fill(0, 77);
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.format, CH_TCG_COREBOOT_TCPA);
	assert_int_equal(log_.event_count, 3);
	assert_int_equal(log_.padding, 77);
	assert_pcr(CH_HASH_SHA1, 3, 0, 0, 0x11);
}

static void table_entry(uint32_t pcr, const char *type, size_t size, const char *name)
{
	uint8_t text[50] = { 0 };
	ch_wr_le32(&w, pcr);
	(void)ch_span_copy(text, 10, ch_span_str(type));
	ch_wr_put(&w, ch_span(text, 10));
	fill(0x33, size);
	fill(0, 64 - size);
	ch_wr_le32(&w, (uint32_t)size);
	memset(text, 0, sizeof(text));
	(void)ch_span_copy(text, sizeof(text), ch_span_str(name));
	ch_wr_put(&w, CH_SPAN_OF(text));
}

static void table(uint16_t max, uint16_t count)
{
	begin();
	ch_wr_le16(&w, max);
	ch_wr_le16(&w, count);
}

static void coreboots_own_table(void **state)
{
	(void)state;
	table(32, 2);
	table_entry(2, "SHA256", 32, "FMAP: FMAP");
	table_entry(3, "SHA256", 32, "CBFS: bootblock");
	fill(0, 30 * 132);
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.format, CH_TCG_COREBOOT);
	assert_int_equal(log_.event_count, 2);
	assert_int_equal(log_.bank_count, 1);
	assert_int_equal(log_.used, 1);
	assert_int_equal(log_.padding, 30 * 132);
	assert_int_equal(count_events(), 2);
	assert_pcr(CH_HASH_SHA256, 3, 0, 0, 0x33);
	struct ch_tcg_iter it = ch_tcg_iter(&log_);
	struct ch_tcg_event ev;
	assert_true(ch_tcg_next(&it, &ev));
	assert_int_equal(ev.type, CH_EV_ACTION);
	assert_int_equal(ev.off, 4);
	assert_span_equal(ev.data, "FMAP: FMAP", 10);
	assert_true(ev.extended);
}

static void a_coreboot_table_of_several_banks(void **state)
{
	(void)state;
	table(4, 4);
	table_entry(0, "SHA1", 20, "boot mode");
	table_entry(1, "SHA256", 32, "HWID");
	table_entry(1, "SHA384", 48, "x");
	table_entry(1, "SHA512", 64, "y");
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.bank_count, 4);
	assert_int_equal(log_.used, 15);
	assert_pcr(CH_HASH_SHA1, 0, 0, 0, 0x33);
	assert_pcr(CH_HASH_SHA256, 1, 0, 0, 0x33);
}

static void a_coreboot_table_that_breaks_a_rule(void **state)
{
	(void)state;
	table(1, 2);
	table_entry(2, "SHA256", 32, "x");
	assert_int_equal(parse_made(), CH_ERR_RANGE);
	table(2, 1);
	table_entry(24, "SHA256", 32, "x");
	assert_int_equal(parse_made(), CH_ERR_RANGE);
	table(2, 1);
	table_entry(2, "SHA256", 20, "x");
	assert_int_equal(parse_made(), CH_ERR_RANGE);
	assert_int_equal(diag.item, 0);
	assert_int_equal(diag.off, 4 + 4 + 10 + 64);
	table(2, 1);
	table_entry(2, "SHA224", 28, "x");
	assert_int_equal(parse_made(), CH_ERR_UNSUPPORTED);
	assert_int_equal(ch_tcg_log_parse(&log_, ch_wr_span(&w), NULL), CH_ERR_UNSUPPORTED);
	table(2, 1);
	table_entry(2, "SHA1", 20, "x");
	buf[4 + 4 + 10 + 21] = 1;
	assert_int_equal(parse_made(), CH_ERR_MALFORMED);
	buf[4 + 4 + 10 + 21] = 0;
	assert_int_equal(parse_made(), CH_OK);
	buf[w.len - 1] = 1;
	assert_int_equal(parse_made(), CH_ERR_MALFORMED);
	memset(buf + w.len - 50, 'a', 50);
	assert_int_equal(parse_made(), CH_ERR_MALFORMED);
	table(2, 1);
	table_entry(2, "SHA1", 20, "x");
	table_entry(2, "SHA1", 20, "one more than the header counts");
	assert_int_equal(parse_made(), CH_ERR_TRAILING);
}

static void every_cut_of_a_coreboot_table(void **state)
{
	(void)state;
	table(3, 3);
	table_entry(2, "SHA256", 32, "x");
	table_entry(2, "SHA256", 32, "y");
	struct ch_span whole = ch_wr_span(&w);
	for (size_t n = 0; n <= whole.n; n++) {
		enum ch_err err = parse(ch_span(whole.p, n));
		if (n == 136 || n == 268)
			assert_int_equal(err, CH_OK);
		else
			assert_int_not_equal(err, CH_OK);
	}
	assert_int_equal(log_.promised, 3);
	assert_int_equal(log_.event_count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(coreboots_capture_has_its_padding),
		cmocka_unit_test(coreboots_vendor_mark_is_checked),
		cmocka_unit_test(coreboots_tpm_1_2_log),
		cmocka_unit_test(coreboots_own_table),
		cmocka_unit_test(a_coreboot_table_of_several_banks),
		cmocka_unit_test(a_coreboot_table_that_breaks_a_rule),
		cmocka_unit_test(every_cut_of_a_coreboot_table),
	};
	return cmocka_run_group_tests_name("tcg_coreboot", tests, NULL, NULL);
}
