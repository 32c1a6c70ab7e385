/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PLATFORM_CMS_CERTS_H
#define CH_PLATFORM_CMS_CERTS_H

#include "core/wire/der_write.h"

/*
 * Appends a certs-only CMS message (RFC 5272, 4.1; RFC 5652, 5.1): a SignedData of version 1 that nobody signed, around these
 * certificates (DER), in this order. CH_ERR_NOSPACE.
 */
CH_MUST_USE enum ch_err ch_cms_certs_put(struct ch_wr *w, const struct ch_span *cert, size_t count);

#endif
