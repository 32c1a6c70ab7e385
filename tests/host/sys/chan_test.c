/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/chan.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	struct ch_chan a, b;
};

static void open_pair(struct pair *p)
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	ch_chan_init(&p->a, fd[0]);
	ch_chan_init(&p->b, fd[1]);
}

static void close_pair(struct pair *p)
{
	ch_chan_clear(&p->a);
	ch_chan_clear(&p->b);
}

static void frames_arrive_in_order(void **state)
{
	(void)state;
	struct pair p;
	struct ch_frame f;
	open_pair(&p);
	ch_chan_send(&p.a, 7, 70, CH_SPAN_LIT("first"));
	ch_chan_send(&p.a, 8, 80, CH_SPAN_EMPTY);
	assert_true(ch_chan_flush(&p.a));
	assert_true(ch_chan_read(&p.b));
	assert_true(ch_chan_next(&p.b, &f));
	assert_int_equal(f.type, 7);
	assert_int_equal(f.id, 70);
	assert_span_equal(f.payload, "first", 5);
	assert_true(ch_chan_next(&p.b, &f));
	assert_int_equal(f.type, 8);
	assert_int_equal(f.payload.n, 0);
	assert_false(ch_chan_next(&p.b, &f));
	close_pair(&p);
}

/* Far more than a socket takes at once: both ends must take turns. */
static void a_large_frame_arrives_whole(void **state)
{
	(void)state;
	struct pair p;
	struct ch_frame f;
	const size_t n = 5 << 20;
	open_pair(&p);
	uint8_t *room = ch_chan_room(&p.a, 1, 2, n);
	for (size_t i = 0; i < n; i++)
		room[i] = (uint8_t)(i * 7);
	bool got = false;
	for (int turn = 0; turn < 10000 && !got; turn++) {
		assert_true(ch_chan_flush(&p.a));
		assert_true(ch_chan_read(&p.b));
		got = ch_chan_next(&p.b, &f);
	}
	assert_true(got);
	assert_int_equal(f.payload.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(f.payload.p[i], (uint8_t)(i * 7));
	close_pair(&p);
}

static void a_frame_cut_anywhere_waits(void **state)
{
	(void)state;
	static const uint8_t bytes[] = "\0\0\0\3\0\5\0\1\0\0\0\0\0\0\0\11abc";
	for (size_t cut = 0; cut < sizeof(bytes) - 1; cut++) {
		struct pair p;
		struct ch_frame f;
		open_pair(&p);
		assert_int_equal(write(p.a.fd, bytes, cut), cut);
		assert_true(ch_chan_read(&p.b));
		assert_false(ch_chan_next(&p.b, &f));
		assert_int_equal(write(p.a.fd, bytes + cut, sizeof(bytes) - 1 - cut), sizeof(bytes) - 1 - cut);
		assert_true(ch_chan_read(&p.b));
		assert_true(ch_chan_next(&p.b, &f));
		assert_span_equal(f.payload, "abc", 3);
		close_pair(&p);
	}
}

static void assert_refused(const char *head)
{
	struct pair p;
	struct ch_frame f;
	open_pair(&p);
	assert_int_equal(write(p.a.fd, head, CH_FRAME_HEAD), CH_FRAME_HEAD);
	assert_true(ch_chan_read(&p.b));
	assert_false(ch_chan_next(&p.b, &f));
	assert_true(p.b.dead);
	close_pair(&p);
}

static void what_is_no_frame_ends_the_channel(void **state)
{
	(void)state;
	assert_refused("\0\0\0\0\0\1\0\2\0\0\0\0\0\0\0\0");         /* version 2 */
	assert_refused("\2\0\0\1\0\1\0\1\0\0\0\0\0\0\0\0");         /* one byte more than a frame may have */
	assert_refused("\377\377\377\377\0\1\0\1\0\0\0\0\0\0\0\0"); /* 4 GiB */
}

static void the_end_of_the_other_is_seen_after_its_frames(void **state)
{
	(void)state;
	struct pair p;
	struct ch_frame f;
	open_pair(&p);
	ch_chan_send(&p.a, 1, 1, CH_SPAN_LIT("last"));
	assert_true(ch_chan_flush(&p.a));
	ch_chan_clear(&p.a);
	(void)ch_chan_read(&p.b);
	(void)ch_chan_read(&p.b);
	assert_true(p.b.dead);
	assert_true(ch_chan_next(&p.b, &f));
	assert_span_equal(f.payload, "last", 4);
	assert_false(ch_chan_next(&p.b, &f));
	ch_chan_clear(&p.b);
}

static void a_descriptor_comes_with_its_frame(void **state)
{
	(void)state;
	struct pair p;
	struct ch_frame f;
	int pipe_fd[2];
	char byte = 0;
	open_pair(&p);
	p.b.takes_fds = true;
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(ch_chan_send_fd(&p.a, 3, 0, CH_SPAN_LIT("take it"), pipe_fd[1], 1000), CH_OK);
	assert_int_equal(ch_chan_wait(&p.b, &f, 1000), CH_OK);
	assert_span_equal(f.payload, "take it", 7);
	int fd = ch_chan_take_fd(&p.b);
	assert_true(fd >= 0);
	assert_int_equal(ch_chan_take_fd(&p.b), -1);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	(void)close(fd);
	(void)close(pipe_fd[0]);
	(void)close(pipe_fd[1]);
	close_pair(&p);
}

static void an_unwanted_descriptor_ends_the_channel(void **state)
{
	(void)state;
	struct pair p;
	open_pair(&p);
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(ch_chan_send_fd(&p.a, 3, 0, CH_SPAN_EMPTY, before, 1000), CH_OK);
	assert_false(ch_chan_read(&p.b));
	int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(after, before + 1); /* it was closed, not kept */
	(void)close(after);
	(void)close(before);
	close_pair(&p);
}

static void waiting_ends_in_time_or_with_the_other_end(void **state)
{
	(void)state;
	struct pair p;
	struct ch_frame f;
	open_pair(&p);
	assert_int_equal(ch_chan_wait(&p.b, &f, 10), CH_ERR_LIMIT);
	ch_chan_clear(&p.a);
	assert_int_equal(ch_chan_wait(&p.b, &f, -1), CH_ERR_IO);
	ch_chan_clear(&p.b);
}

/* One that does not read holds nobody up. */
static void draining_ends_in_time(void **state)
{
	(void)state;
	struct pair p;
	open_pair(&p);
	(void)ch_chan_room(&p.a, 1, 1, 4 << 20);
	assert_int_equal(ch_chan_drain(&p.a, 10), CH_ERR_LIMIT);
	assert_int_equal(ch_chan_send_fd(&p.a, 3, 0, CH_SPAN_EMPTY, p.a.fd, 10), CH_ERR_LIMIT);
	ch_chan_clear(&p.b);
	assert_int_equal(ch_chan_drain(&p.a, 10), CH_ERR_IO);
	ch_chan_clear(&p.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_arrive_in_order),
		cmocka_unit_test(a_large_frame_arrives_whole),
		cmocka_unit_test(a_frame_cut_anywhere_waits),
		cmocka_unit_test(what_is_no_frame_ends_the_channel),
		cmocka_unit_test(the_end_of_the_other_is_seen_after_its_frames),
		cmocka_unit_test(a_descriptor_comes_with_its_frame),
		cmocka_unit_test(an_unwanted_descriptor_ends_the_channel),
		cmocka_unit_test(waiting_ends_in_time_or_with_the_other_end),
		cmocka_unit_test(draining_ends_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
