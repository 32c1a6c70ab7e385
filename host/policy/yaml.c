/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/yaml.h"

#include "core/base/text.h"

#include <string.h>
#include <yaml.h>

struct level {
	uint32_t node;
	uint32_t children;
};

struct reader {
	struct ch_yaml *y;
	struct ch_yaml_error *e;
	enum ch_err err;
	yaml_mark_t mark; /* of the event that is being looked at */
	struct level level[CH_YAML_DEPTH_MAX];
	size_t depth;
	bool seen; /* a document */
};

/* A longer part of a message is text of the file, of which its beginning is enough. */
#define PART_MAX   480
#define PART_SHOWN 80

static void say(struct ch_yaml_error *e, size_t line, size_t column, const char *const *parts)
{
	*e = (struct ch_yaml_error){ .line = (uint32_t)line, .column = (uint32_t)column };
	struct ch_wr w = ch_wr(e->text, sizeof(e->text) - 1);
	for (size_t i = 0; parts[i] != NULL; i++) {
		struct ch_span part = ch_span_str(parts[i]);
		if (i % 2 == 1 && part.n > PART_MAX) {
			ch_text_escape(&w, ch_span_sub(part, 0, PART_SHOWN));
			ch_wr_str(&w, "…");
		} else if (i % 2 == 1) {
			ch_text_escape(&w, part);
		} else {
			ch_wr_put(&w, part);
		}
	}
	e->text[w.len] = '\0';
}

enum ch_err ch_yaml_refuse(struct ch_yaml_error *e, enum ch_err err, const struct ch_yaml_node *at,
			   const char *const *parts)
{
	say(e, at->line, at->column, parts);
	return err;
}

static void refuse(struct reader *r, enum ch_err err, const char *what, const char *text)
{
	if (r->err != CH_OK)
		return;
	r->err = err;
	say(r->e, r->mark.line + 1, r->mark.column + 1, (const char *const[]){ what, text, NULL });
}

/* --- building the table --- */

static bool is_map(const struct reader *r)
{
	return r->depth > 0 && r->y->node[r->level[r->depth - 1].node].type == CH_YAML_MAP;
}

/* The scalar that was just added is a key: it may not have come before in its mapping. */
static void check_key(struct reader *r, uint32_t key)
{
	const struct ch_yaml_node *node = r->y->node;
	uint32_t at = r->level[r->depth - 1].node + 1;
	for (uint32_t n = 0; at < key; n++, at = node[at].next) {
		if (n % 2 == 0 && strcmp(node[at].text, node[key].text) == 0)
			refuse(r, CH_ERR_DUPLICATE, "this key is here twice: ", node[key].text);
	}
}

/* Adds a node where the document stands. NULL after a failure. */
static struct ch_yaml_node *add(struct reader *r, enum ch_yaml_type type)
{
	bool key = is_map(r) && r->level[r->depth - 1].children % 2 == 0;
	if (key && type != CH_YAML_SCALAR)
		refuse(r, CH_ERR_UNSUPPORTED, "a key is one word, not a list or a mapping", "");
	if (r->y->count == CH_YAML_NODES_MAX)
		refuse(r, CH_ERR_LIMIT, "the file has more than 4096 keys and values", "");
	if (r->err != CH_OK)
		return NULL;
	if (r->depth > 0)
		r->level[r->depth - 1].children++;
	uint32_t i = (uint32_t)r->y->count++;
	struct ch_yaml_node *n = &r->y->node[i];
	*n = (struct ch_yaml_node){ .type = (uint8_t)type,
				    .line = (uint32_t)r->mark.line + 1,
				    .column = (uint32_t)r->mark.column + 1,
				    .next = i + 1 };
	return n;
}

static bool text_fits(struct ch_span s)
{
	for (size_t off = 0; off < s.n;) {
		uint32_t code;
		size_t n = ch_utf8_decode(ch_span_sub(s, off, s.n - off), &code);
		if (n == 0 || !ch_text_shown(code))
			return false;
		off += n;
	}
	return true;
}

static void scalar(struct reader *r, const yaml_event_t *ev)
{
	struct ch_span s = ch_span(ev->data.scalar.value, ev->data.scalar.length);
	bool key = is_map(r) && r->level[r->depth - 1].children % 2 == 0;
	if (!text_fits(s))
		refuse(r, CH_ERR_ENCODING, "text may not hold line breaks, control characters or invisible ones", "");
	struct ch_yaml_node *n = add(r, CH_YAML_SCALAR);
	if (n == NULL)
		return;
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = ch_calloc(s.n + 1, 1);
	(void)ch_span_copy(n->text, s.n, s);
	if (key)
		check_key(r, (uint32_t)r->y->count - 1);
}

static void open_level(struct reader *r, enum ch_yaml_type type)
{
	if (r->depth == CH_YAML_DEPTH_MAX)
		refuse(r, CH_ERR_LIMIT, "more than 8 levels in each other", "");
	struct ch_yaml_node *n = add(r, type);
	if (n == NULL)
		return;
	n->text = ch_calloc(1, 1);
	r->level[r->depth++] = (struct level){ .node = (uint32_t)r->y->count - 1 };
}

static void close_level(struct reader *r)
{
	r->y->node[r->level[--r->depth].node].next = (uint32_t)r->y->count;
}

static void document(struct reader *r, const yaml_event_t *ev)
{
	if (r->seen)
		refuse(r, CH_ERR_UNSUPPORTED, "a second document: a file holds one", "");
	if (ev->data.document_start.version_directive != NULL ||
	    ev->data.document_start.tag_directives.start != ev->data.document_start.tag_directives.end)
		refuse(r, CH_ERR_UNSUPPORTED, "directives (lines that begin with %) are not allowed", "");
	r->seen = true;
}

/* Anchors and tags give text another meaning than the one that is read. */
static void check_marks(struct reader *r, const void *anchor, const void *tag)
{
	if (anchor != NULL)
		refuse(r, CH_ERR_UNSUPPORTED, "anchors (&name) are not allowed: write the value where it is used", "");
	if (tag != NULL)
		refuse(r, CH_ERR_UNSUPPORTED, "tags (!name) are not allowed", "");
}

static void event(struct reader *r, const yaml_event_t *ev)
{
	r->mark = ev->start_mark;
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		document(r, ev);
		break;
	case YAML_ALIAS_EVENT:
		refuse(r, CH_ERR_UNSUPPORTED, "aliases (*name) are not allowed: write the value where it is used", "");
		break;
	case YAML_SCALAR_EVENT:
		check_marks(r, ev->data.scalar.anchor, ev->data.scalar.tag);
		scalar(r, ev);
		break;
	case YAML_SEQUENCE_START_EVENT:
		check_marks(r, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
		open_level(r, CH_YAML_LIST);
		break;
	case YAML_MAPPING_START_EVENT:
		check_marks(r, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
		open_level(r, CH_YAML_MAP);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_level(r);
		break;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
}

/* --- the whole --- */

static void syntax_error(struct reader *r, const yaml_parser_t *p)
{
	bool bytes = p->error == YAML_READER_ERROR;
	r->mark = bytes ? p->mark : p->problem_mark;
	refuse(r, bytes ? CH_ERR_ENCODING : CH_ERR_MALFORMED,
	       bytes ? "not UTF-8 text: " : "not YAML: ", p->problem != NULL ? p->problem : "it cannot be read");
}

static void run(struct reader *r, yaml_parser_t *p)
{
	for (bool end = false; !end && r->err == CH_OK;) {
		yaml_event_t ev;
		if (yaml_parser_parse(p, &ev) == 0) {
			syntax_error(r, p);
			return;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		event(r, &ev);
		yaml_event_delete(&ev);
	}
	if (r->y->count == 0)
		refuse(r, CH_ERR_MISSING, "the file is empty", "");
}

enum ch_err ch_yaml_read(struct ch_yaml *y, struct ch_span in, struct ch_yaml_error *e)
{
	*y = (struct ch_yaml){ 0 };
	*e = (struct ch_yaml_error){ 0 };
	struct reader r = { .y = y, .e = e };
	if (in.n > CH_YAML_BYTES_MAX) {
		refuse(&r, CH_ERR_LIMIT, "the file is larger than 256 KiB", "");
		return r.err;
	}
	yaml_parser_t parser;
	if (yaml_parser_initialize(&parser) == 0) {
		refuse(&r, CH_ERR_INTERNAL, "libyaml cannot be used", "");
		return r.err;
	}
	y->node = ch_calloc(CH_YAML_NODES_MAX, sizeof(*y->node));
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, in.n > 0 ? in.p : (const uint8_t *)"", in.n);
	run(&r, &parser);
	yaml_parser_delete(&parser);
	if (r.err != CH_OK)
		ch_yaml_clear(y);
	return r.err;
}

void ch_yaml_clear(struct ch_yaml *y)
{
	for (size_t i = 0; i < y->count; i++)
		ch_free(y->node[i].text);
	ch_free(y->node);
	*y = (struct ch_yaml){ 0 };
}
