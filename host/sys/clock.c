/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/clock.h"

uint64_t ch_clock_ms(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
