/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/body.h"

#include "core/wire/base64.h"

#define ALIGN_SLACK 1024 /* pieces of the arena are aligned: one a string, at most as many as there are nodes */

size_t ch_body_arena_size(size_t n)
{
	return (size_t)CH_BODY_NODES_MAX * 16 + n + ALIGN_SLACK;
}

static enum ch_err fails(struct ch_body_fault *fault, enum ch_err err, const char *member, size_t off, const char *rule)
{
	*fault = (struct ch_body_fault){ member, rule, off };
	return err;
}

enum ch_err ch_body_parse(struct ch_body *b, struct ch_span body, struct ch_arena *arena, struct ch_body_fault *fault)
{
	struct ch_diag d;
	*fault = (struct ch_body_fault){ NULL, NULL, 0 };
	b->arena = arena;
	enum ch_err err = ch_json_parse(&b->json, body, b->node, CH_BODY_NODES_MAX, &d);
	if (err == CH_ERR_NOSPACE)
		return fails(fault, CH_ERR_LIMIT, NULL, d.off, "the body has more values than any body of this API");
	if (err != CH_OK)
		return fails(fault, err, NULL, d.off, d.rule != NULL ? d.rule : "the body is not JSON (RFC 8259)");
	if (ch_json_type(&b->json, 0) != CH_JSON_OBJECT)
		return fails(fault, CH_ERR_MALFORMED, NULL, 0, "the body is not a JSON object");
	return CH_OK;
}

/* --- one value of each kind --- */

enum ch_err ch_body_bytes(struct ch_body *b, size_t i, size_t max, struct ch_span *to)
{
	struct ch_span text;
	*to = CH_SPAN_EMPTY;
	/* Base64 needs no escape, so a text with one is not the only form. */
	if (ch_json_type(&b->json, i) != CH_JSON_STRING)
		return CH_ERR_MALFORMED;
	text = ch_json_raw(&b->json, i);
	size_t n = 0;
	if (text.n / 4 > max / 3 + 1)
		return CH_ERR_LIMIT;
	size_t cap = ch_base64_decoded_max(text.n);
	uint8_t *room = ch_arena_take(b->arena, text.n / 4 * 3 + 3, 1);
	if (room == NULL)
		return CH_ERR_NOSPACE;
	enum ch_err err = ch_base64_decode(CH_BASE64_URL, text, room, cap, &n, NULL);
	if (err != CH_OK)
		return err;
	if (n > max)
		return CH_ERR_LIMIT;
	*to = ch_span(room, n);
	return CH_OK;
}

static enum ch_err read_text(struct ch_body *b, size_t i, size_t max, struct ch_span *to)
{
	struct ch_span raw = ch_json_raw(&b->json, i);
	uint8_t *room = ch_arena_take(b->arena, raw.n + 1, 1);
	struct ch_span value;
	if (room == NULL)
		return CH_ERR_NOSPACE;
	enum ch_err err = ch_json_str(&b->json, i, room, raw.n, &value);
	if (err != CH_OK)
		return err;
	if (value.n > max)
		return CH_ERR_LIMIT;
	if (value.p != room)
		(void)ch_span_copy(room, raw.n, value); /* the body goes away before what was read */
	*to = ch_span(room, value.n);
	return CH_OK;
}

static enum ch_err read_bool(const struct ch_json *j, size_t i, bool *to)
{
	enum ch_json_type type = ch_json_type(j, i);
	if (type != CH_JSON_TRUE && type != CH_JSON_FALSE)
		return CH_ERR_MALFORMED;
	*to = type == CH_JSON_TRUE;
	return CH_OK;
}

static const char *const wanted[] = {
	[CH_BODY_BYTES] = "must be base64url without padding (RFC 4648, 5), not too long",
	[CH_BODY_TEXT] = "must be a string, not too long",
	[CH_BODY_HEX] = "must be a string of that many hexadecimal digits",
	[CH_BODY_U64] = "must be a whole number that is not negative",
	[CH_BODY_BOOL] = "must be true or false",
	[CH_BODY_VALUE] = "",
};

static enum ch_err read_one(struct ch_body *b, size_t i, const struct ch_body_field *f, uint8_t *to)
{
	switch (f->kind) {
	case CH_BODY_BYTES:
		return ch_body_bytes(b, i, f->max, (struct ch_span *)(void *)to);
	case CH_BODY_TEXT:
		return read_text(b, i, f->max, (struct ch_span *)(void *)to);
	case CH_BODY_HEX:
		return ch_json_hex(&b->json, i, to, f->max);
	case CH_BODY_U64:
		return ch_json_u64(&b->json, i, (uint64_t *)(void *)to);
	case CH_BODY_BOOL:
		return read_bool(&b->json, i, (bool *)(void *)to);
	case CH_BODY_VALUE:
		break;
	}
	*(size_t *)(void *)to = i;
	return CH_OK;
}

/* --- members --- */

static size_t row_of(const struct ch_json *j, size_t name, const struct ch_body_field *field, size_t count)
{
	size_t i = 0;
	while (i < count && !ch_json_str_eq(j, name, field[i].name))
		i++;
	return i;
}

enum ch_err ch_body_read(struct ch_body *b, size_t object, const struct ch_body_field *field, size_t count, void *to,
			 struct ch_body_fault *fault)
{
	const struct ch_json *j = &b->json;
	uint32_t there = 0, seen = 0; /* a null is there, and says nothing */
	*fault = (struct ch_body_fault){ NULL, NULL, 0 };
	for (size_t i = 0; i < count; i++) {
		if (field[i].kind == CH_BODY_VALUE)
			*(size_t *)(void *)((uint8_t *)to + field[i].at) = CH_JSON_NONE;
	}
	if (ch_json_type(j, object) != CH_JSON_OBJECT)
		return fails(fault, CH_ERR_MALFORMED, NULL, j->node[object].off, "this must be an object");
	for (size_t name = ch_json_first(j, object); name != CH_JSON_NONE;) {
		size_t value = ch_json_next(j, object, name);
		size_t row = row_of(j, name, field, count);
		if (row == count)
			return fails(fault, CH_ERR_UNKNOWN, NULL, j->node[name].off, "no such member is known here");
		if ((there >> row & 1) != 0)
			return fails(fault, CH_ERR_DUPLICATE, field[row].name, j->node[name].off, "is there twice");
		there |= (uint32_t)1 << row;
		if (ch_json_type(j, value) != CH_JSON_NULL) {
			enum ch_err err = read_one(b, value, &field[row], (uint8_t *)to + field[row].at);
			if (err != CH_OK)
				return fails(fault, err, field[row].name, j->node[value].off, wanted[field[row].kind]);
			seen |= (uint32_t)1 << row;
		}
		name = ch_json_next(j, object, value);
	}
	for (size_t i = 0; i < count; i++) {
		if (field[i].needed && (seen >> i & 1) == 0)
			return fails(fault, CH_ERR_MISSING, field[i].name, j->node[object].off, "is missing");
	}
	return CH_OK;
}
