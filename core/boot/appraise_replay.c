/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/appraise.h"

/*
 * Do the logs give the quoted registers? The firmware's log is certain; of the IMA list only a first part existed when the TPM
 * quoted, and systemd-pcrphase leaves no log at all. So the replay searches: the shortest first part of the list, and a run of
 * the phase words, with which everything fits. A match cannot be forced: each candidate is compared with what the TPM signed.
 */

struct replay {
	struct ch_boot_verdict *v;
	const struct ch_boot_evidence *ev;
	const struct ch_reference *ref;
	bool known;        /* ev->values are the quoted ones */
	uint32_t ima_mask; /* registers that the IMA list extends */
	size_t budget;     /* units of work left, each a hash or so */
	size_t cost;       /* of one candidate: banks to extend and to hash */
	bool spent;        /* the budget ended the search */
};

/* The registers as the firmware's log leaves them, in every bank that is quoted. CH_HASH_NONE, or the bank that cannot be had. */
static enum ch_hash_alg start(const struct replay *r)
{
	const struct ch_tpm_attest *q = r->ev->quote;
	ch_tcg_replay(r->ev->log, &r->v->pcrs);
	for (size_t i = 0; i < q->select_count; i++) {
		if (q->select[i].mask != 0 && ch_pcrs_add(&r->v->pcrs, q->select[i].alg) == NULL)
			return q->select[i].alg;
	}
	return CH_HASH_NONE;
}

/* Takes work from the budget; false, and nothing more is taken, once it is used up. */
static bool spend(struct replay *r, size_t units)
{
	r->spent = r->spent || r->budget < units;
	if (!r->spent)
		r->budget -= units;
	return !r->spent;
}

/* Known values: compares the registers of `mask`. Otherwise: all of the quote, by its digest. */
static bool fits(struct replay *r, uint32_t mask)
{
	const struct ch_tpm_attest *q = r->ev->quote;
	if (!spend(r, r->cost))
		return false;
	if (!r->known) {
		struct ch_digest d;
		return ch_tpm_pcr_digest(q, &r->v->pcrs, r->ev->sig->hash, &d) == CH_OK &&
		       ch_span_eq(ch_digest_span(&d), q->pcr_digest);
	}
	for (size_t i = 0; i < q->select_count; i++) {
		const struct ch_pcr_bank *a = ch_pcrs_find(&r->v->pcrs, q->select[i].alg);
		const struct ch_pcr_bank *b = ch_pcrs_find(r->ev->values, q->select[i].alg);
		if (a == NULL || b == NULL)
			return false;
		for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
			if ((q->select[i].mask & mask) >> pcr & 1 &&
			    !ch_span_eq(ch_pcr_value(a, pcr), ch_pcr_value(b, pcr)))
				return false;
		}
	}
	return true;
}

/* --- the pseudo-log --- */

static void save_register(const struct ch_pcrs *pcrs, uint32_t pcr, struct ch_digest *to)
{
	for (size_t i = 0; i < pcrs->count; i++) {
		to[i].n = pcrs->bank[i].size;
		ch_span_copy(to[i].b, sizeof(to[i].b), ch_pcr_value(&pcrs->bank[i], pcr));
	}
}

static void restore_register(struct ch_pcrs *pcrs, uint32_t pcr, const struct ch_digest *from)
{
	for (size_t i = 0; i < pcrs->count; i++)
		ch_span_copy(pcrs->bank[i].value[pcr], CH_DIGEST_MAX, ch_digest_span(&from[i]));
}

static void extend_word(struct ch_pcrs *pcrs, uint32_t pcr, struct ch_span word)
{
	for (size_t i = 0; i < pcrs->count; i++) {
		struct ch_digest d;
		if (ch_hash_once(pcrs->bank[i].alg, word, &d) == CH_OK)
			(void)ch_pcr_bank_extend(&pcrs->bank[i], pcr, ch_digest_span(&d));
	}
}

/* Tries every run of a rule's words, shortest starts first. On success the registers hold it. */
static bool phase_fits(struct replay *r, const struct ch_ref_rule *rule)
{
	struct ch_digest saved[CH_TCG_BANKS_MAX] = { 0 };
	struct ch_pcrs *pcrs = &r->v->pcrs;
	save_register(pcrs, rule->pcr, saved);
	for (size_t first = 0; first < rule->text_count; first++) {
		for (size_t end = first; end < rule->text_count; end++) {
			/* A word is hashed, and the register extended with it, in each bank. */
			if (!spend(r, 2 * r->cost)) {
				restore_register(pcrs, rule->pcr, saved);
				return false;
			}
			extend_word(pcrs, rule->pcr, r->ref->text[rule->text + end]);
			if (!fits(r, (uint32_t)1 << rule->pcr))
				continue;
			struct ch_pseudo_log *p = &r->v->pseudo;
			*p = (struct ch_pseudo_log){ .pcr = rule->pcr, .rule = rule };
			for (size_t i = first; i <= end; i++)
				p->word[p->count++] = (uint8_t)i;
			return true;
		}
		restore_register(pcrs, rule->pcr, saved);
	}
	return false;
}

/* As the registers are, or with a run of phase words. */
static bool fits_with_phases(struct replay *r, uint32_t mask)
{
	if (fits(r, mask))
		return true;
	uint32_t quoted = ch_quote_mask_any(r->ev->quote);
	for (size_t i = 0; i < r->ref->rule_count; i++) {
		const struct ch_ref_rule *rule = &r->ref->rule[i];
		bool applies = rule->kind == CH_RULE_PCRPHASE && (quoted >> rule->pcr & 1) != 0 &&
			       (mask >> rule->pcr & 1) != 0;
		if (applies && phase_fits(r, rule))
			return true;
	}
	return false;
}

/* --- the IMA list --- */

/* Extends the list into the registers: all of it (`stop_at_fit` false), or until everything fits. */
static enum ch_err extend_ima(struct replay *r, enum ch_ima_extend how, bool stop_at_fit, bool *fit, struct ch_diag *d)
{
	struct ch_boot_verdict *v = r->v;
	struct ch_ima_iter it = ch_ima_iter(r->ev->ima, r->ev->scratch, CH_IMA_DATA_MAX);
	struct ch_ima_entry e;
	uint32_t quoted = ch_quote_mask_any(r->ev->quote);
	uint32_t mask = r->known ? r->ima_mask : UINT32_MAX;
	enum ch_err err;
	v->ima_extend = how;
	v->ima_entries = 0;
	v->ima_quoted = 0;
	*fit = stop_at_fit && fits_with_phases(r, mask);
	while (!*fit && (err = ch_ima_next(&it, &e, d)) == CH_OK) {
		v->ima_entries++;
		ch_ima_extend(&v->pcrs, &e, how);
		r->ima_mask |= e.pcr < CH_PCR_COUNT ? (uint32_t)1 << e.pcr : 0;
		if (e.pcr < CH_PCR_COUNT && (quoted >> e.pcr & 1) != 0)
			v->ima_quoted = v->ima_entries;
		if (stop_at_fit)
			*fit = fits_with_phases(r, mask);
		if (r->spent && stop_at_fit)
			return CH_OK;
	}
	if (*fit || err == CH_ERR_NOTFOUND)
		return CH_OK;
	return err;
}

static enum ch_err ima_count(struct replay *r, size_t *count, struct ch_diag *d)
{
	struct ch_ima_iter it = ch_ima_iter(r->ev->ima, r->ev->scratch, CH_IMA_DATA_MAX);
	struct ch_ima_entry e;
	enum ch_err err;
	*count = 0;
	while ((err = ch_ima_next(&it, &e, d)) == CH_OK)
		++*count;
	return err == CH_ERR_NOTFOUND ? CH_OK : err;
}

/*
 * First the whole list in both ways of extending, as agents send it, then its parts. Each attempt starts from the registers as
 * the firmware's log left them.
 */
static enum ch_err search_ima(struct replay *r, bool *fit, struct ch_diag *d)
{
	static const struct {
		enum ch_ima_extend how;
		bool stop_at_fit;
	} attempt[] = {
		{ CH_IMA_EXTEND_HASH, false },
		{ CH_IMA_EXTEND_PADDED, false },
		{ CH_IMA_EXTEND_HASH, true },
		{ CH_IMA_EXTEND_PADDED, true },
	};
	for (size_t i = 0; i < CH_COUNT_OF(attempt) && !*fit; i++) {
		(void)start(r);
		enum ch_err err = extend_ima(r, attempt[i].how, attempt[i].stop_at_fit, fit, d);
		if (err != CH_OK)
			return err;
		if (!attempt[i].stop_at_fit)
			*fit = fits_with_phases(r, r->known ? r->ima_mask : UINT32_MAX);
	}
	if (*fit)
		return ima_count(r, &r->v->ima_entries, d);
	/* Nothing fits: leave the whole list in the registers, so that the comparison names them. */
	bool ignored;
	(void)start(r);
	return extend_ima(r, CH_IMA_EXTEND_HASH, false, &ignored, d);
}

/* --- what did not fit --- */

static void mismatch(struct replay *r, const struct ch_pcr_bank *bank, uint32_t pcr, struct ch_span quoted)
{
	uint32_t bit = (uint32_t)1 << pcr;
	bool reset = ch_span_all(quoted, 0) || ch_span_all(quoted, 0xff);
	enum ch_reason_code code = reset && (bank->touched & bit) != 0 ? CH_REASON_PCR_RESET : CH_REASON_PCR;
	struct ch_reason *why = ch_verdict_add(r->v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, code);
	why->pcr = pcr;
	why->alg = bank->alg;
	why->measured = quoted;
	why->expected = ch_pcr_value(bank, pcr);
	if ((r->ima_mask & bit) != 0 && r->v->os_judged)
		r->v->tier[CH_LINK_OS] = CH_TIER_CONTRAINDICATED;
}

static void compare_registers(struct replay *r)
{
	const struct ch_tpm_attest *q = r->ev->quote;
	bool all = true;
	for (size_t i = 0; i < q->select_count; i++) {
		const struct ch_pcr_bank *a = ch_pcrs_find(&r->v->pcrs, q->select[i].alg);
		const struct ch_pcr_bank *b = ch_pcrs_find(r->ev->values, q->select[i].alg);
		for (uint32_t pcr = 0; a != NULL && b != NULL && pcr < CH_PCR_COUNT; pcr++) {
			if ((q->select[i].mask >> pcr & 1) == 0 ||
			    ch_span_eq(ch_pcr_value(a, pcr), ch_pcr_value(b, pcr)))
				continue;
			all = false;
			mismatch(r, a, pcr, ch_pcr_value(b, pcr));
		}
	}
	r->v->explains = all;
}

static bool values_are_quoted(struct replay *r)
{
	struct ch_digest d;
	const struct ch_tpm_attest *q = r->ev->quote;
	if (r->ev->values == NULL)
		return false;
	if (ch_tpm_pcr_digest(q, r->ev->values, r->ev->sig->hash, &d) == CH_OK &&
	    ch_span_eq(ch_digest_span(&d), q->pcr_digest))
		return true;
	(void)ch_verdict_add(r->v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, CH_REASON_VALUES);
	return false;
}

enum ch_err ch_appraise_replay(struct ch_boot_verdict *v, const struct ch_boot_evidence *ev,
			       const struct ch_reference *ref, struct ch_diag *d)
{
	/* A quote that nobody signed is worth a short search only: anybody can send one. */
	size_t budget = v->signature_ok ? CH_REPLAY_SEARCH_MAX : CH_REPLAY_SEARCH_MAX / 16;
	struct replay r = { .v = v, .ev = ev, .ref = ref, .budget = budget };
	enum ch_hash_alg lacking = start(&r);
	r.cost = v->pcrs.count > 0 ? v->pcrs.count : 1;
	if (lacking != CH_HASH_NONE) {
		ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, CH_REASON_BANK)->alg = lacking;
		return CH_OK;
	}
	r.known = values_are_quoted(&r);
	bool fit = false;
	enum ch_err err = CH_OK;
	if (ev->ima.n > 0)
		err = search_ima(&r, &fit, d);
	else
		fit = fits_with_phases(&r, UINT32_MAX);
	if (err != CH_OK)
		return err;
	if (r.known) {
		if (ev->ima.n > 0)
			(void)fits_with_phases(&r, ~r.ima_mask);
		compare_registers(&r);
		return CH_OK;
	}
	v->explains = fit;
	if (!fit) {
		enum ch_reason_code code = r.spent ? CH_REASON_BUDGET : CH_REASON_LOG;
		struct ch_reason *why = ch_verdict_add(v, CH_LINK_BOOT, CH_TIER_CONTRAINDICATED, code);
		why->alg = ev->sig->hash;
		why->measured = ev->quote->pcr_digest;
		if (v->os_judged)
			v->tier[CH_LINK_OS] = CH_TIER_CONTRAINDICATED;
	}
	return CH_OK;
}
