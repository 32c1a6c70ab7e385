/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply/apply.h"

#include "host/base/replace.h"

#include <errno.h>
#include <string.h>

#define FILE_NAME "update"

/* --- the record --- */

static void read_update(struct apply *a)
{
	CH_AUTO_BUF struct ch_buf file = { 0 };
	enum ch_err err = ch_file_read_at(&file, a->dir, FILE_NAME, AG_RECORD_UPDATE_MAX);
	if (err == CH_ERR_IO)
		ag_child_end("the spool cannot be read");
	if (err == CH_OK)
		err = ag_record_update(&a->u, ch_buf_span(&file));
	/* without its floors an older release would be taken: better none */
	if (err != CH_OK && err != CH_ERR_NOTFOUND) {
		ch_log(CH_LOG_ERROR,
		       "the file '" FILE_NAME
		       "' is damaged (%s): no release is taken, because it says which ones are too old; see chainhold-agent(8)",
		       ch_err_str(err));
		ag_child_end("the spool is not usable");
	}
}

bool apply_state_keep(struct apply *a)
{
	uint8_t file[AG_RECORD_UPDATE_MAX];
	struct ch_wr w = ch_wr(file, sizeof(file));
	enum ch_err err = ag_record_put_update(&w, &a->u);
	if (err == CH_OK)
		err = ch_file_replace(a->dir, FILE_NAME, ch_wr_span(&w));
	if (err != CH_OK)
		apply_error(a, "the state of the update cannot be kept: %s",
			    err == CH_ERR_IO ? strerror(errno) : ch_err_str(err));
	return err == CH_OK;
}

void apply_state_time(struct apply *a, uint64_t time)
{
	if (time > a->u.time)
		a->u.time = time;
}

uint64_t apply_state_floor(const struct apply *a, struct ch_span name)
{
	for (size_t i = 0; i < a->u.floor_count; i++) {
		if (ch_span_eq(ag_name_span(&a->u.floors[i].name), name))
			return a->u.floors[i].sequence;
	}
	return 0;
}

bool apply_state_has_room(const struct apply *a, struct ch_span name)
{
	for (size_t i = 0; i < a->u.floor_count; i++) {
		if (ch_span_eq(ag_name_span(&a->u.floors[i].name), name))
			return true;
	}
	return a->u.floor_count < AG_FLOORS_MAX;
}

void apply_state_raise(struct apply *a)
{
	size_t i = 0;
	while (i < a->u.floor_count && !ch_span_eq(ag_name_span(&a->u.floors[i].name), ag_name_span(&a->u.name)))
		i++;
	if (i == AG_FLOORS_MAX)
		ag_child_end("a release was installed whose floor has no room"); /* apply_judge lets none through */
	if (i == a->u.floor_count) {
		a->u.floor_count++;
		a->u.floors[i] = (struct ag_floor){ .name = a->u.name };
	}
	if (a->u.floor > a->u.floors[i].sequence)
		a->u.floors[i].sequence = a->u.floor;
}

/* --- the fleet root --- */

/* What was kept, or what was provisioned if that is newer. */
static void open_root(struct apply *a)
{
	struct ag_root given = { .note = { 0 } };
	struct ch_diag d = { .rule = NULL };
	enum ch_err err = ag_root_parse(&given, a->start.fleet_root, &d);
	if (err == CH_OK)
		err = ch_fleet_root_first(&given.r, &d);
	if (err != CH_OK)
		ag_child_end("the file of 'fleet_root' is not to be trusted");
	err = ag_root_read(&a->root, a->dir, &d);
	if (err == CH_ERR_IO)
		ag_child_end("the fleet root in the spool cannot be read");
	if (err != CH_OK && err != CH_ERR_NOTFOUND)
		ch_log(CH_LOG_ERROR,
		       "the file 'root' is damaged (%s): the provisioned fleet root is the beginning again",
		       d.rule != NULL ? d.rule : ch_err_str(err));
	if (err != CH_OK || a->root.r.version < given.r.version) {
		err = ag_root_parse(&a->root, a->start.fleet_root, &d);
		if (err != CH_OK || ag_root_keep(a->dir, a->start.fleet_root) != CH_OK)
			ag_child_end("the fleet root cannot be kept");
	}
	ag_root_clear(&given);
}

bool apply_root_next(struct apply *a, struct ch_span note)
{
	static struct ag_root next;
	struct ch_diag d = { .rule = NULL };
	enum ch_err err = ag_root_parse(&next, note, &d);
	if (err == CH_OK)
		err = ch_fleet_root_next(&a->root.r, &next.r, &d);
	if (err == CH_OK)
		err = ag_root_keep(a->dir, note);
	if (err == CH_OK)
		err = ag_root_parse(&a->root, note, &d);
	if (err == CH_OK)
		apply_state_time(a, a->root.r.issued);
	else
		apply_error(a, "a document that is no next fleet root after version %llu is refused: %s",
			    (unsigned long long)a->root.r.version, d.rule != NULL ? d.rule : ch_err_str(err));
	ag_root_clear(&next);
	return err == CH_OK;
}

void apply_state_open(struct apply *a)
{
	ag_spool_init(&a->spool, a->dir);
	read_update(a);
	open_root(a);
	apply_state_time(a, a->start.built);
	apply_state_time(a, a->root.r.issued);
	if (a->start.class_name.n > 0 && !ag_name_set(&a->u.class_name, a->start.class_name))
		ag_child_end("the name of the class is too long");
	if (a->u.phase != AG_PHASE_TAKING && a->u.phase != AG_PHASE_INSTALLING)
		ag_spool_remove(&a->spool);
	else if (a->u.phase == AG_PHASE_TAKING && ag_spool_begin(&a->spool, a->u.size, false) != CH_OK)
		ch_log(CH_LOG_ERROR, "the artefact in the spool cannot be read: %s", strerror(errno));
}
