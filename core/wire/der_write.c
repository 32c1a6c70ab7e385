/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/der_write.h"

#define UTC_FIRST (-631152000) /* 1950-01-01T00:00:00Z */
#define UTC_END   2524608000   /* 2050-01-01T00:00:00Z */

/* Length octets in their shortest form (10.1); lengths of 2^32 and more do not occur. */
static size_t length_put(uint8_t out[static 5], size_t n)
{
	size_t count = 0;
	if (n < 0x80) {
		out[0] = (uint8_t)n;
		return 1;
	}
	for (size_t v = n; v != 0; v >>= 8)
		count++;
	out[0] = (uint8_t)(0x80 | count);
	for (size_t i = 0; i < count; i++)
		out[1 + i] = (uint8_t)(n >> (8 * (count - 1 - i)));
	return 1 + count;
}

void ch_der_put_begin(struct ch_der_wr *d, uint8_t tag)
{
	ch_wr_u8(d->w, tag);
	if (d->depth == CH_DER_DEPTH_MAX || d->w->flush != NULL) {
		d->w->bad = true;
		return;
	}
	d->at[d->depth++] = d->w->len;
	ch_wr_u8(d->w, 0);
}

void ch_der_put_end(struct ch_der_wr *d)
{
	uint8_t length[5] = { 0 };
	struct ch_wr *w = d->w;
	if (w->bad || d->depth == 0) {
		w->bad = true;
		return;
	}
	size_t at = d->at[--d->depth];
	size_t n = w->len - at - 1;
	size_t more = n > 0xffffffff ? SIZE_MAX : length_put(length, n) - 1;
	if (more > w->cap - w->len) {
		w->bad = true;
		return;
	}
	/* One octet was left for the length; longer ones push the contents back. */
	for (size_t i = w->len; more > 0 && i > at + 1; i--)
		w->p[i - 1 + more] = w->p[i - 1];
	for (size_t i = 0; i <= more; i++)
		w->p[at + i] = length[i];
	w->len += more;
}

bool ch_der_wr_done(const struct ch_der_wr *d)
{
	return !d->w->bad && d->depth == 0;
}

void ch_der_put(struct ch_der_wr *d, uint8_t tag, struct ch_span contents)
{
	uint8_t length[5];
	if (contents.n > 0xffffffff)
		d->w->bad = true;
	ch_wr_u8(d->w, tag);
	ch_wr_put(d->w, ch_span(length, length_put(length, contents.n)));
	ch_wr_put(d->w, contents);
}

void ch_der_put_raw(struct ch_der_wr *d, struct ch_span whole)
{
	ch_wr_put(d->w, whole);
}

void ch_der_put_unsigned(struct ch_der_wr *d, struct ch_span number)
{
	while (number.n > 0 && number.p[0] == 0)
		number = ch_span_sub(number, 1, number.n - 1);
	ch_der_put_begin(d, CH_DER_INTEGER);
	if (number.n == 0 || (number.p[0] & 0x80) != 0)
		ch_wr_u8(d->w, 0);
	ch_wr_put(d->w, number);
	ch_der_put_end(d);
}

void ch_der_put_small(struct ch_der_wr *d, uint32_t v)
{
	const uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
	ch_der_put_unsigned(d, CH_SPAN_OF(b));
}

void ch_der_put_boolean(struct ch_der_wr *d, bool v)
{
	ch_der_put(d, CH_DER_BOOLEAN, v ? CH_SPAN_LIT("\xff") : CH_SPAN_LIT("\x00"));
}

void ch_der_put_bits(struct ch_der_wr *d, struct ch_span bytes)
{
	ch_der_put_begin(d, CH_DER_BIT_STRING);
	ch_wr_u8(d->w, 0);
	ch_wr_put(d->w, bytes);
	ch_der_put_end(d);
}

void ch_der_put_named_bits(struct ch_der_wr *d, uint16_t bits)
{
	uint8_t out[3] = { 0 };
	size_t last = 0; /* named bits up to the last one that is set */
	for (size_t i = 0; i < 16; i++) {
		if ((bits >> i & 1) == 0)
			continue;
		out[1 + i / 8] |= (uint8_t)(0x80 >> i % 8);
		last = i + 1;
	}
	size_t bytes = (last + 7) / 8;
	out[0] = (uint8_t)(bytes * 8 - last);
	ch_der_put(d, CH_DER_BIT_STRING, ch_span(out, 1 + bytes));
}

/* "YYYYMMDDHHMMSSZ" */
static bool general_time(uint8_t digits[static 15], int64_t seconds)
{
	uint8_t text[32];
	struct ch_wr w = ch_wr(text, sizeof(text));
	size_t n = 0;
	ch_time_put(&w, seconds);
	for (size_t i = 0; i < w.len && n < 14; i++) {
		if (text[i] >= '0' && text[i] <= '9')
			digits[n++] = text[i];
	}
	digits[14] = 'Z';
	return n == 14;
}

void ch_der_put_time(struct ch_der_wr *d, int64_t seconds)
{
	uint8_t digits[15];
	if (!general_time(digits, seconds)) {
		d->w->bad = true;
		return;
	}
	bool utc = seconds >= UTC_FIRST && seconds < UTC_END;
	ch_der_put(d, utc ? CH_DER_UTC_TIME : CH_DER_GENERAL_TIME, utc ? ch_span(digits + 2, 13) : CH_SPAN_OF(digits));
}

void ch_der_put_general_time(struct ch_der_wr *d, int64_t seconds)
{
	uint8_t digits[15];
	if (!general_time(digits, seconds)) {
		d->w->bad = true;
		return;
	}
	ch_der_put(d, CH_DER_GENERAL_TIME, CH_SPAN_OF(digits));
}
