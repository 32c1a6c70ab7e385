/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/key_certify.h"

#include "core/platform/tpm_attest.h"
#include "core/platform/tpm_signature.h"
#include "core/platform/tpm_wire.h"

static const char purpose[] = "chainhold-key/v1"; /* hashed with its NUL */

enum ch_err ch_key_qualifying(uint8_t to[static 32], const struct ch_tpm_public *ek)
{
	struct ch_hash h;
	struct ch_digest digest;
	ch_wipe(to, 32);
	enum ch_err err = ch_hash_init(&h, CH_HASH_SHA256);
	if (err != CH_OK)
		return err;
	ch_hash_update(&h, CH_SPAN_OF(purpose));
	ch_hash_update(&h, ek->area);
	ch_hash_final(&h, &digest);
	ch_span_copy(to, 32, ch_digest_span(&digest));
	return CH_OK;
}

static const struct {
	uint32_t bit;
	bool set;
	const char *rule;
} key_property[] = {
	{ CH_TPMA_FIXED_TPM, true, "the device's key is not fixedTPM: it could be duplicated (Part 2, 8.3.3.2)" },
	{ CH_TPMA_FIXED_PARENT, true, "the device's key is not fixedParent: it could be moved (Part 2, 8.3.3.4)" },
	{ CH_TPMA_SENSITIVE_DATA_ORIGIN, true,
	  "the device's key has not sensitiveDataOrigin: it was not made in the TPM (Part 2, 8.3.3.5)" },
	{ CH_TPMA_SIGN, true, "the device's key does not sign (Part 2, 8.3.3.12)" },
	{ CH_TPMA_DECRYPT, false, "the device's key also decrypts (Part 2, 8.3.3.11)" },
	{ CH_TPMA_RESTRICTED, false, "the device's key is restricted and cannot sign for TLS (Part 2, 8.3.3.10)" },
};

enum ch_err ch_tpm_public_check_key(const struct ch_tpm_public *pub, struct ch_diag *d)
{
	ch_diag_clear(d);
	for (size_t i = 0; i < CH_COUNT_OF(key_property); i++) {
		if (((pub->attributes & key_property[i].bit) != 0) != key_property[i].set)
			return ch_fail(d, CH_ERR_UNTRUSTED, 0, key_property[i].rule);
	}
	if (pub->name_alg == CH_HASH_SHA1)
		return ch_fail(d, CH_ERR_UNTRUSTED, 0,
			       "nameAlg of the device's key is SHA-1, whose collisions can be made (SP 800-131A)");
	if (pub->key.type != CH_KEY_P256)
		return ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the device's key is not on P-256");
	bool fits = pub->scheme == CH_TPM_ALG_NULL ||
		    (pub->scheme == CH_TPM_ALG_ECDSA && pub->scheme_hash == CH_HASH_SHA256);
	return fits ? CH_OK
		    : ch_fail(d, CH_ERR_UNSUPPORTED, 0, "the device's key has a scheme other than ECDSA with SHA-256");
}

/* The signature is of the AK, in the scheme that the AK is restricted to. */
static enum ch_err check_signature(const struct ch_key_certify *c, struct ch_diag *d)
{
	struct ch_sig sig;
	struct ch_verify_key key;
	enum ch_err err = ch_tpm_signature_parse(&sig, c->signature, d);
	if (err != CH_OK)
		return err;
	if (sig.hash != c->ak->scheme_hash)
		return ch_fail(
			d, CH_ERR_SIGNATURE, 0,
			"the certification is signed with another hash than the attestation key's (Part 2, 11.2.1)");
	err = ch_verify_key_init(&key, &c->ak->key);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "the attestation key is not a valid key");
	err = ch_verify_message(&key, &sig, c->attest);
	ch_verify_key_clear(&key);
	if (err != CH_OK)
		return ch_fail(d, CH_ERR_SIGNATURE, 0,
			       "the attestation key did not sign the certification (Part 3, 18.2)");
	return CH_OK;
}

static enum ch_err check_attested(const struct ch_key_certify *c, struct ch_diag *d)
{
	struct ch_tpm_attest a;
	uint8_t name[2 + CH_DIGEST_MAX];
	size_t n;
	enum ch_err err = ch_tpm_attest_parse(&a, c->attest, d);
	if (err != CH_OK)
		return err;
	if (a.type != CH_TPM_ST_ATTEST_CERTIFY)
		return ch_fail(d, CH_ERR_MISMATCH, 4, "what the TPM signed is not a certification (Part 2, 10.12.3)");
	if (!ch_span_eq(a.extra_data, c->qualifying))
		return ch_fail(d, CH_ERR_MISMATCH, 0,
			       "qualifyingData is not that of a device's key under this endorsement key");
	err = ch_tpm_name(c->key, name, &n);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "nameAlg of the device's key is not one that is computed here");
	if (!ch_span_eq(a.name, ch_span(name, n)))
		return ch_fail(d, CH_ERR_MISMATCH, 0, "the certification is of another object (Part 2, 10.12.3)");
	return CH_OK;
}

enum ch_err ch_key_certify_check(const struct ch_key_certify *c, struct ch_diag *d)
{
	enum ch_err err = ch_tpm_public_check_key(c->key, d);
	if (err == CH_OK)
		err = ch_tpm_public_check_ak(c->ak, d);
	if (err == CH_OK)
		err = check_signature(c, d);
	if (err == CH_OK)
		err = check_attested(c, d);
	return err;
}
