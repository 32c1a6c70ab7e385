/* SPDX-License-Identifier: Apache-2.0 */
/* Every line that is read is one that openssl ca could have written: reasons that a list can keep, numbers in one form, nothing outside. */
#include "core/platform/ca_index.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_ca_index_rd r = { .in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size))) };
	struct ch_ca_index_row row;
	struct ch_diag d;
	bool end = false;
	size_t line = 0;
	enum ch_err err;
	while ((err = ch_ca_index_next(&r, &row, &end, &d)) == CH_OK && !end) {
		CHECK(row.line == ++line && !ch_span_all(CH_SPAN_OF(row.serial.b), 0));
		CHECK(row.subject.n == 0 ||
		      (row.subject.p >= copy && row.subject.n <= (size_t)(copy + size - row.subject.p)));
		CHECK(ch_crl_reason_final(row.reason) || row.reason == CH_CRL_HOLD);
		CHECK(row.revoked || (row.time == 0 && row.reason == 0));
	}
	CHECK(row.line == 0);
	if (err != CH_OK)
		CHECK(d.rule != NULL && d.off <= size && d.item == line + 1);
	else
		CHECK(r.off == size);
	free(copy);
	return 0;
}
