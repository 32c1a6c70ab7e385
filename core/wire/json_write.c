/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/json.h"

#include "core/base/text.h"

_Static_assert(CH_JSON_DEPTH_MAX <= 64, "one bit a level of struct ch_json_wr.object");

struct ch_json_wr ch_json_wr(struct ch_wr *w, bool pretty)
{
	return (struct ch_json_wr){ .w = w, .pretty = pretty };
}

bool ch_json_wr_done(const struct ch_json_wr *j)
{
	return !j->w->bad && j->depth == 0 && j->started;
}

static bool in_object(const struct ch_json_wr *j)
{
	return j->depth > 0 && (j->object >> (j->depth - 1) & 1) != 0;
}

static void new_line(struct ch_json_wr *j)
{
	if (!j->pretty)
		return;
	ch_wr_u8(j->w, '\n');
	for (size_t i = 0; i < j->depth; i++)
		ch_wr_str(j->w, "  ");
}

/* What comes before a value in an array, or before a name. */
static void separate(struct ch_json_wr *j)
{
	if (j->started)
		ch_wr_u8(j->w, ',');
	j->started = true;
	if (j->depth > 0)
		new_line(j);
}

/* Before a value: after its name nothing is due. */
static void value_begin(struct ch_json_wr *j)
{
	if (j->named) {
		j->named = false;
		return;
	}
	if (in_object(j) || (j->depth == 0 && j->started))
		j->w->bad = true;
	separate(j);
}

static void level_begin(struct ch_json_wr *j, bool object)
{
	value_begin(j);
	if (j->depth == CH_JSON_DEPTH_MAX) {
		j->w->bad = true;
		return;
	}
	uint64_t bit = (uint64_t)1 << j->depth;
	j->object = object ? j->object | bit : j->object & ~bit;
	j->depth++;
	j->started = false;
	ch_wr_u8(j->w, object ? '{' : '[');
}

static void level_end(struct ch_json_wr *j, bool object)
{
	if (j->depth == 0 || in_object(j) != object || j->named) {
		j->w->bad = true;
		return;
	}
	bool empty = !j->started;
	j->depth--;
	j->started = true;
	if (!empty)
		new_line(j);
	ch_wr_u8(j->w, object ? '}' : ']');
}

void ch_json_object_begin(struct ch_json_wr *j)
{
	level_begin(j, true);
}

void ch_json_object_end(struct ch_json_wr *j)
{
	level_end(j, true);
}

void ch_json_array_begin(struct ch_json_wr *j)
{
	level_begin(j, false);
}

void ch_json_array_end(struct ch_json_wr *j)
{
	level_end(j, false);
}

static void put_unit(struct ch_wr *w, uint32_t unit)
{
	const uint8_t b[2] = { (uint8_t)(unit >> 8), (uint8_t)unit };
	ch_wr_str(w, "\\u");
	ch_wr_hex(w, CH_SPAN_OF(b));
}

/* One character of a string. */
static void put_char(struct ch_wr *w, uint32_t code)
{
	static const char letter[0x20] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
	char escape = code < 0x20 ? letter[code] : '\0';
	if (code == '"' || code == '\\')
		escape = (char)code;
	if (escape != '\0') {
		ch_wr_u8(w, '\\');
		ch_wr_u8(w, (uint8_t)escape);
	} else if (ch_text_shown(code)) {
		ch_utf8_put(w, code);
	} else if (code <= 0xffff) {
		put_unit(w, code);
	} else {
		put_unit(w, 0xd800 + ((code - 0x10000) >> 10));
		put_unit(w, 0xdc00 + ((code - 0x10000) & 0x3ff));
	}
}

static size_t plain_len(struct ch_span s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] >= ' ' && s.p[n] < 0x7f && s.p[n] != '"' && s.p[n] != '\\')
		n++;
	return n;
}

static void put_string(struct ch_wr *w, struct ch_span s)
{
	ch_wr_u8(w, '"');
	while (s.n > 0) {
		size_t n = plain_len(s);
		ch_wr_put(w, ch_span(s.p, n));
		s = ch_span(s.p + n, s.n - n);
		if (s.n == 0)
			break;
		uint32_t code = 0xfffd;
		n = ch_utf8_decode(s, &code);
		put_char(w, n != 0 ? code : 0xfffd);
		n = n != 0 ? n : 1;
		s = ch_span(s.p + n, s.n - n);
	}
	ch_wr_u8(w, '"');
}

/* A string as it stands in a text that was read. */
static void put_raw_string(struct ch_wr *w, struct ch_span raw)
{
	struct ch_rd r = ch_rd(raw);
	uint32_t code;
	ch_wr_u8(w, '"');
	while (ch_json_char(&r, &code))
		put_char(w, code);
	if (!ch_rd_done(&r))
		w->bad = true;
	ch_wr_u8(w, '"');
}

static void name_begin(struct ch_json_wr *j)
{
	if (!in_object(j) || j->named)
		j->w->bad = true;
	separate(j);
	j->named = true;
}

static void name_end(struct ch_json_wr *j)
{
	ch_wr_str(j->w, j->pretty ? ": " : ":");
}

void ch_json_name_span(struct ch_json_wr *j, struct ch_span name)
{
	name_begin(j);
	put_string(j->w, name);
	name_end(j);
}

void ch_json_name(struct ch_json_wr *j, const char *name)
{
	ch_json_name_span(j, ch_span_str(name));
}

static void put_word(struct ch_json_wr *j, struct ch_span word)
{
	value_begin(j);
	ch_wr_put(j->w, word);
}

void ch_json_put_null(struct ch_json_wr *j)
{
	put_word(j, CH_SPAN_LIT("null"));
}

void ch_json_put_bool(struct ch_json_wr *j, bool v)
{
	put_word(j, v ? CH_SPAN_LIT("true") : CH_SPAN_LIT("false"));
}

void ch_json_put_u64(struct ch_json_wr *j, uint64_t v)
{
	value_begin(j);
	ch_wr_dec(j->w, v);
}

void ch_json_put_i64(struct ch_json_wr *j, int64_t v)
{
	value_begin(j);
	ch_wr_int(j->w, v);
}

void ch_json_put_span(struct ch_json_wr *j, struct ch_span s)
{
	value_begin(j);
	put_string(j->w, s);
}

void ch_json_put_str(struct ch_json_wr *j, const char *s)
{
	ch_json_put_span(j, ch_span_str(s));
}

void ch_json_put_hex(struct ch_json_wr *j, struct ch_span bytes)
{
	value_begin(j);
	ch_wr_u8(j->w, '"');
	ch_wr_hex(j->w, bytes);
	ch_wr_u8(j->w, '"');
}

void ch_json_put_number(struct ch_json_wr *j, struct ch_span text)
{
	struct ch_json number;
	struct ch_json_node node;
	/* one number without white space around it is a whole text of one node */
	if (ch_json_parse(&number, text, &node, 1, NULL) != CH_OK || node.type != CH_JSON_NUMBER || node.len != text.n)
		j->w->bad = true;
	put_word(j, text);
}

static void put_node(struct ch_json_wr *j, const struct ch_json *from, size_t i, bool name)
{
	switch (ch_json_type(from, i)) {
	case CH_JSON_ARRAY:
	case CH_JSON_OBJECT:
		level_begin(j, ch_json_type(from, i) == CH_JSON_OBJECT);
		return;
	case CH_JSON_STRING:
		if (name)
			name_begin(j);
		else
			value_begin(j);
		put_raw_string(j->w, ch_json_raw(from, i));
		if (name)
			name_end(j);
		return;
	default:
		put_word(j, ch_json_raw(from, i));
	}
}

void ch_json_put_value(struct ch_json_wr *j, const struct ch_json *from, size_t i)
{
	size_t base = j->depth;
	uint32_t end[CH_JSON_DEPTH_MAX]; /* of each level that was begun here */
	if (i >= from->count) {
		j->w->bad = true;
		return;
	}
	for (size_t stop = from->node[i].next; i < stop && !j->w->bad; i++) {
		put_node(j, from, i, j->depth > base && in_object(j) && !j->named);
		if (j->w->bad)
			return;
		if (ch_json_type(from, i) >= CH_JSON_ARRAY)
			end[j->depth - base - 1] = from->node[i].next;
		while (j->depth > base && end[j->depth - base - 1] == i + 1)
			level_end(j, in_object(j));
	}
}

void ch_json_named_str(struct ch_json_wr *j, const char *name, const char *s)
{
	ch_json_name(j, name);
	if (s != NULL)
		ch_json_put_str(j, s);
	else
		ch_json_put_null(j);
}

void ch_json_named_span(struct ch_json_wr *j, const char *name, struct ch_span s)
{
	ch_json_name(j, name);
	ch_json_put_span(j, s);
}

void ch_json_named_hex(struct ch_json_wr *j, const char *name, struct ch_span bytes)
{
	ch_json_name(j, name);
	ch_json_put_hex(j, bytes);
}

void ch_json_named_u64(struct ch_json_wr *j, const char *name, uint64_t v)
{
	ch_json_name(j, name);
	ch_json_put_u64(j, v);
}

void ch_json_named_bool(struct ch_json_wr *j, const char *name, bool v)
{
	ch_json_name(j, name);
	ch_json_put_bool(j, v);
}
