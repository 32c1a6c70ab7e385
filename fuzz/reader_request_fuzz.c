/* SPDX-License-Identifier: Apache-2.0 */
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

/* --- a store: two devices, one of them cut off, what they sent, what operators decided, a log --- */

#define ID_A "x'11111111111111111111111111111111'"
#define ID_B "x'22222222222222222222222222222222'"
#define SHA  "x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'"
#define ABC  "x'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'"
#define FACTS                                                                                                                   \
	"{\"link\":\"boot\",\"tier\":\"contraindicated\",\"code\":\"event-unexplained\",\"text\":\"x\",\"event\":14,\"pcr\":9," \
	"\"type\":\"EV_IPL\",\"measured\":\"m\",\"expected_what\":\"e\",\"digest\":\"00\",\"expected\":\"01\",\"from_name\":\"b\"}"
#define NOTE  "{\"link\":\"boot\",\"tier\":\"none\",\"code\":\"note\"}"
#define FILE_ "{\"link\":\"os\",\"tier\":\"warning\",\"code\":\"other\",\"entry\":3}"
#define FOUR \
	"{\"link\":\"boot\",\"code\":\"pcr-1\"},{\"link\":\"boot\",\"code\":\"nonce\"},{\"link\":\"boot\"},{\"link\":\"boot\",\"code\":7}"
#define MORE FOUR "," FOUR

static const char *const rows[] = {
	"INSERT INTO device VALUES (0, 1, " ID_A ", 'gateway', 'gw-1', 3, 2, 1790000000000, 2, 1780000000000, 1, "
	"1790000000000, 1, 1790003600000, 1790000000000, 5, 0)",
	"INSERT INTO device VALUES (0, 2, " ID_B
	", 'gateway', '', 4, 96, 1790000000000, 2, 1780000000000, 3, 1700000000000, 0, 0, 0, 0, 0)",
	"INSERT INTO device VALUES (0, 3, x'33333333333333333333333333333333', 'none', 'a\x1b', 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
	"INSERT INTO device VALUES (0, 5, x'55555555555555555555555555555555', 'gateway', 'new', 4, 96, 1790000059000, 2, "
	"1780000000000, 0, 0, 0, 0, 0, 0, 0)",
	"INSERT INTO device VALUES (0, 4, x'44444444444444444444444444444444', 'gateway', 'old', 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
	"INSERT INTO result VALUES (0, 1, 0, 2, 1790000000000, 1790000000000, 1, 1)",
	"INSERT INTO result VALUES (0, 1, 1, 32, 1790000000000, 1790000000000, 1, 1)",
	"INSERT INTO result VALUES (0, 2, 0, 2, 1700000000000, 1700000000000, 3, 1)",
	"INSERT INTO result VALUES (0, 2, 1, 96, 1700000000000, 1700000000000, 3, 1)",
	"INSERT INTO result VALUES (0, 2, 2, 32, 1700000000000, 1700000000000, 3, 1)",
	"INSERT INTO result VALUES (0, 2, 7, 96, 0, 0, 0, 0)",
	"INSERT INTO result VALUES (0, 5, 0, 2, 1789996470000, 1789996470000, 1, 1)",
	"INSERT INTO evidence VALUES (0, 1, 1, 1790000000000, 0, 1, 1, 2, x'0220', x'00', x'01', x'02', " SHA
	", 0, " SHA ", 0, 1, '{\"a\":1}', '[]', 1, 0)",
	"INSERT INTO evidence VALUES (0, 3, 2, 1700000000000, 0, 1, 1, 96, x'02600000000000', x'00', x'01', x'02', " SHA
	", 9, " SHA ", 9, 1, '{}', 'no', 0, 0)",
	"INSERT INTO evidence VALUES (0, 4, 2, 1700000000000, 5, 0, 1, 96, x'', x'', x'', x'', x'aa', 2, x'bb', 3, 1, 'no', "
	"'[7," FACTS "," NOTE "," FILE_ "," MORE "," MORE "," MORE "]', 1, 1)",
	"INSERT INTO evidence VALUES (0, 5, 2, 1700000000000, 5, 0, 1, 96, x'', x'', x'', x'', x'aa', 2, " ABC
	", 3, 1, '{}', '[7," FACTS "," NOTE "," FILE_ "," MORE "," MORE "," MORE "]', 1, 1)",
	"INSERT INTO blob VALUES (0, 1, x'aa', 2, 0, x'6162')",
	"INSERT INTO blob VALUES (0, 2, x'ab', 3, 0, x'616263')",
	"INSERT INTO chunk VALUES (0, 1, 2, 1, 1, 0, 3, 2)",
	"INSERT INTO ak VALUES (0, 1, 1, 1, x'00', x'00', x'0123', 0, 0)",
	"INSERT INTO intent VALUES (0, 1, 2, 1, x'', 'boot', 1700000000000, 1700000000005, 1, 2)",
	"INSERT INTO intent VALUES (0, 2, 1, 1, x'', 'boot', 1700000000000, 0, 1, 2)",
	"INSERT INTO certificate VALUES (0, 1, 1, " SHA ", x'01', x'00', x'00', 1, 2, 1, 0, NULL)",
	"INSERT INTO alias VALUES (0, 1, 1, 1, x'00', 1, 0)",
	"INSERT INTO alias VALUES (0, 2, 1, 2, 'gw-1', 1, 2)",
	"INSERT INTO pinned VALUES (0, 1, 1, " SHA ", '{\"p\":1}', 1, 0, 1)",
	"INSERT INTO leaf VALUES (0, 0, 1, 1790000000000, 1, x'00', '{\"r\":1}', x'0102', x'00')",
	"INSERT INTO leaf VALUES (0, 1, 2, 1790000000000, 0, NULL, NULL, x'0103', x'00')",
	"INSERT INTO tile VALUES (0, 0, 0, 2, zeroblob(64))",
	"INSERT INTO checkpoint VALUES (0, 1, 3, " SHA ", 'log\n3\n\n', 1790000000000)",
	"INSERT INTO action VALUES (0, 1, " SHA ", 'device.release', 'x', 'y', x'00', x'0102', 1, 0, 2, '')",
	"INSERT INTO action VALUES (0, 2, x'00', 'ek.deny', 'x', 'y', x'00', x'', 1, 1, 1, '')",
	"INSERT INTO action_signature VALUES (0, 1, x'aa', x'00', 1)",
	"INSERT INTO operator VALUES (0, 1, x'aa', 'admin', 5, 1, x'', x'', x'', 9, 1, 0)",
	"INSERT INTO ek_list VALUES (0, " SHA ", 1, 'gateway', 1, 1)",
	"INSERT INTO ek_list VALUES (0, x'ff', 2, '', 1, 1)",
	"INSERT INTO generation VALUES (0, 1, 1, x'0001', " SHA ")",
	"INSERT INTO reference VALUES (0, 1, 'gateway', " SHA ", x'00', 1, 1, 0, 0)",
	"INSERT INTO fleet_root VALUES (0, 1, 'root', " SHA ", 1, 1)",
};

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
	struct ch_query q = ch_sql_query_text(st, "INSERT INTO class VALUES (0, 'gateway', $1, 1, 1)",
					      CH_ARGS(ch_bytes(ch_wr_span(&w))));
	(void)ch_sql_next(&q);
	CHECK(ch_sql_end(&q) == CH_OK);
	ch_sql_text(st, "INSERT INTO class VALUES (0, 'broken', x'00', 1, 1)");
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
	for (size_t i = 0; i < CH_COUNT_OF(rows); i++)
		ch_sql_text(st, rows[i]);
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
	else if (ch_span_eq(a->type, CH_SPAN_LIT("application/json")) && a->body.n > 0)
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
	static const struct ch_reader_env env = { take, clock_ms, clock_ms, NULL };
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
		{ "before=", number_holds }, { "limit=", number_holds }, { "state=", word_holds },
		{ "chain=", word_holds },    { "class=", word_holds },
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
				    .query = query };
	answers = 0;
	asked = 0;
	ch_reader_request(reader, 3, 7, &m);
	if (asked != 0) {
		CHECK(answers == 0);
		signer_answers();
	}
	CHECK(answers == 1 && (status == 200 || status == 400 || status == 404 || status == 410));
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
