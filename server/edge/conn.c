/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: its bytes, its time, its end. What the bytes mean is the business of request.c. */
#include "server/edge/edge.h"

#include "host/sys/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN  64
#define READS_A_TURN    16
#define PIECES_A_TURN   16    /* of a file */
#define RATE_GRACE_MS   20000 /* then a sender or reader must make a byte a millisecond on average: 1 KB/s */
#define LINGER_MS       2000
#define LINGER_MAX      262144
#define REST_MS         100
#define CONNECTION_COST (4 * BUDGET_REQUEST) /* of a new connection: as much as so many requests */

/* --- the list of all, by age of the last change of state --- */

static void age_remove(struct conn *c)
{
	struct edge *e = c->edge;
	*(c->older != NULL ? &c->older->newer : &e->oldest) = c->newer;
	*(c->newer != NULL ? &c->newer->older : &e->newest) = c->older;
}

static void age_append(struct conn *c)
{
	struct edge *e = c->edge;
	c->newer = NULL;
	c->older = e->newest;
	*(e->newest != NULL ? &e->newest->newer : &e->oldest) = c;
	e->newest = c;
}

static uint32_t wanted(const struct conn *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_WAIT:
		return 0;
	case CONN_WRITE:
		return EPOLLOUT;
	case CONN_EVENTS:
		return EPOLLIN | (c->out.n > c->out_off ? (uint32_t)EPOLLOUT : 0);
	default:
		return EPOLLIN;
	}
}

void conn_state(struct conn *c, enum conn_state state, uint64_t ms)
{
	struct edge *e = c->edge;
	e->in_state[c->state]--;
	e->in_state[state]++;
	c->state = (uint8_t)state;
	c->since = ch_loop_now(e->loop);
	c->moved = 0;
	age_remove(c);
	age_append(c);
	if (ms != 0)
		ch_loop_timer_set(e->loop, &c->timer, ms);
	else
		ch_loop_timer_clear(e->loop, &c->timer);
	/*
	 * Most answers go out at once, and most clients say nothing while they wait: what is watched changes only when it turns out
	 * otherwise. Two system calls a request less.
	 */
	if (state != CONN_WAIT && state != CONN_WRITE)
		ch_loop_watch(e->loop, &c->io, wanted(c));
}

bool conn_charge(struct conn *c, size_t n)
{
	struct edge *e = c->edge;
	if (n > e->conf.memory_max - e->memory)
		return false;
	e->memory += n;
	c->charged += n;
	return true;
}

static void conn_discharge(struct conn *c)
{
	c->edge->memory -= c->charged;
	c->charged = 0;
}

void conn_free(struct conn *c)
{
	struct edge *e = c->edge;
	edge_forget(c);
	age_remove(c);
	ch_loop_del(e->loop, &c->io);
	ch_loop_timer_clear(e->loop, &c->timer);
	ch_loop_task_clear(e->loop, &c->again);
	peer_quit(c);
	artifact_end(c);
	ch_tls_free(c->tls);
	close(c->io.fd);
	conn_discharge(c);
	ch_buf_free(&c->in);
	ch_buf_free(&c->body);
	ch_buf_free(&c->out);
	e->in_state[c->state]--;
	e->conn[c->number] = NULL;
	e->free_number[e->free_count++] = c->number;
	e->conns--;
	ch_free(c);
	if (e->paused && !e->stopping)
		edge_accept_start(e);
	if (e->stopping && e->conns == 0)
		ch_loop_stop(e->loop);
}

/* --- out --- */

/* One write: what came of it, plain or TLS. */
static enum ch_tls_io write_some(struct conn *c, struct ch_span s, size_t *n)
{
	if (c->tls != NULL)
		return ch_tls_write(c->tls, s, n);
	ssize_t got = send(c->io.fd, s.p, s.n, MSG_NOSIGNAL);
	*n = got > 0 ? (size_t)got : 0;
	if (got > 0)
		return CH_TLS_DONE;
	return errno == EAGAIN || errno == EINTR ? CH_TLS_WANT_WRITE : CH_TLS_FAILED;
}

static enum ch_tls_io read_some(struct conn *c, size_t *n)
{
	struct edge *e = c->edge;
	if (c->tls != NULL)
		return ch_tls_read(c->tls, e->scratch, sizeof(e->scratch), n);
	ssize_t got = recv(c->io.fd, e->scratch, sizeof(e->scratch), 0);
	*n = got > 0 ? (size_t)got : 0;
	if (got > 0)
		return CH_TLS_DONE;
	if (got == 0)
		return CH_TLS_END;
	return errno == EAGAIN || errno == EINTR ? CH_TLS_WANT_READ : CH_TLS_FAILED;
}

/* All is said. What the client still sends must be read, or its system throws the answer away with a reset. */
static void linger(struct conn *c)
{
	if (c->tls != NULL)
		ch_tls_goodbye(c->tls);
	if (!c->unread || c->peer_shut || shutdown(c->io.fd, SHUT_WR) != 0) {
		conn_free(c);
		return;
	}
	conn_state(c, CONN_LINGER, LINGER_MS);
}

/* Makes room for the next request: an idle connection holds no buffer. */
static void next_request(struct conn *c)
{
	struct ch_buf rest = { 0 };
	conn_discharge(c);
	if (c->in.n > c->head_n)
		ch_buf_append(&rest, ch_span(c->in.p + c->head_n, c->in.n - c->head_n));
	ch_buf_free(&c->in);
	ch_buf_free(&c->body);
	ch_buf_free(&c->out);
	artifact_end(c);
	c->in = rest;
	c->head_n = c->seen = c->out_off = 0;
	c->head_only = false;
	conn_state(c, CONN_HEAD, rest.n > 0 ? c->edge->conf.head_ms : c->edge->conf.idle_ms);
	/* What is in memory already is looked at in this turn, but after the others had theirs. */
	if (rest.n > 0 || (c->tls != NULL && ch_tls_pending(c->tls)))
		ch_loop_defer(c->edge->loop, &c->again);
}

static void sent_all(struct conn *c)
{
	if (c->state == CONN_EVENTS) {
		ch_buf_free(&c->out);
		c->out_off = 0;
		ch_loop_watch(c->edge->loop, &c->io, wanted(c));
		return;
	}
	if (c->close || c->edge->stopping)
		linger(c);
	else
		next_request(c);
}

/* A byte a millisecond on average, after a grace. */
static void keep_rate(struct conn *c)
{
	uint64_t gone = ch_loop_now(c->edge->loop) - c->since;
	uint64_t may = RATE_GRACE_MS + c->moved;
	ch_loop_timer_set(c->edge->loop, &c->timer, may > gone ? may - gone : 1);
}

void conn_send(struct conn *c)
{
	if (c->state != CONN_WRITE && c->state != CONN_EVENTS)
		conn_state(c, CONN_WRITE, RATE_GRACE_MS);
	size_t pieces = 0;
	while (c->out_off < c->out.n || artifact_more(c)) {
		size_t n;
		/* The others have their turn; epoll says at once that this one can go on. */
		if (c->has_file && ++pieces > PIECES_A_TURN) {
			keep_rate(c);
			ch_loop_watch(c->edge->loop, &c->io, wanted(c));
			return;
		}
		enum ch_tls_io io = write_some(c, ch_span(c->out.p + c->out_off, c->out.n - c->out_off), &n);
		c->out_off += n;
		c->moved += n;
		c->edge->count.bytes_out += n;
		if (io == CH_TLS_DONE)
			continue;
		if (io != CH_TLS_WANT_WRITE && io != CH_TLS_WANT_READ) {
			conn_free(c);
			return;
		}
		if (c->state == CONN_WRITE)
			keep_rate(c);
		ch_loop_watch(c->edge->loop, &c->io, wanted(c));
		return;
	}
	if (c->file_broken)
		conn_free(c);
	else
		sent_all(c);
}

/* --- in --- */

/* Bytes of a body; false if the connection is answered or gone. */
static bool feed_body(struct conn *c, struct ch_span in)
{
	size_t limit = ch_routes[c->route].body_max;
	while (in.n > 0 && !c->framing.done) {
		size_t used;
		struct ch_span data;
		if (ch_http_body_take(&c->framing, in, &used, &data) != CH_OK) {
			c->close = c->unread = true;
			request_refuse(c, 400, "bad-body", "the body is not chunked as it should be (RFC 9112, 7.1)");
			return false;
		}
		in = ch_span(in.p + used, in.n - used);
		if (data.n > limit - c->body.n) {
			c->close = c->unread = true;
			request_refuse(c, 413, "too-large", "the body is longer than this request may have");
			return false;
		}
		if (!conn_charge(c, data.n)) {
			c->close = c->unread = true;
			request_refuse(c, 503, "busy", "too much is under way; try again later");
			return false;
		}
		ch_buf_append(&c->body, data);
	}
	/* What follows belongs to the next request: it waits behind the head. */
	if (in.n > 0)
		ch_buf_append(&c->in, in);
	return true;
}

void conn_begin_body(struct conn *c, bool expected)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct ch_buf rest = { 0 };
	size_t n;
	/* RFC 9110, 10.1.1: it may be left out if the client sends already. A socket that cannot take 25 bytes is of no use. */
	if (expected && c->in.n == c->head_n &&
	    (write_some(c, ch_span(go_on, sizeof(go_on) - 1), &n) != CH_TLS_DONE || n != sizeof(go_on) - 1)) {
		conn_free(c);
		return;
	}
	if (c->in.n > c->head_n)
		ch_buf_append(&rest, ch_span(c->in.p + c->head_n, c->in.n - c->head_n));
	c->in.n = c->head_n;
	conn_state(c, CONN_BODY, RATE_GRACE_MS);
	bool alive = feed_body(c, ch_buf_span(&rest));
	ch_buf_free(&rest);
	if (alive && c->framing.done)
		request_whole(c);
}

/* Bytes of a head; parsed once it is whole. */
static void feed_head(struct conn *c, struct ch_span in)
{
	size_t head;
	if (c->in.n == 0 && in.n > 0)
		conn_state(c, CONN_HEAD, c->edge->conf.head_ms);
	ch_buf_append(&c->in, in);
	enum ch_err err = ch_http_head_end(ch_buf_span(&c->in), &c->seen, &head);
	if (err == CH_ERR_TRUNCATED)
		return;
	c->head_n = head;
	if (err != CH_OK) {
		c->edge->count.bad_requests++;
		c->close = c->unread = true;
		request_refuse(c, ch_http_refusal(err), "bad-request",
			       err == CH_ERR_LIMIT ? "the head is too long" : "this is not HTTP/1.1 (RFC 9112, 2.2)");
		return;
	}
	request_head(c);
}

static void feed(struct conn *c, struct ch_span in)
{
	c->moved += in.n;
	c->edge->count.bytes_in += in.n;
	switch ((enum conn_state)c->state) {
	case CONN_HEAD:
		feed_head(c, in);
		return;
	case CONN_BODY:
		keep_rate(c);
		if (feed_body(c, in) && c->framing.done)
			request_whole(c);
		return;
	case CONN_LINGER:
		if (c->moved > LINGER_MAX)
			conn_free(c);
		return;
	default: /* a listener of events has nothing to say */
		conn_free(c);
	}
}

/* The client sends no more. */
static void ended(struct conn *c)
{
	c->peer_shut = true;
	if (c->state == CONN_BODY || c->state == CONN_HEAD || c->state == CONN_EVENTS || c->state == CONN_LINGER)
		conn_free(c);
}

static bool reads(const struct conn *c)
{
	return c->state == CONN_HEAD || c->state == CONN_BODY || c->state == CONN_EVENTS || c->state == CONN_LINGER;
}

static void read_ready(struct conn *c)
{
	struct edge *e = c->edge;
	uint32_t number = c->number;
	for (size_t i = 0; i < READS_A_TURN; i++) {
		size_t n;
		enum ch_tls_io io = read_some(c, &n);
		if (io == CH_TLS_WANT_READ || io == CH_TLS_WANT_WRITE)
			return;
		if (io == CH_TLS_DONE)
			feed(c, ch_span(e->scratch, n));
		else if (io == CH_TLS_END)
			ended(c);
		else
			conn_free(c);
		/* It may be gone now, or waiting for its answer. */
		if (io != CH_TLS_DONE || e->conn[number] != c || !reads(c))
			return;
		/* What is in the socket epoll tells; what is in memory nobody does. */
		if (c->tls == NULL ? n < sizeof(e->scratch) : !ch_tls_pending(c->tls))
			return;
	}
	ch_loop_defer(e->loop, &c->again);
}

static void again(void *ctx)
{
	struct conn *c = ctx;
	struct edge *e = c->edge;
	uint32_t number = c->number;
	if (c->state == CONN_HEAD && c->in.n > 0) {
		feed_head(c, CH_SPAN_EMPTY);
		if (e->conn[number] != c || c->state != CONN_HEAD)
			return;
	}
	if (reads(c))
		read_ready(c);
}

/* --- begin --- */

static void shake(struct conn *c)
{
	struct edge *e = c->edge;
	enum ch_tls_io io = ch_tls_handshake(c->tls);
	if (io == CH_TLS_WANT_READ || io == CH_TLS_WANT_WRITE) {
		ch_loop_watch(e->loop, &c->io, io == CH_TLS_WANT_READ ? EPOLLIN : EPOLLOUT);
		return;
	}
	if (io != CH_TLS_DONE) {
		e->count.handshake_failed++;
		conn_free(c);
		return;
	}
	e->count.handshakes++;
	e->count.resumed += ch_tls_resumed(c->tls);
	c->has_cert = ch_tls_peer(c->tls, c->cert);
	conn_state(c, CONN_HEAD, e->conf.idle_ms);
	/* Handshakes are the dearest thing that a device can ask for: they count against it like several requests. */
	c->spent = c->has_cert && edge_identify(c) && c->who.kind == CH_VIEW_DEVICE &&
		   !bucket_take(budget_device(&e->budgets, c->slot), &e->conf.device, ch_loop_now(e->loop),
				CONNECTION_COST);
	read_ready(c);
}

static void begin(struct conn *c)
{
	struct edge *e = c->edge;
	if (e->tls[c->listener] == NULL) {
		conn_state(c, CONN_HEAD, e->conf.head_ms);
		return;
	}
	c->tls = ch_tls_new(e->tls[c->listener], c->io.fd);
	if (c->tls == NULL)
		conn_free(c);
	else
		conn_state(c, CONN_HANDSHAKE, e->conf.handshake_ms);
}

/* The header of a balancer, not a byte more. */
static void read_proxy(struct conn *c)
{
	struct ch_proxy p;
	struct ch_diag d;
	size_t need;
	while ((need = ch_proxy_need(ch_buf_span(&c->in))) > 0) {
		ssize_t n = recv(c->io.fd, c->edge->scratch, need, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn_free(c);
			return;
		}
		ch_buf_append(&c->in, ch_span(c->edge->scratch, (size_t)n));
	}
	if (ch_proxy_parse(&p, ch_buf_span(&c->in), &d) != CH_OK) {
		ch_log(CH_LOG_WARNING, "a listed balancer sent no PROXY header: %s", d.rule);
		conn_free(c);
		return;
	}
	ch_buf_free(&c->in);
	if (p.known) {
		(void)ch_span_copy(c->address, sizeof(c->address), CH_SPAN_OF(p.address));
		c->port = p.port;
	}
	begin(c);
}

static void ready(void *ctx, uint32_t events)
{
	struct conn *c = ctx;
	if ((events & (EPOLLERR | EPOLLHUP)) != 0 && (events & EPOLLIN) == 0) {
		conn_free(c);
		return;
	}
	switch ((enum conn_state)c->state) {
	case CONN_PROXY:
		read_proxy(c);
		return;
	case CONN_HANDSHAKE:
		shake(c);
		return;
	case CONN_WRITE:
		conn_send(c);
		return;
	case CONN_EVENTS:
		if ((events & EPOLLOUT) != 0)
			conn_send(c);
		else
			read_ready(c);
		return;
	case CONN_WAIT:
		if ((events & (EPOLLERR | EPOLLHUP)) != 0)
			conn_free(c);
		else
			ch_loop_watch(c->edge->loop, &c->io, wanted(c));
		return;
	default:
		read_ready(c);
	}
}

static void due(void *ctx)
{
	struct conn *c = ctx;
	bool idle = c->state == CONN_HEAD && c->in.n == 0;
	if (!idle && c->state != CONN_LINGER)
		c->edge->count.timeouts++;
	if (c->state == CONN_WAIT) {
		request_expired(c);
	} else if ((c->state == CONN_HEAD && c->in.n > 0) || c->state == CONN_BODY) {
		c->close = c->unread = true;
		request_refuse(c, 408, "timeout", "the request did not come in time");
	} else {
		if (idle && c->tls != NULL)
			ch_tls_goodbye(c->tls);
		conn_free(c);
	}
}

/* --- accept --- */

static void take_address(struct conn *c, const struct sockaddr_storage *from)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
	if (from->ss_family == AF_INET) {
		c->address[10] = c->address[11] = 0xff;
		(void)ch_span_copy(c->address + 12, 4, ch_span(&four->sin_addr, 4));
		c->port = ntohs(four->sin_port);
	} else if (from->ss_family == AF_INET6) {
		(void)ch_span_copy(c->address, 16, ch_span(&six->sin6_addr, 16));
		c->port = ntohs(six->sin6_port);
	}
}

static bool from_balancer(const struct edge *e, const uint8_t address[static 16])
{
	for (size_t i = 0; i < e->conf.balancers; i++)
		if (ch_prefix_has(&e->conf.balancer[i], address))
			return true;
	return false;
}

/* Room for one more: the oldest that has not shown who it is goes, then the oldest that does nothing. */
static bool evict(struct edge *e)
{
	struct conn *idle = NULL;
	for (struct conn *c = e->oldest; c != NULL; c = c->newer) {
		bool stranger = c->state == CONN_HANDSHAKE || c->state == CONN_PROXY || c->state == CONN_LINGER ||
				(c->state == CONN_HEAD && !c->known);
		if (idle == NULL && c->state == CONN_HEAD && c->in.n == 0)
			idle = c;
		if (!stranger)
			continue;
		idle = c;
		break;
	}
	if (idle == NULL)
		return false;
	e->count.evicted++;
	conn_free(idle);
	return true;
}

static void conn_new(struct listener *l, int fd, const struct sockaddr_storage *from)
{
	struct edge *e = l->edge;
	struct conn *c = ch_calloc(1, sizeof(*c));
	c->edge = e;
	c->listener = l->kind;
	c->number = e->free_number[--e->free_count];
	e->conn[c->number] = c;
	e->conns++;
	c->io = (struct ch_loop_fd){ .ready = ready, .ctx = c, .fd = fd };
	c->timer = (struct ch_loop_timer){ .due = due, .ctx = c };
	c->again = (struct ch_loop_task){ .run = again, .ctx = c };
	take_address(c, from);
	c->state = CONN_PROXY;
	e->in_state[CONN_PROXY]++;
	age_append(c);
	e->count.accepted++;
	if (ch_loop_add(e->loop, &c->io, fd, EPOLLIN) != CH_OK) {
		conn_free(c);
		return;
	}
	if (from_balancer(e, c->address))
		conn_state(c, CONN_PROXY, e->conf.handshake_ms);
	else
		begin(c);
}

static void accept_ready(void *ctx, uint32_t events)
{
	struct listener *l = ctx;
	struct edge *e = l->edge;
	(void)events;
	for (size_t i = 0; i < ACCEPTS_A_TURN && !e->paused; i++) {
		struct sockaddr_storage from = { 0 };
		socklen_t n = sizeof(from);
		int fd = accept4(l->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0 && (e->free_count > 0 || evict(e))) {
			conn_new(l, fd, &from);
			continue;
		}
		if (fd >= 0) {
			e->count.refused_full++;
			close(fd);
			continue;
		}
		/* Most errors are of the connection itself (accept(2), "Error handling"): the next one is none the worse. */
		if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
			return;
		/*
		 * No descriptor. That is told before the queue is looked at, so only the first time in a turn somebody surely waits.
		 * Whoever waits stays in the queue, and epoll would tell of it without end.
		 */
		if (i > 0)
			return;
		if (!evict(e)) {
			e->count.refused_full++;
			edge_accept_pause(e, REST_MS);
		}
	}
}

void edge_accept_start(struct edge *e)
{
	e->paused = false;
	ch_loop_timer_clear(e->loop, &e->resume);
	for (size_t k = 0; k < CH_LISTENER_COUNT; k++) {
		for (size_t i = 0; i < e->listeners[k]; i++) {
			struct listener *l = &e->listener[k][i];
			l->io.ready = accept_ready;
			l->io.ctx = l;
			/* One of several edges that share a socket is woken, not all. */
			if (!l->io.added && ch_loop_add(e->loop, &l->io, l->fd, EPOLLIN | EPOLLEXCLUSIVE) != CH_OK)
				ch_log(CH_LOG_ERROR, "a listening socket cannot be watched");
		}
	}
}

void edge_accept_pause(struct edge *e, uint64_t ms)
{
	e->paused = true;
	for (size_t k = 0; k < CH_LISTENER_COUNT; k++)
		for (size_t i = 0; i < e->listeners[k]; i++)
			ch_loop_del(e->loop, &e->listener[k][i].io);
	if (ms != 0)
		ch_loop_timer_set(e->loop, &e->resume, ms);
}
