/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ddi.h"

#include <stdlib.h>

/*
 * A file of tokens, and the same bytes as a value of Authorization: every line is taken, skipped or refused with its place; what is taken is a
 * name and a digest that stand in the file like that; a token is what follows its scheme.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static uint8_t digit(uint8_t c)
{
	return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static void check(const struct ch_ddi_token *t, struct ch_span file, size_t off)
{
	CHECK(ch_ddi_name_valid(t->controller) && t->controller.p >= file.p &&
	      t->controller.p + t->controller.n + 65 <= file.p + off);
	const uint8_t *hex = t->controller.p + t->controller.n;
	CHECK(*hex++ == ' ');
	for (size_t i = 0; i < sizeof(t->sha256); i++)
		CHECK(t->sha256[i] == (digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_ddi_token t;
	struct ch_diag d;
	struct ch_span in = ch_span(data, size), token = CH_SPAN_EMPTY;
	enum ch_ddi_token_kind kind = CH_DDI_TOKEN_KINDS;
	enum ch_err err;
	size_t off = 0, before = 0;
	while ((err = ch_ddi_token_next(&t, in, &off, &d)) == CH_OK) {
		CHECK(d.rule == NULL && off > before && off <= size);
		check(&t, in, off);
		before = off;
	}
	CHECK(err == CH_ERR_NOTFOUND ? off == size && d.rule == NULL : d.rule != NULL && d.off < size);
	bool taken = ch_ddi_authorization(in, &kind, &token);
	CHECK(taken == (token.n > 0) && taken == (kind < CH_DDI_TOKEN_KINDS));
	CHECK(!taken || token.p + token.n == data + size);
	return 0;
}
