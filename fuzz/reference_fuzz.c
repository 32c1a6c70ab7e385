/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/reference.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DOCS 3

/* What was endorsed is found again by exactly its own facts. */
static void what_was_read_is_found(const struct ch_reference *ref)
{
	assert(ref->doc_count >= 1 && ref->doc_count <= DOCS);
	for (size_t i = 0; i < ref->digest_count; i++) {
		const struct ch_ref_digest *d = &ref->digest[i];
		assert(d->event < ref->event_count && d->value.n == ch_hash_size(d->alg));
		const struct ch_ref_event *e = &ref->event[d->event];
		assert(e->pcr < CH_PCR_COUNT && e->doc < ref->doc_count);
		enum ch_ref_kind kind = ref->doc[e->doc].kind;
		const struct ch_ref_event *found = ch_reference_event(ref, kind, e->pcr, e->type, d->alg, d->value);
		assert(found != NULL && found->pcr == e->pcr && found->type == e->type);
		assert(ch_span_eq(ch_reference_digest(ref, e, d->alg), d->value));
	}
	for (size_t i = 0; i < ref->file_count; i++) {
		const struct ch_ref_file *f = &ref->file[i];
		assert(f->doc < ref->doc_count && f->digest.n == ch_hash_size(f->alg));
		assert(ch_reference_file(ref, f->path, f->alg, f->digest) != NULL);
		assert(ch_reference_file_by_path(ref, f->path) != NULL);
	}
	for (size_t i = 0; i < ref->sig_count; i++)
		assert(ch_reference_sig(ref, ref->sig[i].db, &ref->sig[i].type, ref->sig[i].sha256) != NULL);
	for (size_t i = 0; i < ref->rule_count; i++) {
		const struct ch_ref_rule *r = &ref->rule[i];
		assert(r->doc < ref->doc_count && r->text + r->text_count <= ref->text_count);
		assert(r->part + r->part_count <= ref->part_count);
		assert(r->tier == CH_TIER_AFFIRMING || r->tier == CH_TIER_WARNING);
	}
	for (size_t i = 0; i < ref->text_count; i++) {
		struct ch_span s = ref->text[i];
		bool star = s.n > 0 && memchr(s.p, '*', s.n) != NULL;
		assert(star || ch_ref_glob(s, s));
	}
}

static void compile(const struct ch_json *doc, size_t count, const size_t *length)
{
	size_t room = ch_reference_arena_size(doc, count);
	void *memory = malloc(room);
	assert(memory != NULL);
	struct ch_arena arena = ch_arena(memory, room);
	static struct ch_reference ref;
	struct ch_ref_diag d;
	enum ch_err err = ch_reference_compile(&ref, doc, count, &arena, &d);
	assert(err != CH_ERR_NOSPACE && arena.used <= arena.cap);
	if (err == CH_OK) {
		what_was_read_is_found(&ref);
	} else {
		assert(d.rule != NULL && d.doc < count && d.off <= length[d.doc]);
		assert(ref.event_count == 0 && ref.doc_count == 0);
	}
	free(memory);
}

/* The input is up to three documents, divided by NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_json doc[DOCS];
	struct ch_json_node *node[DOCS] = { NULL };
	size_t length[DOCS] = { 0 };
	size_t count = 0;
	bool good = true;
	while (good && count < DOCS) {
		const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
		size_t n = nul != NULL ? (size_t)(nul - data) : size;
		size_t cap = ch_json_nodes_max(n);
		struct ch_diag d;
		node[count] = calloc(cap + 1, sizeof(*node[count]));
		assert(node[count] != NULL);
		length[count] = n;
		good = ch_json_parse(&doc[count], ch_span(data, n), node[count], cap, &d) == CH_OK;
		count++;
		if (nul == NULL)
			break;
		data += n + 1;
		size -= n + 1;
	}
	if (good)
		compile(doc, count, length);
	for (size_t i = 0; i < count; i++)
		free(node[i]);
	return 0;
}
