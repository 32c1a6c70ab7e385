/* SPDX-License-Identifier: Apache-2.0 */
#include "host/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP 65536

static void fd_close(const int *fd)
{
	if (*fd > STDIN_FILENO)
		(void)close(*fd);
}

enum ch_err ch_file_read(struct ch_buf *b, const char *path)
{
	*b = (struct ch_buf){ 0 };
	bool is_stdin = strcmp(path, "-") == 0;
	__attribute__((cleanup(fd_close))) int fd =
		is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT ? CH_ERR_NOTFOUND : CH_ERR_IO;
	CH_AUTO_BUF struct ch_buf in = { 0 };
	for (;;) {
		if (in.cap - in.n < READ_STEP) {
			in.cap = in.cap * 2 + READ_STEP;
			in.p = ch_realloc(in.p, in.cap, 1);
		}
		ssize_t n = read(fd, in.p + in.n, in.cap - in.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return CH_ERR_IO;
		if (n == 0)
			break;
		in.n += (size_t)n;
		if (in.n > CH_FILE_MAX)
			return CH_ERR_LIMIT;
	}
	/* No room behind the last byte: a read past the one is then past the other, where a sanitizer sees it. */
	in.cap = in.n;
	in.p = ch_realloc(in.p, in.cap, 1);
	*b = in;
	in = (struct ch_buf){ 0 };
	return CH_OK;
}

/* Asked of the open file, not of its name: nothing can be put in its place in between. */
static bool is_private(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 &&
	       (st.st_uid == 0 || st.st_uid == geteuid());
}

enum ch_err ch_file_read_private(struct ch_buf *b, const char *path, size_t max)
{
	*b = (struct ch_buf){ 0 };
	__attribute__((cleanup(fd_close))) int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? CH_ERR_NOTFOUND : errno == ELOOP ? CH_ERR_UNTRUSTED : CH_ERR_IO;
	if (!is_private(fd))
		return CH_ERR_UNTRUSTED;
	struct ch_buf in = { .p = ch_calloc(max + 1, 1), .cap = max + 1 };
	ssize_t n = 1;
	while (n > 0 && in.n < in.cap) {
		n = read(fd, in.p + in.n, in.cap - in.n);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			in.n += (size_t)n;
	}
	if (n == 0 && in.n <= max) {
		*b = in;
		return CH_OK;
	}
	ch_wipe(in.p, in.cap);
	ch_buf_free(&in);
	return n < 0 ? CH_ERR_IO : CH_ERR_LIMIT;
}
