/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/ask.h"

#include "core/base/text.h"
#include "core/trust/leaf.h"
#include "core/wire/base64.h"

#define TENANT ch_int(CH_READER_TENANT)

/* --- status --- */

struct counts {
	uint64_t state[CH_STATE_COUNT];
	uint64_t tier[4];
	uint64_t total;
};

static const enum ch_tier tiers[] = { CH_TIER_NONE, CH_TIER_AFFIRMING, CH_TIER_WARNING, CH_TIER_CONTRAINDICATED };

static void count_devices(struct ch_ask *a, struct counts *c)
{
	struct ch_query q = ch_sql_query(a->st, CH_READ_DEVICE_COUNTS, CH_ARGS(TENANT));
	while (ch_sql_next(&q)) {
		uint64_t state = (uint64_t)ch_sql_int(&q, 0), n = (uint64_t)ch_sql_int(&q, 2);
		c->total += n;
		c->state[state < CH_STATE_COUNT ? state : 0] += n;
		/* A device at the end of its life has no chain any more. */
		if (!ch_state_admits((enum ch_state)state, CH_ACCESS_ATTEST))
			continue;
		for (size_t i = 0; i < CH_COUNT_OF(tiers); i++)
			c->tier[i] += ch_sql_int(&q, 1) == (int64_t)tiers[i] ? n : 0;
	}
	(void)ch_sql_end(&q);
}

static void put_counts(struct ch_json_wr *j, const struct counts *c)
{
	ch_json_name(j, "devices");
	ch_json_object_begin(j);
	ch_json_named_u64(j, "total", c->total);
	ch_json_name(j, "state");
	ch_json_object_begin(j);
	for (size_t i = CH_STATE_PREAUTHORISED; i < CH_STATE_COUNT; i++)
		ch_json_named_u64(j, ch_state_str((enum ch_state)i), c->state[i]);
	ch_json_object_end(j);
	ch_json_name(j, "chain");
	ch_json_object_begin(j);
	for (size_t i = 0; i < CH_COUNT_OF(tiers); i++)
		ch_json_named_u64(j, ch_tier_str(tiers[i]), c->tier[i]);
	ch_json_object_end(j);
	ch_json_object_end(j);
}

/* The doubt about the server's clock that nobody has accepted, or null. */
static void put_clock(struct ch_ask *a)
{
	struct ch_json_wr *j = &a->j;
	char name[32];
	struct ch_query q = ch_sql_query(a->st, CH_READ_ALARM, CH_ARGS(TENANT));
	ch_json_name(j, "clock");
	if (ch_sql_next(&q)) {
		struct ch_wr w = ch_wr(name, sizeof(name));
		ch_wr_str(&w, "clock-");
		ch_wr_dec(&w, (uint64_t)ch_sql_int(&q, 0));
		ch_json_object_begin(j);
		ch_json_named_span(j, "alarm", ch_wr_span(&w));
		ch_json_named_time(j, "since", ch_seconds(ch_sql_int(&q, 1)));
		ch_json_named_span(j, "rule", ch_sql_bytes(&q, 2));
		ch_json_object_end(j);
	} else {
		ch_json_put_null(j);
	}
	(void)ch_sql_end(&q);
}

void ch_page_status(struct ch_ask *a)
{
	struct counts c = { 0 };
	struct ch_json_wr *j = &a->j;
	if (!ch_ask_params(a, NULL, 0))
		return;
	count_devices(a, &c);
	ch_json_object_begin(j);
	ch_json_named_str(j, "version", CH_VERSION);
	ch_json_named_u64(j, "time", a->now);
	ch_json_named_u64(j, "schema", (uint64_t)ch_sql_number(a->st, CH_READ_SCHEMA, CH_ARGS(TENANT), 0));
	put_counts(j, &c);
	ch_json_named_u64(j, "cutting", (uint64_t)ch_sql_number(a->st, CH_READ_CUTTING, CH_ARGS(TENANT), 0));
	struct ch_query q = ch_sql_query(a->st, CH_READ_GENERATION_LAST, CH_ARGS(TENANT));
	bool any = ch_sql_next(&q);
	ch_json_named_u64(j, "generation", any ? (uint64_t)ch_sql_int(&q, 0) : 0);
	ch_json_name(j, "refused");
	if (any && ch_sql_int(&q, 2) != 0) {
		ch_json_object_begin(j);
		ch_json_named_time(j, "since", ch_seconds(ch_sql_int(&q, 2)));
		ch_json_named_span(j, "rule", ch_sql_bytes(&q, 3));
		ch_json_object_end(j);
	} else {
		ch_json_put_null(j);
	}
	(void)ch_sql_end(&q);
	q = ch_sql_query(a->st, CH_READ_LOG_HEAD, CH_ARGS(TENANT));
	any = ch_sql_next(&q);
	ch_json_name(j, "log");
	ch_json_object_begin(j);
	ch_json_named_span(j, "origin", ch_ask_origin(a));
	ch_json_named_u64(j, "size", any ? (uint64_t)ch_sql_int(&q, 0) : 0);
	ch_json_named_time(j, "checkpoint", any ? ch_seconds(ch_sql_int(&q, 1)) : 0);
	ch_json_object_end(j);
	(void)ch_sql_end(&q);
	put_clock(a);
	ch_json_named_str(j, "role", ch_operator_role_str((enum ch_operator_role)a->m->role));
	ch_json_object_end(j);
}

/* --- classes --- */

static void put_policy(struct ch_json_wr *j, struct ch_span image)
{
	struct ch_policy p;
	ch_json_name(j, "policy");
	if (ch_policy_parse(&p, image, NULL) != CH_OK) {
		ch_json_put_null(j);
		return;
	}
	ch_json_object_begin(j);
	ch_json_name(j, "requires");
	ch_json_array_begin(j);
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		if ((p.required >> i & 1) != 0)
			ch_json_put_str(j, ch_link_str((enum ch_link)i));
	}
	ch_json_array_end(j);
	ch_json_name(j, "on_break");
	ch_json_object_begin(j);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		ch_json_named_str(j, ch_link_str((enum ch_link)i), ch_response_str(p.on_break[i]));
	ch_json_object_end(j);
	ch_json_name(j, "max_age");
	ch_json_object_begin(j);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		ch_json_named_u64(j, ch_link_str((enum ch_link)i), p.max_age[i]);
	ch_json_object_end(j);
	ch_json_named_str(j, "on_stale", ch_response_str(p.on_stale));
	ch_json_named_u64(j, "interval", p.interval);
	ch_json_named_u64(j, "daily_mib", p.daily_mib);
	ch_json_named_str(j, "release", p.release == CH_RELEASE_AUTOMATIC ? "automatic" : "two-operators");
	ch_json_named_str(j, "mend", p.mend ? "assigned" : "refused");
	ch_json_name(j, "two_signatures");
	ch_json_array_begin(j);
	for (size_t i = 0; i < CH_VERB_COUNT; i++) {
		if ((p.two_signatures >> i & 1) != 0)
			ch_json_put_str(j, ch_verb_str((enum ch_verb)i));
	}
	ch_json_array_end(j);
	ch_json_named_u64(j, "lifetime", p.lifetime);
	ch_json_named_str(j, "ek", p.ek == CH_EK_ANY_ROOT ? "any-trusted-root" : "listed");
	ch_json_named_bool(j, "token", p.token);
	ch_json_object_end(j);
}

static void put_base64(struct ch_json_wr *j, const char *name, struct ch_span bytes)
{
	size_t room = bytes.n / 3 * 4 + 8;
	uint8_t *text = ch_calloc(room, 1);
	struct ch_wr w = ch_wr(text, room);
	ch_base64_put(&w, CH_BASE64_URL, bytes);
	ch_json_named_span(j, name, ch_wr_span(&w));
	ch_free(text);
}

static void put_references(struct ch_ask *a, struct ch_span class)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "references");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_REFERENCES, CH_ARGS(TENANT, ch_text(class)));
	while (ch_sql_next(&q)) {
		ch_json_object_begin(j);
		ch_json_named_u64(j, "reference", (uint64_t)ch_sql_int(&q, 0));
		ch_json_named_hex(j, "sha256", ch_sql_bytes(&q, 1));
		ch_json_named_time(j, "time", ch_seconds(ch_sql_int(&q, 2)));
		ch_json_named_u64(j, "action", (uint64_t)ch_sql_int(&q, 3));
		ch_json_named_time(j, "retired", ch_seconds(ch_sql_int(&q, 4)));
		ch_json_named_time(j, "retired_by", (uint64_t)ch_sql_int(&q, 5));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
}

void ch_page_classes(struct ch_ask *a)
{
	struct ch_json_wr *j = &a->j;
	if (!ch_ask_params(a, NULL, 0))
		return;
	ch_json_object_begin(j);
	ch_json_name(j, "classes");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_CLASSES, CH_ARGS(TENANT));
	while (ch_sql_next(&q)) {
		struct ch_span name = ch_sql_bytes(&q, 0);
		ch_json_object_begin(j);
		ch_json_named_span(j, "class", name);
		ch_json_named_time(j, "time", ch_seconds(ch_sql_int(&q, 2)));
		ch_json_named_u64(
			j, "devices",
			(uint64_t)ch_sql_number(a->st, CH_READ_CLASS_DEVICES, CH_ARGS(TENANT, ch_text(name)), 0));
		put_policy(j, ch_sql_bytes(&q, 1));
		put_base64(j, "image", ch_sql_bytes(&q, 1));
		put_references(a, name);
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
	ch_json_object_end(j);
}

void ch_page_generation(struct ch_ask *a)
{
	uint64_t number;
	if (!ch_ask_params(a, NULL, 0))
		return;
	if (!ch_ask_number(ch_route_param(CH_ROUTE_GENERATION, a->m->path, 0), &number)) {
		ch_ask_refuse(a, 404, "generation", "a generation has a decimal number");
		return;
	}
	struct ch_query q = ch_sql_query(a->st, CH_READ_GENERATION, CH_ARGS(TENANT, ch_int((int64_t)number)));
	if (ch_sql_next(&q))
		ch_ask_bytes(a, "application/octet-stream", ch_sql_bytes(&q, 0));
	else
		ch_ask_refuse(a, 404, "generation", "there is no generation of this number");
	(void)ch_sql_end(&q);
}

/* --- what operators decided --- */

static void put_signatures(struct ch_ask *a, int64_t action)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "signatures");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_SIGNATURES, CH_ARGS(TENANT, ch_int(action)));
	while (ch_sql_next(&q)) {
		ch_json_object_begin(j);
		ch_json_named_hex(j, "key", ch_sql_bytes(&q, 0));
		ch_json_named_span(j, "operator", ch_sql_bytes(&q, 1));
		put_base64(j, "signature", ch_sql_bytes(&q, 2));
		ch_json_named_time(j, "time", ch_seconds(ch_sql_int(&q, 3)));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
}

/* Who adds the second signature sends the payload again: it is given while the action waits. */
static void put_payload(struct ch_ask *a, int64_t action, bool waiting)
{
	struct ch_query q = ch_sql_query(a->st, CH_READ_ACTION_PAYLOAD, CH_ARGS(TENANT, ch_int(action)));
	if (waiting && ch_sql_next(&q) && ch_sql_bytes(&q, 0).n > 0) {
		put_base64(&a->j, "payload", ch_sql_bytes(&q, 0));
	} else {
		ch_json_name(&a->j, "payload");
		ch_json_put_null(&a->j);
	}
	(void)ch_sql_end(&q);
}

static void put_action(struct ch_ask *a, const struct ch_query *q)
{
	struct ch_json_wr *j = &a->j;
	int64_t seq = ch_sql_int(q, 0);
	bool waiting = ch_sql_int(q, 7) == 0;
	ch_json_object_begin(j);
	ch_json_named_u64(j, "action", (uint64_t)seq);
	ch_json_named_span(j, "verb", ch_sql_bytes(q, 1));
	ch_json_named_span(j, "subject", ch_sql_bytes(q, 2));
	ch_json_named_span(j, "reason", ch_sql_bytes(q, 3));
	put_base64(j, "canonical", ch_sql_bytes(q, 4));
	ch_json_named_u64(j, "payload_size", (uint64_t)ch_sql_int(q, 5));
	ch_json_named_time(j, "time", ch_seconds(ch_sql_int(q, 6)));
	ch_json_named_str(j, "state", waiting ? "waiting" : "done");
	ch_json_named_u64(j, "needed", (uint64_t)ch_sql_int(q, 8));
	put_payload(a, seq, waiting);
	put_signatures(a, seq);
	ch_json_object_end(j);
}

void ch_page_actions(struct ch_ask *a)
{
	uint64_t before = 0, limit = 0, count = 0;
	int64_t last = 0, want = -1;
	struct ch_span state = CH_SPAN_EMPTY;
	const struct ch_param row[] = { { "before", CH_PARAM_NUMBER, &before },
					{ "limit", CH_PARAM_NUMBER, &limit },
					{ "state", CH_PARAM_WORD, &state } };
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)))
		return;
	if (state.n > 0) {
		bool waiting = ch_span_eq(state, CH_SPAN_LIT("waiting"));
		if (!waiting && !ch_span_eq(state, CH_SPAN_LIT("done"))) {
			ch_ask_refuse(a, 400, "query", "state is waiting or done");
			return;
		}
		want = waiting ? 0 : 1;
	}
	limit = ch_ask_limit(limit);
	ch_json_object_begin(&a->j);
	ch_json_name(&a->j, "actions");
	ch_json_array_begin(&a->j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_ACTIONS,
					 CH_ARGS(TENANT, ch_int(before != 0 ? (int64_t)before : INT64_MAX),
						 ch_int(want), ch_int((int64_t)limit)));
	while (ch_sql_next(&q)) {
		last = ch_sql_int(&q, 0);
		count++;
		put_action(a, &q);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(&a->j);
	ch_json_name(&a->j, "next");
	if (count == limit)
		ch_json_put_u64(&a->j, (uint64_t)last);
	else
		ch_json_put_null(&a->j);
	ch_json_object_end(&a->j);
}

void ch_page_operators(struct ch_ask *a)
{
	struct ch_json_wr *j = &a->j;
	if (!ch_ask_params(a, NULL, 0))
		return;
	ch_json_object_begin(j);
	ch_json_name(j, "operators");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_OPERATORS, CH_ARGS(TENANT));
	while (ch_sql_next(&q)) {
		ch_json_object_begin(j);
		ch_json_named_hex(j, "key", ch_sql_bytes(&q, 0));
		ch_json_named_span(j, "name", ch_sql_bytes(&q, 1));
		ch_json_named_str(j, "role", ch_operator_role_str((enum ch_operator_role)ch_sql_int(&q, 2)));
		ch_json_named_time(j, "not_after", (uint64_t)ch_sql_int(&q, 3));
		ch_json_named_time(j, "from", ch_seconds(ch_sql_int(&q, 4)));
		ch_json_named_time(j, "to", ch_seconds(ch_sql_int(&q, 5)));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
	ch_json_object_end(j);
}

void ch_page_eks(struct ch_ask *a)
{
	uint64_t limit = 0;
	struct ch_span after = CH_SPAN_EMPTY;
	uint8_t from[32];
	size_t from_n = 0;
	const struct ch_param row[] = { { "after", CH_PARAM_WORD, &after }, { "limit", CH_PARAM_NUMBER, &limit } };
	struct ch_json_wr *j = &a->j;
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)))
		return;
	if (after.n > 0) {
		if (after.n != 2 * sizeof(from) || ch_hex_decode(from, sizeof(from), after) != CH_OK) {
			ch_ask_refuse(a, 400, "query",
				      "after is the fingerprint of an endorsement key: 64 hexadecimal digits");
			return;
		}
		from_n = sizeof(from);
	}
	ch_json_object_begin(j);
	ch_json_name(j, "eks");
	ch_json_array_begin(j);
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_EKS,
			     CH_ARGS(TENANT, ch_bytes(ch_span(from, from_n)), ch_int((int64_t)ch_ask_limit(limit))));
	while (ch_sql_next(&q)) {
		ch_json_object_begin(j);
		ch_json_named_hex(j, "ek", ch_sql_bytes(&q, 0));
		ch_json_named_str(j, "verdict", ch_sql_int(&q, 1) == 1 ? "allow" : "deny");
		struct ch_span class = ch_sql_bytes(&q, 2);
		ch_json_name(j, "class");
		if (class.n > 0)
			ch_json_put_span(j, class);
		else
			ch_json_put_null(j);
		ch_json_named_time(j, "time", ch_seconds(ch_sql_int(&q, 3)));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
	ch_json_object_end(j);
}

static const char *const est_state[] = { "waiting", "approved", "refused", "issued" };

static void put_enrolment(struct ch_json_wr *j, const struct ch_query *q)
{
	static const char *const how[] = { "token", "certificate", "idevid" };
	int64_t by = ch_sql_int(q, 4), state = ch_sql_int(q, 6);
	ch_json_object_begin(j);
	ch_json_named_hex(j, "request", ch_sql_bytes(q, 0));
	ch_json_named_span(j, "profile", ch_sql_bytes(q, 1));
	ch_json_named_span(j, "class", ch_sql_bytes(q, 2));
	ch_json_named_span(j, "name", ch_sql_bytes(q, 3));
	ch_json_named_str(j, "by", by >= 1 && by <= 3 ? how[by - 1] : "unknown");
	ch_json_named_hex(j, "key", ch_sql_bytes(q, 5));
	ch_json_named_str(j, "state", state >= 0 && state <= 3 ? est_state[state] : "unknown");
	ch_json_named_time(j, "time", ch_seconds(ch_sql_int(q, 7)));
	ch_json_object_end(j);
}

/* Requests for certificates by EST. */
void ch_page_enrolments(struct ch_ask *a)
{
	uint64_t limit = 0;
	int64_t want = -1;
	struct ch_span state = CH_SPAN_EMPTY;
	const struct ch_param row[] = { { "state", CH_PARAM_WORD, &state }, { "limit", CH_PARAM_NUMBER, &limit } };
	struct ch_json_wr *j = &a->j;
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)))
		return;
	for (size_t i = 0; i < CH_COUNT_OF(est_state); i++) {
		if (ch_span_eq(state, ch_span_str(est_state[i])))
			want = (int64_t)i;
	}
	if (state.n > 0 && want < 0) {
		ch_ask_refuse(a, 400, "query", "state is waiting, approved, refused or issued");
		return;
	}
	ch_json_object_begin(j);
	ch_json_name(j, "enrolments");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_ENROLMENTS,
					 CH_ARGS(TENANT, ch_int(want), ch_int((int64_t)ch_ask_limit(limit))));
	while (ch_sql_next(&q))
		put_enrolment(j, &q);
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
	ch_json_object_end(j);
}

/* --- records of the log: with their salts, so that the leaves can be recomputed --- */

static void put_leaf(struct ch_json_wr *j, const struct ch_query *q)
{
	struct ch_span device = ch_sql_bytes(q, 3);
	ch_json_object_begin(j);
	ch_json_named_u64(j, "index", (uint64_t)ch_sql_int(q, 0));
	ch_json_named_str(j, "type", ch_leaf_type_str((unsigned)ch_sql_int(q, 1)));
	ch_json_named_u64(j, "time_ms", (uint64_t)ch_sql_int(q, 2));
	if (device.n > 0)
		ch_json_named_hex(j, "device", device);
	else
		ch_json_named_str(j, "device", NULL);
	if (ch_sql_is_null(q, 4) || ch_sql_is_null(q, 5)) {
		/* Erased under retention: the leaf stays, its meaning is gone. */
		ch_json_named_str(j, "salt", NULL);
		ch_json_named_str(j, "record", NULL);
	} else {
		ch_json_named_hex(j, "salt", ch_sql_bytes(q, 4));
		ch_json_named_span(j, "record", ch_sql_bytes(q, 5));
	}
	ch_json_object_end(j);
}

void ch_page_audit(struct ch_ask *a)
{
	uint64_t after = 0, limit = 0, count = 0;
	int64_t last = 0;
	const struct ch_param row[] = { { "after", CH_PARAM_NUMBER, &after }, { "limit", CH_PARAM_NUMBER, &limit } };
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)))
		return;
	limit = ch_ask_limit(limit);
	ch_json_object_begin(&a->j);
	ch_json_name(&a->j, "leaves");
	ch_json_array_begin(&a->j);
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_LEAVES, CH_ARGS(TENANT, ch_int((int64_t)after), ch_int((int64_t)limit)));
	while (ch_sql_next(&q)) {
		last = ch_sql_int(&q, 0);
		count++;
		put_leaf(&a->j, &q);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(&a->j);
	ch_json_name(&a->j, "next");
	if (count == limit)
		ch_json_put_u64(&a->j, (uint64_t)last + 1);
	else
		ch_json_put_null(&a->j);
	ch_json_object_end(&a->j);
}

void ch_page_jwks(struct ch_ask *a)
{
	if (ch_ask_params(a, NULL, 0))
		ch_ask_signer(a, CH_MSG_KEYS_ASK, CH_SPAN_EMPTY);
}
