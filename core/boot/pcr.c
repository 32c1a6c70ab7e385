/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/pcr.h"

#include <string.h>

void ch_pcrs_init(struct ch_pcrs *pcrs)
{
	pcrs->count = 0;
}

struct ch_pcr_bank *ch_pcrs_get(struct ch_pcrs *pcrs, enum ch_hash_alg alg)
{
	for (size_t i = 0; i < pcrs->count; i++) {
		if (pcrs->bank[i].alg == alg)
			return &pcrs->bank[i];
	}
	return NULL;
}

const struct ch_pcr_bank *ch_pcrs_find(const struct ch_pcrs *pcrs, enum ch_hash_alg alg)
{
	for (size_t i = 0; i < pcrs->count; i++) {
		if (pcrs->bank[i].alg == alg)
			return &pcrs->bank[i];
	}
	return NULL;
}

struct ch_pcr_bank *ch_pcrs_add(struct ch_pcrs *pcrs, enum ch_hash_alg alg)
{
	struct ch_pcr_bank *bank = ch_pcrs_get(pcrs, alg);
	if (bank != NULL)
		return bank;
	if (!ch_hash_available(alg) || pcrs->count == CH_TCG_BANKS_MAX)
		return NULL;
	bank = &pcrs->bank[pcrs->count++];
	bank->alg = alg;
	bank->size = (uint8_t)ch_hash_size(alg);
	bank->touched = 0;
	bank->started = 0;
	memset(bank->value, 0, sizeof(bank->value));
	for (size_t i = CH_PCR_DRTM_FIRST; i <= CH_PCR_DRTM_LAST; i++)
		memset(bank->value[i], 0xff, sizeof(bank->value[i]));
	return bank;
}

bool ch_pcr_bank_extend(struct ch_pcr_bank *bank, uint32_t pcr, struct ch_span digest)
{
	if (pcr >= CH_PCR_COUNT || digest.n != bank->size)
		return false;
	if (ch_pcr_extend(bank->alg, bank->value[pcr], digest) != CH_OK)
		return false;
	bank->touched |= (uint32_t)1 << pcr;
	return true;
}

struct ch_span ch_pcr_value(const struct ch_pcr_bank *bank, uint32_t pcr)
{
	return pcr < CH_PCR_COUNT ? ch_span(bank->value[pcr], bank->size) : CH_SPAN_EMPTY;
}
