/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_MS 10000

_Noreturn void ag_child_end(const char *why)
{
	ch_log(CH_LOG_ERROR, "%s", why);
	exit(EXIT_FAILURE);
}

static const char *log_name(enum ag_role role)
{
	static const char *const name[AG_ROLE_COUNT] = { "agent", "agent-tpm", "agent-net", "agent-collect",
							 "agent-apply" };
	return name[role];
}

const enum ag_role *ag_peers(enum ag_role role)
{
	static const enum ag_role peer[AG_ROLE_COUNT][AG_PEERS_MAX + 1] = {
		[AG_TPM] = { AG_NET, AG_COLLECT },
		[AG_NET] = { AG_TPM, AG_COLLECT },
		[AG_COLLECT] = { AG_TPM, AG_NET, AG_APPLY },
		[AG_APPLY] = { AG_COLLECT },
	};
	return peer[role];
}

void ag_child_begin(struct ag_child *c, enum ag_role role, enum ag_msg type, void *start)
{
	*c = (struct ag_child){ .role = role };
	ch_log_open(log_name(role));
	/* Signals of a terminal or a service manager go to main, which ends its children. */
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	for (size_t i = 0; i < CH_COUNT_OF(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	const enum ag_role *peer = ag_peers(role);
	c->link[0].from = AG_MAIN;
	ch_chan_init(&c->link[0].chan, AG_FD_MAIN);
	for (int i = 0; i < AG_PEERS_MAX; i++) {
		struct ag_link *l = &c->link[1 + i];
		l->from = peer[i];
		l->chan.fd = -1;
		if (peer[i] != AG_MAIN && fcntl(AG_FD_PEER + i, F_GETFD) >= 0)
			ch_chan_init(&l->chan, AG_FD_PEER + i);
	}
	struct ch_frame f;
	if (ch_chan_wait(&c->link[0].chan, &f, START_MS) != CH_OK)
		ag_child_end("this program is started by chainhold-agent");
	if (f.type != (uint16_t)type)
		ag_child_end("it was started in place of another one");
	/* kept: the channel's memory moves on with the next frame */
	ch_buf_append(&c->start, f.payload);
	f.payload = ch_buf_span(&c->start);
	ag_child_parse(c, &c->link[0], &f, start);
}

void ag_child_confine(struct ag_child *c, const struct ch_sandbox *s)
{
	char text[AG_TEXT_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	if (ch_sandbox_enter(s, &w) != CH_OK) {
		ch_log(CH_LOG_ERROR, "the sandbox cannot be installed: %s", strerror(errno));
		exit(EXIT_FAILURE);
	}
	ag_child_send(&c->link[0].chan, AG_MSG_READY, 0, &(struct ag_ready){ .sandbox = ch_wr_span(&w) });
}

struct ch_chan *ag_child_to(struct ag_child *c, enum ag_role role)
{
	size_t i = 0;
	while (c->link[i].from != role)
		i++;
	return &c->link[i].chan;
}

struct ag_link *ag_child_wait(struct ag_child *c, int fd, int timeout_ms, struct ch_frame *f)
{
	struct pollfd p[AG_LINKS + 1];
	for (size_t i = 0; i < AG_LINKS; i++) {
		struct ch_chan *chan = &c->link[i].chan;
		if (ch_chan_next(chan, f))
			return &c->link[i];
		if (chan->dead)
			exit(EXIT_SUCCESS); /* main says why */
		p[i] = (struct pollfd){ .fd = chan->fd, .events = POLLIN };
	}
	p[AG_LINKS] = (struct pollfd){ .fd = fd, .events = POLLIN };
	if (poll(p, AG_LINKS + 1, timeout_ms) <= 0)
		return NULL;
	for (size_t i = 0; i < AG_LINKS; i++) {
		if (p[i].revents == 0)
			continue;
		(void)ch_chan_read(&c->link[i].chan);
		if (ch_chan_next(&c->link[i].chan, f))
			return &c->link[i];
		if (c->link[i].chan.dead)
			exit(EXIT_SUCCESS);
	}
	return NULL;
}

void ag_child_parse(const struct ag_child *c, const struct ag_link *l, const struct ch_frame *f, void *to)
{
	if (!ag_msg_permitted(l->from, c->role, f->type)) {
		ch_log(CH_LOG_ERROR, "%s sent %s, which it may not: ending", ag_role_str(l->from), ag_msg_str(f->type));
		exit(EXIT_FAILURE);
	}
	enum ch_err err = ag_msg_parse((enum ag_msg)f->type, to, f->payload);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "%s sent a bad %s (%s): ending", ag_role_str(l->from), ag_msg_str(f->type),
		       ch_err_str(err));
		exit(EXIT_FAILURE);
	}
}

void ag_child_send(struct ch_chan *to, enum ag_msg type, uint64_t id, const void *msg)
{
	ag_msg_send(to, type, id, msg);
	while (ch_chan_flush(to) && ch_chan_queued(to) > 0)
		(void)poll(&(struct pollfd){ .fd = to->fd, .events = POLLOUT }, 1, -1);
}

void ag_child_ask(struct ag_child *c, enum ag_role who, enum ag_msg type, const void *msg, enum ag_msg answer, void *to,
		  int timeout_ms)
{
	struct ag_link *l = c->link;
	while (l->from != who)
		l++;
	ag_child_send(&l->chan, type, 0, msg);
	struct ch_frame f;
	enum ch_err err = ch_chan_wait(&l->chan, &f, timeout_ms);
	if (err == CH_ERR_LIMIT) {
		ch_log(CH_LOG_ERROR, "%s gave no answer to %s: ending", ag_role_str(who), ag_msg_str(type));
		exit(EXIT_FAILURE);
	}
	if (err != CH_OK)
		exit(EXIT_SUCCESS); /* main says why */
	if (f.type != (uint16_t)answer)
		ag_child_end("an answer is not the one to the question");
	ag_child_parse(c, l, &f, to);
}
