/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/made_evidence.h"

#include "core/boot/appraise.h"
#include "core/platform/tpm_attest.h"
#include "core/wire/json.h"
#include "host/base/file.h"

#include <openssl/ec.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint8_t log_bytes[1 << 18];
static uint8_t document[1 << 18];

void bench_need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

double bench_cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int bench_by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

struct ch_span bench_log(const char *folder)
{
	char path[512];
	struct ch_buf in;
	struct ch_tcg_log log;
	(void)snprintf(path, sizeof(path), "%s/grub-sbms-good/binary_bios_measurements", folder);
	bench_need(ch_file_read(&in, path) == CH_OK && ch_tcg_log_parse(&log, ch_buf_span(&in), NULL) == CH_OK, path);
	struct ch_wr w = ch_wr(log_bytes, sizeof(log_bytes));
	ch_wr_put(&w, ch_buf_span(&in));
	for (size_t n = log.event_count; n < BENCH_EVENTS; n++) {
		char text[64];
		struct ch_digest d;
		int len = snprintf(text, sizeof(text), "grub_cmd: set option%zu=value", n);
		bench_need(ch_hash_once(CH_HASH_SHA256, ch_span(text + 10, (size_t)len - 10), &d) == CH_OK, "hash");
		ch_wr_le32(&w, 8);
		ch_wr_le32(&w, CH_EV_IPL);
		ch_wr_le32(&w, 1);
		ch_wr_le16(&w, CH_HASH_SHA256);
		ch_wr_put(&w, ch_digest_span(&d));
		ch_wr_le32(&w, (uint32_t)len);
		ch_wr_put(&w, ch_span(text, (size_t)len));
	}
	ch_buf_free(&in);
	bench_need(!w.bad, "log");
	return ch_wr_span(&w);
}

struct ch_span bench_quote(struct ch_span in, const uint8_t nonce[static 32], uint64_t clock, uint8_t *to, size_t cap)
{
	struct ch_tcg_log log;
	static struct ch_pcrs pcrs;
	struct ch_tpm_attest q = { .select_count = 1, .select = { { CH_HASH_SHA256, BENCH_SELECTED } } };
	struct ch_digest d;
	bench_need(ch_tcg_log_parse(&log, in, NULL) == CH_OK && log.event_count == BENCH_EVENTS,
		   "the log has 100 events");
	ch_tcg_replay(&log, &pcrs);
	bench_need(ch_tpm_pcr_digest(&q, &pcrs, CH_HASH_SHA256, &d) == CH_OK, "pcr digest");
	struct ch_wr w = ch_wr(to, cap);
	uint8_t name[34] = { 0, 0x0b };
	ch_wr_be32(&w, CH_TPM_GENERATED_VALUE);
	ch_wr_be16(&w, CH_TPM_ST_ATTEST_QUOTE);
	ch_wr_be16(&w, sizeof(name));
	ch_wr_put(&w, CH_SPAN_OF(name));
	ch_wr_be16(&w, 32);
	ch_wr_put(&w, ch_span(nonce, 32));
	ch_wr_be64(&w, clock);
	ch_wr_be32(&w, 1);
	ch_wr_be32(&w, 0);
	ch_wr_u8(&w, 1);
	ch_wr_be64(&w, 1);
	ch_wr_be32(&w, 1);
	ch_wr_be16(&w, CH_HASH_SHA256);
	ch_wr_u8(&w, 3);
	ch_wr_put(&w, CH_SPAN_LIT("\xff\x7f\0"));
	ch_wr_be16(&w, d.n);
	ch_wr_put(&w, ch_digest_span(&d));
	bench_need(!w.bad, "quote");
	return ch_wr_span(&w);
}

/* Signs and gives the signature both as DER and as TPMT_SIGNATURE. */
struct ch_span bench_sign(EVP_PKEY *key, struct ch_span msg, uint8_t *der, size_t *der_n, uint8_t *tpm, size_t cap)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bench_need(ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
			   EVP_DigestSign(ctx, der, der_n, msg.p, msg.n) == 1,
		   "sign");
	EVP_MD_CTX_free(ctx);
	const uint8_t *p = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)*der_n);
	uint8_t number[32];
	struct ch_wr w = ch_wr(tpm, cap);
	ch_wr_be16(&w, 0x0018);
	ch_wr_be16(&w, CH_HASH_SHA256);
	const BIGNUM *rs[2] = { ECDSA_SIG_get0_r(sig), ECDSA_SIG_get0_s(sig) };
	for (size_t i = 0; i < 2; i++) {
		bench_need(BN_bn2binpad(rs[i], number, sizeof(number)) == sizeof(number), "r, s");
		ch_wr_be16(&w, sizeof(number));
		ch_wr_put(&w, CH_SPAN_OF(number));
	}
	ECDSA_SIG_free(sig);
	return ch_wr_span(&w);
}

struct ch_span bench_document(struct ch_span in)
{
	struct ch_tcg_log log;
	struct ch_tcg_event ev;
	struct ch_wr w = ch_wr(document, sizeof(document));
	struct ch_json_wr j = ch_json_wr(&w, false);
	bench_need(ch_tcg_log_parse(&log, in, NULL) == CH_OK, "log");
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", "chainhold-reference/1");
	ch_json_named_str(&j, "kind", "baseline");
	ch_json_named_str(&j, "name", "bench");
	ch_json_name(&j, "pcrs");
	ch_json_array_begin(&j);
	ch_json_array_end(&j);
	ch_json_name(&j, "events");
	ch_json_array_begin(&j);
	for (struct ch_tcg_iter it = ch_tcg_iter(&log); ch_tcg_next(&it, &ev);) {
		if (!ev.extended)
			continue;
		ch_json_object_begin(&j);
		ch_json_named_u64(&j, "pcr", ev.pcr);
		ch_json_named_u64(&j, "type", ev.type);
		ch_json_name(&j, "digests");
		ch_json_object_begin(&j);
		ch_json_named_hex(&j, "sha256", ch_tcg_digest_in(&ev, CH_HASH_SHA256));
		ch_json_object_end(&j);
		/* As `reference capture` writes them: text that the digest covers must still be covered. */
		struct ch_tcg_what what;
		ch_tcg_event_decode(&ev, &what);
		if (what.cover == CH_COVER_ALL || what.cover == CH_COVER_PART)
			ch_json_named_str(&j, "covers", what.cover == CH_COVER_ALL ? "all" : "part");
		ch_json_object_end(&j);
	}
	ch_json_array_end(&j);
	ch_json_object_end(&j);
	bench_need(!w.bad, "document");
	return ch_wr_span(&w);
}
