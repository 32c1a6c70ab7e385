/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/rollout.h"

#include "core/crypto/hash.h"

/* What follows from a document: who, in which order, when, and what is to be done next. */

#define MINUTE    60
#define MINUTE_MS 60000u
#define DAY       86400
#define MONDAY    4 /* 1970-01-05 */

/* --- who, and in which order --- */

static bool listed(const struct ch_rollout_ids *ids, const uint8_t device[static 16])
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ch_span_eq(CH_SPAN_OF(ids->id[i]), ch_span(device, 16)))
			return true;
	}
	return false;
}

static bool tier_fits(enum ch_tier least, enum ch_tier tier)
{
	return least == CH_TIER_NONE || tier == CH_TIER_AFFIRMING ||
	       (tier == CH_TIER_WARNING && least == CH_TIER_WARNING);
}

static bool hostname_fits(struct ch_span pattern, struct ch_span name)
{
	if (pattern.n == 0)
		return true;
	return pattern.p[pattern.n - 1] == '*' ? ch_span_starts(name, ch_span(pattern.p, pattern.n - 1))
					       : ch_span_eq(name, pattern);
}

static bool attributes_fit(const struct ch_rollout_filter *f, const struct ch_rollout_device *d)
{
	for (size_t i = 0; i < f->attribute_count; i++) {
		if (!ch_span_eq(f->attribute[i].value, d->attribute[i]))
			return false;
	}
	return true;
}

bool ch_rollout_matches(const struct ch_rollout *r, const struct ch_rollout_device *d)
{
	const struct ch_rollout_filter *f = &r->filter;
	return (f->class.n == 0 || ch_span_eq(f->class, d->class)) &&
	       (f->running.n == 0 || ch_span_eq(f->running, d->running)) &&
	       (f->running_version.n == 0 || ch_span_eq(f->running_version, d->running_version)) &&
	       tier_fits(f->tier, d->tier) && hostname_fits(f->hostname, d->hostname) && attributes_fit(f, d) &&
	       (!f->has_devices || listed(&f->devices, d->id));
}

bool ch_rollout_is_canary(const struct ch_rollout *r, const uint8_t device[static 16])
{
	return listed(&r->canary, device);
}

enum ch_err ch_rollout_place(int64_t *place, const struct ch_rollout *r, const uint8_t rollout[static 32],
			     const uint8_t device[static 16])
{
	struct ch_hash h;
	struct ch_digest d;
	*place = 0;
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, CH_SPAN_LIT("chainhold-rollout-place/v1\n"));
	ch_hash_update(&h, ch_span(rollout, 32));
	ch_hash_update(&h, ch_span(device, 16));
	ch_hash_final(&h, &d);
	struct ch_rd rd = ch_rd(ch_digest_span(&d));
	int64_t n = (int64_t)(ch_rd_be64(&rd) >> 1);
	*place = ch_rollout_is_canary(r, device) ? n + INT64_MIN : n;
	return CH_OK;
}

static uint64_t amount_of(const struct ch_rollout_amount *a, uint64_t all)
{
	if (a->unit == CH_ROLLOUT_COUNT)
		return a->n < all ? a->n : all;
	/* Rounded up, and without overflow. */
	return all / 100 * a->n + (all % 100 * a->n + 99) / 100;
}

uint64_t ch_rollout_phase_end(const struct ch_rollout *r, size_t phase, uint64_t members, uint64_t canaries)
{
	uint64_t end = r->canary.count > 0 ? canaries : 0;
	for (size_t i = 0; i <= phase && i < r->phase_count; i++) {
		uint64_t n = amount_of(&r->phase[i], members);
		end = n > end ? n : end;
	}
	return end < members ? end : members;
}

/* --- when --- */

static bool on_day(const struct ch_rollout_window *w, int64_t day)
{
	return (w->days >> ((day - MONDAY) % 7 + 7) % 7 & 1) != 0;
}

bool ch_rollout_open(const struct ch_rollout *r, int64_t time)
{
	const struct ch_rollout_window *w = &r->window;
	if (time < r->start || time < 0)
		return false;
	if (w->days == 0)
		return true;
	int64_t day = time / DAY, minute = time % DAY / MINUTE;
	if (w->from < w->to)
		return on_day(w, day) && minute >= w->from && minute < w->to;
	/* Over midnight: the end belongs to the day before. */
	return (on_day(w, day) && minute >= w->from) || (on_day(w, day - 1) && minute < w->to);
}

int64_t ch_rollout_opens(const struct ch_rollout *r, int64_t time)
{
	int64_t from = time > r->start ? time : r->start;
	for (int64_t day = from / DAY; !ch_rollout_open(r, from) && day <= from / DAY + 7; day++) {
		int64_t at = day * DAY + r->window.from * MINUTE;
		if (at > from && on_day(&r->window, day))
			return at;
	}
	return from;
}

/* --- how it stands --- */

static const char *const state_name[CH_ROLLOUT_STATES] = {
	[CH_ROLLOUT_NONE] = "none",       [CH_ROLLOUT_PLANNED] = "planned", [CH_ROLLOUT_RUNNING] = "running",
	[CH_ROLLOUT_PAUSED] = "paused",   [CH_ROLLOUT_HALTED] = "halted",   [CH_ROLLOUT_FINISHED] = "finished",
	[CH_ROLLOUT_ABORTED] = "aborted",
};

const char *ch_rollout_state_str(enum ch_rollout_state state)
{
	return (size_t)state < CH_ROLLOUT_STATES ? state_name[state] : "unknown";
}

#define NO  CH_ROLLOUT_STATES
#define PLA CH_ROLLOUT_PLANNED
#define RUN CH_ROLLOUT_RUNNING
#define PAU CH_ROLLOUT_PAUSED
#define HAL CH_ROLLOUT_HALTED
#define FIN CH_ROLLOUT_FINISHED
#define ABO CH_ROLLOUT_ABORTED

/* Rows are the state, columns what happens, in the order of enum ch_rollout_step. */
/* clang-format off */
static const uint8_t next[CH_ROLLOUT_STATES][CH_ROLLOUT_STEP_COUNT] = {
	/*                        create start pause resume halt finish abort */
	[CH_ROLLOUT_NONE] =     { PLA,   NO,   NO,   NO,    NO,  NO,    NO },
	[CH_ROLLOUT_PLANNED] =  { NO,    RUN,  NO,   NO,    NO,  NO,    ABO },
	[CH_ROLLOUT_RUNNING] =  { NO,    NO,   PAU,  NO,    HAL, FIN,   ABO },
	[CH_ROLLOUT_PAUSED] =   { NO,    NO,   NO,   RUN,   NO,  NO,    ABO },
	[CH_ROLLOUT_HALTED] =   { NO,    NO,   NO,   RUN,   NO,  NO,    ABO },
	[CH_ROLLOUT_FINISHED] = { NO,    NO,   NO,   NO,    NO,  NO,    NO },
	[CH_ROLLOUT_ABORTED] =  { NO,    NO,   NO,   NO,    NO,  NO,    NO },
};
/* clang-format on */

enum ch_err ch_rollout_next(enum ch_rollout_state from, enum ch_rollout_step step, enum ch_rollout_state *to)
{
	*to = from;
	if ((size_t)from >= CH_ROLLOUT_STATES || (size_t)step >= CH_ROLLOUT_STEP_COUNT || next[from][step] == NO)
		return CH_ERR_MISMATCH;
	*to = (enum ch_rollout_state)next[from][step];
	return CH_OK;
}

bool ch_rollout_over(enum ch_rollout_state state)
{
	for (size_t i = 0; (size_t)state < CH_ROLLOUT_STATES && i < CH_ROLLOUT_STEP_COUNT; i++) {
		if (next[state][i] != NO)
			return false;
	}
	return true;
}

const char *ch_rollout_member_str(enum ch_rollout_member member)
{
	static const char *const name[CH_MEMBER_COUNT] = {
		[CH_MEMBER_WAITS] = "waits",
		[CH_MEMBER_OFFERED] = "offered",
		[CH_MEMBER_RUNS_IT] = "runs it already",
		[CH_MEMBER_QUARANTINED] = "quarantined",
		[CH_MEMBER_GONE] = "revoked or decommissioned",
		[CH_MEMBER_FLOOR] = "older than what it may go back to",
		[CH_MEMBER_BUSY] = "another offer was on its way to it",
		[CH_MEMBER_HELD] = "its policy holds updates back",
	};
	return (size_t)member < CH_MEMBER_COUNT ? name[member] : "unknown";
}

static bool too_many(const struct ch_rollout_amount *a, uint64_t failed, uint64_t devices)
{
	if (failed == 0)
		return false;
	return a->unit == CH_ROLLOUT_COUNT ? failed >= a->n : failed * 100 >= a->n * devices;
}

enum ch_rollout_verdict ch_rollout_judge(const struct ch_rollout *r, const struct ch_rollout_tally *t, uint64_t now_ms)
{
	if (too_many(&r->failures, t->failed, t->devices))
		return CH_ROLLOUT_HALT;
	if (t->waiting > 0)
		return CH_ROLLOUT_WAIT;
	if (t->offered == 0)
		return t->empty_is_fine ? CH_ROLLOUT_ADVANCE : CH_ROLLOUT_HALT_EMPTY;
	if (t->proven * 100 < r->proven * t->offered)
		return CH_ROLLOUT_WAIT;
	if (t->reached == 0 && r->wait_minutes > 0)
		return CH_ROLLOUT_REACHED;
	return now_ms >= t->reached + r->wait_minutes * MINUTE_MS ? CH_ROLLOUT_ADVANCE : CH_ROLLOUT_WAIT;
}

uint64_t ch_rollout_spread(const struct ch_rollout *r, uint64_t last_ms, uint64_t now_ms)
{
	uint64_t most = r->spread / 30 > 1 ? r->spread / 30 : 1;
	uint64_t apart = now_ms > last_ms ? now_ms - last_ms : 0;
	uint64_t n = apart >= MINUTE_MS ? r->spread : apart * r->spread / MINUTE_MS;
	return n < most ? n : most;
}
