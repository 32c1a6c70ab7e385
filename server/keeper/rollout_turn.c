/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

/*
 * What rollouts do by themselves, once a second: choose their devices, offer, count, go on, halt, take back. All that is known is in the store,
 * and a turn is one transaction: a keeper that starts anew goes on where the last one was.
 */

#define MS       1000
#define TURN_MS  1000u
#define LIVE_MAX 64 /* rollouts of one turn */
#define WHY_MAX  (CH_IPC_TEXT_MAX - 64)
#define IDS_MAX  16

/* --- choosing --- */

struct chosen {
	int64_t seq, place;
};

/* Texts of one device that do not outlive their query. */
struct running {
	uint8_t name[CH_NAME_MAX], version[CH_RELEASE_VERSION_MAX];
	uint8_t attribute[CH_ROLLOUT_ATTRIBUTES_MAX][CH_DDI_VALUE_MAX];
};

static bool runs_in(struct ch_keeper *k, int64_t device, enum ch_update_state state, struct running *own,
		    struct ch_rollout_device *d)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_RELEASE_RUNS,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device), ch_int(state)));
	bool there = ch_sql_next(&q);
	if (there) {
		d->running = ch_span(own->name, ch_span_copy(own->name, sizeof(own->name), ch_sql_bytes(&q, 0)));
		d->running_version =
			ch_span(own->version, ch_span_copy(own->version, sizeof(own->version), ch_sql_bytes(&q, 1)));
	}
	return ch_sql_end(&q) == CH_OK && there;
}

static void attributes_take(struct ch_keeper *k, const struct ch_rollout_filter *f, int64_t device, struct running *own,
			    struct ch_rollout_device *d)
{
	for (size_t i = 0; i < f->attribute_count; i++) {
		struct ch_query q =
			ch_sql_query(k->st, CH_SQL_ATTRIBUTE_GET,
				     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device), ch_text(f->attribute[i].name)));
		if (ch_sql_next(&q))
			d->attribute[i] =
				ch_span(own->attribute[i], ch_span_copy(own->attribute[i], sizeof(own->attribute[i]),
									ch_sql_bytes(&q, 0)));
		(void)ch_sql_end(&q);
	}
}

/* The device of this row is one that the rollout is for. */
static bool is_for(struct ch_keeper *k, const struct ch_rollout_row *r, const struct ch_query *q)
{
	enum ch_state state = (enum ch_state)ch_sql_int(q, 4);
	struct running own;
	struct ch_rollout_device d = { .class = ch_sql_bytes(q, 2),
				       .hostname = ch_sql_bytes(q, 3),
				       .tier = (enum ch_tier)ch_sql_int(q, 5) };
	if (!ch_state_admits(state, CH_ACCESS_FULL) || !ch_sql_copy(q, 1, d.id, sizeof(d.id)))
		return false;
	if (r->doc->filter.running.n > 0 && !runs_in(k, ch_sql_int(q, 0), CH_UPDATE_PROVEN, &own, &d))
		(void)runs_in(k, ch_sql_int(q, 0), CH_UPDATE_INSTALLED, &own, &d);
	attributes_take(k, &r->doc->filter, ch_sql_int(q, 0), &own, &d);
	return ch_rollout_matches(r->doc, &d) &&
	       ch_sql_number(k->st, CH_SQL_RELEASE_HAS_CLASS,
			     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->release), ch_text(d.class)), 0) != 0;
}

/* Some more devices are asked; true if there were none left. */
static bool choose_some(struct ch_keeper *k, struct ch_rollout_row *r)
{
	CH_AUTO_BUF struct ch_buf list = { 0 };
	int64_t before = r->chosen_to;
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_ROLLOUT_CHOOSE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->chosen_to)));
	while (ch_sql_next(&q)) {
		struct chosen c = { .seq = ch_sql_int(&q, 0) };
		uint8_t id[16];
		r->chosen_to = c.seq;
		if (is_for(k, r, &q) && ch_sql_copy(&q, 1, id, sizeof(id)) &&
		    ch_rollout_place(&c.place, r->doc, r->sha256, id) == CH_OK)
			ch_buf_append(&list, ch_span(&c, sizeof(c)));
	}
	(void)ch_sql_end(&q);
	if (r->chosen_to == before)
		return true;
	ch_kp_write(k);
	for (size_t at = 0; at + sizeof(struct chosen) <= list.n; at += sizeof(struct chosen)) {
		struct chosen c = { 0 };
		(void)ch_span_copy(&c, sizeof(c), ch_span_sub(ch_buf_span(&list), at, sizeof(c)));
		r->members++;
		r->canaries += c.place < 0;
		ch_sql_do(k->st, CH_SQL_MEMBER_ADD,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int(c.seq), ch_int(c.place)));
	}
	ch_sql_do(k->st, CH_SQL_ROLLOUT_CHOSEN,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int(r->chosen_to), ch_int(r->members),
			  ch_int(r->canaries)));
	return false;
}

static void plan_turn(struct ch_keeper *k, struct ch_rollout_row *r)
{
	if ((int64_t)(k->now / MS) >= r->doc->start && choose_some(k, r))
		(void)ch_kp_rollout_step(k, r, CH_ROLLOUT_STEP_START, CH_SPAN_EMPTY, CH_SPAN_EMPTY);
}

/* --- offering --- */

/* Its policy asks for no release but one that mends it. */
static bool held(struct ch_keeper *k, const struct ch_device *d)
{
	struct ch_link_result link[CH_LINK_COUNT];
	struct ch_chain chain;
	ch_kp_results(k, d->seq, link);
	ch_kp_chain(k, d, link, &chain);
	return chain.response >= CH_RESPONSE_HOLD_UPDATES;
}

/* What becomes of a device whose turn has come. */
static enum ch_rollout_member member_judge(struct ch_keeper *k, const struct ch_rollout_row *r, int64_t seq,
					   struct ch_device *d)
{
	struct ch_deployment u;
	if (!ch_kp_device_by_seq(k, seq, d) || !ch_state_admits(d->state, CH_ACCESS_ATTEST))
		return CH_MEMBER_GONE;
	/* What mends it an operator assigns to it. */
	if (!ch_state_admits(d->state, CH_ACCESS_FULL))
		return CH_MEMBER_QUARANTINED;
	if (held(k, d))
		return CH_MEMBER_HELD;
	bool had = ch_kp_deployment_last(k, seq, &u);
	if (had && u.release == r->release && u.state == CH_UPDATE_PROVEN)
		return CH_MEMBER_RUNS_IT;
	if (had && ch_update_wanted(u.state))
		return CH_MEMBER_BUSY;
	return r->sequence < ch_kp_deployment_floor(k, d, r->release) ? CH_MEMBER_FLOOR : CH_MEMBER_OFFERED;
}

static void offer(struct ch_keeper *k, const struct ch_rollout_row *r, int64_t seq)
{
	struct ch_device d;
	int64_t deployment = 0;
	enum ch_rollout_member status = member_judge(k, r, seq, &d);
	if (status == CH_MEMBER_OFFERED) {
		deployment = ch_kp_deployment_add(k, &d, r->release, r->doc->forced, r->seq, r->action);
		ch_sql_do(k->st, CH_SQL_DEPLOYMENT_PHASE,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(deployment), ch_int((int64_t)r->phase)));
	}
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_MEMBER_SET,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int(seq), ch_int(status), ch_int(deployment)));
}

/* Collects the numbers that a query gives, so that others may run meanwhile. */
static void numbers_take(struct ch_query q, struct ch_buf *to)
{
	while (ch_sql_next(&q)) {
		int64_t seq = ch_sql_int(&q, 0);
		ch_buf_append(to, ch_span(&seq, sizeof(seq)));
	}
	(void)ch_sql_end(&q);
}

static bool number_next(const struct ch_buf *from, size_t *at, int64_t *seq)
{
	if (*at + sizeof(*seq) > from->n)
		return false;
	(void)ch_span_copy(seq, sizeof(*seq), ch_span_sub(ch_buf_span(from), *at, sizeof(*seq)));
	*at += sizeof(*seq);
	return true;
}

/* As many as may begin now: downloads do not come all at once. */
static void offer_some(struct ch_keeper *k, const struct ch_rollout_row *r, uint64_t waiting)
{
	CH_AUTO_BUF struct ch_buf devices = { 0 };
	uint64_t n = ch_rollout_spread(r->doc, r->begun, k->now);
	int64_t seq;
	if (n == 0)
		return;
	n = n < waiting ? n : waiting;
	numbers_take(ch_sql_query(k->st, CH_SQL_MEMBER_NEXT,
				  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int((int64_t)n))),
		     &devices);
	for (size_t at = 0; number_next(&devices, &at, &seq);)
		offer(k, r, seq);
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_ROLLOUT_BEGUN,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int((int64_t)k->now)));
}

/* Takes back what is offered in a state, some of it at a time; false if there was nothing. */
static bool take_back(struct ch_keeper *k, const struct ch_rollout_row *r, enum ch_update_state state,
		      struct ch_span why)
{
	CH_AUTO_BUF struct ch_buf offers = { 0 };
	struct ch_deployment u;
	struct ch_device d;
	int64_t seq;
	numbers_take(ch_sql_query(k->st, CH_SQL_ROLLOUT_OFFERS,
				  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int(state))),
		     &offers);
	for (size_t at = 0; number_next(&offers, &at, &seq);) {
		if (!ch_kp_deployment_get(k, seq, &u) || !ch_kp_device_by_seq(k, u.device, &d) ||
		    !ch_kp_deployment_step(k, &d, &u, CH_UPDATE_STEP_CANCEL, why, 0))
			continue;
		ch_sql_do(k->st, CH_SQL_MEMBER_SET,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int(d.seq), ch_int(CH_MEMBER_WAITS),
				  ch_int(0)));
	}
	return offers.n > 0;
}

/* --- running --- */

static void halt(struct ch_keeper *k, struct ch_rollout_row *r, uint64_t failed, uint64_t of)
{
	uint8_t who[WHY_MAX], why[CH_IPC_TEXT_MAX], id[16 * IDS_MAX];
	struct ch_wr names = ch_wr(who, sizeof(who)), w = ch_wr(why, sizeof(why)), ids = ch_wr(id, sizeof(id));
	(void)ch_kp_rollout_failed(k, r, IDS_MAX, &names, &ids);
	ch_wr_dec(&w, failed);
	ch_wr_str(&w, " of ");
	ch_wr_dec(&w, of);
	ch_wr_str(&w, " devices failed: ");
	ch_wr_put(&w, ch_span(who, names.len < sizeof(why) - w.len ? names.len : sizeof(why) - w.len));
	(void)ch_kp_rollout_step(k, r, CH_ROLLOUT_STEP_HALT, ch_wr_span(&w), ch_wr_span(&ids));
}

/* To the next phase, or it is finished. */
static void advance(struct ch_keeper *k, struct ch_rollout_row *r)
{
	if (r->phase + 1 >= r->doc->phase_count) {
		(void)ch_kp_rollout_step(k, r, CH_ROLLOUT_STEP_FINISH, CH_SPAN_EMPTY, CH_SPAN_EMPTY);
		return;
	}
	r->phase++;
	r->reached = 0;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_ROLLOUT_PHASE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int((int64_t)r->phase), ch_int(0),
			  ch_int((int64_t)r->accepted), ch_int((int64_t)k->now)));
	ch_kp_rollout_tell(k, r, CH_SPAN_EMPTY, CH_SPAN_EMPTY);
}

static void reached(struct ch_keeper *k, const struct ch_rollout_row *r)
{
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_ROLLOUT_PHASE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq), ch_int((int64_t)r->phase), ch_int((int64_t)k->now),
			  ch_int((int64_t)r->accepted), ch_int((int64_t)k->now)));
}

/* A later phase that has no device of its own: percentages of few devices. The first has to show something. */
static bool adds_none(const struct ch_rollout_row *r, const struct ch_rollout_tally *t)
{
	return r->phase > 0 &&
	       t->devices == ch_rollout_phase_end(r->doc, r->phase - 1, (uint64_t)r->members, (uint64_t)r->canaries);
}

static void run_turn(struct ch_keeper *k, struct ch_rollout_row *r)
{
	const char *unfit = ch_kp_rollout_unfit(k, r);
	if (unfit != NULL) {
		(void)ch_kp_rollout_step(k, r, CH_ROLLOUT_STEP_HALT, ch_span_str(unfit), CH_SPAN_EMPTY);
		return;
	}
	struct ch_rollout_tally t = ch_kp_rollout_tally(k, r);
	t.failed = ch_kp_rollout_failed(k, r, INT64_MAX, NULL, NULL);
	switch (ch_rollout_judge(r->doc, &t, k->now)) {
	case CH_ROLLOUT_HALT:
		halt(k, r, t.failed, t.devices);
		break;
	case CH_ROLLOUT_HALT_EMPTY:
		if (adds_none(r, &t))
			advance(k, r);
		else
			(void)ch_kp_rollout_step(
				k, r, CH_ROLLOUT_STEP_HALT,
				CH_SPAN_LIT("no device of this phase could be offered the release: nothing "
					    "was shown by it"),
				CH_SPAN_EMPTY);
		break;
	case CH_ROLLOUT_REACHED:
		reached(k, r);
		break;
	case CH_ROLLOUT_ADVANCE:
		advance(k, r);
		break;
	case CH_ROLLOUT_WAIT:
		if (!ch_rollout_open(r->doc, (int64_t)(k->now / MS)))
			(void)take_back(k, r, CH_UPDATE_OFFERED, CH_SPAN_LIT("the maintenance window has ended"));
		else if (t.waiting > 0)
			offer_some(k, r, t.waiting);
		break;
	}
}

/* It stands still: nobody new begins. */
static void still_turn(struct ch_keeper *k, const struct ch_rollout_row *r)
{
	static const struct ch_span halted = CH_SPAN_LIT("the rollout stands still");
	static const struct ch_span aborted = CH_SPAN_LIT("the rollout was aborted");
	bool over = r->state == CH_ROLLOUT_ABORTED;
	if (take_back(k, r, CH_UPDATE_OFFERED, over ? aborted : halted) ||
	    (over && take_back(k, r, CH_UPDATE_DOWNLOADING, aborted)))
		return;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_ROLLOUT_SETTLED, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(r->seq)));
}

static uint64_t count(struct ch_keeper *k, enum ch_rollout_state state)
{
	return (uint64_t)ch_sql_number(k->st, CH_SQL_ROLLOUT_COUNT, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(state)),
				       0);
}

void ch_kp_rollouts_turn(struct ch_keeper *k)
{
	if (k->mono < k->rollout_due)
		return;
	k->rollout_due = k->mono + TURN_MS;
	k->rollouts_running = count(k, CH_ROLLOUT_RUNNING);
	k->rollouts_halted = count(k, CH_ROLLOUT_HALTED);
	int64_t seq = 0;
	for (size_t i = 0; i < LIVE_MAX; i++) {
		struct ch_rollout_row r;
		seq = ch_sql_number(k->st, CH_SQL_ROLLOUT_LIVE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq)), 0);
		if (seq == 0 || !ch_kp_rollout_get(k, seq, &r))
			return;
		if (r.state == CH_ROLLOUT_PLANNED)
			plan_turn(k, &r);
		else if (r.state == CH_ROLLOUT_RUNNING)
			run_turn(k, &r);
		else
			still_turn(k, &r);
		ch_kp_rollout_clear(&r);
	}
}
