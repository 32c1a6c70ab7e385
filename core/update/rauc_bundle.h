/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_RAUC_BUNDLE_H
#define CH_UPDATE_RAUC_BUNDLE_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"

/*
 * RAUC bundles (RAUC 1.8 reference, "Bundle Formats"): a squashfs, with `verity` its hash tree, then a CMS signature, then the signature's size. The
 * manifest is in the signature (verity) or a file of the squashfs (plain). The signature is not verified here: RAUC does that on the device, and
 * a release is signed by its own roles.
 */

enum ch_rauc_format { CH_RAUC_PLAIN, CH_RAUC_VERITY };

/* "plain", "verity" */
const char *ch_rauc_format_str(enum ch_rauc_format format);

struct ch_rauc_image {
	struct ch_span slot;     /* its class: "boot" of [image.boot] */
	struct ch_span filename; /* of the squashfs; one name, no path */
	uint8_t sha256[32];
	bool has_sha256;
};

struct ch_rauc_manifest {
	struct ch_span compatible, version;
	enum ch_rauc_format format;
	uint8_t verity_hash[32]; /* zeros if plain, as are these */
	uint8_t verity_salt[32];
	uint64_t verity_size;
	size_t image_count;
	struct ch_rauc_image image[CH_RAUC_IMAGES_MAX];
};

/* Keys that change nothing of what is installed where are passed over; a group or key that is there twice is refused. Borrows from `text`. */
CH_MUST_USE enum ch_err ch_rauc_manifest_parse(struct ch_rauc_manifest *m, struct ch_span text, struct ch_diag *d);

struct ch_rauc_bundle {
	struct ch_span content;  /* squashfs, and the hash tree behind it */
	struct ch_span cms;      /* ContentInfo */
	struct ch_span manifest; /* in the signature; empty for the format plain */
};

/* Borrows from `file`. */
CH_MUST_USE enum ch_err ch_rauc_bundle_parse(struct ch_rauc_bundle *b, struct ch_span file, struct ch_diag *d);

#endif
