/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/log.h"
#include "core/trust/leaf.h"
#include "core/wire/der.h"

#include <unistd.h>

struct page {
	struct ch_wr *w;
	bool json;
};

static void show_json(struct ch_wr *w, const struct log_entry *e, const struct ch_leaf *leaf)
{
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	ch_json_named_u64(&j, "index", e->index);
	ch_json_named_str(&j, "type", leaf != NULL ? ch_leaf_type_str(leaf->type) : NULL);
	if (leaf != NULL) {
		ch_json_named_u64(&j, "time", leaf->time);
		ch_json_named_hex(&j, "commitment", CH_SPAN_OF(leaf->commitment));
	} else {
		ch_json_named_hex(&j, "entry", e->bytes);
	}
	ch_json_named_hex(&j, "hash", ch_tree_hash_span(&e->hash));
	ch_json_object_end(&j);
}

static enum ch_err show(void *ctx, const struct log_entry *e)
{
	struct page *p = ctx;
	struct ch_leaf leaf;
	bool known = ch_leaf_parse(&leaf, e->bytes, NULL) == CH_OK;
	if (p->json) {
		show_json(p->w, e, known ? &leaf : NULL);
	} else {
		ch_wr_dec(p->w, e->index);
		ch_wr_str(p->w, "  ");
		if (known) {
			ch_time_put(p->w, (int64_t)(leaf.time / 1000));
			ch_wr_str(p->w, "  ");
			ch_wr_str(p->w, ch_leaf_type_str(leaf.type));
			ch_wr_str(p->w, "  ");
			ch_wr_hex(p->w, CH_SPAN_OF(leaf.commitment));
		} else {
			ch_wr_str(p->w, "entry of another version: ");
			ch_wr_hex(p->w, e->bytes);
		}
	}
	ch_wr_u8(p->w, '\n');
	return CH_OK;
}

/* What came since the last time; -1 to go on. */
static int round_of(struct log_client *c, const char *state, bool all, bool json)
{
	uint64_t seen = 0;
	struct page p = { cli_out(), json };
	int code = log_follow(c, state, &seen);
	if (code >= 0)
		return code;
	enum ch_err err = log_entries(c, all ? 0 : seen, c->head.size, show, &p);
	if (err != CH_OK)
		return err == CH_ERR_IO || err == CH_ERR_NOTFOUND ? CLI_IO : CLI_FAILS;
	ch_wr_flush(p.w);
	return p.w->bad ? CLI_IO : -1;
}

int op_log_monitor(int argc, char **argv)
{
	struct log_options o = { 0 };
	static struct log_client c;
	bool json = false, once = false, all = false;
	const char *interval = NULL;
	const struct cli_opt opt[] = {
		LOG_KEY_OPTIONS(&o),
		{ "state", "FILE", "the checkpoint seen last is kept here (chainhold-log.checkpoint)", CLI_VALUE,
		  &o.state },
		{ "interval", "SECONDS", "how often the log is asked (5)", CLI_VALUE, &interval },
		{ "all", NULL, "begin with entry 0 instead of what is new", CLI_FLAG, &all },
		{ "once", NULL, "ask once and end", CLI_FLAG, &once },
		{ "json", NULL, "a JSON object a line", CLI_FLAG, &json },
	};
	const struct cli_usage u = {
		.args = "[--key KEY | --fleet-root FILE] [--state FILE] [--interval SECONDS] [--all] [--once] [--json] [URL]",
		.about =
			"Prints entries that came since the checkpoint seen last, each checked against the signed tree. Ends only\n"
			"when the log is not what it was (exit 1), or cannot be reached (exit 4).",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &o.url,
		.file_min = 0,
		.file_max = 1,
	};
	size_t files = 0;
	int code = cli_parse(&u, argc, argv, &files);
	uint64_t seconds = 5;
	if (code < 0 && interval != NULL && (!log_number(interval, &seconds) || seconds < 1 || seconds > 86400)) {
		cli_say("--interval is 1 to 86400 seconds");
		code = CLI_USAGE;
	}
	if (code < 0)
		code = log_client_init(&c, &o);
	while (code < 0) {
		code = round_of(&c, o.state, all, json);
		all = false;
		if (code < 0 && once)
			code = CLI_HOLDS;
		if (code < 0)
			(void)sleep((unsigned)seconds);
	}
	log_client_free(&c);
	return code == CLI_HOLDS ? cli_out_end(code) : code;
}
