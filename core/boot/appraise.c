/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/appraise.h"

/* The order of the judgement, and what a verdict is made of. */

const char *ch_explained_str(enum ch_explained by)
{
	static const char *const name[] = { "unexplained", "baseline",     "release",   "rule",
					    "pinned",      "not-extended", "not-quoted" };
	return (size_t)by < CH_COUNT_OF(name) ? name[by] : "unexplained";
}

#define CH_REASON_ROW(name, id, text) { id, text },
static const struct {
	const char *id;
	const char *text;
} reason_row[] = { CH_REASONS(CH_REASON_ROW) };
#undef CH_REASON_ROW

const char *ch_reason_id(enum ch_reason_code code)
{
	return (size_t)code < CH_COUNT_OF(reason_row) ? reason_row[code].id : "unknown";
}

const char *ch_reason_text(enum ch_reason_code code)
{
	return (size_t)code < CH_COUNT_OF(reason_row) ? reason_row[code].text : "unknown";
}

struct ch_reason *ch_verdict_add(struct ch_boot_verdict *v, enum ch_link link, enum ch_tier tier,
				 enum ch_reason_code code)
{
	if (tier > v->tier[link])
		v->tier[link] = tier;
	struct ch_reason *r;
	if (v->reason_count < CH_REASONS_MAX) {
		r = &v->reason[v->reason_count++];
	} else {
		/* The last place is given up so that the caller has one to fill: the count of dropped ones stays true. */
		r = &v->reason[CH_REASONS_MAX - 1];
		v->reasons_dropped++;
	}
	*r = (struct ch_reason){ .code = code,
				 .link = link,
				 .tier = tier,
				 .event = CH_ITEM_NONE,
				 .entry = CH_ITEM_NONE,
				 .pcr = CH_PCR_NONE,
				 .doc = -1 };
	return r;
}

uint32_t ch_quote_mask(const struct ch_tpm_attest *quote, enum ch_hash_alg alg)
{
	uint32_t mask = 0;
	for (size_t i = 0; i < quote->select_count; i++) {
		if (quote->select[i].alg == alg)
			mask |= quote->select[i].mask;
	}
	return mask;
}

uint32_t ch_quote_mask_any(const struct ch_tpm_attest *quote)
{
	uint32_t mask = 0;
	for (size_t i = 0; i < quote->select_count; i++)
		mask |= quote->select[i].mask;
	return mask;
}

enum ch_hash_alg ch_quote_best_bank(const struct ch_tpm_attest *quote, uint32_t pcr)
{
	enum ch_hash_alg best = CH_HASH_NONE;
	for (size_t i = 0; i < quote->select_count; i++) {
		enum ch_hash_alg alg = quote->select[i].alg;
		if (pcr < 32 && (quote->select[i].mask >> pcr & 1) != 0 && ch_hash_available(alg) &&
		    ch_hash_size(alg) > ch_hash_size(best))
			best = alg;
	}
	return best;
}

void ch_quote_filter(const struct ch_tpm_attest *quote, struct ch_tcg_event *ev)
{
	size_t kept = 0;
	for (size_t i = 0; i < ev->digest_count; i++) {
		if (ev->pcr < 32 && (ch_quote_mask(quote, ev->digest[i].alg) >> ev->pcr & 1) != 0)
			ev->digest[kept++] = ev->digest[i];
	}
	ev->digest_count = kept;
}

void ch_boot_verdict_begin(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev, const struct ch_reference *ref)
{
	/* The big arrays of the verdict are written as they are used. */
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		v->tier[i] = CH_TIER_NONE;
	v->tier[CH_LINK_BOOT] = CH_TIER_AFFIRMING;
	v->os_judged = ev->ima.n > 0 || ref->ima_judged;
	/* A list that is only replayed says nothing good of its files. */
	if (ref->ima_judged)
		v->tier[CH_LINK_OS] = CH_TIER_AFFIRMING;
	v->signature_ok = false;
	v->explains = false;
	v->secure_boot = CH_SECURE_BOOT_UNKNOWN;
	v->pseudo = (struct ch_pseudo_log){ 0 };
	v->ima_entries = 0;
	v->ima_quoted = 0;
	for (size_t i = 0; i < CH_COUNT_OF(v->ima_explained); i++)
		v->ima_explained[i] = 0;
	v->ima_extend = CH_IMA_EXTEND_HASH;
	v->event_count = ev->log->event_count;
	v->reason_count = 0;
	v->reasons_dropped = 0;
	v->pcrs.count = 0;
}

enum ch_err ch_boot_appraise(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev,
			     const struct ch_reference *ref, struct ch_diag *d)
{
	ch_diag_clear(d);
	ch_boot_verdict_begin(v, ev, ref);
	ch_appraise_quote(v, ev);
	enum ch_err err = ch_appraise_replay(v, ev, ref, d);
	if (err != CH_OK)
		return err;
	const struct ch_pseudo_log *p = &v->pseudo;
	if (p->count > 0 && p->rule->tier > CH_TIER_AFFIRMING) {
		struct ch_reason *r = ch_verdict_add(v, CH_LINK_BOOT, p->rule->tier, CH_REASON_RULE_WARNING);
		r->pcr = p->pcr;
		r->doc = p->rule->doc;
	}
	ch_appraise_events(v, ev, ref);
	ch_appraise_ima(v, ev, ref);
	return CH_OK;
}
