/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/verbs.h"

#include "core/base/text.h"
#include "core/boot/reference.h"
#include "host/crypto_openssl/pubkey.h"

#define MS                 1000
#define PROFILE_OPERATOR   2
#define OPERATOR_LIFETIME  (398u * 24 * 3600) /* seconds: what the signer issues at most */
#define TOKEN_PAYLOAD      40
#define TOKEN_LIFETIME_MAX (90u * 24 * 3600)

struct verb {
	const char *(*refused)(struct ch_keeper *k, struct ch_act *a, unsigned *status);
	void (*run)(struct ch_keeper *k, struct ch_act *a);
	enum ch_life life; /* of the verbs that are a step of a device's life */
	bool later;        /* it is done and answered when the signer has made a certificate */
};

/* --- devices --- */

static const char *device_find(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	uint8_t id[16];
	*status = 404;
	if (ch_hex_decode(id, sizeof(id), a->action.subject) != CH_OK || !ch_kp_device_by_id(k, id, &a->device))
		return "there is no such device";
	a->class_name = ch_span_str(a->device.class);
	*status = 409;
	return NULL;
}

static const struct verb *verb_of(const struct ch_act *a);

static const char *life_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	enum ch_state to;
	const char *rule = device_find(k, a, status);
	if (rule != NULL)
		return rule;
	return ch_lifecycle_next(a->device.state, verb_of(a)->life, &to) == CH_OK
		       ? NULL
		       : "the state of the device does not allow it";
}

static void life_run(struct ch_keeper *k, struct ch_act *a)
{
	(void)ch_kp_device_life(k, &a->device, verb_of(a)->life, "operator");
}

static const char *reattest_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	const char *rule = device_find(k, a, status);
	if (rule != NULL)
		return rule;
	return ch_state_admits(a->device.state, CH_ACCESS_ATTEST) ? NULL : "the state of the device does not allow it";
}

static void reattest_run(struct ch_keeper *k, struct ch_act *a)
{
	a->device.reattest = true;
	ch_kp_device_save(k, &a->device);
	ch_kp_device_publish(k, &a->device);
}

/* --- what evidence is judged by --- */

static const char *class_find(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	*status = 404;
	a->class_name = a->action.subject;
	return ch_kp_policy(k, a->action.subject) != NULL ? NULL : "there is no policy for this device class";
}

static int64_t reference_known(struct ch_keeper *k, const struct ch_act *a)
{
	return ch_sql_number(
		k->st, CH_SQL_REFERENCE_FIND,
		CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(a->class_name), ch_bytes(CH_SPAN_OF(a->action.payload))), 0);
}

static const char *baseline_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	const char *rule = class_find(k, a, status);
	if (rule != NULL)
		return rule;
	*status = 409;
	if (reference_known(k, a) == 0 &&
	    ch_sql_number(k->st, CH_SQL_REFERENCE_COUNT, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(a->class_name)),
			  0) >= CH_REF_DOCS_MAX - 1)
		return "the class has as many reference documents as can be judged by: 31, and one of a device";
	*status = 413;
	return k->image.n + a->payload.n + 128 < CH_IPC_IMAGE_MAX ? NULL : "the generation would be too large";
}

static void baseline_run(struct ch_keeper *k, struct ch_act *a)
{
	if (reference_known(k, a) == 0)
		ch_sql_do(k->st, CH_SQL_REFERENCE_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.reference++), ch_text(a->class_name),
				  ch_bytes(CH_SPAN_OF(a->action.payload)), ch_bytes(a->payload),
				  ch_int((int64_t)k->now), ch_int(a->seq)));
	ch_kp_generation_compose(k);
}

static const char *retire_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	*status = 404;
	a->class_name = a->action.subject;
	return reference_known(k, a) > 0 ? NULL : "the class has no such reference values in force";
}

/* Every device of the class is asked for evidence, and judged without them; the ticks tell the view. */
static void retire_run(struct ch_keeper *k, struct ch_act *a)
{
	ch_sql_do(k->st, CH_SQL_REFERENCE_RETIRE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(a->class_name), ch_bytes(CH_SPAN_OF(a->action.payload)),
			  ch_int((int64_t)k->now), ch_int(a->seq)));
	ch_sql_do(k->st, CH_SQL_DEVICE_CLASS_ASK,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(a->class_name), ch_int((int64_t)k->now),
			  ch_int(CH_STATE_ENROLLED), ch_int(CH_STATE_TRUSTED), ch_int(CH_STATE_QUARANTINED)));
	ch_kp_generation_compose(k);
}

/* --- what one device is judged by --- */

static const char *pin_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	const char *rule = device_find(k, a, status);
	if (rule != NULL)
		return rule;
	if (!ch_state_admits(a->device.state, CH_ACCESS_ATTEST))
		return "the state of the device does not allow it";
	*status = 413;
	return a->payload.n <= CH_IPC_JSON_MAX ? NULL : "values pinned for one device have at most 1 MiB";
}

/* What it is judged by is another from now on: it is asked for evidence. */
static void pin_changed(struct ch_keeper *k, struct ch_act *a)
{
	ch_sql_do(k->st, CH_SQL_PINNED_END,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(a->device.seq), ch_int((int64_t)k->now)));
	reattest_run(k, a);
}

static void pin_run(struct ch_keeper *k, struct ch_act *a)
{
	pin_changed(k, a);
	ch_sql_do(k->st, CH_SQL_PINNED_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.pinned++), ch_int(a->device.seq),
			  ch_bytes(CH_SPAN_OF(a->action.payload)), ch_bytes(a->payload), ch_int((int64_t)k->now),
			  ch_int(a->seq)));
}

static const char *unpin_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	const char *rule = device_find(k, a, status);
	if (rule != NULL)
		return rule;
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_PINNED_OF_DEVICE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(a->device.seq)));
	bool there = ch_sql_next(&q);
	return ch_sql_end(&q) == CH_OK && there ? NULL : "nothing is pinned for this device";
}

static const char *policy_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	struct ch_policy p;
	*status = 400;
	a->class_name = a->action.subject;
	if (ch_policy_parse(&p, a->payload, NULL) != CH_OK)
		return "the payload is no policy image";
	if (!ch_span_eq(p.class, a->action.subject))
		return "the policy is of another class than the subject";
	*status = 409;
	return ch_kp_policy(k, p.class) != NULL || k->class_count < CH_KEEPER_CLASSES_MAX ? NULL
											  : "too many device classes";
}

static void policy_run(struct ch_keeper *k, struct ch_act *a)
{
	ch_sql_do(k->st, CH_SQL_CLASS_SET,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(a->class_name), ch_bytes(a->payload),
			  ch_int((int64_t)k->now), ch_int(a->seq)));
	/* Every device of the class is judged by it, in the next ticks. */
	ch_sql_do(k->st, CH_SQL_DEVICE_CLASS_DUE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(a->class_name), ch_int((int64_t)k->now)));
	if (ch_kp_classes_load(k) != CH_OK)
		k->env.fatal(k->env.ctx, "a policy in the store cannot be read");
	ch_kp_generation_compose(k);
	/* What those in quarantine may fetch. */
	ch_kp_deployments_publish(k);
}

/* --- who may enrol --- */

static const char *ek_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	uint8_t digest[32];
	*status = 400;
	if (ch_hex_decode(digest, sizeof(digest), a->action.subject) != CH_OK)
		return "the subject is no digest";
	if (ch_ek_class_parse(&a->class_name, a->payload) != CH_OK)
		return "the payload of ek.allow is a class, a certificate, or nothing";
	*status = 404;
	return a->class_name.n == 0 || ch_kp_policy(k, a->class_name) != NULL
		       ? NULL
		       : "there is no policy for this device class";
}

static void ek_run(struct ch_keeper *k, struct ch_act *a)
{
	uint8_t digest[32] = { 0 };
	enum ch_ek_verdict verdict = a->action.verb == CH_VERB_EK_ALLOW ? CH_EK_ALLOW : CH_EK_DENY;
	(void)!ch_hex_decode(digest, sizeof(digest), a->action.subject);
	ch_sql_do(k->st, CH_SQL_EK_LIST_SET,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(digest)), ch_int(verdict),
			  ch_text(a->class_name), ch_int((int64_t)k->now), ch_int(a->seq)));
}

static uint64_t token_expires(const struct ch_act *a)
{
	struct ch_rd r = ch_rd(ch_span_sub(a->payload, 32, 8));
	return ch_rd_be64(&r);
}

static const char *token_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	const char *rule = class_find(k, a, status);
	if (rule != NULL)
		return rule;
	*status = 400;
	if (a->payload.n != TOKEN_PAYLOAD)
		return "the payload of token.create is a digest and a time of expiry";
	uint64_t expires = token_expires(a);
	if (expires <= k->now / MS || expires > k->now / MS + TOKEN_LIFETIME_MAX)
		return "a token expires within 90 days";
	struct ch_query q = ch_sql_query(k->st, CH_SQL_TOKEN_GET,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_span_sub(a->payload, 0, 32))));
	bool there = ch_sql_next(&q);
	*status = 409;
	return ch_sql_end(&q) != CH_OK || there ? "this token exists already" : NULL;
}

static void token_run(struct ch_keeper *k, struct ch_act *a)
{
	ch_sql_do(k->st, CH_SQL_TOKEN_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.token++), ch_bytes(ch_span_sub(a->payload, 0, 32)),
			  ch_text(a->class_name), ch_int((int64_t)k->now), ch_int((int64_t)(token_expires(a) * MS))));
}

/* --- operators --- */

static const char *operator_add_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	struct ch_pubkey key;
	struct ch_digest id;
	*status = 400;
	if (a->payload.n < 2 || a->payload.p[0] <= CH_OPERATOR_NONE || a->payload.p[0] >= CH_OPERATOR_COUNT)
		return "the payload of operator.add is a role and a public key";
	struct ch_span spki = ch_span_sub(a->payload, 1, a->payload.n - 1);
	if (spki.n > CH_IPC_SPKI_MAX || ch_pubkey_from_der(&key, spki) != CH_OK ||
	    (key.pub.type != CH_KEY_ED25519 && key.pub.type != CH_KEY_P256))
		return "an operator's key is Ed25519 or P-256";
	if (ch_hash_once(CH_HASH_SHA256, spki, &id) != CH_OK)
		return "the key cannot be hashed";
	*status = 409;
	if (ch_sql_number(k->st, CH_SQL_OPERATOR_KEY_KNOWN,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_digest_span(&id))), 1) != 0)
		return "this key is, or was, an operator's";
	struct ch_query q = ch_sql_query(k->st, CH_SQL_OPERATOR_NAMED,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(a->action.subject)));
	bool there = ch_sql_next(&q);
	return ch_sql_end(&q) != CH_OK || there ? "there is an operator of this name" : NULL;
}

static void operator_add_ask(struct ch_keeper *k, const struct ch_who *who, const struct ch_act *a)
{
	struct ch_digest id;
	struct ch_span spki = ch_span_sub(a->payload, 1, a->payload.n - 1);
	if (ch_hash_once(CH_HASH_SHA256, spki, &id) != CH_OK)
		return;
	struct ch_grant *g = ch_calloc(1, sizeof(*g));
	g->kind = CH_GRANT_OPERATOR;
	g->who = *who;
	g->action = a->seq;
	g->operator_role = a->payload.p[0];
	(void)ch_span_copy(g->device, sizeof(g->device), ch_digest_span(&id));
	ch_buf_append(&g->spki, spki);
	ch_buf_append(&g->name, a->action.subject);
	ch_buf_append(&g->canonical, a->canonical);
	ch_kp_grant_ask(k, g, PROFILE_OPERATOR, g->device, OPERATOR_LIFETIME);
}

void ch_kp_operator_publish(struct ch_keeper *k, const uint8_t key[static 32], unsigned role,
			    const uint8_t cert[static 32], uint64_t not_after, bool revoked)
{
	struct ch_view_record r = { .kind = CH_VIEW_OPERATOR, .role = (uint8_t)role, .not_after = not_after };
	r.pending = revoked ? CH_VIEW_REVOKED : 0;
	(void)ch_span_copy(r.cert_sha256, sizeof(r.cert_sha256), ch_span(cert, 32));
	(void)ch_span_copy(r.operator_key, sizeof(r.operator_key), ch_span(key, 32));
	if (ch_view_put(k->view, &r) != CH_OK)
		k->env.fatal(k->env.ctx, "the fleet view is full: raise `devices` in the configuration");
}

void ch_kp_operator_issued(struct ch_keeper *k, const struct ch_grant *g, struct ch_span der, uint64_t not_after)
{
	struct ch_act a = { .canonical = ch_buf_span(&g->canonical), .seq = g->action, .signatures = 1 };
	struct ch_pubkey key;
	struct ch_digest id, cert, canonical;
	uint8_t pem[CH_IPC_CERT_MAX * 3 / 2];
	unsigned status;
	if (ch_action_parse(&a.action, a.canonical, NULL) != CH_OK ||
	    ch_pubkey_from_der(&key, ch_buf_span(&g->spki)) != CH_OK ||
	    ch_hash_once(CH_HASH_SHA256, ch_buf_span(&g->spki), &id) != CH_OK ||
	    ch_hash_once(CH_HASH_SHA256, a.canonical, &canonical) != CH_OK ||
	    ch_hash_once(CH_HASH_SHA256, der, &cert) != CH_OK) {
		ch_kp_refuse(k, &g->who, 500, "internal", "the operator's key cannot be read again");
		return;
	}
	(void)ch_span_copy(a.sha256, sizeof(a.sha256), ch_digest_span(&canonical));
	/* Two actions may have waited for the signer at once. */
	CH_AUTO_BUF struct ch_buf payload = { 0 };
	ch_buf_append(&payload, ch_span(&g->operator_role, 1));
	ch_buf_append(&payload, ch_buf_span(&g->spki));
	a.payload = ch_buf_span(&payload);
	const char *rule = operator_add_refused(k, &a, &status);
	if (rule != NULL) {
		ch_kp_refuse(k, &g->who, status, "subject", rule);
		return;
	}
	ch_kp_write(k);
	a.signatures = (unsigned)ch_sql_number(k->st, CH_SQL_SIGNATURE_COUNT,
					       CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(a.seq)), 0);
	ch_sql_do(k->st, CH_SQL_OPERATOR_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.operator++), ch_bytes(ch_digest_span(&id)),
			  ch_text(ch_buf_span(&g->name)), ch_int(g->operator_role), ch_int(key.pub.type),
			  ch_bytes(key.pub.a), ch_bytes(key.pub.b), ch_bytes(ch_digest_span(&cert)),
			  ch_int((int64_t)not_after), ch_int((int64_t)k->now)));
	ch_kp_issued_add(k, CH_SPAN_OF(g->serial), ch_digest_span(&cert), (int64_t)not_after);
	ch_kp_operator_publish(k, id.b, g->operator_role, cert.b, not_after, false);
	struct ch_wr w = ch_wr(pem, sizeof(pem));
	ch_kp_pem_put(&w, der);
	ch_act_done(k, &g->who, &a, ch_act_record(k, &a), ch_wr_span(&w));
}

struct named {
	uint8_t key[32], cert[32];
	unsigned role;
};

static bool operator_named(struct ch_keeper *k, struct ch_span name, struct named *o)
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_OPERATOR_NAMED, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(name)));
	bool there = ch_sql_next(&q) && ch_sql_copy(&q, 0, o->key, 32) && ch_sql_copy(&q, 1, o->cert, 32);
	o->role = there ? (unsigned)ch_sql_int(&q, 2) : CH_OPERATOR_NONE;
	return ch_sql_end(&q) == CH_OK && there;
}

static const char *operator_remove_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	struct named o;
	*status = 404;
	if (!operator_named(k, a->action.subject, &o))
		return "there is no operator of this name";
	*status = 409;
	int64_t admins = ch_sql_number(k->st, CH_SQL_OPERATOR_ADMINS,
				       CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(CH_OPERATOR_ADMIN)), 0);
	return o.role == CH_OPERATOR_ADMIN && admins < 2 ? "the last admin cannot be removed" : NULL;
}

static void operator_remove_run(struct ch_keeper *k, struct ch_act *a)
{
	struct named o;
	if (!operator_named(k, a->action.subject, &o))
		return;
	ch_sql_do(k->st, CH_SQL_OPERATOR_END,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(a->action.subject), ch_int((int64_t)k->now)));
	ch_kp_operator_publish(k, o.key, CH_OPERATOR_NONE, o.cert, 0, true);
	ch_kp_issued_revoke(k, CH_SPAN_OF(o.cert), CH_CRL_CESSATION);
	ch_kp_cut(k, NULL, o.cert, "operator removed");
}

/* --- the table --- */

static const char *assign_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	const char *rule = device_find(k, a, status);
	return rule != NULL ? rule : ch_kp_assign_refused(k, a, status);
}

static const char *cancel_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	const char *rule = device_find(k, a, status);
	return rule != NULL ? rule : ch_kp_cancel_refused(k, a, status);
}

static const struct verb verbs[CH_VERB_COUNT] = {
	[CH_VERB_DEVICE_QUARANTINE] = { life_refused, life_run, CH_LIFE_BREAK, false },
	[CH_VERB_DEVICE_RELEASE] = { life_refused, life_run, CH_LIFE_RELEASE, false },
	[CH_VERB_DEVICE_REVOKE] = { life_refused, life_run, CH_LIFE_REVOKE, false },
	[CH_VERB_DEVICE_DECOMMISSION] = { life_refused, life_run, CH_LIFE_DECOMMISSION, false },
	[CH_VERB_DEVICE_REATTEST] = { reattest_refused, reattest_run, CH_LIFE_COUNT, false },
	[CH_VERB_BASELINE_APPROVE] = { baseline_refused, baseline_run, CH_LIFE_COUNT, false },
	[CH_VERB_POLICY_APPLY] = { policy_refused, policy_run, CH_LIFE_COUNT, false },
	[CH_VERB_EK_ALLOW] = { ek_refused, ek_run, CH_LIFE_COUNT, false },
	[CH_VERB_EK_DENY] = { ek_refused, ek_run, CH_LIFE_COUNT, false },
	[CH_VERB_TOKEN_CREATE] = { token_refused, token_run, CH_LIFE_COUNT, false },
	[CH_VERB_OPERATOR_ADD] = { operator_add_refused, NULL, CH_LIFE_COUNT, true },
	[CH_VERB_FLEET_ROOT_PUBLISH] = { ch_kp_fleet_root_refused, ch_kp_fleet_root_run, CH_LIFE_COUNT, false },
	[CH_VERB_OPERATOR_REMOVE] = { operator_remove_refused, operator_remove_run, CH_LIFE_COUNT, false },
	[CH_VERB_DEVICE_PIN] = { pin_refused, pin_run, CH_LIFE_COUNT, false },
	[CH_VERB_DEVICE_UNPIN] = { unpin_refused, pin_changed, CH_LIFE_COUNT, false },
	[CH_VERB_BASELINE_RETIRE] = { retire_refused, retire_run, CH_LIFE_COUNT, false },
	[CH_VERB_ENROLMENT_APPROVE] = { ch_est_decide_refused, ch_est_decide_run, CH_LIFE_COUNT, false },
	[CH_VERB_ENROLMENT_REFUSE] = { ch_est_decide_refused, ch_est_decide_run, CH_LIFE_COUNT, false },
	[CH_VERB_CLOCK_ACCEPT] = { ch_clock_accept_refused, ch_clock_accept_run, CH_LIFE_COUNT, false },
	[CH_VERB_RELEASE_PUBLISH] = { ch_kp_release_refused, ch_kp_release_run, CH_LIFE_COUNT, false },
	[CH_VERB_RELEASE_WITHDRAW] = { ch_kp_withdraw_refused, ch_kp_withdraw_run, CH_LIFE_COUNT, false },
	[CH_VERB_UPDATE_ASSIGN] = { assign_refused, ch_kp_assign_run, CH_LIFE_COUNT, false },
	[CH_VERB_UPDATE_CANCEL] = { cancel_refused, ch_kp_cancel_run, CH_LIFE_COUNT, false },
	[CH_VERB_CERTIFICATE_IMPORT] = { ch_cert_import_refused, ch_cert_import_run, CH_LIFE_COUNT, false },
	[CH_VERB_ROLLOUT_CREATE] = { ch_rollout_create_refused, ch_rollout_create_run, CH_LIFE_COUNT, false },
	[CH_VERB_ROLLOUT_PAUSE] = { ch_rollout_act_refused, ch_rollout_act_run, CH_LIFE_COUNT, false },
	[CH_VERB_ROLLOUT_RESUME] = { ch_rollout_act_refused, ch_rollout_act_run, CH_LIFE_COUNT, false },
	[CH_VERB_ROLLOUT_ABORT] = { ch_rollout_act_refused, ch_rollout_act_run, CH_LIFE_COUNT, false },
	[CH_VERB_REVOCATION_IMPORT] = { ch_revocation_import_refused, ch_revocation_import_run, CH_LIFE_COUNT, false },
};

static const struct verb *verb_of(const struct ch_act *a)
{
	return &verbs[a->action.verb];
}

const char *ch_verb_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	return verb_of(a)->refused(k, a, status);
}

void ch_verb_run(struct ch_keeper *k, const struct ch_who *who, struct ch_act *a)
{
	if (verb_of(a)->later) {
		operator_add_ask(k, who, a);
		return;
	}
	uint64_t leaf = ch_act_record(k, a);
	verb_of(a)->run(k, a);
	ch_act_done(k, who, a, leaf, CH_SPAN_EMPTY);
}
