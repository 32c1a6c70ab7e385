/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_GENERATION_H
#define CH_TRUST_GENERATION_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/rd.h"
#include "core/base/wr.h"

/*
 * A generation: everything that evidence is judged by at one time, under one number, as one sequence of bytes. The keeper composes
 * and stores it, every verify holds it, and an auditor judges old evidence with the one that its verdict names.
 * Layout: docs/protocol/generation.md.
 */

enum ch_generation_kind {
	CH_GENERATION_POLICY = 1,    /* of a class: its image (core/trust/policy.h) */
	CH_GENERATION_REFERENCE = 2, /* of a class: one document of reference values (core/boot/reference.h) */
	CH_GENERATION_EK_ROOT = 3,   /* of every class: a certificate (DER) that EK chains may end in */
};

struct ch_generation_item {
	enum ch_generation_kind kind;
	struct ch_span name;  /* the class, 1 to CH_GENERATION_NAME_MAX bytes; empty for an EK root */
	struct ch_span bytes; /* borrowed */
};

struct ch_generation {
	uint64_t number; /* from 1 */
	uint32_t count;
	struct ch_span items; /* borrowed */
};

/*
 * Reads all of `in` and checks every item's frame; what is in an item is its own parser's. CH_ERR_MALFORMED (magic, a name that
 * does not go with its kind), CH_ERR_UNSUPPORTED (version), CH_ERR_UNKNOWN (kind), CH_ERR_RANGE (number 0), CH_ERR_LIMIT (items),
 * CH_ERR_TRUNCATED, CH_ERR_TRAILING. `g` is zeroed then.
 */
CH_MUST_USE enum ch_err ch_generation_parse(struct ch_generation *g, struct ch_span in, struct ch_diag *d);
/* Takes the next item; start with ch_rd(g->items) of a generation that was parsed. False at the end. */
CH_MUST_USE bool ch_generation_next(struct ch_rd *items, struct ch_generation_item *item);
/* The next item of a kind and of a class (empty: of any name). False at the end. */
CH_MUST_USE bool ch_generation_find(struct ch_rd *items, enum ch_generation_kind kind, struct ch_span name,
				    struct ch_generation_item *item);

/* Writes the head, after which exactly `count` items follow. */
void ch_generation_begin(struct ch_wr *w, uint64_t number, uint32_t count);
/* Writes one item. A name or kind that the parser would refuse makes the writer bad. */
void ch_generation_put(struct ch_wr *w, const struct ch_generation_item *item);

#endif
