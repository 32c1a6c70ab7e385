/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/http1.h"

/*
 * chunked-body = *( chunk-size [ chunk-ext ] CRLF chunk-data CRLF ) 1*"0" [ chunk-ext ] CRLF trailer-section CRLF
 * (RFC 9112, 7.1), read a byte at a time so that nothing has to be kept between pieces. The names are what comes next.
 */
enum state { SIZE, EXT, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, NAME, VALUE, TRAILER_LF, END_LF };

void ch_http_body_init(struct ch_http_body *b, const struct ch_http_fields *f)
{
	*b = (struct ch_http_body){ .framing = f->framing, .state = SIZE };
	if (f->framing == CH_HTTP_LENGTH)
		b->left = f->length;
	b->done = f->framing == CH_HTTP_NO_BODY || (f->framing == CH_HTTP_LENGTH && f->length == 0);
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool text_char(uint8_t c)
{
	return c >= 0x20 ? c != 0x7f : c == '\t';
}

/* tchar of RFC 9110, 5.6.2 is what is left of the visible characters without the delimiters. */
static bool name_char(uint8_t c)
{
	static const char delimiters[] = "\"(),/:;<=>?@[\\]{}";
	if (c <= 0x20 || c >= 0x7f)
		return false;
	for (const char *p = delimiters; *p != '\0'; p++)
		if (c == (uint8_t)*p)
			return false;
	return true;
}

static enum ch_err to(struct ch_http_body *b, enum state s)
{
	b->state = (uint8_t)s;
	return CH_OK;
}

/* Counts a byte that is read and ignored. */
static enum ch_err spend(struct ch_http_body *b, uint16_t max)
{
	return ++b->spent > max ? CH_ERR_LIMIT : CH_OK;
}

static enum ch_err on_size(struct ch_http_body *b, uint8_t c)
{
	int v = hex_value(c);
	if (v >= 0) {
		b->left = b->left << 4 | (uint64_t)v;
		b->digit = true;
		return spend(b, CH_HTTP_HEX_MAX);
	}
	if (!b->digit || (c != '\r' && c != ';'))
		return CH_ERR_MALFORMED;
	b->spent = 0;
	return to(b, c == '\r' ? SIZE_LF : EXT);
}

static enum ch_err on_ext(struct ch_http_body *b, uint8_t c)
{
	if (c == '\r')
		return to(b, SIZE_LF);
	return text_char(c) ? spend(b, CH_HTTP_EXT_MAX) : CH_ERR_MALFORMED;
}

static enum ch_err on_size_lf(struct ch_http_body *b, uint8_t c)
{
	b->spent = 0;
	b->digit = false;
	return c == '\n' ? to(b, b->left == 0 ? TRAILER : DATA) : CH_ERR_MALFORMED;
}

static enum ch_err on_data_cr(struct ch_http_body *b, uint8_t c)
{
	return c == '\r' ? to(b, DATA_LF) : CH_ERR_MALFORMED;
}

static enum ch_err on_data_lf(struct ch_http_body *b, uint8_t c)
{
	return c == '\n' ? to(b, SIZE) : CH_ERR_MALFORMED;
}

static enum ch_err on_trailer(struct ch_http_body *b, uint8_t c)
{
	if (c == '\r')
		return to(b, END_LF);
	(void)to(b, NAME);
	return name_char(c) ? spend(b, CH_HTTP_TRAILER_MAX) : CH_ERR_MALFORMED;
}

static enum ch_err on_name(struct ch_http_body *b, uint8_t c)
{
	if (c == ':')
		(void)to(b, VALUE);
	else if (!name_char(c))
		return CH_ERR_MALFORMED;
	return spend(b, CH_HTTP_TRAILER_MAX);
}

static enum ch_err on_value(struct ch_http_body *b, uint8_t c)
{
	if (c == '\r')
		return to(b, TRAILER_LF);
	return text_char(c) ? spend(b, CH_HTTP_TRAILER_MAX) : CH_ERR_MALFORMED;
}

static enum ch_err on_trailer_lf(struct ch_http_body *b, uint8_t c)
{
	return c == '\n' ? to(b, TRAILER) : CH_ERR_MALFORMED;
}

static enum ch_err on_end_lf(struct ch_http_body *b, uint8_t c)
{
	b->done = c == '\n';
	return b->done ? CH_OK : CH_ERR_MALFORMED;
}

static enum ch_err (*const on_byte[])(struct ch_http_body *b, uint8_t c) = {
	[SIZE] = on_size,       [EXT] = on_ext,         [SIZE_LF] = on_size_lf,
	[DATA_CR] = on_data_cr, [DATA_LF] = on_data_lf, [TRAILER] = on_trailer,
	[NAME] = on_name,       [VALUE] = on_value,     [TRAILER_LF] = on_trailer_lf,
	[END_LF] = on_end_lf,
};

/* As much of the counted bytes as is there. */
static struct ch_span take_counted(struct ch_http_body *b, struct ch_span in)
{
	struct ch_span data = { in.p, in.n < b->left ? in.n : (size_t)b->left };
	b->left -= data.n;
	return data;
}

static enum ch_err take_chunked(struct ch_http_body *b, struct ch_span in, size_t *used, struct ch_span *data)
{
	size_t i = 0;
	while (i < in.n && b->state != DATA && !b->done) {
		enum ch_err err = on_byte[b->state](b, in.p[i++]);
		if (err != CH_OK)
			return err;
	}
	if (b->state == DATA) {
		*data = take_counted(b, ch_span(in.p + i, in.n - i));
		i += data->n;
		if (b->left == 0)
			b->state = DATA_CR;
	}
	*used = i;
	return CH_OK;
}

enum ch_err ch_http_body_take(struct ch_http_body *b, struct ch_span in, size_t *used, struct ch_span *data)
{
	*used = 0;
	*data = CH_SPAN_EMPTY;
	if (b->done || in.n == 0)
		return CH_OK;
	if (b->framing == CH_HTTP_CHUNKED)
		return take_chunked(b, in, used, data);
	*data = b->framing == CH_HTTP_LENGTH ? take_counted(b, in) : in;
	*used = data->n;
	b->done = b->framing == CH_HTTP_LENGTH && b->left == 0;
	return CH_OK;
}
