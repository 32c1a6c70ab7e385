/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/verity.h"

#include "core/base/wr.h"
#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

static struct ch_verity v;
static struct ch_diag diag;

static int setup(void **state)
{
	(void)state;
	return ch_crypto_openssl_init() == CH_OK ? 0 : 1;
}

/* 3 blocks of 1024 bytes under blocks of 512, salt "salt". */
static void super_make(uint8_t b[static CH_VERITY_SUPER])
{
	struct ch_wr w = ch_wr(b, CH_VERITY_SUPER);
	ch_wr_put(&w, CH_SPAN_LIT("verity\0\0\1\0\0\0\1\0\0\0"
				  "0123456789abcdef"
				  "sha256\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				  "\0\4\0\0\0\2\0\0\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0salt"));
	while (w.len < CH_VERITY_SUPER)
		ch_wr_u8(&w, 0);
}

static void test_superblock(void **state)
{
	(void)state;
	uint8_t b[CH_VERITY_SUPER];
	super_make(b);
	assert_int_equal(ch_verity_parse(&v, CH_SPAN_OF(b), &diag), CH_OK);
	assert_int_equal(v.data_block, 1024);
	assert_int_equal(v.hash_block, 512);
	assert_int_equal(v.blocks, 3);
	assert_span_equal(ch_span(v.salt, v.salt_n), "salt", 4);
	assert_int_equal(ch_verity_tree_size(&v), 512);
	for (size_t n = 0; n < sizeof(b); n++)
		assert_int_equal(ch_verity_parse(&v, ch_span(b, n), &diag), CH_ERR_TRUNCATED);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint8_t value;
		enum ch_err err;
	} t[] = {
		{ 0, 'V', CH_ERR_MALFORMED },    { 8, 2, CH_ERR_UNSUPPORTED },  { 12, 0, CH_ERR_UNSUPPORTED },
		{ 35, '5', CH_ERR_UNSUPPORTED }, { 63, 1, CH_ERR_UNSUPPORTED }, { 64, 1, CH_ERR_RANGE },
		{ 65, 1, CH_ERR_RANGE },         { 66, 2, CH_ERR_RANGE },       { 69, 3, CH_ERR_RANGE },
		{ 72, 0, CH_ERR_RANGE },         { 79, 0x80, CH_ERR_RANGE },    { 81, 1, CH_ERR_RANGE },
		{ 80, 3, CH_ERR_MALFORMED },     { 82, 1, CH_ERR_MALFORMED },   { 92, 1, CH_ERR_MALFORMED },
		{ 511, 1, CH_ERR_MALFORMED },
	};
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		uint8_t b[CH_VERITY_SUPER];
		super_make(b);
		b[t[i].at] = t[i].value;
		assert_int_equal(ch_verity_parse(&v, CH_SPAN_OF(b), &diag), t[i].err);
		assert_non_null(diag.rule);
		assert_int_equal(v.data_block, 0);
	}
}

/* H(salt ‖ bytes ‖ zeros up to n) */
static struct ch_digest salted(struct ch_span bytes, size_t n)
{
	struct ch_hash h;
	struct ch_digest d;
	assert_int_equal(ch_hash_init(&h, CH_HASH_SHA256), CH_OK);
	ch_hash_update(&h, CH_SPAN_LIT("salt"));
	ch_hash_update(&h, bytes);
	for (size_t i = bytes.n; i < n; i++)
		ch_hash_update(&h, CH_SPAN_LIT("\0"));
	ch_hash_final(&h, &d);
	return d;
}

/* `count` blocks of 512 bytes, whose tree is made here from the rule: whole levels, one over the other. */
static void expect_root(size_t count)
{
	static uint8_t data[300 * 512], level[300 * 32];
	uint8_t root[32];
	v = (struct ch_verity){ .data_block = 512, .hash_block = 512, .blocks = count, .salt_n = 4 };
	(void)ch_span_copy(v.salt, 4, CH_SPAN_LIT("salt"));
	for (size_t i = 0; i < count * 512; i++)
		data[i] = (uint8_t)(i * 7 + i / 512);
	for (size_t i = 0; i < count; i++) {
		struct ch_digest d = salted(ch_span(data + i * 512, 512), 512);
		(void)ch_span_copy(level + i * 32, 32, ch_digest_span(&d));
	}
	for (size_t n = count; n > 1; n = (n + 15) / 16) {
		for (size_t i = 0; i * 16 < n; i++) {
			size_t k = n - i * 16 < 16 ? n - i * 16 : 16;
			struct ch_digest d = salted(ch_span(level + i * 512, k * 32), 512);
			(void)ch_span_copy(level + i * 32, 32, ch_digest_span(&d));
		}
	}
	assert_int_equal(ch_verity_root(&v, ch_span(data, count * 512), root, &diag), CH_OK);
	assert_memory_equal(root, level, 32);
	assert_int_equal(ch_verity_root(&v, ch_span(data, count * 512 - 1), root, &diag), CH_ERR_RANGE);
	assert_true(ch_span_all(CH_SPAN_OF(root), 0));
	v.blocks++;
	assert_int_equal(ch_verity_root(&v, ch_span(data, count * 512), root, &diag), CH_ERR_RANGE);
}

static void test_roots(void **state)
{
	(void)state;
	static const size_t count[] = { 1, 2, 15, 16, 17, 31, 255, 256, 257, 300 };
	for (size_t i = 0; i < CH_COUNT_OF(count); i++)
		expect_root(count[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_superblock),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_roots),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
