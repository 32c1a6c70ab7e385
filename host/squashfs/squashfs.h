/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_SQUASHFS_H
#define CH_HOST_SQUASHFS_H

#include "core/base/err.h"
#include "host/base/mem.h"

/* Files of a squashfs that lies in memory, by libsquashfs. What it reads is hostile: only confined programs call this. */

/* False in a build without libsquashfs: then every other call is CH_ERR_UNSUPPORTED. */
bool ch_squashfs_available(void);

/*
 * Appends the file `name` of the root folder to `to`; at most `max` bytes. CH_ERR_NOTFOUND if it is not there, CH_ERR_LIMIT if it is larger,
 * CH_ERR_MALFORMED for anything that libsquashfs refuses.
 */
CH_MUST_USE enum ch_err ch_squashfs_read(struct ch_buf *to, struct ch_span squashfs, const char *name, size_t max);

#endif
