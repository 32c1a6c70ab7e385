/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_POLICY_YAML_H
#define CH_POLICY_YAML_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "host/base/mem.h"

/*
 * YAML as far as a configuration needs it: one document of mappings, lists and scalars. What makes YAML surprising is refused:
 * anchors, aliases, tags, directives, a second document, a key twice, a key that is not a scalar, control characters in text.
 * Reading makes a flat table of nodes in document order, each with its place in the file.
 */

enum ch_yaml_type { CH_YAML_SCALAR, CH_YAML_LIST, CH_YAML_MAP };

struct ch_yaml_node {
	uint8_t type;
	bool plain;      /* a scalar without quotes */
	uint32_t line;   /* from 1 */
	uint32_t column; /* from 1, in characters */
	uint32_t next;   /* index of the node after this one and all that is in it */
	char *text;      /* of a scalar: UTF-8, ended by NUL and without another; empty for the others */
};

struct ch_yaml {
	size_t count; /* node[0] is the document's value */
	struct ch_yaml_node *node;
};

#define CH_YAML_SAY_MAX 640

/* Where and why a file was refused: a sentence for a person, escaped, that says what would be right. */
struct ch_yaml_error {
	uint32_t line; /* from 1; 0 if no place can be named */
	uint32_t column;
	char text[CH_YAML_SAY_MAX];
};

/*
 * Reads all of `in`. CH_ERR_LIMIT past a CH_YAML_* limit, CH_ERR_ENCODING, CH_ERR_DUPLICATE, CH_ERR_UNSUPPORTED (what is named
 * above), CH_ERR_MALFORMED (not YAML), CH_ERR_MISSING (an empty document): `e` says where, and `y` is empty. The caller clears `y`.
 */
CH_MUST_USE enum ch_err ch_yaml_read(struct ch_yaml *y, struct ch_span in, struct ch_yaml_error *e);
void ch_yaml_clear(struct ch_yaml *y);
#define CH_AUTO_YAML __attribute__((cleanup(ch_yaml_clear)))

/* Fills `e` with the place of a node and parts[0] ‖ parts[1] ‖ … up to NULL; what is at odd indices is escaped. Returns `err`. */
enum ch_err ch_yaml_refuse(struct ch_yaml_error *e, enum ch_err err, const struct ch_yaml_node *at,
			   const char *const *parts);

#endif
