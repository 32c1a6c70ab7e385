/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/appraise.h"

/* What the quote says of itself: signature, key, challenge, counters. A quote that fails here vouches for nothing. */

static void fails(struct ch_boot_verdict *v, enum ch_reason_code code)
{
	(void)ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, code);
}

static void judge_key(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev)
{
	if (ev->ak == NULL)
		(void)ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_NONE, CH_REASON_AK_UNJUDGED);
	else if (ch_tpm_public_check_ak(ev->ak, NULL) != CH_OK)
		fails(v, CH_REASON_AK);
	else if (ev->ak->scheme_hash != ev->sig->hash)
		fails(v, CH_REASON_AK); /* a restricted key signs with its own scheme only */
	v->signature_ok = ch_verify_message(ev->key, ev->sig, ev->msg) == CH_OK;
	if (!v->signature_ok)
		fails(v, CH_REASON_SIGNATURE);
	if (ev->quote->type != CH_TPM_ST_ATTEST_QUOTE)
		fails(v, CH_REASON_NOT_A_QUOTE);
}

static void judge_nonce(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev)
{
	if (ev->nonce.n == 0) {
		(void)ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_NONE, CH_REASON_NONCE_UNJUDGED);
		return;
	}
	if (ch_ct_eq(ev->nonce, ev->quote->extra_data))
		return;
	struct ch_reason *r = ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, CH_REASON_NONCE);
	r->measured = ev->quote->extra_data;
	r->expected = ev->nonce;
}

/*
 * Part 1, 36.3: resetCount and restartCount only grow; clock does not go back but over a reset, with `safe` clear until it is past what was
 * reported before. Software TPMs set `safe` earlier after a loss of power, with a reset counted (decision 0026): that is a warning.
 */
static void judge_counters(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev)
{
	const struct ch_tpm_attest *q = ev->quote;
	const struct ch_boot_last *last = ev->last;
	if (!q->safe)
		(void)ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_NONE, CH_REASON_CLOCK_UNSAFE);
	if (last == NULL)
		return;
	bool same_reset = q->reset_count == last->reset_count;
	bool clock_back = q->clock < last->clock;
	if (q->reset_count < last->reset_count ||
	    (same_reset && (q->restart_count < last->restart_count || clock_back)))
		fails(v, CH_REASON_COUNTER_BACK);
	else if (clock_back && q->safe)
		(void)ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_WARNING, CH_REASON_CLOCK_BACK);
	if (q->firmware_version < last->firmware_version)
		fails(v, CH_REASON_FIRMWARE_DOWN);
}

void ch_appraise_quote(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev)
{
	judge_key(v, ev);
	judge_nonce(v, ev);
	judge_counters(v, ev);
}
