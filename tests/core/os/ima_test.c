/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit.h"

#include "core/base/text.h"
#include "core/base/wr.h"
#include "core/os/ima.h"
#include "host/base/file.h"

#include <stdio.h>

static uint8_t scratch[CH_IMA_DATA_MAX];

static struct ch_buf load(const char *name)
{
	struct ch_buf b = { 0 };
	char path[128];
	(void)snprintf(path, sizeof(path), "tests/fixtures/%s", name);
	assert_int_equal(ch_file_read(&b, path), CH_OK);
	return b;
}

static struct ch_ima_iter reader(struct ch_span in)
{
	return ch_ima_iter(in, scratch, sizeof(scratch));
}

/* Reads all of a list; the number of entries, and how it ended. */
static size_t read_all(struct ch_span in, enum ch_err *err, struct ch_diag *d)
{
	struct ch_ima_iter it = reader(in);
	struct ch_ima_entry e;
	while ((*err = ch_ima_next(&it, &e, d)) == CH_OK)
		(void)0;
	return it.n;
}

/* --- records made here --- */

struct made {
	uint8_t b[512];
	struct ch_wr w;
};

static void put_field(struct ch_wr *w, struct ch_span s)
{
	ch_wr_le32(w, (uint32_t)s.n);
	ch_wr_put(w, s);
}

/* A record whose template hash is the SHA-1 of its data. */
static struct ch_span record(struct made *m, uint32_t pcr, const char *name, struct ch_span data)
{
	struct ch_digest d;
	m->w = ch_wr(m->b, sizeof(m->b));
	assert_int_equal(ch_hash_once(CH_HASH_SHA1, data, &d), CH_OK);
	ch_wr_le32(&m->w, pcr);
	ch_wr_put(&m->w, ch_digest_span(&d));
	put_field(&m->w, ch_span_str(name));
	put_field(&m->w, data);
	assert_false(m->w.bad);
	return ch_wr_span(&m->w);
}

/* Template data of ima-ng: prefix, digest bytes of one value, name with what follows it. */
static struct ch_span ng_data(struct made *m, struct ch_span prefix, size_t digest, struct ch_span name)
{
	static const uint8_t value[64] = { 1, 2, 3 };
	m->w = ch_wr(m->b, sizeof(m->b));
	ch_wr_le32(&m->w, (uint32_t)(prefix.n + digest));
	ch_wr_put(&m->w, prefix);
	ch_wr_put(&m->w, ch_span(value, digest));
	put_field(&m->w, name);
	return ch_wr_span(&m->w);
}

static void refused(struct ch_span in, enum ch_err expected, size_t off)
{
	struct ch_ima_iter it = reader(in);
	struct ch_ima_entry e;
	struct ch_diag d;
	assert_int_equal(ch_ima_next(&it, &e, &d), expected);
	assert_non_null(d.rule);
	assert_int_equal(d.off, off);
	assert_int_equal(d.item, 0);
	assert_int_equal(it.off, 0);
	assert_null(e.data.p);
	/* Without a place for it, the same answer. */
	assert_int_equal(ch_ima_next(&it, &e, NULL), expected);
}

/* ima-ng data that must be refused at an offset in them; they begin at byte 38 of the record. */
static void refused_data(struct ch_span prefix, size_t digest, struct ch_span name, enum ch_err expected, size_t off)
{
	struct made data, rec;
	refused(record(&rec, 10, "ima-ng", ng_data(&data, prefix, digest, name)), expected, 38 + off);
}

#define SHA256_PREFIX CH_SPAN_OF("sha256:")
#define NAME          CH_SPAN_OF("/init")

/* --- the binary form --- */

static void refuses_every_cut_of_binary(void **state)
{
	(void)state;
	struct ch_buf b = load("ima-made/ima.binary");
	struct ch_ima_iter it = reader(ch_buf_span(&b));
	struct ch_ima_entry e;
	size_t ends = 0;
	for (size_t n = 0; n <= b.n; n++) {
		enum ch_err err;
		struct ch_diag d;
		while (it.off < n && ch_ima_next(&it, &e, NULL) == CH_OK)
			ends++;
		/* A copy of exact size, so that a sanitizer sees a read past its end. */
		uint8_t *copy = ch_calloc(n + 1, 1);
		(void)ch_span_copy(copy + 1, n, ch_buf_span(&b));
		size_t count = read_all(ch_span(copy + 1, n), &err, &d);
		if (it.off == n) {
			assert_int_equal(err, CH_ERR_NOTFOUND);
			assert_int_equal(count, ends);
		} else {
			assert_int_equal(err, CH_ERR_TRUNCATED);
			assert_int_equal(d.item, count);
		}
		ch_free(copy);
	}
	assert_int_equal(ends, 16);
	ch_buf_free(&b);
}

static void refuses_one_more_byte(void **state)
{
	(void)state;
	struct ch_buf b = load("ima-made/ima.binary");
	enum ch_err err;
	struct ch_diag d;
	size_t n = b.n;
	ch_buf_append(&b, CH_SPAN_LIT("\n"));
	assert_int_equal(read_all(ch_buf_span(&b), &err, &d), 16);
	assert_int_equal(err, CH_ERR_TRUNCATED);
	assert_int_equal(d.off, n);
	ch_buf_free(&b);
}

static void refuses_pcr_above_23(void **state)
{
	(void)state;
	struct made data, rec;
	struct ch_span good = ng_data(&data, SHA256_PREFIX, 32, NAME);
	refused(record(&rec, 24, "ima-ng", good), CH_ERR_RANGE, 0);
	refused(record(&rec, 0x0a000000, "ima-ng", good), CH_ERR_RANGE, 0);
	struct ch_ima_iter it = reader(record(&rec, 23, "ima-ng", good));
	struct ch_ima_entry e;
	assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
	assert_int_equal(e.pcr, 23);
}

static void refuses_bad_template_names(void **state)
{
	(void)state;
	struct made data, rec;
	struct ch_span good = ng_data(&data, SHA256_PREFIX, 32, NAME);
	char name[CH_IMA_NAME_MAX + 2];
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	refused(record(&rec, 10, name, good), CH_ERR_LIMIT, 24);
	refused(record(&rec, 10, "", good), CH_ERR_ENCODING, 28);
	refused(record(&rec, 10, "ima ng", good), CH_ERR_ENCODING, 28);
	refused(record(&rec, 10, "ima-\x80", good), CH_ERR_ENCODING, 28);
	name[CH_IMA_NAME_MAX] = '\0';
	struct ch_ima_iter it = reader(record(&rec, 10, name, good));
	struct ch_ima_entry e;
	assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
	assert_false(e.known);
	assert_true(ch_ima_entry_holds(&e));
}

static void refuses_more_data_than_the_limit(void **state)
{
	(void)state;
	struct made data, rec;
	struct ch_span s = record(&rec, 10, "ima-ng", ng_data(&data, SHA256_PREFIX, 32, NAME));
	rec.b[34 + 2] = 1;
	refused(s, CH_ERR_LIMIT, 34);
	/* Template ima has no such length; its name has one. */
	size_t n = CH_IMA_DATA_MAX;
	uint8_t *old = ch_calloc(4 + 20 + 7 + 24 + n, 1);
	struct ch_wr w = ch_wr(old, 4 + 20 + 7 + 24 + n);
	ch_wr_le32(&w, 10);
	ch_wr_put(&w, ch_span(s.p + 4, 20));
	put_field(&w, CH_SPAN_LIT("ima"));
	ch_wr_put(&w, ch_span(s.p + 4, 20));
	ch_wr_le32(&w, (uint32_t)n);
	refused(ch_span(old, 4 + 20 + 7 + 24 + n), CH_ERR_LIMIT, 31);
	ch_free(old);
}

static void refuses_bad_digests(void **state)
{
	(void)state;
	refused_data(CH_SPAN_EMPTY, 0, NAME, CH_ERR_MALFORMED, 4);
	refused_data(CH_SPAN_LIT("sha256:"), 0, NAME, CH_ERR_MALFORMED, 4);
	refused_data(CH_SPAN_OF("sha256"), 32, NAME, CH_ERR_MALFORMED, 4);
	refused_data(CH_SPAN_OF(":"), 32, NAME, CH_ERR_MALFORMED, 4);
	refused_data(CH_SPAN_OF("a:sha256:"), 32, NAME, CH_ERR_MALFORMED, 4);
	refused_data(CH_SPAN_OF("sha 256:"), 32, NAME, CH_ERR_MALFORMED, 4);
	refused_data(SHA256_PREFIX, 31, NAME, CH_ERR_RANGE, 4 + 8);
	refused_data(SHA256_PREFIX, 33, NAME, CH_ERR_RANGE, 4 + 8);
	refused_data(SHA256_PREFIX, 20, NAME, CH_ERR_RANGE, 4 + 8);
	refused_data(CH_SPAN_OF("unknown:"), 0, NAME, CH_ERR_RANGE, 4 + 9);
}

static void refuses_bad_digests_of_version_2(void **state)
{
	(void)state;
	static const char *const prefix[] = { "sha256:", "ima:",        "ima:a:sha256:",
					      "verity:", "verity:a:b:", "other:sha256:" };
	struct made data, rec;
	for (size_t i = 0; i < CH_COUNT_OF(prefix); i++) {
		struct ch_span p = ch_span(prefix[i], strlen(prefix[i]) + 1);
		refused(record(&rec, 10, "ima-ngv2", ng_data(&data, p, 32, NAME)), CH_ERR_MALFORMED, 40 + 4);
	}
}

static void refuses_bad_names(void **state)
{
	(void)state;
	refused_data(SHA256_PREFIX, 32, CH_SPAN_EMPTY, CH_ERR_MALFORMED, 4 + 40 + 4);
	refused_data(SHA256_PREFIX, 32, CH_SPAN_LIT("/init"), CH_ERR_MALFORMED, 4 + 40 + 4);
	refused_data(SHA256_PREFIX, 32, CH_SPAN_OF("/in\0it"), CH_ERR_MALFORMED, 4 + 40 + 4);
	refused_data(SHA256_PREFIX, 32, CH_SPAN_OF("/init\0"), CH_ERR_MALFORMED, 4 + 40 + 4);
}

static void refuses_fields_that_do_not_fill_the_data(void **state)
{
	(void)state;
	struct made data, rec;
	struct ch_span good = ng_data(&data, SHA256_PREFIX, 32, NAME);
	/* too few, one byte short, one too many, one field too many */
	refused(record(&rec, 10, "ima-ng", ch_span(good.p, 44)), CH_ERR_TRUNCATED, 38 + 44);
	refused(record(&rec, 10, "ima-ng", ch_span(good.p, good.n - 1)), CH_ERR_TRUNCATED, 38 + 44);
	data.b[good.n] = 0;
	refused(record(&rec, 10, "ima-ng", ch_span(good.p, good.n + 1)), CH_ERR_TRAILING, 38 + good.n);
	refused(record(&rec, 10, "ima-sig", good), CH_ERR_TRUNCATED, 39 + good.n);
	data.b[0] = 0xff;
	data.b[3] = 0xff;
	refused(record(&rec, 10, "ima-ng", good), CH_ERR_TRUNCATED, 38);
}

static void goes_on_behind_a_refused_entry_by_its_frame(void **state)
{
	(void)state;
	struct made data, rec;
	struct ch_span good = ng_data(&data, SHA256_PREFIX, 31, NAME);
	struct ch_span s = record(&rec, 10, "ima-ng", good);
	struct ch_ima_iter it = reader(s);
	struct ch_ima_entry e;
	assert_int_equal(ch_ima_next(&it, &e, NULL), CH_ERR_RANGE);
	assert_int_equal(ch_ima_next_frame(&it, &e, NULL), CH_OK);
	assert_false(e.known);
	assert_span_equal(e.data, good.p, good.n);
	assert_true(ch_ima_entry_holds(&e));
	assert_int_equal(ch_ima_next_frame(&it, &e, NULL), CH_ERR_NOTFOUND);
}

static void takes_short_violations_of_old_kernels(void **state)
{
	(void)state;
	struct made data, rec;
	struct ch_span s = record(&rec, 10, "ima-ng", ng_data(&data, SHA256_PREFIX, 20, NAME));
	memset(rec.b + 4, 0, 20);
	struct ch_ima_iter it = reader(s);
	struct ch_ima_entry e;
	assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
	assert_true(e.violation);
	assert_int_equal(e.file_digest.n, 20);
}

static void takes_templates_that_it_does_not_decode(void **state)
{
	(void)state;
	static const char *const name[] = { "ima-modsig", "evm-sig", "d-ng|n-ng|sig", "later" };
	struct made data, rec;
	for (size_t i = 0; i < CH_COUNT_OF(name); i++) {
		struct ch_ima_iter it = reader(record(&rec, 10, name[i], ng_data(&data, SHA256_PREFIX, 32, NAME)));
		struct ch_ima_entry e;
		assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
		assert_false(e.known);
		assert_int_equal(e.path.n, 0);
		assert_true(ch_ima_entry_holds(&e));
	}
}

static void reads_lists_of_other_banks(void **state)
{
	(void)state;
	static const enum ch_hash_alg alg[] = { CH_HASH_SHA256, CH_HASH_SHA384, CH_HASH_SHA512 };
	struct made data;
	struct ch_span good = ng_data(&data, SHA256_PREFIX, 32, NAME);
	for (size_t i = 0; i < CH_COUNT_OF(alg); i++) {
		uint8_t b[512];
		struct ch_wr w = ch_wr(b, sizeof(b));
		struct ch_digest d;
		assert_int_equal(ch_hash_once(alg[i], good, &d), CH_OK);
		ch_wr_le32(&w, 10);
		ch_wr_put(&w, ch_digest_span(&d));
		put_field(&w, CH_SPAN_LIT("ima-ng"));
		put_field(&w, good);
		struct ch_ima_iter it = reader(ch_wr_span(&w));
		struct ch_ima_entry e;
		assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
		assert_int_equal(e.template_alg, alg[i]);
		assert_true(ch_ima_entry_holds(&e));
		/* Both ways of extending come from the data then. */
		struct made sha1_rec;
		struct ch_ima_iter sha1_it = reader(record(&sha1_rec, 10, "ima-ng", good));
		struct ch_ima_entry same;
		assert_int_equal(ch_ima_next(&sha1_it, &same, NULL), CH_OK);
		for (enum ch_ima_extend how = CH_IMA_EXTEND_HASH; how <= CH_IMA_EXTEND_PADDED; how++) {
			struct ch_pcrs a, z;
			ch_pcrs_init(&a);
			ch_pcrs_init(&z);
			struct ch_pcr_bank *x = ch_pcrs_add(&a, CH_HASH_SHA1);
			struct ch_pcr_bank *y = ch_pcrs_add(&z, CH_HASH_SHA1);
			ch_ima_extend(&a, &e, how);
			ch_ima_extend(&z, &same, how);
			assert_true(ch_span_eq(ch_pcr_value(x, 10), ch_pcr_value(y, 10)));
		}
	}
}

static void every_flipped_bit_is_noticed(void **state)
{
	(void)state;
	struct ch_buf b = load("ima-made/ima.binary");
	size_t covered = 4 + 20; /* the PCR index and the hash are checked by registers only */
	struct ch_ima_entry e;
	struct ch_ima_iter it = reader(ch_buf_span(&b));
	assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
	for (size_t bit = covered * 8; bit < it.off * 8; bit++) {
		b.p[bit / 8] ^= (uint8_t)(1U << bit % 8);
		struct ch_ima_iter again = reader(ch_span(b.p, it.off));
		struct ch_ima_entry f;
		enum ch_err err = ch_ima_next(&again, &f, NULL);
		bool renamed =
			bit / 8 >= 28 && bit / 8 < 35; /* the template's name is covered by nothing but its meaning */
		assert_true(err != CH_OK || !ch_ima_entry_holds(&f) || (renamed && !f.known));
		b.p[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	ch_buf_free(&b);
}

/* --- both forms --- */

static void check_equal(struct ch_span a, struct ch_span b)
{
	assert_int_equal(a.n, b.n);
	assert_true(ch_span_eq(a, b));
}

static void forms_agree(const char *binary, const char *ascii, size_t count)
{
	struct ch_buf b = load(binary);
	struct ch_buf a = load(ascii);
	struct ch_ima_iter x = ch_ima_iter(ch_buf_span(&b), NULL, 0);
	struct ch_ima_iter y = reader(ch_buf_span(&a));
	struct ch_ima_entry e, f;
	assert_int_equal(x.form, CH_IMA_BINARY);
	assert_int_equal(y.form, CH_IMA_ASCII);
	while (ch_ima_next(&x, &e, NULL) == CH_OK) {
		assert_int_equal(ch_ima_next(&y, &f, NULL), CH_OK);
		assert_int_equal(e.n, f.n);
		assert_int_equal(e.pcr, f.pcr);
		assert_int_equal(e.violation, f.violation);
		assert_true(e.known && f.known);
		check_equal(e.template_hash, f.template_hash);
		check_equal(e.template_name, f.template_name);
		check_equal(e.data, f.data);
		check_equal(e.file_alg, f.file_alg);
		check_equal(e.file_digest, f.file_digest);
		check_equal(e.path, f.path);
		check_equal(e.sig, f.sig);
		check_equal(e.buf, f.buf);
		assert_true(ch_ima_entry_holds(&e));
	}
	assert_int_equal(ch_ima_next(&x, &e, NULL), CH_ERR_NOTFOUND);
	assert_int_equal(ch_ima_next(&y, &f, NULL), CH_ERR_NOTFOUND);
	assert_int_equal(x.n, count);
	ch_buf_free(&a);
	ch_buf_free(&b);
}

static void reads_both_forms_alike(void **state)
{
	(void)state;
	forms_agree("ima-made/ima.binary", "ima-made/ima.ascii", 16);
	forms_agree("sboff-good/ima.binary", "sboff-good/ima.ascii", 98);
}

/* --- the ascii form --- */

static void line_refused(const char *line, enum ch_err expected, size_t off)
{
	refused(ch_span_str(line), expected, off);
}

#define H40 "1d8d532d463c9f8c205d0df7787669a85f93e260"
#define H64 "0000000000000000000000000000000000000000000000000000000000000001"

static void refuses_bad_lines(void **state)
{
	(void)state;
	line_refused("10 " H40 " ima-ng sha1:" H40 " /init", CH_ERR_TRUNCATED, 102);
	line_refused("24 " H40 " ima-ng sha1:" H40 " /init\n", CH_ERR_MALFORMED, 0);
	line_refused("1 " H40 " ima-ng sha1:" H40 " /init\n", CH_ERR_MALFORMED, 0);
	line_refused("1x " H40 " ima-ng sha1:" H40 " /init\n", CH_ERR_MALFORMED, 0);
	line_refused("010 " H40 " ima-ng sha1:" H40 " /init\n", CH_ERR_MALFORMED, 0);
	line_refused("10  " H40 " ima-ng sha1:" H40 " /init\n", CH_ERR_RANGE, 3);
	line_refused("10 1" H40 " ima-ng sha1:" H40 " /init\n", CH_ERR_RANGE, 3);
	line_refused("10 x" H40 "0 ima-ng sha1:" H40 " /init\n", CH_ERR_RANGE, 3);
	line_refused("10 " H40 "\n", CH_ERR_ENCODING, 43);
	line_refused("10 " H40 " ima-ng\n", CH_ERR_MALFORMED, 50);
	line_refused("10 " H40 " ima-nG sha1:" H40 " /init\n", CH_ERR_MALFORMED, 44);
	line_refused("10 " H40 " ima-modsig sha1:" H40 " /init\n", CH_ERR_UNSUPPORTED, 44);
	line_refused("10 " H40 " d-ng|n-ng sha1:" H40 " /init\n", CH_ERR_UNSUPPORTED, 44);
	line_refused("10 " H40 " ima-ng sha1:" H40 "\n", CH_ERR_MALFORMED, 51);
	line_refused("10 " H40 " ima-ng " H40 " /init\n", CH_ERR_MALFORMED, 51);
	line_refused("10 " H40 " ima-ng sha1:x" H40 " /init\n", CH_ERR_ENCODING, 51);
	line_refused("10 " H40 " ima-ng sha1:00" H40 " /init\n", CH_ERR_RANGE, 51);
	line_refused("10 " H40 " ima-ng :" H40 " /init\n", CH_ERR_MALFORMED, 51);
	line_refused("10 " H40 " ima " H40 "0 /init\n", CH_ERR_RANGE, 48);
	line_refused("10 " H40 " ima-sig sha1:" H40 " /init\n", CH_ERR_MALFORMED, 98);
	line_refused("10 " H40 " ima-sig sha1:" H40 " /init 0\n", CH_ERR_ENCODING, 104);
	line_refused("10 " H40 " ima-sig sha1:" H40 " /init 03x2\n", CH_ERR_ENCODING, 104);
	line_refused("10 x"
		     "00000000000000000000000000000000000000"
		     "0 ima-ng sha1:" H40 " /init\n",
		     CH_ERR_ENCODING, 3);
}

static void refuses_every_cut_of_ascii(void **state)
{
	(void)state;
	struct ch_buf a = load("ima-made/ima.ascii");
	size_t lines = 0;
	for (size_t n = 0; n <= a.n; n++) {
		enum ch_err err;
		struct ch_diag d;
		uint8_t *copy = ch_calloc(n + 1, 1);
		(void)ch_span_copy(copy + 1, n, ch_buf_span(&a));
		lines += n > 0 && a.p[n - 1] == '\n' ? 1 : 0;
		assert_int_equal(read_all(ch_span(copy + 1, n), &err, &d), lines);
		assert_int_equal(err, n == 0 || a.p[n - 1] == '\n' ? CH_ERR_NOTFOUND : CH_ERR_TRUNCATED);
		ch_free(copy);
	}
	ch_buf_free(&a);
}

static void says_when_scratch_is_missing_or_short(void **state)
{
	(void)state;
	struct ch_buf a = load("ima-made/ima.ascii");
	struct ch_ima_entry e;
	for (size_t cap = 0; cap < 20 + 4 + 8 + 32 + 4 + 15 + 4; cap++) {
		uint8_t *small = ch_calloc(cap + 1, 1);
		struct ch_ima_iter it = ch_ima_iter(ch_buf_span(&a), small, cap);
		assert_int_equal(ch_ima_next(&it, &e, NULL), cap < 20 ? CH_ERR_NOSPACE : CH_ERR_LIMIT);
		ch_free(small);
	}
	struct ch_ima_iter it = ch_ima_iter(ch_buf_span(&a), NULL, 0);
	assert_int_equal(ch_ima_next(&it, &e, NULL), CH_ERR_NOSPACE);
	ch_buf_free(&a);
}

static void takes_pcrs_of_one_digit(void **state)
{
	(void)state;
	struct ch_ima_entry e;
	struct ch_ima_iter it = reader(CH_SPAN_LIT(" 9 " H40 " ima-ng sha1:" H40 " /a name\n"));
	assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
	assert_int_equal(e.pcr, 9);
	check_equal(e.path, CH_SPAN_LIT("/a name"));
	assert_false(ch_ima_entry_holds(&e));
}

static void a_line_has_no_frame(void **state)
{
	(void)state;
	struct ch_ima_entry e;
	struct ch_diag d;
	struct ch_ima_iter it = reader(CH_SPAN_LIT("10 " H40 " ima-ng sha1:" H40 " /init\n"));
	assert_int_equal(ch_ima_next_frame(&it, &e, &d), CH_ERR_UNSUPPORTED);
}

static void names_hashes_that_it_cannot_compute(void **state)
{
	(void)state;
	struct ch_ima_entry e;
	struct ch_ima_iter it = reader(CH_SPAN_LIT("10 " H64 " ima-ng sm3:" H64 " /init\n"));
	assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
	assert_int_equal(e.template_alg, CH_HASH_SM3_256);
	assert_false(ch_ima_entry_holds(&e));
}

/* --- registers --- */

static void violation_extends_ones(void **state)
{
	(void)state;
	static const struct {
		enum ch_ima_extend how;
		size_t ones;
	} row[] = { { CH_IMA_EXTEND_HASH, 32 }, { CH_IMA_EXTEND_PADDED, 20 } };
	uint8_t zero[20] = { 0 };
	struct ch_ima_entry e = { .pcr = 10, .violation = true, .template_hash = CH_SPAN_OF(zero) };
	assert_true(ch_ima_entry_holds(&e));
	for (size_t i = 0; i < CH_COUNT_OF(row); i++) {
		struct ch_pcrs pcrs;
		ch_pcrs_init(&pcrs);
		assert_non_null(ch_pcrs_add(&pcrs, CH_HASH_SHA1));
		assert_non_null(ch_pcrs_add(&pcrs, CH_HASH_SHA256));
		ch_ima_extend(&pcrs, &e, row[i].how);
		uint8_t sha1[40] = { 0 };
		uint8_t sha256[64] = { 0 };
		struct ch_digest d;
		memset(sha1 + 20, 0xff, 20);
		memset(sha256 + 32, 0xff, row[i].ones);
		assert_int_equal(ch_hash_once(CH_HASH_SHA1, CH_SPAN_OF(sha1), &d), CH_OK);
		check_equal(ch_pcr_value(&pcrs.bank[0], 10), ch_digest_span(&d));
		assert_int_equal(ch_hash_once(CH_HASH_SHA256, CH_SPAN_OF(sha256), &d), CH_OK);
		check_equal(ch_pcr_value(&pcrs.bank[1], 10), ch_digest_span(&d));
	}
}

static void padding_extends_the_sha1_hash(void **state)
{
	(void)state;
	struct made data, rec;
	struct ch_ima_iter it = reader(record(&rec, 10, "ima-ng", ng_data(&data, SHA256_PREFIX, 32, NAME)));
	struct ch_ima_entry e;
	struct ch_pcrs pcrs;
	assert_int_equal(ch_ima_next(&it, &e, NULL), CH_OK);
	ch_pcrs_init(&pcrs);
	assert_non_null(ch_pcrs_add(&pcrs, CH_HASH_SHA256));
	ch_ima_extend(&pcrs, &e, CH_IMA_EXTEND_PADDED);
	uint8_t value[64] = { 0 };
	struct ch_digest d;
	(void)ch_span_copy(value + 32, 20, e.template_hash);
	assert_int_equal(ch_hash_once(CH_HASH_SHA256, CH_SPAN_OF(value), &d), CH_OK);
	check_equal(ch_pcr_value(&pcrs.bank[0], 10), ch_digest_span(&d));
}

static void refuses_hashes_that_the_backend_lacks(void **state)
{
	(void)state;
	struct ch_digest d;
	uint8_t b[24] = { 0 };
	struct ch_ima_entry e = { .template_name = CH_SPAN_LIT("ima"), .data = CH_SPAN_OF(b) };
	assert_int_equal(ch_ima_entry_hash(&e, CH_HASH_SM3_256, &d), CH_ERR_UNSUPPORTED);
	e.template_name = CH_SPAN_LIT("ima-ng");
	assert_int_equal(ch_ima_entry_hash(&e, CH_HASH_SM3_256, &d), CH_ERR_UNSUPPORTED);
}

#define TEST(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(refuses_every_cut_of_binary),
		TEST(refuses_one_more_byte),
		TEST(refuses_pcr_above_23),
		TEST(refuses_bad_template_names),
		TEST(refuses_more_data_than_the_limit),
		TEST(refuses_bad_digests),
		TEST(refuses_bad_digests_of_version_2),
		TEST(refuses_bad_names),
		TEST(refuses_fields_that_do_not_fill_the_data),
		TEST(goes_on_behind_a_refused_entry_by_its_frame),
		TEST(takes_short_violations_of_old_kernels),
		TEST(takes_templates_that_it_does_not_decode),
		TEST(reads_lists_of_other_banks),
		TEST(every_flipped_bit_is_noticed),
		TEST(reads_both_forms_alike),
		TEST(refuses_bad_lines),
		TEST(refuses_every_cut_of_ascii),
		TEST(says_when_scratch_is_missing_or_short),
		TEST(takes_pcrs_of_one_digit),
		TEST(a_line_has_no_frame),
		TEST(names_hashes_that_it_cannot_compute),
		TEST(violation_extends_ones),
		TEST(padding_extends_the_sha1_hash),
		TEST(refuses_hashes_that_the_backend_lacks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
