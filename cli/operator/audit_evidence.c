/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/audit.h"

#include "core/trust/generation.h"

#define TENANT ch_int(AUDIT_TENANT)

/* --- what judged --- */

void audit_reference_free(struct audit_reference *r)
{
	ch_buf_free(&r->image);
	ch_buf_free(&r->own);
	ch_free(r->memory);
	*r = (struct audit_reference){ 0 };
}

static void nodes_free(struct ch_json_node *(*node)[CH_REF_DOCS_MAX])
{
	for (size_t i = 0; i < CH_REF_DOCS_MAX; i++)
		ch_free((*node)[i]);
}

static enum ch_err doc_parse(struct ch_json *doc, struct ch_json_node **node, struct ch_span text)
{
	size_t cap = ch_json_nodes_max(text.n);
	*node = ch_calloc(cap, sizeof(**node));
	return ch_json_parse(doc, text, *node, cap, NULL);
}

static enum ch_err compile(struct audit_reference *r, const struct ch_generation *g)
{
	__attribute__((cleanup(nodes_free))) struct ch_json_node *node[CH_REF_DOCS_MAX] = { NULL };
	struct ch_json doc[CH_REF_DOCS_MAX];
	struct ch_generation_item item;
	struct ch_ref_diag d;
	struct ch_rd items = ch_rd(g->items);
	size_t count = 0;
	while (ch_generation_find(&items, CH_GENERATION_REFERENCE, ch_span_str(r->class), &item)) {
		if (count == CH_REF_DOCS_MAX)
			return CH_ERR_LIMIT;
		enum ch_err err = doc_parse(&doc[count], &node[count], item.bytes);
		if (err != CH_OK)
			return err;
		count++;
	}
	if (r->pinned != 0) {
		if (count == CH_REF_DOCS_MAX)
			return CH_ERR_LIMIT;
		enum ch_err err = doc_parse(&doc[count], &node[count], ch_buf_span(&r->own));
		if (err != CH_OK)
			return err;
		count++;
	}
	if (count == 0)
		return CH_OK;
	size_t size = ch_reference_arena_size(doc, count);
	r->memory = ch_calloc(size, 1);
	struct ch_arena arena = ch_arena(r->memory, size);
	return ch_reference_compile(&r->ref, doc, count, &arena, &d);
}

static enum ch_err bytes_load(struct ch_store *st, struct ch_buf *to, const char *sql, int64_t number)
{
	struct ch_query q = ch_sql_query_text(st, sql, CH_ARGS(TENANT, ch_int(number)));
	bool found = ch_sql_next(&q);
	if (found)
		ch_buf_append(to, ch_sql_bytes(&q, 0));
	enum ch_err err = ch_sql_end(&q);
	return err != CH_OK ? err : found ? CH_OK : CH_ERR_NOTFOUND;
}

/* The reference values that judged; CH_ERR_NOTFOUND if the store has the generation, or the device's document, no more. */
static enum ch_err reference_load(struct ch_store *st, struct audit_reference *r, uint64_t generation, int64_t pinned,
				  struct ch_span class_name)
{
	struct ch_generation g;
	if (r->held && r->generation == generation && r->pinned == pinned &&
	    ch_span_eq(ch_span_str(r->class), class_name))
		return CH_OK;
	audit_reference_free(r);
	if (class_name.n >= sizeof(r->class))
		return CH_ERR_RANGE;
	(void)ch_span_copy(r->class, sizeof(r->class) - 1, class_name);
	r->generation = generation;
	r->pinned = pinned;
	enum ch_err err = bytes_load(st, &r->image, "SELECT image FROM generation WHERE tenant = $1 AND number = $2",
				     (int64_t)generation);
	if (err == CH_OK && pinned != 0)
		err = bytes_load(st, &r->own, "SELECT document FROM pinned WHERE tenant = $1 AND seq = $2", pinned);
	if (err != CH_OK)
		return err;
	err = ch_generation_parse(&g, ch_buf_span(&r->image), NULL);
	if (err == CH_OK && g.number != generation)
		err = CH_ERR_MISMATCH;
	if (err == CH_OK)
		err = compile(r, &g);
	r->held = err == CH_OK;
	return err;
}

/* --- what was judged --- */

struct stored {
	int64_t device, time, epoch, eventlog_size, ima_size, pinned;
	bool fresh, kept;
	uint64_t generation;
	uint8_t tiers[CH_LINK_COUNT];
	struct ch_buf class_name, nonce, quote, signature, eventlog_sha256, ima_sha256, eventlog, ima, ak, last_quote;
	enum ch_tier platform;
};

static void stored_free(struct stored *s)
{
	struct ch_buf *all[] = { &s->class_name, &s->nonce,    &s->quote, &s->signature, &s->eventlog_sha256,
				 &s->ima_sha256, &s->eventlog, &s->ima,   &s->ak,        &s->last_quote };
	for (size_t i = 0; i < CH_COUNT_OF(all); i++)
		ch_buf_free(all[i]);
}

static bool load_row(struct ch_store *st, int64_t seq, struct stored *s)
{
	struct ch_query q = ch_sql_query_text(
		st,
		"SELECT e.device, e.time, e.fresh, e.generation, e.tiers, e.nonce, e.quote, e.signature, e.eventlog, "
		"e.eventlog_size, e.ima, e.ima_size, e.epoch, e.kept, d.class, d.platform, e.pinned FROM evidence e, device d "
		"WHERE e.tenant = $1 AND e.seq = $2 AND d.tenant = $1 AND d.seq = e.device",
		CH_ARGS(TENANT, ch_int(seq)));
	bool found = ch_sql_next(&q);
	if (found) {
		s->device = ch_sql_int(&q, 0);
		s->time = ch_sql_int(&q, 1);
		s->fresh = ch_sql_int(&q, 2) != 0;
		s->generation = (uint64_t)ch_sql_int(&q, 3);
		found = ch_sql_copy(&q, 4, s->tiers, sizeof(s->tiers));
		ch_buf_append(&s->nonce, ch_sql_bytes(&q, 5));
		ch_buf_append(&s->quote, ch_sql_bytes(&q, 6));
		ch_buf_append(&s->signature, ch_sql_bytes(&q, 7));
		ch_buf_append(&s->eventlog_sha256, ch_sql_bytes(&q, 8));
		s->eventlog_size = ch_sql_int(&q, 9);
		ch_buf_append(&s->ima_sha256, ch_sql_bytes(&q, 10));
		s->ima_size = ch_sql_int(&q, 11);
		s->epoch = ch_sql_int(&q, 12);
		s->kept = ch_sql_int(&q, 13) != 0;
		ch_buf_append(&s->class_name, ch_sql_bytes(&q, 14));
		s->platform = (enum ch_tier)ch_sql_int(&q, 15);
		s->pinned = ch_sql_int(&q, 16);
	}
	return ch_sql_end(&q) == CH_OK && found;
}

/* The bytes, if they are there and are those that were judged. */
static bool is_whole(const struct ch_buf *bytes, int64_t size, const struct ch_buf *sha256)
{
	struct ch_digest d;
	return (int64_t)bytes->n == size && ch_hash_once(CH_HASH_SHA256, ch_buf_span(bytes), &d) == CH_OK &&
	       ch_span_eq(ch_digest_span(&d), ch_buf_span(sha256));
}

static bool load_logs(struct ch_store *st, struct stored *s)
{
	if (!s->kept)
		return false;
	struct ch_query q = ch_sql_query_text(st, "SELECT bytes FROM blob WHERE tenant = $1 AND sha256 = $2",
					      CH_ARGS(TENANT, ch_bytes(ch_buf_span(&s->eventlog_sha256))));
	if (s->eventlog_size > 0 && ch_sql_next(&q))
		ch_buf_append(&s->eventlog, ch_sql_bytes(&q, 0));
	if (ch_sql_end(&q) != CH_OK || !is_whole(&s->eventlog, s->eventlog_size, &s->eventlog_sha256))
		return false;
	q = ch_sql_query_text(st,
			      "SELECT c.start, b.bytes FROM chunk c, blob b WHERE c.tenant = $1 AND c.device = $2 AND "
			      "c.epoch = $3 AND b.tenant = $1 AND b.seq = c.blob ORDER BY c.start, c.seq",
			      CH_ARGS(TENANT, ch_int(s->device), ch_int(s->epoch)));
	while ((int64_t)s->ima.n < s->ima_size && ch_sql_next(&q)) {
		if (ch_sql_int(&q, 0) == (int64_t)s->ima.n)
			ch_buf_append(&s->ima, ch_sql_bytes(&q, 1));
	}
	if ((int64_t)s->ima.n > s->ima_size)
		s->ima.n = (size_t)s->ima_size;
	return ch_sql_end(&q) == CH_OK && is_whole(&s->ima, s->ima_size, &s->ima_sha256);
}

/* The attestation key of that time, and the quote that was the last fresh one then: its counters are judged against. */
static bool load_before(struct ch_store *st, int64_t seq, struct stored *s)
{
	struct ch_query q = ch_sql_query_text(
		st,
		"SELECT public FROM ak WHERE tenant = $1 AND device = $2 AND since <= $3 AND (until = 0 OR until > $3) "
		"ORDER BY seq DESC LIMIT 1",
		CH_ARGS(TENANT, ch_int(s->device), ch_int(s->time)));
	bool found = ch_sql_next(&q);
	if (found)
		ch_buf_append(&s->ak, ch_sql_bytes(&q, 0));
	if (ch_sql_end(&q) != CH_OK || !found)
		return false;
	q = ch_sql_query_text(
		st,
		"SELECT quote FROM evidence WHERE tenant = $1 AND device = $2 AND seq < $3 AND fresh <> 0 "
		"ORDER BY seq DESC LIMIT 1",
		CH_ARGS(TENANT, ch_int(s->device), ch_int(seq)));
	if (ch_sql_next(&q))
		ch_buf_append(&s->last_quote, ch_sql_bytes(&q, 0));
	return ch_sql_end(&q) == CH_OK;
}

/* The same challenge was answered before: the server calls that a replay, whatever the quote says. */
static bool is_replay(struct ch_store *st, int64_t seq, const struct stored *s)
{
	struct ch_query q = ch_sql_query_text(
		st, "SELECT count(*) FROM evidence WHERE tenant = $1 AND device = $2 AND seq < $3 AND nonce = $4",
		CH_ARGS(TENANT, ch_int(s->device), ch_int(seq), ch_bytes(ch_buf_span(&s->nonce))));
	bool replay = ch_sql_next(&q) && ch_sql_int(&q, 0) > 0;
	return ch_sql_end(&q) == CH_OK && replay;
}

/* --- judging --- */

static enum ch_err judge(struct audit_result *out, const struct stored *s, const struct ch_reference *ref)
{
	struct ch_boot_last last;
	struct ch_tpm_attest before;
	bool has_last = s->last_quote.n > 0 && ch_tpm_attest_parse(&before, ch_buf_span(&s->last_quote), NULL) == CH_OK;
	if (has_last)
		last = (struct ch_boot_last){ before.clock, before.reset_count, before.restart_count,
					      before.firmware_version };
	const struct ch_evidence e = {
		.quote = ch_buf_span(&s->quote),
		.signature = ch_buf_span(&s->signature),
		.eventlog = ch_buf_span(&s->eventlog),
		.ima = ch_buf_span(&s->ima),
		.ak_public = ch_buf_span(&s->ak),
		.history = !s->fresh,
		.platform = s->platform,
		.last = has_last ? &last : NULL,
	};
	size_t size = ch_evidence_arena_size(s->eventlog.n, ref);
	CH_AUTO_FREE void *memory = ch_calloc(size, 1);
	CH_AUTO_FREE struct ch_evidence_verdict *v = ch_calloc(1, sizeof(*v));
	struct ch_arena arena = ch_arena(memory, size);
	enum ch_err err = ch_evidence_judge(v, &e, ref, &arena, NULL);
	for (size_t i = 0; i < CH_LINK_COUNT && err == CH_OK; i++)
		out->again[i] = v->link[i];
	return err;
}

/* The two links that are judged from a quote and its logs. What enrolment showed (platform) is not in the evidence. */
static bool agrees(const struct audit_result *r)
{
	return r->stored[CH_LINK_BOOT] == r->again[CH_LINK_BOOT] && r->stored[CH_LINK_OS] == r->again[CH_LINK_OS];
}

static void compare(struct ch_store *st, int64_t seq, const struct stored *s, struct audit_result *out)
{
	if (!agrees(out) && !s->fresh && is_replay(st, seq, s))
		out->again[CH_LINK_BOOT] = CH_TIER_CONTRAINDICATED;
	out->outcome = agrees(out) ? AUDIT_AGREES : AUDIT_DIFFERS;
	if (out->outcome == AUDIT_DIFFERS)
		out->what = "the evidence, judged again, has another tier";
}

void audit_evidence(struct ch_store *st, struct audit_reference *held, int64_t seq, struct audit_result *out)
{
	__attribute__((cleanup(stored_free))) struct stored s = { 0 };
	*out = (struct audit_result){ .outcome = AUDIT_NOT_KEPT, .what = "the evidence is not kept any more" };
	if (!load_row(st, seq, &s))
		return;
	out->generation = s.generation;
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		out->stored[i] = (enum ch_tier)s.tiers[i];
	if (!load_logs(st, &s)) {
		out->what = "its logs are not kept any more, or are not those that were judged";
		return;
	}
	if (!load_before(st, seq, &s)) {
		out->what = "the attestation key of that time is not in the store";
		return;
	}
	enum ch_err err = reference_load(st, held, s.generation, s.pinned, ch_buf_span(&s.class_name));
	if (err != CH_OK) {
		out->outcome = err == CH_ERR_NOTFOUND ? AUDIT_NOT_KEPT : AUDIT_DIFFERS;
		out->what = err == CH_ERR_NOTFOUND ? "the reference values that judged it are not in the store"
						   : "the reference values that judged it cannot be read";
		return;
	}
	if (judge(out, &s, &held->ref) != CH_OK) {
		out->outcome = AUDIT_DIFFERS;
		out->what = "what is stored as quote, signature or key cannot be read";
		return;
	}
	compare(st, seq, &s, out);
}
