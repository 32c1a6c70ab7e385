/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Documentation/userspace-api/landlock.rst; Debian 12's headers know ABI 2, kernels have more. */
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1

#define FS_EXECUTE     (1ull << 0)
#define FS_WRITE_FILE  (1ull << 1)
#define FS_READ_FILE   (1ull << 2)
#define FS_READ_DIR    (1ull << 3)
#define FS_REMOVE_DIR  (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_REG    (1ull << 8)
#define FS_ALL_1       ((1ull << 13) - 1) /* execute to make_sym */
#define FS_REFER       (1ull << 13)       /* ABI 2 */
#define FS_TRUNCATE    (1ull << 14)       /* ABI 3 */
#define FS_IOCTL_DEV   (1ull << 15)       /* ABI 5 */
#define NET_BIND       (1ull << 0)        /* ABI 4 */
#define NET_CONNECT    (1ull << 1)
#define SCOPE_ALL      3ull /* ABI 6: abstract sockets, signals */

struct ruleset {
	uint64_t fs, net, scoped;
};
struct path_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

static uint64_t all_fs(int abi)
{
	return FS_ALL_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) | (abi >= 5 ? FS_IOCTL_DEV : 0);
}

static int allow_path(int ruleset, const char *root, uint64_t rights)
{
	int dir = open(root, O_PATH | O_CLOEXEC | O_DIRECTORY);
	if (dir < 0)
		return -1;
	const struct path_beneath rule = { .allowed = rights, .parent = dir };
	long rc = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
	(void)close(dir);
	return (int)rc;
}

enum ch_err ch_landlock_restrict(const char *const *roots, int write, int connect, int *abi)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	*abi = version > 0 ? (int)version : 0;
	if (*abi == 0)
		return CH_OK;
	struct ruleset r = { .fs = all_fs(*abi) };
	size_t size = sizeof(r.fs);
	if (*abi >= 4) {
		r.net = NET_BIND | (connect ? 0 : NET_CONNECT);
		size = offsetof(struct ruleset, scoped);
	}
	if (*abi >= 6) {
		r.scoped = SCOPE_ALL;
		size = sizeof(r);
	}
	int fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd < 0)
		return CH_ERR_INTERNAL;
	uint64_t rights = FS_READ_FILE | FS_READ_DIR;
	if (write)
		rights |= FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | (*abi >= 2 ? FS_REFER : 0) |
			  (*abi >= 3 ? FS_TRUNCATE : 0);
	long rc = 0;
	for (; roots != NULL && *roots != NULL && rc == 0; roots++) {
		rc = allow_path(fd, *roots, rights);
		rc = rc != 0 && errno == ENOENT ? 0 : rc;
	}
	if (rc == 0)
		rc = syscall(SYS_landlock_restrict_self, fd, 0);
	int saved = errno;
	(void)close(fd);
	errno = saved;
	return rc == 0 ? CH_OK : CH_ERR_INTERNAL;
}
