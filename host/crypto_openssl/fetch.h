/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_OPENSSL_FETCH_H
#define CH_CRYPTO_OPENSSL_FETCH_H

#include "core/base/err.h"

/*
 * Fetches from OpenSSL's default provider, once in the life of the process and for its whole length, what verification needs:
 * the provider's method store then finds it without locks being taken for a construction and without any file. Part of
 * ch_crypto_openssl_init; safe to call again.
 */
CH_MUST_USE enum ch_err ch_openssl_fetch_sig(void);

#endif
