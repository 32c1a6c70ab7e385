/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/wr.h"
#include "core/platform/tpm_signature.h"

#include <stdlib.h>

/* Whatever the bytes: a refusal names its rule and leaves nothing behind; what is accepted, written again, is the input. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static void put_2b(struct ch_wr *w, struct ch_span s)
{
	ch_wr_be16(w, (uint16_t)s.n);
	ch_wr_put(w, s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[2048];
	static const uint16_t alg[] = { [CH_SIG_ECDSA] = 0x18, [CH_SIG_RSASSA] = 0x14, [CH_SIG_RSAPSS] = 0x16 };
	struct ch_sig sig;
	struct ch_diag d;
	if (ch_tpm_signature_parse(&sig, ch_span(data, size), &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size && sig.scheme == CH_SIG_NONE && sig.a.n == 0 && sig.b.n == 0);
		return 0;
	}
	CHECK(d.rule == NULL && ch_hash_available(sig.hash));
	CHECK(sig.scheme == CH_SIG_ECDSA || sig.scheme == CH_SIG_RSASSA || sig.scheme == CH_SIG_RSAPSS);
	struct ch_wr w = ch_wr(again, sizeof(again));
	ch_wr_be16(&w, alg[sig.scheme]);
	ch_wr_be16(&w, (uint16_t)sig.hash);
	put_2b(&w, sig.a);
	if (sig.scheme == CH_SIG_ECDSA)
		put_2b(&w, sig.b);
	CHECK(ch_span_eq(ch_wr_span(&w), ch_span(data, size)));
	return 0;
}
