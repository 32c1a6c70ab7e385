/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/measure_show.h"
#include "cli/ostree_content.h"
#include "core/base/text.h"

/* OSTree packs: the commit, what it holds, and what a boot of its kernel will measure. */

static void report_json(struct ch_wr *w, const struct cli_ostree *o, const struct ch_measure *m)
{
	struct ch_json_wr j = ch_json_wr(w, true);
	uint8_t text[CH_OSTREE_TEXT_MAX * 4];
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_text_escape(&t, o->commit.subject);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", "ostree");
	ch_json_named_u64(&j, "size", o->pack.file.n);
	ch_json_named_hex(&j, "commit", CH_SPAN_OF(o->pack.commit));
	ch_json_name(&j, "parent");
	if (o->commit.parent.n > 0)
		ch_json_put_hex(&j, o->commit.parent);
	else
		ch_json_put_null(&j);
	ch_json_named_span(&j, "ref", o->ref);
	ch_json_named_span(&j, "subject", t.bad ? CH_SPAN_EMPTY : ch_wr_span(&t));
	ch_json_named_u64(&j, "time", o->commit.time);
	ch_json_named_u64(&j, "files", o->files);
	ch_json_named_u64(&j, "folders", o->folders);
	ch_json_named_u64(&j, "detached_size", o->detached);
	ch_json_named_bool(&j, "gpg_signed", o->gpg);
	cli_measure_json(&j, m);
	ch_json_object_end(&j);
	ch_wr_str(w, "\n");
}

static void field(struct ch_wr *w, const char *label, struct ch_span text)
{
	cli_field_begin(w, label);
	ch_text_escape(w, text);
	ch_wr_str(w, "\n");
}

static void report_page(struct ch_wr *w, const struct cli_ostree *o, const struct ch_measure *m)
{
	cli_put(w, CLI_HEAD, "OSTree commit");
	ch_wr_str(w, "\n");
	cli_field_begin(w, "commit");
	ch_wr_hex(w, CH_SPAN_OF(o->pack.commit));
	ch_wr_str(w, "\n");
	field(w, "ref", o->ref);
	field(w, "subject", o->commit.subject);
	cli_field_begin(w, "holds");
	ch_wr_dec(w, o->files);
	ch_wr_str(w, " files in ");
	ch_wr_dec(w, o->folders);
	ch_wr_str(w, " folders, each with the SHA-256 that is its name\n");
	cli_field(w, "signature", CLI_WARN, o->gpg ? "GnuPG's, not verified here" : "none of GnuPG's");
	if (o->release_n > 0)
		field(w, "kernel", ch_span(o->release, o->release_n));
	cli_measure_page(w, m);
}

static int parse_options(int argc, char **argv, bool *json, const char **path)
{
	const struct cli_opt opt[] = {
		{ "json", NULL, "print JSON (docs/schema/inspect-ostree.schema.json)", CLI_FLAG, json },
	};
	const struct cli_usage usage = {
		.args = "[--json] FILE",
		.about =
			"Shows a commit of OSTree as 'chainhold release ostree' writes it: every object is held against its name, none is\n"
			"missing and none is beside it; and the measurements that a boot of its kernel will show. Signatures are not verified.\n\n"
			"Exit status: 0 it is whole; 1 not, or malformed; 2 usage; 3 unsupported; 4 I/O.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = path,
		.file_min = 1,
		.file_max = 1
	};
	return cli_parse(&usage, argc, argv, NULL);
}

int cmd_inspect_ostree(int argc, char **argv)
{
	static struct cli_ostree o;
	static struct ch_measure m;
	bool json = false;
	const char *path = NULL;
	CH_AUTO_MAP struct ch_map map = { 0 };
	struct ch_diag d;
	int code = parse_options(argc, argv, &json, &path);
	if (code < 0)
		code = cli_map(&map, path);
	(void)cli_colour();
	if (code < 0)
		code = cli_confine();
	if (code >= 0)
		return code;
	ch_measure_init(&m);
	enum ch_err err = cli_ostree_read(&o, &m, ch_map_span(&map), &d);
	if (err != CH_OK) {
		code = cli_refused(path, NULL, err, &d);
	} else {
		(json ? report_json : report_page)(cli_out(), &o, &m);
		code = cli_out_end(CLI_HOLDS);
	}
	cli_ostree_clear(&o);
	return code;
}
