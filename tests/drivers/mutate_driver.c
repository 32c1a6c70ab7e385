/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes evidence in every way that takes one step, and judges each result: every bit flipped, every length cut, every byte
 * appended, of the quote, its signature, the event log and the IMA list. From evidence that is contraindicated nothing may become
 * affirming. From evidence that is affirming a change must show in the verdict, or lie where the verdict had said that nothing
 * authenticates it, and then no other fact may change.
 *
 * usage: mutate_driver good|bad STRIDE REFERENCE MSG SIG PUB EVENTLOG IMA NONCE      (STRIDE 1: every bit; 8: one bit a byte)
 */
#include "core/base/text.h"
#include "core/boot/appraise.h"
#include "core/platform/tpm_signature.h"
#include "core/trust/ear.h"
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/pubkey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum part { PART_MSG, PART_SIG, PART_LOG, PART_IMA, PART_COUNT };
static const char *const part_name[] = { "quote", "signature", "eventlog", "ima" };

struct fixed {
	struct ch_reference ref;
	struct ch_verify_key key;
	uint8_t nonce[CH_DIGEST_MAX];
	size_t nonce_n;
	uint8_t *seen;
	struct ch_event_verdict *events;
	size_t events_cap;
	uint8_t scratch[CH_IMA_DATA_MAX];
	struct ch_boot_verdict verdict;
};

struct outcome {
	bool parsed;
	enum ch_tier tier;
	struct ch_digest facts;
	size_t ima_quoted_end; /* bytes of the list that the quote covers */
};

struct ranges {
	size_t count;
	struct {
		size_t off, len;
	} r[4096];
};

static void fact(struct ch_hash *h, const void *p, size_t n)
{
	ch_hash_update(h, ch_span(p, n));
}

static void fact_number(struct ch_hash *h, uint64_t v)
{
	fact(h, &v, sizeof(v));
}

static void event_facts(struct ch_hash *h, const struct fixed *f, const struct ch_boot_evidence *ev)
{
	struct ch_tcg_event e;
	for (struct ch_tcg_iter it = ch_tcg_iter(ev->log); ch_tcg_next(&it, &e);) {
		const struct ch_event_verdict *out = &f->events[e.n];
		if (out->by == CH_EXPLAINED_NOT_EXTENDED || out->by == CH_EXPLAINED_NOT_QUOTED)
			continue;
		struct ch_tcg_what what;
		ch_quote_filter(ev->quote, &e);
		ch_tcg_event_decode(&e, &what);
		fact_number(h, e.n);
		fact_number(h, e.pcr);
		fact_number(h, e.type);
		fact_number(h, (uint64_t)out->by);
		fact_number(h, (uint64_t)out->tier);
		fact_number(h, out->doc);
		fact(h, what.covered.p, what.covered.n);
		if (what.cover != CH_COVER_ALL)
			continue;
		uint8_t text[CH_TCG_DESCRIBE_MAX + 8];
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_tcg_event_describe(&e, &what, &w);
		fact(h, text, w.len);
	}
}

static void facts_of(const struct fixed *f, const struct ch_boot_evidence *ev, struct ch_digest *out)
{
	const struct ch_boot_verdict *v = &f->verdict;
	struct ch_hash h;
	if (ch_hash_init(&h, CH_HASH_SHA256) != CH_OK)
		abort();
	fact_number(&h, (uint64_t)v->tier[0]);
	fact_number(&h, (uint64_t)v->tier[1]);
	fact_number(&h, v->signature_ok);
	fact_number(&h, v->explains);
	fact_number(&h, (uint64_t)v->secure_boot);
	fact_number(&h, v->ima_quoted);
	fact_number(&h, ev->quote->clock);
	fact_number(&h, ev->quote->reset_count);
	fact_number(&h, ev->quote->firmware_version);
	fact(&h, ev->quote->pcr_digest.p, ev->quote->pcr_digest.n);
	fact(&h, ev->quote->extra_data.p, ev->quote->extra_data.n);
	for (size_t i = 0; i < v->reason_count; i++) {
		fact_number(&h, (uint64_t)v->reason[i].code);
		fact_number(&h, v->reason[i].event);
	}
	event_facts(&h, f, ev);
	ch_hash_final(&h, out);
}

/* Parses and judges; `parsed` is false for anything malformed or unsupported. */
static void judge(struct fixed *f, const struct ch_span part[static PART_COUNT], struct outcome *out,
		  void (*range)(void *ctx, size_t off, size_t len, const char *why), void *ctx)
{
	struct ch_tpm_attest quote;
	struct ch_sig sig;
	struct ch_tcg_log log;
	struct ch_diag d;
	*out = (struct outcome){ .tier = CH_TIER_CONTRAINDICATED };
	if (ch_tpm_attest_parse(&quote, part[PART_MSG], &d) != CH_OK ||
	    ch_tpm_signature_parse(&sig, part[PART_SIG], &d) != CH_OK ||
	    ch_tcg_log_parse(&log, part[PART_LOG], &d) != CH_OK)
		return;
	struct ch_boot_evidence ev = { .msg = part[PART_MSG],
				       .quote = &quote,
				       .sig = &sig,
				       .key = &f->key,
				       .log = &log,
				       .ima = part[PART_IMA],
				       .nonce = ch_span(f->nonce, f->nonce_n),
				       .scratch = f->scratch };
	if (log.event_count > f->events_cap)
		return;
	memset(f->seen, 0, f->ref.event_count / 8 + 1);
	f->verdict.event = f->events;
	f->verdict.seen = f->seen;
	if (ch_boot_appraise(&f->verdict, &ev, &f->ref, &d) != CH_OK)
		return;
	out->parsed = true;
	out->tier = f->verdict.tier[CH_LINK_BOOT];
	if (f->verdict.os_judged && f->verdict.tier[CH_LINK_OS] > out->tier)
		out->tier = f->verdict.tier[CH_LINK_OS];
	facts_of(f, &ev, &out->facts);
	if (range == NULL)
		return;
	ch_boot_unauthenticated(&ev, range, ctx);
	struct ch_ima_iter it = ch_ima_iter(ev.ima, f->scratch, sizeof(f->scratch));
	struct ch_ima_entry e;
	while (it.n < f->verdict.ima_quoted && ch_ima_next(&it, &e, NULL) == CH_OK)
		out->ima_quoted_end = it.off;
}

static void note_range(void *ctx, size_t off, size_t len, const char *why)
{
	struct ranges *r = ctx;
	(void)why;
	if (r->count == CH_COUNT_OF(r->r))
		abort();
	r->r[r->count].off = off;
	r->r[r->count++].len = len;
}

struct run {
	struct fixed *f;
	bool good;
	struct outcome base;
	struct ranges *ranges;
	size_t tried, changed, unauthenticated, bad;
};

static bool is_unauthenticated(const struct run *r, enum part part, size_t off)
{
	if (part == PART_IMA)
		return off >= r->base.ima_quoted_end;
	for (size_t i = 0; part == PART_LOG && i < r->ranges->count; i++) {
		if (off >= r->ranges->r[i].off && off - r->ranges->r[i].off < r->ranges->r[i].len)
			return true;
	}
	return false;
}

static void check(struct run *r, const struct ch_span part[static PART_COUNT], enum part which, size_t off,
		  const char *how)
{
	struct outcome o;
	judge(r->f, part, &o, NULL, NULL);
	r->tried++;
	bool holds = o.parsed && (r->good ? o.tier == r->base.tier : o.tier <= CH_TIER_WARNING);
	if (!holds) {
		r->changed++;
		return;
	}
	bool same = r->good && ch_span_eq(ch_digest_span(&o.facts), ch_digest_span(&r->base.facts));
	if (same && is_unauthenticated(r, which, off)) {
		r->unauthenticated++;
		return;
	}
	r->bad++;
	if (r->bad <= 10)
		printf("  %s: %s at byte %zu: %s\n", part_name[which], how, off,
		       !r->good ? "now holds"
		       : same   ? "nothing changed, and nothing said so"
				: "holds, with other facts");
}

static void mutate(struct run *r, const struct ch_span base[static PART_COUNT], enum part which, size_t stride)
{
	struct ch_span part[PART_COUNT];
	for (size_t i = 0; i < PART_COUNT; i++)
		part[i] = base[i];
	size_t n = base[which].n;
	uint8_t *bytes = ch_calloc(n + 1, 1);
	ch_span_copy(bytes, n, base[which]);
	part[which] = ch_span(bytes, n);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		if (stride > 1 && bit % 8 != bit / 8 % 8)
			continue;
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		check(r, part, which, bit / 8, "flipped bit");
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	size_t flips = r->tried;
	for (size_t len = 0; len < n; len++) {
		part[which] = ch_span(bytes, len);
		check(r, part, which, len, "cut");
	}
	size_t cuts = r->tried - flips;
	for (unsigned v = 0; v < 256; v++) {
		bytes[n] = (uint8_t)v;
		part[which] = ch_span(bytes, n + 1);
		check(r, part, which, n, "appended byte");
	}
	printf("  %-9s %6zu bytes: %zu flips, %zu cuts, 256 appended: %zu changed the verdict, %zu unauthenticated, %zu wrong\n",
	       part_name[which], n, flips, cuts, r->changed, r->unauthenticated, r->bad);
	ch_free(bytes);
}

static struct ch_buf slurp(const char *path)
{
	struct ch_buf b;
	if (ch_file_read(&b, path) != CH_OK) {
		fprintf(stderr, "mutate_driver: cannot read %s\n", path);
		exit(2);
	}
	return b;
}

static void load_reference(struct fixed *f, const char *path)
{
	struct ch_buf in = slurp(path);
	struct ch_json j;
	struct ch_diag d;
	struct ch_ref_diag rd;
	size_t cap = ch_json_nodes_max(in.n);
	struct ch_json_node *node = ch_calloc(cap, sizeof(*node));
	if (ch_json_parse(&j, ch_buf_span(&in), node, cap, &d) != CH_OK)
		exit(2);
	size_t size = ch_reference_arena_size(&j, 1);
	struct ch_arena arena = ch_arena(ch_calloc(size, 1), size);
	if (ch_reference_compile(&f->ref, &j, 1, &arena, &rd) != CH_OK)
		exit(2);
	f->seen = ch_calloc(f->ref.event_count / 8 + 1, 1);
}

int main(int argc, char **argv)
{
	static struct fixed f;
	static struct ranges ranges;
	static struct ch_pubkey pub;
	if (argc != 10 || ch_crypto_openssl_init() != CH_OK)
		return 2;
	bool good = strcmp(argv[1], "good") == 0;
	size_t stride = (size_t)atoi(argv[2]);
	load_reference(&f, argv[3]);
	struct ch_buf in[PART_COUNT] = { slurp(argv[4]), slurp(argv[5]), slurp(argv[7]), slurp(argv[8]) };
	struct ch_buf pem = slurp(argv[6]);
	f.nonce_n = strlen(argv[9]) / 2;
	if (ch_pubkey_from_pem(&pub, ch_buf_span(&pem)) != CH_OK || ch_verify_key_init(&f.key, &pub.pub) != CH_OK ||
	    f.nonce_n > sizeof(f.nonce) || ch_hex_decode(f.nonce, f.nonce_n, ch_span_str(argv[9])) != CH_OK)
		return 2;
	f.events_cap = CH_TCG_EVENTS_MAX;
	f.events = ch_calloc(f.events_cap, sizeof(*f.events));
	struct ch_span base[PART_COUNT];
	for (size_t i = 0; i < PART_COUNT; i++)
		base[i] = ch_buf_span(&in[i]);
	struct outcome start;
	judge(&f, base, &start, note_range, &ranges);
	printf("%s: %s\n", argv[7], start.parsed ? ch_tier_str(start.tier) : "malformed");
	if (!start.parsed || good != (start.tier == CH_TIER_AFFIRMING || start.tier == CH_TIER_WARNING)) {
		printf("  the evidence itself is not as expected\n");
		return 1;
	}
	size_t wrong = 0;
	for (size_t i = 0; i < PART_COUNT; i++) {
		struct run r = { .f = &f, .good = good, .base = start, .ranges = &ranges };
		mutate(&r, base, (enum part)i, stride);
		wrong += r.bad;
	}
	return wrong == 0 ? 0 : 1;
}
