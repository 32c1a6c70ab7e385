/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/soft_tpm.h"

#include "core/base/rd.h"
#include "core/base/wr.h"
#include "core/crypto/hash.h"
#include "core/crypto/kdf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALG_SHA256 0x000b
#define ALG_NULL   0x0010
#define ALG_ECDSA  0x0018
#define ALG_ECC    0x0023
#define FIXED      0x32u /* fixedTPM, fixedParent, sensitiveDataOrigin (Part 2, 8.3) */
#define USER_AUTH  0x40u
#define ADMIN_AUTH 0x80u
#define RESTRICTED 0x10000u
#define DECRYPT    0x20000u
#define SIGN       0x40000u

/* EK Credential Profile, B.6.2: PolicySecret(TPM_RH_ENDORSEMENT). */
static const uint8_t policy_a[32] = { 0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
				      0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
				      0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa };

static void put_2b(struct ch_wr *w, struct ch_span s)
{
	ch_wr_be16(w, (uint16_t)s.n);
	ch_wr_put(w, s);
}

static void sha256(uint8_t to[static 32], struct ch_span s)
{
	struct ch_digest d;
	if (ch_hash_once(CH_HASH_SHA256, s, &d) == CH_OK)
		(void)ch_span_copy(to, 32, ch_digest_span(&d));
}

/* TPM2B_PUBLIC of a P-256 key. */
static void put_public(struct sim_bytes *to, uint32_t attributes, struct ch_span x, struct ch_span y)
{
	bool ek = (attributes & DECRYPT) != 0;
	struct ch_wr w = ch_wr(to->b + 2, sizeof(to->b) - 2);
	ch_wr_be16(&w, ALG_ECC);
	ch_wr_be16(&w, ALG_SHA256);
	ch_wr_be32(&w, attributes);
	put_2b(&w, ek ? CH_SPAN_OF(policy_a) : CH_SPAN_EMPTY);
	if (ek) {
		ch_wr_be16(&w, 0x0006); /* AES */
		ch_wr_be16(&w, 128);
		ch_wr_be16(&w, 0x0043); /* CFB */
		ch_wr_be16(&w, ALG_NULL);
	} else {
		ch_wr_be16(&w, ALG_NULL);
		ch_wr_be16(&w, ALG_ECDSA);
		ch_wr_be16(&w, ALG_SHA256);
	}
	ch_wr_be16(&w, 0x0003); /* P-256 */
	ch_wr_be16(&w, ALG_NULL);
	put_2b(&w, x);
	put_2b(&w, y);
	to->b[0] = (uint8_t)(w.len >> 8);
	to->b[1] = (uint8_t)w.len;
	to->n = w.len + 2;
}

static void put_name(uint8_t name[static 34], const struct sim_bytes *pub)
{
	name[0] = 0;
	name[1] = ALG_SHA256;
	sha256(name + 2, ch_span(pub->b + 2, pub->n - 2));
}

/* --- the manufacturer --- */

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = e != NULL && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

/* A directoryName with the attributes of a TPM (EK Credential Profile, 3.2.9). */
static bool add_tpm_name(X509 *x)
{
	static const char *const attribute[][2] = { { "2.23.133.2.1", "id:00001014" },
						    { "2.23.133.2.2", "sim" },
						    { "2.23.133.2.3", "id:00010000" } };
	X509_NAME *name = X509_NAME_new();
	for (size_t i = 0; i < CH_COUNT_OF(attribute); i++) {
		ASN1_OBJECT *o = OBJ_txt2obj(attribute[i][0], 1);
		(void)X509_NAME_add_entry_by_OBJ(name, o, MBSTRING_UTF8, (const unsigned char *)attribute[i][1], -1, -1,
						 0);
		ASN1_OBJECT_free(o);
	}
	GENERAL_NAME *general = GENERAL_NAME_new();
	GENERAL_NAME_set0_value(general, GEN_DIRNAME, name);
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	(void)sk_GENERAL_NAME_push(names, general);
	bool ok = X509_add1_ext_i2d(x, NID_subject_alt_name, names, 1, X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(names);
	return ok;
}

static X509 *new_certificate(struct sim_maker *m, EVP_PKEY *key, const char *subject)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_NAME_new();
	(void)X509_set_version(x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), ++m->serial);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3650L * 86400);
	(void)X509_set_pubkey(x, key);
	if (subject != NULL)
		(void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)subject, -1, -1, 0);
	(void)X509_set_subject_name(x, name);
	(void)X509_set_issuer_name(x, m->root != NULL ? X509_get_subject_name(m->root) : name);
	X509_NAME_free(name);
	return x;
}

static bool make_root(struct sim_maker *m)
{
	m->key = EVP_EC_gen("P-256");
	X509 *x = new_certificate(m, m->key, "Simulated TPM manufacturer");
	m->root = x;
	return add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE") &&
	       add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	       add_extension(x, x, NID_subject_key_identifier, "hash") && X509_sign(x, m->key, EVP_sha256()) > 0;
}

bool sim_maker_open(struct sim_maker *m, const char *folder)
{
	char root[4096], key[4096];
	*m = (struct sim_maker){ .serial = (long)getpid() << 24 };
	(void)snprintf(root, sizeof(root), "%s/root.pem", folder);
	(void)snprintf(key, sizeof(key), "%s/root.key", folder);
	FILE *r = fopen(root, "r"), *k = fopen(key, "r");
	if (r != NULL && k != NULL) {
		m->root = PEM_read_X509(r, NULL, NULL, NULL);
		m->key = PEM_read_PrivateKey(k, NULL, NULL, NULL);
	}
	if (r != NULL)
		(void)fclose(r);
	if (k != NULL)
		(void)fclose(k);
	if (m->root != NULL && m->key != NULL)
		return true;
	(void)mkdir(folder, 0700);
	r = fopen(root, "w");
	k = fopen(key, "w");
	bool ok = r != NULL && k != NULL && make_root(m) && PEM_write_X509(r, m->root) == 1 &&
		  PEM_write_PKCS8PrivateKey(k, m->key, NULL, NULL, 0, NULL, NULL) == 1;
	if (r != NULL)
		ok = fclose(r) == 0 && ok;
	if (k != NULL)
		ok = fclose(k) == 0 && ok;
	if (!ok)
		fprintf(stderr, "%s: cannot make a manufacturer there\n", folder);
	return ok;
}

void sim_maker_close(struct sim_maker *m)
{
	EVP_PKEY_free(m->key);
	X509_free(m->root);
}

/* --- the TPM --- */

static bool certify_ek(struct sim_tpm *t, struct sim_maker *m)
{
	X509 *x = new_certificate(m, t->ek, NULL);
	bool ok = add_extension(x, m->root, NID_basic_constraints, "critical,CA:FALSE") &&
		  add_extension(x, m->root, NID_key_usage, "critical,keyAgreement") &&
		  add_extension(x, m->root, NID_ext_key_usage, "2.23.133.8.1") &&
		  add_extension(x, m->root, NID_authority_key_identifier, "keyid") && add_tpm_name(x) &&
		  X509_sign(x, m->key, EVP_sha256()) > 0;
	unsigned char *der = NULL;
	int n = ok ? i2d_X509(x, &der) : -1;
	if (n > 0)
		ch_buf_append(&t->ek_cert, ch_span(der, (size_t)n));
	OPENSSL_free(der);
	X509_free(x);
	return n > 0;
}

static bool make_key(struct ch_sign_key *k, struct sim_bytes *public, uint32_t attributes)
{
	struct ch_pubkey pub;
	if (ch_sign_key_make(k, CH_KEY_P256) != CH_OK || ch_sign_key_pub(k, &pub) != CH_OK)
		return false;
	put_public(public, attributes, pub.pub.a, pub.pub.b);
	return true;
}

bool sim_tpm_new_key(struct sim_tpm *t)
{
	ch_sign_key_clear(&t->key);
	return make_key(&t->key, &t->key_public, FIXED | USER_AUTH | SIGN);
}

bool sim_tpm_make(struct sim_tpm *t, struct sim_maker *m)
{
	uint8_t point[65];
	size_t n;
	*t = (struct sim_tpm){ .ek = EVP_EC_gen("P-256"), .clock = 1000, .resets = 1 };
	if (t->ek == NULL ||
	    EVP_PKEY_get_octet_string_param(t->ek, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n) != 1 || n != 65)
		return false;
	put_public(&t->ek_public, FIXED | ADMIN_AUTH | RESTRICTED | DECRYPT, ch_span(point + 1, 32),
		   ch_span(point + 33, 32));
	return certify_ek(t, m) && make_key(&t->ak, &t->ak_public, FIXED | USER_AUTH | RESTRICTED | SIGN) &&
	       sim_tpm_new_key(t);
}

void sim_tpm_clear(struct sim_tpm *t)
{
	EVP_PKEY_free(t->ek);
	ch_sign_key_clear(&t->ak);
	ch_sign_key_clear(&t->key);
	ch_buf_free(&t->ek_cert);
}

/* What every TPMS_ATTEST begins with (Part 2, 10.12.8). */
static struct ch_wr begin_attest(struct sim_tpm *t, struct sim_bytes *to, uint16_t type, struct ch_span extra)
{
	uint8_t name[34];
	struct ch_wr w = ch_wr(to->b, sizeof(to->b));
	put_name(name, &t->ak_public);
	ch_wr_be32(&w, 0xff544347);
	ch_wr_be16(&w, type);
	put_2b(&w, CH_SPAN_OF(name));
	put_2b(&w, extra);
	t->clock += 1000;
	ch_wr_be64(&w, t->clock);
	ch_wr_be32(&w, t->resets);
	ch_wr_be32(&w, 0);
	ch_wr_u8(&w, 1);
	ch_wr_be64(&w, 1);
	return w;
}

static bool end_attest(struct sim_tpm *t, struct ch_wr *w, struct sim_bytes *attest, struct sim_bytes *sig)
{
	uint8_t rs[CH_SIGN_BYTES];
	attest->n = w->len;
	if (w->bad || ch_sign_message(&t->ak, ch_span(attest->b, attest->n), rs) != CH_OK)
		return false;
	struct ch_wr s = ch_wr(sig->b, sizeof(sig->b));
	ch_wr_be16(&s, ALG_ECDSA);
	ch_wr_be16(&s, ALG_SHA256);
	put_2b(&s, ch_span(rs, 32));
	put_2b(&s, ch_span(rs + 32, 32));
	sig->n = s.len;
	return true;
}

bool sim_tpm_certify(struct sim_tpm *t, struct sim_bytes *attest, struct sim_bytes *sig)
{
	uint8_t text[17 + SIM_ATTEST_MAX], qualifying[32], name[34];
	struct ch_wr q = ch_wr(text, sizeof(text));
	ch_wr_str(&q, "chainhold-key/v1");
	ch_wr_u8(&q, 0);
	ch_wr_put(&q, ch_span(t->ek_public.b + 2, t->ek_public.n - 2));
	sha256(qualifying, ch_wr_span(&q));
	put_name(name, &t->key_public);
	struct ch_wr w = begin_attest(t, attest, 0x8017, CH_SPAN_OF(qualifying));
	put_2b(&w, CH_SPAN_OF(name));
	put_2b(&w, CH_SPAN_OF(name));
	return end_attest(t, &w, attest, sig);
}

bool sim_tpm_quote(struct sim_tpm *t, struct ch_span nonce, const uint8_t digest[static 32], struct sim_bytes *attest,
		   struct sim_bytes *sig)
{
	struct ch_wr w = begin_attest(t, attest, 0x8018, nonce);
	ch_wr_be32(&w, 1);
	ch_wr_be16(&w, ALG_SHA256);
	ch_wr_put(&w, CH_SPAN_LIT("\3\377\177\0"));
	put_2b(&w, ch_span(digest, 32));
	return end_attest(t, &w, attest, sig);
}

/* The x coordinate that the EK and the point of the secret agree on. */
static bool agree(struct sim_tpm *t, struct ch_span x, struct ch_span y, uint8_t z[static 32])
{
	uint8_t point[65] = { 4 };
	size_t n = 32;
	if (x.n != 32 || y.n != 32)
		return false;
	(void)ch_span_copy(point + 1, 32, x);
	(void)ch_span_copy(point + 33, 32, y);
	EVP_PKEY *peer = EVP_PKEY_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(t->ek, NULL);
	bool ok = EVP_PKEY_copy_parameters(peer, t->ek) == 1 &&
		  EVP_PKEY_set1_encoded_public_key(peer, point, sizeof(point)) == 1 && EVP_PKEY_derive_init(c) == 1 &&
		  EVP_PKEY_derive_set_peer(c, peer) == 1 && EVP_PKEY_derive(c, z, &n) == 1 && n == 32;
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(peer);
	return ok;
}

static bool open_identity(const uint8_t key[static 16], struct ch_span sealed, uint8_t out[static 34])
{
	static const uint8_t iv[16];
	int n = 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	bool ok = sealed.n == 34 && EVP_DecryptInit_ex(c, EVP_aes_128_cfb128(), NULL, key, iv) == 1 &&
		  EVP_DecryptUpdate(c, out, &n, sealed.p, (int)sealed.n) == 1 && n == 34;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

bool sim_tpm_activate(struct sim_tpm *t, struct ch_span id_object, struct ch_span secret, uint8_t out[static 32])
{
	struct ch_rd r = ch_rd(secret);
	(void)ch_rd_be16(&r);
	struct ch_span x = ch_rd_take(&r, ch_rd_be16(&r));
	struct ch_span y = ch_rd_take(&r, ch_rd_be16(&r));
	uint8_t z[32], seed[32], key[16], name[34], plain[34];
	struct ch_rd ek = ch_rd(ch_span(t->ek_public.b, t->ek_public.n));
	(void)ch_rd_take(&ek, t->ek_public.n - 68);
	(void)ch_rd_be16(&ek);
	struct ch_span own = ch_rd_take(&ek, 32);
	if (!ch_rd_done(&r) || !agree(t, x, y, z) ||
	    ch_kdfe(CH_HASH_SHA256, CH_SPAN_OF(z), "IDENTITY", x, own, seed, sizeof(seed)) != CH_OK)
		return false;
	put_name(name, &t->ak_public);
	if (ch_kdfa(CH_HASH_SHA256, CH_SPAN_OF(seed), "STORAGE", CH_SPAN_OF(name), CH_SPAN_EMPTY, key, sizeof(key)) !=
	    CH_OK)
		return false;
	r = ch_rd(id_object);
	(void)ch_rd_be16(&r);
	(void)ch_rd_take(&r, ch_rd_be16(&r));
	if (!open_identity(key, ch_rd_rest(&r), plain) || plain[0] != 0 || plain[1] != 32)
		return false;
	(void)ch_span_copy(out, 32, ch_span(plain + 2, 32));
	return true;
}
