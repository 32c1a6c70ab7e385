/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/server/keeper/cut_vfs.h"
#include "tests/server/keeper/story.h"

#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <stdlib.h>

/*
 * Power cuts at any write or sync of the store, many in one story: what was synced is there, of the rest a random part. CRASH_CUTS
 * and CRASH_SEED in the environment make longer runs and other ones.
 */

static struct world w;
static struct story s;

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void tell(uint64_t seed, unsigned lie)
{
	cut_vfs_format(seed);
	world_init(&w);
	w.vfs = CUT_VFS;
	(void)snprintf(w.path, sizeof(w.path), "store.db");
	story_init(&s, &w, seed);
	cut_vfs_lie(lie);
}

static void told(void)
{
	story_clear(&s);
	world_clear(&w);
}

/* Starts, goes on until the power fails, and looks at what is left. False if a promise is broken. */
static bool until_cut(void)
{
	/* Writes and syncs: two a commit. Many more, and a device would have had its certificates of an hour. */
	cut_vfs_arm(1 + story_dice(&s) % 60);
	bool up = world_start(&w);
	while (up && !cut_vfs_dead() && w.fatal[0] == '\0') {
		story_step(&s, false);
		world_pass(&w, story_dice(&s) % 300);
		story_listen(&s);
	}
	bool cut = cut_vfs_dead();
	story_crash(&s);
	world_kill(&w);
	cut_vfs_power();
	if (!cut) {
		(void)snprintf(s.broken, sizeof(s.broken), "without a cut: %s", w.fatal);
		return false;
	}
	if (!world_start(&w)) {
		(void)snprintf(s.broken, sizeof(s.broken), "after a cut: %s", w.fatal);
		return false;
	}
	bool holds = story_check(&s, w.store);
	/* Nothing is written while log and signer differ: that would be a promise broken, too. */
	if (holds && s.enrolled[0] && unit_enrol(&w, &s.u[0], NULL) != 201) {
		(void)snprintf(s.broken, sizeof(s.broken), "after a cut the keeper does not go on");
		holds = false;
	}
	story_listen(&s);
	world_kill(&w);
	return holds;
}

static void no_cut_breaks_a_promise(void **state)
{
	(void)state;
	uint64_t cuts = env_number("CRASH_CUTS", 240), seed = env_number("CRASH_SEED", 1);
	for (uint64_t n = 0; n < cuts; n++) {
		if (n % 24 == 0)
			tell(seed + n, 0);
		if (!until_cut())
			fail_msg("seed %llu, cut %llu: %s", (unsigned long long)(seed + n - n % 24),
				 (unsigned long long)(n % 24), s.broken);
		if (n % 24 == 23 || n + 1 == cuts)
			told();
	}
}

/* The harness must see what it is for: a disk that forgets some syncs, as a keeper that forgot to ask for them. */
static void a_sync_that_is_missing_is_found(void **state)
{
	(void)state;
	bool found = false;
	for (uint64_t seed = 1; seed <= 20 && !found; seed++) {
		tell(seed, 2);
		for (int n = 0; n < 12 && !found; n++)
			found = !until_cut();
		if (w.store != NULL)
			world_kill(&w);
		told();
	}
	assert_true(found);
}

static void a_full_disk_ends_the_process_and_loses_nothing(void **state)
{
	(void)state;
	tell(7, 0);
	assert_true(world_start(&w));
	w.reserve = true;
	cut_vfs_limit(900000);
	for (int i = 0; i < 400 && w.fatal[0] == '\0'; i++)
		story_step(&s, false);
	assert_true(w.fatal[0] != '\0');
	assert_false(w.reserve);
	story_crash(&s);
	world_kill(&w);
	cut_vfs_limit(0);
	assert_true(world_start(&w));
	if (!story_check(&s, w.store))
		fail_msg("%s", s.broken);
	told();
}

int main(void)
{
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_cut_breaks_a_promise),
		cmocka_unit_test(a_sync_that_is_missing_is_found),
		cmocka_unit_test(a_full_disk_ends_the_process_and_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
