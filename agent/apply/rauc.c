/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply/rauc.h"

#include "core/base/span.h"
#include "host/sys/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define SERVICE   "de.pengutronix.rauc"
#define OBJECT    "/"
#define INTERFACE "de.pengutronix.rauc.Installer"

#define SECOND   1000000ull
#define ASK_WAIT (60 * SECOND)
#define READ_MAX (3600 * SECOND) /* a plain bundle is hashed whole before its signature is known to hold */

/* Takes a text of the bus; false if it does not fit. */
static bool text_put(char *to, size_t room, const char *from)
{
	size_t n = strlen(from);
	to[ch_span_copy(to, room - 1, ch_span(from, n))] = '\0';
	return n < room;
}

static void text_cut(char to[static AG_RAUC_TEXT_MAX], const char *from)
{
	(void)text_put(to, AG_RAUC_TEXT_MAX, from != NULL ? from : "");
}

/* What went wrong, as the bus has it. */
static enum ch_err failed(struct ag_rauc *r, const char *what, const sd_bus_error *e, int rc)
{
	const char *why = e != NULL && e->message != NULL ? e->message : strerror(-rc);
	(void)snprintf(r->error, sizeof(r->error), "%s: %s", what, why);
	r->gone = r->gone || sd_bus_is_open(r->bus) <= 0;
	return CH_ERR_IO;
}

static bool under_way(const struct ag_rauc *r)
{
	return r->step == AG_RAUC_READING || r->step == AG_RAUC_WRITING;
}

static void end(struct ag_rauc *r, enum ag_rauc_step step)
{
	r->call = sd_bus_slot_unref(r->call);
	r->step = step;
}

static int refuse(struct ag_rauc *r, const char *what, const sd_bus_error *e)
{
	(void)failed(r, what, e, 0);
	end(r, AG_RAUC_FAILED);
	return 0;
}

/* --- what RAUC says by itself --- */

static int property(struct ag_rauc *r, const char *name, char *to, size_t room)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	const char *value;
	int rc = sd_bus_get_property(r->bus, SERVICE, OBJECT, INTERFACE, name, &e, &m, "s");
	if (rc >= 0)
		rc = sd_bus_message_read(m, "s", &value);
	if (rc >= 0 && !text_put(to, room, value))
		rc = -E2BIG;
	if (rc < 0)
		(void)failed(r, "RAUC does not answer", &e, rc);
	sd_bus_message_unref(m);
	sd_bus_error_free(&e);
	return rc;
}

/* The signal Completed: 0 if all went well. */
static int on_completed(sd_bus_message *m, void *ctx, sd_bus_error *e)
{
	(void)e;
	struct ag_rauc *r = ctx;
	int32_t result = 0;
	if (r->step != AG_RAUC_WRITING)
		return 0;
	if (sd_bus_message_read(m, "i", &result) < 0)
		result = -1;
	if (result == 0) {
		r->percent = 100;
		end(r, AG_RAUC_DONE);
		return 0;
	}
	char why[AG_RAUC_TEXT_MAX];
	if (property(r, "LastError", why, sizeof(why)) >= 0)
		text_cut(r->error, why[0] != '\0' ? why : "RAUC failed and does not say why");
	end(r, AG_RAUC_FAILED);
	return 0;
}

/* The signal PropertiesChanged: only the progress is of interest. */
static int on_changed(sd_bus_message *m, void *ctx, sd_bus_error *e)
{
	(void)e;
	struct ag_rauc *r = ctx;
	const char *interface, *name, *doing;
	int32_t percent, depth;
	if (!under_way(r) || sd_bus_message_read(m, "s", &interface) < 0 || strcmp(interface, INTERFACE) != 0 ||
	    sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
		return 0;
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		if (sd_bus_message_read(m, "s", &name) < 0)
			return 0;
		if (strcmp(name, "Progress") != 0) {
			if (sd_bus_message_skip(m, "v") < 0)
				return 0;
		} else if (sd_bus_message_read(m, "v", "(isi)", &percent, &doing, &depth) < 0) {
			return 0;
		} else {
			r->percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
			text_cut(r->doing, doing);
		}
		if (sd_bus_message_exit_container(m) < 0)
			return 0;
	}
	return 0;
}

/* The name of the service has another owner, or none: what was under way ended with the one before. */
static int on_owner(sd_bus_message *m, void *ctx, sd_bus_error *e)
{
	(void)e;
	struct ag_rauc *r = ctx;
	const char *name, *before, *after;
	if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0 || before[0] == '\0' || !under_way(r))
		return 0;
	text_cut(r->error, "RAUC's service ended during the installation");
	r->lost = true;
	end(r, AG_RAUC_FAILED);
	return 0;
}

/* --- the connection --- */

static int subscribe(struct ag_rauc *r)
{
	int rc = sd_bus_match_signal(r->bus, &r->completed, SERVICE, OBJECT, INTERFACE, "Completed", on_completed, r);
	if (rc >= 0)
		rc = sd_bus_match_signal(r->bus, &r->changed, SERVICE, OBJECT, "org.freedesktop.DBus.Properties",
					 "PropertiesChanged", on_changed, r);
	if (rc >= 0)
		rc = sd_bus_add_match(r->bus, &r->owner,
				      "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
				      "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" SERVICE "'",
				      on_owner, r);
	return rc;
}

enum ch_err ag_rauc_open(struct ag_rauc *r, const char *address)
{
	*r = (struct ag_rauc){ .bus = NULL };
	int rc = sd_bus_new(&r->bus);
	if (rc >= 0)
		rc = sd_bus_set_address(r->bus, address);
	if (rc >= 0)
		rc = sd_bus_set_bus_client(r->bus, 1);
	if (rc >= 0)
		rc = sd_bus_set_method_call_timeout(r->bus, ASK_WAIT);
	if (rc >= 0)
		rc = sd_bus_start(r->bus);
	if (rc >= 0)
		rc = subscribe(r);
	if (rc >= 0)
		return CH_OK;
	(void)snprintf(r->error, sizeof(r->error), "the bus at %s: %s", address, strerror(-rc));
	ag_rauc_close(r);
	return CH_ERR_IO;
}

void ag_rauc_close(struct ag_rauc *r)
{
	r->call = sd_bus_slot_unref(r->call);
	r->completed = sd_bus_slot_unref(r->completed);
	r->changed = sd_bus_slot_unref(r->changed);
	r->owner = sd_bus_slot_unref(r->owner);
	r->bus = sd_bus_close_unref(r->bus);
	r->gone = true;
}

int ag_rauc_fd(const struct ag_rauc *r)
{
	return r->bus != NULL && !r->gone ? sd_bus_get_fd(r->bus) : -1;
}

void ag_rauc_turn(struct ag_rauc *r)
{
	int rc = 1;
	while (r->bus != NULL && !r->gone && rc > 0)
		rc = sd_bus_process(r->bus, NULL);
	if (rc >= 0)
		return;
	r->gone = true;
	if (under_way(r)) {
		(void)failed(r, "the bus is gone", NULL, rc);
		r->lost = true;
		end(r, AG_RAUC_FAILED);
	}
}

/* --- questions --- */

enum ch_err ag_rauc_system(struct ag_rauc *r, struct ag_rauc_system *s)
{
	*s = (struct ag_rauc_system){ .compatible = "" };
	const struct {
		const char *name;
		char *to;
	} wanted[] = { { "Compatible", s->compatible }, { "BootSlot", s->boot_slot }, { "Operation", s->operation } };
	for (size_t i = 0; i < CH_COUNT_OF(wanted); i++) {
		int rc = property(r, wanted[i].name, wanted[i].to, AG_RAUC_NAME_MAX);
		if (rc < 0) {
			*s = (struct ag_rauc_system){ .compatible = "" };
			return rc == -E2BIG ? CH_ERR_LIMIT : CH_ERR_IO;
		}
	}
	return CH_OK;
}

/* One pair of a slot's dictionary; what is not of interest is passed over. */
static int take_pair(sd_bus_message *m, struct ag_rauc_slot *slot)
{
	const struct {
		const char *name;
		char *to;
		size_t room;
	} wanted[] = {
		{ "bootname", slot->bootname, sizeof(slot->bootname) },
		{ "state", slot->state, sizeof(slot->state) },
		{ "boot-status", slot->boot_status, sizeof(slot->boot_status) },
		{ "sha256", slot->sha256, sizeof(slot->sha256) },
		{ "bundle.version", slot->version, sizeof(slot->version) },
	};
	const char *name, *value;
	int rc = sd_bus_message_read(m, "s", &name);
	for (size_t i = 0; i < CH_COUNT_OF(wanted) && rc >= 0; i++) {
		if (strcmp(name, wanted[i].name) != 0)
			continue;
		rc = sd_bus_message_read(m, "v", "s", &value);
		return rc >= 0 && !text_put(wanted[i].to, wanted[i].room, value) ? -E2BIG : rc;
	}
	return rc < 0 ? rc : sd_bus_message_skip(m, "v");
}

/* (sa{sv}) */
static int take_slot(sd_bus_message *m, struct ag_rauc_slot *slot)
{
	const char *name;
	int rc = sd_bus_message_read(m, "s", &name);
	if (rc >= 0 && !text_put(slot->name, sizeof(slot->name), name))
		rc = -E2BIG;
	if (rc >= 0)
		rc = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (rc >= 0 && (rc = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		rc = take_pair(m, slot);
		if (rc >= 0)
			rc = sd_bus_message_exit_container(m);
	}
	return rc < 0 ? rc : sd_bus_message_exit_container(m);
}

static int take_slots(sd_bus_message *m, struct ag_rauc_slot *slot, size_t *count)
{
	int rc = sd_bus_message_enter_container(m, 'a', "(sa{sv})");
	while (rc >= 0 && (rc = sd_bus_message_enter_container(m, 'r', "sa{sv}")) > 0) {
		if (*count == AG_RAUC_SLOTS_MAX)
			return -E2BIG;
		slot[*count] = (struct ag_rauc_slot){ .name = "" };
		rc = take_slot(m, &slot[*count]);
		*count += rc >= 0;
		if (rc >= 0)
			rc = sd_bus_message_exit_container(m);
	}
	return rc;
}

enum ch_err ag_rauc_slots(struct ag_rauc *r, struct ag_rauc_slot slot[static AG_RAUC_SLOTS_MAX], size_t *count)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	*count = 0;
	int rc = sd_bus_call_method(r->bus, SERVICE, OBJECT, INTERFACE, "GetSlotStatus", &e, &m, "");
	if (rc >= 0)
		rc = take_slots(m, slot, count);
	if (rc < 0) {
		(void)failed(r, "RAUC does not tell of its slots", &e, rc);
		*count = 0;
	}
	sd_bus_message_unref(m);
	sd_bus_error_free(&e);
	return rc >= 0 ? CH_OK : rc == -E2BIG ? CH_ERR_LIMIT : CH_ERR_IO;
}

enum ch_err ag_rauc_mark_good(struct ag_rauc *r)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	int rc = sd_bus_call_method(r->bus, SERVICE, OBJECT, INTERFACE, "Mark", &e, NULL, "ss", "good", "booted");
	enum ch_err err = rc >= 0 ? CH_OK : failed(r, "the slot cannot be marked as good", &e, rc);
	sd_bus_error_free(&e);
	return err;
}

/* --- an installation --- */

static int on_begun(sd_bus_message *m, void *ctx, sd_bus_error *e)
{
	(void)e;
	struct ag_rauc *r = ctx;
	if (r->step == AG_RAUC_WRITING && sd_bus_message_is_method_error(m, NULL))
		return refuse(r, "RAUC does not begin", sd_bus_message_get_error(m));
	return 0;
}

static int begin_writing(struct ag_rauc *r)
{
	r->call = sd_bus_slot_unref(r->call);
	r->step = AG_RAUC_WRITING;
	int rc = sd_bus_call_method_async(r->bus, &r->call, SERVICE, OBJECT, INTERFACE, "InstallBundle", on_begun, r,
					  "sa{sv}", r->path, 0);
	if (rc >= 0)
		rc = sd_bus_flush(r->bus);
	if (rc >= 0)
		return 0;
	(void)failed(r, "RAUC cannot be asked", NULL, rc);
	r->lost = true;
	end(r, AG_RAUC_FAILED);
	return 0;
}

/*
 * The answer to Info: compatible and version of a bundle whose signature holds. A refusal does not say why; asked to install, RAUC
 * judges once more before it writes anything, and says it then.
 */
static int on_read(sd_bus_message *m, void *ctx, sd_bus_error *e)
{
	(void)e;
	struct ag_rauc *r = ctx;
	const char *compatible, *version;
	if (r->step != AG_RAUC_READING)
		return 0;
	if (sd_bus_message_is_method_error(m, NULL))
		return begin_writing(r);
	if (sd_bus_message_read(m, "ss", &compatible, &version) < 0)
		return refuse(r, "RAUC's answer is not understood", NULL);
	if (strcmp(compatible, r->compatible) != 0) {
		(void)snprintf(r->error, sizeof(r->error), "the bundle is for '%s', not for '%s'", compatible,
			       r->compatible);
		end(r, AG_RAUC_FAILED);
		return 0;
	}
	ch_log(CH_LOG_INFO, "RAUC takes the bundle: '%s', version '%s'", compatible, version);
	return begin_writing(r);
}

enum ch_err ag_rauc_install(struct ag_rauc *r, const char *path, const char *compatible)
{
	assert(!under_way(r));
	sd_bus_message *m = NULL;
	r->error[0] = r->doing[0] = '\0';
	r->percent = 0;
	r->lost = false;
	end(r, AG_RAUC_IDLE);
	int rc =
		!text_put(r->path, sizeof(r->path), path) || !text_put(r->compatible, sizeof(r->compatible), compatible)
			? -E2BIG
			: 0;
	if (rc >= 0)
		rc = sd_bus_message_new_method_call(r->bus, &m, SERVICE, OBJECT, INTERFACE, "Info");
	if (rc >= 0)
		rc = sd_bus_message_append(m, "s", r->path);
	if (rc >= 0)
		rc = sd_bus_call_async(r->bus, &r->call, m, on_read, r, READ_MAX);
	if (rc >= 0)
		rc = sd_bus_flush(r->bus);
	sd_bus_message_unref(m);
	if (rc < 0)
		return failed(r, "RAUC cannot be asked", NULL, rc);
	r->step = AG_RAUC_READING;
	return CH_OK;
}
