/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_AGENT_CHILD_H
#define CH_AGENT_CHILD_H

#include "agent/ipc/messages.h"
#include "host/sys/log.h"
#include "host/sys/sandbox.h"

/*
 * How a child of the agent begins and speaks. Descriptors, the same in every child: 3 is the channel to main, 4 to 6 those to its
 * peers, in the order of ag_peers; 7 and 8 in collect the event log and the IMA list. One that is not there is closed.
 */
#define AG_FD_MAIN     3
#define AG_FD_PEER     4
#define AG_PEERS_MAX   3
#define AG_FD_EVENTLOG 7
#define AG_FD_IMA      8

/* Whom a child speaks to besides main: up to AG_PEERS_MAX, ended by AG_MAIN. */
const enum ag_role *ag_peers(enum ag_role role);

struct ag_link {
	enum ag_role from; /* who is at the other end */
	struct ch_chan chan;
};

#define AG_LINKS (1 + AG_PEERS_MAX) /* link[0] is main; those without a peer have no descriptor, -1 */
struct ag_child {
	enum ag_role role;
	struct ag_link link[AG_LINKS];
	struct ch_buf start; /* what the message of ag_child_begin borrows from */
};

/* Opens the channels and waits for START, which is written to `start` and stays valid. Ends the process if it does not come. */
void ag_child_begin(struct ag_child *c, enum ag_role role, enum ag_msg type, void *start);
/* Confines the process and says READY; ends it, with a line, if any of it cannot be had. */
void ag_child_confine(struct ag_child *c, const struct ch_sandbox *s);
/* The channel to another child, one of ag_peers; its descriptor is -1 if that one was not started. */
struct ch_chan *ag_child_to(struct ag_child *c, enum ag_role role);

/*
 * Waits until one of the channels has a frame, `fd` (-1: none) is readable, or `timeout_ms` is over (-1: never). When main is gone
 * or another child is, the process ends: a child does not outlive them. Returns the link with a frame, NULL otherwise.
 */
struct ag_link *ag_child_wait(struct ag_child *c, int fd, int timeout_ms, struct ch_frame *f);
/* Reads a frame's message into its struct. A message that may not come from there, or that is malformed, ends the process. */
void ag_child_parse(const struct ag_child *c, const struct ag_link *l, const struct ch_frame *f, void *to);
/* Sends and flushes. */
void ag_child_send(struct ch_chan *to, enum ag_msg type, uint64_t id, const void *msg);
/*
 * A request and its answer, of type `answer`, into `to`; spans in it borrow from the channel until the next call. Waits at most
 * `timeout_ms` (-1: for ever): the process ends if nothing came, for then the other one hangs and main begins anew.
 */
void ag_child_ask(struct ag_child *c, enum ag_role who, enum ag_msg type, const void *msg, enum ag_msg answer, void *to,
		  int timeout_ms);
/* Ends the process with a line. */
_Noreturn void ag_child_end(const char *why);

#endif
