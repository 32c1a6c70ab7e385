/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "core/base/rd.h"
#include "core/platform/ocsp.h"

/*
 * Answers of OCSP: the keeper says which numbers were issued, the signer what is revoked, and signs. An answer that anybody may be given goes to
 * every edge, which keeps it. Those of certificates that are good are made before they are asked for, in rounds: at most as many as
 * an edge keeps.
 */

#define ASKS_MAX      4096
#define ASK_MS        10000u
#define ROUND_BATCH   64 /* asked of the signer at once by a round */
#define TRIES_MAX     8  /* of one answer, while certificates are revoked meanwhile */
#define ROUND_REST_MS 1000u

struct ch_ocsp_ask {
	struct ch_ocsp_ask *next;
	uint64_t id;
	struct ch_who who; /* CH_ROLE_KEEPER: nobody waits for it */
	uint64_t until;    /* monotonic ms */
	int64_t revision;  /* revocations when it was asked */
	unsigned tries;
	bool keep; /* one certificate that was issued here, no nonce */
	uint8_t ca[32];
	struct ch_buf ids, nonce;
};

static void ask_free(struct ch_ocsp_ask *a)
{
	ch_buf_free(&a->ids);
	ch_buf_free(&a->nonce);
	ch_free(a);
}

/* --- which numbers were issued --- */

/* A device's, of the issuing CA (`ca` zeros) or of an earlier one. */
static bool is_device(struct ch_keeper *k, struct ch_span ca, struct ch_span number)
{
	if (ch_span_all(ca, 0))
		return ch_sql_number(k->st, CH_SQL_CERTIFICATE_KNOWN,
				     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(number)), 0) > 0;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_CERTIFICATE_OF_EARLIER,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(number), ch_bytes(ca)));
	bool there = ch_sql_next(&q);
	return ch_sql_end(&q) == CH_OK && there;
}

/* Somebody else's. */
static bool is_other(struct ch_keeper *k, struct ch_span ca, struct ch_span number)
{
	bool there = false;
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_ISSUED_BY_SERIAL, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(number)));
	while (ch_sql_next(&q))
		there = there || ch_kp_list_of(k, ch_sql_bytes(&q, 0)) == ch_kp_list_of(k, ca);
	return ch_sql_end(&q) == CH_OK && there;
}

static bool issued(struct ch_keeper *k, struct ch_span ca, struct ch_span number)
{
	while (number.n > 1 && number.p[0] == 0)
		number = ch_span_sub(number, 1, number.n - 1);
	return is_device(k, ca, number) || is_other(k, ca, number);
}

/* Whatever the edge said: what is known is what the store has. True if all of them are. */
static bool flags_set(struct ch_keeper *k, struct ch_ocsp_ask *a)
{
	bool all = true;
	for (size_t at = 0; at + CH_IPC_OCSP_ID <= a->ids.n; at += CH_IPC_OCSP_ID) {
		uint8_t *row = a->ids.p + at;
		bool known = issued(k, CH_SPAN_OF(a->ca), ch_span(row + 3, 20));
		row[2] = (uint8_t)((row[2] & CH_IPC_OCSP_NULL) | (known ? CH_IPC_OCSP_KNOWN : 0));
		all = all && known;
	}
	return all;
}

/* --- asking --- */

static void send_ask(struct ch_keeper *k, struct ch_ocsp_ask *a)
{
	struct ch_msg_ocsp_sign m = { .ids = ch_buf_span(&a->ids), .nonce = ch_buf_span(&a->nonce) };
	(void)ch_span_copy(m.ca, sizeof(m.ca), CH_SPAN_OF(a->ca));
	a->id = ++k->ids;
	a->revision = k->n.revocation;
	a->tries++;
	ch_kp_send(k, CH_ROLE_SIGNER, 0, CH_MSG_OCSP_SIGN, a->id, &m);
}

static void answer(struct ch_keeper *k, const struct ch_who *who, unsigned status)
{
	const struct ch_msg_ocsp m = { .status = (uint8_t)status };
	if (who->role == CH_ROLE_EDGE)
		ch_kp_send(k, CH_ROLE_EDGE, who->index, CH_MSG_OCSP, who->id, &m);
}

static struct ch_ocsp_ask *ask_new(struct ch_keeper *k, const struct ch_who *who)
{
	struct ch_ocsp_ask *a = ch_calloc(1, sizeof(*a));
	a->who = *who;
	a->until = k->mono + ASK_MS;
	a->next = k->ocsp.asks;
	k->ocsp.asks = a;
	k->ocsp.count++;
	return a;
}

void ch_kp_ocsp_sign(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_ocsp_sign *m)
{
	if (!k->signer || k->ocsp.count >= ASKS_MAX || m->ids.n == 0 || m->ids.n % CH_IPC_OCSP_ID != 0) {
		answer(k, who, CH_OCSP_TRY_LATER);
		return;
	}
	if (!ch_span_all(CH_SPAN_OF(m->ca), 0) && !ch_kp_earlier_known(k, CH_SPAN_OF(m->ca))) {
		answer(k, who, CH_OCSP_UNAUTHORIZED);
		return;
	}
	struct ch_ocsp_ask *a = ask_new(k, who);
	(void)ch_span_copy(a->ca, sizeof(a->ca), CH_SPAN_OF(m->ca));
	ch_buf_append(&a->ids, m->ids);
	ch_buf_append(&a->nonce, m->nonce);
	bool known = flags_set(k, a);
	/* Numbers that nobody issued are without end: nobody keeps answers about them. */
	a->keep = known && m->nonce.n == 0 && m->ids.n == CH_IPC_OCSP_ID;
	send_ask(k, a);
}

/* --- the answer --- */

static void keep(struct ch_keeper *k, const struct ch_ocsp_ask *a, const struct ch_msg_ocsp *m)
{
	struct ch_msg_ocsp_answer out = { .this_update = m->this_update,
					  .next_update = m->next_update,
					  .answer = m->answer };
	(void)ch_span_copy(out.ca, sizeof(out.ca), CH_SPAN_OF(a->ca));
	(void)ch_span_copy(out.id, sizeof(out.id), ch_buf_span(&a->ids));
	for (unsigned i = 0; i < CH_KEEPER_EDGES_MAX; i++) {
		if (k->edge[i])
			ch_kp_send(k, CH_ROLE_EDGE, i, CH_MSG_OCSP_ANSWER, 0, &out);
	}
}

void ch_kp_ocsp(struct ch_keeper *k, uint64_t id, const struct ch_msg_ocsp *m)
{
	struct ch_ocsp_ask **at = &k->ocsp.asks;
	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	struct ch_ocsp_ask *a = *at;
	if (a == NULL)
		return;
	/* Something was revoked since it was asked: perhaps this. What was signed before is not told any more. */
	bool old = a->revision != k->n.revocation;
	if (old && m->status == CH_OCSP_SUCCESSFUL && a->tries < TRIES_MAX) {
		send_ask(k, a);
		return;
	}
	*at = a->next;
	k->ocsp.count--;
	if (a->who.role == CH_ROLE_KEEPER)
		k->ocsp.round_open--;
	if (!old && m->status == CH_OCSP_SUCCESSFUL) {
		if (a->keep)
			keep(k, a, m);
		if (a->who.role == CH_ROLE_EDGE)
			ch_kp_send(k, CH_ROLE_EDGE, a->who.index, CH_MSG_OCSP, a->who.id, m);
	} else {
		/* UNAUTHORIZED: a CA whose key is not here. */
		answer(k, &a->who, m->status == CH_OCSP_UNAUTHORIZED ? CH_OCSP_UNAUTHORIZED : CH_OCSP_TRY_LATER);
	}
	ask_free(a);
}

/* Drops those that `over` says are over, with an answer to who waits. */
static void sweep(struct ch_keeper *k, bool all)
{
	struct ch_ocsp_ask **at = &k->ocsp.asks;
	while (*at != NULL) {
		struct ch_ocsp_ask *a = *at;
		if (!all && k->mono < a->until) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		k->ocsp.count--;
		if (a->who.role == CH_ROLE_KEEPER)
			k->ocsp.round_open--;
		answer(k, &a->who, CH_OCSP_TRY_LATER);
		ask_free(a);
	}
}

void ch_kp_ocsp_fail(struct ch_keeper *k)
{
	sweep(k, true);
}

void ch_kp_ocsp_clear(struct ch_keeper *k)
{
	while (k->ocsp.asks != NULL) {
		struct ch_ocsp_ask *next = k->ocsp.asks->next;
		ask_free(k->ocsp.asks);
		k->ocsp.asks = next;
	}
}

/* --- rounds --- */

/* Asks about the next certificates, by SHA-1 with NULL, as the many do. */
static void round_go_on(struct ch_keeper *k)
{
	struct ch_ocsp_state *o = &k->ocsp;
	const struct ch_who nobody = { .role = CH_ROLE_KEEPER };
	struct ch_query q = ch_sql_query(k->st, CH_SQL_CERTIFICATE_NEXT,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(o->round_at),
						 ch_int((int64_t)(k->now / 1000)), ch_int(ROUND_BATCH)));
	size_t n = 0;
	for (; ch_sql_next(&q); n++) {
		struct ch_serial s;
		uint8_t row[CH_IPC_OCSP_ID];
		struct ch_wr w = ch_wr(row, sizeof(row));
		o->round_at = ch_sql_int(&q, 0);
		if (!ch_serial_make(&s, ch_sql_bytes(&q, 1)))
			continue;
		ch_wr_be16(&w, CH_HASH_SHA1);
		ch_wr_u8(&w, CH_IPC_OCSP_NULL | CH_IPC_OCSP_KNOWN);
		ch_wr_put(&w, CH_SPAN_OF(s.b));
		struct ch_ocsp_ask *a = ask_new(k, &nobody);
		ch_buf_append(&a->ids, ch_wr_span(&w));
		a->keep = true;
		o->round_open++;
		o->round_done++;
		send_ask(k, a);
	}
	(void)ch_sql_end(&q);
	if (n < ROUND_BATCH || o->round_done >= o->kept_max) {
		o->round_due = k->mono + o->round_ms;
		o->round_at = 0;
		o->round_done = 0;
	}
}

void ch_kp_ocsp_tick(struct ch_keeper *k)
{
	sweep(k, false);
	struct ch_ocsp_state *o = &k->ocsp;
	if (o->kept_max > 0 && k->signer && o->round_open == 0 && k->mono >= o->round_due)
		round_go_on(k);
}

void ch_kp_ocsp_edge(struct ch_keeper *k)
{
	/* It has kept nothing yet; those that start together share a round. */
	if (k->ocsp.round_at == 0)
		k->ocsp.round_due = k->mono + ROUND_REST_MS;
}

uint64_t ch_kp_ocsp_due(const struct ch_keeper *k, uint64_t otherwise)
{
	const struct ch_ocsp_state *o = &k->ocsp;
	if (o->kept_max == 0 || !k->signer || o->round_open > 0 || o->round_due > k->mono)
		return otherwise;
	return 1;
}
