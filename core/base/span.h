/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BASE_SPAN_H
#define CH_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed, read-only bytes. Lives no longer than the memory it points into. `p` may be NULL only if `n` is 0. */
struct ch_span {
	const uint8_t *p;
	size_t n;
};

#define CH_SPAN_EMPTY ((struct ch_span){ NULL, 0 })
/* A span over an array, or over a string literal without its NUL. */
#define CH_SPAN_OF(a)  ((struct ch_span){ (const uint8_t *)(a), sizeof(a) })
#define CH_SPAN_LIT(s) ((struct ch_span){ (const uint8_t *)("" s), sizeof(s) - 1 })

#define CH_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* A span over `n` bytes at `p`. */
static inline struct ch_span ch_span(const void *p, size_t n)
{
	return (struct ch_span){ (const uint8_t *)p, n };
}

/* A span over a C string, without its NUL. */
struct ch_span ch_span_str(const char *s);

/* Bytes off..off+n of `s`; empty if they are not all there. */
struct ch_span ch_span_sub(struct ch_span s, size_t off, size_t n);

/* Equality in variable time: for public values only. */
bool ch_span_eq(struct ch_span a, struct ch_span b);
bool ch_span_starts(struct ch_span s, struct ch_span prefix);
/* True if every byte of `s` is `b`; true for an empty span. */
bool ch_span_all(struct ch_span s, uint8_t b);

/* Equality in time that depends on the lengths only: for secrets, nonces and MACs. */
bool ch_ct_eq(struct ch_span a, struct ch_span b);

/* Copies min(cap, s.n) bytes of `s` to `to` and returns that number. */
size_t ch_span_copy(void *to, size_t cap, struct ch_span s);

/* Overwrites memory so that the compiler cannot drop it. */
void ch_wipe(void *p, size_t n);

#endif
