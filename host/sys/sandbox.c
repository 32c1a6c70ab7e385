/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/sandbox.h"

#include "core/base/span.h"
#include "host/sys/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CONTROL_FD 3 /* server/ipc/child.h */

static void filter_release(scmp_filter_ctx *ctx)
{
	if (*ctx != NULL)
		seccomp_release(*ctx);
}

enum ch_err ch_sandbox_compute(void)
{
	static const int allowed[] = {
		SCMP_SYS(read),
		SCMP_SYS(write),
		SCMP_SYS(writev),
		SCMP_SYS(close),
		SCMP_SYS(fstat),
		SCMP_SYS(lseek),
		SCMP_SYS(brk),
		SCMP_SYS(munmap),
		SCMP_SYS(mremap),
		SCMP_SYS(madvise),
		SCMP_SYS(futex),
		SCMP_SYS(exit),
		SCMP_SYS(exit_group),
		SCMP_SYS(getpid),
		SCMP_SYS(gettid),
		SCMP_SYS(tgkill),
		SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(newfstatat),
		SCMP_SYS(clock_gettime),
		SCMP_SYS(getrandom),
		/* What 32-bit architectures call some of these; libseccomp leaves out what the native one does not have. */
		SCMP_SYS(fstat64),
		SCMP_SYS(fstatat64),
		SCMP_SYS(_llseek),
		SCMP_SYS(clock_gettime64),
		SCMP_SYS(futex_time64),
	};
	__attribute__((cleanup(filter_release))) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return CH_ERR_INTERNAL;
	for (size_t i = 0; i < CH_COUNT_OF(allowed); i++) {
		int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
		if (rc != 0) {
			errno = -rc;
			return CH_ERR_INTERNAL;
		}
	}
	/* Anonymous memory only, and never executable. */
	/* Where there is an mmap2 the arguments of mmap, if any, lie in memory that a filter cannot see. */
	int map = SCMP_SYS(mmap2) >= 0 ? SCMP_SYS(mmap2) : SCMP_SYS(mmap);
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, map, 2, SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0),
				  SCMP_A3(SCMP_CMP_MASKED_EQ, 0x20, 0x20));
	if (rc == 0)
		rc = seccomp_load(ctx);
	errno = -rc;
	return rc == 0 ? CH_OK : CH_ERR_INTERNAL;
}

/* What every process with a loop needs. */
static const int base_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(lseek),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(newfstatat),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrusage),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getrandom),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(shutdown),
	/* What 32-bit architectures call some of these; libseccomp leaves out what the native one does not have. */
	SCMP_SYS(fstat64),
	SCMP_SYS(fstatat64),
	SCMP_SYS(_llseek),
	SCMP_SYS(clock_gettime64),
	SCMP_SYS(clock_nanosleep_time64),
	SCMP_SYS(futex_time64),
	SCMP_SYS(ppoll_time64),
	SCMP_SYS(recv),
	SCMP_SYS(send),
};
static const int accept_calls[] = {
	SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getpeername), SCMP_SYS(getsockname),
};
static const int file_calls[] = {
	SCMP_SYS(pread64),    SCMP_SYS(fstatfs),   SCMP_SYS(statfs),   SCMP_SYS(stat),
	SCMP_SYS(lstat),      SCMP_SYS(stat64),    SCMP_SYS(lstat64),  SCMP_SYS(statx),
	SCMP_SYS(access),     SCMP_SYS(faccessat), SCMP_SYS(readlink), SCMP_SYS(getcwd),
	SCMP_SYS(getdents64), SCMP_SYS(fstatfs64), SCMP_SYS(statfs64), SCMP_SYS(faccessat2),
};
static const int write_calls[] = {
	SCMP_SYS(pwrite64),  SCMP_SYS(fsync),  SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64),
	SCMP_SYS(fallocate), SCMP_SYS(unlink), SCMP_SYS(unlinkat),  SCMP_SYS(rename),    SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(fchmod), SCMP_SYS(utimensat), SCMP_SYS(openat),    SCMP_SYS(open),
};
/* A vendor's module: a deadline for it, memory that is not swapped out, and questions that libraries ask. */
static const int module_calls[] = {
	SCMP_SYS(timer_settime), SCMP_SYS(timer_settime64), SCMP_SYS(mlock),   SCMP_SYS(munlock),
	SCMP_SYS(sysinfo),       SCMP_SYS(uname),           SCMP_SYS(getppid),
};
/* libsystemd sends with sendmsg, and asks for a limit of its own when a message is large. */
static const int bus_calls[] = {
	SCMP_SYS(sendmsg),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
};
static const int connect_calls[] = {
	SCMP_SYS(connect),     SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getpeername),
	SCMP_SYS(getsockname), SCMP_SYS(sendmmsg),   SCMP_SYS(ioctl),      SCMP_SYS(uname),
};

static int allow_all(scmp_filter_ctx ctx, const int *call, size_t count)
{
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call[i], 0);
	return rc;
}

/* Memory that is never executable; mapped files only where files are allowed. Descriptor flags. Ending oneself by abort. */
static int allow_by_argument(scmp_filter_ctx ctx, bool files)
{
	const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int map = SCMP_SYS(mmap2) >= 0 ? SCMP_SYS(mmap2) : SCMP_SYS(mmap);
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_executable);
	if (rc == 0 && files)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, map, 1, not_executable);
	else if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, map, 2, not_executable,
				      SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
	static const int command[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL };
	static const int lock[] = { F_GETLK, F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_GETLK };
	for (size_t i = 0; i < CH_COUNT_OF(command) && rc == 0; i++) {
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				      SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)command[i], 0));
		if (rc == 0 && SCMP_SYS(fcntl64) >= 0)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl64), 1,
					      SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)command[i], 0));
	}
	for (size_t i = 0; i < CH_COUNT_OF(lock) && rc == 0 && files; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				      SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)lock[i], 0));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0),
				      SCMP_A2(SCMP_CMP_EQ, SIGABRT, 0));
	return rc;
}

/* SQLite asks for reading and writing first, and takes reading alone when it hears that it may not. */
static int allow_open_for_reading(scmp_filter_ctx ctx)
{
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				  SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDWR));
	return rc;
}

static int allow_sockets(scmp_filter_ctx ctx)
{
	int rc = allow_all(ctx, connect_calls, CH_COUNT_OF(connect_calls));
	static const int family[] = { AF_INET, AF_INET6 };
	for (size_t i = 0; i < CH_COUNT_OF(family) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family[i], 0));
	/* The C library's resolver asks for these too and goes on without them: a name service cache, the list of addresses. */
	static const int refused[] = { AF_UNIX, AF_NETLINK };
	for (size_t i = 0; i < CH_COUNT_OF(refused) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)refused[i], 0));
	return rc;
}

static int install(unsigned allow)
{
	__attribute__((cleanup(filter_release))) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL)
		return -ENOMEM;
	bool files = (allow & (CH_ALLOW_FILES | CH_ALLOW_FILES_READ)) != 0;
	int rc = allow_all(ctx, base_calls, CH_COUNT_OF(base_calls));
	if (rc == 0)
		rc = allow_by_argument(ctx, files);
	if (rc == 0 && (allow & CH_ALLOW_ACCEPT) != 0)
		rc = allow_all(ctx, accept_calls, CH_COUNT_OF(accept_calls));
	if (rc == 0 && files)
		rc = allow_all(ctx, file_calls, CH_COUNT_OF(file_calls));
	if (rc == 0 && (allow & CH_ALLOW_FILES) != 0)
		rc = allow_all(ctx, write_calls, CH_COUNT_OF(write_calls));
	else if (rc == 0 && files)
		rc = allow_open_for_reading(ctx);
	if (rc == 0 && (allow & CH_ALLOW_CONNECT) != 0)
		rc = allow_sockets(ctx);
	if (rc == 0 && (allow & CH_ALLOW_MODULE) != 0)
		rc = allow_all(ctx, module_calls, CH_COUNT_OF(module_calls));
	if (rc == 0 && (allow & CH_ALLOW_SEND_FD) != 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1, SCMP_A0(SCMP_CMP_NE, CONTROL_FD, 0));
	if (rc == 0 && (allow & CH_ALLOW_BUS) != 0)
		rc = allow_all(ctx, bus_calls, CH_COUNT_OF(bus_calls));
	return rc == 0 ? seccomp_load(ctx) : rc;
}

/* capabilities(7): what is in no set comes back only by execve, which no sandbox here allows. */
static bool give_up_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0, 0, 0 } };
	return syscall(SYS_capset, &head, none) == 0;
}

/* True if it was done before: what is then not there is any right to do it again. */
static bool is_user(uint32_t uid, uint32_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;
	return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 && r == uid && e == uid && s == uid &&
	       rg == gid && eg == gid && sg == gid && getgroups(0, NULL) == 0;
}

static bool become_user(uint32_t uid, uint32_t gid)
{
	if ((uid == 0 && gid == 0) || is_user(uid, gid))
		return true;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
}

static bool give_up_privilege(void)
{
	const struct rlimit none = { 0, 0 };
	return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

enum ch_err ch_sandbox_become(uint32_t uid, uint32_t gid)
{
	return become_user(uid, gid) && give_up_privilege() ? CH_OK : CH_ERR_INTERNAL;
}

enum ch_err ch_sandbox_enter(const struct ch_sandbox *s, struct ch_wr *report)
{
	if (s->root != NULL && (chroot(s->root) != 0 || chdir("/") != 0))
		return CH_ERR_INTERNAL;
	if (!become_user(s->uid, s->gid) || !give_up_privilege() || (s->powerless && !give_up_capabilities()))
		return CH_ERR_INTERNAL;
	bool files = (s->allow & (CH_ALLOW_FILES | CH_ALLOW_FILES_READ)) != 0;
	int abi;
	static const char *const all[] = { "/", NULL };
	const char *const *roots = s->read_only != NULL ? s->read_only : all;
	enum ch_err err = ch_landlock_restrict(files ? roots : NULL, (s->allow & CH_ALLOW_FILES) != 0,
					       (s->allow & CH_ALLOW_CONNECT) != 0, &abi);
	if (err != CH_OK)
		return err;
	int rc = install(s->allow);
	errno = -rc;
	if (rc != 0)
		return CH_ERR_INTERNAL;
	if (report != NULL) {
		ch_wr_str(report, s->root != NULL ? "root " : "");
		ch_wr_str(report, s->uid != 0 ? "uid " : "");
		ch_wr_str(report, s->powerless ? "no-capabilities " : "");
		ch_wr_str(report, "no_new_privs landlock=");
		ch_wr_dec(report, (uint64_t)abi);
		ch_wr_str(report, " seccomp");
	}
	return CH_OK;
}
