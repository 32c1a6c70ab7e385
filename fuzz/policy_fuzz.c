/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/chain.h"

#include <stdlib.h>

/* Whatever the bytes: a refusal names its rule and leaves nothing behind; what is accepted, written again, is the input. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

/* No policy that can be read trusts a device of which nothing is known. */
static void check_chain(const struct ch_policy *p)
{
	static const struct ch_link_result unknown[CH_LINK_COUNT];
	struct ch_chain c;
	ch_chain_judge(&c, unknown, p, 1);
	CHECK(c.tier == CH_TIER_CONTRAINDICATED && c.missing == p->required && c.response == p->on_stale);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[CH_POLICY_IMAGE_MAX];
	struct ch_policy p;
	struct ch_diag d;
	if (ch_policy_parse(&p, ch_span(data, size), &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size && p.required == 0 && p.class.n == 0);
		return 0;
	}
	CHECK(d.rule == NULL && ch_name_valid(p.class));
	struct ch_wr w = ch_wr(again, sizeof(again));
	CHECK(ch_policy_put(&w, &p) == CH_OK);
	/* Older versions (the number is in byte 9) are written as version 3, which says more between the rule for tokens and the class. */
	size_t more = data[9] == 1 ? 5 : data[9] == 2 ? 1 : 0, name = p.class.n + 1;
	CHECK(w.len == size + more);
	CHECK(ch_span_eq(ch_span(again + 10, 52), ch_span(data + 10, 52)));
	CHECK(ch_span_eq(ch_span(again + w.len - name, name), ch_span(data + size - name, name)));
	CHECK(more != 0 || ch_span_eq(ch_wr_span(&w), ch_span(data, size)));
	check_chain(&p);
	return 0;
}
