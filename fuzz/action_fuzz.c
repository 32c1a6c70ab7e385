/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/action.h"

#include "core/base/text.h"

#include <stdlib.h>

/* Whatever the bytes: a refusal names its rule and leaves nothing behind; what is accepted, written again, is the input. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[CH_ACTION_MAX];
	struct ch_action a;
	struct ch_diag d;
	if (ch_action_parse(&a, ch_span(data, size), &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size && a.subject.n == 0 && a.reason.n == 0 && a.time == 0);
		return 0;
	}
	CHECK(d.rule == NULL && a.reason.n <= CH_ACTION_REASON_MAX && ch_utf8_valid(a.reason));
	struct ch_wr w = ch_wr(again, sizeof(again));
	CHECK(ch_action_put(&w, &a) == CH_OK);
	CHECK(ch_span_eq(ch_wr_span(&w), ch_span(data, size)));
	return 0;
}
