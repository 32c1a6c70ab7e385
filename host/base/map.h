/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_MAP_H
#define CH_HOST_MAP_H

#include "core/base/err.h"
#include "core/base/span.h"

/*
 * A regular file in memory without a copy of it: what is not looked at is not read. Who cuts the file meanwhile ends the process (SIGBUS), so only
 * programs that judge one file for one person map.
 */
struct ch_map {
	void *p;
	size_t n;
};

/* CH_ERR_IO with errno set; CH_ERR_UNSUPPORTED for anything but a regular file. An empty file is mapped as an empty span. */
CH_MUST_USE enum ch_err ch_map_fd(struct ch_map *m, int fd);
CH_MUST_USE enum ch_err ch_map_file(struct ch_map *m, const char *path);
void ch_map_clear(struct ch_map *m);
#define CH_AUTO_MAP __attribute__((cleanup(ch_map_clear)))

static inline struct ch_span ch_map_span(const struct ch_map *m)
{
	return ch_span(m->p, m->n);
}

#endif
