/* SPDX-License-Identifier: Apache-2.0 */
#include "host/store/wal_vfs.h"

#include <sqlite3.h>
#include <stdio.h>

#include "host/base/mem.h"

#define HELD_MAX ((size_t)0x1ffff) /* bytes: as many as SQLite's own VFS writes at once */

struct ch_wal_vfs {
	sqlite3_vfs vfs; /* first: SQLite gives it back */
	sqlite3_vfs *below;
	char name[48];
};

/* The log; the file of the VFS below follows in the same memory, which is SQLite's. */
struct wal_file {
	sqlite3_file file; /* first */
	struct ch_buf held;
	sqlite3_int64 at; /* where the first held byte belongs */
};

static sqlite3_file *below(sqlite3_file *file)
{
	return (sqlite3_file *)((struct wal_file *)file + 1);
}

static int bring_out(sqlite3_file *file)
{
	struct wal_file *f = (struct wal_file *)file;
	int n = (int)f->held.n;
	f->held.n = 0;
	return n == 0 ? SQLITE_OK : below(file)->pMethods->xWrite(below(file), f->held.p, n, f->at);
}

static int wal_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	struct wal_file *f = (struct wal_file *)file;
	bool goes_on = at == f->at + (sqlite3_int64)f->held.n && f->held.n + (size_t)n <= HELD_MAX;
	int rc = goes_on ? SQLITE_OK : bring_out(file);
	if (rc != SQLITE_OK)
		return rc;
	if (f->held.n == 0)
		f->at = at;
	ch_buf_append(&f->held, ch_span(p, (size_t)n));
	return SQLITE_OK;
}

static int wal_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	int rc = bring_out(file);
	return rc != SQLITE_OK ? rc : below(file)->pMethods->xRead(below(file), p, n, at);
}

static int wal_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int rc = bring_out(file);
	return rc != SQLITE_OK ? rc : below(file)->pMethods->xTruncate(below(file), size);
}

static int wal_sync(sqlite3_file *file, int flags)
{
	int rc = bring_out(file);
	return rc != SQLITE_OK ? rc : below(file)->pMethods->xSync(below(file), flags);
}

static int wal_size(sqlite3_file *file, sqlite3_int64 *size)
{
	int rc = bring_out(file);
	return rc != SQLITE_OK ? rc : below(file)->pMethods->xFileSize(below(file), size);
}

static int wal_close(sqlite3_file *file)
{
	/* What is held now was never committed. */
	int rc = bring_out(file);
	int closed = below(file)->pMethods->xClose(below(file));
	ch_buf_free(&((struct wal_file *)file)->held);
	return rc != SQLITE_OK ? rc : closed;
}

static int wal_lock(sqlite3_file *file, int level)
{
	return below(file)->pMethods->xLock(below(file), level);
}

static int wal_unlock(sqlite3_file *file, int level)
{
	return below(file)->pMethods->xUnlock(below(file), level);
}

static int wal_reserved(sqlite3_file *file, int *held)
{
	return below(file)->pMethods->xCheckReservedLock(below(file), held);
}

static int wal_control(sqlite3_file *file, int op, void *arg)
{
	return below(file)->pMethods->xFileControl(below(file), op, arg);
}

static int wal_sector(sqlite3_file *file)
{
	return below(file)->pMethods->xSectorSize(below(file));
}

static int wal_device(sqlite3_file *file)
{
	return below(file)->pMethods->xDeviceCharacteristics(below(file));
}

/* Version 1: shared memory and mappings are of the store's file. */
static const sqlite3_io_methods wal_methods = {
	.iVersion = 1,
	.xClose = wal_close,
	.xRead = wal_read,
	.xWrite = wal_write,
	.xTruncate = wal_truncate,
	.xSync = wal_sync,
	.xFileSize = wal_size,
	.xLock = wal_lock,
	.xUnlock = wal_unlock,
	.xCheckReservedLock = wal_reserved,
	.xFileControl = wal_control,
	.xSectorSize = wal_sector,
	.xDeviceCharacteristics = wal_device,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	sqlite3_vfs *v = ((struct ch_wal_vfs *)vfs)->below;
	if ((flags & SQLITE_OPEN_WAL) == 0)
		return v->xOpen(v, name, file, flags, out);
	*(struct wal_file *)file = (struct wal_file){ 0 };
	int rc = v->xOpen(v, name, below(file), flags, out);
	/* SQLite closes a file that has methods, also one that was not opened. */
	file->pMethods = below(file)->pMethods != NULL ? &wal_methods : NULL;
	return rc;
}

struct ch_wal_vfs *ch_wal_vfs_new(const char *below_name)
{
	sqlite3_vfs *under = sqlite3_vfs_find(below_name);
	if (under == NULL)
		return NULL;
	struct ch_wal_vfs *v = ch_calloc(1, sizeof(*v));
	(void)snprintf(v->name, sizeof(v->name), "chainhold-wal-%p", (void *)v);
	/* But for opening, its functions are those below: they go by pAppData, which is copied too. */
	v->below = under;
	v->vfs = *under;
	v->vfs.pNext = NULL;
	v->vfs.zName = v->name;
	v->vfs.szOsFile = (int)sizeof(struct wal_file) + under->szOsFile;
	v->vfs.xOpen = vfs_open;
	(void)sqlite3_vfs_register(&v->vfs, 0);
	return v;
}

void ch_wal_vfs_free(struct ch_wal_vfs *v)
{
	if (v == NULL)
		return;
	(void)sqlite3_vfs_unregister(&v->vfs);
	ch_free(v);
}

const char *ch_wal_vfs_name(const struct ch_wal_vfs *v)
{
	return v->name;
}
