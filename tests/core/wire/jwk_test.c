/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/jwk.h"
#include "tests/unit.h"

static enum ch_err parse(const char *text, struct ch_jwk *k)
{
	struct ch_diag d;
	enum ch_err err = ch_jwk_parse(k, ch_span_str(text), &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	if (err != CH_OK) {
		assert_int_equal(k->pub.type, CH_KEY_NONE);
		assert_int_equal(k->secret.n, 0);
		assert_true(ch_span_all(ch_span(k->a, sizeof(k->a)), 0));
	}
	return err;
}

#define X32 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void the_kinds_that_are_read(void **state)
{
	(void)state;
	struct ch_jwk k;
	assert_int_equal(
		parse("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X32 "\",\"y\":\"" X32 "\",\"kid\":\"1\"}", &k),
		CH_OK);
	assert_int_equal(k.pub.type, CH_KEY_P256);
	assert_int_equal(k.pub.a.n, 32);
	assert_int_equal(k.pub.b.p[31], 31);
	assert_int_equal(parse("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X32 "\"}", &k), CH_OK);
	assert_int_equal(k.pub.type, CH_KEY_ED25519);
	assert_int_equal(parse("{\"kty\":\"RSA\",\"n\":\"" X32 "\",\"e\":\"AQAB\"}", &k), CH_OK);
	assert_int_equal(k.pub.type, CH_KEY_RSA);
	assert_int_equal(k.pub.b.n, 3);
	assert_int_equal(parse(" {\"k\":\"AAEC\",\"kty\":\"oct\"}", &k), CH_OK);
	assert_int_equal(k.pub.type, CH_KEY_NONE);
	assert_span_equal(k.secret, "\0\1\2", 3);
}

static void what_is_not_a_key_is_refused(void **state)
{
	(void)state;
	struct ch_jwk k;
	assert_int_equal(parse("[]", &k), CH_ERR_MALFORMED);
	assert_int_not_equal(parse("", &k), CH_OK);
	assert_int_not_equal(parse("{", &k), CH_OK);
	assert_int_equal(parse("{}", &k), CH_ERR_MISSING);
	assert_int_equal(parse("{\"kty\":1}", &k), CH_ERR_MALFORMED);
	assert_int_equal(parse("{\"kty\":\"oct\",\"kty\":\"EC\"}", &k), CH_ERR_DUPLICATE);
	assert_int_equal(parse("{\"kty\":\"EC\"}", &k), CH_ERR_UNSUPPORTED);
	assert_int_equal(parse("{\"kty\":\"EC\",\"crv\":\"secp256k1\"}", &k), CH_ERR_UNSUPPORTED);
	assert_int_equal(parse("{\"kty\":\"oct\"}", &k), CH_ERR_MISSING);
	assert_int_equal(parse("{\"kty\":\"oct\",\"k\":\"\"}", &k), CH_ERR_RANGE);
	assert_int_equal(parse("{\"kty\":\"oct\",\"k\":\"A+==\"}", &k), CH_ERR_ENCODING);
	assert_int_equal(parse("{\"kty\":\"oct\",\"k\":7}", &k), CH_ERR_MALFORMED);
}

static void coordinates_have_their_length(void **state)
{
	(void)state;
	struct ch_jwk k;
	assert_int_equal(parse("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X32 "\",\"y\":\"AAEC\"}", &k),
			 CH_ERR_RANGE);
	assert_int_equal(parse("{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X32 "\",\"y\":\"" X32 "\"}", &k),
			 CH_ERR_RANGE);
	assert_int_equal(parse("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X32 "\"}", &k), CH_ERR_MISSING);
}

static void a_long_text_is_refused(void **state)
{
	(void)state;
	static uint8_t text[CH_JWK_TEXT_MAX + 1];
	(void)memset(text, ' ', sizeof(text));
	struct ch_jwk k;
	assert_int_equal(ch_jwk_parse(&k, CH_SPAN_OF(text), NULL), CH_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kinds_that_are_read),
		cmocka_unit_test(what_is_not_a_key_is_refused),
		cmocka_unit_test(coordinates_have_their_length),
		cmocka_unit_test(a_long_text_is_refused),
	};
	return cmocka_run_group_tests_name("jwk", tests, NULL, NULL);
}
