/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/backend.h"
#include "host/sys/log.h"
#include "host/sys/loop.h"
#include "server/ipc/child.h"
#include "server/verify/verify.h"

#include <stdlib.h>
#include <time.h>

/*
 * chainhold-verify: bytes in, verdict out. It has the channels that it was started with and nothing else: no file, no socket, no key.
 * A frame that may not come, or cannot be parsed, ends the channel it came from; main starts the other end anew.
 */

#define EDGES_MAX 32

struct verify_process;

struct peer {
	struct verify_process *p;
	enum ch_role role;
	unsigned index;
	bool open;
	struct ch_chan chan;
	struct ch_loop_fd watch;
	struct ch_loop_task flush;
	struct ch_permit_once once;
};

struct verify_process {
	struct ch_child child;
	struct ch_loop *loop;
	struct ch_loop_fd control;
	struct ch_loop_timer status;
	struct ch_loop_task stop;
	struct ch_verify verify;
	struct peer edge[EDGES_MAX];
	struct peer keeper;
	uint64_t told; /* requests at the last STATUS */
	bool stopping;
};

/* --- channels --- */

static void peer_close(struct peer *peer)
{
	if (!peer->open)
		return;
	peer->open = false;
	ch_loop_del(peer->p->loop, &peer->watch);
	ch_loop_task_clear(peer->p->loop, &peer->flush);
	ch_chan_clear(&peer->chan);
	if (peer->role == CH_ROLE_KEEPER)
		ch_vf_keeper_gone(&peer->p->verify);
	else
		ch_vf_edge_gone(&peer->p->verify, peer->index);
}

static void peer_flush(void *ctx)
{
	struct peer *peer = ctx;
	if (!peer->open)
		return;
	if (!ch_chan_flush(&peer->chan)) {
		peer_close(peer);
		return;
	}
	ch_loop_watch(peer->p->loop, &peer->watch, ch_chan_queued(&peer->chan) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static bool handle_frame(struct peer *peer, const struct ch_frame *f)
{
	struct ch_verify *v = &peer->p->verify;
	struct ch_msg_request m;
	if (!ch_msg_permitted(&peer->once, peer->role, CH_ROLE_VERIFY, f->type))
		return false;
	if (peer->role == CH_ROLE_KEEPER)
		return ch_vf_keeper(v, f);
	if (ch_msg_parse(CH_MSG_REQUEST, &m, f->payload, NULL) != CH_OK)
		return false;
	ch_vf_request(v, peer->index, f->id, &m);
	return true;
}

static void peer_ready(void *ctx, uint32_t events)
{
	struct peer *peer = ctx;
	struct ch_frame f;
	if ((events & EPOLLOUT) != 0)
		ch_loop_defer(peer->p->loop, &peer->flush);
	bool alive = (events & ~(uint32_t)EPOLLOUT) == 0 || ch_chan_read(&peer->chan);
	while (peer->open && ch_chan_next(&peer->chan, &f)) {
		if (!handle_frame(peer, &f)) {
			ch_log(CH_LOG_ERROR, "%s sent what it may not (%s): its channel ends", ch_role_str(peer->role),
			       ch_msg_str(f.type));
			alive = false;
			break;
		}
	}
	if (!alive || peer->chan.dead)
		peer_close(peer);
}

static void peer_open(struct verify_process *p, struct peer *peer, enum ch_role role, unsigned index, int fd)
{
	peer_close(peer);
	*peer = (struct peer){ .p = p, .role = role, .index = index, .open = true };
	ch_chan_init(&peer->chan, fd);
	peer->watch = (struct ch_loop_fd){ .ready = peer_ready, .ctx = peer };
	peer->flush = (struct ch_loop_task){ .run = peer_flush, .ctx = peer };
	if (ch_loop_add(p->loop, &peer->watch, fd, EPOLLIN) != CH_OK)
		abort();
}

static void peer_place(struct verify_process *p, const struct ch_child_fd *fd)
{
	if (fd->kind == CH_FD_KEEPER)
		peer_open(p, &p->keeper, CH_ROLE_KEEPER, 0, fd->fd);
	else if (fd->kind == CH_FD_EDGE && fd->index < EDGES_MAX)
		peer_open(p, &p->edge[fd->index], CH_ROLE_EDGE, fd->index, fd->fd);
	else
		ch_log(CH_LOG_ERROR, "a descriptor of kind %u is not for this process", fd->kind);
}

/* --- what the work sends --- */

static void stop_if_idle(struct verify_process *p)
{
	if (p->stopping && ch_vf_waiting(&p->verify) == 0)
		ch_loop_defer(p->loop, &p->stop);
}

static void send_answer(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_answer *m)
{
	struct verify_process *p = ctx;
	if (edge < EDGES_MAX && p->edge[edge].open) {
		ch_msg_send(&p->edge[edge].chan, CH_MSG_ANSWER, id, m);
		ch_loop_defer(p->loop, &p->edge[edge].flush);
	}
	stop_if_idle(p);
}

static bool send_ask(void *ctx, enum ch_msg type, uint64_t id, const void *msg)
{
	struct verify_process *p = ctx;
	if (!p->keeper.open)
		return false; /* main is making a new channel */
	ch_msg_send(&p->keeper.chan, type, id, msg);
	ch_loop_defer(p->loop, &p->keeper.flush);
	return true;
}

static int64_t now(void *ctx)
{
	(void)ctx;
	return (int64_t)time(NULL);
}

/* --- main --- */

static void put_metric(struct ch_wr *w, const char *name, const char *help, const char *type, uint64_t value)
{
	ch_wr_str(w, "# HELP ");
	ch_wr_str(w, name);
	ch_wr_u8(w, ' ');
	ch_wr_str(w, help);
	ch_wr_str(w, "\n# TYPE ");
	ch_wr_str(w, name);
	ch_wr_u8(w, ' ');
	ch_wr_str(w, type);
	ch_wr_u8(w, '\n');
	ch_wr_str(w, name);
	ch_wr_u8(w, ' ');
	ch_wr_dec(w, value);
	ch_wr_u8(w, '\n');
}

static void status_due(void *ctx)
{
	struct verify_process *p = ctx;
	const struct ch_vf_counters *c = &p->verify.counters;
	ch_loop_timer_set(p->loop, &p->status, 1000);
	uint64_t moved = c->requests + c->generations + c->judged;
	if (moved == p->told)
		return;
	p->told = moved;
	uint8_t text[2048];
	struct ch_wr w = ch_wr(text, sizeof(text));
	put_metric(&w, "chainhold_verify_requests_total", "Requests that were parsed.", "counter", c->requests);
	put_metric(&w, "chainhold_verify_refused_total", "Requests that were refused.", "counter", c->refused);
	put_metric(&w, "chainhold_verify_judged_total", "Pieces of evidence that were judged.", "counter", c->judged);
	put_metric(&w, "chainhold_verify_contraindicated_total", "Of them, with a broken boot.", "counter",
		   c->contraindicated);
	put_metric(&w, "chainhold_verify_busy_total", "Requests put off because too much was in flight.", "counter",
		   c->busy);
	put_metric(&w, "chainhold_verify_generation", "Generation that evidence is judged by.", "gauge",
		   p->verify.held.number);
	struct ch_msg_status m = { .metrics = ch_wr_span(&w) };
	ch_msg_send(&p->child.control, CH_MSG_STATUS, 0, &m);
	(void)ch_chan_flush(&p->child.control);
}

static void stop_run(void *ctx)
{
	ch_loop_stop(((struct verify_process *)ctx)->loop);
}

static void control_ready(void *ctx, uint32_t events)
{
	struct verify_process *p = ctx;
	(void)events;
	for (;;) {
		struct ch_child_news news = ch_child_next(&p->child);
		if (news.ask == CH_CHILD_NOTHING)
			return;
		if (news.ask == CH_CHILD_PEER)
			peer_place(p, &news.peer);
		if (news.ask == CH_CHILD_STOP) {
			p->stopping = true;
			if (news.grace_ms == 0)
				ch_loop_stop(p->loop);
			stop_if_idle(p);
			return;
		}
	}
}

static void start(struct verify_process *p)
{
	const struct ch_vf_out out = { p, send_answer, send_ask, now };
	ch_vf_init(&p->verify, &out);
	p->loop = ch_loop_new();
	p->control = (struct ch_loop_fd){ .ready = control_ready, .ctx = p };
	p->status = (struct ch_loop_timer){ .due = status_due, .ctx = p };
	p->stop = (struct ch_loop_task){ .run = stop_run, .ctx = p };
	for (size_t i = 0; i < p->child.fd_count; i++)
		peer_place(p, &p->child.fd[i]);
	if (ch_loop_add(p->loop, &p->control, p->child.control.fd, EPOLLIN) != CH_OK)
		abort();
	ch_loop_timer_set(p->loop, &p->status, 1000);
}

int main(void)
{
	static struct verify_process p;
	if (ch_child_begin(&p.child, CH_ROLE_VERIFY) != CH_OK)
		return 1;
	if (ch_crypto_openssl_init_seal() != CH_OK) {
		ch_log(CH_LOG_ERROR, "the cryptographic library does not offer what is needed");
		return 1;
	}
	start(&p);
	ch_child_confine(&p.child, 0);
	enum ch_err err = ch_loop_run(p.loop);
	for (size_t i = 0; i < EDGES_MAX; i++)
		peer_flush(&p.edge[i]);
	ch_vf_clear(&p.verify);
	return err == CH_OK ? 0 : 1;
}
