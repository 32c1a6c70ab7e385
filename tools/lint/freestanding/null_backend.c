/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/seal.h"
#include "core/crypto/sig.h"

/* A crypto backend that has nothing and refuses everything: core links against it without an operating system or a library. */

bool ch_hash_available(enum ch_hash_alg alg)
{
	(void)alg;
	return false;
}

enum ch_err ch_hash_init(struct ch_hash *h, enum ch_hash_alg alg)
{
	h->alg = alg;
	return CH_ERR_UNSUPPORTED;
}

void ch_hash_update(struct ch_hash *h, struct ch_span data)
{
	(void)h;
	(void)data;
}

void ch_hash_final(struct ch_hash *h, struct ch_digest *out)
{
	(void)h;
	*out = (struct ch_digest){ 0 };
}

enum ch_err ch_verify_key_init(struct ch_verify_key *k, const struct ch_pub *pub)
{
	(void)pub;
	*k = (struct ch_verify_key){ CH_KEY_NONE, NULL };
	return CH_ERR_UNSUPPORTED;
}

void ch_verify_key_clear(struct ch_verify_key *k)
{
	*k = (struct ch_verify_key){ CH_KEY_NONE, NULL };
}

enum ch_err ch_verify_digest(const struct ch_verify_key *k, const struct ch_sig *sig, struct ch_span digest)
{
	(void)k;
	(void)sig;
	(void)digest;
	return CH_ERR_UNSUPPORTED;
}

enum ch_err ch_random(void *to, size_t n)
{
	ch_wipe(to, n);
	return CH_ERR_CRYPTO;
}

enum ch_err ch_rsa_oaep(const struct ch_pub *pub, enum ch_hash_alg hash, struct ch_span label, struct ch_span msg,
			struct ch_wr *to)
{
	(void)pub;
	(void)hash;
	(void)label;
	(void)msg;
	(void)to;
	return CH_ERR_UNSUPPORTED;
}

enum ch_err ch_ecdh_ephemeral(struct ch_ecdh *e, const struct ch_pub *pub)
{
	(void)pub;
	*e = (struct ch_ecdh){ .n = 0 };
	return CH_ERR_UNSUPPORTED;
}

enum ch_err ch_aes_cfb(struct ch_span key, struct ch_span msg, struct ch_wr *to)
{
	(void)key;
	(void)msg;
	(void)to;
	return CH_ERR_UNSUPPORTED;
}
