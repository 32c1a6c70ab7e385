/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/release.h"

#include "core/base/text.h"
#include "core/wire/der.h"

/* Releases as both programs see them. */

static struct ch_json_node node[CH_RELEASE_NODES_MAX];

int cli_release_parse(struct cli_release *c)
{
	struct ch_diag d;
	struct ch_digest sha256;
	enum ch_err err = ch_release_parse(&c->r, ch_buf_span(&c->file), node, CH_COUNT_OF(node), &d);
	if (err != CH_OK)
		return cli_refused(c->path, NULL, err, &d);
	if (ch_hash_once(CH_HASH_SHA256, ch_buf_span(&c->file), &sha256) != CH_OK) {
		cli_say("SHA-256 cannot be computed");
		return CLI_IO;
	}
	(void)ch_span_copy(c->sha256, sizeof(c->sha256), ch_digest_span(&sha256));
	return -1;
}

/* --- show --- */

static void field(struct ch_wr *w, const char *label, struct ch_span text)
{
	cli_field_begin(w, label);
	ch_text_escape(w, text);
	ch_wr_u8(w, '\n');
}

static void put_time(struct ch_wr *w, const char *label, uint64_t seconds)
{
	uint8_t text[64];
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_time_put(&t, (int64_t)seconds);
	field(w, label, ch_wr_span(&t));
}

static void put_file(struct ch_wr *w, const char *label, const char *kind, const struct ch_release_file *f)
{
	cli_field_begin(w, label);
	ch_text_escape(w, f->name);
	ch_wr_str(w, ", ");
	if (kind != NULL) {
		ch_wr_str(w, kind);
		ch_wr_str(w, ", ");
	}
	ch_wr_dec(w, f->size);
	ch_wr_str(w, " bytes\n");
	cli_field_begin(w, "");
	ch_wr_str(w, "sha256 ");
	ch_wr_hex(w, CH_SPAN_OF(f->sha256));
	ch_wr_u8(w, '\n');
}

static void put_order(struct ch_wr *w, const struct ch_release *r)
{
	cli_field_begin(w, "sequence");
	ch_wr_dec(w, r->sequence);
	if (r->floor > 0) {
		ch_wr_str(w, "; a device that runs it takes none below ");
		ch_wr_dec(w, r->floor);
	}
	ch_wr_u8(w, '\n');
	cli_field_begin(w, "classes");
	for (size_t i = 0; i < r->class_count; i++) {
		ch_wr_str(w, i > 0 ? ", " : "");
		ch_text_escape(w, r->class[i]);
	}
	ch_wr_u8(w, '\n');
}

static void put_measurements(struct ch_wr *w, const struct ch_release *r)
{
	struct ch_json j;
	size_t events = 0, required = 0, at = 0, v = 0;
	cli_field_begin(w, "measurements");
	if (r->reference.n == 0 || ch_json_parse(&j, r->reference, node, CH_COUNT_OF(node), NULL) != CH_OK) {
		cli_put(w, CLI_WARN, "none: devices that run it stay \"installed (claimed)\", never proven\n");
		return;
	}
	if (ch_json_member(&j, 0, "events", &at) == CH_OK) {
		for (size_t e = ch_json_first(&j, at); e != CH_JSON_NONE; e = ch_json_next(&j, at, e), events++)
			required +=
				ch_json_member(&j, e, "required", &v) == CH_OK && ch_json_type(&j, v) == CH_JSON_TRUE;
	}
	ch_wr_dec(w, events);
	ch_wr_str(w, " events, ");
	ch_wr_dec(w, required);
	ch_wr_str(w, " of them required\n");
}

static void put_notes(struct ch_wr *w, struct ch_span notes)
{
	for (size_t begin = 0, i = 0; notes.n > 0 && i <= notes.n; i++) {
		if (i < notes.n && notes.p[i] != '\n')
			continue;
		field(w, begin == 0 ? "notes" : "", ch_span_sub(notes, begin, i - begin));
		begin = i + 1;
	}
}

/* Whose they claim to be: whether they hold is asked with a fleet root. */
static void put_signatures(struct ch_wr *w, const struct ch_release *r)
{
	struct ch_rd lines = ch_rd(r->note.signatures);
	struct ch_note_sig sig;
	if (r->note.count == 0)
		field(w, "signatures", CH_SPAN_LIT("none"));
	for (size_t i = 0; ch_note_sig_next(&lines, &sig); i++)
		field(w, i == 0 ? "signatures" : "", sig.name);
}

void cli_release_show(struct ch_wr *w, const struct cli_release *c)
{
	const struct ch_release *r = &c->r;
	cli_put(w, CLI_HEAD, "Release\n");
	field(w, "name", r->name);
	field(w, "version", r->version);
	put_order(w, r);
	field(w, "role", r->role);
	put_time(w, "issued", r->issued);
	put_time(w, "expires", r->expires);
	for (size_t i = 0; i < r->artifact_count; i++) {
		const struct ch_artifact *a = &r->artifact[i];
		put_file(w, i == 0 ? "artifacts" : "", ch_artifact_kind_str(a->kind), &a->file);
		if (a->compatible.n > 0) {
			cli_field_begin(w, "");
			ch_wr_str(w, "compatible ");
			ch_text_escape(w, a->compatible);
			ch_wr_u8(w, '\n');
		}
	}
	if (r->has_sbom)
		put_file(w, "sbom", NULL, &r->sbom);
	put_measurements(w, r);
	put_notes(w, r->notes);
	put_signatures(w, r);
	cli_field_begin(w, "document sha256");
	ch_wr_hex(w, CH_SPAN_OF(c->sha256));
	ch_wr_u8(w, '\n');
}
