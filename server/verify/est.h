/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_VERIFY_EST_H
#define CH_VERIFY_EST_H

#include "core/trust/cert_profile.h"

#define CH_EST_TOKEN_MAX 256
#define CH_EST_LINE      64 /* characters of a line of base64, for clients that want lines */

/*
 * The credentials of "Basic" (RFC 7617): the password goes to `to`, whose length is *n; the user name is not looked at (RFC 7030,
 * 3.2.3 lets it be empty). False for another scheme, or if it cannot be read.
 */
bool ch_est_password(struct ch_span authorization, uint8_t to[static CH_EST_TOKEN_MAX], size_t *n);

/* Decodes base64 whatever blanks and line ends are in it (RFC 8951, 3.1); `to` has room for text.n bytes. */
CH_MUST_USE enum ch_err ch_est_decode(struct ch_span text, uint8_t *to, size_t *n, struct ch_diag *d);

/* Appends base64 in one line, or in lines of CH_EST_LINE; a line end at the end (docs/protocol/est.md says who needs which). */
void ch_est_base64_put(struct ch_wr *w, struct ch_span bytes, bool lines);

/* Appends the CSR attributes of a profile (RFC 7030, 4.5.2; RFC 8951, 3.5): what a request by it may or must have. CH_ERR_NOSPACE. */
CH_MUST_USE enum ch_err ch_est_attrs_put(struct ch_wr *w, const struct ch_cert_profile *p);

#endif
