/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/child.h"
#include "tests/unit.h"

static const struct ch_msg_cut_done cut = { .intent = 0x0102030405060708, .closed = 9, .done_ms = 10 };

static size_t encode(enum ch_msg type, const void *msg, uint8_t *to, size_t cap)
{
	struct ch_wr w = ch_wr(to, cap);
	ch_msg_put(type, msg, &w);
	assert_false(w.bad);
	assert_int_equal(w.len, ch_msg_size(type, msg));
	return w.len;
}

static void a_message_comes_back(void **state)
{
	(void)state;
	uint8_t bytes[256];
	const struct ch_msg_enrol_token in = { .token_sha256 = { 1, 2, 3 },
					       .key_spki = CH_SPAN_LIT("spki"),
					       .hostname = CH_SPAN_LIT("gw-1") };
	struct ch_msg_enrol_token out;
	size_t n = encode(CH_MSG_ENROL_TOKEN, &in, bytes, sizeof(bytes));
	assert_int_equal(n, 32 + 4 + 4 + 4 + 4);
	assert_int_equal(ch_msg_parse(CH_MSG_ENROL_TOKEN, &out, ch_span(bytes, n), NULL), CH_OK);
	assert_memory_equal(out.token_sha256, in.token_sha256, 32);
	assert_span_equal(out.key_spki, "spki", 4);
	assert_span_equal(out.hostname, "gw-1", 4);
}

static void numbers_are_big_endian(void **state)
{
	(void)state;
	uint8_t bytes[64];
	assert_int_equal(encode(CH_MSG_CUT_DONE, &cut, bytes, sizeof(bytes)), 20);
	assert_memory_equal(bytes, "\1\2\3\4\5\6\7\10\0\0\0\11\0\0\0\0\0\0\0\12", 20);
}

static void cut_at_every_length_or_one_more_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[64] = { 0 };
	struct ch_msg_cut_done out;
	struct ch_diag d;
	size_t n = encode(CH_MSG_CUT_DONE, &cut, bytes, sizeof(bytes));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(ch_msg_parse(CH_MSG_CUT_DONE, &out, ch_span(bytes, i), &d), CH_ERR_TRUNCATED);
		assert_int_equal(out.closed, 0);
	}
	assert_int_equal(ch_msg_parse(CH_MSG_CUT_DONE, &out, ch_span(bytes, n + 1), &d), CH_ERR_TRAILING);
	assert_int_equal(d.off, n);
}

static void a_field_above_its_limit_is_refused(void **state)
{
	(void)state;
	/* READY has one span of at most CH_IPC_TEXT_MAX bytes. */
	uint8_t bytes[CH_IPC_TEXT_MAX + 5] = { 0, 0, 4, 1 };
	struct ch_msg_ready out;
	assert_int_equal(ch_msg_parse(CH_MSG_READY, &out, ch_span(bytes, sizeof(bytes)), NULL), CH_ERR_LIMIT);
	bytes[3] = 0;
	assert_int_equal(ch_msg_parse(CH_MSG_READY, &out, ch_span(bytes, sizeof(bytes) - 1), NULL), CH_OK);
	assert_int_equal(out.sandbox.n, CH_IPC_TEXT_MAX);
}

static void roles_and_messages_have_names(void **state)
{
	(void)state;
	assert_string_equal(ch_role_str(CH_ROLE_KEEPER), "keeper");
	assert_string_equal(ch_role_str(CH_ROLE_COUNT), "?");
	assert_string_equal(ch_msg_str(CH_MSG_COMMIT), "COMMIT");
	assert_string_equal(ch_msg_str(CH_MSG_NONE), "?");
	assert_string_equal(ch_msg_str(CH_MSG_COUNT), "?");
}

static void who_may_say_what(void **state)
{
	(void)state;
	struct ch_permit_once once = { 0 };
	assert_true(ch_msg_permitted(&once, CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_COMMIT));
	assert_true(ch_msg_permitted(&once, CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_COMMIT));
	assert_false(ch_msg_permitted(&once, CH_ROLE_EDGE, CH_ROLE_KEEPER, CH_MSG_COMMIT));
	assert_false(ch_msg_permitted(&once, CH_ROLE_EDGE, CH_ROLE_SIGNER, CH_MSG_ISSUE));
	assert_false(ch_msg_permitted(&once, CH_ROLE_READER, CH_ROLE_SIGNER, CH_MSG_ISSUE));
	assert_false(ch_msg_permitted(&once, CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_COUNT));
	assert_false(ch_msg_permitted(&once, CH_ROLE_VERIFY, CH_ROLE_KEEPER, CH_MSG_NONE));
}

static void what_may_come_once_comes_once(void **state)
{
	(void)state;
	struct ch_permit_once once = { 0 };
	assert_true(ch_msg_permitted(&once, CH_ROLE_MAIN, CH_ROLE_EDGE, CH_MSG_START));
	assert_false(ch_msg_permitted(&once, CH_ROLE_MAIN, CH_ROLE_EDGE, CH_MSG_START));
	assert_true(ch_msg_permitted(&once, CH_ROLE_MAIN, CH_ROLE_EDGE, CH_MSG_STOP));
	assert_false(ch_msg_permitted(&once, CH_ROLE_MAIN, CH_ROLE_EDGE, CH_MSG_STOP));
}

static void configuration_lines(void **state)
{
	(void)state;
	struct ch_span c = CH_SPAN_LIT("a 1\nab two words\nab Zm9v\nbig 18446744073709551616\nlast 77");
	struct ch_buf b = { 0 };
	assert_span_equal(ch_config_get(c, "ab", 0), "two words", 9);
	assert_span_equal(ch_config_get(c, "ab", 1), "Zm9v", 4);
	assert_int_equal(ch_config_get(c, "ab", 2).n, 0);
	assert_int_equal(ch_config_get(c, "b", 0).n, 0);
	assert_int_equal(ch_config_number(c, "a", 5), 1);
	assert_int_equal(ch_config_number(c, "last", 5), 77);
	assert_int_equal(ch_config_number(c, "ab", 5), 5);
	assert_int_equal(ch_config_number(c, "big", 5), 5);
	assert_int_equal(ch_config_number(c, "none", 5), 5);
	assert_int_equal(ch_config_bytes(c, "ab", 1, &b), CH_OK);
	assert_span_equal(ch_buf_span(&b), "foo", 3);
	assert_int_equal(ch_config_bytes(c, "ab", 0, &b), CH_ERR_ENCODING);
	assert_int_equal(ch_config_bytes(c, "none", 0, &b), CH_ERR_NOTFOUND);
	assert_int_equal(b.n, 3);
	ch_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_comes_back),
		cmocka_unit_test(numbers_are_big_endian),
		cmocka_unit_test(cut_at_every_length_or_one_more_is_refused),
		cmocka_unit_test(a_field_above_its_limit_is_refused),
		cmocka_unit_test(who_may_say_what),
		cmocka_unit_test(roles_and_messages_have_names),
		cmocka_unit_test(what_may_come_once_comes_once),
		cmocka_unit_test(configuration_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
