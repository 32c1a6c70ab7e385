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

/* A log of a piece of evidence, put together from what the last piece had and what is new. */
struct whole {
	bool goes_on; /* from the very end of the last one, which need not be read for it */
	struct ch_buf joined;
	struct ch_span all;
};

/* `joined` holds the last one: false if that is shorter than what is continued. */
static bool join(struct whole *w, uint64_t from, struct ch_span tail)
{
	if (from > w->joined.n)
		return false;
	w->joined.n = (size_t)from;
	ch_buf_append(&w->joined, tail);
	w->all = ch_buf_span(&w->joined);
	return true;
}

static bool eventlog_join(struct ch_keeper *k, const struct ch_msg_commit *m, const struct ch_logs *last,
			  struct whole *w)
{
	w->all = m->eventlog;
	w->goes_on =
		last->kept && m->log_from > 0 && m->log_from == (uint64_t)last->eventlog_size && m->eventlog.n == 0;
	if (w->goes_on || m->log_from == 0)
		return true;
	return ch_kp_eventlog_get(k, last, &w->joined) && join(w, m->log_from, m->eventlog);
}

static bool list_join(struct ch_keeper *k, int64_t device, const struct ch_msg_commit *m, bool fresh,
		      const struct ch_logs *last, struct whole *w)
{
	w->all = m->ima;
	w->goes_on = fresh && last->kept && m->ima_from > 0 && m->ima_from == (uint64_t)last->ima_size;
	if (w->goes_on || m->ima_from == 0)
		return true;
	return ch_kp_ima_get(k, device, last, &w->joined) && join(w, m->ima_from, m->ima);
}

static void eventlog_put(struct ch_keeper *k, const struct whole *w, const struct ch_logs *last, struct ch_logs *logs)
{
	if (w->goes_on) {
		(void)ch_span_copy(logs->eventlog_sha256, 32, CH_SPAN_OF(last->eventlog_sha256));
		logs->eventlog_size = last->eventlog_size;
		return;
	}
	sha256(k, w->all, logs->eventlog_sha256);
	logs->eventlog_size = (int64_t)w->all.n;
	if (logs->kept && w->all.n > 0)
		(void)blob_put(k, logs->eventlog_sha256, w->all);
}

/*
 * A list that goes on adds a chunk to its epoch. Its digest is verify's word then: a wrong one makes the list unreadable, never another.
 * Anything else begins an epoch of its own.
 */
static void list_put(struct ch_keeper *k, int64_t device, const struct whole *w, const struct ch_logs *last,
		     struct ch_logs *logs)
{
	int64_t start = w->goes_on ? last->ima_size : 0;
	logs->ima_size = start + (int64_t)w->all.n;
	if (!w->goes_on)
		sha256(k, w->all, logs->ima_sha256);
	if (!logs->kept)
		return;
	if (w->goes_on)
		logs->epoch = last->epoch;
	ima_put(k, device, start, w->all, logs->epoch);
}

bool ch_kp_logs_put(struct ch_keeper *k, const struct ch_device *d, const struct ch_msg_commit *m, bool fresh,
		    struct ch_logs *logs)
{
	struct ch_logs last = { 0 };
	struct whole log = { 0 }, list = { 0 };
	*logs = (struct ch_logs){ .epoch = k->n.evidence, .kept = !k->tight };
	(void)ch_span_copy(logs->ima_sha256, 32, CH_SPAN_OF(m->ima_sha256));
	if (m->log_from > 0 || m->ima_from > 0)
		(void)ch_kp_logs_of(k, d->evidence, &last);
	bool joined = eventlog_join(k, m, &last, &log) && list_join(k, d->seq, m, fresh, &last, &list);
	if (joined) {
		ch_kp_write(k);
		eventlog_put(k, &log, &last, logs);
		list_put(k, d->seq, &list, &last, logs);
	}
	ch_buf_free(&last.quote);
	ch_buf_free(&log.joined);
	ch_buf_free(&list.joined);
	return joined;
}
