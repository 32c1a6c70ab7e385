/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/fat.h"

#include "core/base/rd.h"
#include "core/base/text.h"
#include "core/base/wr.h"

#define ENTRY 32 /* bytes of one */

#define ATTR_VOLUME 0x08
#define ATTR_FOLDER 0x10
#define ATTR_LONG   0x0f

#define LONG_LAST 0x40 /* in the number of the first long entry, which is the last part of the name */

/* --- the volume --- */

struct boot_sector {
	uint32_t sector, per_cluster, reserved, tables, root_entries, sectors, table_sectors, root_cluster;
};

static void read_boot_sector(struct boot_sector *b, struct ch_rd *r)
{
	(void)ch_rd_take(r, 11);
	b->sector = ch_rd_le16(r);
	b->per_cluster = ch_rd_u8(r);
	b->reserved = ch_rd_le16(r);
	b->tables = ch_rd_u8(r);
	b->root_entries = ch_rd_le16(r);
	b->sectors = ch_rd_le16(r);
	(void)ch_rd_u8(r);
	b->table_sectors = ch_rd_le16(r);
	(void)ch_rd_take(r, 8);
	uint32_t sectors = ch_rd_le32(r), table_sectors = ch_rd_le32(r);
	(void)ch_rd_le32(r);
	b->root_cluster = ch_rd_le32(r);
	b->sectors = b->sectors != 0 ? b->sectors : sectors;
	b->table_sectors = b->table_sectors != 0 ? b->table_sectors : table_sectors;
}

static bool power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* FAT type by the count of clusters alone (1.03, "FAT Type Determination"). */
static uint32_t bits_of(uint64_t clusters)
{
	return clusters < 4085 ? 12 : clusters < 65525 ? 16 : 32;
}

static enum ch_err place(struct ch_fat *f, const struct boot_sector *b, struct ch_diag *d)
{
	uint64_t table_off = (uint64_t)b->reserved * b->sector, table_size = (uint64_t)b->table_sectors * b->sector;
	uint64_t root_off = table_off + table_size * b->tables;
	uint64_t root_size = ((uint64_t)b->root_entries * ENTRY + b->sector - 1) / b->sector * b->sector;
	uint64_t data_off = root_off + root_size, end = (uint64_t)b->sectors * b->sector;
	if (end > f->volume.n || data_off > end)
		return ch_fail(d, CH_ERR_RANGE, 19, "the volume is larger than its image (FAT 1.03, BPB)");
	uint64_t clusters = (end - data_off) / f->cluster_bytes;
	f->bits = bits_of(clusters);
	if (clusters > 0x0ffffff5 || (clusters + 2) * f->bits > table_size * 8)
		return ch_fail(d, CH_ERR_RANGE, 22, "the table has no room for its clusters (FAT 1.03, BPB)");
	if ((f->bits == 32) != (b->root_entries == 0))
		return ch_fail(d, CH_ERR_MALFORMED, 17, "the root folder is not that of the FAT type (FAT 1.03, BPB)");
	f->clusters = (uint32_t)clusters;
	f->table = ch_span_sub(f->volume, (size_t)table_off, (size_t)table_size);
	f->root = ch_span_sub(f->volume, (size_t)root_off, (size_t)root_size);
	f->root_cluster = f->bits == 32 ? b->root_cluster : 0;
	f->data_off = (size_t)data_off;
	if (f->bits == 32 && (b->root_cluster < 2 || b->root_cluster - 2 >= f->clusters))
		return ch_fail(d, CH_ERR_RANGE, 44, "the root folder is not in the volume (FAT 1.03, BPB)");
	return CH_OK;
}

enum ch_err ch_fat_parse(struct ch_fat *f, struct ch_span volume, struct ch_diag *d)
{
	struct boot_sector b;
	struct ch_rd r = ch_rd(volume);
	ch_diag_clear(d);
	*f = (struct ch_fat){ .volume = volume };
	read_boot_sector(&b, &r);
	struct ch_span mark = ch_span_sub(volume, 510, 2);
	enum ch_err err = CH_OK;
	if (r.bad || mark.n != 2)
		err = ch_fail(d, CH_ERR_TRUNCATED, 0, "the boot sector is cut (FAT 1.03, BPB)");
	else if (!ch_span_eq(mark, CH_SPAN_LIT("\x55\xaa")))
		err = ch_fail(d, CH_ERR_MALFORMED, 510, "no mark of a boot sector (FAT 1.03, BPB)");
	else if (!power_of_two(b.sector) || b.sector < 512 || b.sector > 4096)
		err = ch_fail(d, CH_ERR_RANGE, 11, "sectors of 512 to 4096 bytes (FAT 1.03, BPB_BytsPerSec)");
	else if (!power_of_two(b.per_cluster))
		err = ch_fail(d, CH_ERR_RANGE, 13, "sectors per cluster: a power of two (FAT 1.03, BPB_SecPerClus)");
	else if (b.reserved == 0 || b.tables == 0 || b.tables > 2)
		err = ch_fail(d, CH_ERR_RANGE, 14, "reserved sectors, and one or two tables (FAT 1.03, BPB)");
	f->cluster_bytes = b.sector * b.per_cluster;
	if (err == CH_OK)
		err = place(f, &b, d);
	if (err != CH_OK)
		*f = (struct ch_fat){ .bits = 0 };
	return err;
}

/* --- chains --- */

static struct ch_span cluster(const struct ch_fat *f, uint32_t n)
{
	return ch_span_sub(f->volume, f->data_off + (size_t)(n - 2) * f->cluster_bytes, f->cluster_bytes);
}

static bool in_volume(const struct ch_fat *f, uint32_t n)
{
	return n >= 2 && n - 2 < f->clusters;
}

/* The cluster after `n`: 0 at the end of the chain, 1 for anything that is no cluster of the volume. */
static uint32_t next_cluster(const struct ch_fat *f, uint32_t n)
{
	const uint8_t *t = f->table.p;
	uint32_t v, end;
	if (f->bits == 12) {
		size_t at = n + n / 2;
		v = (uint32_t)t[at] | (uint32_t)t[at + 1] << 8;
		v = (n & 1) != 0 ? v >> 4 : v & 0xfff;
		end = 0xff8;
	} else if (f->bits == 16) {
		v = (uint32_t)t[2 * (size_t)n] | (uint32_t)t[2 * (size_t)n + 1] << 8;
		end = 0xfff8;
	} else {
		struct ch_rd r = ch_rd(ch_span_sub(f->table, 4 * (size_t)n, 4));
		v = ch_rd_le32(&r) & 0x0fffffff;
		end = 0x0ffffff8;
	}
	return v >= end ? 0 : in_volume(f, v) ? v : 1;
}

/* A file's bytes, if its clusters lie one behind the other and are as many as its size takes. */
static enum ch_err file_data(const struct ch_fat *f, uint32_t first, uint32_t size, struct ch_span *data,
			     struct ch_diag *d)
{
	size_t count = ((size_t)size + f->cluster_bytes - 1) / f->cluster_bytes;
	*data = CH_SPAN_EMPTY;
	if (size == 0)
		return first == 0 ? CH_OK : ch_fail(d, CH_ERR_MALFORMED, 0, "an empty file has clusters (FAT 1.03)");
	if (!in_volume(f, first) || count > f->clusters - (first - 2))
		return ch_fail(d, CH_ERR_RANGE, 0, "a file is not in the volume (FAT 1.03)");
	for (size_t i = 0; i < count; i++) {
		uint32_t n = first + (uint32_t)i, next = next_cluster(f, n);
		if (next == 1 || (next == 0) != (i + 1 == count))
			return ch_fail(d, CH_ERR_MALFORMED, 0, "a file's chain is not as long as its size (FAT 1.03)");
		if (next != 0 && next != n + 1)
			return ch_fail(d, CH_ERR_UNSUPPORTED, 0,
				       "a file in several pieces: make the image anew, file by file");
	}
	*data = ch_span_sub(f->volume, f->data_off + (size_t)(first - 2) * f->cluster_bytes, size);
	return CH_OK;
}

/* --- names --- */

static uint8_t short_sum(struct ch_span name)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < 11; i++)
		sum = (uint8_t)(((sum & 1) << 7) + (sum >> 1) + name.p[i]);
	return sum;
}

/* One part of a long name, from its last part on; a part out of its order makes the name one that is not there. */
static void take_long(struct ch_fat_iter *it, struct ch_span e)
{
	static const uint8_t place_of[13] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
	uint8_t number = e.p[0] & 0x3f;
	bool last = (e.p[0] & LONG_LAST) != 0;
	if (number == 0 || number > CH_FAT_LONG_MAX / 13 ||
	    (!last && (!it->has_long || number != it->next_part || e.p[13] != it->sum))) {
		it->has_long = false;
		return;
	}
	if (last) {
		it->has_long = true;
		it->sum = e.p[13];
		it->name_units = (size_t)number * 13;
	}
	it->next_part = (uint8_t)(number - 1);
	for (size_t i = 0; i < 13; i++) {
		it->name[((size_t)(number - 1) * 13 + i) * 2] = e.p[place_of[i]];
		it->name[((size_t)(number - 1) * 13 + i) * 2 + 1] = e.p[place_of[i] + 1];
	}
}

/* Eight and three, each without the blanks behind it, in the case that Windows NT notes in byte 12. */
static void put_short(struct ch_wr *w, struct ch_span e)
{
	static const struct {
		uint8_t from, to, lower;
	} part[2] = { { 0, 8, 0x08 }, { 8, 11, 0x10 } };
	for (size_t k = 0; k < 2; k++) {
		size_t to = part[k].to;
		while (to > part[k].from && e.p[to - 1] == ' ')
			to--;
		if (k == 1 && to > part[k].from)
			ch_wr_u8(w, '.');
		for (size_t i = part[k].from; i < to; i++) {
			uint8_t c = i == 0 && e.p[0] == 0x05 ? 0xe5 : e.p[i];
			bool lower = (e.p[12] & part[k].lower) != 0 && c >= 'A' && c <= 'Z';
			ch_wr_u8(w, lower ? (uint8_t)(c + 0x20) : c < 0x80 ? c : '?');
		}
	}
}

/* Sets the path to that of the entry in its folder. */
static enum ch_err set_path(struct ch_fat_iter *it, struct ch_span e, struct ch_diag *d)
{
	size_t before = it->level[it->depth - 1].path_n;
	struct ch_wr w = ch_wr(it->path, sizeof(it->path));
	w.len = before;
	if (before > 0)
		ch_wr_u8(&w, '/');
	size_t name = w.len;
	if (it->has_long && it->next_part == 0 && it->sum == short_sum(e))
		ch_utf16le_put(&w, ch_span(it->name, it->name_units * 2));
	else
		put_short(&w, e);
	it->path_n = w.len;
	if (w.bad)
		return ch_fail(d, CH_ERR_LIMIT, 0, "a path of more than CH_FAT_PATH_MAX bytes");
	for (size_t i = name; i < w.len; i++) {
		if (it->path[i] < 0x20 || it->path[i] == '/' || it->path[i] == '\\' || it->path[i] == 0x7f)
			return ch_fail(d, CH_ERR_ENCODING, 0, "a name with a character that no name has (FAT 1.03)");
	}
	if (w.len == name)
		return ch_fail(d, CH_ERR_ENCODING, 0, "an empty name (FAT 1.03)");
	return CH_OK;
}

/* --- folders --- */

struct ch_fat_iter ch_fat_files(const struct ch_fat *f)
{
	struct ch_fat_iter it = { .fat = f, .depth = 1, .err = CH_OK };
	it.level[0].cluster = f->root_cluster;
	return it;
}

/* The next entry of the innermost folder; empty at its end. */
static enum ch_err next_entry(struct ch_fat_iter *it, struct ch_span *e, struct ch_diag *d)
{
	struct ch_fat_level *l = &it->level[it->depth - 1];
	const struct ch_fat *f = it->fat;
	struct ch_span in = l->cluster != 0 ? cluster(f, l->cluster) : f->root;
	*e = CH_SPAN_EMPTY;
	if (l->off == in.n && l->cluster != 0) {
		uint32_t next = next_cluster(f, l->cluster);
		if (next == 0)
			return CH_OK;
		if (next == 1 || ++it->steps > f->clusters)
			return ch_fail(d, CH_ERR_MALFORMED, 0,
				       "a folder's chain leaves the volume or has no end (FAT 1.03)");
		l->cluster = next;
		l->off = 0;
		in = cluster(f, next);
	}
	struct ch_span one = ch_span_sub(in, l->off, ENTRY);
	if (one.n != ENTRY || one.p[0] == 0)
		return CH_OK;
	l->off += ENTRY;
	if (++it->entries > CH_FAT_ENTRIES_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "more than CH_FAT_ENTRIES_MAX entries");
	*e = one;
	return CH_OK;
}

static bool is_dots(struct ch_span e)
{
	return e.p[0] == '.' && (e.p[1] == ' ' || e.p[1] == '.');
}

static uint32_t first_cluster(const struct ch_fat *f, struct ch_span e)
{
	uint32_t low = (uint32_t)e.p[26] | (uint32_t)e.p[27] << 8;
	return f->bits == 32 ? low | ((uint32_t)e.p[20] | (uint32_t)e.p[21] << 8) << 16 : low;
}

static enum ch_err enter(struct ch_fat_iter *it, struct ch_span e, struct ch_diag *d)
{
	uint32_t first = first_cluster(it->fat, e);
	if (!in_volume(it->fat, first))
		return ch_fail(d, CH_ERR_RANGE, 0, "a folder is not in the volume (FAT 1.03)");
	if (it->depth == CH_FAT_DEPTH_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "folders in more than CH_FAT_DEPTH_MAX others");
	it->level[it->depth++] = (struct ch_fat_level){ .cluster = first, .path_n = it->path_n };
	return CH_OK;
}

/* One entry of a folder: *found if it is a file. */
static enum ch_err step(struct ch_fat_iter *it, struct ch_fat_file *file, bool *found, struct ch_diag *d)
{
	struct ch_span e;
	enum ch_err err = next_entry(it, &e, d);
	if (err != CH_OK)
		return err;
	if (e.n == 0) {
		it->depth--;
		return CH_OK;
	}
	if (e.p[0] != 0xe5 && (e.p[11] & 0x3f) == ATTR_LONG) {
		take_long(it, e);
		return CH_OK;
	}
	if (e.p[0] != 0xe5 && (e.p[11] & ATTR_VOLUME) == 0 && !is_dots(e)) {
		err = set_path(it, e, d);
		if (err == CH_OK && (e.p[11] & ATTR_FOLDER) != 0) {
			err = enter(it, e, d);
		} else if (err == CH_OK) {
			struct ch_rd r = ch_rd(ch_span_sub(e, 28, 4));
			err = file_data(it->fat, first_cluster(it->fat, e), ch_rd_le32(&r), &file->data, d);
			file->path = ch_span(it->path, it->path_n);
			*found = err == CH_OK;
		}
		if (err != CH_OK && d != NULL)
			d->off = (size_t)(e.p - it->fat->volume.p);
	}
	it->has_long = false;
	return err;
}

bool ch_fat_next(struct ch_fat_iter *it, struct ch_fat_file *file, struct ch_diag *d)
{
	bool found = false;
	ch_diag_clear(d);
	*file = (struct ch_fat_file){ .path = CH_SPAN_EMPTY };
	while (it->err == CH_OK && it->depth > 0 && !found)
		it->err = step(it, file, &found, d);
	if (it->err != CH_OK)
		*file = (struct ch_fat_file){ .path = CH_SPAN_EMPTY };
	return found && it->err == CH_OK;
}
