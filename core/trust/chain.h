/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_CHAIN_H
#define CH_TRUST_CHAIN_H

#include "core/trust/policy.h"

/*
 * The status of a device's chain: the worst tier over the links that its class requires. A required link without evidence, or with
 * evidence that is too old, counts as contraindicated; the other links are shown and never raise it.
 */

/* What is known of one link. Zeroed: nobody judged it. */
struct ch_link_result {
	enum ch_tier tier;
	uint64_t at; /* seconds since 1970 of the fresh evidence that was judged; 0 if there never was any */
};

struct ch_chain {
	enum ch_tier tier;         /* affirming, warning or contraindicated; never none */
	enum ch_response response; /* the strongest that anything below triggers; 0 if nothing does */
	uint8_t broken;            /* set of links, required or not, whose last evidence is contraindicated */
	uint8_t missing;           /* set of required links that nobody judged */
	uint8_t stale;             /* set of required links whose evidence is older than its age */
	uint64_t
		stale_at; /* when the next required link will be stale, seconds since 1970; 0 if one is, or is missing */
};

/*
 * Judges. `now` is seconds since 1970 by the server's clock. A result from the future is as old as one from now: the clock was set
 * back, and nothing is gained from calling the evidence stale. A tier that is no tier counts as contraindicated.
 */
void ch_chain_judge(struct ch_chain *out, const struct ch_link_result link[static CH_LINK_COUNT],
		    const struct ch_policy *policy, uint64_t now);

#endif
