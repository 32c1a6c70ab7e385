/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/ddi.h"
#include "core/update/release.h"
#include "core/update/state.h"
#include "server/ipc/ddi.h"
#include "server/reader/ask.h"

#include <string.h>

/* What clients of hawkBit's DDI are told: which action there is, what it is about, and its artefacts (docs/protocol/ddi.md). */

#define TENANT     ch_int(CH_READER_TENANT)
#define HAL        "application/hal+json"
#define ORIGIN_MAX 300
#define ALIAS_HOST 2 /* of table alias */
#define ALIAS_NAME 5

struct client {
	struct ch_device_row d;
	struct ch_ddi_place place;
	char origin[ORIGIN_MAX];
};

/* The device that asks, which must be the one that the path names; false, and the answer is an error. */
static bool client_get(struct ch_ask *a, struct client *c)
{
	struct ch_ddi_name name;
	enum ch_route_number route = (enum ch_route_number)a->m->route;
	struct ch_wr w = ch_wr((uint8_t *)c->origin, sizeof(c->origin));
	ch_wr_str(&w, "https://");
	ch_wr_put(&w, a->m->host);
	c->place = (struct ch_ddi_place){ ch_wr_span(&w), ch_route_param(route, a->m->path, 0),
					  ch_route_param(route, a->m->path, 1) };
	if (a->m->host.n == 0 || w.bad || !ch_ddi_name_valid(c->place.tenant) ||
	    !ch_ddi_name_valid(c->place.controller)) {
		ch_ask_refuse(a, 400, "host", "links need the name of the server: a request has one Host");
		return false;
	}
	if (!ch_ask_device_by_id(a, CH_SPAN_OF(a->m->device), &c->d))
		return false;
	ch_ddi_name_init(&name, c->place.controller);
	if (ch_ddi_name_is_id(&name, c->d.id) ||
	    ch_sql_number(a->st, CH_READ_DEVICE_CALLED,
			  CH_ARGS(TENANT, ch_int(c->d.seq), ch_int(ALIAS_HOST), ch_bytes(name.as_is),
				  ch_int(ALIAS_NAME), ch_bytes(name.lower)),
			  0) > 0)
		return true;
	ch_ask_refuse(a, 403, "controller", "the path names another device than the certificate");
	return false;
}

/* The answer was written into a->w. */
static void written(struct ch_ask *a, enum ch_err err)
{
	a->type = HAL;
	a->json = false;
	if (err != CH_OK)
		ch_ask_refuse(a, 507, "size", "the answer cannot be written");
}

/* --- which action there is --- */

static void links_get(struct ch_ask *a, const struct client *c, struct ch_ddi_poll *p)
{
	int64_t ended = 0, told;
	p->cancel = (uint64_t)ch_sql_number(a->st, CH_READ_DDI_STOP,
					    CH_ARGS(TENANT, ch_int(c->d.seq), ch_int(CH_UPDATE_STOP_ASKED)), 0);
	struct ch_query q = ch_sql_query(a->st, CH_READ_OFFERED, CH_ARGS(TENANT, ch_int(c->d.seq)));
	if (ch_sql_next(&q) && ch_update_wanted((enum ch_update_state)ch_sql_int(&q, 1)))
		p->action = (uint64_t)ch_sql_int(&q, 0);
	(void)ch_sql_end(&q);
	q = ch_sql_query(a->st, CH_READ_DDI_INSTALLED,
			 CH_ARGS(TENANT, ch_int(c->d.seq), ch_int(CH_UPDATE_INSTALLED), ch_int(CH_UPDATE_PROVEN),
				 ch_int(CH_UPDATE_NOT_PROVEN)));
	if (ch_sql_next(&q)) {
		p->installed = (uint64_t)ch_sql_int(&q, 0);
		ended = ch_sql_int(&q, 1);
	}
	(void)ch_sql_end(&q);
	told = ch_sql_number(a->st, CH_READ_ATTRIBUTES_TIME, CH_ARGS(TENANT, ch_int(c->d.seq)), 0);
	p->attributes = told <= ended;
}

void ch_page_ddi_poll(struct ch_ask *a)
{
	struct client c;
	struct ch_ddi_poll p = { .sleep = ch_ask_ddi_sleep(a) };
	if (!ch_ask_params(a, NULL, 0) || !client_get(a, &c))
		return;
	links_get(a, &c, &p);
	written(a, ch_ddi_poll_put(&a->w, &c.place, &p));
}

/* --- what it is about --- */

struct action {
	uint64_t number;
	enum ch_update_state state;
	enum ch_update_stop stop;
	bool forced;
	int64_t release;
	char name[CH_NAME_MAX + 1], version[CH_RELEASE_VERSION_MAX + 1];
};

static size_t text_take(char *to, size_t max, struct ch_span s)
{
	return s.n <= max ? ch_span_copy(to, max, s) : 0;
}

/* The one of this device that the path names; false, and the answer is an error. Nobody asks for its history, which may be asked for. */
static bool action_get(struct ch_ask *a, const struct client *c, struct action *t)
{
	uint64_t history;
	const struct ch_param row[] = { { "actionHistory", CH_PARAM_NUMBER, &history } };
	*t = (struct action){ 0 };
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)))
		return false;
	uint64_t number;
	if (ch_ddi_action_parse(&number, ch_route_param((enum ch_route_number)a->m->route, a->m->path, 2)) == CH_OK) {
		struct ch_query q = ch_sql_query(a->st, CH_READ_DDI_ACTION,
						 CH_ARGS(TENANT, ch_int(c->d.seq), ch_int((int64_t)number)));
		if (ch_sql_next(&q)) {
			t->number = number;
			t->state = (enum ch_update_state)ch_sql_int(&q, 0);
			t->stop = (enum ch_update_stop)ch_sql_int(&q, 1);
			t->forced = ch_sql_int(&q, 2) != 0;
			t->release = ch_sql_int(&q, 3);
			(void)text_take(t->name, sizeof(t->name) - 1, ch_sql_bytes(&q, 4));
			(void)text_take(t->version, sizeof(t->version) - 1, ch_sql_bytes(&q, 5));
		}
		(void)ch_sql_end(&q);
	}
	return true;
}

static void no_action(struct ch_ask *a)
{
	ch_ask_refuse(a, 404, "action", "this device has no such action now");
}

struct artifacts {
	struct ch_ddi_artifact row[CH_RELEASE_ARTIFACTS_MAX];
	uint8_t name[CH_RELEASE_ARTIFACTS_MAX][CH_RELEASE_FILE_NAME_MAX];
	size_t count;
	bool whole; /* of each all hashes are known */
};

static void artifacts_get(struct ch_ask *a, int64_t release, struct artifacts *f)
{
	*f = (struct artifacts){ .whole = true };
	struct ch_query q = ch_sql_query(a->st, CH_READ_DDI_ARTIFACTS, CH_ARGS(TENANT, ch_int(release)));
	while (f->count < CH_COUNT_OF(f->row) && ch_sql_next(&q)) {
		struct ch_ddi_artifact *one = &f->row[f->count];
		uint8_t *name = f->name[f->count++];
		one->filename = ch_span(name, ch_span_copy(name, CH_RELEASE_FILE_NAME_MAX, ch_sql_bytes(&q, 0)));
		one->size = (uint64_t)ch_sql_int(&q, 1);
		f->whole = f->whole && ch_sql_copy(&q, 2, one->sha256, sizeof(one->sha256)) && !ch_sql_is_null(&q, 3) &&
			   ch_sql_copy(&q, 3, one->sha1, sizeof(one->sha1));
	}
	(void)ch_sql_end(&q);
}

static void put_action(struct ch_ask *a, const struct client *c, const struct action *t)
{
	struct artifacts f;
	artifacts_get(a, t->release, &f);
	if (!f.whole || f.count == 0) {
		ch_ask_refuse(a, 503, "artifact", "an artefact is being hashed: ask again");
		return;
	}
	const struct ch_ddi_deployment d = { .action = t->number,
					     .forced = t->forced,
					     .name = ch_span_str(t->name),
					     .version = ch_span_str(t->version),
					     .artifact = f.row,
					     .count = f.count };
	written(a, ch_ddi_deployment_put(&a->w, &c->place, &d));
}

void ch_page_ddi_deployment(struct ch_ask *a)
{
	struct client c;
	struct action t;
	if (!client_get(a, &c) || !action_get(a, &c, &t))
		return;
	if (ch_update_wanted(t.state))
		put_action(a, &c, &t);
	else
		no_action(a);
}

void ch_page_ddi_installed(struct ch_ask *a)
{
	struct client c;
	struct action t;
	if (!client_get(a, &c) || !action_get(a, &c, &t))
		return;
	if (t.state == CH_UPDATE_INSTALLED || t.state == CH_UPDATE_PROVEN || t.state == CH_UPDATE_NOT_PROVEN)
		put_action(a, &c, &t);
	else
		no_action(a);
}

void ch_page_ddi_cancel(struct ch_ask *a)
{
	struct client c;
	struct action t;
	if (!client_get(a, &c) || !action_get(a, &c, &t))
		return;
	if (t.stop == CH_UPDATE_STOP_ASKED)
		written(a, ch_ddi_cancel_put(&a->w, t.number));
	else
		no_action(a);
}

/* --- its artefacts --- */

/* A device gets those of what it is offered now; any other is as one that does not exist. */
void ch_page_ddi_artifact(struct ch_ask *a)
{
	struct client c;
	uint8_t sha256[32];
	uint64_t number, size = 0;
	enum ch_route_number route = (enum ch_route_number)a->m->route;
	if (!ch_ask_params(a, NULL, 0) || !client_get(a, &c))
		return;
	if (ch_ddi_action_parse(&number, ch_route_param(route, a->m->path, 2)) == CH_OK) {
		struct ch_query q = ch_sql_query(a->st, CH_READ_DDI_ARTIFACT,
						 CH_ARGS(TENANT, ch_int(c.d.seq), ch_int((int64_t)number),
							 ch_int(CH_UPDATE_OFFERED), ch_int(CH_UPDATE_DOWNLOADING),
							 ch_text(ch_route_param(route, a->m->path, 3))));
		if (ch_sql_next(&q) && ch_sql_copy(&q, 0, sha256, sizeof(sha256)))
			size = (uint64_t)ch_sql_int(&q, 1);
		(void)ch_sql_end(&q);
	}
	if (size > 0)
		ch_ask_artifact(a, sha256, size);
	else
		ch_ask_refuse(a, 404, "artifact", "this device is offered no such artefact");
}
