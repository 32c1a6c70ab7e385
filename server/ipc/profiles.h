/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_PROFILES_H
#define CH_IPC_PROFILES_H

#include "core/trust/cert_profile.h"
#include "host/base/mem.h"

/* The certificate profiles of a server, as main gives them to each process that has to do with them: one's own copy. */

#define CH_PROFILES_MAX 32

struct ch_profiles {
	size_t count;
	struct ch_cert_profile profile[CH_PROFILES_MAX]; /* borrow from `image` */
	struct ch_buf image[CH_PROFILES_MAX];
};

/*
 * Takes the lines "certificate_profile BASE64" of a configuration in the place of what was there. If one of them does not hold, or
 * two have one label, nothing changes: CH_ERR_DUPLICATE, CH_ERR_LIMIT, or what ch_cert_profile_parse() found.
 */
CH_MUST_USE enum ch_err ch_profiles_load(struct ch_profiles *ps, struct ch_span config);
void ch_profiles_clear(struct ch_profiles *ps);
/* The profile of a label. Without one (empty): the profile "default", or the only one there is. NULL if there is none. */
const struct ch_cert_profile *ch_profiles_find(const struct ch_profiles *ps, struct ch_span label);

#endif
