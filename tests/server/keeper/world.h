/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_KEEPER_WORLD_H
#define CH_TESTS_KEEPER_WORLD_H

#include "core/trust/action.h"
#include "core/trust/chain.h"
#include "core/trust/lifecycle.h"
#include "core/trust/merkle.h"
#include "server/keeper/keeper.h"

#include <openssl/evp.h>

/*
 * A keeper with the world around it played: clock, disk, edge and verify as what they say, and a signer that issues bytes for certificates and
 * keeps its own frontier as the real one does. Devices have a real P-256 attestation key. Used by the unit tests of the keeper and by
 * tests/drivers/keeper_driver.c, whose crash runs need the same story told again.
 */

#define WORLD_SENT_MAX 4096

struct sent {
	enum ch_role to;
	unsigned index;
	enum ch_msg type;
	uint64_t id;
	struct ch_buf payload;
};

struct world {
	char dir[128];
	char path[256];
	const char *vfs; /* NULL: the system's */
	struct ch_store *store;
	struct ch_view *view;
	struct ch_keeper *keeper;
	uint64_t wall, mono; /* ms */
	uint64_t disk_total, disk_free;
	bool reserve;
	unsigned removed; /* artefacts; none can be while disk_total is 0 */
	char fatal[256];  /* why, if the keeper called it */
	struct sent sent[WORLD_SENT_MAX];
	size_t sent_count;
	uint64_t ids;
	uint64_t generation; /* that a verify judges by: the last that was sent */
	/* the signer, whose state outlives a keeper */
	struct ch_frontier frontier;
	uint64_t issued;
	bool signer_deaf;      /* takes requests and does not answer */
	bool signer_fails;     /* has no disk: signs nothing */
	struct ch_buf revoked; /* rows of REVOKE, each once: stands for the list too */
	uint64_t lists;
	struct ch_buf config;
	/* another way to a keeper: a process behind channels (tests/drivers/keeper_driver.c); NULL: it is called */
	uint64_t (*say)(struct world *w, enum ch_role from, enum ch_msg type, const void *msg);
	void (*turn)(struct world *w);
	void *remote;
};

/* A class of this name: platform and boot required, release automatic, boot and staleness lead to quarantine. */
struct ch_policy world_policy(const char *name);
/* Adds a policy or a line to the configuration of the next start. */
void world_policy_add(struct world *w, const struct ch_policy *p);
void world_line_add(struct world *w, const char *line);

/* A folder of its own, no keeper yet. */
void world_init(struct world *w);
/* Starts a keeper on the store, with one edge, one verify and the signer. False, with w->fatal set, if it cannot start. */
bool world_start(struct world *w);
/* The keeper is gone, as if it was killed: what was not committed is not there. */
void world_kill(struct world *w);
/* And everything with it. */
void world_clear(struct world *w);
/* Removes a folder and what is in it. */
void world_remove(const char *dir);

/* Hands in a message and returns its id; nothing is committed yet. */
uint64_t world_say(struct world *w, enum ch_role from, enum ch_msg type, const void *msg);
/* Ends turns until the signer has nothing more to answer. */
void world_turn(struct world *w);
/* Time goes by, with a tick and a turn. */
void world_pass(struct world *w, uint64_t ms);

/* What the keeper sent, kept until world_forget(). */
void world_take(struct world *w, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id,
		struct ch_span payload);
/* The played signer was told that it is revoked. */
bool world_revoked(const struct world *w, const uint8_t serial[static 20]);
/* What the signer says to a message of the keeper, by way of `answer`. */
typedef void (*world_answers)(struct world *w, enum ch_msg type, uint64_t id, const void *msg);
void world_signer(struct world *w, const struct sent *s, world_answers answer);

/* The answer to a message: its status, and its body if `body` is not NULL. 0 if there is none (yet). */
unsigned world_answer(const struct world *w, uint64_t id, struct ch_span *body);
/* The last message of a type sent to a role; NULL if there is none. */
const struct sent *world_last(const struct world *w, enum ch_role to, enum ch_msg type);
size_t world_count(const struct world *w, enum ch_role to, enum ch_msg type);
void world_forget(struct world *w);
/* A number out of the store. */
int64_t world_number(struct world *w, const char *sql);

/* --- devices --- */

struct unit {
	EVP_PKEY *ak;
	uint8_t ak_public[128]; /* TPM2B_PUBLIC */
	size_t ak_public_n;
	uint8_t ek_sha256[32];
	uint8_t spki[16]; /* stands for the device key's */
	char class[32];
	uint8_t id[16];
	uint8_t cert[32];
	uint64_t clock;
	uint32_t resets; /* of its TPM: a device that was started anew has one more */
};

void unit_init(struct unit *u, uint8_t number);
void unit_clear(struct unit *u);
/* Asks with a secret, and answers it; the answer of ENROL_FINISH, or of the refused ENROL_PENDING. Takes over id and certificate. */
unsigned unit_enrol(struct world *w, struct unit *u, struct ch_span *body);
/* The same in two steps. */
uint64_t unit_pending(struct world *w, struct unit *u, enum ch_tier platform, const uint8_t secret[static 32]);
uint64_t unit_finish(struct world *w, struct unit *u, const uint8_t secret[static 32]);
/* A challenge; false if it was refused. */
bool unit_challenge(struct world *w, struct unit *u, uint8_t nonce[static 32]);

struct evidence {
	const uint8_t *nonce;
	enum ch_tier boot, os;
	bool history;
	const char *key;    /* Idempotency-Key; NULL: none */
	EVP_PKEY *other_ak; /* signs instead; NULL: the unit's */
	struct ch_span eventlog, ima;
	uint64_t after, log_from, ima_from; /* only what comes after these bytes of the logs of that evidence is sent */
	uint64_t pinned;                    /* values of the device that judged it */
	uint64_t generation;                /* that judged it; 0: the one in force */
	const char *reasons;
	struct ch_span releases; /* SHA-256 of the reference values of releases that explain the boot */
	const char *unexplained;
	const uint8_t *ostree; /* the commit that was booted, 32 bytes; NULL: none */
};
/* Sends it to the keeper; the id of the message. */
uint64_t unit_say(struct world *w, struct unit *u, const struct evidence *e);
/* Only makes quote and signature, as unit_say() does. */
void unit_make(struct unit *u, const struct evidence *e);
/* Challenge and evidence with this tier of boot, as far as the answer. */
unsigned unit_attest(struct world *w, struct unit *u, enum ch_tier boot, struct ch_span *body);
uint64_t unit_renew(struct world *w, struct unit *u, uint8_t new_key);
/* Takes certificate and id out of a 201. */
void unit_take(struct unit *u, struct ch_span body);

/* --- operators --- */

struct boss {
	EVP_PKEY *key; /* Ed25519 */
	uint8_t id[32];
	uint8_t spki[64];
	size_t spki_n;
	char name[32];
};

void boss_init(struct boss *b, const char *name);
void boss_clear(struct boss *b);
/* A line "operator …" for the configuration. */
void boss_add(struct world *w, const struct boss *b, const char *role);
/* An action signed by `count` operators. */
uint64_t boss_say(struct world *w, enum ch_verb verb, const char *subject, struct ch_span payload,
		  struct boss *const *by, size_t count);
/* The same with the text made before. */
uint64_t boss_say_text(struct world *w, struct ch_span text, struct ch_span payload, struct boss *const *by,
		       size_t count);
size_t boss_text(struct world *w, uint8_t *to, size_t cap, enum ch_verb verb, const char *subject,
		 struct ch_span payload);

#endif
