/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/cert_profile.h"

#include <stddef.h>

#define DAY 86400u

/* As the table fills it; the words of an enum are uint32_t there. */
struct file {
	const char *label, *class;
	struct ch_conf_texts subject, names;
	uint32_t keys, key_usage, purposes, by, approval, linking;
	uint32_t lifetime, grace;
};

#define AT(member) .offset = offsetof(struct file, member)

static const struct ch_conf_word key_words[] = {
	{ "p256", CH_KEY_P256 },
	{ "p384", CH_KEY_P384 },
	{ "ed25519", CH_KEY_ED25519 },
	{ "rsa", CH_KEY_RSA },
	{ NULL, 0 },
};
/* Values of a set are the numbers of its bits. */
static const struct ch_conf_word usage_words[] = {
	{ "digital-signature", 0 },
	{ "non-repudiation", 1 },
	{ "key-encipherment", 2 },
	{ "key-agreement", 4 },
	{ NULL, 0 },
};
static const struct ch_conf_word purpose_words[] = {
	{ "client", 0 }, { "server", 1 }, { "registration-authority", 2 }, { NULL, 0 }
};
static const struct ch_conf_word by_words[] = {
	{ "token", 0 }, { "idevid", 1 }, { "registration-authority", 2 }, { NULL, 0 }
};
static const struct ch_conf_word approval_words[] = { { "operator", CH_APPROVAL_OPERATOR },
						      { "automatic", CH_APPROVAL_AUTOMATIC },
						      { NULL, 0 } };
static const struct ch_conf_word linking_words[] = { { "required", CH_LINKING_REQUIRED },
						     { "optional", CH_LINKING_OPTIONAL },
						     { NULL, 0 } };

static const struct ch_conf_key file_keys[] = {
	{ "profile", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(label) },
	{ "class", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(class) },
	{ "subject", CH_CONF_TEXTS, CH_CONF_REQUIRED, AT(subject) },
	{ "names", CH_CONF_TEXTS, CH_CONF_OPTIONAL, AT(names) },
	{ "keys", CH_CONF_SET, CH_CONF_REQUIRED, AT(keys), .words = key_words },
	{ "lifetime", CH_CONF_DURATION, CH_CONF_OPTIONAL, AT(lifetime), CH_PROFILE_LIFETIME_MIN,
	  CH_PROFILE_LIFETIME_MAX },
	{ "grace", CH_CONF_DURATION, CH_CONF_OPTIONAL, AT(grace), .min = 1, .max = CH_PROFILE_GRACE_MAX },
	{ "key_usage", CH_CONF_SET, CH_CONF_OPTIONAL, AT(key_usage), .words = usage_words },
	{ "purposes", CH_CONF_SET, CH_CONF_OPTIONAL, AT(purposes), .words = purpose_words },
	{ "enrol_by", CH_CONF_SET, CH_CONF_REQUIRED, AT(by), .words = by_words },
	{ "approval", CH_CONF_WORD, CH_CONF_OPTIONAL, AT(approval), .words = approval_words },
	{ "linking", CH_CONF_WORD, CH_CONF_OPTIONAL, AT(linking), .words = linking_words },
};

#define REFUSE(e, node, ...) ch_yaml_refuse(e, CH_ERR_RANGE, node, (const char *const[]){ __VA_ARGS__, NULL })

/* "CN={name}" */
static bool attr_take(struct ch_profile_template *t, struct ch_span text)
{
	size_t n = 0;
	while (n < text.n && text.p[n] != '=')
		n++;
	t->kind = (uint8_t)ch_subject_attr_by_name(ch_span_sub(text, 0, n));
	t->text = n < text.n ? ch_span_sub(text, n + 1, text.n - n - 1) : CH_SPAN_EMPTY;
	return t->kind != 0 && t->text.n > 0;
}

/* "dns:{name}", "uri:urn:chainhold:device:{device}" */
static bool name_take(struct ch_profile_template *t, struct ch_span text)
{
	bool dns = ch_span_starts(text, CH_SPAN_LIT("dns:"));
	bool uri = ch_span_starts(text, CH_SPAN_LIT("uri:"));
	t->kind = dns ? CH_CERT_SAN_DNS + 1 : CH_CERT_SAN_URI + 1;
	t->text = text.n > 4 ? ch_span_sub(text, 4, text.n - 4) : CH_SPAN_EMPTY;
	return (dns || uri) && t->text.n > 0;
}

static enum ch_err templates_take(struct ch_cert_profile *p, const struct file *f, const struct ch_conf *c,
				  struct ch_yaml_error *e)
{
	if (f->subject.count > CH_PROFILE_ATTRS_MAX)
		return REFUSE(e, ch_conf_find(c, "subject", NULL), "a subject has at most 8 attributes");
	if (f->names.count > CH_PROFILE_NAMES_MAX)
		return REFUSE(e, ch_conf_find(c, "names", NULL), "a certificate has at most 8 names");
	for (size_t i = 0; i < f->subject.count; i++) {
		if (!attr_take(&p->attr[p->attr_count++], ch_span_str(f->subject.text[i])))
			return REFUSE(e, ch_conf_find(c, "subject", NULL), "'", f->subject.text[i],
				      "' is no attribute: CN, O, OU, C, L, ST or serialNumber, '=' and its value");
	}
	for (size_t i = 0; i < f->names.count; i++) {
		if (!name_take(&p->name[p->name_count++], ch_span_str(f->names.text[i])))
			return REFUSE(e, ch_conf_find(c, "names", NULL), "'", f->names.text[i],
				      "' is no name: 'dns:' or 'uri:' and its value");
	}
	return CH_OK;
}

enum ch_err ch_cert_profile_read(struct ch_cert_profile_image *image, struct ch_span yaml, struct ch_yaml_error *e)
{
	*image = (struct ch_cert_profile_image){ .n = 0 };
	struct file f = { .lifetime = 30 * DAY,
			  .grace = 400 * DAY,
			  .key_usage = CH_KU_DIGITAL_SIGNATURE,
			  .purposes = CH_CERT_EKU_CLIENT,
			  .approval = CH_APPROVAL_AUTOMATIC,
			  .linking = CH_LINKING_OPTIONAL };
	CH_AUTO_CONF struct ch_conf c = { 0 };
	enum ch_err err = ch_conf_read(&c, yaml, file_keys, CH_COUNT_OF(file_keys), &f, e);
	if (err != CH_OK)
		return err;
	struct ch_cert_profile p = { .label = ch_span_str(f.label),
				     .class = ch_span_str(f.class),
				     .lifetime = f.lifetime,
				     .grace = f.grace,
				     .keys = (uint16_t)f.keys,
				     .key_usage = (uint16_t)f.key_usage,
				     .purposes = (uint8_t)f.purposes,
				     .by = (uint8_t)f.by,
				     .approval = (enum ch_approval)f.approval,
				     .linking = (enum ch_linking)f.linking };
	err = templates_take(&p, &f, &c, e);
	if (err != CH_OK)
		return err;
	struct ch_wr w = ch_wr(image->bytes, sizeof(image->bytes));
	err = ch_cert_profile_put(&w, &p);
	const char *rule = ch_cert_profile_rule(&p);
	if (err != CH_OK)
		return REFUSE(e, &c.yaml.node[0], rule != NULL ? rule : "the profile is too long");
	image->n = w.len;
	return CH_OK;
}
