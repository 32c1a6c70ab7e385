/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/clock.h"

#include <time.h>

#define DAY 86400

static uint64_t seconds(clockid_t id)
{
	struct timespec t;
	return clock_gettime(id, &t) == 0 && t.tv_sec > 0 ? (uint64_t)t.tv_sec : 0;
}

uint64_t ag_clock_up(void)
{
	return seconds(CLOCK_BOOTTIME);
}

void ag_clock_init(struct ag_clock *c, uint64_t kept, uint64_t built)
{
	*c = (struct ag_clock){ .floor = kept > built ? kept : built, .kept = kept };
}

bool ag_clock_tell(struct ag_clock *c, uint64_t time)
{
	c->told = true;
	c->told_time = time;
	c->told_at = ag_clock_up();
	if (time > c->floor)
		c->floor = time;
	return c->floor >= c->kept + DAY;
}

void ag_clock_raise(struct ag_clock *c, uint64_t time)
{
	if (time > c->floor)
		c->floor = time;
}

uint64_t ag_clock_now(const struct ag_clock *c)
{
	uint64_t t = c->told ? c->told_time + (ag_clock_up() - c->told_at) : seconds(CLOCK_REALTIME);
	return t > c->floor ? t : c->floor;
}
