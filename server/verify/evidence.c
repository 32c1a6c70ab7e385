/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/verify.h"

#include "core/base/text.h"
#include "core/trust/ear.h"
#include "core/trust/evidence.h"

/*
 * Evidence of an enrolled device (docs/protocol/evidence.md): joined to what the server has of its logs, judged by the generation that
 * is held, handed to the keeper. What is answered is the keeper's: it alone knows whether the nonce was its own.
 */

#define NONCE       32
#define RESULT_ROOM CH_IPC_JSON_MAX
#define WORK_KEPT   ((size_t)4 << 20)

/* A log as it was sent: bytes from `from` on. */
struct part {
	uint64_t from;
	struct ch_span data;
	bool has_digest;
	uint8_t sha256[32]; /* of the whole, where the device tells it */
};

struct evidence_body {
	struct ch_span quote, signature, agent;
	size_t eventlog, ima; /* objects */
	uint64_t collected;
	bool history;
	uint8_t ostree[32]; /* the commit that it says it booted; zeros: none */
	struct part log_part, ima_part;
};

#define AT(field) offsetof(struct evidence_body, field)
static const struct ch_body_field evidence_fields[] = {
	{ "quote", CH_BODY_BYTES, true, AT(quote), CH_TPM_STRUCT_MAX },
	{ "signature", CH_BODY_BYTES, true, AT(signature), CH_TPM_STRUCT_MAX },
	{ "eventlog", CH_BODY_VALUE, true, AT(eventlog), 0 },
	{ "ima", CH_BODY_VALUE, false, AT(ima), 0 },
	{ "collected", CH_BODY_U64, false, AT(collected), 0 },
	{ "history", CH_BODY_BOOL, false, AT(history), 0 },
	{ "agent", CH_BODY_TEXT, false, AT(agent), 64 },
	{ "ostree", CH_BODY_HEX, false, AT(ostree), 32 },
};
#undef AT

struct part_body {
	uint64_t from;
	struct ch_span data, digest;
};

#define AT(field) offsetof(struct part_body, field)
static const struct ch_body_field part_fields[] = {
	{ "from", CH_BODY_U64, true, AT(from), 0 },
	{ "data", CH_BODY_BYTES, true, AT(data), CH_IPC_BODY_MAX },
	{ "sha256", CH_BODY_TEXT, false, AT(digest), 64 },
};
#undef AT

static enum ch_err part_read(struct ch_body *b, size_t object, struct part *to, struct ch_body_fault *fault)
{
	struct part_body p = { .from = 0 };
	*to = (struct part){ .from = 0 };
	if (object == CH_JSON_NONE)
		return CH_OK;
	enum ch_err err = ch_body_read(b, object, part_fields, CH_COUNT_OF(part_fields), &p, fault);
	if (err != CH_OK)
		return err;
	to->from = p.from;
	to->data = p.data;
	to->has_digest = p.digest.n > 0;
	if (to->has_digest && ch_hex_decode(to->sha256, sizeof(to->sha256), p.digest) != CH_OK) {
		*fault = (struct ch_body_fault){ "sha256", "must be 64 hexadecimal digits", 0 };
		return CH_ERR_ENCODING;
	}
	return CH_OK;
}

/* --- joining --- */

static bool joins(const struct part *p, struct ch_span have)
{
	return p->from <= have.n && p->data.n <= CH_IPC_BODY_MAX - (size_t)p->from;
}

/* The whole: the first `from` bytes that the server has, and what was sent. False if the device says that it is another. */
static bool join(struct ch_buf *whole, const struct part *p, struct ch_span have)
{
	struct ch_digest digest;
	ch_buf_append(whole, ch_span_sub(have, 0, (size_t)p->from));
	ch_buf_append(whole, p->data);
	if (!p->has_digest)
		return true;
	return ch_hash_once(CH_HASH_SHA256, ch_buf_span(whole), &digest) == CH_OK &&
	       ch_span_eq(ch_digest_span(&digest), CH_SPAN_OF(p->sha256));
}

/* SHA-256 of a list that was joined, which the device told or not. */
static bool digest_of(uint8_t to[static 32], const struct part *p, struct ch_span whole)
{
	struct ch_digest digest;
	if (p->has_digest)
		return ch_span_copy(to, 32, CH_SPAN_OF(p->sha256)) == 32;
	return ch_hash_once(CH_HASH_SHA256, whole, &digest) == CH_OK &&
	       ch_span_copy(to, 32, ch_digest_span(&digest)) == 32;
}

/* --- the result --- */

struct ch_vf_work {
	struct ch_evidence_verdict verdict;
	struct ch_boot_last last;
	struct ch_buf eventlog, ima;
	uint8_t ima_sha256[32];
	uint64_t after;       /* the piece of evidence that they continue */
	struct ch_buf memory; /* of the judge's arena */
	uint8_t *result, *reasons;
	struct ch_span result_span, reasons_span;
	uint8_t releases[CH_IPC_RELEASES_MAX]; /* SHA-256 of the values of each release that explains the boot whole */
	size_t releases_n;
	uint8_t unexplained[CH_IPC_UNEXPLAINED_MAX];
	size_t unexplained_n;
};

/* The memory for judging, its logs empty. */
static struct ch_vf_work *work_of(struct ch_verify *v)
{
	if (v->work == NULL) {
		v->work = ch_calloc(1, sizeof(*v->work));
		v->work->result = ch_realloc(NULL, RESULT_ROOM, 1);
		v->work->reasons = ch_realloc(NULL, RESULT_ROOM, 1);
	}
	v->work->eventlog.n = 0;
	v->work->ima.n = 0;
	return v->work;
}

/* What a large piece of evidence left is given back, so that one device does not make the process large for ever. */
static void work_shrink(struct ch_vf_work *j)
{
	struct ch_buf *const kept[] = { &j->eventlog, &j->ima, &j->memory };
	for (size_t i = 0; i < CH_COUNT_OF(kept); i++) {
		if (kept[i]->cap > WORK_KEPT)
			ch_buf_free(kept[i]);
	}
}

void ch_vf_work_free(struct ch_vf_work *j)
{
	if (j == NULL)
		return;
	ch_buf_free(&j->eventlog);
	ch_buf_free(&j->ima);
	ch_buf_free(&j->memory);
	ch_free(j->result);
	ch_free(j->reasons);
	ch_free(j);
}

static void put_results(struct ch_verify *v, struct ch_vf_work *j, const struct ch_reference *ref)
{
	const struct ch_ear_input in = {
		.verdict = &j->verdict.boot,
		.evidence = &j->verdict.evidence,
		.reference = ref,
		.issued_at = v->out.now(v->out.ctx),
		.build = "chainhold " CH_VERSION,
		.link = j->verdict.link,
		.brief = true,
	};
	struct ch_wr w = ch_wr(j->result, RESULT_ROOM);
	struct ch_json_wr json = ch_json_wr(&w, false);
	ch_ear_put(&json, &in);
	j->result_span = ch_wr_span(&w);
	w = ch_wr(j->reasons, RESULT_ROOM);
	json = ch_json_wr(&w, false);
	ch_ear_reasons_put(&json, &in);
	j->reasons_span = ch_wr_span(&w);
}

/* Which releases the boot is of. */
static void find_releases(struct ch_verify *v, struct ch_vf_work *j, struct ch_span class_name,
			  const struct ch_reference *ref)
{
	struct ch_wr w = ch_wr(j->releases, sizeof(j->releases));
	for (size_t i = 0; i < ref->doc_count && !j->verdict.malformed; i++) {
		struct ch_digest h;
		struct ch_span text = ch_held_document(&v->held, class_name, i);
		if (text.n > 0 && ch_appraise_release(&j->verdict.boot, ref, i) &&
		    ch_hash_once(CH_HASH_SHA256, text, &h) == CH_OK)
			ch_wr_put(&w, ch_digest_span(&h));
	}
	j->releases_n = w.bad ? 0 : w.len;
}

/* The first fact that breaks the boot, in one line: which event, in which register. */
static void find_unexplained(struct ch_vf_work *j)
{
	const struct ch_boot_verdict *b = &j->verdict.boot;
	struct ch_wr w = ch_wr(j->unexplained, sizeof(j->unexplained));
	size_t i = 0;
	while (i < b->reason_count &&
	       (b->reason[i].link != CH_LINK_BOOT || b->reason[i].tier != CH_TIER_CONTRAINDICATED))
		i++;
	if (i < b->reason_count) {
		const struct ch_reason *x = &b->reason[i];
		if (x->event != CH_ITEM_NONE) {
			ch_wr_str(&w, "event ");
			ch_wr_dec(&w, x->event);
			ch_wr_str(&w, x->pcr != CH_PCR_NONE ? ", " : ": ");
		}
		if (x->pcr != CH_PCR_NONE) {
			ch_wr_str(&w, "PCR ");
			ch_wr_dec(&w, x->pcr);
			ch_wr_str(&w, ": ");
		}
		ch_wr_str(&w, ch_reason_text(x->code));
		if (x->measured.n > 0 && x->measured.n <= 64) {
			ch_wr_str(&w, "; measured ");
			ch_wr_hex(&w, x->measured);
		}
	}
	j->unexplained_n = w.bad ? 0 : w.len;
}

static void commit(struct ch_verify *v, struct ch_vf_request *r, const struct ch_msg_context *c,
		   const struct ch_vf_work *j)
{
	const struct evidence_body *e = r->data;
	const struct ch_tpm_attest *q = &j->verdict.quote;
	struct ch_msg_commit m = {
		.history = e->history,
		.collected = e->collected,
		.generation = v->held.number,
		.pinned = c->pinned_number,
		.clock = q->clock,
		.reset = q->reset_count,
		.restart = q->restart_count,
		.firmware = q->firmware_version,
		.idempotency_key = ch_span(r->idempotency_key, r->key_size),
		.msg = e->quote,
		.sig = e->signature,
		.result = j->result_span,
		.reasons = j->reasons_span,
		.after = j->after,
		.log_from = e->log_part.from,
		.ima_from = e->ima_part.from,
		.eventlog = e->log_part.data,
		.ima = e->ima_part.data,
		.releases = ch_span(j->releases, j->releases_n),
		.unexplained = ch_span(j->unexplained, j->unexplained_n),
		.agent = e->agent,
	};
	(void)ch_span_copy(m.ima_sha256, sizeof(m.ima_sha256), CH_SPAN_OF(j->ima_sha256));
	(void)ch_span_copy(m.ostree, sizeof(m.ostree), CH_SPAN_OF(e->ostree));
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(r->device));
	(void)ch_span_copy(m.cert_sha256, sizeof(m.cert_sha256), CH_SPAN_OF(r->cert_sha256));
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		m.links[i] = (uint8_t)j->verdict.link[i];
	if (!e->history)
		(void)ch_span_copy(m.nonce, sizeof(m.nonce), q->extra_data);
	v->counters.judged++;
	if (j->verdict.link[CH_LINK_BOOT] == CH_TIER_CONTRAINDICATED)
		v->counters.contraindicated++;
	ch_vf_ask(v, r, CH_MSG_COMMIT, &m, ch_vf_pass_on);
}

/* --- judging --- */

static enum ch_err judge(struct ch_verify *v, const struct ch_vf_request *r, const struct ch_msg_context *c,
			 const struct ch_reference *ref, struct ch_vf_work *j, struct ch_diag *d)
{
	const struct evidence_body *e = r->data;
	/* What the store has was read when the device enrolled; should it not be read now, the judge says why. */
	struct ch_tpm_public ak;
	if (ch_tpm_public_parse(&ak, c->ak_public, NULL) != CH_OK)
		ak.key.type = CH_KEY_NONE;
	const struct ch_evidence evidence = {
		.quote = e->quote,
		.signature = e->signature,
		.eventlog = ch_buf_span(&j->eventlog),
		.ima = ch_buf_span(&j->ima),
		.ak_public = c->ak_public,
		.history = e->history,
		.platform = (enum ch_tier)c->platform_tier,
		.last = c->has_last != 0 ? &j->last : NULL,
		.key = ak.key.type != CH_KEY_NONE ? ch_keys_get(&v->keys, r->device, &ak.key) : NULL,
	};
	size_t size = ch_evidence_arena_size(j->eventlog.n, ref);
	j->memory.n = 0;
	struct ch_arena arena = ch_arena(ch_buf_room(&j->memory, size), size);
	enum ch_err err = ch_evidence_judge(&j->verdict, &evidence, ref, &arena, d);
	if (err != CH_OK)
		return err;
	put_results(v, j, ref);
	find_releases(v, j, c->class_name, ref);
	find_unexplained(j);
	return CH_OK;
}

static void evidence_judge(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f)
{
	const struct evidence_body *e = r->data;
	struct ch_msg_context c;
	struct ch_diag d = { .rule = NULL };
	if (!ch_vf_take_context(v, r, f, &c))
		return;
	if (c.ak_public.n == 0) {
		ch_vf_refuse(v, r, 403, "no-tpm", "this device enrolled without a TPM: it has no key to quote with",
			     CH_SPAN_EMPTY);
		return;
	}
	struct ch_vf_work *j = work_of(v);
	j->after = c.evidence;
	j->last = (struct ch_boot_last){ c.last_clock, c.last_reset, c.last_restart, c.last_firmware };
	if (!joins(&e->log_part, c.eventlog) || !joins(&e->ima_part, c.ima) ||
	    !join(&j->eventlog, &e->log_part, c.eventlog) || !join(&j->ima, &e->ima_part, c.ima) ||
	    !digest_of(j->ima_sha256, &e->ima_part, ch_buf_span(&j->ima))) {
		ch_vf_refuse(v, r, 409, "log-join",
			     "the part of the log does not continue what the server has: send it from 0",
			     CH_SPAN_EMPTY);
		return;
	}
	const struct ch_reference *ref;
	enum ch_err err = ch_held_reference(&v->held, c.class_name, c.pinned_number, c.pinned, &ref, &d);
	if (err != CH_OK) {
		ch_vf_refuse(v, r, 409, "pinned", d.rule, CH_SPAN_EMPTY);
		return;
	}
	err = judge(v, r, &c, ref, j, &d);
	if (err != CH_OK) {
		ch_vf_refuse(v, r, err == CH_ERR_NOSPACE ? 413 : 400, "evidence", d.rule, CH_SPAN_EMPTY);
		return;
	}
	if (!e->history && j->verdict.quote.extra_data.n != NONCE) {
		ch_vf_refuse(v, r, 409, "nonce",
			     "the quote answers no challenge of this server: its extraData has not 32 bytes",
			     CH_SPAN_EMPTY);
		return;
	}
	commit(v, r, &c, j);
	work_shrink(j);
}

void ch_vf_evidence(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	struct ch_body b;
	struct ch_body_fault fault = { NULL, "no room", 0 };
	struct ch_msg_context_ask m = { 0 };
	struct evidence_body *e = ch_arena_take(&r->arena, 1, sizeof(*e));
	if (v->held.number == 0) {
		ch_vf_refuse(v, r, 503, "generation",
			     "there is nothing to judge by: no generation is in force, or it was refused",
			     CH_SPAN_EMPTY);
		return;
	}
	if (e == NULL || ch_body_parse(&b, body, &r->arena, &fault) != CH_OK ||
	    ch_body_read(&b, 0, evidence_fields, CH_COUNT_OF(evidence_fields), e, &fault) != CH_OK ||
	    part_read(&b, e->eventlog, &e->log_part, &fault) != CH_OK ||
	    part_read(&b, e->ima, &e->ima_part, &fault) != CH_OK) {
		ch_vf_refuse_body(v, r, &fault);
		return;
	}
	r->data = e;
	m.log_from = e->log_part.from;
	m.ima_from = e->ima_part.from;
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(r->device));
	ch_vf_ask(v, r, CH_MSG_CONTEXT_ASK, &m, evidence_judge);
}
