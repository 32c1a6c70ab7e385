/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/hash.h"

static const struct {
	enum ch_hash_alg alg;
	uint8_t size;
	const char *name;
} hash_alg[] = {
	{ CH_HASH_SHA1, 20, "sha1" },         { CH_HASH_SHA256, 32, "sha256" },
	{ CH_HASH_SHA384, 48, "sha384" },     { CH_HASH_SHA512, 64, "sha512" },
	{ CH_HASH_SM3_256, 32, "sm3_256" },   { CH_HASH_SHA3_256, 32, "sha3_256" },
	{ CH_HASH_SHA3_384, 48, "sha3_384" }, { CH_HASH_SHA3_512, 64, "sha3_512" },
	{ CH_HASH_SM3_256, 32, "sm3-256" },   { CH_HASH_SM3_256, 32, "sm3" },
};

size_t ch_hash_size(enum ch_hash_alg alg)
{
	for (size_t i = 0; i < CH_COUNT_OF(hash_alg); i++) {
		if (hash_alg[i].alg == alg)
			return hash_alg[i].size;
	}
	return 0;
}

const char *ch_hash_name(enum ch_hash_alg alg)
{
	for (size_t i = 0; i < CH_COUNT_OF(hash_alg); i++) {
		if (hash_alg[i].alg == alg)
			return hash_alg[i].name;
	}
	return NULL;
}

enum ch_hash_alg ch_hash_by_name(struct ch_span name)
{
	for (size_t i = 0; i < CH_COUNT_OF(hash_alg); i++) {
		if (ch_span_eq(name, ch_span_str(hash_alg[i].name)))
			return hash_alg[i].alg;
	}
	return CH_HASH_NONE;
}

enum ch_err ch_hash_once(enum ch_hash_alg alg, struct ch_span data, struct ch_digest *out)
{
	*out = (struct ch_digest){ 0 };
	struct ch_hash h;
	enum ch_err err = ch_hash_init(&h, alg);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, data);
	ch_hash_final(&h, out);
	return CH_OK;
}

enum ch_err ch_pcr_extend(enum ch_hash_alg alg, uint8_t pcr[static CH_DIGEST_MAX], struct ch_span digest)
{
	size_t size = ch_hash_size(alg);
	if (digest.n != size)
		return CH_ERR_RANGE;
	struct ch_hash h;
	enum ch_err err = ch_hash_init(&h, alg);
	if (err != CH_OK)
		return err;
	/* In one piece: replaying a log is mostly this, and a backend hashes a whole block without copying it first. */
	uint8_t both[2 * CH_DIGEST_MAX];
	struct ch_digest d;
	ch_span_copy(both, sizeof(both), ch_span(pcr, size));
	ch_span_copy(both + size, sizeof(both) - size, digest);
	ch_hash_update(&h, ch_span(both, 2 * size));
	ch_hash_final(&h, &d);
	ch_span_copy(pcr, CH_DIGEST_MAX, ch_digest_span(&d));
	return CH_OK;
}
