/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/sandbox.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/chainhold-confine-XXXXXX";

#define FAILED 1
#define NONE   77 /* no sandbox here */

/* Runs `attempt` in a child that is confined with what `allow` names: its wait status. */
static int confined(unsigned allow, int (*attempt)(void))
{
	pid_t child = fork();
	if (child == 0) {
		const struct ch_sandbox s = { .root = root, .uid = 64999, .gid = 64999, .allow = allow };
		if (ch_sandbox_enter(&s, NULL) != CH_OK)
			_exit(NONE);
		_exit(attempt());
	}
	int status = 0;
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void assert_done(unsigned allow, int (*attempt)(void))
{
	int status = confined(allow, attempt);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void assert_killed(unsigned allow, int (*attempt)(void))
{
	int status = confined(allow, attempt);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int computes(void)
{
	void *p = malloc(1 << 22);
	if (p == NULL)
		return FAILED;
	memset(p, 1, 1 << 22);
	free(p);
	return getuid() == 64999 && getegid() == 64999 ? 0 : FAILED;
}

static int reads_file(void)
{
	return open("/there", O_RDONLY) >= 0 ? 0 : FAILED;
}

static int writes_file(void)
{
	int fd = open("/new", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0)
		return FAILED;
	return rename("/new", "/newer") == 0 && unlink("/newer") == 0 ? 0 : FAILED;
}

static int may_not_update(void)
{
	return open("/there", O_RDWR) < 0 && errno == EACCES ? 0 : FAILED;
}

static int makes_file(void)
{
	return open("/new", O_WRONLY | O_CREAT, 0600);
}

static int opens_outside(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 && errno == ENOENT ? 0 : FAILED;
}

static int opens_tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : FAILED;
}

static int opens_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : FAILED;
}

static int is_refused_unix_and_netlink(void)
{
	bool refused = socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT;
	return refused && socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT ? 0 : FAILED;
}

static int listens(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return fd >= 0 && listen(fd, 1) == 0 ? 0 : FAILED;
}

static int accepts(void)
{
	return accept4(0, NULL, NULL, 0) < 0 ? 0 : FAILED;
}

static int forks(void)
{
	return fork() < 0 ? 0 : FAILED;
}

static int executes(void)
{
	return execl("/there", "there", (char *)NULL) < 0 ? 0 : FAILED;
}

static int maps_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 0 : FAILED;
}

static int protects_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int kills(void)
{
	return kill(getppid(), 0);
}

static int sends_message(void)
{
	struct msghdr m = { 0 };
	return sendmsg(0, &m, 0) < 0 ? 0 : FAILED;
}

static int makes_root(void **state)
{
	(void)state;
	if (mkdtemp(root) == NULL || chmod(root, 0777) != 0)
		return -1;
	char path[64];
	(void)snprintf(path, sizeof(path), "%s/there", root);
	int fd = open(path, O_WRONLY | O_CREAT, 0666);
	return fd >= 0 && close(fd) == 0 ? 0 : -1;
}

static int removes_root(void **state)
{
	(void)state;
	char path[64];
	(void)snprintf(path, sizeof(path), "%s/there", root);
	(void)unlink(path);
	return rmdir(root);
}

static bool possible(void)
{
	int status = geteuid() == 0 ? confined(0, computes) : NONE << 8;
	return !WIFEXITED(status) || WEXITSTATUS(status) != NONE;
}

static void the_base(void **state)
{
	(void)state;
	if (!possible())
		skip(); /* needs root, and seccomp, which an emulator of user programs has not */
	assert_done(0, computes);
	int (*const attempt[])(void) = { reads_file, writes_file, opens_tcp,     opens_unix, accepts,      forks,
					 executes,   maps_code,   protects_code, kills,      sends_message };
	for (size_t i = 0; i < CH_COUNT_OF(attempt); i++)
		assert_killed(0, attempt[i]);
}

static void files(void **state)
{
	(void)state;
	if (!possible())
		skip();
	assert_done(CH_ALLOW_FILES_READ, reads_file);
	assert_done(CH_ALLOW_FILES_READ, opens_outside);
	assert_done(CH_ALLOW_FILES_READ, may_not_update);
	assert_killed(CH_ALLOW_FILES_READ, makes_file);
	assert_done(CH_ALLOW_FILES, writes_file);
	assert_done(CH_ALLOW_FILES, opens_outside);
	assert_killed(CH_ALLOW_FILES, executes);
	assert_killed(CH_ALLOW_FILES, opens_tcp);
	assert_killed(CH_ALLOW_FILES, maps_code);
}

static void sockets(void **state)
{
	(void)state;
	if (!possible())
		skip();
	assert_done(CH_ALLOW_ACCEPT, accepts);
	assert_killed(CH_ALLOW_ACCEPT, opens_tcp);
	assert_done(CH_ALLOW_CONNECT, opens_tcp);
	assert_killed(CH_ALLOW_ACCEPT, opens_unix);
	assert_done(CH_ALLOW_CONNECT, is_refused_unix_and_netlink);
	assert_killed(CH_ALLOW_CONNECT, listens);
	assert_killed(CH_ALLOW_CONNECT, forks);
}

/* Where the kernel has landlock: of the whole tree, only the folders that are named. */
static void named_folders(void **state)
{
	(void)state;
	if (!possible() || syscall(SYS_landlock_create_ruleset, NULL, 0, 1) <= 0)
		skip();
	static const char *const folders[] = { "/nowhere", "/etc", NULL };
	pid_t child = fork();
	if (child == 0) {
		const struct ch_sandbox s = {
			.uid = 64999, .gid = 64999, .allow = CH_ALLOW_FILES_READ, .read_only = folders
		};
		if (ch_sandbox_enter(&s, NULL) != CH_OK)
			_exit(NONE);
		bool inside = open("/etc/passwd", O_RDONLY) >= 0;
		bool outside = open("/proc/version", O_RDONLY) >= 0 || errno != EACCES;
		_exit(inside && !outside ? 0 : FAILED);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_base),
		cmocka_unit_test(files),
		cmocka_unit_test(sockets),
		cmocka_unit_test(named_folders),
	};
	return cmocka_run_group_tests(tests, makes_root, removes_root);
}
