/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signer's file under power cuts. The linker puts the calls of tree.c through here (--wrap): what was not synced when the power
 * goes may be there, torn, or not; a rename may have happened, or not, until its folder was synced. Power goes at every call in turn,
 * and the signer starts anew. It must then stand exactly where it was, or at a tree whose checkpoint nobody has yet: never behind
 * a checkpoint that left it. A sync that is left out on purpose must be noticed, or this test would notice nothing.
 */
#include "server/signer/tree.h"

#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 64
#define BYTES_MAX 4096
#define FDS_MAX   256
#define STEPS     10 /* calls of one append, and some more */
#define SEEDS     8
#define BATCHES   4

enum lie { HONEST, NO_FILE_SYNC, NO_FOLDER_SYNC };

struct file {
	uint8_t now[BYTES_MAX], kept[BYTES_MAX];
	size_t now_n, kept_n;
	bool synced;
};

static struct disk {
	bool on;
	char dir[64];
	enum lie lie;
	long power; /* calls left before the power goes; negative: never */
	uint32_t seed;
	struct file file[FILES_MAX];
	size_t count;
	struct file *now[2], *kept[2]; /* "tree" and "tree.new": as programs see them, as the folder was synced */
	struct file *of[FDS_MAX];
	bool folder[FDS_MAX];
} disk;

int __real_open64(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *p, size_t n);
int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __real_close(int fd);
int __wrap_open64(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_close(int fd);

static uint32_t draw(uint32_t below)
{
	disk.seed = disk.seed * 1664525u + 1013904223u;
	return (disk.seed >> 8) % below;
}

/* 0 tree, 1 tree.new, 2 the folder, -1 anything else. */
static int which(const char *path)
{
	size_t n = strlen(disk.dir);
	if (!disk.on || strncmp(path, disk.dir, n) != 0)
		return -1;
	if (strcmp(path + n, "/" CH_SIGNER_TREE_FILE) == 0)
		return 0;
	if (strcmp(path + n, "/" CH_SIGNER_TREE_FILE ".new") == 0)
		return 1;
	return path[n] == '\0' ? 2 : -1;
}

static bool powerless(void)
{
	if (disk.power == 0) {
		errno = EIO;
		return true;
	}
	disk.power -= disk.power > 0;
	return false;
}

/* What open() is with 64-bit offsets, as Meson asks for. */
int __wrap_open64(const char *path, int flags, ...)
{
	int what = which(path);
	if (what >= 0 && (flags & O_CREAT) != 0 && powerless())
		return -1;
	int fd = __real_open64(path, flags, 0600);
	if (fd < 0 || fd >= FDS_MAX || what < 0)
		return fd;
	disk.folder[fd] = what == 2;
	if (what < 2 && (flags & O_CREAT) != 0) {
		/* Truncating is writing: what was there may be gone already. */
		if (disk.now[what] == NULL) {
			assert_true(disk.count < FILES_MAX);
			disk.now[what] = &disk.file[disk.count++];
			*disk.now[what] = (struct file){ .now_n = 0 };
		}
		disk.now[what]->now_n = 0;
		disk.now[what]->synced = false;
		disk.of[fd] = disk.now[what];
	}
	return fd;
}

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	struct file *f = fd >= 0 && fd < FDS_MAX ? disk.of[fd] : NULL;
	if (f == NULL)
		return __real_write(fd, p, n);
	if (powerless())
		return -1;
	f->now_n += ch_span_copy(f->now + f->now_n, BYTES_MAX - f->now_n, ch_span(p, n));
	f->synced = false;
	return __real_write(fd, p, n);
}

int __wrap_fsync(int fd)
{
	struct file *f = fd >= 0 && fd < FDS_MAX ? disk.of[fd] : NULL;
	bool folder = fd >= 0 && fd < FDS_MAX && disk.folder[fd];
	if ((f != NULL || folder) && powerless())
		return -1;
	if (f != NULL && disk.lie != NO_FILE_SYNC) {
		f->kept_n = ch_span_copy(f->kept, BYTES_MAX, ch_span(f->now, f->now_n));
		f->synced = true;
	}
	for (size_t i = 0; folder && disk.lie != NO_FOLDER_SYNC && i < 2; i++)
		disk.kept[i] = disk.now[i];
	return 0;
}

int __wrap_rename(const char *from, const char *to)
{
	if (which(from) == 1 && which(to) == 0) {
		if (powerless())
			return -1;
		disk.now[0] = disk.now[1];
		disk.now[1] = NULL;
	}
	return __real_rename(from, to);
}

int __wrap_close(int fd)
{
	if (fd >= 0 && fd < FDS_MAX) {
		disk.of[fd] = NULL;
		disk.folder[fd] = false;
	}
	return __real_close(fd);
}

static void put(const char *name, const uint8_t *bytes, size_t n)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", disk.dir, name);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* What a file holds after the power went: what was synced, or any of what came later. */
static void settle(struct file *f)
{
	uint32_t how = f->synced ? 0 : draw(4);
	if (how == 0 && f->synced)
		return;
	if (how == 0) { /* nothing of it */
		f->now_n = ch_span_copy(f->now, BYTES_MAX, ch_span(f->kept, f->kept_n));
	} else if (how == 1 && f->now_n > 0) { /* its beginning */
		f->now_n = draw((uint32_t)f->now_n);
	} else if (how == 2 && f->now_n > 0) { /* its length, and zeros where the end belongs */
		size_t from = draw((uint32_t)f->now_n);
		memset(f->now + from, 0, f->now_n - from);
	} /* all of it */
	f->kept_n = ch_span_copy(f->kept, BYTES_MAX, ch_span(f->now, f->now_n));
	f->synced = true;
}

static void power_cut(void)
{
	static const char *const name[] = { CH_SIGNER_TREE_FILE, CH_SIGNER_TREE_FILE ".new" };
	char path[128];
	disk.on = false;
	for (size_t i = 0; i < 2; i++) {
		struct file *f = draw(2) == 0 ? disk.kept[i] : disk.now[i];
		(void)snprintf(path, sizeof(path), "%s/%s", disk.dir, name[i]);
		(void)unlink(path);
		disk.now[i] = disk.kept[i] = f;
		if (f == NULL)
			continue;
		settle(f);
		put(name[i], f->now, f->now_n);
	}
	disk.on = true;
	disk.power = -1;
}

/* --- the story --- */

/* Leaves as they were signed, and as they were asked for when the power went. */
struct story {
	struct ch_frontier signed_, asked;
	uint32_t leaves; /* made so far: no two are alike */
};

static bool same(const struct ch_frontier *a, const struct ch_frontier *b)
{
	struct ch_tree_hash x, y;
	return a->size == b->size && ch_frontier_root(a, &x) == CH_OK && ch_frontier_root(b, &y) == CH_OK &&
	       ch_tree_hash_eq(&x, &y);
}

static bool start(struct ch_signer_tree *t, const struct ch_buf *pem)
{
	struct ch_sign_key key;
	bool made;
	assert_int_equal(ch_sign_key_from_pem(&key, ch_buf_span(pem)), CH_OK);
	bool ok = ch_signer_tree_open(t, disk.dir, CH_SPAN_LIT("log.test/cut"), &key, &made) == CH_OK;
	ch_sign_key_clear(&key);
	return ok;
}

static void ask(struct ch_signer_tree *t, struct story *s)
{
	static uint8_t room[CH_IPC_CERT_MAX];
	uint8_t hashes[3 * 32] = { 0 };
	struct ch_msg_checkpoint out;
	s->asked = s->signed_;
	for (size_t i = 0; i < 3; i++) {
		struct ch_tree_hash h = { { 0 } };
		s->leaves++;
		(void)ch_span_copy(h.b, sizeof(h.b), ch_span(&s->leaves, sizeof(s->leaves)));
		(void)ch_span_copy(hashes + 32 * i, 32, ch_tree_hash_span(&h));
		assert_int_equal(ch_frontier_append(&s->asked, &h), CH_OK);
	}
	const struct ch_msg_leaves req = { .first = s->signed_.size, .hashes = CH_SPAN_OF(hashes) };
	ch_signer_tree_append(t, &out, room, &req);
	if (out.status == 0)
		s->signed_ = s->asked;
}

/* True if the signer, after the power came back, stands where it may. */
static bool survives(uint32_t seed, long power, enum lie lie, const struct ch_buf *pem)
{
	struct story s = { .leaves = 0 };
	struct ch_signer_tree t;
	bool ok = true;
	disk = (struct disk){ .lie = lie, .power = -1, .seed = seed * 2654435761u + 1 };
	(void)snprintf(disk.dir, sizeof(disk.dir), "/tmp/chainhold-cut-XXXXXX");
	assert_non_null(mkdtemp(disk.dir));
	disk.on = true;
	assert_true(start(&t, pem));
	for (size_t batch = 0; batch < BATCHES && ok; batch++) {
		ask(&t, &s);
		disk.power = power;
		ask(&t, &s);
		power_cut();
		ch_signer_tree_clear(&t);
		ok = start(&t, pem);
		if (ok && !same(&t.last, &s.signed_) && same(&t.last, &s.asked))
			s.signed_ = s.asked;
		ok = ok && same(&t.last, &s.signed_);
	}
	if (ok)
		ch_signer_tree_clear(&t);
	disk.on = false;
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/" CH_SIGNER_TREE_FILE, disk.dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/" CH_SIGNER_TREE_FILE ".new", disk.dir);
	(void)unlink(path);
	(void)rmdir(disk.dir);
	return ok;
}

static size_t failures(enum lie lie)
{
	struct ch_sign_key key;
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	size_t n = 0;
	assert_int_equal(ch_sign_key_make(&key, CH_KEY_ED25519), CH_OK);
	assert_int_equal(ch_sign_key_pem(&key, &pem), CH_OK);
	ch_sign_key_clear(&key);
	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		/* One is enough where a sync was left out. */
		for (long power = 0; power < STEPS && (lie == HONEST || n == 0); power++)
			n += !survives(seed, power, lie, &pem);
	}
	return n;
}

static void no_checkpoint_is_forgotten(void **state)
{
	(void)state;
	assert_int_equal(failures(HONEST), 0);
}

static void a_sync_that_is_left_out_is_noticed(void **state)
{
	(void)state;
	assert_true(failures(NO_FILE_SYNC) > 0);
	assert_true(failures(NO_FOLDER_SYNC) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_checkpoint_is_forgotten),
		cmocka_unit_test(a_sync_that_is_left_out_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
