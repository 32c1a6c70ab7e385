/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rauc_content.h"

#include "core/update/fat.h"
#include "core/update/verity.h"
#include "host/squashfs/squashfs.h"

#define IMAGE_MAX ((size_t)1 << 30)

static enum ch_err read_file(struct ch_buf *to, const struct cli_rauc *r, struct ch_span name, size_t max,
			     struct ch_diag *d)
{
	char text[CH_RELEASE_FILE_NAME_MAX + 1];
	text[ch_span_copy(text, sizeof(text) - 1, name)] = '\0';
	if (!ch_squashfs_available())
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "this build has no libsquashfs");
	switch (ch_squashfs_read(to, r->bundle.content, text, max)) {
	case CH_OK:
		return CH_OK;
	case CH_ERR_NOTFOUND:
		return ch_fail(d, CH_ERR_MISSING, 0, "a file that the manifest names is not in the bundle");
	case CH_ERR_LIMIT:
		return ch_fail(d, CH_ERR_LIMIT, 0, "a file of the bundle is too large to look into (1 GiB)");
	case CH_ERR_UNSUPPORTED:
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "a squashfs with a compression that is not known");
	default:
		return ch_fail(d, CH_ERR_MALFORMED, 0, "the squashfs is damaged");
	}
}

static enum ch_err read_manifest(struct cli_rauc *r, struct ch_diag *d)
{
	bool inside = r->bundle.manifest.n > 0;
	if (!inside) {
		enum ch_err err =
			read_file(&r->manifest_text, r, CH_SPAN_LIT("manifest.raucm"), CH_RAUC_MANIFEST_MAX, d);
		if (err != CH_OK)
			return err;
	}
	enum ch_err err =
		ch_rauc_manifest_parse(&r->manifest, inside ? r->bundle.manifest : ch_buf_span(&r->manifest_text), d);
	if (err == CH_OK && inside != (r->manifest.format == CH_RAUC_VERITY))
		err = ch_fail(d, CH_ERR_MALFORMED, 0, "the manifest is not where its format has it (RAUC bundle)");
	if (err == CH_OK && r->manifest.verity_size >= r->bundle.content.n)
		err = ch_fail(d, CH_ERR_RANGE, 0, "a hash tree larger than the bundle (RAUC manifest)");
	return err;
}

/* RAUC 1.8, "verity Format": blocks of 4096 bytes, the tree behind the data, no superblock. */
static enum ch_err check_verity(const struct cli_rauc *r, struct ch_diag *d)
{
	const struct ch_rauc_manifest *m = &r->manifest;
	struct ch_span data = ch_span_sub(r->bundle.content, 0, r->bundle.content.n - (size_t)m->verity_size);
	struct ch_verity v = {
		.data_block = 4096, .hash_block = 4096, .blocks = data.n / 4096, .salt_n = sizeof(m->verity_salt)
	};
	uint8_t root[32];
	(void)ch_span_copy(v.salt, sizeof(v.salt), CH_SPAN_OF(m->verity_salt));
	enum ch_err err = ch_verity_root(&v, data, root, d);
	if (err == CH_OK && ch_verity_tree_size(&v) != m->verity_size)
		err = ch_fail(d, CH_ERR_MISMATCH, 0, "the hash tree is not as large as one of this data (verity-size)");
	if (err == CH_OK && !ch_span_eq(CH_SPAN_OF(root), CH_SPAN_OF(m->verity_hash)))
		err = ch_fail(d, CH_ERR_MISMATCH, 0,
			      "the root hash of the bundle is not the one that the manifest names (verity-hash)");
	return err;
}

static enum ch_err measure_image(struct cli_rauc *r, size_t i, struct ch_measure *m, struct ch_span bytes,
				 struct ch_diag *d)
{
	const struct ch_rauc_image *image = &r->manifest.image[i];
	struct ch_digest sha256;
	struct ch_fat fat;
	if (ch_hash_once(CH_HASH_SHA256, bytes, &sha256) != CH_OK)
		return ch_fail(d, CH_ERR_CRYPTO, 0, "a hash cannot be computed");
	r->size[i] = bytes.n;
	(void)ch_span_copy(r->sha256[i], 32, ch_digest_span(&sha256));
	if (image->has_sha256 && !ch_span_eq(ch_digest_span(&sha256), CH_SPAN_OF(image->sha256)))
		return ch_fail(d, CH_ERR_MISMATCH, 0, "an image is not the one that the manifest names (sha256)");
	r->holds[i] = "no FAT volume: not looked into";
	if (ch_fat_parse(&fat, bytes, NULL) != CH_OK)
		return CH_OK;
	struct ch_wr names = ch_wr(r->names, sizeof(r->names));
	names.len = r->names_n;
	enum ch_err err = ch_measure_fat(m, bytes, &names, d);
	r->names_n = names.len;
	r->holds[i] = err == CH_ERR_MISSING ? "FAT volume without EFI binaries" : "FAT volume with EFI binaries";
	return err == CH_ERR_MISSING ? CH_OK : err;
}

enum ch_err cli_rauc_read(struct cli_rauc *r, struct ch_measure *m, struct ch_span file, struct ch_diag *d)
{
	enum ch_err err = ch_rauc_bundle_parse(&r->bundle, file, d);
	if (err == CH_OK)
		err = read_manifest(r, d);
	if (err == CH_OK && r->manifest.format == CH_RAUC_VERITY)
		err = check_verity(r, d);
	for (size_t i = 0; err == CH_OK && i < r->manifest.image_count; i++) {
		CH_AUTO_BUF struct ch_buf bytes = { 0 };
		err = read_file(&bytes, r, r->manifest.image[i].filename, IMAGE_MAX, d);
		if (err == CH_OK)
			err = measure_image(r, i, m, ch_buf_span(&bytes), d);
		if (err != CH_OK)
			d->item = i;
	}
	return err;
}

void cli_rauc_clear(struct cli_rauc *r)
{
	ch_buf_free(&r->manifest_text);
}
