/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include <stdlib.h>
#include <sys/random.h>

#define EVENTS_KEPT  10000 /* for those who come later with a Last-Event-ID */
#define ORDERED_TIME 6     /* bytes of milliseconds: enough until the year 10889 */

void ch_kp_random(void *to, size_t n)
{
	/* Fewer bytes than asked for come only while the pool is not yet initialised or for large requests: neither is here. */
	if (getrandom(to, n, 0) != (ssize_t)n)
		abort();
}

void ch_kp_ordered(const struct ch_keeper *k, uint8_t to[static CH_KEEPER_ORDERED])
{
	ch_kp_random(to + ORDERED_TIME, CH_KEEPER_ORDERED - ORDERED_TIME);
	for (size_t i = 0; i < ORDERED_TIME; i++)
		to[i] = (uint8_t)(k->now >> (8 * (ORDERED_TIME - 1 - i)));
}

void ch_kp_write(struct ch_keeper *k)
{
	if (!ch_store_busy(k->st))
		ch_store_begin(k->st);
	k->turn_writes++;
}

void ch_kp_send(struct ch_keeper *k, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, const void *msg)
{
	if (k->out_count == k->out_cap) {
		k->out_cap = k->out_cap * 2 + 64;
		k->out = ch_realloc(k->out, k->out_cap, sizeof(*k->out));
	}
	size_t n = ch_msg_size(type, msg);
	struct ch_wr w = ch_wr(ch_buf_room(&k->out_bytes, n), n);
	ch_msg_put(type, msg, &w);
	k->out[k->out_count++] = (struct ch_out){ to, index, type, id, k->out_bytes.n, n };
	k->out_bytes.n += n;
}

void ch_kp_flush(struct ch_keeper *k)
{
	for (size_t i = 0; i < k->out_count; i++) {
		const struct ch_out *o = &k->out[i];
		k->env.send(k->env.ctx, o->to, o->index, o->type, o->id,
			    ch_span_sub(ch_buf_span(&k->out_bytes), o->off, o->n));
	}
	k->out_count = 0;
	k->out_bytes.n = 0;
}

#define RETRY_AFTER 5 /* seconds: what is in the way now may soon be gone */

static void answer(struct ch_keeper *k, const struct ch_who *who, unsigned status, struct ch_span json,
		   uint32_t retry_after)
{
	const struct ch_msg_answer m = {
		.status = (uint16_t)status,
		.retry_after = retry_after,
		.type = CH_SPAN_LIT("application/json"),
		.body = json,
	};
	k->metric_requests++;
	ch_kp_send(k, who->role, who->index, CH_MSG_ANSWER, who->id, &m);
}

static uint32_t retry_after(unsigned status)
{
	return status == 503 || status == 429 ? RETRY_AFTER : 0;
}

void ch_kp_answer(struct ch_keeper *k, const struct ch_who *who, unsigned status, struct ch_span json)
{
	answer(k, who, status, json, retry_after(status));
}

static void refuse(struct ch_keeper *k, const struct ch_who *who, unsigned status, const char *code, const char *rule,
		   uint32_t seconds)
{
	uint8_t text[512];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_name(&j, "error");
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "code", code);
	ch_json_named_str(&j, "rule", rule);
	ch_json_object_end(&j);
	ch_json_object_end(&j);
	answer(k, who, status, ch_wr_span(&w), seconds);
}

void ch_kp_refuse(struct ch_keeper *k, const struct ch_who *who, unsigned status, const char *code, const char *rule)
{
	refuse(k, who, status, code, rule, retry_after(status));
}

void ch_kp_refuse_until(struct ch_keeper *k, const struct ch_who *who, const char *code, const char *rule,
			uint32_t seconds)
{
	refuse(k, who, 429, code, rule, seconds);
}

void ch_kp_event(struct ch_keeper *k, int64_t device, const char *kind, struct ch_span body)
{
	int64_t seq = k->n.event++;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_EVENT_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_int((int64_t)k->now), ch_int(device),
			  ch_text_str(kind), ch_text(body)));
	if (seq % 100 == 0 && seq > EVENTS_KEPT)
		ch_sql_do(k->st, CH_SQL_EVENT_OLD, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq - EVENTS_KEPT)));
	const struct ch_msg_event m = { .seq = (uint64_t)seq, .kind = ch_span_str(kind), .json = body };
	for (unsigned i = 0; i < CH_KEEPER_EDGES_MAX; i++) {
		if (k->edge[i])
			ch_kp_send(k, CH_ROLE_EDGE, i, CH_MSG_EVENT, 0, &m);
	}
}
