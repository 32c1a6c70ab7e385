/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import.h"
#include "cli/elsewhere.h"

#include "core/base/text.h"

/*
 * chainhold import --check, which needs nothing but the archive and a fleet root. Without --check files are put in place, and that is
 * chainhold-operator's, which asks this first.
 */

struct ask {
	const char *file[2];
	size_t count;
	const char *root, *seen, *index, *time;
	bool check, quiet;
};

static int open_all(struct import *m, const struct ask *a)
{
	m->roots[0].path = a->root;
	m->quiet = a->quiet;
	m->seen_path = a->seen;
	int code = cli_take_time(a->time, &m->time);
	if (code < 0)
		code = cli_read(&m->roots[0].file, a->root);
	if (code < 0 && a->seen != NULL)
		code = cli_read(&m->seen, a->seen);
	return code < 0 ? cli_archive_open(&m->archive, a->file[0]) : code;
}

int cmd_import(int argc, char **argv)
{
	static struct import m = { .archive = { .fd = -1 } };
	struct ask a = { .file = { NULL } };
	const struct cli_opt opt[] = {
		{ "check", NULL, "verify it and put nothing in place", CLI_FLAG, &a.check },
		{ "fleet-root", "FILE", "the fleet root that is trusted", CLI_VALUE, &a.root },
		{ "seen", "FILE", "with --check: the checkpoint of the log that was seen last", CLI_VALUE, &a.seen },
		{ "index", "HEX", "with --check: the SHA-256 that the index must have", CLI_VALUE, &a.index },
		{ "time", "SECONDS", "judge expiry at this time, since 1970 (now)", CLI_VALUE, &a.time },
		{ "quiet", NULL, "say only what does not hold", CLI_FLAG, &a.quiet },
	};
	const struct cli_usage u = {
		.args = "--fleet-root FILE [--check [--seen FILE] [--index HEX]] [--time SECONDS] [--quiet] ARCHIVE [DIR]",
		.about =
			"Verifies everything in an archive: it is signed by a role of the newest fleet root that the trusted one leads to;\n"
			"releases, artefacts, proofs, log, reference values, revocation lists. Then puts its files into DIR: nothing of\n"
			"it, if anything does not hold. An archive that is older than the one imported last is refused.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = a.file,
		.file_min = 1,
		.file_max = 2,
	};
	int code = cli_parse(&u, argc, argv, &a.count);
	if (code < 0 && a.root == NULL) {
		cli_say("name the fleet root that is trusted with --fleet-root");
		code = CLI_USAGE;
	}
	if (code < 0 && a.index != NULL && ch_hex_decode(m.index, sizeof(m.index), ch_span_str(a.index)) != CH_OK) {
		cli_say("--index is 64 hexadecimal digits");
		code = CLI_USAGE;
	}
	if (code < 0 && a.check != (a.count == 1)) {
		cli_say("name either the folder that it is put into, or --check");
		code = CLI_USAGE;
	}
	if (code < 0 && !a.check)
		return cli_elsewhere(argc, argv);
	m.has_index = a.index != NULL;
	if (code < 0)
		code = open_all(&m, &a);
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = import_check(&m);
	if (code < 0)
		code = CLI_HOLDS;
	code = cli_out_end(code);
	cli_archive_close(&m.archive);
	ch_buf_free(&m.roots[0].file);
	ch_buf_free(&m.roots[1].file);
	ch_buf_free(&m.trusted);
	ch_buf_free(&m.seen);
	ch_free(m.named);
	return code;
}
