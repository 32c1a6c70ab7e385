/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_OPENSSL_PKEY_H
#define CH_CRYPTO_OPENSSL_PKEY_H

#include "core/crypto/sig.h"

#include <openssl/evp.h>

/*
 * OpenSSL's key of a public key given as numbers; the caller frees it. NULL if it is not a valid key of a type that the backend
 * has (see ch_verify_key_init), and then OpenSSL's error queue is empty. No bytes are decoded by OpenSSL: it gets numbers.
 */
EVP_PKEY *ch_openssl_pkey(const struct ch_pub *pub);

/* True if there are keys of the type at all. */
bool ch_openssl_has(enum ch_key_type type);

/* The digest, fetched before; NULL if the backend does not have it. */
const EVP_MD *ch_openssl_md(enum ch_hash_alg alg);

#endif
