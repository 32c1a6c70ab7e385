/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ostree_walk.h"

#include "core/base/rd.h"

/* --- a set that keeps the order in which objects came --- */

static size_t slot_of(const struct cli_ostree_set *s, const struct cli_ostree_object *o)
{
	struct ch_rd r = ch_rd(CH_SPAN_OF(o->id));
	size_t i = (size_t)ch_rd_be64(&r) + (size_t)o->type;
	for (;; i++) {
		uint32_t at = s->slot[i % s->slots];
		if (at == 0)
			break;
		const struct cli_ostree_object *have = &s->object[at - 1];
		if (have->type == o->type && ch_span_eq(CH_SPAN_OF(have->id), CH_SPAN_OF(o->id)))
			break;
	}
	return i % s->slots;
}

static void grow(struct cli_ostree_set *s)
{
	s->cap = s->cap != 0 ? s->cap * 2 : 1024;
	s->slots = s->cap * 2;
	s->object = ch_realloc(s->object, s->cap, sizeof(*s->object));
	ch_free(s->slot);
	s->slot = ch_calloc(s->slots, sizeof(*s->slot));
	for (size_t i = 0; i < s->count; i++)
		s->slot[slot_of(s, &s->object[i])] = (uint32_t)i + 1;
}

static enum ch_err add(struct cli_ostree_set *s, enum ch_ostree_type type, const uint8_t id[static 32],
		       struct ch_diag *d)
{
	struct cli_ostree_object o = { .type = type };
	(void)ch_span_copy(o.id, sizeof(o.id), ch_span(id, 32));
	if (s->count == s->cap)
		grow(s);
	size_t at = slot_of(s, &o);
	if (s->slot[at] != 0)
		return CH_OK;
	if (s->count == CH_OSTREE_FILES_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "a commit of more than CH_OSTREE_FILES_MAX objects");
	s->object[s->count++] = o;
	s->slot[at] = (uint32_t)s->count;
	return CH_OK;
}

void cli_ostree_set_clear(struct cli_ostree_set *s)
{
	ch_free(s->object);
	ch_free(s->slot);
	*s = (struct cli_ostree_set){ .count = 0 };
}

/* --- what an object needs --- */

static enum ch_err add_commit(struct cli_ostree_set *s, struct ch_span bytes, struct ch_diag *d)
{
	struct ch_ostree_commit c;
	enum ch_err err = ch_ostree_commit_parse(&c, bytes, d);
	if (err == CH_OK)
		err = add(s, CH_OSTREE_META, c.meta, d);
	return err == CH_OK ? add(s, CH_OSTREE_TREE, c.tree, d) : err;
}

static enum ch_err add_tree(struct cli_ostree_set *s, struct ch_span bytes, struct ch_diag *d)
{
	struct ch_ostree_tree t;
	struct ch_ostree_entry e;
	enum ch_err err = ch_ostree_tree_parse(&t, bytes, d);
	for (size_t i = 0; err == CH_OK && ch_ostree_tree_entry(&t, i, &e); i++) {
		err = add(s, e.folder ? CH_OSTREE_TREE : CH_OSTREE_FILE, e.id, d);
		if (err == CH_OK && e.folder)
			err = add(s, CH_OSTREE_META, e.meta, d);
	}
	return err;
}

static enum ch_err visit(struct cli_ostree_set *s, const struct cli_ostree_source *source,
			 const struct cli_ostree_object *o, struct ch_diag *d)
{
	struct ch_span bytes;
	struct ch_digest digest;
	if (o->type == CH_OSTREE_FILE)
		return CH_OK;
	enum ch_err err = source->get(source->ctx, o, &bytes, d);
	if (err != CH_OK)
		return err;
	if (ch_hash_once(CH_HASH_SHA256, bytes, &digest) != CH_OK ||
	    !ch_span_eq(ch_digest_span(&digest), CH_SPAN_OF(o->id)))
		return ch_fail(d, CH_ERR_MISMATCH, 0, "an object has not the SHA-256 that is its name (OSTree)");
	if (o->type == CH_OSTREE_META)
		return CH_OK;
	return o->type == CH_OSTREE_COMMIT ? add_commit(s, bytes, d) : add_tree(s, bytes, d);
}

enum ch_err cli_ostree_walk(struct cli_ostree_set *s, const struct cli_ostree_source *source,
			    const uint8_t commit[static 32], struct cli_ostree_object *at, struct ch_diag *d)
{
	ch_diag_clear(d);
	enum ch_err err = add(s, CH_OSTREE_COMMIT, commit, d);
	/* The set is the queue. */
	for (size_t i = 0; err == CH_OK && i < s->count; i++) {
		*at = s->object[i];
		err = visit(s, source, at, d);
	}
	return err;
}
