/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ima_show.h"

#include "core/base/text.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_MAX 256

void ima_report_clear(struct ima_report *r)
{
	ch_free(r->wrong.v);
	ch_free(r->sig.v);
	*r = (struct ima_report){ .path = NULL };
}

bool ima_walk(struct ch_ima_iter *it, struct ch_ima_entry *e, enum ch_err *err, struct ch_diag *d)
{
	struct ch_diag at;
	enum ch_err now = ch_ima_next(it, e, &at);
	if (now == CH_OK || now == CH_ERR_NOTFOUND)
		return now == CH_OK;
	if (*err == CH_OK) {
		*err = now;
		*d = at;
	}
	return ch_ima_next_frame(it, e, NULL) == CH_OK;
}

struct ch_ima_iter ima_reader(const struct ima_report *r)
{
	static uint8_t scratch[CH_IMA_DATA_MAX + CH_DIGEST_MAX];
	return ch_ima_iter(r->in, scratch, sizeof(scratch));
}

/* Walks the list once more, in step with what was found out about its entries. */
struct walk {
	const struct ima_report *r;
	struct ch_ima_iter it;
	struct ch_ima_entry e;
	enum ch_err err;
	struct ch_diag d;
	size_t wrong, sig;
	bool holds;                      /* of the entry: its template hash holds, */
	bool computed;                   /* or could not be compared */
	const struct ima_signature *own; /* or NULL */
};

static struct walk walk(const struct ima_report *r)
{
	return (struct walk){ .r = r, .it = ima_reader(r), .err = CH_OK };
}

static bool walk_on(struct walk *s)
{
	if (!ima_walk(&s->it, &s->e, &s->err, &s->d))
		return false;
	s->computed = s->e.violation || ch_hash_available(s->e.template_alg);
	s->holds = s->wrong == s->r->wrong.count || s->r->wrong.v[s->wrong] != s->e.n;
	s->own = s->sig < s->r->sig.count && s->r->sig.v[s->sig].n == s->e.n ? &s->r->sig.v[s->sig] : NULL;
	s->wrong += s->holds ? 0 : 1;
	s->sig += s->own != NULL ? 1 : 0;
	return true;
}

/* --- warnings --- */

/* One warning: a line of the page, or a string of the array. */
struct warner {
	struct ch_wr *w;
	struct ch_json_wr *json; /* NULL: the page */
	size_t count;
};

static void warn(struct warner *to, struct ch_span text)
{
	if (to->json != NULL) {
		ch_json_put_span(to->json, text);
		return;
	}
	if (to->count++ == 0)
		cli_put(to->w, CLI_HEAD, "\nWarnings\n");
	cli_put(to->w, CLI_WARN, "  ! ");
	ch_wr_put(to->w, text);
	ch_wr_u8(to->w, '\n');
}

/* `what` and a name that came from outside. */
static void warn_name(struct warner *to, const char *what, struct ch_span name)
{
	uint8_t buf[TEXT_MAX * 4];
	struct ch_wr text = ch_wr(buf, sizeof(buf));
	ch_wr_str(&text, what);
	ch_text_escape(&text, ch_span_sub(name, 0, name.n < TEXT_MAX / 2 ? name.n : TEXT_MAX / 2));
	warn(to, ch_wr_span(&text));
}

static bool is_decoded(struct ch_span name)
{
	static const char *const known[] = { "ima", "ima-ng", "ima-sig", "ima-buf", "ima-ngv2", "ima-sigv2" };
	for (size_t i = 0; i < CH_COUNT_OF(known); i++) {
		if (ch_span_eq(name, ch_span_str(known[i])))
			return true;
	}
	return false;
}

static void warnings(struct warner *to, const struct ima_report *r)
{
	if (r->entries == 0)
		warn(to, CH_SPAN_LIT("the list has no entries"));
	else if (!r->aggregate_first)
		warn(to,
		     CH_SPAN_LIT("the first entry is not boot_aggregate: the list is no longer bound to its boot, or "
				 "does not begin with its beginning"));
	if (r->violations > 0)
		warn(to,
		     CH_SPAN_LIT("violations: files were written while they were measured or read; no register covers "
				 "what these entries say"));
	for (size_t i = 0; i < r->template_count; i++) {
		if (!is_decoded(r->template_name[i]))
			warn_name(to, "replayed, but its data are not decoded: template ", r->template_name[i]);
	}
	if (r->not_computed > 0)
		warn(to,
		     CH_SPAN_LIT(
			     "template hashes of an algorithm that this program does not compute were not compared"));
	for (size_t i = 0; i < r->keys_unsupported; i++)
		warn_name(to, "a kind of key that is not supported: ", ch_span_str(r->key_unsupported[i]));
	if (r->err != CH_OK && r->diag.item < r->entries)
		warn(to,
		     CH_SPAN_LIT("an entry is malformed; what follows it was read all the same, for the report only"));
}

/* --- JSON --- */

static void json_banks(struct ch_json_wr *j, const char *name, const struct ch_pcrs *pcrs)
{
	ch_json_name(j, name);
	ch_json_object_begin(j);
	for (size_t i = 0; i < pcrs->count; i++) {
		const struct ch_pcr_bank *bank = &pcrs->bank[i];
		ch_json_name(j, ch_hash_name(bank->alg));
		ch_json_object_begin(j);
		for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
			char number[12];
			(void)snprintf(number, sizeof(number), "%" PRIu32, pcr);
			if ((bank->touched >> pcr & 1) != 0)
				ch_json_named_hex(j, number, ch_pcr_value(bank, pcr));
		}
		ch_json_object_end(j);
	}
	ch_json_object_end(j);
}

static void json_named_null(struct ch_json_wr *j, const char *name)
{
	ch_json_name(j, name);
	ch_json_put_null(j);
}

static void json_head(struct ch_json_wr *j, const struct ima_report *r)
{
	ch_json_named_str(j, "form", r->form == CH_IMA_ASCII ? "ascii" : "binary");
	ch_json_name(j, "templates");
	ch_json_array_begin(j);
	for (size_t i = 0; i < r->template_count; i++)
		ch_json_put_span(j, r->template_name[i]);
	ch_json_array_end(j);
	ch_json_named_u64(j, "entries", r->entries);
	ch_json_named_u64(j, "violations", r->violations);
	ch_json_name(j, "wrong_template_hashes");
	ch_json_array_begin(j);
	for (size_t i = 0; i < r->wrong.count; i++)
		ch_json_put_u64(j, r->wrong.v[i]);
	ch_json_array_end(j);
	json_banks(j, "banks", &r->pcrs);
	json_banks(j, "banks_padded", &r->padded);
	ch_json_name(j, "boot_aggregate");
	if (!r->aggregate) {
		ch_json_put_null(j);
		return;
	}
	ch_json_object_begin(j);
	ch_json_named_span(j, "alg", ch_span(r->aggregate_alg, r->aggregate_alg_n));
	ch_json_named_hex(j, "digest", ch_digest_span(&r->aggregate_digest));
	ch_json_object_end(j);
}

static void json_signature(struct ch_json_wr *j, const struct walk *s)
{
	struct ch_ima_sig sig;
	bool read = ch_ima_sig_parse(&sig, s->e.sig, NULL) == CH_OK;
	ch_json_object_begin(j);
	ch_json_named_u64(j, "n", s->e.n);
	ch_json_named_span(j, "path", s->e.path);
	ch_json_named_str(j, "hash", read ? ch_hash_name(sig.hash) : NULL);
	if (read)
		ch_json_named_hex(j, "key_id", CH_SPAN_OF(sig.key_id));
	else
		json_named_null(j, "key_id");
	if (s->own->valid == IMA_NOT_JUDGED)
		json_named_null(j, "valid");
	else
		ch_json_named_bool(j, "valid", s->own->valid == IMA_VALID);
	ch_json_named_str(j, "reason", s->own->reason);
	ch_json_object_end(j);
}

static void json_entry(struct ch_json_wr *j, const struct walk *s)
{
	const struct ch_ima_entry *e = &s->e;
	ch_json_object_begin(j);
	ch_json_named_u64(j, "n", e->n);
	ch_json_named_u64(j, "offset", e->off);
	ch_json_named_u64(j, "pcr", e->pcr);
	ch_json_named_span(j, "template", e->template_name);
	ch_json_named_hex(j, "template_hash", e->template_hash);
	if (s->computed)
		ch_json_named_bool(j, "holds", s->holds);
	else
		json_named_null(j, "holds");
	ch_json_named_bool(j, "violation", e->violation);
	if (e->known) {
		ch_json_named_span(j, "alg", e->file_alg);
		ch_json_named_hex(j, "digest", e->file_digest);
		ch_json_named_span(j, "path", e->path);
	} else {
		json_named_null(j, "alg");
		json_named_null(j, "digest");
		json_named_null(j, "path");
	}
	ch_json_named_bool(j, "signed", e->sig.n > 0);
	if (e->buf.n > 0)
		ch_json_named_hex(j, "buffer", e->buf);
	else
		json_named_null(j, "buffer");
	ch_json_object_end(j);
}

void ima_show_json(const struct ima_report *r, struct ch_wr *w)
{
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	json_head(&j, r);
	ch_json_name(&j, "signatures");
	ch_json_array_begin(&j);
	for (struct walk s = walk(r); r->sig.count > s.sig && walk_on(&s);) {
		if (s.own != NULL)
			json_signature(&j, &s);
	}
	ch_json_array_end(&j);
	ch_json_name(&j, "list");
	ch_json_array_begin(&j);
	for (struct walk s = walk(r); walk_on(&s);)
		json_entry(&j, &s);
	ch_json_array_end(&j);
	ch_json_name(&j, "malformed");
	if (r->err == CH_OK) {
		ch_json_put_null(&j);
	} else {
		ch_json_object_begin(&j);
		ch_json_named_u64(&j, "offset", r->diag.off);
		ch_json_named_u64(&j, "entry", r->diag.item);
		ch_json_named_str(&j, "rule", r->diag.rule);
		ch_json_object_end(&j);
	}
	ch_json_name(&j, "warnings");
	ch_json_array_begin(&j);
	struct warner to = { .json = &j };
	warnings(&to, r);
	ch_json_array_end(&j);
	ch_json_object_end(&j);
	ch_wr_u8(w, '\n');
}

/* --- the page --- */

static void page_banks(struct ch_wr *w, const struct ch_pcrs *pcrs)
{
	for (size_t i = 0; i < pcrs->count; i++) {
		const struct ch_pcr_bank *bank = &pcrs->bank[i];
		for (uint32_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
			char label[32];
			if ((bank->touched >> pcr & 1) == 0)
				continue;
			(void)snprintf(label, sizeof(label), "  %-8sPCR %-8" PRIu32, ch_hash_name(bank->alg), pcr);
			ch_wr_str(w, label);
			ch_wr_hex(w, ch_pcr_value(bank, pcr));
			ch_wr_u8(w, '\n');
		}
	}
}

static void page_head(struct ch_wr *w, const struct ima_report *r)
{
	char text[TEXT_MAX];
	cli_put(w, CLI_HEAD, "IMA measurement list\n");
	cli_field(w, "form", CLI_PLAIN, r->form == CH_IMA_ASCII ? "ascii" : "binary");
	ch_wr_str(w, "  templates           ");
	for (size_t i = 0; i < r->template_count; i++) {
		ch_wr_str(w, i == 0 ? "" : ", ");
		ch_text_escape(w, r->template_name[i]);
	}
	ch_wr_u8(w, '\n');
	(void)snprintf(text, sizeof(text), "%zu", r->entries);
	cli_field(w, "entries", CLI_PLAIN, text);
	(void)snprintf(text, sizeof(text), "%zu", r->violations);
	cli_field(w, "violations", r->violations > 0 ? CLI_WARN : CLI_PLAIN, text);
	(void)snprintf(text, sizeof(text), r->wrong.count > 0 ? "%zu do not hold" : "all hold", r->wrong.count);
	if (r->not_computed > 0)
		(void)snprintf(text, sizeof(text), "%zu do not hold, %zu of an algorithm that is not supported",
			       r->wrong.count, r->not_computed);
	cli_field(w, "template hashes", r->wrong.count > 0 ? CLI_BAD : r->not_computed > 0 ? CLI_WARN : CLI_GOOD, text);
	if (r->aggregate) {
		ch_wr_str(w, "  boot_aggregate      ");
		ch_text_escape(w, ch_span(r->aggregate_alg, r->aggregate_alg_n));
		ch_wr_u8(w, ':');
		ch_wr_hex(w, ch_digest_span(&r->aggregate_digest));
		ch_wr_u8(w, '\n');
	}
	if (r->err != CH_OK) {
		(void)snprintf(text, sizeof(text), "byte %zu, entry %zu: %s", r->diag.off, r->diag.item, r->diag.rule);
		cli_field(w, r->err == CH_ERR_UNSUPPORTED ? "unsupported" : "malformed", CLI_BAD, text);
	}
	cli_put(w, CLI_HEAD, "\nRegisters after the replay\n");
	page_banks(w, &r->pcrs);
	cli_put(w, CLI_HEAD, "\nThe same on kernels before Linux 5.8, which pad the SHA-1 hash\n");
	page_banks(w, &r->padded);
}

static void page_signatures(struct ch_wr *w, const struct ima_report *r)
{
	size_t count[3] = { 0, 0, 0 };
	for (size_t i = 0; i < r->sig.count; i++)
		count[r->sig.v[i].valid]++;
	if (r->sig.count == 0)
		return;
	char text[TEXT_MAX];
	(void)snprintf(text, sizeof(text), "%zu valid, %zu wrong, %zu not judged", count[IMA_VALID], count[IMA_INVALID],
		       count[IMA_NOT_JUDGED]);
	cli_put(w, CLI_HEAD, "\nFile signatures\n  ");
	cli_put(w, count[IMA_INVALID] > 0 ? CLI_BAD : count[IMA_VALID] > 0 ? CLI_GOOD : CLI_PLAIN, text);
	ch_wr_u8(w, '\n');
}

static void page_entry(struct ch_wr *w, const struct walk *s)
{
	static const struct {
		enum cli_mark mark;
		const char *text;
	} sign[] = {
		[IMA_NOT_JUDGED] = { CLI_DIM, " [signed]" },
		[IMA_VALID] = { CLI_GOOD, " [signature valid]" },
		[IMA_INVALID] = { CLI_BAD, " [signature WRONG]" },
	};
	const struct ch_ima_entry *e = &s->e;
	char text[TEXT_MAX];
	(void)snprintf(text, sizeof(text), "%6zu  %2" PRIu32 "  ", e->n, e->pcr);
	ch_wr_str(w, text);
	ch_text_escape(w, e->template_name);
	ch_wr_str(w, "  ");
	if (e->known) {
		ch_text_escape(w, e->file_alg);
		ch_wr_u8(w, ':');
		ch_wr_hex(w, e->file_digest);
		ch_wr_str(w, "  ");
		ch_text_escape(w, e->path);
	} else {
		cli_put(w, CLI_DIM, "not decoded");
	}
	if (e->buf.n > 0) {
		(void)snprintf(text, sizeof(text), " (%zu bytes)", e->buf.n);
		ch_wr_str(w, text);
	}
	if (e->violation)
		cli_put(w, CLI_WARN, " [violation]");
	if (s->computed && !s->holds)
		cli_put(w, CLI_BAD, " [template hash WRONG]");
	if (s->own != NULL)
		cli_put(w, sign[s->own->valid].mark, sign[s->own->valid].text);
	ch_wr_u8(w, '\n');
}

void ima_show_page(const struct ima_report *r, struct ch_wr *w)
{
	page_head(w, r);
	page_signatures(w, r);
	cli_put(w, CLI_HEAD, "\n     n PCR  template, file digest, file\n");
	for (struct walk s = walk(r); walk_on(&s);)
		page_entry(w, &s);
	struct warner to = { .w = w };
	warnings(&to, r);
}
