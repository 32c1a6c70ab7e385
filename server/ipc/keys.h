/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_KEYS_H
#define CH_IPC_KEYS_H

#include "core/platform/tpm_public.h"
#include "host/base/mem.h"

/*
 * Attestation keys made ready for verification, kept by device: making one ready costs as much as verifying a signature with it. A
 * table of fixed size; two devices in one place put each other out.
 */

#define CH_KEYS_MAX 1024

struct ch_keys {
	struct ch_keys_entry {
		uint8_t device[16];
		struct ch_buf area; /* the public area that the key was made of */
		struct ch_verify_key key;
	} * entry; /* NULL until the first is asked for */
};

/*
 * The device's key, from `area` (TPMT_PUBLIC or TPM2B_PUBLIC), valid until the next call. NULL if it is not a key; the judge then
 * says why.
 */
const struct ch_verify_key *ch_keys_get(struct ch_keys *k, const uint8_t device[static 16], struct ch_span area);
void ch_keys_clear(struct ch_keys *k);

#endif
