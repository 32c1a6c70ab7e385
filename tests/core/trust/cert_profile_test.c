/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/cert_profile.h"

#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static EVP_PKEY *p256, *p384;
static const uint8_t device[16] = { 0xab, 0xcd, 1 };
#define DEVICE_HEX "abcd0100000000000000000000000000"

static int setup(void **state)
{
	(void)state;
	p256 = EVP_EC_gen("P-256");
	p384 = EVP_EC_gen("P-384");
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p384);
	return 0;
}

static struct ch_cert_profile usual(void)
{
	return (struct ch_cert_profile){
		.label = CH_SPAN_LIT("default"),
		.class = CH_SPAN_LIT("gateway"),
		.lifetime = 86400,
		.grace = 86400,
		.keys = 1u << CH_KEY_P256,
		.key_usage = CH_KU_DIGITAL_SIGNATURE,
		.purposes = CH_CERT_EKU_CLIENT,
		.by = CH_ENROL_BY_TOKEN,
		.approval = CH_APPROVAL_AUTOMATIC,
		.linking = CH_LINKING_OPTIONAL,
		.attr_count = 2,
		.attr = { { CH_SUBJECT_O, CH_SPAN_LIT("Lab") }, { CH_SUBJECT_CN, CH_SPAN_LIT("gw-{name}.x") } },
		.name_count = 2,
		.name = { { CH_CERT_SAN_DNS + 1, CH_SPAN_LIT("{name}.lab") },
			  { CH_CERT_SAN_URI + 1, CH_SPAN_LIT("urn:d:{device}") } },
	};
}

static void an_image_is_read_as_it_was_written(void **state)
{
	(void)state;
	uint8_t image[CH_PROFILE_IMAGE_MAX], again[CH_PROFILE_IMAGE_MAX];
	struct ch_wr w = ch_wr(image, sizeof(image)), x = ch_wr(again, sizeof(again));
	struct ch_cert_profile p = usual(), q;
	struct ch_diag d;
	assert_int_equal(ch_cert_profile_put(&w, &p), CH_OK);
	assert_int_equal(ch_cert_profile_parse(&q, ch_wr_span(&w), &d), CH_OK);
	assert_int_equal(ch_cert_profile_put(&x, &q), CH_OK);
	assert_true(ch_span_eq(ch_wr_span(&w), ch_wr_span(&x)));
	for (size_t n = 0; n < w.len; n++) {
		assert_int_not_equal(ch_cert_profile_parse(&q, ch_span(image, n), &d), CH_OK);
		assert_non_null(d.rule);
		assert_int_equal(q.keys, 0);
	}
	image[w.len] = 0;
	assert_int_equal(ch_cert_profile_parse(&q, ch_span(image, w.len + 1), &d), CH_ERR_TRAILING);
	image[8] ^= 1;
	assert_int_equal(ch_cert_profile_parse(&q, ch_span(image, w.len), &d), CH_ERR_UNSUPPORTED);
}

static void a_profile_without_sense_is_refused(void **state)
{
	(void)state;
#define REFUSED(change)                                    \
	do {                                               \
		struct ch_cert_profile p = usual();        \
		assert_null(ch_cert_profile_rule(&p));     \
		change;                                    \
		assert_non_null(ch_cert_profile_rule(&p)); \
	} while (0)
	REFUSED(p.label = CH_SPAN_LIT("No"));
	REFUSED(p.keys = 0);
	REFUSED(p.keys = 1u << CH_KEY_P521);
	REFUSED(p.lifetime = CH_PROFILE_LIFETIME_MAX + 1);
	REFUSED(p.lifetime = 1);
	REFUSED(p.key_usage = CH_KU_CERT_SIGN);
	REFUSED(p.purposes = 0);
	REFUSED(p.purposes = 0x80);
	REFUSED(p.by = 0x80);
	REFUSED(p.approval = 0);
	REFUSED(p.linking = 0);
	REFUSED(p.attr_count = 0);
	REFUSED(p.attr_count = 1); /* nothing in it tells devices apart */
	REFUSED(p.attr[0].kind = CH_SUBJECT_CN);
	REFUSED(p.attr[0].text = CH_SPAN_LIT("{nam}"));
	REFUSED(p.attr[0].text = CH_SPAN_LIT("{name}{device}"));
	REFUSED(p.attr[0].text = CH_SPAN_LIT("\x1b"));
	REFUSED(p.name[0].text = CH_SPAN_LIT("a b"));
	REFUSED(p.name[0].kind = CH_CERT_SAN_IP + 1);
#undef REFUSED
}

static uint8_t der[4096];

static bool add(STACK_OF(X509_EXTENSION) * exts, int nid, const char *value)
{
	X509_EXTENSION *e = value != NULL ? X509V3_EXT_conf_nid(NULL, NULL, nid, value) : NULL;
	return e != NULL && sk_X509_EXTENSION_push(exts, e) > 0;
}

struct asked {
	EVP_PKEY *key;
	const char *o, *cn, *ou, *san, *eku, *basic, *usage, *policy;
};

static void read_asked(struct ch_csr *c, const struct asked *a)
{
	const struct {
		const char *name, *value;
	} attr[] = { { "O", a->o }, { "CN", a->cn }, { "OU", a->ou } };
	X509_REQ *req = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	for (size_t i = 0; i < CH_COUNT_OF(attr); i++) {
		if (attr[i].value != NULL)
			assert_int_equal(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), attr[i].name,
								    MBSTRING_UTF8, (const unsigned char *)attr[i].value,
								    -1, -1, 0),
					 1);
	}
	(void)add(exts, NID_subject_alt_name, a->san);
	(void)add(exts, NID_ext_key_usage, a->eku);
	(void)add(exts, NID_basic_constraints, a->basic);
	(void)add(exts, NID_key_usage, a->usage);
	(void)add(exts, NID_inhibit_any_policy, a->policy);
	if (sk_X509_EXTENSION_num(exts) > 0)
		assert_int_equal(X509_REQ_add_extensions(req, exts), 1);
	assert_int_equal(X509_REQ_set_pubkey(req, a->key != NULL ? a->key : p256), 1);
	assert_true(X509_REQ_sign(req, a->key != NULL ? a->key : p256, EVP_sha256()) > 0);
	unsigned char *out = der;
	int n = i2d_X509_REQ(req, &out);
	assert_in_range(n, 1, sizeof(der));
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	X509_REQ_free(req);
	assert_int_equal(ch_csr_parse(c, ch_span(der, (size_t)n), NULL), CH_OK);
}

static enum ch_err judge(const struct asked *a, bool known, const char *called, char field[static 128],
			 struct ch_span *name)
{
	static struct ch_csr c;
	const struct ch_cert_profile p = usual();
	struct ch_profile_fault f;
	const struct ch_profile_asker asker = { known ? device : NULL,
						called != NULL ? ch_span_str(called) : CH_SPAN_EMPTY };
	read_asked(&c, a);
	enum ch_err err = ch_cert_profile_check(&p, &c, &asker, name, &f);
	strcpy(field, f.field);
	assert_int_equal(err == CH_OK, f.rule == NULL);
	return err;
}

static void what_the_profile_gives_may_be_asked_for(void **state)
{
	(void)state;
	char field[128];
	struct ch_span name;
	struct asked a = { .o = "Lab",
			   .cn = "gw-a1.x",
			   .san = "DNS:A1.lab",
			   .eku = "clientAuth",
			   .usage = "digitalSignature",
			   .basic = "CA:FALSE" };
	assert_int_equal(judge(&a, false, NULL, field, &name), CH_OK);
	assert_span_equal(name, "a1", 2);
	a = (struct asked){ .san = "DNS:a1.lab,URI:urn:d:" DEVICE_HEX };
	assert_int_equal(judge(&a, true, "a1", field, &name), CH_OK);
	/* Nothing is asked for: the profile gives it all the same. */
	a = (struct asked){ 0 };
	assert_int_equal(judge(&a, true, "a1", field, &name), CH_OK);
	assert_span_equal(name, "a1", 2);
}

static void what_goes_beyond_it_is_named(void **state)
{
	(void)state;
	static const struct {
		struct asked a;
		const char *field;
	} row[] = {
		{ { .cn = "gw-a1.x", .o = "Other" }, "subject.O" },
		{ { .cn = "a1" }, "subject.CN" },
		{ { .cn = "gw-.x" }, "subject.CN" },
		{ { .cn = "gw-a b.x" }, "subject.CN" },
		{ { .cn = "gw-a1.x", .ou = "Root" }, "subject.OU" },
		{ { .cn = "gw-a1.x", .san = "DNS:a2.lab" }, "subjectAltName.dNSName" },
		{ { .cn = "gw-a1.x", .san = "DNS:*.lab" }, "subjectAltName.dNSName" },
		{ { .cn = "gw-a1.x", .san = "IP:192.0.2.1" }, "subjectAltName.iPAddress" },
		{ { .cn = "gw-a1.x", .san = "email:a@b" }, "subjectAltName.rfc822Name" },
		/* It has no id yet that it could know. */
		{ { .cn = "gw-a1.x", .san = "URI:urn:d:00000000000000000000000000000000" },
		  "subjectAltName.uniformResourceIdentifier" },
		{ { .cn = "gw-a1.x", .eku = "serverAuth" }, "extKeyUsage.1.3.6.1.5.5.7.3.1" },
		{ { .cn = "gw-a1.x", .usage = "keyCertSign" }, "keyUsage" },
		{ { .cn = "gw-a1.x", .basic = "critical,CA:TRUE" }, "basicConstraints" },
		{ { .cn = "gw-a1.x", .policy = "0" }, "extension.2.5.29.54" },
		{ { 0 }, "subject" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		char field[128];
		struct ch_span name;
		assert_int_equal(judge(&row[i].a, false, NULL, field, &name), CH_ERR_MISMATCH);
		assert_string_equal(field, row[i].field);
		assert_int_equal(name.n, 0);
	}
	char field[128];
	struct ch_span name;
	struct asked a = { .key = p384, .cn = "gw-a1.x" };
	assert_int_equal(judge(&a, false, NULL, field, &name), CH_ERR_MISMATCH);
	assert_string_equal(field, "key");
	a = (struct asked){ .cn = "gw-a2.x" };
	assert_int_equal(judge(&a, true, "a1", field, &name), CH_ERR_MISMATCH);
	assert_string_equal(field, "subject.CN");
}

static void a_subject_is_written_as_its_template_says(void **state)
{
	(void)state;
	uint8_t room[256], text[256];
	struct ch_wr w = ch_wr(room, sizeof(room)), t = ch_wr(text, sizeof(text));
	const struct ch_cert_profile p = usual();
	assert_int_equal(ch_profile_subject_put(&w, &p, CH_SPAN_LIT("a1"), device), CH_OK);
	ch_x509_name_put(&t, ch_wr_span(&w));
	assert_span_equal(ch_wr_span(&t), "CN=gw-a1.x,O=Lab", 16);
	t.len = 0;
	ch_profile_template_put(&t, p.name[1].text, CH_SPAN_LIT("a1"), device);
	assert_span_equal(ch_wr_span(&t), "urn:d:" DEVICE_HEX, 38);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_is_read_as_it_was_written),
		cmocka_unit_test(a_profile_without_sense_is_refused),
		cmocka_unit_test(what_the_profile_gives_may_be_asked_for),
		cmocka_unit_test(what_goes_beyond_it_is_named),
		cmocka_unit_test(a_subject_is_written_as_its_template_says),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
