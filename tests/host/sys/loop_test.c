/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/span.h"
#include "host/sys/loop.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* What happened, in order: one letter each. */
struct diary {
	struct ch_loop *l;
	char text[64];
	size_t n;
	struct ch_loop_fd *victim;
	struct ch_loop_task *more;
	struct ch_loop_timer *again;
	size_t turns_left;
};

static void note(struct diary *d, char c)
{
	assert_true(d->n < sizeof(d->text) - 1);
	d->text[d->n++] = c;
}

static int setup(void **state)
{
	static struct diary d;
	d = (struct diary){ .l = ch_loop_new() };
	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	struct diary *d = *state;
	ch_loop_free(d->l);
	return 0;
}

static void ready(void *ctx, uint32_t events)
{
	struct diary *d = ctx;
	note(d, (events & EPOLLIN) != 0 ? 'i' : '?');
	if (d->victim != NULL)
		ch_loop_del(d->l, d->victim);
}

static void due(void *ctx)
{
	struct diary *d = ctx;
	note(d, 't');
	if (d->again != NULL)
		ch_loop_timer_set(d->l, d->again, 0);
}

static void run(void *ctx)
{
	struct diary *d = ctx;
	note(d, 'd');
	if (d->more != NULL)
		ch_loop_defer(d->l, d->more);
}

static void run_other(void *ctx)
{
	note(ctx, 'e');
}

static int readable(void)
{
	int p[2];
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	close(p[1]);
	return p[0];
}

static void a_regular_file_is_refused(void **state)
{
	struct diary *d = *state;
	struct ch_loop_fd f = { .ready = ready, .ctx = d };
	int fd = open("meson.build", O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(ch_loop_add(d->l, &f, fd, EPOLLIN), CH_ERR_IO);
	assert_false(f.added);
	ch_loop_del(d->l, &f);
	close(fd);
}

static void a_turn_goes_descriptors_timers_deferred(void **state)
{
	struct diary *d = *state;
	struct ch_loop_fd f = { .ready = ready, .ctx = d };
	struct ch_loop_timer t = { .due = due, .ctx = d };
	struct ch_loop_task k = { .run = run, .ctx = d };
	int fd = readable();
	ch_loop_defer(d->l, &k);
	ch_loop_defer(d->l, &k);
	ch_loop_timer_set(d->l, &t, 0);
	assert_int_equal(ch_loop_add(d->l, &f, fd, EPOLLIN), CH_OK);
	assert_int_equal(ch_loop_turn(d->l, -1), CH_OK);
	assert_string_equal(d->text, "itd");
	assert_false(ch_loop_timer_armed(&t));
	ch_loop_watch(d->l, &f, 0);
	assert_int_equal(ch_loop_turn(d->l, 0), CH_OK);
	ch_loop_del(d->l, &f);
	close(fd);
}

/* Two are ready in one turn; whichever comes first removes the other. */
static void what_was_removed_is_not_called_in_the_same_turn(void **state)
{
	struct diary *d = *state;
	struct diary one = { .l = d->l };
	struct diary two = { .l = d->l };
	struct ch_loop_fd a = { .ready = ready, .ctx = &one };
	struct ch_loop_fd b = { .ready = ready, .ctx = &two };
	int fa = readable();
	int fb = readable();
	one.victim = &b;
	two.victim = &a;
	assert_int_equal(ch_loop_add(d->l, &a, fa, EPOLLIN), CH_OK);
	assert_int_equal(ch_loop_add(d->l, &b, fb, EPOLLIN), CH_OK);
	assert_int_equal(ch_loop_turn(d->l, -1), CH_OK);
	assert_int_equal(one.n + two.n, 1);
	assert_int_equal(a.added + b.added, 1);
	ch_loop_del(d->l, &a);
	ch_loop_del(d->l, &b);
	close(fa);
	close(fb);
}

static void deferred_by_deferred_runs_in_the_same_turn(void **state)
{
	struct diary *d = *state;
	struct ch_loop_task e = { .run = run_other, .ctx = d };
	struct ch_loop_task k = { .run = run, .ctx = d };
	d->more = &e;
	ch_loop_defer(d->l, &k);
	assert_int_equal(ch_loop_turn(d->l, -1), CH_OK);
	assert_string_equal(d->text, "de");
}

static void a_task_that_defers_itself_does_not_hold_the_loop(void **state)
{
	struct diary *d = *state;
	struct ch_loop_task k = { .run = run, .ctx = d };
	d->more = &k;
	ch_loop_defer(d->l, &k);
	assert_int_equal(ch_loop_turn(d->l, -1), CH_OK);
	assert_int_equal(d->n, CH_LOOP_ROUNDS);
	/* What is left over keeps the next turn from waiting. */
	assert_int_equal(ch_loop_turn(d->l, -1), CH_OK);
	assert_int_equal(d->n, 2 * CH_LOOP_ROUNDS);
	ch_loop_task_clear(d->l, &k);
	assert_false(k.queued);
}

static void a_cleared_task_does_not_run(void **state)
{
	struct diary *d = *state;
	struct ch_loop_task k[3] = { { .run = run, .ctx = d },
				     { .run = run_other, .ctx = d },
				     { .run = run, .ctx = d } };
	for (size_t i = 0; i < CH_COUNT_OF(k); i++)
		ch_loop_defer(d->l, &k[i]);
	ch_loop_task_clear(d->l, &k[0]);
	ch_loop_task_clear(d->l, &k[0]);
	ch_loop_task_clear(d->l, &k[2]);
	assert_int_equal(ch_loop_turn(d->l, -1), CH_OK);
	assert_string_equal(d->text, "e");
}

static void a_timer_that_sets_itself_waits_for_the_next_turn(void **state)
{
	struct diary *d = *state;
	struct ch_loop_timer t = { .due = due, .ctx = d };
	d->again = &t;
	ch_loop_timer_set(d->l, &t, 0);
	assert_int_equal(ch_loop_turn(d->l, -1), CH_OK);
	assert_int_equal(d->n, 1);
	assert_int_equal(ch_loop_turn(d->l, -1), CH_OK);
	assert_int_equal(d->n, 2);
	ch_loop_timer_clear(d->l, &t);
	assert_int_equal(ch_loop_turn(d->l, 0), CH_OK);
	assert_int_equal(d->n, 2);
}

/* Timers of random deadlines, moved and cleared at random, fire in order of their last deadline and none before it. */
struct many {
	struct ch_loop *l;
	struct ch_loop_timer t;
	uint64_t due_at;
	uint64_t *last;
	size_t *fired;
};

static void many_due(void *ctx)
{
	struct many *m = ctx;
	assert_true(m->due_at != 0 && m->due_at <= ch_loop_now(m->l));
	assert_true(*m->last <= m->due_at);
	*m->last = m->due_at;
	m->due_at = 0;
	(*m->fired)++;
}

static void many_timers_fire_in_order(void **state)
{
	struct diary *d = *state;
	static struct many m[400];
	uint64_t last = 0;
	size_t fired = 0;
	uint32_t seed = 1;
	memset(m, 0, sizeof(m));
	for (size_t i = 0; i < 4000; i++) {
		struct many *x = &m[(seed >> 8) % CH_COUNT_OF(m)];
		x->l = d->l;
		x->last = &last;
		x->fired = &fired;
		x->t.due = many_due;
		x->t.ctx = x;
		seed = seed * 1103515245u + 12345u;
		if ((seed >> 16) % 5 == 0) {
			ch_loop_timer_clear(d->l, &x->t);
			x->due_at = 0;
		} else {
			uint64_t ms = (seed >> 16) % 40;
			ch_loop_timer_set(d->l, &x->t, ms);
			x->due_at = ch_loop_now(d->l) + ms;
		}
	}
	size_t armed = 0;
	for (size_t i = 0; i < CH_COUNT_OF(m); i++)
		armed += m[i].due_at != 0;
	assert_true(armed > 100);
	/* In one turn, late, so that the order is that of the heap. */
	usleep(60000);
	while (fired < armed) {
		size_t before = fired;
		assert_int_equal(ch_loop_turn(d->l, 0), CH_OK);
		assert_true(fired > before);
	}
	assert_int_equal(fired, armed);
}

static void stop_in_turn(void *ctx)
{
	struct diary *d = ctx;
	if (--d->turns_left == 0)
		ch_loop_stop(d->l);
	note(d, 's');
	ch_loop_defer(d->l, d->more);
}

static void run_ends_after_the_turn_that_stops_it(void **state)
{
	struct diary *d = *state;
	struct ch_loop_timer t = { .due = stop_in_turn, .ctx = d };
	struct ch_loop_task e = { .run = run_other, .ctx = d };
	d->more = &e;
	d->turns_left = 1;
	ch_loop_timer_set(d->l, &t, 1);
	assert_int_equal(ch_loop_run(d->l), CH_OK);
	assert_string_equal(d->text, "se");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_regular_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_turn_goes_descriptors_timers_deferred, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_removed_is_not_called_in_the_same_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(deferred_by_deferred_runs_in_the_same_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(a_task_that_defers_itself_does_not_hold_the_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cleared_task_does_not_run, setup, teardown),
		cmocka_unit_test_setup_teardown(a_timer_that_sets_itself_waits_for_the_next_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(many_timers_fire_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(run_ends_after_the_turn_that_stops_it, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
