/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/child.h"

#include "core/base/rd.h"
#include "host/sys/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define START_WAIT_MS 10000

static bool take_fds(struct ch_child *c)
{
	struct ch_rd r = ch_rd(c->start.fds);
	while (ch_rd_left(&r) > 0 && c->fd_count < CH_CHILD_FDS_MAX) {
		struct ch_child_fd *f = &c->fd[c->fd_count++];
		f->kind = ch_rd_u8(&r);
		f->index = ch_rd_u8(&r);
		f->fd = ch_rd_be16(&r);
	}
	return ch_rd_done(&r);
}

enum ch_err ch_child_begin(struct ch_child *c, enum ch_role role)
{
	*c = (struct ch_child){ .role = role };
	ch_log_open(ch_role_str(role));
	(void)signal(SIGPIPE, SIG_IGN);
	/* The terminal's Ctrl-C goes to the whole group; main decides when a child ends. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	ch_chan_init(&c->control, CH_CHILD_CONTROL_FD);
	c->control.takes_fds = true;
	struct ch_frame f;
	enum ch_err err = ch_chan_wait(&c->control, &f, START_WAIT_MS);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "no START on descriptor 3: chainholdd starts this program, nobody else does");
		return CH_ERR_IO;
	}
	if (!ch_msg_permitted(&c->once, CH_ROLE_MAIN, role, f.type) || f.type != CH_MSG_START)
		return CH_ERR_MISMATCH;
	ch_buf_append(&c->start_bytes, f.payload);
	err = ch_msg_parse(CH_MSG_START, &c->start, ch_buf_span(&c->start_bytes), NULL);
	if (err != CH_OK)
		return err;
	c->index = c->start.index;
	return c->start.role == role && take_fds(c) ? CH_OK : CH_ERR_MISMATCH;
}

int ch_child_fd(const struct ch_child *c, enum ch_fd_kind kind, unsigned index)
{
	for (size_t i = 0; i < c->fd_count; i++) {
		if (c->fd[i].kind == kind && c->fd[i].index == index)
			return c->fd[i].fd;
	}
	return -1;
}

unsigned ch_child_fds(const struct ch_child *c, enum ch_fd_kind kind)
{
	unsigned n = 0;
	for (size_t i = 0; i < c->fd_count; i++)
		n += c->fd[i].kind == kind;
	return n;
}

static _Noreturn void unconfined(void)
{
	ch_log(CH_LOG_ERROR, "the sandbox cannot be installed: %s; nothing is served without it", strerror(errno));
	exit(EXIT_FAILURE);
}

void ch_child_become(struct ch_child *c)
{
	if (ch_sandbox_become(c->start.uid, c->start.gid) != CH_OK)
		unconfined();
}

void ch_child_confine(struct ch_child *c, unsigned allow)
{
	ch_child_confine_to(c, allow, NULL);
}

void ch_child_confine_to(struct ch_child *c, unsigned allow, const char *const *folders)
{
	char root[CH_IPC_TEXT_MAX + 1] = { 0 };
	(void)ch_span_copy(root, sizeof(root) - 1, c->start.root);
	const struct ch_sandbox s = { .root = root[0] != '\0' ? root : NULL,
				      .uid = c->start.uid,
				      .gid = c->start.gid,
				      .allow = allow,
				      .read_only = folders };
	uint8_t text[CH_IPC_TEXT_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	/* Without a zone of its own the C library looks for the system's file again at each local time, which a sandbox does not let it. */
	(void)setenv("TZ", "UTC0", 0);
	tzset();
	if (ch_sandbox_enter(&s, &w) != CH_OK)
		unconfined();
	const struct ch_msg_ready ready = { .sandbox = ch_wr_span(&w) };
	ch_msg_send(&c->control, CH_MSG_READY, 0, &ready);
	(void)ch_chan_flush(&c->control);
}

static struct ch_child_news read_peer(struct ch_child *c, struct ch_span payload)
{
	struct ch_msg_peer peer;
	struct ch_child_news news = { .peer = { .fd = ch_chan_take_fd(&c->control) } };
	if (ch_msg_parse(CH_MSG_PEER, &peer, payload, NULL) != CH_OK || news.peer.fd < 0)
		return (struct ch_child_news){ .ask = CH_CHILD_STOP };
	news.ask = CH_CHILD_PEER;
	news.peer.kind = peer.kind;
	news.peer.index = peer.index;
	return news;
}

static struct ch_child_news read_news(struct ch_child *c, const struct ch_frame *f)
{
	struct ch_msg_stop stop;
	struct ch_msg_reload reload;
	struct ch_msg_status status;
	const struct ch_child_news end = { .ask = CH_CHILD_STOP };
	if (!ch_msg_permitted(&c->once, CH_ROLE_MAIN, c->role, f->type))
		return end;
	switch (f->type) {
	case CH_MSG_PEER:
		return read_peer(c, f->payload);
	case CH_MSG_RELOAD:
		if (ch_msg_parse(CH_MSG_RELOAD, &reload, f->payload, NULL) != CH_OK)
			return end;
		return (struct ch_child_news){ .ask = CH_CHILD_RELOAD, .config = reload.config };
	case CH_MSG_STOP:
		if (ch_msg_parse(CH_MSG_STOP, &stop, f->payload, NULL) != CH_OK)
			return end;
		return (struct ch_child_news){ .ask = CH_CHILD_STOP, .grace_ms = stop.grace_ms };
	case CH_MSG_STATUS:
		if (ch_msg_parse(CH_MSG_STATUS, &status, f->payload, NULL) != CH_OK)
			return end;
		return (struct ch_child_news){ .ask = CH_CHILD_STATUS,
					       .from = (enum ch_role)(f->id >> 8),
					       .from_index = (unsigned)(f->id & 0xff),
					       .metrics = status.metrics };
	case CH_MSG_EVIL:
		if (ch_child_evil(c, f))
			return (struct ch_child_news){ .ask = CH_CHILD_NOTHING };
		return end;
	default:
		return end;
	}
}

struct ch_child_news ch_child_next(struct ch_child *c)
{
	struct ch_frame f;
	if (ch_chan_next(&c->control, &f))
		return read_news(c, &f);
	(void)ch_chan_read(&c->control);
	if (ch_chan_next(&c->control, &f))
		return read_news(c, &f);
	return (struct ch_child_news){ .ask = c->control.dead ? CH_CHILD_STOP : CH_CHILD_NOTHING };
}
