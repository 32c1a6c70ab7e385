/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/explain.h"

#include "core/base/text.h"
#include "core/wire/der.h"
#include "server/reader/rollout.h"

/* "Why is this device not updated?": its place in the newest rollout that it is in, and how what it was offered last stands. */

#define TENANT ch_int(CH_READER_TENANT)

/* --- the rollout --- */

struct membership {
	enum ch_rollout_member status;
	int64_t place;
	struct ch_rollout_seen r;
};

static bool membership_get(struct ch_explain *e, struct membership *m)
{
	uint8_t name[CH_NAME_MAX];
	size_t n = 0;
	*m = (struct membership){ 0 };
	struct ch_query q = ch_sql_query(e->a->st, CH_READ_MEMBER_OF, CH_ARGS(TENANT, ch_int(e->d.seq)));
	bool there = ch_sql_next(&q);
	if (there) {
		m->status = (enum ch_rollout_member)ch_sql_int(&q, 1);
		m->place = ch_sql_int(&q, 2);
		n = ch_span_copy(name, sizeof(name), ch_sql_bytes(&q, 3));
	}
	(void)ch_sql_end(&q);
	if (!there)
		return false;
	q = ch_sql_query(e->a->st, CH_READ_ROLLOUT, CH_ARGS(TENANT, ch_text(ch_span(name, n))));
	there = ch_sql_next(&q);
	if (there)
		ch_rollout_take(&m->r, &q);
	(void)ch_sql_end(&q);
	return there;
}

/* The phase, from 0, in which the device's turn comes. */
static size_t phase_of(struct ch_explain *e, const struct membership *m)
{
	uint64_t rank = (uint64_t)ch_sql_number(e->a->st, CH_READ_MEMBER_RANK,
						CH_ARGS(TENANT, ch_int(m->r.seq), ch_int(m->place)), 0);
	size_t phase = 0;
	while (phase < m->r.doc->phase_count &&
	       ch_rollout_phase_end(m->r.doc, phase, m->r.members, m->r.canaries) <= rank)
		phase++;
	return phase;
}

static struct ch_wr *say_rollout(struct ch_explain *e, const struct membership *m)
{
	struct ch_wr *w = ch_say(e);
	ch_wr_str(w, "The rollout ");
	ch_text_escape(w, ch_span_str(m->r.name));
	ch_wr_str(w, " of ");
	ch_text_escape(w, ch_span_str(m->r.release_name));
	ch_wr_str(w, " ");
	ch_text_escape(w, ch_span_str(m->r.version));
	return w;
}

static void say_still(struct ch_explain *e, const struct membership *m, const char *what, const char *code,
		      const char *todo)
{
	struct ch_wr *w = say_rollout(e, m);
	ch_wr_str(w, what);
	if (m->r.reason.n > 0) {
		ch_wr_str(w, ": ");
		ch_text_escape(w, ch_buf_span(&m->r.reason));
	}
	ch_wr_str(w, ".");
	ch_say_end(e, "update", "update", code, todo);
}

/* It runs, and this device's turn has not come. */
static void say_turn(struct ch_explain *e, const struct membership *m)
{
	size_t phase = phase_of(e, m);
	int64_t now = (int64_t)e->a->now, opens = ch_rollout_opens(m->r.doc, now);
	struct ch_wr *w = say_rollout(e, m);
	if (phase >= m->r.doc->phase_count) {
		ch_wr_str(w, " ends before it comes to this device.");
		ch_say_end(e, "update", "update", "beyond", "Make a rollout whose last phase has all devices.");
	} else if (phase > m->r.phase) {
		ch_wr_str(w, " comes to this device in phase ");
		ch_wr_dec(w, phase + 1);
		ch_wr_str(w, "; phase ");
		ch_wr_dec(w, m->r.phase + 1);
		ch_wr_str(w, " runs now.");
		ch_say_end(e, "update", "update", "phase", NULL);
	} else if (opens > now) {
		ch_wr_str(w, " comes to this device in its maintenance window, which opens at ");
		ch_time_put(w, opens);
		ch_wr_str(w, ".");
		ch_say_end(e, "update", "update", "window", NULL);
	} else {
		ch_wr_str(w, " comes to this device now: downloads are spread over time.");
		ch_say_end(e, "update", "update", "turn", NULL);
	}
}

static void say_waits(struct ch_explain *e, const struct membership *m)
{
	switch (m->r.state) {
	case CH_ROLLOUT_RUNNING:
		say_turn(e, m);
		break;
	case CH_ROLLOUT_PAUSED:
		say_still(e, m, " is paused", "paused", "An operator lets it go on: chainhold rollout resume.");
		break;
	case CH_ROLLOUT_HALTED:
		say_still(e, m, " is halted", "halted", "Find out why, then: chainhold rollout resume, or abort.");
		break;
	case CH_ROLLOUT_ABORTED:
		say_still(e, m, " ended before it came to this device", "aborted", NULL);
		break;
	case CH_ROLLOUT_FINISHED:
		say_still(e, m, " finished without this device", "finished", NULL);
		break;
	case CH_ROLLOUT_NONE:
	case CH_ROLLOUT_PLANNED:
	case CH_ROLLOUT_STATES:
		say_still(e, m, " has not begun", "planned", NULL);
		break;
	}
}

static void say_member(struct ch_explain *e, const struct membership *m)
{
	if (m->status == CH_MEMBER_WAITS) {
		say_waits(e, m);
	} else if (m->status != CH_MEMBER_OFFERED) {
		struct ch_wr *w = say_rollout(e, m);
		ch_wr_str(w, " left this device out: ");
		ch_wr_str(w, ch_rollout_member_str(m->status));
		ch_wr_str(w, ".");
		ch_say_end(e, "update", "update", "left-out",
			   m->status == CH_MEMBER_RUNS_IT ? NULL
							  : "Assign it to this device: chainhold update assign.");
	}
}

/* --- the deployment --- */

struct offer {
	enum ch_update_state state;
	uint64_t changed, progress;
	int64_t evidence;
	bool measured;
	struct ch_buf reason;
	char name[CH_NAME_MAX + 1], version[CH_RELEASE_VERSION_MAX + 1];
};

static bool offer_get(struct ch_explain *e, struct offer *o)
{
	*o = (struct offer){ 0 };
	struct ch_query q = ch_sql_query(e->a->st, CH_READ_EXPLAIN_UPDATE, CH_ARGS(TENANT, ch_int(e->d.seq)));
	bool there = ch_sql_next(&q);
	if (there) {
		o->state = (enum ch_update_state)ch_sql_int(&q, 1);
		o->changed = ch_seconds(ch_sql_int(&q, 2));
		o->progress = (uint64_t)ch_sql_int(&q, 3);
		ch_buf_append(&o->reason, ch_sql_bytes(&q, 4));
		o->evidence = ch_sql_int(&q, 5);
		o->name[ch_span_copy(o->name, sizeof(o->name) - 1, ch_sql_bytes(&q, 6))] = '\0';
		o->version[ch_span_copy(o->version, sizeof(o->version) - 1, ch_sql_bytes(&q, 7))] = '\0';
		o->measured = ch_sql_int(&q, 8) > 0;
	}
	(void)ch_sql_end(&q);
	return there;
}

/* What is said of each state, around the release and the reason. */
static const struct {
	const char *before, *after, *todo;
} said[CH_UPDATE_COUNT] = {
	[CH_UPDATE_NONE] = { "", "", NULL },
	[CH_UPDATE_OFFERED] = { "It is offered ", ", and has not taken it up",
				"See that the device is on and reaches the server." },
	[CH_UPDATE_DOWNLOADING] = { "It takes ", "", NULL },
	[CH_UPDATE_INSTALLED] = { "It says that it installed ", ", and has not shown it: claimed, not proven", NULL },
	[CH_UPDATE_PROVEN] = { "It runs ", ": its measured boot is explained by this release", NULL },
	[CH_UPDATE_NOT_PROVEN] = { "It says that it installed ", ", and its boot shows something else",
				   "Find out what the named event is: another image, or a release that was measured wrongly." },
	[CH_UPDATE_FELL_BACK] = { "It tried ", " and fell back to what it ran before",
				  "Look at the device's log: the release did not start." },
	[CH_UPDATE_REFUSED] = { "It refused ", "", "Mend what the reason names, then assign the release again." },
	[CH_UPDATE_CANCELLED] = { "It was offered ", ", which was taken back", NULL },
};

static const char *claimed_why(struct ch_explain *e, const struct offer *o)
{
	if (!o->measured)
		return " (the release has no measurements: it stays claimed)";
	return ch_sql_number(e->a->st, CH_READ_AK_COUNT, CH_ARGS(TENANT, ch_int(e->d.seq)), 0) == 0
		       ? " (the device has no measured boot: it stays claimed)"
		       : " (a quote after its restart proves it)";
}

static void say_offer(struct ch_explain *e, const struct offer *o)
{
	size_t row = (size_t)o->state < CH_UPDATE_COUNT ? o->state : CH_UPDATE_NONE;
	struct ch_wr *w = ch_say(e);
	ch_wr_str(w, said[row].before);
	ch_text_escape(w, ch_span_str(o->name));
	ch_wr_str(w, " ");
	ch_text_escape(w, ch_span_str(o->version));
	ch_wr_str(w, said[row].after);
	if (o->state == CH_UPDATE_INSTALLED)
		ch_wr_str(w, claimed_why(e, o));
	if (o->state == CH_UPDATE_PROVEN) {
		ch_wr_str(w, ", evidence ");
		ch_wr_dec(w, (uint64_t)o->evidence);
	}
	if (o->state == CH_UPDATE_DOWNLOADING) {
		ch_wr_str(w, ": ");
		ch_wr_dec(w, o->progress);
		ch_wr_str(w, " %");
	}
	ch_wr_str(w, ", since ");
	ch_say_age(w, e->a->now > o->changed ? e->a->now - o->changed : 0);
	if (o->reason.n > 0 && o->state != CH_UPDATE_PROVEN) {
		ch_wr_str(w, ": ");
		ch_text_escape(w, ch_buf_span(&o->reason));
	}
	ch_wr_str(w, ".");
	ch_say_end(e, "update", "update", ch_update_state_str(o->state), said[row].todo);
}

static void say_quarantined(struct ch_explain *e)
{
	struct ch_wr *w = ch_say(e);
	ch_wr_str(
		w,
		e->known && e->policy.mend
			? "In quarantine no rollout comes to it; the release that mends it is assigned to it by an operator."
			: "In quarantine it gets no release.");
	ch_say_end(e, "update", "update", "quarantined", NULL);
}

void ch_explain_update(struct ch_explain *e)
{
	struct membership m;
	struct offer o;
	bool member = membership_get(e, &m), offered = offer_get(e, &o);
	if (e->d.state == CH_STATE_QUARANTINED)
		say_quarantined(e);
	if (member)
		say_member(e, &m);
	/* What was taken back while the rollout stands still is told by the rollout. */
	if (offered && !(member && m.status == CH_MEMBER_WAITS && o.state == CH_UPDATE_CANCELLED))
		say_offer(e, &o);
	if (!member && !offered) {
		struct ch_wr *w = ch_say(e);
		ch_wr_str(w, "No release was ever assigned to it, and no rollout chose it.");
		ch_say_end(e, "update", "update", "no-release",
			   "chainhold update assign, or chainhold rollout create.");
	}
	ch_rollout_seen_clear(&m.r);
	ch_buf_free(&o.reason);
}
