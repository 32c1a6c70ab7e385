/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/sealed.h"

#include "tests/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void it_is_cleared_and_can_be_filled(void **state)
{
	(void)state;
	static const size_t size[] = { 0, 1, 4095, 4096, 4097, 1 << 20 };
	for (size_t i = 0; i < CH_COUNT_OF(size); i++) {
		struct ch_sealed s;
		ch_sealed_open(&s, size[i]);
		assert_true(s.n >= size[i] && ch_span_all(ch_span(s.p, s.n), 0));
		memset(s.p, 0x55, s.n);
		assert_true(ch_sealed_close(&s));
		assert_true(ch_span_all(ch_span(s.p, s.n), 0x55));
		ch_sealed_free(&s);
		ch_sealed_free(&s);
	}
}

/* How a child ends that writes one byte. */
static int status_of_write(volatile uint8_t *at)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL); /* cmocka would make a failed test of it */
		*at = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void nobody_writes_what_is_closed(void **state)
{
	(void)state;
	struct ch_sealed s;
	ch_sealed_open(&s, 5000);
	assert_true(WIFEXITED(status_of_write(s.p)));
	assert_true(ch_sealed_close(&s));
	int first = status_of_write(s.p);
	int last = status_of_write(s.p + s.n - 1);
	assert_true(WIFSIGNALED(first) && WTERMSIG(first) == SIGSEGV);
	assert_true(WIFSIGNALED(last) && WTERMSIG(last) == SIGSEGV);
	ch_sealed_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_cleared_and_can_be_filled),
		cmocka_unit_test(nobody_writes_what_is_closed),
	};
	return cmocka_run_group_tests_name("sealed", tests, NULL, NULL);
}
