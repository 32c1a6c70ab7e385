/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/wr.h"
#include "core/boot/tcg_log.h"

#include <stdlib.h>
#include <string.h>

/*
 * Whatever the bytes: a refusal names its rule and leaves nothing behind. An accepted log is made of records without gaps,
 * each of which, written again from what was read, is the bytes it was read from; and replaying touches exactly the registers
 * that the events name.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static uint8_t again[1 << 20];

static void put_sha1(struct ch_wr *w, const struct ch_tcg_event *ev)
{
	CHECK(ev->digest_count == 1 && ev->digest[0].alg == CH_HASH_SHA1 && ev->digest[0].value.n == 20);
	ch_wr_le32(w, ev->pcr);
	ch_wr_le32(w, ev->type);
	ch_wr_put(w, ev->digest[0].value);
	ch_wr_le32(w, (uint32_t)ev->data.n);
	ch_wr_put(w, ev->data);
}

static void put_agile(struct ch_wr *w, const struct ch_tcg_log *log, const struct ch_tcg_event *ev)
{
	CHECK(ev->digest_count <= log->bank_count);
	ch_wr_le32(w, ev->pcr);
	ch_wr_le32(w, ev->type);
	ch_wr_le32(w, (uint32_t)ev->digest_count);
	for (size_t i = 0; i < ev->digest_count; i++) {
		ch_wr_le16(w, (uint16_t)ev->digest[i].alg);
		ch_wr_put(w, ev->digest[i].value);
		CHECK(ch_tcg_digest_in(ev, ev->digest[i].alg).p == ev->digest[i].value.p);
	}
	ch_wr_le32(w, (uint32_t)ev->data.n);
	ch_wr_put(w, ev->data);
}

static void put_coreboot(struct ch_wr *w, const struct ch_tcg_event *ev)
{
	static const uint8_t zeros[64];
	const char *name = "SHA512";
	CHECK(ev->digest_count == 1 && ev->data.n < 50);
	if (ev->digest[0].alg == CH_HASH_SHA1)
		name = "SHA1";
	if (ev->digest[0].alg == CH_HASH_SHA256)
		name = "SHA256";
	if (ev->digest[0].alg == CH_HASH_SHA384)
		name = "SHA384";
	ch_wr_le32(w, ev->pcr);
	ch_wr_str(w, name);
	ch_wr_put(w, ch_span(zeros, 10 - strlen(name)));
	ch_wr_put(w, ev->digest[0].value);
	ch_wr_put(w, ch_span(zeros, 64 - ev->digest[0].value.n));
	ch_wr_le32(w, (uint32_t)ev->digest[0].value.n);
	ch_wr_put(w, ev->data);
	ch_wr_put(w, ch_span(zeros, 50 - ev->data.n));
}

static void put_event(struct ch_wr *w, const struct ch_tcg_log *log, const struct ch_tcg_event *ev)
{
	if (log->format == CH_TCG_COREBOOT)
		put_coreboot(w, ev);
	else if (ev->n == 0 || log->format == CH_TCG_SHA1 || log->format == CH_TCG_COREBOOT_TCPA)
		put_sha1(w, ev);
	else
		put_agile(w, log, ev);
}

/* Returns the registers that the log's events name. */
static uint32_t check_events(const struct ch_tcg_log *log)
{
	struct ch_tcg_iter it = ch_tcg_iter(log);
	struct ch_tcg_event ev;
	size_t n = 0;
	size_t end = it.off;
	uint32_t touched = 0;
	for (; ch_tcg_next(&it, &ev); n++) {
		struct ch_wr w = ch_wr(again, sizeof(again));
		CHECK(ev.n == n && ev.off == end);
		put_event(&w, log, &ev);
		CHECK(!w.bad && ch_span_eq(ch_wr_span(&w), ch_span_sub(log->in, ev.off, w.len)));
		CHECK(ev.data.n == 0 || ev.data.p == log->in.p + ev.data_off);
		end += w.len;
		CHECK(!ev.extended || (ev.pcr < CH_PCR_COUNT && ev.digest_count > 0));
		if (ev.extended)
			touched |= (uint32_t)1 << ev.pcr;
	}
	CHECK(n == log->event_count && end + log->padding == log->in.n);
	CHECK(ch_span_all(ch_span_sub(log->in, end, log->padding), 0));
	return touched;
}

static void check_replay(const struct ch_tcg_log *log, uint32_t touched)
{
	static struct ch_pcrs pcrs;
	uint32_t any = 0;
	ch_tcg_replay(log, &pcrs);
	CHECK(pcrs.count <= log->bank_count);
	for (size_t i = 0; i < pcrs.count; i++) {
		CHECK((pcrs.bank[i].touched & ~touched) == 0);
		any |= pcrs.bank[i].touched;
	}
	if (pcrs.count == log->bank_count)
		CHECK(any == touched);
	CHECK(log->drtm == ((touched & 0x7e0000) != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_tcg_log log;
	struct ch_diag d;
	if (size > sizeof(again) / 2)
		return 0;
	if (ch_tcg_log_parse(&log, ch_span(data, size), &d) != CH_OK) {
		CHECK(d.rule != NULL && d.off <= size && log.event_count == 0 && log.bank_count == 0);
		return 0;
	}
	CHECK(d.rule == NULL && log.event_count > 0);
	CHECK(log.startup_locality == 0 || log.startup_locality == 3 || log.startup_locality == 4);
	CHECK(log.padding == 0 || log.format >= CH_TCG_COREBOOT);
	check_replay(&log, check_events(&log));
	return 0;
}
