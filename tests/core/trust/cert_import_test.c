/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/cert_import.h"

#include "tests/unit.h"

static struct ch_cert_import usual(void)
{
	struct ch_cert_import c = { .not_before = 1700000000,
				    .not_after = 1800000000,
				    .name = CH_SPAN_LIT("gw-1"),
				    .spki = CH_SPAN_LIT("a key"),
				    .certificate = CH_SPAN_LIT("a certificate") };
	c.ca[0] = 7;
	c.serial.b[19] = 9;
	return c;
}

static uint8_t room[32768];

static struct ch_span put(const struct ch_cert_import *c)
{
	struct ch_wr w = ch_wr(room, sizeof(room));
	assert_int_equal(ch_cert_import_put(&w, c), CH_OK);
	return ch_wr_span(&w);
}

static void what_is_put_is_read(void **state)
{
	(void)state;
	struct ch_cert_import c = usual(), r;
	assert_int_equal(ch_cert_import_parse(&r, put(&c), NULL), CH_OK);
	assert_memory_equal(r.ca, c.ca, 32);
	assert_memory_equal(r.serial.b, c.serial.b, 20);
	assert_true(r.not_before == c.not_before && r.not_after == c.not_after);
	assert_span_equal(r.name, "gw-1", 4);
	assert_span_equal(r.spki, "a key", 5);
	assert_span_equal(r.certificate, "a certificate", 13);
}

static void every_cut_and_every_byte_more_is_refused(void **state)
{
	(void)state;
	struct ch_cert_import c = usual(), r;
	struct ch_diag d;
	struct ch_span in = put(&c);
	for (size_t n = 0; n < in.n; n++) {
		assert_int_equal(ch_cert_import_parse(&r, ch_span(in.p, n), &d), CH_ERR_TRUNCATED);
		assert_non_null(d.rule);
		assert_int_equal(r.certificate.n, 0);
	}
	room[in.n] = 0;
	assert_int_equal(ch_cert_import_parse(&r, ch_span(in.p, in.n + 1), &d), CH_ERR_TRAILING);
}

static void what_makes_no_sense_is_neither_written_nor_read(void **state)
{
	(void)state;
	static uint8_t zeros[16385];
	struct ch_wr w = ch_wr(room, sizeof(room));
	struct ch_cert_import c = usual();
	c.serial.b[19] = 0;
	assert_int_equal(ch_cert_import_put(&w, &c), CH_ERR_RANGE);
	c = usual();
	c.not_after = c.not_before;
	assert_int_equal(ch_cert_import_put(&w, &c), CH_ERR_RANGE);
	c = usual();
	c.not_after = UINT64_MAX;
	assert_int_equal(ch_cert_import_put(&w, &c), CH_ERR_RANGE);
	c = usual();
	c.name = CH_SPAN_EMPTY;
	assert_int_equal(ch_cert_import_put(&w, &c), CH_ERR_RANGE);
	c.name = CH_SPAN_LIT("gw\x1b[31m");
	assert_int_equal(ch_cert_import_put(&w, &c), CH_ERR_RANGE);
	c = usual();
	c.spki = ch_span(zeros, 2049);
	assert_int_equal(ch_cert_import_put(&w, &c), CH_ERR_RANGE);
	c = usual();
	c.certificate = ch_span(zeros, 16385);
	assert_int_equal(ch_cert_import_put(&w, &c), CH_ERR_RANGE);
	assert_int_equal(w.len, 0);
	c = usual();
	struct ch_span in = put(&c);
	for (size_t i = 32; i < 52; i++)
		room[i] = 0;
	struct ch_diag d;
	assert_int_equal(ch_cert_import_parse(&c, in, &d), CH_ERR_RANGE);
	assert_non_null(strstr(d.rule, "serial"));
}

static void rows_of_revocations(void **state)
{
	(void)state;
	uint8_t row[CH_REVOKED_ROW];
	struct ch_revoked r = { .time = 1700000000, .reason = CH_CRL_SUPERSEDED, .expires = 1800000000 }, back;
	r.serial.b[3] = 1;
	struct ch_wr w = ch_wr(row, sizeof(row));
	ch_revoked_row_put(&w, &r);
	assert_int_equal(w.len, CH_REVOKED_ROW);
	struct ch_rd in = ch_rd(CH_SPAN_OF(row));
	assert_int_equal(ch_revoked_row_take(&in, &back), CH_OK);
	assert_memory_equal(&r, &back, sizeof(r.serial));
	assert_true(back.time == r.time && back.reason == r.reason && back.expires == r.expires);
	for (size_t n = 0; n < sizeof(row); n++) {
		in = ch_rd(ch_span(row, n));
		assert_int_equal(ch_revoked_row_take(&in, &back), CH_ERR_TRUNCATED);
	}
	row[28] = CH_CRL_HOLD;
	in = ch_rd(CH_SPAN_OF(row));
	assert_int_equal(ch_revoked_row_take(&in, &back), CH_ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_read),
		cmocka_unit_test(every_cut_and_every_byte_more_is_refused),
		cmocka_unit_test(what_makes_no_sense_is_neither_written_nor_read),
		cmocka_unit_test(rows_of_revocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
