/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/queue.h"
#include "host/base/replace.h"
#include "host/sys/log.h"
#include "tests/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A disk that loses what was not synced. What this program writes goes to a folder of its own ("live"); what would be there after
 * a power cut is kept in another ("disk"): a file's bytes get there by fsync, names (made, renamed, removed) by fsync of the
 * folder. A cut before step N of all the steps that write gives the disk as it is, with unsynced names and bytes there in part.
 */

#define NAMES 16

static char live[] = "/tmp/queue-live-XXXXXX", disk[] = "/tmp/queue-disk-XXXXXX";
static int live_fd, disk_fd;
static unsigned step, cut_at; /* 0: no cut */
static bool off;              /* the power is gone: nothing reaches the disk any more */

static struct {
	char from[64], to[64]; /* rename; `to` empty: removed */
} pending[NAMES];
static size_t pending_count;

static void copy(int from_dir, const char *from, int to_dir, const char *to, bool torn)
{
	uint8_t b[65536];
	int in = (int)syscall(SYS_openat, from_dir, from, O_RDONLY, 0);
	if (in < 0)
		return;
	ssize_t n = read(in, b, sizeof(b));
	(void)close(in);
	int out = (int)syscall(SYS_openat, to_dir, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(out >= 0 && n >= 0);
	if (torn && n > 1) {
		n /= 2;
		b[n - 1] ^= 0x40;
	}
	assert_int_equal(syscall(SYS_write, out, b, (size_t)n), n);
	(void)close(out);
}

static void apply(size_t i)
{
	if (pending[i].to[0] == '\0')
		(void)syscall(SYS_unlinkat, disk_fd, pending[i].from, 0);
	else
		(void)syscall(SYS_renameat, disk_fd, pending[i].from, disk_fd, pending[i].to);
}

/* The moment at which the power goes. Names that were changed and not synced may have got there: all of them do, here. */
static void tick(void)
{
	step++;
	if (cut_at == 0 || step != cut_at || off)
		return;
	off = true;
	for (size_t i = 0; i < pending_count; i++)
		apply(i);
	pending_count = 0;
}

static bool name_of_fd(int fd, char name[static 64])
{
	char link[64], path[256];
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	const char *slash = strrchr(path, '/');
	(void)snprintf(name, 64, "%s", slash + 1);
	return strncmp(path, live, strlen(live)) == 0 && path[strlen(live)] == '/';
}

/* In place of the C library's, for the code under test. */
int fsync(int fd)
{
	char name[64];
	tick();
	if (off)
		return 0;
	if (name_of_fd(fd, name)) {
		copy(live_fd, name, disk_fd, name, false);
	} else {
		for (size_t i = 0; i < pending_count; i++)
			apply(i);
		pending_count = 0;
	}
	return 0;
}

ssize_t write(int fd, const void *p, size_t n)
{
	char name[64];
	tick();
	ssize_t done = syscall(SYS_write, fd, p, n);
	/* bytes that were not synced may be there, and wrong */
	if (!off && name_of_fd(fd, name))
		copy(live_fd, name, disk_fd, name, true);
	return done;
}

int renameat(int a, const char *from, int b, const char *to)
{
	tick();
	if (!off) {
		assert_true(pending_count < NAMES);
		(void)snprintf(pending[pending_count].from, 64, "%s", from);
		(void)snprintf(pending[pending_count++].to, 64, "%s", to);
	}
	return (int)syscall(SYS_renameat, a, from, b, to);
}

int unlinkat(int dir, const char *name, int flags)
{
	if (dir != live_fd)
		return (int)syscall(SYS_unlinkat, dir, name, flags);
	tick();
	if (!off) {
		assert_true(pending_count < NAMES);
		(void)snprintf(pending[pending_count].from, 64, "%s", name);
		pending[pending_count++].to[0] = '\0';
	}
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

static void empty(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (e->d_name[0] != '.')
			(void)syscall(SYS_unlinkat, dir, e->d_name, 0);
	}
	(void)closedir(d);
}

static void power_on(unsigned cut)
{
	empty(live_fd);
	empty(disk_fd);
	pending_count = 0;
	step = 0;
	cut_at = cut;
	off = false;
}

static struct ag_record_evidence entry(char key)
{
	struct ag_record_evidence r = { .quote = CH_SPAN_LIT("quote"),
					.signature = CH_SPAN_LIT("sig"),
					.log = CH_SPAN_LIT("the log, or what is new in it") };
	memset(r.idempotency_key, key, sizeof(r.idempotency_key));
	return r;
}

/* The key of the oldest entry that is whole; 0 if there is none. */
static char first_key(struct ag_queue *q)
{
	struct ch_buf file;
	struct ag_record_evidence r;
	uint32_t number;
	if (ag_queue_first(q, &file, &r, &number) != CH_OK)
		return 0;
	char key = (char)r.idempotency_key[0];
	ch_buf_free(&file);
	return key;
}

static int setup(void **state)
{
	(void)state;
	ch_log_level(CH_LOG_ERROR - 1);
	assert_non_null(mkdtemp(live));
	assert_non_null(mkdtemp(disk));
	live_fd = open(live, O_RDONLY | O_DIRECTORY);
	disk_fd = open(disk, O_RDONLY | O_DIRECTORY);
	return live_fd < 0 || disk_fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	power_on(0);
	return rmdir(live) + rmdir(disk);
}

/* Adds 'a', adds 'b', removes 'a'. *done tells how many of these returned before the power went. */
static void work(unsigned *done)
{
	struct ag_queue q;
	uint32_t a, b;
	struct ag_record_evidence r = entry('a');
	*done = 0;
	assert_int_equal(ag_queue_open(&q, live_fd), CH_OK);
	assert_int_equal(ag_queue_add(&q, &r, &a), CH_OK);
	*done += !off;
	r = entry('b');
	assert_int_equal(ag_queue_add(&q, &r, &b), CH_OK);
	*done += !off;
	ag_queue_remove(&q, a);
	*done += !off;
}

static void what_was_acknowledged_survives_a_cut_at_every_step(void **state)
{
	(void)state;
	unsigned done;
	power_on(0);
	work(&done);
	unsigned steps = step;
	assert_int_equal(done, 3);
	assert_true(steps >= 10);
	for (unsigned cut = 1; cut <= steps; cut++) {
		struct ag_queue q;
		power_on(cut);
		work(&done);
		assert_int_equal(ag_queue_open(&q, disk_fd), CH_OK);
		char key = first_key(&q);
		if (done == 0)
			assert_true(key == 0 || key == 'a');
		if (done == 1)
			assert_int_equal(key, 'a');
		if (done == 2)
			assert_true(key == 'a' || key == 'b');
		if (done >= 1 && key == 'a' && q.count > 1) {
			ag_queue_remove(&q, q.entry[0].number);
			key = first_key(&q);
			assert_true(done == 1 ? key == 0 || key == 'b' : key == 'b');
		}
	}
}

/* The same with a file that is renamed before its bytes are synced: the simulator must see the difference. */
static void the_simulator_finds_a_missing_sync(void **state)
{
	(void)state;
	bool found = false;
	for (unsigned cut = 1; cut < 8; cut++) {
		const struct ag_record_evidence r = entry('a');
		uint8_t file[512];
		struct ch_wr w = ch_wr(file, sizeof(file));
		struct ag_queue q;
		power_on(cut);
		assert_int_equal(ag_record_put_evidence(&w, &r), CH_OK);
		int fd = openat(live_fd, "q-00000001.new", O_WRONLY | O_CREAT, 0600);
		assert_true(write(fd, file, w.len) == (ssize_t)w.len);
		(void)close(fd);
		(void)renameat(live_fd, "q-00000001.new", live_fd, "q-00000001");
		(void)fsync(live_fd);
		bool acknowledged = !off;
		assert_int_equal(ag_queue_open(&q, disk_fd), CH_OK);
		found = found || (acknowledged && first_key(&q) != 'a');
	}
	assert_true(found);
}

static void entries_come_in_their_order_and_the_oldest_goes_first(void **state)
{
	(void)state;
	struct ag_queue q;
	uint32_t number;
	power_on(0);
	assert_int_equal(ag_queue_open(&q, live_fd), CH_OK);
	for (unsigned i = 0; i < AG_QUEUE_ENTRIES_MAX + 2; i++) {
		pending_count = 0;
		const struct ag_record_evidence r = entry((char)("0123456789abcdef"[i % 16]));
		assert_int_equal(ag_queue_add(&q, &r, &number), CH_OK);
	}
	assert_int_equal(q.count, AG_QUEUE_ENTRIES_MAX);
	assert_int_equal(number, AG_QUEUE_ENTRIES_MAX + 2);
	assert_int_equal(first_key(&q), '2');
	struct ag_queue again;
	assert_int_equal(ag_queue_open(&again, live_fd), CH_OK);
	assert_int_equal(again.count, AG_QUEUE_ENTRIES_MAX);
	for (size_t i = 0; i < again.count; i++)
		assert_int_equal(again.entry[i].number, i + 3);
}

static void a_damaged_entry_does_not_hide_the_next(void **state)
{
	(void)state;
	struct ag_queue q;
	uint32_t number;
	power_on(0);
	assert_int_equal(ag_queue_open(&q, live_fd), CH_OK);
	for (char key = 'a'; key <= 'b'; key++) {
		const struct ag_record_evidence r = entry(key);
		assert_int_equal(ag_queue_add(&q, &r, &number), CH_OK);
	}
	assert_int_equal(ch_file_replace(live_fd, "q-00000001", CH_SPAN_LIT("CHAG half")), CH_OK);
	assert_int_equal(first_key(&q), 'b');
	assert_int_equal(q.count, 1);
}

static void other_files_are_left_alone(void **state)
{
	(void)state;
	static const char *const names[] = { "identity", "q-1", "q-0000000a", "q-000000011", "qq00000001" };
	struct ag_queue q;
	power_on(0);
	for (size_t i = 0; i < CH_COUNT_OF(names); i++)
		assert_int_equal(ch_file_replace(live_fd, names[i], CH_SPAN_LIT("x")), CH_OK);
	(void)close(openat(live_fd, "q-00000007.new", O_WRONLY | O_CREAT, 0600));
	assert_int_equal(ag_queue_open(&q, live_fd), CH_OK);
	assert_int_equal(q.count, 0);
	for (size_t i = 0; i < CH_COUNT_OF(names); i++)
		assert_int_equal(faccessat(live_fd, names[i], F_OK, 0), 0);
	assert_int_equal(faccessat(live_fd, "q-00000007.new", F_OK, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_survives_a_cut_at_every_step),
		cmocka_unit_test(the_simulator_finds_a_missing_sync),
		cmocka_unit_test(entries_come_in_their_order_and_the_oldest_goes_first),
		cmocka_unit_test(a_damaged_entry_does_not_hide_the_next),
		cmocka_unit_test(other_files_are_left_alone),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
