/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/quote_report.h"

static const char *const scheme_name[] = {
	[CH_SIG_NONE] = "none",     [CH_SIG_ECDSA] = "ecdsa",     [CH_SIG_RSASSA] = "rsassa",
	[CH_SIG_RSAPSS] = "rsapss", [CH_SIG_ED25519] = "ed25519",
};

static const char *const extend_name[] = { [CH_IMA_EXTEND_HASH] = "hash", [CH_IMA_EXTEND_PADDED] = "padded" };

bool quote_report_holds(const struct quote_report *r)
{
	return r->signature_ok && r->nonce != REPORT_NO && r->pcrs != REPORT_NO && r->log != REPORT_NO;
}

static bool selected(uint32_t mask, uint32_t pcr)
{
	return (mask >> pcr & 1) != 0;
}

/* --- JSON --- */

static void json_answer(struct ch_json_wr *j, const char *name, enum report_answer a, const char *yes, const char *no)
{
	ch_json_named_str(j, name, a == REPORT_YES ? yes : a == REPORT_NO ? no : NULL);
}

static void json_hex_number(struct ch_json_wr *j, const char *name, uint64_t v, size_t bytes)
{
	uint8_t b[8];
	struct ch_wr w = ch_wr(b, sizeof(b));
	ch_wr_be64(&w, v);
	ch_json_named_hex(j, name, ch_span(b + sizeof(b) - bytes, bytes));
}

static void json_mask(struct ch_json_wr *j, enum ch_hash_alg alg, uint32_t mask)
{
	ch_json_name(j, ch_hash_name(alg));
	ch_json_array_begin(j);
	for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
		if (selected(mask, pcr))
			ch_json_put_u64(j, pcr);
	}
	ch_json_array_end(j);
}

static void json_key(struct ch_json_wr *j, const struct cli_tpm_key *key)
{
	uint8_t name[2 + CH_DIGEST_MAX];
	size_t n = 0;
	struct ch_diag d;
	ch_json_name(j, "key");
	ch_json_object_begin(j);
	ch_json_named_str(j, "type", ch_key_type_str(key->pub.type));
	ch_json_named_u64(j, "bits", ch_pub_bits(&key->pub));
	if (key->has_area && ch_tpm_name(&key->area, name, &n) == CH_OK)
		ch_json_named_hex(j, "name", ch_span(name, n));
	else
		ch_json_named_str(j, "name", NULL);
	if (!key->has_area) {
		ch_json_named_str(j, "attributes", NULL);
		ch_json_named_str(j, "attestation_key", NULL);
		ch_json_named_str(j, "defect", NULL);
	} else {
		bool ak = ch_tpm_public_check_ak(&key->area, &d) == CH_OK;
		json_hex_number(j, "attributes", key->area.attributes, 4);
		ch_json_named_bool(j, "attestation_key", ak);
		ch_json_named_str(j, "defect", d.rule);
	}
	ch_json_object_end(j);
}

static void json_attest(struct ch_json_wr *j, const struct ch_tpm_attest *q)
{
	ch_json_named_hex(j, "qualified_signer", q->qualified_signer);
	ch_json_name(j, "clock");
	ch_json_object_begin(j);
	ch_json_named_u64(j, "milliseconds", q->clock);
	ch_json_named_u64(j, "reset_count", q->reset_count);
	ch_json_named_u64(j, "restart_count", q->restart_count);
	ch_json_named_bool(j, "safe", q->safe);
	ch_json_object_end(j);
	json_hex_number(j, "firmware_version", q->firmware_version, 8);
	ch_json_name(j, "pcr_select");
	ch_json_object_begin(j);
	for (size_t i = 0; i < q->select_count; i++)
		json_mask(j, q->select[i].alg, q->select[i].mask);
	ch_json_object_end(j);
	ch_json_named_hex(j, "pcr_digest", q->pcr_digest);
}

/* The quoted registers where they are known: given and matching, or replayed and matching. */
static const struct ch_pcrs *known_values(const struct quote_report *r)
{
	if (r->pcrs == REPORT_YES)
		return &r->values;
	return r->log == REPORT_YES ? &r->logs.replay : NULL;
}

static void json_values(struct ch_json_wr *j, const struct quote_report *r)
{
	const struct ch_pcrs *values = known_values(r);
	ch_json_name(j, "pcr_values");
	if (values == NULL) {
		ch_json_put_null(j);
		return;
	}
	ch_json_object_begin(j);
	for (size_t i = 0; i < r->quote.select_count; i++) {
		const struct ch_pcr_bank *bank = ch_pcrs_find(values, r->quote.select[i].alg);
		ch_json_name(j, ch_hash_name(r->quote.select[i].alg));
		ch_json_object_begin(j);
		for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
			if (bank == NULL || !selected(r->quote.select[i].mask, pcr))
				continue;
			char name[4];
			struct ch_wr w = ch_wr(name, sizeof(name));
			ch_wr_dec(&w, pcr);
			ch_json_name_span(j, ch_wr_span(&w));
			ch_json_put_hex(j, ch_pcr_value(bank, pcr));
		}
		ch_json_object_end(j);
	}
	ch_json_object_end(j);
}

static void json_ima(struct ch_json_wr *j, const struct quote_report *r)
{
	const struct quote_log *l = &r->logs;
	ch_json_name(j, "ima");
	if (!r->has_ima) {
		ch_json_put_null(j);
		return;
	}
	ch_json_object_begin(j);
	ch_json_named_u64(j, "entries", l->ima_entries);
	ch_json_name(j, "at_quote");
	if (l->ima_found)
		ch_json_put_u64(j, l->ima_at_quote);
	else
		ch_json_put_null(j);
	ch_json_name(j, "after_quote");
	if (l->ima_found)
		ch_json_put_u64(j, l->ima_entries - l->ima_at_quote);
	else
		ch_json_put_null(j);
	ch_json_named_u64(j, "violations", l->ima_violations);
	ch_json_named_str(j, "extend", l->ima_found ? extend_name[l->ima_mode] : NULL);
	ch_json_object_end(j);
}

void quote_report_json(struct ch_wr *w, const struct quote_report *r)
{
	struct ch_json_wr json = ch_json_wr(w, true);
	struct ch_json_wr *j = &json;
	ch_json_object_begin(j);
	ch_json_named_str(j, "signature", r->signature_ok ? "ok" : "bad");
	ch_json_named_str(j, "scheme", scheme_name[r->sig.scheme]);
	ch_json_named_str(j, "hash", ch_hash_name(r->sig.hash));
	json_key(j, &r->key);
	ch_json_named_hex(j, "nonce", r->quote.extra_data);
	ch_json_name(j, "nonce_matches");
	if (r->nonce == REPORT_NOT_ASKED)
		ch_json_put_null(j);
	else
		ch_json_put_bool(j, r->nonce == REPORT_YES);
	json_attest(j, &r->quote);
	json_answer(j, "pcrs", r->pcrs, "match", "mismatch");
	json_values(j, r);
	json_answer(j, "log", r->log, "explains", "mismatch");
	ch_json_name(j, "mismatching_pcrs");
	ch_json_object_begin(j);
	for (size_t i = 0; i < r->quote.select_count; i++) {
		if (r->logs.mismatch[i] != 0)
			json_mask(j, r->quote.select[i].alg, r->logs.mismatch[i]);
	}
	ch_json_object_end(j);
	json_ima(j, r);
	ch_json_object_end(j);
	ch_wr_u8(w, '\n');
}

/* --- the page --- */

#define LINE_MAX_BYTES 256

/* A line of the page is put together here; what does not fit is left out. */
struct line {
	char b[LINE_MAX_BYTES];
	struct ch_wr w;
};

static void line_begin(struct line *l)
{
	l->w = ch_wr(l->b, sizeof(l->b) - 1);
}

static const char *line_end(struct line *l)
{
	l->b[l->w.len] = '\0';
	return l->b;
}

/* "0-7, 10" */
static void put_mask(struct ch_wr *w, uint32_t mask)
{
	bool first = true;
	for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
		if (!selected(mask, pcr))
			continue;
		uint32_t last = pcr;
		while (last + 1 < CH_PCR_COUNT && selected(mask, last + 1))
			last++;
		ch_wr_str(w, first ? "" : ", ");
		ch_wr_dec(w, pcr);
		if (last > pcr) {
			ch_wr_str(w, last == pcr + 1 ? ", " : "-");
			ch_wr_dec(w, last);
		}
		first = false;
		pcr = last;
	}
	if (first)
		ch_wr_str(w, "none");
}

static void field_hex(struct ch_wr *w, const char *label, struct ch_span bytes)
{
	struct line l;
	line_begin(&l);
	ch_wr_hex(&l.w, bytes);
	cli_field(w, label, CLI_PLAIN, bytes.n > 0 ? line_end(&l) : "(empty)");
}

static void field_answer(struct ch_wr *w, const char *label, enum report_answer a, const char *yes, const char *no)
{
	if (a != REPORT_NOT_ASKED)
		cli_field(w, label, a == REPORT_YES ? CLI_GOOD : CLI_BAD, a == REPORT_YES ? yes : no);
}

static void page_signature(struct ch_wr *w, const struct quote_report *r)
{
	struct line l;
	line_begin(&l);
	ch_wr_str(&l.w, r->signature_ok ? "good: " : "BAD: ");
	ch_wr_str(&l.w, scheme_name[r->sig.scheme]);
	ch_wr_str(&l.w, " with ");
	ch_wr_str(&l.w, ch_hash_name(r->sig.hash));
	ch_wr_str(&l.w, r->signature_ok ? ", made by this key" : ", not made by this key over this quote");
	cli_field(w, "signature", r->signature_ok ? CLI_GOOD : CLI_BAD, line_end(&l));
	line_begin(&l);
	ch_wr_str(&l.w, ch_key_type_str(r->key.pub.type));
	if (r->key.pub.type == CH_KEY_RSA) {
		ch_wr_u8(&l.w, '-');
		ch_wr_dec(&l.w, ch_pub_bits(&r->key.pub));
	}
	cli_field(w, "key", CLI_PLAIN, line_end(&l));
	if (!r->key.has_area)
		return;
	uint8_t name[2 + CH_DIGEST_MAX];
	size_t n;
	struct ch_diag d;
	if (ch_tpm_name(&r->key.area, name, &n) == CH_OK)
		field_hex(w, "key name", ch_span(name, n));
	bool ak = ch_tpm_public_check_ak(&r->key.area, &d) == CH_OK;
	cli_field(w, "key attributes", ak ? CLI_GOOD : CLI_WARN, ak ? "those of an attestation key" : d.rule);
}

static void page_clock(struct ch_wr *w, const struct ch_tpm_attest *q)
{
	struct line l;
	line_begin(&l);
	ch_wr_dec(&l.w, q->clock / 1000);
	ch_wr_str(&l.w, " s, ");
	ch_wr_dec(&l.w, q->reset_count);
	ch_wr_str(&l.w, " resets, ");
	ch_wr_dec(&l.w, q->restart_count);
	ch_wr_str(&l.w, q->safe ? " restarts, safe" : " restarts, not safe (the clock may have been behind this)");
	cli_field(w, "TPM clock", q->safe ? CLI_PLAIN : CLI_WARN, line_end(&l));
	line_begin(&l);
	ch_wr_str(&l.w, "0x");
	uint8_t b[8];
	struct ch_wr v = ch_wr(b, sizeof(b));
	ch_wr_be64(&v, q->firmware_version);
	ch_wr_hex(&l.w, ch_wr_span(&v));
	cli_field(w, "TPM firmware", CLI_PLAIN, line_end(&l));
}

static void page_masks(struct ch_wr *w, const char *label, const struct quote_report *r, bool mismatching)
{
	for (size_t i = 0; i < r->quote.select_count; i++) {
		uint32_t mask = mismatching ? r->logs.mismatch[i] : r->quote.select[i].mask;
		if (mismatching && mask == 0)
			continue;
		struct line l;
		line_begin(&l);
		ch_wr_str(&l.w, ch_hash_name(r->quote.select[i].alg));
		ch_wr_str(&l.w, ": PCR ");
		put_mask(&l.w, mask);
		cli_field(w, label, mismatching ? CLI_BAD : CLI_PLAIN, line_end(&l));
	}
}

static void page_values(struct ch_wr *w, const struct quote_report *r)
{
	const struct ch_pcrs *values = known_values(r);
	for (size_t i = 0; values != NULL && i < r->quote.select_count; i++) {
		const struct ch_pcr_select *sel = &r->quote.select[i];
		const struct ch_pcr_bank *bank = ch_pcrs_find(values, sel->alg);
		for (uint32_t pcr = 0; bank != NULL && pcr < CH_PCR_COUNT; pcr++) {
			if (!selected(sel->mask, pcr))
				continue;
			struct line l;
			line_begin(&l);
			ch_wr_str(&l.w, "  ");
			ch_wr_str(&l.w, ch_hash_name(sel->alg));
			ch_wr_str(&l.w, pcr < 10 ? "   " : "  ");
			ch_wr_dec(&l.w, pcr);
			ch_wr_u8(&l.w, '\0');
			(void)line_end(&l);
			struct line hex;
			line_begin(&hex);
			ch_wr_hex(&hex.w, ch_pcr_value(bank, pcr));
			cli_field(w, l.b, selected(r->logs.mismatch[i], pcr) ? CLI_BAD : CLI_DIM, line_end(&hex));
		}
	}
}

static void page_ima(struct ch_wr *w, const struct quote_report *r)
{
	const struct quote_log *q = &r->logs;
	struct line l;
	line_begin(&l);
	ch_wr_dec(&l.w, q->ima_entries);
	ch_wr_str(&l.w, " entries");
	if (q->ima_found) {
		ch_wr_str(&l.w, ": ");
		ch_wr_dec(&l.w, q->ima_at_quote);
		ch_wr_str(&l.w, " before the quote, ");
		ch_wr_dec(&l.w, q->ima_entries - q->ima_at_quote);
		ch_wr_str(&l.w, " after it");
	} else {
		ch_wr_str(&l.w, q->ima_quoted ? ": no beginning of the list gives the quoted registers"
					      : ": the registers they extend were not quoted");
	}
	cli_field(w, "IMA list", q->ima_found ? CLI_GOOD : q->ima_quoted ? CLI_BAD : CLI_WARN, line_end(&l));
	if (q->ima_violations == 0)
		return;
	line_begin(&l);
	ch_wr_dec(&l.w, q->ima_violations);
	ch_wr_str(&l.w, " (files open for writing while they were measured)");
	cli_field(w, "IMA violations", CLI_WARN, line_end(&l));
}

#define IMA_PCR 10 /* CONFIG_IMA_MEASURE_PCR_IDX */

/* What to give to learn why the logs do not explain the quote. */
static void page_hints(struct ch_wr *w, const struct quote_report *r)
{
	bool ima_register = false;
	for (size_t i = 0; i < r->quote.select_count; i++)
		ima_register = ima_register || selected(r->quote.select[i].mask, IMA_PCR);
	if (!r->has_ima && ima_register)
		cli_field(w, "", CLI_WARN,
			  "PCR 10 was quoted and the kernel's IMA list extends it: give the list with --ima");
	if (known_values(r) == NULL)
		cli_field(w, "", CLI_WARN, "give the values of the registers with --pcrs to be told which differ");
}

void quote_report_page(struct ch_wr *w, const struct quote_report *r)
{
	cli_put(w, CLI_HEAD, "TPM 2.0 quote");
	ch_wr_u8(w, '\n');
	page_signature(w, r);
	field_hex(w, "signer", r->quote.qualified_signer);
	field_hex(w, "nonce", r->quote.extra_data);
	field_answer(w, "freshness", r->nonce, "the nonce is the expected one", "the nonce is NOT the expected one");
	page_clock(w, &r->quote);
	page_masks(w, "quoted", r, false);
	field_hex(w, "digest", r->quote.pcr_digest);
	field_answer(w, "register values", r->pcrs, "hash to the quoted digest", "do NOT hash to the quoted digest");
	field_answer(w, "logs", r->log, "explain every quoted register", "do NOT explain the quote");
	if (r->log == REPORT_NO) {
		page_masks(w, "not explained", r, true);
		page_hints(w, r);
	}
	if (r->has_ima)
		page_ima(w, r);
	page_values(w, r);
	ch_wr_u8(w, '\n');
	bool holds = quote_report_holds(r);
	cli_put(w, holds ? CLI_GOOD : CLI_BAD, holds ? "What was asked holds." : "The quote does not hold.");
	ch_wr_u8(w, '\n');
}
