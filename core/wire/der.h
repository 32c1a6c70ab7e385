/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_WIRE_DER_H
#define CH_WIRE_DER_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/rd.h"
#include "core/base/wr.h"

/*
 * DER (X.690), strict: definite lengths in their shortest form (10.1), one-octet tags, primitive strings (10.2), and each type
 * that is read by a function of its own in its only form. The reader's first failure sticks, with its place and rule, so a
 * parser reads like the ASN.1 it follows and asks once, at the end. After a failure every read returns zero or an empty span.
 */

/* Identifier octets: class, constructed bit and number in one (8.1.2). Numbers above 30 are refused. */
#define CH_DER_BOOLEAN          0x01
#define CH_DER_INTEGER          0x02
#define CH_DER_BIT_STRING       0x03
#define CH_DER_OCTET_STRING     0x04
#define CH_DER_NULL             0x05
#define CH_DER_OID              0x06
#define CH_DER_ENUMERATED       0x0a
#define CH_DER_UTF8_STRING      0x0c
#define CH_DER_NUMERIC_STRING   0x12
#define CH_DER_PRINTABLE_STRING 0x13
#define CH_DER_T61_STRING       0x14
#define CH_DER_IA5_STRING       0x16
#define CH_DER_UTC_TIME         0x17
#define CH_DER_GENERAL_TIME     0x18
#define CH_DER_VISIBLE_STRING   0x1a
#define CH_DER_UNIVERSAL_STRING 0x1c
#define CH_DER_BMP_STRING       0x1e
#define CH_DER_SEQUENCE         0x30
#define CH_DER_SET              0x31
#define CH_DER_CONTEXT(n)       (0x80 | (n)) /* [n] IMPLICIT of a primitive type */
#define CH_DER_CONTEXT_IN(n)    (0xa0 | (n)) /* [n] EXPLICIT, or IMPLICIT of a constructed type */
#define CH_DER_IS_CONSTRUCTED   0x20

/* One value. The spans borrow from the input. */
struct ch_der {
	uint8_t tag;
	size_t off;           /* of its identifier octet in the whole input */
	struct ch_span body;  /* contents octets */
	struct ch_span whole; /* identifier, length and contents octets */
};

struct ch_der_rd {
	struct ch_rd r;
	size_t base; /* offset of r.in in the whole input */
	size_t depth;
	enum ch_err err;
	size_t at; /* offset of what was read last, or of the failure */
	const char *rule;
};

/* Starts reading `in`, whose first byte is at offset `base` of what the messages are about. */
struct ch_der_rd ch_der_rd(struct ch_span in, size_t base);

static inline bool ch_der_ok(const struct ch_der_rd *d)
{
	return d->err == CH_OK;
}

/* True if another value follows; false at the end and after a failure: the condition of every loop over a SEQUENCE OF. */
static inline bool ch_der_more(const struct ch_der_rd *d)
{
	return d->err == CH_OK && ch_rd_left(&d->r) > 0;
}

/* The identifier octet of what follows; 0 at the end and after a failure (0 is no type of DER). */
uint8_t ch_der_peek(const struct ch_der_rd *d);

/* Fails with `err` at what was read last, unless `holds` or something failed before. */
void ch_der_require(struct ch_der_rd *d, bool holds, enum ch_err err, const char *rule);

/* Takes a value of any type. */
struct ch_der ch_der_any(struct ch_der_rd *d);
/* Takes a value that is not looked at further, with all that is in it, checked as ch_der_check() does. */
struct ch_der ch_der_skip(struct ch_der_rd *d);
/* Takes a value that must have the tag; `rule` is static text that names what must be there, with its clause. */
struct ch_der ch_der_take(struct ch_der_rd *d, uint8_t tag, const char *rule);

/* Enters a constructed value, at most CH_DER_DEPTH_MAX deep; ch_der_leave() must follow, before anything else is read. */
struct ch_der_rd ch_der_enter(struct ch_der_rd *d, uint8_t tag, const char *rule);
/* The same for the contents of an OCTET STRING or of a value taken before (`inside` must lie in the input). */
struct ch_der_rd ch_der_inside(struct ch_der_rd *d, struct ch_der v);
/* Leaves it: all must have been read. A failure inside is a failure of `d`. */
void ch_der_leave(struct ch_der_rd *d, const struct ch_der_rd *child, const char *trailing_rule);

/* The end of the input: nothing failed and nothing is left, else the failure, written to `diag`. */
CH_MUST_USE enum ch_err ch_der_end(struct ch_der_rd *d, struct ch_diag *diag, const char *trailing_rule);

/* INTEGER (8.3): the contents, in their shortest form; the first bit is the sign. */
struct ch_span ch_der_integer(struct ch_der_rd *d, const char *rule);
/* INTEGER that must be positive or 0: its bytes without the leading zero; one zero byte for 0. */
struct ch_span ch_der_unsigned(struct ch_der_rd *d, const char *rule);
/* INTEGER from 0 to `max`. */
uint32_t ch_der_small(struct ch_der_rd *d, uint32_t max, const char *rule);
/* BOOLEAN (11.1): 0x00 or 0xff. */
bool ch_der_boolean(struct ch_der_rd *d, const char *rule);
/* OBJECT IDENTIFIER (8.19): its contents, each component in its shortest form. */
struct ch_span ch_der_oid(struct ch_der_rd *d, const char *rule);
/* BIT STRING (8.6, 11.2.1): its bytes; *unused (may be NULL: then none may be unused) of the last byte's bits, which are 0. */
struct ch_span ch_der_bits(struct ch_der_rd *d, uint8_t *unused, const char *rule);
/* The same under another tag: [n] IMPLICIT BIT STRING. */
struct ch_span ch_der_bits_as(struct ch_der_rd *d, uint8_t tag, uint8_t *unused, const char *rule);
struct ch_span ch_der_octets(struct ch_der_rd *d, const char *rule);
void ch_der_null(struct ch_der_rd *d, const char *rule);
/*
 * UTCTime or GeneralizedTime as RFC 5280, 4.1.2.5 restricts them (seconds given, Z, no fraction; two-digit years are 1950 to
 * 2049): seconds since 1970-01-01T00:00:00Z, negative before. Proleptic Gregorian calendar, no leap seconds.
 */
int64_t ch_der_time(struct ch_der_rd *d, const char *rule);

/* True for the contents octets of an OBJECT IDENTIFIER in the only form. */
bool ch_oid_valid(struct ch_span oid);
/* Appends "1.2.840.113549". A component past 2^64-1 is written as "?". */
void ch_oid_put(struct ch_wr *w, struct ch_span oid);

/* True for character strings that we read: UTF-8 valid, BMP and Universal strings whole and Unicode, the others ASCII or Latin-1. */
bool ch_der_string_valid(uint8_t tag, struct ch_span s);
/* Appends such a string as UTF-8; nothing for a tag that is no string. */
void ch_der_string_put(struct ch_wr *w, uint8_t tag, struct ch_span s);

/* Appends seconds since 1970 as RFC 3339, "2026-11-22T05:59:19Z". Years 0 to 9999; outside of them "?". */
void ch_time_put(struct ch_wr *w, int64_t seconds);
/* The reverse: exactly that form with "Z", a date that exists; else CH_ERR_MALFORMED. */
CH_MUST_USE enum ch_err ch_time_parse(int64_t *seconds, struct ch_span text);

/*
 * Walks all of `in`, one value with all that is in it, at most CH_DER_DEPTH_MAX deep, and checks each value of a universal
 * type that this page names. What it accepts, any BER reader accepts as the same values.
 */
CH_MUST_USE enum ch_err ch_der_check(struct ch_span in, struct ch_diag *diag);

#endif
