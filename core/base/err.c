/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/err.h"

#define CH_ERR_TEXT(name, text) text,
static const char *const err_text[] = { CH_ERRS(CH_ERR_TEXT) };
#undef CH_ERR_TEXT

_Static_assert(CH_ERR_COUNT <= 32, "one word holds a set of errors");

const char *ch_err_str(enum ch_err err)
{
	if ((unsigned)err >= CH_ERR_COUNT)
		return "unknown error";
	return err_text[err];
}
