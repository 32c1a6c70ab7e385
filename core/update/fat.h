/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_UPDATE_FAT_H
#define CH_UPDATE_FAT_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/span.h"

/*
 * FAT file systems (Microsoft FAT32 File System Specification 1.03): FAT12, 16 and 32, long names. The whole volume lies in memory; files
 * are given as spans into it, so a file in several pieces is refused as unsupported: what makes a slot image leaves none.
 */
struct ch_fat {
	struct ch_span volume;
	uint32_t bits; /* 12, 16, 32 */
	uint32_t cluster_bytes;
	uint32_t clusters; /* numbers 2 to clusters + 1 */
	struct ch_span table;
	struct ch_span root;   /* FAT12 and 16; empty for FAT32 */
	uint32_t root_cluster; /* FAT32 */
	size_t data_off;
};

/* A file; `path` with '/', without one in front, as UTF-8 in the iterator's memory until the next step. */
struct ch_fat_file {
	struct ch_span path;
	struct ch_span data;
};

struct ch_fat_level {
	uint32_t cluster; /* 0: the root of FAT12 and 16 */
	size_t off;       /* in this cluster, or in the root */
	size_t path_n;    /* of the path up to this folder */
};

struct ch_fat_iter {
	const struct ch_fat *fat;
	struct ch_fat_level level[CH_FAT_DEPTH_MAX];
	size_t depth;   /* levels that are open */
	size_t entries; /* looked at in all */
	size_t steps;   /* clusters gone through in all */
	enum ch_err err;
	uint8_t path[CH_FAT_PATH_MAX];
	size_t path_n;
	uint8_t name[CH_FAT_LONG_MAX * 2]; /* UTF-16LE, of the long entries before a short one */
	size_t name_units;
	uint8_t next_part; /* number of the long entry that must follow; 0: the short one */
	uint8_t sum;
	bool has_long;
};

CH_MUST_USE enum ch_err ch_fat_parse(struct ch_fat *fat, struct ch_span volume, struct ch_diag *d);

struct ch_fat_iter ch_fat_files(const struct ch_fat *fat);
/* The next file of the volume, folder by folder. False at the end and on failure: then `it->err` is set and `d` says where and why. */
bool ch_fat_next(struct ch_fat_iter *it, struct ch_fat_file *file, struct ch_diag *d);

#endif
