/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/ask.h"

#include "core/base/text.h"

#define TENANT ch_int(CH_READER_TENANT)
#define DAY_S  86400u

/* --- rows --- */

static void text_take(char *to, size_t cap, struct ch_span s)
{
	to[ch_span_copy(to, cap - 1, s)] = '\0';
}

void ch_device_take(struct ch_device_row *d, const struct ch_query *q)
{
	*d = (struct ch_device_row){ .seq = ch_sql_int(q, 0) };
	(void)ch_sql_copy(q, 1, d->id, sizeof(d->id));
	text_take(d->hostname, sizeof(d->hostname), ch_sql_bytes(q, 2));
	text_take(d->class, sizeof(d->class), ch_sql_bytes(q, 3));
	d->state = (enum ch_state)ch_sql_int(q, 4);
	d->chain = (enum ch_tier)ch_sql_int(q, 5);
	d->chain_time = ch_seconds(ch_sql_int(q, 6));
	d->platform = (enum ch_tier)ch_sql_int(q, 7);
	d->enrolled = ch_seconds(ch_sql_int(q, 8));
	d->evidence = ch_sql_int(q, 9);
	d->fresh_time = ch_seconds(ch_sql_int(q, 10));
	d->reattest = ch_sql_int(q, 11) != 0;
	d->stale_at = ch_seconds(ch_sql_int(q, 12));
}

bool ch_ask_device_by_id(struct ch_ask *a, struct ch_span id, struct ch_device_row *d)
{
	struct ch_query q = ch_sql_query(a->st, CH_READ_DEVICE, CH_ARGS(TENANT, ch_bytes(id)));
	bool found = ch_sql_next(&q);
	if (found)
		ch_device_take(d, &q);
	(void)ch_sql_end(&q);
	if (!found)
		ch_ask_refuse(a, 404, "device", "there is no device of this id");
	return found;
}

bool ch_ask_device(struct ch_ask *a, struct ch_device_row *d)
{
	uint8_t id[16];
	struct ch_span hex = ch_route_param((enum ch_route_number)a->m->route, a->m->path, 0);
	if (hex.n != 2 * sizeof(id) || ch_hex_decode(id, sizeof(id), hex) != CH_OK) {
		ch_ask_refuse(a, 404, "device", "the id of a device is 32 hexadecimal digits");
		return false;
	}
	return ch_ask_device_by_id(a, CH_SPAN_OF(id), d);
}

void ch_device_links(struct ch_ask *a, const struct ch_device_row *d, struct ch_link_row link[static CH_LINK_COUNT])
{
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		link[i] = (struct ch_link_row){ 0 };
	struct ch_query q = ch_sql_query(a->st, CH_READ_RESULTS, CH_ARGS(TENANT, ch_int(d->seq)));
	while (ch_sql_next(&q)) {
		int64_t n = ch_sql_int(&q, 0);
		if (n < 0 || n >= CH_LINK_COUNT)
			continue;
		link[n] = (struct ch_link_row){ .tier = (enum ch_tier)ch_sql_int(&q, 1),
						.time = ch_seconds(ch_sql_int(&q, 2)),
						.fresh_time = ch_seconds(ch_sql_int(&q, 3)),
						.evidence = ch_sql_int(&q, 4),
						.generation = ch_sql_int(&q, 5) };
	}
	(void)ch_sql_end(&q);
}

bool ch_class_policy(struct ch_ask *a, const char *name, struct ch_buf *image, struct ch_policy *p)
{
	struct ch_query q = ch_sql_query(a->st, CH_READ_CLASS, CH_ARGS(TENANT, ch_text_str(name)));
	if (ch_sql_next(&q))
		ch_buf_append(image, ch_sql_bytes(&q, 0));
	return ch_sql_end(&q) == CH_OK && ch_policy_parse(p, ch_buf_span(image), NULL) == CH_OK;
}

void ch_links_judge(struct ch_chain *c, const struct ch_link_row link[static CH_LINK_COUNT], const struct ch_policy *p,
		    uint64_t now)
{
	struct ch_link_result r[CH_LINK_COUNT];
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		r[i] = (struct ch_link_result){ link[i].tier, link[i].fresh_time };
	ch_chain_judge(c, r, p, now);
}

/* --- JSON --- */

void ch_json_named_time(struct ch_json_wr *j, const char *name, uint64_t seconds)
{
	ch_json_name(j, name);
	if (seconds != 0)
		ch_json_put_u64(j, seconds);
	else
		ch_json_put_null(j);
}

void ch_json_named_tier(struct ch_json_wr *j, const char *name, int64_t tier)
{
	ch_json_named_str(j, name, ch_tier_str((enum ch_tier)tier));
}

void ch_json_named_stored(struct ch_json_wr *j, const char *name, struct ch_span text)
{
	struct ch_json doc;
	size_t cap = ch_json_nodes_max(text.n);
	struct ch_json_node *node = ch_calloc(cap, sizeof(*node));
	ch_json_name(j, name);
	if (ch_json_parse(&doc, text, node, cap, NULL) == CH_OK)
		ch_json_put_value(j, &doc, 0);
	else
		ch_json_put_null(j);
	ch_free(node);
}

/* "links": the tier of each, in a word. */
static void links_words(struct ch_json_wr *j, const struct ch_link_row link[static CH_LINK_COUNT])
{
	ch_json_name(j, "links");
	ch_json_object_begin(j);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		ch_json_named_tier(j, ch_link_str((enum ch_link)i), link[i].tier);
	ch_json_object_end(j);
}

static void put_head(struct ch_ask *a, const struct ch_device_row *d)
{
	struct ch_json_wr *j = &a->j;
	ch_json_named_hex(j, "device", CH_SPAN_OF(d->id));
	ch_json_named_str(j, "hostname", d->hostname);
	ch_json_named_str(j, "class", d->class);
	ch_json_named_str(j, "state", ch_state_str(d->state));
	ch_json_named_tier(j, "chain", d->chain);
	ch_json_named_time(j, "chain_since", d->chain_time);
	ch_json_named_time(j, "enrolled", d->enrolled);
	ch_json_named_time(j, "attested", d->fresh_time);
	ch_json_named_time(j, "stale_at", d->stale_at);
	ch_json_named_bool(j, "reattest", d->reattest);
	int64_t open = ch_sql_number(a->st, CH_READ_CUTTING_DEVICE, CH_ARGS(TENANT, ch_int(d->seq)), 0);
	ch_json_named_bool(j, "cutting", open > 0);
}

/* --- the device about itself --- */

void ch_page_device_status(struct ch_ask *a)
{
	struct ch_device_row d;
	struct ch_link_row link[CH_LINK_COUNT];
	if (!ch_ask_params(a, NULL, 0) || !ch_ask_device_by_id(a, CH_SPAN_OF(a->m->device), &d))
		return;
	ch_device_links(a, &d, link);
	ch_json_object_begin(&a->j);
	ch_json_named_hex(&a->j, "device", CH_SPAN_OF(d.id));
	ch_json_named_str(&a->j, "class", d.class);
	ch_json_named_str(&a->j, "state", ch_state_str(d.state));
	ch_json_named_tier(&a->j, "chain", d.chain);
	links_words(&a->j, link);
	ch_json_named_u64(&a->j, "time", a->now);
	ch_json_object_end(&a->j);
}

/* --- all of them --- */

static bool wanted_state(struct ch_ask *a, struct ch_span word, int64_t *v)
{
	enum ch_state state;
	*v = -1;
	if (word.n > 0 && ch_state_by_name(word, &state) != CH_OK) {
		ch_ask_refuse(a, 400, "query",
			      "state is pre-authorised, enrolled, trusted, quarantined, decommissioned or revoked");
		return false;
	}
	if (word.n > 0)
		*v = state;
	return true;
}

static bool wanted_chain(struct ch_ask *a, struct ch_span word, int64_t *v)
{
	static const enum ch_tier tier[] = { CH_TIER_NONE, CH_TIER_AFFIRMING, CH_TIER_WARNING,
					     CH_TIER_CONTRAINDICATED };
	*v = -1;
	for (size_t i = 0; i < CH_COUNT_OF(tier); i++) {
		if (ch_span_eq(word, ch_span_str(ch_tier_str(tier[i]))))
			*v = tier[i];
	}
	if (word.n == 0 || *v >= 0)
		return true;
	ch_ask_refuse(a, 400, "query", "chain is none, affirming, warning or contraindicated");
	return false;
}

void ch_page_devices(struct ch_ask *a)
{
	struct ch_span state = CH_SPAN_EMPTY, chain = CH_SPAN_EMPTY, class = CH_SPAN_EMPTY;
	uint64_t after = 0, limit = 0, count = 0;
	int64_t want_state, want_chain, last = 0;
	const struct ch_param row[] = {
		{ "state", CH_PARAM_WORD, &state },   { "chain", CH_PARAM_WORD, &chain },
		{ "class", CH_PARAM_WORD, &class },   { "after", CH_PARAM_NUMBER, &after },
		{ "limit", CH_PARAM_NUMBER, &limit },
	};
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)) || !wanted_state(a, state, &want_state) ||
	    !wanted_chain(a, chain, &want_chain))
		return;
	limit = ch_ask_limit(limit);
	ch_json_object_begin(&a->j);
	ch_json_name(&a->j, "devices");
	ch_json_array_begin(&a->j);
	/* Numbers of devices begin with 0 or 1: `after` is one above the last, so that 0 is the start. */
	struct ch_query q = ch_sql_query(a->st, CH_READ_DEVICES,
					 CH_ARGS(TENANT, ch_int((int64_t)after - 1), ch_int(want_state),
						 ch_int(want_chain), ch_text(class), ch_int((int64_t)limit)));
	while (ch_sql_next(&q)) {
		struct ch_device_row d;
		struct ch_link_row link[CH_LINK_COUNT];
		ch_device_take(&d, &q);
		last = d.seq;
		count++;
		ch_device_links(a, &d, link);
		ch_json_object_begin(&a->j);
		put_head(a, &d);
		links_words(&a->j, link);
		ch_json_object_end(&a->j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(&a->j);
	ch_json_name(&a->j, "next");
	if (count == limit)
		ch_json_put_u64(&a->j, (uint64_t)last + 1);
	else
		ch_json_put_null(&a->j);
	ch_json_named_u64(&a->j, "time", a->now);
	ch_json_object_end(&a->j);
}

/* --- one of them --- */

static void put_links(struct ch_ask *a, const struct ch_link_row link[static CH_LINK_COUNT], const struct ch_policy *p,
		      const struct ch_chain *c)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "links");
	ch_json_object_begin(j);
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		ch_json_name(j, ch_link_str((enum ch_link)i));
		ch_json_object_begin(j);
		ch_json_named_tier(j, "tier", link[i].tier);
		ch_json_named_bool(j, "required", (p->required >> i & 1) != 0);
		ch_json_named_bool(j, "stale", (c->stale >> i & 1) != 0);
		ch_json_named_time(j, "judged", link[i].time);
		ch_json_named_time(j, "fresh", link[i].fresh_time);
		ch_json_named_u64(j, "max_age", p->max_age[i]);
		ch_json_named_time(j, "evidence", (uint64_t)link[i].evidence);
		ch_json_named_time(j, "generation", (uint64_t)link[i].generation);
		ch_json_object_end(j);
	}
	ch_json_object_end(j);
}

static void put_certificates(struct ch_ask *a, const struct ch_device_row *d)
{
	static const char *const state[] = { "live", "superseded", "revoked" };
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "certificates");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_CERTIFICATES, CH_ARGS(TENANT, ch_int(d->seq)));
	while (ch_sql_next(&q)) {
		uint64_t s = (uint64_t)ch_sql_int(&q, 4);
		ch_json_object_begin(j);
		ch_json_named_hex(j, "sha256", ch_sql_bytes(&q, 0));
		ch_json_named_hex(j, "serial", ch_sql_bytes(&q, 1));
		ch_json_named_time(j, "not_before", (uint64_t)ch_sql_int(&q, 2));
		ch_json_named_time(j, "not_after", (uint64_t)ch_sql_int(&q, 3));
		ch_json_named_str(j, "state", s < CH_COUNT_OF(state) ? state[s] : "unknown");
		ch_json_named_time(j, "ended", ch_seconds(ch_sql_int(&q, 5)));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
}

static void put_aliases(struct ch_ask *a, const struct ch_device_row *d)
{
	static const char *const kind[] = {
		"unknown", "ek", "hostname", "certificate", "token", "name", "key", "idevid"
	};
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "aliases");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_ALIASES, CH_ARGS(TENANT, ch_int(d->seq)));
	while (ch_sql_next(&q)) {
		uint64_t k = (uint64_t)ch_sql_int(&q, 0);
		ch_json_object_begin(j);
		ch_json_named_str(j, "kind", kind[k < CH_COUNT_OF(kind) ? k : 0]);
		/* Names are text, the others are digests. */
		if (k == 2 || k == 5)
			ch_json_named_span(j, "value", ch_sql_bytes(&q, 1));
		else
			ch_json_named_hex(j, "value", ch_sql_bytes(&q, 1));
		ch_json_named_time(j, "from", ch_seconds(ch_sql_int(&q, 2)));
		ch_json_named_time(j, "to", ch_seconds(ch_sql_int(&q, 3)));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
}

/* The agent that sent the last fresh evidence: its own word. */
static void put_agent(struct ch_ask *a, const struct ch_device_row *d)
{
	struct ch_query q = ch_sql_query(a->st, CH_READ_AGENT, CH_ARGS(TENANT, ch_int(d->seq), ch_int(d->evidence)));
	struct ch_span agent = ch_sql_next(&q) ? ch_sql_bytes(&q, 0) : CH_SPAN_EMPTY;
	if (agent.n > 0)
		ch_json_named_span(&a->j, "agent", agent);
	else
		ch_json_named_str(&a->j, "agent", NULL);
	(void)ch_sql_end(&q);
}

/* What it told of itself by DDI: untrusted, escaped. */
static void put_attributes(struct ch_ask *a, const struct ch_device_row *d)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "attributes");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_ATTRIBUTES, CH_ARGS(TENANT, ch_int(d->seq)));
	while (ch_sql_next(&q)) {
		ch_json_object_begin(j);
		ch_json_named_span(j, "name", ch_sql_bytes(&q, 0));
		ch_json_named_span(j, "value", ch_sql_bytes(&q, 1));
		ch_json_named_time(j, "told", ch_seconds(ch_sql_int(&q, 2)));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
}

static void put_cuts(struct ch_ask *a, const struct ch_device_row *d)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "cuts");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_INTENTS, CH_ARGS(TENANT, ch_int(d->seq)));
	while (ch_sql_next(&q)) {
		int64_t decided = ch_sql_int(&q, 2), done = ch_sql_int(&q, 3);
		ch_json_object_begin(j);
		ch_json_named_u64(j, "intent", (uint64_t)ch_sql_int(&q, 0));
		ch_json_named_span(j, "cause", ch_sql_bytes(&q, 1));
		ch_json_named_u64(j, "decided_ms", (uint64_t)decided);
		ch_json_named_bool(j, "done", done != 0);
		ch_json_name(j, "took_ms");
		if (done != 0)
			ch_json_put_u64(j, (uint64_t)(done > decided ? done - decided : 0));
		else
			ch_json_put_null(j);
		ch_json_named_u64(j, "tries", (uint64_t)ch_sql_int(&q, 4));
		ch_json_named_u64(j, "sessions", (uint64_t)ch_sql_int(&q, 5));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
}

/* The reference values of this device alone; null if there are none. */
static void put_pinned(struct ch_ask *a, const struct ch_device_row *d)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "pinned");
	struct ch_query q = ch_sql_query(a->st, CH_READ_PINNED, CH_ARGS(TENANT, ch_int(d->seq)));
	if (ch_sql_next(&q)) {
		ch_json_object_begin(j);
		ch_json_named_u64(j, "pinned", (uint64_t)ch_sql_int(&q, 0));
		ch_json_named_hex(j, "sha256", ch_sql_bytes(&q, 1));
		ch_json_named_time(j, "time", ch_seconds(ch_sql_int(&q, 3)));
		ch_json_named_u64(j, "action", (uint64_t)ch_sql_int(&q, 4));
		ch_json_object_end(j);
	} else {
		ch_json_put_null(j);
	}
	(void)ch_sql_end(&q);
}

/* What it sent today, and how much it may; null before the first piece of a day. */
static void put_quota(struct ch_ask *a, const struct ch_device_row *d, const struct ch_policy *p)
{
	struct ch_json_wr *j = &a->j;
	struct ch_query q = ch_sql_query(a->st, CH_READ_QUOTA, CH_ARGS(TENANT, ch_int(d->seq)));
	bool there = ch_sql_next(&q);
	uint64_t until = there ? ch_seconds(ch_sql_int(&q, 0)) + DAY_S : 0;
	ch_json_name(j, "quota");
	if (until > a->now) {
		ch_json_object_begin(j);
		ch_json_named_u64(j, "used", (uint64_t)ch_sql_int(&q, 1));
		ch_json_named_u64(j, "limit", (uint64_t)p->daily_mib << 20);
		ch_json_named_time(j, "until", until);
		ch_json_object_end(j);
	} else {
		ch_json_put_null(j);
	}
	(void)ch_sql_end(&q);
}

void ch_page_pinned(struct ch_ask *a)
{
	struct ch_device_row d;
	if (!ch_ask_params(a, NULL, 0) || !ch_ask_device(a, &d))
		return;
	struct ch_query q = ch_sql_query(a->st, CH_READ_PINNED, CH_ARGS(TENANT, ch_int(d.seq)));
	if (ch_sql_next(&q))
		ch_ask_bytes(a, "application/json", ch_sql_bytes(&q, 2));
	else
		ch_ask_refuse(a, 404, "pinned", "nothing is pinned for this device");
	(void)ch_sql_end(&q);
}

static void put_history(struct ch_ask *a, const struct ch_device_row *d)
{
	struct ch_json_wr *j = &a->j;
	ch_json_name(j, "history");
	ch_json_array_begin(j);
	struct ch_query q = ch_sql_query(a->st, CH_READ_HISTORY, CH_ARGS(TENANT, ch_int(d->seq)));
	while (ch_sql_next(&q)) {
		ch_json_object_begin(j);
		ch_json_named_u64(j, "leaf", (uint64_t)ch_sql_int(&q, 0));
		ch_json_named_time(j, "time", ch_seconds(ch_sql_int(&q, 2)));
		ch_json_named_stored(j, "record", ch_sql_bytes(&q, 3));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
}

void ch_page_device(struct ch_ask *a)
{
	struct ch_device_row d;
	struct ch_link_row link[CH_LINK_COUNT];
	struct ch_policy p = { 0 };
	struct ch_chain c = { 0 };
	CH_AUTO_BUF struct ch_buf image = { 0 };
	if (!ch_ask_params(a, NULL, 0) || !ch_ask_device(a, &d))
		return;
	ch_device_links(a, &d, link);
	bool known = ch_class_policy(a, d.class, &image, &p);
	if (known)
		ch_links_judge(&c, link, &p, a->now);
	ch_json_object_begin(&a->j);
	put_head(a, &d);
	ch_json_named_bool(&a->j, "policy", known);
	ch_json_named_time(&a->j, "evidence", (uint64_t)d.evidence);
	put_agent(a, &d);
	put_links(a, link, &p, &c);
	struct ch_query q = ch_sql_query(a->st, CH_READ_REASONS, CH_ARGS(TENANT, ch_int(d.seq)));
	bool any = ch_sql_next(&q);
	ch_json_named_stored(&a->j, "reasons", any ? ch_sql_bytes(&q, 2) : CH_SPAN_LIT("[]"));
	(void)ch_sql_end(&q);
	put_pinned(a, &d);
	put_quota(a, &d, &p);
	put_cuts(a, &d);
	put_certificates(a, &d);
	put_aliases(a, &d);
	put_attributes(a, &d);
	put_history(a, &d);
	ch_json_named_u64(&a->j, "time", a->now);
	ch_json_object_end(&a->j);
}
