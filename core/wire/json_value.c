/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/json.h"

#include "core/base/text.h"

#include <string.h>

static bool is_type(const struct ch_json *j, size_t i, enum ch_json_type type)
{
	return i < j->count && j->node[i].type == type;
}

size_t ch_json_first(const struct ch_json *j, size_t parent)
{
	if (!is_type(j, parent, CH_JSON_ARRAY) && !is_type(j, parent, CH_JSON_OBJECT))
		return CH_JSON_NONE;
	return j->node[parent].next > parent + 1 ? parent + 1 : CH_JSON_NONE;
}

size_t ch_json_next(const struct ch_json *j, size_t parent, size_t i)
{
	if (i >= j->count || parent >= j->count || j->node[i].next >= j->node[parent].next)
		return CH_JSON_NONE;
	return j->node[i].next;
}

size_t ch_json_count(const struct ch_json *j, size_t parent)
{
	size_t n = 0;
	for (size_t i = ch_json_first(j, parent); i != CH_JSON_NONE; i = ch_json_next(j, parent, i))
		n++;
	return is_type(j, parent, CH_JSON_OBJECT) ? n / 2 : n;
}

enum ch_err ch_json_member(const struct ch_json *j, size_t object, const char *name, size_t *value)
{
	*value = CH_JSON_NONE;
	if (!is_type(j, object, CH_JSON_OBJECT))
		return CH_ERR_NOTFOUND;
	size_t found = CH_JSON_NONE;
	for (size_t i = ch_json_first(j, object); i != CH_JSON_NONE; i = ch_json_next(j, object, i + 1)) {
		if (!ch_json_str_eq(j, i, name))
			continue;
		if (found != CH_JSON_NONE)
			return CH_ERR_DUPLICATE;
		found = i + 1;
	}
	*value = found;
	return found == CH_JSON_NONE ? CH_ERR_NOTFOUND : CH_OK;
}

struct ch_span ch_json_raw(const struct ch_json *j, size_t i)
{
	return i < j->count ? ch_span(j->in.p + j->node[i].off, j->node[i].len) : CH_SPAN_EMPTY;
}

bool ch_json_str_eq(const struct ch_json *j, size_t i, const char *s)
{
	if (!is_type(j, i, CH_JSON_STRING))
		return false;
	struct ch_span want = ch_span_str(s);
	if (!j->node[i].escaped)
		return ch_span_eq(ch_json_raw(j, i), want);
	struct ch_rd raw = ch_rd(ch_json_raw(j, i));
	struct ch_rd left = ch_rd(want);
	uint32_t code;
	while (ch_json_char(&raw, &code)) {
		uint8_t utf8[4];
		struct ch_wr w = ch_wr(utf8, sizeof(utf8));
		ch_utf8_put(&w, code);
		if (!ch_span_eq(ch_rd_take(&left, w.len), ch_wr_span(&w)))
			return false;
	}
	return ch_rd_done(&raw) && ch_rd_done(&left);
}

/* Bytes before the next escape. */
static size_t plain_len(const struct ch_rd *raw)
{
	const uint8_t *p = raw->in.p + raw->off;
	const uint8_t *escape = memchr(p, '\\', ch_rd_left(raw));
	return escape != NULL ? (size_t)(escape - p) : ch_rd_left(raw);
}

enum ch_err ch_json_str(const struct ch_json *j, size_t i, void *buf, size_t cap, struct ch_span *value)
{
	*value = CH_SPAN_EMPTY;
	if (!is_type(j, i, CH_JSON_STRING))
		return CH_ERR_MALFORMED;
	if (!j->node[i].escaped) {
		*value = ch_json_raw(j, i);
		return CH_OK;
	}
	struct ch_rd raw = ch_rd(ch_json_raw(j, i));
	struct ch_wr w = ch_wr(buf, cap);
	while (ch_rd_left(&raw) > 0) {
		uint32_t code;
		ch_wr_put(&w, ch_rd_take(&raw, plain_len(&raw)));
		if (ch_json_char(&raw, &code))
			ch_utf8_put(&w, code);
	}
	if (raw.bad)
		return CH_ERR_ENCODING;
	if (w.bad)
		return CH_ERR_NOSPACE;
	*value = ch_wr_span(&w);
	return CH_OK;
}

/* The magnitude of an integer; what its sign allows is left to the caller. */
static enum ch_err magnitude(const struct ch_json *j, size_t i, bool *negative, uint64_t *value)
{
	struct ch_span s = ch_json_raw(j, i);
	uint64_t v = 0;
	bool fits = true;
	if (!is_type(j, i, CH_JSON_NUMBER))
		return CH_ERR_MALFORMED;
	*negative = s.p[0] == '-';
	for (size_t k = *negative; k < s.n; k++) {
		uint64_t digit = (uint64_t)s.p[k] - '0';
		if (digit > 9)
			return CH_ERR_MALFORMED;
		fits = fits && (v < UINT64_MAX / 10 || (v == UINT64_MAX / 10 && digit <= UINT64_MAX % 10));
		v = v * 10 + digit;
	}
	*value = v;
	return fits ? CH_OK : CH_ERR_RANGE;
}

enum ch_err ch_json_u64(const struct ch_json *j, size_t i, uint64_t *value)
{
	bool negative = false;
	uint64_t v = 0;
	*value = 0;
	enum ch_err err = magnitude(j, i, &negative, &v);
	if (err != CH_OK)
		return err;
	if (negative && v != 0)
		return CH_ERR_RANGE;
	*value = v;
	return CH_OK;
}

enum ch_err ch_json_i64(const struct ch_json *j, size_t i, int64_t *value)
{
	bool negative = false;
	uint64_t v = 0;
	*value = 0;
	enum ch_err err = magnitude(j, i, &negative, &v);
	if (err != CH_OK)
		return err;
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return CH_ERR_RANGE;
	if (!negative)
		*value = (int64_t)v;
	else
		*value = v == 0 ? 0 : -(int64_t)(v - 1) - 1;
	return CH_OK;
}

enum ch_err ch_json_hex(const struct ch_json *j, size_t i, uint8_t *to, size_t n)
{
	enum ch_err err = CH_ERR_MALFORMED;
	if (is_type(j, i, CH_JSON_STRING))
		err = ch_hex_decode(to, n, ch_json_raw(j, i));
	for (size_t k = 0; err != CH_OK && k < n; k++)
		to[k] = 0;
	return err;
}

void ch_json_position(struct ch_span in, size_t off, size_t *line, size_t *column)
{
	*line = 1;
	*column = 1;
	for (size_t i = 0; i < off && i < in.n; i++) {
		bool ends = in.p[i] == '\n' || (in.p[i] == '\r' && (i + 1 == in.n || in.p[i + 1] != '\n'));
		*line += ends;
		*column = ends ? 1 : *column + 1;
	}
}
