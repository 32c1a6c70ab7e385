/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_WIRE_JSON_DOC_H
#define CH_WIRE_JSON_DOC_H

#include "core/wire/json.h"

/*
 * A document that is signed, read by tables: every member is known, there, and there once; strings have no escapes, so that one value has
 * one text and can be borrowed. A refusal tells its place in the text and its rule.
 */
struct ch_json_doc {
	struct ch_json j;
	struct ch_diag *d;
};

/* Records the refusal of value `i` (at the end of the text if there is no such value) and returns `err`. */
enum ch_err ch_json_doc_refuse(const struct ch_json_doc *t, size_t i, enum ch_err err, const char *rule);

/* A string without escapes: CH_ERR_MALFORMED, CH_ERR_ENCODING. */
CH_MUST_USE enum ch_err ch_json_doc_text(const struct ch_json_doc *t, size_t i, struct ch_span *s);
/* A whole number of `min` to `max`: CH_ERR_MALFORMED, CH_ERR_RANGE. */
CH_MUST_USE enum ch_err ch_json_doc_number(const struct ch_json_doc *t, size_t i, uint64_t min, uint64_t max,
					   uint64_t *v);
/* A string that is exactly `type`: CH_ERR_UNSUPPORTED with this rule. */
CH_MUST_USE enum ch_err ch_json_doc_type(const struct ch_json_doc *t, size_t i, const char *type, const char *rule);

/* Reads element `nth` of a list into its place in `list`. */
typedef enum ch_err ch_json_doc_element(const struct ch_json_doc *t, size_t i, size_t nth, void *list);
/* An array of `min` to `max` elements: CH_ERR_MALFORMED, CH_ERR_MISSING (too few), CH_ERR_LIMIT, or what `take` says. */
CH_MUST_USE enum ch_err ch_json_doc_list(const struct ch_json_doc *t, size_t i, size_t min, size_t max,
					 ch_json_doc_element *take, void *list, size_t *count);

/* A member: its name, and what reads its value into `to`. A table has at most 32. */
struct ch_json_doc_member {
	const char *name;
	enum ch_err (*take)(const struct ch_json_doc *t, size_t i, void *to);
};
/* An object of exactly these members: CH_ERR_MALFORMED, CH_ERR_UNKNOWN, CH_ERR_DUPLICATE, CH_ERR_MISSING, or what `take` says. */
CH_MUST_USE enum ch_err ch_json_doc_object(const struct ch_json_doc *t, size_t i, const struct ch_json_doc_member *row,
					   size_t count, void *to);
/* The same where members may be missing: bit n of *there for row n that is there. CH_ERR_MISSING is the caller's. */
CH_MUST_USE enum ch_err ch_json_doc_members(const struct ch_json_doc *t, size_t i, const struct ch_json_doc_member *row,
					    size_t count, void *to, uint64_t *there);

#endif
