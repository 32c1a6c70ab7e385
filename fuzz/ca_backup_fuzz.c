/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/ca_backup.h"

#include <stdlib.h>

/*
 * What is opened with the passphrase of a backup. What is read has names of the closed list alone, in order, and is written again as it was, byte
 * for byte.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static void check_name(const struct ch_ca_backup *b, const struct ch_ca_file *f)
{
	CHECK(f->kind != CH_CA_FILE_NONE && f->kind == ch_ca_file_kind(b->of, f->name));
	CHECK(f->name.n > 0 && f->name.n < 64 && ch_ca_backup_find(b, f->name) == f);
	for (size_t i = 0; i < f->name.n; i++) {
		uint8_t c = f->name.p[i];
		CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/');
		/* nowhere else */
		CHECK(c != '.' || (i > 0 && i + 1 < f->name.n && f->name.p[i - 1] != '/' && f->name.p[i + 1] != '.'));
		CHECK(c != '/' || (i > 0 && f->name.p[i - 1] != '/'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_ca_backup b;
	struct ch_diag d;
	struct ch_span in = ch_span(data, size);
	enum ch_err err = ch_ca_backup_parse(&b, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err != CH_OK) {
		CHECK(b.count == 0 && b.of == CH_CA_BACKUP_NONE);
		return 0;
	}
	for (size_t i = 0; i < b.count; i++) {
		check_name(&b, &b.file[i]);
		CHECK(i == 0 || ch_archive_path_order(b.file[i - 1].name, b.file[i].name) < 0);
	}
	uint8_t *again = malloc(size);
	struct ch_wr w = ch_wr(again, size);
	CHECK(again != NULL && ch_ca_backup_size(&b) == size && ch_ca_backup_put(&w, &b) == CH_OK &&
	      ch_span_eq(ch_wr_span(&w), in));
	free(again);
	return 0;
}
