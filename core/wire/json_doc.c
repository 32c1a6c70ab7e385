/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/json_doc.h"

enum ch_err ch_json_doc_refuse(const struct ch_json_doc *t, size_t i, enum ch_err err, const char *rule)
{
	size_t off = i < t->j.count ? t->j.node[i].off : t->j.in.n;
	return ch_fail(t->d, err, off, rule);
}

enum ch_err ch_json_doc_text(const struct ch_json_doc *t, size_t i, struct ch_span *s)
{
	if (ch_json_type(&t->j, i) != CH_JSON_STRING)
		return ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "a string is wanted here");
	if (t->j.node[i].escaped != 0)
		return ch_json_doc_refuse(t, i, CH_ERR_ENCODING, "no string of this document has escapes");
	*s = ch_json_raw(&t->j, i);
	return CH_OK;
}

enum ch_err ch_json_doc_number(const struct ch_json_doc *t, size_t i, uint64_t min, uint64_t max, uint64_t *v)
{
	uint64_t out = 0;
	if (ch_json_u64(&t->j, i, &out) != CH_OK)
		return ch_json_doc_refuse(t, i, CH_ERR_MALFORMED,
					  "a whole number is wanted here, without sign, fraction or exponent");
	if (out < min || out > max)
		return ch_json_doc_refuse(t, i, CH_ERR_RANGE, "the number is too small or too large");
	*v = out;
	return CH_OK;
}

enum ch_err ch_json_doc_type(const struct ch_json_doc *t, size_t i, const char *type, const char *rule)
{
	struct ch_span s;
	enum ch_err err = ch_json_doc_text(t, i, &s);
	if (err == CH_OK && !ch_span_eq(s, ch_span_str(type)))
		err = ch_json_doc_refuse(t, i, CH_ERR_UNSUPPORTED, rule);
	return err;
}

enum ch_err ch_json_doc_list(const struct ch_json_doc *t, size_t i, size_t min, size_t max, ch_json_doc_element *take,
			     void *list, size_t *count)
{
	if (ch_json_type(&t->j, i) != CH_JSON_ARRAY)
		return ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "an array is wanted here");
	*count = 0;
	for (size_t e = ch_json_first(&t->j, i); e != CH_JSON_NONE; e = ch_json_next(&t->j, i, e)) {
		if (*count == max)
			return ch_json_doc_refuse(t, e, CH_ERR_LIMIT,
						  "the list is longer than it may be (core/base/limits.h)");
		enum ch_err err = take(t, e, *count, list);
		if (err != CH_OK)
			return err;
		(*count)++;
	}
	return *count < min ? ch_json_doc_refuse(t, i, CH_ERR_MISSING, "the list is empty") : CH_OK;
}

enum ch_err ch_json_doc_members(const struct ch_json_doc *t, size_t i, const struct ch_json_doc_member *row,
				size_t count, void *to, uint64_t *there)
{
	const struct ch_json *j = &t->j;
	uint64_t seen = 0;
	*there = 0;
	if (ch_json_type(j, i) != CH_JSON_OBJECT)
		return ch_json_doc_refuse(t, i, CH_ERR_MALFORMED, "an object is wanted here");
	for (size_t name = ch_json_first(j, i); name != CH_JSON_NONE; name = ch_json_next(j, i, name + 1)) {
		size_t k = 0;
		while (k < count && (j->node[name].escaped != 0 || !ch_json_str_eq(j, name, row[k].name)))
			k++;
		if (k == count)
			return ch_json_doc_refuse(t, name, CH_ERR_UNKNOWN, "the member is none that this document has");
		if ((seen >> k & 1) != 0)
			return ch_json_doc_refuse(t, name, CH_ERR_DUPLICATE, "the member is there twice");
		seen |= (uint64_t)1 << k;
		enum ch_err err = row[k].take(t, name + 1, to);
		if (err != CH_OK)
			return err;
	}
	*there = seen;
	return CH_OK;
}

enum ch_err ch_json_doc_object(const struct ch_json_doc *t, size_t i, const struct ch_json_doc_member *row,
			       size_t count, void *to)
{
	uint64_t seen;
	enum ch_err err = ch_json_doc_members(t, i, row, count, to, &seen);
	if (err == CH_OK && seen != ((uint64_t)1 << count) - 1)
		err = ch_json_doc_refuse(t, i, CH_ERR_MISSING, "a member of the object is missing");
	return err;
}
