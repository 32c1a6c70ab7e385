/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/backend.h"
#include "host/store/schema.h"
#include "host/sys/log.h"
#include "host/sys/loop.h"
#include "server/ipc/child.h"
#include "server/keeper/keeper.h"
#include "server/keeper/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* chainhold-keeper: the keeper between its channels, one loop turn one transaction. Started by chainholdd only. */

#define STORE_NAME    "chainhold.db"
#define RESERVE_NAME  "reserve"
#define RESERVE_BYTES ((off_t)32 << 20)
#define PEERS_MAX     160
#define STATUS_MS     1000

struct keeper_main;

struct peer {
	struct keeper_main *main;
	struct ch_chan chan;
	struct ch_loop_fd watch;
	struct ch_permit_once once;
	enum ch_role role;
	unsigned index;
	bool used;
};

struct keeper_main {
	struct ch_child child;
	struct ch_loop *loop;
	struct ch_keeper *keeper;
	struct ch_store *store;
	struct ch_loop_fd control;
	struct ch_loop_timer tick, status;
	struct ch_loop_task turn;
	struct peer peer[PEERS_MAX];
	uint64_t metrics_hash;
	char store_name[CH_IPC_TEXT_MAX + 1];
};

/* Any message that a peer may send here, parsed. */
union message {
	struct ch_msg_request request;
	struct ch_msg_context_ask context_ask;
	struct ch_msg_enrol_pending enrol_pending;
	struct ch_msg_enrol_finish enrol_finish;
	struct ch_msg_enrol_token enrol_token;
	struct ch_msg_commit commit;
	struct ch_msg_renew renew;
	struct ch_msg_action action;
	struct ch_msg_fatal_input fatal_input;
	struct ch_msg_issued issued;
	struct ch_msg_checkpoint checkpoint;
	struct ch_msg_cut_done cut_done;
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

static bool disk(void *ctx, uint64_t *total, uint64_t *available)
{
	const struct keeper_main *m = ctx;
	struct statvfs s;
	if (statvfs(m->store_name, &s) != 0)
		return false;
	*total = (uint64_t)s.f_blocks * s.f_frsize;
	*available = (uint64_t)s.f_bavail * s.f_frsize;
	return true;
}

static bool reserve(void *ctx, bool keep)
{
	(void)ctx;
	if (!keep) {
		if (unlink(RESERVE_NAME) == 0)
			ch_log(CH_LOG_ERROR, "the disk is full: the reserve is given up for verdicts and revocations");
		return true;
	}
	int fd = open(RESERVE_NAME, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST;
	bool ok = posix_fallocate(fd, 0, RESERVE_BYTES) == 0;
	(void)close(fd);
	if (!ok)
		(void)unlink(RESERVE_NAME);
	return ok;
}

static void fatal(void *ctx, const char *why)
{
	(void)ctx;
	ch_log(CH_LOG_ERROR, "the store cannot go on: %s; starting anew from what is durable", why);
	exit(EXIT_FAILURE);
}

static void send_out(void *ctx, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, struct ch_span payload)
{
	struct keeper_main *m = ctx;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &m->peer[i];
		if (p->used && p->role == to && p->index == index)
			ch_chan_send(&p->chan, (uint16_t)type, id, payload);
	}
}

/* --- peers --- */

static void peer_end(struct peer *p)
{
	ch_loop_del(p->main->loop, &p->watch);
	ch_chan_clear(&p->chan);
	p->used = false;
	ch_keeper_peer(p->main->keeper, p->role, p->index, false);
	ch_loop_defer(p->main->loop, &p->main->turn);
}

/* False if the frame may not come: its sender is not what it should be. */
static bool peer_take(struct peer *p, const struct ch_frame *f)
{
	union message msg;
	if (!ch_msg_permitted(&p->once, p->role, CH_ROLE_KEEPER, f->type) ||
	    ch_msg_parse((enum ch_msg)f->type, &msg, f->payload, NULL) != CH_OK) {
		ch_log(CH_LOG_ERROR, "%s %u sent what it may not send (%s): its channel is closed",
		       ch_role_str(p->role), p->index, ch_msg_str(f->type));
		return false;
	}
	ch_keeper_message(p->main->keeper, p->role, p->index, (enum ch_msg)f->type, f->id, &msg);
	return true;
}

static void peer_ready(void *ctx, uint32_t events)
{
	struct peer *p = ctx;
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
	ch_loop_defer(p->main->loop, &p->main->turn);
}

static void peer_begin(struct keeper_main *m, const struct ch_child_fd *fd)
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
	ch_keeper_peer(m->keeper, p->role, p->index, true);
	ch_loop_defer(m->loop, &m->turn);
}

static bool kind_is_peer(uint8_t kind)
{
	return kind == CH_FD_EDGE || kind == CH_FD_VERIFY || kind == CH_FD_SIGNER;
}

/* --- turns --- */

static void turn(void *ctx)
{
	struct keeper_main *m = ctx;
	ch_keeper_turn(m->keeper);
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
	/* What the turn left for later (a batch of leaves) comes with a tick. */
	uint64_t due = ch_keeper_due(m->keeper);
	if (!ch_loop_timer_armed(&m->tick) || ch_loop_now(m->loop) + due < m->tick.deadline)
		ch_loop_timer_set(m->loop, &m->tick, due);
}

static void tick(void *ctx)
{
	struct keeper_main *m = ctx;
	ch_loop_timer_set(m->loop, &m->tick, ch_keeper_tick(m->keeper));
	ch_loop_defer(m->loop, &m->turn);
}

static void status(void *ctx)
{
	struct keeper_main *m = ctx;
	uint8_t text[4096];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_keeper_metrics(m->keeper, &w);
	uint64_t hash = 14695981039346656037u;
	for (size_t i = 0; i < w.len; i++)
		hash = (hash ^ text[i]) * 1099511628211u;
	if (hash != m->metrics_hash) {
		const struct ch_msg_status s = { .metrics = ch_wr_span(&w) };
		ch_msg_send(&m->child.control, CH_MSG_STATUS, 0, &s);
		(void)ch_chan_flush(&m->child.control);
	}
	m->metrics_hash = hash;
	ch_loop_timer_set(m->loop, &m->status, STATUS_MS);
}

static void control_ready(void *ctx, uint32_t events)
{
	struct keeper_main *m = ctx;
	(void)events;
	for (;;) {
		struct ch_child_news n = ch_child_next(&m->child);
		if (n.ask == CH_CHILD_NOTHING)
			return;
		if (n.ask == CH_CHILD_STOP) {
			ch_loop_stop(m->loop);
			return;
		}
		if (n.ask == CH_CHILD_RELOAD && ch_keeper_reload(m->keeper, n.config) != CH_OK)
			ch_log(CH_LOG_ERROR, "the new configuration cannot be used: the old one stays in force");
		if (n.ask == CH_CHILD_PEER && kind_is_peer(n.peer.kind))
			peer_begin(m, &n.peer);
		ch_loop_defer(m->loop, &m->turn);
	}
}

/* --- start --- */

static void store_open(struct keeper_main *m)
{
	char why[CH_STORE_WHY] = "";
	const struct ch_store_config config = {
		.path = m->store_name, .mode = CH_STORE_WRITE, .sql = ch_keeper_sql, .sql_count = ch_keeper_sql_count
	};
	enum ch_err err = ch_store_open(&m->store, &config, why);
	if (err == CH_OK)
		err = ch_schema_migrate(m->store, CH_SCHEMA_APPLY, (int64_t)clock_ms(CLOCK_REALTIME), NULL, NULL);
	if (err == CH_OK)
		err = ch_store_check(m->store);
	if (err == CH_OK)
		return;
	ch_log(CH_LOG_ERROR, "the store %s cannot be opened: %s %s", m->store_name, ch_err_str(err),
	       m->store != NULL ? ch_store_why(m->store) : why);
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return ch_keeper_tool(argc, argv);
	static struct keeper_main m;
	char why[CH_STORE_WHY] = "";
	if (ch_child_begin(&m.child, CH_ROLE_KEEPER) != CH_OK)
		return EXIT_FAILURE;
	struct ch_view *view = ch_view_map(ch_child_fd(&m.child, CH_FD_VIEW, 0), true);
	if (view == NULL || ch_crypto_openssl_init() != CH_OK) {
		ch_log(CH_LOG_ERROR, view == NULL ? "there is no fleet view" : "OpenSSL does not offer what is needed");
		return EXIT_FAILURE;
	}
	struct ch_span name = ch_config_get(m.child.start.config, "store", 0);
	(void)ch_span_copy(m.store_name, sizeof(m.store_name) - 1, name.n > 0 ? name : CH_SPAN_LIT(STORE_NAME));
	/* The C library opens the time zone's file when it is first asked for a local time, which a sandbox does not let it. */
	tzset();
	m.loop = ch_loop_new();
	ch_child_confine(&m.child, CH_ALLOW_FILES);
	store_open(&m);
	const struct ch_keeper_env env = { send_out, wall_ms, mono_ms, disk, reserve, fatal, &m };
	const struct ch_keeper_config config = {
		.store = m.store, .view = view, .config = m.child.start.config, .env = &env
	};
	m.keeper = ch_keeper_new(&config, why);
	if (m.keeper == NULL) {
		ch_log(CH_LOG_ERROR, "the keeper cannot start: %s", why);
		return EXIT_FAILURE;
	}
	m.turn.run = turn;
	m.tick.due = tick;
	m.status.due = status;
	m.control.ready = control_ready;
	m.turn.ctx = m.tick.ctx = m.status.ctx = m.control.ctx = &m;
	for (size_t i = 0; i < m.child.fd_count; i++) {
		if (kind_is_peer(m.child.fd[i].kind))
			peer_begin(&m, &m.child.fd[i]);
	}
	if (ch_loop_add(m.loop, &m.control, m.child.control.fd, EPOLLIN) != CH_OK)
		return EXIT_FAILURE;
	ch_loop_timer_set(m.loop, &m.tick, 1);
	ch_loop_timer_set(m.loop, &m.status, STATUS_MS);
	enum ch_err err = ch_loop_run(m.loop);
	/* What came in with the last turn is committed and answered by it. */
	ch_keeper_free(m.keeper);
	ch_store_checkpoint(m.store);
	ch_store_close(m.store);
	ch_view_unmap(view);
	ch_loop_free(m.loop);
	return err == CH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
