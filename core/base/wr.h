/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BASE_WR_H
#define CH_BASE_WR_H

#include "core/base/span.h"

/*
 * The one writer, over the caller's memory. Without `flush` a full buffer sets the sticky `bad` and further bytes are
 * dropped. With `flush` a full buffer is handed over and reused; `flush` returning false sets `bad`.
 */
struct ch_wr {
	uint8_t *p;
	size_t cap;
	size_t len;
	bool bad;
	bool (*flush)(void *ctx, struct ch_span bytes); /* may be NULL */
	void *ctx;
};

static inline struct ch_wr ch_wr(void *p, size_t cap)
{
	return (struct ch_wr){ .p = (uint8_t *)p, .cap = cap };
}

/* Every ch_wr_put either writes all its bytes or sets `bad`. */
void ch_wr_put(struct ch_wr *w, struct ch_span s);
void ch_wr_u8(struct ch_wr *w, uint8_t v);
void ch_wr_be16(struct ch_wr *w, uint16_t v);
void ch_wr_be32(struct ch_wr *w, uint32_t v);
void ch_wr_be64(struct ch_wr *w, uint64_t v);
void ch_wr_le16(struct ch_wr *w, uint16_t v);
void ch_wr_le32(struct ch_wr *w, uint32_t v);
void ch_wr_le64(struct ch_wr *w, uint64_t v);
/* A C string without its NUL. */
void ch_wr_str(struct ch_wr *w, const char *s);
/* Decimal digits of v. */
void ch_wr_dec(struct ch_wr *w, uint64_t v);
void ch_wr_int(struct ch_wr *w, int64_t v);
/* Two lower-case hexadecimal digits a byte. */
void ch_wr_hex(struct ch_wr *w, struct ch_span s);
/* Hands what is buffered to `flush`; without `flush` nothing happens. */
void ch_wr_flush(struct ch_wr *w);

/* What was written (and not flushed). Empty after a failure. */
static inline struct ch_span ch_wr_span(const struct ch_wr *w)
{
	return w->bad ? CH_SPAN_EMPTY : ch_span(w->p, w->len);
}

#endif
