/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/backend.h"
#include "host/sys/log.h"
#include "host/sys/loop.h"
#include "server/ipc/child.h"
#include "server/reader/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* chainhold-reader: the reader between its channels. Started by chainholdd only. */

#define STORE_NAME "chainhold.db"
#define PEERS_MAX  80
#define STATUS_MS  1000

struct reader_main;

struct peer {
	struct reader_main *main;
	struct ch_chan chan;
	struct ch_loop_fd watch;
	struct ch_permit_once once;
	enum ch_role role;
	unsigned index;
	bool used;
};

struct reader_main {
	struct ch_child child;
	struct ch_loop *loop;
	struct ch_reader *reader;
	struct ch_store *store; /* NULL until the keeper has made it */
	struct ch_loop_fd control;
	struct ch_loop_timer tick, status;
	struct ch_loop_task flush;
	struct peer peer[PEERS_MAX];
	uint64_t status_sent; /* size of the last STATUS: nothing new, nothing sent */
	char store_name[CH_IPC_TEXT_MAX + 1];
};

union message {
	struct ch_msg_request request;
	struct ch_msg_ear ear;
	struct ch_msg_keys keys;
};

/* --- the environment --- */

static uint64_t clock_ms(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t wall_ms(void *ctx)
{
	(void)ctx;
	return clock_ms(CLOCK_REALTIME);
}

static uint64_t mono_ms(void *ctx)
{
	(void)ctx;
	return clock_ms(CLOCK_MONOTONIC);
}

static void send_out(void *ctx, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, const void *msg)
{
	struct reader_main *m = ctx;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &m->peer[i];
		if (p->used && p->role == to && p->index == index)
			ch_msg_send(&p->chan, type, id, msg);
	}
	ch_loop_defer(m->loop, &m->flush);
}

/* --- the store: the keeper makes it, maybe after this process was started --- */

static void store_try(struct reader_main *m)
{
	char why[CH_STORE_WHY] = "";
	const struct ch_store_config config = {
		.path = m->store_name, .mode = CH_STORE_READ, .sql = ch_reader_sql, .sql_count = ch_reader_sql_count
	};
	if (m->store != NULL || ch_store_open(&m->store, &config, why) != CH_OK)
		return;
	if (ch_store_check(m->store) == CH_OK) {
		ch_reader_store(m->reader, m->store);
		return;
	}
	/* Tables are missing: the migration is under way. */
	ch_store_close(m->store);
	m->store = NULL;
}

/* --- peers --- */

static void peer_end(struct peer *p)
{
	ch_loop_del(p->main->loop, &p->watch);
	ch_chan_clear(&p->chan);
	p->used = false;
	if (p->role == CH_ROLE_SIGNER)
		ch_reader_signer_gone(p->main->reader);
	else
		ch_reader_edge_gone(p->main->reader, p->index);
}

static bool peer_take(struct peer *p, const struct ch_frame *f)
{
	union message msg;
	if (!ch_msg_permitted(&p->once, p->role, CH_ROLE_READER, f->type) ||
	    ch_msg_parse((enum ch_msg)f->type, &msg, f->payload, NULL) != CH_OK) {
		ch_log(CH_LOG_ERROR, "%s %u sent what it may not send (%s): its channel is closed",
		       ch_role_str(p->role), p->index, ch_msg_str(f->type));
		return false;
	}
	if (f->type == CH_MSG_REQUEST) {
		store_try(p->main);
		ch_reader_request(p->main->reader, p->index, f->id, &msg.request);
	} else {
		ch_reader_signed(p->main->reader, (enum ch_msg)f->type, f->id, &msg);
	}
	return true;
}

static void peer_ready(void *ctx, uint32_t events)
{
	struct peer *p = ctx;
	struct reader_main *m = p->main;
	struct ch_frame f;
	bool ok = true;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		ok = ch_chan_read(&p->chan);
	while (ch_chan_next(&p->chan, &f)) {
		if (!peer_take(p, &f)) {
			ok = false;
			break;
		}
	}
	if (!ok || p->chan.dead)
		peer_end(p);
	ch_loop_defer(m->loop, &m->flush);
}

static void peer_begin(struct reader_main *m, const struct ch_child_fd *fd)
{
	struct peer *p = NULL;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *o = &m->peer[i];
		if (o->used && o->role == (enum ch_role)fd->kind && o->index == fd->index)
			peer_end(o);
		if (p == NULL && !o->used)
			p = o;
	}
	if (p == NULL) {
		(void)close(fd->fd);
		return;
	}
	*p = (struct peer){ .main = m, .role = (enum ch_role)fd->kind, .index = fd->index, .used = true };
	ch_chan_init(&p->chan, fd->fd);
	p->watch.ready = peer_ready;
	p->watch.ctx = p;
	if (ch_loop_add(m->loop, &p->watch, fd->fd, EPOLLIN) != CH_OK) {
		ch_log(CH_LOG_ERROR, "a channel cannot be watched: %s", strerror(errno));
		exit(EXIT_FAILURE);
	}
}

static bool kind_is_peer(uint8_t kind)
{
	return kind == CH_FD_EDGE || kind == CH_FD_SIGNER;
}

/* --- turns --- */

static void tick(void *ctx)
{
	struct reader_main *m = ctx;
	uint64_t next = ch_reader_tick(m->reader);
	if (next != 0)
		ch_loop_timer_set(m->loop, &m->tick, next);
}

static void flush(void *ctx)
{
	struct reader_main *m = ctx;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &m->peer[i];
		if (!p->used)
			continue;
		if (!ch_chan_flush(&p->chan)) {
			peer_end(p);
			continue;
		}
		ch_loop_watch(m->loop, &p->watch, ch_chan_queued(&p->chan) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
	if (!ch_loop_timer_armed(&m->tick))
		tick(m);
}

static void status(void *ctx)
{
	struct reader_main *m = ctx;
	uint8_t text[4096];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_reader_metrics(m->reader, m->child.index, &w);
	uint64_t hash = 14695981039346656037u;
	for (size_t i = 0; i < w.len; i++)
		hash = (hash ^ text[i]) * 1099511628211u;
	if (hash != m->status_sent) {
		const struct ch_msg_status s = { .metrics = ch_wr_span(&w) };
		ch_msg_send(&m->child.control, CH_MSG_STATUS, 0, &s);
		(void)ch_chan_flush(&m->child.control);
	}
	m->status_sent = hash;
	ch_loop_timer_set(m->loop, &m->status, STATUS_MS);
}

static void control_ready(void *ctx, uint32_t events)
{
	struct reader_main *m = ctx;
	(void)events;
	for (;;) {
		struct ch_child_news n = ch_child_next(&m->child);
		if (n.ask == CH_CHILD_NOTHING)
			return;
		if (n.ask == CH_CHILD_STOP) {
			ch_loop_stop(m->loop);
			return;
		}
		if (n.ask == CH_CHILD_PEER && kind_is_peer(n.peer.kind))
			peer_begin(m, &n.peer);
	}
}

int main(void)
{
	static struct reader_main m;
	if (ch_child_begin(&m.child, CH_ROLE_READER) != CH_OK)
		return EXIT_FAILURE;
	if (ch_crypto_openssl_init() != CH_OK) {
		ch_log(CH_LOG_ERROR, "OpenSSL does not offer what is needed");
		return EXIT_FAILURE;
	}
	struct ch_span name = ch_config_get(m.child.start.config, "store", 0);
	(void)ch_span_copy(m.store_name, sizeof(m.store_name) - 1, name.n > 0 ? name : CH_SPAN_LIT(STORE_NAME));
	m.loop = ch_loop_new();
	ch_child_confine(&m.child, CH_ALLOW_FILES_READ);
	const struct ch_reader_env env = { send_out, wall_ms, mono_ms, &m };
	m.reader = ch_reader_new(&env, ch_config_get(m.child.start.config, "origin", 0));
	m.flush.run = flush;
	m.tick.due = tick;
	m.status.due = status;
	m.control.ready = control_ready;
	m.flush.ctx = m.tick.ctx = m.status.ctx = m.control.ctx = &m;
	for (size_t i = 0; i < m.child.fd_count; i++) {
		if (kind_is_peer(m.child.fd[i].kind))
			peer_begin(&m, &m.child.fd[i]);
	}
	if (ch_loop_add(m.loop, &m.control, m.child.control.fd, EPOLLIN) != CH_OK)
		return EXIT_FAILURE;
	ch_loop_timer_set(m.loop, &m.status, STATUS_MS);
	enum ch_err err = ch_loop_run(m.loop);
	ch_reader_free(m.reader);
	ch_store_close(m.store);
	ch_loop_free(m.loop);
	return err == CH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
