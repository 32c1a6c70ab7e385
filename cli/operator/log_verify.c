/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/log.h"

static void show(struct ch_wr *w, const struct log_client *c, uint64_t seen, bool json)
{
	if (json) {
		struct ch_json_wr j = ch_json_wr(w, true);
		ch_json_object_begin(&j);
		ch_json_named_span(&j, "origin", c->head.origin);
		ch_json_named_u64(&j, "size", c->head.size);
		ch_json_named_hex(&j, "root", ch_tree_hash_span(&c->head.root));
		ch_json_named_u64(&j, "seen", seen);
		ch_json_named_bool(&j, "extends", true);
		ch_json_object_end(&j);
		ch_wr_u8(w, '\n');
		return;
	}
	ch_wr_put(w, c->head.origin);
	ch_wr_str(w, ": ");
	ch_wr_dec(w, c->head.size);
	ch_wr_str(w, " entries, root ");
	ch_wr_hex(w, ch_tree_hash_span(&c->head.root));
	ch_wr_str(w,
		  seen > 0 ? "\nsigned by the log's key; extends the " : "\nsigned by the log's key; first seen now");
	if (seen > 0) {
		ch_wr_dec(w, seen);
		ch_wr_str(w, " entries seen before");
	}
	ch_wr_u8(w, '\n');
}

int op_log_verify(int argc, char **argv)
{
	struct log_options o = { 0 };
	static struct log_client c;
	bool json = false;
	uint64_t seen = 0;
	const struct cli_opt opt[] = {
		LOG_KEY_OPTIONS(&o),
		{ "state", "FILE", "the checkpoint seen last is kept here (chainhold-log.checkpoint)", CLI_VALUE,
		  &o.state },
		{ "json", NULL, "print JSON", CLI_FLAG, &json },
	};
	const struct cli_usage u = {
		.args = "[--key KEY | --fleet-root FILE] [--state FILE] [--json] [URL]",
		.about =
			"Fetches the newest checkpoint of the log at URL, checks its signature, that the log's tiles have its\n"
			"root, and that it extends the checkpoint seen last. A fork ends with exit 1, and both checkpoints are\n"
			"saved beside the state file.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &o.url,
		.file_min = 0,
		.file_max = 1,
	};
	size_t files = 0;
	int code = cli_parse(&u, argc, argv, &files);
	if (code < 0)
		code = log_client_init(&c, &o);
	if (code < 0)
		code = log_follow(&c, o.state, &seen);
	if (code < 0) {
		show(cli_out(), &c, seen, json);
		code = cli_out_end(CLI_HOLDS);
	}
	log_client_free(&c);
	return code;
}
