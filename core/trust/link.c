/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/link.h"

static const char *const link_name[CH_LINK_COUNT] = {
	"platform", "boot", "os", "channel", "update", "sbom", "monitor"
};

const char *ch_link_str(enum ch_link link)
{
	return (size_t)link < CH_LINK_COUNT ? link_name[link] : "unknown";
}

enum ch_err ch_link_by_name(struct ch_span name, enum ch_link *link)
{
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		if (ch_span_eq(name, ch_span_str(link_name[i]))) {
			*link = (enum ch_link)i;
			return CH_OK;
		}
	}
	return CH_ERR_UNKNOWN;
}

const char *ch_tier_str(enum ch_tier tier)
{
	switch (tier) {
	case CH_TIER_NONE:
		return "none";
	case CH_TIER_AFFIRMING:
		return "affirming";
	case CH_TIER_WARNING:
		return "warning";
	case CH_TIER_CONTRAINDICATED:
		break;
	}
	return "contraindicated";
}

bool ch_tier_valid(unsigned tier)
{
	return tier == CH_TIER_NONE || tier == CH_TIER_AFFIRMING || tier == CH_TIER_WARNING ||
	       tier == CH_TIER_CONTRAINDICATED;
}
