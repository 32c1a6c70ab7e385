/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_POLICY_CERT_PROFILE_H
#define CH_POLICY_CERT_PROFILE_H

#include "core/trust/cert_profile.h"
#include "host/policy/conf.h"

/* The file of a certificate profile: YAML for people, docs/protocol/cert-profile.md. What it says becomes the image. */

struct ch_cert_profile_image {
	uint8_t bytes[CH_PROFILE_IMAGE_MAX];
	size_t n;
};

/*
 * Reads a profile and writes its image. Errors as ch_conf_read(), and CH_ERR_RANGE where a value has no meaning: `e` says where and
 * what would be right, and `image` is empty.
 */
CH_MUST_USE enum ch_err ch_cert_profile_read(struct ch_cert_profile_image *image, struct ch_span yaml,
					     struct ch_yaml_error *e);

#endif
