/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/tcp.h"

#include "host/net/http1.h"
#include "host/sys/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

uint64_t ch_tcp_now(void)
{
	return ch_clock_ms(CLOCK_MONOTONIC);
}

enum ch_err ch_net_say(struct ch_net_why *why, enum ch_err err, const char *format, ...)
{
	if (why != NULL) {
		va_list args;
		va_start(args, format);
		(void)vsnprintf(why->text, sizeof(why->text), format, args);
		va_end(args);
	}
	return err;
}

enum ch_err ch_tcp_wait(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	for (;;) {
		uint64_t now = ch_tcp_now();
		if (now >= deadline)
			return CH_ERR_IO;
		uint64_t left = deadline - now;
		int n = poll(&p, 1, left > 0x7fffffff ? 0x7fffffff : (int)left);
		if (n > 0)
			return CH_OK;
		if (n < 0 && errno != EINTR)
			return CH_ERR_IO;
	}
}

static void close_cleanup(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void addrinfo_cleanup(struct addrinfo **a)
{
	if (*a != NULL)
		freeaddrinfo(*a);
}

/* 0, or why not. */
static int connect_one(int fd, const struct addrinfo *a, uint64_t deadline)
{
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (ch_tcp_wait(fd, POLLOUT, deadline) != CH_OK)
		return ETIMEDOUT;
	int failure = 0;
	socklen_t n = sizeof(failure);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &n) == 0 ? failure : errno;
}

enum ch_err ch_tcp_connect(int *fd, const char *host, const char *port, uint64_t deadline, struct ch_net_why *why)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
	__attribute__((cleanup(addrinfo_cleanup))) struct addrinfo *all = NULL;
	int failure = ETIMEDOUT;
	*fd = -1;
	int rc = getaddrinfo(host, port, &hints, &all);
	if (rc != 0) /* AI_ADDRCONFIG knows no loopback: a machine without a network still has one */
		rc = getaddrinfo(host, port, &(struct addrinfo){ .ai_socktype = SOCK_STREAM }, &all);
	if (rc != 0)
		return ch_net_say(why, CH_ERR_NOTFOUND, "no address for %s: %s", host, gai_strerror(rc));
	for (const struct addrinfo *a = all; a != NULL; a = a->ai_next) {
		__attribute__((cleanup(close_cleanup))) int s =
			socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
		failure = s < 0 ? errno : connect_one(s, a, deadline);
		if (failure != 0)
			continue;
		const int on = 1;
		(void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void)setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		*fd = s;
		s = -1;
		return CH_OK;
	}
	return ch_net_say(why, CH_ERR_IO, "cannot connect to %s port %s: %s", host, port, strerror(failure));
}

static enum ch_err send_all(int fd, struct ch_span s, uint64_t deadline)
{
	while (s.n > 0) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
		if (n > 0)
			s = ch_span(s.p + n, s.n - (size_t)n);
		else if ((errno != EAGAIN && errno != EINTR) || ch_tcp_wait(fd, POLLOUT, deadline) != CH_OK)
			return CH_ERR_IO;
	}
	return CH_OK;
}

/* Byte by byte: what follows the head belongs to TLS. */
static enum ch_err read_head(int fd, uint8_t *to, size_t *n, uint64_t deadline)
{
	size_t seen = 0;
	size_t head;
	for (*n = 0; *n < CH_HTTP_HEAD_MAX;) {
		ssize_t got = recv(fd, to + *n, 1, 0);
		if (got == 0)
			return CH_ERR_TRUNCATED;
		if (got < 0 && ((errno != EAGAIN && errno != EINTR) || ch_tcp_wait(fd, POLLIN, deadline) != CH_OK))
			return CH_ERR_IO;
		if (got < 0)
			continue;
		++*n;
		enum ch_err err = ch_http_head_end(ch_span(to, *n), &seen, &head);
		if (err != CH_ERR_TRUNCATED)
			return err;
	}
	return CH_ERR_LIMIT;
}

enum ch_err ch_tcp_tunnel(int fd, const char *host, const char *port, uint64_t deadline, struct ch_net_why *why)
{
	uint8_t head[CH_HTTP_HEAD_MAX];
	char authority[512];
	/* An IPv6 address stands in brackets (RFC 3986, 3.2.2). */
	bool six = strchr(host, ':') != NULL;
	int len = snprintf(authority, sizeof(authority), "%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
	struct ch_wr w = ch_wr(head, sizeof(head));
	ch_http_put_request_line(&w, "CONNECT", authority);
	ch_http_put_field(&w, "Host", ch_span_str(authority));
	ch_http_put_end(&w);
	if (w.bad || len >= (int)sizeof(authority))
		return ch_net_say(why, CH_ERR_IO, "%s is no name for a proxy", host);
	size_t n;
	struct ch_http_response r;
	enum ch_err err = send_all(fd, ch_wr_span(&w), deadline);
	if (err == CH_OK)
		err = read_head(fd, head, &n, deadline);
	if (err == CH_OK)
		err = ch_http_response_parse(&r, ch_span(head, n), CH_HTTP_OTHER, NULL);
	if (err != CH_OK)
		return ch_net_say(why, CH_ERR_IO, "the proxy did not answer as one: %s", ch_err_str(err));
	if (r.status < 200 || r.status > 299)
		return ch_net_say(why, CH_ERR_IO, "the proxy refuses %s with status %u", authority, r.status);
	return CH_OK;
}
