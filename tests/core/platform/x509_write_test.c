/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/x509_write.h"

#include "core/platform/spki.h"
#include "tests/unit.h"

/* The point of P-256 (SEC 2, 2.4.2): a key that exists. */
static const uint8_t gx[32] = { 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6,
				0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb,
				0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96 };
static const uint8_t gy[32] = { 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb,
				0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31,
				0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5 };
static const struct ch_pub pub = { .type = CH_KEY_P256, .a = { gx, 32 }, .b = { gy, 32 } };

static uint8_t spki[128];
static uint8_t kid[20];
static uint8_t sig[64];
static uint8_t tbs[2048], der[4096];

static struct ch_cert_new usual(void)
{
	struct ch_wr w = ch_wr(spki, sizeof(spki));
	assert_true(ch_spki_put(&w, &pub));
	assert_int_equal(ch_cert_kid(kid, &pub), CH_OK);
	sig[31] = 5;
	sig[63] = 200;
	return (struct ch_cert_new){
		.serial = CH_SPAN_LIT("\x80\x01"),
		.subject_cn = CH_SPAN_LIT("device"),
		.not_before = 1700000000,
		.not_after = 1800000000,
		.spki = ch_wr_span(&w),
		.subject_kid = CH_SPAN_OF(kid),
		.issuer_kid = CH_SPAN_OF(kid),
		.key_usage = CH_KU_DIGITAL_SIGNATURE,
		.eku = CH_CERT_EKU_CLIENT,
		.san = { { CH_CERT_SAN_URI, CH_SPAN_LIT("urn:chainhold:device:00") } },
		.san_count = 1,
	};
}

static enum ch_err write_cert(const struct ch_cert_new *c, struct ch_span *out)
{
	struct ch_wr w = ch_wr(tbs, sizeof(tbs));
	struct ch_wr all = ch_wr(der, sizeof(der));
	enum ch_err err = ch_cert_tbs_put(&w, c);
	if (err == CH_OK)
		err = ch_cert_put(&all, ch_wr_span(&w), sig);
	*out = ch_wr_span(&all);
	return err;
}

static void our_reader_reads_every_field(void **state)
{
	struct ch_cert_new c = usual();
	struct ch_span out;
	struct ch_x509 x;
	struct ch_diag d;
	(void)state;
	assert_int_equal(write_cert(&c, &out), CH_OK);
	assert_int_equal(ch_x509_parse(&x, out, &d), CH_OK);
	assert_int_equal(x.odd, 0);
	assert_int_equal(x.version, 3);
	assert_span_equal(x.serial, "\x00\x80\x01", 3);
	assert_true(ch_x509_name_eq(x.issuer, x.subject));
	assert_int_equal(x.not_before, c.not_before);
	assert_int_equal(x.not_after, c.not_after);
	assert_span_equal(x.spki, spki, c.spki.n);
	assert_true(x.has_basic && !x.ca && !x.has_path_len);
	assert_int_equal(x.key_usage, CH_KU_DIGITAL_SIGNATURE);
	assert_int_equal(x.eku, CH_EKU_OTHER);
	assert_span_equal(x.subject_key_id, kid, 20);
	assert_span_equal(x.authority_key_id, kid, 20);
	assert_true(x.has_san);
	assert_int_equal(x.sig.scheme, CH_SIG_ECDSA);
	assert_span_equal(x.tbs, tbs, x.tbs.n);
	/* Whose issuer is given is not its own. */
	c.issuer = CH_SPAN_LIT("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02\x43\x41");
	assert_int_equal(write_cert(&c, &out), CH_OK);
	assert_int_equal(ch_x509_parse(&x, out, &d), CH_OK);
	assert_false(ch_x509_name_eq(x.issuer, x.subject));
}

static void a_ca_says_so(void **state)
{
	struct ch_cert_new c = usual();
	struct ch_span out;
	struct ch_x509 x;
	(void)state;
	c.ca = true;
	c.key_usage = CH_KU_CERT_SIGN | CH_KU_CRL_SIGN;
	c.eku = CH_CERT_EKU_NONE;
	c.san_count = 0;
	assert_int_equal(write_cert(&c, &out), CH_OK);
	assert_int_equal(ch_x509_parse(&x, out, NULL), CH_OK);
	assert_true(x.ca && x.has_path_len && x.path_len == 0 && !x.has_san && !x.has_eku);
	assert_int_equal(x.key_usage, CH_KU_CERT_SIGN | CH_KU_CRL_SIGN);
}

static void refuses_fields_that_break_rules(void **state)
{
	static const uint8_t zeros[21];
	static const char long_name[] = "0123456789012345678901234567890123456789012345678901234567890123x";
	struct ch_span out;
	(void)state;
#define REFUSED(change)                                               \
	do {                                                          \
		struct ch_cert_new c = usual();                       \
		change;                                               \
		assert_int_equal(write_cert(&c, &out), CH_ERR_RANGE); \
	} while (0)
	REFUSED(c.serial = CH_SPAN_EMPTY);
	REFUSED(c.serial = ch_span(zeros, 3));
	REFUSED(c.serial = CH_SPAN_LIT("\x80zzzzzzzzzzzzzzzzzzz"));
	REFUSED(c.serial = CH_SPAN_LIT("\x01zzzzzzzzzzzzzzzzzzzz"));
	REFUSED(c.subject_cn = CH_SPAN_EMPTY);
	REFUSED(c.subject_cn = ch_span_str(long_name));
	REFUSED(c.subject_cn = CH_SPAN_LIT("\xff"));
	REFUSED(c.not_after = c.not_before);
	REFUSED(c.spki = CH_SPAN_EMPTY);
	REFUSED(c.subject_kid = CH_SPAN_EMPTY);
	REFUSED(c.issuer_kid = CH_SPAN_EMPTY);
	REFUSED(c.key_usage = 0);
	REFUSED(c.san[0].value = CH_SPAN_LIT("a b"));
	REFUSED(c.san[0].value = CH_SPAN_LIT("a\x80"));
	REFUSED(c.san[0].value = CH_SPAN_EMPTY);
	REFUSED((c.san[0].kind = CH_CERT_SAN_IP, c.san[0].value = CH_SPAN_LIT("\x7f\0\0")));
	REFUSED(c.san_count = CH_CERT_SAN_MAX + 1);
#undef REFUSED
	struct ch_cert_new c = usual();
	for (size_t cap = 0; cap < 300; cap += 7) {
		struct ch_wr w = ch_wr(tbs, cap);
		assert_int_equal(ch_cert_tbs_put(&w, &c), CH_ERR_NOSPACE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_reader_reads_every_field),
		cmocka_unit_test(a_ca_says_so),
		cmocka_unit_test(refuses_fields_that_break_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
