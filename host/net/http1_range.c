/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/http1_range.h"

#define DIGITS_MAX 18

/* Digits off the front; false if there are none, or too many. */
static bool take_number(struct ch_span *s, uint64_t *v)
{
	size_t n = 0;
	*v = 0;
	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9') {
		if (n == DIGITS_MAX)
			return false;
		*v = *v * 10 + (uint64_t)(s->p[n++] - '0');
	}
	*s = ch_span_sub(*s, n, s->n - n);
	return n > 0;
}

/* RFC 9110, 14.1.1 and 14.1.2: "bytes=first-", "bytes=first-last", "bytes=-length"; the unit in any case. */
enum ch_err ch_http_range(struct ch_span value, uint64_t size, uint64_t *from, uint64_t *to)
{
	static const char unit[] = "bytes=";
	uint64_t first = 0, last = 0;
	*from = 0;
	*to = size;
	for (size_t i = 0; i + 1 < sizeof(unit); i++) {
		if (i >= value.n || (uint8_t)(value.p[i] | (unit[i] == '=' ? 0 : 0x20)) != (uint8_t)unit[i])
			return CH_ERR_UNSUPPORTED;
	}
	struct ch_span s = ch_span_sub(value, sizeof(unit) - 1, value.n - (sizeof(unit) - 1));
	bool has_first = take_number(&s, &first);
	if (s.n == 0 || s.p[0] != '-')
		return CH_ERR_UNSUPPORTED;
	s = ch_span_sub(s, 1, s.n - 1);
	bool has_last = take_number(&s, &last);
	if (s.n != 0 || (!has_first && !has_last) || (has_first && has_last && last < first))
		return CH_ERR_UNSUPPORTED;
	if (has_first ? first >= size : last == 0 || size == 0)
		return CH_ERR_RANGE;
	if (!has_first)
		*from = last < size ? size - last : 0;
	else
		*from = first;
	if (has_first && has_last && last < size)
		*to = last + 1;
	return CH_OK;
}

static struct ch_span trim(struct ch_span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == ','))
		s = ch_span_sub(s, 1, s.n - 1);
	return s;
}

bool ch_http_tag_listed(struct ch_span value, struct ch_span tag, bool weak)
{
	struct ch_span s = trim(value);
	if (s.n >= 1 && s.p[0] == '*')
		return s.n == 1;
	while (s.n > 0) {
		bool is_weak = ch_span_starts(s, CH_SPAN_LIT("W/"));
		if (is_weak)
			s = ch_span_sub(s, 2, s.n - 2);
		if (s.n == 0 || s.p[0] != '"')
			return false;
		size_t n = 1;
		while (n < s.n && s.p[n] != '"')
			n++;
		if (n == s.n)
			return false;
		if ((weak || !is_weak) && ch_span_eq(ch_span_sub(s, 0, n + 1), tag))
			return true;
		s = trim(ch_span_sub(s, n + 1, s.n - n - 1));
	}
	return false;
}
