/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reader/reader.h"

#include "core/wire/json.h"
#include "server/ipc/routes.h"
#include "tests/server/keeper/world.h"
#include "tests/unit.h"

#include "host/crypto_openssl/backend.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * The reader over a store that a real keeper wrote, with edge and signer played. What a whole server answers is validated by
 * tests/system/test_operator_api.py; here is what only a played world can do: no store, a signer that is silent, time that is up.
 */

#define ANSWERS_MAX 16
#define BODY_MAX    65536

struct answer {
	unsigned index, status, retry_after;
	uint64_t id;
	char type[64];
	char body[BODY_MAX];
};

static struct world world;
static struct unit unit;
static struct ch_reader *reader;
static struct ch_store *store;
static struct answer answer[ANSWERS_MAX];
static size_t answers;
static uint64_t mono, step; /* the clock, and what each look at it adds */
static uint64_t asked;      /* id of the last question to the signer; 0: none */
static enum ch_msg asked_type;

/* --- the environment --- */

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
	(void)ctx;
	if (to == CH_ROLE_SIGNER) {
		asked = id;
		asked_type = type;
		return;
	}
	const struct ch_msg_answer *m = msg;
	assert_int_equal(to, CH_ROLE_EDGE);
	assert_int_equal(type, CH_MSG_ANSWER);
	assert_true(answers < ANSWERS_MAX && m->body.n < BODY_MAX);
	struct answer *a = &answer[answers++];
	*a = (struct answer){ .index = index, .status = m->status, .retry_after = m->retry_after, .id = id };
	(void)ch_span_copy(a->type, sizeof(a->type) - 1, m->type);
	(void)ch_span_copy(a->body, sizeof(a->body) - 1, m->body);
}

static uint64_t wall_ms(void *ctx)
{
	(void)ctx;
	return world.wall;
}

static uint64_t mono_ms(void *ctx)
{
	(void)ctx;
	mono += step;
	return mono;
}

static int setup(void **state)
{
	(void)state;
	const struct ch_policy p = world_policy("gateway");
	char why[CH_STORE_WHY];
	struct ch_span body;
	world_init(&world);
	world_policy_add(&world, &p);
	assert_true(world_start(&world));
	unit_init(&unit, 1);
	assert_int_equal(unit_enrol(&world, &unit, &body), 201);
	assert_int_equal(unit_attest(&world, &unit, CH_TIER_AFFIRMING, &body), 200);
	const struct ch_store_config config = {
		.path = world.path, .mode = CH_STORE_READ, .sql = ch_reader_sql, .sql_count = ch_reader_sql_count
	};
	assert_int_equal(ch_store_open(&store, &config, why), CH_OK);
	assert_int_equal(ch_store_check(store), CH_OK);
	const struct ch_reader_env env = { take, wall_ms, mono_ms, NULL, artifact, packed };
	reader = ch_reader_new(&env, CH_SPAN_LIT("test/log"));
	ch_reader_store(reader, store);
	answers = 0;
	asked = 0;
	mono = 1000;
	step = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ch_reader_free(reader);
	ch_store_close(store);
	unit_clear(&unit);
	world_clear(&world);
	return 0;
}

static void ask(enum ch_route_number route, const char *path, const char *query, uint64_t id)
{
	struct ch_msg_request m = { .route = (uint16_t)route,
				    .role = CH_OPERATOR_VIEWER,
				    .path = ch_span_str(path),
				    .query = ch_span_str(query),
				    .deadline_ms = 30000 };
	(void)ch_span_copy(m.device, sizeof(m.device), CH_SPAN_OF(unit.id));
	ch_reader_request(reader, 3, id, &m);
}

/* The only answer so far, with this status. */
static const struct answer *only(unsigned status)
{
	assert_int_equal(answers, 1);
	assert_int_equal(answer[0].index, 3);
	if (answer[0].status != status)
		fail_msg("%u: %s", answer[0].status, answer[0].body);
	answers = 0;
	return &answer[0];
}

static void device_path(char to[static 128], const char *rest)
{
	char hex[33] = "";
	struct ch_wr w = ch_wr(hex, 32);
	ch_wr_hex(&w, CH_SPAN_OF(unit.id));
	(void)snprintf(to, 128, "/api/v1/devices/%s%s", hex, rest);
}

static void is_json(const char *text)
{
	struct ch_json j;
	struct ch_json_node *node = calloc(ch_json_nodes_max(strlen(text)), sizeof(*node));
	assert_int_equal(ch_json_parse(&j, ch_span_str(text), node, ch_json_nodes_max(strlen(text)), NULL), CH_OK);
	free(node);
}

/* --- tests --- */

static void every_page_answers_json_once(void **state)
{
	(void)state;
	static const struct {
		enum ch_route_number route;
		const char *path;
	} page[] = {
		{ CH_ROUTE_STATUS, "/api/v1/status" },   { CH_ROUTE_DEVICES, "/api/v1/devices" },
		{ CH_ROUTE_ACTIONS, "/api/v1/actions" }, { CH_ROUTE_OPERATORS_LIST, "/api/v1/operators" },
		{ CH_ROUTE_EKS, "/api/v1/eks" },         { CH_ROUTE_CLASSES, "/api/v1/classes" },
		{ CH_ROUTE_AUDIT, "/api/v1/audit" },     { CH_ROUTE_DEVICE_STATUS, "/v1/status" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(page); i++) {
		ask(page[i].route, page[i].path, "", 10 + i);
		const struct answer *a = only(200);
		assert_int_equal(a->id, 10 + i);
		assert_string_equal(a->type, "application/json");
		is_json(a->body);
	}
}

static void a_device_reads_its_own_status_only(void **state)
{
	(void)state;
	ask(CH_ROUTE_DEVICE_STATUS, "/v1/status", "", 1);
	assert_non_null(strstr(only(200)->body, "\"state\":\"trusted\",\"chain\":\"affirming\""));
	unit.id[0] ^= 1;
	ask(CH_ROUTE_DEVICE_STATUS, "/v1/status", "", 2);
	(void)only(404);
	unit.id[0] ^= 1;
}

static void without_a_store_nothing_is_known_yet(void **state)
{
	(void)state;
	ch_reader_store(reader, NULL);
	ask(CH_ROUTE_STATUS, "/api/v1/status", "", 1);
	assert_int_equal(only(503)->retry_after, 1);
	ch_reader_store(reader, store);
	ask(CH_ROUTE_STATUS, "/api/v1/status", "", 2);
	(void)only(200);
}

static void a_route_that_is_not_the_readers_is_not_found(void **state)
{
	(void)state;
	ask(CH_ROUTE_CHALLENGE, "/v1/challenge", "", 1);
	(void)only(404);
	ask(CH_ROUTE_COUNT, "/", "", 2);
	(void)only(404);
	ask((enum ch_route_number)65535, "/", "", 3);
	(void)only(404);
}

static void a_query_is_refused_whole(void **state)
{
	(void)state;
	static const char *const bad[] = { "x=1",
					   "limit",
					   "limit=",
					   "limit=1&limit=2",
					   "limit=1&",
					   "&limit=1",
					   "limit=1x",
					   "state=",
					   "state=%41",
					   "state=Trusted",
					   "class=a b",
					   "after=-1",
					   "limit=1&state=no",
					   "=",
					   "chain=good",
					   "after=9223372036854775808" };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		ask(CH_ROUTE_DEVICES, "/api/v1/devices", bad[i], i + 1);
		/* "limit=1&" ends with nothing, which is no parameter: it is what it says. */
		(void)only(strcmp(bad[i], "limit=1&") == 0 ? 200 : 400);
	}
}

static void a_device_that_says_markup_is_escaped(void **state)
{
	(void)state;
	char path[128];
	struct unit loud;
	struct ch_span body;
	unit_init(&loud, 2);
	assert_int_equal(unit_enrol(&world, &loud, &body), 201);
	uint8_t nonce[32];
	assert_true(unit_challenge(&world, &loud, nonce));
	const struct evidence e = {
		.nonce = nonce,
		.boot = CH_TIER_CONTRAINDICATED,
		.reasons =
			"[{\"link\":\"boot\",\"tier\":\"contraindicated\",\"code\":\"event-unexplained\",\"text\":\"nobody "
			"endorsed this event\",\"event\":7,\"pcr\":4,\"type\":\"EV_IPL\",\"measured\":\"\\u001b[2Jkernel "
			"\\\"evil\\\"\",\"digest\":\"66\"}]",
	};
	uint64_t id = unit_say(&world, &loud, &e);
	world_turn(&world);
	assert_int_equal(world_answer(&world, id, NULL), 200);
	struct unit kept = unit;
	(void)ch_span_copy(unit.id, sizeof(unit.id), CH_SPAN_OF(loud.id));
	device_path(path, "/explain");
	ask(CH_ROUTE_DEVICE_EXPLAIN, path, "", 1);
	const char *text = only(200)->body;
	is_json(text);
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "u001b"));
	assert_non_null(strstr(text, "event 7, PCR 4, type \\\"EV_IPL\\\": \\\"\\\\x1b[2Jkernel"));
	assert_non_null(strstr(text, "\"trusted\":false"));
	unit = kept;
	unit_clear(&loud);
}

/* --- time --- */

static bool always_late(void *ctx)
{
	(void)ctx;
	return true;
}

static void a_statement_past_its_deadline_is_ended(void **state)
{
	(void)state;
	static const char many[] =
		"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000000) "
		"SELECT count(*) FROM n";
	static const char *const sql[] = { many };
	struct ch_store *st = NULL;
	char why[CH_STORE_WHY];
	const struct ch_store_config config = { .path = world.path, .mode = CH_STORE_READ, .sql = sql, .sql_count = 1 };
	assert_int_equal(ch_store_open(&st, &config, why), CH_OK);
	ch_store_snapshot(st, always_late, NULL);
	struct ch_query q = ch_sql_query(st, 0, CH_NO_ARGS);
	assert_false(ch_sql_next(&q));
	assert_int_equal(ch_sql_end(&q), CH_ERR_LIMIT);
	ch_store_snapshot_end(st);
	/* And the store goes on. */
	ch_store_snapshot(st, NULL, NULL);
	assert_int_equal(ch_store_err(st), CH_OK);
	ch_store_snapshot_end(st);
	ch_store_close(st);
}

static void a_request_has_its_time_and_no_more(void **state)
{
	(void)state;
	ch_store_begin(world.store);
	ch_sql_text(world.store,
		    "INSERT INTO device (tenant, seq, id, class, hostname, state, chain, chain_time, platform, "
		    "enrolled, evidence, fresh_time, reattest, stale_at) WITH RECURSIVE n(x) AS (SELECT 1000 "
		    "UNION ALL SELECT x + 1 FROM n WHERE x < 9000) SELECT 0, x, randomblob(16), 'gateway', 'h', 2, "
		    "0, 0, 0, 0, 0, 0, 0, 0 FROM n");
	assert_int_equal(ch_store_commit(world.store), CH_OK);
	/* A machine that has been up for weeks. */
	mono = 3000000000;
	ask(CH_ROUTE_STATUS, "/api/v1/status", "", 1);
	assert_non_null(strstr(only(200)->body, "\"enrolled\":8001"));
	step = 3000;
	ask(CH_ROUTE_STATUS, "/api/v1/status", "", 2);
	assert_non_null(strstr(only(504)->body, "\"late\""));
	step = 0;
}

/* --- the signer --- */

static void a_result_is_signed_when_it_is_read(void **state)
{
	(void)state;
	char path[128];
	device_path(path, "/ear");
	ask(CH_ROUTE_DEVICE_EAR, path, "", 7);
	assert_int_equal(answers, 0);
	assert_true(asked != 0);
	assert_int_equal(asked_type, CH_MSG_EAR_SIGN);
	const struct ch_msg_ear ear = { .jwt = CH_SPAN_LIT("a.b.c") };
	ch_reader_signed(reader, CH_MSG_EAR, asked + 1, &ear);
	assert_int_equal(answers, 0);
	ch_reader_signed(reader, CH_MSG_EAR, asked, &ear);
	const struct answer *a = only(200);
	assert_int_equal(a->id, 7);
	assert_string_equal(a->type, "application/jwt");
	assert_string_equal(a->body, "a.b.c");
	/* Once. */
	ch_reader_signed(reader, CH_MSG_EAR, asked, &ear);
	assert_int_equal(answers, 0);
}

static void a_signer_that_refuses_is_told(void **state)
{
	(void)state;
	char path[128];
	device_path(path, "/ear");
	ask(CH_ROUTE_DEVICE_EAR, path, "", 7);
	const struct ch_msg_ear ear = { .status = 1 };
	ch_reader_signed(reader, CH_MSG_EAR, asked, &ear);
	(void)only(503);
}

static void a_silent_signer_keeps_nobody_waiting(void **state)
{
	(void)state;
	ask(CH_ROUTE_JWKS, "/.well-known/jwks.json", "", 8);
	assert_int_equal(answers, 0);
	assert_int_equal(asked_type, CH_MSG_KEYS_ASK);
	uint64_t wait = ch_reader_tick(reader);
	assert_in_range(wait, 1, 10000);
	mono += wait;
	assert_int_equal(ch_reader_tick(reader), 0);
	is_json(only(503)->body);
	/* What comes too late is nobody's. */
	const struct ch_msg_keys keys = { .jwks = CH_SPAN_LIT("{}") };
	ch_reader_signed(reader, CH_MSG_KEYS, asked, &keys);
	assert_int_equal(answers, 0);
}

static void who_is_gone_gets_no_answer(void **state)
{
	(void)state;
	ask(CH_ROUTE_JWKS, "/.well-known/jwks.json", "", 8);
	ch_reader_edge_gone(reader, 3);
	ch_reader_signer_gone(reader);
	assert_int_equal(answers, 0);
	ask(CH_ROUTE_JWKS, "/.well-known/jwks.json", "", 9);
	ch_reader_signer_gone(reader);
	(void)only(503);
}

static void more_than_can_wait_are_told_to_come_again(void **state)
{
	(void)state;
	size_t refused = 0;
	for (uint64_t i = 1; i <= 300; i++) {
		ask(CH_ROUTE_JWKS, "/.well-known/jwks.json", "", i);
		refused += answers;
		if (answers > 0)
			(void)only(503);
	}
	assert_int_equal(refused, 300 - 256);
	ch_reader_edge_gone(reader, 3);
}

int main(void)
{
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page_answers_json_once),
		cmocka_unit_test(a_device_reads_its_own_status_only),
		cmocka_unit_test(without_a_store_nothing_is_known_yet),
		cmocka_unit_test(a_route_that_is_not_the_readers_is_not_found),
		cmocka_unit_test(a_query_is_refused_whole),
		cmocka_unit_test(a_device_that_says_markup_is_escaped),
		cmocka_unit_test(a_statement_past_its_deadline_is_ended),
		cmocka_unit_test(a_request_has_its_time_and_no_more),
		cmocka_unit_test(a_result_is_signed_when_it_is_read),
		cmocka_unit_test(a_signer_that_refuses_is_told),
		cmocka_unit_test(a_silent_signer_keeps_nobody_waiting),
		cmocka_unit_test(who_is_gone_gets_no_answer),
		cmocka_unit_test(more_than_can_wait_are_told_to_come_again),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
