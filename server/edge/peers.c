/* SPDX-License-Identifier: Apache-2.0 */
/* Channels to the processes that answer: verify, keeper, reader. */
#include "server/edge/edge.h"

#include "core/crypto/hash.h"
#include "host/sys/log.h"

#include <time.h>

static void end_peer(struct peer *p);

/* Everything that was put on the channel in this turn leaves in one write. */
static void flush(void *ctx)
{
	struct peer *p = ctx;
	if (!p->up)
		return;
	if (!ch_chan_flush(&p->chan))
		end_peer(p);
	else
		ch_loop_watch(p->edge->loop, &p->io, EPOLLIN | (ch_chan_queued(&p->chan) > 0 ? (uint32_t)EPOLLOUT : 0));
}

void peer_send(struct peer *p, enum ch_msg type, uint64_t id, const void *msg)
{
	if (!p->up)
		return;
	ch_msg_send(&p->chan, type, id, msg);
	ch_loop_defer(p->edge->loop, &p->flush);
}

static struct conn *find(struct edge *e, uint64_t id)
{
	uint32_t number = (uint32_t)id;
	if (number >= e->conn_cap || e->conn[number] == NULL || conn_id(e->conn[number]) != id)
		return NULL;
	return e->conn[number];
}

static bool on_answer(struct peer *p, const struct ch_frame *f)
{
	struct ch_msg_answer a;
	if (ch_msg_parse(CH_MSG_ANSWER, &a, f->payload, NULL) != CH_OK)
		return false;
	struct conn *c = find(p->edge, f->id);
	if (c == NULL || c->state != CONN_WAIT || c->peer != p) {
		p->edge->count.late_answers++;
		return true;
	}
	p->waiting--;
	c->peer = NULL;
	request_answer(c, &a);
	return true;
}

static bool on_cut(struct peer *p, const struct ch_frame *f)
{
	struct ch_msg_cut cut;
	struct timespec ts;
	if (ch_msg_parse(CH_MSG_CUT, &cut, f->payload, NULL) != CH_OK)
		return false;
	struct ch_msg_cut_done done = { .intent = cut.intent, .closed = edge_cut(p->edge, &cut) };
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	done.done_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	p->edge->count.cuts++;
	p->edge->count.sessions_cut += done.closed;
	peer_send(p, CH_MSG_CUT_DONE, f->id, &done);
	return true;
}

static bool on_event(struct peer *p, const struct ch_frame *f)
{
	struct ch_msg_event event;
	if (ch_msg_parse(CH_MSG_EVENT, &event, f->payload, NULL) != CH_OK)
		return false;
	events_publish(p->edge, &event);
	return true;
}

static bool handle(struct peer *p, const struct ch_frame *f)
{
	static bool (*const on[CH_MSG_COUNT])(struct peer * p, const struct ch_frame *f) = {
		[CH_MSG_ANSWER] = on_answer,
		[CH_MSG_CUT] = on_cut,
		[CH_MSG_EVENT] = on_event,
	};
	return ch_msg_permitted(&p->once, p->role, CH_ROLE_EDGE, f->type) && on[f->type] != NULL && on[f->type](p, f);
}

static void ready(void *ctx, uint32_t events)
{
	struct peer *p = ctx;
	struct ch_frame f;
	if ((events & EPOLLOUT) != 0)
		ch_loop_defer(p->edge->loop, &p->flush);
	bool alive = ch_chan_read(&p->chan);
	while (ch_chan_next(&p->chan, &f)) {
		if (!handle(p, &f)) {
			ch_log(CH_LOG_ERROR, "%s %u sent %s, which it may not", ch_role_str(p->role), p->index,
			       ch_msg_str(f.type));
			alive = false;
			break;
		}
	}
	if (!alive || p->chan.dead)
		end_peer(p);
}

/*
 * A verify that died may have died of what it was reading. Its digest is told to the keeper, which holds it against the device;
 * it is not tried again on another one.
 */
static void tell_fatal(struct conn *c)
{
	struct edge *e = c->edge;
	struct ch_digest d;
	struct ch_msg_fatal_input m = { .route = c->route };
	struct peer *keeper = &e->peer[CH_ROLE_KEEPER][0];
	if (!c->known || ch_hash_once(CH_HASH_SHA256, ch_buf_span(&c->body), &d) != CH_OK)
		return;
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(c->who.id));
	(void)ch_span_copy(m.body_sha256, sizeof(m.body_sha256), ch_digest_span(&d));
	peer_send(keeper, CH_MSG_FATAL_INPUT, 0, &m);
}

static void end_peer(struct peer *p)
{
	struct edge *e = p->edge;
	if (!p->up)
		return;
	p->up = false;
	ch_loop_del(e->loop, &p->io);
	ch_loop_task_clear(e->loop, &p->flush);
	ch_chan_clear(&p->chan);
	if (!e->stopping) {
		e->count.peers_lost++;
		ch_log(CH_LOG_WARNING, "%s %u is gone", ch_role_str(p->role), p->index);
	}
	for (size_t i = 0; i < e->conn_cap; i++) {
		struct conn *c = e->conn[i];
		if (c == NULL || c->state != CONN_WAIT || c->peer != p)
			continue;
		c->peer = NULL;
		if (p->role == CH_ROLE_VERIFY)
			tell_fatal(c);
		request_refuse(
			c, 503, "restarted",
			"the process that answers was restarted; a repeat with the same Idempotency-Key is safe");
	}
	p->waiting = 0;
}

void peer_attach(struct edge *e, enum ch_role role, uint8_t index, int fd)
{
	if (role >= CH_ROLE_COUNT || index >= EDGE_PEERS_MAX)
		return;
	struct peer *p = &e->peer[role][index];
	end_peer(p);
	*p = (struct peer){ .edge = e, .role = role, .index = index };
	p->io = (struct ch_loop_fd){ .ready = ready, .ctx = p };
	p->flush = (struct ch_loop_task){ .run = flush, .ctx = p };
	ch_chan_init(&p->chan, fd);
	p->up = ch_loop_add(e->loop, &p->io, fd, EPOLLIN) == CH_OK;
	if (!p->up)
		ch_chan_clear(&p->chan);
}

void peers_start(struct edge *e)
{
	static const enum ch_role roles[] = { CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_ROLE_READER };
	for (size_t r = 0; r < CH_COUNT_OF(roles); r++) {
		for (uint8_t i = 0; i < EDGE_PEERS_MAX; i++) {
			int fd = ch_child_fd(&e->child, (enum ch_fd_kind)roles[r], i);
			if (fd >= 0)
				peer_attach(e, roles[r], i, fd);
		}
	}
}

void peers_clear(struct edge *e)
{
	e->stopping = true;
	for (size_t role = 0; role < CH_ROLE_COUNT; role++)
		for (size_t i = 0; i < EDGE_PEERS_MAX; i++)
			end_peer(&e->peer[role][i]);
}

struct peer *peer_choose(struct edge *e, enum ch_role role)
{
	struct peer *best = NULL;
	for (size_t i = 0; i < EDGE_PEERS_MAX; i++) {
		struct peer *p = &e->peer[role][i];
		if (p->up && p->waiting < e->conf.waiting_max && (best == NULL || p->waiting < best->waiting))
			best = p;
	}
	return best;
}
