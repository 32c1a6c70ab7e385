/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/ask.h"

#include "host/sys/log.h"

#define CH_READER_SQL_TEXT(name, text) text,
const char *const ch_reader_sql[] = { CH_READER_SQL(CH_READER_SQL_TEXT) };
#undef CH_READER_SQL_TEXT
const size_t ch_reader_sql_count = CH_COUNT_OF(ch_reader_sql);

#define MS          1000
#define WAITING_MAX 256  /* requests that wait for the signer */
#define SIGNER_MS   5000 /* how long one does at most */
#define ORIGIN_MAX  256
#define DDI_SLEEP_S 300  /* between two polls, where the configuration says nothing */
#define DEADLINE_MS 5000 /* of a request at most, however long its client would wait */
#define LATE_RULE   "the answer takes too long: ask for less"
#define SIGNER_RULE "the signer does not answer: ask again"

struct waiting {
	uint64_t id; /* of the question to the signer; 0: free */
	unsigned edge;
	uint64_t edge_id;
	uint64_t until; /* monotonic ms */
};

struct ch_reader {
	struct ch_store *st;
	struct ch_reader_env env;
	char origin[ORIGIN_MAX];
	uint32_t ddi_sleep; /* seconds */
	struct waiting waiting[WAITING_MAX];
	uint64_t ids;
	uint64_t deadline; /* of the request that is being answered, monotonic ms */
	uint64_t metric_requests, metric_refused, metric_late;
};

/* --- routes --- */

/* What is not here is not the reader's: the edge never sends it. */
static ch_page *const page[CH_ROUTE_COUNT] = {
	[CH_ROUTE_DEVICE_STATUS] = ch_page_device_status,
	[CH_ROUTE_STATUS] = ch_page_status,
	[CH_ROUTE_DEVICES] = ch_page_devices,
	[CH_ROUTE_DEVICE] = ch_page_device,
	[CH_ROUTE_DEVICE_EXPLAIN] = ch_page_explain,
	[CH_ROUTE_DEVICE_PINNED] = ch_page_pinned,
	[CH_ROUTE_LOG_ORIGIN] = ch_page_origin,
	[CH_ROUTE_DEVICE_EVIDENCE] = ch_page_evidence_list,
	[CH_ROUTE_EVIDENCE_PART] = ch_page_evidence_part,
	[CH_ROUTE_DEVICE_EAR] = ch_page_ear,
	[CH_ROUTE_ACTIONS] = ch_page_actions,
	[CH_ROUTE_OPERATORS_LIST] = ch_page_operators,
	[CH_ROUTE_EKS] = ch_page_eks,
	[CH_ROUTE_ENROLMENTS] = ch_page_enrolments,
	[CH_ROUTE_CLASSES] = ch_page_classes,
	[CH_ROUTE_GENERATION] = ch_page_generation,
	[CH_ROUTE_AUDIT] = ch_page_audit,
	[CH_ROUTE_JWKS] = ch_page_jwks,
	[CH_ROUTE_PUBLIC_JWKS] = ch_page_jwks,
	[CH_ROUTE_CHECKPOINT] = ch_page_checkpoint,
	[CH_ROUTE_TILE] = ch_page_tile,
	[CH_ROUTE_FLEET_ROOT] = ch_page_fleet_root,
	[CH_ROUTE_UPDATE] = ch_page_update,
	[CH_ROUTE_RELEASE] = ch_page_release,
	[CH_ROUTE_RELEASE_PROOF] = ch_page_release_proof,
	[CH_ROUTE_ARTIFACT] = ch_page_artifact,
	[CH_ROUTE_DDI_POLL] = ch_page_ddi_poll,
	[CH_ROUTE_DDI_DEPLOYMENT] = ch_page_ddi_deployment,
	[CH_ROUTE_DDI_INSTALLED] = ch_page_ddi_installed,
	[CH_ROUTE_DDI_CANCEL] = ch_page_ddi_cancel,
	[CH_ROUTE_DDI_ARTIFACT] = ch_page_ddi_artifact,
	[CH_ROUTE_OSTREE] = ch_page_ostree,
	[CH_ROUTE_ARTIFACT_STATE] = ch_page_artifact_state,
	[CH_ROUTE_RELEASES] = ch_page_releases,
	[CH_ROUTE_RELEASE_DOCUMENT] = ch_page_release,
	[CH_ROUTE_RELEASE_EVIDENCE] = ch_page_release_proof,
	[CH_ROUTE_DEPLOYMENTS] = ch_page_deployments,
	[CH_ROUTE_DEPLOYMENT] = ch_page_deployment,
	[CH_ROUTE_ROLLOUTS] = ch_page_rollouts,
	[CH_ROUTE_ROLLOUT] = ch_page_rollout,
	[CH_ROUTE_ROLLOUT_DEVICES] = ch_page_rollout_devices,
	[CH_ROUTE_PUBLIC_FLEET_ROOT] = ch_page_fleet_root,
};

struct ch_reader *ch_reader_new(const struct ch_reader_env *env, struct ch_span origin)
{
	struct ch_reader *r = ch_calloc(1, sizeof(*r));
	r->env = *env;
	(void)ch_span_copy(r->origin, sizeof(r->origin) - 1, origin);
	r->ddi_sleep = DDI_SLEEP_S;
	return r;
}

void ch_reader_polling(struct ch_reader *r, uint32_t seconds)
{
	r->ddi_sleep = seconds;
}

uint32_t ch_ask_ddi_sleep(const struct ch_ask *a)
{
	return a->r->ddi_sleep;
}

void ch_reader_store(struct ch_reader *r, struct ch_store *store)
{
	r->st = store;
}

void ch_reader_free(struct ch_reader *r)
{
	ch_free(r);
}

struct ch_span ch_ask_origin(const struct ch_ask *a)
{
	return ch_span_str(a->r->origin);
}

/* --- answers --- */

static bool to_body(void *ctx, struct ch_span bytes)
{
	struct ch_buf *body = ctx;
	if (bytes.n > CH_IPC_BODY_MAX - body->n)
		return false;
	ch_buf_append(body, bytes);
	return true;
}

static void json_start(struct ch_ask *a)
{
	a->body.n = 0;
	a->w = ch_wr(a->room, sizeof(a->room));
	a->w.flush = to_body;
	a->w.ctx = &a->body;
	a->j = ch_json_wr(&a->w, false);
	a->type = "application/json";
	a->json = true;
}

void ch_ask_refuse(struct ch_ask *a, unsigned status, const char *code, const char *rule)
{
	json_start(a);
	a->status = status;
	ch_json_object_begin(&a->j);
	ch_json_name(&a->j, "error");
	ch_json_object_begin(&a->j);
	ch_json_named_str(&a->j, "code", code);
	ch_json_named_str(&a->j, "rule", rule);
	ch_json_named_str(&a->j, "detail", NULL);
	ch_json_object_end(&a->j);
	ch_json_object_end(&a->j);
}

void ch_ask_bytes(struct ch_ask *a, const char *type, struct ch_span bytes)
{
	json_start(a);
	a->type = type;
	ch_wr_put(&a->w, bytes);
	a->json = false;
}

/* The store asks this between the steps of a statement. */
static bool is_late(void *ctx)
{
	const struct ch_reader *r = ctx;
	return r->env.mono_ms(r->env.ctx) > r->deadline;
}

static void answer(struct ch_reader *r, unsigned edge, uint64_t id, unsigned status, const char *type,
		   struct ch_span body)
{
	const struct ch_msg_answer m = { .status = (uint16_t)status,
					 .retry_after = status == 503 ? 1 : 0,
					 .type = ch_span_str(type),
					 .body = body };
	if (status >= 400)
		r->metric_refused++;
	r->env.send(r->env.ctx, CH_ROLE_EDGE, edge, CH_MSG_ANSWER, id, &m);
}

static void send_answer(struct ch_ask *a)
{
	ch_wr_flush(&a->w);
	if (a->w.bad || (a->json && !ch_json_wr_done(&a->j))) {
		ch_ask_refuse(a, 507, "size", "the answer is too large: ask for less");
		ch_wr_flush(&a->w);
	}
	answer(a->r, a->edge, a->id, a->status, a->type, ch_buf_span(&a->body));
}

/* Runs the page over one state of the store. */
static void run(struct ch_ask *a)
{
	struct ch_reader *r = a->r;
	uint64_t asked = a->m->deadline_ms;
	r->deadline = r->env.mono_ms(r->env.ctx) + (asked != 0 && asked < DEADLINE_MS ? asked : DEADLINE_MS);
	ch_store_snapshot(r->st, is_late, r);
	page[a->m->route](a);
	/* Nothing that failed half way leaves: a statement that failed gave no rows, and the page cannot know. */
	enum ch_err err = ch_store_err(r->st);
	if (err == CH_ERR_LIMIT) {
		r->metric_late++;
		ch_ask_refuse(a, 504, "late", LATE_RULE);
	} else if (err != CH_OK) {
		ch_log(CH_LOG_WARNING, "the store cannot be read: %s", ch_store_why(r->st));
		ch_ask_refuse(a, 503, "store", "the store cannot be read: ask again");
	}
	ch_store_snapshot_end(r->st);
}

void ch_reader_request(struct ch_reader *r, unsigned index, uint64_t id, const struct ch_msg_request *m)
{
	struct ch_ask a = { .r = r,
			    .m = m,
			    .edge = index,
			    .id = id,
			    .st = r->st,
			    .now = r->env.wall_ms(r->env.ctx) / MS,
			    .status = 200 };
	json_start(&a);
	r->metric_requests++;
	if (r->st == NULL)
		ch_ask_refuse(&a, 503, "store", "the store is not there yet: ask again");
	else if (m->route >= CH_ROUTE_COUNT || page[m->route] == NULL)
		ch_ask_refuse(&a, 404, "route", "the reader has no such page");
	else
		run(&a);
	if (!a.later)
		send_answer(&a);
	ch_buf_free(&a.body);
}

void ch_ask_artifact(struct ch_ask *a, const uint8_t sha256[static 32], uint64_t size)
{
	struct ch_reader *r = a->r;
	struct ch_msg_artifact m = { .size = size };
	(void)ch_span_copy(m.tag, sizeof(m.tag), ch_span(sha256, 32));
	if (r->env.artifact(r->env.ctx, a->edge, a->id, &m))
		a->later = true;
	else
		ch_ask_refuse(a, 503, "artifact", "the file of this artefact cannot be read");
}

void ch_ask_packed(struct ch_ask *a, const struct ch_msg_artifact *pack, const uint8_t commit[static 32],
		   struct ch_span path)
{
	struct ch_reader *r = a->r;
	switch (r->env.packed(r->env.ctx, a->edge, a->id, pack, commit, path)) {
	case CH_OK:
		a->later = true;
		return;
	case CH_ERR_NOTFOUND:
		ch_ask_refuse(a, 404, "ostree", "the repository has no such file");
		return;
	default:
		ch_ask_refuse(a, 503, "artifact", "the file of this artefact cannot be read");
	}
}

/* --- the signer --- */

void ch_ask_signer(struct ch_ask *a, enum ch_msg type, struct ch_span claims)
{
	struct ch_reader *r = a->r;
	struct waiting *w = r->waiting;
	while (w < r->waiting + WAITING_MAX && w->id != 0)
		w++;
	if (w == r->waiting + WAITING_MAX) {
		ch_ask_refuse(a, 503, "busy", SIGNER_RULE);
		return;
	}
	*w = (struct waiting){
		.id = ++r->ids, .edge = a->edge, .edge_id = a->id, .until = r->env.mono_ms(r->env.ctx) + SIGNER_MS
	};
	const struct ch_msg_ear_sign sign = { .claims = claims };
	const struct ch_msg_keys_ask keys = { 0 };
	const void *m = type == CH_MSG_EAR_SIGN ? (const void *)&sign : (const void *)&keys;
	r->env.send(r->env.ctx, CH_ROLE_SIGNER, 0, type, w->id, m);
	a->later = true;
}

static void refuse_waiting(struct ch_reader *r, struct waiting *w)
{
	static const char body[] = "{\"error\":{\"code\":\"signer\",\"rule\":\"" SIGNER_RULE "\",\"detail\":null}}";
	answer(r, w->edge, w->edge_id, 503, "application/json", ch_span_str(body));
	w->id = 0;
}

void ch_reader_signed(struct ch_reader *r, enum ch_msg type, uint64_t id, const void *msg)
{
	struct waiting *w = r->waiting;
	while (w < r->waiting + WAITING_MAX && (w->id != id || id == 0))
		w++;
	if (w == r->waiting + WAITING_MAX)
		return;
	const struct ch_msg_ear *ear = msg;
	const struct ch_msg_keys *keys = msg;
	if (type == CH_MSG_KEYS) {
		answer(r, w->edge, w->edge_id, 200, "application/json", keys->jwks);
	} else if (type == CH_MSG_EAR && ear->status == 0) {
		answer(r, w->edge, w->edge_id, 200, "application/jwt", ear->jwt);
	} else {
		refuse_waiting(r, w);
	}
	w->id = 0;
}

void ch_reader_signer_gone(struct ch_reader *r)
{
	for (size_t i = 0; i < WAITING_MAX; i++) {
		if (r->waiting[i].id != 0)
			refuse_waiting(r, &r->waiting[i]);
	}
}

void ch_reader_edge_gone(struct ch_reader *r, unsigned index)
{
	for (size_t i = 0; i < WAITING_MAX; i++) {
		if (r->waiting[i].edge == index)
			r->waiting[i].id = 0;
	}
}

uint64_t ch_reader_tick(struct ch_reader *r)
{
	uint64_t now = r->env.mono_ms(r->env.ctx);
	uint64_t wait = 0;
	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiting *w = &r->waiting[i];
		if (w->id != 0 && w->until <= now)
			refuse_waiting(r, w);
		else if (w->id != 0 && (wait == 0 || w->until - now < wait))
			wait = w->until - now;
	}
	return wait;
}

static void metric(struct ch_wr *w, const char *name, const char *help, unsigned index, uint64_t v)
{
	ch_wr_str(w, "# HELP ");
	ch_wr_str(w, name);
	ch_wr_str(w, " ");
	ch_wr_str(w, help);
	ch_wr_str(w, "\n# TYPE ");
	ch_wr_str(w, name);
	ch_wr_str(w, " counter\n");
	ch_wr_str(w, name);
	ch_wr_str(w, "{reader=\"");
	ch_wr_dec(w, index);
	ch_wr_str(w, "\"} ");
	ch_wr_dec(w, v);
	ch_wr_str(w, "\n");
}

void ch_reader_metrics(const struct ch_reader *r, unsigned index, struct ch_wr *w)
{
	metric(w, "chainhold_reader_requests_total", "Requests that a reader got.", index, r->metric_requests);
	metric(w, "chainhold_reader_refused_total", "Requests that a reader refused.", index, r->metric_refused);
	metric(w, "chainhold_reader_late_total", "Requests whose deadline passed.", index, r->metric_late);
}
