/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "host/sys/log.h"
#include "server/keeper/verbs.h"

#include <inttypes.h>
#include <stdio.h>

/*
 * Whether the clock of this machine can be believed: a certificate says for years what it said in one moment. Where it jumps against
 * the monotonic clock, or is behind what the log says was before, nothing is issued until an operator has accepted it. Evidence,
 * verdicts and revocations go on: their times only grow whatever the clock does.
 */

#define JUMP_MS   600000 /* ten minutes */
#define BEHIND_MS 60000  /* steps of a time service are smaller */

static void alarm(struct ch_keeper *k, const char *rule)
{
	uint8_t text[256];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	k->clock.alarm = k->n.alarm++;
	ch_kp_write(k);
	ch_sql_do(
		k->st, CH_SQL_ALARM_ADD,
		CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->clock.alarm), ch_int((int64_t)k->now), ch_text_str(rule)));
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", "clock");
	ch_json_named_u64(&j, "alarm", (uint64_t)k->clock.alarm);
	ch_json_named_str(&j, "rule", rule);
	ch_json_named_u64(&j, "time", k->now);
	ch_json_object_end(&j);
	ch_kp_event(k, 0, "clock", ch_wr_span(&w));
	ch_log(CH_LOG_ERROR, "%s: no certificate is issued until an operator accepts it (chainhold clock accept)",
	       rule);
}

void ch_kp_clock_load(struct ch_keeper *k)
{
	k->clock.alarm = ch_sql_number(k->st, CH_SQL_ALARM_OPEN, CH_ARGS(ch_int(CH_KEEPER_TENANT)), 0);
	k->clock.last = (uint64_t)ch_sql_number(k->st, CH_SQL_LEAF_LAST, CH_ARGS(ch_int(CH_KEEPER_TENANT)), 0);
	k->clock.ready = true;
}

void ch_kp_clock_check(struct ch_keeper *k, uint64_t wall)
{
	struct ch_clock *c = &k->clock;
	if (!c->ready || c->alarm != 0)
		return;
	if (c->mono == 0) {
		c->wall = wall;
		c->mono = k->mono;
	}
	int64_t jumped = (int64_t)(wall - c->wall) - (int64_t)(k->mono - c->mono);
	if (jumped > JUMP_MS || jumped < -JUMP_MS)
		alarm(k, "the server's clock jumped by more than ten minutes against the monotonic clock");
	else if (wall + c->ahead + BEHIND_MS < c->last)
		alarm(k, "the server's clock is behind the last entry of the log");
}

bool ch_kp_clock_doubtful(const struct ch_keeper *k)
{
	return k->clock.alarm != 0;
}

/* --- clock.accept: the subject names the alarm, so that an acceptance is of this one only --- */

const char *ch_clock_accept_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	char name[32];
	(void)snprintf(name, sizeof(name), "clock-%" PRId64, k->clock.alarm);
	*status = 409;
	if (k->clock.alarm == 0)
		return "nobody doubts the server's clock";
	return ch_span_eq(a->action.subject, ch_span_str(name)) ? NULL : "this is not the alarm that is open";
}

void ch_clock_accept_run(struct ch_keeper *k, struct ch_act *a)
{
	uint64_t wall = k->env.wall_ms(k->env.ctx);
	ch_sql_do(k->st, CH_SQL_ALARM_ACCEPT,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->clock.alarm), ch_int(a->seq)));
	/* What the clock says now is right. Entries of the log go on from the last one, however far ahead that is. */
	k->clock.alarm = 0;
	k->clock.wall = wall;
	k->clock.mono = k->mono;
	k->clock.ahead = k->now > wall ? k->now - wall : 0;
}
