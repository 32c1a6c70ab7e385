/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pkcs11/uri.h"
#include "tests/unit.h"

static struct ch_p11_uri u;

static enum ch_err parse(const char *text)
{
	struct ch_diag d;
	enum ch_err err = ch_p11_uri_parse(&u, ch_span_str(text), &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	assert_true(d.off <= strlen(text));
	for (size_t i = 0; err != CH_OK && i < CH_P11_ATTR_COUNT; i++)
		assert_null(u.attr[i].p);
	return err;
}

static void a_key_in_a_token(void **state)
{
	(void)state;
	assert_int_equal(parse("pkcs11:token=The%20Token;object=caKey;type=private;id=%00%69%ff"
			       "?pin-source=file:/etc/pin&module-path=/usr/lib/m.so"),
			 CH_OK);
	assert_string_equal(ch_p11_uri_str(&u, CH_P11_TOKEN), "The Token");
	assert_string_equal(ch_p11_uri_str(&u, CH_P11_OBJECT), "caKey");
	assert_string_equal(ch_p11_uri_str(&u, CH_P11_PIN_SOURCE), "file:/etc/pin");
	assert_string_equal(ch_p11_uri_str(&u, CH_P11_MODULE_PATH), "/usr/lib/m.so");
	assert_string_equal(ch_p11_uri_str(&u, CH_P11_SERIAL), "");
	assert_null(u.attr[CH_P11_SERIAL].p);
	assert_span_equal(u.attr[CH_P11_ID], "\0i\xff", 3);
}

static void nothing_is_a_uri_too(void **state)
{
	(void)state;
	assert_int_equal(parse("pkcs11:"), CH_OK);
	assert_int_equal(parse("PKCS11:?module-path=/m.so"), CH_OK);
	assert_string_equal(ch_p11_uri_str(&u, CH_P11_MODULE_PATH), "/m.so");
	/* An empty value asks for an empty field (RFC 7512, 2.5: serial=). */
	assert_int_equal(parse("pkcs11:serial="), CH_OK);
	assert_non_null(u.attr[CH_P11_SERIAL].p);
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *text;
		enum ch_err err;
	} row[] = {
		{ "", CH_ERR_MALFORMED },
		{ "pkcs11", CH_ERR_MALFORMED },
		{ "file:/x", CH_ERR_MALFORMED },
		{ "pkcs11:token", CH_ERR_MALFORMED },
		{ "pkcs11:;", CH_ERR_MALFORMED },
		{ "pkcs11:token=a;", CH_ERR_MALFORMED },
		{ "pkcs11:token=a;?module-path=/m", CH_ERR_MALFORMED },
		{ "pkcs11:?module-path=/m&", CH_ERR_MALFORMED },
		{ "pkcs11:token=a;token=a", CH_ERR_DUPLICATE },
		{ "pkcs11:?module-path=/a&module-path=/b", CH_ERR_DUPLICATE },
		{ "pkcs11:x-vendor=1", CH_ERR_UNKNOWN },
		{ "pkcs11:Token=a", CH_ERR_UNKNOWN },
		{ "pkcs11:module-path=/m", CH_ERR_UNKNOWN },
		{ "pkcs11:?token=a", CH_ERR_UNKNOWN },
		{ "pkcs11:type=secret", CH_ERR_UNKNOWN },
		{ "pkcs11:token=a?pin-value=1234", CH_ERR_UNSUPPORTED },
		{ "pkcs11:?module-name=softhsm", CH_ERR_UNSUPPORTED },
		{ "pkcs11:token=a b", CH_ERR_ENCODING },
		{ "pkcs11:token=a/b", CH_ERR_ENCODING },
		{ "pkcs11:token=%2", CH_ERR_ENCODING },
		{ "pkcs11:token=%zz", CH_ERR_ENCODING },
		{ "pkcs11:token=a%00b", CH_ERR_ENCODING },
		{ "pkcs11:token=%ff", CH_ERR_ENCODING },
		{ "pkcs11:token=%e2%80%ae", CH_ERR_ENCODING },
		{ "pkcs11:token=\xc3\xa4", CH_ERR_ENCODING },
		{ "pkcs11:slot-id=-1", CH_ERR_ENCODING },
		{ "pkcs11:library-version=a", CH_ERR_ENCODING },
		{ "pkcs11:token=123456789012345678901234567890123", CH_ERR_RANGE },
		{ "pkcs11:serial=12345678901234567", CH_ERR_RANGE },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		if (parse(row[i].text) != row[i].err)
			fail_msg("%s", row[i].text);
	}
}

static void fields_are_full_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(parse("pkcs11:token=12345678901234567890123456789012"), CH_OK);
	assert_int_equal(u.attr[CH_P11_TOKEN].n, 32);
	static char text[CH_P11_URI_MAX + 2];
	(void)memset(text, 'a', sizeof(text) - 1);
	(void)ch_span_copy(text, 7, CH_SPAN_LIT("pkcs11:"));
	assert_int_equal(parse(text), CH_ERR_LIMIT);
}

static void all_values_together_fit(void **state)
{
	static char text[CH_P11_URI_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	(void)state;
#define FULL(attr, name, place, max, kind) { name, max, #place[0] == 'Q' },
	static const struct {
		const char *name;
		size_t max;
		bool query;
	} row[] = { CH_P11_ATTRS(FULL) };
	ch_wr_str(&w, "pkcs11:");
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		if (i > 0)
			ch_wr_str(&w, !row[i].query ? ";" : row[i - 1].query ? "&" : "?");
		ch_wr_str(&w, row[i].name);
		ch_wr_str(&w, i == CH_P11_TYPE ? "=secret-key" : "=");
		for (size_t n = 0; i != CH_P11_TYPE && n < row[i].max; n++)
			ch_wr_str(&w, "1");
	}
	assert_false(w.bad);
	assert_int_equal(parse(text), CH_OK);
}

static void written_it_reads_the_same(void **state)
{
	uint8_t text[512];
	struct ch_wr w = ch_wr(text, sizeof(text));
	(void)state;
	assert_int_equal(parse("pkcs11:object=a%3Bb;token=T%20&?module-path=/a/b.so&pin-source=/p?q"), CH_OK);
	ch_p11_uri_put(&w, &u);
	static const char want[] = "pkcs11:token=T%20%26;object=a%3Bb?module-path=/a/b.so&pin-source=/p%3Fq";
	assert_span_equal(ch_wr_span(&w), want, sizeof(want) - 1);
}

static void cut_anywhere_it_is_read_to_its_end(void **state)
{
	static const char whole[] = "pkcs11:token=a%20b;id=%01%02?module-path=/m.so&pin-source=file:/p";
	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		char *cut = test_malloc(n + 1);
		(void)ch_span_copy(cut, n, ch_span(whole, n));
		cut[n] = '\0';
		(void)parse(cut);
		test_free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_in_a_token),
		cmocka_unit_test(nothing_is_a_uri_too),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(fields_are_full_and_no_more),
		cmocka_unit_test(all_values_together_fit),
		cmocka_unit_test(written_it_reads_the_same),
		cmocka_unit_test(cut_anywhere_it_is_read_to_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
