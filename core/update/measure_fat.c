/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/fat.h"
#include "core/update/measure.h"

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 0x20) : c;
}

static bool same_text(struct ch_span s, struct ch_span small)
{
	if (s.n != small.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (lower(s.p[i]) != small.p[i])
			return false;
	}
	return true;
}

static bool is_efi(struct ch_span path)
{
	return path.n > 4 && same_text(ch_span_sub(path, path.n - 4, 4), CH_SPAN_LIT(".efi"));
}

/* EFI/BOOT/BOOT*.EFI */
static bool is_default(struct ch_span path)
{
	static const struct ch_span head = CH_SPAN_LIT("efi/boot/boot");
	return path.n > head.n && same_text(ch_span_sub(path, 0, head.n), head);
}

/* The path where it stays. */
static struct ch_span keep(struct ch_wr *names, struct ch_span path)
{
	size_t at = names->len;
	ch_wr_put(names, path);
	return names->bad ? CH_SPAN_EMPTY : ch_span(names->p + at, path.n);
}

static enum ch_err add_file(struct ch_measure *m, const struct ch_fat_file *f, struct ch_wr *names, struct ch_diag *d)
{
	const bool optional = m->optional;
	struct ch_span in = keep(names, f->path);
	if (in.n == 0)
		return ch_fail(d, CH_ERR_NOSPACE, 0, "more paths of EFI binaries than there is room for");
	m->optional = optional || !is_default(f->path);
	enum ch_err err = ch_measure_any(m, f->data, in, d);
	m->optional = optional;
	return err;
}

enum ch_err ch_measure_fat(struct ch_measure *m, struct ch_span volume, struct ch_wr *names, struct ch_diag *d)
{
	struct ch_fat fat;
	struct ch_fat_file f;
	const size_t count = m->count, notes = m->note_count;
	size_t found = 0;
	enum ch_err err = ch_fat_parse(&fat, volume, d);
	if (err != CH_OK)
		return err;
	struct ch_fat_iter it = ch_fat_files(&fat);
	while (err == CH_OK && ch_fat_next(&it, &f, d)) {
		if (!is_efi(f.path))
			continue;
		found++;
		err = add_file(m, &f, names, d);
	}
	if (err == CH_OK)
		err = it.err;
	if (err == CH_OK && found == 0)
		err = ch_fail(d, CH_ERR_MISSING, 0, "a volume without an EFI binary");
	if (err != CH_OK)
		m->count = count, m->note_count = notes;
	return err;
}
