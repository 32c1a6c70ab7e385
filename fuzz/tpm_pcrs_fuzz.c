/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/wr.h"
#include "core/platform/tpm_pcrs.h"

#include <stdlib.h>

/*
 * The first byte says which quote the file goes with. Whatever the bytes: a refusal names its rule and leaves nothing behind;
 * what is accepted, written in the other form and read again, is the same registers.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static const struct ch_tpm_attest quote[] = {
	{ .select_count = 1, .select = { { CH_HASH_SHA256, 0x7fff } } },
	{ .select_count = 1, .select = { { CH_HASH_SHA1, 0x1 } } },
	{ .select_count = 2, .select = { { CH_HASH_SHA256, 0x3 }, { CH_HASH_SHA384, 0x800000 } } },
	{ .select_count = 1, .select = { { CH_HASH_SM3_256, 0x1 } } },
	{ .select_count = 0 },
};

static void check_again(const struct ch_pcrs *pcrs)
{
	static uint8_t values[CH_TCG_BANKS_MAX * CH_PCR_COUNT * CH_DIGEST_MAX];
	static struct ch_pcrs other;
	struct ch_tpm_attest all = { .select_count = pcrs->count };
	struct ch_wr w = ch_wr(values, sizeof(values));
	for (size_t i = 0; i < pcrs->count; i++) {
		const struct ch_pcr_bank *bank = &pcrs->bank[i];
		CHECK(bank->touched != 0 && bank->touched >> CH_PCR_COUNT == 0);
		all.select[i] = (struct ch_pcr_select){ bank->alg, bank->touched };
		for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
			if ((bank->touched >> pcr & 1) != 0)
				ch_wr_put(&w, ch_pcr_value(bank, pcr));
		}
	}
	CHECK(ch_tpm_pcrs_cover(pcrs, &all));
	CHECK(ch_tpm_pcrs_parse(&other, &all, ch_wr_span(&w), NULL) == CH_OK && other.count == pcrs->count);
	for (size_t i = 0; i < pcrs->count; i++) {
		CHECK(other.bank[i].touched == pcrs->bank[i].touched);
		for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++)
			CHECK(ch_span_eq(ch_pcr_value(&other.bank[i], pcr), ch_pcr_value(&pcrs->bank[i], pcr)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_pcrs pcrs;
	struct ch_diag d;
	if (size == 0)
		return 0;
	const struct ch_tpm_attest *q = &quote[data[0] % CH_COUNT_OF(quote)];
	if (ch_tpm_pcrs_parse(&pcrs, q, ch_span(data + 1, size - 1), &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size - 1 && pcrs.count == 0);
		return 0;
	}
	CHECK(d.rule == NULL);
	struct ch_digest digest;
	if (ch_tpm_pcrs_cover(&pcrs, q))
		CHECK(ch_tpm_pcr_digest(q, &pcrs, CH_HASH_SHA256, &digest) == CH_OK);
	check_again(&pcrs);
	return 0;
}
