/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_PKCS11_URI_H
#define CH_PKCS11_URI_H

#include "core/base/err.h"
#include "core/base/wr.h"

/*
 * The name of a key in a token: a PKCS #11 URI (RFC 7512). Attributes of the path say which token and which key, those of the query
 * how to get there.
 */

/*
 * Name, its place, how many bytes it has at most once it is decoded (those of a token's fields are the sizes of PKCS #11's structures),
 * and what it may be made of: TEXT is UTF-8 without controls, BYTES anything, DIGITS decimal digits, VERSION digits and a dot.
 */
#define CH_P11_ATTRS(X)                                                 \
	X(TOKEN, "token", PATH, 32, TEXT)                               \
	X(MANUFACTURER, "manufacturer", PATH, 32, TEXT)                 \
	X(SERIAL, "serial", PATH, 16, TEXT)                             \
	X(MODEL, "model", PATH, 16, TEXT)                               \
	X(LIBRARY_MANUFACTURER, "library-manufacturer", PATH, 32, TEXT) \
	X(LIBRARY_DESCRIPTION, "library-description", PATH, 32, TEXT)   \
	X(LIBRARY_VERSION, "library-version", PATH, 7, VERSION)         \
	X(SLOT_DESCRIPTION, "slot-description", PATH, 64, TEXT)         \
	X(SLOT_MANUFACTURER, "slot-manufacturer", PATH, 32, TEXT)       \
	X(SLOT_ID, "slot-id", PATH, 10, DIGITS)                         \
	X(OBJECT, "object", PATH, 128, TEXT)                            \
	X(ID, "id", PATH, 64, BYTES)                                    \
	X(TYPE, "type", PATH, 10, TEXT)                                 \
	X(MODULE_PATH, "module-path", QUERY, 512, TEXT)                 \
	X(PIN_SOURCE, "pin-source", QUERY, 512, TEXT)

#define CH_P11_ATTR_ENUM(name, text, place, max, kind) CH_P11_##name,
enum ch_p11_attr { CH_P11_ATTRS(CH_P11_ATTR_ENUM) CH_P11_ATTR_COUNT };
#undef CH_P11_ATTR_ENUM

#define CH_P11_URI_MAX  3072 /* bytes of a URI */
#define CH_P11_TEXT_MAX 1536 /* of all its values, decoded */
#define CH_P11_PUT_MAX         \
	(3 * CH_P11_TEXT_MAX + \
	 512) /* of a URI as ch_p11_uri_put writes it, which may be longer than one that is read */

/* The spans of `attr` point into `text`, so a struct copy is not a URI. An attribute that is not there is a span whose `p` is NULL. */
struct ch_p11_uri {
	struct ch_span attr[CH_P11_ATTR_COUNT];
	uint8_t text[CH_P11_TEXT_MAX]; /* each value followed by a NUL */
};

/* True if a text means to be such a URI: it starts with "pkcs11:", in letters of any case (RFC 3986, 3.1). */
bool ch_p11_uri_is(struct ch_span text);

/*
 * Parses a URI. Total. Stricter than RFC 7512 where leniency would name another key than was meant: an attribute that is not known here
 * (vendors' too) is CH_ERR_UNKNOWN, one that comes twice CH_ERR_DUPLICATE, a character that had to be percent-encoded CH_ERR_ENCODING, a
 * value too long for its field CH_ERR_RANGE, and `pin-value` CH_ERR_UNSUPPORTED: a PIN does not belong where names are shown.
 */
CH_MUST_USE enum ch_err ch_p11_uri_parse(struct ch_p11_uri *u, struct ch_span in, struct ch_diag *d);

/* A value as a C string, "" if it is not there; only for what has no NUL inside, which is all but ID. Lives as long as `u`. */
const char *ch_p11_uri_str(const struct ch_p11_uri *u, enum ch_p11_attr attr);

/* Writes it: attributes in the order of the table, everything but unreserved characters percent-encoded. */
void ch_p11_uri_put(struct ch_wr *w, const struct ch_p11_uri *u);

#endif
