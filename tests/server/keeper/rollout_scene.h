/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_KEEPER_ROLLOUT_SCENE_H
#define CH_TESTS_KEEPER_ROLLOUT_SCENE_H

#include "tests/server/keeper/scene.h"

#include "core/update/rollout.h"
#include "core/update/state.h"

/* A fleet of ten devices and three releases, what operators do to rollouts, and what devices do. Included once a test program. */

#define UNITS 10
static struct unit u[UNITS];
static struct boss *by[] = { &admin };

#define NEW "1111111111111111111111111111111111111111111111111111111111111111" /* os 2: floor 1, measured */
#define OLD "2222222222222222222222222222222222222222222222222222222222222222" /* os 1 */
#define RAW "3333333333333333333333333333333333333333333333333333333333333333" /* app 1: without measurements */
static const uint8_t new_reference[32] = { [0 ... 31] = 0xaa };

static inline void release_add(int seq, const char *sha256, const char *name, int sequence, int floor,
			       const char *reference)
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

static inline int fleet(void **state)
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

static inline int fleet_gone(void **state)
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
static inline unsigned create(const char *name, const char *members, struct ch_span *body)
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

static inline unsigned act(enum ch_verb verb, const char *name)
{
	uint64_t id = boss_say(&w, verb, name, CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	return world_answer(&w, id, NULL);
}

#define RULES "\"halt\":{\"failures\":{\"count\":2},\"proof_minutes\":5},\"advance\":{\"proven\":100},\"spread\":60000"
/* Two devices, then all. */
#define TWO_PHASES "\"release\":\"" NEW "\",\"phases\":[{\"count\":2},{\"percent\":100}]," RULES

static bool restarts; /* between any two steps */

static inline void pass(uint64_t ms)
{
	if (restarts)
		restart();
	world_forget(&w);
	world_pass(&w, ms);
}

static inline void seconds(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pass(1000);
}

static inline int64_t number(const char *sql)
{
	return world_number(&w, sql);
}

static inline void assert_state(enum ch_rollout_state want)
{
	assert_int_equal(number("SELECT state FROM rollout ORDER BY seq DESC LIMIT 1"), want);
}

/* --- what devices do --- */

static inline int64_t deployment_of(const struct unit *one)
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

static inline unsigned says(struct unit *one, const char *word)
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
static inline void boots(struct unit *one, bool new_release)
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

static inline void updates(struct unit *one)
{
	assert_int_equal(says(one, "downloading"), 200);
	assert_int_equal(says(one, "installed"), 200);
	boots(one, true);
}

/* Units that have an offer, in their order; how many. */
static inline size_t offered(struct unit *list[static UNITS])
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

#endif
