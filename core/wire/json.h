/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_WIRE_JSON_H
#define CH_WIRE_JSON_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/rd.h"
#include "core/base/wr.h"

/*
 * JSON (RFC 8259), strict: UTF-8 and numbers checked, no byte order mark, no unpaired surrogate, no trailing bytes, at most
 * CH_JSON_BYTES_MAX bytes and CH_JSON_DEPTH_MAX arrays and objects in each other. Reading makes a flat table of nodes in the
 * caller's memory, in document order; nothing is copied or converted until asked for. docs/protocol/json.md has every rule.
 *
 * An index that is not below `count` (CH_JSON_NONE among them) is safe in every function but ch_json_type(): it has no
 * elements, no members and no value.
 */

enum ch_json_type {
	CH_JSON_NULL,
	CH_JSON_FALSE,
	CH_JSON_TRUE,
	CH_JSON_NUMBER,
	CH_JSON_STRING,
	CH_JSON_ARRAY,  /* followed by its elements */
	CH_JSON_OBJECT, /* followed by its members: each a CH_JSON_STRING (the name) and a value */
};

struct ch_json_node {
	uint32_t off;  /* of the value's first byte; of a string: of the byte after the quote */
	uint32_t len;  /* bytes of the value as written; of a string: without the quotes */
	uint32_t next; /* index of the node after this value and all that is in it */
	uint8_t type;
	uint8_t escaped; /* string: holds a backslash */
};

struct ch_json {
	struct ch_span in;
	struct ch_json_node *node; /* node[0] is the document's value */
	size_t count;
};

/* Nodes that always suffice for a text of n bytes: each but the first has a comma, colon or pair of brackets of its own. */
static inline size_t ch_json_nodes_max(size_t n)
{
	return n / 2 + 1;
}

/*
 * Reads all of `in`. CH_ERR_NOSPACE if `cap` nodes do not suffice, CH_ERR_LIMIT past one of the limits above; else what broke:
 * CH_ERR_TRUNCATED, CH_ERR_TRAILING, CH_ERR_MALFORMED (grammar) or CH_ERR_ENCODING (UTF-8, surrogates). `in` and `node` must
 * outlive `j`; `node` holds nothing of use after a failure.
 */
CH_MUST_USE enum ch_err ch_json_parse(struct ch_json *j, struct ch_span in, struct ch_json_node *node, size_t cap,
				      struct ch_diag *d);

#define CH_JSON_NONE ((size_t)-1)

static inline enum ch_json_type ch_json_type(const struct ch_json *j, size_t i)
{
	return (enum ch_json_type)j->node[i].type;
}

/* First element of an array, or name of the first member of an object; CH_JSON_NONE if it is empty or neither. */
size_t ch_json_first(const struct ch_json *j, size_t parent);
/* What follows `i` (an element, a name or a member's value) in `parent`; CH_JSON_NONE at its end. */
size_t ch_json_next(const struct ch_json *j, size_t parent, size_t i);
/* Number of elements or members. */
size_t ch_json_count(const struct ch_json *j, size_t parent);

/*
 * The value of the member `name` of an object: CH_OK and *value; CH_ERR_NOTFOUND; CH_ERR_DUPLICATE if the name occurs twice
 * (RFC 8259, 4 leaves its meaning open, so nothing that decides may use it).
 */
CH_MUST_USE enum ch_err ch_json_member(const struct ch_json *j, size_t object, const char *name, size_t *value);

/* The bytes of a value as written; of a string: between its quotes, escapes still in it. */
struct ch_span ch_json_raw(const struct ch_json *j, size_t i);

/* True if `i` is a string and its value, escapes resolved, is `s`. */
bool ch_json_str_eq(const struct ch_json *j, size_t i, const char *s);
/*
 * The value of a string. Without escapes it borrows from the text; otherwise it is decoded into `buf`. CH_ERR_NOSPACE if `cap`
 * does not suffice (the raw length always does), CH_ERR_MALFORMED if not a string.
 */
CH_MUST_USE enum ch_err ch_json_str(const struct ch_json *j, size_t i, void *buf, size_t cap, struct ch_span *value);
/*
 * Takes the next character of a string, escapes resolved: for values too long to copy. `raw` starts as ch_rd(ch_json_raw()) of a
 * string. False at its end, and `raw->bad` on what ch_json_parse() would have refused.
 */
CH_MUST_USE bool ch_json_char(struct ch_rd *raw, uint32_t *code);
/* An integer written without fraction or exponent. CH_ERR_MALFORMED if it is not, CH_ERR_RANGE if it does not fit. */
CH_MUST_USE enum ch_err ch_json_u64(const struct ch_json *j, size_t i, uint64_t *value);
CH_MUST_USE enum ch_err ch_json_i64(const struct ch_json *j, size_t i, int64_t *value);
/*
 * A string of 2n hexadecimal digits of either case, written without escapes. CH_ERR_MALFORMED if not a string, CH_ERR_RANGE if of
 * another length, CH_ERR_ENCODING for another character; `to` is zero then.
 */
CH_MUST_USE enum ch_err ch_json_hex(const struct ch_json *j, size_t i, uint8_t *to, size_t n);

/* Line and column (from 1, in bytes) of an offset, for messages. */
void ch_json_position(struct ch_span in, size_t off, size_t *line, size_t *column);

/*
 * The writer. Calls nest as the text does; commas and indentation come by themselves, a final newline does not. Failure is
 * sticky in the `ch_wr`, and so is a call that would make the text no JSON: a value without a name in an object, a name without
 * a value, an end that does not match its begin, a second value at the top, more than CH_JSON_DEPTH_MAX levels.
 *
 * Strings are UTF-8: a byte that is none becomes U+FFFD. Characters that a terminal would obey or hide (controls, C1, bidi,
 * zero width) are written as \u escapes, so that the text can be shown as it is and means the same.
 */
struct ch_json_wr {
	struct ch_wr *w;
	uint64_t object; /* bit d: the level at depth d + 1 is an object */
	size_t depth;
	bool pretty;  /* two spaces a level, one line a value */
	bool started; /* a value was written at this level */
	bool named;   /* a name was written and waits for its value */
};

struct ch_json_wr ch_json_wr(struct ch_wr *w, bool pretty);
/* True if one whole value was written and nothing failed. */
bool ch_json_wr_done(const struct ch_json_wr *j);
void ch_json_object_begin(struct ch_json_wr *j);
void ch_json_object_end(struct ch_json_wr *j);
void ch_json_array_begin(struct ch_json_wr *j);
void ch_json_array_end(struct ch_json_wr *j);
void ch_json_name(struct ch_json_wr *j, const char *name);
void ch_json_name_span(struct ch_json_wr *j, struct ch_span name);
void ch_json_put_null(struct ch_json_wr *j);
void ch_json_put_bool(struct ch_json_wr *j, bool v);
void ch_json_put_u64(struct ch_json_wr *j, uint64_t v);
void ch_json_put_i64(struct ch_json_wr *j, int64_t v);
void ch_json_put_str(struct ch_json_wr *j, const char *s);
void ch_json_put_span(struct ch_json_wr *j, struct ch_span s);
void ch_json_put_hex(struct ch_json_wr *j, struct ch_span bytes);
/* A number as its text. Anything that is not exactly one JSON number is a failure. */
void ch_json_put_number(struct ch_json_wr *j, struct ch_span text);
/* The value `i` of `from` and all in it: numbers as they were written, strings with this writer's escapes. */
void ch_json_put_value(struct ch_json_wr *j, const struct ch_json *from, size_t i);
/* name and value in one */
void ch_json_named_str(struct ch_json_wr *j, const char *name, const char *s); /* NULL becomes null */
void ch_json_named_span(struct ch_json_wr *j, const char *name, struct ch_span s);
void ch_json_named_hex(struct ch_json_wr *j, const char *name, struct ch_span bytes);
void ch_json_named_u64(struct ch_json_wr *j, const char *name, uint64_t v);
void ch_json_named_bool(struct ch_json_wr *j, const char *name, bool v);

#endif
