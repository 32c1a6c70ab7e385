/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release.h"

/* The judge: who signed it, for whom, when, and in which order. */

enum ch_err ch_release_signed(const struct ch_release *r, const struct ch_fleet_root *root, struct ch_diag *d)
{
	const struct ch_root_role *role = NULL;
	ch_diag_clear(d);
	for (size_t i = 0; i < root->release_count; i++) {
		if (ch_span_eq(root->release[i].name, r->role))
			role = &root->release[i];
	}
	if (role == NULL)
		return ch_fail(d, CH_ERR_UNTRUSTED, 0, "the fleet root has no release role of this name");
	return ch_role_signed(role, &r->note, d);
}

enum ch_err ch_release_current(const struct ch_release *r, uint64_t time, struct ch_diag *d)
{
	ch_diag_clear(d);
	return time < r->expires ? CH_OK : ch_fail(d, CH_ERR_RANGE, 0, "the release has expired");
}

enum ch_err ch_release_check(const struct ch_release *r, const struct ch_fleet_root *root, struct ch_span class,
			     uint64_t sequence_floor, uint64_t time_floor, struct ch_diag *d)
{
	bool for_class = false;
	enum ch_err err = ch_release_signed(r, root, d);
	if (err != CH_OK)
		return err;
	for (size_t i = 0; i < r->class_count; i++)
		for_class = for_class || ch_span_eq(r->class[i], class);
	if (!for_class)
		return ch_fail(d, CH_ERR_MISMATCH, 0, "the release is for other classes of devices");
	err = ch_release_current(r, time_floor, d);
	if (err == CH_OK && r->sequence < sequence_floor)
		err = ch_fail(d, CH_ERR_RANGE, 0, "the release is older than the floor of this device");
	return err;
}
