/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_NET_TLS_PEM_H
#define CH_NET_TLS_PEM_H

#include "core/base/err.h"
#include "core/base/span.h"

/* Certificates and keys of both ends, from PEM in memory into an SSL_CTX. */

struct ssl_ctx_st;
struct evp_pkey_st;

/*
 * The first certificate of `cert_pem` becomes the own one, the others its chain. CH_ERR_MALFORMED if there is none or one does not
 * parse.
 */
CH_MUST_USE enum ch_err ch_tls_use_chain(struct ssl_ctx_st *ctx, struct ch_span cert_pem);
/* The same, with its private key. CH_ERR_KEY if they do not belong together. */
CH_MUST_USE enum ch_err ch_tls_use_identity(struct ssl_ctx_st *ctx, struct ch_span cert_pem, struct ch_span key_pem);
/*
 * Trusts every certificate of `pem`, and no other; `names` tells them to clients. Each is an anchor even if it is not self-signed.
 * CH_ERR_MALFORMED if there is none.
 */
CH_MUST_USE enum ch_err ch_tls_trust(struct ssl_ctx_st *ctx, struct ch_span pem, bool names);

#endif
