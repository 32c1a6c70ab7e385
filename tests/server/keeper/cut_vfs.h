/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_CUT_VFS_H
#define CH_TESTS_CUT_VFS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A disk in memory that can lose power. What was synced stays; of what was written since, a seeded random part stays, sector by
 * sector, in any order, the last sector torn; a new file may be gone whole. Registered as the SQLite VFS CUT_VFS; one connection
 * at a time.
 */
#define CUT_VFS "cut"

/* A new, empty disk. */
void cut_vfs_format(uint64_t seed);
/* After this many writes and syncs from now on nothing works any more; 0: never. */
void cut_vfs_arm(uint64_t operations);
/* True once it is so. */
bool cut_vfs_dead(void);
/* Power comes back: the disk holds what it holds. Every file was closed. */
void cut_vfs_power(void);
/* The planted bug: every n-th sync returns and does nothing; 0: none. */
void cut_vfs_lie(unsigned every);
/* Bytes that the disk takes; past them it is full. 0: no end. */
void cut_vfs_limit(uint64_t bytes);
/* Writes and syncs so far. */
uint64_t cut_vfs_operations(void);

#endif
