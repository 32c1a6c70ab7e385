/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/arena.h"

#include <stdalign.h>
#include <string.h>

void *ch_arena_take(struct ch_arena *a, size_t count, size_t size)
{
	const size_t align = alignof(max_align_t);
	uintptr_t at = (uintptr_t)(a->p + a->used);
	size_t pad = (align - at % align) % align;
	size_t left = a->cap - a->used;
	if (pad > left || (size != 0 && count > (left - pad) / size))
		return NULL;
	void *p = a->p + a->used + pad;
	memset(p, 0, count * size);
	a->used += pad + count * size;
	return p;
}
