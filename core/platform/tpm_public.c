/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/tpm_public.h"

#include "core/base/wr.h"
#include "core/platform/tpm_wire.h"

/* TPMA_OBJECT bits without a meaning, which a TPM refuses to load (Part 2, 8.3.2): 0, 3, 12..15, 20..31. */
#define ATTRIBUTES_RESERVED 0xfff0f009u

#define ECC_NIST_P256 0x0003u
#define ECC_NIST_P384 0x0004u
#define ECC_NIST_P521 0x0005u

/* TPMT_PUBLIC, RSA: the exponent 0 stands for 2^16 + 1 (Part 2, 12.2.3.5). */
static const uint8_t default_exponent[] = { 1, 0, 1 };

/* TPMT_SYM_DEF_OBJECT (Part 2, 11.1.7): how a storage key protects its children. */
static void symmetric_parse(struct ch_tpm_rd *t, struct ch_tpm_public *p)
{
	p->symmetric = ch_tpm_u16(t, "TPMT_SYM_DEF_OBJECT.algorithm (Part 2, 11.1.7)");
	if (p->symmetric == CH_TPM_ALG_NULL)
		return;
	ch_tpm_require(t,
		       p->symmetric == CH_TPM_ALG_AES || p->symmetric == CH_TPM_ALG_SM4 ||
			       p->symmetric == CH_TPM_ALG_CAMELLIA || p->symmetric == CH_TPM_ALG_TDES,
		       CH_ERR_UNSUPPORTED,
		       "TPMT_SYM_DEF_OBJECT.algorithm is not a block cipher that we know (Part 2, 11.1.7)");
	p->symmetric_bits = ch_tpm_u16(t, "TPMT_SYM_DEF_OBJECT.keyBits (Part 2, 11.1.7)");
	p->symmetric_mode = ch_tpm_u16(t, "TPMT_SYM_DEF_OBJECT.mode (Part 2, 11.1.7)");
}

static bool scheme_known(uint16_t type, uint16_t scheme)
{
	switch (scheme) {
	case CH_TPM_ALG_RSASSA:
	case CH_TPM_ALG_RSAPSS:
	case CH_TPM_ALG_RSAES:
	case CH_TPM_ALG_OAEP:
		return type == CH_TPM_ALG_RSA;
	case CH_TPM_ALG_ECDSA:
	case CH_TPM_ALG_ECDH:
	case CH_TPM_ALG_ECDAA:
	case CH_TPM_ALG_SM2:
	case CH_TPM_ALG_ECSCHNORR:
	case CH_TPM_ALG_ECMQV:
		return type == CH_TPM_ALG_ECC;
	default:
		return scheme == CH_TPM_ALG_NULL;
	}
}

/* TPMT_RSA_SCHEME, TPMT_ECC_SCHEME (Part 2, 11.2.4.2 and 11.2.5.6). */
static void scheme_parse(struct ch_tpm_rd *t, struct ch_tpm_public *p, uint16_t type)
{
	p->scheme = ch_tpm_u16(t, "scheme of the key (Part 2, 11.2.4.2 and 11.2.5.6)");
	ch_tpm_require(t, scheme_known(type, p->scheme), CH_ERR_UNSUPPORTED,
		       "scheme is not one of this type of key (Part 2, 11.2.4.2 and 11.2.5.6)");
	if (p->scheme == CH_TPM_ALG_NULL || p->scheme == CH_TPM_ALG_RSAES)
		return;
	p->scheme_hash = (enum ch_hash_alg)ch_tpm_u16(t, "hash of the key's scheme (Part 2, 11.2.1)");
	ch_tpm_require(t, ch_hash_size(p->scheme_hash) != 0, CH_ERR_UNSUPPORTED,
		       "hash of the key's scheme is not a hash algorithm that we know (Part 2, 11.2.1)");
	if (p->scheme == CH_TPM_ALG_ECDAA)
		(void)ch_tpm_u16(t, "TPMS_SCHEME_ECDAA.count (Part 2, 11.2.1)");
}

static struct ch_span strip_zeros(struct ch_span s)
{
	size_t skip = 0;
	while (skip < s.n && s.p[skip] == 0)
		skip++;
	return ch_span_sub(s, skip, s.n - skip);
}

/* TPMS_RSA_PARMS and TPM2B_PUBLIC_KEY_RSA (Part 2, 12.2.3.5 and 11.2.4.5). */
static void rsa_parse(struct ch_tpm_rd *t, struct ch_tpm_public *p)
{
	p->key.type = CH_KEY_RSA;
	symmetric_parse(t, p);
	scheme_parse(t, p, CH_TPM_ALG_RSA);
	size_t bits = ch_tpm_u16(t, "TPMS_RSA_PARMS.keyBits (Part 2, 12.2.3.5)");
	ch_tpm_require(t, bits >= 1024 && bits <= 8 * CH_TPM_RSA_MAX && bits % 8 == 0, CH_ERR_UNSUPPORTED,
		       "TPMS_RSA_PARMS.keyBits is not 1024 to 8192 in whole bytes (Part 2, 12.2.3.5)");
	p->key.b = strip_zeros(ch_tpm_bytes(t, 4, "TPMS_RSA_PARMS.exponent (Part 2, 12.2.3.5)"));
	if (p->key.b.n == 0)
		p->key.b = CH_SPAN_OF(default_exponent);
	ch_tpm_require(t, (p->key.b.p[p->key.b.n - 1] & 1) != 0, CH_ERR_RANGE,
		       "TPMS_RSA_PARMS.exponent is even (Part 2, 12.2.3.5)");
	p->key.a = ch_tpm_2b(t, 1, CH_TPM_RSA_MAX, "TPMU_PUBLIC_ID.rsa (Part 2, 12.2.3.2)");
	ch_tpm_require(t, ch_pub_bits(&p->key) == bits && p->key.a.n * 8 == bits, CH_ERR_RANGE,
		       "TPMU_PUBLIC_ID.rsa does not have keyBits bits (Part 2, 12.2.3.5)");
}

static enum ch_key_type curve_of(uint16_t id)
{
	switch (id) {
	case ECC_NIST_P256:
		return CH_KEY_P256;
	case ECC_NIST_P384:
		return CH_KEY_P384;
	case ECC_NIST_P521:
		return CH_KEY_P521;
	default:
		return CH_KEY_NONE;
	}
}

/* TPMS_ECC_PARMS and TPMS_ECC_POINT (Part 2, 12.2.3.6 and 11.2.5.2). */
static void ecc_parse(struct ch_tpm_rd *t, struct ch_tpm_public *p)
{
	symmetric_parse(t, p);
	scheme_parse(t, p, CH_TPM_ALG_ECC);
	p->key.type = curve_of(ch_tpm_u16(t, "TPMS_ECC_PARMS.curveID (Part 2, 12.2.3.6)"));
	ch_tpm_require(t, p->key.type != CH_KEY_NONE, CH_ERR_UNSUPPORTED,
		       "TPMS_ECC_PARMS.curveID is none of NIST P-256, P-384, P-521 (Part 2, 12.2.3.6)");
	uint16_t kdf = ch_tpm_u16(t, "TPMT_KDF_SCHEME.scheme (Part 2, 11.2.3.3)");
	if (kdf != CH_TPM_ALG_NULL)
		(void)ch_tpm_u16(t, "TPMT_KDF_SCHEME.details (Part 2, 11.2.3.3)");
	size_t coord = ch_key_coord(p->key.type);
	p->key.a = ch_tpm_2b(t, 1, coord, "TPMS_ECC_POINT.x (Part 2, 11.2.5.2)");
	p->key.b = ch_tpm_2b(t, 1, coord, "TPMS_ECC_POINT.y (Part 2, 11.2.5.2)");
}

static void area_parse(struct ch_tpm_rd *t, struct ch_tpm_public *p)
{
	uint16_t type = ch_tpm_u16(t, "TPMT_PUBLIC.type (Part 2, 12.2.4)");
	ch_tpm_require(t, type == CH_TPM_ALG_RSA || type == CH_TPM_ALG_ECC, CH_ERR_UNSUPPORTED,
		       "TPMT_PUBLIC.type is neither RSA nor ECC (Part 2, 12.2.4)");
	p->name_alg = (enum ch_hash_alg)ch_tpm_u16(t, "TPMT_PUBLIC.nameAlg (Part 2, 12.2.4)");
	size_t digest = ch_hash_size(p->name_alg);
	ch_tpm_require(t, digest != 0, CH_ERR_UNSUPPORTED,
		       "TPMT_PUBLIC.nameAlg is not a hash algorithm that we know (Part 2, 12.2.4)");
	p->attributes = ch_tpm_u32(t, "TPMT_PUBLIC.objectAttributes (Part 2, 12.2.4)");
	ch_tpm_require(t, (p->attributes & ATTRIBUTES_RESERVED) == 0, CH_ERR_UNKNOWN,
		       "TPMA_OBJECT has a reserved bit set (Part 2, 8.3.2)");
	p->policy = ch_tpm_2b(t, 0, CH_DIGEST_MAX, "TPMT_PUBLIC.authPolicy (Part 2, 12.2.4)");
	ch_tpm_require(t, p->policy.n == 0 || p->policy.n == digest, CH_ERR_RANGE,
		       "TPMT_PUBLIC.authPolicy has not the size of a nameAlg digest (Part 2, 12.2.4)");
	if (type == CH_TPM_ALG_RSA)
		rsa_parse(t, p);
	else
		ecc_parse(t, p);
}

enum ch_err ch_tpm_public_parse(struct ch_tpm_public *pub, struct ch_span in, struct ch_diag *d)
{
	ch_diag_clear(d);
	*pub = (struct ch_tpm_public){ .name_alg = CH_HASH_NONE };
	struct ch_tpm_public out = { .name_alg = CH_HASH_NONE };
	struct ch_tpm_rd t = ch_tpm_rd(in);
	/* A TPMT_PUBLIC begins with 1 or 35 and is longer than that, so its type cannot be mistaken for a size. */
	struct ch_rd peek = t.r;
	bool sized = in.n > 2 + CH_TPM_ALG_ECC && ch_rd_be16(&peek) == in.n - 2;
	if (sized)
		t.r = peek;
	area_parse(&t, &out);
	enum ch_err err = ch_tpm_end(&t, d, "bytes after the end of TPMT_PUBLIC (Part 2, 12.2.4)");
	if (err != CH_OK)
		return err;
	out.area = sized ? ch_span_sub(in, 2, in.n - 2) : in;
	*pub = out;
	return CH_OK;
}

enum ch_err ch_tpm_name(const struct ch_tpm_public *pub, uint8_t name[static 2 + CH_DIGEST_MAX], size_t *n)
{
	*n = 0;
	struct ch_digest digest;
	enum ch_err err = ch_hash_once(pub->name_alg, pub->area, &digest);
	if (err != CH_OK)
		return err;
	struct ch_wr w = ch_wr(name, 2 + CH_DIGEST_MAX);
	ch_wr_be16(&w, (uint16_t)pub->name_alg);
	ch_wr_put(&w, ch_digest_span(&digest));
	*n = w.len;
	return CH_OK;
}

static const struct {
	uint32_t bit;
	bool set;
	const char *rule;
} ak_property[] = {
	{ CH_TPMA_FIXED_TPM, true, "the attestation key is not fixedTPM: it could be duplicated (Part 2, 8.3.3.2)" },
	{ CH_TPMA_FIXED_PARENT, true, "the attestation key is not fixedParent: it could be moved (Part 2, 8.3.3.4)" },
	{ CH_TPMA_SENSITIVE_DATA_ORIGIN, true,
	  "the attestation key has not sensitiveDataOrigin: it was not made in the TPM (Part 2, 8.3.3.5)" },
	{ CH_TPMA_RESTRICTED, true,
	  "the attestation key is not restricted: it signs what did not come from the TPM (Part 2, 8.3.3.10)" },
	{ CH_TPMA_SIGN, true, "the attestation key does not sign (Part 2, 8.3.3.12)" },
	{ CH_TPMA_DECRYPT, false, "the attestation key also decrypts (Part 2, 8.3.3.11)" },
};

enum ch_err ch_tpm_public_check_ak(const struct ch_tpm_public *pub, struct ch_diag *d)
{
	ch_diag_clear(d);
	for (size_t i = 0; i < CH_COUNT_OF(ak_property); i++) {
		if (((pub->attributes & ak_property[i].bit) != 0) != ak_property[i].set)
			return ch_fail(d, CH_ERR_UNTRUSTED, 0, ak_property[i].rule);
	}
	bool rsa = pub->key.type == CH_KEY_RSA;
	if (rsa ? pub->scheme != CH_TPM_ALG_RSASSA && pub->scheme != CH_TPM_ALG_RSAPSS
		: pub->scheme != CH_TPM_ALG_ECDSA)
		return ch_fail(
			d, CH_ERR_UNTRUSTED, 0,
			"the attestation key's scheme is none of ECDSA, RSASSA, RSAPSS (Part 2, 12.2.3.5 and 12.2.3.6)");
	if (!ch_tpm_hash_verifies((uint16_t)pub->scheme_hash))
		return ch_fail(d, CH_ERR_UNTRUSTED, 0,
			       "the attestation key's scheme has a hash that we do not verify (Part 2, 11.2.1)");
	if (pub->scheme_hash == CH_HASH_SHA1)
		return ch_fail(d, CH_ERR_UNTRUSTED, 0,
			       "the attestation key signs SHA-1 digests, whose collisions can be made (SP 800-131A)");
	return CH_OK;
}
