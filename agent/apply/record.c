/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply/record.h"

bool ag_name_set(struct ag_name *n, struct ch_span s)
{
	*n = (struct ag_name){ .n = 0 };
	if (s.n > AG_NAME_MAX)
		return false;
	n->n = ch_span_copy(n->p, AG_NAME_MAX, s);
	return true;
}

static void put_name(struct ch_wr *w, const struct ag_name *n)
{
	ag_record_put_span(w, ag_name_span(n));
}

static void take_name(struct ch_rd *r, struct ag_name *n)
{
	(void)ag_name_set(n, ag_record_take_span(r, AG_NAME_MAX));
}

enum ch_err ag_record_put_update(struct ch_wr *w, const struct ag_record_update *r)
{
	size_t start = ag_record_begin(w, AG_RECORD_UPDATE);
	ch_wr_u8(w, (uint8_t)r->phase);
	ch_wr_be64(w, r->deployment);
	ch_wr_put(w, CH_SPAN_OF(r->release));
	put_name(w, &r->name);
	put_name(w, &r->version);
	ch_wr_be64(w, r->sequence);
	ch_wr_be64(w, r->floor);
	ch_wr_u8(w, r->provable);
	ch_wr_be64(w, r->size);
	ch_wr_put(w, CH_SPAN_OF(r->sha256));
	put_name(w, &r->compatible);
	ch_wr_be32(w, r->begun);
	put_name(w, &r->boot);
	put_name(w, &r->boot_slot);
	ag_record_put_span(w, ch_span(r->reason, r->reason_n));
	ch_wr_be64(w, r->time);
	put_name(w, &r->class_name);
	ch_wr_u8(w, (uint8_t)r->floor_count);
	for (size_t i = 0; i < r->floor_count; i++) {
		put_name(w, &r->floors[i].name);
		ch_wr_be64(w, r->floors[i].sequence);
	}
	return ag_record_end(w, start);
}

static void take_deployment(struct ch_rd *in, struct ag_record_update *r)
{
	uint8_t phase = ch_rd_u8(in);
	in->bad = in->bad || phase >= AG_PHASE_COUNT;
	r->phase = in->bad ? AG_PHASE_NONE : (enum ag_phase)phase;
	r->deployment = ch_rd_be64(in);
	ag_record_take_fixed(in, r->release, sizeof(r->release));
	take_name(in, &r->name);
	take_name(in, &r->version);
	r->sequence = ch_rd_be64(in);
	r->floor = ch_rd_be64(in);
	uint8_t provable = ch_rd_u8(in);
	in->bad = in->bad || provable > 1;
	r->provable = provable == 1;
	r->size = ch_rd_be64(in);
	ag_record_take_fixed(in, r->sha256, sizeof(r->sha256));
	take_name(in, &r->compatible);
	r->begun = ch_rd_be32(in);
	take_name(in, &r->boot);
	take_name(in, &r->boot_slot);
	struct ch_span reason = ag_record_take_span(in, AG_REASON_MAX);
	r->reason_n = ch_span_copy(r->reason, sizeof(r->reason), reason);
}

enum ch_err ag_record_update(struct ag_record_update *r, struct ch_span file)
{
	struct ch_rd in;
	*r = (struct ag_record_update){ .phase = AG_PHASE_NONE };
	enum ch_err err = ag_record_open(&in, AG_RECORD_UPDATE, file);
	if (err != CH_OK)
		return err;
	take_deployment(&in, r);
	r->time = ch_rd_be64(&in);
	take_name(&in, &r->class_name);
	r->floor_count = ch_rd_u8(&in);
	in.bad = in.bad || r->floor_count > AG_FLOORS_MAX;
	for (size_t i = 0; i < r->floor_count && !in.bad; i++) {
		take_name(&in, &r->floors[i].name);
		r->floors[i].sequence = ch_rd_be64(&in);
	}
	if (ch_rd_done(&in))
		return CH_OK;
	*r = (struct ag_record_update){ .phase = AG_PHASE_NONE };
	return CH_ERR_MALFORMED;
}
