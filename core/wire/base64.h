/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_WIRE_BASE64_H
#define CH_WIRE_BASE64_H

#include "core/base/err.h"
#include "core/base/wr.h"

/*
 * Base64 (RFC 4648), strict both ways: one text for one sequence of bytes. Padding as the form says, the unused bits of the last
 * character zero (3.5), no line break, no white space, no character outside the alphabet (3.3).
 */
enum ch_base64 {
	CH_BASE64_STD,        /* '+' and '/', padded (4) */
	CH_BASE64_URL,        /* '-' and '_', without padding: what JOSE, COSE and EAT write (5; RFC 7515, 2) */
	CH_BASE64_URL_PADDED, /* '-' and '_', padded (5) */
};

/* Bytes that always suffice to decode n characters. */
static inline size_t ch_base64_decoded_max(size_t n)
{
	return n / 4 * 3 + 2;
}

/*
 * Decodes all of `text` into `to`, which may not overlap it; *n is the number of bytes. CH_ERR_ENCODING for a character that may
 * not stand where it does, CH_ERR_TRUNCATED where one or the padding is missing, CH_ERR_NOSPACE if `cap` does not suffice. After
 * a failure *n is 0 and the bytes at `to` are zero.
 */
CH_MUST_USE enum ch_err ch_base64_decode(enum ch_base64 form, struct ch_span text, uint8_t *to, size_t cap, size_t *n,
					 struct ch_diag *d);

/* Appends the text of `bytes`. */
void ch_base64_put(struct ch_wr *w, enum ch_base64 form, struct ch_span bytes);

/*
 * PEM (RFC 7468): decodes the first block of `label` ("CERTIFICATE", "PUBLIC KEY", ...) in `text` into `to`; *n is the number of
 * bytes. Text around blocks and blocks of other labels are skipped. Lines end with LF, CR LF or CR, may be of any length and have
 * blanks around them; between them the base64 is strict. Fails as ch_base64_decode() does, and: CH_ERR_NOTFOUND without such a
 * block, CH_ERR_TRUNCATED if it does not end, CH_ERR_MISMATCH if it ends with another label, CH_ERR_UNSUPPORTED if it has header
 * fields (RFC 1421: an encrypted key).
 */
CH_MUST_USE enum ch_err ch_pem_decode(struct ch_span text, const char *label, uint8_t *to, size_t cap, size_t *n,
				      struct ch_diag *d);

/*
 * The same for the next block at or after *off, for files that hold several: *off is moved behind it. It is not moved after a
 * failure.
 */
CH_MUST_USE enum ch_err ch_pem_next(struct ch_span text, size_t *off, const char *label, uint8_t *to, size_t cap,
				    size_t *n, struct ch_diag *d);

#endif
