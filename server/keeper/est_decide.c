/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "server/keeper/verbs.h"

/* What operators decide about requests for certificates that wait for them. The client that asked hears of it when it comes again. */

/* The request that the subject names; 0 if there is none. */
static int64_t request_find(struct ch_keeper *k, const struct ch_act *a, enum ch_est_state *state)
{
	uint8_t key[32];
	int64_t seq = 0;
	if (ch_hex_decode(key, sizeof(key), a->action.subject) != CH_OK)
		return 0;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_EST_FIND,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(0), ch_bytes(CH_SPAN_OF(key))));
	if (ch_sql_next(&q)) {
		seq = ch_sql_int(&q, 0);
		*state = (enum ch_est_state)ch_sql_int(&q, 1);
	}
	return ch_sql_end(&q) == CH_OK ? seq : 0;
}

const char *ch_est_decide_refused(struct ch_keeper *k, struct ch_act *a, unsigned *status)
{
	enum ch_est_state state;
	*status = 404;
	if (request_find(k, a, &state) == 0)
		return "there is no such request for a certificate";
	*status = 409;
	/* What was approved and has not been fetched can still be refused. */
	bool may = state == CH_EST_WAITING || (state == CH_EST_APPROVED && a->action.verb == CH_VERB_ENROLMENT_REFUSE);
	return may ? NULL : "the request does not wait any more";
}

void ch_est_decide_run(struct ch_keeper *k, struct ch_act *a)
{
	enum ch_est_state state;
	int64_t seq = request_find(k, a, &state);
	bool approve = a->action.verb == CH_VERB_ENROLMENT_APPROVE;
	if (seq == 0)
		return;
	ch_sql_do(k->st, CH_SQL_EST_DECIDE,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_int(approve ? CH_EST_APPROVED : CH_EST_REFUSED),
			  ch_int((int64_t)k->now), ch_int(0)));
}
