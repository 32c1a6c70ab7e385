/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"

#include "core/base/text.h"
#include "core/platform/spki.h"
#include "core/wire/base64.h"
#include "host/crypto_openssl/backend.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* What an operator decides: the canonical text of core/trust/action.h, signed with the operator's key, and sent. */

static void named_base64(struct ch_json_wr *j, const char *name, struct ch_span bytes)
{
	CH_AUTO_BUF struct ch_buf text = { 0 };
	size_t room = bytes.n / 3 * 4 + 8;
	text.p = ch_calloc(room, 1);
	struct ch_wr w = ch_wr(text.p, room);
	ch_base64_put(&w, CH_BASE64_URL, bytes);
	ch_json_named_span(j, name, ch_wr_span(&w));
}

static bool to_buf(void *ctx, struct ch_span bytes)
{
	ch_buf_append(ctx, bytes);
	return true;
}

static void put_body(struct ch_buf *body, struct ch_span canonical, struct ch_span payload,
		     const uint8_t key_id[static 32], const uint8_t sig[static CH_SIGN_BYTES])
{
	uint8_t room[4096];
	struct ch_wr w = ch_wr(room, sizeof(room));
	w.flush = to_buf;
	w.ctx = body;
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	named_base64(&j, "action", canonical);
	ch_json_name(&j, "signatures");
	ch_json_array_begin(&j);
	ch_json_object_begin(&j);
	ch_json_named_hex(&j, "key", ch_span(key_id, 32));
	named_base64(&j, "signature", ch_span(sig, CH_SIGN_BYTES));
	ch_json_object_end(&j);
	ch_json_array_end(&j);
	if (payload.n > 0) {
		named_base64(&j, "payload", payload);
	} else {
		ch_json_name(&j, "payload");
		ch_json_put_null(&j);
	}
	ch_json_object_end(&j);
	ch_wr_flush(&w);
}

static int tell(const struct op_doc *d)
{
	char verb[64], subject[80], state[32], number[24] = "";
	struct ch_wr *w = cli_out();
	struct ch_wr n = ch_wr(number, sizeof(number) - 1);
	bool done = strcmp(op_text(d, 0, "state", state, sizeof(state)), "waiting") != 0;
	ch_wr_dec(&n, op_number(d, 0, done ? "leaf" : "action"));
	cli_put(w, done ? CLI_GOOD : CLI_WARN, done ? "done" : "waiting for another operator's signature");
	ch_wr_str(w, ": ");
	ch_text_escape(w, ch_span_str(op_text(d, 0, "verb", verb, sizeof(verb))));
	ch_wr_str(w, " ");
	ch_text_escape(w, ch_span_str(op_text(d, 0, "subject", subject, sizeof(subject))));
	ch_wr_str(w, done ? " (log leaf " : "; another operator signs it with: chainhold action sign ");
	ch_wr_str(w, number);
	ch_wr_str(w, done ? ")\n" : "\n");
	return cli_out_end(CLI_HOLDS);
}

enum op_show { OP_SHOW_PAGE, OP_SHOW_JSON, OP_SHOW_NOTHING };

/* Signs and sends; `d` gets the answer. */
static int send_signed(struct op_client *c, struct ch_span canonical, struct ch_span payload, enum op_show show,
		       struct op_doc *d)
{
	struct ch_pubkey pub;
	uint8_t id[32], sig[CH_SIGN_BYTES];
	CH_AUTO_BUF struct ch_buf body = { 0 };
	int code = op_signer_pub(&c->signer, &pub);
	if (code < 0)
		code = op_signer_sign(&c->signer, canonical, sig);
	if (code < 0 && ch_spki_sha256(&pub.pub, id) != CH_OK) {
		cli_say("no SHA-256");
		code = CLI_IO;
	}
	if (code >= 0)
		return code;
	put_body(&body, canonical, payload, id, sig);
	code = op_post(c, "/api/v1/actions", ch_buf_span(&body), d);
	if (code >= 0)
		return code;
	code = CLI_HOLDS;
	if (show == OP_SHOW_JSON)
		code = op_print_json(d);
	else if (show == OP_SHOW_PAGE)
		code = tell(d);
	if (code != CLI_HOLDS)
		return code;
	return d->status == 202 ? OP_WAITING : CLI_HOLDS;
}

int op_act(struct op_client *c, const struct op_act *a, struct op_doc *answer)
{
	uint8_t text[CH_ACTION_MAX];
	uint8_t reason[CH_ACTION_REASON_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text)), r = ch_wr(reason, sizeof(reason));
	struct ch_digest h;
	ch_text_escape(&r, ch_span_str(a->reason));
	if (r.bad || r.len == 0) {
		cli_say("give a reason of 1 to %d bytes with --reason: it is signed and logged", CH_ACTION_REASON_MAX);
		return CLI_USAGE;
	}
	struct ch_action action = { .verb = a->verb,
				    .subject = ch_span_str(a->subject),
				    .has_payload = a->payload.n > 0,
				    .reason = ch_wr_span(&r),
				    .time = (uint64_t)time(NULL) };
	if (getrandom(action.nonce, sizeof(action.nonce), 0) != (ssize_t)sizeof(action.nonce) ||
	    ch_crypto_openssl_init() != CH_OK || ch_hash_once(CH_HASH_SHA256, a->payload, &h) != CH_OK) {
		cli_say("no random numbers, or no SHA-256: %s", strerror(errno));
		return CLI_IO;
	}
	if (action.has_payload)
		(void)ch_span_copy(action.payload, sizeof(action.payload), ch_digest_span(&h));
	if (ch_action_put(&w, &action) != CH_OK) {
		cli_say("'%s' is not what %s is done to", a->subject, ch_verb_str(a->verb));
		return CLI_USAGE;
	}
	OP_AUTO_DOC struct op_doc own = { 0 };
	return send_signed(c, ch_wr_span(&w), a->payload,
			   a->quiet  ? OP_SHOW_NOTHING
			   : a->json ? OP_SHOW_JSON
				     : OP_SHOW_PAGE,
			   answer != NULL ? answer : &own);
}

int op_act_again(struct op_client *c, struct ch_span canonical, struct ch_span payload, bool json)
{
	OP_AUTO_DOC struct op_doc d = { 0 };
	return send_signed(c, canonical, payload, json ? OP_SHOW_JSON : OP_SHOW_PAGE, &d);
}
