/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/cut_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 16
#define SECTOR    512
#define SHM_MAX   64
#define SHM_BYTES 32768

struct bytes {
	uint8_t *p;
	size_t n, cap;
};

/* A write that was not synced: one sector or a part of it, or a truncation (n 0). */
struct pending {
	size_t off, n;
	uint8_t data[SECTOR];
};

struct disk_file {
	char name[512];
	bool there, durable_there;
	struct bytes now, durable;
	struct pending *pending;
	size_t pending_n, pending_cap;
	void *shm[SHM_MAX];
};

struct open_file {
	sqlite3_file base;
	struct disk_file *f;
	bool folder; /* its first sync is one of the folder, too */
};

static struct {
	struct disk_file file[FILES_MAX];
	uint64_t seed, operations, cut_at, limit, syncs;
	unsigned lie;
	bool dead;
} disk;

static uint64_t dice(void)
{
	/* xorshift64* */
	disk.seed ^= disk.seed >> 12;
	disk.seed ^= disk.seed << 25;
	disk.seed ^= disk.seed >> 27;
	return disk.seed * 2685821657736338717u;
}

static void bytes_size(struct bytes *b, size_t n)
{
	if (n > b->cap) {
		b->cap = n * 2;
		b->p = realloc(b->p, b->cap);
		if (b->p == NULL)
			abort();
	}
	if (n > b->n)
		memset(b->p + b->n, 0, n - b->n);
	b->n = n;
}

static void bytes_put(struct bytes *b, size_t off, const void *data, size_t n)
{
	if (off + n > b->n)
		bytes_size(b, off + n);
	memcpy(b->p + off, data, n);
}

static void bytes_copy(struct bytes *to, const struct bytes *from)
{
	bytes_size(to, from->n);
	if (from->n > 0)
		memcpy(to->p, from->p, from->n);
}

/* Counts an operation; false if the power is gone. */
static bool alive(void)
{
	disk.operations++;
	if (disk.cut_at != 0 && disk.operations >= disk.cut_at)
		disk.dead = true;
	return !disk.dead;
}

static struct pending *pending_add(struct disk_file *f);

static struct disk_file *find(const char *name, bool make)
{
	struct disk_file *room = NULL;
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct disk_file *f = &disk.file[i];
		bool used = f->there || f->durable_there;
		if (!used && room == NULL)
			room = f;
		if (!used || strcmp(f->name, name) != 0)
			continue;
		if (!f->there && !make)
			return NULL;
		if (!f->there) {
			/* Removed, and made again before the removal was durable: empty now, what it was if the power goes. */
			f->there = true;
			bytes_size(&f->now, 0);
			(void)pending_add(f);
		}
		return f;
	}
	if (!make || room == NULL)
		return NULL;
	(void)snprintf(room->name, sizeof(room->name), "%s", name);
	room->there = true;
	bytes_size(&room->now, 0);
	bytes_size(&room->durable, 0);
	room->pending_n = 0;
	return room;
}

static struct pending *pending_add(struct disk_file *f)
{
	if (f->pending_n == f->pending_cap) {
		f->pending_cap = f->pending_cap * 2 + 64;
		f->pending = realloc(f->pending, f->pending_cap * sizeof(*f->pending));
		if (f->pending == NULL)
			abort();
	}
	struct pending *p = &f->pending[f->pending_n++];
	memset(p, 0, sizeof(*p));
	return p;
}

/* --- of a file --- */

static int f_close(sqlite3_file *base)
{
	(void)base;
	return SQLITE_OK;
}

static int f_read(sqlite3_file *base, void *to, int n, sqlite3_int64 off)
{
	const struct disk_file *f = ((struct open_file *)base)->f;
	size_t have = (size_t)off < f->now.n ? f->now.n - (size_t)off : 0;
	if (have > (size_t)n)
		have = (size_t)n;
	if (have > 0)
		memcpy(to, f->now.p + off, have);
	if (have == (size_t)n)
		return SQLITE_OK;
	memset((uint8_t *)to + have, 0, (size_t)n - have);
	return SQLITE_IOERR_SHORT_READ;
}

static int f_write(sqlite3_file *base, const void *data, int n, sqlite3_int64 off)
{
	struct disk_file *f = ((struct open_file *)base)->f;
	if (!alive())
		return SQLITE_IOERR_WRITE;
	if (disk.limit != 0 && (uint64_t)off + (uint64_t)n > disk.limit)
		return SQLITE_FULL;
	bytes_put(&f->now, (size_t)off, data, (size_t)n);
	for (size_t at = 0; at < (size_t)n;) {
		struct pending *p = pending_add(f);
		p->off = (size_t)off + at;
		p->n = SECTOR - p->off % SECTOR;
		if (p->n > (size_t)n - at)
			p->n = (size_t)n - at;
		memcpy(p->data, (const uint8_t *)data + at, p->n);
		at += p->n;
	}
	return SQLITE_OK;
}

static int f_truncate(sqlite3_file *base, sqlite3_int64 n)
{
	struct disk_file *f = ((struct open_file *)base)->f;
	if (!alive())
		return SQLITE_IOERR_TRUNCATE;
	bytes_size(&f->now, (size_t)n);
	struct pending *p = pending_add(f);
	p->off = (size_t)n;
	return SQLITE_OK;
}

static int f_sync(sqlite3_file *base, int flags)
{
	struct open_file *o = (struct open_file *)base;
	struct disk_file *f = o->f;
	(void)flags;
	if (!alive())
		return SQLITE_IOERR_FSYNC;
	if (disk.lie != 0 && ++disk.syncs % disk.lie == 0)
		return SQLITE_OK;
	bytes_copy(&f->durable, &f->now);
	f->pending_n = 0;
	/* Removals before it are durable then, too. */
	for (size_t i = 0; i < FILES_MAX && (o->folder || !f->durable_there); i++) {
		if (&disk.file[i] != f)
			disk.file[i].durable_there = disk.file[i].there && disk.file[i].durable_there;
	}
	f->durable_there = true;
	o->folder = false;
	return SQLITE_OK;
}

static int f_size(sqlite3_file *base, sqlite3_int64 *n)
{
	*n = (sqlite3_int64)((struct open_file *)base)->f->now.n;
	return SQLITE_OK;
}

static int f_lock(sqlite3_file *base, int how)
{
	(void)base;
	(void)how;
	return SQLITE_OK;
}

static int f_reserved(sqlite3_file *base, int *out)
{
	(void)base;
	*out = 0;
	return SQLITE_OK;
}

static int f_control(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int f_sector(sqlite3_file *base)
{
	(void)base;
	return SECTOR;
}

static int f_device(sqlite3_file *base)
{
	(void)base;
	return 0;
}

static int f_shm_map(sqlite3_file *base, int page, int n, int extend, void volatile **out)
{
	struct disk_file *f = ((struct open_file *)base)->f;
	if (page >= SHM_MAX || n != SHM_BYTES)
		return SQLITE_IOERR_SHMMAP;
	if (f->shm[page] == NULL && extend)
		f->shm[page] = calloc(1, SHM_BYTES);
	*out = f->shm[page];
	return SQLITE_OK;
}

static int f_shm_lock(sqlite3_file *base, int off, int n, int flags)
{
	(void)base;
	(void)off;
	(void)n;
	(void)flags;
	return SQLITE_OK;
}

static void f_shm_barrier(sqlite3_file *base)
{
	(void)base;
}

static void shm_free(struct disk_file *f)
{
	for (size_t i = 0; i < SHM_MAX; i++) {
		free(f->shm[i]);
		f->shm[i] = NULL;
	}
}

static int f_shm_unmap(sqlite3_file *base, int drop)
{
	(void)drop;
	shm_free(((struct open_file *)base)->f);
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = f_close,
	.xRead = f_read,
	.xWrite = f_write,
	.xTruncate = f_truncate,
	.xSync = f_sync,
	.xFileSize = f_size,
	.xLock = f_lock,
	.xUnlock = f_lock,
	.xCheckReservedLock = f_reserved,
	.xFileControl = f_control,
	.xSectorSize = f_sector,
	.xDeviceCharacteristics = f_device,
	.xShmMap = f_shm_map,
	.xShmLock = f_shm_lock,
	.xShmBarrier = f_shm_barrier,
	.xShmUnmap = f_shm_unmap,
};

/* --- of the disk --- */

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out)
{
	(void)vfs;
	struct open_file *o = (struct open_file *)base;
	o->base.pMethods = NULL;
	o->f = name != NULL && !disk.dead ? find(name, (flags & SQLITE_OPEN_CREATE) != 0) : NULL;
	if (o->f == NULL)
		return SQLITE_CANTOPEN;
	o->base.pMethods = &methods;
	/* As SQLite's own VFS has it: of a journal and of the write-ahead log, each time they are opened (unixOpen, UNIXFILE_DIRSYNC). */
	o->folder = (flags & SQLITE_OPEN_CREATE) != 0 && (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
	if (out != NULL)
		*out = flags;
	return SQLITE_OK;
}

/* Removal is seen at once and, like in a directory that is not synced, may be undone by a cut. */
static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	(void)vfs;
	struct disk_file *f = find(name, false);
	if (!alive())
		return SQLITE_IOERR_DELETE;
	if (f == NULL)
		return SQLITE_IOERR_DELETE_NOENT;
	f->there = false;
	if (sync_dir)
		f->durable_there = false;
	return SQLITE_OK;
}

static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	(void)vfs;
	(void)flags;
	*out = find(name, false) != NULL;
	return SQLITE_OK;
}

static int v_full(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	(void)vfs;
	(void)snprintf(out, (size_t)n, "%s", name);
	return SQLITE_OK;
}

static int v_random(sqlite3_vfs *vfs, int n, char *out)
{
	(void)vfs;
	for (int i = 0; i < n; i++)
		out[i] = (char)dice();
	return n;
}

static int v_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int v_time(sqlite3_vfs *vfs, double *out)
{
	(void)vfs;
	*out = 2461000.0;
	return SQLITE_OK;
}

static int v_last_error(sqlite3_vfs *vfs, int n, char *out)
{
	(void)vfs;
	(void)n;
	(void)out;
	return 0;
}

void cut_vfs_format(uint64_t seed)
{
	static sqlite3_vfs vfs = {
		.iVersion = 1,
		.szOsFile = sizeof(struct open_file),
		.mxPathname = 511,
		.zName = CUT_VFS,
		.xOpen = v_open,
		.xDelete = v_delete,
		.xAccess = v_access,
		.xFullPathname = v_full,
		.xRandomness = v_random,
		.xSleep = v_sleep,
		.xCurrentTime = v_time,
		.xGetLastError = v_last_error,
	};
	(void)sqlite3_vfs_register(&vfs, 0);
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct disk_file *f = &disk.file[i];
		shm_free(f);
		free(f->now.p);
		free(f->durable.p);
		free(f->pending);
	}
	memset(&disk, 0, sizeof(disk));
	disk.seed = seed * 2654435761u + 88172645463325252u;
}

void cut_vfs_arm(uint64_t operations)
{
	disk.cut_at = operations != 0 ? disk.operations + operations : 0;
}

bool cut_vfs_dead(void)
{
	return disk.dead;
}

uint64_t cut_vfs_operations(void)
{
	return disk.operations;
}

void cut_vfs_lie(unsigned every)
{
	disk.lie = every;
	disk.syncs = 0;
}

void cut_vfs_limit(uint64_t bytes)
{
	disk.limit = bytes;
}

static void pending_keep(struct disk_file *f, const struct pending *p, bool torn)
{
	if (p->n == 0)
		bytes_size(&f->durable, p->off);
	else
		bytes_put(&f->durable, p->off, p->data, torn ? p->n / 2 : p->n);
}

void cut_vfs_power(void)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct disk_file *f = &disk.file[i];
		shm_free(f);
		uint64_t odds = dice() % 4; /* of what was not synced, nothing to nearly all */
		for (size_t k = 0; k < f->pending_n; k++) {
			if (dice() % 4 < odds)
				pending_keep(f, &f->pending[k], k + 1 == f->pending_n);
		}
		f->pending_n = 0;
		if (f->there && !f->durable_there && dice() % 2 == 0)
			f->durable_there = true;
		f->there = f->durable_there;
		bytes_copy(&f->now, &f->durable);
	}
	disk.dead = false;
	disk.cut_at = 0;
}
