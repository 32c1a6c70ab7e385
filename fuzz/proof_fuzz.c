/* SPDX-License-Identifier: Apache-2.0 */
/* A proof that is taken is written as the same bytes; one that is refused leaves nothing. */
#include "core/trust/proof.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_proof p;
	struct ch_diag d;
	struct ch_span in = ch_span(data, size);
	enum ch_err err = ch_proof_parse(&p, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err != CH_OK) {
		CHECK(p.count == 0 && p.extra_n == 0 && p.index == 0 && p.checkpoint.n == 0);
		return 0;
	}
	uint8_t *again = malloc(size);
	CHECK(again != NULL);
	struct ch_wr w = ch_wr(again, size);
	ch_proof_put(&w, &p);
	CHECK(!w.bad && ch_span_eq(ch_wr_span(&w), in));
	free(again);
	return 0;
}
