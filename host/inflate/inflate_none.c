/* SPDX-License-Identifier: Apache-2.0 */
#include "host/inflate/inflate.h"

bool ch_inflate_available(void)
{
	return false;
}

enum ch_err ch_inflate(enum ch_inflate_form form, struct ch_span in, uint64_t max,
		       void (*take)(void *ctx, struct ch_span piece), void *ctx)
{
	(void)form;
	(void)in;
	(void)max;
	(void)take;
	(void)ctx;
	return CH_ERR_UNSUPPORTED;
}
