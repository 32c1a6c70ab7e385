/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the bytes, as a pack: of one that is accepted every file lies in it and is found by its path; and a search in one that was never looked at
 * as a whole, as a reader does it, never leads out of it.
 */
#include "core/update/archive.h"
#include "core/update/ostree_pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static bool get(void *ctx, uint64_t off, uint8_t to[static CH_OSTREE_RECORD])
{
	const struct ch_span *in = ctx;
	return off <= in->n &&
	       ch_span_copy(to, CH_OSTREE_RECORD, ch_span_sub(*in, (size_t)off, CH_OSTREE_RECORD)) == CH_OSTREE_RECORD;
}

static void check_search(struct ch_span in)
{
	uint8_t commit[32];
	uint64_t count, off, n;
	const struct ch_ostree_source s = { get, &in, in.n };
	if (ch_ostree_head_parse(ch_span_sub(in, CH_OSTREE_HEAD_AT, CH_OSTREE_RECORD), commit, &count) != CH_OK)
		return;
	CHECK(count > 0 && count <= CH_OSTREE_FILES_MAX);
	for (uint64_t i = 0; i < count && i < 64; i++) {
		struct ch_ostree_place p;
		struct ch_span record =
			ch_span_sub(in, CH_OSTREE_HEAD_AT + (size_t)(1 + i) * CH_OSTREE_RECORD, CH_OSTREE_RECORD);
		if (ch_ostree_place_parse(&p, record) != CH_OK)
			continue;
		if (ch_ostree_find(&s, commit, p.path, &off, &n) == CH_OK)
			CHECK(off <= in.n && n <= in.n - off);
		else
			CHECK(off == 0 && n == 0);
	}
}

static void check_pack(struct ch_span in)
{
	struct ch_ostree_pack p;
	struct ch_diag d;
	struct ch_span path, content, found, last = CH_SPAN_EMPTY;
	if (ch_ostree_pack_parse(&p, in, &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= in.n && p.count == 0 && p.file.n == 0);
		return;
	}
	CHECK(d.rule == NULL && p.count > 0);
	for (uint64_t i = 0; i < p.count; i++) {
		ch_ostree_pack_get(&p, i, &path, &content);
		CHECK(path.n > 0 && path.p >= in.p && (content.n == 0 || content.p + content.n <= in.p + in.n));
		CHECK(i == 0 || ch_archive_path_order(last, path) < 0);
		CHECK(ch_ostree_pack_find(&p, path, &found) && ch_span_eq(found, content));
		last = path;
	}
	CHECK(!ch_ostree_pack_find(&p, CH_SPAN_LIT("\xff"), &found) && found.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t commit[32];
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	check_search(in);
	check_pack(in);
	if (ch_ostree_name_parse(in, commit) == CH_OK)
		CHECK(size == 71 && data[64] == '.');
	free(copy);
	return 0;
}
