/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_VERIFY_BODY_H
#define CH_VERIFY_BODY_H

#include "core/base/arena.h"
#include "core/wire/json.h"

/*
 * The JSON bodies of requests, read by tables: each row names a member, what it holds and where it goes. A member that is not in
 * the table, one that is there twice and one that is missing are refused, so what a device sends means one thing.
 */

enum ch_body_kind {
	CH_BODY_BYTES, /* struct ch_span: base64url without padding, at most `max` bytes */
	CH_BODY_TEXT,  /* struct ch_span: at most `max` bytes of UTF-8 */
	CH_BODY_HEX,   /* `max` bytes in place */
	CH_BODY_U64,   /* uint64_t */
	CH_BODY_BOOL,  /* bool */
	CH_BODY_VALUE, /* size_t: the value's index in the document, for what a table cannot say; CH_JSON_NONE if it is absent */
};

struct ch_body_field {
	const char *name;
	enum ch_body_kind kind;
	bool needed; /* else it may be absent or null, and its place keeps what it had */
	size_t at;   /* offset in the struct that is filled */
	size_t max;
};

/* What was wrong with a body, for the answer. */
struct ch_body_fault {
	const char *member; /* the row's name, or NULL */
	const char *rule;   /* static */
	size_t off;         /* in the body */
};

/* Nodes of a body: far more than any body of ours has, far fewer than a hostile one could. */
#define CH_BODY_NODES_MAX 1024

/* A body while it is read; what is read of it outlives it. */
struct ch_body {
	struct ch_json json;
	struct ch_arena *arena; /* decoded bytes and text live here */
	struct ch_json_node node[CH_BODY_NODES_MAX];
};

/* Bytes of arena that always suffice for a body of n bytes and a table of structures. */
size_t ch_body_arena_size(size_t n);

/* Reads the body, which must be one object. CH_ERR_LIMIT past CH_BODY_NODES_MAX. The text must outlive `b`, not what is read. */
CH_MUST_USE enum ch_err ch_body_parse(struct ch_body *b, struct ch_span body, struct ch_arena *arena,
				      struct ch_body_fault *fault);
/* Fills `to` from the members of `object`. */
CH_MUST_USE enum ch_err ch_body_read(struct ch_body *b, size_t object, const struct ch_body_field *field, size_t count,
				     void *to, struct ch_body_fault *fault);
/* The bytes of one string, as CH_BODY_BYTES has them. */
CH_MUST_USE enum ch_err ch_body_bytes(struct ch_body *b, size_t i, size_t max, struct ch_span *to);

#endif
