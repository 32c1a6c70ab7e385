/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differential against OpenSSL: a list that we read, OpenSSL reads as well, with the same issuer, times, number, entries and extensions. A
 * refusal names its rule and leaves nothing.
 */
#include "core/platform/crl.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct ch_span all, struct ch_span part)
{
	CHECK(part.n == 0 || (part.p >= all.p && part.n <= all.n && (size_t)(part.p - all.p) <= all.n - part.n));
}

static int64_t seconds_of(const ASN1_TIME *t)
{
	struct tm tm = { 0 };
	CHECK(ASN1_TIME_to_tm(t, &tm) == 1);
	return (int64_t)timegm(&tm);
}

static void check_number(const ASN1_INTEGER *theirs, struct ch_span ours)
{
	uint8_t a[21] = { 0 };
	struct ch_serial b;
	BIGNUM *n = ASN1_INTEGER_to_BN(theirs, NULL);
	CHECK(n != NULL && !BN_is_negative(n) && BN_bn2binpad(n, a, 20) == 20);
	CHECK(ch_serial_make(&b, ours) != (BN_is_zero(n) == 1));
	CHECK(ch_span_eq(ch_span(a, 20), CH_SPAN_OF(b.b)));
	BN_free(n);
}

static void check_extensions(const X509_CRL *crl, const struct ch_crl *c)
{
	CHECK((size_t)X509_CRL_get_ext_count(crl) == c->x.ext_count && c->x.ext_count <= CH_CERT_EXTS_MAX);
	for (size_t i = 0; i < c->x.ext_count; i++) {
		X509_EXTENSION *e = X509_CRL_get_ext(crl, (int)i);
		const ASN1_OBJECT *o = X509_EXTENSION_get_object(e);
		const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(e);
		CHECK(ch_span_eq(ch_span(OBJ_get0_data(o), OBJ_length(o)), c->x.ext[i].oid));
		CHECK((X509_EXTENSION_get_critical(e) != 0) == c->x.ext[i].critical);
		CHECK(ch_span_eq(ch_span(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v)), c->x.ext[i].value));
	}
	int critical;
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, &critical, NULL);
	CHECK((number != NULL) == (c->number.n > 0));
	if (number != NULL)
		check_number(number, c->number);
	ASN1_INTEGER_free(number);
	AUTHORITY_KEYID *aki = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, &critical, NULL);
	if (aki != NULL && aki->keyid != NULL)
		CHECK(ch_span_eq(ch_span(ASN1_STRING_get0_data(aki->keyid), (size_t)ASN1_STRING_length(aki->keyid)),
				 c->x.authority_key_id));
	AUTHORITY_KEYID_free(aki);
	CHECK(X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0);
	CHECK(X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) < 0);
}

static void check_entry(const X509_REVOKED *r, const struct ch_crl_entry *e)
{
	int critical;
	check_number(X509_REVOKED_get0_serialNumber(r), e->serial);
	CHECK(seconds_of(X509_REVOKED_get0_revocationDate(r)) == e->time);
	ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(r, NID_crl_reason, &critical, NULL);
	CHECK((reason != NULL) == e->has_reason);
	CHECK(reason == NULL || ASN1_ENUMERATED_get(reason) == e->reason);
	CHECK(ch_crl_reason_str(e->reason) != NULL && e->reason != CH_CRL_REMOVE);
	ASN1_ENUMERATED_free(reason);
	ASN1_GENERALIZEDTIME *since = X509_REVOKED_get_ext_d2i(r, NID_invalidity_date, &critical, NULL);
	CHECK((since != NULL) == e->has_invalidity);
	CHECK(since == NULL || seconds_of(since) == e->invalidity);
	ASN1_GENERALIZEDTIME_free(since);
}

static void check_openssl(const struct ch_crl *c)
{
	const uint8_t *p = c->x.raw.p;
	const unsigned char *name = NULL;
	size_t n = 0, count = 0;
	struct ch_crl_entry e;
	struct ch_crl_rd rd = ch_crl_entries(c);
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)c->x.raw.n);
	CHECK(crl != NULL && p == c->x.raw.p + c->x.raw.n);
	CHECK(X509_CRL_get_version(crl) + 1 == c->version);
	CHECK(X509_NAME_get0_der(X509_CRL_get_issuer(crl), &name, &n) == 1);
	CHECK(ch_span_eq(ch_span(name, n), c->x.issuer));
	CHECK(seconds_of(X509_CRL_get0_lastUpdate(crl)) == c->this_update);
	CHECK((X509_CRL_get0_nextUpdate(crl) != NULL) == c->has_next);
	CHECK(!c->has_next || seconds_of(X509_CRL_get0_nextUpdate(crl)) == c->next_update);
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
	CHECK((size_t)(list != NULL ? sk_X509_REVOKED_num(list) : 0) == c->count);
	for (; ch_crl_next(&rd, &e); count++)
		check_entry(sk_X509_REVOKED_value(list, (int)count), &e);
	CHECK(count == c->count);
	check_extensions(crl, c);
	X509_CRL_free(crl);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_crl c;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	if (ch_crl_parse(&c, in, &d) == CH_OK) {
		check_inside(in, c.x.tbs);
		check_inside(c.x.tbs, c.x.issuer);
		check_inside(c.x.tbs, c.entries);
		check_inside(c.x.tbs, c.number);
		check_inside(c.x.tbs, c.x.authority_key_id);
		check_inside(c.x.raw, c.x.sig.a);
		check_openssl(&c);
	} else {
		CHECK(d.rule != NULL && d.off <= size && c.x.raw.n == 0 && c.count == 0 && c.x.ext_count == 0);
	}
	free(copy);
	return 0;
}
