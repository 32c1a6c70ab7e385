/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_LINK_H
#define CH_TRUST_LINK_H

#include "core/base/err.h"
#include "core/base/span.h"

/*
 * The seven links of a device's chain of trust, from boot to cloud, and what can be said of one. Every place that keeps something
 * for each link has CH_LINK_COUNT of it, whether or not an appraiser for the link exists: what nobody judged is `none`.
 */

/* The numbers are stored and sent: never renumbered. A set of links is a byte with bit n for link n. */
enum ch_link {
	CH_LINK_PLATFORM = 0, /* this key lives in that piece of hardware */
	CH_LINK_BOOT = 1,     /* this is how it booted */
	CH_LINK_OS = 2,       /* this is what runs, and how hardened it is */
	CH_LINK_CHANNEL = 3,  /* this is how it talks */
	CH_LINK_UPDATE = 4,   /* this is the release it runs, by measurement */
	CH_LINK_SBOM = 5,     /* these are its known holes */
	CH_LINK_MONITOR = 6,  /* this is how it behaves */
	CH_LINK_COUNT = 7,
};

#define CH_LINKS_ALL 0x7f

/* "platform", "boot", "os", "channel", "update", "sbom", "monitor"; "unknown" for another number. Static. */
const char *ch_link_str(enum ch_link link);
/* The reverse. CH_ERR_UNKNOWN, with *link untouched, if it is none of the seven. */
CH_MUST_USE enum ch_err ch_link_by_name(struct ch_span name, enum ch_link *link);

/* The tiers of AR4SI (draft-ietf-rats-ar4si, 2.3.2). Larger is worse, but for `none`: nothing is said. */
enum ch_tier { CH_TIER_NONE = 0, CH_TIER_AFFIRMING = 2, CH_TIER_WARNING = 32, CH_TIER_CONTRAINDICATED = 96 };

/* "none", "affirming", "warning", "contraindicated". Static; another number is "contraindicated". */
const char *ch_tier_str(enum ch_tier tier);
/* True for one of the four numbers: what comes over a wire or out of a store is asked first. */
bool ch_tier_valid(unsigned tier);

#endif
