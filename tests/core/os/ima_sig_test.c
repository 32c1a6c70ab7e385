/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit.h"

#include "core/base/text.h"
#include "core/os/ima.h"
#include "host/base/file.h"
#include "host/crypto_openssl/pubkey.h"

#include <stdio.h>

/* tests/fixtures/ima-made: what its entries are signed with, and what must come out with the key named. */
static const struct {
	size_t n;
	const char *key;
	enum ch_err expected;
} row[] = {
	{ 1, "rsa", CH_OK },
	{ 2, "p256", CH_OK },
	{ 3, "p384", CH_OK },
	{ 5, "rsa", CH_ERR_UNSUPPORTED }, /* SHA-512 was signed, the list has SHA-256 */
	{ 6, "rsa", CH_OK },
	{ 7, "rsa", CH_ERR_UNSUPPORTED }, /* fs-verity */
	{ 16, "p256", CH_ERR_SIGNATURE },
	{ 1, "p256", CH_ERR_SIGNATURE }, /* no ECDSA signature at all */
	{ 2, "rsa", CH_ERR_SIGNATURE },
	{ 2, "p384", CH_ERR_SIGNATURE },
};

static struct ch_buf load(const char *name)
{
	struct ch_buf b = { 0 };
	char path[128];
	(void)snprintf(path, sizeof(path), "tests/fixtures/ima-made/%s", name);
	assert_int_equal(ch_file_read(&b, path), CH_OK);
	return b;
}

static void load_key(struct ch_pubkey *key, const char *name)
{
	char file[32];
	(void)snprintf(file, sizeof(file), "%s.pem", name);
	struct ch_buf b = load(file);
	assert_int_equal(ch_pubkey_from_pem(key, ch_buf_span(&b)), CH_OK);
	ch_buf_free(&b);
}

/* The entry `n` of a list, which is `b`'s. */
static struct ch_ima_entry entry(const struct ch_buf *b, size_t n)
{
	struct ch_ima_iter it = ch_ima_iter(ch_buf_span(b), NULL, 0);
	struct ch_ima_entry e;
	do
		assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
	while (e.n < n);
	return e;
}

static void verifies(void **state)
{
	(void)state;
	struct ch_buf b = load("ima-wrong-signature.binary");
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct ch_ima_entry e = entry(&b, row[i].n);
		struct ch_ima_sig sig;
		struct ch_pubkey key;
		struct ch_verify_key ready;
		uint8_t id[4];
		load_key(&key, row[i].key);
		assert_int_equal(ch_ima_sig_parse(&sig, e.sig, NULL), CH_OK);
		assert_int_equal(ch_ima_key_id(&key.pub, id), CH_OK);
		if (row[i].expected == CH_OK)
			assert_memory_equal(id, sig.key_id, sizeof(id));
		assert_int_equal(ch_verify_key_init(&ready, &key.pub), CH_OK);
		assert_int_equal(ch_ima_sig_verify(&sig, &ready, &e), row[i].expected);
		ch_verify_key_clear(&ready);
	}
	ch_buf_free(&b);
}

/* No flipped bit and no cut of a signature that holds still holds. */
static void nothing_else_holds(size_t n, const char *name)
{
	struct ch_buf b = load("ima.binary");
	struct ch_ima_entry e = entry(&b, n);
	struct ch_pubkey key;
	struct ch_verify_key ready;
	uint8_t copy[512];
	size_t size = ch_span_copy(copy, sizeof(copy), e.sig);
	load_key(&key, name);
	assert_int_equal(ch_verify_key_init(&ready, &key.pub), CH_OK);
	for (size_t bit = 9 * 8; bit < size * 8; bit++) {
		struct ch_ima_sig sig;
		copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(ch_ima_sig_parse(&sig, ch_span(copy, size), NULL), CH_OK);
		assert_int_not_equal(ch_ima_sig_verify(&sig, &ready, &e), CH_OK);
		copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (size_t cut = 10; cut < size; cut++) {
		struct ch_ima_sig sig;
		copy[7] = (uint8_t)((cut - 9) >> 8);
		copy[8] = (uint8_t)(cut - 9);
		assert_int_equal(ch_ima_sig_parse(&sig, ch_span(copy, cut), NULL), CH_OK);
		assert_int_not_equal(ch_ima_sig_verify(&sig, &ready, &e), CH_OK);
	}
	ch_verify_key_clear(&ready);
	ch_buf_free(&b);
}

static void no_other_ecdsa_signature_holds(void **state)
{
	(void)state;
	nothing_else_holds(2, "p256");
}

static void no_other_rsa_signature_holds(void **state)
{
	(void)state;
	nothing_else_holds(1, "rsa");
}

/* Ecdsa-Sig-Value as anything but DER: the one encoding of a signature. */
static void ecdsa_is_der(void **state)
{
	(void)state;
	static const struct ch_span bad[] = {
		CH_SPAN_LIT("\x31\x06\x02\x01\x01\x02\x01\x01"),         /* SET */
		CH_SPAN_LIT("\x30\x81\x06\x02\x01\x01\x02\x01\x01"),     /* long length */
		CH_SPAN_LIT("\x30\x82\x00\x06\x02\x01\x01\x02\x01\x01"), /* longer */
		CH_SPAN_LIT("\x30\x80\x02\x01\x01\x02\x01\x01"),         /* indefinite length */
		CH_SPAN_LIT("\x30\x07\x02\x02\x00\x01\x02\x01\x01"),     /* superfluous zero */
		CH_SPAN_LIT("\x30\x06\x02\x01\x81\x02\x01\x01"),         /* negative */
		CH_SPAN_LIT("\x30\x05\x02\x00\x02\x01\x01"),             /* empty */
		CH_SPAN_LIT("\x30\x06\x03\x01\x01\x02\x01\x01"),         /* BIT STRING */
		CH_SPAN_LIT("\x30\x09\x02\x01\x01\x02\x01\x01\x02\x01\x01"),
		CH_SPAN_LIT("\x30\x06\x02\x01\x01\x02\x01\x01\x00"),
		CH_SPAN_LIT("\x30\x81"),
	};
	struct ch_buf b = load("ima.binary");
	struct ch_ima_entry e = entry(&b, 2);
	struct ch_pubkey key;
	struct ch_verify_key ready;
	load_key(&key, "p256");
	assert_int_equal(ch_verify_key_init(&ready, &key.pub), CH_OK);
	struct ch_ima_sig sig = { .hash = CH_HASH_SHA256 };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		sig.sig = bad[i];
		assert_int_equal(ch_ima_sig_verify(&sig, &ready, &e), CH_ERR_SIGNATURE);
	}
	sig.hash = CH_HASH_NONE;
	assert_int_equal(ch_ima_sig_verify(&sig, &ready, &e), CH_ERR_UNSUPPORTED);
	ch_verify_key_clear(&ready);
	ch_buf_free(&b);
}

static void reads_the_header(void **state)
{
	(void)state;
	struct ch_ima_sig sig;
	struct ch_diag d;
	assert_int_equal(ch_ima_sig_parse(&sig, CH_SPAN_LIT("\x03\x02\x06\x0a\x0b\x0c\x0d\x00\x02hi"), &d), CH_OK);
	assert_int_equal(sig.hash_id, 6);
	assert_int_equal(sig.hash, CH_HASH_SHA512);
	assert_memory_equal(sig.key_id, "\x0a\x0b\x0c\x0d", 4);
	assert_span_equal(sig.sig, "hi", 2);
	assert_int_equal(ch_ima_sig_parse(&sig, CH_SPAN_LIT("\x03\x02\x07\x0a\x0b\x0c\x0d\x00\x02hi"), &d), CH_OK);
	assert_int_equal(sig.hash, CH_HASH_NONE);
}

static void header_refused(struct ch_span in, enum ch_err expected, size_t off)
{
	struct ch_ima_sig sig;
	struct ch_diag d;
	assert_int_equal(ch_ima_sig_parse(&sig, in, &d), expected);
	assert_int_equal(d.off, off);
	assert_non_null(d.rule);
	assert_int_equal(sig.sig.n, 0);
	assert_int_equal(ch_ima_sig_parse(&sig, in, NULL), expected);
}

static void refuses_bad_headers(void **state)
{
	(void)state;
	static const char good[] = "\x03\x02\x04\x0a\x0b\x0c\x0d\x00\x02hi";
	for (size_t n = 0; n < sizeof(good) - 1; n++)
		header_refused(ch_span(good, n), CH_ERR_TRUNCATED, n < 3 ? n : n < 7 ? 3 : 7);
	header_refused(CH_SPAN_OF(good), CH_ERR_TRAILING, 7);
	header_refused(CH_SPAN_LIT("\x03\x02\x04\x0a\x0b\x0c\x0d\x00\x00"), CH_ERR_TRAILING, 7);
	header_refused(CH_SPAN_LIT("\x02\x02\x04\x0a\x0b\x0c\x0d\x00\x02hi"), CH_ERR_MALFORMED, 0);
	header_refused(CH_SPAN_LIT("\x06\x03\x04\x0a\x0b\x0c\x0d\x00\x02hi"), CH_ERR_UNSUPPORTED, 0);
	header_refused(CH_SPAN_LIT("\x03\x01\x04\x0a\x0b\x0c\x0d\x00\x02hi"), CH_ERR_UNSUPPORTED, 1);
}

static void keys_without_file_signatures_have_no_identifier(void **state)
{
	(void)state;
	static const uint8_t bytes[32] = { 1 };
	uint8_t id[4];
	struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(bytes) };
	assert_int_equal(ch_ima_key_id(&pub, id), CH_ERR_UNSUPPORTED);
	pub.type = CH_KEY_NONE;
	assert_int_equal(ch_ima_key_id(&pub, id), CH_ERR_UNSUPPORTED);
}

/* Lengths of one, two and three bytes in DER: SHA-1 of the RSAPublicKey, computed elsewhere. */
static void identifies_rsa_keys_of_any_size(void **state)
{
	(void)state;
	static const uint8_t e[] = { 1, 0, 1 };
	static const struct {
		size_t n;
		uint8_t first;
		const char *id;
	} key[] = {
		{ 64, 0x7f, "a195112e" },
		{ 126, 0x80, "1f808c00" },
		{ 200, 0x80, "ca2721f7" },
		{ 512, 0xff, "6d0d2fec" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(key); i++) {
		uint8_t n[512];
		uint8_t id[4], expected[4];
		memset(n, 0x11, sizeof(n));
		n[0] = key[i].first;
		struct ch_pub pub = { .type = CH_KEY_RSA, .a = ch_span(n, key[i].n), .b = CH_SPAN_OF(e) };
		assert_int_equal(ch_ima_key_id(&pub, id), CH_OK);
		assert_int_equal(ch_hex_decode(expected, 4, ch_span_str(key[i].id)), CH_OK);
		assert_memory_equal(id, expected, 4);
	}
}

#define TEST(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(verifies),
		TEST(no_other_ecdsa_signature_holds),
		TEST(no_other_rsa_signature_holds),
		TEST(ecdsa_is_der),
		TEST(reads_the_header),
		TEST(refuses_bad_headers),
		TEST(keys_without_file_signatures_have_no_identifier),
		TEST(identifies_rsa_keys_of_any_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
