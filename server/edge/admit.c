/* SPDX-License-Identifier: Apache-2.0 */
/* May this connection ask for this? Every request is asked anew, against the fleet view alone: no message, no lock. */
#include "core/trust/action.h"
#include "core/trust/lifecycle.h"
#include "host/sys/clock.h"
#include "server/edge/edge.h"

static size_t bucket_of(const uint8_t id[static 16])
{
	/* Device ids are random. */
	return (size_t)(id[0] << 8 | id[1]) % EDGE_BUCKETS;
}

bool edge_identify(struct conn *c)
{
	struct edge *e = c->edge;
	if (c->known)
		return true;
	if ((!c->has_cert && !c->has_token) || ch_view_find(e->view, c->cert, &c->who, &c->slot) != CH_OK)
		return false;
	struct conn **head = &e->bucket[bucket_of(c->who.id)];
	c->known = true;
	c->prev = NULL;
	c->next = *head;
	if (*head != NULL)
		(*head)->prev = c;
	*head = c;
	return true;
}

void edge_forget(struct conn *c)
{
	if (!c->known)
		return;
	*(c->prev != NULL ? &c->prev->next : &c->edge->bucket[bucket_of(c->who.id)]) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->known = false;
}

static uint64_t wall_s(void)
{
	return ch_clock_ms(CLOCK_REALTIME) / 1000;
}

#define REFUSE(status, code, rule, end) ((struct refusal){ status, code, rule, end })
#define ADMITTED                        ((struct refusal){ 0 })

static struct refusal admit_device(const struct conn *c, uint16_t caller)
{
	static const struct {
		uint16_t caller;
		enum ch_access access;
	} needs[] = { { CH_CALLER_ATTEST, CH_ACCESS_ATTEST },
		      { CH_CALLER_RENEW, CH_ACCESS_RENEW },
		      { CH_CALLER_FULL, CH_ACCESS_FULL } };
	for (size_t i = 0; i < CH_COUNT_OF(needs); i++)
		if ((caller & needs[i].caller) != 0 && ch_state_admits((enum ch_state)c->who.state, needs[i].access))
			return ADMITTED;
	if ((caller & CH_CALLER_MEND) != 0 && (c->who.pending & CH_VIEW_MENDS) != 0)
		return ADMITTED;
	return REFUSE(403, "state", "the state of this device does not admit this request", false);
}

static struct refusal admit_known(const struct conn *c, uint16_t caller)
{
	if ((c->who.pending & CH_VIEW_REVOKED) != 0)
		return REFUSE(403, "revoked", "this certificate is revoked", true);
	if (c->who.not_after != 0 && c->who.not_after < wall_s())
		return REFUSE(403, "expired", "this certificate has expired", true);
	if (c->who.kind == CH_VIEW_DEVICE && (caller & CH_CALLER_OPERATORS) == 0)
		return admit_device(c, caller);
	if (c->who.kind == CH_VIEW_OPERATOR && c->who.role < CH_OPERATOR_COUNT && (caller >> c->who.role & 1) != 0)
		return ADMITTED;
	return REFUSE(403, "role", "this certificate may not ask for this", false);
}

static struct refusal in_budget(struct conn *c, uint16_t caller)
{
	struct edge *e = c->edge;
	uint64_t now = ch_loop_now(e->loop);
	size_t at = budget_address(c->address);
	/* A repository has thousands of small files. */
	uint32_t cost = c->route == CH_ROUTE_OSTREE ? BUDGET_REQUEST / 50 : BUDGET_REQUEST;
	bool may = true;
	if (c->spent)
		may = false;
	else if ((caller & CH_CALLER_ANY) == 0)
		may = c->who.kind != CH_VIEW_DEVICE ||
		      bucket_take(budget_device(&e->budgets, c->slot), &e->conf.device, now, cost);
	else if (c->listener == CH_LISTENER_PUBLIC)
		may = bucket_take(&e->budgets.reader[at], &e->conf.reader, now, BUDGET_REQUEST);
	else
		may = bucket_take(&e->budgets.stranger[at], &e->conf.stranger, now, BUDGET_REQUEST);
	if (may)
		return ADMITTED;
	e->count.over_budget++;
	return REFUSE(429, "budget", "too many requests; try again later", c->spent);
}

/*
 * Whoever may be asked for a certificate: a stranger, whom a token or a manufacturer's certificate speaks for; a device of ours, which
 * may come after the end of its certificate to ask for the next one. How long after, the keeper knows.
 */
static struct refusal admit_est(struct conn *c)
{
	bool next = ch_route_est(c->route) == CH_ROUTE_EST_REENROL;
	if (!c->has_cert)
		return in_budget(c, CH_CALLER_ANY);
	if (!edge_identify(c)) {
		if (ch_tls_anchor(c->tls) == CH_TLS_ANCHOR_IDEVID)
			return in_budget(c, CH_CALLER_ANY);
		/* A resumed session does not say whose certificate it is: the next handshake does. */
		ch_tls_forget(c->tls);
		if (ch_view_generation(c->edge->view) == 0)
			return REFUSE(503, "starting", "the server is starting; try again later", true);
		return REFUSE(403, "unknown-certificate", "nobody knows this certificate", true);
	}
	if (ch_view_get(c->edge->view, c->slot, &c->who) != CH_OK)
		return REFUSE(503, "busy", "try again later", false);
	bool expired = c->who.not_after != 0 && c->who.not_after < wall_s();
	if ((c->who.pending & CH_VIEW_REVOKED) != 0)
		return REFUSE(403, "revoked", "this certificate is revoked", true);
	if (expired && !next)
		return REFUSE(403, "expired", "this certificate has expired: it may ask for the next one", true);
	if (c->who.kind != CH_VIEW_DEVICE)
		return REFUSE(403, "role", "this certificate may not ask for this", false);
	struct refusal r = admit_device(c, CH_CALLER_RENEW);
	return r.status != 0 ? r : in_budget(c, CH_CALLER_RENEW);
}

struct refusal edge_admit(struct conn *c, const struct ch_route *route)
{
	if ((route->caller & CH_CALLER_EST) != 0)
		return admit_est(c);
	if ((route->caller & CH_CALLER_ANY) != 0)
		return in_budget(c, route->caller);
	if (!c->has_cert && !c->has_token) {
		/* Whoever guesses is slowed down like any stranger. */
		struct refusal busy = c->tried_token ? in_budget(c, CH_CALLER_ANY) : ADMITTED;
		return busy.status != 0 ? busy : token_refused(c);
	}
	/* A keeper that has just begun has told of nobody yet: that is no verdict about anybody. */
	if (!edge_identify(c) && ch_view_generation(c->edge->view) == 0)
		return REFUSE(503, "starting", "the server is starting; try again later", false);
	if (!c->known && c->has_token)
		return REFUSE(403, "unknown-device", "nobody knows this device", true);
	if (!c->known)
		return REFUSE(403, "unknown-certificate", "nobody knows this certificate", true);
	/* A record that is being written right now is read a moment later: the writer does not sleep. */
	for (int i = 0; i < 1000 && ch_view_get(c->edge->view, c->slot, &c->who) != CH_OK; i++)
		if (i == 999)
			return REFUSE(503, "busy", "try again later", false);
	struct refusal r = admit_known(c, route->caller);
	return r.status != 0 ? r : in_budget(c, route->caller);
}

/*
 * Whether what is under way may have its answer, with nothing after it: the evidence whose verdict is the quarantine, and the renewal
 * that ends one, whose answer is the certificate that follows the one that is revoked by it.
 */
static bool answer_is_due(struct conn *c)
{
	if (c->state != CONN_WAIT && c->state != CONN_WRITE)
		return false;
	if (c->route == CH_ROUTE_RENEW || ch_route_est(c->route) == CH_ROUTE_EST_REENROL)
		return true;
	return ch_view_get(c->edge->view, c->slot, &c->who) == CH_OK &&
	       admit_known(c, ch_routes[c->route].caller).status == 0;
}

static void cut_one(struct conn *c)
{
	if (c->tls != NULL)
		ch_tls_forget(c->tls);
	if (answer_is_due(c))
		c->close = true;
	else
		conn_free(c);
}

uint32_t edge_cut(struct edge *e, const struct ch_msg_cut *cut)
{
	struct ch_span cert = CH_SPAN_OF(cut->cert_sha256);
	bool all = ch_span_all(cert, 0);
	uint32_t closed = 0;
	for (struct conn *c = e->bucket[bucket_of(cut->device)], *next; c != NULL; c = next) {
		next = c->next;
		if (!ch_span_eq(CH_SPAN_OF(c->who.id), CH_SPAN_OF(cut->device)))
			continue;
		/* Operators have no device id: without a certificate nothing names one of them. */
		if (all ? c->who.kind != CH_VIEW_DEVICE : !ch_span_eq(CH_SPAN_OF(c->cert), cert))
			continue;
		cut_one(c);
		closed++;
	}
	return closed;
}
