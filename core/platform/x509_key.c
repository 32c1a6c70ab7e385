/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/x509.h"

/* SubjectPublicKeyInfo (RFC 5280, 4.1.2.7; RFC 3279; RFC 4055; RFC 5480) and signatures. */

#define OID_MAX 9

struct oid {
	uint8_t n;
	uint8_t b[OID_MAX];
};

/* 1.2.840.113549.1.1.n: PKCS #1 */
#define PKCS1(x)                                                            \
	{                                                                   \
		9,                                                          \
		{                                                           \
			0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, (x) \
		}                                                           \
	}
/* 1.2.840.10045.4.3.n: ECDSA with SHA-2 */
#define ECDSA_SHA2(x)                                                 \
	{                                                             \
		8,                                                    \
		{                                                     \
			0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, (x) \
		}                                                     \
	}
/* 2.16.840.1.101.3.4.2.n: NIST hashes */
#define NIST_HASH(x)                                                        \
	{                                                                   \
		9,                                                          \
		{                                                           \
			0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, (x) \
		}                                                           \
	}
static const struct oid oid_rsa = PKCS1(1);
static const struct oid oid_oaep = PKCS1(7);
static const struct oid oid_mgf1 = PKCS1(8);
static const struct oid oid_pss = PKCS1(10);
static const struct oid oid_ec = { 7, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 } };
static const struct oid oid_ed25519 = { 3, { 0x2b, 0x65, 0x70 } };

static const struct {
	struct oid oid;
	enum ch_key_type type;
} curve[] = {
	{ { 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 } }, CH_KEY_P256 },
	{ { 5, { 0x2b, 0x81, 0x04, 0x00, 0x22 } }, CH_KEY_P384 },
	{ { 5, { 0x2b, 0x81, 0x04, 0x00, 0x23 } }, CH_KEY_P521 },
};

static const struct {
	struct oid oid;
	enum ch_sig_scheme scheme;
	enum ch_hash_alg hash;
} signature[] = {
	{ PKCS1(5), CH_SIG_RSASSA, CH_HASH_SHA1 },
	{ PKCS1(11), CH_SIG_RSASSA, CH_HASH_SHA256 },
	{ PKCS1(12), CH_SIG_RSASSA, CH_HASH_SHA384 },
	{ PKCS1(13), CH_SIG_RSASSA, CH_HASH_SHA512 },
	{ { 7, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01 } }, CH_SIG_ECDSA, CH_HASH_SHA1 },
	{ ECDSA_SHA2(2), CH_SIG_ECDSA, CH_HASH_SHA256 },
	{ ECDSA_SHA2(3), CH_SIG_ECDSA, CH_HASH_SHA384 },
	{ ECDSA_SHA2(4), CH_SIG_ECDSA, CH_HASH_SHA512 },
	{ { 3, { 0x2b, 0x65, 0x70 } }, CH_SIG_ED25519, CH_HASH_NONE },
};

static const struct {
	struct oid oid;
	enum ch_hash_alg hash;
} hash_id[] = {
	{ { 5, { 0x2b, 0x0e, 0x03, 0x02, 0x1a } }, CH_HASH_SHA1 },
	{ NIST_HASH(1), CH_HASH_SHA256 },
	{ NIST_HASH(2), CH_HASH_SHA384 },
	{ NIST_HASH(3), CH_HASH_SHA512 },
};

static bool is(struct ch_span oid, const struct oid *o)
{
	return ch_span_eq(oid, ch_span(o->b, o->n));
}

/* Reads over parameters that do not matter. */
static void skip(struct ch_der_rd *d)
{
	if (ch_der_more(d))
		(void)ch_der_skip(d);
}

/* --- keys --- */

static void read_rsa(struct ch_x509 *c, struct ch_der_rd *d, struct ch_span bits, size_t base)
{
	struct ch_der_rd in = ch_der_rd(bits, base);
	struct ch_der_rd seq = ch_der_enter(&in, CH_DER_SEQUENCE, "RSAPublicKey is not a SEQUENCE (RFC 8017, A.1.1)");
	struct ch_span n = ch_der_unsigned(&seq, "RSAPublicKey.modulus (RFC 8017, A.1.1)");
	struct ch_span e = ch_der_unsigned(&seq, "RSAPublicKey.publicExponent (RFC 8017, A.1.1)");
	ch_der_leave(&in, &seq, "bytes after RSAPublicKey.publicExponent (RFC 8017, A.1.1)");
	ch_der_leave(d, &in, "bytes after RSAPublicKey (RFC 3279, 2.3.1)");
	if (ch_der_ok(d))
		c->pub = (struct ch_pub){ CH_KEY_RSA, n, e };
}

/* Only named curves with uncompressed points are keys that we use; others are left alone. */
static void read_ec(struct ch_x509 *c, struct ch_der_rd *alg, struct ch_span bits)
{
	if (ch_der_peek(alg) != CH_DER_OID) {
		skip(alg);
		return;
	}
	struct ch_span oid = ch_der_oid(alg, NULL);
	for (size_t i = 0; i < CH_COUNT_OF(curve); i++) {
		size_t coord = ch_key_coord(curve[i].type);
		if (!is(oid, &curve[i].oid) || bits.n != 1 + 2 * coord || bits.p[0] != 4)
			continue;
		c->pub = (struct ch_pub){ curve[i].type, ch_span_sub(bits, 1, coord),
					  ch_span_sub(bits, 1 + coord, coord) };
	}
}

void ch_x509_spki_read(struct ch_x509 *c, struct ch_der_rd *d)
{
	struct ch_der spki =
		ch_der_take(d, CH_DER_SEQUENCE, "SubjectPublicKeyInfo is not a SEQUENCE (RFC 5280, 4.1.2.7)");
	struct ch_der_rd seq = ch_der_inside(d, spki);
	struct ch_der_rd alg = ch_der_enter(&seq, CH_DER_SEQUENCE,
					    "SubjectPublicKeyInfo.algorithm is not a SEQUENCE (RFC 5280, 4.1.2.7)");
	/* The key is read before what the algorithm's parameters say about it: a copy of the reader looks ahead. */
	struct ch_span oid = ch_der_oid(&alg, "SubjectPublicKeyInfo.algorithm has no identifier (RFC 5280, 4.1.1.2)");
	struct ch_der_rd ahead = seq;
	struct ch_span bits = ch_der_bits(&ahead, NULL, "SubjectPublicKeyInfo.subjectPublicKey (RFC 5280, 4.1.2.7)");
	size_t base = ahead.base + ahead.r.off - bits.n;
	if (is(oid, &oid_ec) && ch_der_ok(&ahead)) {
		read_ec(c, &alg, bits);
	} else {
		skip(&alg);
	}
	ch_der_leave(&seq, &alg, "bytes after the parameters of SubjectPublicKeyInfo.algorithm (RFC 5280, 4.1.1.2)");
	if (is(oid, &oid_rsa) || is(oid, &oid_oaep) || is(oid, &oid_pss))
		read_rsa(c, &ahead, bits, base);
	else if (is(oid, &oid_ed25519) && bits.n == 32)
		c->pub = (struct ch_pub){ CH_KEY_ED25519, bits, CH_SPAN_EMPTY };
	if (is(oid, &oid_oaep))
		c->odd |= CH_X509_ODD_OAEP;
	if (ch_der_ok(&seq))
		seq = ahead;
	ch_der_leave(d, &seq, "bytes after SubjectPublicKeyInfo.subjectPublicKey (RFC 5280, 4.1.2.7)");
	c->spki = spki.whole;
	c->key_alg = oid;
}

/* --- signatures --- */

static enum ch_hash_alg read_hash(struct ch_der_rd *d, const char *rule)
{
	struct ch_der_rd seq = ch_der_enter(d, CH_DER_SEQUENCE, rule);
	struct ch_span oid = ch_der_oid(&seq, rule);
	enum ch_hash_alg hash = CH_HASH_NONE;
	if (ch_der_more(&seq))
		ch_der_null(&seq, rule);
	ch_der_leave(d, &seq, rule);
	for (size_t i = 0; i < CH_COUNT_OF(hash_id); i++) {
		if (is(oid, &hash_id[i].oid))
			hash = hash_id[i].hash;
	}
	return hash;
}

/* RSASSA-PSS-params: hash, mask generation with its hash, salt length, trailer; each has a default. Returns the one hash. */
static enum ch_hash_alg read_pss(struct ch_der_rd *alg)
{
	static const char rule[] = "RSASSA-PSS-params (RFC 4055, 3.1)";
	enum ch_hash_alg hash = CH_HASH_SHA1;
	enum ch_hash_alg mask = CH_HASH_SHA1;
	struct ch_der_rd seq = ch_der_enter(alg, CH_DER_SEQUENCE, rule);
	if (ch_der_peek(&seq) == CH_DER_CONTEXT_IN(0)) {
		struct ch_der_rd in = ch_der_enter(&seq, CH_DER_CONTEXT_IN(0), rule);
		hash = read_hash(&in, rule);
		ch_der_leave(&seq, &in, rule);
	}
	if (ch_der_peek(&seq) == CH_DER_CONTEXT_IN(1)) {
		struct ch_der_rd in = ch_der_enter(&seq, CH_DER_CONTEXT_IN(1), rule);
		struct ch_der_rd mgf = ch_der_enter(&in, CH_DER_SEQUENCE, rule);
		bool mgf1 = is(ch_der_oid(&mgf, rule), &oid_mgf1);
		mask = read_hash(&mgf, rule);
		ch_der_leave(&in, &mgf, rule);
		ch_der_leave(&seq, &in, rule);
		if (!mgf1)
			mask = CH_HASH_NONE;
	}
	if (ch_der_peek(&seq) == CH_DER_CONTEXT_IN(2)) {
		struct ch_der_rd in = ch_der_enter(&seq, CH_DER_CONTEXT_IN(2), rule);
		(void)ch_der_small(&in, 1024, "RSASSA-PSS-params.saltLength (RFC 4055, 3.1)");
		ch_der_leave(&seq, &in, rule);
	}
	if (ch_der_peek(&seq) == CH_DER_CONTEXT_IN(3)) {
		struct ch_der_rd in = ch_der_enter(&seq, CH_DER_CONTEXT_IN(3), rule);
		uint32_t trailer = ch_der_small(&in, 1, "RSASSA-PSS-params.trailerField is not 1 (RFC 4055, 3.1)");
		ch_der_require(&in, trailer == 1, CH_ERR_RANGE,
			       "RSASSA-PSS-params.trailerField is not 1 (RFC 4055, 3.1)");
		ch_der_leave(&seq, &in, rule);
	}
	ch_der_leave(alg, &seq, rule);
	return hash == mask ? hash : CH_HASH_NONE;
}

struct ch_span ch_x509_sig_alg_read(struct ch_x509 *c, struct ch_der_rd *d)
{
	struct ch_der whole =
		ch_der_take(d, CH_DER_SEQUENCE, "AlgorithmIdentifier is not a SEQUENCE (RFC 5280, 4.1.1.2)");
	struct ch_der_rd alg = ch_der_inside(d, whole);
	struct ch_span oid = ch_der_oid(&alg, "AlgorithmIdentifier has no identifier (RFC 5280, 4.1.1.2)");
	struct ch_sig sig = { .scheme = CH_SIG_NONE };
	for (size_t i = 0; i < CH_COUNT_OF(signature); i++) {
		if (is(oid, &signature[i].oid))
			sig = (struct ch_sig){ .scheme = signature[i].scheme, .hash = signature[i].hash };
	}
	if (is(oid, &oid_pss)) {
		sig.hash = read_pss(&alg);
		sig.scheme = sig.hash != CH_HASH_NONE ? CH_SIG_RSAPSS : CH_SIG_NONE;
	} else if (sig.scheme == CH_SIG_RSASSA && ch_der_more(&alg)) {
		ch_der_null(&alg, "the parameters of an RSA signature are not NULL (RFC 4055, 5)");
	} else if (sig.scheme == CH_SIG_NONE) {
		skip(&alg);
	}
	ch_der_leave(d, &alg, "parameters of a signature algorithm that has none (RFC 5758, 3.2)");
	c->sig = sig;
	c->sig_alg = oid;
	return whole.whole;
}

void ch_x509_sig_value_read(struct ch_x509 *c, struct ch_der_rd *d)
{
	struct ch_span bits = ch_der_bits(d, NULL, "signatureValue is not a BIT STRING (RFC 5280, 4.1.1.3)");
	size_t base = d->base + d->r.off - bits.n;
	c->sig.a = bits;
	if (c->sig.scheme != CH_SIG_ECDSA || !ch_der_ok(d))
		return;
	struct ch_der_rd in = ch_der_rd(bits, base);
	struct ch_der_rd seq =
		ch_der_enter(&in, CH_DER_SEQUENCE, "Ecdsa-Sig-Value is not a SEQUENCE (RFC 3279, 2.2.3)");
	c->sig.a = ch_der_unsigned(&seq, "Ecdsa-Sig-Value.r (RFC 3279, 2.2.3)");
	c->sig.b = ch_der_unsigned(&seq, "Ecdsa-Sig-Value.s (RFC 3279, 2.2.3)");
	ch_der_leave(&in, &seq, "bytes after Ecdsa-Sig-Value.s (RFC 3279, 2.2.3)");
	ch_der_leave(d, &in, "bytes after Ecdsa-Sig-Value (RFC 3279, 2.2.3)");
}

enum ch_err ch_x509_verify(const struct ch_x509 *c, const struct ch_pub *issuer)
{
	if (c->sig.scheme == CH_SIG_NONE || issuer->type == CH_KEY_NONE)
		return CH_ERR_UNSUPPORTED;
	struct ch_verify_key key;
	enum ch_err err = ch_verify_key_init(&key, issuer);
	if (err != CH_OK)
		return err;
	err = ch_verify_message(&key, &c->sig, c->tbs);
	ch_verify_key_clear(&key);
	return err;
}
