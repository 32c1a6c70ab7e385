/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/record.h"

enum ch_err ag_record_put_identity(struct ch_wr *w, const struct ag_record_identity *r)
{
	size_t start = ag_record_begin(w, AG_RECORD_IDENTITY);
	ch_wr_put(w, CH_SPAN_OF(r->device));
	ch_wr_be32(w, r->key);
	ch_wr_be64(w, r->issued);
	ch_wr_be64(w, r->not_after);
	ag_record_put_span(w, r->class_name);
	ag_record_put_span(w, r->chain);
	return ag_record_end(w, start);
}

enum ch_err ag_record_identity(struct ag_record_identity *r, struct ch_span file)
{
	struct ch_rd in;
	*r = (struct ag_record_identity){ .key = 0 };
	enum ch_err err = ag_record_open(&in, AG_RECORD_IDENTITY, file);
	if (err != CH_OK)
		return err;
	struct ag_record_identity out;
	ag_record_take_fixed(&in, out.device, sizeof(out.device));
	out.key = ch_rd_be32(&in);
	out.issued = ch_rd_be64(&in);
	out.not_after = ch_rd_be64(&in);
	out.class_name = ag_record_take_span(&in, 64);
	out.chain = ag_record_take_span(&in, AG_CERT_MAX);
	if (!ch_rd_done(&in))
		return CH_ERR_MALFORMED;
	*r = out;
	return CH_OK;
}

enum ch_err ag_record_put_floor(struct ch_wr *w, const struct ag_record_floor *r)
{
	size_t start = ag_record_begin(w, AG_RECORD_FLOOR);
	ch_wr_be64(w, r->time);
	ch_wr_be32(w, r->interval);
	ag_record_put_span(w, r->boot_id);
	ch_wr_be64(w, r->log_size);
	ch_wr_put(w, CH_SPAN_OF(r->log_sha256));
	ch_wr_be64(w, r->ima_size);
	ch_wr_put(w, CH_SPAN_OF(r->ima_sha256));
	return ag_record_end(w, start);
}

enum ch_err ag_record_floor(struct ag_record_floor *r, struct ch_span file)
{
	struct ch_rd in;
	*r = (struct ag_record_floor){ .time = 0 };
	enum ch_err err = ag_record_open(&in, AG_RECORD_FLOOR, file);
	if (err != CH_OK)
		return err;
	struct ag_record_floor out;
	out.time = ch_rd_be64(&in);
	out.interval = ch_rd_be32(&in);
	out.boot_id = ag_record_take_span(&in, 64);
	out.log_size = ch_rd_be64(&in);
	ag_record_take_fixed(&in, out.log_sha256, sizeof(out.log_sha256));
	out.ima_size = ch_rd_be64(&in);
	ag_record_take_fixed(&in, out.ima_sha256, sizeof(out.ima_sha256));
	if (!ch_rd_done(&in))
		return CH_ERR_MALFORMED;
	*r = out;
	return CH_OK;
}

enum ch_err ag_record_put_evidence(struct ch_wr *w, const struct ag_record_evidence *r)
{
	size_t start = ag_record_begin(w, AG_RECORD_EVIDENCE);
	ch_wr_put(w, CH_SPAN_OF(r->idempotency_key));
	ch_wr_be64(w, r->collected);
	ag_record_put_span(w, r->quote);
	ag_record_put_span(w, r->signature);
	ch_wr_be64(w, r->log_from);
	ch_wr_put(w, CH_SPAN_OF(r->log_sha256));
	ag_record_put_span(w, r->log);
	ch_wr_be64(w, r->ima_from);
	ch_wr_put(w, CH_SPAN_OF(r->ima_sha256));
	ag_record_put_span(w, r->ima);
	if (!ch_span_all(CH_SPAN_OF(r->ostree), 0))
		ch_wr_put(w, CH_SPAN_OF(r->ostree));
	return ag_record_end(w, start);
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
	enum ch_err err = ag_record_open(&in, AG_RECORD_EVIDENCE, file);
	if (err != CH_OK)
		return err;
	struct ag_record_evidence out;
	ag_record_take_fixed(&in, out.idempotency_key, sizeof(out.idempotency_key));
	out.collected = ch_rd_be64(&in);
	out.quote = ag_record_take_span(&in, AG_TPM_MAX);
	out.signature = ag_record_take_span(&in, AG_TPM_MAX);
	out.log_from = ch_rd_be64(&in);
	ag_record_take_fixed(&in, out.log_sha256, sizeof(out.log_sha256));
	out.log = ag_record_take_span(&in, AG_BODY_MAX);
	out.ima_from = ch_rd_be64(&in);
	ag_record_take_fixed(&in, out.ima_sha256, sizeof(out.ima_sha256));
	out.ima = ag_record_take_span(&in, AG_BODY_MAX);
	(void)ch_span_copy(out.ostree, AG_DIGEST, CH_SPAN_OF(r->ostree));
	bool more = ch_rd_left(&in) > 0;
	if (more)
		ag_record_take_fixed(&in, out.ostree, sizeof(out.ostree));
	/* What says nothing is not there: one record has one form. */
	if (more && ch_span_all(CH_SPAN_OF(out.ostree), 0))
		return CH_ERR_MALFORMED;
	if (!ch_rd_done(&in) || !key_holds(out.idempotency_key))
		return CH_ERR_MALFORMED;
	*r = out;
	return CH_OK;
}
