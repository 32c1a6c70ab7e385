/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policy_check.h"

#include "host/policy/class.h"

/* Files are read first, then the process is confined, then they are parsed: as every command that looks at files. */

#define FILES_MAX 64

static void put_json(struct ch_json_wr *j, const char *path, enum ch_err err, const struct ch_class_image *image,
		     const struct ch_yaml_error *e)
{
	struct ch_policy p;
	ch_json_object_begin(j);
	ch_json_named_str(j, "file", path);
	ch_json_named_bool(j, "holds", err == CH_OK);
	if (err == CH_OK && ch_policy_parse(&p, ch_span(image->bytes, image->n), NULL) == CH_OK)
		ch_json_named_span(j, "class", p.class);
	else
		ch_json_named_str(j, "class", NULL);
	ch_json_named_u64(j, "line", e->line);
	ch_json_named_u64(j, "column", e->column);
	ch_json_named_str(j, "error", err == CH_OK ? NULL : e->text);
	ch_json_object_end(j);
}

static void put_line(struct ch_wr *w, const char *path, const struct ch_class_image *image)
{
	struct ch_policy p;
	if (ch_policy_parse(&p, ch_span(image->bytes, image->n), NULL) != CH_OK)
		return;
	cli_put(w, CLI_GOOD, "ok");
	ch_wr_str(w, " ");
	cli_put_escaped(w, ch_span_str(path));
	ch_wr_str(w, ": class ");
	ch_wr_put(w, p.class);
	ch_wr_str(w, ", requires");
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		if ((p.required >> i & 1) == 0)
			continue;
		ch_wr_str(w, " ");
		ch_wr_str(w, ch_link_str((enum ch_link)i));
	}
	ch_wr_str(w, "\n");
}

static int check(const char *const *path, const struct ch_buf *text, size_t count, bool json)
{
	struct ch_wr *w = cli_out();
	struct ch_json_wr j = ch_json_wr(w, true);
	int code = CLI_HOLDS;
	if (json)
		ch_json_array_begin(&j);
	for (size_t i = 0; i < count; i++) {
		char line[1024];
		struct ch_class_image image;
		struct ch_yaml_error e = { 0 };
		enum ch_err err = ch_class_read(&image, ch_buf_span(&text[i]), &e);
		if (json)
			put_json(&j, path[i], err, &image, &e);
		else if (err == CH_OK)
			put_line(w, path[i], &image);
		if (err == CH_OK)
			continue;
		code = CLI_FAILS;
		ch_conf_error_put(line, sizeof(line), path[i], &e);
		if (!json)
			cli_say("%s", line);
	}
	if (json) {
		ch_json_array_end(&j);
		ch_wr_str(w, "\n");
	}
	return cli_out_end(code);
}

int cmd_policy_check(int argc, char **argv)
{
	const char *path[FILES_MAX];
	static struct ch_buf text[FILES_MAX];
	size_t count = 0;
	bool json = false;
	const struct cli_opt opt[] = { { "json", NULL, "print a document", CLI_FLAG, &json } };
	const struct cli_usage u = {
		.args = "[--json] FILE…",
		.about = "Checks policy files. An error names line and column and says what would be right.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = path,
		.file_min = 1,
		.file_max = FILES_MAX
	};
	int code = cli_parse(&u, argc, argv, &count);
	for (size_t i = 0; code < 0 && i < count; i++)
		code = cli_read(&text[i], path[i]);
	if (code < 0)
		code = cli_confine();
	if (code < 0)
		code = check(path, text, count, json);
	for (size_t i = 0; i < FILES_MAX; i++)
		ch_buf_free(&text[i]);
	return code;
}
