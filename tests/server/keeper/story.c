/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/story.h"

#include "core/base/text.h"
#include "core/wire/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_A_TURN 4

uint64_t story_dice(struct story *s)
{
	s->seed ^= s->seed >> 12;
	s->seed ^= s->seed << 25;
	s->seed ^= s->seed >> 27;
	return (s->seed * 2685821657736338717u) >> 16;
}

void story_init(struct story *s, struct world *w, uint64_t seed)
{
	const struct ch_policy p = world_policy("gateway");
	*s = (struct story){ .w = w, .seed = seed * 2654435761u + 1 };
	for (uint8_t i = 0; i < STORY_UNITS; i++)
		unit_init(&s->u[i], (uint8_t)(i + 1));
	boss_init(&s->admin, "admin");
	world_policy_add(w, &p);
	boss_add(w, &s->admin, "admin");
}

void story_clear(struct story *s)
{
	for (size_t i = 0; i < STORY_UNITS; i++)
		unit_clear(&s->u[i]);
	boss_clear(&s->admin);
	for (size_t i = 0; i < s->promise_count; i++)
		ch_buf_free(&s->promise[i].text);
}

/* --- what is said --- */

static struct asked *ask(struct story *s, uint64_t id, enum promise_kind kind, size_t unit)
{
	if (s->asked_count == CH_COUNT_OF(s->asked))
		abort();
	struct asked *a = &s->asked[s->asked_count++];
	*a = (struct asked){ .id = id, .kind = kind, .unit = unit };
	return a;
}

static void say_enrol(struct story *s, size_t i)
{
	uint8_t secret[32];
	memset(secret, (int)(story_dice(s) & 0xff), sizeof(secret));
	(void)unit_pending(s->w, &s->u[i], CH_TIER_AFFIRMING, secret);
	(void)ask(s, unit_finish(s->w, &s->u[i], secret), PROMISE_ENROLLED, i);
}

/* The nonce comes with an answer, so this ends a turn of its own. */
static void say_evidence(struct story *s, size_t i)
{
	static const enum ch_tier tiers[] = { CH_TIER_AFFIRMING, CH_TIER_AFFIRMING, CH_TIER_WARNING,
					      CH_TIER_CONTRAINDICATED };
	uint8_t nonce[32];
	char key[32], log[64];
	if (!unit_challenge(s->w, &s->u[i], nonce))
		return;
	(void)snprintf(key, sizeof(key), "k%llu", (unsigned long long)++s->keys);
	(void)snprintf(log, sizeof(log), "log %llu", (unsigned long long)(story_dice(s) % 8));
	const struct evidence e = { .nonce = nonce,
				    .boot = tiers[story_dice(s) % 4],
				    .key = key,
				    .eventlog = ch_span_str(log),
				    .ima = ch_span_str(key) };
	struct asked *a = ask(s, unit_say(s->w, &s->u[i], &e), PROMISE_EVIDENCE, i);
	memcpy(a->key, key, sizeof(a->key));
}

static void say_action(struct story *s, size_t i)
{
	static const enum ch_verb verbs[] = { CH_VERB_DEVICE_QUARANTINE, CH_VERB_DEVICE_RELEASE,
					      CH_VERB_DEVICE_REATTEST };
	uint8_t text[1024];
	char hex[33];
	struct ch_digest h;
	struct boss *by[] = { &s->admin };
	for (size_t k = 0; k < 16; k++)
		(void)snprintf(hex + 2 * k, 3, "%02x", s->u[i].id[k]);
	size_t n = boss_text(s->w, text, sizeof(text), verbs[story_dice(s) % CH_COUNT_OF(verbs)], hex, CH_SPAN_EMPTY);
	struct asked *a = ask(s, boss_say_text(s->w, ch_span(text, n), CH_SPAN_EMPTY, by, 1), PROMISE_ACTION, i);
	if (ch_hash_once(CH_HASH_SHA256, ch_span(text, n), &h) != CH_OK)
		abort();
	memcpy(a->sha256, h.b, sizeof(a->sha256));
}

/* The edge does what it is told, now or (one in four) later. */
static void say_cuts(struct story *s)
{
	struct world *w = s->w;
	size_t count = w->sent_count;
	for (size_t i = 0; i < count; i++) {
		struct ch_msg_cut m;
		if (w->sent[i].type != CH_MSG_CUT || story_dice(s) % 4 == 0 ||
		    ch_msg_parse(CH_MSG_CUT, &m, ch_buf_span(&w->sent[i].payload), NULL) != CH_OK)
			continue;
		const struct ch_msg_cut_done done = { .intent = m.intent, .closed = 1, .done_ms = w->wall };
		(void)world_say(w, CH_ROLE_EDGE, CH_MSG_CUT_DONE, &done);
	}
}

void story_step(struct story *s, bool hold)
{
	for (size_t n = 1 + story_dice(s) % STEPS_A_TURN; n > 0; n--) {
		size_t i = story_dice(s) % STORY_UNITS;
		if (!s->enrolled[i] || story_dice(s) % 16 == 0)
			say_enrol(s, i);
		else if (story_dice(s) % 4 == 0)
			say_action(s, i);
		else
			say_evidence(s, i);
		if (s->w->fatal[0] != '\0')
			return;
	}
	say_cuts(s);
	if (hold)
		return;
	world_turn(s->w);
	story_listen(s);
}

/* --- what is promised --- */

static struct promise *promise(struct story *s, enum promise_kind kind)
{
	if (s->promise_count == STORY_PROMISES)
		abort();
	struct promise *p = &s->promise[s->promise_count++];
	*p = (struct promise){ .kind = kind };
	return p;
}

static void answered(struct story *s, const struct asked *a, unsigned status, struct ch_span body)
{
	struct promise *p;
	if (a->kind == PROMISE_ENROLLED && status == 201) {
		unit_take(&s->u[a->unit], body);
		s->enrolled[a->unit] = true;
		p = promise(s, a->kind);
		memcpy(p->a, s->u[a->unit].id, 16);
		memcpy(p->b, s->u[a->unit].cert, 32);
	}
	if (a->kind == PROMISE_EVIDENCE && status == 200) {
		p = promise(s, a->kind);
		memcpy(p->b, a->key, sizeof(a->key));
		ch_buf_append(&p->text, body);
	}
	if (a->kind == PROMISE_ACTION && status == 200) {
		p = promise(s, a->kind);
		memcpy(p->a, a->sha256, 32);
	}
}

static int64_t json_number(struct ch_span json, const char *name)
{
	struct ch_json_node node[64];
	struct ch_json j;
	size_t at;
	uint64_t v = 0;
	if (ch_json_parse(&j, json, node, CH_COUNT_OF(node), NULL) != CH_OK ||
	    ch_json_member(&j, 0, name, &at) != CH_OK || ch_json_u64(&j, at, &v) != CH_OK)
		return -1;
	return (int64_t)v;
}

static void heard(struct story *s, const struct sent *m)
{
	struct ch_msg_cut cut;
	struct ch_msg_event event;
	if (m->type == CH_MSG_CUT && ch_msg_parse(CH_MSG_CUT, &cut, ch_buf_span(&m->payload), NULL) == CH_OK)
		promise(s, PROMISE_CUT)->n = (int64_t)cut.intent;
	if (m->type == CH_MSG_EVENT && ch_msg_parse(CH_MSG_EVENT, &event, ch_buf_span(&m->payload), NULL) == CH_OK &&
	    ch_span_eq(event.kind, CH_SPAN_LIT("cut")))
		promise(s, PROMISE_CUT_DONE)->n = json_number(event.json, "intent");
}

void story_listen(struct story *s)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->asked_count; i++) {
		struct ch_span body;
		unsigned status = world_answer(s->w, s->asked[i].id, &body);
		if (status != 0)
			answered(s, &s->asked[i], status, body);
		else
			s->asked[kept++] = s->asked[i];
	}
	s->asked_count = kept;
	for (size_t i = 0; i < s->w->sent_count; i++)
		heard(s, &s->w->sent[i]);
	world_forget(s->w);
}

void story_crash(struct story *s)
{
	story_listen(s);
	s->asked_count = 0;
}

/* --- what holds --- */

static int64_t number(struct story *s, struct ch_store *st, const char *sql, struct ch_args args)
{
	struct ch_query q = ch_sql_query_text(st, sql, args);
	int64_t v = ch_sql_next(&q) ? ch_sql_int(&q, 0) : -1;
	if (ch_sql_end(&q) != CH_OK && s->broken[0] == '\0')
		(void)snprintf(s->broken, sizeof(s->broken), "%s: %s", sql, ch_store_why(st));
	return v;
}

static void want(struct story *s, bool holds, const char *what, int64_t n)
{
	if (!holds && s->broken[0] == '\0')
		(void)snprintf(s->broken, sizeof(s->broken), "%s (%lld)", what, (long long)n);
}

static void check_promise(struct story *s, struct ch_store *st, const struct promise *p)
{
	switch (p->kind) {
	case PROMISE_ENROLLED:
		want(s,
		     number(s, st,
			    "SELECT count(*) FROM device d JOIN certificate c ON c.device = d.seq WHERE d.id = $1 AND "
			    "c.sha256 = $2",
			    CH_ARGS(ch_bytes(ch_span(p->a, 16)), ch_bytes(CH_SPAN_OF(p->b)))) == 1,
		     "a certificate that was handed out is unknown", 0);
		break;
	case PROMISE_EVIDENCE: {
		struct ch_span key = ch_span_str((const char *)p->b);
		want(s,
		     number(s, st, "SELECT count(*) FROM request WHERE key = $1 AND answer = $2",
			    CH_ARGS(ch_bytes(key), ch_text(ch_buf_span(&p->text)))) == 1,
		     "an answer that was given is not the one that is kept", 0);
		int64_t n = json_number(ch_buf_span(&p->text), "evidence");
		want(s, number(s, st, "SELECT count(*) FROM evidence WHERE seq = $1", CH_ARGS(ch_int(n))) == 1,
		     "acknowledged evidence is missing", n);
		break;
	}
	case PROMISE_ACTION:
		want(s,
		     number(s, st, "SELECT count(*) FROM action WHERE sha256 = $1 AND state = 1",
			    CH_ARGS(ch_bytes(CH_SPAN_OF(p->a)))) == 1,
		     "an action that was done is missing", 0);
		break;
	case PROMISE_CUT:
		want(s, number(s, st, "SELECT count(*) FROM intent WHERE seq = $1", CH_ARGS(ch_int(p->n))) == 1,
		     "an intent that was sent is missing", p->n);
		break;
	case PROMISE_CUT_DONE:
		want(s,
		     number(s, st, "SELECT count(*) FROM intent WHERE seq = $1 AND done > 0", CH_ARGS(ch_int(p->n))) ==
			     1,
		     "an intent that was done is open again", p->n);
		break;
	}
}

/* The log extends every checkpoint: the leaves under the last one that was signed have its root. */
static void check_log(struct story *s, struct ch_store *st)
{
	struct ch_frontier f = { 0 };
	struct ch_tree_hash root, signed_root;
	struct ch_query q = ch_sql_query_text(st, "SELECT hash FROM leaf WHERE seq < $1 ORDER BY seq",
					      CH_ARGS(ch_int((int64_t)s->w->frontier.size)));
	while (ch_sql_next(&q)) {
		struct ch_tree_hash h;
		if (!ch_sql_copy(&q, 0, h.b, sizeof(h.b)) || ch_frontier_append(&f, &h) != CH_OK)
			break;
	}
	want(s, ch_sql_end(&q) == CH_OK && f.size == s->w->frontier.size,
	     "leaves under a signed checkpoint are missing", (int64_t)f.size);
	want(s,
	     ch_frontier_root(&f, &root) == CH_OK && ch_frontier_root(&s->w->frontier, &signed_root) == CH_OK &&
		     ch_tree_hash_eq(&root, &signed_root),
	     "the log does not extend a signed checkpoint", (int64_t)f.size);
	want(s, number(s, st, "SELECT max(seq) + 1 - count(*) FROM leaf", CH_NO_ARGS) == 0, "the log has a gap", 0);
}

bool story_check(struct story *s, struct ch_store *st)
{
	for (size_t i = 0; i < s->promise_count; i++)
		check_promise(s, st, &s->promise[i]);
	check_log(s, st);
	/* Each step into quarantine is one leaf, and one intent to close the sessions: never one without the other. */
	int64_t leaves =
		number(s, st, "SELECT count(*) FROM leaf WHERE type = 4 AND record LIKE '%\"to\":\"quarantined\"%'",
		       CH_NO_ARGS);
	int64_t intents = number(s, st, "SELECT count(*) FROM intent WHERE length(subject) = 0", CH_NO_ARGS);
	want(s, leaves == intents, "quarantines and intents differ", leaves - intents);
	return s->broken[0] == '\0';
}
