/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply/spool.h"

#include "core/crypto/hash.h"
#include "host/base/mem.h"
#include "host/base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SYNC_EVERY ((uint64_t)4 << 20) /* what a power cut costs at most */
#define STEP       ((size_t)128 << 10)

void ag_spool_init(struct ag_spool *s, int dir)
{
	*s = (struct ag_spool){ .dir = dir, .fd = -1 };
}

void ag_spool_close(struct ag_spool *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	ag_spool_init(s, s->dir);
}

/* Takes the room, without making the file longer. A file system that cannot is asked what it has. */
static enum ch_err take_room(int fd, uint64_t size)
{
	struct statvfs v;
	struct stat st;
	if (size > INT64_MAX)
		return CH_ERR_NOSPACE;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0)
		return CH_OK;
	if (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)
		return CH_ERR_NOSPACE;
	if (errno != EOPNOTSUPP || fstat(fd, &st) != 0 || fstatvfs(fd, &v) != 0)
		return CH_ERR_IO;
	uint64_t has = (uint64_t)st.st_blocks * 512;
	return has >= size || (size - has) / v.f_frsize < v.f_bavail ? CH_OK : CH_ERR_NOSPACE;
}

static enum ch_err begin(struct ag_spool *s, uint64_t size, bool fresh)
{
	struct stat st;
	s->fd = openat(s->dir, AG_SPOOL_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return CH_ERR_IO;
	fresh = fresh || (uint64_t)st.st_size > size;
	if (fresh && ftruncate(s->fd, 0) != 0)
		return CH_ERR_IO;
	enum ch_err err = take_room(s->fd, size);
	if (err == CH_OK && fsync(s->dir) != 0)
		err = CH_ERR_IO;
	s->size = size;
	s->offset = fresh ? 0 : (uint64_t)st.st_size;
	s->resumed = s->offset > 0;
	return err;
}

enum ch_err ag_spool_begin(struct ag_spool *s, uint64_t size, bool fresh)
{
	ag_spool_close(s);
	enum ch_err err = begin(s, size, fresh);
	int saved = errno;
	if (err == CH_ERR_NOSPACE)
		ag_spool_remove(s);
	else if (err != CH_OK)
		ag_spool_close(s);
	errno = saved;
	return err;
}

enum ch_err ag_spool_put(struct ag_spool *s, uint64_t offset, struct ch_span bytes)
{
	if (s->fd < 0 || offset != s->offset)
		return CH_ERR_MISMATCH;
	if (bytes.n > s->size - s->offset)
		return CH_ERR_LIMIT;
	while (bytes.n > 0) {
		ssize_t n = pwrite(s->fd, bytes.p, bytes.n, (off_t)s->offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return CH_ERR_IO;
		s->offset += (uint64_t)n;
		bytes = ch_span_sub(bytes, (size_t)n, bytes.n - (size_t)n);
	}
	if (s->offset - s->synced < SYNC_EVERY)
		return CH_OK;
	if (fdatasync(s->fd) != 0)
		return CH_ERR_IO;
	s->synced = s->offset;
	return CH_OK;
}

static enum ch_err digest_of(const struct ag_spool *s, struct ch_digest *d)
{
	CH_AUTO_FREE uint8_t *block = ch_calloc(1, STEP);
	struct ch_hash h;
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	for (uint64_t at = 0; at < s->size && err == CH_OK;) {
		ssize_t n = pread(s->fd, block, STEP, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return CH_ERR_IO;
		ch_hash_update(&h, ch_span(block, (size_t)n));
		at += (uint64_t)n;
	}
	if (err == CH_OK)
		ch_hash_final(&h, d);
	return err;
}

enum ch_err ag_spool_check(struct ag_spool *s, const uint8_t sha256[static AG_DIGEST])
{
	struct ch_digest d;
	if (s->fd < 0 || s->offset != s->size)
		return CH_ERR_TRUNCATED;
	if (fsync(s->fd) != 0)
		return CH_ERR_IO;
	enum ch_err err = digest_of(s, &d);
	if (err != CH_OK || ch_span_eq(ch_digest_span(&d), ch_span(sha256, AG_DIGEST)))
		return err;
	if (ftruncate(s->fd, 0) != 0)
		return CH_ERR_IO;
	s->offset = s->synced = 0;
	return CH_ERR_MISMATCH;
}

void ag_spool_remove(struct ag_spool *s)
{
	ag_spool_close(s);
	(void)!ch_file_remove(s->dir, AG_SPOOL_FILE);
}
