/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/world.h"

#include "core/base/text.h"
#include "core/platform/tpm_attest.h"
#include "core/wire/base64.h"
#include "core/wire/json.h"
#include "host/store/schema.h"
#include "tests/core/platform/tpm_build.h"

#include <assert.h>
#include <ftw.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEED(c)                                                            \
	do {                                                               \
		if (!(c)) {                                                \
			fprintf(stderr, "world.c:%d: %s\n", __LINE__, #c); \
			abort();                                           \
		}                                                          \
	} while (0)

/* --- environment --- */

void world_take(struct world *w, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, struct ch_span payload)
{
	NEED(w->sent_count < WORLD_SENT_MAX);
	struct sent *s = &w->sent[w->sent_count++];
	*s = (struct sent){ .to = to, .index = index, .type = type, .id = id };
	ch_buf_append(&s->payload, payload);
	struct ch_msg_generation g;
	if (type == CH_MSG_GENERATION && ch_msg_parse(CH_MSG_GENERATION, &g, payload, NULL) == CH_OK)
		w->generation = g.number;
}

static void env_send(void *ctx, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, struct ch_span payload)
{
	world_take(ctx, to, index, type, id, payload);
}

static uint64_t env_wall(void *ctx)
{
	return ((struct world *)ctx)->wall;
}

static uint64_t env_mono(void *ctx)
{
	return ((struct world *)ctx)->mono;
}

static bool env_disk(void *ctx, uint64_t *total, uint64_t *available)
{
	const struct world *w = ctx;
	*total = w->disk_total;
	*available = w->disk_free;
	return true;
}

static bool env_reserve(void *ctx, bool keep)
{
	((struct world *)ctx)->reserve = keep;
	return true;
}

static bool env_remove(void *ctx, const uint8_t sha256[static 32])
{
	struct world *w = ctx;
	(void)sha256;
	w->removed++;
	return w->disk_total > 0;
}

static void env_fatal(void *ctx, const char *why)
{
	struct world *w = ctx;
	(void)snprintf(w->fatal, sizeof(w->fatal), "%s", why);
}

/* --- life --- */

void world_init(struct world *w)
{
	*w = (struct world){ .wall = 1800000000000, .mono = 1000, .disk_total = 1000000000, .disk_free = 900000000 };
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/chainhold-keeper-XXXXXX");
	NEED(mkdtemp(w->dir) != NULL);
	(void)snprintf(w->path, sizeof(w->path), "%s/store.db", w->dir);
}

bool world_start(struct world *w)
{
	char why[CH_STORE_WHY] = "";
	static const struct ch_keeper_env env = { env_send,  env_wall, env_mono, env_disk, env_reserve,
						  env_fatal, NULL,     NULL,     NULL,     env_remove };
	struct ch_keeper_env own = env;
	own.ctx = w;
	const struct ch_store_config store = { .path = w->path,
					       .mode = CH_STORE_WRITE,
					       .sql = ch_keeper_sql,
					       .sql_count = ch_keeper_sql_count,
					       .vfs = w->vfs };
	w->fatal[0] = '\0';
	enum ch_err err = ch_store_open(&w->store, &store, why);
	if (err == CH_OK)
		err = ch_schema_migrate(w->store, CH_SCHEMA_APPLY, (int64_t)w->wall, NULL, NULL);
	if (err == CH_OK)
		err = ch_store_check(w->store);
	if (err != CH_OK) {
		(void)snprintf(w->fatal, sizeof(w->fatal), "store: %s %s", ch_err_str(err),
			       w->store != NULL ? ch_store_why(w->store) : why);
		return false;
	}
	int fd = ch_view_make(1024);
	w->view = ch_view_map(fd, true);
	NEED(w->view != NULL);
	(void)close(fd);
	const struct ch_keeper_config config = {
		.store = w->store, .view = w->view, .config = ch_buf_span(&w->config), .env = &own
	};
	w->keeper = ch_keeper_new(&config, why);
	if (w->keeper == NULL) {
		(void)snprintf(w->fatal, sizeof(w->fatal), "%s", why);
		return false;
	}
	ch_keeper_peer(w->keeper, CH_ROLE_EDGE, 0, true);
	ch_keeper_peer(w->keeper, CH_ROLE_VERIFY, 0, true);
	ch_keeper_peer(w->keeper, CH_ROLE_SIGNER, 0, true);
	world_turn(w);
	return true;
}

void world_kill(struct world *w)
{
	ch_keeper_free(w->keeper);
	ch_store_close(w->store);
	ch_view_unmap(w->view);
	w->keeper = NULL;
	w->store = NULL;
	w->view = NULL;
}

void world_forget(struct world *w)
{
	for (size_t i = 0; i < w->sent_count; i++)
		ch_buf_free(&w->sent[i].payload);
	w->sent_count = 0;
}

void world_clear(struct world *w)
{
	world_kill(w);
	world_forget(w);
	ch_buf_free(&w->config);
	ch_buf_free(&w->revoked);
	world_remove(w->dir);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

void world_remove(const char *dir)
{
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- configuration --- */

struct ch_policy world_policy(const char *name)
{
	struct ch_policy p = {
		.class = ch_span_str(name),
		.required = 1u << CH_LINK_PLATFORM | 1u << CH_LINK_BOOT,
		.release = CH_RELEASE_AUTOMATIC,
		.on_stale = CH_RESPONSE_QUARANTINE,
		.interval = 600,
		.lifetime = 30 * 86400,
		.ek = CH_EK_ANY_ROOT,
		.token = true,
		.daily_mib = 64,
	};
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		p.on_break[i] = CH_RESPONSE_ALERT;
		p.max_age[i] = 3600;
	}
	p.on_break[CH_LINK_BOOT] = CH_RESPONSE_QUARANTINE;
	return p;
}

static void line_b64(struct world *w, const char *key, struct ch_span bytes)
{
	char text[4096];
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_wr_str(&t, key);
	ch_wr_str(&t, " ");
	ch_base64_put(&t, CH_BASE64_STD, bytes);
	ch_wr_str(&t, "\n");
	NEED(!t.bad);
	ch_buf_append(&w->config, ch_wr_span(&t));
}

void world_policy_add(struct world *w, const struct ch_policy *p)
{
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct ch_wr t = ch_wr(image, sizeof(image));
	NEED(ch_policy_put(&t, p) == CH_OK);
	line_b64(w, "policy", ch_wr_span(&t));
}

void world_line_add(struct world *w, const char *line)
{
	ch_buf_append(&w->config, ch_span_str(line));
	ch_buf_append(&w->config, CH_SPAN_LIT("\n"));
}

/* --- the signer --- */

/* Bytes that stand for a certificate: the keeper looks at their digest only. */
static void signer_issue(struct world *w, uint64_t id, struct ch_span payload, world_answers answer)
{
	struct ch_msg_issue m;
	uint8_t text[128];
	NEED(ch_msg_parse(CH_MSG_ISSUE, &m, payload, NULL) == CH_OK);
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_wr_str(&t, "certificate ");
	ch_wr_hex(&t, CH_SPAN_OF(m.subject));
	ch_wr_hex(&t, CH_SPAN_OF(m.serial));
	w->issued++;
	const struct ch_msg_issued a = { .not_after = m.now + m.lifetime, .certificate = ch_wr_span(&t) };
	answer(w, CH_MSG_ISSUED, id, &a);
}

static void signer_leaves(struct world *w, uint64_t id, struct ch_span payload, world_answers answer)
{
	struct ch_msg_leaves m;
	struct ch_tree_hash root;
	NEED(ch_msg_parse(CH_MSG_LEAVES, &m, payload, NULL) == CH_OK);
	struct ch_msg_checkpoint c = { .status = m.hashes.n > 0 && m.first != w->frontier.size };
	if (w->signer_fails)
		c.status = 2;
	for (size_t at = 0; c.status == 0 && at < m.hashes.n; at += 32) {
		struct ch_tree_hash h;
		(void)ch_span_copy(h.b, 32, ch_span_sub(m.hashes, at, 32));
		NEED(ch_frontier_append(&w->frontier, &h) == CH_OK);
	}
	NEED(ch_frontier_root(&w->frontier, &root) == CH_OK);
	c.size = w->frontier.size;
	(void)ch_span_copy(c.root, 32, ch_tree_hash_span(&root));
	c.note = CH_SPAN_LIT("note");
	answer(w, CH_MSG_CHECKPOINT, id, &c);
}

/* Stands for a list: the rows that were told. */
static void signer_revoke(struct world *w, uint64_t id, struct ch_span payload, world_answers answer)
{
	struct ch_msg_revoke m;
	NEED(ch_msg_parse(CH_MSG_REVOKE, &m, payload, NULL) == CH_OK);
	for (size_t at = 0; at < m.rows.n; at += CH_IPC_REVOKED) {
		struct ch_span row = ch_span_sub(m.rows, at, CH_IPC_REVOKED);
		if (!world_revoked(w, row.p))
			ch_buf_append(&w->revoked, row);
	}
	if (m.more != 0)
		return;
	const struct ch_msg_crl c = { .status = w->signer_fails,
				      .count = (uint32_t)(w->revoked.n / CH_IPC_REVOKED),
				      .number = ++w->lists,
				      .this_update = w->wall / 1000,
				      .next_update = w->wall / 1000 + 86400,
				      .list = w->signer_fails ? CH_SPAN_EMPTY : CH_SPAN_LIT("list") };
	answer(w, CH_MSG_CRL, id, &c);
}

/* Stands for an answer: "good", "revoked" or "unknown" of the first certificate. */
static void signer_ocsp(struct world *w, uint64_t id, struct ch_span payload, world_answers answer)
{
	struct ch_msg_ocsp_sign m;
	NEED(ch_msg_parse(CH_MSG_OCSP_SIGN, &m, payload, NULL) == CH_OK && m.ids.n >= CH_IPC_OCSP_ID);
	bool known = (m.ids.p[2] & CH_IPC_OCSP_KNOWN) != 0;
	const struct ch_msg_ocsp a = { .this_update = w->wall / 1000,
				       .next_update = w->wall / 1000 + 3600,
				       .answer = world_revoked(w, m.ids.p + 3) ? CH_SPAN_LIT("revoked")
						 : known                       ? CH_SPAN_LIT("good")
									       : CH_SPAN_LIT("unknown") };
	answer(w, CH_MSG_OCSP, id, &a);
}

bool world_revoked(const struct world *w, const uint8_t serial[static 20])
{
	for (size_t at = 0; at < w->revoked.n; at += CH_IPC_REVOKED) {
		if (ch_span_eq(ch_span(w->revoked.p + at, 20), ch_span(serial, 20)))
			return true;
	}
	return false;
}

void world_signer(struct world *w, const struct sent *s, world_answers answer)
{
	if (s->type == CH_MSG_ISSUE)
		signer_issue(w, s->id, ch_buf_span(&s->payload), answer);
	else if (s->type == CH_MSG_REVOKE)
		signer_revoke(w, s->id, ch_buf_span(&s->payload), answer);
	else if (s->type == CH_MSG_OCSP_SIGN)
		signer_ocsp(w, s->id, ch_buf_span(&s->payload), answer);
	else
		signer_leaves(w, s->id, ch_buf_span(&s->payload), answer);
}

static void call_answer(struct world *w, enum ch_msg type, uint64_t id, const void *msg)
{
	ch_keeper_message(w->keeper, CH_ROLE_SIGNER, 0, type, id, msg);
}

static bool signer_answer(struct world *w, size_t from)
{
	bool any = false;
	for (size_t i = from; i < w->sent_count; i++) {
		if (w->sent[i].to != CH_ROLE_SIGNER || w->signer_deaf)
			continue;
		any = true;
		world_signer(w, &w->sent[i], call_answer);
	}
	return any;
}

uint64_t world_say(struct world *w, enum ch_role from, enum ch_msg type, const void *msg)
{
	if (w->say != NULL)
		return w->say(w, from, type, msg);
	uint64_t id = ++w->ids;
	ch_keeper_message(w->keeper, from, 0, type, id, msg);
	return id;
}

void world_turn(struct world *w)
{
	size_t from;
	if (w->turn != NULL) {
		w->turn(w);
		return;
	}
	do {
		from = w->sent_count;
		ch_keeper_turn(w->keeper);
	} while (w->fatal[0] == '\0' && signer_answer(w, from));
}

void world_pass(struct world *w, uint64_t ms)
{
	w->wall += ms;
	w->mono += ms;
	(void)ch_keeper_tick(w->keeper);
	world_turn(w);
}

/* --- what came out --- */

unsigned world_answer(const struct world *w, uint64_t id, struct ch_span *body)
{
	for (size_t i = 0; i < w->sent_count; i++) {
		const struct sent *s = &w->sent[i];
		struct ch_msg_answer m;
		if (s->type != CH_MSG_ANSWER || s->id != id)
			continue;
		NEED(ch_msg_parse(CH_MSG_ANSWER, &m, ch_buf_span(&s->payload), NULL) == CH_OK);
		if (body != NULL)
			*body = m.body;
		return m.status;
	}
	return 0;
}

const struct sent *world_last(const struct world *w, enum ch_role to, enum ch_msg type)
{
	for (size_t i = w->sent_count; i > 0; i--) {
		if (w->sent[i - 1].to == to && w->sent[i - 1].type == type)
			return &w->sent[i - 1];
	}
	return NULL;
}

size_t world_count(const struct world *w, enum ch_role to, enum ch_msg type)
{
	size_t n = 0;
	for (size_t i = 0; i < w->sent_count; i++)
		n += w->sent[i].to == to && w->sent[i].type == type;
	return n;
}

int64_t world_number(struct world *w, const char *sql)
{
	struct ch_query q = ch_sql_query_text(w->store, sql, CH_NO_ARGS);
	int64_t v = ch_sql_next(&q) ? ch_sql_int(&q, 0) : -1;
	NEED(ch_sql_end(&q) == CH_OK);
	return v;
}

/* --- devices --- */

void unit_init(struct unit *u, uint8_t number)
{
	uint8_t point[65];
	size_t n;
	*u = (struct unit){ .class = "gateway", .clock = 1000, .resets = 1 };
	u->ak = EVP_EC_gen("P-256");
	NEED(u->ak != NULL);
	NEED(EVP_PKEY_get_octet_string_param(u->ak, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof(point), &n) ==
		     1 ||
	     EVP_PKEY_get_octet_string_param(u->ak, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n) == 1);
	NEED(n == 65 && point[0] == 4);
	memset(u->ek_sha256, number, sizeof(u->ek_sha256));
	memset(u->spki, number, sizeof(u->spki));
	/* TPM2B_PUBLIC of a restricted P-256 signing key (Part 2, 12.2.5). */
	uint8_t area[128];
	struct ch_wr w = ch_wr(area, sizeof(area));
	ch_wr_be16(&w, 0x0023); /* TPM_ALG_ECC */
	ch_wr_be16(&w, CH_HASH_SHA256);
	ch_wr_be32(&w, 0x00050072); /* restricted, sign, fixed, origin, with auth */
	ch_wr_be16(&w, 0);
	ch_wr_be16(&w, 0x0010);
	ch_wr_be16(&w, 0x0018); /* ECDSA */
	ch_wr_be16(&w, CH_HASH_SHA256);
	ch_wr_be16(&w, 0x0003); /* P-256 */
	ch_wr_be16(&w, 0x0010);
	ch_wr_be16(&w, 32);
	ch_wr_put(&w, ch_span(point + 1, 32));
	ch_wr_be16(&w, 32);
	ch_wr_put(&w, ch_span(point + 33, 32));
	struct ch_wr t = ch_wr(u->ak_public, sizeof(u->ak_public));
	ch_wr_be16(&t, (uint16_t)w.len);
	ch_wr_put(&t, ch_wr_span(&w));
	NEED(!t.bad);
	u->ak_public_n = t.len;
}

void unit_clear(struct unit *u)
{
	EVP_PKEY_free(u->ak);
}

uint64_t unit_pending(struct world *w, struct unit *u, enum ch_tier platform, const uint8_t secret[static 32])
{
	struct ch_msg_enrol_pending m = {
		.platform_tier = (uint8_t)platform,
		.ek_public = CH_SPAN_LIT("ek public"),
		.ek_cert = CH_SPAN_LIT("ek certificate"),
		.ak_public = ch_span(u->ak_public, u->ak_public_n),
		.key_spki = CH_SPAN_OF(u->spki),
		.class_name = ch_span_str(u->class),
		.hostname = CH_SPAN_LIT("unit"),
	};
	memset(m.enrol, u->ek_sha256[0], sizeof(m.enrol));
	(void)ch_span_copy(m.secret, 32, ch_span(secret, 32));
	(void)ch_span_copy(m.ek_sha256, 32, CH_SPAN_OF(u->ek_sha256));
	return world_say(w, CH_ROLE_VERIFY, CH_MSG_ENROL_PENDING, &m);
}

uint64_t unit_finish(struct world *w, struct unit *u, const uint8_t secret[static 32])
{
	struct ch_msg_enrol_finish m;
	memset(m.enrol, u->ek_sha256[0], sizeof(m.enrol));
	(void)ch_span_copy(m.secret, 32, ch_span(secret, 32));
	return world_say(w, CH_ROLE_VERIFY, CH_MSG_ENROL_FINISH, &m);
}

static struct ch_span json_string(struct ch_span json, const char *name, uint8_t *room, size_t cap)
{
	struct ch_json_node *node = ch_calloc(ch_json_nodes_max(json.n), sizeof(*node));
	struct ch_json j;
	size_t at;
	struct ch_span s = CH_SPAN_EMPTY;
	if (ch_json_parse(&j, json, node, ch_json_nodes_max(json.n), NULL) == CH_OK &&
	    ch_json_member(&j, 0, name, &at) == CH_OK)
		(void)!ch_json_str(&j, at, room, cap, &s);
	ch_free(node);
	return s;
}

void unit_take(struct unit *u, struct ch_span body)
{
	uint8_t room[8192], der[4096];
	size_t n;
	struct ch_span id = json_string(body, "device", room, sizeof(room));
	NEED(ch_hex_decode(u->id, sizeof(u->id), id) == CH_OK);
	struct ch_span pem = json_string(body, "certificate", room, sizeof(room));
	struct ch_digest h;
	NEED(ch_pem_decode(pem, "CERTIFICATE", der, sizeof(der), &n, NULL) == CH_OK);
	NEED(ch_hash_once(CH_HASH_SHA256, ch_span(der, n), &h) == CH_OK);
	(void)ch_span_copy(u->cert, 32, ch_digest_span(&h));
}

unsigned unit_enrol(struct world *w, struct unit *u, struct ch_span *body)
{
	uint8_t secret[32];
	struct ch_span text = CH_SPAN_EMPTY;
	memset(secret, 0x5e, sizeof(secret));
	uint64_t id = unit_pending(w, u, CH_TIER_AFFIRMING, secret);
	world_turn(w);
	unsigned status = world_answer(w, id, &text);
	if (status == 200) {
		id = unit_finish(w, u, secret);
		world_turn(w);
		status = world_answer(w, id, &text);
		if (status == 201)
			unit_take(u, text);
	}
	if (body != NULL)
		*body = text;
	return status;
}

bool unit_challenge(struct world *w, struct unit *u, uint8_t nonce[static 32])
{
	uint8_t room[256];
	struct ch_span body;
	struct ch_msg_request m = { .path = CH_SPAN_LIT("/v1/challenge") };
	(void)ch_span_copy(m.device, 16, CH_SPAN_OF(u->id));
	uint64_t id = world_say(w, CH_ROLE_EDGE, CH_MSG_REQUEST, &m);
	world_turn(w);
	if (world_answer(w, id, &body) != 200)
		return false;
	NEED(ch_hex_decode(nonce, 32, json_string(body, "nonce", room, sizeof(room))) == CH_OK);
	return true;
}

/* TPMS_ATTEST of a quote over this nonce. */
static size_t quote_make(struct unit *u, const uint8_t *nonce, uint8_t *to, size_t cap)
{
	struct ch_wr w = ch_wr(to, cap);
	ch_wr_be32(&w, CH_TPM_GENERATED_VALUE);
	ch_wr_be16(&w, CH_TPM_ST_ATTEST_QUOTE);
	put_2b(&w, 34, 0x0b);
	ch_wr_be16(&w, 32);
	ch_wr_put(&w, ch_span(nonce, 32));
	ch_wr_be64(&w, u->clock += 1000);
	ch_wr_be32(&w, u->resets);
	ch_wr_be32(&w, 0);
	ch_wr_u8(&w, 1);
	ch_wr_be64(&w, 1);
	ch_wr_be32(&w, 1);
	put_select(&w, CH_HASH_SHA256, 0x7fff);
	put_2b(&w, 32, 0x77);
	NEED(!w.bad);
	return w.len;
}

/* TPMT_SIGNATURE by a P-256 key. */
static size_t sign(EVP_PKEY *key, struct ch_span msg, uint8_t *to, size_t cap)
{
	uint8_t der[128], number[32];
	size_t n = sizeof(der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	NEED(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1);
	NEED(EVP_DigestSign(ctx, der, &n, msg.p, msg.n) == 1);
	EVP_MD_CTX_free(ctx);
	const uint8_t *p = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	struct ch_wr w = ch_wr(to, cap);
	ch_wr_be16(&w, 0x0018);
	ch_wr_be16(&w, CH_HASH_SHA256);
	const BIGNUM *part[2] = { ECDSA_SIG_get0_r(sig), ECDSA_SIG_get0_s(sig) };
	for (size_t i = 0; i < 2; i++) {
		NEED(BN_bn2binpad(part[i], number, 32) == 32);
		ch_wr_be16(&w, 32);
		ch_wr_put(&w, CH_SPAN_OF(number));
	}
	ECDSA_SIG_free(sig);
	NEED(!w.bad);
	return w.len;
}

void unit_make(struct unit *u, const struct evidence *e)
{
	uint8_t quote[256], sig[128];
	size_t n = quote_make(u, e->nonce, quote, sizeof(quote));
	(void)sign(u->ak, ch_span(quote, n), sig, sizeof(sig));
}

uint64_t unit_say(struct world *w, struct unit *u, const struct evidence *e)
{
	uint8_t quote[256], sig[128];
	size_t quote_n = quote_make(u, e->nonce, quote, sizeof(quote));
	size_t sig_n = sign(e->other_ak != NULL ? e->other_ak : u->ak, ch_span(quote, quote_n), sig, sizeof(sig));
	struct ch_digest list = { 0 };
	NEED(ch_hash_once(CH_HASH_SHA256, e->ima, &list) == CH_OK);
	struct ch_msg_commit m = {
		.history = e->history,
		.collected = w->wall / 1000,
		.generation = e->generation != 0 ? e->generation : w->generation,
		.pinned = e->pinned,
		.clock = u->clock,
		.idempotency_key = e->key != NULL ? ch_span_str(e->key) : CH_SPAN_EMPTY,
		.msg = ch_span(quote, quote_n),
		.sig = ch_span(sig, sig_n),
		.result = CH_SPAN_LIT("{}"),
		.reasons = ch_span_str(e->reasons != NULL ? e->reasons : "[]"),
		.after = e->after,
		.eventlog = ch_span_sub(e->eventlog, (size_t)e->log_from, e->eventlog.n - (size_t)e->log_from),
		.log_from = e->log_from,
		.ima = ch_span_sub(e->ima, (size_t)e->ima_from, e->ima.n - (size_t)e->ima_from),
		.ima_from = e->ima_from,
		.releases = e->releases,
		.unexplained = e->unexplained != NULL ? ch_span_str(e->unexplained) : CH_SPAN_EMPTY,
	};
	if (e->ostree != NULL)
		(void)ch_span_copy(m.ostree, 32, ch_span(e->ostree, 32));
	(void)ch_span_copy(m.ima_sha256, 32, ch_digest_span(&list));
	m.links[CH_LINK_BOOT] = (uint8_t)e->boot;
	m.links[CH_LINK_OS] = (uint8_t)e->os;
	m.links[CH_LINK_PLATFORM] = CH_TIER_AFFIRMING;
	(void)ch_span_copy(m.device, 16, CH_SPAN_OF(u->id));
	(void)ch_span_copy(m.cert_sha256, 32, CH_SPAN_OF(u->cert));
	(void)ch_span_copy(m.nonce, 32, ch_span(e->nonce, 32));
	return world_say(w, CH_ROLE_VERIFY, CH_MSG_COMMIT, &m);
}

unsigned unit_attest(struct world *w, struct unit *u, enum ch_tier boot, struct ch_span *body)
{
	uint8_t nonce[32];
	if (!unit_challenge(w, u, nonce))
		return 403;
	const struct evidence e = { .nonce = nonce, .boot = boot, .eventlog = CH_SPAN_LIT("event log") };
	uint64_t id = unit_say(w, u, &e);
	world_turn(w);
	return world_answer(w, id, body);
}

uint64_t unit_renew(struct world *w, struct unit *u, uint8_t new_key)
{
	uint8_t certify[256], sig[128];
	struct ch_wr t = ch_wr(certify, sizeof(certify));
	put_attest_head(&t, CH_TPM_ST_ATTEST_CERTIFY);
	put_2b(&t, 34, 0x0b);
	put_2b(&t, 34, 0x0c);
	size_t sig_n = sign(u->ak, ch_wr_span(&t), sig, sizeof(sig));
	memset(u->spki, new_key, sizeof(u->spki));
	struct ch_msg_renew m = { .key_spki = CH_SPAN_OF(u->spki),
				  .certify = ch_wr_span(&t),
				  .certify_sig = ch_span(sig, sig_n) };
	(void)ch_span_copy(m.device, 16, CH_SPAN_OF(u->id));
	(void)ch_span_copy(m.cert_sha256, 32, CH_SPAN_OF(u->cert));
	return world_say(w, CH_ROLE_VERIFY, CH_MSG_RENEW, &m);
}

/* --- operators --- */

void boss_init(struct boss *b, const char *name)
{
	struct ch_digest h;
	*b = (struct boss){ 0 };
	(void)snprintf(b->name, sizeof(b->name), "%s", name);
	b->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	NEED(b->key != NULL);
	uint8_t *p = b->spki;
	int n = i2d_PUBKEY(b->key, NULL);
	NEED(n > 0 && (size_t)n <= sizeof(b->spki) && i2d_PUBKEY(b->key, &p) == n);
	b->spki_n = (size_t)n;
	NEED(ch_hash_once(CH_HASH_SHA256, ch_span(b->spki, b->spki_n), &h) == CH_OK);
	(void)ch_span_copy(b->id, 32, ch_digest_span(&h));
}

void boss_clear(struct boss *b)
{
	EVP_PKEY_free(b->key);
}

void boss_add(struct world *w, const struct boss *b, const char *role)
{
	char text[512];
	struct ch_wr t = ch_wr(text, sizeof(text));
	ch_wr_str(&t, "operator ");
	ch_wr_str(&t, b->name);
	ch_wr_str(&t, " ");
	ch_wr_str(&t, role);
	ch_wr_str(&t, " ");
	ch_wr_hex(&t, CH_SPAN_OF(b->id));
	ch_wr_str(&t, " ");
	ch_base64_put(&t, CH_BASE64_STD, ch_span(b->spki, b->spki_n));
	ch_wr_str(&t, "\n");
	NEED(!t.bad);
	ch_buf_append(&w->config, ch_wr_span(&t));
}

size_t boss_text(struct world *w, uint8_t *to, size_t cap, enum ch_verb verb, const char *subject,
		 struct ch_span payload)
{
	struct ch_digest h;
	struct ch_action a = { .verb = verb,
			       .subject = ch_span_str(subject),
			       .has_payload = payload.n > 0,
			       .reason = CH_SPAN_LIT("because"),
			       .time = w->wall / 1000 };
	uint64_t unique = ++w->ids;
	for (size_t i = 0; i < 8; i++)
		a.nonce[i] = (uint8_t)(unique >> (8 * i));
	if (payload.n > 0) {
		NEED(ch_hash_once(CH_HASH_SHA256, payload, &h) == CH_OK);
		(void)ch_span_copy(a.payload, 32, ch_digest_span(&h));
	}
	struct ch_wr t = ch_wr(to, cap);
	NEED(ch_action_put(&t, &a) == CH_OK);
	return t.len;
}

uint64_t boss_say_text(struct world *w, struct ch_span text, struct ch_span payload, struct boss *const *by,
		       size_t count)
{
	uint8_t rows[1024];
	struct ch_wr t = ch_wr(rows, sizeof(rows));
	for (size_t i = 0; i < count; i++) {
		uint8_t sig[64];
		size_t n = sizeof(sig);
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		NEED(EVP_DigestSignInit(ctx, NULL, NULL, NULL, by[i]->key) == 1);
		NEED(EVP_DigestSign(ctx, sig, &n, text.p, text.n) == 1);
		EVP_MD_CTX_free(ctx);
		ch_wr_put(&t, CH_SPAN_OF(by[i]->id));
		ch_wr_u8(&t, (uint8_t)n);
		ch_wr_put(&t, CH_SPAN_OF(sig));
	}
	const struct ch_msg_action m = { .action = text, .signatures = ch_wr_span(&t), .payload = payload };
	return world_say(w, CH_ROLE_VERIFY, CH_MSG_ACTION, &m);
}

uint64_t boss_say(struct world *w, enum ch_verb verb, const char *subject, struct ch_span payload,
		  struct boss *const *by, size_t count)
{
	uint8_t text[4096];
	size_t n = boss_text(w, text, sizeof(text), verb, subject, payload);
	return boss_say_text(w, ch_span(text, n), payload, by, count);
}
