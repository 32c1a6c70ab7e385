/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ipc/record.h"

#include "core/base/limits.h"
#include "core/crypto/hash.h"

size_t ag_record_begin(struct ch_wr *w, enum ag_record_kind kind)
{
	size_t start = w->len;
	ch_wr_put(w, CH_SPAN_LIT("CHAG"));
	ch_wr_be16(w, AG_RECORD_VERSION);
	ch_wr_be16(w, (uint16_t)kind);
	ch_wr_be32(w, 0);
	return start;
}

enum ch_err ag_record_end(struct ch_wr *w, size_t start)
{
	if (w->bad)
		return CH_ERR_NOSPACE;
	size_t n = w->len - start - AG_RECORD_HEAD;
	struct ch_wr length = ch_wr(w->p + start + AG_RECORD_HEAD - 4, 4);
	ch_wr_be32(&length, (uint32_t)n);
	struct ch_digest d;
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, ch_span(w->p + start, w->len - start), &d);
	if (err != CH_OK)
		return err;
	ch_wr_put(w, ch_digest_span(&d));
	return w->bad ? CH_ERR_NOSPACE : CH_OK;
}

void ag_record_put_span(struct ch_wr *w, struct ch_span s)
{
	ch_wr_be32(w, (uint32_t)s.n);
	ch_wr_put(w, s);
}

enum ch_err ag_record_open(struct ch_rd *r, enum ag_record_kind kind, struct ch_span file)
{
	struct ch_rd in = ch_rd(file);
	struct ch_span magic = ch_rd_take(&in, 4);
	uint16_t version = ch_rd_be16(&in);
	uint16_t got = ch_rd_be16(&in);
	size_t n = ch_rd_be32(&in);
	struct ch_span payload = ch_rd_take(&in, n);
	struct ch_span digest = ch_rd_take(&in, AG_RECORD_DIGEST);
	if (in.bad)
		return CH_ERR_TRUNCATED;
	if (!ch_rd_done(&in))
		return CH_ERR_TRAILING;
	if (!ch_span_eq(magic, CH_SPAN_LIT("CHAG")) || got != (uint16_t)kind)
		return CH_ERR_MALFORMED;
	if (version != AG_RECORD_VERSION)
		return CH_ERR_UNSUPPORTED;
	struct ch_digest d;
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, ch_span(file.p, AG_RECORD_HEAD + n), &d);
	if (err != CH_OK)
		return err;
	if (!ch_span_eq(ch_digest_span(&d), digest))
		return CH_ERR_MISMATCH;
	*r = ch_rd(payload);
	return CH_OK;
}

struct ch_span ag_record_take_span(struct ch_rd *r, size_t max)
{
	size_t n = ch_rd_be32(r);
	if (n > max)
		r->bad = true;
	return ch_rd_take(r, n);
}

void ag_record_take_fixed(struct ch_rd *r, uint8_t *to, size_t n)
{
	(void)ch_span_copy(to, n, ch_rd_take(r, n));
}

enum ch_err ag_record_put_root(struct ch_wr *w, const struct ag_record_root *r)
{
	size_t start = ag_record_begin(w, AG_RECORD_ROOT);
	ag_record_put_span(w, r->note);
	return ag_record_end(w, start);
}

enum ch_err ag_record_root(struct ag_record_root *r, struct ch_span file)
{
	struct ch_rd in;
	*r = (struct ag_record_root){ .note = CH_SPAN_EMPTY };
	enum ch_err err = ag_record_open(&in, AG_RECORD_ROOT, file);
	if (err != CH_OK)
		return err;
	struct ag_record_root out = { .note = ag_record_take_span(&in, CH_NOTE_MAX) };
	if (!ch_rd_done(&in))
		return CH_ERR_MALFORMED;
	*r = out;
	return CH_OK;
}
