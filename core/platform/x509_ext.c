/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/x509.h"

/* Extensions (RFC 5280, 4.2) and the device attributes of the TCG profiles in subjectAltName. */

#define TCG_ATTR(n)                         \
	{                                   \
		0x67, 0x81, 0x05, 0x02, (n) \
	} /* 2.23.133.2.n: tcg-attribute */
#define TCG_PLATFORM(n)                           \
	{                                         \
		0x67, 0x81, 0x05, 0x05, 0x01, (n) \
	} /* 2.23.133.5.1.n: tcg-common attributes */
#define DEVICE_OID_MAX 6

static const struct {
	uint8_t n;
	uint8_t oid[DEVICE_OID_MAX];
	bool platform;
	size_t field;
} device_attr[] = {
	/* EK Credential Profile, 3.1.2: tcg-at-tpmManufacturer, -tpmModel, -tpmVersion */
	{ 5, TCG_ATTR(1), false, offsetof(struct ch_x509_device, manufacturer) },
	{ 5, TCG_ATTR(2), false, offsetof(struct ch_x509_device, model) },
	{ 5, TCG_ATTR(3), false, offsetof(struct ch_x509_device, version) },
	/* the TCPA's platform attributes, which certificates of before 2018 hold */
	{ 5, TCG_ATTR(4), true, offsetof(struct ch_x509_device, manufacturer) },
	{ 5, TCG_ATTR(5), true, offsetof(struct ch_x509_device, model) },
	{ 5, TCG_ATTR(6), true, offsetof(struct ch_x509_device, version) },
	{ 5, TCG_ATTR(23), true, offsetof(struct ch_x509_device, serial) },
	/* Platform Certificate Profile, 3.2.9: platformManufacturerStr, platformModel, platformVersion, platformSerial */
	{ 6, TCG_PLATFORM(1), true, offsetof(struct ch_x509_device, manufacturer) },
	{ 6, TCG_PLATFORM(4), true, offsetof(struct ch_x509_device, model) },
	{ 6, TCG_PLATFORM(5), true, offsetof(struct ch_x509_device, version) },
	{ 6, TCG_PLATFORM(6), true, offsetof(struct ch_x509_device, serial) },
};

static struct ch_x509_text *device_field(struct ch_x509_device *d, size_t offset)
{
	return offset == offsetof(struct ch_x509_device, manufacturer) ? &d->manufacturer
	       : offset == offsetof(struct ch_x509_device, model)      ? &d->model
	       : offset == offsetof(struct ch_x509_device, version)    ? &d->version
								       : &d->serial;
}

/* Notes the device attributes of a Name that was read. The same attribute with two values names two devices. */
static void read_device(struct ch_x509 *c, struct ch_der_rd *d, struct ch_span name)
{
	for (size_t i = 0; i < CH_COUNT_OF(device_attr); i++) {
		struct ch_x509_text v = ch_x509_name_find(name, ch_span(device_attr[i].oid, device_attr[i].n));
		struct ch_x509_text *to =
			device_field(device_attr[i].platform ? &c->platform : &c->tpm, device_attr[i].field);
		if (v.tag == 0)
			continue;
		ch_der_require(d, to->tag == 0 || ch_span_eq(to->s, v.s), CH_ERR_DUPLICATE,
			       "subjectAltName gives a device attribute twice, with two values");
		*to = v;
	}
}

/* Reads one GeneralName (RFC 5280, 4.2.1.6); a directoryName is returned with its tag, others are skipped. */
static struct ch_span read_general_name(struct ch_der_rd *names, uint32_t *odd)
{
	uint8_t tag = ch_der_peek(names);
	if (tag == CH_DER_CONTEXT_IN(4)) {
		struct ch_der_rd in = ch_der_enter(names, tag, NULL);
		struct ch_span name = ch_x509_name_read(&in, odd);
		ch_der_leave(names, &in, "bytes after directoryName (RFC 5280, 4.2.1.6)");
		return ch_der_ok(names) ? name : CH_SPAN_EMPTY;
	}
	struct ch_der v = ch_der_skip(names);
	ch_der_require(names, (v.tag & 0xc0) == 0x80 && (v.tag & 0x1f) <= 8, CH_ERR_MALFORMED,
		       "a GeneralName of none of its nine kinds (RFC 5280, 4.2.1.6)");
	return CH_SPAN_EMPTY;
}

void ch_x509_general_names_read(struct ch_der_rd *names, uint32_t *odd, struct ch_span *directory)
{
	size_t count = 0;
	*directory = CH_SPAN_EMPTY;
	while (ch_der_more(names)) {
		struct ch_span name = read_general_name(names, odd);
		if (directory->n == 0)
			*directory = name;
		ch_der_require(names, ++count <= CH_CERT_LIST_MAX, CH_ERR_LIMIT,
			       "more than CH_CERT_LIST_MAX general names");
	}
	ch_der_require(names, count > 0, CH_ERR_MISSING, "GeneralNames without a name (RFC 5280, 4.2.1.6)");
}

static void read_san(struct ch_x509 *c, const struct ch_x509_ext *ext, struct ch_der_rd *d)
{
	struct ch_der_rd ahead = *d;
	struct ch_der_rd names = ch_der_enter(d, CH_DER_SEQUENCE, "GeneralNames is not a SEQUENCE (RFC 5280, 4.2.1.6)");
	c->has_san = true;
	c->san_critical = ext->critical;
	if (ch_der_peek(&names) == CH_DER_SET) {
		/* A Name where GeneralNames must be: it cannot be taken for one, as no GeneralName is a SET. */
		c->odd |= CH_X509_ODD_SAN;
		struct ch_span name = ch_x509_name_read(&ahead, &c->odd);
		read_device(c, &ahead, name);
		*d = ahead;
		return;
	}
	size_t count = 0;
	while (ch_der_more(&names)) {
		struct ch_span name = read_general_name(&names, &c->odd);
		if (name.n > 0)
			read_device(c, &names, name);
		ch_der_require(&names, ++count <= CH_CERT_LIST_MAX, CH_ERR_LIMIT,
			       "more than CH_CERT_LIST_MAX general names");
	}
	ch_der_require(&names, count > 0, CH_ERR_MISSING, "GeneralNames without a name (RFC 5280, 4.2.1.6)");
	ch_der_leave(d, &names, NULL);
}

static void read_basic(struct ch_x509 *c, const struct ch_x509_ext *ext, struct ch_der_rd *d)
{
	(void)ext;
	struct ch_der_rd seq =
		ch_der_enter(d, CH_DER_SEQUENCE, "BasicConstraints is not a SEQUENCE (RFC 5280, 4.2.1.9)");
	c->has_basic = true;
	if (ch_der_peek(&seq) == CH_DER_BOOLEAN) {
		c->ca = ch_der_boolean(&seq, "BasicConstraints.cA (RFC 5280, 4.2.1.9)");
		if (!c->ca)
			c->odd |= CH_X509_ODD_DEFAULT;
	}
	if (ch_der_more(&seq)) {
		c->path_len = ch_der_small(&seq, 255, "BasicConstraints.pathLenConstraint (RFC 5280, 4.2.1.9)");
		c->has_path_len = true;
	}
	ch_der_leave(d, &seq, "bytes after BasicConstraints.pathLenConstraint (RFC 5280, 4.2.1.9)");
}

static void read_key_usage(struct ch_x509 *c, const struct ch_x509_ext *ext, struct ch_der_rd *d)
{
	(void)ext;
	uint8_t unused = 0;
	struct ch_span bits = ch_der_bits(d, &unused, "KeyUsage is not a BIT STRING (RFC 5280, 4.2.1.3)");
	c->has_key_usage = true;
	for (size_t i = 0; i < CH_KU_BITS && i / 8 < bits.n; i++) {
		if ((bits.p[i / 8] >> (7 - i % 8) & 1) != 0)
			c->key_usage |= (uint16_t)(1u << i);
	}
	if (bits.n > 0 && (bits.p[bits.n - 1] >> unused & 1) == 0)
		c->odd |= CH_X509_ODD_NAMED_BITS;
}

static void read_eku(struct ch_x509 *c, const struct ch_x509_ext *ext, struct ch_der_rd *d)
{
	static const uint8_t tcg_kp[] = { 0x67, 0x81, 0x05, 0x08 }; /* 2.23.133.8 */
	static const uint8_t any[] = { 0x55, 0x1d, 0x25, 0x00 };
	(void)ext;
	struct ch_der_rd seq = ch_der_enter(d, CH_DER_SEQUENCE, "ExtKeyUsage is not a SEQUENCE (RFC 5280, 4.2.1.12)");
	size_t count = 0;
	c->has_eku = true;
	while (ch_der_more(&seq)) {
		struct ch_span oid = ch_der_oid(&seq, "KeyPurposeId is not an OBJECT IDENTIFIER (RFC 5280, 4.2.1.12)");
		uint8_t last = oid.n == 5 && ch_span_starts(oid, CH_SPAN_OF(tcg_kp)) ? oid.p[4] : 0;
		uint8_t purpose = CH_EKU_OTHER;
		if (last >= 1 && last <= 3)
			purpose = (uint8_t)(1u << (last - 1));
		else if (ch_span_eq(oid, CH_SPAN_OF(any)))
			purpose = CH_EKU_ANY;
		c->eku = (uint8_t)(c->eku | purpose);
		ch_der_require(&seq, ++count <= CH_CERT_LIST_MAX, CH_ERR_LIMIT,
			       "more than CH_CERT_LIST_MAX key purposes");
	}
	ch_der_require(&seq, count > 0, CH_ERR_MISSING, "ExtKeyUsage without a purpose (RFC 5280, 4.2.1.12)");
	ch_der_leave(d, &seq, NULL);
}

static void read_subject_key_id(struct ch_x509 *c, const struct ch_x509_ext *ext, struct ch_der_rd *d)
{
	(void)ext;
	c->subject_key_id = ch_der_octets(d, "SubjectKeyIdentifier is not an OCTET STRING (RFC 5280, 4.2.1.2)");
}

void ch_x509_authority_key_id_read(struct ch_x509 *c, struct ch_der_rd *d)
{
	struct ch_der_rd seq =
		ch_der_enter(d, CH_DER_SEQUENCE, "AuthorityKeyIdentifier is not a SEQUENCE (RFC 5280, 4.2.1.1)");
	if (ch_der_peek(&seq) == CH_DER_CONTEXT(0))
		c->authority_key_id = ch_der_any(&seq).body;
	if (ch_der_peek(&seq) == CH_DER_CONTEXT_IN(1))
		(void)ch_der_skip(&seq);
	if (ch_der_peek(&seq) == CH_DER_CONTEXT(2))
		(void)ch_der_skip(&seq);
	ch_der_leave(d, &seq, "an unknown field of AuthorityKeyIdentifier (RFC 5280, 4.2.1.1)");
}

static void read_authority_key_id(struct ch_x509 *c, const struct ch_x509_ext *ext, struct ch_der_rd *d)
{
	(void)ext;
	ch_x509_authority_key_id_read(c, d);
}

#define OID_CE(n)               \
	{                       \
		0x55, 0x1d, (n) \
	}
#define EXT_OID_MAX 3

/*
 * What we know. Without a function the contents are left alone, as they cannot make anything hold that would not hold without:
 * policies where none is required, directory attributes, "no revocation information is available".
 */
static const struct {
	uint8_t oid[EXT_OID_MAX];
	void (*read)(struct ch_x509 *c, const struct ch_x509_ext *ext, struct ch_der_rd *d);
} known_ext[] = {
	{ OID_CE(9), NULL }, /* subjectDirectoryAttributes */
	{ OID_CE(14), read_subject_key_id },
	{ OID_CE(15), read_key_usage },
	{ OID_CE(17), read_san },
	{ OID_CE(19), read_basic },
	{ OID_CE(32), NULL }, /* certificatePolicies */
	{ OID_CE(35), read_authority_key_id },
	{ OID_CE(37), read_eku },
	{ OID_CE(56), NULL }, /* noRevAvail */
};

static void read_value(struct ch_x509 *c, struct ch_x509_ext *ext, struct ch_der_rd *d, struct ch_der octets)
{
	for (size_t i = 0; i < CH_COUNT_OF(known_ext); i++) {
		if (!ch_span_eq(ext->oid, CH_SPAN_OF(known_ext[i].oid)))
			continue;
		ext->known = true;
		if (known_ext[i].read == NULL)
			return;
		struct ch_der_rd in = ch_der_inside(d, octets);
		known_ext[i].read(c, ext, &in);
		ch_der_leave(d, &in, "bytes after the value of an extension (RFC 5280, 4.1.2.9)");
	}
}

static void read_ext(struct ch_x509 *c, struct ch_der_rd *list)
{
	struct ch_x509_ext ext = { .known = false };
	struct ch_der_rd seq = ch_der_enter(list, CH_DER_SEQUENCE, "Extension is not a SEQUENCE (RFC 5280, 4.1.2.9)");
	ext.oid = ch_der_oid(&seq, "Extension.extnID (RFC 5280, 4.1.2.9)");
	for (size_t i = 0; i < c->ext_count; i++)
		ch_der_require(&seq, !ch_span_eq(c->ext[i].oid, ext.oid), CH_ERR_DUPLICATE,
			       "an extension occurs twice (RFC 5280, 4.2)");
	if (ch_der_peek(&seq) == CH_DER_BOOLEAN) {
		ext.critical = ch_der_boolean(&seq, "Extension.critical (RFC 5280, 4.1.2.9)");
		if (!ext.critical)
			c->odd |= CH_X509_ODD_DEFAULT;
	}
	struct ch_der value = ch_der_take(&seq, CH_DER_OCTET_STRING,
					  "Extension.extnValue is not an OCTET STRING (RFC 5280, 4.1.2.9)");
	ext.value = value.body;
	if (ch_der_ok(&seq))
		read_value(c, &ext, &seq, value);
	ch_der_leave(list, &seq, "bytes after Extension.extnValue (RFC 5280, 4.1.2.9)");
	ch_der_require(list, c->ext_count < CH_CERT_EXTS_MAX, CH_ERR_LIMIT, "more than CH_CERT_EXTS_MAX extensions");
	if (ch_der_ok(list))
		c->ext[c->ext_count++] = ext;
}

void ch_x509_exts_read(struct ch_x509 *c, struct ch_der_rd *d)
{
	struct ch_der_rd list = ch_der_enter(d, CH_DER_SEQUENCE, "Extensions is not a SEQUENCE (RFC 5280, 4.1.2.9)");
	ch_der_require(&list, ch_der_more(&list), CH_ERR_MISSING, "Extensions without one (RFC 5280, 4.1.2.9)");
	while (ch_der_more(&list))
		read_ext(c, &list);
	ch_der_leave(d, &list, NULL);
}
