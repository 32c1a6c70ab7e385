/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/responder.h"

#include "core/platform/x509_write.h"
#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lists and answers of the signer, read by OpenSSL; what it keeps on disk, and what nobody can make it forget. */

#define NOW 1700000000

static EVP_PKEY *ca_pkey, *ocsp_pkey;
static X509 *ca_cert;
static struct ch_ca_key ca_key;
static struct ch_issuer ca;
static struct ch_signer_crl crl;
static char folder[] = "/tmp/chainhold-crl-XXXXXX";
static int dir = -1;

static struct ch_sign_key key_of(EVP_PKEY *pkey)
{
	struct ch_sign_key key;
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	long n = BIO_get_mem_data(bio, &text);
	assert_int_equal(ch_sign_key_from_pem(&key, ch_span(text, (size_t)n)), CH_OK);
	BIO_free(bio);
	return key;
}

static void extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void make_ca(void)
{
	ca_pkey = EVP_EC_gen("P-256");
	ocsp_pkey = EVP_EC_gen("P-256");
	ca_cert = X509_new();
	assert_int_equal(X509_set_version(ca_cert, 2), 1);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(ca_cert), 1);
	(void)ASN1_TIME_set(X509_getm_notBefore(ca_cert), NOW - 1000);
	(void)ASN1_TIME_set(X509_getm_notAfter(ca_cert), NOW + 400 * 86400);
	(void)X509_set_pubkey(ca_cert, ca_pkey);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(ca_cert), "CN", MBSTRING_UTF8, (const uint8_t *)"CA", -1,
					 -1, 0);
	(void)X509_set_issuer_name(ca_cert, X509_get_subject_name(ca_cert));
	extension(ca_cert, NID_basic_constraints, "critical,CA:TRUE");
	extension(ca_cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	extension(ca_cert, NID_subject_key_identifier, "hash");
	assert_true(X509_sign(ca_cert, ca_pkey, EVP_sha256()) > 0);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	assert_int_equal(PEM_write_bio_X509(bio, ca_cert), 1);
	long n = BIO_get_mem_data(bio, &text);
	ca_key.key = key_of(ca_pkey);
	assert_int_equal(ch_issuer_load(&ca, ch_span(text, (size_t)n), &ca_key), CH_OK);
	BIO_free(bio);
}

static int setup_group(void **state)
{
	(void)state;
	if (ch_crypto_openssl_init() != CH_OK || mkdtemp(folder) == NULL)
		return 1;
	make_ca();
	dir = open(folder, O_RDONLY | O_DIRECTORY);
	return dir < 0;
}

static void open_again(void)
{
	ch_signer_crl_clear(&crl);
	assert_int_equal(ch_signer_crl_open(&crl, dir, &ca, 86400), CH_OK);
}

static int setup(void **state)
{
	(void)state;
	return ch_signer_crl_open(&crl, dir, &ca, 86400) == CH_OK ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlinkat(dir, crl.name, 0);
	ch_signer_crl_clear(&crl);
	return 0;
}

static int teardown_group(void **state)
{
	(void)state;
	ch_issuer_clear(&ca);
	ch_ca_key_clear(&ca_key);
	X509_free(ca_cert);
	EVP_PKEY_free(ca_pkey);
	EVP_PKEY_free(ocsp_pkey);
	(void)close(dir);
	return rmdir(folder);
}

static struct ch_span row(uint8_t number, int64_t time, uint8_t reason, int64_t expires)
{
	static uint8_t rows[8][CH_IPC_REVOKED];
	static size_t next;
	uint8_t *to = rows[next++ % 8];
	struct ch_wr w = ch_wr(to, CH_IPC_REVOKED);
	uint8_t serial[20] = { [19] = number };
	ch_wr_put(&w, CH_SPAN_OF(serial));
	ch_wr_be64(&w, (uint64_t)time);
	ch_wr_u8(&w, reason);
	ch_wr_be64(&w, (uint64_t)expires);
	return ch_wr_span(&w);
}

static void complete(void *own, struct ch_span tbs, const uint8_t *sig)
{
	assert_int_equal(ch_signer_crl_signed(own, tbs, sig), CH_OK);
}

/* The list, whose signature holds. */
static X509_CRL *published(int64_t clock)
{
	CH_AUTO_BUF struct ch_buf tbs = { 0 };
	CH_AUTO_BUF struct ch_buf whole = { 0 };
	assert_int_equal(ch_signer_crl_next(&crl, &ca, clock, &tbs), CH_OK);
	ch_ca_sign(&ca_key, ch_buf_span(&tbs), complete, &whole);
	const uint8_t *p = whole.p;
	X509_CRL *list = d2i_X509_CRL(NULL, &p, (long)whole.n);
	assert_non_null(list);
	assert_int_equal(X509_CRL_verify(list, ca_pkey), 1);
	return list;
}

static int entries(int64_t clock)
{
	X509_CRL *list = published(clock);
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(list);
	int n = all == NULL ? 0 : sk_X509_REVOKED_num(all);
	X509_CRL_free(list);
	return n;
}

static struct ch_serial number(uint8_t n)
{
	return (struct ch_serial){ { [19] = n } };
}

static void what_is_revoked_is_in_every_later_list(void **state)
{
	(void)state;
	assert_int_equal(entries(NOW), 0);
	assert_int_equal(ch_signer_crl_add(&crl, row(7, NOW - 5, CH_CRL_SUPERSEDED, NOW + 100), NOW), CH_OK);
	assert_int_equal(ch_signer_crl_add(&crl, row(3, NOW - 5, CH_CRL_KEY_COMPROMISE, NOW + 100), NOW), CH_OK);
	assert_int_equal(entries(NOW), 2);
	open_again();
	assert_int_equal(entries(NOW + 1), 2);
	/* Said again, otherwise: the first word stands. */
	assert_int_equal(ch_signer_crl_add(&crl, row(7, NOW, CH_CRL_UNSPECIFIED, 1), NOW), CH_OK);
	const struct ch_serial seven = number(7), five = number(5);
	const struct ch_revoked *e = ch_signer_crl_find(&crl, &seven);
	assert_non_null(e);
	assert_int_equal(e->reason, CH_CRL_SUPERSEDED);
	assert_int_equal(e->expires, NOW + 100);
	assert_null(ch_signer_crl_find(&crl, &five));
}

static void numbers_and_times_only_grow(void **state)
{
	(void)state;
	X509_CRL_free(published(NOW));
	uint64_t first = crl.number;
	assert_true(first >= NOW);
	X509_CRL_free(published(NOW));
	assert_true(crl.number > first);
	/* The clock was set back by a year. */
	first = crl.number;
	X509_CRL_free(published(NOW - 365 * 86400));
	assert_true(crl.number > first && crl.this_update == NOW);
	/* And the file was lost: the time makes a larger number. */
	(void)unlinkat(dir, crl.name, 0);
	first = crl.number;
	open_again();
	X509_CRL_free(published(NOW + 3600));
	assert_true(crl.number > first);
}

static void a_certificate_that_ended_leaves_the_list_and_stays_revoked(void **state)
{
	(void)state;
	assert_int_equal(ch_signer_crl_add(&crl, row(9, NOW, CH_CRL_UNSPECIFIED, NOW + 100), NOW), CH_OK);
	assert_int_equal(entries(NOW + 100), 1);
	assert_int_equal(entries(NOW + 100 + 86400), 1); /* RFC 5280, 3.3: in one list after its end */
	assert_int_equal(entries(NOW + 101 + 86400), 0);
	open_again();
	const struct ch_serial nine = number(9);
	assert_non_null(ch_signer_crl_find(&crl, &nine));
}

static void rows_that_are_none_are_refused_whole(void **state)
{
	uint8_t two[2 * CH_IPC_REVOKED];
	(void)state;
	const struct ch_span bad[] = {
		row(0, NOW, CH_CRL_UNSPECIFIED, NOW),
		row(1, NOW, CH_CRL_HOLD, NOW),
		row(1, NOW, 7, NOW),
		row(1, INT64_MIN, CH_CRL_UNSPECIFIED, NOW),
		row(1, NOW, CH_CRL_UNSPECIFIED, INT64_MIN),
	};
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		(void)ch_span_copy(two, sizeof(two), row(2, NOW, CH_CRL_UNSPECIFIED, NOW));
		(void)ch_span_copy(two + CH_IPC_REVOKED, CH_IPC_REVOKED, bad[i]);
		assert_int_equal(ch_signer_crl_add(&crl, CH_SPAN_OF(two), NOW), CH_ERR_MALFORMED);
		assert_int_equal(crl.count, 0);
	}
	assert_int_equal(ch_signer_crl_add(&crl, ch_span(two, CH_IPC_REVOKED - 1), NOW), CH_ERR_MALFORMED);
	/* One twice in a message is one; none was revoked after now. */
	(void)ch_span_copy(two + CH_IPC_REVOKED, CH_IPC_REVOKED, row(2, NOW + 999, CH_CRL_UNSPECIFIED, NOW));
	assert_int_equal(ch_signer_crl_add(&crl, CH_SPAN_OF(two), NOW), CH_OK);
	assert_int_equal(crl.count, 1);
	assert_true(crl.entry[0].time <= NOW);
}

/* A backup was put back, and others have a list that was made after it. */
static void a_list_that_others_have_is_not_gone_behind(void **state)
{
	(void)state;
	assert_int_equal(ch_signer_crl_add(&crl, row(5, NOW - 9, CH_CRL_SUPERSEDED, NOW + 100), NOW), CH_OK);
	X509_CRL_free(published(NOW));
	assert_int_equal(ch_signer_crl_add(&crl, row(6, NOW, CH_CRL_KEY_COMPROMISE, NOW + 100), NOW), CH_OK);
	X509_CRL *theirs = published(NOW + 5);
	CH_AUTO_BUF struct ch_buf der = { 0 };
	uint8_t *p = NULL;
	int n = i2d_X509_CRL(theirs, &p);
	ch_buf_append(&der, ch_span(p, (size_t)n));
	OPENSSL_free(p);
	X509_CRL_free(theirs);
	struct ch_crl list;
	assert_int_equal(ch_crl_parse(&list, ch_buf_span(&der), NULL), CH_OK);
	uint64_t last = crl.number;
	/* as it was before the second was revoked, on a clock that is behind */
	(void)unlinkat(dir, crl.name, 0);
	open_again();
	assert_int_equal(ch_signer_crl_add(&crl, row(5, NOW - 9, CH_CRL_SUPERSEDED, NOW + 100), NOW), CH_OK);
	assert_int_equal(ch_signer_crl_take(&crl, &list, ca.not_after), CH_OK);
	open_again();
	const struct ch_serial five = number(5), six = number(6);
	assert_int_equal(ch_signer_crl_find(&crl, &five)->expires, NOW + 100);
	assert_int_equal(ch_signer_crl_find(&crl, &six)->reason, CH_CRL_KEY_COMPROMISE);
	assert_int_equal(ch_signer_crl_find(&crl, &six)->expires, ca.not_after);
	assert_int_equal(entries(NOW - 1000), 2);
	assert_true(crl.number > last && crl.this_update == NOW + 5);
	/* an older one changes nothing; one with a number that nothing can follow is not taken */
	last = crl.number;
	list.this_update = NOW - 10;
	assert_int_equal(ch_signer_crl_take(&crl, &list, ca.not_after), CH_OK);
	assert_true(crl.number == last && crl.this_update == NOW + 5 && crl.count == 2);
	list.number = CH_SPAN_LIT("\xff\xff\xff\xff\xff\xff\xff\xff");
	assert_int_equal(ch_signer_crl_take(&crl, &list, ca.not_after), CH_ERR_RANGE);
	list.number = CH_SPAN_LIT("\x01\0\0\0\0\0\0\0\0");
	assert_int_equal(ch_signer_crl_take(&crl, &list, ca.not_after), CH_ERR_RANGE);
	list.number = CH_SPAN_EMPTY;
	list.this_update = INT64_MAX;
	assert_int_equal(ch_signer_crl_take(&crl, &list, ca.not_after), CH_ERR_RANGE);
}

static void a_damaged_file_is_not_begun_anew(void **state)
{
	(void)state;
	assert_int_equal(ch_signer_crl_add(&crl, row(4, NOW, CH_CRL_UNSPECIFIED, NOW), NOW), CH_OK);
	X509_CRL_free(published(NOW));
	int fd = openat(dir, crl.name, O_RDWR);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	for (off_t at = 0; at < st.st_size; at++) {
		struct ch_signer_crl other;
		uint8_t b;
		assert_int_equal(pread(fd, &b, 1, at), 1);
		b ^= 0x10;
		assert_int_equal(pwrite(fd, &b, 1, at), 1);
		assert_int_equal(ch_signer_crl_open(&other, dir, &ca, 86400), CH_ERR_MALFORMED);
		ch_signer_crl_clear(&other);
		b ^= 0x10;
		assert_int_equal(pwrite(fd, &b, 1, at), 1);
	}
	assert_int_equal(ftruncate(fd, 10), 0);
	struct ch_signer_crl other;
	assert_int_equal(ch_signer_crl_open(&other, dir, &ca, 86400), CH_ERR_MALFORMED);
	ch_signer_crl_clear(&other);
	(void)close(fd);
}

static void many_are_one_list(void **state)
{
	enum { N = 3000 };
	CH_AUTO_FREE uint8_t *rows = ch_calloc(N, CH_IPC_REVOKED);
	(void)state;
	struct ch_wr w = ch_wr(rows, (size_t)N * CH_IPC_REVOKED);
	for (uint32_t i = 0; i < N; i++) {
		uint8_t serial[20] = { 0x7f, (uint8_t)(i * 7), (uint8_t)(i >> 8), (uint8_t)i };
		memset(serial + 4, 0xff, 16);
		ch_wr_put(&w, CH_SPAN_OF(serial));
		ch_wr_be64(&w, NOW);
		ch_wr_u8(&w, CH_CRL_KEY_COMPROMISE);
		ch_wr_be64(&w, NOW + 1000);
	}
	/* In pieces of any size, in any order, some of them again. */
	for (size_t at = 0, n = 1; at < N; at += n, n = n * 3 + 1) {
		n = n < N - at ? n : N - at;
		assert_int_equal(ch_signer_crl_add(&crl, ch_span(rows + at * CH_IPC_REVOKED, n * CH_IPC_REVOKED), NOW),
				 CH_OK);
	}
	assert_int_equal(ch_signer_crl_add(&crl, ch_wr_span(&w), NOW), CH_OK);
	assert_int_equal(entries(NOW), N);
	for (size_t i = 0; i < N; i++) {
		struct ch_serial one;
		assert_true(ch_serial_make(&one, ch_span(rows + i * CH_IPC_REVOKED, 20)));
		assert_non_null(ch_signer_crl_find(&crl, &one));
		if (i > 0)
			assert_true(memcmp(crl.entry[i - 1].serial.b, crl.entry[i].serial.b, 20) < 0);
	}
}

/* --- OCSP --- */

/* As the signer does it. */
static void answer(struct ch_responder *r, struct ch_msg_ocsp *out, uint8_t *room, const struct ch_msg_ocsp_sign *req,
		   int64_t clock)
{
	ch_responder_prepare(r, &ca, &ca_key, clock);
	ch_responder_sign(r, out, room, req, &crl, clock);
}

static struct ch_msg_ocsp ask(struct ch_responder *r, uint8_t *room, uint8_t serial, uint8_t flags,
			      struct ch_span nonce)
{
	uint8_t id[CH_IPC_OCSP_ID] = { 0, CH_HASH_SHA1, flags, [22] = serial };
	const struct ch_msg_ocsp_sign req = { .ids = CH_SPAN_OF(id), .nonce = nonce };
	struct ch_msg_ocsp out;
	answer(r, &out, room, &req, NOW);
	return out;
}

/* What OpenSSL makes of it: V_OCSP_CERTSTATUS_*, after it verified the answer under the CA. */
static int status_of(struct ch_span der, struct ch_span nonce)
{
	const uint8_t *p = der.p;
	OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &p, (long)der.n);
	assert_non_null(r);
	OCSP_BASICRESP *basic = OCSP_response_get1_basic(r);
	X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), NOW);
	assert_int_equal(X509_STORE_add_cert(store, ca_cert), 1);
	assert_int_equal(OCSP_basic_verify(basic, NULL, store, 0), 1);
	int at = OCSP_BASICRESP_get_ext_by_NID(basic, NID_id_pkix_OCSP_Nonce, -1);
	assert_true((at >= 0) == (nonce.n > 0));
	int status = OCSP_single_get0_status(OCSP_resp_get0(basic, 0), NULL, NULL, NULL, NULL);
	X509_STORE_free(store);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
	return status;
}

static void the_set_says_what_is_revoked_whatever_the_keeper_says(void **state)
{
	struct ch_responder r;
	uint8_t room[CH_OCSP_ANSWER_MAX];
	struct ch_sign_key key = key_of(ocsp_pkey);
	const struct ch_span nonce = CH_SPAN_LIT("0123456789abcdef");
	(void)state;
	assert_int_equal(ch_responder_init(&r, &key, &ca, 3600), CH_OK);
	assert_int_equal(ch_signer_crl_add(&crl, row(7, NOW - 5, CH_CRL_SUPERSEDED, NOW - 3), NOW), CH_OK);
	static const struct {
		uint8_t serial, flags;
		int status;
	} want[] = {
		{ 7, CH_IPC_OCSP_KNOWN, V_OCSP_CERTSTATUS_REVOKED },
		{ 7, 0, V_OCSP_CERTSTATUS_REVOKED },
		{ 8, CH_IPC_OCSP_KNOWN, V_OCSP_CERTSTATUS_GOOD },
		{ 8, 0, V_OCSP_CERTSTATUS_UNKNOWN },
		{ 8, 0xfd, V_OCSP_CERTSTATUS_UNKNOWN },
	};
	for (size_t i = 0; i < CH_COUNT_OF(want); i++) {
		struct ch_msg_ocsp out = ask(&r, room, want[i].serial, want[i].flags, CH_SPAN_EMPTY);
		assert_int_equal(out.status, CH_OCSP_SUCCESSFUL);
		assert_int_equal(status_of(out.answer, CH_SPAN_EMPTY), want[i].status);
		assert_true(out.this_update == NOW && out.next_update == NOW + 3600);
		out = ask(&r, room, want[i].serial, want[i].flags, nonce);
		assert_int_equal(status_of(out.answer, nonce), want[i].status);
	}
	assert_int_equal(ask(&r, room, 0, 0, CH_SPAN_EMPTY).status, CH_OCSP_INTERNAL);
	const struct ch_msg_ocsp_sign none = { .ids = CH_SPAN_EMPTY };
	struct ch_msg_ocsp out;
	answer(&r, &out, room, &none, NOW);
	assert_int_equal(out.status, CH_OCSP_INTERNAL);
	ch_responder_clear(&r);
}

static void the_responders_certificate_is_renewed_at_half_its_life(void **state)
{
	struct ch_responder r;
	uint8_t room[CH_OCSP_ANSWER_MAX], id[CH_IPC_OCSP_ID] = { 0, CH_HASH_SHA1, 0, [22] = 1 };
	struct ch_sign_key key = key_of(ocsp_pkey);
	const struct ch_msg_ocsp_sign req = { .ids = CH_SPAN_OF(id) };
	static const struct {
		int64_t clock;
		bool again;
	} at[] = { { NOW, true },
		   { NOW + 3 * 86400, false },
		   { NOW + 4 * 86400, true },
		   { NOW + 5 * 86400, false },
		   { NOW - 86400, true } /* the clock was set back: the one that is there has not begun */ };
	uint8_t before[1024];
	size_t n = 0;
	(void)state;
	assert_int_equal(ch_responder_init(&r, &key, &ca, 3600), CH_OK);
	for (size_t i = 0; i < CH_COUNT_OF(at); i++) {
		struct ch_msg_ocsp out;
		answer(&r, &out, room, &req, at[i].clock);
		assert_int_equal(out.status, CH_OCSP_SUCCESSFUL);
		assert_int_equal(!ch_span_eq(ch_span(before, n), ch_buf_span(&r.certificate)), at[i].again);
		n = ch_span_copy(before, sizeof(before), ch_buf_span(&r.certificate));
	}
	ch_responder_clear(&r);
	/* A key of another kind, and none. */
	assert_int_equal(ch_sign_key_make(&key, CH_KEY_ED25519), CH_OK);
	assert_int_equal(ch_responder_init(&r, &key, &ca, 3600), CH_ERR_KEY);
	ch_sign_key_clear(&key);
	r = (struct ch_responder){ 0 };
	assert_int_equal(ask(&r, room, 1, 0, CH_SPAN_EMPTY).status, CH_OCSP_INTERNAL);
}

/* The CA's key in a token that does not answer yet. */
static void ask_nobody(void *ctx, uint64_t id, const uint8_t digest[static 32])
{
	(void)digest;
	*(uint64_t *)ctx = id;
}

static void a_responder_goes_on_with_its_certificate_until_the_next_is_signed(void **state)
{
	struct ch_responder r;
	uint8_t room[CH_OCSP_ANSWER_MAX], id[CH_IPC_OCSP_ID] = { 0, CH_HASH_SHA1, 0, [22] = 1 };
	struct ch_sign_key key = key_of(ocsp_pkey);
	const struct ch_msg_ocsp_sign req = { .ids = CH_SPAN_OF(id) };
	struct ch_msg_ocsp out;
	uint64_t asked = 0;
	struct ch_ca_key token = { .ask = ask_nobody, .ctx = &asked };
	(void)state;
	assert_int_equal(ch_responder_init(&r, &key, &ca, 3600), CH_OK);
	ch_responder_prepare(&r, &ca, &token, NOW);
	assert_int_equal(asked, 1);
	ch_responder_sign(&r, &out, room, &req, &crl, NOW);
	assert_int_equal(out.status, CH_OCSP_INTERNAL);
	/* Asked once, however often it is needed. */
	ch_responder_prepare(&r, &ca, &token, NOW);
	assert_int_equal(asked, 1);
	ch_ca_key_clear(&token);
	answer(&r, &out, room, &req, NOW);
	assert_int_equal(out.status, CH_OCSP_SUCCESSFUL);
	token = (struct ch_ca_key){ .ask = ask_nobody, .ctx = &asked };
	ch_responder_prepare(&r, &ca, &token, NOW + 4 * 86400);
	assert_int_equal(token.count, 1);
	ch_responder_sign(&r, &out, room, &req, &crl, NOW + 4 * 86400);
	assert_int_equal(out.status, CH_OCSP_SUCCESSFUL);
	ch_responder_sign(&r, &out, room, &req, &crl, NOW + 7 * 86400);
	assert_int_equal(out.status, CH_OCSP_INTERNAL);
	ch_ca_key_clear(&token);
	ch_responder_clear(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_revoked_is_in_every_later_list),
		TEST(numbers_and_times_only_grow),
		TEST(a_list_that_others_have_is_not_gone_behind),
		TEST(a_certificate_that_ended_leaves_the_list_and_stays_revoked),
		TEST(rows_that_are_none_are_refused_whole),
		TEST(a_damaged_file_is_not_begun_anew),
		TEST(many_are_one_list),
		TEST(the_set_says_what_is_revoked_whatever_the_keeper_says),
		TEST(the_responders_certificate_is_renewed_at_half_its_life),
		TEST(a_responder_goes_on_with_its_certificate_until_the_next_is_signed),
	};
	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
