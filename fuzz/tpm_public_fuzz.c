/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/wr.h"
#include "core/platform/tpm_public.h"

#include <stdlib.h>

/*
 * Whatever the bytes: a refusal names its rule and leaves nothing behind. An accepted area is the input or all of it after its
 * size, read alone it says the same, and it begins and ends with what was read from it.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static void check_ends(const struct ch_tpm_public *p)
{
	uint8_t b[2100];
	struct ch_wr w = ch_wr(b, sizeof(b));
	bool rsa = p->key.type == CH_KEY_RSA;
	ch_wr_be16(&w, rsa ? 0x0001 : 0x0023);
	ch_wr_be16(&w, (uint16_t)p->name_alg);
	ch_wr_be32(&w, p->attributes);
	ch_wr_be16(&w, (uint16_t)p->policy.n);
	ch_wr_put(&w, p->policy);
	ch_wr_be16(&w, p->symmetric);
	CHECK(ch_span_starts(p->area, ch_wr_span(&w)));
	w = ch_wr(b, sizeof(b));
	ch_wr_be16(&w, (uint16_t)p->key.a.n);
	ch_wr_put(&w, p->key.a);
	if (!rsa) {
		ch_wr_be16(&w, (uint16_t)p->key.b.n);
		ch_wr_put(&w, p->key.b);
	}
	struct ch_span end = ch_wr_span(&w);
	CHECK(ch_span_eq(ch_span_sub(p->area, p->area.n - end.n, end.n), end));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_tpm_public p, q;
	struct ch_diag d;
	if (ch_tpm_public_parse(&p, ch_span(data, size), &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size && p.area.n == 0 && p.key.type == CH_KEY_NONE);
		return 0;
	}
	CHECK(d.rule == NULL && p.area.p + p.area.n == data + size && (p.area.n == size || p.area.n + 2 == size));
	CHECK(ch_tpm_public_parse(&q, p.area, &d) == CH_OK && ch_span_eq(p.key.a, q.key.a) &&
	      p.attributes == q.attributes);
	check_ends(&p);
	size_t bits = ch_pub_bits(&p.key);
	CHECK(p.key.type != CH_KEY_RSA || (bits == 8 * p.key.a.n && p.key.b.n >= 1 && p.key.b.n <= 4));
	CHECK(p.key.type == CH_KEY_RSA ||
	      (p.key.a.n <= ch_key_coord(p.key.type) && p.key.b.n <= ch_key_coord(p.key.type)));
	uint8_t name[2 + CH_DIGEST_MAX];
	size_t n;
	enum ch_err err = ch_tpm_name(&p, name, &n);
	CHECK(err == CH_OK ? n == 2 + ch_hash_size(p.name_alg) : n == 0);
	bool ak = ch_tpm_public_check_ak(&p, &d) == CH_OK;
	CHECK(ak == (d.rule == NULL));
	CHECK(!ak || (p.attributes & (CH_TPMA_RESTRICTED | CH_TPMA_SIGN | CH_TPMA_DECRYPT)) ==
			     (CH_TPMA_RESTRICTED | CH_TPMA_SIGN));
	return 0;
}
