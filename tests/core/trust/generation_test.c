/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/generation.h"

#include "tests/unit.h"

static uint8_t bytes[512];

static struct ch_span made(void)
{
	struct ch_wr w = ch_wr(bytes, sizeof(bytes));
	ch_generation_begin(&w, 7, 4);
	const struct ch_generation_item item[] = {
		{ CH_GENERATION_POLICY, CH_SPAN_LIT("gateway"), CH_SPAN_LIT("policy") },
		{ CH_GENERATION_REFERENCE, CH_SPAN_LIT("gateway"), CH_SPAN_LIT("{\"a\":1}") },
		{ CH_GENERATION_REFERENCE, CH_SPAN_LIT("other"), CH_SPAN_EMPTY },
		{ CH_GENERATION_EK_ROOT, CH_SPAN_EMPTY, CH_SPAN_LIT("root") },
	};
	for (size_t i = 0; i < CH_COUNT_OF(item); i++)
		ch_generation_put(&w, &item[i]);
	assert_false(w.bad);
	return ch_wr_span(&w);
}

static void what_was_put_is_read(void **state)
{
	(void)state;
	struct ch_generation g;
	struct ch_generation_item item;
	assert_int_equal(ch_generation_parse(&g, made(), NULL), CH_OK);
	assert_int_equal(g.number, 7);
	assert_int_equal(g.count, 4);
	struct ch_rd r = ch_rd(g.items);
	size_t n = 0;
	while (ch_generation_next(&r, &item))
		n++;
	assert_int_equal(n, 4);
	r = ch_rd(g.items);
	assert_true(ch_generation_find(&r, CH_GENERATION_REFERENCE, CH_SPAN_LIT("other"), &item));
	assert_int_equal(item.bytes.n, 0);
	assert_false(ch_generation_find(&r, CH_GENERATION_REFERENCE, CH_SPAN_LIT("gateway"), &item));
	r = ch_rd(g.items);
	assert_true(ch_generation_find(&r, CH_GENERATION_EK_ROOT, CH_SPAN_EMPTY, &item));
	assert_span_equal(item.bytes, "root", 4);
}

static void cut_anywhere_it_is_refused(void **state)
{
	(void)state;
	struct ch_generation g;
	struct ch_span all = made();
	for (size_t n = 0; n < all.n; n++) {
		assert_int_equal(ch_generation_parse(&g, ch_span(bytes, n), NULL), CH_ERR_TRUNCATED);
		assert_int_equal(g.number, 0);
	}
	assert_int_equal(ch_generation_parse(&g, ch_span(bytes, all.n + 1), NULL), CH_ERR_TRAILING);
}

static void each_broken_rule_has_its_error(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint8_t value;
		enum ch_err err;
	} broken[] = {
		{ 0, 'X', CH_ERR_MALFORMED }, /* magic */
		{ 5, 2, CH_ERR_UNSUPPORTED }, /* version */
		{ 13, 0, CH_ERR_RANGE },      /* number */
		{ 15, 0xff, CH_ERR_LIMIT },   /* count */
		{ 17, 5, CH_ERR_TRUNCATED },  /* one item more than there is */
		{ 17, 3, CH_ERR_TRAILING },   /* one less */
		{ 18, 0, CH_ERR_UNKNOWN },    /* kind */
		{ 18, 4, CH_ERR_UNKNOWN },    /* kind */
		{ 18, 3, CH_ERR_MALFORMED },  /* a root of a class */
	};
	for (size_t i = 0; i < CH_COUNT_OF(broken); i++) {
		struct ch_generation g;
		struct ch_diag d;
		struct ch_span all = made();
		bytes[broken[i].at] = broken[i].value;
		assert_int_equal(ch_generation_parse(&g, all, &d), broken[i].err);
		assert_non_null(d.rule);
		assert_int_equal(g.items.n, 0);
	}
}

static void what_would_be_refused_is_not_written(void **state)
{
	(void)state;
	static char name[CH_GENERATION_NAME_MAX + 1];
	const struct ch_generation_item item[] = {
		{ CH_GENERATION_POLICY, CH_SPAN_EMPTY, CH_SPAN_LIT("x") },
		{ CH_GENERATION_EK_ROOT, CH_SPAN_LIT("x"), CH_SPAN_LIT("x") },
		{ CH_GENERATION_POLICY, { (const uint8_t *)name, sizeof(name) }, CH_SPAN_LIT("x") },
		{ (enum ch_generation_kind)0, CH_SPAN_EMPTY, CH_SPAN_LIT("x") },
		{ (enum ch_generation_kind)9, CH_SPAN_LIT("x"), CH_SPAN_LIT("x") },
	};
	for (size_t i = 0; i < CH_COUNT_OF(item); i++) {
		struct ch_wr w = ch_wr(bytes, sizeof(bytes));
		ch_generation_put(&w, &item[i]);
		assert_true(w.bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_read),
		cmocka_unit_test(cut_anywhere_it_is_refused),
		cmocka_unit_test(each_broken_rule_has_its_error),
		cmocka_unit_test(what_would_be_refused_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
