/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/ceremony.h"

#include "cli/operator/files.h"
#include "cli/operator/secret.h"

#include "core/base/text.h"
#include "core/platform/spki.h"
#include "core/wire/der.h"
#include "host/base/replace.h"
#include "host/net/extern_key.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define URI_FILE_MAX   4096
#define SECRET_MAX     16384
#define TRANSCRIPTS    9999
#define TRANSCRIPT_MAX 65536
#define FOLDER         "transcript"

static int failed(const struct op_ceremony *c, const char *name)
{
	cli_say("%s/%s: %s", c->folder, name, strerror(errno));
	return CLI_IO;
}

int op_ceremony_open(struct op_ceremony *c)
{
	c->dir = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir >= 0)
		return -1;
	cli_say("%s: %s", c->folder, strerror(errno));
	return CLI_IO;
}

int op_ceremony_path(char to[static OP_PATH_MAX], const struct op_ceremony *c, const char *name)
{
	int n = snprintf(to, OP_PATH_MAX, "%s/%s", c->folder, name);
	if (n > 0 && n < OP_PATH_MAX)
		return -1;
	cli_say("the name of the folder is too long");
	return CLI_USAGE;
}

int op_ceremony_certs(const struct op_ceremony *c, const char *name, struct op_certs *to)
{
	char path[OP_PATH_MAX];
	int code = op_ceremony_path(path, c, name);
	return code < 0 ? op_certs_read(to, path) : code;
}

bool op_ceremony_has(const struct op_ceremony *c, const char *name)
{
	struct stat st;
	return fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int op_ceremony_put(const struct op_ceremony *c, const char *name, bool is_public, struct ch_span bytes)
{
	char folder[OP_PATH_MAX];
	const char *slash = strrchr(name, '/'), *file = slash != NULL ? slash + 1 : name;
	(void)snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - name) : 1,
		       slash != NULL ? name : ".");
	int dir = openat(c->dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return failed(c, folder);
	/* Made for its owner only; whoever may read more of it is told afterwards. The owner of a server's folder is its process. */
	struct stat st;
	bool good = ch_file_replace(dir, file, bytes) == CH_OK && (!is_public || fchmodat(dir, file, 0644, 0) == 0) &&
		    fstat(dir, &st) == 0 &&
		    (geteuid() != 0 || fchownat(dir, file, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) == 0);
	int code = good ? -1 : failed(c, name);
	(void)close(dir);
	return code;
}

int op_ceremony_secret(const struct op_ceremony *c, const char *name, struct ch_buf *to)
{
	char folder[OP_PATH_MAX];
	const char *slash = strrchr(name, '/');
	struct stat st, in;
	(void)snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - name) : 1,
		       slash != NULL ? name : ".");
	if (fstatat(c->dir, folder, &in, 0) != 0 || fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return failed(c, name);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0 ||
	    (st.st_uid != 0 && st.st_uid != geteuid() && (geteuid() != 0 || st.st_uid != in.st_uid))) {
		cli_say("%s/%s: others have rights to this key (chmod 600); if they could read it, it is nobody's secret: make another",
			c->folder, name);
		return CLI_IO;
	}
	return ch_file_read_at(to, c->dir, name, SECRET_MAX) == CH_OK ? -1 : failed(c, name);
}

/* --- keys --- */

static int ask_twice(const char *prompt, struct ch_buf *to)
{
	CH_AUTO_BUF struct ch_buf again = { 0 };
	bool good = op_secret_ask(prompt, to) && op_secret_ask("The same once more: ", &again);
	bool same = good && to->n > 0 && ch_span_eq(ch_buf_span(to), ch_buf_span(&again));
	ch_wipe(again.p, again.cap);
	if (same)
		return -1;
	cli_say(good ? "the two are not the same, or empty: nothing was made"
		     : "there is no terminal to ask for a passphrase at: name a file with it");
	return CLI_USAGE;
}

int op_passphrase_new(const char *file, const char *prompt, struct ch_buf *to)
{
	if (file == NULL)
		return ask_twice(prompt, to);
	if (ch_file_read_private(to, file, OP_SECRET_MAX) != CH_OK) {
		cli_say("%s: a passphrase is in a file of yours to which nobody else has rights", file);
		return CLI_IO;
	}
	if (to->n > 0 && to->p[to->n - 1] == '\n')
		to->n--;
	if (to->n > 0)
		return -1;
	cli_say("%s: there is no passphrase in it", file);
	return CLI_USAGE;
}

static int make_file(const struct op_ceremony *c, const char *file)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 }, secret = { 0 };
	int code = c->plain ? -1 : op_passphrase_new(c->passphrase, "Passphrase for the new key: ", &secret);
	if (code >= 0)
		return code;
	EVP_PKEY *key = op_key_new(OP_KEY_P256);
	bool good =
		key != NULL && (c->plain ? op_key_pem(&pem, key) : op_key_pem_sealed(&pem, key, ch_buf_span(&secret)));
	EVP_PKEY_free(key);
	ch_wipe(secret.p, secret.cap);
	code = good ? op_ceremony_put(c, file, false, ch_buf_span(&pem)) : CLI_IO;
	ch_wipe(pem.p, pem.cap);
	if (!good)
		cli_say("OpenSSL makes no key");
	return code;
}

static bool ask_pin(void *ctx, const char *label, struct ch_buf *pin)
{
	char prompt[256];
	(void)ctx;
	(void)snprintf(prompt, sizeof(prompt), "PIN of token \"%s\": ", label);
	return op_secret_ask(prompt, pin);
}

/* A URI is one line. -1 to go on. */
static int read_uri(const struct op_ceremony *c, const char *file, struct ch_buf *uri)
{
	enum ch_err err = ch_file_read_at(uri, c->dir, file, URI_FILE_MAX);
	if (err != CH_OK)
		return failed(c, file);
	ch_buf_append(uri, CH_SPAN_LIT("\0"));
	return -1;
}

/* The URI is written down first: what was interrupted after the token made the key goes on with that key. */
static int make_in_token(const struct op_ceremony *c, const char *file)
{
	static struct ch_p11_uri u;
	CH_AUTO_BUF struct ch_buf uri = { 0 };
	struct ch_p11_why why = { "" };
	struct ch_diag d;
	bool resumed = op_ceremony_has(c, file);
	int code = resumed ? read_uri(c, file, &uri) : -1;
	if (code >= 0)
		return code;
	const char *text = resumed ? (const char *)uri.p : c->key;
	if (c->key != NULL && strcmp(c->key, text) != 0) {
		cli_say("%s/%s names another key: go on with that one, or remove the file", c->folder, file);
		return CLI_FAILS;
	}
	if (ch_p11_uri_parse(&u, ch_span_str(text), &d) != CH_OK) {
		/* The URI is not shown: it may be one with a PIN in it. */
		cli_say("the PKCS #11 URI of the key, byte %zu: %s", d.off, d.rule);
		return CLI_USAGE;
	}
	code = resumed ? -1 : op_ceremony_put(c, file, false, ch_span_str(text));
	if (code >= 0)
		return code;
	enum ch_err err = ch_p11_key_generate(&u, &(struct ch_p11_ask){ .pin = ask_pin }, &why);
	if (err == CH_OK || (resumed && err == CH_ERR_DUPLICATE))
		return -1;
	cli_say("%s", why.text);
	/* Nothing was made under this name: the next try may name another. */
	if (!resumed && unlinkat(c->dir, file, 0) != 0)
		return failed(c, file);
	return CLI_IO;
}

/* "NAME.key" or "NAME.uri". */
static void file_of(char to[static 128], const char *name, const char *ending)
{
	(void)snprintf(to, 128, "%s.%s", name, ending);
}

int op_ca_key_make(const struct op_ceremony *c, const char *name)
{
	char file[128], uri[128];
	file_of(file, name, "key");
	file_of(uri, name, "uri");
	if (op_ceremony_has(c, file) && (c->key != NULL || op_ceremony_has(c, uri))) {
		cli_say("%s/%s is there: go on without --key, or remove it", c->folder, file);
		return CLI_FAILS;
	}
	if (op_ceremony_has(c, file))
		return -1;
	return c->key != NULL || op_ceremony_has(c, uri) ? make_in_token(c, uri) : make_file(c, file);
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

static EVP_PKEY *key_of_token(struct op_signer *s)
{
	uint8_t der[CH_SPKI_MAX];
	const uint8_t *p = der;
	struct ch_wr w = ch_wr(der, sizeof(der));
	if (!ch_spki_put(&w, ch_p11_key_pub(s->token)))
		return NULL;
	EVP_PKEY *public = d2i_PUBKEY(NULL, &p, (long)w.len);
	EVP_PKEY *key = public != NULL ? ch_extern_key_new(public, token_sign, s) : NULL;
	EVP_PKEY_free(public);
	return key;
}

static EVP_PKEY *key_of_file(const struct op_signer *s)
{
	char none[] = "";
	BIO *in = BIO_new_mem_buf(s->pem.p, (int)s->pem.n);
	EVP_PKEY *key = in != NULL ? PEM_read_bio_PrivateKey(in, NULL, NULL, none) : NULL;
	BIO_free(in);
	return key != NULL && EVP_PKEY_is_a(key, "EC") ? key : NULL;
}

int op_ca_key_open(struct op_ca_key *k, const struct op_ceremony *c, const char *name)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	char file[128];
	file_of(file, name, "uri");
	bool token = op_ceremony_has(c, file);
	if (!token)
		file_of(file, name, "key");
	int code = op_ceremony_path(k->path, c, file);
	if (code < 0)
		code = token ? read_uri(c, file, &k->uri) : op_ceremony_secret(c, file, &pem);
	if (code < 0)
		code = token ? op_signer_open(&k->signer, (const char *)k->uri.p, NULL)
			     : op_signer_take(&k->signer, k->path, &pem, c->passphrase);
	if (code >= 0)
		return code;
	k->key = token ? key_of_token(&k->signer) : key_of_file(&k->signer);
	/* The name of a PIN's file is nobody's business: the query stays away. */
	(void)snprintf(k->place, sizeof(k->place), "%s%.*s", token ? "token " : "file ",
		       token ? (int)strcspn((const char *)k->uri.p, "?") : 250, token ? (const char *)k->uri.p : file);
	ERR_clear_error();
	if (k->key != NULL)
		return -1;
	cli_say("%s: no key of P-256 that OpenSSL takes", k->path);
	return CLI_IO;
}

void op_ca_key_clear(struct op_ca_key *k)
{
	EVP_PKEY_free(k->key);
	op_signer_clear(&k->signer);
	ch_buf_free(&k->uri);
	*k = (struct op_ca_key){ 0 };
}

/* --- the protocol --- */

void op_transcript_put(struct op_transcript *t, const char *name, const char *text)
{
	uint8_t line[2048];
	struct ch_wr w = ch_wr(line, sizeof(line) - 1);
	ch_wr_str(&w, name);
	ch_wr_str(&w, ": ");
	ch_text_escape(&w, ch_span_str(text));
	ch_buf_append(&t->text, ch_wr_span(&w));
	ch_buf_append(&t->text, CH_SPAN_LIT("\n"));
}

void op_transcript_time(struct op_transcript *t, const char *name, int64_t time)
{
	char text[64];
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	ch_time_put(&w, time);
	text[w.len] = '\0';
	op_transcript_put(t, name, text);
}

void op_transcript_begin(struct op_transcript *t, const struct op_ceremony *c, const char *word)
{
	char host[256] = "";
	*t = (struct op_transcript){ .word = word };
	(void)gethostname(host, sizeof(host) - 1);
	ch_buf_append(&t->text, CH_SPAN_LIT("chainhold-ca-transcript/v1\n"));
	op_transcript_put(t, "done", word);
	op_transcript_time(t, "time", (int64_t)time(NULL));
	op_transcript_put(t, "machine", host);
	for (size_t i = 0; i < c->people.count; i++)
		op_transcript_put(t, "by", c->people.v[i]);
}

void op_transcript_cert(struct op_transcript *t, const char *what, X509 *x)
{
	char name[300], print[65], key[65];
	struct tm from, to;
	op_cert_name(name, x);
	op_cert_fingerprint(print, x);
	op_key_fingerprint(key, X509_get0_pubkey(x));
	ch_buf_append(&t->text, CH_SPAN_LIT("\n"));
	op_transcript_put(t, what, name);
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *serial = n != NULL ? BN_bn2hex(n) : NULL;
	op_transcript_put(t, "serial number", serial != NULL ? serial : "");
	OPENSSL_free(serial);
	BN_free(n);
	if (ASN1_TIME_to_tm(X509_get0_notBefore(x), &from) == 1 && ASN1_TIME_to_tm(X509_get0_notAfter(x), &to) == 1) {
		op_transcript_time(t, "from", (int64_t)timegm(&from));
		op_transcript_time(t, "until", (int64_t)timegm(&to));
	}
	op_transcript_put(t, "certificate SHA-256", print);
	op_transcript_put(t, "key SHA-256", key);
}

/* The digest of the last text, so that none can be taken out unnoticed; `to` gets the name of the next. */
static int number_of(struct op_transcript *t, const struct op_ceremony *c, char to[static 128])
{
	CH_AUTO_BUF struct ch_buf before = { 0 };
	struct ch_digest h;
	char hex[65];
	unsigned next = 1;
	for (DIR *d = fdopendir(openat(c->dir, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); d != NULL; d = NULL) {
		char last[128] = "";
		for (const struct dirent *e; (e = readdir(d)) != NULL;) {
			unsigned long n = strtoul(e->d_name, NULL, 10);
			if (n < next || n > TRANSCRIPTS || strlen(e->d_name) > 100 || strstr(e->d_name, ".new") != NULL)
				continue;
			next = (unsigned)n + 1;
			(void)snprintf(last, sizeof(last), FOLDER "/%.100s", e->d_name);
		}
		(void)closedir(d);
		if (next > 1 && ch_file_read_at(&before, c->dir, last, TRANSCRIPT_MAX) != CH_OK)
			return failed(c, last);
	}
	(void)snprintf(to, 128, FOLDER "/%04u-%.40s.txt", next, t->word);
	if (ch_hash_once(CH_HASH_SHA256, ch_buf_span(&before), &h) != CH_OK)
		return CLI_IO;
	struct ch_wr w = ch_wr(hex, sizeof(hex) - 1);
	ch_wr_hex(&w, ch_digest_span(&h));
	hex[w.len] = '\0';
	if (next > 1)
		op_transcript_put(t, "transcript before SHA-256", hex);
	return -1;
}

int op_transcript_end(struct op_transcript *t, const struct op_ceremony *c, const char *next)
{
	char name[128];
	int code = op_ceremony_has(c, FOLDER) ? -1 : op_folder_make(c->dir, FOLDER, OP_PUBLIC);
	ch_buf_append(&t->text, CH_SPAN_LIT("\n"));
	if (code < 0)
		code = number_of(t, c, name);
	if (code < 0)
		code = op_ceremony_put(c, name, true, ch_buf_span(&t->text));
	if (code < 0) {
		struct ch_wr *w = cli_out();
		ch_wr_put(w, ch_buf_span(&t->text));
		ch_wr_str(w, "\nKept as ");
		cli_put_escaped(w, ch_span_str(c->folder));
		ch_wr_str(w, "/");
		ch_wr_str(w, name);
		ch_wr_str(w, "\n");
		ch_wr_str(w, next);
		code = cli_out_end(CLI_HOLDS);
	}
	ch_buf_free(&t->text);
	return code;
}
