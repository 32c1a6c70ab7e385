/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/reader_rows.h"
#include "host/crypto_openssl/backend.h"
#include "host/store/schema.h"
#include "server/ipc/routes.h"
#include "server/reader/reader.h"

#include "core/base/text.h"
#include "core/trust/policy.h"
#include "core/wire/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * "/path?query" is asked for as an edge does, on each listener that has such a page; with another first byte that byte chooses the
 * page, as an edge that was taken over could. Every request has exactly one answer, of a status that the request can have; an error is
 * JSON that names a rule; a query that was taken has only what pages know, once, in the form that it may have.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

#define NODES 65536

static char folder[64], file[96];
static struct ch_reader *reader;
static unsigned answers, status;
static uint64_t asked; /* id of a question to the signer; 0: none */
static enum ch_msg asked_type;

/* --- a store --- */

static void put_class(struct ch_store *st)
{
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct ch_wr w = ch_wr(image, sizeof(image));
	struct ch_policy p = { .class = CH_SPAN_LIT("gateway"),
			       .required = 1u << CH_LINK_PLATFORM | 1u << CH_LINK_BOOT | 1u << CH_LINK_SBOM,
			       .release = CH_RELEASE_AUTOMATIC,
			       .on_stale = CH_RESPONSE_QUARANTINE,
			       .interval = 600,
			       .lifetime = 30 * 86400,
			       .two_signatures = 1,
			       .ek = CH_EK_ANY_ROOT,
			       .token = true,
			       .daily_mib = 64 };
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		p.on_break[i] = CH_RESPONSE_ALERT;
		p.max_age[i] = 3600;
	}
	CHECK(ch_policy_put(&w, &p) == CH_OK);
	struct ch_query q =
		ch_sql_query_text(st, CLASS_ROW "(0, 'gateway', $1, 1, 1)", CH_ARGS(ch_bytes(ch_wr_span(&w))));
	(void)ch_sql_next(&q);
	CHECK(ch_sql_end(&q) == CH_OK);
	ch_sql_text(st, CLASS_ROW "(0, 'broken', x'00', 1, 1)");
}

static void remove_store(void)
{
	static const char *const end[] = { "", "-wal", "-shm" };
	char path[112];
	for (size_t i = 0; i < CH_COUNT_OF(end); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", file, end[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
}

static struct ch_store *open_store(enum ch_store_mode mode)
{
	char why[CH_STORE_WHY];
	struct ch_store *st = NULL;
	const struct ch_store_config config = {
		.path = file, .mode = mode, .sql = ch_reader_sql, .sql_count = ch_reader_sql_count
	};
	CHECK(ch_store_open(&st, &config, why) == CH_OK);
	return st;
}

static void make_store(void)
{
	(void)snprintf(folder, sizeof(folder), "%s/chainhold-reader-XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(folder) != NULL);
	(void)snprintf(file, sizeof(file), "%s/store", folder);
	CHECK(atexit(remove_store) == 0);
	struct ch_store *st = open_store(CH_STORE_WRITE);
	CHECK(ch_schema_migrate(st, CH_SCHEMA_APPLY, 1, NULL, NULL) == CH_OK);
	ch_store_begin(st);
	put_class(st);
	for (size_t i = 0; i < CH_COUNT_OF(reader_rows); i++)
		ch_sql_text(st, reader_rows[i]);
	if (ch_store_commit(st) != CH_OK) {
		(void)fprintf(stderr, "the rows are not of this schema: %s\n", ch_store_why(st));
		abort();
	}
	ch_store_close(st);
}

/* --- the other processes --- */

static void check_error(struct ch_span body)
{
	struct ch_json json;
	static struct ch_json_node node[64];
	size_t error, at;
	CHECK(ch_json_parse(&json, body, node, CH_COUNT_OF(node), NULL) == CH_OK);
	CHECK(ch_json_member(&json, 0, "error", &error) == CH_OK);
	CHECK(ch_json_member(&json, error, "code", &at) == CH_OK && ch_json_type(&json, at) == CH_JSON_STRING);
	CHECK(ch_json_member(&json, error, "rule", &at) == CH_OK && ch_json_type(&json, at) == CH_JSON_STRING);
}

static bool artifact(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_artifact *m)
{
	(void)ctx;
	(void)edge;
	(void)id;
	(void)m;
	return false; /* there is none */
}

static enum ch_err packed(void *ctx, unsigned edge, uint64_t id, const struct ch_msg_artifact *pack,
			  const uint8_t commit[static 32], struct ch_span path)
{
	(void)ctx;
	(void)edge;
	(void)id;
	(void)pack;
	(void)commit;
	(void)path;
	return CH_ERR_NOTFOUND;
}

static void take(void *ctx, enum ch_role to, unsigned index, enum ch_msg type, uint64_t id, const void *msg)
{
	static struct ch_json_node node[NODES];
	struct ch_json json;
	(void)ctx;
	if (to == CH_ROLE_SIGNER) {
		asked = id;
		asked_type = type;
		return;
	}
	const struct ch_msg_answer *a = msg;
	CHECK(to == CH_ROLE_EDGE && index == 3 && type == CH_MSG_ANSWER && id == 7);
	answers++;
	status = a->status;
	if (status >= 400)
		check_error(a->body);
	else if ((ch_span_eq(a->type, CH_SPAN_LIT("application/json")) ||
		  ch_span_eq(a->type, CH_SPAN_LIT("application/hal+json"))) &&
		 a->body.n > 0)
		CHECK(ch_json_parse(&json, a->body, node, NODES, NULL) == CH_OK);
}

static uint64_t clock_ms(void *ctx)
{
	(void)ctx;
	return 1790000060000;
}

static void signer_answers(void)
{
	const struct ch_msg_ear ear = { .jwt = CH_SPAN_LIT("a.b.c") };
	const struct ch_msg_keys keys = { .jwks = CH_SPAN_LIT("{\"keys\":[]}") };
	uint64_t id = asked;
	asked = 0;
	if (asked_type == CH_MSG_EAR_SIGN)
		ch_reader_signed(reader, CH_MSG_EAR, id, &ear);
	else
		ch_reader_signed(reader, CH_MSG_KEYS, id, &keys);
}

static void start(void)
{
	static const struct ch_reader_env env = { take, clock_ms, clock_ms, NULL, artifact, packed };
	CHECK(ch_crypto_openssl_init() == CH_OK);
	make_store();
	reader = ch_reader_new(&env, CH_SPAN_LIT("log"));
	ch_reader_store(reader, open_store(CH_STORE_READ));
}

/* --- what a query may be, said in another way --- */

static bool word_holds(const char *s)
{
	return *s != '\0' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0';
}

static bool number_holds(const char *s)
{
	size_t n = strlen(s);
	return n > 0 && strspn(s, "0123456789") == n && (n < 19 || (n == 19 && strcmp(s, "9223372036854775807") <= 0));
}

static bool pair_holds(unsigned route, const char *pair)
{
	static const struct {
		const char *name;
		bool (*holds)(const char *s);
	} row[] = {
		{ "before=", number_holds },        { "limit=", number_holds }, { "state=", word_holds },
		{ "chain=", word_holds },           { "class=", word_holds },   { "device=", word_holds },
		{ "actionHistory=", number_holds },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		if (strncmp(pair, row[i].name, strlen(row[i].name)) == 0)
			return row[i].holds(pair + strlen(row[i].name));
	}
	/* A place in a list is a number, but for the one of endorsement keys. */
	return strncmp(pair, "after=", 6) == 0 && (route == CH_ROUTE_EKS ? word_holds : number_holds)(pair + 6);
}

static void check_query(unsigned route, struct ch_span query)
{
	char text[256], *at = text, *pair, *seen[8] = { NULL };
	if (query.n == 0 || query.n >= sizeof(text))
		return;
	text[ch_span_copy(text, sizeof(text) - 1, query)] = '\0';
	CHECK(strlen(text) == query.n);
	for (size_t n = 0; (pair = strsep(&at, "&")) != NULL; n++) {
		/* What comes after the last & may be nothing. */
		if (at == NULL && *pair == '\0')
			break;
		CHECK(n < CH_COUNT_OF(seen) && pair_holds(route, pair));
		for (size_t i = 0; i < n; i++)
			CHECK(strncmp(pair, seen[i], strcspn(pair, "=") + 1) != 0);
		seen[n] = pair;
	}
}

/* --- */

static void ask(unsigned route, struct ch_span path, struct ch_span query)
{
	struct ch_msg_request m = { .route = (uint16_t)route,
				    .role = CH_OPERATOR_VIEWER,
				    .device = { 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
						0x11, 0x11, 0x11, 0x11 },
				    .path = path,
				    .host = CH_SPAN_LIT("localhost:8443"),
				    .query = query };
	answers = 0;
	asked = 0;
	ch_reader_request(reader, 3, 7, &m);
	if (asked != 0) {
		CHECK(answers == 0);
		signer_answers();
	}
	/* 403: the path names another device. 503: an artefact that has no hash, or no file: there are none here. */
	bool other = status == 403 && ch_route_ddi(route);
	bool file = status == 503 && (ch_route_ddi(route) || route == CH_ROUTE_ARTIFACT || route == CH_ROUTE_OSTREE);
	CHECK(answers == 1 && (status == 200 || status == 400 || status == 404 || status == 410 || other || file));
	CHECK(ch_reader_tick(reader) == 0);
	if (status == 200)
		check_query(route, query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (reader == NULL)
		start();
	if (size == 0 || size > 2 * CH_IPC_TEXT_MAX)
		return 0;
	const uint8_t *mark = memchr(data, '?', size);
	bool chosen = data[0] != '/';
	size_t path_n = mark != NULL ? (size_t)(mark - data) : size;
	size_t from = chosen && path_n > 0 ? 1 : 0;
	size_t query_n = mark != NULL ? size - path_n - 1 : 0;
	/* Each in memory of its own: a byte past its end is seen. */
	uint8_t *path = malloc(path_n - from > 0 ? path_n - from : 1), *query = malloc(query_n > 0 ? query_n : 1);
	CHECK(path != NULL && query != NULL);
	struct ch_span p = ch_span(path, ch_span_copy(path, path_n - from, ch_span(data + from, path_n - from)));
	struct ch_span q = ch_span(query, query_n > 0 ? ch_span_copy(query, query_n, ch_span(mark + 1, query_n)) : 0);
	if (chosen)
		ask(data[0] % (CH_ROUTE_COUNT + 1u), p, q);
	for (int l = 0; l < CH_LISTENER_COUNT && !chosen; l++) {
		enum ch_route_number route;
		if (ch_route_find((enum ch_listener)l, CH_SPAN_LIT("GET"), p, &route) == CH_OK &&
		    ch_routes[route].process == CH_ROLE_READER)
			ask(route, p, q);
	}
	free(path);
	free(query);
	return 0;
}
