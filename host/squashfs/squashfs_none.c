/* SPDX-License-Identifier: Apache-2.0 */
#include "host/squashfs/squashfs.h"

bool ch_squashfs_available(void)
{
	return false;
}

enum ch_err ch_squashfs_read(struct ch_buf *to, struct ch_span squashfs, const char *name, size_t max)
{
	(void)to;
	(void)squashfs;
	(void)name;
	(void)max;
	return CH_ERR_UNSUPPORTED;
}
