/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/proxy_protocol.h"
#include "tests/unit.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"

static struct ch_span S(const char *s) {
	return ch_span_str(s);
}

static void
bad_lines_are_refused(void **state)
{
	static const char *const t[] = {
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
		"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
		"PROXY TCP4 ::1 ::2 1 2\r\n",
		"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
		"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
		"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
		"GET / HTTP/1.1\r\n",
		"PROXY\r\n",
		"",
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		struct ch_proxy p;
		struct ch_diag d;
		if (ch_proxy_parse(&p, S(t[i]), &d) == CH_OK)
			fail_msg("accepted: %s", t[i]);
		assert_non_null(d.rule);
		assert_false(p.known);
	}
}

static void lines(void **state)
{
	struct ch_proxy p;
	uint8_t a[16];
	(void)state;
	assert_int_equal(ch_proxy_parse(&p, S("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"), NULL), CH_OK);
	assert_int_equal(ch_address_parse(a, S("192.0.2.1")), CH_OK);
	assert_true(p.known && p.port == 56324);
	assert_memory_equal(p.address, a, 16);
	assert_int_equal(ch_proxy_parse(&p, S("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), NULL), CH_OK);
	assert_true(p.known && p.port == 0 && p.address[0] == 0x20 && p.address[15] == 1);
	assert_int_equal(ch_proxy_parse(&p, S("PROXY UNKNOWN\r\n"), NULL), CH_OK);
	assert_false(p.known);
}

static void binary(void **state)
{
	static const uint8_t four[] = SIG "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb";
	const size_t n = sizeof(four) - 1;
	uint8_t b[64];
	struct ch_proxy p;
	(void)state;
	assert_int_equal(ch_proxy_parse(&p, ch_span(four, n), NULL), CH_OK);
	assert_true(p.known && p.port == 0xdc04 && p.address[12] == 192 && p.address[11] == 0xff);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_not_equal(ch_proxy_parse(&p, ch_span(four, cut), NULL), CH_OK);
	assert_int_equal(ch_proxy_parse(&p, ch_span(four, n + 1), NULL), CH_ERR_TRAILING);
	static const struct {
		size_t at;
		uint8_t value;
		enum ch_err err;
	} t[] = { { 12, 0x31, CH_ERR_MALFORMED },   { 12, 0x22, CH_ERR_MALFORMED }, { 13, 0x12, CH_ERR_UNSUPPORTED },
		  { 13, 0x31, CH_ERR_UNSUPPORTED }, { 13, 0x21, CH_ERR_TRUNCATED }, { 14, 0x10, CH_ERR_LIMIT },
		  { 15, 0x0d, CH_ERR_TRUNCATED },   { 15, 0x0b, CH_ERR_TRAILING } };
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		memcpy(b, four, n);
		b[t[i].at] = t[i].value;
		assert_int_equal(ch_proxy_parse(&p, ch_span(b, n), NULL), t[i].err);
		assert_false(p.known);
	}
}

static void a_header_is_asked_for_to_its_end_and_no_further(void **state)
{
	static const uint8_t two[] = SIG "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"
					 "TLS";
	static const char one[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nTLS";
	const struct {
		struct ch_span in;
		size_t whole;
	} t[] = { { ch_span(two, sizeof(two) - 1), sizeof(two) - 4 },
		  { ch_span(one, sizeof(one) - 1), sizeof(one) - 4 } };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		size_t n = 0;
		for (size_t need; (need = ch_proxy_need(ch_span(t[i].in.p, n))) > 0;)
			n += need;
		assert_int_equal(n, t[i].whole);
	}
	uint8_t endless[200];
	memset(endless, 'a', sizeof(endless));
	assert_int_equal(ch_proxy_need(ch_span(endless, CH_PROXY_V1_MAX)), 0);
}

static void prefixes(void **state)
{
	static const struct {
		const char *prefix;
		const char *address;
		bool in;
	} t[] = { { "10.0.0.0/8", "10.255.1.2", true },
		  { "10.0.0.0/8", "11.0.0.0", false },
		  { "127.0.0.1", "127.0.0.1", true },
		  { "127.0.0.1", "127.0.0.2", false },
		  { "0.0.0.0/0", "9.9.9.9", true },
		  { "0.0.0.0/0", "2001:db8::1", false },
		  { "2001:db8::/33", "2001:db8:7fff::1", true },
		  { "2001:db8::/33", "2001:db8:8000::1", false },
		  { "::/0", "::1", true } };
	static const char *const bad[] = { "10.0.0.0/33", "::/129",   "10.0.0.0/",    "/8",
					   "10.0.0.0/08", "10.0.0/8", "10.0.0.0/8/8", "x" };
	struct ch_prefix p;
	uint8_t a[16];
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		assert_int_equal(ch_prefix_parse(&p, S(t[i].prefix)), CH_OK);
		assert_int_equal(ch_address_parse(a, S(t[i].address)), CH_OK);
		assert_int_equal(ch_prefix_has(&p, a), t[i].in);
	}
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++)
		assert_int_equal(ch_prefix_parse(&p, S(bad[i])), CH_ERR_MALFORMED);
	assert_int_equal(ch_address_parse(a, ch_span("1.2.3.4\0x", 9)), CH_ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(lines),
		cmocka_unit_test(binary),
		cmocka_unit_test(a_header_is_asked_for_to_its_end_and_no_further),
		cmocka_unit_test(prefixes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
