/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_OPERATOR_SEAL_H
#define CH_OPERATOR_SEAL_H

#include "cli/cmd.h"

/*
 * Bytes sealed under a passphrase: CMS AuthEnvelopedData (RFC 5083) with AES-256 in GCM, its key under one that PBKDF2 makes of the passphrase (RFC 5652, 6.2.4), in
 * PEM. `openssl cms -decrypt -pwri_password` opens it, too. Whoever does not know the passphrase can neither read nor change it.
 */

/* Appends what was sealed. False if OpenSSL fails. */
CH_MUST_USE bool op_seal(struct ch_buf *to, struct ch_span content, struct ch_span passphrase);
/*
 * Appends what is in it, with room for exactly that: the caller wipes it. CH_ERR_UNTRUSTED if the passphrase does not open it, CH_ERR_SIGNATURE if it was changed,
 * CH_ERR_MALFORMED if it is no such file, CH_ERR_LIMIT for more than `max` bytes.
 */
CH_MUST_USE enum ch_err op_unseal(struct ch_buf *to, struct ch_span sealed, struct ch_span passphrase, size_t max);

#endif
