/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/root_file.h"

#include "agent/ipc/record.h"
#include "host/base/replace.h"

#define FILE_NAME "root"
#define FRAME_MAX 1024 /* of the record around the document */

enum ch_err ag_root_parse(struct ag_root *to, struct ch_span note, struct ch_diag *d)
{
	static struct ch_json_node node[CH_ROOT_NODES_MAX];
	ch_buf_free(&to->note);
	ch_buf_append(&to->note, note);
	return ch_fleet_root_parse(&to->r, ch_buf_span(&to->note), node, d);
}

void ag_root_clear(struct ag_root *root)
{
	ch_buf_free(&root->note);
	root->r.version = 0;
}

enum ch_err ag_root_read(struct ag_root *to, int dir, struct ch_diag *d)
{
	struct ch_buf file = { 0 };
	struct ag_record_root r;
	enum ch_err err = ch_file_read_at(&file, dir, FILE_NAME, CH_NOTE_MAX + FRAME_MAX);
	if (err == CH_OK)
		err = ag_record_root(&r, ch_buf_span(&file));
	if (err == CH_OK)
		err = ag_root_parse(to, r.note, d);
	if (err == CH_OK)
		err = ch_fleet_root_first(&to->r, d);
	ch_buf_free(&file);
	if (err != CH_OK)
		ag_root_clear(to);
	return err;
}

enum ch_err ag_root_keep(int dir, struct ch_span note)
{
	struct ch_buf file = { 0 };
	size_t room = note.n + FRAME_MAX;
	struct ch_wr w = ch_wr(ch_buf_room(&file, room), room);
	enum ch_err err = ag_record_put_root(&w, &(struct ag_record_root){ .note = note });
	if (err == CH_OK)
		err = ch_file_replace(dir, FILE_NAME, ch_wr_span(&w));
	ch_buf_free(&file);
	return err;
}
