/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/crl.h"

#include "core/platform/x509_write.h"
#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* Lists are made by OpenSSL; one by our own writer. */

#define T0 1700000000

static EVP_PKEY *key, *other_key;
static X509 *ca_cert;
static uint8_t ca_der[4096], der[16384];
static struct ch_x509 ca;

static X509 *make_ca(EVP_PKEY *k, const char *usage)
{
	X509 *x = X509_new();
	X509V3_CTX ctx;
	assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
						    (const unsigned char *)"Lists CA", -1, -1, 0),
			 1);
	assert_int_equal(X509_set_issuer_name(x, X509_get_subject_name(x)), 1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x), T0));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x), T0 + 86400));
	assert_int_equal(X509_set_pubkey(x, k), 1);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	const struct {
		int nid;
		const char *value;
	} ext[] = { { NID_basic_constraints, "critical,CA:TRUE" },
		    { NID_key_usage, usage },
		    { NID_subject_key_identifier, "hash" } };
	for (size_t i = 0; i < CH_COUNT_OF(ext); i++) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, ext[i].nid, ext[i].value);
		assert_int_equal(X509_add_ext(x, e, -1), 1);
		X509_EXTENSION_free(e);
	}
	assert_true(X509_sign(x, k, EVP_sha256()) > 0);
	return x;
}

static struct ch_span der_of(X509 *x, uint8_t room[static 4096])
{
	unsigned char *out = room;
	assert_in_range(i2d_X509(x, NULL), 1, 4096);
	return ch_span(room, (size_t)i2d_X509(x, &out));
}

static int setup(void **state)
{
	(void)state;
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	key = EVP_EC_gen("P-256");
	other_key = EVP_EC_gen("P-256");
	ca_cert = make_ca(key, "critical,keyCertSign,cRLSign");
	return ch_x509_parse(&ca, der_of(ca_cert, ca_der), NULL) == CH_OK ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	X509_free(ca_cert);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
	return 0;
}

/* --- making lists --- */

struct wanted {
	long version; /* of X509_CRL_set_version */
	bool no_next, no_aki;
	int number;
	size_t entries;
	int reason;         /* of each; -1 for none */
	int64_t invalidity; /* of each; 0 for none */
	const char *serial; /* of the first: decimal */
	const char *ext;    /* one more of the list, as a raw extension: "1.2.3,critical,DER:0500" */
	const char *entry_ext;
	const EVP_MD *md;
	EVP_PKEY *key;
};

static struct wanted usual(void)
{
	return (struct wanted){ .version = X509_CRL_VERSION_2,
				.number = 0x1234,
				.entries = 2,
				.reason = CH_CRL_KEY_COMPROMISE,
				.md = EVP_sha256(),
				.key = key };
}

/* "OID,critical,DER:hex" or "OID,DER:hex" */
static X509_EXTENSION *raw_ext(const char *text)
{
	char oid[64] = "";
	const char *comma = strchr(text, ',');
	assert_non_null(comma);
	(void)ch_span_copy((uint8_t *)oid, sizeof(oid) - 1, ch_span((const uint8_t *)text, (size_t)(comma - text)));
	bool critical = strncmp(comma + 1, "critical,", 9) == 0;
	long n = 0;
	unsigned char *value = OPENSSL_hexstr2buf(strstr(text, "DER:") + 4, &n);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
	assert_int_equal(ASN1_OCTET_STRING_set(octets, value, (int)n), 1);
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, obj, critical, octets);
	assert_non_null(e);
	OPENSSL_free(value);
	ASN1_OBJECT_free(obj);
	ASN1_OCTET_STRING_free(octets);
	return e;
}

static void add_entry(X509_CRL *crl, const struct wanted *w, size_t i)
{
	X509_REVOKED *r = X509_REVOKED_new();
	BIGNUM *number = NULL;
	ASN1_TIME *at = ASN1_TIME_set(NULL, T0 - 100 + (time_t)i);
	if (i == 0 && w->serial != NULL)
		assert_true(BN_dec2bn(&number, w->serial) > 0);
	else
		assert_true((number = BN_new()) != NULL && BN_set_word(number, 0x80 + i) == 1);
	ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
	assert_int_equal(X509_REVOKED_set_serialNumber(r, serial), 1);
	assert_int_equal(X509_REVOKED_set_revocationDate(r, at), 1);
	if (w->reason >= 0) {
		ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
		assert_int_equal(ASN1_ENUMERATED_set(reason, w->reason), 1);
		assert_int_equal(X509_REVOKED_add1_ext_i2d(r, NID_crl_reason, reason, 0, 0), 1);
		ASN1_ENUMERATED_free(reason);
	}
	if (w->invalidity != 0) {
		ASN1_GENERALIZEDTIME *t = ASN1_GENERALIZEDTIME_set(NULL, (time_t)w->invalidity);
		assert_int_equal(X509_REVOKED_add1_ext_i2d(r, NID_invalidity_date, t, 0, 0), 1);
		ASN1_GENERALIZEDTIME_free(t);
	}
	if (w->entry_ext != NULL) {
		X509_EXTENSION *e = raw_ext(w->entry_ext);
		assert_int_equal(X509_REVOKED_add_ext(r, e, -1), 1);
		X509_EXTENSION_free(e);
	}
	assert_int_equal(X509_CRL_add0_revoked(crl, r), 1);
	BN_free(number);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(at);
}

static void add_extensions(X509_CRL *crl, const struct wanted *w)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, ca_cert, NULL, NULL, crl, 0);
	if (!w->no_aki) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
		assert_int_equal(X509_CRL_add_ext(crl, e, -1), 1);
		X509_EXTENSION_free(e);
	}
	if (w->number >= 0) {
		ASN1_INTEGER *n = ASN1_INTEGER_new();
		assert_int_equal(ASN1_INTEGER_set(n, w->number), 1);
		assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0), 1);
		ASN1_INTEGER_free(n);
	}
	if (w->ext != NULL) {
		X509_EXTENSION *e = raw_ext(w->ext);
		assert_int_equal(X509_CRL_add_ext(crl, e, -1), 1);
		X509_EXTENSION_free(e);
	}
}

static struct ch_span make(const struct wanted *w)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *this = ASN1_TIME_set(NULL, T0);
	ASN1_TIME *next = ASN1_TIME_set(NULL, T0 + 3600);
	if (w->version >= 0)
		assert_int_equal(X509_CRL_set_version(crl, w->version), 1);
	assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca_cert)), 1);
	assert_int_equal(X509_CRL_set1_lastUpdate(crl, this), 1);
	if (!w->no_next)
		assert_int_equal(X509_CRL_set1_nextUpdate(crl, next), 1);
	for (size_t i = 0; i < w->entries; i++)
		add_entry(crl, w, i);
	add_extensions(crl, w);
	assert_true(X509_CRL_sign(crl, w->key, w->md) > 0);
	unsigned char *out = der;
	int n = i2d_X509_CRL(crl, NULL);
	assert_in_range(n, 1, sizeof(der) - 1);
	assert_int_equal(i2d_X509_CRL(crl, &out), n);
	ASN1_TIME_free(this);
	ASN1_TIME_free(next);
	X509_CRL_free(crl);
	return ch_span(der, (size_t)n);
}

/* --- what is read --- */

static void a_list_says_what_was_put_into_it(void **state)
{
	(void)state;
	struct ch_crl c;
	struct ch_crl_entry e;
	struct wanted w = usual();
	w.invalidity = T0 - 5000;
	assert_int_equal(ch_crl_parse(&c, make(&w), NULL), CH_OK);
	assert_int_equal(c.version, 2);
	assert_true(ch_x509_name_eq(c.x.issuer, ca.subject));
	assert_true(c.has_next);
	assert_int_equal(c.this_update, T0);
	assert_int_equal(c.next_update, T0 + 3600);
	assert_span_equal(c.number, "\x12\x34", 2);
	assert_true(ch_span_eq(c.x.authority_key_id, ca.subject_key_id));
	assert_int_equal(c.count, 2);
	assert_int_equal(c.x.ext_count, 2);
	struct ch_crl_rd r = ch_crl_entries(&c);
	for (uint8_t i = 0; i < 2; i++) {
		const uint8_t serial[] = { 0, (uint8_t)(0x80 + i) };
		assert_true(ch_crl_next(&r, &e));
		assert_span_equal(e.serial, serial, 2);
		assert_int_equal(e.time, T0 - 100 + i);
		assert_true(e.has_reason && e.reason == CH_CRL_KEY_COMPROMISE);
		assert_true(e.has_invalidity && e.invalidity == T0 - 5000);
	}
	assert_false(ch_crl_next(&r, &e));
	assert_int_equal(e.serial.n, 0);
	assert_int_equal(ch_crl_verify(&c, &ca, NULL), CH_OK);
}

static void version_one_without_a_reason_or_anything_else(void **state)
{
	(void)state;
	struct ch_crl c;
	struct ch_crl_entry e;
	struct wanted w = { .version = -1, .no_aki = true, .number = -1, .entries = 1, .reason = -1, .key = key };
	w.no_next = true;
	w.md = EVP_sha384();
	assert_int_equal(ch_crl_parse(&c, make(&w), NULL), CH_OK);
	assert_int_equal(c.version, 1);
	assert_false(c.has_next);
	assert_int_equal(c.x.authority_key_id.n + c.number.n + c.x.ext_count, 0);
	struct ch_crl_rd r = ch_crl_entries(&c);
	assert_true(ch_crl_next(&r, &e));
	assert_false(e.has_reason || e.has_invalidity);
	assert_int_equal(e.reason, CH_CRL_UNSPECIFIED);
	assert_int_equal(ch_crl_verify(&c, &ca, NULL), CH_OK);
}

static void an_empty_list(void **state)
{
	(void)state;
	struct ch_crl c;
	struct ch_crl_entry e;
	struct wanted w = usual();
	w.entries = 0;
	assert_int_equal(ch_crl_parse(&c, make(&w), NULL), CH_OK);
	assert_int_equal(c.count, 0);
	struct ch_crl_rd r = ch_crl_entries(&c);
	assert_false(ch_crl_next(&r, &e));
}

static void what_we_write_we_read(void **state)
{
	(void)state;
	static uint8_t tbs[4096], all[4096];
	static const uint8_t kid[20] = { 1 }, sig[64] = { [31] = 5, [63] = 7 };
	struct ch_revoked entry[] = { { .time = T0 - 1, .reason = CH_CRL_SUPERSEDED, .expires = T0 + 9 },
				      { .time = 2600000000, .reason = CH_CRL_UNSPECIFIED, .expires = T0 + 9 } };
	struct ch_crl c;
	struct ch_crl_entry e;
	struct ch_wr t = ch_wr(tbs, sizeof(tbs)), a = ch_wr(all, sizeof(all));
	assert_true(ch_serial_make(&entry[0].serial, CH_SPAN_LIT("\x05")));
	assert_true(ch_serial_make(&entry[1].serial, CH_SPAN_LIT("\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe"
								 "\xfe\xfe\xfe\xfe\xfe\xfe\xfe")));
	const struct ch_crl_new new = { .issuer = ca.subject,
					.issuer_kid = CH_SPAN_OF(kid),
					.number = 1,
					.this_update = T0,
					.next_update = T0 + 1,
					.entry = entry,
					.count = 2 };
	assert_int_equal(ch_crl_tbs_put(&t, &new), CH_OK);
	assert_int_equal(ch_cert_put(&a, ch_wr_span(&t), sig), CH_OK);
	assert_int_equal(ch_crl_parse(&c, ch_wr_span(&a), NULL), CH_OK);
	struct ch_crl_rd r = ch_crl_entries(&c);
	for (size_t i = 0; i < 2; i++) {
		struct ch_serial serial;
		assert_true(ch_crl_next(&r, &e));
		assert_true(ch_serial_make(&serial, e.serial));
		assert_memory_equal(serial.b, entry[i].serial.b, sizeof(serial.b));
		assert_int_equal(e.time, entry[i].time);
		assert_int_equal(e.reason, entry[i].reason);
	}
}

/* --- what is refused --- */

static enum ch_err refused(const struct wanted *w, const char *word)
{
	struct ch_crl c;
	struct ch_diag d;
	enum ch_err err = ch_crl_parse(&c, make(w), &d);
	assert_non_null(d.rule);
	if (strstr(d.rule, word) == NULL)
		fail_msg("%s: not about %s", d.rule, word);
	assert_int_equal(c.x.raw.n + c.count, 0);
	return err;
}

static void what_is_not_complete_and_direct_is_refused(void **state)
{
	(void)state;
	const struct {
		const char *list, *entry, *word;
	} row[] = {
		{ "2.5.29.27,critical,DER:020101", NULL, "delta" },
		{ "2.5.29.27,DER:020101", NULL, "delta" },
		{ "2.5.29.28,critical,DER:30038101ff", NULL, "part" },
		{ NULL, "2.5.29.29,critical,DER:3000", "indirect" },
		{ "1.2.3.4,critical,DER:0500", NULL, "critical" },
		{ NULL, "1.2.3.4,critical,DER:0500", "critical" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct wanted w = usual();
		w.ext = row[i].list;
		w.entry_ext = row[i].entry;
		assert_int_equal(refused(&w, row[i].word), CH_ERR_UNSUPPORTED);
	}
}

static void an_unknown_extension_that_is_not_critical_is_kept(void **state)
{
	(void)state;
	struct ch_crl c;
	struct wanted w = usual();
	w.ext = w.entry_ext = "1.2.3.4,DER:0500";
	assert_int_equal(ch_crl_parse(&c, make(&w), NULL), CH_OK);
	assert_int_equal(c.x.ext_count, 3);
	assert_span_equal(c.x.ext[2].oid, "\x2a\x03\x04", 3);
	assert_false(c.x.ext[2].known);
}

static void broken_fields_are_named(void **state)
{
	(void)state;
	struct wanted w = usual();
	w.ext = "2.5.29.20,DER:020101";
	assert_int_equal(refused(&w, "twice"), CH_ERR_DUPLICATE);
	w = usual();
	w.entry_ext = "2.5.29.21,DER:0a0101";
	assert_int_equal(refused(&w, "twice"), CH_ERR_DUPLICATE);
	w = usual();
	w.number = -1;
	w.ext = "2.5.29.20,DER:0201ff";
	assert_int_equal(refused(&w, "negative"), CH_ERR_RANGE);
	w.ext = "2.5.29.20,DER:02157f0000000000000000000000000000000000000000";
	assert_int_equal(refused(&w, "20 octets"), CH_ERR_RANGE);
	w.ext = "2.5.29.20,DER:02010100";
	assert_int_equal(refused(&w, "after"), CH_ERR_TRAILING);
	const int none[] = { 7, 11, 200 };
	for (size_t i = 0; i < CH_COUNT_OF(none); i++) {
		w = usual();
		w.reason = none[i];
		assert_int_equal(refused(&w, "5.3.1"), CH_ERR_RANGE);
	}
	w = usual();
	w.reason = CH_CRL_REMOVE;
	assert_int_equal(refused(&w, "delta"), CH_ERR_UNSUPPORTED);
	w = usual();
	w.entry_ext = "2.5.29.24,DER:170d3233303130313030303030305a";
	assert_int_equal(refused(&w, "GeneralizedTime"), CH_ERR_MALFORMED);
}

static void serial_numbers_are_positive_and_short(void **state)
{
	(void)state;
	const char *bad[] = { "0", "-1", "1461501637330902918203684832716283019655932542976" };
	struct ch_crl c;
	struct wanted w = usual();
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		w.serial = bad[i];
		assert_int_equal(refused(&w, "userCertificate"), CH_ERR_RANGE);
	}
	w.serial = "1461501637330902918203684832716283019655932542975"; /* 2^160 - 1 */
	assert_int_equal(ch_crl_parse(&c, make(&w), NULL), CH_OK);
}

static void version_one_has_no_extensions_and_there_is_no_third(void **state)
{
	(void)state;
	struct wanted w = usual();
	w.version = -1;
	assert_int_equal(refused(&w, "version 1"), CH_ERR_MALFORMED);
	w.entries = 0;
	assert_int_equal(refused(&w, "version 1"), CH_ERR_MALFORMED);
	w.version = 2;
	assert_int_equal(refused(&w, "not v2"), CH_ERR_UNSUPPORTED);
}

static void the_entry_that_is_wrong_is_named(void **state)
{
	(void)state;
	struct ch_crl c;
	struct ch_diag d;
	struct wanted w = usual();
	w.entries = 5;
	w.reason = -1;
	struct ch_span in = make(&w);
	for (size_t at = 0; at + 3 < in.n; at++) {
		if (der[at] == 0x02 && der[at + 1] == 2 && der[at + 3] == 0x83)
			der[at + 2] = 0x80; /* negative */
	}
	assert_int_equal(ch_crl_parse(&c, in, &d), CH_ERR_RANGE);
	assert_int_equal(d.item, 3);
}

static void every_cut_and_every_byte_more_is_refused(void **state)
{
	(void)state;
	struct ch_crl c;
	struct ch_diag d;
	struct wanted w = usual();
	struct ch_span in = make(&w);
	for (size_t n = 0; n < in.n; n++) {
		assert_int_not_equal(ch_crl_parse(&c, ch_span(in.p, n), &d), CH_OK);
		assert_non_null(d.rule);
		assert_int_equal(c.x.raw.n + c.count, 0);
	}
	der[in.n] = 0;
	assert_int_equal(ch_crl_parse(&c, ch_span(der, in.n + 1), &d), CH_ERR_TRAILING);
}

/* Whatever bit is flipped: it cannot be read any more, or is not the CA's. */
static void no_bit_is_free(void **state)
{
	(void)state;
	struct wanted w = usual();
	struct ch_span in = make(&w);
	for (size_t bit = 0; bit < 8 * in.n; bit++) {
		struct ch_crl c;
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		bool holds = ch_crl_parse(&c, in, NULL) == CH_OK && ch_crl_verify(&c, &ca, NULL) == CH_OK;
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(holds);
	}
}

static void too_long_a_list(void **state)
{
	(void)state;
	static uint8_t long_list[CH_CRL_MAX + 1];
	struct ch_crl c;
	struct ch_diag d;
	assert_int_equal(ch_crl_parse(&c, CH_SPAN_OF(long_list), &d), CH_ERR_LIMIT);
	assert_non_null(d.rule);
}

static void only_the_ca_signs_its_lists(void **state)
{
	(void)state;
	static uint8_t room[4096];
	struct ch_crl c;
	struct ch_diag d;
	struct ch_x509 another;
	struct wanted w = usual();
	X509 *x = make_ca(other_key, "critical,keyCertSign,cRLSign");
	assert_int_equal(ch_x509_parse(&another, der_of(x, room), NULL), CH_OK);
	assert_int_equal(ch_crl_parse(&c, make(&w), NULL), CH_OK);
	assert_int_equal(ch_crl_verify(&c, &another, &d), CH_ERR_UNTRUSTED); /* another key identifier */
	w.no_aki = true;
	assert_int_equal(ch_crl_parse(&c, make(&w), NULL), CH_OK);
	assert_int_equal(ch_crl_verify(&c, &another, &d), CH_ERR_SIGNATURE);
	another.subject = another.spki; /* any other bytes: another name */
	assert_int_equal(ch_crl_verify(&c, &another, &d), CH_ERR_UNTRUSTED);
	X509_free(x);
	x = make_ca(key, "critical,keyCertSign");
	assert_int_equal(ch_x509_parse(&another, der_of(x, room), NULL), CH_OK);
	assert_int_equal(ch_crl_verify(&c, &another, &d), CH_ERR_UNTRUSTED);
	assert_non_null(strstr(d.rule, "may not sign lists"));
	X509_free(x);
	w = usual();
	w.md = EVP_sha1();
	assert_int_equal(ch_crl_parse(&c, make(&w), NULL), CH_OK);
	assert_int_equal(ch_crl_verify(&c, &ca, &d), CH_ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_says_what_was_put_into_it),
		cmocka_unit_test(version_one_without_a_reason_or_anything_else),
		cmocka_unit_test(an_empty_list),
		cmocka_unit_test(what_we_write_we_read),
		cmocka_unit_test(what_is_not_complete_and_direct_is_refused),
		cmocka_unit_test(an_unknown_extension_that_is_not_critical_is_kept),
		cmocka_unit_test(broken_fields_are_named),
		cmocka_unit_test(serial_numbers_are_positive_and_short),
		cmocka_unit_test(version_one_has_no_extensions_and_there_is_no_third),
		cmocka_unit_test(the_entry_that_is_wrong_is_named),
		cmocka_unit_test(every_cut_and_every_byte_more_is_refused),
		cmocka_unit_test(no_bit_is_free),
		cmocka_unit_test(too_long_a_list),
		cmocka_unit_test(only_the_ca_signs_its_lists),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
