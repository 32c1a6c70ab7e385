/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/x509.h"
#include "tests/unit.h"

#include "host/base/file.h"
#include "tests/core/platform/cert_maker.h"

static EVP_PKEY *key;

static int keys_make(void **state)
{
	(void)state;
	key = make_key();
	return 0;
}

static int keys_free(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return 0;
}

static struct ch_x509 read_ok(struct ch_span der)
{
	struct ch_x509 c;
	struct ch_diag d;
	enum ch_err err = ch_x509_parse(&c, der, &d);
	if (err != CH_OK)
		print_error("byte %zu: %s\n", d.off, d.rule);
	assert_int_equal(err, CH_OK);
	return c;
}

static enum ch_err read_bad(struct ch_span der)
{
	struct ch_x509 c;
	struct ch_diag d;
	enum ch_err err = ch_x509_parse(&c, der, &d);
	assert_true(err != CH_OK);
	assert_non_null(d.rule);
	assert_true(d.off <= der.n);
	assert_int_equal(c.raw.n, 0);
	return err;
}

static struct maker usual(void)
{
	return (struct maker){ .subject_cn = "device", .key = key };
}

#define FIXTURE "tests/fixtures/sboff-good/"

static void a_captured_ek_certificate_is_read(void **state)
{
	(void)state;
	CH_AUTO_BUF struct ch_buf b = { 0 };
	assert_int_equal(ch_file_read(&b, FIXTURE "ek-rsa2048.crt.der"), CH_OK);
	struct ch_x509 c = read_ok(ch_buf_span(&b));
	assert_int_equal(c.form, CH_X509_CERTIFICATE);
	assert_int_equal(c.version, 3);
	assert_int_equal(c.odd, 0);
	assert_span_equal(c.serial, "\x08", 1);
	assert_int_equal(c.not_after, 253402300799);
	assert_int_equal(c.pub.type, CH_KEY_RSA);
	assert_int_equal(ch_pub_bits(&c.pub), 2048);
	assert_int_equal(c.key_usage, CH_KU_KEY_ENCIPHERMENT);
	assert_int_equal(c.eku, CH_EKU_EK);
	assert_true(c.has_basic && !c.ca && c.san_critical);
	assert_span_equal(c.tpm.manufacturer.s, "id:00001014", 11);
	assert_span_equal(c.tpm.model.s, "swtpm", 5);
	assert_span_equal(c.tpm.version.s, "id:20191023", 11);
	assert_int_equal(c.authority_key_id.n, 20);
	assert_int_equal(c.ext_count, 6);
}

static void every_cut_of_a_captured_certificate_is_refused(void **state)
{
	(void)state;
	static const char *const name[] = { FIXTURE "ek-rsa2048.crt.der", FIXTURE "ek-secp384r1.crt.der",
					    FIXTURE "platform.crt.der" };
	for (size_t f = 0; f < CH_COUNT_OF(name); f++) {
		CH_AUTO_BUF struct ch_buf b = { 0 };
		assert_int_equal(ch_file_read(&b, name[f]), CH_OK);
		for (size_t n = 0; n < b.n; n++)
			(void)read_bad(ch_span(b.p, n));
		ch_buf_append(&b, CH_SPAN_LIT("x"));
		assert_int_equal(read_bad(ch_buf_span(&b)), CH_ERR_TRAILING);
	}
}

/* A flipped bit either is refused or lies in something that the certificate says. */
static void a_flipped_bit_does_no_harm(void **state)
{
	(void)state;
	CH_AUTO_BUF struct ch_buf b = { 0 };
	assert_int_equal(ch_file_read(&b, FIXTURE "ek-secp384r1.crt.der"), CH_OK);
	uint8_t text[4096];
	for (size_t i = 0; i < b.n * 8; i++) {
		struct ch_x509 c;
		struct ch_diag d;
		b.p[i / 8] ^= (uint8_t)(1u << i % 8);
		if (ch_x509_parse(&c, ch_buf_span(&b), &d) == CH_OK) {
			struct ch_wr w = ch_wr(text, sizeof(text));
			ch_x509_name_put(&w, c.subject);
			ch_x509_name_put(&w, c.issuer);
			assert_false(w.bad);
		} else {
			assert_non_null(d.rule);
		}
		b.p[i / 8] ^= (uint8_t)(1u << i % 8);
	}
}

static void name_is(struct ch_span name, const char *text)
{
	char buf[512] = { 0 };
	struct ch_wr w = ch_wr(buf, sizeof(buf) - 1);
	ch_x509_name_put(&w, name);
	assert_string_equal(buf, text);
}

static void names_are_written_as_rfc_4514_says(void **state)
{
	(void)state;
	static const struct {
		struct ch_span name;
		const char *text;
	} row[] = {
		{ CH_SPAN_LIT("\x30\x00"), "" },
		/* C=CH, then O and CN in one set */
		{ CH_SPAN_LIT("\x30\x23\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02"
			      "CH"
			      "\x31\x14\x30\x08\x06\x03\x55\x04\x03\x0c\x01"
			      "b\x30\x08\x06\x03\x55\x04\x0a\x0c\x01"
			      "a"),
		  "CN=b+O=a,C=CH" },
		/* what must be escaped */
		{ CH_SPAN_LIT("\x30\x19\x31\x17\x30\x15\x06\x03\x55\x04\x03\x0c\x0e #,+\"\\<>;=a\0b "),
		  "CN=\\ #\\,\\+\\\"\\\\\\<\\>\\;=a\\00b\\ " },
		{ CH_SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01#"), "CN=\\#" },
		/* BMPString "a #é " and T61String é */
		{ CH_SPAN_LIT("\x30\x15\x31\x13\x30\x11\x06\x03\x55\x04\x03\x1e\x0a\0a\0 \0#\0\xe9\0 "),
		  "CN=a #\xc3\xa9\\ " },
		{ CH_SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x08\x14\x01\xe9"), "ST=\xc3\xa9" },
		/* a type without a name, a value that is no string */
		{ CH_SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x05\x13\x01"
			      "1"),
		  "2.5.4.5=1" },
		{ CH_SPAN_LIT("\x30\x10\x31\x0e\x30\x0c\x06\x05\x67\x81\x05\x05\x01\x30\x03\x02\x01\x07"),
		  "2.23.133.5.1=#3003020107" },
		{ CH_SPAN_LIT("\x30\x13\x31\x11\x30\x0f\x06\x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19\x16\x01"
			      "x"),
		  "DC=x" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		uint32_t odd = 0;
		struct ch_der_rd d = ch_der_rd(row[i].name, 0);
		assert_int_equal(ch_x509_name_read(&d, &odd).n, row[i].name.n);
		assert_int_equal(ch_der_end(&d, NULL, ""), CH_OK);
		assert_int_equal(odd, 0);
		name_is(row[i].name, row[i].text);
	}
}

static void names_may_differ_in_the_type_of_strings_only(void **state)
{
	(void)state;
	struct ch_span a = CH_SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x");
	assert_true(ch_x509_name_eq(a, CH_SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01x")));
	assert_false(ch_x509_name_eq(a, CH_SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x14\x01x")));
	assert_false(ch_x509_name_eq(a, CH_SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01X")));
	assert_false(ch_x509_name_eq(a, CH_SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x0a\x13\x01x")));
	assert_false(ch_x509_name_eq(a, CH_SPAN_LIT("\x30\x00")));
	assert_false(ch_x509_name_eq(CH_SPAN_LIT("\x30\x00"), a));
}

static enum ch_err name_err(const char *p, size_t n)
{
	uint32_t odd = 0;
	struct ch_der_rd d = ch_der_rd(ch_span(p, n), 0);
	(void)ch_x509_name_read(&d, &odd);
	return ch_der_end(&d, NULL, "");
}
#define NAME_ERR(s) name_err("" s, sizeof(s) - 1)

static void broken_names_are_refused(void **state)
{
	(void)state;
	assert_int_equal(NAME_ERR("\x31\x00"), CH_ERR_MALFORMED);
	assert_int_equal(NAME_ERR("\x30\x02\x31\x00"), CH_ERR_MISSING);
	assert_int_equal(NAME_ERR("\x30\x04\x31\x02\x30\x00"), CH_ERR_MISSING);
	assert_int_equal(NAME_ERR("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01\xff"), CH_ERR_ENCODING);
	assert_int_equal(NAME_ERR("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x02\x01\x07"), CH_ERR_UNSUPPORTED);
	assert_int_equal(NAME_ERR("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x03\x01\x01"), CH_ERR_ENCODING);
	assert_int_equal(NAME_ERR("\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x01x\x05\x00"), CH_ERR_TRAILING);
	uint8_t many[2 + (CH_CERT_NAME_MAX + 1) * 12] = { 0x30, 0x82 };
	struct ch_wr w = ch_wr(many, sizeof(many));
	ch_wr_put(&w, CH_SPAN_LIT("\x30\x82\x01\x8c"));
	assert_int_equal((CH_CERT_NAME_MAX + 1) * 12, 0x18c);
	for (size_t i = 0; i < CH_CERT_NAME_MAX; i++)
		ch_wr_put(&w, CH_SPAN_LIT("\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x"));
	assert_int_equal(name_err((const char *)many, w.len), CH_ERR_TRUNCATED);
}

static void too_many_names_are_refused(void **state)
{
	(void)state;
	uint8_t rdns[(CH_CERT_NAME_MAX + 1) * 12];
	uint8_t name[sizeof(rdns) + 8];
	struct ch_wr w = ch_wr(rdns, sizeof(rdns)), n = ch_wr(name, sizeof(name));
	for (size_t i = 0; i < CH_CERT_NAME_MAX + 1; i++)
		ch_wr_put(&w, CH_SPAN_LIT("\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x"));
	put_tlv(&n, CH_DER_SEQUENCE, span_wr(&w));
	assert_int_equal(name_err((const char *)name, n.len), CH_ERR_LIMIT);
	n.len = 0;
	put_tlv(&n, CH_DER_SEQUENCE, ch_span(rdns, CH_CERT_NAME_MAX * 12));
	assert_int_equal(name_err((const char *)name, n.len), CH_OK);
}

static void serial_is(struct ch_span serial, uint32_t odd, const char *text)
{
	struct maker m = usual();
	m.serial = serial;
	struct ch_x509 c = read_ok(make(&m));
	char buf[128] = { 0 };
	struct ch_wr w = ch_wr(buf, sizeof(buf) - 1);
	ch_x509_serial_put(&w, c.serial);
	assert_string_equal(buf, text);
	assert_int_equal(c.odd, odd);
}

static void odd_serial_numbers_are_read_and_noted(void **state)
{
	(void)state;
	static const uint8_t long_one[21] = { 1 };
	static const uint8_t full[21] = { 0, 0x80 };
	serial_is(CH_SPAN_LIT("\x00\xab"), 0, "ab");
	serial_is(CH_SPAN_LIT("\xab"), CH_X509_ODD_SERIAL, "ab");
	serial_is(ch_span("\x00", 1), CH_X509_ODD_SERIAL, "00");
	serial_is(CH_SPAN_LIT("\x00\x01"), CH_X509_ODD_INTEGER, "01");
	serial_is(CH_SPAN_LIT("\xff\x81"), CH_X509_ODD_INTEGER | CH_X509_ODD_SERIAL, "ff81");
	serial_is(CH_SPAN_OF(full), 0, "8000000000000000000000000000000000000000");
	serial_is(CH_SPAN_OF(long_one), CH_X509_ODD_LONG, "010000000000000000000000000000000000000000");
}

static void oddities_of_extensions_are_noted(void **state)
{
	(void)state;
	struct maker m = usual();
	MAKE_CE(&m, 19, 2, "\x30\x00");
	assert_int_equal(read_ok(make(&m)).odd, CH_X509_ODD_DEFAULT);
	m = usual();
	MAKE_CE(&m, 19, 1, "\x30\x03\x01\x01\x00");
	struct ch_x509 c = read_ok(make(&m));
	assert_int_equal(c.odd, CH_X509_ODD_DEFAULT);
	assert_false(c.ca);
	m = usual();
	MAKE_CE(&m, 15, 1, "\x03\x02\x00\x20");
	c = read_ok(make(&m));
	assert_int_equal(c.odd, CH_X509_ODD_NAMED_BITS);
	assert_int_equal(c.key_usage, CH_KU_KEY_ENCIPHERMENT);
	m = usual();
	make_san(&m, 1, 1, tpm_names, true);
	c = read_ok(make(&m));
	assert_int_equal(c.odd, CH_X509_ODD_SAN);
	assert_span_equal(c.tpm.model.s, "TEST1", 5);
}

static void unsorted_sets_are_noted(void **state)
{
	(void)state;
	struct maker m = usual();
	m.subject = CH_SPAN_LIT(
		"\x30\x16\x31\x14\x30\x08\x06\x03\x55\x04\x0a\x0c\x01x\x30\x08\x06\x03\x55\x04\x03\x0c\x01x");
	assert_int_equal(read_ok(make(&m)).odd, CH_X509_ODD_SET_ORDER);
	m = usual();
	m.subject = CH_SPAN_LIT(
		"\x30\x16\x31\x14\x30\x08\x06\x03\x55\x04\x03\x0c\x01x\x30\x08\x06\x03\x55\x04\x0a\x0c\x01x");
	assert_int_equal(read_ok(make(&m)).odd, 0);
}

static enum ch_err ext_err(uint8_t n, const char *value, size_t size)
{
	struct maker m = usual();
	make_ce(&m, n, 0, value, size);
	return read_bad(make(&m));
}
#define EXT_ERR(n, s) ext_err((n), "" s, sizeof(s) - 1)

static void broken_extensions_are_refused(void **state)
{
	(void)state;
	assert_int_equal(EXT_ERR(14, "\x05\x00"), CH_ERR_MALFORMED);
	assert_int_equal(EXT_ERR(15, "\x03\x02\x08\x20"), CH_ERR_ENCODING);
	assert_int_equal(EXT_ERR(15, "\x03\x02\x05\x20\x00"), CH_ERR_TRAILING);
	assert_int_equal(EXT_ERR(17, "\x30\x00"), CH_ERR_MISSING);
	assert_int_equal(EXT_ERR(17, "\x30\x02\x89\x00"), CH_ERR_MALFORMED);
	assert_int_equal(EXT_ERR(17, "\x30\x04\xa4\x02\x05\x00"), CH_ERR_MALFORMED);
	assert_int_equal(EXT_ERR(19, "\x30\x03\x01\x01\x01"), CH_ERR_ENCODING);
	assert_int_equal(EXT_ERR(19, "\x30\x07\x01\x01\xff\x02\x02\x01\x00"), CH_ERR_RANGE);
	assert_int_equal(EXT_ERR(19, "\x30\x05\x01\x01\xff\x05\x00"), CH_ERR_MALFORMED);
	assert_int_equal(EXT_ERR(35, "\x30\x02\x83\x00"), CH_ERR_TRAILING);
	assert_int_equal(EXT_ERR(37, "\x30\x00"), CH_ERR_MISSING);
	assert_int_equal(EXT_ERR(37, "\x30\x02\x06\x00"), CH_ERR_ENCODING);
}

static void an_extension_occurs_once(void **state)
{
	(void)state;
	struct maker m = usual();
	MAKE_NOT_CA(&m);
	MAKE_CA(&m);
	assert_int_equal(read_bad(make(&m)), CH_ERR_DUPLICATE);
}

static void extensions_are_bounded(void **state)
{
	(void)state;
	struct maker m = usual();
	for (uint8_t i = 0; i < CH_CERT_EXTS_MAX; i++)
		make_ce(&m, (uint8_t)(64 + i), 0, "", 0);
	assert_int_equal(read_ok(make(&m)).ext_count, CH_CERT_EXTS_MAX);
	make_ce(&m, 63, 0, "", 0);
	assert_int_equal(read_bad(make(&m)), CH_ERR_LIMIT);
}

static void two_devices_in_one_certificate_are_refused(void **state)
{
	(void)state;
	/* two directory names, each with a manufacturer */
	static const char san[] = "\x30\x26\xa4\x11\x30\x0f\x31\x0d\x30\x0b\x06\x05\x67\x81\x05\x02\x01\x0c\x02"
				  "ab\xa4\x11\x30\x0f\x31\x0d\x30\x0b\x06\x05\x67\x81\x05\x02\x01\x0c\x02";
	char value[sizeof(san) + 2] = { 0 };
	for (char last = 'b'; last <= 'c'; last++) {
		struct maker m = usual();
		(void)ch_span_copy(value, sizeof(value), ch_span(san, sizeof(san) - 1));
		value[sizeof(san) - 1] = 'a';
		value[sizeof(san)] = last;
		make_ce(&m, 17, 0, value, sizeof(san) + 1);
		if (last == 'b')
			assert_span_equal(read_ok(make(&m)).tpm.manufacturer.s, "ab", 2);
		else
			assert_int_equal(read_bad(make(&m)), CH_ERR_DUPLICATE);
	}
}

static void the_version_bounds_what_may_be_there(void **state)
{
	(void)state;
	struct maker m = usual();
	m.version = 1;
	assert_int_equal(read_ok(make(&m)).version, 1);
	MAKE_NOT_CA(&m);
	assert_int_equal(read_bad(make(&m)), CH_ERR_MALFORMED);
	m.version = 2;
	assert_int_equal(read_bad(make(&m)), CH_ERR_MALFORMED);
	m.ext_n = 0;
	assert_int_equal(read_ok(make(&m)).version, 2);
}

static void keys_that_we_do_not_use_are_left_alone(void **state)
{
	(void)state;
	static const struct {
		struct ch_span spki;
		enum ch_err err;
	} row[] = {
		/* an unknown algorithm; EC with explicit parameters; a compressed point */
		{ CH_SPAN_LIT("\x30\x0a\x30\x04\x06\x02\x2a\x03\x03\x02\x00\x01"), CH_OK },
		{ CH_SPAN_LIT("\x30\x11\x30\x0b\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x30\x00\x03\x02\x00\x04"), CH_OK },
		{ CH_SPAN_LIT("\x30\x19\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01"
			      "\x07\x03\x02\x00\x02"),
		  CH_OK },
		/* not whole bytes; parameters twice; an RSA key that is none */
		{ CH_SPAN_LIT("\x30\x0a\x30\x04\x06\x02\x2a\x03\x03\x02\x01\x02"), CH_ERR_RANGE },
		{ CH_SPAN_LIT("\x30\x0e\x30\x08\x06\x02\x2a\x03\x05\x00\x05\x00\x03\x02\x00\x01"), CH_ERR_TRAILING },
		{ CH_SPAN_LIT(
			  "\x30\x14\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x03\x00\x05\x00"),
		  CH_ERR_MALFORMED },
	};
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct maker m = usual();
		m.spki = row[i].spki;
		struct ch_span der = make(&m);
		if (row[i].err == CH_OK)
			assert_int_equal(read_ok(der).pub.type, CH_KEY_NONE);
		else
			assert_int_equal(read_bad(der), row[i].err);
	}
}

static void rsa_keys_have_several_names(void **state)
{
	(void)state;
	/* rsaEncryption, id-RSAES-OAEP, id-RSASSA-PSS: modulus 0xc1, exponent 3 */
	for (uint8_t n = 1; n <= 10; n++) {
		struct maker m = usual();
		uint8_t spki[] = { 0x30, 0x1a, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
				   n,    0x05, 0x00, 0x03, 0x09, 0x00, 0x30, 0x06, 0x02, 0x01, 0x41, 0x02, 0x01, 0x03 };
		spki[1] = sizeof(spki) - 2;
		m.spki = CH_SPAN_OF(spki);
		struct ch_x509 c = read_ok(make(&m));
		bool rsa = n == 1 || n == 7 || n == 10;
		assert_int_equal(c.pub.type, rsa ? CH_KEY_RSA : CH_KEY_NONE);
		assert_int_equal(c.odd, n == 7 ? CH_X509_ODD_OAEP : 0);
	}
}

/* The parameters of RSASSA-PSS, in a certificate that is not really signed so. */
static enum ch_err pss(struct ch_span params, struct ch_sig *sig)
{
	uint8_t b[2][256];
	struct ch_wr alg = ch_wr(b[0], sizeof(b[0])), seq = ch_wr(b[1], sizeof(b[1]));
	struct ch_x509 c = { .version = 3 };
	ch_wr_put(&alg, CH_SPAN_LIT("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"));
	put_tlv(&alg, CH_DER_SEQUENCE, params);
	put_tlv(&seq, CH_DER_SEQUENCE, span_wr(&alg));
	struct ch_der_rd d = ch_der_rd(span_wr(&seq), 0);
	(void)ch_x509_sig_alg_read(&c, &d);
	*sig = c.sig;
	return ch_der_end(&d, NULL, "");
}

static void the_parameters_of_pss_are_read(void **state)
{
	(void)state;
#define SHA256_ID "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
#define MGF1_256  "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" SHA256_ID
	struct ch_sig sig;
	assert_int_equal(pss(CH_SPAN_EMPTY, &sig), CH_OK);
	assert_int_equal(sig.scheme, CH_SIG_RSAPSS);
	assert_int_equal(sig.hash, CH_HASH_SHA1);
	assert_int_equal(pss(CH_SPAN_LIT("\xa0\x0f" SHA256_ID MGF1_256 "\xa2\x03\x02\x01\x20"), &sig), CH_OK);
	assert_int_equal(sig.scheme, CH_SIG_RSAPSS);
	assert_int_equal(sig.hash, CH_HASH_SHA256);
	/* the mask's hash is another: not what we verify */
	assert_int_equal(pss(CH_SPAN_LIT("\xa0\x0f" SHA256_ID), &sig), CH_OK);
	assert_int_equal(sig.scheme, CH_SIG_NONE);
	assert_int_equal(pss(CH_SPAN_LIT("\xa3\x03\x02\x01\x01"), &sig), CH_OK);
	assert_int_equal(pss(CH_SPAN_LIT("\xa3\x03\x02\x01\x00"), &sig), CH_ERR_RANGE);
	assert_int_equal(pss(CH_SPAN_LIT("\xa2\x04\x02\x02\x7f\xff"), &sig), CH_ERR_RANGE);
	assert_int_equal(pss(CH_SPAN_LIT("\xa4\x00"), &sig), CH_ERR_TRAILING);
	/* another mask generation function */
	assert_int_equal(pss(CH_SPAN_LIT("\xa0\x0f" SHA256_ID "\xa1\x13\x30\x11\x06\x00" SHA256_ID), &sig),
			 CH_ERR_ENCODING);
}

static void the_signature_covers_the_certificate(void **state)
{
	(void)state;
	struct maker m = usual();
	struct ch_x509 c = read_ok(make(&m));
	assert_int_equal(ch_x509_verify(&c, &c.pub), CH_OK);
	struct ch_pub none = { .type = CH_KEY_NONE };
	assert_int_equal(ch_x509_verify(&c, &none), CH_ERR_UNSUPPORTED);
	m.der[m.n - 1] ^= 1;
	c = read_ok(ch_span(m.der, m.n));
	assert_int_equal(ch_x509_verify(&c, &c.pub), CH_ERR_SIGNATURE);
	struct ch_pub bad = c.pub;
	bad.a = bad.b;
	assert_int_equal(ch_x509_verify(&c, &bad), CH_ERR_KEY);
}

static void the_two_signature_algorithms_are_one(void **state)
{
	(void)state;
	struct maker m = usual();
	(void)make(&m);
	/* ecdsa-with-SHA256 becomes -SHA384 in the first place only */
	for (size_t i = 0; i + 10 < m.n; i++) {
		if (ch_span_eq(ch_span(m.der + i, 9), CH_SPAN_LIT("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03"))) {
			m.der[i + 9] = 3;
			break;
		}
	}
	assert_int_equal(read_bad(ch_span(m.der, m.n)), CH_ERR_MISMATCH);
}

static void attribute_certificates_are_read(void **state)
{
	(void)state;
	static const char *const platform[3] = { "maker", "model", "1.0" };
	struct maker m = usual();
	m.attribute = true;
	make_san(&m, 0, 4, platform, false);
	struct ch_span der = make(&m);
	struct ch_x509 c = read_ok(der);
	assert_int_equal(c.form, CH_X509_ATTRIBUTE);
	assert_int_equal(c.version, 2);
	name_is(c.holder_issuer, "CN=EK CA");
	name_is(c.issuer, "CN=root");
	assert_span_equal(c.holder_serial, "\x05", 1);
	assert_span_equal(c.platform.manufacturer.s, "maker", 5);
	assert_int_equal(c.attr_count, 1);
	assert_int_equal(c.spki.n, 0);
	assert_int_equal(c.not_before, 1420070400);
	for (size_t n = 0; n < der.n; n++)
		(void)read_bad(ch_span(der.p, n));
	m.ext_n = 0;
	assert_int_equal(read_ok(make(&m)).ext_count, 0);
}

static void unique_identifiers_are_of_later_versions(void **state)
{
	(void)state;
	struct maker m = usual();
	m.unique = CH_SPAN_LIT("\x81\x02\x00\x01\x82\x02\x01\x02");
	(void)read_ok(make(&m));
	m.version = 2;
	(void)read_ok(make(&m));
	m.version = 1;
	assert_int_equal(read_bad(make(&m)), CH_ERR_MALFORMED);
	m.version = 0;
	m.unique = CH_SPAN_LIT("\x81\x02\x01\x01");
	assert_int_equal(read_bad(make(&m)), CH_ERR_ENCODING);
	m.unique = CH_SPAN_LIT("\x82\x02\x00\x01\x81\x02\x00\x01");
	assert_int_equal(read_bad(make(&m)), CH_ERR_TRAILING);
}

#define EK_CA                                                  \
	"\x30\x10\x31\x0e\x30\x0c\x06\x03\x55\x04\x03\x0c\x05" \
	"EK CA"
#define EK_NAME "\x30\x14\xa4\x12" EK_CA

static void holders_are_named_in_several_ways(void **state)
{
	(void)state;
	struct maker m = usual();
	m.attribute = true;
	/* with issuerUID, with entityName, with objectDigestInfo; issuerUniqueID after the attributes */
	m.holder = CH_SPAN_LIT("\xa0\x1d" EK_NAME "\x02\x01\x05\x03\x02\x00\x01"
			       "\xa1\x14\xa4\x12" EK_CA "\xa2\x00");
	m.unique = CH_SPAN_LIT("\x03\x02\x00\x01");
	struct ch_x509 c = read_ok(make(&m));
	name_is(c.subject, "CN=EK CA");
	name_is(c.holder_issuer, "CN=EK CA");
	m.holder = CH_SPAN_LIT("\xa1\x14\xa4\x12" EK_CA);
	assert_int_equal(read_ok(make(&m)).holder_serial.n, 0);
	m.holder = CH_SPAN_LIT("\xa3\x00");
	assert_int_equal(read_bad(make(&m)), CH_ERR_TRAILING);
	m.holder = CH_SPAN_LIT("\xa0\x17\x30\x14\xa4\x12" EK_CA "\x05\x00");
	assert_true(read_bad(make(&m)) != CH_OK);
	m.holder = CH_SPAN_LIT("\xa1\x00");
	assert_int_equal(read_bad(make(&m)), CH_ERR_MISSING);
}

static void the_size_is_bounded(void **state)
{
	(void)state;
	static uint8_t big[CH_CERT_MAX + 1] = { 0x30, 0x82, 0x40, 0x00 };
	assert_int_equal(read_bad(CH_SPAN_OF(big)), CH_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_captured_ek_certificate_is_read),
		cmocka_unit_test(every_cut_of_a_captured_certificate_is_refused),
		cmocka_unit_test(a_flipped_bit_does_no_harm),
		cmocka_unit_test(names_are_written_as_rfc_4514_says),
		cmocka_unit_test(names_may_differ_in_the_type_of_strings_only),
		cmocka_unit_test(broken_names_are_refused),
		cmocka_unit_test(too_many_names_are_refused),
		cmocka_unit_test(odd_serial_numbers_are_read_and_noted),
		cmocka_unit_test(oddities_of_extensions_are_noted),
		cmocka_unit_test(unsorted_sets_are_noted),
		cmocka_unit_test(broken_extensions_are_refused),
		cmocka_unit_test(an_extension_occurs_once),
		cmocka_unit_test(extensions_are_bounded),
		cmocka_unit_test(two_devices_in_one_certificate_are_refused),
		cmocka_unit_test(the_version_bounds_what_may_be_there),
		cmocka_unit_test(keys_that_we_do_not_use_are_left_alone),
		cmocka_unit_test(rsa_keys_have_several_names),
		cmocka_unit_test(the_parameters_of_pss_are_read),
		cmocka_unit_test(the_signature_covers_the_certificate),
		cmocka_unit_test(the_two_signature_algorithms_are_one),
		cmocka_unit_test(attribute_certificates_are_read),
		cmocka_unit_test(unique_identifiers_are_of_later_versions),
		cmocka_unit_test(holders_are_named_in_several_ways),
		cmocka_unit_test(the_size_is_bounded),
	};
	return cmocka_run_group_tests_name("x509", tests, keys_make, keys_free);
}
