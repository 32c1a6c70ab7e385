/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/x509.h"

#define SERIAL_MAX 20 /* RFC 5280, 4.1.2.2 */

void ch_x509_serial_read(struct ch_x509 *c, struct ch_der_rd *d)
{
	struct ch_span s =
		ch_der_take(d, CH_DER_INTEGER, "the serial number is not an INTEGER (RFC 5280, 4.1.2.2)").body;
	ch_der_require(d, s.n > 0, CH_ERR_ENCODING, "an INTEGER without contents (X.690, 8.3.1)");
	if (s.n == 0)
		return;
	struct ch_span rest = ch_span(s.p + 1, s.n - 1);
	bool sign_only = s.p[0] == 0 || s.p[0] == 0xff;
	if (sign_only && rest.n > 0 && (s.p[0] == 0) != (rest.p[0] >= 0x80))
		c->odd |= CH_X509_ODD_INTEGER;
	if (s.p[0] >= 0x80 || ch_span_all(s, 0))
		c->odd |= CH_X509_ODD_SERIAL;
	if (s.n > SERIAL_MAX + (s.p[0] == 0 ? 1u : 0u))
		c->odd |= CH_X509_ODD_LONG;
	c->serial = s;
}

static void read_version(struct ch_x509 *c, struct ch_der_rd *tbs)
{
	c->version = 1;
	if (ch_der_peek(tbs) != CH_DER_CONTEXT_IN(0))
		return;
	struct ch_der_rd in = ch_der_enter(tbs, CH_DER_CONTEXT_IN(0), NULL);
	c->version = (uint8_t)(1 + ch_der_small(&in, 2, "version is not v1, v2 or v3 (RFC 5280, 4.1.2.1)"));
	ch_der_leave(tbs, &in, "bytes after version (RFC 5280, 4.1.2.1)");
	if (c->version == 1)
		c->odd |= CH_X509_ODD_DEFAULT;
}

/* TBSCertificate (RFC 5280, 4.1.2); *sig_alg receives `signature`. */
static void read_certificate(struct ch_x509 *c, struct ch_der_rd *tbs, struct ch_span *sig_alg)
{
	read_version(c, tbs);
	ch_x509_serial_read(c, tbs);
	*sig_alg = ch_x509_sig_alg_read(c, tbs);
	c->issuer = ch_x509_name_read(tbs, &c->odd);
	struct ch_der_rd validity =
		ch_der_enter(tbs, CH_DER_SEQUENCE, "Validity is not a SEQUENCE (RFC 5280, 4.1.2.5)");
	c->not_before = ch_der_time(&validity, "Validity.notBefore is not a time (RFC 5280, 4.1.2.5)");
	c->not_after = ch_der_time(&validity, "Validity.notAfter is not a time (RFC 5280, 4.1.2.5)");
	ch_der_leave(tbs, &validity, "bytes after Validity.notAfter (RFC 5280, 4.1.2.5)");
	c->subject = ch_x509_name_read(tbs, &c->odd);
	ch_x509_spki_read(c, tbs);
	for (uint8_t n = 1; n <= 2; n++) {
		if (ch_der_peek(tbs) != CH_DER_CONTEXT(n))
			continue;
		uint8_t unused;
		(void)ch_der_bits_as(tbs, CH_DER_CONTEXT(n), &unused, NULL);
		ch_der_require(tbs, c->version >= 2, CH_ERR_MALFORMED,
			       "a unique identifier in version 1 (RFC 5280, 4.1.2.8)");
	}
	if (ch_der_peek(tbs) == CH_DER_CONTEXT_IN(3)) {
		struct ch_der_rd in = ch_der_enter(tbs, CH_DER_CONTEXT_IN(3), NULL);
		ch_der_require(tbs, c->version == 3, CH_ERR_MALFORMED,
			       "extensions in version 1 or 2 (RFC 5280, 4.1.2.9)");
		ch_x509_exts_read(c, &in);
		ch_der_leave(tbs, &in, "bytes after Extensions (RFC 5280, 4.1.2.9)");
	}
}

/* Both forms begin with an INTEGER where a certificate is of version 1: what the SEQUENCE after it begins with decides. */
static bool is_attribute(struct ch_der_rd tbs)
{
	if (ch_der_peek(&tbs) != CH_DER_INTEGER)
		return false;
	(void)ch_der_any(&tbs);
	struct ch_der_rd next = ch_der_enter(&tbs, CH_DER_SEQUENCE, NULL);
	return (ch_der_peek(&next) & 0xe0) == CH_DER_CONTEXT_IN(0);
}

enum ch_err ch_x509_parse(struct ch_x509 *c, struct ch_span in, struct ch_diag *diag)
{
	ch_diag_clear(diag);
	*c = (struct ch_x509){ .form = CH_X509_CERTIFICATE };
	if (in.n > CH_CERT_MAX)
		return ch_fail(diag, CH_ERR_LIMIT, CH_CERT_MAX, "a certificate longer than CH_CERT_MAX");
	struct ch_x509 read = *c;
	struct ch_der_rd d = ch_der_rd(in, 0);
	struct ch_der_rd cert = ch_der_enter(&d, CH_DER_SEQUENCE, "Certificate is not a SEQUENCE (RFC 5280, 4.1)");
	struct ch_der body = ch_der_take(&cert, CH_DER_SEQUENCE, "TBSCertificate is not a SEQUENCE (RFC 5280, 4.1.2)");
	struct ch_der_rd tbs = ch_der_inside(&cert, body);
	struct ch_span inner = CH_SPAN_EMPTY;
	if (is_attribute(tbs)) {
		read.form = CH_X509_ATTRIBUTE;
		read.version = 2;
		uint32_t v =
			ch_der_small(&tbs, 1, "the version of an attribute certificate is not v2 (RFC 5755, 4.2.1)");
		ch_der_require(&tbs, v == 1, CH_ERR_UNSUPPORTED,
			       "the version of an attribute certificate is not v2 (RFC 5755, 4.2.1)");
		ch_x509_attribute_read(&read, &tbs, &inner);
	} else {
		read_certificate(&read, &tbs, &inner);
	}
	ch_der_leave(&cert, &tbs, "an unknown field in what is signed (RFC 5280, 4.1.2)");
	struct ch_span outer = ch_x509_sig_alg_read(&read, &cert);
	ch_der_require(&cert, ch_span_eq(inner, outer), CH_ERR_MISMATCH,
		       "signatureAlgorithm is not the one that is signed (RFC 5280, 4.1.1.2)");
	ch_x509_sig_value_read(&read, &cert);
	ch_der_leave(&d, &cert, "bytes after signatureValue (RFC 5280, 4.1)");
	enum ch_err err = ch_der_end(&d, diag, "bytes after the certificate");
	if (err != CH_OK)
		return err;
	read.raw = in;
	read.tbs = body.whole;
	*c = read;
	return CH_OK;
}
