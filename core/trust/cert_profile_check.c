/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/cert_profile.h"

/* What a request asks for against its profile: each field is what the profile gives, or the request is refused with its name. */

struct check {
	const struct ch_cert_profile *p;
	const struct ch_csr *csr;
	const uint8_t *device;
	struct ch_span name; /* what {name} stands for, as soon as that is known */
	struct ch_profile_fault *f;
};

static enum ch_err beyond(struct check *c, const char *field, struct ch_span more, const char *rule)
{
	struct ch_wr w = ch_wr(c->f->field, sizeof(c->f->field) - 1);
	ch_wr_str(&w, field);
	ch_wr_put(&w, more);
	c->f->field[w.len] = '\0';
	c->f->rule = rule;
	return CH_ERR_MISMATCH;
}

static enum ch_err beyond_oid(struct check *c, const char *field, struct ch_span oid, const char *rule)
{
	uint8_t room[96];
	struct ch_wr w = ch_wr(room, sizeof(room));
	ch_oid_put(&w, oid);
	return beyond(c, field, ch_wr_span(&w), rule);
}

const char *ch_cert_profile_key_rule(const struct ch_cert_profile *p, const struct ch_pub *pub)
{
	if (pub->type == CH_KEY_NONE || (p->keys >> pub->type & 1) == 0)
		return "the profile does not certify keys of this kind";
	if (pub->type == CH_KEY_RSA && ch_pub_bits(pub) < CH_PROFILE_RSA_MIN)
		return "the key is weak: RSA has at least 2048 bits";
	if (pub->type == CH_KEY_RSA && ch_pub_bits(pub) > CH_PROFILE_RSA_MAX)
		return "RSA keys have at most 4096 bits";
	return NULL;
}

/* --- one text against its template --- */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool same_but_case(struct ch_span a, struct ch_span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	}
	return true;
}

/* True if the profile gives this text under the template. The first template with {name} says what that is, where nobody did. */
static bool given(struct check *c, struct ch_span template, struct ch_span text)
{
	static const uint8_t none[16] = { 0 };
	const struct ch_profile_pieces t = ch_profile_pieces(template);
	uint8_t room[CH_PROFILE_TEMPLATE_MAX + CH_PROFILE_NAME_MAX];
	struct ch_wr w = ch_wr(room, sizeof(room));
	/* A device that has no id yet cannot know it. */
	if (t.var == CH_PROFILE_VAR_DEVICE && c->device == NULL)
		return false;
	if (t.var == CH_PROFILE_VAR_NAME && c->name.n == 0) {
		if (text.n <= t.before.n + t.after.n)
			return false;
		struct ch_span said = ch_span_sub(text, t.before.n, text.n - t.before.n - t.after.n);
		if (!ch_profile_name_valid(said))
			return false;
		c->name = said;
	}
	ch_profile_template_put(&w, template, c->name, c->device != NULL ? c->device : none);
	return !w.bad && same_but_case(ch_wr_span(&w), text);
}

/* --- the subject --- */

static enum ch_err check_attr(struct check *c, struct ch_span oid, const struct ch_der *value)
{
	unsigned kind = ch_subject_attr_by_oid(oid);
	const char *name = ch_subject_attr_str(kind);
	bool text = value->tag == CH_DER_UTF8_STRING || value->tag == CH_DER_PRINTABLE_STRING ||
		    value->tag == CH_DER_IA5_STRING;
	if (kind == 0)
		return beyond_oid(c, "subject.", oid, "the profile gives no such attribute");
	for (size_t i = 0; i < c->p->attr_count; i++) {
		if (c->p->attr[i].kind != kind)
			continue;
		if (text && given(c, c->p->attr[i].text, value->body))
			return CH_OK;
		return beyond(c, "subject.", ch_span_str(name), "it is not what the profile gives this device");
	}
	return beyond(c, "subject.", ch_span_str(name), "the profile gives no such attribute");
}

/* The Name was read before: what cannot be read here has more than one attribute in a set. */
static enum ch_err check_subject(struct check *c)
{
	struct ch_der_rd d = ch_der_rd(c->csr->x.subject, 0);
	struct ch_der_rd rdns = ch_der_enter(&d, CH_DER_SEQUENCE, NULL);
	for (size_t n = 0; n < CH_CERT_NAME_MAX && ch_der_more(&rdns); n++) {
		struct ch_der_rd set = ch_der_enter(&rdns, CH_DER_SET, NULL);
		struct ch_der_rd attr = ch_der_enter(&set, CH_DER_SEQUENCE, NULL);
		struct ch_span oid = ch_der_oid(&attr, NULL);
		struct ch_der value = ch_der_any(&attr);
		ch_der_leave(&set, &attr, NULL);
		ch_der_leave(&rdns, &set, NULL);
		if (!ch_der_ok(&rdns))
			return beyond(c, "subject", CH_SPAN_EMPTY, "a set of more than one attribute");
		enum ch_err err = check_attr(c, oid, &value);
		if (err != CH_OK)
			return err;
	}
	return CH_OK;
}

/* --- subjectAltName --- */

static enum ch_err check_name(struct check *c, const struct ch_csr_name *n)
{
	unsigned kind = n->tag == CH_DER_CONTEXT(2)   ? CH_CERT_SAN_DNS + 1
			: n->tag == CH_DER_CONTEXT(6) ? CH_CERT_SAN_URI + 1
						      : 0;
	for (size_t i = 0; i < c->p->name_count; i++) {
		if (c->p->name[i].kind == kind && given(c, c->p->name[i].text, n->value))
			return CH_OK;
	}
	return beyond(c, "subjectAltName.", ch_span_str(ch_csr_name_str(n->tag)),
		      "it is no name that the profile gives this device");
}

static enum ch_err check_names(struct check *c)
{
	enum ch_err err = CH_OK;
	for (size_t i = 0; i < c->csr->name_count && err == CH_OK; i++)
		err = check_name(c, &c->csr->name[i]);
	return err;
}

/* --- the other extensions --- */

static enum ch_err check_purposes(struct check *c)
{
	static const struct {
		uint8_t bit;
		uint8_t oid[8]; /* id-kp (RFC 5280, 4.2.1.12; RFC 6402, 2.10) */
	} row[] = {
		{ CH_CERT_EKU_CLIENT, { 0x2b, 6, 1, 5, 5, 7, 3, 2 } },
		{ CH_CERT_EKU_SERVER, { 0x2b, 6, 1, 5, 5, 7, 3, 1 } },
		{ CH_CERT_EKU_CMC_RA, { 0x2b, 6, 1, 5, 5, 7, 3, 28 } },
	};
	for (size_t i = 0; i < c->csr->purpose_count; i++) {
		bool found = false;
		for (size_t k = 0; k < CH_COUNT_OF(row); k++)
			found = found || ((c->p->purposes & row[k].bit) != 0 &&
					  ch_span_eq(c->csr->purpose[i], CH_SPAN_OF(row[k].oid)));
		if (!found)
			return beyond_oid(c, "extKeyUsage.", c->csr->purpose[i], "the profile gives no such purpose");
	}
	return CH_OK;
}

static enum ch_err check_extensions(struct check *c)
{
	static const uint8_t granted[] = { 15, 17, 19,
					   37 }; /* 2.5.29.n: keyUsage, SAN, basicConstraints, extKeyUsage */
	const struct ch_x509 *x = &c->csr->x;
	for (size_t i = 0; i < x->ext_count; i++) {
		struct ch_span oid = x->ext[i].oid;
		bool ce = oid.n == 3 && oid.p[0] == 0x55 && oid.p[1] == 0x1d;
		bool found = false;
		for (size_t k = 0; k < sizeof(granted); k++)
			found = found || (ce && oid.p[2] == granted[k]);
		if (!found)
			return beyond_oid(c, "extension.", oid, "the profile gives no such extension");
	}
	if (x->ca || x->has_path_len)
		return beyond(c, "basicConstraints", CH_SPAN_EMPTY, "no profile makes a certification authority");
	if ((x->key_usage & ~c->p->key_usage) != 0)
		return beyond(c, "keyUsage", CH_SPAN_EMPTY, "the profile does not give all of this usage");
	return check_purposes(c);
}

static enum ch_err check_attributes(struct check *c)
{
	/* challengePassword and extensionRequest (RFC 2985, 5.4), and unstructuredName, which asks for nothing */
	static const uint8_t known[3][9] = { { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7 },
					     { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14 },
					     { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2 } };
	for (size_t i = 0; i < c->csr->attr_count; i++) {
		bool found = false;
		for (size_t k = 0; k < CH_COUNT_OF(known); k++)
			found = found || ch_span_eq(c->csr->attr[i], CH_SPAN_OF(known[k]));
		if (!found)
			return beyond_oid(c, "attribute.", c->csr->attr[i], "the profile knows no such attribute");
	}
	return CH_OK;
}

/* --- all of it --- */

static bool wants_name(const struct ch_profile_template *t, size_t count)
{
	bool wants = false;
	for (size_t i = 0; i < count; i++)
		wants = wants || ch_profile_pieces(t[i].text).var == CH_PROFILE_VAR_NAME;
	return wants;
}

enum ch_err ch_cert_profile_check(const struct ch_cert_profile *p, const struct ch_csr *csr,
				  const struct ch_profile_asker *asker, struct ch_span *name,
				  struct ch_profile_fault *f)
{
	struct check c = { p, csr, asker->device, asker->name, f };
	*f = (struct ch_profile_fault){ .rule = NULL };
	*name = CH_SPAN_EMPTY;
	const char *rule = ch_cert_profile_key_rule(p, &csr->x.pub);
	if (rule != NULL)
		return beyond(&c, "key", CH_SPAN_EMPTY, rule);
	enum ch_err err = check_attributes(&c);
	if (err == CH_OK)
		err = check_subject(&c);
	if (err == CH_OK)
		err = check_names(&c);
	if (err == CH_OK)
		err = check_extensions(&c);
	if (err != CH_OK)
		return err;
	if (c.name.n == 0 && (wants_name(p->attr, p->attr_count) || wants_name(p->name, p->name_count)))
		return beyond(&c, "subject", CH_SPAN_EMPTY, "the request does not say what the device is called");
	*name = c.name;
	return CH_OK;
}
