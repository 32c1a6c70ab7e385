/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_SWU_H
#define CH_UPDATE_SWU_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"

/*
 * Images of SWUpdate (SWUpdate 2022.12, "Software Management: Structure of an update image"): a cpio archive of the form newc or crc; first
 * sw-description, second its signature if it has one, then what it names.
 */

struct ch_swu_file {
	struct ch_span name; /* one name, no path; not "." or ".." */
	struct ch_span data;
};

struct ch_swu {
	bool crc;                   /* of the form that has a sum of each file's bytes; each holds */
	struct ch_span description; /* sw-description */
	struct ch_span signature;   /* sw-description.sig; empty if there is none */
	size_t count;               /* of the other files */
	struct ch_swu_file file[CH_SWU_FILES_MAX];
};

/*
 * Reads all of `in`: regular files, none twice, and behind the end of the archive zeros alone. Borrows. Neither description nor signature are
 * looked into. `s` is zeroed on failure.
 */
CH_MUST_USE enum ch_err ch_swu_parse(struct ch_swu *s, struct ch_span in, struct ch_diag *d);
/* The file of this name behind the description; NULL if there is none. */
const struct ch_swu_file *ch_swu_find(const struct ch_swu *s, struct ch_span name);

#endif
