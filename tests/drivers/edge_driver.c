/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a real chainhold-edge and plays everybody it talks to: main, verify, keeper, reader. Commands come as lines on standard
 * input, answers leave as lines on standard output; test_edge*.py drives it.
 *   edge_driver EDGE CONFIG-FILE      first line out: "ports DEVICES OPERATORS PUBLIC PID"
 *   device SHA256 ID STATE | mends SHA256 ID | operator SHA256 ROLE | revoke SHA256    into the fleet view
 *   generation N      of the view: 0 is "the keeper has told nothing yet"
 *   reload CONFIG-FILE
 *   cut ID            → "cut CLOSED"
 *   event SEQ KIND JSON
 *   silent ROLE 0|1   that process takes requests and does not answer
 *   lose ROLE         its channel ends
 *   peer ROLE         and is made anew
 *   stop GRACE-MS     → "exit STATUS" when the edge has ended
 */
#include "core/base/text.h"
#include "core/crypto/hash.h"
#include "core/trust/lifecycle.h"
#include "core/wire/json.h"
#include "host/base/file.h"
#include "host/sys/loop.h"
#include "server/ipc/child.h"
#include "server/ipc/routes.h"
#include "server/ipc/view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct role {
	struct ch_chan chan;
	struct ch_loop_fd io;
	enum ch_role role;
	bool silent, up;
};

static struct ch_loop *loop;
static struct role roles[CH_ROLE_COUNT];
static struct ch_view *view;
static struct role control;
static pid_t edge;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "edge_driver: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int listen_any(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		die("listen");
	*port = ntohs(a.sin_port);
	return fd;
}

/* What the edge sent, told back: the test compares. */
static void answer(struct role *r, const struct ch_frame *f)
{
	static uint8_t text[8192];
	struct ch_msg_request q;
	struct ch_digest d;
	if (ch_msg_parse(CH_MSG_REQUEST, &q, f->payload, NULL) != CH_OK ||
	    ch_hash_once(CH_HASH_SHA256, q.body, &d) != CH_OK)
		die("REQUEST");
	if (r->silent)
		return;
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "process", ch_role_str(r->role));
	ch_json_named_str(&j, "route", ch_routes[q.route].pattern);
	ch_json_named_hex(&j, "device", CH_SPAN_OF(q.device));
	ch_json_named_hex(&j, "certificate", CH_SPAN_OF(q.cert_sha256));
	ch_json_named_u64(&j, "role", q.role);
	ch_json_named_span(&j, "remote", q.remote);
	ch_json_named_span(&j, "key", q.idempotency_key);
	ch_json_named_span(&j, "path", q.path);
	ch_json_named_span(&j, "query", q.query);
	ch_json_named_span(&j, "param", ch_route_param((enum ch_route_number)q.route, q.path, 0));
	ch_json_named_u64(&j, "bytes", q.body.n);
	ch_json_named_hex(&j, "sha256", ch_digest_span(&d));
	ch_json_object_end(&j);
	struct ch_msg_answer a = { .status = 200, .body = ch_wr_span(&w) };
	/* GET /api/v1/generations/N answers with N bytes. */
	static struct ch_buf big;
	if (q.route == CH_ROUTE_GENERATION) {
		struct ch_span n = ch_route_param(CH_ROUTE_GENERATION, q.path, 0);
		char number[16] = { 0 };
		(void)ch_span_copy(number, sizeof(number) - 1, n);
		big.n = 0;
		static const uint8_t piece[4096] = { 'x' };
		for (size_t left = (size_t)strtoul(number, NULL, 10), k; left > 0; left -= k) {
			k = left < sizeof(piece) ? left : sizeof(piece);
			ch_buf_append(&big, ch_span(piece, k));
		}
		a.body = ch_buf_span(&big);
		a.type = CH_SPAN_LIT("application/octet-stream");
	}
	ch_msg_send(&r->chan, CH_MSG_ANSWER, f->id, &a);
}

static void peer_ready(void *ctx, uint32_t events)
{
	struct role *r = ctx;
	struct ch_frame f;
	struct ch_msg_cut_done done;
	(void)events;
	bool alive = ch_chan_read(&r->chan);
	while (ch_chan_next(&r->chan, &f)) {
		if (f.type == CH_MSG_REQUEST) {
			answer(r, &f);
		} else if (f.type == CH_MSG_CUT_DONE &&
			   ch_msg_parse(CH_MSG_CUT_DONE, &done, f.payload, NULL) == CH_OK) {
			printf("cut %u\n", done.closed);
		} else if (f.type == CH_MSG_FATAL_INPUT) {
			printf("fatal\n");
		} else {
			die("an unexpected message");
		}
	}
	(void)ch_chan_flush(&r->chan);
	ch_loop_watch(loop, &r->io, EPOLLIN | (ch_chan_queued(&r->chan) > 0 ? (uint32_t)EPOLLOUT : 0));
	if (!alive)
		ch_loop_del(loop, &r->io);
}

static void control_ready(void *ctx, uint32_t events)
{
	struct ch_frame f;
	(void)ctx;
	(void)events;
	bool alive = ch_chan_read(&control.chan);
	while (ch_chan_next(&control.chan, &f))
		if (f.type == CH_MSG_READY)
			printf("ready\n");
	if (!alive) {
		int status = 0;
		waitpid(edge, &status, 0);
		if (WIFSIGNALED(status))
			printf("signal %d\n", WTERMSIG(status));
		else
			printf("exit %d\n", WEXITSTATUS(status));
		ch_loop_stop(loop);
	}
}

/* Our end stays here; the other one is returned. */
static int make_peer(struct role *r, enum ch_role role)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		die("socketpair");
	*r = (struct role){ .role = role, .up = true };
	ch_chan_init(&r->chan, pair[0]);
	r->io = (struct ch_loop_fd){ .ready = peer_ready, .ctx = r };
	if (ch_loop_add(loop, &r->io, pair[0], EPOLLIN) != CH_OK)
		die("epoll");
	return pair[1];
}

static enum ch_role role_by_name(const char *s)
{
	for (unsigned i = 0; i < CH_ROLE_COUNT; i++)
		if (strcmp(ch_role_str((enum ch_role)i), s) == 0)
			return (enum ch_role)i;
	die(s);
}

/* --- commands --- */

static void put_record(const char *sha256, const char *id, uint8_t kind, uint8_t state, uint8_t role, uint8_t pending)
{
	struct ch_view_record v = { .kind = kind, .state = state, .role = role, .pending = pending };
	if (ch_hex_decode(v.cert_sha256, 32, ch_span_str(sha256)) != CH_OK ||
	    (id != NULL && ch_hex_decode(v.id, 16, ch_span_str(id)) != CH_OK) || ch_view_put(view, &v) != CH_OK)
		die("record");
	printf("ok\n");
}

static void on_device(char **a)
{
	put_record(a[1], a[2], CH_VIEW_DEVICE, (uint8_t)atoi(a[3]), 0, 0);
}

static void on_mends(char **a)
{
	put_record(a[1], a[2], CH_VIEW_DEVICE, CH_STATE_QUARANTINED, 0, CH_VIEW_MENDS);
}

static void on_operator(char **a)
{
	put_record(a[1], NULL, CH_VIEW_OPERATOR, 0, (uint8_t)atoi(a[2]), 0);
}

static void on_revoke(char **a)
{
	struct ch_view_record v;
	uint8_t sha256[32];
	if (ch_hex_decode(sha256, 32, ch_span_str(a[1])) != CH_OK || ch_view_find(view, sha256, &v, NULL) != CH_OK)
		die("revoke");
	v.pending |= CH_VIEW_REVOKED;
	if (ch_view_put(view, &v) != CH_OK)
		die("revoke");
	printf("ok\n");
}

static void on_generation(char **a)
{
	ch_view_set_generation(view, strtoull(a[1], NULL, 10));
	printf("ok\n");
}

static void on_reload(char **a)
{
	struct ch_buf config = { 0 };
	if (ch_file_read(&config, a[1]) != CH_OK)
		die(a[1]);
	const struct ch_msg_reload m = { .config = ch_buf_span(&config) };
	ch_msg_send(&control.chan, CH_MSG_RELOAD, 0, &m);
	(void)ch_chan_flush(&control.chan);
	ch_buf_free(&config);
	printf("ok\n");
}

static void on_cut(char **a)
{
	struct ch_msg_cut m = { .intent = 7 };
	struct role *keeper = &roles[CH_ROLE_KEEPER];
	if (ch_hex_decode(m.device, 16, ch_span_str(a[1])) != CH_OK)
		die("cut");
	if (a[2] != NULL && ch_hex_decode(m.cert_sha256, 32, ch_span_str(a[2])) != CH_OK)
		die("cut");
	ch_msg_send(&keeper->chan, CH_MSG_CUT, 0, &m);
	(void)ch_chan_flush(&keeper->chan);
}

static void on_event(char **a)
{
	struct role *keeper = &roles[CH_ROLE_KEEPER];
	const struct ch_msg_event m = { .seq = strtoull(a[1], NULL, 10),
					.kind = ch_span_str(a[2]),
					.json = ch_span_str(a[3]) };
	ch_msg_send(&keeper->chan, CH_MSG_EVENT, 0, &m);
	(void)ch_chan_flush(&keeper->chan);
	printf("ok\n");
}

static void on_silent(char **a)
{
	roles[role_by_name(a[1])].silent = a[2][0] == '1';
	printf("ok\n");
}

static void on_lose(char **a)
{
	struct role *r = &roles[role_by_name(a[1])];
	ch_loop_del(loop, &r->io);
	ch_chan_clear(&r->chan);
	r->up = false;
	printf("ok\n");
}

static void on_peer(char **a)
{
	enum ch_role role = role_by_name(a[1]);
	uint8_t bytes[8];
	const struct ch_msg_peer m = { .kind = (uint8_t)role };
	struct ch_wr w = ch_wr(bytes, sizeof(bytes));
	int fd = make_peer(&roles[role], role);
	ch_msg_put(CH_MSG_PEER, &m, &w);
	if (ch_chan_send_fd(&control.chan, CH_MSG_PEER, 0, ch_wr_span(&w), fd, 5000) != CH_OK)
		die("peer");
	close(fd);
	printf("ok\n");
}

static void on_stop(char **a)
{
	const struct ch_msg_stop m = { .grace_ms = (uint32_t)atoi(a[1]) };
	ch_msg_send(&control.chan, CH_MSG_STOP, 0, &m);
	(void)ch_chan_flush(&control.chan);
}

static const struct {
	const char *name;
	int words;
	void (*run)(char **a);
} commands[] = {
	{ "device", 4, on_device }, { "operator", 3, on_operator }, { "revoke", 2, on_revoke },
	{ "cut", 2, on_cut },       { "reload", 2, on_reload },     { "generation", 2, on_generation },
	{ "event", 4, on_event },   { "silent", 3, on_silent },     { "lose", 2, on_lose },
	{ "peer", 2, on_peer },     { "stop", 2, on_stop },         { "mends", 3, on_mends },
};

static void run(char *line)
{
	char *a[5] = { NULL };
	int n = 0;
	for (char *save = NULL, *w = strtok_r(line, " \n", &save); w != NULL && n < 4; w = strtok_r(NULL, " \n", &save))
		a[n++] = w;
	for (size_t i = 0; n > 0 && i < CH_COUNT_OF(commands); i++) {
		if (strcmp(commands[i].name, a[0]) == 0 && n >= commands[i].words) {
			commands[i].run(a);
			return;
		}
	}
	die("no such command");
}

static void input_ready(void *ctx, uint32_t events)
{
	static char text[65536];
	static size_t n;
	struct ch_loop_fd *f = ctx;
	(void)events;
	ssize_t got = read(f->fd, text + n, sizeof(text) - 1 - n);
	if (got <= 0) {
		kill(edge, SIGKILL);
		ch_loop_del(loop, f);
		return;
	}
	n += (size_t)got;
	for (char *end; (end = memchr(text, '\n', n)) != NULL;) {
		*end = '\0';
		size_t used = (size_t)(end - text) + 1;
		run(text);
		n -= used;
		memmove(text, end + 1, n);
	}
}

/* The child: control on descriptor 3, the others where they are. */
static void spawn(const char *binary, int start_fd)
{
	edge = fork();
	if (edge < 0)
		die("fork");
	if (edge > 0)
		return;
	if (dup2(start_fd, CH_CHILD_CONTROL_FD) < 0)
		_exit(126);
	execl(binary, binary, (char *)NULL);
	_exit(127);
}

static void put_fd(struct ch_wr *w, enum ch_fd_kind kind, int fd)
{
	ch_wr_u8(w, (uint8_t)kind);
	ch_wr_u8(w, 0);
	ch_wr_be16(w, (uint16_t)fd);
}

/* Descriptor 3 must be free for the child: whatever is there moves up. */
static int above(int fd)
{
	int up = fcntl(fd, F_DUPFD, 20);
	close(fd);
	return up;
}

int main(int argc, char **argv)
{
	static const enum ch_role peers[] = { CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_ROLE_READER };
	static const enum ch_fd_kind kinds[] = { CH_FD_LISTEN_DEVICES, CH_FD_LISTEN_OPERATORS, CH_FD_LISTEN_PUBLIC };
	struct ch_buf config = { 0 };
	uint16_t port[3];
	uint8_t fds[64];
	struct ch_wr w = ch_wr(fds, sizeof(fds));
	int pair[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc != 3 || ch_file_read(&config, argv[2]) != CH_OK)
		die("edge_driver EDGE CONFIG-FILE");
	loop = ch_loop_new();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		die("socketpair");
	pair[1] = above(pair[1]);
	int view_fd = ch_view_make(4096);
	view_fd = above(view_fd);
	view = ch_view_map(view_fd, true);
	if (view == NULL)
		die("view");
	ch_view_set_generation(view, 1);
	for (size_t i = 0; i < 3; i++)
		put_fd(&w, kinds[i], above(listen_any(&port[i])));
	for (size_t i = 0; i < 3; i++)
		put_fd(&w, (enum ch_fd_kind)peers[i], above(make_peer(&roles[peers[i]], peers[i])));
	put_fd(&w, CH_FD_VIEW, view_fd);
	control.role = CH_ROLE_MAIN;
	ch_chan_init(&control.chan, pair[0]);
	control.io = (struct ch_loop_fd){ .ready = control_ready, .ctx = &control };
	if (ch_loop_add(loop, &control.io, pair[0], EPOLLIN) != CH_OK)
		die("epoll");
	spawn(argv[1], pair[1]);
	/* What the child has, we must not keep: a channel ends when its last holder is gone. */
	for (struct ch_rd r = ch_rd(ch_wr_span(&w)); ch_rd_left(&r) > 0;) {
		(void)ch_rd_be16(&r);
		close(ch_rd_be16(&r));
	}
	close(pair[1]);
	const struct ch_msg_start start = { .role = CH_ROLE_EDGE,
					    .fds = ch_wr_span(&w),
					    .config = ch_buf_span(&config) };
	ch_msg_send(&control.chan, CH_MSG_START, 0, &start);
	if (!ch_chan_flush(&control.chan))
		die("START");
	printf("ports %u %u %u %d\n", port[0], port[1], port[2], (int)edge);
	struct ch_loop_fd input = { .ready = input_ready, .ctx = &input };
	if (ch_loop_add(loop, &input, STDIN_FILENO, EPOLLIN) != CH_OK)
		die("standard input is no pipe");
	return ch_loop_run(loop) == CH_OK ? 0 : 1;
}
