/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differential against OpenSSL: a certificate that we read without an oddity of encoding, OpenSSL reads as well, with the same
 * fields. What ch_ek_cert_parse() accepts, with whatever is around it, is judged without harm.
 */
#include "core/platform/ek_cert.h"
#include "core/platform/spki.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t seconds_of(const ASN1_TIME *t)
{
	struct tm tm = { 0 };
	CHECK(ASN1_TIME_to_tm(t, &tm) == 1);
	return (int64_t)timegm(&tm);
}

static void check_name(const X509_NAME *theirs, struct ch_span ours)
{
	const unsigned char *p = NULL;
	size_t n = 0;
	CHECK(X509_NAME_get0_der(theirs, &p, &n) == 1);
	CHECK(ch_span_eq(ch_span(p, n), ours));
}

static void check_extensions(const X509 *x, const struct ch_x509 *c)
{
	CHECK((size_t)X509_get_ext_count(x) == c->ext_count);
	for (size_t i = 0; i < c->ext_count; i++) {
		X509_EXTENSION *e = X509_get_ext(x, (int)i);
		const ASN1_OBJECT *o = X509_EXTENSION_get_object(e);
		const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(e);
		CHECK(ch_span_eq(ch_span(OBJ_get0_data(o), OBJ_length(o)), c->ext[i].oid));
		CHECK((X509_EXTENSION_get_critical(e) != 0) == c->ext[i].critical);
		CHECK(ch_span_eq(ch_span(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v)), c->ext[i].value));
	}
}

static void check_constraints(X509 *x, const struct ch_x509 *c)
{
	int critical;
	BASIC_CONSTRAINTS *b = X509_get_ext_d2i(x, NID_basic_constraints, &critical, NULL);
	CHECK((b != NULL) == c->has_basic);
	if (b != NULL) {
		CHECK((b->ca != 0) == c->ca && (b->pathlen != NULL) == c->has_path_len);
		CHECK(b->pathlen == NULL || ASN1_INTEGER_get(b->pathlen) == (long)c->path_len);
	}
	BASIC_CONSTRAINTS_free(b);
	ASN1_BIT_STRING *u = X509_get_ext_d2i(x, NID_key_usage, &critical, NULL);
	CHECK((u != NULL) == c->has_key_usage);
	for (int i = 0; u != NULL && i < CH_KU_BITS; i++)
		CHECK((ASN1_BIT_STRING_get_bit(u, i) != 0) == ((c->key_usage >> i & 1) != 0));
	ASN1_BIT_STRING_free(u);
}

/*
 * The key is the same in any case. Parameters of an algorithm that we do not know OpenSSL may write in another form than it read: a
 * CHARACTER STRING (X.690, 8.18), which is constructed, as a primitive.
 */
static void check_key(const X509 *x, const struct ch_x509 *c)
{
	const X509_PUBKEY *theirs = X509_get_X509_PUBKEY(x);
	const unsigned char *key = NULL;
	struct ch_pub pub;
	uint8_t *out = NULL;
	int n = 0;
	CHECK(X509_PUBKEY_get0_param(NULL, &key, &n, NULL, theirs) == 1 && n >= 0 && (size_t)n < c->spki.n);
	CHECK(ch_span_eq(ch_span(key, (size_t)n), ch_span_sub(c->spki, c->spki.n - (size_t)n, (size_t)n)));
	if (ch_spki_parse(&pub, c->spki, NULL) != CH_OK)
		return;
	n = i2d_X509_PUBKEY(theirs, &out);
	CHECK(n > 0 && ch_span_eq(ch_span(out, (size_t)n), c->spki));
	OPENSSL_free(out);
}

static void check_openssl(const struct ch_x509 *c)
{
	const uint8_t *p = c->raw.p;
	X509 *x = d2i_X509(NULL, &p, (long)c->raw.n);
	CHECK(x != NULL && p == c->raw.p + c->raw.n);
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	uint8_t *out = NULL;
	int n = i2d_ASN1_INTEGER(serial, &out);
	CHECK(n >= 3 && ch_span_eq(ch_span(out + n - (int)c->serial.n, c->serial.n), c->serial));
	OPENSSL_free(out);
	CHECK(X509_get_version(x) + 1 == c->version);
	CHECK(seconds_of(X509_get0_notBefore(x)) == c->not_before);
	CHECK(seconds_of(X509_get0_notAfter(x)) == c->not_after);
	check_name(X509_get_issuer_name(x), c->issuer);
	check_name(X509_get_subject_name(x), c->subject);
	check_key(x, c);
	check_extensions(x, c);
	check_constraints(x, c);
	X509_free(x);
}

/* Every text that is made of a certificate is UTF-8 and has room. */
static void check_text(const struct ch_x509 *c)
{
	static uint8_t text[CH_CERT_MAX * 4];
	const struct ch_span name[] = { c->issuer, c->subject, c->holder_issuer };
	for (size_t i = 0; i < CH_COUNT_OF(name); i++) {
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_x509_name_put(&w, name[i]);
		CHECK(!w.bad);
		CHECK(ch_x509_name_eq(name[i], name[i]));
	}
	const struct ch_x509_text value[] = { c->tpm.manufacturer, c->tpm.model, c->platform.serial };
	for (size_t i = 0; i < CH_COUNT_OF(value); i++) {
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_ek_manufacturer_put(&w, value[i]);
		CHECK(!w.bad);
	}
}

static void check_inside(struct ch_span all, struct ch_span part)
{
	CHECK(part.n == 0 || (part.p >= all.p && part.n <= all.n && (size_t)(part.p - all.p) <= all.n - part.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_ek_cert cert;
	static struct ch_ek_notes bad, odd;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	enum ch_err err = ch_ek_cert_parse(&cert, in, &d);
	if (err == CH_OK) {
		const struct ch_x509 *c = &cert.x;
		check_inside(in, c->raw);
		check_inside(c->raw, c->tbs);
		check_inside(c->tbs, c->issuer);
		check_inside(c->tbs, c->pub.a);
		check_inside(c->tbs, c->pub.b);
		check_inside(c->raw, c->sig.a);
		check_inside(c->raw, c->sig.b);
		CHECK((cert.defects & cert.forbidden) == 0);
		bad.count = odd.count = 0;
		ch_ek_cert_check(&cert, &bad, &odd);
		const struct ch_ek_pool pool = { &cert, 1, 0 };
		struct ch_ek_chain chain;
		CHECK(ch_ek_chain_check(&chain, &cert, &pool, c->not_before, &bad) == CH_ERR_UNTRUSTED);
		check_text(c);
		if (c->form == CH_X509_CERTIFICATE && (c->odd & CH_X509_ODD_INTEGER) == 0)
			check_openssl(c);
	} else {
		CHECK(d.rule != NULL && d.off <= size && cert.x.raw.n == 0);
	}
	free(copy);
	return 0;
}
