/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_TPM_BUILD_H
#define CH_TESTS_TPM_BUILD_H

#include "core/base/wr.h"
#include "core/platform/tpm_wire.h"

/* TPM structures built field by field, so that a test can say which one is wrong. */

static inline void put_2b(struct ch_wr *w, size_t n, uint8_t fill)
{
	ch_wr_be16(w, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		ch_wr_u8(w, fill);
}

/* TPMS_ATTEST up to and without `attested`. */
static inline void put_attest_head(struct ch_wr *w, uint16_t type)
{
	ch_wr_be32(w, 0xff544347);
	ch_wr_be16(w, type);
	put_2b(w, 34, 0x0b);
	put_2b(w, 20, 0xaa);
	ch_wr_be64(w, 123456789);
	ch_wr_be32(w, 7);
	ch_wr_be32(w, 3);
	ch_wr_u8(w, 1);
	ch_wr_be64(w, 0x2019102300163636);
}

static inline void put_select(struct ch_wr *w, uint16_t alg, uint32_t mask)
{
	ch_wr_be16(w, alg);
	ch_wr_u8(w, 3);
	ch_wr_u8(w, (uint8_t)mask);
	ch_wr_u8(w, (uint8_t)(mask >> 8));
	ch_wr_u8(w, (uint8_t)(mask >> 16));
}

#endif
