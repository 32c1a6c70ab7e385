/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/signer.h"

#include "host/sys/log.h"

#include <stdio.h>
#include <time.h>

static bool on_issue(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_issue req;
	struct ch_msg_issued out;
	uint8_t room[CH_IPC_CERT_MAX];
	if (ch_msg_parse(CH_MSG_ISSUE, &req, payload, NULL) != CH_OK)
		return false;
	ch_issue(&out, room, &s->ca, &s->ca_key, &s->profiles, &req, (int64_t)time(NULL));
	s->counters.issued += out.status == 0;
	s->counters.refused += out.status != 0;
	to->send(to->ctx, CH_MSG_ISSUED, &out);
	return true;
}

static bool on_leaves(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_leaves req;
	struct ch_msg_checkpoint out;
	uint8_t room[CH_IPC_CERT_MAX];
	if (ch_msg_parse(CH_MSG_LEAVES, &req, payload, NULL) != CH_OK)
		return false;
	ch_signer_tree_append(&s->tree, &out, room, &req);
	s->counters.checkpoints += out.status == 0;
	s->counters.failed += out.status == 2;
	if (out.status != 0)
		ch_log(CH_LOG_WARNING,
		       "leaves from %llu do not continue the log of %llu entries, or could not be kept: %u",
		       (unsigned long long)req.first, (unsigned long long)out.size, (unsigned)out.status);
	to->send(to->ctx, CH_MSG_CHECKPOINT, &out);
	return true;
}

static bool on_revoke(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_revoke req;
	int64_t now = (int64_t)time(NULL);
	if (ch_msg_parse(CH_MSG_REVOKE, &req, payload, NULL) != CH_OK)
		return false;
	enum ch_err err = ch_signer_crl_add(&s->crl, req.rows, now);
	if (err == CH_OK && req.more != 0)
		return true;
	uint8_t status = err == CH_OK ? 0 : 2;
	if (err == CH_OK) {
		err = ch_signer_crl_publish(&s->crl, &s->ca, &s->ca_key, now);
		status = err == CH_OK ? 0 : 1;
	}
	s->counters.lists += status == 0;
	s->counters.lists_failed += status != 0;
	if (status != 0)
		ch_log(CH_LOG_ERROR, "no new revocation list: %s; the one before stands", ch_err_str(err));
	const struct ch_msg_crl out = { .status = status,
					.count = (uint32_t)s->crl.count,
					.number = s->crl.number,
					.this_update = (uint64_t)s->crl.this_update,
					.next_update = (uint64_t)s->crl.next_update,
					.list = status == 0 ? ch_buf_span(&s->crl.list) : CH_SPAN_EMPTY };
	to->send(to->ctx, CH_MSG_CRL, &out);
	return true;
}

static bool on_ocsp_sign(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_ocsp_sign req;
	struct ch_msg_ocsp out;
	uint8_t room[CH_OCSP_ANSWER_MAX];
	if (ch_msg_parse(CH_MSG_OCSP_SIGN, &req, payload, NULL) != CH_OK)
		return false;
	ch_responder_sign(&s->responder, &out, room, &req, &s->crl, &s->ca, &s->ca_key, (int64_t)time(NULL));
	s->counters.answers += out.status == CH_OCSP_SUCCESSFUL;
	to->send(to->ctx, CH_MSG_OCSP, &out);
	return true;
}

static bool on_ear(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_ear_sign req;
	CH_AUTO_BUF struct ch_buf jwt = { 0 };
	if (ch_msg_parse(CH_MSG_EAR_SIGN, &req, payload, NULL) != CH_OK)
		return false;
	struct ch_msg_ear out = { .status = ch_ear_sign(&s->ear, req.claims, &jwt) == CH_OK ? 0 : 1 };
	out.jwt = ch_buf_span(&jwt);
	s->counters.ears += out.status == 0;
	to->send(to->ctx, CH_MSG_EAR, &out);
	return true;
}

static bool on_keys(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_keys_ask req;
	char jwks[512];
	uint8_t log_key[CH_NOTE_KEY_TEXT_MAX];
	struct ch_wr w = ch_wr(log_key, sizeof(log_key));
	if (ch_msg_parse(CH_MSG_KEYS_ASK, &req, payload, NULL) != CH_OK)
		return false;
	int n = snprintf(jwks, sizeof(jwks), "{\"keys\":[%s]}", s->ear.jwk);
	ch_note_key_put(&w, &s->tree.note);
	const struct ch_msg_keys out = { .jwks = ch_span(jwks, n > 0 ? (size_t)n : 0), .log_key = ch_wr_span(&w) };
	to->send(to->ctx, CH_MSG_KEYS, &out);
	return true;
}

static const struct {
	enum ch_msg type;
	bool (*run)(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to);
} handler[] = {
	{ CH_MSG_ISSUE, on_issue },         { CH_MSG_LEAVES, on_leaves }, { CH_MSG_REVOKE, on_revoke },
	{ CH_MSG_OCSP_SIGN, on_ocsp_sign }, { CH_MSG_EAR_SIGN, on_ear },  { CH_MSG_KEYS_ASK, on_keys },
};

bool ch_signer_request(struct ch_signer *s, const struct ch_frame *f, const struct ch_signer_out *out)
{
	for (size_t i = 0; i < CH_COUNT_OF(handler); i++) {
		if (handler[i].type == f->type)
			return handler[i].run(s, f->payload, out);
	}
	return false;
}

void ch_signer_metrics(const struct ch_signer *s, struct ch_wr *w)
{
	const struct {
		const char *text; /* the sample, under its TYPE line where a name begins */
		uint64_t value;
	} row[] = {
		{ "# TYPE chainhold_signer_certificates_total counter\n"
		  "chainhold_signer_certificates_total{result=\"issued\"} ",
		  s->counters.issued },
		{ "chainhold_signer_certificates_total{result=\"refused\"} ", s->counters.refused },
		{ "# TYPE chainhold_signer_checkpoints_total counter\n"
		  "chainhold_signer_checkpoints_total{result=\"signed\"} ",
		  s->counters.checkpoints },
		{ "chainhold_signer_checkpoints_total{result=\"failed\"} ", s->counters.failed },
		{ "# TYPE chainhold_signer_ears_total counter\nchainhold_signer_ears_total ", s->counters.ears },
		{ "# TYPE chainhold_signer_revocation_lists_total counter\n"
		  "chainhold_signer_revocation_lists_total{result=\"signed\"} ",
		  s->counters.lists },
		{ "chainhold_signer_revocation_lists_total{result=\"failed\"} ", s->counters.lists_failed },
		{ "# TYPE chainhold_signer_revoked gauge\nchainhold_signer_revoked ", s->crl.count },
		{ "# TYPE chainhold_signer_ocsp_answers_total counter\nchainhold_signer_ocsp_answers_total ",
		  s->counters.answers },
		{ "# TYPE chainhold_log_signed_entries gauge\nchainhold_log_signed_entries ", s->tree.last.size },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		ch_wr_str(w, row[i].text);
		ch_wr_dec(w, row[i].value);
		ch_wr_u8(w, '\n');
	}
}

void ch_signer_clear(struct ch_signer *s)
{
	ch_signer_tree_clear(&s->tree);
	ch_ear_signer_clear(&s->ear);
	ch_responder_clear(&s->responder);
	ch_signer_crl_clear(&s->crl);
	ch_issuer_clear(&s->ca);
	ch_profiles_clear(&s->profiles);
	ch_sign_key_clear(&s->ca_key);
}
