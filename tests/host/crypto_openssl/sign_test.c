/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/sign.h"

#include "tests/unit.h"

static const enum ch_key_type types[] = { CH_KEY_P256, CH_KEY_ED25519 };

static enum ch_err verify(const struct ch_pub *pub, const uint8_t *sig, struct ch_span msg)
{
	struct ch_verify_key k;
	assert_int_equal(ch_verify_key_init(&k, pub), CH_OK);
	struct ch_sig s = { .scheme = CH_SIG_ED25519, .a = ch_span(sig, 64) };
	if (pub->type == CH_KEY_P256)
		s = (struct ch_sig){ CH_SIG_ECDSA, CH_HASH_SHA256, ch_span(sig, 32), ch_span(sig + 32, 32),
				     CH_PSS_SALT_DIGEST };
	enum ch_err err = ch_verify_message(&k, &s, msg);
	ch_verify_key_clear(&k);
	return err;
}

static void what_is_signed_verifies(void **state)
{
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(types); i++) {
		struct ch_sign_key k;
		struct ch_pubkey pub;
		uint8_t sig[CH_SIGN_BYTES];
		assert_int_equal(ch_sign_key_make(&k, types[i]), CH_OK);
		assert_int_equal(k.type, types[i]);
		assert_int_equal(ch_sign_key_pub(&k, &pub), CH_OK);
		assert_int_equal(pub.pub.type, types[i]);
		/* Often enough that r and s with leading zeros occur. */
		for (unsigned n = 0; n < 600; n++) {
			uint8_t msg[2] = { (uint8_t)(n >> 8), (uint8_t)n };
			assert_int_equal(ch_sign_message(&k, CH_SPAN_OF(msg), sig), CH_OK);
			assert_int_equal(verify(&pub.pub, sig, CH_SPAN_OF(msg)), CH_OK);
		}
		assert_int_equal(verify(&pub.pub, sig, CH_SPAN_LIT("other")), CH_ERR_SIGNATURE);
		sig[40] ^= 1;
		assert_int_not_equal(verify(&pub.pub, sig, CH_SPAN_LIT("\x02\x57")), CH_OK);
		ch_sign_key_clear(&k);
		assert_int_equal(ch_sign_message(&k, CH_SPAN_EMPTY, sig), CH_ERR_KEY);
		assert_true(ch_span_all(CH_SPAN_OF(sig), 0));
	}
}

static void a_key_survives_its_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(types); i++) {
		struct ch_sign_key k, again;
		struct ch_pubkey pub, pub2;
		CH_AUTO_BUF struct ch_buf pem = { 0 };
		assert_int_equal(ch_sign_key_make(&k, types[i]), CH_OK);
		assert_int_equal(ch_sign_key_pem(&k, &pem), CH_OK);
		assert_int_equal(ch_sign_key_from_pem(&again, ch_buf_span(&pem)), CH_OK);
		assert_int_equal(ch_sign_key_pub(&k, &pub), CH_OK);
		assert_int_equal(ch_sign_key_pub(&again, &pub2), CH_OK);
		assert_true(ch_span_eq(pub.pub.a, pub2.pub.a) && ch_span_eq(pub.pub.b, pub2.pub.b));
		/* Twice in a file is one too many. */
		CH_AUTO_BUF struct ch_buf two = { 0 };
		ch_buf_append(&two, ch_buf_span(&pem));
		ch_buf_append(&two, ch_buf_span(&pem));
		ch_sign_key_clear(&again);
		assert_int_equal(ch_sign_key_from_pem(&again, ch_buf_span(&two)), CH_ERR_DUPLICATE);
		ch_sign_key_clear(&k);
	}
}

static void refuses_what_is_no_key_of_ours(void **state)
{
	/* P-384 and RSA keys made for this test only would be long: a broken one of P-256 and other labels do. */
	static const char *const none[] = {
		"",
		"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
		"-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n",
	};
	static const char *const bad[] = {
		"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nMAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
	};
	struct ch_sign_key k;
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(none); i++)
		assert_int_equal(ch_sign_key_from_pem(&k, ch_span_str(none[i])), CH_ERR_NOTFOUND);
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		assert_int_equal(ch_sign_key_from_pem(&k, ch_span_str(bad[i])), CH_ERR_KEY);
		assert_int_equal(k.type, CH_KEY_NONE);
	}
	assert_int_equal(ch_sign_key_make(&k, CH_KEY_RSA), CH_ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_signed_verifies),
		cmocka_unit_test(a_key_survives_its_text),
		cmocka_unit_test(refuses_what_is_no_key_of_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
