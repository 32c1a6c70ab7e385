/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifies what standard input lists, one case a line:
 *   ecdsa-der | ecdsa-p1363 | ed25519 | rsassa | rsapss   HASH  SPKI  MESSAGE  SIGNATURE
 *   hmac                                                  HASH  KEY   MESSAGE  TAG
 * HASH is a name ("sha256", "-" for none), the rest hexadecimal digits or "-" for nothing. Answers "valid", "invalid" or
 * "unsupported", one a line. Ends with 2 on a line that is not such.
 */
#include "core/base/text.h"
#include "core/crypto/sig.h"
#include "host/base/mem.h"
#include "host/crypto_openssl/backend.h"
#include "host/crypto_openssl/pubkey.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 5

static const struct {
	const char *name;
	enum ch_sig_scheme scheme;
} kind[] = {
	{ "ecdsa-der", CH_SIG_ECDSA }, { "ecdsa-p1363", CH_SIG_ECDSA }, { "ed25519", CH_SIG_ED25519 },
	{ "rsassa", CH_SIG_RSASSA },   { "rsapss", CH_SIG_RSAPSS },     { "hmac", CH_SIG_NONE },
};

static bool unhex(struct ch_buf *b, const char *hex)
{
	struct ch_span text = ch_span_str(strcmp(hex, "-") == 0 ? "" : hex);
	b->n = text.n / 2;
	b->p = ch_calloc(b->n, 1);
	return ch_hex_decode(b->p, b->n, text) == CH_OK;
}

/* Ecdsa-Sig-Value, DER only: what is read must encode to the same bytes. */
static bool split_der(struct ch_sig *sig, struct ch_span der, uint8_t r[static 256], uint8_t s[static 256])
{
	const unsigned char *p = der.p;
	unsigned char *again = NULL;
	ECDSA_SIG *v = d2i_ECDSA_SIG(NULL, &p, (long)der.n);
	if (v == NULL)
		return false;
	int n = i2d_ECDSA_SIG(v, &again);
	bool ok = n > 0 && ch_span_eq(ch_span(again, (size_t)n), der) && !BN_is_negative(ECDSA_SIG_get0_r(v)) &&
		  !BN_is_negative(ECDSA_SIG_get0_s(v)) && BN_bn2binpad(ECDSA_SIG_get0_r(v), r, 256) == 256 &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(v), s, 256) == 256;
	OPENSSL_free(again);
	ECDSA_SIG_free(v);
	sig->a = ch_span(r, 256);
	sig->b = ch_span(s, 256);
	return ok;
}

static const char *verify(const char *name, enum ch_sig_scheme scheme, enum ch_hash_alg hash, struct ch_span spki,
			  struct ch_span msg, struct ch_span bytes)
{
	static struct ch_pubkey key;
	static struct ch_verify_key v;
	uint8_t r[256], s[256];
	enum ch_err err = ch_pubkey_from_der(&key, spki);
	if (err == CH_OK)
		err = ch_verify_key_init(&v, &key.pub);
	if (err != CH_OK)
		return err == CH_ERR_UNSUPPORTED ? "unsupported" : "invalid";
	struct ch_sig sig = { .scheme = scheme, .hash = hash, .a = bytes };
	bool ok = true;
	if (strcmp(name, "ecdsa-der") == 0)
		ok = split_der(&sig, bytes, r, s);
	if (strcmp(name, "ecdsa-p1363") == 0) {
		size_t n = ch_key_coord(key.pub.type);
		ok = bytes.n == 2 * n;
		sig.a = ch_span_sub(bytes, 0, n);
		sig.b = ch_span_sub(bytes, n, n);
	}
	err = ok ? ch_verify_message(&v, &sig, msg) : CH_ERR_SIGNATURE;
	ch_verify_key_clear(&v);
	return err == CH_OK ? "valid" : err == CH_ERR_UNSUPPORTED ? "unsupported" : "invalid";
}

static const char *check_tag(enum ch_hash_alg hash, struct ch_span key, struct ch_span msg, struct ch_span tag)
{
	struct ch_digest d;
	if (ch_hmac(hash, key, msg, &d) != CH_OK)
		return "unsupported";
	return tag.n > 0 && tag.n <= d.n && ch_ct_eq(ch_span(d.b, tag.n), tag) ? "valid" : "invalid";
}

static const char *answer(char *field[static FIELDS])
{
	size_t k = 0;
	while (k < CH_COUNT_OF(kind) && strcmp(kind[k].name, field[0]) != 0)
		k++;
	CH_AUTO_BUF struct ch_buf key = { 0 };
	CH_AUTO_BUF struct ch_buf msg = { 0 };
	CH_AUTO_BUF struct ch_buf sig = { 0 };
	if (k == CH_COUNT_OF(kind) || !unhex(&key, field[2]) || !unhex(&msg, field[3]) || !unhex(&sig, field[4]))
		return NULL;
	enum ch_hash_alg hash = ch_hash_by_name(ch_span_str(field[1]));
	if (kind[k].scheme == CH_SIG_NONE)
		return check_tag(hash, ch_buf_span(&key), ch_buf_span(&msg), ch_buf_span(&sig));
	return verify(kind[k].name, kind[k].scheme, hash, ch_buf_span(&key), ch_buf_span(&msg), ch_buf_span(&sig));
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;
	if (ch_crypto_openssl_init() != CH_OK)
		return 2;
	while (getline(&line, &cap, stdin) > 0) {
		char *field[FIELDS];
		char *save = NULL;
		size_t n = 0;
		for (char *t = strtok_r(line, " \n", &save); t != NULL && n < FIELDS; t = strtok_r(NULL, " \n", &save))
			field[n++] = t;
		const char *said = n == FIELDS ? answer(field) : NULL;
		if (said == NULL)
			return 2;
		puts(said);
	}
	free(line);
	return 0;
}
