/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_NET_HTTP1_H
#define CH_NET_HTTP1_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/wr.h"

/*
 * HTTP/1.1 as bytes (RFC 9110, RFC 9112): strict where the standard lets a reader be lenient, because what two readers understand
 * differently is how requests are smuggled. Pure: no allocation, no I/O. docs/protocol/http.md has every rule with its clause.
 */

enum ch_http_method { CH_HTTP_OTHER, CH_HTTP_GET, CH_HTTP_HEAD, CH_HTTP_POST, CH_HTTP_PUT, CH_HTTP_DELETE };
const char *ch_http_method_str(enum ch_http_method m);

/* A header field. The name matches in any case; the value is without the white space around it. */
struct ch_http_field {
	struct ch_span name;
	struct ch_span value;
};

/* How the length of a message body is known (RFC 9112, 6.3). */
enum ch_http_framing { CH_HTTP_NO_BODY, CH_HTTP_LENGTH, CH_HTTP_CHUNKED, CH_HTTP_UNTIL_CLOSE };

/* Header fields, with what they say about framing and the connection. Spans point into the head that was parsed. */
struct ch_http_fields {
	struct ch_http_field field[CH_HTTP_FIELDS_MAX];
	size_t count;
	enum ch_http_framing framing;
	uint64_t length; /* with CH_HTTP_LENGTH */
	bool close;      /* Connection: close, or HTTP/1.0 */
	bool expect_continue;
	bool has_host;
};

struct ch_http_request {
	enum ch_http_method method;
	struct ch_span method_name;
	bool old;            /* HTTP/1.0: fields.close is true then; who does not serve it answers 505 */
	struct ch_span path; /* as sent; begins with '/'; no dot segments, no encoded control or '\\' */
	bool opaque; /* it has an empty segment before the last, or an encoded '/': 400, but for who reads a path as text (OCSP) */
	struct ch_span query; /* without '?'; empty if there is none */
	struct ch_span host;
	struct ch_http_fields fields;
};

struct ch_http_response {
	unsigned status; /* 100..599 */
	struct ch_http_fields fields;
};

/*
 * Looks for the end of a head at the start of `in`; `*seen` is how far earlier calls have looked (0 at first).
 * CH_OK: `*head` is its length, the empty line included. CH_ERR_TRUNCATED: not there yet. CH_ERR_LIMIT: longer than
 * CH_HTTP_HEAD_MAX. CH_ERR_MALFORMED: a line that does not end with CRLF, a NUL, or a byte no head begins with (TLS on a plain port).
 */
CH_MUST_USE enum ch_err ch_http_head_end(struct ch_span in, size_t *seen, size_t *head);

/*
 * Parses a whole head, the empty line included. `r` is a request on success only.
 * CH_ERR_MALFORMED, CH_ERR_DUPLICATE, CH_ERR_MISSING (Host), CH_ERR_TRUNCATED, CH_ERR_TRAILING: answer 400. CH_ERR_LIMIT: 431.
 * CH_ERR_UNSUPPORTED: 501 (transfer coding). CH_ERR_RANGE: 505 (version). CH_ERR_UNKNOWN: 417 (expectation).
 */
CH_MUST_USE enum ch_err ch_http_request_parse(struct ch_http_request *r, struct ch_span head, struct ch_diag *d);
/* The status that answers a refused request. */
unsigned ch_http_refusal(enum ch_err err);

/*
 * Parses the head of an answer to a request by `method`, which decides about its body. HTTP/1.0 answers are taken (proxies give
 * them), never with a transfer coding.
 */
CH_MUST_USE enum ch_err ch_http_response_parse(struct ch_http_response *r, struct ch_span head,
					       enum ch_http_method method, struct ch_diag *d);

/* The value of the first field of this name (given in lower case); false if there is none. */
bool ch_http_field_get(const struct ch_http_fields *f, const char *name, struct ch_span *value);
/* True if `s` is `text` but for the case of ASCII letters; `text` is lower case. */
bool ch_http_is(struct ch_span s, const char *text);

/*
 * One name and value of a query, in order, still percent-encoded; false at the end. `*rest` begins as the query.
 */
bool ch_http_query_next(struct ch_span *rest, struct ch_span *name, struct ch_span *value);
/* Decodes %XX ('+' stays) into `to`. CH_ERR_NOSPACE, CH_ERR_ENCODING. */
CH_MUST_USE enum ch_err ch_http_pct_decode(struct ch_span s, void *to, size_t cap, size_t *n);

/* A body, read in pieces as they come. */
struct ch_http_body {
	enum ch_http_framing framing;
	uint8_t state;  /* of a chunked body */
	bool digit;     /* a digit of the chunk size was seen */
	bool done;      /* all of it was taken */
	uint16_t spent; /* bytes of extension or trailers so far, digits of a size */
	uint64_t left;  /* of the body, or of the chunk */
};

void ch_http_body_init(struct ch_http_body *b, const struct ch_http_fields *f);
/*
 * Takes from `in` up to the end of the next piece: `*used` bytes are done with, `*data` (inside them) is body, maybe empty. Call again
 * with the rest while `*used` is not 0 and `done` is not set. CH_ERR_MALFORMED or CH_ERR_LIMIT: the connection is of no use any more.
 */
CH_MUST_USE enum ch_err ch_http_body_take(struct ch_http_body *b, struct ch_span in, size_t *used,
					  struct ch_span *data);

/* Writers. A value with a control character makes the writer bad, so that nobody's text can add a field. */
void ch_http_put_request_line(struct ch_wr *w, const char *method, const char *target);
void ch_http_put_status(struct ch_wr *w, unsigned status);
void ch_http_put_field(struct ch_wr *w, const char *name, struct ch_span value);
void ch_http_put_length(struct ch_wr *w, uint64_t n);
void ch_http_put_end(struct ch_wr *w);
/* The line before a chunk of n > 0 bytes; CRLF follows the bytes. */
void ch_http_put_chunk(struct ch_wr *w, uint64_t n);
const char *ch_http_reason(unsigned status);
/* IMF-fixdate (RFC 9110, 5.6.7) of seconds since 1970, with its NUL. */
#define CH_HTTP_DATE 30
void ch_http_date(char to[static CH_HTTP_DATE], uint64_t unix_time);

#endif
