/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_VERITY_H
#define CH_UPDATE_VERITY_H

#include "core/crypto/hash.h"

/*
 * dm-verity (Linux, Documentation/admin-guide/device-mapper/verity.rst): the root hash of an image, computed from the image. Hash type 1: the salt
 * goes before each block, digests of SHA-256 fill their blocks.
 */
struct ch_verity {
	uint32_t data_block, hash_block; /* bytes: powers of 2, 512 to 65536 */
	uint64_t blocks;                 /* of data */
	size_t salt_n;
	uint8_t salt[CH_VERITY_SALT_MAX];
};

#define CH_VERITY_SUPER 512

/*
 * The superblock that veritysetup(8) puts before a hash tree (cryptsetup, docs/on-disk-format; version 1). CH_ERR_UNSUPPORTED for another hash
 * type or algorithm, CH_ERR_MALFORMED for bytes that a superblock leaves free and that are not zero. `v` is zeroed on failure.
 */
CH_MUST_USE enum ch_err ch_verity_parse(struct ch_verity *v, struct ch_span super, struct ch_diag *d);
/* CH_ERR_RANGE if the data is not exactly v->blocks blocks. Reads the data once. */
CH_MUST_USE enum ch_err ch_verity_root(const struct ch_verity *v, struct ch_span data, uint8_t root[static 32],
				       struct ch_diag *d);
/* Bytes of the hash tree, without a superblock. */
uint64_t ch_verity_tree_size(const struct ch_verity *v);

#endif
