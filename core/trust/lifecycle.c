/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/lifecycle.h"

static const char *const state_name[CH_STATE_COUNT] = {
	[CH_STATE_NONE] = "none",
	[CH_STATE_PREAUTHORISED] = "pre-authorised",
	[CH_STATE_ENROLLED] = "enrolled",
	[CH_STATE_TRUSTED] = "trusted",
	[CH_STATE_QUARANTINED] = "quarantined",
	[CH_STATE_DECOMMISSIONED] = "decommissioned",
	[CH_STATE_REVOKED] = "revoked",
};

const char *ch_state_str(enum ch_state state)
{
	return (size_t)state < CH_STATE_COUNT ? state_name[state] : "unknown";
}

enum ch_err ch_state_by_name(struct ch_span name, enum ch_state *state)
{
	for (size_t i = 0; i < CH_STATE_COUNT; i++) {
		if (ch_span_eq(name, ch_span_str(state_name[i]))) {
			*state = (enum ch_state)i;
			return CH_OK;
		}
	}
	return CH_ERR_UNKNOWN;
}

const char *ch_life_str(enum ch_life life)
{
	static const char *const name[CH_LIFE_COUNT] = { "pre-authorise", "enrol",   "affirm", "break",
							 "mend",          "release", "revoke", "decommission" };
	return (size_t)life < CH_LIFE_COUNT ? name[life] : "unknown";
}

#define NO  CH_STATE_COUNT
#define PRE CH_STATE_PREAUTHORISED
#define ENR CH_STATE_ENROLLED
#define TRU CH_STATE_TRUSTED
#define QUA CH_STATE_QUARANTINED
#define DEC CH_STATE_DECOMMISSIONED
#define REV CH_STATE_REVOKED

/*
 * Read in columns: rows are the state, columns what happens, in the order of enum ch_life. Enrolling again never lifts a
 * quarantine, and a device that was decommissioned has no way back.
 */
/* clang-format off */
static const uint8_t next[CH_STATE_COUNT][CH_LIFE_COUNT] = {
	/*                            pre- enrol affirm break mend release revoke decommission */
	[CH_STATE_NONE] =           { PRE, ENR,  NO,    NO,   NO,  NO,     NO,    NO },
	[CH_STATE_PREAUTHORISED] =  { PRE, ENR,  NO,    NO,   NO,  NO,     NO,    DEC },
	[CH_STATE_ENROLLED] =       { NO,  ENR,  TRU,   QUA,  NO,  NO,     REV,   DEC },
	[CH_STATE_TRUSTED] =        { NO,  ENR,  TRU,   QUA,  NO,  NO,     REV,   DEC },
	[CH_STATE_QUARANTINED] =    { NO,  QUA,  QUA,   QUA,  TRU, ENR,    REV,   DEC },
	[CH_STATE_DECOMMISSIONED] = { NO,  NO,   NO,    NO,   NO,  NO,     NO,    NO },
	[CH_STATE_REVOKED] =        { NO,  ENR,  NO,    NO,   NO,  NO,     NO,    DEC },
};
/* clang-format on */

enum ch_err ch_lifecycle_next(enum ch_state from, enum ch_life life, enum ch_state *to)
{
	*to = from;
	if ((size_t)from >= CH_STATE_COUNT || (size_t)life >= CH_LIFE_COUNT || next[from][life] == NO)
		return CH_ERR_MISMATCH;
	*to = (enum ch_state)next[from][life];
	return CH_OK;
}

bool ch_state_admits(enum ch_state state, enum ch_access access)
{
	static const bool admits[CH_STATE_COUNT][CH_ACCESS_COUNT] = {
		[CH_STATE_ENROLLED] = { true, true, true },
		[CH_STATE_TRUSTED] = { true, true, true },
		[CH_STATE_QUARANTINED] = { true, true, false },
	};
	return (size_t)state < CH_STATE_COUNT && (size_t)access < CH_ACCESS_COUNT && admits[state][access];
}
