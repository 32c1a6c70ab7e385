/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_SEALED_H
#define CH_HOST_SEALED_H

#include "core/base/arena.h"

/*
 * Memory that is filled once and then can only be read: a stray write of a parser that was taken over faults instead of changing what
 * evidence is judged by. Whole pages, never executable, works inside the sandbox.
 */
struct ch_sealed {
	uint8_t *p;
	size_t n;
	bool closed;
};

/* At least `n` zeroed bytes; ends the process without memory (host/base/mem.h). */
void ch_sealed_open(struct ch_sealed *s, size_t n);
/* Nobody writes from now on. False if the kernel refuses: the caller must then end. */
bool ch_sealed_close(struct ch_sealed *s);
void ch_sealed_free(struct ch_sealed *s);

#endif
