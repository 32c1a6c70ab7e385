/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/archive.h"

/* Apart from the rest: who only lists an archive needs no cryptography. */

static void put_octal(struct ch_wr *w, uint64_t v, unsigned digits)
{
	for (unsigned i = digits; i > 0; i--)
		ch_wr_u8(w, (uint8_t)('0' + (v >> (3 * (i - 1)) & 7)));
}

static void put_zeros(struct ch_wr *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ch_wr_u8(w, 0);
}

void ch_ustar_put(struct ch_wr *w, struct ch_span name, uint64_t size)
{
	uint8_t block[CH_USTAR_BLOCK];
	struct ch_wr b = ch_wr(block, sizeof(block));
	uint64_t sum = 0;
	if (name.n == 0 || name.n > CH_ARCHIVE_PATH_MAX || size > CH_ARCHIVE_FILE_MAX) {
		w->bad = true;
		return;
	}
	ch_wr_put(&b, name);
	put_zeros(&b, 100 - name.n);
	ch_wr_put(&b, CH_SPAN_LIT("0000644\0"
				  "0000000\0"
				  "0000000\0"));
	put_octal(&b, size, 11);
	ch_wr_put(&b, CH_SPAN_LIT("\0"
				  "00000000000\0"));
	size_t at = b.len;
	ch_wr_put(&b, CH_SPAN_LIT("        0"));
	put_zeros(&b, 100);
	ch_wr_put(&b, CH_SPAN_LIT("ustar\0"
				  "00"));
	put_zeros(&b, sizeof(block) - b.len);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += block[i];
	struct ch_wr c = ch_wr(block + at, 8);
	put_octal(&c, sum, 6);
	ch_wr_put(&c, CH_SPAN_LIT("\0 "));
	ch_wr_put(w, CH_SPAN_OF(block));
}

enum ch_err ch_ustar_parse(struct ch_span block, struct ch_span *name, uint64_t *size)
{
	uint8_t again[CH_USTAR_BLOCK];
	struct ch_wr w = ch_wr(again, sizeof(again));
	size_t n = 0;
	uint64_t v = 0;
	*name = CH_SPAN_EMPTY;
	*size = 0;
	if (block.n != CH_USTAR_BLOCK)
		return CH_ERR_TRUNCATED;
	while (n < CH_ARCHIVE_PATH_MAX && block.p[n] != 0)
		n++;
	for (size_t i = 124; i < 135; i++) {
		if (block.p[i] < '0' || block.p[i] > '7')
			return CH_ERR_MALFORMED;
		v = v << 3 | (uint64_t)(block.p[i] - '0');
	}
	ch_ustar_put(&w, ch_span_sub(block, 0, n), v);
	if (w.bad || !ch_span_eq(ch_wr_span(&w), block))
		return CH_ERR_MALFORMED;
	*name = ch_span_sub(block, 0, n);
	*size = v;
	return CH_OK;
}
