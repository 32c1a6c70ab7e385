/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/evidence.h"

#include "core/trust/ear.h"
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

/* A recorded boot, its quote by a real TPM, and reference values that endorse nothing but its registers. */
#define FOLDER "tests/fixtures/sbon-good/"

static struct ch_buf quote, signature, ak, eventlog, ima;
static uint8_t *memory;
static size_t memory_size;
static struct ch_evidence_verdict v;
static struct ch_reference empty, one;
static struct ch_json_node node[64];
static struct ch_json doc;
static uint8_t compiled[16384];

static int setup(void **state)
{
	(void)state;
	struct ch_ref_diag d;
	struct ch_arena arena = ch_arena(compiled, sizeof(compiled));
	const struct ch_span text =
		CH_SPAN_LIT("{\"format\":\"chainhold-reference/1\",\"kind\":\"baseline\",\"name\":\"n\","
			    "\"pcrs\":[0],\"events\":[]}");
	if (ch_crypto_openssl_init() != CH_OK || ch_file_read(&quote, FOLDER "quote-ecc.msg") != CH_OK ||
	    ch_file_read(&signature, FOLDER "quote-ecc.sig") != CH_OK ||
	    ch_file_read(&ak, FOLDER "ak-ecc.tpm2b_public") != CH_OK ||
	    ch_file_read(&eventlog, FOLDER "binary_bios_measurements") != CH_OK ||
	    ch_file_read(&ima, FOLDER "ima.binary-at-quote-ecc") != CH_OK)
		return 1;
	if (ch_json_parse(&doc, text, node, CH_COUNT_OF(node), NULL) != CH_OK ||
	    ch_reference_compile(&one, &doc, 1, &arena, &d) != CH_OK)
		return 1;
	memory_size = ch_evidence_arena_size(eventlog.n, &one);
	memory = ch_calloc(memory_size, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	struct ch_buf *const all[] = { &quote, &signature, &ak, &eventlog, &ima };
	for (size_t i = 0; i < CH_COUNT_OF(all); i++)
		ch_buf_free(all[i]);
	ch_free(memory);
	return 0;
}

static struct ch_evidence good(void)
{
	return (struct ch_evidence){
		.quote = ch_buf_span(&quote),
		.signature = ch_buf_span(&signature),
		.eventlog = ch_buf_span(&eventlog),
		.ima = ch_buf_span(&ima),
		.ak_public = ch_buf_span(&ak),
		.platform = CH_TIER_AFFIRMING,
	};
}

static enum ch_err judge(const struct ch_evidence *e, const struct ch_reference *ref)
{
	struct ch_diag d;
	struct ch_arena arena = ch_arena(memory, memory_size);
	enum ch_err err = ch_evidence_judge(&v, e, ref, &arena, &d);
	assert_true((err == CH_OK) == (d.rule == NULL));
	return err;
}

static bool says(enum ch_reason_code code)
{
	for (size_t i = 0; i < v.boot.reason_count; i++) {
		if (v.boot.reason[i].code == code)
			return true;
	}
	return false;
}

static void without_reference_values_nothing_is_affirmed(void **state)
{
	(void)state;
	const struct ch_evidence e = good();
	assert_int_equal(judge(&e, &empty), CH_OK);
	assert_int_equal(v.link[CH_LINK_PLATFORM], CH_TIER_AFFIRMING);
	assert_int_equal(v.link[CH_LINK_BOOT], CH_TIER_NONE);
	assert_int_equal(v.link[CH_LINK_OS], CH_TIER_NONE);
	assert_true(says(CH_REASON_NO_REFERENCE));
	assert_true(v.boot.explains && v.boot.signature_ok && !v.malformed);
	for (size_t i = CH_LINK_CHANNEL; i < CH_LINK_COUNT; i++)
		assert_int_equal(v.link[i], CH_TIER_NONE);
}

static void what_nobody_endorsed_is_contraindicated(void **state)
{
	(void)state;
	const struct ch_evidence e = good();
	assert_int_equal(judge(&e, &one), CH_OK);
	assert_int_equal(v.link[CH_LINK_BOOT], CH_TIER_CONTRAINDICATED);
	assert_true(says(CH_REASON_UNEXPLAINED) && v.boot.explains);
}

static void another_key_is_told_with_and_without_reference_values(void **state)
{
	(void)state;
	struct ch_evidence e = good();
	CH_AUTO_BUF struct ch_buf other = { 0 };
	assert_int_equal(ch_file_read(&other, "tests/fixtures/sboff-good/ak-ecc.tpm2b_public"), CH_OK);
	e.ak_public = ch_buf_span(&other);
	assert_int_equal(judge(&e, &empty), CH_OK);
	assert_int_equal(v.link[CH_LINK_BOOT], CH_TIER_CONTRAINDICATED);
	assert_true(says(CH_REASON_SIGNATURE));
	assert_int_equal(judge(&e, &one), CH_OK);
	assert_true(says(CH_REASON_SIGNATURE));
}

static void a_log_that_breaks_off_is_contraindicated(void **state)
{
	(void)state;
	struct ch_evidence e = good();
	const size_t cut[] = { 0, 1, 40, eventlog.n / 2, eventlog.n - 1 };
	for (size_t i = 0; i < CH_COUNT_OF(cut); i++) {
		e.eventlog = ch_span(eventlog.p, cut[i]);
		assert_int_equal(judge(&e, i % 2 == 0 ? &empty : &one), CH_OK);
		assert_int_equal(v.link[CH_LINK_BOOT], CH_TIER_CONTRAINDICATED);
		assert_true(v.malformed && v.rule != NULL && says(CH_REASON_LOG_MALFORMED));
		assert_int_equal(v.link[CH_LINK_PLATFORM], CH_TIER_AFFIRMING);
	}
}

static void a_list_that_breaks_off_breaks_both_links(void **state)
{
	(void)state;
	struct ch_evidence e = good();
	e.ima = ch_span(ima.p, ima.n - 1);
	assert_int_equal(judge(&e, &one), CH_OK);
	assert_true(v.malformed && says(CH_REASON_IMA_MALFORMED));
	assert_int_equal(v.link[CH_LINK_BOOT], CH_TIER_CONTRAINDICATED);
	assert_int_equal(v.link[CH_LINK_OS], CH_TIER_CONTRAINDICATED);
}

static void what_is_no_evidence_is_refused(void **state)
{
	(void)state;
	struct ch_evidence e = good();
	e.quote = ch_span(quote.p, quote.n - 1);
	assert_int_equal(judge(&e, &one), CH_ERR_TRUNCATED);
	e = good();
	e.signature = CH_SPAN_EMPTY;
	assert_int_equal(judge(&e, &one), CH_ERR_TRUNCATED);
	e = good();
	e.ak_public = ch_span(ak.p, ak.n - 2);
	assert_int_not_equal(judge(&e, &one), CH_OK);
	e = good();
	uint8_t certify[1024];
	(void)ch_span_copy(certify, sizeof(certify), ch_buf_span(&quote));
	certify[5] = 0x17;
	e.quote = ch_span(certify, quote.n);
	assert_int_not_equal(judge(&e, &one), CH_OK);
}

static void counters_count_for_fresh_evidence_only(void **state)
{
	(void)state;
	struct ch_evidence e = good();
	const struct ch_boot_last last = { .reset_count = UINT32_MAX };
	e.last = &last;
	assert_int_equal(judge(&e, &empty), CH_OK);
	assert_true(says(CH_REASON_COUNTER_BACK));
	e.history = true;
	assert_int_equal(judge(&e, &empty), CH_OK);
	assert_false(says(CH_REASON_COUNTER_BACK));
	assert_true(says(CH_REASON_NONCE_UNJUDGED));
}

/* The claims set has all seven links; the list of events is left out, the reasons are there. */
static void every_link_is_in_the_result(void **state)
{
	(void)state;
	static uint8_t text[1 << 20];
	static struct ch_json_node nodes[1 << 16];
	const struct ch_evidence e = good();
	struct ch_json json;
	size_t at, status;
	assert_int_equal(judge(&e, &one), CH_OK);
	const struct ch_ear_input in = { .verdict = &v.boot,
					 .evidence = &v.evidence,
					 .reference = &one,
					 .build = "test",
					 .link = v.link,
					 .brief = true };
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_ear_put(&j, &in);
	assert_true(ch_json_wr_done(&j));
	assert_int_equal(ch_json_parse(&json, ch_wr_span(&w), nodes, CH_COUNT_OF(nodes), NULL), CH_OK);
	assert_int_equal(ch_json_member(&json, 0, "submods", &at), CH_OK);
	assert_int_equal(ch_json_count(&json, at), CH_LINK_COUNT);
	for (size_t i = 0; i < CH_LINK_COUNT; i++) {
		size_t link;
		assert_int_equal(ch_json_member(&json, at, ch_link_str((enum ch_link)i), &link), CH_OK);
		assert_int_equal(ch_json_member(&json, link, "ear_status", &status), CH_OK);
		assert_true(ch_json_str_eq(&json, status, ch_tier_str(v.link[i])));
	}
	w = ch_wr(text, sizeof(text));
	j = ch_json_wr(&w, false);
	ch_ear_reasons_put(&j, &in);
	assert_true(ch_json_wr_done(&j));
	assert_int_equal(ch_json_parse(&json, ch_wr_span(&w), nodes, CH_COUNT_OF(nodes), NULL), CH_OK);
	assert_int_equal(ch_json_count(&json, 0), v.boot.reason_count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_reference_values_nothing_is_affirmed),
		cmocka_unit_test(what_nobody_endorsed_is_contraindicated),
		cmocka_unit_test(another_key_is_told_with_and_without_reference_values),
		cmocka_unit_test(a_log_that_breaks_off_is_contraindicated),
		cmocka_unit_test(a_list_that_breaks_off_breaks_both_links),
		cmocka_unit_test(what_is_no_evidence_is_refused),
		cmocka_unit_test(counters_count_for_fresh_evidence_only),
		cmocka_unit_test(every_link_is_in_the_result),
	};
	return cmocka_run_group_tests_name("evidence", tests, setup, teardown);
}
