/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/scene.h"

#define HOUR ((uint64_t)3600000)
#define DAY  (24 * HOUR)

static int64_t number(const char *sql)
{
	return world_number(&w, sql);
}

/* A release with an artefact of its own and one that it shares with the others. */
static void release_add(int seq, uint64_t withdrawn)
{
	char sql[512];
	(void)snprintf(
		sql, sizeof(sql),
		"INSERT INTO release (tenant, seq, sha256, name, version, sequence, floor, expires, reference, document, "
		"time, action, leaf, withdrawn, withdrawn_by) VALUES (0, %d, X'%02d', 'os', '%d', %d, 0, 9999999999, X'', "
		"X'00', 1, 1, 1, %llu, 0)",
		seq, seq, seq, seq, (unsigned long long)withdrawn);
	ch_sql_text(w.store, sql);
	for (int i = 0; i < 2; i++) {
		char id[65];
		(void)snprintf(id, sizeof(id), "%064d", i == 0 ? seq : 99);
		(void)snprintf(
			sql, sizeof(sql),
			"INSERT INTO release_artifact (tenant, release, sha256, size, name, kind) VALUES (0, %d, X'%s', 7, "
			"'a', 'file')",
			seq, id);
		ch_sql_text(w.store, sql);
		(void)snprintf(
			sql, sizeof(sql),
			"INSERT INTO artifact (tenant, sha256, size, have, complete, time, sha1) VALUES (0, X'%s', 7, 7, 1, "
			"1, X'00') ON CONFLICT (tenant, sha256) DO NOTHING",
			id);
		ch_sql_text(w.store, sql);
	}
}

static void releases(uint64_t first, uint64_t second)
{
	ch_store_begin(w.store);
	release_add(1, first);
	release_add(2, second);
	assert_int_equal(ch_store_commit(w.store), CH_OK);
}

#define WHOLE "SELECT count(*) FROM artifact WHERE complete <> 0 AND have = 7"
#define KNOWN "SELECT count(*) FROM artifact"

static void hours(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		world_pass(&w, HOUR + 2000);
}

static void of_a_release_that_is_withdrawn_stay_for_a_week(void **state)
{
	(void)state;
	releases(w.wall, 0);
	hours(6 * 24);
	assert_int_equal(number(WHOLE), 3);
	hours(23);
	/* What another release has, too, stays. */
	hours(3);
	assert_int_equal(number(KNOWN), 2);
	assert_int_equal(number(WHOLE), 2);
	assert_int_equal(w.removed, 1);
	hours(48);
	assert_int_equal(number(WHOLE), 2);
	assert_int_equal(w.removed, 1);
}

static void that_it_is_not_there_is_durable_before_it_is_removed(void **state)
{
	(void)state;
	releases(w.wall - 8 * DAY, w.wall - 8 * DAY);
	hours(1);
	assert_int_equal(number(WHOLE), 0);
	assert_int_equal(number(KNOWN), 3);
	assert_int_equal(w.removed, 0);
	world_kill(&w);
	assert_true(world_start(&w));
	hours(1);
	assert_int_equal(number(KNOWN), 0);
	assert_int_equal(w.removed, 3);
}

static void what_cannot_be_removed_is_tried_again(void **state)
{
	(void)state;
	releases(w.wall - 8 * DAY, w.wall - 8 * DAY);
	w.disk_total = 0;
	hours(3);
	assert_int_equal(number(KNOWN), 3);
	w.disk_total = 1000000000;
	hours(1);
	assert_int_equal(number(KNOWN), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(of_a_release_that_is_withdrawn_stay_for_a_week),
		TEST(that_it_is_not_there_is_durable_before_it_is_removed),
		TEST(what_cannot_be_removed_is_tried_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
