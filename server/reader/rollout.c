/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/rollout.h"

/* Rollouts, and how it is with each of their devices. */

#define TENANT ch_int(CH_READER_TENANT)

void ch_rollout_take(struct ch_rollout_seen *r, const struct ch_query *q)
{
	*r = (struct ch_rollout_seen){ .seq = ch_sql_int(q, 0) };
	r->name[ch_span_copy(r->name, sizeof(r->name) - 1, ch_sql_bytes(q, 1))] = '\0';
	(void)ch_sql_copy(q, 2, r->sha256, sizeof(r->sha256));
	r->state = (enum ch_rollout_state)ch_sql_int(q, 3);
	r->phase = (size_t)ch_sql_int(q, 4);
	ch_buf_append(&r->reason, ch_sql_bytes(q, 5));
	r->time = ch_seconds(ch_sql_int(q, 6));
	r->changed = ch_seconds(ch_sql_int(q, 7));
	r->members = (uint64_t)ch_sql_int(q, 8);
	r->canaries = (uint64_t)ch_sql_int(q, 9);
	r->reached = ch_seconds(ch_sql_int(q, 10));
	r->action = ch_sql_int(q, 11);
	(void)ch_sql_copy(q, 12, r->release, sizeof(r->release));
	r->release_name[ch_span_copy(r->release_name, sizeof(r->release_name) - 1, ch_sql_bytes(q, 13))] = '\0';
	r->version[ch_span_copy(r->version, sizeof(r->version) - 1, ch_sql_bytes(q, 14))] = '\0';
	ch_buf_append(&r->document, ch_sql_bytes(q, 15));
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(CH_ROLLOUT_NODES_MAX, sizeof(*node));
	r->doc = ch_calloc(1, sizeof(*r->doc));
	/* The keeper reads it as well, or ends: one that cannot be read is shown without phases. */
	if (ch_rollout_parse(r->doc, ch_buf_span(&r->document), node, CH_ROLLOUT_NODES_MAX, NULL) != CH_OK)
		r->document.n = 0;
}

void ch_rollout_seen_clear(struct ch_rollout_seen *r)
{
	ch_buf_free(&r->reason);
	ch_buf_free(&r->document);
	ch_free(r->doc);
	*r = (struct ch_rollout_seen){ 0 };
}

/* --- counts --- */

struct counts {
	uint64_t state[CH_ROLLOUT_PHASES_MAX][CH_UPDATE_COUNT];
	uint64_t member[CH_MEMBER_COUNT];
};

static void count(struct ch_ask *a, int64_t rollout, struct counts *c)
{
	*c = (struct counts){ 0 };
	struct ch_query q = ch_sql_query(a->st, CH_READ_ROLLOUT_STATES, CH_ARGS(TENANT, ch_int(rollout)));
	while (ch_sql_next(&q)) {
		uint64_t phase = (uint64_t)ch_sql_int(&q, 0), state = (uint64_t)ch_sql_int(&q, 1);
		if (phase < CH_ROLLOUT_PHASES_MAX && state < CH_UPDATE_COUNT)
			c->state[phase][state] = (uint64_t)ch_sql_int(&q, 2);
	}
	(void)ch_sql_end(&q);
	q = ch_sql_query(a->st, CH_READ_ROLLOUT_MEMBERS, CH_ARGS(TENANT, ch_int(rollout)));
	while (ch_sql_next(&q)) {
		uint64_t status = (uint64_t)ch_sql_int(&q, 0);
		if (status < CH_MEMBER_COUNT)
			c->member[status] = (uint64_t)ch_sql_int(&q, 1);
	}
	(void)ch_sql_end(&q);
}

/* What was taken back is no state of a device: it waits, or has another deployment. */
static void put_states(struct ch_json_wr *j, const uint64_t *state, size_t phases)
{
	ch_json_name(j, "deployments");
	ch_json_object_begin(j);
	for (unsigned s = CH_UPDATE_OFFERED; s < CH_UPDATE_COUNT; s++) {
		uint64_t n = 0;
		for (size_t i = 0; i < phases; i++)
			n += state[i * CH_UPDATE_COUNT + s];
		ch_json_named_u64(j, ch_update_state_str((enum ch_update_state)s), n);
	}
	ch_json_object_end(j);
}

static void put_rollout(struct ch_ask *a, const struct ch_rollout_seen *r, const struct counts *c)
{
	struct ch_json_wr *j = &a->j;
	uint64_t left_out = 0;
	for (unsigned i = CH_MEMBER_OFFERED + 1; i < CH_MEMBER_COUNT; i++)
		left_out += c->member[i];
	ch_json_named_str(j, "name", r->name);
	ch_json_named_hex(j, "sha256", CH_SPAN_OF(r->sha256));
	ch_json_named_hex(j, "release", CH_SPAN_OF(r->release));
	ch_json_named_str(j, "release_name", r->release_name);
	ch_json_named_str(j, "version", r->version);
	ch_json_named_str(j, "state", ch_rollout_state_str(r->state));
	ch_json_named_u64(j, "phase", r->phase + 1);
	ch_json_named_u64(j, "phases", r->doc->phase_count);
	ch_json_named_span(j, "reason", ch_buf_span(&r->reason));
	ch_json_named_time(j, "created", r->time);
	ch_json_named_time(j, "changed", r->changed);
	ch_json_named_u64(j, "action", (uint64_t)r->action);
	ch_json_named_u64(j, "devices", r->members);
	ch_json_named_u64(j, "waiting", c->member[CH_MEMBER_WAITS]);
	ch_json_named_u64(j, "left_out", left_out);
	put_states(j, c->state[0], CH_ROLLOUT_PHASES_MAX);
}

/* --- the list --- */

static bool wanted_state(struct ch_ask *a, struct ch_span word, int64_t *state)
{
	*state = -1;
	if (word.n == 0)
		return true;
	for (unsigned s = CH_ROLLOUT_PLANNED; s < CH_ROLLOUT_STATES; s++) {
		if (ch_span_eq(word, ch_span_str(ch_rollout_state_str((enum ch_rollout_state)s)))) {
			*state = s;
			return true;
		}
	}
	ch_ask_refuse(a, 400, "query", "there is no such state of a rollout");
	return false;
}

static void put_next(struct ch_ask *a, bool more, uint64_t last)
{
	ch_json_name(&a->j, "next");
	if (more)
		ch_json_put_u64(&a->j, last);
	else
		ch_json_put_null(&a->j);
	ch_json_named_u64(&a->j, "time", a->now);
}

void ch_page_rollouts(struct ch_ask *a)
{
	uint64_t before = 0, limit = 0, n = 0, last = 0;
	struct ch_span state = CH_SPAN_EMPTY;
	int64_t want;
	const struct ch_param row[] = { { "before", CH_PARAM_NUMBER, &before },
					{ "limit", CH_PARAM_NUMBER, &limit },
					{ "state", CH_PARAM_WORD, &state } };
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)) || !wanted_state(a, state, &want))
		return;
	limit = ch_ask_limit(limit);
	ch_json_object_begin(&a->j);
	ch_json_name(&a->j, "rollouts");
	ch_json_array_begin(&a->j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_ROLLOUTS,
					 CH_ARGS(TENANT, ch_int(before > 0 ? (int64_t)before : INT64_MAX), ch_int(want),
						 ch_int((int64_t)limit)));
	for (; ch_sql_next(&q); n++) {
		struct ch_rollout_seen r;
		struct counts c;
		ch_rollout_take(&r, &q);
		count(a, r.seq, &c);
		ch_json_object_begin(&a->j);
		put_rollout(a, &r, &c);
		ch_json_object_end(&a->j);
		last = (uint64_t)r.seq;
		ch_rollout_seen_clear(&r);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(&a->j);
	put_next(a, n == limit, last);
	ch_json_object_end(&a->j);
}

/* --- one --- */

/* The rollout that the path names; false, and the answer is an error, if there is none. Cleared by its user. */
static bool ask_rollout(struct ch_ask *a, struct ch_rollout_seen *r)
{
	struct ch_span name = ch_route_param((enum ch_route_number)a->m->route, a->m->path, 0);
	struct ch_query q = ch_sql_query(a->st, CH_READ_ROLLOUT, CH_ARGS(TENANT, ch_text(name)));
	bool there = ch_sql_next(&q);
	if (there)
		ch_rollout_take(r, &q);
	(void)ch_sql_end(&q);
	if (!there)
		ch_ask_refuse(a, 404, "rollout", "there is no such rollout");
	return there;
}

static void put_stages(struct ch_ask *a, const struct ch_rollout_seen *r, const struct counts *c)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "stages");
	ch_json_array_begin(j);
	for (size_t i = 0; i < r->doc->phase_count; i++) {
		ch_json_object_begin(j);
		ch_json_named_u64(j, "phase", i + 1);
		ch_json_named_u64(j, "devices", ch_rollout_phase_end(r->doc, i, r->members, r->canaries));
		put_states(j, c->state[i], 1);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void put_left_out(struct ch_ask *a, const struct counts *c)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "left_out_because");
	ch_json_object_begin(j);
	for (unsigned i = CH_MEMBER_OFFERED + 1; i < CH_MEMBER_COUNT; i++) {
		if (c->member[i] > 0)
			ch_json_named_u64(j, ch_rollout_member_str((enum ch_rollout_member)i), c->member[i]);
	}
	ch_json_object_end(j);
}

void ch_page_rollout(struct ch_ask *a)
{
	struct ch_rollout_seen r;
	struct counts c;
	if (!ch_ask_params(a, NULL, 0) || !ask_rollout(a, &r))
		return;
	int64_t opens = ch_rollout_opens(r.doc, (int64_t)a->now);
	count(a, r.seq, &c);
	ch_json_object_begin(&a->j);
	put_rollout(a, &r, &c);
	put_stages(a, &r, &c);
	put_left_out(a, &c);
	ch_json_named_time(&a->j, "reached", r.reached);
	/* When devices may next begin, if that is not now. */
	ch_json_named_time(&a->j, "opens", opens > (int64_t)a->now ? (uint64_t)opens : 0);
	ch_json_named_stored(&a->j, "document", ch_buf_span(&r.document));
	ch_json_named_u64(&a->j, "time", a->now);
	ch_json_object_end(&a->j);
	ch_rollout_seen_clear(&r);
}

/* --- its devices --- */

static uint64_t put_device(struct ch_ask *a, const struct ch_query *q)
{
	struct ch_json_wr *j = &a->j;
	bool offered = !ch_sql_is_null(q, 5);
	uint8_t text[24];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_json_object_begin(j);
	ch_json_named_hex(j, "device", ch_sql_bytes(q, 1));
	ch_json_named_span(j, "hostname", ch_sql_bytes(q, 2));
	/* Beyond what every reader of JSON keeps of a number. */
	ch_wr_int(&w, ch_sql_int(q, 3));
	ch_json_named_span(j, "place", ch_wr_span(&w));
	ch_json_named_str(j, "status", ch_rollout_member_str((enum ch_rollout_member)ch_sql_int(q, 4)));
	w = ch_wr(text, sizeof(text));
	ch_wr_int(&w, ch_sql_int(q, 5));
	if (offered)
		ch_json_named_span(j, "deployment", ch_wr_span(&w));
	else
		ch_json_named_str(j, "deployment", NULL);
	ch_json_named_str(j, "state", offered ? ch_update_state_str((enum ch_update_state)ch_sql_int(q, 6)) : NULL);
	ch_json_name(j, "phase");
	if (offered)
		ch_json_put_u64(j, (uint64_t)ch_sql_int(q, 7) + 1);
	else
		ch_json_put_null(j);
	ch_json_named_time(j, "changed", ch_seconds(ch_sql_int(q, 8)));
	ch_json_named_span(j, "reason", ch_sql_bytes(q, 9));
	ch_json_object_end(j);
	return (uint64_t)ch_sql_int(q, 0);
}

void ch_page_rollout_devices(struct ch_ask *a)
{
	uint64_t after = 0, limit = 0, n = 0, last = 0;
	struct ch_rollout_seen r;
	const struct ch_param row[] = { { "after", CH_PARAM_NUMBER, &after }, { "limit", CH_PARAM_NUMBER, &limit } };
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)) || !ask_rollout(a, &r))
		return;
	limit = ch_ask_limit(limit);
	ch_json_object_begin(&a->j);
	ch_json_named_str(&a->j, "rollout", r.name);
	ch_json_name(&a->j, "devices");
	ch_json_array_begin(&a->j);
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_ROLLOUT_DEVICES,
			     CH_ARGS(TENANT, ch_int(r.seq), ch_int((int64_t)after), ch_int((int64_t)limit)));
	for (; ch_sql_next(&q); n++)
		last = put_device(a, &q);
	(void)ch_sql_end(&q);
	ch_json_array_end(&a->j);
	put_next(a, n == limit, last);
	ch_json_object_end(&a->j);
	ch_rollout_seen_clear(&r);
}
