/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/verify.h"

#include "core/crypto/hash.h"
#include "host/sys/log.h"
#include "server/ipc/routes.h"

#include <inttypes.h>

#define ERROR_ROOM 2048
#define JSON_TYPE  "application/json"

static const struct {
	uint16_t route;
	void (*handle)(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body);
} handlers[] = {
	{ CH_ROUTE_ENROL, ch_vf_enrol },
	{ CH_ROUTE_ENROL_FINISH, ch_vf_enrol_finish },
	{ CH_ROUTE_ENROL_TOKEN, ch_vf_enrol_token },
	{ CH_ROUTE_EVIDENCE, ch_vf_evidence },
	{ CH_ROUTE_RENEW, ch_vf_renew },
	{ CH_ROUTE_ACT, ch_vf_action },
	{ CH_ROUTE_FEEDBACK, ch_vf_feedback },
	{ CH_ROUTE_DDI_FEEDBACK, ch_vf_ddi_feedback },
	{ CH_ROUTE_DDI_CANCEL_FEEDBACK, ch_vf_ddi_feedback },
	{ CH_ROUTE_DDI_CONFIG, ch_vf_ddi_config },
};

void ch_vf_init(struct ch_verify *v, const struct ch_vf_out *out)
{
	*v = (struct ch_verify){ .out = *out };
}

/* --- requests in flight --- */

static void end(struct ch_verify *v, struct ch_vf_request *r)
{
	size_t i = (size_t)(r->id % CH_VF_REQUESTS_MAX);
	if (v->slot[i] == r)
		v->slot[i] = NULL;
	v->bytes -= r->memory_size;
	if (r->secret)
		ch_wipe(r->memory, r->memory_size);
	ch_free(r->memory);
	ch_free(r);
}

void ch_vf_clear(struct ch_verify *v)
{
	for (size_t i = 0; i < CH_VF_REQUESTS_MAX; i++) {
		if (v->slot[i] != NULL)
			end(v, v->slot[i]);
	}
	ch_held_clear(&v->held);
	ch_keys_clear(&v->keys);
	ch_profiles_clear(&v->profiles);
	ch_buf_free(&v->cacerts);
	ch_vf_work_free(v->work);
	v->work = NULL;
}

size_t ch_vf_waiting(const struct ch_verify *v)
{
	size_t n = 0;
	for (size_t i = 0; i < CH_VF_REQUESTS_MAX; i++)
		n += v->slot[i] != NULL;
	return n;
}

/* An id whose slot is free; the number before it never comes back, so a late answer meets nobody. */
static bool place(struct ch_verify *v, struct ch_vf_request *r)
{
	for (size_t tries = 0; tries < CH_VF_REQUESTS_MAX; tries++) {
		r->id = ++v->sequence;
		if (v->slot[r->id % CH_VF_REQUESTS_MAX] != NULL)
			continue;
		v->slot[r->id % CH_VF_REQUESTS_MAX] = r;
		return true;
	}
	return false;
}

/* --- answers --- */

static void send_answer(struct ch_verify *v, const struct ch_vf_request *r, const struct ch_msg_answer *m)
{
	if (m->status >= 400)
		v->counters.refused++;
	v->out.answer(v->out.ctx, r->edge, r->edge_id, m);
}

void ch_vf_answer_as(struct ch_verify *v, struct ch_vf_request *r, const struct ch_msg_answer *m)
{
	send_answer(v, r, m);
	end(v, r);
}

void ch_vf_answer(struct ch_verify *v, struct ch_vf_request *r, unsigned status, struct ch_span json)
{
	const struct ch_msg_answer m = { .status = (uint16_t)status, .type = CH_SPAN_LIT(JSON_TYPE), .body = json };
	ch_vf_answer_as(v, r, &m);
}

static struct ch_span error_put(struct ch_wr *w, const char *code, const char *rule, struct ch_span detail)
{
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	ch_json_name(&j, "error");
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "code", code);
	ch_json_named_str(&j, "rule", rule);
	if (detail.n > 0)
		ch_json_named_span(&j, "detail", detail);
	ch_json_object_end(&j);
	ch_json_object_end(&j);
	return ch_wr_span(w);
}

/* "code: rule (detail)" */
static struct ch_span error_text_put(struct ch_wr *w, const char *code, const char *rule, struct ch_span detail)
{
	ch_wr_str(w, code);
	ch_wr_str(w, ": ");
	if (detail.n > 0) {
		ch_wr_put(w, detail);
		ch_wr_str(w, ": ");
	}
	ch_wr_str(w, rule);
	ch_wr_str(w, "\n");
	return ch_wr_span(w);
}

void ch_vf_refuse(struct ch_verify *v, struct ch_vf_request *r, unsigned status, const char *code, const char *rule,
		  struct ch_span detail)
{
	uint8_t text[ERROR_ROOM];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_msg_answer m = {
		.status = (uint16_t)status,
		.retry_after = status == 503 ? 1 : 0,
		.type = r->plain ? CH_SPAN_LIT("text/plain; charset=utf-8") : CH_SPAN_LIT(JSON_TYPE),
		.body = r->plain ? error_text_put(&w, code, rule, detail) : error_put(&w, code, rule, detail),
	};
	ch_vf_answer_as(v, r, &m);
}

void ch_vf_refuse_body(struct ch_verify *v, struct ch_vf_request *r, const struct ch_body_fault *fault)
{
	uint8_t text[CH_VF_RULE_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	if (fault->member != NULL) {
		ch_wr_str(&w, "member ");
		ch_wr_str(&w, fault->member);
		ch_wr_str(&w, ", ");
	}
	ch_wr_str(&w, "byte ");
	ch_wr_dec(&w, fault->off);
	ch_vf_refuse(v, r, 400, "body", fault->rule, ch_wr_span(&w));
}

/* --- from the edge --- */

/* Decimal digits, no zero before them; 0 for anything else. */
static uint64_t number_of(struct ch_span s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || (v == 0 && s.p[i] == '0') || s.n > 18)
			return 0;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return v;
}

static void copy_request(struct ch_vf_request *r, const struct ch_msg_request *m)
{
	r->route = m->route;
	bool ddi = ch_route_ddi(m->route);
	r->number = number_of(ch_route_param((enum ch_route_number)m->route, m->path, ddi ? 2 : 0));
	struct ch_span controller = ddi ? ch_route_param((enum ch_route_number)m->route, m->path, 1) : CH_SPAN_EMPTY;
	if (controller.n <= sizeof(r->controller))
		r->controller_size = ch_span_copy(r->controller, sizeof(r->controller), controller);
	(void)ch_span_copy(r->device, sizeof(r->device), CH_SPAN_OF(m->device));
	(void)ch_span_copy(r->cert_sha256, sizeof(r->cert_sha256), CH_SPAN_OF(m->cert_sha256));
	(void)ch_span_copy(r->operator_key, sizeof(r->operator_key), CH_SPAN_OF(m->operator_key));
	r->key_size = ch_span_copy(r->idempotency_key, sizeof(r->idempotency_key), m->idempotency_key);
}

struct ch_vf_request *ch_vf_begin(struct ch_verify *v, unsigned edge, uint64_t id, bool plain, size_t size)
{
	struct ch_vf_request *r = ch_calloc(1, sizeof(*r));
	r->edge = edge;
	r->edge_id = id;
	r->plain = plain;
	v->counters.requests++;
	if (v->bytes + size > CH_VF_BYTES_MAX || !place(v, r)) {
		v->counters.busy++;
		ch_vf_refuse(v, r, 503, "busy", "too much is being judged right now: ask again", CH_SPAN_EMPTY);
		return NULL;
	}
	r->memory_size = size;
	r->memory = ch_realloc(NULL, size, 1); /* its arena clears what it hands out */
	r->arena = ch_arena(r->memory, size);
	v->bytes += size;
	return r;
}

void ch_vf_request(struct ch_verify *v, unsigned edge, uint64_t id, const struct ch_msg_request *m)
{
	size_t i = 0;
	while (i < CH_COUNT_OF(handlers) && handlers[i].route != m->route)
		i++;
	bool ours = i < CH_COUNT_OF(handlers);
	struct ch_vf_request *r =
		ch_vf_begin(v, edge, id, false, ours ? ch_body_arena_size(m->body.n) + CH_VF_DATA_MAX : 1);
	if (r == NULL)
		return;
	if (!ours) {
		ch_vf_refuse(v, r, 404, "route", "this is not a request that is judged here", CH_SPAN_EMPTY);
		return;
	}
	copy_request(r, m);
	handlers[i].handle(v, r, m->body);
}

void ch_vf_edge_gone(struct ch_verify *v, unsigned edge)
{
	for (size_t i = 0; i < CH_VF_REQUESTS_MAX; i++) {
		if (v->slot[i] != NULL && v->slot[i]->edge == edge)
			end(v, v->slot[i]);
	}
}

/* --- from the keeper --- */

void ch_vf_ask(struct ch_verify *v, struct ch_vf_request *r, enum ch_msg type, const void *msg, ch_vf_step *next)
{
	r->next = next;
	if (!v->out.ask(v->out.ctx, type, r->id, msg))
		ch_vf_refuse(v, r, 503, "keeper", "the store is being restarted: ask again", CH_SPAN_EMPTY);
}

bool ch_vf_take_answer(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f, struct ch_msg_answer *m)
{
	if (f->type == CH_MSG_ANSWER && ch_msg_parse(CH_MSG_ANSWER, m, f->payload, NULL) == CH_OK)
		return true;
	ch_vf_refuse(v, r, 502, "internal", "the keeper answered something else", CH_SPAN_EMPTY);
	return false;
}

bool ch_vf_take_context(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f,
			struct ch_msg_context *m)
{
	if (f->type != CH_MSG_CONTEXT || ch_msg_parse(CH_MSG_CONTEXT, m, f->payload, NULL) != CH_OK) {
		ch_vf_refuse(v, r, 502, "internal", "the keeper answered something else", CH_SPAN_EMPTY);
		return false;
	}
	if (m->status == 0)
		return true;
	ch_vf_refuse(v, r, 404, "device", "this device is not enrolled", CH_SPAN_EMPTY);
	return false;
}

void ch_vf_pass_on(struct ch_verify *v, struct ch_vf_request *r, const struct ch_frame *f)
{
	struct ch_msg_answer m;
	if (!ch_vf_take_answer(v, r, f, &m))
		return;
	send_answer(v, r, &m);
	end(v, r);
}

static bool take_generation(struct ch_verify *v, struct ch_span payload)
{
	struct ch_msg_generation m;
	struct ch_diag d;
	if (ch_msg_parse(CH_MSG_GENERATION, &m, payload, &d) != CH_OK)
		return false;
	enum ch_err err = ch_held_take(&v->held, m.number, m.image, &d);
	struct ch_msg_generation_taken taken = { .number = m.number };
	v->counters.generations++;
	if (err != CH_OK) {
		/* Nobody is judged by what is in force no more: without a generation every piece of evidence is put off. */
		ch_held_clear(&v->held);
		taken.status = 1;
		taken.rule = ch_span_str(d.rule != NULL ? d.rule : ch_err_str(err));
		ch_log(CH_LOG_ERROR, "generation %" PRIu64 " is not taken: byte %zu: %s (%s); nothing is judged",
		       m.number, d.off, d.rule != NULL ? d.rule : "refused", ch_err_str(err));
	}
	/* Without a keeper another one asks again, with the generation that it sends at its start. */
	(void)v->out.ask(v->out.ctx, CH_MSG_GENERATION_TAKEN, 0, &taken);
	if (err != CH_OK)
		return true;
	ch_log(CH_LOG_INFO, "generation %" PRIu64 ": %zu classes, %zu EK roots", m.number, v->held.class_count,
	       v->held.root_count);
	return true;
}

bool ch_vf_keeper(struct ch_verify *v, const struct ch_frame *f)
{
	if (f->type == CH_MSG_GENERATION)
		return take_generation(v, f->payload);
	struct ch_vf_request *r = v->slot[f->id % CH_VF_REQUESTS_MAX];
	/* The edge that asked may be gone. */
	if (r != NULL && r->id == f->id)
		r->next(v, r, f);
	return true;
}

void ch_vf_keeper_gone(struct ch_verify *v)
{
	for (size_t i = 0; i < CH_VF_REQUESTS_MAX; i++) {
		if (v->slot[i] != NULL)
			ch_vf_refuse(v, v->slot[i], 503, "keeper", "the store is being restarted: ask again",
				     CH_SPAN_EMPTY);
	}
}
