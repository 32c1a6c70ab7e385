/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_STORE_SCHEMA_H
#define CH_HOST_STORE_SCHEMA_H

#include "host/store/store.h"

/*
 * The schema, as numbered migrations that are never changed once released, only followed by others. docs/store.md has one row a
 * table. A store newer than the program is refused: a program that does not know a column would lose what it means.
 */

#define CH_TENANT_DEFAULT 0

/* The number of the last migration that this program has. */
int64_t ch_schema_newest(void);
/* The number of the last migration that the store has; 0 for an empty file. -1 if it cannot be read. */
int64_t ch_schema_version(struct ch_store *st);

/* Told of each migration that is due, before it runs: `sql` is one statement of it. */
typedef void (*ch_schema_tell)(void *ctx, int64_t number, const char *what, const char *sql);

/*
 * Brings the store to the newest schema, each migration in its own transaction. CH_ERR_UNSUPPORTED if the store is newer than the
 * program. `time_ms` is written beside each. With `dry_run` nothing is changed. `tell` may be NULL.
 */
enum ch_schema_run { CH_SCHEMA_DRY_RUN = 0, CH_SCHEMA_APPLY = 0x3c };
CH_MUST_USE enum ch_err ch_schema_migrate(struct ch_store *st, enum ch_schema_run run, int64_t time_ms,
					  ch_schema_tell tell, void *ctx);

#endif
