/* SPDX-License-Identifier: Apache-2.0 */
#include "host/swupdate/description.h"

bool ch_swu_description_available(void)
{
	return false;
}

enum ch_err ch_swu_description_parse(struct ch_swu_description *s, struct ch_span text, struct ch_diag *d)
{
	(void)text;
	*s = (struct ch_swu_description){ .image_count = 0 };
	return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "this build has no libconfig");
}
