/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/rollout.h"

#include "core/wire/der.h"

/* The one text of a document. */

static void put_null(struct ch_json_wr *j, const char *name)
{
	ch_json_named_str(j, name, NULL);
}

static void put_span(struct ch_json_wr *j, const char *name, struct ch_span s)
{
	if (s.n > 0)
		ch_json_named_span(j, name, s);
	else
		put_null(j, name);
}

static void put_ids(struct ch_json_wr *j, const struct ch_rollout_ids *ids)
{
	ch_json_name(j, "devices");
	ch_json_array_begin(j);
	for (size_t i = 0; i < ids->count; i++)
		ch_json_put_hex(j, CH_SPAN_OF(ids->id[i]));
	ch_json_array_end(j);
}

static void put_amount(struct ch_json_wr *j, const struct ch_rollout_amount *a)
{
	ch_json_named_u64(j, a->unit == CH_ROLLOUT_PERCENT ? "percent" : "count", a->n);
}

static void put_attributes(struct ch_json_wr *j, const struct ch_rollout_filter *f)
{
	if (f->attribute_count == 0) {
		put_null(j, "attributes");
		return;
	}
	ch_json_name(j, "attributes");
	ch_json_object_begin(j);
	for (size_t i = 0; i < f->attribute_count; i++) {
		ch_json_name_span(j, f->attribute[i].name);
		ch_json_put_span(j, f->attribute[i].value);
	}
	ch_json_object_end(j);
}

static void put_filter(struct ch_json_wr *j, const struct ch_rollout_filter *f)
{
	static const char *const any = "any";
	ch_json_name(j, "filter");
	ch_json_object_begin(j);
	put_span(j, "class", f->class);
	if (f->running.n > 0) {
		ch_json_name(j, "running");
		ch_json_object_begin(j);
		ch_json_named_span(j, "name", f->running);
		put_span(j, "version", f->running_version);
		ch_json_object_end(j);
	} else {
		put_null(j, "running");
	}
	ch_json_named_str(j, "tier", f->tier == CH_TIER_NONE ? any : ch_tier_str(f->tier));
	put_span(j, "hostname", f->hostname);
	put_attributes(j, f);
	if (f->has_devices)
		put_ids(j, &f->devices);
	else
		put_null(j, "devices");
	ch_json_object_end(j);
}

static void put_phases(struct ch_json_wr *j, const struct ch_rollout *r)
{
	ch_json_name(j, "phases");
	ch_json_array_begin(j);
	for (size_t i = 0; i < r->phase_count; i++) {
		ch_json_object_begin(j);
		if (i == 0 && r->canary.count > 0)
			put_ids(j, &r->canary);
		else
			put_amount(j, &r->phase[i]);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
}

static void put_minute(struct ch_json_wr *j, const char *name, unsigned minute)
{
	const uint8_t text[] = { (uint8_t)('0' + minute / 600), (uint8_t)('0' + minute / 60 % 10), ':',
				 (uint8_t)('0' + minute % 60 / 10), (uint8_t)('0' + minute % 10) };
	ch_json_named_span(j, name, CH_SPAN_OF(text));
}

static void put_window(struct ch_json_wr *j, const struct ch_rollout_window *w)
{
	static const char *const day[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
	if (w->days == 0) {
		put_null(j, "window");
		return;
	}
	ch_json_name(j, "window");
	ch_json_object_begin(j);
	ch_json_name(j, "days");
	ch_json_array_begin(j);
	for (size_t i = 0; i < CH_COUNT_OF(day); i++) {
		if ((w->days >> i & 1) != 0)
			ch_json_put_str(j, day[i]);
	}
	ch_json_array_end(j);
	put_minute(j, "from", w->from);
	put_minute(j, "to", w->to);
	ch_json_object_end(j);
}

static void put_start(struct ch_json_wr *j, int64_t start)
{
	uint8_t text[24];
	struct ch_wr w = ch_wr(text, sizeof(text));
	if (start == 0) {
		put_null(j, "start");
		return;
	}
	ch_time_put(&w, start);
	ch_json_named_span(j, "start", ch_wr_span(&w));
}

static void put_thresholds(struct ch_json_wr *j, const struct ch_rollout *r)
{
	ch_json_name(j, "halt");
	ch_json_object_begin(j);
	ch_json_name(j, "failures");
	ch_json_object_begin(j);
	put_amount(j, &r->failures);
	ch_json_object_end(j);
	ch_json_named_u64(j, "proof_minutes", r->proof_minutes);
	ch_json_object_end(j);
	ch_json_name(j, "advance");
	ch_json_object_begin(j);
	ch_json_named_u64(j, "proven", r->proven);
	ch_json_named_u64(j, "wait_minutes", r->wait_minutes);
	ch_json_object_end(j);
}

enum ch_err ch_rollout_put(struct ch_wr *w, const struct ch_rollout *r)
{
	struct ch_json_wr j = ch_json_wr(w, false);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "type", CH_ROLLOUT_TYPE);
	ch_json_named_span(&j, "name", r->name);
	ch_json_named_hex(&j, "release", CH_SPAN_OF(r->release));
	ch_json_named_str(&j, "mode", r->forced ? "forced" : "soft");
	ch_json_named_bool(&j, "rollback", r->rollback);
	put_filter(&j, &r->filter);
	put_phases(&j, r);
	put_start(&j, r->start);
	put_window(&j, &r->window);
	put_thresholds(&j, r);
	ch_json_named_str(&j, "claimed", r->claimed == CH_CLAIMED_COUNT ? "count" : "wait");
	ch_json_named_u64(&j, "spread", r->spread);
	ch_json_object_end(&j);
	return ch_json_wr_done(&j) ? CH_OK : CH_ERR_NOSPACE;
}

/* Compares piece by piece: the text is never whole in memory. */
struct compared {
	struct ch_rd r;
	bool same;
};

static bool compare(void *ctx, struct ch_span bytes)
{
	struct compared *c = ctx;
	c->same = c->same && ch_span_eq(ch_rd_take(&c->r, bytes.n), bytes) && !c->r.bad;
	return c->same;
}

bool ch_rollout_canonical(const struct ch_rollout *r, struct ch_span in)
{
	uint8_t room[256];
	struct compared c = { .r = ch_rd(in), .same = true };
	struct ch_wr w = ch_wr(room, sizeof(room));
	w.flush = compare;
	w.ctx = &c;
	enum ch_err err = ch_rollout_put(&w, r);
	ch_wr_flush(&w);
	return err == CH_OK && c.same && ch_rd_done(&c.r);
}
