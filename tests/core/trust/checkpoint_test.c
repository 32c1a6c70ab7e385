/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/checkpoint.h"
#include "tests/unit.h"

/* Made with another implementation (python3-cryptography) from a fixed key. */
#define VKEY  "log.example/fleet+660e29f1+AWdjPdZpBVsew8ShzUC4RyYX0y2wwAa5p5/OOCc9tuww"
#define ROOT  "SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"
#define PLAIN "log.example/fleet\n5\n" ROOT
#define DASH  "\xe2\x80\x94 "
#define SIGNED                    \
	DASH "log.example/fleet " \
	     "Zg4p8UJgeu6cJdTmmfzlcQgwFeGhXjcV4xkQQK7GW5PZjI6Ip9bFiDnF8wPb88PU6CDvzrQnD3xGAwfQJOhVeX4dAw8=\n"
#define WITNESS DASH "witness.example AAAAAAEC\n"
#define OTHER_ORIGIN                                             \
	"other.example\n5\n" ROOT "\n" DASH "log.example/fleet " \
	"Zg4p8YRdbzUjv/7MKPnZzDwoXq9onJOhewuhQd6CB+HPuQ0koXYG2tiFzzLO931ZKnJrp2hLDQo+h8++QLDDxWsmGww=\n"
#define EXTENDED                                                 \
	PLAIN "extension one\ntwo\n\n" DASH "log.example/fleet " \
	      "Zg4p8dDk7n+9dB38nAlMDCYZbMTXQKfZpeZOaKxXpx77AkO+H9jg/MBf7BKi6TBt+sHCNwPXyriSgxXtOU47wwtsmQE=\n"

static struct ch_note_key key;
static struct ch_verify_key vk;
static struct ch_diag diag;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(ch_note_key_parse(&key, CH_SPAN_LIT(VKEY), &diag), CH_OK);
	const struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(key.pub) };
	assert_int_equal(ch_verify_key_init(&vk, &pub), CH_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ch_verify_key_clear(&vk);
	return 0;
}

static enum ch_err open_note(struct ch_checkpoint *c, const char *note)
{
	return ch_checkpoint_open(c, ch_span_str(note), &key, &vk, &diag);
}

static void opens_what_another_implementation_signed(void **state)
{
	struct ch_checkpoint c;
	(void)state;
	assert_int_equal(open_note(&c, PLAIN "\n" SIGNED), CH_OK);
	assert_span_equal(c.origin, "log.example/fleet", 17);
	assert_int_equal(c.size, 5);
	assert_int_equal(c.root.b[0], 0x48);
	assert_int_equal(c.root.b[31], 0xb2);
	assert_int_equal(c.extensions.n, 0);
	assert_int_equal(open_note(&c, EXTENDED), CH_OK);
	assert_span_equal(c.extensions, "extension one\ntwo\n", 18);
	/* A witness that is not known changes nothing, before or behind. */
	assert_int_equal(open_note(&c, PLAIN "\n" WITNESS SIGNED WITNESS), CH_OK);
	assert_int_equal(open_note(&c, PLAIN "\n" SIGNED SIGNED), CH_OK);
}

static void another_text_key_or_origin_does_not_hold(void **state)
{
	static const char *const other = "log.example/fleet+660e29f1+AWdjPdZpBVsew8ShzUC4RyYX0y2wwAa5p5/OOCc9tuwx";
	struct ch_checkpoint c;
	struct ch_note_key k;
	(void)state;
	assert_int_equal(open_note(&c, "log.example/fleet\n6\n" ROOT "\n" SIGNED), CH_ERR_SIGNATURE);
	assert_int_equal(c.size, 0);
	assert_int_equal(open_note(&c, PLAIN "more\n\n" SIGNED), CH_ERR_SIGNATURE);
	assert_int_equal(open_note(&c, PLAIN "\n" WITNESS), CH_ERR_UNTRUSTED);
	assert_int_equal(open_note(&c, OTHER_ORIGIN), CH_ERR_MISMATCH);
	assert_int_equal(ch_note_key_parse(&k, ch_span_str(other), &diag), CH_ERR_MISMATCH);
	/* The id of the key with a signature of another size. */
	assert_int_equal(open_note(&c, PLAIN "\n" DASH "log.example/fleet Zg4p8UJg\n"), CH_ERR_SIGNATURE);
	/* One that holds does not excuse one that does not. */
	assert_int_equal(open_note(&c, PLAIN "\n" SIGNED DASH "log.example/fleet Zg4p8UJg\n"), CH_ERR_SIGNATURE);
}

static void writes_what_it_reads(void **state)
{
	uint8_t out[1024];
	struct ch_wr w = ch_wr(out, sizeof(out));
	struct ch_checkpoint c;
	struct ch_note_key made;
	(void)state;
	assert_int_equal(open_note(&c, PLAIN "\n" SIGNED), CH_OK);
	ch_checkpoint_put(&w, c.origin, c.size, &c.root);
	assert_span_equal(ch_wr_span(&w), PLAIN, strlen(PLAIN));
	w = ch_wr(out, sizeof(out));
	ch_note_key_put(&w, &key);
	assert_span_equal(ch_wr_span(&w), VKEY, strlen(VKEY));
	assert_true(w.len <= CH_NOTE_KEY_TEXT_MAX);
	assert_int_equal(ch_note_key_make(&made, key.name, key.pub), CH_OK);
	assert_memory_equal(made.id, key.id, 4);
	assert_int_equal(ch_note_key_make(&made, CH_SPAN_LIT("a b"), key.pub), CH_ERR_MALFORMED);
	assert_int_equal(made.name.n, 0);
}

static void refuses_what_is_no_note(void **state)
{
	static const struct {
		const char *note;
		enum ch_err err;
	} bad[] = {
		{ "", CH_ERR_MALFORMED },
		{ "\n\n", CH_ERR_MALFORMED },
		{ "\n\n" SIGNED, CH_ERR_MALFORMED },
		{ "text\n", CH_ERR_MALFORMED },
		{ "text\n\n", CH_ERR_MISSING },
		{ "text\n" SIGNED, CH_ERR_MALFORMED },
		{ "text\n\nno dash\n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH "name\n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH "name \n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH " AAAAAAEC\n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH "a+b AAAAAAEC\n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH "a\xc2\xa0 AAAAAAEC\n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH "name AAAAAA==\n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH "name AAAAAAE\n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH "name AAAAAAEC \n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH "name  AAAAAAEC\n", CH_ERR_MALFORMED },
		{ "text\n\n" DASH "name AAAAAAEC", CH_ERR_TRUNCATED },
		{ "text\r\n\n" WITNESS, CH_ERR_ENCODING },
		{ "te\x01xt\n\n" WITNESS, CH_ERR_ENCODING },
		{ "te\xffxt\n\n" WITNESS, CH_ERR_ENCODING },
	};
	struct ch_note n;
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		assert_int_equal(ch_note_parse(&n, ch_span_str(bad[i].note), &diag), bad[i].err);
		assert_non_null(diag.rule);
		assert_int_equal(n.count, 0);
	}
}

static void the_last_empty_line_divides(void **state)
{
	struct ch_note n;
	(void)state;
	assert_int_equal(ch_note_parse(&n, CH_SPAN_LIT("one\n\ntwo\n\n" WITNESS), &diag), CH_OK);
	assert_span_equal(n.text, "one\n\ntwo\n", 9);
	assert_int_equal(n.count, 1);
}

static void limits_are_kept(void **state)
{
	static uint8_t big[CH_NOTE_MAX + 1];
	struct ch_wr w = ch_wr(big, sizeof(big));
	struct ch_note n;
	(void)state;
	ch_wr_str(&w, "text\n\n");
	for (size_t i = 0; i < CH_NOTE_SIGS_MAX; i++)
		ch_wr_str(&w, WITNESS);
	assert_int_equal(ch_note_parse(&n, ch_wr_span(&w), &diag), CH_OK);
	assert_int_equal(n.count, CH_NOTE_SIGS_MAX);
	ch_wr_str(&w, WITNESS);
	assert_int_equal(ch_note_parse(&n, ch_wr_span(&w), &diag), CH_ERR_LIMIT);
	w.len = 0;
	for (size_t i = 0; i < CH_NOTE_MAX - 6 - strlen(WITNESS) + 4; i++)
		ch_wr_u8(&w, 'a');
	ch_wr_str(&w, "\n\n" WITNESS);
	assert_int_equal(w.len, CH_NOTE_MAX);
	assert_int_equal(ch_note_parse(&n, ch_wr_span(&w), &diag), CH_OK);
	assert_int_equal(ch_note_parse(&n, CH_SPAN_OF(big), &diag), CH_ERR_LIMIT);
}

static void refuses_what_is_no_checkpoint(void **state)
{
	static const struct {
		const char *text;
		enum ch_err err;
	} bad[] = {
		{ "", CH_ERR_MALFORMED },
		{ "\n5\n" ROOT, CH_ERR_MALFORMED },
		{ "o\n", CH_ERR_TRUNCATED },
		{ "o\n5", CH_ERR_TRUNCATED },
		{ "o\n5\n", CH_ERR_TRUNCATED },
		{ "o\n\n" ROOT, CH_ERR_MALFORMED },
		{ "o\n05\n" ROOT, CH_ERR_MALFORMED },
		{ "o\n+5\n" ROOT, CH_ERR_MALFORMED },
		{ "o\n-5\n" ROOT, CH_ERR_MALFORMED },
		{ "o\n5 \n" ROOT, CH_ERR_MALFORMED },
		{ "o\n0x5\n" ROOT, CH_ERR_MALFORMED },
		{ "o\n9223372036854775808\n" ROOT, CH_ERR_RANGE },
		{ "o\n18446744073709551621\n" ROOT, CH_ERR_RANGE },
		{ "o\n5\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I\n", CH_ERR_MALFORMED },
		{ "o\n5\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2\n", CH_ERR_MALFORMED },
		{ "o\n5\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7J=\n", CH_ERR_MALFORMED },
		{ "o\n5\nAAAASBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n", CH_ERR_MALFORMED },
		{ "o\n5\n" ROOT "\n", CH_ERR_MALFORMED },
		{ "o\n5\n" ROOT "a\n\nb\n", CH_ERR_MALFORMED },
		{ "o\n5\n" ROOT "a", CH_ERR_MALFORMED },
	};
	struct ch_checkpoint c;
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		assert_int_equal(ch_checkpoint_parse(&c, ch_span_str(bad[i].text), &diag), bad[i].err);
		assert_non_null(diag.rule);
	}
	assert_int_equal(ch_checkpoint_parse(&c, CH_SPAN_LIT("o\n9223372036854775807\n" ROOT), &diag), CH_OK);
	assert_int_equal(c.size, CH_MERKLE_SIZE_MAX);
	assert_int_equal(ch_checkpoint_parse(&c, CH_SPAN_LIT("o\n0\n" ROOT), &diag), CH_OK);
}

static void refuses_what_is_no_key(void **state)
{
	static const struct {
		const char *text;
		enum ch_err err;
	} bad[] = {
		{ "", CH_ERR_MALFORMED },
		{ "name", CH_ERR_MALFORMED },
		{ "name+660e29f1", CH_ERR_MALFORMED },
		{ "name+660e29f+AWdj", CH_ERR_MALFORMED },
		{ "name+660e29g1+AWdj", CH_ERR_MALFORMED },
		{ "name+660e29f1+", CH_ERR_ENCODING },
		{ "name+660e29f1+AWd", CH_ERR_ENCODING },
		{ "name+660e29f1+AmdjPdZpBVsew8ShzUC4RyYX0y2wwAa5p5/OOCc9tuww", CH_ERR_UNSUPPORTED },
		{ "name+660e29f1+AWdj", CH_ERR_RANGE },
		{ "+660e29f1+AWdjPdZpBVsew8ShzUC4RyYX0y2wwAa5p5/OOCc9tuww", CH_ERR_MALFORMED },
		{ "a b+660e29f1+AWdjPdZpBVsew8ShzUC4RyYX0y2wwAa5p5/OOCc9tuww", CH_ERR_MALFORMED },
		{ "log.example/fleet+660e29f0+AWdjPdZpBVsew8ShzUC4RyYX0y2wwAa5p5/OOCc9tuww", CH_ERR_MISMATCH },
		{ "log.example/flee+660e29f1+AWdjPdZpBVsew8ShzUC4RyYX0y2wwAa5p5/OOCc9tuww", CH_ERR_MISMATCH },
	};
	struct ch_note_key k;
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		assert_int_equal(ch_note_key_parse(&k, ch_span_str(bad[i].text), &diag), bad[i].err);
		assert_non_null(diag.rule);
		assert_int_equal(k.name.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_what_another_implementation_signed),
		cmocka_unit_test(another_text_key_or_origin_does_not_hold),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(refuses_what_is_no_note),
		cmocka_unit_test(the_last_empty_line_divides),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(refuses_what_is_no_checkpoint),
		cmocka_unit_test(refuses_what_is_no_key),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
