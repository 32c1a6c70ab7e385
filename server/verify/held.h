/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_VERIFY_HELD_H
#define CH_VERIFY_HELD_H

#include "core/boot/reference.h"
#include "core/platform/ek_cert.h"
#include "host/sys/sealed.h"

/*
 * The generation that a verify judges by: the image as the keeper gave it, the reference values of each class compiled once, the EK
 * roots read once; all of it in memory that cannot be written any more.
 */

#define CH_HELD_CLASSES_MAX 256
#define CH_HELD_CHAIN_MAX   8                  /* certificates that a device sends beside its own */
#define CH_HELD_PINNED_MAX  16                 /* devices whose own reference values stay compiled */
#define CH_HELD_PINNED_SIZE ((size_t)64 << 20) /* and the memory that they may take together */

struct ch_held_class {
	struct ch_span name;
	struct ch_reference ref;
	struct ch_sealed memory;
};

/* Values of a class and of one device, compiled together. */
struct ch_held_pinned {
	uint64_t number; /* of the device's document; 0: the place is free */
	uint64_t used;   /* when, in uses: the oldest gives its place */
	struct ch_span class_name;
	struct ch_sealed text, ref, memory;
};

struct ch_held {
	uint64_t number; /* 0: none yet, or the last was refused: nothing can be judged */
	struct ch_sealed image;
	struct ch_span items;   /* in the image */
	struct ch_sealed roots; /* struct ch_ek_cert[root_count] */
	size_t root_count;
	struct ch_sealed classes; /* struct ch_held_class[class_count] */
	size_t class_count;
	struct ch_held_pinned pinned[CH_HELD_PINNED_MAX];
	uint64_t uses;
};

/*
 * Takes a generation in the place of the one held before, which is let go only if all went well. CH_ERR_LIMIT past
 * CH_HELD_CLASSES_MAX; else what ch_generation_parse(), ch_reference_compile() or ch_ek_cert_parse() found, `d->rule` with it:
 * a generation with one broken part is not half taken.
 */
CH_MUST_USE enum ch_err ch_held_take(struct ch_held *h, uint64_t number, struct ch_span image, struct ch_diag *d);
void ch_held_clear(struct ch_held *h);

/*
 * The reference values of a class; without any documents if the class has none. With `number` not 0 those of a device: of its class and
 * of `document`, which that number names for ever. They live until the next call. CH_ERR_LIMIT, or what ch_reference_compile() found,
 * with its rule in `d`, if the document does not go with those of the class; `*ref` is NULL then.
 */
CH_MUST_USE enum ch_err ch_held_reference(struct ch_held *h, struct ch_span class_name, uint64_t number,
					  struct ch_span document, const struct ch_reference **ref, struct ch_diag *d);
/* The text of document number `doc` of a class, in the order in which they are compiled; empty past the last, as for a device's own. */
struct ch_span ch_held_document(const struct ch_held *h, struct ch_span class_name, size_t doc);
/* True if the class has a policy or reference values. */
bool ch_held_knows(const struct ch_held *h, struct ch_span class_name);

#endif
