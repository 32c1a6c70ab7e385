/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/body.h"

#include "core/wire/base64.h"

#define REST_MAX 1024 /* names, numbers, punctuation */

static size_t base64_max(size_t n)
{
	return n / 3 * 4 + 4;
}

size_t ag_body_max(const struct ag_record_evidence *r)
{
	return base64_max(r->quote.n) + base64_max(r->signature.n) + base64_max(r->log.n) + base64_max(r->ima.n) +
	       REST_MAX;
}

static void put_log(struct ch_wr *w, const char *name, uint64_t from, const uint8_t sha256[static AG_DIGEST],
		    struct ch_span data)
{
	ch_wr_str(w, name);
	ch_wr_dec(w, from);
	ch_wr_str(w, ",\"sha256\":\"");
	ch_wr_hex(w, ch_span(sha256, AG_DIGEST));
	ch_wr_str(w, "\",\"data\":\"");
	ch_base64_put(w, CH_BASE64_URL, data);
	ch_wr_str(w, "\"}");
}

/* Written by hand: base64 needs no escapes, and a list of megabytes must not be copied once more to be looked at. */
void ag_body_put(struct ch_wr *w, const struct ag_record_evidence *r, bool history)
{
	ch_wr_str(w, "{\"quote\":\"");
	ch_base64_put(w, CH_BASE64_URL, r->quote);
	ch_wr_str(w, "\",\"signature\":\"");
	ch_base64_put(w, CH_BASE64_URL, r->signature);
	put_log(w, "\",\"eventlog\":{\"from\":", r->log_from, r->log_sha256, r->log);
	put_log(w, ",\"ima\":{\"from\":", r->ima_from, r->ima_sha256, r->ima);
	ch_wr_str(w, ",\"collected\":");
	ch_wr_dec(w, r->collected);
	if (!ch_span_all(CH_SPAN_OF(r->ostree), 0)) {
		ch_wr_str(w, ",\"ostree\":\"");
		ch_wr_hex(w, CH_SPAN_OF(r->ostree));
		ch_wr_str(w, "\"");
	}
	ch_wr_str(w, history ? ",\"history\":true" : ",\"history\":false");
	ch_wr_str(w, ",\"agent\":\"" CH_VERSION "\"}");
}
