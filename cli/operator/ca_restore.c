/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/ca.h"
#include "cli/operator/ca_backup.h"
#include "cli/operator/files.h"
#include "cli/operator/run.h"

#include "host/base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A backup is put back. Nothing of another history is overwritten, and what others hold of the CAs' later history (--seen) must be in it: a CA that went on after its
 * backup was made is not begun a second time. What is revoked is in its place before a key is.
 */

#define NAME_ROOM 128

struct restore {
	struct op_ceremony c;
	const char *seal, *passphrase;
	struct cli_values seen;
	bool fresh; /* a server that was never started: what init made gives way */
	struct ca_backup *from;
};

static void name_of(char to[static NAME_ROOM], const struct ch_ca_file *f)
{
	(void)snprintf(to, NAME_ROOM, "%.*s", (int)f->name.n, (const char *)f->name.p);
}

/* --- what others have seen --- */

/* True if a certificate of the backup is `x`, or (`by`) one that signed it. */
static int find_cert(const struct ch_ca_backup *b, X509 *x, bool by, bool *found)
{
	*found = false;
	for (size_t i = 0; i < b->count; i++) {
		OP_AUTO_CERTS struct op_certs certs = { 0 };
		int code = b->file[i].kind == CH_CA_FILE_CERTIFICATE ? ca_backup_certs(&certs, &b->file[i]) : -1;
		if (code >= 0)
			return code;
		for (size_t k = 0; k < certs.count; k++)
			*found = *found || (by ? op_cert_is_by(x, certs.v[k]) : X509_cmp(x, certs.v[k]) == 0);
	}
	return -1;
}

/* A CA that one of the backup's certified is in it: else the backup is from before it. */
static int check_cert(const struct ch_ca_backup *b, const char *path, X509 *x)
{
	bool ours = false, known = false;
	char name[300];
	int code = find_cert(b, x, true, &ours);
	if (code < 0)
		code = find_cert(b, x, false, &known);
	if (code >= 0 || !ours || known || X509_check_ca(x) != 1)
		return code;
	op_cert_name(name, x);
	cli_say("%s has the certificate of \"%s\", which a CA of this backup signed and which is not in it: the backup is older than that. Find a newer one.",
		path, name);
	return CLI_FAILS;
}

static bool is_pem(struct ch_span in)
{
	return ch_span_starts(in, CH_SPAN_LIT("-----BEGIN"));
}

/* The certificate of the backup whose key signed the list: a file of the server. NULL: none. */
static const struct ch_ca_file *issuer_of(const struct ch_ca_backup *b, struct ch_span list)
{
	const uint8_t *p = list.p;
	BIO *in = list.n <= INT_MAX ? BIO_new_mem_buf(list.p, (int)list.n) : NULL;
	X509_CRL *crl = is_pem(list) && in != NULL ? PEM_read_bio_X509_CRL(in, NULL, NULL, NULL)
			: list.n <= LONG_MAX       ? d2i_X509_CRL(NULL, &p, (long)list.n)
						   : NULL;
	const struct ch_ca_file *found = NULL;
	for (size_t i = 0; crl != NULL && found == NULL && i < b->count; i++) {
		OP_AUTO_CERTS struct op_certs certs = { 0 };
		const struct ch_ca_file *f = &b->file[i];
		/* A CA that signs lists has a file of its own; ca.crt and roots.pem have them all. */
		if (f->kind != CH_CA_FILE_CERTIFICATE || ch_span_eq(f->name, CH_SPAN_LIT("ca.crt")) ||
		    ch_span_eq(f->name, CH_SPAN_LIT("roots.pem")) || ca_backup_certs(&certs, f) >= 0)
			continue;
		EVP_PKEY *key = X509_get0_pubkey(certs.v[0]);
		if (key != NULL && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(certs.v[0])) == 0 &&
		    X509_CRL_verify(crl, key) == 1)
			found = f;
	}
	X509_CRL_free(crl);
	BIO_free(in);
	ERR_clear_error();
	return found;
}

static bool has_certs(struct ch_span in)
{
	struct ch_span want = CH_SPAN_LIT("-----BEGIN CERTIFICATE-----");
	for (size_t i = 0; i + want.n <= in.n; i++) {
		if (ch_span_eq(ch_span_sub(in, i, want.n), want))
			return true;
	}
	return false;
}

/* Certificates are looked at, a list is taken (later): both must be of these CAs. */
static int check_seen(const struct restore *r, const char *path)
{
	CH_AUTO_BUF struct ch_buf in = { 0 };
	OP_AUTO_CERTS struct op_certs certs = { 0 };
	const struct ch_ca_backup *b = &r->from->b;
	int code = cli_read(&in, path);
	if (code >= 0)
		return code;
	if (!has_certs(ch_buf_span(&in))) {
		if (issuer_of(b, ch_buf_span(&in)) != NULL)
			return -1;
		cli_say("%s: neither certificates in PEM nor a revocation list that a CA of this backup signed", path);
		return CLI_FAILS;
	}
	code = op_certs_take(&certs, ch_buf_span(&in), path);
	for (size_t i = 0; code < 0 && i < certs.count; i++)
		code = check_cert(b, path, certs.v[i]);
	return code;
}

/* --- files --- */

/* What init made, and a server that was never started has. */
static bool gives_way(const struct restore *r, const struct ch_ca_file *f)
{
	static const char *const made[] = { "ca.crt", "state/signer/ca.crt", "state/signer/ca.key",
					    "state/signer/ocsp.key", "state/signer/ear.key" };
	for (size_t i = 0; r->fresh && i < CH_COUNT_OF(made); i++) {
		if (ch_span_eq(f->name, ch_span_str(made[i])))
			return true;
	}
	return false;
}

/* True if what is there is a list of a root, and not from before that of the backup. */
static bool is_later(struct ch_span there, const struct ch_ca_file *f)
{
	OP_AUTO_CRLS struct op_crls one = { .count = 0 }, other = { .count = 0 };
	char name[NAME_ROOM];
	name_of(name, f);
	return f->kind == CH_CA_FILE_LIST && ca_backup_list(&other, f) < 0 && op_crls_take(&one, there, name) < 0 &&
	       one.v[0].number >= other.v[0].number;
}

/* True if the file is there as it is in the backup, or newer as it may be. */
static int is_there(const struct restore *r, const struct ch_ca_file *f, bool *there)
{
	CH_AUTO_BUF struct ch_buf bytes = { 0 };
	char name[NAME_ROOM];
	name_of(name, f);
	enum ch_err err = ch_file_read_at(&bytes, r->c.dir, name, CH_CRL_MAX);
	bool same = err == CH_OK && ch_span_eq(ch_buf_span(&bytes), f->bytes);
	/* A set of what is revoked only grows: one that is there is not older. */
	*there = same || (err == CH_OK && (f->kind == CH_CA_FILE_REVOKED || is_later(ch_buf_span(&bytes), f)));
	ch_wipe(bytes.p, bytes.cap);
	if (*there || err == CH_ERR_NOTFOUND || (err == CH_OK && (gives_way(r, f) || f->kind == CH_CA_FILE_LIST)))
		return -1;
	cli_say("%s/%s: %s", r->c.folder, name, err == CH_OK ? "is there already, and is another" : strerror(errno));
	return err == CH_OK ? CLI_FAILS : CLI_IO;
}

static bool is_public(const struct ch_ca_file *f)
{
	return f->kind == CH_CA_FILE_TRANSCRIPT || f->kind == CH_CA_FILE_CERTIFICATE || f->kind == CH_CA_FILE_LIST;
}

static int make_folder_of(const struct restore *r, const char *name)
{
	char folder[NAME_ROOM];
	const char *slash = strrchr(name, '/');
	if (slash == NULL)
		return -1;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - name), name);
	return op_ceremony_has(&r->c, folder) ? -1 : op_folder_make(r->c.dir, folder, OP_PUBLIC);
}

static int put_kind(const struct restore *r, enum ch_ca_file_kind kind)
{
	const struct ch_ca_backup *b = &r->from->b;
	int code = -1;
	for (size_t i = 0; code < 0 && i < b->count; i++) {
		bool there = false;
		char name[NAME_ROOM];
		if (b->file[i].kind != kind)
			continue;
		name_of(name, &b->file[i]);
		code = is_there(r, &b->file[i], &there);
		if (code < 0 && !there)
			code = make_folder_of(r, name);
		if (code < 0 && !there)
			code = op_ceremony_put(&r->c, name, is_public(&b->file[i]), b->file[i].bytes);
	}
	return code;
}

static int check_files(const struct restore *r)
{
	int code = -1;
	bool there;
	for (size_t i = 0; code < 0 && i < r->from->b.count; i++)
		code = is_there(r, &r->from->b.file[i], &there);
	return code;
}

static int put_all(const struct restore *r, enum ch_ca_file_kind from, enum ch_ca_file_kind to)
{
	int code = -1;
	for (enum ch_ca_file_kind kind = from; code < 0 && kind <= to; kind++)
		code = put_kind(r, kind);
	return code;
}

static void transcript(const struct restore *r, struct op_transcript *t)
{
	op_transcript_begin(t, &r->c, "restore");
	op_transcript_put(t, "from", r->from->path);
	for (size_t i = 0; i < r->seen.count; i++)
		op_transcript_put(t, "seen", r->seen.v[i]);
}

/* --- a root: into a folder that is not there until all of it is --- */

/* "root-1.crl", for the list that the CA of root-1.crt or root-1-by-2.crt signed: one key. False if there is none in the backup. */
static bool list_name(const struct restore *r, struct ch_span der, char to[static NAME_ROOM])
{
	const struct ch_ca_file *of = issuer_of(&r->from->b, der);
	struct ch_span stem = CH_SPAN_LIT("root-");
	if (of == NULL || !ch_span_starts(of->name, stem))
		return false;
	name_of(to, of);
	size_t n = stem.n + strspn(to + stem.n, "0123456789");
	(void)snprintf(to + n, NAME_ROOM - n, ".crl");
	return true;
}

/* What is in place by now, of the backup or of a list that was seen, is not before this one. */
static bool is_known(const struct restore *r, const char *name, const struct op_crl *l)
{
	CH_AUTO_BUF struct ch_buf in = { 0 };
	OP_AUTO_CRLS struct op_crls there = { .count = 0 };
	return ch_file_read_at(&in, r->c.dir, name, CH_CRL_MAX) == CH_OK &&
	       op_crls_take(&there, ch_buf_span(&in), name) < 0 && there.v[0].number >= l->number;
}

static int put_list(const struct restore *r, const struct op_crl *l, const char *path)
{
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	char name[NAME_ROOM];
	if (!list_name(r, ch_buf_span(&l->der), name)) {
		cli_say("%s: has a list that no root of this backup signed", path);
		return CLI_FAILS;
	}
	if (is_known(r, name, l))
		return -1;
	return op_crl_pem(&pem, ch_buf_span(&l->der)) ? op_ceremony_put(&r->c, name, true, ch_buf_span(&pem)) : CLI_IO;
}

/* A list that others hold and that is later than that of the backup takes its place: it has all that its root ever revoked. */
static int put_seen(const struct restore *r)
{
	int code = -1;
	for (size_t i = 0; code < 0 && i < r->seen.count; i++) {
		CH_AUTO_BUF struct ch_buf in = { 0 };
		OP_AUTO_CRLS struct op_crls list = { .count = 0 };
		code = cli_read(&in, r->seen.v[i]);
		if (code >= 0 || has_certs(ch_buf_span(&in)))
			continue;
		code = op_crls_take(&list, ch_buf_span(&in), r->seen.v[i]);
		for (size_t k = 0; code < 0 && k < list.count; k++)
			code = put_list(r, &list.v[k], r->seen.v[i]);
	}
	return code;
}

static int restore_root(struct restore *r)
{
	char fresh[OP_PATH_MAX];
	struct op_transcript t;
	struct stat st;
	int n = snprintf(fresh, sizeof(fresh), "%s.new", r->c.folder);
	if (n < 0 || (size_t)n >= sizeof(fresh) || lstat(r->c.folder, &st) == 0) {
		cli_say("%s is there already: a root is put back into a new folder", r->c.folder);
		return CLI_IO;
	}
	int code = lstat(fresh, &st) == 0 ? -1 : op_folder_make(AT_FDCWD, fresh, OP_SECRET);
	struct op_ceremony opened = r->c;
	opened.folder = fresh;
	if (code < 0)
		code = op_ceremony_open(&opened);
	r->c.dir = opened.dir;
	if (code < 0)
		code = check_files(r);
	if (code < 0)
		code = put_all(r, CH_CA_FILE_TRANSCRIPT, CH_CA_FILE_URI_IN_USE);
	if (code < 0)
		code = put_seen(r);
	if (code >= 0)
		return code;
	transcript(r, &t);
	code = op_transcript_end(
		&t, &r->c,
		"Next: the transcript above names the one before. Whoever has a later one than that has a newer folder: use that.\n");
	return code == CLI_HOLDS ? op_rename_new(fresh, r->c.folder) : code;
}

/* --- a server's --- */

/* What a list has that the signer's set does not is added to it, by the signer's own program: it knows the file. */
static int add_lists(const struct restore *r)
{
	static char option[] = "--add-list";
	int code = -1;
	for (size_t i = 0; code < 0 && i < r->seen.count; i++) {
		CH_AUTO_BUF struct ch_buf in = { 0 }, said = { 0 };
		char signer[OP_PATH_MAX], cert[OP_PATH_MAX], list[OP_PATH_MAX], name[NAME_ROOM];
		code = cli_read(&in, r->seen.v[i]);
		if (code >= 0 || has_certs(ch_buf_span(&in)))
			continue;
		const struct ch_ca_file *of = issuer_of(&r->from->b, ch_buf_span(&in));
		if (of == NULL)
			return CLI_FAILS; /* it was one a moment ago */
		name_of(name, of);
		(void)snprintf(list, sizeof(list), "%.4000s", r->seen.v[i]);
		code = op_ceremony_path(signer, &r->c, "state/signer");
		if (code < 0)
			code = op_ceremony_path(cert, &r->c, name);
		char *args[] = { NULL, option, signer, cert, list, NULL };
		if (code < 0)
			code = op_run_program("chainhold-signer", args, &said);
	}
	return code;
}

/* The key that init made is not beside a URI. */
static int drop_made(const struct restore *r)
{
	if (!r->fresh || ch_ca_backup_find(&r->from->b, CH_SPAN_LIT("state/signer/ca.uri")) == NULL ||
	    unlinkat(r->c.dir, "state/signer/ca.key", 0) == 0 || errno == ENOENT)
		return -1;
	cli_say("%s/state/signer/ca.key: %s", r->c.folder, strerror(errno));
	return CLI_IO;
}

static int restore_server(struct restore *r)
{
	struct op_transcript t;
	int code = op_ceremony_open(&r->c);
	if (code < 0 && (!op_ceremony_has(&r->c, "chainholdd.yaml") || !op_ceremony_has(&r->c, "state/signer"))) {
		cli_say("%s is not the folder of a server: chainhold init makes one", r->c.folder);
		code = CLI_FAILS;
	}
	if (code >= 0)
		return code;
	r->fresh = ca_server_is_fresh(&r->c);
	code = check_files(r);
	if (code >= 0) {
		cli_say("nothing was changed");
		return code;
	}
	transcript(r, &t);
	code = put_all(r, CH_CA_FILE_TRANSCRIPT, CH_CA_FILE_CERTIFICATE);
	if (code < 0)
		code = add_lists(r);
	if (code < 0)
		code = put_all(r, CH_CA_FILE_OTHER_KEY, CH_CA_FILE_URI_IN_USE);
	if (code < 0)
		code = drop_made(r);
	if (code < 0 && r->fresh)
		code = ca_reissue(&r->c, &t);
	if (code < 0)
		return op_transcript_end(&t, &r->c,
					 r->fresh ? "Next: the store (chainhold restore), then start the server\n"
						  : "Next: start the server\n");
	ch_buf_free(&t.text);
	cli_say("it is not put back whole: the same command goes on");
	return code;
}

/* --- the command --- */

static int restore(struct restore *r, const char *path)
{
	static struct ca_backup from;
	r->from = &from;
	int code = ca_backup_open(&from, path, r->seal);
	if (code < 0)
		code = ca_backup_check(&from.b, r->passphrase);
	for (size_t i = 0; code < 0 && i < r->seen.count; i++)
		code = check_seen(r, r->seen.v[i]);
	if (code < 0)
		code = from.b.of == CH_CA_BACKUP_ROOT ? restore_root(r) : restore_server(r);
	ca_backup_clear(&from);
	return code < 0 ? CLI_HOLDS : code;
}

int cmd_ca_restore(int argc, char **argv)
{
	struct restore r = { .c = { .folder = NULL } };
	const char *file[2] = { NULL };
	const struct cli_opt opt[] = {
		{ "seal", "FILE", "a file with the passphrase of the backup; else it is asked for", CLI_VALUE,
		  (void *)&r.seal },
		{ "passphrase", "FILE", "a file with the passphrase of the root's key files; else it is asked for",
		  CLI_VALUE, (void *)&r.passphrase },
		{ "seen", "FILE",
		  "certificates, or a revocation list, that others hold of these CAs: the backup may not be older; may be repeated",
		  CLI_VALUES, &r.seen },
		{ "by", "NAME", "who takes part, for the transcript; may be repeated", CLI_VALUES, &r.c.people },
	};
	const struct cli_usage u = {
		.args = "[--seen FILE]… [--seal FILE] [--passphrase FILE] [--by NAME]… BACKUP DIR",
		.about =
			"Puts a backup back: a root into the new folder DIR, a server's CAs into the folder DIR of a server. Nothing is\n"
			"overwritten but what chainhold init made of a server that was never started; that server's certificates are\n"
			"made anew. Of what is revoked nothing is forgotten: the set that is there stays, and a list that others hold is\n"
			"added to the one that is put back. If it is interrupted, the same command goes on.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = file,
		.file_min = 2,
		.file_max = 2,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	r.c.folder = file[1];
	return code < 0 ? restore(&r, file[0]) : code;
}
