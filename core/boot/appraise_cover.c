/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/appraise.h"

/* Which bytes of a log no quoted digest covers. */

struct ranges {
	void (*next)(void *ctx, size_t off, size_t len, const char *why);
	void *ctx;
};

static void range(const struct ranges *r, size_t off, size_t end, const char *why)
{
	if (end > off)
		r->next(r->ctx, off, end - off, why);
}

static void data_ranges(const struct ranges *r, const struct ch_tcg_event *ev)
{
	struct ch_tcg_what what;
	size_t end = ev->data_off + ev->data.n;
	ch_tcg_event_decode(ev, &what);
	if (what.cover == CH_COVER_ALL)
		return;
	if (what.cover != CH_COVER_PART) {
		range(r, ev->data_off, end, "the digest is of something that is not in the log");
		return;
	}
	size_t from = ev->data_off + (size_t)(what.covered.p - ev->data.p);
	range(r, ev->data_off, from, "the digest covers another part of the event");
	range(r, from + what.covered.n, end, "the digest covers another part of the event");
}

void ch_boot_unauthenticated(const struct ch_boot_evidence *ev,
			     void (*next)(void *ctx, size_t off, size_t len, const char *why), void *ctx)
{
	struct ranges r = { next, ctx };
	const uint8_t *base = ev->log->in.p;
	struct ch_tcg_event e;
	for (struct ch_tcg_iter it = ch_tcg_iter(ev->log); ch_tcg_next(&it, &e);) {
		size_t end = e.data_off + e.data.n;
		if (!e.extended || ch_quote_best_bank(ev->quote, e.pcr) == CH_HASH_NONE) {
			range(&r, e.off, end,
			      e.extended ? "the register is not quoted" : "no register receives the event");
			continue;
		}
		for (size_t i = 0; i < e.digest_count; i++) {
			size_t at = (size_t)(e.digest[i].value.p - base);
			if ((ch_quote_mask(ev->quote, e.digest[i].alg) >> e.pcr & 1) == 0)
				range(&r, at, at + e.digest[i].value.n, "the bank is not quoted");
		}
		ch_quote_filter(ev->quote, &e);
		data_ranges(&r, &e);
	}
	range(&r, ev->log->in.n - ev->log->padding, ev->log->in.n, "padding");
}
