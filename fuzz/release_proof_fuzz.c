/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release_proof.h"

#include <stdlib.h>

/* Whatever the bytes: a refusal names its rule and leaves nothing behind; what is accepted is written and read again as the same. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static struct ch_release_proof proof, again;
static struct ch_release release;
static uint8_t text[8 * CH_RELEASE_PROOF_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_diag d;
	struct ch_checkpoint c;
	const uint8_t digest[32] = { 1 };
	enum ch_err err = ch_release_proof_parse(&proof, ch_span(data, size), &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err != CH_OK) {
		CHECK(proof.record.n == 0 && proof.proof.n == 0);
		return 0;
	}
	CHECK(proof.record.n >= 1 && proof.record.n <= CH_RELEASE_RECORD_MAX);
	CHECK(proof.proof.n >= 1 && proof.proof.n <= CH_PROOF_TEXT_MAX);
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_release_proof_put(&w, proof.record, proof.salt, proof.proof);
	CHECK(!w.bad);
	if (w.len <= CH_RELEASE_PROOF_MAX) {
		CHECK(ch_release_proof_parse(&again, ch_wr_span(&w), &d) == CH_OK);
		CHECK(ch_span_eq(again.record, proof.record) && ch_span_eq(again.proof, proof.proof));
		CHECK(ch_span_eq(CH_SPAN_OF(again.salt), CH_SPAN_OF(proof.salt)));
	}
	/* Nobody's log holds anything. */
	release.name = CH_SPAN_LIT("gateway-os");
	release.version = CH_SPAN_LIT("1.4.0");
	release.sequence = 14;
	CHECK(ch_release_proof_check(&proof, &release, digest, NULL, 0, &c, &d) != CH_OK && d.rule != NULL);
	return 0;
}
