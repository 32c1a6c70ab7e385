/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/collect.h"

#include "host/base/replace.h"

#include <errno.h>
#include <string.h>

#define FLOOR_MAX 4096

/* Reads a file of ours. False if it is not there. One that is damaged is worth a line, and is as good as none. */
static bool read_file(struct collect *c, const char *name, size_t max, struct ch_buf *file)
{
	enum ch_err err = ch_file_read_at(file, c->dir, name, max);
	if (err == CH_OK)
		return true;
	if (err != CH_ERR_NOTFOUND) {
		ch_log(CH_LOG_ERROR, "%s cannot be read: %s", name, err == CH_ERR_LIMIT ? "too long" : strerror(errno));
		ag_child_end("the state folder is not usable");
	}
	return false;
}

static void read_identity(struct collect *c)
{
	if (!read_file(c, "identity", AG_CERT_MAX * 2, &c->identity_file))
		return;
	enum ch_err err = ag_record_identity(&c->identity, ch_buf_span(&c->identity_file));
	c->enrolled = err == CH_OK;
	if (err != CH_OK)
		ch_log(CH_LOG_ERROR, "the file 'identity' is damaged (%s): the device enrols anew", ch_err_str(err));
}

static void read_floor(struct collect *c)
{
	enum ch_err err = CH_ERR_NOTFOUND;
	if (read_file(c, "floor", FLOOR_MAX, &c->floor_file))
		err = ag_record_floor(&c->floor, ch_buf_span(&c->floor_file));
	if (err != CH_OK && err != CH_ERR_NOTFOUND)
		ch_log(CH_LOG_ERROR, "the file 'floor' is damaged (%s): the time of the build is the floor",
		       ch_err_str(err));
	/* another boot: what the server has of the logs is not of these */
	if (!ch_span_eq(c->floor.boot_id, c->start.boot_id)) {
		c->floor.boot_id = c->start.boot_id;
		c->floor.log_size = 0;
		c->floor.ima_size = 0;
	}
	ag_clock_init(&c->clock, c->floor.time, c->start.built);
}

void ag_state_open(struct collect *c)
{
	read_identity(c);
	read_floor(c);
	if (ag_queue_open(&c->queue, c->dir) != CH_OK)
		ag_child_end("the state folder cannot be read");
	if (c->queue.count > 0)
		ch_log(CH_LOG_INFO, "%zu attestations wait from before; they are sent as history", c->queue.count);
}

enum ch_err ag_state_put_identity(struct collect *c, const struct ag_record_identity *r)
{
	struct ch_buf file = { 0 };
	size_t room = AG_CERT_MAX * 2;
	struct ch_wr w = ch_wr(ch_buf_room(&file, room), room);
	enum ch_err err = ag_record_put_identity(&w, r);
	file.n = w.len;
	if (err == CH_OK)
		err = ch_file_replace(c->dir, "identity", ch_wr_span(&w));
	if (err == CH_OK)
		err = ag_record_identity(&c->identity, ch_buf_span(&file));
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "the identity cannot be kept: %s",
		       err == CH_ERR_IO ? strerror(errno) : ch_err_str(err));
		ch_buf_free(&file);
		return err;
	}
	ch_buf_free(&c->identity_file);
	c->identity_file = file;
	c->enrolled = true;
	return CH_OK;
}

void ag_state_put_floor(struct collect *c)
{
	uint8_t file[FLOOR_MAX];
	struct ch_wr w = ch_wr(file, sizeof(file));
	c->floor.time = c->clock.floor;
	enum ch_err err = ag_record_put_floor(&w, &c->floor);
	if (err == CH_OK)
		err = ch_file_replace(c->dir, "floor", ch_wr_span(&w));
	if (err == CH_OK)
		c->clock.kept = c->clock.floor;
	else
		ch_log(CH_LOG_ERROR, "the time cannot be kept: %s",
		       err == CH_ERR_IO ? strerror(errno) : ch_err_str(err));
}

void ag_state_time(struct collect *c, uint64_t time)
{
	if (time != 0 && ag_clock_tell(&c->clock, time))
		ag_state_put_floor(c);
}
