/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "server/ipc/routes.h"

#define TICK_MAX_MS 1000u
#define STALE_MS    1000u
#define STALE_BATCH 100

#define SQL_TEXT(name, text) text,
const char *const ch_keeper_sql[] = { CH_KEEPER_SQL(SQL_TEXT) };
const size_t ch_keeper_sql_count = CH_COUNT_OF(ch_keeper_sql);

/* --- one function a message: the message types of the table below carry their structs --- */

typedef void (*handler)(struct ch_keeper *k, const struct ch_who *who, const void *msg);

#define HANDLER(name, type, call)                                                        \
	static void name(struct ch_keeper *k, const struct ch_who *who, const void *msg) \
	{                                                                                \
		const struct ch_msg_##type *m = msg;                                     \
		call;                                                                    \
	}
HANDLER(on_context_ask, context_ask, ch_kp_context(k, who, m))
HANDLER(on_enrol_pending, enrol_pending, ch_kp_enrol_pending(k, who, m))
HANDLER(on_enrol_finish, enrol_finish, ch_kp_enrol_finish(k, who, m))
HANDLER(on_enrol_token, enrol_token, ch_kp_enrol_token(k, who, m))
HANDLER(on_commit, commit, ch_kp_commit(k, who, m))
HANDLER(on_renew, renew, ch_kp_renew(k, who, m))
HANDLER(on_est_enrol, est_enrol, ch_kp_est(k, who, m))
HANDLER(on_action, action, ch_kp_action(k, who, m))
HANDLER(on_feedback, feedback, ch_kp_feedback(k, who, m))
HANDLER(on_ddi_feedback, ddi_feedback, ch_kp_ddi_feedback(k, who, m))
HANDLER(on_ddi_config, ddi_config, ch_kp_ddi_config(k, who, m))
HANDLER(on_fatal_input, fatal_input, (void)who; ch_kp_fatal_input(k, m))
HANDLER(on_issued, issued, ch_kp_issued(k, who->id, m))
HANDLER(on_checkpoint, checkpoint, ch_kp_checkpoint(k, who->id, m))
HANDLER(on_ocsp_sign, ocsp_sign, ch_kp_ocsp_sign(k, who, m))
HANDLER(on_ocsp, ocsp, ch_kp_ocsp(k, who->id, m))
HANDLER(on_crl, crl, ch_kp_crl(k, who->id, m))
HANDLER(on_crl_earlier, crl_earlier, ch_kp_crl_earlier(k, who->id, m))
HANDLER(on_cut_done, cut_done, ch_kp_cut_done(k, who->index, m))
HANDLER(on_generation_taken, generation_taken, ch_kp_generation_taken(k, who->index, m))

static void on_request(struct ch_keeper *k, const struct ch_who *who, const void *msg)
{
	const struct ch_msg_request *m = msg;
	if (ch_span_eq(m->path, CH_SPAN_LIT("/v1/challenge")))
		ch_kp_challenge(k, who, m);
	else if (m->route == CH_ROUTE_ARTIFACT_PUT)
		ch_kp_artifact_put(k, who, m);
	else
		ch_kp_refuse(k, who, 404, "route", "the keeper answers no such request");
}

static const struct {
	enum ch_msg type;
	handler run;
	bool writes; /* refused while nothing may be written */
} handlers[] = {
	{ CH_MSG_REQUEST, on_request, false },
	{ CH_MSG_CONTEXT_ASK, on_context_ask, false },
	{ CH_MSG_ENROL_PENDING, on_enrol_pending, true },
	{ CH_MSG_ENROL_FINISH, on_enrol_finish, true },
	{ CH_MSG_ENROL_TOKEN, on_enrol_token, true },
	{ CH_MSG_COMMIT, on_commit, true },
	{ CH_MSG_RENEW, on_renew, true },
	{ CH_MSG_EST_ENROL, on_est_enrol, true },
	{ CH_MSG_ACTION, on_action, true },
	{ CH_MSG_FEEDBACK, on_feedback, true },
	{ CH_MSG_DDI_FEEDBACK, on_ddi_feedback, true },
	{ CH_MSG_DDI_CONFIG, on_ddi_config, true },
	{ CH_MSG_FATAL_INPUT, on_fatal_input, false },
	{ CH_MSG_ISSUED, on_issued, false },
	{ CH_MSG_CHECKPOINT, on_checkpoint, false },
	{ CH_MSG_CUT_DONE, on_cut_done, false },
	{ CH_MSG_OCSP_SIGN, on_ocsp_sign, false },
	{ CH_MSG_OCSP, on_ocsp, false },
	{ CH_MSG_CRL, on_crl, false },
	{ CH_MSG_CRL_EARLIER, on_crl_earlier, false },
	{ CH_MSG_GENERATION_TAKEN, on_generation_taken, false },
};

static void clock_read(struct ch_keeper *k)
{
	uint64_t wall = k->env.wall_ms(k->env.ctx);
	uint64_t mono = k->env.mono_ms(k->env.ctx);
	/*
	 * Times in the store only grow. Where somebody sets the clock back they go on, or evidence would never be too old; at half
	 * the speed, so that the clock catches up.
	 */
	if (k->now != 0 && mono > k->mono)
		k->now += (mono - k->mono + 1) / 2;
	k->mono = mono;
	if (wall > k->now)
		k->now = wall;
	ch_kp_clock_check(k, wall);
}

void ch_keeper_message(struct ch_keeper *k, enum ch_role from, unsigned index, enum ch_msg type, uint64_t id,
		       const void *msg)
{
	const struct ch_who who = { from, index, id };
	clock_read(k);
	ch_store_hold(k->st);
	for (size_t i = 0; i < CH_COUNT_OF(handlers); i++) {
		if (handlers[i].type != type)
			continue;
		if (handlers[i].writes && k->log.behind)
			ch_kp_refuse(k, &who, 503, "log",
				     "log and signer are not of one history: an operator must decide");
		else if (handlers[i].writes && !k->log.known)
			ch_kp_refuse(k, &who, 503, "starting", "the log's signer has not said yet where the log is");
		else
			handlers[i].run(k, &who, msg);
		return;
	}
}

enum ch_err ch_keeper_reload(struct ch_keeper *k, struct ch_span config)
{
	clock_read(k);
	return ch_kp_reseed(k, config);
}

/* --- peers --- */

void ch_keeper_peer(struct ch_keeper *k, enum ch_role role, unsigned index, bool up)
{
	clock_read(k);
	if (role == CH_ROLE_SIGNER) {
		k->signer = up;
		k->log.in_flight_id = 0;
		if (up) {
			ch_kp_log_sync(k);
			ch_kp_revocations_sync(k);
		} else {
			ch_kp_grants_fail(k);
			ch_kp_ocsp_fail(k);
			ch_kp_crl_fail(k);
		}
		return;
	}
	if (index >= CH_KEEPER_EDGES_MAX)
		return;
	if (role == CH_ROLE_EDGE) {
		k->edge[index] = up;
		ch_kp_cuts_edge(k, index, up);
		if (up) {
			ch_kp_crl_edge(k, index);
			ch_kp_ocsp_edge(k);
		}
	}
	if (role == CH_ROLE_VERIFY) {
		k->verify[index] = up;
		k->refuses[index] = false;
		ch_kp_generation_send(k, index);
	}
}

/* --- turns --- */

static bool commit(struct ch_keeper *k)
{
	enum ch_err err = ch_store_commit(k->st);
	if (err == CH_OK) {
		k->metric_commits += k->turn_writes > 0;
		k->turn_writes = 0;
		return true;
	}
	/* The next process has the reserve's room to start in. */
	if (err == CH_ERR_LIMIT)
		(void)k->env.reserve(k->env.ctx, false);
	k->out_count = 0;
	k->out_bytes.n = 0;
	k->env.fatal(k->env.ctx, ch_store_why(k->st));
	return false;
}

void ch_keeper_turn(struct ch_keeper *k)
{
	clock_read(k);
	if (!commit(k))
		return;
	/* All only after the commit: they tell others of what is now durable. */
	ch_kp_log_send(k);
	ch_kp_cuts_send(k);
	ch_kp_revocations_send(k);
	if (commit(k))
		ch_kp_flush(k);
}

/* --- time --- */

static bool may_write(const struct ch_keeper *k)
{
	return k->log.known && !k->log.behind;
}

/* Devices whose evidence grew too old, or whose policy changed. */
static void stale_check(struct ch_keeper *k)
{
	int64_t seq[STALE_BATCH];
	size_t n = 0;
	if (k->mono < k->stale_due || !may_write(k))
		return;
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_DEVICE_STALE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->now)));
	while (n < STALE_BATCH && ch_sql_next(&q))
		seq[n++] = ch_sql_int(&q, 0);
	(void)ch_sql_end(&q);
	for (size_t i = 0; i < n; i++) {
		struct ch_device d;
		struct ch_link_result r[CH_LINK_COUNT];
		if (!ch_kp_device_by_seq(k, seq[i], &d))
			continue;
		const struct ch_judgement how = { .evidence = d.evidence,
						  .generation = k->generation,
						  .cause = "time" };
		ch_kp_results(k, d.seq, r);
		ch_kp_device_judge(k, &d, r, &how);
	}
	/* A full batch means that there are more. */
	k->stale_due = n == STALE_BATCH ? k->mono : k->mono + STALE_MS;
}

uint64_t ch_keeper_tick(struct ch_keeper *k)
{
	clock_read(k);
	ch_kp_disk_check(k);
	ch_kp_grants_expire(k);
	stale_check(k);
	ch_kp_ocsp_tick(k);
	if (may_write(k)) {
		ch_kp_rollouts_turn(k);
		ch_kp_retain(k);
		k->digested = k->digested || !ch_kp_artifact_digest(k);
		k->links_loaded = k->links_loaded || !ch_kp_ddi_links_load(k);
	}
	return ch_keeper_due(k);
}

uint64_t ch_keeper_due(const struct ch_keeper *k)
{
	bool batch = k->log.next > k->log.signed_size || !k->log.known || (may_write(k) && k->stale_due <= k->mono) ||
		     (may_write(k) && (!k->digested || !k->links_loaded));
	uint64_t due = batch ? CH_KEEPER_BATCH_MS : TICK_MAX_MS;
	return ch_kp_ocsp_due(k, ch_kp_revocations_due(k, due));
}

/* --- life --- */

struct ch_keeper *ch_keeper_new(const struct ch_keeper_config *config, char why[static CH_STORE_WHY])
{
	struct ch_keeper *k = ch_calloc(1, sizeof(*k));
	k->st = config->store;
	k->view = config->view;
	k->env = *config->env;
	clock_read(k);
	/* Ids of requests to the signer differ from those of the process before, whose answers may still come. */
	ch_kp_random(&k->ids, 4);
	k->ids <<= 20;
	if (ch_kp_start(k, config->config, why) == CH_OK)
		return k;
	ch_keeper_free(k);
	return NULL;
}

static void grants_free(struct ch_grant *g)
{
	while (g != NULL) {
		struct ch_grant *next = g->next;
		ch_kp_grant_free(g);
		g = next;
	}
}

void ch_keeper_free(struct ch_keeper *k)
{
	if (k == NULL)
		return;
	ch_keys_clear(&k->keys);
	for (size_t i = 0; i < k->class_count; i++)
		ch_buf_free(&k->class[i].image);
	grants_free(k->pending);
	grants_free(k->granting);
	while (k->cuts != NULL) {
		struct ch_cut *next = k->cuts->next;
		ch_free(k->cuts);
		k->cuts = next;
	}
	ch_buf_free(&k->image);
	ch_buf_free(&k->ca_pem);
	ch_profiles_clear(&k->profiles);
	ch_buf_free(&k->log.hashes);
	for (size_t i = 0; i < CH_COUNT_OF(k->crl); i++)
		ch_buf_free(&k->crl[i].list);
	ch_kp_ocsp_clear(k);
	ch_buf_free(&k->out_bytes);
	ch_free(k->out);
	if (k->nonce != NULL)
		ch_wipe(k->nonce, k->nonce_cap * sizeof(*k->nonce));
	ch_free(k->nonce);
	ch_free(k);
}

enum ch_err ch_keeper_backup(struct ch_keeper *k, const char *path)
{
	return ch_store_backup(k->st, path);
}

void ch_keeper_metrics(const struct ch_keeper *k, struct ch_wr *w)
{
	size_t cuts = 0;
	for (const struct ch_cut *c = k->cuts; c != NULL; c = c->next)
		cuts++;
	const struct {
		const char *name, *type;
		uint64_t value;
	} row[] = {
		{ "chainhold_keeper_commits_total", "counter", k->metric_commits },
		{ "chainhold_keeper_answers_total", "counter", k->metric_requests },
		{ "chainhold_keeper_cuts_total", "counter", k->metric_cuts },
		{ "chainhold_keeper_cut_milliseconds_total", "counter", k->metric_cut_ms },
		{ "chainhold_keeper_cuts_open", "gauge", cuts },
		{ "chainhold_keeper_enrolments_pending", "gauge", k->pending_count },
		{ "chainhold_keeper_generation", "gauge", k->generation },
		{ "chainhold_keeper_generation_refused", "gauge", k->refused },
		{ "chainhold_keeper_log_leaves", "gauge", k->log.next },
		{ "chainhold_keeper_log_signed", "gauge", k->log.signed_size },
		{ "chainhold_keeper_log_behind", "gauge", k->log.behind },
		{ "chainhold_keeper_disk_tight", "gauge", k->tight },
		{ "chainhold_keeper_clock_alarm", "gauge", ch_kp_clock_doubtful(k) },
		{ "chainhold_keeper_quota_refused_total", "counter", k->metric_quota },
		{ "chainhold_keeper_rollouts_running", "gauge", k->rollouts_running },
		{ "chainhold_keeper_rollouts_halted", "gauge", k->rollouts_halted },
		{ "chainhold_keeper_records_erased_total", "counter", k->metric_erased },
		{ "chainhold_keeper_revocations", "gauge", (uint64_t)k->n.revocation - 1 },
		{ "chainhold_keeper_revocation_list_number", "gauge", k->crl[0].told.number },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		ch_wr_str(w, "# TYPE ");
		ch_wr_str(w, row[i].name);
		ch_wr_str(w, " ");
		ch_wr_str(w, row[i].type);
		ch_wr_str(w, "\n");
		ch_wr_str(w, row[i].name);
		ch_wr_str(w, " ");
		ch_wr_dec(w, row[i].value);
		ch_wr_str(w, "\n");
	}
}
