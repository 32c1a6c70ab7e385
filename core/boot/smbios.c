/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/smbios.h"

#include "core/base/rd.h"
#include "core/base/text.h"

#include <string.h>

#define HEADER_SIZE  4
#define END_OF_TABLE 127
#define GUID_SIZE    16

/* One structure: its formatted part, header included, and its strings, without the NUL that ends them. */
struct structure {
	uint8_t type;
	struct ch_span formatted;
	struct ch_span strings;
};

static struct structure take_structure(struct ch_rd *r)
{
	struct structure s = { 0 };
	size_t from = r->off;
	s.type = ch_rd_u8(r);
	size_t size = ch_rd_u8(r);
	if (size < HEADER_SIZE) {
		r->bad = true;
		return s;
	}
	(void)ch_rd_take(r, size - 2);
	s.formatted = ch_span_sub(r->in, from, size);
	/* strings, each with its NUL, and one NUL more; two NULs if there are none (6.1.3) */
	from = r->off;
	size_t left = ch_rd_left(r);
	const uint8_t *p = r->in.p + from;
	size_t n = 0;
	while (n + 2 <= left && (p[n] != 0 || p[n + 1] != 0))
		n++;
	s.strings = ch_span_sub(r->in, from, n + 1);
	(void)ch_rd_take(r, n + 2);
	return s;
}

enum ch_err ch_smbios_parse(struct ch_smbios *s, struct ch_span in, struct ch_diag *d)
{
	struct ch_rd r = ch_rd(in);
	ch_diag_clear(d);
	memset(s, 0, sizeof(*s));
	for (size_t n = 1; n <= CH_SMBIOS_STRUCTS_MAX; n++) {
		size_t off = r.off;
		struct structure one = take_structure(&r);
		if (r.bad)
			return ch_fail(d, CH_ERR_TRUNCATED, off,
				       "an SMBIOS structure is cut short (DSP0134 3.6, 6.1.2)");
		if (one.type != END_OF_TABLE)
			continue;
		if (!ch_rd_done(&r))
			return ch_fail(d, CH_ERR_TRAILING, r.off,
				       "bytes after SMBIOS's end-of-table structure (DSP0134 3.6, 7.45)");
		*s = (struct ch_smbios){ .in = in, .count = n };
		return CH_OK;
	}
	return ch_fail(d, CH_ERR_LIMIT, r.off, "more than 1024 SMBIOS structures");
}

enum ch_err ch_smbios_of_event(struct ch_smbios *s, const struct ch_tcg_what *what, struct ch_diag *d)
{
	memset(s, 0, sizeof(*s));
	bool smbios =
		ch_efi_guid_eq(&what->guid, &ch_efi_smbios_table) || ch_efi_guid_eq(&what->guid, &ch_efi_smbios3_table);
	/* {GUID, address} has 24 bytes */
	if (what->kind != CH_TCG_TABLES || what->length != 1 || !smbios || what->value.n <= GUID_SIZE + 8)
		return ch_fail(d, CH_ERR_NOTFOUND, 0, "the event does not hold an SMBIOS table");
	return ch_smbios_parse(s, ch_span_sub(what->value, GUID_SIZE, what->value.n - GUID_SIZE), d);
}

/* --- fields (DSP0134 3.6, 7.1 to 7.4) --- */

#define UUID_AT 8

static const struct field {
	const char *name;
	uint8_t type;
	uint8_t at; /* offset in the structure of the number of its string */
} field[] = {
	{ "bios-vendor", 0, 4 },
	{ "bios-version", 0, 5 },
	{ "bios-release-date", 0, 8 },
	{ "system-manufacturer", 1, 4 },
	{ "system-product-name", 1, 5 },
	{ "system-version", 1, 6 },
	{ "system-serial-number", 1, 7 },
	{ "system-uuid", 1, UUID_AT },
	{ "system-sku-number", 1, 25 },
	{ "system-family", 1, 26 },
	{ "baseboard-manufacturer", 2, 4 },
	{ "baseboard-product-name", 2, 5 },
	{ "baseboard-version", 2, 6 },
	{ "baseboard-serial-number", 2, 7 },
	{ "baseboard-asset-tag", 2, 8 },
	{ "chassis-manufacturer", 3, 4 },
	{ "chassis-version", 3, 6 },
	{ "chassis-serial-number", 3, 7 },
	{ "chassis-asset-tag", 3, 8 },
};

static const struct field *find(struct ch_span name)
{
	for (size_t i = 0; i < CH_COUNT_OF(field); i++) {
		if (ch_span_eq(name, ch_span_str(field[i].name)))
			return &field[i];
	}
	return NULL;
}

bool ch_smbios_is_field(struct ch_span name)
{
	return find(name) != NULL;
}

/* String `number`, from 1; empty if there is none. */
static struct ch_span string_of(const struct structure *s, uint8_t number)
{
	size_t from = 0;
	for (size_t i = 1; i <= number && from < s->strings.n; i++) {
		size_t to = from;
		while (to < s->strings.n && s->strings.p[to] != 0)
			to++;
		if (i == number)
			return ch_span_sub(s->strings, from, to - from);
		from = to + 1;
	}
	return CH_SPAN_EMPTY;
}

bool ch_smbios_field_put(const struct ch_smbios *s, struct ch_span name, struct ch_wr *w)
{
	const struct field *f = find(name);
	struct ch_rd r = ch_rd(s->in);
	for (size_t i = 0; f != NULL && i < s->count; i++) {
		struct structure one = take_structure(&r);
		if (one.type != f->type)
			continue;
		if (f->type == 1 && f->at == UUID_AT) {
			struct ch_efi_guid uuid = { { 0 } };
			struct ch_span bytes = ch_span_sub(one.formatted, UUID_AT, sizeof(uuid.b));
			if (ch_span_copy(uuid.b, sizeof(uuid.b), bytes) != sizeof(uuid.b))
				return false;
			ch_efi_guid_put(w, &uuid);
			return true;
		}
		if (f->at >= one.formatted.n)
			return false;
		ch_text_escape(w, string_of(&one, one.formatted.p[f->at]));
		return true;
	}
	return false;
}
