/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"

size_t ch_utf8_decode(struct ch_span s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	if (s.n == 0)
		return 0;
	uint8_t b = s.p[0];
	if (b < 0x80) {
		*code = b;
		return 1;
	}
	size_t n = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2;
	if (b < 0xc2 || b > 0xf4 || s.n < n)
		return 0;
	uint32_t v = b & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (s.p[i] & 0x3fU);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	*code = v;
	return n;
}

bool ch_utf8_valid(struct ch_span s)
{
	while (s.n > 0) {
		uint32_t code;
		size_t n = ch_utf8_decode(s, &code);
		if (n == 0)
			return false;
		s = ch_span(s.p + n, s.n - n);
	}
	return true;
}

void ch_utf8_put(struct ch_wr *w, uint32_t code)
{
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		code = 0xfffd;
	if (code < 0x80) {
		ch_wr_u8(w, (uint8_t)code);
		return;
	}
	size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	ch_wr_u8(w, (uint8_t)(lead[n] | code >> (6 * (n - 1))));
	for (size_t i = n - 1; i > 0; i--)
		ch_wr_u8(w, (uint8_t)(0x80 | (code >> (6 * (i - 1)) & 0x3f)));
}

bool ch_text_shown(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f))
		return false;
	return c != 0xfeff && c != 0xad && c != 0x61c && (c & 0xfffe) != 0xfffe && (c < 0xe0000 || c >= 0xe0080);
}

void ch_text_escape(struct ch_wr *w, struct ch_span s)
{
	static const char digit[] = "0123456789abcdef";
	while (s.n > 0) {
		uint32_t code = 0;
		size_t n = ch_utf8_decode(s, &code);
		if (n != 0 && code != '\\' && ch_text_shown(code)) {
			ch_wr_put(w, ch_span(s.p, n));
		} else if (n > 1) {
			ch_wr_str(w, "\\u{");
			for (int shift = 20; shift >= 0; shift -= 4) {
				if (code >> shift != 0)
					ch_wr_u8(w, (uint8_t)digit[code >> shift & 15]);
			}
			ch_wr_u8(w, '}');
		} else {
			n = 1;
			ch_wr_str(w, s.p[0] == '\\' ? "\\\\" : "\\x");
			if (s.p[0] != '\\')
				ch_wr_hex(w, ch_span(s.p, 1));
		}
		s = ch_span(s.p + n, s.n - n);
	}
}

uint32_t ch_utf16le_next(struct ch_rd *r)
{
	uint32_t c = ch_rd_le16(r);
	if (c < 0xd800 || c > 0xdfff)
		return c;
	struct ch_rd ahead = *r;
	uint32_t low = ch_rd_left(r) >= 2 ? ch_rd_le16(&ahead) : 0;
	if (c > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	*r = ahead;
	return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

void ch_utf16le_put(struct ch_wr *w, struct ch_span s)
{
	struct ch_rd r = ch_rd(s);
	while (ch_rd_left(&r) >= 2) {
		uint32_t c = ch_utf16le_next(&r);
		if (c == 0)
			return;
		ch_utf8_put(w, c);
	}
}

void ch_utf16le_escape(struct ch_wr *w, struct ch_span s)
{
	struct ch_rd r = ch_rd(s);
	while (ch_rd_left(&r) >= 2) {
		uint8_t utf8[4];
		struct ch_wr one = ch_wr(utf8, sizeof(utf8));
		uint32_t c = ch_utf16le_next(&r);
		if (c == 0)
			return;
		ch_utf8_put(&one, c);
		ch_text_escape(w, ch_wr_span(&one));
	}
}

/* 0 to 15, or something above. */
static unsigned hex_value(uint8_t c)
{
	unsigned digit = (unsigned)c - '0';
	unsigned letter = ((unsigned)c | 0x20) - 'a';
	return digit <= 9 ? digit : letter <= 5 ? letter + 10 : 16;
}

enum ch_err ch_hex_decode(uint8_t *to, size_t n, struct ch_span hex)
{
	if (hex.n % 2 != 0 || hex.n / 2 != n)
		return CH_ERR_RANGE;
	for (size_t i = 0; i < n; i++) {
		unsigned hi = hex_value(hex.p[2 * i]);
		unsigned lo = hex_value(hex.p[2 * i + 1]);
		if ((hi | lo) > 15)
			return CH_ERR_ENCODING;
		to[i] = (uint8_t)(hi << 4 | lo);
	}
	return CH_OK;
}
