/* SPDX-License-Identifier: Apache-2.0 */
#include "host/policy/rollout.h"

#include <string.h>

/*
 * A file becomes JSON node by node, so that what the parser of the document refuses has a line and a column: node n of the one is node n of
 * the other.
 */

#define DIGITS_MAX 10 /* longer is no number of a rollout, but may be a digest without letters */

static bool is_number(const char *s)
{
	size_t n = strlen(s);
	return n > 0 && n <= DIGITS_MAX && strspn(s, "0123456789") == n && (s[0] != '0' || n == 1);
}

/* What plain words mean; in quotes everything is text. */
static void put_scalar(struct ch_json_wr *j, const struct ch_yaml_node *n)
{
	if (!n->plain)
		ch_json_put_str(j, n->text);
	else if (n->text[0] == '\0' || strcmp(n->text, "null") == 0 || strcmp(n->text, "~") == 0)
		ch_json_put_null(j);
	else if (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0)
		ch_json_put_bool(j, n->text[0] == 't');
	else if (is_number(n->text))
		ch_json_put_number(j, ch_span_str(n->text));
	else
		ch_json_put_str(j, n->text);
}

struct level {
	uint32_t end; /* the node after all that is in it */
	bool map, key;
};

static void json_put(struct ch_json_wr *j, const struct ch_yaml *y)
{
	struct level level[CH_YAML_DEPTH_MAX + 1];
	size_t depth = 0;
	for (uint32_t i = 0; i <= y->count; i++) {
		for (; depth > 0 && level[depth - 1].end == i; depth--) {
			if (level[depth - 1].map)
				ch_json_object_end(j);
			else
				ch_json_array_end(j);
		}
		if (i == y->count)
			return;
		const struct ch_yaml_node *n = &y->node[i];
		struct level *in = depth > 0 ? &level[depth - 1] : NULL;
		bool key = in != NULL && in->map && in->key;
		if (in != NULL)
			in->key = !in->key;
		if (key)
			ch_json_name(j, n->text);
		else if (n->type == CH_YAML_SCALAR)
			put_scalar(j, n);
		else if (n->type == CH_YAML_MAP)
			ch_json_object_begin(j);
		else
			ch_json_array_begin(j);
		if (n->type != CH_YAML_SCALAR)
			level[depth++] = (struct level){ n->next, n->type == CH_YAML_MAP, true };
	}
}

/* The node of the file that stands where the parser stopped. */
static const struct ch_yaml_node *place_of(const struct ch_yaml *y, const struct ch_json_node *node, size_t off)
{
	for (size_t i = 0; i < y->count && i < CH_ROLLOUT_NODES_MAX; i++) {
		if (node[i].off == off)
			return &y->node[i];
	}
	return &y->node[0];
}

static enum ch_err read_json(struct ch_rollout_file *f, const struct ch_yaml *y, struct ch_span json,
			     struct ch_yaml_error *e)
{
	CH_AUTO_FREE struct ch_rollout *r = ch_calloc(1, sizeof(*r));
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(CH_ROLLOUT_NODES_MAX, sizeof(*node));
	struct ch_diag d;
	enum ch_err err = ch_rollout_parse(r, json, node, CH_ROLLOUT_NODES_MAX, &d);
	if (err != CH_OK) {
		const char *const parts[] = { d.rule, NULL };
		return ch_yaml_refuse(e, err, place_of(y, node, d.off), parts);
	}
	/* At most as long as what was read, and what has defaults. */
	size_t room = json.n + 1024;
	f->text.p = ch_calloc(room, 1);
	struct ch_wr w = ch_wr(f->text.p, room);
	err = ch_rollout_put(&w, r);
	f->text.n = w.len;
	if (err != CH_OK || w.len > CH_ROLLOUT_MAX) {
		static const char *const parts[] = { "a rollout has at most 96 KiB", NULL };
		ch_rollout_file_clear(f);
		return ch_yaml_refuse(e, CH_ERR_LIMIT, &y->node[0], parts);
	}
	f->name[ch_span_copy(f->name, sizeof(f->name) - 1, r->name)] = '\0';
	return CH_OK;
}

enum ch_err ch_rollout_read(struct ch_rollout_file *f, struct ch_span file, struct ch_yaml_error *e)
{
	CH_AUTO_YAML struct ch_yaml y = { 0 };
	*f = (struct ch_rollout_file){ .name = "" };
	enum ch_err err = ch_yaml_read(&y, file, e);
	if (err != CH_OK)
		return err;
	CH_AUTO_FREE uint8_t *room = ch_calloc(CH_ROLLOUT_MAX, 1);
	struct ch_wr w = ch_wr(room, CH_ROLLOUT_MAX);
	struct ch_json_wr j = ch_json_wr(&w, false);
	json_put(&j, &y);
	if (!ch_json_wr_done(&j)) {
		static const char *const parts[] = { "a rollout has at most 96 KiB", NULL };
		return ch_yaml_refuse(e, CH_ERR_LIMIT, &y.node[0], parts);
	}
	return read_json(f, &y, ch_wr_span(&w), e);
}

void ch_rollout_file_clear(struct ch_rollout_file *f)
{
	ch_buf_free(&f->text);
	*f = (struct ch_rollout_file){ .name = "" };
}
