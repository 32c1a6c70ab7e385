/* SPDX-License-Identifier: Apache-2.0 */
#include "server/edge/revocation.h"

#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

/* The table of answers that an edge keeps. */

static struct revocation r;

static int setup(void **state)
{
	(void)state;
	r = (struct revocation){ .places = 2 };
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

static int teardown(void **state)
{
	(void)state;
	revocation_clear(&r);
	return 0;
}

static void id_of(uint8_t id[static CH_IPC_OCSP_ID], uint32_t serial, uint8_t flags)
{
	memset(id, 0, CH_IPC_OCSP_ID);
	id[1] = CH_HASH_SHA1;
	id[2] = flags;
	for (size_t i = 0; i < 4; i++)
		id[19 + i] = (uint8_t)(serial >> (24 - 8 * i));
}

static void keep(uint32_t serial, uint8_t flags, uint64_t until, const char *text)
{
	struct ch_msg_ocsp_answer m = { .this_update = until - 10, .next_update = until, .answer = ch_span_str(text) };
	id_of(m.id, serial, flags);
	revocation_keep(&r, &m);
}

static const struct kept_answer *find(uint32_t serial, uint8_t flags)
{
	uint8_t id[CH_IPC_OCSP_ID];
	id_of(id, serial, flags);
	return revocation_find(&r, &r.own, id);
}

static void an_answer_is_found_and_replaced(void **state)
{
	(void)state;
	assert_null(find(1, 0));
	keep(1, CH_IPC_OCSP_NULL | CH_IPC_OCSP_KNOWN, 100, "one");
	assert_null(find(1, 0));
	const struct kept_answer *k = find(1, CH_IPC_OCSP_NULL);
	assert_non_null(k);
	assert_span_equal(ch_buf_span(&k->answer), "one", 3);
	assert_int_equal(strlen(k->tag), 34);
	char before[REVOCATION_TAG];
	memcpy(before, k->tag, sizeof(before));
	keep(1, CH_IPC_OCSP_NULL, 200, "other");
	k = find(1, CH_IPC_OCSP_NULL);
	assert_span_equal(ch_buf_span(&k->answer), "other", 5);
	assert_string_not_equal(k->tag, before);
}

static void everything_about_a_certificate_is_dropped(void **state)
{
	struct ch_msg_ocsp_drop one = { .serial = { [19] = 1 } };
	(void)state;
	keep(1, 0, 100, "a");
	keep(1, CH_IPC_OCSP_NULL, 100, "b");
	keep(2, 0, 100, "c");
	revocation_drop(&r, &one);
	assert_null(find(1, 0));
	assert_null(find(1, CH_IPC_OCSP_NULL));
	assert_non_null(find(2, 0));
	revocation_drop(&r, &one);
}

/* Two CAs may give one number. */
static void answers_of_an_earlier_ca_are_its_own(void **state)
{
	struct ch_msg_ocsp_answer m = { .ca = { 7 }, .next_update = 100, .answer = CH_SPAN_LIT("theirs") };
	struct ch_msg_ocsp_drop one = { .serial = { [19] = 1 } };
	uint8_t id[CH_IPC_OCSP_ID];
	(void)state;
	id_of(id, 1, 0);
	(void)ch_span_copy(m.id, sizeof(m.id), CH_SPAN_OF(id));
	/* one that is not known is not kept */
	revocation_keep(&r, &m);
	assert_null(r.kept);
	r.earlier[0].ca[0] = 7;
	r.earlier_count = 1;
	keep(1, 0, 100, "ours");
	revocation_keep(&r, &m);
	assert_span_equal(ch_buf_span(&find(1, 0)->answer), "ours", 4);
	assert_span_equal(ch_buf_span(&revocation_find(&r, &r.earlier[0], id)->answer), "theirs", 6);
	revocation_drop(&r, &one);
	assert_null(find(1, 0));
	assert_non_null(revocation_find(&r, &r.earlier[0], id));
	one.ca[0] = 7;
	revocation_drop(&r, &one);
	assert_null(revocation_find(&r, &r.earlier[0], id));
}

static void the_oldest_makes_room_and_the_table_does_not_grow(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		keep(i + 1, 0, 1000 + i, "x");
	size_t kept = 0;
	for (uint32_t i = 0; i < 1000; i++)
		kept += find(i + 1, 0) != NULL;
	assert_int_equal(kept, 2 * REVOCATION_WAYS);
	assert_non_null(find(1000, 0));
	/* None at all is a table too. */
	r.places = 0;
	keep(5000, 0, 9999, "x");
}

static void a_list_is_der_and_pem(void **state)
{
	static uint8_t list[100];
	(void)state;
	const struct ch_msg_crl m = { .number = 77, .list = CH_SPAN_OF(list) };
	revocation_list(&r, &m);
	assert_string_equal(r.own.tag, "\"77\"");
	assert_int_equal(r.own.list.n, sizeof(list));
	assert_memory_equal(r.own.pem.p, "-----BEGIN X509 CRL-----\nAAAA", 29);
	/* 100 bytes: two lines of 64 characters, the rest, and the two of the frame. */
	assert_int_equal(r.own.pem.n, 25 + 65 + 65 + 9 + 23);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_is_found_and_replaced),
		TEST(everything_about_a_certificate_is_dropped),
		TEST(answers_of_an_earlier_ca_are_its_own),
		TEST(the_oldest_makes_room_and_the_table_does_not_grow),
		TEST(a_list_is_der_and_pem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
