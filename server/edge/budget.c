/* SPDX-License-Identifier: Apache-2.0 */
#include "server/edge/budget.h"

bool bucket_take(struct bucket *b, const struct budget_rate *r, uint64_t now_ms, uint32_t cost)
{
	if (r->rate == 0)
		return true;
	uint64_t gained = (uint64_t)((uint32_t)now_ms - b->last) * r->rate;
	uint64_t used = b->milli > gained ? b->milli - gained : 0;
	b->last = (uint32_t)now_ms;
	b->milli = (uint32_t)used;
	if (used + cost > (uint64_t)r->burst * 1000)
		return false;
	b->milli += cost;
	return true;
}

struct bucket *budget_device(struct budgets *b, uint32_t slot)
{
	if (slot >= b->devices) {
		size_t n = b->devices != 0 ? b->devices : 1024;
		while (n <= slot)
			n *= 2;
		b->device = ch_realloc(b->device, n, sizeof(struct bucket));
		for (size_t i = b->devices; i < n; i++)
			b->device[i] = (struct bucket){ 0 };
		b->devices = n;
	}
	return &b->device[slot];
}

size_t budget_address(const uint8_t address[static 16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	bool four = ch_span_eq(ch_span(address, 12), CH_SPAN_OF(mapped));
	uint64_t h = 0xcbf29ce484222325;
	for (size_t i = four ? 12 : 0; i < (four ? 16u : 8u); i++)
		h = (h ^ address[i]) * 0x100000001b3;
	return (h ^ h >> 32) % BUDGET_ADDRESSES;
}
