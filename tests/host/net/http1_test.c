/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/http1.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define H "Host: a\r\n"

static struct ch_span S(const char *s) {
	return ch_span_str(s);
}

/* What must be refused, and with which error. */
static const struct {
	const char *head;
	enum ch_err err;
} refused[] = {
	/* smuggling: a length that two readers see differently */
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", CH_ERR_DUPLICATE },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: \r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 1000000000000000\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Content-Length : 5\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", CH_ERR_UNSUPPORTED },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", CH_ERR_UNSUPPORTED },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", CH_ERR_UNSUPPORTED },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", CH_ERR_UNSUPPORTED },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", CH_ERR_DUPLICATE },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\vchunked\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Connection: close, content-length\r\n\r\n", CH_ERR_MALFORMED },
	{ "POST / HTTP/1.1\r\n" H "Connection: transfer-encoding\r\n\r\n", CH_ERR_MALFORMED },
	/* lines */
	{ "GET / HTTP/1.1\n" H "\r\n", CH_ERR_TRUNCATED },
	{ "GET / HTTP/1.1\r\nHost: a\n\r\n", CH_ERR_TRUNCATED },
	{ "GET / HTTP/1.1\r\n" H "A: b\rContent-Length: 5\r\n\r\n", CH_ERR_TRUNCATED },
	{ "GET / HTTP/1.1\r\n" H " folded\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\n" H "\tfolded\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\n Host: a\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\n" H "no colon\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\n" H ": no name\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\n" H "a(b): c\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\n" H "a\x80: c\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\n" H "a: c\x01\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\n" H "a: c\x7f\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\n" H "\r\nX", CH_ERR_TRAILING },
	{ "GET / HTTP/1.1\r\n" H, CH_ERR_TRUNCATED },
	/* host */
	{ "GET / HTTP/1.1\r\n\r\n", CH_ERR_MISSING },
	{ "GET / HTTP/1.1\r\n" H H "\r\n", CH_ERR_DUPLICATE },
	{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", CH_ERR_MALFORMED },
	/* request line */
	{ "\r\nGET / HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ " GET / HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET  / HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /  HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET\t/ HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET / http/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/11\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.10\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/0.9\r\n" H "\r\n", CH_ERR_RANGE },
	{ "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", CH_ERR_MALFORMED },
	{ "GET / HTTP/1.0\r\n\r\n", CH_ERR_MISSING },
	{ "GET / HTTP/2.0\r\n" H "\r\n", CH_ERR_RANGE },
	{ "PRI * HTTP/2.0\r\n\r\n", CH_ERR_RANGE },
	{ "ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	/* target */
	{ "GET http://a/ HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "CONNECT a:443 HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a#b HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a\\b HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a\xc3\xa4 HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /../etc HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a/./b HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a/%2e%2E/b HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a/.%2e HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a%5Cb HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a%00 HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a%0d%0a HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a%4 HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	{ "GET /a%zz HTTP/1.1\r\n" H "\r\n", CH_ERR_MALFORMED },
	/* others that come once */
	{ "POST / HTTP/1.1\r\n" H "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", CH_ERR_DUPLICATE },
	{ "POST / HTTP/1.1\r\n" H "Expect: miracles\r\n\r\n", CH_ERR_UNKNOWN },
};

static void refused_requests_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(refused); i++) {
		struct ch_http_request r;
		struct ch_diag d;
		enum ch_err err = ch_http_request_parse(&r, S(refused[i].head), &d);
		if (err != refused[i].err)
			fail_msg("%s: %s", refused[i].head, ch_err_str(err));
		assert_non_null(d.rule);
		assert_true(d.off <= strlen(refused[i].head));
		assert_int_equal(r.fields.count, 0);
		assert_null(r.path.p);
		assert_true(ch_http_refusal(err) >= 400);
	}
}

static void a_request_reads_as_it_is(void **state)
{
	static const char head[] =
		"POST /v1/evidence?a=1&b=%20 HTTP/1.1\r\nHOST: [::1]:8443\r\nX:\t a b \t\r\nEmpty:\r\n"
		"content-LENGTH: 0012\r\nConnection: x, Close\r\nExpect: 100-Continue\r\n\r\n";
	struct ch_http_request r;
	struct ch_span v;
	(void)state;
	assert_int_equal(ch_http_request_parse(&r, S(head), NULL), CH_OK);
	assert_int_equal(r.method, CH_HTTP_POST);
	assert_true(ch_span_eq(r.path, S("/v1/evidence")));
	assert_true(ch_span_eq(r.query, S("a=1&b=%20")));
	assert_true(ch_span_eq(r.host, S("[::1]:8443")));
	assert_true(ch_http_field_get(&r.fields, "x", &v) && ch_span_eq(v, S("a b")));
	assert_true(ch_http_field_get(&r.fields, "empty", &v) && v.n == 0);
	assert_false(ch_http_field_get(&r.fields, "emp", &v));
	assert_int_equal(r.fields.framing, CH_HTTP_LENGTH);
	assert_int_equal(r.fields.length, 12);
	assert_true(r.fields.close && r.fields.expect_continue);
	assert_int_equal(ch_http_request_parse(
				 &r, S("BREW /a/b/ HTTP/1.1\r\nHost:\r\nTransfer-Encoding: Chunked\r\n\r\n"), NULL),
			 CH_OK);
	assert_int_equal(r.method, CH_HTTP_OTHER);
	assert_int_equal(r.fields.framing, CH_HTTP_CHUNKED);
	assert_true(ch_span_eq(r.path, S("/a/b/")) && r.query.p == NULL && !r.fields.close);
}

/* What another reader would take apart differently is told: the edge refuses it, but where a path is a text. */
static void a_path_that_is_no_path_is_told(void **state)
{
	static const struct {
		const char *head;
		bool opaque;
	} row[] = {
		{ "GET /a//b HTTP/1.1\r\n" H "\r\n", true },        { "GET //b HTTP/1.1\r\n" H "\r\n", true },
		{ "GET /a%2fb HTTP/1.1\r\n" H "\r\n", true },       { "GET /a%2F HTTP/1.0\r\n" H "\r\n", true },
		{ "GET /a/ HTTP/1.1\r\n" H "\r\n", false },         { "GET / HTTP/1.1\r\n" H "\r\n", false },
		{ "GET /a%2eb?c//d HTTP/1.1\r\n" H "\r\n", false },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct ch_http_request r;
		assert_int_equal(ch_http_request_parse(&r, S(row[i].head), NULL), CH_OK);
		assert_int_equal(r.opaque, row[i].opaque);
		assert_int_equal(r.old, r.fields.close);
	}
}

static void every_cut_of_a_head_is_refused(void **state)
{
	static const char head[] = "GET /a HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
	(void)state;
	for (size_t n = 0; n < sizeof(head) - 1; n++) {
		struct ch_http_request r;
		assert_int_not_equal(ch_http_request_parse(&r, ch_span(head, n), NULL), CH_OK);
	}
}

static void bounds_hold(void **state)
{
	struct ch_http_request r;
	char head[CH_HTTP_HEAD_MAX + 100];
	(void)state;
	for (int more = 0; more < 2; more++) {
		struct ch_wr w = ch_wr(head, sizeof(head));
		ch_wr_str(&w, "GET / HTTP/1.1\r\n" H);
		for (int i = 1; i < CH_HTTP_FIELDS_MAX + more; i++)
			ch_wr_str(&w, "a: b\r\n");
		ch_wr_str(&w, "\r\n");
		assert_int_equal(ch_http_request_parse(&r, ch_wr_span(&w), NULL), more ? CH_ERR_LIMIT : CH_OK);
		w.len = 0;
		ch_wr_str(&w, "GET /");
		for (int i = 1; i < CH_HTTP_TARGET_MAX + more; i++)
			ch_wr_u8(&w, 'a');
		ch_wr_str(&w, " HTTP/1.1\r\n" H "\r\n");
		assert_int_equal(ch_http_request_parse(&r, ch_wr_span(&w), NULL), more ? CH_ERR_LIMIT : CH_OK);
		w.len = 0;
		ch_wr_str(&w, "GET / HTTP/1.1\r\n" H "a: ");
		while (w.len < (size_t)(CH_HTTP_HEAD_MAX - 4 + more))
			ch_wr_u8(&w, 'a');
		ch_wr_str(&w, "\r\n\r\n");
		assert_int_equal(ch_http_request_parse(&r, ch_wr_span(&w), NULL), more ? CH_ERR_LIMIT : CH_OK);
		size_t seen = 0;
		size_t n;
		assert_int_equal(ch_http_head_end(ch_wr_span(&w), &seen, &n), more ? CH_ERR_LIMIT : CH_OK);
	}
	assert_int_equal(ch_http_refusal(CH_ERR_LIMIT), 431);
}

static void the_end_of_a_head_is_found_byte_by_byte(void **state)
{
	static const char in[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n";
	size_t seen = 0;
	size_t head = 0;
	(void)state;
	for (size_t n = 0; n < 27; n++) {
		assert_int_equal(ch_http_head_end(ch_span(in, n), &seen, &head), CH_ERR_TRUNCATED);
		assert_int_equal(head, 0);
	}
	assert_int_equal(ch_http_head_end(ch_span(in, 27), &seen, &head), CH_OK);
	assert_int_equal(head, 27);
	seen = 0;
	assert_int_equal(ch_http_head_end(S(in), &seen, &head), CH_OK);
	assert_int_equal(head, 27);
}

static void a_head_that_cannot_be_one_is_noticed_early(void **state)
{
	static const struct {
		const char *in;
		size_t n;
	} t[] = {
		{ "\x16\x03\x01", 3 }, { "\r\n", 2 }, { " GET", 4 }, { "GET /\n", 6 },
		{ "GET /\rX", 7 },     { "G\0", 2 },  { "\n", 1 },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		size_t seen = 0;
		size_t head;
		assert_int_equal(ch_http_head_end(ch_span(t[i].in, t[i].n), &seen, &head), CH_ERR_MALFORMED);
	}
}

/* Feeds `in` in pieces of `step`; what came out as body goes to `out`. */
static enum ch_err feed(struct ch_http_body *b, struct ch_span in, size_t step, struct ch_wr *out, size_t *left)
{
	while (in.n > 0 && !b->done) {
		struct ch_span piece = ch_span(in.p, in.n < step ? in.n : step);
		size_t used;
		struct ch_span data;
		enum ch_err err = ch_http_body_take(b, piece, &used, &data);
		if (err != CH_OK)
			return err;
		assert_true(used > 0 && used <= piece.n && data.n <= used);
		ch_wr_put(out, data);
		in = ch_span(in.p + used, in.n - used);
	}
	*left = in.n;
	return CH_OK;
}

static void chunks_come_out_whole_at_every_split(void **state)
{
	static const char in[] = "5;a=\"b\"\r\nhello\r\n0006\r\n world\r\n0\r\nA: b\r\nC:\r\n\r\nNEXT";
	const struct ch_http_fields f = { .framing = CH_HTTP_CHUNKED };
	(void)state;
	for (size_t step = 1; step < sizeof(in); step++) {
		uint8_t mem[64];
		struct ch_wr out = ch_wr(mem, sizeof(mem));
		struct ch_http_body b;
		size_t left;
		ch_http_body_init(&b, &f);
		assert_int_equal(feed(&b, S(in), step, &out, &left), CH_OK);
		assert_true(b.done);
		assert_int_equal(left, 4);
		assert_true(ch_span_eq(ch_wr_span(&out), S("hello world")));
	}
}

static void bad_chunks_are_refused(void **state)
{
	static const char *const t[] = {
		"\r\n",
		";a\r\n",
		"g\r\n",
		"-1\r\n",
		"0x5\r\nhello\r\n",
		" 5\r\nhello\r\n",
		"5 \r\nhello\r\n",
		"5\nhello\r\n",
		"5\r\rhello",
		"5\r\nhelloX",
		"5\r\nhello\n0",
		"5\r\nhello\r0",
		"5;a\nb\r\nhello",
		"5;a\x01\r\nhello",
		"1234567890abc\r\n",
		"0\r\n\n",
		"0\r\n\rX",
		"0\r\nno colon\r\n",
		"0\r\n: a\r\n",
		"0\r\n folded: a\r\n",
		"0\r\nA: b\x01\r\n",
		"0\r\nA: b\n\r\n",
		"0\r\nA: b\rC",
	};
	const struct ch_http_fields f = { .framing = CH_HTTP_CHUNKED };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		uint8_t mem[64];
		struct ch_wr out = ch_wr(mem, sizeof(mem));
		struct ch_http_body b;
		size_t left;
		ch_http_body_init(&b, &f);
		if (feed(&b, S(t[i]), 64, &out, &left) == CH_OK)
			fail_msg("accepted: %s", t[i]);
		assert_false(b.done);
	}
}

static void what_is_ignored_is_bounded(void **state)
{
	const struct ch_http_fields f = { .framing = CH_HTTP_CHUNKED };
	static const struct {
		const char *before;
		const char *after;
		size_t max;
	} t[] = { { "5;", "\r\nhello", CH_HTTP_EXT_MAX }, { "0\r\nA:", "\r\n\r\n", CH_HTTP_TRAILER_MAX - 2 } };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		for (size_t more = 0; more < 2; more++) {
			uint8_t mem[2048];
			uint8_t body[64];
			size_t left;
			struct ch_wr w = ch_wr(mem, sizeof(mem));
			struct ch_wr out = ch_wr(body, sizeof(body));
			struct ch_http_body b;
			ch_wr_str(&w, t[i].before);
			for (size_t k = 0; k < t[i].max + more; k++)
				ch_wr_u8(&w, 'x');
			ch_wr_str(&w, t[i].after);
			ch_http_body_init(&b, &f);
			assert_int_equal(feed(&b, ch_wr_span(&w), sizeof(mem), &out, &left),
					 more ? CH_ERR_LIMIT : CH_OK);
		}
	}
}

static void a_counted_body_ends_where_it_ends(void **state)
{
	const struct ch_http_fields f = { .framing = CH_HTTP_LENGTH, .length = 3 };
	const struct ch_http_fields none = { .framing = CH_HTTP_LENGTH };
	struct ch_http_body b;
	size_t used;
	struct ch_span data;
	(void)state;
	ch_http_body_init(&b, &f);
	assert_int_equal(ch_http_body_take(&b, S("a"), &used, &data), CH_OK);
	assert_true(used == 1 && data.n == 1 && !b.done);
	assert_int_equal(ch_http_body_take(&b, S("bcGET"), &used, &data), CH_OK);
	assert_true(used == 2 && data.n == 2 && b.done);
	assert_int_equal(ch_http_body_take(&b, S("GET"), &used, &data), CH_OK);
	assert_true(used == 0 && data.n == 0);
	ch_http_body_init(&b, &none);
	assert_true(b.done);
}

static void responses(void **state)
{
	static const struct {
		const char *head;
		enum ch_http_method method;
		enum ch_err err;
		enum ch_http_framing framing;
	} t[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", CH_HTTP_GET, CH_OK, CH_HTTP_LENGTH },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", CH_HTTP_HEAD, CH_OK, CH_HTTP_NO_BODY },
		{ "HTTP/1.1 204 \r\n\r\n", CH_HTTP_GET, CH_OK, CH_HTTP_NO_BODY },
		{ "HTTP/1.1 100 Continue\r\n\r\n", CH_HTTP_POST, CH_OK, CH_HTTP_NO_BODY },
		{ "HTTP/1.1 304\r\n\r\n", CH_HTTP_GET, CH_OK, CH_HTTP_NO_BODY },
		{ "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", CH_HTTP_GET, CH_OK, CH_HTTP_CHUNKED },
		{ "HTTP/1.0 200 Connection established\r\n\r\n", CH_HTTP_GET, CH_OK, CH_HTTP_UNTIL_CLOSE },
		{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CH_HTTP_GET, CH_ERR_MALFORMED, 0 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", CH_HTTP_GET,
		  CH_ERR_MALFORMED, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", CH_HTTP_GET, CH_ERR_DUPLICATE,
		  0 },
		{ "HTTP/1.1 20 OK\r\n\r\n", CH_HTTP_GET, CH_ERR_MALFORMED, 0 },
		{ "HTTP/1.1 2000 OK\r\n\r\n", CH_HTTP_GET, CH_ERR_MALFORMED, 0 },
		{ "HTTP/1.1 099 OK\r\n\r\n", CH_HTTP_GET, CH_ERR_MALFORMED, 0 },
		{ "HTTP/1.1 600 OK\r\n\r\n", CH_HTTP_GET, CH_ERR_MALFORMED, 0 },
		{ "HTTP/1.1  200 OK\r\n\r\n", CH_HTTP_GET, CH_ERR_MALFORMED, 0 },
		{ "HTTP/1.1\r\n\r\n", CH_HTTP_GET, CH_ERR_MALFORMED, 0 },
		{ "HTTP/1.1 2x0 OK\r\n\r\n", CH_HTTP_GET, CH_ERR_MALFORMED, 0 },
		{ "HTTP/1.1 200 O\x01K\r\n\r\n", CH_HTTP_GET, CH_ERR_MALFORMED, 0 },
		{ "HTTP/2.0 200 OK\r\n\r\n", CH_HTTP_GET, CH_ERR_RANGE, 0 },
		{ "ICY 200 OK\r\n\r\n", CH_HTTP_GET, CH_ERR_RANGE, 0 },
		{ "HTTP/1.1 200 OK\n\r\n", CH_HTTP_GET, CH_ERR_TRUNCATED, 0 },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		struct ch_http_response r;
		enum ch_err err = ch_http_response_parse(&r, S(t[i].head), t[i].method, NULL);
		if (err != t[i].err || (err == CH_OK && r.fields.framing != t[i].framing))
			fail_msg("%s: %s", t[i].head, ch_err_str(err));
		assert_true(err == CH_OK ? r.status >= 100 : r.status == 0);
	}
}

static void queries(void **state)
{
	struct ch_span rest = S("&a=1&&b&=c&d==%41%zz");
	struct ch_span n, v;
	uint8_t out[4];
	size_t len;
	(void)state;
	assert_true(ch_http_query_next(&rest, &n, &v) && ch_span_eq(n, S("a")) && ch_span_eq(v, S("1")));
	assert_true(ch_http_query_next(&rest, &n, &v) && ch_span_eq(n, S("b")) && v.n == 0);
	assert_true(ch_http_query_next(&rest, &n, &v) && n.n == 0 && ch_span_eq(v, S("c")));
	assert_true(ch_http_query_next(&rest, &n, &v) && ch_span_eq(n, S("d")) && ch_span_eq(v, S("=%41%zz")));
	assert_false(ch_http_query_next(&rest, &n, &v));
	assert_int_equal(ch_http_pct_decode(S("a%41%00"), out, sizeof(out), &len), CH_OK);
	assert_true(len == 3 && memcmp(out, "aA\0", 3) == 0);
	assert_int_equal(ch_http_pct_decode(S("%4"), out, sizeof(out), &len), CH_ERR_ENCODING);
	assert_int_equal(ch_http_pct_decode(S("%"), out, sizeof(out), &len), CH_ERR_ENCODING);
	assert_int_equal(ch_http_pct_decode(S("%zz"), out, sizeof(out), &len), CH_ERR_ENCODING);
	assert_int_equal(ch_http_pct_decode(S("abcde"), out, sizeof(out), &len), CH_ERR_NOSPACE);
}

static void what_is_written_reads_back(void **state)
{
	uint8_t mem[256];
	struct ch_wr w = ch_wr(mem, sizeof(mem));
	struct ch_http_response r;
	struct ch_span v;
	(void)state;
	ch_http_put_status(&w, 429);
	ch_http_put_field(&w, "Content-Type", S("application/json"));
	ch_http_put_length(&w, 12);
	ch_http_put_end(&w);
	assert_int_equal(ch_http_response_parse(&r, ch_wr_span(&w), CH_HTTP_GET, NULL), CH_OK);
	assert_int_equal(r.status, 429);
	assert_int_equal(r.fields.length, 12);
	assert_true(ch_http_field_get(&r.fields, "content-type", &v) && ch_span_eq(v, S("application/json")));
	ch_http_put_field(&w, "X", S("a\r\nSet-Cookie: b"));
	assert_true(w.bad);
	w = ch_wr(mem, sizeof(mem));
	ch_http_put_request_line(&w, "GET", "/a b");
	assert_true(w.bad);
	w = ch_wr(mem, sizeof(mem));
	ch_http_put_chunk(&w, 0x1a0);
	ch_http_put_chunk(&w, 7);
	assert_true(ch_span_eq(ch_wr_span(&w), S("1a0\r\n7\r\n")));
}

static void dates(void **state)
{
	static const struct {
		uint64_t t;
		const char *text;
	} d[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },          { 951782399, "Mon, 28 Feb 2000 23:59:59 GMT" },
		{ 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },  { 951868800, "Wed, 01 Mar 2000 00:00:00 GMT" },
		{ 1764111600, "Tue, 25 Nov 2025 23:00:00 GMT" }, { 4107542399, "Sun, 28 Feb 2100 23:59:59 GMT" },
		{ 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" }, { UINT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT" },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(d); i++) {
		char text[CH_HTTP_DATE];
		ch_http_date(text, d[i].t);
		assert_string_equal(text, d[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_requests_are_refused),
		cmocka_unit_test(a_request_reads_as_it_is),
		cmocka_unit_test(every_cut_of_a_head_is_refused),
		cmocka_unit_test(a_path_that_is_no_path_is_told),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(the_end_of_a_head_is_found_byte_by_byte),
		cmocka_unit_test(a_head_that_cannot_be_one_is_noticed_early),
		cmocka_unit_test(chunks_come_out_whole_at_every_split),
		cmocka_unit_test(bad_chunks_are_refused),
		cmocka_unit_test(what_is_ignored_is_bounded),
		cmocka_unit_test(a_counted_body_ends_where_it_ends),
		cmocka_unit_test(responses),
		cmocka_unit_test(queries),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(dates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
