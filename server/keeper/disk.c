/* SPDX-License-Identifier: Apache-2.0 */
#include "server/keeper/state.h"

#include "host/sys/log.h"

/*
 * Room on the disk, and what is let go. At 90 % used raw logs are no longer kept beside their verdicts (the verdict names their digests);
 * verdicts, revocations and leaves go on, at last out of the reserve file. Old evidence is swept, a few rows a tick.
 */

#define TIGHT_PERCENT   10u                   /* available below which bulk is not kept */
#define EASY_PERCENT    12u                   /* and above which it is again */
#define GIVE_UP_BYTES   ((uint64_t)16 << 20)  /* available below which the reserve is given up */
#define MAKE_BYTES      ((uint64_t)128 << 20) /* and above which it is made: making it must not fill the disk again */
#define DISK_EVERY_MS   10000u
#define RETAIN_EVERY_MS 1000u
#define DAY_MS          86400000
#define ANSWERS_MS      DAY_MS /* how long the answer to an idempotency key is kept */
#define DEVICES_A_SWEEP 8

static bool below(uint64_t available, uint64_t total, unsigned percent)
{
	return total > 0 && available / percent < total / 100;
}

void ch_kp_disk_check(struct ch_keeper *k)
{
	uint64_t total = 0, available = 0;
	if (k->mono < k->disk_due || k->env.disk == NULL || !k->env.disk(k->env.ctx, &total, &available))
		return;
	k->disk_due = k->mono + DISK_EVERY_MS;
	bool tight = below(available, total, k->tight ? EASY_PERCENT : TIGHT_PERCENT);
	if (tight != k->tight)
		ch_log(tight ? CH_LOG_WARNING : CH_LOG_NOTICE,
		       tight ? "the disk is 90 %% full: logs are judged and no longer kept; verdicts and revocations go on"
			     : "there is room again: logs are kept beside their verdicts");
	k->tight = tight;
	if (available < GIVE_UP_BYTES || available > MAKE_BYTES)
		(void)k->env.reserve(k->env.ctx, available > MAKE_BYTES);
}

/* --- what a device may send --- */

#define MIB ((uint64_t)1 << 20)

static bool quota_over(const struct ch_keeper *k, const struct ch_device *d)
{
	return (int64_t)k->now >= d->quota_since + DAY_MS;
}

uint32_t ch_kp_quota_wait(const struct ch_keeper *k, const struct ch_device *d, uint64_t bytes, bool history)
{
	const struct ch_policy *p = ch_kp_policy(k, ch_span_str(d->class));
	uint64_t limit = (p != NULL ? p->daily_mib : CH_POLICY_DAILY_DEFAULT) * MIB;
	/* What a device kept while it was away must not take the place of what it shows now. */
	if (history)
		limit /= 2;
	uint64_t used = quota_over(k, d) ? 0 : (uint64_t)d->quota_bytes;
	if (used == 0 || (used < limit && bytes <= limit - used))
		return 0;
	return (uint32_t)((uint64_t)(d->quota_since + DAY_MS - (int64_t)k->now) / 1000 + 1);
}

void ch_kp_quota_take(const struct ch_keeper *k, struct ch_device *d, uint64_t bytes)
{
	if (quota_over(k, d)) {
		d->quota_since = (int64_t)k->now;
		d->quota_bytes = 0;
	}
	d->quota_bytes += (int64_t)bytes;
}

/* --- retention --- */

static const struct ch_retention *retention_of(const struct ch_keeper *k, const char *class_name)
{
	static const struct ch_retention otherwise = { "*", 90, 2000, CH_KEEPER_RECORD_DAYS };
	const struct ch_retention *any = &otherwise;
	for (size_t i = 0; i < k->retention_count; i++) {
		const struct ch_retention *r = &k->retention[i];
		if (ch_span_eq(ch_span_str(r->class), ch_span_str(class_name)))
			return r;
		if (r->class[0] == '*')
			any = r;
	}
	return any;
}

static size_t drop_found(struct ch_keeper *k, struct ch_query q)
{
	int64_t seq[100];
	size_t n = 0;
	while (n < CH_COUNT_OF(seq) && ch_sql_next(&q))
		seq[n++] = ch_sql_int(&q, 0);
	(void)ch_sql_end(&q);
	for (size_t i = 0; i < n; i++) {
		ch_kp_write(k);
		ch_sql_do(k->st, CH_SQL_EVIDENCE_DROP, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq[i])));
	}
	return n;
}

/* Evidence past its days, or past the number that is kept of a device; never the last that was fresh. */
static void device_sweep(struct ch_keeper *k, const struct ch_device *d)
{
	const struct ch_retention *r = retention_of(k, d->class);
	int64_t before = (int64_t)k->now - (int64_t)r->days * DAY_MS;
	size_t n = drop_found(k, ch_sql_query(k->st, CH_SQL_EVIDENCE_OLD,
					      CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(d->evidence),
						      ch_int(before))));
	int64_t nth = ch_sql_number(k->st, CH_SQL_EVIDENCE_NTH,
				    CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int((int64_t)r->count)), -1);
	/* Also what came after the last that was fresh: a device may send as much of that as it likes. */
	if (nth >= 0)
		n += drop_found(k, ch_sql_query(k->st, CH_SQL_EVIDENCE_UPTO,
						CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(nth),
							ch_int(d->evidence))));
	if (n > 0)
		ch_sql_do(k->st, CH_SQL_CHUNK_DROP,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(INT64_MAX)));
}

/* Those of logs that ended: they have no index to go on from, and there are none unless a store was once lost. */
static void past_sweep(struct ch_keeper *k, const struct ch_device *d, int64_t before)
{
	int64_t log[100], seq[100];
	size_t n = 0;
	struct ch_query q = ch_sql_query(
		k->st, CH_SQL_PAST_LEAF_OLD,
		CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(before), ch_int(CH_LEAF_DECOMMISSION)));
	for (; n < CH_COUNT_OF(seq) && ch_sql_next(&q); n++) {
		log[n] = ch_sql_int(&q, 0);
		seq[n] = ch_sql_int(&q, 1);
	}
	(void)ch_sql_end(&q);
	for (size_t i = 0; i < n; i++) {
		ch_kp_write(k);
		ch_sql_do(k->st, CH_SQL_PAST_LEAF_ERASE,
			  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(log[i]), ch_int(seq[i])));
	}
	k->metric_erased += n;
}

/*
 * Records of a device's leaves past their days: salt and record go, and what is left of a leaf is what the log is made of, which says
 * nothing of the device. That a life ended stays provable.
 */
static void records_sweep(struct ch_keeper *k, const struct ch_device *d)
{
	int64_t before = (int64_t)k->now - (int64_t)retention_of(k, d->class)->record_days * DAY_MS;
	int64_t from =
		ch_sql_number(k->st, CH_SQL_DEVICE_ERASED_GET, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq)), 0);
	int64_t seq[100], to = from;
	size_t n = 0;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_LEAF_OF_DEVICE,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(from)));
	while (n < CH_COUNT_OF(seq) && ch_sql_next(&q) && ch_sql_int(&q, 1) < before) {
		to = ch_sql_int(&q, 0) + 1;
		if (ch_sql_int(&q, 2) != CH_LEAF_DECOMMISSION)
			seq[n++] = ch_sql_int(&q, 0);
	}
	(void)ch_sql_end(&q);
	past_sweep(k, d, before);
	if (to == from)
		return;
	ch_kp_write(k);
	for (size_t i = 0; i < n; i++)
		ch_sql_do(k->st, CH_SQL_LEAF_ERASE, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq[i])));
	ch_sql_do(k->st, CH_SQL_DEVICE_ERASED_SET, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(d->seq), ch_int(to)));
	k->metric_erased += n;
}

/* Events say what records say: they go when the first of those would, whichever class they are of. */
static void events_sweep(struct ch_keeper *k)
{
	uint32_t days = retention_of(k, "*")->record_days;
	for (size_t i = 0; i < k->retention_count; i++)
		days = k->retention[i].record_days < days ? k->retention[i].record_days : days;
	const struct ch_val past = ch_int((int64_t)k->now - (int64_t)days * DAY_MS);
	if (ch_sql_number(k->st, CH_SQL_EVENT_FIRST, CH_ARGS(ch_int(CH_KEEPER_TENANT), past), 0) == 0)
		return;
	ch_kp_write(k);
	ch_sql_do(k->st, CH_SQL_EVENT_PAST, CH_ARGS(ch_int(CH_KEEPER_TENANT), past));
}

static void blobs_sweep(struct ch_keeper *k)
{
	int64_t seq[100];
	size_t n = 0;
	struct ch_query q = ch_sql_query(k->st, CH_SQL_BLOB_UNUSED,
					 CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->now - DAY_MS)));
	while (n < CH_COUNT_OF(seq) && ch_sql_next(&q))
		seq[n++] = ch_sql_int(&q, 0);
	(void)ch_sql_end(&q);
	for (size_t i = 0; i < n; i++) {
		ch_kp_write(k);
		ch_sql_do(k->st, CH_SQL_BLOB_DROP, CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int(seq[i])));
	}
}

void ch_kp_retain(struct ch_keeper *k)
{
	if (k->mono < k->retention_due)
		return;
	k->retention_due = k->mono + RETAIN_EVERY_MS;
	for (size_t i = 0; i < DEVICES_A_SWEEP; i++) {
		struct ch_device d;
		if (++k->retention_device < k->n.device) {
			if (!ch_kp_device_by_seq(k, k->retention_device, &d))
				continue;
			device_sweep(k, &d);
			records_sweep(k, &d);
			continue;
		}
		/* Once around: what no device has for itself. Then a rest, so that an idle server does nothing. */
		k->retention_device = 0;
		k->retention_due = k->mono + DAY_MS / 24;
		if (ch_sql_number(k->st, CH_SQL_REQUEST_PAST,
				  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->now - ANSWERS_MS)), 0) > 0) {
			ch_kp_write(k);
			ch_sql_do(k->st, CH_SQL_REQUEST_OLD,
				  CH_ARGS(ch_int(CH_KEEPER_TENANT), ch_int((int64_t)k->now - ANSWERS_MS)));
		}
		blobs_sweep(k);
		ch_kp_artifact_sweep(k);
		events_sweep(k);
		return;
	}
}
