/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_WIRE_CBOR_H
#define CH_WIRE_CBOR_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/rd.h"
#include "core/base/wr.h"

/*
 * CBOR (RFC 8949): a reader that is pulled item by item, checks of a whole item, and a writer. No recursion: nesting is bounded
 * by CH_CBOR_DEPTH_MAX (arrays, maps and tags).
 */

/* How much freedom of RFC 8949 an encoding may use. Zero is the strictest. */
enum ch_cbor_mode {
	CH_CBOR_DETERMINISTIC = 0, /* 4.2.1: shortest heads and floats, definite lengths, map keys in order */
	CH_CBOR_DEFINITE = 0x5d,   /* any head length, but definite lengths only (RFC 9783, 5.1; RFC 9711, 7.2.6) */
	CH_CBOR_ANY = 0x5a,        /* all that is well-formed */
};

enum ch_cbor_type {
	CH_CBOR_UINT,
	CH_CBOR_NINT,
	CH_CBOR_BSTR,
	CH_CBOR_TSTR,
	CH_CBOR_ARRAY,
	CH_CBOR_MAP,
	CH_CBOR_TAG,
	CH_CBOR_SIMPLE, /* false 20, true 21, null 22, undefined 23, others */
	CH_CBOR_FLOAT,
	CH_CBOR_BREAK, /* ends an item of indefinite length */
	CH_CBOR_END,   /* nothing is left, or an earlier read failed */
};

/* One head, and the content of a string of definite length. */
struct ch_cbor_item {
	enum ch_cbor_type type;
	bool indefinite; /* string, array, map: what follows ends with CH_CBOR_BREAK; a string's chunks are items */
	uint8_t width;   /* bytes of the argument after the first byte: 0, 1, 2, 4, 8; of a float: 2, 4, 8 */
	uint64_t
		value; /* the number; of CH_CBOR_NINT n: -1 - n; bytes, elements or pairs; tag; simple value; float's bits */
	struct ch_span str;
	size_t off; /* of the head in the reader's input */
};

/*
 * The reader. As with struct ch_rd a failure is sticky: reads return zero or empty spans, nothing moves any more, and
 * ch_cbor_end() tells what was wrong first. The heads are checked for `mode`; the order of map keys is not (use
 * ch_cbor_check for that). Text strings must be UTF-8 (RFC 8949, 3.1).
 */
struct ch_cbor {
	struct ch_span in;
	size_t off;
	enum ch_cbor_mode mode;
	enum ch_err err;
	size_t at; /* of the failure */
	const char *rule;
};

struct ch_cbor ch_cbor(struct ch_span in, enum ch_cbor_mode mode);

/* Reads one head (and a definite string's content). False after a failure or at the end of the input, which is a failure. */
bool ch_cbor_next(struct ch_cbor *r, struct ch_cbor_item *item);
/* The same without looking into text: for what only asks whether bytes are well-formed. */
bool ch_cbor_next_raw(struct ch_cbor *r, struct ch_cbor_item *item);
/* Type of the next item by its first byte; CH_CBOR_END if none is left or a read failed. Reads nothing. */
enum ch_cbor_type ch_cbor_peek(const struct ch_cbor *r);

/* One item of exactly that type, of definite length; anything else is a failure (CH_ERR_MALFORMED). */
uint64_t ch_cbor_uint(struct ch_cbor *r);
int64_t ch_cbor_int(struct ch_cbor *r); /* CH_ERR_RANGE outside of int64_t */
struct ch_span ch_cbor_bstr(struct ch_cbor *r);
struct ch_span ch_cbor_tstr(struct ch_cbor *r);
size_t ch_cbor_array(struct ch_cbor *r); /* the number of elements, which is at most the bytes left */
size_t ch_cbor_map(struct ch_cbor *r);   /* the number of pairs, likewise */
uint64_t ch_cbor_tag(struct ch_cbor *r);
bool ch_cbor_bool(struct ch_cbor *r);
void ch_cbor_null(struct ch_cbor *r);

/* Passes over one item with all that is in it, checking that it is well-formed for `mode`; returns its encoding. */
struct ch_span ch_cbor_skip(struct ch_cbor *r);

/* Makes the reader fail, unless it did before: for rules of the format above. */
void ch_cbor_refuse(struct ch_cbor *r, enum ch_err err, size_t off, const char *rule);

/* CH_OK if nothing failed and nothing is left, else the first failure (or CH_ERR_TRAILING) in `d`. */
CH_MUST_USE enum ch_err ch_cbor_end(const struct ch_cbor *r, struct ch_diag *d);

/*
 * True if two keys, each one encoded item, have the same value: integers and strings whatever their head, floats whatever
 * their width, other kinds by their bytes (RFC 8949, 5.6.1).
 */
bool ch_cbor_key_eq(struct ch_span a, struct ch_span b);

/* --- one whole item, nothing after it --- */

/* Well-formed (RFC 8949, 3 and appendix C). CH_ERR_LIMIT if it nests deeper than CH_CBOR_DEPTH_MAX. */
CH_MUST_USE enum ch_err ch_cbor_wellformed(struct ch_span in, struct ch_diag *d);
/*
 * Well-formed, valid (5.3.1: text is UTF-8, no key twice in a map), and encoded as `mode` allows; for CH_CBOR_DETERMINISTIC with
 * the keys of every map in bytewise order (4.2.1) and bignums in preferred form (3.4.3). CH_ERR_LIMIT also for a map of more than
 * CH_CBOR_PAIRS_MAX pairs, except in deterministic mode, where order alone shows that no key is there twice.
 */
CH_MUST_USE enum ch_err ch_cbor_check(struct ch_span in, enum ch_cbor_mode mode, struct ch_diag *d);

/* The bits of a float of 2, 4 or 8 bytes as binary64; exact. `bits` is item.value, `width` item.width. */
uint64_t ch_cbor_float64(uint64_t bits, uint8_t width);

/* --- the writer: deterministic heads into any struct ch_wr; the order of map keys is the caller's --- */

void ch_cbor_put_uint(struct ch_wr *w, uint64_t v);
void ch_cbor_put_int(struct ch_wr *w, int64_t v);
void ch_cbor_put_nint(struct ch_wr *w, uint64_t n); /* -1 - n */
void ch_cbor_put_bstr(struct ch_wr *w, struct ch_span s);
void ch_cbor_put_tstr(struct ch_wr *w, struct ch_span s); /* `s` is UTF-8 */
void ch_cbor_put_bstr_head(struct ch_wr *w, size_t n);    /* n bytes must follow */
void ch_cbor_put_array(struct ch_wr *w, size_t n);        /* n items must follow */
void ch_cbor_put_map(struct ch_wr *w, size_t n);          /* n pairs must follow */
void ch_cbor_put_tag(struct ch_wr *w, uint64_t tag);
void ch_cbor_put_bool(struct ch_wr *w, bool v);
void ch_cbor_put_null(struct ch_wr *w);
void ch_cbor_put_simple(struct ch_wr *w, uint8_t v); /* 0..23 or 32..255 */
/* Raw bits of 2, 4 or 8 bytes, as given. */
void ch_cbor_put_float(struct ch_wr *w, uint64_t bits, uint8_t width);

#endif
