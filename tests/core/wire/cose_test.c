/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/cose.h"
#include "core/wire/jwk.h"
#include "tests/unit.h"

/* The public key of all signatures below, made for this test. */
static const char es256_jwk[] =
	"{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"5I0EROBhZXv8yx4pNv-eoVMqFwk28TmsPN3OmajDuNU\", \"y\": \"gMUkaQ7MDsRh3Hzt0gfWxAJsqdRC6sfKGAAsvSKfBgw\"}";
static const char ed25519_jwk[] =
	"{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"5kUUFJ-OOo6KbDuQzm6SgA1A_uTU9KXmSwP-avqNl8c\"}";
static const uint8_t es256_message[] = { 0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0, 0x47, 0x70, 0x61, 0x79, 0x6c,
					 0x6f, 0x61, 0x64, 0x58, 0x40, 0xb7, 0x67, 0x8d, 0x4c, 0xcd, 0x9e, 0x2f,
					 0x46, 0x5e, 0x6f, 0x87, 0xfb, 0x2a, 0x2f, 0x97, 0x86, 0xf9, 0x15, 0x92,
					 0xbe, 0x9f, 0x31, 0xc7, 0xa2, 0x4f, 0xd3, 0xe9, 0xda, 0x7a, 0x65, 0x03,
					 0x2e, 0x22, 0xf2, 0xcd, 0xb8, 0x3e, 0x1b, 0x98, 0xf9, 0x96, 0x52, 0xd1,
					 0xd0, 0x47, 0xe1, 0xc7, 0x66, 0x9d, 0xb1, 0x7e, 0x29, 0x93, 0xb7, 0xc3,
					 0x8d, 0xa0, 0xc4, 0xe0, 0xac, 0xe6, 0x55, 0xf5, 0xfa };
static const uint8_t ed25519_message[] = { 0xd2, 0x84, 0x43, 0xa1, 0x01, 0x27, 0xa0, 0x47, 0x70, 0x61, 0x79, 0x6c,
					   0x6f, 0x61, 0x64, 0x58, 0x40, 0x86, 0x52, 0x47, 0xe3, 0xd1, 0x90, 0xdc,
					   0x5d, 0xd4, 0xde, 0x6a, 0x2e, 0x26, 0x5c, 0x1b, 0xed, 0xc6, 0x0b, 0xf1,
					   0xae, 0x4f, 0xc2, 0xb7, 0x42, 0xca, 0x79, 0x80, 0x91, 0x1b, 0xdc, 0xf2,
					   0x15, 0x71, 0x45, 0x18, 0x7e, 0x46, 0xf3, 0xaa, 0x9b, 0xe4, 0x38, 0x95,
					   0x7e, 0x39, 0x0c, 0x6b, 0x65, 0xe4, 0xcb, 0x73, 0x82, 0x2d, 0x6d, 0xb3,
					   0xdb, 0x28, 0x1b, 0x41, 0x22, 0xa6, 0xd0, 0xcc, 0x01 };
static const uint8_t mac0_message[] = { 0xd1, 0x84, 0x43, 0xa1, 0x01, 0x05, 0xa0, 0x47, 0x70, 0x61, 0x79, 0x6c, 0x6f,
					0x61, 0x64, 0x58, 0x20, 0xba, 0xe8, 0x9b, 0x69, 0x1f, 0xc9, 0x7d, 0xe5, 0x36,
					0x22, 0x16, 0xc9, 0x9a, 0x47, 0x0e, 0x36, 0x47, 0x19, 0x8b, 0x0f, 0xf4, 0xe7,
					0x6e, 0xb5, 0x4c, 0xc7, 0xd2, 0xd7, 0x0e, 0xbe, 0x14, 0x9b };
static const uint8_t detached_message[] = { 0xd2, 0x84, 0x43, 0xa1, 0x01, 0x28, 0xa0, 0xf6, 0x58, 0x40, 0xba,
					    0x00, 0x4e, 0x9d, 0x18, 0x33, 0x75, 0xbc, 0x45, 0x4a, 0x80, 0xa4,
					    0xa8, 0xc0, 0x02, 0x21, 0x52, 0x27, 0xf8, 0x79, 0x90, 0x93, 0x2c,
					    0xec, 0x25, 0x9d, 0x33, 0xc7, 0xc0, 0x6f, 0xf4, 0xb0, 0xcc, 0xff,
					    0x43, 0xe5, 0x12, 0xc6, 0x09, 0xe1, 0x42, 0x7e, 0x11, 0x61, 0x40,
					    0x6f, 0x19, 0x05, 0x6f, 0x79, 0x44, 0xcf, 0x74, 0x83, 0x48, 0xc2,
					    0xda, 0xe0, 0x26, 0x0a, 0xed, 0xe6, 0xde, 0x12 };
#define MAC_KEY CH_SPAN_LIT("a key of this test only.........")
#define AAD     CH_SPAN_LIT("external")

static enum ch_err parse(struct ch_span in)
{
	struct ch_cose m;
	struct ch_diag d;
	enum ch_err err = ch_cose_parse(&m, in, CH_COSE_TAGGED, &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	assert_true(d.off <= in.n);
	assert_true(err == CH_OK || m.signature.p == NULL);
	return err;
}
#define PARSE(s) parse(CH_SPAN_LIT(s))

static enum ch_err verify_as(struct ch_span in, const char *jwk_text, const struct ch_cose_context *c)
{
	static uint8_t scratch[512];
	struct ch_cose m;
	struct ch_jwk jwk;
	struct ch_verify_key key;
	struct ch_diag d;
	struct ch_cose_context own = *c;
	if (own.scratch == NULL) {
		own.scratch = scratch;
		own.scratch_size = sizeof(scratch);
	}
	enum ch_err err = ch_cose_parse(&m, in, CH_COSE_TAGGED, &d);
	if (err != CH_OK)
		return err;
	assert_int_equal(ch_jwk_parse(&jwk, ch_span_str(jwk_text), NULL), CH_OK);
	assert_int_equal(ch_verify_key_init(&key, &jwk.pub), CH_OK);
	err = ch_cose_verify(&m, &own, &key, &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	ch_verify_key_clear(&key);
	return err;
}

static enum ch_err verify(struct ch_span in, const char *jwk_text)
{
	return verify_as(in, jwk_text, &(struct ch_cose_context){ 0 });
}

static enum ch_err verify_mac(struct ch_span in, struct ch_span key, int64_t alg)
{
	struct ch_cose m;
	struct ch_diag d;
	enum ch_err err = ch_cose_parse(&m, in, CH_COSE_TAGGED, &d);
	return err != CH_OK ? err : ch_cose_verify_mac(&m, &(struct ch_cose_context){ .alg = alg }, key, &d);
}

static void good_signatures_hold(void **state)
{
	(void)state;
	assert_int_equal(verify(CH_SPAN_OF(es256_message), es256_jwk), CH_OK);
	assert_int_equal(verify(CH_SPAN_OF(ed25519_message), ed25519_jwk), CH_OK);
	assert_int_equal(verify_mac(CH_SPAN_OF(mac0_message), MAC_KEY, 0), CH_OK);
}

static void every_flipped_bit_is_noticed(void **state)
{
	(void)state;
	uint8_t b[sizeof(es256_message)];
	for (size_t bit = 0; bit < 8 * sizeof(b); bit++) {
		(void)ch_span_copy(b, sizeof(b), CH_SPAN_OF(es256_message));
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(verify(CH_SPAN_OF(b), es256_jwk), CH_OK);
	}
}

static void every_cut_is_refused(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(es256_message); n++)
		assert_int_not_equal(parse(ch_span(es256_message, n)), CH_OK);
	uint8_t longer[sizeof(es256_message) + 1] = { 0 };
	(void)ch_span_copy(longer, sizeof(longer), CH_SPAN_OF(es256_message));
	assert_int_equal(parse(CH_SPAN_OF(longer)), CH_ERR_TRAILING);
}

static void keys_and_algorithms_go_together(void **state)
{
	(void)state;
	assert_int_equal(verify(CH_SPAN_OF(es256_message), ed25519_jwk), CH_ERR_KEY);
	assert_int_equal(verify(CH_SPAN_OF(ed25519_message), es256_jwk), CH_ERR_KEY);
	assert_int_equal(verify(CH_SPAN_OF(mac0_message), es256_jwk), CH_ERR_KEY);
	assert_int_equal(verify_mac(CH_SPAN_OF(es256_message), MAC_KEY, 0), CH_ERR_KEY);
	assert_int_equal(verify_mac(CH_SPAN_OF(mac0_message), CH_SPAN_EMPTY, 0), CH_ERR_KEY);
	assert_int_equal(verify_mac(CH_SPAN_OF(mac0_message), CH_SPAN_LIT("other"), 0), CH_ERR_SIGNATURE);
}

static void the_algorithm_is_authenticated_or_given(void **state)
{
	(void)state;
	struct ch_cose_context es256 = { .alg = CH_COSE_ES256 };
	struct ch_cose_context es384 = { .alg = CH_COSE_ES384 };
	assert_int_equal(verify_as(CH_SPAN_OF(es256_message), es256_jwk, &es256), CH_OK);
	assert_int_equal(verify_as(CH_SPAN_OF(es256_message), es256_jwk, &es384), CH_ERR_MISMATCH);
	/* alg in the unprotected header only */
	assert_int_equal(verify(CH_SPAN_LIT("\xd2\x84\x40\xa1\x01\x26\x41p\x41s"), es256_jwk), CH_ERR_MISSING);
	assert_int_equal(verify_as(CH_SPAN_LIT("\xd2\x84\x40\xa1\x01\x26\x41p\x41s"), es256_jwk, &es256),
			 CH_ERR_SIGNATURE);
	/* ES256K; a MAC in a COSE_Sign1; an algorithm by a text name */
	assert_int_equal(verify(CH_SPAN_LIT("\xd2\x84\x44\xa1\x01\x38\x2e\xa0\x41p\x41s"), es256_jwk),
			 CH_ERR_UNSUPPORTED);
	assert_int_equal(verify(CH_SPAN_LIT("\xd2\x84\x43\xa1\x01\x05\xa0\x41p\x41s"), es256_jwk), CH_ERR_UNSUPPORTED);
	assert_int_equal(verify(CH_SPAN_LIT("\xd2\x84\x44\xa1\x01\x61x\xa0\x41p\x41s"), es256_jwk), CH_ERR_UNSUPPORTED);
	assert_int_equal(verify_mac(CH_SPAN_LIT("\xd1\x84\x43\xa1\x01\x26\xa0\x41p\x41s"), MAC_KEY, 0),
			 CH_ERR_UNSUPPORTED);
	assert_int_equal(verify_mac(CH_SPAN_OF(mac0_message), MAC_KEY, CH_COSE_HMAC384), CH_ERR_MISMATCH);
}

static void a_detached_payload_and_external_data_are_signed(void **state)
{
	(void)state;
	struct ch_cose_context c = { .external_aad = AAD, .payload = CH_SPAN_LIT("payload") };
	assert_int_equal(verify_as(CH_SPAN_OF(detached_message), es256_jwk, &c), CH_OK);
	c.payload = CH_SPAN_LIT("other");
	assert_int_equal(verify_as(CH_SPAN_OF(detached_message), es256_jwk, &c), CH_ERR_SIGNATURE);
	c.payload = CH_SPAN_EMPTY;
	assert_int_equal(verify_as(CH_SPAN_OF(detached_message), es256_jwk, &c), CH_ERR_MISSING);
	c = (struct ch_cose_context){ .payload = CH_SPAN_LIT("payload") };
	assert_int_equal(verify_as(CH_SPAN_OF(detached_message), es256_jwk, &c), CH_ERR_SIGNATURE);
	assert_int_equal(verify_as(CH_SPAN_OF(es256_message), es256_jwk, &c), CH_ERR_MISSING);
}

static void eddsa_needs_scratch(void **state)
{
	(void)state;
	uint8_t small[8];
	struct ch_cose_context c = { .scratch = small, .scratch_size = sizeof(small) };
	assert_int_equal(verify_as(CH_SPAN_OF(ed25519_message), ed25519_jwk, &c), CH_ERR_NOSPACE);
}

static void the_structure_that_is_signed(void **state)
{
	(void)state;
	struct ch_cose m;
	uint8_t b[64];
	struct ch_cose_context c = { .external_aad = CH_SPAN_LIT("a") };
	/* A protected header of no entries is an empty string, whether it was sent so or as a map. */
	assert_int_equal(ch_cose_parse(&m, CH_SPAN_LIT("\xd2\x84\x41\xa0\xa0\x41p\x40"), CH_COSE_TAGGED, NULL), CH_OK);
	struct ch_wr w = ch_wr(b, sizeof(b));
	ch_cose_put_tbs(&w, &m, &c);
	assert_true(ch_span_eq(ch_wr_span(&w), CH_SPAN_LIT("\x84\x6aSignature1\x40\x41"
							   "a\x41p")));
	assert_int_equal(ch_cose_tbs_size(&m, &c), w.len);
	assert_int_equal(ch_cose_parse(&m, CH_SPAN_LIT("\x84\x43\xa1\x01\x05\xa0\x41p\x40"), CH_COSE_MAC0, NULL),
			 CH_OK);
	w = ch_wr(b, sizeof(b));
	ch_cose_put_tbs(&w, &m, &c);
	assert_true(ch_span_eq(ch_wr_span(&w), CH_SPAN_LIT("\x84\x64MAC0\x43\xa1\x01\x05\x41"
							   "a\x41p")));
}

static void tags_and_kinds(void **state)
{
	(void)state;
	struct ch_cose m;
	struct ch_span untagged = CH_SPAN_LIT("\x84\x40\xa0\x41p\x40");
	assert_int_equal(parse(untagged), CH_ERR_MALFORMED);
	assert_int_equal(ch_cose_parse(&m, untagged, CH_COSE_SIGN1, NULL), CH_OK);
	assert_false(m.tagged);
	assert_int_equal(m.kind, CH_COSE_SIGN1);
	assert_int_equal(ch_cose_parse(&m, CH_SPAN_LIT("\xd1\x84\x40\xa0\x41p\x40"), CH_COSE_SIGN1, NULL),
			 CH_ERR_MISMATCH);
	assert_int_equal(PARSE("\xd0\x83\x40\xa0\x41p"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xd8\x60\x84\x40\xa0\x41p\x80"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xd8\x61\x85\x40\xa0\x41p\x40\x80"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xd8\x62\x84\x40\xa0\x41p\x80"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xd9\x03\xe6\x84\x40\xa0\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\xd2\x84\x40\xa0\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(ch_cose_parse(&m, CH_SPAN_LIT("\x84\x40\xa0\x41p\x80"), CH_COSE_SIGN1, NULL),
			 CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xd2\x85\x40\xa0\x41p\x40\x80"), CH_ERR_UNSUPPORTED);
	assert_int_equal(PARSE("\xd2\x82\x40\xa0"), CH_ERR_MALFORMED);
}

static void header_labels_are_there_once(void **state)
{
	(void)state;
	assert_int_equal(PARSE("\xd2\x84\x45\xa2\x01\x26\x01\x26\xa0\x41p\x40"), CH_ERR_DUPLICATE);
	assert_int_equal(PARSE("\xd2\x84\x46\xa2\x01\x26\x18\x01\x26\xa0\x41p\x40"), CH_ERR_DUPLICATE);
	assert_int_equal(PARSE("\xd2\x84\x43\xa1\x01\x26\xa1\x01\x26\x41p\x40"), CH_ERR_DUPLICATE);
	assert_int_equal(PARSE("\xd2\x84\x40\xa2\x61x\x00\x61x\x00\x41p\x40"), CH_ERR_DUPLICATE);
	assert_int_equal(PARSE("\xd2\x84\x40\xa2\x09\x00\x61x\x00\x41p\x40"), CH_OK);
}

static void header_parameters_have_their_types(void **state)
{
	(void)state;
	assert_int_equal(PARSE("\xd2\x84\x43\xa1\x01\x40\xa0\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x43\xa1\x03\x40\xa0\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x43\xa1\x03\x00\xa0\x41p\x40"), CH_OK);
	assert_int_equal(PARSE("\xd2\x84\x43\xa1\x03\x60\xa0\x41p\x40"), CH_OK);
	assert_int_equal(PARSE("\xd2\x84\x40\xa1\x04\x60\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x40\xa1\x40\x00\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x41\x01\xa0\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x42\xa0\x00\xa0\x41p\x40"), CH_ERR_TRAILING);
	assert_int_equal(PARSE("\xd2\x84\xa0\xa0\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x40\xbf\xff\x41p\x40"), CH_ERR_ENCODING);
	assert_int_equal(PARSE("\xd2\x84\x40\xa0\xf5\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x40\xa0\x61p\x40"), CH_ERR_MALFORMED);
}

static void ivs_exclude_each_other(void **state)
{
	(void)state;
	assert_int_equal(PARSE("\xd2\x84\x40\xa1\x05\x40\x41p\x40"), CH_OK);
	assert_int_equal(PARSE("\xd2\x84\x40\xa2\x05\x40\x06\x40\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x43\xa1\x05\x40\xa1\x06\x40\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x43\xa1\x06\x40\xa1\x05\x40\x41p\x40"), CH_ERR_MALFORMED);
}

static void crit_is_obeyed(void **state)
{
	(void)state;
	assert_int_equal(PARSE("\xd2\x84\x46\xa2\x01\x26\x02\x81\x01\xa0\x41p\x40"), CH_OK);
	assert_int_equal(PARSE("\xd2\x84\x46\xa2\x02\x81\x09\x09\x00\xa0\x41p\x40"), CH_ERR_UNKNOWN);
	assert_int_equal(PARSE("\xd2\x84\x48\xa2\x02\x81\x61x\x61x\x00\xa0\x41p\x40"), CH_ERR_UNKNOWN);
	assert_int_equal(PARSE("\xd2\x84\x44\xa1\x02\x81\x01\xa0\x41p\x40"), CH_ERR_MISSING);
	assert_int_equal(PARSE("\xd2\x84\x43\xa1\x02\x80\xa0\x41p\x40"), CH_ERR_RANGE);
	assert_int_equal(PARSE("\xd2\x84\x43\xa1\x02\x01\xa0\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x44\xa1\x02\x81\x40\xa0\x41p\x40"), CH_ERR_MALFORMED);
	assert_int_equal(PARSE("\xd2\x84\x40\xa2\x01\x26\x02\x81\x01\x41p\x40"), CH_ERR_MALFORMED);
}

static void headers_are_limited(void **state)
{
	(void)state;
	uint8_t b[128];
	for (size_t count = CH_COSE_LABELS_MAX; count <= CH_COSE_LABELS_MAX + 1; count++) {
		struct ch_wr w = ch_wr(b, sizeof(b));
		ch_cbor_put_tag(&w, CH_COSE_SIGN1);
		ch_cbor_put_array(&w, 4);
		ch_cbor_put_bstr_head(&w, 0);
		ch_cbor_put_map(&w, count);
		for (size_t i = 0; i < count; i++) {
			ch_cbor_put_uint(&w, 1000 + i);
			ch_cbor_put_null(&w);
		}
		ch_cbor_put_bstr_head(&w, 0);
		ch_cbor_put_bstr_head(&w, 0);
		assert_int_equal(parse(ch_wr_span(&w)), count > CH_COSE_LABELS_MAX ? CH_ERR_LIMIT : CH_OK);
	}
}

static void a_truncated_mac_is_its_own_algorithm(void **state)
{
	(void)state;
	/* A message for 256 bits does not hold with 64 of them. */
	struct ch_cose m;
	assert_int_equal(ch_cose_parse(&m, CH_SPAN_OF(mac0_message), CH_COSE_TAGGED, NULL), CH_OK);
	m.signature.n = 8;
	assert_int_equal(ch_cose_verify_mac(&m, &(struct ch_cose_context){ 0 }, MAC_KEY, NULL), CH_ERR_SIGNATURE);
	m.signature.n = 0;
	assert_int_equal(ch_cose_verify_mac(&m, &(struct ch_cose_context){ 0 }, MAC_KEY, NULL), CH_ERR_SIGNATURE);
}

static void algorithms_have_names(void **state)
{
	(void)state;
	assert_string_equal(ch_cose_alg_str(-7), "ES256");
	assert_string_equal(ch_cose_alg_str(4), "HMAC 256/64");
	assert_null(ch_cose_alg_str(0));
	assert_null(ch_cose_alg_str(-47));
	assert_null(ch_cose_alg_str(INT64_MIN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_signatures_hold),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(keys_and_algorithms_go_together),
		cmocka_unit_test(the_algorithm_is_authenticated_or_given),
		cmocka_unit_test(a_detached_payload_and_external_data_are_signed),
		cmocka_unit_test(eddsa_needs_scratch),
		cmocka_unit_test(the_structure_that_is_signed),
		cmocka_unit_test(tags_and_kinds),
		cmocka_unit_test(header_labels_are_there_once),
		cmocka_unit_test(header_parameters_have_their_types),
		cmocka_unit_test(ivs_exclude_each_other),
		cmocka_unit_test(crit_is_obeyed),
		cmocka_unit_test(headers_are_limited),
		cmocka_unit_test(a_truncated_mac_is_its_own_algorithm),
		cmocka_unit_test(algorithms_have_names),
	};
	return cmocka_run_group_tests_name("cose", tests, NULL, NULL);
}
