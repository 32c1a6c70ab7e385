/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/efi.h"

#include "core/base/rd.h"
#include "core/base/text.h"

const struct ch_efi_guid ch_efi_global_variable = { { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0,
						      0x98, 0x03, 0x2b, 0x8c } };
const struct ch_efi_guid ch_efi_image_security = { { 0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0,
						     0x0e, 0x67, 0x65, 0x6f } };
const struct ch_efi_guid ch_efi_shim_lock = { { 0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab, 0xb6, 0x3d, 0xd8, 0x10,
						0xdd, 0x8b, 0x23 } };
const struct ch_efi_guid ch_efi_systemd_loader = { { 0x82, 0xb0, 0x67, 0x4a, 0x4c, 0x0a, 0xcf, 0x41, 0xb6, 0xc7, 0x44, 0x0b, 0x29, 0xbb, 0x8c, 0x4f } };
const struct ch_efi_guid ch_efi_cert_x509 = { { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b,
						0xf0, 0x72 } };
const struct ch_efi_guid ch_efi_cert_sha256 = { { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36,
						  0x93, 0x43, 0x28 } };

bool ch_efi_guid_eq(const struct ch_efi_guid *a, const struct ch_efi_guid *b)
{
	return ch_span_eq(CH_SPAN_OF(a->b), CH_SPAN_OF(b->b));
}

/* Position in the registry form of each byte on the wire. */
static const uint8_t guid_order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

void ch_efi_guid_put(struct ch_wr *w, const struct ch_efi_guid *guid)
{
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ch_wr_u8(w, '-');
		ch_wr_hex(w, ch_span(&guid->b[guid_order[i]], 1));
	}
}

enum ch_err ch_efi_guid_parse(struct ch_efi_guid *guid, struct ch_span text)
{
	struct ch_rd r = ch_rd(text);
	*guid = (struct ch_efi_guid){ { 0 } };
	if (text.n != 36)
		return CH_ERR_RANGE;
	for (size_t i = 0; i < 16; i++) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && ch_rd_u8(&r) != '-')
			return CH_ERR_ENCODING;
		if (ch_hex_decode(&guid->b[guid_order[i]], 1, ch_rd_take(&r, 2)) != CH_OK)
			return CH_ERR_ENCODING;
	}
	return CH_OK;
}

/* --- load options --- */

enum ch_err ch_efi_load_option_parse(struct ch_efi_load_option *lo, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	ch_diag_clear(d);
	*lo = (struct ch_efi_load_option){ 0 };
	uint32_t attributes = ch_rd_le32(&r);
	uint16_t path_size = ch_rd_le16(&r);
	size_t from = r.off;
	uint16_t c = 1;
	while (!r.bad && c != 0)
		c = ch_rd_le16(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, from, "EFI_LOAD_OPTION.Description has no end (UEFI 2.10, 3.1.3)");
	struct ch_span description = ch_span_sub(in, from, r.off - from - 2);
	struct ch_span path = ch_rd_take(&r, path_size);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "EFI_LOAD_OPTION.FilePathListLength runs past the end (UEFI 2.10, 3.1.3)");
	*lo = (struct ch_efi_load_option){
		.attributes = attributes, .description = description, .devpath = path, .optional = ch_rd_rest(&r)
	};
	return CH_OK;
}

/* --- signature databases --- */

#define SIGLIST_HEADER 28 /* EFI_SIGNATURE_LIST before its header and signatures */

struct siglist {
	struct ch_efi_guid type;
	size_t first; /* offset of the first signature */
	size_t end;
	size_t size; /* of one signature, owner included */
};

/* The list at `off`: true if it is whole and its signatures fill it. */
static bool siglist_at(struct ch_span in, size_t off, struct siglist *list, const char **rule)
{
	struct ch_rd r = ch_rd(ch_span_sub(in, off, in.n - off));
	ch_span_copy(list->type.b, sizeof(list->type.b), ch_rd_take(&r, 16));
	uint32_t whole = ch_rd_le32(&r);
	uint32_t header = ch_rd_le32(&r);
	uint32_t size = ch_rd_le32(&r);
	*rule = "EFI_SIGNATURE_LIST is cut short (UEFI 2.10, 32.4.1)";
	if (r.bad || whole > in.n - off)
		return false;
	*rule = "SignatureListSize does not hold its header and signatures (UEFI 2.10, 32.4.1)";
	if (whole < SIGLIST_HEADER || header > whole - SIGLIST_HEADER)
		return false;
	*rule = "SignatureSize does not hold an owner, or does not divide the list (UEFI 2.10, 32.4.1)";
	if (size < sizeof(struct ch_efi_guid) || (whole - SIGLIST_HEADER - header) % size != 0)
		return false;
	list->first = off + SIGLIST_HEADER + header;
	list->end = off + whole;
	list->size = size;
	return true;
}

enum ch_err ch_efi_siglist_check(struct ch_span in, struct ch_diag *d)
{
	struct siglist list;
	const char *rule;
	size_t count = 0;
	ch_diag_clear(d);
	for (size_t off = 0; off < in.n; off = list.end) {
		if (!siglist_at(in, off, &list, &rule))
			return ch_fail(d, CH_ERR_MALFORMED, off, rule);
		count += (list.end - list.first) / list.size;
		if (count > CH_SIGLIST_MAX)
			return ch_fail(d, CH_ERR_LIMIT, off, "more signatures than CH_SIGLIST_MAX");
	}
	return CH_OK;
}

struct ch_efi_siglist_iter ch_efi_siglist_iter(struct ch_span in)
{
	return (struct ch_efi_siglist_iter){ .in = in };
}

bool ch_efi_siglist_next(struct ch_efi_siglist_iter *it, struct ch_efi_sig *sig)
{
	while (it->sig_off == it->list_end) {
		struct siglist list;
		const char *rule;
		if (it->off >= it->in.n || !siglist_at(it->in, it->off, &list, &rule))
			return false;
		it->type = list.type;
		it->sig_off = list.first;
		it->sig_size = list.size;
		it->list_end = list.end;
		it->off = list.end;
	}
	struct ch_span entry = ch_span_sub(it->in, it->sig_off, it->sig_size);
	sig->type = it->type;
	sig->off = it->sig_off;
	ch_span_copy(sig->owner.b, sizeof(sig->owner.b), entry);
	sig->data = ch_span_sub(entry, sizeof(sig->owner.b), entry.n - sizeof(sig->owner.b));
	it->sig_off += it->sig_size;
	return true;
}

/* --- GPT --- */

#define GPT_HEADER 92
#define GPT_ENTRY  128

enum ch_err ch_efi_gpt_parse(struct ch_efi_gpt *gpt, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	ch_diag_clear(d);
	*gpt = (struct ch_efi_gpt){ 0 };
	struct ch_span header = ch_rd_take(&r, GPT_HEADER);
	uint64_t count = ch_rd_le64(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, r.off, "UEFI_GPT_DATA is cut short (PFP 1.06, 10.2.5)");
	if (!ch_span_starts(header, CH_SPAN_LIT("EFI PART")))
		return ch_fail(d, CH_ERR_MALFORMED, 0, "the GPT header has no signature \"EFI PART\" (UEFI 2.10, 5.3.2)");
	if (count > CH_GPT_ENTRIES_MAX)
		return ch_fail(d, CH_ERR_LIMIT, GPT_HEADER, "more partitions than CH_GPT_ENTRIES_MAX");
	struct ch_rd h = ch_rd(ch_span_sub(header, 56, 32));
	struct ch_efi_guid disk = { { 0 } };
	ch_span_copy(disk.b, sizeof(disk.b), ch_rd_take(&h, 16));
	(void)ch_rd_take(&h, 12);
	uint32_t entry_size = ch_rd_le32(&h);
	if (entry_size < GPT_ENTRY || entry_size > 4096)
		return ch_fail(d, CH_ERR_RANGE, 84, "SizeOfPartitionEntry is not 128 to 4096 (UEFI 2.10, 5.3.2)");
	struct ch_span entries = ch_rd_take(&r, (size_t)count * entry_size);
	if (!ch_rd_done(&r))
		return ch_fail(d, r.bad ? CH_ERR_TRUNCATED : CH_ERR_TRAILING, r.off,
			       "NumberOfPartitions does not fit the size of UEFI_GPT_DATA (PFP 1.06, 10.2.5)");
	*gpt = (struct ch_efi_gpt){ .disk = disk, .count = (size_t)count, .entries = entries, .entry_size = entry_size };
	return CH_OK;
}

bool ch_efi_gpt_entry(const struct ch_efi_gpt *gpt, size_t i, struct ch_efi_gpt_entry *e)
{
	if (i >= gpt->count)
		return false;
	struct ch_rd r = ch_rd(ch_span_sub(gpt->entries, i * gpt->entry_size, gpt->entry_size));
	ch_span_copy(e->type.b, sizeof(e->type.b), ch_rd_take(&r, 16));
	ch_span_copy(e->unique.b, sizeof(e->unique.b), ch_rd_take(&r, 16));
	e->first_lba = ch_rd_le64(&r);
	e->last_lba = ch_rd_le64(&r);
	e->attributes = ch_rd_le64(&r);
	e->name = ch_rd_take(&r, 72);
	return !r.bad;
}
