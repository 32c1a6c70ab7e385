/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/held.h"

#include "core/trust/generation.h"
#include "host/base/mem.h"

#include <stdlib.h>

static const struct ch_reference no_reference;

static struct ch_span image_span(const struct ch_sealed *s, size_t n)
{
	return ch_span(s->p, n);
}

/* Documents of a class, each a text in the image. */
struct docs {
	size_t count;
	struct ch_span text[CH_REF_DOCS_MAX];
};

static enum ch_err docs_find(struct docs *docs, struct ch_span in, struct ch_span name)
{
	struct ch_generation_item item;
	struct ch_rd items = ch_rd(in);
	docs->count = 0;
	while (ch_generation_find(&items, CH_GENERATION_REFERENCE, name, &item)) {
		if (docs->count == CH_REF_DOCS_MAX)
			return CH_ERR_LIMIT;
		docs->text[docs->count++] = item.bytes;
	}
	return CH_OK;
}

static void node_free(struct ch_json_node *(*node)[CH_REF_DOCS_MAX])
{
	for (size_t i = 0; i < CH_REF_DOCS_MAX; i++)
		ch_free((*node)[i]);
}

/* The nodes are needed for the compilation only: reference values point into text and arena. */
static enum ch_err compile(struct ch_reference *ref, struct ch_sealed *memory, const struct docs *docs,
			   struct ch_diag *d)
{
	__attribute__((cleanup(node_free))) struct ch_json_node *node[CH_REF_DOCS_MAX] = { NULL };
	struct ch_json json[CH_REF_DOCS_MAX];
	for (size_t i = 0; i < docs->count; i++) {
		size_t cap = ch_json_nodes_max(docs->text[i].n);
		node[i] = ch_calloc(cap, sizeof(*node[i]));
		enum ch_err err = ch_json_parse(&json[i], docs->text[i], node[i], cap, d);
		if (err != CH_OK)
			return err;
	}
	ch_sealed_open(memory, ch_reference_arena_size(json, docs->count));
	struct ch_arena arena = ch_arena(memory->p, memory->n);
	struct ch_ref_diag rd = { 0 };
	enum ch_err err = ch_reference_compile(ref, json, docs->count, &arena, &rd);
	if (err != CH_OK)
		return ch_fail(d, err, rd.off, rd.rule);
	if (!ch_sealed_close(memory))
		abort();
	return CH_OK;
}

static struct ch_held_class *classes_of(const struct ch_held *h)
{
	return (struct ch_held_class *)(void *)h->classes.p;
}

static struct ch_held_class *class_of(const struct ch_held *h, struct ch_span name)
{
	for (size_t i = 0; i < h->class_count; i++) {
		if (ch_span_eq(classes_of(h)[i].name, name))
			return &classes_of(h)[i];
	}
	return NULL;
}

static enum ch_err classes_take(struct ch_held *h, const struct ch_generation *g, struct ch_diag *d)
{
	struct ch_generation_item item;
	struct ch_rd items = ch_rd(g->items);
	ch_sealed_open(&h->classes, CH_HELD_CLASSES_MAX * sizeof(struct ch_held_class));
	while (ch_generation_next(&items, &item)) {
		if (item.kind == CH_GENERATION_EK_ROOT || class_of(h, item.name) != NULL)
			continue;
		if (h->class_count == CH_HELD_CLASSES_MAX)
			return ch_fail(d, CH_ERR_LIMIT, 0, "more classes than CH_HELD_CLASSES_MAX");
		struct ch_held_class *c = &classes_of(h)[h->class_count++];
		c->name = item.name;
		struct docs docs;
		enum ch_err err = docs_find(&docs, g->items, item.name);
		if (err != CH_OK)
			return ch_fail(d, err, 0, "more reference documents of a class than CH_REF_DOCS_MAX");
		if (docs.count > 0)
			err = compile(&c->ref, &c->memory, &docs, d);
		if (err != CH_OK)
			return err;
	}
	if (!ch_sealed_close(&h->classes))
		abort();
	return CH_OK;
}

static enum ch_err roots_take(struct ch_held *h, const struct ch_generation *g, struct ch_diag *d)
{
	struct ch_generation_item item;
	size_t count = 0;
	struct ch_rd items = ch_rd(g->items);
	while (ch_generation_find(&items, CH_GENERATION_EK_ROOT, CH_SPAN_EMPTY, &item))
		count++;
	if (count > CH_CERT_POOL_MAX - CH_HELD_CHAIN_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "more EK roots than CH_CERT_POOL_MAX has room for");
	ch_sealed_open(&h->roots, count * sizeof(struct ch_ek_cert));
	struct ch_ek_cert *root = (struct ch_ek_cert *)(void *)h->roots.p;
	items = ch_rd(g->items);
	while (ch_generation_find(&items, CH_GENERATION_EK_ROOT, CH_SPAN_EMPTY, &item)) {
		enum ch_err err = ch_ek_cert_parse(&root[h->root_count++], item.bytes, d);
		if (err != CH_OK)
			return err;
	}
	if (!ch_sealed_close(&h->roots))
		abort();
	return CH_OK;
}

enum ch_err ch_held_take(struct ch_held *h, uint64_t number, struct ch_span image, struct ch_diag *d)
{
	struct ch_held next = { .number = number };
	struct ch_generation g;
	ch_diag_clear(d);
	ch_sealed_open(&next.image, image.n);
	(void)ch_span_copy(next.image.p, image.n, image);
	if (!ch_sealed_close(&next.image))
		abort();
	enum ch_err err = ch_generation_parse(&g, image_span(&next.image, image.n), d);
	if (err == CH_OK && g.number != number)
		err = ch_fail(d, CH_ERR_MISMATCH, 6, "the image has another number than its message");
	next.items = g.items;
	if (err == CH_OK)
		err = classes_take(&next, &g, d);
	if (err == CH_OK)
		err = roots_take(&next, &g, d);
	if (err != CH_OK) {
		ch_held_clear(&next);
		return err;
	}
	ch_held_clear(h);
	*h = next;
	return CH_OK;
}

/* --- values of one device --- */

static void pinned_free(struct ch_held_pinned *p)
{
	ch_sealed_free(&p->text);
	ch_sealed_free(&p->ref);
	ch_sealed_free(&p->memory);
	*p = (struct ch_held_pinned){ .number = 0 };
}

static struct ch_held_pinned *pinned_oldest(struct ch_held *h)
{
	struct ch_held_pinned *oldest = NULL;
	for (size_t i = 0; i < CH_HELD_PINNED_MAX; i++) {
		struct ch_held_pinned *p = &h->pinned[i];
		if (p->number != 0 && (oldest == NULL || p->used < oldest->used))
			oldest = p;
	}
	return oldest;
}

/* A free place, after so many were given up that another set of values has room. */
static struct ch_held_pinned *pinned_place(struct ch_held *h, size_t size)
{
	for (;;) {
		struct ch_held_pinned *place = NULL;
		size_t taken = 0;
		for (size_t i = 0; i < CH_HELD_PINNED_MAX; i++) {
			struct ch_held_pinned *p = &h->pinned[i];
			taken += p->text.n + p->ref.n + p->memory.n;
			if (p->number == 0)
				place = p;
		}
		if (place != NULL && (taken == 0 || taken + size <= CH_HELD_PINNED_SIZE))
			return place;
		pinned_free(pinned_oldest(h));
	}
}

static enum ch_err pinned_compile(struct ch_held *h, struct ch_held_pinned *p, struct ch_span document,
				  struct ch_diag *d)
{
	struct docs docs;
	enum ch_err err = docs_find(&docs, h->items, p->class_name);
	if (err == CH_OK && docs.count == CH_REF_DOCS_MAX)
		err = CH_ERR_LIMIT;
	if (err != CH_OK)
		return ch_fail(d, err, 0, "more reference documents than CH_REF_DOCS_MAX, with that of the device");
	ch_sealed_open(&p->text, document.n);
	(void)ch_span_copy(p->text.p, p->text.n, document);
	if (!ch_sealed_close(&p->text))
		abort();
	docs.text[docs.count++] = image_span(&p->text, document.n);
	ch_sealed_open(&p->ref, sizeof(struct ch_reference));
	err = compile((struct ch_reference *)(void *)p->ref.p, &p->memory, &docs, d);
	if (err == CH_OK && !ch_sealed_close(&p->ref))
		abort();
	return err;
}

void ch_held_clear(struct ch_held *h)
{
	for (size_t i = 0; i < CH_HELD_PINNED_MAX; i++)
		pinned_free(&h->pinned[i]);
	for (size_t i = 0; i < h->class_count; i++) {
		struct ch_sealed memory = classes_of(h)[i].memory;
		ch_sealed_free(&memory);
	}
	ch_sealed_free(&h->classes);
	ch_sealed_free(&h->roots);
	ch_sealed_free(&h->image);
	*h = (struct ch_held){ .number = 0 };
}

enum ch_err ch_held_reference(struct ch_held *h, struct ch_span class_name, uint64_t number, struct ch_span document,
			      const struct ch_reference **ref, struct ch_diag *d)
{
	const struct ch_held_class *c = class_of(h, class_name);
	ch_diag_clear(d);
	*ref = c != NULL ? &c->ref : &no_reference;
	if (number == 0)
		return CH_OK;
	*ref = NULL;
	if (c == NULL)
		return ch_fail(d, CH_ERR_NOTFOUND, 0, "values are pinned for a device whose class is not in force");
	for (size_t i = 0; i < CH_HELD_PINNED_MAX; i++) {
		struct ch_held_pinned *p = &h->pinned[i];
		if (p->number != number || !ch_span_eq(p->class_name, class_name))
			continue;
		p->used = ++h->uses;
		*ref = (const struct ch_reference *)(const void *)p->ref.p;
		return CH_OK;
	}
	struct ch_held_pinned *p = pinned_place(h, c->memory.n + document.n);
	*p = (struct ch_held_pinned){ .number = number, .used = ++h->uses, .class_name = c->name };
	enum ch_err err = pinned_compile(h, p, document, d);
	if (err != CH_OK)
		pinned_free(p);
	else
		*ref = (const struct ch_reference *)(const void *)p->ref.p;
	return err;
}

struct ch_span ch_held_document(const struct ch_held *h, struct ch_span class_name, size_t doc)
{
	struct ch_generation_item item;
	struct ch_rd items = ch_rd(h->items);
	while (ch_generation_find(&items, CH_GENERATION_REFERENCE, class_name, &item)) {
		if (doc-- == 0)
			return item.bytes;
	}
	return CH_SPAN_EMPTY;
}

bool ch_held_knows(const struct ch_held *h, struct ch_span class_name)
{
	return class_of(h, class_name) != NULL;
}
