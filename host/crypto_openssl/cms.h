/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_CRYPTO_OPENSSL_CMS_H
#define CH_CRYPTO_OPENSSL_CMS_H

#include "core/base/err.h"
#include "core/base/wr.h"

/* Reads what later calls would open a file for, beside ch_crypto_openssl_init: call before a sandbox. */
void ch_cms_init(void);

/*
 * Verifies a detached signature (RFC 5652; DER) over `content`: by OpenSSL, with the certificates in `anchors` (PEM) as the only ones that are trusted,
 * for the purpose smime-sign, at the present time. Every signer must hold. `signer` gets the subject of the first, as OpenSSL prints it: escape it.
 * CH_ERR_KEY if `anchors` has no certificate, CH_ERR_MALFORMED if it is no detached signature, CH_ERR_SIGNATURE if it does not hold. Opens no file.
 */
CH_MUST_USE enum ch_err ch_cms_verify(struct ch_span content, struct ch_span cms, struct ch_span anchors,
				      struct ch_wr *signer, struct ch_diag *d);

#endif
