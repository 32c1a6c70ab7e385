/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_STORE_WAL_VFS_H
#define CH_HOST_STORE_WAL_VFS_H

/*
 * A VFS of SQLite that writes its write-ahead log in long pieces. SQLite writes each page of a transaction by two calls, a header of 24 bytes and
 * the page; here what follows on one another is held, and written by one call before anything else is done with that file: before it is
 * synced above all. A commit is durable when its sync returned, as without this; a write that fails is told by the call that brings it out, which no
 * commit gets past. All files but the log are the VFS's below, untouched.
 */
struct ch_wal_vfs;

/* Over the registered VFS `below`, NULL for the default; NULL if there is none of this name. Its own name is of this process only. */
struct ch_wal_vfs *ch_wal_vfs_new(const char *below);
/* After the last file was closed. NULL is fine. */
void ch_wal_vfs_free(struct ch_wal_vfs *v);
/* What sqlite3_open_v2() calls it; lives as long as it. */
const char *ch_wal_vfs_name(const struct ch_wal_vfs *v);

#endif
