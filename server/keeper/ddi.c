/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ddi.h"
#include "core/base/text.h"
#include "server/ipc/ddi.h"
#include "server/keeper/state.h"

/*
 * What clients of hawkBit's DDI say. All of it is a claim: it is kept, moves a deployment by the steps that a claim can make, and proves
 * nothing.
 */

/* The device that says it, which must be the one that its path names; false, and the request is answered. */
static bool speaker(struct ch_keeper *k, const struct ch_who *who, const uint8_t id[static 16],
		    struct ch_span controller, struct ch_device *d)
{
	struct ch_ddi_name name;
	if (!ch_kp_device_by_id(k, id, d) || !ch_state_admits(d->state, CH_ACCESS_ATTEST)) {
		ch_kp_refuse(k, who, 403, "state", "the state of this device does not admit this request");
		return false;
	}
	ch_ddi_name_init(&name, controller);
	if (ch_ddi_name_is_id(&name, d->id) ||
	    ch_sql_number(k->st, CH_SQL_DEVICE_CALLED,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(CH_ALIAS_HOSTNAME),
				  ch_bytes(name.as_is), ch_int(CH_ALIAS_NAME), ch_bytes(name.lower)),
			  0) > 0)
		return true;
	ch_kp_refuse(k, who, 403, "controller", "the path names another device than the certificate");
	return false;
}

/* --- feedback --- */

/* The words as they are kept: "closed/success". */
static struct ch_span words(const struct ch_msg_ddi_feedback *m, struct ch_wr *w)
{
	ch_wr_str(w, m->cancels != 0 ? "cancel:" : "");
	ch_wr_str(w, ch_ddi_execution_str((enum ch_ddi_execution)m->execution));
	ch_wr_str(w, "/");
	ch_wr_str(w, ch_ddi_finished_str((enum ch_ddi_finished)m->finished));
	return ch_wr_span(w);
}

static enum ch_update_step step_of(enum ch_ddi_outcome outcome)
{
	static const uint8_t step[] = { [CH_DDI_PROCEEDS] = CH_UPDATE_STEP_DOWNLOAD,
					[CH_DDI_SUCCEEDED] = CH_UPDATE_STEP_INSTALL,
					[CH_DDI_FAILED] = CH_UPDATE_STEP_REFUSE,
					[CH_DDI_DECLINED] = CH_UPDATE_STEP_REFUSE };
	return (enum ch_update_step)step[outcome];
}

/* What a device says of an action: a step, as long as it is wanted; of one that was cancelled it is kept and changes nothing. */
static void about_action(struct ch_keeper *k, const struct ch_device *d, struct ch_deployment *u,
			 enum ch_ddi_outcome outcome, const struct ch_said *said, struct ch_span reason)
{
	enum ch_update_step step = step_of(outcome);
	ch_kp_feedback_keep(k, d, u, step, said);
	if (u->state != CH_UPDATE_CANCELLED)
		(void)ch_kp_deployment_step(k, d, u, step, reason, 0);
	else if (u->stop == CH_UPDATE_STOP_DECLINED && outcome != CH_DDI_PROCEEDS)
		ch_kp_deployment_stop(k, d, u, CH_UPDATE_STOP_ENDED);
}

static void about_cancellation(struct ch_keeper *k, const struct ch_device *d, struct ch_deployment *u,
			       enum ch_ddi_outcome outcome, const struct ch_said *said)
{
	static const uint8_t stop[] = { [CH_DDI_PROCEEDS] = CH_UPDATE_STOP_ASKED,
					[CH_DDI_SUCCEEDED] = CH_UPDATE_STOP_ACKNOWLEDGED,
					[CH_DDI_FAILED] = CH_UPDATE_STOP_ENDED,
					[CH_DDI_DECLINED] = CH_UPDATE_STOP_DECLINED };
	ch_kp_feedback_keep(k, d, u, CH_UPDATE_STEP_CANCEL, said);
	if (stop[outcome] != (uint8_t)u->stop)
		ch_kp_deployment_stop(k, d, u, (enum ch_update_stop)stop[outcome]);
}

/* Whether the device is still to be heard about it. */
static bool is_open(const struct ch_deployment *u, bool cancels)
{
	bool asked = u->state == CH_UPDATE_CANCELLED && u->stop == CH_UPDATE_STOP_ASKED;
	if (cancels)
		return asked;
	return ch_update_wanted(u->state) || asked ||
	       (u->state == CH_UPDATE_CANCELLED && u->stop == CH_UPDATE_STOP_DECLINED);
}

/* It ends something, so that it is heard once: what goes on without end is what a limit is for. */
static bool ends(const struct ch_deployment *u, bool cancels, enum ch_ddi_outcome outcome)
{
	return outcome != CH_DDI_PROCEEDS && (cancels || u->stop != CH_UPDATE_STOP_ASKED);
}

/* Feedback has a limit; how it ended is heard after it, too. */
static bool is_heard(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_ddi_feedback *m,
		     const struct ch_deployment *u, enum ch_ddi_outcome outcome)
{
	if (!is_open(u, m->cancels != 0))
		ch_kp_refuse(k, who, 410, "closed", "this action is over");
	else if (!ends(u, m->cancels != 0, outcome) && ch_kp_feedback_full(k, u))
		ch_kp_refuse(k, who, 429, "feedback", "this device said as much about this action as is kept");
	else
		return true;
	return false;
}

void ch_kp_ddi_feedback(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_ddi_feedback *m)
{
	struct ch_device d;
	struct ch_deployment u;
	uint8_t text[64];
	struct ch_wr w = ch_wr(text, sizeof(text));
	const struct ch_ddi_feedback f = { .execution = (enum ch_ddi_execution)m->execution,
					   .finished = (enum ch_ddi_finished)m->finished };
	if (!speaker(k, who, m->device, m->controller, &d))
		return;
	/* Another device's is as one that does not exist: nothing is told about it. */
	if (m->action > INT64_MAX || !ch_kp_deployment_get(k, (int64_t)m->action, &u) || u.device != d.seq) {
		ch_kp_refuse(k, who, 404, "action", "this device has no such action");
		return;
	}
	enum ch_ddi_outcome outcome = m->cancels != 0 ? ch_ddi_cancel_outcome(&f) : ch_ddi_action_outcome(&f);
	if (!is_heard(k, who, m, &u, outcome))
		return;
	const struct ch_said said = { words(m, &w), m->text, CH_SPAN_EMPTY,
				      m->progress <= 100 ? m->progress : CH_SAID_NO_PROGRESS };
	if (m->cancels != 0)
		about_cancellation(k, &d, &u, outcome, &said);
	else
		about_action(k, &d, &u, outcome, &said, m->reason);
	ch_kp_answer(k, who, 200, CH_SPAN_EMPTY);
}

/* --- attributes --- */

static bool attr_take(struct ch_rd *r, struct ch_span *name, struct ch_span *value)
{
	*name = ch_rd_take(r, ch_rd_be16(r));
	*value = ch_rd_take(r, ch_rd_be16(r));
	return !r->bad;
}

/* How many the device would have; more than it may, and none is written. */
static size_t count_after(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_ddi_config *m)
{
	struct ch_rd r = ch_rd(m->rows);
	struct ch_span name, value;
	size_t count = 0;
	if (m->mode != CH_DDI_REPLACE)
		count = (size_t)ch_sql_number(k->st, CH_SQL_ATTRIBUTE_COUNT,
					      CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq)), 0);
	while (m->mode != CH_DDI_REMOVE && ch_rd_left(&r) > 0 && attr_take(&r, &name, &value)) {
		bool has = m->mode == CH_DDI_MERGE &&
			   ch_sql_number(k->st, CH_SQL_ATTRIBUTE_HAS,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_text(name)), 0) > 0;
		count += has ? 0 : 1;
	}
	return count;
}

void ch_kp_ddi_config(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_ddi_config *m)
{
	struct ch_device d;
	struct ch_span name, value;
	struct ch_rd r = ch_rd(m->rows);
	if (!speaker(k, who, m->device, m->controller, &d))
		return;
	if (m->mode >= CH_DDI_MODE_COUNT || count_after(k, &d, m) > CH_DDI_ATTRS_MAX) {
		ch_kp_refuse(k, who, 400, "attributes", "a device has at most 64 attributes");
		return;
	}
	ch_kp_write(k);
	if (m->mode == CH_DDI_REPLACE)
		ch_sql_do(k->st, CH_SQL_ATTRIBUTES_REMOVE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d.seq)));
	while (ch_rd_left(&r) > 0 && attr_take(&r, &name, &value)) {
		if (m->mode == CH_DDI_REMOVE)
			ch_sql_do(k->st, CH_SQL_ATTRIBUTE_REMOVE,
				  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d.seq), ch_text(name)));
		else
			ch_sql_do(k->st, CH_SQL_ATTRIBUTE_SET,
				  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d.seq), ch_text(name), ch_text(value),
					  ch_int((int64_t)k->now)));
	}
	ch_kp_links_publish(k, &d);
	ch_kp_answer(k, who, 200, CH_SPAN_EMPTY);
}

/* --- what a device is told when it polls --- */

#define LINKS_BATCH 100

void ch_kp_ddi_links(struct ch_keeper *k, int64_t device, struct ch_ddi_poll *p)
{
	struct ch_deployment u;
	int64_t ended = 0;
	*p = (struct ch_ddi_poll){ 0 };
	p->cancel = (uint64_t)ch_sql_number(
		k->st, CH_SQL_DDI_STOP, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device), ch_int(CH_UPDATE_STOP_ASKED)),
		0);
	if (ch_kp_deployment_last(k, device, &u) && ch_update_wanted(u.state))
		p->action = (uint64_t)u.seq;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_DDI_INSTALLED,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device), ch_int(CH_UPDATE_INSTALLED),
						 ch_int(CH_UPDATE_PROVEN), ch_int(CH_UPDATE_NOT_PROVEN)));
	if (ch_sql_next(&q)) {
		p->installed = (uint64_t)ch_sql_int(&q, 0);
		ended = ch_sql_int(&q, 1);
	}
	(void)ch_sql_end(&q);
	p->attributes = ch_sql_number(k->st, CH_SQL_ATTRIBUTES_TIME, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device)),
				      0) <= ended;
}

bool ch_kp_ddi_links_load(struct ch_keeper *k)
{
	int64_t device[LINKS_BATCH];
	size_t n = 0;
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_ATTRIBUTES_NEXT, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->linked)));
	while (n < LINKS_BATCH && ch_sql_next(&q))
		device[n++] = ch_sql_int(&q, 0);
	(void)ch_sql_end(&q);
	for (size_t i = 0; i < n; i++) {
		struct ch_device d;
		k->linked = device[i];
		if (ch_kp_device_by_seq(k, device[i], &d))
			ch_kp_links_publish(k, &d);
	}
	return n == LINKS_BATCH;
}
