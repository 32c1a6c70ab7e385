/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_HTTP1_RANGE_H
#define CH_HOST_HTTP1_RANGE_H

#include "core/base/err.h"
#include "core/base/span.h"

/* Parts of a representation, and conditions on which one it is (RFC 9110, 13 and 14), as far as a server of files needs them. */

/*
 * The bytes [*from, *to) of a representation of `size` bytes that the value of a Range field asks for. CH_ERR_UNSUPPORTED: to be ignored,
 * as the whole answers it too (another unit, several ranges, no range at all); CH_ERR_RANGE: not satisfiable (416). Total.
 */
CH_MUST_USE enum ch_err ch_http_range(struct ch_span value, uint64_t size, uint64_t *from, uint64_t *to);

/*
 * True if a list of entity tags (If-Match, If-None-Match) names `tag`, with its quotes, or is "*". A weak tag matches only if `weak`
 * comparison is asked for.
 */
bool ch_http_tag_listed(struct ch_span value, struct ch_span tag, bool weak);

#endif
