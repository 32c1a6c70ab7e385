/* SPDX-License-Identifier: Apache-2.0 */
#include "server/main/children.h"

#include "host/sys/log.h"
#include "server/main/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 10000
#define SETTLED_MS   30000 /* who ran this long starts again at once */
#define READ_MS      5000  /* for a child to take what it is told; one that does not is ended */
#define GRACE_MS     5000  /* for each group to end by itself */

/* The order of the end: nobody is asked any more by who is gone already. */
static const enum ch_role end_order[] = { CH_ROLE_EDGE,   CH_ROLE_READER, CH_ROLE_VERIFY,
					  CH_ROLE_KEEPER, CH_ROLE_SIGNER, CH_ROLE_TOKEN };

static bool linked(enum ch_role a, enum ch_role b)
{
	return ch_role_talks(a, b) || ch_role_talks(b, a);
}

static void add_gift(struct main_gift *gift, size_t *count, enum ch_fd_kind kind, unsigned index, int fd, bool ours)
{
	gift[(*count)++] = (struct main_gift){ .kind = (uint8_t)kind, .index = (uint8_t)index, .fd = fd, .ours = ours };
}

/* What a process has besides its channels. */
static void add_own_gifts(const struct main_process *p, struct main_gift *gift, size_t *count)
{
	const struct main_children *m = p->all;
	if (p->role == CH_ROLE_KEEPER)
		add_gift(gift, count, CH_FD_VIEW, 0, m->view, true);
	if (p->role != CH_ROLE_EDGE)
		return;
	add_gift(gift, count, CH_FD_VIEW, 0, m->view_reader, true);
	for (unsigned i = 0; i < 3; i++)
		add_gift(gift, count, (enum ch_fd_kind)(CH_FD_LISTEN_DEVICES + i), 0, m->listener[i][p->index], true);
}

/* Gives the other end of a channel to a process that runs. Nobody may hold this process up: one that does not read is ended. */
static void hand_over(struct main_process *to, const struct main_process *peer, int fd)
{
	const struct ch_msg_peer msg = { .kind = (uint8_t)peer->role, .index = (uint8_t)peer->index };
	uint8_t bytes[2];
	struct ch_wr w = ch_wr(bytes, sizeof(bytes));
	ch_msg_put(CH_MSG_PEER, &msg, &w);
	enum ch_err err = ch_chan_send_fd(&to->control, CH_MSG_PEER, 0, ch_wr_span(&w), fd, READ_MS);
	(void)close(fd);
	if (err == CH_ERR_LIMIT)
		(void)kill(to->pid, SIGKILL);
}

/* Makes a channel to every process that this one talks to and that runs. */
static bool add_channels(struct main_process *p, struct main_gift *gift, size_t *count)
{
	struct main_children *m = p->all;
	for (size_t i = 0; i < m->count; i++) {
		struct main_process *q = &m->process[i];
		int pair[2];
		if (q->pid == 0 || q == p || !linked(p->role, q->role))
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
			ch_log(CH_LOG_ERROR, "no channel: %s", strerror(errno));
			return false;
		}
		add_gift(gift, count, (enum ch_fd_kind)q->role, q->index, pair[0], false);
		/* One that is about to end does not take it; whoever follows it makes its own. */
		hand_over(q, p, pair[1]);
	}
	return true;
}

static void control_ready(void *ctx, uint32_t events);

static bool start_one(struct main_process *p)
{
	struct main_gift gift[CH_CHILD_FDS_MAX];
	size_t count = 0;
	add_own_gifts(p, gift, &count);
	if (!add_channels(p, gift, &count)) {
		for (size_t i = 0; i < count; i++) {
			if (!gift[i].ours)
				(void)close(gift[i].fd);
		}
		return false;
	}
	if (!main_spawn(p, gift, count))
		return false;
	p->watch.ready = control_ready;
	p->watch.ctx = p;
	/* A configuration with many roots is more than a socket takes at once. */
	if (ch_chan_drain(&p->control, READ_MS) == CH_ERR_LIMIT)
		(void)kill(p->pid, SIGKILL);
	return ch_loop_add(p->all->loop, &p->watch, p->control.fd, EPOLLIN) == CH_OK;
}

static void tell_when_all_are_ready(struct main_children *m)
{
	for (size_t i = 0; i < m->count; i++) {
		if (!m->process[i].ready)
			return;
	}
	if (m->ready_told)
		return;
	m->ready_told = true;
	const struct main_config *c = m->config;
	ch_log(CH_LOG_NOTICE, "ready: devices %s, operators %s, public %s", c->listen[0], c->listen[1], c->listen[2]);
	main_notify("READY=1");
}

static void pass_status(struct main_process *edge, const struct main_process *from)
{
	if (edge == from || from->status.n == 0)
		return;
	ch_chan_send(&edge->control, CH_MSG_STATUS, (uint64_t)from->role << 8 | from->index,
		     ch_buf_span(&from->status));
	(void)ch_chan_flush(&edge->control);
}

/* Every edge shows what every process told of itself. */
static void spread_status(struct main_children *m, const struct main_process *from)
{
	for (size_t i = 0; i < m->count; i++) {
		struct main_process *q = &m->process[i];
		/* Nothing piles up for one that does not read. */
		if (q->role == CH_ROLE_EDGE && q->ready && ch_chan_queued(&q->control) == 0)
			pass_status(q, from);
	}
}

/* What the others said before this edge was there. */
static void catch_up(struct main_process *edge)
{
	for (size_t i = 0; i < edge->all->count; i++)
		pass_status(edge, &edge->all->process[i]);
}

#define SANDBOX_LINE 512

/* Every edge shows how every process is confined, this edge too. */
static void spread_sandboxes(struct main_children *m)
{
	size_t room = SANDBOX_LINE * (m->count + 1);
	CH_AUTO_FREE uint8_t *text = ch_calloc(room, 1);
	struct ch_wr w = ch_wr(text, room);
	ch_wr_str(&w, "# HELP chainhold_sandbox How a process is confined.\n# TYPE chainhold_sandbox gauge\n");
	for (size_t i = 0; i < m->count; i++) {
		const struct main_process *p = &m->process[i];
		if (!p->ready)
			continue;
		ch_wr_str(&w, "chainhold_sandbox{process=\"");
		ch_wr_str(&w, ch_role_str(p->role));
		ch_wr_str(&w, "\",index=\"");
		ch_wr_dec(&w, p->index);
		ch_wr_str(&w, "\",active=\"");
		ch_wr_str(&w, p->sandbox);
		ch_wr_str(&w, "\"} 1\n");
	}
	const struct ch_msg_status s = { .metrics = ch_wr_span(&w) };
	for (size_t i = 0; i < m->count; i++) {
		struct main_process *q = &m->process[i];
		if (q->role != CH_ROLE_EDGE || !q->ready)
			continue;
		ch_msg_send(&q->control, CH_MSG_STATUS, (uint64_t)CH_ROLE_MAIN << 8, &s);
		(void)ch_chan_flush(&q->control);
	}
}

static bool take_frame(struct main_process *p, const struct ch_frame *f)
{
	struct ch_msg_ready ready;
	struct ch_msg_status status;
	if (!ch_msg_permitted(&p->once, p->role, CH_ROLE_MAIN, f->type))
		return false;
	switch (f->type) {
	case CH_MSG_READY:
		if (ch_msg_parse(CH_MSG_READY, &ready, f->payload, NULL) != CH_OK)
			return false;
		p->sandbox[ch_span_copy(p->sandbox, sizeof(p->sandbox) - 1, ready.sandbox)] = '\0';
		p->ready = true;
		ch_log(CH_LOG_INFO, "%s[%u] is ready, pid %d: %s", ch_role_str(p->role), p->index, (int)p->pid,
		       p->sandbox);
		spread_sandboxes(p->all);
		if (p->role == CH_ROLE_EDGE)
			catch_up(p);
		tell_when_all_are_ready(p->all);
		return true;
	case CH_MSG_STATUS:
		/* An edge ends when main sends what does not parse: nobody else decides that. */
		if (ch_msg_parse(CH_MSG_STATUS, &status, f->payload, NULL) != CH_OK)
			return false;
		p->status.n = 0;
		ch_buf_append(&p->status, f->payload);
		spread_status(p->all, p);
		return true;
	default:
		return true;
	}
}

static void control_ready(void *ctx, uint32_t events)
{
	struct main_process *p = ctx;
	struct ch_frame f;
	(void)events;
	(void)ch_chan_read(&p->control);
	while (ch_chan_next(&p->control, &f)) {
		if (take_frame(p, &f))
			continue;
		ch_log(CH_LOG_ERROR, "%s[%u] said what it may not say: %s; it is ended", ch_role_str(p->role), p->index,
		       ch_msg_str(f.type));
		(void)kill(p->pid, SIGKILL);
		break;
	}
	if (p->control.dead)
		ch_loop_del(p->all->loop, &p->watch); /* its end is seen by SIGCHLD */
}

static void start_again(void *ctx)
{
	struct main_process *p = ctx;
	if (p->all->stage == 0 && !start_one(p))
		ch_loop_timer_set(p->all->loop, &p->again, PAUSE_MAX_MS);
}

static void say_end(const struct main_process *p, int status)
{
	char how[64];
	if (WIFSIGNALED(status))
		(void)snprintf(how, sizeof(how), "killed by signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	else
		(void)snprintf(how, sizeof(how), "exit %d", WEXITSTATUS(status));
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	ch_log(CH_LOG_ERROR, "%s[%u], pid %d, ended: %s%s", ch_role_str(p->role), p->index, (int)p->pid, how,
	       signal == SIGSYS                                ? ": it tried what its sandbox forbids"
	       : signal == SIGKILL && p->role == CH_ROLE_TOKEN ? ": the module did not answer within its deadline"
							       : "");
}

static void process_ended(struct main_process *p, int status)
{
	struct main_children *m = p->all;
	bool clean = p->stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!clean)
		say_end(p, status);
	ch_loop_del(m->loop, &p->watch);
	ch_chan_clear(&p->control);
	p->pid = 0;
	p->ready = false;
	if (m->stage != 0) {
		m->exit_code = clean ? m->exit_code : 1;
		return;
	}
	/* Before the first time that all were ready, a child that ends is a configuration that cannot work. */
	if (!m->ready_told) {
		m->exit_code = 1;
		main_children_stop(m);
		return;
	}
	if (ch_loop_now(m->loop) - p->started > SETTLED_MS)
		p->failures = 0;
	uint64_t pause = p->failures < 7 ? (uint64_t)PAUSE_MIN_MS << p->failures : PAUSE_MAX_MS;
	p->failures++;
	p->again.due = start_again;
	p->again.ctx = p;
	ch_loop_timer_set(m->loop, &p->again, pause);
}

/* Goes on with the end: groups whose processes are all gone are done. */
static void advance_end(struct main_children *m);

static void grace_over(void *ctx)
{
	struct main_children *m = ctx;
	for (size_t i = 0; i < m->count; i++) {
		if (m->process[i].pid != 0 && m->process[i].stopping)
			(void)kill(m->process[i].pid, SIGKILL);
	}
}

static bool stop_group(struct main_children *m, enum ch_role role)
{
	bool any = false;
	const struct ch_msg_stop stop = { .grace_ms = GRACE_MS };
	for (size_t i = 0; i < m->count; i++) {
		struct main_process *p = &m->process[i];
		if (p->role != role || p->pid == 0)
			continue;
		any = true;
		if (p->stopping)
			continue;
		p->stopping = true;
		ch_msg_send(&p->control, CH_MSG_STOP, 0, &stop);
		(void)ch_chan_flush(&p->control);
		ch_loop_timer_set(m->loop, &m->grace, GRACE_MS + 1000);
	}
	return any;
}

static void advance_end(struct main_children *m)
{
	while (m->stage > 0 && m->stage <= (int)CH_COUNT_OF(end_order)) {
		if (stop_group(m, end_order[m->stage - 1]))
			return;
		m->stage++;
	}
	ch_loop_timer_clear(m->loop, &m->grace);
	ch_loop_stop(m->loop);
}

void main_children_stop(struct main_children *m)
{
	if (m->stage != 0)
		return;
	m->stage = 1;
	m->grace.due = grace_over;
	m->grace.ctx = m;
	for (size_t i = 0; i < m->count; i++)
		ch_loop_timer_clear(m->loop, &m->process[i].again);
	main_notify("STOPPING=1");
	advance_end(m);
}

void main_children_reap(struct main_children *m)
{
	int status;
	for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
		for (size_t i = 0; i < m->count; i++) {
			if (m->process[i].pid == pid)
				process_ended(&m->process[i], status);
		}
	}
	if (m->stage != 0)
		advance_end(m);
}

void main_children_reload(struct main_children *m)
{
	for (size_t i = 0; i < m->count; i++) {
		struct main_process *p = &m->process[i];
		CH_AUTO_BUF struct ch_buf config = { 0 };
		if (p->pid == 0 || (p->role != CH_ROLE_EDGE && p->role != CH_ROLE_KEEPER))
			continue;
		if (!main_config_role(m->config, p->role, p->index, &config)) {
			ch_log(CH_LOG_ERROR, "nothing was changed");
			return;
		}
		const struct ch_msg_reload reload = { .config = ch_buf_span(&config) };
		ch_msg_send(&p->control, CH_MSG_RELOAD, 0, &reload);
		if (ch_chan_drain(&p->control, READ_MS) == CH_ERR_LIMIT)
			(void)kill(p->pid, SIGKILL);
		ch_wipe(config.p, config.n);
	}
}

bool main_children_start(struct main_children *m)
{
	/* The signer first: who starts later finds its channels ready. */
	for (size_t g = CH_COUNT_OF(end_order); g > 0; g--) {
		enum ch_role role = end_order[g - 1];
		for (unsigned i = 0; i < main_config_count(m->config, role); i++) {
			struct main_process *p = &m->process[m->count++];
			*p = (struct main_process){ .all = m, .role = role, .index = i, .control = { .fd = -1 } };
			if (!start_one(p))
				return false;
		}
	}
	return true;
}

void main_children_clear(struct main_children *m)
{
	for (size_t i = 0; i < m->count; i++) {
		struct main_process *p = &m->process[i];
		ch_loop_del(m->loop, &p->watch);
		if (p->pid != 0) {
			(void)kill(p->pid, SIGKILL);
			(void)waitpid(p->pid, NULL, 0);
		}
		ch_chan_clear(&p->control);
		ch_buf_free(&p->status);
	}
}
