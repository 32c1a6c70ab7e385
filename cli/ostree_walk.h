/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CLI_OSTREE_WALK_H
#define CH_CLI_OSTREE_WALK_H

#include "core/update/ostree.h"
#include "host/base/mem.h"

/* From a commit to all objects that it needs. */

struct cli_ostree_object {
	enum ch_ostree_type type;
	uint8_t id[32];
};

struct cli_ostree_set {
	struct cli_ostree_object *object;
	uint32_t *slot; /* of a hash table: 1 + number of the object; 0: free */
	size_t count, cap, slots;
};

/* Gives an object; the bytes are there until the next call. On failure `d` says why. */
struct cli_ostree_source {
	enum ch_err (*get)(void *ctx, const struct cli_ostree_object *o, struct ch_span *bytes, struct ch_diag *d);
	void *ctx;
};

/*
 * Fills `set` (zeroed) with the commit, its dirtrees, dirmetas and files, each once. All but files are asked for, and each must have the SHA-256 that is
 * its name. On failure `d` says why, and *at is the object that it is about.
 */
CH_MUST_USE enum ch_err cli_ostree_walk(struct cli_ostree_set *set, const struct cli_ostree_source *source,
					const uint8_t commit[static 32], struct cli_ostree_object *at,
					struct ch_diag *d);
void cli_ostree_set_clear(struct cli_ostree_set *set);

#endif
