/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The appraisal of a quote and a log of 100 events, against what it cannot do without: verifying one P-256 signature with a
 * ready key and hashing the log once, both with bare OpenSSL. The two take turns in every round; medians of CPU time. The log is
 * the recorded GRUB boot, extended to 100 events; a key made here signs the quote over its replay.
 *
 * usage: appraise_bench [FIXTURES]
 */
#include "core/boot/appraise.h"
#include "core/platform/tpm_signature.h"
#include "core/trust/ear.h"
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/pubkey.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS   11
#define TURNS    400
#define EVENTS   100
#define SELECTED 0x7fffu /* PCR 0..14 */

static uint8_t log_bytes[1 << 18];
static uint8_t document[1 << 18];
static struct ch_boot_verdict verdict;
static struct ch_event_verdict events[EVENTS];

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "appraise_bench: %s\n", what);
	exit(1);
}

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- the evidence --- */

static struct ch_span make_log(const char *folder)
{
	char path[512];
	struct ch_buf in;
	struct ch_tcg_log log;
	(void)snprintf(path, sizeof(path), "%s/grub-sbms-good/binary_bios_measurements", folder);
	need(ch_file_read(&in, path) == CH_OK && ch_tcg_log_parse(&log, ch_buf_span(&in), NULL) == CH_OK, path);
	struct ch_wr w = ch_wr(log_bytes, sizeof(log_bytes));
	ch_wr_put(&w, ch_buf_span(&in));
	for (size_t n = log.event_count; n < EVENTS; n++) {
		char text[64];
		struct ch_digest d;
		int len = snprintf(text, sizeof(text), "grub_cmd: set option%zu=value", n);
		need(ch_hash_once(CH_HASH_SHA256, ch_span(text + 10, (size_t)len - 10), &d) == CH_OK, "hash");
		ch_wr_le32(&w, 8);
		ch_wr_le32(&w, CH_EV_IPL);
		ch_wr_le32(&w, 1);
		ch_wr_le16(&w, CH_HASH_SHA256);
		ch_wr_put(&w, ch_digest_span(&d));
		ch_wr_le32(&w, (uint32_t)len);
		ch_wr_put(&w, ch_span(text, (size_t)len));
	}
	ch_buf_free(&in);
	need(!w.bad, "log");
	return ch_wr_span(&w);
}

static struct ch_span make_quote(struct ch_span in, uint8_t *to, size_t cap)
{
	struct ch_tcg_log log;
	static struct ch_pcrs pcrs;
	struct ch_tpm_attest q = { .select_count = 1, .select = { { CH_HASH_SHA256, SELECTED } } };
	struct ch_digest d;
	need(ch_tcg_log_parse(&log, in, NULL) == CH_OK && log.event_count == EVENTS, "the log has 100 events");
	ch_tcg_replay(&log, &pcrs);
	need(ch_tpm_pcr_digest(&q, &pcrs, CH_HASH_SHA256, &d) == CH_OK, "pcr digest");
	struct ch_wr w = ch_wr(to, cap);
	uint8_t name[34] = { 0, 0x0b };
	uint8_t nonce[32] = { 7 };
	ch_wr_be32(&w, CH_TPM_GENERATED_VALUE);
	ch_wr_be16(&w, CH_TPM_ST_ATTEST_QUOTE);
	ch_wr_be16(&w, sizeof(name));
	ch_wr_put(&w, CH_SPAN_OF(name));
	ch_wr_be16(&w, sizeof(nonce));
	ch_wr_put(&w, CH_SPAN_OF(nonce));
	ch_wr_be64(&w, 1000);
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
	need(!w.bad, "quote");
	return ch_wr_span(&w);
}

/* Signs and gives the signature both as DER and as TPMT_SIGNATURE. */
static struct ch_span sign(EVP_PKEY *key, struct ch_span msg, uint8_t *der, size_t *der_n, uint8_t *tpm, size_t cap)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	need(ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
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
		need(BN_bn2binpad(rs[i], number, sizeof(number)) == sizeof(number), "r, s");
		ch_wr_be16(&w, sizeof(number));
		ch_wr_put(&w, CH_SPAN_OF(number));
	}
	ECDSA_SIG_free(sig);
	return ch_wr_span(&w);
}

/* Reference values that endorse every event by its digest. */
static void make_reference(struct ch_reference *ref, struct ch_span in)
{
	struct ch_tcg_log log;
	struct ch_tcg_event ev;
	struct ch_wr w = ch_wr(document, sizeof(document));
	struct ch_json_wr j = ch_json_wr(&w, false);
	need(ch_tcg_log_parse(&log, in, NULL) == CH_OK, "log");
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
	static struct ch_json doc;
	struct ch_ref_diag d;
	size_t cap = ch_json_nodes_max(w.len);
	need(ch_json_parse(&doc, ch_wr_span(&w), ch_calloc(cap, sizeof(struct ch_json_node)), cap, NULL) == CH_OK,
	     "document");
	size_t size = ch_reference_arena_size(&doc, 1);
	struct ch_arena arena = ch_arena(ch_calloc(size, 1), size);
	need(ch_reference_compile(ref, &doc, 1, &arena, &d) == CH_OK, "reference");
}

/* --- the two sides --- */

struct bench {
	struct ch_span log, msg, sig;
	struct ch_reference ref;
	struct ch_verify_key key;
	uint8_t seen[EVENTS / 8 + 1];
	EVP_PKEY_CTX *verify;
	EVP_MD_CTX *md;
	EVP_MD *sha256;
	uint8_t der[80];
	size_t der_n;
	uint8_t ear[1 << 17];
};

static void bare(struct bench *b)
{
	uint8_t digest[32];
	unsigned n;
	need(EVP_DigestInit_ex2(b->md, b->sha256, NULL) == 1 && EVP_DigestUpdate(b->md, b->msg.p, b->msg.n) == 1 &&
		     EVP_DigestFinal_ex(b->md, digest, &n) == 1 &&
		     EVP_PKEY_verify(b->verify, b->der, b->der_n, digest, n) == 1,
	     "verify");
	need(EVP_DigestInit_ex2(b->md, b->sha256, NULL) == 1 && EVP_DigestUpdate(b->md, b->log.p, b->log.n) == 1 &&
		     EVP_DigestFinal_ex(b->md, digest, &n) == 1,
	     "hash");
}

static void appraise(struct bench *b, bool encode)
{
	struct ch_tpm_attest quote;
	struct ch_sig sig;
	struct ch_tcg_log log;
	struct ch_diag d;
	static const uint8_t nonce[32] = { 7 };
	need(ch_tpm_attest_parse(&quote, b->msg, &d) == CH_OK && ch_tpm_signature_parse(&sig, b->sig, &d) == CH_OK &&
		     ch_tcg_log_parse(&log, b->log, &d) == CH_OK,
	     "parse");
	const struct ch_boot_evidence ev = {
		.msg = b->msg, .quote = &quote, .sig = &sig, .key = &b->key, .log = &log, .nonce = CH_SPAN_OF(nonce)
	};
	for (size_t i = 0; i < sizeof(b->seen); i++)
		b->seen[i] = 0;
	verdict.event = events;
	verdict.seen = b->seen;
	need(ch_boot_appraise(&verdict, &ev, &b->ref, &d) == CH_OK && verdict.tier[CH_LINK_BOOT] == CH_TIER_AFFIRMING,
	     "appraise");
	if (!encode)
		return;
	struct ch_wr w = ch_wr(b->ear, sizeof(b->ear));
	struct ch_json_wr j = ch_json_wr(&w, false);
	const struct ch_ear_input in = { .verdict = &verdict, .evidence = &ev, .reference = &b->ref, .build = "bench" };
	ch_ear_put(&j, &in);
	need(!w.bad, "ear");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void run(struct bench *b)
{
	static double side[3][ROUNDS];
	for (size_t r = 0; r < ROUNDS; r++) {
		for (size_t s = 0; s < 3; s++) {
			double from = cpu_us();
			for (size_t i = 0; i < TURNS; i++) {
				if (s == 0)
					bare(b);
				else
					appraise(b, s == 2);
			}
			side[s][r] = (cpu_us() - from) / TURNS;
		}
	}
	for (size_t s = 0; s < 3; s++)
		qsort(side[s], ROUNDS, sizeof(double), by_value);
	double base = side[0][ROUNDS / 2], judged = side[1][ROUNDS / 2], encoded = side[2][ROUNDS / 2];
	printf("log of %d events, %zu bytes; %s\n", EVENTS, b->log.n, OpenSSL_version(OPENSSL_VERSION));
	printf("verify + hash the log      %8.1f us\n", base);
	printf("appraisal                  %8.1f us   ratio %.2f (target 0.65)\n", judged, base / judged);
	printf("appraisal and EAR as JSON  %8.1f us   ratio %.2f\n", encoded, base / encoded);
}

int main(int argc, char **argv)
{
	static struct bench b;
	static uint8_t msg[512], sig[128];
	static struct ch_pubkey pub;
	need(ch_crypto_openssl_init() == CH_OK, "backend");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	uint8_t *spki = NULL;
	int n = i2d_PUBKEY(key, &spki);
	need(n > 0 && ch_pubkey_from_der(&pub, ch_span(spki, (size_t)n)) == CH_OK &&
		     ch_verify_key_init(&b.key, &pub.pub) == CH_OK,
	     "key");
	b.log = make_log(argc > 1 ? argv[1] : "tests/fixtures");
	b.msg = make_quote(b.log, msg, sizeof(msg));
	b.der_n = sizeof(b.der);
	b.sig = sign(key, b.msg, b.der, &b.der_n, sig, sizeof(sig));
	make_reference(&b.ref, b.log);
	b.verify = EVP_PKEY_CTX_new(key, NULL);
	b.md = EVP_MD_CTX_new();
	b.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	need(b.verify != NULL && b.md != NULL && b.sha256 != NULL && EVP_PKEY_verify_init(b.verify) == 1, "OpenSSL");
	run(&b);
	OPENSSL_free(spki);
	EVP_PKEY_CTX_free(b.verify);
	EVP_MD_CTX_free(b.md);
	EVP_MD_free(b.sha256);
	EVP_PKEY_free(key);
	ch_verify_key_clear(&b.key);
	return 0;
}
