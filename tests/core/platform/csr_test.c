/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/csr.h"

#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static EVP_PKEY *p256, *p384, *ed25519, *rsa, *weak;

static int setup(void **state)
{
	(void)state;
	p256 = EVP_EC_gen("P-256");
	p384 = EVP_EC_gen("P-384");
	ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	rsa = EVP_RSA_gen(2048);
	weak = EVP_RSA_gen(1024);
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p384);
	EVP_PKEY_free(ed25519);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(weak);
	return 0;
}

struct asked {
	EVP_PKEY *key;
	const char *cn, *san, *eku, *basic, *usage, *challenge;
	const EVP_MD *md;
	long version;
};

static void extension(STACK_OF(X509_EXTENSION) * exts, int nid, const char *value)
{
	if (value == NULL)
		return;
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(e);
	assert_true(sk_X509_EXTENSION_push(exts, e) > 0);
}

static uint8_t der[4096];

static struct ch_span make(const struct asked *a)
{
	X509_REQ *req = X509_REQ_new();
	X509_NAME *name = X509_REQ_get_subject_name(req);
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	assert_int_equal(X509_REQ_set_version(req, a->version), 1);
	if (a->cn != NULL)
		assert_int_equal(
			X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)a->cn, -1, -1, 0),
			1);
	extension(exts, NID_subject_alt_name, a->san);
	extension(exts, NID_ext_key_usage, a->eku);
	extension(exts, NID_basic_constraints, a->basic);
	extension(exts, NID_key_usage, a->usage);
	if (sk_X509_EXTENSION_num(exts) > 0)
		assert_int_equal(X509_REQ_add_extensions(req, exts), 1);
	if (a->challenge != NULL)
		assert_int_equal(X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_ASC,
							   (const unsigned char *)a->challenge, -1),
				 1);
	assert_int_equal(X509_REQ_set_pubkey(req, a->key), 1);
	assert_true(X509_REQ_sign(req, a->key, a->md) > 0);
	unsigned char *out = der;
	int n = i2d_X509_REQ(req, NULL);
	assert_in_range(n, 1, sizeof(der));
	assert_int_equal(i2d_X509_REQ(req, &out), n);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	X509_REQ_free(req);
	return ch_span(der, (size_t)n);
}

static struct asked usual(void)
{
	return (struct asked){ .key = p256,
			       .cn = "gw-1",
			       .san = "DNS:gw-1,URI:urn:x:1,IP:192.0.2.1",
			       .eku = "clientAuth,serverAuth",
			       .usage = "critical,digitalSignature",
			       .challenge = "the challenge",
			       .md = EVP_sha256() };
}

static void what_is_asked_is_read(void **state)
{
	(void)state;
	struct ch_csr c;
	struct asked a = usual();
	struct ch_span in = make(&a);
	assert_int_equal(ch_csr_parse(&c, in, NULL), CH_OK);
	assert_int_equal(c.x.pub.type, CH_KEY_P256);
	assert_int_equal(c.attr_count, 2);
	assert_int_equal(c.x.ext_count, 3);
	assert_int_equal(c.x.key_usage, CH_KU_DIGITAL_SIGNATURE);
	assert_false(c.x.ca);
	assert_int_equal(c.name_count, 3);
	assert_int_equal(c.name[0].tag, CH_DER_CONTEXT(2));
	assert_span_equal(c.name[0].value, "gw-1", 4);
	assert_span_equal(c.name[1].value, "urn:x:1", 7);
	assert_span_equal(c.name[2].value, "\xc0\x00\x02\x01", 4);
	assert_int_equal(c.purpose_count, 2);
	assert_span_equal(c.purpose[0], "\x2b\x06\x01\x05\x05\x07\x03\x02", 8);
	assert_true(c.has_challenge);
	assert_span_equal(c.challenge.s, "the challenge", 13);
	assert_int_equal(ch_csr_verify(&c, NULL), CH_OK);
}

static void every_kind_of_key_proves_possession(void **state)
{
	(void)state;
	EVP_PKEY *key[] = { p256, p384, ed25519, rsa };
	const enum ch_key_type type[] = { CH_KEY_P256, CH_KEY_P384, CH_KEY_ED25519, CH_KEY_RSA };
	for (size_t i = 0; i < CH_COUNT_OF(key); i++) {
		struct ch_csr c;
		struct asked a = { .key = key[i], .cn = "x", .md = key[i] == ed25519 ? NULL : EVP_sha384() };
		assert_int_equal(ch_csr_parse(&c, make(&a), NULL), CH_OK);
		assert_int_equal(c.x.pub.type, type[i]);
		assert_int_equal(ch_csr_verify(&c, NULL), CH_OK);
	}
}

static void an_empty_subject_and_no_attributes(void **state)
{
	(void)state;
	struct ch_csr c;
	struct asked a = { .key = p256, .md = EVP_sha256() };
	assert_int_equal(ch_csr_parse(&c, make(&a), NULL), CH_OK);
	assert_true(ch_x509_name_empty(c.x.subject));
	assert_int_equal(c.attr_count, 0);
	assert_false(c.has_challenge);
}

static void every_cut_and_every_byte_more_is_refused(void **state)
{
	(void)state;
	struct ch_csr c;
	struct ch_diag d;
	struct asked a = usual();
	struct ch_span in = make(&a);
	for (size_t n = 0; n < in.n; n++) {
		assert_int_not_equal(ch_csr_parse(&c, ch_span(in.p, n), &d), CH_OK);
		assert_non_null(d.rule);
		assert_int_equal(c.x.raw.n, 0);
	}
	der[in.n] = 0;
	assert_int_equal(ch_csr_parse(&c, ch_span(der, in.n + 1), &d), CH_ERR_TRAILING);
}

/* Whatever bit is flipped: it cannot be read any more, or it proves nothing. */
static void no_bit_is_free(void **state)
{
	(void)state;
	struct asked a = { .key = p256, .cn = "x", .san = "DNS:x", .md = EVP_sha256() };
	struct ch_span in = make(&a);
	for (size_t bit = 0; bit < 8 * in.n; bit++) {
		struct ch_csr c;
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		bool holds = ch_csr_parse(&c, in, NULL) == CH_OK && ch_csr_verify(&c, NULL) == CH_OK;
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(holds);
	}
}

static void a_weak_key_and_a_weak_digest_prove_nothing(void **state)
{
	(void)state;
	struct ch_csr c;
	struct ch_diag d;
	struct asked a = { .key = weak, .cn = "x", .md = EVP_sha256() };
	assert_int_equal(ch_csr_parse(&c, make(&a), NULL), CH_OK);
	assert_int_equal(ch_csr_verify(&c, &d), CH_ERR_KEY);
	assert_non_null(strstr(d.rule, "weak"));
	a = (struct asked){ .key = p256, .cn = "x", .md = EVP_sha1() };
	assert_int_equal(ch_csr_parse(&c, make(&a), NULL), CH_OK);
	assert_int_equal(ch_csr_verify(&c, &d), CH_ERR_UNSUPPORTED);
	assert_non_null(strstr(d.rule, "SHA-1"));
}

static void a_request_for_an_authority_is_read_as_one(void **state)
{
	(void)state;
	struct ch_csr c;
	struct asked a = { .key = p256, .cn = "x", .basic = "critical,CA:TRUE", .md = EVP_sha256() };
	assert_int_equal(ch_csr_parse(&c, make(&a), NULL), CH_OK);
	assert_true(c.x.has_basic && c.x.ca);
}

static void another_version_and_too_many_names(void **state)
{
	(void)state;
	struct ch_csr c;
	char san[256] = "";
	struct ch_wr w = ch_wr(san, sizeof(san) - 1);
	struct asked a = { .key = p256, .version = 1, .md = EVP_sha256() };
	assert_int_equal(ch_csr_parse(&c, make(&a), NULL), CH_ERR_UNSUPPORTED);
	for (unsigned i = 0; i < CH_CSR_NAMES_MAX; i++)
		ch_wr_str(&w, i == 0 ? "DNS:a" : ",DNS:a");
	a = (struct asked){ .key = p256, .san = san, .md = EVP_sha256() };
	assert_int_equal(ch_csr_parse(&c, make(&a), NULL), CH_OK);
	assert_int_equal(c.name_count, CH_CSR_NAMES_MAX);
	ch_wr_str(&w, ",DNS:a");
	assert_int_equal(ch_csr_parse(&c, make(&a), NULL), CH_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_is_read),
		cmocka_unit_test(every_kind_of_key_proves_possession),
		cmocka_unit_test(an_empty_subject_and_no_attributes),
		cmocka_unit_test(every_cut_and_every_byte_more_is_refused),
		cmocka_unit_test(no_bit_is_free),
		cmocka_unit_test(a_weak_key_and_a_weak_digest_prove_nothing),
		cmocka_unit_test(a_request_for_an_authority_is_read_as_one),
		cmocka_unit_test(another_version_and_too_many_names),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
