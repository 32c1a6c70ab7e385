/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/leaf.h"
#include "tests/unit.h"

static const uint8_t salt[CH_LEAF_SALT] = { 1, 2, 3 };
static struct ch_diag diag;

static size_t make(uint8_t out[static CH_LEAF_BYTES + 1])
{
	struct ch_leaf leaf = { .type = CH_LEAF_VERDICT, .time = 1700000000123u };
	struct ch_wr w = ch_wr(out, CH_LEAF_BYTES + 1);
	assert_int_equal(ch_leaf_commit(leaf.commitment, salt, CH_SPAN_LIT("{\"a\":1}")), CH_OK);
	ch_leaf_put(&w, &leaf);
	return w.len;
}

static void is_read_as_it_was_written(void **state)
{
	uint8_t bytes[CH_LEAF_BYTES + 1] = { 0 };
	struct ch_leaf leaf;
	(void)state;
	assert_int_equal(make(bytes), CH_LEAF_BYTES);
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[1], 2);
	assert_int_equal(ch_leaf_parse(&leaf, ch_span(bytes, CH_LEAF_BYTES), &diag), CH_OK);
	assert_int_equal(leaf.type, CH_LEAF_VERDICT);
	assert_int_equal(leaf.time, 1700000000123u);
	assert_string_equal(ch_leaf_type_str(leaf.type), "verdict");
}

static void refuses_what_is_not_one(void **state)
{
	uint8_t bytes[CH_LEAF_BYTES + 1] = { 0 };
	struct ch_leaf leaf;
	(void)state;
	make(bytes);
	for (size_t cut = 0; cut < CH_LEAF_BYTES; cut++) {
		assert_int_equal(ch_leaf_parse(&leaf, ch_span(bytes, cut), &diag), CH_ERR_TRUNCATED);
		assert_int_equal(leaf.type, 0);
	}
	assert_int_equal(ch_leaf_parse(&leaf, ch_span(bytes, sizeof(bytes)), &diag), CH_ERR_TRAILING);
	bytes[0] = 2;
	assert_int_equal(ch_leaf_parse(&leaf, ch_span(bytes, CH_LEAF_BYTES), &diag), CH_ERR_UNSUPPORTED);
	bytes[0] = 1;
	for (unsigned type = 0; type < 256; type++) {
		bytes[1] = (uint8_t)type;
		assert_int_equal(ch_leaf_parse(&leaf, ch_span(bytes, CH_LEAF_BYTES), &diag),
				 type >= 1 && type <= 9 ? CH_OK : CH_ERR_UNKNOWN);
	}
	assert_null(ch_leaf_type_str(0));
	assert_null(ch_leaf_type_str(10));
}

static void commits_to_one_record_under_one_salt(void **state)
{
	uint8_t bytes[CH_LEAF_BYTES + 1];
	uint8_t other[CH_LEAF_SALT] = { 1, 2, 4 };
	struct ch_leaf leaf;
	(void)state;
	make(bytes);
	assert_int_equal(ch_leaf_parse(&leaf, ch_span(bytes, CH_LEAF_BYTES), NULL), CH_OK);
	assert_int_equal(ch_leaf_check(&leaf, salt, CH_SPAN_LIT("{\"a\":1}")), CH_OK);
	assert_int_equal(ch_leaf_check(&leaf, salt, CH_SPAN_LIT("{\"a\":2}")), CH_ERR_MISMATCH);
	assert_int_equal(ch_leaf_check(&leaf, salt, CH_SPAN_LIT("{\"a\":1} ")), CH_ERR_MISMATCH);
	assert_int_equal(ch_leaf_check(&leaf, other, CH_SPAN_LIT("{\"a\":1}")), CH_ERR_MISMATCH);
}

static void types_have_names(void **state)
{
	(void)state;
	assert_string_equal(ch_leaf_type_str(CH_LEAF_VERDICT), "verdict");
	assert_string_equal(ch_leaf_type_str(CH_LEAF_ORIGIN), "origin");
	assert_null(ch_leaf_type_str(0));
	assert_null(ch_leaf_type_str(200));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_read_as_it_was_written),
		cmocka_unit_test(refuses_what_is_not_one),
		cmocka_unit_test(commits_to_one_record_under_one_salt),
		cmocka_unit_test(types_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
