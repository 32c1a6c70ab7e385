/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/der.h"
#include "tests/unit.h"

static enum ch_err check(const void *p, size_t n)
{
	struct ch_diag d;
	enum ch_err err = ch_der_check(ch_span(p, n), &d);
	assert_true(err == CH_OK || (d.rule != NULL && d.off <= n));
	return err;
}
#define CHECK(literal) check("" literal, sizeof(literal) - 1)

static void lengths_are_definite_and_shortest(void **state)
{
	(void)state;
	assert_int_equal(CHECK("\x04\x01\x00"), CH_OK);
	assert_int_equal(CHECK("\x04\x80\x00\x00"), CH_ERR_MALFORMED);
	assert_int_equal(CHECK("\x04\x81\x01\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x04\x82\x00\x01\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x04\x85\x00\x00\x00\x00\x01\x00"), CH_ERR_MALFORMED);
	assert_int_equal(CHECK("\x04\x84\xff\xff\xff\xff\x00"), CH_ERR_TRUNCATED);
	assert_int_equal(CHECK("\x04\x82\x01"), CH_ERR_TRUNCATED);
	uint8_t s[131] = { 0x04, 0x81, 0x80 };
	assert_int_equal(check(s, sizeof(s)), CH_OK);
	assert_int_equal(check(s, sizeof(s) - 1), CH_ERR_TRUNCATED);
}

static void tags_are_one_octet_and_not_end_of_contents(void **state)
{
	(void)state;
	assert_int_equal(CHECK("\x1f\x1f\x00"), CH_ERR_UNSUPPORTED);
	assert_int_equal(CHECK("\x00\x00"), CH_ERR_MALFORMED);
	assert_int_equal(CHECK("\x20\x00"), CH_ERR_MALFORMED);
	assert_int_equal(CHECK("\x24\x03\x04\x01\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x10\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x31\x00"), CH_OK);
	assert_int_equal(CHECK("\x80\x00"), CH_OK);
}

static void every_cut_and_a_trailing_byte_are_refused(void **state)
{
	(void)state;
	static const char s[] = "\x30\x0d\x02\x01\x05\x30\x03\x01\x01\xff\x05\x00\xa0\x01\x30";
	static const char good[] = "\x30\x0e\x02\x01\x05\x30\x03\x01\x01\xff\x05\x00\xa0\x02\x30\x00";
	assert_int_equal(check(good, sizeof(good) - 1), CH_OK);
	for (size_t n = 0; n < sizeof(good) - 1; n++)
		assert_int_equal(check(good, n), CH_ERR_TRUNCATED);
	assert_int_equal(check(good, sizeof(good)), CH_ERR_TRAILING);
	assert_int_equal(check(s, sizeof(s) - 1), CH_ERR_TRUNCATED); /* a SEQUENCE without its length */
}

static void depth_is_bounded(void **state)
{
	(void)state;
	uint8_t s[2 * (CH_DER_DEPTH_MAX + 1)];
	for (size_t i = 0; i < CH_DER_DEPTH_MAX + 1; i++) {
		s[2 * i] = 0x30;
		s[2 * i + 1] = (uint8_t)(sizeof(s) - 2 * i - 2);
	}
	assert_int_equal(check(s, sizeof(s)), CH_ERR_LIMIT);
	s[3] = 0; /* sizes no longer fit, but one level fewer does */
	uint8_t *t = s + 2;
	t[1] = (uint8_t)(sizeof(s) - 4);
	assert_int_equal(check(t, sizeof(s) - 2), CH_OK);
}

static void integers_are_shortest(void **state)
{
	(void)state;
	assert_int_equal(CHECK("\x02\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x02\x02\x00\x7f"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x02\x02\xff\x80"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x02\x02\x00\x80"), CH_OK);
	assert_int_equal(CHECK("\x02\x02\xff\x7f"), CH_OK);
	assert_int_equal(CHECK("\x02\x01\x00"), CH_OK);
	assert_int_equal(CHECK("\x0a\x02\x00\x01"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x0a\x01\x01"), CH_OK);
}

static void simple_types_have_one_form(void **state)
{
	(void)state;
	assert_int_equal(CHECK("\x01\x01\x01"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x01\x02\xff\xff"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x01\x01\x00"), CH_OK);
	assert_int_equal(CHECK("\x05\x01\x00"), CH_ERR_MALFORMED);
	assert_int_equal(CHECK("\x06\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x06\x02\x2a\x86"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x06\x03\x2a\x80\x01"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x06\x03\x2a\x86\x48"), CH_OK);
	assert_int_equal(CHECK("\x06\x03\x2a\x81\x80"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x03\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x03\x01\x01"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x03\x02\x08\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x03\x02\x01\x01"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x03\x02\x01\x02"), CH_OK);
	assert_int_equal(CHECK("\x03\x01\x00"), CH_OK);
}

static void strings_have_their_characters(void **state)
{
	(void)state;
	assert_int_equal(CHECK("\x0c\x02\xc3\xa9"), CH_OK);
	assert_int_equal(CHECK("\x0c\x02\xc3\x28"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x13\x01\xe9"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x16\x01\x40"), CH_OK);
	assert_int_equal(CHECK("\x1e\x01\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x1e\x02\xd8\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x1e\x02\x20\xac"), CH_OK);
	assert_int_equal(CHECK("\x1c\x04\x00\x11\x00\x00"), CH_ERR_ENCODING);
	assert_int_equal(CHECK("\x1c\x04\x00\x01\xf6\x00"), CH_OK);
}

static void strings_become_utf8(void **state)
{
	(void)state;
	uint8_t buf[32];
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	ch_der_string_put(&w, CH_DER_T61_STRING, CH_SPAN_LIT("\xe9"));
	ch_der_string_put(&w, CH_DER_BMP_STRING, CH_SPAN_LIT("\x20\xac"));
	ch_der_string_put(&w, CH_DER_UNIVERSAL_STRING, ch_span("\x00\x01\xf6\x00", 4));
	ch_der_string_put(&w, CH_DER_PRINTABLE_STRING, CH_SPAN_LIT("a"));
	ch_der_string_put(&w, CH_DER_INTEGER, CH_SPAN_LIT("b"));
	assert_span_equal(ch_wr_span(&w),
			  "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
			  "a",
			  10);
}

static void oids_are_written(void **state)
{
	(void)state;
	static const struct {
		struct ch_span oid;
		const char *text;
	} row[] = {
		{ CH_SPAN_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), "1.2.840.113549.1.1.11" },
		{ CH_SPAN_LIT("\x67\x81\x05\x08\x01"), "2.23.133.8.1" },
		{ CH_SPAN_LIT("\x88\x37\x03"), "2.999.3" },
		{ CH_SPAN_LIT("\x27"), "0.39" },
		{ CH_SPAN_LIT("\x2a\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "1.2.18446744073709551615" },
		{ CH_SPAN_LIT("\x2a\x82\x80\x80\x80\x80\x80\x80\x80\x80\x00\x01"), "1.2.?.1" },
		{ CH_SPAN_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01"), "2.?.1" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		char buf[64] = { 0 };
		struct ch_wr w = ch_wr(buf, sizeof(buf) - 1);
		ch_oid_put(&w, row[i].oid);
		assert_string_equal(buf, row[i].text);
	}
}

/* Reads a time from its text; INT64_MIN if it is refused. */
static int64_t time_of(uint8_t tag, const char *text)
{
	uint8_t buf[64] = { tag, (uint8_t)strlen(text) };
	(void)ch_span_copy(buf + 2, sizeof(buf) - 2, ch_span_str(text));
	struct ch_der_rd d = ch_der_rd(ch_span(buf, 2 + strlen(text)), 0);
	int64_t t = ch_der_time(&d, "a time");
	return ch_der_end(&d, NULL, "trailing") == CH_OK ? t : INT64_MIN;
}

static void times_are_seconds_since_1970(void **state)
{
	(void)state;
	assert_int_equal(time_of(CH_DER_UTC_TIME, "700101000000Z"), 0);
	assert_int_equal(time_of(CH_DER_UTC_TIME, "691231235959Z"), -1);
	assert_int_equal(time_of(CH_DER_UTC_TIME, "500101000000Z"), -631152000);
	assert_int_equal(time_of(CH_DER_UTC_TIME, "491231235959Z"), 2524607999);
	assert_int_equal(time_of(CH_DER_GENERAL_TIME, "20000229120000Z"), 951825600);
	assert_int_equal(time_of(CH_DER_GENERAL_TIME, "99991231235959Z"), 253402300799);
	assert_int_equal(time_of(CH_DER_GENERAL_TIME, "00000101000000Z"), -62167219200);
}

static void times_that_do_not_exist_are_refused(void **state)
{
	(void)state;
	static const char *const utc[] = { "",
					   "7001010000Z",
					   "700101000000",
					   "700101000000+0000",
					   "701301000000Z",
					   "700001000000Z",
					   "700100000000Z",
					   "700132000000Z",
					   "710229000000Z",
					   "700101240000Z",
					   "700101006000Z",
					   "700101000060Z",
					   "7001010000 0Z",
					   "700101000000ZZ",
					   "a00101000000Z" };
	for (size_t i = 0; i < CH_COUNT_OF(utc); i++)
		assert_int_equal(time_of(CH_DER_UTC_TIME, utc[i]), INT64_MIN);
	assert_int_equal(time_of(CH_DER_GENERAL_TIME, "19000229000000Z"), INT64_MIN);
	assert_int_equal(time_of(CH_DER_GENERAL_TIME, "20000101000000.5Z"), INT64_MIN);
	assert_int_equal(time_of(CH_DER_IA5_STRING, "700101000000Z"), INT64_MIN);
}

static void times_are_written_as_they_are_read(void **state)
{
	(void)state;
	static const char *const text[] = { "0000-01-01T00:00:00Z", "0000-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
					    "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2000-02-29T12:34:56Z",
					    "2026-11-25T03:26:03Z", "9999-12-31T23:59:59Z", "1900-02-28T23:59:59Z" };
	char buf[32];
	int64_t t;
	for (size_t i = 0; i < CH_COUNT_OF(text); i++) {
		struct ch_wr w = ch_wr(buf, sizeof(buf));
		assert_int_equal(ch_time_parse(&t, ch_span_str(text[i])), CH_OK);
		ch_time_put(&w, t);
		assert_span_equal(ch_wr_span(&w), text[i], strlen(text[i]));
	}
	/* every day of 800 years comes back */
	for (t = INT64_C(-12219292800); t < INT64_C(-12219292800) + INT64_C(292194) * 86400; t += 86400) {
		int64_t back = 0;
		struct ch_wr w = ch_wr(buf, sizeof(buf));
		ch_time_put(&w, t);
		assert_int_equal(ch_time_parse(&back, ch_wr_span(&w)), CH_OK);
		assert_true(back == t);
	}
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	ch_time_put(&w, INT64_MIN);
	ch_time_put(&w, INT64_MAX);
	assert_span_equal(ch_wr_span(&w), "??", 2);
	static const char *const bad[] = { "2026-11-25",           "2026-11-25T03:26:03+00:00", "2026-11-25 03:26:03Z",
					   "2026-13-25T03:26:03Z", "2026-11-25t03:26:03Z",      "" };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++)
		assert_int_equal(ch_time_parse(&t, ch_span_str(bad[i])), CH_ERR_MALFORMED);
}

static void the_first_failure_sticks(void **state)
{
	(void)state;
	struct ch_diag diag;
	struct ch_der_rd d = ch_der_rd(CH_SPAN_LIT("\x30\x03\x02\x01\x05"), 100);
	struct ch_der_rd seq = ch_der_enter(&d, CH_DER_SEQUENCE, "a sequence");
	assert_int_equal(ch_der_peek(&seq), CH_DER_INTEGER);
	assert_false(ch_der_boolean(&seq, "a boolean"));
	assert_int_equal(ch_der_small(&seq, 10, "a number"), 0);
	assert_int_equal(ch_der_octets(&seq, "octets").n, 0);
	assert_int_equal(ch_der_oid(&seq, "oid").n, 0);
	assert_int_equal(ch_der_bits(&seq, NULL, "bits").n, 0);
	assert_int_equal(ch_der_peek(&seq), 0);
	assert_false(ch_der_more(&seq));
	struct ch_der_rd deeper = ch_der_enter(&seq, CH_DER_SEQUENCE, "deeper");
	assert_false(ch_der_ok(&deeper));
	ch_der_leave(&seq, &deeper, "trailing");
	ch_der_leave(&d, &seq, "trailing");
	assert_int_equal(ch_der_end(&d, &diag, "trailing"), CH_ERR_MALFORMED);
	assert_int_equal(diag.off, 102);
	assert_string_equal(diag.rule, "a boolean");
}

static void what_is_left_over_is_told(void **state)
{
	(void)state;
	struct ch_diag diag;
	struct ch_der_rd d = ch_der_rd(CH_SPAN_LIT("\x30\x03\x02\x01\x05"), 0);
	struct ch_der_rd seq = ch_der_enter(&d, CH_DER_SEQUENCE, "a sequence");
	ch_der_leave(&d, &seq, "something is left");
	assert_int_equal(ch_der_end(&d, &diag, "more"), CH_ERR_TRAILING);
	assert_int_equal(diag.off, 2);
	assert_string_equal(diag.rule, "something is left");
	d = ch_der_rd(CH_SPAN_LIT("\x02\x01\x05\x02\x01\x06"), 0);
	assert_int_equal(ch_der_small(&d, 5, "five"), 5);
	struct ch_der_rd rest = d;
	assert_int_equal(ch_der_end(&rest, &diag, "more"), CH_ERR_TRAILING);
	assert_int_equal(ch_der_small(&d, 5, "five"), 0);
	assert_int_equal(ch_der_end(&d, &diag, "more"), CH_ERR_RANGE);
	d = ch_der_rd(CH_SPAN_EMPTY, 0);
	(void)ch_der_take(&d, CH_DER_NULL, "nothing there");
	assert_int_equal(ch_der_end(&d, &diag, "more"), CH_ERR_MISSING);
}

static void numbers_have_their_range(void **state)
{
	(void)state;
	struct ch_der_rd d = ch_der_rd(CH_SPAN_LIT("\x02\x01\xff"), 0);
	assert_int_equal(ch_der_unsigned(&d, "n").n, 0);
	assert_int_equal(d.err, CH_ERR_RANGE);
	d = ch_der_rd(CH_SPAN_LIT("\x02\x05\x00\xff\xff\xff\xff"), 0);
	assert_true(ch_der_small(&d, UINT32_MAX, "n") == UINT32_MAX);
	d = ch_der_rd(CH_SPAN_LIT("\x02\x05\x01\x00\x00\x00\x00"), 0);
	assert_int_equal(ch_der_small(&d, UINT32_MAX, "n"), 0);
	assert_int_equal(d.err, CH_ERR_RANGE);
	d = ch_der_rd(CH_SPAN_LIT("\x03\x02\x01\x02"), 0);
	assert_int_equal(ch_der_bits(&d, NULL, "bits").n, 0);
	assert_int_equal(d.err, CH_ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_are_definite_and_shortest),
		cmocka_unit_test(tags_are_one_octet_and_not_end_of_contents),
		cmocka_unit_test(every_cut_and_a_trailing_byte_are_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(integers_are_shortest),
		cmocka_unit_test(simple_types_have_one_form),
		cmocka_unit_test(strings_have_their_characters),
		cmocka_unit_test(strings_become_utf8),
		cmocka_unit_test(oids_are_written),
		cmocka_unit_test(times_are_seconds_since_1970),
		cmocka_unit_test(times_that_do_not_exist_are_refused),
		cmocka_unit_test(times_are_written_as_they_are_read),
		cmocka_unit_test(the_first_failure_sticks),
		cmocka_unit_test(what_is_left_over_is_told),
		cmocka_unit_test(numbers_have_their_range),
	};
	return cmocka_run_group_tests_name("der", tests, NULL, NULL);
}
