/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/spki.h"

#include <stdlib.h>

/* Whatever the bytes: a refusal names its rule and leaves no key; what is accepted is written again as it was. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_pub pub;
	struct ch_diag d;
	if (ch_spki_parse(&pub, ch_span(data, size), &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size && pub.type == CH_KEY_NONE);
		return 0;
	}
	uint8_t out[CH_SPKI_MAX], digest[32];
	struct ch_wr w = ch_wr(out, sizeof(out));
	CHECK(d.rule == NULL && ch_spki_put(&w, &pub) && ch_span_eq(ch_wr_span(&w), ch_span(data, size)));
	CHECK(ch_spki_same(&pub, &pub) && ch_spki_sha256(&pub, digest) == CH_OK);
	CHECK(pub.a.p >= data && pub.a.p + pub.a.n <= data + size);
	return 0;
}
