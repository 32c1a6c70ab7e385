/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/core/boot/log_maker.h"

/* --- captures --- */

static void a_capture_parses(void **state)
{
	(void)state;
	struct ch_buf CH_AUTO_BUF b = load(TWO_BANK);
	assert_int_equal(parse(ch_buf_span(&b)), CH_OK);
	assert_int_equal(log_.format, CH_TCG_AGILE);
	assert_int_equal(log_.bank_count, 2);
	assert_int_equal(log_.bank[0].alg, CH_HASH_SHA1);
	assert_int_equal(log_.bank[1].alg, CH_HASH_SHA256);
	assert_int_equal(log_.used, 3);
	assert_int_equal(log_.event_count, 43);
	assert_int_equal(log_.padding, 0);
	assert_int_equal(log_.startup_locality, 0);
	assert_false(log_.drtm);
	assert_int_equal(count_events(), 43);
}

static void every_cut_but_between_records_is_refused(void **state)
{
	(void)state;
	struct ch_buf CH_AUTO_BUF b = load(SBOFF);
	struct ch_tcg_log whole;
	assert_int_equal(parse(ch_buf_span(&b)), CH_OK);
	whole = log_;
	struct ch_tcg_iter it = ch_tcg_iter(&whole);
	struct ch_tcg_event ev;
	size_t end = 0;
	for (size_t n = 0; n <= b.n; n++) {
		if (n > end)
			assert_true(ch_tcg_next(&it, &ev));
		end = it.off;
		enum ch_err err = parse(ch_span(b.p, n));
		if (n == end && n != 0) {
			assert_int_equal(err, CH_OK);
			assert_int_equal(log_.event_count, it.n);
		} else {
			assert_int_equal(err, n == 0 ? CH_ERR_MALFORMED : CH_ERR_TRUNCATED);
			assert_true(n == 0 || diag.item == it.n - 1);
		}
	}
}

static void flipped_bits_leave_iteration_total(void **state)
{
	(void)state;
	static const char *const path[] = { SBOFF, COREBOOT };
	for (size_t f = 0; f < CH_COUNT_OF(path); f++) {
		struct ch_buf CH_AUTO_BUF b = load(path[f]);
		for (size_t bit = 0; bit < b.n * 8; bit += 3) {
			b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (parse(ch_buf_span(&b)) == CH_OK)
				assert_int_equal(count_events(), log_.event_count);
			b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void a_trailing_byte_is_refused(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte += 51) {
		agile_begin();
		event(1, CH_EV_ACTION, CH_SPAN_LIT("x"));
		fill((uint8_t)byte, 1);
		assert_int_equal(parse_made(), CH_ERR_TRUNCATED);
		assert_int_equal(diag.item, 2);
	}
}

/* --- Spec ID event --- */

static void nothing_is_not_a_log(void **state)
{
	(void)state;
	assert_int_equal(parse(CH_SPAN_EMPTY), CH_ERR_MALFORMED);
	assert_int_equal(diag.item, CH_ITEM_NONE);
	assert_int_equal(ch_tcg_log_parse(&log_, CH_SPAN_EMPTY, NULL), CH_ERR_MALFORMED);
}

static void a_log_of_more_than_16_mib_is_refused(void **state)
{
	(void)state;
	/* Only its length is looked at. */
	assert_int_equal(parse(ch_span(buf, CH_TCG_LOG_MAX + 1)), CH_ERR_LIMIT);
}

static void a_spec_id_event_alone_is_a_log(void **state)
{
	(void)state;
	agile_begin();
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.event_count, 1);
	assert_int_equal(log_.used, 0);
	ch_tcg_replay(&log_, &pcrs);
	assert_int_equal(pcrs.count, 1);
	assert_int_equal(pcrs.bank[0].touched, 0);
}

static void another_vendors_information_is_skipped(void **state)
{
	(void)state;
	begin();
	spec_id(sha256, 1, CH_SPAN_LIT("anything"));
	assert_int_equal(parse_made(), CH_OK);
	begin();
	spec_id(sha256, 1, CH_SPAN_LIT("fifteen bytes :"));
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.format, CH_TCG_AGILE);
}

static enum ch_err parse_spec_id_with(size_t off, uint8_t byte)
{
	begin();
	spec_id(sha1_sha256, 2, CH_SPAN_EMPTY);
	buf[off] = byte;
	return parse_made();
}

static void the_spec_id_event_must_be_well_formed(void **state)
{
	(void)state;
	const size_t minor = 52, count = 56, first = 60, second = 64, vendor = 68;
	assert_int_equal(parse_spec_id_with(count, 0), CH_ERR_MALFORMED);
	assert_int_equal(diag.off, count);
	assert_int_equal(parse_spec_id_with(count, 1), CH_ERR_MALFORMED);
	assert_int_equal(parse_spec_id_with(count, 3), CH_ERR_TRUNCATED);
	assert_int_equal(parse_spec_id_with(count + 3, 0xff), CH_ERR_TRUNCATED);
	assert_int_equal(parse_spec_id_with(first + 2, 21), CH_ERR_RANGE);
	assert_int_equal(diag.off, first + 2);
	assert_int_equal(parse_spec_id_with(first + 2, 0), CH_ERR_RANGE);
	assert_int_equal(parse_spec_id_with(second + 2, 20), CH_ERR_RANGE);
	assert_int_equal(parse_spec_id_with(second, CH_HASH_SHA1), CH_ERR_DUPLICATE);
	assert_int_equal(parse_spec_id_with(vendor, 1), CH_ERR_MALFORMED);
	assert_int_equal(diag.off, vendor);
	assert_int_equal(parse_spec_id_with(vendor, 255), CH_ERR_MALFORMED);
	assert_int_equal(parse_spec_id_with(minor, 1), CH_ERR_RANGE);
	assert_int_equal(diag.off, minor);
	assert_int_equal(parse_spec_id_with(minor + 1, 1), CH_ERR_RANGE);
	assert_int_equal(parse_spec_id_with(minor + 1, 3), CH_ERR_RANGE);
	assert_int_equal(parse_spec_id_with(minor + 2, 105), CH_OK);
}

static void as_many_algorithms_as_there_is_room_for(void **state)
{
	(void)state;
	struct bank bank[CH_TCG_BANKS_MAX + 1];
	for (uint16_t i = 0; i < CH_COUNT_OF(bank); i++)
		bank[i] = (struct bank){ (uint16_t)(0x1000 + i), 16 };
	begin();
	spec_id(bank, CH_TCG_BANKS_MAX, CH_SPAN_EMPTY);
	agile_event(bank, CH_TCG_BANKS_MAX, 1, CH_EV_ACTION, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.used, 0xff);
	begin();
	spec_id(bank, CH_TCG_BANKS_MAX + 1, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_LIMIT);
}

static void an_unknown_algorithm_is_skipped_by_its_size(void **state)
{
	(void)state;
	static const struct bank bank[] = { { 0x1234, CH_DIGEST_MAX }, { CH_HASH_SHA256, 32 } };
	begin();
	spec_id(bank, 2, CH_SPAN_EMPTY);
	agile_event(bank, 2, 4, CH_EV_ACTION, CH_SPAN_LIT("x"));
	assert_int_equal(parse_made(), CH_OK);
	assert_pcr(CH_HASH_SHA256, 4, 0, 0, 0x22);
	assert_int_equal(pcrs.count, 1);
	static const struct bank large[] = { { 0x1234, CH_DIGEST_MAX + 1 } };
	begin();
	spec_id(large, 1, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_RANGE);
}

/* --- records --- */

static void replay_extends_every_bank(void **state)
{
	(void)state;
	begin();
	spec_id(sha1_sha256, 2, CH_SPAN_EMPTY);
	agile_event(sha1_sha256, 2, 23, CH_EV_IPL, CH_SPAN_LIT("x"));
	assert_int_equal(parse_made(), CH_OK);
	assert_pcr(CH_HASH_SHA1, 23, 0, 0, 0x22);
	assert_pcr(CH_HASH_SHA256, 23, 0, 0, 0x22);
	struct ch_tcg_iter it = ch_tcg_iter(&log_);
	struct ch_tcg_event ev;
	assert_true(ch_tcg_next(&it, &ev));
	assert_false(ev.extended);
	assert_true(ch_tcg_next(&it, &ev));
	assert_true(ev.extended);
	assert_int_equal(ch_tcg_digest_in(&ev, CH_HASH_SHA1).n, 20);
	assert_int_equal(ch_tcg_digest_in(&ev, CH_HASH_SHA256).n, 32);
	assert_int_equal(ch_tcg_digest_in(&ev, CH_HASH_SHA384).n, 0);
	assert_span_equal(ev.data, "x", 1);
	assert_int_equal(log_.in.p[ev.data_off], 'x');
}

static void digests_may_come_in_any_order(void **state)
{
	(void)state;
	static const struct bank reverse[] = { { CH_HASH_SHA256, 32 }, { CH_HASH_SHA1, 20 } };
	begin();
	spec_id(sha1_sha256, 2, CH_SPAN_EMPTY);
	agile_event(sha1_sha256, 2, 5, CH_EV_IPL, CH_SPAN_EMPTY);
	agile_event(reverse, 2, 6, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_OK);
	assert_pcr(CH_HASH_SHA1, 6, 0, 0, 0x22);
	assert_pcr(CH_HASH_SHA256, 6, 0, 0, 0x22);
}

static void an_algorithm_twice_is_refused(void **state)
{
	(void)state;
	static const struct bank twice[] = { { CH_HASH_SHA256, 32 }, { CH_HASH_SHA256, 32 } };
	begin();
	spec_id(sha1_sha256, 2, CH_SPAN_EMPTY);
	agile_event(twice, 2, 5, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_DUPLICATE);
	assert_int_equal(diag.item, 1);
}

static void an_undeclared_algorithm_is_refused(void **state)
{
	(void)state;
	static const struct bank other[] = { { CH_HASH_SHA384, 48 } };
	agile_begin();
	agile_event(other, 1, 5, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_UNKNOWN);
	agile_begin();
	agile_event(sha1_sha256, 2, 5, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_RANGE);
}

static void a_measured_event_needs_digests(void **state)
{
	(void)state;
	agile_begin();
	agile_event(NULL, 0, 5, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_MISSING);
	agile_begin();
	event(5, CH_EV_IPL, CH_SPAN_EMPTY);
	agile_event(NULL, 0, 5, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_MISSING);
	agile_begin();
	agile_event(NULL, 0, 5, CH_EV_NO_ACTION, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_OK);
}

static void a_bank_is_in_all_records_or_in_none(void **state)
{
	(void)state;
	begin();
	spec_id(sha1_sha256, 2, CH_SPAN_EMPTY);
	agile_event(sha256, 1, 5, CH_EV_IPL, CH_SPAN_EMPTY);
	agile_event(sha256, 1, 6, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.used, 2);
	agile_event(sha1_sha256, 2, 6, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_MISSING);
	begin();
	spec_id(sha1_sha256, 2, CH_SPAN_EMPTY);
	agile_event(sha1_sha256, 2, 5, CH_EV_IPL, CH_SPAN_EMPTY);
	agile_event(sha256, 1, 6, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_MISSING);
	assert_int_equal(diag.item, 2);
}

static void an_index_above_23_is_no_register(void **state)
{
	(void)state;
	static const uint32_t bad[] = { 24, 255, 0x7fffffff, UINT32_MAX };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		agile_begin();
		event(bad[i], CH_EV_IPL, CH_SPAN_EMPTY);
		assert_int_equal(parse_made(), CH_ERR_RANGE);
		assert_int_equal(diag.item, 1);
		agile_begin();
		event(bad[i], CH_EV_NO_ACTION, CH_SPAN_EMPTY);
		assert_int_equal(parse_made(), CH_OK);
	}
}

static void a_length_near_the_largest_does_not_wrap(void **state)
{
	(void)state;
	agile_begin();
	event(1, CH_EV_IPL, CH_SPAN_EMPTY);
	memset(buf + w.len - 4, 0xff, 4);
	assert_int_equal(parse_made(), CH_ERR_TRUNCATED);
	buf[w.len - 2] = 0;
	assert_int_equal(parse_made(), CH_ERR_TRUNCATED);
}

static void sixty_five_thousand_events_are_too_many(void **state)
{
	(void)state;
	size_t n = (CH_TCG_EVENTS_MAX + 1) * (size_t)32;
	struct ch_buf CH_AUTO_BUF b = { 0 };
	begin();
	sha1_event(1, CH_EV_IPL, CH_SPAN_EMPTY);
	while (b.n < n)
		ch_buf_append(&b, ch_wr_span(&w));
	assert_int_equal(parse(ch_span(b.p, n)), CH_ERR_LIMIT);
	assert_int_equal(parse(ch_span(b.p, n - 32)), CH_OK);
	assert_int_equal(log_.event_count, CH_TCG_EVENTS_MAX);
}

/* --- SHA-1 --- */

static void a_log_without_spec_id_is_sha1(void **state)
{
	(void)state;
	begin();
	sha1_event(4, CH_EV_IPL, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.format, CH_TCG_SHA1);
	assert_int_equal(log_.event_count, 1);
	assert_pcr(CH_HASH_SHA1, 4, 0, 0, 0x11);
}

static void older_spec_id_events_have_no_algorithms(void **state)
{
	(void)state;
	static const char *const signature[] = { "Spec ID Event00", "Spec ID Event02" };
	for (size_t i = 0; i < CH_COUNT_OF(signature); i++) {
		uint8_t data[25] = { 0 };
		(void)ch_span_copy(data, sizeof(data), ch_span_str(signature[i]));
		begin();
		sha1_event(0, CH_EV_NO_ACTION, CH_SPAN_OF(data));
		sha1_event(4, CH_EV_IPL, CH_SPAN_EMPTY);
		assert_int_equal(parse_made(), CH_OK);
		assert_int_equal(log_.format, CH_TCG_SHA1);
		data[24] = 1;
		begin();
		sha1_event(0, CH_EV_NO_ACTION, CH_SPAN_OF(data));
		assert_int_equal(parse_made(), CH_ERR_MALFORMED);
		begin();
		sha1_event(0, CH_EV_NO_ACTION, ch_span(data, 24));
		assert_int_equal(parse_made(), CH_ERR_MALFORMED);
	}
}

static void agile_records_are_not_sha1_records(void **state)
{
	(void)state;
	struct ch_buf CH_AUTO_BUF b = load(SBOFF);
	assert_int_equal(parse(ch_span(b.p + 65, b.n - 65)), CH_ERR_TRUNCATED);
}

/* --- start values --- */

static void startup_locality_is_the_last_byte_of_pcr_0(void **state)
{
	(void)state;
	static const uint8_t good[] = { 0, 3, 4 };
	for (size_t i = 0; i < CH_COUNT_OF(good); i++) {
		agile_begin();
		event(1, CH_EV_IPL, CH_SPAN_EMPTY);
		locality(good[i]);
		event(0, CH_EV_S_CRTM_VERSION, CH_SPAN_EMPTY);
		assert_int_equal(parse_made(), CH_OK);
		assert_int_equal(log_.startup_locality, good[i]);
		assert_pcr(CH_HASH_SHA256, 0, 0, good[i], 0x22);
		assert_int_equal(pcrs.bank[0].started, good[i] != 0);
	}
	agile_begin();
	locality(1);
	assert_int_equal(parse_made(), CH_ERR_RANGE);
	assert_int_equal(diag.item, 1);
}

static void startup_locality_comes_once_and_first(void **state)
{
	(void)state;
	agile_begin();
	event(0, CH_EV_S_CRTM_VERSION, CH_SPAN_EMPTY);
	locality(3);
	assert_int_equal(parse_made(), CH_ERR_MALFORMED);
	assert_int_equal(diag.item, 2);
	agile_begin();
	locality(3);
	locality(3);
	assert_int_equal(parse_made(), CH_ERR_DUPLICATE);
	agile_begin();
	event(0, CH_EV_EFI_HCRTM_EVENT, CH_SPAN_LIT("HCRTM"));
	event(0, CH_EV_S_CRTM_VERSION, CH_SPAN_EMPTY);
	locality(4);
	assert_int_equal(parse_made(), CH_ERR_MALFORMED);
}

static void startup_locality_has_its_size_and_index(void **state)
{
	(void)state;
	agile_begin();
	event(0, CH_EV_NO_ACTION, CH_SPAN_LIT("StartupLocality\0"));
	assert_int_equal(parse_made(), CH_ERR_MALFORMED);
	agile_begin();
	event(0, CH_EV_NO_ACTION, CH_SPAN_LIT("StartupLocality\0\3\0"));
	assert_int_equal(parse_made(), CH_ERR_MALFORMED);
	agile_begin();
	event(1, CH_EV_NO_ACTION, CH_SPAN_LIT("StartupLocality\0\3"));
	assert_int_equal(parse_made(), CH_ERR_MALFORMED);
	/* A measured event with that text is only an event. */
	agile_begin();
	event(0, CH_EV_ACTION, CH_SPAN_LIT("StartupLocality\0\3"));
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.startup_locality, 0);
}

static void h_crtm_starts_pcr_0_at_4(void **state)
{
	(void)state;
	agile_begin();
	event(0, CH_EV_EFI_HCRTM_EVENT, CH_SPAN_LIT("HCRTM"));
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.startup_locality, 4);
	assert_pcr(CH_HASH_SHA256, 0, 0, 4, 0x22);
	/* Whatever the locality of TPM2_Startup was. */
	agile_begin();
	locality(3);
	event(0, CH_EV_EFI_HCRTM_EVENT, CH_SPAN_LIT("HCRTM"));
	event(0, CH_EV_EFI_HCRTM_EVENT, CH_SPAN_LIT("HCRTM"));
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.startup_locality, 4);
	agile_begin();
	event(0, CH_EV_EFI_HCRTM_EVENT, CH_SPAN_LIT("HCRTM"));
	locality(3);
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.startup_locality, 4);
	/* In another PCR it says nothing of PCR 0. */
	agile_begin();
	event(1, CH_EV_EFI_HCRTM_EVENT, CH_SPAN_LIT("HCRTM"));
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.startup_locality, 0);
	agile_begin();
	event(0, CH_EV_S_CRTM_VERSION, CH_SPAN_EMPTY);
	event(0, CH_EV_EFI_HCRTM_EVENT, CH_SPAN_LIT("HCRTM"));
	assert_int_equal(parse_made(), CH_OK);
	assert_int_equal(log_.startup_locality, 4);
}

static void a_dynamic_launch_starts_its_registers_at_zero(void **state)
{
	(void)state;
	agile_begin();
	event(255, 0x401, CH_SPAN_EMPTY);
	event(17, 0x402, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_OK);
	assert_true(log_.drtm);
	assert_pcr(CH_HASH_SHA256, 17, 0, 0, 0x22);
	assert_int_equal(pcrs.bank[0].touched, 1 << 17);
	assert_int_equal(pcrs.bank[0].started, 0x7e0000);
	assert_true(ch_span_all(ch_pcr_value(&pcrs.bank[0], 22), 0));
	agile_begin();
	event(16, CH_EV_IPL, CH_SPAN_EMPTY);
	event(23, CH_EV_IPL, CH_SPAN_EMPTY);
	event(17, CH_EV_NO_ACTION, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_OK);
	assert_false(log_.drtm);
	ch_tcg_replay(&log_, &pcrs);
	assert_true(ch_span_all(ch_pcr_value(&pcrs.bank[0], 17), 0xff));
	/* Only TXT's list of mappings has an index that is no register. */
	agile_begin();
	event(255, 0x402, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_RANGE);
	agile_begin();
	event(254, 0x401, CH_SPAN_EMPTY);
	assert_int_equal(parse_made(), CH_ERR_RANGE);
}

/* --- other kinds --- */

static void confidential_computing_logs_are_unsupported(void **state)
{
	(void)state;
	agile_begin();
	event(1, CH_EV_IPL, CH_SPAN_EMPTY);
	fill(0xff, 8);
	assert_int_equal(parse_made(), CH_ERR_UNSUPPORTED);
	assert_int_equal(diag.item, 2);
	fill(0xff, 200);
	assert_int_equal(parse_made(), CH_ERR_UNSUPPORTED);
	begin();
	ch_wr_put(&w, CH_SPAN_LIT("CCEL\x38\0\0\0"));
	assert_int_equal(parse_made(), CH_ERR_UNSUPPORTED);
}

static void zeros_after_another_log_are_refused(void **state)
{
	(void)state;
	agile_begin();
	event(2, CH_EV_ACTION, CH_SPAN_EMPTY);
	fill(0, 100);
	assert_int_equal(parse_made(), CH_ERR_MISSING);
	begin();
	sha1_event(2, CH_EV_ACTION, CH_SPAN_EMPTY);
	fill(0, 31);
	assert_int_equal(parse_made(), CH_ERR_TRUNCATED);
}

/* --- names --- */

static void names(void **state)
{
	(void)state;
	assert_string_equal(ch_tcg_type_str(CH_EV_EFI_ACTION), "EV_EFI_ACTION");
	assert_string_equal(ch_tcg_type_str(0x401), "EVTYPE_PCR_MAPPING");
	assert_null(ch_tcg_type_str(2));
	assert_null(ch_tcg_type_str(UINT32_MAX));
	assert_string_equal(ch_tcg_format_str(CH_TCG_SHA1), "tcg-pcclient-sha1");
	assert_string_equal(ch_tcg_format_str(CH_TCG_AGILE), "tcg2-crypto-agile");
	assert_string_equal(ch_tcg_format_str(CH_TCG_COREBOOT), "coreboot");
	assert_string_equal(ch_tcg_format_str(CH_TCG_COREBOOT_TCPA), "coreboot-tcpa");
	assert_string_equal(ch_tcg_format_str(CH_TCG_COREBOOT_TPM2), "coreboot-tpm2");
	assert_string_equal(ch_tcg_format_str((enum ch_tcg_format)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_capture_parses),
		cmocka_unit_test(every_cut_but_between_records_is_refused),
		cmocka_unit_test(flipped_bits_leave_iteration_total),
		cmocka_unit_test(a_trailing_byte_is_refused),
		cmocka_unit_test(nothing_is_not_a_log),
		cmocka_unit_test(a_log_of_more_than_16_mib_is_refused),
		cmocka_unit_test(a_spec_id_event_alone_is_a_log),
		cmocka_unit_test(another_vendors_information_is_skipped),
		cmocka_unit_test(the_spec_id_event_must_be_well_formed),
		cmocka_unit_test(as_many_algorithms_as_there_is_room_for),
		cmocka_unit_test(an_unknown_algorithm_is_skipped_by_its_size),
		cmocka_unit_test(replay_extends_every_bank),
		cmocka_unit_test(digests_may_come_in_any_order),
		cmocka_unit_test(an_algorithm_twice_is_refused),
		cmocka_unit_test(an_undeclared_algorithm_is_refused),
		cmocka_unit_test(a_measured_event_needs_digests),
		cmocka_unit_test(a_bank_is_in_all_records_or_in_none),
		cmocka_unit_test(an_index_above_23_is_no_register),
		cmocka_unit_test(a_length_near_the_largest_does_not_wrap),
		cmocka_unit_test(sixty_five_thousand_events_are_too_many),
		cmocka_unit_test(a_log_without_spec_id_is_sha1),
		cmocka_unit_test(older_spec_id_events_have_no_algorithms),
		cmocka_unit_test(agile_records_are_not_sha1_records),
		cmocka_unit_test(startup_locality_is_the_last_byte_of_pcr_0),
		cmocka_unit_test(startup_locality_comes_once_and_first),
		cmocka_unit_test(startup_locality_has_its_size_and_index),
		cmocka_unit_test(h_crtm_starts_pcr_0_at_4),
		cmocka_unit_test(a_dynamic_launch_starts_its_registers_at_zero),
		cmocka_unit_test(confidential_computing_logs_are_unsupported),
		cmocka_unit_test(zeros_after_another_log_are_refused),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests_name("tcg_log", tests, NULL, NULL);
}
