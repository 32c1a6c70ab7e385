/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/span.h"

#include <string.h>

struct ch_span ch_span_str(const char *s)
{
	return ch_span(s, strlen(s));
}

struct ch_span ch_span_sub(struct ch_span s, size_t off, size_t n)
{
	if (off > s.n || n > s.n - off || s.p == NULL)
		return CH_SPAN_EMPTY;
	return ch_span(s.p + off, n);
}

bool ch_span_eq(struct ch_span a, struct ch_span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool ch_span_starts(struct ch_span s, struct ch_span prefix)
{
	return s.n >= prefix.n && ch_span_eq(ch_span(s.p, prefix.n), prefix);
}

bool ch_span_all(struct ch_span s, uint8_t b)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != b)
			return false;
	}
	return true;
}

bool ch_ct_eq(struct ch_span a, struct ch_span b)
{
	if (a.n != b.n)
		return false;
	volatile uint8_t diff = 0;
	for (size_t i = 0; i < a.n; i++)
		diff |= (uint8_t)(a.p[i] ^ b.p[i]);
	return diff == 0;
}

size_t ch_span_copy(void *to, size_t cap, struct ch_span s)
{
	size_t n = s.n < cap ? s.n : cap;
	if (n > 0)
		memcpy(to, s.p, n);
	return n;
}

void ch_wipe(void *p, size_t n)
{
	if (n == 0)
		return;
	memset(p, 0, n);
	/* Whoever reads assembly may read the memory: so the compiler keeps the writes. */
	__asm__ volatile("" : : "r"(p) : "memory");
}
