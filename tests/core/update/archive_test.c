/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/archive.h"

#include "tests/unit.h"

#define DIGEST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct ch_archive_file file[CH_ARCHIVE_FILES_MAX];
static struct ch_json_node node[CH_ARCHIVE_NODES_MAX];
static struct ch_diag diag;

/* --- headers --- */

static void a_header_is_read_as_it_is_written(void **state)
{
	static const uint64_t size[] = { 0, 1, 511, 512, 0777777, CH_ARCHIVE_FILE_MAX };
	uint8_t block[CH_USTAR_BLOCK];
	struct ch_span name;
	uint64_t n;
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(size); i++) {
		struct ch_wr w = ch_wr(block, sizeof(block));
		ch_ustar_put(&w, CH_SPAN_LIT("log/checkpoint"), size[i]);
		assert_int_equal(w.len, CH_USTAR_BLOCK);
		assert_int_equal(ch_ustar_parse(ch_wr_span(&w), &name, &n), CH_OK);
		assert_span_equal(name, "log/checkpoint", 14);
		assert_int_equal(n, size[i]);
		assert_int_equal((size[i] + ch_ustar_padding(size[i])) % CH_USTAR_BLOCK, 0);
	}
}

static void no_other_header_is_read(void **state)
{
	uint8_t block[CH_USTAR_BLOCK];
	struct ch_span name;
	uint64_t n;
	struct ch_wr w = ch_wr(block, sizeof(block));
	(void)state;
	ch_ustar_put(&w, CH_SPAN_LIT("index"), 1234);
	for (size_t i = 0; i < sizeof(block); i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			block[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(ch_ustar_parse(CH_SPAN_OF(block), &name, &n), CH_OK);
			assert_int_equal(name.n + n, 0);
			block[i] ^= (uint8_t)(1u << bit);
		}
		assert_int_equal(ch_ustar_parse(ch_span(block, i), &name, &n), CH_ERR_TRUNCATED);
	}
}

static void a_header_has_limits(void **state)
{
	static const char name[CH_ARCHIVE_PATH_MAX + 1] = { 0 };
	char text[CH_ARCHIVE_PATH_MAX + 1];
	uint8_t block[2 * CH_USTAR_BLOCK];
	(void)state;
	memset(text, 'a', sizeof(text));
	struct ch_wr w = ch_wr(block, sizeof(block));
	ch_ustar_put(&w, ch_span(text, CH_ARCHIVE_PATH_MAX), 0);
	assert_false(w.bad);
	ch_ustar_put(&w, ch_span(text, CH_ARCHIVE_PATH_MAX + 1), 0);
	assert_true(w.bad);
	w = ch_wr(block, sizeof(block));
	ch_ustar_put(&w, ch_span(name, 0), 0);
	assert_true(w.bad);
	w = ch_wr(block, sizeof(block));
	ch_ustar_put(&w, CH_SPAN_LIT("a"), (uint64_t)CH_ARCHIVE_FILE_MAX + 1);
	assert_true(w.bad);
}

/* --- names --- */

static void names_are_a_closed_list(void **state)
{
	static const struct {
		const char *path;
		enum ch_archive_kind kind;
	} row[] = {
		{ "fleet-root/1", CH_ARCHIVE_FLEET_ROOT },
		{ "fleet-root/4294967295", CH_ARCHIVE_FLEET_ROOT },
		{ "fleet-root/4294967296", CH_ARCHIVE_NONE },
		{ "fleet-root/0", CH_ARCHIVE_NONE },
		{ "fleet-root/01", CH_ARCHIVE_NONE },
		{ "fleet-root/", CH_ARCHIVE_NONE },
		{ "releases/" DIGEST ".release", CH_ARCHIVE_RELEASE },
		{ "releases/" DIGEST ".proof", CH_ARCHIVE_PROOF },
		{ "releases/" DIGEST, CH_ARCHIVE_NONE },
		{ "artifacts/" DIGEST, CH_ARCHIVE_ARTIFACT },
		{ "artifacts/" DIGEST "a", CH_ARCHIVE_NONE },
		{ "artifacts/A" DIGEST, CH_ARCHIVE_NONE },
		{ "artifacts/..", CH_ARCHIVE_NONE },
		{ "artifacts/../" DIGEST, CH_ARCHIVE_NONE },
		{ "/artifacts/" DIGEST, CH_ARCHIVE_NONE },
		{ "log/checkpoint", CH_ARCHIVE_CHECKPOINT },
		{ "log/tile/0/x001/234.p/56", CH_ARCHIVE_TILE },
		{ "log/tile/entries/000", CH_ARCHIVE_TILE },
		{ "log/tile/0/../000", CH_ARCHIVE_NONE },
		{ "log/origin", CH_ARCHIVE_NONE },
		{ "reference/gateway-c.json", CH_ARCHIVE_REFERENCE },
		{ "reference/.json", CH_ARCHIVE_NONE },
		{ "reference/..json", CH_ARCHIVE_NONE },
		{ "reference/a/b.json", CH_ARCHIVE_NONE },
		{ "crl/fleet.crl", CH_ARCHIVE_CRL },
		{ "crl/Fleet.crl", CH_ARCHIVE_NONE },
		{ "index", CH_ARCHIVE_NONE },
		{ "signatures", CH_ARCHIVE_NONE },
		{ "", CH_ARCHIVE_NONE },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct ch_archive_path p;
		enum ch_err err = ch_archive_path_parse(&p, ch_span_str(row[i].path));
		assert_int_equal(err == CH_OK, row[i].kind != CH_ARCHIVE_NONE);
		assert_int_equal(p.kind, row[i].kind);
	}
}

/* --- the index --- */

#define HEAD   "{\"type\":\"chainhold-archive/v1\",\"issued\":1790000000,\"role\":\"os\",\"files\":["
#define ROW(p) "{\"path\":\"" p "\",\"size\":5,\"sha256\":\"" DIGEST "\"}"
#define TAIL   "]}\n\n"

static enum ch_err parse(struct ch_archive *a, const char *text)
{
	enum ch_err err = ch_archive_parse(a, ch_span_str(text), file, node, &diag);
	assert_int_equal(err == CH_OK, diag.rule == NULL);
	if (err != CH_OK)
		assert_int_equal(a->count + a->issued, 0);
	return err;
}

static void an_index_is_read_and_written(void **state)
{
	static uint8_t first[4096], second[4096];
	struct ch_archive a;
	(void)state;
	assert_int_equal(parse(&a, HEAD ROW("artifacts/" DIGEST) "," ROW("crl/a.crl") "," ROW("fleet-root/2") TAIL),
			 CH_OK);
	assert_int_equal(a.count, 3);
	assert_int_equal(a.issued, 1790000000);
	assert_span_equal(a.role, "os", 2);
	assert_ptr_equal(ch_archive_find(&a, CH_SPAN_LIT("crl/a.crl")), &file[1]);
	assert_null(ch_archive_find(&a, CH_SPAN_LIT("crl/b.crl")));
	assert_null(ch_archive_find(&a, CH_SPAN_EMPTY));
	struct ch_wr w = ch_wr(first, sizeof(first) - 1);
	assert_int_equal(ch_archive_put(&w, &a), CH_OK);
	ch_wr_u8(&w, '\n');
	assert_int_equal(ch_archive_parse(&a, ch_wr_span(&w), file, node, &diag), CH_OK);
	struct ch_wr v = ch_wr(second, sizeof(second));
	assert_int_equal(ch_archive_put(&v, &a), CH_OK);
	assert_span_equal(ch_wr_span(&v), first, w.len - 1);
	v = ch_wr(second, 100);
	assert_int_equal(ch_archive_put(&v, &a), CH_ERR_NOSPACE);
}

static void what_an_index_may_not_say(void **state)
{
	static const struct {
		const char *text;
		enum ch_err err;
	} row[] = {
		{ HEAD ROW("crl/a.crl") "," ROW("crl/a.crl") TAIL, CH_ERR_DUPLICATE },
		{ HEAD ROW("crl/b.crl") "," ROW("crl/a.crl") TAIL, CH_ERR_DUPLICATE },
		{ HEAD ROW("../a") TAIL, CH_ERR_MALFORMED },
		{ HEAD ROW("index") TAIL, CH_ERR_MALFORMED },
		{ HEAD TAIL, CH_ERR_MISSING },
		{ HEAD
		  "{\"path\":\"artifacts/" DIGEST
		  "\",\"size\":5,\"sha256\":\"baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}" TAIL,
		  CH_ERR_MISMATCH },
		{ HEAD "{\"path\":\"crl/a.crl\",\"size\":8589934592,\"sha256\":\"" DIGEST "\"}" TAIL, CH_ERR_RANGE },
		{ HEAD "{\"path\":\"crl/a.crl\",\"size\":-1,\"sha256\":\"" DIGEST "\"}" TAIL, CH_ERR_MALFORMED },
		{ HEAD "{\"path\":\"crl/a.crl\",\"size\":1,\"sha256\":\"A" DIGEST "\"}" TAIL, CH_ERR_ENCODING },
		{ HEAD "{\"path\":\"crl/a.crl\",\"size\":1}" TAIL, CH_ERR_MISSING },
		{ HEAD ROW("crl/a.crl") "],\"more\":1}\n\n", CH_ERR_UNKNOWN },
		{ HEAD ROW("crl/a.crl") "]}\n", CH_ERR_MALFORMED },
		{ "{\"type\":\"chainhold-archive/v2\"}\n\n", CH_ERR_UNSUPPORTED },
		{ "{\"type\":\"chainhold-archive/v1\",\"issued\":0}\n\n", CH_ERR_RANGE },
		{ "{\"type\":\"chainhold-archive/v1\",\"role\":\"Os\"}\n\n", CH_ERR_MALFORMED },
	};
	struct ch_archive a;
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++)
		assert_int_equal(parse(&a, row[i].text), row[i].err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_read_as_it_is_written),
		cmocka_unit_test(no_other_header_is_read),
		cmocka_unit_test(a_header_has_limits),
		cmocka_unit_test(names_are_a_closed_list),
		cmocka_unit_test(an_index_is_read_and_written),
		cmocka_unit_test(what_an_index_may_not_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
