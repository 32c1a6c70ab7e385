/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_CLOCK_H
#define CH_HOST_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds on a clock: since 1970 on CLOCK_REALTIME, since some moment of this boot on CLOCK_MONOTONIC. */
uint64_t ch_clock_ms(clockid_t id);

#endif
