/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/measure.h"

#include "host/crypto_openssl/backend.h"
#include "tests/core/update/pe_maker.h"
#include "tests/unit.h"

/* A UKI is made here whose kernel is a made image; what it measures is said again, from the rules. */

static uint8_t room[65536], kernel_room[8192];
static struct ch_span kernel;
static struct ch_measure m;
static struct ch_diag diag;

#define MARK(v)                                                                                       \
	{                                                                                             \
		.name = ".sdmagic", .data = CH_SPAN_LIT("#### LoaderInfo: systemd-stub " v " ####\0") \
	}

static int setup(void **state)
{
	static const struct made_section text[] = { { .name = ".text", .data = CH_SPAN_LIT("kernel") } };
	(void)state;
	kernel = made_pe(kernel_room, sizeof(kernel_room), &(struct made){ .section = text, .count = 1 });
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

static struct ch_span made(const struct made_section *s, size_t count)
{
	struct ch_span f = made_pe(room, sizeof(room), &(struct made){ .section = s, .count = (uint16_t)count });
	assert_true(f.n > 0);
	return f;
}

static void expect(size_t i, uint8_t pcr, uint32_t type, bool required, struct ch_span bytes)
{
	struct ch_digest d;
	assert_true(i < m.count);
	assert_int_equal(m.event[i].pcr, pcr);
	assert_int_equal(m.event[i].type, type);
	assert_int_equal(m.event[i].required, required);
	for (size_t k = 0; k < CH_MEASURE_BANKS; k++) {
		assert_int_equal(ch_hash_once(ch_measure_bank[k], bytes, &d), CH_OK);
		assert_span_equal(ch_digest_span(&m.event[i].digest[k]), d.b, d.n);
	}
}

static void test_uki(void **state)
{
	(void)state;
	/* Not in the order of measurement. */
	const struct made_section s[] = {
		MARK("252.39-1~deb12u2"),
		{ .name = ".initrd", .data = CH_SPAN_LIT("initrd") },
		{ .name = ".cmdline", .data = CH_SPAN_LIT("quiet\ta\n") },
		{ .name = ".linux", .data = kernel },
		{ .name = ".osrel", .data = CH_SPAN_LIT("ID=x\n") },
	};
	ch_measure_init(&m);
	assert_int_equal(ch_measure_any(&m, made(s, 5), CH_SPAN_LIT("a.efi"), &diag), CH_OK);
	assert_int_equal(m.count, 12);
	assert_int_equal(m.event[0].pcr, 4);
	assert_true(m.event[0].required);
	expect(1, 11, 0xd, true, CH_SPAN_LIT(".linux\0"));
	expect(2, 11, 0xd, true, kernel);
	expect(3, 11, 0xd, true, CH_SPAN_LIT(".osrel\0"));
	expect(4, 11, 0xd, true, CH_SPAN_LIT("ID=x\n"));
	expect(5, 11, 0xd, true, CH_SPAN_LIT(".cmdline\0"));
	expect(6, 11, 0xd, true, CH_SPAN_LIT("quiet\ta\n"));
	expect(7, 11, 0xd, true, CH_SPAN_LIT(".initrd\0"));
	expect(8, 11, 0xd, true, CH_SPAN_LIT("initrd"));
	assert_int_equal(m.event[9].pcr, 4);
	assert_false(m.event[9].required);
	expect(10, 9, 6, false, CH_SPAN_LIT("q\0u\0i\0e\0t\0 \0a\0\0\0"));
	expect(11, 9, 6, false, CH_SPAN_LIT("initrd"));
	assert_int_equal(m.note_count, 0);
	/* The same again is the same. */
	assert_int_equal(ch_measure_uki(&m, made(s, 5), CH_SPAN_EMPTY, &diag), CH_OK);
	assert_int_equal(m.count, 12);
}

static void test_notes(void **state)
{
	(void)state;
	const struct made_section s[] = {
		MARK("252"),
		{ .name = ".linux", .data = kernel },
		{ .name = ".initrd", .data = CH_SPAN_LIT("initrd") },
		{ .name = ".pcrsig", .data = CH_SPAN_LIT("{}") },
	};
	ch_measure_init(&m);
	assert_int_equal(ch_measure_uki(&m, made(s, 4), CH_SPAN_EMPTY, &diag), CH_OK);
	assert_int_equal(m.note_count, 2);
	assert_int_equal(m.count, 6);
	for (size_t i = 0; i < m.count; i++)
		assert_int_not_equal(m.event[i].pcr, 9);
}

static void refused(const struct made_section *s, size_t count, enum ch_err err, const char *rule)
{
	ch_measure_init(&m);
	assert_int_equal(ch_measure_uki(&m, made(s, count), CH_SPAN_EMPTY, &diag), err);
	assert_non_null(strstr(diag.rule, rule));
	assert_int_equal(m.count, 0);
	assert_int_equal(m.note_count, 0);
}

static void test_refused(void **state)
{
	(void)state;
	struct made_section s[] = {
		MARK("252"),
		{ .name = ".linux", .data = kernel },
		{ .name = ".initrd", .data = CH_SPAN_LIT("a") },
		{ .name = ".initrd", .data = CH_SPAN_LIT("b") },
	};
	refused(s, 4, CH_ERR_DUPLICATE, "twice");
	refused(s, 1, CH_ERR_MISSING, "no section .linux");
	refused(s + 1, 2, CH_ERR_UNSUPPORTED, "no .sdmagic");
	s[3].name = ".dtbauto";
	refused(s, 4, CH_ERR_UNSUPPORTED, "goes on");
	s[3].name = ".x";
	s[3].vaddr = 0x300000;
	refused(s, 4, CH_ERR_MALFORMED, "overlap in memory");
	s[3].vaddr = 0xffffffff;
	refused(s, 4, CH_ERR_RANGE, "SizeOfImage");
	s[3].vaddr = 0;
	s[2].vsize = 513;
	refused(s, 4, CH_ERR_UNSUPPORTED, "larger in memory");
	s[2].vsize = 0;
	s[1].data = CH_SPAN_LIT("no image");
	refused(s, 4, CH_ERR_TRUNCATED, "MS-DOS");
	s[1].data = kernel;
	s[0] = (struct made_section)MARK("257.1");
	refused(s, 4, CH_ERR_UNSUPPORTED, "another version");
	s[0] = (struct made_section){ .name = ".sdmagic",
				      .data = CH_SPAN_LIT("#### LoaderInfo: systemd-boot 252 ####") };
	refused(s, 4, CH_ERR_UNSUPPORTED, "does not name");
	s[0] = (struct made_section)MARK("252");
	s[3] = (struct made_section){ .name = ".cmdline", .data = CH_SPAN_LIT("caf\xc3\xa9") };
	refused(s, 4, CH_ERR_UNSUPPORTED, "ASCII");
}

static void test_image(void **state)
{
	(void)state;
	static const struct made_section text[] = { { .name = ".text", .data = CH_SPAN_LIT("driver") } };
	static const struct {
		uint16_t subsystem;
		uint8_t pcr;
		const char *type;
	} kind[] = {
		{ CH_PE_APPLICATION, 4, "EV_EFI_BOOT_SERVICES_APPLICATION" },
		{ CH_PE_BOOT_DRIVER, 2, "EV_EFI_BOOT_SERVICES_DRIVER" },
		{ CH_PE_RUNTIME_DRIVER, 2, "EV_EFI_RUNTIME_SERVICES_DRIVER" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(kind); i++) {
		struct made image = { .section = text, .count = 1, .subsystem = kind[i].subsystem };
		ch_measure_init(&m);
		assert_int_equal(ch_measure_any(&m, made_pe(room, sizeof(room), &image), CH_SPAN_EMPTY, &diag), CH_OK);
		assert_int_equal(m.count, 1);
		assert_int_equal(m.event[0].pcr, kind[i].pcr);
		assert_string_equal(ch_measure_type_str(m.event[0].type), kind[i].type);
	}
	struct made windows = { .section = text, .count = 1, .subsystem = 2 };
	assert_int_equal(ch_measure_any(&m, made_pe(room, sizeof(room), &windows), CH_SPAN_EMPTY, &diag),
			 CH_ERR_UNSUPPORTED);
	assert_null(ch_measure_type_str(1));
}

static void test_full(void **state)
{
	(void)state;
	uint8_t byte = 0;
	ch_measure_init(&m);
	for (; byte < CH_MEASURE_EVENTS_MAX; byte++)
		assert_int_equal(ch_measure_initrd(&m, ch_span(&byte, 1), CH_SPAN_EMPTY, &diag), CH_OK);
	assert_int_equal(ch_measure_initrd(&m, ch_span(&byte, 1), CH_SPAN_EMPTY, &diag), CH_ERR_LIMIT);
	assert_int_equal(m.count, CH_MEASURE_EVENTS_MAX);
}

static void test_reference(void **state)
{
	(void)state;
	uint8_t text[2048];
	struct ch_wr w = ch_wr(text, sizeof(text));
	struct ch_json_wr j = ch_json_wr(&w, false);
	ch_measure_init(&m);
	assert_int_equal(ch_measure_initrd(&m, CH_SPAN_LIT("i"), CH_SPAN_LIT("a\x1b"), &diag), CH_OK);
	ch_measure_reference_put(&j, &m, CH_SPAN_LIT("gateway 1"));
	assert_true(ch_json_wr_done(&j));
	ch_wr_u8(&w, 0);
	static const char head[] =
		"{\"format\":\"chainhold-reference/1\",\"kind\":\"release\",\"name\":\"gateway 1\",\"pcrs\":[9],\"events\":["
		"{\"pcr\":9,\"type\":6,\"type_name\":\"EV_EVENT_TAG\",\"digests\":{\"sha256\":\"";
	assert_memory_equal(text, head, sizeof(head) - 1);
	assert_non_null(strstr((char *)text, "\"required\":false,\"what\":\"a\\\\x1b: initrd (Linux EFI stub)\"}]}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uki),   cmocka_unit_test(test_notes), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_image), cmocka_unit_test(test_full),  cmocka_unit_test(test_reference),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
