/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same bytes as a request and as the path of a GET. Differential against OpenSSL: a request that we read, OpenSSL reads as well, with
 * the same certificates and the same nonce.
 */
#include "core/platform/ocsp.h"

#include <openssl/ocsp.h>
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

static void check_id(OCSP_CERTID *theirs, const struct ch_ocsp_cert_id *ours)
{
	uint8_t *der = NULL;
	ASN1_OCTET_STRING *name = NULL, *key = NULL;
	ASN1_INTEGER *serial = NULL;
	uint8_t number[20] = { 0 };
	int n = i2d_OCSP_CERTID(theirs, &der);
	CHECK(n > 0 && ch_span_eq(ch_span(der, (size_t)n), ours->whole));
	OPENSSL_free(der);
	CHECK(OCSP_id_get0_info(&name, NULL, &key, &serial, theirs) == 1);
	CHECK(ch_span_eq(ch_span(ASN1_STRING_get0_data(name), (size_t)ASN1_STRING_length(name)), ours->name_sum));
	CHECK(ch_span_eq(ch_span(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key)), ours->key_sum));
	BIGNUM *b = ASN1_INTEGER_to_BN(serial, NULL);
	CHECK(b != NULL && !BN_is_negative(b) && !BN_is_zero(b) && BN_bn2binpad(b, number, 20) == 20);
	CHECK(ch_span_eq(CH_SPAN_OF(number), CH_SPAN_OF(ours->serial.b)));
	BN_free(b);
}

static void check_openssl(struct ch_span in, const struct ch_ocsp_request *r)
{
	const uint8_t *p = in.p;
	OCSP_REQUEST *q = d2i_OCSP_REQUEST(NULL, &p, (long)in.n);
	CHECK(q != NULL && p == in.p + in.n);
	CHECK((size_t)OCSP_request_onereq_count(q) == r->count);
	for (size_t i = 0; i < r->count; i++)
		check_id(OCSP_onereq_get0_id(OCSP_request_onereq_get0(q, (int)i)), &r->id[i]);
	int at = OCSP_REQUEST_get_ext_by_NID(q, NID_id_pkix_OCSP_Nonce, -1);
	CHECK((at >= 0) == (r->nonce.n > 0));
	if (at >= 0) {
		const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(q, at));
		size_t n = (size_t)ASN1_STRING_length(v);
		CHECK(n > r->nonce.n &&
		      ch_span_eq(ch_span(ASN1_STRING_get0_data(v) + n - r->nonce.n, r->nonce.n), r->nonce));
	}
	OCSP_REQUEST_free(q);
}

static void check_request(struct ch_span in)
{
	struct ch_ocsp_request r;
	struct ch_diag d;
	if (ch_ocsp_request_parse(&r, in, &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= in.n && r.count == 0);
		return;
	}
	CHECK(r.count >= 1 && r.count <= CH_OCSP_IDS_MAX && r.nonce.n <= CH_OCSP_NONCE_MAX);
	for (size_t i = 0; i < r.count; i++) {
		check_inside(in, r.id[i].whole);
		check_inside(r.id[i].whole, r.id[i].name_sum);
		check_inside(r.id[i].whole, r.id[i].key_sum);
	}
	check_inside(in, r.nonce);
	/* What nobody looks at is skipped as DER, which is not yet what OpenSSL wants of a name or a signature. */
	if (!r.has_signature && !r.has_name)
		check_openssl(in, &r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t request[CH_OCSP_REQUEST_MAX];
	size_t n = 0;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	check_request(in);
	if (ch_ocsp_get_decode(request, &n, in, &d) == CH_OK)
		check_request(ch_span(request, n));
	else
		CHECK(d.rule != NULL && n == 0);
	free(copy);
	return 0;
}
