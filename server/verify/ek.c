/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verify/ek.h"

#include "core/platform/spki.h"
#include "host/base/mem.h"

static enum ch_err fails(struct ch_ek_judged *out, enum ch_err err, unsigned status, const char *code, const char *rule)
{
	out->status = status;
	out->code = code;
	out->rule = rule;
	return err;
}

/* The pool: roots of the generation first, then what the device sent. */
static enum ch_err pool_make(struct ch_ek_cert *cert, size_t *count, const struct ch_held *held, struct ch_body *body,
			     size_t chain, struct ch_ek_judged *out)
{
	const struct ch_json *j = &body->json;
	const struct ch_ek_cert *root = (const struct ch_ek_cert *)(const void *)held->roots.p;
	for (size_t i = 0; i < held->root_count; i++)
		cert[(*count)++] = root[i];
	if (chain == CH_JSON_NONE)
		return CH_OK;
	if (ch_json_type(j, chain) != CH_JSON_ARRAY || ch_json_count(j, chain) > CH_HELD_CHAIN_MAX)
		return fails(out, CH_ERR_LIMIT, 400, "ek-chain", "ek_chain is not an array of at most 8 certificates");
	for (size_t i = ch_json_first(j, chain); i != CH_JSON_NONE; i = ch_json_next(j, chain, i)) {
		struct ch_span der;
		struct ch_diag d = { .rule = "a certificate of ek_chain is not base64url" };
		if (ch_body_bytes(body, i, CH_CERT_MAX, &der) != CH_OK ||
		    ch_ek_cert_parse(&cert[(*count)++], der, &d) != CH_OK)
			return fails(out, CH_ERR_MALFORMED, 400, "ek-chain", d.rule);
	}
	return CH_OK;
}

/* By the profile, then by the chain; the first rule that is broken is told. */
static void judge_chain(struct ch_ek_judged *out, const struct ch_ek_pool *pool, int64_t now)
{
	struct ch_ek_notes bad = { .count = 0 };
	struct ch_ek_notes odd = { .count = 0 };
	struct ch_ek_chain chain;
	ch_ek_cert_check(&out->cert, &bad, &odd);
	if (out->cert.kind != CH_EK_EK)
		ch_ek_notes_add(&bad, 0, "the certificate is not one of an endorsement key");
	enum ch_err err = ch_ek_chain_check(&chain, &out->cert, pool, now, &bad);
	out->affirmed = err == CH_OK && bad.count == 0;
	out->rule = out->affirmed ? NULL : bad.count > 0 ? bad.note[0].text : "the chain does not hold";
}

enum ch_err ch_ek_judge(struct ch_ek_judged *out, const struct ch_held *held, struct ch_body *body,
			const struct ch_ek_sent *sent, int64_t now)
{
	struct ch_diag d;
	out->affirmed = false;
	out->has_cert = false;
	out->rule = "the endorsement key came without a certificate";
	out->status = 0;
	out->code = NULL;
	if (ch_spki_sha256(&sent->ek->key, out->sha256) != CH_OK)
		return fails(out, CH_ERR_UNSUPPORTED, 403, "ek",
			     "the endorsement key is of a kind that has no identity");
	if (sent->certificate.n == 0)
		return CH_OK;
	if (ch_ek_cert_parse(&out->cert, sent->certificate, &d) != CH_OK)
		return fails(out, CH_ERR_MALFORMED, 400, "ek-certificate", d.rule);
	out->has_cert = true;
	if (!ch_spki_same(&out->cert.x.pub, &sent->ek->key))
		return fails(out, CH_ERR_MISMATCH, 403, "ek-certificate",
			     "the certificate is of another key than the endorsement key");
	CH_AUTO_FREE struct ch_ek_cert *cert = ch_calloc(held->root_count + CH_HELD_CHAIN_MAX, sizeof(*cert));
	struct ch_ek_pool pool = { .cert = cert, .count = 0, .anchors = held->root_count };
	enum ch_err err = pool_make(cert, &pool.count, held, body, sent->chain, out);
	if (err == CH_OK)
		judge_chain(out, &pool, now);
	return err;
}

static void string_put(struct ch_wr *w, struct ch_x509_text text)
{
	ch_der_string_put(w, text.tag, text.s);
}

static void named_text(struct ch_json_wr *j, const char *name, struct ch_x509_text text,
		       void (*put)(struct ch_wr *w, struct ch_x509_text text))
{
	uint8_t room[256];
	struct ch_wr w = ch_wr(room, sizeof(room));
	if (text.tag == 0)
		return;
	put(&w, text);
	ch_json_named_span(j, name, ch_span(room, w.len));
}

void ch_ek_facts_put(struct ch_json_wr *j, const struct ch_ek_judged *ek)
{
	struct ch_digest digest;
	ch_json_named_str(j, "ek_chain", ek->affirmed ? "trusted" : ek->has_cert ? "untrusted" : "none");
	ch_json_named_str(j, "ek_rule", ek->rule);
	if (!ek->has_cert)
		return;
	if (ch_hash_once(CH_HASH_SHA256, ek->cert.x.raw, &digest) == CH_OK)
		ch_json_named_hex(j, "ek_certificate_sha256", ch_digest_span(&digest));
	named_text(j, "manufacturer", ek->cert.x.tpm.manufacturer, ch_ek_manufacturer_put);
	named_text(j, "model", ek->cert.x.tpm.model, string_put);
	named_text(j, "version", ek->cert.x.tpm.version, string_put);
	ch_json_name(j, "defects");
	ch_json_array_begin(j);
	for (size_t i = 0; i < CH_EK_DEFECT_COUNT; i++) {
		if ((ek->cert.defects >> i & 1) != 0)
			ch_json_put_str(j, ch_ek_defect_str((enum ch_ek_defect)i));
	}
	ch_json_array_end(j);
}
