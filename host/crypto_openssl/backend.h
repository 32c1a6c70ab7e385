/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_OPENSSL_BACKEND_H
#define CH_CRYPTO_OPENSSL_BACKEND_H

#include "core/base/err.h"

/*
 * Loads what the backend needs (providers, algorithms), so that later calls open no file: call before a sandbox.
 * CH_ERR_CRYPTO if OpenSSL does not offer it.
 */
CH_MUST_USE enum ch_err ch_crypto_openssl_init(void);
/* The same for the one program that makes credentials (core/crypto/seal.h): no other links encryption and key agreement. */
CH_MUST_USE enum ch_err ch_crypto_openssl_init_seal(void);

#endif
