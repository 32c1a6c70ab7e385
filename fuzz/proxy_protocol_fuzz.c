/* SPDX-License-Identifier: Apache-2.0 */
/* A header is asked for in pieces that never go past its end, and what is taken is an address that reads back. */
#include "host/net/proxy_protocol.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_proxy p, whole;
	struct ch_prefix prefix;
	struct ch_diag d;
	size_t n = 0;
	size_t need;
	uint8_t *in = malloc(size != 0 ? size : 1);
	CHECK(in != NULL && ch_span_copy(in, size, ch_span(data, size)) == size);
	while ((need = ch_proxy_need(ch_span(in, n))) > 0 && need <= size - n) {
		/* Exactly what is there, so that a sanitizer sees the first byte too many. */
		n += need;
		CHECK(n <= CH_PROXY_V2_MAX);
		uint8_t *part = malloc(n);
		CHECK(part != NULL && ch_span_copy(part, n, ch_span(in, n)) == n);
		enum ch_err err = ch_proxy_parse(&p, ch_span(part, n), &d);
		CHECK(err == CH_OK ? d.rule == NULL : d.rule != NULL && d.off <= n && !p.known);
		free(part);
	}
	/* With all of the input there is the same header, or something behind it. */
	if (need == 0 && ch_proxy_parse(&p, ch_span(in, n), NULL) == CH_OK) {
		enum ch_err err = ch_proxy_parse(&whole, ch_span(in, size), NULL);
		CHECK(size == n ? err == CH_OK && whole.port == p.port : err != CH_OK || !whole.known);
	}
	if (ch_prefix_parse(&prefix, ch_span(in, size)) == CH_OK)
		CHECK(prefix.bits <= 128 && ch_prefix_has(&prefix, prefix.address));
	free(in);
	return 0;
}
