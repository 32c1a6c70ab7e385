/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_SWU_CONTENT_H
#define CH_CLI_SWU_CONTENT_H

#include "core/update/measure.h"
#include "core/update/swu.h"
#include "host/base/mem.h"
#include "host/swupdate/description.h"

/* What is in an image of SWUpdate: its description, the files that it names held against it, and what EFI binaries in them measure. */
struct cli_swu {
	struct ch_swu swu;
	struct ch_swu_description description;
	uint64_t size[CH_SWU_IMAGES_MAX];         /* of each entry of the description */
	uint8_t sha256[CH_SWU_IMAGES_MAX][32];    /* likewise */
	const char *holds[CH_SWU_IMAGES_MAX];     /* what it is: "FAT volume with EFI binaries", "not looked into" */
	size_t unnamed;                           /* files that the description does not name */
	struct ch_buf content[CH_SWU_IMAGES_MAX]; /* of a file that was compressed: the file itself */
	uint8_t names[CH_FAT_PATH_MAX * 16];      /* what spans of events point into */
	size_t names_n;
};

/* Adds to `m`. Works confined. `s` is zeroed by the caller and cleared by _clear; spans in `s` and `m` borrow from `file` and `s`. On failure `d` says why, with the number of an entry as item. */
CH_MUST_USE enum ch_err cli_swu_read(struct cli_swu *s, struct ch_measure *m, struct ch_span file, struct ch_diag *d);
void cli_swu_clear(struct cli_swu *s);

#endif
