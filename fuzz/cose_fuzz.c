/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A COSE message that is taken, written again from what was understood, must read the same, and the structure that is signed
 * must be well-formed and as long as was said. Verification with a fixed key never holds for what is not that key's.
 */
#include "core/wire/cose.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct ch_span part, struct ch_span whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_same_header(const struct ch_cose_header *a, const struct ch_cose_header *b)
{
	CHECK(a->has_alg == b->has_alg && a->has_kid == b->has_kid && a->alg == b->alg && a->count == b->count);
	CHECK(ch_span_eq(a->kid, b->kid) && ch_span_eq(a->alg_text, b->alg_text));
}

static void check_again(const struct ch_cose *m, enum ch_cose_kind kind, size_t size)
{
	uint8_t *buf = malloc(size + 16);
	CHECK(buf != NULL);
	struct ch_wr w = ch_wr(buf, size + 16);
	if (m->tagged)
		ch_cbor_put_tag(&w, m->kind);
	ch_cbor_put_array(&w, 4);
	ch_cbor_put_bstr(&w, m->protected_);
	ch_wr_put(&w, m->unprotected);
	if (m->detached)
		ch_cbor_put_null(&w);
	else
		ch_cbor_put_bstr(&w, m->payload);
	ch_cbor_put_bstr(&w, m->signature);
	struct ch_cose again;
	CHECK(ch_cose_parse(&again, ch_wr_span(&w), kind, NULL) == CH_OK);
	CHECK(again.kind == m->kind && again.tagged == m->tagged && again.detached == m->detached);
	CHECK(ch_span_eq(again.protected_, m->protected_) && ch_span_eq(again.unprotected, m->unprotected));
	CHECK(ch_span_eq(again.payload, m->payload) && ch_span_eq(again.signature, m->signature));
	check_same_header(&again.h, &m->h);
	check_same_header(&again.u, &m->u);
	free(buf);
}

static void check_tbs(const struct ch_cose *m)
{
	struct ch_cose_context c = { .external_aad = CH_SPAN_LIT("x") };
	size_t n = ch_cose_tbs_size(m, &c);
	uint8_t *buf = malloc(n);
	CHECK(buf != NULL);
	struct ch_wr w = ch_wr(buf, n);
	ch_cose_put_tbs(&w, m, &c);
	CHECK(!w.bad && w.len == n);
	CHECK(ch_cbor_check(ch_wr_span(&w), CH_CBOR_DETERMINISTIC, NULL) == CH_OK);
	free(buf);
}

static void check(struct ch_span in, enum ch_cose_kind kind)
{
	struct ch_cose m;
	struct ch_diag d;
	enum ch_err err = ch_cose_parse(&m, in, kind, &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= in.n);
	if (err != CH_OK) {
		CHECK(m.signature.p == NULL && m.payload.p == NULL);
		return;
	}
	CHECK(inside(m.protected_, in) && inside(m.unprotected, in) && inside(m.payload, in) &&
	      inside(m.signature, in));
	CHECK(inside(m.h.kid, in) && inside(m.u.kid, in));
	check_again(&m, kind, in.n);
	check_tbs(&m);
	err = ch_cose_verify_mac(&m, &(struct ch_cose_context){ 0 }, CH_SPAN_LIT("a key that no seed was made with"),
				 &d);
	CHECK(err != CH_OK && d.rule != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(ch_span(data, size), CH_COSE_TAGGED);
	check(ch_span(data, size), CH_COSE_SIGN1);
	check(ch_span(data, size), CH_COSE_MAC0);
	return 0;
}
