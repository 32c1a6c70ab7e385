/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "core/trust/cert_import.h"
#include "core/wire/base64.h"
#include "host/sys/log.h"
#include "server/ipc/child.h"

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
	struct ch_revoked r = { .time = time_ms / MS, .reason = (uint8_t)reason, .expires = expires };
	if (!ch_serial_make(&r.serial, serial))
		return false;
	ch_revoked_row_put(w, &r);
	return true;
}

/* --- the CAs --- */

enum ch_err ch_kp_ca_load(struct ch_keeper *k, struct ch_span config)
{
	static uint8_t der[CH_CERT_MAX];
	size_t off = 0, n;
	enum ch_err err = ch_config_bytes(config, "ca_certificate", 0, &k->ca_pem);
	/* Without it the answers of enrolment have no chain, which a device that knows its CA does not need. */
	if (err == CH_ERR_NOTFOUND)
		return CH_OK;
	if (err == CH_OK)
		err = ch_pem_next(ch_buf_span(&k->ca_pem), &off, "CERTIFICATE", der, sizeof(der), &n, NULL);
	if (err == CH_OK)
		err = ch_hash_once(CH_HASH_SHA256, ch_span(der, n), &k->ca);
	if (err != CH_OK)
		return err;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_ISSUED_CLAIM, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_digest_span(&k->ca))));
	return CH_OK;
}

enum ch_err ch_kp_earlier_load(struct ch_keeper *k, struct ch_span config)
{
	static uint8_t der[CH_CERT_MAX];
	k->crl_count = 1;
	for (unsigned i = 0;; i++) {
		CH_AUTO_BUF struct ch_buf pem = { 0 };
		struct ch_digest h;
		size_t n = 0;
		enum ch_err err = ch_config_bytes(config, "earlier_ca", i, &pem);
		if (err == CH_ERR_NOTFOUND)
			return CH_OK;
		if (err == CH_OK && k->crl_count == CH_COUNT_OF(k->crl))
			err = CH_ERR_LIMIT;
		if (err == CH_OK)
			err = ch_pem_decode(ch_buf_span(&pem), "CERTIFICATE", der, sizeof(der), &n, NULL);
		if (err == CH_OK)
			err = ch_hash_once(CH_HASH_SHA256, ch_span(der, n), &h);
		if (err != CH_OK)
			return err;
		(void)ch_span_copy(k->crl[k->crl_count++].ca, 32, ch_digest_span(&h));
	}
}

/* The earlier CA that is the issuer of a certificate of ours: true, with its name. */
static bool earlier_of(struct ch_keeper *k, struct ch_span config, struct ch_span der, size_t *list)
{
	static uint8_t ca_der[CH_CERT_MAX];
	static struct ch_x509 cert, ca;
	if (ch_x509_parse(&cert, der, NULL) != CH_OK || cert.authority_key_id.n == 0)
		return false;
	for (unsigned i = 0; i + 1 < k->crl_count; i++) {
		CH_AUTO_BUF struct ch_buf pem = { 0 };
		size_t n = 0;
		*list = i + 1;
		if (ch_config_bytes(config, "earlier_ca", i, &pem) == CH_OK &&
		    ch_pem_decode(ch_buf_span(&pem), "CERTIFICATE", ca_der, sizeof(ca_der), &n, NULL) == CH_OK &&
		    ch_x509_parse(&ca, ch_span(ca_der, n), NULL) == CH_OK && ch_x509_name_eq(cert.issuer, ca.subject) &&
		    ch_span_eq(cert.authority_key_id, ca.subject_key_id))
			return true;
	}
	return false;
}

enum ch_err ch_kp_earlier_claim(struct ch_keeper *k, struct ch_span config)
{
	for (int64_t seq = -1;;) {
		CH_AUTO_BUF struct ch_buf der = { 0 }, serial = { 0 };
		size_t list = 0;
		struct ch_query q =
			ch_sql_query(k->st, CH_SQL_CERTIFICATE_OURS, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq)));
		bool there = k->crl_count > 1 && ch_sql_next(&q);
		if (there) {
			seq = ch_sql_int(&q, 0);
			ch_buf_append(&der, ch_sql_bytes(&q, 1));
			ch_buf_append(&serial, ch_sql_bytes(&q, 2));
		}
		enum ch_err err = ch_sql_end(&q);
		if (err != CH_OK || !there || !earlier_of(k, config, ch_buf_span(&der), &list))
			return err;
		ch_kp_write(k);
		ch_sql_do(k->st, CH_SQL_CERTIFICATE_ISSUER,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_bytes(CH_SPAN_OF(k->crl[list].ca))));
		ch_sql_do(k->st, CH_SQL_REVOCATION_ISSUER,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_buf_span(&serial)),
				  ch_bytes(CH_SPAN_OF(k->crl[list].ca))));
	}
}

size_t ch_kp_list_of(const struct ch_keeper *k, struct ch_span ca)
{
	size_t i = k->crl_count > 1 ? k->crl_count - 1 : 0;
	while (i > 0 && !ch_span_eq(CH_SPAN_OF(k->crl[i].ca), ca))
		i--;
	return i;
}

bool ch_kp_earlier_known(const struct ch_keeper *k, struct ch_span ca)
{
	return ch_kp_list_of(k, ca) > 0;
}

static void rows_send(struct ch_keeper *k, size_t list, struct ch_span rows, bool more, uint64_t id)
{
	const struct ch_msg_revoke m = { .more = more, .rows = rows };
	struct ch_msg_revoke_earlier e = { .more = more, .rows = rows };
	(void)ch_span_copy(e.ca, sizeof(e.ca), CH_SPAN_OF(k->crl[list].ca));
	if (list == 0)
		ch_kp_send(k, CH_ROLE_SIGNER, 0, CH_MSG_REVOKE, id, &m);
	else
		ch_kp_send(k, CH_ROLE_SIGNER, 0, CH_MSG_REVOKE_EARLIER, id, &e);
}

static void row_add(struct ch_keeper *k, const struct ch_revocation *r)
{
	ch_kp_write(k);
	if (r->issuer.n == 0)
		ch_sql_do(k->st, CH_SQL_REVOCATION_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.revocation++), ch_bytes(r->serial),
				  ch_int((int64_t)r->time_ms), ch_int(r->reason), ch_int(r->expires)));
	else
		ch_sql_do(k->st, CH_SQL_REVOCATION_ADD_EARLIER,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.revocation++), ch_bytes(r->serial),
				  ch_int((int64_t)r->time_ms), ch_int(r->reason), ch_int(r->expires),
				  ch_bytes(r->issuer)));
}

void ch_kp_revoked(struct ch_keeper *k, const struct ch_revocation *r)
{
	uint8_t row[CH_IPC_REVOKED];
	struct ch_wr w = ch_wr(row, sizeof(row));
	struct ch_msg_ocsp_drop drop = { .ca = { 0 } };
	size_t list = ch_kp_list_of(k, r->issuer);
	if (!row_put(&w, r->serial, (int64_t)r->time_ms, r->reason, r->expires))
		return;
	row_add(k, r);
	/* All three leave after the commit, in this order before anything that is asked of the signer later. */
	if (k->signer && (r->issuer.n == 0 || list > 0))
		rows_send(k, list, ch_wr_span(&w), true, 0);
	(void)ch_span_copy(drop.ca, sizeof(drop.ca), r->issuer);
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
			  ch_int(not_after), ch_int((int64_t)k->now), ch_bytes(ch_digest_span(&k->ca))));
}

/* `list`: of the CA that issued it. */
static bool issued_get(struct ch_keeper *k, struct ch_span sha256, struct ch_buf *serial, int64_t *not_after,
		       size_t *list)
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_ISSUED_BY_SHA256, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(sha256)));
	bool there = ch_sql_next(&q);
	if (there) {
		ch_buf_append(serial, ch_sql_bytes(&q, 0));
		*not_after = ch_sql_int(&q, 1);
		*list = ch_kp_list_of(k, ch_sql_bytes(&q, 2));
	}
	return ch_sql_end(&q) == CH_OK && there;
}

bool ch_kp_issued_known(struct ch_keeper *k, struct ch_span sha256)
{
	CH_AUTO_BUF struct ch_buf serial = { 0 };
	int64_t not_after;
	size_t list;
	return issued_get(k, sha256, &serial, &not_after, &list);
}

void ch_kp_issued_revoke(struct ch_keeper *k, struct ch_span sha256, enum ch_crl_reason reason)
{
	CH_AUTO_BUF struct ch_buf serial = { 0 };
	int64_t not_after;
	size_t list = 0;
	if (!issued_get(k, sha256, &serial, &not_after, &list))
		return;
	const struct ch_revocation r = { list > 0 ? CH_SPAN_OF(k->crl[list].ca) : CH_SPAN_EMPTY, ch_buf_span(&serial),
					 k->now, reason, not_after };
	ch_kp_revoked(k, &r);
}

/* --- everything, to a signer that starts --- */

static int64_t chunk_put(struct ch_keeper *k, struct ch_wr *w, size_t list, int64_t after, size_t *n)
{
	const struct ch_val v[] = { ch_int(CH_KEEPER_TENANT), ch_int(after), ch_int(ROWS_MAX),
				    ch_bytes(CH_SPAN_OF(k->crl[list].ca)) };
	struct ch_query q = list == 0 ? ch_sql_query(k->st, CH_SQL_REVOCATION_FROM, (struct ch_args){ v, 3 })
				      : ch_sql_query(k->st, CH_SQL_REVOCATION_FROM_EARLIER, (struct ch_args){ v, 4 });
	*n = 0;
	while (ch_sql_next(&q)) {
		after = ch_sql_int(&q, 0);
		(void)row_put(w, ch_sql_bytes(&q, 1), ch_sql_int(&q, 2), ch_sql_int(&q, 3), ch_sql_int(&q, 4));
		++*n;
	}
	(void)ch_sql_end(&q);
	return after;
}

static void list_sync(struct ch_keeper *k, size_t list)
{
	CH_AUTO_FREE uint8_t *rows = ch_calloc(ROWS_MAX, CH_IPC_REVOKED);
	int64_t after = 0;
	size_t n;
	do {
		struct ch_wr w = ch_wr(rows, (size_t)ROWS_MAX * CH_IPC_REVOKED);
		after = chunk_put(k, &w, list, after, &n);
		if (n > 0)
			rows_send(k, list, ch_wr_span(&w), true, 0);
	} while (n == ROWS_MAX);
	k->crl[list].in_flight = 0;
	k->crl[list].listed = 0;
	k->crl[list].due = k->mono;
}

void ch_kp_revocations_sync(struct ch_keeper *k)
{
	for (size_t i = 0; i < k->crl_count; i++)
		list_sync(k, i);
}

/* --- lists --- */

void ch_kp_revocations_send(struct ch_keeper *k)
{
	for (size_t i = 0; i < k->crl_count; i++) {
		struct ch_crl_state *c = &k->crl[i];
		bool news = c->listed < k->n.revocation;
		if (!k->signer || c->in_flight != 0 || k->mono < (news ? c->sent + LIST_MS : c->due))
			continue;
		c->in_flight = ++k->ids;
		c->asked = k->n.revocation;
		c->sent = k->mono;
		c->due = k->mono + HOUR_MS;
		rows_send(k, i, CH_SPAN_EMPTY, false, c->in_flight);
	}
}

void ch_kp_crl_fail(struct ch_keeper *k)
{
	for (size_t i = 0; i < k->crl_count; i++)
		k->crl[i].in_flight = 0;
}

static void crl_tell(struct ch_keeper *k, size_t list, unsigned edge)
{
	const struct ch_crl_state *c = &k->crl[list];
	struct ch_msg_crl m = c->told;
	m.list = ch_buf_span(&c->list);
	struct ch_msg_crl_earlier e = { .status = m.status,
					.count = m.count,
					.number = m.number,
					.this_update = m.this_update,
					.next_update = m.next_update,
					.list = m.list };
	(void)ch_span_copy(e.ca, sizeof(e.ca), CH_SPAN_OF(c->ca));
	if (c->list.n == 0 || !k->edge[edge])
		return;
	if (list == 0)
		ch_kp_send(k, CH_ROLE_EDGE, edge, CH_MSG_CRL, 0, &m);
	else
		ch_kp_send(k, CH_ROLE_EDGE, edge, CH_MSG_CRL_EARLIER, 0, &e);
}

void ch_kp_crl_edge(struct ch_keeper *k, unsigned edge)
{
	for (size_t i = 0; i < k->crl_count; i++)
		crl_tell(k, i, edge);
}

static void crl_take(struct ch_keeper *k, size_t list, const struct ch_msg_crl *m)
{
	struct ch_crl_state *c = &k->crl[list];
	c->in_flight = 0;
	/* Its key is not here: that stays so until the signer is another. */
	if (m->status == 3) {
		c->listed = INT64_MAX;
		ch_log(CH_LOG_NOTICE, "an earlier CA has no key here: there is no revocation list of it");
		return;
	}
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
		crl_tell(k, list, i);
}

void ch_kp_crl(struct ch_keeper *k, uint64_t id, const struct ch_msg_crl *m)
{
	if (id == k->crl[0].in_flight && id != 0)
		crl_take(k, 0, m);
}

void ch_kp_crl_earlier(struct ch_keeper *k, uint64_t id, const struct ch_msg_crl_earlier *m)
{
	size_t list = ch_kp_list_of(k, CH_SPAN_OF(m->ca));
	const struct ch_msg_crl own = { .status = m->status,
					.count = m->count,
					.number = m->number,
					.this_update = m->this_update,
					.next_update = m->next_update,
					.list = m->list };
	if (list > 0 && id == k->crl[list].in_flight && id != 0)
		crl_take(k, list, &own);
}

uint64_t ch_kp_revocations_due(const struct ch_keeper *k, uint64_t otherwise)
{
	for (size_t i = 0; i < k->crl_count; i++) {
		const struct ch_crl_state *c = &k->crl[i];
		if (!k->signer || c->in_flight != 0)
			continue;
		uint64_t at = c->listed < k->n.revocation ? c->sent + LIST_MS : c->due;
		uint64_t wait = at > k->mono ? at - k->mono : 1;
		otherwise = wait < otherwise ? wait : otherwise;
	}
	return otherwise;
}
