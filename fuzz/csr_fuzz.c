/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differential against OpenSSL: a request that we read, OpenSSL reads as well, with the same subject, key, attributes and
 * extensions. A refusal names its rule and leaves nothing.
 */
#include "core/platform/csr.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

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

static void check_extensions(X509_REQ *req, const struct ch_csr *c)
{
	STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(req);
	CHECK((size_t)(exts != NULL ? sk_X509_EXTENSION_num(exts) : 0) == c->x.ext_count);
	for (size_t i = 0; i < c->x.ext_count; i++) {
		X509_EXTENSION *e = sk_X509_EXTENSION_value(exts, (int)i);
		const ASN1_OBJECT *o = X509_EXTENSION_get_object(e);
		const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(e);
		CHECK(ch_span_eq(ch_span(OBJ_get0_data(o), OBJ_length(o)), c->x.ext[i].oid));
		CHECK((X509_EXTENSION_get_critical(e) != 0) == c->x.ext[i].critical);
		CHECK(ch_span_eq(ch_span(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v)), c->x.ext[i].value));
	}
	int critical;
	BASIC_CONSTRAINTS *b = X509V3_get_d2i(exts, NID_basic_constraints, &critical, NULL);
	CHECK((b != NULL) == c->x.has_basic && (b == NULL || (b->ca != 0) == c->x.ca));
	BASIC_CONSTRAINTS_free(b);
	GENERAL_NAMES *names = X509V3_get_d2i(exts, NID_subject_alt_name, &critical, NULL);
	if (names != NULL)
		CHECK((size_t)sk_GENERAL_NAME_num(names) == c->name_count);
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
}

static void check_openssl(const struct ch_csr *c)
{
	const uint8_t *p = c->x.raw.p;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)c->x.raw.n);
	CHECK(req != NULL && p == c->x.raw.p + c->x.raw.n);
	const unsigned char *name = NULL;
	size_t n = 0;
	CHECK(X509_NAME_get0_der(X509_REQ_get_subject_name(req), &name, &n) == 1);
	CHECK(ch_span_eq(ch_span(name, n), c->x.subject));
	uint8_t *out = NULL;
	int spki = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &out);
	CHECK(spki > 0 && ch_span_eq(ch_span(out, (size_t)spki), c->x.spki));
	OPENSSL_free(out);
	CHECK((size_t)X509_REQ_get_attr_count(req) == c->attr_count);
	CHECK((X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1) >= 0) == c->has_challenge);
	if (X509_REQ_get_attr_by_NID(req, NID_ext_req, -1) >= 0)
		check_extensions(req, c);
	else
		CHECK(c->x.ext_count == 0 && c->name_count == 0 && c->purpose_count == 0);
	X509_REQ_free(req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_csr c;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	if (ch_csr_parse(&c, in, &d) == CH_OK) {
		check_inside(in, c.x.tbs);
		check_inside(c.x.tbs, c.x.spki);
		check_inside(c.x.tbs, c.challenge.s);
		for (size_t i = 0; i < c.name_count; i++)
			check_inside(c.x.tbs, c.name[i].value);
		for (size_t i = 0; i < c.purpose_count; i++)
			check_inside(c.x.tbs, c.purpose[i]);
		check_inside(c.x.raw, c.x.sig.a);
		check_openssl(&c);
	} else {
		CHECK(d.rule != NULL && d.off <= size && c.x.raw.n == 0 && c.attr_count == 0);
	}
	free(copy);
	return 0;
}
