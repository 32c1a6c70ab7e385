/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/chain.h"

static void trigger(struct ch_chain *c, enum ch_response response)
{
	if (response > c->response)
		c->response = response;
}

static bool is_stale(const struct ch_link_result *r, uint32_t max_age, uint64_t now)
{
	return now > r->at && now - r->at > max_age;
}

/* A required link: what it does to the chain. */
static void required(struct ch_chain *c, enum ch_link link, const struct ch_link_result *r,
		     const struct ch_policy *policy, uint64_t now)
{
	uint8_t bit = (uint8_t)(1u << link);
	enum ch_tier tier = ch_tier_valid(r->tier) ? r->tier : CH_TIER_CONTRAINDICATED;
	if (tier == CH_TIER_NONE || r->at == 0)
		c->missing |= bit;
	else if (is_stale(r, policy->max_age[link], now))
		c->stale |= bit;
	if (((c->missing | c->stale) & bit) != 0) {
		tier = CH_TIER_CONTRAINDICATED;
		trigger(c, policy->on_stale);
	} else if (c->stale_at == 0 || r->at + policy->max_age[link] < c->stale_at) {
		c->stale_at = r->at + policy->max_age[link];
	}
	if (tier > c->tier)
		c->tier = tier;
}

void ch_chain_judge(struct ch_chain *out, const struct ch_link_result link[static CH_LINK_COUNT],
		    const struct ch_policy *policy, uint64_t now)
{
	*out = (struct ch_chain){ .tier = CH_TIER_AFFIRMING };
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		if (!ch_tier_valid(link[i].tier) || link[i].tier == CH_TIER_CONTRAINDICATED) {
			out->broken |= (uint8_t)(1u << i);
			trigger(out, policy->on_break[i]);
		}
		if ((policy->required >> i & 1) != 0)
			required(out, (enum ch_link)i, &link[i], policy, now);
	}
	if ((out->missing | out->stale) != 0)
		out->stale_at = 0;
	/* A policy that requires nothing is refused when it is read; should one come here, it trusts nobody. */
	if ((policy->required & CH_LINKS_ALL) == 0)
		out->tier = CH_TIER_CONTRAINDICATED;
}
