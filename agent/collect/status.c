/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/collect.h"

#include "core/wire/json.h"

#include <string.h>

#define PAGE_MAX 32768

/* A list of lines as strings. */
static void put_lines(struct ch_json_wr *j, const char *name, const char *lines)
{
	ch_json_name(j, name);
	ch_json_array_begin(j);
	while (lines[0] != '\0') {
		size_t n = strcspn(lines, "\n");
		ch_json_put_span(j, ch_span(lines, n));
		lines += lines[n] != '\0' ? n + 1 : n;
	}
	ch_json_array_end(j);
}

static void put_update(struct ch_json_wr *j, const struct ag_update_view *u)
{
	ch_json_name(j, "update");
	if (u->deployment == 0) {
		ch_json_put_null(j);
		return;
	}
	ch_json_object_begin(j);
	ch_json_named_u64(j, "deployment", u->deployment);
	ch_json_named_str(j, "phase", ag_phase_str(u->phase));
	ch_json_named_str(j, "name", u->name);
	ch_json_named_str(j, "version", u->version);
	ch_json_named_u64(j, "size", u->size);
	ch_json_named_u64(j, "taken", u->offset);
	ch_json_named_str(j, "slot", u->slot[0] != '\0' ? u->slot : NULL);
	ch_json_named_str(j, "reason", u->reason[0] != '\0' ? u->reason : NULL);
	ch_json_object_end(j);
}

void ag_status_tell(struct collect *c)
{
	uint8_t page[PAGE_MAX];
	struct ch_wr w = ch_wr(page, sizeof(page));
	struct ch_json_wr j = ch_json_wr(&w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "version", CH_VERSION);
	ch_json_named_bool(&j, "enrolled", c->enrolled);
	ch_json_name(&j, "device");
	if (c->enrolled)
		ch_json_put_hex(&j, CH_SPAN_OF(c->identity.device));
	else
		ch_json_put_null(&j);
	ch_json_name(&j, "class");
	if (c->enrolled)
		ch_json_put_span(&j, c->identity.class_name);
	else
		ch_json_put_null(&j);
	ch_json_named_u64(&j, "certificate_not_after", c->identity.not_after);
	ch_json_named_u64(&j, "key", c->identity.key);
	ch_json_named_str(&j, "chain", c->chain[0] != '\0' ? c->chain : NULL);
	ch_json_named_str(&j, "state", c->state[0] != '\0' ? c->state : NULL);
	put_lines(&j, "reasons", c->reasons);
	ch_json_named_bool(&j, "attested", c->ok);
	ch_json_named_u64(&j, "evidence", c->evidence);
	ch_json_named_u64(&j, "last_attested", c->last_ok);
	ch_json_named_u64(&j, "queued", c->queue.count);
	ch_json_named_u64(&j, "failures", c->failures);
	ch_json_named_u64(&j, "time", ag_clock_now(&c->clock));
	ch_json_named_u64(&j, "time_floor", c->clock.floor);
	ch_json_named_u64(&j, "fleet_root", c->root.r.version);
	ch_json_named_u64(&j, "fleet_root_expires", c->root.r.expires);
	put_update(&j, &c->update);
	ch_json_named_str(&j, "problem", c->problem[0] != '\0' ? c->problem : NULL);
	ch_json_object_end(&j);
	ch_wr_u8(&w, '\n');
	const struct ag_status m = { .ok = c->ok, .page = ch_wr_span(&w) };
	ag_child_send(ag_child_to(&c->child, AG_MAIN), AG_MSG_STATUS, 0, &m);
}
