/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_LIFECYCLE_H
#define CH_TRUST_LIFECYCLE_H

#include "core/base/err.h"
#include "core/base/span.h"

/*
 * The life of a device: its states, what moves it from one to the next, and what each state admits. Both are tables: a transition
 * that is not in the table does not exist, an access that is not in it is refused.
 *
 *   none → preauthorised → enrolled → trusted ⇄ quarantined        any → decommissioned (for good)
 *                             ↑____________ revoked ← any certificate's
 */

/* The numbers are stored and sent: never renumbered. 0 is "there is no such device" and admits nothing. */
enum ch_state {
	CH_STATE_NONE = 0,
	CH_STATE_PREAUTHORISED = 1, /* its EK is known, it has no certificate yet */
	CH_STATE_ENROLLED = 2,      /* it has a certificate, its chain has not been affirmed under it */
	CH_STATE_TRUSTED = 3,
	CH_STATE_QUARANTINED = 4,    /* reversible: it may prove itself and nothing else */
	CH_STATE_DECOMMISSIONED = 5, /* final for the device */
	CH_STATE_REVOKED = 6,        /* final for its certificate; the way back is credential activation */
	CH_STATE_COUNT = 7,
};

/* "none", "pre-authorised", "enrolled", "trusted", "quarantined", "decommissioned", "revoked"; else "unknown". Static. */
const char *ch_state_str(enum ch_state state);
/* The reverse. CH_ERR_UNKNOWN, with *state untouched, for another word. */
CH_MUST_USE enum ch_err ch_state_by_name(struct ch_span name, enum ch_state *state);

/* What happens to a device. */
enum ch_life {
	CH_LIFE_PREAUTHORISE, /* an operator allows its EK */
	CH_LIFE_ENROL,        /* credential activation (or a token) held: a certificate is issued */
	CH_LIFE_AFFIRM,       /* fresh evidence: the chain is affirming or a warning */
	CH_LIFE_BREAK,        /* its policy, or an operator, quarantines it */
	CH_LIFE_MEND,         /* quarantine ends: fresh evidence under the same EK and a certificate for a new key */
	CH_LIFE_RELEASE,      /* quarantine ends: operators decide; the chain is yet to be affirmed */
	CH_LIFE_REVOKE,       /* an operator revokes its certificate */
	CH_LIFE_DECOMMISSION, /* an operator ends its life */
	CH_LIFE_COUNT,
};

/* "pre-authorise", "enrol", "affirm", "break", "mend", "release", "revoke", "decommission"; else "unknown". Static. */
const char *ch_life_str(enum ch_life life);

/*
 * Where `life` leads from `from`. CH_ERR_MISMATCH, and *to is `from`, if that is not legal or either number is none. A step that
 * leads to the same state is legal: a device that is affirmed again stays trusted, one in quarantine that enrols again stays there.
 */
CH_MUST_USE enum ch_err ch_lifecycle_next(enum ch_state from, enum ch_life life, enum ch_state *to);

/* What a device may ask of the server with its certificate. */
enum ch_access {
	CH_ACCESS_ATTEST, /* ask for a challenge, send evidence, read its own status */
	CH_ACCESS_RENEW,  /* ask for a certificate for a new key */
	CH_ACCESS_FULL,   /* everything else that devices may: updates, secrets, membership */
	CH_ACCESS_COUNT,
};

/* True if a device in this state may. False for any number that is none. */
bool ch_state_admits(enum ch_state state, enum ch_access access);

#endif
