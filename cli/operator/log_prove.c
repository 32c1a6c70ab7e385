/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/log.h"
#include "core/trust/proof.h"

static enum ch_err keep_entry(void *ctx, const struct log_entry *e)
{
	struct ch_proof *p = ctx;
	if (e->bytes.n > sizeof(p->extra)) {
		cli_say("entry %llu is longer than what a proof can carry", (unsigned long long)e->index);
		return CH_ERR_LIMIT;
	}
	p->extra_n = ch_span_copy(p->extra, sizeof(p->extra), e->bytes);
	return CH_OK;
}

/* The proof of one entry, checked before it is given out. */
static int prove(struct log_client *c, uint64_t index, struct ch_proof *p)
{
	struct ch_checkpoint head;
	struct ch_diag d = { 0 };
	*p = (struct ch_proof){ .index = index, .checkpoint = ch_buf_span(&c->note) };
	if (index >= c->head.size) {
		cli_say("the log has %llu entries, the first is 0", (unsigned long long)c->head.size);
		return CLI_FAILS;
	}
	enum ch_err err = log_entries(c, index, index + 1, keep_entry, p);
	if (err == CH_OK)
		err = ch_merkle_inclusion_prove(&c->tree, index, c->head.size, p->hash, &p->count);
	if (err != CH_OK)
		return err == CH_ERR_IO || err == CH_ERR_NOTFOUND ? CLI_IO : CLI_FAILS;
	err = ch_proof_check(p, ch_span(p->extra, p->extra_n), &c->key, &c->vk, &head, &d);
	return err == CH_OK ? -1 : cli_refused("the log's own proof", NULL, err, &d);
}

int op_log_prove(int argc, char **argv)
{
	struct log_options o = { 0 };
	static struct log_client c;
	static struct ch_proof proof;
	const char *file[2] = { NULL, NULL };
	uint64_t seen = 0;
	uint64_t index = 0;
	const struct cli_opt opt[] = {
		LOG_KEY_OPTIONS(&o),
		{ "state", "FILE", "the checkpoint seen last is kept here (chainhold-log.checkpoint)", CLI_VALUE,
		  &o.state },
	};
	const struct cli_usage u = {
		.args = "[--key KEY | --fleet-root FILE] [--state FILE] [URL] INDEX",
		.about =
			"Prints a proof (C2SP tlog-proof) that entry INDEX is in the log at URL: the entry, the hashes up to the\n"
			"root, the signed checkpoint. `chainhold inspect proof` checks it anywhere, without a network.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = file,
		.file_min = 1,
		.file_max = 2,
	};
	size_t files = 0;
	int code = cli_parse(&u, argc, argv, &files);
	if (code < 0 && !log_number(file[files - 1], &index)) {
		cli_say("%s is not the number of an entry", file[files - 1]);
		code = CLI_USAGE;
	}
	o.url = files == 2 ? file[0] : NULL;
	if (code < 0)
		code = log_client_init(&c, &o);
	if (code < 0)
		code = log_follow(&c, o.state, &seen);
	if (code < 0)
		code = prove(&c, index, &proof);
	if (code < 0) {
		ch_proof_put(cli_out(), &proof);
		code = cli_out_end(CLI_HOLDS);
	}
	log_client_free(&c);
	return code;
}
