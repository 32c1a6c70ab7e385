/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/signer.h"

#include "host/base/mem.h"
#include "host/sys/log.h"

#include <stdio.h>
#include <time.h>

#define SIGNED_MAX 64 /* what a list has beside what is signed, the signature and its algorithm */

/* A certificate that waits for its signature. */
struct issue {
	struct ch_signer *signer;
	struct ch_signer_out to;
	struct ch_msg_issued out;
};

static void issue_done(void *own, struct ch_span tbs, const uint8_t *sig)
{
	struct issue *i = own;
	uint8_t room[CH_IPC_CERT_MAX];
	if (i->out.status == 0)
		ch_issue_signed(&i->out, room, tbs, sig);
	i->signer->counters.issued += i->out.status == 0;
	i->signer->counters.refused += i->out.status != 0;
	i->to.send(&i->to, CH_MSG_ISSUED, &i->out);
	ch_free(i);
}

static bool on_issue(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_issue req;
	uint8_t room[CH_IPC_CERT_MAX];
	if (ch_msg_parse(CH_MSG_ISSUE, &req, payload, NULL) != CH_OK)
		return false;
	struct issue *i = ch_calloc(1, sizeof(*i));
	i->signer = s;
	i->to = *to;
	ch_issue(&i->out, room, &s->ca, &s->profiles, &req, (int64_t)time(NULL));
	if (i->out.status == 0)
		ch_ca_sign(&s->ca_key, i->out.certificate, issue_done, i);
	else
		issue_done(i, CH_SPAN_EMPTY, NULL);
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
	to->send(to, CH_MSG_CHECKPOINT, &out);
	return true;
}

/* A list that waits for its signature. */
struct list {
	struct ch_signer *signer;
	struct ch_signer_out to;
	struct ch_msg_crl out;
};

static void list_send(struct list *l, enum ch_err err)
{
	l->signer->counters.lists += l->out.status == 0;
	l->signer->counters.lists_failed += l->out.status != 0;
	if (l->out.status != 0)
		ch_log(CH_LOG_ERROR, "no new revocation list: %s; the one before stands", ch_err_str(err));
	l->to.send(&l->to, CH_MSG_CRL, &l->out);
	ch_free(l);
}

static void list_done(void *own, struct ch_span tbs, const uint8_t *sig)
{
	struct list *l = own;
	CH_AUTO_BUF struct ch_buf list = { 0 };
	enum ch_err err = ch_signer_crl_signed(&list, tbs, sig);
	l->out.status = err == CH_OK ? 0 : 1;
	l->out.list = ch_buf_span(&list);
	list_send(l, err);
}

static bool on_revoke(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_revoke req;
	CH_AUTO_BUF struct ch_buf tbs = { 0 };
	int64_t now = (int64_t)time(NULL);
	if (ch_msg_parse(CH_MSG_REVOKE, &req, payload, NULL) != CH_OK)
		return false;
	enum ch_err err = ch_signer_crl_add(&s->crl, req.rows, now);
	if (err == CH_OK && req.more != 0)
		return true;
	uint8_t status = err == CH_OK ? 1 : 2;
	if (err == CH_OK)
		err = ch_signer_crl_next(&s->crl, &s->ca, now, &tbs);
	struct list *l = ch_calloc(1, sizeof(*l));
	*l = (struct list){ s, *to, { .status = err == CH_OK ? 0 : status } };
	l->out.count = (uint32_t)s->crl.count;
	l->out.number = s->crl.number;
	l->out.this_update = (uint64_t)s->crl.this_update;
	l->out.next_update = (uint64_t)(s->crl.this_update + s->crl.lifetime);
	if (err == CH_OK)
		ch_ca_sign(&s->ca_key, ch_buf_span(&tbs), list_done, l);
	else
		list_send(l, err);
	return true;
}

/* --- of an earlier CA --- */

struct list_earlier {
	struct ch_signer *signer;
	struct ch_signer_out to;
	struct ch_msg_crl_earlier out;
};

static void list_earlier_send(struct list_earlier *l, enum ch_err err)
{
	l->signer->counters.lists += l->out.status == 0;
	l->signer->counters.lists_failed += l->out.status != 0;
	if (l->out.status == 1 || l->out.status == 2)
		ch_log(CH_LOG_ERROR, "no new revocation list of an earlier CA: %s; the one before stands",
		       ch_err_str(err));
	l->to.send(&l->to, CH_MSG_CRL_EARLIER, &l->out);
	ch_free(l);
}

static void list_earlier_done(void *own, struct ch_span tbs, struct ch_span alg, struct ch_span sig)
{
	struct list_earlier *l = own;
	size_t cap = tbs.n + alg.n + sig.n + SIGNED_MAX;
	CH_AUTO_FREE uint8_t *list = ch_calloc(cap, 1);
	struct ch_wr w = ch_wr(list, cap);
	enum ch_err err = sig.n > 0 ? ch_crl_put(&w, tbs, alg, sig) : CH_ERR_CRYPTO;
	l->out.status = err == CH_OK ? 0 : 1;
	l->out.list = err == CH_OK ? ch_wr_span(&w) : CH_SPAN_EMPTY;
	list_earlier_send(l, err);
}

static bool on_revoke_earlier(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_revoke_earlier req;
	CH_AUTO_BUF struct ch_buf tbs = { 0 };
	int64_t now = (int64_t)time(NULL);
	if (ch_msg_parse(CH_MSG_REVOKE_EARLIER, &req, payload, NULL) != CH_OK)
		return false;
	struct ch_earlier_ca *c = ch_earlier_find(&s->earlier, req.ca);
	enum ch_err err = c != NULL ? ch_signer_crl_add(&c->crl, req.rows, now) : CH_ERR_NOTFOUND;
	if (err == CH_OK && req.more != 0)
		return true;
	bool signs = c != NULL && err == CH_OK && ch_earlier_signs(c);
	struct list_earlier *l = ch_calloc(1, sizeof(*l));
	*l = (struct list_earlier){ s, *to, { .status = err != CH_OK ? 2 : signs ? 1 : 3 } };
	(void)ch_span_copy(l->out.ca, sizeof(l->out.ca), CH_SPAN_OF(req.ca));
	if (signs)
		err = ch_signer_crl_next(&c->crl, &c->ca, now, &tbs);
	if (!signs || err != CH_OK) {
		list_earlier_send(l, err);
		return true;
	}
	l->out.count = (uint32_t)c->crl.count;
	l->out.number = c->crl.number;
	l->out.this_update = (uint64_t)c->crl.this_update;
	l->out.next_update = (uint64_t)(c->crl.this_update + c->crl.lifetime);
	ch_earlier_sign(c, ch_buf_span(&tbs), list_earlier_done, l);
	return true;
}

/* --- OCSP --- */

/* An answer of an earlier CA that waits for its signature. */
struct answer {
	struct ch_signer *signer;
	struct ch_signer_out to;
	struct ch_msg_ocsp out;
};

static void answer_done(void *own, struct ch_span tbs, struct ch_span alg, struct ch_span sig)
{
	struct answer *a = own;
	uint8_t room[CH_OCSP_ANSWER_MAX];
	struct ch_wr w = ch_wr(room, sizeof(room));
	if (sig.n == 0 || ch_ocsp_put_by_ca(&w, tbs, alg, sig) != CH_OK)
		a->out = (struct ch_msg_ocsp){ .status = CH_OCSP_INTERNAL };
	else
		a->out.answer = ch_wr_span(&w);
	a->signer->counters.answers += a->out.status == CH_OCSP_SUCCESSFUL;
	a->to.send(&a->to, CH_MSG_OCSP, &a->out);
	ch_free(a);
}

/* It answers for itself: to certify a responder it would have to certify. */
static void answer_earlier(struct ch_signer *s, const struct ch_msg_ocsp_sign *req, const struct ch_signer_out *to)
{
	uint8_t tbs[CH_OCSP_ANSWER_MAX];
	struct ch_wr w = ch_wr(tbs, sizeof(tbs));
	struct ch_earlier_ca *c = ch_earlier_find(&s->earlier, req->ca);
	struct ch_msg_ocsp out = { .status = CH_OCSP_UNAUTHORIZED };
	if (c == NULL || !ch_earlier_signs(c) || s->responder.key.type == CH_KEY_NONE) {
		to->send(to, CH_MSG_OCSP, &out);
		return;
	}
	out.status = CH_OCSP_SUCCESSFUL;
	if (ch_responder_data(&w, &out, &c->named, ch_digest_span(&c->named.key[0]), req, &c->crl, (int64_t)time(NULL),
			      s->responder.lifetime) != CH_OK) {
		out = (struct ch_msg_ocsp){ .status = CH_OCSP_INTERNAL };
		to->send(to, CH_MSG_OCSP, &out);
		return;
	}
	struct answer *a = ch_calloc(1, sizeof(*a));
	*a = (struct answer){ s, *to, out };
	ch_earlier_sign(c, ch_wr_span(&w), answer_done, a);
}

static bool on_ocsp_sign(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to)
{
	struct ch_msg_ocsp_sign req;
	struct ch_msg_ocsp out;
	uint8_t room[CH_OCSP_ANSWER_MAX];
	int64_t now = (int64_t)time(NULL);
	if (ch_msg_parse(CH_MSG_OCSP_SIGN, &req, payload, NULL) != CH_OK)
		return false;
	if (!ch_span_all(CH_SPAN_OF(req.ca), 0)) {
		answer_earlier(s, &req, to);
		return true;
	}
	ch_responder_prepare(&s->responder, &s->ca, &s->ca_key, now);
	ch_responder_sign(&s->responder, &out, room, &req, &s->crl, now);
	s->counters.answers += out.status == CH_OCSP_SUCCESSFUL;
	to->send(to, CH_MSG_OCSP, &out);
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
	to->send(to, CH_MSG_EAR, &out);
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
	to->send(to, CH_MSG_KEYS, &out);
	return true;
}

static const struct {
	enum ch_msg type;
	bool (*run)(struct ch_signer *s, struct ch_span payload, const struct ch_signer_out *to);
} handler[] = {
	{ CH_MSG_ISSUE, on_issue },         { CH_MSG_LEAVES, on_leaves },
	{ CH_MSG_REVOKE, on_revoke },       { CH_MSG_REVOKE_EARLIER, on_revoke_earlier },
	{ CH_MSG_OCSP_SIGN, on_ocsp_sign }, { CH_MSG_EAR_SIGN, on_ear },
	{ CH_MSG_KEYS_ASK, on_keys },
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
		{ "# TYPE chainhold_signer_waiting gauge\nchainhold_signer_waiting ", s->ca_key.count },
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
	ch_ca_key_clear(&s->ca_key);
	ch_responder_clear(&s->responder);
	ch_signer_crl_clear(&s->crl);
	ch_earlier_clear(&s->earlier);
	ch_issuer_clear(&s->ca);
	ch_profiles_clear(&s->profiles);
}
