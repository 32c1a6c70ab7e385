/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_INFLATE_H
#define CH_HOST_INFLATE_H

#include "core/base/err.h"
#include "core/base/span.h"

/* Deflated bytes (RFC 1951, RFC 1952), by zlib. What it reads is hostile: only confined programs call this. */

/* False in a build without zlib: then ch_inflate is CH_ERR_UNSUPPORTED. */
bool ch_inflate_available(void);

enum ch_inflate_form {
	CH_INFLATE_RAW,  /* neither header nor checksum */
	CH_INFLATE_GZIP, /* with both, which must hold; one member */
};

/*
 * Inflates all of `in` and gives it to `take` piece by piece. CH_ERR_LIMIT if there is more than `max`,
 * CH_ERR_TRAILING if bytes follow its end, CH_ERR_MALFORMED for anything that zlib refuses.
 */
CH_MUST_USE enum ch_err ch_inflate(enum ch_inflate_form form, struct ch_span in, uint64_t max,
				   void (*take)(void *ctx, struct ch_span piece), void *ctx);

#endif
