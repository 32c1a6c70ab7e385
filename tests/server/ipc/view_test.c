/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/view.h"
#include "tests/unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPACITY 64

static struct ch_view *open_view(int *fd)
{
	*fd = ch_view_make(CAPACITY);
	assert_true(*fd >= 0);
	struct ch_view *v = ch_view_map(*fd, true);
	assert_non_null(v);
	return v;
}

static void close_view(struct ch_view *v, int fd)
{
	ch_view_unmap(v);
	(void)close(fd);
}

/* Certificates whose first four bytes are `home` fall on the same place. */
static struct ch_view_record record(uint8_t home, uint8_t n)
{
	struct ch_view_record r = { .kind = CH_VIEW_DEVICE, .device_row = n };
	r.cert_sha256[3] = home;
	r.cert_sha256[31] = n;
	return r;
}

static void what_was_put_is_found(void **state)
{
	(void)state;
	int fd;
	uint32_t slot;
	struct ch_view *v = open_view(&fd);
	struct ch_view_record a = record(63, 1), b = record(63, 2), c = record(63, 3), got;
	assert_int_equal(ch_view_put(v, &a), CH_OK);
	assert_int_equal(ch_view_put(v, &b), CH_OK);
	assert_int_equal(ch_view_find(v, b.cert_sha256, &got, &slot), CH_OK);
	assert_int_equal(got.device_row, 2);
	assert_int_equal(slot, 0); /* past the end it goes on at the start */
	assert_int_equal(ch_view_find(v, c.cert_sha256, &got, NULL), CH_ERR_NOTFOUND);
	assert_int_equal(got.kind, CH_VIEW_FREE);
	b.state = 3;
	assert_int_equal(ch_view_put(v, &b), CH_OK);
	assert_int_equal(ch_view_get(v, slot, &got), CH_OK);
	assert_int_equal(got.state, 3);
	assert_int_equal(ch_view_count(v), 2);
	assert_int_equal(ch_view_get(v, 5, &got), CH_ERR_NOTFOUND);
	assert_int_equal(ch_view_get(v, CAPACITY, &got), CH_ERR_NOTFOUND);
	close_view(v, fd);
}

static void it_does_not_fill_up(void **state)
{
	(void)state;
	int fd;
	struct ch_view *v = open_view(&fd);
	for (uint8_t i = 0; i < CAPACITY / 8 * 7; i++) {
		struct ch_view_record r = record(i, i);
		assert_int_equal(ch_view_put(v, &r), CH_OK);
	}
	struct ch_view_record more = record(1, 99), again = record(1, 1);
	assert_int_equal(ch_view_put(v, &more), CH_ERR_LIMIT);
	assert_int_equal(ch_view_put(v, &again), CH_OK);
	close_view(v, fd);
}

static void readers_cannot_write(void **state)
{
	(void)state;
	int fd;
	struct ch_view *v = open_view(&fd);
	pid_t child = fork();
	if (child == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		struct ch_view *reader = ch_view_map(fd, false);
		struct ch_view_record r = record(1, 1);
		(void)!ch_view_put(reader, &r);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	close_view(v, fd);
}

static void a_readers_descriptor_cannot_be_written(void **state)
{
	(void)state;
	int fd;
	struct ch_view *v = open_view(&fd);
	struct ch_view_record r = record(1, 1), got;
	assert_int_equal(ch_view_put(v, &r), CH_OK);
	int reader = ch_view_reader(fd);
	assert_true(reader >= 0);
	assert_null(ch_view_map(reader, true));
	assert_int_equal(write(reader, "x", 1), -1);
	struct ch_view *seen = ch_view_map(reader, false);
	assert_non_null(seen);
	assert_int_equal(ch_view_find(seen, r.cert_sha256, &got, NULL), CH_OK);
	ch_view_unmap(seen);
	(void)close(reader);
	close_view(v, fd);
}

static void what_is_no_view_is_not_mapped(void **state)
{
	(void)state;
	int fd = memfd_create("x", MFD_CLOEXEC);
	assert_null(ch_view_map(fd, false));
	assert_int_equal(ftruncate(fd, (off_t)ch_view_bytes(CAPACITY)), 0);
	assert_null(ch_view_map(fd, false));
	(void)close(fd);
}

/* A reader beside a writer never sees half a record: every record has the same number in its first and last fields. */
static void no_torn_record_is_seen(void **state)
{
	(void)state;
	int fd;
	struct ch_view *v = open_view(&fd);
	struct ch_view_record r = record(9, 9);
	assert_int_equal(ch_view_put(v, &r), CH_OK);
	pid_t child = fork();
	if (child == 0) {
		for (uint64_t i = 1;; i++) {
			r.id[0] = (uint8_t)i;
			r.not_after = i;
			r.device_row = i;
			if (ch_view_put(v, &r) != CH_OK)
				_exit(1);
		}
	}
	for (uint64_t last = 0; last < 2000;) {
		struct ch_view_record got;
		if (ch_view_find(v, r.cert_sha256, &got, NULL) != CH_OK || got.device_row <= 9)
			continue;
		assert_int_equal(got.not_after, got.device_row);
		assert_int_equal(got.id[0], (uint8_t)got.device_row);
		last++;
	}
	(void)kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* It may have been killed in the middle: whoever writes next mends it. */
	assert_int_equal(ch_view_put(v, &r), CH_OK);
	struct ch_view_record got;
	assert_int_equal(ch_view_find(v, r.cert_sha256, &got, NULL), CH_OK);
	assert_int_equal(got.device_row, r.device_row);
	close_view(v, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_found),
		cmocka_unit_test(it_does_not_fill_up),
		cmocka_unit_test(readers_cannot_write),
		cmocka_unit_test(what_is_no_view_is_not_mapped),
		cmocka_unit_test(a_readers_descriptor_cannot_be_written),
		cmocka_unit_test(no_torn_record_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
