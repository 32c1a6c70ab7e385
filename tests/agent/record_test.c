/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/record.h"
#include "tests/unit.h"

static uint8_t file[1024];

static struct ag_record_evidence sample(void)
{
	struct ag_record_evidence r = {
		.collected = 1234,
		.quote = CH_SPAN_LIT("quote"),
		.signature = CH_SPAN_LIT("signature"),
		.log_from = 10,
		.log = CH_SPAN_LIT("log"),
		.ima_from = 0,
		.ima = CH_SPAN_LIT("ima"),
	};
	memset(r.idempotency_key, 'a', sizeof(r.idempotency_key));
	memset(r.ostree, 7, sizeof(r.ostree));
	return r;
}

static struct ch_span evidence_file(void)
{
	const struct ag_record_evidence r = sample();
	struct ch_wr w = ch_wr(file, sizeof(file));
	assert_int_equal(ag_record_put_evidence(&w, &r), CH_OK);
	return ch_wr_span(&w);
}

static void evidence_comes_back(void **state)
{
	(void)state;
	struct ag_record_evidence r;
	assert_int_equal(ag_record_evidence(&r, evidence_file()), CH_OK);
	assert_int_equal(r.collected, 1234);
	assert_span_equal(r.quote, "quote", 5);
	assert_span_equal(r.signature, "signature", 9);
	assert_int_equal(r.log_from, 10);
	assert_span_equal(r.log, "log", 3);
	assert_span_equal(r.ima, "ima", 3);
	assert_int_equal(r.ostree[31], 7);
	assert_memory_equal(r.idempotency_key, sample().idempotency_key, sizeof(r.idempotency_key));
}

static void identity_and_floor_come_back(void **state)
{
	(void)state;
	struct ag_record_identity i = { .device = { 1, 2 },
					.key = 7,
					.issued = 8,
					.not_after = 9,
					.class_name = CH_SPAN_LIT("gateway"),
					.chain = CH_SPAN_LIT("PEM") };
	struct ag_record_identity got;
	struct ch_wr w = ch_wr(file, sizeof(file));
	assert_int_equal(ag_record_put_identity(&w, &i), CH_OK);
	assert_int_equal(ag_record_identity(&got, ch_wr_span(&w)), CH_OK);
	assert_memory_equal(got.device, i.device, sizeof(i.device));
	assert_int_equal(got.key, 7);
	assert_int_equal(got.issued, 8);
	assert_int_equal(got.not_after, 9);
	assert_span_equal(got.chain, "PEM", 3);
	struct ag_record_floor f = {
		.time = 5, .interval = 6, .boot_id = CH_SPAN_LIT("boot"), .log_size = 7, .ima_sha256 = { 3 }
	};
	struct ag_record_floor back;
	w = ch_wr(file, sizeof(file));
	assert_int_equal(ag_record_put_floor(&w, &f), CH_OK);
	assert_int_equal(ag_record_floor(&back, ch_wr_span(&w)), CH_OK);
	assert_int_equal(back.time, 5);
	assert_int_equal(back.interval, 6);
	assert_int_equal(back.log_size, 7);
	assert_int_equal(back.ima_sha256[0], 3);
	assert_span_equal(back.boot_id, "boot", 4);
}

static void a_fleet_root_comes_back(void **state)
{
	(void)state;
	const struct ag_record_root r = { .note = CH_SPAN_LIT("a note") };
	struct ag_record_root got;
	struct ag_record_floor f;
	struct ch_wr w = ch_wr(file, sizeof(file));
	assert_int_equal(ag_record_put_root(&w, &r), CH_OK);
	assert_int_equal(ag_record_root(&got, ch_wr_span(&w)), CH_OK);
	assert_span_equal(got.note, "a note", 6);
	assert_int_equal(ag_record_floor(&f, ch_wr_span(&w)), CH_ERR_MALFORMED);
	for (size_t n = 0; n < w.len; n++) {
		assert_int_not_equal(ag_record_root(&got, ch_span(file, n)), CH_OK);
		assert_int_equal(got.note.n, 0);
	}
	file[20] ^= 1;
	assert_int_equal(ag_record_root(&got, ch_wr_span(&w)), CH_ERR_MISMATCH);
}

/* What an agent queued that knew nothing of commits is sent as it is. */
static void a_record_of_an_earlier_agent_is_read(void **state)
{
	(void)state;
	struct ag_record_evidence r = sample();
	struct ch_wr w = ch_wr(file, sizeof(file));
	size_t start = ag_record_begin(&w, AG_RECORD_EVIDENCE);
	ch_wr_put(&w, CH_SPAN_OF(r.idempotency_key));
	ch_wr_be64(&w, r.collected);
	ag_record_put_span(&w, r.quote);
	ag_record_put_span(&w, r.signature);
	ch_wr_be64(&w, r.log_from);
	ch_wr_put(&w, CH_SPAN_OF(r.log_sha256));
	ag_record_put_span(&w, r.log);
	ch_wr_be64(&w, r.ima_from);
	ch_wr_put(&w, CH_SPAN_OF(r.ima_sha256));
	ag_record_put_span(&w, r.ima);
	assert_int_equal(ag_record_end(&w, start), CH_OK);
	assert_int_equal(ag_record_evidence(&r, ch_wr_span(&w)), CH_OK);
	assert_true(ch_span_all(CH_SPAN_OF(r.ostree), 0));
	assert_span_equal(r.ima, "ima", 3);
}

static void nothing_short_of_all_is_taken(void **state)
{
	(void)state;
	struct ch_span whole = evidence_file();
	struct ag_record_evidence r;
	for (size_t n = 0; n < whole.n; n++) {
		assert_int_not_equal(ag_record_evidence(&r, ch_span(whole.p, n)), CH_OK);
		assert_int_equal(r.quote.n, 0);
	}
	file[whole.n] = 0;
	assert_int_equal(ag_record_evidence(&r, ch_span(whole.p, whole.n + 1)), CH_ERR_TRAILING);
}

static void no_bit_may_differ(void **state)
{
	(void)state;
	struct ch_span whole = evidence_file();
	struct ag_record_evidence r;
	for (size_t i = 0; i < whole.n * 8; i++) {
		file[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_not_equal(ag_record_evidence(&r, whole), CH_OK);
		file[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(ag_record_evidence(&r, whole), CH_OK);
}

static void one_kind_is_not_another(void **state)
{
	(void)state;
	struct ag_record_identity i;
	struct ag_record_floor f;
	assert_int_equal(ag_record_identity(&i, evidence_file()), CH_ERR_MALFORMED);
	assert_int_equal(ag_record_floor(&f, evidence_file()), CH_ERR_MALFORMED);
}

static void a_key_goes_into_a_header_and_is_looked_at(void **state)
{
	(void)state;
	struct ag_record_evidence r = sample();
	r.idempotency_key[5] = '\n';
	struct ch_wr w = ch_wr(file, sizeof(file));
	assert_int_equal(ag_record_put_evidence(&w, &r), CH_OK);
	assert_int_equal(ag_record_evidence(&r, ch_wr_span(&w)), CH_ERR_MALFORMED);
}

static void a_record_that_does_not_fit_is_not_written(void **state)
{
	(void)state;
	const struct ag_record_evidence r = sample();
	size_t whole = evidence_file().n;
	for (size_t n = 0; n < whole; n++) {
		struct ch_wr w = ch_wr(file, n);
		assert_int_equal(ag_record_put_evidence(&w, &r), CH_ERR_NOSPACE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_comes_back),
		cmocka_unit_test(a_record_of_an_earlier_agent_is_read),
		cmocka_unit_test(identity_and_floor_come_back),
		cmocka_unit_test(a_fleet_root_comes_back),
		cmocka_unit_test(nothing_short_of_all_is_taken),
		cmocka_unit_test(no_bit_may_differ),
		cmocka_unit_test(one_kind_is_not_another),
		cmocka_unit_test(a_key_goes_into_a_header_and_is_looked_at),
		cmocka_unit_test(a_record_that_does_not_fit_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
