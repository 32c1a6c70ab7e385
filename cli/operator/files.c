/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(const char *path)
{
	cli_say("%s: %s", path, strerror(errno));
	return CLI_IO;
}

static bool write_all(int fd, struct ch_span s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = ch_span(s.p + n, s.n - (size_t)n);
	}
	return true;
}

int op_file_make(int dir, const char *path, enum op_secret secret, struct ch_span bytes)
{
	mode_t mode = secret == OP_PUBLIC ? 0644 : 0600;
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return failed(path);
	/* The mode whatever the umask is. */
	bool good = fchmod(fd, mode) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
	int code = good ? -1 : failed(path);
	if (close(fd) != 0 && good)
		code = failed(path);
	return code;
}

int op_folder_make(int dir, const char *path, enum op_secret secret)
{
	mode_t mode = secret == OP_PUBLIC ? 0755 : 0700;
	if (mkdirat(dir, path, mode) != 0 || fchmodat(dir, path, mode, 0) != 0)
		return failed(path);
	return -1;
}

bool op_folder_sync(const char *path)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');
	(void)snprintf(folder, sizeof(folder), "%.*s",
		       slash == NULL   ? 1
		       : slash == path ? 1
				       : (int)(slash - path),
		       slash == NULL ? "." : path);
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = dir >= 0 && fsync(dir) == 0;
	if (dir >= 0)
		(void)close(dir);
	return good;
}

int op_rename_new(const char *from, const char *to)
{
	bool good = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0;
	return good && op_folder_sync(to) ? -1 : failed(to);
}

int op_file_make_whole(const char *path, struct ch_span bytes)
{
	char fresh[4096];
	int n = snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(fresh)) {
		errno = ENAMETOOLONG;
		return failed(path);
	}
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool good = fd >= 0 && fchmod(fd, 0600) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
	int code = good ? op_rename_new(fresh, path) : failed(fresh);
	if (fd >= 0)
		(void)close(fd);
	if (code >= 0 && fd >= 0)
		(void)unlink(fresh);
	return code;
}
