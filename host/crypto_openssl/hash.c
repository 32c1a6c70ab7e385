/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's low-level hash contexts are the only ones of its API that a caller can own; they also are its fastest path
 * (docs/decisions/0003-hash-backend.md). They are deprecated in 3.0 in favour of an API that allocates.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/crypto/hash.h"

#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/fetch.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

_Static_assert(sizeof(SHA512_CTX) <= sizeof(((struct ch_hash *)0)->state), "every context fits");

#define IMPL(name, ctx_type)                                     \
	static int name##_start(void *ctx)                       \
	{                                                        \
		return name##_Init((ctx_type *)ctx);             \
	}                                                        \
	static int name##_more(void *ctx, struct ch_span s)      \
	{                                                        \
		return name##_Update((ctx_type *)ctx, s.p, s.n); \
	}                                                        \
	static int name##_end(void *ctx, uint8_t *md)            \
	{                                                        \
		return name##_Final(md, (ctx_type *)ctx);        \
	}
IMPL(SHA1, SHA_CTX)
IMPL(SHA256, SHA256_CTX)
IMPL(SHA384, SHA512_CTX)
IMPL(SHA512, SHA512_CTX)
#undef IMPL

static const struct {
	enum ch_hash_alg alg;
	int (*start)(void *ctx);
	int (*more)(void *ctx, struct ch_span s);
	int (*end)(void *ctx, uint8_t *md);
} impl[] = {
	{ CH_HASH_SHA256, SHA256_start, SHA256_more, SHA256_end },
	{ CH_HASH_SHA1, SHA1_start, SHA1_more, SHA1_end },
	{ CH_HASH_SHA384, SHA384_start, SHA384_more, SHA384_end },
	{ CH_HASH_SHA512, SHA512_start, SHA512_more, SHA512_end },
};

static size_t impl_of(enum ch_hash_alg alg)
{
	size_t i = 0;
	while (i < CH_COUNT_OF(impl) && impl[i].alg != alg)
		i++;
	return i;
}

enum ch_err ch_crypto_openssl_init(void)
{
	if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return CH_ERR_CRYPTO;
	return ch_openssl_fetch_sig();
}

bool ch_hash_available(enum ch_hash_alg alg)
{
	return impl_of(alg) < CH_COUNT_OF(impl);
}

enum ch_err ch_hash_init(struct ch_hash *h, enum ch_hash_alg alg)
{
	size_t i = impl_of(alg);
	if (i == CH_COUNT_OF(impl))
		return CH_ERR_UNSUPPORTED;
	h->alg = alg;
	return impl[i].start(h->state) == 1 ? CH_OK : CH_ERR_CRYPTO;
}

void ch_hash_update(struct ch_hash *h, struct ch_span data)
{
	if (data.n > 0)
		(void)impl[impl_of(h->alg)].more(h->state, data);
}

void ch_hash_final(struct ch_hash *h, struct ch_digest *out)
{
	out->n = (uint8_t)ch_hash_size(h->alg);
	(void)impl[impl_of(h->alg)].end(h->state, out->b);
}
