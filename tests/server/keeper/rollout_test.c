/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/scene.h"

#include "core/update/rollout.h"
#include "core/update/state.h"

/* Rollouts: they advance on proof, halt by failures and by proof that does not come, and go on after a restart of the keeper at any moment. */

#define UNITS 10
static struct unit u[UNITS];
static struct boss *by[] = { &admin };

#define NEW "1111111111111111111111111111111111111111111111111111111111111111" /* os 2: floor 1, measured */
#define OLD "2222222222222222222222222222222222222222222222222222222222222222" /* os 1 */
#define RAW "3333333333333333333333333333333333333333333333333333333333333333" /* app 1: without measurements */
static const uint8_t new_reference[32] = { [0 ... 31] = 0xaa };

static void release_add(int seq, const char *sha256, const char *name, int sequence, int floor, const char *reference)
{
	char sql[1024];
	(void)snprintf(
		sql, sizeof(sql),
		"INSERT INTO release (tenant, seq, sha256, name, version, sequence, floor, expires, reference, document, time, "
		"action, leaf, withdrawn, withdrawn_by) VALUES (0, %d, X'%s', '%s', '%d', %d, %d, 9999999999, X'%s', X'00', 1, "
		"1, 1, 0, 0)",
		seq, sha256, name, sequence, sequence, floor, reference);
	ch_sql_text(w.store, sql);
	(void)snprintf(sql, sizeof(sql), "INSERT INTO release_class (tenant, release, class) VALUES (0, %d, 'gateway')",
		       seq);
	ch_sql_text(w.store, sql);
}

static int fleet(void **state)
{
	if (setup(state) != 0)
		return 1;
	for (size_t i = 0; i < UNITS; i++) {
		unit_init(&u[i], (uint8_t)(10 + i));
		if (unit_enrol(&w, &u[i], NULL) != 201 || unit_attest(&w, &u[i], CH_TIER_AFFIRMING, NULL) != 200)
			return 1;
		world_forget(&w);
	}
	ch_store_begin(w.store);
	release_add(1, OLD, "os", 1, 0, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
	release_add(2, NEW, "os", 2, 1, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	release_add(3, RAW, "app", 1, 0, "");
	return ch_store_commit(w.store) == CH_OK ? 0 : 1;
}

static int fleet_gone(void **state)
{
	for (size_t i = 0; i < UNITS; i++)
		unit_clear(&u[i]);
	return teardown(state);
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, fleet, fleet_gone)

/* --- what operators do --- */

static struct ch_rollout doc;
static struct ch_json_node node[CH_ROLLOUT_NODES_MAX];

/* A rollout with these members beside its name. */
static unsigned create(const char *name, const char *members, struct ch_span *body)
{
	static char text[4096];
	static uint8_t canonical[8192];
	(void)snprintf(text, sizeof(text), "{\"type\":\"chainhold-rollout/v1\",\"name\":\"%s\",%s}", name, members);
	struct ch_wr t = ch_wr(canonical, sizeof(canonical));
	assert_int_equal(ch_rollout_parse(&doc, ch_span_str(text), node, CH_COUNT_OF(node), NULL), CH_OK);
	assert_int_equal(ch_rollout_put(&t, &doc), CH_OK);
	uint64_t id = boss_say(&w, CH_VERB_ROLLOUT_CREATE, name, ch_wr_span(&t), by, 1);
	world_turn(&w);
	return world_answer(&w, id, body);
}

static unsigned act(enum ch_verb verb, const char *name)
{
	uint64_t id = boss_say(&w, verb, name, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	return world_answer(&w, id, NULL);
}

#define RULES "\"halt\":{\"failures\":{\"count\":2},\"proof_minutes\":5},\"advance\":{\"proven\":100},\"spread\":60000"
/* Two devices, then all. */
#define TWO_PHASES "\"release\":\"" NEW "\",\"phases\":[{\"count\":2},{\"percent\":100}]," RULES

static bool restarts; /* between any two steps */

static void pass(uint64_t ms)
{
	if (restarts)
		restart();
	world_forget(&w);
	world_pass(&w, ms);
}

static void seconds(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pass(1000);
}

static int64_t number(const char *sql)
{
	return world_number(&w, sql);
}

static void assert_state(enum ch_rollout_state want)
{
	assert_int_equal(number("SELECT state FROM rollout ORDER BY seq DESC LIMIT 1"), want);
}

/* --- what devices do --- */

static int64_t deployment_of(const struct unit *one)
{
	char sql[256], hex[33];
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", one->id[i]);
	(void)snprintf(
		sql, sizeof(sql),
		"SELECT max(d.seq) FROM deployment d JOIN device v ON v.seq = d.device WHERE v.id = X'%s' AND d.state <> %d",
		hex, CH_UPDATE_CANCELLED);
	return number(sql);
}

static unsigned says(struct unit *one, const char *word)
{
	struct ch_msg_feedback m = { .deployment = (uint64_t)deployment_of(one),
				     .progress = 255,
				     .state = ch_span_str(word),
				     .reason = CH_SPAN_LIT("so it is") };
	(void)ch_span_copy(m.device, 16, CH_SPAN_OF(one->id));
	uint64_t id = world_say(&w, CH_ROLE_VERIFY, CH_MSG_FEEDBACK, &m);
	world_turn(&w);
	return world_answer(&w, id, NULL);
}

static const uint8_t *booted; /* the commit of OSTree that it says it booted; NULL: none */

/* It starts anew and shows this boot. */
static void boots(struct unit *one, bool new_release)
{
	uint8_t nonce[32];
	one->resets++;
	assert_true(unit_challenge(&w, one, nonce));
	struct evidence e = { .nonce = nonce, .boot = CH_TIER_AFFIRMING, .ostree = booted };
	if (new_release)
		e.releases = CH_SPAN_OF(new_reference);
	else
		e.unexplained = "PCR 4: nobody endorsed this event";
	uint64_t id = unit_say(&w, one, &e);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	world_forget(&w);
}

static void updates(struct unit *one)
{
	assert_int_equal(says(one, "downloading"), 200);
	assert_int_equal(says(one, "installed"), 200);
	boots(one, true);
}

/* Units that have an offer, in their order; how many. */
static size_t offered(struct unit *list[static UNITS])
{
	size_t n = 0;
	for (size_t i = 0; i < UNITS; i++) {
		int64_t seq = deployment_of(&u[i]);
		char sql[128];
		(void)snprintf(sql, sizeof(sql), "SELECT state FROM deployment WHERE seq = %lld", (long long)seq);
		if (seq > 0 && number(sql) == CH_UPDATE_OFFERED)
			list[n++] = &u[i];
	}
	return n;
}

/* --- the ordinary way --- */

static void it_advances_on_proof_and_finishes(void **state)
{
	(void)state;
	struct unit *first[UNITS], *rest[UNITS];
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	assert_state(CH_ROLLOUT_PLANNED);
	seconds(3);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(number("SELECT members FROM rollout"), UNITS);
	assert_int_equal(offered(first), 2);
	/* Nobody goes on because devices say so. */
	assert_int_equal(says(first[0], "downloading"), 200);
	assert_int_equal(says(first[0], "installed"), 200);
	updates(first[1]);
	seconds(5);
	assert_int_equal(number("SELECT phase FROM rollout"), 0);
	assert_int_equal(offered(rest), 0);
	boots(first[0], true);
	seconds(3);
	assert_int_equal(number("SELECT phase FROM rollout"), 1);
	assert_int_equal(offered(rest), UNITS - 2);
	for (size_t i = 0; i < UNITS - 2; i++)
		updates(rest[i]);
	seconds(2);
	assert_state(CH_ROLLOUT_FINISHED);
	assert_int_equal(number("SELECT settled FROM rollout"), 1);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 4"), UNITS);
	/* Each step was told. */
	assert_int_equal(number("SELECT count(*) FROM event WHERE kind = 'rollout'"), 4);
}

static void the_same_with_a_restart_between_any_two_steps(void **state)
{
	restarts = true;
	it_advances_on_proof_and_finishes(state);
	restarts = false;
}

static void who_is_first_can_be_computed(void **state)
{
	(void)state;
	struct unit *first[UNITS];
	uint8_t sha256[32];
	int64_t place[UNITS];
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	seconds(3);
	struct ch_query q = ch_sql_query_text(w.store, "SELECT sha256 FROM rollout", CH_NO_ARGS);
	assert_true(ch_sql_next(&q) && ch_sql_copy(&q, 0, sha256, sizeof(sha256)));
	assert_int_equal(ch_sql_end(&q), CH_OK);
	for (size_t i = 0; i < UNITS; i++)
		assert_int_equal(ch_rollout_place(&place[i], &doc, sha256, u[i].id), CH_OK);
	assert_int_equal(offered(first), 2);
	for (size_t i = 0; i < UNITS; i++) {
		size_t before = 0;
		for (size_t n = 0; n < UNITS; n++)
			before += place[n] < place[i];
		assert_int_equal(before < 2, &u[i] == first[0] || &u[i] == first[1]);
	}
}

static void canaries_are_first(void **state)
{
	(void)state;
	struct unit *first[UNITS];
	char members[1024], hex[33];
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", u[7].id[i]);
	(void)snprintf(members, sizeof(members),
		       "\"release\":\"" NEW "\",\"phases\":[{\"devices\":[\"%s\"]},{\"percent\":100}]," RULES, hex);
	assert_int_equal(create("r1", members, NULL), 200);
	seconds(3);
	assert_int_equal(offered(first), 1);
	assert_ptr_equal(first[0], &u[7]);
	updates(&u[7]);
	seconds(2);
	assert_int_equal(offered(first), UNITS - 1);
}

static void devices_are_chosen_by_what_they_tell_of_themselves(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	ch_store_begin(w.store);
	ch_sql_text(w.store,
		    "INSERT INTO attribute (tenant, device, name, value, time) VALUES (0, 3, 'site', 'north', 1)");
	ch_sql_text(w.store,
		    "INSERT INTO attribute (tenant, device, name, value, time) VALUES (0, 4, 'site', 'south', 1)");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	assert_int_equal(create("r1", "\"filter\":{\"attributes\":{\"site\":\"north\"}}," TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	assert_int_equal(number("SELECT device FROM rollout_member"), 3);
}

static void devices_are_chosen_by_what_they_run(void **state)
{
	(void)state;
	struct unit *list[UNITS], *first;
	assert_int_equal(create("r1", "\"release\":\"" OLD "\",\"phases\":[{\"count\":1}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	first = list[0];
	ch_store_begin(w.store);
	ch_sql_text(w.store, "UPDATE deployment SET state = 4");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	assert_int_equal(create("r2", "\"filter\":{\"running\":{\"name\":\"os\",\"version\":\"1\"}}," TWO_PHASES, NULL),
			 200);
	assert_int_equal(create("r3", "\"filter\":{\"running\":{\"name\":\"os\",\"version\":\"7\"}}," TWO_PHASES, NULL),
			 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	assert_ptr_equal(list[0], first);
	/* Nobody at all: nothing is shown by it. */
	assert_state(CH_ROLLOUT_HALTED);
}

/* --- halts --- */

static void failures_halt_it_and_it_says_who(void **state)
{
	(void)state;
	struct unit *list[UNITS], *none[UNITS];
	assert_int_equal(
		create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"count\":5},{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 5);
	assert_int_equal(says(list[0], "refused"), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_RUNNING);
	/* One that boots, and shows what nobody expected. */
	assert_int_equal(says(list[1], "installed"), 200);
	boots(list[1], false);
	seconds(1);
	assert_state(CH_ROLLOUT_HALTED);
	struct ch_query q = ch_sql_query_text(w.store, "SELECT reason FROM rollout", CH_NO_ARGS);
	assert_true(ch_sql_next(&q));
	assert_has(ch_sql_bytes(&q, 0), "2 of 5 devices failed: ");
	assert_has(ch_sql_bytes(&q, 0), "(refused: so it is)");
	assert_has(ch_sql_bytes(&q, 0), "(not-proven: PCR 4: nobody endorsed this event)");
	assert_int_equal(ch_sql_end(&q), CH_OK);
	q = ch_sql_query_text(w.store, "SELECT body FROM event WHERE kind = 'rollout' ORDER BY seq DESC LIMIT 1",
			      CH_NO_ARGS);
	assert_true(ch_sql_next(&q));
	assert_has(ch_sql_bytes(&q, 0), "\"state\":\"halted\",\"phase\":1");
	assert_int_equal(ch_sql_end(&q), CH_OK);
	/* Nobody new begins: what was not taken up is taken back. */
	seconds(2);
	assert_int_equal(offered(none), 0);
	assert_int_equal(number("SELECT count(*) FROM rollout_member WHERE status = 0"), UNITS - 2);
	/* Resumed, what was is forgiven; the next two count. */
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(offered(list), 3);
	assert_int_equal(says(list[0], "refused"), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(says(list[1], "downloading"), 200);
	assert_int_equal(says(list[1], "fell-back"), 200);
	seconds(1);
	assert_state(CH_ROLLOUT_HALTED);
}

static void proof_that_does_not_come_halts_it(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	/* A device that takes nothing up is no failure: it may be switched off. */
	assert_int_equal(says(list[0], "downloading"), 200);
	pass(4 * 60000);
	assert_int_equal(says(list[1], "installed"), 200);
	pass(61000);
	assert_state(CH_ROLLOUT_RUNNING);
	/* To say it again is no proof. */
	assert_int_equal(says(list[1], "installed"), 200);
	pass(4 * 60000);
	assert_state(CH_ROLLOUT_HALTED);
	struct ch_query q = ch_sql_query_text(w.store, "SELECT reason FROM rollout", CH_NO_ARGS);
	assert_true(ch_sql_next(&q));
	assert_has(ch_sql_bytes(&q, 0), "(no proof, downloading)");
	assert_has(ch_sql_bytes(&q, 0), "(no proof, installed)");
	assert_int_equal(ch_sql_end(&q), CH_OK);
}

static void proof_that_comes_late_is_proof(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	assert_int_equal(says(list[0], "installed"), 200);
	pass(6 * 60000);
	assert_state(CH_ROLLOUT_RUNNING);
	boots(list[0], true);
	assert_int_equal(says(list[1], "installed"), 200);
	pass(6 * 60000);
	assert_state(CH_ROLLOUT_RUNNING);
}

/* --- who cannot prove --- */

static void a_word_counts_only_if_the_document_says_so(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	struct ch_span body;
	assert_int_equal(create("r1", "\"release\":\"" RAW "\",\"phases\":[{\"percent\":100}]," RULES, &body), 409);
	assert_has(body, "claimed: count");
	assert_int_equal(create("r1",
				"\"release\":\"" RAW "\",\"phases\":[{\"percent\":100}],\"claimed\":\"count\"," RULES,
				NULL),
			 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	for (size_t i = 0; i < UNITS; i++)
		assert_int_equal(says(list[i], "installed"), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_FINISHED);
	/* They stay what they are. */
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 3"), UNITS);
}

static void the_word_of_a_device_that_could_prove_it_never_counts(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", "\"claimed\":\"count\"," TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 2);
	assert_int_equal(says(list[0], "installed"), 200);
	assert_int_equal(says(list[1], "installed"), 200);
	seconds(3);
	assert_int_equal(number("SELECT phase FROM rollout"), 0);
	/* One of them loses its TPM: it is another device now, whose word is all there is. */
	ch_store_begin(w.store);
	ch_sql_text(w.store, "UPDATE ak SET until = 1");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	seconds(3);
	assert_int_equal(number("SELECT phase FROM rollout"), 1);
}

/* --- operators --- */

static void paused_nobody_new_begins(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	assert_int_equal(act(CH_VERB_ROLLOUT_PAUSE, "r1"), 409);
	seconds(3);
	assert_int_equal(act(CH_VERB_ROLLOUT_PAUSE, "r1"), 200);
	assert_int_equal(act(CH_VERB_ROLLOUT_PAUSE, "r1"), 409);
	seconds(3);
	assert_int_equal(offered(list), 0);
	assert_int_equal(number("SELECT settled FROM rollout"), 1);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 200);
	seconds(2);
	assert_int_equal(offered(list), 2);
	/* What was begun goes on while it stands still, and counts. */
	assert_int_equal(says(list[0], "installed"), 200);
	assert_int_equal(says(list[1], "installed"), 200);
	assert_int_equal(act(CH_VERB_ROLLOUT_PAUSE, "r1"), 200);
	seconds(2);
	boots(list[0], true);
	boots(list[1], true);
	seconds(2);
	assert_int_equal(number("SELECT phase FROM rollout"), 0);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 200);
	seconds(2);
	assert_int_equal(offered(list), UNITS - 2);
}

static void aborted_all_that_is_not_installed_is_taken_back(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	assert_int_equal(says(list[0], "downloading"), 200);
	assert_int_equal(says(list[1], "installed"), 200);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r1"), 200);
	seconds(4);
	assert_state(CH_ROLLOUT_ABORTED);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 8"), UNITS - 1);
	assert_int_equal(number("SELECT settled FROM rollout"), 1);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 409);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r1"), 409);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r2"), 404);
	/* What was installed is proven all the same. */
	boots(list[1], true);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 4"), 1);
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	struct ch_span body;
	static const char bare[] = "{\"type\":\"chainhold-rollout/v1\",\"name\":\"r1\"," TWO_PHASES "}";
	uint64_t id = boss_say(&w, CH_VERB_ROLLOUT_CREATE, "r1", ch_span_str(bare), by, 1);
	uint64_t nonsense = boss_say(&w, CH_VERB_ROLLOUT_CREATE, "r1", CH_SPAN_LIT("{}"), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, &body), 400);
	assert_has(body, "its one text");
	assert_int_equal(world_answer(&w, nonsense, NULL), 400);
	assert_int_equal(create("r1",
				"\"release\":\"4444444444444444444444444444444444444444444444444444444444444444\","
				"\"phases\":[{\"percent\":1}]," RULES,
				NULL),
			 404);
	assert_int_equal(create("r1", "\"filter\":{\"class\":\"sensor\"}," TWO_PHASES, &body), 409);
	assert_has(body, "other classes");
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	assert_int_equal(create("r1", TWO_PHASES, &body), 409);
	assert_has(body, "there is, or was");
	assert_int_equal(number("SELECT count(*) FROM rollout"), 1);
}

static void going_back_is_said_and_ends_at_the_floor(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	struct ch_span body;
	static const char back[] = "\"release\":\"" OLD "\",\"phases\":[{\"percent\":100}]," RULES;
	static const char said[] = "\"rollback\":true,\"release\":\"" OLD "\",\"phases\":[{\"percent\":100}]," RULES;
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"count\":1}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	updates(list[0]);
	seconds(2);
	assert_int_equal(create("r2", back, &body), 409);
	assert_has(body, "rollback: true");
	/* The floor of what was proven is 1, and the older one has sequence 1. */
	assert_int_equal(create("r2", said, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r2"), 200);
	seconds(4);
	ch_store_begin(w.store);
	ch_sql_text(w.store, "UPDATE release SET floor = 2 WHERE seq = 2");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	assert_int_equal(create("r3", said, &body), 409);
	assert_has(body, "floor");
}

static void a_rollout_needs_what_an_assignment_needs(void **state)
{
	(void)state;
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct ch_wr t = ch_wr(image, sizeof(image));
	struct ch_policy p = world_policy("gateway");
	p.two_signatures = 1u << CH_VERB_UPDATE_ASSIGN;
	assert_int_equal(ch_policy_put(&t, &p), CH_OK);
	uint64_t id = boss_say(&w, CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(create("r1", TWO_PHASES, NULL), 202);
	assert_int_equal(number("SELECT count(*) FROM rollout"), 0);
}

/* --- who is left out --- */

static void who_cannot_have_it_is_left_out_with_the_reason(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	char hex[UNITS][33];
	static const uint8_t assign[] = "release: " OLD "\nmode: soft\n";
	for (size_t n = 0; n < UNITS; n++) {
		for (size_t i = 0; i < 16; i++)
			(void)snprintf(hex[n] + 2 * i, 3, "%02x", u[n].id[i]);
	}
	(void)boss_say(&w, CH_VERB_DEVICE_QUARANTINE, hex[0], CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	/* In quarantine before it begins: not chosen. */
	assert_int_equal(create("r1", "\"start\":\"2100-01-01T00:00:00Z\"," TWO_PHASES, NULL), 200);
	seconds(3);
	assert_state(CH_ROLLOUT_PLANNED);
	assert_int_equal(create("r2", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	(void)boss_say(&w, CH_VERB_UPDATE_ASSIGN, hex[1], ch_span(assign, sizeof(assign) - 1), by, 1);
	seconds(2);
	assert_int_equal(number("SELECT count(*) FROM rollout_member WHERE rollout = 2"), UNITS - 1);
	(void)boss_say(&w, CH_VERB_DEVICE_QUARANTINE, hex[2], CH_SPAN_EMPTY, by, 1);
	(void)boss_say(&w, CH_VERB_DEVICE_REVOKE, hex[3], CH_SPAN_EMPTY, by, 1);
	seconds(2);
	assert_int_equal(number("SELECT count(*) FROM rollout_member WHERE status = 6"), 1);
	assert_int_equal(offered(list) + (size_t)number("SELECT count(*) FROM rollout_member WHERE status > 1"), UNITS);
}

static void what_a_policy_holds_back_is_left_out(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct ch_wr t = ch_wr(image, sizeof(image));
	struct ch_policy p = world_policy("gateway");
	p.on_break[CH_LINK_UPDATE] = CH_RESPONSE_HOLD_UPDATES;
	assert_int_equal(ch_policy_put(&t, &p), CH_OK);
	uint64_t id = boss_say(&w, CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(create("r1", "\"release\":\"" NEW "\",\"phases\":[{\"count\":1}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	assert_int_equal(says(list[0], "installed"), 200);
	boots(list[0], false);
	assert_int_equal(create("r2", "\"release\":\"" NEW "\",\"phases\":[{\"percent\":100}]," RULES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), UNITS - 1);
	assert_int_equal(number("SELECT count(*) FROM rollout_member WHERE rollout = 2 AND status = 7"), 1);
}

static void a_phase_of_nobody_halts_it(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	/* The canary is no device of this fleet. */
	assert_int_equal(create("r1",
				"\"release\":\"" NEW
				"\",\"phases\":[{\"devices\":[\"000000000000000000000000000000ff\"]},"
				"{\"percent\":100}]," RULES,
				NULL),
			 200);
	seconds(3);
	assert_state(CH_ROLLOUT_HALTED);
	assert_int_equal(offered(list), 0);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 200);
	seconds(3);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(offered(list), UNITS);
}

static void percentages_of_few_devices_may_add_none(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1",
				"\"release\":\"" NEW
				"\",\"phases\":[{\"percent\":1},{\"percent\":2},{\"percent\":11}]," RULES,
				NULL),
			 200);
	seconds(3);
	assert_int_equal(offered(list), 1);
	updates(list[0]);
	seconds(3);
	assert_int_equal(number("SELECT phase FROM rollout"), 2);
	assert_int_equal(offered(list), 1);
	updates(list[0]);
	seconds(2);
	assert_state(CH_ROLLOUT_FINISHED);
}

/* --- time --- */

static void downloads_do_not_come_all_at_once(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1",
				"\"release\":\"" NEW
				"\",\"phases\":[{\"percent\":100}],\"halt\":{\"failures\":{\"count\":1}},"
				"\"advance\":{\"proven\":90},\"spread\":60",
				NULL),
			 200);
	seconds(2);
	size_t before = offered(list);
	for (size_t i = 0; i < 5; i++) {
		seconds(1);
		size_t now = offered(list);
		assert_in_range(now - before, 1, 2);
		before = now;
	}
	seconds(5);
	assert_int_equal(offered(list), UNITS);
}

static void outside_of_its_window_nobody_begins(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	char members[1024];
	/* Two minutes from the next whole one on, every day. */
	unsigned minute = (unsigned)(w.wall / 60000 % 1440 + 1) % 1440, end = (minute + 2) % 1440;
	(void)snprintf(
		members, sizeof(members),
		"\"window\":{\"days\":[\"mon\",\"tue\",\"wed\",\"thu\",\"fri\",\"sat\",\"sun\"],\"from\":\"%02u:%02u\",\"to\":"
		"\"%02u:%02u\"}," TWO_PHASES,
		minute / 60, minute % 60, end / 60, end % 60);
	assert_int_equal(create("r1", members, NULL), 200);
	w.wall -= w.wall % 60000;
	seconds(3);
	assert_state(CH_ROLLOUT_RUNNING);
	assert_int_equal(offered(list), 0);
	pass(60000);
	assert_int_equal(offered(list), 2);
	assert_int_equal(says(list[0], "downloading"), 200);
	pass(2 * 60000);
	assert_int_equal(offered(list), 0);
	/* What was begun goes on. */
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 2"), 1);
	assert_state(CH_ROLLOUT_RUNNING);
}

static void the_next_phase_waits_as_long_as_it_says(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1",
				"\"release\":\"" NEW
				"\",\"phases\":[{\"count\":2},{\"percent\":100}],\"halt\":{\"failures\":{"
				"\"count\":1},\"proof_minutes\":60},\"advance\":{\"proven\":50,\"wait_minutes\":2}",
				NULL),
			 200);
	seconds(4);
	assert_int_equal(offered(list), 2);
	updates(list[0]);
	seconds(1);
	restart();
	pass(118000);
	assert_int_equal(number("SELECT phase FROM rollout"), 0);
	pass(3000);
	assert_int_equal(number("SELECT phase FROM rollout"), 1);
}

static void a_release_that_is_withdrawn_halts_it(void **state)
{
	(void)state;
	struct unit *list[UNITS];
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(list), 2);
	assert_int_equal(act(CH_VERB_RELEASE_WITHDRAW, NEW), 200);
	seconds(2);
	assert_state(CH_ROLLOUT_HALTED);
	assert_int_equal(act(CH_VERB_ROLLOUT_RESUME, "r1"), 409);
	assert_int_equal(act(CH_VERB_ROLLOUT_ABORT, "r1"), 200);
}

/* The kernel of two commits may be the same: then the boot alone does not tell them apart, and the device's own word counts against it. */
static void who_booted_another_commit_is_not_proven(void **state)
{
	(void)state;
	static const uint8_t right[32] = { 0xab }, wrong[32] = { 0xac };
	struct unit *first[UNITS];
	ch_store_begin(w.store);
	ch_sql_text(w.store,
		    "INSERT INTO artifact (tenant, sha256, size, have, complete, time) VALUES (0, X'77', 1, 1, 1, 1)");
	ch_sql_text(w.store,
		    "INSERT INTO release_artifact (tenant, release, sha256, size, name, kind) VALUES (0, 2, X'77', 1, "
		    "'ab00000000000000000000000000000000000000000000000000000000000000.ostree', 'ostree')");
	assert_int_equal(ch_store_commit(w.store), CH_OK);
	assert_int_equal(create("r1", TWO_PHASES, NULL), 200);
	seconds(3);
	assert_int_equal(offered(first), 2);
	booted = wrong;
	updates(first[0]);
	booted = right;
	updates(first[1]);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 4"), 1);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE reason LIKE '%another commit%'"), 1);
	assert_int_equal(number("SELECT count(*) FROM evidence WHERE substr(ostree, 1, 1) IN (X'AB', X'AC')"), 2);
	boots(first[0], true);
	assert_int_equal(number("SELECT count(*) FROM deployment WHERE state = 4"), 2);
	booted = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_advances_on_proof_and_finishes),
		TEST(the_same_with_a_restart_between_any_two_steps),
		TEST(who_is_first_can_be_computed),
		TEST(canaries_are_first),
		TEST(devices_are_chosen_by_what_they_tell_of_themselves),
		TEST(devices_are_chosen_by_what_they_run),
		TEST(failures_halt_it_and_it_says_who),
		TEST(proof_that_does_not_come_halts_it),
		TEST(proof_that_comes_late_is_proof),
		TEST(a_word_counts_only_if_the_document_says_so),
		TEST(the_word_of_a_device_that_could_prove_it_never_counts),
		TEST(paused_nobody_new_begins),
		TEST(aborted_all_that_is_not_installed_is_taken_back),
		TEST(what_cannot_be_is_refused),
		TEST(going_back_is_said_and_ends_at_the_floor),
		TEST(a_rollout_needs_what_an_assignment_needs),
		TEST(who_cannot_have_it_is_left_out_with_the_reason),
		TEST(what_a_policy_holds_back_is_left_out),
		TEST(a_phase_of_nobody_halts_it),
		TEST(percentages_of_few_devices_may_add_none),
		TEST(downloads_do_not_come_all_at_once),
		TEST(outside_of_its_window_nobody_begins),
		TEST(the_next_phase_waits_as_long_as_it_says),
		TEST(a_release_that_is_withdrawn_halts_it),
		TEST(who_booted_another_commit_is_not_proven),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
