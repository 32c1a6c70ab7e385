/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_DDI_H
#define CH_IPC_DDI_H

#include "core/base/limits.h"
#include "core/base/text.h"
#include "core/crypto/hash.h"

/*
 * What a client of hawkBit's DDI calls the device, for the reader and the keeper, which both must know whose request it is: the id of the
 * device, or a name that the store has as an alias of it (host name as it is, name of its certificates in lower case).
 */
struct ch_ddi_name {
	struct ch_span as_is;
	struct ch_span lower;
	uint8_t room[CH_DDI_NAME_MAX];
};

/* Borrows from `n` and from `controller`, which is ch_ddi_name_valid. */
static inline void ch_ddi_name_init(struct ch_ddi_name *n, struct ch_span controller)
{
	n->as_is = controller;
	n->lower = ch_span(n->room, ch_span_copy(n->room, sizeof(n->room), controller));
	for (size_t i = 0; i < n->lower.n; i++)
		n->room[i] = n->room[i] >= 'A' && n->room[i] <= 'Z' ? (uint8_t)(n->room[i] | 0x20) : n->room[i];
}

static inline bool ch_ddi_name_is_id(const struct ch_ddi_name *n, const uint8_t id[static 16])
{
	uint8_t named[16];
	return n->as_is.n == 2 * sizeof(named) && ch_hex_decode(named, sizeof(named), n->as_is) == CH_OK &&
	       ch_span_eq(CH_SPAN_OF(named), ch_span(id, 16));
}

/*
 * Where the fleet view has the device of that name, for clients that come with a token and no certificate. The keeper puts it there only where
 * tokens are on. No digest of a certificate is one of these.
 */
static inline bool ch_ddi_view_key(uint8_t key[static 32], struct ch_span controller)
{
	struct ch_ddi_name n;
	struct ch_hash h;
	struct ch_digest digest;
	if (ch_hash_init(&h, CH_HASH_SHA256) != CH_OK)
		return false;
	ch_ddi_name_init(&n, controller);
	ch_hash_update(&h, CH_SPAN_LIT("chainhold-controller/v1\n"));
	ch_hash_update(&h, n.lower);
	ch_hash_final(&h, &digest);
	return ch_span_copy(key, 32, ch_digest_span(&digest)) == 32;
}

#endif
