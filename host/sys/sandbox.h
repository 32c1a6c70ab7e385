/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_SANDBOX_H
#define CH_HOST_SANDBOX_H

#include "core/base/err.h"
#include "core/base/wr.h"

/*
 * Confinement of a process, for good. Every one of these kills the process at the first system call that is not allowed.
 */

/*
 * For a command that judges files: computing, and writing to descriptors it has open; no open, socket, exec, fork, ptrace.
 * CH_ERR_INTERNAL with errno if the kernel refuses: the caller must then end.
 */
CH_MUST_USE enum ch_err ch_sandbox_compute(void);

/* What a process with a loop may do besides computing, reading and writing descriptors, sockets among them, and waiting for them. */
#define CH_ALLOW_ACCEPT     0x01u /* take connections of a listening socket */
#define CH_ALLOW_FILES_READ 0x02u /* open files under its root for reading, map and lock them; O_RDWR is EACCES */
#define CH_ALLOW_FILES      0x04u /* the same for writing; make, rename and remove files */
#define CH_ALLOW_CONNECT    0x08u /* open TCP and UDP sockets and connect them */
#define CH_ALLOW_MODULE     0x10u /* what foreign code that computes asks of the system: see sandbox.c */
#define CH_ALLOW_SEND_FD    0x40u /* send descriptors over channels, but not over the one to main (descriptor 3) */
#define CH_ALLOW_BUS        0x20u /* speak over a connection to D-Bus that is open */

struct ch_sandbox {
	const char *root;  /* its root directory from now on; NULL leaves the root as it is */
	uint32_t uid, gid; /* become these; both 0 leaves the user as it is */
	bool powerless;    /* gives up every capability: for a process that stays root because others ask who it is */
	unsigned allow;
	const char *const
		*read_only; /* with files: landlock leaves these folders only, ended by NULL; NULL: all of the root */
};

/*
 * Becomes the user for good (both 0: stays who it is), gives up supplementary groups, core dumps and the right to gain any privilege. For a
 * process that runs code before ch_sandbox_enter, which then finds the user changed already and cannot change the root any more.
 */
CH_MUST_USE enum ch_err ch_sandbox_become(uint32_t uid, uint32_t gid);

/*
 * Changes the root, becomes the user, gives up supplementary groups and the right to gain any privilege, restricts files and
 * network by landlock as far as the kernel's ABI goes (a kernel without it is told in the report), and installs the seccomp
 * filter. `report` (may be NULL) gets one line for people: "root uid no_new_privs landlock=7 seccomp". CH_ERR_INTERNAL with
 * errno when any of it is refused: the caller must then end. Threads and children are not possible afterwards.
 */
CH_MUST_USE enum ch_err ch_sandbox_enter(const struct ch_sandbox *s, struct ch_wr *report);

#endif
