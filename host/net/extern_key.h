/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_NET_EXTERN_KEY_H
#define CH_NET_EXTERN_KEY_H

#include "host/net/tls_client.h"

struct ssl_ctx_st;
struct evp_pkey_st;

/*
 * A key of OpenSSL that has the public half of `public` and signs by `sign` (SHA-256 digests). `sign_ctx` must outlive it. NULL if the key is not on
 * P-256 or OpenSSL fails. The caller frees it.
 */
struct evp_pkey_st *ch_extern_key_new(const struct evp_pkey_st *public, ch_tls_sign_fn *sign, void *sign_ctx);

/*
 * Gives the context, whose own certificate is set already, a private key that signs by `sign`. `sign_ctx` must outlive the
 * context. CH_ERR_KEY if the certificate's key is not on P-256; CH_ERR_CRYPTO.
 */
CH_MUST_USE enum ch_err ch_extern_key_use(struct ssl_ctx_st *ctx, ch_tls_sign_fn *sign, void *sign_ctx);
/* Frees what is behind all such keys; for the end of a process and tests. */
void ch_extern_key_cleanup(void);

#endif
