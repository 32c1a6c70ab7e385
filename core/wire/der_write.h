/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_WIRE_DER_WRITE_H
#define CH_WIRE_DER_WRITE_H

#include "core/base/limits.h"
#include "core/wire/der.h"

/*
 * Writes DER (X.690): every length and every value in its only form. Calls nest as the ASN.1 does. Failure is sticky in the
 * `ch_wr`, which must be one without `flush`: a full buffer, an end without a begin, more than CH_DER_DEPTH_MAX levels.
 */
struct ch_der_wr {
	struct ch_wr *w;
	size_t at[CH_DER_DEPTH_MAX]; /* of the length octet of each level that was begun */
	size_t depth;
};

static inline struct ch_der_wr ch_der_wr(struct ch_wr *w)
{
	return (struct ch_der_wr){ .w = w };
}

/* Begins a value whose contents follow; ch_der_put_end closes the innermost and makes its length right. */
void ch_der_put_begin(struct ch_der_wr *d, uint8_t tag);
void ch_der_put_end(struct ch_der_wr *d);
/* True if every value that was begun was ended, and nothing failed. */
bool ch_der_wr_done(const struct ch_der_wr *d);

/* A value with these contents octets. */
void ch_der_put(struct ch_der_wr *d, uint8_t tag, struct ch_span contents);
/* A value that is already encoded. */
void ch_der_put_raw(struct ch_der_wr *d, struct ch_span whole);
/* INTEGER from the bytes of a number that is not negative: leading zeros are dropped, one is added where the first bit is set. */
void ch_der_put_unsigned(struct ch_der_wr *d, struct ch_span number);
void ch_der_put_small(struct ch_der_wr *d, uint32_t v);
void ch_der_put_boolean(struct ch_der_wr *d, bool v);
/* BIT STRING of whole bytes. */
void ch_der_put_bits(struct ch_der_wr *d, struct ch_span bytes);
/* BIT STRING of named bits (11.2.2): bit n of `bits` is named bit n; without trailing zero bits. */
void ch_der_put_named_bits(struct ch_der_wr *d, uint16_t bits);
/*
 * Seconds since 1970 as RFC 5280, 4.1.2.5 wants them: UTCTime from 1950 to 2049, else GeneralizedTime. A year outside of 0 to 9999
 * is a failure.
 */
void ch_der_put_time(struct ch_der_wr *d, int64_t seconds);
/* The same as GeneralizedTime whatever the year, which OCSP has (RFC 6960, 4.2.2.1). */
void ch_der_put_general_time(struct ch_der_wr *d, int64_t seconds);

#endif
