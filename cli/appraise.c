/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/evidence.h"
#include "cli/reference.h"

#include "core/base/text.h"
#include "core/trust/ear.h"

#include <stdio.h>
#include <time.h>

static enum cli_mark mark_of(enum ch_tier tier)
{
	switch (tier) {
	case CH_TIER_AFFIRMING:
		return CLI_GOOD;
	case CH_TIER_WARNING:
		return CLI_WARN;
	case CH_TIER_CONTRAINDICATED:
		return CLI_BAD;
	case CH_TIER_NONE:
		break;
	}
	return CLI_DIM;
}

static void put_indented(struct ch_wr *w, const char *label, struct ch_span text)
{
	if (text.n == 0)
		return;
	ch_wr_str(w, "      ");
	cli_put(w, CLI_DIM, label);
	ch_text_escape(w, text);
	ch_wr_u8(w, '\n');
}

static void put_escaped(struct ch_wr *w, const char *label, struct ch_span text)
{
	ch_wr_str(w, "      ");
	cli_put(w, CLI_DIM, label);
	cli_put_escaped(w, text);
	ch_wr_u8(w, '\n');
}

static void put_cert(struct ch_wr *w, const struct ch_reason *r)
{
	uint8_t text[CH_TCG_DESCRIBE_MAX];
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_reason_cert_put(&t, r);
	put_escaped(w, "entry     ", ch_span(text, t.len));
}

static void put_wanted(struct ch_wr *w, const struct ch_ear_input *in, const struct ch_reason *r)
{
	uint8_t text[CH_TCG_DESCRIBE_MAX];
	struct ch_span wanted = ch_reason_wanted(in, r, text);
	if (wanted.n > 0)
		put_escaped(w, "expected  ", wanted);
}

static void put_digest(struct ch_wr *w, const char *label, enum ch_hash_alg alg, struct ch_span digest)
{
	if (digest.n == 0 || digest.n > CH_DIGEST_MAX)
		return;
	ch_wr_str(w, "      ");
	cli_put(w, CLI_DIM, label);
	if (alg != CH_HASH_NONE) {
		ch_wr_str(w, ch_hash_name(alg));
		ch_wr_u8(w, ':');
	}
	ch_wr_hex(w, digest);
	ch_wr_u8(w, '\n');
}

static void put_place(struct ch_wr *w, const struct ch_reason *r, const struct ch_reason_facts *f)
{
	if (r->event == CH_ITEM_NONE && r->entry == CH_ITEM_NONE && r->pcr == CH_PCR_NONE)
		return;
	ch_wr_str(w, "      ");
	if (r->event != CH_ITEM_NONE) {
		ch_wr_str(w, "event ");
		ch_wr_dec(w, r->event);
		ch_wr_str(w, r->pcr != CH_PCR_NONE ? ", " : "");
	}
	if (r->entry != CH_ITEM_NONE) {
		ch_wr_str(w, "IMA entry ");
		ch_wr_dec(w, r->entry);
		ch_wr_str(w, ", ");
	}
	if (r->pcr != CH_PCR_NONE) {
		ch_wr_str(w, "PCR ");
		ch_wr_dec(w, r->pcr);
	}
	if (f->has_event && ch_tcg_type_str(f->event.type) != NULL) {
		ch_wr_str(w, ", ");
		ch_wr_str(w, ch_tcg_type_str(f->event.type));
	}
	ch_wr_u8(w, '\n');
}

static void put_reason(struct ch_wr *w, const struct ch_ear_input *in, const struct ch_reason *r)
{
	static struct ch_reason_facts f;
	ch_reason_facts(&f, in, r);
	ch_wr_str(w, "    ");
	cli_put(w, mark_of(r->tier), ch_reason_text(r->code));
	ch_wr_u8(w, '\n');
	put_place(w, r, &f);
	if (f.has_event) {
		uint8_t text[CH_TCG_DESCRIBE_MAX + 8];
		struct ch_wr t = ch_wr(text, sizeof(text));
		ch_tcg_event_describe(&f.event, &f.what, &t);
		ch_wr_str(w, "      ");
		cli_put(w, CLI_DIM, "measured  ");
		ch_wr_put(w, ch_span(text, t.len));
		bool covered = f.what.cover == CH_COVER_ALL || f.what.cover == CH_COVER_PART;
		ch_wr_str(w, covered ? "\n" : " (the log says so; the digest does not cover it)\n");
	}
	if (r->cert.n > 0)
		put_cert(w, r);
	else
		put_indented(w, "measured  ", f.has_entry ? f.entry.path : r->subject);
	if (f.has_entry)
		put_digest(w, "digest    ", r->alg, f.entry.file_digest);
	else
		put_digest(w, r->code == CH_REASON_NONCE ? "nonce     " : "digest    ", r->alg, r->measured);
	put_digest(w, "expected  ", r->alg, r->expected);
	put_wanted(w, in, r);
	if (f.from != NULL) {
		ch_wr_str(w, "      ");
		cli_put(w, CLI_DIM, "from      ");
		ch_wr_str(w, f.from);
		ch_wr_str(w, " \"");
		ch_text_escape(w, f.from_name);
		ch_wr_str(w, "\"\n");
	}
}

static void put_link(struct ch_wr *w, const struct ch_ear_input *in, enum ch_link link)
{
	const struct ch_boot_verdict *v = in->verdict;
	cli_field(w, ch_link_str(link), mark_of(v->tier[link]), ch_tier_str(v->tier[link]));
	for (size_t i = 0; i < v->reason_count; i++) {
		if (v->reason[i].link == link)
			put_reason(w, in, &v->reason[i]);
	}
}

static void put_counts(struct ch_wr *w, const struct ch_boot_verdict *v)
{
	static const enum ch_explained shown[] = {
		CH_EXPLAINED_BASELINE, CH_EXPLAINED_RELEASE, CH_EXPLAINED_RULE,
		CH_EXPLAINED_PINNED,   CH_EXPLAINED_NOT,     CH_EXPLAINED_NOT_QUOTED
	};
	char text[256];
	size_t at = 0;
	for (size_t i = 0; i < CH_COUNT_OF(shown); i++) {
		size_t n = 0;
		for (size_t e = 0; e < v->event_count; e++)
			n += v->event[e].by == shown[i];
		if (n > 0)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%zu %s", at > 0 ? ", " : "", n,
					       ch_explained_str(shown[i]));
	}
	cli_field(w, "events", CLI_PLAIN, at > 0 ? text : "none");
	if (v->ima_entries == 0)
		return;
	(void)snprintf(text, sizeof(text), "%zu entries, %zu quoted, %zu after the quote", v->ima_entries,
		       v->ima_quoted, v->ima_entries - v->ima_quoted);
	cli_field(w, "IMA list", CLI_PLAIN, text);
}

static void put_page(struct ch_wr *w, const struct ch_ear_input *in)
{
	const struct ch_boot_verdict *v = in->verdict;
	static const char *const secure_boot[] = { "unknown", "off", "on" };
	cli_put(w, CLI_HEAD, "Appraisal of a boot\n");
	cli_field(w, "signature", v->signature_ok ? CLI_GOOD : CLI_BAD, v->signature_ok ? "ok" : "bad");
	cli_field(w, "log", v->explains ? CLI_GOOD : CLI_BAD,
		  v->explains ? "explains the quote" : "does not explain the quote");
	cli_field(w, "Secure Boot", v->secure_boot == CH_SECURE_BOOT_ON ? CLI_GOOD : CLI_WARN,
		  secure_boot[v->secure_boot]);
	put_counts(w, v);
	ch_wr_u8(w, '\n');
	put_link(w, in, CH_LINK_BOOT);
	if (v->os_judged)
		put_link(w, in, CH_LINK_OS);
	if (v->reasons_dropped > 0) {
		ch_wr_dec(w, v->reasons_dropped);
		ch_wr_str(w, " further reasons are not shown.\n");
	}
}

static enum ch_tier worst(const struct ch_boot_verdict *v)
{
	enum ch_tier tier = v->tier[CH_LINK_BOOT];
	return v->os_judged && v->tier[CH_LINK_OS] > tier ? v->tier[CH_LINK_OS] : tier;
}

struct options {
	bool json, strict;
};

static int appraise(struct cli_evidence *e, struct cli_reference *r, const struct options *o, int64_t now)
{
	static struct ch_boot_verdict verdict;
	struct ch_diag d;
	CH_AUTO_FREE void *events = ch_calloc(e->log.event_count, sizeof(struct ch_event_verdict));
	CH_AUTO_FREE void *seen = ch_calloc(r->ref.event_count / 8 + 1, 1);
	verdict.event = events;
	verdict.seen = seen;
	enum ch_err err = ch_boot_appraise(&verdict, &e->evidence, &r->ref, &d);
	if (err != CH_OK)
		return cli_refused(e->ima, "entry", err, &d);
	const struct ch_ear_input in = {
		.verdict = &verdict,
		.evidence = &e->evidence,
		.reference = &r->ref,
		.issued_at = now,
		.build = "chainhold " CH_VERSION,
	};
	struct ch_wr *w = cli_out();
	if (o->json) {
		struct ch_json_wr j = ch_json_wr(w, true);
		ch_ear_put(&j, &in);
		ch_wr_u8(w, '\n');
	} else {
		put_page(w, &in);
	}
	enum ch_tier tier = worst(&verdict);
	bool holds = tier == CH_TIER_AFFIRMING || (tier == CH_TIER_WARNING && !o->strict);
	return cli_out_end(holds ? CLI_HOLDS : CLI_FAILS);
}

int cmd_appraise(int argc, char **argv)
{
	static struct cli_evidence e;
	static struct cli_reference r;
	struct options o = { 0 };
	const struct cli_opt opt[] = {
		{ "json", NULL, "print the attestation result (EAR) as JSON", CLI_FLAG, &o.json },
		{ "strict", NULL, "a warning does not hold either", CLI_FLAG, &o.strict },
		{ "reference", "FILE", "reference values; may be given several times", CLI_VALUES, &r.paths },
		{ "nonce", "HEX", "the challenge that the quote must answer", CLI_VALUE, &e.nonce },
		{ "last", "FILE", "the last attestation result (JSON), for its counters", CLI_VALUE, &e.last },
		CLI_EVIDENCE_OPTIONS(&e),
	};
	const struct cli_usage usage = {
		.args = "[--json] --reference FILE… --msg FILE --sig FILE --pub FILE --eventlog FILE [--ima FILE] [--nonce HEX]",
		.about =
			"Judges one boot: the quote's signature and nonce, whether the logs replay to the quoted registers, Secure Boot and its\n"
			"keys, and whether every event is explained by a baseline, a release, a rule or a pinned value.\n\n"
			"Exit status: 0 affirming, or a warning without --strict; 1 contraindicated or malformed; 2 usage; 3 unsupported;\n"
			"4 input or output failed.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
	};
	int code = cli_parse(&usage, argc, argv, NULL);
	if (code < 0 && r.paths.count == 0) {
		cli_say("--reference is missing: make one from a good boot with 'chainhold reference capture'");
		code = CLI_USAGE;
	}
	if (code < 0)
		code = cli_evidence_read(&e);
	if (code < 0)
		code = cli_reference_read(&r);
	int64_t now = (int64_t)time(NULL);
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = cli_reference_compile(&r);
	if (code < 0)
		code = cli_evidence_parse(&e);
	if (code < 0)
		code = appraise(&e, &r, &o, now);
	cli_reference_clear(&r);
	cli_evidence_clear(&e);
	return code;
}
