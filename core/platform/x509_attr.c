/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/x509.h"

/* Attribute certificates (RFC 5755, 4.1), the form of the TCG Platform Certificate Profile. */

/* IssuerSerial: the certificate of the holder, in the TCG profile the EK certificate. */
static void read_issuer_serial(struct ch_x509 *c, struct ch_der_rd *holder)
{
	struct ch_der_rd seq = ch_der_enter(holder, CH_DER_CONTEXT_IN(0), "Holder.baseCertificateID (RFC 5755, 4.2.2)");
	struct ch_der_rd names = ch_der_enter(&seq, CH_DER_SEQUENCE,
					      "Holder.baseCertificateID.issuer is not a SEQUENCE (RFC 5755, 4.2.2)");
	ch_x509_general_names_read(&names, &c->odd, &c->holder_issuer);
	ch_der_leave(&seq, &names, NULL);
	c->holder_serial = ch_der_integer(&seq, "Holder.baseCertificateID.serial (RFC 5755, 4.2.2)");
	if (ch_der_peek(&seq) == CH_DER_BIT_STRING)
		(void)ch_der_skip(&seq);
	ch_der_leave(holder, &seq, "bytes after Holder.baseCertificateID (RFC 5755, 4.2.2)");
}

static void read_holder(struct ch_x509 *c, struct ch_der_rd *info)
{
	struct ch_der_rd holder = ch_der_enter(info, CH_DER_SEQUENCE, "Holder is not a SEQUENCE (RFC 5755, 4.2.2)");
	ch_der_require(&holder, ch_der_more(&holder), CH_ERR_MISSING, "Holder names nobody (RFC 5755, 4.2.2)");
	if (ch_der_peek(&holder) == CH_DER_CONTEXT_IN(0))
		read_issuer_serial(c, &holder);
	if (ch_der_peek(&holder) == CH_DER_CONTEXT_IN(1)) {
		struct ch_der_rd names = ch_der_enter(&holder, CH_DER_CONTEXT_IN(1), NULL);
		ch_x509_general_names_read(&names, &c->odd, &c->subject);
		ch_der_leave(&holder, &names, NULL);
	}
	if (ch_der_peek(&holder) == CH_DER_CONTEXT_IN(2))
		(void)ch_der_skip(&holder);
	ch_der_leave(info, &holder, "an unknown field of Holder (RFC 5755, 4.2.2)");
}

/* AttCertIssuer: v2Form with issuerName (RFC 5755, 4.2.3); v1Form is not for certificates of version 2. */
static void read_issuer(struct ch_x509 *c, struct ch_der_rd *info)
{
	static const char rule[] = "AttCertIssuer is not a v2Form with a directoryName (RFC 5755, 4.2.3)";
	struct ch_der_rd form = ch_der_enter(info, CH_DER_CONTEXT_IN(0), rule);
	struct ch_der_rd names = ch_der_enter(&form, CH_DER_SEQUENCE, rule);
	ch_x509_general_names_read(&names, &c->odd, &c->issuer);
	ch_der_require(&names, c->issuer.n > 0, CH_ERR_MISSING, rule);
	ch_der_leave(&form, &names, NULL);
	ch_der_leave(info, &form, "AttCertIssuer.v2Form has more than issuerName (RFC 5755, 4.2.3)");
}

static void read_attributes(struct ch_x509 *c, struct ch_der_rd *info)
{
	struct ch_der_rd list = ch_der_enter(info, CH_DER_SEQUENCE, "attributes is not a SEQUENCE (RFC 5755, 4.2.7)");
	while (ch_der_more(&list)) {
		struct ch_der_rd attr =
			ch_der_enter(&list, CH_DER_SEQUENCE, "Attribute is not a SEQUENCE (RFC 5755, 4.2.7)");
		struct ch_span oid = ch_der_oid(&attr, "Attribute.type (RFC 5755, 4.2.7)");
		ch_der_require(&attr, ch_der_skip(&attr).tag == CH_DER_SET, CH_ERR_MALFORMED,
			       "Attribute.values is not a SET (RFC 5755, 4.2.7)");
		ch_der_leave(&list, &attr, "bytes after Attribute.values (RFC 5755, 4.2.7)");
		ch_der_require(&list, c->attr_count < CH_CERT_ATTRS_MAX, CH_ERR_LIMIT,
			       "more than CH_CERT_ATTRS_MAX attributes");
		if (ch_der_ok(&list))
			c->attr[c->attr_count++] = oid;
	}
	ch_der_leave(info, &list, NULL);
}

void ch_x509_attribute_read(struct ch_x509 *c, struct ch_der_rd *info, struct ch_span *sig_alg)
{
	read_holder(c, info);
	read_issuer(c, info);
	*sig_alg = ch_x509_sig_alg_read(c, info);
	ch_x509_serial_read(c, info);
	struct ch_der_rd period =
		ch_der_enter(info, CH_DER_SEQUENCE, "attrCertValidityPeriod is not a SEQUENCE (RFC 5755, 4.2.6)");
	c->not_before = ch_der_time(&period, "attrCertValidityPeriod.notBeforeTime (RFC 5755, 4.2.6)");
	c->not_after = ch_der_time(&period, "attrCertValidityPeriod.notAfterTime (RFC 5755, 4.2.6)");
	ch_der_leave(info, &period, "bytes after attrCertValidityPeriod (RFC 5755, 4.2.6)");
	read_attributes(c, info);
	if (ch_der_peek(info) == CH_DER_BIT_STRING)
		(void)ch_der_skip(info); /* issuerUniqueID */
	if (ch_der_more(info))
		ch_x509_exts_read(c, info);
}
