/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/evidence.h"

#include "core/platform/tpm_signature.h"

/* An event has at least 12 bytes of fixed fields, in every format (PFP 1.06, 5.1 and 5.2; coreboot's entries are longer). */
#define EVENT_MIN 12

size_t ch_evidence_arena_size(size_t eventlog, const struct ch_reference *ref)
{
	return (eventlog / EVENT_MIN + 1) * sizeof(struct ch_event_verdict) + ref->event_count / 8 + 1 +
	       CH_IMA_DATA_MAX + 256;
}

/* Quote, signature, key: without any of these there is no evidence. */
static enum ch_err parse(struct ch_evidence_verdict *v, const struct ch_evidence *e, struct ch_diag *d)
{
	enum ch_err err = ch_tpm_attest_parse(&v->quote, e->quote, d);
	if (err == CH_OK && v->quote.type != CH_TPM_ST_ATTEST_QUOTE)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 4, "what the TPM signed is not a quote (Part 2, 10.12.8)");
	if (err == CH_OK)
		err = ch_tpm_signature_parse(&v->sig, e->signature, d);
	if (err == CH_OK)
		err = ch_tpm_public_parse(&v->ak, e->ak_public, d);
	return err;
}

static void malformed(struct ch_evidence_verdict *v, enum ch_link link, enum ch_reason_code code)
{
	struct ch_reason *r = ch_verdict_add(&v->boot, link, CH_TIER_CONTRAINDICATED, code);
	v->malformed = true;
	v->rule = v->log.rule;
	(void)r;
}

/* Without reference values: does the quote hold, and do the logs replay to it? Nothing is affirmed. */
static enum ch_err without_reference(struct ch_evidence_verdict *v, const struct ch_reference *ref)
{
	struct ch_boot_verdict *b = &v->boot;
	ch_boot_verdict_begin(b, &v->evidence, ref);
	ch_appraise_quote(b, &v->evidence);
	enum ch_err err = ch_appraise_replay(b, &v->evidence, ref, &v->log);
	for (size_t i = 0; i < v->evidence.log->event_count; i++)
		b->event[i] = (struct ch_event_verdict){ .by = CH_EXPLAINED_NOT };
	/* Nor with a warning: that is a tier of what somebody endorsed. */
	if (b->tier[CH_LINK_BOOT] != CH_TIER_CONTRAINDICATED)
		b->tier[CH_LINK_BOOT] = CH_TIER_NONE;
	(void)ch_verdict_add(b, CH_LINK_BOOT, CH_TIER_NONE, CH_REASON_NO_REFERENCE);
	return err;
}

static void judge_quote_only(struct ch_evidence_verdict *v, const struct ch_reference *ref)
{
	ch_boot_verdict_begin(&v->boot, &v->evidence, ref);
	ch_appraise_quote(&v->boot, &v->evidence);
}

static void judge_boot(struct ch_evidence_verdict *v, const struct ch_reference *ref, bool readable)
{
	if (!readable) {
		v->evidence.ima = CH_SPAN_EMPTY;
		judge_quote_only(v, ref);
		malformed(v, CH_LINK_BOOT, CH_REASON_LOG_MALFORMED);
		return;
	}
	enum ch_err err =
		ref->doc_count > 0 ? ch_boot_appraise(&v->boot, &v->evidence, ref, &v->log) : without_reference(v, ref);
	if (err == CH_OK)
		return;
	/* A list that breaks off explains no register, so the boot is not explained either. */
	judge_quote_only(v, ref);
	malformed(v, CH_LINK_BOOT, CH_REASON_IMA_MALFORMED);
	malformed(v, CH_LINK_OS, CH_REASON_IMA_MALFORMED);
}

/* As much as this evidence needs; what is handed out is cleared, so no more than that. */
static enum ch_err take_memory(struct ch_evidence_verdict *v, const struct ch_evidence *e,
			       const struct ch_reference *ref, struct ch_arena *arena)
{
	v->boot.event = ch_arena_take(arena, v->parsed.event_count, sizeof(struct ch_event_verdict));
	v->boot.seen = ch_arena_take(arena, ref->event_count / 8 + 1, 1);
	v->evidence.scratch = ch_arena_take(arena, e->ima.n > 0 ? CH_IMA_DATA_MAX : 0, 1);
	return v->boot.event != NULL && v->boot.seen != NULL && v->evidence.scratch != NULL ? CH_OK : CH_ERR_NOSPACE;
}

enum ch_err ch_evidence_judge(struct ch_evidence_verdict *v, const struct ch_evidence *e,
			      const struct ch_reference *ref, struct ch_arena *arena, struct ch_diag *d)
{
	ch_diag_clear(d);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		v->link[i] = CH_TIER_NONE;
	v->malformed = false;
	v->rule = NULL;
	ch_diag_clear(&v->log);
	struct ch_verify_key key = { .type = CH_KEY_NONE };
	enum ch_err err = parse(v, e, d);
	if (err != CH_OK)
		return err;
	if (e->key == NULL)
		err = ch_verify_key_init(&key, &v->ak.key);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "the attestation key is not a valid key");
	v->evidence = (struct ch_boot_evidence){
		.msg = e->quote,
		.quote = &v->quote,
		.sig = &v->sig,
		.key = e->key != NULL ? e->key : &key,
		.ak = &v->ak,
		.log = &v->parsed,
		.ima = e->ima,
		/* Whether it is the challenge is the keeper's to say, who gave it. */
		.nonce = e->history ? CH_SPAN_EMPTY : v->quote.extra_data,
		.last = e->history ? NULL : e->last,
	};
	bool readable = ch_tcg_log_parse(&v->parsed, e->eventlog, &v->log) == CH_OK;
	if (!readable)
		v->parsed = (struct ch_tcg_log){ .event_count = 0 };
	err = take_memory(v, e, ref, arena);
	if (err == CH_OK)
		judge_boot(v, ref, readable);
	ch_verify_key_clear(&key);
	v->evidence.key = NULL;
	if (err != CH_OK)
		return ch_fail(d, err, 0, "no room to judge this log");
	v->link[CH_LINK_PLATFORM] = e->platform;
	v->link[CH_LINK_BOOT] = v->boot.tier[CH_LINK_BOOT];
	v->link[CH_LINK_OS] = v->boot.os_judged ? v->boot.tier[CH_LINK_OS] : CH_TIER_NONE;
	return CH_OK;
}
