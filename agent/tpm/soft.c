/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tpm/keys.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* Keys in files of mode 0600, for a device without a TPM: they can be copied, and the server rates them so. */

static EVP_PKEY *load(struct keys *k, uint32_t number)
{
	char name[KEYS_NAME_MAX];
	keys_name(name, number);
	if (!keys_read(k, name, false))
		return NULL;
	const uint8_t *p = k->file.p;
	EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &p, (long)k->file.n);
	if (pkey == NULL)
		keys_fail(k, "%s is damaged: it is not a private key", name);
	ch_wipe(k->file.p, k->file.n);
	ch_buf_free(&k->file);
	return pkey;
}

static struct ch_span put_spki(struct keys *k, EVP_PKEY *pkey)
{
	uint8_t *der = NULL;
	int n = i2d_PUBKEY(pkey, &der);
	struct ch_span s = n > 0 ? keys_put(k, ch_span(der, (size_t)n)) : CH_SPAN_EMPTY;
	OPENSSL_free(der);
	return s;
}

static void identify(struct keys *k, const struct ag_identify *m, struct ag_identity *answer)
{
	uint32_t number = keys_highest(k) + 1;
	keys_remove(k, m->keep);
	char name[KEYS_NAME_MAX];
	keys_name(name, number);
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	uint8_t *der = NULL;
	int n = pkey != NULL ? i2d_PrivateKey(pkey, &der) : 0;
	if (n <= 0) {
		keys_fail(k, "a key cannot be made");
	} else if (keys_write(k, name, ch_span(der, (size_t)n))) {
		answer->key = number;
		answer->key_public = put_spki(k, pkey);
	}
	OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
	EVP_PKEY_free(pkey);
}

static struct ch_span sign_digest(struct keys *k, EVP_PKEY *pkey, const uint8_t digest[static AG_DIGEST])
{
	uint8_t sig[128];
	size_t n = sizeof(sig);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_sign(ctx, sig, &n, digest, AG_DIGEST) == 1;
	EVP_PKEY_CTX_free(ctx);
	if (!ok)
		keys_fail(k, "the key cannot sign");
	return ok ? keys_put(k, ch_span(sig, n)) : CH_SPAN_EMPTY;
}

static void sign(struct keys *k, const struct ag_sign *m, struct ag_signed *answer)
{
	EVP_PKEY *pkey = load(k, m->key);
	struct ch_span der = pkey != NULL ? sign_digest(k, pkey, m->digest) : CH_SPAN_EMPTY;
	EVP_PKEY_free(pkey);
	const uint8_t *p = der.p;
	ECDSA_SIG *sig = der.n > 0 ? d2i_ECDSA_SIG(NULL, &p, (long)der.n) : NULL;
	if (sig != NULL && (BN_bn2binpad(ECDSA_SIG_get0_r(sig), answer->rs, AG_RS / 2) != AG_RS / 2 ||
			    BN_bn2binpad(ECDSA_SIG_get0_s(sig), answer->rs + AG_RS / 2, AG_RS / 2) != AG_RS / 2))
		keys_fail(k, "the key is not on P-256");
	ECDSA_SIG_free(sig);
}

static void prove(struct keys *k, const struct ag_prove *m, struct ag_proved *answer)
{
	EVP_PKEY *pkey = load(k, m->key);
	uint8_t digest[AG_DIGEST];
	if (pkey != NULL)
		answer->public_key = put_spki(k, pkey);
	if (pkey != NULL && keys_proof_digest(m, answer->public_key, digest) == CH_OK)
		answer->proof = sign_digest(k, pkey, digest);
	EVP_PKEY_free(pkey);
}

static void keep(struct keys *k, const struct ag_keep *m)
{
	keys_remove(k, m->key);
}

static void activate(struct keys *k, const struct ag_activate *m, struct ag_activated *answer)
{
	(void)m;
	(void)answer;
	keys_fail(k, "there is no TPM to activate a credential");
}

static void quote(struct keys *k, const struct ag_quote *m, struct ag_quoted *answer)
{
	(void)m;
	(void)answer;
	keys_fail(k, "there is no TPM to quote");
}

enum ch_err keys_open_soft(struct keys *k)
{
	static const struct keys_ops ops = {
		.identify = identify,
		.activate = activate,
		.prove = prove,
		.sign = sign,
		.keep = keep,
		.quote = quote,
	};
	k->ops = &ops;
	return CH_OK;
}
