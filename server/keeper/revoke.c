/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "core/platform/crl.h"
#include "host/sys/log.h"

/*
 * What is revoked goes to the signer at once, row by row, and to the edges as something that no answer may contradict; the signer signs a list
 * of all of it soon afterwards, and every hour. A row is in table revocation in the transaction of the decision. Telling the signer twice is
 * the same as once, so one that starts anew is told everything.
 */

#define MS       1000
#define LIST_MS  250u     /* between two lists: many revocations share one */
#define RETRY_MS 1000u    /* after one that could not be signed */
#define HOUR_MS  3600000u /* a list without news */
#define ROWS_MAX 4096     /* of one message */

static bool row_put(struct ch_wr *w, struct ch_span serial, int64_t time_ms, int64_t reason, int64_t expires)
{
	struct ch_serial s;
	if (!ch_serial_make(&s, serial))
		return false;
	ch_wr_put(w, CH_SPAN_OF(s.b));
	ch_wr_be64(w, (uint64_t)(time_ms / MS));
	ch_wr_u8(w, (uint8_t)reason);
	ch_wr_be64(w, (uint64_t)expires);
	return true;
}

static void rows_send(struct ch_keeper *k, struct ch_span rows, bool more, uint64_t id)
{
	const struct ch_msg_revoke m = { .more = more, .rows = rows };
	ch_kp_send(k, CH_ROLE_SIGNER, 0, CH_MSG_REVOKE, id, &m);
}

void ch_kp_revoked(struct ch_keeper *k, struct ch_span serial, enum ch_crl_reason reason, int64_t expires)
{
	uint8_t row[CH_IPC_REVOKED];
	struct ch_wr w = ch_wr(row, sizeof(row));
	struct ch_msg_ocsp_drop drop = { { 0 } };
	if (!row_put(&w, serial, (int64_t)k->now, reason, expires))
		return;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_REVOCATION_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.revocation++), ch_bytes(serial),
			  ch_int((int64_t)k->now), ch_int(reason), ch_int(expires)));
	/* All three leave after the commit, in this order before anything that is asked of the signer later. */
	if (k->signer)
		rows_send(k, ch_wr_span(&w), true, 0);
	(void)ch_span_copy(drop.serial, sizeof(drop.serial), ch_span(row, sizeof(drop.serial)));
	for (unsigned i = 0; i < CH_KEEPER_EDGES_MAX; i++) {
		if (k->edge[i])
			ch_kp_send(k, CH_ROLE_EDGE, i, CH_MSG_OCSP_DROP, 0, &drop);
	}
}

/* --- certificates that are no device's --- */

void ch_kp_issued_add(struct ch_keeper *k, struct ch_span serial, struct ch_span sha256, int64_t not_after)
{
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_ISSUED_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.issued++), ch_bytes(serial), ch_bytes(sha256),
			  ch_int(not_after), ch_int((int64_t)k->now)));
}

static bool issued_get(struct ch_keeper *k, struct ch_span sha256, struct ch_buf *serial, int64_t *not_after)
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_ISSUED_BY_SHA256, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(sha256)));
	bool there = ch_sql_next(&q);
	if (there) {
		ch_buf_append(serial, ch_sql_bytes(&q, 0));
		*not_after = ch_sql_int(&q, 1);
	}
	return ch_sql_end(&q) == CH_OK && there;
}

bool ch_kp_issued_known(struct ch_keeper *k, struct ch_span sha256)
{
	CH_AUTO_BUF struct ch_buf serial = { 0 };
	int64_t not_after;
	return issued_get(k, sha256, &serial, &not_after);
}

void ch_kp_issued_revoke(struct ch_keeper *k, struct ch_span sha256, enum ch_crl_reason reason)
{
	CH_AUTO_BUF struct ch_buf serial = { 0 };
	int64_t not_after;
	if (issued_get(k, sha256, &serial, &not_after))
		ch_kp_revoked(k, ch_buf_span(&serial), reason, not_after);
}

/* --- everything, to a signer that starts --- */

static int64_t chunk_put(struct ch_keeper *k, struct ch_wr *w, int64_t after, size_t *n)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_REVOCATION_FROM,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(after), ch_int(ROWS_MAX)));
	*n = 0;
	while (ch_sql_next(&q)) {
		after = ch_sql_int(&q, 0);
		(void)row_put(w, ch_sql_bytes(&q, 1), ch_sql_int(&q, 2), ch_sql_int(&q, 3), ch_sql_int(&q, 4));
		++*n;
	}
	(void)ch_sql_end(&q);
	return after;
}

void ch_kp_revocations_sync(struct ch_keeper *k)
{
	CH_AUTO_FREE uint8_t *rows = ch_calloc(ROWS_MAX, CH_IPC_REVOKED);
	int64_t after = 0;
	size_t n;
	do {
		struct ch_wr w = ch_wr(rows, (size_t)ROWS_MAX * CH_IPC_REVOKED);
		after = chunk_put(k, &w, after, &n);
		if (n > 0)
			rows_send(k, ch_wr_span(&w), true, 0);
	} while (n == ROWS_MAX);
	k->crl.in_flight = 0;
	k->crl.listed = 0;
	k->crl.due = k->mono;
}

/* --- lists --- */

void ch_kp_revocations_send(struct ch_keeper *k)
{
	struct ch_crl_state *c = &k->crl;
	bool news = c->listed < k->n.revocation;
	if (!k->signer || c->in_flight != 0 || k->mono < (news ? c->sent + LIST_MS : c->due))
		return;
	c->in_flight = ++k->ids;
	c->asked = k->n.revocation;
	c->sent = k->mono;
	c->due = k->mono + HOUR_MS;
	rows_send(k, CH_SPAN_EMPTY, false, c->in_flight);
}

static void crl_tell(struct ch_keeper *k, unsigned edge)
{
	const struct ch_crl_state *c = &k->crl;
	struct ch_msg_crl m = c->told;
	m.list = ch_buf_span(&c->list);
	if (c->list.n > 0 && k->edge[edge])
		ch_kp_send(k, CH_ROLE_EDGE, edge, CH_MSG_CRL, 0, &m);
}

void ch_kp_crl_edge(struct ch_keeper *k, unsigned edge)
{
	crl_tell(k, edge);
}

void ch_kp_crl(struct ch_keeper *k, uint64_t id, const struct ch_msg_crl *m)
{
	struct ch_crl_state *c = &k->crl;
	if (id != c->in_flight)
		return;
	c->in_flight = 0;
	if (m->status != 0) {
		c->sent = k->mono + RETRY_MS;
		c->due = k->mono + RETRY_MS;
		ch_log(CH_LOG_ERROR, "the signer signs no revocation list (%u): what was revoked is not in it yet",
		       (unsigned)m->status);
		return;
	}
	c->listed = c->asked;
	c->told = *m;
	c->list.n = 0;
	ch_buf_append(&c->list, m->list);
	for (unsigned i = 0; i < CH_KEEPER_EDGES_MAX; i++)
		crl_tell(k, i);
}

uint64_t ch_kp_revocations_due(const struct ch_keeper *k, uint64_t otherwise)
{
	const struct ch_crl_state *c = &k->crl;
	if (!k->signer || c->in_flight != 0)
		return otherwise;
	uint64_t at = c->listed < k->n.revocation ? c->sent + LIST_MS : c->due;
	uint64_t wait = at > k->mono ? at - k->mono : 1;
	return wait < otherwise ? wait : otherwise;
}
