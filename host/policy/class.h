/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_POLICY_CLASS_H
#define CH_POLICY_CLASS_H

#include "core/trust/policy.h"
#include "host/policy/conf.h"

/* The policy file of a device class: YAML for people, docs/protocol/policy.md. What it says becomes the image that is evaluated. */

struct ch_class_image {
	uint8_t bytes[CH_POLICY_IMAGE_MAX];
	size_t n;
};

/*
 * Reads a policy file and writes its image. Errors as ch_conf_read(), and CH_ERR_RANGE where values do not go together: `e` says
 * where and what would be right, and `image` is empty.
 */
CH_MUST_USE enum ch_err ch_class_read(struct ch_class_image *image, struct ch_span yaml, struct ch_yaml_error *e);

/* Appends a policy as the file it could have come from: what ch_class_read() reads back as the same. */
void ch_class_put(struct ch_wr *w, const struct ch_policy *p);

/* Appends seconds as a file has them: the largest unit that divides them. */
void ch_duration_put(struct ch_wr *w, uint32_t seconds);

#endif
