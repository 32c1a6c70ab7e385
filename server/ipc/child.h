/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_CHILD_H
#define CH_IPC_CHILD_H

#include "host/sys/sandbox.h"
#include "server/ipc/messages.h"

/*
 * How a child of chainholdd begins: main starts it with its control channel as descriptor 3, says START there, and the child
 * confines itself before it touches anything else. From then on `control` brings PEER (a channel was made anew), RELOAD, STOP.
 */

/* Kinds of descriptors that START names. Those of channels come first and carry the other end's role. */
enum ch_fd_kind {
	CH_FD_EDGE = CH_ROLE_EDGE,
	CH_FD_VERIFY = CH_ROLE_VERIFY,
	CH_FD_KEEPER = CH_ROLE_KEEPER,
	CH_FD_READER = CH_ROLE_READER,
	CH_FD_SIGNER = CH_ROLE_SIGNER,
	CH_FD_TOKEN = CH_ROLE_TOKEN,
	CH_FD_LISTEN_DEVICES = 16, /* listening sockets, ready for accept4 */
	CH_FD_LISTEN_OPERATORS,
	CH_FD_LISTEN_PUBLIC,
	CH_FD_VIEW = 32, /* fleet view */
};

#define CH_CHILD_CONTROL_FD 3
#define CH_CHILD_FDS_MAX    64

struct ch_child_fd {
	uint8_t kind; /* enum ch_fd_kind */
	uint8_t index;
	int fd;
};

struct ch_child {
	enum ch_role role;
	uint32_t index;
	struct ch_chan control;
	struct ch_buf start_bytes; /* the START frame, which the next two borrow from */
	struct ch_msg_start start;
	struct ch_child_fd fd[CH_CHILD_FDS_MAX];
	size_t fd_count;
	struct ch_permit_once once; /* of the control channel */
};

/*
 * Takes START from descriptor 3 (waits for it at most 10 s) and opens the log for lines. CH_ERR_MISMATCH if it is for another
 * role, CH_ERR_IO if main is gone; a line says so.
 */
CH_MUST_USE enum ch_err ch_child_begin(struct ch_child *c, enum ch_role role);
/* The descriptor of that kind and index, still the child's to close; -1 if there is none. */
int ch_child_fd(const struct ch_child *c, enum ch_fd_kind kind, unsigned index);
/* How many there are of a kind. */
unsigned ch_child_fds(const struct ch_child *c, enum ch_fd_kind kind);
/*
 * Confines the process: root directory and uid of START, no_new_privs, landlock, seccomp with what `allow` names; then says READY.
 * Ends the process with a line if any of it cannot be had. What must be opened (keys, store) is opened by the caller
 * afterwards if `allow` has files, else before.
 */
void ch_child_confine(struct ch_child *c, unsigned allow);
/*
 * The same in two steps, for a process that must run code before it can be shut in: becomes its user without the right to gain any
 * privilege, then, later, the rest. With files, `folders` (ended by NULL) are the ones that landlock leaves it.
 */
void ch_child_become(struct ch_child *c);
void ch_child_confine_to(struct ch_child *c, unsigned allow, const char *const *folders);
/* What a control frame asks for. */
enum ch_child_ask { CH_CHILD_NOTHING, CH_CHILD_STOP, CH_CHILD_PEER, CH_CHILD_RELOAD, CH_CHILD_STATUS };
struct ch_child_news {
	enum ch_child_ask ask;
	struct ch_child_fd peer; /* with CH_CHILD_PEER; the descriptor is now the child's */
	uint32_t grace_ms;       /* with CH_CHILD_STOP */
	struct ch_span config;   /* with CH_CHILD_RELOAD; borrowed until the next call */
	enum ch_role from;       /* with CH_CHILD_STATUS: whose lines `metrics` are, borrowed until the next call */
	unsigned from_index;
	struct ch_span metrics;
};
/*
 * The next piece of news on the control channel, after the loop said that it is readable. CH_CHILD_NOTHING when there is
 * none. CH_CHILD_STOP with no grace when main is gone: a child does not outlive it.
 */
struct ch_child_news ch_child_next(struct ch_child *c);

/*
 * EVIL on the control channel: in a test build (tests/evil) runs that break-out attempt and answers; in any other build (evil_none.c)
 * false, which ends the channel like every message that may not come.
 */
CH_MUST_USE bool ch_child_evil(struct ch_child *c, const struct ch_frame *f);

/* --- configuration: lines of "key value\n" in START and RELOAD; a value that is bytes is base64 --- */

/* The value of `key` in a configuration, borrowed; empty if it is not there. `nth` counts repeated keys from 0. */
struct ch_span ch_config_get(struct ch_span config, const char *key, unsigned nth);
/* The same as a number; `otherwise` if it is not there or none. */
uint64_t ch_config_number(struct ch_span config, const char *key, uint64_t otherwise);
/* The same, base64 decoded into `to` (appended). CH_ERR_NOTFOUND, CH_ERR_ENCODING. */
CH_MUST_USE enum ch_err ch_config_bytes(struct ch_span config, const char *key, unsigned nth, struct ch_buf *to);

#endif
