/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply/record.h"
#include "agent/collect/record.h"
#include "core/crypto/hash.h"

#include <stdlib.h>

/*
 * The first byte chooses what the rest is: a whole file, or the payload of one whose digest is right. Whatever the bytes: a
 * refusal leaves nothing behind, what is accepted is written again as it was.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

#define FILE_MAX 8192
static uint8_t file[FILE_MAX], again[FILE_MAX];

/* A record of the kind around the payload. */
static struct ch_span wrap(unsigned kind, struct ch_span payload)
{
	struct ch_wr w = ch_wr(file, sizeof(file));
	struct ch_digest d;
	ch_wr_put(&w, CH_SPAN_LIT("CHAG"));
	ch_wr_be16(&w, AG_RECORD_VERSION);
	ch_wr_be16(&w, (uint16_t)kind);
	ch_wr_be32(&w, (uint32_t)payload.n);
	ch_wr_put(&w, payload);
	CHECK(ch_hash_once(CH_HASH_SHA256, ch_wr_span(&w), &d) == CH_OK);
	ch_wr_put(&w, ch_digest_span(&d));
	return ch_wr_span(&w);
}

static void check_evidence(struct ch_span in)
{
	struct ag_record_evidence r;
	struct ch_wr w = ch_wr(again, sizeof(again));
	if (ag_record_evidence(&r, in) != CH_OK) {
		CHECK(r.quote.p == NULL && r.ima.p == NULL);
		return;
	}
	for (size_t i = 0; i < AG_KEY_CHARS; i++)
		CHECK((r.idempotency_key[i] >= '0' && r.idempotency_key[i] <= '9') ||
		      (r.idempotency_key[i] >= 'a' && r.idempotency_key[i] <= 'f'));
	CHECK(ag_record_put_evidence(&w, &r) == CH_OK && ch_span_eq(ch_wr_span(&w), in));
}

static void check_identity(struct ch_span in)
{
	struct ag_record_identity r;
	struct ch_wr w = ch_wr(again, sizeof(again));
	if (ag_record_identity(&r, in) != CH_OK) {
		CHECK(r.chain.p == NULL);
		return;
	}
	CHECK(ag_record_put_identity(&w, &r) == CH_OK && ch_span_eq(ch_wr_span(&w), in));
}

static void check_floor(struct ch_span in)
{
	struct ag_record_floor r;
	struct ch_wr w = ch_wr(again, sizeof(again));
	if (ag_record_floor(&r, in) != CH_OK) {
		CHECK(r.boot_id.p == NULL);
		return;
	}
	CHECK(ag_record_put_floor(&w, &r) == CH_OK && ch_span_eq(ch_wr_span(&w), in));
}

static void check_root(struct ch_span in)
{
	struct ag_record_root r;
	struct ch_wr w = ch_wr(again, sizeof(again));
	if (ag_record_root(&r, in) != CH_OK) {
		CHECK(r.note.p == NULL);
		return;
	}
	CHECK(ag_record_put_root(&w, &r) == CH_OK && ch_span_eq(ch_wr_span(&w), in));
}

static void check_update(struct ch_span in)
{
	static struct ag_record_update r;
	struct ch_wr w = ch_wr(again, sizeof(again));
	if (ag_record_update(&r, in) != CH_OK) {
		CHECK(r.phase == AG_PHASE_NONE && r.floor_count == 0 && r.reason_n == 0);
		return;
	}
	CHECK(r.phase < AG_PHASE_COUNT && r.floor_count <= AG_FLOORS_MAX && r.reason_n <= AG_REASON_MAX);
	CHECK(ag_record_put_update(&w, &r) == CH_OK && ch_span_eq(ch_wr_span(&w), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > FILE_MAX / 2)
		return 0;
	unsigned kind = data[0] % 6;
	struct ch_span rest = ch_span(data + 1, size - 1);
	struct ch_span in = kind != 0 ? wrap(kind, rest) : rest;
	check_evidence(in);
	check_identity(in);
	check_floor(in);
	check_root(in);
	check_update(in);
	return 0;
}
