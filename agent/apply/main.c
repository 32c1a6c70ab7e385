/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply/apply.h"

#include "core/wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 16384

void apply_error(struct apply *a, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(a->error, sizeof(a->error), format, ap);
	va_end(ap);
	if (strcmp(a->error, a->said) != 0)
		ch_log(CH_LOG_WARNING, "%s", a->error);
	(void)snprintf(a->said, sizeof(a->said), "%s", a->error);
}

/* [{"name", "bootname", "state", "boot_status", "sha256", "version"}]; empty if RAUC does not tell. */
static struct ch_span slots_put(struct apply *a, struct ch_wr *w)
{
	static struct ag_rauc_slot slot[AG_RAUC_SLOTS_MAX];
	size_t count = 0;
	if (ag_rauc_fd(&a->rauc) < 0 || ag_rauc_slots(&a->rauc, slot, &count) != CH_OK)
		return CH_SPAN_EMPTY;
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_array_begin(&j);
	for (size_t i = 0; i < count; i++) {
		ch_json_object_begin(&j);
		ch_json_named_str(&j, "name", slot[i].name);
		ch_json_named_str(&j, "bootname", slot[i].bootname);
		ch_json_named_str(&j, "state", slot[i].state);
		ch_json_named_str(&j, "boot_status", slot[i].boot_status);
		ch_json_named_str(&j, "sha256", slot[i].sha256);
		ch_json_named_str(&j, "version", slot[i].version);
		ch_json_object_end(&j);
	}
	ch_json_array_end(&j);
	return w->bad ? CH_SPAN_EMPTY : ch_wr_span(w);
}

static void tell(struct apply *a, struct ch_chan *to, uint64_t id, bool slots)
{
	static uint8_t room[SLOTS_MAX];
	struct ch_wr w = ch_wr(room, sizeof(room));
	struct ag_update_state m = {
		.error = ch_span_str(a->error),
		.phase = (uint8_t)a->u.phase,
		.root = a->root.r.version,
		.deployment = a->u.deployment,
		.name = ag_name_span(&a->u.name),
		.version = ag_name_span(&a->u.version),
		.sequence = a->u.sequence,
		.provable = a->u.provable,
		.size = a->u.size,
		.offset = a->spool.offset,
		.percent = (uint8_t)a->rauc.percent,
		.reason = ch_span(a->u.reason, a->u.reason_n),
		.slot = ch_span_str(a->slot),
		.slots = slots ? slots_put(a, &w) : CH_SPAN_EMPTY,
	};
	(void)ch_span_copy(m.release, sizeof(m.release), CH_SPAN_OF(a->u.release));
	(void)ch_span_copy(m.sha256, sizeof(m.sha256), CH_SPAN_OF(a->u.sha256));
	ag_child_send(to, AG_MSG_UPDATE_STATE, id, &m);
}

static void serve(struct apply *a, struct ag_link *l, const struct ch_frame *f)
{
	union {
		struct ag_start_apply start;
		struct ag_update_ask ask;
		struct ag_update_root root;
		struct ag_update_offer offer;
		struct ag_update_bytes bytes;
		struct ag_update_install install;
		struct ag_update_reboot reboot;
		struct ag_update_good good;
		struct ag_update_drop drop;
	} msg;
	bool slots = false;
	ag_child_parse(&a->child, l, f, &msg);
	a->error[0] = '\0';
	apply_settle(a);
	switch (f->type) {
	case AG_MSG_UPDATE_ASK:
		slots = msg.ask.slots != 0;
		break;
	case AG_MSG_UPDATE_ROOT:
		(void)!apply_root_next(a, msg.root.note);
		break;
	case AG_MSG_UPDATE_OFFER:
		apply_offer(a, &msg.offer);
		break;
	case AG_MSG_UPDATE_BYTES:
		apply_bytes(a, &msg.bytes);
		break;
	case AG_MSG_UPDATE_INSTALL:
		apply_install(a);
		break;
	case AG_MSG_UPDATE_REBOOT:
		apply_reboot(a);
		break;
	case AG_MSG_UPDATE_GOOD:
		apply_good(a);
		break;
	case AG_MSG_UPDATE_DROP:
		apply_drop(a);
		break;
	default:
		ag_child_end("a message came out of turn");
	}
	tell(a, &l->chan, f->id, slots);
	bool needed = f->type == AG_MSG_UPDATE_OFFER || f->type == AG_MSG_UPDATE_INSTALL;
	if (needed && ag_rauc_fd(&a->rauc) < 0)
		ag_child_end("the bus is looked for at the next start");
}

static void begin(struct apply *a)
{
	static char root[AG_TEXT_MAX], bus[AG_TEXT_MAX];
	ag_child_begin(&a->child, AG_APPLY, AG_MSG_START_APPLY, &a->start);
	root[ch_span_copy(root, sizeof(root) - 1, a->start.root)] = '\0';
	bus[ch_span_copy(bus, sizeof(bus) - 1, a->start.bus)] = '\0';
	if (snprintf(a->path, sizeof(a->path), "%s/" AG_SPOOL_FILE, root) >= (int)sizeof(a->path))
		ag_child_end("the name of the spool is too long");
	a->dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->dir < 0) {
		ch_log(CH_LOG_ERROR, "%s: %s", root, strerror(errno));
		exit(EXIT_FAILURE);
	}
	/* The bus is opened before the sandbox closes. Without it evidence goes on; updates wait until it is there at a start. */
	if (ag_rauc_open(&a->rauc, bus) != CH_OK)
		ch_log(CH_LOG_WARNING, "%s: nothing can be installed", a->rauc.error);
	ag_child_confine(&a->child, &(struct ch_sandbox){
					    .root = root, .powerless = true, .allow = CH_ALLOW_FILES | CH_ALLOW_BUS });
	apply_state_open(a);
}

int main(void)
{
	static struct apply a;
	begin(&a);
	for (;;) {
		struct ch_frame f;
		struct ag_link *l = ag_child_wait(&a.child, ag_rauc_fd(&a.rauc), -1, &f);
		if (l != NULL)
			serve(&a, l, &f);
		/* also after a question to the bus, which may have brought more than its answer */
		apply_turn(&a);
	}
}
