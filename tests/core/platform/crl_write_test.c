/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/crl.h"

#include "core/platform/x509_write.h"
#include "tests/unit.h"

#include <openssl/x509v3.h>

static const uint8_t name[] = {
	0x30, 0x0d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x02, 'C', 'A'
};
static const uint8_t kid[20] = { 7, 1 };
static const uint8_t sig[64] = { [31] = 5, [63] = 0xc8 };

static struct ch_crl_new usual(const struct ch_revoked *entry, size_t count)
{
	return (struct ch_crl_new){ .issuer = CH_SPAN_OF(name),
				    .issuer_kid = CH_SPAN_OF(kid),
				    .number = 0x1122334455,
				    .this_update = 1700000000,
				    .next_update = 1700086400,
				    .entry = entry,
				    .count = count };
}

/* Written by us, read by OpenSSL. */
static X509_CRL *read_back(const struct ch_crl_new *c)
{
	static uint8_t tbs[8192], all[8192];
	struct ch_wr w = ch_wr(tbs, sizeof(tbs));
	struct ch_wr a = ch_wr(all, sizeof(all));
	assert_int_equal(ch_crl_tbs_put(&w, c), CH_OK);
	assert_int_equal(ch_cert_put(&a, ch_wr_span(&w), sig), CH_OK);
	assert_true(a.len <= ch_crl_size_max(c));
	const uint8_t *p = all;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)a.len);
	assert_non_null(crl);
	return crl;
}

static void openssl_reads_what_it_says(void **state)
{
	struct ch_revoked r[2] = { { .time = 1699999990, .reason = CH_CRL_KEY_COMPROMISE },
				   { .time = 2600000000, .reason = CH_CRL_UNSPECIFIED } };
	(void)state;
	assert_true(ch_serial_make(&r[0].serial, CH_SPAN_LIT("\0\x81\x02")));
	assert_true(ch_serial_make(&r[1].serial, CH_SPAN_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
							     "\xff\xff\xff\xff\xff\xff")));
	const struct ch_crl_new c = usual(r, 2);
	X509_CRL *crl = read_back(&c);
	assert_int_equal(X509_CRL_get_version(crl), X509_CRL_VERSION_2);
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	uint64_t n = 0;
	assert_int_equal(ASN1_INTEGER_get_uint64(&n, number), 1);
	assert_true(n == c.number);
	ASN1_INTEGER_free(number);
	AUTHORITY_KEYID *aki = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL);
	assert_memory_equal(ASN1_STRING_get0_data(aki->keyid), kid, sizeof(kid));
	AUTHORITY_KEYID_free(aki);
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
	assert_int_equal(sk_X509_REVOKED_num(list), 2);
	ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(sk_X509_REVOKED_value(list, 0), NID_crl_reason, NULL, NULL);
	assert_int_equal(ASN1_ENUMERATED_get(reason), CH_CRL_KEY_COMPROMISE);
	ASN1_ENUMERATED_free(reason);
	assert_null(X509_REVOKED_get0_extensions(sk_X509_REVOKED_value(list, 1)));
	X509_CRL_free(crl);
}

static void without_entries_there_is_no_list(void **state)
{
	const struct ch_crl_new c = usual(NULL, 0);
	(void)state;
	X509_CRL *crl = read_back(&c);
	assert_null(X509_CRL_get_REVOKED(crl));
	X509_CRL_free(crl);
}

static void refuses_what_would_not_be_a_list(void **state)
{
	struct ch_revoked r = { .time = 1, .reason = CH_CRL_HOLD };
	uint8_t out[1024];
	(void)state;
	struct ch_wr w = ch_wr(out, sizeof(out));
	struct ch_crl_new c = usual(&r, 1);
	r.serial.b[19] = 1;
	assert_int_equal(ch_crl_tbs_put(&w, &c), CH_ERR_RANGE); /* what is revoked stays revoked */
	r.reason = CH_CRL_SUPERSEDED;
	r.serial.b[19] = 0;
	assert_int_equal(ch_crl_tbs_put(&w, &c), CH_ERR_RANGE);
	r.serial.b[19] = 1;
	c.next_update = c.this_update;
	assert_int_equal(ch_crl_tbs_put(&w, &c), CH_ERR_RANGE);
	c = usual(&r, CH_CRL_ENTRIES_MAX + 1);
	assert_int_equal(ch_crl_tbs_put(&w, &c), CH_ERR_LIMIT);
	c = usual(&r, 1);
	w = ch_wr(out, 100);
	assert_int_equal(ch_crl_tbs_put(&w, &c), CH_ERR_NOSPACE);
}

static void one_number_has_one_form(void **state)
{
	struct ch_serial a, b;
	(void)state;
	assert_true(ch_serial_make(&a, CH_SPAN_LIT("\x05")) && ch_serial_make(&b, CH_SPAN_LIT("\0\0\x05")));
	assert_memory_equal(&a, &b, sizeof(a));
	assert_false(ch_serial_make(&a, CH_SPAN_LIT("\0\0")));
	assert_false(ch_serial_make(&a, CH_SPAN_EMPTY));
	assert_false(ch_serial_make(&a, CH_SPAN_LIT("123456789012345678901")));
	assert_true(ch_span_all(CH_SPAN_OF(a.b), 0));
	assert_string_equal(ch_crl_reason_str(CH_CRL_CESSATION), "cessationOfOperation");
	assert_null(ch_crl_reason_str(7));
	assert_false(ch_crl_reason_final(7) || ch_crl_reason_final(CH_CRL_REMOVE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_reads_what_it_says),
		cmocka_unit_test(without_entries_there_is_no_list),
		cmocka_unit_test(refuses_what_would_not_be_a_list),
		cmocka_unit_test(one_number_has_one_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
