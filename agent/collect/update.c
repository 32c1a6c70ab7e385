/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/collect.h"

#include "core/wire/json.h"

#include <stdlib.h>
#include <string.h>

/*
 * Between the server, which offers, and apply, which judges and installs: asks both how they stand and takes the next step. Nothing
 * is kept here; what was done and is asked for again is answered as done.
 */

#define APPLY_MS     600000 /* a large artefact is hashed before it is installed */
#define SOON_MS      1
#define WATCH_MS     2000                /* between two looks at an installation */
#define SLICE        ((uint64_t)8 << 20) /* bytes that are taken before anything else has its turn */
#define PERCENT      10                  /* steps in which the server hears of a download */
#define FEEDBACK_MAX (AG_TEXT_MAX * 7)

/* What the server answers to feedback that it has had, or that comes too late: it need not hear it again. */
#define HTTP_CONFLICT 409
#define HTTP_GONE     410

/* --- apply --- */

static void copy_text(char *to, size_t room, struct ch_span s)
{
	to[ch_span_copy(to, room - 1, s)] = '\0';
}

/* Asks apply, and takes over how it stands. False with the problem noted if it did not do it. */
static bool ask_apply(struct collect *c, enum ag_msg type, const void *msg)
{
	struct ag_update_state m;
	struct ag_update_view *u = &c->update;
	ag_child_ask(&c->child, AG_APPLY, type, msg, AG_MSG_UPDATE_STATE, &m, APPLY_MS);
	if (m.phase >= AG_PHASE_COUNT)
		ag_child_end("apply is in a phase that is not known");
	*u = (struct ag_update_view){
		.phase = (enum ag_phase)m.phase,
		.root = m.root,
		.deployment = m.deployment,
		.provable = m.provable != 0,
		.size = m.size,
		.offset = m.offset,
		.percent = m.percent,
	};
	(void)ch_span_copy(u->release, AG_DIGEST, CH_SPAN_OF(m.release));
	(void)ch_span_copy(u->sha256, AG_DIGEST, CH_SPAN_OF(m.sha256));
	copy_text(u->name, sizeof(u->name), m.name);
	copy_text(u->version, sizeof(u->version), m.version);
	copy_text(u->slot, sizeof(u->slot), m.slot);
	copy_text(u->reason, sizeof(u->reason), m.reason);
	if (m.error.n > 0)
		ag_problem(c, "%.*s", (int)m.error.n, (const char *)m.error.p);
	return m.error.n == 0;
}

/* apply verifies every version of the fleet root itself: it gets those that it does not have. */
static bool bring_root(struct collect *c)
{
	while (c->update.root < c->root.r.version) {
		struct ag_root_answer m = { .places = 1 };
		struct ag_fetch_root ask = { .version = c->update.root + 1, .floor = c->clock.floor };
		for (; ask.nth < m.places && m.status != 200; ask.nth++)
			ag_child_ask(&c->child, AG_NET, AG_MSG_FETCH_ROOT, &ask, AG_MSG_ROOT_ANSWER, &m, APPLY_MS);
		if (m.status != 200 || !ask_apply(c, AG_MSG_UPDATE_ROOT, &(struct ag_update_root){ .note = m.note }))
			return false;
	}
	return true;
}

/* --- the server --- */

static void put_text(struct ch_json_wr *j, const char *name, const char *text)
{
	ch_json_named_str(j, name, text[0] != '\0' ? text : NULL);
}

/* How the server calls a phase that it is told of; NULL: it is not. */
static const char *feedback_of(enum ag_phase phase)
{
	static const char *const name[AG_PHASE_COUNT] = {
		[AG_PHASE_TAKING] = "downloading",
		[AG_PHASE_INSTALLED] = "installed",
		[AG_PHASE_REFUSED] = "refused",
		[AG_PHASE_FELL_BACK] = "fell-back",
	};
	return name[phase];
}

static uint8_t percent_of(const struct ag_update_view *u)
{
	return u->size > 0 ? (uint8_t)(u->offset * 100 / u->size) : 0;
}

/* Tells the server how it stands, if it does not know. True if it does now. */
static bool tell(struct collect *c)
{
	const struct ag_update_view *u = &c->update;
	const char *state = feedback_of(u->phase);
	bool taking = u->phase == AG_PHASE_TAKING;
	uint8_t percent = taking ? percent_of(u) : 0;
	if (state == NULL ||
	    (c->told == u->deployment && c->told_phase == u->phase && (!taking || percent < c->told_percent + PERCENT)))
		return true;
	uint8_t text[FEEDBACK_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "state", state);
	ch_json_name(&j, "progress");
	if (taking)
		ch_json_put_u64(&j, percent);
	else
		ch_json_put_null(&j);
	put_text(&j, "reason", u->reason);
	put_text(&j, "slot", u->slot);
	ch_json_object_end(&j);
	struct ag_noted m;
	if (ag_call_about(c, AG_ROUTE_FEEDBACK, u->deployment, ch_wr_span(&w), AG_MSG_NOTED, &m) != AG_DONE &&
	    m.status != HTTP_CONFLICT && m.status != HTTP_GONE)
		return false;
	c->told = u->deployment;
	c->told_phase = u->phase;
	c->told_percent = percent;
	return true;
}

/* Whether the server is done with its deployment, in whatever way. */
static bool over(struct ch_span state)
{
	static const char *const ends[] = { "proven", "not-proven", "fell-back", "refused", "cancelled" };
	for (size_t i = 0; i < CH_COUNT_OF(ends); i++) {
		if (ch_span_eq(state, ch_span_str(ends[i])))
			return true;
	}
	return false;
}

static uint64_t number_of(struct ch_span text)
{
	uint64_t v = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || v > (UINT64_MAX - 9) / 10)
			return 0;
		v = v * 10 + (uint64_t)(text.p[i] - '0');
	}
	return v;
}

/* --- the steps --- */

/* Fetches what apply is to judge, and offers it. */
static bool offer(struct collect *c, uint64_t deployment, const uint8_t release[static AG_DIGEST])
{
	struct ag_fetch ask = { .what = AG_FETCH_RELEASE };
	struct ag_fetched m;
	CH_AUTO_BUF struct ch_buf document = { 0 };
	(void)ch_span_copy(ask.sha256, AG_DIGEST, ch_span(release, AG_DIGEST));
	if (!bring_root(c) || ag_fetch(c, &ask, &m) != AG_DONE)
		return false;
	ch_buf_append(&document, m.bytes);
	ask.what = AG_FETCH_PROOF;
	if (ag_fetch(c, &ask, &m) != AG_DONE)
		return false;
	if (m.bytes.n > AG_PROOF_MAX) {
		ag_problem(c, "the proof of a release is longer than it can be");
		return false;
	}
	const struct ag_update_offer to = {
		.deployment = deployment,
		.time = c->clock.floor,
		.class_name = c->identity.class_name,
		.document = ch_buf_span(&document),
		.proof = m.bytes,
	};
	return ask_apply(c, AG_MSG_UPDATE_OFFER, &to);
}

/* A slice of the artefact, or its installation when it is whole. False if it is to be tried later. */
static bool take_on(struct collect *c)
{
	struct ag_update_view *u = &c->update;
	uint64_t end = u->size - u->offset > SLICE ? u->offset + SLICE : u->size;
	while (u->phase == AG_PHASE_TAKING && u->offset < end) {
		uint64_t left = u->size - u->offset;
		struct ag_fetch ask = { .what = AG_FETCH_ARTIFACT,
					.offset = u->offset,
					.count = (uint32_t)(left < AG_PIECE_MAX ? left : AG_PIECE_MAX) };
		struct ag_fetched m;
		(void)ch_span_copy(ask.sha256, AG_DIGEST, CH_SPAN_OF(u->sha256));
		if (ag_fetch(c, &ask, &m) != AG_DONE)
			return false;
		if (m.bytes.n == 0 || m.bytes.n > ask.count) {
			ag_problem(c, "the server gives no bytes of the artefact");
			return false;
		}
		const struct ag_update_bytes to = { .offset = ask.offset, .bytes = m.bytes };
		if (!ask_apply(c, AG_MSG_UPDATE_BYTES, &to))
			return false;
	}
	if (u->phase != AG_PHASE_TAKING || u->offset < u->size)
		return tell(c);
	return ask_apply(c, AG_MSG_UPDATE_INSTALL, &(struct ag_update_install){ .always = 0 });
}

/* The server knows that it is installed: now the machine may start again, once. */
static bool start_again(struct collect *c)
{
	if (c->rebooted == c->update.deployment)
		return true;
	c->rebooted = c->update.deployment;
	return ask_apply(c, AG_MSG_UPDATE_REBOOT, &(struct ag_update_reboot){ .always = 0 });
}

/* What runs stays if the server has seen it proven; where nothing can be proven, if it has answered at all. */
static bool confirm(struct collect *c, struct ch_span state)
{
	bool claimed = (c->start.software != 0 || !c->update.provable) && ch_span_eq(state, CH_SPAN_LIT("installed"));
	if (!claimed && !ch_span_eq(state, CH_SPAN_LIT("proven")))
		return true;
	return ask_apply(c, AG_MSG_UPDATE_GOOD, &(struct ag_update_good){ .always = 0 });
}

/* One step by the phase; false if it is to be tried later. `state`: of this deployment at the server. */
static bool step(struct collect *c, struct ch_span state)
{
	if (!tell(c))
		return false;
	switch (c->update.phase) {
	case AG_PHASE_TAKING:
		if (over(state))
			return ask_apply(c, AG_MSG_UPDATE_DROP, &(struct ag_update_drop){ .always = 0 });
		return take_on(c);
	case AG_PHASE_INSTALLED:
		return over(state) || start_again(c);
	case AG_PHASE_RUNNING:
		return confirm(c, state);
	default:
		return true;
	}
}

/* When there is more to do. */
static uint64_t again_in(const struct collect *c, bool went)
{
	uint64_t later = (uint64_t)c->start.poll * 1000;
	switch (c->update.phase) {
	case AG_PHASE_TAKING:
		return went ? SOON_MS : later;
	case AG_PHASE_INSTALLING:
		return WATCH_MS;
	case AG_PHASE_INSTALLED:
	case AG_PHASE_RUNNING:
		return later;
	default:
		return went ? 0 : later;
	}
}

static bool turn(struct collect *c)
{
	struct ag_offered m;
	bool known = ask_apply(c, AG_MSG_UPDATE_ASK, &(struct ag_update_ask){ .always = 0 });
	if (!known || c->update.phase == AG_PHASE_INSTALLING)
		return known;
	if (ag_call(c, AG_ROUTE_UPDATE, CH_SPAN_EMPTY, CH_SPAN_EMPTY, AG_MSG_OFFERED, &m) != AG_DONE)
		return false;
	uint64_t deployment = number_of(m.deployment);
	char state[AG_TEXT_SHORT];
	copy_text(state, sizeof(state), m.state);
	bool ours = deployment != 0 && deployment == c->update.deployment && c->update.phase != AG_PHASE_NONE;
	if (!ours && deployment != 0 && !over(ch_span_str(state))) {
		uint8_t release[AG_DIGEST];
		(void)ch_span_copy(release, sizeof(release), CH_SPAN_OF(m.release));
		if (!offer(c, deployment, release))
			return false;
		ours = c->update.deployment == deployment;
	}
	if (ours)
		return step(c, ch_span_str(state));
	/* installed by hand: no server has a deployment of it, but it has judged this boot */
	if (c->update.deployment == AG_DEPLOYMENT_BY_HAND)
		return c->update.phase != AG_PHASE_RUNNING || strcmp(c->chain, "affirming") != 0 ||
		       ask_apply(c, AG_MSG_UPDATE_GOOD, &(struct ag_update_good){ .always = 0 });
	if (c->update.phase == AG_PHASE_TAKING)
		return ask_apply(c, AG_MSG_UPDATE_DROP, &(struct ag_update_drop){ .always = 0 });
	return true;
}

uint64_t ag_update(struct collect *c)
{
	c->update_due = false;
	if (ag_child_to(&c->child, AG_APPLY)->fd < 0)
		return 0;
	enum ag_phase before = c->update.phase;
	bool went = turn(c);
	if (c->update.phase != before)
		ag_status_tell(c);
	return again_in(c, went);
}
