/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/chan.h"

#include "core/base/rd.h"
#include "core/base/wr.h"
#include "host/sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_STEP ((size_t)64 << 10)
#define KEEP_ROOM ((size_t)1 << 20) /* a buffer that grew past this is given back when it is empty */

void ch_chan_init(struct ch_chan *c, int fd)
{
	*c = (struct ch_chan){ .fd = fd };
	int flags = fcntl(fd, F_GETFL);
	c->dead = flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0;
}

void ch_chan_clear(struct ch_chan *c)
{
	for (int fd = ch_chan_take_fd(c); fd >= 0; fd = ch_chan_take_fd(c))
		(void)close(fd);
	if (c->fd >= 0)
		(void)close(c->fd);
	ch_buf_free(&c->in);
	ch_buf_free(&c->out);
	*c = (struct ch_chan){ .fd = -1, .dead = true };
}

/* Drops the first `*off` bytes, which were dealt with. */
static void compact(struct ch_buf *b, size_t *off)
{
	if (*off == b->n) {
		b->n = 0;
		if (b->cap > KEEP_ROOM)
			ch_buf_free(b);
	} else if (*off > 0) {
		ch_buf_drop(b, *off);
	}
	*off = 0;
}

static void keep_fds(struct ch_chan *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			(void)ch_span_copy(&fd, sizeof(fd), ch_span(CMSG_DATA(h) + i * sizeof(int), sizeof(int)));
			if (c->takes_fds && c->fd_count < CH_CHAN_FDS_MAX) {
				c->fds[c->fd_count++] = fd;
			} else {
				(void)close(fd);
				c->dead = true;
			}
		}
	}
	if ((m->msg_flags & MSG_CTRUNC) != 0)
		c->dead = true;
}

bool ch_chan_read(struct ch_chan *c)
{
	compact(&c->in, &c->in_off);
	while (!c->dead) {
		uint8_t *to = ch_buf_room(&c->in, READ_STEP);
		_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(CH_CHAN_FDS_MAX * sizeof(int))];
		struct iovec v = { to, READ_STEP };
		struct msghdr m = {
			.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
		};
		ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n <= 0) {
			c->dead = true;
			break;
		}
		c->in.n += (size_t)n;
		keep_fds(c, &m);
		if ((size_t)n < READ_STEP || c->in.n > CH_FRAME_MAX + READ_STEP)
			break;
	}
	return !c->dead;
}

bool ch_chan_next(struct ch_chan *c, struct ch_frame *f)
{
	struct ch_rd r = ch_rd(ch_span(c->in.p + c->in_off, c->in.n - c->in_off));
	size_t n = ch_rd_be32(&r);
	*f = (struct ch_frame){ .type = ch_rd_be16(&r) };
	uint16_t version = ch_rd_be16(&r);
	f->id = ch_rd_be64(&r);
	if (r.bad)
		return false;
	if (version != CH_FRAME_VERSION || n > CH_FRAME_MAX) {
		c->dead = true;
		c->in_off = c->in.n;
		return false;
	}
	f->payload = ch_rd_take(&r, n);
	if (r.bad)
		return false;
	c->in_off += CH_FRAME_HEAD + n;
	return true;
}

int ch_chan_take_fd(struct ch_chan *c)
{
	if (c->fd_count == 0)
		return -1;
	int fd = c->fds[0];
	c->fd_count--;
	for (size_t i = 0; i < c->fd_count; i++)
		c->fds[i] = c->fds[i + 1];
	return fd;
}

uint8_t *ch_chan_room(struct ch_chan *c, uint16_t type, uint64_t id, size_t n)
{
	if (c->out_off > 0 && c->out_off >= c->out.n / 2)
		compact(&c->out, &c->out_off);
	uint8_t *to = ch_buf_room(&c->out, CH_FRAME_HEAD + n);
	struct ch_wr w = ch_wr(to, CH_FRAME_HEAD);
	ch_wr_be32(&w, (uint32_t)n);
	ch_wr_be16(&w, type);
	ch_wr_be16(&w, CH_FRAME_VERSION);
	ch_wr_be64(&w, id);
	c->out.n += CH_FRAME_HEAD + n;
	return to + CH_FRAME_HEAD;
}

void ch_chan_send(struct ch_chan *c, uint16_t type, uint64_t id, struct ch_span payload)
{
	(void)ch_span_copy(ch_chan_room(c, type, id, payload.n), payload.n, payload);
}

bool ch_chan_flush(struct ch_chan *c)
{
	while (!c->dead && c->out_off < c->out.n) {
		ssize_t n = send(c->fd, c->out.p + c->out_off, c->out.n - c->out_off, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			c->dead = true;
			break;
		}
		c->out_off += (size_t)n;
	}
	if (c->out_off == c->out.n)
		compact(&c->out, &c->out_off);
	return !c->dead;
}

static int64_t now_ms(void)
{
	return (int64_t)ch_clock_ms(CLOCK_MONOTONIC);
}

/* Waits for `events` until the moment `end` (-1: for ever). False when time is up. */
static bool wait_for(const struct ch_chan *c, short events, int64_t end)
{
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = events };
		int64_t left = end < 0 ? -1 : end - now_ms();
		if (end >= 0 && left <= 0)
			return false;
		int n = poll(&p, 1, (int)left);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return true; /* the next call on the descriptor says what is wrong */
	}
}

static enum ch_err drain_until(struct ch_chan *c, int64_t end)
{
	while (ch_chan_flush(c) && ch_chan_queued(c) > 0) {
		if (!wait_for(c, POLLOUT, end))
			return CH_ERR_LIMIT;
	}
	return c->dead ? CH_ERR_IO : CH_OK;
}

enum ch_err ch_chan_drain(struct ch_chan *c, int timeout_ms)
{
	return drain_until(c, now_ms() + timeout_ms);
}

enum ch_err ch_chan_send_fd(struct ch_chan *c, uint16_t type, uint64_t id, struct ch_span payload, int fd,
			    int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	enum ch_err err = drain_until(c, end);
	if (err != CH_OK)
		return err;
	ch_chan_send(c, type, id, payload);
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { c->out.p, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	(void)ch_span_copy(CMSG_DATA(h), sizeof(fd), ch_span(&fd, sizeof(fd)));
	for (;;) {
		ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == 1)
			break;
		bool full = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
		if (full && !wait_for(c, POLLOUT, end))
			return CH_ERR_LIMIT;
		if (!full && (n >= 0 || errno != EINTR)) {
			c->dead = true;
			return CH_ERR_IO;
		}
	}
	c->out_off++;
	return drain_until(c, end);
}

enum ch_err ch_chan_wait(struct ch_chan *c, struct ch_frame *f, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	while (!ch_chan_next(c, f)) {
		if (c->dead)
			return CH_ERR_IO;
		(void)ch_chan_flush(c);
		if (!wait_for(c, ch_chan_queued(c) > 0 ? POLLIN | POLLOUT : POLLIN, end))
			return CH_ERR_LIMIT;
		(void)ch_chan_read(c);
	}
	return CH_OK;
}
