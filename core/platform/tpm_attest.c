/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/tpm_attest.h"

#include "core/platform/tpm_wire.h"

#define SELECT_BYTES_MAX 4 /* PCR_SELECT_MAX for the 32 registers a mask can name */

#define TRAILING "bytes after the end of TPMS_ATTEST (Part 2, 10.12.12)"

/* TPMS_PCR_SELECTION (Part 2, 10.6.2). */
static void select_parse(struct ch_tpm_rd *t, struct ch_pcr_select *sel)
{
	sel->alg = (enum ch_hash_alg)ch_tpm_u16(t, "TPMS_PCR_SELECTION.hash (Part 2, 10.6.2)");
	ch_tpm_require(t, ch_hash_size(sel->alg) != 0, CH_ERR_UNSUPPORTED,
		       "TPMS_PCR_SELECTION.hash is not a hash algorithm that we know (Part 2, 10.6.2)");
	size_t n = ch_tpm_u8(t, "TPMS_PCR_SELECTION.sizeofSelect (Part 2, 10.6.2)");
	ch_tpm_require(t, n >= 1 && n <= SELECT_BYTES_MAX, CH_ERR_RANGE,
		       "TPMS_PCR_SELECTION.sizeofSelect is not 1 to 4 (Part 2, 10.6.2)");
	struct ch_span bits = ch_tpm_bytes(t, n, "TPMS_PCR_SELECTION.pcrSelect (Part 2, 10.6.2)");
	sel->mask = 0;
	for (size_t i = 0; i < bits.n; i++)
		sel->mask |= (uint32_t)bits.p[i] << (8 * i);
	ch_tpm_require(t, sel->mask >> CH_PCR_COUNT == 0, CH_ERR_RANGE,
		       "TPMS_PCR_SELECTION.pcrSelect names a PCR above 23 (PC Client Platform TPM Profile, 4.6)");
}

/* TPMS_QUOTE_INFO (Part 2, 10.12.4). */
static void quote_parse(struct ch_tpm_rd *t, struct ch_tpm_attest *a)
{
	size_t count = ch_tpm_u32(t, "TPML_PCR_SELECTION.count (Part 2, 10.9.7)");
	ch_tpm_require(t, count <= CH_TPM_SELECTIONS_MAX, CH_ERR_LIMIT,
		       "TPML_PCR_SELECTION.count is above 16 (Part 2, 10.9.7)");
	for (size_t i = 0; i < count && ch_tpm_ok(t); i++) {
		size_t at = t->r.off;
		struct ch_pcr_select *sel = &a->select[i];
		select_parse(t, sel);
		for (size_t k = 0; k < i && ch_tpm_ok(t); k++) {
			if (a->select[k].alg == sel->alg)
				t->at = at;
			ch_tpm_require(t, a->select[k].alg != sel->alg, CH_ERR_DUPLICATE,
				       "TPML_PCR_SELECTION names a bank twice (Part 2, 10.9.7)");
		}
	}
	a->select_count = ch_tpm_ok(t) ? count : 0;
	a->pcr_digest = ch_tpm_2b(t, 0, CH_DIGEST_MAX, "TPMS_QUOTE_INFO.pcrDigest (Part 2, 10.12.4)");
}

/* TPMS_CERTIFY_INFO (Part 2, 10.12.3). */
static void certify_parse(struct ch_tpm_rd *t, struct ch_tpm_attest *a)
{
	a->name = ch_tpm_2b(t, 0, CH_TPM_HA_MAX, "TPMS_CERTIFY_INFO.name (Part 2, 10.12.3)");
	a->qualified_name = ch_tpm_2b(t, 0, CH_TPM_HA_MAX, "TPMS_CERTIFY_INFO.qualifiedName (Part 2, 10.12.3)");
}

static void header_parse(struct ch_tpm_rd *t, struct ch_tpm_attest *a)
{
	uint32_t magic = ch_tpm_u32(t, "TPMS_ATTEST.magic (Part 2, 10.12.12)");
	ch_tpm_require(t, magic == CH_TPM_GENERATED_VALUE, CH_ERR_MALFORMED,
		       "TPMS_ATTEST.magic is not TPM_GENERATED_VALUE (Part 2, 10.12.12)");
	a->type = ch_tpm_u16(t, "TPMS_ATTEST.type (Part 2, 10.12.12)");
	ch_tpm_require(t, a->type == CH_TPM_ST_ATTEST_QUOTE || a->type == CH_TPM_ST_ATTEST_CERTIFY, CH_ERR_UNSUPPORTED,
		       "TPMS_ATTEST.type is neither a quote nor a certification (Part 2, 10.12.10)");
	a->qualified_signer = ch_tpm_2b(t, 0, CH_TPM_HA_MAX, "TPMS_ATTEST.qualifiedSigner (Part 2, 10.12.12)");
	a->extra_data = ch_tpm_2b(t, 0, CH_TPM_HA_MAX, "TPMS_ATTEST.extraData (Part 2, 10.12.12)");
	a->clock = ch_tpm_u64(t, "TPMS_CLOCK_INFO.clock (Part 2, 10.11.1)");
	a->reset_count = ch_tpm_u32(t, "TPMS_CLOCK_INFO.resetCount (Part 2, 10.11.1)");
	a->restart_count = ch_tpm_u32(t, "TPMS_CLOCK_INFO.restartCount (Part 2, 10.11.1)");
	uint8_t safe = ch_tpm_u8(t, "TPMS_CLOCK_INFO.safe (Part 2, 10.11.1)");
	ch_tpm_require(t, safe <= 1, CH_ERR_RANGE,
		       "TPMS_CLOCK_INFO.safe is neither YES nor NO (Part 2, 9.2 and 10.11.1)");
	a->safe = safe == 1;
	a->firmware_version = ch_tpm_u64(t, "TPMS_ATTEST.firmwareVersion (Part 2, 10.12.12)");
}

enum ch_err ch_tpm_attest_parse(struct ch_tpm_attest *a, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*a = (struct ch_tpm_attest){ 0 };
	struct ch_tpm_attest out = { 0 };
	struct ch_tpm_rd t = ch_tpm_rd(in);
	header_parse(&t, &out);
	if (out.type == CH_TPM_ST_ATTEST_QUOTE)
		quote_parse(&t, &out);
	else
		certify_parse(&t, &out);
	enum ch_err err = ch_tpm_end(&t, d, TRAILING);
	if (err == CH_OK)
		*a = out;
	return err;
}

enum ch_err ch_tpm_pcr_digest(const struct ch_tpm_attest *quote, const struct ch_pcrs *pcrs, enum ch_hash_alg alg,
			      struct ch_digest *out)
{
	*out = (struct ch_digest){ 0 };
	struct ch_hash h;
	enum ch_err err = ch_hash_init(&h, alg);
	if (err != CH_OK)
		return err;
	for (size_t i = 0; i < quote->select_count; i++) {
		if (quote->select[i].mask == 0)
			continue;
		const struct ch_pcr_bank *bank = ch_pcrs_find(pcrs, quote->select[i].alg);
		if (bank == NULL)
			return CH_ERR_UNSUPPORTED;
		for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
			if ((quote->select[i].mask >> pcr & 1) != 0)
				ch_hash_update(&h, ch_pcr_value(bank, pcr));
		}
	}
	ch_hash_final(&h, out);
	return CH_OK;
}
