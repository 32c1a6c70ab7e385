/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/ocsp.h"
#include "tests/server/keeper/scene.h"

/* What is revoked reaches the signer and the edges, in an order in which nobody is told otherwise. */

static void enrolled(struct unit *u)
{
	struct ch_span body;
	assert_int_equal(unit_enrol(&w, u, &body), 201);
	world_turn(&w);
}

static struct ch_span serial_of(const struct unit *u, uint8_t serial[static 20])
{
	char hex[65], sql[256];
	struct ch_wr h = ch_wr(hex, sizeof(hex) - 1);
	ch_wr_hex(&h, CH_SPAN_OF(u->cert));
	hex[64] = '\0';
	memset(serial, 0, 20);
	for (size_t i = 0; i < 16; i++) {
		(void)snprintf(
			sql, sizeof(sql),
			"SELECT instr('123456789ABCDEF', substr(hex(serial), %zu, 1)) * 16 + "
			"instr('123456789ABCDEF', substr(hex(serial), %zu, 1)) FROM certificate WHERE hex(sha256) = "
			"upper('%s')",
			2 * i + 1, 2 * i + 2, hex);
		serial[4 + i] = (uint8_t)world_number(&w, sql);
	}
	return ch_span(serial, 20);
}

static void revoke(const struct unit *u, enum ch_verb verb)
{
	char subject[33];
	struct ch_wr s = ch_wr(subject, sizeof(subject) - 1);
	struct boss *const by[] = { &admin, &other };
	ch_wr_hex(&s, CH_SPAN_OF(u->id));
	subject[32] = '\0';
	uint64_t id = boss_say(&w, verb, subject, CH_SPAN_EMPTY, by, 2);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
}

/* Asks as an edge does; the answer's word, or "" with its status. */
static uint64_t ask(struct ch_span serial, uint8_t flags, struct ch_span nonce)
{
	uint8_t id[CH_IPC_OCSP_ID] = { 0, CH_HASH_SHA1, flags };
	(void)ch_span_copy(id + 3, 20, serial);
	const struct ch_msg_ocsp_sign m = { .ids = CH_SPAN_OF(id), .nonce = nonce };
	return world_say(&w, CH_ROLE_EDGE, CH_MSG_OCSP_SIGN, &m);
}

static struct ch_msg_ocsp answer_of(uint64_t id)
{
	struct ch_msg_ocsp m = { .status = 0xff };
	for (size_t i = 0; i < w.sent_count; i++) {
		if (w.sent[i].to == CH_ROLE_EDGE && w.sent[i].type == CH_MSG_OCSP && w.sent[i].id == id)
			assert_int_equal(ch_msg_parse(CH_MSG_OCSP, &m, ch_buf_span(&w.sent[i].payload), NULL), CH_OK);
	}
	return m;
}

#define assert_word(m, text) assert_true(ch_span_eq((m).answer, CH_SPAN_LIT(text)))

static void a_revocation_is_listed_and_dropped_at_once(void **state)
{
	uint8_t serial[20];
	(void)state;
	enrolled(&a);
	struct ch_span number = serial_of(&a, serial);
	world_forget(&w);
	revoke(&a, CH_VERB_DEVICE_REVOKE);
	assert_true(world_revoked(&w, serial));
	assert_int_equal(w.revoked.p[28], CH_CRL_KEY_COMPROMISE);
	const struct sent *drop = world_last(&w, CH_ROLE_EDGE, CH_MSG_OCSP_DROP);
	assert_non_null(drop);
	struct ch_msg_ocsp_drop m;
	assert_int_equal(ch_msg_parse(CH_MSG_OCSP_DROP, &m, ch_buf_span(&drop->payload), NULL), CH_OK);
	assert_true(ch_span_eq(CH_SPAN_OF(m.serial), number) && ch_span_all(CH_SPAN_OF(m.ca), 0));
	/* The list follows within a second. */
	world_pass(&w, 300);
	assert_non_null(world_last(&w, CH_ROLE_EDGE, CH_MSG_CRL));
	assert_int_equal(world_number(&w, "SELECT count(*) FROM revocation"), 1);
}

static void reasons_follow_what_happened(void **state)
{
	(void)state;
	enrolled(&a);
	revoke(&a, CH_VERB_DEVICE_DECOMMISSION);
	assert_int_equal(w.revoked.p[28], CH_CRL_CESSATION);
	/* A device that enrols again has another certificate, and the one before is superseded. */
	enrolled(&b);
	enrolled(&b);
	assert_int_equal(w.revoked.n, 2 * CH_IPC_REVOKED);
	assert_int_equal(w.revoked.p[CH_IPC_REVOKED + 28], CH_CRL_SUPERSEDED);
}

static void a_signer_that_lost_everything_is_told_all(void **state)
{
	uint8_t serial[20];
	(void)state;
	enrolled(&a);
	(void)serial_of(&a, serial);
	revoke(&a, CH_VERB_DEVICE_REVOKE);
	ch_keeper_peer(w.keeper, CH_ROLE_SIGNER, 0, false);
	w.revoked.n = 0;
	ch_keeper_peer(w.keeper, CH_ROLE_SIGNER, 0, true);
	world_turn(&w);
	assert_true(world_revoked(&w, serial));
	/* And so is one that a new keeper meets. */
	w.revoked.n = 0;
	restart();
	world_turn(&w);
	assert_true(world_revoked(&w, serial));
	assert_non_null(world_last(&w, CH_ROLE_EDGE, CH_MSG_CRL));
}

static void a_list_that_fails_is_asked_for_again(void **state)
{
	(void)state;
	enrolled(&a);
	world_pass(&w, 300);
	world_forget(&w);
	w.signer_fails = true;
	revoke(&a, CH_VERB_DEVICE_REVOKE);
	world_pass(&w, 300);
	assert_null(world_last(&w, CH_ROLE_EDGE, CH_MSG_CRL));
	w.signer_fails = false;
	for (int i = 0; i < 4; i++)
		world_pass(&w, 600);
	assert_non_null(world_last(&w, CH_ROLE_EDGE, CH_MSG_CRL));
}

static void a_list_without_news_comes_every_hour(void **state)
{
	(void)state;
	world_pass(&w, 300);
	world_forget(&w);
	world_pass(&w, 1000);
	assert_null(world_last(&w, CH_ROLE_EDGE, CH_MSG_CRL));
	world_pass(&w, 3600000);
	assert_non_null(world_last(&w, CH_ROLE_EDGE, CH_MSG_CRL));
}

static void the_store_says_which_numbers_were_issued(void **state)
{
	uint8_t serial[20], other_serial[20] = { [19] = 9 };
	(void)state;
	enrolled(&a);
	struct ch_span number = serial_of(&a, serial);
	world_forget(&w);
	uint64_t good = ask(number, CH_IPC_OCSP_NULL, CH_SPAN_EMPTY);
	/* An edge that says that it knows a number is not believed. */
	uint64_t unknown = ask(CH_SPAN_OF(other_serial), CH_IPC_OCSP_KNOWN, CH_SPAN_EMPTY);
	uint64_t nonce = ask(number, 0, CH_SPAN_LIT("nonce"));
	world_turn(&w);
	assert_word(answer_of(good), "good");
	assert_word(answer_of(unknown), "unknown");
	assert_word(answer_of(nonce), "good");
	/* Only the first may be given to others. */
	assert_int_equal(world_count(&w, CH_ROLE_EDGE, CH_MSG_OCSP_ANSWER), 1);
	revoke(&a, CH_VERB_DEVICE_REVOKE);
	uint64_t revoked = ask(number, 0, CH_SPAN_EMPTY);
	world_turn(&w);
	assert_word(answer_of(revoked), "revoked");
}

static void what_was_signed_before_a_revocation_is_not_told_after_it(void **state)
{
	uint8_t serial[20];
	struct ch_msg_ocsp old = { .this_update = 1, .next_update = 2, .answer = CH_SPAN_LIT("good") };
	(void)state;
	enrolled(&a);
	struct ch_span number = serial_of(&a, serial);
	w.signer_deaf = true;
	uint64_t asked = ask(number, 0, CH_SPAN_EMPTY);
	world_turn(&w);
	const struct sent *s = world_last(&w, CH_ROLE_SIGNER, CH_MSG_OCSP_SIGN);
	assert_non_null(s);
	uint64_t id = s->id;
	revoke(&a, CH_VERB_DEVICE_REVOKE);
	world_forget(&w);
	w.signer_deaf = false;
	/* The answer was under way when the signer was told; now it comes. */
	uint8_t row[CH_IPC_REVOKED] = { 0 };
	(void)ch_span_copy(row, sizeof(row), number);
	ch_buf_append(&w.revoked, CH_SPAN_OF(row));
	ch_keeper_message(w.keeper, CH_ROLE_SIGNER, 0, CH_MSG_OCSP, id, &old);
	assert_int_equal(answer_of(asked).status, 0xff);
	world_turn(&w);
	assert_word(answer_of(asked), "revoked");
	for (size_t i = 0; i < w.sent_count; i++) {
		struct ch_msg_ocsp_answer kept;
		if (w.sent[i].type != CH_MSG_OCSP_ANSWER)
			continue;
		assert_int_equal(ch_msg_parse(CH_MSG_OCSP_ANSWER, &kept, ch_buf_span(&w.sent[i].payload), NULL), CH_OK);
		assert_false(ch_span_eq(kept.answer, CH_SPAN_LIT("good")));
	}
}

static void without_a_signer_there_is_no_answer(void **state)
{
	uint8_t serial[20] = { [19] = 1 };
	(void)state;
	w.signer_deaf = true;
	uint64_t first = ask(CH_SPAN_OF(serial), 0, CH_SPAN_EMPTY);
	world_turn(&w);
	ch_keeper_peer(w.keeper, CH_ROLE_SIGNER, 0, false);
	uint64_t second = ask(CH_SPAN_OF(serial), 0, CH_SPAN_EMPTY);
	world_turn(&w);
	assert_int_equal(answer_of(first).status, CH_OCSP_TRY_LATER);
	assert_int_equal(answer_of(second).status, CH_OCSP_TRY_LATER);
}

static void answers_are_made_before_they_are_asked_for(void **state)
{
	(void)state;
	world_line_add(&w, "ocsp_answers 100");
	enrolled(&a);
	enrolled(&b);
	restart();
	for (int i = 0; i < 4; i++)
		world_pass(&w, 1000);
	assert_int_equal(world_count(&w, CH_ROLE_EDGE, CH_MSG_OCSP_ANSWER), 2);
	/* Again before half of their hour is over. */
	world_forget(&w);
	for (int i = 0; i < 21; i++)
		world_pass(&w, 60000);
	assert_int_equal(world_count(&w, CH_ROLE_EDGE, CH_MSG_OCSP_ANSWER), 2);
}

static void an_operator_that_is_removed_is_listed(void **state)
{
	struct boss *const by[] = { &admin };
	struct boss new_one;
	(void)state;
	boss_init(&new_one, "new");
	uint8_t payload[128] = { CH_OPERATOR_VIEWER };
	(void)ch_span_copy(payload + 1, sizeof(payload) - 1, ch_span(new_one.spki, new_one.spki_n));
	uint64_t id = boss_say(&w, CH_VERB_OPERATOR_ADD, "new", ch_span(payload, 1 + new_one.spki_n), by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM issued"), 1);
	id = boss_say(&w, CH_VERB_OPERATOR_REMOVE, "new", CH_SPAN_EMPTY, by, 1);
	world_turn(&w);
	assert_int_equal(world_answer(&w, id, NULL), 200);
	assert_int_equal(w.revoked.n, CH_IPC_REVOKED);
	assert_int_equal(w.revoked.p[28], CH_CRL_CESSATION);
	boss_clear(&new_one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_revocation_is_listed_and_dropped_at_once),
		TEST(reasons_follow_what_happened),
		TEST(a_signer_that_lost_everything_is_told_all),
		TEST(a_list_that_fails_is_asked_for_again),
		TEST(a_list_without_news_comes_every_hour),
		TEST(the_store_says_which_numbers_were_issued),
		TEST(what_was_signed_before_a_revocation_is_not_told_after_it),
		TEST(without_a_signer_there_is_no_answer),
		TEST(answers_are_made_before_they_are_asked_for),
		TEST(an_operator_that_is_removed_is_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
