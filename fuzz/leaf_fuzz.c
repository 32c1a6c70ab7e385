/* SPDX-License-Identifier: Apache-2.0 */
/* A leaf that is taken is written as the same bytes and has a type with a name; one that is refused leaves nothing. */
#include "core/trust/leaf.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_diag d;
	struct ch_leaf leaf;
	uint8_t again[CH_LEAF_BYTES];
	enum ch_err err = ch_leaf_parse(&leaf, ch_span(data, size), &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err != CH_OK) {
		CHECK(leaf.type == 0 && leaf.time == 0);
		return 0;
	}
	struct ch_wr w = ch_wr(again, sizeof(again));
	ch_leaf_put(&w, &leaf);
	CHECK(ch_span_eq(ch_wr_span(&w), ch_span(data, size)));
	CHECK(ch_leaf_type_str(leaf.type) != NULL);
	return 0;
}
