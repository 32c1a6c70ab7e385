/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/messages.h"
#include "tests/unit.h"

#include <sys/socket.h>

static struct ch_chan a, b;

static int setup(void **state)
{
	(void)state;
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	ch_chan_init(&a, fd[0]);
	ch_chan_init(&b, fd[1]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ch_chan_clear(&a);
	ch_chan_clear(&b);
	return 0;
}

/* Sends over a channel and takes the frame at its other end. */
static struct ch_frame carry(enum ag_msg type, const void *msg)
{
	struct ch_frame f;
	ag_msg_send(&a, type, 42, msg);
	assert_true(ch_chan_flush(&a));
	assert_int_equal(ch_chan_wait(&b, &f, 1000), CH_OK);
	assert_int_equal(f.type, type);
	assert_int_equal(f.id, 42);
	return f;
}

static const struct ag_challenged sample = {
	.status = 200,
	.retry_after = 3,
	.nonce = { 1, 2, 3 },
	.expires = 0x0102030405060708,
	.time = 9,
	.log_size = 10,
	.ima_size = UINT64_MAX,
	.interval = 600,
	.error = { (const uint8_t *)"text", 4 },
};

static void every_field_comes_back(void **state)
{
	(void)state;
	struct ag_challenged got;
	struct ch_frame f = carry(AG_MSG_CHALLENGED, &sample);
	assert_int_equal(ag_msg_parse(AG_MSG_CHALLENGED, &got, f.payload), CH_OK);
	assert_int_equal(got.status, 200);
	assert_int_equal(got.retry_after, 3);
	assert_memory_equal(got.nonce, sample.nonce, sizeof(got.nonce));
	assert_int_equal(got.expires, sample.expires);
	assert_int_equal(got.ima_size, UINT64_MAX);
	assert_int_equal(got.interval, 600);
	assert_span_equal(got.error, "text", 4);
}

static void cut_at_every_length_it_is_refused_and_zero(void **state)
{
	(void)state;
	struct ag_challenged got;
	struct ch_frame f = carry(AG_MSG_CHALLENGED, &sample);
	for (size_t n = 0; n < f.payload.n; n++) {
		assert_int_equal(ag_msg_parse(AG_MSG_CHALLENGED, &got, ch_span(f.payload.p, n)), CH_ERR_TRUNCATED);
		assert_int_equal(got.status, 0);
		assert_null(got.error.p);
	}
}

static void trailing_bytes_and_long_fields_are_refused(void **state)
{
	(void)state;
	struct ag_sign sign;
	const uint8_t one_more[4 + AG_DIGEST + 1] = { 0 };
	assert_int_equal(ag_msg_parse(AG_MSG_SIGN, &sign, CH_SPAN_OF(one_more)), CH_ERR_TRAILING);
	struct ag_activated got;
	uint8_t too_long[8 + 65] = { [7] = 65 };
	assert_int_equal(ag_msg_parse(AG_MSG_ACTIVATED, &got, CH_SPAN_OF(too_long)), CH_ERR_LIMIT);
	too_long[7] = 64;
	assert_int_equal(ag_msg_parse(AG_MSG_ACTIVATED, &got, ch_span(too_long, 8 + 64)), CH_OK);
}

static void a_message_without_fields_is_empty(void **state)
{
	(void)state;
	struct ag_now now = { .always = 0 };
	assert_int_equal(carry(AG_MSG_NOW, &now).payload.n, 0);
	assert_int_equal(ag_msg_parse(AG_MSG_NOW, &now, CH_SPAN_LIT("x")), CH_ERR_TRAILING);
}

/* Privilege is this table: what net, which speaks with the world, may ask of the process with the keys. */
static void net_may_sign_its_handshake_and_no_more(void **state)
{
	(void)state;
	for (unsigned type = 0; type <= AG_MSG_COUNT; type++)
		assert_int_equal(ag_msg_permitted(AG_NET, AG_TPM, type), type == AG_MSG_SIGN);
	assert_false(ag_msg_permitted(AG_COLLECT, AG_TPM, AG_MSG_SIGN));
	assert_true(ag_msg_permitted(AG_COLLECT, AG_TPM, AG_MSG_QUOTE));
	for (unsigned type = 0; type <= AG_MSG_COUNT; type++) {
		assert_int_equal(ag_msg_permitted(AG_NET, AG_MAIN, type), type == AG_MSG_READY);
		assert_int_equal(ag_msg_permitted(AG_TPM, AG_MAIN, type), type == AG_MSG_READY);
		assert_false(ag_msg_permitted(AG_TPM, AG_TPM, type));
	}
}

static void roles_and_messages_have_names(void **state)
{
	(void)state;
	assert_string_equal(ag_role_str(AG_COLLECT), "collect");
	assert_string_equal(ag_role_str(AG_ROLE_COUNT), "?");
	assert_string_equal(ag_msg_str(AG_MSG_READY), "READY");
	assert_string_equal(ag_msg_str(AG_MSG_NONE), "?");
	assert_string_equal(ag_msg_str(AG_MSG_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_field_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_at_every_length_it_is_refused_and_zero, setup, teardown),
		cmocka_unit_test(trailing_bytes_and_long_fields_are_refused),
		cmocka_unit_test_setup_teardown(a_message_without_fields_is_empty, setup, teardown),
		cmocka_unit_test(net_may_sign_its_handshake_and_no_more),
		cmocka_unit_test(roles_and_messages_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
