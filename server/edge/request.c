/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to its answer: route, admission, body, the process that answers, and what goes back. */
#include "server/edge/edge.h"

#include "core/wire/json.h"
#include "host/sys/clock.h"

#include <arpa/inet.h>
#include <stdio.h>

#define RETRY_S 2

static const char *date(struct edge *e)
{
	uint64_t now = ch_clock_ms(CLOCK_REALTIME) / 1000;
	if (now != e->date_at) {
		e->date_at = now;
		ch_http_date(e->date, e->date_at);
	}
	return e->date;
}

/* What a cache may do with it: for most answers, nothing. */
static void put_caching(struct ch_wr *w, const struct cached *how)
{
	char text[CH_HTTP_DATE];
	if (how == NULL) {
		ch_http_put_field(w, "Cache-Control", CH_SPAN_LIT("no-store"));
		return;
	}
	ch_wr_str(w, "Cache-Control: max-age=");
	ch_wr_dec(w, how->max_age);
	ch_wr_str(w, ", public, no-transform, must-revalidate\r\n");
	ch_http_put_field(w, "ETag", ch_span_str(how->tag));
	ch_http_date(text, how->modified);
	ch_http_put_field(w, "Last-Modified", ch_span_str(text));
	ch_http_date(text, how->expires);
	ch_http_put_field(w, "Expires", ch_span_str(text));
}

static void put_head(struct conn *c, struct ch_wr *w, unsigned status, uint32_t retry_after, struct ch_span type,
		     size_t length, const struct cached *how)
{
	ch_http_put_status(w, status);
	ch_http_put_field(w, "Date", ch_span_str(date(c->edge)));
	if (length > 0)
		ch_http_put_field(w, "Content-Type", type.n > 0 ? type : CH_SPAN_LIT("application/json"));
	if (status != 304)
		ch_http_put_length(w, length);
	put_caching(w, how);
	if (retry_after > 0) {
		ch_wr_str(w, "Retry-After: ");
		ch_wr_dec(w, retry_after);
		ch_wr_str(w, "\r\n");
	}
	if (status == 401 && est_is(c))
		ch_http_put_field(w, "WWW-Authenticate", CH_SPAN_LIT("Basic realm=\"est\""));
	if (c->close || c->edge->stopping)
		ch_http_put_field(w, "Connection", CH_SPAN_LIT("close"));
	ch_http_put_end(w);
}

static void send_answer(struct conn *c, unsigned status, uint32_t retry_after, struct ch_span type, struct ch_span body,
			const struct cached *how)
{
	uint8_t head[1024];
	struct ch_wr w = ch_wr(head, sizeof(head));
	put_head(c, &w, status, retry_after, type, body.n, how);
	if (c->route < CH_ROUTE_COUNT)
		c->edge->count.requests[c->route][status / 100 < 6 ? status / 100 : 0]++;
	if (status >= 400 && est_is(c))
		est_log(c, status, body);
	ch_buf_free(&c->body);
	ch_buf_append(&c->out, ch_wr_span(&w));
	if (!c->head_only)
		ch_buf_append(&c->out, body);
	conn_send(c);
}

void request_respond(struct conn *c, unsigned status, uint32_t retry_after, struct ch_span type, struct ch_span body)
{
	send_answer(c, status, retry_after, type, body, NULL);
}

void request_respond_cached(struct conn *c, struct ch_span type, struct ch_span body, const struct cached *how)
{
	if (how->fresh)
		send_answer(c, 304, 0, CH_SPAN_EMPTY, CH_SPAN_EMPTY, how);
	else if (!conn_charge(c, body.n))
		request_refuse(c, 503, "busy", "too much is under way; try again later");
	else
		send_answer(c, 200, 0, type, body, how);
}

static void refuse_after(struct conn *c, unsigned status, uint32_t retry_after, const char *code, const char *rule)
{
	uint8_t text[512];
	struct ch_wr w = ch_wr(text, sizeof(text));
	if (est_is(c)) {
		/* RFC 7030, 4.2.3: for people. */
		ch_wr_str(&w, code);
		ch_wr_str(&w, ": ");
		ch_wr_str(&w, rule);
		ch_wr_str(&w, "\n");
		request_respond(c, status, retry_after, CH_SPAN_LIT("text/plain; charset=utf-8"), ch_wr_span(&w));
		return;
	}
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_name(&j, "error");
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "code", code);
	ch_json_named_str(&j, "rule", rule);
	ch_json_object_end(&j);
	ch_json_object_end(&j);
	request_respond(c, status, retry_after, CH_SPAN_EMPTY, ch_wr_span(&w));
}

void request_refuse(struct conn *c, unsigned status, const char *code, const char *rule)
{
	refuse_after(c, status, status == 429 || status == 503 ? RETRY_S : 0, code, rule);
}

void request_answer(struct conn *c, const struct ch_msg_answer *a)
{
	unsigned status = a->status >= 200 && a->status <= 599 ? a->status : 502;
	if (!conn_charge(c, a->body.n)) {
		request_refuse(c, 503, "busy", "too much is under way; try again later");
		return;
	}
	request_respond(c, status, a->retry_after, a->type, a->body);
}

void request_expired(struct conn *c)
{
	peer_quit(c);
	request_refuse(c, 504, "no-answer", "no answer in time; a repeat with the same Idempotency-Key is safe");
}

/* "address port", for logs and records. */
static struct ch_span remote(const struct conn *c, char to[static 64])
{
	char text[INET6_ADDRSTRLEN];
	bool four = ch_span_all(ch_span(c->address, 10), 0) && c->address[10] == 0xff && c->address[11] == 0xff;
	(void)inet_ntop(four ? AF_INET : AF_INET6, four ? c->address + 12 : c->address, text, sizeof(text));
	(void)snprintf(to, 64, "%s %u", text, c->port);
	return ch_span_str(to);
}

static void forward(struct conn *c, const struct ch_http_request *r)
{
	const struct ch_route *route = &ch_routes[c->route];
	struct edge *e = c->edge;
	char from[64];
	struct ch_peer *p = peer_choose(e, (enum ch_role)route->process);
	if (p == NULL) {
		request_refuse(c, 503, "busy", "the process that answers is busy or starting; try again later");
		return;
	}
	if (est_is(c)) {
		est_forward(c, r, p);
		return;
	}
	struct ch_msg_request m = {
		.route = c->route,
		.slot = c->slot,
		.deadline_ms = e->conf.request_ms,
		.remote = remote(c, from),
		.path = r->path,
		.query = r->query,
		.body = ch_buf_span(&c->body),
	};
	(void)ch_http_field_get(&r->fields, "idempotency-key", &m.idempotency_key);
	if (ch_route_ddi(c->route) && r->host.n <= CH_IPC_HOST_MAX)
		m.host = r->host;
	if (c->has_cert)
		(void)ch_span_copy(m.cert_sha256, sizeof(m.cert_sha256), CH_SPAN_OF(c->cert));
	if (c->known) {
		m.role = c->who.role;
		(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(c->who.id));
		(void)ch_span_copy(m.operator_key, sizeof(m.operator_key), CH_SPAN_OF(c->who.operator_key));
	}
	c->turn++;
	peer_owes(c, p);
	conn_state(c, CONN_WAIT, e->conf.request_ms);
	ch_peer_send(p, CH_MSG_REQUEST, conn_id(c), &m);
}

static void dispatch(struct conn *c, const struct ch_http_request *r)
{
	struct ch_span last_id;
	struct refusal no = edge_admit(c, &ch_routes[c->route]);
	if (no.status != 0) {
		c->close = c->close || no.end;
		request_refuse(c, no.status, no.code, no.rule);
	} else if (c->route == CH_ROUTE_EVENTS && !c->head_only) {
		(void)ch_http_field_get(&r->fields, "last-event-id", &last_id);
		events_subscribe(c, last_id);
	} else if (ch_routes[c->route].process == CH_ROLE_EDGE) {
		local_answer(c, r);
	} else if (c->route != CH_ROUTE_DDI_POLL || !ddi_answer(c, r)) {
		forward(c, r);
	}
}

void request_whole(struct conn *c)
{
	struct ch_http_request r;
	/* The head was whole and right before; its bytes may have moved since. */
	if (ch_http_request_parse(&r, ch_span(c->in.p, c->head_n), NULL) != CH_OK) {
		conn_free(c);
		return;
	}
	dispatch(c, &r);
}

/* A value that goes on to other processes: visible ASCII. */
static bool plain_text(struct ch_span s, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	return s.n <= max;
}

static bool is_of_type(const struct ch_http_fields *f, const char *wanted)
{
	struct ch_span type;
	if (!ch_http_field_get(f, "content-type", &type))
		return true;
	size_t n = 0;
	while (n < type.n && type.p[n] != ';' && type.p[n] != ' ')
		n++;
	return ch_http_is(ch_span(type.p, n), wanted);
}

/* What can be said before the body is there. */
static struct refusal check_head(struct conn *c, const struct ch_http_request *r)
{
	const struct ch_route *route = &ch_routes[c->route];
	struct ch_span key;
	(void)ch_http_field_get(&r->fields, "idempotency-key", &key);
	if (r->path.n > CH_IPC_TEXT_MAX || r->query.n > CH_IPC_TEXT_MAX)
		return (struct refusal){ 414, "target", "the request target is too long", false };
	if (!plain_text(key, EDGE_KEY_MAX))
		return (struct refusal){ 400, "idempotency-key", "Idempotency-Key has 1 to 64 visible characters",
					 false };
	bool body = r->fields.framing == CH_HTTP_CHUNKED || r->fields.length > 0;
	if ((body && route->body_max == 0) || r->fields.length > route->body_max)
		return (struct refusal){ 413, "too-large", "the body is longer than this request may have", false };
	if (body && !is_of_type(&r->fields, ch_route_body_type((enum ch_route_number)c->route)))
		return (struct refusal){ 415, "content-type", "the body is of another type than this request's",
					 false };
	return (struct refusal){ 0 };
}

/* A path of DDI below a tenant that this server does not have. */
static bool other_tenant(const struct conn *c, const struct ch_http_request *r)
{
	return ch_route_ddi(c->route) && !ch_span_eq(ch_route_param((enum ch_route_number)c->route, r->path, 0),
						     ch_span_str(c->edge->conf.ddi_tenant));
}

static void find_route(struct conn *c, const struct ch_http_request *r, struct refusal *no)
{
	enum ch_route_number route;
	enum ch_err err = ch_route_find((enum ch_listener)c->listener, r->method_name, r->path, &route);
	c->route = (uint16_t)route;
	if (r->opaque && (err != CH_OK || !ch_route_opaque(route)))
		*no = (struct refusal){ 400, "bad-request",
					"a path has no empty segment or encoded separator (RFC 3986, 6.2.2)", false };
	else if (err == CH_ERR_NOTFOUND || other_tenant(c, r))
		*no = (struct refusal){ 404, "not-found", "there is nothing at this path", false };
	else if (err != CH_OK)
		*no = (struct refusal){ 405, "method", "this path has another method", false };
	else
		*no = check_head(c, r);
}

void request_head(struct conn *c)
{
	struct ch_http_request r;
	struct ch_diag d;
	struct refusal no = { 0 };
	enum ch_err err = ch_http_request_parse(&r, ch_span(c->in.p, c->head_n), &d);
	c->route = CH_ROUTE_COUNT;
	if (err != CH_OK) {
		c->edge->count.bad_requests++;
		c->close = c->unread = true;
		request_refuse(c, ch_http_refusal(err), "bad-request", d.rule);
		return;
	}
	/* openssl and nginx ask for revocation by it; nobody who is to be known does. */
	if (r.old && c->listener != CH_LISTENER_PUBLIC) {
		c->edge->count.bad_requests++;
		c->close = c->unread = true;
		request_refuse(c, 505, "bad-request", "HTTP/1.1 only (RFC 9112, 2.3)");
		return;
	}
	c->close = r.fields.close;
	c->head_only = r.method == CH_HTTP_HEAD;
	find_route(c, &r, &no);
	token_take(c, &r);
	ch_http_body_init(&c->framing, &r.fields);
	if (no.status == 0 && !c->framing.done) {
		/* Before its body is read: it may be large, and it may be nobody's. */
		no = edge_admit(c, &ch_routes[c->route]);
	}
	if (no.status != 0) {
		c->unread = !c->framing.done;
		c->close = c->close || no.end || c->unread;
		request_refuse(c, no.status, no.code, no.rule);
	} else if (c->framing.done) {
		dispatch(c, &r);
	} else {
		conn_begin_body(c, r.fields.expect_continue);
	}
}
