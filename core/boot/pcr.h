/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_PCR_H
#define CH_BOOT_PCR_H

#include "core/base/limits.h"
#include "core/crypto/hash.h"

/* Registers that a dynamic launch resets to zero (PC Client PTP, "PCR initial and reset values"); before one they hold all ones. */
#define CH_PCR_DRTM_FIRST 17
#define CH_PCR_DRTM_LAST  22

/* Platform configuration registers as they are recomputed from logs: banks of 24 registers. */

struct ch_pcr_bank {
	enum ch_hash_alg alg;
	uint8_t size;
	uint32_t touched; /* bit n: PCR n was extended at least once */
	uint32_t started; /* bit n: PCR n's start value was set by a log (StartupLocality, DRTM) */
	uint8_t value[CH_PCR_COUNT][CH_DIGEST_MAX];
};

struct ch_pcrs {
	size_t count;
	struct ch_pcr_bank bank[CH_TCG_BANKS_MAX];
};

/* Makes `pcrs` empty. */
void ch_pcrs_init(struct ch_pcrs *pcrs);
/*
 * Adds a bank with reset values: PCR 0..16 and 23 zeros, PCR 17..22 all ones (PFP 1.06, 2.3.4, table 1). Returns the bank; the
 * one that is there already; NULL if the backend does not compute `alg` or there is no room.
 */
struct ch_pcr_bank *ch_pcrs_add(struct ch_pcrs *pcrs, enum ch_hash_alg alg);
/* The bank, or NULL. */
struct ch_pcr_bank *ch_pcrs_get(struct ch_pcrs *pcrs, enum ch_hash_alg alg);
const struct ch_pcr_bank *ch_pcrs_find(const struct ch_pcrs *pcrs, enum ch_hash_alg alg);
/* Extends one register with a digest of the bank's size; false (nothing done) if index or size do not fit. */
bool ch_pcr_bank_extend(struct ch_pcr_bank *bank, uint32_t pcr, struct ch_span digest);
/* A register's value; borrowed from the bank. */
struct ch_span ch_pcr_value(const struct ch_pcr_bank *bank, uint32_t pcr);

#endif
