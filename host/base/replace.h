/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_REPLACE_H
#define CH_HOST_REPLACE_H

#include "core/base/err.h"
#include "host/base/mem.h"

/*
 * Small files that survive a power cut. `dir` is the descriptor of their folder, `name` has no slash in it.
 */

/*
 * The file holds either what it held or `s`, whatever happens in between: written to "<name>.new" with mode 0600, synced,
 * renamed, the folder synced. On CH_OK it is durable. CH_ERR_IO with errno; what was there stays then.
 */
CH_MUST_USE enum ch_err ch_file_replace(int dir, const char *name, struct ch_span s);

/* Removes it, durably. A file that is not there is CH_OK. */
CH_MUST_USE enum ch_err ch_file_remove(int dir, const char *name);

/* Reads at most `max` bytes of a regular file into `b`, which the caller frees. CH_ERR_NOTFOUND, CH_ERR_LIMIT, CH_ERR_IO with errno. */
CH_MUST_USE enum ch_err ch_file_read_at(struct ch_buf *b, int dir, const char *name, size_t max);

#endif
