/* SPDX-License-Identifier: Apache-2.0 */
#include "host/base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum ch_err ch_map_fd(struct ch_map *m, int fd)
{
	struct stat st;
	*m = (struct ch_map){ 0 };
	if (fstat(fd, &st) != 0)
		return CH_ERR_IO;
	if (!S_ISREG(st.st_mode))
		return CH_ERR_UNSUPPORTED;
	if ((uintmax_t)st.st_size > PTRDIFF_MAX) {
		errno = EFBIG;
		return CH_ERR_IO;
	}
	if (st.st_size == 0)
		return CH_OK;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return CH_ERR_IO;
	(void)madvise(p, (size_t)st.st_size, MADV_SEQUENTIAL);
	*m = (struct ch_map){ p, (size_t)st.st_size };
	return CH_OK;
}

enum ch_err ch_map_file(struct ch_map *m, const char *path)
{
	*m = (struct ch_map){ 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return CH_ERR_IO;
	enum ch_err err = ch_map_fd(m, fd);
	const int kept = errno;
	(void)close(fd);
	errno = kept;
	return err;
}

void ch_map_clear(struct ch_map *m)
{
	if (m->p != NULL)
		(void)munmap(m->p, m->n);
	*m = (struct ch_map){ 0 };
}
