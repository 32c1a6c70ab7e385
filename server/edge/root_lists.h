/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_EDGE_ROOT_LISTS_H
#define CH_EDGE_ROOT_LISTS_H

#include "server/edge/revocation.h"
#include "server/ipc/root_list.h"

/* Lists of offline roots, as they come with the configuration. None is signed here. */

struct root_list {
	struct told_list told;
	struct ch_root_list is;
};
struct root_lists {
	struct root_list v[CH_ROOT_LISTS_MAX];
	size_t count;
};

/*
 * Takes the lists of a configuration ("root_list", "client_ca"). False after a line: one does not hold, two are of one root, or one is older than the one of the same
 * root in `before`. The caller clears `to` in either case.
 */
CH_MUST_USE bool root_lists_load(struct root_lists *to, const struct root_lists *before, struct ch_span config);
void root_lists_clear(struct root_lists *l);
/* The list of this name; NULL if there is none. */
const struct told_list *root_lists_named(const struct root_lists *l, struct ch_span name);
/* Says which lists have ended, end soon, or revoke the CA that issues. */
void root_lists_warn(const struct root_lists *l, int64_t now);

#endif
