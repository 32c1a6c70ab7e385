/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/credential.h"

#include "core/crypto/kdf.h"
#include "core/crypto/seal.h"

#define MODE_CFB     0x0043u
#define RSA_BITS_MIN 2048

/* Part 1, 24.4: labels include their NUL. */
static const char label_identity[] = "IDENTITY";
static const char label_storage[] = "STORAGE";
static const char label_integrity[] = "INTEGRITY";

static const struct {
	uint32_t bit;
	bool set;
	const char *rule;
} ek_property[] = {
	{ CH_TPMA_FIXED_TPM, true, "the endorsement key is not fixedTPM (EK Credential Profile, B.3)" },
	{ CH_TPMA_FIXED_PARENT, true, "the endorsement key is not fixedParent (EK Credential Profile, B.3)" },
	{ CH_TPMA_SENSITIVE_DATA_ORIGIN, true,
	  "the endorsement key has not sensitiveDataOrigin (EK Credential Profile, B.3)" },
	{ CH_TPMA_RESTRICTED, true, "the endorsement key is not restricted (EK Credential Profile, B.3)" },
	{ CH_TPMA_DECRYPT, true, "the endorsement key does not decrypt (EK Credential Profile, B.3)" },
	{ CH_TPMA_SIGN, false, "the endorsement key also signs (EK Credential Profile, B.3)" },
};

static bool key_fits(const struct ch_pub *key)
{
	if (key->type == CH_KEY_RSA)
		return ch_pub_bits(key) >= RSA_BITS_MIN;
	return key->type == CH_KEY_P256 || key->type == CH_KEY_P384;
}

enum ch_err ch_tpm_public_check_ek(const struct ch_tpm_public *pub, struct ch_diag *d)
{
	ch_diag_clear(d);
	for (size_t i = 0; i < CH_COUNT_OF(ek_property); i++) {
		if (((pub->attributes & ek_property[i].bit) != 0) != ek_property[i].set)
			return ch_fail(d, CH_ERR_UNTRUSTED, 0, ek_property[i].rule);
	}
	if (!key_fits(&pub->key))
		return ch_fail(
			d, CH_ERR_UNSUPPORTED, 0,
			"the endorsement key is none of RSA-2048 and longer, P-256, P-384 (EK Credential Profile, B.3)");
	bool aes = pub->symmetric == CH_TPM_ALG_AES && pub->symmetric_mode == MODE_CFB;
	if (!aes || (pub->symmetric_bits != 128 && pub->symmetric_bits != 192 && pub->symmetric_bits != 256))
		return ch_fail(
			d, CH_ERR_UNSUPPORTED, 0,
			"the endorsement key does not protect with AES in CFB mode (EK Credential Profile, B.3)");
	if (pub->name_alg != CH_HASH_SHA256 && pub->name_alg != CH_HASH_SHA384 && pub->name_alg != CH_HASH_SHA512)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0,
			       "nameAlg of the endorsement key is none of SHA-256, SHA-384, SHA-512");
	return CH_OK;
}

/* The seed that only the EK's holder can find again, and how it travels. */
struct seed {
	size_t n;
	uint8_t b[CH_DIGEST_MAX];
};

/* Part 1, B.10.4: random bytes, as many as a digest of nameAlg, encrypted with OAEP; its hash is nameAlg (B.4). */
static enum ch_err seed_rsa(struct seed *seed, const struct ch_tpm_public *ek, struct ch_wr *to)
{
	enum ch_err err = ch_random(seed->b, seed->n);
	if (err != CH_OK)
		return err;
	struct ch_span label = CH_SPAN_OF(label_identity);
	return ch_rsa_oaep(&ek->key, ek->name_alg, label, ch_span(seed->b, seed->n), to);
}

static void put_coordinate(struct ch_wr *w, const uint8_t *b, size_t n)
{
	ch_wr_be16(w, (uint16_t)n);
	ch_wr_put(w, ch_span(b, n));
}

/* Part 1, C.6.4: agreed with an ephemeral key, whose point travels as TPMS_ECC_POINT. */
static enum ch_err seed_ecc(struct seed *seed, const struct ch_tpm_public *ek, struct ch_wr *to)
{
	struct ch_ecdh e;
	enum ch_err err = ch_ecdh_ephemeral(&e, &ek->key);
	if (err != CH_OK)
		return err;
	/* The TPM hashes its own coordinate in the size of the field, however it is written in its public area. */
	uint8_t x[CH_ECC_COORD_MAX] = { 0 };
	ch_span_copy(x + e.n - ek->key.a.n, ek->key.a.n, ek->key.a);
	err = ch_kdfe(ek->name_alg, ch_span(e.z, e.n), label_identity, ch_span(e.x, e.n), ch_span(x, e.n), seed->b,
		      seed->n);
	put_coordinate(to, e.x, e.n);
	put_coordinate(to, e.y, e.n);
	ch_wipe(&e, sizeof(e));
	return err;
}

/* Part 1, 24.4: {outer HMAC}, {encrypted identity}; the identity is a TPM2B_DIGEST. */
static enum ch_err seal(const struct ch_tpm_public *ek, const struct seed *seed, struct ch_span name,
			struct ch_span value, struct ch_wr *to)
{
	uint8_t key[CH_DIGEST_MAX];
	uint8_t plain[2 + CH_DIGEST_MAX];
	uint8_t sealed[sizeof(plain)];
	struct ch_wr p = ch_wr(plain, sizeof(plain));
	ch_wr_be16(&p, (uint16_t)value.n);
	ch_wr_put(&p, value);
	struct ch_wr s = ch_wr(sealed, sizeof(sealed));
	struct ch_span by = ch_span(seed->b, seed->n);
	size_t key_size = ek->symmetric_bits / 8u;
	struct ch_digest outer = { 0 };
	enum ch_err err = ch_kdfa(ek->name_alg, by, label_storage, name, CH_SPAN_EMPTY, key, key_size);
	if (err == CH_OK)
		err = ch_aes_cfb(ch_span(key, key_size), ch_wr_span(&p), &s);
	if (err == CH_OK)
		err = ch_kdfa(ek->name_alg, by, label_integrity, CH_SPAN_EMPTY, CH_SPAN_EMPTY, key, seed->n);
	const struct ch_span part[] = { ch_wr_span(&s), name };
	if (err == CH_OK)
		err = ch_hmac_parts(ek->name_alg, ch_span(key, seed->n), part, CH_COUNT_OF(part), &outer);
	ch_wipe(key, sizeof(key));
	ch_wipe(plain, sizeof(plain));
	if (err != CH_OK)
		return err;
	ch_wr_be16(to, outer.n);
	ch_wr_put(to, ch_digest_span(&outer));
	ch_wr_put(to, ch_wr_span(&s));
	return CH_OK;
}

/* Writes what is in `body` after its 16-bit size. */
static size_t sized(uint8_t *to, size_t cap, const struct ch_wr *body)
{
	struct ch_wr w = ch_wr(to, cap);
	struct ch_span s = ch_wr_span(body);
	ch_wr_be16(&w, (uint16_t)s.n);
	ch_wr_put(&w, s);
	return ch_wr_span(&w).n;
}

enum ch_err ch_credential_make(struct ch_credential *c, const struct ch_tpm_public *ek, struct ch_span name,
			       struct ch_span value, struct ch_diag *d)
{
	*c = (struct ch_credential){ .id_size = 0 };
	enum ch_err err = ch_tpm_public_check_ek(ek, d);
	if (err != CH_OK)
		return err;
	struct seed seed = { .n = ch_hash_size(ek->name_alg) };
	if (value.n == 0 || value.n > seed.n)
		return ch_fail(d, CH_ERR_RANGE, 0,
			       "the secret is longer than a digest of the EK's nameAlg (Part 1, 24)");
	if (name.n < 2 || name.n > 2 + CH_DIGEST_MAX)
		return ch_fail(d, CH_ERR_RANGE, 0, "the Name is not an algorithm and a digest (Part 1, 16)");
	uint8_t id[sizeof(c->id) - 2];
	uint8_t secret[sizeof(c->secret) - 2];
	struct ch_wr id_w = ch_wr(id, sizeof(id));
	struct ch_wr secret_w = ch_wr(secret, sizeof(secret));
	err = ek->key.type == CH_KEY_RSA ? seed_rsa(&seed, ek, &secret_w) : seed_ecc(&seed, ek, &secret_w);
	if (err == CH_OK)
		err = seal(ek, &seed, name, value, &id_w);
	ch_wipe(&seed, sizeof(seed));
	if (err != CH_OK)
		return ch_fail(d, err, 0, "the endorsement key is not a valid key, or the backend failed");
	c->id_size = sized(c->id, sizeof(c->id), &id_w);
	c->secret_size = sized(c->secret, sizeof(c->secret), &secret_w);
	return CH_OK;
}
