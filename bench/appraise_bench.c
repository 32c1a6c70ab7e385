/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The appraisal of a quote and a log of 100 events, against what it cannot do without: verifying one P-256 signature with a
 * ready key and hashing the log once, both with bare OpenSSL. The two take turns in every round; medians of CPU time. The log is
 * the recorded GRUB boot, extended to 100 events; a key made here signs the quote over its replay.
 *
 * usage: appraise_bench [FIXTURES]
 */
#include "bench/made_evidence.h"
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

#define ROUNDS 11
#define TURNS  400

static struct ch_boot_verdict verdict;
static struct ch_event_verdict events[BENCH_EVENTS];

static void make_reference(struct ch_reference *ref, struct ch_span log)
{
	static struct ch_json doc;
	struct ch_ref_diag d;
	struct ch_span text = bench_document(log);
	size_t cap = ch_json_nodes_max(text.n);
	bench_need(ch_json_parse(&doc, text, ch_calloc(cap, sizeof(struct ch_json_node)), cap, NULL) == CH_OK,
		   "document");
	size_t size = ch_reference_arena_size(&doc, 1);
	struct ch_arena arena = ch_arena(ch_calloc(size, 1), size);
	bench_need(ch_reference_compile(ref, &doc, 1, &arena, &d) == CH_OK, "reference");
}

/* --- the two sides --- */

struct bench {
	struct ch_span log, msg, sig;
	struct ch_reference ref;
	struct ch_verify_key key;
	uint8_t seen[BENCH_EVENTS / 8 + 1];
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
	bench_need(EVP_DigestInit_ex2(b->md, b->sha256, NULL) == 1 &&
			   EVP_DigestUpdate(b->md, b->msg.p, b->msg.n) == 1 &&
			   EVP_DigestFinal_ex(b->md, digest, &n) == 1 &&
			   EVP_PKEY_verify(b->verify, b->der, b->der_n, digest, n) == 1,
		   "verify");
	bench_need(EVP_DigestInit_ex2(b->md, b->sha256, NULL) == 1 &&
			   EVP_DigestUpdate(b->md, b->log.p, b->log.n) == 1 &&
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
	bench_need(ch_tpm_attest_parse(&quote, b->msg, &d) == CH_OK &&
			   ch_tpm_signature_parse(&sig, b->sig, &d) == CH_OK &&
			   ch_tcg_log_parse(&log, b->log, &d) == CH_OK,
		   "parse");
	const struct ch_boot_evidence ev = {
		.msg = b->msg, .quote = &quote, .sig = &sig, .key = &b->key, .log = &log, .nonce = CH_SPAN_OF(nonce)
	};
	for (size_t i = 0; i < sizeof(b->seen); i++)
		b->seen[i] = 0;
	verdict.event = events;
	verdict.seen = b->seen;
	bench_need(ch_boot_appraise(&verdict, &ev, &b->ref, &d) == CH_OK &&
			   verdict.tier[CH_LINK_BOOT] == CH_TIER_AFFIRMING,
		   "appraise");
	if (!encode)
		return;
	struct ch_wr w = ch_wr(b->ear, sizeof(b->ear));
	struct ch_json_wr j = ch_json_wr(&w, false);
	const struct ch_ear_input in = { .verdict = &verdict, .evidence = &ev, .reference = &b->ref, .build = "bench" };
	ch_ear_put(&j, &in);
	bench_need(!w.bad, "ear");
}

static void run(struct bench *b)
{
	static double side[3][ROUNDS];
	for (size_t r = 0; r < ROUNDS; r++) {
		for (size_t s = 0; s < 3; s++) {
			double from = bench_cpu_us();
			for (size_t i = 0; i < TURNS; i++) {
				if (s == 0)
					bare(b);
				else
					appraise(b, s == 2);
			}
			side[s][r] = (bench_cpu_us() - from) / TURNS;
		}
	}
	for (size_t s = 0; s < 3; s++)
		qsort(side[s], ROUNDS, sizeof(double), bench_by_value);
	double base = side[0][ROUNDS / 2], judged = side[1][ROUNDS / 2], encoded = side[2][ROUNDS / 2];
	printf("log of %d events, %zu bytes; %s\n", BENCH_EVENTS, b->log.n, OpenSSL_version(OPENSSL_VERSION));
	printf("verify + hash the log      %8.1f us\n", base);
	printf("appraisal                  %8.1f us   ratio %.2f (target 0.65)\n", judged, base / judged);
	printf("appraisal and EAR as JSON  %8.1f us   ratio %.2f\n", encoded, base / encoded);
}

int main(int argc, char **argv)
{
	static struct bench b;
	static uint8_t msg[512], sig[128];
	static struct ch_pubkey pub;
	bench_need(ch_crypto_openssl_init() == CH_OK, "backend");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	uint8_t *spki = NULL;
	int n = i2d_PUBKEY(key, &spki);
	bench_need(n > 0 && ch_pubkey_from_der(&pub, ch_span(spki, (size_t)n)) == CH_OK &&
			   ch_verify_key_init(&b.key, &pub.pub) == CH_OK,
		   "key");
	b.log = bench_log(argc > 1 ? argv[1] : "tests/fixtures");
	static const uint8_t nonce[32] = { 7 };
	b.msg = bench_quote(b.log, nonce, 1000, msg, sizeof(msg));
	b.der_n = sizeof(b.der);
	b.sig = bench_sign(key, b.msg, b.der, &b.der_n, sig, sizeof(sig));
	make_reference(&b.ref, b.log);
	b.verify = EVP_PKEY_CTX_new(key, NULL);
	b.md = EVP_MD_CTX_new();
	b.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	bench_need(b.verify != NULL && b.md != NULL && b.sha256 != NULL && EVP_PKEY_verify_init(b.verify) == 1,
		   "OpenSSL");
	run(&b);
	OPENSSL_free(spki);
	EVP_PKEY_CTX_free(b.verify);
	EVP_MD_CTX_free(b.md);
	EVP_MD_free(b.sha256);
	EVP_PKEY_free(key);
	ch_verify_key_clear(&b.key);
	return 0;
}
