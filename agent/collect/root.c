/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/root.h"

#include "agent/collect/collect.h"

#include <errno.h>
#include <string.h>

/*
 * The fleet root on a device (docs/protocol/fleet-root.md): the newest version that was verified is on the disk before anything is
 * done by it. Where a document came from does not matter: only who signed it.
 */

#define FETCH_MS 600000 /* net has deadlines of its own, for each server */

/* Whom net talks to from now on. An open connection ends if it was to anybody else. */
static void use(struct collect *c)
{
	static uint8_t pem[CH_ROOT_PEM_MAX], servers[CH_ROOT_SERVERS_TEXT_MAX];
	struct ch_wr p = ch_wr(pem, sizeof(pem)), s = ch_wr(servers, sizeof(servers));
	ch_fleet_root_anchors_put(&p, &c->root.r);
	ch_fleet_root_servers_put(&s, &c->root.r);
	const struct ag_trust m = { .servers = ch_wr_span(&s), .ca = ch_wr_span(&p) };
	ag_child_send(ag_child_to(&c->child, AG_NET), AG_MSG_TRUST, 0, &m);
	ag_clock_raise(&c->clock, c->root.r.issued);
}

static enum ch_err keep(struct collect *c, struct ch_span note)
{
	enum ch_err err = ag_root_keep(c->dir, note);
	if (err != CH_OK)
		ag_problem(c, "the fleet root cannot be kept: %s",
			   err == CH_ERR_IO ? strerror(errno) : ch_err_str(err));
	return err;
}

/* --- at the start --- */

/* What was kept. False if there is none; one that is damaged is as good as none, and the provisioned one is the beginning again. */
static bool read_kept(struct collect *c)
{
	struct ch_diag d = { .rule = NULL };
	enum ch_err err = ag_root_read(&c->root, c->dir, &d);
	if (err == CH_ERR_IO)
		ag_child_end("the fleet root in the state folder cannot be read");
	if (err != CH_OK && err != CH_ERR_NOTFOUND)
		ch_log(CH_LOG_ERROR,
		       "the file 'root' is damaged (%s): the provisioned fleet root is the beginning again",
		       d.rule != NULL ? d.rule : ch_err_str(err));
	return err == CH_OK;
}

void ag_root_open(struct collect *c)
{
	struct ag_root given = { .note = { 0 } };
	struct ch_diag d;
	if (c->start.fleet_root.n == 0)
		return;
	enum ch_err err = ag_root_parse(&given, c->start.fleet_root, &d);
	if (err == CH_OK)
		err = ch_fleet_root_first(&given.r, &d);
	if (err != CH_OK) {
		ch_log(CH_LOG_ERROR, "the file of 'fleet_root' is not to be trusted: byte %zu: %s", d.off, d.rule);
		ag_child_end("there is no fleet root to begin from");
	}
	/* The configuration is the owner's word: a newer one there counts, an older one is history. */
	if (!read_kept(c) || c->root.r.version < given.r.version) {
		err = ag_root_parse(&c->root, c->start.fleet_root, &d);
		if (err != CH_OK || keep(c, ch_buf_span(&c->root.note)) != CH_OK)
			ag_child_end("the fleet root cannot be kept");
	}
	ag_root_clear(&given);
	use(c);
	ch_log(CH_LOG_INFO, "fleet root: version %llu", (unsigned long long)c->root.r.version);
}

/* --- the walk --- */

/* One document from one server, verified. `*places`: how many servers there are to ask. */
static enum ch_err step(struct collect *c, uint32_t nth, uint32_t *places, uint16_t *status)
{
	static struct ag_root next;
	struct ch_diag d = { .rule = NULL };
	struct ag_root_answer m;
	const struct ag_fetch_root ask = { .version = c->root.r.version + 1, .nth = nth, .floor = c->clock.floor };
	ag_child_ask(&c->child, AG_NET, AG_MSG_FETCH_ROOT, &ask, AG_MSG_ROOT_ANSWER, &m, FETCH_MS);
	*places = m.places;
	*status = m.status;
	if (m.status != 200)
		return CH_ERR_NOTFOUND;
	enum ch_err err = ag_root_parse(&next, m.note, &d);
	if (err == CH_OK)
		err = ch_fleet_root_next(&c->root.r, &next.r, &d);
	if (err != CH_OK) {
		ag_problem(c, "a document that is no next fleet root after version %llu is refused: %s (%s)",
			   (unsigned long long)c->root.r.version, d.rule != NULL ? d.rule : "malformed",
			   ch_err_str(err));
	} else {
		err = keep(c, ch_buf_span(&next.note));
	}
	if (err == CH_OK)
		err = ag_root_parse(&c->root, ch_buf_span(&next.note), &d);
	ag_root_clear(&next);
	if (err == CH_OK)
		use(c);
	return err;
}

/* The next version from any server that has it. */
static bool walk_one(struct collect *c)
{
	uint32_t places = 1;
	uint16_t status = 0;
	for (uint32_t nth = 0; nth < places && nth < CH_ROOT_SERVERS_MAX; nth++) {
		enum ch_err err = step(c, nth, &places, &status);
		if (err == CH_OK) {
			ch_log(CH_LOG_NOTICE, "fleet root: version %llu holds and is in force",
			       (unsigned long long)c->root.r.version);
			return true;
		}
		if (err == CH_ERR_IO)
			return false;
	}
	return false;
}

bool ag_root_walk(struct collect *c)
{
	bool moved = false;
	if (c->root.r.version == 0)
		return false;
	for (size_t i = 0; i < AG_ROOT_STEPS_MAX && walk_one(c); i++)
		moved = true;
	return moved;
}

const char *ag_root_refuses(const struct collect *c)
{
	struct ch_diag d;
	if (c->root.r.version == 0)
		return NULL;
	if (ch_fleet_root_current(&c->root.r, c->clock.floor, &d) != CH_OK)
		return d.rule;
	if (!ch_fleet_root_admits(&c->root.r, CH_SPAN_LIT(CH_VERSION)))
		return "this agent is older than the fleet root asks for: " CH_VERSION;
	return NULL;
}
