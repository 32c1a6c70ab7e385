/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_KEEPER_STORY_H
#define CH_TESTS_KEEPER_STORY_H

#include "tests/server/keeper/world.h"

/*
 * A seeded story of devices and operators told to a keeper, several requests a turn, and what was promised on the way: whatever
 * was answered. After any crash every promise must hold.
 */

#define STORY_UNITS    6
#define STORY_PROMISES 4096

enum promise_kind { PROMISE_ENROLLED, PROMISE_EVIDENCE, PROMISE_ACTION, PROMISE_CUT, PROMISE_CUT_DONE };

struct promise {
	enum promise_kind kind;
	uint8_t a[32], b[32];
	int64_t n;
	struct ch_buf text;
};

struct asked {
	uint64_t id;
	enum promise_kind kind;
	size_t unit;
	char key[32];
	uint8_t sha256[32];
};

struct story {
	struct world *w;
	struct unit u[STORY_UNITS];
	bool enrolled[STORY_UNITS];
	struct boss admin;
	uint64_t seed;
	uint64_t keys;
	struct asked asked[64];
	size_t asked_count;
	size_t sent_seen; /* of w->sent */
	struct promise promise[STORY_PROMISES];
	size_t promise_count;
	char broken[512]; /* the first promise that does not hold */
};

/* The world gets its configuration; no keeper runs yet. */
void story_init(struct story *s, struct world *w, uint64_t seed);
void story_clear(struct story *s);
uint64_t story_dice(struct story *s);
/* Some requests and the end of their turn, unless `hold`: then they were only said. */
void story_step(struct story *s, bool hold);
/* Takes down what was promised by what was sent. */
void story_listen(struct story *s);
/* The keeper is gone: what was not answered was not promised. */
void story_crash(struct story *s);
/* Looks at a store; false, with s->broken set, if a promise does not hold. */
bool story_check(struct story *s, struct ch_store *st);

#endif
