/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/generation.h"

#include <stdlib.h>

/* Whatever the bytes: a refusal names its rule and leaves nothing behind; what is accepted is written back to the same bytes. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_generation g;
	struct ch_diag d;
	struct ch_span in = ch_span(data, size);
	if (ch_generation_parse(&g, in, &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size && g.number == 0 && g.items.n == 0);
		return 0;
	}
	CHECK(d.rule == NULL && g.number != 0);
	uint8_t *again = malloc(size);
	CHECK(again != NULL);
	struct ch_wr w = ch_wr(again, size);
	ch_generation_begin(&w, g.number, g.count);
	struct ch_rd r = ch_rd(g.items);
	struct ch_generation_item item;
	uint32_t n = 0;
	while (ch_generation_next(&r, &item)) {
		/* Every byte that an item points to is there to be read. */
		ch_generation_put(&w, &item);
		n++;
	}
	CHECK(n == g.count && ch_rd_done(&r));
	CHECK(ch_span_eq(ch_wr_span(&w), in));
	r = ch_rd(g.items);
	for (n = 0; ch_generation_find(&r, CH_GENERATION_EK_ROOT, CH_SPAN_EMPTY, &item); n++)
		CHECK(item.name.n == 0);
	CHECK(n <= g.count);
	free(again);
	return 0;
}
