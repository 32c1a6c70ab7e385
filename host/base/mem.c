/* SPDX-License-Identifier: Apache-2.0 */
#include "host/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
	fputs("chainhold: out of memory\n", stderr);
	abort();
}

void *ch_calloc(size_t count, size_t size)
{
	void *p = calloc(count != 0 ? count : 1, size != 0 ? size : 1);
	if (p == NULL)
		out_of_memory();
	return p;
}

void *ch_realloc(void *p, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory();
	p = realloc(p, bytes != 0 ? bytes : 1);
	if (p == NULL)
		out_of_memory();
	return p;
}

void ch_free(void *p)
{
	free(p);
}

uint8_t *ch_buf_room(struct ch_buf *b, size_t n)
{
	if (n > b->cap - b->n) {
		size_t need;
		if (__builtin_add_overflow(b->n, n, &need))
			out_of_memory();
		b->cap = need < b->cap * 2 ? b->cap * 2 : need;
		b->p = ch_realloc(b->p, b->cap, 1);
	}
	return b->p + b->n;
}

void ch_buf_append(struct ch_buf *b, struct ch_span s)
{
	if (s.n == 0)
		return;
	uint8_t *to = ch_buf_room(b, s.n);
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	b->n += s.n;
}

void ch_buf_drop(struct ch_buf *b, size_t n)
{
	if (n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void ch_buf_free(struct ch_buf *b)
{
	ch_free(b->p);
	*b = (struct ch_buf){ 0 };
}
