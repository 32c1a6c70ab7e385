/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/kdf.h"

#include "core/base/wr.h"

#include <string.h>

/* One block of output: a digest over what the function feeds it and the counter. */
struct kdf {
	enum ch_hash_alg alg;
	struct ch_span secret;
	struct ch_span label; /* with its NUL */
	struct ch_span u;
	struct ch_span v;
	uint32_t bits;
};

typedef enum ch_err block_fn(const struct kdf *k, struct ch_span counter, struct ch_digest *out);

static enum ch_err block_a(const struct kdf *k, struct ch_span counter, struct ch_digest *out)
{
	uint8_t bits[4];
	struct ch_wr w = ch_wr(bits, sizeof(bits));
	ch_wr_be32(&w, k->bits);
	const struct ch_span part[] = { counter, k->label, k->u, k->v, ch_wr_span(&w) };
	return ch_hmac_parts(k->alg, k->secret, part, CH_COUNT_OF(part), out);
}

static enum ch_err block_e(const struct kdf *k, struct ch_span counter, struct ch_digest *out)
{
	struct ch_hash h;
	enum ch_err err = ch_hash_init(&h, k->alg);
	if (err != CH_OK)
		return err;
	const struct ch_span part[] = { counter, k->secret, k->label, k->u, k->v };
	for (size_t i = 0; i < CH_COUNT_OF(part); i++)
		ch_hash_update(&h, part[i]);
	ch_hash_final(&h, out);
	ch_wipe(&h, sizeof(h));
	return CH_OK;
}

static enum ch_err derive(const struct kdf *k, block_fn *block, void *to, size_t n)
{
	struct ch_wr out = ch_wr(to, n);
	struct ch_digest digest = { 0 };
	enum ch_err err = ch_hash_available(k->alg) ? CH_OK : CH_ERR_UNSUPPORTED;
	for (uint32_t i = 1; err == CH_OK && out.len < n; i++) {
		uint8_t counter[4];
		struct ch_wr w = ch_wr(counter, sizeof(counter));
		ch_wr_be32(&w, i);
		err = block(k, ch_wr_span(&w), &digest);
		size_t left = n - out.len;
		if (err == CH_OK)
			ch_wr_put(&out, ch_span(digest.b, digest.n < left ? digest.n : left));
	}
	ch_wipe(&digest, sizeof(digest));
	if (err != CH_OK)
		ch_wipe(to, n);
	return err;
}

static enum ch_err kdf(block_fn *block, struct kdf k, const char *label, void *to, size_t n)
{
	if (n > CH_KDF_MAX)
		return CH_ERR_RANGE;
	k.label = ch_span(label, strlen(label) + 1);
	k.bits = (uint32_t)n * 8;
	return derive(&k, block, to, n);
}

enum ch_err ch_kdfa(enum ch_hash_alg alg, struct ch_span key, const char *label, struct ch_span u, struct ch_span v,
		    void *to, size_t n)
{
	return kdf(block_a, (struct kdf){ .alg = alg, .secret = key, .u = u, .v = v }, label, to, n);
}

enum ch_err ch_kdfe(enum ch_hash_alg alg, struct ch_span z, const char *label, struct ch_span u, struct ch_span v,
		    void *to, size_t n)
{
	return kdf(block_e, (struct kdf){ .alg = alg, .secret = z, .u = u, .v = v }, label, to, n);
}
