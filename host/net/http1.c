/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/http1.h"

#include "core/base/rd.h"
#include "core/base/text.h"

/* Classes of characters: RFC 9110, 5.6.2 (tchar); RFC 3986, 3.3 and 3.4 (pchar, '/', '?'); RFC 9110, 5.5 (field value). */
static bool alpha_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool among(uint8_t c, const char *set)
{
	for (; *set != '\0'; set++)
		if (c == (uint8_t)*set)
			return true;
	return false;
}

static bool tchar(uint8_t c)
{
	return alpha_digit(c) || among(c, "!#$%&'*+-.^_`|~");
}

static bool target_char(uint8_t c)
{
	return alpha_digit(c) || among(c, "-._~%!$&'()*+,;=:@/?");
}

static bool field_char(uint8_t c)
{
	return c >= 0x20 ? c != 0x7f : c == '\t';
}

static bool host_char(uint8_t c)
{
	return alpha_digit(c) || among(c, "-._~%!$&'()*+,;=:[]");
}

static bool all_of(struct ch_span s, bool (*is)(uint8_t))
{
	for (size_t i = 0; i < s.n; i++)
		if (!is(s.p[i]))
			return false;
	return true;
}

bool ch_http_is(struct ch_span s, const char *text)
{
	size_t i = 0;
	for (; i < s.n && text[i] != '\0'; i++) {
		uint8_t c = s.p[i];
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (c != (uint8_t)text[i])
			return false;
	}
	return i == s.n && text[i] == '\0';
}

enum ch_err ch_http_head_end(struct ch_span in, size_t *seen, size_t *head)
{
	size_t n = in.n < CH_HTTP_HEAD_MAX ? in.n : CH_HTTP_HEAD_MAX;
	*head = 0;
	for (size_t i = *seen; i < n; i++) {
		uint8_t c = in.p[i];
		if (c == '\0' || (i == 0 && !tchar(c)))
			return CH_ERR_MALFORMED;
		/* RFC 9112, 2.2 lets a reader take a bare LF as the end of a line and a bare CR as a space: we do neither. */
		if ((c == '\n') != (i > 0 && in.p[i - 1] == '\r'))
			return CH_ERR_MALFORMED;
		if (c == '\n' && i >= 3 && in.p[i - 2] == '\n') {
			*seen = *head = i + 1;
			return CH_OK;
		}
	}
	*seen = n;
	return in.n >= CH_HTTP_HEAD_MAX ? CH_ERR_LIMIT : CH_ERR_TRUNCATED;
}

/* One line without its CRLF. */
static bool take_line(struct ch_rd *r, struct ch_span *line)
{
	size_t start = r->off;
	size_t end = start;
	while (end < r->in.n && r->in.p[end] != '\r' && r->in.p[end] != '\n')
		end++;
	if (r->in.n - end < 2 || r->in.p[end] != '\r' || r->in.p[end + 1] != '\n')
		return false;
	*line = ch_rd_take(r, end - start);
	(void)ch_rd_take(r, 2);
	return true;
}

static struct ch_span trim(struct ch_span s)
{
	while (s.n > 0 && among(s.p[0], " \t"))
		s = ch_span(s.p + 1, s.n - 1);
	while (s.n > 0 && among(s.p[s.n - 1], " \t"))
		s.n--;
	return s;
}

/* What fields mean to framing and the connection; each gets the value of one field. */
static enum ch_err on_content_length(struct ch_http_fields *f, struct ch_span v)
{
	/* RFC 9112, 6.3: a list of equal values may be taken for one. It is not. */
	if (v.n == 0 || v.n > CH_HTTP_DIGITS_MAX)
		return CH_ERR_MALFORMED;
	f->length = 0;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return CH_ERR_MALFORMED;
		f->length = f->length * 10 + (uint64_t)(v.p[i] - '0');
	}
	if (f->framing != CH_HTTP_NO_BODY)
		return CH_ERR_MALFORMED;
	f->framing = CH_HTTP_LENGTH;
	return CH_OK;
}

static enum ch_err on_transfer_encoding(struct ch_http_fields *f, struct ch_span v)
{
	/* RFC 9112, 6.1: with a length beside it somebody lies. */
	if (f->framing != CH_HTTP_NO_BODY)
		return CH_ERR_MALFORMED;
	if (!ch_http_is(v, "chunked"))
		return CH_ERR_UNSUPPORTED;
	f->framing = CH_HTTP_CHUNKED;
	return CH_OK;
}

static enum ch_err on_connection(struct ch_http_fields *f, struct ch_span v)
{
	while (v.n > 0) {
		size_t i = 0;
		while (i < v.n && v.p[i] != ',')
			i++;
		struct ch_span option = trim(ch_span(v.p, i));
		/* An option that names the framing would let a proxy drop it (RFC 9110, 7.6.1). */
		if (!all_of(option, tchar) || ch_http_is(option, "content-length") ||
		    ch_http_is(option, "transfer-encoding") || ch_http_is(option, "host"))
			return CH_ERR_MALFORMED;
		f->close = f->close || ch_http_is(option, "close");
		v = i < v.n ? ch_span(v.p + i + 1, v.n - i - 1) : CH_SPAN_EMPTY;
	}
	return CH_OK;
}

static enum ch_err on_expect(struct ch_http_fields *f, struct ch_span v)
{
	f->expect_continue = true;
	return ch_http_is(v, "100-continue") ? CH_OK : CH_ERR_UNKNOWN;
}

static enum ch_err on_host(struct ch_http_fields *f, struct ch_span v)
{
	f->has_host = true;
	return all_of(v, host_char) ? CH_OK : CH_ERR_MALFORMED;
}

static enum ch_err on_single(struct ch_http_fields *f, struct ch_span v)
{
	(void)f;
	(void)v;
	return CH_OK;
}

/* Fields that may come once: a second one, even of the same value, is read differently by different readers. */
static const struct known_field {
	const char *name;
	bool repeats;
	enum ch_err (*read)(struct ch_http_fields *f, struct ch_span v);
	const char *rule;
} known_fields[] = {
	{ "content-length", false, on_content_length,
	  "Content-Length (RFC 9112, 6.3): one number, no transfer coding beside it" },
	{ "transfer-encoding", false, on_transfer_encoding,
	  "Transfer-Encoding (RFC 9112, 6.1): chunked alone, no length beside it" },
	{ "connection", true, on_connection, "Connection (RFC 9110, 7.6.1)" },
	{ "expect", false, on_expect, "Expect (RFC 9110, 10.1.1): 100-continue only" },
	{ "host", false, on_host, "Host (RFC 9112, 3.2)" },
	{ "content-type", false, on_single, "Content-Type" },
	{ "idempotency-key", false, on_single, "Idempotency-Key" },
	{ "last-event-id", false, on_single, "Last-Event-ID" },
	{ "authorization", false, on_single, "Authorization" },
	{ "retry-after", false, on_single, "Retry-After" },
};

static enum ch_err field_known(struct ch_http_fields *f, const struct ch_http_field *new, size_t off, struct ch_diag *d)
{
	for (size_t i = 0; i < CH_COUNT_OF(known_fields); i++) {
		const struct known_field *k = &known_fields[i];
		struct ch_span before;
		if (!ch_http_is(new->name, k->name))
			continue;
		if (!k->repeats && ch_http_field_get(f, k->name, &before))
			return ch_fail(d, CH_ERR_DUPLICATE, off, k->rule);
		enum ch_err err = k->read(f, new->value);
		return err == CH_OK ? CH_OK : ch_fail(d, err, off, k->rule);
	}
	return CH_OK;
}

/* field-line = field-name ":" OWS field-value OWS (RFC 9112, 5): no white space before the colon, no obs-fold. */
static enum ch_err field_parse(struct ch_http_fields *f, struct ch_span line, size_t off, struct ch_diag *d)
{
	size_t colon = 0;
	while (colon < line.n && tchar(line.p[colon]))
		colon++;
	if (colon == 0 || colon == line.n || line.p[colon] != ':')
		return ch_fail(d, CH_ERR_MALFORMED, off + colon,
			       "a field name is a token and a colon (RFC 9112, 5.1, 5.2)");
	struct ch_http_field new = { ch_span(line.p, colon), trim(ch_span(line.p + colon + 1, line.n - colon - 1)) };
	if (!all_of(new.value, field_char))
		return ch_fail(d, CH_ERR_MALFORMED, off + colon,
			       "a control character in a field value (RFC 9110, 5.5)");
	if (f->count == CH_HTTP_FIELDS_MAX)
		return ch_fail(d, CH_ERR_LIMIT, off, "too many header fields");
	enum ch_err err = field_known(f, &new, off, d);
	if (err == CH_OK)
		f->field[f->count++] = new;
	return err;
}

/* All field lines, the empty line, and nothing behind it. */
static enum ch_err fields_parse(struct ch_http_fields *f, struct ch_rd *r, struct ch_diag *d)
{
	struct ch_span line;
	for (;;) {
		size_t off = r->off;
		if (!take_line(r, &line))
			return ch_fail(d, CH_ERR_TRUNCATED, off, "a line ends with CRLF (RFC 9112, 2.2)");
		if (line.n == 0)
			break;
		enum ch_err err = field_parse(f, line, off, d);
		if (err != CH_OK)
			return err;
	}
	return ch_rd_done(r) ? CH_OK : ch_fail(d, CH_ERR_TRAILING, r->off, "bytes behind the head");
}

bool ch_http_field_get(const struct ch_http_fields *f, const char *name, struct ch_span *value)
{
	for (size_t i = 0; i < f->count; i++)
		if (ch_http_is(f->field[i].name, name)) {
			*value = f->field[i].value;
			return true;
		}
	*value = CH_SPAN_EMPTY;
	return false;
}

static const struct {
	const char *name;
	enum ch_http_method method;
} methods[] = {
	{ "GET", CH_HTTP_GET }, { "HEAD", CH_HTTP_HEAD },     { "POST", CH_HTTP_POST },
	{ "PUT", CH_HTTP_PUT }, { "DELETE", CH_HTTP_DELETE },
};

const char *ch_http_method_str(enum ch_http_method m)
{
	for (size_t i = 0; i < CH_COUNT_OF(methods); i++)
		if (methods[i].method == m)
			return methods[i].name;
	return "other";
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * A segment between slashes: dot segments (RFC 3986, 5.2.4), written plainly or encoded, are refused, and so are the encodings of
 * '\', NUL and other controls: what a file system or a proxy behind us would take apart differently. That of '/' is noted.
 */
static bool segment_ok(struct ch_span s, bool *opaque)
{
	size_t n = 0;
	size_t dots = 0;
	for (size_t i = 0; i < s.n; i++, n++) {
		uint8_t c = s.p[i];
		if (c == '%') {
			int hi = i + 1 < s.n ? hex_value(s.p[i + 1]) : -1;
			int lo = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;
			if (hi < 0 || lo < 0)
				return false;
			c = (uint8_t)(hi << 4 | lo);
			if (c < 0x20 || c == 0x7f || c == '\\')
				return false;
			*opaque = *opaque || c == '/';
			i += 2;
		}
		dots += c == '.';
	}
	return !(dots == n && (n == 1 || n == 2));
}

static enum ch_err path_check(struct ch_span path, bool *opaque)
{
	for (size_t i = 1;;) {
		size_t end = i;
		while (end < path.n && path.p[end] != '/')
			end++;
		if (!segment_ok(ch_span_sub(path, i, end - i), opaque))
			return CH_ERR_MALFORMED;
		*opaque = *opaque || (end == i && end < path.n);
		if (end >= path.n)
			return CH_OK;
		i = end + 1;
	}
}

/* origin-form = absolute-path [ "?" query ] (RFC 9112, 3.2.1). The other forms are for proxies. */
static enum ch_err target_parse(struct ch_http_request *r, struct ch_span t, size_t off, struct ch_diag *d)
{
	if (t.n > CH_HTTP_TARGET_MAX)
		return ch_fail(d, CH_ERR_LIMIT, off, "the request target is too long (RFC 9110, 4.1)");
	if (t.n == 0 || t.p[0] != '/' || !all_of(t, target_char))
		return ch_fail(d, CH_ERR_MALFORMED, off, "the request target is in origin form (RFC 9112, 3.2.1)");
	size_t q = 0;
	while (q < t.n && t.p[q] != '?')
		q++;
	r->path = ch_span(t.p, q);
	r->query = q < t.n ? ch_span(t.p + q + 1, t.n - q - 1) : CH_SPAN_EMPTY;
	if (path_check(r->path, &r->opaque) != CH_OK)
		return ch_fail(d, CH_ERR_MALFORMED, off,
			       "a path has no dot segment, encoded control or backslash (RFC 3986, 6.2.2)");
	return CH_OK;
}

/* HTTP-version is case-sensitive, one digit, a dot, one digit (RFC 9112, 2.3). */
static enum ch_err version_check(struct ch_http_request *r, struct ch_span v, size_t off, struct ch_diag *d)
{
	if (v.n != 8 || !ch_span_starts(v, CH_SPAN_LIT("HTTP/")) || v.p[5] < '0' || v.p[5] > '9' || v.p[6] != '.' ||
	    v.p[7] < '0' || v.p[7] > '9')
		return ch_fail(d, CH_ERR_MALFORMED, off,
			       "a request line is method, target, version, single spaces (RFC 9112, 3)");
	r->old = ch_span_eq(v, CH_SPAN_LIT("HTTP/1.0"));
	if (!r->old && !ch_span_eq(v, CH_SPAN_LIT("HTTP/1.1")))
		return ch_fail(d, CH_ERR_RANGE, off, "HTTP/1.1, or 1.0 (RFC 9112, 2.3)");
	return CH_OK;
}

static enum ch_err request_line(struct ch_http_request *r, struct ch_span line, struct ch_diag *d)
{
	size_t m = 0;
	while (m < line.n && tchar(line.p[m]))
		m++;
	if (m == 0 || m > CH_HTTP_METHOD_MAX || m == line.n || line.p[m] != ' ')
		return ch_fail(d, CH_ERR_MALFORMED, m, "a request begins with its method, a token (RFC 9112, 3.1)");
	size_t t = m + 1;
	while (t < line.n && line.p[t] != ' ')
		t++;
	if (t == line.n)
		return ch_fail(d, CH_ERR_MALFORMED, t, "a request line ends with its version (RFC 9112, 3)");
	enum ch_err err = version_check(r, ch_span(line.p + t + 1, line.n - t - 1), t + 1, d);
	if (err != CH_OK)
		return err;
	r->method_name = ch_span(line.p, m);
	for (size_t i = 0; i < CH_COUNT_OF(methods); i++)
		if (ch_span_eq(r->method_name, ch_span_str(methods[i].name)))
			r->method = methods[i].method;
	return target_parse(r, ch_span(line.p + m + 1, t - m - 1), m + 1, d);
}

static enum ch_err request_parse(struct ch_http_request *r, struct ch_span head, struct ch_diag *d)
{
	struct ch_rd rd = ch_rd(head);
	struct ch_span line;
	if (head.n > CH_HTTP_HEAD_MAX)
		return ch_fail(d, CH_ERR_LIMIT, CH_HTTP_HEAD_MAX, "the head is too long");
	if (!take_line(&rd, &line))
		return ch_fail(d, CH_ERR_TRUNCATED, 0, "a line ends with CRLF (RFC 9112, 2.2)");
	enum ch_err err = request_line(r, line, d);
	if (err == CH_OK)
		err = fields_parse(&r->fields, &rd, d);
	if (err != CH_OK)
		return err;
	if (!r->fields.has_host)
		return ch_fail(d, CH_ERR_MISSING, 0, "a request names its host (RFC 9112, 3.2)");
	if (r->old && r->fields.framing == CH_HTTP_CHUNKED)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "HTTP/1.0 has no transfer coding (RFC 9112, 6.1)");
	if (r->old) {
		r->fields.close = true;
		r->fields.expect_continue = false; /* RFC 9110, 10.1.1 */
	}
	(void)ch_http_field_get(&r->fields, "host", &r->host);
	return CH_OK;
}

enum ch_err ch_http_request_parse(struct ch_http_request *r, struct ch_span head, struct ch_diag *d)
{
	ch_diag_clear(d);
	*r = (struct ch_http_request){ 0 };
	enum ch_err err = request_parse(r, head, d);
	if (err != CH_OK)
		*r = (struct ch_http_request){ 0 };
	return err;
}

unsigned ch_http_refusal(enum ch_err err)
{
	switch ((int)err) {
	case CH_ERR_LIMIT:
		return 431;
	case CH_ERR_UNSUPPORTED:
		return 501;
	case CH_ERR_RANGE:
		return 505;
	case CH_ERR_UNKNOWN:
		return 417;
	default:
		return 400;
	}
}

/* status-line = HTTP-version SP 3DIGIT SP [ reason ] (RFC 9112, 4). */
static enum ch_err status_line(struct ch_http_response *r, struct ch_span line, struct ch_diag *d)
{
	struct ch_span version = ch_span_sub(line, 0, 8);
	struct ch_span code = ch_span_sub(line, 9, 3);
	r->fields.close = ch_span_eq(version, CH_SPAN_LIT("HTTP/1.0"));
	if (!r->fields.close && !ch_span_eq(version, CH_SPAN_LIT("HTTP/1.1")))
		return ch_fail(d, CH_ERR_RANGE, 0, "an answer begins with HTTP/1.1 or HTTP/1.0 (RFC 9112, 4)");
	if (code.n != 3 || line.p[8] != ' ' || (line.n > 12 && line.p[12] != ' ') || !all_of(line, field_char))
		return ch_fail(d, CH_ERR_MALFORMED, 8, "a status line is version, three digits, reason (RFC 9112, 4)");
	for (size_t i = 0; i < 3; i++) {
		if (code.p[i] < '0' || code.p[i] > '9')
			return ch_fail(d, CH_ERR_MALFORMED, 9, "a status is three digits (RFC 9110, 15)");
		r->status = r->status * 10 + (unsigned)(code.p[i] - '0');
	}
	if (r->status < 100 || r->status > 599)
		return ch_fail(d, CH_ERR_MALFORMED, 9, "a status is 100 to 599 (RFC 9110, 15)");
	return CH_OK;
}

static enum ch_err response_parse(struct ch_http_response *r, struct ch_span head, enum ch_http_method method,
				  struct ch_diag *d)
{
	struct ch_rd rd = ch_rd(head);
	struct ch_span line;
	if (head.n > CH_HTTP_HEAD_MAX)
		return ch_fail(d, CH_ERR_LIMIT, CH_HTTP_HEAD_MAX, "the head is too long");
	if (!take_line(&rd, &line))
		return ch_fail(d, CH_ERR_TRUNCATED, 0, "a line ends with CRLF (RFC 9112, 2.2)");
	enum ch_err err = status_line(r, line, d);
	if (err != CH_OK)
		return err;
	bool old = r->fields.close;
	err = fields_parse(&r->fields, &rd, d);
	if (err != CH_OK)
		return err;
	if (old && r->fields.framing == CH_HTTP_CHUNKED)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "HTTP/1.0 has no transfer coding (RFC 9112, 6.1)");
	/* RFC 9112, 6.3: these have no body, whatever their fields say. */
	if (method == CH_HTTP_HEAD || r->status < 200 || r->status == 204 || r->status == 304)
		r->fields.framing = CH_HTTP_NO_BODY;
	else if (r->fields.framing == CH_HTTP_NO_BODY)
		r->fields.framing = CH_HTTP_UNTIL_CLOSE;
	return CH_OK;
}

enum ch_err ch_http_response_parse(struct ch_http_response *r, struct ch_span head, enum ch_http_method method,
				   struct ch_diag *d)
{
	ch_diag_clear(d);
	*r = (struct ch_http_response){ 0 };
	enum ch_err err = response_parse(r, head, method, d);
	if (err != CH_OK)
		*r = (struct ch_http_response){ 0 };
	return err;
}

bool ch_http_query_next(struct ch_span *rest, struct ch_span *name, struct ch_span *value)
{
	while (rest->n > 0 && rest->p[0] == '&')
		*rest = ch_span(rest->p + 1, rest->n - 1);
	if (rest->n == 0)
		return false;
	size_t end = 0;
	while (end < rest->n && rest->p[end] != '&')
		end++;
	size_t eq = 0;
	while (eq < end && rest->p[eq] != '=')
		eq++;
	*name = ch_span(rest->p, eq);
	*value = eq < end ? ch_span(rest->p + eq + 1, end - eq - 1) : CH_SPAN_EMPTY;
	*rest = ch_span(rest->p + end, rest->n - end);
	return true;
}

enum ch_err ch_http_pct_decode(struct ch_span s, void *to, size_t cap, size_t *n)
{
	struct ch_wr w = ch_wr(to, cap);
	*n = 0;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == '%') {
			uint8_t byte;
			if (ch_hex_decode(&byte, 1, ch_span_sub(s, i + 1, 2)) != CH_OK)
				return CH_ERR_ENCODING;
			c = byte;
			i += 2;
		}
		ch_wr_u8(&w, c);
	}
	if (w.bad)
		return CH_ERR_NOSPACE;
	*n = w.len;
	return CH_OK;
}
