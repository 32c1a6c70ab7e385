/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

/*
 * Certificates by EST (RFC 7030): who may have one, under which name, and whether an operator must agree first. That the request holds
 * and asks for nothing beyond its profile, verify has found; the signer looks at the profile again. A request has a name of its
 * own (est_key): whoever repeats it gets what the first one got.
 */

#define MS           1000
#define WAITING_MAX  4096 /* requests that wait for an operator */
#define KEPT_MS      ((uint64_t)30 * 24 * 3600 * MS)
#define OLD_EVERY_MS (60 * (uint64_t)MS)
#define POLL_S       60 /* Retry-After of a request that waits for an operator */
#define SOON_S       1  /* of one that waits for the signer */

/* A request on its way. */
struct est {
	const struct ch_msg_est_enrol *m;
	const struct ch_cert_profile *p;
	uint8_t key[32], spki[32];
	struct ch_span name; /* in lower case, in `name_room` */
	uint8_t name_room[CH_PROFILE_NAME_MAX];
	struct ch_device d; /* that the certificate will be of, if `known` */
	bool known;
	bool ra;            /* asked by a registration authority */
	bool freed;         /* the name was that of a device whose life is over */
	int64_t key_device; /* that the key is of; 0: none */
	int64_t row;        /* of est_request; 0: none yet */
	enum ch_est_state state;
	int64_t certificate;
};

struct refusal {
	unsigned status; /* 0: none */
	const char *code, *rule;
};
#define REFUSE(...) ((struct refusal){ __VA_ARGS__ })
#define NONE        REFUSE(0, NULL, NULL)

/* --- answers --- */

static void answer(struct ch_keeper *k, const struct ch_who *who, unsigned status, uint32_t retry_after,
		   struct ch_span der)
{
	const struct ch_msg_answer a = { .status = (uint16_t)status,
					 .retry_after = retry_after,
					 .type = CH_SPAN_LIT("application/pkix-cert"),
					 .body = der };
	k->metric_requests++;
	ch_kp_send(k, who->role, who->index, CH_MSG_ANSWER, who->id, &a);
}

/* What was issued for this request before; false if that does not hold any more. */
static bool answer_again(struct ch_keeper *k, const struct ch_who *who, const struct est *e)
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_EST_ISSUED, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(e->certificate)));
	bool live = ch_sql_next(&q) && ch_sql_int(&q, 1) == CH_CERT_LIVE;
	if (live)
		answer(k, who, 200, 0, ch_sql_bytes(&q, 0));
	return ch_sql_end(&q) == CH_OK && live;
}

/* --- what the request is --- */

static bool hash_key(struct est *e)
{
	static const char purpose[] = "chainhold-est-request/v1";
	const uint8_t how[2] = { e->m->by, e->m->again };
	struct ch_hash h;
	struct ch_digest key, spki;
	if (ch_hash_init(&h, CH_HASH_SHA256) != CH_OK)
		return false;
	ch_hash_update(&h, CH_SPAN_OF(purpose));
	ch_hash_update(&h, CH_SPAN_OF(how));
	ch_hash_update(&h, CH_SPAN_OF(e->m->identity));
	ch_hash_update(&h, e->p->label);
	ch_hash_update(&h, ch_span("", 1));
	ch_hash_update(&h, e->name);
	ch_hash_update(&h, ch_span("", 1));
	ch_hash_update(&h, e->m->key_spki);
	ch_hash_final(&h, &key);
	if (ch_hash_once(CH_HASH_SHA256, e->m->key_spki, &spki) != CH_OK)
		return false;
	(void)ch_span_copy(e->key, sizeof(e->key), ch_digest_span(&key));
	(void)ch_span_copy(e->spki, sizeof(e->spki), ch_digest_span(&spki));
	return true;
}

static void find_among(struct ch_keeper *k, struct est *e, int64_t device)
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_EST_FIND,
			     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device), ch_bytes(CH_SPAN_OF(e->key))));
	if (ch_sql_next(&q)) {
		e->row = ch_sql_int(&q, 0);
		e->state = (enum ch_est_state)ch_sql_int(&q, 1);
		e->certificate = ch_sql_int(&q, 2);
	}
	(void)ch_sql_end(&q);
}

/*
 * A request for which no operator had to be asked is kept with its device, which is that of its key: they came into the store together, and a
 * key stays its device's. One that waits, or did, is kept with none.
 */
static void find_row(struct ch_keeper *k, struct est *e)
{
	e->key_device = ch_sql_number(
		k->st, CH_SQL_ALIAS_DEVICE,
		CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(CH_ALIAS_KEY), ch_bytes(CH_SPAN_OF(e->spki))), 0);
	find_among(k, e, 0);
	if (e->row == 0 && e->key_device != 0)
		find_among(k, e, e->key_device);
}

static bool device_of(struct ch_keeper *k, enum ch_alias kind, struct ch_span value, struct ch_device *d)
{
	int64_t seq = ch_sql_number(k->st, CH_SQL_ALIAS_DEVICE,
				    CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(kind), ch_bytes(value)), -1);
	return seq >= 0 && ch_kp_device_by_seq(k, seq, d);
}

/* --- by what right --- */

static struct refusal by_token(struct ch_keeper *k, struct est *e)
{
	const struct ch_policy *policy = ch_kp_policy(k, e->p->class);
	if ((e->p->by & CH_ENROL_BY_TOKEN) == 0 || policy == NULL || !policy->token)
		return REFUSE(403, "token-refused", "the profile, or the policy of its class, takes no tokens");
	struct ch_query q = ch_sql_query(k->st, CH_SQL_TOKEN_GET,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(e->m->identity))));
	bool ok = ch_sql_next(&q) && ch_sql_int(&q, 3) == 0 && ch_sql_int(&q, 2) > (int64_t)k->now &&
		  ch_span_eq(ch_sql_bytes(&q, 1), e->p->class);
	if (ch_sql_end(&q) != CH_OK || !ok)
		return REFUSE(401, "token",
			      "this token does not exist, has expired, was used, or is for another class");
	return NONE;
}

static struct refusal by_idevid(struct ch_keeper *k, struct est *e)
{
	if ((e->p->by & CH_ENROL_BY_IDEVID) == 0)
		return REFUSE(403, "idevid-refused", "the profile takes no certificates of manufacturers");
	e->known = device_of(k, CH_ALIAS_IDEVID, CH_SPAN_OF(e->m->identity), &e->d);
	if (e->known && !ch_state_admits(e->d.state, CH_ACCESS_RENEW))
		return REFUSE(403, "state", "the device with this IDevID was revoked or decommissioned");
	if (e->known && !ch_span_eq(ch_span_str(e->d.class), e->p->class))
		return REFUSE(403, "class", "the device with this IDevID is of another class");
	return NONE;
}

static bool holds_tpm(struct ch_keeper *k, const struct ch_device *d)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_EK_OF_DEVICE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq)));
	bool holds = ch_sql_next(&q);
	return ch_sql_end(&q) != CH_OK || holds;
}

struct certificate {
	int64_t not_after;
	enum ch_cert_state state;
	char profile[CH_NAME_MAX + 1];
	bool earlier; /* of an earlier CA */
};

/* That under which the device e->d asks. */
static bool certificate_find(struct ch_keeper *k, const struct est *e, struct certificate *c)
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_EST_CERTIFICATE,
			     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(e->d.seq), ch_bytes(CH_SPAN_OF(e->m->identity))));
	bool found = ch_sql_next(&q);
	*c = (struct certificate){ 0 };
	if (found) {
		c->not_after = ch_sql_int(&q, 0);
		c->state = (enum ch_cert_state)ch_sql_int(&q, 1);
		(void)ch_span_copy(c->profile, sizeof(c->profile) - 1, ch_sql_bytes(&q, 2));
		c->earlier = ch_sql_bytes(&q, 3).n > 0;
	}
	return ch_sql_end(&q) == CH_OK && found;
}

/* The next certificate of a device, under the one before it. */
static struct refusal next_of(struct ch_keeper *k, struct est *e, const struct certificate *c)
{
	int64_t now = (int64_t)(k->now / MS);
	/* One of an earlier CA is of no profile: the class of its device says which ones it may go on with. */
	if (c->earlier ? !ch_span_eq(ch_span_str(e->d.class), e->p->class)
		       : !ch_span_eq(ch_span_str(c->profile), e->p->label))
		return REFUSE(403, "profile", "the certificate was issued under another profile");
	if (now > c->not_after && (uint64_t)(now - c->not_after) > e->p->grace)
		return REFUSE(403, "expired", "the certificate has ended longer ago than the profile's grace");
	if (!ch_state_admits(e->d.state, CH_ACCESS_RENEW))
		return REFUSE(403, "state", "this device may not renew");
	if (holds_tpm(k, &e->d))
		return REFUSE(403, "tpm", "the key of this device is held by its TPM: it renews by /v1/renew");
	return NONE;
}

static struct refusal by_device(struct ch_keeper *k, struct est *e)
{
	struct certificate c;
	if (!ch_kp_device_by_id(k, e->m->device, &e->d) || !certificate_find(k, e, &c))
		return REFUSE(403, "unknown-certificate", "nobody knows this certificate");
	if (c.state != CH_CERT_LIVE)
		return REFUSE(403, "revoked", "this certificate is revoked, or another took its place");
	e->known = true;
	if (e->m->again != 0)
		return next_of(k, e, &c);
	/* A registration authority asks for others: the certificate will be of a device of its own. */
	const struct ch_cert_profile *own = ch_profiles_find(&k->profiles, ch_span_str(c.profile));
	e->ra = c.profile[0] != '\0' && own != NULL && (own->purposes & CH_CERT_EKU_CMC_RA) != 0;
	if (!e->ra)
		return REFUSE(
			403, "registration-authority",
			"a device asks for its next certificate by simplereenroll; for others only a registration "
			"authority does");
	if ((e->p->by & CH_ENROL_BY_RA) == 0)
		return REFUSE(403, "registration-authority", "the profile takes nothing from registration authorities");
	if (!ch_state_admits(e->d.state, CH_ACCESS_FULL) || (int64_t)(k->now / MS) > c.not_after)
		return REFUSE(403, "state", "this registration authority is quarantined, or its certificate has ended");
	e->known = false;
	return NONE;
}

/* --- what it asks for --- */

static struct refusal name_refused(struct ch_keeper *k, struct est *e)
{
	struct ch_device other;
	if (e->name.n == 0 || !device_of(k, CH_ALIAS_NAME, e->name, &other))
		return e->m->again != 0 && e->name.n > 0
			       ? REFUSE(403, "name", "subject: the device is called otherwise in its certificate")
			       : NONE;
	if (e->known && other.seq == e->d.seq)
		return NONE;
	e->freed = e->m->again == 0 && (other.state == CH_STATE_REVOKED || other.state == CH_STATE_DECOMMISSIONED);
	if (e->freed)
		return NONE;
	return REFUSE(403, "name", "subject: this is the name of another device");
}

static struct refusal key_refused(const struct est *e)
{
	if (e->key_device != 0 && (!e->known || e->key_device != e->d.seq))
		return REFUSE(403, "key", "this is the key of another device");
	return NONE;
}

static struct refusal link_refused(const struct est *e)
{
	/* A registration authority passes on what others made for a connection that is not its own (RFC 7030, 3.5). */
	if (e->ra)
		return NONE;
	if (e->m->link == CH_EST_LINK_BROKEN)
		return REFUSE(403, "linking", "challengePassword is not what names this connection (RFC 7030, 3.5)");
	if (e->p->linking == CH_LINKING_REQUIRED && e->m->link != CH_EST_LINK_HOLDS)
		return REFUSE(403, "linking", "the profile wants the request linked to its connection (RFC 7030, 3.5)");
	return NONE;
}

static struct refusal asked_refused(struct ch_keeper *k, struct est *e)
{
	static struct refusal (*const by[CH_EST_BY_COUNT])(struct ch_keeper * k, struct est * e) = {
		[CH_EST_BY_TOKEN] = by_token,
		[CH_EST_BY_DEVICE] = by_device,
		[CH_EST_BY_IDEVID] = by_idevid,
	};
	if (ch_kp_policy(k, e->p->class) == NULL)
		return REFUSE(503, "class", "there is no policy for the device class of this profile");
	struct refusal r = by[e->m->by](k, e);
	if (r.status == 0)
		r = link_refused(e);
	if (r.status == 0)
		r = name_refused(k, e);
	if (r.status == 0)
		r = key_refused(e);
	if (r.status == 0 && e->known && ch_kp_certified_enough(k, &e->d))
		r = REFUSE(429, "certificates", "this device had 32 certificates in an hour");
	return r;
}

/* --- an operator's word --- */

static void row_add(struct ch_keeper *k, struct est *e, enum ch_est_state state, int64_t certificate)
{
	ch_kp_write(k);
	if (k->mono >= k->est_old_due) {
		ch_sql_do(
			k->st, CH_SQL_EST_OLD,
			CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->now > KEPT_MS ? (int64_t)(k->now - KEPT_MS) : 0)));
		k->est_old_due = k->mono + OLD_EVERY_MS;
	}
	e->row = k->n.est++;
	e->state = state;
	ch_sql_do(k->st, CH_SQL_EST_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(e->row), ch_bytes(CH_SPAN_OF(e->key)), ch_text(e->p->label),
			  ch_text(e->p->class), ch_text(e->name), ch_int(e->m->by),
			  ch_bytes(CH_SPAN_OF(e->m->identity)), ch_bytes(CH_SPAN_OF(e->spki)), ch_int((int64_t)k->now),
			  ch_int(state), ch_int(certificate), ch_int(state == CH_EST_ISSUED ? e->d.seq : 0)));
}

static void waiting_event(struct ch_keeper *k, const struct est *e)
{
	uint8_t text[512];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", "enrolment-waits");
	ch_json_named_hex(&j, "request", CH_SPAN_OF(e->key));
	ch_json_named_span(&j, "profile", e->p->label);
	ch_json_named_span(&j, "name", e->name);
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	ch_kp_event(k, 0, "enrolment-waits", ch_wr_span(&w));
}

/* True if it waits, or must: it was answered. */
static bool waits(struct ch_keeper *k, const struct ch_who *who, struct est *e)
{
	bool approved = e->row != 0 && e->state == CH_EST_APPROVED;
	if (e->m->again != 0 || e->p->approval == CH_APPROVAL_AUTOMATIC || approved)
		return false;
	if (e->row == 0) {
		if (ch_sql_number(k->st, CH_SQL_EST_COUNT, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(CH_EST_WAITING)),
				  WAITING_MAX) >= WAITING_MAX) {
			ch_kp_refuse(k, who, 503, "busy", "too many requests wait for an operator");
			return true;
		}
		row_add(k, e, CH_EST_WAITING, 0);
		waiting_event(k, e);
	}
	answer(k, who, 202, POLL_S, CH_SPAN_EMPTY);
	return true;
}

/* --- to the signer --- */

static bool under_way(const struct ch_keeper *k, const struct est *e)
{
	for (const struct ch_grant *g = k->granting; g != NULL; g = g->next) {
		if (g->kind == CH_GRANT_EST && ch_span_eq(CH_SPAN_OF(g->est_key), CH_SPAN_OF(e->key)))
			return true;
	}
	return false;
}

static void ask_signer(struct ch_keeper *k, const struct ch_who *who, const struct est *e)
{
	static const char *const by[CH_EST_BY_COUNT] = {
		[CH_EST_BY_TOKEN] = "est-token", [CH_EST_BY_DEVICE] = "est-authority", [CH_EST_BY_IDEVID] = "est-idevid"
	};
	struct ch_grant *g = ch_calloc(1, sizeof(*g));
	g->kind = CH_GRANT_EST;
	g->who = *who;
	g->platform = CH_TIER_WARNING; /* nothing says where the key lives */
	g->est_by = e->m->by;
	g->est_again = e->m->again != 0;
	g->est_known = e->known;
	g->by = g->est_again ? "est-renewal" : by[e->m->by];
	(void)ch_span_copy(g->est_key, sizeof(g->est_key), CH_SPAN_OF(e->key));
	(void)ch_span_copy(g->est_identity, sizeof(g->est_identity), CH_SPAN_OF(e->m->identity));
	(void)ch_span_copy(g->est_device, sizeof(g->est_device), CH_SPAN_OF(e->m->device));
	if (e->known)
		(void)ch_span_copy(g->device, sizeof(g->device), CH_SPAN_OF(e->d.id));
	else
		ch_kp_ordered(k, g->device);
	if (g->est_again)
		(void)ch_span_copy(g->old_cert, sizeof(g->old_cert), CH_SPAN_OF(e->m->identity));
	ch_buf_append(&g->class_name, e->p->class);
	ch_buf_append(&g->hostname, e->m->name);
	ch_buf_append(&g->name, e->m->name);
	ch_buf_append(&g->label, e->p->label);
	ch_buf_append(&g->spki, e->m->key_spki);
	ch_kp_grant_ask(k, g, CH_ISSUE_PROFILE, g->device, e->p->lifetime);
}

static bool est_init(struct ch_keeper *k, struct est *e, const struct ch_msg_est_enrol *m)
{
	*e = (struct est){ .m = m, .p = ch_profiles_find(&k->profiles, m->label) };
	if (e->p == NULL || !ch_span_eq(e->p->label, m->label) || m->by == 0 || m->by >= CH_EST_BY_COUNT ||
	    (m->again != 0 && m->by != CH_EST_BY_DEVICE))
		return false;
	for (size_t i = 0; i < m->name.n && i < sizeof(e->name_room); i++) {
		uint8_t c = m->name.p[i];
		e->name_room[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
	}
	e->name = ch_span(e->name_room, m->name.n < sizeof(e->name_room) ? m->name.n : sizeof(e->name_room));
	return (m->name.n == 0 || ch_profile_name_valid(m->name)) && hash_key(e);
}

void ch_kp_est(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_est_enrol *m)
{
	struct est e;
	if (!est_init(k, &e, m)) {
		ch_kp_refuse(k, who, 404, "label", "there is no certificate profile of this name");
		return;
	}
	find_row(k, &e);
	if (e.row != 0 && e.state == CH_EST_ISSUED) {
		if (!answer_again(k, who, &e))
			ch_kp_refuse(k, who, 403, "ended", "the certificate that this request had has ended");
		return;
	}
	if (e.row != 0 && e.state == CH_EST_REFUSED) {
		ch_kp_refuse(k, who, 403, "refused", "an operator refused this request");
		return;
	}
	if (under_way(k, &e)) {
		answer(k, who, 202, SOON_S, CH_SPAN_EMPTY);
		return;
	}
	struct refusal r = asked_refused(k, &e);
	if (r.status != 0)
		ch_kp_refuse(k, who, r.status, r.code, r.rule);
	else if (!waits(k, who, &e))
		ask_signer(k, who, &e);
}

/* --- the certificate is made --- */

/* The message that the grant came from. */
static struct ch_msg_est_enrol message_of(const struct ch_grant *g)
{
	struct ch_msg_est_enrol m = { .by = g->est_by,
				      .again = g->est_again,
				      .link = CH_EST_LINK_HOLDS, /* it was looked at before the signer was asked */
				      .label = ch_buf_span(&g->label),
				      .name = ch_buf_span(&g->name),
				      .key_spki = ch_buf_span(&g->spki) };
	(void)ch_span_copy(m.identity, sizeof(m.identity), CH_SPAN_OF(g->est_identity));
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(g->est_device));
	return m;
}

/* A device that is new has no alias of that kind which would have to end. */
static void alias_set(struct ch_keeper *k, const struct est *e, enum ch_alias kind, struct ch_span value)
{
	if (e->known)
		ch_kp_alias_set(k, e->d.seq, kind, value);
	else
		ch_kp_alias_add(k, e->d.seq, kind, value);
}

static void name_alias(struct ch_keeper *k, const struct est *e)
{
	if (e->name.n == 0)
		return;
	if (e->freed)
		ch_sql_do(k->st, CH_SQL_ALIAS_FREE,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(CH_ALIAS_NAME), ch_bytes(e->name),
				  ch_int((int64_t)k->now)));
	alias_set(k, e, CH_ALIAS_NAME, e->name);
}

static void token_used(struct ch_keeper *k, const struct ch_grant *g, const struct est *e)
{
	ch_sql_do(k->st, CH_SQL_TOKEN_USE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT),
			  ch_int(ch_sql_number(k->st, CH_SQL_TOKEN_GET,
					       CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(g->est_identity))),
					       -1)),
			  ch_int((int64_t)k->now), ch_int(e->d.seq)));
	alias_set(k, e, CH_ALIAS_TOKEN, CH_SPAN_OF(g->est_identity));
}

/* A device that was not there before, or one that its IDevID names again: what it had before ends then. */
static void device_begin(struct ch_keeper *k, const struct ch_grant *g, struct est *e)
{
	if (!e->known) {
		ch_kp_device_add(k, &e->d, g);
	} else {
		ch_kp_certificates_end(k, &e->d, CH_CERT_REVOKED, NULL, "enrolled again");
		e->d.platform = g->platform;
		ch_kp_platform_set(k, &e->d);
		ch_kp_device_save(k, &e->d);
	}
	name_alias(k, e);
	if (e->m->by == CH_EST_BY_TOKEN)
		token_used(k, g, e);
	if (e->m->by == CH_EST_BY_IDEVID)
		alias_set(k, e, CH_ALIAS_IDEVID, CH_SPAN_OF(g->est_identity));
}

/* Asked again: meanwhile an operator may have decided otherwise, or another have had the name or the token. */
static struct refusal changed(struct ch_keeper *k, const struct ch_grant *g, struct est *e,
			      const struct ch_msg_est_enrol *m)
{
	if (!est_init(k, e, m))
		return REFUSE(503, "profile", "the profile changed meanwhile: ask again");
	find_row(k, e);
	if (e->row != 0 && e->state == CH_EST_REFUSED)
		return REFUSE(403, "refused", "an operator refused this request");
	struct refusal r = asked_refused(k, e);
	if (r.status == 0 && e->known != g->est_known)
		r = REFUSE(503, "busy", "something changed meanwhile: ask again");
	return r;
}

void ch_kp_est_issued(struct ch_keeper *k, const struct ch_grant *g, struct ch_span der, uint64_t not_after)
{
	const struct ch_msg_est_enrol m = message_of(g);
	struct est e;
	uint8_t cert[32];
	struct refusal r = changed(k, g, &e, &m);
	if (r.status != 0) {
		ch_kp_refuse(k, &g->who, r.status, r.code, r.rule);
		return;
	}
	ch_kp_write(k);
	if (g->est_again)
		/* The old one stays good until its end: the answer may be lost. */
		ch_kp_certificates_end(k, &e.d, CH_CERT_SUPERSEDED, g->old_cert, "renewal");
	else
		device_begin(k, g, &e);
	int64_t certificate = k->n.certificate;
	ch_kp_certificate_add(k, &e.d, g, der, not_after, cert);
	if (e.key_device == 0)
		ch_kp_alias_add(k, e.d.seq, CH_ALIAS_KEY, CH_SPAN_OF(e.spki));
	if (e.row == 0)
		row_add(k, &e, CH_EST_ISSUED, certificate);
	else
		ch_sql_do(k->st, CH_SQL_EST_DECIDE,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(e.row), ch_int(CH_EST_ISSUED),
				  ch_int((int64_t)k->now), ch_int(certificate)));
	ch_kp_enrol_record(k, g, &e.d, e.known && !g->est_again, cert);
	/* Which publishes one that is new. */
	if (!g->est_again)
		(void)ch_kp_device_life(k, &e.d, CH_LIFE_ENROL, "enrolment");
	if (g->est_again || e.known)
		ch_kp_device_publish(k, &e.d);
	answer(k, &g->who, 200, 0, der);
}
