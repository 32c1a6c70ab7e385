/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/rollout.h"

#include "core/base/text.h"
#include "core/trust/action.h"
#include "core/update/release.h"
#include "core/wire/der.h"
#include "core/wire/json_doc.h"

#include <string.h>

/* The parser: JSON read by tables. A member that may be missing may be null where it means the same. */

#define SPREAD        600
#define PROOF_MINUTES 60

static bool is_null(const struct ch_json_doc *t, size_t i)
{
	return ch_json_type(&t->j, i) == CH_JSON_NULL;
}

static enum ch_err take_bool(const struct ch_json_doc *t, size_t i, bool *v)
{
	enum ch_json_type type = ch_json_type(&t->j, i);
	if (type != CH_JSON_TRUE && type != CH_JSON_FALSE)
		return ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "true or false is wanted here");
	*v = type == CH_JSON_TRUE;
	return CH_OK;
}

static enum ch_err take_name(const struct ch_json_doc *t, size_t i, struct ch_span *name)
{
	enum ch_err err = ch_json_doc_text(t, i, name);
	if (err == CH_OK && !ch_name_valid(*name))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "a name is 1 to 64 of a-z 0-9 - _ . with a letter or digit first");
	return err;
}

/* Digits in lower case: one text for one value. */
static enum ch_err take_hex(const struct ch_json_doc *t, size_t i, uint8_t *to, size_t n, const char *rule)
{
	struct ch_span s = CH_SPAN_EMPTY;
	enum ch_err err = ch_json_doc_text(t, i, &s);
	for (size_t k = 0; err == CH_OK && k < s.n; k++) {
		if (s.p[k] >= 'A' && s.p[k] <= 'F')
			err = CH_ERR_ENCODING;
	}
	if (err == CH_OK)
		err = ch_hex_decode(to, n, s);
	return err == CH_OK ? CH_OK : ch_json_doc_refuse(t, i, err, rule);
}

/* --- devices by name --- */

static enum ch_err id_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_rollout_ids *ids = list;
	enum ch_err err = take_hex(t, i, ids->id[nth], sizeof(ids->id[nth]),
				   "a device is named by 32 hexadecimal digits in lower case");
	for (size_t k = 0; err == CH_OK && k < nth; k++) {
		if (ch_span_eq(CH_SPAN_OF(ids->id[k]), CH_SPAN_OF(ids->id[nth])))
			err = ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "the device is in the list twice");
	}
	return err;
}

static enum ch_err take_ids(const struct ch_json_doc *t, size_t i, size_t max, struct ch_rollout_ids *ids)
{
	return ch_json_doc_list(t, i, 1, max, id_element, ids, &ids->count);
}

/* --- amounts: exactly one of their members --- */

static enum ch_err amount_percent(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_amount *a = to;
	a->unit = CH_ROLLOUT_PERCENT;
	return ch_json_doc_number(t, i, 1, 100, &a->n);
}

static enum ch_err amount_count(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_amount *a = to;
	a->unit = CH_ROLLOUT_COUNT;
	return ch_json_doc_number(t, i, 1, UINT32_MAX, &a->n);
}

static const struct ch_json_doc_member amount_members[] = { { "percent", amount_percent }, { "count", amount_count } };

static enum ch_err take_amount(const struct ch_json_doc *t, size_t i, struct ch_rollout_amount *a)
{
	uint64_t there;
	enum ch_err err = ch_json_doc_members(t, i, amount_members, CH_COUNT_OF(amount_members), a, &there);
	if (err == CH_OK && there != 1 && there != 2)
		err = ch_json_doc_refuse(t, i, CH_ERR_MISSING,
					 "\"percent\" or \"count\" is wanted here, one of the two");
	return err;
}

/* --- members: the filter --- */

static enum ch_err filter_class(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_filter *f = to;
	return is_null(t, i) ? CH_OK : take_name(t, i, &f->class);
}

static enum ch_err running_name(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_filter *f = to;
	return take_name(t, i, &f->running);
}

static enum ch_err running_version(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_filter *f = to;
	if (is_null(t, i))
		return CH_OK;
	enum ch_err err = ch_json_doc_text(t, i, &f->running_version);
	if (err == CH_OK && !ch_release_version_valid(f->running_version))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "a version is 1 to 64 of A-Z a-z 0-9 . _ + ~ - with a letter or digit first");
	return err;
}

static enum ch_err filter_running(const struct ch_json_doc *t, size_t i, void *to)
{
	static const struct ch_json_doc_member row[] = { { "name", running_name }, { "version", running_version } };
	uint64_t there;
	if (is_null(t, i))
		return CH_OK;
	enum ch_err err = ch_json_doc_members(t, i, row, CH_COUNT_OF(row), to, &there);
	if (err == CH_OK && (there & 1) == 0)
		err = ch_json_doc_refuse(t, i, CH_ERR_MISSING, "\"name\" is missing: the release's");
	return err;
}

static enum ch_err filter_tier(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_filter *f = to;
	struct ch_span s;
	enum ch_err err = ch_json_doc_text(t, i, &s);
	if (err != CH_OK)
		return err;
	if (ch_span_eq(s, CH_SPAN_LIT("affirming")))
		f->tier = CH_TIER_AFFIRMING;
	else if (ch_span_eq(s, CH_SPAN_LIT("warning")))
		f->tier = CH_TIER_WARNING;
	else if (ch_span_eq(s, CH_SPAN_LIT("any")))
		f->tier = CH_TIER_NONE;
	else
		return ch_json_doc_refuse(t, i, CH_ERR_UNKNOWN,
					  "the tier that devices have at least is affirming, warning or any");
	return CH_OK;
}

/* Letters, digits, dots and dashes, as a host is called; a "*" only at the end. */
static bool hostname_fits(struct ch_span s)
{
	if (s.n == 0 || s.n > 255)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_' &&
		    !(c == '*' && i + 1 == s.n))
			return false;
	}
	return true;
}

static enum ch_err filter_hostname(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_filter *f = to;
	if (is_null(t, i))
		return CH_OK;
	enum ch_err err = ch_json_doc_text(t, i, &f->hostname);
	if (err == CH_OK && !hostname_fits(f->hostname))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					 "a host name has letters, digits and . - _; a * may be at its end");
	return err;
}

/* As DDI keeps them: at most so many bytes, every character shown. */
static bool attribute_fits(struct ch_span s, size_t max)
{
	uint32_t code = 0;
	for (size_t off = 0, n = 0; off < s.n; off += n) {
		n = ch_utf8_decode(ch_span_sub(s, off, s.n - off), &code);
		if (n == 0 || !ch_text_shown(code))
			return false;
	}
	return s.n >= 1 && s.n <= max;
}

static enum ch_err attribute_take(const struct ch_json_doc *t, size_t name, struct ch_rollout_filter *f)
{
	struct ch_rollout_attribute *a = &f->attribute[f->attribute_count];
	enum ch_err err = ch_json_doc_text(t, name, &a->name);
	if (err == CH_OK)
		err = ch_json_doc_text(t, name + 1, &a->value);
	if (err == CH_OK && !attribute_fits(a->name, CH_DDI_NAME_MAX))
		err = ch_json_doc_refuse(t, name, CH_ERR_MALFORMED, "the name of an attribute has 1 to 128 bytes");
	if (err == CH_OK && !attribute_fits(a->value, CH_DDI_VALUE_MAX))
		err = ch_json_doc_refuse(t, name + 1, CH_ERR_MALFORMED, "the value of an attribute has 1 to 512 bytes");
	for (size_t k = 0; err == CH_OK && k < f->attribute_count; k++) {
		if (ch_span_eq(f->attribute[k].name, a->name))
			err = ch_json_doc_refuse(t, name, CH_ERR_DUPLICATE, "the attribute is there twice");
	}
	f->attribute_count += err == CH_OK;
	return err;
}

static enum ch_err filter_attributes(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_filter *f = to;
	if (is_null(t, i))
		return CH_OK;
	if (ch_json_type(&t->j, i) != CH_JSON_OBJECT || ch_json_count(&t->j, i) == 0)
		return ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "attributes are an object, of at least one");
	for (size_t name = ch_json_first(&t->j, i); name != CH_JSON_NONE; name = ch_json_next(&t->j, i, name + 1)) {
		if (f->attribute_count == CH_ROLLOUT_ATTRIBUTES_MAX)
			return ch_json_doc_refuse(t, name, CH_ERR_LIMIT, "a filter names at most 8 attributes");
		enum ch_err err = attribute_take(t, name, f);
		if (err != CH_OK)
			return err;
	}
	return CH_OK;
}

static enum ch_err filter_devices(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_filter *f = to;
	if (is_null(t, i))
		return CH_OK;
	f->has_devices = true;
	return take_ids(t, i, CH_ROLLOUT_DEVICES_MAX, &f->devices);
}

static const struct ch_json_doc_member filter_members[] = {
	{ "class", filter_class },       { "running", filter_running }, { "tier", filter_tier },
	{ "hostname", filter_hostname }, { "devices", filter_devices }, { "attributes", filter_attributes },
};

/* --- members: phases --- */

static enum ch_err phase_devices(const struct ch_json_doc *t, size_t i, struct ch_rollout *r)
{
	static const char *const rule = "a list of devices is the first phase, or none, and has no other member";
	size_t name = ch_json_first(&t->j, i);
	if (r->phase_count != 0 || ch_json_count(&t->j, i) != 1)
		return ch_json_doc_refuse(t, name, CH_ERR_MISMATCH, rule);
	r->phase[0] = (struct ch_rollout_amount){ CH_ROLLOUT_COUNT, 0 };
	return take_ids(t, name + 1, CH_ROLLOUT_CANARIES_MAX, &r->canary);
}

/* Each phase is so many devices in all: of two in the same unit, the later has more. */
static enum ch_err phase_grows(const struct ch_json_doc *t, size_t i, const struct ch_rollout *r, size_t nth)
{
	for (size_t k = 0; k < nth; k++) {
		if (r->phase[k].unit == r->phase[nth].unit && r->phase[k].n >= r->phase[nth].n)
			return ch_json_doc_refuse(
				t, i, CH_ERR_RANGE,
				"a phase says how many devices have it in all: more than the one before");
	}
	return CH_OK;
}

static enum ch_err phase_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_rollout *r = list;
	size_t first = ch_json_type(&t->j, i) == CH_JSON_OBJECT ? ch_json_first(&t->j, i) : CH_JSON_NONE;
	enum ch_err err;
	if (first != CH_JSON_NONE && ch_json_str_eq(&t->j, first, "devices") && t->j.node[first].escaped == 0) {
		err = phase_devices(t, i, r);
	} else {
		err = take_amount(t, i, &r->phase[nth]);
		if (err == CH_OK)
			err = phase_grows(t, i, r, nth);
	}
	if (err == CH_OK)
		r->phase_count = nth + 1;
	return err;
}

/* --- members: window --- */

static const char *const day_name[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

static enum ch_err day_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list)
{
	struct ch_rollout_window *w = list;
	(void)nth;
	for (unsigned k = 0; k < CH_COUNT_OF(day_name); k++) {
		if (ch_json_type(&t->j, i) != CH_JSON_STRING || t->j.node[i].escaped != 0 ||
		    !ch_json_str_eq(&t->j, i, day_name[k]))
			continue;
		if ((w->days >> k & 1) != 0)
			return ch_json_doc_refuse(t, i, CH_ERR_DUPLICATE, "the day is in the list twice");
		w->days |= (uint8_t)(1u << k);
		return CH_OK;
	}
	return ch_json_doc_refuse(t, i, CH_ERR_UNKNOWN, "a day is mon, tue, wed, thu, fri, sat or sun");
}

static enum ch_err window_days(const struct ch_json_doc *t, size_t i, void *to)
{
	size_t count;
	return ch_json_doc_list(t, i, 1, CH_COUNT_OF(day_name), day_element, to, &count);
}

static bool two_digits(struct ch_span s, size_t off, unsigned *v)
{
	*v = 0;
	for (size_t i = off; i < off + 2; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*v = *v * 10 + (unsigned)(s.p[i] - '0');
	}
	return true;
}

static enum ch_err take_minute(const struct ch_json_doc *t, size_t i, uint16_t *minute)
{
	struct ch_span s;
	unsigned hour = 0, rest = 0;
	enum ch_err err = ch_json_doc_text(t, i, &s);
	if (err != CH_OK)
		return err;
	if (s.n != 5 || s.p[2] != ':' || !two_digits(s, 0, &hour) || !two_digits(s, 3, &rest) || hour > 23 || rest > 59)
		return ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "a time of day is \"HH:MM\", in UTC");
	*minute = (uint16_t)(hour * 60 + rest);
	return CH_OK;
}

static enum ch_err window_from(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_window *w = to;
	return take_minute(t, i, &w->from);
}

static enum ch_err window_to(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout_window *w = to;
	return take_minute(t, i, &w->to);
}

/* --- members: thresholds --- */

static enum ch_err halt_failures(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	return take_amount(t, i, &r->failures);
}

static enum ch_err halt_proof(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	return ch_json_doc_number(t, i, 1, CH_ROLLOUT_MINUTES_MAX, &r->proof_minutes);
}

static enum ch_err advance_proven(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	return ch_json_doc_number(t, i, 1, 100, &r->proven);
}

static enum ch_err advance_wait(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	return ch_json_doc_number(t, i, 0, CH_ROLLOUT_MINUTES_MAX, &r->wait_minutes);
}

/* --- members: the document --- */

static enum ch_err rollout_type(const struct ch_json_doc *t, size_t i, void *to)
{
	(void)to;
	return ch_json_doc_type(t, i, CH_ROLLOUT_TYPE, "the type is not \"" CH_ROLLOUT_TYPE "\"");
}

static enum ch_err rollout_name(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	return take_name(t, i, &r->name);
}

static enum ch_err rollout_release(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	return take_hex(t, i, r->release, sizeof(r->release),
			"the release is its SHA-256, 64 hexadecimal digits in lower case (chainhold release list)");
}

static enum ch_err rollout_mode(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	struct ch_span s;
	enum ch_err err = ch_json_doc_text(t, i, &s);
	r->forced = err == CH_OK && ch_span_eq(s, CH_SPAN_LIT("forced"));
	if (err == CH_OK && !r->forced && !ch_span_eq(s, CH_SPAN_LIT("soft")))
		err = ch_json_doc_refuse(t, i, CH_ERR_UNKNOWN, "the mode is soft or forced");
	return err;
}

static enum ch_err rollout_rollback(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	return take_bool(t, i, &r->rollback);
}

static enum ch_err rollout_filter(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	uint64_t there;
	return ch_json_doc_members(t, i, filter_members, CH_COUNT_OF(filter_members), &r->filter, &there);
}

static enum ch_err rollout_phases(const struct ch_json_doc *t, size_t i, void *to)
{
	size_t count;
	return ch_json_doc_list(t, i, 1, CH_ROLLOUT_PHASES_MAX, phase_element, to, &count);
}

static enum ch_err rollout_start(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	struct ch_span s;
	if (is_null(t, i))
		return CH_OK;
	enum ch_err err = ch_json_doc_text(t, i, &s);
	if (err == CH_OK && (ch_time_parse(&r->start, s) != CH_OK || r->start <= 0))
		err = ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "a time is \"2026-11-22T05:59:19Z\", in UTC");
	return err;
}

static enum ch_err rollout_window(const struct ch_json_doc *t, size_t i, void *to)
{
	static const struct ch_json_doc_member row[] = { { "days", window_days },
							 { "from", window_from },
							 { "to", window_to } };
	struct ch_rollout *r = to;
	if (is_null(t, i))
		return CH_OK;
	enum ch_err err = ch_json_doc_object(t, i, row, CH_COUNT_OF(row), &r->window);
	if (err == CH_OK && r->window.from == r->window.to)
		err = ch_json_doc_refuse(t, i, CH_ERR_RANGE, "the window ends when it begins");
	return err;
}

static enum ch_err rollout_halt(const struct ch_json_doc *t, size_t i, void *to)
{
	static const struct ch_json_doc_member row[] = { { "failures", halt_failures },
							 { "proof_minutes", halt_proof } };
	uint64_t there;
	enum ch_err err = ch_json_doc_members(t, i, row, CH_COUNT_OF(row), to, &there);
	if (err == CH_OK && (there & 1) == 0)
		err = ch_json_doc_refuse(t, i, CH_ERR_MISSING, "\"failures\" is missing: how many halt the rollout");
	return err;
}

static enum ch_err rollout_advance(const struct ch_json_doc *t, size_t i, void *to)
{
	static const struct ch_json_doc_member row[] = { { "proven", advance_proven },
							 { "wait_minutes", advance_wait } };
	uint64_t there;
	enum ch_err err = ch_json_doc_members(t, i, row, CH_COUNT_OF(row), to, &there);
	if (err == CH_OK && (there & 1) == 0)
		err = ch_json_doc_refuse(
			t, i, CH_ERR_MISSING,
			"\"proven\" is missing: how many percent of a phase have proven it before the next");
	return err;
}

static enum ch_err rollout_claimed(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	struct ch_span s;
	enum ch_err err = ch_json_doc_text(t, i, &s);
	if (err == CH_OK && ch_span_eq(s, CH_SPAN_LIT("count")))
		r->claimed = CH_CLAIMED_COUNT;
	else if (err == CH_OK && !ch_span_eq(s, CH_SPAN_LIT("wait")))
		err = ch_json_doc_refuse(t, i, CH_ERR_UNKNOWN, "what is only claimed may wait or count");
	return err;
}

static enum ch_err rollout_spread(const struct ch_json_doc *t, size_t i, void *to)
{
	struct ch_rollout *r = to;
	return ch_json_doc_number(t, i, 1, CH_ROLLOUT_SPREAD_MAX, &r->spread);
}

#define REQUIRED 6
static const struct ch_json_doc_member members[] = {
	{ "type", rollout_type },
	{ "name", rollout_name },
	{ "release", rollout_release },
	{ "phases", rollout_phases },
	{ "halt", rollout_halt },
	{ "advance", rollout_advance },
	/* the others may be missing */
	{ "mode", rollout_mode },
	{ "rollback", rollout_rollback },
	{ "filter", rollout_filter },
	{ "start", rollout_start },
	{ "window", rollout_window },
	{ "claimed", rollout_claimed },
	{ "spread", rollout_spread },
};

static enum ch_err check_whole(const struct ch_json_doc *t, uint64_t there)
{
	static const char *const rule[REQUIRED] = {
		("\"type\" is missing: \"" CH_ROLLOUT_TYPE "\""),
		"\"name\" is missing: what the rollout is called",
		"\"release\" is missing: its SHA-256",
		"\"phases\" is missing",
		"\"halt\" is missing: what stops it",
		"\"advance\" is missing: what lets it go on",
	};
	for (size_t k = 0; k < REQUIRED; k++) {
		if ((there >> k & 1) == 0)
			return ch_json_doc_refuse(t, 0, CH_ERR_MISSING, rule[k]);
	}
	return CH_OK;
}

enum ch_err ch_rollout_parse(struct ch_rollout *r, struct ch_span in, struct ch_json_node *node, size_t cap,
			     struct ch_diag *d)
{
	struct ch_json_doc t = { .d = d };
	uint64_t there = 0;
	memset(r, 0, sizeof(*r));
	ch_diag_clear(d);
	if (in.n > CH_ROLLOUT_MAX)
		return ch_fail(d, CH_ERR_LIMIT, CH_ROLLOUT_MAX, "a rollout has at most 96 KiB");
	r->proof_minutes = PROOF_MINUTES;
	r->spread = SPREAD;
	enum ch_err err = ch_json_parse(&t.j, in, node, cap < CH_ROLLOUT_NODES_MAX ? cap : CH_ROLLOUT_NODES_MAX, d);
	if (err == CH_OK)
		err = ch_json_doc_members(&t, 0, members, CH_COUNT_OF(members), r, &there);
	if (err == CH_OK)
		err = check_whole(&t, there);
	if (err != CH_OK)
		memset(r, 0, sizeof(*r));
	return err;
}
