/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/ostree_walk.h"
#include "cli/release.h"
#include "core/base/text.h"
#include "core/update/archive.h"
#include "core/update/ostree_pack.h"
#include "host/crypto_openssl/backend.h"
#include "host/sys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * chainhold release ostree: a commit out of a repository, with its objects, as one artefact on standard output. Names of files are made of hashes or
 * were checked; they are opened one by one, confined to reading, and never through a symbolic link.
 */

#define PIECE      ((size_t)1 << 18)
#define OBJECT_MAX ((size_t)64 << 20) /* of a commit, dirtree or dirmeta */
#define ARCHIVE                                                                                     \
	"the repository must be one of the mode archive: 'ostree --repo=NEW init --mode=archive', " \
	"'ostree --repo=NEW pull-local OLD REF'"

struct file {
	char path[CH_ARCHIVE_PATH_MAX + 1];
	struct ch_span text; /* of config and ref; empty: a file of the repository */
	uint64_t size;
};

struct work {
	const char *path, *ref, *wanted;
	int repo;
	uint8_t commit[32];
	char line[66]; /* of the ref */
	struct cli_ostree_set set;
	struct ch_buf object;
	struct file *file;
	size_t count;
};

/* --- files of the repository --- */

/* "a/b/c" beneath the repository, a folder at a time; -1 with errno. */
static int open_beneath(int repo, const char *path)
{
	char part[CH_ARCHIVE_PATH_MAX + 1];
	int at = repo;
	for (;;) {
		size_t n = strcspn(path, "/");
		bool last = path[n] == '\0';
		part[ch_span_copy(part, sizeof(part) - 1, ch_span(path, n))] = '\0';
		int next = openat(at, part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
		int why = errno;
		if (at != repo)
			(void)close(at);
		errno = why;
		if (next < 0 || last)
			return next;
		at = next;
		path += n + 1;
	}
}

/* The same for a regular file, with its size. */
static int open_file(int repo, const char *path, uint64_t *size)
{
	struct stat st;
	int fd = open_beneath(repo, path);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
		return fd;
	}
	(void)close(fd);
	errno = EINVAL;
	return -1;
}

static void object_path(char to[static CH_ARCHIVE_PATH_MAX + 1], const struct cli_ostree_object *o)
{
	struct ch_wr w = ch_wr(to, CH_ARCHIVE_PATH_MAX);
	ch_ostree_path_put(&w, o->type, o->id);
	to[w.len] = '\0';
}

static enum ch_err object_get(void *ctx, const struct cli_ostree_object *o, struct ch_span *bytes, struct ch_diag *d)
{
	struct work *k = ctx;
	char path[CH_ARCHIVE_PATH_MAX + 1];
	uint64_t size = 0;
	object_path(path, o);
	int fd = open_file(k->repo, path, &size);
	if (fd < 0)
		return ch_fail(d, CH_ERR_MISSING, 0, "an object that the commit needs is not there (OSTree)");
	k->object.n = 0;
	ssize_t n = 0;
	while (k->object.n <= size && size <= OBJECT_MAX) {
		n = read(fd, ch_buf_room(&k->object, PIECE), PIECE);
		if (n <= 0)
			break;
		k->object.n += (size_t)n;
	}
	(void)close(fd);
	if (size > OBJECT_MAX || n < 0 || k->object.n != size)
		return ch_fail(d, CH_ERR_IO, 0, "an object cannot be read, or is larger than 64 MiB (OSTree)");
	*bytes = ch_buf_span(&k->object);
	return CH_OK;
}

/* --- what goes in --- */

static struct file *add_file(struct work *k, const char *path)
{
	struct file *f = &k->file[k->count++];
	*f = (struct file){ .size = 0 };
	(void)ch_span_copy(f->path, sizeof(f->path) - 1, ch_span_str(path));
	return f;
}

static void add_text(struct work *k, const char *path, const char *text)
{
	struct file *f = add_file(k, path);
	f->text = ch_span_str(text);
	f->size = f->text.n;
}

static int add_object(struct work *k, const struct cli_ostree_object *o, bool required)
{
	char path[CH_ARCHIVE_PATH_MAX + 1];
	uint64_t size = 0;
	object_path(path, o);
	int fd = open_file(k->repo, path, &size);
	if (fd < 0 && !required && errno == ENOENT)
		return -1;
	if (fd < 0 || size > CH_ARCHIVE_FILE_MAX) {
		cli_say("%s/%s: %s; %s", k->path, path, fd < 0 ? strerror(errno) : "larger than 8 GiB", ARCHIVE);
		return CLI_FAILS;
	}
	(void)close(fd);
	add_file(k, path)->size = size;
	return -1;
}

/* Shell's; qsort asks the system how much memory there is, which is not allowed here. */
static void sort(struct file *f, size_t count)
{
	for (size_t gap = count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
		for (size_t i = gap; i < count; i++) {
			struct file one = f[i];
			size_t k = i;
			for (;
			     k >= gap && ch_archive_path_order(ch_span_str(one.path), ch_span_str(f[k - gap].path)) < 0;
			     k -= gap)
				f[k] = f[k - gap];
			f[k] = one;
		}
	}
}

static int gather(struct work *k)
{
	char heads[CH_ARCHIVE_PATH_MAX + 1];
	struct cli_ostree_object at = { .type = CH_OSTREE_COMMIT };
	const struct cli_ostree_source source = { object_get, k };
	struct ch_diag d;
	enum ch_err err = cli_ostree_walk(&k->set, &source, k->commit, &at, &d);
	if (err != CH_OK) {
		char path[CH_ARCHIVE_PATH_MAX + 1];
		object_path(path, &at);
		cli_say("%s/%s: %s", k->path, path, d.rule);
		return CLI_FAILS;
	}
	k->file = ch_calloc(k->set.count + 3, sizeof(*k->file));
	struct ch_wr w = ch_wr(heads, sizeof(heads) - 1);
	ch_wr_str(&w, "refs/heads/");
	ch_wr_str(&w, k->ref);
	heads[w.len] = '\0';
	add_text(k, "config", CH_OSTREE_CONFIG);
	add_text(k, heads, k->line);
	int code = -1;
	for (size_t i = 0; code < 0 && i < k->set.count; i++)
		code = add_object(k, &k->set.object[i], true);
	at = (struct cli_ostree_object){ .type = CH_OSTREE_DETACHED };
	(void)ch_span_copy(at.id, sizeof(at.id), CH_SPAN_OF(k->commit));
	if (code < 0)
		code = add_object(k, &at, false);
	sort(k->file, k->count);
	return code;
}

/* --- out --- */

static void put_zeros(struct ch_wr *w, size_t n)
{
	while (n-- > 0)
		ch_wr_u8(w, 0);
}

static void put_index(const struct work *k, struct ch_wr *w)
{
	size_t n = (1 + k->count) * CH_OSTREE_RECORD;
	uint64_t at = ch_ostree_pack_body(k->count);
	ch_ustar_put(w, CH_SPAN_LIT(CH_OSTREE_INDEX), n);
	ch_ostree_head_put(w, k->commit, k->count);
	for (size_t i = 0; i < k->count; i++) {
		const struct file *f = &k->file[i];
		const struct ch_ostree_place p = { ch_span_str(f->path), at + CH_USTAR_BLOCK, f->size };
		ch_ostree_place_put(w, &p);
		at = p.off + p.size + ch_ustar_padding(p.size);
	}
	put_zeros(w, ch_ustar_padding(n));
}

static int put_file(const struct work *k, const struct file *f, struct ch_wr *w, uint8_t *piece)
{
	uint64_t size = f->size, done = 0;
	ch_ustar_put(w, ch_span_str(f->path), f->size);
	if (f->text.n > 0) {
		ch_wr_put(w, f->text);
		done = size;
	} else {
		int fd = open_file(k->repo, f->path, &size);
		ssize_t n = 1;
		while (fd >= 0 && n > 0 && done <= f->size) {
			n = read(fd, piece, PIECE);
			if (n > 0)
				ch_wr_put(w, ch_span(piece, (size_t)n));
			done += n > 0 ? (uint64_t)n : 0;
		}
		if (fd >= 0)
			(void)close(fd);
	}
	if (done != f->size) {
		cli_say("%s/%s: it cannot be read, or changed meanwhile", k->path, f->path);
		return CLI_IO;
	}
	put_zeros(w, ch_ustar_padding(f->size));
	return -1;
}

static int write_pack(const struct work *k)
{
	CH_AUTO_FREE uint8_t *piece = ch_calloc(PIECE, 1);
	struct ch_wr *w = cli_out();
	int code = -1;
	put_index(k, w);
	for (size_t i = 0; code < 0 && i < k->count && !w->bad; i++)
		code = put_file(k, &k->file[i], w, piece);
	put_zeros(w, 1024);
	return cli_out_end(code < 0 ? CLI_HOLDS : code);
}

/* --- the command --- */

static int open_repo(struct work *k)
{
	char path[CH_ARCHIVE_PATH_MAX + 1];
	struct ch_wr p = ch_wr(path, sizeof(path) - 1), w = ch_wr(k->line, sizeof(k->line) - 1);
	uint64_t size;
	k->repo = open(k->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->repo < 0) {
		cli_say("%s: %s", k->path, strerror(errno));
		return CLI_IO;
	}
	if (!ch_ostree_ref_valid(ch_span_str(k->ref))) {
		cli_say("--ref is a name of letters, digits, '-', '.', '_' and '/'");
		return CLI_USAGE;
	}
	char text[66] = "";
	if (k->wanted == NULL) {
		ch_wr_str(&p, "refs/heads/");
		ch_wr_str(&p, k->ref);
		path[p.len] = '\0';
		int fd = open_file(k->repo, path, &size);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			(void)close(fd);
		if (n != 65 || text[64] != '\n') {
			cli_say("%s/%s: there is no such ref", k->path, path);
			return CLI_FAILS;
		}
		text[64] = '\0';
	}
	if (ch_hex_decode(k->commit, sizeof(k->commit), ch_span_str(k->wanted != NULL ? k->wanted : text)) != CH_OK) {
		cli_say("a commit is named by 64 hexadecimal digits");
		return CLI_FAILS;
	}
	ch_wr_hex(&w, CH_SPAN_OF(k->commit));
	ch_wr_u8(&w, '\n');
	k->line[w.len] = '\0';
	return -1;
}

/* From here on files are opened for reading, with landlock beneath the repository only. */
static int confine(const struct work *k)
{
	const char *const beneath[] = { k->path, NULL };
	const struct ch_sandbox s = { .allow = CH_ALLOW_FILES_READ, .read_only = beneath };
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL does not offer what is needed");
		return CLI_IO;
	}
	if (ch_sandbox_enter(&s, NULL) != CH_OK) {
		cli_say("the kernel refuses to confine this program: %s", strerror(errno));
		return CLI_IO;
	}
	return -1;
}

int cmd_release_ostree(int argc, char **argv)
{
	static struct work k = { .repo = -1 };
	const struct cli_opt opt[] = {
		{ "ref", "REF", "the branch that devices follow", CLI_VALUE, &k.ref },
		{ "commit", "HEX", "another commit than the one that the branch has now", CLI_VALUE, &k.wanted },
	};
	const struct cli_usage u = {
		.args = "--ref REF [--commit HEX] REPOSITORY >FILE",
		.about =
			"Writes a commit of an OSTree repository (mode archive), with all that it needs and its detached signatures, as one\n"
			"file: an artefact for 'chainhold release create', from which the server serves 'ostree pull'.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &k.path,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0 && (k.ref == NULL || isatty(STDOUT_FILENO) == 1)) {
		cli_say(k.ref == NULL ? "--ref is missing: see --help" : "standard output is a terminal: give a file");
		code = CLI_USAGE;
	}
	if (code < 0)
		code = open_repo(&k);
	if (code < 0)
		code = confine(&k);
	if (code < 0)
		code = gather(&k);
	if (code < 0)
		code = write_pack(&k);
	cli_ostree_set_clear(&k.set);
	ch_buf_free(&k.object);
	ch_free(k.file);
	return code;
}
