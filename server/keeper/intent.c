/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

/*
 * Responses: a row in table intent, written in the transaction of the decision, carried out by every edge, repeated until each has
 * answered, done when the last did. Closing sessions that are closed already does nothing, so once or twice is the same.
 */

static uint64_t edges_up(const struct ch_keeper *k)
{
	uint64_t set = 0;
	for (unsigned i = 0; i < CH_KEEPER_EDGES_MAX; i++)
		set |= (uint64_t)k->edge[i] << i;
	return set;
}

static struct ch_cut *cut_new(struct ch_keeper *k, int64_t seq)
{
	struct ch_cut *c = ch_calloc(1, sizeof(*c));
	c->seq = seq;
	c->waiting = edges_up(k);
	/* In the order of decision. */
	struct ch_cut **at = &k->cuts;
	while (*at != NULL)
		at = &(*at)->next;
	*at = c;
	return c;
}

void ch_kp_cut(struct ch_keeper *k, const struct ch_device *d, const uint8_t *cert, const char *cause)
{
	struct ch_cut *c = cut_new(k, k->n.intent++);
	if (d != NULL)
		(void)ch_span_copy(c->device, sizeof(c->device), CH_SPAN_OF(d->id));
	if (cert != NULL)
		(void)ch_span_copy(c->cert, sizeof(c->cert), ch_span(cert, 32));
	c->decided = (int64_t)k->now;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_INTENT_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(c->seq), ch_int(d != NULL ? d->seq : 0),
			  ch_int(CH_INTENT_CUT), ch_bytes(cert != NULL ? ch_span(cert, 32) : CH_SPAN_EMPTY),
			  ch_text_str(cause), ch_int(c->decided)));
}

void ch_kp_cuts_load(struct ch_keeper *k)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_INTENT_OPEN, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	while (ch_sql_next(&q)) {
		struct ch_cut *c = cut_new(k, ch_sql_int(&q, 0));
		(void)ch_sql_copy(&q, 2, c->cert, sizeof(c->cert));
		c->decided = ch_sql_int(&q, 3);
		(void)ch_sql_copy(&q, 4, c->device, sizeof(c->device));
	}
	(void)ch_sql_end(&q);
}

static void cut_event(struct ch_keeper *k, const struct ch_cut *c)
{
	uint8_t text[512];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_hex(&j, "device", CH_SPAN_OF(c->device));
	ch_json_named_u64(&j, "intent", (uint64_t)c->seq);
	ch_json_named_u64(&j, "sessions", c->closed);
	ch_json_named_u64(&j, "decided", (uint64_t)c->decided);
	ch_json_named_u64(&j, "done", (uint64_t)c->done);
	ch_json_object_end(&j);
	ch_kp_event(k, 0, "cut", ch_wr_span(&w));
}

/* The last edge has answered: the time from verdict to cut is that of the slowest. */
static void finish(struct ch_keeper *k, struct ch_cut *c)
{
	if (c->done < c->decided)
		c->done = (int64_t)k->now > c->decided ? (int64_t)k->now : c->decided;
	/* 0 in the column means that it is open. */
	if (c->done == 0)
		c->done = 1;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_INTENT_DONE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(c->seq), ch_int(c->done), ch_int(c->tries),
			  ch_int(c->closed)));
	cut_event(k, c);
	k->metric_cuts++;
	k->metric_cut_ms += (uint64_t)(c->done - c->decided);
}

static void sweep(struct ch_keeper *k)
{
	struct ch_cut **at = &k->cuts;
	while (*at != NULL) {
		struct ch_cut *c = *at;
		/* Before an edge was ever asked there is nothing to be done with, not even nobody. */
		if (c->waiting != 0 || c->sent == 0) {
			at = &c->next;
			continue;
		}
		finish(k, c);
		*at = c->next;
		ch_free(c);
	}
}

void ch_kp_cut_done(struct ch_keeper *k, unsigned edge, const struct ch_msg_cut_done *m)
{
	for (struct ch_cut *c = k->cuts; c != NULL; c = c->next) {
		if ((uint64_t)c->seq != m->intent || (c->waiting >> edge & 1) == 0)
			continue;
		c->waiting &= ~((uint64_t)1 << edge);
		c->closed += m->closed;
		/* The edge's clock is this machine's; a time outside what can be is not taken. */
		int64_t at = m->done_ms >= (uint64_t)c->decided && m->done_ms <= k->now ? (int64_t)m->done_ms
											: (int64_t)k->now;
		if (at > c->done)
			c->done = at;
	}
	sweep(k);
}

void ch_kp_cuts_edge(struct ch_keeper *k, unsigned edge, bool up)
{
	uint64_t bit = (uint64_t)1 << edge;
	for (struct ch_cut *c = k->cuts; c != NULL; c = c->next) {
		/* An edge that is gone has no session left; a new one may have admitted before the view said no. */
		c->waiting = up ? c->waiting | bit : c->waiting & ~bit;
		if (up)
			c->sent = 0;
	}
	if (!up)
		sweep(k);
}

void ch_kp_cuts_send(struct ch_keeper *k)
{
	sweep(k);
	for (struct ch_cut *c = k->cuts; c != NULL; c = c->next) {
		if (c->sent != 0 && k->mono - c->sent < CH_KEEPER_CUT_RETRY_MS)
			continue;
		c->sent = k->mono != 0 ? k->mono : 1;
		c->tries++;
		struct ch_msg_cut m = { .intent = (uint64_t)c->seq };
		(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(c->device));
		(void)ch_span_copy(m.cert_sha256, sizeof(m.cert_sha256), CH_SPAN_OF(c->cert));
		for (unsigned i = 0; i < CH_KEEPER_EDGES_MAX; i++) {
			if ((c->waiting >> i & 1) != 0)
				ch_kp_send(k, CH_ROLE_EDGE, i, CH_MSG_CUT, 0, &m);
		}
	}
}
