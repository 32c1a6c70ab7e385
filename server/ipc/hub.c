/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/hub.h"

#include "host/sys/clock.h"
#include "host/sys/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_MS      1000
#define FD_MESSAGE_MAX 256
#define FD_WAIT_MS     1000 /* for a peer that does not read */

uint64_t ch_hub_wall_ms(void *ctx)
{
	(void)ctx;
	return ch_clock_ms(CLOCK_REALTIME);
}

uint64_t ch_hub_mono_ms(void *ctx)
{
	(void)ctx;
	return ch_clock_ms(CLOCK_MONOTONIC);
}

/* A process that cannot watch its channels is of no use: main starts it anew. */
static void watch(struct ch_hub *h, struct ch_loop_fd *f, int fd)
{
	if (ch_loop_add(h->loop, f, fd, EPOLLIN) == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "a channel cannot be watched: %s", strerror(errno));
	exit(EXIT_FAILURE);
}

/* --- channels to other processes --- */

static void peer_change(struct ch_peer *p, bool up)
{
	p->up = up;
	if (p->hub->work->peer != NULL)
		p->hub->work->peer(p->hub->ctx, p, up);
	ch_loop_defer(p->hub->loop, &p->hub->turn);
}

static void peer_close(struct ch_peer *p)
{
	if (!p->up)
		return;
	ch_loop_del(p->hub->loop, &p->watch);
	ch_loop_task_clear(p->hub->loop, &p->flush);
	ch_chan_clear(&p->chan);
}

static void peer_end(struct ch_peer *p)
{
	if (!p->up)
		return;
	peer_close(p);
	peer_change(p, false);
}

/* Everything that was put on the channel in this turn leaves in one write. */
static void peer_flush(void *ctx)
{
	struct ch_peer *p = ctx;
	if (!ch_chan_flush(&p->chan))
		peer_end(p);
	else
		ch_loop_watch(p->hub->loop, &p->watch, ch_chan_queued(&p->chan) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* False if the frame may not come: its sender is not what it should be. */
static bool peer_take(struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_hub *h = p->hub;
	if (ch_msg_permitted(&p->once, p->role, h->child->role, f->type) && h->work->message(h->ctx, p, f))
		return true;
	ch_log(CH_LOG_ERROR, "%s %u sent %s, which it may not, or which is damaged: its channel is closed",
	       ch_role_str(p->role), p->index, ch_msg_str(f->type));
	return false;
}

static void peer_ready(void *ctx, uint32_t events)
{
	struct ch_peer *p = ctx;
	struct ch_frame f;
	bool ok = true;
	ch_loop_defer(p->hub->loop, &p->hub->turn);
	if ((events & EPOLLOUT) != 0)
		ch_loop_defer(p->hub->loop, &p->flush);
	if ((events & ~(uint32_t)EPOLLOUT) != 0)
		ok = ch_chan_read(&p->chan);
	/* What was whole before the other end went is still heard. */
	while (ch_chan_next(&p->chan, &f)) {
		if (!peer_take(p, &f)) {
			ok = false;
			break;
		}
	}
	if (!ok || p->chan.dead)
		peer_end(p);
}

/* A channel, or the one that takes its place after the other process was restarted. */
static void peer_begin(struct ch_hub *h, const struct ch_child_fd *fd)
{
	enum ch_role role = (enum ch_role)fd->kind;
	if (role == CH_ROLE_MAIN || !ch_role_talks(role, h->child->role) || fd->index >= CH_HUB_PEERS_MAX) {
		ch_log(CH_LOG_ERROR, "a descriptor of kind %u and index %u is not for this process", fd->kind,
		       fd->index);
		(void)close(fd->fd);
		return;
	}
	struct ch_peer *p = &h->peer[role][fd->index];
	peer_end(p);
	*p = (struct ch_peer){ .hub = h, .role = role, .index = fd->index };
	ch_chan_init(&p->chan, fd->fd);
	/* Files that it may read only: whoever sends one opened it. */
	p->chan.takes_fds = h->child->role == CH_ROLE_EDGE && role == CH_ROLE_READER;
	p->watch = (struct ch_loop_fd){ .ready = peer_ready, .ctx = p };
	p->flush = (struct ch_loop_task){ .run = peer_flush, .ctx = p };
	watch(h, &p->watch, fd->fd);
	peer_change(p, true);
}

struct ch_peer *ch_hub_peer(struct ch_hub *h, enum ch_role role, unsigned index)
{
	if (role >= CH_ROLE_COUNT || index >= CH_HUB_PEERS_MAX || !h->peer[role][index].up)
		return NULL;
	return &h->peer[role][index];
}

void ch_peer_send(struct ch_peer *p, enum ch_msg type, uint64_t id, const void *msg)
{
	if (!p->up)
		return;
	ch_msg_send(&p->chan, type, id, msg);
	ch_loop_defer(p->hub->loop, &p->flush);
}

void ch_peer_pass(struct ch_peer *p, enum ch_msg type, uint64_t id, struct ch_span payload)
{
	if (!p->up)
		return;
	ch_chan_send(&p->chan, (uint16_t)type, id, payload);
	ch_loop_defer(p->hub->loop, &p->flush);
}

enum ch_err ch_peer_send_fd(struct ch_peer *p, enum ch_msg type, uint64_t id, const void *msg, int fd)
{
	uint8_t payload[FD_MESSAGE_MAX];
	struct ch_wr w = ch_wr(payload, sizeof(payload));
	if (!p->up)
		return CH_ERR_IO;
	ch_msg_put(type, msg, &w);
	assert(!w.bad);
	return ch_chan_send_fd(&p->chan, (uint16_t)type, id, ch_wr_span(&w), fd, FD_WAIT_MS);
}

/* --- main's channel --- */

static void stop(struct ch_hub *h, uint32_t grace_ms)
{
	/* The end of main is told once; what is left to do needs no main. */
	if (h->child->control.dead)
		ch_loop_del(h->loop, &h->control);
	if (h->work->stop != NULL)
		h->work->stop(h->ctx, grace_ms);
	else
		ch_hub_stop(h);
}

static void hear(void *ctx)
{
	struct ch_hub *h = ctx;
	ch_loop_defer(h->loop, &h->turn);
	while (h->control.added) {
		struct ch_child_news news = ch_child_next(h->child);
		switch (news.ask) {
		case CH_CHILD_NOTHING:
			return;
		case CH_CHILD_STOP:
			stop(h, news.grace_ms);
			return;
		case CH_CHILD_PEER:
			peer_begin(h, &news.peer);
			break;
		case CH_CHILD_RELOAD:
			if (h->work->reload != NULL)
				h->work->reload(h->ctx, news.config);
			break;
		case CH_CHILD_STATUS:
			if (h->work->status != NULL)
				h->work->status(h->ctx, &news);
			break;
		}
	}
}

static void control_ready(void *ctx, uint32_t events)
{
	(void)events;
	hear(ctx);
}

/* FNV-1a: to see that something changed. */
static uint64_t hash(struct ch_span s)
{
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 1099511628211u;
	return h;
}

static void status_due(void *ctx)
{
	struct ch_hub *h = ctx;
	struct ch_chan *control = &h->child->control;
	struct ch_wr w = ch_wr(h->metrics, sizeof(h->metrics));
	ch_loop_timer_set(h->loop, &h->status, STATUS_MS);
	/* Nothing piles up for a main that does not read. */
	if (!ch_chan_flush(control) || ch_chan_queued(control) > 0)
		return;
	h->work->metrics(h->ctx, &w);
	assert(!w.bad);
	const struct ch_msg_status s = { .metrics = ch_wr_span(&w) };
	if (hash(s.metrics) == h->told)
		return;
	h->told = hash(s.metrics);
	ch_msg_send(control, CH_MSG_STATUS, 0, &s);
	(void)ch_chan_flush(control);
}

/* --- from the first turn to the last --- */

static void turn(void *ctx)
{
	struct ch_hub *h = ctx;
	if (h->work->turn != NULL)
		h->work->turn(h->ctx);
}

void ch_hub_init(struct ch_hub *h, struct ch_child *child, const struct ch_hub_work *work, void *ctx)
{
	*h = (struct ch_hub){ .child = child, .loop = ch_loop_new(), .work = work, .ctx = ctx };
	h->control = (struct ch_loop_fd){ .ready = control_ready, .ctx = h };
	h->status = (struct ch_loop_timer){ .due = status_due, .ctx = h };
	h->hear = (struct ch_loop_task){ .run = hear, .ctx = h };
	h->turn = (struct ch_loop_task){ .run = turn, .ctx = h };
}

enum ch_err ch_hub_run(struct ch_hub *h)
{
	/* What came with START is in memory already: no descriptor will tell of it. */
	ch_loop_defer(h->loop, &h->hear);
	for (size_t i = 0; i < h->child->fd_count; i++) {
		if (h->child->fd[i].kind < CH_ROLE_COUNT)
			peer_begin(h, &h->child->fd[i]);
	}
	watch(h, &h->control, h->child->control.fd);
	if (h->work->metrics != NULL)
		ch_loop_timer_set(h->loop, &h->status, STATUS_MS);
	return ch_loop_run(h->loop);
}

void ch_hub_stop(struct ch_hub *h)
{
	ch_loop_stop(h->loop);
}

void ch_hub_clear(struct ch_hub *h)
{
	for (size_t role = 0; role < CH_ROLE_COUNT; role++) {
		for (size_t i = 0; i < CH_HUB_PEERS_MAX; i++)
			peer_close(&h->peer[role][i]);
	}
	ch_loop_del(h->loop, &h->control);
	ch_chan_clear(&h->child->control);
	ch_buf_free(&h->child->start_bytes);
	ch_loop_free(h->loop);
	h->loop = NULL;
}
