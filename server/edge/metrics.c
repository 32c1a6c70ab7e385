/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers in Prometheus' text format 0.0.4: of this edge, and of the processes that main passes on. */
#include "server/edge/edge.h"

#include "core/base/rd.h"

static void put(const struct edge *e, struct ch_wr *w, const char *name, const char *type, uint64_t value)
{
	ch_wr_str(w, "# TYPE chainhold_edge_");
	ch_wr_str(w, name);
	ch_wr_u8(w, ' ');
	ch_wr_str(w, type);
	ch_wr_str(w, "\nchainhold_edge_");
	ch_wr_str(w, name);
	ch_wr_str(w, "{edge=\"");
	ch_wr_dec(w, e->child.index);
	ch_wr_str(w, "\"} ");
	ch_wr_dec(w, value);
	ch_wr_u8(w, '\n');
}

static void put_requests(const struct edge *e, struct ch_wr *w)
{
#define NAME(name, listener, method, pattern, caller, body, process) #name,
	static const char *const names[] = { CH_ROUTES(NAME) };
#undef NAME
	ch_wr_str(w, "# TYPE chainhold_edge_requests_total counter\n");
	for (size_t r = 0; r < CH_ROUTE_COUNT; r++) {
		for (size_t s = 1; s < 6; s++) {
			if (e->count.requests[r][s] == 0)
				continue;
			ch_wr_str(w, "chainhold_edge_requests_total{edge=\"");
			ch_wr_dec(w, e->child.index);
			ch_wr_str(w, "\",route=\"");
			ch_wr_str(w, names[r]);
			ch_wr_str(w, "\",status=\"");
			ch_wr_dec(w, s);
			ch_wr_str(w, "xx\"} ");
			ch_wr_dec(w, e->count.requests[r][s]);
			ch_wr_u8(w, '\n');
		}
	}
}

static void put_ocsp(const struct edge *e, struct ch_wr *w)
{
	static const char *const ways[OCSP_WAYS] = { "kept", "signed", "over-limit", "refused" };
	ch_wr_str(w, "# TYPE chainhold_edge_ocsp_total counter\n");
	for (size_t i = 0; i < OCSP_WAYS; i++) {
		ch_wr_str(w, "chainhold_edge_ocsp_total{edge=\"");
		ch_wr_dec(w, e->child.index);
		ch_wr_str(w, "\",way=\"");
		ch_wr_str(w, ways[i]);
		ch_wr_str(w, "\"} ");
		ch_wr_dec(w, e->count.ocsp[i]);
		ch_wr_u8(w, '\n');
	}
}

static void put_root_list(const struct edge *e, struct ch_wr *w, const char *name, const struct root_list *l,
			  uint64_t value)
{
	ch_wr_str(w, "chainhold_edge_root_list_");
	ch_wr_str(w, name);
	ch_wr_str(w, "{edge=\"");
	ch_wr_dec(w, e->child.index);
	ch_wr_str(w, "\",root=\"");
	ch_wr_str(w, l->is.kid);
	ch_wr_str(w, "\"} ");
	ch_wr_dec(w, value);
	ch_wr_u8(w, '\n');
}

/* When each ends, in seconds since 1970: an alarm compares it with time(). */
static void put_root_lists(const struct edge *e, struct ch_wr *w)
{
	const struct root_lists *l = &e->root_lists;
	ch_wr_str(w, "# TYPE chainhold_edge_root_list_ends gauge\n");
	for (size_t i = 0; i < l->count; i++)
		put_root_list(e, w, "ends", &l->v[i], (uint64_t)l->v[i].is.next_update);
	ch_wr_str(w, "# TYPE chainhold_edge_root_list_number gauge\n");
	for (size_t i = 0; i < l->count; i++)
		put_root_list(e, w, "number", &l->v[i], l->v[i].is.number);
	ch_wr_str(w, "# TYPE chainhold_edge_root_list_revokes_issuer gauge\n");
	for (size_t i = 0; i < l->count; i++)
		put_root_list(e, w, "revokes_issuer", &l->v[i], l->v[i].is.revokes_issuer ? 1 : 0);
}

static void put_own(const struct edge *e, struct ch_wr *w)
{
	const struct edge_counters *n = &e->count;
	const struct {
		const char *name;
		const char *type;
		uint64_t value;
	} rows[] = {
		{ "connections", "gauge", e->conns },
		{ "connections_handshaking", "gauge", e->in_state[CONN_HANDSHAKE] },
		{ "connections_waiting", "gauge", e->in_state[CONN_WAIT] },
		{ "listeners_of_events", "gauge", e->in_state[CONN_EVENTS] },
		{ "buffered_bytes", "gauge", e->memory },
		{ "accepted_total", "counter", n->accepted },
		{ "handshakes_total", "counter", n->handshakes },
		{ "handshakes_resumed_total", "counter", n->resumed },
		{ "handshakes_failed_total", "counter", n->handshake_failed },
		{ "refused_full_total", "counter", n->refused_full },
		{ "evicted_total", "counter", n->evicted },
		{ "timeouts_total", "counter", n->timeouts },
		{ "bad_requests_total", "counter", n->bad_requests },
		{ "over_budget_total", "counter", n->over_budget },
		{ "cuts_total", "counter", n->cuts },
		{ "sessions_cut_total", "counter", n->sessions_cut },
		{ "events_total", "counter", n->events },
		{ "subscribers_dropped_total", "counter", n->subscribers_dropped },
		{ "peers_lost_total", "counter", n->peers_lost },
		{ "late_answers_total", "counter", n->late_answers },
		{ "received_bytes_total", "counter", n->bytes_in },
		{ "sent_bytes_total", "counter", n->bytes_out },
	};
	for (size_t i = 0; i < CH_COUNT_OF(rows); i++)
		put(e, w, rows[i].name, rows[i].type, rows[i].value);
	put_requests(e, w);
	put_ocsp(e, w);
	put_root_lists(e, w);
}

/* Takes one line with its end. */
static bool next_line(struct ch_rd *r, struct ch_span *line)
{
	size_t left = ch_rd_left(r);
	size_t n = 0;
	while (n < left && r->in.p[r->off + n] != '\n')
		n++;
	*line = ch_rd_take(r, n < left ? n + 1 : n);
	return line->n > 0;
}

/* The name in "# TYPE name kind"; empty for another line. */
static struct ch_span type_name(struct ch_span line)
{
	const struct ch_span begin = CH_SPAN_LIT("# TYPE ");
	if (!ch_span_starts(line, begin))
		return CH_SPAN_EMPTY;
	size_t n = begin.n;
	while (n < line.n && line.p[n] != ' ')
		n++;
	return ch_span_sub(line, begin.n, n - begin.n);
}

static bool is_sample(struct ch_span line, struct ch_span name)
{
	return ch_span_starts(line, name) && line.n > name.n && (line.p[name.n] == '{' || line.p[name.n] == ' ');
}

/* A source is the text of one process. */
struct sources {
	struct ch_span text[1 + CH_ROLE_COUNT * EDGE_OTHERS_MAX];
	size_t n;
};

static bool told_before(const struct sources *s, size_t source, size_t off, struct ch_span name)
{
	for (size_t i = 0; i <= source; i++) {
		struct ch_rd r = ch_rd(s->text[i]);
		struct ch_span line;
		while ((i < source || r.off < off) && next_line(&r, &line))
			if (ch_span_eq(type_name(line), name))
				return true;
	}
	return false;
}

/* The format wants all samples of a name together: those of every process under the TYPE line of the first. */
static void put_group(const struct sources *s, struct ch_wr *w, struct ch_span type)
{
	struct ch_span line;
	struct ch_span name = type_name(type);
	ch_wr_put(w, type);
	for (size_t i = 0; i < s->n; i++)
		for (struct ch_rd r = ch_rd(s->text[i]); next_line(&r, &line);)
			if (is_sample(line, name))
				ch_wr_put(w, line);
}

static void put_all(const struct sources *s, struct ch_wr *w)
{
	struct ch_span line;
	for (size_t i = 0; i < s->n; i++) {
		struct ch_rd r = ch_rd(s->text[i]);
		for (size_t off = 0; next_line(&r, &line); off = r.off) {
			struct ch_span name = type_name(line);
			if (name.n > 0 && !told_before(s, i, off, name))
				put_group(s, w, line);
		}
	}
}

void metrics_take(void *ctx, const struct ch_child_news *news)
{
	struct edge *e = ctx;
	if (news->from >= CH_ROLE_COUNT || news->from_index >= EDGE_OTHERS_MAX)
		return;
	struct ch_buf *b = &e->other[news->from][news->from_index];
	b->n = 0;
	ch_buf_append(b, news->metrics);
}

void metrics_clear(struct edge *e)
{
	for (size_t role = 0; role < CH_ROLE_COUNT; role++)
		for (size_t i = 0; i < EDGE_OTHERS_MAX; i++)
			ch_buf_free(&e->other[role][i]);
}

static void put_view(struct edge *e, struct ch_wr *w)
{
	ch_wr_str(w, "# TYPE chainhold_fleet_certificates gauge\nchainhold_fleet_certificates ");
	ch_wr_dec(w, ch_view_count(e->view));
	ch_wr_str(w, "\n# TYPE chainhold_generation gauge\nchainhold_generation ");
	ch_wr_dec(w, ch_view_generation(e->view));
	ch_wr_u8(w, '\n');
}

void metrics_put(struct edge *e, struct ch_wr *w)
{
	uint8_t *own = ch_calloc(1, CH_IPC_STATUS_MAX);
	struct ch_wr o = ch_wr(own, CH_IPC_STATUS_MAX);
	struct sources s = { .n = 1 };
	put_own(e, &o);
	put_view(e, &o);
	s.text[0] = ch_wr_span(&o);
	for (size_t role = 0; role < CH_ROLE_COUNT; role++) {
		for (size_t i = 0; i < EDGE_OTHERS_MAX; i++) {
			/* Main passes on to everybody, ourselves included. */
			if (role != CH_ROLE_EDGE || i != e->child.index)
				s.text[s.n++] = ch_buf_span(&e->other[role][i]);
		}
	}
	put_all(&s, w);
	ch_free(own);
}

void metrics_own(void *ctx, struct ch_wr *w)
{
	put_own(ctx, w);
}
