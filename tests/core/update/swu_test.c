/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/swu.h"

#include "core/base/wr.h"
#include "tests/unit.h"

static uint8_t room[8192];
static struct ch_swu s;
static struct ch_diag diag;

static void put(struct ch_wr *w, const char *name, struct ch_span data, uint32_t sum, bool crc)
{
	const uint32_t field[] = {
		1, 0100644, 0, 0, 1, 0, (uint32_t)data.n, 0, 0, 0, 0, (uint32_t)ch_span_str(name).n + 1, sum
	};
	ch_wr_str(w, crc ? "070702" : "070701");
	for (size_t i = 0; i < CH_COUNT_OF(field); i++) {
		const uint8_t b[4] = { (uint8_t)(field[i] >> 24), (uint8_t)(field[i] >> 16), (uint8_t)(field[i] >> 8),
				       (uint8_t)field[i] };
		ch_wr_hex(w, CH_SPAN_OF(b));
	}
	ch_wr_str(w, name);
	ch_wr_u8(w, 0);
	while (w->len % 4 != 0)
		ch_wr_u8(w, 0);
	ch_wr_put(w, data);
	while (w->len % 4 != 0)
		ch_wr_u8(w, 0);
}

static struct ch_span make(bool crc)
{
	struct ch_wr w = ch_wr(room, sizeof(room));
	put(&w, "sw-description", CH_SPAN_LIT("abc"), crc ? 'a' + 'b' + 'c' : 0, crc);
	put(&w, "sw-description.sig", CH_SPAN_LIT("s"), crc ? 's' : 0, crc);
	put(&w, "image", CH_SPAN_LIT("data!"), crc ? 'd' + 'a' + 't' + 'a' + '!' : 0, crc);
	put(&w, "empty", CH_SPAN_EMPTY, 0, crc);
	put(&w, "TRAILER!!!", CH_SPAN_EMPTY, 0, crc);
	return ch_wr_span(&w);
}

static void test_both_forms(void **state)
{
	(void)state;
	for (unsigned crc = 0; crc < 2; crc++) {
		struct ch_span in = make(crc != 0);
		assert_int_equal(ch_swu_parse(&s, in, &diag), CH_OK);
		assert_int_equal(s.crc, crc);
		assert_span_equal(s.description, "abc", 3);
		assert_span_equal(s.signature, "s", 1);
		assert_int_equal(s.count, 2);
		assert_span_equal(ch_swu_find(&s, CH_SPAN_LIT("image"))->data, "data!", 5);
		assert_int_equal(ch_swu_find(&s, CH_SPAN_LIT("empty"))->data.n, 0);
		assert_null(ch_swu_find(&s, CH_SPAN_LIT("sw-description")));
		for (size_t n = 0; n < in.n; n++) {
			assert_int_not_equal(ch_swu_parse(&s, ch_span(in.p, n), &diag), CH_OK);
			assert_non_null(diag.rule);
			assert_int_equal(s.count, 0);
		}
	}
}

/* Of the form crc no bit of a file goes unnoticed. */
static void test_sums(void **state)
{
	(void)state;
	struct ch_span in = make(true);
	for (size_t i = 0; i < in.n; i++) {
		if (!ch_span_starts(ch_span_sub(in, i, in.n - i), CH_SPAN_LIT("data!")))
			continue;
		for (unsigned bit = 0; bit < 40; bit++) {
			room[i + bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(ch_swu_parse(&s, in, &diag), CH_ERR_MISMATCH);
			room[i + bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	assert_int_equal(ch_swu_parse(&s, in, &diag), CH_OK);
}

static void test_padding(void **state)
{
	(void)state;
	struct ch_span in = make(false);
	room[in.n] = 0;
	assert_int_equal(ch_swu_parse(&s, ch_span(room, in.n + 1), &diag), CH_OK);
	room[in.n] = 1;
	assert_int_equal(ch_swu_parse(&s, ch_span(room, in.n + 1), &diag), CH_ERR_TRAILING);
	in = make(false);
	room[127] = 1; /* behind the first file: 110 + 15 + 3 is 128 */
	assert_int_equal(ch_swu_parse(&s, in, &diag), CH_ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_forms),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_padding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
