/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inflate/inflate.h"

#include <zlib.h>

#define PIECE 65536

bool ch_inflate_available(void)
{
	return true;
}

static enum ch_err run(z_stream *z, struct ch_span in, uint64_t max, void (*take)(void *ctx, struct ch_span piece),
		       void *ctx)
{
	uint8_t piece[PIECE];
	size_t left = in.n;
	z->next_in = (z_const Bytef *)in.p;
	for (int rc = Z_OK; rc != Z_STREAM_END;) {
		if (z->avail_in == 0) {
			z->avail_in = left < PIECE ? (uInt)left : PIECE;
			left -= z->avail_in;
		}
		z->next_out = piece;
		z->avail_out = sizeof(piece);
		rc = inflate(z, Z_NO_FLUSH);
		size_t n = sizeof(piece) - z->avail_out;
		/* No progress is Z_BUF_ERROR: the end is missing. */
		if (rc != Z_OK && rc != Z_STREAM_END)
			return CH_ERR_MALFORMED;
		if (n > max)
			return CH_ERR_LIMIT;
		max -= n;
		if (n > 0)
			take(ctx, ch_span(piece, n));
	}
	return left + z->avail_in > 0 ? CH_ERR_TRAILING : CH_OK;
}

enum ch_err ch_inflate(enum ch_inflate_form form, struct ch_span in, uint64_t max,
		       void (*take)(void *ctx, struct ch_span piece), void *ctx)
{
	z_stream z = { .next_in = Z_NULL };
	/* zlib.h: negative is raw, 16 more is gzip */
	if (inflateInit2(&z, form == CH_INFLATE_RAW ? -MAX_WBITS : MAX_WBITS + 16) != Z_OK)
		return CH_ERR_INTERNAL;
	enum ch_err err = run(&z, in, max, take, ctx);
	(void)inflateEnd(&z);
	return err;
}
