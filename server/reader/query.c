/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/ask.h"

#define PARAMS_MAX 16

bool ch_ask_number(struct ch_span s, uint64_t *v)
{
	*v = 0;
	if (s.n == 0 || s.n > 19)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*v = *v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return *v <= INT64_MAX;
}

uint64_t ch_ask_limit(uint64_t limit)
{
	return limit == 0 ? CH_READER_LIST : limit < CH_READER_LISTMAX ? limit : CH_READER_LISTMAX;
}

/* Words that we give: no percent-encoding is needed, so none is taken. */
static bool is_word(struct ch_span s)
{
	return ch_name_valid(s);
}

/* Up to `end` or the end of `s`; moves *off behind it. */
static struct ch_span upto(struct ch_span s, size_t *off, uint8_t end)
{
	size_t from = *off;
	while (*off < s.n && s.p[*off] != end)
		(*off)++;
	struct ch_span part = ch_span_sub(s, from, *off - from);
	if (*off < s.n)
		(*off)++;
	return part;
}

static const char *param(const struct ch_param *row, size_t count, uint32_t *seen, struct ch_span pair)
{
	size_t off = 0;
	struct ch_span name = upto(pair, &off, '=');
	struct ch_span value = ch_span_sub(pair, off, pair.n - off);
	for (size_t i = 0; i < count; i++) {
		if (!ch_span_eq(name, ch_span_str(row[i].name)))
			continue;
		if ((*seen >> i & 1) != 0)
			return "a parameter is there twice";
		*seen |= 1u << i;
		if (row[i].kind == CH_PARAM_NUMBER)
			return ch_ask_number(value, row[i].to) ? NULL : "a parameter is no decimal number";
		*(struct ch_span *)row[i].to = value;
		return is_word(value) ? NULL : "a parameter is no word of a-z 0-9 - _ .";
	}
	return "a parameter that this page does not know";
}

bool ch_ask_params(struct ch_ask *a, const struct ch_param *row, size_t count)
{
	uint32_t seen = 0;
	size_t off = 0;
	const char *rule = NULL;
	for (size_t n = 0; rule == NULL && off < a->m->query.n; n++)
		rule = n < PARAMS_MAX ? param(row, count, &seen, upto(a->m->query, &off, '&')) : "too many parameters";
	if (rule != NULL)
		ch_ask_refuse(a, 400, "query", rule);
	return rule == NULL;
}
