/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/wr.h"

#include <string.h>

void ch_wr_flush(struct ch_wr *w)
{
	if (w->bad || w->flush == NULL || w->len == 0)
		return;
	if (!w->flush(w->ctx, ch_span(w->p, w->len)))
		w->bad = true;
	w->len = 0;
}

void ch_wr_put(struct ch_wr *w, struct ch_span s)
{
	while (!w->bad && s.n > 0) {
		size_t room = w->cap - w->len;
		if (room == 0 && w->flush != NULL && w->cap > 0) {
			ch_wr_flush(w);
			continue;
		}
		if (s.n > room && w->flush == NULL) {
			w->bad = true;
			return;
		}
		if (room == 0) {
			w->bad = true;
			return;
		}
		size_t n = s.n < room ? s.n : room;
		memcpy(w->p + w->len, s.p, n);
		w->len += n;
		s = ch_span(s.p + n, s.n - n);
	}
}

void ch_wr_u8(struct ch_wr *w, uint8_t v)
{
	if (!w->bad && w->len < w->cap)
		w->p[w->len++] = v;
	else
		ch_wr_put(w, ch_span(&v, 1));
}

void ch_wr_be16(struct ch_wr *w, uint16_t v)
{
	const uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };
	ch_wr_put(w, CH_SPAN_OF(b));
}

void ch_wr_be32(struct ch_wr *w, uint32_t v)
{
	ch_wr_be16(w, (uint16_t)(v >> 16));
	ch_wr_be16(w, (uint16_t)v);
}

void ch_wr_be64(struct ch_wr *w, uint64_t v)
{
	ch_wr_be32(w, (uint32_t)(v >> 32));
	ch_wr_be32(w, (uint32_t)v);
}

void ch_wr_le16(struct ch_wr *w, uint16_t v)
{
	const uint8_t b[2] = { (uint8_t)v, (uint8_t)(v >> 8) };
	ch_wr_put(w, CH_SPAN_OF(b));
}

void ch_wr_le32(struct ch_wr *w, uint32_t v)
{
	ch_wr_le16(w, (uint16_t)v);
	ch_wr_le16(w, (uint16_t)(v >> 16));
}

void ch_wr_le64(struct ch_wr *w, uint64_t v)
{
	ch_wr_le32(w, (uint32_t)v);
	ch_wr_le32(w, (uint32_t)(v >> 32));
}

void ch_wr_str(struct ch_wr *w, const char *s)
{
	ch_wr_put(w, ch_span_str(s));
}

void ch_wr_dec(struct ch_wr *w, uint64_t v)
{
	uint8_t digit[20];
	size_t at = sizeof(digit);
	do {
		digit[--at] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	ch_wr_put(w, ch_span(digit + at, sizeof(digit) - at));
}

void ch_wr_int(struct ch_wr *w, int64_t v)
{
	if (v < 0)
		ch_wr_u8(w, '-');
	ch_wr_dec(w, v < 0 ? (uint64_t)0 - (uint64_t)v : (uint64_t)v);
}

void ch_wr_hex(struct ch_wr *w, struct ch_span s)
{
	static const char digit[] = "0123456789abcdef";
	for (size_t i = 0; i < s.n; i++) {
		ch_wr_u8(w, (uint8_t)digit[s.p[i] >> 4]);
		ch_wr_u8(w, (uint8_t)digit[s.p[i] & 15]);
	}
}
