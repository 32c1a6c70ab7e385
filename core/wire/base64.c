/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/base64.h"

#include <string.h>

static const char alphabet[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

static const char *const rule_character = "a character is not of the base64 alphabet (RFC 4648, 3.3)";
static const char *const rule_padding = "base64 padding is missing or stands where none may (RFC 4648, 3.2)";
static const char *const rule_bits = "the unused bits of the last base64 character are not zero (RFC 4648, 3.5)";
static const char *const rule_length = "base64 ends after one character of four (RFC 4648, 4)";
static const char *const rule_space = "the decoded base64 is longer than there is room for";

/* The value of a character and 1, by the alphabet; 0 for one that is not in it. */
#define LETTERS_AND_DIGITS                                                                                             \
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10, \
	['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19,    \
	['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,    \
	['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37,    \
	['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46,    \
	['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55,    \
	['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62
static const uint8_t value_plus_1[2][256] = {
	{ LETTERS_AND_DIGITS, ['+'] = 63, ['/'] = 64 },
	{ LETTERS_AND_DIGITS, ['-'] = 63, ['_'] = 64 },
};

/* The value of a character, or above 63. */
static uint32_t value_of(enum ch_base64 form, uint8_t c)
{
	return (uint32_t)value_plus_1[form != CH_BASE64_STD][c] - 1;
}

/* Decodes characters one by one, so that PEM can leave out its line ends. */
struct decode {
	enum ch_base64 form;
	struct ch_wr out;
	uint32_t bits;   /* of the group not yet complete */
	unsigned digits; /* characters of the alphabet in it */
	unsigned pads;   /* '=' in it */
	bool ended;      /* a padded group was complete: nothing may follow */
};

static void group_end(struct decode *s)
{
	for (unsigned i = 0; i + 1 < s->digits; i++)
		ch_wr_u8(&s->out, (uint8_t)(s->bits >> (16 - 8 * i)));
	s->bits = 0;
	s->digits = 0;
	s->pads = 0;
}

/* True if the bits of the group that are in no byte are zero. */
static bool group_canonical(const struct decode *s)
{
	if (s->digits == 2)
		return (s->bits & 0xffff) == 0;
	return s->digits != 3 || (s->bits & 0xff) == 0;
}

static enum ch_err decode_char(struct decode *s, uint8_t c, size_t off, struct ch_diag *d)
{
	if (c == '=' && s->form != CH_BASE64_URL) {
		if (s->ended || s->digits < 2)
			return ch_fail(d, CH_ERR_ENCODING, off, rule_padding);
		s->pads++;
		if (s->digits + s->pads < 4)
			return CH_OK;
		if (!group_canonical(s))
			return ch_fail(d, CH_ERR_ENCODING, off - s->pads, rule_bits);
		s->ended = true;
		group_end(s);
		return CH_OK;
	}
	uint32_t v = value_of(s->form, c);
	if (v > 63)
		return ch_fail(d, CH_ERR_ENCODING, off, c == '=' ? rule_padding : rule_character);
	if (s->ended || s->pads > 0)
		return ch_fail(d, CH_ERR_ENCODING, off, rule_padding);
	s->bits |= v << (18 - 6 * s->digits);
	s->digits++;
	if (s->digits == 4)
		group_end(s);
	return CH_OK;
}

static enum ch_err decode_end(struct decode *s, size_t off, struct ch_diag *d)
{
	if (s->digits == 1)
		return ch_fail(d, CH_ERR_TRUNCATED, off, rule_length);
	if (s->digits != 0 && s->form != CH_BASE64_URL)
		return ch_fail(d, CH_ERR_TRUNCATED, off, rule_padding);
	if (!group_canonical(s))
		return ch_fail(d, CH_ERR_ENCODING, off - 1, rule_bits);
	group_end(s);
	return s->out.bad ? ch_fail(d, CH_ERR_NOSPACE, off, rule_space) : CH_OK;
}

/* Hands over the number of bytes, or clears them. */
static enum ch_err decode_result(const struct decode *s, enum ch_err err, size_t *n)
{
	if (err == CH_OK)
		*n = s->out.len;
	else
		ch_wipe(s->out.p, s->out.len);
	return err;
}

/* Whole groups without padding, as nearly all of a long text is: returns how many characters were taken. */
static size_t decode_groups(struct ch_wr *out, const uint8_t value[static 256], struct ch_span text)
{
	size_t i = 0;
	for (; text.n - i >= 4 && out->cap - out->len >= 3; i += 4) {
		const uint8_t *c = text.p + i;
		uint8_t v[4] = { value[c[0]], value[c[1]], value[c[2]], value[c[3]] };
		if (v[0] == 0 || v[1] == 0 || v[2] == 0 || v[3] == 0)
			break;
		uint32_t bits = (uint32_t)(v[0] - 1) << 18 | (uint32_t)(v[1] - 1) << 12 | (uint32_t)(v[2] - 1) << 6 |
				(uint32_t)(v[3] - 1);
		uint8_t *to = out->p + out->len;
		to[0] = (uint8_t)(bits >> 16);
		to[1] = (uint8_t)(bits >> 8);
		to[2] = (uint8_t)bits;
		out->len += 3;
	}
	return i;
}

enum ch_err ch_base64_decode(enum ch_base64 form, struct ch_span text, uint8_t *to, size_t cap, size_t *n,
			     struct ch_diag *d)
{
	struct decode s = { .form = form, .out = ch_wr(to, cap) };
	enum ch_err err = CH_OK;
	*n = 0;
	ch_diag_clear(d);
	size_t i = decode_groups(&s.out, value_plus_1[form != CH_BASE64_STD], text);
	for (; i < text.n && err == CH_OK; i++)
		err = decode_char(&s, text.p[i], i, d);
	if (err == CH_OK)
		err = decode_end(&s, text.n, d);
	return decode_result(&s, err, n);
}

void ch_base64_put(struct ch_wr *w, enum ch_base64 form, struct ch_span bytes)
{
	const char *digit = alphabet[form != CH_BASE64_STD];
	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t n = bytes.n - i < 3 ? bytes.n - i : 3;
		uint32_t bits = 0;
		for (size_t k = 0; k < n; k++)
			bits |= (uint32_t)bytes.p[i + k] << (16 - 8 * k);
		for (size_t k = 0; k <= n; k++)
			ch_wr_u8(w, (uint8_t)digit[bits >> (18 - 6 * k) & 63]);
		for (size_t k = n; k < 3 && form != CH_BASE64_URL; k++)
			ch_wr_u8(w, '=');
	}
}

/* The line at *off without its end and the blanks around it; *off moves behind its end. */
static struct ch_span next_line(struct ch_span text, size_t *off)
{
	size_t start = *off;
	size_t end = start;
	while (end < text.n && text.p[end] != '\n' && text.p[end] != '\r')
		end++;
	*off = end < text.n ? end + 1 : end;
	while (start < end && (text.p[start] == ' ' || text.p[start] == '\t'))
		start++;
	while (end > start && (text.p[end - 1] == ' ' || text.p[end - 1] == '\t'))
		end--;
	return ch_span(text.p + start, end - start);
}

/* True for `begin`, `label` and five dashes. */
static bool is_boundary(struct ch_span line, struct ch_span begin, struct ch_span label)
{
	struct ch_span dashes = CH_SPAN_LIT("-----");
	return line.n == begin.n + label.n + dashes.n && ch_span_starts(line, begin) &&
	       ch_span_eq(ch_span_sub(line, begin.n, label.n), label) &&
	       ch_span_eq(ch_span_sub(line, begin.n + label.n, dashes.n), dashes);
}

static enum ch_err decode_line(struct decode *s, struct ch_span text, struct ch_span line, struct ch_diag *d)
{
	enum ch_err err = CH_OK;
	size_t off = (size_t)(line.p - text.p);
	if (line.n > 0 && memchr(line.p, ':', line.n) != NULL)
		return ch_fail(d, CH_ERR_UNSUPPORTED, off, "a PEM block has header fields (RFC 7468, 2)");
	for (size_t i = 0; i < line.n && err == CH_OK; i++)
		err = decode_char(s, line.p[i], off + i, d);
	return err;
}

/* Decodes the lines from *off to the end of the block, and moves *off behind it. */
static enum ch_err decode_block(struct decode *s, struct ch_span text, size_t *off, struct ch_span label,
				struct ch_diag *d)
{
	while (*off < text.n) {
		struct ch_span line = next_line(text, off);
		size_t at = (size_t)(line.p - text.p);
		if (is_boundary(line, CH_SPAN_LIT("-----END "), label))
			return decode_end(s, at, d);
		if (ch_span_starts(line, CH_SPAN_LIT("-----END ")))
			return ch_fail(d, CH_ERR_MISMATCH, at, "a PEM block ends with another label (RFC 7468, 2)");
		enum ch_err err = decode_line(s, text, line, d);
		if (err != CH_OK)
			return err;
	}
	return ch_fail(d, CH_ERR_TRUNCATED, text.n, "a PEM block has no END line (RFC 7468, 2)");
}

enum ch_err ch_pem_next(struct ch_span text, size_t *off, const char *label, uint8_t *to, size_t cap, size_t *n,
			struct ch_diag *d)
{
	struct decode s = { .form = CH_BASE64_STD, .out = ch_wr(to, cap) };
	struct ch_span name = ch_span_str(label);
	size_t at = *off;
	*n = 0;
	ch_diag_clear(d);
	while (at < text.n) {
		if (!is_boundary(next_line(text, &at), CH_SPAN_LIT("-----BEGIN "), name))
			continue;
		enum ch_err err = decode_block(&s, text, &at, name, d);
		if (err == CH_OK)
			*off = at;
		return decode_result(&s, err, n);
	}
	return ch_fail(d, CH_ERR_NOTFOUND, text.n, "there is no PEM block of this label (RFC 7468, 2)");
}

enum ch_err ch_pem_decode(struct ch_span text, const char *label, uint8_t *to, size_t cap, size_t *n, struct ch_diag *d)
{
	size_t off = 0;
	return ch_pem_next(text, &off, label, to, cap, n, d);
}
