/* SPDX-License-Identifier: Apache-2.0 */
#include "host/crypto_openssl/sign_list.h"

#include "core/wire/base64.h"
#include "core/wire/der.h"
#include "host/crypto_openssl/fetch.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define PKCS8_MAX    8192
#define SIG_MAX      1024
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192

struct state {
	EVP_PKEY *pkey;
	EVP_MD_CTX *ctx;
	const char *md; /* NULL: the algorithm has its own (Ed25519) */
};

static const uint8_t rsa_sha256[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
				      0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00 };
static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
static const uint8_t ecdsa_sha384[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03 };
static const uint8_t ecdsa_sha512[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04 };
static const uint8_t ed25519[] = { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 };

static const struct {
	const char *type, *group; /* as OpenSSL calls them */
	const char *md;
	struct ch_span alg;
} kind[] = {
	{ "RSA", NULL, "SHA256", { rsa_sha256, sizeof(rsa_sha256) } },
	{ "EC", "prime256v1", "SHA256", { ecdsa_sha256, sizeof(ecdsa_sha256) } },
	{ "EC", "secp384r1", "SHA384", { ecdsa_sha384, sizeof(ecdsa_sha384) } },
	{ "EC", "secp521r1", "SHA512", { ecdsa_sha512, sizeof(ecdsa_sha512) } },
	{ "ED25519", NULL, NULL, { ed25519, sizeof(ed25519) } },
};

static bool is_kind(EVP_PKEY *pkey, size_t i)
{
	char group[32] = "";
	if (!EVP_PKEY_is_a(pkey, kind[i].type))
		return false;
	if (strcmp(kind[i].type, "RSA") == 0) {
		int bits = EVP_PKEY_get_bits(pkey);
		return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
	}
	return kind[i].group == NULL ||
	       (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 && strcmp(group, kind[i].group) == 0);
}

static enum ch_err adopt(struct ch_list_key *k, EVP_PKEY *pkey)
{
	CH_AUTO_BUF struct ch_buf sig = { 0 };
	size_t i = 0;
	while (i < CH_COUNT_OF(kind) && !is_kind(pkey, i))
		i++;
	if (i == CH_COUNT_OF(kind)) {
		EVP_PKEY_free(pkey);
		return CH_ERR_UNSUPPORTED;
	}
	struct state *s = ch_calloc(1, sizeof(*s));
	*s = (struct state){ .pkey = pkey, .ctx = EVP_MD_CTX_new(), .md = kind[i].md };
	*k = (struct ch_list_key){ s, kind[i].alg };
	/* A first signature fetches what the next ones need, and draws the random generator up, which opens files. */
	if (s->ctx == NULL || ch_openssl_fetch_sig() != CH_OK ||
	    ch_list_sign(k, CH_SPAN_LIT("chainhold"), &sig) != CH_OK) {
		ch_list_key_clear(k);
		return CH_ERR_CRYPTO;
	}
	return CH_OK;
}

enum ch_err ch_list_key_from_pem(struct ch_list_key *k, struct ch_span pem)
{
	uint8_t der[PKCS8_MAX];
	size_t off = 0, n = 0;
	*k = (struct ch_list_key){ .state = NULL };
	enum ch_err err = ch_pem_next(pem, &off, "PRIVATE KEY", der, sizeof(der), &n, NULL);
	if (err != CH_OK || ch_der_check(ch_span(der, n), NULL) != CH_OK) {
		ch_wipe(der, sizeof(der));
		return err == CH_ERR_NOTFOUND ? err : CH_ERR_KEY;
	}
	const unsigned char *p = der;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)n);
	EVP_PKEY *pkey = info == NULL ? NULL : EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	ch_wipe(der, sizeof(der));
	err = pkey == NULL ? CH_ERR_KEY : adopt(k, pkey);
	ERR_clear_error();
	return err;
}

void ch_list_key_clear(struct ch_list_key *k)
{
	struct state *s = k->state;
	if (s != NULL) {
		EVP_MD_CTX_free(s->ctx);
		EVP_PKEY_free(s->pkey);
		ch_free(s);
	}
	*k = (struct ch_list_key){ .state = NULL };
}

enum ch_err ch_list_key_pub(const struct ch_list_key *k, struct ch_pubkey *pub)
{
	const struct state *s = k->state;
	unsigned char *der = NULL;
	*pub = (struct ch_pubkey){ .pub = { .type = CH_KEY_NONE } };
	int n = s == NULL ? -1 : i2d_PUBKEY(s->pkey, &der);
	enum ch_err err = n > 0 ? ch_pubkey_from_der(pub, ch_span(der, (size_t)n)) : CH_ERR_KEY;
	OPENSSL_free(der);
	return err;
}

enum ch_err ch_list_sign(const struct ch_list_key *k, struct ch_span msg, struct ch_buf *sig)
{
	const struct state *s = k->state;
	size_t n = SIG_MAX;
	if (s == NULL)
		return CH_ERR_KEY;
	uint8_t *room = ch_buf_room(sig, SIG_MAX);
	bool made = EVP_DigestSignInit_ex(s->ctx, NULL, s->md, NULL, NULL, s->pkey, NULL) == 1 &&
		    EVP_DigestSign(s->ctx, room, &n, msg.p, msg.n) == 1;
	ERR_clear_error();
	sig->n += made ? n : 0;
	return made ? CH_OK : CH_ERR_CRYPTO;
}
