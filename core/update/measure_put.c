/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/measure.h"

#include "core/base/text.h"

void ch_measure_what_put(struct ch_wr *w, const struct ch_measure_event *e)
{
	if (e->in.n > 0) {
		ch_text_escape(w, e->in);
		ch_wr_str(w, ": ");
	}
	ch_wr_str(w, e->what);
}

static void event_put(struct ch_json_wr *j, const struct ch_measure_event *e)
{
	uint8_t text[CH_MEASURE_WHAT_MAX];
	struct ch_wr w = ch_wr(text, sizeof(text));
	ch_json_object_begin(j);
	ch_json_named_u64(j, "pcr", e->pcr);
	ch_json_named_u64(j, "type", e->type);
	ch_json_named_str(j, "type_name", ch_measure_type_str(e->type));
	ch_json_name(j, "digests");
	ch_json_object_begin(j);
	for (size_t i = 0; i < CH_MEASURE_BANKS; i++)
		ch_json_named_hex(j, ch_hash_name(ch_measure_bank[i]), ch_digest_span(&e->digest[i]));
	ch_json_object_end(j);
	ch_json_named_bool(j, "required", e->required);
	ch_measure_what_put(&w, e);
	ch_json_name(j, "what");
	ch_json_put_span(j, w.bad ? ch_span_str(e->what) : ch_wr_span(&w));
	ch_json_object_end(j);
}

void ch_measure_events_put(struct ch_json_wr *j, const struct ch_measure *m)
{
	ch_json_array_begin(j);
	for (size_t i = 0; i < m->count; i++)
		event_put(j, &m->event[i]);
	ch_json_array_end(j);
}

static bool has_pcr(const struct ch_measure *m, size_t pcr)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->event[i].pcr == pcr)
			return true;
	}
	return false;
}

void ch_measure_reference_put(struct ch_json_wr *j, const struct ch_measure *m, struct ch_span name)
{
	ch_json_object_begin(j);
	ch_json_named_str(j, "format", "chainhold-reference/1");
	ch_json_named_str(j, "kind", "release");
	ch_json_name(j, "name");
	ch_json_put_span(j, name);
	ch_json_name(j, "pcrs");
	ch_json_array_begin(j);
	for (size_t pcr = 0; pcr < CH_PCR_COUNT; pcr++) {
		if (has_pcr(m, pcr))
			ch_json_put_u64(j, pcr);
	}
	ch_json_array_end(j);
	ch_json_name(j, "events");
	ch_measure_events_put(j, m);
	ch_json_object_end(j);
}
