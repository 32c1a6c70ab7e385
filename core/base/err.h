/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BASE_ERR_H
#define CH_BASE_ERR_H

#include <stddef.h>

/*
 * The one error convention of the tree. At most 32 codes, in classes; CH_OK is 0.
 * A function that can fail returns `enum ch_err` and is CH_MUST_USE.
 */
#define CH_ERRS(X)                                                \
	X(OK, "ok")                                               \
	/* input: the bytes break a rule of their format */       \
	X(ERR_TRUNCATED, "truncated")                             \
	X(ERR_TRAILING, "trailing bytes")                         \
	X(ERR_MALFORMED, "malformed")                             \
	X(ERR_RANGE, "value out of range")                        \
	X(ERR_DUPLICATE, "duplicate")                             \
	X(ERR_ENCODING, "bad encoding")                           \
	X(ERR_UNKNOWN, "unknown field")                           \
	X(ERR_MISSING, "missing field")                           \
	X(ERR_UNSUPPORTED, "unsupported")                         \
	/* limit: a budget of ours or of the caller is used up */ \
	X(ERR_LIMIT, "limit exceeded")                            \
	X(ERR_NOSPACE, "buffer too small")                        \
	/* crypto */                                              \
	X(ERR_SIGNATURE, "bad signature")                         \
	X(ERR_KEY, "bad key")                                     \
	X(ERR_CRYPTO, "cryptographic backend failed")             \
	/* policy: well-formed, but it does not hold */           \
	X(ERR_MISMATCH, "mismatch")                               \
	X(ERR_UNTRUSTED, "not trusted")                           \
	/* io */                                                  \
	X(ERR_IO, "input/output error")                           \
	X(ERR_NOTFOUND, "not found")                              \
	/* internal */                                            \
	X(ERR_INTERNAL, "internal error")

#define CH_ERR_ENUM(name, text) CH_##name,
enum ch_err { CH_ERRS(CH_ERR_ENUM) CH_ERR_COUNT };
#undef CH_ERR_ENUM

#define CH_MUST_USE __attribute__((warn_unused_result))

/* Short lower-case English text of an error; static storage, never NULL, any value accepted. */
const char *ch_err_str(enum ch_err err);

#define CH_ITEM_NONE ((size_t)-1)

/*
 * Where and which rule: what a parser tells about input it refused. A parser zeroes it on entry and fills it on failure.
 */
struct ch_diag {
	size_t off;       /* byte offset, in the parser's input, of the field that broke the rule */
	size_t item;      /* number of the record it lies in, or CH_ITEM_NONE */
	const char *rule; /* static text: the rule that was broken, with its clause; NULL if nothing failed */
};

/* Resets `d` (which may be NULL) to "nothing failed". */
static inline void ch_diag_clear(struct ch_diag *d)
{
	if (d != NULL)
		*d = (struct ch_diag){ .off = 0, .item = CH_ITEM_NONE, .rule = NULL };
}

/* Records the failure in `d` (which may be NULL) and returns `err`, so that a parser can `return ch_fail(...)`. */
static inline enum ch_err ch_fail(struct ch_diag *d, enum ch_err err, size_t off, const char *rule)
{
	if (d != NULL) {
		d->off = off;
		d->rule = rule;
	}
	return err;
}

#endif
