/* SPDX-License-Identifier: Apache-2.0 */
#include "host/store/store.h"

#include <assert.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/store/wal_vfs.h"

struct prepared {
	sqlite3_stmt *stmt; /* NULL: not yet used */
};

struct ch_store {
	sqlite3 *db;
	struct ch_wal_vfs *vfs; /* of a writer */
	enum ch_store_mode mode;
	const char *const *sql;
	struct prepared *prepared;
	size_t count;
	enum ch_err err;
	char why[CH_STORE_WHY];
	bool open; /* a transaction */
	bool held; /* it has not written yet, and may not */
	bool (*late)(void *ctx);
	void *late_ctx;
	sqlite3_stmt *look; /* reads one page: a snapshot is there from then on */
};

/* The default busy wait covers a reader's checkpoint lock and a backup that opens the file; nobody else writes. */
#define BUSY_MS 10000
/* How often a reader looks again, a millisecond after it has, when it meets the writer between the two copies of its header. */
#define LOOKS 1000
/* Pages of write-ahead log after which a commit also moves them into the file: 16 MiB. */
#define WAL_PAGES 4096

static const char *const pragmas_write[] = {
	"PRAGMA journal_mode=WAL",
	"PRAGMA synchronous=FULL",
	"PRAGMA temp_store=memory",
	"PRAGMA trusted_schema=OFF",
	"PRAGMA cell_size_check=ON",
	"PRAGMA cache_size=-16384",
	/* What is erased under retention must not lie about in free pages. */
	"PRAGMA secure_delete=ON",
};
static const char *const pragmas_read[] = {
	"PRAGMA query_only=ON",
	"PRAGMA temp_store=memory",
	"PRAGMA trusted_schema=OFF",
	"PRAGMA cache_size=-4096",
};

static enum ch_err err_of(int rc)
{
	static const struct {
		int rc;
		enum ch_err err;
	} table[] = {
		{ SQLITE_OK, CH_OK },
		{ SQLITE_DONE, CH_OK },
		{ SQLITE_ROW, CH_OK },
		{ SQLITE_FULL, CH_ERR_LIMIT },
		{ SQLITE_INTERRUPT, CH_ERR_LIMIT },
		{ SQLITE_CONSTRAINT, CH_ERR_DUPLICATE },
		{ SQLITE_IOERR, CH_ERR_IO },
		{ SQLITE_CANTOPEN, CH_ERR_IO },
		{ SQLITE_READONLY, CH_ERR_IO },
		{ SQLITE_PERM, CH_ERR_IO },
		{ SQLITE_BUSY, CH_ERR_IO },
		{ SQLITE_NOTADB, CH_ERR_MALFORMED },
		{ SQLITE_CORRUPT, CH_ERR_MALFORMED },
	};
	for (size_t i = 0; i < CH_COUNT_OF(table); i++) {
		if (table[i].rc == (rc & 0xff))
			return table[i].err;
	}
	return CH_ERR_INTERNAL;
}

/* Keeps the first failure. */
static bool good(struct ch_store *st, int rc)
{
	enum ch_err err = err_of(rc);
	if (err == CH_OK)
		return true;
	if (st->err == CH_OK) {
		st->err = err;
		(void)snprintf(st->why, sizeof(st->why), "%s (%d)", sqlite3_errmsg(st->db),
			       sqlite3_extended_errcode(st->db));
	}
	return false;
}

static void pragmas(struct ch_store *st, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n && st->err == CH_OK; i++)
		(void)good(st, sqlite3_exec(st->db, list[i], NULL, NULL, NULL));
}

enum ch_err ch_store_open(struct ch_store **out, const struct ch_store_config *config, char why[static CH_STORE_WHY])
{
	*out = NULL;
	bool write = config->mode == CH_STORE_WRITE;
	int flags = SQLITE_OPEN_NOMUTEX | (write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
	struct ch_store *st = ch_calloc(1, sizeof(*st));
	st->mode = config->mode;
	st->sql = config->sql;
	st->count = config->sql_count;
	st->prepared = ch_calloc(st->count, sizeof(*st->prepared));
	st->vfs = write ? ch_wal_vfs_new(config->vfs) : NULL;
	const char *vfs = st->vfs != NULL ? ch_wal_vfs_name(st->vfs) : config->vfs;
	if (good(st, sqlite3_open_v2(config->path, &st->db, flags, vfs))) {
		(void)sqlite3_busy_timeout(st->db, BUSY_MS);
		(void)sqlite3_db_config(st->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		(void)sqlite3_limit(st->db, SQLITE_LIMIT_ATTACHED, 0);
		if (write) {
			pragmas(st, pragmas_write, CH_COUNT_OF(pragmas_write));
			(void)sqlite3_wal_autocheckpoint(st->db, WAL_PAGES);
		} else {
			pragmas(st, pragmas_read, CH_COUNT_OF(pragmas_read));
		}
	}
	/* The file is touched by the first statement only: a wrong one must be told here. */
	if (st->err == CH_OK)
		(void)good(st, sqlite3_exec(st->db, "SELECT count(*) FROM sqlite_master", NULL, NULL, NULL));
	enum ch_err err = st->err;
	if (err == CH_OK) {
		*out = st;
		return CH_OK;
	}
	why[ch_span_copy(why, CH_STORE_WHY - 1, ch_span_str(st->why))] = '\0';
	ch_store_close(st);
	return err;
}

void ch_store_close(struct ch_store *st)
{
	if (st == NULL)
		return;
	for (size_t i = 0; i < st->count; i++)
		(void)sqlite3_finalize(st->prepared[i].stmt);
	(void)sqlite3_finalize(st->look);
	(void)sqlite3_close(st->db);
	ch_wal_vfs_free(st->vfs);
	ch_free(st->prepared);
	ch_free(st);
}

enum ch_err ch_store_err(const struct ch_store *st)
{
	return st->err;
}

const char *ch_store_why(const struct ch_store *st)
{
	return st->err == CH_OK ? "" : st->why;
}

bool ch_store_busy(const struct ch_store *st)
{
	return st->open;
}

bool ch_store_has_table(struct ch_store *st, const char *name)
{
	return sqlite3_table_column_metadata(st->db, NULL, name, NULL, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

/*
 * PostgreSQL numbers its parameters $1, $2; SQLite takes that for names and numbers them by their first use, but reads ?1, ?2 as we
 * mean it. No text holds a '$' for anything else (tools/lint/sql.sh).
 */
static sqlite3_stmt *prepare(struct ch_store *st, const char *text, unsigned flags)
{
	sqlite3_stmt *stmt = NULL;
	size_t n = strlen(text);
	CH_AUTO_FREE char *own = ch_calloc(n + 1, 1);
	for (size_t i = 0; i < n; i++)
		own[i] = text[i] == '$' ? '?' : text[i];
	(void)good(st, sqlite3_prepare_v3(st->db, own, (int)n, flags, &stmt, NULL));
	return stmt;
}

static sqlite3_stmt *statement(struct ch_store *st, size_t sql)
{
	assert(sql < st->count);
	if (st->err == CH_OK && st->prepared[sql].stmt == NULL)
		st->prepared[sql].stmt = prepare(st, st->sql[sql], SQLITE_PREPARE_PERSISTENT);
	return st->err == CH_OK ? st->prepared[sql].stmt : NULL;
}

enum ch_err ch_store_check(struct ch_store *st)
{
	for (size_t i = 0; i < st->count; i++) {
		if (statement(st, i) == NULL)
			break;
	}
	return st->err;
}

/* Table, name and statistics of every index (https://www.sqlite.org/fileformat2.html, 2.6.3): rows, then rows with the same first columns. */
#define INDEXES                                                                                                         \
	"SELECT m.name, CASE WHEN i.origin = 'pk' AND m.sql LIKE '%WITHOUT ROWID%' THEN m.name ELSE i.name END, "       \
	"CASE WHEN i.\"unique\" = 1 AND n.columns > 1 THEN "                                                            \
	"'1000000 1000000' || substr(' 10 10 10 10 10 10 10 10', 1, 3 * (n.columns - 2)) || ' 1' "                      \
	"ELSE '1000000 1000000' || substr(' 10 10 10 10 10 10 10 10', 1, 3 * (n.columns - 1)) END "                     \
	"FROM sqlite_schema m, pragma_index_list(m.name) i, "                                                           \
	"(SELECT t.name AS tbl, l.name AS idx, count(*) AS columns FROM sqlite_schema t, pragma_index_list(t.name) l, " \
	"pragma_index_info(l.name) WHERE t.type = 'table' GROUP BY 1, 2) n "                                            \
	"WHERE m.type = 'table' AND n.tbl = m.name AND n.idx = i.name"

enum ch_err ch_store_plan(struct ch_store *st)
{
	static const char *const step[] = {
		"ANALYZE sqlite_schema", /* makes the table of statistics */
		"DELETE FROM sqlite_stat1",
		"INSERT INTO sqlite_stat1 (tbl, idx, stat) " INDEXES,
	};
	ch_store_begin(st);
	for (size_t i = 0; i < CH_COUNT_OF(step); i++)
		ch_sql_text(st, step[i]);
	enum ch_err err = ch_store_commit(st);
	/* Reads what was written: statements that are prepared later, and again, go by it. */
	if (err == CH_OK)
		ch_sql_text(st, "ANALYZE sqlite_schema");
	return err != CH_OK ? err : st->err;
}

void ch_store_hold(struct ch_store *st)
{
	if (!st->open && !st->held && st->err == CH_OK)
		st->held = good(st, sqlite3_exec(st->db, "BEGIN", NULL, NULL, NULL));
}

void ch_store_begin(struct ch_store *st)
{
	assert(!st->open && st->mode == CH_STORE_WRITE);
	/* What is held becomes the one that writes: there is no other writer that it could be too late for. */
	if (st->held) {
		st->held = false;
		st->open = true;
		return;
	}
	st->err = CH_OK;
	st->open = good(st, sqlite3_exec(st->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
}

void ch_store_rollback(struct ch_store *st)
{
	/* Some failures have rolled back by themselves. */
	if ((st->open || st->held) && sqlite3_get_autocommit(st->db) == 0)
		(void)sqlite3_exec(st->db, "ROLLBACK", NULL, NULL, NULL);
	st->open = st->held = false;
}

enum ch_err ch_store_commit(struct ch_store *st)
{
	if ((st->open || st->held) && st->err == CH_OK)
		(void)good(st, sqlite3_exec(st->db, "COMMIT", NULL, NULL, NULL));
	if (st->err != CH_OK)
		ch_store_rollback(st);
	st->open = st->held = false;
	return st->err;
}

/* Steps of SQLite's machine between two questions: some tenths of a millisecond. */
#define LATE_STEPS 10000

static int is_late(void *ctx)
{
	const struct ch_store *st = ctx;
	return st->late(st->late_ctx) ? 1 : 0;
}

/*
 * The header of the log is there twice; a writer may be between the two when a reader looks, and done before it has asked whether there is
 * a writer. A reader that may not write takes that for a log that nobody mends (SQLITE_READONLY_RECOVERY).
 */
static int look(struct ch_store *st)
{
	int rc = sqlite3_step(st->look);
	for (int i = 0;
	     i < LOOKS && rc == SQLITE_READONLY && sqlite3_extended_errcode(st->db) == SQLITE_READONLY_RECOVERY; i++) {
		(void)sqlite3_reset(st->look);
		(void)sqlite3_sleep(i > 0);
		rc = sqlite3_step(st->look);
	}
	/* The error stands in what the reset returns, too. */
	int end = sqlite3_reset(st->look);
	return rc == SQLITE_ROW ? SQLITE_OK : end;
}

void ch_store_snapshot(struct ch_store *st, bool (*late)(void *ctx), void *ctx)
{
	assert(!st->open);
	st->err = CH_OK;
	st->late = late;
	st->late_ctx = ctx;
	sqlite3_progress_handler(st->db, late != NULL ? LATE_STEPS : 0, is_late, st);
	st->open = good(st, sqlite3_exec(st->db, "BEGIN", NULL, NULL, NULL));
	if (st->open && st->look == NULL)
		st->look = prepare(st, "SELECT 1 FROM sqlite_schema LIMIT 1", SQLITE_PREPARE_PERSISTENT);
	if (st->look != NULL && st->err == CH_OK)
		(void)good(st, look(st));
}

void ch_store_snapshot_end(struct ch_store *st)
{
	sqlite3_progress_handler(st->db, 0, NULL, NULL);
	ch_store_rollback(st);
}

static void bind(struct ch_store *st, sqlite3_stmt *stmt, struct ch_args args)
{
	/* A program that gives another number than the statement has is broken, whatever the data. */
	assert((int)args.n == sqlite3_bind_parameter_count(stmt));
	for (size_t i = 0; i < args.n; i++) {
		const struct ch_val *v = &args.v[i];
		/* An empty span may have no address, and SQLite would take that for NULL. */
		const void *p = v->s.n > 0 ? (const void *)v->s.p : "";
		int at = (int)i + 1;
		int rc = SQLITE_OK;
		switch (v->type) {
		case CH_VAL_INT:
			rc = sqlite3_bind_int64(stmt, at, v->i);
			break;
		case CH_VAL_BYTES:
			rc = sqlite3_bind_blob64(stmt, at, p, v->s.n, SQLITE_STATIC);
			break;
		case CH_VAL_TEXT:
			rc = sqlite3_bind_text64(stmt, at, p, v->s.n, SQLITE_STATIC, SQLITE_UTF8);
			break;
		case CH_VAL_NULL:
			rc = sqlite3_bind_null(stmt, at);
			break;
		}
		(void)good(st, rc);
	}
}

void ch_sql_do(struct ch_store *st, size_t sql, struct ch_args args)
{
	struct ch_query q = ch_sql_query(st, sql, args);
	(void)ch_sql_next(&q);
	(void)ch_sql_end(&q);
}

void ch_sql_text(struct ch_store *st, const char *text)
{
	if (st->err == CH_OK)
		(void)good(st, sqlite3_exec(st->db, text, NULL, NULL, NULL));
}

struct ch_query ch_sql_query(struct ch_store *st, size_t sql, struct ch_args args)
{
	sqlite3_stmt *stmt = statement(st, sql);
	if (stmt != NULL) {
		assert(!sqlite3_stmt_busy(stmt));
		bind(st, stmt, args);
	}
	return (struct ch_query){ st, stmt, false };
}

struct ch_query ch_sql_query_text(struct ch_store *st, const char *text, struct ch_args args)
{
	sqlite3_stmt *stmt = st->err == CH_OK ? prepare(st, text, 0) : NULL;
	if (stmt != NULL)
		bind(st, stmt, args);
	return (struct ch_query){ st, stmt, true };
}

bool ch_sql_next(struct ch_query *q)
{
	if (q->stmt == NULL || q->st->err != CH_OK)
		return false;
	int rc = sqlite3_step(q->stmt);
	return good(q->st, rc) && rc == SQLITE_ROW;
}

int64_t ch_sql_int(const struct ch_query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

struct ch_span ch_sql_bytes(const struct ch_query *q, int column)
{
	const void *p = sqlite3_column_blob(q->stmt, column);
	int n = sqlite3_column_bytes(q->stmt, column);
	return p != NULL && n > 0 ? ch_span(p, (size_t)n) : CH_SPAN_EMPTY;
}

bool ch_sql_is_null(const struct ch_query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

bool ch_sql_copy(const struct ch_query *q, int column, void *to, size_t n)
{
	struct ch_span s = ch_sql_bytes(q, column);
	memset(to, 0, n);
	return s.n == n && ch_span_copy(to, n, s) == n;
}

enum ch_err ch_sql_end(struct ch_query *q)
{
	if (q->stmt != NULL && q->owned)
		(void)sqlite3_finalize(q->stmt);
	if (q->stmt != NULL && !q->owned) {
		(void)sqlite3_reset(q->stmt);
		(void)sqlite3_clear_bindings(q->stmt);
	}
	q->stmt = NULL;
	return q->st->err;
}

int64_t ch_sql_number(struct ch_store *st, size_t sql, struct ch_args args, int64_t missing)
{
	struct ch_query q = ch_sql_query(st, sql, args);
	int64_t v = ch_sql_next(&q) && !ch_sql_is_null(&q, 0) ? ch_sql_int(&q, 0) : missing;
	(void)ch_sql_end(&q);
	return v;
}

#define BACKUP_STEP 256 /* pages between which the writer may go on */

enum ch_err ch_store_backup(struct ch_store *st, const char *path)
{
	/* Made here, exclusively: SQLite would write into a file that exists. */
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return access(path, F_OK) == 0 ? CH_ERR_DUPLICATE : CH_ERR_IO;
	(void)close(fd);
	sqlite3 *to = NULL;
	int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", st->db, "main") : NULL;
	if (b != NULL) {
		do
			rc = sqlite3_backup_step(b, BACKUP_STEP);
		while (rc == SQLITE_OK);
		int end = sqlite3_backup_finish(b);
		rc = rc == SQLITE_DONE ? end : rc;
	} else if (rc == SQLITE_OK) {
		rc = SQLITE_IOERR;
	}
	int closed = sqlite3_close(to);
	rc = rc == SQLITE_OK ? closed : rc;
	if (rc != SQLITE_OK)
		(void)unlink(path);
	return err_of(rc);
}

void ch_store_checkpoint(struct ch_store *st)
{
	(void)sqlite3_wal_checkpoint_v2(st->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}
