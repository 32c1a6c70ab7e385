/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BASE_ARENA_H
#define CH_BASE_ARENA_H

#include "core/base/span.h"

/* Hands out pieces of the caller's memory, in order, never returned one by one. */
struct ch_arena {
	uint8_t *p;
	size_t cap;
	size_t used;
};

static inline struct ch_arena ch_arena(void *p, size_t cap)
{
	return (struct ch_arena){ .p = (uint8_t *)p, .cap = cap };
}

/* `count` zeroed objects of `size` bytes, aligned for any object; NULL if they do not fit. A count of 0 gives a valid pointer. */
void *ch_arena_take(struct ch_arena *a, size_t count, size_t size);

#endif
