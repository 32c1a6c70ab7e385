/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes, as a superblock and what follows as data: what is accepted is in its bounds, and its root hash changes with the data. */
#include "core/update/verity.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#include "host/crypto_openssl/backend.h"

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

static void check_root(const struct ch_verity *v, uint8_t *data, size_t n)
{
	uint8_t one[32], two[32];
	struct ch_diag d;
	if (ch_verity_root(v, ch_span(data, n), one, &d) != CH_OK) {
		CHECK(d.rule != NULL && ch_span_all(CH_SPAN_OF(one), 0));
		return;
	}
	CHECK(n == v->blocks * v->data_block && (v->blocks == 1) == (ch_verity_tree_size(v) == 0));
	data[n / 2] ^= 1;
	CHECK(ch_verity_root(v, ch_span(data, n), two, &d) == CH_OK);
	CHECK(!ch_span_eq(CH_SPAN_OF(one), CH_SPAN_OF(two)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_verity v;
	struct ch_diag d;
	uint8_t *copy = malloc(size != 0 ? size : 1);
	CHECK(copy != NULL);
	struct ch_span in = ch_span(copy, ch_span_copy(copy, size, ch_span(data, size)));
	if (ch_verity_parse(&v, ch_span_sub(in, 0, CH_VERITY_SUPER), &d) == CH_OK) {
		CHECK(d.rule == NULL && v.salt_n <= sizeof(v.salt) && v.blocks > 0);
		CHECK((v.data_block & (v.data_block - 1)) == 0 && v.data_block >= 512 && v.data_block <= 65536);
		check_root(&v, copy + CH_VERITY_SUPER, size - CH_VERITY_SUPER);
	} else {
		CHECK(d.rule != NULL && d.off <= CH_VERITY_SUPER && v.blocks == 0 && v.salt_n == 0);
	}
	free(copy);
	return 0;
}
