/* SPDX-License-Identifier: Apache-2.0 */
/* A reader's hub between real channels: the test holds the other end of each. */
#include "server/ipc/hub.h"
#include "tests/unit.h"

#include <sys/socket.h>
#include <unistd.h>

static struct {
	struct ch_child child;
	struct ch_hub hub;
	struct ch_chan main, edge, signer; /* the other ends */
	char story[256];                   /* what the work was called for, in order */
	unsigned told;                     /* calls of `metrics` */
	uint32_t grace;
	uint64_t last; /* the request after which it is over */
} s;

static void note(const char *what)
{
	struct ch_wr w = ch_wr((uint8_t *)s.story, sizeof(s.story) - 1);
	w.len = strlen(s.story);
	ch_wr_str(&w, what);
	assert_false(w.bad);
}

static bool message(void *ctx, struct ch_peer *from, const struct ch_frame *f)
{
	struct ch_msg_request m;
	assert_ptr_equal(ctx, &s);
	if (f->type != CH_MSG_REQUEST)
		return true;
	if (ch_msg_parse(CH_MSG_REQUEST, &m, f->payload, NULL) != CH_OK)
		return false;
	note("request ");
	const struct ch_msg_answer a = { .status = 200, .body = m.body };
	ch_peer_send(from, CH_MSG_ANSWER, f->id, &a);
	if (f->id == s.last)
		ch_hub_stop(&s.hub);
	return true;
}

static void peer(void *ctx, struct ch_peer *p, bool up)
{
	(void)ctx;
	note(up ? "+" : "-");
	note(ch_role_str(p->role));
	note(" ");
	assert_int_equal(ch_hub_peer(&s.hub, p->role, p->index) != NULL, up);
}

static void turn(void *ctx)
{
	(void)ctx;
	note("turn ");
}

static void stop(void *ctx, uint32_t grace_ms)
{
	(void)ctx;
	s.grace = grace_ms;
	note("stop ");
	ch_hub_stop(&s.hub);
}

static const struct ch_hub_work work = { .message = message, .peer = peer, .turn = turn, .stop = stop };

/* Gives the child one end of a new channel; the other is `ours`. */
static int link_to(struct ch_chan *ours)
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	ch_chan_init(ours, fd[0]);
	return fd[1];
}

static int begin(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	s.child.role = CH_ROLE_READER;
	ch_chan_init(&s.child.control, link_to(&s.main));
	s.child.control.takes_fds = true;
	s.child.fd[s.child.fd_count++] = (struct ch_child_fd){ CH_FD_EDGE, 0, link_to(&s.edge) };
	s.child.fd[s.child.fd_count++] = (struct ch_child_fd){ CH_FD_SIGNER, 0, link_to(&s.signer) };
	ch_hub_init(&s.hub, &s.child, &work, &s);
	return 0;
}

static int end(void **state)
{
	(void)state;
	ch_hub_clear(&s.hub);
	ch_chan_clear(&s.main);
	ch_chan_clear(&s.edge);
	ch_chan_clear(&s.signer);
	return 0;
}

static void say(struct ch_chan *c, enum ch_msg type, uint64_t id, const void *msg)
{
	ch_msg_send(c, type, id, msg);
	assert_true(ch_chan_flush(c));
}

static void say_request(uint64_t id)
{
	const struct ch_msg_request m = { .route = 1, .body = CH_SPAN_LIT("body") };
	say(&s.edge, CH_MSG_REQUEST, id, &m);
}

/* STOP, and the turns until it is heard. */
static void run(void)
{
	const struct ch_msg_stop m = { .grace_ms = 77 };
	say(&s.main, CH_MSG_STOP, 0, &m);
	assert_int_equal(ch_hub_run(&s.hub), CH_OK);
}

static bool ended(struct ch_chan *c)
{
	struct ch_frame f;
	(void)ch_chan_read(c);
	return !ch_chan_next(c, &f) && c->dead;
}

static void a_turn_hears_everything_works_once_and_then_sends(void **state)
{
	(void)state;
	struct ch_frame f;
	say_request(5);
	say_request(6);
	run();
	assert_string_equal(s.story, "+edge +signer request request stop turn ");
	assert_int_equal(s.grace, 77);
	assert_true(ch_chan_read(&s.edge));
	for (uint64_t id = 5; id <= 6; id++) {
		assert_true(ch_chan_next(&s.edge, &f));
		assert_int_equal(f.type, CH_MSG_ANSWER);
		assert_int_equal(f.id, id);
	}
	assert_false(ch_chan_next(&s.edge, &f));
}

static void what_may_not_come_ends_its_channel_alone(void **state)
{
	(void)state;
	const struct ch_msg_context_ask ask = { 0 };
	say(&s.edge, CH_MSG_CONTEXT_ASK, 1, &ask);
	say_request(2);
	run();
	assert_string_equal(s.story, "+edge +signer -edge stop turn ");
	assert_true(ended(&s.edge));
	assert_false(ended(&s.signer));
}

static void a_type_that_is_none_ends_the_channel(void **state)
{
	(void)state;
	ch_chan_send(&s.edge, 0xffff, 1, CH_SPAN_EMPTY);
	assert_true(ch_chan_flush(&s.edge));
	run();
	assert_true(ended(&s.edge));
}

static void what_does_not_parse_ends_its_channel(void **state)
{
	(void)state;
	ch_chan_send(&s.edge, CH_MSG_REQUEST, 1, CH_SPAN_LIT("short"));
	say_request(2);
	run();
	assert_string_equal(s.story, "+edge +signer -edge stop turn ");
	assert_true(ended(&s.edge));
}

static void what_was_whole_before_the_end_is_heard(void **state)
{
	(void)state;
	say_request(1);
	ch_chan_clear(&s.edge);
	run();
	assert_string_equal(s.story, "+edge +signer request stop turn -edge turn ");
}

static void a_new_channel_takes_the_place_of_the_old_one(void **state)
{
	(void)state;
	struct ch_chan old = s.edge;
	const uint8_t edge_0[] = { CH_FD_EDGE, 0 };
	int fd = link_to(&s.edge);
	assert_int_equal(ch_chan_send_fd(&s.main, CH_MSG_PEER, 0, CH_SPAN_OF(edge_0), fd, 1000), CH_OK);
	(void)close(fd);
	say_request(9);
	s.last = 9;
	assert_int_equal(ch_hub_run(&s.hub), CH_OK);
	assert_string_equal(s.story, "+edge +signer -edge +edge turn request turn ");
	assert_true(ended(&old));
	ch_chan_clear(&old);
}

static void what_came_with_start_is_heard(void **state)
{
	(void)state;
	const struct ch_msg_stop m = { .grace_ms = 5 };
	say(&s.main, CH_MSG_STOP, 0, &m);
	/* In memory, as after ch_child_begin: the descriptor tells nothing any more. */
	assert_true(ch_chan_read(&s.child.control));
	assert_int_equal(ch_hub_run(&s.hub), CH_OK);
	assert_string_equal(s.story, "+edge +signer stop turn ");
}

static void without_main_there_is_an_end(void **state)
{
	(void)state;
	ch_chan_clear(&s.main);
	assert_int_equal(ch_hub_run(&s.hub), CH_OK);
	assert_string_equal(s.story, "+edge +signer stop turn ");
	assert_int_equal(s.grace, 0);
}

static void a_channel_that_is_not_for_this_process_is_closed(void **state)
{
	(void)state;
	static const struct ch_child_fd wrong[] = { { CH_FD_VERIFY, 0, -1 },
						    { CH_ROLE_MAIN, 0, -1 },
						    { CH_FD_EDGE, CH_HUB_PEERS_MAX, -1 } };
	struct ch_chan other[CH_COUNT_OF(wrong)];
	for (size_t i = 0; i < CH_COUNT_OF(wrong); i++) {
		struct ch_child_fd *fd = &s.child.fd[s.child.fd_count++];
		*fd = wrong[i];
		fd->fd = link_to(&other[i]);
	}
	run();
	assert_string_equal(s.story, "+edge +signer stop turn ");
	for (size_t i = 0; i < CH_COUNT_OF(wrong); i++) {
		assert_true(ended(&other[i]));
		ch_chan_clear(&other[i]);
	}
}

static void metrics(void *ctx, struct ch_wr *w)
{
	static const char *const text[] = { "one 1\n", "one 1\n", "two 2\n" };
	(void)ctx;
	ch_wr_str(w, text[s.told++]);
	if (s.told == CH_COUNT_OF(text))
		ch_hub_stop(&s.hub);
}

static void main_is_told_what_changed(void **state)
{
	(void)state;
	static const struct ch_hub_work telling = { .message = message, .metrics = metrics };
	static const char *const wanted[] = { "one 1\n", "two 2\n" };
	struct ch_frame f;
	struct ch_msg_status m;
	s.hub.work = &telling;
	assert_int_equal(ch_hub_run(&s.hub), CH_OK);
	assert_true(ch_chan_read(&s.main));
	for (size_t i = 0; i < CH_COUNT_OF(wanted); i++) {
		assert_true(ch_chan_next(&s.main, &f));
		assert_int_equal(f.type, CH_MSG_STATUS);
		assert_int_equal(ch_msg_parse(CH_MSG_STATUS, &m, f.payload, NULL), CH_OK);
		assert_span_equal(m.metrics, wanted[i], strlen(wanted[i]));
	}
	assert_false(ch_chan_next(&s.main, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_turn_hears_everything_works_once_and_then_sends, begin, end),
		cmocka_unit_test_setup_teardown(what_may_not_come_ends_its_channel_alone, begin, end),
		cmocka_unit_test_setup_teardown(a_type_that_is_none_ends_the_channel, begin, end),
		cmocka_unit_test_setup_teardown(what_does_not_parse_ends_its_channel, begin, end),
		cmocka_unit_test_setup_teardown(what_was_whole_before_the_end_is_heard, begin, end),
		cmocka_unit_test_setup_teardown(a_new_channel_takes_the_place_of_the_old_one, begin, end),
		cmocka_unit_test_setup_teardown(what_came_with_start_is_heard, begin, end),
		cmocka_unit_test_setup_teardown(without_main_there_is_an_end, begin, end),
		cmocka_unit_test_setup_teardown(a_channel_that_is_not_for_this_process_is_closed, begin, end),
		cmocka_unit_test_setup_teardown(main_is_told_what_changed, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
