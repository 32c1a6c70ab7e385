/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/record.h"

#include "core/base/rd.h"
#include "core/crypto/hash.h"

#define DIGEST 32

/* Begins a record at w->len; the length is filled in by end(). */
static size_t begin(struct ch_wr *w, enum ag_record_kind kind)
{
	size_t start = w->len;
	ch_wr_put(w, CH_SPAN_LIT("CHAG"));
	ch_wr_be16(w, AG_RECORD_VERSION);
	ch_wr_be16(w, (uint16_t)kind);
	ch_wr_be32(w, 0);
	return start;
}

static enum ch_err end(struct ch_wr *w, size_t start)
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

static void put_span(struct ch_wr *w, struct ch_span s)
{
	ch_wr_be32(w, (uint32_t)s.n);
	ch_wr_put(w, s);
}

/* The payload of a record of this kind. */
static enum ch_err open_record(struct ch_rd *r, enum ag_record_kind kind, struct ch_span file)
{
	struct ch_rd in = ch_rd(file);
	struct ch_span magic = ch_rd_take(&in, 4);
	uint16_t version = ch_rd_be16(&in);
	uint16_t got = ch_rd_be16(&in);
	size_t n = ch_rd_be32(&in);
	struct ch_span payload = ch_rd_take(&in, n);
	struct ch_span digest = ch_rd_take(&in, DIGEST);
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

/* A length and as many bytes; more than `max` makes the reader bad. */
static struct ch_span take_span(struct ch_rd *r, size_t max)
{
	size_t n = ch_rd_be32(r);
	if (n > max)
		r->bad = true;
	return ch_rd_take(r, n);
}

static void take_fixed(struct ch_rd *r, uint8_t *to, size_t n)
{
	(void)ch_span_copy(to, n, ch_rd_take(r, n));
}

enum ch_err ag_record_put_identity(struct ch_wr *w, const struct ag_record_identity *r)
{
	size_t start = begin(w, AG_RECORD_IDENTITY);
	ch_wr_put(w, CH_SPAN_OF(r->device));
	ch_wr_be32(w, r->key);
	ch_wr_be64(w, r->issued);
	ch_wr_be64(w, r->not_after);
	put_span(w, r->class_name);
	put_span(w, r->chain);
	return end(w, start);
}

enum ch_err ag_record_identity(struct ag_record_identity *r, struct ch_span file)
{
	struct ch_rd in;
	*r = (struct ag_record_identity){ .key = 0 };
	enum ch_err err = open_record(&in, AG_RECORD_IDENTITY, file);
	if (err != CH_OK)
		return err;
	struct ag_record_identity out;
	take_fixed(&in, out.device, sizeof(out.device));
	out.key = ch_rd_be32(&in);
	out.issued = ch_rd_be64(&in);
	out.not_after = ch_rd_be64(&in);
	out.class_name = take_span(&in, 64);
	out.chain = take_span(&in, AG_CERT_MAX);
	if (!ch_rd_done(&in))
		return CH_ERR_MALFORMED;
	*r = out;
	return CH_OK;
}

enum ch_err ag_record_put_floor(struct ch_wr *w, const struct ag_record_floor *r)
{
	size_t start = begin(w, AG_RECORD_FLOOR);
	ch_wr_be64(w, r->time);
	ch_wr_be32(w, r->interval);
	put_span(w, r->boot_id);
	ch_wr_be64(w, r->log_size);
	ch_wr_put(w, CH_SPAN_OF(r->log_sha256));
	ch_wr_be64(w, r->ima_size);
	ch_wr_put(w, CH_SPAN_OF(r->ima_sha256));
	return end(w, start);
}

enum ch_err ag_record_floor(struct ag_record_floor *r, struct ch_span file)
{
	struct ch_rd in;
	*r = (struct ag_record_floor){ .time = 0 };
	enum ch_err err = open_record(&in, AG_RECORD_FLOOR, file);
	if (err != CH_OK)
		return err;
	struct ag_record_floor out;
	out.time = ch_rd_be64(&in);
	out.interval = ch_rd_be32(&in);
	out.boot_id = take_span(&in, 64);
	out.log_size = ch_rd_be64(&in);
	take_fixed(&in, out.log_sha256, sizeof(out.log_sha256));
	out.ima_size = ch_rd_be64(&in);
	take_fixed(&in, out.ima_sha256, sizeof(out.ima_sha256));
	if (!ch_rd_done(&in))
		return CH_ERR_MALFORMED;
	*r = out;
	return CH_OK;
}

enum ch_err ag_record_put_evidence(struct ch_wr *w, const struct ag_record_evidence *r)
{
	size_t start = begin(w, AG_RECORD_EVIDENCE);
	ch_wr_put(w, CH_SPAN_OF(r->idempotency_key));
	ch_wr_be64(w, r->collected);
	put_span(w, r->quote);
	put_span(w, r->signature);
	ch_wr_be64(w, r->log_from);
	ch_wr_put(w, CH_SPAN_OF(r->log_sha256));
	put_span(w, r->log);
	ch_wr_be64(w, r->ima_from);
	ch_wr_put(w, CH_SPAN_OF(r->ima_sha256));
	put_span(w, r->ima);
	return end(w, start);
}

/* It goes into a header field as it is. */
static bool key_holds(const uint8_t key[static AG_KEY_CHARS])
{
	bool holds = true;
	for (size_t i = 0; i < AG_KEY_CHARS; i++)
		holds = holds && ((key[i] >= '0' && key[i] <= '9') || (key[i] >= 'a' && key[i] <= 'f'));
	return holds;
}

enum ch_err ag_record_evidence(struct ag_record_evidence *r, struct ch_span file)
{
	struct ch_rd in;
	*r = (struct ag_record_evidence){ .collected = 0 };
	enum ch_err err = open_record(&in, AG_RECORD_EVIDENCE, file);
	if (err != CH_OK)
		return err;
	struct ag_record_evidence out;
	take_fixed(&in, out.idempotency_key, sizeof(out.idempotency_key));
	out.collected = ch_rd_be64(&in);
	out.quote = take_span(&in, AG_TPM_MAX);
	out.signature = take_span(&in, AG_TPM_MAX);
	out.log_from = ch_rd_be64(&in);
	take_fixed(&in, out.log_sha256, sizeof(out.log_sha256));
	out.log = take_span(&in, AG_BODY_MAX);
	out.ima_from = ch_rd_be64(&in);
	take_fixed(&in, out.ima_sha256, sizeof(out.ima_sha256));
	out.ima = take_span(&in, AG_BODY_MAX);
	if (!ch_rd_done(&in) || !key_holds(out.idempotency_key))
		return CH_ERR_MALFORMED;
	*r = out;
	return CH_OK;
}

enum ch_err ag_record_put_root(struct ch_wr *w, const struct ag_record_root *r)
{
	size_t start = begin(w, AG_RECORD_ROOT);
	put_span(w, r->note);
	return end(w, start);
}

enum ch_err ag_record_root(struct ag_record_root *r, struct ch_span file)
{
	struct ch_rd in;
	*r = (struct ag_record_root){ .note = CH_SPAN_EMPTY };
	enum ch_err err = open_record(&in, AG_RECORD_ROOT, file);
	if (err != CH_OK)
		return err;
	struct ag_record_root out = { .note = take_span(&in, CH_NOTE_MAX) };
	if (!ch_rd_done(&in))
		return CH_ERR_MALFORMED;
	*r = out;
	return CH_OK;
}
