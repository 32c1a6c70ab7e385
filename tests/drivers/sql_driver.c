/* SPDX-License-Identifier: Apache-2.0 */
/* Prints every statement that the server has, one a line: the migrations, then those of keeper and reader. For test_sql.py. */
#include "host/store/schema.h"
#include "server/keeper/sql.h"
#include "server/reader/sql.h"

#include <stdio.h>

#define ROW(name, text) { #name, text },

static const struct {
	const char *name, *text;
} rows[] = { CH_KEEPER_SQL(ROW) CH_READER_SQL(ROW) };

static void migration(void *ctx, int64_t number, const char *what, const char *sql)
{
	(void)ctx;
	(void)number;
	(void)what;
	printf("migration\t%s\n", sql);
}

int main(void)
{
	char why[CH_STORE_WHY];
	struct ch_store *st;
	const struct ch_store_config c = { .path = ":memory:", .mode = CH_STORE_WRITE };
	if (ch_store_open(&st, &c, why) != CH_OK ||
	    ch_schema_migrate(st, CH_SCHEMA_DRY_RUN, 0, migration, NULL) != CH_OK)
		return 1;
	for (size_t i = 0; i < CH_COUNT_OF(rows); i++)
		printf("%s\t%s\n", rows[i].name, rows[i].text);
	ch_store_close(st);
	return 0;
}
