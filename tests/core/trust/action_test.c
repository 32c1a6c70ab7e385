/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/action.h"

#include "core/base/text.h"
#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#define DEVICE "000102030405060708090a0b0c0d0e0f"
#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define TEXT                                  \
	"chainhold-action/v1\n"               \
	"tenant: 0\n"                         \
	"verb: device.quarantine\n"           \
	"subject: " DEVICE "\n"               \
	"payload: -\n"                        \
	"reason: seen in a second building\n" \
	"time: 1790000000\n"                  \
	"nonce: ffeeddccbbaa99887766554433221100\n"

static enum ch_err refused(const char *text, size_t n)
{
	struct ch_action a;
	struct ch_diag d;
	enum ch_err err = ch_action_parse(&a, ch_span(text, n), &d);
	assert_int_not_equal(err, CH_OK);
	assert_non_null(d.rule);
	assert_true(d.off <= n);
	assert_int_equal(a.subject.n, 0);
	assert_int_equal(a.time, 0);
	return err;
}

/* TEXT with its first `from` replaced. */
static enum ch_err refused_with(const char *from, const char *to)
{
	static char text[4096];
	const char *at = strstr(TEXT, from);
	assert_non_null(at);
	int n = snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - TEXT), TEXT, to, at + strlen(from));
	return refused(text, (size_t)n);
}

static void an_action_is_read(void **state)
{
	(void)state;
	struct ch_action a;
	assert_int_equal(ch_action_parse(&a, CH_SPAN_LIT(TEXT), NULL), CH_OK);
	assert_int_equal(a.tenant, 0);
	assert_int_equal(a.verb, CH_VERB_DEVICE_QUARANTINE);
	assert_span_equal(a.subject, DEVICE, 32);
	assert_false(a.has_payload);
	assert_span_equal(a.reason, "seen in a second building", 25);
	assert_int_equal(a.time, 1790000000);
	assert_int_equal(a.nonce[0], 0xff);
	assert_int_equal(a.nonce[15], 0);
}

static void what_is_read_is_written_again(void **state)
{
	(void)state;
	struct ch_action a;
	uint8_t out[CH_ACTION_MAX];
	struct ch_wr w = ch_wr(out, sizeof(out));
	assert_int_equal(ch_action_parse(&a, CH_SPAN_LIT(TEXT), NULL), CH_OK);
	assert_int_equal(ch_action_put(&w, &a), CH_OK);
	assert_span_equal(ch_wr_span(&w), TEXT, sizeof(TEXT) - 1);
}

static void every_cut_is_truncated(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(TEXT) - 1; n++)
		assert_int_equal(refused(TEXT, n), CH_ERR_TRUNCATED);
}

static void a_trailing_byte_is_refused(void **state)
{
	(void)state;
	assert_int_equal(refused(TEXT "\n", sizeof(TEXT)), CH_ERR_TRAILING);
	assert_int_equal(refused(TEXT, sizeof(TEXT)), CH_ERR_TRAILING);
}

static void each_line_has_its_name_and_place(void **state)
{
	(void)state;
	assert_int_equal(refused_with("chainhold-action/v1", "chainhold-action/v2"), CH_ERR_UNSUPPORTED);
	assert_int_equal(refused_with("chainhold-action", "chainhold-leaf"), CH_ERR_MALFORMED);
	assert_int_equal(refused_with("tenant", "Tenant"), CH_ERR_MALFORMED);
	assert_int_equal(refused_with("tenant: 0\n", ""), CH_ERR_MALFORMED);
	assert_int_equal(refused_with("payload: -\n", "payload: -\r\n"), CH_ERR_ENCODING);
	assert_int_equal(refused_with("subject: ", "subject:  "), CH_ERR_MISMATCH);
	assert_int_equal(refused_with("\ntime", "\ntime: 1\ntime"), CH_ERR_MALFORMED);
}

static void numbers_have_one_form(void **state)
{
	(void)state;
	assert_int_equal(refused_with("tenant: 0", "tenant: 00"), CH_ERR_ENCODING);
	assert_int_equal(refused_with("tenant: 0", "tenant: "), CH_ERR_ENCODING);
	assert_int_equal(refused_with("tenant: 0", "tenant: -1"), CH_ERR_ENCODING);
	assert_int_equal(refused_with("tenant: 0", "tenant: 4294967296"), CH_ERR_RANGE);
	assert_int_equal(refused_with("1790000000", "9223372036854775808"), CH_ERR_RANGE);
	assert_int_equal(refused_with("1790000000", "18446744073709551616"), CH_ERR_RANGE);
	assert_int_equal(refused_with("1790000000", "184467440737095516160"), CH_ERR_RANGE);
	assert_int_equal(refused_with("1790000000", "1.8e9"), CH_ERR_ENCODING);
}

static void hexadecimal_is_lower_case_and_of_its_length(void **state)
{
	(void)state;
	assert_int_equal(refused_with("ffeedd", "FFeedd"), CH_ERR_ENCODING);
	assert_int_equal(refused_with("ffeedd", "ffeed"), CH_ERR_ENCODING);
	assert_int_equal(refused_with("ffeedd", "ffeedg"), CH_ERR_ENCODING);
	assert_int_equal(refused_with("0a0b", "0A0b"), CH_ERR_MISMATCH);
	assert_int_equal(refused_with("payload: -", "payload: " DIGEST "0"), CH_ERR_ENCODING);
}

static void verb_subject_and_payload_go_together(void **state)
{
	(void)state;
	assert_int_equal(refused_with("device.quarantine", "device.explode"), CH_ERR_UNKNOWN);
	assert_int_equal(refused_with("device.quarantine", "ek.deny"), CH_ERR_MISMATCH);
	assert_int_equal(refused_with("payload: -", "payload: " DIGEST), CH_ERR_MISMATCH);
	assert_int_equal(refused_with("device.quarantine", "policy.apply"), CH_ERR_MISMATCH);
	assert_int_equal(refused_with(DEVICE, "Gateway"), CH_ERR_MISMATCH);
}

static void the_reason_is_text_that_shows(void **state)
{
	(void)state;
	static char longest[CH_ACTION_REASON_MAX + 2];
	(void)memset(longest, 'a', CH_ACTION_REASON_MAX + 1);
	assert_int_equal(refused_with("seen in a second building", ""), CH_ERR_ENCODING);
	assert_int_equal(refused_with("seen", "se\033[31men"), CH_ERR_ENCODING);
	assert_int_equal(refused_with("seen", "\xe2\x80\xae seen"), CH_ERR_ENCODING);
	assert_int_equal(refused_with("seen", "\xff"), CH_ERR_ENCODING);
	assert_int_equal(refused_with("seen in a second building", longest), CH_ERR_ENCODING);
}

static void the_largest_action_fits(void **state)
{
	(void)state;
	static char reason[CH_ACTION_REASON_MAX];
	static char name[CH_NAME_MAX];
	uint8_t out[CH_ACTION_MAX];
	(void)memset(reason, 'a', sizeof(reason));
	(void)memset(name, 'b', sizeof(name));
	struct ch_action a = { .tenant = UINT32_MAX,
			       .verb = CH_VERB_BASELINE_APPROVE,
			       .subject = CH_SPAN_OF(name),
			       .has_payload = true,
			       .reason = CH_SPAN_OF(reason),
			       .time = INT64_MAX };
	struct ch_wr w = ch_wr(out, sizeof(out));
	assert_int_equal(ch_action_put(&w, &a), CH_OK);
	struct ch_action back;
	assert_int_equal(ch_action_parse(&back, ch_wr_span(&w), NULL), CH_OK);
	assert_true(back.time == INT64_MAX);
	struct ch_wr small = ch_wr(out, 100);
	assert_int_equal(ch_action_put(&small, &a), CH_ERR_NOSPACE);
	a.time++;
	assert_int_equal(ch_action_put(&w, &a), CH_ERR_RANGE);
}

static void names_and_verbs(void **state)
{
	(void)state;
	assert_true(ch_name_valid(CH_SPAN_LIT("gateway-2.b_c")));
	assert_false(ch_name_valid(CH_SPAN_EMPTY));
	assert_false(ch_name_valid(CH_SPAN_LIT(".hidden")));
	assert_false(ch_name_valid(CH_SPAN_LIT("a/b")));
	for (unsigned i = 0; i < CH_VERB_COUNT; i++) {
		enum ch_verb v;
		assert_int_equal(ch_verb_by_name(ch_span_str(ch_verb_str((enum ch_verb)i)), &v), CH_OK);
		assert_int_equal(v, i);
		assert_true(ch_operator_may(CH_OPERATOR_ADMIN, v));
		assert_false(ch_operator_may(CH_OPERATOR_VIEWER, v));
		assert_false(ch_operator_may(CH_OPERATOR_AUDITOR, v));
		assert_false(ch_operator_may(CH_OPERATOR_NONE, v));
	}
	assert_true(ch_operator_may(CH_OPERATOR_OPERATOR, CH_VERB_DEVICE_REVOKE));
	assert_false(ch_operator_may(CH_OPERATOR_OPERATOR, CH_VERB_BASELINE_APPROVE));
	assert_true(ch_operator_may(CH_OPERATOR_RELEASER, CH_VERB_BASELINE_APPROVE));
	assert_false(ch_operator_may(CH_OPERATOR_ADMIN, CH_VERB_COUNT));
	assert_false(ch_operator_may(CH_OPERATOR_COUNT, CH_VERB_EK_DENY));
	assert_true(ch_verb_of_class(CH_VERB_TOKEN_CREATE));
	assert_false(ch_verb_of_class(CH_VERB_OPERATOR_ADD));
	assert_false(ch_verb_of_class(CH_VERB_EK_ALLOW));
	enum ch_operator_role role = CH_OPERATOR_VIEWER;
	assert_int_equal(ch_operator_role_by_name(CH_SPAN_LIT("none"), &role), CH_ERR_UNKNOWN);
	assert_int_equal(ch_operator_role_by_name(CH_SPAN_LIT("admin"), &role), CH_OK);
	assert_int_equal(role, CH_OPERATOR_ADMIN);
}

/* --- signatures, made by OpenSSL --- */

static void signature_holds_and_breaks(const struct ch_pub *pub, uint8_t sig[static CH_ACTION_SIGNATURE])
{
	struct ch_verify_key key;
	struct ch_span text = CH_SPAN_LIT(TEXT);
	assert_int_equal(ch_verify_key_init(&key, pub), CH_OK);
	struct ch_span s = ch_span(sig, CH_ACTION_SIGNATURE);
	assert_int_equal(ch_action_verify(&key, text, s), CH_OK);
	assert_int_equal(ch_action_verify(&key, ch_span_sub(text, 0, text.n - 1), s), CH_ERR_SIGNATURE);
	assert_int_equal(ch_action_verify(&key, text, ch_span(sig, CH_ACTION_SIGNATURE - 1)), CH_ERR_SIGNATURE);
	for (size_t i = 0; i < CH_ACTION_SIGNATURE; i += 7) {
		sig[i] ^= 1;
		assert_int_equal(ch_action_verify(&key, text, s), CH_ERR_SIGNATURE);
		sig[i] ^= 1;
	}
	ch_verify_key_clear(&key);
}

static void ed25519_signs(void **state)
{
	(void)state;
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	uint8_t raw[32], sig[CH_ACTION_SIGNATURE];
	size_t raw_n = sizeof(raw), sig_n = sizeof(sig);
	assert_int_equal(EVP_PKEY_get_raw_public_key(k, raw, &raw_n), 1);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, k), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &sig_n, (const uint8_t *)TEXT, sizeof(TEXT) - 1), 1);
	struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(raw) };
	signature_holds_and_breaks(&pub, sig);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
}

static void p256_signs(void **state)
{
	(void)state;
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	uint8_t point[65], der[80], sig[CH_ACTION_SIGNATURE];
	size_t n = 0, der_n = sizeof(der);
	assert_int_equal(EVP_PKEY_get_octet_string_param(k, "pub", point, sizeof(point), &n), 1);
	assert_int_equal(n, 65);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &der_n, (const uint8_t *)TEXT, sizeof(TEXT) - 1), 1);
	const uint8_t *p = der;
	ECDSA_SIG *rs = d2i_ECDSA_SIG(NULL, &p, (long)der_n);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(rs), sig, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(rs), sig + 32, 32), 32);
	struct ch_pub pub = { .type = CH_KEY_P256, .a = ch_span(point + 1, 32), .b = ch_span(point + 33, 32) };
	signature_holds_and_breaks(&pub, sig);
	ECDSA_SIG_free(rs);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
}

static void another_kind_of_key_is_refused(void **state)
{
	(void)state;
	static const uint8_t sig[CH_ACTION_SIGNATURE];
	struct ch_verify_key key = { .type = CH_KEY_P384 };
	assert_int_equal(ch_action_verify(&key, CH_SPAN_LIT(TEXT), CH_SPAN_OF(sig)), CH_ERR_KEY);
	key.type = CH_KEY_RSA;
	assert_int_equal(ch_action_verify(&key, CH_SPAN_LIT(TEXT), CH_SPAN_OF(sig)), CH_ERR_KEY);
}

int main(void)
{
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_action_is_read),
		cmocka_unit_test(what_is_read_is_written_again),
		cmocka_unit_test(every_cut_is_truncated),
		cmocka_unit_test(a_trailing_byte_is_refused),
		cmocka_unit_test(each_line_has_its_name_and_place),
		cmocka_unit_test(numbers_have_one_form),
		cmocka_unit_test(hexadecimal_is_lower_case_and_of_its_length),
		cmocka_unit_test(verb_subject_and_payload_go_together),
		cmocka_unit_test(the_reason_is_text_that_shows),
		cmocka_unit_test(the_largest_action_fits),
		cmocka_unit_test(names_and_verbs),
		cmocka_unit_test(ed25519_signs),
		cmocka_unit_test(p256_signs),
		cmocka_unit_test(another_kind_of_key_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
