/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_LOOP_H
#define CH_HOST_LOOP_H

#include "core/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/*
 * The one event loop: descriptors, timers, and work put off to the end of the turn. One thread, one loop. A turn is
 *   wait -> callbacks of ready descriptors -> callbacks of due timers -> deferred work
 * so that everything that came in during a turn is written, or committed, once.
 *
 * The objects below live in the caller's memory, usually inside the structure that they serve, zeroed before their first use, and
 * must stay where they are while the loop knows them. Any callback may add, change or remove any of them, its own included: what
 * was removed is not called any more, not even if it was ready in the same turn.
 */
struct ch_loop;

/* A descriptor watched for `events` (EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLET; EPOLLERR and EPOLLHUP always). Never closed by the loop. */
struct ch_loop_fd {
	void (*ready)(void *ctx, uint32_t events);
	void *ctx;
	int fd;
	uint32_t events;
	bool added;
};

/* A deadline. Fires once. */
struct ch_loop_timer {
	void (*due)(void *ctx);
	void *ctx;
	uint64_t deadline; /* milliseconds on the loop's clock; 0 is off */
	uint64_t key;      /* the loop's own: where it is in the heap may be earlier than the deadline */
	size_t at;         /* the loop's own: 1 + place in the heap, 0 is none */
};

/* Work for the end of the turn. */
struct ch_loop_task {
	void (*run)(void *ctx);
	void *ctx;
	struct ch_loop_task *next; /* the loop's own, like `prev` */
	struct ch_loop_task *prev;
	bool queued;
};

/* Never NULL: memory or a descriptor that is missing at start-up ends the process. */
struct ch_loop *ch_loop_new(void);
/* Frees the loop, not what it watched. NULL is fine. */
void ch_loop_free(struct ch_loop *l);

/* Turns until ch_loop_stop. CH_ERR_IO with errno set if epoll itself fails. */
CH_MUST_USE enum ch_err ch_loop_run(struct ch_loop *l);
/* One turn that waits at most `wait_ms` (-1: until something happens). */
CH_MUST_USE enum ch_err ch_loop_turn(struct ch_loop *l, int wait_ms);
/* The turn under way is the last one; its deferred work is still done. */
void ch_loop_stop(struct ch_loop *l);

/* Monotonic milliseconds (never 0), read once a turn. */
uint64_t ch_loop_now(const struct ch_loop *l);

/* CH_ERR_IO with errno set if the descriptor cannot be watched (a regular file, a limit of the kernel). */
CH_MUST_USE enum ch_err ch_loop_add(struct ch_loop *l, struct ch_loop_fd *f, int fd, uint32_t events);
/* Changes what is watched for; no system call if nothing changes. 0 leaves errors and hang-up. */
void ch_loop_watch(struct ch_loop *l, struct ch_loop_fd *f, uint32_t events);
/* Before its descriptor is closed. Nothing happens if it was not added. */
void ch_loop_del(struct ch_loop *l, struct ch_loop_fd *f);

/* (Re)arms `t` to fire `ms` from now. Moving a deadline back costs no more than a store: cheap on every request. */
void ch_loop_timer_set(struct ch_loop *l, struct ch_loop_timer *t, uint64_t ms);
void ch_loop_timer_clear(struct ch_loop *l, struct ch_loop_timer *t);
static inline bool ch_loop_timer_armed(const struct ch_loop_timer *t)
{
	return t->deadline != 0;
}

/*
 * Runs `t` once at the end of this turn, in the order of calls; nothing happens if it is already waiting. What is deferred by
 * deferred work runs in the same turn (a commit defers the writes of its answers); after CH_LOOP_ROUNDS such rounds the rest is
 * left to the next turn, which then does not wait.
 */
#define CH_LOOP_ROUNDS 8
void ch_loop_defer(struct ch_loop *l, struct ch_loop_task *t);
void ch_loop_task_clear(struct ch_loop *l, struct ch_loop_task *t);

#endif
