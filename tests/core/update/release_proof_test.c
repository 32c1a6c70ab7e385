/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release_proof.h"

#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/sign.h"
#include "tests/unit.h"

/* A log of two entries is made here, its checkpoint signed; then one thing is another. */

static struct ch_sign_key key[2];
static struct ch_note_key log_key[2];
static struct ch_release release;
static struct ch_diag diag;
static const uint8_t digest[32] = { 0x11 }, salt[CH_LEAF_SALT] = { 0x22 };

static int setup(void **state)
{
	static const char *const name[] = { "example/log", "example/other" };
	(void)state;
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	for (size_t i = 0; i < CH_COUNT_OF(key); i++) {
		struct ch_pubkey p;
		if (ch_sign_key_make(&key[i], CH_KEY_ED25519) != CH_OK || ch_sign_key_pub(&key[i], &p) != CH_OK ||
		    ch_note_key_make(&log_key[i], ch_span_str(name[i]), p.pub.a.p) != CH_OK)
			return 1;
	}
	release.name = CH_SPAN_LIT("gateway-os");
	release.version = CH_SPAN_LIT("1.4.0");
	release.sequence = 14;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(key); i++)
		ch_sign_key_clear(&key[i]);
	return 0;
}

struct made {
	uint8_t record[CH_RELEASE_RECORD_MAX], proof[CH_PROOF_TEXT_MAX], text[CH_RELEASE_PROOF_MAX];
	size_t record_n, proof_n, n;
};

/* The checkpoint's signature is by key[signer], under the name of that log. */
static void make(struct made *m, enum ch_leaf_type type, size_t signer)
{
	static struct ch_proof p;
	uint8_t note[1024], leaf[CH_LEAF_BYTES], sig[CH_SIGN_BYTES];
	struct ch_leaf l = { .type = type, .time = 1 };
	struct ch_tree_hash entry, other, root;
	struct ch_wr w = ch_wr(m->record, sizeof(m->record));
	ch_release_record_put(&w, &release, digest);
	m->record_n = w.len;
	assert_int_equal(ch_leaf_commit(l.commitment, salt, ch_wr_span(&w)), CH_OK);
	w = ch_wr(leaf, sizeof(leaf));
	ch_leaf_put(&w, &l);
	assert_int_equal(ch_merkle_leaf(&entry, ch_wr_span(&w)), CH_OK);
	assert_int_equal(ch_merkle_leaf(&other, CH_SPAN_LIT("another entry")), CH_OK);
	assert_int_equal(ch_merkle_node(&root, &entry, &other), CH_OK);
	w = ch_wr(note, sizeof(note));
	ch_checkpoint_put(&w, log_key[signer].name, 2, &root);
	assert_int_equal(ch_sign_message(&key[signer], ch_wr_span(&w), sig), CH_OK);
	ch_wr_u8(&w, '\n');
	ch_note_sig_put(&w, &log_key[signer], sig);
	p = (struct ch_proof){ .extra_n = sizeof(leaf), .count = 1, .checkpoint = ch_wr_span(&w) };
	(void)ch_span_copy(p.extra, sizeof(p.extra), CH_SPAN_OF(leaf));
	p.hash[0] = other;
	w = ch_wr(m->proof, sizeof(m->proof));
	ch_proof_put(&w, &p);
	m->proof_n = w.len;
	w = ch_wr(m->text, sizeof(m->text));
	ch_release_proof_put(&w, ch_span(m->record, m->record_n), salt, ch_span(m->proof, m->proof_n));
	assert_false(w.bad);
	m->n = w.len;
}

static enum ch_err parse(struct ch_release_proof *p, const char *text)
{
	enum ch_err err = ch_release_proof_parse(p, ch_span_str(text), &diag);
	assert_int_equal(err == CH_OK, diag.rule == NULL);
	if (err != CH_OK)
		assert_int_equal(p->record.n + p->proof.n, 0);
	return err;
}

static void what_is_written_is_read_and_holds(void **state)
{
	static struct made m;
	static struct ch_release_proof p;
	struct ch_checkpoint c;
	(void)state;
	make(&m, CH_LEAF_RELEASE, 0);
	assert_int_equal(ch_release_proof_parse(&p, ch_span(m.text, m.n), &diag), CH_OK);
	assert_span_equal(p.record, m.record, m.record_n);
	assert_span_equal(p.proof, m.proof, m.proof_n);
	assert_memory_equal(p.salt, salt, sizeof(salt));
	assert_int_equal(ch_release_proof_check(&p, &release, digest, log_key, 2, &c, &diag), CH_OK);
	assert_null(diag.rule);
	assert_int_equal(c.size, 2);
	/* which of the logs it is does not matter, but it is one of them */
	assert_int_equal(ch_release_proof_check(&p, &release, digest, &log_key[1], 1, &c, &diag), CH_ERR_UNTRUSTED);
	assert_int_equal(ch_release_proof_check(&p, &release, digest, log_key, 0, &c, &diag), CH_ERR_UNTRUSTED);
	make(&m, CH_LEAF_RELEASE, 1);
	assert_int_equal(ch_release_proof_parse(&p, ch_span(m.text, m.n), &diag), CH_OK);
	assert_int_equal(ch_release_proof_check(&p, &release, digest, log_key, 2, &c, &diag), CH_OK);
}

static void every_cut_is_refused(void **state)
{
	static struct made m;
	static struct ch_release_proof p;
	(void)state;
	make(&m, CH_LEAF_RELEASE, 0);
	for (size_t n = 0; n < m.n - 1; n++)
		assert_int_not_equal(ch_release_proof_parse(&p, ch_span(m.text, n), &diag), CH_OK);
}

static void no_flipped_bit_holds(void **state)
{
	static struct made m;
	static struct ch_release_proof p;
	struct ch_checkpoint c;
	(void)state;
	make(&m, CH_LEAF_RELEASE, 0);
	for (size_t i = 0; i < m.n - 1; i++) {
		m.text[i] ^= (uint8_t)(1u << (i % 8));
		/* hexadecimal digits of either case are one digit */
		enum ch_err err = ch_release_proof_parse(&p, ch_span(m.text, m.n), &diag);
		if (err == CH_OK && memcmp(p.salt, salt, sizeof(salt)) != 0)
			assert_int_not_equal(ch_release_proof_check(&p, &release, digest, log_key, 2, &c, &diag),
					     CH_OK);
		else if (err == CH_OK && !ch_span_eq(p.record, ch_span(m.record, m.record_n)))
			assert_int_not_equal(ch_release_proof_check(&p, &release, digest, log_key, 2, &c, &diag),
					     CH_OK);
		else if (err == CH_OK && !ch_span_eq(p.proof, ch_span(m.proof, m.proof_n)))
			assert_int_not_equal(ch_release_proof_check(&p, &release, digest, log_key, 2, &c, &diag),
					     CH_OK);
		m.text[i] ^= (uint8_t)(1u << (i % 8));
	}
}

static void it_is_of_this_file_and_no_other(void **state)
{
	static struct made m;
	static struct ch_release_proof p;
	static struct ch_release other;
	const uint8_t another[32] = { 0x12 };
	struct ch_checkpoint c;
	(void)state;
	make(&m, CH_LEAF_RELEASE, 0);
	assert_int_equal(ch_release_proof_parse(&p, ch_span(m.text, m.n), &diag), CH_OK);
	assert_int_equal(ch_release_proof_check(&p, &release, another, log_key, 2, &c, &diag), CH_ERR_MISMATCH);
	other = release;
	other.sequence++;
	assert_int_equal(ch_release_proof_check(&p, &other, digest, log_key, 2, &c, &diag), CH_ERR_MISMATCH);
	p.salt[0] ^= 1;
	assert_int_equal(ch_release_proof_check(&p, &release, digest, log_key, 2, &c, &diag), CH_ERR_MISMATCH);
	/* an entry of another type that commits to the same text */
	make(&m, CH_LEAF_ACTION, 0);
	assert_int_equal(ch_release_proof_parse(&p, ch_span(m.text, m.n), &diag), CH_OK);
	assert_int_equal(ch_release_proof_check(&p, &release, digest, log_key, 2, &c, &diag), CH_ERR_MISMATCH);
}

static void members_are_those_that_are_known(void **state)
{
#define SALT "\"salt\":\"2200000000000000000000000000000000000000000000000000000000000000\""
	static const struct {
		const char *text;
		enum ch_err err;
	} row[] = {
		{ "{\"record\":\"r\"," SALT ",\"proof\":\"p\"}", CH_OK },
		{ "{\"proof\":\"p\"," SALT ",\"record\":\"r\"} \n", CH_OK },
		{ "{\"record\":\"r\"," SALT "}", CH_ERR_MISSING },
		{ "{\"record\":\"r\"," SALT ",\"proof\":\"p\",\"proof\":\"p\"}", CH_ERR_NOSPACE },
		{ "{\"record\":\"r\"," SALT ",\"record\":\"r\"}", CH_ERR_DUPLICATE },
		{ "{\"record\":\"r\"," SALT ",\"prove\":\"p\"}", CH_ERR_UNKNOWN },
		{ "{\"record\":\"\"," SALT ",\"proof\":\"p\"}", CH_ERR_MALFORMED },
		{ "{\"record\":1," SALT ",\"proof\":\"p\"}", CH_ERR_MALFORMED },
		{ "{\"record\":\"r\",\"salt\":\"22\",\"proof\":\"p\"}", CH_ERR_RANGE },
		{ "[\"record\"]", CH_ERR_MALFORMED },
	};
	static struct ch_release_proof p;
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(row); i++)
		assert_int_equal(parse(&p, row[i].text), row[i].err);
}

static void limits_are_kept(void **state)
{
	static char text[CH_RELEASE_PROOF_MAX + 64];
	static struct ch_release_proof p;
	(void)state;
	for (size_t n = CH_RELEASE_RECORD_MAX; n <= CH_RELEASE_RECORD_MAX + 1; n++) {
		struct ch_wr w = ch_wr(text, sizeof(text) - 1);
		ch_wr_str(&w, "{\"record\":\"");
		for (size_t i = 0; i < n; i++)
			ch_wr_u8(&w, 'a');
		ch_wr_str(&w, "\"," SALT ",\"proof\":\"p\"}");
		text[w.len] = '\0';
		assert_int_equal(parse(&p, text), n <= CH_RELEASE_RECORD_MAX ? CH_OK : CH_ERR_LIMIT);
	}
	memset(text, ' ', sizeof(text));
	assert_int_equal(ch_release_proof_parse(&p, ch_span(text, CH_RELEASE_PROOF_MAX + 1), &diag), CH_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_and_holds),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(no_flipped_bit_holds),
		cmocka_unit_test(it_is_of_this_file_and_no_other),
		cmocka_unit_test(members_are_those_that_are_known),
		cmocka_unit_test(limits_are_kept),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
