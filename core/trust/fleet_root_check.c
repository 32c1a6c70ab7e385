/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/fleet_root.h"

/* The judge: one step from version to version. */

enum ch_err ch_fleet_root_first(const struct ch_fleet_root *r, struct ch_diag *d)
{
	return ch_role_signed(&r->root, &r->note, d);
}

enum ch_err ch_fleet_root_next(const struct ch_fleet_root *known, const struct ch_fleet_root *next, struct ch_diag *d)
{
	ch_diag_clear(d);
	if (next->version != known->version + 1)
		return ch_fail(d, CH_ERR_MISMATCH, 0, "the version is not the known one and one more");
	if (next->issued < known->issued)
		return ch_fail(d, CH_ERR_RANGE, 0, "the document was issued before the version that it follows");
	enum ch_err err = ch_role_signed(&known->root, &next->note, d);
	if (err == CH_ERR_UNTRUSTED)
		err = ch_fail(d, err, next->note.text.n,
			      "fewer keys of the known version's root role have signed than its threshold");
	return err == CH_OK ? ch_role_signed(&next->root, &next->note, d) : err;
}

enum ch_err ch_fleet_root_current(const struct ch_fleet_root *r, uint64_t time, struct ch_diag *d)
{
	ch_diag_clear(d);
	return time < r->expires ? CH_OK
				 : ch_fail(d, CH_ERR_RANGE, 0, "the newest fleet root that is known has expired");
}
