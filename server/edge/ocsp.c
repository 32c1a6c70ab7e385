/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revocation lists and OCSP on the public listener. What was signed before goes out as it is; what must be signed for one client
 * (a nonce, several certificates, an answer that is not kept) is asked of the keeper, and how often has a limit.
 */
#include "server/edge/edge.h"

#include "host/sys/clock.h"

#define LIST_AGE_S 3600 /* a list is made at least so often: nobody keeps one for longer, however long it holds */

static uint64_t wall_s(void)
{
	return ch_clock_ms(CLOCK_REALTIME) / 1000;
}

/* The client has this very thing (RFC 9110, 13.1.2; lists of tags that it may send are looked through). */
static bool has_it(const struct ch_http_request *r, const char *tag)
{
	struct ch_span have, want = ch_span_str(tag);
	if (!ch_http_field_get(&r->fields, "if-none-match", &have))
		return false;
	for (size_t i = 0; i + want.n <= have.n; i++) {
		if (ch_span_eq(ch_span_sub(have, i, want.n), want))
			return true;
	}
	return ch_span_eq(have, CH_SPAN_LIT("*"));
}

/* --- lists --- */

static uint64_t age_until(uint64_t end, uint64_t at_most)
{
	uint64_t now = wall_s();
	uint64_t left = end > now ? end - now : 0;
	return left < at_most ? left : at_most;
}

void ocsp_answer_list(struct conn *c, const struct ch_http_request *r)
{
	struct ch_span name = ch_route_param((enum ch_route_number)c->route, r->path, 0);
	size_t n = name.n >= 4 ? name.n - 4 : 0;
	struct ch_span ending = name.n >= 4 ? ch_span(name.p + n, 4) : CH_SPAN_EMPTY;
	const struct told_list *v = revocation_named(&c->edge->revocation, ch_span(name.p, n));
	if (v == NULL)
		v = root_lists_named(&c->edge->root_lists, ch_span(name.p, n));
	bool pem = ch_span_eq(ending, CH_SPAN_LIT(".pem"));
	if (v == NULL || (!pem && !ch_span_eq(ending, CH_SPAN_LIT(".crl")))) {
		request_refuse(c, 404, "not-found", "there is no list of this name: it is the CA's key identifier");
		return;
	}
	if (v->list.n == 0) {
		request_refuse(c, 503, "starting", "no list has been signed yet; try again later");
		return;
	}
	/* Who took one that has ended for one that holds would not see what was revoked since. */
	if (v->next_update <= wall_s()) {
		request_refuse(c, 503, "ended", "the list has ended, and there is no next one yet");
		return;
	}
	const struct cached how = { .max_age = age_until(v->next_update, LIST_AGE_S),
				    .tag = v->tag,
				    .modified = v->this_update,
				    .expires = v->next_update,
				    .fresh = has_it(r, v->tag) };
	request_respond_cached(c, pem ? CH_SPAN_LIT("application/x-pem-file") : CH_SPAN_LIT("application/pkix-crl"),
			       ch_buf_span(pem ? &v->pem : &v->list), &how);
}

/* --- OCSP --- */

static void respond(struct conn *c, struct ch_span answer)
{
	request_respond(c, 200, 0, CH_SPAN_LIT("application/ocsp-response"), answer);
}

static void respond_error(struct conn *c, enum ch_ocsp_status status)
{
	c->edge->count.ocsp[OCSP_REFUSED]++;
	respond(c, ch_ocsp_error(status));
}

/* Half of its time: then it is made anew, as long as that can be. */
static bool young(const struct kept_answer *k, uint64_t now)
{
	return now >= k->this_update && now < k->this_update + (k->next_update - k->this_update) / 2;
}

static void respond_kept(struct conn *c, const struct ch_http_request *r, const struct kept_answer *k)
{
	uint64_t now = wall_s(), half = k->this_update + (k->next_update - k->this_update) / 2;
	c->edge->count.ocsp[OCSP_KEPT]++;
	if (r->method == CH_HTTP_POST) {
		respond(c, ch_buf_span(&k->answer));
		return;
	}
	const struct cached how = { .max_age = half > now ? half - now : 0,
				    .tag = k->tag,
				    .modified = k->this_update,
				    .expires = k->next_update,
				    .fresh = has_it(r, k->tag) };
	request_respond_cached(c, CH_SPAN_LIT("application/ocsp-response"), ch_buf_span(&k->answer), &how);
}

static bool may_ask(struct conn *c)
{
	struct edge *e = c->edge;
	uint64_t now = ch_loop_now(e->loop);
	size_t at = budget_address(c->address);
	return bucket_take(&e->budgets.asker[at], &e->conf.ocsp, now, BUDGET_REQUEST) &&
	       bucket_take(&e->budgets.askers, &e->conf.ocsp_all, now, BUDGET_REQUEST);
}

static bool ask(struct conn *c, const struct told_list *of, const struct ch_ocsp_request *q)
{
	struct edge *e = c->edge;
	uint8_t ids[CH_OCSP_IDS_MAX * CH_IPC_OCSP_ID];
	struct ch_peer *p = may_ask(c) ? peer_choose(e, CH_ROLE_KEEPER) : NULL;
	if (p == NULL)
		return false;
	for (size_t i = 0; i < q->count; i++)
		revocation_id(ids + i * CH_IPC_OCSP_ID, &q->id[i]);
	struct ch_msg_ocsp_sign m = { .ids = ch_span(ids, q->count * CH_IPC_OCSP_ID), .nonce = q->nonce };
	(void)ch_span_copy(m.ca, sizeof(m.ca), CH_SPAN_OF(of->ca));
	c->turn++;
	peer_owes(c, p);
	conn_state(c, CONN_WAIT, e->conf.request_ms);
	ch_peer_send(p, CH_MSG_OCSP_SIGN, conn_id(c), &m);
	return true;
}

static void answer_request(struct conn *c, const struct ch_http_request *r, struct ch_span der)
{
	struct edge *e = c->edge;
	struct ch_ocsp_request q;
	uint8_t id[CH_IPC_OCSP_ID];
	uint64_t now = wall_s();
	if (ch_ocsp_request_parse(&q, der, NULL) != CH_OK) {
		respond_error(c, CH_OCSP_MALFORMED);
		return;
	}
	/* All of one CA: an answer has one signature. */
	const struct told_list *of = revocation_issuer(&e->revocation, &q.id[0]);
	for (size_t i = 0; i < q.count; i++) {
		if (of == NULL || revocation_issuer(&e->revocation, &q.id[i]) != of) {
			respond_error(c, CH_OCSP_UNAUTHORIZED);
			return;
		}
	}
	revocation_id(id, &q.id[0]);
	const struct kept_answer *k = q.count == 1 ? revocation_find(&e->revocation, of, id) : NULL;
	if (k != NULL && q.nonce.n == 0 && young(k, now)) {
		respond_kept(c, r, k);
	} else if (ask(c, of, &q)) {
		e->count.ocsp[OCSP_ASKED]++;
	} else if (k != NULL && now < k->next_update) {
		/* Signed, and in its time: without the nonce, as RFC 9654, 2.1 lets it be. Who insists on one refuses it. */
		e->count.ocsp[OCSP_OVER_LIMIT]++;
		respond_kept(c, r, k);
	} else {
		e->count.ocsp[OCSP_OVER_LIMIT]++;
		respond_error(c, CH_OCSP_TRY_LATER);
	}
}

void ocsp_answer_post(struct conn *c, const struct ch_http_request *r)
{
	answer_request(c, r, ch_buf_span(&c->body));
}

void ocsp_answer_get(struct conn *c, const struct ch_http_request *r)
{
	uint8_t der[CH_OCSP_REQUEST_MAX];
	size_t n;
	struct ch_span text = ch_route_param((enum ch_route_number)c->route, r->path, 0);
	if (ch_ocsp_get_decode(der, &n, text, NULL) != CH_OK)
		respond_error(c, CH_OCSP_MALFORMED);
	else
		answer_request(c, r, ch_span(der, n));
}

void ocsp_answered(struct conn *c, const struct ch_msg_ocsp *m)
{
	if (m->status == CH_OCSP_SUCCESSFUL)
		respond(c, m->answer);
	else
		respond_error(c, (enum ch_ocsp_status)m->status);
}
