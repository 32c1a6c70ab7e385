/* SPDX-License-Identifier: Apache-2.0 */
#include "host/base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_ROOM 64

static void fd_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
#define AUTO_FD __attribute__((cleanup(fd_close)))

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

/* The file's bytes are on the disk when this returns true. */
static bool write_new(int dir, const char *name, struct ch_span s)
{
	AUTO_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 && write_all(fd, s) && fsync(fd) == 0;
}

enum ch_err ch_file_replace(int dir, const char *name, struct ch_span s)
{
	char fresh[NAME_ROOM];
	int n = snprintf(fresh, sizeof(fresh), "%s.new", name);
	if (n < 0 || (size_t)n >= sizeof(fresh)) {
		errno = ENAMETOOLONG;
		return CH_ERR_IO;
	}
	if (!write_new(dir, fresh, s)) {
		int why = errno;
		(void)unlinkat(dir, fresh, 0);
		errno = why;
		return CH_ERR_IO;
	}
	return renameat(dir, fresh, dir, name) == 0 && fsync(dir) == 0 ? CH_OK : CH_ERR_IO;
}

enum ch_err ch_file_remove(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) != 0)
		return errno == ENOENT ? CH_OK : CH_ERR_IO;
	return fsync(dir) == 0 ? CH_OK : CH_ERR_IO;
}

enum ch_err ch_file_read_at(struct ch_buf *b, int dir, const char *name, size_t max)
{
	*b = (struct ch_buf){ 0 };
	AUTO_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? CH_ERR_NOTFOUND : CH_ERR_IO;
	struct stat st;
	if (fstat(fd, &st) != 0)
		return CH_ERR_IO;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return CH_ERR_IO;
	}
	if ((uint64_t)st.st_size > max)
		return CH_ERR_LIMIT;
	CH_AUTO_BUF struct ch_buf in = { .p = ch_calloc(1, (size_t)st.st_size), .cap = (size_t)st.st_size };
	while (in.n < in.cap) {
		ssize_t n = read(fd, in.p + in.n, in.cap - in.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return CH_ERR_IO;
		if (n == 0)
			break;
		in.n += (size_t)n;
	}
	*b = in;
	in = (struct ch_buf){ 0 };
	return CH_OK;
}
