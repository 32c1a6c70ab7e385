/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_SWUPDATE_DESCRIPTION_H
#define CH_HOST_SWUPDATE_DESCRIPTION_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"

/*
 * sw-description of SWUpdate (2022.12, "SWUpdate: syntax and tags with the default parser"), by libconfig. What it reads is hostile: only confined
 * programs call this.
 */

#define CH_SWU_WORD_MAX 256

/* How a file is compressed. */
enum ch_swu_packing { CH_SWU_PLAIN, CH_SWU_ZLIB, CH_SWU_OTHER };

/* One entry of a list of images, files or scripts, of whatever board, copy or mode it is. */
struct ch_swu_image {
	const char *list; /* "images", "files", "scripts": static */
	char filename[CH_RELEASE_FILE_NAME_MAX + 1];
	char type[CH_SWU_WORD_MAX], device[CH_SWU_WORD_MAX]; /* empty if it does not say */
	bool has_sha256, encrypted;
	enum ch_swu_packing packing;
	uint8_t sha256[32];
};

struct ch_swu_description {
	char version[CH_SWU_WORD_MAX];
	size_t image_count;
	struct ch_swu_image image[CH_SWU_IMAGES_MAX];
};

/* False in a build without libconfig: then the other call is CH_ERR_UNSUPPORTED. */
bool ch_swu_description_available(void);
/* `s` is zeroed on failure. A description that includes another file is refused: there is none. */
CH_MUST_USE enum ch_err ch_swu_description_parse(struct ch_swu_description *s, struct ch_span text, struct ch_diag *d);

#endif
