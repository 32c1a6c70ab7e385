/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/cert_profile.h"

#include "core/base/rd.h"

#define MAGIC   "chcertpr"
#define VERSION 1

#define KEYS_ALL     (1u << CH_KEY_P256 | 1u << CH_KEY_P384 | 1u << CH_KEY_ED25519 | 1u << CH_KEY_RSA)
#define USAGE_ALL    (CH_KU_DIGITAL_SIGNATURE | CH_KU_NON_REPUDIATION | CH_KU_KEY_ENCIPHERMENT | CH_KU_KEY_AGREEMENT)
#define PURPOSES_ALL (CH_CERT_EKU_CLIENT | CH_CERT_EKU_SERVER | CH_CERT_EKU_CMC_RA)

#define NAME_VAR   CH_SPAN_LIT("{name}")
#define DEVICE_VAR CH_SPAN_LIT("{device}")

/* --- subjects --- */

static const struct {
	const char *name;
	uint8_t oid[3];
	uint8_t max; /* characters (RFC 5280, A.1) */
} attr_row[CH_SUBJECT_COUNT] = {
	[CH_SUBJECT_CN] = { "CN", { 0x55, 0x04, 3 }, 64 },
	[CH_SUBJECT_O] = { "O", { 0x55, 0x04, 10 }, 64 },
	[CH_SUBJECT_OU] = { "OU", { 0x55, 0x04, 11 }, 64 },
	[CH_SUBJECT_C] = { "C", { 0x55, 0x04, 6 }, 2 },
	[CH_SUBJECT_L] = { "L", { 0x55, 0x04, 7 }, 128 },
	[CH_SUBJECT_ST] = { "ST", { 0x55, 0x04, 8 }, 128 },
	[CH_SUBJECT_SERIAL] = { "serialNumber", { 0x55, 0x04, 5 }, 64 },
};

const char *ch_subject_attr_str(unsigned kind)
{
	return kind < CH_SUBJECT_COUNT ? attr_row[kind].name : NULL;
}

unsigned ch_subject_attr_by_name(struct ch_span name)
{
	for (unsigned i = 1; i < CH_SUBJECT_COUNT; i++) {
		if (ch_span_eq(name, ch_span_str(attr_row[i].name)))
			return i;
	}
	return 0;
}

unsigned ch_subject_attr_by_oid(struct ch_span oid)
{
	for (unsigned i = 1; i < CH_SUBJECT_COUNT; i++) {
		if (ch_span_eq(oid, CH_SPAN_OF(attr_row[i].oid)))
			return i;
	}
	return 0;
}

/* --- templates --- */

static bool alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool ch_profile_name_valid(struct ch_span name)
{
	if (name.n == 0 || name.n > CH_PROFILE_NAME_MAX || !alnum(name.p[0]) || !alnum(name.p[name.n - 1]))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (!alnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '.' && name.p[i] != '_')
			return false;
	}
	return true;
}

struct ch_profile_pieces ch_profile_pieces(struct ch_span text)
{
	for (size_t i = 0; i < text.n; i++) {
		struct ch_span rest = ch_span_sub(text, i, text.n - i);
		bool name = ch_span_starts(rest, NAME_VAR);
		if (!name && !ch_span_starts(rest, DEVICE_VAR))
			continue;
		size_t n = name ? NAME_VAR.n : DEVICE_VAR.n;
		return (struct ch_profile_pieces){ ch_span_sub(text, 0, i), ch_span_sub(rest, n, rest.n - n),
						   name ? CH_PROFILE_VAR_NAME : CH_PROFILE_VAR_DEVICE };
	}
	return (struct ch_profile_pieces){ text, CH_SPAN_EMPTY, CH_PROFILE_TEXT };
}

/* Printable ASCII without braces, and at most one variable in it. */
static bool template_fits(struct ch_span text)
{
	const struct ch_profile_pieces p = ch_profile_pieces(text);
	const struct ch_span part[] = { p.before, p.after };
	for (size_t k = 0; k < CH_COUNT_OF(part); k++) {
		for (size_t i = 0; i < part[k].n; i++) {
			uint8_t c = part[k].p[i];
			if (c < 0x20 || c > 0x7e || c == '{' || c == '}')
				return false;
		}
	}
	return text.n > 0 && text.n <= CH_PROFILE_TEMPLATE_MAX;
}

void ch_profile_template_put(struct ch_wr *w, struct ch_span text, struct ch_span name, const uint8_t device[static 16])
{
	const struct ch_profile_pieces p = ch_profile_pieces(text);
	ch_wr_put(w, p.before);
	if (p.var == CH_PROFILE_VAR_NAME)
		ch_wr_put(w, name);
	else if (p.var == CH_PROFILE_VAR_DEVICE)
		ch_wr_hex(w, ch_span(device, 16));
	ch_wr_put(w, p.after);
}

/* --- what a profile may be --- */

static bool has_blank(struct ch_span text)
{
	bool blank = false;
	for (size_t i = 0; i < text.n; i++)
		blank = blank || text.p[i] == ' ';
	return blank;
}

static bool has_variable(const struct ch_profile_template *t, size_t count)
{
	bool found = false;
	for (size_t i = 0; i < count; i++)
		found = found || ch_profile_pieces(t[i].text).var != CH_PROFILE_TEXT;
	return found;
}

static const char *templates_rule(const struct ch_cert_profile *p)
{
	for (size_t i = 0; i < p->attr_count; i++) {
		if (p->attr[i].kind == 0 || p->attr[i].kind >= CH_SUBJECT_COUNT)
			return "an attribute of the subject is none of those that are known";
		if (!template_fits(p->attr[i].text))
			return "a template is 1 to 128 characters of printable ASCII with {name} or {device} at most once";
		for (size_t k = 0; k < i; k++) {
			if (p->attr[k].kind == p->attr[i].kind)
				return "an attribute of the subject occurs twice";
		}
	}
	for (size_t i = 0; i < p->name_count; i++) {
		if (p->name[i].kind != CH_CERT_SAN_URI + 1 && p->name[i].kind != CH_CERT_SAN_DNS + 1)
			return "a name is of a kind that is neither uri nor dns";
		if (!template_fits(p->name[i].text) || has_blank(p->name[i].text))
			return "a name is 1 to 128 characters of printable ASCII without blanks, {name} or {device} at most once";
	}
	/* Two devices with one certificate's names would be one to whoever reads them. */
	if (!has_variable(p->attr, p->attr_count))
		return "the subject does not tell devices apart: it needs {name} or {device}";
	return NULL;
}

const char *ch_cert_profile_rule(const struct ch_cert_profile *p)
{
	if (!ch_name_valid(p->label) || !ch_name_valid(p->class))
		return "profile and class are 1 to 64 of a-z 0-9 - _ . with a letter or digit first";
	if (p->lifetime < CH_PROFILE_LIFETIME_MIN || p->lifetime > CH_PROFILE_LIFETIME_MAX)
		return "the lifetime is 1 hour to 400 days";
	if (p->grace > CH_PROFILE_GRACE_MAX)
		return "the grace is at most ten years";
	if (p->keys == 0 || (p->keys & ~KEYS_ALL) != 0)
		return "the kinds of keys are a set of those that are known, and not empty";
	if (p->key_usage == 0 || (p->key_usage & ~USAGE_ALL) != 0)
		return "the key usage is a set of those that a device may have, and not empty";
	if (p->purposes == 0 || (p->purposes & ~PURPOSES_ALL) != 0)
		return "the purposes are a set of those that are known, and not empty";
	if ((p->by & ~CH_ENROL_BY_ALL) != 0)
		return "who may enrol is a set of those that are known";
	if (p->approval != CH_APPROVAL_OPERATOR && p->approval != CH_APPROVAL_AUTOMATIC)
		return "approval is 1 (operator) or 2 (automatic)";
	if (p->linking != CH_LINKING_REQUIRED && p->linking != CH_LINKING_OPTIONAL)
		return "linking is 1 (required) or 2 (optional)";
	if (p->attr_count == 0 || p->attr_count > CH_PROFILE_ATTRS_MAX || p->name_count > CH_PROFILE_NAMES_MAX)
		return "the subject has 1 to 8 attributes, subjectAltName at most 8 names";
	return templates_rule(p);
}

/* --- the image: in the order of docs/protocol/cert-profile.md --- */

static struct ch_span text_read(struct ch_rd *r)
{
	size_t n = ch_rd_u8(r);
	return ch_rd_take(r, n);
}

static size_t templates_read(struct ch_rd *r, struct ch_profile_template *t, size_t max)
{
	size_t count = ch_rd_u8(r);
	for (size_t i = 0; i < count && i < max; i++) {
		t[i].kind = ch_rd_u8(r);
		t[i].text = text_read(r);
	}
	return count;
}

enum ch_err ch_cert_profile_parse(struct ch_cert_profile *p, struct ch_span image, struct ch_diag *d)
{
	ch_diag_clear(d);
	*p = (struct ch_cert_profile){ .keys = 0 };
	struct ch_cert_profile out = *p;
	struct ch_rd r = ch_rd(image);
	struct ch_span magic = ch_rd_take(&r, sizeof(MAGIC) - 1);
	if (!r.bad && !ch_span_eq(magic, CH_SPAN_LIT(MAGIC)))
		return ch_fail(d, CH_ERR_MALFORMED, 0, "not a profile image: it does not begin with " MAGIC);
	uint16_t version = ch_rd_be16(&r);
	if (!r.bad && version != VERSION)
		return ch_fail(d, CH_ERR_UNSUPPORTED, sizeof(MAGIC) - 1, "the version of the image is not 1");
	out.lifetime = ch_rd_be32(&r);
	out.grace = ch_rd_be32(&r);
	out.keys = ch_rd_be16(&r);
	out.key_usage = ch_rd_be16(&r);
	out.purposes = ch_rd_u8(&r);
	out.by = ch_rd_u8(&r);
	out.approval = (enum ch_approval)ch_rd_u8(&r);
	out.linking = (enum ch_linking)ch_rd_u8(&r);
	out.label = text_read(&r);
	out.class = text_read(&r);
	out.attr_count = templates_read(&r, out.attr, CH_PROFILE_ATTRS_MAX);
	if (out.attr_count > CH_PROFILE_ATTRS_MAX)
		return ch_fail(d, CH_ERR_LIMIT, r.off, "more than CH_PROFILE_ATTRS_MAX attributes");
	out.name_count = templates_read(&r, out.name, CH_PROFILE_NAMES_MAX);
	if (out.name_count > CH_PROFILE_NAMES_MAX)
		return ch_fail(d, CH_ERR_LIMIT, r.off, "more than CH_PROFILE_NAMES_MAX names");
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "the image ends early");
	if (!ch_rd_done(&r))
		return ch_fail(d, CH_ERR_TRAILING, r.off, "bytes after the last name");
	const char *rule = ch_cert_profile_rule(&out);
	if (rule != NULL)
		return ch_fail(d, CH_ERR_RANGE, 0, rule);
	*p = out;
	return CH_OK;
}

static void text_put(struct ch_wr *w, struct ch_span text)
{
	ch_wr_u8(w, (uint8_t)text.n);
	ch_wr_put(w, text);
}

static void templates_put(struct ch_wr *w, const struct ch_profile_template *t, size_t count)
{
	ch_wr_u8(w, (uint8_t)count);
	for (size_t i = 0; i < count; i++) {
		ch_wr_u8(w, t[i].kind);
		text_put(w, t[i].text);
	}
}

enum ch_err ch_cert_profile_put(struct ch_wr *w, const struct ch_cert_profile *p)
{
	if (ch_cert_profile_rule(p) != NULL)
		return CH_ERR_RANGE;
	ch_wr_str(w, MAGIC);
	ch_wr_be16(w, VERSION);
	ch_wr_be32(w, p->lifetime);
	ch_wr_be32(w, p->grace);
	ch_wr_be16(w, p->keys);
	ch_wr_be16(w, p->key_usage);
	ch_wr_u8(w, p->purposes);
	ch_wr_u8(w, p->by);
	ch_wr_u8(w, (uint8_t)p->approval);
	ch_wr_u8(w, (uint8_t)p->linking);
	text_put(w, p->label);
	text_put(w, p->class);
	templates_put(w, p->attr, p->attr_count);
	templates_put(w, p->name, p->name_count);
	return w->bad ? CH_ERR_NOSPACE : CH_OK;
}

/* --- the subject --- */

enum ch_err ch_profile_subject_put(struct ch_wr *w, const struct ch_cert_profile *p, struct ch_span name,
				   const uint8_t device[static 16])
{
	struct ch_der_wr d = ch_der_wr(w);
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	for (size_t i = 0; i < p->attr_count; i++) {
		uint8_t room[CH_PROFILE_TEMPLATE_MAX + CH_PROFILE_NAME_MAX];
		struct ch_wr t = ch_wr(room, sizeof(room));
		ch_profile_template_put(&t, p->attr[i].text, name, device);
		uint8_t kind = p->attr[i].kind;
		if (t.bad || t.len > attr_row[kind].max)
			return CH_ERR_NOSPACE;
		ch_der_put_begin(&d, CH_DER_SET);
		ch_der_put_begin(&d, CH_DER_SEQUENCE);
		ch_der_put(&d, CH_DER_OID, CH_SPAN_OF(attr_row[kind].oid));
		/* RFC 5280, A.1: these two are PrintableStrings. */
		bool printable = kind == CH_SUBJECT_C || kind == CH_SUBJECT_SERIAL;
		ch_der_put(&d, printable ? CH_DER_PRINTABLE_STRING : CH_DER_UTF8_STRING, ch_wr_span(&t));
		ch_der_put_end(&d);
		ch_der_put_end(&d);
	}
	ch_der_put_end(&d);
	return ch_der_wr_done(&d) ? CH_OK : CH_ERR_NOSPACE;
}
