/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signer's file under power cuts, kills and failing syncs. The linker puts the calls of tree.c through here (--wrap): what was not
 * synced when the power goes may be there, torn, or not, block by block; a rename may have happened, or not, until its folder was
 * synced; a sync that fails forgets what it was to write. This happens at every call in turn, those of a start among them, and the
 * signer starts anew. It must then stand exactly where it was, or at a tree whose checkpoint nobody has yet: never behind a checkpoint
 * that left it. Syncs are left out on purpose, each kind once: that must be noticed, or this test would notice nothing.
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

#define FILES_MAX 16
#define SECTOR    512 /* what a disk writes at once, at the least */
#define SECTORS   (CH_SIGNER_TREE_BYTES / SECTOR)
#define FDS_MAX   256
#define STEPS     12 /* calls of a start that makes the file, and some more */
#define SEEDS     8
#define BATCHES   4

enum sync_of { NOTHING, NEW_FILE, FOLDER, SLOT, START, START_FIRST };

struct file {
	uint8_t now[CH_SIGNER_TREE_BYTES], kept[CH_SIGNER_TREE_BYTES];
	size_t now_n, kept_n;
	bool dirty[SECTORS]; /* to be written by the next sync */
};

static struct disk {
	bool on;
	char dir[64];
	enum sync_of left_out;
	bool starting;
	unsigned syncs; /* of this start */
	long power;     /* calls left before they fail; negative: they never do */
	uint32_t seed;
	struct file file[FILES_MAX];
	size_t count;
	struct file *now[2], *kept[2]; /* "tree" and "tree.new": as programs see them, as the folder was synced */
	struct file *of[FDS_MAX];
	bool folder[FDS_MAX];
} disk;

int __real_open64(const char *path, int flags, ...);
ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
int __real_rename(const char *from, const char *to);
int __real_close(int fd);
int __wrap_open64(const char *path, int flags, ...);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_close(int fd);

static uint32_t draw(size_t below)
{
	disk.seed = disk.seed * 1664525u + 1013904223u;
	return (disk.seed >> 8) % (uint32_t)below;
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
	if (what < 2 && (flags & O_CREAT) != 0 && disk.now[what] == NULL) {
		assert_true(disk.count < FILES_MAX);
		disk.now[what] = &disk.file[disk.count++];
		*disk.now[what] = (struct file){ .now_n = 0 };
	}
	if (what < 2)
		disk.of[fd] = disk.now[what];
	if (what < 2 && (flags & O_TRUNC) != 0)
		disk.now[what]->now_n = 0;
	return fd;
}

/* Where the power goes during it, a part of it was written. */
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
	struct file *f = fd >= 0 && fd < FDS_MAX ? disk.of[fd] : NULL;
	if (f == NULL)
		return __real_pwrite64(fd, p, n, at);
	bool dies = powerless();
	size_t from = (size_t)at, done = dies ? draw(n + 1) : n;
	assert_true(from + n <= CH_SIGNER_TREE_BYTES);
	(void)ch_span_copy(f->now + from, done, ch_span(p, done));
	f->now_n = from + done > f->now_n ? from + done : f->now_n;
	for (size_t i = from; i < from + done; i++)
		f->dirty[i / SECTOR] = true;
	ssize_t wrote = __real_pwrite64(fd, p, done, at);
	errno = EIO;
	return dies ? -1 : wrote;
}

/* A sync that fails leaves the kernel believing that all is written. */
static int file_sync(struct file *f, enum sync_of what)
{
	bool dies = powerless();
	if (disk.left_out == what)
		return dies ? -1 : 0;
	for (size_t i = 0; i < SECTORS; i++) {
		if (f->dirty[i] && !dies)
			(void)ch_span_copy(f->kept + i * SECTOR, SECTOR, ch_span(f->now + i * SECTOR, SECTOR));
		f->dirty[i] = false;
	}
	if (!dies)
		f->kept_n = f->now_n;
	return dies ? -1 : 0;
}

int __wrap_fsync(int fd)
{
	if (fd >= 0 && fd < FDS_MAX && disk.of[fd] != NULL)
		return file_sync(disk.of[fd], NEW_FILE);
	if (fd < 0 || fd >= FDS_MAX || !disk.folder[fd])
		return 0;
	if (powerless())
		return -1;
	for (size_t i = 0; disk.left_out != FOLDER && i < 2; i++)
		disk.kept[i] = disk.now[i];
	return 0;
}

int __wrap_fdatasync(int fd)
{
	assert_true(fd >= 0 && fd < FDS_MAX && disk.of[fd] != NULL);
	bool first = disk.starting && disk.syncs++ == 0;
	return file_sync(disk.of[fd], first && disk.left_out == START_FIRST ? START_FIRST
				      : disk.starting                       ? START
									    : SLOT);
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

/* What a file holds after the power went: of each sector that was not synced the old, the new, or the new one's beginning and zeros. */
static void settle(struct file *f)
{
	if (f->now_n != f->kept_n)
		f->now_n = f->kept_n + draw(f->now_n > f->kept_n ? f->now_n - f->kept_n + 1 : 1);
	for (size_t i = 0; i < SECTORS; i++) {
		uint8_t *now = f->now + i * SECTOR;
		const uint8_t *kept = f->kept + i * SECTOR;
		bool open = f->dirty[i] || memcmp(now, kept, SECTOR) != 0;
		uint32_t how = open ? draw(3) : 0;
		size_t from = draw(SECTOR);
		if (how == 1)
			(void)ch_span_copy(now, SECTOR, ch_span(kept, SECTOR));
		if (how == 2)
			memset(now + from, 0, SECTOR - from);
		f->dirty[i] = false;
	}
	(void)ch_span_copy(f->kept, sizeof(f->kept), CH_SPAN_OF(f->now));
	f->kept_n = f->now_n;
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

/* The log's key while no signer has it: reading one is dearer than all the rest. */
static struct ch_sign_key key;

static bool start(struct ch_signer_tree *t)
{
	bool made;
	disk.starting = true;
	disk.syncs = 0;
	bool ok = ch_signer_tree_open(t, disk.dir, CH_SPAN_LIT("log.test/cut"), &key, &made) == CH_OK;
	disk.starting = false;
	return ok;
}

static void end(struct ch_signer_tree *t)
{
	if (t->key.type != CH_KEY_NONE)
		key = t->key;
	t->key = (struct ch_sign_key){ .type = CH_KEY_NONE };
	ch_signer_tree_clear(t);
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

/* True if the signer, running again, stands where it may; where that is, its checkpoint is asked for. */
static bool stands(const struct ch_signer_tree *t, struct story *s)
{
	if (!same(&t->last, &s->signed_) && !same(&t->last, &s->asked))
		return false;
	s->signed_ = s->asked = t->last;
	return true;
}

/*
 * The first start, then some times: leaves, whose making durable fails at the call `power`, and a new start, before which the power went or
 * not. From the second time on that start fails, too, at its call `power`, and another follows. In the end the power goes once more, right
 * after a start: what a checkpoint told then must hold.
 */
static bool goes_well(struct ch_signer_tree *t, struct story *s, long power)
{
	disk.power = power;
	bool up = start(t);
	for (size_t batch = 0; batch < BATCHES; batch++) {
		if (up && batch > 0) {
			disk.power = -1;
			ask(t, s);
			disk.power = power;
			ask(t, s);
		}
		end(t);
		if (draw(2) == 0)
			power_cut();
		disk.power = batch > 1 ? power : -1;
		up = start(t);
		if (!up && batch > 1) {
			power_cut();
			disk.power = -1;
			up = start(t);
		}
		if (!up || !stands(t, s))
			return false;
		power_cut();
		end(t);
		disk.power = -1;
		up = start(t);
		if (!up || !stands(t, s))
			return false;
	}
	return true;
}

static bool survives(uint32_t seed, long power, enum sync_of left_out)
{
	static const char *const name[] = { "/" CH_SIGNER_TREE_FILE, "/" CH_SIGNER_TREE_FILE ".new" };
	struct story s = { .leaves = 0 };
	struct ch_signer_tree t = { .fd = -1 };
	char path[128];
	disk = (struct disk){ .left_out = left_out, .power = -1, .seed = seed * 2654435761u + 1 };
	(void)snprintf(disk.dir, sizeof(disk.dir), "/tmp/chainhold-cut-XXXXXX");
	assert_non_null(mkdtemp(disk.dir));
	disk.on = true;
	bool ok = goes_well(&t, &s, power);
	end(&t);
	disk.on = false;
	for (size_t i = 0; i < CH_COUNT_OF(name); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", disk.dir, name[i]);
		(void)unlink(path);
	}
	(void)rmdir(disk.dir);
	return ok;
}

static size_t failures(enum sync_of left_out)
{
	size_t n = 0;
	assert_int_equal(ch_sign_key_make(&key, CH_KEY_ED25519), CH_OK);
	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		/* One is enough where a sync was left out. */
		for (long power = 0; power < STEPS && (left_out == NOTHING || n == 0); power++)
			n += !survives(seed, power, left_out);
	}
	ch_sign_key_clear(&key);
	return n;
}

static void no_checkpoint_is_forgotten(void **state)
{
	(void)state;
	assert_int_equal(failures(NOTHING), 0);
}

static void a_sync_that_is_left_out_is_noticed(void **state)
{
	(void)state;
	for (enum sync_of what = NEW_FILE; what <= START_FIRST; what++)
		assert_true(failures(what) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_checkpoint_is_forgotten),
		cmocka_unit_test(a_sync_that_is_left_out_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
