/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/verify.h"

#include "core/base/text.h"

/* What a device says about a deployment: read here, kept by the keeper, which knows whose it is. */

#define PROGRESS_MAX  100
#define PROGRESS_NONE 255
#define SLOT_MAX      64
#define STATE_MAX     16
#define REASON_MAX    512

struct feedback_body {
	struct ch_span state, reason, slot;
	uint64_t progress;
};

#define AT(field) offsetof(struct feedback_body, field)
static const struct ch_body_field feedback_fields[] = {
	{ "state", CH_BODY_TEXT, true, AT(state), STATE_MAX },
	{ "progress", CH_BODY_U64, false, AT(progress), 0 },
	{ "reason", CH_BODY_TEXT, false, AT(reason), REASON_MAX },
	{ "slot", CH_BODY_TEXT, false, AT(slot), SLOT_MAX },
};
#undef AT

void ch_vf_feedback(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	struct ch_body b;
	struct ch_body_fault fault;
	struct feedback_body t = { .progress = PROGRESS_NONE };
	uint8_t reason[CH_IPC_TEXT_MAX], slot[SLOT_MAX];
	struct ch_wr rw = ch_wr(reason, sizeof(reason)), sw = ch_wr(slot, sizeof(slot));
	if (ch_body_parse(&b, body, &r->arena, &fault) != CH_OK ||
	    ch_body_read(&b, 0, feedback_fields, CH_COUNT_OF(feedback_fields), &t, &fault) != CH_OK) {
		ch_vf_refuse_body(v, r, &fault);
		return;
	}
	if (t.progress > PROGRESS_MAX && t.progress != PROGRESS_NONE) {
		fault = (struct ch_body_fault){ "progress", "is 0 to 100", 0 };
		ch_vf_refuse_body(v, r, &fault);
		return;
	}
	/* People read it: it is kept as it is shown. */
	ch_text_escape(&rw, t.reason);
	ch_text_escape(&sw, t.slot);
	if (rw.bad || sw.bad) {
		fault = (struct ch_body_fault){ "reason",
						"reason or slot is longer than what is kept, once it is escaped", 0 };
		ch_vf_refuse_body(v, r, &fault);
		return;
	}
	struct ch_msg_feedback m = { .deployment = r->number,
				     .progress = (uint8_t)t.progress,
				     .state = t.state,
				     .reason = ch_wr_span(&rw),
				     .slot = ch_wr_span(&sw) };
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(r->device));
	ch_vf_ask(v, r, CH_MSG_FEEDBACK, &m, ch_vf_pass_on);
}
