/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/csr.h"

/* 1.2.840.113549.1.9.n: PKCS #9 attributes (RFC 2985) */
static const uint8_t oid_challenge[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07 };
static const uint8_t oid_extensions[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e };
static const uint8_t oid_san[] = { 0x55, 0x1d, 0x11 };
static const uint8_t oid_eku[] = { 0x55, 0x1d, 0x25 };

const char *ch_csr_name_str(uint8_t tag)
{
	static const char *const name[] = { "otherName",
					    "rfc822Name",
					    "dNSName",
					    "x400Address",
					    "directoryName",
					    "ediPartyName",
					    "uniformResourceIdentifier",
					    "iPAddress",
					    "registeredID" };
	uint8_t number = tag & 0x1f;
	return (tag & 0xc0) == 0x80 && number < CH_COUNT_OF(name) ? name[number] : "a name of an unknown kind";
}

/* --- what extensionRequest asks for: its extensions were checked by ch_x509_exts_read() --- */

static void read_names(struct ch_csr *c, struct ch_der_rd *d, struct ch_span value)
{
	struct ch_der_rd in = ch_der_rd(value, 0);
	struct ch_der_rd names = ch_der_enter(&in, CH_DER_SEQUENCE, NULL);
	while (ch_der_more(&names)) {
		struct ch_der v = ch_der_any(&names);
		ch_der_require(d, c->name_count < CH_CSR_NAMES_MAX, CH_ERR_LIMIT,
			       "more than CH_CSR_NAMES_MAX names in subjectAltName");
		if (!ch_der_ok(d))
			return;
		c->name[c->name_count++] = (struct ch_csr_name){ v.tag, v.body };
	}
}

static void read_purposes(struct ch_csr *c, struct ch_der_rd *d, struct ch_span value)
{
	struct ch_der_rd in = ch_der_rd(value, 0);
	struct ch_der_rd list = ch_der_enter(&in, CH_DER_SEQUENCE, NULL);
	while (ch_der_more(&list)) {
		struct ch_span oid = ch_der_oid(&list, NULL);
		ch_der_require(d, c->purpose_count < CH_CSR_PURPOSES_MAX, CH_ERR_LIMIT,
			       "more than CH_CSR_PURPOSES_MAX purposes in extKeyUsage");
		if (!ch_der_ok(d))
			return;
		c->purpose[c->purpose_count++] = oid;
	}
}

static void read_extensions(struct ch_csr *c, struct ch_der_rd *values)
{
	ch_x509_exts_read(&c->x, values);
	/* A Name in the place of GeneralNames, which some vendors of TPMs ship, is nothing that can be granted. */
	ch_der_require(values, (c->x.odd & CH_X509_ODD_SAN) == 0, CH_ERR_MALFORMED,
		       "subjectAltName holds a Name where GeneralNames must be (RFC 5280, 4.2.1.6)");
	for (size_t i = 0; i < c->x.ext_count && ch_der_ok(values); i++) {
		const struct ch_x509_ext *ext = &c->x.ext[i];
		if (ch_span_eq(ext->oid, CH_SPAN_OF(oid_san)))
			read_names(c, values, ext->value);
		else if (ch_span_eq(ext->oid, CH_SPAN_OF(oid_eku)))
			read_purposes(c, values, ext->value);
	}
}

static void read_challenge(struct ch_csr *c, struct ch_der_rd *values)
{
	struct ch_der v = ch_der_any(values);
	bool string = v.tag == CH_DER_UTF8_STRING || v.tag == CH_DER_PRINTABLE_STRING || v.tag == CH_DER_IA5_STRING ||
		      v.tag == CH_DER_T61_STRING || v.tag == CH_DER_BMP_STRING || v.tag == CH_DER_UNIVERSAL_STRING;
	ch_der_require(values, string && ch_der_string_valid(v.tag, v.body), CH_ERR_ENCODING,
		       "challengePassword is not a character string (RFC 2985, 5.4.1)");
	c->has_challenge = true;
	c->challenge = (struct ch_x509_text){ v.tag, v.body };
}

/* --- attributes --- */

static void read_values(struct ch_csr *c, struct ch_der_rd *attr, struct ch_span oid)
{
	static const char set[] = "Attribute.values is not a SET (RFC 2986, 4.1)";
	bool challenge = ch_span_eq(oid, CH_SPAN_OF(oid_challenge));
	if (!challenge && !ch_span_eq(oid, CH_SPAN_OF(oid_extensions))) {
		ch_der_require(attr, ch_der_skip(attr).tag == CH_DER_SET, CH_ERR_MALFORMED, set);
		return;
	}
	struct ch_der_rd values = ch_der_enter(attr, CH_DER_SET, set);
	if (challenge)
		read_challenge(c, &values);
	else
		read_extensions(c, &values);
	ch_der_leave(attr, &values, "more than one value of an attribute that has one (RFC 2985, 5.4)");
}

static void read_attribute(struct ch_csr *c, struct ch_der_rd *list)
{
	struct ch_der_rd attr = ch_der_enter(list, CH_DER_SEQUENCE, "Attribute is not a SEQUENCE (RFC 2986, 4.1)");
	struct ch_span oid = ch_der_oid(&attr, "Attribute.type (RFC 2986, 4.1)");
	for (size_t i = 0; i < c->attr_count; i++)
		ch_der_require(&attr, !ch_span_eq(c->attr[i], oid), CH_ERR_DUPLICATE,
			       "an attribute occurs twice (RFC 2986, 4.1)");
	if (ch_der_ok(&attr))
		read_values(c, &attr, oid);
	ch_der_leave(list, &attr, "bytes after Attribute.values (RFC 2986, 4.1)");
	ch_der_require(list, c->attr_count < CH_CSR_ATTRS_MAX, CH_ERR_LIMIT, "more than CH_CSR_ATTRS_MAX attributes");
	if (ch_der_ok(list))
		c->attr[c->attr_count++] = oid;
}

/* CertificationRequestInfo (RFC 2986, 4.1). Attributes are a SET OF that no client sorts reliably: its order is not looked at. */
static void read_info(struct ch_csr *c, struct ch_der_rd *info)
{
	uint32_t version = ch_der_small(info, 2, "version is not v1 (RFC 2986, 4.1)");
	ch_der_require(info, version == 0, CH_ERR_UNSUPPORTED, "version is not v1 (RFC 2986, 4.1)");
	c->x.subject = ch_x509_name_read(info, &c->x.odd);
	ch_x509_spki_read(&c->x, info);
	struct ch_der_rd list =
		ch_der_enter(info, CH_DER_CONTEXT_IN(0), "attributes are missing: they may be empty (RFC 2986, 4.1)");
	while (ch_der_more(&list))
		read_attribute(c, &list);
	ch_der_leave(info, &list, NULL);
}

enum ch_err ch_csr_parse(struct ch_csr *c, struct ch_span in, struct ch_diag *diag)
{
	ch_diag_clear(diag);
	*c = (struct ch_csr){ .has_challenge = false };
	if (in.n > CH_CSR_MAX)
		return ch_fail(diag, CH_ERR_LIMIT, CH_CSR_MAX, "a request longer than CH_CSR_MAX");
	struct ch_csr read = *c;
	struct ch_der_rd d = ch_der_rd(in, 0);
	struct ch_der_rd request =
		ch_der_enter(&d, CH_DER_SEQUENCE, "CertificationRequest is not a SEQUENCE (RFC 2986, 4.2)");
	struct ch_der body =
		ch_der_take(&request, CH_DER_SEQUENCE, "CertificationRequestInfo is not a SEQUENCE (RFC 2986, 4.1)");
	struct ch_der_rd info = ch_der_inside(&request, body);
	read_info(&read, &info);
	ch_der_leave(&request, &info, "bytes after the attributes (RFC 2986, 4.1)");
	(void)ch_x509_sig_alg_read(&read.x, &request);
	ch_x509_sig_value_read(&read.x, &request);
	ch_der_leave(&d, &request, "bytes after the signature (RFC 2986, 4.2)");
	enum ch_err err = ch_der_end(&d, diag, "bytes after the request");
	if (err != CH_OK)
		return err;
	read.x.raw = in;
	read.x.tbs = body.whole;
	*c = read;
	return CH_OK;
}

enum ch_err ch_csr_verify(const struct ch_csr *c, struct ch_diag *d)
{
	ch_diag_clear(d);
	if (c->x.pub.type == CH_KEY_NONE)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the key is of a kind that is not certified");
	if (c->x.sig.scheme == CH_SIG_NONE)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the signature is of a kind that is not verified");
	if (c->x.sig.hash == CH_HASH_SHA1)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the signature is over SHA-1, whose collisions can be made");
	enum ch_err err = ch_x509_verify(&c->x, &c->x.pub);
	if (err == CH_OK)
		return CH_OK;
	if (err == CH_ERR_KEY && c->x.pub.type == CH_KEY_RSA && ch_pub_bits(&c->x.pub) < 2048)
		return ch_fail(d, err, 0, "the key is weak: RSA has at least 2048 bits");
	return ch_fail(d, err, 0,
		       err == CH_ERR_KEY ? "the key is not valid, or does not go with its signature"
					 : "the signature does not prove possession of the key (RFC 2986, 4.2)");
}
