/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/pe.h"

#include "host/crypto_openssl/backend.h"
#include "tests/core/update/pe_maker.h"
#include "tests/unit.h"

static uint8_t room[65536];
static struct ch_pe pe;
static struct ch_diag diag;

static const struct made_section two[] = {
	{ .name = ".text", .data = { (const uint8_t *)"code", 4 } },
	{ .name = ".longest", .data = { (const uint8_t *)"data", 4 } },
};
/* dwLength 12, revision 2.0, PKCS #7; four bytes, four of padding */
static const uint8_t cert[] = { 12, 0, 0, 0, 0, 2, 2, 0, 'a', 'b', 'c', 'd', 0, 0, 0, 0 };

static struct ch_span made(struct made m)
{
	struct ch_span s = made_pe(room, sizeof(room), &m);
	assert_true(s.n > 0);
	return s;
}

static int setup(void **state)
{
	(void)state;
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

static void test_reads(void **state)
{
	(void)state;
	struct ch_pe_cert c;
	struct ch_span f = made((struct made){ .section = two, .count = 2, .certs = CH_SPAN_OF(cert) });
	assert_int_equal(ch_pe_parse(&pe, f, &diag), CH_OK);
	assert_int_equal(pe.section_count, 2);
	assert_span_equal(pe.section[0].name, ".text", 5);
	assert_span_equal(pe.section[1].name, ".longest", 8);
	assert_int_equal(pe.section[0].raw.n, 512);
	assert_int_equal(pe.subsystem, CH_PE_APPLICATION);
	assert_string_equal(ch_pe_machine_str(pe.machine), "x64");
	assert_string_equal(ch_pe_subsystem_str(pe.subsystem), "application");
	assert_null(ch_pe_machine_str(1));
	assert_null(ch_pe_subsystem_str(1));
	assert_true(ch_pe_cert(&pe, 0, &c));
	assert_int_equal(c.type, CH_PE_CERT_PKCS7);
	assert_span_equal(c.body, "abcd", 4);
	assert_false(ch_pe_cert(&pe, 1, &c));
}

/* Whatever is not hashed may change, and nothing else: every byte of the file is turned over. */
static void test_hash_covers(void **state)
{
	(void)state;
	struct ch_digest whole, d;
	struct ch_span f = made((struct made){ .section = two, .count = 2, .certs = CH_SPAN_OF(cert) });
	assert_int_equal(ch_pe_parse(&pe, f, &diag), CH_OK);
	assert_int_equal(ch_pe_hash(&pe, CH_HASH_SHA256, &whole), CH_OK);
	const size_t checksum = pe.checksum_off, dir = pe.cert_dir_off, certs = f.n - sizeof(cert);
	for (size_t i = 0; i < f.n; i++) {
		bool free = (i >= checksum && i < checksum + 4) || (i >= dir && i < dir + 8) || i >= certs;
		room[i] ^= 0x40;
		if (ch_pe_parse(&pe, f, &diag) == CH_OK) {
			assert_int_equal(ch_pe_hash(&pe, CH_HASH_SHA256, &d), CH_OK);
			assert_int_equal(memcmp(d.b, whole.b, 32) == 0, free);
		} else {
			assert_non_null(diag.rule);
			assert_int_equal(pe.file.n, 0);
		}
		room[i] ^= 0x40;
	}
}

/* A signature does not change the hash, but for what pads the file before it. */
static void test_hash_signed(void **state)
{
	(void)state;
	struct ch_digest a, b;
	struct ch_span f = made((struct made){ .section = two, .count = 2 });
	assert_int_equal(ch_pe_parse(&pe, f, &diag), CH_OK);
	assert_int_equal(ch_pe_hash(&pe, CH_HASH_SHA256, &a), CH_OK);
	f = made((struct made){ .section = two, .count = 2, .certs = CH_SPAN_OF(cert) });
	assert_int_equal(ch_pe_parse(&pe, f, &diag), CH_OK);
	assert_int_equal(ch_pe_hash(&pe, CH_HASH_SHA256, &b), CH_OK);
	assert_memory_equal(a.b, b.b, 32);
	assert_int_equal(ch_pe_hash(&pe, CH_HASH_SHA3_256, &b), CH_ERR_UNSUPPORTED);
	assert_int_equal(b.n, 0);
}

static void test_cuts(void **state)
{
	(void)state;
	struct ch_span f = made((struct made){ .section = two, .count = 2, .certs = CH_SPAN_OF(cert) });
	for (size_t n = 0; n < f.n; n++) {
		assert_int_not_equal(ch_pe_parse(&pe, ch_span(f.p, n), &diag), CH_OK);
		assert_non_null(diag.rule);
		assert_true(diag.off <= f.n);
	}
}

static void refused(struct made m, const char *rule)
{
	assert_int_not_equal(ch_pe_parse(&pe, made(m), &diag), CH_OK);
	assert_non_null(diag.rule);
	assert_non_null(strstr(diag.rule, rule));
	assert_int_equal(pe.section_count, 0);
}

static void test_lies_about_sections(void **state)
{
	(void)state;
	struct made_section s[2] = { two[0], two[1] };
	const struct made m = { .section = s, .count = 2 };
	s[1].off = MADE_HEADERS + 511;
	refused(m, "overlap");
	s[1].off = MADE_HEADERS - 1;
	refused(m, "headers");
	s[1].off = UINT32_MAX - 100;
	refused(m, "not in the file");
	s[1].off = MADE_HEADERS + 1024 - 511;
	refused(m, "not in the file");
	refused((struct made){ .section = two, .count = 0, .cert_off = 8 }, "certificate table");
}

static void test_lies_about_certificates(void **state)
{
	(void)state;
	static const uint8_t longer[] = { 17, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t shorter[] = { 7, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t padded[] = { 12, 0, 0, 0, 0, 2, 2, 0, 'a', 'b', 'c', 'd', 0, 1, 0, 0 };
	static uint8_t many[CH_PE_CERTS_MAX + 1][8];
	struct made m = { .section = two, .count = 2, .certs = CH_SPAN_OF(cert) };
	m.cert_off = MADE_HEADERS;
	refused(m, "not the end");
	m.cert_off = MADE_HEADERS + 1024 - 8;
	refused(m, "not the end");
	m.cert_off = 0;
	m.certs = CH_SPAN_OF(longer);
	refused(m, "longer than its table");
	m.certs = CH_SPAN_OF(shorter);
	refused(m, "longer than its table");
	m.certs = CH_SPAN_OF(padded);
	refused(m, "longer than its table");
	for (size_t i = 0; i < CH_COUNT_OF(many); i++)
		many[i][0] = 8;
	m.certs = CH_SPAN_OF(many);
	refused(m, "more than 16");
	m.certs = ch_span(many, sizeof(many) - 8);
	assert_int_equal(ch_pe_parse(&pe, made(m), &diag), CH_OK);
	struct ch_pe_cert c;
	assert_true(ch_pe_cert(&pe, CH_PE_CERTS_MAX - 1, &c));
	assert_false(ch_pe_cert(&pe, CH_PE_CERTS_MAX, &c));
}

static void test_limits(void **state)
{
	(void)state;
	static struct made_section s[CH_PE_SECTIONS_MAX + 1];
	for (size_t i = 0; i < CH_COUNT_OF(s); i++)
		s[i].name = "x";
	refused((struct made){ .section = s, .count = CH_PE_SECTIONS_MAX + 1 }, "more than 96");
	struct ch_span f = made((struct made){ .section = two, .count = 2 });
	room[MADE_PE_OFF + 24 + 108] = 17;
	assert_int_equal(ch_pe_parse(&pe, f, &diag), CH_ERR_RANGE);
	assert_int_equal(ch_pe_parse(&pe, ch_span(room, (size_t)UINT32_MAX + 1), &diag), CH_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_hash_covers),
		cmocka_unit_test(test_hash_signed),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_lies_about_sections),
		cmocka_unit_test(test_lies_about_certificates),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
