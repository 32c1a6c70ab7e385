/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TRUST_TILE_H
#define CH_TRUST_TILE_H

#include "core/base/rd.h"
#include "core/trust/merkle.h"

/*
 * Tiles of a transparency log (C2SP tlog-tiles): the hashes of eight levels of the tree, 256 side by side, and bundles of 256
 * entries. A tile that is not yet full is served under its width.
 */

#define CH_TILE_BYTES    (CH_BUNDLE_ENTRIES * CH_MERKLE_HASH)
#define CH_BUNDLE_MAX    (CH_BUNDLE_ENTRIES * (2 + 0xffff))
#define CH_TILE_PATH_MAX 64

struct ch_tile {
	bool entries;   /* a bundle of entries; `level` is 0 */
	uint8_t level;  /* 0..CH_TILE_LEVEL_MAX: its hashes are roots of 256^level entries each */
	uint64_t index; /* of the tile in its level */
	uint16_t width; /* hashes or entries in it, 1..256 */
};

/*
 * Reads "tile/0/x001/234.p/56" or "tile/entries/000", all of it. CH_ERR_MALFORMED for another form, CH_ERR_RANGE for a level,
 * width or index that cannot be. There is one path for a tile.
 */
CH_MUST_USE enum ch_err ch_tile_path_parse(struct ch_tile *t, struct ch_span path);
/* Appends the path. */
void ch_tile_path_put(struct ch_wr *w, const struct ch_tile *t);

/* Hashes or entries that tile `index` of a level has in a tree of `size`: 256 if it is full, 0 if there is none. */
uint16_t ch_tile_width(uint64_t size, uint8_t level, uint64_t index);
/* Hashes of a level in a tree of `size`: its tiles are those from 0 to (this - 1) / 256. */
uint64_t ch_tile_hashes(uint64_t size, uint8_t level);

/*
 * Where tiles come from: `get` writes t->width hashes to `to` or fails. A full tile may be given for a partial one: its first
 * hashes are the same. `size` is that of the tree that is looked at.
 */
struct ch_tile_src {
	enum ch_err (*get)(void *ctx, const struct ch_tile *t, uint8_t to[static CH_TILE_BYTES]);
	void *ctx;
	uint64_t size;
	struct ch_tile at; /* the tile in `bytes`; zero it to begin with: width 0 is none */
	uint8_t bytes[CH_TILE_BYTES];
};

/* A `node` function for struct ch_tree_src; `ctx` is a struct ch_tile_src. */
CH_MUST_USE enum ch_err ch_tile_node(void *ctx, unsigned level, uint64_t index, struct ch_tree_hash *out);

/*
 * Takes the next entry of a bundle (u16 length, big-endian, then its bytes). False at its end, and with r->bad set if it is cut
 * off. A bundle holds at most CH_BUNDLE_ENTRIES: who reads one counts.
 */
CH_MUST_USE bool ch_bundle_next(struct ch_rd *r, struct ch_span *entry);

#endif
