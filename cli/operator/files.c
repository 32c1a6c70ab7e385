/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/files.h"

#include <errno.h>
#include <fcntl.h>
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
