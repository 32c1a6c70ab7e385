/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_KEEPER_SCENE_H
#define CH_TESTS_KEEPER_SCENE_H

#include "tests/server/keeper/world.h"

#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

/* What every test of the keeper starts with: a class, two devices, two operators, a keeper that runs. Included once a test program. */

static struct world w;
static struct unit a, b;
static struct boss admin, other;

static int setup(void **state)
{
	(void)state;
	const struct ch_policy gateway = world_policy("gateway");
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	world_init(&w);
	world_policy_add(&w, &gateway);
	boss_init(&admin, "admin");
	boss_init(&other, "other");
	boss_add(&w, &admin, "admin");
	boss_add(&w, &other, "operator");
	unit_init(&a, 1);
	unit_init(&b, 2);
	return world_start(&w) ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	unit_clear(&a);
	unit_clear(&b);
	boss_clear(&admin);
	boss_clear(&other);
	world_clear(&w);
	return 0;
}

static inline void assert_has(struct ch_span body, const char *text)
{
	char own[65536];
	own[ch_span_copy(own, sizeof(own) - 1, body)] = '\0';
	if (strstr(own, text) == NULL)
		fail_msg("%s is not in %s", text, own);
}

static inline struct ch_view_record seen(const uint8_t cert[static 32])
{
	struct ch_view_record r = { 0 };
	assert_int_equal(ch_view_find(w.view, cert, &r, NULL), CH_OK);
	return r;
}

static inline void restart(void)
{
	world_kill(&w);
	world_forget(&w);
	assert_true(world_start(&w));
}

static inline struct ch_msg_cut last_cut(void)
{
	struct ch_msg_cut m;
	const struct sent *s = world_last(&w, CH_ROLE_EDGE, CH_MSG_CUT);
	assert_non_null(s);
	assert_int_equal(ch_msg_parse(CH_MSG_CUT, &m, ch_buf_span(&s->payload), NULL), CH_OK);
	return m;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
