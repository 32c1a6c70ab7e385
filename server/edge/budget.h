/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_EDGE_BUDGET_H
#define CH_EDGE_BUDGET_H

#include "host/base/mem.h"

/*
 * Token buckets: how often a device, or an address without a certificate, may ask. A bucket holds up to `burst` tokens and gains
 * `rate` a second; a request costs one, a new connection a few.
 */
struct budget_rate {
	uint32_t rate;
	uint32_t burst;
};

struct bucket {
	uint32_t milli; /* thousandths of a token that were used */
	uint32_t last;  /* milliseconds on the loop's clock, which may wrap */
};

#define BUDGET_ADDRESSES 4096 /* buckets of addresses: two that share one share its tokens */

struct budgets {
	struct bucket *device; /* by slot of the fleet view; grows */
	size_t devices;
	struct bucket stranger[BUDGET_ADDRESSES];
	struct bucket reader[BUDGET_ADDRESSES];
	struct bucket asker[BUDGET_ADDRESSES]; /* of answers that must be signed */
	struct bucket askers;
};

/* Takes `cost` thousandths of a token; false, and none is taken, if they are not there. A rate of 0 has no limit. */
#define BUDGET_REQUEST 1000
bool bucket_take(struct bucket *b, const struct budget_rate *r, uint64_t now_ms, uint32_t cost);
struct bucket *budget_device(struct budgets *b, uint32_t slot);
/* IPv6 by its first 64 bits, which one site has; IPv4 by address. */
size_t budget_address(const uint8_t address[static 16]);

#endif
