/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_ROLLOUT_H
#define CH_UPDATE_ROLLOUT_H

#include "core/trust/link.h"
#include "core/wire/json.h"

/*
 * A rollout: one release for many devices, in phases; it goes on to the next phase only when enough of a phase have proven, by evidence,
 * that they run it. The document that an operator signs, who of the fleet it is for and in which order, and what is to be done next. Format
 * and rules: docs/protocol/rollout.md.
 */

#define CH_ROLLOUT_TYPE "chainhold-rollout/v1"

/* A number of devices, or a share of them. */
enum ch_rollout_unit { CH_ROLLOUT_PERCENT, CH_ROLLOUT_COUNT };
struct ch_rollout_amount {
	enum ch_rollout_unit unit;
	uint64_t n;
};

/* Whether the word of a device that cannot prove anything (no measured boot, or a release without measurements) is enough. */
enum ch_rollout_claimed { CH_CLAIMED_WAIT = 0, CH_CLAIMED_COUNT = 0x3c };

struct ch_rollout_ids {
	size_t count;
	uint8_t id[CH_ROLLOUT_DEVICES_MAX][16];
};

/* What a device says of itself by hawkBit's DDI. */
struct ch_rollout_attribute {
	struct ch_span name, value;
};

/* Whom it is for. What is empty, NONE or not listed asks for nothing. */
struct ch_rollout_filter {
	struct ch_span class;
	struct ch_span running, running_version; /* the release that it runs: name, and version */
	enum ch_tier tier;                       /* AFFIRMING; WARNING: that or affirming; NONE: any */
	struct ch_span hostname;                 /* a "*" at its end stands for anything */
	size_t attribute_count;
	struct ch_rollout_attribute attribute[CH_ROLLOUT_ATTRIBUTES_MAX];
	bool has_devices;
	struct ch_rollout_ids devices;
};

/* Bits of `days`: 0 Monday to 6 Sunday; minutes of a day, in UTC. A window that ends before it begins ends on the next day. */
struct ch_rollout_window {
	uint8_t days; /* 0: there is no window, it is always open */
	uint16_t from, to;
};

/* The spans borrow from what was parsed. About 40 KiB: not for a stack. */
struct ch_rollout {
	struct ch_span name;
	uint8_t release[32];
	bool forced, rollback;
	struct ch_rollout_filter filter;
	struct ch_rollout_ids canary; /* those of the first phase, if it is a list */
	size_t phase_count;
	struct ch_rollout_amount phase[CH_ROLLOUT_PHASES_MAX]; /* of a list of canaries: a count of 0 */
	int64_t start;                                         /* seconds since 1970; 0: at once */
	struct ch_rollout_window window;
	struct ch_rollout_amount failures; /* so many halt it */
	uint64_t proof_minutes;            /* after taking it up, a device without proof has failed */
	uint64_t proven;                   /* percent of a phase, before the next */
	uint64_t wait_minutes;             /* after that */
	enum ch_rollout_claimed claimed;
	uint64_t spread; /* devices a minute at most */
};

/*
 * Reads all of `in`, JSON. Total: an unknown or doubled member, a value that is not exactly of its kind, a list over its limit, values that
 * do not go together are refused, with offset and rule in `d`. Members that may be missing get their defaults. `node` is used during the
 * call only; CH_ROLLOUT_NODES_MAX always does for what is accepted. `r` is zeroed on failure.
 */
CH_MUST_USE enum ch_err ch_rollout_parse(struct ch_rollout *r, struct ch_span in, struct ch_json_node *node, size_t cap,
					 struct ch_diag *d);
/* Writes the one text of a document, which is what is signed: every member, in one order, no blanks. CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_rollout_put(struct ch_wr *w, const struct ch_rollout *r);
/* The document `in` was read from is that text. */
bool ch_rollout_canonical(const struct ch_rollout *r, struct ch_span in);

/* --- who, and in which order --- */

struct ch_rollout_device {
	uint8_t id[16];
	struct ch_span class, hostname;
	struct ch_span running, running_version; /* empty: not known */
	enum ch_tier tier;
	struct ch_span
		attribute[CH_ROLLOUT_ATTRIBUTES_MAX]; /* its value of each that the filter names, in that order */
};
bool ch_rollout_matches(const struct ch_rollout *r, const struct ch_rollout_device *d);
/* It is in the list of the first phase. */
bool ch_rollout_is_canary(const struct ch_rollout *r, const uint8_t device[static 16]);
/*
 * Where the device stands in the order: canaries first (below 0), then by a hash of rollout and device, so that whoever knows both can
 * tell. `rollout`: SHA-256 of the document's text. CH_ERR_CRYPTO.
 */
CH_MUST_USE enum ch_err ch_rollout_place(int64_t *place, const struct ch_rollout *r, const uint8_t rollout[static 32],
					 const uint8_t device[static 16]);
/* How many devices there are in the phases up to this one, of `members` in all, `canaries` of them in the list. */
uint64_t ch_rollout_phase_end(const struct ch_rollout *r, size_t phase, uint64_t members, uint64_t canaries);

/* --- when --- */

/* Devices may begin at this moment (seconds since 1970). */
bool ch_rollout_open(const struct ch_rollout *r, int64_t time);
/* When they may next, from `time` on: `time` itself if they may now. */
int64_t ch_rollout_opens(const struct ch_rollout *r, int64_t time);

/* --- how it stands --- */

/* The numbers are stored and sent: never renumbered. */
enum ch_rollout_state {
	CH_ROLLOUT_NONE = 0,
	CH_ROLLOUT_PLANNED = 1,  /* waits for its start, then chooses its devices */
	CH_ROLLOUT_RUNNING = 2,  /* offers, and goes from phase to phase */
	CH_ROLLOUT_PAUSED = 3,   /* an operator: nobody new begins */
	CH_ROLLOUT_HALTED = 4,   /* too many failures: nobody new begins */
	CH_ROLLOUT_FINISHED = 5, /* the last phase met its rule */
	CH_ROLLOUT_ABORTED = 6,  /* an operator: whatever is not installed is taken back */
	CH_ROLLOUT_STATES = 7,
};
enum ch_rollout_step {
	CH_ROLLOUT_STEP_CREATE, /* operator */
	CH_ROLLOUT_STEP_START,
	CH_ROLLOUT_STEP_PAUSE,  /* operator */
	CH_ROLLOUT_STEP_RESUME, /* operator */
	CH_ROLLOUT_STEP_HALT,
	CH_ROLLOUT_STEP_FINISH,
	CH_ROLLOUT_STEP_ABORT, /* operator */
	CH_ROLLOUT_STEP_COUNT,
};
/* "none", "planned", "running", "paused", "halted", "finished", "aborted"; else "unknown". Static. */
const char *ch_rollout_state_str(enum ch_rollout_state state);
/* Where `step` leads from `from`. CH_ERR_MISMATCH, and *to is `from`, if that is not legal or either number is none. */
CH_MUST_USE enum ch_err ch_rollout_next(enum ch_rollout_state from, enum ch_rollout_step step,
					enum ch_rollout_state *to);
/* No step leads out of it. */
bool ch_rollout_over(enum ch_rollout_state state);

/* How it is with one device of it. The numbers are stored and sent: never renumbered. */
enum ch_rollout_member {
	CH_MEMBER_WAITS = 0,
	CH_MEMBER_OFFERED = 1,
	/* left out, when its turn came: */
	CH_MEMBER_RUNS_IT = 2,
	CH_MEMBER_QUARANTINED = 3,
	CH_MEMBER_GONE = 4,  /* revoked, decommissioned */
	CH_MEMBER_FLOOR = 5, /* it would refuse: older than what it may go back to */
	CH_MEMBER_BUSY = 6,  /* another offer was on its way to it */
	CH_MEMBER_HELD = 7,  /* its policy holds updates back */
	CH_MEMBER_COUNT = 8,
};
/* "waits", "offered", "runs it already", …; else "unknown". Static. */
const char *ch_rollout_member_str(enum ch_rollout_member member);

/* What is counted of the phase that runs. */
struct ch_rollout_tally {
	uint64_t waiting; /* nothing was offered to them yet */
	uint64_t offered; /* and was not taken back */
	uint64_t proven;  /* of these; with those whose word is enough */
	uint64_t
		failed; /* of all phases: refused, fell back, not proven, without proof for too long; what was excused is not counted */
	uint64_t devices;   /* of all phases up to this one: what a percentage of failures is of */
	uint64_t reached;   /* ms since 1970 when enough of the phase had proven it; 0: not yet */
	bool empty_is_fine; /* an operator resumed it although nobody of the phase was offered anything */
};
enum ch_rollout_verdict {
	CH_ROLLOUT_WAIT,       /* for devices */
	CH_ROLLOUT_HALT,       /* too many failures */
	CH_ROLLOUT_HALT_EMPTY, /* every device of the phase was left out: nothing was shown by it */
	CH_ROLLOUT_REACHED,    /* enough have proven it: the time of waiting begins */
	CH_ROLLOUT_ADVANCE,    /* to the next phase, or it is finished */
};
enum ch_rollout_verdict ch_rollout_judge(const struct ch_rollout *r, const struct ch_rollout_tally *t, uint64_t now_ms);
/* How many devices may begin now, if the last did at `last_ms`; never more than what two seconds allow, but one. */
uint64_t ch_rollout_spread(const struct ch_rollout *r, uint64_t last_ms, uint64_t now_ms);

#endif
