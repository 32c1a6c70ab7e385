/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/class.h"

#include <stddef.h>

#define AGE_DEFAULT 0 /* no age of its own: that of all links */

/* As the table fills it; the words of an enum are uint32_t there. */
struct file {
	const char *class;
	uint32_t required;
	uint32_t release;
	uint32_t on_break[CH_LINK_COUNT];
	bool on_break_seen[CH_LINK_COUNT];
	uint32_t on_stale;
	uint32_t max_age;
	uint32_t age[CH_LINK_COUNT];
	uint32_t interval;
	uint32_t lifetime;
	uint32_t two_signatures;
	uint32_t ek;
	uint32_t token;
	uint32_t daily_mib;
	uint32_t mend;
};

#define AT(member) .offset = offsetof(struct file, member)

/* --- words --- */

static const struct ch_conf_word link_words[] = {
	{ "platform", CH_LINK_PLATFORM },
	{ "boot", CH_LINK_BOOT },
	{ "os", CH_LINK_OS },
	{ "channel", CH_LINK_CHANNEL },
	{ "update", CH_LINK_UPDATE },
	{ "sbom", CH_LINK_SBOM },
	{ "monitor", CH_LINK_MONITOR },
	{ NULL, 0 },
};
static const struct ch_conf_word response_words[] = {
	{ "observe", CH_RESPONSE_OBSERVE },
	{ "alert", CH_RESPONSE_ALERT },
	{ "hold-updates", CH_RESPONSE_HOLD_UPDATES },
	{ "quarantine", CH_RESPONSE_QUARANTINE },
	{ NULL, 0 },
};
static const struct ch_conf_word release_words[] = {
	{ "automatic", CH_RELEASE_AUTOMATIC },
	{ "two-operators", CH_RELEASE_TWO_OPERATORS },
	{ NULL, 0 },
};
#define VERB_WORD(name, text, subject, payload, roles) { text, CH_VERB_##name },
static const struct ch_conf_word verb_words[] = { CH_VERBS(VERB_WORD){ NULL, 0 } };
#undef VERB_WORD
static const struct ch_conf_word ek_words[] = {
	{ "listed", CH_EK_LISTED },
	{ "any-trusted-root", CH_EK_ANY_ROOT },
	{ NULL, 0 },
};
static const struct ch_conf_word token_words[] = { { "refused", 0 }, { "allowed", 1 }, { NULL, 0 } };
static const struct ch_conf_word mend_words[] = { { "refused", 0 }, { "assigned", 1 }, { NULL, 0 } };

/* --- keys --- */

#define BREAK(name, link)                                                                           \
	{                                                                                           \
		name, CH_CONF_WORD, CH_CONF_OPTIONAL, AT(on_break[link]),                           \
			.words = response_words, .seen = offsetof(struct file, on_break_seen[link]) \
	}
static const struct ch_conf_key break_keys[] = {
	BREAK("platform", CH_LINK_PLATFORM), BREAK("boot", CH_LINK_BOOT),     BREAK("os", CH_LINK_OS),
	BREAK("channel", CH_LINK_CHANNEL),   BREAK("update", CH_LINK_UPDATE), BREAK("sbom", CH_LINK_SBOM),
	BREAK("monitor", CH_LINK_MONITOR),
};
#undef BREAK

#define AGE(name, link)                                                                            \
	{                                                                                          \
		name, CH_CONF_DURATION, CH_CONF_OPTIONAL, AT(age[link]), .min = CH_POLICY_AGE_MIN, \
									 .max = CH_POLICY_AGE_MAX  \
	}
static const struct ch_conf_key age_keys[] = {
	AGE("platform", CH_LINK_PLATFORM), AGE("boot", CH_LINK_BOOT),     AGE("os", CH_LINK_OS),
	AGE("channel", CH_LINK_CHANNEL),   AGE("update", CH_LINK_UPDATE), AGE("sbom", CH_LINK_SBOM),
	AGE("monitor", CH_LINK_MONITOR),
};
#undef AGE

static const struct ch_conf_key evidence_keys[] = {
	{ "max_age", CH_CONF_DURATION, CH_CONF_REQUIRED, AT(max_age), .min = CH_POLICY_AGE_MIN,
	  .max = CH_POLICY_AGE_MAX },
	{ "interval", CH_CONF_DURATION, CH_CONF_REQUIRED, AT(interval), .min = CH_POLICY_AGE_MIN,
	  .max = CH_POLICY_AGE_MAX },
	{ "max_age_of", CH_CONF_MAP, CH_CONF_OPTIONAL, .keys = age_keys, .key_count = CH_COUNT_OF(age_keys) },
	{ "daily_mib", CH_CONF_NUMBER, CH_CONF_OPTIONAL, AT(daily_mib), .min = 1, .max = CH_POLICY_DAILY_MAX },
};
static const struct ch_conf_key certificate_keys[] = {
	{ "lifetime", CH_CONF_DURATION, CH_CONF_REQUIRED, AT(lifetime), CH_POLICY_LIFETIME_MIN,
	  CH_POLICY_LIFETIME_MAX },
};
static const struct ch_conf_key enrolment_keys[] = {
	{ "ek", CH_CONF_WORD, CH_CONF_REQUIRED, AT(ek), .words = ek_words },
	{ "token", CH_CONF_WORD, CH_CONF_REQUIRED, AT(token), .words = token_words },
};
#define MAP(rows) .keys = (rows), .key_count = CH_COUNT_OF(rows)
static const struct ch_conf_key file_keys[] = {
	{ "class", CH_CONF_TEXT, CH_CONF_REQUIRED, AT(class) },
	{ "requires", CH_CONF_SET, CH_CONF_REQUIRED, AT(required), .words = link_words },
	{ "evidence", CH_CONF_MAP, CH_CONF_REQUIRED, MAP(evidence_keys) },
	{ "on_break", CH_CONF_MAP, CH_CONF_REQUIRED, MAP(break_keys) },
	{ "on_stale", CH_CONF_WORD, CH_CONF_OPTIONAL, AT(on_stale), .words = response_words },
	{ "release", CH_CONF_WORD, CH_CONF_REQUIRED, AT(release), .words = release_words },
	{ "mend", CH_CONF_WORD, CH_CONF_OPTIONAL, AT(mend), .words = mend_words },
	{ "two_signatures", CH_CONF_SET, CH_CONF_REQUIRED, AT(two_signatures), .words = verb_words },
	{ "certificate", CH_CONF_MAP, CH_CONF_REQUIRED, MAP(certificate_keys) },
	{ "enrolment", CH_CONF_MAP, CH_CONF_REQUIRED, MAP(enrolment_keys) },
};
#undef MAP

/* --- checking what goes together --- */

#define REFUSE(e, node, ...) ch_yaml_refuse(e, CH_ERR_RANGE, node, (const char *const[]){ __VA_ARGS__, NULL })

static enum ch_err check(const struct file *f, const struct ch_conf *c, struct ch_yaml_error *e)
{
	if (!ch_name_valid(ch_span_str(f->class)))
		return REFUSE(e, ch_conf_find(c, "class", NULL), "'", f->class,
			      "' is no name of a class: 1 to 64 of a-z 0-9 - _ . with a letter or digit first");
	if (f->required == 0)
		return REFUSE(e, ch_conf_find(c, "requires", NULL),
			      "a class requires at least one link: without one every device would be trusted");
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		const char *link = ch_link_str((enum ch_link)i);
		bool required = (f->required >> i & 1) != 0;
		uint32_t age = f->age[i] != AGE_DEFAULT ? f->age[i] : f->max_age;
		if (required && !f->on_break_seen[i])
			return REFUSE(e, ch_conf_find(c, "on_break", NULL), "'", link,
				      "' is required, so on_break says what happens when it breaks; one of: ",
				      "observe, alert, hold-updates, quarantine");
		if (required && age < f->interval)
			return REFUSE(e,
				      ch_conf_find(c, "evidence", f->age[i] != AGE_DEFAULT ? "max_age_of" : "max_age"),
				      "evidence of '", link, "' would be stale before the next is asked for: ",
				      "make it at least as long as interval");
	}
	if (f->lifetime < f->interval)
		return REFUSE(e, ch_conf_find(c, "certificate", "lifetime"),
			      "a certificate would expire before evidence is asked for: make it longer than interval");
	return CH_OK;
}

static struct ch_policy policy_of(const struct file *f)
{
	struct ch_policy p = {
		.class = ch_span_str(f->class),
		.required = (uint8_t)f->required,
		.release = (enum ch_release_by)f->release,
		.on_stale = (enum ch_response)f->on_stale,
		.interval = f->interval,
		.lifetime = f->lifetime,
		.two_signatures = f->two_signatures,
		.ek = (enum ch_ek_rule)f->ek,
		.token = f->token == 1,
		.daily_mib = f->daily_mib,
		.mend = f->mend == 1,
	};
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		p.on_break[i] = (enum ch_response)f->on_break[i];
		p.max_age[i] = f->age[i] != AGE_DEFAULT ? f->age[i] : f->max_age;
	}
	return p;
}

enum ch_err ch_class_read(struct ch_class_image *image, struct ch_span yaml, struct ch_yaml_error *e)
{
	*image = (struct ch_class_image){ 0 };
	struct file f = { .on_stale = CH_RESPONSE_ALERT, .daily_mib = CH_POLICY_DAILY_DEFAULT };
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		f.on_break[i] = CH_RESPONSE_OBSERVE;
	CH_AUTO_CONF struct ch_conf c = { 0 };
	enum ch_err err = ch_conf_read(&c, yaml, file_keys, CH_COUNT_OF(file_keys), &f, e);
	if (err == CH_OK)
		err = check(&f, &c, e);
	if (err != CH_OK)
		return err;
	struct ch_policy p = policy_of(&f);
	struct ch_wr w = ch_wr(image->bytes, sizeof(image->bytes));
	err = ch_policy_put(&w, &p);
	if (err != CH_OK)
		return REFUSE(e, &c.yaml.node[0], "these values do not make a policy");
	image->n = w.len;
	return CH_OK;
}

/* --- and back --- */

void ch_duration_put(struct ch_wr *w, uint32_t seconds)
{
	static const struct {
		uint32_t seconds;
		const char *unit;
	} row[] = { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } };
	size_t i = 0;
	while (i + 1 < CH_COUNT_OF(row) && (seconds == 0 || seconds % row[i].seconds != 0))
		i++;
	ch_wr_dec(w, seconds / row[i].seconds);
	ch_wr_str(w, row[i].unit);
}

static void set_put(struct ch_wr *w, uint32_t bits, const struct ch_conf_word *words)
{
	const char *comma = "";
	ch_wr_str(w, "[");
	for (; words->word != NULL; words++) {
		if ((bits >> words->value & 1) == 0)
			continue;
		ch_wr_str(w, comma);
		ch_wr_str(w, words->word);
		comma = ", ";
	}
	ch_wr_str(w, "]\n");
}

static void line_put(struct ch_wr *w, const char *key, const char *text)
{
	ch_wr_str(w, key);
	ch_wr_str(w, text);
	ch_wr_str(w, "\n");
}

static void duration_line(struct ch_wr *w, const char *key, uint32_t seconds)
{
	ch_wr_str(w, key);
	ch_duration_put(w, seconds);
	ch_wr_str(w, "\n");
}

void ch_class_put(struct ch_wr *w, const struct ch_policy *p)
{
	ch_wr_str(w, "class: ");
	ch_wr_put(w, p->class);
	ch_wr_str(w, "\nrequires: ");
	set_put(w, p->required, link_words);
	ch_wr_str(w, "evidence:\n");
	duration_line(w, "  max_age: ", p->max_age[0]);
	duration_line(w, "  interval: ", p->interval);
	bool ages = false;
	for (size_t i = 1; i < CH_LINK_COUNT; i++) {
		if (p->max_age[i] == p->max_age[0])
			continue;
		ch_wr_str(w, ages ? "    " : "  max_age_of:\n    ");
		ch_wr_str(w, ch_link_str((enum ch_link)i));
		duration_line(w, ": ", p->max_age[i]);
		ages = true;
	}
	ch_wr_str(w, "  daily_mib: ");
	ch_wr_dec(w, p->daily_mib);
	ch_wr_str(w, "\non_break:\n");
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		ch_wr_str(w, "  ");
		ch_wr_str(w, ch_link_str((enum ch_link)i));
		line_put(w, ": ", ch_response_str(p->on_break[i]));
	}
	line_put(w, "on_stale: ", ch_response_str(p->on_stale));
	line_put(w, "release: ", p->release == CH_RELEASE_AUTOMATIC ? "automatic" : "two-operators");
	line_put(w, "mend: ", p->mend ? "assigned" : "refused");
	ch_wr_str(w, "two_signatures: ");
	set_put(w, p->two_signatures, verb_words);
	duration_line(w, "certificate:\n  lifetime: ", p->lifetime);
	line_put(w, "enrolment:\n  ek: ", p->ek == CH_EK_ANY_ROOT ? "any-trusted-root" : "listed");
	line_put(w, "  token: ", p->token ? "allowed" : "refused");
}
