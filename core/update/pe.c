/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/pe.h"

#include "core/base/rd.h"

#define MAGIC_PE32      0x10b
#define MAGIC_PE32_PLUS 0x20b
#define CERT_DIRECTORY  4 /* index of the certificate table among the data directories */
#define CERT_HEAD       8 /* dwLength, wRevision, wCertificateType */

struct names {
	uint16_t number;
	const char *name;
};

static const char *name_of(const struct names *table, size_t count, uint16_t number)
{
	for (size_t i = 0; i < count; i++) {
		if (table[i].number == number)
			return table[i].name;
	}
	return NULL;
}

const char *ch_pe_machine_str(uint16_t machine)
{
	static const struct names table[] = {
		{ 0x8664, "x64" }, { 0x014c, "ia32" },    { 0xaa64, "aa64" },
		{ 0x01c2, "arm" }, { 0x5064, "riscv64" }, { 0x6264, "loongarch64" },
	};
	return name_of(table, CH_COUNT_OF(table), machine);
}

const char *ch_pe_subsystem_str(uint16_t subsystem)
{
	static const struct names table[] = {
		{ CH_PE_APPLICATION, "application" },
		{ CH_PE_BOOT_DRIVER, "boot service driver" },
		{ CH_PE_RUNTIME_DRIVER, "runtime driver" },
	};
	return name_of(table, CH_COUNT_OF(table), subsystem);
}

/* --- headers --- */

struct head {
	uint16_t sections;
	size_t table_off; /* of the section table */
	uint32_t cert_off, cert_size;
};

static enum ch_err parse_coff(struct ch_pe *pe, struct head *h, size_t *optional, uint16_t *size, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(pe->file);
	struct ch_span mz = ch_rd_take(&r, 2);
	(void)ch_rd_take(&r, 0x3c - 2);
	size_t pe_off = ch_rd_le32(&r);
	if (r.bad || !ch_span_eq(mz, CH_SPAN_LIT("MZ")))
		return ch_fail(d, r.bad ? CH_ERR_TRUNCATED : CH_ERR_MALFORMED, 0,
			       "no MS-DOS header (PE/COFF, MS-DOS Stub)");
	if (pe_off < 0x40 || pe_off > pe->file.n)
		return ch_fail(d, CH_ERR_RANGE, 0x3c, "the PE header is not in the file (PE/COFF, MS-DOS Stub)");
	r = ch_rd(pe->file);
	(void)ch_rd_take(&r, pe_off);
	struct ch_span signature = ch_rd_take(&r, 4);
	pe->machine = ch_rd_le16(&r);
	h->sections = ch_rd_le16(&r);
	(void)ch_rd_take(&r, 12); /* time, symbols: nothing that is loaded */
	*size = ch_rd_le16(&r);
	(void)ch_rd_le16(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, pe_off, "the COFF header is cut (PE/COFF, COFF File Header)");
	if (!ch_span_eq(signature, CH_SPAN_LIT("PE\0\0")))
		return ch_fail(d, CH_ERR_MALFORMED, pe_off, "no PE signature (PE/COFF, Signature)");
	if (h->sections > CH_PE_SECTIONS_MAX)
		return ch_fail(d, CH_ERR_LIMIT, pe_off + 6, "more than 96 sections (PE/COFF, COFF File Header)");
	*optional = r.off;
	h->table_off = r.off + *size;
	return CH_OK;
}

static enum ch_err parse_optional(struct ch_pe *pe, struct head *h, size_t at, uint16_t size, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(ch_span_sub(pe->file, at, size));
	uint16_t magic = ch_rd_le16(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, at, "the optional header is cut (PE/COFF, Optional Header)");
	if (magic != MAGIC_PE32 && magic != MAGIC_PE32_PLUS)
		return ch_fail(d, CH_ERR_UNSUPPORTED, at, "neither PE32 nor PE32+ (PE/COFF, Optional Header)");
	pe->plus = magic == MAGIC_PE32_PLUS;
	(void)ch_rd_take(&r,
			 54); /* to SizeOfImage: the base is 4 or 8 bytes, with BaseOfData before it where it is 4 */
	pe->image_size = ch_rd_le32(&r);
	pe->header_size = ch_rd_le32(&r);
	pe->checksum_off = at + r.off;
	(void)ch_rd_le32(&r);
	pe->subsystem = ch_rd_le16(&r);
	(void)ch_rd_le16(&r);
	(void)ch_rd_take(&r, pe->plus ? 36 : 20);
	uint32_t directories = ch_rd_le32(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, at, "the optional header is cut (PE/COFF, Optional Header)");
	if (directories > CH_PE_DIRECTORIES_MAX || (uint64_t)directories * 8 > ch_rd_left(&r))
		return ch_fail(d, CH_ERR_RANGE, at + r.off - 4,
			       "more data directories than the header holds (PE/COFF, Optional Header)");
	if (directories > CERT_DIRECTORY) {
		(void)ch_rd_take(&r, (size_t)CERT_DIRECTORY * 8);
		pe->cert_dir_off = at + r.off;
		h->cert_off = ch_rd_le32(&r);
		h->cert_size = ch_rd_le32(&r);
	}
	return CH_OK;
}

/* --- sections --- */

static struct ch_span section_name(struct ch_span eight)
{
	while (eight.n > 0 && eight.p[eight.n - 1] == 0)
		eight.n--;
	return eight;
}

static enum ch_err parse_section(struct ch_pe *pe, struct ch_pe_section *s, struct ch_rd *r, struct ch_diag *d)
{
	size_t at = r->off;
	s->name = section_name(ch_rd_take(r, 8));
	s->vsize = ch_rd_le32(r);
	s->vaddr = ch_rd_le32(r);
	uint32_t raw_size = ch_rd_le32(r);
	uint32_t raw_off = ch_rd_le32(r);
	(void)ch_rd_take(r, 12); /* relocations and line numbers, of object files only */
	s->flags = ch_rd_le32(r);
	if (r->bad)
		return ch_fail(d, CH_ERR_TRUNCATED, at, "the section table is cut (PE/COFF, Section Table)");
	if (raw_size == 0)
		return CH_OK;
	if (raw_off < pe->header_size)
		return ch_fail(d, CH_ERR_MALFORMED, at,
			       "a section's data lies in the headers (PE/COFF, Section Table)");
	s->raw_off = raw_off;
	s->raw = ch_span_sub(pe->file, raw_off, raw_size);
	if (s->raw.n != raw_size)
		return ch_fail(d, CH_ERR_RANGE, at, "a section's data is not in the file (PE/COFF, Section Table)");
	return CH_OK;
}

/* By place in the file; those without data come first, and add nothing. */
static void sort(struct ch_pe *pe)
{
	for (size_t i = 0; i < pe->section_count; i++) {
		size_t k = i;
		for (; k > 0 && pe->section[pe->order[k - 1]].raw_off > pe->section[i].raw_off; k--)
			pe->order[k] = pe->order[k - 1];
		pe->order[k] = (uint8_t)i;
	}
}

static enum ch_err parse_sections(struct ch_pe *pe, const struct head *h, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(pe->file);
	(void)ch_rd_take(&r, h->table_off);
	for (size_t i = 0; i < h->sections; i++) {
		d->item = i;
		enum ch_err err = parse_section(pe, &pe->section[i], &r, d);
		if (err != CH_OK)
			return err;
	}
	d->item = CH_ITEM_NONE;
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, h->table_off, "the section table is cut (PE/COFF, Section Table)");
	if (pe->header_size < r.off || pe->header_size > pe->file.n)
		return ch_fail(
			d, CH_ERR_RANGE, pe->checksum_off - 4,
			"SizeOfHeaders does not reach over the section table, or past the file (PE/COFF, Optional Header)");
	pe->section_count = h->sections;
	sort(pe);
	size_t end = pe->header_size;
	for (size_t i = 0; i < pe->section_count; i++) {
		const struct ch_pe_section *s = &pe->section[pe->order[i]];
		if (s->raw.n == 0)
			continue;
		if (s->raw_off < end) {
			d->item = pe->order[i];
			return ch_fail(d, CH_ERR_MALFORMED, s->raw_off,
				       "sections overlap in the file (PE/COFF, Section Table)");
		}
		end = s->raw_off + s->raw.n;
	}
	return CH_OK;
}

/* --- attribute certificates --- */

/* Bytes that a certificate of dwLength `n` takes: entries start on multiples of 8; behind the last one nothing need be. */
static size_t cert_room(size_t n, size_t left)
{
	size_t padded = (n + 7) / 8 * 8;
	return padded > left ? left : padded;
}

static bool cert_next(struct ch_rd *r, struct ch_pe_cert *c)
{
	size_t left = ch_rd_left(r);
	if (left == 0)
		return false;
	uint32_t n = ch_rd_le32(r);
	c->revision = ch_rd_le16(r);
	c->type = ch_rd_le16(r);
	if (r->bad || n < CERT_HEAD || n > left) {
		r->bad = true;
		return false;
	}
	c->body = ch_rd_take(r, n - CERT_HEAD);
	if (!ch_span_all(ch_rd_take(r, cert_room(n, left) - n), 0))
		r->bad = true;
	return !r->bad;
}

bool ch_pe_cert(const struct ch_pe *pe, size_t i, struct ch_pe_cert *c)
{
	struct ch_rd r = ch_rd(pe->certs);
	for (size_t k = 0; k < CH_PE_CERTS_MAX && cert_next(&r, c); k++) {
		if (k == i)
			return true;
	}
	*c = (struct ch_pe_cert){ 0 };
	return false;
}

/* What the hash covers one after the other: headers and sections. */
static uint64_t hashed(const struct ch_pe *pe)
{
	uint64_t sum = pe->header_size;
	for (size_t i = 0; i < pe->section_count; i++)
		sum += pe->section[i].raw.n;
	return sum;
}

static enum ch_err parse_certs(struct ch_pe *pe, const struct head *h, struct ch_diag *d)
{
	struct ch_pe_cert c;
	size_t at = pe->cert_dir_off;
	if (h->cert_off == 0 && h->cert_size == 0)
		return CH_OK;
	if (h->cert_off % 8 != 0 || (uint64_t)h->cert_off + h->cert_size != pe->file.n || h->cert_size < CERT_HEAD)
		return ch_fail(
			d, CH_ERR_MALFORMED, at,
			"the certificate table is not the end of the file (PE/COFF, Attribute Certificate Table)");
	if (h->cert_off < hashed(pe))
		return ch_fail(d, CH_ERR_MALFORMED, at,
			       "the certificate table lies in what is hashed (PE/COFF, Attribute Certificate Table)");
	for (size_t i = 0; i < pe->section_count; i++) {
		if (pe->section[i].raw.n > 0 && pe->section[i].raw_off + pe->section[i].raw.n > h->cert_off)
			return ch_fail(
				d, CH_ERR_MALFORMED, at,
				"the certificate table lies in a section (PE/COFF, Attribute Certificate Table)");
	}
	struct ch_span table = ch_span_sub(pe->file, h->cert_off, h->cert_size);
	struct ch_rd r = ch_rd(table);
	size_t count = 0;
	while (count <= CH_PE_CERTS_MAX && cert_next(&r, &c))
		count++;
	d->item = count;
	if (count > CH_PE_CERTS_MAX)
		return ch_fail(d, CH_ERR_LIMIT, h->cert_off, "more than 16 certificates");
	if (!ch_rd_done(&r))
		return ch_fail(
			d, CH_ERR_MALFORMED, h->cert_off + r.off,
			"a certificate is longer than its table, or what pads it is not zero (PE/COFF, Attribute Certificate Table)");
	d->item = CH_ITEM_NONE;
	pe->certs = table;
	return CH_OK;
}

enum ch_err ch_pe_parse(struct ch_pe *pe, struct ch_span file, struct ch_diag *d)
{
	struct ch_diag unused;
	struct head h = { 0 };
	size_t optional = 0;
	uint16_t size = 0;
	if (d == NULL)
		d = &unused;
	ch_diag_clear(d);
	*pe = (struct ch_pe){ .file = file };
	enum ch_err err = file.n <= UINT32_MAX
				  ? parse_coff(pe, &h, &optional, &size, d)
				  : ch_fail(d, CH_ERR_LIMIT, 0, "larger than 4 GiB, which no offset reaches over");
	if (err == CH_OK)
		err = parse_optional(pe, &h, optional, size, d);
	if (err == CH_OK)
		err = parse_sections(pe, &h, d);
	if (err == CH_OK)
		err = parse_certs(pe, &h, d);
	if (err != CH_OK)
		*pe = (struct ch_pe){ 0 };
	return err;
}

/* --- the hash --- */

static void hash_range(struct ch_hash *h, const struct ch_pe *pe, size_t from, size_t to)
{
	ch_hash_update(h, ch_span_sub(pe->file, from, to - from));
}

enum ch_err ch_pe_hash(const struct ch_pe *pe, enum ch_hash_alg alg, struct ch_digest *out)
{
	struct ch_hash h;
	size_t skip = pe->checksum_off + 4, end = pe->file.n - pe->certs.n;
	uint64_t sum = hashed(pe);
	*out = (struct ch_digest){ 0 };
	enum ch_err err = ch_hash_init(&h, alg);
	if (err != CH_OK)
		return err;
	hash_range(&h, pe, 0, pe->checksum_off);
	if (pe->cert_dir_off != 0) {
		hash_range(&h, pe, skip, pe->cert_dir_off);
		skip = pe->cert_dir_off + 8;
	}
	hash_range(&h, pe, skip, pe->header_size);
	for (size_t i = 0; i < pe->section_count; i++)
		ch_hash_update(&h, pe->section[pe->order[i]].raw);
	if (end > sum)
		hash_range(&h, pe, (size_t)sum, end);
	ch_hash_final(&h, out);
	return CH_OK;
}
