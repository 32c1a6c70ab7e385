/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/swu_content.h"

#include "core/update/fat.h"

static const struct ch_swu_file *file_of(const struct cli_swu *s, size_t i)
{
	return ch_swu_find(&s->swu, ch_span_str(s->description.image[i].filename));
}

static bool is_efi(const struct cli_swu *s, size_t i)
{
	const struct ch_swu_image *image = &s->description.image[i];
	const struct ch_swu_file *f = file_of(s, i);
	return f != NULL && !image->compressed && !image->encrypted && ch_span_starts(f->data, CH_SPAN_LIT("MZ"));
}

/* With signatures SWUpdate takes nothing without a hash: else the signature would not cover it. */
static enum ch_err check_image(struct cli_swu *s, size_t i, struct ch_diag *d)
{
	const struct ch_swu_image *image = &s->description.image[i];
	const struct ch_swu_file *f = file_of(s, i);
	struct ch_digest sha256;
	if (f == NULL)
		return ch_fail(d, CH_ERR_MISSING, 0, "a file that the description names is not there (SWUpdate)");
	if (ch_hash_once(CH_HASH_SHA256, f->data, &sha256) != CH_OK)
		return ch_fail(d, CH_ERR_CRYPTO, 0, "a hash cannot be computed");
	s->size[i] = f->data.n;
	(void)ch_span_copy(s->sha256[i], 32, ch_digest_span(&sha256));
	if (image->has_sha256 && !ch_span_eq(ch_digest_span(&sha256), CH_SPAN_OF(image->sha256)))
		return ch_fail(d, CH_ERR_MISMATCH, 0, "a file is not the one that the description names (sha256)");
	if (!image->has_sha256 && s->swu.signature.n > 0)
		return ch_fail(d, CH_ERR_MISSING, 0,
			       "an entry without sha256 in a signed description: nothing covers the file");
	return CH_OK;
}

static enum ch_err measure_volume(struct cli_swu *s, size_t i, struct ch_measure *m, struct ch_span bytes,
				  struct ch_diag *d)
{
	struct ch_wr names = ch_wr(s->names, sizeof(s->names));
	names.len = s->names_n;
	enum ch_err err = ch_measure_fat(m, bytes, &names, d);
	s->names_n = names.len;
	s->holds[i] = err == CH_ERR_MISSING ? "FAT volume without EFI binaries" : "FAT volume with EFI binaries";
	if (err != CH_ERR_MISSING)
		return err;
	ch_diag_clear(d);
	return CH_OK;
}

/* Of several EFI binaries nobody can say which one boots. */
static enum ch_err measure_binary(struct cli_swu *s, size_t i, struct ch_measure *m, struct ch_span bytes,
				  struct ch_diag *d)
{
	size_t binaries = 0;
	for (size_t k = 0; k < s->description.image_count; k++)
		binaries += is_efi(s, k) && file_of(s, k) != file_of(s, i);
	s->holds[i] = "EFI binary";
	m->optional = binaries > 0;
	enum ch_err err = ch_measure_any(m, bytes, file_of(s, i)->name, d);
	m->optional = false;
	return err;
}

static enum ch_err measure_image(struct cli_swu *s, size_t i, struct ch_measure *m, struct ch_diag *d)
{
	const struct ch_swu_image *image = &s->description.image[i];
	struct ch_span bytes = file_of(s, i)->data;
	struct ch_fat fat;
	if (image->compressed || image->encrypted) {
		s->holds[i] = image->encrypted ? "encrypted: not looked into" : "compressed: not looked into";
		ch_measure_note(m, image->encrypted ? "what is in an encrypted file" : "what is in a compressed file");
		return CH_OK;
	}
	if (is_efi(s, i))
		return measure_binary(s, i, m, bytes, d);
	if (ch_fat_parse(&fat, bytes, NULL) == CH_OK)
		return measure_volume(s, i, m, bytes, d);
	s->holds[i] = "neither a FAT volume nor an EFI binary: not looked into";
	return CH_OK;
}

static void count_unnamed(struct cli_swu *s)
{
	for (size_t k = 0; k < s->swu.count; k++) {
		bool named = false;
		for (size_t i = 0; i < s->description.image_count; i++)
			named = named || file_of(s, i) == &s->swu.file[k];
		s->unnamed += !named;
	}
}

enum ch_err cli_swu_read(struct cli_swu *s, struct ch_measure *m, struct ch_span file, struct ch_diag *d)
{
	enum ch_err err = ch_swu_parse(&s->swu, file, d);
	if (err == CH_OK)
		err = ch_swu_description_parse(&s->description, s->swu.description, d);
	for (size_t i = 0; err == CH_OK && i < s->description.image_count; i++) {
		err = check_image(s, i, d);
		if (err == CH_OK)
			err = measure_image(s, i, m, d);
		if (err != CH_OK)
			d->item = i;
	}
	if (err == CH_OK)
		count_unnamed(s);
	return err;
}
