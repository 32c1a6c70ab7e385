/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "host/sys/log.h"
#include "server/keeper/verbs.h"

/* Rollouts: their rows, what is counted of them, and what operators decide. What they do by themselves is in rollout_turn.c. */

#define MS         1000
#define MINUTE_MS  60000
#define NODES_ROOM CH_ROLLOUT_NODES_MAX

/* --- rows --- */

static enum ch_err document_read(struct ch_rollout *doc, struct ch_span text, struct ch_diag *d)
{
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(NODES_ROOM, sizeof(*node));
	return ch_rollout_parse(doc, text, node, NODES_ROOM, d);
}

static void row_take(struct ch_query *q, struct ch_rollout_row *r)
{
	r->seq = ch_sql_int(q, 0);
	r->name[ch_span_copy(r->name, sizeof(r->name) - 1, ch_sql_bytes(q, 1))] = '\0';
	r->release = ch_sql_int(q, 2);
	(void)ch_sql_copy(q, 3, r->sha256, sizeof(r->sha256));
	ch_buf_append(&r->document, ch_sql_bytes(q, 4));
	r->state = (enum ch_rollout_state)ch_sql_int(q, 5);
	r->phase = (size_t)ch_sql_int(q, 6);
	r->chosen_to = ch_sql_int(q, 7);
	r->members = ch_sql_int(q, 8);
	r->canaries = ch_sql_int(q, 9);
	r->reached = (uint64_t)ch_sql_int(q, 10);
	r->begun = (uint64_t)ch_sql_int(q, 11);
	r->accepted = (size_t)ch_sql_int(q, 12);
	r->action = ch_sql_int(q, 13);
	r->sequence = ch_sql_int(q, 14);
	r->expires = ch_sql_int(q, 15);
	r->withdrawn = ch_sql_int(q, 16) != 0;
	r->measured = ch_sql_int(q, 17) > 0;
}

bool ch_kp_rollout_get(struct ch_keeper *k, int64_t seq, struct ch_rollout_row *r)
{
	*r = (struct ch_rollout_row){ 0 };
	struct ch_query q = ch_sql_query(k->st, CH_SQL_ROLLOUT_GET, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq)));
	bool there = ch_sql_next(&q);
	if (there)
		row_take(&q, r);
	if (ch_sql_end(&q) != CH_OK || !there)
		return false;
	r->doc = ch_calloc(1, sizeof(*r->doc));
	if (document_read(r->doc, ch_buf_span(&r->document), NULL) == CH_OK)
		return true;
	k->env.fatal(k->env.ctx, "a rollout in the store cannot be read");
	return false;
}

void ch_kp_rollout_clear(struct ch_rollout_row *r)
{
	ch_buf_free(&r->document);
	ch_free(r->doc);
	*r = (struct ch_rollout_row){ 0 };
}

/* --- steps --- */

void ch_kp_rollout_tell(struct ch_keeper *k, const struct ch_rollout_row *r, struct ch_span reason,
			struct ch_span devices)
{
	uint8_t text[CH_IPC_TEXT_MAX * 8];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "rollout", r->name);
	ch_json_named_hex(&j, "release", CH_SPAN_OF(r->doc->release));
	ch_json_named_str(&j, "state", ch_rollout_state_str(r->state));
	ch_json_named_u64(&j, "phase", r->phase + 1);
	ch_json_named_span(&j, "reason", reason);
	ch_json_name(&j, "devices");
	ch_json_array_begin(&j);
	for (size_t off = 0; off + 16 <= devices.n; off += 16)
		ch_json_put_hex(&j, ch_span_sub(devices, off, 16));
	ch_json_array_end(&j);
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	ch_kp_event(k, 0, "rollout", ch_wr_span(&w));
}

bool ch_kp_rollout_step(struct ch_keeper *k, struct ch_rollout_row *r, enum ch_rollout_step step, struct ch_span reason,
			struct ch_span devices)
{
	enum ch_rollout_state to;
	if (ch_rollout_next(r->state, step, &to) != CH_OK)
		return false;
	r->state = to;
	ch_kp_write(k);
	/* What is over by itself leaves nothing to be taken back. */
	ch_sql_do(k->st, CH_SQL_ROLLOUT_STATE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int(to), ch_int((int64_t)k->now),
			  ch_text(reason), ch_int(to == CH_ROLLOUT_FINISHED)));
	ch_kp_rollout_tell(k, r, reason, devices);
	if (to == CH_ROLLOUT_HALTED)
		ch_log(CH_LOG_WARNING, "the rollout %s is halted: %.*s", r->name, (int)reason.n,
		       (const char *)reason.p);
	return true;
}

/* --- what is counted --- */

const char *ch_kp_rollout_unfit(const struct ch_keeper *k, const struct ch_rollout_row *r)
{
	if (r->withdrawn)
		return "the release was withdrawn";
	return r->expires <= (int64_t)(k->now / MS) ? "the release has expired" : NULL;
}

/* Members of earlier phases count with those of this one as far as they wait: what was taken back is offered again. */
static uint64_t waiting_of(struct ch_keeper *k, const struct ch_rollout_row *r, uint64_t end)
{
	uint64_t waiting = (uint64_t)ch_sql_number(k->st, CH_SQL_MEMBER_WAITING,
						   CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq)), 0);
	uint64_t begun = (uint64_t)r->members - waiting;
	return end > begun ? end - begun : 0;
}

struct ch_rollout_tally ch_kp_rollout_tally(struct ch_keeper *k, const struct ch_rollout_row *r)
{
	uint64_t end = ch_rollout_phase_end(r->doc, r->phase, (uint64_t)r->members, (uint64_t)r->canaries);
	struct ch_rollout_tally t = { .waiting = waiting_of(k, r, end),
				      .devices = end,
				      .reached = r->reached,
				      .empty_is_fine = r->accepted > r->phase };
	struct ch_query q = ch_sql_query(k->st, CH_SQL_PHASE_STATES,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int((int64_t)r->phase)));
	while (ch_sql_next(&q)) {
		int64_t state = ch_sql_int(&q, 0);
		t.offered += state != CH_UPDATE_CANCELLED ? (uint64_t)ch_sql_int(&q, 1) : 0;
		t.proven += state == CH_UPDATE_PROVEN ? (uint64_t)ch_sql_int(&q, 1) : 0;
	}
	(void)ch_sql_end(&q);
	if (r->doc->claimed == CH_CLAIMED_COUNT)
		t.proven += (uint64_t)ch_sql_number(k->st, CH_SQL_PHASE_CLAIMED,
						    CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq),
							    ch_int((int64_t)r->phase), ch_int(CH_UPDATE_INSTALLED),
							    ch_int(!r->measured)),
						    0);
	return t;
}

static struct ch_query failed_query(struct ch_keeper *k, const struct ch_rollout_row *r, uint64_t max)
{
	int64_t late = (int64_t)k->now - (int64_t)r->doc->proof_minutes * MINUTE_MS;
	return ch_sql_query(k->st, CH_SQL_ROLLOUT_FAILED,
			    CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int(CH_UPDATE_REFUSED),
				    ch_int(CH_UPDATE_FELL_BACK), ch_int(CH_UPDATE_NOT_PROVEN),
				    ch_int(CH_UPDATE_DOWNLOADING), ch_int(CH_UPDATE_INSTALLED), ch_int(late),
				    ch_int(r->doc->claimed == CH_CLAIMED_COUNT), ch_int(!r->measured),
				    ch_int((int64_t)max)));
}

/* "edge-7 (not-proven: PCR 4 …)" */
static void failed_put(struct ch_wr *w, const struct ch_query *q)
{
	enum ch_update_state state = (enum ch_update_state)ch_sql_int(q, 1);
	struct ch_span id = ch_sql_bytes(q, 2), hostname = ch_sql_bytes(q, 3), reason = ch_sql_bytes(q, 4);
	bool late = state == CH_UPDATE_DOWNLOADING || state == CH_UPDATE_INSTALLED;
	ch_wr_str(w, w->len > 0 ? ", " : "");
	if (hostname.n > 0)
		ch_text_escape(w, ch_span_sub(hostname, 0, hostname.n < 64 ? hostname.n : 64));
	else
		ch_wr_hex(w, id);
	ch_wr_str(w, " (");
	ch_wr_str(w, late ? "no proof, " : "");
	ch_wr_str(w, ch_update_state_str(state));
	if (reason.n > 0 && !late) {
		ch_wr_str(w, ": ");
		ch_text_escape(w, ch_span_sub(reason, 0, reason.n < 120 ? reason.n : 120));
	}
	ch_wr_str(w, ")");
}

uint64_t ch_kp_rollout_failed(struct ch_keeper *k, const struct ch_rollout_row *r, uint64_t max, struct ch_wr *why,
			      struct ch_wr *ids)
{
	uint64_t n = 0;
	struct ch_query q = failed_query(k, r, max);
	for (; ch_sql_next(&q); n++) {
		/* As many as there is room for; none of them in half. */
		if (why != NULL && why->cap - why->len > 512)
			failed_put(why, &q);
		if (ids != NULL && ids->cap - ids->len >= 16)
			ch_wr_put(ids, ch_span_sub(ch_sql_bytes(&q, 2), 0, 16));
	}
	(void)ch_sql_end(&q);
	return n;
}

void ch_kp_rollout_excuse(struct ch_keeper *k, const struct ch_rollout_row *r)
{
	CH_AUTO_BUF struct ch_buf failed = { 0 };
	struct ch_query q = failed_query(k, r, INT64_MAX);
	while (ch_sql_next(&q)) {
		int64_t seq = ch_sql_int(&q, 0);
		ch_buf_append(&failed, ch_span(&seq, sizeof(seq)));
	}
	(void)ch_sql_end(&q);
	for (size_t at = 0; at + sizeof(int64_t) <= failed.n; at += sizeof(int64_t)) {
		int64_t seq = 0;
		(void)ch_span_copy(&seq, sizeof(seq), ch_span_sub(ch_buf_span(&failed), at, sizeof(seq)));
		ch_kp_write(k);
		ch_sql_do(k->st, CH_SQL_DEPLOYMENT_EXCUSE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq)));
	}
}

/* --- rollout.create --- */

struct wanted {
	struct ch_rollout doc;
	int64_t seq, sequence, expires;
	bool withdrawn, measured;
};

static const char *document_refused(const struct ch_act *a, struct wanted *r)
{
	struct ch_diag d = { .rule = "the rollout cannot be read" };
	if (document_read(&r->doc, a->payload, &d) != CH_OK)
		return d.rule;
	if (!ch_rollout_canonical(&r->doc, a->payload))
		return "a rollout is signed as its one text: chainhold rollout create";
	return ch_span_eq(r->doc.name, a->action.subject) ? NULL
							  : "the rollout has another name than the action's subject";
}

static bool release_find(struct ch_keeper *k, struct wanted *r)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_RELEASE_FIND,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(r->doc.release))));
	if (ch_sql_next(&q)) {
		r->seq = ch_sql_int(&q, 0);
		r->sequence = ch_sql_int(&q, 1);
		r->expires = ch_sql_int(&q, 3);
		r->measured = ch_sql_bytes(&q, 4).n > 0;
		r->withdrawn = ch_sql_int(&q, 5) != 0;
	}
	return ch_sql_end(&q) == CH_OK && r->seq != 0;
}

static const char *release_refused(struct ch_keeper *k, const struct wanted *r)
{
	if (r->withdrawn)
		return "this release was withdrawn";
	if (r->expires <= (int64_t)(k->now / MS))
		return "this release has expired";
	if (r->doc.filter.class.n > 0 &&
	    ch_sql_number(k->st, CH_SQL_RELEASE_HAS_CLASS,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_text(r->doc.filter.class)), 0) == 0)
		return "this release is for devices of other classes";
	if (!r->measured && r->doc.claimed != CH_CLAIMED_COUNT)
		return "this release has no measurements, so no device can prove it: \"claimed: count\" says that their word "
		       "is enough";
	return ch_sql_number(k->st, CH_SQL_RELEASE_LACKS, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq)), 1) == 0
		       ? NULL
		       : "the server has not all artefacts of this release yet: chainhold release upload";
}

struct proven {
	int64_t floor, sequence;
};

static void proven_take(struct ch_query q, struct proven *p)
{
	if (ch_sql_next(&q)) {
		p->floor = ch_sql_int(&q, 0) > p->floor ? ch_sql_int(&q, 0) : p->floor;
		p->sequence = ch_sql_int(&q, 1) > p->sequence ? ch_sql_int(&q, 1) : p->sequence;
	}
	(void)ch_sql_end(&q);
}

/* What its devices have proven: of those that it lists, or of its classes. */
static struct proven proven_of(struct ch_keeper *k, const struct wanted *r)
{
	const struct ch_rollout_filter *f = &r->doc.filter;
	struct proven p = { 0 };
	if (!f->has_devices)
		proven_take(ch_sql_query(k->st, CH_SQL_ROLLOUT_PROVEN_MAX,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(CH_UPDATE_PROVEN), ch_int(r->seq),
						 ch_text(f->class))),
			    &p);
	for (size_t i = 0; i < f->devices.count; i++) {
		struct ch_device d;
		if (ch_kp_device_by_id(k, f->devices.id[i], &d))
			proven_take(ch_sql_query(k->st, CH_SQL_ROLLOUT_PROVEN_ONE,
						 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(CH_UPDATE_PROVEN),
							 ch_int(r->seq), ch_int(d.seq))),
				    &p);
	}
	return p;
}

static const char *back_refused(struct ch_keeper *k, const struct wanted *r)
{
	struct proven p = proven_of(k, r);
	if (r->sequence < p.floor)
		return "a device has proven a release whose floor is above the sequence of this one: it would refuse to go back";
	return r->sequence < p.sequence && !r->doc.rollback
		       ? "a device has proven a newer release than this one: \"rollback: true\" says that it is to go back"
		       : NULL;
}

const char *ch_rollout_create_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	CH_AUTO_FREE struct wanted *r = ch_calloc(1, sizeof(*r));
	*status = 400;
	const char *rule = document_refused(a, r);
	if (rule != NULL)
		return rule;
	*status = 409;
	if (ch_sql_number(k->st, CH_SQL_ROLLOUT_NAMED, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(r->doc.name)), 0) != 0)
		return "there is, or was, a rollout of this name";
	*status = 404;
	if (!release_find(k, r))
		return "no such release was published";
	*status = 409;
	rule = release_refused(k, r);
	return rule != NULL ? rule : back_refused(k, r);
}

void ch_rollout_create_run(struct ch_keeper *k, struct ch_act *a)
{
	CH_AUTO_FREE struct wanted *wanted = ch_calloc(1, sizeof(*wanted));
	enum ch_rollout_state state;
	if (document_refused(a, wanted) != NULL || !release_find(k, wanted) ||
	    ch_rollout_next(CH_ROLLOUT_NONE, CH_ROLLOUT_STEP_CREATE, &state) != CH_OK) {
		k->env.fatal(k->env.ctx, "a rollout that was judged cannot be read again");
		return;
	}
	int64_t seq = k->n.rollout++;
	ch_sql_do(k->st, CH_SQL_ROLLOUT_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_text(wanted->doc.name), ch_int(wanted->seq),
			  ch_bytes(CH_SPAN_OF(a->action.payload)), ch_bytes(a->payload), ch_int(state),
			  ch_int((int64_t)k->now), ch_int(a->seq)));
	struct ch_rollout_row r;
	if (ch_kp_rollout_get(k, seq, &r))
		ch_kp_rollout_tell(k, &r, CH_SPAN_EMPTY, CH_SPAN_EMPTY);
	ch_kp_rollout_clear(&r);
}

/* --- rollout.pause, rollout.resume, rollout.abort --- */

static enum ch_rollout_step step_of(const struct ch_act *a)
{
	if (a->action.verb == CH_VERB_ROLLOUT_PAUSE)
		return CH_ROLLOUT_STEP_PAUSE;
	return a->action.verb == CH_VERB_ROLLOUT_RESUME ? CH_ROLLOUT_STEP_RESUME : CH_ROLLOUT_STEP_ABORT;
}

static int64_t subject_find(struct ch_keeper *k, const struct ch_act *a)
{
	return ch_sql_number(k->st, CH_SQL_ROLLOUT_NAMED, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_text(a->action.subject)),
			     0);
}

const char *ch_rollout_act_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	struct ch_rollout_row r;
	enum ch_rollout_state to;
	*status = 404;
	if (!ch_kp_rollout_get(k, subject_find(k, a), &r))
		return "there is no rollout of this name";
	*status = 409;
	const char *rule = NULL;
	if (ch_rollout_next(r.state, step_of(a), &to) != CH_OK)
		rule = "the state of the rollout does not allow it";
	else if (step_of(a) == CH_ROLLOUT_STEP_RESUME)
		rule = ch_kp_rollout_unfit(k, &r);
	ch_kp_rollout_clear(&r);
	return rule;
}

/* What halted it was seen by an operator: it counts no more, and a phase that showed nothing may be passed. */
static void forgive(struct ch_keeper *k, struct ch_rollout_row *r)
{
	struct ch_rollout_tally t = ch_kp_rollout_tally(k, r);
	ch_kp_rollout_excuse(k, r);
	if (t.offered == 0 && t.waiting == 0)
		r->accepted = r->phase + 1;
	ch_sql_do(k->st, CH_SQL_ROLLOUT_PHASE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int((int64_t)r->phase), ch_int(0),
			  ch_int((int64_t)r->accepted), ch_int((int64_t)k->now)));
}

void ch_rollout_act_run(struct ch_keeper *k, struct ch_act *a)
{
	static const struct ch_span reason[] = { CH_SPAN_LIT("paused by an operator"),
						 CH_SPAN_LIT("resumed by an operator"),
						 CH_SPAN_LIT("aborted by an operator") };
	enum ch_rollout_step step = step_of(a);
	size_t row = step == CH_ROLLOUT_STEP_PAUSE ? 0 : step == CH_ROLLOUT_STEP_RESUME ? 1 : 2;
	struct ch_rollout_row r;
	if (ch_kp_rollout_get(k, subject_find(k, a), &r)) {
		if (r.state == CH_ROLLOUT_HALTED && step == CH_ROLLOUT_STEP_RESUME)
			forgive(k, &r);
		(void)ch_kp_rollout_step(k, &r, step, reason[row], CH_SPAN_EMPTY);
	}
	ch_kp_rollout_clear(&r);
}
