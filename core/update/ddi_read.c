/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/update/ddi.h"

#include <string.h>

#define NODES_MAX 512 /* twice what the largest body has that is accepted */

/* --- text that is not quite JSON --- */

/* The length of the character at the start of `s`, which is in a string; 0 if it must be replaced. */
static size_t character(struct ch_span s)
{
	uint32_t code;
	return s.p[0] < ' ' ? 0 : ch_utf8_decode(s, &code);
}

size_t ch_ddi_mend(uint8_t *text, size_t n)
{
	bool string = false;
	size_t changed = 0;
	for (size_t at = 0; at < n;) {
		size_t len = 1;
		if (text[at] == '"') {
			string = !string;
		} else if (string && text[at] == '\\' && n - at > 1) {
			len = 2; /* a quote here ends nothing; whether it is an escape is not ours to say */
		} else if (string) {
			len = character(ch_span(text + at, n - at));
			if (len == 0) {
				text[at] = text[at] < ' ' ? ' ' : '?';
				changed++;
				len = 1;
			}
		}
		at += len;
	}
	return changed;
}

/* --- members --- */

struct body {
	struct ch_json j;
	struct ch_json_node node[NODES_MAX];
	struct ch_diag *d;
};

static enum ch_err refuse(const struct body *b, size_t i, enum ch_err err, const char *rule)
{
	return ch_fail(b->d, err, i < b->j.count ? b->j.node[i].off : b->j.in.n, rule);
}

static enum ch_err open_body(struct body *b, struct ch_span in, struct ch_diag *d)
{
	b->d = d;
	ch_diag_clear(d);
	if (in.n > CH_DDI_BODY_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "the body is longer than CH_DDI_BODY_MAX");
	enum ch_err err = ch_json_parse(&b->j, in, b->node, NODES_MAX, d);
	if (err == CH_ERR_NOSPACE)
		return ch_fail(d, CH_ERR_LIMIT, 0, "the body has more values than any that DDI describes");
	if (err == CH_OK && ch_json_type(&b->j, 0) != CH_JSON_OBJECT)
		err = refuse(b, 0, CH_ERR_MALFORMED, "a body of DDI is an object");
	return err;
}

/* The member, CH_JSON_NONE if there is none; refused if it is there twice. */
static enum ch_err optional(const struct body *b, size_t object, const char *name, size_t *value)
{
	enum ch_err err = ch_json_member(&b->j, object, name, value);
	if (err == CH_ERR_DUPLICATE)
		return refuse(b, object, err, "a member that decides something is there twice");
	return CH_OK;
}

static enum ch_err required(const struct body *b, size_t object, const char *name, size_t *value)
{
	enum ch_err err = optional(b, object, name, value);
	if (err == CH_OK && *value == CH_JSON_NONE)
		err = refuse(b, object, CH_ERR_MISSING,
			     "a feedback has status.execution and status.result.finished, configData has data");
	return err;
}

/* Which of `count` words the string `i` is. */
static enum ch_err word_of(const struct body *b, size_t i, const char *const word[], size_t count, size_t *which)
{
	for (size_t k = 0; k < count; k++) {
		if (ch_json_str_eq(&b->j, i, word[k])) {
			*which = k;
			return CH_OK;
		}
	}
	return refuse(b, i, CH_ERR_UNKNOWN, "the word is none that DDI has here");
}

/* --- feedback --- */

static const char *const execution_word[CH_DDI_EXECUTION_COUNT] = {
	[CH_DDI_CLOSED] = "closed",       [CH_DDI_PROCEEDING] = "proceeding", [CH_DDI_CANCELED] = "canceled",
	[CH_DDI_SCHEDULED] = "scheduled", [CH_DDI_REJECTED] = "rejected",     [CH_DDI_RESUMED] = "resumed",
	[CH_DDI_DOWNLOAD] = "download",   [CH_DDI_DOWNLOADED] = "downloaded",
};

static const char *const finished_word[CH_DDI_FINISHED_COUNT] = {
	[CH_DDI_NONE] = "none",
	[CH_DDI_SUCCESS] = "success",
	[CH_DDI_FAILURE] = "failure",
};

const char *ch_ddi_execution_str(enum ch_ddi_execution e)
{
	return (size_t)e < CH_DDI_EXECUTION_COUNT ? execution_word[e] : "unknown";
}

const char *ch_ddi_finished_str(enum ch_ddi_finished f)
{
	return (size_t)f < CH_DDI_FINISHED_COUNT ? finished_word[f] : "unknown";
}

/* "progress" is a courtesy: what makes no sense is as if it was not said. */
static uint8_t percent(const struct body *b, size_t result)
{
	size_t progress, cnt, of;
	uint64_t done, all;
	if (ch_json_member(&b->j, result, "progress", &progress) != CH_OK ||
	    ch_json_member(&b->j, progress, "cnt", &cnt) != CH_OK ||
	    ch_json_member(&b->j, progress, "of", &of) != CH_OK || ch_json_u64(&b->j, cnt, &done) != CH_OK ||
	    ch_json_u64(&b->j, of, &all) != CH_OK)
		return CH_DDI_NO_PROGRESS;
	if (all == 0 || done > all || all > UINT32_MAX)
		return CH_DDI_NO_PROGRESS;
	return (uint8_t)(done * 100 / all);
}

/* Appends a character if it fits whole; what does not fit ends the text. */
static void keep(struct ch_ddi_feedback *f, uint32_t code)
{
	uint8_t utf8[4];
	struct ch_wr w = ch_wr(utf8, sizeof(utf8));
	ch_utf8_put(&w, code);
	f->cut = f->cut || w.len > sizeof(f->text) - f->text_n;
	if (!f->cut)
		f->text_n += ch_span_copy(f->text + f->text_n, sizeof(f->text) - f->text_n, ch_wr_span(&w));
}

static enum ch_err take_details(const struct body *b, size_t list, struct ch_ddi_feedback *f)
{
	size_t count = 0;
	if (list == CH_JSON_NONE || ch_json_type(&b->j, list) == CH_JSON_NULL)
		return CH_OK;
	if (ch_json_type(&b->j, list) != CH_JSON_ARRAY)
		return refuse(b, list, CH_ERR_MALFORMED, "details are an array of strings");
	for (size_t i = ch_json_first(&b->j, list); i != CH_JSON_NONE; i = ch_json_next(&b->j, list, i)) {
		struct ch_rd raw = ch_rd(ch_json_raw(&b->j, i));
		uint32_t code;
		if (ch_json_type(&b->j, i) != CH_JSON_STRING)
			return refuse(b, i, CH_ERR_MALFORMED, "details are an array of strings");
		if (count++ == CH_DDI_DETAILS_MAX)
			return refuse(b, i, CH_ERR_LIMIT, "a feedback has more details than CH_DDI_DETAILS_MAX");
		if (count > 1)
			keep(f, '\n');
		while (ch_json_char(&raw, &code))
			keep(f, code);
	}
	return CH_OK;
}

static enum ch_err take_status(const struct body *b, struct ch_ddi_feedback *f)
{
	size_t status, execution, result, finished, details, word = 0;
	enum ch_err err = required(b, 0, "status", &status);
	if (err == CH_OK)
		err = required(b, status, "execution", &execution);
	if (err == CH_OK)
		err = word_of(b, execution, execution_word, CH_DDI_EXECUTION_COUNT, &word);
	if (err != CH_OK)
		return err;
	f->execution = (enum ch_ddi_execution)word;
	err = required(b, status, "result", &result);
	if (err == CH_OK)
		err = required(b, result, "finished", &finished);
	if (err == CH_OK)
		err = word_of(b, finished, finished_word, CH_DDI_FINISHED_COUNT, &word);
	if (err == CH_OK)
		err = optional(b, status, "details", &details);
	if (err != CH_OK)
		return err;
	f->finished = (enum ch_ddi_finished)word;
	f->progress = percent(b, result);
	return take_details(b, details, f);
}

enum ch_err ch_ddi_feedback_parse(struct ch_ddi_feedback *f, struct ch_span in, struct ch_diag *d)
{
	struct body b;
	memset(f, 0, sizeof(*f));
	enum ch_err err = open_body(&b, in, d);
	if (err == CH_OK)
		err = take_status(&b, f);
	if (err != CH_OK)
		memset(f, 0, sizeof(*f));
	return err;
}

enum ch_ddi_outcome ch_ddi_action_outcome(const struct ch_ddi_feedback *f)
{
	if (f->execution == CH_DDI_CANCELED)
		return CH_DDI_DECLINED;
	if (f->execution != CH_DDI_CLOSED)
		return CH_DDI_PROCEEDS;
	return f->finished == CH_DDI_FAILURE ? CH_DDI_FAILED : CH_DDI_SUCCEEDED;
}

enum ch_ddi_outcome ch_ddi_cancel_outcome(const struct ch_ddi_feedback *f)
{
	if (f->execution == CH_DDI_REJECTED)
		return CH_DDI_DECLINED;
	if (f->execution != CH_DDI_CLOSED)
		return CH_DDI_PROCEEDS;
	return f->finished == CH_DDI_FAILURE ? CH_DDI_FAILED : CH_DDI_SUCCEEDED;
}

/* --- configData --- */

static const char *const mode_word[CH_DDI_MODE_COUNT] = {
	[CH_DDI_MERGE] = "merge",
	[CH_DDI_REPLACE] = "replace",
	[CH_DDI_REMOVE] = "remove",
};

/* A string of `min` to `max` bytes, its escapes resolved at `to`. */
static enum ch_err take_text(const struct body *b, size_t i, size_t min, size_t max, uint8_t *to, struct ch_span *s)
{
	enum ch_err err = ch_json_str(&b->j, i, to, max, s);
	if (err == CH_ERR_MALFORMED)
		return refuse(b, i, err, "an attribute's value is a string");
	if (err != CH_OK || s->n < min || s->n > max)
		return refuse(b, i, CH_ERR_LIMIT, "an attribute's name is empty or too long, or its value is too long");
	return CH_OK;
}

static enum ch_err take_attr(const struct body *b, size_t name, struct ch_ddi_config *c)
{
	if (c->count == CH_DDI_ATTRS_MAX)
		return refuse(b, name, CH_ERR_LIMIT, "configData has more attributes than CH_DDI_ATTRS_MAX");
	struct ch_ddi_attr *a = &c->attr[c->count];
	uint8_t *room = c->room + c->count * (CH_DDI_NAME_MAX + CH_DDI_VALUE_MAX);
	enum ch_err err = take_text(b, name, 1, CH_DDI_NAME_MAX, room, &a->name);
	if (err == CH_OK)
		err = take_text(b, name + 1, 0, CH_DDI_VALUE_MAX, room + CH_DDI_NAME_MAX, &a->value);
	for (size_t i = 0; i < c->count && err == CH_OK; i++) {
		if (ch_span_eq(c->attr[i].name, a->name))
			err = refuse(b, name, CH_ERR_DUPLICATE, "an attribute is there twice");
	}
	c->count++;
	return err;
}

static enum ch_err take_config(const struct body *b, struct ch_ddi_config *c)
{
	size_t mode, data, word = CH_DDI_MERGE;
	enum ch_err err = optional(b, 0, "mode", &mode);
	if (err == CH_OK && mode != CH_JSON_NONE)
		err = word_of(b, mode, mode_word, CH_DDI_MODE_COUNT, &word);
	if (err == CH_OK)
		err = required(b, 0, "data", &data);
	if (err != CH_OK)
		return err;
	c->mode = (enum ch_ddi_mode)word;
	if (ch_json_type(&b->j, data) != CH_JSON_OBJECT)
		return refuse(b, data, CH_ERR_MALFORMED, "data is an object");
	for (size_t i = ch_json_first(&b->j, data); i != CH_JSON_NONE && err == CH_OK;
	     i = ch_json_next(&b->j, data, i + 1))
		err = take_attr(b, i, c);
	if (err == CH_OK && c->count == 0)
		err = refuse(b, data, CH_ERR_MISSING, "data has no attribute");
	return err;
}

enum ch_err ch_ddi_config_parse(struct ch_ddi_config *c, struct ch_span in, struct ch_diag *d)
{
	struct body b;
	memset(c, 0, sizeof(*c));
	enum ch_err err = open_body(&b, in, d);
	if (err == CH_OK)
		err = take_config(&b, c);
	if (err != CH_OK)
		memset(c, 0, sizeof(*c));
	return err;
}

/* --- what stands in a path --- */

bool ch_ddi_action_valid(uint64_t action)
{
	return action > 1000 && action % 1000 != 0 && action <= INT32_MAX; /* the clients keep it in an int */
}

enum ch_err ch_ddi_action_parse(uint64_t *action, struct ch_span digits)
{
	uint64_t v = 0;
	*action = 0;
	if (digits.n == 0 || digits.n > 10 || digits.p[0] == '0')
		return CH_ERR_MALFORMED;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return CH_ERR_MALFORMED;
		v = v * 10 + (uint64_t)(digits.p[i] - '0');
	}
	if (!ch_ddi_action_valid(v))
		return CH_ERR_RANGE;
	*action = v;
	return CH_OK;
}

bool ch_ddi_name_valid(struct ch_span name)
{
	bool dots = name.n <= 2;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_' && c != '~')
			return false;
		dots = dots && c == '.';
	}
	return name.n >= 1 && name.n <= CH_DDI_NAME_MAX && !dots;
}
