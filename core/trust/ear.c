/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/ear.h"

#include "core/base/text.h"

/* --- the trustworthiness vector --- */

#define EAR_CRYPTO_FAILED 99 /* cryptographic validation of the evidence has failed */

enum category { CATEGORY_IDENTITY, CATEGORY_CONFIGURATION, CATEGORY_EXECUTABLES };

/* Registers that hold configuration; all others hold code (PFP 1.06, 2.3.4, table 1). */
static enum category category_of_pcr(uint32_t pcr)
{
	static const uint32_t configuration = 1u << 1 | 1u << 3 | 1u << 5 | 1u << 7 | 1u << 12 | 1u << 14;
	return pcr < 32 && (configuration >> pcr & 1) != 0 ? CATEGORY_CONFIGURATION : CATEGORY_EXECUTABLES;
}

static enum category category_of(const struct ch_reason *r)
{
	switch (r->code) {
	case CH_REASON_SIGNATURE:
	case CH_REASON_AK:
	case CH_REASON_NOT_A_QUOTE:
	case CH_REASON_NONCE:
	case CH_REASON_COUNTER_BACK:
	case CH_REASON_CLOCK_BACK:
	case CH_REASON_FIRMWARE_DOWN:
		return CATEGORY_IDENTITY;
	default:
		return category_of_pcr(r->pcr);
	}
}

/* The evidence does not hold together: nothing can be said of what it claims. */
static bool is_crypto_failure(enum ch_reason_code code)
{
	switch (code) {
	case CH_REASON_SIGNATURE:
	case CH_REASON_NOT_A_QUOTE:
	case CH_REASON_NONCE:
	case CH_REASON_BANK:
	case CH_REASON_VALUES:
	case CH_REASON_LOG:
	case CH_REASON_PCR:
	case CH_REASON_BUDGET:
	case CH_REASON_IMA_ENTRY:
	case CH_REASON_LOG_MALFORMED:
	case CH_REASON_IMA_MALFORMED:
		return true;
	default:
		return false;
	}
}

struct ch_ear_vector ch_ear_vector(const struct ch_boot_verdict *v, enum ch_link link)
{
	struct ch_ear_vector out = { .instance_identity = 2, .configuration = 2, .executables = 3 };
	if (link == CH_LINK_OS)
		out = (struct ch_ear_vector){ .executables = v->tier[link] == CH_TIER_NONE ? 0 : 2 };
	int8_t *claim[] = { &out.instance_identity, &out.configuration, &out.executables };
	for (size_t i = 0; i < v->reason_count; i++) {
		const struct ch_reason *r = &v->reason[i];
		if (r->link != link || r->tier == CH_TIER_NONE)
			continue;
		enum category c = link == CH_LINK_OS ? CATEGORY_EXECUTABLES : category_of(r);
		int8_t value = is_crypto_failure(r->code) ? EAR_CRYPTO_FAILED : (int8_t)r->tier;
		if (value > *claim[c])
			*claim[c] = value;
	}
	/* What a reason that found no room was about is not known: then no claim is better than the link. */
	for (size_t i = 0; v->reasons_dropped > 0 && v->tier[link] > CH_TIER_AFFIRMING && i < CH_COUNT_OF(claim); i++) {
		if (*claim[i] < (int)v->tier[link])
			*claim[i] = (int8_t)v->tier[link];
	}
	/* A tier that comes from another link's reason. */
	if ((int)v->tier[link] > out.executables && v->tier[link] > CH_TIER_AFFIRMING &&
	    out.instance_identity < (int)v->tier[link] && out.configuration < (int)v->tier[link])
		out.executables = (int8_t)v->tier[link];
	return out;
}

/* --- reasons --- */

void ch_reason_facts(struct ch_reason_facts *f, const struct ch_ear_input *in, const struct ch_reason *r)
{
	f->has_event = false;
	f->has_entry = false;
	f->from = NULL;
	f->from_name = CH_SPAN_EMPTY;
	if (r->doc >= 0) {
		f->from = ch_ref_kind_str(in->reference->doc[r->doc].kind);
		f->from_name = in->reference->doc[r->doc].name;
	}
	if (r->event != CH_ITEM_NONE) {
		struct ch_tcg_iter it = ch_tcg_iter(in->evidence->log);
		while (!f->has_event && ch_tcg_next(&it, &f->event))
			f->has_event = f->event.n == r->event;
		if (f->has_event) {
			struct ch_tcg_event quoted = f->event;
			ch_quote_filter(in->evidence->quote, &quoted);
			ch_tcg_event_decode(&quoted, &f->what);
		}
	}
	if (r->entry != CH_ITEM_NONE) {
		/* Straight to the entry: a list is long, and reasons are many. */
		struct ch_ima_iter it = ch_ima_iter(in->evidence->ima, in->evidence->scratch, CH_IMA_DATA_MAX);
		it.off = r->off;
		it.n = r->entry;
		f->has_entry = ch_ima_next(&it, &f->entry, NULL) == CH_OK;
	}
}

static void named_null(struct ch_json_wr *j, const char *name)
{
	ch_json_name(j, name);
	ch_json_put_null(j);
}

static void named_opt_span(struct ch_json_wr *j, const char *name, struct ch_span s)
{
	if (s.n > 0)
		ch_json_named_span(j, name, s);
	else
		named_null(j, name);
}

static void named_opt_hex(struct ch_json_wr *j, const char *name, struct ch_span s)
{
	if (s.n > 0)
		ch_json_named_hex(j, name, s);
	else
		named_null(j, name);
}

static void named_opt_u64(struct ch_json_wr *j, const char *name, bool there, uint64_t v)
{
	if (there)
		ch_json_named_u64(j, name, v);
	else
		named_null(j, name);
}

static void named_what(struct ch_json_wr *j, const char *name, const struct ch_tcg_event *ev,
		       const struct ch_tcg_what *what)
{
	uint8_t text[CH_TCG_DESCRIBE_MAX + 8];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_tcg_event_describe(ev, what, &w);
	ch_json_named_span(j, name, ch_span(text, w.len));
}

void ch_reason_cert_put(struct ch_wr *w, const struct ch_reason *r)
{
	ch_wr_put(w, r->subject);
	ch_wr_str(w, ": ");
	if (r->cert.n > sizeof(r->cert_id))
		ch_efi_cert_subject_put(w, r->cert);
	else
		ch_wr_str(w, "a hash");
}

static void named_cert(struct ch_json_wr *j, const char *name, const struct ch_reason *r)
{
	uint8_t text[CH_TCG_DESCRIBE_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_reason_cert_put(&w, r);
	ch_json_named_span(j, name, ch_span(text, w.len));
}

#define ALLOWED_SHOWN       4
#define ALLOWED_SUBJECT_MAX 160

/* "db: CN=…, CN=…": the entries that are allowed. */
static void allowed_put(struct ch_wr *w, const struct ch_reference *ref, struct ch_span db)
{
	size_t count = 0;
	ch_wr_put(w, db);
	ch_wr_str(w, ": ");
	for (size_t i = 0; i < ref->sig_count; i++) {
		struct ch_span subject = ref->sig[i].subject;
		if (!ch_span_eq(db, ch_span_str(ch_ref_db_str(ref->sig[i].db))) || count++ >= ALLOWED_SHOWN)
			continue;
		ch_wr_str(w, count > 1 ? ", " : "");
		if (subject.n > 0 && subject.n <= ALLOWED_SUBJECT_MAX)
			ch_wr_put(w, subject);
		else
			ch_wr_hex(w, CH_SPAN_OF(ref->sig[i].sha256));
	}
	if (count > ALLOWED_SHOWN) {
		ch_wr_str(w, " and ");
		ch_wr_dec(w, count - ALLOWED_SHOWN);
		ch_wr_str(w, " more");
	}
	if (count == 0)
		ch_wr_str(w, "none");
}

struct ch_span ch_reason_wanted(const struct ch_ear_input *in, const struct ch_reason *r,
				uint8_t text[static CH_TCG_DESCRIBE_MAX])
{
	if (r->wanted != NULL)
		return r->wanted->what;
	if (r->code != CH_REASON_SB_KEY)
		return CH_SPAN_EMPTY;
	struct ch_wr w = ch_wr(text, CH_TCG_DESCRIBE_MAX);
	allowed_put(&w, in->reference, r->subject);
	return ch_wr_span(&w);
}

/* Names of the members: the command's documents and the server's interface each have theirs. */
struct names {
	const char *code, *type, *what, *digest, *by, *from;
};

static void put_reason(struct ch_json_wr *j, const struct ch_ear_input *in, const struct ch_reason *r,
		       const struct names *name)
{
	struct ch_reason_facts f;
	uint8_t text[CH_TCG_DESCRIBE_MAX];
	ch_reason_facts(&f, in, r);
	ch_json_named_str(j, name->code, ch_reason_id(r->code));
	ch_json_named_str(j, "tier", ch_tier_str(r->tier));
	ch_json_named_str(j, "text", ch_reason_text(r->code));
	named_opt_u64(j, "event", r->event != CH_ITEM_NONE, r->event);
	named_opt_u64(j, "entry", r->entry != CH_ITEM_NONE, r->entry);
	named_opt_u64(j, "pcr", r->pcr != CH_PCR_NONE, r->pcr);
	ch_json_named_str(j, name->type, f.has_event ? ch_tcg_type_str(f.event.type) : NULL);
	if (r->cert.n > 0)
		named_cert(j, name->what, r);
	else if (f.has_event)
		named_what(j, name->what, &f.event, &f.what);
	else if (f.has_entry)
		named_opt_span(j, name->what, f.entry.path);
	else
		named_opt_span(j, name->what, r->subject);
	ch_json_named_str(j, "digest_alg", r->alg != CH_HASH_NONE ? ch_hash_name(r->alg) : NULL);
	named_opt_hex(j, name->digest, f.has_entry ? f.entry.file_digest : r->measured);
	named_opt_hex(j, "expected", r->expected);
	named_opt_span(j, "expected_what", ch_reason_wanted(in, r, text));
	ch_json_named_str(j, name->by, f.from);
	named_opt_span(j, name->from, f.from_name);
}

static void put_reasons(struct ch_json_wr *j, const struct ch_ear_input *in, enum ch_link link)
{
	static const struct names name = { "reason", "type_name", "what", "measured", "expected_by", "expected_from" };
	const struct ch_boot_verdict *v = in->verdict;
	ch_json_name(j, "reasons");
	ch_json_array_begin(j);
	for (size_t i = 0; i < v->reason_count; i++) {
		if (v->reason[i].link != link)
			continue;
		ch_json_object_begin(j);
		put_reason(j, in, &v->reason[i], &name);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
	ch_json_named_u64(j, "reasons_dropped", v->reasons_dropped);
}

void ch_ear_reasons_put(struct ch_json_wr *j, const struct ch_ear_input *in)
{
	static const struct names name = { "code", "type", "measured", "digest", "from", "from_name" };
	const struct ch_boot_verdict *v = in->verdict;
	ch_json_array_begin(j);
	for (size_t i = 0; i < v->reason_count; i++) {
		ch_json_object_begin(j);
		ch_json_named_str(j, "link", ch_link_str(v->reason[i].link));
		put_reason(j, in, &v->reason[i], &name);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

/* --- claims of the boot link --- */

static void put_quote(struct ch_json_wr *j, const struct ch_ear_input *in)
{
	const struct ch_tpm_attest *q = in->evidence->quote;
	ch_json_named_str(j, "signature", in->verdict->signature_ok ? "ok" : "bad");
	ch_json_named_hex(j, "nonce", q->extra_data);
	ch_json_name(j, "nonce_matches");
	if (in->evidence->nonce.n > 0)
		ch_json_put_bool(j, ch_ct_eq(in->evidence->nonce, q->extra_data));
	else
		ch_json_put_null(j);
	ch_json_named_u64(j, "clock", q->clock);
	ch_json_named_u64(j, "reset_count", q->reset_count);
	ch_json_named_u64(j, "restart_count", q->restart_count);
	ch_json_named_bool(j, "safe", q->safe);
	uint8_t version[8]; /* as digits: a JSON number past 2^53 does not survive every reader */
	struct ch_wr w = ch_wr(version, sizeof(version));
	ch_wr_be64(&w, q->firmware_version);
	ch_json_named_hex(j, "firmware_version", CH_SPAN_OF(version));
	ch_json_named_hex(j, "pcr_digest", q->pcr_digest);
	ch_json_named_str(j, "log", in->verdict->explains ? "explains" : "mismatch");
}

/* The quoted registers, as replayed. */
static void put_banks(struct ch_json_wr *j, const struct ch_ear_input *in)
{
	const struct ch_boot_verdict *v = in->verdict;
	ch_json_name(j, "banks");
	ch_json_object_begin(j);
	for (size_t i = 0; i < v->pcrs.count; i++) {
		const struct ch_pcr_bank *bank = &v->pcrs.bank[i];
		uint32_t mask = ch_quote_mask(in->evidence->quote, bank->alg);
		if (mask == 0)
			continue;
		ch_json_name(j, ch_hash_name(bank->alg));
		ch_json_object_begin(j);
		for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
			uint8_t number[4];
			struct ch_wr w = ch_wr(number, sizeof(number));
			ch_wr_dec(&w, pcr);
			if ((mask >> pcr & 1) == 0)
				continue;
			ch_json_name_span(j, ch_wr_span(&w));
			ch_json_put_hex(j, ch_pcr_value(bank, pcr));
		}
		ch_json_object_end(j);
	}
	ch_json_object_end(j);
}

static void put_event(struct ch_json_wr *j, const struct ch_ear_input *in, const struct ch_tcg_event *ev)
{
	const struct ch_event_verdict *out = &in->verdict->event[ev->n];
	bool by_doc = out->by == CH_EXPLAINED_BASELINE || out->by == CH_EXPLAINED_RELEASE ||
		      out->by == CH_EXPLAINED_RULE || out->by == CH_EXPLAINED_PINNED;
	struct ch_tcg_what what;
	struct ch_tcg_event quoted = *ev;
	ch_quote_filter(in->evidence->quote, &quoted);
	ch_tcg_event_decode(&quoted, &what);
	static const char *const cover[] = { "none", "all", "part", "conflict" };
	bool vouched = ev->extended && quoted.digest_count > 0;
	ch_json_object_begin(j);
	ch_json_named_u64(j, "n", ev->n);
	ch_json_named_u64(j, "pcr", ev->pcr);
	ch_json_named_u64(j, "type", ev->type);
	ch_json_named_str(j, "type_name", ch_tcg_type_str(ev->type));
	named_what(j, "what", ev, &what);
	ch_json_named_str(j, "covered", vouched ? cover[what.cover] : "none");
	ch_json_named_str(j, "explained", ch_explained_str(out->by));
	named_opt_span(j, "by", by_doc ? in->reference->doc[out->doc].name : CH_SPAN_EMPTY);
	ch_json_named_str(j, "rule", out->rule);
	ch_json_object_end(j);
}

static void put_events(struct ch_json_wr *j, const struct ch_ear_input *in)
{
	struct ch_tcg_event ev;
	ch_json_name(j, "events");
	ch_json_array_begin(j);
	for (struct ch_tcg_iter it = ch_tcg_iter(in->evidence->log); ch_tcg_next(&it, &ev);)
		put_event(j, in, &ev);
	ch_json_array_end(j);
	const struct ch_pseudo_log *p = &in->verdict->pseudo;
	ch_json_name(j, "pseudo_log");
	ch_json_array_begin(j);
	for (size_t i = 0; i < p->count; i++) {
		ch_json_object_begin(j);
		ch_json_named_u64(j, "pcr", p->pcr);
		ch_json_named_span(j, "word", in->reference->text[p->rule->text + p->word[i]]);
		ch_json_named_span(j, "by", in->reference->doc[p->rule->doc].name);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void put_range(void *ctx, size_t off, size_t len, const char *why)
{
	struct ch_json_wr *j = ctx;
	ch_json_object_begin(j);
	ch_json_named_u64(j, "offset", off);
	ch_json_named_u64(j, "length", len);
	ch_json_named_str(j, "why", why);
	ch_json_object_end(j);
}

static void put_boot_claims(struct ch_json_wr *j, const struct ch_ear_input *in)
{
	const struct ch_tcg_log *log = in->evidence->log;
	ch_json_object_begin(j);
	put_quote(j, in);
	ch_json_named_str(j, "format", ch_tcg_format_str(log->format));
	ch_json_named_u64(j, "startup_locality", log->startup_locality);
	ch_json_name(j, "secure_boot");
	if (in->verdict->secure_boot == CH_SECURE_BOOT_UNKNOWN)
		ch_json_put_null(j);
	else
		ch_json_put_bool(j, in->verdict->secure_boot == CH_SECURE_BOOT_ON);
	put_banks(j, in);
	if (in->brief) {
		ch_json_object_end(j);
		return;
	}
	put_events(j, in);
	ch_json_name(j, "unauthenticated");
	ch_json_array_begin(j);
	ch_boot_unauthenticated(in->evidence, put_range, j);
	ch_json_array_end(j);
	ch_json_object_end(j);
}

static void put_os_claims(struct ch_json_wr *j, const struct ch_ear_input *in)
{
	static const char *const by[] = { "baseline", "release", "rule", "pinned" };
	const struct ch_boot_verdict *v = in->verdict;
	ch_json_object_begin(j);
	ch_json_named_u64(j, "entries", v->ima_entries);
	ch_json_named_u64(j, "quoted", v->ima_quoted);
	ch_json_named_u64(j, "after_quote", v->ima_entries - v->ima_quoted);
	ch_json_named_str(j, "extended", v->ima_extend == CH_IMA_EXTEND_HASH ? "hash" : "padded");
	ch_json_name(j, "explained");
	ch_json_object_begin(j);
	for (size_t i = 0; i < CH_COUNT_OF(by); i++)
		ch_json_named_u64(j, by[i], v->ima_explained[i]);
	ch_json_object_end(j);
	ch_json_object_end(j);
}

static void put_vector(struct ch_json_wr *j, const struct ch_boot_verdict *v, enum ch_link link)
{
	struct ch_ear_vector vector = ch_ear_vector(v, link);
	ch_json_name(j, "ear_trustworthiness_vector");
	ch_json_object_begin(j);
	if (link == CH_LINK_BOOT) {
		ch_json_named_u64(j, "instance-identity", (uint64_t)vector.instance_identity);
		ch_json_named_u64(j, "configuration", (uint64_t)vector.configuration);
	}
	ch_json_named_u64(j, "executables", (uint64_t)vector.executables);
	ch_json_object_end(j);
}

static void put_submod(struct ch_json_wr *j, const struct ch_ear_input *in, enum ch_link link)
{
	ch_json_name(j, ch_link_str(link));
	ch_json_object_begin(j);
	ch_json_named_str(j, "ear_status", ch_tier_str(in->verdict->tier[link]));
	put_vector(j, in->verdict, link);
	ch_json_name(j, "ear_appraisal_policy_ids");
	ch_json_array_begin(j);
	for (size_t i = 0; i < in->reference->doc_count; i++)
		ch_json_put_span(j, in->reference->doc[i].name);
	ch_json_array_end(j);
	ch_json_name(j, "ear_attester_claims");
	if (link == CH_LINK_BOOT)
		put_boot_claims(j, in);
	else
		put_os_claims(j, in);
	ch_json_name(j, "ear_verifier_claims");
	ch_json_object_begin(j);
	put_reasons(j, in, link);
	ch_json_object_end(j);
	ch_json_object_end(j);
}

/* A link that no appraiser of a boot speaks for: platform by what enrolment found, the others by nothing yet. */
static void put_other(struct ch_json_wr *j, enum ch_link link, enum ch_tier tier)
{
	ch_json_name(j, ch_link_str(link));
	ch_json_object_begin(j);
	ch_json_named_str(j, "ear_status", ch_tier_str(tier));
	if (link == CH_LINK_PLATFORM && tier == CH_TIER_AFFIRMING) {
		ch_json_name(j, "ear_trustworthiness_vector");
		ch_json_object_begin(j);
		ch_json_named_u64(j, "instance-identity", 2);
		ch_json_named_u64(j, "hardware", 2);
		ch_json_object_end(j);
	}
	ch_json_object_end(j);
}

static void put_links(struct ch_json_wr *j, const struct ch_ear_input *in)
{
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		enum ch_link link = (enum ch_link)i;
		bool judged = link == CH_LINK_BOOT || (link == CH_LINK_OS && in->verdict->os_judged);
		if (judged)
			put_submod(j, in, link);
		else if (in->link != NULL)
			put_other(j, link, in->link[i]);
	}
}

void ch_ear_put(struct ch_json_wr *j, const struct ch_ear_input *in)
{
	ch_json_object_begin(j);
	ch_json_named_str(j, "eat_profile", CH_EAR_PROFILE);
	ch_json_name(j, "iat");
	ch_json_put_i64(j, in->issued_at);
	ch_json_name(j, "ear_verifier_id");
	ch_json_object_begin(j);
	ch_json_named_str(j, "developer", "Chainhold");
	ch_json_named_str(j, "build", in->build);
	ch_json_object_end(j);
	ch_json_name(j, "submods");
	ch_json_object_begin(j);
	put_links(j, in);
	ch_json_object_end(j);
	ch_json_object_end(j);
}
