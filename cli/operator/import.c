/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/archive.h"
#include "cli/operator/op.h"
#include "cli/operator/run.h"

#include "host/base/replace.h"
#include "host/crypto_openssl/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * chainhold import: chainhold, which is confined, verifies the archive; then its files are put in place by the index that was verified. Every
 * byte is hashed again on its way, so an archive that changes meanwhile changes nothing.
 */

#define LAST "archive.index" /* the index that was imported last, with its signatures */

struct ask {
	const char *file[2];
	const char *root, *time;
	bool quiet;
};

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
#define AUTO_FD __attribute__((cleanup(fd_close)))

static int failed(const char *dir, const char *name)
{
	cli_say("%s/%s: %s", dir, name, strerror(errno));
	return CLI_IO;
}

/* --- before anything is written --- */

/* An archive that is older than the one imported last takes nothing back. */
static int check_order(int dir, const struct ask *a, const struct cli_archive *c)
{
	CH_AUTO_BUF struct ch_buf last = { 0 };
	CH_AUTO_FREE struct ch_archive_file *file = ch_calloc(CH_ARCHIVE_FILES_MAX, sizeof(*file));
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(CH_ARCHIVE_NODES_MAX, sizeof(*node));
	struct ch_archive before;
	struct ch_diag d;
	enum ch_err err = ch_file_read_at(&last, dir, LAST, CH_ARCHIVE_INDEX_MAX + CH_ROLE_SIGS_MAX);
	if (err == CH_ERR_NOTFOUND)
		return -1;
	if (err != CH_OK)
		return failed(a->file[1], LAST);
	err = ch_archive_parse(&before, ch_buf_span(&last), file, node, &d);
	if (err != CH_OK)
		return cli_refused(LAST, NULL, err, &d);
	if (c->a.issued >= before.issued)
		return -1;
	cli_say("%s: it is older than the archive that was imported last", a->file[0]);
	return CLI_FAILS;
}

static int verify(const struct ask *a, const struct cli_archive *c)
{
	char hex[65] = "", seen[4096];
	struct ch_wr w = ch_wr(hex, sizeof(hex) - 1);
	char *argv[16] = { NULL };
	size_t n = 1;
	ch_wr_hex(&w, CH_SPAN_OF(c->sha256));
	int len = snprintf(seen, sizeof(seen), "%s/log/checkpoint", a->file[1]);
	const char *const fixed[] = { "import", "--check", "--index", hex, "--fleet-root", a->root };
	for (size_t i = 0; i < CH_COUNT_OF(fixed); i++)
		argv[n++] = (char *)(uintptr_t)fixed[i];
	if (len > 0 && (size_t)len < sizeof(seen) && access(seen, F_OK) == 0) {
		argv[n++] = (char *)(uintptr_t) "--seen";
		argv[n++] = seen;
	}
	if (a->time != NULL) {
		argv[n++] = (char *)(uintptr_t) "--time";
		argv[n++] = (char *)(uintptr_t)a->time;
	}
	if (a->quiet)
		argv[n++] = (char *)(uintptr_t) "--quiet";
	argv[n++] = (char *)(uintptr_t) "--";
	argv[n] = (char *)(uintptr_t)a->file[0];
	int code = op_run_chainhold(argv);
	return code == CLI_HOLDS ? -1 : code;
}

/* --- putting in place --- */

/* The folder that a name lies in, made as far as it is not there; the name's last part. Names are of the closed list: no "..". */
static int open_folder(int dir, const char *name, const char **last)
{
	int at = dup(dir);
	for (const char *slash; at >= 0 && (slash = strchr(name, '/')) != NULL; name = slash + 1) {
		char part[CH_ARCHIVE_PATH_MAX + 1];
		(void)snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);
		int next = mkdirat(at, part, 0755) != 0 && errno != EEXIST
				   ? -1
				   : openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		(void)close(at);
		at = next;
	}
	*last = name;
	return at;
}

static bool put(void *ctx, struct ch_span s)
{
	const int *fd = ctx;
	while (s.n > 0) {
		ssize_t n = write(*fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = ch_span_sub(s, (size_t)n, s.n - (size_t)n);
	}
	return true;
}

/* Written beside its place and hashed; nobody finds it by its name yet. */
static int stage(struct cli_archive *c, size_t i, int dir, const char *root)
{
	char name[CH_ARCHIVE_PATH_MAX + 1], part[CH_ARCHIVE_PATH_MAX + 8];
	const char *last;
	const struct ch_archive_file *f = &c->a.file[i];
	name[ch_span_copy(name, sizeof(name) - 1, f->path)] = '\0';
	AUTO_FD int folder = open_folder(dir, name, &last);
	(void)snprintf(part, sizeof(part), "%s.new", last);
	AUTO_FD int fd =
		folder < 0 ? -1 : openat(folder, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return failed(root, name);
	errno = 0;
	int code = cli_archive_stream(c, i, put, &fd);
	if (code == CLI_IO || (code < 0 && fsync(fd) != 0))
		code = failed(root, name);
	return code;
}

static int place(const struct cli_archive *c, size_t i, int dir, const char *root)
{
	char name[CH_ARCHIVE_PATH_MAX + 1], part[CH_ARCHIVE_PATH_MAX + 8];
	const char *last;
	const struct ch_archive_file *f = &c->a.file[i];
	name[ch_span_copy(name, sizeof(name) - 1, f->path)] = '\0';
	AUTO_FD int folder = open_folder(dir, name, &last);
	(void)snprintf(part, sizeof(part), "%s.new", last);
	if (folder < 0 || renameat(folder, part, folder, last) != 0 || fsync(folder) != 0)
		return failed(root, name);
	return -1;
}

static bool is_checkpoint(const struct ch_archive_file *f)
{
	return ch_span_eq(f->path, CH_SPAN_LIT("log/checkpoint"));
}

/* All files are whole and on the disk before the first gets its name; the checkpoint gets it last, as it speaks of the others. */
static int put_in_place(struct cli_archive *c, int dir, const char *root)
{
	int code = -1;
	for (size_t i = 0; code < 0 && i < c->a.count; i++)
		code = stage(c, i, dir, root);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; code < 0 && i < c->a.count; i++) {
			if (is_checkpoint(&c->a.file[i]) == (pass == 1))
				code = place(c, i, dir, root);
		}
	}
	if (code < 0 && ch_file_replace(dir, LAST, ch_buf_span(&c->note)) != CH_OK)
		code = failed(root, LAST);
	return code;
}

static int run(const struct ask *a)
{
	struct cli_archive c;
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL does not offer the algorithms that are needed");
		return CLI_IO;
	}
	if (mkdir(a->file[1], 0755) != 0 && errno != EEXIST) {
		cli_say("%s: %s", a->file[1], strerror(errno));
		return CLI_IO;
	}
	AUTO_FD int dir = open(a->file[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		cli_say("%s: %s", a->file[1], strerror(errno));
		return CLI_IO;
	}
	int code = cli_archive_open(&c, a->file[0]);
	if (code < 0)
		code = cli_archive_read(&c);
	if (code < 0)
		code = verify(a, &c);
	if (code < 0)
		code = check_order(dir, a, &c);
	if (code < 0)
		code = put_in_place(&c, dir, a->file[1]);
	cli_archive_close(&c);
	return code < 0 ? CLI_HOLDS : code;
}

int cmd_import(int argc, char **argv)
{
	static struct ask a;
	const struct cli_opt opt[] = {
		{ "fleet-root", "FILE", "the fleet root that is trusted", CLI_VALUE, &a.root },
		{ "time", "SECONDS", "judge expiry at this time, since 1970 (now)", CLI_VALUE, &a.time },
		{ "quiet", NULL, "say only what does not hold", CLI_FLAG, &a.quiet },
	};
	const struct cli_usage u = {
		.args = "--fleet-root FILE [--time SECONDS] [--quiet] ARCHIVE DIR",
		.about =
			"Verifies an archive as --check does, and puts its files into DIR: nothing of it, if anything does not hold. An\n"
			"archive that is older than the one imported last is refused. Needs no network.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = a.file,
		.file_min = 2,
		.file_max = 2,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0 && a.root == NULL) {
		cli_say("name the fleet root that is trusted with --fleet-root");
		code = CLI_USAGE;
	}
	return code < 0 ? run(&a) : code;
}
