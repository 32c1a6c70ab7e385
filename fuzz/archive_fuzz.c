/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/archive.h"

#include <stdlib.h>

/*
 * The first byte says what the rest is: a header, or an index with its signatures. A header that is read is the one that is written; an index
 * names files in order, none twice, none outside; written it is read again as the same.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static struct ch_archive_file file[CH_ARCHIVE_FILES_MAX], second[CH_ARCHIVE_FILES_MAX];
static struct ch_json_node node[CH_ARCHIVE_NODES_MAX];
static uint8_t text[CH_ARCHIVE_INDEX_MAX * 2];

static void check_header(struct ch_span in)
{
	uint8_t again[CH_USTAR_BLOCK];
	struct ch_span name;
	uint64_t size;
	struct ch_wr w = ch_wr(again, sizeof(again));
	if (ch_ustar_parse(in, &name, &size) != CH_OK) {
		CHECK(name.n == 0 && size == 0);
		return;
	}
	ch_ustar_put(&w, name, size);
	CHECK(ch_span_eq(ch_wr_span(&w), in) && size <= CH_ARCHIVE_FILE_MAX);
}

static void check_path(struct ch_span path)
{
	struct ch_archive_path p;
	CHECK(ch_archive_path_parse(&p, path) == CH_OK && p.kind != CH_ARCHIVE_NONE);
	CHECK(path.n > 0 && path.n <= CH_ARCHIVE_PATH_MAX && path.p[0] >= 'a' && path.p[0] <= 'z');
	for (size_t i = 0; i < path.n; i++) {
		CHECK(path.p[i] > ' ' && path.p[i] < 0x7f && path.p[i] != '\\');
		CHECK(i == 0 || path.p[i - 1] != '/' || (path.p[i] != '/' && path.p[i] != '.'));
	}
}

static void check_index(struct ch_span in)
{
	struct ch_archive a, b;
	struct ch_diag d;
	enum ch_err err = ch_archive_parse(&a, in, file, node, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= in.n);
	if (err != CH_OK) {
		CHECK(a.count == 0 && a.issued == 0);
		return;
	}
	CHECK(a.count >= 1 && a.count <= CH_ARCHIVE_FILES_MAX);
	for (size_t i = 0; i < a.count; i++) {
		check_path(a.file[i].path);
		CHECK(a.file[i].size <= CH_ARCHIVE_FILE_MAX);
		CHECK(ch_archive_find(&a, a.file[i].path) == &a.file[i]);
	}
	struct ch_wr w = ch_wr(text, sizeof(text));
	CHECK(ch_archive_put(&w, &a) == CH_OK);
	ch_wr_u8(&w, '\n');
	if (w.len > CH_ARCHIVE_INDEX_MAX)
		return;
	CHECK(ch_archive_parse(&b, ch_wr_span(&w), second, node, &d) == CH_OK && b.count == a.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_span in = ch_span(data, size);
	if (size == 0)
		return 0;
	in = ch_span_sub(in, 1, size - 1);
	if (data[0] == 'h')
		check_header(in);
	else
		check_index(in);
	return 0;
}
