/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_KEEPER_H
#define CH_KEEPER_H

#include "host/store/store.h"
#include "server/ipc/messages.h"
#include "server/ipc/view.h"

/*
 * The keeper: the only writer. It knows no descriptor, clock or loop: a program (main.c, a test, a driver) brings them as an
 * environment, hands in messages, ends turns and wakes it up.
 *
 * Whatever came in during one turn shares one transaction; nothing leaves before that is durable. A commit that fails ends the
 * process (env->fatal): what is in memory is then ahead of the store, and a new process starts from the store alone.
 */

struct ch_keeper;

struct ch_keeper_env {
	/* Sends an encoded message to a peer; called only after what it tells is durable. */
	void (*send)(void *ctx, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, struct ch_span payload);
	uint64_t (*wall_ms)(void *ctx);                                /* since 1970 */
	uint64_t (*mono_ms)(void *ctx);                                /* monotonic, counts while suspended or not */
	bool (*disk)(void *ctx, uint64_t *total, uint64_t *available); /* of the store's file system, bytes */
	bool (*reserve)(void *ctx, bool keep);     /* makes the reserve file, or gives its room back */
	void (*fatal)(void *ctx, const char *why); /* does not return, but in a test */
	void *ctx;
	/* The file of an artefact: durable when it returns, and what was behind is cut off at 0; all `n` bytes, or false. */
	bool (*artifact_write)(void *ctx, const uint8_t sha256[static 32], uint64_t off, struct ch_span bytes);
	bool (*artifact_read)(void *ctx, const uint8_t sha256[static 32], uint64_t off, uint8_t *to, size_t n);
	bool (*artifact_remove)(void *ctx, const uint8_t sha256[static 32]); /* also if there is none */
};

struct ch_keeper_config {
	struct ch_store *store; /* migrated; borrowed */
	struct ch_view *view;   /* writable; borrowed */
	struct ch_span config;  /* lines of START (server/ipc/child.h); borrowed during ch_keeper_new only */
	const struct ch_keeper_env *env;
};

/* The statements that the store must have been opened with. */
extern const char *const ch_keeper_sql[];
extern const size_t ch_keeper_sql_count;

/*
 * Starts from the store: publishes every certificate in the view, composes a generation if the configuration brings something new.
 * NULL with a line in `why` if the store or the configuration cannot be used.
 */
struct ch_keeper *ch_keeper_new(const struct ch_keeper_config *config, char why[static CH_STORE_WHY]);
void ch_keeper_free(struct ch_keeper *k);

/* The configuration was read again: policies and EK roots of the server's files. Nothing changes if it cannot be used. */
CH_MUST_USE enum ch_err ch_keeper_reload(struct ch_keeper *k, struct ch_span config);

/* A channel to a peer is up (made anew: down and up). */
void ch_keeper_peer(struct ch_keeper *k, enum ch_role role, unsigned index, bool up);
/* A message that may come from this role, parsed (struct ch_msg_*). What it borrows is used before this returns. */
void ch_keeper_message(struct ch_keeper *k, enum ch_role from, unsigned index, enum ch_msg type, uint64_t id,
		       const void *msg);
/* The end of a turn: commits and sends. */
void ch_keeper_turn(struct ch_keeper *k);
/* Does what is due and returns in how many milliseconds to be called again. A turn must follow. */
uint64_t ch_keeper_tick(struct ch_keeper *k);

/* The same without doing anything: after a turn the next tick may be wanted earlier than before it. */
uint64_t ch_keeper_due(const struct ch_keeper *k);

/* Online backup of the store into a new file. */
CH_MUST_USE enum ch_err ch_keeper_backup(struct ch_keeper *k, const char *path);
/* Prometheus text for STATUS. */
void ch_keeper_metrics(const struct ch_keeper *k, struct ch_wr *w);

#endif
