/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_STATE_H
#define CH_UPDATE_STATE_H

#include "core/base/err.h"
#include "core/base/span.h"

/*
 * How a deployment (one release that is offered to one device) stands. What the device says is a claim; proven and not proven are
 * decided by its evidence alone. The table of steps is all there is: a step that is not in it does not exist.
 *
 *   offered → downloading → installed (claimed) → proven · not proven · fell back      any before that → refused, cancelled
 */

/* The numbers are stored and sent: never renumbered. */
enum ch_update_state {
	CH_UPDATE_NONE = 0,
	CH_UPDATE_OFFERED = 1,
	CH_UPDATE_DOWNLOADING = 2,
	CH_UPDATE_INSTALLED = 3,  /* the device says so, and nobody has seen it */
	CH_UPDATE_PROVEN = 4,     /* its measured boot is explained by the release, whole */
	CH_UPDATE_NOT_PROVEN = 5, /* it started anew and shows another boot */
	CH_UPDATE_FELL_BACK = 6,  /* the device says that it runs what it ran before */
	CH_UPDATE_REFUSED = 7,    /* the device would not have it, or could not install it */
	CH_UPDATE_CANCELLED = 8,  /* an operator, or another deployment in its place */
	CH_UPDATE_COUNT = 9,
};

/* "none", "offered", "downloading", "installed", "proven", "not-proven", "fell-back", "refused", "cancelled"; else "unknown". Static. */
const char *ch_update_state_str(enum ch_update_state state);
/* The reverse. CH_ERR_UNKNOWN, with *state untouched, for another word. */
CH_MUST_USE enum ch_err ch_update_state_by_name(struct ch_span name, enum ch_update_state *state);

/* What happens to a deployment. */
enum ch_update_step {
	CH_UPDATE_STEP_OFFER,
	CH_UPDATE_STEP_DOWNLOAD,  /* feedback */
	CH_UPDATE_STEP_INSTALL,   /* feedback */
	CH_UPDATE_STEP_REFUSE,    /* feedback */
	CH_UPDATE_STEP_FALL_BACK, /* feedback */
	CH_UPDATE_STEP_PROVE,     /* evidence */
	CH_UPDATE_STEP_DISPROVE,  /* evidence */
	CH_UPDATE_STEP_CANCEL,
	CH_UPDATE_STEP_COUNT,
};

/*
 * Whether a device that was offered it by hawkBit's DDI has been told that it is cancelled, and what it said. Stored: never renumbered. The
 * state is cancelled in any case: whatever a device says to it, nothing more of it is offered.
 */
enum ch_update_stop {
	CH_UPDATE_STOP_NONE = 0,         /* it is not to be told: nothing was under way */
	CH_UPDATE_STOP_ASKED = 1,        /* cancelled, not yet acknowledged */
	CH_UPDATE_STOP_ACKNOWLEDGED = 2, /* it has stopped */
	CH_UPDATE_STOP_DECLINED = 3,     /* it goes on with what it began, and may say how that ended */
	CH_UPDATE_STOP_ENDED = 4,        /* too late: it had ended, well or not */
	CH_UPDATE_STOP_COUNT = 5,
};
/* "none", "asked", "acknowledged", "declined", "ended"; else "unknown". Static. */
const char *ch_update_stop_str(enum ch_update_stop stop);

/* Where `step` leads from `from`. CH_ERR_MISMATCH, and *to is `from`, if that is not legal or either number is none. */
CH_MUST_USE enum ch_err ch_update_next(enum ch_update_state from, enum ch_update_step step, enum ch_update_state *to);

/* The step that a device claims by a word of feedback: "downloading", "installed", "refused", "fell-back". CH_ERR_UNKNOWN. */
CH_MUST_USE enum ch_err ch_update_claim(struct ch_span word, enum ch_update_step *step);

/* The device is to do something about it: offered or downloading. */
bool ch_update_wanted(enum ch_update_state state);
/* No step leads out of it. */
bool ch_update_over(enum ch_update_state state);

#endif
