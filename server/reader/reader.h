/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_READER_H
#define CH_READER_H

#include "host/store/store.h"
#include "server/ipc/messages.h"

/*
 * The reader: answers what is only read, from the store, which it cannot write. It knows no descriptor, clock or loop: a program
 * (main.c, a test) brings them as an environment, hands in messages and sends what comes out.
 */

struct ch_reader;

struct ch_reader_env {
	/* Sends a message (struct ch_msg_*) to a peer, which may be gone. */
	void (*send)(void *ctx, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, const void *msg);
	uint64_t (*wall_ms)(void *ctx); /* since 1970 */
	uint64_t (*mono_ms)(void *ctx);
	void *ctx;
	/*
	 * Opens the artefact m->tag and sends it to an edge with the message. False if it is not there whole; true also if the edge
	 * is gone.
	 */
	bool (*artifact)(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_artifact *m);
	/*
	 * The same for the file of a path in an OSTree pack: a part of the artefact. CH_ERR_NOTFOUND if the pack has none of this path, another
	 * error if the artefact is not there whole or is not the pack of this commit.
	 */
	enum ch_err (*packed)(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_artifact *pack,
			      const uint8_t commit[static 32], struct ch_span path);
};

/* The statements that the store must have been opened with. */
extern const char *const ch_reader_sql[];
extern const size_t ch_reader_sql_count;

/* `origin` is the name of the log; it and `env` are copied. Until there is a store every request is answered with 503. */
struct ch_reader *ch_reader_new(const struct ch_reader_env *env, struct ch_span origin);
/* How often clients of hawkBit's DDI are told to ask; it has a default. */
void ch_reader_polling(struct ch_reader *r, uint32_t seconds);
/* The store, opened with CH_STORE_READ and checked; borrowed. */
void ch_reader_store(struct ch_reader *r, struct ch_store *store);
void ch_reader_free(struct ch_reader *r);

/* A request of edge `index`: answered at once, or when the signer has answered. */
void ch_reader_request(struct ch_reader *r, unsigned index, uint64_t id, const struct ch_msg_request *m);
/* An answer of the signer (EAR, KEYS) to the request `id`. */
void ch_reader_signed(struct ch_reader *r, enum ch_msg type, uint64_t id, const void *msg);
/* The signer is gone, or its channel is new: whoever waits for it is told to come again. */
void ch_reader_signer_gone(struct ch_reader *r);
/* An edge is gone: nobody waits for its answers any more. */
void ch_reader_edge_gone(struct ch_reader *r, unsigned index);
/* Refuses what waits for the signer past its deadline. Returns in how many ms to be called again; 0: not needed. */
uint64_t ch_reader_tick(struct ch_reader *r);
/* Prometheus text for STATUS; `index` tells this reader from others. */
void ch_reader_metrics(const struct ch_reader *r, unsigned index, struct ch_wr *w);

#endif
