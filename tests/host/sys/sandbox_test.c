/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/sandbox.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `attempt` confined in a child: its wait status. */
static int confined(void (*attempt)(void))
{
	pid_t child = fork();
	if (child == 0) {
		if (ch_sandbox_compute() != CH_OK)
			_exit(77);
		attempt();
		_exit(0);
	}
	int status = 0;
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(); /* no seccomp here: an emulator of user programs has none */
	return status;
}

static void assert_killed(void (*attempt)(void))
{
	int status = confined(attempt);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void computes(void)
{
	void *p = malloc(1 << 22);
	if (p == NULL)
		_exit(1);
	memset(p, 1, 1 << 22);
	free(p);
	if (write(STDOUT_FILENO, "", 0) != 0)
		_exit(1);
}

static void opens(void)
{
	(void)!open("/dev/null", O_RDONLY);
}

static void connects(void)
{
	(void)!socket(AF_UNIX, SOCK_STREAM, 0);
}

static void forks(void)
{
	(void)!fork();
}

static void executes(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };
	(void)!execv("/bin/true", argv);
}

static void maps_code(void)
{
	(void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void maps_a_file(void)
{
	(void)!mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
}

static void computing_and_writing_go_on(void **state)
{
	(void)state;
	int status = confined(computes);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void everything_else_ends_the_process(void **state)
{
	(void)state;
	assert_killed(opens);
	assert_killed(connects);
	assert_killed(forks);
	assert_killed(executes);
	assert_killed(maps_code);
	assert_killed(maps_a_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(computing_and_writing_go_on),
		cmocka_unit_test(everything_else_ends_the_process),
	};
	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
