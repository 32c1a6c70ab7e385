/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/issue.h"

#include "core/platform/spki.h"
#include "core/platform/x509_write.h"
#include "core/wire/base64.h"
#include "tests/unit.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define NOW 1800000000
#define DAY 86400

static struct ch_ca_key ca_key;
static struct ch_sign_key device_key;
static struct ch_issuer ca;
static struct ch_profiles profiles;
static uint8_t ca_pem[4096];
static size_t ca_pem_n;
static uint8_t spki[128], room[CH_IPC_CERT_MAX];
static struct ch_span device_spki;

static struct ch_span put_spki(const struct ch_sign_key *k, uint8_t *to, size_t cap)
{
	struct ch_pubkey pub;
	struct ch_wr w = ch_wr(to, cap);
	assert_int_equal(ch_sign_key_pub(k, &pub), CH_OK);
	assert_true(ch_spki_put(&w, &pub.pub));
	return ch_wr_span(&w);
}

/* A certificate of its own for `k`; a CA or not. */
static size_t make_ca(uint8_t *pem, size_t cap, const struct ch_sign_key *k, bool is_ca, int64_t not_after)
{
	static uint8_t own[128], tbs[2048], der[2048];
	uint8_t kid[20], sig[CH_SIGN_BYTES];
	struct ch_pubkey pub;
	assert_int_equal(ch_sign_key_pub(k, &pub), CH_OK);
	assert_int_equal(ch_cert_kid(kid, &pub.pub), CH_OK);
	const struct ch_cert_new c = {
		.serial = CH_SPAN_LIT("\x01"),
		.subject_cn = CH_SPAN_LIT("Issuing CA of tests"),
		.not_before = NOW - 10 * DAY,
		.not_after = not_after,
		.spki = put_spki(k, own, sizeof(own)),
		.subject_kid = CH_SPAN_OF(kid),
		.issuer_kid = CH_SPAN_OF(kid),
		.key_usage = is_ca ? CH_KU_CERT_SIGN | CH_KU_CRL_SIGN : CH_KU_DIGITAL_SIGNATURE,
		.ca = is_ca,
	};
	struct ch_wr w = ch_wr(tbs, sizeof(tbs));
	struct ch_wr all = ch_wr(der, sizeof(der));
	struct ch_wr out = ch_wr(pem, cap);
	assert_int_equal(ch_cert_tbs_put(&w, &c), CH_OK);
	assert_int_equal(ch_sign_message(k, ch_wr_span(&w), sig), CH_OK);
	assert_int_equal(ch_cert_put(&all, ch_wr_span(&w), sig), CH_OK);
	ch_wr_str(&out, "-----BEGIN CERTIFICATE-----\n");
	ch_base64_put(&out, CH_BASE64_STD, ch_wr_span(&all));
	ch_wr_str(&out, "\n-----END CERTIFICATE-----\n");
	assert_false(out.bad);
	return out.len;
}

static void complete(void *own, struct ch_span tbs, const uint8_t *sig)
{
	ch_issue_signed(own, room, tbs, sig);
}

/* As the signer does it with a key in its own process. */
static void issue(struct ch_msg_issued *out, const struct ch_msg_issue *req, int64_t clock)
{
	static uint8_t tbs[CH_IPC_CERT_MAX];
	ch_issue(out, tbs, &ca, &profiles, req, clock);
	if (out->status == 0)
		ch_ca_sign(&ca_key, out->certificate, complete, out);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(ch_sign_key_make(&ca_key.key, CH_KEY_P256), CH_OK);
	assert_int_equal(ch_sign_key_make(&device_key, CH_KEY_P256), CH_OK);
	ca_pem_n = make_ca(ca_pem, sizeof(ca_pem), &ca_key.key, true, NOW + 1000 * (int64_t)DAY);
	assert_int_equal(ch_issuer_load(&ca, ch_span(ca_pem, ca_pem_n), &ca_key), CH_OK);
	device_spki = put_spki(&device_key, spki, sizeof(spki));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ch_issuer_clear(&ca);
	ch_ca_key_clear(&ca_key);
	ch_sign_key_clear(&device_key);
	return 0;
}

static struct ch_msg_issue usual(void)
{
	return (struct ch_msg_issue){
		.profile = 1,
		.subject = { 0xab, 1 },
		.serial = { 0x80, 7 },
		.now = NOW,
		.lifetime = 30 * DAY,
		.spki = device_spki,
	};
}

static X509 *openssl_reads(struct ch_span der)
{
	const unsigned char *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);
	assert_non_null(x);
	assert_ptr_equal(p, der.p + der.n);
	/* What OpenSSL makes of it is byte for byte what was written: it is DER. */
	unsigned char *again = NULL;
	int n = i2d_re_X509_tbs(x, &again);
	assert_true(n > 0);
	assert_non_null(memmem(der.p, der.n, again, (size_t)n));
	OPENSSL_free(again);
	return x;
}

static bool openssl_trusts(X509 *leaf, int purpose)
{
	BIO *bio = BIO_new_mem_buf(ca_pem, (int)ca_pem_n);
	X509 *root = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	assert_non_null(root);
	assert_int_equal(X509_STORE_add_cert(store, root), 1);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, NULL), 1);
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, NOW);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	bool ok = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(root);
	BIO_free(bio);
	return ok;
}

static void assert_uri(X509 *x, const char *want)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	assert_non_null(names);
	assert_int_equal(sk_GENERAL_NAME_num(names), 1);
	const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
	assert_int_equal(name->type, GEN_URI);
	assert_int_equal(ASN1_STRING_length(name->d.uniformResourceIdentifier), strlen(want));
	assert_memory_equal(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier), want, strlen(want));
	GENERAL_NAMES_free(names);
}

static void openssl_reads_and_trusts_what_is_issued(void **state)
{
	struct ch_msg_issue req = usual();
	struct ch_msg_issued out;
	(void)state;
	for (uint8_t profile = 1; profile <= 2; profile++) {
		req.profile = profile;
		issue(&out, &req, NOW);
		assert_int_equal(out.status, 0);
		assert_int_equal(out.not_after, NOW + 30 * DAY);
		X509 *x = openssl_reads(out.certificate);
		assert_true(openssl_trusts(x, X509_PURPOSE_SSL_CLIENT));
		assert_false(openssl_trusts(x, X509_PURPOSE_SSL_SERVER));
		assert_int_equal(X509_check_ca(x), 0);
		assert_int_equal(X509_get_version(x), X509_VERSION_3);
		assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE);
		assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_CLIENT);
		assert_uri(x, profile == 1 ? "urn:chainhold:device:ab010000000000000000000000000000"
					   : "urn:chainhold:operator:ab010000000000000000000000000000");
		time_t hour_ago = NOW - 3600;
		assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), hour_ago), 0);
		assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), NOW + 30 * DAY), 0);
		X509_free(x);
	}
}

static void a_certificate_ends_with_its_ca(void **state)
{
	struct ch_msg_issue req = usual();
	struct ch_msg_issued out;
	(void)state;
	req.now = (uint64_t)ca.not_after - DAY;
	issue(&out, &req, (int64_t)req.now);
	assert_int_equal(out.status, 0);
	assert_int_equal(out.not_after, ca.not_after);
	req.now = (uint64_t)ca.not_after;
	issue(&out, &req, (int64_t)req.now);
	assert_int_equal(out.status, 1);
}

static void refuses_what_its_profiles_do_not_have(void **state)
{
	static uint8_t ed_spki[64], broken[128];
	struct ch_sign_key ed;
	struct ch_msg_issued out;
	(void)state;
#define REFUSED(change)                                 \
	do {                                            \
		struct ch_msg_issue req = usual();      \
		change;                                 \
		issue(&out, &req, NOW);                 \
		assert_int_equal(out.status, 1);        \
		assert_int_equal(out.certificate.n, 0); \
		assert_true(out.rule.n > 0);            \
	} while (0)
	REFUSED(req.profile = 0);
	REFUSED(req.profile = 3);
	REFUSED(req.lifetime = 0);
	REFUSED(req.lifetime = 400 * DAY + 1);
	REFUSED(req.lifetime = UINT64_MAX);
	REFUSED(req.now = NOW + 301);
	REFUSED(req.now = NOW - 301);
	REFUSED(req.now = UINT64_MAX);
	REFUSED(memset(req.serial, 0, sizeof(req.serial)));
	REFUSED(memset(req.subject, 0, sizeof(req.subject)));
	for (size_t cut = 0; cut < device_spki.n; cut++)
		REFUSED(req.spki.n = cut);
	(void)ch_span_copy(broken, sizeof(broken), device_spki);
	broken[device_spki.n - 1] ^= 1; /* a point that is not on the curve */
	REFUSED(req.spki.p = broken);
	assert_int_equal(ch_sign_key_make(&ed, CH_KEY_ED25519), CH_OK);
	REFUSED(req.spki = put_spki(&ed, ed_spki, sizeof(ed_spki)));
	struct ch_msg_issue req = usual();
	req.profile = 2;
	req.spki = put_spki(&ed, ed_spki, sizeof(ed_spki));
	issue(&out, &req, NOW);
	assert_int_equal(out.status, 0);
	ch_sign_key_clear(&ed);
#undef REFUSED
}

static void takes_only_its_own_ca(void **state)
{
	static uint8_t pem[4096];
	struct ch_issuer other;
	struct ch_ca_key key = { .key = device_key };
	(void)state;
	assert_int_equal(ch_issuer_load(&other, ch_span(ca_pem, ca_pem_n), &key), CH_ERR_MISMATCH);
	size_t n = make_ca(pem, sizeof(pem), &device_key, false, NOW + DAY);
	assert_int_equal(ch_issuer_load(&other, ch_span(pem, n), &key), CH_ERR_UNTRUSTED);
	assert_int_equal(ch_issuer_load(&other, ch_span(pem, n / 2), &key), CH_ERR_TRUNCATED);
	assert_int_equal(ch_issuer_load(&other, CH_SPAN_EMPTY, &key), CH_ERR_NOTFOUND);
	assert_null(other.certificate.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_reads_and_trusts_what_is_issued),
		cmocka_unit_test(a_certificate_ends_with_its_ca),
		cmocka_unit_test(refuses_what_its_profiles_do_not_have),
		cmocka_unit_test(takes_only_its_own_ca),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
