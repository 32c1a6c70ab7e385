/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "core/base/text.h"
#include "core/update/verity.h"

/* The dm-verity root hash of an image, computed from it by what a superblock says. */

struct ask {
	bool json;
	const char *super, *root, *path;
};

static int parse_options(int argc, char **argv, struct ask *a)
{
	const struct cli_opt opt[] = {
		{ "json", NULL, "print JSON (docs/schema/inspect-verity.schema.json)", CLI_FLAG, &a->json },
		{ "superblock", "FILE", "what begins with the superblock: the hash tree", CLI_VALUE, &a->super },
		{ "root", "HEX", "what the root hash has to be", CLI_VALUE, &a->root },
	};
	const struct cli_usage usage = {
		.args = "[--json] --superblock FILE [--root HEX] IMAGE",
		.about =
			"Computes the dm-verity root hash of an image from the image itself, with the block sizes and the salt of a\n"
			"superblock of veritysetup(8). Of the image, as many blocks are read as the superblock says.\n\n"
			"Exit status: 0 the root hash is as asked for, or was computed; 1 it is another, or malformed; 2 usage;\n"
			"3 unsupported; 4 I/O.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a->path,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&usage, argc, argv, NULL);
	if (code < 0 && a->super == NULL) {
		cli_say("--superblock is missing: see --help");
		code = CLI_USAGE;
	}
	return code;
}

static void report_json(struct ch_wr *w, const struct ch_verity *v, struct ch_span root, const bool *as_asked)
{
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", "verity");
	ch_json_named_u64(&j, "data_block_size", v->data_block);
	ch_json_named_u64(&j, "hash_block_size", v->hash_block);
	ch_json_named_u64(&j, "data_blocks", v->blocks);
	ch_json_named_u64(&j, "tree_size", ch_verity_tree_size(v));
	ch_json_named_hex(&j, "salt", ch_span(v->salt, v->salt_n));
	ch_json_named_hex(&j, "root_hash", root);
	ch_json_name(&j, "as_asked");
	if (as_asked != NULL)
		ch_json_put_bool(&j, *as_asked);
	else
		ch_json_put_null(&j);
	ch_json_object_end(&j);
	ch_wr_str(w, "\n");
}

static void report_page(struct ch_wr *w, const struct ch_verity *v, struct ch_span root, const bool *as_asked)
{
	cli_put(w, CLI_HEAD, "dm-verity");
	ch_wr_str(w, "\n");
	cli_field_begin(w, "data");
	ch_wr_dec(w, v->blocks);
	ch_wr_str(w, " blocks of ");
	ch_wr_dec(w, v->data_block);
	ch_wr_str(w, " bytes\n");
	cli_field_begin(w, "salt");
	ch_wr_hex(w, ch_span(v->salt, v->salt_n));
	ch_wr_str(w, "\n");
	cli_field_begin(w, "root hash");
	ch_wr_hex(w, root);
	ch_wr_str(w, "\n");
	if (as_asked != NULL)
		cli_field(w, "asked for", *as_asked ? CLI_GOOD : CLI_BAD, *as_asked ? "this one" : "another one");
}

static int judge(const struct ask *a, struct ch_span image, struct ch_span super)
{
	struct ch_verity v;
	struct ch_diag d;
	uint8_t root[32], want[32] = { 0 };
	if (a->root != NULL && ch_hex_decode(want, sizeof(want), ch_span_str(a->root)) != CH_OK) {
		cli_say("--root: 64 hexadecimal digits");
		return CLI_USAGE;
	}
	enum ch_err err = ch_verity_parse(&v, ch_span_sub(super, 0, CH_VERITY_SUPER), &d);
	if (err != CH_OK)
		return cli_refused(a->super, "block", err, &d);
	/* A tree may lie behind the data. */
	if (image.n / v.data_block >= v.blocks)
		image = ch_span_sub(image, 0, (size_t)(v.blocks * v.data_block));
	err = ch_verity_root(&v, image, root, &d);
	if (err != CH_OK)
		return cli_refused(a->path, "block", err, &d);
	bool same = ch_span_eq(CH_SPAN_OF(root), CH_SPAN_OF(want));
	(a->json ? report_json : report_page)(cli_out(), &v, CH_SPAN_OF(root), a->root != NULL ? &same : NULL);
	return cli_out_end(a->root == NULL || same ? CLI_HOLDS : CLI_FAILS);
}

int cmd_inspect_verity(int argc, char **argv)
{
	static struct ask a;
	CH_AUTO_MAP struct ch_map image = { 0 }, super = { 0 };
	int code = parse_options(argc, argv, &a);
	if (code < 0)
		code = cli_map(&image, a.path);
	if (code < 0)
		code = cli_map(&super, a.super);
	(void)cli_colour();
	if (code < 0)
		code = cli_confine();
	return code < 0 ? judge(&a, ch_map_span(&image), ch_map_span(&super)) : code;
}
