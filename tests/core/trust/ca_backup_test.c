/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/ca_backup.h"

#include "tests/unit.h"

#include <stdio.h>

static struct ch_ca_backup b, other;
static uint8_t room[16384];

static struct ch_ca_file file(const char *name, const char *bytes)
{
	return (struct ch_ca_file){ .name = ch_span_str(name), .bytes = ch_span_str(bytes) };
}

/* A root's, as it is sealed. */
static struct ch_span made(void)
{
	struct ch_wr w = ch_wr(room, sizeof(room));
	b.of = CH_CA_BACKUP_ROOT;
	b.count = 3;
	b.file[0] = file("root-1.crt", "certificate");
	b.file[1] = file("root-1.key", "");
	b.file[2] = file("transcript/0001-init.txt", "text\n");
	assert_int_equal(ch_ca_backup_put(&w, &b), CH_OK);
	assert_int_equal(w.len, ch_ca_backup_size(&b));
	return ch_wr_span(&w);
}

static void what_is_written_is_read(void **state)
{
	struct ch_diag d;
	(void)state;
	assert_int_equal(ch_ca_backup_parse(&other, made(), &d), CH_OK);
	assert_int_equal(other.of, CH_CA_BACKUP_ROOT);
	assert_int_equal(other.count, 3);
	assert_span_equal(ch_ca_backup_find(&other, CH_SPAN_LIT("root-1.crt"))->bytes, "certificate", 11);
	assert_int_equal(other.file[1].kind, CH_CA_FILE_KEY);
	assert_null(ch_ca_backup_find(&other, CH_SPAN_LIT("root-2.crt")));
}

static void what_is_cut_or_longer_is_refused(void **state)
{
	struct ch_span in = made();
	struct ch_diag d;
	(void)state;
	for (size_t n = 0; n < in.n; n++) {
		assert_int_not_equal(ch_ca_backup_parse(&other, ch_span_sub(in, 0, n), &d), CH_OK);
		assert_int_equal(other.count, 0);
		assert_non_null(d.rule);
	}
	room[in.n] = 0;
	assert_int_not_equal(ch_ca_backup_parse(&other, ch_span(in.p, in.n + 1), &d), CH_OK);
}

/* Of what is not content nothing can be another; the content is sealed with all else. */
static void no_flipped_bit_outside_content_is_read(void **state)
{
	struct ch_span in = made();
	struct ch_diag d;
	(void)state;
	for (size_t i = 0; i < in.n; i++) {
		room[i] ^= 0x10;
		if (ch_ca_backup_parse(&other, in, &d) == CH_OK)
			assert_true((i >= 3 * CH_USTAR_BLOCK && i < 3 * CH_USTAR_BLOCK + 11) ||
				    (i >= 6 * CH_USTAR_BLOCK && i < 6 * CH_USTAR_BLOCK + 5));
		room[i] ^= 0x10;
	}
}

static void names_are_a_closed_list(void **state)
{
	static const struct {
		enum ch_ca_backup_of of;
		const char *name;
		enum ch_ca_file_kind kind;
	} row[] = {
		{ CH_CA_BACKUP_ROOT, "root-99.key", CH_CA_FILE_KEY },
		{ CH_CA_BACKUP_ROOT, "root-2-by-1.crt", CH_CA_FILE_CERTIFICATE },
		{ CH_CA_BACKUP_ROOT, "issued/0123456789abcdef-by-1.crt", CH_CA_FILE_CERTIFICATE },
		{ CH_CA_BACKUP_SERVER, "state/signer/ca.uri", CH_CA_FILE_URI_IN_USE },
		{ CH_CA_BACKUP_SERVER, "state/signer/crl-00112233445566778899aabbccddeeff00112233",
		  CH_CA_FILE_REVOKED },
		{ CH_CA_BACKUP_SERVER, "state/signer/earlier-00.key", CH_CA_FILE_KEY },
		/* whose copy would let the log fork */
		{ CH_CA_BACKUP_SERVER, "state/signer/log.key", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_SERVER, "state/signer/tree", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_SERVER, "root-1.key", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "state/signer/ca.key", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "root-0.key", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "root-01.key", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "root-1.crl", CH_CA_FILE_LIST },
		{ CH_CA_BACKUP_SERVER, "root_lists/0a.crl", CH_CA_FILE_LIST },
		{ CH_CA_BACKUP_ROOT, "root-1-by-2.crl", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_SERVER, "root_lists/..crl", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "root-100.key", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "root-1.key.new", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "root-.key", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "transcript/001-init.txt", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "transcript/00001-init.txt", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "transcript/0001-.txt", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "transcript/0001-../x.txt", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "issued/../x-by-1.crt", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_SERVER, "state/signer/crl-0", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_SERVER, "state/signer/crl-00112233445566778899aabbccddeeff0011223344", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_SERVER, "state/signer/crl-AB", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_NONE, "", CH_CA_FILE_NONE },
		{ CH_CA_BACKUP_ROOT, "", CH_CA_FILE_NONE },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++)
		assert_int_equal(ch_ca_file_kind(row[i].of, ch_span_str(row[i].name)), row[i].kind);
}

static void what_would_not_be_read_is_not_written(void **state)
{
	struct ch_wr w = ch_wr(room, sizeof(room));
	(void)state;
	(void)made();
	b.file[2] = b.file[1];
	assert_int_equal(ch_ca_backup_put(&w, &b), CH_ERR_RANGE);
	b.file[2] = file("root-3.pem", "");
	assert_int_equal(ch_ca_backup_put(&w, &b), CH_ERR_RANGE);
	b.count = 2;
	b.of = CH_CA_BACKUP_NONE;
	assert_int_equal(ch_ca_backup_put(&w, &b), CH_ERR_RANGE);
	b.of = CH_CA_BACKUP_ROOT;
	w = ch_wr(room, ch_ca_backup_size(&b) - 1);
	assert_int_equal(ch_ca_backup_put(&w, &b), CH_ERR_NOSPACE);
}

static void other_files_and_orders_are_refused(void **state)
{
	struct ch_diag d;
	struct ch_span name = CH_SPAN_LIT("root-3.crt");
	struct ch_span in = made();
	struct ch_wr w;
	(void)state;
	/* the second file becomes one that is before the first, the first again, one that is no file of a root's */
	static const char *const bad[] = { "root-1-by-2.crt", "root-1.crt", "root-1.pem" };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		w = ch_wr(room + 4 * CH_USTAR_BLOCK, CH_USTAR_BLOCK);
		ch_ustar_put(&w, ch_span_str(bad[i]), 0);
		assert_int_equal(ch_ca_backup_parse(&other, in, &d), i < 2 ? CH_ERR_DUPLICATE : CH_ERR_UNKNOWN);
	}
	w = ch_wr(room, CH_USTAR_BLOCK);
	ch_ustar_put(&w, name, 8);
	assert_int_equal(ch_ca_backup_parse(&other, in, &d), CH_ERR_UNKNOWN);
	in = made();
	room[CH_USTAR_BLOCK + 1] = '2';
	assert_int_equal(ch_ca_backup_parse(&other, in, &d), CH_ERR_UNKNOWN);
}

static void more_files_than_the_limit_are_refused(void **state)
{
	static uint8_t large[(size_t)(CH_CA_BACKUP_FILES_MAX + 1) * CH_USTAR_BLOCK + 4 * CH_USTAR_BLOCK];
	struct ch_diag d;
	(void)state;
	(void)made();
	struct ch_wr w = ch_wr(large, sizeof(large));
	ch_wr_put(&w, ch_span(room, 2 * CH_USTAR_BLOCK));
	for (unsigned i = 0; i <= CH_CA_BACKUP_FILES_MAX; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "transcript/%04u-x.txt", i);
		ch_ustar_put(&w, ch_span_str(name), 0);
	}
	w.len += 2 * CH_USTAR_BLOCK;
	assert_int_equal(ch_ca_backup_parse(&other, ch_wr_span(&w), &d), CH_ERR_LIMIT);
	b.count = CH_CA_BACKUP_FILES_MAX + 1;
	assert_int_equal(ch_ca_backup_put(&w, &b), CH_ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_cut_or_longer_is_refused),
		cmocka_unit_test(no_flipped_bit_outside_content_is_read),
		cmocka_unit_test(names_are_a_closed_list),
		cmocka_unit_test(what_would_not_be_read_is_not_written),
		cmocka_unit_test(other_files_and_orders_are_refused),
		cmocka_unit_test(more_files_than_the_limit_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
