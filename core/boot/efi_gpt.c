/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rd.h"
#include "core/boot/efi.h"

#include <string.h>

/* UEFI_GPT_DATA (PFP 1.06, 10.2.5): EFI_PARTITION_TABLE_HEADER (UEFI 2.10, 5.3.2), a count, the entries in use. */

#define HEADER_SIZE 92
#define ENTRY_SIZE  128 /* or 128 times a power of two */
#define NAME_SIZE   72

static void take_guid(struct ch_rd *r, struct ch_efi_guid *guid)
{
	ch_span_copy(guid->b, sizeof(guid->b), ch_rd_take(r, sizeof(guid->b)));
}

static bool is_entry_size(size_t size)
{
	return size >= ENTRY_SIZE && size <= 4096 && (size & (size - 1)) == 0;
}

enum ch_err ch_efi_gpt_parse(struct ch_efi_gpt *gpt, struct ch_span in, struct ch_diag *d)
{
	struct ch_efi_gpt out = { 0 };
	struct ch_rd r = ch_rd(in);
	ch_diag_clear(d);
	memset(gpt, 0, sizeof(*gpt));
	struct ch_span signature = ch_rd_take(&r, 8);
	uint32_t revision = ch_rd_le32(&r);
	size_t header = ch_rd_le32(&r);
	/* HeaderCRC32, Reserved, MyLBA, AlternateLBA, FirstUsableLBA, LastUsableLBA */
	(void)ch_rd_take(&r, 40);
	take_guid(&r, &out.disk);
	/* PartitionEntryLBA, NumberOfPartitionEntries: of the disk, where most entries are unused */
	(void)ch_rd_take(&r, 12);
	out.entry_size = ch_rd_le32(&r);
	(void)ch_rd_take(&r, 4);
	uint64_t count = ch_rd_le64(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "UEFI_GPT_DATA ends in its header (PFP 1.06, 10.2.5)");
	if (!ch_span_eq(signature, CH_SPAN_LIT("EFI PART")))
		return ch_fail(d, CH_ERR_MALFORMED, 0, "the GPT's signature is not \"EFI PART\" (UEFI 2.10, 5.3.2)");
	if (revision >> 16 != 1)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 8, "the GPT's revision is not 1.x (UEFI 2.10, 5.3.2)");
	if (header < HEADER_SIZE)
		return ch_fail(d, CH_ERR_RANGE, 12, "the GPT's HeaderSize is below 92 (UEFI 2.10, 5.3.2)");
	if (!is_entry_size(out.entry_size))
		return ch_fail(d, CH_ERR_RANGE, 84,
			       "SizeOfPartitionEntry is not 128 times a power of two (UEFI 2.10, 5.3.2)");
	if (count > CH_GPT_ENTRIES_MAX)
		return ch_fail(d, CH_ERR_LIMIT, HEADER_SIZE, "more than 256 partitions");
	out.count = (size_t)count;
	out.entries = ch_rd_take(&r, out.count * out.entry_size);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, HEADER_SIZE,
			       "NumberOfPartitions runs past the end of UEFI_GPT_DATA (PFP 1.06, 10.2.5)");
	if (!ch_rd_done(&r))
		return ch_fail(d, CH_ERR_TRAILING, r.off, "bytes after the last partition (PFP 1.06, 10.2.5)");
	*gpt = out;
	return CH_OK;
}

bool ch_efi_gpt_entry(const struct ch_efi_gpt *gpt, size_t i, struct ch_efi_gpt_entry *e)
{
	memset(e, 0, sizeof(*e));
	if (i >= gpt->count)
		return false;
	struct ch_rd r = ch_rd(ch_span_sub(gpt->entries, i * gpt->entry_size, gpt->entry_size));
	take_guid(&r, &e->type);
	take_guid(&r, &e->unique);
	e->first_lba = ch_rd_le64(&r);
	e->last_lba = ch_rd_le64(&r);
	e->attributes = ch_rd_le64(&r);
	e->name = ch_rd_take(&r, NAME_SIZE);
	return !r.bad;
}
