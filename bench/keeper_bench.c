/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable commits against what they cannot do without: appending the same bytes to a file and fdatasync. One by one, and in batches
 * of 100 (group commit). `store`: one row of the store a commit. `keeper`: evidence as verify sends it, with the AK's signature and
 * the nonce checked again, results, chain status and answer; its challenges are made beforehand. Wall time, because syncing is waiting;
 * the kinds take turns in every round, medians of the rounds.
 *
 * usage: keeper_bench          (works in /tmp; TMPDIR is not looked at)
 */
#include "host/crypto_openssl/backend.h"
#include "server/keeper/sql.h"
#include "tests/server/keeper/world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 7
#define SINGLE 100 /* commits of a round, one by one */
#define BATCH  100
#define TURNS  10 /* batches of a round */
#define BYTES  512

enum kind { RAW_ONE, STORE_ONE, KEEPER_ONE, RAW_BATCH, STORE_BATCH, KEEPER_BATCH, KINDS };

static struct world w;
static struct unit unit[BATCH];
static int64_t event_seq = 1000000;
static double rate[KINDS][ROUNDS], cpu[KINDS][ROUNDS];
static uint8_t payload[BYTES];
static int raw_fd;

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "keeper_bench: %s\n", what);
	exit(1);
}

static double now(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- raw --- */

static void raw(size_t commits, size_t rows)
{
	for (size_t i = 0; i < commits; i++) {
		for (size_t k = 0; k < rows; k++)
			need(write(raw_fd, payload, sizeof(payload)) == (ssize_t)sizeof(payload), "write");
		need(fdatasync(raw_fd) == 0, "fdatasync");
	}
}

/* --- a row of the store --- */

static void store(size_t commits, size_t rows)
{
	for (size_t i = 0; i < commits; i++) {
		ch_store_begin(w.store);
		for (size_t k = 0; k < rows; k++)
			ch_sql_do(w.store, CH_SQL_EVENT_ADD,
				  CH_ARGS(ch_int(0), ch_int(event_seq++), ch_int(1), ch_int(1), ch_text_str("bench"),
					  ch_text(CH_SPAN_OF(payload))));
		need(ch_store_commit(w.store) == CH_OK, "commit");
	}
}

/* --- evidence --- */

static uint8_t nonce[BATCH][32];

static void challenges(size_t n)
{
	for (size_t i = 0; i < n; i++)
		need(unit_challenge(&w, &unit[i], nonce[i]), "challenge");
	world_forget(&w);
}

static void evidence(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++) {
		const struct evidence e = { .nonce = nonce[i],
					    .boot = CH_TIER_AFFIRMING,
					    .eventlog = CH_SPAN_LIT("the same log as before"),
					    .reasons = "[]" };
		(void)unit_say(&w, &unit[i], &e);
	}
	world_turn(&w);
	need(world_count(&w, CH_ROLE_VERIFY, CH_MSG_ANSWER) == n, "answers");
	world_forget(&w);
}

/* What making the quote and its signature costs is the device's, not the keeper's: it is taken off. */
static double signing;

static void signing_measure(void)
{
	double t = now(CLOCK_MONOTONIC);
	for (size_t i = 0; i < BATCH; i++) {
		const struct evidence e = { .nonce = nonce[i], .boot = CH_TIER_AFFIRMING };
		unit_make(&unit[i], &e);
	}
	signing = (now(CLOCK_MONOTONIC) - t) / BATCH;
}

static void measure(enum kind kind, size_t round)
{
	size_t count = kind == RAW_ONE || kind == STORE_ONE || kind == KEEPER_ONE ? SINGLE : BATCH * TURNS;
	double wall = 0, used = 0;
	size_t steps = kind == KEEPER_BATCH ? TURNS : 1;
	for (size_t s = 0; s < steps; s++) {
		if (kind == KEEPER_ONE || kind == KEEPER_BATCH) {
			challenges(BATCH);
			signing_measure();
		}
		double t = now(CLOCK_MONOTONIC), c = now(CLOCK_PROCESS_CPUTIME_ID);
		switch (kind) {
		case RAW_ONE:
			raw(SINGLE, 1);
			break;
		case STORE_ONE:
			store(SINGLE, 1);
			break;
		case KEEPER_ONE:
			for (size_t i = 0; i < SINGLE; i++)
				evidence(i, 1);
			break;
		case RAW_BATCH:
			raw(TURNS, BATCH);
			break;
		case STORE_BATCH:
			store(TURNS, BATCH);
			break;
		default:
			evidence(0, BATCH);
			break;
		}
		wall += now(CLOCK_MONOTONIC) - t;
		used += now(CLOCK_PROCESS_CPUTIME_ID) - c;
	}
	if (kind == KEEPER_ONE || kind == KEEPER_BATCH) {
		wall -= signing * (double)count;
		used -= signing * (double)count;
	}
	rate[kind][round] = (double)count / wall;
	cpu[kind][round] = used * 1e6 / (double)count;
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), order);
	return v[ROUNDS / 2];
}

int main(void)
{
	static const char *const name[KINDS] = {
		"raw append + fdatasync", "store, one row",      "keeper, evidence",
		"raw, batch of 100",      "store, batch of 100", "keeper, batch of 100"
	};
	static const enum kind against[KINDS] = { RAW_ONE, RAW_ONE, RAW_ONE, RAW_BATCH, RAW_BATCH, RAW_BATCH };
	char path[300];
	double m[KINDS];
	need(ch_crypto_openssl_init() == CH_OK, "OpenSSL");
	const struct ch_policy p = world_policy("gateway");
	world_init(&w);
	world_policy_add(&w, &p);
	need(world_start(&w), w.fatal);
	for (uint8_t i = 0; i < BATCH; i++) {
		unit_init(&unit[i], (uint8_t)(i + 1));
		need(unit_enrol(&w, &unit[i], NULL) == 201, "enrol");
		world_forget(&w);
	}
	(void)snprintf(path, sizeof(path), "%s/raw", w.dir);
	raw_fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	need(raw_fd >= 0, "open");
	memset(payload, 'x', sizeof(payload));
	for (size_t r = 0; r < ROUNDS; r++) {
		for (enum kind k = 0; k < KINDS; k++)
			measure(k, r);
	}
	printf("%-26s %12s %14s %10s\n", "", "commits/s", "of raw", "us of CPU");
	for (enum kind k = 0; k < KINDS; k++)
		m[k] = median(rate[k]);
	for (enum kind k = 0; k < KINDS; k++)
		printf("%-26s %12.0f %14.2f %10.1f\n", name[k], m[k], m[k] / m[against[k]], median(cpu[k]));
	(void)close(raw_fd);
	for (size_t i = 0; i < BATCH; i++)
		unit_clear(&unit[i]);
	world_clear(&w);
	return 0;
}
