/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_FILE_H
#define CH_HOST_FILE_H

#include "core/base/err.h"
#include "host/base/mem.h"

#define CH_FILE_MAX ((size_t)256 << 20)

/*
 * Reads a whole file ("-" is standard input) into `b`, which the caller frees. At most CH_FILE_MAX bytes: CH_ERR_LIMIT.
 * CH_ERR_NOTFOUND or CH_ERR_IO with errno set otherwise. Nothing is assumed of its size, so /proc and /sys files work.
 */
CH_MUST_USE enum ch_err ch_file_read(struct ch_buf *b, const char *path);

/*
 * Reads a file with a secret in it: a regular file, not a symbolic link, of this user or root, to which nobody else has any right; else
 * CH_ERR_UNTRUSTED. At most `max` bytes: CH_ERR_LIMIT. The memory is never moved, so that wiping `b` (all its `cap`) before it is freed
 * leaves nothing.
 */
CH_MUST_USE enum ch_err ch_file_read_private(struct ch_buf *b, const char *path, size_t max);

#endif
