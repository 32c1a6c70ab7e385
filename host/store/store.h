/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_STORE_H
#define CH_HOST_STORE_H

#include "core/base/err.h"
#include "core/base/span.h"
#include "host/base/mem.h"

/*
 * The store: SQL over SQLite in WAL mode with synchronous=FULL, so that a commit that returned survives the loss of power. One
 * process writes (keeper), others read. Statements are numbered texts of a table that the program brings (server/keeper/sql.h);
 * they are portable SQL, checked by tools/lint/sql.sh, with parameters $1, $2, …: argument n is $n wherever it stands.
 *
 * Failure is sticky, as in the readers and writers of core/base: after the first statement that fails, further ones do nothing,
 * and ch_store_commit() rolls back and tells. Errors: CH_ERR_LIMIT the disk is full, CH_ERR_DUPLICATE a key exists,
 * CH_ERR_IO the file cannot be read or written, CH_ERR_MALFORMED the file is no store, CH_ERR_INTERNAL any other.
 */

struct ch_store;

/* Reading is the default that a stray value cannot leave. */
enum ch_store_mode { CH_STORE_READ = 0, CH_STORE_WRITE = 0x57 };

struct ch_store_config {
	const char *path;
	enum ch_store_mode mode;
	const char *const *sql; /* the statements, borrowed for the life of the store */
	size_t sql_count;
	const char *vfs; /* name of a registered SQLite VFS, or NULL for the default: the crash tests bring their own */
};

/*
 * Opens the file; CH_STORE_WRITE makes it if it is missing. Statements are prepared when first used, so that a store without
 * tables can be opened for the migration. A reader sees the last committed state at the begin of each query. *st is NULL on
 * failure, and `why` receives SQLite's text, cut to its size.
 */
#define CH_STORE_WHY 128
CH_MUST_USE enum ch_err ch_store_open(struct ch_store **st, const struct ch_store_config *config,
				      char why[static CH_STORE_WHY]);
/* Rolls back what is not committed. NULL is fine. */
void ch_store_close(struct ch_store *st);

/* The first failure since the last ch_store_begin(), and its text (static or of the store, valid until the next call). */
enum ch_err ch_store_err(const struct ch_store *st);
const char *ch_store_why(const struct ch_store *st);
/* True if a transaction is open that may write. */
bool ch_store_busy(const struct ch_store *st);

/* True if the store has the table. */
bool ch_store_has_table(struct ch_store *st, const char *name);

/* Prepares every statement of the table: a start-up check that the schema has what the program wants. */
CH_MUST_USE enum ch_err ch_store_check(struct ch_store *st);

/*
 * Tells SQLite's planner that every table is large and one tenant's, whatever it holds now. Without that it takes a table of which nothing is
 * known for a small one and reads it from its end, where an index would find the row: a request would cost what the fleet is large.
 * Writes, once; CH_ERR_* as a commit.
 */
CH_MUST_USE enum ch_err ch_store_plan(struct ch_store *st);

/*
 * What the writer reads from here to its commit is read under one lock instead of one a query, and is one state. Nothing if that is so
 * already, or a transaction is open.
 */
void ch_store_hold(struct ch_store *st);
/* Starts a transaction that may write; clears the sticky failure, unless what is held goes on as this. */
void ch_store_begin(struct ch_store *st);
/* Makes it durable (one fdatasync), or rolls back if anything failed since ch_store_begin(). Ends what is held. */
CH_MUST_USE enum ch_err ch_store_commit(struct ch_store *st);
void ch_store_rollback(struct ch_store *st);

/*
 * Readers: what is read until the end is one state of the store. Clears the sticky failure. `late` is asked every few thousand
 * steps of a statement: true ends it, and the failure is CH_ERR_LIMIT. `late` may be NULL.
 */
void ch_store_snapshot(struct ch_store *st, bool (*late)(void *ctx), void *ctx);
void ch_store_snapshot_end(struct ch_store *st);

/* --- values --- */

enum ch_val_type { CH_VAL_NULL = 0, CH_VAL_INT, CH_VAL_BYTES, CH_VAL_TEXT };

/* A parameter. Bytes and text are borrowed until the statement was executed (ch_sql_do) or ended (ch_sql_end). */
struct ch_val {
	enum ch_val_type type;
	int64_t i;
	struct ch_span s;
};

static inline struct ch_val ch_null(void)
{
	return (struct ch_val){ .type = CH_VAL_NULL };
}
static inline struct ch_val ch_int(int64_t i)
{
	return (struct ch_val){ .type = CH_VAL_INT, .i = i };
}
static inline struct ch_val ch_bytes(struct ch_span s)
{
	return (struct ch_val){ .type = CH_VAL_BYTES, .s = s };
}
static inline struct ch_val ch_text(struct ch_span s)
{
	return (struct ch_val){ .type = CH_VAL_TEXT, .s = s };
}
static inline struct ch_val ch_text_str(const char *s)
{
	return ch_text(ch_span_str(s));
}

struct ch_args {
	const struct ch_val *v;
	size_t n;
};
/* The parameters of one statement, in their order; their number must be the statement's. */
#define CH_ARGS(...)                                               \
	((struct ch_args){ (const struct ch_val[]){ __VA_ARGS__ }, \
			   CH_COUNT_OF(((const struct ch_val[]){ __VA_ARGS__ })) })
#define CH_NO_ARGS ((struct ch_args){ NULL, 0 })

/* --- statements --- */

/* Executes a statement that returns no rows; `sql` is its number in the table. */
void ch_sql_do(struct ch_store *st, size_t sql, struct ch_args args);
/* The same for a text that is not in the table, without parameters: the migrations. */
void ch_sql_text(struct ch_store *st, const char *text);

/* A running query. One statement of the table can run once at a time. */
struct ch_query {
	struct ch_store *st;
	void *stmt;
	bool owned; /* freed at the end */
};

/* Starts a query. Always followed by ch_sql_end(). */
struct ch_query ch_sql_query(struct ch_store *st, size_t sql, struct ch_args args);
/* The same for a text that is not in the table: the migrations, and tools that look at a store. */
struct ch_query ch_sql_query_text(struct ch_store *st, const char *text, struct ch_args args);
/* Moves to the next row; false at the end and on failure. */
bool ch_sql_next(struct ch_query *q);
/* Columns of the current row, from 0. NULL is 0 or an empty span; a span lives until the next ch_sql_next() or ch_sql_end(). */
int64_t ch_sql_int(const struct ch_query *q, int column);
struct ch_span ch_sql_bytes(const struct ch_query *q, int column);
bool ch_sql_is_null(const struct ch_query *q, int column);
/* Copies a column that must have exactly n bytes; false (and zeroes) if it has not. */
bool ch_sql_copy(const struct ch_query *q, int column, void *to, size_t n);
/* Frees the statement for its next use. The result is the store's sticky failure. */
enum ch_err ch_sql_end(struct ch_query *q);

/* First column of the first row as a number; `missing` if there is no row or it is NULL. */
int64_t ch_sql_number(struct ch_store *st, size_t sql, struct ch_args args, int64_t missing);

/* --- whole files --- */

/*
 * Copies the store as it is now to a new file at `path`, page by page, while the store is in use, and syncs it. CH_ERR_DUPLICATE
 * if the file exists. The copy is a store of its own.
 */
CH_MUST_USE enum ch_err ch_store_backup(struct ch_store *st, const char *path);

/* Moves the write-ahead log into the file and empties it, as far as readers let it. */
void ch_store_checkpoint(struct ch_store *st);

#endif
