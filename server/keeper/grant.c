/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "core/platform/tpm_public.h"
#include "core/wire/base64.h"

/*
 * From "may have a certificate" to the certificate in the device's hand: the signer makes it, one transaction records it with all
 * that belongs to it, the answer follows. A certificate that was made and not recorded is unknown to the view and opens nothing.
 */

#define MS         1000
#define ANSWER_MAX ((size_t)32768)
#define PEM_LINE   64

void ch_kp_grant_free(struct ch_grant *g)
{
	if (g == NULL)
		return;
	ch_wipe(g->secret, sizeof(g->secret));
	ch_buf_free(&g->class_name);
	ch_buf_free(&g->hostname);
	ch_buf_free(&g->ek_public);
	ch_buf_free(&g->ek_cert);
	ch_buf_free(&g->ak_public);
	ch_buf_free(&g->spki);
	ch_buf_free(&g->name);
	ch_buf_free(&g->canonical);
	ch_buf_free(&g->label);
	ch_free(g);
}

void ch_kp_grant_ask(struct ch_keeper *k, struct ch_grant *g, unsigned profile, const uint8_t subject[static 16],
		     uint64_t lifetime)
{
	const char *why = !k->signer      ? "the signer is not running"
			  : k->log.behind ? "the log is behind its signer: nothing is written"
			  : k->granting_count >= CH_KEEPER_GRANTS_MAX ? "too many certificates are being made"
								      : NULL;
	if (ch_kp_clock_doubtful(k)) {
		ch_kp_refuse(k, &g->who, 503, "clock", "the server's clock is in doubt: an operator must accept it");
		ch_kp_grant_free(g);
		return;
	}
	if (why != NULL) {
		ch_kp_refuse(k, &g->who, 503, "busy", why);
		ch_kp_grant_free(g);
		return;
	}
	g->issue = ++k->ids;
	/* The signer's clock is this one, and not the store's, which may be ahead. */
	g->not_before = k->env.wall_ms(k->env.ctx) / MS;
	ch_kp_ordered(k, g->serial);
	/* RFC 5280, 4.1.2.2: positive, and never of fewer bytes. */
	g->serial[0] = (uint8_t)((g->serial[0] & 0x7f) | 0x40);
	struct ch_msg_issue m = {
		.profile = (uint8_t)profile, .now = g->not_before, .lifetime = lifetime, .spki = ch_buf_span(&g->spki)
	};
	if (profile == CH_ISSUE_PROFILE) {
		m.label = ch_buf_span(&g->label);
		m.name = ch_buf_span(&g->name);
	}
	(void)ch_span_copy(m.subject, sizeof(m.subject), ch_span(subject, 16));
	(void)ch_span_copy(m.serial, sizeof(m.serial), CH_SPAN_OF(g->serial));
	g->next = k->granting;
	k->granting = g;
	k->granting_count++;
	ch_kp_send(k, CH_ROLE_SIGNER, 0, CH_MSG_ISSUE, g->issue, &m);
}

void ch_kp_grants_fail(struct ch_keeper *k)
{
	while (k->granting != NULL) {
		struct ch_grant *g = k->granting;
		k->granting = g->next;
		k->granting_count--;
		ch_kp_refuse(k, &g->who, 503, "busy", "the signer ended while it made the certificate");
		ch_kp_grant_free(g);
	}
}

/* --- the answer --- */

void ch_kp_pem_put(struct ch_wr *w, struct ch_span der)
{
	uint8_t text[CH_IPC_CERT_MAX * 4 / 3 + 8];
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_base64_put(&t, CH_BASE64_STD, der);
	struct ch_span b64 = ch_wr_span(&t);
	ch_wr_str(w, "-----BEGIN CERTIFICATE-----\n");
	for (size_t at = 0; at < b64.n; at += PEM_LINE) {
		size_t n = b64.n - at < PEM_LINE ? b64.n - at : PEM_LINE;
		ch_wr_put(w, ch_span_sub(b64, at, n));
		ch_wr_str(w, "\n");
	}
	ch_wr_str(w, "-----END CERTIFICATE-----\n");
}

static void certificate_answer(struct ch_keeper *k, const struct ch_who *who, unsigned status,
			       const struct ch_device *d, struct ch_span der, uint64_t not_after)
{
	uint8_t pem[CH_IPC_CERT_MAX * 3 / 2];
	size_t cap = ANSWER_MAX + 2 * k->ca_pem.n;
	CH_AUTO_FREE uint8_t *text = ch_calloc(cap, 1);
	struct ch_wr pw = ch_wr(pem, sizeof(pem));
	ch_kp_pem_put(&pw, der);
	struct ch_wr w = ch_wr(text, cap);
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_hex(&j, "device", CH_SPAN_OF(d->id));
	ch_json_named_str(&j, "class", d->class);
	ch_json_named_str(&j, "state", ch_state_str(d->state));
	ch_json_named_span(&j, "certificate", ch_wr_span(&pw));
	ch_json_named_span(&j, "chain", ch_buf_span(&k->ca_pem));
	ch_json_named_u64(&j, "not_after", not_after);
	ch_json_named_u64(&j, "time", k->now / MS);
	ch_json_object_end(&j);
	ch_kp_answer(k, who, status, ch_wr_span(&w));
}

static void grant_answer(struct ch_keeper *k, const struct ch_grant *g, const struct ch_device *d, struct ch_span der,
			 uint64_t not_after)
{
	certificate_answer(k, &g->who, 201, d, der, not_after);
}

/* --- enrolment --- */

void ch_kp_alias_set(struct ch_keeper *k, int64_t device, enum ch_alias kind, struct ch_span value)
{
	ch_sql_do(k->st, CH_SQL_ALIAS_END,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device), ch_int(kind), ch_int((int64_t)k->now)));
	ch_kp_alias_add(k, device, kind, value);
}

void ch_kp_alias_add(struct ch_keeper *k, int64_t device, enum ch_alias kind, struct ch_span value)
{
	ch_sql_do(k->st, CH_SQL_ALIAS_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.alias++), ch_int(device), ch_int(kind), ch_bytes(value),
			  ch_int((int64_t)k->now)));
}

static bool ak_set(struct ch_keeper *k, int64_t device, struct ch_span public)
{
	struct ch_tpm_public ak;
	if (ch_tpm_public_parse(&ak, public, NULL) != CH_OK || ch_tpm_public_check_ak(&ak, NULL) != CH_OK)
		return false;
	ch_sql_do(k->st, CH_SQL_AK_END, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device), ch_int((int64_t)k->now)));
	ch_sql_do(k->st, CH_SQL_AK_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.ak++), ch_int(device), ch_int(ak.key.type),
			  ch_bytes(ak.key.a), ch_bytes(ak.key.b), ch_bytes(public), ch_int((int64_t)k->now)));
	return true;
}

void ch_kp_device_add(struct ch_keeper *k, struct ch_device *d, const struct ch_grant *g)
{
	*d = (struct ch_device){
		.seq = k->n.device++, .state = CH_STATE_NONE, .chain = CH_TIER_CONTRAINDICATED, .platform = g->platform
	};
	(void)ch_span_copy(d->id, sizeof(d->id), CH_SPAN_OF(g->device));
	(void)ch_span_copy(d->class, sizeof(d->class) - 1, ch_buf_span(&g->class_name));
	ch_kp_device_deadline(k, d);
	ch_sql_do(k->st, CH_SQL_DEVICE_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_bytes(CH_SPAN_OF(d->id)), ch_text_str(d->class),
			  ch_text(ch_buf_span(&g->hostname)), ch_int(d->state), ch_int(d->chain), ch_int(d->platform),
			  ch_int((int64_t)k->now), ch_int(d->stale_at)));
	ch_kp_platform_set(k, d);
}

/* The platform link stands from now on; if nothing else follows in its time, the chain is stale. */
void ch_kp_platform_set(struct ch_keeper *k, struct ch_device *d)
{
	ch_sql_do(k->st, CH_SQL_RESULT_SET,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(CH_LINK_PLATFORM), ch_int(d->platform),
			  ch_int((int64_t)k->now), ch_int((int64_t)k->now), ch_int(0), ch_int((int64_t)k->generation)));
	ch_kp_device_deadline(k, d);
	if (d->chain == CH_TIER_NONE)
		d->chain = CH_TIER_CONTRAINDICATED;
}

/*
 * A device without a TPM has no quote to show: that it holds its key is all, and is fresh now. A class that asks for more than that
 * hears nothing new of it.
 */
static void key_judge(struct ch_keeper *k, struct ch_device *d, const char *cause)
{
	struct ch_link_result r[CH_LINK_COUNT];
	struct ch_chain chain;
	ch_kp_platform_set(k, d);
	ch_kp_results(k, d->seq, r);
	ch_kp_chain(k, d, r, &chain);
	const struct ch_judgement how = { .generation = k->generation, .fresh = true, .cause = cause };
	if (chain.tier == CH_TIER_AFFIRMING || chain.tier == CH_TIER_WARNING)
		ch_kp_device_judge(k, d, r, &how);
	else
		ch_kp_device_save(k, d);
}

bool ch_kp_key_shown(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_renew *m,
		     const struct ch_who *who)
{
	CH_AUTO_BUF struct ch_buf der = { 0 };
	uint64_t not_after = 0;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_CERTIFICATE_OF_KEY,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq),
						 ch_bytes(CH_SPAN_OF(m->cert_sha256)), ch_bytes(m->key_spki)));
	bool shown = ch_sql_next(&q);
	if (shown) {
		ch_buf_append(&der, ch_sql_bytes(&q, 0));
		not_after = (uint64_t)ch_sql_int(&q, 1);
	}
	if (ch_sql_end(&q) != CH_OK || !shown || d->state == CH_STATE_QUARANTINED)
		return false;
	if (who == NULL)
		return true;
	struct ch_device now = *d;
	ch_kp_write(k);
	now.reattest = false;
	key_judge(k, &now, "key");
	certificate_answer(k, who, 200, &now, ch_buf_span(&der), not_after);
	return true;
}

void ch_kp_enrol_record(struct ch_keeper *k, const struct ch_grant *g, const struct ch_device *d, bool returns,
			const uint8_t cert[static 32])
{
	uint8_t text[1024];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", "enrolment");
	ch_json_named_hex(&j, "device", CH_SPAN_OF(d->id));
	ch_json_named_str(&j, "class", d->class);
	ch_json_named_str(&j, "by",
			  g->by != NULL               ? g->by
			  : g->kind == CH_GRANT_TOKEN ? "token"
			  : g->kind == CH_GRANT_RENEW ? "renewal"
						      : "activation");
	if (g->kind == CH_GRANT_ENROL)
		ch_json_named_hex(&j, "ek", CH_SPAN_OF(g->ek_sha256));
	ch_json_named_bool(&j, "returns", returns);
	ch_json_named_str(&j, "platform", ch_tier_str(d->platform));
	ch_json_named_hex(&j, "certificate", ch_span(cert, 32));
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	(void)ch_kp_leaf(k, CH_LEAF_ENROLMENT, d->seq, ch_wr_span(&w));
	ch_kp_event(k, d->seq, "enrolment", ch_wr_span(&w));
}

static bool returning(struct ch_keeper *k, const struct ch_grant *g, struct ch_device *d)
{
	return g->kind == CH_GRANT_ENROL && ch_kp_device_of_keys(k, g->ek_sha256, ch_buf_span(&g->ak_public), d);
}

static bool ek_stands(struct ch_keeper *k, const struct ch_device *d, const struct ch_grant *g)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_EK_OF_DEVICE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq)));
	bool stands = ch_sql_next(&q) && ch_span_eq(ch_sql_bytes(&q, 1), CH_SPAN_OF(g->ek_sha256));
	return ch_sql_end(&q) == CH_OK && stands;
}

static void ek_add(struct ch_keeper *k, const struct ch_device *d, const struct ch_grant *g)
{
	ch_sql_do(k->st, CH_SQL_EK_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.ek++), ch_int(d->seq),
			  ch_bytes(CH_SPAN_OF(g->ek_sha256)), ch_bytes(ch_buf_span(&g->ek_public)),
			  ch_bytes(ch_buf_span(&g->ek_cert)), ch_int((int64_t)k->now)));
	ch_kp_alias_set(k, d->seq, CH_ALIAS_EK, CH_SPAN_OF(g->ek_sha256));
}

/* What can go wrong is asked before the first write: a refusal leaves nothing behind. */
static const char *enrol_refused(struct ch_keeper *k, const struct ch_grant *g, const struct ch_device *d, bool returns)
{
	struct ch_tpm_public ak;
	enum ch_state to;
	if (ch_lifecycle_next(returns ? d->state : CH_STATE_NONE, CH_LIFE_ENROL, &to) != CH_OK)
		return "the device with this EK may not enrol";
	if (ch_kp_policy(k, ch_buf_span(&g->class_name)) == NULL)
		return "there is no policy for this device class any more";
	if (g->kind == CH_GRANT_ENROL && (ch_tpm_public_parse(&ak, ch_buf_span(&g->ak_public), NULL) != CH_OK ||
					  ch_tpm_public_check_ak(&ak, NULL) != CH_OK))
		return "the attestation key is not a restricted signing key that never leaves its TPM";
	return NULL;
}

/* What was broken stays broken until evidence says otherwise: a device does not leave a quarantine by being revoked. */
static void break_again(struct ch_keeper *k, struct ch_device *d)
{
	struct ch_link_result r[CH_LINK_COUNT];
	struct ch_chain chain;
	ch_kp_results(k, d->seq, r);
	ch_kp_chain(k, d, r, &chain);
	if (chain.broken != 0 && chain.response == CH_RESPONSE_QUARANTINE)
		(void)ch_kp_device_life(k, d, CH_LIFE_BREAK, "enrolled again with a broken link");
}

static void enrol(struct ch_keeper *k, struct ch_grant *g, struct ch_span der, uint64_t not_after)
{
	struct ch_device d;
	uint8_t cert[32];
	bool returns = returning(k, g, &d);
	const char *rule = enrol_refused(k, g, &d, returns);
	if (rule != NULL) {
		ch_kp_refuse(k, &g->who, 403, "enrolment", rule);
		return;
	}
	ch_kp_write(k);
	if (!returns)
		ch_kp_device_add(k, &d, g);
	if (g->kind == CH_GRANT_ENROL) {
		/* A device that is known by its AK comes with another EK of its TPM: that one stands now. */
		if (!ek_stands(k, &d, g))
			ek_add(k, &d, g);
		(void)ak_set(k, d.seq, ch_buf_span(&g->ak_public));
	} else {
		ch_kp_alias_set(k, d.seq, CH_ALIAS_TOKEN, CH_SPAN_OF(g->token));
		ch_sql_do(k->st, CH_SQL_TOKEN_USE,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT),
				  ch_int(ch_sql_number(
					  k->st, CH_SQL_TOKEN_GET,
					  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(g->token))), -1)),
				  ch_int((int64_t)k->now), ch_int(d.seq)));
	}
	if (g->hostname.n > 0)
		ch_kp_alias_set(k, d.seq, CH_ALIAS_HOSTNAME, ch_buf_span(&g->hostname));
	if (returns) {
		/* Credential activation is the way back; what was handed out before ends with it. */
		ch_kp_certificates_end(k, &d, CH_CERT_REVOKED, NULL, "enrolled again");
		ch_sql_do(k->st, CH_SQL_DEVICE_HOSTNAME,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d.seq), ch_text(ch_buf_span(&g->hostname))));
		(void)ch_span_copy(d.class, sizeof(d.class) - 1, ch_buf_span(&g->class_name));
		d.class[g->class_name.n < sizeof(d.class) ? g->class_name.n : sizeof(d.class) - 1] = '\0';
		d.platform = g->platform;
		d.evidence = 0;
		ch_kp_platform_set(k, &d);
		ch_kp_device_save(k, &d);
	}
	ch_kp_certificate_add(k, &d, g, der, not_after, cert);
	ch_kp_enrol_record(k, g, &d, returns, cert);
	(void)ch_kp_device_life(k, &d, CH_LIFE_ENROL, "enrolment");
	if (g->kind == CH_GRANT_TOKEN)
		key_judge(k, &d, "key");
	if (returns) {
		break_again(k, &d);
		ch_kp_device_publish(k, &d);
	}
	grant_answer(k, g, &d, der, not_after);
}

static void renewed(struct ch_keeper *k, struct ch_grant *g, struct ch_span der, uint64_t not_after)
{
	struct ch_device d;
	uint8_t cert[32];
	/* Asked again: meanwhile it may have been quarantined, or revoked. */
	bool ok = ch_kp_device_by_id(k, g->device, &d) && ch_state_admits(d.state, CH_ACCESS_RENEW);
	bool mends = ok && d.state == CH_STATE_QUARANTINED;
	if (!ok || (mends && !ch_kp_device_mended(k, &d))) {
		ch_kp_refuse(k, &g->who, 409, "state", "the state of the device changed meanwhile");
		return;
	}
	ch_kp_write(k);
	/* The old one stays good until the device comes with the new one, but for a quarantine: there it ends for good. */
	ch_kp_certificates_end(k, &d, mends ? CH_CERT_REVOKED : CH_CERT_SUPERSEDED, mends ? NULL : g->old_cert,
			       "renewal");
	ch_kp_certificate_add(k, &d, g, der, not_after, cert);
	ch_kp_enrol_record(k, g, &d, false, cert);
	if (g->soft)
		key_judge(k, &d, "key");
	if (mends)
		(void)ch_kp_device_life(k, &d, CH_LIFE_MEND, "fresh evidence and a new key");
	ch_kp_device_publish(k, &d);
	grant_answer(k, g, &d, der, not_after);
}

void ch_kp_issued(struct ch_keeper *k, uint64_t id, const struct ch_msg_issued *m)
{
	struct ch_grant **at = &k->granting;
	while (*at != NULL && (*at)->issue != id)
		at = &(*at)->next;
	struct ch_grant *g = *at;
	if (g == NULL)
		return;
	*at = g->next;
	k->granting_count--;
	if (k->log.behind)
		ch_kp_refuse(k, &g->who, 503, "log", "log and signer are not of one history: an operator must decide");
	else if (m->status != 0 || m->certificate.n == 0)
		ch_kp_refuse(k, &g->who, 400, "certificate", "the signer does not make a certificate for this key");
	else if (g->kind == CH_GRANT_RENEW)
		renewed(k, g, m->certificate, m->not_after);
	else if (g->kind == CH_GRANT_EST)
		ch_kp_est_issued(k, g, m->certificate, m->not_after);
	else if (g->kind == CH_GRANT_OPERATOR)
		ch_kp_operator_issued(k, g, m->certificate, m->not_after);
	else
		enrol(k, g, m->certificate, m->not_after);
	ch_kp_grant_free(g);
}
