/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/measure_show.h"

#include "cli/cmd.h"

void cli_measure_json(struct ch_json_wr *j, const struct ch_measure *m)
{
	ch_json_name(j, "measurements");
	ch_measure_events_put(j, m);
	ch_json_name(j, "notes");
	ch_json_array_begin(j);
	for (size_t i = 0; i < m->note_count; i++)
		ch_json_put_str(j, m->note[i]);
	ch_json_array_end(j);
}

static void event_line(struct ch_wr *w, const struct ch_measure_event *e)
{
	ch_wr_str(w, e->pcr < 10 ? "   " : "  ");
	ch_wr_dec(w, e->pcr);
	ch_wr_str(w, "  ");
	ch_wr_hex(w, ch_digest_span(&e->digest[0]));
	ch_wr_str(w, e->required ? "  always  " : "  may be  ");
	ch_measure_what_put(w, e);
	ch_wr_str(w, "\n");
}

void cli_measure_page(struct ch_wr *w, const struct ch_measure *m)
{
	ch_wr_str(w, "\n PCR  sha256, what a boot will show\n");
	for (size_t i = 0; i < m->count; i++)
		event_line(w, &m->event[i]);
	if (m->note_count > 0)
		ch_wr_str(w, "\n");
	for (size_t i = 0; i < m->note_count; i++)
		cli_field(w, "not computed", CLI_WARN, m->note[i]);
}
