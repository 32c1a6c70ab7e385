/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cose_driver KIND FILE [KEY ALG AAD]: reads a COSE message with core/wire/cose; KIND is "tagged", "sign1" or "mac0", KEY a JWK,
 * ALG the accepted algorithm or 0, AAD the external data in hex. Prints the kind, the signature, and with a key the structure
 * that is signed. Exit 0 if it parses and (with a key) holds, 1 if not, with the reason on standard error, 2 for wrong use,
 * 3 if it is of a kind or algorithm that is not supported, 4 if a file cannot be read.
 */
#include "core/base/text.h"
#include "core/wire/cose.h"
#include "core/wire/jwk.h"
#include "host/base/file.h"
#include "host/crypto_openssl/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t scratch[0x20000];

static void put_hex(const char *name, struct ch_span s)
{
	printf("%s ", name);
	for (size_t i = 0; i < s.n; i++)
		printf("%02x", s.p[i]);
	printf("\n");
}

static int told(enum ch_err err, const struct ch_diag *d)
{
	if (err != CH_OK)
		(void)fprintf(stderr, "%s at byte %zu: %s\n", ch_err_str(err), d->off, d->rule);
	return err == CH_OK ? 0 : err == CH_ERR_UNSUPPORTED ? 3 : 1;
}

static enum ch_err verify(const struct ch_cose *m, const struct ch_cose_context *c, struct ch_span key_text,
			  struct ch_diag *d)
{
	static struct ch_jwk jwk;
	enum ch_err err = ch_jwk_parse(&jwk, key_text, d);
	if (err != CH_OK)
		return err;
	if (jwk.pub.type == CH_KEY_NONE)
		return ch_cose_verify_mac(m, c, jwk.secret, d);
	struct ch_verify_key key;
	err = ch_verify_key_init(&key, &jwk.pub);
	if (err != CH_OK)
		return ch_fail(d, err, 0, "the key is not valid");
	err = ch_cose_verify(m, c, &key, d);
	ch_verify_key_clear(&key);
	return err;
}

static int judge(enum ch_cose_kind kind, struct ch_span in, struct ch_span key, const char *alg, const char *aad)
{
	static uint8_t external[4096];
	struct ch_cose m;
	struct ch_diag d;
	enum ch_err err = ch_cose_parse(&m, in, kind, &d);
	if (err != CH_OK)
		return told(err, &d);
	printf("kind %s\n", m.kind == CH_COSE_SIGN1 ? "sign1" : "mac0");
	put_hex("signature", m.signature);
	if (key.n == 0)
		return 0;
	struct ch_cose_context c = { .scratch = scratch, .scratch_size = sizeof(scratch) };
	c.alg = strtoll(alg, NULL, 10);
	size_t n = strlen(aad) / 2;
	if (n > sizeof(external) || ch_hex_decode(external, n, ch_span_str(aad)) != CH_OK)
		return 2;
	c.external_aad = ch_span(external, n);
	struct ch_wr w = ch_wr(scratch, sizeof(scratch));
	ch_cose_put_tbs(&w, &m, &c);
	put_hex("tbs", ch_wr_span(&w));
	return told(verify(&m, &c, key, &d), &d);
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 6)
		return 2;
	enum ch_cose_kind kind = strcmp(argv[1], "sign1") == 0  ? CH_COSE_SIGN1
				 : strcmp(argv[1], "mac0") == 0 ? CH_COSE_MAC0
								: CH_COSE_TAGGED;
	CH_AUTO_BUF struct ch_buf in = { 0 };
	CH_AUTO_BUF struct ch_buf key = { 0 };
	if (ch_crypto_openssl_init() != CH_OK || ch_file_read(&in, argv[2]) != CH_OK ||
	    (argc == 6 && ch_file_read(&key, argv[3]) != CH_OK))
		return 4;
	return judge(kind, ch_buf_span(&in), ch_buf_span(&key), argc == 6 ? argv[4] : "0", argc == 6 ? argv[5] : "");
}
