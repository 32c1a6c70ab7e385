/* SPDX-License-Identifier: Apache-2.0 */
/* Channels to the processes that answer: verify, keeper, reader. */
#include "server/edge/edge.h"

#include "core/crypto/hash.h"
#include "host/sys/clock.h"
#include "host/sys/log.h"

#include <unistd.h>

static struct conn *find(struct edge *e, uint64_t id)
{
	uint32_t number = (uint32_t)id;
	if (number >= e->conn_cap || e->conn[number] == NULL || conn_id(e->conn[number]) != id)
		return NULL;
	return e->conn[number];
}

static size_t *waiting_at(struct edge *e, const struct ch_peer *p)
{
	return &e->waiting[p->role][p->index];
}

void peer_owes(struct conn *c, struct ch_peer *p)
{
	c->peer = p;
	(*waiting_at(c->edge, p))++;
}

void peer_quit(struct conn *c)
{
	if (c->peer == NULL)
		return;
	(*waiting_at(c->edge, c->peer))--;
	c->peer = NULL;
}

/* The connection that this answer is for; NULL if nobody waits for it any more. */
static struct conn *take(struct edge *e, const struct ch_peer *p, uint64_t id)
{
	struct conn *c = find(e, id);
	if (c == NULL || c->state != CONN_WAIT || c->peer != p) {
		e->count.late_answers++;
		return NULL;
	}
	peer_quit(c);
	return c;
}

static bool on_answer(struct edge *e, struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_msg_answer a;
	if (ch_msg_parse(CH_MSG_ANSWER, &a, f->payload, NULL) != CH_OK)
		return false;
	struct conn *c = take(e, p, f->id);
	if (c != NULL)
		request_answer(c, &a);
	return true;
}

static bool on_artifact(struct edge *e, struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_msg_artifact m;
	int fd = ch_chan_take_fd(&p->chan);
	if (fd < 0 || ch_msg_parse(CH_MSG_ARTIFACT, &m, f->payload, NULL) != CH_OK || m.size > INT64_MAX ||
	    m.offset > INT64_MAX - m.size) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	struct conn *c = take(e, p, f->id);
	if (c != NULL)
		artifact_send(c, &m, fd);
	else
		(void)close(fd);
	return true;
}

static bool on_ocsp(struct edge *e, struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_msg_ocsp m;
	if (ch_msg_parse(CH_MSG_OCSP, &m, f->payload, NULL) != CH_OK)
		return false;
	struct conn *c = take(e, p, f->id);
	if (c != NULL)
		ocsp_answered(c, &m);
	return true;
}

static bool on_ocsp_answer(struct edge *e, struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_msg_ocsp_answer m;
	(void)p;
	if (ch_msg_parse(CH_MSG_OCSP_ANSWER, &m, f->payload, NULL) != CH_OK)
		return false;
	revocation_keep(&e->revocation, &m);
	return true;
}

static bool on_ocsp_drop(struct edge *e, struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_msg_ocsp_drop m;
	(void)p;
	if (ch_msg_parse(CH_MSG_OCSP_DROP, &m, f->payload, NULL) != CH_OK)
		return false;
	revocation_drop(&e->revocation, &m);
	return true;
}

static bool on_crl(struct edge *e, struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_msg_crl m;
	(void)p;
	if (ch_msg_parse(CH_MSG_CRL, &m, f->payload, NULL) != CH_OK)
		return false;
	revocation_list(&e->revocation, &m);
	return true;
}

static bool on_crl_earlier(struct edge *e, struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_msg_crl_earlier m;
	(void)p;
	if (ch_msg_parse(CH_MSG_CRL_EARLIER, &m, f->payload, NULL) != CH_OK)
		return false;
	revocation_list_earlier(&e->revocation, &m);
	return true;
}

static bool on_cut(struct edge *e, struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_msg_cut cut;
	if (ch_msg_parse(CH_MSG_CUT, &cut, f->payload, NULL) != CH_OK)
		return false;
	struct ch_msg_cut_done done = { .intent = cut.intent, .closed = edge_cut(e, &cut) };
	done.done_ms = ch_clock_ms(CLOCK_REALTIME);
	e->count.cuts++;
	e->count.sessions_cut += done.closed;
	ch_peer_send(p, CH_MSG_CUT_DONE, f->id, &done);
	return true;
}

static bool on_event(struct edge *e, struct ch_peer *p, const struct ch_frame *f)
{
	struct ch_msg_event event;
	(void)p;
	if (ch_msg_parse(CH_MSG_EVENT, &event, f->payload, NULL) != CH_OK)
		return false;
	events_publish(e, &event);
	return true;
}

bool peer_message(void *ctx, struct ch_peer *p, const struct ch_frame *f)
{
	static bool (*const on[CH_MSG_COUNT])(struct edge * e, struct ch_peer * p, const struct ch_frame *f) = {
		[CH_MSG_ANSWER] = on_answer,
		[CH_MSG_ARTIFACT] = on_artifact,
		[CH_MSG_CUT] = on_cut,
		[CH_MSG_EVENT] = on_event,
		[CH_MSG_OCSP] = on_ocsp,
		[CH_MSG_OCSP_ANSWER] = on_ocsp_answer,
		[CH_MSG_OCSP_DROP] = on_ocsp_drop,
		[CH_MSG_CRL] = on_crl,
		[CH_MSG_CRL_EARLIER] = on_crl_earlier,
	};
	return on[f->type] != NULL && on[f->type](ctx, p, f);
}

/*
 * A verify that died may have died of what it was reading. Its digest is told to the keeper, which holds it against the device;
 * it is not tried again on another one.
 */
static void tell_fatal(struct conn *c)
{
	struct edge *e = c->edge;
	struct ch_digest d;
	struct ch_msg_fatal_input m = { .route = c->route };
	struct ch_peer *keeper = ch_hub_peer(&e->hub, CH_ROLE_KEEPER, 0);
	if (keeper == NULL || !c->known || ch_hash_once(CH_HASH_SHA256, ch_buf_span(&c->body), &d) != CH_OK)
		return;
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(c->who.id));
	(void)ch_span_copy(m.body_sha256, sizeof(m.body_sha256), ch_digest_span(&d));
	ch_peer_send(keeper, CH_MSG_FATAL_INPUT, 0, &m);
}

void peer_change(void *ctx, struct ch_peer *p, bool up)
{
	struct edge *e = ctx;
	if (up)
		return;
	if (!e->stopping) {
		e->count.peers_lost++;
		ch_log(CH_LOG_WARNING, "%s %u is gone", ch_role_str(p->role), p->index);
	}
	for (size_t i = 0; i < e->conn_cap; i++) {
		struct conn *c = e->conn[i];
		if (c == NULL || c->state != CONN_WAIT || c->peer != p)
			continue;
		peer_quit(c);
		if (p->role == CH_ROLE_VERIFY)
			tell_fatal(c);
		request_refuse(
			c, 503, "restarted",
			"the process that answers was restarted; a repeat with the same Idempotency-Key is safe");
	}
}

struct ch_peer *peer_choose(struct edge *e, enum ch_role role)
{
	struct ch_peer *best = NULL;
	for (unsigned i = 0; i < CH_HUB_PEERS_MAX; i++) {
		struct ch_peer *p = ch_hub_peer(&e->hub, role, i);
		if (p != NULL && *waiting_at(e, p) < e->conf.waiting_max &&
		    (best == NULL || *waiting_at(e, p) < *waiting_at(e, best)))
			best = p;
	}
	return best;
}
