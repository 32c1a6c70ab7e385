/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/proof.h"
#include "tests/unit.h"

#define HASH "SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"
#define HEAD "c2sp.org/tlog-proof@v1\n"

static struct ch_proof p;
static struct ch_diag diag;

static enum ch_err parse(const char *text)
{
	return ch_proof_parse(&p, ch_span_str(text), &diag);
}

static void is_written_as_it_was_read(void **state)
{
	static const char *const good[] = {
		HEAD "index 0\n\nnote\n",
		HEAD "index 9223372036854775807\n" HASH HASH "\nnote\n\nmore",
		HEAD "extra AQID\nindex 73894\n" HASH "\nn",
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(good); i++) {
		uint8_t out[512];
		struct ch_wr w = ch_wr(out, sizeof(out));
		assert_int_equal(parse(good[i]), CH_OK);
		assert_null(diag.rule);
		ch_proof_put(&w, &p);
		assert_span_equal(ch_wr_span(&w), good[i], strlen(good[i]));
		/* What ends before the note is cut off or no proof at all. */
		size_t end = strlen(good[i]) - p.checkpoint.n;
		for (size_t cut = 0; cut <= end; cut++) {
			assert_int_not_equal(ch_proof_parse(&p, ch_span(good[i], cut), &diag), CH_OK);
			assert_int_equal(p.count, 0);
			assert_non_null(diag.rule);
		}
	}
}

static void refuses_what_is_no_proof(void **state)
{
	static const struct {
		const char *text;
		enum ch_err err;
	} bad[] = {
		{ "c2sp.org/tlog-proof@v2\nindex 0\n\nn", CH_ERR_MALFORMED },
		{ HEAD "index 00\n\nn", CH_ERR_MALFORMED },
		{ HEAD "index -1\n\nn", CH_ERR_MALFORMED },
		{ HEAD "index \n\nn", CH_ERR_MALFORMED },
		{ HEAD "Index 0\n\nn", CH_ERR_MALFORMED },
		{ HEAD "index 9223372036854775808\n\nn", CH_ERR_RANGE },
		{ HEAD "extra \nindex 0\n\nn", CH_ERR_MALFORMED },
		{ HEAD "extra AQI\nindex 0\n\nn", CH_ERR_MALFORMED },
		{ HEAD "index 0\nextra AQID\n\nn", CH_ERR_MALFORMED },
		{ HEAD "index 0\nSBNJ\n\nn", CH_ERR_MALFORMED },
		{ HEAD "index 0\n" HASH "n", CH_ERR_TRUNCATED },
		{ HEAD "index 0\n\n", CH_ERR_TRUNCATED },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++)
		assert_int_equal(parse(bad[i].text), bad[i].err);
}

static void limits_are_kept(void **state)
{
	static char text[CH_PROOF_TEXT_MAX + 2];
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	(void)state;
	ch_wr_str(&w, HEAD "index 0\n");
	for (size_t i = 0; i < CH_MERKLE_DEPTH_MAX; i++)
		ch_wr_str(&w, HASH);
	size_t full = w.len;
	ch_wr_str(&w, "\nn");
	assert_int_equal(ch_proof_parse(&p, ch_wr_span(&w), &diag), CH_OK);
	w.len = full;
	ch_wr_str(&w, HASH "\nn");
	assert_int_equal(ch_proof_parse(&p, ch_wr_span(&w), &diag), CH_ERR_LIMIT);
	memset(text, 'a', sizeof(text));
	assert_int_equal(ch_proof_parse(&p, ch_span(text, CH_PROOF_TEXT_MAX + 1), &diag), CH_ERR_LIMIT);
}

/* Entry "two" of the log "one", "two", "three", signed by another implementation (python3-cryptography). */
#define VKEY "log.example/fleet+660e29f1+AWdjPdZpBVsew8ShzUC4RyYX0y2wwAa5p5/OOCc9tuww"
#define LEFT "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=\n"
#define LAST "Zx8UbF5HHooag6PCFM5LqQe486WIjRTMjNPOdbsS75Q=\n"
#define NOTE                                                                                  \
	"log.example/fleet\n3\nWqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=\n\n\xe2\x80\x94 " \
	"log.example/fleet "                                                                  \
	"Zg4p8S8BB2snzSdv3eHFlKBEayJ/AvWufxf2KjhZQ0pKU9QBCmPv3lvHNNzIjO/aEJwCE0kyq4VAu50Sp/DsQLIPvQ0=\n"

static void holds_for_one_entry_at_one_place(void **state)
{
	static const struct {
		const char *text;
		const char *entry;
		enum ch_err err;
	} row[] = {
		{ HEAD "index 1\n" LEFT LAST "\n" NOTE, "two", CH_OK },
		{ HEAD "index 1\n" LEFT LAST "\n" NOTE, "one", CH_ERR_MISMATCH },
		{ HEAD "index 0\n" LEFT LAST "\n" NOTE, "two", CH_ERR_MISMATCH },
		{ HEAD "index 2\n" LEFT LAST "\n" NOTE, "two", CH_ERR_RANGE },
		{ HEAD "index 3\n" LEFT LAST "\n" NOTE, "two", CH_ERR_RANGE },
		{ HEAD "index 1\n" LAST LEFT "\n" NOTE, "two", CH_ERR_MISMATCH },
		{ HEAD "index 1\n" LEFT "\n" NOTE, "two", CH_ERR_RANGE },
		{ HEAD "index 1\n" LEFT LAST "\nx" NOTE, "two", CH_ERR_SIGNATURE },
	};
	struct ch_note_key key;
	struct ch_verify_key vk;
	(void)state;
	assert_int_equal(ch_note_key_parse(&key, CH_SPAN_LIT(VKEY), NULL), CH_OK);
	const struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(key.pub) };
	assert_int_equal(ch_verify_key_init(&vk, &pub), CH_OK);
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct ch_checkpoint c;
		assert_int_equal(parse(row[i].text), CH_OK);
		assert_int_equal(ch_proof_check(&p, ch_span_str(row[i].entry), &key, &vk, &c, &diag), row[i].err);
		assert_int_equal(c.size, row[i].err == CH_OK ? 3 : 0);
	}
	ch_verify_key_clear(&vk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_written_as_it_was_read),
		cmocka_unit_test(refuses_what_is_no_proof),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(holds_for_one_entry_at_one_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
