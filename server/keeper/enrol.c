/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "core/platform/tpm_attest.h"

/*
 * Enrolment: what may ask for a certificate. The secret that only the TPM with this EK could decrypt is what admits (TPM 2.0 Part 1,
 * 24: credential activation); it is compared here, in constant time, once.
 */

/* --- pending --- */

static void pending_drop(struct ch_keeper *k, struct ch_grant **at)
{
	struct ch_grant *g = *at;
	*at = g->next;
	k->pending_count--;
	ch_kp_grant_free(g);
}

/* Takes out the pending enrolment with this id; NULL if there is none. */
static struct ch_grant *pending_take(struct ch_keeper *k, const uint8_t enrol[static 16])
{
	for (struct ch_grant **at = &k->pending; *at != NULL; at = &(*at)->next) {
		struct ch_grant *g = *at;
		if (!ch_span_eq(CH_SPAN_OF(g->enrol), ch_span(enrol, 16)))
			continue;
		*at = g->next;
		g->next = NULL;
		k->pending_count--;
		return g;
	}
	return NULL;
}

/* One a key: a device that begins again forgets what it began before. */
static void pending_forget(struct ch_keeper *k, const uint8_t ek_sha256[static 32])
{
	struct ch_grant **at = &k->pending;
	while (*at != NULL) {
		if (ch_span_eq(CH_SPAN_OF((*at)->ek_sha256), ch_span(ek_sha256, 32)))
			pending_drop(k, at);
		else
			at = &(*at)->next;
	}
}

void ch_kp_grants_expire(struct ch_keeper *k)
{
	struct ch_grant **at = &k->pending;
	while (*at != NULL) {
		if ((*at)->until <= k->mono)
			pending_drop(k, at);
		else
			at = &(*at)->next;
	}
}

/* --- who may --- */

#define HOUR_S 3600u
#define CERTIFICATES_MAX \
	32 /* of one device in an hour: each takes a place in the fleet view that it never gives back */

bool ch_kp_certified_enough(struct ch_keeper *k, const struct ch_device *d)
{
	int64_t since = (int64_t)(k->now / 1000) - HOUR_S;
	return ch_sql_number(k->st, CH_SQL_CERTIFICATE_RECENT,
			     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(since)), 0) >= CERTIFICATES_MAX;
}

struct listed {
	enum ch_ek_verdict verdict; /* 0: not listed */
	char class[CH_GENERATION_NAME_MAX + 1];
};

static struct listed listed_as(struct ch_keeper *k, const uint8_t ek_sha256[static 32])
{
	struct listed l = { 0 };
	struct ch_query q = ch_sql_query(k->st, CH_SQL_EK_LIST_GET,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_span(ek_sha256, 32))));
	if (ch_sql_next(&q)) {
		l.verdict = (enum ch_ek_verdict)ch_sql_int(&q, 0);
		(void)ch_span_copy(l.class, sizeof(l.class) - 1, ch_sql_bytes(&q, 1));
	}
	/* A list that cannot be read denies. */
	if (ch_sql_end(&q) != CH_OK)
		l.verdict = CH_EK_DENY;
	return l;
}

bool ch_kp_device_of_keys(struct ch_keeper *k, const uint8_t ek_sha256[static 32], struct ch_span ak_public,
			  struct ch_device *d)
{
	int64_t seq = ch_sql_number(k->st, CH_SQL_EK_DEVICE,
				    CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_span(ek_sha256, 32))), -1);
	/* The AK certified the device's key for this EK: whose AK it was, its TPM is the same. */
	if (seq < 0)
		seq = ch_sql_number(k->st, CH_SQL_AK_DEVICE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ak_public)),
				    -1);
	return seq >= 0 && ch_kp_device_by_seq(k, seq, d);
}

/* A denied EK denies its TPM, whichever EK that comes with. */
static bool denied(struct ch_keeper *k, const struct ch_device *d)
{
	return ch_sql_number(k->st, CH_SQL_EK_DENIED_OF_DEVICE,
			     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(CH_EK_DENY)), 1) > 0;
}

/* The operator's list decides, then what the device was, then what it says, then the only class there is. */
static struct ch_span class_of(const struct ch_keeper *k, const struct listed *l, const struct ch_device *known,
			       struct ch_span said)
{
	if (l->class[0] != '\0')
		return ch_span_str(l->class);
	if (known != NULL)
		return ch_span_str(known->class);
	if (said.n > 0 || k->class_count != 1)
		return said;
	return k->class[0].policy.class;
}

/* NULL if the EK may enrol as what its device says to be; else the code of the refusal, with its rule. */
static const char *ek_refused(const struct ch_policy *p, const struct listed *l, enum ch_tier platform,
			      struct ch_span said, const char **rule)
{
	if (l->class[0] != '\0' && said.n > 0 && !ch_span_eq(said, ch_span_str(l->class))) {
		*rule = "an operator allowed this EK for another class than the device claims (ek.allow)";
		return "ek-class";
	}
	if (l->verdict == CH_EK_ALLOW)
		return NULL;
	if (platform != CH_TIER_AFFIRMING) {
		*rule = "no trusted root vouches for this EK, and no operator allowed it (ek.allow)";
		return "ek-untrusted";
	}
	if (p->ek == CH_EK_ANY_ROOT)
		return NULL;
	*rule = "the policy of the class takes only EKs that an operator allowed (ek.allow)";
	return "ek-not-listed";
}

static struct ch_grant *grant_new(enum ch_grant_kind kind, const struct ch_who *who)
{
	struct ch_grant *g = ch_calloc(1, sizeof(*g));
	g->kind = kind;
	g->who = *who;
	return g;
}

static void pending_add(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_enrol_pending *m,
			struct ch_span class_name, enum ch_tier platform)
{
	pending_forget(k, m->ek_sha256);
	struct ch_grant *g = grant_new(CH_GRANT_ENROL, who);
	g->until = k->mono + CH_KEEPER_NONCE_MS;
	g->platform = platform;
	(void)ch_span_copy(g->enrol, sizeof(g->enrol), CH_SPAN_OF(m->enrol));
	(void)ch_span_copy(g->secret, sizeof(g->secret), CH_SPAN_OF(m->secret));
	(void)ch_span_copy(g->ek_sha256, sizeof(g->ek_sha256), CH_SPAN_OF(m->ek_sha256));
	ch_buf_append(&g->class_name, class_name);
	ch_buf_append(&g->hostname, m->hostname);
	ch_buf_append(&g->ek_public, m->ek_public);
	ch_buf_append(&g->ek_cert, m->ek_cert);
	ch_buf_append(&g->ak_public, m->ak_public);
	ch_buf_append(&g->spki, m->key_spki);
	g->next = k->pending;
	k->pending = g;
	k->pending_count++;
}

void ch_kp_enrol_pending(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_enrol_pending *m)
{
	struct ch_device known;
	const char *rule = NULL;
	struct listed l = listed_as(k, m->ek_sha256);
	bool is_known = ch_kp_device_of_keys(k, m->ek_sha256, m->ak_public, &known);
	struct ch_span class_name = class_of(k, &l, is_known ? &known : NULL, m->class_name);
	const struct ch_policy *p = ch_kp_policy(k, class_name);
	enum ch_tier platform = m->platform_tier == CH_TIER_AFFIRMING ? CH_TIER_AFFIRMING : CH_TIER_WARNING;
	if (l.verdict == CH_EK_DENY || (is_known && denied(k, &known))) {
		ch_kp_refuse(k, who, 403, "ek-denied", "an operator denied this EK, or another one of this TPM");
		return;
	}
	if (is_known && known.state == CH_STATE_DECOMMISSIONED) {
		ch_kp_refuse(k, who, 403, "decommissioned",
			     "the device with this EK, or with this AK, was decommissioned, which is final");
		return;
	}
	if (is_known && ch_kp_certified_enough(k, &known)) {
		ch_kp_refuse(k, who, 429, "certificates", "this device had 32 certificates in an hour");
		return;
	}
	if (p == NULL) {
		ch_kp_refuse(k, who, 400, "class", "there is no policy for this device class");
		return;
	}
	const char *code = ek_refused(p, &l, platform, m->class_name, &rule);
	if (code != NULL) {
		ch_kp_refuse(k, who, 403, code, rule);
		return;
	}
	if (k->pending_count >= CH_KEEPER_PENDING_MAX) {
		ch_kp_refuse(k, who, 503, "busy", "too many enrolments are waiting for their secret");
		return;
	}
	/* An operator's signed word for an EK is an endorsement like its maker's. */
	pending_add(k, who, m, class_name, l.verdict == CH_EK_ALLOW ? CH_TIER_AFFIRMING : platform);
	ch_kp_answer(k, who, 200, CH_SPAN_LIT("{}"));
}

static uint64_t lifetime_of(const struct ch_keeper *k, struct ch_span class_name)
{
	const struct ch_policy *p = ch_kp_policy(k, class_name);
	return p != NULL ? p->lifetime : CH_POLICY_LIFETIME_MIN;
}

void ch_kp_enrol_finish(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_enrol_finish *m)
{
	struct ch_grant *g = pending_take(k, m->enrol);
	bool ok = g != NULL && g->until > k->mono && ch_ct_eq(CH_SPAN_OF(g->secret), CH_SPAN_OF(m->secret));
	if (!ok) {
		ch_kp_grant_free(g);
		ch_kp_refuse(k, who, 403, "activation",
			     "no such enrolment is waiting, or this is not its secret: begin again");
		return;
	}
	/* Meanwhile an operator may have denied it, or bound it to another class. */
	struct listed l = listed_as(k, g->ek_sha256);
	bool other = l.class[0] != '\0' && !ch_span_eq(ch_span_str(l.class), ch_buf_span(&g->class_name));
	if (l.verdict == CH_EK_DENY || other) {
		ch_kp_grant_free(g);
		ch_kp_refuse(k, who, 403, other ? "ek-class" : "ek-denied",
			     other ? "an operator allowed this EK for another class meanwhile"
				   : "an operator denied this EK");
		return;
	}
	struct ch_device known;
	g->who = *who;
	if (ch_kp_device_of_keys(k, g->ek_sha256, ch_buf_span(&g->ak_public), &known))
		(void)ch_span_copy(g->device, sizeof(g->device), CH_SPAN_OF(known.id));
	else
		ch_kp_ordered(k, g->device);
	ch_kp_grant_ask(k, g, 1, g->device, lifetime_of(k, ch_buf_span(&g->class_name)));
}

/* --- token --- */

void ch_kp_enrol_token(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_enrol_token *m)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_TOKEN_GET,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(m->token_sha256))));
	bool ok = ch_sql_next(&q) && ch_sql_int(&q, 3) == 0 && ch_sql_int(&q, 2) > (int64_t)k->now;
	CH_AUTO_BUF struct ch_buf class_name = { 0 };
	if (ok)
		ch_buf_append(&class_name, ch_sql_bytes(&q, 1));
	if (ch_sql_end(&q) != CH_OK || !ok) {
		ch_kp_refuse(k, who, 403, "token", "this token does not exist, has expired, or was used");
		return;
	}
	const struct ch_policy *p = ch_kp_policy(k, ch_buf_span(&class_name));
	if (p == NULL || !p->token) {
		ch_kp_refuse(k, who, 403, "token-refused", "the policy of the class takes no tokens");
		return;
	}
	/* While the signer works on it nobody else may use it. */
	for (const struct ch_grant *o = k->granting; o != NULL; o = o->next) {
		if (o->kind == CH_GRANT_TOKEN && ch_span_eq(CH_SPAN_OF(o->token), CH_SPAN_OF(m->token_sha256))) {
			ch_kp_refuse(k, who, 409, "token", "this token is being used");
			return;
		}
	}
	struct ch_grant *g = grant_new(CH_GRANT_TOKEN, who);
	(void)ch_span_copy(g->token, sizeof(g->token), CH_SPAN_OF(m->token_sha256));
	g->platform = CH_TIER_WARNING;
	ch_kp_ordered(k, g->device);
	ch_buf_append(&g->class_name, ch_buf_span(&class_name));
	ch_buf_append(&g->hostname, m->hostname);
	ch_buf_append(&g->spki, m->key_spki);
	ch_kp_grant_ask(k, g, 1, g->device, p->lifetime);
}

/* --- renewal --- */

static bool has_ak(struct ch_keeper *k, const struct ch_device *d)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_AK_OF_DEVICE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq)));
	bool there = ch_sql_next(&q);
	/* What cannot be read has one: then a signature is asked for. */
	return ch_sql_end(&q) != CH_OK || there;
}

/* What shows that the key is the device's: its AK, or the session under the certificate that it has. */
static const char *renew_proof_refused(struct ch_keeper *k, const struct ch_device *d, const struct ch_policy *p,
				       const struct ch_msg_renew *m, const char **rule)
{
	struct ch_tpm_attest a;
	if (m->certify.n == 0 && m->certify_sig.n == 0 && !has_ak(k, d)) {
		*rule = "the policy of the class takes no tokens: a device without a TPM may not renew";
		return p->token ? NULL : "token-refused";
	}
	*rule = "the new key is not certified by the attestation key of this device";
	return ch_tpm_attest_parse(&a, m->certify, NULL) == CH_OK && a.type == CH_TPM_ST_ATTEST_CERTIFY &&
			       ch_kp_ak_verify(k, d->seq, m->certify_sig, m->certify) == CH_OK
		       ? NULL
		       : "signature";
}

/* NULL if it may; else the code, with status and rule. */
static const char *renew_refused(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_renew *m,
				 unsigned *status, const char **rule)
{
	const struct ch_policy *p = ch_kp_policy(k, ch_span_str(d->class));
	*status = 403;
	if (!ch_state_admits(d->state, CH_ACCESS_RENEW) || p == NULL) {
		*rule = "this device may not renew";
		return "state";
	}
	const char *code = renew_proof_refused(k, d, p, m, rule);
	if (code != NULL)
		return code;
	/* The key that it has: nothing is issued. */
	if (m->certify.n == 0 && ch_kp_key_shown(k, d, m, NULL))
		return NULL;
	*status = 409;
	if (ch_sql_number(k->st, CH_SQL_CERTIFICATE_SPKI,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_bytes(m->key_spki)), 1) != 0) {
		*rule = "this key had a certificate before: make a new one";
		return "key";
	}
	*status = 429;
	*rule = "this device had 32 certificates in an hour";
	if (ch_kp_certified_enough(k, d))
		return "certificates";
	*status = 409;
	if (d->state != CH_STATE_QUARANTINED)
		return NULL;
	*rule = "a quarantine ends with fresh evidence that affirms the chain";
	if (!ch_kp_device_mended(k, d))
		return "not-affirmed";
	*rule = "the policy of the class leaves the release to two operators (device.release)";
	return p->release == CH_RELEASE_AUTOMATIC ? NULL : "two-operators";
}

void ch_kp_renew(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_renew *m)
{
	struct ch_device d;
	unsigned status = 403;
	const char *rule = "there is no such device";
	const char *code = ch_kp_device_by_id(k, m->device, &d) ? renew_refused(k, &d, m, &status, &rule) : "state";
	if (code != NULL) {
		ch_kp_refuse(k, who, status, code, rule);
		return;
	}
	if (m->certify.n == 0 && ch_kp_key_shown(k, &d, m, who))
		return;
	struct ch_grant *g = grant_new(CH_GRANT_RENEW, who);
	(void)ch_span_copy(g->device, sizeof(g->device), CH_SPAN_OF(d.id));
	(void)ch_span_copy(g->old_cert, sizeof(g->old_cert), CH_SPAN_OF(m->cert_sha256));
	g->soft = m->certify.n == 0;
	ch_buf_append(&g->spki, m->key_spki);
	ch_kp_grant_ask(k, g, 1, g->device, lifetime_of(k, ch_span_str(d.class)));
}
