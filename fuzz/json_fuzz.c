/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the JSON reader takes must be a sound table, and the writer must make a text of it that reads as the same values. What it
 * refuses must be said with a rule and a place in the text.
 */
#include "core/wire/json.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly as large as promised, so that a sanitizer sees the first byte too many. */
static void *memory(size_t n)
{
	void *p = malloc(n);
	CHECK(p != NULL);
	return p;
}

static void check_strings_equal(const struct ch_json *a, const struct ch_json *b, size_t i)
{
	struct ch_rd x = ch_rd(ch_json_raw(a, i));
	struct ch_rd y = ch_rd(ch_json_raw(b, i));
	uint32_t cx, cy;
	while (ch_json_char(&x, &cx)) {
		CHECK(ch_json_char(&y, &cy));
		CHECK(cx == cy);
	}
	CHECK(ch_rd_done(&x) && ch_rd_done(&y));
}

static void check_equal(const struct ch_json *a, const struct ch_json *b)
{
	CHECK(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		CHECK(ch_json_type(a, i) == ch_json_type(b, i));
		CHECK(a->node[i].next == b->node[i].next);
		if (ch_json_type(a, i) == CH_JSON_STRING)
			check_strings_equal(a, b, i);
		else if (ch_json_type(a, i) == CH_JSON_NUMBER)
			CHECK(ch_span_eq(ch_json_raw(a, i), ch_json_raw(b, i)));
	}
}

static void check_scalar(const struct ch_json *j, size_t i)
{
	uint64_t u;
	int64_t s;
	struct ch_span raw = ch_json_raw(j, i);
	struct ch_span value;
	uint8_t digest[32];
	if (ch_json_u64(j, i, &u) == CH_OK && u <= INT64_MAX)
		CHECK(ch_json_i64(j, i, &s) == CH_OK && (uint64_t)s == u);
	(void)!ch_json_hex(j, i, digest, sizeof(digest));
	uint8_t *buf = memory(raw.n + 1);
	enum ch_err err = ch_json_str(j, i, buf, raw.n, &value);
	CHECK((err == CH_OK) == (ch_json_type(j, i) == CH_JSON_STRING));
	CHECK(value.n <= raw.n);
	free(buf);
}

/* Walking by first and next meets every node once, in order. */
static void check_walk(const struct ch_json *j)
{
	for (size_t i = 0; i < j->count; i++) {
		size_t expected = i + 1;
		struct ch_span raw = ch_json_raw(j, i);
		CHECK(raw.p >= j->in.p && raw.n <= j->in.n - (size_t)(raw.p - j->in.p));
		for (size_t k = ch_json_first(j, i); k != CH_JSON_NONE; k = ch_json_next(j, i, k)) {
			CHECK(k == expected);
			expected = j->node[k].next;
		}
		CHECK(expected == j->node[i].next && expected <= j->count);
		if (ch_json_type(j, i) < CH_JSON_ARRAY)
			check_scalar(j, i);
	}
}

static void check_members(const struct ch_json *j)
{
	if (ch_json_type(j, 0) != CH_JSON_OBJECT || ch_json_count(j, 0) > 64)
		return;
	for (size_t i = ch_json_first(j, 0); i != CH_JSON_NONE; i = ch_json_next(j, 0, i + 1)) {
		char name[64] = { 0 };
		struct ch_span s;
		size_t value;
		if (ch_json_str(j, i, name, sizeof(name) - 1, &s) != CH_OK || s.n >= sizeof(name))
			continue;
		if (s.p != (const uint8_t *)name)
			(void)ch_span_copy(name, sizeof(name) - 1, s);
		if (!ch_json_str_eq(j, i, name))
			continue; /* holds a NUL */
		enum ch_err err = ch_json_member(j, 0, name, &value);
		CHECK(err == CH_ERR_DUPLICATE || (err == CH_OK && value == i + 1));
	}
}

static void check_rewritten(const struct ch_json *j, bool pretty)
{
	/* an escape is six bytes for one; indentation is bounded by depth */
	size_t cap = 6 * j->in.n + (pretty ? j->count * (2 * CH_JSON_DEPTH_MAX + 4) * 2 : 0) + 16;
	uint8_t *text = memory(cap);
	struct ch_json_node *node = memory(j->count * sizeof(*node));
	struct ch_wr w = ch_wr(text, cap);
	struct ch_json_wr out = ch_json_wr(&w, pretty);
	struct ch_json again;
	ch_json_put_value(&out, j, 0);
	CHECK(ch_json_wr_done(&out));
	CHECK(ch_json_parse(&again, ch_wr_span(&w), node, j->count, NULL) == CH_OK);
	check_equal(j, &again);
	free(node);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_json j;
	struct ch_json less;
	struct ch_diag d;
	size_t line, column;
	size_t cap = ch_json_nodes_max(size);
	struct ch_json_node *node = memory(cap * sizeof(*node));
	enum ch_err err = ch_json_parse(&j, ch_span(data, size), node, cap, &d);
	if (err == CH_OK) {
		check_walk(&j);
		check_members(&j);
		check_rewritten(&j, false);
		check_rewritten(&j, true);
		CHECK(ch_json_parse(&less, j.in, node, j.count - 1, NULL) == CH_ERR_NOSPACE);
	} else {
		CHECK(err != CH_ERR_NOSPACE && d.rule != NULL && d.off <= size && j.count == 0);
		ch_json_position(ch_span(data, size), d.off, &line, &column);
		CHECK(line >= 1 && column >= 1 && line + column <= size + 2);
	}
	free(node);
	return 0;
}
