/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

/*
 * Logs as they came, kept beside their verdicts. An event log is one blob, named by its SHA-256: devices that boot alike share it. An
 * IMA list grows: a list is an epoch (the number of the evidence that began it), each piece of evidence adds its tail as a chunk.
 */

static void sha256(struct ch_keeper *k, struct ch_span s, uint8_t to[static 32])
{
	struct ch_digest h;
	if (ch_hash_once(CH_HASH_SHA256, s, &h) != CH_OK)
		k->env.fatal(k->env.ctx, "SHA-256 fails");
	(void)ch_span_copy(to, 32, ch_digest_span(&h));
}

/* The blob's number; it is added if it is new. */
static int64_t blob_put(struct ch_keeper *k, const uint8_t digest[static 32], struct ch_span bytes)
{
	int64_t seq = ch_sql_number(k->st, CH_SQL_BLOB_FIND,
				    CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(ch_span(digest, 32))), -1);
	if (seq >= 0)
		return seq;
	seq = k->n.blob++;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_BLOB_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq), ch_bytes(ch_span(digest, 32)),
			  ch_int((int64_t)bytes.n), ch_int((int64_t)k->now), ch_bytes(bytes)));
	return seq;
}

bool ch_kp_logs_of(struct ch_keeper *k, int64_t evidence, struct ch_logs *logs)
{
	*logs = (struct ch_logs){ 0 };
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_EVIDENCE_LOGS, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(evidence)));
	bool found = ch_sql_next(&q);
	if (found) {
		(void)ch_sql_copy(&q, 0, logs->eventlog_sha256, 32);
		logs->eventlog_size = ch_sql_int(&q, 1);
		(void)ch_sql_copy(&q, 2, logs->ima_sha256, 32);
		logs->ima_size = ch_sql_int(&q, 3);
		logs->epoch = ch_sql_int(&q, 4);
		logs->kept = ch_sql_int(&q, 5) != 0;
		ch_buf_append(&logs->quote, ch_sql_bytes(&q, 6));
	}
	return ch_sql_end(&q) == CH_OK && found;
}

bool ch_kp_eventlog_get(struct ch_keeper *k, const struct ch_logs *logs, struct ch_buf *to)
{
	if (logs->eventlog_size == 0)
		return true;
	struct ch_query q =
		ch_sql_query(k->st, CH_SQL_BLOB_BY_SHA256,
			     CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_bytes(CH_SPAN_OF(logs->eventlog_sha256))));
	bool ok = logs->kept && ch_sql_next(&q) && ch_sql_bytes(&q, 0).n == (size_t)logs->eventlog_size;
	if (ok)
		ch_buf_append(to, ch_sql_bytes(&q, 0));
	return ch_sql_end(&q) == CH_OK && ok;
}

/* Appends one chunk if it follows what is there. */
static void chunk_get(struct ch_keeper *k, int64_t start, int64_t blob, struct ch_buf *to)
{
	struct ch_query q = ch_sql_query(k->st, CH_SQL_BLOB_GET, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(blob)));
	if ((size_t)start == to->n && ch_sql_next(&q))
		ch_buf_append(to, ch_sql_bytes(&q, 0));
	(void)ch_sql_end(&q);
}

bool ch_kp_ima_get(struct ch_keeper *k, int64_t device, const struct ch_logs *logs, struct ch_buf *to)
{
	if (logs->ima_size == 0 || !logs->kept)
		return logs->ima_size == 0;
	struct ch_query q = ch_sql_query(
		k->st, CH_SQL_CHUNK_LIST,
		CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(device), ch_int(CH_CHUNK_IMA), ch_int(logs->epoch)));
	while (to->n < (size_t)logs->ima_size && ch_sql_next(&q))
		chunk_get(k, ch_sql_int(&q, 0), ch_sql_int(&q, 2), to);
	enum ch_err err = ch_sql_end(&q);
	uint8_t digest[32];
	if (to->n > (size_t)logs->ima_size)
		to->n = (size_t)logs->ima_size;
	sha256(k, ch_buf_span(to), digest);
	return err == CH_OK && to->n == (size_t)logs->ima_size &&
	       ch_span_eq(CH_SPAN_OF(digest), CH_SPAN_OF(logs->ima_sha256));
}

static void ima_put(struct ch_keeper *k, int64_t device, int64_t start, struct ch_span tail, int64_t epoch)
{
	uint8_t digest[32];
	if (tail.n == 0)
		return;
	sha256(k, tail, digest);
	int64_t blob = blob_put(k, digest, tail);
	ch_sql_do(k->st, CH_SQL_CHUNK_ADD,
		  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(k->n.chunk++), ch_int(device), ch_int(CH_CHUNK_IMA),
			  ch_int(epoch), ch_int(start), ch_int((int64_t)tail.n), ch_int(blob)));
}

void ch_kp_logs_put(struct ch_keeper *k, int64_t device, int64_t evidence, const struct ch_msg_commit *m,
		    const struct ch_logs *last, struct ch_logs *logs)
{
	*logs = (struct ch_logs){ .epoch = evidence, .kept = !k->tight };
	sha256(k, m->eventlog, logs->eventlog_sha256);
	sha256(k, m->ima, logs->ima_sha256);
	logs->eventlog_size = (int64_t)m->eventlog.n;
	logs->ima_size = (int64_t)m->ima.n;
	if (!logs->kept)
		return;
	if (m->eventlog.n > 0)
		(void)blob_put(k, logs->eventlog_sha256, m->eventlog);
	/*
	 * The list goes on from the last one only if verify says that its beginning is what the server gave it, to the byte; anything
	 * else begins an epoch of its own.
	 */
	bool on = last != NULL && last->kept && last->ima_size > 0 && m->ima_from == (uint64_t)last->ima_size &&
		  m->ima_from <= m->ima.n;
	if (on)
		logs->epoch = last->epoch;
	size_t from = on ? (size_t)m->ima_from : 0;
	ima_put(k, device, (int64_t)from, ch_span_sub(m->ima, from, m->ima.n - from), logs->epoch);
}
