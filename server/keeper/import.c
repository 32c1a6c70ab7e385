/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/verbs.h"

#include "core/base/text.h"
#include "core/trust/cert_import.h"
#include "core/trust/cert_profile.h"

/*
 * Certificates that devices have of an earlier CA, and what that CA revoked (verbs certificate.import, revocation.import). An admin signs what was read
 * from the CA's folder; nothing here reads a certificate. Doing it again changes nothing.
 */

#define MS       1000
#define ROWS_MAX 4096

/* As the store has it: without leading zeros. */
static struct ch_span number_of(const struct ch_serial *s)
{
	struct ch_span n = CH_SPAN_OF(s->b);
	while (n.n > 1 && n.p[0] == 0)
		n = ch_span_sub(n, 1, n.n - 1);
	return n;
}

static bool revoked(struct ch_keeper *k, struct ch_span ca, const struct ch_serial *serial)
{
	return ch_sql_number(k->st, CH_SQL_REVOCATION_OF_EARLIER,
			     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(number_of(serial)), ch_bytes(ca)), 1) != 0;
}

/* --- certificate.import --- */

struct import {
	struct ch_cert_import c;
	struct ch_digest sha256;            /* of the certificate */
	uint8_t lower[CH_CERT_IMPORT_NAME]; /* the name as EST compares it */
	struct ch_span lower_name;          /* empty if no profile would take it */
	uint8_t id[16];                     /* of the device: the same for every certificate of this name */
	bool there;                         /* the certificate was imported before */
	bool taken;                         /* another one of its CA has its serial number */
};

static bool import_take(struct ch_keeper *k, struct import *m, const struct ch_act *a)
{
	struct ch_hash h;
	struct ch_digest id;
	if (ch_cert_import_parse(&m->c, a->payload, NULL) != CH_OK ||
	    ch_hash_once(CH_HASH_SHA256, m->c.certificate, &m->sha256) != CH_OK ||
	    ch_hash_init(&h, CH_HASH_SHA256) != CH_OK)
		return false;
	ch_hash_update(&h, CH_SPAN_LIT("chainhold-imported-device/v1\0"));
	ch_hash_update(&h, CH_SPAN_OF(m->c.ca));
	ch_hash_update(&h, m->c.name);
	ch_hash_final(&h, &id);
	(void)ch_span_copy(m->id, sizeof(m->id), ch_span(id.b, sizeof(m->id)));
	for (size_t i = 0; i < m->c.name.n; i++) {
		uint8_t c = m->c.name.p[i];
		m->lower[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
	}
	m->lower_name = ch_span(m->lower, ch_profile_name_valid(m->c.name) ? m->c.name.n : 0);
	struct ch_query q = ch_sql_query(
		k->st, CH_SQL_CERTIFICATE_OF_EARLIER,
		CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(number_of(&m->c.serial)), ch_bytes(CH_SPAN_OF(m->c.ca))));
	while (ch_sql_next(&q)) {
		bool same = ch_span_eq(ch_sql_bytes(&q, 2), ch_digest_span(&m->sha256));
		m->there = m->there || same;
		m->taken = m->taken || !same;
	}
	return ch_sql_end(&q) == CH_OK;
}

/* The device that certificates call so; -1 for none. */
static int64_t named(struct ch_keeper *k, const struct import *m)
{
	return m->lower_name.n == 0
		       ? -1
		       : ch_sql_number(
				 k->st, CH_SQL_ALIAS_DEVICE,
				 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(CH_ALIAS_NAME), ch_bytes(m->lower_name)), -1);
}

/* What speaks against a certificate that is new here. */
static const char *new_refused(struct ch_keeper *k, const struct ch_act *a, const struct import *m)
{
	struct ch_device d;
	const struct ch_policy *p = ch_kp_policy(k, a->class_name);
	if (p == NULL || !p->token)
		return "the policy of the class takes no tokens: nothing says where the keys of these devices live";
	if (m->c.not_after <= k->now / MS)
		return "the certificate has expired";
	if (revoked(k, CH_SPAN_OF(m->c.ca), &m->c.serial))
		return "the certificate is revoked";
	if (m->taken)
		return "another certificate of this CA has this serial number";
	if (!ch_kp_device_by_id(k, m->id, &d))
		return named(k, m) < 0 ? NULL : "another device has this name in its certificates";
	if (!ch_span_eq(ch_span_str(d.class), a->class_name))
		return "the device with this name is of another class";
	return ch_state_admits(d.state, CH_ACCESS_ATTEST) ? NULL
							  : "the device with this name was revoked or decommissioned";
}

const char *ch_cert_import_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	struct import m;
	*status = 404;
	a->class_name = a->action.subject;
	if (ch_kp_policy(k, a->class_name) == NULL)
		return "there is no policy for this device class";
	*status = 400;
	if (!import_take(k, &m, a))
		return "the payload of certificate.import is no certificate to import";
	*status = 404;
	if (!ch_kp_earlier_known(k, CH_SPAN_OF(m.c.ca)))
		return "the server does not have this CA among its earlier ones (earlier_cas)";
	*status = 409;
	return m.there ? NULL : new_refused(k, a, &m);
}

static void device_begin(struct ch_keeper *k, struct ch_device *d, const struct ch_grant *g, const struct import *m)
{
	ch_kp_device_add(k, d, g);
	ch_kp_alias_set(k, d->seq, CH_ALIAS_HOSTNAME, ch_buf_span(&g->hostname));
	if (m->lower_name.n > 0)
		ch_kp_alias_set(k, d->seq, CH_ALIAS_NAME, m->lower_name);
}

static void certificate_add(struct ch_keeper *k, const struct ch_device *d, const struct import *m)
{
	ch_sql_do(k->st, CH_SQL_CERTIFICATE_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.certificate++), ch_int(d->seq),
			  ch_bytes(ch_digest_span(&m->sha256)), ch_bytes(number_of(&m->c.serial)),
			  ch_bytes(m->c.certificate), ch_bytes(m->c.spki), ch_int((int64_t)m->c.not_before),
			  ch_int((int64_t)m->c.not_after), ch_null(), ch_bytes(CH_SPAN_OF(m->c.ca))));
}

void ch_cert_import_run(struct ch_keeper *k, struct ch_act *a)
{
	struct import m;
	struct ch_device d;
	if (!import_take(k, &m, a) || m.there)
		return;
	struct ch_grant *g = ch_calloc(1, sizeof(*g));
	g->kind = CH_GRANT_EST;
	g->by = "import";
	g->platform = CH_TIER_WARNING;
	(void)ch_span_copy(g->device, sizeof(g->device), CH_SPAN_OF(m.id));
	ch_buf_append(&g->class_name, a->class_name);
	ch_buf_append(&g->hostname, m.c.name);
	ch_kp_write(k);
	bool known = ch_kp_device_by_id(k, m.id, &d);
	if (!known)
		device_begin(k, &d, g, &m);
	certificate_add(k, &d, &m);
	ch_kp_enrol_record(k, g, &d, known, m.sha256.b);
	if (!known)
		(void)ch_kp_device_life(k, &d, CH_LIFE_ENROL, "import");
	ch_kp_device_publish(k, &d);
	ch_kp_grant_free(g);
}

/* --- revocation.import --- */

static bool ca_take(const struct ch_act *a, uint8_t ca[static 32])
{
	return ch_hex_decode(ca, 32, a->action.subject) == CH_OK;
}

const char *ch_revocation_import_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	uint8_t ca[32];
	struct ch_revoked r;
	struct ch_rd rows = ch_rd(a->payload);
	*status = 404;
	if (!ca_take(a, ca) || !ch_kp_earlier_known(k, CH_SPAN_OF(ca)))
		return "the server does not have this CA among its earlier ones (earlier_cas)";
	*status = 400;
	if (a->payload.n > (size_t)ROWS_MAX * CH_REVOKED_ROW)
		return "at most 4096 revocations are imported at once";
	while (ch_rd_left(&rows) > 0) {
		if (ch_revoked_row_take(&rows, &r) != CH_OK)
			return "the payload of revocation.import is not rows of revocations";
		if ((uint64_t)r.time > k->now / MS)
			return "a certificate was revoked at a time that has not come yet";
	}
	return NULL;
}

/* It may be that of a device here, imported before its CA revoked it. */
static void certificate_end(struct ch_keeper *k, struct ch_span ca, const struct ch_serial *serial)
{
	struct ch_device d;
	uint8_t sha256[32];
	struct ch_query q = ch_sql_query(k->st, CH_SQL_CERTIFICATE_OF_EARLIER,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(number_of(serial)), ch_bytes(ca)));
	bool there = ch_sql_next(&q) && ch_sql_int(&q, 3) == CH_CERT_LIVE;
	int64_t seq = there ? ch_sql_int(&q, 0) : 0, device = there ? ch_sql_int(&q, 1) : 0;
	there = there && ch_sql_copy(&q, 2, sha256, sizeof(sha256));
	if (ch_sql_end(&q) == CH_OK && there && ch_kp_device_by_seq(k, device, &d))
		ch_kp_certificate_cut(k, &d, seq, sha256, "revoked by its CA");
}

void ch_revocation_import_run(struct ch_keeper *k, struct ch_act *a)
{
	uint8_t ca[32];
	struct ch_revoked e;
	struct ch_rd rows = ch_rd(a->payload);
	if (!ca_take(a, ca))
		return;
	while (ch_rd_left(&rows) > 0 && ch_revoked_row_take(&rows, &e) == CH_OK) {
		const struct ch_revocation r = { CH_SPAN_OF(ca), number_of(&e.serial), (uint64_t)e.time * MS,
						 (enum ch_crl_reason)e.reason, e.expires };
		if (revoked(k, CH_SPAN_OF(ca), &e.serial))
			continue;
		ch_kp_revoked(k, &r);
		certificate_end(k, CH_SPAN_OF(ca), &e.serial);
	}
}
