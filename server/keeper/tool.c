/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/tool.h"

#include "core/trust/leaf.h"
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"
#include "host/store/schema.h"
#include "server/keeper/keeper.h"
#include "server/keeper/restore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What a person does with a store: no channel, no sandbox, the rights of whoever runs it. */

static int say(const char *what, enum ch_err err, const char *why)
{
	fprintf(stderr, "chainhold-keeper: %s: %s%s%s\n", what, ch_err_str(err), why[0] != '\0' ? ": " : "", why);
	return EXIT_FAILURE;
}

static struct ch_store *open_store(const char *path, enum ch_store_mode mode)
{
	char why[CH_STORE_WHY] = "";
	struct ch_store *st;
	const struct ch_store_config c = {
		.path = path, .mode = mode, .sql = ch_keeper_sql, .sql_count = ch_keeper_sql_count
	};
	/* SQLite would make a new store out of a name that was mistyped. */
	enum ch_err err = access(path, F_OK) == 0 ? ch_store_open(&st, &c, why) : CH_ERR_NOTFOUND;
	if (err == CH_OK)
		return st;
	(void)say(path, err, why);
	return NULL;
}

static void tell(void *ctx, int64_t number, const char *what, const char *sql)
{
	int64_t *last = ctx;
	if (*last != number)
		printf("-- migration %lld: %s\n", (long long)number, what);
	*last = number;
	printf("%s;\n", sql);
}

static int migrate(const struct ch_tool_args *a)
{
	int64_t last = 0;
	struct ch_store *st = open_store(a->first, CH_STORE_WRITE);
	if (st == NULL)
		return EXIT_FAILURE;
	enum ch_err err = ch_schema_migrate(st, a->dry_run ? CH_SCHEMA_DRY_RUN : CH_SCHEMA_APPLY,
					    (int64_t)time(NULL) * 1000, tell, &last);
	int rc = err == CH_OK ? EXIT_SUCCESS : say(a->first, err, ch_store_why(st));
	if (rc == EXIT_SUCCESS && last == 0)
		printf("-- nothing to do: the store has migration %lld\n", (long long)ch_schema_version(st));
	ch_store_close(st);
	return rc;
}

static int copy(const char *from, const char *to)
{
	struct ch_store *st = open_store(from, CH_STORE_READ);
	if (st == NULL)
		return EXIT_FAILURE;
	enum ch_err err = ch_schema_version(st) > 0 ? ch_store_backup(st, to) : CH_ERR_MALFORMED;
	ch_store_close(st);
	return err == CH_OK ? EXIT_SUCCESS : say(to, err, err == CH_ERR_IO ? strerror(errno) : "");
}

static int backup(const struct ch_tool_args *a)
{
	return copy(a->first, a->second);
}

static void report(const struct ch_restored *r)
{
	printf("%llu entries of the log were in the backup, %llu came from the mirror, without their records:\n",
	       (unsigned long long)r->before, (unsigned long long)(r->after - r->before));
	for (unsigned i = 0; i < CH_COUNT_OF(r->type); i++) {
		const char *name = ch_leaf_type_str(i);
		if (r->type[i] > 0)
			printf("  %6llu %s\n", (unsigned long long)r->type[i],
			       name != NULL ? name : "of an unknown type");
	}
	printf("What they recorded is not in this store. Every device is asked for fresh evidence.\n");
}

/* A copy is its owner's only; a store is read by the reader too, who is of its group. */
static int share(const char *path)
{
	return chmod(path, 0640) == 0 ? EXIT_SUCCESS : say(path, CH_ERR_IO, strerror(errno));
}

static int restore(const struct ch_tool_args *a)
{
	struct ch_restored r;
	int rc = copy(a->first, a->second);
	if (rc == EXIT_SUCCESS)
		rc = share(a->second);
	if (rc != EXIT_SUCCESS || a->mirror == NULL)
		return rc;
	struct ch_store *st = open_store(a->second, CH_STORE_WRITE);
	if (st == NULL)
		return EXIT_FAILURE;
	enum ch_err err = ch_crypto_openssl_init();
	if (err == CH_OK)
		err = ch_restore_log(st, a->mirror, &r);
	if (err == CH_OK)
		report(&r);
	else
		rc = say(a->mirror, err, ch_store_why(st));
	ch_store_close(st);
	/* A store that is not what was asked for is not left to be started. */
	if (rc != EXIT_SUCCESS)
		(void)unlink(a->second);
	return rc;
}

static int new_origin(const struct ch_tool_args *a)
{
	struct ch_new_origin o = { .old = ch_span_str(a->second),
				   .next = ch_span_str(a->third),
				   .time = (int64_t)time(NULL) * 1000 };
	CH_AUTO_BUF struct ch_buf note = { 0 };
	enum ch_err err = a->checkpoint != NULL ? ch_file_read(&note, a->checkpoint) : CH_OK;
	if (err != CH_OK)
		return say(a->checkpoint, err, "");
	struct ch_store *st = open_store(a->first, CH_STORE_WRITE);
	if (st == NULL)
		return EXIT_FAILURE;
	o.note = ch_buf_span(&note);
	err = ch_crypto_openssl_init();
	if (err == CH_OK)
		err = ch_schema_migrate(st, CH_SCHEMA_APPLY, o.time, NULL, NULL);
	if (err == CH_OK)
		err = ch_restore_origin(st, &o);
	int rc = err == CH_OK ? EXIT_SUCCESS : say(a->first, err, ch_store_why(st));
	if (rc == EXIT_SUCCESS && o.done)
		printf("the log %s has begun already\n", a->third);
	else if (rc == EXIT_SUCCESS)
		printf("%s ended with %llu entries, of which the store has %llu; %s begins after it\n"
		       "Every device is asked for fresh evidence.\n",
		       a->second, (unsigned long long)o.size, (unsigned long long)o.kept, a->third);
	ch_store_close(st);
	return rc;
}

static const struct {
	const char *name;
	int (*run)(const struct ch_tool_args *a);
	int operands;
} commands[] = {
	{ "--migrate", migrate, 1 },
	{ "--backup", backup, 2 },
	{ "--restore", restore, 2 },
	{ "--new-origin", new_origin, 3 },
};

static int usage(FILE *to, int rc)
{
	fputs("usage: chainhold-keeper --migrate [--dry-run] STORE\n"
	      "       chainhold-keeper --backup STORE COPY\n"
	      "       chainhold-keeper --restore COPY STORE [--mirror DIR]\n"
	      "       chainhold-keeper --new-origin STORE OLD NEW [--checkpoint FILE]\n"
	      "Without an option it is started by chainholdd. See chainhold-keeper(8).\n",
	      to);
	return rc;
}

int ch_keeper_tool(int argc, char **argv)
{
	struct ch_tool_args a = { 0 };
	const char **operand[] = { &a.first, &a.second, &a.third };
	int operands = 0;
	size_t n = CH_COUNT_OF(commands);
	if (strcmp(argv[1], "--help") == 0)
		return usage(stdout, EXIT_SUCCESS);
	for (size_t i = 0; i < CH_COUNT_OF(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			n = i;
	}
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--dry-run") == 0)
			a.dry_run = true;
		else if (strcmp(argv[i], "--mirror") == 0 && i + 1 < argc)
			a.mirror = argv[++i];
		else if (strcmp(argv[i], "--checkpoint") == 0 && i + 1 < argc)
			a.checkpoint = argv[++i];
		else if (argv[i][0] == '-' || operands == CH_COUNT_OF(operand))
			return usage(stderr, 2);
		else
			*operand[operands++] = argv[i];
	}
	if (n == CH_COUNT_OF(commands) || operands != commands[n].operands)
		return usage(stderr, 2);
	return commands[n].run(&a);
}
