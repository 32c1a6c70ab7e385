/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/signer.h"

#include "cli/operator/secret.h"

#include "core/platform/spki.h"
#include "core/platform/x509.h"
#include "core/wire/base64.h"
#include "host/crypto_openssl/backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_FILE_MAX 16384

bool op_signer_is_token(const char *name)
{
	return ch_p11_uri_is(ch_span_str(name));
}

/* --- a file --- */

static int read_private(struct ch_buf *to, const char *path, size_t max)
{
	enum ch_err err = ch_file_read_private(to, path, max);
	if (err == CH_OK)
		return -1;
	if (err == CH_ERR_UNTRUSTED)
		cli_say("%s: a secret belongs in a file of yours to which nobody else has rights (chmod 600; no symbolic link); make a new "
			"one if others could read it",
			path);
	else
		cli_say("%s: %s", path, err == CH_ERR_LIMIT ? "too long" : strerror(errno));
	return CLI_IO;
}

int op_passphrase_of(struct ch_buf *to, const char *path, const char *file)
{
	char prompt[512];
	if (file != NULL) {
		int code = read_private(to, file, OP_SECRET_MAX);
		if (code < 0 && to->n > 0 && to->p[to->n - 1] == '\n')
			to->n--;
		return code;
	}
	struct ch_wr w = ch_wr(prompt, sizeof(prompt) - 1);
	ch_wr_str(&w, "Passphrase of ");
	cli_put_escaped(&w, ch_span_str(path));
	ch_wr_str(&w, ": ");
	prompt[w.len] = '\0';
	if (op_secret_ask(prompt, to))
		return -1;
	cli_say("%s is encrypted and there is no terminal to ask at: name a file with its passphrase in the configuration "
		"(passphrase_file)",
		path);
	return CLI_IO;
}

static int decrypt(struct op_signer *s, const char *passphrase_file)
{
	CH_AUTO_BUF struct ch_buf secret = { 0 };
	CH_AUTO_BUF struct ch_buf sealed = s->pem;
	s->pem = (struct ch_buf){ 0 };
	int code = op_passphrase_of(&secret, s->name, passphrase_file);
	enum ch_err err = code < 0 ? ch_sign_pem_decrypt(&s->pem, ch_buf_span(&sealed), ch_buf_span(&secret)) : CH_OK;
	ch_wipe(secret.p, secret.cap);
	if (err == CH_ERR_UNTRUSTED)
		cli_say("%s: wrong passphrase", s->name);
	else if (err != CH_OK)
		cli_say("%s: no encrypted private key that can be read (PEM, PKCS #8): %s", s->name, ch_err_str(err));
	return err == CH_OK ? code : CLI_IO;
}

static bool has_line(struct ch_span text, const char *line)
{
	struct ch_span want = ch_span_str(line);
	for (size_t i = 0; i + want.n <= text.n; i++) {
		if ((i == 0 || text.p[i - 1] == '\n') && ch_span_starts(ch_span_sub(text, i, text.n - i), want))
			return true;
	}
	return false;
}

int op_signer_take(struct op_signer *s, const char *name, struct ch_buf *pem, const char *passphrase_file)
{
	int code = -1;
	s->name = name;
	s->pem = *pem;
	*pem = (struct ch_buf){ 0 };
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL does not offer the algorithms that are needed");
		return CLI_IO;
	}
	if (has_line(ch_buf_span(&s->pem), "-----BEGIN ENCRYPTED PRIVATE KEY-----"))
		code = decrypt(s, passphrase_file);
	return code;
}

static int open_file(struct op_signer *s, const char *passphrase_file)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	int code = read_private(&pem, s->name, KEY_FILE_MAX);
	return code < 0 ? op_signer_take(s, s->name, &pem, passphrase_file) : code;
}

/* --- a token --- */

static bool ask_pin(void *ctx, const char *label, struct ch_buf *pin)
{
	char prompt[256];
	(void)ctx;
	(void)snprintf(prompt, sizeof(prompt), "PIN of token \"%s\": ", label);
	return op_secret_ask(prompt, pin);
}

static int open_token(struct op_signer *s, const char *uri)
{
	struct ch_p11_uri u;
	struct ch_p11_why why = { "" };
	struct ch_diag d;
	s->name = "the token";
	enum ch_err err = ch_p11_uri_parse(&u, ch_span_str(uri), &d);
	if (err != CH_OK) {
		/* The URI is not shown: it may be one with a PIN in it. */
		cli_say("the PKCS #11 URI of the key, byte %zu: %s", d.off, d.rule);
		return CLI_USAGE;
	}
	err = ch_p11_key_open(&s->token, &u, &(struct ch_p11_ask){ .pin = ask_pin }, &why);
	if (err == CH_OK)
		return -1;
	cli_say("%s", why.text);
	return CLI_IO;
}

static bool token_sign(void *ctx, const uint8_t digest[static 32], uint8_t rs[static 64])
{
	struct op_signer *s = ctx;
	struct ch_p11_why why = { "" };
	if (ch_p11_sign(s->token, digest, rs, &why) == CH_OK)
		return true;
	cli_say("%s", why.text);
	return false;
}

bool op_signer_of_cert(const struct op_signer *s, struct ch_span cert_pem)
{
	static uint8_t der[CH_CERT_MAX];
	static struct ch_x509 x;
	size_t off = 0, n;
	return s->token == NULL ||
	       (ch_pem_next(cert_pem, &off, "CERTIFICATE", der, sizeof(der), &n, NULL) == CH_OK &&
		ch_x509_parse(&x, ch_span(der, n), NULL) == CH_OK && ch_spki_same(&x.pub, ch_p11_key_pub(s->token)));
}

/* --- either --- */

int op_signer_open(struct op_signer *s, const char *name, const char *passphrase)
{
	s->name = name;
	if (ch_crypto_openssl_init() != CH_OK) {
		cli_say("OpenSSL does not offer the algorithms that are needed");
		return CLI_IO;
	}
	return op_signer_is_token(name) ? open_token(s, name) : open_file(s, passphrase);
}

void op_signer_clear(struct op_signer *s)
{
	ch_p11_key_close(s->token);
	ch_wipe(s->pem.p, s->pem.cap);
	ch_buf_free(&s->pem);
	*s = (struct op_signer){ 0 };
}

void op_signer_tls(struct op_signer *s, struct ch_tls_client_conf *conf)
{
	conf->key_pem = ch_buf_span(&s->pem);
	conf->sign = s->token != NULL ? token_sign : NULL;
	conf->sign_ctx = s;
}

static int load(const struct op_signer *s, struct ch_sign_key *key)
{
	enum ch_err err = ch_sign_key_from_pem(key, ch_buf_span(&s->pem));
	if (err == CH_OK)
		return -1;
	cli_say("%s: no private key that can sign (PEM, PKCS #8; P-256 or Ed25519): %s", s->name, ch_err_str(err));
	return CLI_IO;
}

int op_signer_pub(struct op_signer *s, struct ch_pubkey *pub)
{
	struct ch_sign_key key = { 0 };
	uint8_t der[CH_SPKI_MAX];
	struct ch_wr w = ch_wr(der, sizeof(der));
	if (s->token != NULL) {
		if (ch_spki_put(&w, ch_p11_key_pub(s->token)) && ch_pubkey_from_der(pub, ch_wr_span(&w)) == CH_OK)
			return -1;
		cli_say("%s: its public key is not valid", s->name);
		return CLI_IO;
	}
	int code = load(s, &key);
	if (code < 0 && ch_sign_key_pub(&key, pub) != CH_OK) {
		cli_say("%s: it has no public half", s->name);
		code = CLI_IO;
	}
	ch_sign_key_clear(&key);
	return code;
}

int op_signer_sign(struct op_signer *s, struct ch_span message, uint8_t sig[static CH_SIGN_BYTES])
{
	struct ch_sign_key key = { 0 };
	struct ch_digest h;
	if (s->token != NULL)
		return ch_hash_once(CH_HASH_SHA256, message, &h) == CH_OK && token_sign(s, h.b, sig) ? -1 : CLI_IO;
	int code = load(s, &key);
	if (code < 0 && ch_sign_message(&key, message, sig) != CH_OK) {
		cli_say("%s: the key does not sign", s->name);
		code = CLI_IO;
	}
	ch_sign_key_clear(&key);
	return code;
}
