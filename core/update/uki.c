/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/uki.h"

#include <string.h>

#define STUB_MAJOR 252
#define MARK       ".sdmagic"

const char *ch_uki_part_str(enum ch_uki_part part)
{
	static const char *const name[CH_UKI_PART_COUNT] = {
		".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrsig", ".pcrpkey",
	};
	return name[part];
}

static const struct ch_pe_section *section_of(const struct ch_pe *pe, struct ch_span name)
{
	for (size_t i = 0; i < pe->section_count; i++) {
		if (ch_span_eq(pe->section[i].name, name))
			return &pe->section[i];
	}
	return NULL;
}

bool ch_uki_is(const struct ch_pe *pe)
{
	return section_of(pe, CH_SPAN_LIT(".linux")) != NULL;
}

/* "#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####", and a NUL or not */
static enum ch_err parse_mark(struct ch_uki *u, struct ch_diag *d)
{
	static const struct ch_span head = CH_SPAN_LIT("#### LoaderInfo: systemd-stub "), tail = CH_SPAN_LIT(" ####");
	const struct ch_pe_section *s = section_of(&u->pe, CH_SPAN_LIT(MARK));
	if (s == NULL)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "no .sdmagic: the stub is not systemd's");
	struct ch_span text = ch_span_sub(s->raw, 0, s->vsize < s->raw.n ? s->vsize : s->raw.n);
	while (text.n > 0 && text.p[text.n - 1] == 0)
		text.n--;
	if (!ch_span_starts(text, head) || text.n < head.n + tail.n ||
	    !ch_span_eq(ch_span_sub(text, text.n - tail.n, tail.n), tail))
		return ch_fail(d, CH_ERR_UNSUPPORTED, s->raw_off, ".sdmagic does not name systemd-stub");
	u->stub = ch_span_sub(text, head.n, text.n - head.n - tail.n);
	for (size_t i = 0; i < u->stub.n && i < 5 && u->stub.p[i] >= '0' && u->stub.p[i] <= '9'; i++)
		u->stub_major = u->stub_major * 10 + (uint32_t)(u->stub.p[i] - '0');
	if (u->stub_major != STUB_MAJOR)
		return ch_fail(d, CH_ERR_UNSUPPORTED, s->raw_off,
			       "systemd-stub of another version than 252: how it measures is not known here");
	return CH_OK;
}

/* The part that the stub would take a section for: it compares only as many bytes as the part's name has. */
static enum ch_uki_part part_of(struct ch_span name)
{
	for (int i = 0; i < CH_UKI_PART_COUNT; i++) {
		if (ch_span_starts(name, ch_span_str(ch_uki_part_str((enum ch_uki_part)i))))
			return (enum ch_uki_part)i;
	}
	return CH_UKI_PART_COUNT;
}

static enum ch_err take_part(struct ch_uki *u, const struct ch_pe_section *s, struct ch_diag *d)
{
	enum ch_uki_part part = part_of(s->name);
	if (part == CH_UKI_PART_COUNT)
		return CH_OK;
	if (s->name.n != strlen(ch_uki_part_str(part)))
		return ch_fail(
			d, CH_ERR_UNSUPPORTED, s->raw_off,
			"a section whose name goes on after that of a part: systemd-stub 252 takes it for that part");
	if (u->part[part].n > 0)
		return ch_fail(d, CH_ERR_DUPLICATE, s->raw_off, "a part that is there twice (UAPI.5)");
	if (s->vsize > s->raw.n)
		return ch_fail(d, CH_ERR_UNSUPPORTED, s->raw_off,
			       "a part that is larger in memory than in the file (UAPI.5)");
	u->part[part] = ch_span_sub(s->raw, 0, s->vsize);
	return CH_OK;
}

static bool overlap(const struct ch_pe_section *a, const struct ch_pe_section *b)
{
	uint64_t a_end = (uint64_t)a->vaddr + a->vsize, b_end = (uint64_t)b->vaddr + b->vsize;
	return a->vsize > 0 && b->vsize > 0 && a->vaddr < b_end && b->vaddr < a_end;
}

/* What is in memory is what is measured: no section may lie over another, or past the image. */
static enum ch_err check_memory(const struct ch_pe *pe, struct ch_diag *d)
{
	for (size_t i = 0; i < pe->section_count; i++) {
		const struct ch_pe_section *s = &pe->section[i];
		d->item = i;
		if ((uint64_t)s->vaddr + s->vsize > pe->image_size)
			return ch_fail(d, CH_ERR_RANGE, s->raw_off, "a section reaches past SizeOfImage (PE/COFF)");
		for (size_t k = 0; k < i; k++) {
			if (overlap(s, &pe->section[k]))
				return ch_fail(d, CH_ERR_MALFORMED, s->raw_off, "sections overlap in memory (PE/COFF)");
		}
	}
	d->item = CH_ITEM_NONE;
	return CH_OK;
}

static enum ch_err parse_parts(struct ch_uki *u, struct ch_diag *d)
{
	enum ch_err err = CH_OK;
	for (size_t i = 0; err == CH_OK && i < u->pe.section_count; i++) {
		d->item = i;
		err = take_part(u, &u->pe.section[i], d);
	}
	if (err != CH_OK)
		return err;
	d->item = CH_ITEM_NONE;
	if (u->part[CH_UKI_LINUX].n == 0)
		return ch_fail(d, CH_ERR_MISSING, 0, "no section .linux (UAPI.5)");
	return CH_OK;
}

enum ch_err ch_uki_parse(struct ch_uki *u, struct ch_span file, struct ch_diag *d)
{
	struct ch_diag unused;
	if (d == NULL)
		d = &unused;
	*u = (struct ch_uki){ .stub_major = 0 };
	enum ch_err err = ch_pe_parse(&u->pe, file, d);
	if (err == CH_OK)
		err = check_memory(&u->pe, d);
	if (err == CH_OK)
		err = parse_mark(u, d);
	if (err == CH_OK)
		err = parse_parts(u, d);
	if (err != CH_OK)
		*u = (struct ch_uki){ .stub_major = 0 };
	return err;
}
