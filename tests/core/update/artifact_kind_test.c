/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release.h"

#include "tests/unit.h"

static uint8_t file[1024];

static void put(size_t off, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		file[off + i] = (uint8_t)bytes[i];
}
#define PUT(off, text) put(off, text, sizeof(text) - 1)

/* A PE file with one section of this name, its table at `pe`. */
static void put_pe(uint8_t pe, const char name[static 8])
{
	PUT(0, "MZ");
	file[0x3c] = pe;
	put(pe, "PE\0\0", 4);
	file[pe + 6] = 1; /* sections; no optional header */
	put((size_t)pe + 24, name, 8);
}

static int setup(void **state)
{
	(void)state;
	memset(file, 0, sizeof(file));
	return 0;
}

static enum ch_artifact_kind kind(size_t n)
{
	return ch_artifact_kind_of(ch_span(file, n));
}

static void a_file_is_known_by_how_it_begins(void **state)
{
	(void)state;
	static const struct {
		const char *at0, *at2;
		size_t off;
		enum ch_artifact_kind kind;
	} row[] = {
		{ "hsqs", "", 4, CH_ARTIFACT_RAUC },
		{ "070701", "sw-description", 110, CH_ARTIFACT_SWU },
		{ "070702", "sw-description", 110, CH_ARTIFACT_SWU },
		{ "070701", "init", 110, CH_ARTIFACT_INITRD },
		{ "index", "chainhold-ostree/v1", 512, CH_ARTIFACT_OSTREE },
		{ "MZ", "HdrS", 0x202, CH_ARTIFACT_KERNEL },
		{ "MZ", "ARM\x64", 0x38, CH_ARTIFACT_KERNEL },
		{ "MZ", "", 2, CH_ARTIFACT_FILE },
		{ "index", "another", 512, CH_ARTIFACT_FILE },
		{ "anything", "", 8, CH_ARTIFACT_FILE },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		(void)setup(NULL);
		put(0, row[i].at0, strlen(row[i].at0));
		put(row[i].off, row[i].at2, strlen(row[i].at2));
		assert_int_equal(kind(sizeof(file)), row[i].kind);
	}
}

static void a_uki_has_a_section_for_its_kernel(void **state)
{
	(void)state;
	put_pe(0x80, ".linux\0");
	assert_int_equal(kind(sizeof(file)), CH_ARTIFACT_UKI);
	put_pe(0x80, ".text\0\0");
	assert_int_equal(kind(sizeof(file)), CH_ARTIFACT_FILE);
}

static void a_file_that_ends_early_is_a_file(void **state)
{
	(void)state;
	put_pe(0x80, ".linux\0");
	assert_int_equal(kind(0), CH_ARTIFACT_FILE);
	for (size_t n = 1; n < 0x80 + 24 + 7; n++)
		assert_int_equal(kind(n), CH_ARTIFACT_FILE);
	file[0x3c] = 0xff;
	assert_int_equal(kind(sizeof(file)), CH_ARTIFACT_FILE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_file_is_known_by_how_it_begins, setup),
		cmocka_unit_test_setup(a_uki_has_a_section_for_its_kernel, setup),
		cmocka_unit_test_setup(a_file_that_ends_early_is_a_file, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
