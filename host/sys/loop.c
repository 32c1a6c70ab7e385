/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/loop.h"

#include "host/base/mem.h"
#include "host/sys/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TURN_EVENTS 256

struct ch_loop {
	int epoll;
	bool stop;
	bool firing;
	uint64_t now;
	struct ch_loop_timer **heap; /* smallest key first */
	size_t timers;
	size_t heap_cap;
	struct ch_loop_task *first;
	struct ch_loop_task *last;
	struct epoll_event batch[TURN_EVENTS]; /* of the turn under way */
	size_t batch_at;
	size_t batch_n;
};

static uint64_t clock_ms(void)
{
	return ch_clock_ms(CLOCK_MONOTONIC) + 1;
}

struct ch_loop *ch_loop_new(void)
{
	struct ch_loop *l = ch_calloc(1, sizeof(*l));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		perror("chainhold: epoll_create1");
		abort();
	}
	l->now = clock_ms();
	return l;
}

void ch_loop_free(struct ch_loop *l)
{
	if (l == NULL)
		return;
	close(l->epoll);
	ch_free(l->heap);
	ch_free(l);
}

void ch_loop_stop(struct ch_loop *l)
{
	l->stop = true;
}

uint64_t ch_loop_now(const struct ch_loop *l)
{
	return l->now;
}

enum ch_err ch_loop_add(struct ch_loop *l, struct ch_loop_fd *f, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = f };
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		return CH_ERR_IO;
	f->fd = fd;
	f->events = events;
	f->added = true;
	return CH_OK;
}

void ch_loop_watch(struct ch_loop *l, struct ch_loop_fd *f, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = f };
	if (!f->added || f->events == events)
		return;
	f->events = events;
	/* It was added and its descriptor is open, so only a broken caller makes this fail. */
	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, f->fd, &e) != 0)
		abort();
}

void ch_loop_del(struct ch_loop *l, struct ch_loop_fd *f)
{
	if (!f->added)
		return;
	f->added = false;
	(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, f->fd, NULL);
	for (size_t i = l->batch_at; i < l->batch_n; i++)
		if (l->batch[i].data.ptr == f)
			l->batch[i].data.ptr = NULL;
}

static void heap_place(struct ch_loop *l, struct ch_loop_timer *t, size_t i)
{
	l->heap[i] = t;
	t->at = i + 1;
}

static void heap_up(struct ch_loop *l, struct ch_loop_timer *t, size_t i)
{
	while (i > 0 && l->heap[(i - 1) / 2]->key > t->key) {
		heap_place(l, l->heap[(i - 1) / 2], i);
		i = (i - 1) / 2;
	}
	heap_place(l, t, i);
}

static void heap_down(struct ch_loop *l, struct ch_loop_timer *t, size_t i)
{
	for (size_t child = 2 * i + 1; child < l->timers; child = 2 * i + 1) {
		if (child + 1 < l->timers && l->heap[child + 1]->key < l->heap[child]->key)
			child++;
		if (l->heap[child]->key >= t->key)
			break;
		heap_place(l, l->heap[child], i);
		i = child;
	}
	heap_place(l, t, i);
}

static void heap_remove(struct ch_loop *l, struct ch_loop_timer *t)
{
	size_t i = t->at - 1;
	struct ch_loop_timer *moved = l->heap[--l->timers];
	t->at = 0;
	if (moved == t)
		return;
	if (i > 0 && l->heap[(i - 1) / 2]->key > moved->key)
		heap_up(l, moved, i);
	else
		heap_down(l, moved, i);
}

static void heap_insert(struct ch_loop *l, struct ch_loop_timer *t)
{
	if (l->timers == l->heap_cap) {
		l->heap_cap = l->heap_cap != 0 ? l->heap_cap * 2 : 64;
		l->heap = ch_realloc(l->heap, l->heap_cap, sizeof(struct ch_loop_timer *));
	}
	t->key = t->deadline;
	heap_up(l, t, l->timers++);
}

void ch_loop_timer_set(struct ch_loop *l, struct ch_loop_timer *t, uint64_t ms)
{
	/* What a timer's callback sets waits for the next turn, so that one which sets itself cannot hold the loop. */
	if (l->firing && ms == 0)
		ms = 1;
	if (__builtin_add_overflow(l->now, ms, &t->deadline))
		t->deadline = UINT64_MAX;
	/* A later deadline stays where it is in the heap and is looked at when its old place comes up. */
	if (t->at != 0 && t->key <= t->deadline)
		return;
	if (t->at != 0)
		heap_remove(l, t);
	heap_insert(l, t);
}

void ch_loop_timer_clear(struct ch_loop *l, struct ch_loop_timer *t)
{
	t->deadline = 0;
	if (t->at != 0)
		heap_remove(l, t);
}

void ch_loop_defer(struct ch_loop *l, struct ch_loop_task *t)
{
	if (t->queued)
		return;
	t->queued = true;
	t->next = NULL;
	t->prev = l->last;
	*(l->last != NULL ? &l->last->next : &l->first) = t;
	l->last = t;
}

void ch_loop_task_clear(struct ch_loop *l, struct ch_loop_task *t)
{
	if (!t->queued)
		return;
	t->queued = false;
	*(t->prev != NULL ? &t->prev->next : &l->first) = t->next;
	*(t->next != NULL ? &t->next->prev : &l->last) = t->prev;
}

/* How long to wait: 0 with work left over, never past the first timer. */
static int patience(const struct ch_loop *l, int wait_ms)
{
	if (l->first != NULL)
		return 0;
	if (l->timers == 0)
		return wait_ms;
	uint64_t now = clock_ms();
	uint64_t left = l->heap[0]->key > now ? l->heap[0]->key - now : 0;
	if (wait_ms >= 0 && left > (uint64_t)wait_ms)
		return wait_ms;
	return left > 0x7fffffff ? 0x7fffffff : (int)left;
}

static void run_ready(struct ch_loop *l)
{
	for (l->batch_at = 0; l->batch_at < l->batch_n;) {
		struct epoll_event e = l->batch[l->batch_at++];
		struct ch_loop_fd *f = e.data.ptr;
		if (f != NULL)
			f->ready(f->ctx, e.events);
	}
	l->batch_at = l->batch_n = 0;
}

static void run_due(struct ch_loop *l)
{
	l->firing = true;
	while (l->timers > 0 && l->heap[0]->key <= l->now) {
		struct ch_loop_timer *t = l->heap[0];
		heap_remove(l, t);
		if (t->deadline > t->key) {
			heap_insert(l, t);
			continue;
		}
		t->deadline = 0;
		t->due(t->ctx);
	}
	l->firing = false;
}

static void run_deferred(struct ch_loop *l)
{
	for (size_t round = 0; round < CH_LOOP_ROUNDS && l->first != NULL; round++) {
		/* A round ends with a mark, so that a task that defers itself cannot hold the loop. */
		struct ch_loop_task mark = { 0 };
		ch_loop_defer(l, &mark);
		while (l->first != &mark) {
			struct ch_loop_task *t = l->first;
			ch_loop_task_clear(l, t);
			t->run(t->ctx);
		}
		ch_loop_task_clear(l, &mark);
	}
}

enum ch_err ch_loop_turn(struct ch_loop *l, int wait_ms)
{
	int n = epoll_wait(l->epoll, l->batch, TURN_EVENTS, patience(l, wait_ms));
	if (n < 0 && errno != EINTR)
		return CH_ERR_IO;
	l->now = clock_ms();
	l->batch_n = n > 0 ? (size_t)n : 0;
	run_ready(l);
	run_due(l);
	run_deferred(l);
	return CH_OK;
}

enum ch_err ch_loop_run(struct ch_loop *l)
{
	l->stop = false;
	while (!l->stop) {
		enum ch_err err = ch_loop_turn(l, -1);
		if (err != CH_OK)
			return err;
	}
	return CH_OK;
}
