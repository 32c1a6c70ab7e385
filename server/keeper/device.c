/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ddi.h"
#include "server/ipc/ddi.h"
#include "server/keeper/state.h"

#define MS 1000

static bool device_take(struct ch_query *q, struct ch_device *d)
{
	*d = (struct ch_device){ 0 };
	if (!ch_sql_next(q))
		return false;
	d->seq = ch_sql_int(q, 0);
	(void)ch_sql_copy(q, 1, d->id, sizeof(d->id));
	(void)ch_span_copy(d->class, sizeof(d->class) - 1, ch_sql_bytes(q, 2));
	d->state = (enum ch_state)ch_sql_int(q, 3);
	d->chain = (enum ch_tier)ch_sql_int(q, 4);
	d->platform = (enum ch_tier)ch_sql_int(q, 5);
	d->evidence = ch_sql_int(q, 6);
	d->fresh_time = ch_sql_int(q, 7);
	d->reattest = ch_sql_int(q, 8) != 0;
	d->chain_time = ch_sql_int(q, 9);
	d->stale_at = ch_sql_int(q, 10);
	d->quota_since = ch_sql_int(q, 11);
	d->quota_bytes = ch_sql_int(q, 12);
	return true;
}

bool ch_kp_device_by_id(struct ch_keeper *k, const uint8_t id[static 16], struct ch_device *d)
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_DEVICE_BY_ID, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_span(id, 16))));
	bool found = device_take(&q, d);
	return ch_sql_end(&q) == CH_OK && found;
}

bool ch_kp_device_by_seq(struct ch_keeper *k, int64_t seq, struct ch_device *d)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_DEVICE_BY_SEQ, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq)));
	bool found = device_take(&q, d);
	return ch_sql_end(&q) == CH_OK && found;
}

void ch_kp_device_save(struct ch_keeper *k, const struct ch_device *d)
{
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_DEVICE_SAVE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_text_str(d->class), ch_int(d->state),
			  ch_int(d->chain), ch_int(d->chain_time), ch_int(d->platform), ch_int(d->evidence),
			  ch_int(d->fresh_time), ch_int(d->reattest), ch_int(d->stale_at), ch_int(d->quota_since),
			  ch_int(d->quota_bytes)));
}

const struct ch_policy *ch_kp_policy(const struct ch_keeper *k, struct ch_span class_name)
{
	for (size_t i = 0; i < k->class_count; i++) {
		if (ch_span_eq(k->class[i].policy.class, class_name))
			return &k->class[i].policy;
	}
	return NULL;
}

void ch_kp_device_deadline(struct ch_keeper *k, struct ch_device *d)
{
	const struct ch_policy *p = ch_kp_policy(k, ch_span_str(d->class));
	uint32_t age = UINT32_MAX;
	for (size_t i = 0; p != NULL && i < CH_LINK_COUNT; i++) {
		if ((p->required >> i & 1) != 0 && p->max_age[i] < age)
			age = p->max_age[i];
	}
	d->stale_at = (int64_t)(k->now + (uint64_t)age * MS);
}

bool ch_kp_device_mended(struct ch_keeper *k, const struct ch_device *d)
{
	if (d->state != CH_STATE_QUARANTINED || d->chain != CH_TIER_AFFIRMING)
		return false;
	/* An operator may have quarantined what was affirmed before: that says nothing. The last step was into quarantine. */
	const struct ch_args of = CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(CH_LEAF_LIFECYCLE));
	int64_t since = ch_sql_number(k->st, CH_SQL_LEAF_LIFE, of, -1);
	/* It may have been in a log that ended. */
	if (since < 0)
		since = ch_sql_number(k->st, CH_SQL_PAST_LEAF_LIFE, of, INT64_MAX);
	return d->fresh_time >= since;
}

/* --- the view --- */

static uint8_t class_index(const struct ch_keeper *k, const struct ch_device *d)
{
	size_t i = 0;
	while (i < k->class_count && !ch_span_eq(k->class[i].policy.class, ch_span_str(d->class)))
		i++;
	return (uint8_t)i;
}

/* The release that is to mend it: an operator gave it to this one device, and the policy of its class lets it through. */
static bool mends(const struct ch_keeper *k, const struct ch_device *d, const struct ch_deployment *u)
{
	const struct ch_policy *p = ch_kp_policy(k, ch_span_str(d->class));
	return d->state == CH_STATE_QUARANTINED && u->rollout == 0 && p != NULL && p->mend;
}

static uint8_t pending_of(struct ch_keeper *k, const struct ch_device *d, bool revoked)
{
	struct ch_deployment u;
	bool update = ch_kp_deployment_last(k, d->seq, &u) && ch_update_wanted(u.state);
	return (uint8_t)((d->reattest ? CH_VIEW_PENDING_REATTEST : 0) | (update ? CH_VIEW_PENDING_UPDATE : 0) |
			 (update && mends(k, d, &u) ? CH_VIEW_MENDS : 0) | (revoked ? CH_VIEW_REVOKED : 0));
}

/* What a poll of DDI is answered. Without `links` it stays as it was, or is not known of a record that is new: the store is asked then. */
static void take_links(const struct ch_keeper *k, struct ch_view_record *r, const struct ch_ddi_poll *links)
{
	struct ch_view_record was;
	if (links != NULL) {
		r->ddi_action = (uint32_t)links->action;
		r->ddi_cancel = (uint32_t)links->cancel;
		r->ddi_installed = (uint32_t)links->installed;
		r->ddi = (uint8_t)(CH_VIEW_DDI_KNOWN | (links->attributes ? CH_VIEW_DDI_ATTRIBUTES : 0));
	} else if (ch_view_find(k->view, r->cert_sha256, &was, NULL) == CH_OK) {
		r->ddi_action = was.ddi_action;
		r->ddi_cancel = was.ddi_cancel;
		r->ddi_installed = was.ddi_installed;
		r->ddi = was.ddi;
	}
}

static void publish(struct ch_keeper *k, const struct ch_device *d, struct ch_span sha256, int64_t not_after,
		    bool revoked, const struct ch_ddi_poll *links)
{
	struct ch_view_record r = {
		.kind = CH_VIEW_DEVICE,
		.state = (uint8_t)d->state,
		.tier = (uint8_t)d->chain,
		.pending = pending_of(k, d, revoked),
		.class_index = class_index(k, d),
		.not_after = (uint64_t)not_after,
		.device_row = (uint64_t)d->seq,
	};
	(void)ch_span_copy(r.cert_sha256, sizeof(r.cert_sha256), sha256);
	(void)ch_span_copy(r.id, sizeof(r.id), CH_SPAN_OF(d->id));
	take_links(k, &r, links);
	if (ch_view_put(k->view, &r) != CH_OK)
		k->env.fatal(k->env.ctx, "the fleet view is full: raise `devices` in the configuration");
}

static void name_publish(struct ch_keeper *k, const struct ch_device *d, struct ch_span name,
			 const struct ch_ddi_poll *links)
{
	uint8_t key[32];
	if (ch_ddi_name_valid(name) && ch_ddi_view_key(key, name))
		publish(k, d, CH_SPAN_OF(key), 0, false, links);
}

/* What clients of DDI call it that come with a token: its id, and the name in its certificates, which no other device has. */
static void names_publish(struct ch_keeper *k, const struct ch_device *d, const struct ch_ddi_poll *links)
{
	uint8_t hex[32];
	struct ch_wr w = ch_wr(hex, sizeof(hex));
	ch_wr_hex(&w, CH_SPAN_OF(d->id));
	name_publish(k, d, ch_wr_span(&w), links);
	struct ch_query q = ch_sql_query(k->st, CH_SQL_ALIAS_LIVE,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(CH_ALIAS_NAME)));
	while (ch_sql_next(&q)) {
		/* A name that reads as an id would be in the place of the device whose id it is. */
		uint8_t id[16];
		struct ch_span name = ch_sql_bytes(&q, 0);
		if (name.n != 2 * sizeof(id) || ch_hex_decode(id, sizeof(id), name) != CH_OK)
			name_publish(k, d, name, links);
	}
	(void)ch_sql_end(&q);
}

/*
 * Before the commit: an edge that acts on it a moment too early refuses what will be refused, or admits to this same keeper what
 * will be admitted. A commit that fails ends the process, and the next one writes the view again from the store.
 */
static void publish_all(struct ch_keeper *k, const struct ch_device *d, const struct ch_ddi_poll *links)
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_CERTIFICATE_LIVE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq)));
	while (ch_sql_next(&q))
		publish(k, d, ch_sql_bytes(&q, 1), ch_sql_int(&q, 2), false, links);
	(void)ch_sql_end(&q);
	if (k->names)
		names_publish(k, d, links);
}

void ch_kp_device_publish(struct ch_keeper *k, const struct ch_device *d)
{
	publish_all(k, d, NULL);
}

void ch_kp_links_publish(struct ch_keeper *k, const struct ch_device *d)
{
	struct ch_ddi_poll links;
	ch_kp_ddi_links(k, d->seq, &links);
	publish_all(k, d, &links);
}

/* --- certificates --- */

/* Why, as lists say it (RFC 5280, 5.3.1). Whom an operator revokes is taken as compromised, key or else: nobody may go on with it. */
static enum ch_crl_reason reason_of(const struct ch_device *d)
{
	return d->state == CH_STATE_DECOMMISSIONED ? CH_CRL_CESSATION
	       : d->state == CH_STATE_REVOKED      ? CH_CRL_KEY_COMPROMISE
						   : CH_CRL_SUPERSEDED;
}

static void certificate_revoke(struct ch_keeper *k, const struct ch_device *d, int64_t seq)
{
	CH_AUTO_BUF struct ch_buf serial = { 0 }, issuer = { 0 };
	int64_t not_after = 0;
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_CERTIFICATE_SERIAL, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq)));
	if (ch_sql_next(&q)) {
		ch_buf_append(&serial, ch_sql_bytes(&q, 0));
		not_after = ch_sql_int(&q, 1);
		ch_buf_append(&issuer, ch_sql_bytes(&q, 2));
	}
	const struct ch_revocation r = { ch_buf_span(&issuer), ch_buf_span(&serial), k->now, reason_of(d), not_after };
	if (ch_sql_end(&q) == CH_OK)
		ch_kp_revoked(k, &r);
}

static void certificate_end(struct ch_keeper *k, const struct ch_device *d, int64_t seq,
			    const uint8_t sha256[static 32], enum ch_cert_state how, const char *cause)
{
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_CERTIFICATE_END,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_int(how), ch_int((int64_t)k->now)));
	publish(k, d, ch_span(sha256, 32), 0, true, NULL);
	if (how != CH_CERT_REVOKED)
		return;
	certificate_revoke(k, d, seq);
	ch_kp_cut(k, d, sha256, cause);
}

void ch_kp_certificate_cut(struct ch_keeper *k, const struct ch_device *d, int64_t seq, const uint8_t sha256[static 32],
			   const char *cause)
{
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_CERTIFICATE_END,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_int(CH_CERT_REVOKED), ch_int((int64_t)k->now)));
	publish(k, d, ch_span(sha256, 32), 0, true, NULL);
	ch_kp_cut(k, d, sha256, cause);
}

#define LIVE_MAX 16

void ch_kp_certificates_end(struct ch_keeper *k, const struct ch_device *d, enum ch_cert_state how, const uint8_t *keep,
			    const char *cause)
{
	struct {
		int64_t seq;
		uint8_t sha256[32];
	} live[LIVE_MAX];
	size_t n;
	/* A device has one or two; were there more, the next round takes them. */
	do {
		n = 0;
		struct ch_query q =
			ch_sql_query(k->st, CH_SQL_CERTIFICATE_LIVE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq)));
		while (n < LIVE_MAX && ch_sql_next(&q)) {
			live[n].seq = ch_sql_int(&q, 0);
			if (ch_sql_copy(&q, 1, live[n].sha256, 32) &&
			    (keep == NULL || !ch_span_eq(CH_SPAN_OF(live[n].sha256), ch_span(keep, 32))))
				n++;
		}
		if (ch_sql_end(&q) != CH_OK)
			return;
		for (size_t i = 0; i < n; i++)
			certificate_end(k, d, live[i].seq, live[i].sha256, how, cause);
	} while (n == LIVE_MAX);
}

void ch_kp_certificate_add(struct ch_keeper *k, const struct ch_device *d, const struct ch_grant *g, struct ch_span der,
			   uint64_t not_after, uint8_t sha256[static 32])
{
	struct ch_digest h;
	if (ch_hash_once(CH_HASH_SHA256, der, &h) != CH_OK)
		k->env.fatal(k->env.ctx, "SHA-256 fails");
	(void)ch_span_copy(sha256, 32, ch_digest_span(&h));
	ch_kp_write(k);
	/* Nobody else has this digest: the serial number is new. */
	ch_sql_do(k->st, CH_SQL_CERTIFICATE_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.certificate++), ch_int(d->seq),
			  ch_bytes(ch_digest_span(&h)), ch_bytes(CH_SPAN_OF(g->serial)), ch_bytes(der),
			  ch_bytes(ch_buf_span(&g->spki)), ch_int((int64_t)g->not_before), ch_int((int64_t)not_after),
			  g->label.n > 0 ? ch_text(ch_buf_span(&g->label)) : ch_null(), ch_null()));
}

/* --- what happens to a device --- */

static void life_record(struct ch_keeper *k, const struct ch_device *d, enum ch_state from, enum ch_life life,
			const char *cause)
{
	uint8_t text[512];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", life == CH_LIFE_DECOMMISSION ? "decommission" : "lifecycle");
	ch_json_named_hex(&j, "device", CH_SPAN_OF(d->id));
	ch_json_named_str(&j, "what", ch_life_str(life));
	ch_json_named_str(&j, "from", ch_state_str(from));
	ch_json_named_str(&j, "to", ch_state_str(d->state));
	ch_json_named_str(&j, "cause", cause);
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	(void)ch_kp_leaf(k, life == CH_LIFE_DECOMMISSION ? CH_LEAF_DECOMMISSION : CH_LEAF_LIFECYCLE, d->seq,
			 ch_wr_span(&w));
	ch_kp_event(k, d->seq, "state", ch_wr_span(&w));
}

bool ch_kp_device_life(struct ch_keeper *k, struct ch_device *d, enum ch_life life, const char *cause)
{
	enum ch_state from = d->state;
	enum ch_state to;
	if (ch_lifecycle_next(from, life, &to) != CH_OK)
		return false;
	if (to == from)
		return true;
	d->state = to;
	/* What operators let go without evidence must still show some in time. */
	if (life == CH_LIFE_RELEASE)
		ch_kp_device_deadline(k, d);
	ch_kp_device_save(k, d);
	life_record(k, d, from, life, cause);
	if (!ch_state_admits(to, CH_ACCESS_ATTEST)) {
		ch_kp_certificates_end(k, d, CH_CERT_REVOKED, NULL, cause);
		ch_kp_deployment_end(k, d);
		return true;
	}
	ch_kp_device_publish(k, d);
	/* One intent closes every session, with whatever certificate it was opened. */
	if (ch_state_admits(from, CH_ACCESS_FULL) && !ch_state_admits(to, CH_ACCESS_FULL))
		ch_kp_cut(k, d, NULL, cause);
	return true;
}

/* --- the chain --- */

void ch_kp_results(struct ch_keeper *k, int64_t device, struct ch_link_result r[static CH_LINK_COUNT])
{
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		r[i] = (struct ch_link_result){ .tier = CH_TIER_NONE };
	struct ch_query q = ch_sql_query(k->st, CH_SQL_RESULT_ALL, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device)));
	while (ch_sql_next(&q)) {
		int64_t link = ch_sql_int(&q, 0);
		if (link < 0 || link >= CH_LINK_COUNT)
			continue;
		r[link].tier = (enum ch_tier)ch_sql_int(&q, 1);
		r[link].at = (uint64_t)ch_sql_int(&q, 2) / MS;
	}
	(void)ch_sql_end(&q);
}

void ch_kp_chain(struct ch_keeper *k, const struct ch_device *d, const struct ch_link_result r[static CH_LINK_COUNT],
		 struct ch_chain *out)
{
	const struct ch_policy *p = ch_kp_policy(k, ch_span_str(d->class));
	/* A class without a policy trusts nobody, and does nothing about it: policies are not taken away by accident of a restart. */
	*out = (struct ch_chain){ .tier = CH_TIER_CONTRAINDICATED };
	if (p != NULL)
		ch_chain_judge(out, r, p, k->now / MS);
}

void ch_kp_links_put(struct ch_json_wr *j, const struct ch_link_result r[static CH_LINK_COUNT])
{
	ch_json_name(j, "links");
	ch_json_object_begin(j);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		ch_json_named_str(j, ch_link_str((enum ch_link)i), ch_tier_str(r[i].tier));
	ch_json_object_end(j);
}

static void verdict_record(struct ch_keeper *k, const struct ch_device *d,
			   const struct ch_link_result r[static CH_LINK_COUNT], const struct ch_judgement *how)
{
	uint8_t text[1024];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", "verdict");
	ch_json_named_hex(&j, "device", CH_SPAN_OF(d->id));
	ch_json_named_u64(&j, "evidence", (uint64_t)how->evidence);
	ch_json_named_u64(&j, "generation", how->generation);
	ch_json_named_str(&j, "chain", ch_tier_str(d->chain));
	ch_kp_links_put(&j, r);
	ch_json_named_str(&j, "cause", how->cause);
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	(void)ch_kp_leaf(k, CH_LEAF_VERDICT, d->seq, ch_wr_span(&w));
	ch_kp_event(k, d->seq, "verdict", ch_wr_span(&w));
}

void ch_kp_device_judge(struct ch_keeper *k, struct ch_device *d, const struct ch_link_result r[static CH_LINK_COUNT],
			const struct ch_judgement *how)
{
	struct ch_chain chain;
	ch_kp_chain(k, d, r, &chain);
	bool changed = chain.tier != d->chain;
	d->stale_at = (int64_t)(chain.stale_at != 0 ? (chain.stale_at + 1) * MS : 0);
	if (changed) {
		d->chain = chain.tier;
		d->chain_time = (int64_t)k->now;
	}
	if (changed || how->moved)
		verdict_record(k, d, r, how);
	ch_kp_device_save(k, d);
	if (chain.response == CH_RESPONSE_QUARANTINE)
		(void)ch_kp_device_life(k, d, CH_LIFE_BREAK, how->cause);
	else if (how->fresh && (chain.tier == CH_TIER_AFFIRMING || chain.tier == CH_TIER_WARNING))
		(void)ch_kp_device_life(k, d, CH_LIFE_AFFIRM, how->cause);
	ch_kp_device_publish(k, d);
}
