/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_KEYS_H
#define CH_IPC_KEYS_H

#include "core/crypto/sig.h"
#include "host/base/mem.h"

/*
 * Attestation keys made ready for verification, kept by device: making one ready costs as much as verifying a signature with it. A
 * table of fixed size; two devices in one place put each other out.
 */

#define CH_KEYS_MAX 1024

struct ch_keys {
	struct ch_keys_entry {
		uint8_t device[16];
		struct ch_buf numbers; /* both numbers of the key, one after the other */
		size_t first;          /* bytes of the first */
		struct ch_verify_key key;
	} * entry; /* NULL until the first is asked for */
};

/*
 * The key `pub` of the device, valid until the next call; made ready unless it is here. NULL if it is not a key. `device` is whatever tells
 * devices apart.
 */
const struct ch_verify_key *ch_keys_get(struct ch_keys *k, const uint8_t device[static 16], const struct ch_pub *pub);
void ch_keys_clear(struct ch_keys *k);

#endif
