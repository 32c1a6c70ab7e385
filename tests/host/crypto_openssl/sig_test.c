/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto/sig.h"

#include "host/crypto_openssl/backend.h"
#include "tests/unit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

/* Keys are made here by OpenSSL, signatures too; the backend sees numbers only. */
static struct ec_key {
	EVP_PKEY *pkey;
	struct ch_pub pub;
	uint8_t x[66], y[66];
} p256, p384, p521;
static struct {
	EVP_PKEY *pkey;
	struct ch_pub pub;
	uint8_t n[256], e[3];
} rsa;

static const struct ch_span message = CH_SPAN_LIT("what a device says of itself");

static void number(EVP_PKEY *pkey, const char *name, uint8_t *to, size_t n)
{
	BIGNUM *bn = NULL;
	assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &bn), 1);
	assert_int_equal(BN_bn2binpad(bn, to, (int)n), (int)n);
	BN_free(bn);
}

static void ec_key(struct ec_key *k, const char *group, enum ch_key_type type)
{
	size_t n = ch_key_coord(type);
	k->pkey = EVP_EC_gen(group);
	assert_non_null(k->pkey);
	number(k->pkey, OSSL_PKEY_PARAM_EC_PUB_X, k->x, n);
	number(k->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, k->y, n);
	k->pub = (struct ch_pub){ type, { k->x, n }, { k->y, n } };
}

static int make_keys(void **state)
{
	(void)state;
	if (ch_crypto_openssl_init() != CH_OK)
		return 1;
	ec_key(&p256, "P-256", CH_KEY_P256);
	ec_key(&p384, "P-384", CH_KEY_P384);
	ec_key(&p521, "P-521", CH_KEY_P521);
	rsa.pkey = EVP_RSA_gen(2048);
	number(rsa.pkey, OSSL_PKEY_PARAM_RSA_N, rsa.n, sizeof(rsa.n));
	number(rsa.pkey, OSSL_PKEY_PARAM_RSA_E, rsa.e, sizeof(rsa.e));
	rsa.pub = (struct ch_pub){ CH_KEY_RSA, CH_SPAN_OF(rsa.n), CH_SPAN_OF(rsa.e) };
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(p256.pkey);
	EVP_PKEY_free(p384.pkey);
	EVP_PKEY_free(p521.pkey);
	EVP_PKEY_free(rsa.pkey);
	return 0;
}

/* PSS with the salt that OpenSSL makes by itself, the largest, unless `salt` says another. */
static size_t sign_salt(EVP_PKEY *pkey, const char *hash, bool pss, int salt, uint8_t *out, size_t cap)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	size_t n = cap;
	assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx, hash, NULL, NULL, pkey, NULL), 1);
	if (pss)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
	if (pss)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt), 1);
	assert_int_equal(EVP_DigestSign(ctx, out, &n, message.p, message.n), 1);
	EVP_MD_CTX_free(ctx);
	return n;
}

static size_t sign(EVP_PKEY *pkey, const char *hash, bool pss, uint8_t *out, size_t cap)
{
	return sign_salt(pkey, hash, pss, RSA_PSS_SALTLEN_MAX, out, cap);
}

/* r and s of a signature, each padded to `n` bytes. */
static void sign_ec(EVP_PKEY *pkey, const char *hash, uint8_t *r, uint8_t *s, size_t n)
{
	uint8_t der[160];
	const uint8_t *p = der;
	size_t len = sign(pkey, hash, false, der, sizeof(der));
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), r, (int)n), (int)n);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), s, (int)n), (int)n);
	ECDSA_SIG_free(sig);
}

static void ecdsa_round(const struct ec_key *k, const char *hash, enum ch_hash_alg alg)
{
	size_t n = ch_key_coord(k->pub.type);
	uint8_t r[66], s[66];
	struct ch_verify_key v;
	assert_int_equal(ch_verify_key_init(&v, &k->pub), CH_OK);
	for (size_t i = 0; i < 20; i++) {
		sign_ec(k->pkey, hash, r, s, n);
		struct ch_sig sig = { .scheme = CH_SIG_ECDSA, .hash = alg, .a = { r, n }, .b = { s, n } };
		assert_int_equal(ch_verify_message(&v, &sig, message), CH_OK);
		assert_int_equal(ch_verify_message(&v, &sig, CH_SPAN_LIT("what it does not say")), CH_ERR_SIGNATURE);
		r[i] ^= 1;
		assert_int_equal(ch_verify_message(&v, &sig, message), CH_ERR_SIGNATURE);
	}
	ch_verify_key_clear(&v);
	assert_null(v.state);
}

static void ecdsa_on_three_curves(void **state)
{
	(void)state;
	ecdsa_round(&p256, "SHA256", CH_HASH_SHA256);
	ecdsa_round(&p384, "SHA384", CH_HASH_SHA384);
	ecdsa_round(&p521, "SHA512", CH_HASH_SHA512);
	ecdsa_round(&p384, "SHA1", CH_HASH_SHA1);
	ecdsa_round(&p256, "SHA512", CH_HASH_SHA512); /* the leftmost bits count (FIPS 186-5, 6.4.2) */
}

static void r_and_s_may_have_any_length(void **state)
{
	(void)state;
	uint8_t r[100] = { 0 };
	uint8_t s[100] = { 0 };
	sign_ec(p256.pkey, "SHA256", r + 68, s + 68, 32);
	struct ch_verify_key v;
	assert_int_equal(ch_verify_key_init(&v, &p256.pub), CH_OK);
	struct ch_sig sig = { .scheme = CH_SIG_ECDSA, .hash = CH_HASH_SHA256, .a = CH_SPAN_OF(r), .b = CH_SPAN_OF(s) };
	assert_int_equal(ch_verify_message(&v, &sig, message), CH_OK);
	r[67] = 1; /* 33 bytes: above the order */
	assert_int_equal(ch_verify_message(&v, &sig, message), CH_ERR_SIGNATURE);
	ch_verify_key_clear(&v);
}

static void zero_and_the_order_do_not_hold(void **state)
{
	(void)state;
	static const uint8_t order[] = { 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
					 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
	static const uint8_t zero[32];
	uint8_t r[32], s[32];
	sign_ec(p256.pkey, "SHA256", r, s, 32);
	struct ch_span values[] = { CH_SPAN_EMPTY, CH_SPAN_OF(zero), CH_SPAN_OF(order) };
	struct ch_verify_key v;
	assert_int_equal(ch_verify_key_init(&v, &p256.pub), CH_OK);
	for (size_t i = 0; i < CH_COUNT_OF(values); i++) {
		struct ch_sig bad_r = {
			.scheme = CH_SIG_ECDSA, .hash = CH_HASH_SHA256, .a = values[i], .b = CH_SPAN_OF(s)
		};
		struct ch_sig bad_s = {
			.scheme = CH_SIG_ECDSA, .hash = CH_HASH_SHA256, .a = CH_SPAN_OF(r), .b = values[i]
		};
		assert_int_equal(ch_verify_message(&v, &bad_r, message), CH_ERR_SIGNATURE);
		assert_int_equal(ch_verify_message(&v, &bad_s, message), CH_ERR_SIGNATURE);
	}
	ch_verify_key_clear(&v);
}

/* One key, schemes and hashes in turn: the prepared context must follow. */
static void one_rsa_key_serves_every_scheme(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum ch_hash_alg alg;
		bool pss;
	} turn[] = { { "SHA256", CH_HASH_SHA256, false }, { "SHA256", CH_HASH_SHA256, true },
		     { "SHA384", CH_HASH_SHA384, true },  { "SHA1", CH_HASH_SHA1, false },
		     { "SHA512", CH_HASH_SHA512, false }, { "SHA256", CH_HASH_SHA256, true } };
	struct ch_verify_key v;
	uint8_t bytes[256];
	assert_int_equal(ch_verify_key_init(&v, &rsa.pub), CH_OK);
	for (size_t i = 0; i < CH_COUNT_OF(turn); i++) {
		size_t n = sign(rsa.pkey, turn[i].name, turn[i].pss, bytes, sizeof(bytes));
		enum ch_sig_scheme right = turn[i].pss ? CH_SIG_RSAPSS : CH_SIG_RSASSA;
		enum ch_sig_scheme wrong = turn[i].pss ? CH_SIG_RSASSA : CH_SIG_RSAPSS;
		struct ch_sig sig = {
			.scheme = right, .hash = turn[i].alg, .a = { bytes, n }, .salt = CH_PSS_SALT_ANY
		};
		assert_int_equal(ch_verify_message(&v, &sig, message), CH_OK);
		sig.scheme = wrong;
		assert_int_equal(ch_verify_message(&v, &sig, message), CH_ERR_SIGNATURE);
		sig.scheme = right;
		sig.a.n--;
		assert_int_equal(ch_verify_message(&v, &sig, message), CH_ERR_SIGNATURE);
		sig.a = CH_SPAN_EMPTY;
		assert_int_equal(ch_verify_message(&v, &sig, message), CH_ERR_SIGNATURE);
	}
	ch_verify_key_clear(&v);
}

static void a_salt_has_the_length_of_the_digest_unless_said(void **state)
{
	(void)state;
	static const int salt[] = { 0, 31, 32, 33, 222 };
	uint8_t bytes[256];
	struct ch_verify_key v;
	assert_int_equal(ch_verify_key_init(&v, &rsa.pub), CH_OK);
	for (size_t i = 0; i < CH_COUNT_OF(salt); i++) {
		size_t n = sign_salt(rsa.pkey, "SHA256", true, salt[i], bytes, sizeof(bytes));
		struct ch_sig sig = { .scheme = CH_SIG_RSAPSS, .hash = CH_HASH_SHA256, .a = { bytes, n } };
		assert_int_equal(ch_verify_message(&v, &sig, message), salt[i] == 32 ? CH_OK : CH_ERR_SIGNATURE);
		sig.salt = CH_PSS_SALT_ANY;
		assert_int_equal(ch_verify_message(&v, &sig, message), CH_OK);
	}
	ch_verify_key_clear(&v);
}

/* RFC 8032, 7.1, test 3. */
static void ed25519(void **state)
{
	(void)state;
	static const uint8_t key[] = { 0xfc, 0x51, 0xcd, 0x8e, 0x62, 0x18, 0xa1, 0xa3, 0x8d, 0xa4, 0x7e,
				       0xd0, 0x02, 0x30, 0xf0, 0x58, 0x08, 0x16, 0xed, 0x13, 0xba, 0x33,
				       0x03, 0xac, 0x5d, 0xeb, 0x91, 0x15, 0x48, 0x90, 0x80, 0x25 };
	uint8_t bytes[] = { 0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48, 0x27, 0xe6, 0x9c, 0x3a,
			    0xbe, 0x01, 0xa3, 0x0c, 0xe5, 0x48, 0xa2, 0x84, 0x74, 0x3a, 0x44, 0x5e, 0x36,
			    0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac, 0x18, 0xff, 0x9b, 0x53, 0x8d, 0x16, 0xf2,
			    0x90, 0xae, 0x67, 0xf7, 0x60, 0x98, 0x4d, 0xc6, 0x59, 0x4a, 0x7c, 0x15, 0xe9,
			    0x71, 0x6e, 0xd2, 0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a };
	struct ch_pub pub = { CH_KEY_ED25519, CH_SPAN_OF(key), CH_SPAN_EMPTY };
	struct ch_sig sig = { .scheme = CH_SIG_ED25519, .a = CH_SPAN_OF(bytes) };
	struct ch_verify_key v;
	assert_int_equal(ch_verify_key_init(&v, &pub), CH_OK);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(ch_verify_message(&v, &sig, CH_SPAN_LIT("\xaf\x82")), CH_OK);
	assert_int_equal(ch_verify_message(&v, &sig, CH_SPAN_LIT("\xaf\x83")), CH_ERR_SIGNATURE);
	sig.a.n--;
	assert_int_equal(ch_verify_message(&v, &sig, CH_SPAN_LIT("\xaf\x82")), CH_ERR_SIGNATURE);
	ch_verify_key_clear(&v);
	pub.a.n--;
	assert_int_equal(ch_verify_key_init(&v, &pub), CH_ERR_KEY);
}

static void scheme_and_key_go_together(void **state)
{
	(void)state;
	uint8_t bytes[256] = { 1 };
	struct ch_digest d;
	assert_int_equal(ch_hash_once(CH_HASH_SHA256, message, &d), CH_OK);
	struct ch_verify_key ec, r;
	assert_int_equal(ch_verify_key_init(&ec, &p256.pub), CH_OK);
	assert_int_equal(ch_verify_key_init(&r, &rsa.pub), CH_OK);
	struct ch_sig sig = { .scheme = CH_SIG_RSASSA, .hash = CH_HASH_SHA256, .a = CH_SPAN_OF(bytes) };
	assert_int_equal(ch_verify_digest(&ec, &sig, ch_digest_span(&d)), CH_ERR_KEY);
	sig.scheme = CH_SIG_ED25519;
	assert_int_equal(ch_verify_digest(&ec, &sig, ch_digest_span(&d)), CH_ERR_KEY);
	sig.scheme = CH_SIG_ECDSA;
	assert_int_equal(ch_verify_digest(&r, &sig, ch_digest_span(&d)), CH_ERR_KEY);
	sig.scheme = CH_SIG_NONE;
	assert_int_equal(ch_verify_digest(&r, &sig, ch_digest_span(&d)), CH_ERR_KEY);
	sig.scheme = CH_SIG_RSASSA;
	assert_int_equal(ch_verify_digest(&r, &sig, ch_span(d.b, 31)), CH_ERR_RANGE);
	sig.hash = CH_HASH_SM3_256;
	assert_int_equal(ch_verify_digest(&r, &sig, ch_digest_span(&d)), CH_ERR_UNSUPPORTED);
	ch_verify_key_clear(&ec);
	ch_verify_key_clear(&r);
	ch_verify_key_clear(&r); /* a cleared key can be cleared, and verifies nothing */
	assert_int_equal(ch_verify_digest(&r, &sig, ch_digest_span(&d)), CH_ERR_KEY);
}

static enum ch_err key_with(const struct ch_pub *pub)
{
	struct ch_verify_key v;
	enum ch_err err = ch_verify_key_init(&v, pub);
	assert_true((err == CH_OK) == (v.state != NULL));
	if (err == CH_OK)
		ch_verify_key_clear(&v);
	return err;
}

static void a_point_off_the_curve_is_no_key(void **state)
{
	(void)state;
	struct ec_key *const all[] = { &p256, &p384, &p521 };
	for (size_t i = 0; i < CH_COUNT_OF(all); i++) {
		struct ec_key *k = all[i];
		assert_int_equal(key_with(&k->pub), CH_OK);
		for (size_t at = 0; at < k->pub.b.n; at++) {
			k->y[at] ^= 0x10;
			assert_int_equal(key_with(&k->pub), CH_ERR_KEY);
			k->y[at] ^= 0x10;
		}
		struct ch_pub other = k->pub;
		other.a.n--;
		assert_int_equal(key_with(&other), CH_ERR_KEY);
		other.a = CH_SPAN_EMPTY;
		assert_int_equal(key_with(&other), CH_ERR_KEY);
	}
	uint8_t zero[32] = { 0 };
	struct ch_pub infinity = { CH_KEY_P256, CH_SPAN_OF(zero), CH_SPAN_OF(zero) };
	assert_int_equal(key_with(&infinity), CH_ERR_KEY);
	infinity.type = CH_KEY_NONE;
	assert_int_equal(key_with(&infinity), CH_ERR_UNSUPPORTED);
}

/* P-256's point with x = 5 has both coordinates in 32 bytes; x + p names the same residue and must not be taken. */
static void coordinates_are_below_the_field(void **state)
{
	(void)state;
	static const uint8_t p[] = { 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    1,    0,    0,   0,
				     0,    0,    0,    0,    0,    0,    0,    0,    0,    0,   0,
				     0,    0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t five[] = { 5 };
	uint8_t point[33] = { 2 };
	uint8_t raw[65];
	point[32] = 5;
	EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *q = EC_POINT_new(g);
	assert_int_equal(EC_POINT_oct2point(g, q, point, sizeof(point), NULL), 1);
	assert_int_equal(EC_POINT_point2oct(g, q, POINT_CONVERSION_UNCOMPRESSED, raw, sizeof(raw), NULL), 65);
	EC_POINT_free(q);
	EC_GROUP_free(g);
	struct ch_pub pub = { CH_KEY_P256, CH_SPAN_OF(five), { raw + 33, 32 } }; /* leading zeros left out */
	assert_int_equal(key_with(&pub), CH_OK);
	uint8_t x[32];
	ch_span_copy(x, sizeof(x), CH_SPAN_OF(p));
	unsigned carry = 5;
	for (size_t i = sizeof(x); i > 0; i--) {
		carry += x[i - 1];
		x[i - 1] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_int_equal(carry, 0);
	pub.a = CH_SPAN_OF(x);
	assert_int_equal(key_with(&pub), CH_ERR_KEY);
}

static void rsa_keys_have_limits(void **state)
{
	(void)state;
	uint8_t n[1025];
	for (size_t i = 0; i < sizeof(n); i++)
		n[i] = 0xff;
	static const uint8_t one[] = { 1 }, two[] = { 2 }, three[] = { 3 }, zero3[] = { 0, 3 };
	static const uint8_t longest[] = { 0x80, 0, 0, 0, 0, 0, 0, 1 }, longer[] = { 1, 0, 0, 0, 0, 0, 0, 0, 1 };
	struct ch_pub pub = { CH_KEY_RSA, { n, 256 }, CH_SPAN_OF(three) };
	assert_int_equal(key_with(&pub), CH_OK);
	pub.a.n = 255;
	assert_int_equal(key_with(&pub), CH_ERR_KEY);
	pub.a.n = 1024;
	assert_int_equal(key_with(&pub), CH_OK);
	pub.a.n = 1025;
	assert_int_equal(key_with(&pub), CH_ERR_KEY);
	pub.a.n = 256;
	pub.b = CH_SPAN_OF(longest);
	assert_int_equal(key_with(&pub), CH_OK);
	struct ch_span bad[] = { CH_SPAN_EMPTY, CH_SPAN_OF(one), CH_SPAN_OF(two), CH_SPAN_OF(zero3),
				 CH_SPAN_OF(longer) };
	for (size_t i = 0; i < CH_COUNT_OF(bad); i++) {
		pub.b = bad[i];
		assert_int_equal(key_with(&pub), CH_ERR_KEY);
	}
	pub.b = CH_SPAN_OF(three);
	n[255] = 0xfe; /* even */
	assert_int_equal(key_with(&pub), CH_ERR_KEY);
	n[255] = 0xff;
	n[0] = 0x7f; /* 2047 bits */
	assert_int_equal(key_with(&pub), CH_ERR_KEY);
	n[0] = 0; /* a leading zero */
	pub.a.n = 257;
	assert_int_equal(key_with(&pub), CH_ERR_KEY);
	pub.a = CH_SPAN_EMPTY;
	assert_int_equal(key_with(&pub), CH_ERR_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ecdsa_on_three_curves),
		cmocka_unit_test(r_and_s_may_have_any_length),
		cmocka_unit_test(zero_and_the_order_do_not_hold),
		cmocka_unit_test(one_rsa_key_serves_every_scheme),
		cmocka_unit_test(a_salt_has_the_length_of_the_digest_unless_said),
		cmocka_unit_test(ed25519),
		cmocka_unit_test(scheme_and_key_go_together),
		cmocka_unit_test(a_point_off_the_curve_is_no_key),
		cmocka_unit_test(coordinates_are_below_the_field),
		cmocka_unit_test(rsa_keys_have_limits),
	};
	return cmocka_run_group_tests_name("sig", tests, make_keys, free_keys);
}
