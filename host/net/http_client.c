/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/http_client.h"

#include "host/net/http1.h"
#include "host/net/tcp.h"

#define PIECE 16384

/* Interim answers before the real one (RFC 9110, 15.2). */
#define INTERIM_MAX 4

struct ch_http_stream {
	struct ch_net_conn *k;
	struct ch_http_body body;
	uint8_t in[PIECE]; /* what was read: [at, n) is not yet used */
	size_t at;
	size_t n;
};

static void put_optional(struct ch_wr *w, const char *name, const char *value)
{
	if (value != NULL)
		ch_http_put_field(w, name, ch_span_str(value));
}

static enum ch_err send_request(struct ch_net_conn *k, const struct ch_http_ask *ask, struct ch_net_why *why)
{
	uint8_t head[CH_HTTP_HEAD_MAX];
	struct ch_wr w = ch_wr(head, sizeof(head));
	bool post = ch_span_eq(ch_span_str(ask->method), CH_SPAN_LIT("POST"));
	ch_http_put_request_line(&w, ask->method, ask->target);
	ch_http_put_field(&w, "Host", ch_span_str(ask->host));
	put_optional(&w, "Accept", ask->accept);
	if (ask->body.n > 0)
		put_optional(&w, "Content-Type", ask->content_type != NULL ? ask->content_type : "application/json");
	put_optional(&w, "Idempotency-Key", ask->idempotency_key);
	put_optional(&w, "Last-Event-ID", ask->last_event_id);
	put_optional(&w, "Range", ask->range);
	if (post || ask->body.n > 0)
		ch_http_put_length(&w, ask->body.n);
	ch_http_put_end(&w);
	if (w.bad)
		return ch_net_say(why, CH_ERR_LIMIT, "the request for %.100s cannot be written", ask->target);
	enum ch_err err = ch_net_write(k, ch_wr_span(&w), why);
	return err == CH_OK ? ch_net_write(k, ask->body, why) : err;
}

/* More bytes behind those that are there. CH_ERR_TRUNCATED at the end of the connection. */
static enum ch_err fill(struct ch_http_stream *s, struct ch_net_why *why)
{
	size_t got;
	if (s->at == s->n)
		s->at = s->n = 0;
	enum ch_err err = ch_net_read(s->k, s->in + s->n, sizeof(s->in) - s->n, &got, why);
	if (err != CH_OK)
		return err;
	s->n += got;
	return got > 0 ? CH_OK : ch_net_say(why, CH_ERR_TRUNCATED, "the server closed before its answer was whole");
}

static void describe(struct ch_http_answer *a, const struct ch_http_response *r)
{
	struct ch_span v;
	a->status = r->status;
	a->last = r->fields.close || r->fields.framing == CH_HTTP_UNTIL_CLOSE;
	(void)ch_http_field_get(&r->fields, "content-type", &v);
	size_t n = 0;
	while (n < v.n && v.p[n] != ';' && v.p[n] != ' ')
		n++;
	(void)ch_span_copy(a->content_type, sizeof(a->content_type) - 1, ch_span(v.p, n));
	(void)ch_http_field_get(&r->fields, "retry-after", &v);
	for (size_t i = 0; i < v.n && i < 6 && v.p[i] >= '0' && v.p[i] <= '9'; i++)
		a->retry_after = a->retry_after * 10 + (unsigned)(v.p[i] - '0');
}

static enum ch_err read_head(struct ch_http_stream *s, enum ch_http_method method, struct ch_http_response *r,
			     struct ch_net_why *why)
{
	struct ch_diag d = { 0 };
	size_t seen = 0;
	size_t head;
	enum ch_err err;
	/* A head is shorter than the buffer, so what is left of the one before it is moved to the front first. */
	struct ch_span left = ch_span(s->in + s->at, s->n - s->at);
	for (size_t i = 0; i < left.n; i++)
		s->in[i] = left.p[i];
	s->n = left.n;
	s->at = 0;
	while ((err = ch_http_head_end(ch_span(s->in, s->n), &seen, &head)) == CH_ERR_TRUNCATED) {
		err = fill(s, why);
		if (err != CH_OK)
			return err;
	}
	if (err == CH_OK)
		err = ch_http_response_parse(r, ch_span(s->in, head), method, &d);
	if (err != CH_OK)
		return ch_net_say(why, err, "the server's answer is no HTTP: %s",
				  d.rule != NULL ? d.rule : ch_err_str(err));
	s->at = head;
	return CH_OK;
}

static enum ch_err begin(struct ch_http_stream *s, const struct ch_http_ask *ask, struct ch_http_answer *a,
			 struct ch_net_why *why)
{
	struct ch_http_response r = { 0 };
	enum ch_http_method method =
		ch_span_eq(ch_span_str(ask->method), CH_SPAN_LIT("HEAD")) ? CH_HTTP_HEAD : CH_HTTP_GET;
	enum ch_err err = send_request(s->k, ask, why);
	/* A server that refuses early answers before it has read all of the body. */
	if (err == CH_ERR_IO)
		err = CH_OK;
	for (size_t i = 0; err == CH_OK && i < INTERIM_MAX && r.status < 200; i++)
		err = read_head(s, method, &r, why);
	if (err != CH_OK)
		return err;
	if (r.status < 200)
		return ch_net_say(why, CH_ERR_MALFORMED, "the server gives no final answer");
	describe(a, &r);
	ch_http_body_init(&s->body, &r.fields);
	return CH_OK;
}

/* The next piece of the body, inside the buffer; empty at the end. */
static enum ch_err next_piece(struct ch_http_stream *s, size_t cap, struct ch_span *data, struct ch_net_why *why)
{
	*data = CH_SPAN_EMPTY;
	while (!s->body.done && data->n == 0) {
		if (s->at == s->n) {
			size_t got;
			s->at = s->n = 0;
			enum ch_err err = ch_net_read(s->k, s->in, sizeof(s->in), &got, why);
			if (err != CH_OK)
				return err;
			s->n = got;
			if (got == 0 && s->body.framing == CH_HTTP_UNTIL_CLOSE)
				return CH_OK;
			if (got == 0)
				return ch_net_say(why, CH_ERR_TRUNCATED,
						  "the server closed before its answer was whole");
		}
		size_t used;
		size_t have = s->n - s->at;
		enum ch_err err =
			ch_http_body_take(&s->body, ch_span(s->in + s->at, have < cap ? have : cap), &used, data);
		if (err != CH_OK)
			return ch_net_say(why, err,
					  "the server's answer is not chunked as it should be (RFC 9112, 7.1)");
		s->at += used;
	}
	return CH_OK;
}

enum ch_err ch_http_open(struct ch_http_stream **out, struct ch_net_conn *k, const struct ch_http_ask *ask,
			 struct ch_http_answer *a, struct ch_net_why *why)
{
	struct ch_http_stream *s = ch_calloc(1, sizeof(*s));
	*a = (struct ch_http_answer){ 0 };
	*out = NULL;
	s->k = k;
	enum ch_err err = begin(s, ask, a, why);
	if (err == CH_OK)
		*out = s;
	else
		ch_http_stream_free(s);
	return err;
}

enum ch_err ch_http_more(struct ch_http_stream *s, void *to, size_t cap, size_t *n, struct ch_net_why *why)
{
	struct ch_span data;
	*n = 0;
	enum ch_err err = next_piece(s, cap, &data, why);
	if (err == CH_OK)
		*n = ch_span_copy(to, cap, data);
	return err;
}

void ch_http_stream_free(struct ch_http_stream *s)
{
	ch_free(s);
}

enum ch_err ch_http_call(struct ch_net_conn *k, const struct ch_http_ask *ask, size_t body_max,
			 struct ch_http_answer *a, struct ch_net_why *why)
{
	struct ch_http_stream *s;
	struct ch_span data;
	enum ch_err err = ch_http_open(&s, k, ask, a, why);
	if (err != CH_OK)
		return err;
	do {
		err = next_piece(s, PIECE, &data, why);
		if (err == CH_OK && data.n > body_max - a->body.n)
			err = ch_net_say(why, CH_ERR_LIMIT, "the server's answer has more than %zu bytes", body_max);
		if (err == CH_OK)
			ch_buf_append(&a->body, data);
	} while (err == CH_OK && data.n > 0);
	/* Bytes that nobody asked for: the next answer could not be told from them. */
	a->last = a->last || s->at != s->n;
	ch_http_stream_free(s);
	if (err != CH_OK) {
		ch_buf_free(&a->body);
		*a = (struct ch_http_answer){ 0 };
	}
	return err;
}
