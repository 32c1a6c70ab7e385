/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_POLICY_H
#define CH_TRUST_POLICY_H

#include "core/base/wr.h"
#include "core/trust/action.h"
#include "core/trust/link.h"

/*
 * The policy of one device class, as the server evaluates it: a flat image of fixed layout, which host/policy makes from YAML.
 * docs/protocol/policy.md has both. Where a value weakens the policy, it is not 0, so that zeroed memory is the strictest.
 */

/* What a broken link triggers, from the weakest to the strongest. */
enum ch_response {
	CH_RESPONSE_OBSERVE = 1,      /* it is shown */
	CH_RESPONSE_ALERT = 2,        /* and told to whoever listens */
	CH_RESPONSE_HOLD_UPDATES = 3, /* and the device is given no release but one that mends it */
	CH_RESPONSE_QUARANTINE = 4,   /* and everything but evidence is cut */
};

/* "observe", "alert", "hold-updates", "quarantine"; else "unknown". Static. */
const char *ch_response_str(enum ch_response response);
/* The reverse. CH_ERR_UNKNOWN, with *response untouched, for another word. */
CH_MUST_USE enum ch_err ch_response_by_name(struct ch_span name, enum ch_response *response);

/* How a quarantine ends. */
enum ch_release_by {
	CH_RELEASE_TWO_OPERATORS = 1, /* by device.release with two signatures, and in no other way */
	CH_RELEASE_AUTOMATIC = 2,     /* by itself, once fresh evidence affirms the chain; or as above */
};

/* Whose EK may enrol. A denied EK never may. */
enum ch_ek_rule {
	CH_EK_LISTED = 1,   /* only those that an operator allowed, their certificate from a trusted root */
	CH_EK_ANY_ROOT = 2, /* all whose certificate comes from a trusted root */
};

#define CH_POLICY_LIFETIME_MIN 3600u              /* seconds; a certificate must outlive the interval */
#define CH_POLICY_LIFETIME_MAX (398u * 24 * 3600) /* what the signer issues at most */
#define CH_POLICY_AGE_MIN      30u
#define CH_POLICY_AGE_MAX      (366u * 24 * 3600)

struct ch_policy {
	struct ch_span class; /* ch_name_valid() */
	uint8_t required;     /* set of links: not empty */
	enum ch_release_by release;
	enum ch_response on_break[CH_LINK_COUNT]; /* a link that is contraindicated, required or not */
	enum ch_response on_stale;       /* a required link without evidence, or with evidence that is too old */
	uint32_t max_age[CH_LINK_COUNT]; /* seconds after which the evidence of a link is stale */
	uint32_t interval;               /* seconds between attestations: how often a device is asked */
	uint32_t lifetime;               /* seconds that a device certificate is valid */
	uint32_t two_signatures;         /* bit n: verb n needs the signatures of two operators */
	enum ch_ek_rule ek;
	bool token; /* enrolment by a one-time token, without a TPM, is allowed */
	uint32_t
		daily_mib; /* evidence that a device may send in a day, in MiB; its first piece of a day is always taken */
	bool mend;         /* in quarantine it may fetch the release that an operator assigned to it alone */
};

#define CH_POLICY_IMAGE_MAX     (68 + CH_NAME_MAX)
#define CH_POLICY_DAILY_DEFAULT 64u /* also of images of version 1, which do not say it */
#define CH_POLICY_DAILY_MAX     65536u

/*
 * Reads an image, also one of version 1 or 2; `class` borrows from it. Total: what ch_policy_put() would not have written is refused.
 * CH_ERR_UNSUPPORTED for another version; CH_ERR_TRUNCATED, CH_ERR_TRAILING, CH_ERR_MALFORMED (not an image), CH_ERR_RANGE (a value that has no meaning).
 */
CH_MUST_USE enum ch_err ch_policy_parse(struct ch_policy *p, struct ch_span image, struct ch_diag *d);

/* Writes the image, at most CH_POLICY_IMAGE_MAX bytes. CH_ERR_RANGE, and nothing written, if a value has no meaning. */
CH_MUST_USE enum ch_err ch_policy_put(struct ch_wr *w, const struct ch_policy *p);

/*
 * How many different operators must have signed this verb, 1 or 2: what the policy says and, with CH_RELEASE_TWO_OPERATORS, always
 * 2 for device.release. For a verb of no class (ch_verb_of_class) ask the policies of all classes: the largest answer counts.
 */
unsigned ch_policy_signatures(const struct ch_policy *p, enum ch_verb verb);

#endif
