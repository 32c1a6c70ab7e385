/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/verbs.h"

/*
 * What operators decide. A session admits to sending an action; what counts is the signature over its canonical bytes, verified
 * here with the key that is stored, and the number of different operators that the policy wants.
 */

#define MS         1000
#define PAST_MAX   86400 /* seconds: the second signature may come a day later */
#define FUTURE_MAX 600
#define KEY_ID     32

struct signer {
	uint8_t key[KEY_ID];
	struct ch_span signature;
};

/* The rows of a message; false if they are malformed, none, or one operator twice. */
static bool signers_take(struct ch_span rows, struct signer *s, size_t *count)
{
	struct ch_rd r = ch_rd(rows);
	*count = 0;
	while (ch_rd_left(&r) > 0 && *count < CH_KEEPER_SIGNERS_MAX) {
		struct signer *one = &s[(*count)++];
		(void)ch_span_copy(one->key, sizeof(one->key), ch_rd_take(&r, KEY_ID));
		size_t n = ch_rd_u8(&r);
		one->signature = ch_rd_take(&r, n);
		for (size_t i = 0; i + 1 < *count; i++) {
			if (ch_span_eq(CH_SPAN_OF(s[i].key), CH_SPAN_OF(one->key)))
				return false;
		}
	}
	return ch_rd_done(&r) && *count > 0;
}

static const char *signer_refused(struct ch_keeper *k, const struct signer *s, const struct ch_act *a)
{
	const char *rule = "a signature is of a key that is no operator's";
	struct ch_query q = ch_sql_query(k->st, CH_SQL_OPERATOR_GET,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(s->key))));
	if (ch_sql_next(&q)) {
		const struct ch_pub pub = { (enum ch_key_type)ch_sql_int(&q, 1), ch_sql_bytes(&q, 2),
					    ch_sql_bytes(&q, 3) };
		struct ch_verify_key key;
		rule = "a signature does not hold";
		if (ch_verify_key_init(&key, &pub) == CH_OK &&
		    ch_action_verify(&key, a->canonical, s->signature) == CH_OK)
			rule = NULL;
		ch_verify_key_clear(&key);
		if (rule == NULL && !ch_operator_may((enum ch_operator_role)ch_sql_int(&q, 0), a->action.verb))
			rule = "an operator of this role may not sign this verb";
	}
	return ch_sql_end(&q) == CH_OK ? rule : "the store cannot be read";
}

/* --- the steps before anything is written --- */

static const char *form_refused(const struct ch_keeper *k, const struct ch_act *a)
{
	struct ch_digest h;
	if (a->action.tenant != CH_KEEPER_TENANT)
		return "there is no such tenant";
	if (a->action.has_payload != (a->payload.n > 0))
		return "the payload is not the one that was signed";
	if (a->payload.n > 0 && (ch_hash_once(CH_HASH_SHA256, a->payload, &h) != CH_OK ||
				 !ch_span_eq(ch_digest_span(&h), CH_SPAN_OF(a->action.payload))))
		return "the payload is not the one that was signed";
	/* What is signed about the clock is not judged by it; it names the alarm, which is open once. */
	if (a->action.verb == CH_VERB_CLOCK_ACCEPT)
		return NULL;
	if (a->action.time + PAST_MAX < k->now / MS || a->action.time > k->now / MS + FUTURE_MAX)
		return "the time of the action is more than a day ago, or ahead of the server's clock";
	return NULL;
}

/* Whoever may do these alone is two operators whenever he likes. */
static bool makes_rules(enum ch_verb verb)
{
	return verb == CH_VERB_POLICY_APPLY || verb == CH_VERB_OPERATOR_ADD || verb == CH_VERB_OPERATOR_REMOVE;
}

static bool wants_two(const struct ch_policy *p)
{
	return p->two_signatures != 0 || p->release == CH_RELEASE_TWO_OPERATORS;
}

/* A rollout assigns updates: it needs what one of them does. */
static unsigned policy_signatures(const struct ch_policy *p, enum ch_verb verb)
{
	unsigned n = ch_policy_signatures(p, verb);
	unsigned assign = ch_policy_signatures(p, CH_VERB_UPDATE_ASSIGN);
	bool assigns = verb == CH_VERB_ROLLOUT_CREATE || verb == CH_VERB_ROLLOUT_RESUME;
	return assigns && assign > n ? assign : n;
}

static unsigned signatures_needed(struct ch_keeper *k, const struct ch_act *a)
{
	unsigned needed = 1;
	bool of_class = ch_verb_of_class(a->action.verb);
	/* A single admin is all there is: two of them can be asked for from the second on. */
	bool two_admins = ch_sql_number(k->st, CH_SQL_OPERATOR_ADMINS,
					CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(CH_OPERATOR_ADMIN)), 2) >= 2;
	for (size_t i = 0; i < k->class_count; i++) {
		const struct ch_policy *p = &k->class[i].policy;
		unsigned n = policy_signatures(p, a->action.verb);
		if (two_admins && makes_rules(a->action.verb) && wants_two(p))
			n = 2;
		if ((!of_class || ch_span_eq(p->class, a->class_name)) && n > needed)
			needed = n;
	}
	return needed;
}

static bool done_before(struct ch_keeper *k, const struct ch_who *who, struct ch_act *a)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_ACTION_FIND,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(a->sha256))));
	bool done = false;
	if (ch_sql_next(&q)) {
		a->seq = ch_sql_int(&q, 0);
		done = ch_sql_int(&q, 1) == CH_ACTION_DONE;
		if (done)
			ch_kp_answer(k, who, 200, ch_sql_bytes(&q, 2));
	}
	return ch_sql_end(&q) == CH_OK && done;
}

/* --- what is written --- */

static void action_store(struct ch_keeper *k, struct ch_act *a, const struct signer *s, size_t count)
{
	ch_kp_write(k);
	if (a->seq < 0) {
		a->seq = k->n.action++;
		ch_sql_do(k->st, CH_SQL_ACTION_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(a->seq), ch_bytes(CH_SPAN_OF(a->sha256)),
				  ch_text_str(ch_verb_str(a->action.verb)), ch_text(a->action.subject),
				  ch_text(a->action.reason), ch_bytes(a->canonical), ch_bytes(a->payload),
				  ch_int((int64_t)k->now), ch_int((int64_t)a->needed), ch_text(CH_SPAN_EMPTY)));
	}
	for (size_t i = 0; i < count; i++)
		ch_sql_do(k->st, CH_SQL_SIGNATURE_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(a->seq), ch_bytes(CH_SPAN_OF(s[i].key)),
				  ch_bytes(s[i].signature), ch_int((int64_t)k->now)));
	a->signatures = (unsigned)ch_sql_number(k->st, CH_SQL_SIGNATURE_COUNT,
						CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(a->seq)), 0);
}

static void action_head(struct ch_json_wr *j, const struct ch_act *a)
{
	ch_json_named_u64(j, "action", (uint64_t)a->seq);
	ch_json_named_str(j, "verb", ch_verb_str(a->action.verb));
	ch_json_named_span(j, "subject", a->action.subject);
}

uint64_t ch_act_record(struct ch_keeper *k, const struct ch_act *a)
{
	uint8_t text[4096];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", "action");
	action_head(&j, a);
	ch_json_named_span(&j, "reason", a->action.reason);
	ch_json_named_hex(&j, "canonical", CH_SPAN_OF(a->sha256));
	ch_json_named_u64(&j, "signatures", a->signatures);
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	int64_t device = a->device.seq;
	uint64_t leaf = ch_kp_leaf(k, CH_LEAF_ACTION, device, ch_wr_span(&w));
	ch_kp_event(k, device, "action", ch_wr_span(&w));
	return leaf;
}

void ch_act_done(struct ch_keeper *k, const struct ch_who *who, const struct ch_act *a, uint64_t leaf,
		 struct ch_span certificate)
{
	uint8_t text[16384];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	action_head(&j, a);
	ch_json_named_str(&j, "state", "done");
	ch_json_named_u64(&j, "leaf", leaf);
	if (certificate.n > 0) {
		ch_json_named_span(&j, "certificate", certificate);
		ch_json_named_span(&j, "chain", ch_buf_span(&k->ca_pem));
	}
	ch_json_object_end(&j);
	ch_sql_do(k->st, CH_SQL_ACTION_STATE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(a->seq), ch_int(CH_ACTION_DONE), ch_text(ch_wr_span(&w))));
	ch_kp_answer(k, who, 200, ch_wr_span(&w));
}

static void waits(struct ch_keeper *k, const struct ch_who *who, const struct ch_act *a)
{
	uint8_t text[1024];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	action_head(&j, a);
	ch_json_named_str(&j, "state", "waiting");
	ch_json_named_u64(&j, "signatures", a->signatures);
	ch_json_named_u64(&j, "needed", a->needed);
	ch_json_object_end(&j);
	ch_kp_event(k, a->device.seq, "action", ch_wr_span(&w));
	ch_kp_answer(k, who, 202, ch_wr_span(&w));
}

void ch_kp_action(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_action *m)
{
	struct ch_act a = { .canonical = m->action, .payload = m->payload, .seq = -1 };
	struct signer s[CH_KEEPER_SIGNERS_MAX];
	struct ch_digest h;
	size_t count;
	const char *rule = "the action cannot be read";
	struct ch_diag d;
	if (ch_action_parse(&a.action, m->action, &d) != CH_OK ||
	    ch_hash_once(CH_HASH_SHA256, m->action, &h) != CH_OK) {
		ch_kp_refuse(k, who, 400, "action", d.rule != NULL ? d.rule : rule);
		return;
	}
	(void)ch_span_copy(a.sha256, sizeof(a.sha256), ch_digest_span(&h));
	if (!signers_take(m->signatures, s, &count)) {
		ch_kp_refuse(k, who, 400, "signatures", "one to four signatures, each of another operator");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		rule = signer_refused(k, &s[i], &a);
		if (rule != NULL) {
			ch_kp_refuse(k, who, 403, "signature", rule);
			return;
		}
	}
	if (done_before(k, who, &a))
		return;
	rule = form_refused(k, &a);
	if (rule != NULL) {
		ch_kp_refuse(k, who, 400, "action", rule);
		return;
	}
	unsigned status = 409;
	rule = ch_verb_refused(k, &a, &status);
	if (rule != NULL) {
		ch_kp_refuse(k, who, status, "subject", rule);
		return;
	}
	a.needed = signatures_needed(k, &a);
	action_store(k, &a, s, count);
	if (a.signatures < a.needed)
		waits(k, who, &a);
	else
		ch_verb_run(k, who, &a);
}
