/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/wr.h"
#include "core/platform/tpm_attest.h"

#include <stdlib.h>

/* Whatever the bytes: a refusal names its rule and leaves nothing behind; what is accepted, written again, is the input. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static void put_2b(struct ch_wr *w, struct ch_span s)
{
	ch_wr_be16(w, (uint16_t)s.n);
	ch_wr_put(w, s);
}

static void put_quote(struct ch_wr *w, const struct ch_tpm_attest *a, struct ch_span in)
{
	ch_wr_be32(w, (uint32_t)a->select_count);
	for (size_t i = 0; i < a->select_count; i++) {
		/* How many bytes a mask was written in is all that the result does not tell. */
		size_t n = in.p[w->len + 2];
		CHECK(n >= 1 && n <= 4 && a->select[i].mask >> CH_PCR_COUNT == 0);
		ch_wr_be16(w, (uint16_t)a->select[i].alg);
		ch_wr_u8(w, (uint8_t)n);
		for (size_t k = 0; k < n; k++)
			ch_wr_u8(w, (uint8_t)(a->select[i].mask >> (8 * k)));
		for (size_t k = 0; k < i; k++)
			CHECK(a->select[k].alg != a->select[i].alg);
	}
	put_2b(w, a->pcr_digest);
}

static void check_digest(const struct ch_tpm_attest *a)
{
	struct ch_pcrs pcrs;
	struct ch_digest digest;
	bool all = true;
	ch_pcrs_init(&pcrs);
	for (size_t i = 0; i < a->select_count; i++)
		all = (ch_pcrs_add(&pcrs, a->select[i].alg) != NULL || a->select[i].mask == 0) && all;
	enum ch_err err = ch_tpm_pcr_digest(a, &pcrs, CH_HASH_SHA256, &digest);
	CHECK(err == (all ? CH_OK : CH_ERR_UNSUPPORTED) && digest.n == (all ? 32 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[1024];
	struct ch_tpm_attest a;
	struct ch_diag d;
	if (ch_tpm_attest_parse(&a, ch_span(data, size), &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size && a.type == 0 && a.select_count == 0 && a.extra_data.n == 0);
		return 0;
	}
	CHECK(d.rule == NULL);
	struct ch_wr w = ch_wr(again, sizeof(again));
	ch_wr_be32(&w, CH_TPM_GENERATED_VALUE);
	ch_wr_be16(&w, a.type);
	put_2b(&w, a.qualified_signer);
	put_2b(&w, a.extra_data);
	ch_wr_be64(&w, a.clock);
	ch_wr_be32(&w, a.reset_count);
	ch_wr_be32(&w, a.restart_count);
	ch_wr_u8(&w, a.safe ? 1 : 0);
	ch_wr_be64(&w, a.firmware_version);
	if (a.type == CH_TPM_ST_ATTEST_QUOTE) {
		put_quote(&w, &a, ch_span(data, size));
		check_digest(&a);
	} else {
		CHECK(a.type == CH_TPM_ST_ATTEST_CERTIFY);
		put_2b(&w, a.name);
		put_2b(&w, a.qualified_name);
	}
	CHECK(ch_span_eq(ch_wr_span(&w), ch_span(data, size)));
	return 0;
}
