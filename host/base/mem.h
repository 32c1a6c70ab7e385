/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_MEM_H
#define CH_HOST_MEM_H

#include "core/base/span.h"

/*
 * The only allocation of the tree. Memory gone inside every budget ends the process (its supervisor restarts it), so nothing
 * here returns NULL.
 */

/* `count` zeroed objects of `size` bytes; ends the process when there is no memory or the product overflows. */
void *ch_calloc(size_t count, size_t size);
/* Grows or shrinks; new bytes are not zeroed. */
void *ch_realloc(void *p, size_t count, size_t size);
void ch_free(void *p);

static inline void ch_free_cleanup(void *pp)
{
	ch_free(*(void **)pp);
}
#define CH_AUTO_FREE __attribute__((cleanup(ch_free_cleanup)))
/* Hands a pointer over: its variable becomes NULL. */
#define CH_TAKE(p)                       \
	({                               \
		__auto_type take_ = (p); \
		(p) = NULL;              \
		take_;                   \
	})

/* Owned bytes. */
struct ch_buf {
	uint8_t *p;
	size_t n;
	size_t cap;
};
static inline struct ch_span ch_buf_span(const struct ch_buf *b)
{
	return ch_span(b->p, b->n);
}
void ch_buf_append(struct ch_buf *b, struct ch_span s);
/* Room for `n` more bytes behind the last one; the caller fills it and adds to b->n. Valid until the buffer changes. */
uint8_t *ch_buf_room(struct ch_buf *b, size_t n);
/* Drops the first `n` bytes, n <= b->n; the rest moves to the front. */
void ch_buf_drop(struct ch_buf *b, size_t n);
void ch_buf_free(struct ch_buf *b);
#define CH_AUTO_BUF __attribute__((cleanup(ch_buf_free)))

#endif
