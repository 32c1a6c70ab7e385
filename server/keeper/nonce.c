/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

/*
 * Outstanding nonces, in memory only: a restart forgets them, and a device asks for another. One a device, so that no flood of
 * challenges grows the table beyond the devices that there are. Open addressing on the device's number.
 */
#define CAP_MIN 256

static size_t home(const struct ch_keeper *k, int64_t device)
{
	return (size_t)((uint64_t)device * 0x9e3779b97f4a7c15u >> 20) & (k->nonce_cap - 1);
}

/* The device's slot, or the free one where it would go. */
static struct ch_nonce *slot(const struct ch_keeper *k, int64_t device)
{
	size_t at = home(k, device);
	while (k->nonce[at].until != 0 && k->nonce[at].device != device)
		at = (at + 1) & (k->nonce_cap - 1);
	return &k->nonce[at];
}

/* Makes room, and drops what has expired or was used on the way. */
static void grow(struct ch_keeper *k)
{
	struct ch_nonce *old = k->nonce;
	size_t cap = k->nonce_cap;
	size_t live = 0;
	for (size_t i = 0; i < cap; i++)
		live += old[i].until > k->mono;
	k->nonce_cap = CAP_MIN;
	while (k->nonce_cap < live * 4)
		k->nonce_cap *= 2;
	k->nonce = ch_calloc(k->nonce_cap, sizeof(*k->nonce));
	k->nonce_used = live;
	for (size_t i = 0; i < cap; i++) {
		if (old[i].until > k->mono)
			*slot(k, old[i].device) = old[i];
	}
	ch_free(old);
}

const uint8_t *ch_kp_nonce_new(struct ch_keeper *k, int64_t device)
{
	if (k->nonce_used * 2 >= k->nonce_cap)
		grow(k);
	struct ch_nonce *n = slot(k, device);
	k->nonce_used += n->until == 0;
	n->device = device;
	n->until = k->mono + CH_KEEPER_NONCE_MS;
	ch_kp_random(n->nonce, sizeof(n->nonce));
	return n->nonce;
}

bool ch_kp_nonce_take(struct ch_keeper *k, int64_t device, const uint8_t nonce[static 32])
{
	if (k->nonce_cap == 0)
		return false;
	struct ch_nonce *n = slot(k, device);
	if (n->until <= k->mono || !ch_ct_eq(CH_SPAN_OF(n->nonce), ch_span(nonce, 32)))
		return false;
	/* The slot stays taken, in the past: others may lie behind it. */
	n->until = 1;
	ch_wipe(n->nonce, sizeof(n->nonce));
	return true;
}
