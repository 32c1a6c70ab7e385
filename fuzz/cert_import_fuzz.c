/* SPDX-License-Identifier: Apache-2.0 */
/* What is read is written again as the same bytes; rows of revocations are taken until they end. */
#include "core/trust/cert_import.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rows(struct ch_span in)
{
	uint8_t row[CH_REVOKED_ROW];
	struct ch_rd r = ch_rd(in);
	struct ch_revoked e;
	while (ch_rd_left(&r) > 0 && ch_revoked_row_take(&r, &e) == CH_OK) {
		struct ch_wr w = ch_wr(row, sizeof(row));
		ch_revoked_row_put(&w, &e);
		CHECK(ch_span_eq(ch_wr_span(&w), ch_span_sub(in, r.off - sizeof(row), sizeof(row))));
		CHECK(ch_crl_reason_final(e.reason) && e.time >= 0 && e.expires >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[32768];
	struct ch_cert_import c;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	check_rows(in);
	if (ch_cert_import_parse(&c, in, &d) == CH_OK) {
		struct ch_wr w = ch_wr(again, sizeof(again));
		CHECK(c.not_before < c.not_after && c.name.n <= CH_CERT_IMPORT_NAME);
		CHECK(ch_cert_import_put(&w, &c) == CH_OK && ch_span_eq(ch_wr_span(&w), in));
	} else {
		CHECK(d.rule != NULL && d.off <= size && c.certificate.n == 0);
	}
	free(copy);
	return 0;
}
