/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_CLOCK_H
#define CH_AGENT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Time for a device that may have no clock: never before a floor (when this program was built, what a server said last), and once a
 * server has said the time, what it said and the time that has passed since, whatever the local clock shows. Seconds since 1970.
 */
struct ag_clock {
	uint64_t floor;
	uint64_t kept;      /* the floor that survives a power cut */
	bool told;          /* by a server, since this process began */
	uint64_t told_time; /* what it said */
	uint64_t told_at;   /* when, on the clock that counts since boot */
};

/* `kept` is the floor that was found on the disk, or 0; `built` when this program was made. */
void ag_clock_init(struct ag_clock *c, uint64_t kept, uint64_t built);
/* A server said the time. It never moves the floor back. True if it is a day or more past what is kept: worth a write. */
bool ag_clock_tell(struct ag_clock *c, uint64_t time);
/* It is not earlier than this, as somebody says whom we trust who has not said what time it is. */
void ag_clock_raise(struct ag_clock *c, uint64_t time);
uint64_t ag_clock_now(const struct ag_clock *c);

/* Seconds since boot, suspended time included: for delays. */
uint64_t ag_clock_up(void);

#endif
