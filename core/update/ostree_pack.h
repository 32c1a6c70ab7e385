/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_OSTREE_PACK_H
#define CH_UPDATE_OSTREE_PACK_H

#include "core/update/ostree.h"

/*
 * A commit of OSTree with all its objects as one artefact: a ustar of the form of ch_ustar_put that unpacks to a repository, and before its files an
 * index, in which a path is found without reading the rest. docs/protocol/ostree.md.
 */

#define CH_OSTREE_PACK_TYPE "chainhold-ostree/v1"
#define CH_OSTREE_INDEX     "index"
#define CH_OSTREE_CONFIG    "[core]\nrepo_version=1\nmode=archive-z2\n" /* of the repository */
#define CH_OSTREE_RECORD    128 /* bytes: of the head, and of each file's place */
#define CH_OSTREE_HEAD_AT   512 /* the head lies behind the index's ustar header */
/* Of a pack with this many files: where what is behind the index begins. */
static inline uint64_t ch_ostree_pack_body(uint64_t count)
{
	return CH_OSTREE_HEAD_AT + ((1 + count) * CH_OSTREE_RECORD + 511) / 512 * 512;
}

struct ch_ostree_place {
	struct ch_span path; /* borrows from the record */
	uint64_t off, size;  /* of its content in the pack */
};

void ch_ostree_head_put(struct ch_wr *w, const uint8_t commit[static 32], uint64_t count);
void ch_ostree_place_put(struct ch_wr *w, const struct ch_ostree_place *p);
/* CH_ERR_MALFORMED for a record that is not byte for byte what _put would have written. */
CH_MUST_USE enum ch_err ch_ostree_head_parse(struct ch_span record, uint8_t commit[static 32], uint64_t *count);
CH_MUST_USE enum ch_err ch_ostree_place_parse(struct ch_ostree_place *p, struct ch_span record);

/* A pack that is read where it lies. `get` fills `to` from `off` on; false if it cannot. */
struct ch_ostree_source {
	bool (*get)(void *ctx, uint64_t off, uint8_t to[static CH_OSTREE_RECORD]);
	void *ctx;
	uint64_t size; /* of the whole pack */
};
/*
 * Where the file of this path lies in the pack of this commit: 1 + log2(files) records are read. CH_ERR_NOTFOUND, CH_ERR_IO; CH_ERR_MALFORMED
 * for a pack of another commit, or one whose records lead out of it.
 */
CH_MUST_USE enum ch_err ch_ostree_find(const struct ch_ostree_source *s, const uint8_t commit[static 32],
				       struct ch_span path, uint64_t *off, uint64_t *size);

/* A pack in memory. */
struct ch_ostree_pack {
	struct ch_span file;
	uint8_t commit[32];
	uint64_t count;
};
/*
 * All of it: every byte is index, header, content or padding, paths are in order, none is there twice. What the files hold is not looked at. `p` is
 * zeroed on failure.
 */
CH_MUST_USE enum ch_err ch_ostree_pack_parse(struct ch_ostree_pack *p, struct ch_span file, struct ch_diag *d);
/* File number i, below count. */
void ch_ostree_pack_get(const struct ch_ostree_pack *p, uint64_t i, struct ch_span *path, struct ch_span *content);
/* False if there is none of this path. */
bool ch_ostree_pack_find(const struct ch_ostree_pack *p, struct ch_span path, struct ch_span *content);

/* "COMMIT.ostree", what an artefact of this kind is called: CH_ERR_MALFORMED for another name. */
CH_MUST_USE enum ch_err ch_ostree_name_parse(struct ch_span name, uint8_t commit[static 32]);

#endif
