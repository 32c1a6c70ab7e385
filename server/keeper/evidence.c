/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "core/platform/tpm_attest.h"
#include "core/platform/tpm_signature.h"

/*
 * Evidence: verify has judged it, the keeper checks again what gives authority (AK signature, nonce, state, idempotency) on input of
 * fixed size, and commits evidence, results, chain status, log leaf and intents in one transaction.
 */

#define MS          1000
#define INTERVAL    600  /* seconds, for a device whose class has no policy */
#define ANSWER_ROOM 1024 /* what stands around the reasons */
#define REASON_ROOM 256
#define HOUR_MS     3600000
#define STALE_MAX \
	256 /* pieces of evidence that are not fresh, of one device in an hour: what needs no challenge costs it nothing */

/* --- challenge --- */

static uint32_t interval_of(const struct ch_keeper *k, const struct ch_device *d)
{
	const struct ch_policy *p = ch_kp_policy(k, ch_span_str(d->class));
	return p != NULL ? p->interval : INTERVAL;
}

static void have_put(struct ch_json_wr *j, const char *name, int64_t size, const uint8_t sha256[static 32])
{
	ch_json_name(j, name);
	ch_json_object_begin(j);
	ch_json_named_u64(j, "size", (uint64_t)size);
	if (size > 0)
		ch_json_named_hex(j, "sha256", ch_span(sha256, 32));
	ch_json_object_end(j);
}

/* True, and it is told when to come again, if the device sent too much today. */
static bool over_quota(struct ch_keeper *k, const struct ch_who *who, const struct ch_device *d, uint64_t bytes,
		       bool history)
{
	uint32_t wait = ch_kp_quota_wait(k, d, bytes, history);
	if (wait == 0)
		return false;
	k->metric_quota++;
	ch_kp_refuse_until(k, who, "quota", "this device sent as much evidence as its class may in a day", wait);
	return true;
}

void ch_kp_challenge(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_request *m)
{
	struct ch_device d;
	if (!ch_kp_device_by_id(k, m->device, &d) || !ch_state_admits(d.state, CH_ACCESS_ATTEST)) {
		ch_kp_refuse(k, who, 403, "state", "this device may not attest");
		return;
	}
	if (over_quota(k, who, &d, 0, false))
		return;
	struct ch_logs logs;
	(void)ch_kp_logs_of(k, d.evidence, &logs);
	ch_buf_free(&logs.quote);
	if (!logs.kept)
		logs.eventlog_size = logs.ima_size = 0;
	struct ch_deployment u;
	uint8_t text[1024];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_hex(&j, "nonce", ch_span(ch_kp_nonce_new(k, d.seq), 32));
	ch_json_named_u64(&j, "expires", (k->now + CH_KEEPER_NONCE_MS) / MS);
	ch_json_named_u64(&j, "time", k->now / MS);
	ch_json_name(&j, "have");
	ch_json_object_begin(&j);
	have_put(&j, "eventlog", logs.eventlog_size, logs.eventlog_sha256);
	have_put(&j, "ima", logs.ima_size, logs.ima_sha256);
	ch_json_object_end(&j);
	ch_json_named_u64(&j, "interval", interval_of(k, &d));
	ch_json_named_u64(&j, "generation", k->generation);
	ch_json_named_u64(&j, "fleet_root", k->fleet_root);
	(void)ch_kp_deployment_last(k, d.seq, &u);
	ch_kp_update_put(&j, &u);
	ch_json_object_end(&j);
	ch_kp_answer(k, who, 200, ch_wr_span(&w));
}

/* --- context for verify --- */

static void last_counters(struct ch_msg_context *c, struct ch_span quote)
{
	struct ch_tpm_attest a;
	if (quote.n == 0 || ch_tpm_attest_parse(&a, quote, NULL) != CH_OK)
		return;
	c->has_last = 1;
	c->last_clock = a.clock;
	c->last_reset = a.reset_count;
	c->last_restart = a.restart_count;
	c->last_firmware = a.firmware_version;
}

/* Number of the values that are pinned for the device, and the document unless `to` is NULL; 0 if there are none. */
static uint64_t pinned_of(struct ch_keeper *k, int64_t device, struct ch_buf *to)
{
	uint64_t number = 0;
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_PINNED_OF_DEVICE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device)));
	if (ch_sql_next(&q)) {
		number = (uint64_t)ch_sql_int(&q, 0);
		if (to != NULL)
			ch_buf_append(to, ch_sql_bytes(&q, 2));
	}
	(void)ch_sql_end(&q);
	return number;
}

static struct ch_span beginning(const struct ch_buf *log, uint64_t n)
{
	return ch_span_sub(ch_buf_span(log), 0, n < log->n ? (size_t)n : log->n);
}

void ch_kp_context(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_context_ask *m)
{
	struct ch_device d;
	struct ch_msg_context c = { .status = 1 };
	if (!ch_kp_device_by_id(k, m->device, &d)) {
		ch_kp_send(k, who->role, who->index, CH_MSG_CONTEXT, who->id, &c);
		return;
	}
	CH_AUTO_BUF struct ch_buf ak = { 0 };
	CH_AUTO_BUF struct ch_buf ek = { 0 };
	CH_AUTO_BUF struct ch_buf eventlog = { 0 };
	CH_AUTO_BUF struct ch_buf ima = { 0 };
	CH_AUTO_BUF struct ch_buf pinned = { 0 };
	uint64_t pinned_number = pinned_of(k, d.seq, &pinned);
	struct ch_logs logs;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_AK_OF_DEVICE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d.seq)));
	if (ch_sql_next(&q))
		ch_buf_append(&ak, ch_sql_bytes(&q, 3));
	(void)ch_sql_end(&q);
	q = ch_sql_query(k->st, CH_SQL_EK_OF_DEVICE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d.seq)));
	if (ch_sql_next(&q))
		ch_buf_append(&ek, ch_sql_bytes(&q, 0));
	(void)ch_sql_end(&q);
	if (ch_kp_logs_of(k, d.evidence, &logs)) {
		/* What is not all there is not given: the device is then told to send it whole. */
		if (m->log_from > 0 && !ch_kp_eventlog_get(k, &logs, &eventlog))
			eventlog.n = 0;
		if (m->ima_from > 0 && !ch_kp_ima_get(k, d.seq, &logs, &ima))
			ima.n = 0;
	}
	c = (struct ch_msg_context){
		.state = (uint8_t)d.state,
		.platform_tier = (uint8_t)d.platform,
		.generation = k->generation,
		.evidence = (uint64_t)d.evidence,
		.class_name = ch_span_str(d.class),
		.ak_public = ch_buf_span(&ak),
		.ek_public = ch_buf_span(&ek),
		.pinned_number = pinned_number,
		.pinned = ch_buf_span(&pinned),
		.eventlog = beginning(&eventlog, m->log_from),
		.ima = beginning(&ima, m->ima_from),
	};
	last_counters(&c, ch_buf_span(&logs.quote));
	ch_kp_send(k, who->role, who->index, CH_MSG_CONTEXT, who->id, &c);
	ch_buf_free(&logs.quote);
}

/* --- commit --- */

enum ch_err ch_kp_ak_verify(struct ch_keeper *k, int64_t device, struct ch_span sig, struct ch_span msg)
{
	struct ch_sig s;
	enum ch_err err = ch_tpm_signature_parse(&s, sig, NULL);
	if (err != CH_OK)
		return err;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_AK_OF_DEVICE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device)));
	err = CH_ERR_NOTFOUND;
	if (ch_sql_next(&q)) {
		const struct ch_pub pub = { (enum ch_key_type)ch_sql_int(&q, 0), ch_sql_bytes(&q, 1),
					    ch_sql_bytes(&q, 2) };
		uint8_t id[16];
		struct ch_wr w = ch_wr(id, sizeof(id));
		ch_wr_le64(&w, (uint64_t)device);
		ch_wr_le64(&w, 0);
		const struct ch_verify_key *key = ch_keys_get(&k->keys, id, &pub);
		err = key != NULL ? ch_verify_message(key, &s, msg) : CH_ERR_KEY;
	}
	enum ch_err end = ch_sql_end(&q);
	return end != CH_OK ? end : err;
}

/*
 * What the keeper's own checks make of it. Only fresh evidence may raise a tier. A device that signs with another key, or answers a
 * challenge twice, speaks with its own certificate and lies: that breaks its boot link.
 */
enum standing { FRESH, HISTORY, REPLAY, FORGED, UNKNOWN, NO_AK };

static const struct {
	const char *cause;
	const char *reason; /* JSON; NULL: verify's reasons are all */
} standing_row[] = {
	[FRESH] = { "evidence", NULL },
	[HISTORY] = { "history", NULL },
	[REPLAY] = { "replayed",
		     "{\"link\":\"boot\",\"code\":\"replayed\",\"text\":\"the quote answers a challenge that was answered "
		     "before\"}" },
	[FORGED] = { "forged",
		     "{\"link\":\"boot\",\"code\":\"forged\",\"text\":\"the quote is not signed by the attestation key that "
		     "this device enrolled with\"}" },
};

static enum standing standing_of(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_commit *m,
				 struct ch_span extra)
{
	enum ch_err err = ch_kp_ak_verify(k, d->seq, m->sig, m->msg);
	if (err != CH_OK)
		return err == CH_ERR_NOTFOUND ? NO_AK : FORGED;
	if (m->history == 0 && ch_span_eq(extra, CH_SPAN_OF(m->nonce)) && ch_kp_nonce_take(k, d->seq, m->nonce))
		return FRESH;
	if (m->history != 0)
		return HISTORY;
	int64_t before = ch_sql_number(k->st, CH_SQL_EVIDENCE_NONCE,
				       CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_bytes(extra)), 0);
	return before > 0 ? REPLAY : UNKNOWN;
}

/* The tiers that come out of this piece of evidence; `none` where it says nothing. */
static void tiers_of(const struct ch_device *d, const struct ch_msg_commit *m, enum standing how,
		     enum ch_tier tier[static CH_LINK_COUNT])
{
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		tier[i] = ch_tier_valid(m->links[i]) ? (enum ch_tier)m->links[i] : CH_TIER_CONTRAINDICATED;
	/* That the key lives in its TPM was shown at enrolment; a quote under it shows it again, and nothing better. */
	if (tier[CH_LINK_PLATFORM] < d->platform || tier[CH_LINK_PLATFORM] == CH_TIER_NONE)
		tier[CH_LINK_PLATFORM] = d->platform;
	if (standing_row[how].reason != NULL)
		tier[CH_LINK_BOOT] = CH_TIER_CONTRAINDICATED;
}

/* A quote speaks of these, also by being silent: what it does not show is not shown any more. */
static bool quote_covers(size_t link)
{
	return link == CH_LINK_PLATFORM || link == CH_LINK_BOOT || link == CH_LINK_OS || link == CH_LINK_UPDATE;
}

/* Merges into what is known; true if a tier changed. */
static bool results_merge(struct ch_keeper *k, const struct ch_device *d, enum standing how,
			  const enum ch_tier tier[static CH_LINK_COUNT], const struct ch_judgement *judged,
			  struct ch_link_result r[static CH_LINK_COUNT])
{
	bool moved = false;
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		bool set = how == FRESH ? tier[i] != CH_TIER_NONE || (quote_covers(i) && r[i].tier != CH_TIER_NONE)
					: tier[i] != CH_TIER_NONE && tier[i] > r[i].tier;
		/* What was never judged fresh cannot be made to stand by history, unless as broken. */
		if (how != FRESH && r[i].tier == CH_TIER_NONE && tier[i] != CH_TIER_CONTRAINDICATED)
			set = false;
		if (!set)
			continue;
		moved = moved || r[i].tier != tier[i];
		r[i].tier = tier[i];
		if (how == FRESH)
			r[i].at = k->now / MS;
		ch_sql_do(k->st, CH_SQL_RESULT_SET,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int((int64_t)i), ch_int(tier[i]),
				  ch_int((int64_t)k->now), ch_int((int64_t)(r[i].at * MS)), ch_int(judged->evidence),
				  ch_int((int64_t)judged->generation)));
	}
	return moved;
}

static void evidence_add(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_commit *m,
			 enum standing how, int64_t seq, const enum ch_tier tier[static CH_LINK_COUNT],
			 const struct ch_logs *logs, struct ch_span extra, struct ch_span reasons)
{
	uint8_t tiers[CH_LINK_COUNT];
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		tiers[i] = (uint8_t)tier[i];
	ch_sql_do(k->st, CH_SQL_EVIDENCE_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_int(d->seq), ch_int((int64_t)k->now),
			  ch_int((int64_t)(m->collected & INT64_MAX)), ch_int(how == FRESH),
			  ch_int((int64_t)(m->generation & INT64_MAX)), ch_int(d->chain), ch_bytes(CH_SPAN_OF(tiers)),
			  ch_bytes(extra), ch_bytes(m->msg), ch_bytes(m->sig),
			  ch_bytes(CH_SPAN_OF(logs->eventlog_sha256)), ch_int(logs->eventlog_size),
			  ch_bytes(CH_SPAN_OF(logs->ima_sha256)), ch_int(logs->ima_size), ch_int(logs->epoch),
			  ch_text(m->result), ch_text(reasons), ch_int(logs->kept), ch_int((int64_t)m->pinned),
			  ch_span_all(CH_SPAN_OF(m->ostree), 0) ? ch_null() : ch_bytes(CH_SPAN_OF(m->ostree)),
			  ch_text(m->agent)));
}

/* The reasons, with the keeper's own one in front if it has one. */
static void reasons_put(struct ch_wr *w, struct ch_span reasons, enum standing how)
{
	const char *own = standing_row[how].reason;
	struct ch_span inner = reasons.n > 2 ? ch_span_sub(reasons, 1, reasons.n - 2) : CH_SPAN_EMPTY;
	ch_wr_str(w, "[");
	if (own != NULL)
		ch_wr_str(w, own);
	if (own != NULL && inner.n > 0)
		ch_wr_str(w, ",");
	ch_wr_put(w, inner);
	ch_wr_str(w, "]");
}

/* A fresh quote affirms a device in quarantine: it may ask for a certificate for a new key, which ends it. */
static bool may_mend(struct ch_keeper *k, const struct ch_device *d)
{
	const struct ch_policy *p = ch_kp_policy(k, ch_span_str(d->class));
	return p != NULL && p->release == CH_RELEASE_AUTOMATIC && ch_kp_device_mended(k, d);
}

static void commit_answer(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_commit *m,
			  const struct ch_device *d, const struct ch_link_result r[static CH_LINK_COUNT],
			  int64_t evidence, struct ch_span reasons)
{
	size_t cap = reasons.n + ANSWER_ROOM;
	CH_AUTO_FREE uint8_t *text = ch_calloc(cap, 1);
	struct ch_deployment u;
	uint8_t links[512];
	struct ch_wr lw = ch_wr(links, sizeof(links));
	struct ch_json_wr j = ch_json_wr(&lw, false);
	ch_json_object_begin(&j);
	ch_kp_links_put(&j, r);
	(void)ch_kp_deployment_last(k, d->seq, &u);
	ch_kp_update_put(&j, &u);
	ch_json_object_end(&j);
	struct ch_span lspan = ch_wr_span(&lw);
	struct ch_wr w = ch_wr(text, cap);
	/* By hand, because the reasons are verify's text and the keeper parses no JSON. */
	ch_wr_str(&w, "{\"chain\":\"");
	ch_wr_str(&w, ch_tier_str(d->chain));
	ch_wr_str(&w, "\",\"state\":\"");
	ch_wr_str(&w, ch_state_str(d->state));
	ch_wr_str(&w, "\",");
	ch_wr_put(&w, ch_span_sub(lspan, 1, lspan.n - 2));
	ch_wr_str(&w, ",\"reasons\":");
	ch_wr_put(&w, reasons);
	ch_wr_str(&w, ",\"evidence\":");
	ch_wr_dec(&w, (uint64_t)evidence);
	ch_wr_str(&w, may_mend(k, d) ? ",\"renew\":true,\"reattest_in\":" : ",\"renew\":false,\"reattest_in\":");
	ch_wr_dec(&w, interval_of(k, d));
	ch_wr_str(&w, "}");
	if (m->idempotency_key.n > 0)
		ch_sql_do(k->st, CH_SQL_REQUEST_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.request++), ch_int(d->seq),
				  ch_bytes(m->idempotency_key), ch_int((int64_t)k->now), ch_int(200),
				  ch_text(ch_wr_span(&w))));
	ch_kp_answer(k, who, 200, ch_wr_span(&w));
}

/* The device that is seen with its new certificate needs the older ones no more. */
static void supersede(struct ch_keeper *k, const struct ch_device *d, const uint8_t cert[static 32])
{
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_CERTIFICATE_NEWEST, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq)));
	bool newest = ch_sql_next(&q) && ch_span_eq(ch_sql_bytes(&q, 0), ch_span(cert, 32));
	(void)ch_sql_end(&q);
	if (newest)
		ch_kp_certificates_end(k, d, CH_CERT_SUPERSEDED, cert, "superseded");
}

/* What this piece brought, and what is kept of what was made of it. */
static uint64_t sent_bytes(const struct ch_msg_commit *m)
{
	return m->eventlog.n + m->ima.n + m->msg.n + m->sig.n + m->result.n + m->reasons.n;
}

/* The first answer, if this key was used before. */
static bool answered_before(struct ch_keeper *k, const struct ch_who *who, const struct ch_device *d,
			    struct ch_span key)
{
	if (key.n == 0)
		return false;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_REQUEST_GET,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_bytes(key)));
	bool found = ch_sql_next(&q);
	if (found)
		ch_kp_answer(k, who, (unsigned)ch_sql_int(&q, 0), ch_sql_bytes(&q, 1));
	return ch_sql_end(&q) == CH_OK && found;
}

static void take(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_commit *m, struct ch_device *d,
		 enum standing how, const struct ch_tpm_attest *quote)
{
	enum ch_tier tier[CH_LINK_COUNT], all[CH_LINK_COUNT];
	struct ch_link_result r[CH_LINK_COUNT];
	struct ch_logs logs;
	int64_t seq = k->n.evidence;
	if (!ch_kp_logs_put(k, d, m, how == FRESH, &logs)) {
		ch_kp_refuse(k, who, 409, "log-join",
			     "the logs that this one continues are not there any more: send it from 0");
		return;
	}
	k->n.evidence++;
	tiers_of(d, m, how, tier);
	ch_kp_results(k, d->seq, r);
	struct ch_judgement judged = {
		.evidence = seq,
		.generation = m->generation,
		.fresh = how == FRESH,
		.cause = standing_row[how].cause,
	};
	ch_kp_quota_take(k, d, sent_bytes(m));
	/* What a device runs is judged here, where releases are known; `tier` is what the evidence alone says, for whoever judges it again. */
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		all[i] = tier[i];
	if (how == FRESH)
		all[CH_LINK_UPDATE] = ch_kp_update_judge(k, d, m, quote->reset_count, tier[CH_LINK_BOOT], seq);
	judged.moved = results_merge(k, d, how, all, &judged, r);
	if (how == FRESH) {
		d->evidence = seq;
		d->fresh_time = (int64_t)k->now;
		d->reattest = false;
		supersede(k, d, m->cert_sha256);
	}
	ch_kp_device_judge(k, d, r, &judged);
	size_t cap = m->reasons.n + REASON_ROOM;
	CH_AUTO_FREE uint8_t *text = ch_calloc(cap, 1);
	struct ch_wr w = ch_wr(text, cap);
	reasons_put(&w, m->reasons, how);
	evidence_add(k, d, m, how, seq, tier, &logs, quote->extra_data, ch_wr_span(&w));
	commit_answer(k, who, m, d, r, seq, ch_wr_span(&w));
}

void ch_kp_commit(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_commit *m)
{
	struct ch_device d;
	struct ch_tpm_attest quote;
	if (!ch_kp_device_by_id(k, m->device, &d) || !ch_state_admits(d.state, CH_ACCESS_ATTEST)) {
		ch_kp_refuse(k, who, 403, "state", "this device may not attest");
		return;
	}
	if (answered_before(k, who, &d, m->idempotency_key))
		return;
	if (ch_tpm_attest_parse(&quote, m->msg, NULL) != CH_OK || quote.type != CH_TPM_ST_ATTEST_QUOTE) {
		ch_kp_refuse(k, who, 400, "quote", "what was signed is no quote");
		return;
	}
	/* The verdict names the generation that it can be recomputed with. */
	if (m->generation == 0 || m->generation != k->generation) {
		ch_kp_refuse(k, who, 503, "generation",
			     "the evidence was judged by a generation that is not in force: send it again");
		return;
	}
	if (over_quota(k, who, &d, sent_bytes(m), m->history != 0))
		return;
	if (m->pinned != pinned_of(k, d.seq, NULL)) {
		ch_kp_refuse(k, who, 503, "pinned",
			     "the values pinned for this device changed meanwhile: send it again");
		return;
	}
	if ((m->log_from > 0 || m->ima_from > 0) && m->after != (uint64_t)d.evidence) {
		ch_kp_refuse(k, who, 409, "log-join", "other evidence of this device came in between: send it from 0");
		return;
	}
	enum standing how = standing_of(k, &d, m, quote.extra_data);
	if (how == UNKNOWN)
		ch_kp_refuse(k, who, 409, "nonce",
			     "the quote answers no challenge that is outstanding: ask for another");
	else if (how == NO_AK)
		ch_kp_refuse(k, who, 403, "no-ak",
			     "this device enrolled without a TPM: it has no key that could sign a quote");
	else if (how != FRESH &&
		 ch_sql_number(k->st, CH_SQL_EVIDENCE_STALE_SINCE,
			       CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d.seq), ch_int((int64_t)k->now - HOUR_MS)),
			       STALE_MAX) >= STALE_MAX)
		ch_kp_refuse(k, who, 429, "history", "this device sent 256 pieces of old evidence in an hour");
	else
		take(k, who, m, &d, how, &quote);
}

void ch_kp_fatal_input(struct ch_keeper *k, const struct ch_msg_fatal_input *m)
{
	struct ch_device d;
	uint8_t text[256];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	bool known = ch_kp_device_by_id(k, m->device, &d);
	ch_json_object_begin(&j);
	ch_json_named_hex(&j, "device", CH_SPAN_OF(m->device));
	ch_json_named_hex(&j, "body", CH_SPAN_OF(m->body_sha256));
	ch_json_named_u64(&j, "route", m->route);
	ch_json_object_end(&j);
	ch_kp_event(k, known ? d.seq : 0, "fatal-input", ch_wr_span(&w));
}
