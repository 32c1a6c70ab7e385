/* SPDX-License-Identifier: Apache-2.0 */
/* One text for one sequence of bytes: what is decoded encodes to the same text, what is encoded decodes to the same bytes. */
#include "core/wire/base64.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *memory(size_t n)
{
	void *p = malloc(n);
	CHECK(p != NULL);
	return p;
}

static void check_decode(enum ch_base64 form, struct ch_span text)
{
	struct ch_diag d;
	size_t n, less;
	size_t cap = ch_base64_decoded_max(text.n);
	uint8_t *bytes = memory(cap);
	if (ch_base64_decode(form, text, bytes, cap, &n, &d) == CH_OK) {
		uint8_t *again = memory(text.n + 1);
		struct ch_wr w = ch_wr(again, text.n);
		ch_base64_put(&w, form, ch_span(bytes, n));
		CHECK(!w.bad && ch_span_eq(ch_wr_span(&w), text));
		CHECK(n == 0 || ch_base64_decode(form, text, bytes, n - 1, &less, &d) == CH_ERR_NOSPACE);
		free(again);
	} else {
		CHECK(n == 0 && d.rule != NULL && d.off <= text.n);
	}
	free(bytes);
}

static void check_encode(enum ch_base64 form, struct ch_span bytes)
{
	size_t n;
	size_t cap = bytes.n / 3 * 4 + 4;
	uint8_t *text = memory(cap);
	uint8_t *again = memory(bytes.n + 1);
	struct ch_wr w = ch_wr(text, cap);
	ch_base64_put(&w, form, bytes);
	CHECK(!w.bad);
	CHECK(ch_base64_decode(form, ch_wr_span(&w), again, bytes.n, &n, NULL) == CH_OK);
	CHECK(ch_span_eq(ch_span(again, n), bytes));
	free(again);
	free(text);
}

static void check_pem(struct ch_span text)
{
	struct ch_diag d;
	size_t n;
	size_t off = 0;
	size_t before = 0;
	uint8_t *bytes = memory(text.n + 1);
	enum ch_err err;
	while ((err = ch_pem_next(text, &off, "KEY", bytes, text.n, &n, &d)) == CH_OK) {
		CHECK(off > before && off <= text.n && n <= text.n);
		before = off;
	}
	CHECK(err != CH_ERR_NOSPACE && n == 0 && off == before && d.rule != NULL && d.off <= text.n);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_span in = ch_span(data, size);
	for (int form = CH_BASE64_STD; form <= CH_BASE64_URL_PADDED; form++) {
		check_decode((enum ch_base64)form, in);
		check_encode((enum ch_base64)form, in);
	}
	check_pem(in);
	return 0;
}
