/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reference.h"
#include "cli/release.h"

#include "core/base/text.h"

/* chainhold release diff: what changed from one release to another, in words. */

struct diff {
	const struct ch_release *a, *b;
	struct ch_wr *w;
	struct ch_json_wr *j; /* NULL for the page */
	size_t count;
};

/* One row: what, of which artefact or class, before and after. An empty span says that it is not there. */
static void say(struct diff *d, const char *what, struct ch_span of, struct ch_span before, struct ch_span after)
{
	const struct ch_span side[] = { before, after };
	static const char *const name[] = { "before", "after" };
	d->count++;
	if (d->j != NULL) {
		ch_json_object_begin(d->j);
		ch_json_named_str(d->j, "what", what);
		ch_json_named_span(d->j, "of", of);
		for (size_t i = 0; i < 2; i++) {
			ch_json_name(d->j, name[i]);
			if (side[i].n > 0)
				ch_json_put_span(d->j, side[i]);
			else
				ch_json_put_null(d->j);
		}
		ch_json_object_end(d->j);
		return;
	}
	ch_wr_str(d->w, before.n == 0 ? "  new      " : after.n == 0 ? "  gone     " : "  changed  ");
	ch_wr_str(d->w, what);
	ch_wr_str(d->w, of.n > 0 ? " " : "");
	ch_text_escape(d->w, of);
	ch_wr_str(d->w, before.n > 0 && after.n > 0 ? ": " : ", ");
	ch_text_escape(d->w, before.n > 0 ? before : after);
	if (before.n > 0 && after.n > 0) {
		ch_wr_str(d->w, " -> ");
		ch_text_escape(d->w, after);
	}
	ch_wr_u8(d->w, '\n');
}

static void words(struct diff *d, const char *what, struct ch_span a, struct ch_span b)
{
	if (!ch_span_eq(a, b))
		say(d, what, CH_SPAN_EMPTY, a, b);
}

static void numbers(struct diff *d, const char *what, uint64_t a, uint64_t b)
{
	uint8_t text[2][24];
	struct ch_wr w[2] = { ch_wr(text[0], sizeof(text[0])), ch_wr(text[1], sizeof(text[1])) };
	ch_wr_dec(&w[0], a);
	ch_wr_dec(&w[1], b);
	words(d, what, ch_wr_span(&w[0]), ch_wr_span(&w[1]));
}

/* --- files --- */

#define FILE_TEXT 160

static struct ch_span file_text(uint8_t to[static FILE_TEXT], const char *kind, const struct ch_release_file *f)
{
	struct ch_wr w = ch_wr(to, FILE_TEXT);
	if (f == NULL)
		return CH_SPAN_EMPTY;
	ch_wr_str(&w, kind);
	ch_wr_str(&w, kind[0] != '\0' ? ", " : "");
	ch_wr_dec(&w, f->size);
	ch_wr_str(&w, " bytes, sha256 ");
	ch_wr_hex(&w, CH_SPAN_OF(f->sha256));
	return ch_wr_span(&w);
}

static const struct ch_artifact *named(const struct ch_release *r, struct ch_span name)
{
	for (size_t i = 0; i < r->artifact_count; i++) {
		if (ch_span_eq(r->artifact[i].file.name, name))
			return &r->artifact[i];
	}
	return NULL;
}

/* One of them may be NULL, not both. */
static void pair(struct diff *d, const struct ch_artifact *a, const struct ch_artifact *b)
{
	uint8_t text[2][FILE_TEXT];
	struct ch_span before = a != NULL ? file_text(text[0], ch_artifact_kind_str(a->kind), &a->file) : CH_SPAN_EMPTY;
	struct ch_span after = b != NULL ? file_text(text[1], ch_artifact_kind_str(b->kind), &b->file) : CH_SPAN_EMPTY;
	const struct ch_artifact *one = a != NULL ? a : b;
	if (!ch_span_eq(before, after))
		say(d, "artefact", one->file.name, before, after);
	if (a != NULL && b != NULL && !ch_span_eq(a->compatible, b->compatible))
		say(d, "compatible of", one->file.name, a->compatible, b->compatible);
}

static void artifacts(struct diff *d)
{
	for (size_t i = 0; i < d->a->artifact_count; i++)
		pair(d, &d->a->artifact[i], named(d->b, d->a->artifact[i].file.name));
	for (size_t i = 0; i < d->b->artifact_count; i++) {
		if (named(d->a, d->b->artifact[i].file.name) == NULL)
			pair(d, NULL, &d->b->artifact[i]);
	}
}

static void sbom(struct diff *d)
{
	uint8_t text[2][FILE_TEXT];
	words(d, "sbom", file_text(text[0], "", d->a->has_sbom ? &d->a->sbom : NULL),
	      file_text(text[1], "", d->b->has_sbom ? &d->b->sbom : NULL));
}

static bool has_class(const struct ch_release *r, struct ch_span class)
{
	for (size_t i = 0; i < r->class_count; i++) {
		if (ch_span_eq(r->class[i], class))
			return true;
	}
	return false;
}

static void classes(struct diff *d)
{
	for (size_t i = 0; i < d->a->class_count; i++) {
		if (!has_class(d->b, d->a->class[i]))
			say(d, "class", CH_SPAN_EMPTY, d->a->class[i], CH_SPAN_EMPTY);
	}
	for (size_t i = 0; i < d->b->class_count; i++) {
		if (!has_class(d->a, d->b->class[i]))
			say(d, "class", CH_SPAN_EMPTY, CH_SPAN_EMPTY, d->b->class[i]);
	}
}

static void document(struct diff *d)
{
	words(d, "name", d->a->name, d->b->name);
	words(d, "version", d->a->version, d->b->version);
	numbers(d, "sequence", d->a->sequence, d->b->sequence);
	numbers(d, "floor", d->a->floor, d->b->floor);
	classes(d);
	words(d, "role", d->a->role, d->b->role);
	artifacts(d);
	sbom(d);
}

/* --- measurements --- */

static int compile(struct cli_reference *ref, const struct cli_release *c)
{
	ref->paths = (struct cli_values){ .count = 1, .v = { c->path } };
	if (c->r.reference.n == 0)
		ch_buf_append(
			&ref->in[0],
			CH_SPAN_LIT("{\"format\":\"chainhold-reference/1\",\"kind\":\"release\",\"name\":\"none\","
				    "\"pcrs\":[0],\"events\":[]}"));
	else
		ch_buf_append(&ref->in[0], c->r.reference);
	return cli_reference_compile(ref);
}

static int compare(const struct cli_release *c, bool json)
{
	static struct cli_reference ref[2];
	struct ch_wr *w = cli_out();
	struct ch_json_wr j = ch_json_wr(w, true);
	struct diff d = { .a = &c[0].r, .b = &c[1].r, .w = w, .j = json ? &j : NULL };
	int code = compile(&ref[0], &c[0]);
	if (code < 0)
		code = compile(&ref[1], &c[1]);
	if (code < 0) {
		if (json) {
			ch_json_object_begin(&j);
			ch_json_name(&j, "changes");
			ch_json_array_begin(&j);
		}
		document(&d);
		if (json) {
			ch_json_array_end(&j);
			ch_json_name(&j, "measurements");
			ch_json_array_begin(&j);
		}
		size_t measured = cli_reference_diff(w, d.j, &ref[0].ref, &ref[1].ref);
		if (json) {
			ch_json_array_end(&j);
			ch_json_named_bool(&j, "same", d.count + measured == 0);
			ch_json_object_end(&j);
			ch_wr_u8(w, '\n');
		} else if (d.count + measured == 0) {
			cli_put(w, CLI_GOOD, "No difference.\n");
		}
		code = cli_out_end(d.count + measured == 0 ? CLI_HOLDS : CLI_FAILS);
	}
	cli_reference_clear(&ref[0]);
	cli_reference_clear(&ref[1]);
	return code;
}

int cmd_release_diff(int argc, char **argv)
{
	static struct cli_release c[2];
	bool json = false;
	const char *file[2];
	const struct cli_opt opt[] = { { "json", NULL, "print JSON", CLI_FLAG, &json } };
	const struct cli_usage u = {
		.args = "[--json] BEFORE AFTER",
		.about =
			"Compares two releases and says in words what changed: version and order, classes, artefacts, measurements.\n"
			"Exit status 0 if nothing did, 1 if something did. Signatures are not looked at.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = file,
		.file_min = 2,
		.file_max = 2,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	for (size_t i = 0; code < 0 && i < 2; i++) {
		c[i].path = file[i];
		code = cli_read(&c[i].file, file[i]);
	}
	if (code < 0)
		code = cli_confine();
	for (size_t i = 0; code < 0 && i < 2; i++)
		code = cli_release_parse(&c[i]);
	if (code < 0)
		code = compare(c, json);
	ch_buf_free(&c[0].file);
	ch_buf_free(&c[1].file);
	return code;
}
