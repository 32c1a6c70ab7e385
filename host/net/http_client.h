/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_NET_HTTP_CLIENT_H
#define CH_NET_HTTP_CLIENT_H

#include "host/base/mem.h"
#include "host/net/tls_client.h"

/* HTTP/1.1 of a client over one connection: a request, then its answer. Built on the strict response parser of http1.h. */

struct ch_http_ask {
	const char *method; /* "GET", "POST" */
	/* Path and query, origin form (RFC 9112, 3.2.1): starts with '/', already percent-encoded. */
	const char *target;
	const char *host;            /* Host header */
	const char *accept;          /* may be NULL */
	const char *content_type;    /* NULL: "application/json" if there is a body */
	const char *idempotency_key; /* may be NULL */
	const char *last_event_id;   /* may be NULL */
	const char *range;           /* "bytes=0-99" (RFC 9110, 14.2); may be NULL */
	struct ch_span body;         /* sent with Content-Length; empty with POST: Content-Length 0 */
};

struct ch_http_answer {
	unsigned status;
	char content_type[64]; /* without parameters; empty if there is none */
	unsigned retry_after;  /* seconds; 0 if there is none */
	bool last;             /* the connection ends after this answer */
	struct ch_buf body;    /* filled by ch_http_call only; ch_buf_free it */
};

/*
 * Sends and reads the whole answer, of at most `body_max` bytes (CH_ERR_LIMIT). Any answer that parses is CH_OK, whatever its
 * status. After an error, or if `last`, the connection is of no use any more.
 */
CH_MUST_USE enum ch_err ch_http_call(struct ch_net_conn *k, const struct ch_http_ask *call, size_t body_max,
				     struct ch_http_answer *a, struct ch_net_why *why);

/*
 * The same in pieces, for answers without an end (live events): the head first, then ch_http_more until `*n` is 0. Free the stream
 * before the connection.
 */
struct ch_http_stream;
CH_MUST_USE enum ch_err ch_http_open(struct ch_http_stream **s, struct ch_net_conn *k, const struct ch_http_ask *call,
				     struct ch_http_answer *a, struct ch_net_why *why);
CH_MUST_USE enum ch_err ch_http_more(struct ch_http_stream *s, void *to, size_t cap, size_t *n, struct ch_net_why *why);
void ch_http_stream_free(struct ch_http_stream *s);

#endif
