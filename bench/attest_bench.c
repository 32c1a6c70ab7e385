/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attestation from the body of POST /v1/evidence to its durable answer: verify and keeper as they are, joined in this process, every
 * message between them encoded and parsed; the store on a disk, one commit a turn. Against the cryptography that it contains: two
 * verifications of a P-256 signature (verify's and the keeper's) and hashing the log once. The log has 100 events; devices attest with an
 * unchanged log, as nearly always, and with a whole one. Medians of CPU time; wall time has the disk in it.
 *
 * usage: attest_bench [FIXTURES [FOLDER-OF-THE-STORE]]
 */
#include "bench/made_evidence.h"

#include "core/platform/tpm_wire.h"
#include "core/trust/generation.h"
#include "core/trust/merkle.h"
#include "core/trust/policy.h"
#include "core/wire/base64.h"
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"
#include "host/store/schema.h"
#include "server/ipc/routes.h"
#include "server/keeper/keeper.h"
#include "server/verify/verify.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DEVICES 32 /* a turn */
#define ROUNDS  11

struct device {
	EVP_PKEY *key;
	uint8_t area[128];
	size_t area_size;
	uint8_t id[16];
	struct ch_buf body;
	uint8_t nonce[32];
};

/* A message under way. */
struct mail {
	enum ch_role to;
	enum ch_msg type;
	uint64_t id;
	struct ch_buf payload;
};

static struct world {
	struct ch_verify verify;
	struct ch_keeper *keeper;
	struct mail mail[4096];
	size_t first, count;
	struct ch_buf answer[DEVICES]; /* bodies, by the edge's id */
	unsigned status[DEVICES];
	struct device device[DEVICES];
	struct ch_span log;
	uint64_t clock;
} w;

/* --- the world around --- */

static uint64_t clock_ms(void *ctx)
{
	(void)ctx;
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int64_t now(void *ctx)
{
	return (int64_t)(clock_ms(ctx) / 1000);
}

static bool disk(void *ctx, uint64_t *total, uint64_t *available)
{
	(void)ctx;
	*total = 1000000000;
	*available = 900000000;
	return true;
}

static bool reserve(void *ctx, bool keep)
{
	(void)ctx;
	(void)keep;
	return true;
}

static void fatal(void *ctx, const char *why)
{
	(void)ctx;
	bench_need(false, why);
}

static struct mail *post(enum ch_role to, enum ch_msg type, uint64_t id)
{
	bench_need(w.count < CH_COUNT_OF(w.mail), "more messages than the bench has room for");
	struct mail *m = &w.mail[w.count++];
	m->to = to;
	m->type = type;
	m->id = id;
	m->payload.n = 0;
	return m;
}

static void keeper_sends(void *ctx, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id,
			 struct ch_span payload)
{
	(void)ctx;
	(void)index;
	ch_buf_append(&post(to, type, id)->payload, payload);
}

static bool verify_asks(void *ctx, enum ch_msg type, uint64_t id, const void *msg)
{
	(void)ctx;
	struct mail *m = post(CH_ROLE_KEEPER, type, id);
	size_t n = ch_msg_size(type, msg);
	struct ch_wr out = ch_wr(ch_buf_room(&m->payload, n), n);
	ch_msg_put(type, msg, &out);
	m->payload.n = n;
	return true;
}

static void keep_answer(uint64_t id, const struct ch_msg_answer *m)
{
	w.status[id] = m->status;
	w.answer[id].n = 0;
	ch_buf_append(&w.answer[id], m->body);
}

static void verify_answers(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_answer *m)
{
	(void)ctx;
	(void)edge;
	keep_answer(id, m);
}

/* The signer: bytes for a certificate, and a checkpoint that nobody checks here. */
static void signer_issues(const struct mail *m)
{
	struct ch_msg_issue issue;
	bench_need(ch_msg_parse(CH_MSG_ISSUE, &issue, ch_buf_span(&m->payload), NULL) == CH_OK, "ISSUE");
	struct ch_msg_issued a = { .not_after = issue.now + issue.lifetime, .certificate = CH_SPAN_OF(issue.serial) };
	ch_keeper_message(w.keeper, CH_ROLE_SIGNER, 0, CH_MSG_ISSUED, m->id, &a);
}

static void signer_takes(const struct mail *m)
{
	static struct ch_frontier frontier;
	struct ch_msg_leaves leaves;
	struct ch_msg_checkpoint c = { .note = CH_SPAN_LIT("note") };
	struct ch_tree_hash h;
	if (m->type == CH_MSG_ISSUE) {
		signer_issues(m);
		return;
	}
	if (m->type != CH_MSG_LEAVES)
		return;
	bench_need(ch_msg_parse(CH_MSG_LEAVES, &leaves, ch_buf_span(&m->payload), NULL) == CH_OK, "LEAVES");
	for (size_t at = 0; at < leaves.hashes.n; at += sizeof(h.b)) {
		(void)ch_span_copy(h.b, sizeof(h.b), ch_span_sub(leaves.hashes, at, sizeof(h.b)));
		bench_need(ch_frontier_append(&frontier, &h) == CH_OK, "leaf");
	}
	bench_need(ch_frontier_root(&frontier, &h) == CH_OK, "root");
	c.size = frontier.size;
	(void)ch_span_copy(c.root, sizeof(c.root), ch_tree_hash_span(&h));
	ch_keeper_message(w.keeper, CH_ROLE_SIGNER, 0, CH_MSG_CHECKPOINT, m->id, &c);
}

static void deliver(const struct mail *m)
{
	static union {
		struct ch_msg_context_ask ask;
		struct ch_msg_commit commit;
		struct ch_msg_enrol_pending pending;
		struct ch_msg_enrol_finish finish;
	} parsed;
	struct ch_msg_answer answer;
	if (m->to == CH_ROLE_VERIFY) {
		struct ch_frame f = { .type = (uint16_t)m->type, .id = m->id, .payload = ch_buf_span(&m->payload) };
		/* The generation is the bench's own. */
		bench_need(m->type == CH_MSG_GENERATION || ch_vf_keeper(&w.verify, &f), "verify");
	} else if (m->to == CH_ROLE_KEEPER) {
		bench_need(ch_msg_parse(m->type, &parsed, ch_buf_span(&m->payload), NULL) == CH_OK, "message");
		ch_keeper_message(w.keeper, CH_ROLE_VERIFY, 0, m->type, m->id, &parsed);
	} else if (m->to == CH_ROLE_SIGNER) {
		signer_takes(m);
	} else if (m->type == CH_MSG_ANSWER && m->id < DEVICES) {
		bench_need(ch_msg_parse(CH_MSG_ANSWER, &answer, ch_buf_span(&m->payload), NULL) == CH_OK, "answer");
		keep_answer(m->id, &answer);
	}
}

/* Messages and turns until nothing is under way; a turn of the keeper takes all that waits. */
static void settle(void)
{
	do {
		while (w.first < w.count)
			deliver(&w.mail[w.first++]);
		w.first = w.count = 0;
		ch_keeper_turn(w.keeper);
	} while (w.count > 0);
}

/* --- start --- */

static void start_verify(struct ch_span document)
{
	static const struct ch_vf_out out = { NULL, verify_answers, verify_asks, now };
	static uint8_t image[1 << 18];
	struct ch_wr iw = ch_wr(image, sizeof(image));
	struct ch_diag d;
	const struct ch_generation_item item = { CH_GENERATION_REFERENCE, CH_SPAN_LIT("gateway"), document };
	ch_generation_begin(&iw, 1, 1);
	ch_generation_put(&iw, &item);
	ch_vf_init(&w.verify, &out);
	bench_need(ch_held_take(&w.verify.held, 1, ch_wr_span(&iw), &d) == CH_OK, "generation");
}

static struct ch_span policy_line(uint8_t *text, size_t cap)
{
	struct ch_policy p = {
		.class = CH_SPAN_LIT("gateway"),
		.required = 1u << CH_LINK_BOOT,
		.release = CH_RELEASE_AUTOMATIC,
		.on_stale = CH_RESPONSE_ALERT,
		.interval = 600,
		.lifetime = 30 * 86400,
		.ek = CH_EK_ANY_ROOT,
		.daily_mib = CH_POLICY_DAILY_MAX,
	};
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		p.on_break[i] = CH_RESPONSE_ALERT;
		p.max_age[i] = 3600;
	}
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct ch_wr iw = ch_wr(image, sizeof(image));
	struct ch_wr t = ch_wr(text, cap);
	bench_need(ch_policy_put(&iw, &p) == CH_OK, "policy");
	ch_wr_str(&t, "origin bench/log\npolicy ");
	ch_base64_put(&t, CH_BASE64_STD, ch_wr_span(&iw));
	ch_wr_str(&t, "\n");
	return ch_wr_span(&t);
}

static void start_keeper(const char *path)
{
	static const struct ch_keeper_env env = { keeper_sends, clock_ms, clock_ms, disk, reserve,
						  fatal,        NULL,     NULL,     NULL };
	static struct ch_store *store;
	uint8_t line[1024];
	char why[CH_STORE_WHY] = "";
	const struct ch_store_config config = {
		.path = path, .mode = CH_STORE_WRITE, .sql = ch_keeper_sql, .sql_count = ch_keeper_sql_count
	};
	bench_need(ch_store_open(&store, &config, why) == CH_OK, why);
	bench_need(ch_schema_migrate(store, CH_SCHEMA_APPLY, (int64_t)clock_ms(NULL), NULL, NULL) == CH_OK &&
			   ch_store_check(store) == CH_OK,
		   "store");
	int fd = ch_view_make(1024);
	const struct ch_keeper_config keeper = {
		.store = store, .view = ch_view_map(fd, true), .config = policy_line(line, sizeof(line)), .env = &env
	};
	w.keeper = ch_keeper_new(&keeper, why);
	bench_need(w.keeper != NULL, why);
	ch_keeper_peer(w.keeper, CH_ROLE_EDGE, 0, true);
	ch_keeper_peer(w.keeper, CH_ROLE_VERIFY, 0, true);
	ch_keeper_peer(w.keeper, CH_ROLE_SIGNER, 0, true);
	settle();
}

/* TPMT_PUBLIC of the device's attestation key. */
static void make_area(struct device *d, uint8_t point[static 65])
{
	size_t n = 0;
	bench_need(EVP_PKEY_get_octet_string_param(d->key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, 65, &n) == 1,
		   "point");
	struct ch_wr a = ch_wr(d->area, sizeof(d->area));
	ch_wr_be16(&a, CH_TPM_ALG_ECC);
	ch_wr_be16(&a, CH_HASH_SHA256);
	ch_wr_be32(&a, 0x00050072);
	ch_wr_be16(&a, 0);
	ch_wr_be16(&a, CH_TPM_ALG_NULL);
	ch_wr_be16(&a, CH_TPM_ALG_ECDSA);
	ch_wr_be16(&a, CH_HASH_SHA256);
	ch_wr_be16(&a, 3);
	ch_wr_be16(&a, CH_TPM_ALG_NULL);
	ch_wr_be16(&a, 32);
	ch_wr_put(&a, ch_span(point + 1, 32));
	ch_wr_be16(&a, 32);
	ch_wr_put(&a, ch_span(point + 33, 32));
	d->area_size = a.len;
}

static void enrol(size_t i)
{
	struct device *d = &w.device[i];
	uint8_t point[65], spki[CH_IPC_SPKI_MAX];
	struct ch_json json;
	struct ch_json_node node[64];
	size_t at;
	d->key = EVP_EC_gen("P-256");
	make_area(d, point);
	struct ch_wr s = ch_wr(spki, sizeof(spki));
	ch_wr_put(
		&s,
		CH_SPAN_LIT(
			"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\0"));
	ch_wr_put(&s, ch_span(point, 65));
	struct ch_msg_enrol_pending m = {
		.platform_tier = CH_TIER_AFFIRMING,
		.ek_public = ch_span(d->area, d->area_size),
		.ak_public = ch_span(d->area, d->area_size),
		.ak_spki = ch_wr_span(&s),
		.key_spki = ch_wr_span(&s),
		.class_name = CH_SPAN_LIT("gateway"),
		.platform = CH_SPAN_LIT("{}"),
	};
	struct ch_msg_enrol_finish f = { .secret = { 1 } };
	m.secret[0] = 1;
	m.enrol[0] = f.enrol[0] = (uint8_t)i;
	m.ek_sha256[0] = (uint8_t)i;
	ch_keeper_message(w.keeper, CH_ROLE_VERIFY, 0, CH_MSG_ENROL_PENDING, 900, &m);
	w.first = w.count = 0;
	ch_keeper_turn(w.keeper);
	w.first = w.count = 0;
	ch_keeper_message(w.keeper, CH_ROLE_VERIFY, 0, CH_MSG_ENROL_FINISH, 901, &f);
	struct ch_msg_answer answer = { .status = 0 };
	for (size_t turns = 0; turns < 8 && answer.status == 0; turns++) {
		ch_keeper_turn(w.keeper);
		for (; w.first < w.count; w.first++) {
			struct mail *mail = &w.mail[w.first];
			if (mail->to == CH_ROLE_SIGNER)
				signer_takes(mail);
			else if (mail->type == CH_MSG_ANSWER && mail->id == 901)
				bench_need(ch_msg_parse(CH_MSG_ANSWER, &answer, ch_buf_span(&mail->payload), NULL) ==
						   CH_OK,
					   "answer");
		}
	}
	bench_need(answer.status == 201 && ch_json_parse(&json, answer.body, node, CH_COUNT_OF(node), NULL) == CH_OK &&
			   ch_json_member(&json, 0, "device", &at) == CH_OK &&
			   ch_json_hex(&json, at, d->id, 16) == CH_OK,
		   "enrolment");
	w.first = w.count = 0;
}

/* --- attestation --- */

static void challenge(void)
{
	for (size_t i = 0; i < DEVICES; i++) {
		struct ch_msg_request m = { .route = CH_ROUTE_CHALLENGE, .path = CH_SPAN_LIT("/v1/challenge") };
		(void)ch_span_copy(m.device, 16, CH_SPAN_OF(w.device[i].id));
		ch_keeper_message(w.keeper, CH_ROLE_EDGE, 0, CH_MSG_REQUEST, i, &m);
	}
	settle();
}

static void b64_member(struct ch_wr *j, const char *name, struct ch_span bytes)
{
	ch_wr_str(j, name);
	ch_base64_put(j, CH_BASE64_URL, bytes);
}

/* The body that device `i` sends, from byte `from` of its log on. */
static void make_body(size_t i, size_t from)
{
	struct device *d = &w.device[i];
	static uint8_t text[1 << 18];
	uint8_t msg[512], der[80], sig[128];
	struct ch_json json;
	struct ch_json_node node[64];
	size_t at, der_n = sizeof(der);
	bench_need(w.status[i] == 200 &&
			   ch_json_parse(&json, ch_buf_span(&w.answer[i]), node, CH_COUNT_OF(node), NULL) == CH_OK &&
			   ch_json_member(&json, 0, "nonce", &at) == CH_OK &&
			   ch_json_hex(&json, at, d->nonce, 32) == CH_OK,
		   "challenge");
	struct ch_span quote = bench_quote(w.log, d->nonce, ++w.clock, msg, sizeof(msg));
	struct ch_wr j = ch_wr(text, sizeof(text));
	b64_member(&j, "{\"quote\":\"", quote);
	b64_member(&j, "\",\"signature\":\"", bench_sign(d->key, quote, der, &der_n, sig, sizeof(sig)));
	ch_wr_str(&j, "\",\"eventlog\":{\"from\":");
	ch_wr_dec(&j, from);
	b64_member(&j, ",\"data\":\"", ch_span_sub(w.log, from, w.log.n - from));
	ch_wr_str(&j, "\"},\"collected\":1,\"history\":false}");
	d->body.n = 0;
	ch_buf_append(&d->body, ch_wr_span(&j));
}

static double attest(size_t from)
{
	challenge();
	for (size_t i = 0; i < DEVICES; i++)
		make_body(i, from);
	double start = bench_cpu_us();
	for (size_t i = 0; i < DEVICES; i++) {
		struct ch_msg_request m = { .route = CH_ROUTE_EVIDENCE, .body = ch_buf_span(&w.device[i].body) };
		(void)ch_span_copy(m.device, 16, CH_SPAN_OF(w.device[i].id));
		ch_vf_request(&w.verify, 0, i, &m);
	}
	settle();
	double took = bench_cpu_us() - start;
	for (size_t i = 0; i < DEVICES; i++) {
		bool affirmed = ch_span_starts(ch_buf_span(&w.answer[i]), CH_SPAN_LIT("{\"chain\":\"affirming\""));
		if (w.status[i] != 200 || !affirmed)
			fprintf(stderr, "%u %.*s\n", w.status[i], (int)w.answer[i].n, (char *)w.answer[i].p);
		bench_need(w.status[i] == 200 && affirmed, "the evidence is not affirmed");
	}
	return took / DEVICES;
}

/* What cannot be left out: two verifications, one hash of the log; keys and digests ready. */
static double bare(void)
{
	static uint8_t msg[512], sig[128], der[80];
	uint8_t digest[32];
	unsigned n;
	size_t der_n = sizeof(der);
	EVP_PKEY *key = w.device[0].key;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	struct ch_span quote = bench_quote(w.log, w.device[0].nonce, 1, msg, sizeof(msg));
	(void)bench_sign(key, quote, der, &der_n, sig, sizeof(sig));
	bench_need(ctx != NULL && EVP_PKEY_verify_init(ctx) == 1, "OpenSSL");
	double start = bench_cpu_us();
	for (size_t i = 0; i < DEVICES; i++) {
		for (size_t twice = 0; twice < 2; twice++)
			bench_need(EVP_Digest(quote.p, quote.n, digest, &n, EVP_sha256(), NULL) == 1 &&
					   EVP_PKEY_verify(ctx, der, der_n, digest, n) == 1,
				   "verify");
		bench_need(EVP_Digest(w.log.p, w.log.n, digest, &n, EVP_sha256(), NULL) == 1, "hash");
	}
	double took = bench_cpu_us() - start;
	EVP_PKEY_CTX_free(ctx);
	return took / DEVICES;
}

int main(int argc, char **argv)
{
	static double side[3][ROUNDS];
	char dir[512], path[600];
	(void)snprintf(dir, sizeof(dir), "%s/chainhold-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
	bench_need(ch_crypto_openssl_init() == CH_OK && mkdtemp(dir) != NULL, "start");
	(void)snprintf(path, sizeof(path), "%s/store.db", dir);
	w.log = bench_log(argc > 1 ? argv[1] : "tests/fixtures");
	start_verify(bench_document(w.log));
	start_keeper(path);
	for (size_t i = 0; i < DEVICES; i++)
		enrol(i);
	(void)attest(0);
	for (size_t r = 0; r < ROUNDS; r++) {
		side[0][r] = bare();
		side[1][r] = attest(w.log.n);
		side[2][r] = attest(0);
	}
	for (size_t s = 0; s < CH_COUNT_OF(side); s++)
		qsort(side[s], ROUNDS, sizeof(double), bench_by_value);
	double base = side[0][ROUNDS / 2];
	printf("log of %d events, %zu bytes; %d devices a turn\n", BENCH_EVENTS, w.log.n, DEVICES);
	printf("bare cryptography          %8.1f us\n", base);
	printf("unchanged log, to durable  %8.1f us   %.2f times\n", side[1][ROUNDS / 2], side[1][ROUNDS / 2] / base);
	printf("whole log, to durable      %8.1f us   %.2f times (target 2)\n", side[2][ROUNDS / 2],
	       side[2][ROUNDS / 2] / base);
	static const char *const left[] = { "", "-wal", "-shm" };
	for (size_t i = 0; i < CH_COUNT_OF(left); i++) {
		(void)snprintf(path, sizeof(path), "%s/store.db%s", dir, left[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
	return 0;
}
