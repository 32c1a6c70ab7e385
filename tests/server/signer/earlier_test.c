/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/earlier.h"

#include "core/wire/base64.h"
#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

/* CAs that issue no more: what a configuration may say of them, and their signatures, here or by a token that takes its time. */

#define NOW 1700000000

static EVP_PKEY *key;
static X509 *cert;
static struct ch_earlier earlier;
static char folder[] = "/tmp/chainhold-earlier-XXXXXX";
static int dir = -1;
static char name[96];

static void extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static X509 *make(EVP_PKEY *of, const char *usage, bool kid)
{
	X509 *x = X509_new();
	assert_int_equal(X509_set_version(x, 2), 1);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)ASN1_TIME_set(X509_getm_notBefore(x), NOW - 1000);
	(void)ASN1_TIME_set(X509_getm_notAfter(x), NOW + 400 * 86400);
	(void)X509_set_pubkey(x, of);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const uint8_t *)"CA", -1, -1,
					 0);
	(void)X509_set_issuer_name(x, X509_get_subject_name(x));
	extension(x, NID_basic_constraints, "critical,CA:TRUE");
	extension(x, NID_key_usage, usage);
	if (kid)
		extension(x, NID_subject_key_identifier, "hash");
	assert_true(X509_sign(x, of, EVP_sha256()) > 0);
	return x;
}

/* "earlier_ca …": the certificate in PEM, in base64. */
static void put_ca(struct ch_buf *config, X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	uint8_t text[8192];
	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	long n = BIO_get_mem_data(bio, &pem);
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_base64_put(&w, CH_BASE64_STD, ch_span(pem, (size_t)n));
	ch_buf_append(config, CH_SPAN_LIT("earlier_ca "));
	ch_buf_append(config, ch_wr_span(&w));
	ch_buf_append(config, CH_SPAN_LIT("\n"));
	BIO_free(bio);
}

/* "earlier_token KEYID NUMBER" */
static void put_token(struct ch_buf *config, X509 *x, const char *number)
{
	const ASN1_OCTET_STRING *kid = X509_get0_subject_key_id(x);
	uint8_t text[128];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_wr_str(&w, "earlier_token ");
	ch_wr_hex(&w, ch_span(ASN1_STRING_get0_data(kid), (size_t)ASN1_STRING_length(kid)));
	ch_wr_str(&w, " ");
	ch_wr_str(&w, number);
	ch_wr_str(&w, "\n");
	ch_buf_append(config, ch_wr_span(&w));
}

static enum ch_err load(const struct ch_buf *config)
{
	return ch_earlier_load(&earlier, ch_buf_span(config), dir, 86400, name);
}

static int setup_group(void **state)
{
	(void)state;
	if (ch_crypto_openssl_init() != CH_OK || mkdtemp(folder) == NULL)
		return 1;
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	key = EVP_EC_gen("P-256");
	cert = make(key, "critical,keyCertSign,cRLSign", true);
	return dir < 0;
}

static int teardown_group(void **state)
{
	(void)state;
	X509_free(cert);
	EVP_PKEY_free(key);
	return close(dir) != 0 || rmdir(folder) != 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < earlier.count; i++)
		(void)unlinkat(dir, earlier.ca[i].crl.name, 0);
	ch_earlier_clear(&earlier);
	return 0;
}

/* --- what may be said of them --- */

static void a_ca_without_a_key_is_one_without_lists(void **state)
{
	CH_AUTO_BUF struct ch_buf config = { 0 };
	(void)state;
	assert_int_equal(load(&config), CH_OK);
	assert_int_equal(earlier.count, 0);
	put_ca(&config, cert);
	assert_int_equal(load(&config), CH_OK);
	assert_int_equal(earlier.count, 1);
	assert_false(ch_earlier_signs(&earlier.ca[0]));
	assert_ptr_equal(ch_earlier_find(&earlier, earlier.ca[0].id), &earlier.ca[0]);
	assert_null(ch_earlier_find(&earlier, (const uint8_t[32]){ 1 }));
}

static void what_is_no_ca_is_refused(void **state)
{
	static const struct {
		const char *usage;
		bool kid;
	} row[] = { { "critical,keyCertSign", true }, { "critical,keyCertSign,cRLSign", false } };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		CH_AUTO_BUF struct ch_buf config = { 0 };
		X509 *x = make(key, row[i].usage, row[i].kid);
		put_ca(&config, x);
		X509_free(x);
		assert_int_equal(load(&config), CH_ERR_UNTRUSTED);
		assert_int_equal(earlier.count, 0);
	}
	CH_AUTO_BUF struct ch_buf broken = { 0 };
	ch_buf_append(&broken, CH_SPAN_LIT("earlier_ca bm90aGluZw==\n"));
	assert_int_not_equal(load(&broken), CH_OK);
}

static void one_twice_or_too_many_are_refused(void **state)
{
	CH_AUTO_BUF struct ch_buf twice = { 0 }, many = { 0 };
	(void)state;
	put_ca(&twice, cert);
	put_ca(&twice, cert);
	assert_int_equal(load(&twice), CH_ERR_DUPLICATE);
	ch_earlier_clear(&earlier);
	for (unsigned i = 0; i <= CH_SIGNER_EARLIER_MAX; i++) {
		EVP_PKEY *other = EVP_EC_gen("P-256");
		X509 *x = make(other, "critical,keyCertSign,cRLSign", true);
		put_ca(&many, x);
		X509_free(x);
		EVP_PKEY_free(other);
	}
	assert_int_equal(load(&many), CH_ERR_LIMIT);
	assert_int_equal(earlier.count, CH_SIGNER_EARLIER_MAX);
}

static void a_token_has_the_key_that_its_line_names(void **state)
{
	static const struct {
		const char *number;
		bool taken;
	} row[] = { { "0", true }, { "7", true }, { "10", false }, { "x", false } };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		CH_AUTO_BUF struct ch_buf config = { 0 };
		ch_buf_append(&config, CH_SPAN_LIT("earlier_token 00 1\n"));
		put_token(&config, cert, row[i].number);
		put_ca(&config, cert);
		assert_int_equal(load(&config), CH_OK);
		assert_int_equal(earlier.ca[0].in_token, row[i].taken);
		if (row[i].taken)
			assert_int_equal(earlier.ca[0].token, (unsigned)(row[i].number[0] - '0'));
		ch_earlier_clear(&earlier);
	}
	/* A token signs with P-256 alone. */
	CH_AUTO_BUF struct ch_buf config = { 0 };
	EVP_PKEY *other = EVP_EC_gen("P-384");
	X509 *x = make(other, "critical,keyCertSign,cRLSign", true);
	put_token(&config, x, "0");
	put_ca(&config, x);
	X509_free(x);
	EVP_PKEY_free(other);
	assert_int_equal(load(&config), CH_ERR_KEY);
}

/* --- signatures --- */

struct signed_ {
	unsigned times;
	struct ch_buf tbs, alg, sig;
};

static void done(void *own, struct ch_span tbs, struct ch_span alg, struct ch_span sig)
{
	struct signed_ *s = own;
	s->times++;
	ch_buf_append(&s->tbs, tbs);
	ch_buf_append(&s->alg, alg);
	ch_buf_append(&s->sig, sig);
}

static void forget(struct signed_ *s)
{
	ch_buf_free(&s->tbs);
	ch_buf_free(&s->alg);
	ch_buf_free(&s->sig);
	*s = (struct signed_){ 0 };
}

static bool holds(const struct signed_ *s)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		    EVP_DigestVerify(ctx, s->sig.p, s->sig.n, s->tbs.p, s->tbs.n) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

static struct {
	uint64_t id;
	uint8_t digest[32];
} asked;

static void ask(void *ctx, uint64_t id, const uint8_t digest[static 32])
{
	(void)ctx;
	asked.id = id;
	(void)ch_span_copy(asked.digest, sizeof(asked.digest), ch_span(digest, 32));
}

/* As the token does. */
static void token_signs(uint8_t rs[static 64])
{
	uint8_t der[80];
	size_t n = sizeof(der);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, der, &n, asked.digest, sizeof(asked.digest)), 1);
	const uint8_t *p = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs + 32, 32), 32);
	ECDSA_SIG_free(sig);
	EVP_PKEY_CTX_free(ctx);
}

static void a_key_that_is_here_signs_at_once(void **state)
{
	CH_AUTO_BUF struct ch_buf config = { 0 };
	struct signed_ s = { 0 };
	(void)state;
	put_ca(&config, cert);
	assert_int_equal(load(&config), CH_OK);
	ch_earlier_sign(&earlier.ca[0], CH_SPAN_LIT("text"), done, &s);
	assert_int_equal(s.times, 1);
	assert_int_equal(s.sig.n, 0);
	forget(&s);
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	long n = BIO_get_mem_data(bio, &pem);
	assert_int_equal(ch_list_key_from_pem(&earlier.ca[0].key, ch_span(pem, (size_t)n)), CH_OK);
	BIO_free(bio);
	assert_true(ch_earlier_signs(&earlier.ca[0]));
	ch_earlier_sign(&earlier.ca[0], CH_SPAN_LIT("text"), done, &s);
	assert_int_equal(s.times, 1);
	assert_true(holds(&s));
	forget(&s);
}

static void a_token_signs_when_it_does(void **state)
{
	CH_AUTO_BUF struct ch_buf config = { 0 };
	struct signed_ s = { 0 };
	uint8_t rs[64];
	(void)state;
	put_token(&config, cert, "1");
	put_ca(&config, cert);
	assert_int_equal(load(&config), CH_OK);
	struct ch_earlier_ca *c = &earlier.ca[0];
	c->token_key.ask = ask;
	assert_true(ch_earlier_signs(c));
	ch_earlier_sign(c, CH_SPAN_LIT("text"), done, &s);
	assert_int_equal(s.times, 0);
	/* One that does not hold is not given on; the next is. */
	token_signs(rs);
	rs[40] ^= 1;
	assert_int_equal(ch_ca_signed(&c->token_key, asked.id, rs), CH_ERR_SIGNATURE);
	assert_int_equal(s.times, 0);
	asked.id = 0;
	ch_ca_ask_again(&c->token_key);
	rs[40] ^= 1;
	assert_int_equal(ch_ca_signed(&c->token_key, asked.id, rs), CH_OK);
	assert_int_equal(s.times, 1);
	assert_true(holds(&s));
	forget(&s);
	/* What waits at the end hears that there is none. */
	ch_earlier_sign(c, CH_SPAN_LIT("text"), done, &s);
	(void)unlinkat(dir, c->crl.name, 0);
	ch_earlier_clear(&earlier);
	assert_int_equal(s.times, 1);
	assert_int_equal(s.sig.n, 0);
	forget(&s);
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_ca_without_a_key_is_one_without_lists), TEST(what_is_no_ca_is_refused),
		TEST(one_twice_or_too_many_are_refused),       TEST(a_token_has_the_key_that_its_line_names),
		TEST(a_key_that_is_here_signs_at_once),        TEST(a_token_signs_when_it_does),
	};
	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
