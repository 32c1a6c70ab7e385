/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/earlier.h"

#include "core/platform/spki.h"
#include "core/wire/base64.h"
#include "host/base/file.h"

#define KEY_FILE_MAX 16384

static enum ch_err certificate_take(struct ch_earlier_ca *c, struct ch_span pem)
{
	struct ch_x509 x;
	struct ch_digest h;
	size_t n = 0;
	c->ca.certificate.p = ch_calloc(1, CH_CERT_MAX);
	c->ca.certificate.cap = CH_CERT_MAX;
	enum ch_err err = ch_pem_decode(pem, "CERTIFICATE", c->ca.certificate.p, CH_CERT_MAX, &n, NULL);
	c->ca.certificate.n = n;
	if (err == CH_OK)
		err = ch_x509_parse(&x, ch_buf_span(&c->ca.certificate), NULL);
	if (err == CH_OK && (x.form != CH_X509_CERTIFICATE || !x.ca || (x.key_usage & CH_KU_CRL_SIGN) == 0 ||
			     x.subject_key_id.n == 0 || x.subject_key_id.n > 32))
		err = CH_ERR_UNTRUSTED;
	if (err == CH_OK)
		err = ch_hash_once(CH_HASH_SHA256, ch_buf_span(&c->ca.certificate), &h);
	if (err != CH_OK)
		return err;
	(void)ch_span_copy(c->id, sizeof(c->id), ch_digest_span(&h));
	c->ca.name = x.subject;
	c->ca.kid = x.subject_key_id;
	c->ca.spki = x.spki;
	c->ca.not_after = x.not_after;
	return ch_ocsp_issuer_make(&c->named, c->ca.name, c->ca.spki);
}

/* "KEYID NUMBER": the token that has the key of this CA. False if no line names it. */
static bool token_find(struct ch_earlier_ca *c, struct ch_span config)
{
	char kid[65];
	struct ch_wr w = ch_wr(kid, sizeof(kid));
	ch_wr_hex(&w, c->ca.kid);
	for (unsigned i = 0;; i++) {
		struct ch_span line = ch_config_get(config, "earlier_token", i);
		if (line.n == 0)
			return false;
		if (line.n == w.len + 2 && ch_span_starts(line, ch_wr_span(&w)) && line.p[w.len] == ' ' &&
		    line.p[w.len + 1] >= '0' && line.p[w.len + 1] <= '9') {
			c->token = (unsigned)(line.p[w.len + 1] - '0');
			return true;
		}
	}
}

static enum ch_err token_take(struct ch_earlier_ca *c, struct ch_span config)
{
	struct ch_pub pub;
	if (!token_find(c, config))
		return CH_OK;
	enum ch_err err = ch_spki_parse(&pub, c->ca.spki, NULL);
	if (err == CH_OK)
		err = ch_ca_key_init(&c->token_key, &pub);
	c->in_token = err == CH_OK;
	c->ca.sig_alg = CH_SPAN_EMPTY;
	return err;
}

/* Without a file there is no key: what is revoked is kept all the same. */
static enum ch_err key_take(struct ch_earlier_ca *c, const char *name)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	struct ch_pub own;
	struct ch_pubkey pub;
	char path[98];
	struct ch_wr w = ch_wr(path, sizeof(path) - 1);
	ch_wr_str(&w, "/");
	ch_wr_str(&w, name);
	path[w.len] = '\0';
	enum ch_err err = ch_file_read_private(&pem, path, KEY_FILE_MAX);
	if (err == CH_ERR_NOTFOUND)
		return CH_OK;
	if (err == CH_OK)
		err = ch_list_key_from_pem(&c->key, ch_buf_span(&pem));
	ch_wipe(pem.p, pem.cap);
	if (err == CH_OK)
		err = ch_list_key_pub(&c->key, &pub);
	if (err == CH_OK)
		err = ch_spki_parse(&own, c->ca.spki, NULL);
	if (err == CH_OK && !ch_spki_same(&pub.pub, &own))
		err = CH_ERR_MISMATCH;
	c->ca.sig_alg = c->key.alg;
	return err;
}

static void clear_one(struct ch_earlier_ca *c)
{
	ch_list_key_clear(&c->key);
	if (c->in_token)
		ch_ca_key_clear(&c->token_key);
	ch_signer_crl_clear(&c->crl);
	ch_issuer_clear(&c->ca);
}

static enum ch_err load_one(struct ch_earlier *e, struct ch_span config, struct ch_span pem, int dir, int64_t lifetime,
			    char name[static 96])
{
	if (e->count == CH_SIGNER_EARLIER_MAX)
		return CH_ERR_LIMIT;
	struct ch_earlier_ca *c = &e->ca[e->count];
	struct ch_wr w = ch_wr(name, 95);
	enum ch_err err = certificate_take(c, pem);
	ch_wr_str(&w, "earlier-");
	ch_wr_hex(&w, err == CH_OK ? c->ca.kid : CH_SPAN_EMPTY);
	ch_wr_str(&w, ".key");
	name[w.len] = '\0';
	for (size_t i = 0; i < e->count && err == CH_OK; i++) {
		if (ch_span_eq(e->ca[i].ca.kid, c->ca.kid))
			err = CH_ERR_DUPLICATE;
	}
	if (err == CH_OK)
		err = key_take(c, name);
	if (err == CH_OK && c->key.state == NULL)
		err = token_take(c, config);
	if (err == CH_OK)
		err = ch_signer_crl_open(&c->crl, dir, &c->ca, lifetime);
	if (err != CH_OK) {
		clear_one(c);
		return err;
	}
	e->count++;
	return CH_OK;
}

enum ch_err ch_earlier_load(struct ch_earlier *e, struct ch_span config, int dir, int64_t lifetime,
			    char name[static 96])
{
	name[0] = '\0';
	for (unsigned i = 0;; i++) {
		CH_AUTO_BUF struct ch_buf pem = { 0 };
		enum ch_err err = ch_config_bytes(config, "earlier_ca", i, &pem);
		if (err == CH_ERR_NOTFOUND)
			return CH_OK;
		if (err == CH_OK)
			err = load_one(e, config, ch_buf_span(&pem), dir, lifetime, name);
		if (err != CH_OK)
			return err;
	}
}

void ch_earlier_clear(struct ch_earlier *e)
{
	for (size_t i = 0; i < e->count; i++)
		clear_one(&e->ca[i]);
	*e = (struct ch_earlier){ .count = 0 };
}

struct ch_earlier_ca *ch_earlier_find(struct ch_earlier *e, const uint8_t id[static 32])
{
	for (size_t i = 0; i < e->count; i++) {
		if (ch_span_eq(CH_SPAN_OF(e->ca[i].id), ch_span(id, 32)))
			return &e->ca[i];
	}
	return NULL;
}

/* --- signing --- */

/* SEQUENCE { ecdsa-with-SHA256 } (RFC 5758, 3.2: no parameters). */
static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };

struct wait {
	ch_earlier_done_fn *done;
	void *own;
};

/* What a token gives is r and s. */
static void token_done(void *own, struct ch_span tbs, const uint8_t *sig)
{
	struct wait *t = own;
	uint8_t der[80];
	struct ch_wr w = ch_wr(der, sizeof(der));
	struct ch_der_wr d = ch_der_wr(&w);
	if (sig != NULL) {
		ch_der_put_begin(&d, CH_DER_SEQUENCE);
		ch_der_put_unsigned(&d, ch_span(sig, 32));
		ch_der_put_unsigned(&d, ch_span(sig + 32, 32));
		ch_der_put_end(&d);
	}
	t->done(t->own, tbs, CH_SPAN_OF(ecdsa_sha256), ch_der_wr_done(&d) ? ch_wr_span(&w) : CH_SPAN_EMPTY);
	ch_free(t);
}

void ch_earlier_sign(struct ch_earlier_ca *c, struct ch_span tbs, ch_earlier_done_fn *done, void *own)
{
	CH_AUTO_BUF struct ch_buf sig = { 0 };
	if (c->in_token) {
		struct wait *t = ch_calloc(1, sizeof(*t));
		*t = (struct wait){ done, own };
		ch_ca_sign(&c->token_key, tbs, token_done, t);
		return;
	}
	bool good = c->key.state != NULL && ch_list_sign(&c->key, tbs, &sig) == CH_OK;
	done(own, tbs, c->key.alg, good ? ch_buf_span(&sig) : CH_SPAN_EMPTY);
}
