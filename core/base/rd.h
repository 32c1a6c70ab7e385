/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BASE_RD_H
#define CH_BASE_RD_H

#include "core/base/span.h"

/*
 * The one reader. Every read is total: on shortage it sets the sticky `bad`, returns zero or an empty span, and leaves the
 * cursor where it was. A parser reads like the format it parses and asks once, at the end, with ch_rd_done().
 */
struct ch_rd {
	struct ch_span in;
	size_t off;
	bool bad;
};

static inline struct ch_rd ch_rd(struct ch_span in)
{
	return (struct ch_rd){ in, 0, false };
}

/* Bytes not yet read; 0 after a failure. */
static inline size_t ch_rd_left(const struct ch_rd *r)
{
	return r->bad ? 0 : r->in.n - r->off;
}

/* Takes n bytes. On shortage: sticky `bad`, empty span, cursor unmoved. */
static inline struct ch_span ch_rd_take(struct ch_rd *r, size_t n)
{
	if (r->bad || n > r->in.n - r->off) {
		r->bad = true;
		return CH_SPAN_EMPTY;
	}
	struct ch_span s = { n != 0 ? r->in.p + r->off : r->in.p, n };
	r->off += n;
	return s;
}

/* Takes all that is left. */
static inline struct ch_span ch_rd_rest(struct ch_rd *r)
{
	return ch_rd_take(r, ch_rd_left(r));
}

static inline uint8_t ch_rd_u8(struct ch_rd *r)
{
	struct ch_span s = ch_rd_take(r, 1);
	return s.n == 1 ? s.p[0] : 0;
}

static inline uint16_t ch_rd_be16(struct ch_rd *r)
{
	struct ch_span s = ch_rd_take(r, 2);
	return s.n == 2 ? (uint16_t)(s.p[0] << 8 | s.p[1]) : 0;
}

static inline uint32_t ch_rd_be32(struct ch_rd *r)
{
	struct ch_span s = ch_rd_take(r, 4);
	if (s.n != 4)
		return 0;
	return (uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 | (uint32_t)s.p[2] << 8 | s.p[3];
}

static inline uint64_t ch_rd_be64(struct ch_rd *r)
{
	struct ch_span s = ch_rd_take(r, 8);
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | s.p[i];
	return v;
}

static inline uint16_t ch_rd_le16(struct ch_rd *r)
{
	struct ch_span s = ch_rd_take(r, 2);
	return s.n == 2 ? (uint16_t)(s.p[1] << 8 | s.p[0]) : 0;
}

static inline uint32_t ch_rd_le32(struct ch_rd *r)
{
	struct ch_span s = ch_rd_take(r, 4);
	if (s.n != 4)
		return 0;
	return (uint32_t)s.p[3] << 24 | (uint32_t)s.p[2] << 16 | (uint32_t)s.p[1] << 8 | s.p[0];
}

static inline uint64_t ch_rd_le64(struct ch_rd *r)
{
	struct ch_span s = ch_rd_take(r, 8);
	uint64_t v = 0;
	for (size_t i = s.n; i > 0; i--)
		v = v << 8 | s.p[i - 1];
	return v;
}

/* True only if nothing failed and nothing is left: trailing bytes are an error. */
static inline bool ch_rd_done(const struct ch_rd *r)
{
	return !r->bad && r->off == r->in.n;
}

#endif
