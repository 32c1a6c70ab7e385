/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_HUB_H
#define CH_IPC_HUB_H

#include "host/sys/loop.h"
#include "server/ipc/child.h"

/*
 * What every child of chainholdd does besides its own work: one loop over its channel to main and those to other processes, what it
 * tells main about once a second, and its end. A process brings its work as a table of functions.
 *
 * A turn of the loop: each message that came is held against the table of permissions (permit.c) and handed to `message`; then
 * `turn` runs, once; then what was sent leaves, one system call a channel. A message that may not come, or does not parse, ends
 * its channel, and nothing that came behind it is heard.
 */

#define CH_HUB_PEERS_MAX 16 /* processes of one role; main starts at most 8 */

struct ch_hub;

/* A channel to another process. Its place does not change while the hub lives; another process may come to it. */
struct ch_peer {
	struct ch_hub *hub;
	enum ch_role role;
	unsigned index;
	bool up;
	struct ch_chan chan;
	struct ch_loop_fd watch;
	struct ch_loop_task flush;
	struct ch_permit_once once;
};

/* The work of a process. `ctx` is what ch_hub_init got. What a process has no use for is NULL. */
struct ch_hub_work {
	/* A message that this peer may send here; what it borrows lives until this returns. False if it does not parse. */
	bool (*message)(void *ctx, struct ch_peer *from, const struct ch_frame *f);
	/* A channel is up, or down: its process ended, said what it may not, or a new one is about to take its place. */
	void (*peer)(void *ctx, struct ch_peer *p, bool up);
	/* The end of a turn in which a message, news of main or a change of peers came. */
	void (*turn)(void *ctx);
	/* Prometheus text of at most CH_IPC_STATUS_MAX bytes: told to main when it is another than before. */
	void (*metrics)(void *ctx, struct ch_wr *w);
	/* The configuration was read again. */
	void (*reload)(void *ctx, struct ch_span config);
	/* What another process told of itself. */
	void (*status)(void *ctx, const struct ch_child_news *news);
	/* Main asks for the end within `grace_ms`, or is gone (0): may come more than once. NULL: this turn is the last one. */
	void (*stop)(void *ctx, uint32_t grace_ms);
};

struct ch_hub {
	struct ch_child *child;
	struct ch_loop *loop;
	const struct ch_hub_work *work;
	void *ctx;
	struct ch_loop_fd control;
	struct ch_loop_timer status;
	struct ch_loop_task hear, turn;
	uint64_t told; /* hash of the last STATUS */
	uint8_t metrics[CH_IPC_STATUS_MAX];
	struct ch_peer peer[CH_ROLE_COUNT][CH_HUB_PEERS_MAX];
};

/* After ch_child_begin and before ch_child_confine: makes the loop, which the process may use too. `child` and `work` are borrowed. */
void ch_hub_init(struct ch_hub *h, struct ch_child *child, const struct ch_hub_work *work, void *ctx);
/* After ch_child_confine: takes the channels of START and turns until ch_hub_stop. CH_ERR_IO with errno set if the loop fails. */
CH_MUST_USE enum ch_err ch_hub_run(struct ch_hub *h);
/* The turn under way is the last one; what is sent in it still leaves. */
void ch_hub_stop(struct ch_hub *h);
/* Closes every channel and frees the loop; no function of the work is called any more. */
void ch_hub_clear(struct ch_hub *h);

/* The channel to this process; NULL if there is none right now. */
struct ch_peer *ch_hub_peer(struct ch_hub *h, enum ch_role role, unsigned index);
/* Queues a message; it leaves at the end of this turn. Nothing happens if the channel is down. */
void ch_peer_send(struct ch_peer *p, enum ch_msg type, uint64_t id, const void *msg);
/*
 * Sends a small message with a descriptor, after all that is queued; the descriptor stays the caller's. The peer must take descriptors
 * of this role (peer_begin). CH_ERR_IO, CH_ERR_LIMIT as ch_chan_send_fd: the channel is of no use then.
 */
CH_MUST_USE enum ch_err ch_peer_send_fd(struct ch_peer *p, enum ch_msg type, uint64_t id, const void *msg, int fd);
/* The same for a message that is encoded already. */
void ch_peer_pass(struct ch_peer *p, enum ch_msg type, uint64_t id, struct ch_span payload);

/* The clock of a process, in the form in which the environment of its work wants it: `ctx` is not used. */
uint64_t ch_hub_wall_ms(void *ctx);
uint64_t ch_hub_mono_ms(void *ctx);

#endif
