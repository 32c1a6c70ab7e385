/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ocsp.h"

#include "core/base/text.h"
#include "core/platform/x509_write.h"
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <openssl/ocsp.h>

static struct ch_buf seed(const char *name)
{
	char path[256];
	struct ch_buf b = { 0 };
	(void)snprintf(path, sizeof(path), "fuzz/corpus/ocsp/%s", name);
	assert_int_equal(ch_file_read(&b, path), CH_OK);
	return b;
}

static const uint8_t serial[16] = { 0x41, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
				    0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10 };

static void what_openssl_asks_is_read(void **state)
{
	static const struct {
		const char *name;
		enum ch_hash_alg hash;
		size_t count, nonce;
		bool has_signature;
	} row[] = {
		{ "sha1", CH_HASH_SHA1, 1, 0, false },
		{ "sha1-nonce", CH_HASH_SHA1, 1, 16, false },
		{ "sha256-nonce", CH_HASH_SHA256, 1, 16, false },
		{ "three", CH_HASH_SHA512, 3, 16, false },
		{ "acceptable-nonce", CH_HASH_SHA1, 1, 16, false },
		{ "signed", CH_HASH_SHA1, 1, 16, true },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		CH_AUTO_BUF struct ch_buf in = seed(row[i].name);
		struct ch_ocsp_request r;
		assert_int_equal(ch_ocsp_request_parse(&r, ch_buf_span(&in), NULL), CH_OK);
		assert_int_equal(r.count, row[i].count);
		assert_int_equal(r.id[0].hash, row[i].hash);
		assert_true(r.id[0].null_params);
		assert_int_equal(r.nonce.n, row[i].nonce);
		assert_int_equal(r.has_signature, row[i].has_signature);
	}
	CH_AUTO_BUF struct ch_buf in = seed("sha1");
	struct ch_ocsp_request r;
	struct ch_serial want;
	assert_int_equal(ch_ocsp_request_parse(&r, ch_buf_span(&in), NULL), CH_OK);
	assert_true(ch_serial_make(&want, CH_SPAN_OF(serial)));
	assert_memory_equal(&r.id[0].serial, &want, sizeof(want));
}

static void cut_anywhere_it_is_refused(void **state)
{
	CH_AUTO_BUF struct ch_buf in = seed("three");
	struct ch_ocsp_request r;
	struct ch_diag d;
	(void)state;
	for (size_t n = 0; n < in.n; n++) {
		assert_int_not_equal(ch_ocsp_request_parse(&r, ch_span(in.p, n), &d), CH_OK);
		assert_int_equal(r.count, 0);
		assert_non_null(d.rule);
	}
	ch_buf_append(&in, CH_SPAN_LIT("\0"));
	assert_int_equal(ch_ocsp_request_parse(&r, ch_buf_span(&in), &d), CH_ERR_TRAILING);
}

static void beyond_its_limits_it_is_refused(void **state)
{
	CH_AUTO_BUF struct ch_buf nine = seed("requestor-nine");
	CH_AUTO_BUF struct ch_buf critical = seed("critical");
	static const uint8_t zeros[CH_OCSP_REQUEST_MAX + 1];
	struct ch_ocsp_request r;
	(void)state;
	assert_int_equal(ch_ocsp_request_parse(&r, ch_buf_span(&nine), NULL), CH_ERR_LIMIT);
	assert_int_equal(ch_ocsp_request_parse(&r, ch_buf_span(&critical), NULL), CH_ERR_UNSUPPORTED);
	assert_int_equal(ch_ocsp_request_parse(&r, CH_SPAN_OF(zeros), NULL), CH_ERR_LIMIT);
}

static void a_field_out_of_its_bounds_is_refused(void **state)
{
	static const struct {
		const char *what, *hex;
		enum ch_err err;
	} row[] = {
		{ "no certificate", "300430023000", CH_ERR_MISSING },
		{ "v1, written out", "301c301aa00302010030133011300f300606022a03050004000400020101", CH_ERR_MALFORMED },
		{ "a hash that is not as long as SHA-1 makes it",
		  "301c301a301830163014300906052b0e03021a0500040161040162020101", CH_ERR_RANGE },
		{ "parameters of SHA-1",
		  "30433041303f303d303b300a06052b0e03021a0201010414000000000000000000000000000000000000000004140000000000000000000000000000000000000000020101",
		  CH_ERR_MALFORMED },
		{ "serial number 0", "3017301530133011300f300606022a03050004000400020100", CH_ERR_RANGE },
		{ "a negative one", "3017301530133011300f300606022a03050004000400020180", CH_ERR_RANGE },
		{ "21 octets",
		  "302b3029302730253023300606022a030500040004000215010000000000000000000000000000000000000000",
		  CH_ERR_RANGE },
		{ "an empty nonce",
		  "302c302a30133011300f300606022a03050004000400020101a2133011300f06092b060105050730010204020400",
		  CH_ERR_RANGE },
		{ "two",
		  "303f303d30133011300f300606022a03050004000400020101a2263024301006092b06010505073001020403040161301006092b06010505073001020403040162",
		  CH_ERR_DUPLICATE },
		{ "no extensions", "301b301930133011300f300606022a03050004000400020101a2023000", CH_ERR_MISSING },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		uint8_t der[128];
		struct ch_ocsp_request r;
		struct ch_span hex = ch_span_str(row[i].hex);
		assert_int_equal(ch_hex_decode(der, hex.n / 2, hex), CH_OK);
		if (ch_ocsp_request_parse(&r, ch_span(der, hex.n / 2), NULL) != row[i].err)
			fail_msg("%s: %s", row[i].what,
				 ch_err_str(ch_ocsp_request_parse(&r, ch_span(der, hex.n / 2), NULL)));
	}
}

static void both_forms_of_a_get_are_read(void **state)
{
	CH_AUTO_BUF struct ch_buf want = seed("sha1");
	static const char *const names[] = { "get-encoded", "get-raw" };
	uint8_t out[CH_OCSP_REQUEST_MAX];
	size_t n;
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(names); i++) {
		CH_AUTO_BUF struct ch_buf in = seed(names[i]);
		assert_int_equal(ch_ocsp_get_decode(out, &n, ch_buf_span(&in), NULL), CH_OK);
		assert_span_equal(ch_span(out, n), want.p, want.n);
	}
	assert_int_equal(ch_ocsp_get_decode(out, &n, CH_SPAN_LIT("%4"), NULL), CH_ERR_ENCODING);
	assert_int_equal(ch_ocsp_get_decode(out, &n, CH_SPAN_LIT("%zz=="), NULL), CH_ERR_ENCODING);
	assert_int_equal(ch_ocsp_get_decode(out, &n, CH_SPAN_LIT("MDo"), NULL), CH_ERR_TRUNCATED);
	assert_int_equal(n, 0);
	static char long_text[CH_OCSP_REQUEST_MAX * 2];
	memset(long_text, 'A', sizeof(long_text));
	assert_int_equal(ch_ocsp_get_decode(out, &n, ch_span(long_text, sizeof(long_text)), NULL), CH_ERR_LIMIT);
}

/* --- answers, read by OpenSSL --- */

static const uint8_t name[] = {
	0x30, 0x0d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x02, 'C', 'A'
};
/* SubjectPublicKeyInfo of an algorithm that nobody knows, with four bits octets. */
static const uint8_t spki[] = { 0x30, 0x0d, 0x30, 0x04, 0x06, 0x02, 0x2a, 0x03, 0x03, 0x05, 0x00, 1, 2, 3, 4 };
/* Any certificate will do: it is put there as it is. */
static const uint8_t no_certificate[] = { 0x30, 0x00 };

static void an_answer_has_the_bytes_that_were_asked_with(void **state)
{
	CH_AUTO_BUF struct ch_buf in = seed("no-params");
	struct ch_ocsp_issuer issuer;
	struct ch_ocsp_request r;
	uint8_t tbs[2048];
	(void)state;
	assert_int_equal(ch_ocsp_issuer_make(&issuer, CH_SPAN_OF(name), CH_SPAN_OF(spki)), CH_OK);
	/* A request that OpenSSL makes of the same four things. */
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	assert_int_equal(ASN1_INTEGER_set(number, 77), 1);
	const uint8_t *p = name;
	X509_NAME *subject = d2i_X509_NAME(NULL, &p, sizeof(name));
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	assert_int_equal(ASN1_STRING_set(bits, spki + 11, 4), 1);
	const EVP_MD *const md[] = { EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512() };
	for (size_t i = 0; i < CH_COUNT_OF(md); i++) {
		OCSP_REQUEST *q = OCSP_REQUEST_new();
		assert_non_null(OCSP_request_add0_id(q, OCSP_cert_id_new(md[i], subject, bits, number)));
		uint8_t *der = NULL;
		int n = i2d_OCSP_REQUEST(q, &der);
		assert_int_equal(ch_ocsp_request_parse(&r, ch_span(der, (size_t)n), NULL), CH_OK);
		assert_true(ch_ocsp_issuer_is(&issuer, &r.id[0]));
		const struct ch_ocsp_single s = { .hash = r.id[0].hash,
						  .null_params = r.id[0].null_params,
						  .serial = r.id[0].serial,
						  .status = CH_OCSP_UNKNOWN };
		const struct ch_ocsp_new o = { .issuer = &issuer,
					       .responder_key = ch_span(serial, 0),
					       .produced = 5,
					       .this_update = 5,
					       .next_update = 6,
					       .single = &s,
					       .count = 1 };
		struct ch_wr w = ch_wr(tbs, sizeof(tbs));
		assert_int_equal(ch_ocsp_tbs_put(&w, &o), CH_ERR_RANGE); /* no responder */
		static const uint8_t kid[20] = { 9 };
		struct ch_ocsp_new ok = o;
		ok.responder_key = CH_SPAN_OF(kid);
		w = ch_wr(tbs, sizeof(tbs));
		assert_int_equal(ch_ocsp_tbs_put(&w, &ok), CH_OK);
		bool found = false;
		for (size_t k = 0; k + r.id[0].whole.n <= w.len; k++)
			found = found || ch_span_eq(ch_span(tbs + k, r.id[0].whole.n), r.id[0].whole);
		assert_true(found);
		OPENSSL_free(der);
		OCSP_REQUEST_free(q);
	}
	/* Another issuer's, and an algorithm that nobody computes. */
	assert_int_equal(ch_ocsp_request_parse(&r, ch_buf_span(&in), NULL), CH_OK);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.id[1].hash, CH_HASH_NONE);
	assert_false(ch_ocsp_issuer_is(&issuer, &r.id[0]));
	assert_false(ch_ocsp_issuer_is(&issuer, &r.id[1]));
	X509_NAME_free(subject);
	ASN1_BIT_STRING_free(bits);
	ASN1_INTEGER_free(number);
}

static OCSP_BASICRESP *answer(const struct ch_ocsp_single *s, size_t count, struct ch_span nonce)
{
	static const uint8_t kid[20] = { 9 };
	static const uint8_t sig[64] = { [31] = 1, [63] = 0x90 };
	uint8_t tbs[CH_OCSP_ANSWER_MAX], all[CH_OCSP_ANSWER_MAX];
	struct ch_ocsp_issuer issuer;
	assert_int_equal(ch_ocsp_issuer_make(&issuer, CH_SPAN_OF(name), CH_SPAN_OF(spki)), CH_OK);
	const struct ch_ocsp_new o = { .issuer = &issuer,
				       .responder_key = CH_SPAN_OF(kid),
				       .produced = 2524608000, /* 2050: GeneralizedTime like all others */
				       .this_update = 1700000000,
				       .next_update = 1700003600,
				       .single = s,
				       .count = count,
				       .nonce = nonce };
	struct ch_wr w = ch_wr(tbs, sizeof(tbs));
	struct ch_wr a = ch_wr(all, sizeof(all));
	assert_int_equal(ch_ocsp_tbs_put(&w, &o), CH_OK);
	assert_int_equal(ch_ocsp_put(&a, ch_wr_span(&w), sig, CH_SPAN_OF(no_certificate)), CH_OK);
	/* OpenSSL wants a certificate there: the empty one is taken for reading what is before it. */
	const uint8_t *p = all;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)a.len);
	assert_non_null(response);
	assert_int_equal(OCSP_response_status(response), 0);
	OCSP_RESPONSE_free(response);
	w = ch_wr(tbs, sizeof(tbs));
	assert_int_equal(ch_ocsp_tbs_put(&w, &o), CH_OK);
	/* BasicOCSPResponse without certificates, of the same bytes. */
	struct ch_wr b = ch_wr(all, sizeof(all));
	struct ch_der_wr d = ch_der_wr(&b);
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_raw(&d, ch_wr_span(&w));
	ch_der_put_raw(&d, CH_SPAN_LIT("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x03\x02\x00\x00"));
	ch_der_put_end(&d);
	p = all;
	OCSP_BASICRESP *basic = d2i_OCSP_BASICRESP(NULL, &p, (long)b.len);
	assert_non_null(basic);
	return basic;
}

static void openssl_reads_each_status(void **state)
{
	struct ch_ocsp_single s[3];
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		s[i] = (struct ch_ocsp_single){ .hash = CH_HASH_SHA1, .null_params = true };
		s[i].serial.b[19] = (uint8_t)(i + 1);
		s[i].status = (enum ch_ocsp_cert_status)i;
	}
	s[1].revoked = 1699999999;
	s[1].reason = CH_CRL_KEY_COMPROMISE;
	OCSP_BASICRESP *basic = answer(s, 3, CH_SPAN_LIT("0123456789abcdef"));
	assert_int_equal(OCSP_resp_count(basic), 3);
	for (int i = 0; i < 3; i++) {
		int reason = -1;
		ASN1_GENERALIZEDTIME *revoked = NULL, *this_update = NULL, *next_update = NULL;
		OCSP_SINGLERESP *one = OCSP_resp_get0(basic, i);
		assert_int_equal(OCSP_single_get0_status(one, &reason, &revoked, &this_update, &next_update), i);
		assert_non_null(this_update);
		assert_non_null(next_update);
		assert_int_equal(reason, i == 1 ? CH_CRL_KEY_COMPROMISE : -1);
		assert_true((revoked != NULL) == (i == 1));
	}
	assert_true(OCSP_BASICRESP_get_ext_by_NID(basic, NID_id_pkix_OCSP_Nonce, -1) >= 0);
	OCSP_BASICRESP_free(basic);
	s[1].reason = CH_CRL_HOLD;
	uint8_t tbs[CH_OCSP_ANSWER_MAX];
	struct ch_wr w = ch_wr(tbs, sizeof(tbs));
	struct ch_ocsp_issuer issuer = { 0 };
	const struct ch_ocsp_new held = {
		.issuer = &issuer, .responder_key = ch_span(tbs, 20), .next_update = 1, .single = s, .count = 3
	};
	assert_int_equal(ch_ocsp_tbs_put(&w, &held), CH_ERR_RANGE);
}

static void an_answer_fits_its_limit(void **state)
{
	struct ch_ocsp_single s[CH_OCSP_IDS_MAX];
	static const uint8_t nonce[CH_OCSP_NONCE_MAX] = { 1 };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(s); i++) {
		s[i] = (struct ch_ocsp_single){ .hash = CH_HASH_SHA512,
						.null_params = true,
						.status = CH_OCSP_REVOKED };
		memset(s[i].serial.b, 0xff, 20);
		s[i].revoked = 1700000000;
		s[i].reason = CH_CRL_SUPERSEDED;
	}
	OCSP_BASICRESP *basic = answer(s, CH_COUNT_OF(s), CH_SPAN_OF(nonce));
	int n = i2d_OCSP_BASICRESP(basic, NULL);
	assert_true(n > 0 && n + 1024 + 256 < CH_OCSP_ANSWER_MAX);
	OCSP_BASICRESP_free(basic);
}

static void errors_are_a_status_alone(void **state)
{
	static const enum ch_ocsp_status status[] = { CH_OCSP_MALFORMED, CH_OCSP_INTERNAL, CH_OCSP_TRY_LATER,
						      CH_OCSP_SIG_REQUIRED, CH_OCSP_UNAUTHORIZED };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(status); i++) {
		struct ch_span s = ch_ocsp_error(status[i]);
		const uint8_t *p = s.p;
		OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &p, (long)s.n);
		assert_non_null(r);
		assert_int_equal(OCSP_response_status(r), status[i]);
		OCSP_RESPONSE_free(r);
	}
}

static int setup(void **state)
{
	(void)state;
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_openssl_asks_is_read),
		cmocka_unit_test(cut_anywhere_it_is_refused),
		cmocka_unit_test(beyond_its_limits_it_is_refused),
		cmocka_unit_test(a_field_out_of_its_bounds_is_refused),
		cmocka_unit_test(both_forms_of_a_get_are_read),
		cmocka_unit_test(an_answer_has_the_bytes_that_were_asked_with),
		cmocka_unit_test(openssl_reads_each_status),
		cmocka_unit_test(an_answer_fits_its_limit),
		cmocka_unit_test(errors_are_a_status_alone),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
