/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/state.h"

static const char *const state_name[CH_UPDATE_COUNT] = {
	[CH_UPDATE_NONE] = "none",           [CH_UPDATE_OFFERED] = "offered", [CH_UPDATE_DOWNLOADING] = "downloading",
	[CH_UPDATE_INSTALLED] = "installed", [CH_UPDATE_PROVEN] = "proven",   [CH_UPDATE_NOT_PROVEN] = "not-proven",
	[CH_UPDATE_FELL_BACK] = "fell-back", [CH_UPDATE_REFUSED] = "refused", [CH_UPDATE_CANCELLED] = "cancelled",
};

const char *ch_update_state_str(enum ch_update_state state)
{
	return (size_t)state < CH_UPDATE_COUNT ? state_name[state] : "unknown";
}

enum ch_err ch_update_state_by_name(struct ch_span name, enum ch_update_state *state)
{
	for (size_t i = 0; i < CH_UPDATE_COUNT; i++) {
		if (ch_span_eq(name, ch_span_str(state_name[i]))) {
			*state = (enum ch_update_state)i;
			return CH_OK;
		}
	}
	return CH_ERR_UNKNOWN;
}

const char *ch_update_stop_str(enum ch_update_stop stop)
{
	static const char *const name[CH_UPDATE_STOP_COUNT] = { "none", "asked", "acknowledged", "declined", "ended" };
	return (size_t)stop < CH_UPDATE_STOP_COUNT ? name[stop] : "unknown";
}

#define NO  CH_UPDATE_COUNT
#define OFF CH_UPDATE_OFFERED
#define DOW CH_UPDATE_DOWNLOADING
#define INS CH_UPDATE_INSTALLED
#define PRO CH_UPDATE_PROVEN
#define NOT CH_UPDATE_NOT_PROVEN
#define BAC CH_UPDATE_FELL_BACK
#define REF CH_UPDATE_REFUSED
#define CAN CH_UPDATE_CANCELLED

/*
 * Rows are the state, columns what happens, in the order of enum ch_update_step. Evidence may come before the words of a device: what is
 * measured is proven, whatever was said. A boot that is not proven may still be, or turn out to be a fallback.
 */
/* clang-format off */
static const uint8_t next[CH_UPDATE_COUNT][CH_UPDATE_STEP_COUNT] = {
	/*                         offer down inst refuse back prove disprove cancel */
	[CH_UPDATE_NONE] =        { OFF, NO,  NO,  NO,    NO,  NO,   NO,      NO },
	[CH_UPDATE_OFFERED] =     { NO,  DOW, INS, REF,   BAC, PRO,  NO,      CAN },
	[CH_UPDATE_DOWNLOADING] = { NO,  DOW, INS, REF,   BAC, PRO,  NO,      CAN },
	[CH_UPDATE_INSTALLED] =   { NO,  NO,  INS, NO,    BAC, PRO,  NOT,     CAN },
	[CH_UPDATE_PROVEN] =      { NO,  NO,  NO,  NO,    NO,  NO,   NO,      NO },
	[CH_UPDATE_NOT_PROVEN] =  { NO,  NO,  NO,  NO,    BAC, PRO,  NOT,     CAN },
	[CH_UPDATE_FELL_BACK] =   { NO,  NO,  NO,  NO,    NO,  NO,   NO,      NO },
	[CH_UPDATE_REFUSED] =     { NO,  NO,  NO,  NO,    NO,  NO,   NO,      NO },
	[CH_UPDATE_CANCELLED] =   { NO,  NO,  NO,  NO,    NO,  NO,   NO,      NO },
};
/* clang-format on */

enum ch_err ch_update_next(enum ch_update_state from, enum ch_update_step step, enum ch_update_state *to)
{
	*to = from;
	if ((size_t)from >= CH_UPDATE_COUNT || (size_t)step >= CH_UPDATE_STEP_COUNT || next[from][step] == NO)
		return CH_ERR_MISMATCH;
	*to = (enum ch_update_state)next[from][step];
	return CH_OK;
}

enum ch_err ch_update_claim(struct ch_span word, enum ch_update_step *step)
{
	static const struct {
		enum ch_update_state word;
		enum ch_update_step step;
	} row[] = {
		{ CH_UPDATE_DOWNLOADING, CH_UPDATE_STEP_DOWNLOAD },
		{ CH_UPDATE_INSTALLED, CH_UPDATE_STEP_INSTALL },
		{ CH_UPDATE_REFUSED, CH_UPDATE_STEP_REFUSE },
		{ CH_UPDATE_FELL_BACK, CH_UPDATE_STEP_FALL_BACK },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		if (ch_span_eq(word, ch_span_str(state_name[row[i].word]))) {
			*step = row[i].step;
			return CH_OK;
		}
	}
	return CH_ERR_UNKNOWN;
}

bool ch_update_wanted(enum ch_update_state state)
{
	return state == CH_UPDATE_OFFERED || state == CH_UPDATE_DOWNLOADING;
}

bool ch_update_over(enum ch_update_state state)
{
	for (size_t i = 0; (size_t)state < CH_UPDATE_COUNT && i < CH_UPDATE_STEP_COUNT; i++) {
		if (next[state][i] != NO)
			return false;
	}
	return true;
}
