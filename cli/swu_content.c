/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/swu_content.h"

#include "core/update/fat.h"
#include "host/inflate/inflate.h"

#define CONTENT_MAX ((uint64_t)1 << 30)

static const struct ch_swu_file *file_of(const struct cli_swu *s, size_t i)
{
	return ch_swu_find(&s->swu, ch_span_str(s->description.image[i].filename));
}

/* What is installed; empty if it cannot be told. */
static struct ch_span content_of(const struct cli_swu *s, size_t i)
{
	const struct ch_swu_image *image = &s->description.image[i];
	if (image->encrypted || image->packing == CH_SWU_OTHER)
		return CH_SPAN_EMPTY;
	return image->packing == CH_SWU_ZLIB ? ch_buf_span(&s->content[i]) : file_of(s, i)->data;
}

static bool is_efi(const struct cli_swu *s, size_t i)
{
	return ch_span_starts(content_of(s, i), CH_SPAN_LIT("MZ"));
}

static void take_content(void *ctx, struct ch_span piece)
{
	ch_buf_append(ctx, piece);
}

static enum ch_err inflate_image(struct cli_swu *s, size_t i, struct ch_diag *d)
{
	const struct ch_swu_image *image = &s->description.image[i];
	if (image->encrypted || image->packing != CH_SWU_ZLIB)
		return CH_OK;
	switch (ch_inflate(CH_INFLATE_GZIP, file_of(s, i)->data, CONTENT_MAX, take_content, &s->content[i])) {
	case CH_OK:
		return CH_OK;
	case CH_ERR_UNSUPPORTED:
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "this build has no zlib");
	case CH_ERR_LIMIT:
		return ch_fail(d, CH_ERR_LIMIT, 0, "a file of more than 1 GiB when it is inflated");
	default:
		return ch_fail(d, CH_ERR_MALFORMED, 0, "a compressed file that zlib refuses (gzip)");
	}
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
	struct ch_span bytes = content_of(s, i);
	struct ch_fat fat;
	if (image->packing == CH_SWU_OTHER || image->encrypted) {
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
			err = inflate_image(s, i, d);
		if (err != CH_OK)
			d->item = i;
	}
	/* All are known by now: how many may boot decides what is required. */
	for (size_t i = 0; err == CH_OK && i < s->description.image_count; i++) {
		err = measure_image(s, i, m, d);
		if (err != CH_OK)
			d->item = i;
	}
	if (err == CH_OK)
		count_unnamed(s);
	return err;
}

void cli_swu_clear(struct cli_swu *s)
{
	for (size_t i = 0; i < CH_SWU_IMAGES_MAX; i++)
		ch_buf_free(&s->content[i]);
}
