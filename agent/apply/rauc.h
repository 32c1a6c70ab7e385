/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_RAUC_H
#define CH_AGENT_RAUC_H

#include "core/base/err.h"

#include <stdbool.h>

/*
 * RAUC over D-Bus: the interface de.pengutronix.rauc.Installer of its service (RAUC 1.8, reference manual, "D-Bus API"). The bus is
 * opened once, before the sandbox; nothing here opens a socket or a file afterwards. An installation goes on by itself while the
 * caller's loop calls ag_rauc_turn; everything else asks and waits.
 */

#define AG_RAUC_SLOTS_MAX 16
#define AG_RAUC_NAME_MAX  64
#define AG_RAUC_TEXT_MAX  512
#define AG_RAUC_PATH_MAX  1024

enum ag_rauc_step {
	AG_RAUC_IDLE,
	AG_RAUC_READING, /* RAUC looks at the bundle and its signature */
	AG_RAUC_WRITING, /* RAUC judges again, and installs */
	AG_RAUC_DONE,    /* it said that it is done, and well */
	AG_RAUC_FAILED,  /* `error` says why */
};

struct sd_bus;
struct sd_bus_slot;

struct ag_rauc {
	struct sd_bus *bus;
	struct sd_bus_slot *completed, *changed, *owner, *call;
	bool gone; /* the bus has closed the connection: it is of no use any more */
	enum ag_rauc_step step;
	bool lost; /* with AG_RAUC_FAILED: RAUC's service ended in between, the bundle was not refused */
	char path[AG_RAUC_PATH_MAX];
	char compatible[AG_RAUC_NAME_MAX];
	int percent;
	char doing[AG_RAUC_TEXT_MAX]; /* what RAUC says of its progress */
	char error[AG_RAUC_TEXT_MAX];
};

/* Connects to the bus at a D-Bus address ("unix:path=/run/dbus/system_bus_socket"). CH_ERR_IO, `error` says why. */
CH_MUST_USE enum ch_err ag_rauc_open(struct ag_rauc *r, const char *address);
void ag_rauc_close(struct ag_rauc *r);

/* What a loop waits for, for reading; -1 if there is no connection. */
int ag_rauc_fd(const struct ag_rauc *r);
/* Handles what has arrived. */
void ag_rauc_turn(struct ag_rauc *r);

/* What RAUC says of the system. */
struct ag_rauc_system {
	char compatible[AG_RAUC_NAME_MAX];
	char boot_slot[AG_RAUC_NAME_MAX]; /* the name that the boot loader knows the running slot by */
	char operation[AG_RAUC_NAME_MAX]; /* "idle", "installing" */
};
/* CH_ERR_IO with `error` if RAUC does not answer; CH_ERR_LIMIT for a name that is longer than it may be. */
CH_MUST_USE enum ch_err ag_rauc_system(struct ag_rauc *r, struct ag_rauc_system *s);

/* A slot as RAUC sees it; what it does not know is empty. */
struct ag_rauc_slot {
	char name[AG_RAUC_NAME_MAX], bootname[AG_RAUC_NAME_MAX];
	char state[AG_RAUC_NAME_MAX];       /* "booted", "active", "inactive" */
	char boot_status[AG_RAUC_NAME_MAX]; /* "good", "bad" */
	char sha256[AG_RAUC_NAME_MAX + 1];  /* of the image that was written last */
	char version[AG_RAUC_NAME_MAX];     /* of the bundle that it came from */
};
/* `count`: how many of `slot` are filled. CH_ERR_LIMIT past AG_RAUC_SLOTS_MAX. */
CH_MUST_USE enum ch_err ag_rauc_slots(struct ag_rauc *r, struct ag_rauc_slot slot[static AG_RAUC_SLOTS_MAX],
				      size_t *count);

/*
 * Begins: RAUC verifies the bundle's signature and says what system it is for; if that is not `compatible` it is refused, else it
 * is installed. `step` tells how it stands. What has ended before is forgotten; none may be under way.
 */
CH_MUST_USE enum ch_err ag_rauc_install(struct ag_rauc *r, const char *path, const char *compatible);

/* Tells RAUC that the running slot is to be booted from now on. */
CH_MUST_USE enum ch_err ag_rauc_mark_good(struct ag_rauc *r);

#endif
