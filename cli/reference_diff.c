/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reference.h"

#include "core/base/text.h"
#include "core/boot/tcg_log.h"

/*
 * What changed between two boots, in words. Events have no names that last, so they are told apart by register, type and what
 * their log said of them; two that agree in these and differ in their digest are one that changed.
 */

enum change { CHANGE_ADDED, CHANGE_REMOVED, CHANGE_CHANGED };

struct diff {
	struct ch_json_wr *json; /* NULL for the page */
	struct ch_wr *page;
	size_t count;
};

struct fact {
	const char *area; /* "event", "rule", "secure-boot", "file" */
	int pcr;          /* or -1 */
	const char *type;
	struct ch_span what;
	struct ch_span before, after;
};

static void put_hex(struct diff *d, const char *name, struct ch_span s)
{
	ch_json_name(d->json, name);
	if (s.n > 0)
		ch_json_put_hex(d->json, s);
	else
		ch_json_put_null(d->json);
}

static void put_json(struct diff *d, enum change change, const struct fact *f)
{
	static const char *const word[] = { "added", "removed", "changed" };
	struct ch_json_wr *j = d->json;
	ch_json_object_begin(j);
	ch_json_named_str(j, "change", word[change]);
	ch_json_named_str(j, "area", f->area);
	ch_json_name(j, "pcr");
	if (f->pcr >= 0)
		ch_json_put_u64(j, (uint64_t)f->pcr);
	else
		ch_json_put_null(j);
	ch_json_named_str(j, "type_name", f->type);
	ch_json_named_span(j, "what", f->what);
	put_hex(d, "before", f->before);
	put_hex(d, "after", f->after);
	ch_json_object_end(j);
}

static void put_page(struct diff *d, enum change change, const struct fact *f)
{
	static const char *const word[] = { "  new      ", "  gone     ", "  changed  " };
	static const enum cli_mark mark[] = { CLI_BAD, CLI_WARN, CLI_BAD };
	struct ch_wr *w = d->page;
	cli_put(w, mark[change], word[change]);
	if (f->pcr >= 0) {
		ch_wr_str(w, "PCR ");
		ch_wr_dec(w, (uint64_t)f->pcr);
		ch_wr_str(w, f->pcr < 10 ? "   " : "  ");
	} else {
		ch_wr_str(w, f->area);
		ch_wr_str(w, "  ");
	}
	cli_put_escaped(w, f->what);
	ch_wr_u8(w, '\n');
	const struct ch_span side[] = { f->before, f->after };
	for (size_t i = 0; i < 2 && change == CHANGE_CHANGED; i++) {
		ch_wr_str(w, i == 0 ? "             was " : "             is  ");
		ch_wr_hex(w, side[i]);
		ch_wr_u8(w, '\n');
	}
}

static void say(struct diff *d, enum change change, const struct fact *f)
{
	d->count++;
	if (d->json != NULL)
		put_json(d, change, f);
	else
		put_page(d, change, f);
}

/* --- events --- */

static struct ch_span strongest(const struct ch_reference *ref, const struct ch_ref_event *e,
				const struct ch_reference *other)
{
	static const enum ch_hash_alg order[] = { CH_HASH_SHA512, CH_HASH_SHA384, CH_HASH_SHA256, CH_HASH_SHA1 };
	for (size_t i = 0; i < CH_COUNT_OF(order); i++) {
		struct ch_span s = ch_reference_digest(ref, e, order[i]);
		bool known = false;
		for (size_t k = 0; k < other->digest_count && !known; k++)
			known = other->digest[k].alg == order[i];
		if (s.n > 0 && known)
			return s;
	}
	return CH_SPAN_EMPTY;
}

static bool same_place(const struct ch_ref_event *a, const struct ch_ref_event *b)
{
	return a->pcr == b->pcr && a->type == b->type;
}

/* `used` marks events of `b` that an event of `a` was paired with. */
static const struct ch_ref_event *pair(const struct ch_reference *a, const struct ch_ref_event *e,
				       const struct ch_reference *b, uint8_t *used, bool by_digest)
{
	struct ch_span digest = strongest(a, e, b);
	for (size_t i = 0; i < b->event_count; i++) {
		const struct ch_ref_event *o = &b->event[i];
		bool match = by_digest ? digest.n > 0 && ch_span_eq(digest, strongest(b, o, a))
				       : ch_span_eq(e->what, o->what);
		if (used[i] != 0 || !same_place(e, o) || !match)
			continue;
		used[i] = 1;
		return o;
	}
	return NULL;
}

static struct fact event_fact(const struct ch_ref_event *e)
{
	return (struct fact){ .area = "event", .pcr = e->pcr, .type = ch_tcg_type_str(e->type), .what = e->what };
}

static void diff_events(struct diff *d, const struct ch_reference *a, const struct ch_reference *b)
{
	uint8_t *used = ch_calloc(b->event_count, 1);
	uint8_t *same = ch_calloc(a->event_count, 1);
	for (size_t i = 0; i < a->event_count; i++)
		same[i] = pair(a, &a->event[i], b, used, true) != NULL;
	for (size_t i = 0; i < a->event_count; i++) {
		if (same[i] != 0)
			continue;
		const struct ch_ref_event *o = pair(a, &a->event[i], b, used, false);
		struct fact f = event_fact(&a->event[i]);
		f.before = strongest(a, &a->event[i], b);
		if (o != NULL)
			f.after = strongest(b, o, a);
		say(d, o != NULL ? CHANGE_CHANGED : CHANGE_REMOVED, &f);
	}
	for (size_t i = 0; i < b->event_count; i++) {
		if (used[i] != 0)
			continue;
		struct fact f = event_fact(&b->event[i]);
		f.after = strongest(b, &b->event[i], a);
		say(d, CHANGE_ADDED, &f);
	}
	ch_free(used);
	ch_free(same);
}

/* --- Secure Boot --- */

static void diff_keys(struct diff *d, const struct ch_reference *a, const struct ch_reference *b, enum change change)
{
	for (size_t i = 0; i < a->sig_count; i++) {
		const struct ch_ref_sig *s = &a->sig[i];
		uint8_t text[512];
		if (ch_reference_sig(b, s->db, &s->type, s->sha256) != NULL)
			continue;
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_wr_str(&w, ch_ref_db_str(s->db));
		ch_wr_str(&w, ": ");
		if (s->subject.n > 0)
			ch_wr_put(&w, ch_span(s->subject.p, s->subject.n < 300 ? s->subject.n : 300));
		else
			ch_wr_hex(&w, CH_SPAN_OF(s->sha256));
		struct fact f = { .area = "secure-boot", .pcr = 7, .what = ch_wr_span(&w) };
		*(change == CHANGE_REMOVED ? &f.before : &f.after) = CH_SPAN_OF(s->sha256);
		say(d, change, &f);
	}
}

static void diff_secure_boot(struct diff *d, const struct ch_reference *a, const struct ch_reference *b)
{
	if (a->secure_boot_required != b->secure_boot_required) {
		struct fact f = { .area = "secure-boot",
				  .pcr = 7,
				  .what = b->secure_boot_required ? CH_SPAN_LIT("Secure Boot is on and was off")
								  : CH_SPAN_LIT("Secure Boot is off and was on") };
		say(d, CHANGE_CHANGED, &f);
	}
	diff_keys(d, a, b, CHANGE_REMOVED);
	diff_keys(d, b, a, CHANGE_ADDED);
}

/* --- files --- */

static void diff_files(struct diff *d, const struct ch_reference *a, const struct ch_reference *b, bool forward)
{
	for (size_t i = 0; i < a->file_count; i++) {
		const struct ch_ref_file *file = &a->file[i];
		if (ch_reference_file(b, file->path, file->alg, file->digest) != NULL)
			continue;
		const struct ch_ref_file *other = ch_reference_file_by_path(b, file->path);
		if (other != NULL && !forward)
			continue; /* said once, as a change */
		struct fact f = { .area = "file", .pcr = -1, .what = file->path };
		*(forward ? &f.before : &f.after) = file->digest;
		if (other != NULL)
			f.after = other->digest;
		say(d, other != NULL ? CHANGE_CHANGED : forward ? CHANGE_REMOVED : CHANGE_ADDED, &f);
	}
}

/* --- rules --- */

static bool same_rule(const struct ch_reference *a, const struct ch_ref_rule *x, const struct ch_reference *b,
		      const struct ch_ref_rule *y)
{
	if (x->kind != y->kind || x->tier != y->tier || x->pcr != y->pcr || x->type != y->type ||
	    x->text_count != y->text_count || x->part_count != y->part_count)
		return false;
	for (size_t i = 0; i < x->text_count; i++) {
		if (!ch_span_eq(a->text[x->text + i], b->text[y->text + i]))
			return false;
	}
	for (size_t i = 0; i < x->part_count; i++) {
		const struct ch_ref_part *p = &a->part[x->part + i], *q = &b->part[y->part + i];
		if (!ch_efi_guid_eq(&p->type, &q->type) || p->first_lba != q->first_lba || p->last_lba != q->last_lba ||
		    !ch_span_eq(p->name, q->name))
			return false;
	}
	return true;
}

static void diff_rules(struct diff *d, const struct ch_reference *a, const struct ch_reference *b, enum change change)
{
	for (size_t i = 0; i < a->rule_count; i++) {
		const struct ch_ref_rule *r = &a->rule[i];
		bool found = false;
		for (size_t k = 0; k < b->rule_count && !found; k++)
			found = same_rule(a, r, b, &b->rule[k]);
		if (found)
			continue;
		uint8_t text[1024];
		struct ch_wr w = ch_wr(text, sizeof(text));
		ch_wr_str(&w, ch_ref_rule_str(r->kind));
		for (size_t k = 0; k < r->text_count; k++) {
			ch_wr_str(&w, k == 0 ? " " : ", ");
			ch_wr_put(&w, a->text[r->text + k]);
		}
		struct fact f = { .area = "rule", .pcr = -1, .what = ch_span(text, w.len) };
		say(d, change, &f);
	}
}

static void diff_all(struct diff *d, const struct ch_reference *a, const struct ch_reference *b)
{
	diff_events(d, a, b);
	diff_secure_boot(d, a, b);
	diff_files(d, a, b, true);
	diff_files(d, b, a, false);
	diff_rules(d, a, b, CHANGE_REMOVED);
	diff_rules(d, b, a, CHANGE_ADDED);
}

size_t cli_reference_diff(struct ch_wr *w, struct ch_json_wr *j, const struct ch_reference *a,
			  const struct ch_reference *b)
{
	struct diff d = { .json = j, .page = w };
	diff_all(&d, a, b);
	return d.count;
}

static int compare(struct cli_reference *r, bool json)
{
	struct ch_wr *w = cli_out();
	struct ch_json_wr j = ch_json_wr(w, true);
	if (json) {
		ch_json_object_begin(&j);
		ch_json_name(&j, "changes");
		ch_json_array_begin(&j);
	}
	size_t count = cli_reference_diff(w, json ? &j : NULL, &r[0].ref, &r[1].ref);
	if (json) {
		ch_json_array_end(&j);
		ch_json_named_bool(&j, "same", count == 0);
		ch_json_object_end(&j);
		ch_wr_u8(w, '\n');
	} else if (count == 0) {
		cli_put(w, CLI_GOOD, "No difference.\n");
	}
	return cli_out_end(count == 0 ? CLI_HOLDS : CLI_FAILS);
}

int cmd_reference_diff(int argc, char **argv)
{
	bool json = false;
	const char *file[2];
	const struct cli_opt opt[] = { { "json", NULL, "print JSON", CLI_FLAG, &json } };
	const struct cli_usage usage = {
		.args = "[--json] BEFORE AFTER",
		.about =
			"Compares two files of reference values and says in words what changed: events by register, keys of "
			"Secure Boot,\nfiles that IMA measured, rules. Exit status 0 if nothing did, 1 if something did.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = file,
		.file_min = 2,
		.file_max = 2,
	};
	int code = cli_parse(&usage, argc, argv, NULL);
	if (code >= 0)
		return code;
	static struct cli_reference r[2];
	for (size_t i = 0; i < 2 && code < 0; i++) {
		r[i].paths = (struct cli_values){ .count = 1, .v = { file[i] } };
		code = cli_reference_read(&r[i]);
	}
	if (code < 0)
		code = cli_confine();
	for (size_t i = 0; i < 2 && code < 0; i++)
		code = cli_reference_compile(&r[i]);
	if (code < 0)
		code = compare(r, json);
	cli_reference_clear(&r[0]);
	cli_reference_clear(&r[1]);
	return code;
}
