/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_RAUC_CONTENT_H
#define CH_CLI_RAUC_CONTENT_H

#include "core/update/measure.h"
#include "core/update/rauc_bundle.h"
#include "host/base/mem.h"

/* What is in a RAUC bundle: its manifest, its images held against it, and what the EFI binaries in them measure. */
struct cli_rauc {
	struct ch_rauc_bundle bundle;
	struct ch_rauc_manifest manifest;
	struct ch_buf manifest_text;            /* of the format plain */
	uint64_t size[CH_RAUC_IMAGES_MAX];      /* of each image */
	uint8_t sha256[CH_RAUC_IMAGES_MAX][32]; /* likewise */
	const char *holds[CH_RAUC_IMAGES_MAX];  /* what it is: "FAT volume with EFI binaries", "not looked into" */
	uint8_t names[CH_FAT_PATH_MAX * 16];    /* what spans of events point into */
	size_t names_n;
};

/* Adds to `m`. Works confined. Spans in `r` and `m` borrow from `file` and `r`. On failure `d` says why, with the number of an image as item. */
CH_MUST_USE enum ch_err cli_rauc_read(struct cli_rauc *r, struct ch_measure *m, struct ch_span file, struct ch_diag *d);
void cli_rauc_clear(struct cli_rauc *r);

#endif
