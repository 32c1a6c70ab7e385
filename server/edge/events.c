/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live events (Server-Sent Events, HTML Living Standard 9.2): what the keeper tells goes to every operator who listens. The last
 * ones are kept, so that one whose connection broke misses nothing: it says which it had last.
 */
#include "server/edge/edge.h"

#define KEPT          256
#define KEPT_BYTES    ((size_t)1 << 20)
#define BACKLOG_MAX   ((size_t)256 << 10) /* of one listener that reads too slowly */
#define HEARTBEAT_MS  15000
#define LISTENERS_MAX 64 /* each may hold back as much as the kept ones and its backlog */

static struct event *kept(struct edge *e, size_t i)
{
	return &e->event[(e->event_at + i) % KEPT];
}

static void drop_oldest(struct edge *e)
{
	struct event *old = kept(e, 0);
	e->event_bytes -= old->text.n;
	ch_buf_free(&old->text);
	e->event_at = (e->event_at + 1) % KEPT;
	e->event_count--;
}

void events_clear(struct edge *e)
{
	while (e->event_count > 0)
		drop_oldest(e);
	ch_free(e->event);
	e->event = NULL;
}

/* A chunk (RFC 9112, 7.1) around one event. */
static void put_chunk(struct ch_buf *to, struct ch_span text)
{
	uint8_t line[32];
	struct ch_wr w = ch_wr(line, sizeof(line));
	ch_http_put_chunk(&w, text.n);
	ch_buf_append(to, ch_wr_span(&w));
	ch_buf_append(to, text);
	ch_buf_append(to, CH_SPAN_LIT("\r\n"));
}

/* May it still listen? Asked again for each event: a role may have ended meanwhile. */
static bool deliver(struct conn *c, struct ch_span chunk)
{
	struct edge *e = c->edge;
	if (edge_admit(c, &ch_routes[CH_ROUTE_EVENTS]).status != 0 || c->out.n - c->out_off + chunk.n > BACKLOG_MAX) {
		e->count.subscribers_dropped++;
		conn_free(c);
		return false;
	}
	ch_buf_append(&c->out, chunk);
	return true;
}

static void to_all(struct edge *e, struct ch_span chunk)
{
	for (size_t i = 0; i < e->conn_cap && e->in_state[CONN_EVENTS] > 0; i++) {
		struct conn *c = e->conn[i];
		if (c != NULL && c->state == CONN_EVENTS && deliver(c, chunk))
			conn_send(c);
	}
}

void events_publish(struct edge *e, const struct ch_msg_event *event)
{
	CH_AUTO_BUF struct ch_buf text = { 0 };
	struct ch_buf chunk = { 0 };
	uint8_t line[128];
	struct ch_wr w = ch_wr(line, sizeof(line));
	/* The text is one line: JSON has no raw line ends, and a kind is a word of ours. */
	for (size_t i = 0; i < event->json.n; i++)
		if (event->json.p[i] < 0x20)
			return;
	ch_wr_str(&w, "id: ");
	ch_wr_dec(&w, event->seq);
	ch_wr_str(&w, "\nevent: ");
	ch_wr_put(&w, event->kind);
	ch_wr_str(&w, "\ndata: ");
	ch_buf_append(&text, ch_wr_span(&w));
	ch_buf_append(&text, event->json);
	ch_buf_append(&text, CH_SPAN_LIT("\n\n"));
	put_chunk(&chunk, ch_buf_span(&text));
	e->count.events++;
	to_all(e, ch_buf_span(&chunk));
	while (e->event_count == KEPT || (e->event_count > 0 && e->event_bytes + chunk.n > KEPT_BYTES))
		drop_oldest(e);
	*kept(e, e->event_count) = (struct event){ event->seq, chunk };
	e->event_count++;
	e->event_bytes += chunk.n;
}

static bool read_number(struct ch_span s, uint64_t *n)
{
	*n = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || i == 19)
			return false;
		*n = *n * 10 + (uint64_t)(s.p[i] - '0');
	}
	return s.n > 0;
}

void events_subscribe(struct conn *c, struct ch_span last_id)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	struct edge *e = c->edge;
	uint64_t last;
	if (e->in_state[CONN_EVENTS] >= LISTENERS_MAX) {
		request_refuse(c, 503, "listeners", "as many listen to events as may; try again later");
		return;
	}
	ch_buf_append(&c->out, ch_span(head, sizeof(head) - 1));
	conn_state(c, CONN_EVENTS, 0);
	e->count.requests[CH_ROUTE_EVENTS][2]++;
	if (read_number(last_id, &last)) {
		/* Events that are no longer here: the listener must look at the whole state anew. */
		if (e->event_count == 0 || kept(e, 0)->seq > last + 1)
			put_chunk(&c->out, CH_SPAN_LIT("event: gap\ndata: {}\n\n"));
		for (size_t i = 0; i < e->event_count; i++)
			if (kept(e, i)->seq > last)
				ch_buf_append(&c->out, ch_buf_span(&kept(e, i)->text));
	} else {
		put_chunk(&c->out, CH_SPAN_LIT(": listening\n\n"));
	}
	conn_send(c);
}

static void heartbeat(void *ctx)
{
	static const char beat[] = "4\r\n:\n\n\n\r\n";
	struct edge *e = ctx;
	ch_loop_timer_set(e->loop, &e->heartbeat, HEARTBEAT_MS);
	to_all(e, ch_span(beat, sizeof(beat) - 1));
}

void events_start(struct edge *e)
{
	e->event = ch_calloc(KEPT, sizeof(struct event));
	e->heartbeat = (struct ch_loop_timer){ .due = heartbeat, .ctx = e };
	ch_loop_timer_set(e->loop, &e->heartbeat, HEARTBEAT_MS);
}
