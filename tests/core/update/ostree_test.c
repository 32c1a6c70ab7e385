/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ostree.h"

#include "core/update/ostree_pack.h"
#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

/* Objects are written here byte by byte, from the rules of GVariant; those of the real ostree are in system/test_ostree.py. */

static struct ch_diag diag;
static uint8_t room[4096];

#define ID(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c

static int setup(void **state)
{
	(void)state;
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

/* Nothing shorter is one, and nothing longer. */
static void test_tree(void **state)
{
	(void)state;
	/* files: ("a", A), ("b", B); folders: ("c", C, D) */
	static const struct ch_span in = CH_SPAN_LIT("a\0" ID("A") "\x02"
								   "b\0" ID("B") "\x02"
										 "\x23\x46"
										 "c\0" ID("C") ID("D") "\x22\x02"
												       "\x44"
												       "\x48");
	struct ch_ostree_tree t;
	struct ch_ostree_entry e;
	assert_int_equal(ch_ostree_tree_parse(&t, in, &diag), CH_OK);
	assert_int_equal(t.file_count, 2);
	assert_int_equal(t.folder_count, 1);
	assert_true(ch_ostree_tree_entry(&t, 1, &e));
	assert_span_equal(e.name, "b", 1);
	assert_memory_equal(e.id, ID("B"), 32);
	assert_true(ch_ostree_tree_entry(&t, 2, &e));
	assert_true(e.folder);
	assert_memory_equal(e.meta, ID("D"), 32);
	assert_false(ch_ostree_tree_entry(&t, 3, &e));
	for (size_t n = 0; n < in.n; n++)
		assert_int_not_equal(ch_ostree_tree_parse(&t, ch_span(in.p, n), &diag), CH_OK);
	(void)ch_span_copy(room, sizeof(room), in);
	assert_int_not_equal(ch_ostree_tree_parse(&t, ch_span(room, in.n + 1), &diag), CH_OK);
	assert_int_equal(ch_ostree_tree_parse(&t, CH_SPAN_LIT("\0"), &diag), CH_OK);
}

static void expect_tree(size_t at, uint8_t value)
{
	struct ch_ostree_tree t;
	static const struct ch_span in = CH_SPAN_LIT("a\0" ID("A") "\x02"
								   "b\0" ID("B") "\x02"
										 "\x23\x46"
										 "\x48");
	(void)ch_span_copy(room, sizeof(room), in);
	assert_int_equal(ch_ostree_tree_parse(&t, ch_span(room, in.n), &diag), CH_OK);
	room[at] = value;
	assert_int_equal(ch_ostree_tree_parse(&t, ch_span(room, in.n), &diag), CH_ERR_MALFORMED);
	assert_non_null(diag.rule);
	assert_int_equal(t.file_count, 0);
}

static void test_trees_refused(void **state)
{
	(void)state;
	expect_tree(0, '/');
	expect_tree(0, '.');
	expect_tree(0, 'b'); /* twice */
	expect_tree(0, 'c'); /* not in order */
	expect_tree(0, 0);
	expect_tree(1, 'x');
	expect_tree(34, 3);    /* a name that ends in the hash */
	expect_tree(70, 0x22); /* a gap */
	expect_tree(71, 0x23);
	expect_tree(72, 0x47);
	expect_tree(72, 0xff);
}

static struct ch_span commit_make(void)
{
	struct ch_wr w = ch_wr(room, sizeof(room));
	/* no metadata, no parent, no related objects, subject, no body, padding to 8, time */
	ch_wr_put(&w, CH_SPAN_LIT("sub\0"
				  "\0"
				  "\0\0\0"
				  "\0\0\0\0\0\0\1\0" ID("T") ID("M") "\x30\x05\x04\0\0\0"));
	return ch_wr_span(&w);
}

static void test_commit(void **state)
{
	(void)state;
	struct ch_ostree_commit c;
	struct ch_span in = commit_make();
	assert_int_equal(ch_ostree_commit_parse(&c, in, &diag), CH_OK);
	assert_span_equal(c.subject, "sub", 3);
	assert_int_equal(c.time, 256);
	assert_memory_equal(c.tree, ID("T"), 32);
	assert_memory_equal(c.meta, ID("M"), 32);
	for (size_t n = 0; n < in.n; n++)
		assert_int_not_equal(ch_ostree_commit_parse(&c, ch_span(in.p, n), &diag), CH_OK);
	room[6] = 1; /* padding */
	assert_int_equal(ch_ostree_commit_parse(&c, in, &diag), CH_ERR_MALFORMED);
	assert_int_equal(c.time, 0);
}

/* The hash of a file is that over its header without the size (ostree's content checksum). */
static void expect_file(struct ch_span link, const char *want_mode, bool valid)
{
	struct ch_wr w = ch_wr(room, sizeof(room));
	struct ch_ostree_file f;
	size_t n = 24 + link.n + 1 + 1;
	ch_wr_be32(&w, (uint32_t)n);
	ch_wr_be32(&w, 0);
	ch_wr_be64(&w, link.n > 0 ? 0 : 5);
	ch_wr_put(&w, CH_SPAN_LIT("\0\0\0\1\0\0\0\2"));
	ch_wr_put(&w, ch_span(want_mode, 4));
	ch_wr_be32(&w, 0);
	ch_wr_put(&w, link);
	ch_wr_u8(&w, 0);
	ch_wr_u8(&w, (uint8_t)(24 + link.n + 1));
	if (link.n == 0)
		ch_wr_put(&w, CH_SPAN_LIT("deflated"));
	assert_int_equal(ch_ostree_file_parse(&f, ch_wr_span(&w), &diag), valid ? CH_OK : CH_ERR_MALFORMED);
	if (!valid)
		return;
	struct ch_hash h;
	struct ch_digest one, two;
	uint8_t head[128];
	struct ch_wr p = ch_wr(head, sizeof(head));
	ch_wr_be32(&p, (uint32_t)(16 + link.n + 2));
	ch_wr_be32(&p, 0);
	ch_wr_put(&p, CH_SPAN_LIT("\0\0\0\1\0\0\0\2"));
	ch_wr_put(&p, ch_span(want_mode, 4));
	ch_wr_be32(&p, 0);
	ch_wr_put(&p, link);
	ch_wr_u8(&p, 0);
	ch_wr_u8(&p, (uint8_t)(16 + link.n + 1));
	assert_int_equal(ch_ostree_file_hash(&f, &h), CH_OK);
	ch_hash_final(&h, &one);
	assert_int_equal(ch_hash_once(CH_HASH_SHA256, ch_wr_span(&p), &two), CH_OK);
	assert_memory_equal(one.b, two.b, 32);
	for (size_t i = 0; i < 8 + n; i++)
		assert_int_not_equal(ch_ostree_file_parse(&f, ch_span(room, i), &diag), CH_OK);
}

static void test_files(void **state)
{
	(void)state;
	expect_file(CH_SPAN_EMPTY, "\0\0\x81\xa4", true);
	expect_file(CH_SPAN_LIT("target"), "\0\0\xa1\xff", true);
	expect_file(CH_SPAN_EMPTY, "\0\0\xa1\xff", false);         /* a link to nowhere */
	expect_file(CH_SPAN_LIT("target"), "\0\0\x81\xa4", false); /* a file that is a link */
	expect_file(CH_SPAN_EMPTY, "\0\0\x61\xa4", false);         /* a device */
	expect_file(CH_SPAN_EMPTY, "\0\0\x41\xa4", false);         /* a folder */
}

static void test_paths(void **state)
{
	(void)state;
	uint8_t text[CH_OSTREE_PATH_MAX];
	static const uint8_t id[32] = { 0xab, 0xcd };
	static const char *const end[] = { ".commit", ".dirtree", ".dirmeta", ".filez", ".commitmeta" };
	for (unsigned i = 0; i < CH_OSTREE_TYPE_COUNT; i++) {
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_ostree_path_put(&w, (enum ch_ostree_type)i, id);
		assert_false(w.bad);
		assert_true(ch_span_starts(ch_wr_span(&w), CH_SPAN_LIT("objects/ab/cd0000")));
		size_t n = ch_span_str(end[i]).n;
		assert_int_equal(w.len, 8 + 2 + 1 + 62 + n);
		assert_span_equal(ch_span_sub(ch_wr_span(&w), w.len - n, n), end[i], n);
	}
}

static void test_refs(void **state)
{
	(void)state;
	static const char *const good[] = { "a", "gateway/x86_64/stable", "1.2-3_4/b" };
	static const char *const bad[] = { "",   "/a",   "a/",  "a//b", "../a", "a/..",
					   ".a", "a/.b", "a b", "a\n",  "-a",   "a/-b" };
	for (size_t i = 0; i < CH_COUNT_OF(good); i++)
		assert_true(ch_ostree_ref_valid(ch_span_str(good[i])));
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++)
		assert_false(ch_ostree_ref_valid(ch_span_str(bad[i])));
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_what_runs(void **state)
{
	(void)state;
	static const struct {
		const char *cmdline, *path;
		enum ch_err err;
	} t[] = {
		{ "quiet ostree=/ostree/boot.1/debian/" HEX64 "/0 rw\n", "/ostree/boot.1/debian/" HEX64 "/0", CH_OK },
		{ "ostree=/ostree/boot.0/a/" HEX64 "/12", "/ostree/boot.0/a/" HEX64 "/12", CH_OK },
		{ "quiet\n", "", CH_ERR_NOTFOUND },
		{ "", "", CH_ERR_NOTFOUND },
		{ "xostree=/ostree/boot.1/a/" HEX64 "/0", "", CH_ERR_NOTFOUND },
		{ "ostree=", "", CH_ERR_MALFORMED },
		{ "ostree=/ostree/boot.1/a/" HEX64 "/0/../../../etc/passwd", "", CH_ERR_MALFORMED },
		{ "ostree=/ostree/boot.1/../" HEX64 "/0", "", CH_ERR_MALFORMED },
		{ "ostree=/ostree/boot.1/a/b" HEX64 "/0", "", CH_ERR_MALFORMED },
		{ "ostree=/ostree/boot.x/a/" HEX64 "/0", "", CH_ERR_MALFORMED },
		{ "ostree=/etc/boot.1/a/" HEX64 "/0", "", CH_ERR_MALFORMED },
		{ "ostree=/ostree/boot.1/a/" HEX64 "/", "", CH_ERR_MALFORMED },
		{ "ostree=ostree/boot.1/a/" HEX64 "/0", "", CH_ERR_MALFORMED },
		/* the first one counts, as for ostree itself */
		{ "ostree=/x ostree=/ostree/boot.1/a/" HEX64 "/0", "", CH_ERR_MALFORMED },
	};
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		struct ch_span path;
		assert_int_equal(ch_ostree_booted(ch_span_str(t[i].cmdline), &path), t[i].err);
		assert_span_equal(path, t[i].path, ch_span_str(t[i].path).n);
	}
}

static void test_what_is_deployed(void **state)
{
	(void)state;
	uint8_t id[32];
	assert_int_equal(ch_ostree_deployed(CH_SPAN_LIT("../../../deploy/debian/deploy/" HEX64 ".0"), id), CH_OK);
	assert_int_equal(id[0], 0x01);
	assert_int_equal(ch_ostree_deployed(CH_SPAN_LIT(HEX64 ".10"), id), CH_OK);
	static const char *const bad[] = { "", HEX64, HEX64 ".", HEX64 ".x", "x" HEX64 ".0", HEX64 ".0/", HEX64 "/0" };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		assert_int_equal(ch_ostree_deployed(ch_span_str(bad[i]), id), CH_ERR_MALFORMED);
		assert_true(ch_span_all(CH_SPAN_OF(id), 0));
	}
}

/* --- packs --- */

static bool get(void *ctx, uint64_t off, uint8_t to[static CH_OSTREE_RECORD])
{
	const struct ch_span *in = ctx;
	return ch_span_copy(to, CH_OSTREE_RECORD, ch_span_sub(*in, (size_t)off, CH_OSTREE_RECORD)) == CH_OSTREE_RECORD;
}

static struct ch_span index_make(uint64_t off, uint64_t size)
{
	static const uint8_t commit[32] = { 7 };
	static const char *const path[] = { "b", "d", "f" };
	struct ch_wr w = ch_wr(room, sizeof(room));
	for (size_t i = 0; i < CH_OSTREE_HEAD_AT; i++)
		ch_wr_u8(&w, 0);
	ch_ostree_head_put(&w, commit, 3);
	for (size_t i = 0; i < 3; i++)
		ch_ostree_place_put(&w, &(struct ch_ostree_place){ ch_span_str(path[i]), off + i, size });
	while (w.len < ch_ostree_pack_body(3))
		ch_wr_u8(&w, 0);
	return ch_wr_span(&w);
}

static enum ch_err find(struct ch_span in, const char *path, uint8_t commit, uint64_t *off)
{
	const uint8_t id[32] = { commit };
	const struct ch_ostree_source s = { get, &in, in.n };
	uint64_t size;
	return ch_ostree_find(&s, id, ch_span_str(path), off, &size);
}

static void test_find(void **state)
{
	(void)state;
	uint64_t off;
	struct ch_span in = index_make(10, 5);
	assert_int_equal(find(in, "b", 7, &off), CH_OK);
	assert_int_equal(off, 10);
	assert_int_equal(find(in, "f", 7, &off), CH_OK);
	assert_int_equal(off, 12);
	static const char *const none[] = { "", "a", "c", "e", "g", "bb", "../b" };
	for (size_t i = 0; i < CH_COUNT_OF(none); i++)
		assert_int_equal(find(in, none[i], 7, &off), CH_ERR_NOTFOUND);
	assert_int_equal(find(in, "b", 8, &off), CH_ERR_MALFORMED); /* of another commit */
	for (size_t n = 0; n < in.n; n++)
		assert_int_not_equal(find(ch_span(in.p, n), "b", 7, &off), CH_OK);
	assert_int_equal(find(index_make(in.n - 4, 5), "b", 7, &off), CH_ERR_MALFORMED);
	assert_int_equal(find(index_make(1, UINT64_MAX), "b", 7, &off), CH_ERR_MALFORMED);
	assert_int_equal(find(index_make(UINT64_MAX - 2, 5), "b", 7, &off), CH_ERR_MALFORMED);
	assert_int_equal(off, 0);
}

static void test_names(void **state)
{
	(void)state;
	uint8_t id[32];
	char name[72];
	for (size_t i = 0; i < 64; i++)
		name[i] = 'a';
	(void)ch_span_copy(name + 64, 8, CH_SPAN_LIT(".ostree\0"));
	assert_int_equal(ch_ostree_name_parse(ch_span_str(name), id), CH_OK);
	assert_int_equal(id[31], 0xaa);
	assert_int_not_equal(ch_ostree_name_parse(ch_span(name, 70), id), CH_OK);
	name[3] = 'A';
	assert_int_not_equal(ch_ostree_name_parse(ch_span_str(name), id), CH_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),      cmocka_unit_test(test_trees_refused),
		cmocka_unit_test(test_commit),    cmocka_unit_test(test_files),
		cmocka_unit_test(test_paths),     cmocka_unit_test(test_refs),
		cmocka_unit_test(test_find),      cmocka_unit_test(test_names),
		cmocka_unit_test(test_what_runs), cmocka_unit_test(test_what_is_deployed),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
