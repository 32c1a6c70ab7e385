/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/x509.h"

/* Names (RFC 5280, 4.1.2.4): a SEQUENCE of SETs of attribute types and values. */

#define OID_X520(n)             \
	{                       \
		0x55, 0x04, (n) \
	}
#define OID_MAX 10

static const struct {
	uint8_t oid[OID_MAX];
	uint8_t n;
	const char *name;
} short_name[] = {
	/* RFC 4514, 3 */
	{ OID_X520(3), 3, "CN" },
	{ OID_X520(7), 3, "L" },
	{ OID_X520(8), 3, "ST" },
	{ OID_X520(10), 3, "O" },
	{ OID_X520(11), 3, "OU" },
	{ OID_X520(6), 3, "C" },
	{ OID_X520(9), 3, "STREET" },
	{ { 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19 }, 10, "DC" },
	{ { 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01 }, 10, "UID" },
};

static bool is_string(uint8_t tag)
{
	switch (tag) {
	case CH_DER_UTF8_STRING:
	case CH_DER_NUMERIC_STRING:
	case CH_DER_PRINTABLE_STRING:
	case CH_DER_T61_STRING:
	case CH_DER_IA5_STRING:
	case CH_DER_UNIVERSAL_STRING:
	case CH_DER_BMP_STRING:
		return true;
	default:
		return false;
	}
}

/* The order of a SET OF (X.690, 11.6): as octet strings, the shorter one padded with zeros. */
static bool in_order(struct ch_span a, struct ch_span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	for (size_t i = 0; i < n; i++) {
		if (a.p[i] != b.p[i])
			return a.p[i] < b.p[i];
	}
	return a.n <= b.n || ch_span_all(ch_span(a.p + n, a.n - n), 0);
}

/* One AttributeTypeAndValue. */
static struct ch_der read_attribute(struct ch_der_rd *set, struct ch_span *oid, struct ch_span *whole)
{
	struct ch_der v =
		ch_der_take(set, CH_DER_SEQUENCE, "AttributeTypeAndValue is not a SEQUENCE (RFC 5280, 4.1.2.4)");
	struct ch_der_rd seq = ch_der_inside(set, v);
	*whole = v.whole;
	*oid = ch_der_oid(&seq, "AttributeTypeAndValue has no type (RFC 5280, 4.1.2.4)");
	struct ch_der value = is_string(ch_der_peek(&seq)) ? ch_der_any(&seq) : ch_der_skip(&seq);
	ch_der_require(&seq, is_string(value.tag) || value.tag == CH_DER_BIT_STRING || value.tag == CH_DER_SEQUENCE,
		       CH_ERR_UNSUPPORTED,
		       "an attribute value is neither a string nor a BIT STRING or SEQUENCE (X.520)");
	ch_der_require(&seq, !is_string(value.tag) || ch_der_string_valid(value.tag, value.body), CH_ERR_ENCODING,
		       "an attribute value has a character that its string type does not have (X.690, 8.23)");
	ch_der_leave(set, &seq, "bytes after an attribute value (RFC 5280, 4.1.2.4)");
	return value;
}

static void read_rdn(struct ch_der_rd *names, uint32_t *odd)
{
	struct ch_der_rd set =
		ch_der_enter(names, CH_DER_SET, "RelativeDistinguishedName is not a SET (RFC 5280, 4.1.2.4)");
	struct ch_span before = CH_SPAN_EMPTY;
	struct ch_span whole, oid;
	size_t count = 0;
	while (ch_der_more(&set)) {
		(void)read_attribute(&set, &oid, &whole);
		ch_der_require(&set, ++count <= CH_CERT_NAME_MAX, CH_ERR_LIMIT,
			       "more than CH_CERT_NAME_MAX attributes in one RelativeDistinguishedName");
		if (before.n > 0 && ch_der_ok(&set) && !in_order(before, whole))
			*odd |= CH_X509_ODD_SET_ORDER;
		before = whole;
	}
	ch_der_require(&set, count > 0, CH_ERR_MISSING, "an empty RelativeDistinguishedName (RFC 5280, 4.1.2.4)");
	ch_der_leave(names, &set, NULL);
}

struct ch_span ch_x509_name_read(struct ch_der_rd *d, uint32_t *odd)
{
	struct ch_der name = ch_der_take(d, CH_DER_SEQUENCE, "Name is not a SEQUENCE (RFC 5280, 4.1.2.4)");
	struct ch_der_rd names = ch_der_inside(d, name);
	size_t count = 0;
	while (ch_der_more(&names)) {
		read_rdn(&names, odd);
		ch_der_require(&names, ++count <= CH_CERT_NAME_MAX, CH_ERR_LIMIT,
			       "more than CH_CERT_NAME_MAX RelativeDistinguishedNames");
	}
	ch_der_leave(d, &names, NULL);
	return ch_der_ok(d) ? name.whole : CH_SPAN_EMPTY;
}

bool ch_x509_name_empty(struct ch_span name)
{
	return name.n <= 2;
}

struct ch_x509_text ch_x509_name_find(struct ch_span name, struct ch_span oid)
{
	struct ch_x509_text none = { 0, CH_SPAN_EMPTY };
	struct ch_der_rd d = ch_der_rd(name, 0);
	struct ch_der_rd names = ch_der_enter(&d, CH_DER_SEQUENCE, NULL);
	while (ch_der_more(&names)) {
		struct ch_der_rd set = ch_der_enter(&names, CH_DER_SET, NULL);
		while (ch_der_more(&set)) {
			struct ch_span type, whole;
			struct ch_der v = read_attribute(&set, &type, &whole);
			if (ch_der_ok(&set) && ch_span_eq(type, oid) && is_string(v.tag))
				return (struct ch_x509_text){ v.tag, v.body };
		}
		ch_der_leave(&names, &set, NULL);
	}
	return none;
}

/* Types whose values are the same bytes for the same ASCII text. */
static bool is_ascii_type(uint8_t tag)
{
	return tag == CH_DER_UTF8_STRING || tag == CH_DER_PRINTABLE_STRING || tag == CH_DER_IA5_STRING;
}

static bool rdn_eq(struct ch_span x, struct ch_span y)
{
	struct ch_der_rd dx = ch_der_rd(x, 0);
	struct ch_der_rd dy = ch_der_rd(y, 0);
	struct ch_der_rd sx = ch_der_enter(&dx, CH_DER_SET, NULL);
	struct ch_der_rd sy = ch_der_enter(&dy, CH_DER_SET, NULL);
	while (ch_der_more(&sx) && ch_der_more(&sy)) {
		struct ch_span ox, oy, whole;
		struct ch_der vx = read_attribute(&sx, &ox, &whole);
		struct ch_der vy = read_attribute(&sy, &oy, &whole);
		bool same_type = vx.tag == vy.tag || (is_ascii_type(vx.tag) && is_ascii_type(vy.tag));
		if (!same_type || !ch_span_eq(ox, oy) || !ch_span_eq(vx.body, vy.body))
			return false;
	}
	return ch_der_ok(&sx) && ch_der_ok(&sy) && ch_rd_done(&sx.r) && ch_rd_done(&sy.r);
}

bool ch_x509_name_eq(struct ch_span x, struct ch_span y)
{
	if (ch_span_eq(x, y))
		return true;
	struct ch_der_rd dx = ch_der_rd(x, 0);
	struct ch_der_rd dy = ch_der_rd(y, 0);
	struct ch_der_rd nx = ch_der_enter(&dx, CH_DER_SEQUENCE, NULL);
	struct ch_der_rd ny = ch_der_enter(&dy, CH_DER_SEQUENCE, NULL);
	while (ch_der_more(&nx) && ch_der_more(&ny)) {
		struct ch_span rx = ch_der_any(&nx).whole;
		struct ch_span ry = ch_der_any(&ny).whole;
		if (!rdn_eq(rx, ry))
			return false;
	}
	return ch_der_ok(&nx) && ch_der_ok(&ny) && ch_rd_done(&nx.r) && ch_rd_done(&ny.r);
}

/* --- text --- */

static void type_put(struct ch_wr *w, struct ch_span oid)
{
	for (size_t i = 0; i < CH_COUNT_OF(short_name); i++) {
		if (ch_span_eq(oid, ch_span(short_name[i].oid, short_name[i].n))) {
			ch_wr_str(w, short_name[i].name);
			return;
		}
	}
	ch_oid_put(w, oid);
}

/* RFC 4514, 2.4, over a string that is UTF-8 already. */
static void escaped_put(struct ch_wr *w, struct ch_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool edge = (c == ' ' && (i == 0 || i == s.n - 1)) || (c == '#' && i == 0);
		if (c == 0) {
			ch_wr_str(w, "\\00");
			continue;
		}
		if (edge || c == '"' || c == '+' || c == ',' || c == ';' || c == '<' || c == '>' || c == '\\')
			ch_wr_u8(w, '\\');
		ch_wr_u8(w, c);
	}
}

/* Wide characters pass through a small buffer one at a time, so that they are escaped like the others. */
static void value_put(struct ch_wr *w, struct ch_der v)
{
	size_t unit = v.tag == CH_DER_BMP_STRING ? 2 : v.tag == CH_DER_UNIVERSAL_STRING ? 4 : 1;
	if (!is_string(v.tag)) {
		ch_wr_u8(w, '#');
		ch_wr_hex(w, v.whole);
	} else if (unit == 1 && v.tag != CH_DER_T61_STRING) {
		escaped_put(w, v.body);
	} else {
		for (size_t i = 0; i + unit <= v.body.n; i += unit) {
			uint8_t one[4];
			struct ch_wr text = ch_wr(one, sizeof(one));
			ch_der_string_put(&text, v.tag, ch_span(v.body.p + i, unit));
			bool inner = i > 0 && i + unit < v.body.n && one[0] == ' ';
			if (inner || (i > 0 && one[0] == '#'))
				ch_wr_u8(w, one[0]);
			else
				escaped_put(w, ch_wr_span(&text));
		}
	}
}

static void rdn_put(struct ch_wr *w, struct ch_span rdn)
{
	struct ch_der_rd d = ch_der_rd(rdn, 0);
	struct ch_der_rd set = ch_der_enter(&d, CH_DER_SET, NULL);
	bool first = true;
	while (ch_der_more(&set)) {
		struct ch_span oid, whole;
		struct ch_der v = read_attribute(&set, &oid, &whole);
		if (!ch_der_ok(&set))
			return;
		if (!first)
			ch_wr_u8(w, '+');
		first = false;
		type_put(w, oid);
		ch_wr_u8(w, '=');
		value_put(w, v);
	}
}

void ch_x509_name_put(struct ch_wr *w, struct ch_span name)
{
	struct ch_span rdn[CH_CERT_NAME_MAX];
	size_t count = 0;
	struct ch_der_rd d = ch_der_rd(name, 0);
	struct ch_der_rd names = ch_der_enter(&d, CH_DER_SEQUENCE, NULL);
	while (ch_der_more(&names) && count < CH_CERT_NAME_MAX)
		rdn[count++] = ch_der_any(&names).whole;
	for (size_t i = count; i > 0; i--) {
		rdn_put(w, rdn[i - 1]);
		if (i > 1)
			ch_wr_u8(w, ',');
	}
}

void ch_x509_serial_put(struct ch_wr *w, struct ch_span serial)
{
	while (serial.n > 1 && serial.p[0] == 0)
		serial = ch_span(serial.p + 1, serial.n - 1);
	ch_wr_hex(w, serial);
}
