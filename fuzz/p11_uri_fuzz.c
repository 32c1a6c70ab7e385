/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A URI that is taken has values within their fields, each a C string where it has no NUL; written again it is a URI with the same values.
 * One that is refused leaves nothing.
 */
#include "host/pkcs11/uri.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const size_t most[] = {
#define MOST(attr, text, place, max, kind) max,
	CH_P11_ATTRS(MOST)
#undef MOST
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* On the heap, so that a sanitizer sees the end of each. */
	struct ch_p11_uri *u = malloc(sizeof(*u)), *again = malloc(sizeof(*again));
	struct ch_diag d;
	uint8_t text[CH_P11_PUT_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	CHECK(u != NULL && again != NULL);
	enum ch_err err = ch_p11_uri_parse(u, ch_span(data, size), &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	ch_p11_uri_put(&w, u);
	CHECK(!w.bad);
	enum ch_err second = ch_p11_uri_parse(again, ch_wr_span(&w), NULL);
	CHECK(second == CH_OK || (second == CH_ERR_LIMIT && w.len > CH_P11_URI_MAX));
	for (size_t i = 0; i < CH_P11_ATTR_COUNT; i++) {
		CHECK(u->attr[i].n <= most[i] && (u->attr[i].p != NULL || u->attr[i].n == 0));
		CHECK(err == CH_OK || u->attr[i].p == NULL);
		if (u->attr[i].p != NULL && i != CH_P11_ID)
			CHECK(strlen(ch_p11_uri_str(u, (enum ch_p11_attr)i)) == u->attr[i].n);
		CHECK(second != CH_OK ||
		      ((u->attr[i].p == NULL) == (again->attr[i].p == NULL) && ch_span_eq(u->attr[i], again->attr[i])));
	}
	free(u);
	free(again);
	return 0;
}
