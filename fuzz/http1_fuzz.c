/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says what the rest is: a request, an answer, or a chunked body. A head that is taken must be found as whole at
 * every split, read the same when written again, and hold nothing that could end a line. A body must come out the same however it is
 * cut into pieces.
 */
#include "host/net/http1.h"
#include "host/net/http1_range.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly as large as the input, so that a sanitizer sees the first byte too many. */
static uint8_t *copy(struct ch_span s)
{
	uint8_t *p = malloc(s.n != 0 ? s.n : 1);
	CHECK(p != NULL);
	CHECK(ch_span_copy(p, s.n, s) == s.n);
	return p;
}

static bool inside(struct ch_span s, struct ch_span in)
{
	return s.n == 0 || (s.p >= in.p && s.n <= in.n - (size_t)(s.p - in.p));
}

static void check_fields(const struct ch_http_fields *f, struct ch_span head)
{
	CHECK(f->count <= CH_HTTP_FIELDS_MAX);
	for (size_t i = 0; i < f->count; i++) {
		struct ch_span name = f->field[i].name;
		struct ch_span value = f->field[i].value;
		CHECK(name.n > 0 && inside(name, head) && inside(value, head));
		for (size_t k = 0; k < value.n; k++)
			CHECK(value.p[k] == '\t' || (value.p[k] >= 0x20 && value.p[k] != 0x7f));
	}
	struct ch_span v;
	bool length = ch_http_field_get(f, "content-length", &v);
	bool coding = ch_http_field_get(f, "transfer-encoding", &v);
	CHECK(!(length && coding));
}

/* The head is complete at its last byte, and not before. */
static void check_end(struct ch_span head)
{
	size_t seen = 0;
	size_t n;
	for (size_t i = 0; i < head.n; i++)
		CHECK(ch_http_head_end(ch_span(head.p, i), &seen, &n) == CH_ERR_TRUNCATED);
	CHECK(ch_http_head_end(head, &seen, &n) == CH_OK && n == head.n);
}

static void put_fields(struct ch_wr *w, const struct ch_http_fields *f)
{
	for (size_t i = 0; i < f->count; i++) {
		ch_wr_put(w, f->field[i].name);
		ch_wr_str(w, ":");
		ch_wr_put(w, f->field[i].value);
		ch_wr_str(w, "\r\n");
	}
	ch_http_put_end(w);
}

static void check_same(const struct ch_http_fields *a, const struct ch_http_fields *b)
{
	CHECK(a->count == b->count && a->framing == b->framing && a->length == b->length && a->close == b->close);
	for (size_t i = 0; i < a->count; i++)
		CHECK(ch_span_eq(a->field[i].name, b->field[i].name) &&
		      ch_span_eq(a->field[i].value, b->field[i].value));
}

static void try_query(struct ch_span query)
{
	struct ch_span name, value;
	uint8_t text[64];
	size_t n;
	struct ch_span rest = query;
	while (ch_http_query_next(&rest, &name, &value)) {
		CHECK(inside(name, query) && inside(value, query) && rest.n < query.n);
		if (ch_http_pct_decode(value, text, sizeof(text), &n) == CH_OK)
			CHECK(n <= value.n);
	}
}

/* Every value is taken for a range and for a list of tags: what is satisfiable lies in the file. */
static void try_values(const struct ch_http_fields *f)
{
	static const uint64_t size[] = { 0, 1, 1000, INT64_MAX };
	for (size_t i = 0; i < f->count; i++) {
		for (size_t k = 0; k < CH_COUNT_OF(size); k++) {
			uint64_t from, to;
			if (ch_http_range(f->field[i].value, size[k], &from, &to) == CH_OK)
				CHECK(from < to && to <= size[k]);
		}
		if (ch_http_tag_listed(f->field[i].value, CH_SPAN_LIT("\"a\""), false))
			CHECK(ch_http_tag_listed(f->field[i].value, CH_SPAN_LIT("\"a\""), true));
	}
}

static void try_request(struct ch_span in)
{
	static struct ch_http_request r, again;
	struct ch_diag d;
	uint8_t text[CH_HTTP_HEAD_MAX + 64];
	struct ch_wr w = ch_wr(text, sizeof(text));
	enum ch_err err = ch_http_request_parse(&r, in, &d);
	if (err != CH_OK) {
		CHECK(d.rule != NULL && d.off <= in.n && r.fields.count == 0 && ch_http_refusal(err) >= 400);
		return;
	}
	check_fields(&r.fields, in);
	try_values(&r.fields);
	check_end(in);
	CHECK(r.path.n > 0 && r.path.p[0] == '/' && inside(r.path, in) && inside(r.query, in) && inside(r.host, in));
	try_query(r.query);
	ch_wr_put(&w, r.method_name);
	ch_wr_str(&w, " ");
	ch_wr_put(&w, r.path);
	if (r.query.p != NULL) {
		ch_wr_str(&w, "?");
		ch_wr_put(&w, r.query);
	}
	ch_wr_str(&w, r.old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
	put_fields(&w, &r.fields);
	CHECK(ch_http_request_parse(&again, ch_wr_span(&w), NULL) == CH_OK);
	CHECK(again.old == r.old && again.method == r.method && ch_span_eq(again.path, r.path) &&
	      ch_span_eq(again.query, r.query));
	check_same(&r.fields, &again.fields);
}

static void try_response(struct ch_span in)
{
	static struct ch_http_response r;
	struct ch_diag d;
	if (ch_http_response_parse(&r, in, CH_HTTP_GET, &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= in.n && r.status == 0);
		return;
	}
	CHECK(r.status >= 100 && r.status <= 599);
	check_fields(&r.fields, in);
	check_end(in);
}

/* Takes `in` in pieces of `step` bytes; what came out goes to `w`, how much was used to `*total`. */
static enum ch_err take_all(struct ch_span in, size_t step, struct ch_wr *w, bool *done, size_t *total)
{
	const struct ch_http_fields f = { .framing = CH_HTTP_CHUNKED };
	struct ch_http_body b;
	enum ch_err err = CH_OK;
	ch_http_body_init(&b, &f);
	*total = 0;
	while (err == CH_OK && !b.done && *total < in.n) {
		size_t n = in.n - *total < step ? in.n - *total : step;
		/* A piece of its own: nothing before or behind it may be looked at. */
		uint8_t *piece = copy(ch_span(in.p + *total, n));
		size_t used;
		struct ch_span out;
		err = ch_http_body_take(&b, ch_span(piece, n), &used, &out);
		CHECK(err != CH_OK || (used > 0 && used <= n && out.n <= used && inside(out, ch_span(piece, n))));
		if (err == CH_OK)
			ch_wr_put(w, out);
		*total += used;
		free(piece);
	}
	*done = b.done;
	return err;
}

static void try_body(struct ch_span in)
{
	uint8_t *one = malloc(in.n + 1);
	uint8_t *two = malloc(in.n + 1);
	CHECK(one != NULL && two != NULL);
	for (size_t step = 1; step < 8; step += 3) {
		struct ch_wr a = ch_wr(one, in.n + 1);
		struct ch_wr b = ch_wr(two, in.n + 1);
		bool done_a, done_b;
		size_t used_a, used_b;
		enum ch_err err = take_all(in, in.n, &a, &done_a, &used_a);
		CHECK(take_all(in, step, &b, &done_b, &used_b) == err);
		CHECK(done_a == done_b && !a.bad && !b.bad);
		if (err == CH_OK)
			CHECK(used_a == used_b && ch_span_eq(ch_wr_span(&a), ch_wr_span(&b)));
	}
	free(one);
	free(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct ch_span in) = { try_request, try_response, try_body };
	if (size == 0)
		return 0;
	uint8_t *in = copy(ch_span(data + 1, size - 1));
	tries[data[0] % 3](ch_span(in, size - 1));
	free(in);
	return 0;
}
