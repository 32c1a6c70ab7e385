/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No byte of what a person sees may move the cursor, and what is shown is UTF-8 whatever came in. */
static void shown_text_is_harmless(struct ch_span out)
{
	assert(ch_utf8_valid(out));
	for (size_t i = 0; i < out.n; i++)
		assert(out.p[i] >= 0x20 && out.p[i] != 0x7f);
}

static void each_sequence_encodes_back(struct ch_span s)
{
	while (s.n > 0) {
		uint8_t buf[4];
		uint32_t code = 0;
		size_t n = ch_utf8_decode(s, &code);
		assert(n <= 4);
		if (n != 0) {
			struct ch_wr w = ch_wr(buf, sizeof(buf));
			ch_utf8_put(&w, code);
			assert(ch_span_eq(ch_wr_span(&w), ch_span(s.p, n)));
		}
		n = n != 0 ? n : 1;
		s = ch_span(s.p + n, s.n - n);
	}
}

static void hex_comes_back(struct ch_span s, uint8_t *buf, uint8_t *back)
{
	struct ch_wr w = ch_wr(buf, 2 * s.n);
	ch_wr_hex(&w, s);
	assert(ch_hex_decode(back, s.n, ch_wr_span(&w)) == CH_OK);
	assert(ch_span_eq(ch_span(back, s.n), s));
	if (s.n % 2 == 0 && ch_hex_decode(back, s.n / 2, s) == CH_OK)
		assert(ch_utf8_valid(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_span s = ch_span(data, size);
	size_t cap = size * 10 + 16;
	uint8_t *buf = malloc(cap);
	uint8_t *back = malloc(size + 1);
	assert(buf != NULL && back != NULL);

	struct ch_wr w = ch_wr(buf, cap);
	ch_text_escape(&w, s);
	assert(!w.bad);
	shown_text_is_harmless(ch_wr_span(&w));
	w = ch_wr(buf, cap);
	ch_utf16le_put(&w, s);
	assert(!w.bad && ch_utf8_valid(ch_wr_span(&w)));
	each_sequence_encodes_back(s);
	hex_comes_back(s, buf, back);
	free(back);
	free(buf);
	return 0;
}
