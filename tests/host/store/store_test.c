/* SPDX-License-Identifier: Apache-2.0 */
#include "host/store/store.h"

#include "host/store/schema.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A folder of its own for each test. */
static char dir[64];
static char path[96];
static char why[CH_STORE_WHY];

enum { PUT, GET, ALL, COUNT, BAD, SQL_COUNT };
static const char *const sql[] = {
	[PUT] = ("INSERT INTO token (tenant, seq, sha256, class, time, expires, used, device) "
		 "VALUES ($1, $2, $3, $4, $5, 0, 0, 0)"),
	[GET] = "SELECT sha256, class, time, seq FROM token WHERE tenant = $1 AND sha256 = $2",
	[ALL] = "SELECT seq FROM token WHERE tenant = $1 ORDER BY seq",
	[COUNT] = "SELECT count(*) FROM token WHERE tenant = $1",
	[BAD] = "SELECT item FROM nowhere",
};

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/chainhold-store-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/store.db", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	static const char *const names[] = { "store.db",        "store.db-wal", "store.db-shm", "copy.db",
					     "copy.db-journal", "copy.db-wal",  "copy.db-shm" };
	char name[128];
	for (size_t i = 0; i < CH_COUNT_OF(names); i++) {
		(void)snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
		(void)unlink(name);
	}
	return rmdir(dir);
}

static struct ch_store *open_at(const char *where, enum ch_store_mode mode)
{
	struct ch_store *st;
	struct ch_store_config config = { .path = where, .mode = mode, .sql = sql, .sql_count = BAD };
	assert_int_equal(ch_store_open(&st, &config, why), CH_OK);
	return st;
}

static struct ch_store *open_new(void)
{
	struct ch_store *st = open_at(path, CH_STORE_WRITE);
	assert_int_equal(ch_schema_migrate(st, CH_SCHEMA_APPLY, 1, NULL, NULL), CH_OK);
	return st;
}

static void put(struct ch_store *st, int64_t seq, const char *digest)
{
	ch_sql_do(st, PUT,
		  CH_ARGS(ch_int(0), ch_int(seq), ch_bytes(ch_span_str(digest)), ch_text_str("gateway"), ch_int(-7)));
}

static int64_t count(struct ch_store *st)
{
	return ch_sql_number(st, COUNT, CH_ARGS(ch_int(0)), -1);
}

static void a_value_comes_back_as_it_was_put(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	ch_store_begin(st);
	ch_sql_do(st, PUT,
		  CH_ARGS(ch_int(0), ch_int(INT64_MAX), ch_bytes(CH_SPAN_LIT("a\0b\xff")), ch_text_str("gate'way"),
			  ch_int(INT64_MIN)));
	assert_int_equal(ch_store_commit(st), CH_OK);
	struct ch_query q = ch_sql_query(st, GET, CH_ARGS(ch_int(0), ch_bytes(CH_SPAN_LIT("a\0b\xff"))));
	assert_true(ch_sql_next(&q));
	assert_span_equal(ch_sql_bytes(&q, 0), "a\0b\xff", 4);
	assert_span_equal(ch_sql_bytes(&q, 1), "gate'way", 8);
	assert_true(ch_sql_int(&q, 2) == INT64_MIN);
	assert_true(ch_sql_int(&q, 3) == INT64_MAX);
	uint8_t four[4], five[5];
	assert_true(ch_sql_copy(&q, 0, four, 4));
	assert_false(ch_sql_copy(&q, 0, five, 5));
	assert_false(ch_sql_next(&q));
	assert_int_equal(ch_sql_end(&q), CH_OK);
	ch_store_close(st);
}

static void an_empty_span_is_not_null(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	ch_store_begin(st);
	ch_sql_do(st, PUT, CH_ARGS(ch_int(0), ch_int(1), ch_bytes(CH_SPAN_EMPTY), ch_text(CH_SPAN_EMPTY), ch_int(0)));
	assert_int_equal(ch_store_commit(st), CH_OK);
	struct ch_query q = ch_sql_query(st, GET, CH_ARGS(ch_int(0), ch_bytes(CH_SPAN_EMPTY)));
	assert_true(ch_sql_next(&q));
	assert_false(ch_sql_is_null(&q, 0));
	assert_int_equal(ch_sql_bytes(&q, 0).n, 0);
	assert_int_equal(ch_sql_end(&q), CH_OK);
	ch_store_close(st);
}

static void null_is_refused_where_the_schema_says_so(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	ch_store_begin(st);
	ch_sql_do(st, PUT, CH_ARGS(ch_int(0), ch_int(1), ch_null(), ch_text_str(""), ch_int(0)));
	assert_int_equal(ch_store_commit(st), CH_ERR_DUPLICATE);
	ch_store_close(st);
}

static void a_failure_sticks_and_nothing_of_the_transaction_stays(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	ch_store_begin(st);
	put(st, 1, "one");
	put(st, 1, "again");
	put(st, 2, "two");
	assert_int_equal(ch_store_err(st), CH_ERR_DUPLICATE);
	assert_non_null(strstr(ch_store_why(st), "token"));
	assert_int_equal(ch_store_commit(st), CH_ERR_DUPLICATE);
	ch_store_begin(st);
	assert_int_equal(count(st), 0);
	put(st, 1, "one");
	assert_int_equal(ch_store_commit(st), CH_OK);
	assert_int_equal(count(st), 1);
	ch_store_close(st);
}

static void what_was_not_committed_is_gone(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	ch_store_begin(st);
	put(st, 1, "one");
	assert_int_equal(ch_store_commit(st), CH_OK);
	ch_store_begin(st);
	put(st, 2, "two");
	ch_store_close(st);
	st = open_at(path, CH_STORE_WRITE);
	assert_int_equal(count(st), 1);
	ch_store_begin(st);
	put(st, 2, "two");
	ch_store_rollback(st);
	assert_int_equal(count(st), 1);
	ch_store_close(st);
}

static void what_is_held_is_one_state_and_can_go_on_to_write(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	struct ch_store *reader = open_at(path, CH_STORE_READ);
	ch_store_hold(st);
	ch_store_hold(st);
	assert_false(ch_store_busy(st));
	assert_int_equal(count(st), 0);
	assert_int_equal(ch_store_commit(st), CH_OK);
	ch_store_hold(st);
	assert_int_equal(count(st), 0);
	ch_store_begin(st);
	assert_true(ch_store_busy(st));
	put(st, 1, "one");
	assert_int_equal(count(reader), 0);
	assert_int_equal(ch_store_commit(st), CH_OK);
	assert_false(ch_store_busy(st));
	assert_int_equal(count(reader), 1);
	/* A failure undoes it all, the next one goes on from there. */
	ch_store_hold(st);
	ch_store_begin(st);
	put(st, 2, "two");
	put(st, 2, "again");
	assert_int_equal(ch_store_commit(st), CH_ERR_DUPLICATE);
	ch_store_begin(st);
	assert_int_equal(count(st), 1);
	assert_int_equal(ch_store_commit(st), CH_OK);
	ch_store_hold(st);
	ch_store_close(st);
	ch_store_close(reader);
}

static void a_reader_reads_and_cannot_write(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	struct ch_store *rd = open_at(path, CH_STORE_READ);
	assert_int_equal(count(rd), 0);
	ch_store_begin(st);
	put(st, 1, "one");
	assert_int_equal(count(rd), 0);
	assert_int_equal(ch_store_commit(st), CH_OK);
	assert_int_equal(count(rd), 1);
	put(rd, 2, "two");
	assert_int_equal(ch_store_err(rd), CH_ERR_IO);
	ch_store_close(rd);
	ch_store_close(st);
}

static void a_reader_makes_no_file(void **state)
{
	(void)state;
	struct ch_store *st;
	struct ch_store_config config = { .path = path, .mode = CH_STORE_READ, .sql = sql, .sql_count = BAD };
	assert_int_equal(ch_store_open(&st, &config, why), CH_ERR_IO);
	assert_null(st);
	assert_true(why[0] != '\0');
	assert_int_equal(access(path, F_OK), -1);
}

/* Waits for the other side's word, then says its own. */
static bool next(int peer, bool first)
{
	char byte = 'x';
	if (first && write(peer, &byte, 1) != 1)
		return false;
	return read(peer, &byte, 1) == 1 && (first || write(peer, &byte, 1) == 1);
}

/* Reads, with the rights of a user who may not write, what its parent has made since: exit status 0 if that went well. */
static void read_as_another(int parent)
{
	struct ch_store *st = NULL;
	struct ch_store_config config = { .path = path, .mode = CH_STORE_READ, .sql = sql, .sql_count = BAD };
	bool ok = setgid(65534) == 0 && setuid(65534) == 0 && next(parent, false) &&
		  ch_store_open(&st, &config, why) == CH_OK && next(parent, true);
	if (ok) {
		ch_store_snapshot(st, NULL, NULL);
		ok = ch_sql_number(st, COUNT, CH_ARGS(ch_int(0)), -1) == 1 && ch_store_err(st) == CH_OK;
		ch_store_snapshot_end(st);
	}
	_exit(ok ? 0 : 1);
}

/* Turns a bit of the second of the two headers of the log's index (https://www.sqlite.org/walformat.html, 2.1). */
static void header_flip(int shm)
{
	uint8_t byte;
	assert_int_equal(pread(shm, &byte, 1, 48 + 8), 1);
	byte ^= 1;
	assert_int_equal(pwrite(shm, &byte, 1, 48 + 8), 1);
}

/* The store with one row, and its log's index opened. */
static struct ch_store *one_row(int *shm)
{
	char name[128];
	struct ch_store *st = open_new();
	ch_store_begin(st);
	put(st, 1, "a");
	assert_int_equal(ch_store_commit(st), CH_OK);
	(void)snprintf(name, sizeof(name), "%s-shm", path);
	*shm = open(name, O_RDWR | O_CLOEXEC);
	assert_true(*shm >= 0);
	return st;
}

static void a_reader_that_meets_the_writer_between_two_headers_looks_again(void **state)
{
	(void)state;
	char byte;
	int pair[2], shm, status = 1;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	/* Before the store is opened: SQLite keeps what a process has of a file. */
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		read_as_another(pair[0]);
	(void)close(pair[0]);
	struct ch_store *st = one_row(&shm);
	assert_true(next(pair[1], true));
	assert_int_equal(read(pair[1], &byte, 1), 1);
	header_flip(shm);
	assert_int_equal(write(pair[1], &byte, 1), 1);
	(void)usleep(5000);
	header_flip(shm);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	(void)close(pair[1]);
	ch_store_close(st);
	(void)close(shm);
}

static void a_file_that_is_no_store_is_refused(void **state)
{
	(void)state;
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		assert_true(fputs("this is not a database\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	struct ch_store *st;
	struct ch_store_config config = { .path = path, .mode = CH_STORE_WRITE, .sql = sql, .sql_count = BAD };
	assert_int_equal(ch_store_open(&st, &config, why), CH_ERR_MALFORMED);
	assert_null(st);
}

static void a_statement_that_the_schema_cannot_serve_is_found_at_start(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	assert_int_equal(ch_store_check(st), CH_OK);
	ch_store_close(st);
	struct ch_store_config config = { .path = path, .mode = CH_STORE_WRITE, .sql = sql, .sql_count = SQL_COUNT };
	assert_int_equal(ch_store_open(&st, &config, why), CH_OK);
	assert_int_equal(ch_store_check(st), CH_ERR_INTERNAL);
	assert_string_equal(ch_store_why(st), "no such table: nowhere (1)");
	ch_store_close(st);
}

static void a_backup_is_the_store_as_it_was(void **state)
{
	(void)state;
	char copy[96];
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", dir);
	struct ch_store *st = open_new();
	ch_store_begin(st);
	for (int64_t i = 1; i <= 500; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "%d", (int)i);
		put(st, i, name);
	}
	assert_int_equal(ch_store_commit(st), CH_OK);
	assert_int_equal(ch_store_backup(st, copy), CH_OK);
	assert_int_equal(ch_store_backup(st, copy), CH_ERR_DUPLICATE);
	ch_store_begin(st);
	put(st, 1000, "later");
	assert_int_equal(ch_store_commit(st), CH_OK);
	struct ch_store *cp = open_at(copy, CH_STORE_WRITE);
	assert_int_equal(count(cp), 500);
	assert_int_equal(ch_schema_version(cp), ch_schema_newest());
	ch_store_close(cp);
	struct stat s;
	assert_int_equal(stat(copy, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	ch_store_close(st);
}

/* Calls of this process that wrote, by the kernel's count; -1 where it keeps none. */
static long writes(void)
{
	char line[64];
	long n = -1;
	FILE *f = fopen("/proc/self/io", "re");
	while (f != NULL && n < 0 && fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "syscw: %ld", &n);
	if (f != NULL)
		(void)fclose(f);
	return n;
}

static void put_many(struct ch_store *st, int64_t first, int64_t n)
{
	char name[1200];
	for (int64_t i = first; i < first + n; i++) {
		(void)snprintf(name, sizeof(name), "%-1100lld", (long long)i);
		put(st, i, name);
	}
}

static void a_commit_goes_to_the_log_in_long_pieces(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	struct ch_store *reader = open_at(path, CH_STORE_READ);
	ch_store_begin(st);
	put_many(st, 0, 1000); /* 2,000 pages and more, with those of their index */
	long before = writes();
	assert_int_equal(ch_store_commit(st), CH_OK);
	long spent = writes() - before;
	if (before >= 0)
		assert_in_range(spent, 1, 200);
	assert_int_equal(count(reader), 1000);
	ch_store_close(reader);
	ch_store_close(st);
}

/* Pages leave SQLite's memory (16 MiB) before the commit, and are read back. */
static void a_transaction_that_is_larger_than_the_memory(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	struct ch_store *reader = open_at(path, CH_STORE_READ);
	ch_store_begin(st);
	put_many(st, 0, 30000);
	assert_int_equal(count(st), 30000);
	assert_int_equal(count(reader), 0);
	ch_store_rollback(st);
	ch_store_begin(st);
	put_many(st, 100000, 30000);
	assert_int_equal(ch_store_commit(st), CH_OK);
	assert_int_equal(count(reader), 30000);
	struct ch_query q = ch_sql_query_text(reader, "PRAGMA integrity_check", CH_NO_ARGS);
	assert_true(ch_sql_next(&q));
	assert_span_equal(ch_sql_bytes(&q, 0), "ok", 2);
	assert_int_equal(ch_sql_end(&q), CH_OK);
	ch_store_close(reader);
	ch_store_close(st);
}

static void rows_come_in_order_and_a_query_can_stop_early(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	ch_store_begin(st);
	put(st, 3, "c");
	put(st, 1, "a");
	put(st, 2, "b");
	assert_int_equal(ch_store_commit(st), CH_OK);
	for (int round = 0; round < 2; round++) {
		struct ch_query q = ch_sql_query(st, ALL, CH_ARGS(ch_int(0)));
		assert_true(ch_sql_next(&q));
		assert_int_equal(ch_sql_int(&q, 0), 1);
		assert_true(ch_sql_next(&q));
		assert_int_equal(ch_sql_int(&q, 0), 2);
		assert_int_equal(ch_sql_end(&q), CH_OK);
	}
	assert_int_equal(ch_sql_number(st, ALL, CH_ARGS(ch_int(9)), -5), -5);
	ch_store_close(st);
}

/* --- the schema --- */

static void told(void *ctx, int64_t number, const char *what, const char *text)
{
	size_t *n = ctx;
	assert_true(number >= 1 && what[0] != '\0' && text[0] != '\0');
	++*n;
}

static void a_dry_run_tells_and_changes_nothing(void **state)
{
	(void)state;
	size_t n = 0;
	struct ch_store *st = open_at(path, CH_STORE_WRITE);
	assert_int_equal(ch_schema_version(st), 0);
	assert_int_equal(ch_schema_migrate(st, CH_SCHEMA_DRY_RUN, 1, told, &n), CH_OK);
	assert_true(n > 20);
	assert_int_equal(ch_schema_version(st), 0);
	assert_false(ch_store_has_table(st, "device"));
	ch_store_close(st);
}

static void a_migration_runs_once(void **state)
{
	(void)state;
	size_t n = 0;
	struct ch_store *st = open_new();
	assert_int_equal(ch_schema_version(st), ch_schema_newest());
	assert_int_equal(ch_schema_migrate(st, CH_SCHEMA_APPLY, 2, told, &n), CH_OK);
	assert_int_equal(n, 0);
	ch_store_close(st);
}

static void a_store_of_a_later_program_is_refused(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	ch_store_begin(st);
	ch_sql_text(st, "INSERT INTO schema_version (tenant, number, what, time) VALUES (0, 1000, 'later', 1)");
	assert_int_equal(ch_store_commit(st), CH_OK);
	assert_int_equal(ch_schema_migrate(st, CH_SCHEMA_APPLY, 2, NULL, NULL), CH_ERR_UNSUPPORTED);
	ch_store_close(st);
}

static void every_key_starts_with_the_tenant(void **state)
{
	(void)state;
	struct ch_store *st = open_new();
	/* Columns of every index and primary key at position 0; SQLite's own view of what the migrations made. */
	struct ch_query q =
		ch_sql_query_text(st,
				  "SELECT m.name, x.name, i.name FROM sqlite_master m, pragma_index_list(m.name) x, "
				  "pragma_index_info(x.name) i WHERE m.type = 'table' AND i.seqno = 0",
				  CH_NO_ARGS);
	size_t keys = 0;
	while (ch_sql_next(&q)) {
		assert_span_equal(ch_sql_bytes(&q, 2), "tenant", 6);
		keys++;
	}
	assert_int_equal(ch_sql_end(&q), CH_OK);
	assert_true(keys > 30);
	ch_store_close(st);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_value_comes_back_as_it_was_put),
		TEST(an_empty_span_is_not_null),
		TEST(null_is_refused_where_the_schema_says_so),
		TEST(a_failure_sticks_and_nothing_of_the_transaction_stays),
		TEST(what_was_not_committed_is_gone),
		TEST(what_is_held_is_one_state_and_can_go_on_to_write),
		TEST(a_reader_reads_and_cannot_write),
		TEST(a_reader_makes_no_file),
		TEST(a_reader_that_meets_the_writer_between_two_headers_looks_again),
		TEST(a_file_that_is_no_store_is_refused),
		TEST(a_statement_that_the_schema_cannot_serve_is_found_at_start),
		TEST(a_backup_is_the_store_as_it_was),
		TEST(a_commit_goes_to_the_log_in_long_pieces),
		TEST(a_transaction_that_is_larger_than_the_memory),
		TEST(rows_come_in_order_and_a_query_can_stop_early),
		TEST(a_dry_run_tells_and_changes_nothing),
		TEST(a_migration_runs_once),
		TEST(a_store_of_a_later_program_is_refused),
		TEST(every_key_starts_with_the_tenant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
