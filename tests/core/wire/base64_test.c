/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/base64.h"
#include "tests/unit.h"

static uint8_t out[256];
static size_t n;
static struct ch_diag diag;

static enum ch_err decode(enum ch_base64 form, const char *text)
{
	return ch_base64_decode(form, ch_span_str(text), out, sizeof(out), &n, &diag);
}

static void assert_put(enum ch_base64 form, const char *bytes, const char *want)
{
	uint8_t text[64];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_base64_put(&w, form, ch_span_str(bytes));
	assert_span_equal(ch_wr_span(&w), want, strlen(want));
	assert_int_equal(decode(form, want), CH_OK);
	assert_int_equal(n, strlen(bytes));
	assert_memory_equal(out, bytes, n);
}

/* The vectors of RFC 4648, 10. */
static void agrees_with_the_standard(void **state)
{
	(void)state;
	assert_put(CH_BASE64_STD, "", "");
	assert_put(CH_BASE64_STD, "f", "Zg==");
	assert_put(CH_BASE64_STD, "fo", "Zm8=");
	assert_put(CH_BASE64_STD, "foo", "Zm9v");
	assert_put(CH_BASE64_STD, "foob", "Zm9vYg==");
	assert_put(CH_BASE64_STD, "fooba", "Zm9vYmE=");
	assert_put(CH_BASE64_STD, "foobar", "Zm9vYmFy");
	assert_put(CH_BASE64_URL, "foob", "Zm9vYg");
	assert_put(CH_BASE64_URL, "fooba", "Zm9vYmE");
	assert_put(CH_BASE64_URL_PADDED, "foob", "Zm9vYg==");
}

static void the_alphabets_differ_in_two_characters(void **state)
{
	(void)state;
	assert_put(CH_BASE64_STD, "\xfb\xff\xbe", "+/++");
	assert_put(CH_BASE64_URL, "\xfb\xff\xbe", "-_--");
	assert_int_equal(decode(CH_BASE64_STD, "-_--"), CH_ERR_ENCODING);
	assert_int_equal(decode(CH_BASE64_URL, "+/++"), CH_ERR_ENCODING);
}

static void refuses_all_but_the_one_text(void **state)
{
	(void)state;
	static const struct {
		enum ch_base64 form;
		const char *text;
		enum ch_err err;
		size_t off;
	} bad[] = {
		{ CH_BASE64_STD, "Z", CH_ERR_TRUNCATED, 1 },
		{ CH_BASE64_STD, "Zg", CH_ERR_TRUNCATED, 2 },
		{ CH_BASE64_STD, "Zg=", CH_ERR_TRUNCATED, 3 },
		{ CH_BASE64_STD, "Zm8", CH_ERR_TRUNCATED, 3 },
		{ CH_BASE64_STD, "Zh==", CH_ERR_ENCODING, 1 },
		{ CH_BASE64_STD, "Zm9=", CH_ERR_ENCODING, 2 },
		{ CH_BASE64_STD, "Zg===", CH_ERR_ENCODING, 4 },
		{ CH_BASE64_STD, "Zg==Zg==", CH_ERR_ENCODING, 4 },
		{ CH_BASE64_STD, "Zg=v", CH_ERR_ENCODING, 3 },
		{ CH_BASE64_STD, "=", CH_ERR_ENCODING, 0 },
		{ CH_BASE64_STD, "Z===", CH_ERR_ENCODING, 1 },
		{ CH_BASE64_STD, "Zm9v=", CH_ERR_ENCODING, 4 },
		{ CH_BASE64_STD, "Zm9v\n", CH_ERR_ENCODING, 4 },
		{ CH_BASE64_STD, " Zm9v", CH_ERR_ENCODING, 0 },
		{ CH_BASE64_STD, "Zm9\xc3", CH_ERR_ENCODING, 3 },
		{ CH_BASE64_URL, "Zg==", CH_ERR_ENCODING, 2 },
		{ CH_BASE64_URL, "Z", CH_ERR_TRUNCATED, 1 },
		{ CH_BASE64_URL, "Zh", CH_ERR_ENCODING, 1 },
		{ CH_BASE64_URL, "Zm9", CH_ERR_ENCODING, 2 },
		{ CH_BASE64_URL_PADDED, "Zg", CH_ERR_TRUNCATED, 2 },
		{ CH_BASE64_URL_PADDED, "Zh==", CH_ERR_ENCODING, 1 },
	};
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		enum ch_err err = decode(bad[i].form, bad[i].text);
		if (err != bad[i].err || diag.off != bad[i].off)
			fail_msg("%s: %s at %zu", bad[i].text, ch_err_str(err), diag.off);
		assert_int_equal(n, 0);
		assert_non_null(diag.rule);
	}
}

static void every_byte_that_is_accepted_stands_for_itself(void **state)
{
	(void)state;
	for (int form = CH_BASE64_STD; form <= CH_BASE64_URL_PADDED; form++) {
		unsigned accepted = 0;
		for (int c = 1; c < 256; c++) {
			const char text[] = { 'A', (char)c, 'A', 'A', '\0' };
			uint8_t again[8];
			if (decode((enum ch_base64)form, text) != CH_OK)
				continue;
			struct ch_wr w = ch_wr(again, sizeof(again));
			ch_base64_put(&w, (enum ch_base64)form, ch_span(out, n));
			assert_span_equal(ch_wr_span(&w), text, 4);
			accepted++;
		}
		assert_int_equal(accepted, 64);
	}
}

static void a_failure_leaves_no_bytes(void **state)
{
	(void)state;
	uint8_t small[3] = { 1, 1, 1 };
	struct ch_span text = CH_SPAN_LIT("Zm9vYg==");
	assert_int_equal(ch_base64_decode(CH_BASE64_STD, text, small, 3, &n, NULL), CH_ERR_NOSPACE);
	assert_memory_equal(small, "\0\0\0", 3);
	assert_int_equal(decode(CH_BASE64_STD, "Zm9v!"), CH_ERR_ENCODING);
	assert_memory_equal(out, "\0\0\0", 3);
	assert_int_equal(ch_base64_decode(CH_BASE64_STD, text, out, 4, &n, NULL), CH_OK);
	assert_int_equal(n, 4);
	assert_true(ch_base64_decoded_max(text.n) >= n);
}

static enum ch_err pem(const char *text, const char *label)
{
	return ch_pem_decode(ch_span_str(text), label, out, sizeof(out), &n, &diag);
}

static void finds_the_block_in_what_people_send(void **state)
{
	(void)state;
	static const char *const good[] = {
		"-----BEGIN KEY-----\nZm9v\nYmFy\n-----END KEY-----\n",
		"-----BEGIN KEY-----\r\nZm9vYm\r\nFy\r\n-----END KEY-----",
		"-----BEGIN KEY-----\rZm9vYmFy\r-----END KEY-----\r",
		"Subject: me\n\n  -----BEGIN KEY----- \n\t Zm9v \n\n YmFy\t\n -----END KEY-----\t\nbye",
		"-----BEGIN OTHER-----\n!!!!\n-----END OTHER-----\n-----BEGIN KEY-----\nZm9vYmFy\n-----END KEY-----\n",
		"-----BEGIN KEYS-----\n-----BEGIN KEY-----\nZ\nm9v\nYmFy\n-----END KEY-----\n-----BEGIN KEY-----\n",
	};
	for (size_t i = 0; i < CH_COUNT_OF(good); i++) {
		if (pem(good[i], "KEY") != CH_OK)
			fail_msg("%s: %s", good[i], diag.rule);
		assert_int_equal(n, 6);
		assert_memory_equal(out, "foobar", 6);
	}
}

static void refuses_a_block_that_is_not_whole(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum ch_err err;
		size_t off;
	} bad[] = {
		{ "", CH_ERR_NOTFOUND, 0 },
		{ "Zm9v", CH_ERR_NOTFOUND, 4 },
		{ "-----BEGIN KEYS-----\nZm9v\n-----END KEYS-----\n", CH_ERR_NOTFOUND, 45 },
		{ "x-----BEGIN KEY-----\nZm9v\n-----END KEY-----\n", CH_ERR_NOTFOUND, 44 },
		{ "-----BEGIN KEY----\nZm9v\n-----END KEY-----\n", CH_ERR_NOTFOUND, 42 },
		{ "-----BEGIN KEY-----", CH_ERR_TRUNCATED, 19 },
		{ "-----BEGIN KEY-----\nZm9v\n", CH_ERR_TRUNCATED, 25 },
		{ "-----BEGIN KEY-----\nZm9v\n-----END KEYS-----\n", CH_ERR_MISMATCH, 25 },
		{ "-----BEGIN KEY-----\nZm9v\n-----END KEY----\n", CH_ERR_MISMATCH, 25 },
		{ "-----BEGIN KEY-----\nZm9v\n-----BEGIN KEY-----\n", CH_ERR_ENCODING, 25 },
		{ "-----BEGIN KEY-----\nProc-Type: 4,ENCRYPTED\n-----END KEY-----\n", CH_ERR_UNSUPPORTED, 20 },
		{ "-----BEGIN KEY-----\nZm9\n-----END KEY-----\n", CH_ERR_TRUNCATED, 24 },
		{ "-----BEGIN KEY-----\nZm==\nZm9v\n-----END KEY-----\n", CH_ERR_ENCODING, 21 },
		{ "-----BEGIN KEY-----\nZm 9v\n-----END KEY-----\n", CH_ERR_ENCODING, 22 },
	};
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		out[0] = 0;
		enum ch_err err = pem(bad[i].text, "KEY");
		if (err != bad[i].err || diag.off != bad[i].off)
			fail_msg("%s: %s at %zu", bad[i].text, ch_err_str(err), diag.off);
		assert_int_equal(n, 0);
		assert_int_equal(out[0], 0);
	}
}

static void takes_block_after_block(void **state)
{
	(void)state;
	struct ch_span text =
		CH_SPAN_LIT("-----BEGIN A-----\nZg==\n-----END A-----\n-----BEGIN B-----\nZm8=\n-----END B-----\n"
			    "-----BEGIN A-----\nZm9v\n-----END A-----\n-----BEGIN A-----\nZm9v");
	size_t off = 0;
	assert_int_equal(ch_pem_next(text, &off, "A", out, sizeof(out), &n, &diag), CH_OK);
	assert_int_equal(n, 1);
	assert_int_equal(ch_pem_next(text, &off, "A", out, sizeof(out), &n, &diag), CH_OK);
	assert_int_equal(n, 3);
	size_t before = off;
	assert_int_equal(ch_pem_next(text, &off, "A", out, sizeof(out), &n, &diag), CH_ERR_TRUNCATED);
	assert_int_equal(off, before);
	assert_int_equal(ch_pem_next(text, &off, "B", out, sizeof(out), &n, &diag), CH_ERR_NOTFOUND);
	off = text.n;
	assert_int_equal(ch_pem_next(text, &off, "A", out, sizeof(out), &n, &diag), CH_ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_standard),
		cmocka_unit_test(the_alphabets_differ_in_two_characters),
		cmocka_unit_test(refuses_all_but_the_one_text),
		cmocka_unit_test(every_byte_that_is_accepted_stands_for_itself),
		cmocka_unit_test(a_failure_leaves_no_bytes),
		cmocka_unit_test(finds_the_block_in_what_people_send),
		cmocka_unit_test(refuses_a_block_that_is_not_whole),
		cmocka_unit_test(takes_block_after_block),
	};
	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
