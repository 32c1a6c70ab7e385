/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/ask.h"

#define TENANT ch_int(CH_READER_TENANT)

/* The tiers of a piece of evidence are stored as a byte a link. */
static void put_tiers(struct ch_json_wr *j, struct ch_span tiers)
{
	ch_json_name(j, "links");
	ch_json_object_begin(j);
	for (size_t i = 0; i < CH_LINK_COUNT; i++)
		ch_json_named_tier(j, ch_link_str((enum ch_link)i), i < tiers.n ? tiers.p[i] : CH_TIER_NONE);
	ch_json_object_end(j);
}

void ch_page_evidence_list(struct ch_ask *a)
{
	struct ch_device_row d;
	uint64_t before = 0, limit = 0, count = 0;
	int64_t last = 0;
	const struct ch_param row[] = { { "before", CH_PARAM_NUMBER, &before }, { "limit", CH_PARAM_NUMBER, &limit } };
	if (!ch_ask_params(a, row, CH_COUNT_OF(row)) || !ch_ask_device(a, &d))
		return;
	limit = ch_ask_limit(limit);
	struct ch_json_wr *j = &a->j;
	ch_json_object_begin(j);
	ch_json_named_hex(j, "device", CH_SPAN_OF(d.id));
	ch_json_name(j, "evidence");
	ch_json_array_begin(j);
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_EVIDENCE_LIST,
			     CH_ARGS(TENANT, ch_int(d.seq), ch_int(before != 0 ? (int64_t)before : INT64_MAX),
				     ch_int((int64_t)limit)));
	while (ch_sql_next(&q)) {
		last = ch_sql_int(&q, 0);
		count++;
		ch_json_object_begin(j);
		ch_json_named_u64(j, "evidence", (uint64_t)last);
		ch_json_named_time(j, "time", ch_seconds(ch_sql_int(&q, 1)));
		ch_json_named_time(j, "collected", (uint64_t)ch_sql_int(&q, 2));
		ch_json_named_bool(j, "fresh", ch_sql_int(&q, 3) != 0);
		ch_json_named_u64(j, "generation", (uint64_t)ch_sql_int(&q, 4));
		ch_json_named_tier(j, "chain", ch_sql_int(&q, 5));
		put_tiers(j, ch_sql_bytes(&q, 6));
		ch_json_named_u64(j, "eventlog_size", (uint64_t)ch_sql_int(&q, 7));
		ch_json_named_u64(j, "ima_size", (uint64_t)ch_sql_int(&q, 8));
		ch_json_named_bool(j, "kept", ch_sql_int(&q, 9) != 0);
		ch_json_named_stored(j, "reasons", ch_sql_bytes(&q, 10));
		ch_json_name(j, "ostree");
		if (ch_sql_is_null(&q, 11))
			ch_json_put_null(j);
		else
			ch_json_put_hex(j, ch_sql_bytes(&q, 11));
		ch_json_object_end(j);
	}
	(void)ch_sql_end(&q);
	ch_json_array_end(j);
	ch_json_name(j, "next");
	if (count == limit)
		ch_json_put_u64(j, (uint64_t)last);
	else
		ch_json_put_null(j);
	ch_json_object_end(j);
}

/* --- its parts --- */

/* Columns of CH_READ_EVIDENCE. */
enum column {
	COL_TIME,
	COL_COLLECTED,
	COL_FRESH,
	COL_GENERATION,
	COL_CHAIN,
	COL_TIERS,
	COL_NONCE,
	COL_QUOTE,
	COL_SIGNATURE,
	COL_EVENTLOG,
	COL_EVENTLOG_SIZE,
	COL_IMA,
	COL_IMA_SIZE,
	COL_EPOCH,
	COL_EAR,
	COL_REASONS,
	COL_KEPT,
	COL_PINNED,
};

static void not_kept(struct ch_ask *a)
{
	ch_ask_refuse(a, 410, "not-kept", "the log of this evidence is not kept any more");
}

static void part_eventlog(struct ch_ask *a, const struct ch_query *e, const struct ch_device_row *d)
{
	(void)d;
	struct ch_span want = ch_sql_bytes(e, COL_EVENTLOG);
	if (ch_sql_int(e, COL_EVENTLOG_SIZE) == 0) {
		ch_ask_bytes(a, "application/octet-stream", CH_SPAN_EMPTY);
		return;
	}
	struct ch_query q = ch_sql_query(a->st, CH_READ_BLOB, CH_ARGS(TENANT, ch_bytes(want)));
	if (ch_sql_next(&q))
		ch_ask_bytes(a, "application/octet-stream", ch_sql_bytes(&q, 0));
	else
		not_kept(a);
	(void)ch_sql_end(&q);
}

/* A list is its chunks, one after the other, as far as this evidence had it; what comes out has the digest that was stored. */
static void part_ima(struct ch_ask *a, const struct ch_query *e, const struct ch_device_row *d)
{
	CH_AUTO_BUF struct ch_buf list = { 0 };
	struct ch_digest h;
	size_t size = (size_t)ch_sql_int(e, COL_IMA_SIZE);
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_CHUNKS, CH_ARGS(TENANT, ch_int(d->seq), ch_int(ch_sql_int(e, COL_EPOCH))));
	while (list.n < size && ch_sql_next(&q)) {
		struct ch_span bytes = ch_sql_bytes(&q, 1);
		if ((size_t)ch_sql_int(&q, 0) == list.n && bytes.n <= CH_IPC_BODY_MAX - list.n)
			ch_buf_append(&list, bytes);
	}
	(void)ch_sql_end(&q);
	if (list.n > size)
		list.n = size;
	bool whole = list.n == size && ch_hash_once(CH_HASH_SHA256, ch_buf_span(&list), &h) == CH_OK &&
		     (size == 0 || ch_span_eq(ch_digest_span(&h), ch_sql_bytes(e, COL_IMA)));
	if (whole)
		ch_ask_bytes(a, "application/octet-stream", ch_buf_span(&list));
	else
		not_kept(a);
}

/* The attestation key that the device had then. */
static void part_ak(struct ch_ask *a, const struct ch_query *e, const struct ch_device_row *d)
{
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_AK, CH_ARGS(TENANT, ch_int(d->seq), ch_int(ch_sql_int(e, COL_TIME))));
	if (ch_sql_next(&q))
		ch_ask_bytes(a, "application/octet-stream", ch_sql_bytes(&q, 0));
	else
		ch_ask_refuse(a, 404, "part", "the device has no attestation key");
	(void)ch_sql_end(&q);
}

static void part_verdict(struct ch_ask *a, const struct ch_query *e, const struct ch_device_row *d)
{
	struct ch_json_wr *j = &a->j;
	ch_json_object_begin(j);
	ch_json_named_hex(j, "device", CH_SPAN_OF(d->id));
	ch_json_named_time(j, "time", ch_seconds(ch_sql_int(e, COL_TIME)));
	ch_json_named_time(j, "collected", (uint64_t)ch_sql_int(e, COL_COLLECTED));
	ch_json_named_bool(j, "fresh", ch_sql_int(e, COL_FRESH) != 0);
	ch_json_named_u64(j, "generation", (uint64_t)ch_sql_int(e, COL_GENERATION));
	ch_json_named_time(j, "pinned", (uint64_t)ch_sql_int(e, COL_PINNED));
	ch_json_named_tier(j, "chain", ch_sql_int(e, COL_CHAIN));
	put_tiers(j, ch_sql_bytes(e, COL_TIERS));
	ch_json_named_hex(j, "nonce", ch_sql_bytes(e, COL_NONCE));
	ch_json_named_hex(j, "eventlog_sha256", ch_sql_bytes(e, COL_EVENTLOG));
	ch_json_named_u64(j, "eventlog_size", (uint64_t)ch_sql_int(e, COL_EVENTLOG_SIZE));
	ch_json_named_hex(j, "ima_sha256", ch_sql_bytes(e, COL_IMA));
	ch_json_named_u64(j, "ima_size", (uint64_t)ch_sql_int(e, COL_IMA_SIZE));
	ch_json_named_bool(j, "kept", ch_sql_int(e, COL_KEPT) != 0);
	ch_json_named_stored(j, "reasons", ch_sql_bytes(e, COL_REASONS));
	ch_json_named_stored(j, "ear", ch_sql_bytes(e, COL_EAR));
	ch_json_object_end(j);
}

static const struct {
	const char *name;
	void (*put)(struct ch_ask *a, const struct ch_query *e, const struct ch_device_row *d);
	int column; /* answered as it is, without `put` */
} part[] = {
	{ "quote", NULL, COL_QUOTE },   { "signature", NULL, COL_SIGNATURE },
	{ "nonce", NULL, COL_NONCE },   { "eventlog", part_eventlog, 0 },
	{ "ima", part_ima, 0 },         { "ak", part_ak, 0 },
	{ "verdict", part_verdict, 0 },
};

void ch_page_evidence_part(struct ch_ask *a)
{
	struct ch_device_row d;
	uint64_t number;
	enum ch_route_number route = (enum ch_route_number)a->m->route;
	struct ch_span name = ch_route_param(route, a->m->path, 2);
	if (!ch_ask_params(a, NULL, 0) || !ch_ask_device(a, &d))
		return;
	size_t i = 0;
	while (i < CH_COUNT_OF(part) && !ch_span_eq(name, ch_span_str(part[i].name)))
		i++;
	if (i == CH_COUNT_OF(part)) {
		ch_ask_refuse(a, 404, "part", "a part is quote, signature, nonce, ak, eventlog, ima or verdict");
		return;
	}
	if (!ch_ask_number(ch_route_param(route, a->m->path, 1), &number)) {
		ch_ask_refuse(a, 404, "evidence", "evidence has a decimal number");
		return;
	}
	struct ch_query q =
		ch_sql_query(a->st, CH_READ_EVIDENCE, CH_ARGS(TENANT, ch_int(d.seq), ch_int((int64_t)number)));
	if (!ch_sql_next(&q))
		ch_ask_refuse(a, 404, "evidence", "the device has no evidence of this number");
	else if (part[i].put != NULL)
		part[i].put(a, &q, &d);
	else
		ch_ask_bytes(a, "application/octet-stream", ch_sql_bytes(&q, part[i].column));
	(void)ch_sql_end(&q);
}

/* --- the attestation result --- */

void ch_page_ear(struct ch_ask *a)
{
	struct ch_device_row d;
	if (!ch_ask_params(a, NULL, 0) || !ch_ask_device(a, &d))
		return;
	struct ch_query q = ch_sql_query(a->st, CH_READ_EAR, CH_ARGS(TENANT, ch_int(d.seq), ch_int(d.evidence)));
	if (ch_sql_next(&q))
		ch_ask_signer(a, CH_MSG_EAR_SIGN, ch_sql_bytes(&q, 0));
	else
		ch_ask_refuse(a, 404, "evidence", "the device has shown no fresh evidence yet");
	(void)ch_sql_end(&q);
}
