/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_CHAN_H
#define CH_HOST_CHAN_H

#include "core/base/err.h"
#include "host/base/mem.h"

#include <stdbool.h>

/*
 * One end of a channel between two processes of ours: a stream socketpair that carries frames. Nothing here waits, except the
 * functions that take a time-out. What is sent is queued and leaves with ch_chan_flush, once a turn of the loop: a lone system call
 * a message costs ten times what a batch does.
 *
 * A frame is a header of 16 bytes, big-endian, and its payload:
 *   u32 bytes of payload, at most CH_FRAME_MAX · u16 type · u16 version, 1 · u64 id
 */
#define CH_FRAME_HEAD    16
#define CH_FRAME_MAX     ((size_t)32 << 20)
#define CH_FRAME_VERSION 1
#define CH_CHAN_FDS_MAX  16 /* descriptors that arrived and were not yet taken */

struct ch_frame {
	uint16_t type;
	uint64_t id;
	struct ch_span payload; /* borrowed from the channel until the next ch_chan_next or ch_chan_read */
};

struct ch_chan {
	int fd;
	bool dead;      /* the other end is gone, or it sent what is no frame; sticky */
	bool takes_fds; /* descriptors may come along; without it one that does is closed and makes the channel dead */
	struct ch_buf in, out;
	size_t in_off, out_off; /* consumed of `in`, sent of `out` */
	int fds[CH_CHAN_FDS_MAX];
	size_t fd_count;
};

/* Takes over a connected descriptor, which becomes non-blocking and close-on-exec. */
void ch_chan_init(struct ch_chan *c, int fd);
/* Closes it and every descriptor that arrived and was not taken. */
void ch_chan_clear(struct ch_chan *c);

/*
 * Reads what is there. False when the channel is dead; frames that were complete before are still given out by ch_chan_next.
 * Descriptors that came along are kept in order.
 */
bool ch_chan_read(struct ch_chan *c);
/* The next whole frame that was read; false when there is none. A frame that breaks the rules makes the channel dead. */
bool ch_chan_next(struct ch_chan *c, struct ch_frame *f);
/* The oldest descriptor that arrived and was not taken, now the caller's; -1 if there is none. */
int ch_chan_take_fd(struct ch_chan *c);

/* Queues a frame of `n` bytes and returns where they go; the room must be filled at once. n <= CH_FRAME_MAX. */
uint8_t *ch_chan_room(struct ch_chan *c, uint16_t type, uint64_t id, size_t n);
/* Queues a frame. */
void ch_chan_send(struct ch_chan *c, uint16_t type, uint64_t id, struct ch_span payload);
/* Sends what is queued, as far as the other end takes it. False when the channel is dead. */
bool ch_chan_flush(struct ch_chan *c);
/*
 * Sends all that is queued, waiting at most `timeout_ms` for the other end to take it. CH_ERR_IO when it is gone, CH_ERR_LIMIT
 * when it does not read: what was not sent stays queued.
 */
CH_MUST_USE enum ch_err ch_chan_drain(struct ch_chan *c, int timeout_ms);
/* Bytes that are queued and not yet sent. */
static inline size_t ch_chan_queued(const struct ch_chan *c)
{
	return c->out.n - c->out_off;
}

/*
 * Sends all that is queued and then `fd` with the frame, waiting at most `timeout_ms`. CH_ERR_IO when the other end is gone,
 * CH_ERR_LIMIT when it does not read: the channel is of no use then. The descriptor stays the caller's.
 */
CH_MUST_USE enum ch_err ch_chan_send_fd(struct ch_chan *c, uint16_t type, uint64_t id, struct ch_span payload, int fd,
					int timeout_ms);

/* Waits for one frame, at most `timeout_ms` (-1: for ever). CH_ERR_IO when the channel is dead, CH_ERR_LIMIT when time is up. */
CH_MUST_USE enum ch_err ch_chan_wait(struct ch_chan *c, struct ch_frame *f, int timeout_ms);

#endif
