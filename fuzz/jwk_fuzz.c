/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key that is taken has the lengths of its kind and, written again as a JWK of nothing else, is the same key; a key that is
 * refused leaves no byte behind.
 */
#include "core/wire/base64.h"
#include "core/wire/json.h"
#include "core/wire/jwk.h"

#include <stdlib.h>

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_number(struct ch_wr *w, const char *name, struct ch_span bytes)
{
	ch_wr_str(w, ",\"");
	ch_wr_str(w, name);
	ch_wr_str(w, "\":\"");
	ch_base64_put(w, CH_BASE64_URL, bytes);
	ch_wr_str(w, "\"");
}

static void put_key(struct ch_wr *w, const struct ch_jwk *k)
{
	ch_wr_str(w, "{\"kty\":\"");
	if (k->pub.type == CH_KEY_NONE) {
		ch_wr_str(w, "oct\"");
		put_number(w, "k", k->secret);
	} else if (k->pub.type == CH_KEY_RSA) {
		ch_wr_str(w, "RSA\"");
		put_number(w, "n", k->pub.a);
		put_number(w, "e", k->pub.b);
	} else {
		ch_wr_str(w, k->pub.type == CH_KEY_ED25519 ? "OKP\",\"crv\":\"" : "EC\",\"crv\":\"");
		ch_wr_str(w, ch_key_type_str(k->pub.type));
		ch_wr_str(w, "\"");
		put_number(w, "x", k->pub.a);
		if (k->pub.type != CH_KEY_ED25519)
			put_number(w, "y", k->pub.b);
	}
	ch_wr_str(w, "}");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_diag d;
	struct ch_jwk k;
	enum ch_err err = ch_jwk_parse(&k, ch_span(data, size), &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err != CH_OK) {
		CHECK(k.pub.type == CH_KEY_NONE && k.secret.n == 0);
		CHECK(ch_span_all(ch_span(k.a, sizeof(k.a)), 0) && ch_span_all(ch_span(k.b, sizeof(k.b)), 0));
		return 0;
	}
	size_t coord = ch_key_coord(k.pub.type);
	CHECK(k.pub.a.n <= sizeof(k.a) && k.pub.b.n <= sizeof(k.b) && k.secret.n <= sizeof(k.a));
	CHECK(coord == 0 || k.pub.a.n == coord);
	static uint8_t text[2 * CH_JWK_A_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_jwk again;
	put_key(&w, &k);
	CHECK(!w.bad && ch_jwk_parse(&again, ch_wr_span(&w), NULL) == CH_OK);
	CHECK(again.pub.type == k.pub.type && ch_span_eq(again.pub.a, k.pub.a) && ch_span_eq(again.pub.b, k.pub.b));
	CHECK(ch_span_eq(again.secret, k.secret));
	return 0;
}
