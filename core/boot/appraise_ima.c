/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/appraise.h"

/* Every measured file explained. Order does not count; what came after the quote is not judged. */

#define AGGREGATE_PCRS_SHA1 8  /* boot_aggregate covers PCR 0..7 in the SHA-1 bank, */
#define AGGREGATE_PCRS      10 /* and PCR 0..9 in others, since Linux 5.8 */
#define PCR_IMA             10 /* where Linux extends, unless it was built or told otherwise */
#define PCR_IMA_FIRST       8  /* CONFIG_IMA_MEASURE_PCR_IDX: its range */
#define PCR_IMA_LAST        14

/* Paths of an ASCII list live in scratch memory that the next entry overwrites: the report reads them again by number. */
static struct ch_reason *link_reason(struct ch_boot_verdict *v, enum ch_link link, enum ch_tier tier,
				     enum ch_reason_code code, const struct ch_ima_entry *e)
{
	struct ch_reason *r = ch_verdict_add(v, link, tier, code);
	r->entry = e->n;
	r->off = e->off;
	r->pcr = e->pcr;
	return r;
}

/* In another register than IMA's own, an entry that does not hold may stand for something that a boot loader measured there. */
static struct ch_reason *entry_reason(struct ch_boot_verdict *v, enum ch_tier tier, enum ch_reason_code code,
				      const struct ch_ima_entry *e)
{
	if (e->pcr != PCR_IMA)
		(void)link_reason(v, CH_LINK_BOOT, tier, code, e);
	return link_reason(v, CH_LINK_OS, tier, code, e);
}

/* Recomputes boot_aggregate over the replayed registers in the bank that the entry names. */
static bool aggregate_holds(const struct ch_boot_verdict *v, enum ch_hash_alg alg, struct ch_span digest, size_t pcrs)
{
	const struct ch_pcr_bank *bank = ch_pcrs_find(&v->pcrs, alg);
	struct ch_hash h;
	struct ch_digest d;
	if (bank == NULL || ch_hash_init(&h, alg) != CH_OK)
		return false;
	for (uint32_t pcr = 0; pcr < pcrs; pcr++)
		ch_hash_update(&h, ch_pcr_value(bank, pcr));
	ch_hash_final(&h, &d);
	return ch_span_eq(ch_digest_span(&d), digest);
}

static void judge_aggregate(struct ch_boot_verdict *v, const struct ch_ima_entry *e)
{
	enum ch_hash_alg alg = ch_hash_by_name(e->file_alg);
	bool named = ch_span_eq(e->path, CH_SPAN_LIT("boot_aggregate"));
	bool holds = named && (aggregate_holds(v, alg, e->file_digest, AGGREGATE_PCRS) ||
			       (alg == CH_HASH_SHA1 && aggregate_holds(v, alg, e->file_digest, AGGREGATE_PCRS_SHA1)));
	if (holds) {
		v->ima_explained[2]++;
		return;
	}
	struct ch_reason *r = entry_reason(v, CH_TIER_CONTRAINDICATED, CH_REASON_IMA_AGGREGATE, e);
	r->alg = alg;
}

static void judge_file(struct ch_boot_verdict *v, const struct ch_reference *ref, const struct ch_ima_entry *e)
{
	static const uint8_t column[] = { [CH_REF_BASELINE] = 0, [CH_REF_RELEASE] = 1, [CH_REF_PINNED] = 3 };
	enum ch_hash_alg alg = ch_hash_by_name(e->file_alg);
	const struct ch_ref_file *f = ch_reference_file(ref, e->path, alg, e->file_digest);
	if (f != NULL) {
		v->ima_explained[column[ref->doc[f->doc].kind]]++;
		return;
	}
	struct ch_reason *r = entry_reason(v, CH_TIER_CONTRAINDICATED, CH_REASON_IMA_FILE, e);
	/* The search goes through all files: not for reasons that nobody is told. */
	const struct ch_ref_file *known = v->reasons_dropped == 0 ? ch_reference_file_by_path(ref, e->path) : NULL;
	r->alg = alg;
	if (known != NULL) {
		r->expected = known->digest;
		r->doc = known->doc;
	}
}

/*
 * The registers of firmware are its own, and 16 and 23 can be reset by the running system. In other registers than the usual
 * one only entries that are judged can be told from moved events.
 */
static bool register_fits(const struct ch_reference *ref, uint32_t pcr)
{
	return pcr == PCR_IMA || (ref->ima_judged && pcr >= PCR_IMA_FIRST && pcr <= PCR_IMA_LAST);
}

static void judge_entry(struct ch_boot_verdict *v, const struct ch_reference *ref, const struct ch_ima_entry *e)
{
	/*
	 * Nothing vouches for an entry's register and template, only for what was extended: so "template data" may be a command line
	 * that GRUB measured, and a violation any event with a digest of ones. Elsewhere than in IMA's register, entries must be judged.
	 */
	if (!register_fits(ref, e->pcr) || (e->pcr != PCR_IMA && e->violation)) {
		(void)entry_reason(v, CH_TIER_CONTRAINDICATED, CH_REASON_IMA_TEMPLATE, e);
		return;
	}
	if (e->violation) {
		(void)entry_reason(v, ref->ima_violations, CH_REASON_IMA_VIOLATION, e);
		return;
	}
	if (!ch_ima_entry_holds(e)) {
		(void)entry_reason(v, CH_TIER_CONTRAINDICATED, CH_REASON_IMA_ENTRY, e);
		return;
	}
	if (!ref->ima_judged)
		return;
	if (!e->known) {
		(void)entry_reason(v, CH_TIER_CONTRAINDICATED, CH_REASON_IMA_TEMPLATE, e);
		return;
	}
	if (e->n == 0 && ref->ima_boot_aggregate)
		judge_aggregate(v, e);
	else
		judge_file(v, ref, e);
}

void ch_appraise_ima(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev, const struct ch_reference *ref)
{
	if (ev->ima.n == 0) {
		if (ref->ima_judged)
			(void)ch_verdict_add(v, CH_LINK_OS, CH_TIER_CONTRAINDICATED, CH_REASON_IMA_MISSING);
		return;
	}
	uint32_t quoted = ch_quote_mask_any(ev->quote);
	struct ch_ima_iter it = ch_ima_iter(ev->ima, ev->scratch, CH_IMA_DATA_MAX);
	struct ch_ima_entry e;
	while (it.n < v->ima_quoted && ch_ima_next(&it, &e, NULL) == CH_OK) {
		if (e.pcr < CH_PCR_COUNT && (quoted >> e.pcr & 1) != 0)
			judge_entry(v, ref, &e);
	}
	if (v->ima_quoted == 0 && ref->ima_judged)
		(void)ch_verdict_add(v, CH_LINK_OS, CH_TIER_CONTRAINDICATED, CH_REASON_IMA_MISSING);
	if (!ref->ima_judged)
		(void)ch_verdict_add(v, CH_LINK_OS, CH_TIER_NONE, CH_REASON_IMA_UNJUDGED);
}
