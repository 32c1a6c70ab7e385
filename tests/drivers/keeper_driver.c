/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real chainhold-keeper, confined, with everybody it talks to played: the story of tests/server/keeper/story.c is told over its channels,
 * and it is killed at random moments. After each kill a new one starts on the same store, and every promise must hold.
 *   keeper_driver KEEPER SEED KILLS [TURNS]     "N kills, N promises, N turns": exit 0; a broken promise: exit 1
 *   keeper_driver KEEPER forbidden              sends what may not be sent; the keeper must close that channel and live on
 */
#include "tests/server/keeper/story.h"

#include "host/crypto_openssl/backend.h"
#include "server/ipc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEEPER_UID 64603
#define WAIT_MS    20000

enum { CONTROL, EDGE, VERIFY, SIGNER, CHANNELS };
static const uint8_t fd_kind[CHANNELS] = { [EDGE] = CH_FD_EDGE, [VERIFY] = CH_FD_VERIFY, [SIGNER] = CH_FD_SIGNER };
static const enum ch_role channel_role[CHANNELS] = {
	[CONTROL] = CH_ROLE_MAIN, [EDGE] = CH_ROLE_EDGE, [VERIFY] = CH_ROLE_VERIFY, [SIGNER] = CH_ROLE_SIGNER
};

struct remote {
	const char *program;
	pid_t pid;
	struct ch_chan chan[CHANNELS];
	bool lost; /* the keeper ended */
	uint64_t barrier, barrier_seen;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "keeper_driver: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void become(const struct remote *r, int pair[CHANNELS][2], int view)
{
	/* Above all that is open, then to the places that START names. */
	int high[CHANNELS + 1];
	for (size_t i = 0; i < CHANNELS; i++)
		high[i] = fcntl(pair[i][1], F_DUPFD, 100);
	high[CHANNELS] = fcntl(view, F_DUPFD, 100);
	for (int i = 0; i <= CHANNELS; i++)
		(void)dup2(high[i], CH_CHILD_CONTROL_FD + i);
	for (int fd = CH_CHILD_CONTROL_FD + CHANNELS + 1; fd < 200; fd++)
		(void)close(fd);
	(void)umask(027);
	(void)execl(r->program, "chainhold-keeper", (char *)NULL);
	_exit(127);
}

static void start_send(struct world *w, struct remote *r)
{
	uint8_t rows[64];
	struct ch_wr t = ch_wr(rows, sizeof(rows));
	for (size_t i = EDGE; i < CHANNELS; i++) {
		ch_wr_u8(&t, fd_kind[i]);
		ch_wr_u8(&t, 0);
		ch_wr_be16(&t, (uint16_t)(CH_CHILD_CONTROL_FD + i));
	}
	ch_wr_u8(&t, CH_FD_VIEW);
	ch_wr_u8(&t, 0);
	ch_wr_be16(&t, CH_CHILD_CONTROL_FD + CHANNELS);
	const struct ch_msg_start m = { .role = CH_ROLE_KEEPER,
					.uid = KEEPER_UID,
					.gid = KEEPER_UID,
					.root = ch_span_str(w->dir),
					.fds = ch_wr_span(&t),
					.config = ch_buf_span(&w->config) };
	ch_msg_send(&r->chan[CONTROL], CH_MSG_START, 0, &m);
	(void)ch_chan_flush(&r->chan[CONTROL]);
}

static bool remote_start(struct world *w)
{
	struct remote *r = w->remote;
	int pair[CHANNELS][2];
	int view = ch_view_make(1024);
	if (view < 0)
		die("view");
	for (size_t i = 0; i < CHANNELS; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair[i]) != 0)
			die("socketpair");
	}
	r->pid = fork();
	if (r->pid == 0)
		become(r, pair, view);
	for (size_t i = 0; i < CHANNELS; i++) {
		(void)close(pair[i][1]);
		ch_chan_init(&r->chan[i], pair[i][0]);
	}
	(void)close(view);
	r->lost = false;
	start_send(w, r);
	struct ch_frame f;
	if (ch_chan_wait(&r->chan[CONTROL], &f, WAIT_MS) != CH_OK || f.type != CH_MSG_READY) {
		(void)snprintf(w->fatal, sizeof(w->fatal), "the keeper did not say READY");
		return false;
	}
	return true;
}

static int remote_end(struct world *w, int signal_number)
{
	struct remote *r = w->remote;
	int status = 0;
	if (signal_number != 0)
		(void)kill(r->pid, signal_number);
	if (waitpid(r->pid, &status, 0) != r->pid)
		die("waitpid");
	for (size_t i = 0; i < CHANNELS; i++)
		ch_chan_clear(&r->chan[i]);
	return status;
}

/* --- a turn --- */

static uint64_t remote_say(struct world *w, enum ch_role from, enum ch_msg type, const void *msg)
{
	struct remote *r = w->remote;
	uint64_t id = ++w->ids;
	for (size_t i = EDGE; i < CHANNELS; i++) {
		if (channel_role[i] == from)
			ch_msg_send(&r->chan[i], type, id, msg);
	}
	return id;
}

static void remote_answer(struct world *w, enum ch_msg type, uint64_t id, const void *msg)
{
	struct remote *r = w->remote;
	ch_msg_send(&r->chan[SIGNER], type, id, msg);
}

/* Takes what came; true if the signer had something to do. */
static bool remote_read(struct world *w, size_t i)
{
	struct remote *r = w->remote;
	struct ch_frame f;
	bool worked = false;
	if (!ch_chan_read(&r->chan[i]))
		r->lost = true;
	while (ch_chan_next(&r->chan[i], &f)) {
		if (i == CONTROL)
			continue;
		if (f.type == CH_MSG_CONTEXT && f.id == r->barrier) {
			r->barrier_seen = f.id;
			continue;
		}
		world_take(w, channel_role[i], 0, (enum ch_msg)f.type, f.id, f.payload);
		if (i == SIGNER) {
			world_signer(w, &w->sent[w->sent_count - 1], remote_answer);
			worked = true;
		}
	}
	return worked;
}

static bool remote_poll(struct world *w)
{
	struct remote *r = w->remote;
	struct pollfd p[CHANNELS];
	bool worked = false;
	for (size_t i = 0; i < CHANNELS; i++) {
		if (!ch_chan_flush(&r->chan[i]))
			r->lost = true;
		p[i] = (struct pollfd){ r->chan[i].fd, POLLIN, 0 };
	}
	if (r->lost || poll(p, CHANNELS, WAIT_MS) <= 0) {
		r->lost = true;
		return false;
	}
	for (size_t i = 0; i < CHANNELS; i++) {
		if (p[i].revents != 0)
			worked = remote_read(w, i) || worked;
	}
	return worked;
}

/* The answer to a question that is asked last comes after all that came before it; what the signer was asked meanwhile needs another. */
static void remote_turn(struct world *w)
{
	struct remote *r = w->remote;
	bool again = true;
	while (again && !r->lost) {
		const struct ch_msg_context_ask ask = { .device = { 0 } };
		again = false;
		r->barrier = remote_say(w, CH_ROLE_VERIFY, CH_MSG_CONTEXT_ASK, &ask);
		while (!r->lost && r->barrier_seen != r->barrier)
			again = remote_poll(w) || again;
	}
	if (r->lost)
		(void)snprintf(w->fatal, sizeof(w->fatal), "the keeper ended");
}

/* --- the runs --- */

static void world_make(struct world *w, struct remote *r, const char *program)
{
	world_init(w);
	if (chmod(w->dir, 0750) != 0 || chown(w->dir, KEEPER_UID, KEEPER_UID) != 0)
		die("this test runs as root");
	(void)snprintf(w->path, sizeof(w->path), "%s/chainhold.db", w->dir);
	struct timespec t;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	w->wall = (uint64_t)t.tv_sec * 1000;
	*r = (struct remote){ .program = program };
	w->remote = r;
	w->say = remote_say;
	w->turn = remote_turn;
}

static bool store_holds(struct story *s)
{
	char why[CH_STORE_WHY];
	struct ch_store *st;
	const struct ch_store_config c = { .path = s->w->path, .mode = CH_STORE_READ };
	if (ch_store_open(&st, &c, why) != CH_OK) {
		(void)snprintf(s->broken, sizeof(s->broken), "the store cannot be opened: %s", why);
		return false;
	}
	bool holds = story_check(s, st);
	ch_store_close(st);
	return holds;
}

/* The child is killed somewhere in the work of a turn that nobody waits for. */
static void kill_within(struct story *s)
{
	struct remote *r = s->w->remote;
	story_step(s, true);
	for (size_t i = EDGE; i < CHANNELS; i++)
		(void)ch_chan_flush(&r->chan[i]);
	const struct timespec t = { 0, (long)(story_dice(s) % 8000) * 1000 };
	(void)nanosleep(&t, NULL);
	(void)kill(r->pid, SIGKILL);
	while (!r->lost) {
		(void)remote_poll(s->w);
	}
}

static int run_kills(const char *program, uint64_t seed, unsigned kills, unsigned turns)
{
	static struct world w;
	static struct remote r;
	static struct story s;
	unsigned told = 0;
	world_make(&w, &r, program);
	story_init(&s, &w, seed);
	for (unsigned n = 0; n <= kills && s.broken[0] == '\0'; n++) {
		w.fatal[0] = '\0';
		if (!remote_start(&w)) {
			(void)snprintf(s.broken, sizeof(s.broken), "%s", w.fatal);
			break;
		}
		world_turn(&w);
		for (unsigned i = 0; i < turns && w.fatal[0] == '\0'; i++, told++)
			story_step(&s, false);
		if (w.fatal[0] != '\0') {
			(void)snprintf(s.broken, sizeof(s.broken), "%s by itself", w.fatal);
			break;
		}
		if (n < kills) {
			kill_within(&s);
			story_crash(&s);
			(void)remote_end(&w, 0);
		} else {
			const struct ch_msg_stop stop = { .grace_ms = 1000 };
			ch_msg_send(&r.chan[CONTROL], CH_MSG_STOP, 0, &stop);
			(void)ch_chan_flush(&r.chan[CONTROL]);
			int status = remote_end(&w, 0);
			if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
				(void)snprintf(s.broken, sizeof(s.broken), "STOP ends with status %d", status);
		}
		if (s.broken[0] == '\0')
			(void)store_holds(&s);
	}
	printf("%u kills, %zu promises, %u turns\n", kills, s.promise_count, told);
	if (s.broken[0] != '\0')
		printf("broken: %s\n", s.broken);
	bool ok = s.broken[0] == '\0';
	story_clear(&s);
	world_clear(&w);
	return ok ? 0 : 1;
}

static int run_forbidden(const char *program)
{
	static struct world w;
	static struct remote r;
	static struct story s;
	world_make(&w, &r, program);
	story_init(&s, &w, 1);
	if (!remote_start(&w))
		die(w.fatal);
	world_turn(&w);
	/* An edge may not issue certificates. */
	const struct ch_msg_issued m = { .certificate = CH_SPAN_LIT("x") };
	(void)remote_say(&w, CH_ROLE_EDGE, CH_MSG_ISSUED, &m);
	(void)ch_chan_flush(&r.chan[EDGE]);
	struct ch_frame f;
	while (ch_chan_wait(&r.chan[EDGE], &f, WAIT_MS) == CH_OK)
		continue;
	bool closed = r.chan[EDGE].dead;
	const struct ch_msg_context_ask ask = { .device = { 0 } };
	(void)remote_say(&w, CH_ROLE_VERIFY, CH_MSG_CONTEXT_ASK, &ask);
	(void)ch_chan_flush(&r.chan[VERIFY]);
	bool lives = ch_chan_wait(&r.chan[VERIFY], &f, WAIT_MS) == CH_OK;
	printf("%s, %s\n", closed ? "closed" : "open", lives ? "lives" : "dead");
	(void)remote_end(&w, SIGKILL);
	story_clear(&s);
	world_clear(&w);
	return closed && lives ? 0 : 1;
}

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 3 || ch_crypto_openssl_init() != CH_OK) {
		fprintf(stderr, "usage: keeper_driver KEEPER SEED KILLS [TURNS] | KEEPER forbidden\n");
		return 2;
	}
	if (strcmp(argv[2], "forbidden") == 0)
		return run_forbidden(argv[1]);
	return run_kills(argv[1], strtoull(argv[2], NULL, 10), argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1,
			 argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 4);
}
