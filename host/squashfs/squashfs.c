/* SPDX-License-Identifier: Apache-2.0 */
#include "host/squashfs/squashfs.h"

#include <sqfs/compressor.h>
#include <sqfs/data_reader.h>
#include <sqfs/dir_reader.h>
#include <sqfs/error.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/super.h>

#define PIECE ((sqfs_u32)1 << 20)

/* libsquashfs' file, over memory. It is the first member, so that one is the other. */
struct memory {
	sqfs_file_t file;
	struct ch_span bytes;
};

static int memory_read(sqfs_file_t *file, sqfs_u64 offset, void *buffer, size_t size)
{
	const struct memory *m = (const struct memory *)file;
	if (offset > m->bytes.n || size > m->bytes.n - offset)
		return SQFS_ERROR_OUT_OF_BOUNDS;
	(void)ch_span_copy(buffer, size, ch_span_sub(m->bytes, (size_t)offset, size));
	return 0;
}

static int memory_write(sqfs_file_t *file, sqfs_u64 offset, const void *buffer, size_t size)
{
	(void)file;
	(void)offset;
	(void)buffer;
	(void)size;
	return SQFS_ERROR_IO;
}

static sqfs_u64 memory_size(const sqfs_file_t *file)
{
	return ((const struct memory *)file)->bytes.n;
}

static int memory_truncate(sqfs_file_t *file, sqfs_u64 size)
{
	(void)file;
	(void)size;
	return SQFS_ERROR_IO;
}

static void memory_destroy(sqfs_object_t *o)
{
	(void)o;
}

struct reader {
	struct memory memory;
	sqfs_super_t super;
	sqfs_compressor_t *compressor;
	sqfs_dir_reader_t *folders;
	sqfs_data_reader_t *data;
	sqfs_inode_generic_t *root, *inode;
};

static void reader_clear(struct reader *r)
{
	sqfs_free(r->inode);
	sqfs_free(r->root);
	if (r->data != NULL)
		sqfs_destroy(r->data);
	if (r->folders != NULL)
		sqfs_destroy(r->folders);
	if (r->compressor != NULL)
		sqfs_destroy(r->compressor);
}

static enum ch_err reader_open(struct reader *r)
{
	sqfs_compressor_config_t config;
	if (sqfs_super_read(&r->super, &r->memory.file) != 0)
		return CH_ERR_MALFORMED;
	if (sqfs_compressor_config_init(&config, r->super.compression_id, r->super.block_size,
					SQFS_COMP_FLAG_UNCOMPRESS) != 0 ||
	    sqfs_compressor_create(&config, &r->compressor) != 0)
		return CH_ERR_UNSUPPORTED;
	r->folders = sqfs_dir_reader_create(&r->super, r->compressor, &r->memory.file, 0);
	r->data = sqfs_data_reader_create(&r->memory.file, r->super.block_size, r->compressor, 0);
	if (r->folders == NULL || r->data == NULL || sqfs_data_reader_load_fragment_table(r->data, &r->super) != 0 ||
	    sqfs_dir_reader_get_root_inode(r->folders, &r->root) != 0)
		return CH_ERR_MALFORMED;
	return CH_OK;
}

static enum ch_err reader_find(struct reader *r, const char *name, size_t max, sqfs_u64 *size)
{
	int rc = sqfs_dir_reader_find_by_path(r->folders, r->root, name, &r->inode);
	if (rc != 0)
		return rc == SQFS_ERROR_NO_ENTRY ? CH_ERR_NOTFOUND : CH_ERR_MALFORMED;
	if (sqfs_inode_get_file_size(r->inode, size) != 0)
		return CH_ERR_MALFORMED; /* no regular file */
	return *size > max ? CH_ERR_LIMIT : CH_OK;
}

static enum ch_err reader_read(struct reader *r, struct ch_buf *to, sqfs_u64 size)
{
	for (sqfs_u64 at = 0; at < size;) {
		sqfs_u32 n = size - at < PIECE ? (sqfs_u32)(size - at) : PIECE;
		sqfs_s32 got = sqfs_data_reader_read(r->data, r->inode, at, ch_buf_room(to, n), n);
		if (got <= 0)
			return CH_ERR_MALFORMED;
		to->n += (size_t)got;
		at += (sqfs_u64)got;
	}
	return CH_OK;
}

bool ch_squashfs_available(void)
{
	return true;
}

enum ch_err ch_squashfs_read(struct ch_buf *to, struct ch_span squashfs, const char *name, size_t max)
{
	struct reader r = { .memory = { .bytes = squashfs } };
	sqfs_u64 size = 0;
	r.memory.file.base.destroy = memory_destroy;
	r.memory.file.read_at = memory_read;
	r.memory.file.write_at = memory_write;
	r.memory.file.get_size = memory_size;
	r.memory.file.truncate = memory_truncate;
	enum ch_err err = reader_open(&r);
	if (err == CH_OK)
		err = reader_find(&r, name, max, &size);
	if (err == CH_OK)
		err = reader_read(&r, to, size);
	reader_clear(&r);
	return err;
}
