/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/evidence.h"

static int read_required(struct ch_buf *b, const char *path, const char *option)
{
	if (path != NULL)
		return cli_read(b, path);
	cli_say("--%s is missing", option);
	return CLI_USAGE;
}

static int read_optional(struct ch_buf *b, const char *path)
{
	return path != NULL ? cli_read(b, path) : -1;
}

int cli_evidence_read(struct cli_evidence *e)
{
	int code = read_required(&e->msg_in, e->msg, "msg");
	if (code < 0)
		code = read_required(&e->sig_in, e->sig, "sig");
	if (code < 0)
		code = read_required(&e->pub_in, e->pub, "pub");
	if (code < 0)
		code = read_required(&e->log_in, e->eventlog, "eventlog");
	if (code < 0)
		code = read_optional(&e->ima_in, e->ima);
	if (code < 0)
		code = read_optional(&e->pcrs_in, e->pcrs);
	if (code < 0)
		code = read_optional(&e->last_in, e->last);
	return code;
}

static int parse_quote(struct cli_evidence *e)
{
	struct ch_diag d;
	e->evidence.msg = ch_buf_span(&e->msg_in);
	enum ch_err err = ch_tpm_attest_parse(&e->quote, e->evidence.msg, &d);
	if (err != CH_OK)
		return cli_refused(e->msg, "field", err, &d);
	err = ch_tpm_signature_parse(&e->quote_sig, ch_buf_span(&e->sig_in), &d);
	if (err != CH_OK)
		return cli_refused(e->sig, "field", err, &d);
	e->evidence.quote = &e->quote;
	e->evidence.sig = &e->quote_sig;
	return -1;
}

static int parse_key(struct cli_evidence *e)
{
	int code = cli_tpm_key_parse(&e->key_file, e->pub, ch_buf_span(&e->pub_in));
	if (code >= 0)
		return code;
	enum ch_err err = ch_verify_key_init(&e->key, &e->key_file.pub);
	if (err != CH_OK) {
		cli_say("%s: not a usable public key (%s)", e->pub, ch_err_str(err));
		return err == CH_ERR_UNSUPPORTED ? CLI_UNSUPPORTED : CLI_FAILS;
	}
	e->evidence.key = &e->key;
	e->evidence.ak = e->key_file.has_area ? &e->key_file.area : NULL;
	return -1;
}

static int parse_log(struct cli_evidence *e)
{
	struct ch_diag d;
	enum ch_err err = ch_tcg_log_parse(&e->log, ch_buf_span(&e->log_in), &d);
	if (err != CH_OK)
		return cli_refused(e->eventlog, "event", err, &d);
	e->evidence.log = &e->log;
	e->evidence.ima = ch_buf_span(&e->ima_in);
	e->evidence.scratch = e->scratch;
	return -1;
}

static int parse_values(struct cli_evidence *e)
{
	if (e->pcrs == NULL)
		return -1;
	struct ch_diag d;
	enum ch_err err = ch_tpm_pcrs_parse(&e->values, &e->quote, ch_buf_span(&e->pcrs_in), &d);
	if (err != CH_OK)
		return cli_refused(e->pcrs, "bank", err, &d);
	e->evidence.values = &e->values;
	return -1;
}

/* 16 hexadecimal digits. */
static bool hex_member(uint64_t *to, const struct ch_json *j, size_t object, const char *name)
{
	uint8_t b[8];
	size_t value;
	if (ch_json_member(j, object, name, &value) != CH_OK || ch_json_hex(j, value, b, sizeof(b)) != CH_OK)
		return false;
	struct ch_rd r = ch_rd(CH_SPAN_OF(b));
	*to = ch_rd_be64(&r);
	return true;
}

/* submods.boot.ear_attester_claims of an earlier result. */
static bool last_counters(struct ch_boot_last *last, const struct ch_json *j)
{
	size_t at = 0;
	static const char *const path[] = { "submods", "boot", "ear_attester_claims" };
	uint64_t reset = 0, restart = 0;
	for (size_t i = 0; i < CH_COUNT_OF(path); i++) {
		if (ch_json_member(j, at, path[i], &at) != CH_OK)
			return false;
	}
	const struct {
		const char *name;
		uint64_t *to;
	} field[] = {
		{ "clock", &last->clock },
		{ "reset_count", &reset },
		{ "restart_count", &restart },
	};
	for (size_t i = 0; i < CH_COUNT_OF(field); i++) {
		size_t value;
		if (ch_json_member(j, at, field[i].name, &value) != CH_OK ||
		    ch_json_u64(j, value, field[i].to) != CH_OK)
			return false;
	}
	if (!hex_member(&last->firmware_version, j, at, "firmware_version"))
		return false;
	last->reset_count = (uint32_t)reset;
	last->restart_count = (uint32_t)restart;
	return reset <= UINT32_MAX && restart <= UINT32_MAX;
}

static int parse_last(struct cli_evidence *e)
{
	if (e->last == NULL)
		return -1;
	struct ch_json j;
	struct ch_diag d;
	struct ch_span in = ch_buf_span(&e->last_in);
	size_t cap = ch_json_nodes_max(in.n);
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(cap, sizeof(*node));
	enum ch_err err = ch_json_parse(&j, in, node, cap, &d);
	if (err != CH_OK)
		return cli_refused(e->last, "value", err, &d);
	if (!last_counters(&e->counters, &j)) {
		cli_say("%s: not a result of 'chainhold appraise --json': the counters of submods.boot are missing",
			e->last);
		return CLI_FAILS;
	}
	e->evidence.last = &e->counters;
	return -1;
}

static int parse_nonce(struct cli_evidence *e)
{
	if (e->nonce == NULL)
		return -1;
	int code = cli_tpm_nonce_parse(&e->challenge, e->nonce);
	if (code < 0 && e->challenge.n == 0) {
		cli_say("--nonce is empty: leave it out to judge without a challenge");
		code = CLI_USAGE;
	}
	e->evidence.nonce = ch_span(e->challenge.b, e->challenge.n);
	return code;
}

int cli_evidence_parse(struct cli_evidence *e)
{
	int code = parse_nonce(e);
	if (code < 0)
		code = parse_quote(e);
	if (code < 0)
		code = parse_key(e);
	if (code < 0)
		code = parse_log(e);
	if (code < 0)
		code = parse_values(e);
	if (code < 0)
		code = parse_last(e);
	return code;
}

void cli_evidence_clear(struct cli_evidence *e)
{
	struct ch_buf *const owned[] = { &e->msg_in, &e->sig_in,  &e->pub_in, &e->log_in,
					 &e->ima_in, &e->pcrs_in, &e->last_in };
	for (size_t i = 0; i < CH_COUNT_OF(owned); i++)
		ch_buf_free(owned[i]);
	ch_verify_key_clear(&e->key);
}
