/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/hash.h"

#define BLOCK_MAX 128

static size_t block_size(enum ch_hash_alg alg)
{
	return ch_hash_size(alg) > 32 ? 128 : 64;
}

enum ch_err ch_hmac(enum ch_hash_alg alg, struct ch_span key, struct ch_span data, struct ch_digest *out)
{
	return ch_hmac_parts(alg, key, &data, 1, out);
}

enum ch_err ch_hmac_parts(enum ch_hash_alg alg, struct ch_span key, const struct ch_span *part, size_t count,
			  struct ch_digest *out)
{
	*out = (struct ch_digest){ 0 };
	if (!ch_hash_available(alg))
		return CH_ERR_UNSUPPORTED;
	size_t block = block_size(alg);
	uint8_t pad[BLOCK_MAX] = { 0 };
	struct ch_digest inner;
	enum ch_err err = CH_OK;
	if (key.n > block) {
		err = ch_hash_once(alg, key, &inner);
		key = ch_digest_span(&inner);
	}
	if (err != CH_OK)
		return err;
	ch_span_copy(pad, block, key);
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36;
	struct ch_hash h;
	err = ch_hash_init(&h, alg);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, ch_span(pad, block));
	for (size_t i = 0; i < count; i++)
		ch_hash_update(&h, part[i]);
	ch_hash_final(&h, &inner);
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	err = ch_hash_init(&h, alg);
	if (err == CH_OK) {
		ch_hash_update(&h, ch_span(pad, block));
		ch_hash_update(&h, ch_digest_span(&inner));
		ch_hash_final(&h, out);
	}
	ch_wipe(pad, sizeof(pad));
	ch_wipe(&inner, sizeof(inner));
	ch_wipe(&h, sizeof(h));
	return err;
}
