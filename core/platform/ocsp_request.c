/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ocsp.h"

#include "core/base/text.h"
#include "core/wire/base64.h"

#define OID_NONCE "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"
/* acceptable-responses (4.4.3) asks for a type of answer: the basic one is the only one there is. */
#define OID_RESPONSE "\x2b\x06\x01\x05\x05\x07\x30\x01\x04"

#define NOT_EXTENSIONS "Extensions is not a SEQUENCE (RFC 5280, 4.1.2.9)"

static enum ch_hash_alg hash_of(struct ch_span oid)
{
	static const struct {
		const char *oid;
		size_t n;
		enum ch_hash_alg alg;
	} known[] = {
		{ "\x2b\x0e\x03\x02\x1a", 5, CH_HASH_SHA1 },
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x01", 9, CH_HASH_SHA256 },
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x02", 9, CH_HASH_SHA384 },
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x03", 9, CH_HASH_SHA512 },
	};
	for (size_t i = 0; i < CH_COUNT_OF(known); i++) {
		if (ch_span_eq(oid, ch_span(known[i].oid, known[i].n)))
			return known[i].alg;
	}
	return CH_HASH_NONE;
}

static void read_algorithm(struct ch_ocsp_cert_id *id, struct ch_der_rd *d)
{
	struct ch_der_rd alg =
		ch_der_enter(d, CH_DER_SEQUENCE, "CertID.hashAlgorithm is not a SEQUENCE (RFC 6960, 4.1.1)");
	id->hash = hash_of(ch_der_oid(&alg, "CertID.hashAlgorithm names no algorithm (RFC 6960, 4.1.1)"));
	if (ch_der_peek(&alg) == CH_DER_NULL) {
		ch_der_null(&alg, NULL);
		id->null_params = true;
	} else if (ch_der_more(&alg)) {
		/* The hashes have none (RFC 5754, 2); of an algorithm that nobody computes they say nothing. */
		(void)ch_der_skip(&alg);
		ch_der_require(&alg, id->hash == CH_HASH_NONE, CH_ERR_MALFORMED,
			       "parameters of a hash that has none (RFC 5754, 2)");
	}
	ch_der_leave(d, &alg, "bytes after the parameters of hashAlgorithm (RFC 5280, 4.1.1.2)");
}

static void read_cert_id(struct ch_ocsp_cert_id *id, struct ch_der_rd *d)
{
	struct ch_der whole = ch_der_take(d, CH_DER_SEQUENCE, "CertID is not a SEQUENCE (RFC 6960, 4.1.1)");
	struct ch_der_rd in = ch_der_inside(d, whole);
	*id = (struct ch_ocsp_cert_id){ .whole = whole.whole };
	read_algorithm(id, &in);
	id->name_sum = ch_der_octets(&in, "issuerNameHash is not an OCTET STRING (RFC 6960, 4.1.1)");
	id->key_sum = ch_der_octets(&in, "issuerKeyHash is not an OCTET STRING (RFC 6960, 4.1.1)");
	size_t size = ch_hash_size(id->hash);
	ch_der_require(&in, size == 0 || (id->name_sum.n == size && id->key_sum.n == size), CH_ERR_RANGE,
		       "a hash is not as long as its algorithm makes it (RFC 6960, 4.1.1)");
	struct ch_span number = ch_der_unsigned(&in, "serialNumber is not a positive INTEGER (RFC 5280, 4.1.2.2)");
	bool one = ch_serial_make(&id->serial, number);
	ch_der_require(&in, one, CH_ERR_RANGE, "serialNumber has 1 to 20 octets and is not 0 (RFC 5280, 4.1.2.2)");
	ch_der_leave(d, &in, "bytes after serialNumber (RFC 6960, 4.1.1)");
}

static void read_nonce(struct ch_ocsp_request *r, struct ch_der_rd *list, struct ch_der value)
{
	struct ch_der_rd in = ch_der_inside(list, value);
	struct ch_span nonce = ch_der_octets(&in, "Nonce is not an OCTET STRING (RFC 9654, 2.1)");
	ch_der_require(&in, nonce.n >= 1 && nonce.n <= CH_OCSP_NONCE_MAX, CH_ERR_RANGE,
		       "Nonce has 1 to 128 octets (RFC 9654, 2.1)");
	ch_der_require(&in, r->nonce.n == 0, CH_ERR_DUPLICATE, "an extension twice (RFC 5280, 4.2)");
	ch_der_leave(list, &in, "bytes after Nonce (RFC 9654, 2.1)");
	r->nonce = nonce;
}

/* Extension (RFC 5280, 4.1.2.9). Only those of the whole request can be ones that we know: `r` is NULL for others. */
static void read_extension(struct ch_ocsp_request *r, struct ch_der_rd *list)
{
	bool critical = false;
	struct ch_der_rd ext = ch_der_enter(list, CH_DER_SEQUENCE, "Extension is not a SEQUENCE (RFC 5280, 4.1.2.9)");
	struct ch_span oid = ch_der_oid(&ext, "Extension.extnID is not an OBJECT IDENTIFIER (RFC 5280, 4.1.2.9)");
	if (ch_der_peek(&ext) == CH_DER_BOOLEAN) {
		critical = ch_der_boolean(&ext, NULL);
		ch_der_require(&ext, critical, CH_ERR_ENCODING, "a DEFAULT value that is encoded (X.690, 11.5)");
	}
	struct ch_der value = ch_der_take(&ext, CH_DER_OCTET_STRING,
					  "Extension.extnValue is not an OCTET STRING (RFC 5280, 4.1.2.9)");
	bool nonce = r != NULL && ch_span_eq(oid, CH_SPAN_LIT(OID_NONCE));
	bool response = r != NULL && ch_span_eq(oid, CH_SPAN_LIT(OID_RESPONSE));
	if (nonce && ch_der_ok(&ext))
		read_nonce(r, &ext, value);
	ch_der_require(&ext, nonce || response || !critical, CH_ERR_UNSUPPORTED,
		       "a critical extension that is not known (RFC 6960, 4.4)");
	ch_der_leave(list, &ext, "bytes after Extension.extnValue (RFC 5280, 4.1.2.9)");
}

/* [n] EXPLICIT Extensions */
static void read_extensions(struct ch_ocsp_request *r, struct ch_der_rd *d, uint8_t tag)
{
	struct ch_der_rd in = ch_der_enter(d, tag, NULL);
	struct ch_der_rd list = ch_der_enter(&in, CH_DER_SEQUENCE, NOT_EXTENSIONS);
	ch_der_require(&list, ch_der_more(&list), CH_ERR_MISSING, "Extensions without one (RFC 5280, 4.1.2.9)");
	for (size_t i = 0; ch_der_more(&list); i++) {
		ch_der_require(&list, i < CH_OCSP_EXTS_MAX, CH_ERR_LIMIT, "more than CH_OCSP_EXTS_MAX extensions");
		read_extension(r, &list);
	}
	ch_der_leave(&in, &list, NULL);
	ch_der_leave(d, &in, "bytes after Extensions (RFC 6960, 4.1.1)");
}

static void read_request(struct ch_ocsp_request *r, struct ch_der_rd *list)
{
	struct ch_ocsp_cert_id id;
	struct ch_der_rd in = ch_der_enter(list, CH_DER_SEQUENCE, "Request is not a SEQUENCE (RFC 6960, 4.1.1)");
	read_cert_id(&id, &in);
	if (ch_der_peek(&in) == CH_DER_CONTEXT_IN(0)) {
		read_extensions(NULL, &in, CH_DER_CONTEXT_IN(0));
		r->single_extension = true;
	}
	ch_der_leave(list, &in, "an unknown field in Request (RFC 6960, 4.1.1)");
	ch_der_require(list, r->count < CH_OCSP_IDS_MAX, CH_ERR_LIMIT, "more than CH_OCSP_IDS_MAX certificates");
	if (ch_der_ok(list))
		r->id[r->count++] = id;
}

/* TBSRequest (4.1.1). The version is not written when it is v1, and there is no other. */
static void read_tbs(struct ch_ocsp_request *r, struct ch_der_rd *d)
{
	struct ch_der_rd tbs = ch_der_enter(d, CH_DER_SEQUENCE, "TBSRequest is not a SEQUENCE (RFC 6960, 4.1.1)");
	if (ch_der_peek(&tbs) == CH_DER_CONTEXT_IN(1)) {
		(void)ch_der_skip(&tbs);
		r->has_name = true;
	}
	struct ch_der_rd list = ch_der_enter(&tbs, CH_DER_SEQUENCE, "requestList is not a SEQUENCE (RFC 6960, 4.1.1)");
	ch_der_require(&list, ch_der_more(&list), CH_ERR_MISSING, "a request about no certificate (RFC 6960, 4.1.1)");
	while (ch_der_more(&list))
		read_request(r, &list);
	ch_der_leave(&tbs, &list, NULL);
	if (ch_der_peek(&tbs) == CH_DER_CONTEXT_IN(2))
		read_extensions(r, &tbs, CH_DER_CONTEXT_IN(2));
	ch_der_leave(d, &tbs, "an unknown field in TBSRequest (RFC 6960, 4.1.1)");
}

enum ch_err ch_ocsp_request_parse(struct ch_ocsp_request *r, struct ch_span in, struct ch_diag *diag)
{
	ch_diag_clear(diag);
	*r = (struct ch_ocsp_request){ 0 };
	if (in.n > CH_OCSP_REQUEST_MAX)
		return ch_fail(diag, CH_ERR_LIMIT, CH_OCSP_REQUEST_MAX, "a request longer than CH_OCSP_REQUEST_MAX");
	struct ch_ocsp_request read = *r;
	struct ch_der_rd d = ch_der_rd(in, 0);
	struct ch_der_rd request = ch_der_enter(&d, CH_DER_SEQUENCE, "OCSPRequest is not a SEQUENCE (RFC 6960, 4.1.1)");
	read_tbs(&read, &request);
	if (ch_der_peek(&request) == CH_DER_CONTEXT_IN(0)) {
		(void)ch_der_skip(&request);
		read.has_signature = true;
	}
	ch_der_leave(&d, &request, "an unknown field in OCSPRequest (RFC 6960, 4.1.1)");
	enum ch_err err = ch_der_end(&d, diag, "bytes after the request");
	if (err == CH_OK)
		*r = read;
	return err;
}

/* --- GET --- */

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next character of a percent-encoded text (RFC 3986, 2.1); -1 if an encoding is broken. */
static int next_char(struct ch_rd *r)
{
	uint8_t c = ch_rd_u8(r);
	if (c != '%')
		return c;
	int high = hex_digit(ch_rd_u8(r));
	int low = hex_digit(ch_rd_u8(r));
	return r->bad || high < 0 || low < 0 ? -1 : high << 4 | low;
}

enum ch_err ch_ocsp_get_decode(uint8_t to[static CH_OCSP_REQUEST_MAX], size_t *n, struct ch_span path,
			       struct ch_diag *d)
{
	uint8_t text[(CH_OCSP_REQUEST_MAX + 2) / 3 * 4];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_rd r = ch_rd(path);
	*n = 0;
	ch_diag_clear(d);
	while (ch_rd_left(&r) > 0) {
		size_t at = r.off;
		int c = next_char(&r);
		if (c < 0)
			return ch_fail(d, CH_ERR_ENCODING, at, "a percent sign without two digits (RFC 3986, 2.1)");
		if (c == '/' && w.len == 0)
			continue; /* between the address that was configured and the request */
		ch_wr_u8(&w, (uint8_t)c);
	}
	if (w.bad)
		return ch_fail(d, CH_ERR_LIMIT, CH_OCSP_REQUEST_MAX, "a request longer than CH_OCSP_REQUEST_MAX");
	return ch_base64_decode(CH_BASE64_STD, ch_wr_span(&w), to, CH_OCSP_REQUEST_MAX, n, d);
}
