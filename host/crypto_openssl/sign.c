/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/sign_state.h"

#include "core/wire/base64.h"
#include "core/wire/der.h"
#include "host/crypto_openssl/fetch.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define PKCS8_MAX     4096
#define ECDSA_DER_MAX 80
#define COORD         32

static void state_free(struct ch_sign_state *s)
{
	EVP_PKEY_CTX_free(s->ctx);
	EVP_MD_CTX_free(s->md_ctx);
	EVP_PKEY_free(s->pkey);
	ch_free(s);
}

/* Fetches what signing needs now, so that the first signature opens no file inside a sandbox. */
static bool prepare(struct ch_sign_state *s, enum ch_key_type type)
{
	if (type == CH_KEY_ED25519) {
		s->md_ctx = EVP_MD_CTX_new();
		return s->md_ctx != NULL;
	}
	s->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, s->pkey, NULL);
	return s->ctx != NULL && EVP_PKEY_sign_init(s->ctx) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(s->ctx, EVP_sha256()) == 1;
}

static enum ch_key_type type_of(EVP_PKEY *pkey)
{
	char group[32] = "";
	if (EVP_PKEY_is_a(pkey, "ED25519"))
		return CH_KEY_ED25519;
	if (EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
	    strcmp(group, "prime256v1") == 0)
		return CH_KEY_P256;
	return CH_KEY_NONE;
}

enum ch_err ch_sign_adopt(struct ch_sign_key *k, EVP_PKEY *pkey)
{
	uint8_t sig[CH_SIGN_BYTES];
	enum ch_key_type type = type_of(pkey);
	if (type == CH_KEY_NONE || ch_openssl_fetch_sig() != CH_OK) {
		EVP_PKEY_free(pkey);
		return type == CH_KEY_NONE ? CH_ERR_UNSUPPORTED : CH_ERR_CRYPTO;
	}
	struct ch_sign_state *s = ch_calloc(1, sizeof(*s));
	s->pkey = pkey;
	*k = (struct ch_sign_key){ type, s };
	/* A first signature draws the random generator up, which opens files. */
	if (!prepare(s, type) || ch_sign_message(k, CH_SPAN_LIT("chainhold"), sig) != CH_OK) {
		ch_sign_key_clear(k);
		return CH_ERR_CRYPTO;
	}
	return CH_OK;
}

static enum ch_err from_der(struct ch_sign_key *k, struct ch_span der)
{
	if (ch_der_check(der, NULL) != CH_OK)
		return CH_ERR_KEY;
	const unsigned char *p = der.p;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.n);
	EVP_PKEY *pkey = info == NULL ? NULL : EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	return pkey == NULL ? CH_ERR_KEY : ch_sign_adopt(k, pkey);
}

enum ch_err ch_sign_key_from_pem(struct ch_sign_key *k, struct ch_span pem)
{
	uint8_t der[PKCS8_MAX];
	uint8_t other[PKCS8_MAX];
	size_t off = 0;
	size_t n = 0;
	size_t more = 0;
	*k = (struct ch_sign_key){ .type = CH_KEY_NONE };
	enum ch_err err = ch_pem_next(pem, &off, "PRIVATE KEY", der, sizeof(der), &n, NULL);
	if (err == CH_OK && ch_pem_next(pem, &off, "PRIVATE KEY", other, sizeof(other), &more, NULL) != CH_ERR_NOTFOUND)
		err = CH_ERR_DUPLICATE;
	else if (err == CH_OK)
		err = from_der(k, ch_span(der, n));
	else if (err != CH_ERR_NOTFOUND)
		err = CH_ERR_KEY;
	ch_wipe(der, sizeof(der));
	ch_wipe(other, sizeof(other));
	return err;
}

void ch_sign_key_clear(struct ch_sign_key *k)
{
	if (k->state != NULL)
		state_free(k->state);
	*k = (struct ch_sign_key){ .type = CH_KEY_NONE };
}

enum ch_err ch_sign_key_pub(const struct ch_sign_key *k, struct ch_pubkey *pub)
{
	const struct ch_sign_state *s = k->state;
	unsigned char *der = NULL;
	*pub = (struct ch_pubkey){ .pub = { .type = CH_KEY_NONE } };
	int n = s == NULL ? -1 : i2d_PUBKEY(s->pkey, &der);
	enum ch_err err = n > 0 ? ch_pubkey_from_der(pub, ch_span(der, (size_t)n)) : CH_ERR_KEY;
	OPENSSL_free(der);
	return err;
}

/* Ecdsa-Sig-Value to r ‖ s. */
static enum ch_err raw_of(uint8_t sig[static CH_SIGN_BYTES], struct ch_span der)
{
	struct ch_der_rd d = ch_der_rd(der, 0);
	struct ch_der_rd in = ch_der_enter(&d, CH_DER_SEQUENCE, "Ecdsa-Sig-Value (RFC 5480, appendix A)");
	struct ch_span r = ch_der_unsigned(&in, "r");
	struct ch_span s = ch_der_unsigned(&in, "s");
	ch_der_leave(&d, &in, "trailing bytes");
	if (ch_der_end(&d, NULL, "trailing bytes") != CH_OK || r.n > COORD || s.n > COORD)
		return CH_ERR_CRYPTO;
	ch_span_copy(sig + COORD - r.n, COORD, r);
	ch_span_copy(sig + 2 * COORD - s.n, COORD, s);
	return CH_OK;
}

static enum ch_err sign_p256(struct ch_sign_state *s, struct ch_span msg, uint8_t sig[static CH_SIGN_BYTES])
{
	uint8_t der[ECDSA_DER_MAX];
	size_t n = sizeof(der);
	struct ch_digest digest;
	enum ch_err err = ch_hash_once(CH_HASH_SHA256, msg, &digest);
	if (err != CH_OK)
		return err;
	if (EVP_PKEY_sign(s->ctx, der, &n, digest.b, digest.n) != 1)
		return CH_ERR_CRYPTO;
	return raw_of(sig, ch_span(der, n));
}

static enum ch_err sign_ed25519(struct ch_sign_state *s, struct ch_span msg, uint8_t sig[static CH_SIGN_BYTES])
{
	size_t n = CH_SIGN_BYTES;
	if (EVP_DigestSignInit_ex(s->md_ctx, NULL, NULL, NULL, NULL, s->pkey, NULL) != 1 ||
	    EVP_DigestSign(s->md_ctx, sig, &n, msg.p, msg.n) != 1 || n != CH_SIGN_BYTES)
		return CH_ERR_CRYPTO;
	return CH_OK;
}

enum ch_err ch_sign_message(const struct ch_sign_key *k, struct ch_span msg, uint8_t sig[static CH_SIGN_BYTES])
{
	struct ch_sign_state *s = k->state;
	ch_wipe(sig, CH_SIGN_BYTES);
	if (s == NULL)
		return CH_ERR_KEY;
	enum ch_err err = k->type == CH_KEY_P256 ? sign_p256(s, msg, sig) : sign_ed25519(s, msg, sig);
	if (err != CH_OK) {
		ERR_clear_error();
		ch_wipe(sig, CH_SIGN_BYTES);
	}
	return err;
}
