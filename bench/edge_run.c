/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/edge_run.h"

#include "core/wire/base64.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void edge_need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

int edge_listen(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	edge_need(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 4096) == 0 &&
			  getsockname(fd, (struct sockaddr *)&a, &n) == 0,
		  "listen");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*port = ntohs(a.sin_port);
	return fd;
}

void edge_put_pem(struct ch_wr *w, const char *key, const char *pem)
{
	ch_wr_str(w, key);
	ch_wr_u8(w, ' ');
	ch_base64_put(w, CH_BASE64_STD, ch_span_str(pem));
	ch_wr_u8(w, '\n');
}

static void put_fd(struct ch_wr *w, enum ch_fd_kind kind, int fd)
{
	ch_wr_u8(w, (uint8_t)kind);
	ch_wr_u8(w, 0);
	ch_wr_be16(w, (uint16_t)fd);
}

/* A socket pair; ours, and the other under a number that is not in the way of descriptor 3. */
static int pair_with(int *other)
{
	int pair[2];
	edge_need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
	*other = fcntl(pair[1], F_DUPFD, 20);
	(void)close(pair[1]);
	return pair[0];
}

void edge_start(struct edge_run *e, const char *binary, struct ch_span config, int view)
{
	static const enum ch_fd_kind kind[CH_LISTENER_COUNT] = { CH_FD_LISTEN_DEVICES, CH_FD_LISTEN_OPERATORS,
								 CH_FD_LISTEN_PUBLIC };
	uint8_t fds[64];
	struct ch_wr f = ch_wr(fds, sizeof(fds));
	struct ch_frame frame;
	int end, keeper;
	ch_chan_init(&e->control, pair_with(&end));
	ch_chan_init(&e->keeper, pair_with(&keeper));
	for (size_t i = 0; i < CH_LISTENER_COUNT; i++)
		put_fd(&f, kind[i], fcntl(edge_listen(&e->port[i]), F_DUPFD, 20));
	put_fd(&f, CH_FD_VIEW, fcntl(view, F_DUPFD, 20));
	put_fd(&f, CH_FD_KEEPER, keeper);
	e->pid = fork();
	edge_need(e->pid >= 0 && !f.bad, "START");
	if (e->pid == 0) {
		(void)dup2(end, CH_CHILD_CONTROL_FD);
		execl(binary, binary, (char *)NULL);
		_exit(127);
	}
	(void)close(end);
	(void)close(keeper);
	const struct ch_msg_start start = { .role = CH_ROLE_EDGE, .fds = ch_wr_span(&f), .config = config };
	ch_msg_send(&e->control, CH_MSG_START, 0, &start);
	edge_need(ch_chan_flush(&e->control) && ch_chan_wait(&e->control, &frame, 10000) == CH_OK &&
			  frame.type == CH_MSG_READY,
		  binary);
}

void edge_stop(struct edge_run *e)
{
	(void)kill(e->pid, SIGKILL);
	(void)waitpid(e->pid, NULL, 0);
	ch_chan_clear(&e->control);
	ch_chan_clear(&e->keeper);
}

double edge_cpu_us(pid_t pid)
{
	char path[64];
	unsigned long long ns = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	FILE *f = fopen(path, "r");
	edge_need(f != NULL && fscanf(f, "%llu", &ns) == 1, path);
	fclose(f);
	return (double)ns / 1e3;
}

double edge_settled_us(pid_t pid)
{
	double before = -1;
	for (double now = edge_cpu_us(pid); now != before; now = edge_cpu_us(pid)) {
		before = now;
		usleep(20000);
	}
	return before;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double edge_median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}
