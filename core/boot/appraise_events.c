/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/appraise.h"

/* Every event explained in exactly one of four ways; and what a log must not lack. */

#define PCR_SECURE_BOOT 7
#define SEPARATOR_PCRS  8 /* PCR 0..7 end their firmware part with a separator (PFP 1.06, 2.3.4) */

/* An event under judgement: its content is decoded, and so hashed, at most once. */
struct subject {
	const struct ch_tcg_event *ev;
	bool decoded;
	struct ch_tcg_what what;
};

static const struct ch_tcg_what *what_of(struct subject *x)
{
	if (!x->decoded)
		ch_tcg_event_decode(x->ev, &x->what);
	x->decoded = true;
	return &x->what;
}

/*
 * An event that documents of this kind endorse: by its digest in the best quoted bank, and not contradicted by a digest that the
 * same document gives for another quoted bank.
 */
static const struct ch_ref_event *endorsed(const struct ch_reference *ref, enum ch_ref_kind kind,
					   const struct ch_tcg_event *ev, enum ch_hash_alg best)
{
	struct ch_span digest = ch_tcg_digest_in(ev, best);
	const struct ch_ref_event *e =
		digest.n > 0 ? ch_reference_event(ref, kind, ev->pcr, ev->type, best, digest) : NULL;
	for (size_t i = 0; e != NULL && i < ev->digest_count; i++) {
		if (ev->digest[i].alg == best)
			continue;
		struct ch_span wanted = ch_reference_digest(ref, e, ev->digest[i].alg);
		if (wanted.n > 0 && !ch_span_eq(wanted, ev->digest[i].value))
			return NULL;
	}
	return e;
}

/* The log may not say something else of an endorsed event than it said when it was endorsed. */
static void judge_text(struct ch_boot_verdict *v, const struct ch_ref_event *e, const struct subject *x)
{
	if (e->covers == CH_REF_COVERS_ANY)
		return;
	enum ch_tcg_cover wanted = e->covers == CH_REF_COVERS_ALL ? CH_COVER_ALL : CH_COVER_PART;
	if (x->decoded ? x->what.cover == wanted : ch_tcg_event_covers(x->ev, wanted))
		return;
	struct ch_reason *r = ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, CH_REASON_TEXT);
	r->event = x->ev->n;
	r->pcr = x->ev->pcr;
	r->wanted = e;
	r->doc = e->doc;
}

static struct ch_event_verdict explain(struct ch_boot_verdict *v, const struct ch_reference *ref, struct subject *x,
				       enum ch_hash_alg best)
{
	static const enum ch_ref_kind order[] = { CH_REF_BASELINE, CH_REF_RELEASE, CH_REF_PINNED };
	static const enum ch_explained by[] = { CH_EXPLAINED_BASELINE, CH_EXPLAINED_RELEASE, CH_EXPLAINED_PINNED };
	struct ch_event_verdict out = { .by = CH_EXPLAINED_NOT, .tier = CH_TIER_CONTRAINDICATED };
	for (size_t i = 0; i < CH_COUNT_OF(order); i++) {
		if (order[i] == CH_REF_PINNED) {
			if (what_of(x)->cover == CH_COVER_CONFLICT)
				ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, CH_REASON_COVER)->event =
					x->ev->n;
			if (ch_appraise_rule(ref, x->ev, what_of(x), &out))
				return out;
		}
		const struct ch_ref_event *e = endorsed(ref, order[i], x->ev, best);
		if (e != NULL) {
			size_t n = (size_t)(e - ref->event);
			v->seen[n / 8] |= (uint8_t)(1u << n % 8);
			judge_text(v, e, x);
			return (struct ch_event_verdict){ .by = by[i], .tier = CH_TIER_AFFIRMING, .doc = e->doc };
		}
	}
	return out;
}

static bool is_seen(const struct ch_boot_verdict *v, size_t n)
{
	return (v->seen[n / 8] >> n % 8 & 1) != 0;
}

/* The same event is often given by several documents: it is there if any of its twins was seen. */
static bool is_there(const struct ch_boot_verdict *v, const struct ch_reference *ref, size_t n)
{
	const struct ch_ref_event *e = &ref->event[n];
	for (size_t i = 0; i < ref->event_count; i++) {
		const struct ch_ref_event *o = &ref->event[i];
		if (!is_seen(v, i) || o->pcr != e->pcr || o->type != e->type)
			continue;
		for (size_t b = 0; b < v->pcrs.count; b++) {
			struct ch_span digest = ch_reference_digest(ref, e, v->pcrs.bank[b].alg);
			if (digest.n > 0 && ch_span_eq(digest, ch_reference_digest(ref, o, v->pcrs.bank[b].alg)))
				return true;
		}
	}
	return false;
}

static void report(struct ch_boot_verdict *v, const struct ch_reference *ref, const struct ch_tcg_event *ev,
		   enum ch_hash_alg best, const struct ch_event_verdict *out)
{
	bool unexplained = out->by == CH_EXPLAINED_NOT;
	struct ch_reason *r = ch_verdict_add(v, CH_LINK_BOOT, out->tier,
					     unexplained ? CH_REASON_UNEXPLAINED : CH_REASON_RULE_WARNING);
	r->event = ev->n;
	r->pcr = ev->pcr;
	r->alg = best;
	r->measured = ch_tcg_digest_in(ev, best);
	r->doc = unexplained ? -1 : out->doc;
	/* What was expected instead: an endorsed event of this register and type that the log does not contain. */
	for (size_t i = 0; unexplained && r->wanted == NULL && i < ref->event_count; i++) {
		const struct ch_ref_event *e = &ref->event[i];
		if (e->pcr != ev->pcr || e->type != ev->type || is_seen(v, i))
			continue;
		r->wanted = e;
		r->expected = ch_reference_digest(ref, e, best);
		r->doc = e->doc;
	}
}

/* How many required events of each document are missing; -1 for a document that requires none. */
static void count_missing(const struct ch_boot_verdict *v, const struct ch_reference *ref,
			  int missing[static CH_REF_DOCS_MAX])
{
	for (size_t d = 0; d < CH_REF_DOCS_MAX; d++)
		missing[d] = -1;
	for (size_t i = 0; i < ref->event_count; i++) {
		const struct ch_ref_event *e = &ref->event[i];
		if (!e->required)
			continue;
		if (missing[e->doc] < 0)
			missing[e->doc] = 0;
		missing[e->doc] += !is_seen(v, i) && !is_there(v, ref, i);
	}
}

/* Whether a document of this kind explained an event that no other did before it. */
static bool is_used(const struct ch_boot_verdict *v, const struct ch_reference *ref, enum ch_ref_kind kind)
{
	for (size_t i = 0; i < ref->event_count; i++) {
		if (is_seen(v, i) && ref->doc[ref->event[i].doc].kind == kind)
			return true;
	}
	return false;
}

/*
 * Documents of one kind are alternatives (two firmware versions, two releases): one of them must be there with all it requires. A boot
 * that its baseline explains whole needs no release: the first that is published must not break those that do not run it yet.
 */
static void judge_missing(struct ch_boot_verdict *v, const struct ch_reference *ref, enum ch_ref_kind kind)
{
	int missing[CH_REF_DOCS_MAX];
	size_t best = CH_REF_DOCS_MAX;
	if (kind == CH_REF_RELEASE && !is_used(v, ref, kind))
		return;
	count_missing(v, ref, missing);
	for (size_t d = 0; d < ref->doc_count; d++) {
		if (ref->doc[d].kind == kind && missing[d] >= 0 &&
		    (best == CH_REF_DOCS_MAX || missing[d] < missing[best]))
			best = d;
	}
	for (size_t i = 0; best < CH_REF_DOCS_MAX && missing[best] > 0 && i < ref->event_count; i++) {
		const struct ch_ref_event *e = &ref->event[i];
		if (!e->required || e->doc != best || is_seen(v, i) || is_there(v, ref, i))
			continue;
		struct ch_reason *r = ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, CH_REASON_MISSING);
		r->pcr = e->pcr;
		r->wanted = e;
		r->doc = e->doc;
	}
}

/* An event of one document, given by another as well. */
static bool has_twin(const struct ch_boot_verdict *v, const struct ch_reference *ref, size_t n, size_t doc)
{
	const struct ch_ref_event *e = &ref->event[n];
	for (size_t i = 0; i < ref->event_count; i++) {
		const struct ch_ref_event *o = &ref->event[i];
		if (o->doc != doc || o->pcr != e->pcr || o->type != e->type)
			continue;
		for (size_t b = 0; b < v->pcrs.count; b++) {
			struct ch_span digest = ch_reference_digest(ref, e, v->pcrs.bank[b].alg);
			if (digest.n > 0 && ch_span_eq(digest, ch_reference_digest(ref, o, v->pcrs.bank[b].alg)))
				return true;
		}
	}
	return false;
}

bool ch_appraise_release(const struct ch_boot_verdict *v, const struct ch_reference *ref, size_t doc)
{
	bool any = false;
	enum ch_tier tier = v->tier[CH_LINK_BOOT];
	if (doc >= ref->doc_count || ref->doc[doc].kind != CH_REF_RELEASE || !v->explains ||
	    (tier != CH_TIER_AFFIRMING && tier != CH_TIER_WARNING))
		return false;
	for (size_t i = 0; i < ref->event_count; i++) {
		const struct ch_ref_event *e = &ref->event[i];
		bool own = e->doc == doc, seen = is_seen(v, i);
		if (own && e->required && !seen && !is_there(v, ref, i))
			return false;
		if (!own && seen && ref->doc[e->doc].kind == CH_REF_RELEASE && !has_twin(v, ref, i, doc))
			return false;
		any = any || (own && e->required);
	}
	return any;
}

static void judge_registers(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev,
			    const struct ch_reference *ref)
{
	uint32_t quoted = ch_quote_mask_any(ev->quote);
	for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
		if ((ref->pcr_mask >> pcr & 1) == 0)
			continue;
		if ((quoted >> pcr & 1) == 0)
			ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, CH_REASON_PCR_NOT_QUOTED)->pcr = pcr;
		else if (ch_hash_size(ch_quote_best_bank(ev->quote, pcr)) < 32)
			ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_WARNING, CH_REASON_WEAK_BANK)->pcr = pcr;
	}
}

/* --- separators --- */

struct separators {
	uint8_t count[SEPARATOR_PCRS];
	bool bad[SEPARATOR_PCRS];
};

static void note_structure(struct ch_boot_verdict *v, struct separators *s, struct subject *x)
{
	const struct ch_tcg_event *ev = x->ev;
	if (ev->pcr >= SEPARATOR_PCRS)
		return;
	if (ev->type == CH_EV_SEPARATOR) {
		bool ok = what_of(x)->cover == CH_COVER_ALL && ev->data.n == 4 &&
			  (ch_span_all(ev->data, 0) || ch_span_all(ev->data, 0xff));
		s->bad[ev->pcr] |= !ok;
		s->count[ev->pcr] = (uint8_t)(s->count[ev->pcr] < 2 ? s->count[ev->pcr] + 1 : 2);
	} else if (ev->type == CH_EV_EFI_VARIABLE_DRIVER_CONFIG && ev->pcr == 7 && s->count[7] > 0) {
		ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, CH_REASON_ORDER)->event = ev->n;
	}
}

/*
 * UEFI firmware ends each of these registers with one separator, so none of them keeps its reset value, in no bank. Which ones
 * other firmware extends, only reference values tell.
 */
static uint32_t extended_by_firmware(const struct ch_reference *ref, bool uefi)
{
	uint32_t mask = uefi ? ((uint32_t)1 << SEPARATOR_PCRS) - 1 : 0;
	for (size_t i = 0; !uefi && i < ref->event_count; i++) {
		if (ref->event[i].pcr < SEPARATOR_PCRS)
			mask |= (uint32_t)1 << ref->event[i].pcr;
	}
	return mask;
}

static void judge_structure(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev,
			    const struct ch_reference *ref, const struct separators *s)
{
	bool uefi = ev->log->format == CH_TCG_SHA1 || ev->log->format == CH_TCG_AGILE;
	uint32_t mask = extended_by_firmware(ref, uefi);
	for (size_t i = 0; i < ev->quote->select_count; i++) {
		const struct ch_pcr_bank *bank = ch_pcrs_find(&v->pcrs, ev->quote->select[i].alg);
		for (uint32_t pcr = 0; bank != NULL && pcr < SEPARATOR_PCRS; pcr++) {
			if (((ev->quote->select[i].mask & mask) >> pcr & 1) == 0)
				continue;
			bool reset = (bank->touched >> pcr & 1) == 0;
			if (!reset && (!uefi || (s->count[pcr] == 1 && !s->bad[pcr])))
				continue;
			struct ch_reason *r = ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED,
							     reset ? CH_REASON_PCR_RESET : CH_REASON_SEPARATOR);
			r->pcr = pcr;
			r->alg = bank->alg;
			r->measured = ch_pcr_value(bank, pcr);
		}
	}
}

/* A log of a dynamic launch alone has nothing of the firmware's. */
static bool has_firmware_part(const struct ch_boot_evidence *ev)
{
	return !ev->log->drtm || (ch_quote_mask_any(ev->quote) & 0xff) != 0;
}

/* Reasons come after all events are judged: what was expected instead is an event that did not occur. */
static void report_all(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev, const struct ch_reference *ref)
{
	struct ch_tcg_event e;
	for (struct ch_tcg_iter it = ch_tcg_iter(ev->log); ch_tcg_next(&it, &e);) {
		const struct ch_event_verdict *out = &v->event[e.n];
		if (out->tier == CH_TIER_WARNING || out->by == CH_EXPLAINED_NOT)
			report(v, ref, &e, ch_quote_best_bank(ev->quote, e.pcr), out);
	}
}

void ch_appraise_events(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev, const struct ch_reference *ref)
{
	struct separators seps = { 0 };
	struct ch_secure_boot_seen sb = { 0 };
	struct ch_tcg_event e;
	enum ch_hash_alg bank[CH_PCR_COUNT];
	bool to_report = false;
	for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++)
		bank[pcr] = ch_quote_best_bank(ev->quote, pcr);
	for (struct ch_tcg_iter it = ch_tcg_iter(ev->log); ch_tcg_next(&it, &e);) {
		struct ch_event_verdict *out = &v->event[e.n];
		*out = (struct ch_event_verdict){ .by = CH_EXPLAINED_NOT_EXTENDED };
		enum ch_hash_alg best = e.pcr < CH_PCR_COUNT ? bank[e.pcr] : CH_HASH_NONE;
		if (e.extended && best == CH_HASH_NONE)
			out->by = CH_EXPLAINED_NOT_QUOTED;
		if (!e.extended || best == CH_HASH_NONE)
			continue;
		ch_quote_filter(ev->quote, &e);
		struct subject x = { .ev = &e };
		note_structure(v, &seps, &x);
		if (e.pcr == PCR_SECURE_BOOT && e.type == CH_EV_EFI_VARIABLE_DRIVER_CONFIG)
			ch_appraise_secure_boot_event(&sb, v, ref, &e, what_of(&x));
		*out = explain(v, ref, &x, best);
		to_report |= out->tier == CH_TIER_WARNING || out->by == CH_EXPLAINED_NOT;
	}
	if (to_report)
		report_all(v, ev, ref);
	ch_appraise_secure_boot_end(&sb, v, ref);
	judge_missing(v, ref, CH_REF_BASELINE);
	judge_missing(v, ref, CH_REF_RELEASE);
	judge_missing(v, ref, CH_REF_PINNED);
	judge_registers(v, ev, ref);
	if (has_firmware_part(ev))
		judge_structure(v, ev, ref, &seps);
}
