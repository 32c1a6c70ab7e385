/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/scene.h"

#include "core/trust/checkpoint.h"
#include "core/trust/leaf.h"
#include "server/keeper/restore.h"

#include <sys/stat.h>

/* The log beside its signer, backups, and what a restart publishes and sweeps. */

/* --- the log --- */

static void checkpoints_follow_and_a_restart_goes_on(void **state)
{
	(void)state;
	for (uint8_t i = 10; i < 90; i++) {
		struct unit u;
		unit_init(&u, i);
		assert_int_equal(unit_enrol(&w, &u, NULL), 201);
		assert_int_equal(unit_attest(&w, &u, CH_TIER_AFFIRMING, NULL), 200);
		unit_clear(&u);
		world_pass(&w, 20);
		world_forget(&w);
		if (i % 30 == 0)
			restart();
	}
	world_pass(&w, 200);
	int64_t leaves = world_number(&w, "SELECT count(*) FROM leaf");
	/* 80 units: enrolled, enrolment to enrolled, verdict, trusted; and the generation. */
	assert_true(leaves > 256);
	assert_int_equal(w.frontier.size, leaves);
	assert_int_equal(world_number(&w, "SELECT size FROM checkpoint ORDER BY seq DESC LIMIT 1"), leaves);
	assert_int_equal(world_number(&w, "SELECT width FROM tile WHERE level = 0 AND number = 0"), 256);
	assert_int_equal(world_number(&w, "SELECT width FROM tile WHERE level = 0 AND number = 1"), leaves - 256);
	assert_int_equal(world_number(&w, "SELECT width FROM tile WHERE level = 1 AND number = 0"), 1);
	restart();
	assert_true(world_number(&w, "SELECT count(*) FROM checkpoint") < 200);
}

static void a_checkpoint_that_was_signed_and_not_stored_is_taken_up(void **state)
{
	(void)state;
	world_pass(&w, 200);
	assert_int_equal(w.frontier.size, 1);
	w.signer_deaf = true;
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 403);
	struct boss *by[] = { &admin };
	(void)boss_say(&w, CH_VERB_BASELINE_APPROVE, "gateway", CH_SPAN_LIT("{}"), by, 1);
	world_turn(&w);
	world_pass(&w, 200);
	/* The signer has signed, and the keeper died before it heard of it. */
	const struct sent *s = world_last(&w, CH_ROLE_SIGNER, CH_MSG_LEAVES);
	struct ch_msg_leaves m;
	assert_int_equal(ch_msg_parse(CH_MSG_LEAVES, &m, ch_buf_span(&s->payload), NULL), CH_OK);
	assert_int_equal(m.first, 1);
	for (size_t at = 0; at < m.hashes.n; at += 32) {
		struct ch_tree_hash h;
		memcpy(h.b, m.hashes.p + at, 32);
		assert_int_equal(ch_frontier_append(&w.frontier, &h), CH_OK);
	}
	w.signer_deaf = false;
	restart();
	assert_int_equal(world_number(&w, "SELECT size FROM checkpoint ORDER BY seq DESC LIMIT 1"), w.frontier.size);
	assert_int_equal(w.frontier.size, 3);
}

static void a_signer_that_fails_is_asked_again(void **state)
{
	(void)state;
	world_pass(&w, 200);
	w.signer_fails = true;
	restart();
	assert_int_equal(unit_enrol(&w, &a, NULL), 503);
	w.signer_fails = false;
	world_pass(&w, 200);
	w.signer_fails = true;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 200);
	world_pass(&w, 200);
	assert_int_equal(w.frontier.size, 1);
	w.signer_fails = false;
	world_pass(&w, 200);
	world_pass(&w, 200);
	assert_true(w.frontier.size > 1);
	assert_int_equal(world_number(&w, "SELECT size FROM checkpoint ORDER BY seq DESC LIMIT 1"), w.frontier.size);
}

static void a_restored_backup_cannot_fork_the_log(void **state)
{
	(void)state;
	char copy[256];
	struct ch_span body;
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", w.dir);
	world_pass(&w, 200);
	assert_int_equal(ch_keeper_backup(w.keeper, copy), CH_OK);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 200);
	uint64_t size = w.frontier.size;
	world_kill(&w);
	world_forget(&w);
	(void)snprintf(w.path, sizeof(w.path), "%s", copy);
	assert_true(world_start(&w));
	assert_int_equal(unit_enrol(&w, &b, &body), 503);
	assert_has(body, "\"log\"");
	world_pass(&w, 5000);
	assert_int_equal(w.frontier.size, size);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf"), 1);
}

static void before_the_signer_spoke_nothing_is_written(void **state)
{
	(void)state;
	struct ch_span body;
	int64_t leaves = world_number(&w, "SELECT count(*) FROM leaf");
	const struct ch_policy p = world_policy("other");
	w.signer_deaf = true;
	world_policy_add(&w, &p);
	restart();
	assert_int_equal(unit_enrol(&w, &a, &body), 503);
	assert_has(body, "\"starting\"");
	world_pass(&w, 2000);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf"), leaves);
	w.signer_deaf = false;
	ch_keeper_peer(w.keeper, CH_ROLE_SIGNER, 0, false);
	ch_keeper_peer(w.keeper, CH_ROLE_SIGNER, 0, true);
	world_turn(&w);
	/* The class of the new configuration came into force now. */
	assert_int_equal(world_number(&w, "SELECT count(*) FROM leaf"), leaves + 1);
	assert_int_equal(ch_view_generation(w.view), 2);
	(void)strcpy(a.class, "other");
	assert_int_equal(unit_enrol(&w, &a, &body), 201);
}

/* A mirror's folder with one bundle of entries, as `chainhold log mirror` leaves it. */
static void mirror_write(const char *dir, size_t from_cut)
{
	char path[600], folder[560];
	uint8_t bytes[8192];
	struct ch_tree_hash root;
	struct ch_wr t = ch_wr(bytes, sizeof(bytes));
	size_t n = 0;
	struct ch_query q = ch_sql_query_text(w.store, "SELECT entry FROM leaf ORDER BY seq", CH_NO_ARGS);
	while (ch_sql_next(&q)) {
		struct ch_span e = ch_sql_bytes(&q, 0);
		ch_wr_be16(&t, (uint16_t)e.n);
		ch_wr_put(&t, e);
		n++;
	}
	assert_int_equal(ch_sql_end(&q), CH_OK);
	assert_int_equal(n, w.frontier.size);
	(void)snprintf(folder, sizeof(folder), "%s/tile/entries/000.p", dir);
	char part[600];
	for (char *p = folder + strlen(dir); p != NULL; p = strchr(p + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(p - folder), folder);
		(void)mkdir(part, 0700);
	}
	assert_int_equal(mkdir(folder, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/%zu", folder, n);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, t.len - from_cut, f), t.len - from_cut);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(ch_frontier_root(&w.frontier, &root), CH_OK);
	(void)snprintf(path, sizeof(path), "%s/checkpoint", dir);
	struct ch_wr c = ch_wr(bytes, sizeof(bytes));
	ch_checkpoint_put(&c, CH_SPAN_LIT("origin"), w.frontier.size, &root);
	ch_wr_str(&c, "\n\u2014 origin AAAAAAAA\n");
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, c.len, f), c.len);
	assert_int_equal(fclose(f), 0);
}

static void with_a_mirror_a_backup_goes_on(void **state)
{
	(void)state;
	char copy[256], mirror[300], cut[300];
	struct ch_restored r;
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", w.dir);
	(void)snprintf(mirror, sizeof(mirror), "%s-mirror", w.dir);
	(void)snprintf(cut, sizeof(cut), "%s-mirror-cut", w.dir);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 200);
	assert_int_equal(ch_keeper_backup(w.keeper, copy), CH_OK);
	uint64_t before = w.frontier.size;
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	world_pass(&w, 200);
	mirror_write(mirror, 0);
	mirror_write(cut, 1);
	world_kill(&w);
	world_forget(&w);
	(void)snprintf(w.path, sizeof(w.path), "%s", copy);
	char why[CH_STORE_WHY];
	struct ch_store *st;
	const struct ch_store_config c = {
		.path = copy, .mode = CH_STORE_WRITE, .sql = ch_keeper_sql, .sql_count = ch_keeper_sql_count
	};
	assert_int_equal(ch_store_open(&st, &c, why), CH_OK);
	assert_int_equal(ch_restore_log(st, w.dir, &r), CH_ERR_NOTFOUND);
	assert_int_equal(ch_restore_log(st, cut, &r), CH_ERR_TRUNCATED);
	assert_int_equal(ch_restore_log(st, mirror, &r), CH_OK);
	assert_int_equal(r.before, before);
	assert_int_equal(r.after, w.frontier.size);
	assert_int_equal(r.type[CH_LEAF_ENROLMENT], 1);
	ch_store_close(st);
	assert_true(world_start(&w));
	assert_int_equal(world_number(&w, "SELECT reattest FROM device"), 1);
	/* The unit that enrolled after the backup is unknown, and may enrol: the log goes on. */
	assert_int_equal(unit_enrol(&w, &b, NULL), 201);
	world_pass(&w, 200);
	assert_int_equal(world_number(&w, "SELECT size FROM checkpoint ORDER BY seq DESC LIMIT 1"), w.frontier.size);
	assert_true(w.frontier.size > r.after);
	world_remove(mirror);
	world_remove(cut);
}

static void a_signer_of_another_history_stops_the_log(void **state)
{
	(void)state;
	world_pass(&w, 200);
	struct ch_tree_hash h = { { 1 } };
	w.frontier = (struct ch_frontier){ 0 };
	assert_int_equal(ch_frontier_append(&w.frontier, &h), CH_OK);
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	world_pass(&w, 200);
	assert_true(w.fatal[0] != '\0');
}

/* --- the view after a restart --- */

static void a_new_keeper_publishes_what_the_old_one_did(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	struct ch_view_record before = seen(a.cert);
	restart();
	struct ch_view_record after = seen(a.cert);
	assert_int_equal(before.state, after.state);
	assert_int_equal(before.tier, after.tier);
	assert_true(before.not_after == after.not_after && before.device_row == after.device_row);
	assert_memory_equal(before.id, after.id, 16);
	assert_int_equal(seen(admin.id).role, CH_OPERATOR_ADMIN);
}

static void a_configuration_that_cannot_be_read_stops_the_start(void **state)
{
	(void)state;
	static const char *const lines[] = { "policy AAAA", "policy !", "ek_root !" };
	for (size_t i = 0; i < CH_COUNT_OF(lines); i++) {
		struct ch_buf kept = { 0 };
		ch_buf_append(&kept, ch_buf_span(&w.config));
		world_line_add(&w, lines[i]);
		/* Running, it stays with what it has. */
		assert_int_not_equal(ch_keeper_reload(w.keeper, ch_buf_span(&w.config)), CH_OK);
		world_turn(&w);
		assert_int_equal(world_number(&w, "SELECT count(*) FROM class"), 1);
		world_kill(&w);
		assert_false(world_start(&w));
		assert_non_null(strstr(w.fatal, "of the configuration"));
		world_kill(&w);
		ch_buf_free(&w.config);
		w.config = kept;
		assert_true(world_start(&w));
	}
}

static void each_class_keeps_its_evidence_as_long_as_it_is_told(void **state)
{
	(void)state;
	static const char *const wrong[] = { "retention gateway", "retention gateway 0 5", "retention gateway 5 x",
					     "retention gateway 5 5 0", "retention gateway 5 5 5 5" };
	size_t n = w.config.n;
	for (size_t i = 0; i < CH_COUNT_OF(wrong); i++) {
		world_kill(&w);
		world_line_add(&w, wrong[i]);
		assert_false(world_start(&w));
		assert_non_null(strstr(w.fatal, "retention"));
		w.config.n = n;
	}
	world_line_add(&w, "retention * 1 1");
	world_line_add(&w, "retention gateway 10 2");
	restart();
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	for (int i = 0; i < 5; i++)
		assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	world_pass(&w, 7200 * 1000);
	world_pass(&w, 2000);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence"), 2);
	world_pass(&w, 11ull * 86400 * 1000);
	world_pass(&w, 2000);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence"), 1);
}

static void a_policy_file_counts_until_an_operator_applied_one(void **state)
{
	(void)state;
	uint8_t image[CH_POLICY_IMAGE_MAX];
	struct boss *by[] = { &admin };
	struct ch_policy p = world_policy("gateway");
	p.interval = 300;
	w.config.n = 0;
	world_policy_add(&w, &p);
	assert_int_equal(ch_keeper_reload(w.keeper, ch_buf_span(&w.config)), CH_OK);
	world_turn(&w);
	assert_int_equal(ch_view_generation(w.view), 2);
	p.interval = 900;
	struct ch_wr t = ch_wr(image, sizeof(image));
	assert_int_equal(ch_policy_put(&t, &p), CH_OK);
	(void)boss_say(&w, CH_VERB_POLICY_APPLY, "gateway", ch_wr_span(&t), by, 1);
	world_turn(&w);
	assert_int_equal(ch_view_generation(w.view), 3);
	restart();
	assert_int_equal(ch_view_generation(w.view), 3);
	assert_int_equal(world_number(&w, "SELECT action FROM class"), 1);
}

static void old_evidence_is_swept_and_the_last_stays(void **state)
{
	(void)state;
	assert_int_equal(unit_enrol(&w, &a, NULL), 201);
	for (int i = 0; i < 5; i++)
		assert_int_equal(unit_attest(&w, &a, CH_TIER_AFFIRMING, NULL), 200);
	world_pass(&w, 91ull * 86400 * 1000);
	world_pass(&w, 2000);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM evidence e, device d WHERE e.seq = d.evidence"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM blob"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(checkpoints_follow_and_a_restart_goes_on),
		TEST(a_checkpoint_that_was_signed_and_not_stored_is_taken_up),
		TEST(before_the_signer_spoke_nothing_is_written),
		TEST(a_signer_that_fails_is_asked_again),
		TEST(a_restored_backup_cannot_fork_the_log),
		TEST(with_a_mirror_a_backup_goes_on),
		TEST(a_signer_of_another_history_stops_the_log),
		TEST(a_new_keeper_publishes_what_the_old_one_did),
		TEST(a_configuration_that_cannot_be_read_stops_the_start),
		TEST(each_class_keeps_its_evidence_as_long_as_it_is_told),
		TEST(a_policy_file_counts_until_an_operator_applied_one),
		TEST(old_evidence_is_swept_and_the_last_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
