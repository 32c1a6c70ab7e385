/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "server/ipc/routes.h"
#include "server/keeper/state.h"

/*
 * Artefacts come in pieces, in order, each durable before it is acknowledged. Only what a published release lists is taken, by size and
 * digest, so that whoever may send bytes decides nothing: a release is signed. It is complete when its hash holds.
 */

#define PIECE   ((size_t)1 << 20)           /* read again at a time */
#define KEPT_MS ((int64_t)7 * 24 * 3600000) /* after the last release that has it was withdrawn */

/* "offset=N", nothing else. */
static bool offset_of(struct ch_span query, uint64_t *offset)
{
	static const struct ch_span name = CH_SPAN_LIT("offset=");
	*offset = 0;
	if (!ch_span_starts(query, name) || query.n == name.n || query.n > name.n + 18)
		return false;
	for (size_t i = name.n; i < query.n; i++) {
		if (query.p[i] < '0' || query.p[i] > '9')
			return false;
		*offset = *offset * 10 + (uint64_t)(query.p[i] - '0');
	}
	return true;
}

struct known {
	uint64_t size, have;
	bool complete;
};

static bool known_get(struct ch_keeper *k, struct ch_span sha256, struct known *f)
{
	*f = (struct known){ 0 };
	f->size = (uint64_t)ch_sql_number(k->st, CH_SQL_ARTIFACT_WANTED,
					  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(sha256)), 0);
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_ARTIFACT_GET, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(sha256)));
	if (ch_sql_next(&q)) {
		f->have = (uint64_t)ch_sql_int(&q, 0);
		f->complete = ch_sql_int(&q, 1) != 0;
	}
	return ch_sql_end(&q) == CH_OK && f->size > 0;
}

static void answer(struct ch_keeper *k, const struct ch_who *who, struct ch_span sha256, const struct known *f)
{
	uint8_t text[256];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_json_object_begin(&j);
	ch_json_named_hex(&j, "sha256", sha256);
	ch_json_named_u64(&j, "size", f->size);
	ch_json_named_u64(&j, "have", f->have);
	ch_json_named_bool(&j, "complete", f->complete);
	ch_json_object_end(&j);
	ch_kp_answer(k, who, 200, ch_wr_span(&w));
}

/* The hash of the first `have` bytes: of those that came to this process, or read again after a restart. */
static bool hash_to(struct ch_keeper *k, struct ch_span sha256, uint64_t have)
{
	struct ch_upload *u = &k->upload;
	if (u->open && u->have == have && ch_span_eq(CH_SPAN_OF(u->sha256), sha256))
		return true;
	CH_AUTO_FREE uint8_t *piece = ch_calloc(PIECE, 1);
	*u = (struct ch_upload){ .open = false };
	(void)ch_span_copy(u->sha256, sizeof(u->sha256), sha256);
	if (ch_hash_init(&u->hash, CH_HASH_SHA256) != CH_OK || ch_hash_init(&u->sha1, CH_HASH_SHA1) != CH_OK)
		return false;
	while (u->have < have) {
		size_t n = have - u->have < PIECE ? (size_t)(have - u->have) : PIECE;
		if (!k->env.artifact_read(k->env.ctx, u->sha256, u->have, piece, n))
			return false;
		ch_hash_update(&u->hash, ch_span(piece, n));
		ch_hash_update(&u->sha1, ch_span(piece, n));
		u->have += n;
	}
	u->open = true;
	return true;
}

static void save(struct ch_keeper *k, struct ch_span sha256, const struct known *f)
{
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_ARTIFACT_SET,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(sha256), ch_int((int64_t)f->size),
			  ch_int((int64_t)f->have), ch_int(f->complete), ch_int((int64_t)k->now)));
}

/* Clients of hawkBit's DDI compare no other. */
static void save_sha1(struct ch_keeper *k, struct ch_span sha256, const struct ch_digest *sha1)
{
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_ARTIFACT_SHA1,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(sha256), ch_bytes(ch_digest_span(sha1))));
}

static void take(struct ch_keeper *k, const struct ch_who *who, struct ch_span sha256, struct known *f,
		 struct ch_span piece)
{
	struct ch_upload *u = &k->upload;
	if (!hash_to(k, sha256, f->have)) {
		/* What is on the disk is not what was acknowledged: it is taken anew. */
		f->have = 0;
		save(k, sha256, f);
		ch_kp_refuse(k, who, 409, "offset", "what was kept of this artefact cannot be read: send it from 0");
		return;
	}
	if (!k->env.artifact_write(k->env.ctx, u->sha256, f->have, piece)) {
		u->open = false;
		ch_kp_refuse(k, who, 507, "disk", "the artefact cannot be written");
		return;
	}
	ch_hash_update(&u->hash, piece);
	ch_hash_update(&u->sha1, piece);
	u->have = f->have += piece.n;
	struct ch_digest h, sha1;
	if (f->have == f->size) {
		ch_hash_final(&u->hash, &h);
		ch_hash_final(&u->sha1, &sha1);
		u->open = false;
		f->complete = ch_span_eq(ch_digest_span(&h), sha256);
		if (!f->complete)
			f->have = 0;
	}
	save(k, sha256, f);
	if (f->complete)
		save_sha1(k, sha256, &sha1);
	if (f->have == 0)
		ch_kp_refuse(k, who, 409, "hash",
			     "the artefact has another SHA-256 than its release says: send it from 0");
	else
		answer(k, who, sha256, f);
}

void ch_kp_artifact_put(struct ch_keeper *k, const struct ch_who *who, const struct ch_msg_request *m)
{
	uint8_t id[32];
	struct known f;
	uint64_t offset;
	struct ch_span hex = ch_route_param(CH_ROUTE_ARTIFACT_PUT, m->path, 0);
	struct ch_span sha256 = CH_SPAN_OF(id);
	if (!k->log.known || k->log.behind)
		ch_kp_refuse(k, who, 503, "starting", "nothing may be written yet");
	else if (!offset_of(m->query, &offset))
		ch_kp_refuse(k, who, 400, "query", "a piece says where it begins: ?offset=N");
	else if (hex.n != 64 || ch_hex_decode(id, sizeof(id), hex) != CH_OK || !known_get(k, sha256, &f))
		ch_kp_refuse(k, who, 404, "artifact", "no release that was published has such an artefact");
	else if (f.complete)
		answer(k, who, sha256, &f);
	else if (offset != f.have)
		ch_kp_refuse(k, who, 409, "offset",
			     "this piece does not continue what the server has: ask how much that is");
	else if (m->body.n == 0 || m->body.n > f.size - f.have)
		ch_kp_refuse(k, who, 413, "size",
			     "the artefact is longer than its release says, or the piece is empty");
	else if (k->tight)
		ch_kp_refuse(k, who, 507, "disk", "90 % of the disk is used: artefacts are not kept");
	else
		take(k, who, sha256, &f, m->body);
}

static void sweep_one(struct ch_keeper *k, const uint8_t id[static 32], const struct known *f)
{
	struct ch_span sha256 = ch_span(id, 32);
	const struct known none = { .size = f->size };
	/* That it is not there is durable before it is so: a crash between leaves none that is said to be there. */
	if (f->have > 0) {
		save(k, sha256, &none);
	} else if (k->env.artifact_remove(k->env.ctx, id)) {
		ch_kp_write(k);
		ch_sql_do(k->st, CH_SQL_ARTIFACT_REMOVE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(sha256)));
	}
}

void ch_kp_artifact_sweep(struct ch_keeper *k)
{
	uint8_t id[100][32];
	struct known f[100];
	size_t n = 0;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_ARTIFACT_UNWANTED,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->now - KEPT_MS)));
	while (n < CH_COUNT_OF(f) && ch_sql_next(&q))
		if (ch_sql_copy(&q, 0, id[n], sizeof(id[n])))
			f[n++] = (struct known){ .size = (uint64_t)ch_sql_int(&q, 1),
						 .have = (uint64_t)ch_sql_int(&q, 2) };
	(void)ch_sql_end(&q);
	for (size_t i = 0; i < n; i++)
		sweep_one(k, id[i], &f[i]);
}

/* Artefacts that were uploaded before their SHA-1 was kept. */

#define DIGEST_PIECES 8 /* at a time: other work waits for it */

/* The next one; false if there is none. */
static bool digest_begin(struct ch_keeper *k, struct ch_upload *u)
{
	*u = (struct ch_upload){ .open = false };
	struct ch_query q = ch_sql_query(k->st, CH_SQL_ARTIFACT_UNDIGESTED, CH_ARGS(ch_int(CH_KEEPER_TENANT)));
	if (ch_sql_next(&q)) {
		u->open = ch_sql_copy(&q, 0, u->sha256, sizeof(u->sha256)) &&
			  ch_hash_init(&u->sha1, CH_HASH_SHA1) == CH_OK;
		u->size = (uint64_t)ch_sql_int(&q, 1);
	}
	return ch_sql_end(&q) == CH_OK && u->open;
}

bool ch_kp_artifact_digest(struct ch_keeper *k)
{
	struct ch_upload *u = &k->digest;
	if (!u->open && !digest_begin(k, u))
		return false;
	CH_AUTO_FREE uint8_t *piece = ch_calloc(PIECE, 1);
	for (size_t i = 0; i < DIGEST_PIECES && u->have < u->size; i++) {
		size_t n = u->size - u->have < PIECE ? (size_t)(u->size - u->have) : PIECE;
		/* It is not given out either; whoever looks for it finds it incomplete and sends it again. */
		if (!k->env.artifact_read(k->env.ctx, u->sha256, u->have, piece, n)) {
			const struct known lost = { .size = u->size };
			save(k, CH_SPAN_OF(u->sha256), &lost);
			u->open = false;
			return true;
		}
		ch_hash_update(&u->sha1, ch_span(piece, n));
		u->have += n;
	}
	if (u->have == u->size) {
		struct ch_digest sha1;
		ch_hash_final(&u->sha1, &sha1);
		save_sha1(k, CH_SPAN_OF(u->sha256), &sha1);
		u->open = false;
	}
	return true;
}
