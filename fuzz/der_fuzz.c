/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differential against OpenSSL: what ch_der_check() accepts, OpenSSL's ASN.1 walks as well, and every INTEGER, OBJECT
 * IDENTIFIER, BIT STRING and time in it has the same value there. The reverse need not hold: OpenSSL reads BER.
 */
#include "core/wire/der.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/objects.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_integer(struct ch_der v)
{
	const uint8_t *p = v.whole.p;
	ASN1_INTEGER *i = d2i_ASN1_INTEGER(NULL, &p, (long)v.whole.n);
	CHECK(i != NULL && p == v.whole.p + v.whole.n);
	uint8_t *out = NULL;
	int n = i2d_ASN1_INTEGER(i, &out);
	CHECK(n > 0 && ch_span_eq(ch_span(out, (size_t)n), v.whole));
	OPENSSL_free(out);
	ASN1_INTEGER_free(i);
	struct ch_der_rd d = ch_der_rd(v.whole, 0);
	CHECK(ch_der_integer(&d, "").n == v.body.n);
	d = ch_der_rd(v.whole, 0);
	CHECK((ch_der_unsigned(&d, "").n > 0) == (v.body.p[0] < 0x80));
	d = ch_der_rd(v.whole, 0);
	(void)ch_der_small(&d, 1000, "");
}

static void check_oid(struct ch_der v)
{
	const uint8_t *p = v.whole.p;
	ASN1_OBJECT *o = d2i_ASN1_OBJECT(NULL, &p, (long)v.whole.n);
	CHECK(o != NULL);
	size_t cap = 32 * v.body.n + 64;
	char *theirs = malloc(cap), *ours = calloc(cap, 1);
	CHECK(theirs != NULL && ours != NULL);
	int n = OBJ_obj2txt(theirs, (int)cap, o, 1);
	struct ch_wr w = ch_wr(ours, cap - 1);
	ch_oid_put(&w, v.body);
	CHECK(!w.bad);
	/* OpenSSL has no bound on a component; we write those past 64 bits as "?" */
	CHECK(strchr(ours, '?') != NULL || n <= 0 || strcmp(theirs, ours) == 0);
	free(theirs);
	free(ours);
	ASN1_OBJECT_free(o);
}

static void check_bits(struct ch_der v)
{
	const uint8_t *p = v.whole.p;
	ASN1_BIT_STRING *b = d2i_ASN1_BIT_STRING(NULL, &p, (long)v.whole.n);
	CHECK(b != NULL);
	struct ch_der_rd d = ch_der_rd(v.whole, 0);
	uint8_t unused = 0;
	struct ch_span s = ch_der_bits(&d, &unused, "");
	CHECK((size_t)ASN1_STRING_length(b) == s.n && (s.n == 0 || memcmp(ASN1_STRING_get0_data(b), s.p, s.n) == 0));
	ASN1_BIT_STRING_free(b);
}

static void check_time(struct ch_der v)
{
	const uint8_t *p = v.whole.p;
	struct tm tm = { 0 };
	ASN1_TIME *t = d2i_ASN1_TIME(NULL, &p, (long)v.whole.n);
	CHECK(t != NULL && ASN1_TIME_to_tm(t, &tm) == 1);
	struct ch_der_rd d = ch_der_rd(v.whole, 0);
	int64_t ours = ch_der_time(&d, "");
	CHECK(ours == (int64_t)timegm(&tm));
	ASN1_TIME_free(t);
	uint8_t text[32];
	int64_t back;
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_time_put(&w, ours);
	CHECK(ch_time_parse(&back, ch_wr_span(&w)) == CH_OK && back == ours);
}

static void check_string(struct ch_der v)
{
	uint8_t *utf8 = NULL;
	const uint8_t *p = v.whole.p;
	ASN1_STRING *s = d2i_ASN1_PRINTABLE(NULL, &p, (long)v.whole.n);
	if (s == NULL)
		return; /* a type that is no directory string */
	int n = ASN1_STRING_to_UTF8(&utf8, s);
	size_t cap = 4 * v.body.n + 1;
	uint8_t *ours = malloc(cap);
	CHECK(ours != NULL);
	struct ch_wr w = ch_wr(ours, cap);
	if (ch_der_string_valid(v.tag, v.body)) {
		ch_der_string_put(&w, v.tag, v.body);
		CHECK(n >= 0 && ch_span_eq(ch_wr_span(&w), ch_span(utf8, (size_t)n)));
	}
	free(ours);
	OPENSSL_free(utf8);
	ASN1_STRING_free(s);
}

static void check_value(struct ch_der v)
{
	switch (v.tag) {
	case CH_DER_INTEGER:
		check_integer(v);
		break;
	case CH_DER_OID:
		check_oid(v);
		break;
	case CH_DER_BIT_STRING:
		check_bits(v);
		break;
	case CH_DER_UTC_TIME:
	case CH_DER_GENERAL_TIME:
		check_time(v);
		break;
	case CH_DER_UTF8_STRING:
	case CH_DER_PRINTABLE_STRING:
	case CH_DER_T61_STRING:
	case CH_DER_IA5_STRING:
	case CH_DER_BMP_STRING:
	case CH_DER_UNIVERSAL_STRING:
		check_string(v);
		break;
	default:
		break;
	}
}

/* Reads all that was accepted again, by the reader that parsers use; what was read together is what there was. */
static void check_inside(struct ch_der_rd *d)
{
	while (ch_der_more(d)) {
		struct ch_der v = ch_der_any(d);
		CHECK(ch_der_ok(d) && v.whole.n >= v.body.n + 2);
		check_value(v);
		if ((v.tag & CH_DER_IS_CONSTRUCTED) != 0) {
			struct ch_der_rd in = ch_der_inside(d, v);
			check_inside(&in);
			ch_der_leave(d, &in, "");
		}
	}
	CHECK(ch_rd_done(&d->r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_diag diag;
	/* An exact copy, so that a sanitizer sees the first byte too many. */
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	(void)ch_span_copy(copy, size, ch_span(data, size));
	enum ch_err err = ch_der_check(ch_span(copy, size), &diag);
	if (err == CH_OK) {
		BIO *null = BIO_new(BIO_s_null());
		CHECK(ASN1_parse_dump(null, copy, (long)size, 0, 0) == 1);
		BIO_free(null);
		struct ch_der_rd d = ch_der_rd(ch_span(copy, size), 0);
		check_inside(&d);
	} else {
		CHECK(diag.rule != NULL && diag.off <= size);
	}
	free(copy);
	return 0;
}
