/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/rollout.h"

#include <stdlib.h>

/*
 * Whatever the bytes: a refusal names its rule and leaves nothing behind; what is accepted keeps its limits, its phases grow to no more
 * than all devices, its window opens within a week, and written it is read again as the same document.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static struct ch_rollout r, again;
static struct ch_json_node node[CH_ROLLOUT_NODES_MAX];

static void check_again(void)
{
	static uint8_t text[CH_ROLLOUT_MAX * 2];
	struct ch_diag d;
	struct ch_wr w = ch_wr(text, sizeof(text));
	CHECK(ch_rollout_put(&w, &r) == CH_OK);
	CHECK(w.len <= CH_ROLLOUT_MAX);
	CHECK(ch_rollout_parse(&again, ch_wr_span(&w), node, CH_COUNT_OF(node), &d) == CH_OK);
	CHECK(ch_rollout_canonical(&again, ch_wr_span(&w)) && ch_rollout_canonical(&r, ch_wr_span(&w)));
}

static void check_phases(void)
{
	static const uint64_t members[] = { 0, 1, 7, 1000, 100000 };
	CHECK(r.phase_count >= 1 && r.phase_count <= CH_ROLLOUT_PHASES_MAX);
	for (size_t m = 0; m < CH_COUNT_OF(members); m++) {
		uint64_t before = 0;
		for (size_t i = 0; i < r.phase_count; i++) {
			uint64_t end = ch_rollout_phase_end(&r, i, members[m], r.canary.count);
			CHECK(end >= before && end <= members[m]);
			before = end;
		}
	}
}

static void check_window(void)
{
	CHECK(r.window.days < 0x80 && r.window.from < 1440 && r.window.to < 1440);
	for (int64_t t = 1795708800; t < 1795708800 + 7 * 86400; t += 7919) {
		int64_t opens = ch_rollout_opens(&r, t);
		CHECK(opens >= t && opens >= r.start && ch_rollout_open(&r, opens));
		CHECK(opens <= (t > r.start ? t : r.start) + 7 * 86400);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_diag d;
	const uint8_t id[16] = { [15] = 1 };
	enum ch_err err = ch_rollout_parse(&r, ch_span(data, size), node, CH_COUNT_OF(node), &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err != CH_OK) {
		CHECK(r.phase_count == 0 && r.name.n == 0 && r.canary.count == 0 && r.filter.devices.count == 0);
		return 0;
	}
	CHECK(r.name.n >= 1 && r.proven >= 1 && r.proven <= 100 && r.failures.n >= 1 && r.proof_minutes >= 1);
	CHECK(r.spread >= 1 && r.spread <= CH_ROLLOUT_SPREAD_MAX && r.canary.count <= CH_ROLLOUT_CANARIES_MAX);
	check_phases();
	check_window();
	struct ch_rollout_device one = { .tier = CH_TIER_CONTRAINDICATED };
	(void)ch_span_copy(one.id, sizeof(one.id), CH_SPAN_OF(id));
	CHECK(r.filter.tier == CH_TIER_NONE || !ch_rollout_matches(&r, &one));
	check_again();
	return 0;
}
