/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the bytes, as a commit, a folder and a file: a refusal names its rule and leaves nothing; what is accepted lies in the bytes, names lead
 * nowhere and are in order, and every entry is read the same again.
 */
#include "core/update/archive.h"
#include "core/update/ostree.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#include "host/crypto_openssl/backend.h"

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CHECK(ch_crypto_openssl_init() == CH_OK);
	return 0;
}

static void check_inside(struct ch_span all, struct ch_span part)
{
	CHECK(part.n == 0 || (part.p >= all.p && part.n <= all.n && (size_t)(part.p - all.p) <= all.n - part.n));
}

static void check_tree(struct ch_span in)
{
	struct ch_ostree_tree t;
	struct ch_ostree_entry e;
	struct ch_diag d;
	struct ch_span last = CH_SPAN_EMPTY;
	size_t i = 0;
	if (ch_ostree_tree_parse(&t, in, &d) != CH_OK) {
		CHECK(d.rule != NULL && t.file_count == 0 && t.folder_count == 0 && t.files.n == 0);
		return;
	}
	check_inside(in, t.files);
	check_inside(in, t.folders);
	for (; ch_ostree_tree_entry(&t, i, &e); i++) {
		check_inside(in, e.name);
		CHECK(e.folder == (i >= t.file_count) && e.name.n > 0);
		CHECK(!ch_span_eq(e.name, CH_SPAN_LIT(".")) && !ch_span_eq(e.name, CH_SPAN_LIT("..")));
		for (size_t k = 0; k < e.name.n; k++)
			CHECK(e.name.p[k] != '/' && e.name.p[k] != 0);
		CHECK(i == 0 || i == t.file_count || ch_archive_path_order(last, e.name) < 0);
		last = e.name;
	}
	CHECK(i == t.file_count + t.folder_count);
}

static void check_file(struct ch_span in)
{
	struct ch_ostree_file f;
	struct ch_hash h;
	struct ch_diag d;
	if (ch_ostree_file_parse(&f, in, &d) != CH_OK) {
		CHECK(d.rule != NULL && f.mode == 0 && f.deflated.n == 0 && f.link.n == 0);
		return;
	}
	check_inside(in, f.link);
	check_inside(in, f.xattrs);
	check_inside(in, f.deflated);
	CHECK((f.link.n > 0) == ((f.mode & 0170000) == 0120000) && (f.link.n == 0 || f.size == 0));
	CHECK(ch_ostree_file_hash(&f, &h) == CH_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_ostree_commit c;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	if (ch_ostree_commit_parse(&c, in, &d) == CH_OK) {
		check_inside(in, c.parent);
		check_inside(in, c.subject);
		CHECK(d.rule == NULL && (c.parent.n == 0 || c.parent.n == 32));
	} else {
		CHECK(d.rule != NULL && d.off <= size && c.parent.n == 0 && c.subject.n == 0);
	}
	check_tree(in);
	check_file(in);
	struct ch_span path;
	uint8_t commit[32];
	if (ch_ostree_booted(in, &path) == CH_OK) {
		check_inside(in, path);
		CHECK(path.n > 64 && path.n <= CH_OSTREE_LINK_MAX && path.p[0] == '/');
		for (size_t i = 0; i + 1 < path.n; i++)
			CHECK(path.p[i] != '/' || (path.p[i + 1] != '/' && path.p[i + 1] != '.'));
	} else {
		CHECK(path.n == 0);
	}
	if (ch_ostree_deployed(in, commit) != CH_OK)
		CHECK(ch_span_all(CH_SPAN_OF(commit), 0));
	if (ch_ostree_ref_valid(in))
		CHECK(size > 0 && size <= CH_OSTREE_REF_MAX && data[0] != '/' && data[0] != '.' &&
		      data[size - 1] != '/');
	free(copy);
	return 0;
}
