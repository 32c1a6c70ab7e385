/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/verify.h"

#include "core/platform/ek_cert.h"
#include "core/trust/fleet_root.h"
#include "core/trust/policy.h"
#include "core/update/release.h"
#include "core/update/rollout.h"

/*
 * What an operator signed (core/trust/action.h). The keeper verifies the signatures; here the canonical text and what it is about are
 * read, so that nothing that does not compile ever becomes part of a generation.
 */

#define SIGNATURES_MAX 4

struct action_body {
	struct ch_span action, payload;
	size_t signatures; /* an array */
};

#define AT(field) offsetof(struct action_body, field)
static const struct ch_body_field action_fields[] = {
	{ "action", CH_BODY_BYTES, true, AT(action), CH_ACTION_MAX },
	{ "signatures", CH_BODY_VALUE, true, AT(signatures), 0 },
	{ "payload", CH_BODY_BYTES, false, AT(payload), CH_IPC_IMAGE_MAX },
};
#undef AT

struct signature_body {
	uint8_t key[32];
	struct ch_span signature;
};
static const struct ch_body_field signature_fields[] = {
	{ "key", CH_BODY_HEX, true, offsetof(struct signature_body, key), 32 },
	{ "signature", CH_BODY_BYTES, true, offsetof(struct signature_body, signature), CH_ACTION_SIGNATURE },
};

/* Rows of {key id, length, signature}, as the message has them. */
static enum ch_err signatures_read(struct ch_body *b, size_t array, struct ch_wr *w, struct ch_body_fault *fault)
{
	const struct ch_json *j = &b->json;
	if (ch_json_type(j, array) != CH_JSON_ARRAY || ch_json_count(j, array) == 0 ||
	    ch_json_count(j, array) > SIGNATURES_MAX) {
		*fault = (struct ch_body_fault){ "signatures", "must be an array of 1 to 4 signatures", 0 };
		return CH_ERR_MALFORMED;
	}
	for (size_t i = ch_json_first(j, array); i != CH_JSON_NONE; i = ch_json_next(j, array, i)) {
		struct signature_body s;
		enum ch_err err = ch_body_read(b, i, signature_fields, CH_COUNT_OF(signature_fields), &s, fault);
		if (err != CH_OK)
			return err;
		ch_wr_put(w, CH_SPAN_OF(s.key));
		ch_wr_u8(w, (uint8_t)s.signature.n);
		ch_wr_put(w, s.signature);
	}
	return CH_OK;
}

/* --- payloads --- */

static enum ch_err policy_check(const struct ch_action *a, struct ch_span payload, struct ch_diag *d)
{
	struct ch_policy p;
	enum ch_err err = ch_policy_parse(&p, payload, d);
	if (err == CH_OK && !ch_span_eq(p.class, a->subject))
		err = ch_fail(d, CH_ERR_MISMATCH, 0, "the policy is of another class than the action's subject");
	return err;
}

/* Compiles one document; `kind` is its. */
static enum ch_err reference_check(struct ch_span payload, enum ch_ref_kind *kind, struct ch_diag *d)
{
	struct ch_json json;
	size_t cap = ch_json_nodes_max(payload.n);
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(cap, sizeof(*node));
	enum ch_err err = ch_json_parse(&json, payload, node, cap, d);
	if (err != CH_OK)
		return err;
	size_t size = ch_reference_arena_size(&json, 1);
	CH_AUTO_FREE uint8_t *memory = ch_calloc(size, 1);
	CH_AUTO_FREE struct ch_reference *ref = ch_calloc(1, sizeof(*ref));
	struct ch_arena arena = ch_arena(memory, size);
	struct ch_ref_diag rd = { 0 };
	err = ch_reference_compile(ref, &json, 1, &arena, &rd);
	if (err != CH_OK)
		return ch_fail(d, err, rd.off, rd.rule);
	*kind = ref->doc[0].kind;
	return CH_OK;
}

static enum ch_err baseline_check(const struct ch_action *a, struct ch_span payload, struct ch_diag *d)
{
	enum ch_ref_kind kind;
	enum ch_err err = reference_check(payload, &kind, d);
	if (err != CH_OK)
		return err;
	/* A verdict names the kind: what only one device is to have must not explain a whole class, nor the other way round. */
	bool pinned = kind == CH_REF_PINNED;
	if (pinned != (a->verb == CH_VERB_DEVICE_PIN))
		return ch_fail(d, CH_ERR_MISMATCH, 0,
			       pinned ? "values of kind pinned are for one device: baseline pin"
				      : "what is pinned for one device is of kind pinned");
	return CH_OK;
}

static enum ch_err ek_check(const struct ch_action *a, struct ch_span payload, struct ch_diag *d)
{
	(void)a;
	struct ch_span class_name;
	CH_AUTO_FREE struct ch_ek_cert *cert = ch_calloc(1, sizeof(*cert));
	if (ch_ek_class_parse(&class_name, payload) != CH_OK)
		return ch_fail(d, CH_ERR_MALFORMED, 0, "a class is bound by one line: \"class: \" and its name");
	return payload.n == 0 || class_name.n > 0 ? CH_OK : ch_ek_cert_parse(cert, payload, d);
}

static enum ch_err fleet_root_check(const struct ch_action *a, struct ch_span payload, struct ch_diag *d)
{
	(void)a;
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(CH_ROOT_NODES_MAX, sizeof(*node));
	CH_AUTO_FREE struct ch_fleet_root *root = ch_calloc(1, sizeof(*root));
	enum ch_err err = ch_fleet_root_parse(root, payload, node, d);
	return err == CH_OK ? ch_fleet_root_first(root, d) : err;
}

static enum ch_err release_check(const struct ch_action *a, struct ch_span payload, struct ch_diag *d)
{
	(void)a;
	enum ch_ref_kind kind;
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(CH_RELEASE_NODES_MAX, sizeof(*node));
	CH_AUTO_FREE struct ch_release *r = ch_calloc(1, sizeof(*r));
	enum ch_err err = ch_release_parse(r, payload, node, CH_RELEASE_NODES_MAX, d);
	if (err != CH_OK || r->reference.n == 0)
		return err;
	/* What is published is judged by from then on: it must compile now. */
	err = reference_check(r->reference, &kind, d);
	return err == CH_OK && kind != CH_REF_RELEASE ? CH_ERR_MISMATCH : err;
}

static enum ch_err assign_check(const struct ch_action *a, struct ch_span payload, struct ch_diag *d)
{
	(void)a;
	uint8_t release[32];
	bool forced;
	return ch_update_assign_parse(release, &forced, payload) == CH_OK
		       ? CH_OK
		       : ch_fail(d, CH_ERR_MALFORMED, 0,
				 "two lines name the release by its SHA-256, and soft or forced");
}

static enum ch_err rollout_check(const struct ch_action *a, struct ch_span payload, struct ch_diag *d)
{
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(CH_ROLLOUT_NODES_MAX, sizeof(*node));
	CH_AUTO_FREE struct ch_rollout *r = ch_calloc(1, sizeof(*r));
	enum ch_err err = ch_rollout_parse(r, payload, node, CH_ROLLOUT_NODES_MAX, d);
	if (err == CH_OK && !ch_rollout_canonical(r, payload))
		err = ch_fail(d, CH_ERR_MISMATCH, 0, "a rollout is signed as its one text: chainhold rollout create");
	if (err == CH_OK && !ch_span_eq(r->name, a->subject))
		err = ch_fail(d, CH_ERR_MISMATCH, 0, "the rollout has another name than the action's subject");
	return err;
}

static const struct {
	enum ch_verb verb;
	enum ch_err (*check)(const struct ch_action *a, struct ch_span payload, struct ch_diag *d);
} payloads[] = {
	{ CH_VERB_POLICY_APPLY, policy_check },           { CH_VERB_BASELINE_APPROVE, baseline_check },
	{ CH_VERB_DEVICE_PIN, baseline_check },           { CH_VERB_EK_ALLOW, ek_check },
	{ CH_VERB_FLEET_ROOT_PUBLISH, fleet_root_check }, { CH_VERB_RELEASE_PUBLISH, release_check },
	{ CH_VERB_UPDATE_ASSIGN, assign_check },          { CH_VERB_ROLLOUT_CREATE, rollout_check },
};

static enum ch_err payload_check(const struct ch_action *a, struct ch_span payload, struct ch_diag *d)
{
	struct ch_digest digest;
	if (a->has_payload != (payload.n > 0))
		return ch_fail(d, CH_ERR_MISMATCH, 0,
			       "the action has a payload that was not sent, or none and one was");
	if (a->has_payload && (ch_hash_once(CH_HASH_SHA256, payload, &digest) != CH_OK ||
			       !ch_span_eq(ch_digest_span(&digest), CH_SPAN_OF(a->payload))))
		return ch_fail(d, CH_ERR_MISMATCH, 0, "the payload is not the one whose SHA-256 the action names");
	for (size_t i = 0; i < CH_COUNT_OF(payloads); i++) {
		if (payloads[i].verb == a->verb)
			return payloads[i].check(a, payload, d);
	}
	return CH_OK;
}

static void refuse_at(struct ch_verify *v, struct ch_vf_request *r, const char *code, const struct ch_diag *d)
{
	uint8_t text[64];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_wr_str(&w, "byte ");
	ch_wr_dec(&w, d->off);
	ch_vf_refuse(v, r, 400, code, d->rule, ch_wr_span(&w));
}

void ch_vf_action(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	struct ch_body b;
	struct ch_body_fault fault;
	struct action_body t = { .signatures = CH_JSON_NONE };
	struct ch_action a;
	struct ch_diag d;
	uint8_t rows[SIGNATURES_MAX * (32 + 1 + CH_ACTION_SIGNATURE)];
	struct ch_wr w = ch_wr(rows, sizeof(rows));
	if (ch_body_parse(&b, body, &r->arena, &fault) != CH_OK ||
	    ch_body_read(&b, 0, action_fields, CH_COUNT_OF(action_fields), &t, &fault) != CH_OK ||
	    signatures_read(&b, t.signatures, &w, &fault) != CH_OK) {
		ch_vf_refuse_body(v, r, &fault);
		return;
	}
	if (ch_action_parse(&a, t.action, &d) != CH_OK) {
		refuse_at(v, r, "action", &d);
		return;
	}
	if (payload_check(&a, t.payload, &d) != CH_OK) {
		refuse_at(v, r, "payload", &d);
		return;
	}
	struct ch_msg_action m = { .action = t.action, .signatures = ch_wr_span(&w), .payload = t.payload };
	(void)ch_span_copy(m.operator_key, sizeof(m.operator_key), CH_SPAN_OF(r->operator_key));
	ch_vf_ask(v, r, CH_MSG_ACTION, &m, ch_vf_pass_on);
}
