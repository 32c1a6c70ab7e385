/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/measure_show.h"
#include "cli/rauc_content.h"
#include "core/base/text.h"

/* RAUC bundles: manifest, images, and what a boot of them will measure. */

static void json_text(struct ch_json_wr *j, const char *name, struct ch_span bytes)
{
	uint8_t text[CH_RELEASE_FILE_NAME_MAX * 4];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_text_escape(&w, bytes);
	ch_json_name(j, name);
	if (bytes.n == 0 || w.bad)
		ch_json_put_null(j);
	else
		ch_json_put_span(j, ch_wr_span(&w));
}

static void report_json(struct ch_wr *w, const struct cli_rauc *r, const struct ch_measure *m, uint64_t size)
{
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", "rauc");
	ch_json_named_u64(&j, "size", size);
	ch_json_named_str(&j, "bundle_format", ch_rauc_format_str(r->manifest.format));
	json_text(&j, "compatible", r->manifest.compatible);
	json_text(&j, "version", r->manifest.version);
	ch_json_name(&j, "verity_hash");
	if (r->manifest.format == CH_RAUC_VERITY)
		ch_json_put_hex(&j, CH_SPAN_OF(r->manifest.verity_hash));
	else
		ch_json_put_null(&j);
	ch_json_named_u64(&j, "signature_size", r->bundle.cms.n);
	ch_json_name(&j, "images");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < r->manifest.image_count; i++) {
		ch_json_object_begin(&j);
		json_text(&j, "slot", r->manifest.image[i].slot);
		json_text(&j, "filename", r->manifest.image[i].filename);
		ch_json_named_u64(&j, "size", r->size[i]);
		ch_json_named_hex(&j, "sha256", CH_SPAN_OF(r->sha256[i]));
		ch_json_named_bool(&j, "sha256_in_manifest", r->manifest.image[i].has_sha256);
		ch_json_named_str(&j, "holds", r->holds[i]);
		ch_json_object_end(&j);
	}
	ch_json_array_end(&j);
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

static void report_page(struct ch_wr *w, const struct cli_rauc *r, const struct ch_measure *m)
{
	cli_put(w, CLI_HEAD, "RAUC bundle");
	ch_wr_str(w, "\n");
	cli_field(w, "format", CLI_PLAIN, ch_rauc_format_str(r->manifest.format));
	field(w, "compatible", r->manifest.compatible);
	if (r->manifest.version.n > 0)
		field(w, "version", r->manifest.version);
	cli_field(w, "signature", CLI_WARN, "not verified here");
	for (size_t i = 0; i < r->manifest.image_count; i++) {
		cli_field_begin(w, "image");
		ch_text_escape(w, r->manifest.image[i].slot);
		ch_wr_str(w, ": ");
		ch_text_escape(w, r->manifest.image[i].filename);
		ch_wr_str(w, ", ");
		ch_wr_dec(w, r->size[i]);
		ch_wr_str(w, " bytes, ");
		ch_wr_str(w, r->holds[i]);
		ch_wr_str(w, "\n");
	}
	cli_measure_page(w, m);
}

static int parse_options(int argc, char **argv, bool *json, const char **path)
{
	const struct cli_opt opt[] = {
		{ "json", NULL, "print JSON (docs/schema/inspect-rauc.schema.json)", CLI_FLAG, json },
	};
	const struct cli_usage usage = {
		.args = "[--json] FILE",
		.about =
			"Shows a RAUC bundle (plain or verity): its manifest, its root hash and its images held against it, and the\n"
			"measurements that a boot of the EFI binaries in FAT images will show. Its signature is not verified.\n\n"
			"Exit status: 0 it could be read and its images are those of its manifest; 1 not, or malformed; 2 usage;\n"
			"3 unsupported; 4 I/O.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = path,
		.file_min = 1,
		.file_max = 1
	};
	return cli_parse(&usage, argc, argv, NULL);
}

int cmd_inspect_rauc(int argc, char **argv)
{
	static struct cli_rauc r;
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
	enum ch_err err = cli_rauc_read(&r, &m, ch_map_span(&map), &d);
	code = err != CH_OK ? cli_refused(path, "image", err, &d) : CLI_HOLDS;
	if (err == CH_OK) {
		if (json)
			report_json(cli_out(), &r, &m, map.n);
		else
			report_page(cli_out(), &r, &m);
		code = cli_out_end(CLI_HOLDS);
	}
	cli_rauc_clear(&r);
	return code;
}
