/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ca_index.h"

#include "tests/unit.h"

static const char good[] = "V\t290228105224Z\t\tCA291F43CD7FA634DEAB69A7F0ED95E1\tunknown\t/CN=gw-1\n"
			   "R\t290228105225Z\t261126105227Z,keyCompromise\t97C4F2\tunknown\t/O=Lab/CN=gw-2\n"
			   "E\t20510101000000Z\t\t02\tunknown\t/CN=gw-3\n"
			   "R\t290228105225Z\t261126105227Z,keyTime,20260101000000Z\t0003\tunknown\t/CN=gw-4\n"
			   "R\t290228105225Z\t261126105227Z\t04\tunknown\t\n";

static enum ch_err read_all(struct ch_span in, size_t *rows, struct ch_diag *d)
{
	struct ch_ca_index_rd r = { .in = in };
	struct ch_ca_index_row row;
	bool end = false;
	*rows = 0;
	for (;;) {
		enum ch_err err = ch_ca_index_next(&r, &row, &end, d);
		if (err != CH_OK || end) {
			assert_int_equal(row.line, 0);
			return err;
		}
		++*rows;
	}
}

static void lines_say_what_openssl_wrote(void **state)
{
	(void)state;
	struct ch_ca_index_rd r = { .in = ch_span_str(good) };
	struct ch_ca_index_row row;
	bool end;
	assert_int_equal(ch_ca_index_next(&r, &row, &end, NULL), CH_OK);
	assert_false(end || row.revoked);
	assert_int_equal(row.line, 1);
	assert_int_equal(row.expires, 1866970344);
	assert_memory_equal(row.serial.b, "\0\0\0\0\xca\x29\x1f\x43\xcd\x7f\xa6\x34\xde\xab\x69\xa7\xf0\xed\x95\xe1",
			    20);
	assert_span_equal(row.subject, "/CN=gw-1", 8);
	assert_int_equal(ch_ca_index_next(&r, &row, &end, NULL), CH_OK);
	assert_true(row.revoked);
	assert_int_equal(row.time, 1795690347);
	assert_int_equal(row.reason, CH_CRL_KEY_COMPROMISE);
	assert_int_equal(ch_ca_index_next(&r, &row, &end, NULL), CH_OK);
	assert_false(row.revoked);
	assert_int_equal(row.expires, 2556144000);
	assert_int_equal(ch_ca_index_next(&r, &row, &end, NULL), CH_OK);
	assert_int_equal(row.reason, CH_CRL_KEY_COMPROMISE);
	assert_int_equal(row.serial.b[19], 3);
	assert_int_equal(ch_ca_index_next(&r, &row, &end, NULL), CH_OK);
	assert_int_equal(row.reason, CH_CRL_UNSPECIFIED);
	assert_int_equal(row.line, 5);
	assert_int_equal(ch_ca_index_next(&r, &row, &end, NULL), CH_OK);
	assert_true(end);
}

static void broken_lines_are_named(void **state)
{
	(void)state;
	const struct {
		const char *text;
		enum ch_err err;
	} row[] = {
		{ "V\t290228105224Z\t\t02\tunknown\t/CN=a", CH_ERR_TRUNCATED },
		{ "\n", CH_ERR_MALFORMED },
		{ "V\t290228105224Z\t\t02\tunknown\n", CH_ERR_MALFORMED },
		{ "V\t290228105224Z\t\t02\tunknown\t/CN=a\t\n", CH_ERR_MALFORMED },
		{ "X\t290228105224Z\t\t02\tunknown\t/CN=a\n", CH_ERR_MALFORMED },
		{ "VV\t290228105224Z\t\t02\tunknown\t/CN=a\n", CH_ERR_MALFORMED },
		{ "V\t\t\t02\tunknown\t/CN=a\n", CH_ERR_MALFORMED },
		{ "V\t291328105224Z\t\t02\tunknown\t/CN=a\n", CH_ERR_RANGE },
		{ "V\t29022810522xZ\t\t02\tunknown\t/CN=a\n", CH_ERR_RANGE },
		{ "V\t290228105224Z\t261126105227Z\t02\tunknown\t/CN=a\n", CH_ERR_MALFORMED },
		{ "R\t290228105224Z\t\t02\tunknown\t/CN=a\n", CH_ERR_MALFORMED },
		{ "R\t290228105224Z\t261126105227Z,\t02\tunknown\t/CN=a\n", CH_ERR_MALFORMED },
		{ "R\t290228105224Z\t261126105227Z,because\t02\tunknown\t/CN=a\n", CH_ERR_MALFORMED },
		{ "R\t290228105224Z\t261126105227Z,superseded,x\t02\tunknown\t/CN=a\n", CH_ERR_MALFORMED },
		{ "R\t290228105224Z\t261126105227Z,keyTime\t02\tunknown\t/CN=a\n", CH_ERR_MALFORMED },
		{ "R\t290228105224Z\t261126105227Z,removeFromCRL\t02\tunknown\t/CN=a\n", CH_ERR_UNSUPPORTED },
		{ "V\t290228105224Z\t\t\tunknown\t/CN=a\n", CH_ERR_RANGE },
		{ "V\t290228105224Z\t\t2\tunknown\t/CN=a\n", CH_ERR_RANGE },
		{ "V\t290228105224Z\t\t00\tunknown\t/CN=a\n", CH_ERR_RANGE },
		{ "V\t290228105224Z\t\tzz\tunknown\t/CN=a\n", CH_ERR_RANGE },
		{ "V\t290228105224Z\t\t010203040506070809101112131415161718192021\tunknown\t/CN=a\n", CH_ERR_RANGE },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct ch_diag d;
		size_t rows;
		if (read_all(ch_span_str(row[i].text), &rows, &d) != row[i].err)
			fail_msg("line %zu: %s", i, d.rule != NULL ? d.rule : "taken");
		assert_non_null(d.rule);
		assert_int_equal(d.item, 1);
		assert_int_equal(rows, 0);
	}
}

/* A cut at the end of a line is the file that it was a moment before; anywhere else it is none. */
static void every_cut_is_seen_or_is_at_a_line(void **state)
{
	(void)state;
	struct ch_diag d;
	size_t rows, lines = 0;
	for (size_t n = 0; n < sizeof(good); n++) {
		lines += n > 0 && good[n - 1] == '\n';
		bool whole = n == 0 || good[n - 1] == '\n';
		enum ch_err err = read_all(ch_span((const uint8_t *)good, n), &rows, &d);
		assert_int_equal(err, whole ? CH_OK : CH_ERR_TRUNCATED);
		assert_int_equal(rows, lines);
		assert_int_equal(d.item, whole ? CH_ITEM_NONE : lines + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_say_what_openssl_wrote),
		cmocka_unit_test(broken_lines_are_named),
		cmocka_unit_test(every_cut_is_seen_or_is_at_a_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
