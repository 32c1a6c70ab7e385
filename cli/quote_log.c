/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/quote_log.h"

static uint8_t scratch[CH_IMA_DATA_MAX];

/* The registers after the firmware's log, with every quoted bank present that can be computed. */
static void replay_boot(struct ch_pcrs *pcrs, const struct quote_log_in *in)
{
	ch_pcrs_init(pcrs);
	if (in->log != NULL)
		ch_tcg_replay(in->log, pcrs);
	for (size_t i = 0; i < in->quote->select_count; i++) {
		if (in->quote->select[i].mask != 0)
			(void)ch_pcrs_add(pcrs, in->quote->select[i].alg);
	}
}

/* Registers of a selection that were extended in another bank of the log but not in this one. */
static uint32_t unlogged(const struct ch_pcrs *boot, const struct ch_pcr_select *sel)
{
	uint32_t touched = 0;
	for (size_t i = 0; i < boot->count; i++)
		touched |= boot->bank[i].touched;
	const struct ch_pcr_bank *bank = ch_pcrs_find(boot, sel->alg);
	return bank == NULL ? sel->mask : sel->mask & touched & ~bank->touched;
}

/* Registers of `mask` in which two banks differ. */
static uint32_t differ(const struct ch_pcr_bank *a, const struct ch_pcr_bank *b, uint32_t mask)
{
	if (a == NULL || b == NULL)
		return mask;
	uint32_t out = 0;
	for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
		if ((mask >> pcr & 1) != 0 && !ch_span_eq(ch_pcr_value(a, pcr), ch_pcr_value(b, pcr)))
			out |= (uint32_t)1 << pcr;
	}
	return out;
}

/* True if the registers `mask` of every quoted bank are what was quoted. Without values: if all registers are. */
static bool reached(const struct quote_log_in *in, const struct ch_pcrs *pcrs, uint32_t mask)
{
	const struct ch_tpm_attest *q = in->quote;
	if (in->values == NULL) {
		struct ch_digest digest;
		return ch_tpm_pcr_digest(q, pcrs, in->hash, &digest) == CH_OK &&
		       ch_span_eq(ch_digest_span(&digest), q->pcr_digest);
	}
	for (size_t i = 0; i < q->select_count; i++) {
		const struct ch_pcr_select *sel = &q->select[i];
		if (differ(ch_pcrs_find(pcrs, sel->alg), ch_pcrs_find(in->values, sel->alg), sel->mask & mask) != 0)
			return false;
	}
	return true;
}

/* Reads the whole list once: counts it, and says which registers it extends. */
static enum ch_err ima_survey(struct quote_log *out, struct ch_span list, uint32_t *touched, struct ch_diag *d)
{
	struct ch_ima_iter it = ch_ima_iter(list, scratch, sizeof(scratch));
	struct ch_ima_entry e;
	enum ch_err err = ch_ima_next(&it, &e, d);
	for (; err == CH_OK; err = ch_ima_next(&it, &e, d)) {
		out->ima_entries++;
		out->ima_violations += e.violation ? 1 : 0;
		if (e.pcr < CH_PCR_COUNT)
			*touched |= (uint32_t)1 << e.pcr;
	}
	return err == CH_ERR_NOTFOUND ? CH_OK : err;
}

/* Extends the list's entries into `pcrs` until the quote is reached, if it is. */
static bool ima_replay(struct quote_log *out, const struct quote_log_in *in, struct ch_pcrs *pcrs, uint32_t touched,
		       enum ch_ima_extend mode)
{
	struct ch_ima_iter it = ch_ima_iter(in->ima, scratch, sizeof(scratch));
	struct ch_ima_entry e;
	size_t violations = 0;
	for (size_t n = 1; ch_ima_next(&it, &e, NULL) == CH_OK; n++) {
		ch_ima_extend(pcrs, &e, mode);
		violations += e.violation ? 1 : 0;
		if (!reached(in, pcrs, touched))
			continue;
		out->ima_found = true;
		out->ima_at_quote = n;
		out->ima_violations = violations;
		out->ima_mode = mode;
		return true;
	}
	return false;
}

static enum ch_err ima_judge(struct quote_log *out, const struct quote_log_in *in, struct ch_diag *d)
{
	uint32_t touched = 0;
	enum ch_err err = ima_survey(out, in->ima, &touched, d);
	if (err != CH_OK)
		return err;
	for (size_t i = 0; i < in->quote->select_count; i++)
		out->ima_quoted = out->ima_quoted || (in->quote->select[i].mask & touched) != 0;
	if (!out->ima_quoted)
		return CH_OK;
	static struct ch_pcrs boot;
	boot = out->replay;
	if (ima_replay(out, in, &out->replay, touched, CH_IMA_EXTEND_HASH))
		return CH_OK;
	static struct ch_pcrs padded;
	padded = boot;
	if (ima_replay(out, in, &padded, touched, CH_IMA_EXTEND_PADDED))
		out->replay = padded;
	return CH_OK;
}

enum ch_err quote_log_judge(struct quote_log *out, const struct quote_log_in *in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*out = (struct quote_log){ .explains = false };
	const struct ch_tpm_attest *q = in->quote;
	uint32_t never[CH_TPM_SELECTIONS_MAX] = { 0 };
	replay_boot(&out->replay, in);
	for (size_t i = 0; i < q->select_count; i++)
		never[i] = unlogged(&out->replay, &q->select[i]);
	enum ch_err err = in->has_ima ? ima_judge(out, in, d) : CH_OK;
	if (err != CH_OK)
		return err;
	out->explains = reached(in, &out->replay, UINT32_MAX);
	for (size_t i = 0; i < q->select_count; i++) {
		const struct ch_pcr_select *sel = &q->select[i];
		if (never[i] != 0)
			out->explains = false;
		if (in->values != NULL)
			out->mismatch[i] = never[i] | differ(ch_pcrs_find(&out->replay, sel->alg),
							     ch_pcrs_find(in->values, sel->alg), sel->mask);
	}
	return CH_OK;
}
