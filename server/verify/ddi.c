/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/verify.h"

#include "core/base/text.h"
#include "core/update/ddi.h"
#include "host/base/mem.h"
#include "server/ipc/routes.h"

/*
 * What a client of hawkBit's DDI says: about an action, about its cancellation, about itself. Read here, kept by the keeper, which knows whose
 * the action is. People read it: it is kept as it is shown.
 */

/* Appends text for a person's eye, a line end as "; ", as far as it fits; whole characters only. */
static void escape_some(struct ch_wr *w, struct ch_span s)
{
	uint8_t one[16];
	for (size_t off = 0, n = 0; off < s.n; off += n) {
		uint32_t code;
		struct ch_wr o = ch_wr(one, sizeof(one));
		struct ch_span rest = ch_span_sub(s, off, s.n - off);
		n = ch_utf8_decode(rest, &code);
		n = n == 0 ? 1 : n;
		if (rest.p[0] == '\n')
			ch_wr_str(&o, "; ");
		else
			ch_text_escape(&o, ch_span_sub(rest, 0, n));
		if (o.len > w->cap - w->len)
			return;
		ch_wr_put(w, ch_wr_span(&o));
	}
}

static struct ch_span controller_of(const struct ch_vf_request *r)
{
	return ch_span(r->controller, r->controller_size);
}

/* The body, mended; empty, and the request is answered, if there is no room for it. */
static struct ch_span mended(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	uint8_t *text = ch_arena_take(&r->arena, body.n, 1);
	if (text == NULL || !ch_ddi_name_valid(controller_of(r))) {
		ch_vf_refuse(v, r, text == NULL ? 413 : 404, "body", "there is no such device", CH_SPAN_EMPTY);
		return CH_SPAN_EMPTY;
	}
	(void)ch_span_copy(text, body.n, body);
	(void)ch_ddi_mend(text, body.n);
	return ch_span(text, body.n);
}

static void refuse(struct ch_verify *v, struct ch_vf_request *r, const struct ch_diag *d)
{
	const struct ch_body_fault fault = { NULL, d->rule, d->off };
	ch_vf_refuse_body(v, r, &fault);
}

void ch_vf_ddi_feedback(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	struct ch_ddi_feedback f;
	struct ch_diag d;
	uint8_t text[CH_DDI_TEXT_MAX], reason[CH_IPC_REASON_MAX];
	struct ch_wr tw = ch_wr(text, sizeof(text)), rw = ch_wr(reason, sizeof(reason));
	struct ch_span in = mended(v, r, body);
	if (in.p == NULL)
		return;
	if (ch_ddi_feedback_parse(&f, in, &d) != CH_OK) {
		refuse(v, r, &d);
		return;
	}
	escape_some(&tw, ch_span(f.text, f.text_n));
	escape_some(&rw, ch_span(f.text, f.text_n));
	struct ch_msg_ddi_feedback m = { .controller = controller_of(r),
					 .action = r->number,
					 .cancels = r->route == CH_ROUTE_DDI_CANCEL_FEEDBACK,
					 .execution = (uint8_t)f.execution,
					 .finished = (uint8_t)f.finished,
					 .progress = f.progress,
					 .text = ch_wr_span(&tw),
					 .reason = ch_wr_span(&rw) };
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(r->device));
	ch_vf_ask(v, r, CH_MSG_DDI_FEEDBACK, &m, ch_vf_pass_on);
}

/* "u16 length, text", escaped; false if it is longer than `max` then. */
static bool text_put(struct ch_wr *w, struct ch_span s, size_t max)
{
	uint8_t text[CH_DDI_VALUE_MAX];
	struct ch_wr e = ch_wr(text, max);
	ch_text_escape(&e, s);
	ch_wr_be16(w, (uint16_t)e.len);
	ch_wr_put(w, ch_wr_span(&e));
	return !e.bad;
}

void ch_vf_ddi_config(struct ch_verify *v, struct ch_vf_request *r, struct ch_span body)
{
	CH_AUTO_FREE struct ch_ddi_config *c = ch_calloc(1, sizeof(*c));
	CH_AUTO_FREE uint8_t *rows = ch_calloc(1, CH_IPC_ATTRS_MAX);
	struct ch_wr w = ch_wr(rows, CH_IPC_ATTRS_MAX);
	struct ch_diag d;
	struct ch_span in = mended(v, r, body);
	if (in.p == NULL)
		return;
	if (ch_ddi_config_parse(c, in, &d) != CH_OK) {
		refuse(v, r, &d);
		return;
	}
	for (size_t i = 0; i < c->count; i++) {
		if (!text_put(&w, c->attr[i].name, CH_DDI_NAME_MAX) ||
		    !text_put(&w, c->attr[i].value, CH_DDI_VALUE_MAX)) {
			d = (struct ch_diag){ .rule = "an attribute is longer than what is kept, once it is escaped" };
			refuse(v, r, &d);
			return;
		}
	}
	struct ch_msg_ddi_config m = { .controller = controller_of(r),
				       .mode = (uint8_t)c->mode,
				       .rows = ch_wr_span(&w) };
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(r->device));
	ch_vf_ask(v, r, CH_MSG_DDI_CONFIG, &m, ch_vf_pass_on);
}
