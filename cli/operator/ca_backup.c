/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/ca_backup.h"

#include "cli/operator/ca.h"
#include "cli/operator/files.h"
#include "cli/operator/seal.h"

#include "host/base/replace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_ROOM 128

struct backup_ask {
	struct op_ceremony c;
	const char *seal, *out, *check;
};

static void name_of(char to[static NAME_ROOM], const struct ch_ca_file *f)
{
	(void)snprintf(to, NAME_ROOM, "%.*s", (int)f->name.n, (const char *)f->name.p);
}

int ca_backup_certs(struct op_certs *to, const struct ch_ca_file *f)
{
	char name[NAME_ROOM];
	name_of(name, f);
	return op_certs_take(to, f->bytes, name);
}

/* --- what is in it --- */

static int refused(const struct ch_ca_file *f, const char *what)
{
	char name[NAME_ROOM];
	name_of(name, f);
	cli_say("%s: %s", name, what);
	return CLI_FAILS;
}

/* "root-1.key" → "root-1.crt", "state/signer/earlier-KID.key" → "earlier_cas/KID.crt". */
static const struct ch_ca_file *cert_of(const struct ch_ca_backup *b, const struct ch_ca_file *key)
{
	static const char earlier[] = "state/signer/earlier-";
	char name[NAME_ROOM];
	struct ch_span stem = ch_span_sub(key->name, 0, key->name.n - 4);
	bool is_earlier = ch_span_starts(stem, ch_span_str(earlier));
	if (is_earlier)
		stem = ch_span_sub(stem, sizeof(earlier) - 1, stem.n - (sizeof(earlier) - 1));
	(void)snprintf(name, sizeof(name), "%s%.*s.crt", is_earlier ? "earlier_cas/" : "", (int)stem.n,
		       (const char *)stem.p);
	return ch_ca_backup_find(b, ch_span_str(name));
}

/* The private key of the file: of whatever kind, opened. NULL after a message. */
static EVP_PKEY *key_of(const struct ch_ca_file *f, const char *passphrase, int *code)
{
	struct op_signer s = { .name = NULL };
	struct ch_buf pem = { 0 };
	char name[NAME_ROOM], none[] = "";
	EVP_PKEY *key = NULL;
	name_of(name, f);
	ch_buf_append(&pem, f->bytes);
	*code = op_signer_take(&s, name, &pem, passphrase);
	BIO *in = *code < 0 ? BIO_new_mem_buf(s.pem.p, (int)s.pem.n) : NULL;
	if (in != NULL)
		key = PEM_read_bio_PrivateKey(in, NULL, NULL, none);
	BIO_free(in);
	op_signer_clear(&s);
	/* That its two halves belong together, whatever it says of the public one. */
	EVP_PKEY_CTX *ctx = key != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	bool good = ctx != NULL && EVP_PKEY_pairwise_check(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	if (good)
		return key;
	EVP_PKEY_free(key);
	if (*code < 0)
		*code = refused(f, "no private key (PEM, PKCS #8), or its halves do not belong together");
	return NULL;
}

static void label(struct ch_wr *to, const struct ch_ca_file *f)
{
	cli_put_escaped(to, f->name);
	ch_wr_str(to, "\n");
}

static int check_key(struct ch_wr *to, const struct ch_ca_backup *b, const struct ch_ca_file *f, const char *passphrase)
{
	OP_AUTO_CERTS struct op_certs certs = { 0 };
	const struct ch_ca_file *of = f->kind != CH_CA_FILE_OTHER_KEY ? cert_of(b, f) : NULL;
	char print[65];
	int code = -1;
	EVP_PKEY *key = key_of(f, passphrase, &code);
	if (key == NULL)
		return code;
	op_key_fingerprint(print, key);
	if (f->kind != CH_CA_FILE_OTHER_KEY && of == NULL)
		code = refused(f, "there is no certificate of this key");
	if (code < 0 && of != NULL)
		code = ca_backup_certs(&certs, of);
	if (code < 0 && of != NULL && EVP_PKEY_eq(X509_get0_pubkey(certs.v[0]), key) != 1)
		code = refused(f, "not the key of its certificate");
	EVP_PKEY_free(key);
	if (code >= 0)
		return code;
	label(to, f);
	cli_field(to, of != NULL ? "key of its cert" : "key", CLI_GOOD, print);
	return -1;
}

/* The name of a PIN's file is nobody's business: the query stays away. */
static int show_uri(struct ch_wr *to, const struct ch_ca_file *f)
{
	char uri[300];
	size_t n = 0;
	while (n < f->bytes.n && n < sizeof(uri) - 1 && f->bytes.p[n] != '?' && f->bytes.p[n] > ' ')
		n++;
	(void)snprintf(uri, sizeof(uri), "%.*s", (int)n, (const char *)f->bytes.p);
	if (strncmp(uri, "pkcs11:", 7) != 0)
		return refused(f, "no PKCS #11 URI");
	label(to, f);
	cli_field(to, "in a token", CLI_WARN, uri);
	cli_field(to, "", CLI_WARN, "the key itself is not in this backup: it has that of its token, or none");
	return -1;
}

static int show_certs(struct ch_wr *to, const struct ch_ca_file *f)
{
	OP_AUTO_CERTS struct op_certs certs = { 0 };
	char name[300], print[65];
	int code = ca_backup_certs(&certs, f);
	if (code >= 0)
		return code;
	label(to, f);
	for (size_t i = 0; i < certs.count; i++) {
		op_cert_name(name, certs.v[i]);
		op_cert_fingerprint(print, certs.v[i]);
		cli_field(to, op_cert_is_root(certs.v[i]) ? "root" : "certificate", CLI_PLAIN, name);
		cli_field(to, "SHA-256", CLI_PLAIN, print);
	}
	return -1;
}

int ca_backup_list(struct op_crls *to, const struct ch_ca_file *f)
{
	char name[NAME_ROOM];
	name_of(name, f);
	int code = op_crls_take(to, f->bytes, name);
	return code < 0 && to->count != 1 ? refused(f, "more than one list") : code;
}

/* Of a CA whose certificate is in the backup. */
static int show_list(struct ch_wr *to, const struct ch_ca_backup *b, const struct ch_ca_file *f)
{
	OP_AUTO_CRLS struct op_crls list = { .count = 0 };
	char text[96];
	bool ours = false;
	int code = ca_backup_list(&list, f);
	for (size_t i = 0; code < 0 && i < b->count; i++) {
		OP_AUTO_CERTS struct op_certs certs = { 0 };
		code = b->file[i].kind == CH_CA_FILE_CERTIFICATE ? ca_backup_certs(&certs, &b->file[i]) : -1;
		for (size_t k = 0; code < 0 && k < certs.count; k++)
			ours = ours || op_crl_is_by(&list.v[0], certs.v[k]);
	}
	if (code < 0 && !ours)
		code = refused(f, "no CA of this folder signed it");
	if (code >= 0)
		return code;
	label(to, f);
	(void)snprintf(text, sizeof(text), "number %llu, %zu certificates", (unsigned long long)list.v[0].number,
		       list.v[0].crl.count);
	cli_field(to, "revoked", CLI_PLAIN, text);
	return -1;
}

/* What its name says that it is. */
static int show_file(struct ch_wr *to, const struct ch_ca_backup *b, const struct ch_ca_file *f, const char *passphrase)
{
	char text[64];
	switch (f->kind) {
	case CH_CA_FILE_CERTIFICATE:
		return show_certs(to, f);
	case CH_CA_FILE_KEY:
	case CH_CA_FILE_KEY_IN_USE:
	case CH_CA_FILE_OTHER_KEY:
		return check_key(to, b, f, passphrase);
	case CH_CA_FILE_URI:
	case CH_CA_FILE_URI_IN_USE:
		return show_uri(to, f);
	case CH_CA_FILE_REVOKED:
		label(to, f);
		(void)snprintf(text, sizeof(text), "what is revoked: %zu bytes", f->bytes.n);
		cli_field(to, "", CLI_PLAIN, text);
		return -1;
	case CH_CA_FILE_LIST:
		return show_list(to, b, f);
	case CH_CA_FILE_TRANSCRIPT:
		label(to, f);
		return -1;
	case CH_CA_FILE_NONE:
	default:
		return CLI_FAILS;
	}
}

static bool has(const struct ch_ca_backup *b, const char *stem, const char *ending)
{
	char name[2 * NAME_ROOM];
	(void)snprintf(name, sizeof(name), "%s%s", stem, ending);
	return ch_ca_backup_find(b, ch_span_str(name)) != NULL;
}

static bool can_issue(const struct ch_ca_backup *b, const char *stem)
{
	return has(b, stem, ".crt") && (has(b, stem, ".key") || has(b, stem, ".uri"));
}

static int check_root(const struct ch_ca_backup *b)
{
	char stem[NAME_ROOM];
	unsigned n = 0;
	do
		(void)snprintf(stem, sizeof(stem), "root-%u", ++n);
	while (has(b, stem, ".crt"));
	(void)snprintf(stem, sizeof(stem), "root-%u", n - 1);
	if (n > 1 && can_issue(b, stem))
		return -1;
	cli_say("the newest root is not whole: its key is not there");
	return CLI_FAILS;
}

static int check_server(const struct ch_ca_backup *b)
{
	OP_AUTO_CERTS struct op_certs one = { 0 }, all = { 0 };
	const struct ch_ca_file *in_use = ch_ca_backup_find(b, CH_SPAN_LIT("state/signer/ca.crt"));
	const struct ch_ca_file *trust = ch_ca_backup_find(b, CH_SPAN_LIT("ca.crt"));
	if (in_use == NULL || trust == NULL || !can_issue(b, "state/signer/ca")) {
		cli_say("the issuing CA is not whole: its key or certificate is not there");
		return CLI_FAILS;
	}
	int code = ca_backup_certs(&one, in_use);
	if (code < 0)
		code = ca_backup_certs(&all, trust);
	if (code < 0 && X509_cmp(one.v[0], all.v[0]) != 0)
		code = refused(
			trust,
			"its first certificate is not that of the issuing CA: an install was interrupted, chainhold ca install goes on");
	return code;
}

int ca_backup_check(const struct ch_ca_backup *b, const char *passphrase)
{
	struct ch_wr *to = cli_out();
	int code = b->of == CH_CA_BACKUP_ROOT ? check_root(b) : check_server(b);
	if (code >= 0)
		return code;
	cli_put(to, CLI_HEAD,
		b->of == CH_CA_BACKUP_ROOT ? "The folder of an offline root" : "The issuing CA of a server");
	ch_wr_str(to, "\n");
	for (size_t i = 0; code < 0 && i < b->count; i++)
		code = show_file(to, b, &b->file[i], passphrase);
	if (code < 0 && b->of == CH_CA_BACKUP_SERVER)
		ch_wr_str(to, "The log's key and tree are not in it: a log that goes on from a copy forks.\n");
	ch_wr_str(to, "\n");
	return code;
}

/* --- opening one --- */

int ca_backup_open(struct ca_backup *c, const char *path, const char *seal)
{
	CH_AUTO_BUF struct ch_buf sealed = { 0 }, passphrase = { 0 };
	struct ch_diag d;
	c->path = path;
	int code = cli_read(&sealed, path);
	if (code < 0)
		code = op_passphrase_of(&passphrase, path, seal);
	if (code >= 0)
		return code;
	enum ch_err err = op_unseal(&c->content, ch_buf_span(&sealed), ch_buf_span(&passphrase), CH_CA_BACKUP_MAX);
	ch_wipe(passphrase.p, passphrase.cap);
	if (err != CH_OK) {
		cli_say("%s: %s", path,
			err == CH_ERR_UNTRUSTED   ? "the passphrase does not open it"
			: err == CH_ERR_SIGNATURE ? "it was changed since it was sealed, or is damaged"
						  : "no backup that chainhold ca backup made");
		return CLI_FAILS;
	}
	err = ch_ca_backup_parse(&c->b, ch_buf_span(&c->content), &d);
	return err == CH_OK ? -1 : cli_refused(path, NULL, err, &d);
}

void ca_backup_clear(struct ca_backup *c)
{
	ch_wipe(c->content.p, c->content.cap);
	ch_buf_free(&c->content);
	c->b.count = 0;
}

/* --- making one --- */

/* What is read of the folder, under names of its own. */
struct collected {
	char name[CH_CA_BACKUP_FILES_MAX][NAME_ROOM];
	struct ch_buf bytes[CH_CA_BACKUP_FILES_MAX];
	struct ch_ca_backup b;
};

static void collected_free(struct collected *all)
{
	for (size_t i = 0; i < all->b.count; i++) {
		ch_wipe(all->bytes[i].p, all->bytes[i].cap);
		ch_buf_free(&all->bytes[i]);
	}
	all->b.count = 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_secret(enum ch_ca_file_kind kind)
{
	return kind == CH_CA_FILE_KEY || kind == CH_CA_FILE_KEY_IN_USE || kind == CH_CA_FILE_OTHER_KEY;
}

/* The names of what belongs to a backup in one of its folders. */
static int list(const struct op_ceremony *c, const char *folder, struct collected *all)
{
	bool top = strcmp(folder, ".") == 0;
	if (!op_ceremony_has(c, folder))
		return -1;
	DIR *d = fdopendir(openat(c->dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
	if (d == NULL) {
		cli_say("%s/%s: %s", c->folder, folder, strerror(errno));
		return CLI_IO;
	}
	bool room = true;
	for (const struct dirent *e; room && (e = readdir(d)) != NULL;) {
		char name[NAME_ROOM];
		int n = snprintf(name, sizeof(name), "%s%s%s", top ? "" : folder, top ? "" : "/", e->d_name);
		if (n <= 0 || (size_t)n >= sizeof(name) ||
		    ch_ca_file_kind(all->b.of, ch_span_str(name)) == CH_CA_FILE_NONE)
			continue;
		room = all->b.count < CH_CA_BACKUP_FILES_MAX;
		if (room)
			(void)snprintf(all->name[all->b.count++], NAME_ROOM, "%s", name);
	}
	(void)closedir(d);
	if (room)
		return -1;
	cli_say("%s has more files than a backup takes", c->folder);
	return CLI_FAILS;
}

static int read_one(const struct op_ceremony *c, struct collected *all, size_t i)
{
	struct ch_ca_file *f = &all->b.file[i];
	f->name = ch_span_str(all->name[i]);
	f->kind = ch_ca_file_kind(all->b.of, f->name);
	int code = -1;
	if (is_secret(f->kind)) {
		code = op_ceremony_secret(c, all->name[i], &all->bytes[i]);
	} else if (ch_file_read_at(&all->bytes[i], c->dir, all->name[i], CH_CRL_MAX) != CH_OK) {
		cli_say("%s/%s: %s", c->folder, all->name[i], strerror(errno));
		code = CLI_IO;
	}
	f->bytes = ch_buf_span(&all->bytes[i]);
	return code;
}

static int collect(const struct op_ceremony *c, enum ch_ca_backup_of of, struct collected *all)
{
	static const char *const folder[] = {
		".", "issued", "earlier_cas", "root_lists", "state/signer", "transcript"
	};
	int code = -1;
	collected_free(all);
	all->b.of = of;
	for (size_t i = 0; code < 0 && i < CH_COUNT_OF(folder); i++)
		code = list(c, folder[i], all);
	qsort(all->name, all->b.count, NAME_ROOM, by_name);
	for (size_t i = 0; code < 0 && i < all->b.count; i++)
		code = read_one(c, all, i);
	return code;
}

static int write_transcript(const struct backup_ask *a, const struct ch_ca_backup *b)
{
	struct op_transcript t;
	char name[NAME_ROOM];
	op_transcript_begin(&t, &a->c, "backup");
	op_transcript_put(&t, "sealed as", a->out);
	for (size_t i = 0; i < b->count; i++) {
		name_of(name, &b->file[i]);
		if (is_secret(b->file[i].kind))
			op_transcript_put(&t, "private key", name);
		else if (b->file[i].kind == CH_CA_FILE_URI || b->file[i].kind == CH_CA_FILE_URI_IN_USE)
			op_transcript_put(&t, "in a token, not in the backup", name);
	}
	return op_transcript_end(&t, &a->c, "");
}

static int seal(const struct backup_ask *a, const struct ch_ca_backup *b, struct ch_span passphrase)
{
	CH_AUTO_BUF struct ch_buf content = { 0 }, sealed = { 0 };
	size_t size = ch_ca_backup_size(b);
	struct ch_wr w = ch_wr(ch_buf_room(&content, size), size);
	bool good = size <= CH_CA_BACKUP_MAX && ch_ca_backup_put(&w, b) == CH_OK &&
		    op_seal(&sealed, ch_wr_span(&w), passphrase);
	ch_wipe(content.p, content.cap);
	if (good)
		return op_file_make_whole(a->out, ch_buf_span(&sealed));
	cli_say("it could not be sealed: %zu bytes", size);
	return CLI_IO;
}

static int make(struct backup_ask *a)
{
	static struct collected all;
	CH_AUTO_BUF struct ch_buf passphrase = { 0 };
	int code = op_ceremony_open(&a->c);
	if (code >= 0)
		return code;
	enum ch_ca_backup_of of = op_ceremony_has(&a->c, "chainholdd.yaml") ? CH_CA_BACKUP_SERVER
				  : op_ceremony_has(&a->c, "root-1.crt")    ? CH_CA_BACKUP_ROOT
									    : CH_CA_BACKUP_NONE;
	if (of == CH_CA_BACKUP_NONE) {
		cli_say("%s: neither a root's folder (chainhold ca init) nor a server's (chainhold init)", a->c.folder);
		return CLI_FAILS;
	}
	if (access(a->out, F_OK) == 0) {
		cli_say("%s is there already", a->out);
		return CLI_IO;
	}
	code = collect(&a->c, of, &all);
	if (code < 0)
		code = ca_backup_check(&all.b, a->c.passphrase);
	if (code < 0)
		code = op_passphrase_new(a->seal, "Passphrase for the backup: ", &passphrase);
	/* The transcript of the backup is in it. */
	if (code < 0)
		code = write_transcript(a, &all.b);
	if (code <= CLI_HOLDS)
		code = collect(&a->c, of, &all);
	if (code < 0)
		code = seal(a, &all.b, ch_buf_span(&passphrase));
	ch_wipe(passphrase.p, passphrase.cap);
	collected_free(&all);
	if (code >= 0)
		return code;
	struct ch_wr *w = cli_out();
	ch_wr_str(w, "Sealed as ");
	cli_put_escaped(w, ch_span_str(a->out));
	ch_wr_str(
		w,
		"\nNext: chainhold ca backup --check FILE where it is to be kept, and its passphrase somewhere else\n");
	return cli_out_end(CLI_HOLDS);
}

static int check(const struct backup_ask *a)
{
	static struct ca_backup c;
	int code = ca_backup_open(&c, a->check, a->seal);
	if (code < 0)
		code = ca_backup_check(&c.b, a->c.passphrase);
	ca_backup_clear(&c);
	if (code >= 0)
		return code;
	cli_put(cli_out(), CLI_GOOD, "whole");
	ch_wr_str(cli_out(), ": every key is that of its certificate\n");
	return cli_out_end(CLI_HOLDS);
}

int cmd_ca_backup(int argc, char **argv)
{
	struct backup_ask a = { .c = { .folder = NULL } };
	size_t files = 0;
	const struct cli_opt opt[] = {
		{ "out", "FILE", "the new file with the backup", CLI_VALUE, (void *)&a.out },
		{ "seal", "FILE", "a file with the passphrase of the backup; else it is asked for", CLI_VALUE,
		  (void *)&a.seal },
		{ "passphrase", "FILE", "a file with the passphrase of the root's key files; else it is asked for",
		  CLI_VALUE, (void *)&a.c.passphrase },
		{ "by", "NAME", "who takes part, for the transcript; may be repeated", CLI_VALUES, &a.c.people },
		{ "check", "FILE", "open a backup, verify it, say what is in it, change nothing", CLI_VALUE,
		  (void *)&a.check },
	};
	const struct cli_usage u = {
		.args = "[--seal FILE] [--passphrase FILE] [--by NAME]… --out FILE DIR | --check FILE",
		.about =
			"Seals the folder of an offline root, or the certification authorities of the server whose folder is DIR, into one\n"
			"file under a passphrase. Every key is held against its certificate first. A key in a token cannot leave it: the backup has\n"
			"its URI and all the rest. A server's log is not in it. `openssl cms -decrypt -inform PEM -pwri_password …` gives a tar.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a.c.folder,
		.file_min = 0,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, &files);
	if (code >= 0)
		return code;
	if (a.check != NULL && files == 0 && a.out == NULL)
		return check(&a);
	if (a.check == NULL && files == 1 && a.out != NULL)
		return make(&a);
	cli_say("name the folder, and the new file with --out; or a backup with --check");
	return CLI_USAGE;
}
