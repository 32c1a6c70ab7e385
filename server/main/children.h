/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_MAIN_CHILDREN_H
#define CH_MAIN_CHILDREN_H

#include "host/sys/loop.h"
#include "server/ipc/child.h"
#include "server/main/config.h"

#include <sys/types.h>

/* The children of chainholdd: starting them with their channels, starting again the one that ended, and the orderly end of all. */

#define MAIN_PROCESSES_MAX (3 * MAIN_CHILDREN_MAX + 3 + MAIN_EARLIER_MAX)

struct main_process {
	struct main_children *all;
	enum ch_role role;
	unsigned index;
	pid_t pid; /* 0: does not run */
	bool ready;
	bool stopping;
	unsigned failures; /* ends in a row that came soon after the start */
	uint64_t started;  /* on the loop's clock */
	struct ch_chan control;
	struct ch_permit_once once;
	struct ch_loop_fd watch;
	struct ch_loop_timer again;
	char sandbox[CH_IPC_TEXT_MAX + 1];
	struct ch_buf status; /* the last STATUS as it came, for an edge that starts later */
};

struct main_children {
	const struct main_config *config;
	struct ch_loop *loop;
	const char *libexec;                /* folder of the programs, with the slash at its end */
	int listener[3][MAIN_CHILDREN_MAX]; /* devices, operators, public; one for each edge */
	int view, view_reader;
	size_t count;
	struct main_process process[MAIN_PROCESSES_MAX];
	bool ready_told; /* all were ready once */
	int stage;       /* of the end: 0 none, else 1 + index of the group that is ending */
	struct ch_loop_timer grace;
	int exit_code;
};

/* Starts every child. False after a line. */
CH_MUST_USE bool main_children_start(struct main_children *m);
/* A child may have ended: reaps, and starts it again after a pause that grows. */
void main_children_reap(struct main_children *m);
/* Sends the configuration, read anew, to those that take one. */
void main_children_reload(struct main_children *m);
/* Ends them in the order of the data's path: edges first, the signer last; then the loop stops. */
void main_children_stop(struct main_children *m);
void main_children_clear(struct main_children *m);

/* Tells systemd (sd_notify(3)) if it started us: "READY=1", "STOPPING=1". */
void main_notify(const char *state);

/*
 * Opens the listening socket of one edge on "address:port" or "[v6]:port". With several edges each has its own, and the kernel
 * steers a client to the same one by its address. -1 after a line.
 */
int main_listen(const char *what, const char *address, unsigned edges);

#endif
