/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/sandbox.h"

#include "core/base/span.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>

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
