/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_driver FILE [compact|pretty]: reads a text with core/wire/json. Exit 0 and, if asked, the text as the writer has it;
 * exit 1 and one line with the offset and the rule if it is refused; 2 for wrong use; 4 if FILE cannot be read.
 */
#include "core/wire/json.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 0x200000

static uint8_t text[TEXT_MAX];
static struct ch_json_node nodes[TEXT_MAX / 2 + 1];

static bool to_stdout(void *ctx, struct ch_span bytes)
{
	(void)ctx;
	return fwrite(bytes.p, 1, bytes.n, stdout) == bytes.n;
}

static int rewrite(const struct ch_json *j, bool pretty)
{
	static uint8_t buf[4096];
	struct ch_wr w = ch_wr(buf, sizeof(buf));
	w.flush = to_stdout;
	struct ch_json_wr out = ch_json_wr(&w, pretty);
	ch_json_put_value(&out, j, 0);
	ch_wr_flush(&w);
	return ch_json_wr_done(&out) && fflush(stdout) == 0 ? 0 : 4;
}

static int judge(struct ch_span in, const char *form)
{
	struct ch_json j;
	struct ch_diag d;
	enum ch_err err = ch_json_parse(&j, in, nodes, CH_COUNT_OF(nodes), &d);
	if (err != CH_OK) {
		size_t line, column;
		ch_json_position(in, d.off, &line, &column);
		(void)fprintf(stderr, "%s at byte %zu (line %zu, column %zu): %s\n", ch_err_str(err), d.off, line,
			      column, d.rule);
		return 1;
	}
	return form != NULL ? rewrite(&j, strcmp(form, "pretty") == 0) : 0;
}

int main(int argc, char **argv)
{
	const char *form = argc == 3 ? argv[2] : NULL;
	if (argc < 2 || argc > 3 || (form != NULL && strcmp(form, "pretty") != 0 && strcmp(form, "compact") != 0))
		return 2;
	FILE *f = fopen(argv[1], "rb");
	if (f == NULL)
		return 4;
	size_t n = fread(text, 1, sizeof(text), f);
	bool whole = ferror(f) == 0 && n < sizeof(text);
	(void)fclose(f);
	return whole ? judge(ch_span(text, n), form) : 4;
}
