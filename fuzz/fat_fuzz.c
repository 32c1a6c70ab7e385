/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes: the walk ends, every file lies in the volume under a path without anything that leads out of it, a refusal names its rule. */
#include "core/base/text.h"
#include "core/update/fat.h"
#include "core/update/measure.h"
#include "host/crypto_openssl/backend.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CHECK(ch_crypto_openssl_init() == CH_OK);
	return 0;
}

static void check_file(const struct ch_fat *fat, const struct ch_fat_file *f)
{
	struct ch_span v = fat->volume;
	CHECK(f->path.n > 0 && f->path.n <= CH_FAT_PATH_MAX && f->path.p[0] != '/');
	for (size_t i = 0; i < f->path.n; i++)
		CHECK(f->path.p[i] >= 0x20 && f->path.p[i] != '\\' &&
		      (f->path.p[i] != '/' || (i > 0 && f->path.p[i - 1] != '/')));
	CHECK(f->data.n == 0 || (f->data.p >= v.p + fat->data_off && (size_t)(f->data.p - v.p) <= v.n - f->data.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_fat fat;
	static struct ch_measure m;
	static uint8_t names[4096];
	struct ch_fat_file f;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	enum ch_err err = ch_fat_parse(&fat, in, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && (err == CH_OK) == (fat.bits != 0));
	if (err == CH_OK) {
		struct ch_fat_iter it = ch_fat_files(&fat);
		while (ch_fat_next(&it, &f, &d))
			check_file(&fat, &f);
		CHECK((it.err == CH_OK) == (d.rule == NULL) && d.off <= size && it.entries <= CH_FAT_ENTRIES_MAX + 1);
	}
	struct ch_wr w = ch_wr(names, sizeof(names));
	ch_measure_init(&m);
	CHECK(ch_measure_fat(&m, in, &w, &d) == CH_OK || (d.rule != NULL && m.count == 0));
	free(copy);
	return 0;
}
