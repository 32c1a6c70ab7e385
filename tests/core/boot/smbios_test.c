/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/smbios.h"
#include "host/base/file.h"
#include "tests/unit.h"

#define BIOS                                   \
	"\x00\x09\x00\x00\x01\x02\x00\x00\x03" \
	"Vendor\0"                             \
	"1.0\0"                                \
	"today\0\0"
#define SYSTEM                                                             \
	"\x01\x1b\x01\x00\x01\x02\x00\x03"                                 \
	"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff" \
	"\x06\x00\x00"                                                     \
	"Maker\0"                                                          \
	"Box\x1b\0"                                                        \
	"0001\0\0"
#define SHORT                  \
	"\x02\x05\x02\x00\x00" \
	"\0\0"
#define END                \
	"\x7f\x04\x06\x00" \
	"\0\0"

static struct ch_smbios smbios;
static struct ch_diag diag;

static const char *field(const char *name)
{
	static uint8_t text[256];
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	if (!ch_smbios_field_put(&smbios, ch_span_str(name), &w))
		return NULL;
	text[w.len] = 0;
	return (const char *)text;
}

static void fields_have_dmidecodes_names(void **state)
{
	(void)state;
	assert_int_equal(ch_smbios_parse(&smbios, CH_SPAN_LIT(BIOS SYSTEM SHORT END), &diag), CH_OK);
	assert_int_equal(smbios.count, 4);
	assert_string_equal(field("bios-vendor"), "Vendor");
	assert_string_equal(field("bios-release-date"), "today");
	assert_string_equal(field("system-manufacturer"), "Maker");
	assert_string_equal(field("system-product-name"), "Box\\x1b");
	assert_string_equal(field("system-version"), "");
	assert_string_equal(field("system-serial-number"), "0001");
	assert_string_equal(field("system-uuid"), "00112233-4455-6677-8899-aabbccddeeff");
	assert_string_equal(field("baseboard-manufacturer"), "");
	assert_null(field("baseboard-product-name"));
	assert_null(field("chassis-version"));
	assert_null(field("system-colour"));
	assert_true(ch_smbios_is_field(CH_SPAN_LIT("system-uuid")));
	assert_false(ch_smbios_is_field(CH_SPAN_LIT("system-uui")));
}

static void a_string_number_past_the_last_is_an_empty_string(void **state)
{
	(void)state;
	assert_int_equal(ch_smbios_parse(&smbios,
					 CH_SPAN_LIT("\x00\x06\x00\x00\x05\xff"
						     "a\0b\0\0" END),
					 &diag),
			 CH_OK);
	assert_string_equal(field("bios-vendor"), "");
	assert_string_equal(field("bios-version"), "");
}

static void a_table_cut_or_lengthened_is_refused(void **state)
{
	(void)state;
	static const char table[] = BIOS SYSTEM END;
	for (size_t n = 0; n < sizeof(table) - 1; n++) {
		assert_int_equal(ch_smbios_parse(&smbios, ch_span(table, n), &diag), CH_ERR_TRUNCATED);
		assert_true(diag.off <= n && smbios.count == 0);
	}
	assert_int_equal(ch_smbios_parse(&smbios, ch_span(table, sizeof(table)), &diag), CH_ERR_TRAILING);
	assert_int_equal(ch_smbios_parse(&smbios, CH_SPAN_LIT("\x01\x03\x00\x00\0\0" END), &diag), CH_ERR_TRUNCATED);
}

static void a_table_has_at_most_1024_structures(void **state)
{
	(void)state;
	static uint8_t table[6 * (CH_SMBIOS_STRUCTS_MAX + 1)];
	for (size_t n = CH_SMBIOS_STRUCTS_MAX; n <= CH_SMBIOS_STRUCTS_MAX + 1; n++) {
		struct ch_wr w = ch_wr(table, sizeof(table));
		for (size_t i = 1; i < n; i++)
			ch_wr_put(&w, CH_SPAN_LIT("\x09\x04\0\0\0\0"));
		ch_wr_put(&w, CH_SPAN_LIT(END));
		assert_int_equal(ch_smbios_parse(&smbios, ch_wr_span(&w), &diag),
				 n == CH_SMBIOS_STRUCTS_MAX ? CH_OK : CH_ERR_LIMIT);
	}
}

static void u_boot_measures_its_table(void **state)
{
	(void)state;
	struct ch_buf b = { 0 };
	struct ch_tcg_log log;
	struct ch_tcg_event ev;
	struct ch_tcg_what what;
	size_t found = 0;
	assert_int_equal(ch_file_read(&b, "tests/fixtures/uboot-arm64-good/binary_bios_measurements"), CH_OK);
	assert_int_equal(ch_tcg_log_parse(&log, ch_buf_span(&b), NULL), CH_OK);
	struct ch_tcg_iter it = ch_tcg_iter(&log);
	while (ch_tcg_next(&it, &ev)) {
		ch_tcg_event_decode(&ev, &what);
		enum ch_err err = ch_smbios_of_event(&smbios, &what, &diag);
		assert_true(err == CH_OK || err == CH_ERR_NOTFOUND);
		if (err != CH_OK)
			continue;
		found++;
		assert_int_equal(what.cover, CH_COVER_ALL);
		assert_string_equal(field("bios-vendor"), "U-Boot");
		assert_string_equal(field("system-product-name"), "Unknown Product");
		/* it leaves out what is the device's own */
		assert_string_equal(field("system-serial-number"), "");
		assert_string_equal(field("system-uuid"), "00000000-0000-0000-0000-000000000000");
	}
	assert_int_equal(found, 1);
	ch_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_have_dmidecodes_names),
		cmocka_unit_test(a_string_number_past_the_last_is_an_empty_string),
		cmocka_unit_test(a_table_cut_or_lengthened_is_refused),
		cmocka_unit_test(a_table_has_at_most_1024_structures),
		cmocka_unit_test(u_boot_measures_its_table),
	};
	return cmocka_run_group_tests_name("smbios", tests, NULL, NULL);
}
